// SPDX-License-Identifier: MIT
#pragma once

#include <sync_engine/store/entry.hpp>
#include <sync_engine/store/id_index.hpp>
#include <sync_engine/store/outcome.hpp>

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sync_engine {

/// What a commit is to write: what lies under it stays as it is until then.
///
/// Each record is there once, in the order of the first edit of each. Not thread-safe.
template <class Data>
class Overlay {
public:
    Overlay() = default;
    /// Of records that are each there once. Nothing is looked for, so they are in no index.
    explicit Overlay(std::vector<Written<Data>> each_once) : written_(std::move(each_once)) {}

    /// What is to become of the record; null if that is not said here. Valid until the next write.
    [[nodiscard]] const Outcome<Data>* find(std::string_view id) const {
        const auto place = place_of(id);
        return place == IdIndex::nowhere ? nullptr : &written_[place].outcome;
    }

    /// Says what is to become of the record.
    void write(std::string_view id, Outcome<Data> outcome) {
        Written<Data> written{.outcome = std::move(outcome)};
        if (!written.outcome) written.forgotten = std::string{id};
        write(std::move(written));
    }

    /// Says what is to become of the record of an entry.
    void write(Entry<Data>&& entry) { write(Written<Data>{.outcome = std::move(entry)}); }

    /// Says what is to become of a record.
    void write(Written<Data>&& written) {
        const auto known = place_of(written.id());
        if (known != IdIndex::nowhere) {
            written_[known] = std::move(written);
            return;
        }
        reserve(written_.size() + 1);
        written_.push_back(std::move(written));
        if (written_.size() <= few) return;
        for (; indexed_ < written_.size(); ++indexed_) index_.insert(id_at(indexed_), indexed_);
    }

    /// Makes room for `count` records in all.
    void reserve(std::size_t count) {
        if (count > few) index_.reserve(count);
        if (count > written_.capacity()) written_.reserve(std::max(count, written_.size() * 2));
    }

    /// Adds what was written on top of this: all of it or, if memory runs out, nothing.
    void append(Overlay later) {
        if (written_.empty()) {
            *this = std::move(later);
            return;
        }
        reserve(written_.size() + later.written_.size());
        for (auto& each : later.written_) write(std::move(each));  // allocates nothing
    }

    [[nodiscard]] bool is_empty() const noexcept { return written_.empty(); }

    /// All of it; the ids are not to be changed.
    [[nodiscard]] std::vector<Written<Data>>& written() noexcept { return written_; }
    [[nodiscard]] const std::vector<Written<Data>>& written() const noexcept { return written_; }

private:
    /// So many are looked through: most commits have one record, and need no index.
    static constexpr std::size_t few = 8;

    [[nodiscard]] std::size_t place_of(std::string_view id) const {
        const auto at = [this](std::size_t place) { return id_at(place); };
        for (std::size_t place = indexed_; place < written_.size(); ++place) {
            if (at(place) == id) return place;
        }
        return index_.find(id, at);
    }

    [[nodiscard]] std::string_view id_at(std::size_t place) const { return written_[place].id(); }

    std::vector<Written<Data>> written_;
    std::size_t indexed_ = 0;  // so many are in the index, the others are looked through
    IdIndex index_;
};

}  // namespace sync_engine
