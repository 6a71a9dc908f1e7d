// SPDX-License-Identifier: MIT
#include "support/catch.hpp"
#include "support/shell.hpp"

#include <nlohmann/json.hpp>

#include <chrono>
#include <functional>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace test_of_stopping {

// A sync that is told to end: by a token, by its engine, by the destructor.

using namespace std::chrono_literals;
using namespace sync_engine;
using ::test::contains;
using ::test::errors_of;
using ::test::Ids;
using ::test::Json;
using ::test::Shell;
using ::test::state;
using ::test::text_of;

namespace {

/// Callbacks whose futures never get ready; they say when they are called.
class Silence {
public:
    Remote<> in_pull() {
        return {.pull = [this](PullRequest request) {
            stop_ = request.stop;
            called_.set_value();
            return page_.get_future();
        }};
    }
    Remote<> in_push() {
        return {.push =
                    [this](PushBatch<> batch) {
                        stop_ = batch.stop;
                        called_.set_value();
                        return report_.get_future();
                    },
                .pull = [](PullRequest) { return make_ready_future(PullPage<>{}); }};
    }
    void wait_for_call() { called_.get_future().wait(); }
    /// The token that the callback was given.
    [[nodiscard]] bool is_told() const { return stop_.stop_requested(); }

private:
    StopToken stop_{};
    std::promise<void> called_;
    std::promise<PullPage<>> page_;
    std::promise<PushReport<>> report_;
};

/// A queue of the app, which runs what is in it when it comes to it.
struct MainLoop {
    std::vector<std::function<void()>> tasks{};

    [[nodiscard]] EngineOptions options() {
        auto options = ::test::inline_options();
        options.executor = [this](std::function<void()> task) { tasks.push_back(std::move(task)); };
        return options;
    }
    void run() const {
        for (const auto& task : tasks) task();
    }
};

}  // namespace

TEST_CASE("a sync that was stopped before it began calls nothing", "[sync]") {
    Shell shell;
    shell.edit("a", 1);
    const StopSource source;
    source.request_stop();

    const auto result = shell.sync(shell.server.remote(), {.stop = source.token()});

    CHECK(result.outcome == SyncOutcome::stopped);
    CHECK_FALSE(result.has_errors());
    CHECK(shell.server.pull_calls() + shell.server.push_calls() == 0);
    CHECK(shell.pending() == Ids{"a"});
    CHECK(
        shell
            .sync(shell.server.remote(), {.stop = source.token(), .direction = SyncDirection::push})
            .outcome == SyncOutcome::stopped);
    CHECK(shell.server.push_calls() == 0);
}

TEST_CASE("a stop that nobody runs into is forgotten", "[sync]") {
    Shell shell;
    shell.engine.request_stop();
    CHECK(shell.sync().outcome == SyncOutcome::completed);
}

TEST_CASE("a stop during pull keeps the page that came, and asks for no other", "[sync]") {
    Shell shell;
    shell.edit("mine", 1);
    for (int n = 0; n < 4; ++n) {
        shell.server.seed(state("s" + std::to_string(n), n, shell.clock.now()));
    }
    const StopSource source;
    const bool by_engine = GENERATE(true, false);
    const auto stop = [&] { by_engine ? shell.engine.request_stop() : source.request_stop(); };

    const auto result = shell.sync(::test::with_calls(shell.server, stop, {}),
                                   {.stop = source.token(), .pull_page_size = 2});

    CHECK(result.outcome == SyncOutcome::stopped);
    CHECK(result.pulled == 2);
    CHECK(shell.server.pull_calls() == 1);
    CHECK(shell.server.push_calls() == 0);
    CHECK(text_of(shell.store) == "mine = 1\ns0 = 0\ns1 = 1\n");
    CHECK(shell.pending() == Ids{"mine"});
    CHECK(shell.engine.last_sync_result() == result);
    shell.sync();
    shell.check_equal();
}

TEST_CASE("a callback that says it was stopped ends the sync as stopped", "[sync]") {
    Shell shell;
    shell.edit("mine", 1);
    const std::function<void()> give_up = [] { throw Stopped(); };
    const bool in_pull = GENERATE(true, false);
    const std::function<void()> nothing;

    const auto result = shell.sync(
        ::test::with_calls(shell.server, in_pull ? give_up : nothing, in_pull ? nothing : give_up));

    CHECK(result.outcome == SyncOutcome::stopped);
    CHECK(shell.pending() == Ids{"mine"});
    CHECK(shell.sync().outcome == SyncOutcome::completed);
    shell.check_equal();
}

TEST_CASE("a stop during push keeps the acks that came, and sends no other batch", "[sync]") {
    Shell shell;
    for (int n = 0; n < 4; ++n) shell.edit("r" + std::to_string(n), n);

    const auto result =
        shell.sync(::test::with_calls(shell.server, {}, [&] { shell.engine.request_stop(); }),
                   {.push_batch_size = 2});

    CHECK(result.outcome == SyncOutcome::stopped);
    CHECK(result.pushed == 2);
    CHECK(shell.server.push_calls() == 1);
    CHECK(shell.pending() == Ids{"r2", "r3"});
    CHECK(shell.engine.retry_queue().entries().empty());
    shell.sync();
    shell.check_equal();
}

TEST_CASE("a stop inside a hook ends the sync before the next call", "[sync]") {
    Shell shell;
    shell.edit("mine", 1);
    shell.server.seed(state("theirs", 1, shell.clock.now()));
    SyncOptions options;
    std::size_t pulls = 1;

    SECTION("before") {
        shell.engine.on_before_sync = [&](const auto&) {
            shell.engine.request_stop();
            return true;
        };
        pulls = 0;
    }
    SECTION("progress") {
        options.on_progress = [&](auto, auto) { shell.engine.request_stop(); };
    }
    const auto result = shell.sync(shell.server.remote(), options);

    CHECK(result.outcome == SyncOutcome::stopped);
    CHECK(shell.server.pull_calls() == pulls);
    CHECK(shell.server.push_calls() == 0);
}

TEST_CASE("a stop ends the wait for a future that never gets ready", "[sync][threads]") {
    Shell shell{ConflictResolver<>{}, EngineOptions{.poll_interval = 0ms}};
    shell.edit("a", 1);
    Silence silence;
    const StopSource source;
    const bool in_push = GENERATE(false, true);
    const bool by_engine = GENERATE(false, true);
    auto future = shell.engine.sync(in_push ? silence.in_push() : silence.in_pull(),
                                    {.stop = source.token(), .callback_timeout = 0ms});
    silence.wait_for_call();
    CHECK(shell.engine.is_syncing());
    CHECK(shell.sync().outcome == SyncOutcome::already_running);

    if (by_engine) {
        shell.engine.request_stop();
    } else {
        source.request_stop();
    }
    const auto result = future.get();

    CHECK(result.outcome == SyncOutcome::stopped);
    CHECK(silence.is_told());
    CHECK_FALSE(shell.engine.is_syncing());
    CHECK(shell.pending() == Ids{"a"});
    for (const auto& entry : shell.engine.retry_queue().entries()) CHECK(entry.attempts == 0);
    CHECK(shell.engine.sync(shell.server.remote()).get().outcome == SyncOutcome::completed);
    shell.check_equal();
}

TEST_CASE("a token made of two stops a sync through either of them", "[sync]") {
    Shell shell;
    const StopSource one;
    const StopSource other;
    const bool by_other = GENERATE(false, true);
    (by_other ? other : one).request_stop();

    const auto result =
        shell.sync(shell.server.remote(), {.stop = StopToken::either(one.token(), other.token())});

    CHECK(result.outcome == SyncOutcome::stopped);
}

TEST_CASE("a push that was cut off by a stop is recognised when it comes back", "[sync]") {
    Shell shell;
    shell.edit("a", "sent");
    auto remote = shell.server.remote();
    std::promise<PushReport<>> lost;
    remote.push = [&, push = remote.push](PushBatch<> batch) {
        (void)push(std::move(batch), [](auto future) { return future.get(); });
        shell.engine.request_stop();
        return lost.get_future();
    };

    CHECK(shell.sync(remote).outcome == SyncOutcome::stopped);
    shell.edit("a", "edited since");
    const auto result = shell.sync();

    CHECK(result.conflicts == 0);
    CHECK(shell.server.find("a")->data == "edited since");
    shell.check_equal();
}

TEST_CASE("the destructor stops a running sync and waits for its end", "[sync][threads]") {
    LocalStore<> store;
    store.put({.id = "a", .data = 1});
    Silence silence;
    bool ended = false;
    std::future<SyncResult> future;
    {
        SyncEngine<> engine{store, ConflictResolver<>{}, RetryQueue<>{},
                            EngineOptions{.poll_interval = 0ms}};
        engine.on_after_sync = [&](const auto&) { ended = true; };
        future = engine.sync(silence.in_push(), {.callback_timeout = 0ms});
        silence.wait_for_call();
    }
    CHECK(ended);
    CHECK(future.get().outcome == SyncOutcome::stopped);
    CHECK(store.pending().size() == 1);
}

TEST_CASE("the destructor waits for a sync on somebody else's thread", "[sync][threads]") {
    LocalStore<> store;
    Silence silence;
    std::thread thread;
    std::future<SyncResult> future;
    {
        SyncEngine<> engine{store, ConflictResolver<>{}, RetryQueue<>{},
                            EngineOptions{.executor =
                                              [&](std::function<void()> task) {
                                                  thread = std::thread(std::move(task));
                                              },
                                          .poll_interval = 0ms}};
        future = engine.sync(silence.in_pull(), {.callback_timeout = 0ms});
        silence.wait_for_call();
    }
    CHECK(future.get().outcome == SyncOutcome::stopped);
    thread.join();
}

TEST_CASE("an engine may be destroyed at once after it was asked to sync", "[sync]") {
    ::test::Server server;
    for (int n = 0; n < 50; ++n) {
        LocalStore<> store;
        store.put({.id = "a", .data = n});
        std::future<SyncResult> future;
        {
            SyncEngine<> engine{store};
            future = engine.sync(server.remote());
        }
        const auto outcome = future.get().outcome;
        CHECK((outcome == SyncOutcome::stopped || outcome == SyncOutcome::completed));
    }
}

TEST_CASE("an engine that goes at once still calls the hooks of a sync on its own thread",
          "[sync][threads]") {
    for (int n = 0; n < 200; ++n) {
        LocalStore<> store;
        Silence silence;  // so that nothing but the stop ends the sync
        bool has_begun = false;
        std::vector<SyncOutcome> ends;
        std::future<SyncResult> future;
        {
            SyncEngine<> engine{store, {}, {}, {.poll_interval = 0ms}};
            engine.on_before_sync = [&](const auto&) { return has_begun = true; };
            engine.on_after_sync = [&](const auto& result) { ends.push_back(result.outcome); };
            future = engine.sync(silence.in_pull(), {.callback_timeout = 0ms});
        }
        REQUIRE(has_begun);
        REQUIRE(ends == std::vector{SyncOutcome::stopped});
        REQUIRE(future.get().outcome == SyncOutcome::stopped);
    }
}

// An engine that goes before its executor has begun the sync.

TEST_CASE("a sync that has not begun when its engine is destroyed is cancelled", "[sync]") {
    MainLoop loop;
    ::test::Server server;
    testing::ManualClock clock;
    LocalStore<> store{{.clock = clock.clock()}};
    store.put({.id = "a", .data = 1});
    std::future<SyncResult> future;
    int hooks = 0;
    {
        SyncEngine<> engine{store, {}, {}, loop.options()};
        engine.on_before_sync = [&](const auto&) { return ++hooks > 0; };
        engine.on_after_sync = [&](const auto&) { ++hooks; };
        future = engine.sync(server.remote());
    }

    REQUIRE(future.wait_for(0s) == std::future_status::ready);  // nobody is left to run it
    const auto result = future.get();
    CHECK(result.outcome == SyncOutcome::stopped);
    REQUIRE(result.errors.size() == 1);
    CHECK(result.errors[0].record_id.empty());
    CHECK(result.errors[0].timestamp == clock.now());
    CHECK_THAT(result.errors[0].message, contains("engine was destroyed"));
    loop.run();  // late, and of no use any more
    CHECK(hooks == 0);
    CHECK(server.pull_calls() + server.push_calls() == 0);
    CHECK(store.pending().size() == 1);
    CHECK(store.state().metadata == SyncMetadata{});
}

TEST_CASE("a cancelled sync frees the store at once", "[sync]") {
    MainLoop loop;
    ::test::Server server;
    LocalStore<> store;
    {
        SyncEngine<> engine{store, {}, {}, loop.options()};
        (void)engine.sync(server.remote());
    }
    SyncEngine<> other{store, {}, {}, ::test::inline_options()};

    CHECK(other.sync(server.remote()).get().outcome == SyncOutcome::completed);
    auto ran_inside = SyncOutcome::completed;
    const auto in_pull = [&] {
        loop.run();  // must not free what another has
        ran_inside = other.sync(server.remote()).get().outcome;
    };
    CHECK(other.sync(::test::with_calls(server, in_pull, {})).get().outcome ==
          SyncOutcome::completed);
    CHECK(ran_inside == SyncOutcome::already_running);
}

TEST_CASE("a cancelled sync touches neither engine nor store, and keeps no callback", "[sync]") {
    MainLoop loop;
    const auto kept = std::make_shared<int>(0);
    const bool runs = GENERATE(true, false);
    {
        LocalStore<> store;
        SyncEngine<> engine{store, {}, {}, loop.options()};
        engine.on_after_sync = [kept](const auto&) {};
        (void)engine.sync(
            {.pull = [kept](PullRequest) { return make_ready_future(PullPage<>{}); }});
        CHECK(kept.use_count() > 2);
    }
    CHECK(kept.use_count() == 1);

    if (runs) loop.run();
    loop.tasks.clear();

    CHECK(kept.use_count() == 1);
}

TEST_CASE("a queued sync is begun or dropped or cancelled by whoever is first", "[sync][threads]") {
    ::test::Server server;
    const bool drops = GENERATE(false, true);
    for (int n = 0; n < 200; ++n) {
        LocalStore<> store;
        store.put({.id = "a", .data = n});
        bool has_begun = false;
        bool has_ended = false;
        std::promise<std::function<void()>> handed;
        std::thread loop{[&, taken = handed.get_future()]() mutable {
            const auto task = taken.get();
            if (!drops) task();
        }};
        std::future<SyncResult> future;
        {
            const auto hand_over = [&](std::function<void()> task) {
                handed.set_value(std::move(task));
            };
            SyncEngine<> engine{store, {}, {}, {.executor = hand_over, .poll_interval = 0ms}};
            engine.on_before_sync = [&](const auto&) { return has_begun = true; };
            engine.on_after_sync = [&](const auto&) { has_ended = true; };
            future = engine.sync(server.remote());
            for (int turn = n % 20; turn > 0; --turn) std::this_thread::yield();
        }
        SyncEngine<> other{store, {}, {}, ::test::inline_options()};
        CHECK(other.sync(server.remote()).get().outcome == SyncOutcome::completed);
        CHECK(has_ended == has_begun);
        try {
            const auto result = future.get();
            const bool is_cancelled = result.has_errors();
            CHECK(is_cancelled != has_begun);
            if (is_cancelled) CHECK(result.outcome == SyncOutcome::stopped);
        } catch (const std::future_error&) {
            CHECK(drops);
            CHECK_FALSE(has_begun);
        }
        loop.join();
    }
}

TEST_CASE("the store may be synced by another engine as soon as the future is ready", "[sync]") {
    ::test::Server server;
    LocalStore<> store;
    for (int n = 0; n < 50; ++n) {
        SyncEngine<> one{store};
        SyncEngine<> other{store};
        CHECK(one.sync(server.remote()).get().outcome == SyncOutcome::completed);
        CHECK(other.sync(server.remote()).get().outcome == SyncOutcome::completed);
        CHECK(one.sync(server.remote()).get().outcome == SyncOutcome::completed);
    }
}

}  // namespace test_of_stopping
