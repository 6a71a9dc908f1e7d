// SPDX-License-Identifier: MIT
#include <sync_engine/retry/backoff.hpp>

#include "support/catch.hpp"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <limits>

namespace test_of_backoff {

using namespace std::chrono_literals;
using std::chrono::milliseconds;
using sync_engine::Backoff;

namespace {

constexpr auto largest = std::numeric_limits<std::uint64_t>::max();
constexpr auto most_attempts = std::numeric_limits<unsigned>::max();
constexpr double infinite = std::numeric_limits<double>::infinity();
constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();

}  // namespace

TEST_CASE("backoff waits one second at first and five minutes at most, unless told otherwise",
          "[retry]") {
    const Backoff backoff;

    CHECK(backoff.after(1) == 1s);
    CHECK(backoff.after(9) == 256s);
    CHECK(backoff.after(10) == 5min);
    CHECK(backoff.after(1, largest) == 1s);
}

TEST_CASE("backoff doubles after each failure and stops at its cap", "[retry]") {
    const Backoff backoff{.base = 1s, .cap = 10s};

    CHECK(backoff.after(0) == 0s);
    CHECK(backoff.after(1) == 1s);
    CHECK(backoff.after(2) == 2s);
    CHECK(backoff.after(3) == 4s);
    CHECK(backoff.after(4) == 8s);
    CHECK(backoff.after(5) == 10s);
    CHECK(backoff.after(6) == 10s);
}

TEST_CASE("backoff grows by any multiplier above one", "[retry]") {
    const Backoff backoff{.base = 100ms, .multiplier = 1.5, .cap = 1h};

    CHECK(backoff.after(1) == 100ms);
    CHECK(backoff.after(2) == 150ms);
    CHECK(backoff.after(3) == 225ms);
    CHECK(backoff.after(4) == 337ms);
}

TEST_CASE("backoff can be computed by the compiler", "[retry]") {
    STATIC_REQUIRE(Backoff{}.after(3) == 4s);
    STATIC_REQUIRE(Backoff{}.after(most_attempts) == 5min);
    STATIC_REQUIRE(Backoff{.cap = milliseconds::max()}.after(most_attempts) == milliseconds::max());
}

TEST_CASE("backoff never overflows, however many attempts there were", "[retry]") {
    const auto multiplier = GENERATE(1.001, 2.0, 1e10, 1e308, infinite);
    const auto cap = GENERATE(milliseconds{5min}, milliseconds::max());
    const Backoff backoff{.base = 1s, .multiplier = multiplier, .cap = cap};

    auto before = 0ms;
    for (unsigned attempt = 0; attempt < 3000; ++attempt) {
        const auto wait = backoff.after(attempt);
        REQUIRE(wait >= before);
        REQUIRE(wait <= cap);
        before = wait;
    }
    CHECK(backoff.after(most_attempts) == cap);
}

TEST_CASE("backoff answers at once when its multiplier hardly grows", "[retry]") {
    const Backoff backoff{.base = 1s, .multiplier = 1.0 + 1e-12};

    CHECK(backoff.after(most_attempts) == 1004ms);
}

TEST_CASE("backoff stays at its base when its multiplier does not grow", "[retry]") {
    const auto multiplier = GENERATE(1.0, 0.5, 0.0, -2.0, -infinite, not_a_number);
    const Backoff backoff{.base = 3s, .multiplier = multiplier};

    CHECK(backoff.after(1) == 3s);
    CHECK(backoff.after(2) == 3s);
    CHECK(backoff.after(most_attempts) == 3s);
}

TEST_CASE("backoff clamps a base or a cap that makes no sense", "[retry]") {
    CHECK(Backoff{.base = -1s}.after(5) == 0s);
    CHECK(Backoff{.base = milliseconds::min()}.after(5) == 0s);
    CHECK(Backoff{.base = 0s}.after(most_attempts) == 0s);
    CHECK(Backoff{.base = 0s, .multiplier = infinite}.after(2) == 0s);
    CHECK(Backoff{.cap = -1s}.after(5) == 0s);
    CHECK(Backoff{.base = 10s, .cap = 2s}.after(1) == 2s);
    CHECK(Backoff{.base = milliseconds::max(), .cap = milliseconds::max()}.after(2) ==
          milliseconds::max());
}

TEST_CASE("backoff waits its base to the millisecond, also where a double cannot hold it",
          "[retry]") {
    constexpr milliseconds longest = milliseconds::max();
    constexpr milliseconds odd{(1LL << 53U) + 1};

    CHECK(Backoff{.base = odd, .cap = longest}.after(1) == odd);
    CHECK(Backoff{.base = longest - 1ms, .cap = longest}.after(1) == longest - 1ms);
    CHECK(Backoff{.base = longest - 1ms, .cap = longest}.after(2) == longest);
}

TEST_CASE("backoff takes nothing from the wait without jitter", "[retry]") {
    const auto jitter = GENERATE(0.0, -0.0, -1.0, not_a_number);
    const auto random = GENERATE(std::uint64_t{0}, std::uint64_t{12345}, largest);

    CHECK(Backoff{.jitter = jitter}.after(3, random) == 4s);
}

TEST_CASE("backoff spreads its waits evenly over the share that the jitter names", "[retry]") {
    const auto jitter = GENERATE(0.25, 0.5, 1.0, 7.0, infinite);
    const Backoff backoff{.base = 1s, .jitter = jitter};
    const auto shortest = jitter > 1.0 ? 0ms : milliseconds{static_cast<int>(1000 * (1 - jitter))};

    milliseconds total{0};
    auto low = 1s + 0ms;
    auto high = 0ms;
    std::uint64_t random = 0;
    constexpr int rounds = 20'000;
    for (int n = 0; n < rounds; ++n) {
        random += 0x9E3779B97F4A7C15U;  // the golden ratio: steps that cover all 64 bits evenly
        const auto wait = backoff.after(1, random);
        low = std::min(low, wait);
        high = std::max(high, wait);
        total += wait;
    }

    CHECK(low == shortest);
    CHECK(high == 1s);
    CHECK(total / rounds >= (shortest + 1s) / 2 - 2ms);
    CHECK(total / rounds <= (shortest + 1s) / 2 + 2ms);
}

TEST_CASE("backoff keeps jitter within bounds at the largest wait", "[retry]") {
    const auto jitter = GENERATE(1e-300, 0.5, 0.9999999999999999, 1.0);
    const Backoff backoff{
        .base = milliseconds::max(), .cap = milliseconds::max(), .jitter = jitter};

    for (const auto random : {std::uint64_t{0}, std::uint64_t{1} << 63U, largest - 1, largest}) {
        CHECK(backoff.after(1, random) >= 0ms);
        CHECK(backoff.after(1, random) <= milliseconds::max());
    }
}

}  // namespace test_of_backoff
