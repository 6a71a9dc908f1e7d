// SPDX-License-Identifier: MIT
#pragma once

#include <sync_engine/store/entry.hpp>

#include <cstddef>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace sync_engine {

/// One record as a commit is to leave it; without an entry it is to be forgotten.
template <class Data>
struct Written {
    std::string id{};
    Outcome<Data> outcome{};
};

/// What a commit is to write: what lies under it stays as it is until then.
///
/// Each record is there once, in the order of the first edit of each. Not thread-safe.
template <class Data>
class Overlay {
public:
    /// What is to become of the record; null if that is not said here. Valid until the next write.
    [[nodiscard]] const Outcome<Data>* find(std::string_view id) const {
        if (written_.empty()) return nullptr;
        const auto found = places_.find(std::string{id});
        return found == places_.end() ? nullptr : &written_[found->second].outcome;
    }

    /// Says what is to become of the record.
    void write(std::string_view id, Outcome<Data> outcome) {
        const auto [place, is_new] = places_.try_emplace(std::string{id}, written_.size());
        if (is_new) {
            written_.push_back({place->first, std::move(outcome)});
        } else {
            written_[place->second].outcome = std::move(outcome);
        }
    }

    /// Adds what was written on top of this: all of it or, if memory runs out, nothing.
    void append(Overlay later) {
        if (written_.empty()) {
            *this = std::move(later);
            return;
        }
        written_.reserve(written_.size() + later.written_.size());
        places_.reserve(places_.size() + later.places_.size());
        for (auto& each : later.written_) {  // nothing is allocated from here on
            auto place = later.places_.extract(each.id);
            place.mapped() = written_.size();
            const auto known = places_.insert(std::move(place));
            if (known.inserted) {
                written_.push_back(std::move(each));
            } else {
                written_[known.position->second].outcome = std::move(each.outcome);
            }
        }
    }

    [[nodiscard]] bool is_empty() const noexcept { return written_.empty(); }

    /// All of it; the ids are not to be changed.
    [[nodiscard]] std::vector<Written<Data>>& written() noexcept { return written_; }
    [[nodiscard]] const std::vector<Written<Data>>& written() const noexcept { return written_; }

private:
    std::vector<Written<Data>> written_;
    std::unordered_map<std::string, std::size_t> places_;
};

}  // namespace sync_engine
