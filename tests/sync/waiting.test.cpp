// SPDX-License-Identifier: MIT
#include "support/catch.hpp"
#include "support/scenario.hpp"
#include "support/scripted_remote.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace test_of_waiting {

// When a sync calls the remote, and when it waits: for a record, for the remote, for a person.

using namespace std::chrono_literals;
using namespace sync_engine;
using ::test::contains;
using ::test::Device;
using ::test::errors_of;
using ::test::Ids;
using ::test::Json;
using ::test::Outbox;
using ::test::pending_ids;
using ::test::ScriptedRemote;
using ::test::served;
using ::test::text_of;

namespace {

const SyncOptions timer{.retry = RetryMode::when_due};

/// How many calls a sync costs the server.
std::size_t calls_of(Outbox& box, const SyncOptions& options = {}) {
    const auto before = box.server.pull_calls() + box.server.push_calls();
    box.sync(options);
    return box.server.pull_calls() + box.server.push_calls() - before;
}

}  // namespace

TEST_CASE("a person's sync tries every record again, a timer's only those that are due", "[sync]") {
    Outbox box{2, {.backoff_base = 1min}};
    box.server.omit("r0");
    box.sync();
    box.device.edit("r1", "new");

    box.sync(timer);
    CHECK(box.wire.batches_text() == "r1");
    box.device.clock.advance(1min - 1us);
    box.sync(timer);
    CHECK(box.wire.batches.empty());
    box.sync();
    CHECK(box.wire.batches_text() == "r0");
    box.device.clock.advance(2min);
    box.sync(timer);
    CHECK(box.wire.batches_text() == "r0");
}

TEST_CASE("an edit does not wait for the backoff of the edit before it", "[sync]") {
    Outbox box{1, {.backoff_base = 1h}};
    box.server.omit("r0");
    box.sync();
    box.server.accept_again("r0");
    box.device.edit("r0", "edited");

    box.sync(timer);

    CHECK(text_of(box.server) == "r0 = \"edited\"\n");
}

TEST_CASE("a server's wait for one record holds for a person too, and over a restart", "[sync]") {
    Outbox box{2};
    box.server.ask_retry("r0", 10min);
    box.sync();
    box.server.accept_again("r0");
    box.device.restart();

    box.device.clock.advance(10min - 1us);
    box.sync();
    CHECK(box.wire.batches.empty());
    CHECK(box.queue().next_due() == box.device.clock.now() + 1us);
    box.device.clock.advance(1us);
    box.sync();

    CHECK(text_of(box.device) == text_of(box.server));
}

TEST_CASE("an edit does not wait for what the server said of the edit before it", "[sync]") {
    Outbox box{1};
    box.server.ask_retry("r0", 10min);
    box.sync();
    box.server.accept_again("r0");
    box.device.edit("r0", "edited");

    box.sync();

    CHECK(text_of(box.server) == "r0 = \"edited\"\n");
}

TEST_CASE("a remote that fails is left alone by timers, longer each time, until it answers",
          "[sync]") {
    Outbox box{1, {.backoff_base = 1min, .backoff_multiplier = 2.0, .max_delay = 3min}};
    box.server.set_offline(true);

    for (const auto wait : {1min, 2min, 3min, 3min}) {
        CHECK(calls_of(box, timer) == 1);
        box.device.restart();
        box.device.clock.advance(wait - 1us);
        CHECK(calls_of(box, timer) == 0);
        CHECK(box.queue().next_due() == box.device.clock.now() + 1us);
        box.device.clock.advance(1us);
    }
    CHECK(calls_of(box) == 1);  // a person may try
    box.server.set_offline(false);
    CHECK(box.sync().outcome == SyncOutcome::completed);
    box.server.set_offline(true);
    box.sync();
    box.device.clock.advance(1min);
    CHECK(calls_of(box, timer) == 1);  // it begins anew
}

TEST_CASE("a sync that is not due says so, and is neither a failure nor success", "[sync]") {
    Outbox box{1, {.backoff_base = 1min}};
    box.server.set_offline(true);
    box.sync();
    const auto due = box.device.clock.now() + 1min;

    const auto result = box.sync(timer);

    CHECK(result.outcome == SyncOutcome::failed);
    CHECK_THAT(errors_of(result), contains(to_iso8601(due)));
    CHECK(box.device.store->state().health.failures == 1);
}

TEST_CASE("a request to wait pauses everything, new edits too, in both modes and over a restart",
          "[sync]") {
    Outbox box{1};
    box.server.rate_limit(10min);
    const bool in_push = GENERATE(false, true);
    if (in_push) {
        box.sync({.direction = SyncDirection::push});
    } else {
        box.sync();
    }
    box.device.edit("new", 1);
    box.device.restart();

    box.device.clock.advance(10min - 1us);
    const auto result = box.sync();
    CHECK(result.outcome == SyncOutcome::failed);
    CHECK_THAT(errors_of(result), contains("asked to wait until"));
    CHECK(calls_of(box, timer) == 0);
    CHECK(calls_of(box, {.direction = SyncDirection::push}) == 0);
    box.device.clock.advance(1us);
    CHECK(box.sync(in_push ? SyncOptions{} : timer).outcome != SyncOutcome::already_running);
    box.sync();

    CHECK(text_of(box.device) == text_of(box.server));
    CHECK(pending_ids(box.device).empty());
}

TEST_CASE("who asks to wait has not failed, and is asked again just when it said", "[sync]") {
    Outbox box{1, {.jitter = 0}};
    const auto direction = GENERATE(SyncDirection::both, SyncDirection::push);
    for (int round = 0; round < 5; ++round) {
        box.server.rate_limit(1s);
        box.sync({.direction = direction});

        CHECK(box.device.store->state().health.failures == 0);
        CHECK(box.queue().next_due() == box.device.clock.now() + 1s);
        box.device.clock.advance(1s);
    }
}

TEST_CASE("a request to wait for years is cut to what the engine allows", "[sync]") {
    Outbox box{1};

    SECTION("of the whole remote") {
        box.server.rate_limit(std::chrono::hours{24 * 365 * 100});
    }
    SECTION("of one record") {
        box.server.ask_retry("r0", std::chrono::hours{24 * 365 * 100});
    }
    box.sync();
    box.server.accept_again("r0");
    box.device.clock.advance(EngineOptions{}.max_retry_after);
    box.sync();

    CHECK(text_of(box.device) == text_of(box.server));
}

TEST_CASE("a request to wait for less than a second is none", "[sync]") {
    Outbox box{1};
    const auto wait = GENERATE(0ms, -5ms, 1ms, 999ms);

    SECTION("of the whole remote") {
        box.server.rate_limit(wait);
    }
    SECTION("of one record") {
        box.server.ask_retry("r0", wait);
    }
    box.sync();
    box.server.accept_again("r0");
    box.sync();

    CHECK(text_of(box.device) == text_of(box.server));
}

TEST_CASE("a timer is told when to come again where it is the remote that failed", "[sync]") {
    Outbox box{GENERATE(0U, 1U), {.backoff_base = 1min}};
    SECTION("it cannot be reached") {
        box.server.set_offline(true);
    }
    SECTION("it asked to wait") {
        box.server.rate_limit(1min);
    }
    SECTION("it failed") {
        box.server.fail_next_pull();
    }
    CHECK(box.queue().next_due() == std::nullopt);
    box.sync(timer);

    CHECK(box.wire.batches.empty());  // so no record waits
    CHECK(box.queue().next_due() == box.device.clock.now() + 1min);
    box.device.restart();
    box.device.clock.advance(2min);
    CHECK(box.queue().next_due() == box.device.clock.now() - 1min);  // overdue: now
    box.server.set_offline(false);
    CHECK(box.sync(timer).outcome == SyncOutcome::completed);

    CHECK(box.queue().next_due() == std::nullopt);
}

TEST_CASE("a timer comes when the remote may be called, also where a record waits longer",
          "[sync]") {
    Outbox box{1, {.backoff_base = 1min}};
    box.server.omit("r0");
    for (int attempt = 0; attempt < 3; ++attempt) box.sync();
    CHECK(box.queue().next_due() == box.device.clock.now() + 4min);
    box.device.edit("new", "edit");
    box.server.fail_next_pull();
    box.sync();  // so the new one was not pushed

    CHECK(box.queue().next_due() == box.device.clock.now() + 1min);
    box.device.clock.advance(1min);
    box.sync(timer);
    CHECK(text_of(box.server) == "new = \"edit\"\n");
    CHECK(box.queue().next_due() == box.device.clock.now() + 3min);
}

TEST_CASE("a timer is not called back for a record that waits for a resolver", "[sync]") {
    Device device{1, Device::Resolver{[](const auto&, const auto&) -> SyncRecord<Json> {
                      throw std::runtime_error("no");
                  }}};
    ScriptedRemote remote;
    device.edit("a", "ours");
    remote.answer({});  // which is an attempt
    device.sync(remote.remote());
    remote.serve({served("a", "theirs", 1, device.clock.now(), "s1")});
    device.sync(remote.remote());
    device.clock.advance(1h);

    CHECK(device.sync(remote.remote(), timer).errors.size() == 1);
    CHECK(device.engine->retry_queue().next_due() == std::nullopt);
    REQUIRE(device.engine->retry_queue().entries().size() == 1);
    CHECK(device.engine->retry_queue().entries()[0].attempts == 1);
}

TEST_CASE("a timer that only pushes is not called back for a remote that nobody needs", "[sync]") {
    Outbox box{1, {.backoff_base = 1min}};
    SyncOptions pushing = timer;
    pushing.direction = SyncDirection::push;
    box.server.set_offline(true);
    box.sync(pushing);
    box.device.store->discard_changes("r0");

    CHECK(box.sync({.direction = SyncDirection::push}).outcome == SyncOutcome::completed);
    CHECK(box.queue().next_due() == box.device.clock.now() + 1min);  // it was not asked
    box.device.clock.advance(1min);
    CHECK(box.sync(pushing).outcome == SyncOutcome::completed);

    CHECK(box.queue().next_due() == std::nullopt);
}

TEST_CASE("who asks to wait for less than a second is left alone by a timer as after a failure",
          "[sync]") {
    Outbox box{1, {.backoff_base = 1min}};
    const auto wait = GENERATE(0ms, -5ms, 1ms, 999ms);
    const bool is_whole = GENERATE(false, true);
    if (is_whole) {
        box.server.rate_limit(wait);
    } else {
        box.server.ask_retry("r0", wait);
    }
    box.sync({.direction = SyncDirection::push});

    CHECK(box.queue().next_due() == box.device.clock.now() + 1min);
    box.sync(timer);
    CHECK(box.wire.batches.empty());
    CHECK(box.queue().entries().at(0).attempts == 0);
    box.server.accept_again("r0");
    box.device.clock.advance(1min);
    box.sync(timer);

    CHECK(text_of(box.device) == text_of(box.server));
}

TEST_CASE("a timer asks seldom, also where it is asked to wait for hardly any time", "[sync]") {
    Outbox box{1, {.backoff_base = 10s}};
    const auto wait = GENERATE(1ms, 999ms);
    SyncOptions options = timer;
    SECTION("of the whole remote, by a pull") {
        box.server.rate_limit(wait, 1'000'000);
    }
    SECTION("of the whole remote, by a push") {
        box.server.rate_limit(wait, 1'000'000);
        options.direction = SyncDirection::push;
    }
    SECTION("of one record") {
        box.server.ask_retry("r0", wait);
        options.direction = SyncDirection::push;
    }
    const auto end = box.device.clock.now() + 1min;
    std::size_t calls = 0;

    while (box.device.clock.now() < end) {
        calls += calls_of(box, options);
        const auto due = box.queue().next_due();
        REQUIRE(due.has_value());
        box.device.clock.advance(std::max<Timestamp::duration>(*due - box.device.clock.now(), 1ms));
    }

    CHECK(calls > 1);
    CHECK(calls <= 6);
}

TEST_CASE("a timer does not ask for a login again and again, and a sync after it does not wait",
          "[sync]") {
    Outbox box{1, {.backoff_base = 1min}};
    const auto direction = GENERATE(SyncDirection::push, SyncDirection::both);
    box.server.require_login(true);
    box.sync({.direction = direction});

    CHECK(calls_of(box, timer) == 0);
    box.device.clock.advance(1min);
    CHECK(calls_of(box, timer) == 1);
    CHECK(calls_of(box, timer) == 0);
    box.server.require_login(false);
    box.sync();

    CHECK(text_of(box.device) == text_of(box.server));
}

TEST_CASE("an engine that lets no remote ask it to wait takes no request to wait", "[sync]") {
    Outbox box{1};
    SyncEngine<> engine{*box.device.store, ConflictResolver<>{}, RetryQueue<>{},
                        EngineOptions{.executor = inline_executor(), .max_retry_after = -1ms}};
    const bool is_whole = GENERATE(false, true);
    if (is_whole) {
        box.server.rate_limit(10min);
    } else {
        box.server.ask_retry("r0", 10min);
    }
    engine.sync(box.server.remote(), {.direction = SyncDirection::push}).get();
    const auto calls = box.server.push_calls();
    engine.sync(box.server.remote(), timer).get();
    CHECK(box.server.push_calls() == calls);
    box.server.accept_again("r0");
    engine.sync(box.server.remote()).get();

    CHECK(text_of(box.device) == text_of(box.server));
}

TEST_CASE("a wait that was stored under other rules is cut when it is loaded", "[sync]") {
    Outbox box{1};
    {
        SyncEngine<> patient{*box.device.store, ConflictResolver<>{}, RetryQueue<>{},
                             EngineOptions{.executor = inline_executor(),
                                           .max_retry_after = std::chrono::hours{24}}};
        SECTION("of the whole remote") {
            box.server.rate_limit(24h);
        }
        SECTION("of one record") {
            box.server.ask_retry("r0", 24h);
        }
        patient.sync(box.server.remote()).get();
    }
    box.server.accept_again("r0");
    box.device.restart();  // with an engine that waits an hour at most
    CHECK(box.queue().next_due() == box.device.clock.now() + 1h);
    box.device.clock.advance(1h);
    box.sync();

    CHECK(text_of(box.device) == text_of(box.server));
}

TEST_CASE("no clock that is set back or forth parks anything for longer than its wait", "[sync]") {
    Outbox box{1, {.backoff_base = 1min}};
    std::function<void()> fail;

    SECTION("a record's backoff") {
        box.server.omit("r0");
    }
    SECTION("a record's wait") {
        box.server.ask_retry("r0", 1min);
    }
    SECTION("the remote's backoff") {
        box.server.set_offline(true);
    }
    SECTION("the remote's wait") {
        box.server.rate_limit(1min);
    }
    box.device.clock.advance(std::chrono::hours{24 * 365 * 50});  // a broken clock
    box.sync();
    box.device.clock.advance(-std::chrono::hours{24 * 365 * 50});  // it is set right
    box.server.accept_again("r0");
    box.server.set_offline(false);

    CHECK(box.queue().next_due() <= box.device.clock.now());
    CHECK(box.queue().next_due() != std::nullopt);
    box.sync(timer);
    box.sync(timer);

    CHECK(text_of(box.device) == text_of(box.server));
}

TEST_CASE("a suspect slows nobody's sync", "[sync]") {
    Outbox box{2, {.max_attempts = 100, .backoff_base = 1h}};
    box.server.fail_batches_with("r0");
    box.sync();

    box.device.edit("r1", "edited");
    CHECK(box.sync().outcome == SyncOutcome::completed);
    for (int n = 0; n < 3; ++n) box.sync();  // it fails alone, with nobody else to push
    CHECK(box.device.store->state().health.failures == 0);
    box.device.edit("r1", "again");
    box.sync(timer);

    CHECK(box.wire.batches_text() == "r1");
    CHECK(text_of(box.server) == "r1 = \"again\"\n");
}

TEST_CASE("emptying the queue of an engine makes its records due at once", "[sync]") {
    Outbox box{2, {.backoff_base = 1h}};
    box.server.omit("r0");
    box.sync();
    box.server.accept_again("r0");
    box.device.restart();

    const auto taken = box.queue().dequeue_all();
    CHECK(::test::ids_of(taken) == Ids{"r0"});
    CHECK(box.queue().entries().at(0).attempts == 1);  // how often it failed stays known
    box.sync(timer);

    CHECK(text_of(box.device) == text_of(box.server));
}

TEST_CASE("emptying the queue of an engine ends no wait that the server asked for", "[sync]") {
    Outbox box{2, {.backoff_base = 1h}};
    box.server.ask_retry("r0", 10min);
    box.server.omit("r1");
    box.sync();
    box.server.accept_again("r0");
    box.server.accept_again("r1");

    const auto taken = box.queue().dequeue_all();
    CHECK(::test::ids_of(taken) == Ids{"r0", "r1"});
    box.sync();
    CHECK(box.wire.batches_text() == "r1");
    CHECK(box.queue().next_due() == box.device.clock.now() + 10min);
    box.device.clock.advance(10min);
    box.sync(timer);

    CHECK(text_of(box.device) == text_of(box.server));
}

TEST_CASE("a dead letter that is revived does not wait for what the server said before", "[sync]") {
    Outbox box{1, {.max_attempts = 1}};
    box.server.ask_retry("r0", 10min);
    box.sync();
    box.server.accept_again("r0");
    box.queue().enqueue(*box.device.store->get("r0"));
    REQUIRE(box.queue().dead_letters().size() == 1);

    CHECK(box.queue().revive("r0"));
    box.sync(timer);

    CHECK(text_of(box.device) == text_of(box.server));
}

TEST_CASE("the queue of an engine remembers no more failures than the store does", "[sync]") {
    LocalStore<> store;
    store.put({.id = "a", .data = 1});
    store.put({.id = "b", .data = 2});
    RetryEntry<> entry{.record = *store.get("b"), .attempts = 50};
    for (int n = 1; n <= 50; ++n) entry.history.push_back({.message = std::to_string(n)});
    RetryQueue<> written_elsewhere{{.max_attempts = 100}};
    from_json(Json{{"options", written_elsewhere.options()}, {"entries", {entry}}},
              written_elsewhere);
    SyncEngine<> engine{store, ConflictResolver<>{}, written_elsewhere};

    for (int n = 1; n <= 50; ++n) engine.retry_queue().enqueue(*store.get("a"), std::to_string(n));

    REQUIRE(engine.retry_queue().entries().size() == 2);
    for (const auto& each : engine.retry_queue().entries()) {
        CAPTURE(each.record.id);
        CHECK(each.attempts == 50);
        REQUIRE(each.history.size() == detail::history_limit);
        CHECK(each.history.front().message == "31");
        CHECK(each.history.back().message == "50");
    }
}

TEST_CASE("a queue that an engine is given keeps its rules and what it held", "[sync]") {
    LocalStore<> store;
    store.put({.id = "a", .data = 1});
    RetryQueue<> queue{{.max_attempts = 2}};
    queue.enqueue(*store.get("a"), "failed before");
    queue.enqueue({.id = "never stored", .data = 2}, "failed before");

    SyncEngine<> engine{store, ConflictResolver<>{}, queue,
                        EngineOptions{.executor = inline_executor()}};

    REQUIRE(engine.retry_queue().entries().size() == 1);
    CHECK(engine.retry_queue().entries()[0].attempts == 1);
    ::test::Server server;
    server.omit("a");
    engine.sync(server.remote()).get();
    CHECK(engine.retry_queue().dead_letters().size() == 1);
}

}  // namespace test_of_waiting
