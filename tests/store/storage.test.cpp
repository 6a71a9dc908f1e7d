// SPDX-License-Identifier: MIT
#include <sync_engine/store/storage.hpp>

#include "store/test_store.hpp"
#include "support/catch.hpp"

#include <algorithm>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace test_of_storage {

using namespace sync_engine;
using namespace sync_engine::test;
using nlohmann::json;

namespace {

using Ids = std::vector<std::string>;

/// Keeps nothing, and notes what a store asks for.
class Witness final : public Storage<json> {
public:
    struct Commit {
        bool clear = false;
        std::vector<Entry<json>> write{};
        Ids erase{};
        StoreState state{};
    };

    StorageImage<json> load() override {
        ++loads;
        return image;
    }

    void commit(const StorageBatch<json>& batch) override {
        REQUIRE(batch.state != nullptr);
        Commit noted{.clear = batch.clear, .state = *batch.state};
        for (const auto* entry : batch.write) noted.write.push_back(*entry);
        for (const auto id : batch.erase) noted.erase.emplace_back(id);
        commits.push_back(std::move(noted));
        if (on_commit) on_commit();
    }

    std::vector<Commit> commits{};
    StorageImage<json> image{};
    int loads = 0;
    std::function<void()> on_commit{};
};

struct Watched {
    std::shared_ptr<Witness> witness = std::make_shared<Witness>();
    LocalStore<> store{witness,
                       StoreOptions{.clock = [] { return noon; }, .random = counting_random()}};

    [[nodiscard]] const Witness::Commit& last() const { return witness->commits.back(); }
};

}  // namespace

TEST_CASE("a store loads once and then only commits", "[store]") {
    Watched watched;
    CHECK(watched.witness->loads == 1);
    CHECK(watched.witness->commits.empty());

    watched.store.put(note("a", "one"));
    static_cast<void>(watched.store.all());
    static_cast<void>(watched.store.get("a"));
    static_cast<void>(watched.store.pending());

    CHECK(watched.witness->loads == 1);
    CHECK(watched.witness->commits.size() == 1);
}

TEST_CASE("a commit holds each changed entry once, stamped with its sequence", "[store]") {
    Watched watched;

    watched.store.transact([](auto& transaction) {
        transaction.put(note("a", "one"));
        transaction.put(note("b", "one"));
        transaction.put(note("a", "two"));
    });

    REQUIRE(watched.last().write.size() == 2);
    CHECK(ids_of(watched.last().write) == Ids{"a", "b"});
    CHECK(watched.last().write[0].local->data == json{{"text", "two"}});
    CHECK(watched.last().write[0].sequence == 1);
    CHECK(watched.last().write[1].sequence == 2);
    CHECK(watched.last().erase.empty());
    CHECK_FALSE(watched.last().clear);
    CHECK(watched.last().state.sequence == 2);
    CHECK(watched.last().state.store_id == watched.store.state().store_id);
}

TEST_CASE("what is forgotten is erased, and what is deleted is written", "[store]") {
    Watched watched;
    watched.store.put(note("new", "one"));
    watched.store.put(note("known", "one").with_status(SyncStatus::synced));

    watched.store.remove("new");
    CHECK(watched.last().erase == Ids{"new"});
    CHECK(watched.last().write.empty());
    watched.store.remove("known");
    CHECK(watched.last().erase.empty());
    REQUIRE(ids_of(watched.last().write) == Ids{"known"});
    CHECK(watched.last().write.front().is_deleted());
}

TEST_CASE("a clear names no entry", "[store]") {
    Watched watched;
    watched.store.put(note("a", "one"));

    watched.store.clear();

    CHECK(watched.last().clear);
    CHECK(watched.last().write.empty());
    CHECK(watched.last().erase.empty());
    CHECK(watched.last().state.epoch == 1);
}

TEST_CASE("memory changes after the storage, and readers do not wait for it", "[store][threads]") {
    Watched watched;
    auto& store = watched.store;
    store.put(note("a", "one").with_tags({"x"}));
    int reads = 0;
    watched.witness->on_commit = [&] {
        std::thread reader([&] {
            CHECK(store.get("a")->data == json{{"text", "one"}});
            CHECK(store.find("b") == nullptr);
            CHECK(store.all().size() == 1);
            CHECK(store.pending().size() == 1);
            CHECK(store.query_by_tag("x").size() == 1);
            CHECK(store.statistics() == StoreStatistics{.total = 1, .pending = 1});
            CHECK(store.state().sequence == 1);
            ++reads;
        });
        reader.join();
    };

    store.put_all({note("a", "two"), note("b", "one")});

    CHECK(reads == 1);
    CHECK(store.get("a")->data == json{{"text", "two"}});
    CHECK(store.count() == 2);
}

TEST_CASE("subscribers hear of a commit after the storage has it", "[store]") {
    Watched watched;
    std::size_t commits_when_heard = 0;
    const auto subscription = watched.store.subscribe(
        [&](const StoreChange<>&) { commits_when_heard = watched.witness->commits.size(); });

    watched.store.put(note("a", "one"));

    CHECK(commits_when_heard == 1);
}

TEST_CASE("a record that was loaded is not taken for one that is not there", "[store]") {
    const auto witness = std::make_shared<Witness>();
    witness->image.entries.push_back(rules::created(note("a", "ours")));
    witness->image.entries.front().sequence = 1;
    LocalStore<> store{witness,
                       StoreOptions{.clock = [] { return noon; }, .random = counting_random()}};
    Step<json> step;
    step.decisions.push_back({.expected = 0, .written = {.forgotten = {"a"}}});

    CHECK(store.apply(std::move(step)).moved == Ids{"a"});
    CHECK(store.count() == 1);
}

TEST_CASE("a store makes an id of its own, on a used storage too", "[store]") {
    const auto disk = std::make_shared<testing::MemoryStorage<json>>();
    StoreState state{.store_id = "given"};
    disk->commit({.state = &state});

    const LocalStore<> used{
        disk, StoreOptions{.clock = [] { return noon; }, .random = counting_random()}};
    const Watched fresh;

    CHECK(used.state().store_id != "given");
    CHECK(used.state().store_id.size() == 32);
    CHECK(fresh.store.state().store_id.size() == 32);
}

}  // namespace test_of_storage
