// SPDX-License-Identifier: MIT
#include <sync_engine/store/local_store.hpp>

#include "store/test_store.hpp"
#include "support/catch.hpp"

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace test_of_local_store_conflicts {

using namespace sync_engine;
using namespace sync_engine::test;
using nlohmann::json;

namespace {

using Ids = std::vector<std::string>;

SyncRecord<> revised(SyncRecord<> record, std::string revision) {
    record.revision = std::move(revision);
    return record;
}

/// A store on which record "a" is in conflict: "one" became "ours" here and "theirs" remotely.
TestStore<> store_in_conflict(SyncRecord<> theirs = revised(note("a", "theirs", 7), "r2")) {
    TestStore<> store;
    store.pull(revised(note("a", "one"), "r1"));
    store->put(note("a", "ours", 2).with_tags({"x"}));
    store.conflict(std::move(theirs));
    return store;
}

SyncRecord<> deletion() {
    return revised(note("a", "gone", 7).with_status(SyncStatus::deleted), "r2");
}

}  // namespace

TEST_CASE("a conflict is listed with its three states", "[store]") {
    const auto store = store_in_conflict();

    const auto listed = store->conflicts();

    REQUIRE(listed.size() == 1);
    CHECK(listed[0].id == "a");
    CHECK(listed[0].base == revised(note("a", "one"), "r1").with_status(SyncStatus::synced));
    CHECK(listed[0].local == *store->get("a"));
    CHECK(listed[0].local.data == json{{"text", "ours"}});
    CHECK(listed[0].local.status == SyncStatus::conflicted);
    CHECK(same_content(listed[0].theirs, note("a", "theirs")));
    CHECK(listed[0].theirs.revision == "r2");
}

TEST_CASE("a conflict waits: it is readable, but not pending", "[store]") {
    const auto store = store_in_conflict();

    CHECK(store->get("a")->data == json{{"text", "ours"}});
    CHECK(ids_of(store->query_by_tag("x")) == Ids{"a"});
    CHECK(store->pending().empty());
    CHECK(store->statistics() == StoreStatistics{.total = 1, .conflicted = 1});
}

TEST_CASE("conflicts are listed by id, without a base where there never was one", "[store]") {
    TestStore<> store;
    for (const auto* id : {"c", "a", "b"}) {
        store->put(note(id, "ours"));
        store.conflict(note(id, "theirs"));
    }

    const auto listed = store->conflicts();

    REQUIRE(listed.size() == 3);
    CHECK(listed[0].id == "a");
    CHECK(listed[1].id == "b");
    CHECK(listed[2].id == "c");
    CHECK(listed[0].base == std::nullopt);
}

TEST_CASE("a conflict is decided for a state that is neither side's", "[store]") {
    const auto store = store_in_conflict();

    store->resolve(store->conflicts().front(), note("a", "both").with_tags({"y"}));

    CHECK(store->conflicts().empty());
    CHECK(store->get("a")->data == json{{"text", "both"}});
    CHECK(store->get("a")->tags == TagSet{"y"});
    CHECK(store->get("a")->status == SyncStatus::modified);
    CHECK(store->pending() == std::vector{*store->get("a")});
    CHECK(same_content(*store->base("a"), note("a", "theirs")));
    CHECK(store->base("a")->revision == "r2");
    CHECK(store->get("a")->revision == "r2");
}

TEST_CASE("a conflict that is decided for us is dirty on top of the remote's state", "[store]") {
    const auto store = store_in_conflict();

    store->resolve("a", store->conflicts().front().local);

    CHECK(store->conflicts().empty());
    CHECK(store->get("a")->data == json{{"text", "ours"}});
    CHECK(ids_of(store->pending()) == Ids{"a"});
    CHECK(store->get("a")->version == 8);
    CHECK(store->base("a")->revision == "r2");
}

TEST_CASE("a conflict that is decided for the remote leaves nothing to push", "[store]") {
    const auto store = store_in_conflict();

    store->resolve("a", store->conflicts().front().theirs);

    CHECK(store->conflicts().empty());
    CHECK(store->pending().empty());
    CHECK(store->get("a") == store->base("a"));
    CHECK(store->get("a")->status == SyncStatus::synced);
    CHECK(store->get("a")->version == 7);
    CHECK(store->get("a")->revision == "r2");
    CHECK(store->query_by_tag("x").empty());
}

TEST_CASE("a conflict can be decided for a deletion", "[store]") {
    const auto store = store_in_conflict();

    store->resolve("a", note("a", "any").with_status(SyncStatus::deleted));

    CHECK(store->conflicts().empty());
    CHECK(store->get("a") == std::nullopt);
    REQUIRE(ids_of(store->pending()) == Ids{"a"});
    CHECK(store->pending().front().is_deleted());
    CHECK(store->pending().front().version == 8);
    CHECK(store->pending().front().revision == "r2");
}

TEST_CASE("a conflict with a deletion is decided either way", "[store]") {
    const auto kept = store_in_conflict(deletion());
    kept->resolve("a", note("a", "ours"));
    CHECK(kept->get("a")->data == json{{"text", "ours"}});
    CHECK(kept->get("a")->status == SyncStatus::pending);
    CHECK(kept->get("a")->version == 8);

    const auto deleted = store_in_conflict(deletion());
    deleted->resolve(deleted->conflicts().front(), deletion());
    CHECK(deleted->get("a") == std::nullopt);
    CHECK(deleted->pending().empty());
    CHECK(deleted->statistics() == StoreStatistics{});
}

TEST_CASE("a conflict is not decided against a state that has moved meanwhile", "[store]") {
    auto store = store_in_conflict();
    const auto listed = store->conflicts().front();
    store.conflict(revised(note("a", "theirs again", 8), "r3"));
    const auto before = store.picture();

    CHECK_THROWS_AS(store->resolve(listed, note("a", "both")), Refused);
    CHECK_THAT(message_of<Refused>([&] { store->resolve(listed, note("a", "both")); }),
               contains("\"a\""));
    CHECK(store.picture() == before);

    store->resolve("a", note("a", "both"));
    CHECK(store->get("a")->version == 9);
    CHECK(store->base("a")->revision == "r3");
}

TEST_CASE("a conflict that was listed before a local edit can still be decided", "[store]") {
    const auto store = store_in_conflict();
    const auto listed = store->conflicts().front();
    store->update("a", [](json& data) { data["text"] = "ours again"; });

    store->resolve(listed, listed.theirs);

    CHECK(store->get("a")->data == json{{"text", "theirs"}});
}

TEST_CASE("only a conflict can be decided, and only for a record that fits", "[store]") {
    auto store = store_in_conflict();
    const auto listed = store->conflicts().front();
    store->put(note("b", "one"));
    store->put(note("parked", "one"));
    store.park(note("parked", "two"));
    const auto before = store.picture();

    CHECK_THROWS_AS(store->resolve("b", note("b", "two")), NotFound);
    CHECK_THROWS_AS(store->resolve("parked", note("parked", "two")), NotFound);
    CHECK_THROWS_AS(store->resolve("unknown", note("unknown", "two")), NotFound);
    CHECK_THROWS_AS(store->resolve("a", note("b", "two")), InvalidRecord);
    CHECK_THROWS_AS(store->resolve(listed, note("b", "two")), InvalidRecord);
    CHECK_THROWS_AS(store->resolve("a", {.id = "a", .data = "\xff", .updated_at = noon}),
                    InvalidRecord);
    CHECK(store.picture() == before);

    store->resolve(listed, listed.theirs);
    CHECK_THROWS_AS(store->resolve(listed, listed.theirs), NotFound);
}

TEST_CASE("a record in conflict can be edited, and stays in conflict", "[store]") {
    const auto store = store_in_conflict();

    store->put(note("a", "ours by put", 3));
    CHECK(store->conflicts().front().local.data == json{{"text", "ours by put"}});
    store->update("a", [](json& data) { data["text"] = "ours by update"; });
    CHECK(store->conflicts().front().local.data == json{{"text", "ours by update"}});
    store->mark_modified("a");

    CHECK(store->get("a")->status == SyncStatus::conflicted);
    CHECK(store->get("a")->data == json{{"text", "ours by update"}});
    CHECK(store->get("a")->version > 7);
    CHECK(same_content(store->conflicts().front().theirs, note("a", "theirs")));
    CHECK(store->pending().empty());
    CHECK(store->statistics() == StoreStatistics{.total = 1, .conflicted = 1});
}

TEST_CASE("removing a record in conflict decides it as a deletion", "[store]") {
    const auto store = store_in_conflict();

    CHECK(store->remove("a"));

    CHECK(store->conflicts().empty());
    REQUIRE(ids_of(store->pending()) == Ids{"a"});
    CHECK(store->pending().front().is_deleted());
    CHECK(store->pending().front().version == 8);
    CHECK(same_content(*store->base("a"), note("a", "theirs")));
}

TEST_CASE("putting a record in conflict as deleted decides it as a deletion", "[store]") {
    const auto store = store_in_conflict();

    store->put(note("a", "any").with_status(SyncStatus::deleted));

    CHECK(store->conflicts().empty());
    CHECK(store->pending().front().is_deleted());
}

TEST_CASE("removing a record that was deleted remotely settles the conflict", "[store]") {
    const auto store = store_in_conflict(deletion());

    CHECK(store->remove("a"));

    CHECK(store->conflicts().empty());
    CHECK(store->pending().empty());
    CHECK(store->get("a") == std::nullopt);
}

TEST_CASE("our deletion may be what is in conflict", "[store]") {
    TestStore<> store;
    store.pull(note("a", "one"));
    store->remove("a");
    store.conflict(note("a", "theirs", 7));

    REQUIRE(store->conflicts().size() == 1);
    CHECK(store->conflicts().front().local.is_deleted());
    CHECK(store->get("a") == std::nullopt);
    CHECK(store->pending().empty());
    CHECK(store->statistics() == StoreStatistics{.conflicted = 1});

    CHECK(store->remove("a"));
    CHECK(store->conflicts().empty());
    CHECK(ids_of(store->pending()) == Ids{"a"});
    CHECK(store->pending().front().version == 8);
}

TEST_CASE("our deletion in conflict can be taken back by an edit", "[store]") {
    TestStore<> store;
    store.pull(note("a", "one"));
    store->remove("a");
    store.conflict(note("a", "theirs", 7));

    store->put(note("a", "ours after all"));

    CHECK(store->get("a")->data == json{{"text", "ours after all"}});
    CHECK(store->get("a")->status == SyncStatus::conflicted);
    CHECK(store->conflicts().size() == 1);
    CHECK(store->statistics() == StoreStatistics{.total = 1, .conflicted = 1});
}

TEST_CASE("giving up our side of a conflict takes theirs", "[store]") {
    const auto store = store_in_conflict();

    CHECK(store->discard_changes("a"));

    CHECK(store->conflicts().empty());
    CHECK(store->pending().empty());
    CHECK(same_content(*store->get("a"), note("a", "theirs")));
    CHECK(store->get("a")->status == SyncStatus::synced);
    CHECK(store->base("a") == store->get("a"));
}

TEST_CASE("giving up our side against a deletion deletes", "[store]") {
    const auto store = store_in_conflict(deletion());

    CHECK(store->discard_changes("a"));

    CHECK(store->conflicts().empty());
    CHECK(store->get("a") == std::nullopt);
    CHECK(store->statistics() == StoreStatistics{});
}

TEST_CASE("a record in conflict cannot be called synced", "[store]") {
    const auto store = store_in_conflict();
    const auto before = store.picture();

    CHECK_THROWS_AS(store->mark_synced("a"), Refused);

    CHECK(store.picture() == before);
}

TEST_CASE("a remote state that waits for a resolver stays through local edits", "[store]") {
    TestStore<> store;
    store.pull(note("a", "one"));
    store->put(note("a", "ours", 2));
    store.park(note("a", "theirs", 7));

    store->update("a", [](json& data) { data["text"] = "ours again"; });

    REQUIRE(ids_of(store->read_parked()) == Ids{"a"});
    CHECK(same_content(*store->read_parked().front()->theirs(), note("a", "theirs")));
    CHECK(store->conflicts().empty());
    CHECK(store->get("a")->version == 8);
    CHECK(store->get("a")->status == SyncStatus::modified);
}

TEST_CASE("giving up an edit whose remote state waits takes that state", "[store]") {
    TestStore<> store;
    store.pull(note("a", "one"));
    store->put(note("a", "ours", 2));
    store.park(note("a", "theirs", 7));

    CHECK(store->discard_changes("a"));

    CHECK(same_content(*store->get("a"), note("a", "theirs")));
    CHECK(store->read_parked().empty());
    CHECK(store->pending().empty());
}

}  // namespace test_of_local_store_conflicts
