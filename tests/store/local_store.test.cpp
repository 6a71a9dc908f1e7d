// SPDX-License-Identifier: MIT
#include <sync_engine/store/local_store.hpp>

#include "store/test_store.hpp"
#include "support/catch.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

namespace test_of_local_store {

using namespace std::chrono_literals;
using namespace sync_engine;
using namespace sync_engine::test;
using nlohmann::json;

namespace {

using Ids = std::vector<std::string>;

SyncRecord<> synced(std::string id, std::string text, std::uint64_t version = 1) {
    return note(std::move(id), std::move(text), version).with_status(SyncStatus::synced);
}

}  // namespace

TEST_CASE("a record that was put can be read back", "[store]") {
    TestStore<> store;
    const auto record = note("a", "one").with_tags({"x", "y"});

    store->put(record);

    CHECK(store->get("a") == record);
    CHECK(store->all() == std::vector{record});
    CHECK(store->pending() == std::vector{record});
    CHECK(store->base("a") == std::nullopt);
    CHECK(store->count() == 1);
}

TEST_CASE("a store without a record says so", "[store]") {
    const LocalStore<> store{
        StoreOptions{.clock = [] { return noon; }, .random = counting_random()}};

    CHECK(store.get("a") == std::nullopt);
    CHECK(store.find("a") == nullptr);
    CHECK(store.base("a") == std::nullopt);
    CHECK(store.all().empty());
    CHECK(store.pending().empty());
    CHECK(store.query_by_tag("x").empty());
    CHECK(store.conflicts().empty());
    CHECK(store.statistics() == StoreStatistics{});
    CHECK(store.count() == 0);
}

TEST_CASE("a new record keeps the status it was given", "[store]") {
    TestStore<> store;

    store->put(note("pending", "1"));
    store->put(note("modified", "1").with_status(SyncStatus::modified));
    store->put(synced("synced", "1"));

    CHECK(store->get("pending")->status == SyncStatus::pending);
    CHECK(store->get("modified")->status == SyncStatus::modified);
    CHECK(store->get("synced")->status == SyncStatus::synced);
    CHECK(ids_of(store->pending()) == Ids{"pending", "modified"});
    CHECK(store->base("synced") == store->get("synced"));
}

TEST_CASE("a new record that claims a conflict is an edit, since there is no other side",
          "[store]") {
    TestStore<> store;

    store->put(note("a", "one").with_status(SyncStatus::conflicted));

    CHECK(ids_of(store->pending()) == Ids{"a"});
    CHECK(store->conflicts().empty());
}

TEST_CASE("an edit and its place in the outbox are one write", "[store]") {
    TestStore<> store;
    store->put(synced("a", "one"));
    const auto commits = store.disk->commits();

    store->put(store->get("a")->with_data({{"text", "two"}}));

    CHECK(store.disk->commits() == commits + 1);
    CHECK(store->get("a")->status == SyncStatus::modified);
    CHECK(store->get("a")->data == json{{"text", "two"}});
    CHECK(store->pending() == std::vector{*store->get("a")});
    CHECK(store->base("a") == synced("a", "one"));
}

TEST_CASE("an edit that claims to be synced is not believed", "[store]") {
    TestStore<> store;
    for (const auto* id : {"data", "tags", "version"}) store->put(synced(id, "one"));

    store->put(synced("data", "two"));
    store->put(synced("tags", "one").with_tags({"x"}));
    store->put(synced("version", "one", 2));

    CHECK(ids_of(store->pending()) == Ids{"data", "tags", "version"});
    for (const auto& record : store->all()) CHECK(record.status == SyncStatus::modified);
}

TEST_CASE("a second edit of a new record leaves it pending, whatever status it claims", "[store]") {
    TestStore<> store;
    store->put(note("a", "one"));

    store->put(synced("a", "two"));

    CHECK(store->get("a")->data == json{{"text", "two"}});
    CHECK(ids_of(store->pending()) == Ids{"a"});
    CHECK(store->base("a") == std::nullopt);
}

TEST_CASE("putting what the store holds is no edit", "[store]") {
    TestStore<> store;
    store->put(synced("a", "one"));
    store->put(note("b", "one"));
    const auto before = store.picture();

    store->put(synced("a", "one"));
    store->put(note("a", "one"));
    store->put(synced("b", "one"));

    CHECK(store.picture() == before);
}

TEST_CASE("putting what the store holds as modified pushes it again", "[store]") {
    TestStore<> store;
    store->put(synced("a", "one"));

    store->put(note("a", "one").with_status(SyncStatus::modified));

    CHECK(ids_of(store->pending()) == Ids{"a"});
    CHECK(store->get("a")->status == SyncStatus::modified);
    CHECK(store->get("a")->version == 2);
}

TEST_CASE("an edit with status conflicted is an edit like any other", "[store]") {
    TestStore<> store;
    store->put(synced("a", "one"));

    store->put(note("a", "two").with_status(SyncStatus::conflicted));

    CHECK(store->get("a")->status == SyncStatus::modified);
    CHECK(store->conflicts().empty());
}

TEST_CASE("putting a record as deleted removes it", "[store]") {
    TestStore<> store;
    store->put(synced("known", "one"));
    store->put(note("unsent", "one"));

    store->put(note("known", "two").with_status(SyncStatus::deleted));
    store->put(note("unsent", "two").with_status(SyncStatus::deleted));

    CHECK(store->count() == 0);
    REQUIRE(ids_of(store->pending()) == Ids{"known"});
    CHECK(store->pending().front().data == json{{"text", "one"}});
    CHECK(store->pending().front().version == 2);
}

TEST_CASE("putting an unknown record as deleted is a tombstone that travels", "[store]") {
    TestStore<> store;
    const auto tombstone = note("a", "gone").with_status(SyncStatus::deleted);

    store->put(tombstone);

    CHECK(store->get("a") == std::nullopt);
    CHECK(store->count() == 0);
    CHECK(store->pending() == std::vector{tombstone});
    CHECK(store->statistics() == StoreStatistics{.deleted = 1});
}

TEST_CASE("many records are put in one commit", "[store]") {
    TestStore<> store;

    store->put_all({note("a", "1"), note("b", "1"), note("a", "2")});

    CHECK(store.disk->commits() == 1);
    CHECK(ids_of(store->all()) == Ids{"a", "b"});
    CHECK(store->get("a")->data == json{{"text", "2"}});
}

TEST_CASE("many records are put all or none", "[store]") {
    TestStore<> store;
    const auto before = store.picture();

    CHECK_THROWS_AS(store->put_all({note("a", "1"), note("", "1"), note("b", "1")}), InvalidRecord);

    CHECK(store.picture() == before);
}

TEST_CASE("an update reads, changes, stamps and marks in one step", "[store]") {
    TestStore<> store;
    store->put(synced("a", "one").with_tags({"x"}));
    store.clock.advance(1min);
    const auto commits = store.disk->commits();

    const bool is_changed = store->update("a", [](json& data) { data["text"] = "two"; });

    CHECK(is_changed);
    CHECK(store.disk->commits() == commits + 1);
    CHECK(store->get("a") == SyncRecord<>{.id = "a",
                                          .data = {{"text", "two"}},
                                          .status = SyncStatus::modified,
                                          .updated_at = noon + 1min,
                                          .version = 2,
                                          .tags = {"x"}});
    CHECK(store->base("a") == synced("a", "one").with_tags({"x"}));
}

TEST_CASE("an update that changes nothing is no edit", "[store]") {
    TestStore<> store;
    store->put(synced("a", "one"));
    const auto before = store.picture();

    const bool is_changed = store->update("a", [](json& data) { data["text"] = "one"; });

    CHECK_FALSE(is_changed);
    CHECK(store.picture() == before);
}

TEST_CASE("an update sees a change that nlohmann's comparison rounds away", "[store]") {
    TestStore<> store;
    store->put({.id = "a", .data = std::numeric_limits<std::uint64_t>::max()});

    CHECK(store->update("a", [](json& data) { data = -1; }));
    CHECK(store->get("a")->data.dump() == "-1");
}

TEST_CASE("an update of a record that is not there is refused", "[store]") {
    TestStore<> store;
    store->put(synced("deleted", "one"));
    store->remove("deleted");
    const auto before = store.picture();
    bool was_asked = false;
    const auto change = [&](json&) { was_asked = true; };

    CHECK_THROWS_AS(store->update("unknown", change), NotFound);
    CHECK_THROWS_AS(store->update("deleted", change), NotFound);
    CHECK_THAT(message_of<NotFound>([&] { store->update("unknown", change); }),
               contains("\"unknown\""));

    CHECK_FALSE(was_asked);
    CHECK(store.picture() == before);
}

TEST_CASE("an update whose body throws changes nothing and lets the exception out", "[store]") {
    TestStore<> store;
    store->put(synced("a", "one"));
    const auto before = store.picture();

    CHECK_THROWS_AS(store->update("a",
                                  [](json& data) {
                                      data["text"] = "two";
                                      throw std::out_of_range("enough");
                                  }),
                    std::out_of_range);

    CHECK(store.picture() == before);
}

TEST_CASE("a record that was found never changes", "[store]") {
    TestStore<> store;
    store->put(note("a", "one"));

    const auto found = store->find("a");
    store->update("a", [](json& data) { data["text"] = "two"; });
    const auto found_later = store->find("a");
    store->remove("a");

    CHECK(found->data == json{{"text", "one"}});
    CHECK(found_later->data == json{{"text", "two"}});
    CHECK(store->find("a") == nullptr);
}

TEST_CASE("a removed record that the remote knows is a tombstone that travels", "[store]") {
    TestStore<> store;
    store.pull(synced("a", "one", 3).with_tags({"x"}));
    store.clock.advance(1min);

    CHECK(store->remove("a"));

    CHECK(store->get("a") == std::nullopt);
    CHECK(store->find("a") == nullptr);
    CHECK(store->all().empty());
    CHECK(store->query_by_tag("x").empty());
    CHECK(store->count() == 0);
    CHECK(store->pending() == std::vector{SyncRecord<>{.id = "a",
                                                       .data = {{"text", "one"}},
                                                       .status = SyncStatus::deleted,
                                                       .updated_at = noon + 1min,
                                                       .version = 4,
                                                       .tags = {"x"}}});
    CHECK(store->base("a") == synced("a", "one", 3).with_tags({"x"}));
}

TEST_CASE("a removed record that was never sent just disappears", "[store]") {
    TestStore<> store;
    store->put(note("a", "one"));

    CHECK(store->remove("a"));

    CHECK(store->get("a") == std::nullopt);
    CHECK(store->pending().empty());
    CHECK(store.entry("a") == nullptr);
    CHECK(store.disk->load().entries.empty());
}

TEST_CASE("a record that was sent leaves a tombstone, since the remote may have it", "[store]") {
    TestStore<> store;
    store->put(note("a", "one"));
    store.stage("a", "operation-1");

    CHECK(store->remove("a"));

    CHECK(ids_of(store->pending()) == Ids{"a"});
    CHECK(store->pending().front().is_deleted());
}

TEST_CASE("a record is removed once", "[store]") {
    TestStore<> store;
    store->put(synced("a", "one"));
    store->remove("a");
    const auto before = store.picture();

    CHECK_FALSE(store->remove("a"));
    CHECK_FALSE(store->remove("never there"));
    CHECK(store.picture() == before);
}

TEST_CASE("a removed record can be made again", "[store]") {
    TestStore<> store;
    store->put(synced("a", "one"));
    store->remove("a");

    store->put(note("a", "two"));

    CHECK(store->get("a")->data == json{{"text", "two"}});
    CHECK(ids_of(store->pending()) == Ids{"a"});
    CHECK(store->base("a") == synced("a", "one"));
}

TEST_CASE("a clean record can be forgotten here, and nothing is told to the remote", "[store]") {
    TestStore<> store;
    store->put(synced("a", "one").with_tags({"x"}));

    CHECK(store->evict("a"));

    CHECK(store->get("a") == std::nullopt);
    CHECK(store->query_by_tag("x").empty());
    CHECK(store->pending().empty());
    CHECK(store->statistics() == StoreStatistics{});
    CHECK(store.entry("a") == nullptr);
}

TEST_CASE("a record with unsent changes is not forgotten", "[store]") {
    TestStore<> store;
    store->put(note("new", "one"));
    store->put(synced("edited", "one"));
    store->mark_modified("edited");
    store->put(note("staged", "one"));
    store.stage("staged", "operation-1");
    store->put(note("conflicted", "one"));
    store.conflict(note("conflicted", "two"));
    store->put(note("parked", "one"));
    store.park(note("parked", "two"));
    const auto before = store.picture();

    for (const auto* id : {"new", "edited", "staged", "conflicted", "parked"}) {
        CHECK_THROWS_AS(store->evict(id), Refused);
        CHECK_THAT(message_of<Refused>([&] { store->evict(id); }), contains(id));
    }
    CHECK(store.picture() == before);
}

TEST_CASE("a clean record is not forgotten while a remote state waits on it", "[store]") {
    TestStore<> store;
    store->put(note("a", "one"));
    store.park(note("a", "two"));
    store->mark_synced("a");
    REQUIRE(store.entry("a")->is_clean());

    CHECK_THROWS_AS(store->evict("a"), Refused);

    CHECK(ids_of(store->read_parked()) == Ids{"a"});
}

TEST_CASE("nothing is forgotten where there is nothing", "[store]") {
    TestStore<> store;
    store->put(synced("tombstone", "one"));
    store->remove("tombstone");
    const auto before = store.picture();

    CHECK_FALSE(store->evict("unknown"));
    CHECK_FALSE(store->evict("tombstone"));
    CHECK(store.picture() == before);
}

}  // namespace test_of_local_store
