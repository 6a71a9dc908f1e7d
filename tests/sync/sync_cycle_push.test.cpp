// SPDX-License-Identifier: MIT
#include <sync_engine/sync/sync_cycle.hpp>

#include "support/catch.hpp"
#include "support/cycle_stage.hpp"

#include <nlohmann/json.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace test_of_sync_cycle_push {

using namespace std::chrono_literals;
using sync_engine::CallError;
using sync_engine::SyncOutcome;
using sync_engine::SyncResult;
using sync_engine::test::contains;
using ::test::CycleStage;
using Json = nlohmann::json;

namespace {

CycleStage stage_with(const std::vector<std::string>& ids) {
    CycleStage stage;
    for (const auto& id : ids) stage.edit(id);
    return stage;
}

std::string error_of(const SyncResult& result, const std::string& id) {
    for (const auto& error : result.errors) {
        if (error.record_id == id) return error.message;
    }
    return "";
}

unsigned attempts_of(const CycleStage& stage, const std::string& id) {
    const auto* retry = stage.entries.at(id)->active_retry();
    return retry == nullptr ? 0 : retry->attempts;
}

bool is_suspect(const CycleStage& stage, const std::string& id) {
    const auto* retry = stage.entries.at(id)->active_retry();
    return retry != nullptr && retry->suspect;
}

}  // namespace

// Whole calls that fail.

TEST_CASE("a batch that fails whole is halved until the poison stands alone", "[sync]") {
    auto stage = stage_with({"a", "b", "c", "d"});
    stage.break_on("c");

    const auto result = stage.run();

    CHECK(stage.text("push") == "push a b c d | push a b | push c d | push c | push d");
    CHECK(result.outcome == SyncOutcome::completed);
    CHECK(result.retried == 3);
    CHECK(is_suspect(stage, "c"));
    CHECK(attempts_of(stage, "c") == 1);
    CHECK(stage.entries.at("d")->is_clean());
    CHECK(stage.state().health.failures == 0);
}

TEST_CASE("a suspect is sent alone and last from then on, and its attempts run out", "[sync]") {
    auto stage = stage_with({"a", "x"});
    stage.break_on("x");
    stage.run();
    REQUIRE(is_suspect(stage, "x"));

    for (unsigned attempt = 2; attempt <= 5; ++attempt) {
        stage.asked.clear();
        stage.edit("a");
        const auto result = stage.run();
        CHECK(stage.text("push") == "push a | push x");
        CHECK(result.pushed == 1);
        CHECK_THAT(error_of(result, "x"), contains("it failed"));
        CHECK(attempts_of(stage, "x") == attempt);
        CHECK(stage.state().health.failures == 0);
    }

    CHECK(stage.entries.at("x")->is_dead_letter());
    stage.asked.clear();
    stage.run();
    CHECK(stage.text("push").empty());
}

TEST_CASE("while nothing passes, the remote is to blame and no record", "[sync]") {
    auto stage = stage_with({"a", "b"});
    stage.break_on("ab");

    for (unsigned cycle = 1; cycle <= 20; ++cycle) {
        const auto result = stage.run();
        CHECK(result.outcome == SyncOutcome::failed);
        CHECK(attempts_of(stage, "a") == 0);
        CHECK(attempts_of(stage, "b") == 0);
        CHECK(stage.state().health.failures == cycle);
    }
    CHECK(stage.entries.at("a")->is_dirty());
    CHECK(stage.entries.at("a")->active_retry() != nullptr);
}

TEST_CASE("after log2(batch) + 2 failures in a row the cycle stops pushing", "[sync]") {
    std::vector<std::string> ids;
    for (int n = 0; n < 8; ++n) ids.push_back("x" + std::to_string(n));
    auto stage = stage_with(ids);
    stage.setup.options.push_batch_size = 4;
    stage.break_on("x0 x1 x2 x3 x4 x5 x6 x7");

    const auto result = stage.run();

    CHECK(stage.text("push") == "push x0 x1 x2 x3 | push x0 x1 | push x0 | push x1");
    CHECK(result.outcome == SyncOutcome::failed);
    CHECK_THAT(error_of(result, ""), contains("push failed: it failed"));
    // x2 and x3 failed with others, x4 to x7 were never tried: only those two have no history.
    CHECK(stage.entries.at("x2")->active_retry() != nullptr);
    CHECK(stage.entries.at("x4")->active_retry() == nullptr);
    CHECK(stage.entries.at("x4")->sent().empty());
}

TEST_CASE("who failed before goes behind those who did not", "[sync]") {
    auto stage = stage_with({"a", "b"});
    stage.break_on("ab");
    stage.run();
    stage.break_on("");
    stage.edit("c");
    stage.asked.clear();

    stage.run();

    CHECK(stage.text("push") == "push c a b");
}

TEST_CASE("an unavailable remote ends the push at once, and what was sent counts as unsent",
          "[sync]") {
    auto stage = stage_with({"a", "b"});
    stage.setup.options.push_batch_size = 1;
    stage.pushes = {CycleStage::failure(CallError::unavailable)};

    const auto result = stage.run();

    CHECK(stage.text("push") == "push a");
    CHECK(result.outcome == SyncOutcome::failed);
    CHECK(stage.entries.at("a")->sent().empty());
    CHECK(attempts_of(stage, "a") == 0);
    CHECK(stage.state().health.failures == 1);
}

TEST_CASE("an unavailable remote takes back the last send, not an earlier one", "[sync]") {
    auto stage = stage_with({"a"});
    stage.pushes = {CycleStage::failure(CallError::unknown),
                    CycleStage::failure(CallError::unavailable)};
    stage.run();
    stage.run();

    REQUIRE(stage.entries.at("a")->sent().size() == 1);
    CHECK(stage.entries.at("a")->sent()[0].attempts == 1);
}

TEST_CASE("a remote that asks to wait is left alone for as long, within the limit", "[sync]") {
    auto stage = stage_with({"a", "b"});
    stage.setup.options.push_batch_size = 1;
    stage.pushes = {CycleStage::failure(CallError::retry_after, 30min)};

    const auto result = stage.run();

    CHECK(stage.text("push") == "push a");
    CHECK(result.outcome == SyncOutcome::failed);
    CHECK(stage.state().health.asked == sync_engine::Wait{stage.now, 30min});
    CHECK(stage.state().health.failures == 0);
    CHECK(attempts_of(stage, "a") == 0);

    stage.now += 30min;
    stage.pushes = {CycleStage::failure(CallError::retry_after, 24h)};
    stage.run();
    CHECK(stage.state().health.asked == sync_engine::Wait{stage.now, 1h});
}

TEST_CASE("a remote that wants a new login ends the push and blames nobody", "[sync]") {
    auto stage = stage_with({"a", "b"});
    stage.setup.options.push_batch_size = 1;
    stage.pushes = {CycleStage::failure(CallError::unauthorized)};

    const auto result = stage.run();

    CHECK(stage.text("push") == "push a");
    CHECK(result.outcome == SyncOutcome::failed);
    CHECK(attempts_of(stage, "a") == 0);
    CHECK(stage.entries.at("a")->is_dirty());
    CHECK(stage.entries.at("b")->is_dirty());
}

TEST_CASE("too large or permanent: several are split, a single one is a dead letter", "[sync]") {
    const auto error = GENERATE(CallError::too_large, CallError::permanent);
    auto stage = stage_with({"a", "x", "b"});
    for (int n = 0; n < 4; ++n) {
        stage.pushes.push_back([error](const auto& call) {
            for (const auto& change : call.changes) {
                if (change.record->id == "x") return CycleStage::failure(error)(call);
            }
            return CycleStage::accept(call);
        });
    }

    const auto result = stage.run();

    CHECK(stage.text("push") == "push a x b | push a | push x b | push x | push b");
    CHECK(stage.entries.at("x")->is_dead_letter());
    CHECK(stage.entries.at("x")->sent().empty());
    CHECK(stage.entries.at("a")->is_clean());
    CHECK(stage.entries.at("b")->is_clean());
    CHECK(result.outcome == SyncOutcome::completed);
    CHECK(stage.state().health.failures == 0);
}

// Replies.

TEST_CASE("a reply is judged record by record", "[sync]") {
    auto stage = stage_with({"accepted", "late", "missing", "rejected"});
    stage.answer({sync_engine::rejected<Json>("rejected", "never"),
                  sync_engine::accepted<Json>("accepted", "r2"),
                  sync_engine::retry<Json>("late", "tomorrow", 10min)});

    const auto result = stage.run();

    CHECK(result.outcome == SyncOutcome::completed);
    CHECK(result.pushed == 1);
    CHECK(stage.entries.at("accepted")->base->revision == "r2");
    CHECK(stage.entries.at("rejected")->is_dead_letter());
    CHECK(attempts_of(stage, "missing") == 1);
    CHECK(stage.entries.at("missing")->sent().size() == 1);
    CHECK(attempts_of(stage, "late") == 0);
    CHECK(stage.entries.at("late")->active_retry()->asked == sync_engine::Wait{stage.now, 10min});
    CHECK_THAT(error_of(result, "rejected"), contains("never"));
    CHECK_THAT(error_of(result, "missing"), contains("no answer"));
    CHECK_THAT(error_of(result, "late"), contains("tomorrow"));
    CHECK(result.errors.size() == 3);
}

TEST_CASE("an empty reply is an attempt of everybody in it, and no outage", "[sync]") {
    auto stage = stage_with({"a", "b"});
    stage.answer({});

    const auto result = stage.run();

    CHECK(result.outcome == SyncOutcome::completed);
    CHECK(attempts_of(stage, "a") == 1);
    CHECK(attempts_of(stage, "b") == 1);
    CHECK(stage.state().health.failures == 0);
}

TEST_CASE("an answer for a record that was not sent is an error and changes nothing", "[sync]") {
    auto stage = stage_with({"a"});
    stage.answer({sync_engine::accepted<Json>("stranger"), sync_engine::accepted<Json>("a")});

    const auto result = stage.run();

    CHECK_THAT(error_of(result, "stranger"), contains("not sent"));
    CHECK(stage.entries.count("stranger") == 0);
    CHECK(result.pushed == 1);
}

TEST_CASE("of several answers for one record the first counts", "[sync]") {
    auto stage = stage_with({"a"});
    stage.answer({sync_engine::accepted<Json>("a", "r2"), sync_engine::rejected<Json>("a", "no"),
                  sync_engine::accepted<Json>("a", "r3")});

    const auto result = stage.run();

    CHECK(result.pushed == 1);
    CHECK_FALSE(result.has_errors());
    CHECK(stage.entries.at("a")->base->revision == "r2");
}

TEST_CASE("a record that waits on the remote's word is left out, in both modes", "[sync]") {
    auto stage = stage_with({"a"});
    stage.setup.options.retry =
        GENERATE(sync_engine::RetryMode::now, sync_engine::RetryMode::when_due);
    stage.answer({sync_engine::retry<Json>("a", "later", 10min)});
    stage.run();
    stage.asked.clear();

    stage.now += 9min;
    stage.run();
    CHECK(stage.text("push").empty());
    stage.now += 1min;
    stage.run();
    CHECK(stage.text("push") == "push a");
}

TEST_CASE("a wait of our own holds back a timer, not a person", "[sync]") {
    auto stage = stage_with({"a"});
    stage.answer({});
    stage.run();
    stage.asked.clear();

    stage.setup.options.retry = sync_engine::RetryMode::when_due;
    stage.run();
    CHECK(stage.text("push").empty());
    stage.setup.options.retry = sync_engine::RetryMode::now;
    stage.run();
    CHECK(stage.text("push") == "push a");
}

// Conflicts in a reply.

TEST_CASE("a conflict in a reply is decided at once and its winner pushed again", "[sync]") {
    auto stage = stage_with({"a"});
    stage.resolver = sync_engine::ConflictResolver<Json>{sync_engine::ConflictStrategy::local_wins};
    stage.answer({sync_engine::conflict(stage.remote_state("a", "theirs", 5))});

    const auto result = stage.run();

    CHECK(stage.text("push") == "push a | push a");
    CHECK(stage.sent[1].changes.at(0).record->revision == "r5");
    CHECK(stage.sent[1].changes.at(0).record->version == 6);
    CHECK(stage.sent[1].changes.at(0).operation_id != stage.sent[0].changes.at(0).operation_id);
    CHECK(result.conflicts == 1);
    CHECK(result.pushed == 1);
    CHECK(stage.entries.at("a")->is_clean());
}

TEST_CASE("rounds that run out are an error on the record and not an attempt", "[sync]") {
    auto stage = stage_with({"a", "b"});
    stage.resolver = sync_engine::ConflictResolver<Json>{sync_engine::ConflictStrategy::local_wins};
    stage.setup.options.push_batch_size = 1;
    stage.setup.options.max_rounds = 2;
    for (std::uint64_t round = 1; round <= 3; ++round) {
        stage.pushes.push_back([&stage, round](const auto& call) {
            if (call.changes.at(0).record->id == "b") return CycleStage::accept(call);
            sync_engine::PushReport<Json> report{sync_engine::conflict(
                stage.remote_state("a", "theirs " + std::to_string(round), 5 + round))};
            return CycleStage::Event{
                sync_engine::ReportArrived<Json>{call.number, std::move(report)}};
        });
    }
    stage.pushes.insert(stage.pushes.begin() + 1,
                        [](const auto& call) { return CycleStage::accept(call); });

    const auto result = stage.run();

    CHECK(stage.text("push") == "push a | push b | push a | push a");
    CHECK_THAT(error_of(result, "a"), contains("2 rounds"));
    CHECK(attempts_of(stage, "a") == 0);
    CHECK(stage.entries.at("a")->is_dirty());
    CHECK(result.outcome == SyncOutcome::completed);
}

TEST_CASE("a conflict with nothing but what the change was made on is a failed attempt", "[sync]") {
    auto stage = stage_with({"a"});
    stage.answer({sync_engine::conflict(*stage.entries.at("a")->base)});

    const auto result = stage.run();

    CHECK(stage.text("push") == "push a");
    CHECK(attempts_of(stage, "a") == 1);
    CHECK(error_of(result, "a") != "");
    CHECK(result.conflicts == 0);
}

TEST_CASE("one error a record: the last one", "[sync]") {
    auto stage = stage_with({"a"});
    auto unusable = stage.remote_state("a", "\xFF", 9);
    stage.pulls = {CycleStage::page({unusable}, 1)};
    stage.answer({sync_engine::rejected<Json>("a", "never")});

    const auto result = stage.run();

    REQUIRE(result.errors.size() == 1);
    CHECK_THAT(result.errors[0].message, contains("never"));
}

// Filters and progress.

TEST_CASE("a filter is asked about what would be pushed, and only about that", "[sync]") {
    auto stage = stage_with({"a", "b", "c", "dead"});
    stage.set_retry("dead", {.dead = true});
    stage.setup.filtered = true;
    std::string asked_about;
    stage.filter = [&](const auto& record) {
        asked_about += record.id;
        return sync_engine::FilterAnswer{.push = record.id == "b",
                                         .error = record.id == "c" ? "it threw" : ""};
    };

    const auto result = stage.run();

    CHECK(asked_about == "abc");
    CHECK(stage.text("push") == "push b");
    CHECK_THAT(error_of(result, "c"), contains("it threw"));
    CHECK(attempts_of(stage, "a") == 0);
    CHECK(stage.entries.at("a")->active_retry() == nullptr);
}

TEST_CASE("what was edited since the filter let it pass is not sent", "[sync]") {
    auto stage = stage_with({"a", "b"});
    stage.setup.filtered = true;
    stage.filter = [&](const auto& record) {
        if (record.id == "b") stage.edit("a", "secret");
        return sync_engine::FilterAnswer{.push = true};
    };

    stage.run();

    CHECK(stage.text("push") == "push b");
    CHECK(stage.entries.at("a")->is_dirty());
}

TEST_CASE("progress that throws is reported once and not told again", "[sync]") {
    auto stage = stage_with({"a", "b"});
    stage.setup.options.push_batch_size = 1;
    stage.setup.options.on_progress = [](std::size_t, std::size_t) {};
    stage.progress = [] { return sync_engine::HookDone{.go_on = true, .error = "no"}; };

    const auto result = stage.run();

    CHECK(stage.text("progress").find('|') == std::string::npos);
    CHECK(result.errors.size() == 1);
    CHECK(result.pushed == 2);
}

TEST_CASE("a remote that answers again is well again", "[sync]") {
    CycleStage stage;
    stage.state().health = {.failures = 4, .backoff = {stage.now, 1min}};

    stage.run();

    CHECK(stage.state().health.failures == 0);
    CHECK(stage.state().health.backoff == sync_engine::Wait{});
}

}  // namespace test_of_sync_cycle_push
