// SPDX-License-Identifier: MIT
#include <sync_engine/remote/couchdb/client.hpp>
#include <sync_engine/remote/couchdb/document.hpp>

#include "support/catch.hpp"
#include "support/data.hpp"

#include <nlohmann/json.hpp>

#include <chrono>
#include <string>

namespace test_of_couchdb_document {

using namespace sync_engine;
using namespace sync_engine::couchdb;
using nlohmann::json;
using sync_engine::test::contains;
using sync_engine::test::message_of;

namespace {

const Timestamp noon = parse_timestamp("2026-03-01T12:00:00.000001Z");

SyncRecord<> note(json data, std::string revision = {}) {
    return {.id = "n",
            .data = std::move(data),
            .updated_at = noon,
            .version = 7,
            .tags = {"a", "b"},
            .revision = std::move(revision)};
}

json stored(json document, const std::string& revision) {
    document["_rev"] = revision;
    return document;
}

}  // namespace

TEST_CASE("a record survives the way through a document", "[remote]") {
    const json data = GENERATE(json{{"text", "milk"}, {"count", 9007199254740993U}}, json::object(),
                               json(42), json("text"), json(), json::array({1, 2}),
                               json{{"text", "\xF0\x9F\x90\xA6 caf\xC3\xA9"}, {"data", 1}});
    const auto record = note(data, "4-abc");

    const auto read = record_of<json>(stored(document_of(record, "op-1"), "5-def"));

    CHECK(same_content(read, record));
    CHECK(read.version == 7);
    CHECK(read.updated_at == noon);
    CHECK(read.revision == "5-def");
    CHECK(read.status == SyncStatus::synced);
}

TEST_CASE("members of the data are members of the document, for any other client", "[remote]") {
    const auto document = document_of(note({{"text", "milk"}}, "4-abc"), "op-1");

    CHECK(document.at("_id") == "n");
    CHECK(document.at("_rev") == "4-abc");
    CHECK(document.at("text") == "milk");
    CHECK(document.at("sync_engine") == json{{"version", 7},
                                             {"updatedAt", "2026-03-01T12:00:00.000001Z"},
                                             {"tags", {"a", "b"}},
                                             {"digest", digest_of({{"text", "milk"}}, {"a", "b"})},
                                             {"operation", "op-1"}});
    CHECK(operation_of(document) == "op-1");
}

TEST_CASE("a deletion travels with its stamps and without its data", "[remote]") {
    const auto document =
        document_of(note({{"text", "milk"}}, "4-abc").with_status(SyncStatus::deleted), "op-1");
    CHECK(document.at("_deleted") == true);
    CHECK_FALSE(document.contains("text"));

    const auto read = record_of<json>(stored(document, "5-def"));
    CHECK(read.is_deleted());
    CHECK(read.version == 7);
    CHECK(read.updated_at == noon);
}

TEST_CASE("the stub of somebody else's deletion is of unknown time, not of an old one",
          "[remote]") {
    const auto read = record_of<json>({{"_id", "n"}, {"_rev", "6-abc"}, {"_deleted", true}});

    CHECK(read.is_deleted());
    CHECK(read.updated_at == Timestamp{});
    CHECK(read.version == 6);
}

TEST_CASE("a document that another client has edited keeps its tags and loses its time",
          "[remote]") {
    auto document = stored(document_of(note({{"text", "milk"}}, "4-abc"), "op-1"), "6-def");
    document["text"] = "oat milk";

    const auto read = record_of<json>(document);

    CHECK(read.data == json{{"text", "oat milk"}});
    CHECK(read.tags == TagSet{"a", "b"});
    CHECK(read.updated_at == Timestamp{});
    CHECK(read.version == 8);

    SECTION("one that has only written it again has changed nothing") {
        document["text"] = "milk";
        CHECK(record_of<json>(document).updated_at == noon);
    }
    SECTION("one that has deleted it and left our member in place, too") {
        document["_deleted"] = true;
        const auto deleted = record_of<json>(document);
        CHECK(deleted.is_deleted());
        CHECK(deleted.updated_at == Timestamp{});
    }
}

TEST_CASE("a document that another client has made is a record", "[remote]") {
    const auto read = record_of<json>(
        {{"_id", "n"}, {"_rev", "1-abc"}, {"text", "x"}, {"_conflicts", {"1-aaa"}}});

    CHECK(read.data == json{{"text", "x"}});
    CHECK(read.version == 1);
    CHECK(read.updated_at == Timestamp{});
    CHECK(read.tags.empty());

    SECTION("also where it uses our member for something else") {
        const json own = GENERATE(json("text"), json(1), json::array());
        const auto other =
            record_of<json>({{"_id", "n"}, {"_rev", "1-abc"}, {"sync_engine", own}, {"text", "x"}});
        CHECK(other.data == json{{"text", "x"}, {"sync_engine", own}});
    }
}

TEST_CASE("stubs of attachments stay with their document", "[remote]") {
    const json attachments = {{"a.png", {{"stub", true}, {"digest", "md5-x"}}}};
    const auto read = record_of<json>(
        {{"_id", "n"}, {"_rev", "1-abc"}, {"text", "x"}, {"_attachments", attachments}});

    CHECK(document_of(read, "op-2").at("_attachments") == attachments);
}

TEST_CASE("what CouchDB would refuse is refused with the record and the member", "[remote]") {
    CHECK_THAT(message_of<InvalidRecord>([] {
                   (void)document_of(note({{"_foo", 1}}), "");
               }),
               contains("record \"n\"") && contains("\"_foo\""));
    CHECK_THROWS_AS(document_of(note({{"sync_engine", 1}}), ""), InvalidRecord);
    auto design = note({{"text", "x"}});
    design.id = "_design/x";
    CHECK_THROWS_AS(document_of(design, ""), InvalidRecord);
}

TEST_CASE("a document that cannot be read says where", "[remote]") {
    CHECK_THROWS_AS(record_of<json>(json::array()), FormatError);
    CHECK_THROWS_AS(record_of<json>({{"_id", 1}, {"_rev", "1-a"}}), FormatError);
    CHECK_THROWS_AS(record_of<json>({{"_id", "n"}}), FormatError);
    const json bad_version = {{"_id", "n"}, {"_rev", "1-a"}, {"sync_engine", {{"version", "x"}}}};
    CHECK_THAT(message_of<FormatError>([&] { (void)record_of<json>(bad_version); }),
               contains("\"sync_engine\"") && contains("\"version\""));
}

TEST_CASE("a digest is of the content, not of how it is printed", "[remote]") {
    const auto digest = [](const char* text) { return digest_of(json::parse(text), {}); };
    CHECK(digest(R"({"a":1,"b":[2.0,-0.0]})") == digest(R"({"b":[2,0],"a":1.0})"));
    CHECK(digest("1.5") != digest("1"));
    CHECK(digest("9007199254740993") != digest("9007199254740992"));
    CHECK(digest(R"({"a":"b"})") != digest(R"({"a":{"b":null}})"));
    CHECK(digest(R"(["a","b"])") != digest(R"(["ab"])"));
    CHECK(digest("true") != digest("\"true\""));
    CHECK(digest_of({}, {"a"}) != digest_of({}, {}));
    CHECK(digest("0").size() == 16);
}

TEST_CASE("a generation is the number before the dash", "[remote]") {
    CHECK(generation_of("12-abc") == 12);
    CHECK(generation_of("") == 0);
    CHECK(generation_of("abc") == 0);
    CHECK(generation_of("12") == 0);
    CHECK(generation_of("99999999999999999999-a") == 0);
}

TEST_CASE("whatever an id holds, it is one segment of a URL", "[remote]") {
    using namespace std::string_view_literals;
    CHECK(percent_encoded("a-b_c.d~9") == "a-b_c.d~9");
    CHECK(percent_encoded("a/b?c#d e%\xC3\xA9\0+"sv) == "a%2Fb%3Fc%23d%20e%25%C3%A9%00%2B");
}

TEST_CASE("base64 is padded", "[remote]") {
    CHECK(base64("") == "");
    CHECK(base64("f") == "Zg==");
    CHECK(base64("fo") == "Zm8=");
    CHECK(base64("foobar") == "Zm9vYmFy");
    CHECK(base64("\xFF\xFE\xFD") == "//79");
}

}  // namespace test_of_couchdb_document
