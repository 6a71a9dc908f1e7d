// SPDX-License-Identifier: MIT
#include <sync_engine/record/json_text.hpp>

#include "support/catch.hpp"

#include <nlohmann/json.hpp>

#include <cstddef>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace test_of_json_text {

using namespace sync_engine;
using nlohmann::json;
using sync_engine::test::contains;
using sync_engine::test::message_of;

namespace {

struct Read {
    json rest{};
    std::vector<json> elements{};
};

Read elements_of(const std::string& text, const std::string& list) {
    Read read;
    read.rest = read_elements(text, list,
                              [&](json element) { read.elements.push_back(std::move(element)); });
    return read;
}

}  // namespace

TEST_CASE("text is read as nlohmann_json reads it", "[record]") {
    for (const std::string text :
         {R"({"b": [1, -2, 1.5, "x", true, null, [], {}], "a": {"z": 1, "y": {"x": [[2]]}}})",
          R"({"a": 1, "a": {"b": 2}, "b": 3, "a": [4]})", R"([[[1], 2], {"a": [{"b": []}]}])", "1",
          R"("x")", "null", "[]", "{}", R"({"": {"": 18446744073709551615}})"}) {
        CAPTURE(text);
        CHECK(parse_json(text) == json::parse(text));
    }
}

TEST_CASE("the elements of a list are handed out, and the rest is answered", "[record]") {
    const auto read = elements_of(
        R"({"before": {"rows": [1]}, "rows": [{"id": "a", "rows": [2]}, 3, [], [[4]], "x", null],
            "after": [5, {"rows": [6]}]})",
        "rows");

    CHECK(read.elements ==
          std::vector<json>{{{"id", "a"}, {"rows", {2}}}, 3, json::array(), {{4}}, "x", nullptr});
    CHECK(read.rest == json{{"before", {{"rows", {1}}}},
                            {"rows", json::array()},
                            {"after", {5, {{"rows", {6}}}}}});
}

TEST_CASE("an element that was only looked at does not show in the next one", "[record]") {
    const std::vector<std::string> texts{
        R"({"a": 1, "b": {"c": [1, 2, "x"], "d": "long enough for memory of its own"}, "e": null})",
        R"({"a": "x", "b": {"c": [3], "d": ""}})",
        R"({"b": {"d": {"c": 1}}, "e": [[]]})",
        R"({"e": [[4], [5]], "b": {}, "a": true})",
        R"({"b": 1, "a": 2, "b": {"d": 3}, "a": 4})",
        R"({"a": {"a": 5}, "b": {"d": 3, "e": 6}})",
        R"([{"c": 1}, {"d": 2}])",
        R"([{"d": 3}, {}, "y"])",
        R"([{}])",
        R"({})",
        R"({"c": 7.5})",
        "null"};
    std::string list;
    for (const auto& first : texts) {
        for (const auto& next : texts) list += first + ',' + next + ',';
    }
    list.back() = ']';

    std::size_t n = 0;
    const auto rest = read_elements('[' + list, "", [&](const json& element) {
        const auto& text = n % 2 == 0 ? texts[n / 2 / texts.size()] : texts[n / 2 % texts.size()];
        CAPTURE(n, text);
        CHECK(element == json::parse(text));
        ++n;
    });

    CHECK(n == 2 * texts.size() * texts.size());
    CHECK(rest == json::array());
}

TEST_CASE("without a key the text is the list", "[record]") {
    const auto read = elements_of(R"([1, [2, 3], {"a": [4]}])", "");

    CHECK(read.elements == std::vector<json>{1, {2, 3}, {{"a", {4}}}});
    CHECK(read.rest == json::array());
}

TEST_CASE("where there is no such list nothing is handed out", "[record]") {
    CHECK(elements_of(R"({"rows": {"a": [1]}, "a": [2]})", "rows").elements.empty());
    CHECK(elements_of(R"({"a": [1]})", "rows").rest == json{{"a", {1}}});
    CHECK(elements_of("[1]", "rows").rest == json{1});
    CHECK(elements_of("3", "").rest == 3);
}

TEST_CASE("text that is cut off hands out what came before, and then throws", "[record]") {
    std::vector<json> elements;
    const auto read = [&](const std::string& text) {
        elements.clear();
        return message_of<FormatError>([&] {
            read_elements(text, "rows",
                          [&](json element) { elements.push_back(std::move(element)); });
        });
    };

    CHECK(read(R"({"rows": [1, {"a": 2}, {"b":)") == "JSON text ends too early, at byte 28");
    CHECK(elements == std::vector<json>{1, {{"a", 2}}});
    CHECK_THAT(read(R"({"rows": [1, )" + std::string(200, '[')), contains("nests deeper"));
    CHECK(elements == std::vector<json>{1});
}

TEST_CASE("what throws while it takes an element ends the reading", "[record]") {
    const auto throws = [](const json&) { throw std::runtime_error("enough"); };
    CHECK_THROWS_AS(read_elements("[1, 2]", "", throws), std::runtime_error);
}

}  // namespace test_of_json_text
