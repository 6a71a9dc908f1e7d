// SPDX-License-Identifier: MIT
#include <sync_engine/sync/await.hpp>

#include "support/catch.hpp"

#include <chrono>
#include <functional>
#include <future>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>

namespace test_of_await {

using namespace std::chrono_literals;
using namespace sync_engine;
using detail::Awaiter;
using detail::ParkingLot;
using detail::TimedOut;
using sync_engine::test::contains;
using sync_engine::test::message_of;

namespace {

/// Waits without waiting: each look at the clock finds it a second further.
Awaiter hasty(
    std::chrono::milliseconds timeout, std::function<void()> on_look = [] {}) {
    auto ticks = std::make_shared<std::chrono::seconds>(0);
    return {.timeout = timeout,
            .monotonic =
                [ticks, on_look] {
                    on_look();
                    return std::chrono::nanoseconds{(*ticks)++};
                },
            .can_wait = true};
}

template <class Value>
std::future<Value> ready(Value value) {
    std::promise<Value> promise;
    promise.set_value(std::move(value));
    return promise.get_future();
}

}  // namespace

TEST_CASE("a future that is ready gives its value, even with no time at all", "[sync]") {
    CHECK(hasty(1ms)(ready(7)) == 7);
    CHECK(hasty(0ms)(ready(std::string("text"))) == "text");
    CHECK(*hasty(1s)(ready(std::make_unique<int>(3))) == 3);
}

TEST_CASE("a future that becomes ready while it is waited for gives its value", "[sync]") {
    std::promise<int> promise;
    int looks = 0;
    const auto wait = hasty(1h, [&] {
        if (++looks == 5) promise.set_value(7);
    });

    CHECK(wait(promise.get_future()) == 7);
    CHECK(looks == 5);
}

TEST_CASE("a time-out that no clock has room for is none", "[sync]") {
    for (const std::chrono::milliseconds timeout :
         {std::chrono::milliseconds::max(), std::chrono::milliseconds{24h * 365 * 400}}) {
        std::promise<int> promise;
        int looks = 0;
        const auto wait = hasty(timeout, [&] {
            if (++looks == 5) promise.set_value(7);
        });
        CHECK(wait(promise.get_future()) == 7);
    }
}

TEST_CASE("a value counts that is there when the time is just over", "[sync]") {
    std::promise<int> promise;
    int looks = 0;
    const auto wait = hasty(2s, [&] {
        if (++looks == 2) promise.set_value(7);  // at the last look before the time-out
    });
    CHECK(wait(promise.get_future()) == 7);
}

TEST_CASE("a deferred future is run by the one who waits", "[sync]") {
    const auto caller = std::this_thread::get_id();
    const auto wait = hasty(1ms);

    CHECK(wait(std::async(std::launch::deferred, [] { return std::this_thread::get_id(); })) ==
          caller);
}

TEST_CASE("what a future throws is thrown on", "[sync]") {
    std::promise<int> failed;
    failed.set_exception(std::make_exception_ptr(std::runtime_error("boom")));
    CHECK_THROWS_AS(hasty(1s)(failed.get_future()), std::runtime_error);

    auto broken = std::promise<int>{}.get_future();
    CHECK_THROWS_AS(hasty(1s)(std::move(broken)), std::future_error);
}

TEST_CASE("an empty future is an error with a sentence", "[sync]") {
    const auto message = message_of<RemoteError>([] { (void)hasty(1s)(std::future<int>{}); });
    CHECK_THAT(message, contains("empty future"));
}

TEST_CASE("a future that is never ready times out after just that time", "[sync]") {
    std::promise<int> never;
    int looks = 0;
    const auto wait = hasty(5s, [&] { ++looks; });

    const auto message = message_of<TimedOut>([&] { (void)wait(never.get_future()); });

    CHECK_THAT(message, contains("5000 ms"));
    CHECK(looks == 6);  // one to begin, then one a second
}

TEST_CASE("where nobody can make a future ready, one that is not is given up at once", "[sync]") {
    std::promise<int> never;
    auto wait = hasty(0ms);  // which otherwise waits for ever
    wait.can_wait = false;

    const auto message = message_of<TimedOut>([&] { (void)wait(never.get_future()); });

    CHECK_THAT(message, contains("make_ready_future"));
    CHECK(wait(ready(7)) == 7);
    CHECK(wait(std::async(std::launch::deferred, [] { return 8; })) == 8);
}

TEST_CASE("a stop ends the wait before the time-out does", "[sync]") {
    std::promise<int> never;
    const StopSource stop;
    auto wait = hasty(1h);
    wait.stop = stop.token();
    stop.request_stop();

    CHECK_THROWS_AS(wait(never.get_future()), Stopped);
}

TEST_CASE("a value that is there counts more than a stop", "[sync]") {
    const StopSource stop;
    auto wait = hasty(1s);
    wait.stop = stop.token();
    stop.request_stop();

    CHECK(wait(ready(7)) == 7);
}

TEST_CASE("a future that was given up does not block, and its value is freed in the end",
          "[sync][threads]") {
    std::promise<void> release;
    auto held = std::make_shared<int>(7);
    const std::weak_ptr<int> watched = held;
    std::promise<void> done;
    auto task = std::async(std::launch::async, [gate = release.get_future().share(),
                                                held = std::move(held), &done]() mutable {
        gate.wait();
        done.set_value();
        return std::move(held);
    });
    auto wait = hasty(1s);
    const StopSource stop;
    const bool is_stopped = GENERATE(false, true);
    if (is_stopped) stop.request_stop();
    wait.stop = stop.token();

    // The destructor of this future would wait for the task, which waits for what comes below.
    if (is_stopped) {
        CHECK_THROWS_AS(wait(std::move(task)), Stopped);
    } else {
        CHECK_THROWS_AS(wait(std::move(task)), TimedOut);
    }
    CHECK_FALSE(watched.expired());
    release.set_value();
    done.get_future().wait();
}

TEST_CASE("parked futures are freed once they are ready, when the next one is parked", "[sync]") {
    auto held = std::make_shared<int>(7);
    const std::weak_ptr<int> watched = held;
    std::promise<std::shared_ptr<int>> late;
    std::promise<int> other;
    ParkingLot::instance().park(late.get_future());

    late.set_value(std::exchange(held, nullptr));
    late = {};
    CHECK_FALSE(watched.expired());
    ParkingLot::instance().park(other.get_future());

    CHECK(watched.expired());
    other.set_value(1);
}

}  // namespace test_of_await
