// SPDX-License-Identifier: MIT
#include <sync_engine/record/record_text.hpp>

#include "support/catch.hpp"

#include <nlohmann/json.hpp>

#include <cstdint>
#include <limits>
#include <string>
#include <utility>
#include <vector>

namespace test_of_record_text {

using namespace sync_engine;
using nlohmann::json;
using sync_engine::test::contains;
using sync_engine::test::message_of;

namespace {

struct Note {
    std::string text{};
    bool operator==(const Note&) const = default;
    NLOHMANN_DEFINE_TYPE_INTRUSIVE(Note, text)
};

template <class Data>
struct Read {
    std::vector<SyncRecord<Data>> records{};
    std::vector<SyncError> errors{};
    json rest{};
};

template <class Data = json>
Read<Data> read(const std::string& text, const std::string& list = "records") {
    Read<Data> result;
    result.rest = read_records<Data>(
        text, list, [&](SyncRecord<Data> record) { result.records.push_back(std::move(record)); },
        [&](SyncError error) { result.errors.push_back(std::move(error)); });
    return result;
}

template <class Data>
std::string text_of(const SyncRecord<Data>& record) {
    std::string text;
    append_json(text, record);
    return text;
}

SyncRecord<> full_record() {
    return {.id = "a \"quoted\"\n\\id\x7F",
            .data = {{"text", "B\u00fcro \t \u20ac"}, {"deep", {{"n", {1, 2.5, nullptr}}}}},
            .status = SyncStatus::modified,
            .updated_at = parse_timestamp("2026-01-02T03:04:05.678901Z"),
            .version = std::numeric_limits<std::uint64_t>::max(),
            .tags = {"b\"c", "a", "\xC3\xBC"},
            .revision = "3-\x01"};
}

}  // namespace

TEST_CASE("a page of records is read one record at a time", "[record]") {
    const auto page = read<Note>(R"({"cursor": 7, "records": [
        {"id": "a", "data": {"text": "milk", "due": 3}, "version": 2, "tags": ["x"]},
        {"id": "b", "status": "deleted", "updatedAt": "2026-01-02T03:04:05Z", "revision": "r"}],
        "more": true})");

    REQUIRE(page.records.size() == 2);
    CHECK(page.records[0].data == Note{"milk"});
    CHECK(page.records[0].unknown.by_pointer() == json{{"/due", 3}});
    CHECK(page.records[0].tags == TagSet{"x"});
    CHECK(page.records[1].is_deleted());
    CHECK(page.records[1].revision == "r");
    CHECK(page.errors.empty());
    CHECK(page.rest == json{{"cursor", 7}, {"records", json::array()}, {"more", true}});
}

TEST_CASE("a record has nothing of the one before it", "[record]") {
    const auto page = read<Note>(R"([
        {"id": "a", "data": {"text": "milk", "due": {"day": 3, "hour": [1, 2]}}, "version": 2,
         "status": "modified", "tags": ["x", "y"], "revision": "r", "other": {"b": 1},
         "updatedAt": "2026-01-02T03:04:05Z"},
        {"id": "b", "data": {"text": "tea", "due": {"hour": [1]}}, "tags": ["z"], "other": 2},
        {"id": "c", "status": "deleted"},
        {"data": {"text": "none"}},
        {"id": "d", "data": {"text": "rum"}}])",
                                 "");

    REQUIRE(page.records.size() == 4);
    CHECK(page.records[1] == SyncRecord<Note>{.id = "b",
                                              .data = {"tea"},
                                              .updated_at = {},
                                              .tags = {"z"},
                                              .unknown = page.records[1].unknown});
    CHECK(page.records[1].unknown.by_pointer() == json{{"/due", {{"hour", {1}}}}});
    CHECK(page.records[2] ==
          SyncRecord<Note>{.id = "c", .status = SyncStatus::deleted, .updated_at = {}});
    CHECK(page.records[3] == SyncRecord<Note>{.id = "d", .data = {"rum"}, .updated_at = {}});
    REQUIRE(page.errors.size() == 1);
    CHECK(page.errors[0].record_id.empty());
}

TEST_CASE("it reads what from_json reads", "[record]") {
    const auto record = full_record();
    const auto page = read("[" + json(record).dump() + "]", "");

    REQUIRE(page.records.size() == 1);
    CHECK(page.records[0] == record);
}

TEST_CASE("a record that cannot be read is told, and the others are handed out", "[record]") {
    const auto page = read<Note>(R"([{"id": "a", "data": {"text": "milk"}},
        {"id": "b", "data": {"text": 1}}, {"data": {}}, 4, {"id": 5},
        {"id": "c", "data": {"text": "x"}, "version": -1}, {"id": "d", "data": {"text": "y"}}])",
                                 "");

    REQUIRE(page.records.size() == 2);
    CHECK(page.records[1].id == "d");
    REQUIRE(page.errors.size() == 5);
    CHECK(page.errors[0].record_id == "b");
    CHECK_THAT(page.errors[0].message, contains("\"b\", key \"data\""));
    CHECK(page.errors[1].record_id.empty());
    CHECK_THAT(page.errors[1].message, contains("key \"id\" is missing"));
    CHECK_THAT(page.errors[2].message, contains("expected an object"));
    CHECK(page.errors[3].record_id.empty());
    CHECK(page.errors[4].record_id == "c");
}

TEST_CASE("text without a list of records is no listing of nothing", "[record]") {
    for (const char* text :
         {R"({"error": "try later"})", R"({"records": null})", R"({"records": {"id": "a"}})",
          R"({"deep": {"records": []}})", "[]", "null", "4"}) {
        CHECK_THAT(message_of<FormatError>([&] { read(text); }), contains("\"records\""));
    }
    for (const char* text : {R"({"error": "try later"})", "null", "4"}) {
        CHECK_THAT(message_of<FormatError>([&] { read(text, ""); }), contains("no list"));
    }
    CHECK(read(R"({"records": []})").records.empty());
    CHECK(read("[]", "").records.empty());
}

TEST_CASE("data that nests too deep is refused, wherever the list is", "[record]") {
    const auto nested = [](std::size_t levels) {
        return R"([{"id":"a","data":)" + std::string(levels, '[') + std::string(levels, ']') + "}]";
    };
    CHECK(read(nested(max_json_depth), "").records.size() == 1);
    CHECK_THAT(read(nested(max_json_depth + 1), "").errors.at(0).message,
               contains("nested deeper than 128 levels"));
    const auto inside = read(R"({"records":)" + nested(max_json_depth + 1) + "}");
    CHECK(inside.errors.size() == 1);
    CHECK_THROWS_AS(read(nested(max_text_depth), ""), FormatError);
}

TEST_CASE("what is thrown while a record is taken is not taken for a bad record", "[record]") {
    CHECK_THROWS_AS(read_records(R"([{"id":"a","data":1}])", "",
                                 [](const SyncRecord<>&) { throw FormatError("mine"); },
                                 [](const SyncError&) { FAIL("told as a bad record"); }),
                    FormatError);
}

TEST_CASE("a record is written as its JSON is", "[record]") {
    CHECK(text_of(full_record()) == json(full_record()).dump());

    const SyncRecord<> plain{.id = "a", .data = nullptr};
    CHECK(text_of(plain) == json(plain).dump());

    auto note = json{{"id", "n"}, {"data", {{"text", "milk"}, {"due", 3}}}}.get<SyncRecord<Note>>();
    CHECK(text_of(note) == json(note).dump());
    note.status = SyncStatus::deleted;
    CHECK(text_of(note) == json(note).dump());
}

TEST_CASE("data of every kind is written as its JSON is", "[record]") {
    constexpr auto lowest = std::numeric_limits<std::int64_t>::min();
    const std::vector<json> values{nullptr,
                                   true,
                                   false,
                                   0,
                                   -1,
                                   lowest,
                                   std::numeric_limits<std::uint64_t>::max(),
                                   -0.0,
                                   1.0,
                                   0.1,
                                   1e300,
                                   "",
                                   "[{",
                                   "\"\\\x01\x1F\x7F\b\f\n\r\t/ \xF0\x9F\x98\x80",
                                   std::string("a\0b", 3),
                                   json::array(),
                                   json::object(),
                                   {json::array(), {json::array()}, 1, {{"", json::object()}}},
                                   {{"\"\n", {{"[", "{"}, {"{", nullptr}}}, {"x", {1, 2}}}};
    for (const auto& value : values) {
        const SyncRecord<> record{.id = "a", .data = value};
        CHECK(text_of(record) == json(record).dump());
    }
    const SyncRecord<> all{.id = "a", .data = values};
    CHECK(text_of(all) == json(all).dump());
}

TEST_CASE("what cannot be written leaves the text as it was", "[record]") {
    std::string text = "[";
    const auto refusal = [&](const SyncRecord<>& record) {
        const auto message = message_of<FormatError>([&] { append_json(text, record); });
        CHECK(text == "[");
        return message;
    };
    CHECK_THAT(refusal({.id = "a\xFF"}), contains("UTF-8"));
    CHECK_THAT(refusal({.id = "a", .data = {{"x", "\xFF"}}}), contains("record \"a\": at \"/x\""));
    CHECK_THAT(refusal({.id = "a", .data = std::numeric_limits<double>::infinity()}),
               contains("not finite"));
    CHECK_THAT(refusal({.id = "a", .tags = {"\xFF"}}), contains("tag"));
    CHECK_THAT(refusal({.id = "a", .updated_at = Timestamp::max()}), contains("a"));
}

}  // namespace test_of_record_text
