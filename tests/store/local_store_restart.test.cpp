// SPDX-License-Identifier: MIT
#include <sync_engine/store/local_store.hpp>

#include "store/test_store.hpp"
#include "support/catch.hpp"

#include <chrono>
#include <string>
#include <vector>

namespace test_of_local_store_restart {

using namespace std::chrono_literals;
using namespace sync_engine;
using namespace sync_engine::test;
using nlohmann::json;

namespace {

using Ids = std::vector<std::string>;

/// One record in every state, made in the order of their ids, with all that a store remembers.
TestStore<> full_store() {
    TestStore<> store;
    store.pull(note("a clean", "one", 3).with_tags({"x", "y"}));
    store->put(note("b conflicted", "ours").with_tags({"z"}));
    store.conflict(note("b conflicted", "theirs"));
    store->put(note("c dead", "one"));
    update_retry(*store, "c dead", [](auto& retry) {
        retry = RetryState{.operation_id = "operation-0",
                           .attempts = 5,
                           .failed_alone = 2,
                           .suspect = true,
                           .dead = true};
        retry->backoff = {noon, 8s};
        retry->asked = {noon - 1s, 1min};
        retry->remember({"c dead", "no", noon});
        retry->remember({"c dead", "still no", noon + 1s});
    });
    store.pull(note("d edited", "one", 3));
    store->put(note("d edited", "two").with_tags({"x"}));
    store.pull(note("e husk", "gone", 9).with_status(SyncStatus::deleted));
    store->put(note("f new", "one"));
    store.pull(note("g parked", "one"));
    store->put(note("g parked", "ours"));
    store.park(note("g parked", "theirs"));
    store.pull(note("h removed", "one"));
    store->remove("h removed");
    store->put(note("i staged", "one"));
    store.stage("i staged", "operation-1");
    store->put(note("i staged", "two"));
    store.stage("i staged", "operation-2");
    store.stage("i staged", "operation-2");
    Step<json> step;
    step.cursor = CursorMove{nullptr, {{"page", 7}}};
    step.remote_name = "server";
    step.health = RemoteHealth{.failures = 3, .backoff = {noon, 4s}, .asked = {noon, 1h}};
    step.metadata = SyncMetadata{.last_sync_at = noon,
                                 .last_duration = 250ms,
                                 .total_pushes = 1,
                                 .total_pulls = 2,
                                 .total_conflicts = 3};
    store->apply(step);
    return store;
}

}  // namespace

TEST_CASE("a store that is opened again is what it was", "[store]") {
    auto store = full_store();
    const auto before = store.picture();

    store.restart();

    CHECK(store.picture() == before);
}

TEST_CASE("a store that is opened again lists what is dirty in the order of the edits", "[store]") {
    auto store = full_store();
    store->update("d edited", [](json& data) { data = "last"; });
    const auto before = store->pending();

    store.restart();

    CHECK(store->pending() == before);
    CHECK(before.back().id == "d edited");
}

TEST_CASE("a store that is opened again knows what is clean", "[store]") {
    auto store = full_store();

    store.restart();

    CHECK(store->evict("a clean"));
    CHECK_THROWS_AS(store->evict("d edited"), Refused);
    CHECK_FALSE(store->discard_changes("e husk"));
    CHECK(store->discard_changes("d edited"));
    CHECK(store->get("d edited")->data == json{{"text", "one"}});
    CHECK(store->remove("f new"));
    CHECK(store.entry("f new") == nullptr);
}

TEST_CASE("a store that is opened again can decide its conflicts", "[store]") {
    auto store = full_store();

    store.restart();
    const auto listed = store->conflicts();

    REQUIRE(listed.size() == 1);
    store->resolve(listed.front(), note("b conflicted", "both"));
    CHECK(store->get("b conflicted")->data == json{{"text", "both"}});
}

TEST_CASE("sequences go on where they were when the store was closed", "[store]") {
    auto store = full_store();
    const auto last = store->state().sequence;

    store.restart();
    store->put(note("j new", "one"));

    CHECK(store.entry("j new")->sequence == last + 1);
}

TEST_CASE("each opening of a store has an id of its own, also of a copied file", "[store]") {
    TestStore<> store;
    const auto id = store->state().store_id;
    store->put(note("a", "one"));

    store.restart();

    CHECK(store->state().store_id != id);
    CHECK(TestStore<>(2)->state().store_id != id);
}

TEST_CASE("a cleared store stays cleared", "[store]") {
    auto store = full_store();
    const auto sequence = store->state().sequence;

    store->clear();
    store.restart();

    CHECK(store->count() == 0);
    CHECK(store->pending().empty());
    CHECK(store->conflicts().empty());
    CHECK(store->state().cursor == nullptr);
    CHECK(store->state().epoch == 1);
    CHECK(store->state().sequence == sequence);
}

TEST_CASE("a crash leaves the store between two edits", "[store]") {
    TestStore<> store;
    store->put(note("a", "one"));
    store->put(note("b", "one"));
    const auto before = store.disk->copy();
    const auto picture_before = store.picture();
    store->transact([&](auto& transaction) {
        transaction.put(note("a", "two"));
        CHECK(text_of(store.disk->load().entries.front()) == text_of(*store.entry("a")));
        transaction.remove("b");
        transaction.put(note("c", "new"));
    });
    const auto picture_after = store.picture();
    CHECK(store.disk->commits() == 3);

    store.restart();
    CHECK(store.picture() == picture_after);
    store.disk = before;
    store.restart();
    CHECK(store.picture() == picture_before);
}

TEST_CASE("a store without a storage forgets, and otherwise does the same", "[store]") {
    LocalStore<> store(StoreOptions{.clock = [] { return noon; }, .random = counting_random()});

    store.put(note("a", "one").with_status(SyncStatus::synced));
    store.update("a", [](json& data) { data = "two"; });
    store.put(note("b", "one"));
    store.remove("b");
    store.transact([](auto& transaction) { transaction.put(note("c", "one")); });

    CHECK(ids_of(store.all()) == Ids{"a", "c"});
    CHECK(ids_of(store.pending()) == Ids{"a", "c"});
    CHECK(store.base("a")->data == json{{"text", "one"}});
    store.clear();
    CHECK(store.count() == 0);
}

}  // namespace test_of_local_store_restart
