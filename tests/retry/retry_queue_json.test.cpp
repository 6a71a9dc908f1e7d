// SPDX-License-Identifier: MIT
#include <sync_engine/retry/retry_queue.hpp>
#include <sync_engine/testing/manual_clock.hpp>

#include "support/catch.hpp"

#include <nlohmann/json.hpp>

#include <chrono>
#include <cstdint>
#include <limits>
#include <string>
#include <utility>
#include <vector>

namespace test_of_retry_queue_json {

using namespace std::chrono_literals;
using namespace sync_engine;
using namespace sync_engine::test;
using nlohmann::json;

namespace {

using Queue = RetryQueue<>;

const Timestamp noon{std::chrono::sys_days{std::chrono::year{2026} / 5 / 4} + 12h};

SyncRecord<> note(std::string id) {
    return {.id = std::move(id), .data = "one", .updated_at = noon, .tags = {"x"}};
}

Queue empty_queue(RetryOptions options = {}) {
    return Queue{options, [] { return noon; }, [] { return std::uint64_t{7}; }};
}

/// A queue with an entry in each state.
Queue full_queue() {
    auto queue = empty_queue({.max_attempts = 2,
                              .backoff_base = 3s,
                              .backoff_multiplier = 1.5,
                              .max_delay = 1min,
                              .jitter = 0.25});
    queue.enqueue(note("taken out"), "no");
    static_cast<void>(queue.dequeue_all());
    queue.enqueue(note("waiting"), "said \"no\"\n");
    queue.enqueue(note("dead"), "no");
    queue.enqueue(note("dead"), "never");
    return queue;
}

}  // namespace

TEST_CASE("a queue that is written reads back the same", "[retry]") {
    const auto queue = full_queue();
    auto read = empty_queue();

    from_json(json::parse(json(queue).dump()), read);

    CHECK(json(read) == json(queue));
    CHECK(read.pending() == queue.pending());
    CHECK(read.count() == 1);
    CHECK(read.next_due() == queue.next_due());
    REQUIRE(read.dead_letters().size() == 1);
    CHECK(read.dead_letters().front().history == queue.dead_letters().front().history);
    CHECK(read.options().max_attempts == 2);
    CHECK(read.options().backoff_base == 3s);
    CHECK(read.options().backoff_multiplier == 1.5);
    CHECK(read.options().max_delay == 1min);
    CHECK(read.options().jitter == 0.25);
}

TEST_CASE("a queue that was read remembers the attempts", "[retry]") {
    auto read = empty_queue();
    from_json(json(full_queue()), read);

    read.enqueue(note("taken out"), "again");

    CHECK(read.dead_letters().size() == 2);
    CHECK(read.revive("dead"));
}

TEST_CASE("a queue that is read goes on with its own clock and chance", "[retry]") {
    testing::ManualClock clock{noon};
    Queue queue{{}, clock.clock(), [] { return std::uint64_t{100}; }};

    from_json(json{{"options", {{"jitter", 1.0}}}}, queue);
    queue.enqueue(note("a"));

    CHECK(queue.next_due() == noon + 1s - 100ms);
}

TEST_CASE("a queue that is read replaces all that was there", "[retry]") {
    auto queue = full_queue();

    from_json(json::object(), queue);

    CHECK(queue.entries().empty());
    CHECK(queue.options().max_attempts == RetryOptions{}.max_attempts);
}

TEST_CASE("a queue that was read is independent of its source", "[retry]") {
    auto queue = full_queue();
    auto read = empty_queue();
    from_json(json(queue), read);
    auto copy = read;

    queue.clear();
    read.clear();

    CHECK(copy.entries().size() == 3);
}

TEST_CASE("what is no queue is refused by key, and the queue stays as it was", "[retry]") {
    const auto written = json(full_queue());
    const auto check_refused = [&](const json& bad, const std::string& part) {
        CAPTURE(bad);
        auto queue = full_queue();
        CHECK_THAT(message_of<FormatError>([&] { from_json(bad, queue); }), contains(part));
        CHECK(json(queue) == written);
    };
    const auto with_option = [&](const char* key, const json& value) {
        auto bad = written;
        bad["options"][key] = value;
        return bad;
    };
    const auto with_member = [&](const char* key, const json& value) {
        auto bad = written;
        bad["entries"][2][key] = value;
        return bad;
    };

    for (const json& none : {json(nullptr), json::array(), json("queue"), json(7)}) {
        check_refused(none, "queue");
    }
    check_refused({{"options", 7}}, "options");
    check_refused({{"entries", json::object()}},
                  "key \"entries\": expected an array, got an object");
    check_refused({{"entries", {7}}}, "entry");
    check_refused({{"entries", {json::object()}}}, "record");
    for (const json& wrong : {json(-1), json("1"), json(1.5), json(nullptr)}) {
        check_refused(with_option("maxAttempts", wrong), "maxAttempts");
        check_refused(with_option("backoffBase", wrong), "backoffBase");
        check_refused(with_option("maxDelay", wrong), "maxDelay");
        check_refused(with_member("attempts", wrong), "attempts");
    }
    for (const json& wrong : {json("2"), json(nullptr), json::array()}) {
        check_refused(with_option("backoffMultiplier", wrong), "backoffMultiplier");
        check_refused(with_option("jitter", wrong), "jitter");
    }
    for (const json& wrong : {json(0), json("true"), json(nullptr)}) {
        const auto expected = ": expected true or false, got " + wrong.dump();
        check_refused(with_member("waiting", wrong), "key \"waiting\"" + expected);
        check_refused(with_member("dead", wrong), "key \"dead\"" + expected);
    }
    check_refused(with_member("due", 7), "due");
    check_refused(with_member("due", "soon"), "due");
    check_refused(with_member("record", 7), "record");
    check_refused(with_member("record", {{"id", 7}}), "id");
    check_refused(with_member("history", "no"), "key \"history\": expected an array, got \"no\"");
    check_refused(with_member("history", {7}), "error");
}

TEST_CASE("options that are written read back the same, and missing ones are the usual",
          "[retry]") {
    const RetryOptions options{.max_attempts = 9,
                               .backoff_base = 250ms,
                               .backoff_multiplier = 1.25,
                               .max_delay = 2h,
                               .jitter = 0.5};

    CHECK(json(options) == json{{"maxAttempts", 9},
                                {"backoffBase", 250},
                                {"backoffMultiplier", 1.25},
                                {"maxDelay", 7'200'000},
                                {"jitter", 0.5}});
    CHECK(json(json(options).get<RetryOptions>()) == json(options));
    CHECK(json(json::object().get<RetryOptions>()) == json(RetryOptions{}));
}

TEST_CASE("a queue with options that make no sense is written with what they come to", "[retry]") {
    constexpr auto infinite = std::numeric_limits<double>::infinity();
    constexpr auto not_a_number = std::numeric_limits<double>::quiet_NaN();
    constexpr auto year = RetryOptions::longest_wait;
    constexpr auto longest = std::chrono::milliseconds::max();

    for (const RetryOptions& options :
         {RetryOptions{.max_delay = longest}, RetryOptions{.backoff_base = longest},
          RetryOptions{.backoff_base = year + 1ms, .max_delay = longest},
          RetryOptions{.backoff_base = -1s}, RetryOptions{.max_delay = -1s},
          RetryOptions{.backoff_multiplier = infinite},
          RetryOptions{.backoff_multiplier = -infinite},
          RetryOptions{.backoff_multiplier = not_a_number}, RetryOptions{.jitter = infinite},
          RetryOptions{.jitter = -infinite}, RetryOptions{.jitter = not_a_number}}) {
        const auto written = json(empty_queue(options)).dump();
        CAPTURE(written);
        auto read = empty_queue();

        REQUIRE_NOTHROW(from_json(json::parse(written), read));

        for (const unsigned attempt : {0U, 1U, 2U, 100U}) {
            CHECK(read.next_delay(attempt) == empty_queue(options).next_delay(attempt));
        }
    }
}

TEST_CASE("a queue whose clock stands at the end of all times can be written", "[retry]") {
    constexpr Timestamp at{std::chrono::sys_days{std::chrono::year{9999} / 12 / 31} + 24h - 1us};
    Queue queue{{}, [at] { return at; }, [] { return std::uint64_t{7}; }};
    queue.enqueue(note("a"));
    auto read = empty_queue();

    REQUIRE_NOTHROW(from_json(json(queue), read));

    CHECK(json(read) == json(queue));
    CHECK(read.count() == 1);
}

TEST_CASE("a wait of more than a year is no option", "[retry]") {
    constexpr std::int64_t year = 1000LL * 60 * 60 * 24 * 365;

    CHECK(json({{"maxDelay", year}}).get<RetryOptions>().max_delay == 24h * 365);
    for (const auto* key : {"maxDelay", "backoffBase"}) {
        CHECK_THAT(message_of<FormatError>([&] {
                       static_cast<void>(json({{key, year + 1}}).get<RetryOptions>());
                   }),
                   contains(key));
    }
}

TEST_CASE("a count of attempts that is out of range is held at the highest", "[retry]") {
    const auto huge = std::numeric_limits<std::uint64_t>::max();
    auto written = json(full_queue());
    for (auto& entry : written["entries"]) entry["attempts"] = huge;
    written["options"]["maxAttempts"] = huge;
    auto queue = empty_queue();

    from_json(written, queue);
    queue.enqueue(note("waiting"));

    CHECK(queue.options().max_attempts == std::numeric_limits<unsigned>::max());
    for (const auto& entry : queue.entries()) {
        CHECK(entry.attempts == std::numeric_limits<unsigned>::max());
    }
}

}  // namespace test_of_retry_queue_json
