// SPDX-License-Identifier: MIT
#include <sync_engine/store/local_store.hpp>

#include "store/test_store.hpp"
#include "support/catch.hpp"
#include "support/counted.hpp"

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

namespace test_of_local_store_cost {

using namespace sync_engine;
using namespace sync_engine::test;

namespace {

SyncRecord<Counted> counted(std::string id, int value, TagSet tags = {}) {
    SyncRecord<Counted> record{.id = std::move(id), .updated_at = noon, .tags = std::move(tags)};
    record.data.value = value;
    return record;
}

/// A thousand clean records, of which three are edited and two are tagged.
TestStore<Counted> large_store() {
    TestStore<Counted> store;
    for (int n = 0; n < 1000; ++n) {
        auto record = counted("r" + std::to_string(n), n, n % 500 == 0 ? TagSet{"rare"} : TagSet{});
        record.status = SyncStatus::synced;
        store->put(std::move(record));
    }
    for (const auto* id : {"r1", "r2", "r3"}) store->mark_modified(id);
    return store;
}

}  // namespace

TEST_CASE("a record that is got is copied once, one that is found is not copied", "[store]") {
    const auto store = large_store();

    CHECK(cost_of([&] { CHECK(store->get("r7")->data.value == 7); }) == Cost{1, 0});
    CHECK(cost_of([&] { CHECK(store->find("r7")->data.value == 7); }) == Cost{0, 0});
    CHECK(cost_of([&] { CHECK_FALSE(store->get("unknown").has_value()); }) == Cost{0, 0});
}

TEST_CASE("listings copy what they return and nothing else", "[store]") {
    const auto store = large_store();
    const auto is_small = [](const SyncRecord<Counted>& record) { return record.data.value < 10; };

    CHECK(cost_of([&] { CHECK(store->pending().size() == 3); }) == Cost{3, 0});
    CHECK(cost_of([&] { CHECK(store->query_by_tag("rare").size() == 2); }) == Cost{2, 0});
    CHECK(cost_of([&] { CHECK(store->query(is_small).size() == 10); }) == Cost{10, 0});
    CHECK(cost_of([&] { CHECK(store->all().size() == 1000); }) == Cost{1000, 0});
    CHECK(cost_of([&] { CHECK(store->conflicts().empty()); }) == Cost{0, 0});
}

TEST_CASE("listings of the records themselves copy nothing", "[store]") {
    const auto store = large_store();

    CHECK(cost_of([&] { CHECK(store->find_pending().size() == 3); }) == Cost{0, 0});
    CHECK(cost_of([&] { CHECK(store->find_by_tag("rare").size() == 2); }) == Cost{0, 0});
    CHECK(cost_of([&] { CHECK(store->find_by_tag("unknown").empty()); }) == Cost{0, 0});
    CHECK(cost_of([&] { CHECK(store->find_all().size() == 1000); }) == Cost{0, 0});
    CHECK(store->find_pending().front() == store->find("r1"));
}

TEST_CASE("counting and visiting copy nothing", "[store]") {
    const auto store = large_store();
    std::size_t visits = 0;

    CHECK(cost_of([&] { CHECK(store->statistics().total == 1000); }) == Cost{0, 0});
    CHECK(cost_of([&] { CHECK(store->count() == 1000); }) == Cost{0, 0});
    CHECK(cost_of([&] { store->for_each([&](const auto&) { ++visits; }); }) == Cost{0, 0});
    CHECK(visits == 1000);
}

TEST_CASE("an edit costs the same however many records there are", "[store]") {
    const auto store = large_store();
    const auto change = [](Counted& data) { data.value = -1; };
    const auto subscription = store->subscribe([](const auto&) {});

    CHECK(cost_of([&] { store->put(counted("new", 1)); }) == Cost{0, 0});
    CHECK(cost_of([&] { store->put(counted("r7", -7)); }) == Cost{0, 1});
    CHECK(cost_of([&] { store->update("r8", change); }) == Cost{1, 1});
    CHECK(cost_of([&] { store->remove("r9"); }) == Cost{1, 0});
    CHECK(cost_of([&] { store->discard_changes("r9"); }) == Cost{0, 0});
    CHECK(cost_of([&] { store->mark_synced("r7"); }) == Cost{1, 0});
    CHECK(cost_of([&] { store->mark_modified("r7"); }) == Cost{1, 0});
    CHECK(cost_of([&] { store->evict("r10"); }) == Cost{0, 0});
    CHECK(cost_of([&] { store->clear(); }) == Cost{0, 0});
}

TEST_CASE("what an engine reads is shared, not copied", "[store]") {
    const auto store = large_store();

    CHECK(cost_of([&] { CHECK(store->read_dirty().size() == 3); }) == Cost{0, 0});
    CHECK(cost_of([&] { CHECK(store->read({"r1", "r2"}).size() == 2); }) == Cost{0, 0});
    CHECK(cost_of([&] { CHECK(store->read_absent({}).size() == 997); }) == Cost{0, 0});
    CHECK(cost_of([&] { store->apply({.metadata = SyncMetadata{.total_pulls = 1}}); }) ==
          Cost{0, 0});
}

}  // namespace test_of_local_store_cost
