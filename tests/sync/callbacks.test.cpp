// SPDX-License-Identifier: MIT
#include "support/catch.hpp"
#include "support/shell.hpp"

#include <nlohmann/json.hpp>

#include <chrono>
#include <functional>
#include <future>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace test_of_callbacks {

// Push and pull in every state that user code can be in. None of them loses an edit.

using namespace std::chrono_literals;
using namespace sync_engine;
using ::test::contains;
using ::test::errors_of;
using ::test::Ids;
using ::test::Json;
using ::test::Records;
using ::test::Shell;
using ::test::state;
using ::test::text_of;

namespace {

template <class Value>
using Call = std::function<std::future<Value>()>;

template <class Value>
struct Failure {
    std::string name{};
    Call<Value> call{};
    std::string message{};
};

/// Every way in which a callback can fail without telling which kind of failure it was.
template <class Value>
std::vector<Failure<Value>> failures() {
    const auto failing = [](auto error) {
        return [error]() -> std::future<Value> {
            std::promise<Value> promise;
            promise.set_exception(std::make_exception_ptr(error));
            return promise.get_future();
        };
    };
    auto never = std::make_shared<std::promise<Value>>();
    return {
        {"throws", []() -> std::future<Value> { throw std::runtime_error("boom"); }, "boom"},
        {"throws no std::exception", []() -> std::future<Value> { throw 42; }, "no std::exception"},
        {"a future that throws", failing(std::runtime_error("boom")), "boom"},
        {"a future that throws no std::exception", failing(42), "no std::exception"},
        {"a broken promise", [] { return std::promise<Value>{}.get_future(); }, "romise"},
        {"an empty future", [] { return std::future<Value>{}; }, "an empty future"},
        {"a future that is never ready",
         [never] {
             *never = std::promise<Value>{};
             return never->get_future();
         },
         "not ready within"},
        {"a deferred future that throws",
         [] {
             return std::async(std::launch::deferred,
                               []() -> Value { throw std::runtime_error("boom"); });
         },
         "boom"},
    };
}

}  // namespace

TEST_CASE("a pull that fails in any way changes nothing and skips the push", "[sync]") {
    const auto check = [](Shell& shell, const Remote<>& remote, const std::string& message) {
        shell.edit("mine", 1);
        std::size_t pushes = 0;
        auto watched = remote;
        watched.push = [&](PushBatch<>) {
            ++pushes;
            return make_ready_future(PushReport<>{});
        };
        const auto result = shell.sync(watched, {.callback_timeout = 5s});

        CHECK(result.outcome == SyncOutcome::failed);
        CHECK_THAT(errors_of(result), contains("pull failed: "));
        CHECK_THAT(errors_of(result), contains(message));
        CHECK(pushes == 0);
        CHECK(shell.pending() == Ids{"mine"});
        CHECK_FALSE(shell.engine.is_syncing());
        shell.sync();
        shell.check_equal();
    };
    for (const auto& failure : failures<PullPage<>>()) {
        INFO(failure.name << ", native");
        Shell shell;
        check(shell, {.pull = [&](PullRequest) { return failure.call(); }}, failure.message);
    }
    for (const auto& failure : failures<Records>()) {
        INFO(failure.name << ", simple");
        Shell shell;
        check(shell, {.pull = [&] { return failure.call(); }}, failure.message);
    }
}

TEST_CASE("a push that fails in any way keeps the edit and blames nobody", "[sync]") {
    const auto check = [](Shell& shell, const Remote<>& remote, const std::string& message) {
        shell.edit("mine", 1);
        const auto result = shell.sync(remote, {.callback_timeout = 5s});

        CHECK(result.outcome == SyncOutcome::failed);
        CHECK_THAT(errors_of(result), contains("push failed: "));
        CHECK_THAT(errors_of(result), contains(message));
        CHECK(shell.pending() == Ids{"mine"});
        CHECK(shell.engine.retry_queue().count() == 1);
        CHECK(shell.engine.retry_queue().entries().at(0).attempts == 0);
        CHECK_FALSE(shell.engine.is_syncing());
        CHECK(shell.sync().retried == 1);
        shell.check_equal();
    };
    for (const auto& failure : failures<PushReport<>>()) {
        INFO(failure.name << ", native");
        Shell shell;
        check(shell,
              {.push = [&](PushBatch<>) { return failure.call(); },
               .pull = shell.server.remote().pull},
              failure.message);
    }
    for (const auto& failure : failures<Ids>()) {
        INFO(failure.name << ", simple");
        Shell shell;
        check(shell,
              {.push = [&](Records) { return failure.call(); },
               .pull = shell.server.simple_remote().pull},
              failure.message);
    }
}

TEST_CASE("simple and native callbacks may be mixed", "[sync]") {
    Shell shell;
    shell.edit("mine", 1);
    shell.server.seed(state("theirs", 2, shell.clock.now()));
    Remote<> remote;

    SECTION("simple push, native pull") {
        remote = {.push = shell.server.simple_remote().push, .pull = shell.server.remote().pull};
    }
    SECTION("native push, simple pull") {
        remote = {.push = shell.server.remote().push, .pull = shell.server.simple_remote().pull};
    }
    SECTION("both simple") {
        remote = shell.server.simple_remote();
    }
    SECTION("both native") {
        remote = shell.server.remote();
    }
    const auto result = shell.sync(remote);

    CHECK(result.pulled == 1);
    CHECK(result.pushed == 1);
    shell.check_equal();
    CHECK(shell.sync(remote).total() == 0);
    CHECK(shell.store.state().cursor.is_null() != remote.pull.keeps_cursor());
}

TEST_CASE("deferred and asynchronous futures are waited for", "[sync][threads]") {
    const auto policy = GENERATE(std::launch::deferred, std::launch::async);
    Shell shell{ConflictResolver<>{}, EngineOptions{.executor = inline_executor(), .monotonic = [] {
                                                        return std::chrono::nanoseconds{0};
                                                    }}};
    shell.edit("mine", 1);
    shell.server.seed(state("theirs", 2, shell.clock.now()));
    const auto native = shell.server.remote();
    const auto get = [](auto future) { return future.get(); };

    const auto result =
        shell.sync({.push =
                        [&](PushBatch<> batch) {
                            return std::async(policy, [&native, get, batch = std::move(batch)] {
                                return native.push(batch, get);
                            });
                        },
                    .pull =
                        [&](PullRequest request) {
                            return std::async(policy, [&native, get, request] {
                                return native.pull(request, get);
                            });
                        }});

    CHECK(result.outcome == SyncOutcome::completed);
    shell.check_equal();
}

TEST_CASE("a page that arrives after its time-out is ignored", "[sync]") {
    Shell shell;
    std::promise<PullPage<>> late;
    shell.sync({.pull = [&](PullRequest) { return late.get_future(); }}, {.callback_timeout = 5s});

    PullPage<> page;
    page.records = {state("late", 1, shell.clock.now())};
    page.cursor = "late";
    late.set_value(page);
    shell.sync();

    CHECK_FALSE(shell.store.get("late"));
    CHECK(shell.store.state().cursor != "late");
}

TEST_CASE("an ack that arrives after its time-out is ignored, and the edit goes under its old name",
          "[sync]") {
    Shell shell;
    shell.edit("mine", 1);
    std::promise<PushReport<>> late;
    std::vector<Change<>> sent;
    Remote<> remote = shell.server.remote();
    remote.push = [&](PushBatch<> batch) {
        sent = batch.changes;
        return late.get_future();
    };
    shell.sync(remote, {.callback_timeout = 5s});

    late.set_value({accepted<>("mine", "late")});
    shell.sync(
        ::test::with_calls(shell.server, [&] { CHECK(shell.pending() == Ids{"mine"}); }, {}));

    CHECK(shell.server.applied(sent.at(0).operation_id) == 1);
    CHECK(shell.store.get("mine")->revision != "late");
    shell.check_equal();
}

TEST_CASE("a time-out of zero or less waits for ever", "[sync]") {
    Shell shell;
    std::promise<PullPage<>> slow;
    std::size_t looks = 0;
    LocalStore<> store;
    SyncEngine<> engine{store, ConflictResolver<>{}, RetryQueue<>{},
                        EngineOptions{.executor = inline_executor(),
                                      .monotonic =
                                          [&] {
                                              if (++looks == 1000) slow.set_value({});
                                              return std::chrono::hours{looks};
                                          },
                                      .poll_interval = 0ms,
                                      .can_wait = true}};

    const auto result = engine
                            .sync({.pull = [&](PullRequest) { return slow.get_future(); }},
                                  {.callback_timeout = 0ms})
                            .get();

    CHECK(result.outcome == SyncOutcome::completed);
    CHECK(looks >= 1000);
}

TEST_CASE("without a pull there is nothing to push on, unless only a push was asked for",
          "[sync]") {
    Shell shell;
    shell.edit("mine", 1);
    Remote<> remote{.push = shell.server.remote().push};
    const bool is_empty_function = GENERATE(false, true);
    if (is_empty_function) remote.pull = PullCallback<>::Native{};
    if (is_empty_function) remote.pull = PullCallback<>::Simple{};

    const auto result = shell.sync(remote);
    CHECK(result.outcome == SyncOutcome::failed);
    CHECK_THAT(errors_of(result), contains("there is no pull callback"));
    CHECK(shell.server.push_calls() == 0);

    CHECK(shell.sync(remote, {.direction = SyncDirection::push}).outcome == SyncOutcome::completed);
    shell.check_equal();
}

TEST_CASE("without a push a sync pulls, and says what it could not push", "[sync]") {
    Shell shell;
    shell.server.seed(state("theirs", 1, shell.clock.now()));
    Remote<> remote{.pull = shell.server.remote().pull};
    const bool is_empty_function = GENERATE(false, true);
    if (is_empty_function) remote.push = PushCallback<>::Native{};

    CHECK(shell.sync(remote).outcome == SyncOutcome::completed);
    CHECK(shell.data("theirs") == 1);
    shell.edit("mine", 1);
    CHECK(shell.sync(remote, {.direction = SyncDirection::pull}).outcome == SyncOutcome::completed);
    const auto result = shell.sync(remote);
    CHECK(result.outcome == SyncOutcome::failed);
    CHECK_THAT(errors_of(result), contains("there is no push callback"));
    CHECK(shell.pending() == Ids{"mine"});
    shell.sync();
    shell.check_equal();
}

TEST_CASE("an edit made inside a callback is never lost", "[sync]") {
    Shell shell{ConflictResolver<>{ConflictStrategy::local_wins}};
    shell.edit("a", "base");
    shell.sync();
    shell.edit("a", "ours");
    shell.edit_elsewhere("a", "theirs");
    bool once = true;
    const auto edit = [&] {
        if (std::exchange(once, false)) shell.edit("a", "edited inside");
    };
    SyncOptions options;
    auto remote = shell.server.remote();

    SECTION("pull") {
        remote = ::test::with_calls(shell.server, edit, {});
    }
    SECTION("push") {
        remote = ::test::with_calls(shell.server, {}, edit);
    }
    SECTION("progress") {
        options.on_progress = [&](auto, auto) { edit(); };
    }
    SECTION("on_conflict") {
        shell.engine.on_conflict = [&](const auto&, const auto&) { edit(); };
    }
    SECTION("before") {
        shell.engine.on_before_sync = [&](const auto&) {
            edit();
            return true;
        };
    }
    SECTION("after") {
        shell.engine.on_after_sync = [&](const auto&) { edit(); };
    }
    shell.sync(remote, options);
    CHECK(shell.data("a") == "edited inside");
    shell.sync();

    CHECK(shell.data("a") == "edited inside");
    shell.check_equal();
}

TEST_CASE("a resolver that edits the record it decides is asked again about the newest edit",
          "[sync]") {
    std::vector<std::string> asked;
    std::unique_ptr<Shell> shell;
    shell = std::make_unique<Shell>(ConflictResolver<>{[&](const auto& local, const auto&) {
        asked.push_back(local.data);
        if (asked.size() == 1) shell->edit("a", "edited inside");
        return local;
    }});
    shell->edit("a", "base");
    shell->sync();
    shell->edit("a", "ours");
    shell->edit_elsewhere("a", "theirs");

    shell->sync();

    CHECK(asked == std::vector<std::string>{"ours", "edited inside"});
    CHECK(shell->server.find("a")->data == "edited inside");
    shell->check_equal();
}

TEST_CASE("a resolver that edits its record each time is given up on, and nothing is lost",
          "[sync]") {
    int calls = 0;
    bool is_restless = true;
    std::unique_ptr<Shell> shell;
    shell = std::make_unique<Shell>(ConflictResolver<>{[&](const auto& local, const auto&) {
        ++calls;
        if (is_restless) shell->edit("a", calls);
        return local;
    }});
    shell->edit("a", "base");
    shell->edit("b", "other");
    shell->sync();
    shell->edit("a", "ours");
    shell->edit("b", "ours");
    shell->edit_elsewhere("a", "theirs");

    const auto result = shell->sync();

    CHECK(calls < 10);
    CHECK(result.outcome == SyncOutcome::completed);
    CHECK_THAT(errors_of(result), contains("a: "));
    CHECK(shell->data("a") == calls);
    CHECK(shell->pending() == Ids{"a"});
    CHECK(shell->server.find("a")->data == "theirs");
    CHECK(shell->server.find("b")->data == "ours");
    is_restless = false;
    CHECK(shell->sync().conflicts == 1);
    CHECK(shell->server.find("a")->data == shell->data("a"));
    shell->check_equal();
}

TEST_CASE("a sync asked for inside any callback answers that one is running", "[sync]") {
    Shell shell{ConflictResolver<>{ConflictStrategy::local_wins}};
    shell.edit("a", "base");
    shell.sync();
    shell.edit("a", "ours");
    shell.edit_elsewhere("a", "theirs");
    std::vector<SyncOutcome> answers;
    const auto ask = [&] {
        CHECK(shell.engine.is_syncing());
        answers.push_back(shell.sync().outcome);
        answers.push_back(
            shell.engine.sync_where([](const auto&) { return true; }, shell.server.remote())
                .get()
                .outcome);
    };
    shell.engine.on_before_sync = [&](const auto&) {
        ask();
        return true;
    };
    shell.engine.on_conflict = [&](const auto&, const auto&) { ask(); };
    shell.engine.on_after_sync = [&](const auto&) { ask(); };

    const auto result = shell.sync(::test::with_calls(shell.server, ask, ask),
                                   {.on_progress = [&](auto, auto) { ask(); }});

    CHECK(result.outcome == SyncOutcome::completed);
    CHECK(answers.size() >= 12);
    CHECK(answers == std::vector(answers.size(), SyncOutcome::already_running));
    CHECK(shell.engine.last_sync_result() == result);
    shell.check_equal();
}

TEST_CASE("the engine may be asked anything inside a callback", "[sync]") {
    Shell shell;
    shell.edit("a", 1);
    shell.sync();
    shell.edit("a", 2);
    std::size_t asked = 0;
    const auto ask = [&] {
        ++asked;
        CHECK(shell.engine.metadata().total_pushes == 1);
        CHECK(shell.engine.last_sync_result()->pushed == 1);
        CHECK(shell.engine.retry_queue().count() == 0);
        shell.engine.retry_queue().clear();
        (void)shell.engine.retry_queue().dequeue_all();
    };

    shell.sync(::test::with_calls(shell.server, ask, ask));

    CHECK(asked == 2);
    shell.check_equal();
}

TEST_CASE("a store that is cleared inside a callback stays clear, and the sync says so", "[sync]") {
    Shell shell;
    shell.edit("a", 1);
    shell.sync();
    shell.edit("b", 2);
    shell.server.seed(state("theirs", 3, shell.clock.now()));
    const auto clear = [&] { shell.store.clear(); };

    SECTION("in pull") {
        const auto result = shell.sync(::test::with_calls(shell.server, clear, {}));
        CHECK(result.outcome == SyncOutcome::stopped);
        CHECK_THAT(errors_of(result), contains("cleared"));
        CHECK(shell.server.push_calls() == 1);
    }
    SECTION("in push") {
        const auto result = shell.sync(::test::with_calls(shell.server, {}, clear));
        CHECK(result.outcome == SyncOutcome::stopped);
    }
    CHECK(shell.store.all().empty());
    CHECK(shell.pending().empty());
    CHECK(shell.store.state().cursor.is_null());
    shell.sync();
    shell.check_equal();
}

TEST_CASE("callbacks are freed when their sync is over", "[sync]") {
    Shell shell;
    auto token = std::make_shared<int>();
    const std::weak_ptr<int> held = token;
    // As temporaries: a std::function that was moved from may keep what it held.
    auto future = shell.engine.sync(
        {.pull = [token](PullRequest) { return make_ready_future(PullPage<>{}); }},
        {.on_progress = [token](auto, auto) {}});
    token.reset();
    CHECK(held.expired());
    CHECK(future.get().outcome == SyncOutcome::completed);
}

}  // namespace test_of_callbacks
