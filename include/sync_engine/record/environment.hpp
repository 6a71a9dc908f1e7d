// SPDX-License-Identifier: MIT
#pragma once

#include <sync_engine/record/timestamp.hpp>

#include <algorithm>
#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <random>
#include <utility>

namespace sync_engine {

/// Where the time comes from: the system's clock, or the clock of a test that runs a year in a
/// second. Called from any thread.
using Clock = std::function<Timestamp()>;

/// Where chance comes from: 64 even bits a call, repeatable when a test passes its own. Called from
/// any thread.
using Random = std::function<std::uint64_t()>;

/// Chance that differs from run to run, for operation ids and jitter. It keeps no secrets.
///
/// Safe to call from several threads; copies draw from one sequence, so none repeats another.
[[nodiscard]] inline Random system_random() {
    struct State {
        std::mutex mutex{};
        std::mt19937_64 generator{};
    };

    std::random_device device;
    std::array<std::uint32_t, 8> words{};  // 256 bits: two devices never start alike
    std::generate(words.begin(), words.end(), [&] { return device(); });
    std::seed_seq seed(words.begin(), words.end());

    auto state = std::make_shared<State>();
    state->generator.seed(seed);
    return [state = std::move(state)]() -> std::uint64_t {
        const std::lock_guard lock{state->mutex};
        return state->generator();
    };
}

/// A small generator whose numbers are the same on every platform: for jitter, and for tests.
///
/// SplitMix64, from Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014.
class SplitMix64 {
public:
    /// Any seed will do; the same seed gives the same numbers.
    explicit SplitMix64(std::uint64_t seed) noexcept : state_(seed) {}

    /// The next 64 bits.
    std::uint64_t operator()() noexcept {
        std::uint64_t mixed = state_ += 0x9E3779B97F4A7C15U;
        mixed = (mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9U;
        mixed = (mixed ^ (mixed >> 27)) * 0x94D049BB133111EBU;
        return mixed ^ (mixed >> 31);
    }

private:
    std::uint64_t state_;
};

}  // namespace sync_engine
