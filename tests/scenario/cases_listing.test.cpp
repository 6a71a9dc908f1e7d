// SPDX-License-Identifier: MIT

// "Pull", as far as full listings go: the cases that docs/architecture.md decides.

#include <sync_engine/remote/memory_remote.hpp>

#include "support/catch.hpp"
#include "support/device.hpp"
#include "support/scripted_remote.hpp"

#include <chrono>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace scenario_cases_listing {

using namespace std::chrono_literals;
using sync_engine::MemoryRemote;
using sync_engine::SyncOutcome;
using sync_engine::testing::ManualClock;
using ::test::Device;
using ::test::Json;
using ::test::ScriptedRemote;
using ::test::served;
using Record = sync_engine::SyncRecord<Json>;
using Resolver = Device::Resolver;

namespace {

const sync_engine::Timestamp then{24h * 365 * 49};

Record row(const std::string& id, const Json& data = "base", std::uint64_t version = 1) {
    return served(id, data, version, then + std::chrono::minutes{version},
                  "s" + std::to_string(version));
}

ScriptedRemote::Page page(std::vector<Record> rows, Json cursor, bool has_more,
                          bool complete = false) {
    ScriptedRemote::Page page;
    page.records = std::move(rows);
    page.cursor = std::move(cursor);
    page.has_more = has_more;
    page.complete = complete;
    return page;
}

/// A full listing in one page.
ScriptedRemote::Page listing(std::vector<Record> rows, Json cursor = nullptr) {
    return page(std::move(rows), std::move(cursor), false, true);
}

Json stored_cursor(const Device& device) {
    return device.store->state().cursor;
}

}  // namespace

// "`complete`: every page of a full scan carries it; the stored cursor does not move before its
// last page; absence counts only for a scan that began at null in this cycle."

TEST_CASE("what a full listing does not hold was deleted", "[scenario]") {
    Device device;
    ScriptedRemote remote;
    remote.serve(listing({row("a"), row("b"), row("c")}));
    device.sync(remote.remote());

    remote.serve(page({row("a")}, 1, true, true));
    remote.serve(page({row("c")}, 2, false, true));
    const auto result = device.sync(remote.remote());

    CHECK(result.pulled == 1);
    CHECK_FALSE(device.store->get("b"));
    CHECK(device.store->count() == 2);
    CHECK(remote.pushes.empty());
}

TEST_CASE("a full listing with a row that nobody can tell from the others deletes nothing",
          "[scenario]") {
    Device device;
    ScriptedRemote remote;
    remote.serve(listing({row("a"), row("b"), row("c")}));
    device.sync(remote.remote());
    const bool is_readable = GENERATE(true, false);

    auto first = page({row("a")}, 1, true, true);
    if (is_readable) {
        first.records.push_back(row(""));
    } else {
        first.errors.push_back({.record_id = "", .message = "the id is no text"});
    }
    remote.serve(first);
    remote.serve(page({row("c")}, nullptr, false, true));
    const auto result = device.sync(remote.remote());

    CHECK(result.outcome == SyncOutcome::completed);
    CHECK(result.errors.size() == 1);
    CHECK(device.store->count() == 3);

    remote.serve(listing({row("a"), row("c")}));
    CHECK_FALSE(device.sync(remote.remote()).has_errors());
    CHECK(device.store->count() == 2);
}

TEST_CASE("a row that nobody can tell from the others holds nothing up", "[scenario]") {
    Device device;
    ScriptedRemote remote;
    remote.serve(listing({row("a"), row("b"), row("")}, 1));
    CHECK(device.sync(remote.remote("one")).errors.size() == 1);
    CHECK(stored_cursor(device) == 1);
    CHECK(device.store->state().remote_name == "one");

    // After a reset too: the scan is through, and from then on a stale read is one.
    auto reset = page({}, nullptr, false, true);
    reset.reset = true;
    remote.serve(std::move(reset));
    remote.serve(listing({row("a", "newer", 3), row("")}, 2));
    device.sync(remote.remote());
    CHECK(stored_cursor(device) == 2);
    remote.serve(page({row("a")}, 3, false));
    device.sync(remote.remote());
    CHECK(device.data("a") == "newer");
    CHECK(device.store->count() == 2);
}

TEST_CASE("the cursor of a full listing is stored with its last page and not before",
          "[scenario]") {
    Device device;
    ScriptedRemote remote;
    remote.serve(page({row("a")}, 1, true, true));
    remote.on_pull([&](const auto&) {
        CHECK(device.store->get("a"));
        CHECK(stored_cursor(device).is_null());
        return page({row("b")}, 2, false, true);
    });

    device.sync(remote.remote());

    CHECK(stored_cursor(device) == 2);
}

TEST_CASE("a full listing that is cut off begins again, and nothing counts as absent",
          "[scenario]") {
    Device device;
    ScriptedRemote remote;
    remote.serve(listing({row("a"), row("b")}));
    device.sync(remote.remote());

    SECTION("by a failure") {
        remote.serve(page({row("a")}, 1, true, true));
        remote.fail_pull(std::runtime_error("broken"));
        device.sync(remote.remote());
    }
    SECTION("by a crash") {
        auto crash = device.disk->copy();
        remote.serve(page({row("a")}, 1, true, true));
        remote.on_pull([&](const auto&) {
            crash = device.disk->copy();
            return page({}, 2, false, true);
        });
        device.sync(remote.remote());
        device.disk = crash;
        device.restart();
    }
    SECTION("by a stop") {
        sync_engine::StopSource stop;
        remote.on_pull([&](const auto&) {
            stop.request_stop();
            return page({row("a")}, 1, true, true);
        });
        CHECK(device.sync(remote.remote(), {.stop = stop.token()}).outcome == SyncOutcome::stopped);
    }
    CHECK(device.store->count() == 2);

    remote.serve(listing({row("a")}));
    device.sync(remote.remote());
    CHECK(remote.pulls.back().cursor.is_null());
    CHECK(device.store->count() == 1);
}

TEST_CASE("a listing from a cursor on, or with a page that is not complete, deletes nothing",
          "[scenario]") {
    Device device;
    ScriptedRemote remote;
    remote.serve(listing({row("a"), row("b")}, "here"));
    device.sync(remote.remote());

    remote.serve(listing({row("a", "new", 2)}, "there"));
    device.sync(remote.remote());
    CHECK(remote.pulls.back().cursor == "here");
    CHECK(device.store->count() == 2);

    Device other;
    remote.serve(listing({row("a"), row("b")}));
    other.sync(remote.remote());
    remote.serve(page({row("a")}, 1, true, true));
    remote.serve(page({}, 2, false, false));
    other.sync(remote.remote());
    CHECK(other.store->count() == 2);
    CHECK(stored_cursor(other) == 2);
}

// "and only for a record pulled since its last ack (otherwise the first absence marks, the second
// deletes)."

TEST_CASE("a record of ours that a listing does not hold yet is deleted by the second absence",
          "[scenario]") {
    Device device;
    ScriptedRemote remote;
    device.edit("mine", 1);
    remote.serve(listing({}));
    device.sync(remote.remote());

    remote.serve(listing({}));
    device.sync(remote.remote());
    CHECK(device.store->get("mine"));
    device.restart();
    remote.serve(listing({}));
    device.sync(remote.remote());
    CHECK_FALSE(device.store->get("mine"));
}

TEST_CASE("a mark of absence is gone when the record shows up", "[scenario]") {
    Device device;
    ScriptedRemote remote;
    device.edit("mine", 1);
    remote.serve(listing({}));
    device.sync(remote.remote());
    remote.serve(listing({}));
    device.sync(remote.remote());

    remote.serve(listing({*device.store->get("mine")}));
    device.sync(remote.remote());
    CHECK(device.store->get("mine"));
    device.edit("mine", 2);
    remote.serve(listing({*device.store->base("mine")}));
    device.sync(remote.remote());

    // Acknowledged after it was pulled: again, one absence alone says nothing.
    remote.serve(listing({}));
    device.sync(remote.remote());
    CHECK(device.data("mine") == 2);
}

TEST_CASE("a record made again after an absence is not pushed under the old revision",
          "[scenario]") {
    Device device;
    ScriptedRemote remote;
    remote.serve(listing({row("a")}));
    device.sync(remote.remote());
    remote.serve(listing({}));
    device.sync(remote.remote());
    REQUIRE_FALSE(device.store->get("a"));

    device.edit("a", "again");
    device.sync(remote.remote());

    CHECK(remote.last_change("a").record.revision.empty());
}

TEST_CASE("a record that a listing only hid is there again with the next one that shows it",
          "[scenario]") {
    // With stamps or without: its revision is the same, and no other has taken its place.
    const bool has_times = GENERATE(true, false);
    const auto shown = [&] {
        Record record = row("a");
        if (!has_times) record.updated_at = sync_engine::Timestamp{};
        return record;
    };
    Device device;
    ScriptedRemote remote;
    remote.serve(listing({shown()}));
    device.sync(remote.remote());
    remote.serve(listing({}));
    device.sync(remote.remote());
    REQUIRE_FALSE(device.store->get("a"));

    remote.serve(listing({shown()}));
    const auto result = device.sync(remote.remote());

    CHECK(device.data("a") == "base");
    CHECK(result.pulled == 1);
}

TEST_CASE("an unsent edit outlives an absence", "[scenario]") {
    Device device;
    ScriptedRemote remote;
    remote.serve(listing({row("a"), row("b")}));
    device.sync(remote.remote());
    device.edit("a", "edit");
    device.store->remove("b");

    remote.serve(listing({}));
    device.sync(remote.remote());

    CHECK(device.data("a") == "edit");
    CHECK(remote.pushed() == "a b");
}

TEST_CASE("a listing of a thousand pages with devices that write finds exactly what is gone",
          "[scenario]") {
    ManualClock time;
    MemoryRemote<Json> server{time.clock()};
    server.list_everything(true);
    Device device{1, Resolver{}, time};
    for (int n = 0; n < 1000; ++n) server.seed(row("r" + std::to_string(n)));
    device.sync(server.remote(), {.pull_page_size = 1});
    REQUIRE(device.store->count() == 1000);
    for (int n = 0; n < 1000; n += 3) server.remove_as_other_device("r" + std::to_string(n));

    device.sync(server.remote(), {.pull_page_size = 7});

    CHECK(device.store->count() == server.count());
    CHECK_FALSE(device.store->get("r999"));
    CHECK(device.store->get("r998"));
}

}  // namespace scenario_cases_listing
