// SPDX-License-Identifier: MIT
#include <sync_engine/sync/sync_cycle.hpp>

#include "support/catch.hpp"
#include "support/cycle_stage.hpp"

#include <nlohmann/json.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <set>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace test_of_sync_cycle {

using namespace std::chrono_literals;
using sync_engine::CallError;
using sync_engine::CallFailed;
using sync_engine::SyncOutcome;
using sync_engine::SyncResult;
using sync_engine::test::contains;
using ::test::CycleStage;
using Json = nlohmann::json;
using Action = CycleStage::Action;
using Page = sync_engine::PageArrived<Json>;
using Report = sync_engine::ReportArrived<Json>;

namespace {

/// The error of a record in a result; "" if there is none.
std::string error_of(const SyncResult& result, const std::string& id) {
    for (const auto& error : result.errors) {
        if (error.record_id == id) return error.message;
    }
    return "";
}

bool is_late(const Action& action) {
    return std::holds_alternative<sync_engine::KeepWaiting>(action);
}

}  // namespace

// The procedure.

TEST_CASE("a cycle asks, pulls, looks for what waits and what is dirty, and ends", "[sync]") {
    CycleStage stage;

    const auto result = stage.run();

    CHECK(stage.text() ==
          "before | pull null | read parked | read dirty | commit metadata | after");
    CHECK(result.outcome == SyncOutcome::completed);
    CHECK(result.total() == 0);
    CHECK(stage.state().metadata.last_sync_at == stage.now);
}

TEST_CASE("a clock beyond the calendar leaves a time that can be written", "[sync]") {
    CycleStage stage;
    stage.now = sync_engine::latest_stamp + 24h;

    CHECK(stage.run().outcome == SyncOutcome::completed);
    CHECK(stage.state().metadata.last_sync_at == sync_engine::latest_stamp);
}

TEST_CASE("pages are pulled until none is left, and each is one commit with its cursor", "[sync]") {
    CycleStage stage;
    stage.pulls = {CycleStage::page({stage.remote_state("a", "new", 2)}, 1, true),
                   CycleStage::page({stage.remote_state("b", "new", 2)}, 2, true),
                   CycleStage::page({}, 3)};

    const auto result = stage.run();

    CHECK(stage.text() ==
          "before | pull null | read a | commit a cursor=1 | pull 1 | read b | commit b cursor=2 | "
          "pull 2 | commit cursor=3 | read parked | read dirty | commit metadata | after");
    CHECK(result.pulled == 2);
}

TEST_CASE("a cursor that stays is not written again", "[sync]") {
    CycleStage stage;
    stage.state().cursor = 7;

    stage.run();

    CHECK(stage.text("commit") == "commit metadata");
}

TEST_CASE("what is dirty is staged in one commit, sent, and acknowledged in another", "[sync]") {
    CycleStage stage;
    stage.edit("a");
    stage.edit("b");

    const auto result = stage.run();

    CHECK(stage.text() ==
          "before | pull null | read parked | read dirty | read a b | commit a b | push a b | "
          "read a b | commit a b | commit metadata | after");
    CHECK(result.pushed == 2);
    CHECK(stage.entries.at("a")->is_clean());
    CHECK(stage.entries.at("a")->base->revision == "r9");
}

TEST_CASE("what a reply says is settled, and the next batch staged, in one commit", "[sync]") {
    CycleStage stage;
    for (const auto* id : {"a", "b", "c"}) stage.edit(id);
    stage.setup.options.push_batch_size = 1;
    stage.setup.options.direction = sync_engine::SyncDirection::push;

    const auto result = stage.run();

    CHECK(stage.text() ==
          "before | read dirty | read a | commit a | push a | read a b | commit a b | push b | "
          "read b c | commit b c | push c | read c | commit c | commit metadata | after");
    CHECK(result.pushed == 3);
}

TEST_CASE("where the app may come between, the next batch is staged when it is sent", "[sync]") {
    CycleStage stage;
    for (const auto* id : {"a", "b"}) stage.edit(id);
    stage.setup.options.push_batch_size = 1;
    stage.setup.options.direction = sync_engine::SyncDirection::push;
    std::string progress = "progress 1/2 | ";
    std::string end = "progress 2/2 | progress 2/2 | ";

    SECTION("because it is told of progress") {
        stage.setup.options.on_progress = [](std::size_t, std::size_t) {};
    }
    SECTION("because it hears of commits") {
        stage.setup.is_watched = true;
        progress = end = "";
    }
    stage.run();

    CHECK(stage.text() ==
          "before | read dirty | read a | commit a | push a | read a | commit a | " + progress +
              "read b | commit b | push b | read b | commit b | " + end +
              "commit metadata | after");
}

TEST_CASE("the winner of a conflict is pushed behind the batch that was staged with it", "[sync]") {
    CycleStage stage;
    for (const auto* id : {"a", "s"}) stage.edit(id);
    stage.set_retry("s", {.suspect = true});
    stage.resolver = sync_engine::ConflictResolver<Json>{sync_engine::ConflictStrategy::local_wins};
    stage.setup.options.push_batch_size = 1;
    stage.pushes = {[&stage](const auto& call) {
        sync_engine::PushReport<Json> report{
            sync_engine::conflict(stage.remote_state("a", "theirs", 3))};
        return CycleStage::Event{Report{call.number, std::move(report)}};
    }};

    const auto result = stage.run();

    CHECK(stage.text("push") == "push a | push a | push s");
    CHECK(result.pushed + result.retried == 2);
    CHECK(stage.entries.at("a")->is_clean());
}

TEST_CASE("a change names its base, its operation and its attempt", "[sync]") {
    CycleStage stage;
    stage.edit("a");
    stage.pushes = {CycleStage::failure(CallError::unknown)};
    stage.run();
    stage.run();

    REQUIRE(stage.sent.size() == 2);
    const auto& change = stage.sent[1].changes.at(0);
    CHECK(change.base->data == "base");
    CHECK(change.record->revision == "r1");
    CHECK(change.operation_id == stage.sent[0].changes.at(0).operation_id);
    CHECK(stage.sent[0].changes.at(0).attempt == 1);
    CHECK(change.attempt == 2);
}

TEST_CASE("direction pull pushes nothing, and direction push pulls nothing", "[sync]") {
    CycleStage pulling;
    pulling.edit("a");
    pulling.setup.options.direction = sync_engine::SyncDirection::pull;
    CHECK(pulling.run().outcome == SyncOutcome::completed);
    CHECK(pulling.text("pu") == "pull null");

    CycleStage pushing;
    pushing.edit("a");
    pushing.setup.options.direction = sync_engine::SyncDirection::push;
    CHECK(pushing.run().outcome == SyncOutcome::completed);
    CHECK(pushing.text("pu") == "push a");
}

TEST_CASE("a failed pull skips the push", "[sync]") {
    CycleStage stage;
    stage.edit("a");
    stage.pulls = {CycleStage::failure(CallError::unknown)};

    const auto result = stage.run();

    CHECK(result.outcome == SyncOutcome::failed);
    CHECK(stage.text("pu") == "pull null");
    CHECK_THAT(error_of(result, ""), contains("pull failed: it failed"));
    CHECK(stage.state().health.failures == 1);
    CHECK_FALSE(stage.state().metadata.last_sync_at);
}

TEST_CASE("a page that is too large is asked for in halves", "[sync]") {
    CycleStage stage;
    stage.setup.options.pull_page_size = 5;
    std::vector<std::size_t> limits;
    for (int n = 0; n < 2; ++n) {
        stage.pulls.push_back([&](const auto& call) {
            limits.push_back(call.request.limit);
            return CycleStage::failure(CallError::too_large)(call);
        });
    }
    stage.pulls.push_back([&](const auto& call) {
        limits.push_back(call.request.limit);
        return CycleStage::page({}, 1)(call);
    });

    CHECK(stage.run().outcome == SyncOutcome::completed);
    CHECK(limits == std::vector<std::size_t>{5, 2, 1});
}

// Before anything is tried.

TEST_CASE("a veto does nothing and writes nothing", "[sync]") {
    CycleStage stage;
    stage.before = [] { return sync_engine::HookDone{.go_on = false}; };

    CHECK(stage.run().outcome == SyncOutcome::vetoed);
    CHECK(stage.text() == "before");

    stage.before = [] { return sync_engine::HookDone{.go_on = true, .error = "no"}; };
    const auto result = stage.run();
    CHECK(result.outcome == SyncOutcome::vetoed);
    CHECK_THAT(error_of(result, ""), contains("on_before_sync threw: no"));
}

TEST_CASE("another remote on the same store is refused with an explanation", "[sync]") {
    CycleStage stage;
    stage.state().remote_name = "office";
    stage.setup.remote_name = "home";

    const auto result = stage.run();

    CHECK(result.outcome == SyncOutcome::failed);
    CHECK(stage.text() == "before");
    CHECK_THAT(error_of(result, ""), contains("\"office\""));
    CHECK_THAT(error_of(result, ""), contains("\"home\""));
}

TEST_CASE("a pause that the remote asked for holds in both modes; our own wait in one", "[sync]") {
    const auto mode = GENERATE(sync_engine::RetryMode::now, sync_engine::RetryMode::when_due);
    CycleStage asked;
    asked.setup.options.retry = mode;
    asked.state().health.asked = {asked.now - 1min, 2min};
    CHECK(asked.run().outcome == SyncOutcome::failed);
    CHECK(asked.text() == "before");
    asked.now += 1min;
    CHECK(asked.run().outcome == SyncOutcome::completed);

    CycleStage ill;
    ill.setup.options.retry = mode;
    ill.state().health = {.failures = 3, .backoff = {ill.now, 2min}};
    const bool is_tried = mode == sync_engine::RetryMode::now;
    CHECK(ill.run().outcome == (is_tried ? SyncOutcome::completed : SyncOutcome::failed));
}

TEST_CASE("a pause that was stored is clamped when it is loaded", "[sync]") {
    CycleStage stage;
    stage.setup.max_wait = 1h;
    stage.state().health.asked = {stage.now - 2h, 24h * 365};

    CHECK(stage.run().outcome == SyncOutcome::completed);
}

// Late replies.

TEST_CASE("a reply under another number is late, and the right one still counts", "[sync]") {
    CycleStage stage;
    CycleStage::Cycle cycle{stage.setup};
    CHECK(std::holds_alternative<sync_engine::AskBefore>(cycle.start(stage.now)));
    const auto action = cycle.resume(sync_engine::HookDone{}, stage.now);
    const auto number = std::get<sync_engine::CallPull>(action).number;

    CHECK(is_late(cycle.resume(Page{number + 1, {}}, stage.now)));
    CHECK(is_late(cycle.resume(Page{number - 1, {}}, stage.now)));
    CHECK(is_late(cycle.resume(CallFailed{.number = 0}, stage.now)));
    CHECK(is_late(cycle.resume(Report{number + 1, {}}, stage.now)));
    CHECK_FALSE(is_late(cycle.resume(Page{number, {}}, stage.now)));
    CHECK(is_late(cycle.resume(Page{number, {}}, stage.now)));
}

TEST_CASE("a reply after its time-out is late, also while nothing is waited for", "[sync]") {
    CycleStage stage;
    stage.edit("a");
    stage.edit("b");
    std::uint64_t timed_out = 0;
    stage.pushes = {[&](const auto& call) {
        timed_out = call.number;
        return CycleStage::failure(CallError::unknown)(call);
    }};
    std::size_t late = 0;

    const auto result = stage.run([&](auto& cycle, std::size_t) {
        if (timed_out == 0 || stage.asked.back().rfind("push", 0) == 0) return;
        const sync_engine::PushReport<Json> report{sync_engine::accepted<Json>("a"),
                                                   sync_engine::accepted<Json>("b")};
        late += is_late(cycle.resume(Report{timed_out, report}, stage.now)) ? 1 : 0;
    });

    CHECK(late > 3);
    CHECK(result.retried == 2);
    CHECK(stage.text("push") == "push a b | push a | push b");
}

TEST_CASE("a reply to a cycle with another seed is late", "[sync]") {
    const auto number_under = [](std::uint64_t seed) {
        CycleStage stage;
        stage.setup.seed = seed;
        stage.run();
        return stage.numbers.at(0);
    };

    CHECK(number_under(1) == number_under(1));
    CHECK(number_under(1) != number_under(2));
    CHECK(number_under(1) != number_under(2) + 1);
    CHECK(number_under(1) + 1 != number_under(2));
}

TEST_CASE("numbers of requests never repeat within a cycle", "[sync]") {
    CycleStage stage;
    stage.setup.options.push_batch_size = 1;
    for (const char* id : {"a", "b", "c", "d"}) stage.edit(id);
    stage.pulls = {CycleStage::page({}, 1, true), CycleStage::page({}, 2)};

    stage.run();

    CHECK(std::set<std::uint64_t>(stage.numbers.begin(), stage.numbers.end()).size() == 6);
}

// Stopping, and being the same again.

namespace {

/// Every phase at least once: two pages, a conflict, a parked state, an absence, a filter, a batch
/// that is halved, a conflict in a reply.
CycleStage busy_stage() {
    CycleStage stage;
    stage.setup.options.on_progress = [](std::size_t, std::size_t) {};
    stage.setup.filtered = true;
    stage.filter = [](const auto&) { return sync_engine::FilterAnswer{.push = true}; };
    stage.resolver = sync_engine::ConflictResolver<Json>{sync_engine::ConflictStrategy::local_wins};
    for (const char* id : {"a", "b", "c", "d"}) stage.edit(id);
    auto parked = sync_engine::rules::waiting(*stage.entries["d"],
                                              stage.remote_state("p", "theirs", 4), false);
    parked.local = sync_engine::rules::shared(stage.remote_state("p", "edit", 2));
    parked.base = sync_engine::rules::shared(stage.remote_state("p", "base", 1));
    stage.put(std::move(parked));
    stage.put(
        sync_engine::rules::taken<Json>(nullptr, stage.remote_state("q", "gone", 1), stage.now));
    const auto complete = [](std::vector<CycleStage::Record> rows, Json cursor, bool has_more) {
        return [=](const CycleStage::Pull& call) {
            sync_engine::PullPage<Json> page;
            page.records = rows;
            page.cursor = cursor;
            page.has_more = has_more;
            page.complete = true;
            return CycleStage::Event{Page{call.number, std::move(page)}};
        };
    };
    stage.pulls = {complete({stage.remote_state("a", "theirs", 3)}, 1, true),
                   complete({stage.remote_state("n", "new", 3)}, 2, false)};
    stage.pushes = {CycleStage::failure(CallError::unknown), [&stage](const auto& call) {
                        sync_engine::PushReport<Json> report{sync_engine::conflict(
                            stage.remote_state(call.changes.at(0).record->id, "theirs again", 8))};
                        return CycleStage::Event{Report{call.number, std::move(report)}};
                    }};
    return stage;
}

}  // namespace

TEST_CASE("a stop at any step ends the cycle before its next call", "[sync]") {
    std::size_t steps = 0;
    {
        CycleStage stage = busy_stage();
        stage.pushes.pop_back();
        CHECK(stage.run([&](auto&, std::size_t) { ++steps; }).outcome == SyncOutcome::completed);
        REQUIRE(steps > 30);
    }

    for (std::size_t at = 1; at <= steps; ++at) {
        CycleStage stage = busy_stage();
        stage.pushes.pop_back();
        std::size_t calls = 0;
        const auto result = stage.run([&](auto& cycle, std::size_t step) {
            if (step != at) return;
            cycle.request_stop();
            calls = stage.numbers.size();
        });

        INFO("stopped after " << at << " of " << steps << ": " << stage.text());
        CHECK(stage.numbers.size() == calls);
        CHECK(stage.asked.back() == "after");
        if (result.outcome == SyncOutcome::completed) {
            for (const auto& [id, entry] : stage.entries) CHECK(entry->is_clean());
        } else {
            CHECK(result.outcome == SyncOutcome::stopped);
        }
        // Nothing is lost: the next cycle does the rest.
        stage.pulls.clear();
        stage.pushes.clear();
        CHECK(stage.run().outcome == SyncOutcome::completed);
        for (const auto& [id, entry] : stage.entries) CHECK(entry->is_clean());
    }
}

TEST_CASE("the same setup and the same events are the same actions", "[sync]") {
    const auto course = [](std::uint64_t seed) {
        CycleStage stage = busy_stage();
        stage.pushes.pop_back();
        stage.setup.seed = seed;
        stage.setup.retry.jitter = 1.0;
        const auto result = stage.run();
        std::string text = stage.text() + Json(result).dump();
        for (const auto& number : stage.numbers) text += " " + std::to_string(number);
        return text;
    };

    CHECK(course(1) == course(1));
    CHECK(course(1) != course(2));
}

TEST_CASE("a call that was cut off by a stop blames nobody", "[sync]") {
    CycleStage stage;
    stage.edit("a");
    stage.pushes = {CycleStage::failure(CallError::stopped)};

    const auto result = stage.run();

    CHECK(result.outcome == SyncOutcome::stopped);
    CHECK_FALSE(result.has_errors());
    CHECK(stage.state().health.failures == 0);
    CHECK_FALSE(stage.entries.at("a")->retry());
    CHECK(stage.entries.at("a")->sent().size() == 1);
}

// Records that move.

TEST_CASE("a record edited between read and commit is read again, and the cursor waits for it",
          "[sync]") {
    CycleStage stage;
    stage.pulls = {CycleStage::page({stage.remote_state("a", "theirs", 3)}, 1)};
    stage.setup.options.direction = sync_engine::SyncDirection::pull;
    stage.edit("b");
    bool is_edited = false;
    stage.before_commit = [&] {
        if (!std::exchange(is_edited, true)) stage.edit("a");
    };
    stage.resolver = sync_engine::ConflictResolver<Json>{sync_engine::ConflictStrategy::local_wins};

    const auto result = stage.run();

    CHECK(stage.text() ==
          "before | pull null | read a | commit a cursor=1 | read a | resolve a | "
          "commit a cursor=1 | read parked | commit metadata | after");
    CHECK(result.conflicts == 1);
    CHECK(stage.entries.at("a")->local->data == "edit");
    CHECK(stage.state().cursor == 1);
}

TEST_CASE("a record that keeps moving is parked, and cursor, push and the others go on", "[sync]") {
    CycleStage stage;
    stage.edit("a");
    stage.edit("b");
    stage.pulls = {CycleStage::page({stage.remote_state("a", "theirs", 3)}, 1)};
    int edits = 0;
    stage.before_commit = [&] {
        if (stage.asked.back().rfind("commit a", 0) == 0 && stage.state().cursor.is_null()) {
            stage.edit("a", "edit " + std::to_string(++edits));
        }
    };

    const auto result = stage.run();

    CHECK(edits == 9);
    CHECK(stage.state().cursor == 1);
    CHECK_THAT(error_of(result, "a"), contains("kept changing"));
    CHECK(result.outcome == SyncOutcome::completed);
    CHECK(stage.entries.at("b")->is_clean());
}

TEST_CASE("a store that is cleared under the cycle stops it", "[sync]") {
    for (const char* at : {"commit n", "commit a", "push a"}) {
        CycleStage stage;
        stage.edit("a");
        stage.pulls = {CycleStage::page({stage.remote_state("n", "new", 3)}, 1)};
        const auto clear = [&] {
            stage.entries.clear();
            ++stage.state().epoch;
            stage.state().cursor = nullptr;
        };
        stage.before_commit = [&] {
            if (stage.asked.back().rfind(at, 0) == 0) clear();
        };
        stage.pushes = {[&](const auto& call) {
            if (std::string{at} == "push a") clear();
            return CycleStage::accept(call);
        }};

        const auto result = stage.run();

        INFO("cleared at " << at << ": " << stage.text());
        CHECK(result.outcome == SyncOutcome::stopped);
        CHECK_THAT(error_of(result, ""), contains("cleared"));
        CHECK(stage.entries.empty());
        CHECK(stage.state().cursor.is_null());
    }
}

}  // namespace test_of_sync_cycle
