// SPDX-License-Identifier: MIT
#include <sync_engine/store/local_store.hpp>

#include "store/test_store.hpp"
#include "support/catch.hpp"

#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace test_of_local_store_failures {

using namespace sync_engine;
using namespace sync_engine::test;
using nlohmann::json;

namespace {

/// An edit that commits something, on the store of `eventful_store`.
struct Edit {
    std::string name{};
    std::function<void(TestStore<>&)> run{};
};

/// A store that has one record in each state.
TestStore<> eventful_store() {
    TestStore<> store;
    for (const auto* id : {"clean", "edited", "removed", "conflicted", "parked", "other"}) {
        store.pull(note(id, "one", 3).with_tags({"x", "y"}));
    }
    store->put(note("edited", "two").with_tags({"y", "z"}));
    store->remove("removed");
    store->put(note("conflicted", "ours").with_tags({"z"}));
    store.conflict(note("conflicted", "theirs"));
    store->put(note("parked", "ours"));
    store.park(note("parked", "theirs"));
    store->put(note("new", "one").with_tags({"x"}));
    store->put(note("staged", "one"));
    store.stage("staged", "operation-1");
    store->put(note("dead", "one"));
    update_retry(*store, "dead", [](auto& retry) {
        retry = RetryState{.attempts = 5, .dead = true};
        retry->remember({"dead", "no", noon});
    });
    store.pull(note("husk", "gone").with_status(SyncStatus::deleted));
    return store;
}

const auto change = [](json& data) { data["text"] = "changed"; };

const std::vector<Edit>& edits() {
    static const std::vector<Edit> all{
        {"put of a new record",
         [](auto& store) { store->put(note("fresh", "1").with_tags({"x"})); }},
        {"put of an edit", [](auto& store) { store->put(note("clean", "2").with_tags({"q"})); }},
        {"put of a re-creation", [](auto& store) { store->put(note("husk", "back")); }},
        {"put as deleted",
         [](auto& store) { store->put(note("clean", "").with_status(SyncStatus::deleted)); }},
        {"put of a tombstone",
         [](auto& store) { store->put(note("fresh", "").with_status(SyncStatus::deleted)); }},
        {"put of many",
         [](auto& store) {
             store->put_all({note("fresh", "1"), note("clean", "2")});
         }},
        {"update", [](auto& store) { store->update("edited", change); }},
        {"update of a dead letter", [](auto& store) { store->update("dead", change); }},
        {"update in conflict", [](auto& store) { store->update("conflicted", change); }},
        {"remove of a clean record", [](auto& store) { store->remove("clean"); }},
        {"remove of a new record", [](auto& store) { store->remove("new"); }},
        {"remove in conflict", [](auto& store) { store->remove("conflicted"); }},
        {"evict", [](auto& store) { store->evict("clean"); }},
        {"discard of an edit", [](auto& store) { store->discard_changes("edited"); }},
        {"discard of a tombstone", [](auto& store) { store->discard_changes("removed"); }},
        {"discard of a new record", [](auto& store) { store->discard_changes("new"); }},
        {"discard in conflict", [](auto& store) { store->discard_changes("conflicted"); }},
        {"discard of a dead letter", [](auto& store) { store->discard_changes("dead"); }},
        {"mark as synced", [](auto& store) { store->mark_synced("staged"); }},
        {"mark a tombstone as synced", [](auto& store) { store->mark_synced("removed"); }},
        {"mark as modified", [](auto& store) { store->mark_modified("clean"); }},
        {"resolve by id",
         [](auto& store) { store->resolve("conflicted", note("conflicted", "3")); }},
        {"resolve as listed",
         [](auto& store) {
             const auto conflict = store->conflicts().front();
             store->resolve(conflict, conflict.theirs);
         }},
        {"transact",
         [](auto& store) {
             store->transact([](auto& transaction) {
                 transaction.put(note("fresh", "1"));
                 transaction.remove("clean");
                 transaction.evict("other");
             });
         }},
        {"clear", [](auto& store) { store->clear(); }},
        {"change of the attempts",
         [](auto& store) {
             update_retry(*store, "edited", [](auto& retry) { retry = RetryState{.attempts = 1}; });
         }},
        {"step of a sync",
         [](auto& store) {
             const auto known = store.entry("clean");
             Step<json> step;
             step.decisions.push_back({.expected = known, .written = {.forgotten = {"clean"}}});
             step.cursor = CursorMove{nullptr, 1};
             step.remote_name = "server";
             step.health = RemoteHealth{.failures = 1};
             step.metadata = SyncMetadata{.total_pushes = 1};
             store->apply(std::move(step));
         }},
    };
    return all;
}

/// A disk that fails in a way of its own.
class OddDisk final : public Storage<json> {
public:
    StorageImage<json> load() override { return {}; }
    void commit(const StorageBatch<json>&) override {
        if (is_broken) throw std::runtime_error("cable pulled");
    }
    bool is_broken = false;
};

class UnreadableDisk final : public Storage<json> {
public:
    StorageImage<json> load() override { throw StorageError("not a database"); }
    void commit(const StorageBatch<json>&) override {}
};

}  // namespace

TEST_CASE("an edit whose commit fails throws and changes nothing", "[store]") {
    for (const auto& edit : edits()) {
        CAPTURE(edit.name);
        auto store = eventful_store();
        const auto before = store.picture();
        const auto commits = store.disk->commits();
        int heard = 0;
        const auto subscription = store->subscribe([&](const StoreChange<>&) { ++heard; });

        store.disk->fail_next();
        CHECK_THROWS_AS(edit.run(store), StorageError);

        CHECK(store.picture() == before);
        CHECK(store.disk->commits() == commits);
        CHECK(heard == 0);
    }
}

TEST_CASE("an edit that failed can be made again", "[store]") {
    for (const auto& edit : edits()) {
        CAPTURE(edit.name);
        auto untroubled = eventful_store();
        edit.run(untroubled);
        auto store = eventful_store();
        REQUIRE(store.picture() != untroubled.picture());

        store.disk->fail_next();
        CHECK_THROWS_AS(edit.run(store), StorageError);
        edit.run(store);

        CHECK(store.picture() == untroubled.picture());
    }
}

TEST_CASE("a step that failed can be tried again, and its edit is none that was made meanwhile",
          "[store]") {
    TestStore<> store;
    store.pull(note("a", "base"));
    Step<json> step;
    const auto known = store.entry("a");
    const auto theirs = rules::remote_state(note("a", "theirs", 3));
    step.decisions.push_back(
        {.expected = known,
         .written = {.outcome =
                         rules::settled(*known, theirs, note("a", "merged", 2), store.moment())}});

    store.disk->fail_next();
    CHECK_THROWS_AS(store->apply(step), StorageError);
    store->put(note("b", "meanwhile"));
    CHECK(store->apply(step).moved.empty());

    REQUIRE(ids_of(store->read_dirty()) == std::vector<std::string>{"b", "a"});
    CHECK(store.entry("a")->sequence == store.entry("b")->sequence + 1);
    CHECK(store->state().sequence == store.entry("a")->sequence);
}

TEST_CASE("what memory shows after an edit is what the disk gives back", "[store]") {
    for (const auto& edit : edits()) {
        CAPTURE(edit.name);
        auto store = eventful_store();
        edit.run(store);
        CHECK_THAT(store.picture(), !contains("but on disk"));
        const auto image = store.disk->load();

        store.restart();

        CHECK(text_of(store->state()) == text_of(image.state));
        for (const auto& entry : image.entries) {
            CHECK(text_of(*store.entry(entry.local->id)) == text_of(entry));
        }
    }
}

TEST_CASE("an edit that has nothing to commit does not need the disk", "[store]") {
    auto store = eventful_store();
    const auto attempts = store.disk->attempts();
    store.disk->fail_next(100);

    CHECK_NOTHROW(store->put(*store->get("clean")));
    CHECK_NOTHROW(store->put_all({}));
    CHECK_FALSE(store->update("clean", [](json&) {}));
    CHECK_FALSE(store->remove("unknown"));
    CHECK_FALSE(store->evict("unknown"));
    CHECK_FALSE(store->discard_changes("clean"));
    CHECK(store->mark_synced("clean"));
    CHECK_FALSE(store->mark_modified("unknown"));
    CHECK_NOTHROW(store->transact([](auto&) {}));

    CHECK(store.disk->attempts() == attempts);
}

TEST_CASE("whatever a storage throws comes out as a storage error that says why", "[store]") {
    const auto disk = std::make_shared<OddDisk>();
    LocalStore<> store(disk,
                       StoreOptions{.clock = [] { return noon; }, .random = counting_random()});
    disk->is_broken = true;

    CHECK_THAT(message_of<StorageError>([&] { store.put(note("a", "one")); }),
               contains("cable pulled"));

    CHECK(store.count() == 0);
}

TEST_CASE("a storage that cannot be loaded opens no store", "[store]") {
    const StoreOptions options{.clock = [] { return noon; }, .random = counting_random()};

    CHECK_THROWS_AS(LocalStore<>(std::make_shared<UnreadableDisk>(), options), StorageError);
}

}  // namespace test_of_local_store_failures
