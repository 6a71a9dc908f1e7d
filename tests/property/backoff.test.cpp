// SPDX-License-Identifier: MIT
#include <sync_engine/retry/backoff.hpp>
#include <sync_engine/retry/retry_queue.hpp>

#include "property/rapidcheck.hpp"
#include "support/catch.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <limits>
#include <ostream>

namespace sync_engine {

inline void showValue(const Backoff& backoff, std::ostream& out) {
    out << "base " << backoff.base.count() << " ms, multiplier " << backoff.multiplier << ", cap "
        << backoff.cap.count() << " ms, jitter " << backoff.jitter;
}

}  // namespace sync_engine

namespace property_of_backoff {

using namespace sync_engine;
using std::chrono::milliseconds;

namespace {

constexpr auto infinite = std::numeric_limits<double>::infinity();
constexpr auto not_a_number = std::numeric_limits<double>::quiet_NaN();

/// Waits that are usual, waits that are none, and the ends of the range, where arithmetic breaks.
rc::Gen<milliseconds> any_wait() {
    constexpr auto most = milliseconds::max().count();
    return rc::gen::map(
        rc::gen::oneOf(
            rc::gen::inRange<std::int64_t>(0, 100'000),
            rc::gen::element<std::int64_t>(milliseconds::min().count(), -1, 0, 1, most - 1, most,
                                           (1LL << 53U) + 1, (1LL << 62U) + 1),
            rc::gen::inRange<std::int64_t>(most - 2000, most), rc::gen::arbitrary<std::int64_t>()),
        [](std::int64_t count) { return milliseconds{count}; });
}

rc::Gen<double> any_multiplier() {
    return rc::gen::oneOf(
        rc::gen::map(rc::gen::inRange(0, 5000), [](int thousandth) { return thousandth / 1000.0; }),
        rc::gen::element(1.0, 2.0, 1.0 + 1e-9, 1e308, infinite, -infinite, not_a_number, -2.0));
}

rc::Gen<double> any_jitter() {
    return rc::gen::oneOf(
        rc::gen::map(rc::gen::inRange(0, 1001), [](int thousandth) { return thousandth / 1000.0; }),
        rc::gen::element(0.0, 1.0, 1.0 - 1e-16, 1e-300, infinite, not_a_number, -1.0));
}

rc::Gen<unsigned> any_attempt() {
    return rc::gen::oneOf(rc::gen::inRange(0U, 70U), rc::gen::arbitrary<unsigned>(),
                          rc::gen::element(std::numeric_limits<unsigned>::max()));
}

rc::Gen<Backoff> any_backoff() {
    return rc::gen::build<Backoff>(rc::gen::set(&Backoff::base, any_wait()),
                                   rc::gen::set(&Backoff::multiplier, any_multiplier()),
                                   rc::gen::set(&Backoff::cap, any_wait()),
                                   rc::gen::set(&Backoff::jitter, any_jitter()));
}

rc::Gen<std::uint64_t> random_bits() {
    return rc::gen::oneOf(
        rc::gen::arbitrary<std::uint64_t>(),
        rc::gen::element<std::uint64_t>(0, 1, std::numeric_limits<std::uint64_t>::max()));
}

Backoff without_jitter(Backoff backoff) {
    backoff.jitter = 0.0;
    return backoff;
}

}  // namespace

TEST_CASE("a wait is never below zero and never above the cap", "[property]") {
    REQUIRE(rc::check("0 <= wait <= cap", [] {
        const Backoff backoff = *any_backoff();
        const auto wait = backoff.after(*any_attempt(), *random_bits());

        RC_ASSERT(wait >= milliseconds{0});
        RC_ASSERT(wait <= std::max(backoff.cap, milliseconds{0}));
    }));
}

TEST_CASE("the first wait is the base, as far as the cap allows", "[property]") {
    REQUIRE(rc::check("after(0) is nothing, after(1) is base", [] {
        const Backoff backoff = without_jitter(*any_backoff());

        RC_ASSERT(backoff.after(0) == milliseconds{0});
        RC_ASSERT(backoff.after(1) == std::clamp(backoff.base, milliseconds{0},
                                                 std::max(backoff.cap, milliseconds{0})));
    }));
}

TEST_CASE("without jitter a wait is never shorter than the one before", "[property]") {
    REQUIRE(rc::check("after(n) <= after(n + k)", [] {
        const Backoff backoff = without_jitter(*any_backoff());
        const unsigned attempt = *any_attempt();
        const unsigned later = attempt + std::min(*rc::gen::inRange(1U, 40U),
                                                  std::numeric_limits<unsigned>::max() - attempt);

        RC_ASSERT(backoff.after(attempt) <= backoff.after(later));
    }));
}

TEST_CASE("a wait is base times the multiplier to the power of the retries", "[property]") {
    REQUIRE(rc::check("pow, within a millisecond and rounding", [] {
        const Backoff backoff{
            .base = milliseconds{*rc::gen::inRange<std::int64_t>(1, 10'000)},
            .multiplier = 1.0 + *rc::gen::inRange(0, 4000) / 1000.0,
            .cap = milliseconds{*rc::gen::inRange<std::int64_t>(1, 1'000'000'000)}};
        const unsigned attempt = *rc::gen::inRange(1U, 100U);

        const double exact =
            std::min(static_cast<double>(backoff.base.count()) *
                         std::pow(backoff.multiplier, static_cast<double>(attempt - 1)),
                     static_cast<double>(backoff.cap.count()));

        RC_ASSERT(std::abs(static_cast<double>(backoff.after(attempt).count()) - exact) <= 1.001);
    }));
}

TEST_CASE("jitter only shortens a wait, and by no more than its share", "[property]") {
    REQUIRE(rc::check("wait * (1 - jitter) <= jittered <= wait", [] {
        const Backoff backoff = *any_backoff();
        const unsigned attempt = *any_attempt();
        const auto whole = without_jitter(backoff).after(attempt);
        const auto jittered = backoff.after(attempt, *random_bits());
        const double share =
            std::isnan(backoff.jitter) ? 0.0 : std::clamp(backoff.jitter, 0.0, 1.0);

        RC_ASSERT(jittered <= whole);
        const auto whole_count = static_cast<double>(whole.count());
        const double rounding = 1.0 + whole_count * 1e-15;
        RC_ASSERT(static_cast<double>(jittered.count()) >= whole_count * (1.0 - share) - rounding);
    }));
}

TEST_CASE("a queue's wait is its backoff's, and no longer than a year", "[property]") {
    REQUIRE(rc::check("RetryOptions::delay", [] {
        const Backoff backoff = *any_backoff();
        const RetryOptions options{.backoff_base = backoff.base,
                                   .backoff_multiplier = backoff.multiplier,
                                   .max_delay = backoff.cap,
                                   .jitter = backoff.jitter};
        const unsigned attempt = *any_attempt();
        const auto random = *random_bits();

        const auto wait = options.delay(attempt, random);
        RC_ASSERT(wait >= milliseconds{0});
        RC_ASSERT(wait <= RetryOptions::longest_wait);
        if (backoff.cap <= RetryOptions::longest_wait) {
            RC_ASSERT(wait == backoff.after(attempt, random));
        }
    }));
}

}  // namespace property_of_backoff
