// SPDX-License-Identifier: MIT
#include <sync_engine/retry/retry_queue.hpp>
#include <sync_engine/testing/manual_clock.hpp>

#include "support/catch.hpp"
#include "support/counted.hpp"

#include <nlohmann/json.hpp>

#include <chrono>
#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace test_of_retry_queue {

using namespace std::chrono_literals;
using namespace sync_engine;
using namespace sync_engine::test;
using nlohmann::json;

namespace {

using Ids = std::vector<std::string>;
using Queue = RetryQueue<>;

const Timestamp noon{std::chrono::sys_days{std::chrono::year{2026} / 5 / 4} + 12h};

SyncRecord<> note(std::string id, std::string text = "one") {
    return {.id = std::move(id), .data = std::move(text), .updated_at = noon};
}

template <class Data>
Ids ids_of(const std::vector<SyncRecord<Data>>& records) {
    Ids ids;
    for (const auto& record : records) ids.push_back(record.id);
    return ids;
}

/// A queue of its own under a clock that stands, and chance that is what the test says.
struct Bench {
    explicit Bench(RetryOptions options = {})
        : queue(options, clock.clock(), [this] { return ++draws, random; }) {}
    Bench(const Bench&) = delete;
    Bench& operator=(const Bench&) = delete;

    testing::ManualClock clock{noon};
    std::uint64_t random = 0;
    int draws = 0;
    Queue queue;
};

std::optional<RetryEntry<>> entry_of(const Queue& queue, const std::string& id) {
    for (const auto& entry : queue.entries()) {
        if (entry.record.id == id) return entry;
    }
    return std::nullopt;
}

}  // namespace

TEST_CASE("a new queue is empty", "[retry]") {
    const Bench bench;

    CHECK(bench.queue.count() == 0);
    CHECK(bench.queue.pending().empty());
    CHECK(bench.queue.entries().empty());
    CHECK(bench.queue.dead_letters().empty());
    CHECK(bench.queue.next_due() == std::nullopt);
}

TEST_CASE(
    "a queue tries five times, after one second and up to five minutes, unless told "
    "otherwise",
    "[retry]") {
    const RetryOptions options = Bench{}.queue.options();

    CHECK(options.max_attempts == 5);
    CHECK(options.backoff_base == 1s);
    CHECK(options.backoff_multiplier == 2.0);
    CHECK(options.max_delay == 5min);
    CHECK(options.jitter == 0.0);
}

TEST_CASE("the last attempt is the one that the limit names, or the first", "[retry]") {
    CHECK_FALSE(RetryOptions{.max_attempts = 3}.is_last(2));
    CHECK(RetryOptions{.max_attempts = 3}.is_last(3));
    CHECK(RetryOptions{.max_attempts = 3}.is_last(4));
    CHECK(RetryOptions{.max_attempts = 0}.is_last(1));
}

TEST_CASE("attempt 1 waits the base, each next one longer, up to the cap", "[retry]") {
    const Bench bench({.backoff_base = 100ms, .backoff_multiplier = 3.0, .max_delay = 1s});

    CHECK(bench.queue.next_delay(0) == 0ms);
    CHECK(bench.queue.next_delay(1) == 100ms);
    CHECK(bench.queue.next_delay(2) == 300ms);
    CHECK(bench.queue.next_delay(3) == 900ms);
    CHECK(bench.queue.next_delay(4) == 1s);
    CHECK(bench.queue.next_delay(std::numeric_limits<unsigned>::max()) == 1s);
}

TEST_CASE("a failed record waits longer after each failure", "[retry]") {
    Bench bench;

    bench.queue.enqueue(note("a"));
    CHECK(bench.queue.next_due() == noon + 1s);
    CHECK(ids_of(bench.queue.pending()) == Ids{"a"});
    CHECK(bench.queue.count() == 1);
    bench.queue.enqueue(note("a"));
    CHECK(bench.queue.next_due() == noon + 2s);
    bench.clock.advance(1h);
    bench.queue.enqueue(note("a"));
    CHECK(bench.queue.next_due() == noon + 1h + 4s);
    CHECK(bench.queue.count() == 1);
    CHECK(entry_of(bench.queue, "a")->attempts == 3);
}

TEST_CASE("the queue holds the newest state of a record, never a stale copy", "[retry]") {
    Bench bench;
    bench.queue.enqueue(note("a", "one"));

    bench.queue.enqueue(note("a", "two"));

    CHECK(bench.queue.pending() == std::vector{note("a", "two")});
}

TEST_CASE("the first of several records says when the queue is due", "[retry]") {
    Bench bench;
    bench.queue.enqueue(note("a"));
    bench.queue.enqueue(note("a"));
    bench.queue.enqueue(note("b"));

    CHECK(bench.queue.next_due() == noon + 1s);
    bench.queue.erase("b");
    CHECK(bench.queue.next_due() == noon + 2s);
}

TEST_CASE("the last attempt makes a dead letter, with its error and history", "[retry]") {
    Bench bench({.max_attempts = 3});
    bench.queue.enqueue(note("a"), "first");
    bench.clock.advance(1s);
    bench.queue.enqueue(note("a"), "second");
    CHECK(bench.queue.dead_letters().empty());
    bench.clock.advance(1s);
    bench.queue.enqueue(note("a", "last"), "third");

    const auto letters = bench.queue.dead_letters();
    REQUIRE(letters.size() == 1);
    CHECK(letters[0].record == note("a", "last"));
    CHECK(letters[0].attempts == 3);
    CHECK(letters[0].error == SyncError{"a", "third", noon + 2s});
    CHECK(letters[0].history == std::vector{SyncError{"a", "first", noon},
                                            SyncError{"a", "second", noon + 1s},
                                            SyncError{"a", "third", noon + 2s}});
}

TEST_CASE("the newest failures are remembered, oldest first, however many there were", "[retry]") {
    Bench bench({.max_attempts = 50});
    for (int n = 1; n <= 50; ++n) bench.queue.enqueue(note("a"), std::to_string(n));

    const auto letters = bench.queue.dead_letters();
    REQUIRE(letters.size() == 1);
    CHECK(letters[0].attempts == 50);
    CHECK(letters[0].error.message == "50");
    REQUIRE(letters[0].history.size() == 20);
    CHECK(letters[0].history.front().message == "31");
    CHECK(letters[0].history.back().message == "50");
}

TEST_CASE("a dead letter is kept and listed, not tried again", "[retry]") {
    Bench bench({.max_attempts = 1});
    bench.queue.enqueue(note("dead"));

    CHECK(bench.queue.pending().empty());
    CHECK(bench.queue.count() == 0);
    CHECK(bench.queue.next_due() == std::nullopt);
    CHECK(bench.queue.dequeue_all().empty());
    CHECK(bench.queue.dead_letters().size() == 1);
    bench.queue.enqueue(note("dead"));
    CHECK(bench.queue.dead_letters().size() == 1);
    CHECK(bench.queue.dead_letters().front().attempts == 2);
}

TEST_CASE("a limit of no attempts gives up at the first failure", "[retry]") {
    Bench bench({.max_attempts = 0});

    bench.queue.enqueue(note("a"));

    CHECK(bench.queue.dead_letters().size() == 1);
}

TEST_CASE("a dead letter that is revived has all its attempts again, due at once", "[retry]") {
    Bench bench({.max_attempts = 2});
    bench.queue.enqueue(note("a"), "first");
    bench.queue.enqueue(note("a"), "second");

    CHECK(bench.queue.revive("a"));

    CHECK(bench.queue.dead_letters().empty());
    CHECK(ids_of(bench.queue.pending()) == Ids{"a"});
    CHECK(*bench.queue.next_due() <= noon);
    CHECK(entry_of(bench.queue, "a")->history.size() == 2);
    bench.queue.enqueue(note("a"), "third");
    CHECK(bench.queue.dead_letters().empty());
    CHECK(bench.queue.next_due() == noon + 1s);
    bench.queue.enqueue(note("a"), "fourth");
    CHECK(bench.queue.dead_letters().size() == 1);
}

TEST_CASE("only a dead letter is revived", "[retry]") {
    Bench bench;
    bench.queue.enqueue(note("a"));

    CHECK_FALSE(bench.queue.revive("a"));
    CHECK_FALSE(bench.queue.revive("unknown"));
    CHECK(bench.queue.next_due() == noon + 1s);
}

TEST_CASE("a record that is refused for good stays so when it fails once more", "[retry]") {
    Bench bench;
    from_json(json{{"entries", {RetryEntry<>{.record = note("a"), .attempts = 1, .dead = true}}}},
              bench.queue);

    bench.queue.enqueue(note("a"));

    CHECK(bench.queue.dead_letters().size() == 1);
}

TEST_CASE("to note, revive or forget one record costs the same, however many there are",
          "[retry]") {
    const auto cost = [](int waiting) {
        RetryQueue<Counted> queue{{.max_attempts = 2}};
        for (int n = 0; n < waiting; ++n) {
            queue.enqueue({.id = std::to_string(n), .data = Counted{n}});
        }
        const SyncRecord<Counted> record{.id = "0"};
        return cost_of([&] {
            queue.enqueue(record);
            CHECK(queue.revive("0"));
            queue.erase("0");
        });
    };

    CHECK(cost(100) == cost(1));
}

TEST_CASE("what is taken out is remembered with its attempts", "[retry]") {
    Bench bench({.max_attempts = 3});
    bench.queue.enqueue(note("a"));
    bench.queue.enqueue(note("b"));

    CHECK(ids_of(bench.queue.dequeue_all()) == Ids{"a", "b"});
    CHECK(bench.queue.count() == 0);
    CHECK(bench.queue.pending().empty());
    CHECK(bench.queue.next_due() == std::nullopt);
    CHECK(bench.queue.dequeue_all().empty());

    bench.queue.enqueue(note("a"));
    CHECK(bench.queue.next_due() == noon + 2s);
    static_cast<void>(bench.queue.dequeue_all());
    bench.queue.enqueue(note("a"));
    CHECK(bench.queue.dead_letters().size() == 1);
}

TEST_CASE("a record that was pushed begins anew when it fails again", "[retry]") {
    Bench bench;
    bench.queue.enqueue(note("a"));
    bench.queue.enqueue(note("a"));

    bench.queue.erase("a");
    bench.queue.erase("unknown");
    CHECK(bench.queue.entries().empty());
    bench.queue.enqueue(note("a"));

    CHECK(bench.queue.next_due() == noon + 1s);
    CHECK(entry_of(bench.queue, "a")->history.size() == 1);
}

TEST_CASE("a cleared queue has forgotten attempts and dead letters", "[retry]") {
    Bench bench({.max_attempts = 2});
    bench.queue.enqueue(note("waiting"));
    bench.queue.enqueue(note("dead"));
    bench.queue.enqueue(note("dead"));
    bench.queue.enqueue(note("taken out"));

    bench.queue.clear();

    CHECK(bench.queue.entries().empty());
    CHECK(bench.queue.dead_letters().empty());
    bench.queue.enqueue(note("dead"));
    CHECK(bench.queue.count() == 1);
}

TEST_CASE("jitter shortens waits by the chance that is passed in", "[retry]") {
    Bench bench({.backoff_base = 1s, .jitter = 0.5});

    bench.random = 0;
    CHECK(bench.queue.next_delay(1) == 1s);
    bench.random = 499;
    CHECK(bench.queue.next_delay(1) == 501ms);
    bench.random = 500;
    CHECK(bench.queue.next_delay(1) == 500ms);
    bench.queue.enqueue(note("a"));
    CHECK(bench.queue.next_due() == noon + 500ms);
    CHECK(bench.draws == 4);
}

TEST_CASE("without jitter no chance is drawn", "[retry]") {
    Bench bench;

    bench.queue.enqueue(note("a"));
    static_cast<void>(bench.queue.next_delay(3));

    CHECK(bench.draws == 0);
}

TEST_CASE("waits without a limit are held to a year, which no clock overflows on", "[retry]") {
    constexpr auto endless = std::chrono::milliseconds::max();
    Bench bench({.backoff_base = endless, .max_delay = endless});

    bench.queue.enqueue(note("a"));

    CHECK(bench.queue.next_delay(1) == 24h * 365);
    CHECK(bench.queue.next_due() == noon + 24h * 365);
}

TEST_CASE("a copy of a queue is independent of it", "[retry]") {
    Bench bench({.max_attempts = 2});
    bench.queue.enqueue(note("a"));

    Queue copy = bench.queue;
    bench.queue.enqueue(note("a"));
    copy.enqueue(note("b"));

    CHECK(bench.queue.dead_letters().size() == 1);
    CHECK(copy.dead_letters().empty());
    CHECK(ids_of(copy.pending()) == Ids{"a", "b"});
    copy = bench.queue;
    bench.queue.clear();
    CHECK(copy.dead_letters().size() == 1);
    CHECK(copy.options().max_attempts == 2);
}

TEST_CASE("a queue can be moved", "[retry]") {
    Bench bench;
    bench.queue.enqueue(note("a"));

    Queue moved = std::move(bench.queue);

    CHECK(ids_of(moved.pending()) == Ids{"a"});
    moved.enqueue(note("a"));
    CHECK(moved.next_due() == noon + 2s);
}

TEST_CASE("a queue holds records of any data", "[retry]") {
    using Counts = std::map<std::string, int>;
    RetryQueue<Counts> queue{{}, [] { return noon; }, [] { return std::uint64_t{0}; }};
    const SyncRecord<Counts> record{.id = "a", .data = {{"pears", 2}}, .updated_at = noon};

    queue.enqueue(record);

    CHECK(queue.dequeue_all() == std::vector{record});
}

}  // namespace test_of_retry_queue
