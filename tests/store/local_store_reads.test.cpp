// SPDX-License-Identifier: MIT
#include <sync_engine/store/local_store.hpp>

#include "store/test_store.hpp"
#include "support/catch.hpp"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace test_of_local_store_reads {

using namespace sync_engine;
using namespace sync_engine::test;
using nlohmann::json;

namespace {

using Ids = std::vector<std::string>;

SyncRecord<> synced(std::string id, std::string text, std::uint64_t version = 1) {
    return note(std::move(id), std::move(text), version).with_status(SyncStatus::synced);
}

Ids sorted(Ids ids) {
    std::sort(ids.begin(), ids.end());
    return ids;
}

}  // namespace

TEST_CASE("all records are listed in order of arrival, without deleted ones", "[store]") {
    TestStore<> store;
    for (const auto* id : {"c", "a", "b"}) store->put(synced(id, "one"));
    store->put(note("unknown", "gone").with_status(SyncStatus::deleted));

    store->put(note("c", "two"));

    CHECK(ids_of(store->all()) == Ids{"c", "a", "b"});
    store->remove("a");
    CHECK(ids_of(store->all()) == Ids{"c", "b"});
}

TEST_CASE("a query answers the records for which its predicate is true", "[store]") {
    TestStore<> store;
    store->put(note("a", "yes"));
    store->put(note("b", "no"));
    store->put(note("c", "yes"));
    store->put(synced("d", "yes"));
    store->remove("d");

    const auto found =
        store->query([](const SyncRecord<>& record) { return record.data["text"] == "yes"; });

    CHECK(found == std::vector{note("a", "yes"), note("c", "yes")});
}

TEST_CASE("records are found by any of their tags", "[store]") {
    TestStore<> store;
    store->put(note("a", "one").with_tags({"x", "y"}));
    store->put(note("b", "one").with_tags({"y"}));
    store->put(note("c", "one"));

    CHECK(ids_of(store->query_by_tag("x")) == Ids{"a"});
    CHECK(sorted(ids_of(store->query_by_tag("y"))) == Ids{"a", "b"});
    CHECK(store->query_by_tag("z").empty());
    CHECK(store->query_by_tag("").empty());
    CHECK(store->query_by_tag("x") == std::vector{*store->get("a")});
}

TEST_CASE("a tag is found as it is now, after every kind of change", "[store]") {
    TestStore<> store;
    store->put(synced("edited", "one").with_tags({"x"}));
    store->put(synced("removed", "one").with_tags({"x"}));
    store->put(note("unsent", "one").with_tags({"x"}));
    store->put(synced("evicted", "one").with_tags({"x"}));
    store->put(synced("updated", "one").with_tags({"x"}));
    store->put(synced("pulled", "one").with_tags({"x"}));
    store->put(synced("discarded", "one").with_tags({"x"}));

    store->put(synced("edited", "one").with_tags({"y"}));
    store->remove("removed");
    store->remove("unsent");
    store->evict("evicted");
    store->update("updated", [](json& data) { data["text"] = "two"; });
    store.pull(note("pulled", "one", 2).with_tags({"y"}));
    store->put(synced("discarded", "one").with_tags({"y"}));
    CHECK(sorted(ids_of(store->query_by_tag("y"))) == Ids{"discarded", "edited", "pulled"});
    store->discard_changes("discarded");
    store->put(note("removed", "two").with_tags({"y"}));

    CHECK(sorted(ids_of(store->query_by_tag("x"))) == Ids{"discarded", "updated"});
    CHECK(sorted(ids_of(store->query_by_tag("y"))) == Ids{"edited", "pulled", "removed"});
}

TEST_CASE("a visitor sees every record as it was when the visit began", "[store]") {
    TestStore<> store;
    for (const auto* id : {"a", "b", "c"}) store->put(note(id, "one"));
    Ids seen;

    store->for_each([&](const SyncRecord<>& record) {
        seen.push_back(record.id + '=' + record.data["text"].get<std::string>());
        store->update("c", [](json& data) { data["text"] = "two"; });
        store->put(note("d", "new"));
        store->remove("b");
    });

    CHECK(seen == Ids{"a=one", "b=one", "c=one"});
    CHECK(ids_of(store->all()) == Ids{"a", "d", "c"});
}

TEST_CASE("a predicate may use and edit the store", "[store]") {
    TestStore<> store;
    for (const auto* id : {"a", "b"}) store->put(note(id, "one"));

    const auto found = store->query([&](const SyncRecord<>& record) {
        store->remove(record.id);
        return store->get(record.id) == std::nullopt;
    });

    CHECK(found == std::vector{note("a", "one"), note("b", "one")});
    CHECK(store->count() == 0);
}

TEST_CASE("what is pending is listed oldest edit first", "[store]") {
    TestStore<> store;
    for (const auto* id : {"d", "c", "b", "a"}) store->put(synced(id, "one"));

    store->put(note("new", "one"));
    store->remove("c");
    store->update("a", [](json& data) { data = 1; });
    store->mark_modified("d");
    store->update("new", [](json& data) { data = 1; });

    CHECK(ids_of(store->pending()) == Ids{"c", "a", "d", "new"});
    CHECK(ids_of(store->read_dirty()) == Ids{"c", "a", "d", "new"});
}

TEST_CASE("dead letters are pending, conflicts are not", "[store]") {
    TestStore<> store;
    for (const auto* id : {"dead", "conflicted", "parked"}) store->put(note(id, "one"));
    update_retry(*store, "dead",
                 [](auto& retry) { retry = RetryState{.attempts = 5, .dead = true}; });
    store.conflict(note("conflicted", "two"));
    store.park(note("parked", "two"));

    CHECK(ids_of(store->pending()) == Ids{"dead", "parked"});
    CHECK(store->statistics() ==
          StoreStatistics{.total = 3, .pending = 2, .conflicted = 1, .dead_letters = 1});
}

TEST_CASE("the base of a record is the last state that both sides had", "[store]") {
    TestStore<> store;
    store->put(note("a", "one"));
    CHECK(store->base("a") == std::nullopt);

    store.stage("a", "operation-1");
    store.acknowledge("a", "r1");
    auto acknowledged = synced("a", "one");
    acknowledged.revision = "r1";
    CHECK(store->base("a") == acknowledged);

    store->put(note("a", "two"));
    store->remove("a");
    CHECK(store->base("a") == acknowledged);

    store.stage("a", "operation-2");
    store.acknowledge("a", "r2");
    CHECK(store->base("a") == std::nullopt);
}

TEST_CASE("an unsent edit can be given up for the last agreed state", "[store]") {
    TestStore<> store;
    for (const auto* id : {"edited", "removed", "dead"}) {
        store.pull(synced(id, "one", 3).with_tags({"x"}));
    }
    const auto before = store->all();
    store->put(note("edited", "two"));
    store->remove("removed");
    store->put(note("dead", "two"));
    update_retry(*store, "dead", [](auto& retry) { retry = RetryState{.dead = true}; });

    for (const auto* id : {"edited", "removed", "dead"}) CHECK(store->discard_changes(id));

    CHECK(store->all() == before);
    CHECK(store->pending().empty());
    CHECK(store->statistics() == StoreStatistics{.total = 3, .synced = 3});
}

TEST_CASE("giving up a record that the remote never had forgets it", "[store]") {
    TestStore<> store;
    store->put(note("a", "one"));
    store->put(note("b", "gone").with_status(SyncStatus::deleted));

    CHECK(store->discard_changes("a"));
    CHECK(store->discard_changes("b"));

    CHECK(store->count() == 0);
    CHECK(store->pending().empty());
    CHECK(store.entry("a") == nullptr);
    CHECK(store.entry("b") == nullptr);
}

TEST_CASE("giving up the re-creation of a deleted record leaves it deleted", "[store]") {
    TestStore<> store;
    store.pull(note("a", "gone").with_status(SyncStatus::deleted));
    const auto husk = store.entry("a");
    store->put(note("a", "two"));

    CHECK(store->discard_changes("a"));

    CHECK(store->get("a") == std::nullopt);
    CHECK(store->pending().empty());
    CHECK(store.entry("a")->is_husk());
    CHECK(*store.entry("a")->local == *husk->local);
}

TEST_CASE("where nothing was edited there is nothing to give up", "[store]") {
    TestStore<> store;
    store->put(synced("clean", "one"));
    store.pull(note("husk", "gone").with_status(SyncStatus::deleted));
    const auto before = store.picture();

    CHECK_FALSE(store->discard_changes("clean"));
    CHECK_FALSE(store->discard_changes("husk"));
    CHECK_FALSE(store->discard_changes("unknown"));
    CHECK(store.picture() == before);
}

TEST_CASE("a record marked as synced is clean as it is here", "[store]") {
    TestStore<> store;
    store->put(note("new", "one"));
    store->put(synced("edited", "one"));
    store->put(note("edited", "two", 5));
    store->put(note("dead", "one"));
    update_retry(*store, "dead", [](auto& retry) { retry = RetryState{.dead = true}; });

    for (const auto* id : {"new", "edited", "dead"}) CHECK(store->mark_synced(id));

    CHECK(store->pending().empty());
    CHECK(store->get("new") == synced("new", "one"));
    CHECK(store->get("edited") == synced("edited", "two", 5));
    CHECK(store->base("edited") == store->get("edited"));
    CHECK(store->statistics() == StoreStatistics{.total = 3, .synced = 3});
}

TEST_CASE("a tombstone marked as synced has done its journey", "[store]") {
    TestStore<> store;
    store->put(synced("a", "one"));
    store->remove("a");

    CHECK(store->mark_synced("a"));

    CHECK(store->pending().empty());
    CHECK(store->get("a") == std::nullopt);
    CHECK(store->statistics() == StoreStatistics{});
    CHECK(store.entry("a")->is_husk());
    CHECK_FALSE(store->mark_synced("a"));
}

TEST_CASE("only a record that is there can be marked", "[store]") {
    TestStore<> store;
    store->put(synced("clean", "one"));
    store->put(synced("removed", "one"));
    store->remove("removed");
    const auto before = store.picture();

    CHECK(store->mark_synced("clean"));
    CHECK_FALSE(store->mark_synced("unknown"));
    CHECK_FALSE(store->mark_modified("unknown"));
    CHECK_FALSE(store->mark_modified("removed"));
    CHECK(store.picture() == before);
}

TEST_CASE("a record marked as modified is pushed again as it is", "[store]") {
    TestStore<> store;
    store.pull(synced("a", "one", 3).with_tags({"x"}));

    CHECK(store->mark_modified("a"));

    REQUIRE(ids_of(store->pending()) == Ids{"a"});
    CHECK(store->get("a")->status == SyncStatus::modified);
    CHECK(same_content(*store->get("a"), *store->base("a")));
    CHECK(store->get("a")->version == 4);
}

TEST_CASE("an edit arms a dead letter again", "[store]") {
    TestStore<> store;
    for (const auto* id : {"put", "update", "mark", "remove"}) {
        store->put(synced(id, "one"));
        store->mark_modified(id);
        update_retry(*store, id,
                     [](auto& retry) { retry = RetryState{.attempts = 5, .dead = true}; });
    }
    REQUIRE(store->statistics().dead_letters == 4);

    store->put(note("put", "two"));
    store->update("update", [](json& data) { data = 2; });
    store->mark_modified("mark");
    store->remove("remove");

    CHECK(store->statistics().dead_letters == 0);
    CHECK(store->read_retrying().empty());
    CHECK(store->pending().size() == 4);
}

TEST_CASE("statistics count records by state", "[store]") {
    TestStore<> store;
    store->put(note("pending", "one"));
    store->put(synced("synced", "one"));
    store->put(synced("modified", "one"));
    store->mark_modified("modified");
    store->put(synced("deleted", "one"));
    store->remove("deleted");
    store->put(note("conflicted", "one"));
    store.conflict(note("conflicted", "two"));
    store.pull(note("husk", "gone").with_status(SyncStatus::deleted));

    CHECK(store->statistics() ==
          StoreStatistics{
              .total = 4, .pending = 1, .synced = 1, .modified = 1, .conflicted = 1, .deleted = 1});
    CHECK(store->count() == 4);
}

TEST_CASE("a cleared store has no record, no unsent edit and no cursor", "[store]") {
    TestStore<> store;
    store->put(note("new", "one").with_tags({"x"}));
    store->put(synced("removed", "one"));
    store->remove("removed");
    store->put(note("conflicted", "one"));
    store.conflict(note("conflicted", "two"));
    store->put(note("parked", "one"));
    store.park(note("parked", "two"));
    update_retry(*store, "new", [](auto& retry) { retry = RetryState{.dead = true}; });
    store.pull(note("husk", "gone").with_status(SyncStatus::deleted));
    store->apply({.cursor = CursorMove{nullptr, 7}, .remote_name = "server"});
    const auto before = store->state();

    store->clear();

    CHECK(store->all().empty());
    CHECK(store->pending().empty());
    CHECK(store->conflicts().empty());
    CHECK(store->query_by_tag("x").empty());
    CHECK(store->read_parked().empty());
    CHECK(store->read_retrying().empty());
    CHECK(store->statistics() == StoreStatistics{});
    CHECK(store.entry("husk") == nullptr);
    CHECK(store.disk->load().entries.empty());
    CHECK(store->state().cursor == nullptr);
    CHECK(store->state().remote_name.empty());
    CHECK(store->state().epoch == before.epoch + 1);
    CHECK(store->state().store_id == before.store_id);
}

TEST_CASE("a cleared store goes on counting its edits", "[store]") {
    TestStore<> store;
    store->put(note("a", "one"));
    const auto last = store.entry("a")->sequence;

    store->clear();
    store->put(note("a", "one"));

    CHECK(store.entry("a")->sequence > last);
}

TEST_CASE("only one engine at a time has the right to sync a store", "[store]") {
    TestStore<> store;

    auto right = store->begin_sync();
    CHECK(right != nullptr);
    CHECK(store->begin_sync() == nullptr);
    right.reset();

    CHECK(store->begin_sync() != nullptr);
}

TEST_CASE("every store has an id of its own", "[store]") {
    const TestStore<> one(1);
    const TestStore<> other(2);

    CHECK(one->state().store_id.size() == 32);
    CHECK(one->state().store_id != other->state().store_id);
    CHECK(one->state().store_id == TestStore<>(1)->state().store_id);
}

}  // namespace test_of_local_store_reads
