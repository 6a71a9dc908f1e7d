// SPDX-License-Identifier: MIT
#include <sync_engine/store/retry_state.hpp>

#include "support/catch.hpp"

#include <chrono>
#include <string>

namespace test_of_retry_state {

using namespace std::chrono_literals;
using namespace sync_engine;

namespace {

const Timestamp noon{std::chrono::sys_days{std::chrono::year{2026} / 5 / 4} + 12h};

}  // namespace

TEST_CASE("a wait is over when its length has passed", "[store]") {
    const Wait wait{noon, 10s};

    CHECK_FALSE(wait.is_over(noon));
    CHECK_FALSE(wait.is_over(noon + 10s - 1us));
    CHECK(wait.is_over(noon + 10s));
    CHECK(wait.is_over(noon + 24h));
    CHECK(wait.until() == noon + 10s);
    CHECK(wait.due(noon) == noon + 10s);
    CHECK(wait.due(noon - 1us) == Timestamp{});
}

TEST_CASE("a wait of no length is over at once", "[store]") {
    CHECK(Wait{}.is_over(noon));
    CHECK(Wait{noon, 0ms}.is_over(noon));
    CHECK(Wait{noon, -1s}.is_over(noon));
}

TEST_CASE("a wait of less than a second is negligible", "[store]") {
    CHECK(Wait{}.is_negligible());
    CHECK(Wait{noon, -1h}.is_negligible());
    CHECK(Wait{noon, 999ms}.is_negligible());
    CHECK_FALSE(Wait{noon, 1s}.is_negligible());
    CHECK_FALSE(Wait{noon, 24h}.is_negligible());
}

TEST_CASE("a clock that is set back ends a wait", "[store]") {
    CHECK(Wait{noon, 10s}.is_over(noon - 1us));
    CHECK(Wait{noon, 10s}.is_over(Timestamp{}));
}

TEST_CASE("a wait from a file may reach beyond all time", "[store]") {
    constexpr auto longest = std::chrono::milliseconds::max();
    constexpr auto shortest = std::chrono::milliseconds::min();

    CHECK_FALSE(Wait{noon, longest}.is_over(noon + 24h));
    CHECK_FALSE(Wait{Timestamp::min(), longest}.is_over(Timestamp::max()));
    CHECK(Wait{Timestamp::min(), 1s}.is_over(noon));
    CHECK(Wait{Timestamp::max(), longest}.is_over(noon));
    CHECK(Wait{noon, longest}.until() == Timestamp::max());
    CHECK(Wait{Timestamp::max(), 1s}.until() == Timestamp::max());
    CHECK(Wait{Timestamp::min(), longest}.until() == Timestamp::max());
    CHECK(Wait{Timestamp::min(), shortest}.until() == Timestamp::min());
    CHECK(Wait{Timestamp::min(), 1s}.until() == Timestamp::min() + 1s);
}

TEST_CASE("an edit is due when both of its waits have ended", "[store]") {
    CHECK(RetryState{.backoff = {noon, 10s}, .asked = {noon, 5s}}.due(noon, 1h) == noon + 10s);
    CHECK(RetryState{.backoff = {noon, 10s}, .asked = {noon + 6s, 5s}}.due(noon + 6s, 1h) ==
          noon + 11s);
    CHECK(RetryState{}.due(noon, 1h) == Timestamp{});
    CHECK(RetryState{.backoff = {noon, 10s}, .asked = {noon, 24h}}.due(noon, 1h) == noon + 1h);
}

TEST_CASE("a wait is cut to what is allowed, and is none where nothing is", "[store]") {
    CHECK(Wait{noon, 24h}.at_most(1h) == Wait{noon, 1h});
    CHECK(Wait{noon, 1h}.at_most(24h) == Wait{noon, 1h});
    CHECK(Wait{noon, -1h}.at_most(1h) == Wait{noon, 0h});
    CHECK(Wait{noon, 1h}.at_most(-1h) == Wait{noon, 0h});
}

TEST_CASE("the newest failures are remembered, oldest first", "[store]") {
    RetryState state;
    for (int n = 0; n < 25; ++n) state.remember({"a", std::to_string(n), noon});

    REQUIRE(state.history.size() == detail::history_limit);
    CHECK(state.history.front().message == "5");
    CHECK(state.history.back().message == "24");
}

}  // namespace test_of_retry_state
