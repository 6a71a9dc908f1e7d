// SPDX-License-Identifier: MIT
#include "support/catch.hpp"
#include "support/scenario.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <chrono>
#include <limits>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace scenario_seed_defects_retry {

// What an earlier system got wrong in trying again, D23 to D27 and D41.

using namespace std::chrono_literals;
using namespace sync_engine;
using ::test::Backend;
using ::test::contains;
using ::test::Device;
using ::test::errors_of;
using ::test::Ids;
using ::test::Json;
using ::test::pending_ids;
using ::test::Records;
using ::test::state;

namespace {

Device device_with(RetryOptions retry) {
    return Device{1, Device::Resolver{}, testing::ManualClock{}, retry};
}

RetryQueue<>& queue(Device& device) {
    return device.engine->retry_queue();
}

}  // namespace

TEST_CASE("a record past the limit of a queue is a dead letter and not gone (D23)", "[scenario]") {
    RetryQueue<> queue{{.max_attempts = 3}};
    const SyncRecord<> record{.id = "1", .data = "kept"};

    for (int n = 0; n < 4; ++n) queue.enqueue(record, "failure " + std::to_string(n));

    CHECK(queue.count() == 0);
    REQUIRE(queue.dead_letters().size() == 1);
    CHECK(queue.dead_letters()[0].record == record);
    CHECK(queue.dead_letters()[0].error.message == "failure 3");
    CHECK(queue.dead_letters()[0].history.size() == 4);
}

TEST_CASE("a record past the limit of an engine stays in its store (D23)", "[scenario]") {
    Device device = device_with({.max_attempts = 1});
    Backend backend;
    device.edit("1", "kept");
    backend.accept_none();

    const auto result = device.sync(backend.remote());

    CHECK(result.has_errors());
    CHECK(queue(device).count() == 0);
    REQUIRE(queue(device).dead_letters().size() == 1);
    CHECK(queue(device).dead_letters()[0].record.data == "kept");
    CHECK(device.data("1") == "kept");
    CHECK(pending_ids(device) == Ids{"1"});
    CHECK(queue(device).revive("1"));
    backend.recover();
    device.sync(backend.remote());
    CHECK(backend.data("1") == "kept");
}

TEST_CASE("attempts run out in an engine too (D24)", "[scenario]") {
    Device device = device_with({.max_attempts = 3});
    Backend backend;
    device.edit("bad", 1);
    const auto is_bad = [](const auto& record) { return record.id == "bad"; };

    SECTION("of a record that is never confirmed") {
        backend.accept_none();
        for (int n = 0; n < 20; ++n) device.sync(backend.remote());
        CHECK(backend.pushes.size() == 3);
    }
    SECTION("of a record that breaks every call it is in, while others pass") {
        backend.answer = [&](const Records& sent) {
            if (std::any_of(sent.begin(), sent.end(), is_bad)) throw std::runtime_error("bad");
            return ::test::ids_of(sent);
        };
        std::size_t calls_with_bad = 0;
        for (int n = 0; n < 20; ++n) {
            device.edit("good", n);
            backend.pushes.clear();
            device.sync(backend.remote());
            CHECK(backend.data("good") == n);
            for (const auto& sent : backend.pushes) {
                if (std::any_of(sent.begin(), sent.end(), is_bad)) ++calls_with_bad;
            }
        }
        CHECK(calls_with_bad == 4);  // once with others, then three times alone
    }
    CHECK(queue(device).count() == 0);
    REQUIRE(queue(device).dead_letters().size() == 1);
    CHECK(queue(device).dead_letters()[0].attempts == 3);
}

TEST_CASE("a server that is down is called once a sync for one record, not twice (D24)",
          "[scenario]") {
    Device device = device_with({.max_attempts = 3});
    Backend backend;
    device.edit("1", 1);
    backend.fail();

    for (int n = 0; n < 20; ++n) device.sync(backend.remote());

    CHECK(backend.pushes.size() == 20);
    CHECK(queue(device).dead_letters().empty());
    CHECK(queue(device).entries().at(0).attempts == 0);
}

TEST_CASE("a timer tries again when the wait is over, and each wait is longer (D25)",
          "[scenario]") {
    Device device =
        device_with({.max_attempts = 10, .backoff_base = 1s, .backoff_multiplier = 2.0});
    Backend backend;
    device.edit("1", 1);
    device.edit("2", 2);
    backend.answer = [](const Records&) { return Ids{"2"}; };
    const SyncOptions timer{.retry = RetryMode::when_due};

    for (const auto wait : {1s, 2s, 4s, 8s}) {
        device.sync(backend.remote(), timer);
        CHECK(queue(device).next_due() == device.clock.now() + wait);
        backend.pushes.clear();
        device.clock.advance(wait - 1ms);
        device.sync(backend.remote(), timer);
        CHECK(backend.pushes.empty());
        device.restart();  // the wait outlives the process
        device.sync(backend.remote(), timer);
        CHECK(backend.pushes.empty());
        device.clock.advance(1ms);
    }
    backend.recover();
    device.sync(backend.remote(), timer);

    CHECK(backend.data("1") == 1);
    CHECK_FALSE(queue(device).next_due());
}

TEST_CASE("a server that is down is left alone longer and longer by a timer (D25)", "[scenario]") {
    Device device = device_with({.backoff_base = 1s, .backoff_multiplier = 2.0});
    Backend backend;
    device.edit("1", 1);
    backend.fail();
    const SyncOptions timer{.retry = RetryMode::when_due};

    for (const auto wait : {1s, 2s, 4s}) {
        CHECK(device.sync(backend.remote(), timer).outcome == SyncOutcome::failed);
        const auto pulls = backend.pulls;
        device.clock.advance(wait - 1ms);
        CHECK(device.sync(backend.remote(), timer).outcome == SyncOutcome::failed);
        CHECK(backend.pulls == pulls);
        device.clock.advance(1ms);
    }
    device.edit("2", 2);  // a new edit does not wake it either
    backend.recover();

    CHECK(device.sync(backend.remote(), timer).outcome == SyncOutcome::completed);
    CHECK(backend.data("1") == 1);
    CHECK(backend.data("2") == 2);
}

TEST_CASE("waits begin at the base, stop at the cap and never overflow (D26)", "[scenario]") {
    const RetryQueue<> queue{{.backoff_base = 500ms, .backoff_multiplier = 2.0, .max_delay = 5min}};

    CHECK(queue.next_delay(1) == 500ms);
    CHECK(queue.next_delay(2) == 1s);
    CHECK(queue.next_delay(3) == 2s);
    CHECK(queue.next_delay(40) == 5min);
    CHECK(queue.next_delay(1024) == 5min);
    CHECK(queue.next_delay(std::numeric_limits<unsigned>::max()) == 5min);
}

TEST_CASE("jitter spreads waits below their length (D26)", "[scenario]") {
    std::uint64_t random = 0;
    const RetryQueue<> queue{{.backoff_base = 1s, .jitter = 0.5}, now, [&random] {
                                 return random += 0x9E3779B97F4A7C15U;
                             }};
    std::vector<std::chrono::milliseconds> waits;
    for (int n = 0; n < 50; ++n) waits.push_back(queue.next_delay(1));

    CHECK(*std::min_element(waits.begin(), waits.end()) >= 500ms);
    CHECK(*std::max_element(waits.begin(), waits.end()) <= 1s);
    CHECK(*std::min_element(waits.begin(), waits.end()) <
          *std::max_element(waits.begin(), waits.end()));
}

TEST_CASE("each class of failure has its own consequence (D27)", "[scenario]") {
    Device device;
    Backend backend;
    device.edit("1", 1);
    device.edit("2", 2);
    const auto fail_with = [&](auto error) {
        backend.answer = [error](const Records& sent) -> Ids {
            if (sent.size() > 1 || sent[0].id == "1") throw error;
            return ::test::ids_of(sent);
        };
        return device.sync(backend.remote());
    };

    SECTION("not reached: one call, nobody is blamed") {
        CHECK(fail_with(Unavailable{}).outcome == SyncOutcome::failed);
        CHECK(backend.pushes.size() == 1);
        CHECK(queue(device).dead_letters().empty());
    }
    SECTION("told to wait: one call, and none before the time is over") {
        CHECK(fail_with(RetryAfter{1min}).outcome == SyncOutcome::failed);
        device.clock.advance(59s);
        CHECK(device.sync(backend.remote()).outcome == SyncOutcome::failed);
        CHECK(backend.pushes.size() == 1);
        CHECK(backend.pulls == 1);
        device.clock.advance(1s);
        backend.recover();
        CHECK(device.sync(backend.remote()).outcome == SyncOutcome::completed);
    }
    SECTION("not logged in: one call, and the next sync may try at once") {
        CHECK(fail_with(Unauthorized{}).outcome == SyncOutcome::failed);
        CHECK(backend.pushes.size() == 1);
        backend.recover();
        CHECK(device.sync(backend.remote()).outcome == SyncOutcome::completed);
    }
    SECTION("too large: split, and the one that is left is a dead letter") {
        CHECK(fail_with(TooLarge{}).outcome == SyncOutcome::completed);
        CHECK(queue(device).dead_letters().at(0).record.id == "1");
        CHECK(backend.data("2") == 2);
    }
    SECTION("never: split, and the one that is left is a dead letter") {
        CHECK(fail_with(PermanentError{}).outcome == SyncOutcome::completed);
        CHECK(queue(device).dead_letters().at(0).record.id == "1");
        CHECK(backend.data("2") == 2);
    }
    SECTION("anything else: split, and the one that is left is tried again later") {
        CHECK(fail_with(std::runtime_error("500")).outcome == SyncOutcome::completed);
        CHECK(queue(device).dead_letters().empty());
        CHECK(queue(device).entries().at(0).attempts == 1);
        CHECK(backend.data("2") == 2);
    }
}

TEST_CASE("a failed call says nothing of what each record's fate was (D27)", "[scenario]") {
    Device device;
    Backend backend;
    device.edit("1", 1);
    device.edit("2", 2);
    backend.answer = [](const Records&) -> Ids { throw Unavailable{}; };

    const auto result = device.sync(backend.remote());

    CHECK(result.errors.size() == 1);
    CHECK(result.errors.at(0).record_id.empty());
    CHECK_THAT(errors_of(result), contains("push failed: the remote cannot be reached"));
    CHECK(queue(device).count() == 2);  // listed until their ack, but without an attempt
    for (const auto& entry : queue(device).entries()) CHECK(entry.attempts == 0);
}

TEST_CASE("a record that was settled otherwise leaves the retry queue (D41)", "[scenario]") {
    Device device = device_with({.max_attempts = 2});
    Backend backend;
    device.store->put(state("1", "old", device.clock.now(), 1));
    device.clock.advance(1min);
    device.edit("1", "mine");
    backend.accept_none();
    device.sync(backend.remote());
    REQUIRE(queue(device).count() == 1);
    device.clock.advance(1min);

    SECTION("by a pull of the same content") {
        backend.listed = {state("1", "mine", device.clock.now(), 9)};
        device.sync(backend.remote());
    }
    SECTION("by a newer remote state") {
        backend.listed = {state("1", "theirs", device.clock.now(), 9)};
        device.sync(backend.remote());
    }
    SECTION("by giving the edit up") {
        device.store->discard_changes("1");
    }
    SECTION("by the word that it is synced") {
        device.store->mark_synced("1");
    }
    SECTION("by clearing the store") {
        device.store->clear();
    }
    CHECK(queue(device).entries().empty());
    backend.pushes.clear();
    backend.listed.clear();
    device.sync(backend.remote());
    CHECK(backend.pushes.empty());
}

TEST_CASE("attempts belong to one edit: the next one begins anew (D41)", "[scenario]") {
    Device device = device_with({.max_attempts = 2});
    Backend backend;
    device.edit("1", "bad");
    backend.accept_none();
    device.sync(backend.remote());
    CHECK(queue(device).entries().at(0).attempts == 1);

    device.edit("1", "better");
    CHECK(queue(device).entries().empty());
    device.sync(backend.remote());

    CHECK(queue(device).entries().at(0).attempts == 1);
    CHECK(queue(device).dead_letters().empty());
}

TEST_CASE("what an acknowledged edit had failed with says nothing of the next one (D41)",
          "[scenario]") {
    Device device;
    Backend backend;
    device.edit("1", "v1");
    backend.accept_none();
    device.sync(backend.remote());
    backend.answer = [&](const Records& sent) {
        device.edit("1", "v2");
        return ::test::ids_of(sent);
    };
    device.sync(backend.remote());
    CHECK(queue(device).entries().empty());
    backend.accept_none();

    device.sync(backend.remote());

    REQUIRE(queue(device).entries().size() == 1);
    CHECK(queue(device).entries()[0].attempts == 1);
    CHECK(queue(device).entries()[0].history.size() == 1);
}

TEST_CASE("the failure of an edit says nothing of the one made meanwhile (D41)", "[scenario]") {
    Device device = device_with({.max_attempts = 1});
    Backend backend;
    device.edit("1", "v1");
    backend.answer = [&](const Records&) {
        device.edit("1", "v2");
        return Ids{};
    };

    device.sync(backend.remote());

    CHECK(queue(device).entries().empty());
    backend.recover();
    CHECK(device.sync(backend.remote()).pushed == 1);
    CHECK(backend.data("1") == "v2");
}

}  // namespace scenario_seed_defects_retry
