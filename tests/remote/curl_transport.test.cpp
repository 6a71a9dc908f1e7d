// SPDX-License-Identifier: MIT
#include <sync_engine/remote/curl_transport.hpp>

#include "support/catch.hpp"
#include "support/raw_server.hpp"
#include "support/temporary_folder.hpp"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <cstdlib>
#include <filesystem>
#include <future>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

extern char** environ;  // NOLINT(readability-redundant-declaration): not every system declares it

namespace test_of_curl_transport {

using namespace std::chrono_literals;
using namespace sync_engine;
using namespace sync_engine::test;
using Kind = HttpFailureKind;

namespace {

/// A proxy of the machine that runs the tests is not for 127.0.0.1.
const bool no_proxy = ::setenv("no_proxy", "*", 1) == 0;

std::string answer(std::string_view body, const std::string& headers = {},
                   const std::string& status = "200 OK") {
    return "HTTP/1.1 " + status + "\r\n" + headers +
           "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + std::string{body};
}

/// Answers each request of a connection with the same bytes.
RawServer::Talk always(std::string bytes) {
    return [bytes = std::move(bytes)](Socket& socket) {
        while (socket.read_request() && socket.write(bytes)) {
        }
    };
}

/// Answers the first request of a connection with these bytes and ends.
RawServer::Talk once(std::string bytes) {
    return [bytes = std::move(bytes)](Socket& socket) {
        socket.read_request();
        socket.write(bytes);
    };
}

void never_answer(Socket& socket) {
    socket.read_request();
    socket.wait_for_end();
}

/// A port that nobody listens on: bound, so that nobody else takes it meanwhile.
class DeafPort {
public:
    DeafPort() : socket_(::socket(AF_INET, SOCK_STREAM, 0)) {
        sockaddr_in address = Socket::local(0);
        socklen_t size = sizeof address;
        auto* const generic = reinterpret_cast<sockaddr*>(&address);
        REQUIRE(::bind(socket_.handle(), generic, size) == 0);
        REQUIRE(::getsockname(socket_.handle(), generic, &size) == 0);
        port_ = ntohs(address.sin_port);
    }
    [[nodiscard]] std::string url() const {
        return "http://127.0.0.1:" + std::to_string(port_) + "/";
    }

private:
    Socket socket_;
    std::uint16_t port_ = 0;
};

struct Failed {
    Kind kind;
    std::string message;
};

/// How sending fails; none if it does not.
std::optional<Failed> failure(HttpTransport& transport, const HttpRequest& request) {
    try {
        (void)transport.send(request);
    } catch (const HttpFailure& failed) {
        return Failed{failed.kind(), failed.what()};
    }
    return std::nullopt;
}

std::optional<Kind> kind(HttpTransport& transport, const HttpRequest& request) {
    const auto failed = failure(transport, request);
    if (!failed) return std::nullopt;
    UNSCOPED_INFO(failed->message);
    return failed->kind;
}

std::optional<Kind> kind(const HttpRequest& request) {
    CurlTransport transport;
    return kind(transport, request);
}

std::string every_byte() {
    std::string bytes;
    for (int n = 0; n < 256; ++n) bytes += static_cast<char>(n);
    return bytes;
}

}  // namespace

TEST_CASE("an answer comes with its status, its headers and its body", "[remote]") {
    const RawServer server{always(
        answer(every_byte(), "ETag: \"1-a\"\r\nX-Empty:\r\nSet-Cookie: a\r\nSet-Cookie: b\r\n",
               "418 I'm a teapot"))};
    CurlTransport transport;

    const auto response = transport.send({.url = server.url("/db/a%2Fb?rev=1-a")});

    CHECK(response.status == 418);
    CHECK(response.body == every_byte());
    CHECK(response.header("etag") == "\"1-a\"");
    CHECK(response.header("X-EMPTY").empty());
    CHECK(response.header("X-Other").empty());
    CHECK(response.header("set-cookie") == "a");
    CHECK(response.headers == HttpHeaders{{"ETag", "\"1-a\""},
                                          {"X-Empty", ""},
                                          {"Set-Cookie", "a"},
                                          {"Set-Cookie", "b"},
                                          {"Content-Length", "256"}});
    CHECK(server.requests().at(0).target() == "/db/a%2Fb?rev=1-a");
}

TEST_CASE("a request goes out with its method, its headers and its body", "[remote]") {
    const RawServer server{always(answer("ok"))};
    CurlTransport transport;
    const std::string method = GENERATE("GET", "POST", "PUT", "DELETE", "PATCH");
    const std::string body = GENERATE(std::string{}, every_byte());

    const auto response =
        transport.send({.method = method,
                        .url = server.url(),
                        .headers = {{"Authorization", "Basic x"}, {"X-Empty", ""}},
                        .body = body});

    CHECK(response.body == "ok");
    const auto request = server.requests().at(0);
    CHECK(request.method() == method);
    CHECK(request.body == body);
    CHECK(request.header("authorization") == "Basic x");
    CHECK(request.header("x-empty") == "");
    CHECK_FALSE(request.header("content-type"));
    CHECK_FALSE(request.header("transfer-encoding"));
    const bool says_length = !body.empty() || (method != "GET" && method != "DELETE");
    CHECK(request.header("content-length").has_value() == says_length);
}

TEST_CASE("HEAD is answered by headers that speak of a body", "[remote]") {
    const RawServer server{always("HTTP/1.1 200 OK\r\nETag: x\r\nContent-Length: 5000\r\n\r\n")};
    CurlTransport transport;

    for (int n = 0; n < 2; ++n) {
        const auto response = transport.send({.method = "HEAD", .url = server.url()});
        CHECK(response.status == 200);
        CHECK(response.body.empty());
        CHECK(response.header("content-length") == "5000");
    }
    CHECK(server.requests().at(0).method() == "HEAD");
    CHECK(server.connections() == 1);
}

TEST_CASE("requests after each other share a connection", "[remote]") {
    const RawServer server{always(answer("ok"))};
    CurlTransport transport;

    for (int n = 0; n < 10; ++n) {
        (void)transport.send({.method = "PUT", .url = server.url(), .body = "x"});
        (void)transport.send({.url = server.url()});
        CHECK(kind({.url = "ftp://127.0.0.1/"}) == Kind::unusable);
    }

    CHECK(server.requests().size() == 20);
    CHECK(server.connections() == 1);
}

TEST_CASE("a request leaves nothing behind for the next one", "[remote]") {
    const RawServer server{always(answer("ok"))};
    CurlTransport transport;

    (void)transport.send({.method = "PUT",
                          .url = server.url("/a?b"),
                          .headers = {{"Authorization", "x"}, {"Content-Type", "y"}},
                          .body = "body"});
    (void)transport.send({.url = server.url("/c")});

    const auto request = server.requests().at(1);
    CHECK(request.method() == "GET");
    CHECK(request.target() == "/c");
    CHECK(request.body.empty());
    CHECK_FALSE(request.header("authorization"));
    CHECK_FALSE(request.header("content-type"));
    CHECK_FALSE(request.header("content-length"));
}

TEST_CASE("a large body goes out at once, without asking for leave", "[remote]") {
    const RawServer server{always(answer("ok"))};
    CurlTransport transport;
    const std::string body(2'000'000, 'x');
    const auto before = std::chrono::steady_clock::now();

    (void)transport.send({.method = GENERATE("PUT", "POST"), .url = server.url(), .body = body});

    CHECK(std::chrono::steady_clock::now() - before < 30s);
    CHECK_FALSE(server.requests().at(0).header("expect"));
    CHECK(server.requests().at(0).body == body);
}

TEST_CASE("a path of dots and escapes is asked for as it was written", "[remote]") {
    const RawServer server{always(answer("ok"))};
    CurlTransport transport;

    for (const std::string path : {"/db/../a", "/db/./b", "/db/%2E%2E", "/db/%2e%00%ff", "/db/"}) {
        (void)transport.send({.url = server.url(path)});
        CHECK(server.requests().back().target() == path);
    }
    (void)transport.send({.url = server.url("/a#part")});
    CHECK(server.requests().back().target() == "/a");
}

TEST_CASE("a redirect is an answer like any other", "[remote]") {
    const RawServer elsewhere{always(answer("elsewhere"))};
    const RawServer server{
        always(answer("", "Location: " + elsewhere.url() + "\r\n", "307 Temporary Redirect"))};
    CurlTransport transport;

    const auto response = transport.send({.url = server.url()});

    CHECK(response.status == 307);
    CHECK(response.header("location") == elsewhere.url());
    CHECK(elsewhere.connections() == 0);
}

TEST_CASE("interim answers are passed over, their headers too", "[remote]") {
    const RawServer server{always("HTTP/1.1 103 Early Hints\r\nLink: early\r\n\r\n" +
                                  answer("ok", "X-Late: yes\r\n"))};
    CurlTransport transport;

    const auto response = transport.send({.url = server.url()});

    CHECK(response.status == 200);
    CHECK(response.header("link").empty());
    CHECK(response.header("x-late") == "yes");
}

TEST_CASE("a deadline ends an answer that trickles", "[remote]") {
    const RawServer server{[](Socket& socket) {
        socket.read_request();
        socket.write("HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n");
        while (!socket.hears_within(50ms) && socket.write("\n")) {
        }
    }};

    CHECK(kind({.url = server.url(), .deadline = 300ms}) == Kind::timed_out);
    CHECK(server.requests().size() == 1);
}

TEST_CASE("a deadline ends a request that is never answered", "[remote]") {
    const RawServer server{never_answer};
    CHECK(kind({.url = server.url(), .deadline = 100ms}) == Kind::timed_out);
    CHECK(kind({.method = "PUT", .url = server.url(), .body = "x", .deadline = 100ms}) ==
          Kind::timed_out);
}

TEST_CASE("a request whose time was over before it began was not sent", "[remote]") {
    const RawServer server{always(answer("ok"))};
    CHECK(kind({.url = server.url(), .deadline = 0ms}) == Kind::not_sent);
    CHECK(kind({.url = server.url(), .deadline = -1h}) == Kind::not_sent);
    CHECK(server.connections() == 0);

    CurlTransport transport;  // and the longest deadline is none of those
    CHECK(transport.send({.url = server.url(), .deadline = std::chrono::milliseconds::max()})
              .status == 200);
}

TEST_CASE("a deadline or a patience that ends in the handshake means not sent", "[remote]") {
    const RawServer mute{[](Socket& socket) { socket.wait_for_end(); }};
    const std::string url = "https" + mute.url().substr(4);
    CurlTransport hasty{{.connect_timeout = 100ms}};

    CHECK(kind({.url = url, .deadline = 100ms}) == Kind::not_sent);
    CHECK(kind(hasty, {.url = url, .deadline = 1h}) == Kind::not_sent);
}

TEST_CASE("a stop wakes a request that hangs", "[remote]") {
    const std::string begin = GENERATE("", "HTTP/1.1 200 OK\r\nContent-Le",
                                       "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab");
    std::promise<void> is_quiet;
    const RawServer server{[&](Socket& socket) {
        socket.read_request();
        socket.write(begin);
        // libcurl has timers of its own in the first 200 ms, which would wake the request as well.
        socket.hears_within(500ms);
        is_quiet.set_value();
        socket.wait_for_end();
    }};
    CurlTransport transport{{.connect_timeout = 60s}};  // nor that timer
    const StopSource source;
    auto failed = std::async(std::launch::async, [&] {
        return kind(transport, {.url = server.url(), .deadline = 60s, .stop = source.token()});
    });
    is_quiet.get_future().wait();

    source.request_stop();

    REQUIRE(failed.wait_for(30s) == std::future_status::ready);
    CHECK(failed.get() == Kind::stopped);
}

TEST_CASE("who was asked to stop before sends nothing", "[remote]") {
    const RawServer server{always(answer("ok"))};
    const StopSource source;
    source.request_stop();

    CHECK(kind({.url = server.url(), .stop = source.token()}) == Kind::stopped);
    CHECK(server.connections() == 0);
}

TEST_CASE("a transport is of use after a stop, a time-out and a failure", "[remote]") {
    const RawServer silent{never_answer};
    const RawServer broken{once("")};
    const RawServer server{always(answer("ok"))};
    CurlTransport transport;
    const StopSource source;
    source.request_stop();

    CHECK(kind(transport, {.url = silent.url(), .stop = source.token()}) == Kind::stopped);
    CHECK(kind(transport, {.url = silent.url(), .deadline = 50ms}) == Kind::timed_out);
    CHECK(kind(transport, {.url = broken.url()}) == Kind::interrupted);
    CHECK(transport.send({.url = server.url(), .stop = StopSource{}.token()}).body == "ok");
}

TEST_CASE("a refused connection and an unknown host mean not sent", "[remote]") {
    const DeafPort nobody;
    CHECK(kind({.url = nobody.url()}) == Kind::not_sent);
    CHECK(kind({.method = "PUT", .url = nobody.url(), .body = "x"}) == Kind::not_sent);
    CHECK(kind({.url = "http://nobody.invalid/", .deadline = 30s}) == Kind::not_sent);
}

TEST_CASE("an answer that does not come whole is interrupted", "[remote]") {
    const std::string bytes = GENERATE(
        "", "HTTP/1.1 200", "HTTP/1.1 200 OK\r\nETag: ", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n",
        "HTTP/1.1 103 Early Hints\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab");
    CAPTURE(bytes);
    const RawServer server{once(bytes)};
    const RawServer resetting{[bytes](Socket& socket) {
        socket.read_request();
        socket.write(bytes);
        socket.reset_at_end();
    }};

    CHECK(kind({.url = server.url()}) == Kind::interrupted);
    CHECK(kind({.method = "POST", .url = resetting.url(), .body = "x"}) == Kind::interrupted);
}

TEST_CASE("what is no HTTP is interrupted", "[remote]") {
    const std::string bytes =
        GENERATE("220 mail.example ESMTP\r\n", "\x16\x03\x01\x02", "HTTP/1.1 banana\r\n\r\n",
                 "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
                 "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
                 "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nabcd",
                 "HTTP/1.1 200 OK\r\nContent-Encoding: banana\r\nContent-Length: 4\r\n\r\nabcd");
    CAPTURE(bytes);
    const RawServer server{once(bytes)};

    CHECK(kind({.url = server.url()}) == Kind::interrupted);
}

TEST_CASE("a request with a body is not repeated on a connection that broke", "[remote]") {
    // The first request of a connection is answered, the second one is read and never answered.
    const RawServer server{[](Socket& socket) {
        socket.read_request();
        socket.write(answer("ok"));
        socket.read_request();
    }};
    CurlTransport transport;
    (void)transport.send({.url = server.url()});

    const std::string method = GENERATE("POST", "PUT", "DELETE");
    CHECK(kind(transport, {.method = method, .url = server.url(), .body = "x"}) ==
          Kind::interrupted);
    CHECK(server.requests().size() == 2);
}

TEST_CASE("a body may have as many bytes as are allowed and not one more", "[remote]") {
    const RawServer server{always(answer(std::string(1000, 'x')))};
    CurlTransport transport;

    CHECK(transport.send({.url = server.url(), .max_response_bytes = 1000}).body.size() == 1000);
    CHECK(kind(transport, {.url = server.url(), .max_response_bytes = 999}) == Kind::too_large);
    CHECK(kind(transport, {.url = server.url(), .max_response_bytes = 0}) == Kind::too_large);
}

TEST_CASE("a body without end is too large", "[remote]") {
    const std::string framing = GENERATE("", "Transfer-Encoding: chunked\r\n");
    const RawServer server{[framing](Socket& socket) {
        socket.read_request();
        socket.write("HTTP/1.1 200 OK\r\n" + framing + "\r\n");
        const std::string kilobyte(1024, 'x');
        while (socket.write(framing.empty() ? kilobyte : "400\r\n" + kilobyte + "\r\n")) {
        }
    }};

    CHECK(kind({.url = server.url(), .max_response_bytes = 100'000}) == Kind::too_large);
}

TEST_CASE("a body is measured after its decompression", "[remote]") {
    // gzip of 100,000 zeros: these bytes, some more zeros, and the end.
    constexpr std::string_view head{
        "\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03\xed\xc1\x31\x01\x00\x00\x00\xc2\xa0\xf5\x4f\x6d"
        "\x0d\x0f\xa0",
        25};
    constexpr std::string_view tail{"\x80\x57\x03\x7d\x95\x11\xd4\xa0\x86\x01\x00", 11};
    std::string bomb{head};
    bomb.resize(132 - tail.size(), '\0');
    bomb += tail;
    const RawServer server{always(answer(bomb, "Content-Encoding: gzip\r\n"))};
    CurlTransport transport;

    CHECK(transport.send({.url = server.url()}).body == std::string(100'000, '\0'));
    CHECK(kind(transport, {.url = server.url(), .max_response_bytes = 99'999}) == Kind::too_large);
    CHECK(kind(transport, {.url = server.url(), .max_response_bytes = 200}) == Kind::too_large);
    CHECK(server.requests().at(0).header("accept-encoding")->find("gzip") != std::string::npos);
}

TEST_CASE("headers without end are too large", "[remote]") {
    const std::string begin = GENERATE("HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\nX-Long: ", "");
    const std::string more = begin.empty()          ? "HTTP/1.1 100 Continue\r\n\r\n"
                             : begin.back() == '\n' ? "X-Header: value\r\n"
                                                    : "value, ";
    CAPTURE(begin);
    const RawServer server{[=](Socket& socket) {
        socket.read_request();
        socket.write(begin);
        std::string many;
        while (many.size() < 10'000) many += more;
        while (socket.write(many)) {
        }
    }};

    CHECK(kind({.url = server.url()}) == Kind::too_large);
}

TEST_CASE("what cannot be sent is unusable and reaches nobody", "[remote]") {
    const RawServer server{always(answer("ok"))};
    const std::string at = server.url().substr(7);

    for (const std::string url :
         {"", "127.0.0.1", "/db", "http://", "ftp://127.0.0.1/", "file:///etc/hostname",
          "javascript:alert(1)", "http://a b/", "http://127.0.0.1:99999/"}) {
        CAPTURE(url);
        CHECK(kind({.url = url}) == Kind::unusable);
    }
    CHECK(kind({.url = "http://user:password@" + at}) == Kind::unusable);
    CHECK(kind({.url = "http://user@" + at}) == Kind::unusable);
    CHECK(kind({.url = server.url("/a b")}) == Kind::unusable);
    CHECK(kind({.url = server.url("/a\r\nX: y")}) == Kind::unusable);
    CHECK(kind({.url = server.url("/a") + std::string(1, '\0') + "b"}) == Kind::unusable);
    CHECK(kind({.method = "", .url = server.url()}) == Kind::unusable);
    CHECK(kind({.method = "GET / HTTP/1.1\r\nX: y\r\n\r\nGET", .url = server.url()}) ==
          Kind::unusable);
    CHECK(kind({.method = "HEAD", .url = server.url(), .body = "x"}) == Kind::unusable);
    CHECK(server.connections() == 0);
}

TEST_CASE("a header stays one header", "[remote]") {
    const RawServer server{always(answer("ok"))};

    CHECK(kind({.url = server.url(), .headers = {{"X", "a\r\nY: b"}}}) == Kind::unusable);
    CHECK(kind({.url = server.url(), .headers = {{"X", "a\nY: b"}}}) == Kind::unusable);
    CHECK(kind({.url = server.url(), .headers = {{"X", std::string("a\0b", 3)}}}) ==
          Kind::unusable);
    CHECK(kind({.url = server.url(), .headers = {{"X: a\r\nY", "b"}}}) == Kind::unusable);
    CHECK(kind({.url = server.url(), .headers = {{"X Y", "b"}}}) == Kind::unusable);
    CHECK(kind({.url = server.url(), .headers = {{"", "b"}}}) == Kind::unusable);
    CHECK(server.connections() == 0);

    CurlTransport rude{{.user_agent = "me\r\nX: y"}};
    CHECK(kind(rude, {.url = server.url()}) == Kind::unusable);
    CurlTransport polite{{.user_agent = "me/1"}};
    CHECK(polite.send({.url = server.url()}).status == 200);
    CHECK(server.requests().at(0).header("user-agent") == "me/1");
}

TEST_CASE("messages say where and why, and no secret", "[remote]") {
    const DeafPort nobody;
    const RawServer broken{
        once("HTTP/1.1 200 OK\r\nX-Secret: hush\r\nContent-Length: 9\r\n\r\nhush")};
    const RawServer silent{never_answer};
    const RawServer large{always(answer("hushhush"))};
    const StopSource stopped;
    stopped.request_stop();
    CurlTransport transport;
    HttpRequest request{.method = "PUT",
                        .headers = {{"Authorization", "hush"}},
                        .body = "hush",
                        .max_response_bytes = 7};
    const auto message = [&](const std::string& url) {
        request.url = url;
        const auto failed = failure(transport, request);
        REQUIRE(failed);
        CHECK(failed->message.find("hush") == std::string::npos);
        CHECK(failed->message.find('?') == std::string::npos);
        CHECK(failed->message.size() < 400);
        return failed->message;
    };

    CHECK_THAT(message(nobody.url() + "db?token=hush#hush"),
               contains(nobody.url() + "db cannot be reached: Failed to connect"));
    CHECK_THAT(message(large.url("/db?hush")),
               contains(large.url("/db") + " sends more than the 7 bytes"));
    request.max_response_bytes = 1000;
    CHECK_THAT(message(broken.url("/db?hush")),
               contains(broken.url("/db") + " did not answer whole: "));
    request.deadline = 100ms;
    CHECK_THAT(message(silent.url("/db?hush")),
               contains(silent.url("/db") + " has not answered whole within 100 ms"));
    request.deadline = 0ms;
    CHECK_THAT(message(silent.url("/db?hush")), contains("no time"));
    request.deadline = 10s;
    request.stop = stopped.token();
    CHECK_THAT(message(silent.url("/db?hush")), contains("asked to stop"));
    request.stop = {};

    CHECK_THAT(message("http://me:hush@127.0.0.1:1/db?hush"),
               contains("http://127.0.0.1:1/db was given with a login"));
    CHECK_THAT(message("http://hush@127.0.0.1:1/db"), contains("login"));
    CHECK_THAT(message("ftp://me:hush@127.0.0.1/?hush"), contains("ftp://127.0.0.1/"));
    CHECK_THAT(message("ftp://127.0.0.1/?hush"), contains("only http and https"));
    CHECK_THAT(message("http://me:hush@[/?hush"), contains("no absolute URL"));
    CHECK_THAT(message("me:hush@"), contains("no absolute URL"));
    CHECK_THAT(message("http://127.0.0.1/hush hush"), contains("spaces"));
    CHECK_THAT(message(nobody.url() + std::string(5000, 'x')),
               contains("xxx... cannot be reached"));
    request.method = "hush hush";
    message(nobody.url());
    request.method = "PUT";
    request.headers = {{"Authorization", "hush\r\n"}};
    message(nobody.url());
}

TEST_CASE("eight threads send at once, each on a connection of its own", "[remote]") {
    constexpr std::size_t threads = 8;
    constexpr int rounds = 25;
    std::atomic<std::size_t> waiting{0};
    std::promise<void> all_are_here;
    const auto together = all_are_here.get_future().share();
    // The first answers wait for each other: so many requests are on their way at one time.
    const RawServer server{[&](Socket& socket) {
        if (auto request = socket.read_request()) {
            if (++waiting == threads) all_are_here.set_value();
            together.wait();
            do {
                socket.write(answer(request->body));
                request = socket.read_request();
            } while (request);
        }
    }};
    CurlTransport transport;

    std::vector<std::future<int>> right;
    for (std::size_t thread = 0; thread < threads; ++thread) {
        right.push_back(std::async(std::launch::async, [&, thread] {
            int count = 0;
            for (int n = 0; n < rounds; ++n) {
                const std::string body = std::to_string(thread) + "/" + std::to_string(n);
                const auto response =
                    transport.send({.method = "POST", .url = server.url(), .body = body});
                count += response.body == body ? 1 : 0;
            }
            return count;
        }));
    }

    for (auto& count : right) CHECK(count.get() == rounds);
    CHECK(server.connections() == threads);
}

TEST_CASE("stops from other threads hit no request but their own", "[remote]") {
    const RawServer server{always(answer("ok"))};
    CurlTransport transport;
    int answered = 0;

    for (int n = 0; n < 200; ++n) {
        const StopSource source;
        std::thread stopper{[&] { source.request_stop(); }};
        const auto failed = failure(transport, {.url = server.url(), .stop = source.token()});
        stopper.join();
        if (failed) CHECK(failed->kind == Kind::stopped);
        answered += transport.send({.url = server.url()}).status == 200 ? 1 : 0;
    }

    CHECK(answered == 200);
}

namespace {

/// A program of its own, ended with this object.
class Program {
public:
    explicit Program(std::vector<std::string> words) {
        std::array<int, 2> ends{};
        REQUIRE(::pipe(ends.data()) == 0);
        posix_spawn_file_actions_t actions;
        ::posix_spawn_file_actions_init(&actions);
        ::posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
        ::posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
        ::posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
        ::posix_spawn_file_actions_addclose(&actions, ends[0]);
        std::vector<char*> arguments;
        for (auto& word : words) arguments.push_back(word.data());
        arguments.push_back(nullptr);
        if (::posix_spawnp(&id_, arguments[0], &actions, nullptr, arguments.data(), environ) != 0) {
            id_ = -1;
        }
        ::posix_spawn_file_actions_destroy(&actions);
        ::close(ends[1]);
        output_ = ends[0];
    }
    Program(const Program&) = delete;
    Program& operator=(const Program&) = delete;
    ~Program() {
        if (id_ > 0) {
            ::kill(id_, SIGKILL);
            wait();
        }
        ::close(output_);
    }

    /// Whether it ended by itself and well.
    bool succeeds() {
        if (id_ < 0) return false;
        const int status = wait();
        return WIFEXITED(status) && WEXITSTATUS(status) == 0;
    }

    /// Its next line of output; empty at the end.
    std::string line() const {
        std::string text;
        for (char letter = 0; ::read(output_, &letter, 1) == 1 && letter != '\n';) text += letter;
        return text;
    }

private:
    int wait() {
        int status = -1;
        ::waitpid(std::exchange(id_, -1), &status, 0);
        return status;
    }

    pid_t id_ = -1;
    int output_ = -1;
};

}  // namespace

TEST_CASE("a server that proves itself by nobody we trust is not talked to", "[remote]") {
    const TemporaryFolder folder;
    const std::string certificate = (folder / "certificate.pem").string();
    const std::string key = (folder / "key.pem").string();
    Program making{{"openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
                    "-subj", "/CN=sync_engine", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout",
                    key, "-out", certificate}};
    if (!making.succeeds()) {
        WARN("skipped: there is no program `openssl` that makes a certificate");
        return;
    }
    const Program server{{"openssl", "s_server", "-accept", "127.0.0.1:0", "-www", "-cert",
                          certificate, "-key", key}};
    std::string url;
    for (std::string line = server.line(); url.empty() && !line.empty(); line = server.line()) {
        const std::string announced = "ACCEPT 127.0.0.1:";
        if (line.rfind(announced, 0) == 0) {
            url = "https://127.0.0.1:" + line.substr(announced.size()) + "/";
            break;
        }
    }
    if (url.empty()) {
        WARN("skipped: `openssl s_server` does not serve on a free port");
        return;
    }

    CurlTransport strict;
    const auto failed = failure(strict, {.url = url});
    REQUIRE(failed);
    CHECK(failed->kind == Kind::not_sent);
    CHECK_THAT(failed->message, contains("certificate"));

    CurlTransport trusting{{.ca_file = certificate}};
    CHECK(trusting.send({.url = url}).status == 200);
    // The certificate is for the address, not for the name.
    const auto other_name = failure(trusting, {.url = "https://localhost" + url.substr(17)});
    REQUIRE(other_name);
    CHECK(other_name->kind == Kind::not_sent);

    CurlTransport careless{{.verify_tls = false}};
    CHECK(careless.send({.url = url}).status == 200);
    CurlTransport lost{{.ca_file = (folder / "missing.pem").string()}};
    CHECK(kind(lost, {.url = url}) == Kind::not_sent);
}

}  // namespace test_of_curl_transport
