// SPDX-License-Identifier: MIT
#pragma once

#include <sync_engine/store/boxed.hpp>
#include <sync_engine/store/entry.hpp>

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace sync_engine {

/// The entry that a commit is to write, or none: the record is to be forgotten. Used as a
/// `std::optional` is, but copies share the entry, which only the commit still writes to.
template <class Data>
class Outcome {
public:
    Outcome() = default;
    Outcome(std::nullopt_t /*none*/) noexcept {}
    Outcome(Entry<Data> entry) : entry_(std::make_shared<Entry<Data>>(std::move(entry))) {}

    [[nodiscard]] bool has_value() const noexcept { return entry_ != nullptr; }
    [[nodiscard]] explicit operator bool() const noexcept { return has_value(); }
    [[nodiscard]] const Entry<Data>& operator*() const noexcept { return *entry_; }
    [[nodiscard]] const Entry<Data>* operator->() const noexcept { return entry_.get(); }

    /// The entry for whoever made it, and then for the commit that stamps it.
    [[nodiscard]] Entry<Data>& draft() const noexcept { return *entry_; }

    /// The entry for everybody else, who see those stamps, and no change after them.
    [[nodiscard]] EntryPtr<Data> entry() const noexcept { return entry_; }

private:
    std::shared_ptr<Entry<Data>> entry_{};
};

/// One record as a commit is to leave it; without an entry it is to be forgotten.
template <class Data>
struct Written {
    Outcome<Data> outcome{};         ///< the entry; none: forget it
    Boxed<std::string> forgotten{};  ///< the id, where there is no entry

    /// Of the record; it lives as long as this is not changed.
    [[nodiscard]] std::string_view id() const noexcept {
        return outcome ? std::string_view{outcome->local->id} : std::string_view{*forgotten};
    }
};

}  // namespace sync_engine
