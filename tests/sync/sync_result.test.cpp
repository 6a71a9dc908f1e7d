// SPDX-License-Identifier: MIT
#include <sync_engine/sync/sync_result.hpp>

#include "support/catch.hpp"

#include <nlohmann/json.hpp>

#include <chrono>
#include <string>

namespace test_of_sync_result {

using namespace std::chrono_literals;
using namespace sync_engine;
using nlohmann::json;
using sync_engine::test::contains;
using sync_engine::test::message_of;

namespace {

const Timestamp noon{std::chrono::sys_days{std::chrono::year{2026} / 5 / 4} + 12h};

SyncResult full() {
    return {.outcome = SyncOutcome::failed,
            .pushed = 1,
            .pulled = 2,
            .conflicts = 3,
            .retried = 4,
            .errors = {{"a", "no", noon}, {"", "pull failed", noon}}};
}

}  // namespace

TEST_CASE("the total of a result is the sum of its four counts", "[sync]") {
    CHECK(full().total() == 10);
    CHECK(SyncResult{}.total() == 0);
}

TEST_CASE("a result has errors if it lists one", "[sync]") {
    CHECK(full().has_errors());
    CHECK_FALSE(SyncResult{.outcome = SyncOutcome::failed}.has_errors());
}

TEST_CASE("each outcome has a text of its own", "[sync]") {
    CHECK(to_string(SyncOutcome::completed) == "completed");
    CHECK(to_string(SyncOutcome::vetoed) == "vetoed");
    CHECK(to_string(SyncOutcome::already_running) == "already_running");
    CHECK(to_string(SyncOutcome::stopped) == "stopped");
    CHECK(to_string(SyncOutcome::failed) == "failed");
}

TEST_CASE("a result is written with the keys of the Dart package", "[sync]") {
    const json written = full();

    CHECK(written == json::parse(R"({
        "outcome": "failed", "pushed": 1, "pulled": 2, "conflicts": 3, "retried": 4,
        "errors": [
            {"recordId": "a", "message": "no", "timestamp": "2026-05-04T12:00:00.000000Z"},
            {"recordId": "", "message": "pull failed", "timestamp": "2026-05-04T12:00:00.000000Z"}
        ]})"));
}

TEST_CASE("a result that was written reads back as it was", "[sync]") {
    CHECK(json(full()).get<SyncResult>() == full());
    CHECK(json(SyncResult{}).get<SyncResult>() == SyncResult{});
    for (const auto outcome :
         {SyncOutcome::completed, SyncOutcome::vetoed, SyncOutcome::already_running,
          SyncOutcome::stopped, SyncOutcome::failed}) {
        const SyncResult result{.outcome = outcome};
        CHECK(json(result).get<SyncResult>() == result);
    }
}

TEST_CASE("missing keys of a result are taken as nothing", "[sync]") {
    CHECK(json::object().get<SyncResult>() == SyncResult{});
    CHECK(json{{"pushed", 3}}.get<SyncResult>() == SyncResult{.pushed = 3});
    CHECK(json{{"unknown", 3}}.get<SyncResult>() == SyncResult{});
}

TEST_CASE("a reader of results names the key that is wrong, and changes nothing", "[sync]") {
    SyncResult result = full();
    const auto read = [&](const json& text) {
        return message_of<FormatError>([&] { from_json(text, result); });
    };

    CHECK_THAT(read({{"outcome", "fine"}}), contains("outcome") && contains("fine"));
    CHECK_THAT(read({{"outcome", 3}}), contains("outcome"));
    CHECK_THAT(read({{"pushed", -1}}), contains("pushed"));
    CHECK_THAT(read({{"pulled", "2"}}), contains("pulled"));
    CHECK_THAT(read({{"conflicts", 1.5}}), contains("conflicts"));
    CHECK_THAT(read({{"pushed", 9}, {"retried", json::array()}}), contains("retried"));
    CHECK(read({{"errors", json::object()}}) == "key \"errors\": expected an array, got an object");
    CHECK_THAT(read({{"pushed", 9}, {"errors", {{{"recordId", 1}}}}}), contains("recordId"));
    CHECK_THAT(read(json::array()), contains("sync result"));
    CHECK(result == full());
}

}  // namespace test_of_sync_result
