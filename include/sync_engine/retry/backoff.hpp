// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>

namespace sync_engine {

/// How long to wait before trying again: longer after each failure, up to a cap.
///
/// A value, not a timer: it never sleeps and reads neither a clock nor a source of chance, so a
/// test can walk through a day of outages in a microsecond. Options that make no sense are clamped.
struct Backoff {
    /// The wait after the first failure.
    std::chrono::milliseconds base = std::chrono::seconds{1};
    /// How many times as long each next wait is; waits never get shorter, so below 1 it is 1.
    double multiplier = 2.0;
    /// The longest wait, the first one included.
    std::chrono::milliseconds cap = std::chrono::minutes{5};

    /// The share of the wait that is left to chance, so that devices which failed together do not
    /// come back together: 0 is none, 1 is the "full jitter" of "Exponential Backoff And Jitter"
    /// (AWS Architecture Blog).
    double jitter = 0.0;

    /// The wait after the given failed attempt: zero for 0, `base` for 1, then growing to `cap`.
    ///
    /// `random` are 64 even bits, by which the jitter takes from the wait; 0 takes nothing.
    [[nodiscard]] constexpr std::chrono::milliseconds after(
        unsigned attempt, std::uint64_t random = 0) const noexcept {
        if (attempt == 0) return std::chrono::milliseconds{0};
        const auto wait = grown(attempt - 1);
        return std::chrono::milliseconds{wait - taken(wait, random)};
    }

private:
    using Count = std::chrono::milliseconds::rep;

    /// base * multiplier^steps, up to cap. By squaring: 32 rounds serve every number of steps, also
    /// with a multiplier so close to 1 that the cap is out of reach.
    [[nodiscard]] constexpr Count grown(unsigned steps) const noexcept {
        const auto highest = std::max<Count>(cap.count(), 0);
        const auto first = std::clamp<Count>(base.count(), 0, highest);
        if (steps == 0 || first == 0 || first == highest) return first;
        if (!(multiplier > 1.0)) return first;  // what is not a number is not above 1 either

        const auto top = static_cast<double>(highest);
        auto wait = static_cast<double>(first);  // rounded, perhaps to the cap
        // A factor held at the cap reaches it in one step from any wait, and never overflows.
        auto factor = std::min(multiplier, top);
        for (; steps != 0; steps /= 2, factor = std::min(factor * factor, top)) {
            if (steps % 2 != 0) wait *= factor;
            if (wait >= top) return highest;
        }
        return static_cast<Count>(wait);
    }

    [[nodiscard]] constexpr Count taken(Count wait, std::uint64_t random) const noexcept {
        if (!(jitter > 0.0)) return 0;
        const auto most =
            jitter < 1.0 ? static_cast<Count>(static_cast<double>(wait) * jitter) : wait;
        return static_cast<Count>(random % (static_cast<std::uint64_t>(most) + 1));
    }
};

}  // namespace sync_engine
