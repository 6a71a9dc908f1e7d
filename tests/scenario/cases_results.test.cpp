// SPDX-License-Identifier: MIT

// "Bodies, hooks, results": the cases that docs/architecture.md decides, one after the other, as
// far as a sync is involved.

#include <sync_engine/remote/memory_remote.hpp>

#include "support/catch.hpp"
#include "support/device.hpp"
#include "support/scripted_remote.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <stdexcept>
#include <string>

namespace scenario_cases_results {

using namespace std::chrono_literals;
using sync_engine::ConflictStrategy;
using sync_engine::SyncOutcome;
using sync_engine::test::contains;
using ::test::Device;
using ::test::Json;
using ::test::ScriptedRemote;
using ::test::served;
using ::test::served_deletion;
using ::test::told;
using Record = sync_engine::SyncRecord<Json>;
using Resolver = Device::Resolver;

namespace {

struct Lost : std::runtime_error {
    Lost() : std::runtime_error("the connection was lost") {}
};

Record row(const Device& device, const std::string& id, const Json& data, std::uint64_t version) {
    return served(id, data, version, device.clock.now(), "s" + std::to_string(version));
}

}  // namespace

// "`pushed` counts first-time acks, `retried` acks after an earlier failure, `pulled` what changed
// here; `total` is the sum of the four counts."

TEST_CASE("the counts of a result say what happened to records, each once", "[scenario]") {
    Device device{1, Resolver{ConflictStrategy::local_wins}};
    ScriptedRemote remote;
    remote.serve({row(device, "same", 1, 1), row(device, "conflict", 1, 1),
                  row(device, "gone", 1, 1), row(device, "touched", 1, 1)});
    CHECK(device.sync(remote.remote()).pulled == 4);
    device.edit("failed before", 1);
    remote.answer({});
    device.sync(remote.remote());
    device.clock.advance(1min);
    device.edit("conflict", "ours");
    device.edit("new", 1);

    remote.serve({row(device, "same", 1, 1), row(device, "conflict", "theirs", 2),
                  served_deletion("gone", 2, device.clock.now(), "s2"),
                  row(device, "touched", 1, 2), row(device, "added", 1, 1)});
    const auto result = device.sync(remote.remote());

    CHECK(result.pulled == 2);     // gone and added; the others look as before
    CHECK(result.conflicts == 1);  // conflict
    CHECK(result.pushed == 2);     // conflict and new
    CHECK(result.retried == 1);    // failed before
    CHECK(result.total() == 6);
    CHECK_FALSE(result.has_errors());
}

TEST_CASE("an ack that came as an echo counts like any other", "[scenario]") {
    Device device;
    ScriptedRemote remote;
    device.edit("a", 1);
    sync_engine::StopSource stop;
    remote.on_push([&](const auto&) -> ScriptedRemote::Report { throw Lost{}; });
    device.sync(remote.remote());
    auto echo = remote.last_change("a").record;
    echo.revision = "s1";

    remote.serve({echo});
    const auto result = device.sync(remote.remote());

    CHECK(result.pushed + result.retried == 1);
    CHECK(result.retried == 1);  // its push had failed, as far as we knew
    CHECK(result.pulled == 0);
}

// "One error a record and cycle."

TEST_CASE("a record that fails in every way has one error, the last", "[scenario]") {
    Device device{1, Resolver{[](const Record&, const Record&) -> Record {
                      throw std::runtime_error("the resolver is broken");
                  }}};
    ScriptedRemote remote;
    device.edit("a", 1);
    auto unusable = row(device, "a", "\xFF", 1);
    remote.serve({unusable});
    remote.answer({sync_engine::conflict(row(device, "a", "theirs", 2)),
                   sync_engine::rejected<Json>("a", "and no")});

    const auto result = device.sync(remote.remote());

    REQUIRE(result.errors.size() == 1);
    CHECK(result.errors[0].record_id == "a");
    CHECK_THAT(result.errors[0].message, contains("the resolver is broken"));
}

// "`failed`: a whole pull or push call failed." "`last_sync_at` moves when a sync completed."

TEST_CASE("only a sync that completed moves the time of the last one", "[scenario]") {
    Device device;
    ScriptedRemote remote;
    const auto outcome_of = [&](std::function<void()> prepare) {
        device.clock.advance(1h);
        prepare();
        const auto before = device.engine->metadata().last_sync_at;
        const auto outcome = device.sync(remote.remote()).outcome;
        const auto after = device.engine->metadata().last_sync_at;
        CHECK((after != before) == (outcome == SyncOutcome::completed));
        return outcome;
    };

    CHECK(outcome_of([] {}) == SyncOutcome::completed);
    CHECK(outcome_of([&] { remote.fail_pull(Lost{}); }) == SyncOutcome::failed);
    CHECK(outcome_of([&] {
              device.edit("a", 1);
              remote.fail_push(Lost{});
          }) == SyncOutcome::failed);
    CHECK(outcome_of([&] { remote.answer({sync_engine::rejected<Json>("a", "no")}); }) ==
          SyncOutcome::completed);
    CHECK(outcome_of([&] { device.engine->on_before_sync = [](const auto&) { return false; }; }) ==
          SyncOutcome::vetoed);
}

TEST_CASE("a batch that failed while the rest passed is no failed sync", "[scenario]") {
    Device device;
    ScriptedRemote remote;
    device.edit("a", 1);
    device.edit("b", 1);
    remote.fail_push(Lost{});

    CHECK(device.sync(remote.remote()).outcome == SyncOutcome::completed);
    CHECK(device.store->pending().empty());
}

TEST_CASE("metadata adds up over syncs and restarts", "[scenario]") {
    Device device{1, Resolver{ConflictStrategy::local_wins}};
    ScriptedRemote remote;
    device.edit("a", 1);
    device.sync(remote.remote());
    remote.fail_push(Lost{});
    device.edit("b", 1);
    device.sync(remote.remote());
    device.restart();
    device.edit("a", 2);
    remote.serve({row(device, "a", "theirs", 9), row(device, "c", 1, 1)});
    device.sync(remote.remote());

    const auto metadata = device.engine->metadata();
    CHECK(metadata.total_pushes == 3);
    CHECK(metadata.total_pulls == 1);
    CHECK(metadata.total_conflicts == 1);
    CHECK(metadata.last_duration == 0ms);
}

// "The `resolved_count` of a resolver is shared by its copies." "`retry` defaults to `now`."

TEST_CASE("a resolver outside counts what its copy in an engine decides", "[scenario]") {
    const Resolver resolver{ConflictStrategy::remote_wins};
    Device device{1, resolver};
    ScriptedRemote remote;
    device.edit("a", 1);
    remote.serve({row(device, "a", "theirs", 9)});

    device.sync(remote.remote());

    CHECK(resolver.resolved_count() == 1);
}

TEST_CASE("a sync that somebody asks for tries again at once, and a timer waits", "[scenario]") {
    CHECK(sync_engine::SyncOptions{}.retry == sync_engine::RetryMode::now);

    Device device;
    ScriptedRemote remote;
    device.edit("a", 1);
    remote.fail_push(Lost{});
    device.sync(remote.remote());

    CHECK(device.sync(remote.remote(), {.retry = sync_engine::RetryMode::when_due}).outcome ==
          SyncOutcome::failed);
    CHECK(remote.pushes.size() == 1);
    CHECK(device.sync(remote.remote()).retried == 1);
}

// "Hooks are copied when a sync starts; `on_before_sync` is called even if nothing is pending, and
// a throw in it vetoes with an error."

TEST_CASE("a hook that is exchanged during a sync is called from the next one on", "[scenario]") {
    Device device;
    ScriptedRemote remote;
    std::string called;
    device.engine->on_before_sync = [&](const auto& pending) {
        called += "before " + std::to_string(pending.size()) + ", ";
        device.engine->on_after_sync = [&](const auto&) { called += "exchanged"; };
        return true;
    };
    device.engine->on_after_sync = [&](const auto&) { called += "first, "; };

    device.sync(remote.remote());
    CHECK(called == "before 0, first, ");
    device.sync(remote.remote());
    CHECK(called == "before 0, first, before 0, exchanged");
}

TEST_CASE("a hook that throws before the sync vetoes it with an error", "[scenario]") {
    Device device;
    ScriptedRemote remote;
    device.edit("a", 1);
    device.engine->on_before_sync = [](const auto&) -> bool { throw std::runtime_error("no"); };

    const auto result = device.sync(remote.remote());

    CHECK(told(result) == "vetoed [: on_before_sync threw: no]");
    CHECK(remote.pulls.empty());
    CHECK(device.store->pending().size() == 1);
}

// "Subscribers run in commit order; edits they make are delivered after, not inside; what they
// throw goes to the store's `on_error`, never out of `put`."

TEST_CASE("subscribers hear of a sync as of any commit, and may edit", "[scenario]") {
    Device device;
    ScriptedRemote remote;
    std::string heard;
    std::size_t errors = 0;
    device.store->on_error = [&](std::exception_ptr) { ++errors; };
    const auto subscription =
        device.store->subscribe([&](const sync_engine::StoreChange<Json>& change) {
            heard += change.origin == sync_engine::ChangeOrigin::remote ? "remote " : "local ";
            heard += change.id + (change.after ? "" : " gone") + ", ";
            if (change.id == "a" && !device.store->get("made by a subscriber")) {
                device.edit("made by a subscriber", 1);
                heard += "edited, ";
            }
            throw std::runtime_error("a subscriber that throws");
        });

    remote.serve({row(device, "a", 1, 1), row(device, "b", 1, 1)});
    const auto result = device.sync(remote.remote());

    CHECK(result.outcome == SyncOutcome::completed);
    CHECK(heard ==
          "remote a, edited, remote b, local made by a subscriber, remote made by a subscriber, ");
    CHECK(errors == 4);
    CHECK(remote.pushed() == "made by a subscriber");
}

// What was completed for a store that was cleared meanwhile is not complete.

TEST_CASE("a sync whose store was cleared under it is stopped, also if nothing came",
          "[scenario]") {
    Device device;
    ScriptedRemote remote;
    remote.serve({row(device, "a", 1, 1)});
    device.sync(remote.remote());
    device.clock.advance(1min);  // so that the end of the sync has a time to write down
    remote.on_pull([&](const auto& request) {
        device.store->clear();
        return ScriptedRemote::Page{.cursor = request.cursor};
    });

    const auto result = device.sync(remote.remote());

    CHECK(result.outcome == SyncOutcome::stopped);
    CHECK_THAT(told(result), contains("the store was cleared"));
    CHECK(device.sync(remote.remote()).outcome == SyncOutcome::completed);
}

// "`revision` is left out of JSON when empty."

TEST_CASE("a record has no revision in JSON until the remote gave it one", "[scenario]") {
    Device device;
    ScriptedRemote remote;
    device.edit("a", 1);
    CHECK_FALSE(Json(*device.store->get("a")).contains("revision"));

    device.sync(remote.remote());

    CHECK(Json(*device.store->get("a")).at("revision") == "r1");
}

// Law 11, and the storage.

TEST_CASE("a storage that fails in the middle of a sync throws, and the next sync goes on",
          "[scenario]") {
    for (std::size_t commits = 0; commits < 5; ++commits) {
        Device device;
        ScriptedRemote remote;
        device.edit("a", 1);
        device.edit("b", 1);
        remote.serve({row(device, "c", 1, 1)});
        device.disk->fail_next(1, commits);

        CHECK_THROWS_AS(device.sync(remote.remote(), {.push_batch_size = 1}),
                        sync_engine::StorageError);

        CHECK_FALSE(device.engine->is_syncing());
        device.restart();
        remote.serve({row(device, "c", 1, 1)});
        CHECK(device.sync(remote.remote()).outcome == SyncOutcome::completed);
        CHECK(device.store->pending().empty());
        CHECK(device.store->count() == 3);
    }
}

}  // namespace scenario_cases_results
