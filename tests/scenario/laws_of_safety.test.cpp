// SPDX-License-Identifier: MIT
#include "support/catch.hpp"
#include "support/scenario.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace scenario_laws_of_safety {

// Laws 6, 7 and 10 to 12 of the design: commits, deletions, stale reads, locks, and what is passed
// in.

using namespace std::chrono_literals;
using namespace sync_engine;
using ::test::Agreed;
using ::test::Device;
using ::test::Ids;
using ::test::Json;
using ::test::Outbox;
using ::test::pending_ids;
using ::test::Server;
using ::test::state;
using ::test::text_of;
using ::test::Wire;
using ::test::with_edit_during_push;

// 6. Records, cursor, retry state and metadata of one step are one storage commit.

TEST_CASE("a page that could not be stored leaves cursor and records where they were",
          "[scenario]") {
    Agreed both;
    both.sync();
    const Json cursor = both.device.store->state().cursor;
    both.edit_elsewhere("theirs");
    both.device.disk->fail_next();

    CHECK_THROWS_AS(both.sync(), StorageError);

    CHECK(both.device.store->state().cursor == cursor);
    CHECK(both.device.data("a") == "base");
    both.device.restart();
    CHECK(both.device.store->state().cursor == cursor);
    both.sync();
    CHECK(both.device.data("a") == "theirs");
    both.check_equal();
}

TEST_CASE("at no commit is the cursor ahead of the data", "[scenario]") {
    Device device;
    Server server;
    for (int n = 0; n < 7; ++n) {
        server.seed(state("r" + std::to_string(n), n, device.clock.now()));
    }
    for (std::size_t skip = 0; skip < 4; ++skip) {
        Device crashing{skip + 2};
        crashing.disk->fail_next(1, skip);
        CHECK_THROWS_AS(crashing.sync(server.remote(), {.pull_page_size = 2}), StorageError);
        crashing.restart();
        const Json cursor = crashing.store->state().cursor;
        const auto place = cursor.is_null() ? 0 : cursor.at("feed").get<std::size_t>();
        CHECK(place == std::min<std::size_t>(skip * 2, 7));
        CHECK(crashing.store->count() == place);
    }
}

// 7. A deletion is a record that travels.

TEST_CASE("a deletion travels until the server has it, whatever a pull shows", "[scenario]") {
    Agreed both;
    both.device.store->remove("a");
    both.server.fail_next_push(2);

    both.sync();
    both.device.restart();
    CHECK(both.device.store->count() == 0);
    CHECK(pending_ids(both.device) == std::vector<std::string>{"a"});
    both.server.expire_cursors();  // the pull shows the living record once more
    both.sync();
    CHECK(both.device.store->count() == 0);
    both.sync();

    CHECK(both.server.find("a")->is_deleted());
    both.check_equal();
    both.device.restart();
    CHECK(both.device.store->count() == 0);
}

TEST_CASE("a record that was never sent just disappears", "[scenario]") {
    Device device;
    Server server;
    Wire wire;
    device.edit("draft", 1);
    device.store->remove("draft");

    device.sync(wire.to(server));

    CHECK(wire.batches.empty());
    CHECK(device.store->pending().empty());
}

TEST_CASE("a remote deletion deletes here, unless a local edit wins", "[scenario]") {
    SECTION("a clean record goes") {
        Agreed both;
        both.server.remove_as_other_device("a");
        CHECK(both.sync().pulled == 1);
        CHECK(both.device.store->count() == 0);
        both.check_equal();
    }
    SECTION("remote_wins: an edited record goes") {
        Agreed both{Device::Resolver{ConflictStrategy::remote_wins}};
        both.device.edit("a", "ours");
        both.server.remove_as_other_device("a");
        both.sync();
        CHECK(both.device.store->count() == 0);
        both.check_equal();
    }
    SECTION("local_wins: an edited record lives again on both sides") {
        Agreed both{Device::Resolver{ConflictStrategy::local_wins}};
        both.device.edit("a", "ours");
        both.server.remove_as_other_device("a");
        both.sync();
        CHECK(both.server.find("a")->data == "ours");
        both.check_equal();
    }
    SECTION("merge: an edit beats a deletion, on either side") {
        Agreed both{Device::Resolver{ConflictStrategy::merge}};
        both.device.store->remove("a");
        both.edit_elsewhere("theirs");
        both.sync();
        CHECK(both.device.data("a") == "theirs");
        both.check_equal();
    }
    SECTION("deleted on both sides is no conflict") {
        Agreed both;
        both.device.store->remove("a");
        both.server.remove_as_other_device("a");
        CHECK(both.sync().conflicts == 0);
        CHECK(both.wire.batches.empty());
        both.check_equal();
    }
}

TEST_CASE("a record that was deleted and made again before the ack lives on both sides",
          "[scenario]") {
    Agreed both;
    both.device.store->remove("a");
    both.device.sync(with_edit_during_push(both.server, [&] { both.device.edit("a", "again"); }));
    CHECK(both.server.find("a")->is_deleted());
    CHECK(both.device.data("a") == "again");

    both.sync();

    CHECK(both.server.find("a")->data == "again");
    both.check_equal();
}

// 10. Stale reads do not undo acknowledged work.

TEST_CASE("a lagging read does not undo an acknowledged edit or deletion", "[scenario]") {
    Outbox box{2};
    box.sync();
    box.device.clock.advance(1min);
    box.server.serve_stale_reads(true);
    box.device.edit("r0", "newer");
    box.device.store->remove("r1");
    box.sync();
    box.server.expire_cursors();  // the lagging replica shows everything again

    // A rescan is what the server says now, so it is not judged: a plain cursor of the replica is.
    auto remote = box.server.remote();
    remote.pull = [&](PullRequest request) {
        const auto old = [](auto future) { return future.get(); };
        request.cursor = nullptr;
        auto page = box.server.remote().pull(std::move(request), old);
        page.cursor = {{"place", 1}};
        return make_ready_future(std::move(page));
    };
    const auto result = box.device.sync(remote);

    CHECK(result.pulled == 0);
    CHECK(box.device.data("r0") == "newer");
    CHECK(box.device.data("r1").is_null());
    CHECK(text_of(box.device) == text_of(box.server));
}

TEST_CASE("a state is stale only if it is older by version and by time", "[scenario]") {
    Device device;
    ::test::Backend backend;
    const auto at = device.clock.now();
    backend.listed = {state("a", "base", at, 5)};
    device.sync(backend.remote());

    backend.listed = {state("a", "older", at - 1s, 4)};
    CHECK(device.sync(backend.remote()).pulled == 0);
    backend.listed = {state("a", "restored from a backup", at + 1s, 4)};
    CHECK(device.sync(backend.remote()).pulled == 1);
    backend.listed = {state("a", "a slow clock", at - 1h, 9)};
    CHECK(device.sync(backend.remote()).pulled == 1);

    CHECK(device.data("a") == "a slow clock");
}

TEST_CASE("a full listing that is older than our own write deletes it only the second time",
          "[scenario]") {
    Outbox box{1};
    box.server.list_everything(true);
    box.server.serve_stale_reads(true);  // a replica that does not have the record yet
    box.sync();
    CHECK(box.server.count() == 1);

    SECTION("it catches up") {
        box.sync();
        CHECK(box.device.data("r0") == 0);
        box.server.serve_stale_reads(false);
        box.sync();
        CHECK(box.device.data("r0") == 0);
        box.server.remove_as_other_device("r0");  // now the listing has shown it: once is enough
        CHECK(box.sync().pulled == 1);
    }
    SECTION("it was deleted") {
        box.server.serve_stale_reads(false);
        box.server.remove_as_other_device("r0");
        CHECK(box.sync().pulled == 0);
        CHECK(box.device.data("r0") == 0);
        CHECK(box.sync().pulled == 1);
    }
    CHECK(text_of(box.device) == text_of(box.server));
    CHECK(box.device.store->count() == 0);
}

TEST_CASE("a server that was restored from a backup is believed, though its states are older",
          "[scenario]") {
    Outbox box{1};
    box.sync();
    const auto backup = *box.server.find("r0");
    box.device.clock.advance(1min);
    box.device.edit("r0", "newer");
    box.sync();
    box.server.wipe();
    box.server.seed(backup);

    CHECK(box.sync().pulled == 1);

    CHECK(text_of(box.device) == "r0 = 0\n");
    CHECK(text_of(box.device) == text_of(box.server));
}

TEST_CASE("a server without versions and times neither resets ours nor undoes an edit by lagging",
          "[scenario]") {
    Outbox box{1};
    box.server.forget_versions_and_times(true);
    box.sync();
    const auto first = box.device.store->get("r0");
    box.sync();  // the listing shows it without stamps
    CHECK(box.device.store->get("r0")->version == first->version);
    CHECK(box.device.store->get("r0")->updated_at == first->updated_at);
    box.device.clock.advance(1min);
    box.device.edit("r0", "newer");
    box.server.serve_stale_reads(true);
    box.sync();
    CHECK(box.server.find("r0")->data == "newer");

    CHECK(box.sync().pulled == 0);  // the revision that it shows was left behind

    CHECK(box.device.data("r0") == "newer");
    CHECK(box.device.store->get("r0")->version > first->version);
    CHECK(box.device.store->get("r0")->updated_at > first->updated_at);
    CHECK(box.device.store->pending().empty());
}

// 11. No lock is held while a callback, hook or resolver runs.

TEST_CASE("whatever runs during a sync may use the store from any thread", "[scenario][threads]") {
    Server server;
    std::vector<std::string> callers;
    std::unique_ptr<Device> device;
    const auto use_store = [&](const std::string& caller) {
        callers.push_back(caller);
        // Another thread would wait for ever for a lock that this one held.
        std::thread{[&] {
            device->edit("seen by " + caller, true);
            (void)device->store->pending();
            (void)device->engine->is_syncing();
            (void)device->engine->retry_queue().count();
        }}.join();
    };
    device = std::make_unique<Device>(1U, Device::Resolver{[&](const auto& local, const auto&) {
                                          use_store("resolver");
                                          return local;
                                      }});
    device->edit("a", "ours");
    server.seed(state("a", "theirs", device->clock.now()));
    device->engine->on_before_sync = [&](const auto&) {
        use_store("before");
        return true;
    };
    device->engine->on_after_sync = [&](const auto&) { use_store("after"); };
    device->engine->on_conflict = [&](const auto&, const auto&) { use_store("conflict"); };
    const auto get = [](auto future) { return future.get(); };
    auto remote = server.remote();
    remote.push = [&, push = remote.push](PushBatch<> batch) {
        use_store("push");
        return make_ready_future(push(std::move(batch), get));
    };
    remote.pull = [&, pull = remote.pull](PullRequest request) {
        use_store("pull");
        return make_ready_future(pull(std::move(request), get));
    };

    const auto result = device->engine
                            ->sync_where(
                                [&](const auto&) {
                                    use_store("predicate");
                                    return true;
                                },
                                remote, {.on_progress = [&](auto, auto) { use_store("progress"); }})
                            .get();

    CHECK(result.outcome == SyncOutcome::completed);
    CHECK_FALSE(result.has_errors());
    for (const auto* caller :
         {"before", "pull", "conflict", "resolver", "progress", "predicate", "push", "after"}) {
        CHECK(device->data(std::string("seen by ") + caller) == true);
    }
    device->engine->on_before_sync = nullptr;
    device->engine->on_after_sync = nullptr;
    device->sync(server.remote());
    CHECK(text_of(*device) == text_of(server));
    CHECK(device->store->pending().empty());
}

// 12. Time, randomness, threads and storage are passed in.

TEST_CASE("the same seed and clock give the same sync to the last byte", "[scenario]") {
    const auto run = [] {
        Outbox box{5, {.jitter = 1.0}};
        std::string story;
        box.server.fail_batches_with("r2");
        for (int n = 0; n < 3; ++n) {
            story += Json(box.sync()).dump();
            for (const auto& change : box.wire.changes()) story += " " + change.operation_id;
            story += Json(box.queue().entries()).dump() + "\n";
            box.device.clock.advance(1s);
        }
        return story + Json(box.device.store->all()).dump();
    };
    CHECK(run() == run());
}

TEST_CASE("a wait ends when the clock that was passed in says so", "[scenario]") {
    Outbox box{2, {.backoff_base = 1h, .max_delay = 24h}};
    box.server.omit("r0");
    box.sync();
    box.server.accept_again("r0");

    box.sync({.retry = RetryMode::when_due});
    CHECK(box.wire.batches.empty());
    box.device.clock.advance(1h);
    box.sync({.retry = RetryMode::when_due});

    CHECK(text_of(box.device) == text_of(box.server));
}

TEST_CASE("an engine that was given no threads runs everything on the caller's", "[scenario]") {
    Outbox box{1};
    std::vector<std::thread::id> threads;
    box.device.engine->on_before_sync = [&](const auto&) {
        threads.push_back(std::this_thread::get_id());
        return true;
    };
    auto remote = box.server.remote();
    remote.pull = [&](PullRequest) {
        threads.push_back(std::this_thread::get_id());
        return make_ready_future(PullPage<>{});
    };

    box.device.sync(remote);

    CHECK(threads == std::vector(2, std::this_thread::get_id()));
}

}  // namespace scenario_laws_of_safety
