// SPDX-License-Identifier: MIT
#include <sync_engine/remote/couchdb_remote.hpp>
#include <sync_engine/testing/simulation.hpp>

#include "support/catch.hpp"
#include "support/device.hpp"
#include "support/fake_couch.hpp"
#include "support/simulation.hpp"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace test_of_couchdb_remote {

using namespace std::chrono_literals;
using namespace sync_engine;
using nlohmann::json;
using sync_engine::test::contains;
using ::test::Device;
using ::test::FakeCouch;

namespace {

using Response = HttpResponse;

/// A device and its own connection to the server.
struct Client {
    explicit Client(FakeCouch& server, ConflictResolver<> resolver = {}, std::uint64_t seed = 1)
        : device(seed, resolver),
          couch(server, {.url = "http://couch", .database = "notes", .resolver = resolver}) {}

    SyncResult sync(SyncOptions options = {}) { return device.sync(couch.remote(), options); }

    Device device;
    CouchDbRemote<> couch;
};

const SyncError* error_of(const SyncResult& result, const std::string& id) {
    const auto error = std::find_if(result.errors.begin(), result.errors.end(),
                                    [&](const auto& each) { return each.record_id == id; });
    return error == result.errors.end() ? nullptr : &*error;
}

std::size_t count_of(const FakeCouch& server, const std::string& part) {
    return static_cast<std::size_t>(
        std::count_if(server.asked.begin(), server.asked.end(),
                      [&](const std::string& each) { return each.find(part) != each.npos; }));
}

bool asks(const HttpRequest& request, const std::string& part) {
    return request.url.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("two devices and another client end with the same documents", "[remote]") {
    FakeCouch server;
    Client phone{server, ConflictResolver<>{ConflictStrategy::merge}, 1};
    Client tablet{server, ConflictResolver<>{ConflictStrategy::merge}, 2};
    phone.device.edit("a", {{"text", "milk"}, {"count", 1}});
    phone.device.edit("b", {{"text", "bread"}});
    CHECK(phone.sync().outcome == SyncOutcome::completed);
    server.edit("b", {{"text", "rye bread"}});
    server.edit("c", {{"text", "tea"}});
    CHECK(tablet.sync().pulled == 3);

    tablet.device.edit("a", {{"text", "oat milk"}, {"count", 1}});
    phone.device.edit("a", {{"text", "milk"}, {"count", 2}});
    tablet.device.store->remove("c");
    CHECK_FALSE(tablet.sync().has_errors());
    CHECK_FALSE(phone.sync().has_errors());
    CHECK_FALSE(tablet.sync().has_errors());

    const json merged = {{"text", "oat milk"}, {"count", 2}};
    CHECK(phone.device.data("a") == merged);
    CHECK(tablet.device.data("a") == merged);
    CHECK(server.document("a").at("count") == 2);
    CHECK(phone.device.data("b") == json{{"text", "rye bread"}});
    CHECK(phone.device.data("c") == json());
    CHECK(server.document("c").at("_deleted") == true);
    CHECK(phone.device.store->pending().empty());
}

TEST_CASE("a stub without a time deletes here", "[remote]") {
    FakeCouch server;
    Client phone{server};
    for (int edits = 0; edits < 3; ++edits) phone.device.edit("a", {{"text", edits}});
    (void)phone.sync();
    server.remove("a");

    (void)phone.sync();

    CHECK(phone.device.data("a") == json());
    CHECK(phone.device.store->pending().empty());
}

TEST_CASE("a 409 against our own earlier write is an ack", "[remote]") {
    FakeCouch server;
    Client phone{server};
    const bool is_deletion = GENERATE(false, true);
    phone.device.edit("a", {{"text", "milk"}});
    if (is_deletion) {
        (void)phone.sync();
        phone.device.store->remove("a");
    }
    server.after = [](const HttpRequest& request, Response&) {
        if (!asks(request, "_bulk_docs")) return;
        throw HttpFailure(HttpFailureKind::interrupted, "the answer was cut off");
    };
    CHECK(phone.sync().outcome == SyncOutcome::failed);
    CHECK(phone.device.store->pending().size() == 1);
    server.after = {};

    const auto result = phone.sync({.direction = SyncDirection::push});

    CHECK(result.outcome == SyncOutcome::completed);
    CHECK(result.conflicts == 0);
    CHECK(result.errors.empty());
    CHECK(phone.device.store->pending().empty());
    CHECK(couchdb::generation_of(server.document("a").at("_rev").get<std::string>()) ==
          (is_deletion ? 2U : 1U));
}

TEST_CASE("a push that is repeated is accepted under the revision that it had", "[remote]") {
    FakeCouch server;
    Client phone{server};
    PushBatch<> batch;
    batch.changes.push_back(
        {.record = {.id = "a", .data = {{"text", "milk"}}}, .operation_id = "op"});

    const auto first = phone.couch.push(batch);
    const auto again = phone.couch.push(batch);

    REQUIRE(again.size() == 1);
    CHECK(again.front().kind == VerdictKind::accepted);
    CHECK(again.front().revision == first.front().revision);
}

TEST_CASE("somebody's edit under our operation id is a conflict all the same", "[remote]") {
    FakeCouch server;
    Client phone{server, ConflictResolver<>{ConflictStrategy::local_wins}};
    phone.device.edit("a", {{"text", "milk"}});
    server.after = [](const HttpRequest& request, Response&) {
        if (!asks(request, "_bulk_docs")) return;
        throw HttpFailure(HttpFailureKind::interrupted, "the answer was cut off");
    };
    (void)phone.sync();
    server.after = {};
    auto document = server.document("a");
    document["text"] = "oat milk";
    server.edit("a", document);

    const auto result = phone.sync({.direction = SyncDirection::push});

    CHECK(result.conflicts == 1);
}

TEST_CASE("one bad document is a dead letter, and the rest goes through", "[remote]") {
    FakeCouch server;
    Client phone{server};
    phone.device.edit("a", {{"text", "milk"}});
    phone.device.edit("bad", {{"_secret", 1}});
    phone.device.edit("c", {{"text", "tea"}});

    const auto result = phone.sync();

    CHECK(result.pushed == 2);
    REQUIRE(error_of(result, "bad"));
    CHECK_THAT(error_of(result, "bad")->message, contains("_secret"));
    CHECK(phone.device.engine->retry_queue().dead_letters().size() == 1);
    CHECK(server.documents().size() == 2);
}

TEST_CASE("a document that is too large is found by halves", "[remote]") {
    FakeCouch server;
    Client phone{server};
    server.before = [](const HttpRequest& request) -> std::optional<Response> {
        if (request.body.size() < 2'000) return std::nullopt;
        return FakeCouch::answer_of(413, {{"error", "document_too_large"}, {"reason", "huge"}});
    };
    for (const char* id : {"a", "b", "c", "d"}) phone.device.edit(id, {{"text", "short"}});
    phone.device.edit("huge", {{"text", std::string(5'000, 'x')}});

    const auto result = phone.sync();

    CHECK(result.retried == 4);
    REQUIRE(error_of(result, "huge"));
    CHECK_THAT(error_of(result, "huge")->message, contains("413"));
    CHECK(phone.device.engine->retry_queue().dead_letters().size() == 1);
}

TEST_CASE("a refusal of the database's own function is a dead letter", "[remote]") {
    FakeCouch server;
    Client phone{server};
    phone.device.edit("a", {{"text", "milk"}});
    const bool is_for_good = GENERATE(true, false);
    server.after = [&](const HttpRequest& request, Response& response) {
        if (!asks(request, "_bulk_docs")) return;
        response = FakeCouch::answer_of(
            201, json::array({{{"id", "a"},
                               {"error", is_for_good ? "forbidden" : "internal_server_error"},
                               {"reason", "no milk here"}}}));
    };

    const auto result = phone.sync();

    REQUIRE(error_of(result, "a"));
    CHECK_THAT(error_of(result, "a")->message, contains("no milk here"));
    CHECK(phone.device.engine->retry_queue().dead_letters().size() == (is_for_good ? 1 : 0));
    CHECK(phone.device.store->pending().size() == 1);
}

TEST_CASE("no status makes a dead letter of a healthy record", "[remote]") {
    struct Case {
        int status;
        const char* says;
        std::size_t requests;
    };
    const auto [status, says, requests] =
        GENERATE(Case{401, "password is wrong", 1}, Case{403, "no right", 1},
                 Case{404, "there is no database \"notes\"", 1}, Case{429, "429", 1},
                 Case{301, "moved", 1}, Case{500, "500", 5}, Case{409, "409", 5});
    FakeCouch server;
    Client phone{server};
    for (const char* id : {"a", "b"}) phone.device.edit(id, {{"text", "milk"}});
    server.before = [code = status](const HttpRequest& request) -> std::optional<Response> {
        if (!asks(request, "_bulk_docs")) return std::nullopt;
        return FakeCouch::answer_of(code, {{"error", "x"}, {"reason", "no_db_file"}});
    };

    const auto result = phone.sync();

    CHECK(result.outcome == SyncOutcome::failed);
    REQUIRE_FALSE(result.errors.empty());
    CHECK_THAT(result.errors.front().message, contains(says));
    CHECK(phone.device.engine->retry_queue().dead_letters().empty());
    CHECK(phone.device.store->pending().size() == 2);
    CHECK(count_of(server, "_bulk_docs") <= requests);

    server.before = {};
    phone.device.clock.advance(2min);
    CHECK(phone.sync().outcome == SyncOutcome::completed);
    CHECK(server.documents().size() == 2);
}

TEST_CASE("202 is accepted", "[remote]") {
    FakeCouch server;
    Client phone{server};
    phone.device.edit("a", {{"text", "milk"}});
    server.after = [](const HttpRequest& request, Response& response) {
        if (asks(request, "_bulk_docs")) response.status = 202;
    };

    CHECK(phone.sync().pushed == 1);
    CHECK(phone.device.store->pending().empty());
}

TEST_CASE("a server's wait is kept", "[remote]") {
    FakeCouch server;
    Client phone{server};
    phone.device.edit("a", {{"text", "milk"}});
    server.before = [](const HttpRequest&) -> std::optional<Response> {
        auto response = FakeCouch::answer_of(503, {{"error", "busy"}, {"reason", "later"}});
        response.headers = {{"retry-after", "90"}};
        return response;
    };
    (void)phone.sync();
    server.before = {};

    phone.device.clock.advance(89s);
    CHECK(phone.sync().outcome == SyncOutcome::failed);
    phone.device.clock.advance(2s);
    CHECK(phone.sync().outcome == SyncOutcome::completed);
}

TEST_CASE("a feed is read in pages, and asked once for the name of its database", "[remote]") {
    FakeCouch server;
    for (int each = 0; each < 25; ++each) server.edit("n" + std::to_string(each), {{"n", each}});
    server.edit("_design/views", {{"views", json::object()}});
    Client phone{server};

    const auto result = phone.sync({.pull_page_size = 10});

    CHECK(result.pulled == 25);
    CHECK(phone.device.store->count() == 25);
    CHECK(count_of(server, "_changes") == 3);

    server.asked.clear();
    CHECK(phone.sync().pulled == 0);
    CHECK(
        server.asked ==
        std::vector<std::string>{
            "GET /notes/_local/sync_engine",
            "GET "
            "/notes/"
            "_changes?limit=500&since=26-g1AAA1&include_docs=true&conflicts=true&style=all_docs"});
}

TEST_CASE("rows that come again change nothing", "[remote]") {
    FakeCouch server;
    server.edit("a", {{"text", "milk"}});
    Client phone{server};
    (void)phone.sync();
    server.after = [&](const HttpRequest& request, Response& response) {
        if (!asks(request, "_changes")) return;
        auto page = json::parse(response.body);
        const json row = {{"seq", "1-g1AAA1"}, {"id", "a"}, {"doc", server.document("a")}};
        page["results"] = json::array({row, row});
        response.body = page.dump();
    };

    const auto result = phone.sync();

    CHECK(result.pulled == 0);
    CHECK_FALSE(result.has_errors());
}

TEST_CASE("a database that was made again is noticed, and no edit is lost", "[remote]") {
    FakeCouch server;
    server.knows_sequences = GENERATE(true, false);
    Client phone{server};
    phone.device.edit("a", {{"text", "milk"}});
    phone.device.edit("b", {{"text", "bread"}});
    (void)phone.sync();
    phone.device.edit("a", {{"text", "oat milk"}});
    phone.device.store->remove("b");
    server.wipe();
    server.edit("c", {{"text", "tea"}});

    const auto result = phone.sync();

    CHECK(result.outcome == SyncOutcome::completed);
    CHECK(phone.device.data("c") == json{{"text", "tea"}});
    CHECK(server.document("a").at("text") == "oat milk");
    CHECK(phone.device.store->pending().empty());
}

TEST_CASE("a clean record outlives the server's loss of it, and an edit brings it back",
          "[remote]") {
    FakeCouch server;
    Client phone{server};
    phone.device.edit("a", {{"text", "milk"}});
    (void)phone.sync();
    server.wipe();

    CHECK(phone.sync().outcome == SyncOutcome::completed);
    CHECK(phone.device.data("a") == json{{"text", "milk"}});

    phone.device.store->mark_modified("a");
    CHECK(phone.sync().pushed == 1);
    CHECK(server.document("a").at("text") == "milk");
}

TEST_CASE("a sequence that the server does not know makes it read everything again", "[remote]") {
    FakeCouch server;
    server.edit("a", {{"text", "milk"}});
    Client phone{server};
    (void)phone.sync();
    server.before = [](const HttpRequest& request) -> std::optional<Response> {
        if (!asks(request, "since=")) return std::nullopt;
        return FakeCouch::answer_of(400, {{"error", "bad_request"}, {"reason", "Malformed"}});
    };
    server.edit("b", {{"text", "bread"}});

    CHECK(phone.sync().outcome == SyncOutcome::completed);
    CHECK(phone.device.data("b") == json{{"text", "bread"}});
}

TEST_CASE("states that live side by side come to one, the same for every client", "[remote]") {
    FakeCouch server;
    const auto base = server.edit("a", {{"text", "milk"}, {"count", 1}});
    server.edit("a", {{"text", "oat milk"}, {"count", 1}});
    server.replicate("a", {{"text", "milk"}, {"count", 2}}, base);
    REQUIRE(server.live_leaves("a") == 2);
    const ConflictResolver<> merge{ConflictStrategy::merge};
    Client phone{server, merge, 1};
    Client tablet{server, merge, 2};

    CHECK_FALSE(phone.sync().has_errors());
    CHECK_FALSE(tablet.sync().has_errors());

    const json merged = {{"text", "oat milk"}, {"count", 2}};
    CHECK(phone.device.data("a") == merged);
    CHECK(tablet.device.data("a") == merged);
    CHECK(server.live_leaves("a") == 1);
    CHECK(server.document("a").at("text") == "oat milk");
    CHECK(server.document("a").at("count") == 2);
    CHECK(phone.device.store->pending().empty());
}

TEST_CASE("many states without an ancestor come to one", "[remote]") {
    FakeCouch server;
    for (int each = 0; each < 4; ++each) {
        server.replicate("a", {{"from", each}, {"n" + std::to_string(each), true}});
    }
    Client phone{server, ConflictResolver<>{ConflictStrategy::merge}};

    CHECK_FALSE(phone.sync().has_errors());

    CHECK(server.live_leaves("a") == 1);
    for (int each = 0; each < 4; ++each) {
        CHECK(server.document("a").contains("n" + std::to_string(each)));
    }
}

TEST_CASE("an acknowledged edit that lost on the server is still seen by the resolver",
          "[remote]") {
    FakeCouch server;
    const ConflictResolver<> merge{ConflictStrategy::merge};
    Client phone{server, merge};
    const auto base = server.edit("a", {{"text", "milk"}, {"count", 1}});
    (void)phone.sync();
    phone.device.edit("a", {{"text", "oat milk"}, {"count", 1}});
    CHECK(phone.sync().pushed == 1);
    auto other = server.replicate("a", {{"text", "milk"}, {"count", 2}}, base);
    other = server.replicate("a", {{"text", "milk"}, {"count", 3}}, other);

    (void)phone.sync();

    CHECK(phone.device.data("a") == json{{"text", "oat milk"}, {"count", 3}});
    CHECK(server.live_leaves("a") == 1);
}

TEST_CASE("states that nobody may decide about stay, and are reported", "[remote]") {
    FakeCouch server;
    server.replicate("a", {{"n", 1}});
    server.replicate("a", {{"n", 2}});
    Client phone{server, ConflictResolver<>{ConflictStrategy::manual}};

    const auto result = phone.sync();

    CHECK(result.outcome == SyncOutcome::completed);
    REQUIRE(error_of(result, "a"));
    CHECK_THAT(error_of(result, "a")->message, contains("several states"));
    CHECK(server.live_leaves("a") == 2);
    CHECK(phone.device.store->count() == 1);
}

TEST_CASE("a winner that can be no document leaves its states alone, and holds up nobody",
          "[remote]") {
    struct Case {
        std::function<void(SyncRecord<>&)> change;
        const char* says;
    };
    const auto bad = GENERATE(
        Case{[](auto& winner) { winner.data["_merged"] = true; }, "\"_merged\", which is reserved"},
        Case{[](auto& winner) { winner.tags.insert("\xFF"); }, "a tag is not well-formed UTF-8"},
        Case{[](auto&) { throw 7; }, "an exception that is no std::exception"});
    FakeCouch server;
    server.replicate("a", {{"n", 1}});
    server.replicate("a", {{"n", 2}});
    server.replicate("b", {{"n", 1}});
    server.replicate("b", {{"n", 2}});
    server.edit("c", {{"text", "tea"}});
    Client phone{server, ConflictResolver<>{[&](const auto& local, const auto&) {
                     auto winner = local;
                     if (winner.id == "a") bad.change(winner);
                     return winner;
                 }}};
    phone.device.edit("mine", {{"text", "bread"}});

    const auto result = phone.sync();

    CAPTURE(result.errors);
    CHECK(result.outcome == SyncOutcome::completed);
    CHECK(result.errors.size() == 1);
    REQUIRE(error_of(result, "a"));
    CHECK_THAT(error_of(result, "a")->message, contains("several states") && contains(bad.says));
    CHECK(server.live_leaves("a") == 2);
    CHECK(server.live_leaves("b") == 1);
    CHECK(phone.device.data("a") == json{{"n", server.document("a").at("n")}});
    CHECK(phone.device.data("c") == json{{"text", "tea"}});
    CHECK(server.document("mine").at("text") == "bread");
}

TEST_CASE("states that were stamped at the end of time come to one all the same", "[remote]") {
    FakeCouch server;
    for (const char* text : {"milk", "oat milk", "rice milk"}) {
        server.replicate(
            "a",
            couchdb::document_of(
                SyncRecord<>{.id = "a", .data = {{"text", text}}, .updated_at = latest_stamp}, {}));
    }
    const auto shown = server.document("a").at("text");
    Client phone{server, ConflictResolver<>{ConflictStrategy::local_wins}};

    const auto result = phone.sync();

    CAPTURE(result.errors);
    CHECK(result.outcome == SyncOutcome::completed);
    CHECK_FALSE(result.has_errors());
    CHECK(server.live_leaves("a") == 1);
    CHECK(server.document("a").at("text") != shown);
    CHECK(phone.device.store->get("a")->updated_at == latest_stamp);
    CHECK(phone.device.store->get("a")->version > 1);
}

TEST_CASE("a decision that was cut off is made again", "[remote]") {
    FakeCouch server;
    const auto base = server.edit("a", {{"text", "milk"}, {"count", 1}});
    server.edit("a", {{"text", "oat milk"}, {"count", 1}});
    server.replicate("a", {{"text", "milk"}, {"count", 2}}, base);
    Client phone{server, ConflictResolver<>{ConflictStrategy::merge}};
    const int cut_after = GENERATE(1, 2);
    int writes = 0;
    server.after = [&](const HttpRequest& request, Response&) {
        if (!asks(request, "_bulk_docs") || ++writes != cut_after) return;
        throw HttpFailure(HttpFailureKind::interrupted, "the answer was cut off");
    };
    CHECK(phone.sync().outcome == SyncOutcome::failed);
    server.after = {};

    CHECK_FALSE(phone.sync().has_errors());

    CHECK(phone.device.data("a") == json{{"text", "oat milk"}, {"count", 2}});
    CHECK(server.live_leaves("a") == 1);
}

TEST_CASE("a document that cannot be read is reported, and the feed goes on", "[remote]") {
    FakeCouch server;
    server.edit("a", {{"text", "milk"}});
    server.edit("bad", {{"text", "x"}, {"sync_engine", {{"tags", "no list"}}}});
    server.edit("c", {{"text", "tea"}});
    Client phone{server};

    const auto result = phone.sync();

    CHECK(result.outcome == SyncOutcome::completed);
    REQUIRE(error_of(result, "bad"));
    CHECK_THAT(error_of(result, "bad")->message, contains("tags"));
    CHECK(phone.device.store->count() == 2);
}

TEST_CASE("a document nested too deep is found by halves, and skipped", "[remote]") {
    FakeCouch server;
    for (const char* id : {"a", "b", "c", "d"}) server.edit(id, {{"text", "x"}});
    json deep = 1;
    for (int level = 0; level < 150; ++level) deep = json::array({std::move(deep)});
    server.edit("deep", {{"text", std::move(deep)}});
    server.edit("e", {{"text", "x"}});
    Client phone{server};

    const auto result = phone.sync();

    CHECK(result.outcome == SyncOutcome::completed);
    REQUIRE(error_of(result, "deep"));
    CHECK_THAT(error_of(result, "deep")->message, contains("nests deeper"));
    CHECK(phone.device.store->count() == 5);
}

TEST_CASE("a split document that makes no sense does not hold up the feed", "[remote]") {
    FakeCouch server;
    server.edit("a", {{"text", "milk"}});
    server.replicate("bad", {{"n", 1}});
    server.replicate("bad", {{"n", 2}});
    server.edit("c", {{"text", "tea"}});
    const auto trouble = GENERATE("losers", "no revision", "start", "hashes", "no body", "no list");
    server.after = [&](const HttpRequest& request, Response& response) {
        auto answer = json::parse(response.body);
        if (asks(request, "_changes")) {
            for (auto& row : answer["results"]) {
                if (row["id"] != "bad") continue;
                if (trouble == std::string{"losers"}) row["doc"]["_conflicts"] = {1};
                if (trouble == std::string{"no revision"}) row["doc"].erase("_rev");
            }
        } else if (asks(request, "_bulk_get")) {
            for (auto& result : answer["results"]) {
                if (trouble == std::string{"no list"}) result["docs"] = 5;
                if (!result["docs"].is_array()) continue;
                for (auto& each : result["docs"]) {
                    if (trouble == std::string{"no body"}) each["ok"] = "lost";
                    if (trouble == std::string{"start"}) each["ok"]["_revisions"]["start"] = "1";
                    if (trouble == std::string{"hashes"}) each["ok"]["_revisions"]["ids"] = 7;
                }
            }
        }
        response.body = answer.dump();
    };
    Client phone{server};

    const auto result = phone.sync();

    CAPTURE(trouble, result.errors);
    CHECK(result.outcome == SyncOutcome::completed);
    CHECK(std::count_if(result.errors.begin(), result.errors.end(),
                        [](const auto& each) { return each.record_id == "bad"; }) == 1);
    CHECK(phone.device.data("a") == json{{"text", "milk"}});
    CHECK(phone.device.data("c") == json{{"text", "tea"}});
    CHECK(server.live_leaves("bad") == 2);
}

TEST_CASE("an answer with too many documents is asked for in halves", "[remote]") {
    FakeCouch server;
    for (int each = 0; each < 20; ++each) {
        server.edit("n" + std::to_string(each), {{"text", std::string(1'000, 'x')}});
    }
    server.after = [](const HttpRequest&, Response& response) {
        if (response.body.size() < 4'000) return;
        throw HttpFailure(HttpFailureKind::too_large, "the answer is larger than 4000 bytes");
    };
    Client phone{server};

    CHECK(phone.sync().outcome == SyncOutcome::completed);
    CHECK(phone.device.store->count() == 20);
}

TEST_CASE("whatever a hostile server answers, it is an error and nothing is lost", "[remote]") {
    const std::string body =
        GENERATE("<html>captive portal</html>", "", "[]", "{}", "{\"results\":1,\"last_seq\":1}",
                 "{\"results\":[1],\"last_seq\":1}", "{\"results\":[{\"id\":1}],\"last_seq\":1}",
                 "{\"results\":[{\"id\":\"a\"}]}", "{\"results\":[", "\"text\"", "{\"rows\":{}}",
                 "{\"results\":[{\"id\":\"\xFF\"}],\"last_seq\":1}");
    const bool at_once = GENERATE(false, true);
    FakeCouch server;
    Client phone{server};
    if (!at_once) (void)phone.sync();
    phone.device.edit("a", {{"text", "milk"}});
    server.before = [&](const HttpRequest&) -> std::optional<Response> {
        Response response;
        response.status = 200;
        response.body = body;
        return response;
    };

    const auto result = phone.sync();
    CAPTURE(body, result.errors);
    CHECK(result.has_errors());
    CHECK(phone.device.store->pending().size() == 1);
    CHECK(phone.device.engine->retry_queue().dead_letters().empty());

    server.before = {};
    phone.device.clock.advance(10min);
    CHECK(phone.sync().outcome == SyncOutcome::completed);
    CHECK(server.document("a").at("text") == "milk");
}

TEST_CASE("an endless feed ends with an error", "[remote]") {
    FakeCouch server;
    Client phone{server};
    int page = 0;
    const bool stands_still = GENERATE(false, true);
    server.before = [&](const HttpRequest& request) -> std::optional<Response> {
        if (!asks(request, "_changes")) return std::nullopt;
        const auto id = "n" + std::to_string(page);
        if (!stands_still) ++page;
        return FakeCouch::answer_of(
            200, {{"results", {{{"id", id}, {"doc", {{"_id", id}, {"_rev", "1-a"}}}}}},
                  {"last_seq", page},
                  {"pending", 1}});
    };

    const auto result = phone.sync({.max_pages = 50});

    CHECK(result.outcome == SyncOutcome::failed);
    CHECK_THAT(result.errors.front().message, contains("the feed does not"));
}

TEST_CASE("an answer about documents that were not asked for changes nothing", "[remote]") {
    FakeCouch server;
    Client phone{server};
    phone.device.edit("a", {{"text", "milk"}});
    server.after = [](const HttpRequest& request, Response& response) {
        if (!asks(request, "_bulk_docs")) return;
        response.body = R"([{"ok":true,"id":"z","rev":"1-a"},{"ok":true,"rev":"1-a"}])";
    };

    const auto result = phone.sync();

    CHECK(result.pushed == 0);
    CHECK(phone.device.store->pending().size() == 1);
    CHECK(phone.device.store->count() == 1);
}

TEST_CASE("waiting for changes is one request, and true once there is something", "[remote]") {
    FakeCouch server;
    Client phone{server};
    CHECK(phone.couch.wait_for_changes(30s));
    (void)phone.sync();
    server.asked.clear();

    CHECK_FALSE(phone.couch.wait_for_changes(30s));
    CHECK(server.asked ==
          std::vector<std::string>{
              "GET /notes/_changes?feed=longpoll&limit=1&timeout=30000&since=0-g1AAA1"});

    server.edit("a", {{"text", "milk"}});
    CHECK(phone.couch.wait_for_changes(30s));
    (void)phone.sync();
    CHECK_FALSE(phone.couch.wait_for_changes(30s));

    SECTION("a server that does not heed the time is left") {
        std::chrono::milliseconds deadline{};
        server.before = [&](const HttpRequest& request) -> std::optional<Response> {
            deadline = request.deadline;
            throw HttpFailure(HttpFailureKind::timed_out, "the deadline is over");
        };
        CHECK_FALSE(phone.couch.wait_for_changes(30s));
        CHECK(deadline == 32s);
    }
    SECTION("a wait without end is a long one, and one that is over asks all the same") {
        std::chrono::milliseconds deadline{};
        std::string url;
        server.before = [&](const HttpRequest& request) -> std::optional<Response> {
            deadline = request.deadline;
            url = request.url;
            return std::nullopt;
        };
        CHECK_FALSE(phone.couch.wait_for_changes(std::chrono::milliseconds::max()));
        CHECK(deadline > 24h);
        CHECK_FALSE(phone.couch.wait_for_changes(-5s));
        CHECK(deadline == 2s);
        CHECK_THAT(url, contains("&timeout=0&"));
        CHECK_FALSE(phone.couch.wait_for_changes(std::chrono::milliseconds::min()));
        CHECK(deadline == 2s);
    }
    SECTION("what the server does not know any more is left to the pull") {
        server.wipe();
        CHECK(phone.couch.wait_for_changes(30s));
    }
    SECTION("a stop ends it") {
        server.before = [](const HttpRequest&) -> std::optional<Response> {
            throw HttpFailure(HttpFailureKind::stopped, "stopped");
        };
        CHECK_THROWS_AS(phone.couch.wait_for_changes(30s), Stopped);
    }
}

TEST_CASE("a stop in a request stops the sync", "[remote]") {
    FakeCouch server;
    Client phone{server};
    phone.device.edit("a", {{"text", "milk"}});
    server.before = [](const HttpRequest& request) -> std::optional<Response> {
        if (!asks(request, GENERATE("_bulk_docs"))) return std::nullopt;
        throw HttpFailure(HttpFailureKind::stopped, "stopped");
    };

    CHECK(phone.sync().outcome == SyncOutcome::stopped);
    CHECK(phone.device.store->pending().size() == 1);
}

TEST_CASE("a login is a header, and in no message", "[remote]") {
    FakeCouch server;
    CouchDbRemote<> couch{server,
                          {.url = "http://couch/",
                           .database = "my/notes",
                           .auth = {.user = "ann", .password = "s3cret"}}};
    HttpHeaders headers;
    std::string url;
    server.before = [&](const HttpRequest& request) -> std::optional<Response> {
        headers = request.headers;
        url = request.url;
        return FakeCouch::answer_of(401,
                                    {{"error", "unauthorized"}, {"reason", "Name or password"}});
    };
    Device device;

    const auto result = device.sync(couch.remote());

    CHECK(url == "http://couch/my%2Fnotes/_local/sync_engine");
    CHECK(std::find(headers.begin(), headers.end(),
                    std::pair<std::string, std::string>{
                        "Authorization", "Basic YW5uOnMzY3JldA=="}) != headers.end());
    CHECK_THAT(result.errors.front().message, contains("Name or password"));
    CHECK_THAT(result.errors.front().message, !contains("s3cret"));
}

TEST_CASE("a login that was put into the URL is in no message and in no name", "[remote]") {
    FakeCouch server;
    server.drop();
    const std::string with =
        GENERATE("http://ann:s3cret@couch/a@b", "http://ann:s3@s3cret@couch/a@b");
    CouchDbRemote<> couch{server, {.url = with, .database = "notes"}};
    server.before = [](const HttpRequest& request) -> std::optional<Response> {
        CHECK_THAT(request.url,
                   contains("s3cret@couch"));  // the transport says what it thinks of it
        return FakeCouch::answer_of(404, {{"error", "not_found"}, {"reason", "no_db_file"}});
    };
    Device device;

    const auto result = device.sync(couch.remote());

    CHECK(couch.remote().name == "http://couch/a@b/notes");
    CHECK_THAT(result.errors.front().message, contains("http://couch/a@b/notes"));
    CHECK_THAT(result.errors.front().message, !contains("s3"));
}

TEST_CASE("a database that another device names at the same moment keeps that name", "[remote]") {
    FakeCouch server;
    Client phone{server};
    phone.device.edit("a", {{"text", "milk"}});
    server.before = [&](const HttpRequest& request) -> std::optional<Response> {
        if (request.method != "PUT" || !asks(request, "_local/")) return std::nullopt;
        server.before = [](const HttpRequest& again) -> std::optional<Response> {
            if (!asks(again, "_local/")) return std::nullopt;
            return FakeCouch::answer_of(200, {{"database", "theirs"}});
        };
        return FakeCouch::answer_of(409, {{"error", "conflict"}, {"reason", "Document update"}});
    };

    CHECK_FALSE(phone.sync().has_errors());
    CHECK(phone.couch.pull({}).cursor.at("database") == "theirs");
}

TEST_CASE("a missing database is said to be missing, whatever the answer looks like", "[remote]") {
    const std::string body =
        GENERATE("[]", "{}", R"({"reason":null})", R"({"reason":["missing"]})");
    FakeCouch server;
    Client phone{server};
    server.before = [&](const HttpRequest&) -> std::optional<Response> {
        return Response{.status = 404, .headers = {}, .body = body};
    };

    CHECK_THROWS_AS(phone.couch.pull({}), Unavailable);
}

TEST_CASE("a database is made once", "[remote]") {
    FakeCouch server;
    server.drop();
    Client phone{server};
    CHECK(phone.sync().outcome == SyncOutcome::failed);

    phone.couch.create_database();
    phone.couch.create_database();

    phone.device.edit("a", {{"text", "milk"}});
    phone.device.clock.advance(10min);
    CHECK(phone.sync().pushed == 1);
}

TEST_CASE("an id that was made twice and deleted once is the same everywhere", "[remote]") {
    FakeCouch server;
    Client phone{server, {}, 1};
    Client tablet{server, {}, 2};
    tablet.device.edit("a", {{"text", "tablet"}});
    phone.device.edit("a", {{"text", "phone"}});
    (void)phone.sync();
    phone.device.store->remove("a");
    (void)phone.sync();

    CHECK(tablet.sync({.direction = SyncDirection::push}).pushed == 1);
    (void)phone.sync();
    (void)tablet.sync();

    CHECK(server.document("a").at("text") == "tablet");
    CHECK(phone.device.data("a") == json{{"text", "tablet"}});
    CHECK(tablet.device.data("a") == json{{"text", "tablet"}});
}

TEST_CASE("a state that a deletion has brought to light is seen by all", "[remote]") {
    FakeCouch server;
    Client phone{server, {}, 1};
    const auto base = server.edit("a", {{"text", "milk"}});
    phone.device.edit("b", {{"text", "bread"}});
    (void)phone.sync();
    phone.device.edit("a", {{"text", "oat milk"}});
    phone.device.edit("a", {{"text", "rice milk"}});
    CHECK(phone.sync().pushed == 1);
    auto hidden = couchdb::document_of(
        SyncRecord<>{.id = "a", .data = {{"text", "goat milk"}}, .updated_at = Timestamp{1s}}, {});
    server.replicate("a", hidden);
    phone.device.store->remove("a");

    CHECK(phone.sync({.direction = SyncDirection::push}).pushed == 1);
    CHECK(server.document("a").at("text") == "goat milk");
    (void)phone.sync();

    CHECK(phone.device.data("a") == json{{"text", "goat milk"}});
}

TEST_CASE("the simulator finds no lost edit over CouchDB's protocol", "[remote]") {
    testing::SimulationOptions<> options;
    options.backend = [](testing::Choices&) {
        struct Server {
            FakeCouch couch{};
            std::vector<std::unique_ptr<CouchDbRemote<>>> remotes{};
        };
        const auto server = std::make_shared<Server>();
        // Where two devices make the same id, CouchDB cannot tell a new document from a deletion
        // undone: a limit of the protocol (docs/backends.md), not of what is tested here.
        server->couch.makes_again_unasked = false;
        testing::SimulatedBackend<json> backend;
        backend.connect = [server] {
            const CouchDbOptions<> to{.url = "http://couch", .database = "notes"};
            server->remotes.push_back(std::make_unique<CouchDbRemote<>>(server->couch, to));
            return server->remotes.back()->remote();
        };
        backend.records = [server] {
            std::vector<SyncRecord<json>> records;
            for (const auto& document : server->couch.documents()) {
                records.push_back(couchdb::record_of<json>(document));
            }
            return records;
        };
        return backend;
    };
    const testing::Simulation<> simulation{options};

    const auto total = simulation.run_many(0, 50);

    if (total.failure) FAIL(simulation.explain(*total.failure));
    CHECK(total.edits > 0);
}

}  // namespace test_of_couchdb_remote
