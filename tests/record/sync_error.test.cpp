// SPDX-License-Identifier: MIT
#include <sync_engine/record/error.hpp>
#include <sync_engine/record/sync_error.hpp>

#include "support/catch.hpp"

#include <nlohmann/json.hpp>

#include <stdexcept>
#include <string>
#include <type_traits>

namespace test_of_sync_error {

using nlohmann::json;
using sync_engine::FormatError;
using sync_engine::quoted;
using sync_engine::SyncError;
using sync_engine::Timestamp;
using sync_engine::test::message_of;

TEST_CASE("every exception of the library is an Error", "[record]") {
    STATIC_REQUIRE(std::is_base_of_v<std::runtime_error, sync_engine::Error>);
    STATIC_REQUIRE(std::is_base_of_v<sync_engine::Error, sync_engine::FormatError>);
    STATIC_REQUIRE(std::is_base_of_v<sync_engine::Error, sync_engine::InvalidRecord>);
    STATIC_REQUIRE(std::is_base_of_v<sync_engine::Error, sync_engine::NotFound>);
    STATIC_REQUIRE(std::is_base_of_v<sync_engine::Error, sync_engine::Refused>);
    STATIC_REQUIRE(std::is_base_of_v<sync_engine::Error, sync_engine::StorageError>);
}

TEST_CASE("text in messages is quoted, and nothing in it can break out", "[record]") {
    CHECK(quoted("") == "\"\"");
    CHECK(quoted("plain") == "\"plain\"");
    CHECK(quoted("gr\xC3\xBC\xC3\x9F \xF0\x9F\x98\x80") ==
          "\"gr\xC3\xBC\xC3\x9F \xF0\x9F\x98\x80\"");
    CHECK(quoted("a\"b\\c\n") == R"("a\"b\\c\n")");
    CHECK(quoted(std::string{"\0\x1B\x7F", 3}) == R"("\u0000\u001b\u007f")");
    CHECK(quoted("\xC2\x9B") == R"("\u009b")");
    CHECK(quoted("\xFF\xC3") == R"("\xff\xc3")");
    CHECK(quoted("\xED\xA0\x80") == R"("\xed\xa0\x80")");
}

TEST_CASE("long text in messages is cut, but never within a character", "[record]") {
    CHECK(quoted(std::string(60, 'x')) == '"' + std::string(60, 'x') + '"');
    CHECK(quoted(std::string(61, 'x')) == '"' + std::string(60, 'x') + "\"...");
    CHECK(quoted(std::string(59, 'x') + "\xF0\x9F\x98\x80y") ==
          '"' + std::string(59, 'x') + "\xF0\x9F\x98\x80\"...");
    CHECK(quoted(std::string(1'000'000, '\xFF')).size() < 300);
}

TEST_CASE("a string that knows std::quoted is still quoted by ours", "[record]") {
    std::string text = "a\nb";
    const std::string constant = text;

    CHECK(quoted(text) == R"("a\nb")");
    CHECK(quoted(constant) == R"("a\nb")");
    CHECK(quoted(std::string{"a\nb"}) == R"("a\nb")");
}

TEST_CASE("an error is written with the keys of the Dart package, and read back", "[record]") {
    const SyncError error{.record_id = "a\n\"b\"",
                          .message = "refused",
                          .timestamp = sync_engine::parse_timestamp("2026-11-23T06:53:21Z")};
    const json written = error;

    CHECK(written == json{{"recordId", "a\n\"b\""},
                          {"message", "refused"},
                          {"timestamp", "2026-11-23T06:53:21.000000Z"}});
    CHECK(json::parse(written.dump()).get<SyncError>() == error);
}

TEST_CASE("an error is made at the time of its making", "[record]") {
    const auto before = sync_engine::now();
    const SyncError error{.record_id = "a", .message = "b"};

    CHECK(error.timestamp >= before);
    CHECK(error.timestamp <= sync_engine::now());
}

TEST_CASE("an error in a foreign encoding can still be written", "[record]") {
    const json written = SyncError{.record_id = "\xFF", .message = "disque plein \xE9 ici"};

    CHECK(written["recordId"] == "\xEF\xBF\xBD");
    CHECK(written["message"] == "disque plein \xEF\xBF\xBD ici");
    CHECK_NOTHROW(written.dump());
}

TEST_CASE("an error without a time has none", "[record]") {
    const json written{{"recordId", "a"}, {"message", "b"}};

    CHECK(written.get<SyncError>().timestamp == Timestamp{});
}

TEST_CASE("an error that cannot be read is refused by key, and the target keeps its value",
          "[record]") {
    const json good{{"recordId", "a"}, {"message", "b"}};
    const SyncError before{.record_id = "before"};

    for (const auto* key : {"recordId", "message", "timestamp"}) {
        for (const auto& value : {json(true), json(1), json(1.5), json::array(), json::object(),
                                  json::binary({1}), json("\xFF")}) {
            CAPTURE(key, value.type_name());
            auto bad = good;
            bad[key] = value;
            auto target = before;
            const auto message = message_of<FormatError>([&] { bad.get_to(target); });
            CHECK_THAT(message, sync_engine::test::contains(quoted(key)));
            CHECK(target == before);
        }
    }
    for (const auto* key : {"recordId", "message"}) {
        auto bad = good;
        bad.erase(key);
        CHECK(message_of<FormatError>([&] { (void)bad.get<SyncError>(); }) ==
              "key " + quoted(key) + " is missing");
        bad[key] = nullptr;
        CHECK_THROWS_AS(bad.get<SyncError>(), FormatError);
    }
    CHECK(message_of<FormatError>([] { (void)json::array().get<SyncError>(); }) ==
          "sync error: expected an object, got an array");
}

}  // namespace test_of_sync_error
