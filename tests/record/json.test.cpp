// SPDX-License-Identifier: MIT
#include <sync_engine/record/json.hpp>

#include "support/catch.hpp"

#include <nlohmann/json.hpp>

#include <cstdint>
#include <limits>
#include <string>
#include <utility>
#include <vector>

namespace test_of_json {

using nlohmann::json;
using sync_engine::check_json;
using sync_engine::FormatError;
using sync_engine::is_same_json;
using sync_engine::is_utf8;
using sync_engine::max_json_depth;
using sync_engine::max_text_depth;
using sync_engine::parse_json;
using sync_engine::test::contains;
using sync_engine::test::message_of;

namespace detail = sync_engine::detail;

namespace {

constexpr std::uint64_t largest = std::numeric_limits<std::uint64_t>::max();

std::string refusal(const std::string& text) {
    return message_of<FormatError>([&] { (void)parse_json(text); });
}

std::string check_refusal(const json& value) {
    return message_of<FormatError>([&] { check_json(value); });
}

/// Arrays and objects in turn around a 1; moved and never copied, because a copy recurses.
json nested(std::size_t levels) {
    json value = 1;
    for (std::size_t n = 0; n < levels; ++n) {
        json outer = n % 2 == 0 ? json::array() : json::object();
        if (outer.is_array()) {
            outer.push_back(std::move(value));
        } else {
            outer["k"] = std::move(value);
        }
        value = std::move(outer);
    }
    return value;
}

std::string nested_text(std::size_t levels) {
    return std::string(levels, '[') + std::string(levels, ']');
}

}  // namespace

TEST_CASE("JSON text is read", "[record]") {
    CHECK(parse_json(R"({"a": [1, -2, 1.5, "x", true, null], "b": {}})") ==
          json{{"a", {1, -2, 1.5, "x", true, nullptr}}, {"b", json::object()}});
    CHECK(parse_json(" 1 ") == json(1));
    CHECK(parse_json("18446744073709551615").get<std::uint64_t>() == largest);
    CHECK(parse_json(R"("\u00fc\n\u0000")").get<std::string>() == std::string{"\xC3\xBC\n\0", 4});
}

TEST_CASE("malformed JSON text is refused with the byte where it went wrong", "[record]") {
    CHECK(refusal("") == "JSON text ends too early, at byte 0");
    CHECK(refusal("  ") == "JSON text ends too early, at byte 2");
    CHECK(refusal("[1,2") == "JSON text ends too early, at byte 4");
    CHECK(refusal("\"abc") == "JSON text ends too early, at byte 4");
    CHECK(refusal("[1,}") == "JSON text is malformed at byte 3");
    CHECK(refusal("[1]]") == "JSON text is malformed at byte 3");
    CHECK(refusal("{} x") == "JSON text is malformed at byte 3");
    CHECK(refusal("[1e400]") == "JSON text has a number too large for a double at byte 5");
    CHECK(refusal("-1e400") == "JSON text has a number too large for a double at byte 5");
}

TEST_CASE("text that is nearly JSON is refused", "[record]") {
    for (const auto* text : {"nul",
                             "tru",
                             "True",
                             "NaN",
                             "Infinity",
                             "-",
                             "+1",
                             "01",
                             "1.",
                             ".5",
                             "1e",
                             "0x10",
                             "'a'",
                             "{a:1}",
                             "{\"a\"}",
                             "{\"a\":}",
                             "{\"a\":1,}",
                             "[,]",
                             "[1 2]",
                             "// c\n1",
                             "/* c */1",
                             "\"\\x\"",
                             "\"\\u12\"",
                             "\"\\ud800\"",
                             "\"\\udc00\"",
                             "\"\n\"",
                             "\"\xFF\"",
                             "\"\xC0\xAF\"",
                             "\"\xED\xA0\x80\"",
                             "\xFF\xFE",
                             "]",
                             "}",
                             "[}",
                             "{]",
                             "\\",
                             "\"\\"}) {
        CAPTURE(text);
        CHECK_THROWS_AS(parse_json(text), FormatError);
    }
    CHECK_THROWS_AS(parse_json(std::string{"\"\0\"", 3}), FormatError);
}

TEST_CASE("a NUL byte does not pass for the end of JSON text", "[record]") {
    CHECK(refusal(std::string{"1\0", 2}) == "JSON text has a NUL at byte 1");
    CHECK(refusal(std::string{"{}\0garbage", 10}) == "JSON text has a NUL at byte 2");
    CHECK(refusal(std::string{"\0", 1}) == "JSON text has a NUL at byte 0");
}

TEST_CASE("a refusal of JSON text shows nothing of the text", "[record]") {
    CHECK_THAT(refusal(R"({"password": "swordfish" "x"})"), !contains("swordfish"));
}

TEST_CASE("JSON text may nest as deep as the limit and no deeper", "[record]") {
    CHECK_NOTHROW(parse_json(nested_text(max_text_depth)));
    CHECK(refusal(nested_text(max_text_depth + 1)) ==
          "JSON text nests deeper than 136 levels at byte 136");
    CHECK_THAT(refusal(nested_text(100'000)), contains("nests deeper"));
    CHECK_THAT(refusal(std::string(5'000'000, '[')), contains("nests deeper"));
    CHECK_THAT(refusal(std::string(100'000, '{')), contains("malformed at byte 1"));

    std::string objects;
    for (int n = 0; n < 100'000; ++n) objects += R"({"a":[)";
    CHECK_THAT(refusal(objects), contains("nests deeper"));
}

TEST_CASE("brackets within strings are not nesting", "[record]") {
    const auto brackets = std::string(1000, '[');

    CHECK(parse_json("\"" + brackets + "\"") == json(brackets));
    CHECK(parse_json(R"(["\")" + brackets + R"("])") == json::array({"\"" + brackets}));
    CHECK(parse_json("{\"" + brackets + "\":1}").size() == 1);
    CHECK_THAT(refusal(R"(["\\",)" + brackets + "]"), contains("nests deeper"));
}

TEST_CASE("many brackets side by side are not nesting", "[record]") {
    std::string text = "[[]";
    for (int n = 0; n < 1000; ++n) text += ",[{}]";
    CHECK(parse_json(text + "]").size() == 1001);
}

TEST_CASE("a value that JSON can carry passes the check", "[record]") {
    CHECK_NOTHROW(check_json(nullptr));
    CHECK_NOTHROW(check_json(json::object()));
    CHECK_NOTHROW(check_json(json::array()));
    CHECK_NOTHROW(check_json({{"a", {1, -2, 1.5, "gr\xC3\xBCn", true, nullptr}}, {"", ""}}));
    CHECK_NOTHROW(check_json(std::numeric_limits<double>::max()));
    CHECK_NOTHROW(check_json(std::string{"\0", 1}));
    CHECK_NOTHROW(check_json(nested(max_json_depth)));
}

TEST_CASE("a value that JSON cannot carry is refused with its path", "[record]") {
    const auto infinite = std::numeric_limits<double>::infinity();
    const auto not_a_number = std::numeric_limits<double>::quiet_NaN();

    CHECK(check_refusal("\xFF") == "at \"\": the string is not well-formed UTF-8");
    CHECK(check_refusal({{"a", {1, {{"b", infinite}}}}}) ==
          "at \"/a/1/b\": the number is not finite");
    CHECK(check_refusal({0, 1, not_a_number}) == "at \"/2\": the number is not finite");
    CHECK(check_refusal({{"a~b/c", -infinite}}) == "at \"/a~0b~1c\": the number is not finite");
    CHECK(check_refusal({{"ok", 1}, {"k\xC3", 1}}) ==
          "at \"/k\\xc3\": the key is not well-formed UTF-8");
    CHECK(check_refusal({{"a", json::binary({1, 2})}}) ==
          "at \"/a\": binary values have no JSON text");
    CHECK(check_refusal(json(json::value_t::discarded)) ==
          "at \"\": the value was discarded by a parser");
}

TEST_CASE("a value is found at any depth, also after deeper ones", "[record]") {
    for (std::size_t depth = 0; depth < max_json_depth; ++depth) {
        json value = "\xFF";
        std::string path;
        for (std::size_t n = 0; n < depth; ++n) {
            value = json::array({nested(max_json_depth - depth), std::move(value)});
            path += "/1";
        }
        CAPTURE(depth);
        REQUIRE(check_refusal(value) ==
                "at " + sync_engine::quoted(path) + ": the string is not well-formed UTF-8");
    }
}

TEST_CASE("a value that nests too deep is refused, however deep", "[record]") {
    CHECK_THAT(check_refusal(nested(max_json_depth + 1)),
               contains("nested deeper than 128 levels"));
    CHECK_THAT(check_refusal(nested(100'000)), contains("nested deeper than 128 levels"));
    CHECK_THAT(check_refusal(nested(1'000'000)), contains("nested deeper than 128 levels"));
}

TEST_CASE("UTF-8 is told from other bytes, wherever they stand", "[record]") {
    const std::vector<std::string> good{"\x7F",         "\xC2\x80",         "\xDF\xBF",
                                        "\xE0\xA0\x80", "\xED\x9F\xBF",     "\xEE\x80\x80",
                                        "\xEF\xBF\xBF", "\xF0\x90\x80\x80", "\xF4\x8F\xBF\xBF"};
    const std::vector<std::string> bad{"\x80",
                                       "\xBF",
                                       "\xC0\x80",
                                       "\xC1\xBF",
                                       "\xC2",
                                       "\xC2\x7F",
                                       "\xC2\xC0",
                                       "\xE0\x9F\xBF",
                                       "\xE0\xA0",
                                       "\xE1\x80\x7F",
                                       "\xED\xA0\x80",
                                       "\xED\xBF\xBF",
                                       "\xEF\xBF",
                                       "\xF0\x8F\xBF\xBF",
                                       "\xF0\x90\x80",
                                       "\xF1\x80\x80",
                                       "\xF4\x90\x80\x80",
                                       "\xF5\x80\x80\x80",
                                       "\xFE",
                                       "\xFF"};

    CHECK(is_utf8(""));
    for (std::size_t before = 0; before < 20; ++before) {
        for (std::size_t after = 0; after < 20; ++after) {
            const std::string left(before, 'a');
            const std::string right(after, 'z');
            for (const auto& text : good) REQUIRE(is_utf8(left + text + right));
            for (const auto& text : bad) REQUIRE_FALSE(is_utf8(left + text + right));
        }
    }
}

TEST_CASE("our UTF-8 agrees with the parser's on every short text", "[record]") {
    std::uint64_t random = 3;
    for (int n = 0; n < 50'000; ++n) {
        random = random * 6364136223846793005U + 1442695040888963407U;
        // Mostly bytes that can be part of longer sequences; others are found at once.
        const std::string text{static_cast<char>(0xC0U | (random >> 20U)),
                               static_cast<char>(0x80U | ((random >> 30U) & 0x7FU)),
                               static_cast<char>(0x80U | ((random >> 40U) & 0x7FU)),
                               static_cast<char>(0x80U | ((random >> 50U) & 0x7FU))};
        REQUIRE(is_utf8(text) == json::accept('"' + text + '"'));
    }
}

TEST_CASE("values are the same when they say the same", "[record]") {
    CHECK(is_same_json(1, 1.0));
    CHECK(is_same_json(1, 1U));
    CHECK(is_same_json(0.0, -0.0));
    CHECK(is_same_json({{"a", 1}, {"b", {1, 2}}}, {{"b", {1.0, 2}}, {"a", 1U}}));
    CHECK(is_same_json(nullptr, nullptr));
    CHECK(is_same_json(json::array(), json::array()));
    CHECK(is_same_json("x", "x"));

    CHECK_FALSE(is_same_json(nullptr, false));
    CHECK_FALSE(is_same_json(1, true));
    CHECK_FALSE(is_same_json(1, "1"));
    CHECK_FALSE(is_same_json("x", "y"));
    CHECK_FALSE(is_same_json(true, false));
    CHECK_FALSE(is_same_json(1, 2));
    CHECK_FALSE(is_same_json(1.5, 1));
    CHECK_FALSE(is_same_json(json::array(), json::object()));
    CHECK_FALSE(is_same_json(json::array(), nullptr));
    CHECK_FALSE(is_same_json({1, 2}, {2, 1}));
    CHECK_FALSE(is_same_json({1, 2}, {1, 2, 3}));
    CHECK_FALSE(is_same_json({{"a", 1}}, {{"b", 1}}));
    CHECK_FALSE(is_same_json({{"a", 1}}, {{"a", 2}}));
    CHECK_FALSE(is_same_json({{"a", 1}}, {{"a", 1}, {"b", 1}}));
    CHECK_FALSE(is_same_json({{"a", nullptr}}, json::object()));
}

TEST_CASE("numbers are compared exactly, whatever their kind", "[record]") {
    const std::int64_t minus_one = -1;
    const std::int64_t lowest = std::numeric_limits<std::int64_t>::min();
    const std::uint64_t two_to_53 = std::uint64_t{1} << 53U;
    const double as_double = 9007199254740992.0;
    const double two_to_64 = 18446744073709551616.0;

    CHECK_FALSE(is_same_json(minus_one, largest));
    CHECK_FALSE(is_same_json(largest, minus_one));
    CHECK(is_same_json(two_to_53, as_double));
    CHECK_FALSE(is_same_json(two_to_53 + 1, as_double));
    CHECK_FALSE(is_same_json(as_double, static_cast<std::int64_t>(two_to_53) + 1));
    CHECK_FALSE(is_same_json(largest, two_to_64));
    CHECK_FALSE(is_same_json(two_to_64, largest));
    CHECK(is_same_json(lowest, -9223372036854775808.0));
    CHECK_FALSE(is_same_json(std::numeric_limits<std::int64_t>::max(), 9223372036854775808.0));
    CHECK(is_same_json(std::uint64_t{1} << 63U, 9223372036854775808.0));
    CHECK_FALSE(is_same_json(-0.5, std::uint64_t{0}));
    CHECK_FALSE(is_same_json(1e300, largest));
    CHECK_FALSE(is_same_json(std::numeric_limits<double>::quiet_NaN(), std::int64_t{0}));
}

TEST_CASE("a count is read from whole numbers alone, and never bent to fit", "[record]") {
    const auto read = [](const json& value) { return detail::read_count(json{{"n", value}}, "n"); };
    const auto refused = [&](const std::string& text) {
        return message_of<FormatError>([&] { (void)read(parse_json(text)); });
    };
    const std::string expected =
        "key \"n\": expected a whole number from 0 to 18446744073709551615, got ";

    CHECK(read(parse_json("0")) == 0);
    CHECK(read(parse_json("-0")) == 0);
    CHECK(read(std::int64_t{7}) == 7);
    CHECK(read(parse_json("9007199254740991")) == 9007199254740991U);
    CHECK(read(parse_json("9007199254740993")) == 9007199254740993U);
    CHECK(read(parse_json("9223372036854775807")) == 9223372036854775807U);
    CHECK(read(parse_json("9223372036854775808")) == 9223372036854775808U);
    CHECK(read(parse_json("18446744073709551615")) == largest);

    CHECK(refused("-1") == expected + "-1");
    CHECK(refused("1.5") == expected + "1.5");
    CHECK(refused("1.0") == expected + "1.0");
    CHECK(refused("1e3") == expected + "1000.0");
    CHECK(refused("18446744073709551616") == expected + "1.8446744073709552e+19");
    CHECK(refused("-9223372036854775809") == expected + "-9.223372036854776e+18");
    CHECK(refused("true") == expected + "true");
    CHECK(refused("null") == expected + "null");
    CHECK(refused("\"7\"") == expected + "\"7\"");
    CHECK(refused("[7]") == expected + "an array");
    CHECK(refused("{}") == expected + "an object");
    CHECK_THROWS_AS(read(json::binary({7})), FormatError);
    CHECK(message_of<FormatError>([&] { (void)read(std::numeric_limits<double>::quiet_NaN()); }) ==
          expected + "a number that is not finite");
}

TEST_CASE("a count that an unsigned cannot hold is refused, or held at the highest, by the reader",
          "[record]") {
    constexpr std::uint64_t highest = std::numeric_limits<unsigned>::max();
    const auto with = [](std::uint64_t count) { return json{{"n", count}}; };

    CHECK(detail::read_small_count(with(highest), "n") == highest);
    CHECK(message_of<FormatError>([&] { (void)detail::read_small_count(with(largest), "n"); }) ==
          "key \"n\": expected a count, got 18446744073709551615");
    CHECK(detail::read_small_count(json::object(), "n") == 0);
    CHECK(detail::read_clamped_count(with(highest - 1), "n", 5) == highest - 1);
    CHECK(detail::read_clamped_count(with(highest + 1), "n", 5) == highest);
    CHECK(detail::read_clamped_count(json::object(), "n", 5) == 5);
    CHECK_THROWS_AS(detail::read_clamped_count(json{{"n", -1}}, "n", 5), FormatError);
}

TEST_CASE("a flag is read from true and false alone", "[record]") {
    const auto refused = [](const json& value) {
        return message_of<FormatError>([&] { (void)detail::read_flag(json{{"f", value}}, "f"); });
    };

    CHECK(detail::read_flag(json{{"f", true}}, "f"));
    CHECK_FALSE(detail::read_flag(json{{"f", false}}, "f", true));
    CHECK_FALSE(detail::read_flag(json::object(), "f"));
    CHECK(detail::read_flag(json::object(), "f", true));
    CHECK(refused(0) == "key \"f\": expected true or false, got 0");
    CHECK(refused("true") == "key \"f\": expected true or false, got \"true\"");
    CHECK(refused(nullptr) == "key \"f\": expected true or false, got null");
}

TEST_CASE("elements are read from an array alone, without a copy", "[record]") {
    const json object{{"a", {1, "two"}}, {"empty", json::array()}, {"o", json::object()}};

    REQUIRE(detail::read_array(object, "a").size() == 2);
    CHECK(&detail::read_array(object, "a")[1] == &object["a"][1]);
    CHECK(detail::read_array(object, "empty").empty());
    CHECK(detail::read_array(object, "absent").empty());
    CHECK(message_of<FormatError>([&] { (void)detail::read_array(object, "o"); }) ==
          "key \"o\": expected an array, got an object");
}

TEST_CASE("a key that has to be there is missed by name", "[record]") {
    const auto empty = json::object();

    CHECK(message_of<FormatError>([&] { (void)detail::read_count(empty, "n"); }) ==
          "key \"n\" is missing");
    CHECK(message_of<FormatError>([&] { (void)detail::read_string(empty, "s"); }) ==
          "key \"s\" is missing");
    CHECK(detail::read_count(empty, "n", 3) == 3);
    CHECK(detail::read_string(empty, "s", "otherwise") == "otherwise");
    CHECK(detail::read_time(empty, "t", sync_engine::Timestamp{}) == sync_engine::Timestamp{});
    CHECK(detail::find(empty, "n") == nullptr);
    CHECK(detail::find(json::array(), "n") == nullptr);
}

TEST_CASE("a string is read from strings in UTF-8 alone", "[record]") {
    const auto refused = [](const json& value) {
        return message_of<FormatError>([&] { (void)detail::read_string({{"s", value}}, "s"); });
    };

    CHECK(detail::read_string({{"s", "x"}}, "s") == "x");
    CHECK(detail::read_string({{"s", "x"}}, "s", "y") == "x");
    CHECK(refused(nullptr) == "key \"s\": expected a string, got null");
    CHECK(refused(7) == "key \"s\": expected a string, got 7");
    CHECK(refused("\xFF") == "key \"s\": expected well-formed UTF-8, got \"\\xff\"");
    CHECK_THROWS_AS(detail::read_string({{"s", nullptr}}, "s", "y"), FormatError);
}

TEST_CASE("a time is read from text, and null is no time", "[record]") {
    const sync_engine::Timestamp otherwise{std::chrono::microseconds{5}};
    const auto refused = [&](const json& value) {
        return message_of<FormatError>([&] {
            (void)detail::read_time({{"t", value}}, "t", otherwise);
        });
    };

    CHECK(detail::read_time({{"t", nullptr}}, "t", otherwise) == otherwise);
    CHECK(detail::read_time({{"t", "1970-01-01T00:00:01Z"}}, "t", otherwise) ==
          sync_engine::Timestamp{std::chrono::seconds{1}});
    CHECK(refused(7) == "key \"t\": expected a time in ISO 8601, got 7");
    CHECK_THAT(refused("2026-02-30T00:00:00Z"),
               contains("key \"t\": time \"2026-02-30T00:00:00Z\""));
}

TEST_CASE("an object is required by name", "[record]") {
    CHECK_NOTHROW(detail::require_object(json::object(), "page"));
    CHECK(message_of<FormatError>([] { detail::require_object(json("x"), "page"); }) ==
          "page: expected an object, got \"x\"");
}

}  // namespace test_of_json
