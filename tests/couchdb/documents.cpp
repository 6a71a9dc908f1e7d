// SPDX-License-Identifier: MIT
// What apps and other clients do with documents, against a real server.
#include <sync_engine/remote/couchdb_remote.hpp>

#include "couchdb/database.hpp"
#include "couchdb/phone.hpp"
#include "couchdb/place.hpp"
#include "support/catch.hpp"

#include <nlohmann/json.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <utility>
#include <vector>

namespace test_of_documents {

using namespace std::chrono_literals;
using namespace sync_engine;
using namespace sync_engine::test;
using nlohmann::json;

TEST_CASE("two devices and a plain client that edit the same documents end with the same",
          "[couchdb]") {
    Database database;
    Phone ada{database};
    Phone ben{database};
    ada.edit("milk", {{"text", "milk"}, {"count", 1}});
    ada.edit("bread", {{"text", "bread"}, {"count", 1}});
    ben.edit("tea", {{"text", "tea"}, {"count", 1}});
    database.put("salt", {{"text", "salt"}, {"count", 1}});
    settle({&ada, &ben});
    check_equal({&ada, &ben}, database);

    for (int round = 0; round < 5; ++round) {
        ada.change("milk", {{"ada", round}});
        ben.change("milk", {{"ben", round}});
        database.change("milk", {{"plain", round}});
        ada.change("salt", {{"ada", round}});
        database.change("tea", {{"plain", round}});
        ben.change("bread", {{"count", round}});
        ben.edit("new " + std::to_string(round), {{"round", round}});
        settle({&ada, &ben});
    }

    check_equal({&ada, &ben}, database);
    CHECK(ada.data("milk") ==
          json{{"text", "milk"}, {"count", 1}, {"ada", 4}, {"ben", 4}, {"plain", 4}});
    CHECK(database.document("salt").at("ada") == 4);
    CHECK(ada.data("tea").at("plain") == 4);
    CHECK(ada.contents().size() == 9);
}

TEST_CASE("an id may be any text", "[couchdb]") {
    Database database;
    Phone ada{database};
    Phone ben{database};
    std::vector<std::string> ids{"a/b",         "/",
                                 "//",          "a b",
                                 " ",           "100%",
                                 "%2F",         "%",
                                 "a+b",         "?",
                                 "a?b=c&d#e",   "\"quoted\"",
                                 "'",           "back\\slash",
                                 "a:b@c",       "\xF0\x9F\x8C\xB3",
                                 "\xC3\xA9",    "e\xCC\x81",
                                 "..",          "a/../b",
                                 "\t\n\r",      "<b>",
                                 "null",        "0",
                                 "{\"_id\":1}", std::string(200, 'x'),
                                 "a_b",         "\xE2\x80\xA8",
                                 "\x7F",        "~"};
    const std::string nul{"a\0b", 3};
    if (database.ask("PUT", Database::path_of(nul), R"({"by":"hand"})").status == 201) {
        ids.push_back(nul);
    } else {
        WARN("left out: this server takes no NUL in an id");
    }
    for (std::size_t each = 0; each < ids.size(); ++each) ada.edit(ids[each], {{"n", each}});
    settle({&ada, &ben});
    for (const auto& id : ids) ben.change(id, {{"ben", true}});
    settle({&ben, &ada});
    for (const auto& id : ids) database.change(id, {{"plain", true}});
    settle({&ada, &ben});

    check_equal({&ada, &ben}, database);
    CHECK(ada.contents().size() == ids.size());
    for (std::size_t each = 0; each < ids.size(); ++each) {
        const auto data = ada.data(ids[each]);
        CHECK((data.value("n", -1) == static_cast<int>(each) && data.value("ben", false) &&
               data.value("plain", false)));
    }
    for (const auto& id : ids) ben.store->remove(id);
    settle({&ben, &ada});
    check_equal({&ada, &ben}, database);
    CHECK(ada.contents().empty());
}

TEST_CASE("text and numbers come back as they went", "[couchdb]") {
    Database database;
    Phone ada{database};
    Phone ben{database};
    std::string controls;
    for (char each = 0; each < 32; ++each) controls += each;
    const json data = {{"texts",
                        {"", "\xF0\x9F\x91\xA9\xE2\x80\x8D\xF0\x9F\x8C\xBE", "e\xCC\x81 \xC3\xA9",
                         "\xD8\xA7\xD9\x84\xD9\x84\xD8\xBA\xD8\xA9",
                         "\xE2\x80\xA8\xE2\x80\xA9\xEF\xBB\xBF", controls, "\"\\/</script>"}},
                       {"numbers",
                        {0, -1, 0.1, -2.5e-300, 1.7976931348623157e308, 4.9e-324, 1e21, 1e-7, 3.0,
                         9007199254740991, -9007199254740991}},
                       {"others", {nullptr, true, json::object(), json::array({json::array()})}},
                       {"\xC3\xA9\xF0\x9F\x8C\xB3", 1},
                       {"", "no name"},
                       {"a.b/c", "dots"}};
    ada.edit("object", data);
    ada.edit("array", json::array({1, "two", data}));
    ada.edit("text", "only a text");
    ada.edit("nothing", nullptr);
    settle({&ada, &ben});

    check_equal({&ada, &ben}, database);
    CHECK(ben.data("object") == data);
    CHECK(ben.data("array").at(2) == data);
    CHECK(ben.data("text") == "only a text");
    CHECK(ben.store->find("nothing"));
}

TEST_CASE("a number beyond 2^53 ends the same everywhere, whatever the server makes of it",
          "[couchdb]") {
    Database database;
    database.put("probe", {{"n", 9007199254740993}});
    const bool is_kept = database.document("probe").at("n") == 9007199254740993;
    if (!is_kept) WARN("this server rounds 9007199254740993: only that all sides agree is tested");
    Phone ada{database};
    Phone ben{database};
    ada.edit("large",
             {{"n", 9007199254740993}, {"most", std::numeric_limits<std::uint64_t>::max()}});
    settle({&ada, &ben});
    ben.change("large", {{"ben", true}});
    settle({&ben, &ada});

    check_equal({&ada, &ben}, database);
    if (is_kept) CHECK(ben.data("large").at("n") == 9007199254740993);
}

TEST_CASE("what another client wrote is read, and keeps what we do not know", "[couchdb]") {
    Database database;
    database.put("plain", {{"text", "by hand"}, {"nested", {{"list", {1, 2, 3}}}}});
    (void)database.asked(
        "PUT", "/attached",
        R"({"text":"x","_attachments":{"a.txt":{"content_type":"text/plain","data":"aGVsbG8="}}})");
    database.put("_design/views",
                 {{"views", {{"all", {{"map", "function (doc) { emit(doc._id); }"}}}}}});
    Phone ada{database};
    Phone ben{database};
    settle({&ada, &ben});
    CHECK(ada.contents().size() == 2);
    CHECK(ada.data("plain") == json{{"text", "by hand"}, {"nested", {{"list", {1, 2, 3}}}}});

    ada.change("plain", {{"text", "by Ada"}});
    ben.change("attached", {{"text", "by Ben"}});
    settle({&ada, &ben});
    database.change("plain", {{"again", "by hand"}});
    settle({&ada, &ben});

    CHECK(ben.data("plain") ==
          json{{"text", "by Ada"}, {"nested", {{"list", {1, 2, 3}}}}, {"again", "by hand"}});
    CHECK(database.document("attached").at("text") == "by Ben");
    CHECK(database.ask("GET", "/attached/a.txt").body == "hello");
    CHECK(database.document("_design/views").contains("views"));
}

TEST_CASE("10,000 documents travel in pages, up and down", "[couchdb]") {
    constexpr std::size_t count = 10'000;
    using Clock = std::chrono::steady_clock;
    Database database;
    Phone ada{database};
    Phone ben{database};
    std::vector<SyncRecord<>> records;
    for (std::size_t each = 0; each < count; ++each) {
        records.push_back({.id = "n" + std::to_string(each),
                           .data = {{"n", each}, {"text", std::string(100, 'x')}}});
    }
    ada.store->put_all(std::move(records));

    const auto start = Clock::now();
    const auto up = ada.sync({.push_batch_size = 500});
    const auto middle = Clock::now();
    const auto down = ben.sync();
    const auto end = Clock::now();

    INFO(text_of(up) << text_of(down));
    CHECK(up.pushed == count);
    CHECK(down.pulled == count);
    settle({&ada, &ben});
    check_equal({&ada, &ben}, database);
    const auto rate = [](auto time) {
        return std::to_string(static_cast<std::size_t>(
            static_cast<double>(count) / std::chrono::duration<double>(time).count()));
    };
    WARN("documents a second: " << rate(middle - start) << " pushed, " << rate(end - middle)
                                << " pulled");
}

TEST_CASE("a deletion travels both ways, stays, and gives way to an edit", "[couchdb]") {
    Database database;
    Phone ada{database};
    Phone ben{database};
    for (const char* id : {"by ada", "by hand", "edited by ben", "edited by hand", "again"}) {
        ada.edit(id, {{"text", "x"}});
    }
    settle({&ada, &ben});

    ada.store->remove("by ada");
    database.remove("by hand");
    ada.store->remove("edited by ben");
    ben.change("edited by ben", {{"text", "needed"}});
    ada.store->remove("edited by hand");
    database.change("edited by hand", {{"text", "needed"}});
    ada.store->remove("again");
    settle({&ada, &ben});
    ben.edit("again", {{"text", "made anew"}});
    settle({&ben, &ada});

    check_equal({&ada, &ben}, database);
    CHECK(database.document("by ada").is_null());
    CHECK(ada.contents() == Contents{{"edited by ben", {{"text", "needed"}}},
                                     {"edited by hand", {{"text", "needed"}}},
                                     {"again", {{"text", "made anew"}}}});
    ben.store->remove("again");
    settle({&ben, &ada});
    database.put("again", {{"text", "by hand"}});
    settle({&ben, &ada});
    CHECK(ada.data("again") == json{{"text", "by hand"}});
}

TEST_CASE("states that replication brought come to one by merge, and the losers are deleted",
          "[couchdb]") {
    Database database;
    const auto leaf = [](const std::string& id, char last, json members) {
        const std::string base(32, '0');
        members["_id"] = id;
        members["_rev"] = std::string("2-") + std::string(31, 'a') + last;
        members["_revisions"] = {{"start", 2}, {"ids", {std::string(31, 'a') + last, base}}};
        return members;
    };
    for (const std::string id : {"a", "b/\xF0\x9F\x8C\xB3"}) {
        database.replicate(
            {{{"_id", id}, {"_rev", "1-" + std::string(32, '0')}, {"text", "milk"}, {"count", 1}}});
        database.replicate({leaf(id, '1', {{"text", "oat milk"}, {"count", 1}})});
        database.replicate({leaf(id, '2', {{"text", "milk"}, {"count", 2}})});
        database.replicate({leaf(id, '3', {{"text", "milk"}, {"count", 1}, {"third", true}})});
        REQUIRE(database.live_leaves(id) == 3);
    }
    Phone ada{database};
    Phone ben{database};
    settle({&ada, &ben});

    check_equal({&ada, &ben}, database);
    for (const std::string id : {"a", "b/\xF0\x9F\x8C\xB3"}) {
        CHECK(database.live_leaves(id) == 1);
        CHECK(ada.data(id) == json{{"text", "oat milk"}, {"count", 2}, {"third", true}});
    }
}

TEST_CASE("a database that was made again is read again, and no unsent edit is lost", "[couchdb]") {
    Database database;
    Phone ada{database};
    Phone ben{database};
    for (int each = 0; each < 20; ++each) ada.edit("n" + std::to_string(each), {{"n", each}});
    settle({&ada, &ben});
    ada.change("n1", {{"ada", true}});
    ada.edit("unsent", {{"ada", true}});
    ada.store->remove("n2");

    database.wipe();
    database.put("after", {{"plain", true}});
    settle({&ada});

    CHECK(ada.data("after") == json{{"plain", true}});
    CHECK(ada.data("n1") == json{{"n", 1}, {"ada", true}});
    CHECK(ada.data("n3") == json{{"n", 3}});  // what was synced stays here
    CHECK(database.contents() == Contents{{"after", {{"plain", true}}},
                                          {"n1", {{"n", 1}, {"ada", true}}},
                                          {"unsent", {{"ada", true}}}});
    settle({&ben, &ada});
    CHECK(ben.data("unsent") == json{{"ada", true}});
    CHECK(ben.data("n1") == json{{"n", 1}, {"ada", true}});
    CHECK(ada.store->pending().empty());
}

TEST_CASE("a database that does not exist loses nothing", "[couchdb]") {
    Database database;
    (void)database.asked("DELETE", "");
    Phone ada{database};
    ada.edit("a", {{"text", "milk"}});

    const auto result = ada.sync();

    CHECK(result.outcome == SyncOutcome::failed);
    REQUIRE(result.has_errors());
    CHECK_THAT(result.errors.front().message, contains("there is no database"));
    CHECK(ada.store->pending().size() == 1);
    ada.couch.create_database();
    ada.couch.create_database();
    settle({&ada});
    check_equal({&ada}, database);
}

}  // namespace test_of_documents
