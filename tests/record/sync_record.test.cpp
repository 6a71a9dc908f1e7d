// SPDX-License-Identifier: MIT
#include <sync_engine/record/sync_record.hpp>

#include "support/catch.hpp"
#include "support/data.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <fstream>
#include <limits>
#include <map>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace test_of_sync_record {

using namespace std::chrono_literals;
using nlohmann::json;
using sync_engine::check_record;
using sync_engine::FormatError;
using sync_engine::InvalidRecord;
using sync_engine::max_id_bytes;
using sync_engine::max_json_depth;
using sync_engine::parse_json;
using sync_engine::parse_sync_status;
using sync_engine::quoted;
using sync_engine::same_content;
using sync_engine::SyncRecord;
using sync_engine::SyncStatus;
using sync_engine::TagSet;
using sync_engine::Timestamp;
using sync_engine::test::contains;
using sync_engine::test::message_of;

namespace {

struct Note {
    std::string text{};
    int stars = 0;

    friend bool operator==(const Note&, const Note&) = default;
    NLOHMANN_DEFINE_TYPE_INTRUSIVE(Note, text, stars)
};

using Fields = std::map<std::string, std::string>;

/// A type whose reader throws what no JSON library would.
struct Stubborn {};
void from_json(const json& /*value*/, Stubborn& /*unused*/) {
    throw std::length_error("too stubborn");
}

/// A type that can write what JSON cannot carry.
struct Measure {
    double value = 0;

    friend bool operator==(const Measure&, const Measure&) = default;
    NLOHMANN_DEFINE_TYPE_INTRUSIVE(Measure, value)
};

const Timestamp opening = sync_engine::parse_timestamp("2026-11-23T06:53:21.000007Z");

SyncRecord<> sample() {
    return {.id = "a",
            .data = {{"n", 1}},
            .status = SyncStatus::synced,
            .updated_at = opening,
            .version = 7,
            .tags = {"y", "x"},
            .revision = "3-abc"};
}

json sample_json() {
    return {{"id", "a"},          {"data", {{"n", 1}}},
            {"status", "synced"}, {"updatedAt", "2026-11-23T06:53:21.000007Z"},
            {"version", 7},       {"tags", {"x", "y"}},
            {"revision", "3-abc"}};
}

/// One of each kind of JSON value.
std::vector<json> kinds() {
    return {nullptr,
            true,
            -1,
            7U,
            1.5,
            "text",
            json::array(),
            json::object(),
            json::binary({1}),
            json(json::value_t::discarded)};
}

template <class Data = json>
std::string refusal(const json& value) {
    return message_of<FormatError>([&] { (void)value.get<SyncRecord<Data>>(); });
}

template <class Data>
std::string check_refusal(const SyncRecord<Data>& record) {
    return message_of<InvalidRecord>([&] { check_record(record); });
}

/// Moved and never copied, because a copy recurses.
json nested(std::size_t levels) {
    json value = 1;
    for (std::size_t n = 0; n < levels; ++n) {
        json outer = json::array();
        outer.push_back(std::move(value));
        value = std::move(outer);
    }
    return value;
}

}  // namespace

TEST_CASE("a record needs an id alone, and is then new and pending", "[record]") {
    const auto before = sync_engine::now();
    const SyncRecord<> record{.id = "a"};

    CHECK(record.data == nullptr);
    CHECK(record.status == SyncStatus::pending);
    CHECK(record.updated_at >= before);
    CHECK(record.updated_at <= sync_engine::now());
    CHECK(record.version == 1);
    CHECK(record.tags.empty());
    CHECK(record.revision.empty());
    CHECK_FALSE(record.is_deleted());
}

TEST_CASE("records compare by every member", "[record]") {
    const auto changed = [](auto change) {
        auto record = sample();
        change(record);
        return record;
    };

    CHECK(sample() == sample());
    CHECK(sample() != changed([](auto& record) { record.id = "b"; }));
    CHECK(sample() != changed([](auto& record) { record.data = 2; }));
    CHECK(sample() != changed([](auto& record) { record.status = SyncStatus::modified; }));
    CHECK(sample() != changed([](auto& record) { record.updated_at += 1us; }));
    CHECK(sample() != changed([](auto& record) { record.version = 8; }));
    CHECK(sample() != changed([](auto& record) { record.tags.clear(); }));
    CHECK(sample() != changed([](auto& record) { record.revision = "4"; }));
}

TEST_CASE("a changed copy differs in what was changed, and the original stays", "[record]") {
    const auto record = sample();

    auto expected = sample();
    expected.status = SyncStatus::deleted;
    CHECK(record.with_status(SyncStatus::deleted) == expected);
    CHECK(record.with_status(SyncStatus::deleted).is_deleted());

    expected = sample();
    expected.tags = {"z"};
    CHECK(record.with_tags({"z"}) == expected);

    expected = sample();
    expected.data = {{"n", 2}};
    CHECK(record.with_data({{"n", 2}}) == expected);
    CHECK(record == sample());
}

TEST_CASE("the next version is one more and later", "[record]") {
    const auto before = sync_engine::now();
    const auto next = sample().with_data(2).increment_version();

    CHECK(next.version == 8);
    CHECK(next.updated_at >= before);
    CHECK(next.updated_at <= sync_engine::now());
    CHECK(next.data == 2);
    CHECK(next.status == SyncStatus::synced);
}

TEST_CASE("the next version is later even when the clock went back", "[record]") {
    auto record = sample();
    record.updated_at = sync_engine::now() + 1h;

    CHECK(record.increment_version().updated_at == record.updated_at + 1us);
    CHECK(record.increment_version().increment_version().updated_at == record.updated_at + 2us);
}

TEST_CASE("version and time stop at their ends instead of wrapping", "[record]") {
    auto record = sample();
    record.version = std::numeric_limits<std::uint64_t>::max();
    record.updated_at = Timestamp::max();

    CHECK(record.increment_version().version == record.version);
    CHECK(record.increment_version().updated_at == Timestamp::max());
}

TEST_CASE("the next version of a record at the end of time can be stored", "[record]") {
    auto record = sample();
    record.updated_at = sync_engine::latest_stamp;

    CHECK_NOTHROW(sync_engine::check_record(record.increment_version()));
    CHECK(record.increment_version().version == record.version + 1);
}

TEST_CASE("a record is stale when it is older than the given span", "[record]") {
    const auto record = sample();

    CHECK_FALSE(record.is_stale(1h, opening + 1h));
    CHECK(record.is_stale(1h, opening + 1h + 1us));
    CHECK_FALSE(record.is_stale(1h, opening - 2h));
    CHECK(record.is_stale(-1s, opening));
    CHECK_FALSE(record.is_stale(0s, opening));
    CHECK_FALSE(SyncRecord<>{.id = "new"}.is_stale(1h));
    CHECK(SyncRecord<>{.id = "old", .updated_at = Timestamp::min()}.is_stale(24h));
    CHECK_FALSE(SyncRecord<>{.id = "far", .updated_at = Timestamp::max()}.is_stale(0s));
}

TEST_CASE("a status is spelt as the Dart package spells it", "[record]") {
    for (const auto status : {SyncStatus::pending, SyncStatus::modified, SyncStatus::synced,
                              SyncStatus::conflicted, SyncStatus::deleted}) {
        CHECK(parse_sync_status(to_string(status)) == status);
        CHECK(json(status) == json(std::string{to_string(status)}));
        CHECK(json(status).get<SyncStatus>() == status);
    }
    CHECK(to_string(SyncStatus::conflicted) == "conflicted");
    for (const auto* text : {"", "Synced", "synced ", "pendin", "unknown"}) {
        CHECK_THROWS_AS(parse_sync_status(text), FormatError);
    }
    CHECK_THROWS_AS(json(1).get<SyncStatus>(), FormatError);
}

TEST_CASE("a record is written with the keys of the Dart package", "[record]") {
    CHECK(json(sample()) == sample_json());
}

TEST_CASE("a revision is left out of JSON while there is none", "[record]") {
    auto record = sample();
    record.revision.clear();

    auto expected = sample_json();
    expected.erase("revision");
    CHECK(json(record) == expected);
}

TEST_CASE("a record that is written reads back the same", "[record]") {
    const auto status = GENERATE(SyncStatus::pending, SyncStatus::modified, SyncStatus::synced,
                                 SyncStatus::conflicted, SyncStatus::deleted);
    const auto version = GENERATE(std::uint64_t{0}, std::uint64_t{9007199254740993},
                                  std::numeric_limits<std::uint64_t>::max());
    auto record = sample().with_status(status);
    record.version = version;

    CHECK(parse_json(json(record).dump()).get<SyncRecord<>>() == record);
}

TEST_CASE("any id in UTF-8 makes the journey", "[record]") {
    for (const auto& id : {std::string{"with \"quotes\" and \\"}, std::string{"two\nlines\r\t"},
                           std::string{"a\0b", 3}, std::string{"'; DROP TABLE records; --"},
                           std::string{"n\xC3\xA4he/\xF0\x9F\x98\x80"}, std::string{" "},
                           std::string{"../../etc"}, std::string(max_id_bytes, 'x')}) {
        auto record = sample();
        record.id = id;
        CHECK_NOTHROW(check_record(record));
        CHECK(parse_json(json(record).dump()).get<SyncRecord<>>() == record);
    }
}

TEST_CASE("data of the app's own type makes the journey", "[record]") {
    const SyncRecord<Note> note{.id = "a", .data = {.text = "milk", .stars = 3}};
    const SyncRecord<Fields> fields{.id = "b", .data = {{"k", "v"}, {"", "\n"}}};
    const SyncRecord<int> number{.id = "c", .data = 7};
    const SyncRecord<Measure> measure{.id = "d", .data = {.value = 0.1}};

    CHECK(json(note)["data"] == json{{"text", "milk"}, {"stars", 3}});
    CHECK(parse_json(json(note).dump()).get<SyncRecord<Note>>() == note);
    CHECK(parse_json(json(fields).dump()).get<SyncRecord<Fields>>() == fields);
    CHECK(parse_json(json(number).dump()).get<SyncRecord<int>>() == number);
    CHECK(parse_json(json(measure).dump()).get<SyncRecord<Measure>>() == measure);
    CHECK_NOTHROW(check_record(note));
    CHECK_NOTHROW(check_record(fields));
}

TEST_CASE("what a backend leaves out has a meaning", "[record]") {
    const auto record = json{{"id", "a"}, {"data", 1}, {"extra", "ignored"}}.get<SyncRecord<>>();

    CHECK(record == SyncRecord<>{.id = "a",
                                 .data = 1,
                                 .status = SyncStatus::pending,
                                 .updated_at = Timestamp{},
                                 .version = 1});
    CHECK(json{{"id", "a"}, {"data", 1}, {"updatedAt", nullptr}}.get<SyncRecord<>>().updated_at ==
          Timestamp{});
}

TEST_CASE("a deleted record needs no data", "[record]") {
    const json tombstone{{"id", "a"}, {"status", "deleted"}};

    CHECK(tombstone.get<SyncRecord<>>().is_deleted());
    CHECK(tombstone.get<SyncRecord<Note>>().data == Note{});
    CHECK(refusal({{"id", "a"}}) == "record \"a\", key \"data\" is missing");
    CHECK(refusal({{"id", "a"}, {"status", "synced"}}) == "record \"a\", key \"data\" is missing");
}

TEST_CASE("null is data like any other", "[record]") {
    CHECK(json{{"id", "a"}, {"data", nullptr}}.get<SyncRecord<>>().data == nullptr);
}

TEST_CASE("a record that is no object, or has no id, is refused", "[record]") {
    for (const auto& value : kinds()) {
        CAPTURE(value.type_name());
        CHECK_THROWS_AS(value.get<SyncRecord<>>(), FormatError);
    }
    CHECK(refusal(json::array()) == "record: expected an object, got an array");
    CHECK(refusal({{"data", 1}}) == "key \"id\" is missing");
    CHECK(refusal({{"id", 5}, {"data", 1}}) == "key \"id\": expected a string, got 5");
}

TEST_CASE("every kind of JSON value is read or refused by name in every key", "[record]") {
    using Kind = json::value_t;
    const std::map<std::string, std::vector<Kind>> readable{
        {"id", {Kind::string}},
        {"data",
         {Kind::null, Kind::boolean, Kind::number_integer, Kind::number_unsigned,
          Kind::number_float, Kind::string, Kind::array, Kind::object}},
        {"status", {}},
        {"updatedAt", {Kind::null}},
        {"version", {Kind::number_unsigned}},
        {"tags", {Kind::array}},
        {"revision", {Kind::string}},
    };

    for (const auto& [key, kinds_read] : readable) {
        for (const auto& value : kinds()) {
            CAPTURE(key, value.type_name());
            auto changed = sample_json();
            changed[key] = value;
            auto target = sample().with_data("before");
            const auto message = message_of<FormatError>([&] { changed.get_to(target); });

            if (std::count(kinds_read.begin(), kinds_read.end(), value.type()) != 0) {
                CHECK(message == "(nothing was thrown)");
            } else {
                CHECK_THAT(message, contains("key " + quoted(key)));
                if (key != "id") CHECK_THAT(message, contains("record \"a\""));
                CHECK(target == sample().with_data("before"));
            }
        }
    }
}

TEST_CASE("a version is never bent to fit", "[record]") {
    const auto read = [](const std::string& number) {
        return parse_json(R"({"id":"a","data":1,"version":)" + number + "}")
            .get<SyncRecord<>>()
            .version;
    };

    CHECK(read("0") == 0);
    CHECK(read("9007199254740991") == 9007199254740991U);
    CHECK(read("9007199254740993") == 9007199254740993U);
    CHECK(read("9223372036854775808") == 9223372036854775808U);
    CHECK(read("18446744073709551615") == std::numeric_limits<std::uint64_t>::max());
    for (const auto* number : {"-1", "1.5", "1.0", "18446744073709551616", "1e400", "\"1\""}) {
        CAPTURE(number);
        CHECK_THROWS_AS(read(number), FormatError);
    }
    CHECK(refusal({{"id", "a"}, {"data", 1}, {"version", -1}}) ==
          "record \"a\", key \"version\": expected a whole number from 0 to "
          "18446744073709551615, got -1");
}

TEST_CASE("what is wrong with a record is said with its id, its key and its value", "[record]") {
    const auto with = [](const char* key, const json& value) {
        auto changed = sample_json();
        changed[key] = value;
        return changed;
    };

    CHECK(refusal(with("status", "lost")) ==
          "record \"a\", key \"status\": expected pending, modified, synced, conflicted or "
          "deleted, got \"lost\"");
    CHECK(refusal(with("updatedAt", "2026-02-30T00:00:00Z")) ==
          "record \"a\", key \"updatedAt\": time \"2026-02-30T00:00:00Z\": that month has no such "
          "day, at character 10");
    CHECK(refusal(with("tags", {"x", 1})) ==
          "record \"a\", key \"tags\": expected an array of strings, got one of number");
    CHECK(refusal(with("data", {{"x", {1, json::binary({1})}}})) ==
          "record \"a\", key \"data\": at \"/x/1\": binary values have no JSON text");
    CHECK_THAT(refusal(with("id", "\xFF")), contains("key \"id\": expected well-formed UTF-8"));
    CHECK_THAT(refusal(with("tags", {"\xFF"})), contains("key \"tags\""));
    CHECK_THAT(refusal(with("revision", "\xFF")), contains("key \"revision\""));
    CHECK_THAT(refusal(with("data", "\xFF")), contains("key \"data\""));
    CHECK_THAT(refusal(with("data", {{"\xFF", 1}})), contains("key \"data\""));
}

TEST_CASE("a record whose id is hostile does not break the message", "[record]") {
    CHECK(refusal({{"id", "x\"\n\x1B[2J"}}) == R"(record "x\"\n\u001b[2J", key "data" is missing)");
    CHECK(refusal({{"id", std::string(1'000'000, 'x')}}).size() < 200);
}

TEST_CASE("what the app's own reader throws is a format error of the data", "[record]") {
    CHECK_THAT(refusal<Note>({{"id", "a"}, {"data", {{"text", 1}, {"stars", 1}}}}),
               contains("record \"a\", key \"data\": "));
    CHECK_THAT(refusal<Note>({{"id", "a"}, {"data", json::object()}}), contains("key \"data\""));
    CHECK_THAT(refusal<Fields>({{"id", "a"}, {"data", {{"k", 1}}}}), contains("key \"data\""));
    CHECK(refusal<Stubborn>({{"id", "a"}, {"data", 1}}) ==
          "record \"a\", key \"data\": too stubborn");
}

TEST_CASE("a reader of the app's own type never half-changes its target", "[record]") {
    const SyncRecord<Note> before{.id = "b", .data = {.text = "kept", .stars = 5}};
    auto target = before;

    CHECK_THROWS_AS(
        (json{{"id", "a"}, {"data", {{"text", "new"}, {"stars", "many"}}}}.get_to(target)),
        FormatError);
    CHECK(target == before);
    CHECK_THROWS_AS(
        (json{{"id", "a"}, {"data", {{"text", "new"}, {"stars", 1}}}, {"version", -1}}.get_to(
            target)),
        FormatError);
    CHECK(target == before);
}

TEST_CASE("data that nests too deep is refused before anything recurses", "[record]") {
    json value{{"id", "a"}};
    value["data"] = nested(100'000);
    CHECK_THAT(refusal(value), contains("record \"a\", key \"data\": at "));
    CHECK_THAT(refusal<Note>(value), contains("nested deeper than 128 levels"));

    SyncRecord<> record{.id = "a"};
    record.data = nested(100'000);
    CHECK_THAT(check_refusal(record), contains("nested deeper than 128 levels"));
    json untouched = "before";
    CHECK_THROWS_AS(to_json(untouched, record), FormatError);
    CHECK(untouched == "before");
}

TEST_CASE("a record that JSON cannot carry is not written", "[record]") {
    const auto not_a_number = std::numeric_limits<double>::quiet_NaN();

    CHECK_THROWS_AS(json(SyncRecord<>{.id = "a", .data = not_a_number}), FormatError);
    CHECK_THROWS_AS(json(SyncRecord<Measure>{.id = "a", .data = {not_a_number}}), FormatError);
    CHECK_THROWS_AS(json(SyncRecord<Fields>{.id = "a", .data = {{"k", "\xFF"}}}), FormatError);
    CHECK_THROWS_AS(json(SyncRecord<>{.id = "a", .updated_at = Timestamp::max()}), FormatError);
    CHECK_THROWS_AS(json(SyncRecord<>{.id = "\xFF"}), FormatError);
    CHECK_THROWS_AS(json(SyncRecord<>{.id = "a", .tags = {"\xFF"}}), FormatError);
    CHECK_THROWS_AS(json(SyncRecord<>{.id = "a", .revision = "\xFF"}), FormatError);
}

TEST_CASE("a record whose data nests as deep as it may comes back from its text", "[record]") {
    auto record = sample();
    record.data = nested(max_json_depth);
    check_record(record);
    const auto page = json{{"results", {{{"doc", record}}}}};

    CHECK(parse_json(json(record).dump()).get<SyncRecord<>>() == record);
    CHECK(parse_json(page.dump()) == page);
}

TEST_CASE("a record that cannot be stored is refused by name", "[record]") {
    const auto with = [](auto change) {
        auto record = sample();
        change(record);
        return record;
    };

    CHECK_NOTHROW(check_record(sample()));
    CHECK(check_refusal(with([](auto& record) { record.id = ""; })) ==
          "record \"\": the id is empty");
    CHECK(check_refusal(with([](auto& record) { record.id = "\xFF"; })) ==
          "record \"\\xff\": the id is not well-formed UTF-8");
    CHECK_THAT(check_refusal(with([](auto& record) { record.id.assign(max_id_bytes + 1, 'x'); })),
               contains("the id is longer than 4096 bytes"));
    CHECK(check_refusal(with([](auto& record) { record.id.assign(1'000'000, 'x'); })).size() < 150);
    CHECK(check_refusal(with([](auto& record) {
              record.tags = {"ok", "\xC3"};
          })) == "record \"a\": a tag is not well-formed UTF-8");
    CHECK(check_refusal(with([](auto& record) { record.revision = "\xC3"; })) ==
          "record \"a\": the revision is not well-formed UTF-8");
    CHECK(check_refusal(with([](auto& record) { record.updated_at = Timestamp::max(); })) ==
          "record \"a\": the time is outside the years 0000 to 9999");
    CHECK(check_refusal(with([](auto& record) {
              record.data = {{"x", {1, std::numeric_limits<double>::infinity()}}};
          })) == "record \"a\", data at \"/x/1\": the number is not finite");
    CHECK(check_refusal(SyncRecord<Note>{}) == "record \"\": the id is empty");
}

TEST_CASE("content is data, tags and deletion; stamps, revision and status are not", "[record]") {
    auto other = sample();
    other.id = "other";
    other.status = SyncStatus::pending;
    other.updated_at += 1h;
    other.version = 100;
    other.revision = "other";

    CHECK(same_content(sample(), other));
    CHECK_FALSE(same_content(sample(), sample().with_data({{"n", 2}})));
    CHECK_FALSE(same_content(sample(), sample().with_tags({"x"})));
    CHECK_FALSE(same_content(sample(), sample().with_status(SyncStatus::deleted)));
    CHECK_FALSE(same_content(sample().with_status(SyncStatus::deleted), sample()));
    CHECK(same_content(sample().with_status(SyncStatus::deleted),
                       sample().with_status(SyncStatus::deleted).with_data(nullptr).with_tags({})));
}

TEST_CASE("content compares by structure, never by its printed form", "[record]") {
    const SyncRecord<> record{.id = "a", .data = parse_json(R"({"a": 1, "b": [1.0]})")};

    CHECK(same_content(record, record.with_data(parse_json(R"({"b":[1],"a":1.0})"))));
    CHECK_FALSE(same_content(record.with_data(-1),
                             record.with_data(std::numeric_limits<std::uint64_t>::max())));
    CHECK(same_content(SyncRecord<Note>{.data = {.text = "x"}},
                       SyncRecord<Note>{.data = {.text = "x"}, .version = 2}));
    CHECK_FALSE(same_content(SyncRecord<Fields>{.data = {{"a", ""}}}, SyncRecord<Fields>{}));
}

TEST_CASE("no damage to a record's text crashes its reader", "[record]") {
    const auto text = json(sample()).dump();
    std::uint64_t random = 11;
    for (int n = 0; n < 20'000; ++n) {
        random = random * 6364136223846793005U + 1442695040888963407U;
        auto damaged = text;
        damaged[static_cast<std::size_t>(random >> 33U) % damaged.size()] =
            static_cast<char>(random >> 56U);
        if (random % 3 == 0)
            damaged.resize(static_cast<std::size_t>(random >> 20U) % damaged.size());
        try {
            const auto record = parse_json(damaged).get<SyncRecord<>>();
            const auto again = parse_json(json(record).dump()).get<SyncRecord<>>();
            REQUIRE(again == record);
        } catch (const FormatError&) {
            continue;
        }
    }
}

TEST_CASE("records of the real world make the journey", "[record]") {
    const auto file = sync_engine::test::data_file("countries.jsonl");
    if (!file) {
        WARN("countries.jsonl is not here; skipped");
        return;
    }

    std::ifstream lines{*file};
    int read = 0;
    for (std::string line; std::getline(lines, line); ++read) {
        const auto country = parse_json(line);
        const SyncRecord<> record{.id = country.at("cca3").get<std::string>(), .data = country};
        check_record(record);
        REQUIRE(parse_json(json(record).dump()).get<SyncRecord<>>() == record);
    }
    CHECK(read == 250);
}

}  // namespace test_of_sync_record
