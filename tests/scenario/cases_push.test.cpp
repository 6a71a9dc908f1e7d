// SPDX-License-Identifier: MIT

// "Push": the cases that docs/architecture.md decides, one after the other. How batches are halved
// is told in tests/sync/push_plan.test.cpp and sync_cycle_push.test.cpp.

#include <sync_engine/remote/memory_remote.hpp>

#include "support/catch.hpp"
#include "support/device.hpp"
#include "support/scripted_remote.hpp"

#include <chrono>
#include <cstddef>
#include <future>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace scenario_cases_push {

using namespace std::chrono_literals;
using sync_engine::ConflictStrategy;
using sync_engine::MemoryRemote;
using sync_engine::RetryMode;
using sync_engine::SyncOutcome;
using sync_engine::test::contains;
using sync_engine::testing::ManualClock;
using ::test::Device;
using ::test::Json;
using ::test::ScriptedRemote;
using ::test::served;
using ::test::told;
using Record = sync_engine::SyncRecord<Json>;
using Resolver = Device::Resolver;

namespace {

/// A device that knows records from a server that can be troubled.
struct Office {
    explicit Office(const std::vector<std::string>& ids, Resolver resolver = Resolver{})
        : device{1, std::move(resolver), time} {
        for (const auto& id : ids) server.seed(served(id, "base", 1, time.now()));
        sync();
        time.advance(1min);
    }
    sync_engine::SyncResult sync(sync_engine::SyncOptions options = {}) {
        return device.sync(server.remote(), std::move(options));
    }
    [[nodiscard]] Json stored(const std::string& id) const {
        const auto record = server.find(id);
        return record ? record->data : Json();
    }
    [[nodiscard]] std::size_t waiting() const { return device.engine->retry_queue().count(); }
    [[nodiscard]] std::size_t dead() const {
        return device.engine->retry_queue().dead_letters().size();
    }
    /// Failures of the record's own, as the retry queue lists them.
    [[nodiscard]] unsigned attempts(const std::string& id) const {
        for (const auto& entry : device.engine->retry_queue().entries()) {
            if (entry.record.id == id) return entry.attempts;
        }
        return 0;
    }

    ManualClock time{};
    MemoryRemote<Json> server{time.clock()};
    Device device;
};

}  // namespace

// "A whole failure is an exception, a time-out or a broken future, nothing else; a reply that
// arrived is judged record by record."

TEST_CASE("a reply that is wrong in every line is still a reply, and no outage", "[scenario]") {
    Device device;
    ScriptedRemote remote;
    for (const char* id : {"a", "b", "c"}) device.edit(id, 1);
    remote.answer({sync_engine::accepted<Json>("x"), sync_engine::rejected<Json>("y", "no"),
                   sync_engine::accepted<Json>("")});

    const auto result = device.sync(remote.remote());

    CHECK(result.outcome == SyncOutcome::completed);
    CHECK(result.pushed == 0);
    CHECK(remote.pushes.size() == 1);
    CHECK(device.store->state().health.failures == 0);
    CHECK(device.engine->retry_queue().count() == 3);
}

TEST_CASE("one record's fate in a reply is not its neighbour's", "[scenario]") {
    Office office{{"conflict", "fine", "later", "missing", "refused"},
                  Resolver{ConflictStrategy::local_wins}};
    for (const char* id : {"conflict", "fine", "later", "missing", "refused"}) {
        office.device.edit(id, "edit");
    }
    office.server.refuse("refused", "no");
    office.server.omit("missing");
    office.server.ask_retry("later", 10min);
    auto remote = office.server.remote();
    remote.push = [&, push = remote.push,
                   raced = false](sync_engine::PushBatch<Json> batch) mutable {
        if (!std::exchange(raced, true)) {
            office.server.edit_as_other_device(served("conflict", "theirs", 2, office.time.now()));
        }
        return sync_engine::make_ready_future(
            push(std::move(batch), [](auto future) { return future.get(); }));
    };
    const auto result = office.device.sync(remote);

    CHECK(result.outcome == SyncOutcome::completed);
    CHECK(result.pushed == 2);
    CHECK(office.stored("fine") == "edit");
    CHECK(office.stored("conflict") == "edit");
    CHECK(office.attempts("missing") == 1);
    CHECK(office.attempts("later") == 0);
    CHECK(office.dead() == 1);
    CHECK(result.errors.size() == 3);
}

// "An id missing from it is an attempt of that record; `rejected` is a dead letter at once; `retry`
// is the remote's word that it will take it, and never an attempt."

TEST_CASE("a record that the reply forgets runs out of attempts, alone", "[scenario]") {
    Office office{{"a", "forgotten"}};
    office.server.omit("forgotten");
    office.device.edit("forgotten", "edit");
    for (unsigned attempt = 1; attempt <= 5; ++attempt) {
        office.device.edit("a", attempt);
        office.sync();
        CHECK(office.attempts("forgotten") == attempt);
    }

    CHECK(office.dead() == 1);
    const auto calls = office.server.pushed_changes();
    office.sync();
    CHECK(office.server.pushed_changes() == calls);
    CHECK(office.device.data("forgotten") == "edit");
}

TEST_CASE("a record that the remote takes later is never given up", "[scenario]") {
    Office office{{"a"}};
    office.server.ask_retry("a", 10min);
    office.device.edit("a", "edit");
    for (int n = 0; n < 50; ++n) {
        office.sync();
        CHECK(office.attempts("a") == 0);
        office.time.advance(10min);
    }
    CHECK(office.dead() == 0);
    CHECK(office.waiting() == 1);

    office.server.accept_again("a");
    CHECK(office.sync().retried == 1);
    CHECK(office.stored("a") == "edit");
}

TEST_CASE("the remote's wait for one record holds until it is over, also over a restart",
          "[scenario]") {
    Office office{{"a"}};
    office.server.ask_retry("a", 10min);
    office.device.edit("a", "edit");
    office.sync();
    office.server.accept_again("a");

    office.time.advance(9min);
    office.device.restart();
    CHECK(office.sync().total() == 0);
    office.time.advance(1min);
    CHECK(office.sync().retried == 1);
}

TEST_CASE("the remote's wait for one record is clamped, and an edit ends it", "[scenario]") {
    Office office{{"a", "b"}};
    office.server.ask_retry("a", 24h * 365);
    office.server.ask_retry("b", 24h * 365);
    office.device.edit("a", "edit");
    office.device.edit("b", "edit");
    office.sync();
    office.server.accept_again("a");
    office.server.accept_again("b");

    office.device.edit("b", "another edit");
    CHECK(office.sync().pushed == 1);
    CHECK(office.stored("b") == "another edit");
    office.time.advance(1h);
    CHECK(office.sync().retried == 1);
}

// "Never-failed changes go first. A record that failed alone while others passed is a suspect: sent
// alone and last from then on, its failures are its own attempts, and it slows nobody's backoff."

TEST_CASE("a suspect slows nobody, and is known after a restart", "[scenario]") {
    Office office{{"a", "poison"}};
    office.server.fail_batches_with("poison");
    office.device.edit("poison", "edit");
    office.device.edit("a", "edit");
    CHECK(office.sync().outcome == SyncOutcome::completed);
    CHECK(office.attempts("poison") == 1);
    CHECK(office.device.store->state().health.failures == 0);

    office.device.restart();
    office.device.edit("a", "another edit");
    const auto calls = office.server.push_calls();
    const auto result = office.sync();
    CHECK(office.server.push_calls() == calls + 2);
    CHECK(result.pushed == 1);
    CHECK(office.attempts("poison") == 2);
}

TEST_CASE("a suspect that passes is a record like any other", "[scenario]") {
    Office office{{"a", "poison"}};
    office.server.fail_batches_with("poison");
    office.device.edit("poison", "edit");
    office.device.edit("a", "edit");
    office.sync();
    office.server.accept_again("poison");
    CHECK(office.sync().retried == 1);

    office.device.edit("poison", "more");
    office.device.edit("a", "more");
    const auto calls = office.server.push_calls();
    CHECK(office.sync().pushed == 2);
    CHECK(office.server.push_calls() == calls + 1);
}

TEST_CASE("an edit clears a suspect", "[scenario]") {
    Office office{{"a", "poison"}};
    office.server.fail_batches_with("poison");
    office.device.edit("poison", "edit");
    office.device.edit("a", "edit");
    office.sync();
    office.server.accept_again("poison");
    office.device.edit("poison", "harmless");
    office.device.edit("a", "more");

    const auto calls = office.server.push_calls();
    CHECK(office.sync().pushed == 2);
    CHECK(office.server.push_calls() == calls + 1);
}

// "`RetryAfter` pauses the whole remote, new edits too, and is kept over restarts, clamped on
// load."

TEST_CASE("a remote that asks to wait is not called at all until then", "[scenario]") {
    Office office{{"a"}};
    office.device.edit("a", "edit");
    const bool by_pull = GENERATE(true, false);
    if (!by_pull) {
        auto remote = office.server.remote();
        remote.push =
            [](sync_engine::PushBatch<Json>) -> std::future<sync_engine::PushReport<Json>> {
            throw sync_engine::RetryAfter{10min};
        };
        CHECK(office.device.sync(remote).outcome == SyncOutcome::failed);
    } else {
        office.server.rate_limit(10min);
        CHECK(office.sync().outcome == SyncOutcome::failed);
    }
    const auto pulls = office.server.pull_calls();

    office.device.edit("new", 1);
    office.time.advance(5min);
    office.device.restart();
    const auto result = office.sync({.retry = GENERATE(RetryMode::now, RetryMode::when_due)});
    CHECK(result.outcome == SyncOutcome::failed);
    CHECK_THAT(told(result), contains("asked to wait until"));
    CHECK(office.server.pull_calls() == pulls);

    office.time.advance(5min);
    CHECK(office.sync().outcome == SyncOutcome::completed);
    CHECK(office.stored("new") == 1);
    CHECK(office.attempts("a") == 0);
}

TEST_CASE("a pause of years is an hour, and a clock that is set back ends it", "[scenario]") {
    Office office{{"a"}};
    office.device.edit("a", "edit");
    office.server.rate_limit(24h * 3650);
    office.sync();
    SECTION("an hour") {
        office.time.advance(1h);
    }
    SECTION("the clock is set back") {
        office.time.advance(-48h);
    }

    CHECK(office.sync().outcome == SyncOutcome::completed);
}

TEST_CASE("a long pause that an earlier version stored is clamped when the store is opened",
          "[scenario]") {
    Office office{{"a"}};
    {
        sync_engine::SyncEngine<Json> patient{
            *office.device.store,
            Resolver{},
            {},
            {.executor = sync_engine::inline_executor(), .max_retry_after = 24h}};
        office.server.rate_limit(20h);
        patient.sync(office.server.remote()).get();
    }
    office.device.restart();
    office.time.advance(59min);
    CHECK(office.sync().outcome == SyncOutcome::failed);
    office.time.advance(1min);
    CHECK(office.sync().outcome == SyncOutcome::completed);
}

// "`TooLarge` and `PermanentError` for several changes split until one is left: that one is a dead
// letter. `Unauthorized` ends the cycle; nobody's attempt."

TEST_CASE("a server that takes few changes at a time gets few at a time", "[scenario]") {
    Office office{{}};
    office.server.limit_batch(3);
    for (int n = 0; n < 40; ++n) office.device.edit(std::to_string(n), n);

    CHECK(office.sync().outcome == SyncOutcome::completed);

    CHECK(office.server.count() == 40);
    CHECK(office.dead() == 0);
}

TEST_CASE("one change that is too large is a dead letter, and nothing that went with it",
          "[scenario]") {
    Device device;
    ScriptedRemote remote;
    for (int n = 0; n < 7; ++n) device.edit(std::to_string(n), n);
    const bool is_permanent = GENERATE(true, false);
    for (int n = 0; n < 20; ++n) {
        remote.on_push([&](const auto& batch) {
            for (const auto& change : batch) {
                if (change.record.id != "4") continue;
                if (is_permanent) throw sync_engine::PermanentError{};
                throw sync_engine::TooLarge{};
            }
            return remote.accept(batch);
        });
    }

    const auto result = device.sync(remote.remote());

    CHECK(result.outcome == SyncOutcome::completed);
    const auto letters = device.engine->retry_queue().dead_letters();
    REQUIRE(letters.size() == 1);
    CHECK(letters[0].record.id == "4");
    CHECK(letters[0].attempts == 1);
    CHECK(device.store->pending().size() == 1);
}

TEST_CASE("a login that ran out loses nothing and blames nobody", "[scenario]") {
    Office office{{"a"}};
    office.device.edit("a", "edit");
    office.server.require_login(true);
    for (int n = 0; n < 10; ++n) {
        const auto result = office.sync();
        CHECK(result.outcome == SyncOutcome::failed);
        CHECK_THAT(told(result), contains("login"));
    }
    CHECK(office.attempts("a") == 0);
    CHECK(office.dead() == 0);

    office.server.require_login(false);
    CHECK(office.sync().outcome == SyncOutcome::completed);
    CHECK(office.stored("a") == "edit");
}

TEST_CASE("a login that runs out in the middle of a push keeps what had passed", "[scenario]") {
    Device device;
    ScriptedRemote remote;
    for (const char* id : {"a", "b", "c"}) device.edit(id, 1);
    remote.on_push([&](const auto& batch) { return remote.accept(batch); });
    remote.fail_push(sync_engine::Unauthorized{});

    const auto result = device.sync(remote.remote(), {.push_batch_size = 1});

    CHECK(remote.pushed() == "a | b");
    CHECK(result.outcome == SyncOutcome::failed);
    CHECK(result.pushed == 1);
    CHECK(device.store->pending().size() == 2);
    CHECK(device.sync(remote.remote()).outcome == SyncOutcome::completed);
    CHECK(device.store->pending().empty());
}

// "`sync_where` filters push alone and is asked about a tombstone's last content; what it leaves
// out gains no attempt; if it throws for a record, that record is skipped and reported."

TEST_CASE("sync_where chooses what is pushed and nothing else", "[scenario]") {
    Office office{{"deleted", "left out"}};
    office.device.edit("chosen", "yes");
    office.device.edit("left out", "no");
    office.device.edit("throws", "boom");
    office.device.store->remove("deleted");
    office.server.seed(served("pulled", "no", 1, office.time.now()));
    Json last_content;

    const auto result = office.device.engine
                            ->sync_where(
                                [&](const Record& record) {
                                    if (record.is_deleted()) last_content = record.data;
                                    if (record.data == "boom") throw std::runtime_error("boom");
                                    return record.data == "yes" || record.is_deleted();
                                },
                                office.server.remote())
                            .get();

    CHECK(result.outcome == SyncOutcome::completed);
    CHECK(result.pushed == 2);
    CHECK(office.device.data("pulled") == "no");
    CHECK(last_content == "base");
    CHECK(office.server.find("deleted")->is_deleted());
    CHECK(office.stored("left out") == "base");
    REQUIRE(result.errors.size() == 1);
    CHECK(result.errors[0].record_id == "throws");
    CHECK(office.waiting() == 0);
    CHECK(office.device.store->pending().size() == 2);
}

}  // namespace scenario_cases_push
