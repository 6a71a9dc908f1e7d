// SPDX-License-Identifier: MIT
#include <sync_engine/store/local_store.hpp>

#include "store/test_store.hpp"
#include "support/catch.hpp"

#include <chrono>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

namespace test_of_local_store_stamps {

using namespace std::chrono_literals;
using namespace sync_engine;
using namespace sync_engine::test;
using nlohmann::json;

namespace {

constexpr auto newest = std::numeric_limits<std::uint64_t>::max();

SyncRecord<> stamped(std::uint64_t version, Timestamp at, std::string text = "one") {
    auto record = note("a", std::move(text), version);
    record.updated_at = at;
    return record;
}

const auto edit = [](json& data) { data["text"] = data["text"].get<std::string>() + '+'; };

}  // namespace

TEST_CASE("an edit that leaves the stamps alone is stamped by the store", "[store]") {
    TestStore<> store;
    store->put(stamped(3, noon));
    store.clock.advance(1h);

    store->put(stamped(3, noon, "two"));

    CHECK(stamp_of(*store->get("a")) == Stamp{4, noon + 1h});
}

TEST_CASE("an edit that changes the tags alone is stamped by the store", "[store]") {
    TestStore<> store;
    store->put(stamped(3, noon));
    store.clock.advance(1h);

    store->put(stamped(3, noon).with_tags({"x"}));

    CHECK(stamp_of(*store->get("a")) == Stamp{4, noon + 1h});
}

TEST_CASE("stamps that the caller changed are kept", "[store]") {
    TestStore<> store;
    store->put(stamped(3, noon));
    store.clock.advance(1h);

    store->put(stamped(7, noon, "version"));
    CHECK(stamp_of(*store->get("a")) == Stamp{7, noon});
    store->put(stamped(7, noon + 1s, "time"));
    CHECK(stamp_of(*store->get("a")) == Stamp{7, noon + 1s});
    store->put(stamped(5, noon + 2s, "both"));
    CHECK(stamp_of(*store->get("a")) == Stamp{5, noon + 2s});
}

TEST_CASE("a new record keeps its stamps, whatever the clock says", "[store]") {
    TestStore<> store;

    store->put(stamped(42, noon - 24h * 365));

    CHECK(stamp_of(*store->get("a")) == Stamp{42, noon - 24h * 365});
}

TEST_CASE("an edit is never stamped below what the remote has", "[store]") {
    TestStore<> store;
    store.pull(stamped(5, noon));

    store->put(stamped(2, noon + 1h, "version below"));
    CHECK(stamp_of(*store->get("a")) == Stamp{5, noon + 1h});
    store->put(stamped(9, noon - 1h, "time below"));
    CHECK(stamp_of(*store->get("a")) == Stamp{9, noon});
}

TEST_CASE("an old copy that is edited and put gets new stamps, not those of another content",
          "[store]") {
    TestStore<> store;
    store.pull(stamped(5, noon));
    store.clock.advance(1h);

    store->put(stamped(4, noon - 1h, "edited long ago"));

    CHECK(stamp_of(*store->get("a")) == Stamp{6, noon + 1h});
    store->put(stamped(5, noon, "edited from the base"));
    CHECK(stamp_of(*store->get("a")) == Stamp{7, noon + 1h + 1us});
}

TEST_CASE("an edit is never stamped below a state that was sent or that waits", "[store]") {
    TestStore<> store;
    store->put(stamped(5, noon + 1h));
    store.stage("a", "operation-1");
    store->put(stamped(2, noon + 2h, "two"));
    CHECK(stamp_of(*store->get("a")) == Stamp{5, noon + 2h});

    store.park(stamped(8, noon, "theirs"));
    store->put(stamped(3, noon + 3h, "three"));
    CHECK(stamp_of(*store->get("a")) == Stamp{8, noon + 3h});
}

TEST_CASE("a record that is made again is stamped above its tombstone in version and time",
          "[store]") {
    TestStore<> store;
    store.pull(stamped(5, noon));
    store.clock.advance(1h);
    store->remove("a");
    const auto tombstone = stamp_of(store->pending().front());
    REQUIRE(tombstone == Stamp{6, noon + 1h});

    store->put(stamped(1, noon + 2h, "version below"));
    CHECK(stamp_of(*store->get("a")) == Stamp{7, noon + 2h});
    store.clock.advance(2h);
    store->remove("a");
    store->put(stamped(9, noon - 1h, "time below"));
    CHECK(stamp_of(*store->get("a")) == Stamp{9, noon + 3h + 1us});
}

TEST_CASE("a record that is made again is stamped above a settled deletion", "[store]") {
    TestStore<> store;
    store.pull(stamped(5, noon + 1min).with_status(SyncStatus::deleted));

    store->put(stamped(1, noon + 2min, "again"));

    CHECK(stamp_of(*store->get("a")) == Stamp{6, noon + 2min});
}

TEST_CASE("an update is stamped later than any state that the store has seen", "[store]") {
    TestStore<> store;
    store.pull(stamped(5, noon + 1min));

    store->update("a", edit);
    CHECK(stamp_of(*store->get("a")) == Stamp{6, noon + 1min + 1us});
    store->update("a", edit);
    CHECK(stamp_of(*store->get("a")) == Stamp{7, noon + 1min + 2us});
    store.conflict(stamped(20, noon + 2min, "theirs"));
    store->update("a", edit);
    CHECK(stamp_of(*store->get("a")) == Stamp{21, noon + 2min + 1us});
}

TEST_CASE("a clock that is set back does not set updates back", "[store]") {
    TestStore<> store;
    store->put(stamped(1, noon));

    store.clock.set(noon - 4min);
    store->update("a", edit);

    CHECK(stamp_of(*store->get("a")) == Stamp{2, noon + 1us});
}

TEST_CASE("an update follows another device's clock no further than the drift cap", "[store]") {
    TestStore<> store;
    store.pull(stamped(5, parse_timestamp("9999-12-31T23:59:59.999999Z")));

    store->update("a", edit);
    CHECK(stamp_of(*store->get("a")) == Stamp{6, noon + 5min});
    store->update("a", edit);
    CHECK(stamp_of(*store->get("a")) == Stamp{7, noon + 5min});
}

TEST_CASE("the drift cap is an option of the store", "[store]") {
    LocalStore<> store{
        StoreOptions{.clock = [] { return noon; }, .random = counting_random(), .drift_cap = 1h}};
    store.put(stamped(1, noon + 30min));

    store.update("a", edit);

    CHECK(store.get("a")->updated_at == noon + 30min + 1us);
}

TEST_CASE("under a clock at the end of the year 9999 every edit can still travel", "[store]") {
    TestStore<> store;
    const auto end = parse_timestamp("9999-12-31T23:59:59.999999Z");
    store.clock.set(end);
    store->put(stamped(1, end));

    store->update("a", edit);
    store->mark_modified("a");
    store.conflict(stamped(9, end, "theirs"));
    store->resolve("a", stamped(9, end, "ours"));

    CHECK_NOTHROW(check_record(*store->get("a")));
    CHECK(store->get("a")->version == 10);
}

TEST_CASE("a version that cannot grow stays, and the time still tells the edit apart", "[store]") {
    TestStore<> store;
    store.pull(stamped(newest, noon));

    store->update("a", edit);
    CHECK(stamp_of(*store->get("a")) == Stamp{newest, noon + 1us});
    store->mark_modified("a");
    CHECK(stamp_of(*store->get("a")) == Stamp{newest, noon + 2us});
    store->remove("a");
    CHECK(stamp_of(store->pending().front()) == Stamp{newest, noon + 3us});
}

TEST_CASE("a removal is stamped above what it deletes", "[store]") {
    TestStore<> store;
    store.pull(stamped(5, noon + 1min));

    store->remove("a");

    CHECK(stamp_of(store->pending().front()) == Stamp{6, noon + 1min + 1us});
}

TEST_CASE("a decided conflict is stamped above both sides", "[store]") {
    TestStore<> store;
    store.pull(stamped(2, noon));
    store->put(stamped(3, noon + 2min, "ours"));
    store.conflict(stamped(9, noon + 1min, "theirs"));

    store->resolve("a", stamped(1, noon - 1h, "both"));

    CHECK(stamp_of(*store->get("a")) == Stamp{10, noon + 2min + 1us});
    CHECK(ids_of(store->pending()) == std::vector<std::string>{"a"});
}

TEST_CASE("a conflict that is decided for the remote keeps the remote's stamps", "[store]") {
    TestStore<> store;
    store.pull(stamped(2, noon));
    store->put(stamped(30, noon + 2min, "ours"));
    store.conflict(stamped(9, noon + 1min, "theirs"));

    store->resolve("a", stamped(1, noon, "theirs"));

    CHECK(stamp_of(*store->get("a")) == Stamp{9, noon + 1min});
    CHECK(store->pending().empty());
}

TEST_CASE("a record pulled without a time is stamped by its next edit", "[store]") {
    TestStore<> store;
    store.pull(stamped(1, Timestamp{}));

    store->update("a", edit);

    CHECK(stamp_of(*store->get("a")) == Stamp{2, noon});
}

}  // namespace test_of_local_store_stamps
