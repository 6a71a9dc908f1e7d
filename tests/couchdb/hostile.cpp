// SPDX-License-Identifier: MIT
// Servers that answer whatever they like, over real sockets, and one that is merely very large.
#include <sync_engine/remote/couchdb_remote.hpp>
#include <sync_engine/remote/curl_transport.hpp>

#include "couchdb/memory.hpp"
#include "couchdb/phone.hpp"
#include "couchdb/place.hpp"
#include "support/catch.hpp"
#include "support/raw_server.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <functional>
#include <string>
#include <utility>

namespace test_of_hostile {

using namespace std::chrono_literals;
using namespace sync_engine;
using namespace sync_engine::test;
using nlohmann::json;

namespace {

std::string with_head(const std::string& body, const std::string& type = "application/json",
                      int status = 200) {
    return "HTTP/1.1 " + std::to_string(status) + " Said\r\nContent-Type: " + type +
           "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

/// Answers each request as a test says.
class Server {
public:
    /// The whole answer; empty: what a server says that holds nothing.
    using Answer = std::function<std::string(const RawRequest&)>;

    explicit Server(Answer answer)
        : answer_(std::move(answer)), server_([this](Socket& socket) {
              while (const auto request = socket.read_request()) {
                  std::string bytes = answer_(*request);
                  if (bytes.empty()) bytes = harmless(*request);
                  if (!socket.write(bytes)) return;
              }
          }) {}

    [[nodiscard]] Place place() const {
        return {.url = "http://127.0.0.1:" + std::to_string(server_.port()), .login = {}};
    }
    [[nodiscard]] std::size_t asked() const { return server_.requests().size(); }

private:
    static std::string harmless(const RawRequest& request) {
        const auto target = request.target();
        if (target.find("/_local/") != target.npos) return with_head(R"({"database":"d"})");
        if (target.find("/_changes") != target.npos) {
            return with_head(R"({"results":[],"last_seq":"0"})");
        }
        if (target.find("/_bulk_docs") != target.npos) return with_head("[]");
        return with_head(R"({"rows":[],"results":[]})");
    }

    Answer answer_;
    RawServer server_;
};

/// A device with something to lose.
struct Victim {
    explicit Victim(Place place, std::chrono::milliseconds deadline = 20s)
        : phone(std::move(place), "notes", deadline) {
        phone.edit("mine", {{"text", "milk"}});
        before = phone.contents();
    }

    /// It is told what happened, and has what it had.
    void check_unharmed(const SyncResult& result) {
        INFO(text_of(result));
        CHECK(result.has_errors());
        CHECK(phone.contents() == before);
        CHECK(phone.store->pending().size() == 1);
        CHECK(phone.engine->retry_queue().dead_letters().empty());
        phone.restart();
        CHECK(phone.contents() == before);
        CHECK(phone.store->pending().size() == 1);
    }

    Phone phone;
    Contents before{};
};

std::string nested(std::size_t levels) {
    return std::string(levels, '[') + std::string(levels, ']');
}

}  // namespace

TEST_CASE("a pull survives every answer", "[couchdb]") {
    const std::string body = GENERATE(
        std::string{"null"}, "1", "\"x\"", "[]", "{}", "", "{", "[[[", "<html>login</html>",
        R"({"results":null,"last_seq":1})", R"({"results":{},"last_seq":1})",
        R"({"results":[1],"last_seq":1})", R"({"results":[null],"last_seq":1})",
        R"({"results":[{}],"last_seq":1})", R"({"results":[{"id":7}],"last_seq":1})",
        R"({"results":[]})", R"({"results":[{"id":"a"}],"last_seq":1})",
        R"({"results":[{"id":"a","doc":null}],"last_seq":1})",
        R"({"results":[{"id":"a","doc":[]}],"last_seq":1})",
        R"({"results":[{"id":"a","doc":{"_id":5,"_rev":"1-a"}}],"last_seq":1})",
        R"({"results":[{"id":"a","doc":{"_id":"a","_rev":{}}}],"last_seq":1})",
        R"({"results":[{"id":"a","doc":{"_id":"","_rev":"1-a"}}],"last_seq":1})",
        R"({"results":[{"id":"a","doc":{"_id":"a","_rev":"1-a","sync_engine":{"version":-1}}}],"last_seq":1})",
        R"({"results":[{"id":"a","doc":{"_id":"a","_rev":"1-a","sync_engine":{"tags":{}}}}],"last_seq":1})",
        "{\"results\":[{\"id\":\"a\",\"doc\":{\"_id\":\"a\",\"_rev\":\"1-a\",\"t\":"
        "\"\xFF\xC0\x80\"}}],"
        "\"last_seq\":1}",
        R"({"results":[{"id":"a","doc":{"_id":"a","_rev":"1-a","t":"\ud800"}}],"last_seq":1})",
        R"({"results":[{"id":"a","doc":{"_id":"a","_rev":"1-a","n":1e999}}],"last_seq":1})",
        "{\"results\":" + nested(1'000'000) + ",\"last_seq\":1}", nested(5'000'000),
        "{\"results\":[{\"id\":\"a\",\"doc\":{\"_id\":\"a\",\"_rev\":\"1-a\",\"d\":" +
            nested(5'000) + "}}],\"last_seq\":1}");
    INFO(body.substr(0, 200));
    Server server{[&](const RawRequest& request) {
        if (request.target().find("/_changes") == std::string::npos) return std::string{};
        return with_head(body);
    }};
    Victim victim{server.place()};

    victim.check_unharmed(victim.phone.sync());
}

TEST_CASE("a push survives every answer", "[couchdb]") {
    const std::string body =
        GENERATE(std::string{"null"}, "{}", "[]", "", "[1]", "[null]", "[[]]", "[{}]", "<html>",
                 R"([{"ok":true}])", R"([{"id":"mine"}])", R"([{"id":"another","rev":"1-a"}])",
                 R"([{"id":"mine","rev":7}])", R"([{"id":"mine","rev":null}])",
                 R"([{"id":"mine","error":"conflict"}])", R"([{"id":"mine","error":{}}])",
                 R"([{"id":"mine","error":"unknown_error","reason":"\ud83c"}])");
    const std::string looked_up =
        GENERATE(std::string{R"({"rows":[]})"}, R"({"rows":[{"key":"mine","value":7}]})",
                 R"({"rows":[{"key":"mine","value":{"rev":"1-a"},"doc":7}]})", "[]", "{}");
    INFO(body << " and " << looked_up);
    Server server{[&](const RawRequest& request) {
        const auto target = request.target();
        if (target.find("/_bulk_docs") != target.npos) return with_head(body);
        if (target.find("/_all_docs") != target.npos) return with_head(looked_up);
        return std::string{};
    }};
    Victim victim{server.place()};

    victim.check_unharmed(victim.phone.sync());
}

TEST_CASE("whatever speaks no HTTP, or another one's, costs nothing", "[couchdb]") {
    const std::string bytes = GENERATE(
        std::string{"SSH-2.0-OpenSSH_9.2\r\n\r\n"},
        "HTTP/1.1 200 OK\r\n\r\n{\"results\":", "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{}",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n",
        "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}",
        "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n",
        with_head("<!DOCTYPE html><title>Sign in</title>", "text/html"),
        with_head("", "text/html", 204), with_head("{}", "application/json", 500),
        with_head("<h1>Bad gateway</h1>", "text/html", 502));
    INFO(bytes);
    RawServer server{[&](Socket& socket) {
        if (socket.read_request()) socket.write(bytes);
    }};
    Victim victim{{.url = "http://127.0.0.1:" + std::to_string(server.port()), .login = {}}};

    const auto result = victim.phone.sync();

    CHECK(result.outcome == SyncOutcome::failed);
    victim.check_unharmed(result);
}

TEST_CASE("a feed without end is cut off", "[couchdb]") {
    const bool has_rows = GENERATE(true, false);
    Server server{[&](const RawRequest& request) {
        if (request.target().find("/_changes") == std::string::npos) return std::string{};
        return with_head(
            has_rows ? R"({"results":[{"id":"_design/x","doc":{}}],"last_seq":1,"pending":9})"
                     : R"({"results":[],"last_seq":1,"pending":9})");
    }};
    Victim victim{server.place()};

    const auto result = victim.phone.sync({.max_pages = 20});

    CHECK(server.asked() < 30);
    victim.check_unharmed(result);
}

TEST_CASE("a pull of 100,000 documents takes the memory of a page", "[couchdb][memory]") {
    constexpr std::size_t count = 100'000;
    const auto number = [](const std::string& target, const std::string& key) -> std::size_t {
        const auto place = target.find(key + '=');
        return place == target.npos ? 0 : std::stoul(target.substr(place + key.size() + 1));
    };
    Server server{[&](const RawRequest& request) {
        const auto target = request.target();
        if (target.find("/_changes") == target.npos) return std::string{};
        const auto from = number(target, "since");
        const auto to = std::min(count, from + number(target, "limit"));
        const std::string text(200, 'x');
        std::string body = R"({"results":[)";
        for (auto each = from; each < to; ++each) {
            const auto id = std::to_string(each);
            if (each != from) body += ',';
            body += R"({"seq":")" + id + R"(","id":"n)" + id + R"(","doc":{"_id":"n)" + id +
                    R"(","_rev":"1-a","n":)" + id + R"(,"text":")" + text + R"("}})";
        }
        return with_head(body + R"(],"last_seq":")" + std::to_string(to) + R"(","pending":)" +
                         std::to_string(count - to) + '}');
    }};
    CurlTransport transport;
    CouchDbRemote<> couch{transport, {.url = server.place().url, .database = "notes"}};
    const auto start = std::chrono::steady_clock::now();
    std::size_t pulled = 0;
    std::size_t pages = 0;
    std::size_t early = 0;
    PullRequest request{.limit = 500};
    forget_peak();
    const auto before = memory_kib("VmRSS");
    for (bool has_more = true; has_more;) {
        const auto page = couch.pull(request);
        pulled += page.records.size();
        has_more = page.has_more;
        request.cursor = page.cursor;
        if (++pages == 10) early = memory_kib("VmHWM");
    }
    const auto late = memory_kib("VmHWM");

    CHECK(pulled == count);
    CHECK(pages == 200);
    CHECK(late < early + 4 * 1024);
    CHECK(late < before + 32 * 1024);
    WARN("real memory in KiB: "
         << before << " before, at most " << early << " over 10 pages and " << late
         << " over 200; documents a second: "
         << static_cast<std::size_t>(
                static_cast<double>(count) /
                std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count()));
}

TEST_CASE("an answer of 100 MB costs no more memory than is allowed", "[couchdb][memory]") {
    constexpr std::size_t megabyte = 1024 * 1024;
    const bool says_length = GENERATE(true, false);
    RawServer server{[&](Socket& socket) {
        const auto request = socket.read_request();
        if (!request) return;
        if (request->target().find("/_local/") != std::string::npos) {
            socket.write(with_head(R"({"database":"d"})"));
            return;
        }
        socket.write(std::string{"HTTP/1.1 200 OK\r\nConnection: close\r\n"} +
                     (says_length ? "Content-Length: 104857600\r\n\r\n" : "\r\n"));
        socket.write("{\"results\":[\"");
        const std::string some(megabyte, 'x');
        for (int sent = 0; sent < 100 && socket.write(some); ++sent) {
        }
    }};
    Victim victim{{.url = "http://127.0.0.1:" + std::to_string(server.port()), .login = {}}};
    CouchDbRemote<> couch{victim.phone.transport,
                          {.url = "http://127.0.0.1:" + std::to_string(server.port()),
                           .database = "notes",
                           .max_response_bytes = 8 * megabyte}};
    forget_peak();
    const auto before = memory_kib("VmHWM");

    const auto result = victim.phone.engine->sync(couch.remote()).get();

    CHECK(memory_kib("VmHWM") < before + 32 * 1024);
    CHECK(result.outcome == SyncOutcome::failed);
    victim.check_unharmed(result);
}

TEST_CASE("a byte now and then does not outlast the deadline", "[couchdb]") {
    RawServer server{[&](Socket& socket) {
        if (!socket.read_request()) return;
        socket.write("HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n{");
        while (!socket.hears_within(10ms) && socket.write(" ")) {
        }
    }};
    Victim victim{{.url = "http://127.0.0.1:" + std::to_string(server.port()), .login = {}}, 400ms};
    const auto start = std::chrono::steady_clock::now();

    const auto result = victim.phone.sync();

    CHECK(std::chrono::steady_clock::now() - start < 10s);
    CHECK(result.outcome == SyncOutcome::failed);
    victim.check_unharmed(result);
    CHECK_THAT(result.errors.front().message, contains("400 ms"));
}

}  // namespace test_of_hostile
