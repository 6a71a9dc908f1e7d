// SPDX-License-Identifier: MIT
#include <sync_engine/store/store_statistics.hpp>

#include "support/catch.hpp"

#include <nlohmann/json.hpp>

namespace test_of_store_statistics {

using namespace sync_engine;
using namespace sync_engine::test;
using nlohmann::json;

namespace {

const StoreStatistics seven{.total = 1,
                            .pending = 2,
                            .synced = 3,
                            .modified = 4,
                            .conflicted = 5,
                            .deleted = 6,
                            .dead_letters = 7};

}  // namespace

TEST_CASE("statistics are written with the keys of the Dart package", "[store]") {
    CHECK(json(seven) == json{{"total", 1},
                              {"pending", 2},
                              {"synced", 3},
                              {"modified", 4},
                              {"conflicted", 5},
                              {"deleted", 6},
                              {"deadLetters", 7}});
}

TEST_CASE("statistics that are written read back the same", "[store]") {
    CHECK(json(seven).get<StoreStatistics>() == seven);
    CHECK(json(StoreStatistics{}).get<StoreStatistics>() == StoreStatistics{});
}

TEST_CASE("statistics take keys that are missing as zero", "[store]") {
    CHECK(json::object().get<StoreStatistics>() == StoreStatistics{});
    CHECK(json{{"total", 4}, {"unknown", true}}.get<StoreStatistics>() ==
          StoreStatistics{.total = 4});
}

TEST_CASE("statistics that cannot be read are refused by key, and the target keeps its value",
          "[store]") {
    for (const auto* key :
         {"total", "pending", "synced", "modified", "conflicted", "deleted", "deadLetters"}) {
        for (const json& wrong : {json(-1), json("1"), json(1.5), json(nullptr), json(true)}) {
            CAPTURE(key, wrong);
            json text = seven;
            text[key] = wrong;
            auto target = seven;

            CHECK_THAT(message_of<FormatError>([&] { from_json(text, target); }), contains(key));
            CHECK(target == seven);
        }
    }
    CHECK_THROWS_AS(json::array().get<StoreStatistics>(), FormatError);
    CHECK_THROWS_AS(json(7).get<StoreStatistics>(), FormatError);
}

}  // namespace test_of_store_statistics
