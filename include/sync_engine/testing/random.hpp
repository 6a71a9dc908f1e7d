// SPDX-License-Identifier: MIT
#pragma once

#include <sync_engine/record/environment.hpp>

#include <cstdint>
#include <memory>

namespace sync_engine::testing {

/// Numbers from a seed, the same on every compiler and processor: what the standard library's
/// distributions do not promise. A value: a copy draws the same numbers again.
class SeededRandom {
public:
    /// Any seed will do; the same seed gives the same numbers.
    explicit SeededRandom(std::uint64_t seed) noexcept : generator_(seed) {}

    /// The next 64 even bits.
    std::uint64_t operator()() noexcept { return generator_(); }

    /// A number from 0 to `bound` - 1; 0 for a bound of 0. The bias of the remainder is below
    /// 2^-32, which no test of ours can see.
    std::uint32_t below(std::uint32_t bound) noexcept {
        return bound == 0 ? 0 : static_cast<std::uint32_t>(generator_() % bound);
    }

    /// A source to pass to a store or a retry queue; it draws a sequence of its own.
    [[nodiscard]] Random source() {
        return [own = std::make_shared<SplitMix64>(generator_())] { return (*own)(); };
    }

private:
    SplitMix64 generator_;
};

}  // namespace sync_engine::testing
