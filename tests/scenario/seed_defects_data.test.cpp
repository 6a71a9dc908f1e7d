// SPDX-License-Identifier: MIT
#include "support/catch.hpp"
#include "support/scenario.hpp"

#include <nlohmann/json.hpp>

#include <chrono>
#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace scenario_seed_defects_data {

// What an earlier system got wrong, D1 to D22: each test runs the calls that lost data there.

using namespace std::chrono_literals;
using namespace sync_engine;
using ::test::Backend;
using ::test::contains;
using ::test::Device;
using ::test::errors_of;
using ::test::Ids;
using ::test::Json;
using ::test::pending_ids;
using ::test::Records;
using ::test::Server;
using ::test::state;

namespace {

/// A device that has record 1 as the backend has it, both saying "old".
struct Synced {
    Device device;
    Backend backend{};

    explicit Synced(Device::Resolver resolver = Device::Resolver{}) : device(1, resolver) {
        backend.rows["1"] = state("1", "old", device.clock.now(), 1);
        device.store->put(backend.rows["1"]);
        REQUIRE(pending_ids(device).empty());
        device.clock.advance(1min);
    }

    SyncResult sync() { return device.sync(backend.remote()); }
    SyncStatus status() const { return device.store->get("1")->status; }
};

}  // namespace

TEST_CASE("an edit made during its own push stays pending (D1)", "[scenario]") {
    Device device;
    Backend backend;
    device.edit("1", "v1");
    const bool first_push_fails = GENERATE(false, true);
    if (first_push_fails) {  // the same hole, when it is a retry that is under way
        backend.fail();
        device.sync(backend.remote());
    }
    backend.answer = [&](const Records& sent) {
        device.edit("1", "v2");
        return ::test::ids_of(sent);
    };

    device.sync(backend.remote());

    CHECK(backend.data("1") == "v1");
    CHECK(device.data("1") == "v2");
    CHECK(device.store->get("1")->status == SyncStatus::modified);
    CHECK(pending_ids(device) == Ids{"1"});
    backend.recover();
    device.sync(backend.remote());
    CHECK(backend.data("1") == "v2");
    CHECK(pending_ids(device).empty());
}

TEST_CASE("a retry pushes the newest edit and never an older copy (D2)", "[scenario]") {
    Device device;
    Backend backend;
    device.edit("1", "v1");
    backend.fail();
    device.sync(backend.remote());
    device.edit("1", "v2");
    backend.recover();
    backend.pushes.clear();

    const auto result = device.sync(backend.remote());

    REQUIRE(backend.pushes.size() == 1);
    CHECK(backend.pushes[0].size() == 1);
    CHECK(backend.pushes[0].at(0).data == "v2");
    CHECK(backend.data("1") == "v2");
    CHECK_FALSE(result.has_errors());
    CHECK(pending_ids(device).empty());
}

TEST_CASE("a record that waits for a retry is pushed once (D3)", "[scenario]") {
    Device device;
    Backend backend;
    device.edit("1", "v1");
    backend.fail();
    device.sync(backend.remote());
    backend.recover();
    backend.pushes.clear();

    const auto result = device.sync(backend.remote());

    CHECK(backend.pushes.size() == 1);
    CHECK(result.retried == 1);
    CHECK(result.pushed == 0);
    CHECK(result.total() == 1);
}

TEST_CASE("a conflict's local or merged winner reaches the backend (D4)", "[scenario]") {
    struct Case {
        Device::Resolver resolver;
        Json winner;
    };
    const std::vector<Case> cases{
        {Device::Resolver{ConflictStrategy::local_wins}, "mine"},
        {Device::Resolver{ConflictStrategy::latest_wins}, "mine"},
        {Device::Resolver{[](const auto& local, const auto& remote) {
             return local.with_data("merged with " + remote.data.template get<std::string>());
         }},
         "merged with theirs"},
    };
    for (const auto& [resolver, winner] : cases) {
        INFO(winner);
        Synced both{resolver};
        both.backend.listed = {state("1", "theirs", both.device.clock.now())};
        both.device.clock.advance(1min);
        both.backend.while_pulling = [&] { both.device.edit("1", "mine"); };

        const auto result = both.sync();

        CHECK(result.conflicts == 1);
        CHECK(both.backend.pushes.size() == 1);
        CHECK(both.device.data("1") == winner);
        CHECK(both.backend.data("1") == winner);
        CHECK(pending_ids(both.device).empty());
    }
}

TEST_CASE("a remote that won is not overwritten by a retry (D5)", "[scenario]") {
    Synced both{Device::Resolver{ConflictStrategy::remote_wins}};
    both.device.edit("1", "mine");
    both.backend.fail();
    both.sync();
    CHECK(both.device.engine->retry_queue().count() == 1);
    both.backend.recover();
    both.backend.pushes.clear();
    both.backend.rows["1"] = state("1", "theirs", both.device.clock.now());
    both.backend.listed = {both.backend.rows["1"]};

    both.sync();
    both.backend.listed.clear();
    both.sync();

    CHECK(both.backend.pushes.empty());
    CHECK(both.device.data("1") == "theirs");
    CHECK(both.backend.data("1") == "theirs");
    CHECK(both.device.engine->retry_queue().count() == 0);
}

TEST_CASE("a retry that the backend does not confirm stays in the queue (D6)", "[scenario]") {
    Synced both{Device::Resolver{ConflictStrategy::local_wins}};
    both.device.edit("1", "mine");
    both.backend.accept_none();
    both.backend.listed = {state("1", "theirs", both.device.clock.now())};
    both.sync();
    both.backend.listed.clear();

    both.sync();

    CHECK(both.device.engine->retry_queue().count() == 1);
    CHECK(pending_ids(both.device) == Ids{"1"});
    CHECK(both.status() == SyncStatus::modified);
    both.backend.recover();
    CHECK(both.sync().retried == 1);
    CHECK(both.backend.data("1") == "mine");
}

TEST_CASE("another device's edit is seen before anything is pushed over it (D7)", "[scenario]") {
    Synced both{Device::Resolver{ConflictStrategy::remote_wins}};
    both.device.edit("1", "mine");
    both.backend.rows["1"] = state("1", "theirs", both.device.clock.now());

    SECTION("it is a conflict, not a victim") {
        both.backend.listed = {both.backend.rows["1"]};
        CHECK(both.sync().conflicts == 1);
        CHECK(both.device.data("1") == "theirs");
    }
    SECTION("if it cannot be read, nothing is pushed") {
        both.backend.while_pulling = [] { throw std::runtime_error("no answer"); };
        CHECK(both.sync().outcome == SyncOutcome::failed);
        CHECK(pending_ids(both.device) == Ids{"1"});
    }
    CHECK(both.backend.pushes.empty());
    CHECK(both.backend.data("1") == "theirs");
}

TEST_CASE("an edit is an edit, whatever status its record carries (D8)", "[scenario]") {
    Synced both;
    const auto synced = *both.device.store->get("1");
    Json end = "new";

    SECTION("other data") {
        both.device.store->put(synced.with_data("new"));
    }
    SECTION("other tags") {
        both.device.store->put(synced.with_tags({"new"}));
        end = "old";
    }
    SECTION("a new version") {
        both.device.store->put(synced.with_data("new").increment_version());
    }
    CHECK(pending_ids(both.device) == Ids{"1"});
    both.backend.listed = {both.backend.rows["1"]};
    CHECK(both.sync().conflicts == 0);

    CHECK(both.device.data("1") == end);
    CHECK(both.backend.data("1") == end);
    CHECK(both.backend.rows["1"].tags == both.device.store->get("1")->tags);
    CHECK(pending_ids(both.device).empty());
}

TEST_CASE("a record put as deleted is pushed as a deletion, and a pull does not undo it (D9)",
          "[scenario]") {
    Synced both;
    both.device.store->put(both.device.store->get("1")->with_status(SyncStatus::deleted));
    both.backend.listed = {both.backend.rows["1"]};

    both.sync();

    REQUIRE(both.backend.pushes.size() == 1);
    CHECK(both.backend.pushes[0].at(0).is_deleted());
    CHECK_FALSE(both.device.store->get("1"));
    both.sync();  // the old state is still listed
    CHECK_FALSE(both.device.store->get("1"));
    CHECK(both.backend.rows["1"].is_deleted());
}

TEST_CASE("a deletion of a record that the store never had travels as well (D9)", "[scenario]") {
    Device device;
    Backend backend;
    device.store->put(state("1", nullptr, device.clock.now()).with_status(SyncStatus::deleted));

    device.sync(backend.remote());

    REQUIRE(backend.pushes.size() == 1);
    CHECK(backend.rows["1"].is_deleted());
    CHECK(pending_ids(device).empty());
}

TEST_CASE("a removed record does not come back from a pull (D10)", "[scenario]") {
    Synced both;
    both.backend.listed = {both.backend.rows["1"]};
    both.backend.accept_none();
    both.device.store->remove("1");

    both.sync();
    CHECK_FALSE(both.device.store->get("1"));
    CHECK(pending_ids(both.device) == Ids{"1"});
    both.backend.recover();
    both.sync();

    CHECK(both.backend.rows["1"].is_deleted());
    CHECK_FALSE(both.device.store->get("1"));
}

TEST_CASE("a record that was removed after a failed push does not appear at the backend (D11)",
          "[scenario]") {
    Device device;
    Backend backend;
    device.edit("1", "v1");

    SECTION("it may have arrived, so the deletion travels") {
        backend.fail();
        device.sync(backend.remote());
        device.store->remove("1");
        backend.recover();
        device.sync(backend.remote());
        CHECK(backend.rows["1"].is_deleted());
    }
    SECTION("it cannot have arrived, so nothing travels") {
        backend.answer = [](const Records&) -> Ids { throw Unavailable{}; };
        device.sync(backend.remote());
        device.store->remove("1");
        backend.recover();
        backend.pushes.clear();
        device.sync(backend.remote());
        CHECK(backend.pushes.empty());
    }
    SECTION("removed while it is under way") {
        backend.answer = [&](const Records& sent) {
            device.store->remove("1");
            return ::test::ids_of(sent);
        };
        device.sync(backend.remote());
        CHECK(backend.data("1") == "v1");
        backend.recover();
        device.sync(backend.remote());
        CHECK(backend.rows["1"].is_deleted());
    }
    CHECK(backend.data("1").is_null());
    CHECK(device.store->count() == 0);
    CHECK(device.store->pending().empty());
    CHECK(device.engine->retry_queue().entries().empty());
}

TEST_CASE("a deletion at the backend deletes here (D12)", "[scenario]") {
    Synced both;
    auto deleted = state("1", "old", both.device.clock.now()).with_status(SyncStatus::deleted);

    SECTION("as a listed deletion") {
        both.backend.listed = {deleted};
        CHECK(both.sync().pulled == 1);
    }
    SECTION("as an absence from a listing that says it is complete") {
        auto remote = both.backend.remote();
        PullPage<> page;
        page.complete = true;
        page.records = {both.backend.rows["1"]};
        remote.pull = [&](PullRequest) { return make_ready_future(page); };
        both.device.sync(remote);
        page.records.clear();
        CHECK(both.device.sync(remote).pulled == 1);
    }
    CHECK_FALSE(both.device.store->get("1"));
    CHECK(both.device.store->all().empty());
    CHECK(both.backend.pushes.empty());
}

TEST_CASE("an absence from a simple pull deletes nothing (D12)", "[scenario]") {
    Synced both;
    both.sync();
    both.sync();
    CHECK(both.device.data("1") == "old");
}

TEST_CASE("an older copy does not overwrite what was acknowledged (D13)", "[scenario]") {
    Synced both;
    const auto v1 = both.backend.rows["1"];
    both.device.edit("1", "v2");
    both.sync();
    both.backend.listed = {v1};

    CHECK(both.sync().pulled == 0);

    CHECK(both.device.data("1") == "v2");
    CHECK(both.backend.data("1") == "v2");
    CHECK(pending_ids(both.device).empty());
}

TEST_CASE("an edit of tags alone survives a pull and is pushed (D14)", "[scenario]") {
    Synced both;
    both.device.store->put(both.device.store->get("1")->with_tags({"x"}));
    both.backend.listed = {both.backend.rows["1"]};
    both.backend.accept_none();

    CHECK(both.sync().conflicts == 0);
    CHECK(both.device.store->get("1")->tags == TagSet{"x"});
    CHECK(pending_ids(both.device) == Ids{"1"});
    both.backend.recover();
    both.sync();

    CHECK(both.backend.rows["1"].tags == TagSet{"x"});
}

TEST_CASE("values decide what is a conflict, never their printed form (D15)", "[scenario]") {
    Synced both{Device::Resolver{ConflictStrategy::local_wins}};

    SECTION("two values that print alike are a conflict") {
        both.device.edit("1", {{"a", "1, b: 2"}});
        both.backend.listed = {state("1", {{"a", "1"}, {"b", "2"}}, both.device.clock.now())};
        CHECK(both.sync().conflicts == 1);
    }
    SECTION("the same keys in another order are none") {
        both.device.edit("1", Json::parse(R"({"a": 1, "b": 2})"));
        both.backend.listed = {
            state("1", Json::parse(R"({"b": 2, "a": 1})"), both.device.clock.now())};
        CHECK(both.sync().conflicts == 0);
        CHECK(both.backend.pushes.empty());
    }
}

TEST_CASE("an id in a push reply counts once, and only if it was sent (D16)", "[scenario]") {
    Device device;
    Backend backend;
    device.edit("A", 1);
    device.edit("B", 2);
    backend.answer = [](const Records&) { return Ids{"A", "A", "B", "C"}; };

    const auto result =
        device.engine
            ->sync_where([](const auto& record) { return record.id == "A"; }, backend.remote())
            .get();

    CHECK(result.pushed == 1);
    CHECK(pending_ids(device) == Ids{"B"});
    CHECK(device.store->get("B")->status == SyncStatus::pending);
    CHECK_THAT(errors_of(result),
               contains("B: the remote answered for a record that was not sent"));
    CHECK_THAT(errors_of(result),
               contains("C: the remote answered for a record that was not sent"));
    CHECK_FALSE(device.store->get("C"));
}

TEST_CASE("whatever throws during a sync, the retry queue keeps its records (D17)", "[scenario]") {
    Device device;
    Backend backend;
    device.edit("1", "v1");
    backend.fail();
    device.sync(backend.remote());
    const auto boom = [] { throw std::runtime_error("boom"); };
    SyncOptions options;

    SECTION("progress") {
        options.on_progress = [&](auto, auto) { boom(); };
    }
    SECTION("the hook before") {
        device.engine->on_before_sync = [&](const auto&) -> bool { throw 1; };
    }
    SECTION("the hook after") {
        device.engine->on_after_sync = [&](const auto&) { boom(); };
    }
    SECTION("pull") {
        backend.while_pulling = boom;
    }
    SECTION("the disk") {
        device.disk->fail_next();
        CHECK_THROWS_AS(device.sync(backend.remote()), StorageError);
    }
    device.sync(backend.remote(), options);

    CHECK(device.engine->retry_queue().count() == 1);
    CHECK(device.data("1") == "v1");
    CHECK(pending_ids(device) == Ids{"1"});
}

TEST_CASE("the later edit wins by latest_wins, though nobody stamped it (D18)", "[scenario]") {
    Synced both;
    const auto record = *both.device.store->get("1");
    both.backend.listed = {state("1", "theirs", both.device.clock.now())};
    both.device.clock.advance(1min);

    SECTION("with_data and with_status") {
        both.device.store->put(record.with_data("later").with_status(SyncStatus::modified));
    }
    SECTION("update") {
        both.device.store->update("1", [](Json& data) { data = "later"; });
    }
    SECTION("update by a clock that is behind what it has seen") {
        both.device.clock.advance(-4min);
        auto seen = both.backend.listed[0];
        both.sync();
        both.device.store->update("1", [](Json& data) { data = "later"; });
        CHECK(both.device.store->get("1")->updated_at > seen.updated_at);
        CHECK(both.device.store->get("1")->version > seen.version);
    }
    both.sync();

    CHECK(both.device.data("1") == "later");
    CHECK(both.backend.data("1") == "later");
    CHECK(both.backend.rows["1"].version > 2);
}

TEST_CASE("a time keeps its instant wherever it is read (D19)", "[scenario]") {
    const auto record = state("1", nullptr, parse_timestamp("2026-05-04T14:00:00+02:00"));

    CHECK(Json(record).at("updatedAt") == "2026-05-04T12:00:00.000000Z");
    CHECK(Json(record).get<SyncRecord<>>().updated_at == record.updated_at);
    CHECK(parse_timestamp("2026-05-04T12:00:00Z") == record.updated_at);
}

TEST_CASE("changing a copy changes nothing in the store (D20)", "[scenario]") {
    Synced both;
    both.device.store->get("1")->data = "edited";
    for (auto& record : both.device.store->all()) record.data = "edited";
    both.device.edit("2", "draft");
    for (auto& record : both.device.store->pending()) record.data = "edited";
    both.backend.fail();
    both.sync();
    for (auto& record : both.device.engine->retry_queue().pending()) record.data = "edited";

    CHECK(both.device.data("1") == "old");
    CHECK(both.device.data("2") == "draft");
    CHECK(pending_ids(both.device) == Ids{"2"});
}

TEST_CASE("a resolver that changes the id changes nothing, and is reported (D21)", "[scenario]") {
    Synced both{Device::Resolver{[](const auto& local, const auto&) {
        auto other = local;
        other.id = "other";
        return other;
    }}};
    both.device.edit("1", "mine");
    both.backend.listed = {state("1", "theirs", both.device.clock.now())};

    const auto result = both.sync();

    CHECK_FALSE(both.device.store->get("other"));
    CHECK(both.device.data("1") == "mine");
    CHECK(both.status() == SyncStatus::modified);
    CHECK(both.backend.pushes.empty());
    CHECK_THAT(errors_of(result), contains("1: "));
    CHECK_THAT(errors_of(result), contains("changed the id"));
}

TEST_CASE("nothing is forgotten when the process ends (D22)", "[scenario]") {
    Device device;
    Server server;
    device.edit("sent", 1);
    device.sync(server.remote("home"));
    device.edit("unsent", 2);
    server.omit("unsent");
    device.sync(server.remote("home"));
    const auto metadata = device.engine->metadata();
    const auto cursor = device.store->state().cursor;
    const auto statistics = device.store->statistics();

    device.restart();

    CHECK(device.store->statistics() == statistics);
    CHECK(pending_ids(device) == Ids{"unsent"});
    CHECK(device.engine->retry_queue().entries().at(0).attempts == 1);
    CHECK(device.engine->metadata() == metadata);
    CHECK(metadata.total_pushes == 1);
    CHECK(device.store->state().cursor == cursor);
    CHECK_FALSE(cursor.is_null());
    CHECK(device.store->state().remote_name == "home");
}

TEST_CASE("a call that was not reached does not make an earlier one unsent (D11)", "[scenario]") {
    Device device;
    Server server;
    const SyncOptions push_only{.direction = SyncDirection::push};
    device.edit("1", "v1");
    server.lose_next_ack();
    device.sync(server.remote(), push_only);  // it is there, but we cannot know
    server.set_offline(true);
    device.sync(server.remote(), push_only);
    device.store->remove("1");
    server.set_offline(false);

    device.sync(server.remote());
    device.sync(server.remote());

    CHECK(device.store->count() == 0);
    CHECK(server.count() == 0);
    CHECK(device.store->pending().empty());
}

}  // namespace scenario_seed_defects_data
