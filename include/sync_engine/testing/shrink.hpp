// SPDX-License-Identifier: MIT
#pragma once

#include <sync_engine/testing/choices.hpp>

#include <algorithm>
#include <cstddef>
#include <functional>
#include <optional>
#include <utility>
#include <vector>

namespace sync_engine::testing {

/// A list of choices, and where its groups begin.
struct Shrunk {
    Choices::List list{};
    std::vector<std::size_t> groups{};
};

/// What a list comes to when it is replayed: the choices really made, if it still fails.
using StillFails = std::function<std::optional<Shrunk>(const Choices::List&)>;

namespace detail {

/// Tries smaller lists for as long as one of them still fails.
class Shrinker {
public:
    Shrinker(Shrunk start, const StillFails& still_fails, std::size_t patience)
        : best_(std::move(start)), still_fails_(still_fails), patience_(patience) {}

    Shrunk run() {
        for (bool is_smaller = true; is_smaller && patience_ > 0;) {
            is_smaller = delete_groups();
            is_smaller = lower_choices() || is_smaller;
        }
        return best_;
    }

private:
    /// Deletes whole steps: half of them, a quarter, down to single ones.
    bool delete_groups() {
        bool is_smaller = false;
        for (std::size_t size = std::max<std::size_t>(best_.groups.size() / 2, 1);; size /= 2) {
            for (std::size_t first = 0; first < best_.groups.size() && patience_ > 0;) {
                if (accept(without_groups(first, size))) {
                    is_smaller = true;
                } else {
                    first += size;
                }
            }
            if (size <= 1) return is_smaller;
        }
    }

    [[nodiscard]] Choices::List without_groups(std::size_t first, std::size_t count) const {
        const auto begin = best_.groups[first];
        const auto end =
            first + count < best_.groups.size() ? best_.groups[first + count] : best_.list.size();
        Choices::List list = best_.list;
        list.erase(list.begin() + static_cast<std::ptrdiff_t>(begin),
                   list.begin() + static_cast<std::ptrdiff_t>(end));
        return list;
    }

    /// Makes each choice 0, or else half of what it is, until it can be no lower.
    bool lower_choices() {
        bool is_smaller = false;
        for (std::size_t place = 0; place < best_.list.size() && patience_ > 0; ++place) {
            for (const bool to_zero : {true, false}) {
                while (place < best_.list.size() && best_.list[place] > 0 && patience_ > 0) {
                    Choices::List list = best_.list;
                    list[place] = to_zero ? 0 : list[place] / 2;
                    if (!accept(std::move(list))) break;
                    is_smaller = true;
                }
            }
        }
        return is_smaller;
    }

    bool accept(const Choices::List& list) {
        if (patience_ == 0) return false;
        --patience_;
        auto made = still_fails_(list);
        if (!made || !is_smaller(made->list)) return false;
        best_ = std::move(*made);
        return true;
    }

    /// Shorter, or as long and with a lower choice where they first differ.
    [[nodiscard]] bool is_smaller(const Choices::List& list) const {
        if (list.size() != best_.list.size()) return list.size() < best_.list.size();
        // Not `<`: the one of libstdc++ 12 compares too few bytes on big-endian machines.
        return std::lexicographical_compare(list.begin(), list.end(), best_.list.begin(),
                                            best_.list.end());
    }

    Shrunk best_;
    const StillFails& still_fails_;
    std::size_t patience_;
};

}  // namespace detail

/// Shrinks a failing list of choices: fewer steps first, then lower choices, as long as it fails
/// and at most `patience` replays.
[[nodiscard]] inline Shrunk shrink_choices(Shrunk failing, const StillFails& still_fails,
                                           std::size_t patience) {
    return detail::Shrinker(std::move(failing), still_fails, patience).run();
}

}  // namespace sync_engine::testing
