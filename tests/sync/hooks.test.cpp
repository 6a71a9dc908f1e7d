// SPDX-License-Identifier: MIT
#include "support/catch.hpp"
#include "support/shell.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace test_of_hooks {

using namespace std::chrono_literals;
using namespace sync_engine;
using ::test::contains;
using ::test::errors_of;
using ::test::Ids;
using ::test::Json;
using ::test::Shell;
using ::test::state;

namespace {

/// A shell that meets one conflict when it syncs, which it wins.
struct InConflict : Shell {
    InConflict() : Shell(ConflictResolver<>{ConflictStrategy::local_wins}) {
        edit("a", "base");
        sync();
        edit("a", "ours");
        edit_elsewhere("a", "theirs");
    }
};

}  // namespace

TEST_CASE("the hook before a sync is told what is pending, also if that is nothing", "[sync]") {
    Shell shell;
    std::vector<Ids> told;
    shell.engine.on_before_sync = [&](const auto& pending) {
        told.push_back(::test::ids_of(pending));
        return true;
    };

    shell.sync();
    shell.edit("a", 1);
    shell.edit("b", 2);
    shell.store.remove("b");
    shell.sync();
    shell.store.remove("a");
    shell.sync();

    CHECK(told == std::vector<Ids>{{}, {"a"}, {"a"}});
}

TEST_CASE("a hook that says no vetoes the sync before anything was called or stored", "[sync]") {
    Shell shell;
    shell.edit("a", 1);
    bool after = false;
    shell.engine.on_after_sync = [&](const auto&) { after = true; };
    const auto commits = shell.disk->commits();
    std::string error;

    SECTION("false") {
        shell.engine.on_before_sync = [](const auto&) { return false; };
    }
    SECTION("an exception") {
        shell.engine.on_before_sync = [](const auto&) -> bool {
            throw std::runtime_error("not now");
        };
        error = "on_before_sync threw: not now";
    }
    SECTION("an exception that is no std::exception") {
        shell.engine.on_before_sync = [](const auto&) -> bool { throw "not now"; };
        error = "on_before_sync threw: an exception that is no std::exception";
    }
    const auto result = shell.sync();

    CHECK(result.outcome == SyncOutcome::vetoed);
    CHECK(result.errors.size() == (error.empty() ? 0 : 1));
    CHECK_THAT(errors_of(result), contains(error));
    CHECK(result.total() == 0);
    CHECK(shell.server.pull_calls() + shell.server.push_calls() == 0);
    CHECK(shell.disk->commits() == commits);
    CHECK_FALSE(after);
    CHECK(shell.engine.last_sync_result() == result);
    CHECK_FALSE(shell.engine.metadata().last_sync_at);
    shell.engine.on_before_sync = nullptr;
    shell.sync();
    CHECK(after);
    shell.check_equal();
}

TEST_CASE("the hook after a sync sees result, totals and store as they are stored", "[sync]") {
    InConflict shell;
    std::optional<SyncResult> told;
    SyncMetadata seen;
    shell.engine.on_after_sync = [&](const SyncResult& result) {
        told = result;
        seen = shell.engine.metadata();
        CHECK(shell.pending().empty());
        CHECK(shell.engine.is_syncing());
    };
    shell.clock.advance(1h);

    const auto result = shell.sync();

    CHECK(told == result);
    CHECK(seen == shell.engine.metadata());
    CHECK(seen.total_pushes == 2);
    CHECK(seen.total_conflicts == 1);
    CHECK(seen.last_sync_at == shell.clock.now());
    CHECK(shell.disk->load().state.metadata == seen);
}

TEST_CASE("the hook after a sync is called however it ended, once it has begun", "[sync]") {
    Shell shell;
    shell.edit("a", 1);
    std::vector<SyncOutcome> told;
    shell.engine.on_after_sync = [&](const auto& result) { told.push_back(result.outcome); };

    shell.server.set_offline(true);
    shell.sync();
    shell.server.set_offline(false);
    StopSource stop;
    stop.request_stop();
    shell.sync(shell.server.remote(), {.stop = stop.token()});
    shell.sync();

    CHECK(told == std::vector{SyncOutcome::failed, SyncOutcome::stopped, SyncOutcome::completed});
}

TEST_CASE("a hook after the sync that throws is an error of the result, and undoes nothing",
          "[sync]") {
    Shell shell;
    shell.edit("a", 1);
    shell.engine.on_after_sync = [](const auto&) { throw std::runtime_error("too bad"); };

    const auto result = shell.sync();

    CHECK(result.outcome == SyncOutcome::completed);
    CHECK(result.pushed == 1);
    CHECK_THAT(errors_of(result), contains("on_after_sync threw: too bad"));
    CHECK(shell.engine.last_sync_result() == result);
    CHECK(shell.engine.metadata().total_pushes == 1);
    shell.check_equal();
}

TEST_CASE("the conflict hook is told local and remote before the resolver is asked", "[sync]") {
    std::vector<std::string> story;
    auto shell = Shell{ConflictResolver<>{[&](const auto& local, const auto&) {
        story.push_back("resolver");
        return local;
    }}};
    shell.edit("a", "base");
    shell.sync();
    shell.edit("a", "ours");
    shell.edit_elsewhere("a", "theirs");
    shell.engine.on_conflict = [&](const auto& local, const auto& remote) {
        story.push_back(local.data.template get<std::string>() + " and " +
                        remote.data.template get<std::string>());
    };

    shell.sync();

    CHECK(story == std::vector<std::string>{"ours and theirs", "resolver"});
}

TEST_CASE("a conflict hook that throws is reported, and the resolver decides all the same",
          "[sync]") {
    InConflict shell;
    const bool is_std = GENERATE(true, false);
    shell.engine.on_conflict = [&](const auto&, const auto&) {
        if (is_std) throw std::runtime_error("no room to draw");
        throw 42;
    };

    const auto result = shell.sync();

    CHECK(result.outcome == SyncOutcome::completed);
    CHECK(result.conflicts == 1);
    REQUIRE(result.errors.size() == 1);
    CHECK(result.errors[0].record_id == "a");
    CHECK_THAT(result.errors[0].message, contains("on_conflict threw: "));
    CHECK(shell.server.find("a")->data == "ours");
    shell.check_equal();
}

TEST_CASE("a resolver that throws leaves the remote's state waiting, and nothing is pushed over it",
          "[sync]") {
    bool is_broken = true;
    Shell shell{ConflictResolver<>{[&](const auto& local, const auto&) {
        if (is_broken) throw 42;
        return local;
    }}};
    shell.edit("a", "base");
    shell.sync();
    shell.edit("a", "ours");
    shell.edit_elsewhere("a", "theirs");

    for (int n = 0; n < 3; ++n) {
        const auto result = shell.sync();
        CHECK(result.outcome == SyncOutcome::completed);
        CHECK_THAT(errors_of(result), contains("a: the conflict resolver failed"));
        CHECK(shell.server.find("a")->data == "theirs");
        CHECK(shell.pending() == Ids{"a"});
    }
    is_broken = false;
    const auto result = shell.sync();

    CHECK(result.conflicts == 1);
    CHECK(shell.server.find("a")->data == "ours");
    shell.check_equal();
}

TEST_CASE("hooks are those of the moment the sync was asked for", "[sync]") {
    InConflict shell;
    std::string story;
    const auto old_hook = [&](const std::string& name) { story += name + " "; };
    shell.engine.on_conflict = [&](const auto&, const auto&) { old_hook("conflict"); };
    shell.engine.on_after_sync = [&](const auto&) { old_hook("after"); };
    shell.engine.on_before_sync = [&](const auto&) {
        old_hook("before");
        shell.engine.on_conflict = [&](const auto&, const auto&) { story += "new conflict "; };
        shell.engine.on_after_sync = nullptr;
        shell.engine.on_before_sync = nullptr;  // it is copied, so this does not saw off its branch
        story += "still here ";
        return true;
    };

    shell.sync();
    CHECK(story == "before still here conflict after ");

    story.clear();
    shell.edit("a", "ours again");
    shell.edit_elsewhere("a", "theirs again", 9);
    shell.sync();
    CHECK(story == "new conflict ");
}

TEST_CASE("progress ends where everything that is known of is done", "[sync]") {
    Shell shell;
    for (int n = 0; n < 7; ++n) {
        shell.edit("mine" + std::to_string(n), n);
        shell.server.seed(state("theirs" + std::to_string(n), n, shell.clock.now()));
    }
    std::vector<std::pair<std::size_t, std::size_t>> told;
    SyncOptions options{
        .on_progress = [&](auto done, auto total) { told.emplace_back(done, total); },
        .push_batch_size = 2,
        .pull_page_size = 3};

    SECTION("of a pull and a push") {}
    SECTION("of a pull alone") {
        options.direction = SyncDirection::pull;
    }
    SECTION("of a push alone") {
        options.direction = SyncDirection::push;
    }
    SECTION("with a record that fails") {
        shell.server.fail_batches_with("mine3");
    }
    SECTION("with records that are refused") {
        shell.server.refuse("mine0", "no");
        shell.server.omit("mine1");
    }
    SECTION("of nothing") {
        shell.sync();
    }
    shell.sync(shell.server.remote(), options);

    REQUIRE_FALSE(told.empty());
    CHECK(told.back().first == told.back().second);
    std::size_t before = 0;
    for (const auto& [done, total] : told) {
        CHECK(done >= before);
        CHECK(done <= total);
        before = done;
    }
}

TEST_CASE("what the app does between two pushes holds for the second", "[sync]") {
    Shell shell;
    for (const auto* id : {"a", "b", "c"}) shell.edit(id, 1);
    std::function<void()> act;
    SyncOptions options{.push_batch_size = 1};
    sync_engine::Subscription subscription;
    const auto is_pushed = [&shell](const std::string& id) {
        const auto records = shell.server.records();
        return std::any_of(records.begin(), records.end(),
                           [&](const auto& record) { return record.id == id; });
    };
    const auto once = [&act] {
        if (const auto now = std::exchange(act, nullptr)) now();
    };
    const bool is_told_of_progress = GENERATE(true, false);
    if (is_told_of_progress) {
        options.on_progress = [&](auto done, auto) {
            if (done > 0) once();
        };
    } else {
        subscription = shell.store.subscribe([&](const auto&) { once(); });
    }

    SECTION("it stops the sync: what was not sent was not staged") {
        act = [&] { shell.engine.request_stop(); };
        CHECK(shell.sync(shell.server.remote(), options).outcome == SyncOutcome::stopped);
        CHECK(shell.store.read({"b"}).front()->sent().empty());
        shell.store.remove("b");
        CHECK(shell.store.read({"b"}).front() == nullptr);
    }
    SECTION("it gives up an edit") {
        act = [&] { shell.store.discard_changes("b"); };
        shell.sync(shell.server.remote(), options);
        CHECK_FALSE(is_pushed("b"));
        CHECK(is_pushed("c"));
    }
    SECTION("it clears the store") {
        act = [&] { shell.store.clear(); };
        shell.sync(shell.server.remote(), options);
        CHECK_FALSE(is_pushed("b"));
        CHECK_FALSE(is_pushed("c"));
    }
}

TEST_CASE("a progress function that throws is reported once and not called again", "[sync]") {
    Shell shell;
    for (int n = 0; n < 5; ++n) shell.edit("r" + std::to_string(n), n);
    int calls = 0;

    const auto result = shell.sync(shell.server.remote(), {.on_progress =
                                                               [&](auto, auto) {
                                                                   ++calls;
                                                                   throw 42;
                                                               },
                                                           .push_batch_size = 1});

    CHECK(calls == 1);
    CHECK(result.outcome == SyncOutcome::completed);
    REQUIRE(result.errors.size() == 1);
    CHECK_THAT(errors_of(result), contains("on_progress threw"));
    shell.check_equal();
}

TEST_CASE("the resolver of an engine counts for its copies too", "[sync]") {
    const ConflictResolver<> resolver{ConflictStrategy::local_wins};
    Shell shell{resolver};
    shell.edit("a", "base");
    shell.sync();
    shell.edit("a", "ours");
    shell.edit_elsewhere("a", "theirs");

    shell.sync();

    CHECK(resolver.resolved_count() == 1);
}

}  // namespace test_of_hooks
