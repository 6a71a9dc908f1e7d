// SPDX-License-Identifier: MIT
#include <sync_engine/remote/memory_remote.hpp>
#include <sync_engine/remote/remote_error.hpp>
#include <sync_engine/testing/fault.hpp>
#include <sync_engine/testing/faulty_remote.hpp>

#include "support/catch.hpp"
#include "support/simulation.hpp"

#include <nlohmann/json.hpp>

#include <chrono>
#include <cstddef>
#include <future>
#include <optional>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace test_of_faulty_remote {

using namespace std::chrono_literals;
using namespace sync_engine;
using sync_engine::test::contains;
using sync_engine::test::message_of;
using sync_engine::testing::Choices;
using sync_engine::testing::Fault;
using sync_engine::testing::FaultRates;
using sync_engine::testing::Faults;
using sync_engine::testing::FaultyRemote;
using Json = nlohmann::json;
using Records = std::vector<SyncRecord<>>;
using Changes = std::vector<Change<>>;

namespace {

/// An edit of a record that the server does not have.
Change<> change(const std::string& id, const std::string& operation) {
    return {.record = {.id = id, .data = operation, .updated_at = Timestamp{} + 1h},
            .operation_id = operation};
}

std::string joined_ids(const Records& records) {
    std::string ids;
    for (const auto& record : records) ids += (ids.empty() ? "" : " ") + record.id;
    return ids;
}

/// The data of each row, in order.
std::string texts_of(const Records& records) {
    std::string texts;
    for (const auto& record : records) {
        texts += (texts.empty() ? "" : " ") + record.data.get<std::string>();
    }
    return texts;
}

std::string text_of(const PushReport<>& report) {
    std::string text;
    for (const auto& verdict : report) {
        constexpr const char* kinds[] = {"accepted", "conflict", "rejected", "retry"};
        text += (text.empty() ? "" : ", ") + verdict.id + " " +
                kinds[static_cast<std::size_t>(verdict.kind)];
    }
    return text;
}

template <class Value>
bool is_ready(const std::future<Value>& future) {
    return future.wait_for(0s) == std::future_status::ready;
}

/// Keeps the future, whatever it comes to; the callbacks themselves are not waited for.
template <class Kept>
auto kept(std::future<Kept>& reply) {
    return [&reply](auto future) {
        if constexpr (std::is_same_v<decltype(future), std::future<Kept>>) {
            reply = std::move(future);
        }
        return decltype(future.get()){};
    };
}

/// A server behind a network with one fault that always happens.
class Line {
public:
    explicit Line(std::optional<Fault> fault = std::nullopt, bool is_simple = false)
        : faults(choices, fault ? FaultRates{}.set(*fault, 1000) : FaultRates{}),
          faulty(is_simple ? server.simple_remote() : server.remote("server"), faults) {}

    /// From now on this happens each time, and nothing else.
    void only(Fault fault) { faults.set_rates(FaultRates{}.set(fault, 1000)); }

    /// The future that a push of the device gets.
    std::future<PushReport<>> push(Changes changes) {
        std::future<PushReport<>> reply;
        (void)faulty.remote().push({.changes = std::move(changes)}, kept(reply));
        return reply;
    }
    std::future<PullPage<>> pull(Json cursor = nullptr, std::size_t limit = 10) {
        std::future<PullPage<>> reply;
        (void)faulty.remote().pull({.cursor = std::move(cursor), .limit = limit}, kept(reply));
        return reply;
    }
    std::future<Records> pull_simply() {
        std::future<Records> reply;
        (void)faulty.remote().pull({}, kept(reply));
        return reply;
    }

    [[nodiscard]] std::string held() const { return joined_ids(server.records()); }

    /// Another device stores a state under the next version.
    void seed(const std::string& id, const std::string& text) {
        server.seed({.id = id, .data = text, .updated_at = Timestamp{} + 1h * ++version_});
    }

    Choices choices{1};
    MemoryRemote<> server{[] { return Timestamp{}; }};
    Faults faults;
    FaultyRemote<> faulty;

private:
    int version_ = 0;
};

}  // namespace

TEST_CASE("without faults, a faulty remote is the remote that it wraps", "[testing]") {
    Line line;
    line.seed("a", "one");

    CHECK(line.faulty.remote().name == "server");
    CHECK(text_of(line.push({change("b", "op1"), change("c", "op2")}).get()) ==
          "b accepted, c accepted");
    CHECK(line.held() == "a b c");
    const auto page = line.pull(nullptr, 2).get();
    CHECK(joined_ids(page.records) == "a b");
    CHECK(page.has_more);
    CHECK(joined_ids(line.pull(page.cursor).get().records) == "c");
    CHECK(line.faulty.delayed() == 0);
    CHECK(line.choices.recorded().empty());
}

// Calls.

TEST_CASE("a call that is refused at the door has no effect", "[testing]") {
    const auto fault = GENERATE(Fault::unreachable, Fault::rate_limited, Fault::login_expired);
    Line line{fault};
    auto pushed = line.push({change("a", "op1")});
    auto pulled = line.pull();

    REQUIRE(is_ready(pushed));
    REQUIRE(is_ready(pulled));
    switch (fault) {
        case Fault::unreachable:
            CHECK_THROWS_AS(pushed.get(), Unavailable);
            CHECK_THROWS_AS(pulled.get(), Unavailable);
            break;
        case Fault::rate_limited:
            CHECK_THROWS_AS(pushed.get(), RetryAfter);
            CHECK_THROWS_AS(pulled.get(), RetryAfter);
            break;
        default:
            CHECK_THROWS_AS(pushed.get(), Unauthorized);
            CHECK_THROWS_AS(pulled.get(), Unauthorized);
    }
    CHECK(line.server.push_calls() + line.server.pull_calls() == 0);
    CHECK(line.faults.counts().at(static_cast<std::size_t>(fault)) == 2);
}

TEST_CASE("a lost request never arrives and is never answered", "[testing]") {
    Line line{Fault::request_lost};

    CHECK_FALSE(is_ready(line.push({change("a", "op1")})));
    CHECK_FALSE(is_ready(line.pull()));
    CHECK(line.server.push_calls() + line.server.pull_calls() == 0);
    CHECK(line.faulty.delayed() == 0);
}

TEST_CASE("a delayed request arrives when it is delivered", "[testing]") {
    Line line{Fault::request_delayed};
    auto pushed = line.push({change("a", "op1")});
    auto pulled = line.pull();
    CHECK_FALSE(is_ready(pushed));
    CHECK_FALSE(is_ready(pulled));
    CHECK(line.server.push_calls() + line.server.pull_calls() == 0);
    REQUIRE(line.faulty.delayed() == 2);

    line.faulty.deliver(0);
    CHECK(line.held() == "a");
    CHECK(text_of(pushed.get()) == "a accepted");
    line.faulty.deliver(0);
    CHECK(joined_ids(pulled.get().records) == "a");
    CHECK(line.faulty.delayed() == 0);
}

TEST_CASE("delayed requests can overtake each other", "[testing]") {
    Line line{Fault::request_delayed};
    auto pushed = line.push({change("a", "op1")});
    auto pulled = line.pull();

    line.faulty.deliver(1);

    CHECK(pulled.get().records.empty());
    CHECK_FALSE(is_ready(pushed));
}

TEST_CASE("a duplicated request is answered once, and arrives again later", "[testing]") {
    Line line{Fault::request_duplicated};

    CHECK(text_of(line.push({change("a", "op1")}).get()) == "a accepted");
    CHECK(line.held() == "a");
    REQUIRE(line.faulty.delayed() == 1);
    line.faulty.deliver(0);
    CHECK(line.server.push_calls() == 2);
    CHECK(line.server.applied("op1") == 1);
}

TEST_CASE("nobody hears what the server throws at the second arrival", "[testing]") {
    Line line{Fault::request_duplicated};
    line.server.fail_next_push(2);
    CHECK_THROWS_AS(line.push({change("a", "op1")}).get(), std::runtime_error);

    REQUIRE(line.faulty.delayed() == 1);
    CHECK_NOTHROW(line.faulty.deliver(0));
    CHECK(line.server.push_calls() == 2);
}

TEST_CASE("a callback that returns an empty future fails its call", "[testing]") {
    Choices choices{1};
    Faults faults{choices};
    FaultyRemote<> faulty{{.push = [](PushBatch<>) { return std::future<PushReport<>>{}; },
                           .pull = [](PullRequest) { return std::future<PullPage<>>{}; }},
                          faults};
    std::future<PushReport<>> pushed;
    std::future<PullPage<>> pulled;
    (void)faulty.remote().push({.changes = {change("a", "op1")}}, kept(pushed));
    (void)faulty.remote().pull({}, kept(pulled));

    CHECK_THAT(message_of<RemoteError>([&] { pushed.get(); }), contains("an empty future"));
    CHECK_THAT(message_of<RemoteError>([&] { pulled.get(); }), contains("an empty future"));
}

TEST_CASE("a server that fails before it did anything has stored nothing", "[testing]") {
    Line line{Fault::error_before};

    CHECK_THROWS_AS(line.push({change("a", "op1")}).get(), std::runtime_error);
    CHECK_THROWS_AS(line.pull().get(), std::runtime_error);
    CHECK(line.server.push_calls() + line.server.pull_calls() == 0);
}

TEST_CASE("a server that fails after it did everything has stored it", "[testing]") {
    Line line{Fault::error_after};

    CHECK_THROWS_AS(line.push({change("a", "op1")}).get(), std::runtime_error);
    CHECK_THROWS_AS(line.pull().get(), std::runtime_error);
    CHECK(line.held() == "a");
    CHECK(line.server.pull_calls() == 1);
}

TEST_CASE("where the reply is lost, the server has stored it and nobody hears", "[testing]") {
    Line line{Fault::reply_lost};

    CHECK_FALSE(is_ready(line.push({change("a", "op1")})));
    CHECK_FALSE(is_ready(line.pull()));
    CHECK(line.held() == "a");
    CHECK(line.server.pull_calls() == 1);
    CHECK(line.faulty.delayed() == 0);
}

TEST_CASE("a delayed reply comes when it is delivered, and tells of the time of the request",
          "[testing]") {
    Line line{Fault::reply_delayed};
    auto pushed = line.push({change("a", "op1")});
    auto pulled = line.pull();
    CHECK_FALSE(is_ready(pushed));
    CHECK_FALSE(is_ready(pulled));
    CHECK(line.held() == "a");
    REQUIRE(line.faulty.delayed() == 2);
    line.seed("b", "later");

    line.faulty.deliver(1);
    line.faulty.deliver(0);
    CHECK(text_of(pushed.get()) == "a accepted");
    CHECK(joined_ids(pulled.get().records) == "a");
}

TEST_CASE("what the server throws arrives too, at once or late", "[testing]") {
    Line line;
    line.server.fail_next_push(3);
    CHECK_THAT(message_of<std::runtime_error>([&] { line.push({change("a", "op1")}).get(); }),
               contains("the push failed"));

    line.only(GENERATE(Fault::reply_delayed, Fault::request_delayed));
    auto late = line.push({change("a", "op1")});
    CHECK_FALSE(is_ready(late));
    line.faulty.deliver(0);
    CHECK_THAT(message_of<std::runtime_error>([&] { late.get(); }), contains("the push failed"));

    line.only(Fault::error_after);
    CHECK_THAT(message_of<std::runtime_error>([&] { line.push({change("a", "op1")}).get(); }),
               contains("the server failed"));
}

TEST_CASE("what is delayed may be delivered when nobody waits any more", "[testing]") {
    Line line{GENERATE(Fault::request_delayed, Fault::reply_delayed)};
    (void)line.push({change("a", "op1")});

    line.faulty.deliver(0);

    CHECK(line.held() == "a");
}

// Pushes.

TEST_CASE("a batch that is too large is refused whole, a single change is not", "[testing]") {
    Line line{Fault::batch_too_large};

    CHECK_THROWS_AS(line.push({change("a", "op1"), change("b", "op2")}).get(), TooLarge);
    CHECK(line.held().empty());
    CHECK(text_of(line.push({change("a", "op1")}).get()) == "a accepted");
}

TEST_CASE("a poisonous record fails each batch that it is in, for as long as it lasts",
          "[testing]") {
    Line line{Fault::change_poisonous};
    CHECK_THROWS_AS(line.push({change("a", "op1")}).get(), std::runtime_error);
    CHECK(line.faulty.poisonous().count("a") == 1);
    line.faults.stop();

    CHECK_THROWS_AS(line.push({change("b", "op2"), change("a", "op1")}).get(), std::runtime_error);
    CHECK(line.server.push_calls() == 0);
    CHECK(text_of(line.push({change("b", "op2")}).get()) == "b accepted");
    line.faulty.poisonous().clear();
    CHECK(text_of(line.push({change("a", "op1")}).get()) == "a accepted");
}

TEST_CASE("a server that has refused an operation refuses it until it is forgiven", "[testing]") {
    Line line{Fault::change_refused};
    CHECK(text_of(line.push({change("a", "op1")}).get()) == "a rejected");
    line.faults.stop();

    CHECK(text_of(line.push({change("a", "op1"), change("b", "op2")}).get()) ==
          "b accepted, a rejected");
    CHECK(line.held() == "b");
    line.faulty.forgive();
    CHECK(text_of(line.push({change("a", "op1")}).get()) == "a accepted");
}

TEST_CASE("a server does not refuse what it has stored", "[testing]") {
    Line line;
    CHECK(text_of(line.push({change("a", "op1")}).get()) == "a accepted");

    line.only(Fault::change_refused);
    CHECK(text_of(line.push({change("a", "op1")}).get()) == "a accepted");
    CHECK(text_of(line.push({change("a", "op2")}).get()) == "a rejected");
}

TEST_CASE("a deferred change is not stored and shall come again", "[testing]") {
    Line line{Fault::change_deferred};
    const auto report = line.push({change("a", "op1")}).get();

    CHECK(text_of(report) == "a retry");
    CHECK(report.front().after > 0ms);
    CHECK(line.held().empty());
}

TEST_CASE("a change without an answer is not stored, one whose verdict is lost is", "[testing]") {
    Line line{Fault::change_unanswered};
    CHECK(line.push({change("a", "op1")}).get().empty());
    CHECK(line.held().empty());

    line.only(Fault::verdict_lost);
    CHECK(line.push({change("a", "op1")}).get().empty());
    CHECK(line.held() == "a");
}

TEST_CASE("verdicts come in another order, or for a stranger too", "[testing]") {
    Line line{Fault::verdicts_reversed};
    const Changes changes{change("a", "op1"), change("b", "op2")};
    CHECK(text_of(line.push(changes).get()) == "b accepted, a accepted");

    line.only(Fault::stranger_answered);
    CHECK(text_of(line.push(changes).get()) == "a accepted, b accepted, stranger accepted");
    CHECK(line.held() == "a b");
}

TEST_CASE("a false conflict is over the base of the change, which is not stored", "[testing]") {
    Line line{Fault::false_conflict};
    CHECK(text_of(line.push({change("a", "op1")}).get()) == "a accepted");

    auto edit = change("a", "op2");
    edit.base = *line.server.find("a");
    edit.record.revision = edit.base->revision;
    const auto report = line.push({edit}).get();
    CHECK(text_of(report) == "a conflict");
    CHECK(*report.front().remote == *edit.base);
    CHECK(line.server.find("a")->data == "op1");
}

// Pulls.

TEST_CASE("a stale page is as it was the last time", "[testing]") {
    Line line{Fault::page_stale};
    line.seed("a", "one");
    const auto first = line.pull().get();  // there was no last time
    line.seed("b", "two");

    const auto stale = line.pull().get();
    CHECK(texts_of(stale.records) == "one");
    CHECK(stale.cursor == first.cursor);
    CHECK(texts_of(line.pull(first.cursor).get().records) == "two");
    line.faults.set_rates({});
    CHECK(texts_of(line.pull().get().records) == "one two");
}

TEST_CASE("a page with a stale row begins with an earlier state of some record", "[testing]") {
    Line line{Fault::row_stale};
    line.seed("a", "one");
    const auto first = line.pull().get();
    CHECK(texts_of(first.records) == "one");
    line.seed("a", "two");

    CHECK(texts_of(line.pull(first.cursor).get().records) == "one two");
}

TEST_CASE("what may not lag is not shown again", "[testing]") {
    Line line;
    line.faulty.may_lag = [](const SyncRecord<>& row) { return row.data != "one"; };
    line.seed("b", "other");
    SECTION("in a stale page") {
        line.only(Fault::page_stale);
        const auto first = line.pull().get();
        line.seed("a", "one");
        CHECK(texts_of(line.pull(first.cursor).get().records) == "one");
        line.seed("a", "two");
        CHECK(texts_of(line.pull(first.cursor).get().records) == "two");
        CHECK(texts_of(line.pull().get().records) == "other");
    }
    SECTION("in a stale row") {
        line.only(Fault::row_stale);
        line.seed("a", "one");
        const auto first = line.pull().get();
        line.seed("a", "two");
        CHECK(texts_of(line.pull(first.cursor).get().records) == "other two");
    }
}

TEST_CASE("a page that repeats rows still ends with its last one", "[testing]") {
    Line line{Fault::rows_repeated};
    CHECK(line.pull().get().records.empty());
    line.seed("a", "one");
    line.seed("b", "two");

    CHECK(texts_of(line.pull().get().records) == "two one two two");
}

TEST_CASE("a cursor expires, unless there is none", "[testing]") {
    Line line{Fault::cursor_expired};
    const auto cursor = line.pull().get().cursor;
    REQUIRE_FALSE(cursor.is_null());

    CHECK_THROWS_AS(line.pull(cursor).get(), CursorExpired);
    CHECK(line.server.pull_calls() == 1);
}

TEST_CASE("a feed is reset under a cursor, never at its beginning", "[testing]") {
    Line line{Fault::feed_reset};
    const auto page = line.pull().get();

    CHECK_FALSE(page.reset);
    CHECK(line.pull(page.cursor).get().reset);
}

TEST_CASE("a stuck feed promises more behind a cursor that does not move", "[testing]") {
    Line line{Fault::feed_stuck};
    line.seed("a", "one");

    const auto page = line.pull().get();
    CHECK(page.cursor.is_null());
    CHECK(page.has_more);
}

// Forms.

TEST_CASE("a remote of simple callbacks stays one, with the same trouble", "[testing]") {
    Line line{std::nullopt, true};
    CHECK_FALSE(line.faulty.remote().pull.keeps_cursor());
    CHECK(text_of(line.push({change("a", "op1")}).get()) == "a accepted");
    CHECK(joined_ids(line.pull_simply().get()) == "a");

    line.only(Fault::unreachable);
    CHECK_THROWS_AS(line.pull_simply().get(), Unavailable);
    line.only(Fault::reply_lost);
    CHECK_FALSE(is_ready(line.pull_simply()));
    CHECK_FALSE(is_ready(line.push({change("b", "op2")})));
    CHECK(line.held() == "a b");
    line.only(Fault::request_delayed);
    auto late = line.pull_simply();
    line.faulty.deliver(0);
    CHECK(joined_ids(late.get()) == "a b");
}

// Who watches.

TEST_CASE("a watch is told of calls, of what the remote did, and of faults", "[testing]") {
    Line line{Fault::change_unanswered};
    std::string told;
    line.faulty.watch.before_push = [&](const Changes& changes) {
        told += "push " + std::to_string(changes.size()) + "; ";
    };
    line.faulty.watch.before_pull = [&](const PullRequest& request) {
        told += "pull " + request.cursor.dump() + "; ";
    };
    line.faulty.watch.pushed = [&](const Changes& changes, const PushReport<>& report) {
        told += "pushed " + std::to_string(changes.size()) + ": " + text_of(report) + "; ";
    };
    line.faulty.watch.pulled = [&](const PullRequest&, const PullPage<>& page) {
        told += "pulled " + joined_ids(page.records) + "; ";
    };
    line.faulty.watch.fault = [&](Fault fault, const std::string& id) {
        told += std::string{to_string(fault)} + " " + id + "; ";
    };
    (void)line.push({change("a", "op1")});
    CHECK(told == "push 1; change unanswered a; ");

    told.clear();
    line.only(Fault::verdict_lost);
    (void)line.push({change("a", "op1")});
    (void)line.pull();
    CHECK(told == "push 1; verdict lost a; pushed 1: a accepted; pull null; pulled a; ");
}

TEST_CASE("what a watch throws before a call fails the call", "[testing]") {
    Line line;
    line.faulty.watch.before_push = [](const Changes&) { throw std::runtime_error("no"); };
    line.faulty.watch.before_pull = [](const PullRequest&) { throw std::runtime_error("no"); };

    CHECK_THROWS_AS(line.push({change("a", "op1")}), std::runtime_error);
    CHECK_THROWS_AS(line.pull(), std::runtime_error);
    CHECK(line.server.push_calls() + line.server.pull_calls() == 0);
}

}  // namespace test_of_faulty_remote
