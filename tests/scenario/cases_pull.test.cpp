// SPDX-License-Identifier: MIT

// "Pull": the cases that docs/architecture.md decides, one after the other.

#include <sync_engine/remote/memory_remote.hpp>

#include "support/catch.hpp"
#include "support/device.hpp"
#include "support/scripted_remote.hpp"

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace scenario_cases_pull {

using namespace std::chrono_literals;
using sync_engine::ConflictStrategy;
using sync_engine::MemoryRemote;
using sync_engine::SyncOutcome;
using sync_engine::SyncStatus;
using sync_engine::test::contains;
using sync_engine::testing::ManualClock;
using ::test::Device;
using ::test::Json;
using ::test::ScriptedRemote;
using ::test::served;
using ::test::served_deletion;
using ::test::told;
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

Json stored_cursor(const Device& device) {
    return device.store->state().cursor;
}

}  // namespace

// "Simple pull returns everything or anything: no cursor is read or written, only tombstones
// delete."

TEST_CASE("a simple pull neither reads nor writes a cursor, and only tombstones delete",
          "[scenario]") {
    Device device;
    ScriptedRemote native;
    native.serve(page({row("a"), row("b")}, "far", false));
    device.sync(native.remote());
    std::vector<Record> answer;
    const sync_engine::Remote<Json> simple{
        .push =
            [](std::vector<Record>) {
                return sync_engine::make_ready_future(std::vector<std::string>{});
            },
        .pull = [&] { return sync_engine::make_ready_future(answer); }};

    CHECK(device.sync(simple).outcome == SyncOutcome::completed);
    CHECK(device.store->count() == 2);
    answer = {row("a"), served_deletion("b", 2, then + 2min), row("c")};
    device.sync(simple);

    CHECK(device.store->count() == 2);
    CHECK_FALSE(device.store->get("b"));
    CHECK(device.store->get("c"));
    CHECK(stored_cursor(device) == "far");
}

// "Duplicate ids in a page: the last row wins; repeated rows are normal. A pulled status counts
// only where it is `deleted`."

TEST_CASE("of several rows of one record in a page the last one counts, once", "[scenario]") {
    Device device;
    ScriptedRemote remote;
    remote.serve({row("a", "one", 1), row("b"), row("a", "two", 2), row("a", "three", 3)});

    CHECK(device.sync(remote.remote()).pulled == 2);
    CHECK(device.data("a") == "three");

    remote.serve({row("a", "four", 4), served_deletion("a", 5, then + 5min)});
    CHECK(device.sync(remote.remote()).pulled == 1);
    CHECK_FALSE(device.store->get("a"));

    remote.serve({served_deletion("a", 6, then + 6min), row("a", "again", 7)});
    device.sync(remote.remote());
    CHECK(device.data("a") == "again");
}

TEST_CASE("rows that are repeated change nothing", "[scenario]") {
    ManualClock time;
    MemoryRemote<Json> server{time.clock()};
    server.repeat_rows(true);
    Device device{1, Resolver{}, time};
    for (int n = 0; n < 10; ++n) server.seed(row("r" + std::to_string(n)));

    CHECK(device.sync(server.remote(), {.pull_page_size = 3}).pulled == 10);
    CHECK(device.sync(server.remote()).pulled == 0);
    CHECK(device.store->pending().empty());
}

TEST_CASE("whatever status a remote serves, only deleted says something", "[scenario]") {
    for (const auto status :
         {SyncStatus::pending, SyncStatus::modified, SyncStatus::conflicted, SyncStatus::synced}) {
        Device device;
        ScriptedRemote remote;
        remote.serve({row("a").with_status(status)});
        device.sync(remote.remote());

        CHECK(device.store->get("a")->status == SyncStatus::synced);
        CHECK(device.store->pending().empty());
        CHECK(device.store->conflicts().empty());
    }
}

// "`PullPage.reset` or `CursorExpired`: forget the cursor, keep unsent edits, scan again."

TEST_CASE("after a reset everything is read again, and every unsent edit is still there",
          "[scenario]") {
    Device device{1, Resolver{ConflictStrategy::local_wins}};
    ScriptedRemote remote;
    remote.serve({row("a", "base", 5), row("b"), row("dead"), row("c")});
    device.sync(remote.remote());
    device.edit("dead", "refused");
    remote.answer({sync_engine::rejected<Json>("dead", "no")});
    device.sync(remote.remote());
    device.edit("a", "edit");
    device.edit("new", 1);
    device.store->remove("b");
    if (GENERATE(true, false)) {
        remote.fail_pull(sync_engine::CursorExpired{});
    } else {
        ScriptedRemote::Page reset = page({row("ignored")}, 9, false);
        reset.reset = true;
        remote.serve(std::move(reset));
    }
    remote.serve(page({row("a", "older", 2), row("c")}, 10, false));

    const auto result = device.sync(remote.remote());

    CHECK(result.outcome == SyncOutcome::completed);
    CHECK(remote.pulls.back().cursor.is_null());
    CHECK(stored_cursor(device) == 10);
    CHECK(device.data("a") == "edit");
    CHECK(remote.last_change("a").record.revision == "s2");
    CHECK(device.data("new") == 1);
    CHECK_FALSE(device.store->get("b"));
    CHECK(device.data("dead") == "refused");
    CHECK(device.engine->retry_queue().dead_letters().size() == 1);
    CHECK_FALSE(device.store->get("ignored"));
    CHECK(device.data("c") == "base");
}

TEST_CASE("a scan after a reset that was cut off goes on as one, however old its states are",
          "[scenario]") {
    // Of a backup that was restored: older than what we have, and what there is now.
    Device device;
    ScriptedRemote remote;
    const auto old = [&](const std::string& id) {
        return served(id, "old", 1, device.clock.now() - 24h, "s1");
    };
    const auto page_of = [&](const std::string& id, bool has_more, bool complete) {
        ScriptedRemote::Page page;
        page.records = {old(id)};
        page.cursor = "behind " + id;
        page.has_more = has_more;
        page.complete = complete;
        return page;
    };
    for (const char* id : {"a", "b"}) {
        remote.serve({served(id, "new", 5, device.clock.now(), "s5")});
        device.sync(remote.remote());
    }
    const bool is_complete = GENERATE(false, true);
    const bool has_first_page = GENERATE(false, true);
    remote.fail_pull(sync_engine::CursorExpired{});
    if (has_first_page) remote.serve(page_of("a", true, is_complete));
    remote.fail_pull(std::runtime_error("the connection was lost"));
    device.sync(remote.remote());
    device.restart();
    CHECK(device.sync(remote.remote(), {.direction = sync_engine::SyncDirection::push}).outcome ==
          SyncOutcome::completed);

    if (is_complete || !has_first_page) remote.serve(page_of("a", true, is_complete));
    remote.serve(page_of("b", false, is_complete));
    CHECK(device.sync(remote.remote()).outcome == SyncOutcome::completed);
    CHECK(device.data("a") == "old");
    CHECK(device.data("b") == "old");

    // That was its end: from now on a replica may lag.
    remote.serve({served("a", "newer", 6, device.clock.now(), "s6")});
    device.sync(remote.remote());
    remote.serve({old("a")});
    device.sync(remote.remote());
    CHECK(device.data("a") == "newer");
}

TEST_CASE("a scan after a reset has not ended where its last page was committed in part",
          "[scenario]") {
    Device device{1, Resolver{ConflictStrategy::remote_wins}};
    ScriptedRemote remote;
    const auto old = [&](const std::string& id) {
        return served(id, "old", 1, device.clock.now() - 24h, "s1");
    };
    const auto is_new = [&](const std::string& id) {
        return served(id, "new", 5, device.clock.now(), "s5");
    };
    remote.serve({is_new("a"), is_new("b")});
    device.sync(remote.remote());
    device.edit("b", "edit");
    std::shared_ptr<sync_engine::testing::MemoryStorage<Json>> crash;
    device.engine->on_conflict = [&](const Record& local, const Record&) {
        if (local.id == "b") device.edit("a", "edit");  // so it has moved, and is decided again
        if (local.id == "a") crash = device.disk->copy();
    };
    remote.fail_pull(sync_engine::CursorExpired{});
    remote.serve({old("a"), old("b")});
    device.sync(remote.remote());
    REQUIRE(crash);

    Device reborn{2, Resolver{ConflictStrategy::remote_wins}};
    reborn.disk = crash;
    reborn.restart();
    CHECK(reborn.data("a") == "edit");
    CHECK(reborn.data("b") == "old");
    remote.serve({old("a"), old("b")});
    CHECK(reborn.sync(remote.remote()).conflicts == 1);

    CHECK(remote.pulls.back().cursor == nullptr);
    CHECK(reborn.data("a") == "old");
    CHECK(reborn.store->pending().empty());
}

TEST_CASE("a store that is cleared knows no more of a scan after a reset", "[scenario]") {
    Device device;
    ScriptedRemote remote;
    remote.serve({row("a")});
    device.sync(remote.remote());
    remote.fail_pull(sync_engine::CursorExpired{});
    remote.fail_pull(std::runtime_error("the connection was lost"));
    device.sync(remote.remote());
    REQUIRE(device.store->state().health.starts_over);

    SECTION("between two syncs") {
        device.store->clear();
    }
    SECTION("during a sync") {
        remote.on_pull([&](const auto&) {
            device.store->clear();
            return ScriptedRemote::Page{.records = {row("a")}, .cursor = 1, .has_more = true};
        });
        CHECK(device.sync(remote.remote()).outcome == SyncOutcome::stopped);
    }
    SECTION("during a sync that fails") {
        remote.on_pull([&](const auto&) -> ScriptedRemote::Page {
            device.store->clear();
            throw std::runtime_error("the connection was lost");
        });
        CHECK(device.sync(remote.remote()).outcome == SyncOutcome::stopped);
        CHECK(device.store->state().health.failures == 2);
    }
    CHECK_FALSE(device.store->state().health.starts_over);
}

TEST_CASE("a remote that refuses its own cursors ends the sync and not in a loop", "[scenario]") {
    Device device;
    ScriptedRemote remote;
    remote.serve({row("a")});
    device.sync(remote.remote());
    remote.fail_pull(sync_engine::CursorExpired{});
    remote.fail_pull(sync_engine::CursorExpired{});

    const auto result = device.sync(remote.remote());

    CHECK(result.outcome == SyncOutcome::failed);
    CHECK(remote.pulls.size() == 3);
    CHECK(device.store->get("a"));
    CHECK(device.sync(remote.remote()).outcome == SyncOutcome::completed);
}

TEST_CASE("a reset on a first page from null is just a page", "[scenario]") {
    Device device;
    ScriptedRemote remote;
    ScriptedRemote::Page first = page({row("a")}, 1, false);
    first.reset = true;
    remote.serve(std::move(first));

    CHECK(device.sync(remote.remote()).pulled == 1);
    CHECK(stored_cursor(device) == 1);
}

// "`Remote.name` (optional) is stored with the cursor; another name on the same store is refused
// with an explanation."

TEST_CASE("a store is synced with one remote by name, until it is cleared", "[scenario]") {
    Device device;
    ScriptedRemote remote;
    remote.serve({row("a")});
    device.sync(remote.remote("office"));
    device.restart();
    device.edit("a", "edit");

    const auto refused = device.sync(remote.remote("home"));
    CHECK(refused.outcome == SyncOutcome::failed);
    CHECK_THAT(told(refused), contains("\"office\""));
    CHECK(remote.pulls.size() == 1);
    CHECK(remote.pushes.empty());

    CHECK(device.sync(remote.remote("office")).outcome == SyncOutcome::completed);
    device.store->clear();
    CHECK(device.sync(remote.remote("home")).outcome == SyncOutcome::completed);
}

TEST_CASE("a sync without a name neither minds nor forgets the name that is stored", "[scenario]") {
    Device device;
    ScriptedRemote remote;
    remote.serve({row("a")});
    device.sync(remote.remote("office"));
    remote.serve({row("b")});
    CHECK(device.sync(remote.remote()).outcome == SyncOutcome::completed);

    CHECK(device.sync(remote.remote("home")).outcome == SyncOutcome::failed);
}

TEST_CASE("a name is stored with a cursor that does not move, and where there is none",
          "[scenario]") {
    const bool has_cursor = GENERATE(true, false);
    Device device;
    ScriptedRemote remote;
    if (has_cursor) remote.serve({row("a")});
    device.sync(remote.remote());  // before the app had a name for it

    CHECK(device.sync(remote.remote("office")).outcome == SyncOutcome::completed);
    device.restart();

    CHECK(device.sync(remote.remote("home")).outcome == SyncOutcome::failed);
    CHECK(remote.pulls.size() == 2);
}

// "A page's commit expects the epoch and cursor it was asked for. `clear` bumps the epoch, never
// the sequence. One engine at a time syncs a store."

TEST_CASE("a page that was asked for before the store was cleared is not written", "[scenario]") {
    Device device;
    ScriptedRemote remote;
    remote.serve({row("a")});
    device.sync(remote.remote());
    device.edit("mine", 1);
    remote.on_pull([&](const auto&) {
        device.store->clear();
        return page({row("b")}, 9, false);
    });

    const auto result = device.sync(remote.remote());

    CHECK(result.outcome == SyncOutcome::stopped);
    CHECK_THAT(told(result), contains("cleared"));
    CHECK(device.store->count() == 0);
    CHECK(stored_cursor(device).is_null());
    CHECK(remote.pushes.empty());
}

TEST_CASE("an ack for a store that was cleared meanwhile brings nothing back", "[scenario]") {
    Device device;
    ScriptedRemote remote;
    device.edit("mine", 1);
    remote.on_push([&](const auto& batch) {
        device.store->clear();
        return remote.accept(batch);
    });

    CHECK(device.sync(remote.remote()).outcome == SyncOutcome::stopped);
    CHECK(device.store->count() == 0);

    device.edit("mine", 2);
    device.sync(remote.remote());
    REQUIRE(remote.pushes.size() == 2);
    CHECK(remote.pushes[0].at(0).operation_id != remote.pushes[1].at(0).operation_id);
}

TEST_CASE("a second engine that syncs the store in between is turned away", "[scenario]") {
    Device device;
    ScriptedRemote remote;
    sync_engine::SyncEngine<Json> second{
        *device.store, Resolver{}, {}, {.executor = sync_engine::inline_executor()}};
    std::string answer;
    remote.on_pull([&](const auto&) {
        answer = told(second.sync(remote.remote()).get());
        return page({}, 1, false);
    });

    CHECK(device.sync(remote.remote()).outcome == SyncOutcome::completed);
    CHECK(answer == "already_running");
    CHECK(remote.pulls.size() == 1);
    CHECK(second.sync(remote.remote()).get().outcome == SyncOutcome::completed);
}

// "A resolver that throws, changes the id or never settles: the remote's state is parked on the
// entry as theirs, the cursor goes on, the record is not pushed while parked, an error names it,
// and the next cycle tries again."

TEST_CASE("what a resolver could not decide waits, and nothing else waits for it", "[scenario]") {
    std::function<Record(const Record&, const Record&)> decide;
    Device device{1, Resolver{[&](const Record& local, const Record& remote) {
                      return decide(local, remote);
                  }}};
    ScriptedRemote remote;
    remote.serve({row("a")});
    device.sync(remote.remote());
    device.edit("a", "edit");
    device.edit("other", 1);
    SECTION("it throws") {
        decide = [](const Record&, const Record&) -> Record { throw std::runtime_error("no"); };
    }
    SECTION("it changes the id") {
        decide = [](const Record& local, const Record&) {
            auto other = local;
            other.id = "somebody else";
            return other;
        };
    }
    SECTION("it makes something that no JSON can carry") {
        decide = [](const Record& local, const Record&) { return local.with_data("\xFF"); };
    }
    SECTION("it never settles: each time, the record is edited under it") {
        decide = [&, n = 0](const Record& local, const Record&) mutable {
            device.edit("a", "edit " + std::to_string(++n));
            return local;
        };
    }
    remote.serve(page({row("a", "theirs", 2), row("b")}, 77, false));

    const auto result = device.sync(remote.remote());

    CHECK(result.outcome == SyncOutcome::completed);
    REQUIRE(result.errors.size() == 1);
    CHECK(result.errors[0].record_id == "a");
    CHECK(stored_cursor(device) == 77);
    CHECK(device.data("b") == "base");
    CHECK(remote.pushed() == "other");
    CHECK(device.data("a").get<std::string>().rfind("edit", 0) == 0);
    CHECK(device.store->conflicts().empty());

    // Named in each sync, and not pushed, for as long as it waits.
    const auto again = device.sync(remote.remote());
    CHECK(again.outcome == SyncOutcome::completed);
    REQUIRE(again.errors.size() == 1);
    CHECK(again.errors[0].record_id == "a");
    CHECK(remote.pushed() == "other");

    // Parked over a restart; then the resolver recovers, and the remote need not say it again.
    device.restart();
    decide = [](const Record& local, const Record&) { return local; };
    CHECK_FALSE(device.sync(remote.remote()).has_errors());
    CHECK(remote.last_change("a").record.revision == "s2");
    CHECK(remote.last_change("a").base->data == "theirs");
    CHECK(device.store->pending().empty());
}

TEST_CASE("a resolver that fails is asked once a sync", "[scenario]") {
    int asked = 0;
    Device device{1, Resolver{[&](const Record&, const Record&) -> Record {
                      ++asked;
                      throw std::runtime_error("no");
                  }}};
    ScriptedRemote remote;
    device.edit("a", "edit");
    remote.serve({row("a", "theirs", 2)});

    CHECK(device.sync(remote.remote()).conflicts == 1);
    CHECK(asked == 1);
    CHECK(device.sync(remote.remote()).conflicts == 1);
    CHECK(asked == 2);
}

TEST_CASE("a resolver that failed is asked again by a sync that only pushes", "[scenario]") {
    bool is_broken = true;
    Device device{1, Resolver{[&](const Record& local, const Record&) {
                      if (is_broken) throw std::runtime_error("no");
                      return local;
                  }}};
    ScriptedRemote remote;
    device.edit("a", "ours");
    remote.answer({sync_engine::conflict(served("a", "theirs", 1, device.clock.now(), "s1"))});
    const sync_engine::SyncOptions push{.direction = sync_engine::SyncDirection::push};
    REQUIRE(device.sync(remote.remote(), push).errors.size() == 1);

    CHECK(device.sync(remote.remote(), push).errors.size() == 1);
    is_broken = false;
    CHECK(device.sync(remote.remote(), push).pushed == 1);
    CHECK(remote.last_change("a").record.data == "ours");
    CHECK(remote.last_change("a").record.revision == "s1");
    CHECK(device.store->pending().empty());
}

TEST_CASE("a parked state that tells nothing any more frees its record", "[scenario]") {
    bool throws = true;
    Device device{1, Resolver{[&](const Record& local, const Record&) -> Record {
                      if (throws) throw std::runtime_error("no");
                      return local;
                  }}};
    ScriptedRemote remote;
    remote.serve({row("a", "base", 5)});
    device.sync(remote.remote());
    device.edit("a", "edit");
    // A remote that went back in time: its verdict counts, though its state is older than base.
    remote.answer({sync_engine::conflict(row("a", "old", 2))});
    CHECK(device.sync(remote.remote()).has_errors());

    throws = false;
    remote.answer({sync_engine::conflict(row("a", "old", 2))});
    const auto result = device.sync(remote.remote());

    CHECK_FALSE(result.has_errors());
    CHECK(remote.pushed() == "a | a | a");
    CHECK(device.store->pending().empty());
}

TEST_CASE("a parked record can still be edited, given up or deleted", "[scenario]") {
    bool throws = true;
    Device device{1, Resolver{[&](const Record& local, const Record&) -> Record {
                      if (throws) throw std::runtime_error("no");
                      return local;
                  }}};
    ScriptedRemote remote;
    remote.serve({row("a"), row("b"), row("c")});
    device.sync(remote.remote());
    for (const char* id : {"a", "b", "c"}) device.edit(id, "edit");
    remote.serve({row("a", "theirs", 2), row("b", "theirs", 2), row("c", "theirs", 2)});
    device.sync(remote.remote());

    device.edit("a", "edited again");
    CHECK(device.store->discard_changes("b"));
    CHECK(device.store->remove("c"));
    CHECK(device.data("b") == "theirs");
    throws = false;
    device.sync(remote.remote());

    CHECK(remote.last_change("a").record.data == "edited again");
    CHECK(remote.last_change("c").record.is_deleted());
    CHECK(remote.pushed() == "a c");
    CHECK(device.store->pending().empty());
}

TEST_CASE("a parked record is not pushed because a replica that lags shows its base again",
          "[scenario]") {
    Device device{1, Resolver{[](const Record&, const Record&) -> Record {
                      throw std::runtime_error("no");
                  }}};
    ScriptedRemote remote;
    remote.serve({row("a", "base", 3)});
    device.sync(remote.remote());
    device.edit("a", "edit");
    remote.serve({row("a", "theirs", 4)});
    device.sync(remote.remote());

    remote.serve({row("a", "base", 3)});
    device.sync(remote.remote());

    CHECK(remote.pushes.empty());
    CHECK(device.store->discard_changes("a"));
    CHECK(device.data("a") == "theirs");
}

}  // namespace scenario_cases_pull
