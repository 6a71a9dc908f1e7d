// SPDX-License-Identifier: MIT
#include <sync_engine/store/sync_metadata.hpp>

#include "support/catch.hpp"

#include <nlohmann/json.hpp>

#include <chrono>
#include <cstdint>
#include <limits>
#include <optional>

namespace test_of_sync_metadata {

using namespace std::chrono_literals;
using namespace sync_engine;
using namespace sync_engine::test;
using nlohmann::json;

namespace {

const SyncMetadata full{.last_sync_at = parse_timestamp("2026-05-04T12:00:00.000001Z"),
                        .last_duration = 250ms,
                        .total_pushes = 1,
                        .total_pulls = 2,
                        .total_conflicts = std::numeric_limits<std::uint64_t>::max()};

}  // namespace

TEST_CASE("metadata is written with the keys of the Dart package", "[store]") {
    CHECK(json(full) == json{{"lastSyncAt", "2026-05-04T12:00:00.000001Z"},
                             {"lastDuration", 250},
                             {"totalPushes", 1},
                             {"totalPulls", 2},
                             {"totalConflicts", std::numeric_limits<std::uint64_t>::max()}});
}

TEST_CASE("metadata of a store that never synced says so", "[store]") {
    CHECK(json(SyncMetadata{}) == json{{"lastSyncAt", nullptr},
                                       {"lastDuration", nullptr},
                                       {"totalPushes", 0},
                                       {"totalPulls", 0},
                                       {"totalConflicts", 0}});
}

TEST_CASE("metadata that is written reads back the same", "[store]") {
    CHECK(json(full).get<SyncMetadata>() == full);
    CHECK(json(SyncMetadata{}).get<SyncMetadata>() == SyncMetadata{});
    CHECK(json::object().get<SyncMetadata>() == SyncMetadata{});
}

TEST_CASE("metadata that was read replaces all of the target", "[store]") {
    auto target = full;

    from_json(json{{"totalPulls", 9}}, target);

    CHECK(target == SyncMetadata{.total_pulls = 9});
}

TEST_CASE("metadata that cannot be read is refused by key, and the target keeps its value",
          "[store]") {
    const auto check_refused = [](const char* key, const json& wrong) {
        CAPTURE(key, wrong);
        json text = full;
        text[key] = wrong;
        auto target = full;

        CHECK_THAT(message_of<FormatError>([&] { from_json(text, target); }), contains(key));
        CHECK(target == full);
    };
    for (const json& wrong : {json(-1), json("1"), json(1.5), json(true), json::array()}) {
        for (const auto* key : {"lastDuration", "totalPushes", "totalPulls", "totalConflicts"}) {
            check_refused(key, wrong);
        }
    }
    for (const auto* key : {"totalPushes", "totalPulls", "totalConflicts"}) {
        check_refused(key, nullptr);
    }
    for (const json& wrong : {json(1), json("yesterday"), json("2026-02-30T00:00:00Z")}) {
        check_refused("lastSyncAt", wrong);
    }
    CHECK_THROWS_AS(json::array().get<SyncMetadata>(), FormatError);
}

TEST_CASE("a duration that no clock can hold is refused", "[store]") {
    CHECK_THROWS_AS(
        (json{{"lastDuration", std::numeric_limits<std::int64_t>::max()}}).get<SyncMetadata>(),
        FormatError);
    CHECK((json{{"lastDuration", std::numeric_limits<std::int64_t>::max() / 1000}})
              .get<SyncMetadata>()
              .last_duration.has_value());
}

}  // namespace test_of_sync_metadata
