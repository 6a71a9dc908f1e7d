// SPDX-License-Identifier: MIT

// "States that a caller can name": the cases that docs/architecture.md decides, one after the
// other, as far as a sync is involved.

#include <sync_engine/record/error.hpp>
#include <sync_engine/remote/memory_remote.hpp>

#include "support/catch.hpp"
#include "support/device.hpp"
#include "support/scripted_remote.hpp"

#include <chrono>
#include <string>
#include <vector>

namespace scenario_cases_states {

using namespace std::chrono_literals;
using sync_engine::ConflictStrategy;
using sync_engine::MemoryRemote;
using sync_engine::SyncStatus;
using sync_engine::testing::ManualClock;
using ::test::Device;
using ::test::Json;
using ::test::served;
using ::test::told;
using Resolver = Device::Resolver;

namespace {

/// Two devices that know the record "a" from a server.
struct Office {
    explicit Office(Resolver resolver = Resolver{}, const Json& content = {{"x", 0}, {"y", 0}})
        : one{1, resolver, time}, other{2, resolver, time} {
        server.seed(served("a", content, 1, time.now()));
        sync_both();
        time.advance(1min);
    }
    void sync_both() {
        one.sync(server.remote());
        other.sync(server.remote());
    }
    [[nodiscard]] Json stored(const std::string& id = "a") const {
        const auto record = server.find(id);
        return record && !record->is_deleted() ? record->data : Json();
    }
    void edit_remotely(const Json& data) {
        const auto version = server.find("a")->version + 1;
        server.edit_as_other_device(served("a", data, version, time.now()));
        time.advance(1min);
    }

    ManualClock time{};
    MemoryRemote<Json> server{time.clock()};
    Device one;
    Device other;
};

/// A conflict that waits for the user: "ours" against "theirs" over "base".
struct Dispute : Office {
    Dispute() : Office{Resolver{ConflictStrategy::manual}, "base"} {
        one.edit("a", "ours");
        edit_remotely("theirs");
        one.sync(server.remote());
        REQUIRE(one.store->conflicts().size() == 1);
    }
    [[nodiscard]] SyncStatus status() const { return one.store->get("a")->status; }
};

}  // namespace

// "`put` with `deleted` is `remove` (an unknown id: a tombstone that travels)"

TEST_CASE("a record put as deleted is deleted everywhere, known or not", "[scenario]") {
    Office office;
    office.server.seed(served("unknown here", 1, 1, office.time.now()));

    office.one.store->put(office.one.store->get("a")->with_status(SyncStatus::deleted));
    office.one.store->put({.id = "unknown here",
                           .status = SyncStatus::deleted,
                           .updated_at = office.time.now() + 1min,
                           .version = 2});
    CHECK(office.one.store->pending().size() == 2);
    CHECK(office.one.store->count() == 0);
    office.sync_both();

    CHECK(office.server.count() == 0);
    CHECK(office.other.store->count() == 0);
    CHECK(office.one.store->pending().empty());
}

// "with `conflicted` or `modified` an edit (equal content with `modified`: push it again); with
// `synced`: see above."

TEST_CASE("an edit is pushed whatever status its record claims", "[scenario]") {
    for (const auto status :
         {SyncStatus::pending, SyncStatus::modified, SyncStatus::synced, SyncStatus::conflicted}) {
        Office office;
        office.one.store->put(office.one.store->get("a")->with_data(7).with_status(status));
        CHECK(office.one.store->get("a")->status == SyncStatus::modified);
        CHECK(office.one.store->conflicts().empty());
        office.sync_both();

        CHECK(office.stored() == 7);
        CHECK(office.other.data("a") == 7);
    }
}

TEST_CASE("equal content with modified is pushed again, and with any other status not",
          "[scenario]") {
    for (const auto status :
         {SyncStatus::pending, SyncStatus::modified, SyncStatus::synced, SyncStatus::conflicted}) {
        Office office;
        office.one.store->put(office.one.store->get("a")->with_status(status));
        const auto changes = office.server.pushed_changes();
        office.one.sync(office.server.remote());

        const bool again = status == SyncStatus::modified;
        CHECK(office.server.pushed_changes() == changes + (again ? 1 : 0));
        CHECK(office.one.store->pending().empty());
    }
}

TEST_CASE("a new record put as synced is not pushed, and a remote that has it may change it",
          "[scenario]") {
    Office office;
    office.one.store->put({.id = "imported",
                           .data = "as the remote has it",
                           .status = SyncStatus::synced,
                           .updated_at = office.time.now()});
    office.server.seed(served("imported", "changed since", 2, office.time.now() + 1min));

    const auto result = office.one.sync(office.server.remote());

    CHECK(result.pushed == 0);
    CHECK(result.conflicts == 0);
    CHECK(office.one.data("imported") == "changed since");
}

// "conflicted: put and update change local and stay conflicted; remove resolves as a deletion;
// discard takes theirs; mark_synced throws"

TEST_CASE("a conflicted record can be edited, and still waits for a decision", "[scenario]") {
    Dispute dispute;

    dispute.one.edit("a", "ours, edited");
    dispute.one.store->update("a", [](Json& data) { data = data.get<std::string>() + " twice"; });

    CHECK(dispute.status() == SyncStatus::conflicted);
    CHECK(dispute.one.store->conflicts()[0].local.data == "ours, edited twice");
    CHECK(dispute.one.store->conflicts()[0].theirs.data == "theirs");
    CHECK(dispute.one.sync(dispute.server.remote()).pushed == 0);
    CHECK(dispute.stored() == "theirs");
}

TEST_CASE("removing a conflicted record decides for the deletion", "[scenario]") {
    Dispute dispute;

    CHECK(dispute.one.store->remove("a"));
    CHECK(dispute.one.store->conflicts().empty());
    dispute.sync_both();

    CHECK(dispute.server.find("a")->is_deleted());
    CHECK_FALSE(dispute.other.store->get("a"));
}

TEST_CASE("giving up a conflicted edit takes theirs", "[scenario]") {
    Dispute dispute;

    CHECK(dispute.one.store->discard_changes("a"));

    CHECK(dispute.one.data("a") == "theirs");
    CHECK(dispute.status() == SyncStatus::synced);
    CHECK(dispute.one.sync(dispute.server.remote()).total() == 0);
}

TEST_CASE("a conflicted record cannot be marked as synced or evicted", "[scenario]") {
    Dispute dispute;

    CHECK_THROWS_AS(dispute.one.store->mark_synced("a"), sync_engine::Refused);
    CHECK_THROWS_AS(dispute.one.store->evict("a"), sync_engine::Refused);
    CHECK(dispute.one.store->conflicts().size() == 1);
}

// "a pull updates theirs, and leaves the state when theirs equals local or base."

TEST_CASE("the remote moves on while a conflict waits", "[scenario]") {
    Dispute dispute;

    dispute.edit_remotely("theirs, edited");
    CHECK(dispute.one.sync(dispute.server.remote()).conflicts == 0);
    CHECK(dispute.one.store->conflicts()[0].theirs.data == "theirs, edited");
    CHECK(dispute.one.store->conflicts()[0].base->data == "base");
    CHECK(dispute.status() == SyncStatus::conflicted);

    SECTION("to our state") {
        dispute.edit_remotely("ours");
        CHECK(dispute.one.sync(dispute.server.remote()).pushed == 0);
        CHECK(dispute.one.data("a") == "ours");
    }
    SECTION("back to base") {
        dispute.edit_remotely("base");
        CHECK(dispute.one.sync(dispute.server.remote()).pushed == 1);
        CHECK(dispute.stored() == "ours");
    }
    CHECK(dispute.one.store->conflicts().empty());
    CHECK(dispute.one.store->pending().empty());
    CHECK(dispute.status() == SyncStatus::synced);
}

TEST_CASE("a remote deletion renews a conflict like any other change", "[scenario]") {
    Dispute dispute;

    dispute.server.remove_as_other_device("a");
    dispute.one.sync(dispute.server.remote());
    REQUIRE(dispute.one.store->conflicts().size() == 1);
    const auto conflict = dispute.one.store->conflicts()[0];
    CHECK(conflict.theirs.is_deleted());

    dispute.one.store->resolve(conflict, conflict.local);
    dispute.sync_both();
    CHECK(dispute.stored() == "ours");
    CHECK(dispute.other.data("a") == "ours");
}

// "`conflicts()` gives `Conflict{id, base, local, theirs}`; `resolve(conflict, record)` throws if
// theirs has moved, `resolve(id, record)` is against the newest."

TEST_CASE("a decision counts for the remote state that it was made on", "[scenario]") {
    Dispute dispute;
    const auto seen = dispute.one.store->conflicts()[0];
    dispute.edit_remotely("theirs, edited");
    dispute.one.sync(dispute.server.remote());

    CHECK_THROWS_AS(dispute.one.store->resolve(seen, seen.local), sync_engine::Refused);
    CHECK(dispute.status() == SyncStatus::conflicted);

    dispute.one.store->resolve("a", seen.local.with_data("decided"));
    CHECK(dispute.status() == SyncStatus::modified);
    CHECK(dispute.one.sync(dispute.server.remote()).conflicts == 0);
    dispute.sync_both();
    CHECK(dispute.stored() == "decided");
    CHECK(dispute.other.data("a") == "decided");
}

TEST_CASE("a decision for theirs leaves nothing to push", "[scenario]") {
    Dispute dispute;
    const auto conflict = dispute.one.store->conflicts()[0];

    dispute.one.store->resolve(conflict, conflict.theirs);

    CHECK(dispute.status() == SyncStatus::synced);
    CHECK(dispute.one.store->pending().empty());
    CHECK(dispute.one.sync(dispute.server.remote()).total() == 0);
}

TEST_CASE("a conflict outlives a restart and a reset of the cursor", "[scenario]") {
    Dispute dispute;
    dispute.one.restart();
    dispute.server.expire_cursors();
    dispute.one.sync(dispute.server.remote());

    REQUIRE(dispute.one.store->conflicts().size() == 1);
    CHECK(dispute.one.store->conflicts()[0].local.data == "ours");
    CHECK(dispute.one.store->conflicts()[0].theirs.data == "theirs");
}

// "remote_wins and local_wins hold for deletions too; both deleted is clean; merge keeps an edit
// against a deletion."

TEST_CASE("who wins wins with a deletion too", "[scenario]") {
    const auto outcome = [](ConflictStrategy strategy, bool we_delete, bool they_delete) {
        Office office{Resolver{strategy}, "base"};
        if (they_delete) {
            office.server.remove_as_other_device("a");
        } else {
            office.edit_remotely("theirs");
        }
        if (we_delete) {
            office.one.store->remove("a");
        } else {
            office.one.edit("a", "ours");
        }
        for (int round = 0; round < 2; ++round) office.sync_both();
        CHECK(office.one.data("a") == office.stored());
        CHECK(office.other.data("a") == office.stored());
        CHECK(office.one.store->pending().empty());
        return office.stored();
    };

    CHECK(outcome(ConflictStrategy::remote_wins, true, false) == "theirs");
    CHECK(outcome(ConflictStrategy::remote_wins, false, true) == Json());
    CHECK(outcome(ConflictStrategy::local_wins, true, false) == Json());
    CHECK(outcome(ConflictStrategy::local_wins, false, true) == "ours");
    CHECK(outcome(ConflictStrategy::merge, true, false) == "theirs");
    CHECK(outcome(ConflictStrategy::merge, false, true) == "ours");
    for (const auto strategy :
         {ConflictStrategy::remote_wins, ConflictStrategy::local_wins,
          ConflictStrategy::latest_wins, ConflictStrategy::merge, ConflictStrategy::manual}) {
        CHECK(outcome(strategy, true, true) == Json());
    }
}

// "Without a base, merge takes the union of keys; a path that both sides changed goes by `latest`
// unless told otherwise."

TEST_CASE("two records that were made under one id at the same time merge to the union",
          "[scenario]") {
    Office office{Resolver{ConflictStrategy::merge}};
    office.one.edit("n", {{"mine", 1}, {"both", "one"}});
    office.time.advance(1min);
    office.other.edit("n", {{"theirs", 2}, {"both", "other"}});
    for (int round = 0; round < 3; ++round) office.sync_both();

    CHECK(office.stored("n") == Json{{"mine", 1}, {"theirs", 2}, {"both", "other"}});
    CHECK(office.one.data("n") == office.stored("n"));
    CHECK(office.other.data("n") == office.stored("n"));
}

TEST_CASE("a field that both changed goes to the later edit, or to the side that was told",
          "[scenario]") {
    const auto winner = [](sync_engine::MergePolicy policy, bool ours_is_later) {
        Office office{Resolver{ConflictStrategy::merge, policy}};
        if (ours_is_later) office.edit_remotely({{"x", "theirs"}, {"y", 1}});
        office.one.edit("a", {{"x", "ours"}, {"y", 0}});
        office.time.advance(1min);
        if (!ours_is_later) office.edit_remotely({{"x", "theirs"}, {"y", 1}});
        office.one.sync(office.server.remote());
        CHECK(office.stored().at("y") == 1);
        return office.stored().at("x").get<std::string>();
    };

    CHECK(winner(sync_engine::MergePolicy::latest, true) == "ours");
    CHECK(winner(sync_engine::MergePolicy::latest, false) == "theirs");
    CHECK(winner(sync_engine::MergePolicy::local, false) == "ours");
    CHECK(winner(sync_engine::MergePolicy::remote, true) == "theirs");
}

TEST_CASE("tags of both sides merge, and data stays with them", "[scenario]") {
    Office office{Resolver{ConflictStrategy::merge}};
    office.one.store->put(office.one.store->get("a")->with_tags({"mine"}));
    office.other.store->put(office.other.store->get("a")->with_tags({"theirs"}));
    for (int round = 0; round < 3; ++round) office.sync_both();

    CHECK(office.server.find("a")->tags == sync_engine::TagSet{"mine", "theirs"});
    CHECK(office.one.store->get("a")->tags == office.other.store->get("a")->tags);
    CHECK(office.stored() == Json{{"x", 0}, {"y", 0}});
}

// "`pending()` is every dirty record, tombstones and dead letters included, conflicted ones not."

TEST_CASE("pending lists what still has to travel", "[scenario]") {
    Dispute dispute;
    dispute.server.seed(served("gone", 1, 1, dispute.time.now()));
    dispute.one.sync(dispute.server.remote());
    dispute.one.edit("dead", 1);
    dispute.server.refuse("dead", "no");
    dispute.one.sync(dispute.server.remote());
    dispute.one.store->remove("gone");
    dispute.one.edit("new", 1);

    std::vector<std::string> ids;
    for (const auto& record : dispute.one.store->pending()) ids.push_back(record.id);

    CHECK(ids == std::vector<std::string>{"dead", "gone", "new"});
    CHECK(dispute.one.store->statistics().conflicted == 1);
    CHECK(dispute.one.store->statistics().dead_letters == 1);
    CHECK(dispute.one.store->statistics().deleted == 1);
}

}  // namespace scenario_cases_states
