// SPDX-License-Identifier: MIT
#include "support/catch.hpp"
#include "support/shell.hpp"

#include <nlohmann/json.hpp>

#include <chrono>
#include <cstddef>
#include <functional>
#include <future>
#include <limits>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace test_of_sync_engine {

using namespace std::chrono_literals;
using namespace sync_engine;
using ::test::contains;
using ::test::errors_of;
using ::test::Ids;
using ::test::Json;
using ::test::Shell;
using ::test::state;
using ::test::text_of;
using ::test::Wire;

// Where a sync runs.

TEST_CASE("an engine without an executor syncs on a thread of its own", "[sync][threads]") {
    Shell shell{ConflictResolver<>{}, EngineOptions{}};
    std::thread::id thread;
    shell.edit("a", 1);

    const auto result = shell.sync(
        ::test::with_calls(shell.server, [&] { thread = std::this_thread::get_id(); }, {}));

    CHECK(result.pushed == 1);
    CHECK(thread != std::this_thread::get_id());
    CHECK_FALSE(shell.engine.is_syncing());
    for (int n = 0; n < 20; ++n) {
        shell.edit("a", n + 2);
        CHECK(shell.sync().pushed == 1);
    }
    shell.check_equal();
}

TEST_CASE("an executor may run a sync later", "[sync]") {
    std::vector<std::function<void()>> queue;
    auto options = ::test::inline_options();
    options.executor = [&](std::function<void()> task) { queue.push_back(std::move(task)); };
    Shell shell{ConflictResolver<>{}, options};
    shell.edit("a", 1);

    auto future = shell.engine.sync(shell.server.remote());
    CHECK(shell.engine.is_syncing());
    CHECK(shell.server.pull_calls() == 0);
    CHECK(shell.sync().outcome == SyncOutcome::already_running);
    shell.edit("b", 2);  // still in time
    REQUIRE(queue.size() == 1);
    queue[0]();
    queue.clear();

    CHECK(future.get().pushed == 2);
    CHECK_FALSE(shell.engine.is_syncing());
    shell.check_equal();
}

TEST_CASE("a sync that its executor drops is over, and the engine can be used again", "[sync]") {
    auto options = ::test::inline_options();
    bool drops = true;
    options.executor = [&](const std::function<void()>& task) {
        if (!drops) task();
    };
    Shell shell{ConflictResolver<>{}, options};
    shell.edit("a", 1);

    auto future = shell.engine.sync(shell.server.remote());

    CHECK_THROWS_AS(future.get(), std::future_error);
    CHECK_FALSE(shell.engine.is_syncing());
    CHECK_FALSE(shell.engine.last_sync_result());
    drops = false;
    CHECK(shell.sync().pushed == 1);
    shell.check_equal();
}

TEST_CASE("what an executor throws comes out of sync, and the engine can be used again", "[sync]") {
    auto options = ::test::inline_options();
    bool throws = true;
    options.executor = [&](const std::function<void()>& task) {
        if (throws) throw std::runtime_error("no threads left");
        task();
    };
    Shell shell{ConflictResolver<>{}, options};
    shell.edit("a", 1);

    CHECK_THROWS_AS(shell.engine.sync(shell.server.remote()), std::runtime_error);

    CHECK_FALSE(shell.engine.is_syncing());
    throws = false;
    CHECK(shell.sync().pushed == 1);
    shell.check_equal();
}

TEST_CASE("a sync that is dropped while another engine waits for the store lets it go", "[sync]") {
    std::vector<std::function<void()>> queue;
    auto options = ::test::inline_options();
    options.executor = [&](std::function<void()> task) { queue.push_back(std::move(task)); };
    Shell shell{ConflictResolver<>{}, options};
    SyncEngine<> other{shell.store, ConflictResolver<>{}, RetryQueue<>{}, ::test::inline_options()};
    shell.edit("a", 1);
    auto future = shell.engine.sync(shell.server.remote());
    CHECK(other.sync(shell.server.remote()).get().outcome == SyncOutcome::already_running);

    queue.clear();

    CHECK(other.sync(shell.server.remote()).get().outcome == SyncOutcome::completed);
    shell.check_equal();
}

// One sync at a time.

TEST_CASE("of two engines on one store, one syncs at a time", "[sync]") {
    Shell shell;
    SyncEngine<> other{shell.store, ConflictResolver<>{}, RetryQueue<>{}, ::test::inline_options()};
    shell.edit("a", 1);
    std::optional<SyncResult> refused;
    const auto remote = ::test::with_calls(
        shell.server, [&] { refused = other.sync(shell.server.remote()).get(); }, {});

    const auto result = shell.sync(remote);

    CHECK(result.outcome == SyncOutcome::completed);
    REQUIRE(refused);
    CHECK(*refused == SyncResult{.outcome = SyncOutcome::already_running});
    CHECK_FALSE(other.is_syncing());
    CHECK_FALSE(other.last_sync_result());
    CHECK(other.sync(shell.server.remote()).get().outcome == SyncOutcome::completed);
    CHECK(other.metadata() == shell.engine.metadata());
}

// Storage that fails.

TEST_CASE("a storage that fails makes the future throw and leaves the last commit's state",
          "[sync]") {
    Shell shell;
    shell.edit("a", 1);
    for (int n = 0; n < 4; ++n) {
        shell.server.seed(state("s" + std::to_string(n), n, shell.clock.now()));
    }
    const auto before = shell.sync(shell.server.remote(), {.direction = SyncDirection::push});
    shell.edit("a", 2);
    shell.disk->fail_next(1, 1);
    bool after = false;
    shell.engine.on_after_sync = [&](const auto&) { after = true; };

    auto future = shell.engine.sync(shell.server.remote(), {.pull_page_size = 2});

    CHECK_THROWS_AS(future.get(), StorageError);
    CHECK_FALSE(after);
    CHECK_FALSE(shell.engine.is_syncing());
    CHECK(shell.engine.last_sync_result() == before);
    CHECK(text_of(shell.store) == "a = 2\ns0 = 0\ns1 = 1\n");  // the first page
    CHECK(shell.store.state().cursor == Json{{"epoch", 1}, {"feed", 2}});
    CHECK(shell.pending() == Ids{"a"});
    shell.sync();
    CHECK(after);
    shell.check_equal();
}

TEST_CASE("a storage that fails after the push was answered loses neither edit nor answer",
          "[sync]") {
    Shell shell;
    shell.edit("a", 1);
    Wire wire;
    shell.disk->fail_next(1, 2);  // after the cursor of the empty feed, and the staging

    CHECK_THROWS_AS(shell.sync(wire.to(shell.server)), StorageError);
    CHECK(shell.server.find("a")->data == 1);
    CHECK(shell.pending() == Ids{"a"});
    shell.sync(wire.to(shell.server));

    CHECK(wire.batches.size() == 1);
    shell.check_equal();
}

// What is pushed.

TEST_CASE("sync_where pushes what the predicate lets pass, and leaves the rest untouched",
          "[sync]") {
    Shell shell;
    shell.edit("a", 1);
    shell.edit("b", 2);
    shell.server.seed(state("theirs", 3, shell.clock.now()));
    const auto only_a = [](const auto& record) { return record.id == "a"; };

    for (int n = 0; n < 3; ++n) {
        const auto result = shell.engine.sync_where(only_a, shell.server.remote()).get();
        CHECK(result.outcome == SyncOutcome::completed);
        CHECK_FALSE(result.has_errors());
    }

    CHECK(text_of(shell.server) == "a = 1\ntheirs = 3\n");
    CHECK(shell.data("theirs") == 3);  // what is pulled is not filtered
    CHECK(shell.pending() == Ids{"b"});
    CHECK(shell.engine.retry_queue().entries().empty());
    shell.sync();
    shell.check_equal();
}

TEST_CASE("a filter is asked about the last content of a deletion", "[sync]") {
    Shell shell;
    shell.edit("a", "private");
    shell.edit("b", "public");
    shell.sync();
    shell.store.remove("a");
    shell.store.remove("b");
    std::vector<Json> asked;

    const auto result = shell.engine
                            .sync_where(
                                [&](const auto& record) {
                                    asked.push_back(record.data);
                                    return record.data == "public";
                                },
                                shell.server.remote())
                            .get();

    CHECK(asked == std::vector<Json>{"private", "public"});
    CHECK(result.pushed == 1);
    CHECK(shell.server.find("b")->is_deleted());
    CHECK_FALSE(shell.server.find("a")->is_deleted());
    CHECK(shell.pending() == Ids{"a"});
}

TEST_CASE("a record on which the filter throws is skipped and reported, without an attempt",
          "[sync]") {
    Shell shell;
    shell.edit("a", 1);
    shell.edit("b", 2);

    const auto result = shell.engine
                            .sync_where(
                                [](const auto& record) {
                                    if (record.id == "a") throw std::runtime_error("cannot say");
                                    return true;
                                },
                                shell.server.remote())
                            .get();

    CHECK(result.outcome == SyncOutcome::completed);
    REQUIRE(result.errors.size() == 1);
    CHECK(result.errors[0].record_id == "a");
    CHECK_THAT(result.errors[0].message, contains("cannot say"));
    CHECK(shell.pending() == Ids{"a"});
    CHECK(shell.engine.retry_queue().entries().empty());
    CHECK(shell.server.find("b")->data == 2);
}

TEST_CASE("an edit made after the filter was asked about the record is not pushed unasked",
          "[sync]") {
    Shell shell;
    shell.edit("a", "public");
    const auto is_public = [&](const auto& record) {
        if (record.data == "public") {
            shell.edit("a", "private");
            return true;
        }
        return false;
    };

    shell.engine.sync_where(is_public, shell.server.remote()).get();

    CHECK(shell.server.count() == 0);
    CHECK(shell.pending() == Ids{"a"});
}

TEST_CASE("the filter is asked about the winner of a conflict that its push revealed", "[sync]") {
    Shell shell{ConflictResolver<Json>{ConflictStrategy::local_wins}};
    shell.edit("a", "base");
    shell.sync();
    shell.edit("a", "public");
    const Json meanwhile = GENERATE("private", "public too");
    auto remote = shell.server.remote();
    remote.push = [&, push = remote.push, is_first = true](PushBatch<Json> batch) mutable {
        if (std::exchange(is_first, false)) {
            shell.edit_elsewhere("a", "theirs", 9);
            shell.edit("a", meanwhile);
        }
        return make_ready_future(push(std::move(batch), [](auto future) { return future.get(); }));
    };
    const auto is_public = [](const auto& record) { return record.data != "private"; };

    const auto result = shell.engine.sync_where(is_public, remote).get();

    CHECK(result.conflicts == 1);
    CHECK(result.outcome == SyncOutcome::completed);
    CHECK(shell.data("a") == meanwhile);
    const bool is_private = meanwhile == "private";
    CHECK(shell.server.find("a")->data == (is_private ? Json("theirs") : meanwhile));
    CHECK(shell.pending() == (is_private ? Ids{"a"} : Ids{}));
}

TEST_CASE("sync_where without a predicate is refused at once", "[sync]") {
    Shell shell;
    CHECK_THROWS_AS(shell.engine.sync_where({}, shell.server.remote()), std::invalid_argument);
    CHECK_FALSE(shell.engine.is_syncing());
    CHECK(shell.sync().outcome == SyncOutcome::completed);
}

TEST_CASE("a direction is kept", "[sync]") {
    Shell shell;
    shell.edit("mine", 1);
    shell.server.seed(state("theirs", 2, shell.clock.now()));

    CHECK(shell.sync(shell.server.remote(), {.direction = SyncDirection::pull}).pulled == 1);
    CHECK(shell.server.push_calls() == 0);
    CHECK(shell.pending() == Ids{"mine"});
    shell.edit_elsewhere("theirs", 3);
    CHECK(shell.sync(shell.server.remote(), {.direction = SyncDirection::push}).pushed == 1);
    CHECK(shell.server.pull_calls() == 1);
    CHECK(shell.data("theirs") == 2);
}

// What is told.

TEST_CASE("totals add up over all syncs, engines and restarts of a store", "[sync]") {
    Shell shell{ConflictResolver<>{ConflictStrategy::local_wins}};
    shell.edit("a", 1);
    shell.edit("b", 1);
    shell.server.omit("b");
    shell.sync();
    shell.server.accept_again("b");
    shell.server.seed(state("c", 1, shell.clock.now()));
    shell.clock.advance(1h);
    shell.sync();
    shell.edit("c", 2);
    shell.edit_elsewhere("c", 3);
    shell.clock.advance(1h);
    shell.sync();
    const SyncMetadata expected{.last_sync_at = shell.clock.now(),
                                .last_duration = 0ms,
                                .total_pushes = 3,
                                .total_pulls = 1,
                                .total_conflicts = 1};
    CHECK(shell.engine.metadata() == expected);

    LocalStore<> reopened{shell.disk, {.clock = shell.clock.clock()}};
    SyncEngine<> other{reopened};
    CHECK(other.metadata() == expected);
    CHECK_FALSE(other.last_sync_result());
}

TEST_CASE("the duration is the time that the sync took", "[sync]") {
    Shell shell;
    shell.edit("a", 1);
    const auto take = [&](std::chrono::milliseconds time) {
        return [&, time] { shell.clock.advance(time); };
    };

    shell.sync(::test::with_calls(shell.server, take(300ms), take(50ms)));
    CHECK(shell.engine.metadata().last_duration == 350ms);
    shell.edit("a", 2);
    shell.sync(::test::with_calls(shell.server, take(300ms), take(-1h)));  // the clock was set back
    CHECK(shell.engine.metadata().last_duration == 0ms);
}

TEST_CASE("a sync that did not complete moves no last time, and counts what it did", "[sync]") {
    Shell shell;
    shell.edit("a", 1);
    shell.sync();
    const auto before = shell.engine.metadata();
    shell.clock.advance(1h);
    shell.server.seed(state("theirs", 2, shell.clock.now()));
    shell.edit("a", 2);
    shell.server.fail_next_push();

    CHECK(shell.sync().outcome == SyncOutcome::failed);

    CHECK(shell.engine.metadata().last_sync_at == before.last_sync_at);
    CHECK(shell.engine.metadata().total_pulls == before.total_pulls + 1);
    CHECK(shell.engine.metadata().total_pushes == before.total_pushes);
}

TEST_CASE("another remote under another name is refused, and nothing is changed", "[sync]") {
    Shell shell;
    ::test::Server other;
    shell.edit("a", 1);
    shell.sync(shell.server.remote("home"));
    shell.edit("a", 2);

    const auto result = shell.sync(other.remote("work"));

    CHECK(result.outcome == SyncOutcome::failed);
    CHECK_THAT(errors_of(result), contains("\"home\"") && contains("\"work\""));
    CHECK(other.pull_calls() == 0);
    CHECK(shell.pending() == Ids{"a"});
    shell.sync(shell.server.remote("home"));
    shell.check_equal();
    shell.store.clear();
    CHECK(shell.sync(other.remote("work")).outcome == SyncOutcome::completed);
}

TEST_CASE("a sync without a name does not make the store forget whose cursor it has", "[sync]") {
    Shell shell;
    ::test::Server other;
    shell.sync(shell.server.remote("home"));
    shell.server.seed(state("theirs", 1, shell.clock.now()));
    shell.sync(shell.server.remote());

    CHECK(shell.sync(other.remote("work")).outcome == SyncOutcome::failed);
    CHECK(shell.sync(shell.server.remote("home")).outcome == SyncOutcome::completed);
}

TEST_CASE("options that make no sense still sync everything", "[sync]") {
    Shell shell;
    for (int n = 0; n < 3; ++n) {
        shell.edit("mine" + std::to_string(n), n);
        shell.server.seed(state("theirs" + std::to_string(n), n, shell.clock.now()));
    }
    SyncOptions options;
    SECTION("no room in a batch or page") {
        options.push_batch_size = 0;
        options.pull_page_size = 0;
    }
    SECTION("no end of room") {
        options.push_batch_size = std::numeric_limits<std::size_t>::max();
        options.pull_page_size = std::numeric_limits<std::size_t>::max();
    }
    SECTION("no rounds") {
        options.max_rounds = 0;
    }
    CHECK(shell.sync(shell.server.remote(), options).outcome == SyncOutcome::completed);
    shell.check_equal();
}

TEST_CASE("a store of an app's own type syncs like any other", "[sync]") {
    MemoryRemote<int> server;
    LocalStore<int> store;
    SyncEngine<int> engine{store, ConflictResolver<int>{}, RetryQueue<int>{},
                           ::test::inline_options()};
    store.put({.id = "a", .data = 1});
    server.seed({.id = "b", .data = 2});

    CHECK(engine.sync(server.remote()).get().total() == 2);

    CHECK(store.get("b")->data == 2);
    CHECK(server.find("a")->data == 1);
}

}  // namespace test_of_sync_engine
