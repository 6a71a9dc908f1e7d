// SPDX-License-Identifier: MIT
#include "support/catch.hpp"
#include "support/scenario.hpp"

#include <nlohmann/json.hpp>

#include <chrono>
#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace scenario_seed_defects_flow {

// What an earlier system got wrong in its flow, its reports and its interface, D28 to D40.

using namespace std::chrono_literals;
using namespace sync_engine;
using ::test::Backend;
using ::test::contains;
using ::test::Device;
using ::test::errors_of;
using ::test::Ids;
using ::test::Json;
using ::test::message_of;
using ::test::pending_ids;
using ::test::Records;
using ::test::Server;
using ::test::state;
using ::test::Wire;

TEST_CASE("a sync that did nothing never looks like success (D28)", "[scenario]") {
    Device device;
    Backend backend;
    device.edit("1", 1);

    SECTION("a veto") {
        device.engine->on_before_sync = [](const auto&) { return false; };
        CHECK(device.sync(backend.remote()).outcome == SyncOutcome::vetoed);
        CHECK(backend.pulls == 0);
    }
    SECTION("a sync inside a sync") {
        std::optional<SyncResult> inner;
        backend.while_pulling = [&] { inner = device.sync(backend.remote()); };
        CHECK(device.sync(backend.remote()).outcome == SyncOutcome::completed);
        REQUIRE(inner);
        CHECK(inner->outcome == SyncOutcome::already_running);
        CHECK(backend.pulls == 1);
    }
    CHECK(to_string(SyncOutcome::vetoed) != to_string(SyncOutcome::completed));
}

TEST_CASE("a push that never completes times out, and the engine syncs again (D29)", "[scenario]") {
    testing::ManualClock clock;
    LocalStore<> store{{.clock = clock.clock()}};
    auto ticks = std::make_shared<std::chrono::seconds>(0);
    SyncEngine<> engine{store, ConflictResolver<>{}, RetryQueue<>{},
                        EngineOptions{.executor = inline_executor(),
                                      .monotonic = [ticks] { return ++*ticks; },
                                      .poll_interval = 0ms}};
    store.put({.id = "1", .data = "v1"});
    std::promise<Ids> never;
    Backend backend;
    Remote<> hanging = backend.remote();
    hanging.push = [&](Records) { return never.get_future(); };

    const auto result = engine.sync(hanging, {.callback_timeout = 5s}).get();

    CHECK(result.outcome == SyncOutcome::failed);
    CHECK(result.has_errors());
    CHECK_FALSE(engine.is_syncing());
    CHECK(engine.sync(backend.remote()).get().outcome == SyncOutcome::completed);
    CHECK(backend.data("1") == "v1");
}

TEST_CASE("a record that the backend did not confirm is an error (D30)", "[scenario]") {
    Device device;
    Backend backend;
    device.edit("A", 1);
    backend.accept_none();

    const auto result = device.sync(backend.remote());

    CHECK(result.has_errors());
    REQUIRE(result.errors.size() == 1);
    CHECK(result.errors[0].record_id == "A");
    CHECK(result.pushed == 0);
}

TEST_CASE("a failed pull is reported like everything else (D31)", "[scenario]") {
    Device device;
    Backend backend;
    device.edit("1", 1);
    backend.while_pulling = [] { throw std::runtime_error("the pull broke"); };
    std::optional<SyncResult> told;
    device.engine->on_after_sync = [&](const auto& result) { told = result; };

    const auto result = device.sync(backend.remote());

    CHECK(result.outcome == SyncOutcome::failed);
    CHECK_THAT(errors_of(result), contains("the pull broke"));
    CHECK(told == result);
    CHECK(device.engine->last_sync_result() == result);
    CHECK(pending_ids(device) == Ids{"1"});
}

TEST_CASE("what throws for one record of a page does not touch the others (D32)", "[scenario]") {
    bool fails = true;
    Device device{1, Device::Resolver{[&](const auto&, const auto& remote) {
                      if (fails && remote.id == "1") throw std::runtime_error("undecidable");
                      return remote;
                  }}};
    Backend backend;
    for (const char* id : {"0", "1", "2"}) {
        device.store->put(state(id, "old", device.clock.now(), 1));
        device.edit(id, "mine");
        backend.listed.push_back(state(id, "theirs", device.clock.now()));
    }

    const bool hook_throws = GENERATE(false, true);
    if (hook_throws) {
        fails = false;
        device.engine->on_conflict = [](const auto& local, const auto&) {
            if (local.id == "1") throw std::runtime_error("undecidable");
        };
    }
    const auto result = device.sync(backend.remote());

    CHECK(device.data("0") == "theirs");
    CHECK(device.data("2") == "theirs");
    CHECK_THAT(errors_of(result), contains("1: "));
    CHECK_THAT(errors_of(result), contains("undecidable"));
    CHECK(result.errors.size() == 1);
    CHECK(backend.pushes.empty());
    if (hook_throws) {  // it only looks on: the resolver has decided
        CHECK(device.data("1") == "theirs");
        return;
    }
    CHECK(device.data("1") == "mine");
    CHECK(pending_ids(device) == Ids{"1"});
    fails = false;
    backend.listed.clear();
    CHECK(device.sync(backend.remote()).conflicts == 1);
    CHECK(device.data("1") == "theirs");
}

TEST_CASE("sync_where leaves out what it says, retries too (D33)", "[scenario]") {
    Device device;
    Backend backend;
    device.edit("A", 1);
    backend.fail();
    device.sync(backend.remote());
    device.edit("B", 2);
    backend.recover();
    backend.pushes.clear();

    device.engine->sync_where([](const auto& record) { return record.id == "B"; }, backend.remote())
        .get();

    REQUIRE(backend.pushes.size() == 1);
    CHECK(::test::ids_of(backend.pushes[0]) == Ids{"B"});
    CHECK(pending_ids(device) == Ids{"A"});
    CHECK(device.engine->retry_queue().count() == 1);
}

TEST_CASE("totals are stored before the last hook and count what happened (D34)", "[scenario]") {
    Device device;
    Backend backend;
    device.edit("1", 1);
    SyncMetadata seen;
    device.engine->on_after_sync = [&](const auto&) {
        seen = device.engine->metadata();
        throw std::runtime_error("the hook broke");
    };

    SECTION("a sync that pushes nothing moves no last time") {
        backend.fail();
        device.sync(backend.remote());
        CHECK_FALSE(seen.last_sync_at);
        CHECK(seen.total_pushes == 0);
    }
    SECTION("retries are pushes") {
        backend.fail();
        device.sync(backend.remote());
        backend.recover();
        const auto result = device.sync(backend.remote());
        CHECK(seen.total_pushes == 1);
        CHECK(seen.last_sync_at == device.clock.now());
        CHECK_THAT(errors_of(result), contains("the hook broke"));
        CHECK(device.engine->metadata() == seen);
    }
    SECTION("what was pulled and changed nothing is not counted") {
        device.sync(backend.remote());
        backend.listed = {backend.rows["1"], state("2", 2, device.clock.now())};
        CHECK(device.sync(backend.remote()).pulled == 1);
        CHECK(device.sync(backend.remote()).pulled == 0);
        CHECK(seen.total_pulls == 1);
    }
}

TEST_CASE("a conflicted record is counted, listed and leaves that state (D35)", "[scenario]") {
    Device device{1, Device::Resolver{ConflictStrategy::manual}};
    Backend backend;
    device.store->put(state("1", "old", device.clock.now(), 1));
    device.edit("1", "mine");
    backend.listed = {state("1", "theirs", device.clock.now())};
    device.sync(backend.remote());

    const auto statistics = device.store->statistics();
    CHECK(statistics.total == 1);
    CHECK(statistics.conflicted == 1);
    CHECK(device.store->get("1")->status == SyncStatus::conflicted);
    CHECK(device.store->pending().empty());
    CHECK(backend.pushes.empty());
    REQUIRE(device.store->conflicts().size() == 1);
    const auto conflict = device.store->conflicts()[0];
    CHECK(conflict.base->data == "old");
    CHECK(conflict.local.data == "mine");
    CHECK(conflict.theirs.data == "theirs");

    device.store->resolve(conflict, conflict.local.with_data("ours"));
    device.sync(backend.remote());

    CHECK(backend.data("1") == "ours");
    CHECK(device.store->statistics().synced == 1);
    CHECK(device.store->conflicts().empty());
}

TEST_CASE("a callback may do what it likes with the list it was given (D36)", "[scenario]") {
    Device device;
    Backend backend;
    device.edit("1", 1);
    auto remote = backend.remote();
    remote.push = [](Records records) {
        records.clear();
        return make_ready_future(Ids{});
    };
    device.engine->on_before_sync = [](std::vector<SyncRecord<>> pending) {
        pending.clear();
        return true;
    };

    device.sync(remote);

    CHECK(device.engine->retry_queue().count() == 1);
    CHECK(pending_ids(device) == Ids{"1"});
    CHECK(device.data("1") == 1);
}

TEST_CASE("marking keeps what a record is (D37)", "[scenario]") {
    Device device;
    device.edit("new", 1);
    device.store->mark_modified("new");
    CHECK(device.store->get("new")->status == SyncStatus::pending);

    device.store->put(state("old", 1, device.clock.now(), 1));
    device.store->remove("old");
    device.store->mark_synced("old");
    CHECK_FALSE(device.store->get("old"));
    CHECK(pending_ids(device) == Ids{"new"});
    CHECK(device.store->all().size() == 1);
}

TEST_CASE("pulls come in pages from a cursor, pushes in batches (D38)", "[scenario]") {
    Device device;
    Server server;
    Wire wire;
    std::vector<std::size_t> limits;
    for (int n = 0; n < 5; ++n) {
        server.seed(state("s" + std::to_string(n), n, device.clock.now()));
        device.edit("d" + std::to_string(n), n);
    }
    auto remote = wire.to(server);
    remote.pull = [&, pull = remote.pull](PullRequest request) {
        limits.push_back(request.limit);
        return make_ready_future(pull(std::move(request), [](auto f) { return f.get(); }));
    };

    const auto result = device.sync(remote, {.push_batch_size = 2, .pull_page_size = 3});

    CHECK(result.pulled == 5);
    CHECK(result.pushed == 5);
    CHECK(limits == std::vector<std::size_t>{3, 3});
    CHECK(wire.cursors.at(0).is_null());
    CHECK(wire.cursors.at(1) != wire.cursors.at(0));
    CHECK(wire.batches_text() == "d0 d1 | d2 d3 | d4");
    wire.cursors.clear();
    const auto again = device.sync(wire.to(server));
    CHECK(again.total() == 0);
    CHECK_FALSE(wire.cursors.at(0).is_null());
}

TEST_CASE("a record is read as a whole or not at all, and the reader says why (D39)",
          "[scenario]") {
    SyncRecord<> record{.id = "kept", .data = "kept"};
    const auto before = record;
    const auto read = [&](const char* text) {
        return message_of<FormatError>([&] { from_json(Json::parse(text), record); });
    };

    CHECK_THAT(read(R"({"id": "1", "data": 1, "status": "frozen",
                        "updatedAt": "2026-05-04T12:00:00Z"})"),
               contains("status"));
    CHECK_THAT(read(R"({"id": "1", "data": 1, "status": "synced", "updatedAt": "yesterday"})"),
               contains("updatedAt"));
    CHECK(record == before);
    from_json(Json::parse(R"({"id": "1", "data": 1, "updatedAt": "2026-05-04T12:00:00Z"})"),
              record);
    CHECK(record.id == "1");
}

TEST_CASE("a custom strategy without a function is refused at once (D40)", "[scenario]") {
    CHECK_THROWS_AS(ConflictResolver<>{ConflictStrategy::custom}, std::invalid_argument);
    CHECK_THROWS_AS(
        ConflictResolver<>{std::function<SyncRecord<>(const SyncRecord<>&, const SyncRecord<>&)>{}},
        std::invalid_argument);
}

}  // namespace scenario_seed_defects_flow
