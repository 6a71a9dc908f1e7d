// SPDX-License-Identifier: MIT
#include <sync_engine/testing/workload.hpp>

#include "support/catch.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <vector>

namespace test_of_workload {

using sync_engine::testing::json_workload;
using sync_engine::testing::Token;
using Json = nlohmann::json;

TEST_CASE("each edit of a JSON object leaves its token, and keeps the others", "[testing]") {
    const auto workload = json_workload();
    Json data;
    CHECK(workload.tokens(data).empty());
    for (const Token token : {0U, 12U, 4'294'967'295U}) workload.write(data, token);

    auto tokens = workload.tokens(data);
    std::sort(tokens.begin(), tokens.end());
    CHECK(tokens == std::vector<Token>{0, 12, 4'294'967'295U});
}

TEST_CASE("every two edits collide on one key", "[testing]") {
    const auto workload = json_workload();
    Json ours;
    Json theirs;
    workload.write(ours, 1);
    workload.write(theirs, 2);

    CHECK(ours.at("last") != theirs.at("last"));
}

TEST_CASE("other keys and other values are no tokens", "[testing]") {
    const auto workload = json_workload();

    CHECK(workload.tokens({{"t", 1}, {"title", 1}, {"t1x", 1}, {"x1", 1}, {"last", 3}}).empty());
    CHECK(workload.tokens({{"t4294967296", 1}}).empty());  // no token is that high
    CHECK(workload.tokens(Json::array({"t1"})).empty());
    CHECK(workload.tokens("t1").empty());
}

}  // namespace test_of_workload
