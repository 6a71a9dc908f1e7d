// SPDX-License-Identifier: MIT
#include <sync_engine/record/error.hpp>
#include <sync_engine/testing/stepped_sync.hpp>

#include "support/catch.hpp"
#include "support/scenario.hpp"
#include "support/simulation.hpp"

#include <chrono>
#include <cstddef>
#include <future>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace test_of_stepped_sync {

using namespace std::chrono_literals;
using sync_engine::CallPull;
using sync_engine::CallPush;
using sync_engine::CommitStep;
using sync_engine::ConflictStrategy;
using sync_engine::make_ready_future;
using sync_engine::PullPage;
using sync_engine::PullRequest;
using sync_engine::PushBatch;
using sync_engine::PushReport;
using sync_engine::StorageError;
using sync_engine::SyncOutcome;
using ::test::contains;
using ::test::Device;
using ::test::errors_of;
using ::test::Ids;
using ::test::Json;
using ::test::pending_ids;
using ::test::Records;
using ::test::Remote;
using ::test::Server;
using ::test::state;
using ::test::SyncOptions;
using ::test::text_of;
using Stepped = sync_engine::testing::SteppedSync<Json>;
using Late = Stepped::LateReply;

namespace {

/// A device whose syncs are stepped, and a server.
struct Bench {
    explicit Bench(Device::Resolver resolve = Device::Resolver{}) : resolver(std::move(resolve)) {}

    std::unique_ptr<Stepped> begin(Remote<Json> remote, SyncOptions options = {}) {
        return std::make_unique<Stepped>(*device.store, resolver, std::move(remote), options);
    }
    std::unique_ptr<Stepped> begin() { return begin(server.remote()); }

    /// Steps up to the next action of this type, or to the end.
    template <class Action>
    static bool step_to(Stepped& sync) {
        while (!sync.is_done() && !std::holds_alternative<Action>(sync.action())) sync.step();
        return !sync.is_done();
    }
    static const sync_engine::SyncResult& finish(Stepped& sync) {
        while (!sync.is_done()) {
            REQUIRE_FALSE(sync.is_waiting());
            sync.step();
        }
        return sync.result();
    }

    Device device{};
    Device::Resolver resolver;
    Server server{};
};

/// A remote whose answers a test gives when it likes.
struct Slow {
    Remote<Json> remote() {
        return {.push =
                    [this](PushBatch<Json>) {
                        pushes.emplace_back();
                        return pushes.back().get_future();
                    },
                .pull =
                    [this](PullRequest) {
                        pulls.emplace_back();
                        return pulls.back().get_future();
                    }};
    }
    /// A page with one record.
    static PullPage<Json> page(const std::string& id) {
        return {.records = {state(id, "late", sync_engine::Timestamp{} + 1h)}, .cursor = id};
    }

    std::vector<std::promise<PushReport<Json>>> pushes{};
    std::vector<std::promise<PullPage<Json>>> pulls{};
};

}  // namespace

TEST_CASE("a stepped sync does what the engine does, one action at a time", "[testing]") {
    Bench bench;
    bench.device.edit("a", 1);
    bench.server.seed(state("b", 2, bench.device.clock.now()));
    const auto sync = bench.begin();
    REQUIRE(sync->has_begun());
    std::size_t steps = 0;
    for (; !sync->is_done(); ++steps) {
        CHECK_FALSE(sync->is_waiting());
        sync->step();
    }

    CHECK(steps > 6);
    CHECK(sync->result().outcome == SyncOutcome::completed);
    CHECK(sync->result().pushed == 1);
    CHECK(sync->result().pulled == 1);
    CHECK(text_of(bench.device) == text_of(bench.server));
    CHECK(pending_ids(bench.device).empty());
}

TEST_CASE("between two steps the app may do what it likes", "[testing]") {
    Bench bench;
    bench.device.edit("a", 1);
    const auto sync = bench.begin();
    REQUIRE(Bench::step_to<CallPush<Json>>(*sync));
    CHECK(bench.server.count() == 0);
    sync->step();
    CHECK(bench.server.count() == 1);
    bench.device.edit("a", 2);  // after the push, before its ack
    Bench::finish(*sync);

    CHECK(bench.device.data("a") == 2);
    CHECK(pending_ids(bench.device) == Ids{"a"});
}

TEST_CASE("a store is synced by one at a time", "[testing]") {
    Bench bench;
    auto sync = bench.begin();
    REQUIRE(sync->has_begun());
    CHECK_FALSE(bench.begin()->has_begun());
    CHECK(bench.device.sync(bench.server.remote()).outcome == SyncOutcome::already_running);

    sync.reset();
    CHECK(bench.begin()->has_begun());
}

TEST_CASE("a stepped sync is asked only what it can answer", "[testing]") {
    Bench bench;
    Slow slow;
    const auto sync = bench.begin(slow.remote());
    CHECK_THROWS_AS(bench.begin()->step(), std::logic_error);  // this one runs
    CHECK_THROWS_AS(sync->result(), std::logic_error);
    CHECK_THROWS_AS(sync->abandon(), std::logic_error);
    CHECK_THROWS_AS(sync->time_out(), std::logic_error);
    REQUIRE(Bench::step_to<CallPull>(*sync));
    sync->step();
    auto late = sync->time_out();
    CHECK_THROWS_AS(sync->ignores(std::move(late)), std::logic_error);  // it has not come
    CHECK_THROWS_AS(sync->ignores(Late{}), std::logic_error);

    CHECK(Bench::finish(*sync).outcome == SyncOutcome::failed);
}

TEST_CASE("a callback that is missing fails its call, and nothing else", "[testing]") {
    Bench bench;
    const auto sync = bench.begin(Remote<Json>{});

    CHECK(Bench::finish(*sync).outcome == SyncOutcome::failed);
    CHECK_THAT(errors_of(sync->result()), contains("there is no pull callback"));
}

TEST_CASE("a resolver's answer is told, with the question", "[testing]") {
    Bench bench{Device::Resolver{ConflictStrategy::local_wins}};
    bench.device.edit("a", "ours");
    bench.server.seed(state("a", "theirs", bench.device.clock.now()));
    std::string told;
    const auto sync = bench.begin();
    sync->on_resolved = [&](const auto& question, const auto& resolved) {
        told += question.local->data.dump() + question.remote->data.dump() +
                resolved.winner->data.dump();
    };
    Bench::finish(*sync);

    CHECK(told == R"("ours""theirs""ours")");
    CHECK(bench.server.find("a")->data == "ours");
}

TEST_CASE("a call that is not ready is under way, until it is", "[testing]") {
    Bench bench;
    Slow slow;
    const auto sync = bench.begin(slow.remote());
    REQUIRE(Bench::step_to<CallPull>(*sync));
    CHECK_FALSE(sync->is_waiting());
    for (int n = 0; n < 3; ++n) {
        sync->step();
        CHECK(sync->is_waiting());
    }
    CHECK(slow.pulls.size() == 1);  // called once

    slow.pulls.front().set_value(Slow::page("a"));
    CHECK_FALSE(sync->is_waiting());
    Bench::finish(*sync);
    CHECK(sync->result().pulled == 1);
    CHECK(bench.device.data("a") == "late");
}

TEST_CASE("a call that throws late fails like one that throws at once", "[testing]") {
    Bench bench;
    Slow slow;
    const auto sync = bench.begin(slow.remote());
    REQUIRE(Bench::step_to<CallPull>(*sync));
    sync->step();
    slow.pulls.front().set_exception(std::make_exception_ptr(std::runtime_error("broken")));

    const auto& result = Bench::finish(*sync);
    CHECK(result.outcome == SyncOutcome::failed);
    CHECK_THAT(errors_of(result), contains("broken"));
}

TEST_CASE("a call that timed out fails, and its late reply changes nothing", "[testing]") {
    Bench bench;
    Slow slow;
    auto sync = bench.begin(slow.remote());
    REQUIRE(Bench::step_to<CallPull>(*sync));
    sync->step();
    auto late = sync->time_out();
    CHECK_FALSE(sync->is_waiting());
    CHECK_FALSE(late.is_ready());
    slow.pulls.front().set_value(Slow::page("a"));
    REQUIRE(late.is_ready());

    SECTION("in the same sync") {
        CHECK(sync->ignores(std::move(late)));
        CHECK(Bench::finish(*sync).outcome == SyncOutcome::failed);
        CHECK_THAT(errors_of(sync->result()), contains("not ready in time"));
    }
    SECTION("once the sync is over") {
        CHECK(Bench::finish(*sync).outcome == SyncOutcome::failed);
        CHECK(sync->ignores(std::move(late)));
    }
    SECTION("in a later sync that waits for the same") {
        Bench::finish(*sync);
        sync.reset();
        sync = bench.begin(slow.remote());
        REQUIRE(Bench::step_to<CallPull>(*sync));
        sync->step();
        CHECK(sync->ignores(std::move(late)));
        CHECK(sync->is_waiting());
        slow.pulls.back().set_value(Slow::page("b"));
        CHECK(Bench::finish(*sync).pulled == 1);
        CHECK(bench.device.data("b") == "late");
    }
    CHECK(bench.device.data("a").is_null());
}

TEST_CASE("the late reply of a push is no ack", "[testing]") {
    Bench bench;
    Slow slow;
    bench.device.edit("a", 1);
    const auto sync = bench.begin(slow.remote(), {.direction = sync_engine::SyncDirection::push});
    REQUIRE(Bench::step_to<CallPush<Json>>(*sync));
    sync->step();
    REQUIRE(sync->is_waiting());
    auto late = sync->time_out();
    slow.pushes.front().set_value({sync_engine::accepted<Json>("a", "r1")});

    CHECK(sync->ignores(std::move(late)));
    Bench::finish(*sync);
    CHECK(pending_ids(bench.device) == Ids{"a"});
}

TEST_CASE("a reply outlives the process that waited for it", "[testing]") {
    Bench bench;
    Slow slow;
    bench.device.edit("a", 1);
    auto sync = bench.begin(slow.remote());
    REQUIRE(Bench::step_to<CallPull>(*sync));
    sync->step();
    Late late = sync->abandon();
    CHECK_FALSE(sync->is_waiting());
    sync.reset();
    bench.device.restart();
    slow.pulls.front().set_exception(std::make_exception_ptr(std::runtime_error("broken")));

    sync = bench.begin(slow.remote());
    REQUIRE(Bench::step_to<CallPull>(*sync));
    CHECK(sync->ignores(std::move(late)));
    CHECK(std::holds_alternative<CallPull>(sync->action()));
}

TEST_CASE("a storage that fails ends the sync, and another one can begin", "[testing]") {
    Bench bench;
    bench.server.seed(state("b", 2, bench.device.clock.now()));
    auto sync = bench.begin();
    REQUIRE(Bench::step_to<CommitStep<Json>>(*sync));
    bench.device.disk->fail_next();
    CHECK_THROWS_AS(sync->step(), StorageError);
    CHECK(bench.device.data("b").is_null());

    sync.reset();
    sync = bench.begin();
    REQUIRE(sync->has_begun());
    CHECK(Bench::finish(*sync).outcome == SyncOutcome::completed);
    CHECK(bench.device.data("b") == 2);
}

TEST_CASE("a stop ends a stepped sync at the next safe point", "[testing]") {
    Bench bench;
    bench.device.edit("a", 1);
    sync_engine::StopSource stop;
    const auto sync = bench.begin(bench.server.remote(), {.stop = stop.token()});
    REQUIRE(Bench::step_to<CallPull>(*sync));
    stop.request_stop();

    CHECK(Bench::finish(*sync).outcome == SyncOutcome::stopped);
    CHECK(bench.server.push_calls() == 0);
}

TEST_CASE("remotes of simple callbacks can be stepped too", "[testing]") {
    Bench bench;
    bench.device.edit("a", 1);
    bench.server.seed(state("b", 2, bench.device.clock.now()));
    const auto sync = bench.begin(bench.server.simple_remote());

    CHECK(Bench::finish(*sync).outcome == SyncOutcome::completed);
    CHECK(text_of(bench.device) == text_of(bench.server));
}

TEST_CASE("a simple callback that is not ready at once has timed out", "[testing]") {
    Bench bench;
    std::promise<Records> never;
    const auto sync = bench.begin({.push = [](Records) { return make_ready_future(Ids{}); },
                                   .pull = [&] { return never.get_future(); }});
    REQUIRE(Bench::step_to<CallPull>(*sync));
    sync->step();

    CHECK_FALSE(sync->is_waiting());
    CHECK(Bench::finish(*sync).outcome == SyncOutcome::failed);
    CHECK_THAT(errors_of(sync->result()), contains("not ready in time"));
}

TEST_CASE("an empty future, and a deferred one, are no calls under way", "[testing]") {
    Bench bench;
    auto remote = bench.server.remote();
    const bool is_empty = GENERATE(true, false);
    remote.pull = [&](PullRequest) {
        if (is_empty) return std::future<PullPage<Json>>{};
        return std::async(std::launch::deferred, [] { return Slow::page("a"); });
    };
    const auto sync = bench.begin(remote);

    CHECK(Bench::finish(*sync).outcome ==
          (is_empty ? SyncOutcome::failed : SyncOutcome::completed));
    if (is_empty) CHECK_THAT(errors_of(sync->result()), contains("returned an empty future"));
    CHECK(bench.device.data("a").is_null() == is_empty);
}

}  // namespace test_of_stepped_sync
