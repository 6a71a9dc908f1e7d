// SPDX-License-Identifier: MIT
#include <sync_engine/remote/stop_token.hpp>

#include "support/catch.hpp"

#include <atomic>
#include <chrono>
#include <future>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

namespace test_of_stop_token {

using namespace std::chrono_literals;
using namespace sync_engine;

TEST_CASE("a stop calls whoever waits for it, once", "[remote]") {
    const StopSource source;
    int calls = 0;
    const StopCallback wake{source.token(), [&] { ++calls; }};
    CHECK(calls == 0);

    source.request_stop();
    source.request_stop();

    CHECK(calls == 1);
}

TEST_CASE("who begins to wait after the stop is called at once", "[remote]") {
    const StopSource source;
    source.request_stop();
    int calls = 0;

    const StopCallback wake{source.token(), [&] { ++calls; }};
    CHECK(calls == 1);

    source.request_stop();
    CHECK(calls == 1);
}

TEST_CASE("who waits no longer is not called", "[remote]") {
    const StopSource source;
    int gone = 0;
    int there = 0;
    std::optional<StopCallback> first;
    std::optional<StopCallback> second;
    first.emplace(source.token(), [&] { ++gone; });
    second.emplace(source.token(), [&] { ++there; });
    const StopCallback third{source.token(), [&] { ++there; }};

    first.reset();
    source.request_stop();

    CHECK(gone == 0);
    CHECK(there == 2);
}

TEST_CASE("a token that never stops calls nobody", "[remote]") {
    int calls = 0;
    {
        const StopCallback wake{StopToken{}, [&] { ++calls; }};
    }
    CHECK(calls == 0);
}

TEST_CASE("each source behind a token calls", "[remote]") {
    const StopSource one;
    const StopSource other;
    int calls = 0;
    {
        const StopCallback wake{StopToken::either(one.token(), other.token()), [&] { ++calls; }};
        other.request_stop();
        CHECK(calls == 1);
        one.request_stop();
        CHECK(calls == 2);
    }
    {
        const StopCallback wake{StopToken::either(one.token(), StopToken{}), [&] { ++calls; }};
        CHECK(calls == 3);
    }
    const StopCallback twice{StopToken::either(one.token(), one.token()), [&] { ++calls; }};
    CHECK(calls == 5);
}

TEST_CASE("whoever is called sees that a stop was requested", "[remote][threads]") {
    const StopSource source;
    const StopToken token = source.token();
    bool was_requested = false;
    std::thread::id caller;
    const StopCallback wake{token, [&] {
                                was_requested = token.stop_requested();
                                caller = std::this_thread::get_id();
                            }};

    std::thread stopper{[&] { source.request_stop(); }};
    const auto stopper_id = stopper.get_id();
    stopper.join();

    CHECK(was_requested);
    CHECK(caller == stopper_id);
}

TEST_CASE("a source may go before those who wait for it", "[remote]") {
    auto source = std::make_unique<StopSource>();
    int calls = 0;
    const StopCallback wake{source->token(), [&] { ++calls; }};
    source.reset();
    CHECK(calls == 0);
}

TEST_CASE("the end of a wait waits for a call that is under way", "[remote][threads]") {
    const StopSource source;
    std::promise<void> entered;
    std::promise<void> leave;
    std::optional<StopCallback> wake;
    wake.emplace(source.token(), [&, may_leave = leave.get_future().share()] {
        entered.set_value();
        may_leave.wait();
    });
    std::thread stopper{[&] { source.request_stop(); }};
    entered.get_future().wait();

    auto gone = std::async(std::launch::async, [&] { wake.reset(); });
    CHECK(gone.wait_for(20ms) == std::future_status::timeout);
    leave.set_value();

    gone.get();
    stopper.join();
}

TEST_CASE("waits begin and end while others ask to stop", "[remote][threads]") {
    for (int round = 0; round < 200; ++round) {
        const StopSource source;
        std::atomic<int> calls{0};
        std::vector<std::future<bool>> waits;
        for (int n = 0; n < 3; ++n) {
            waits.push_back(std::async(std::launch::async, [&] {
                std::promise<void> woken;
                const StopCallback wake{source.token(), [&] {
                                            ++calls;
                                            woken.set_value();
                                        }};
                return woken.get_future().wait_for(60s) == std::future_status::ready;
            }));
        }
        source.request_stop();
        for (auto& wait : waits) REQUIRE(wait.get());
        REQUIRE(calls == 3);
    }
}

}  // namespace test_of_stop_token
