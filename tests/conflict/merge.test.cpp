// SPDX-License-Identifier: MIT
#include <sync_engine/conflict/merge.hpp>

#include "support/catch.hpp"
#include "support/data.hpp"

#include <nlohmann/json.hpp>

#include <cstdint>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

namespace test_of_merge {

using nlohmann::json;
using sync_engine::FormatError;
using sync_engine::merge;
using sync_engine::MergeResult;
using sync_engine::MergeSide;
using sync_engine::TagSet;

namespace {

using Paths = std::vector<std::string>;

/// A merge that has to come out the same whoever wins.
json merged(const json& base, const json& local, const json& remote,
            const std::vector<const json*>& sent = {}) {
    const auto result = merge(&base, local, remote, MergeSide::local, sent);
    CHECK(result.both_changed == Paths{});
    CHECK(merge(&base, local, remote, MergeSide::remote, sent).value == result.value);
    return result.value;
}

/// A few keys, a few values, a little depth: small enough that both sides often meet.
json random_value(std::uint64_t& random, int depth) {
    const auto draw = [&](std::uint64_t choices) {
        random = random * 6364136223846793005U + 1442695040888963407U;
        return (random >> 33U) % choices;
    };
    if (depth == 0 || draw(4) == 0) return draw(3);
    auto value = json::object();
    for (const auto* key : {"a", "b", "c"}) {
        if (draw(3) != 0) value[key] = random_value(random, depth - 1);
    }
    return value;
}

}  // namespace

TEST_CASE("a merge keeps what one side alone has changed", "[conflict]") {
    const json base{{"a", 1}, {"b", 1}, {"c", 1}};

    CHECK(merged(base, {{"a", 2}, {"b", 1}, {"c", 1}}, {{"a", 1}, {"b", 2}, {"c", 1}}) ==
          json{{"a", 2}, {"b", 2}, {"c", 1}});
    CHECK(merged(base, {{"a", 1}, {"b", 1}, {"c", 1}, {"d", 1}}, {{"a", 1}, {"b", 1}}) ==
          json{{"a", 1}, {"b", 1}, {"d", 1}});
    CHECK(merged(base, base, base) == base);
    CHECK(merged(base, base, "gone") == "gone");
    CHECK(merged(base, nullptr, base) == nullptr);
}

TEST_CASE("a merge goes into objects, however deep", "[conflict]") {
    const json base{{"name", {{"first", "Ada"}, {"last", "Byron"}}}};

    CHECK(merged(base, {{"name", {{"first", "Augusta"}, {"last", "Byron"}}}},
                 {{"name", {{"first", "Ada"}, {"last", "Lovelace"}}}}) ==
          json{{"name", {{"first", "Augusta"}, {"last", "Lovelace"}}}});
}

TEST_CASE("a merge takes arrays and scalars whole", "[conflict]") {
    const json base{{"list", {1, 2}}};
    const json local{{"list", {1, 2, 3}}};
    const json remote{{"list", {0, 1, 2}}};

    const auto by_local = merge(&base, local, remote, MergeSide::local);
    CHECK(by_local.value == local);
    CHECK(by_local.both_changed == Paths{"/list"});
    const auto by_remote = merge(&base, local, remote, MergeSide::remote);
    CHECK(by_remote.value == remote);
    CHECK(by_remote.both_changed == Paths{"/list"});
}

TEST_CASE("a merge does not report what both sides changed alike", "[conflict]") {
    CHECK(merged({{"a", 1}}, {{"a", 2}}, {{"a", 2}}) == json{{"a", 2}});
    CHECK(merged({{"a", 1}}, json::object(), json::object()) == json::object());
    CHECK(merged({{"a", 1}}, {{"a", 2}}, {{"a", 2.0}}) == json{{"a", 2}});
    CHECK(merged(json::object(), {{"a", {{"b", 1}}}}, {{"a", {{"b", 1}}}}) ==
          json{{"a", {{"b", 1}}}});
}

TEST_CASE("a merge gives a removal to the winner when the other side changed the key",
          "[conflict]") {
    const json base{{"a", {{"x", 1}}}, {"b", 1}};
    const json local{{"b", 1}};
    const json remote{{"a", {{"x", 2}}}, {"b", 1}};

    CHECK(merge(&base, local, remote, MergeSide::local).value == json{{"b", 1}});
    CHECK(merge(&base, local, remote, MergeSide::remote).value == remote);
    CHECK(merge(&base, local, remote, MergeSide::local).both_changed == Paths{"/a"});
    CHECK(merge(&base, remote, local, MergeSide::local).value == remote);
    CHECK(merge(&base, remote, local, MergeSide::remote).value == json{{"b", 1}});
}

TEST_CASE("a merge tells null from absent", "[conflict]") {
    CHECK(merged({{"a", nullptr}}, json::object(), {{"a", nullptr}}) == json::object());
    CHECK(merged(json::object(), {{"a", nullptr}}, json::object()) == json{{"a", nullptr}});
    CHECK(merge(nullptr, nullptr, 1, MergeSide::local).value == nullptr);
}

TEST_CASE("a merge without a base is the union of keys", "[conflict]") {
    const auto result = merge(nullptr, {{"a", 1}, {"b", {{"x", 1}}}, {"c", 1}},
                              {{"a", 2}, {"b", {{"y", 2}}}, {"d", 2}}, MergeSide::remote);

    CHECK(result.value == json{{"a", 2}, {"b", {{"x", 1}, {"y", 2}}}, {"c", 1}, {"d", 2}});
    CHECK(result.both_changed == Paths{"/a"});
}

TEST_CASE("a base that is no object counts as none where both sides have objects", "[conflict]") {
    const json base{{"a", 1}};

    CHECK(merged(base, {{"a", {{"x", 1}}}}, {{"a", {{"y", 2}}}}) ==
          json{{"a", {{"x", 1}, {"y", 2}}}});
    CHECK(merged({1, 2}, {{"x", 1}}, {{"y", 2}}) == json{{"x", 1}, {"y", 2}});
}

TEST_CASE("a merge of values that are no objects goes by the winner", "[conflict]") {
    const json base = 1;
    const auto result = merge(&base, 2, {{"x", 1}}, MergeSide::local);

    CHECK(result.value == 2);
    CHECK(result.both_changed == Paths{""});
    CHECK(merge(nullptr, "a", "b", MergeSide::remote).value == "b");
}

TEST_CASE("a merge reports JSON pointers, in order", "[conflict]") {
    const json base{{"a/b", {{"~", 0}, {"", 0}}}, {"z", 0}, {"list", 0}};
    const json local{{"a/b", {{"~", 1}, {"", 1}}}, {"z", 1}, {"list", 0}};
    const json remote{{"a/b", {{"~", 2}, {"", 2}}}, {"z", 2}, {"list", 2}};
    const auto result = merge(&base, local, remote, MergeSide::local);

    CHECK(result.both_changed == Paths{"/a~1b/", "/a~1b/~0", "/z"});
    for (const auto& path : result.both_changed) {
        CHECK(result.value.at(json::json_pointer{path}) == 1);
    }
    CHECK(result.value.at("list") == 2);
}

TEST_CASE("an echo hidden under another device's edit does not beat our newer edit", "[conflict]") {
    const json base{{"title", "old"}, {"text", "old"}};
    const json sent{{"title", "sent"}, {"text", "old"}};
    const json local{{"title", "newer"}, {"text", "old"}};
    const json remote{{"title", "sent"}, {"text", "theirs"}};

    CHECK(merged(base, local, remote, {&sent}) == json{{"title", "newer"}, {"text", "theirs"}});
    CHECK(merge(&base, local, remote, MergeSide::remote).both_changed == Paths{"/title"});
}

TEST_CASE("an edit that was taken back after it was sent stays taken back", "[conflict]") {
    const json base{{"a", 1}};
    const json sent{{"a", 2}};

    CHECK(merged(base, base, {{"a", 2}, {"x", 9}}, {&sent}) == json{{"a", 1}, {"x", 9}});
    CHECK(merged({{"o", base}}, {{"o", base}}, {{"o", {{"a", 2}, {"x", 9}}}},
                 std::vector<const json*>{}) == json{{"o", {{"a", 2}, {"x", 9}}}});
}

TEST_CASE("any of several sent states may be the echo, path by path", "[conflict]") {
    const json base{{"a", 0}, {"b", {{"x", 0}}}};
    const json first{{"a", 1}, {"b", {{"x", 0}}}};
    const json second{{"a", 1}, {"b", {{"x", 2}}}};
    const json local{{"a", 3}, {"b", {{"x", 3}}}};

    CHECK(merged(base, local, first, {&first, &second}) == local);
    CHECK(merged(base, local, second, {&first, &second}) == local);
    CHECK(merged(base, local, {{"a", 1}, {"b", {{"x", 0}, {"y", 9}}}}, {&first, &second}) ==
          json{{"a", 3}, {"b", {{"x", 3}, {"y", 9}}}});
    CHECK(merged(base, local, {{"a", 0}, {"b", {{"x", 2}, {"y", 9}}}}, {&first, &second}) ==
          json{{"a", 3}, {"b", {{"x", 3}, {"y", 9}}}});
}

TEST_CASE("a removal that was sent is an echo, too", "[conflict]") {
    const json base{{"a", 1}, {"b", 1}};
    const json sent{{"b", 1}};
    const json local{{"a", 2}, {"b", 1}};

    CHECK(merged(base, local, {{"b", 7}}, {&sent}) == json{{"a", 2}, {"b", 7}});
}

TEST_CASE("a sent state without an object at a path has none of its keys", "[conflict]") {
    const json base{{"a", {{"x", 1}}}};
    const json sent{{"a", "text"}};
    const json local{{"a", {{"x", 2}, {"y", 2}}}};
    const json remote{{"a", {{"z", 3}}}};

    CHECK(merged(base, local, remote, {&sent}) == json{{"a", {{"x", 2}, {"y", 2}, {"z", 3}}}});
    CHECK(merged(base, local, "text", {nullptr, &sent.at("a")}) == local);
}

TEST_CASE("a merge refuses what JSON cannot carry, on either side and however deep", "[conflict]") {
    json deep = 1;
    for (int n = 0; n < 100'000; ++n) {
        json outer = json::object();
        outer["k"] = std::move(deep);
        deep = std::move(outer);
    }
    const json base = json::object();

    CHECK_THROWS_AS(merge(&base, deep, base, MergeSide::local), FormatError);
    CHECK_THROWS_AS(merge(&base, base, deep, MergeSide::local), FormatError);
    CHECK_THROWS_AS(merge(&base, "\xFF", base, MergeSide::local), FormatError);
    CHECK(merge(&deep, base, {{"k", 1}}, MergeSide::local, {&deep}).value == json::object());
}

TEST_CASE("merges obey their laws on random values", "[conflict]") {
    std::uint64_t random = 5;
    for (int n = 0; n < 5000; ++n) {
        const auto base = random_value(random, 3);
        const auto local = random_value(random, 3);
        const auto remote = random_value(random, 3);
        CAPTURE(n, base.dump(), local.dump(), remote.dump());
        const auto by_local = merge(&base, local, remote, MergeSide::local);
        const auto by_remote = merge(&base, local, remote, MergeSide::remote);

        REQUIRE(merge(&base, local, base, MergeSide::remote).value == local);
        REQUIRE(merge(&base, base, remote, MergeSide::local).value == remote);
        REQUIRE(merge(&base, local, local, MergeSide::local).value == local);
        REQUIRE(merge(&base, local, remote, MergeSide::remote, {&remote}).value == local);
        REQUIRE(by_local.both_changed == by_remote.both_changed);
        REQUIRE(by_local.both_changed.empty() == (by_local.value == by_remote.value));
        // Swapping the sides and the winner changes nothing: two devices agree.
        REQUIRE(merge(&base, remote, local, MergeSide::remote).value == by_local.value);
    }
}

TEST_CASE("a merge is what people made of two branches of real data", "[conflict]") {
    const auto file = sync_engine::test::data_file("country-merges.jsonl");
    if (!file) {
        WARN("country-merges.jsonl is not here; skipped");
        return;
    }

    const auto winner = GENERATE(MergeSide::local, MergeSide::remote);
    std::ifstream lines{*file};
    int read = 0;
    std::vector<std::string> different;
    for (std::string line; std::getline(lines, line); ++read) {
        const auto country = sync_engine::parse_json(line);
        const auto result =
            merge(&country.at("base"), country.at("ours"), country.at("theirs"), winner);
        if (result.value != country.at("merged")) different.push_back(country.at("id"));
    }

    CHECK(read == 121);
    // There, they dropped a translation that neither branch had touched.
    CHECK(different == std::vector<std::string>{"SWZ"});
}

TEST_CASE("a merge of tags keeps what either side added and removed", "[conflict]") {
    const TagSet base{"a", "b", "c"};

    CHECK(merge(&base, {"a", "b", "x"}, {"b", "c", "y"}) == TagSet{"b", "x", "y"});
    CHECK(merge(&base, {"a", "b", "c", "x"}, {"a", "b", "c", "x"}) == TagSet{"a", "b", "c", "x"});
    CHECK(merge(&base, {}, base) == TagSet{});
    CHECK(merge(&base, base, {}) == TagSet{});
}

TEST_CASE("a merge of tags without a base is the union", "[conflict]") {
    CHECK(merge(nullptr, TagSet{"a", "b"}, TagSet{"b", "c"}) == TagSet{"a", "b", "c"});
}

TEST_CASE("a tag that was sent and then taken back stays taken back", "[conflict]") {
    const TagSet base{"a"};
    const TagSet added{"a", "b"};
    const TagSet removed{};

    CHECK(merge(&base, {"a"}, {"a", "b", "theirs"}, {&added}) == TagSet{"a", "theirs"});
    CHECK(merge(&base, {"a"}, {"theirs"}, {&removed}) == TagSet{"a", "theirs"});
    CHECK(merge(&base, {"a"}, {"theirs"}, {nullptr, &added}) == TagSet{"theirs"});
    CHECK(merge(&base, {"a"}, {"theirs"}) == TagSet{"theirs"});
}

}  // namespace test_of_merge
