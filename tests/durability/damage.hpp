// SPDX-License-Identifier: MIT
#pragma once

#include <sync_engine/testing/random.hpp>

#include <algorithm>
#include <array>
#include <cstdint>

namespace sync_engine::test {

/// What a power cut does to one sector of a write that was not synced.
enum class Fate { kept, dropped, garbled };

/// What a power cut does to everything that was not synced: a seeded choice, the same on every run.
///
/// Pattern 0 keeps all, pattern 1 drops all, and every other number is a style and a seed of its
/// own. The things that were done are numbered as they happened, from `oldest` to `newest`.
class Damage {
public:
    Damage(unsigned pattern, std::uint64_t oldest, std::uint64_t newest)
        : style_(style_of(pattern)), random_(pattern * 0x9E3779B97F4A7C15U + newest) {
        const auto span = static_cast<std::uint32_t>(newest - std::min(oldest, newest) + 1);
        turn_ = oldest + random_.below(span);
    }

    /// The fate of a sector of the write with this number.
    Fate of_sector(std::uint64_t number) {
        // One sector in so many is half written. Seldom, because a garbled one is easier to notice
        // for a checksum than an old one.
        constexpr std::uint32_t garbled_one_in = 24;
        const auto chances = chances_of(number);
        if (random_.below(100) >= chances.kept) return Fate::dropped;
        const bool is_garbled = chances.may_garble && random_.below(garbled_one_in) == 0;
        return is_garbled ? Fate::garbled : Fate::kept;
    }

    /// Whether a change of a name or of a length survives: these are whole or not at all.
    bool keeps(std::uint64_t number) { return random_.below(100) < chances_of(number).kept; }

    /// What a half written byte may be.
    char noise() { return static_cast<char>(random_() & 0xFFU); }

private:
    enum class Style { keep, drop, even, mostly_kept, mostly_dropped, in_order, newest_first };

    struct Chances {
        std::uint32_t kept = 0;  ///< in a hundred
        bool may_garble = false;
    };

    static Style style_of(unsigned pattern) {
        if (pattern == 0) return Style::keep;
        if (pattern == 1) return Style::drop;
        constexpr std::array styles{Style::even, Style::mostly_kept, Style::in_order,
                                    Style::mostly_dropped, Style::newest_first};
        return styles.at((pattern - 2) % styles.size());
    }

    [[nodiscard]] Chances chances_of(std::uint64_t number) const {
        switch (style_) {
            case Style::keep:
                return {100, false};
            case Style::drop:
                return {0, false};
            case Style::even:
                return {50, true};
            case Style::mostly_kept:
                return {95, true};
            case Style::mostly_dropped:
                return {10, true};
            case Style::in_order:  // a disk that writes in order, and tears one write
                return number == turn_ ? Chances{50, true} : Chances{number < turn_ ? 100U : 0U};
            case Style::newest_first:  // a disk that reorders
                return number == turn_ ? Chances{50, true} : Chances{number > turn_ ? 100U : 0U};
        }
        return {};
    }

    Style style_;
    testing::SeededRandom random_;
    std::uint64_t turn_ = 0;
};

}  // namespace sync_engine::test
