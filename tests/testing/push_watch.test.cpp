// SPDX-License-Identifier: MIT
#include <sync_engine/testing/invariant.hpp>
#include <sync_engine/testing/push_watch.hpp>
#include <sync_engine/testing/workload.hpp>

#include "store/test_store.hpp"
#include "support/catch.hpp"

#include <nlohmann/json.hpp>

#include <chrono>
#include <cstddef>
#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace test_of_push_watch {

using namespace std::chrono_literals;
using namespace sync_engine;
using sync_engine::test::TestStore;
using sync_engine::testing::json_workload;
using sync_engine::testing::PushWatch;
using sync_engine::testing::Token;
using sync_engine::testing::Verdicts;
using sync_engine::testing::Workload;
using Json = nlohmann::json;
using Changes = std::vector<Change<>>;

namespace {

/// A device that is watched, without a remote: a test says what it pushes.
struct Guard {
    /// The app edits a record that the remote has.
    void edit(const std::string& id) {
        if (!store->find(id)) store.pull({.id = id, .data = Json::object(), .revision = "r1"});
        store.clock.advance(1s);
        store->update(id, [&](Json& data) { workload.write(data, ++tokens); });
    }
    /// Something became of the last edit's attempts.
    void retry(const std::string& id, const std::function<void(RetryState&)>& change) {
        store.decide(id, [&](const auto* known) {
            Entry<Json> entry = *known;
            entry.edit_extras().retry = RetryState{.sequence = entry.sequence};
            change(*entry.edit_extras().retry);
            return entry;
        });
    }
    void begin(SyncOptions options = {}, bool is_filtered = false) {
        std::function<bool(const SyncRecord<Json>&)> predicate;
        if (is_filtered) predicate = [](const auto&) { return true; };
        watch.begin(*store, options, predicate, store.clock.now());
    }
    /// The change that a cycle makes of the record, staged under this name.
    Change<> staged(const std::string& id, const std::string& operation) {
        store.stage(id, operation);
        const auto entry = *store.entry(id);
        Change<> change{.record = *entry.local, .operation_id = operation};
        if (entry.base) change.base = *entry.base;
        return change;
    }
    void push(const Changes& changes) { watch.pushing(*store, changes, store.clock.now()); }
    /// Pushes one record under a name that it alone has.
    void push(const std::string& id) { push(Changes{staged(id, "operation of " + id)}); }

    /// "waits are kept: ..." for the first violation.
    [[nodiscard]] std::string first() const { return to_string(verdicts.first()); }

    TestStore<> store{};
    Workload<Json> workload = json_workload();
    Verdicts verdicts{};
    PushWatch<Json> watch{workload, verdicts};
    Token tokens = 0;
};

/// The remote asked to be left alone for a minute.
void pause(Guard& guard) {
    Step<Json> step;
    step.health = RemoteHealth{.asked = {guard.store.clock.now(), 60s}};
    REQUIRE_FALSE(guard.store->apply(std::move(step)).superseded);
}

}  // namespace

TEST_CASE("pushes that are in order break no promise", "[testing]") {
    Guard guard;
    guard.edit("a");
    guard.edit("b");
    guard.begin({.push_batch_size = 2});
    const Changes changes{guard.staged("a", "1"), guard.staged("b", "2")};
    guard.push(changes);
    guard.push(changes);  // once more, because nobody answered
    guard.store.acknowledge("a", "r2");
    guard.edit("a");
    guard.push({guard.staged("a", "3")});
    guard.watch.check_dead_letters(*guard.store, 1);

    CHECK(guard.first().empty());
}

TEST_CASE("a batch may not be larger than the options say", "[testing]") {
    Guard guard;
    guard.edit("a");
    guard.edit("b");
    guard.begin({.push_batch_size = GENERATE(0U, 1U)});
    guard.push("a");
    CHECK(guard.first().empty());

    guard.push({guard.staged("a", "operation of a"), guard.staged("b", "operation of b")});
    CHECK(guard.first() == "batches are in order: the batch is larger than it may be");
}

TEST_CASE("a remote that asked for it is left alone until the wait is over", "[testing]") {
    Guard guard;
    guard.edit("a");
    pause(guard);
    guard.begin();
    guard.store.clock.advance(61s);
    guard.push("a");
    CHECK(guard.first().empty());

    guard.store.clock.advance(-30s);
    guard.push("a");
    CHECK(guard.first() == "waits are kept: the remote asked to be left alone");
}

TEST_CASE("a wait that was over when the sync began stays over", "[testing]") {
    Guard guard;
    guard.edit("a");
    guard.retry("a", [&](auto& retry) { retry.asked = {guard.store.clock.now(), 60s}; });
    pause(guard);
    guard.store.clock.advance(-1s);  // the clock was set back, which ends a wait
    guard.begin();
    guard.store.clock.advance(2s);
    guard.push("a");

    CHECK(guard.first().empty());
}

TEST_CASE("after a jump of the clock, waits prove nothing", "[testing]") {
    Guard guard;
    guard.edit("a");
    guard.retry("a", [&](auto& retry) { retry.asked = {guard.store.clock.now(), 60s}; });
    pause(guard);
    guard.begin();
    guard.watch.clock_moved();
    guard.push("a");
    CHECK(guard.first().empty());

    guard.begin();
    guard.push("a");
    CHECK_FALSE(guard.first().empty());
}

TEST_CASE("what equals its base is not pushed, unless the app wants it or may have to undo",
          "[testing]") {
    Guard guard;
    guard.edit("a");
    guard.begin();
    auto change = guard.staged("a", "1");
    change.base->data = change.record.data;
    SECTION("it breaks the promise") {
        guard.push({change});
        CHECK(guard.first() ==
              "what is pushed is news to the remote: record a is pushed, but equals its base");
        return;
    }
    SECTION("the app wants it pushed") {
        guard.watch.push_anyway("a");
    }
    SECTION("another state was sent before") {
        guard.edit("a");
        change = guard.staged("a", "2");
        change.base->data = change.record.data;
    }
    guard.push({change});
    CHECK(guard.first().empty());
}

TEST_CASE("neither dead letters nor records with a state that waits are pushed", "[testing]") {
    Guard guard;
    guard.edit("a");
    guard.begin();
    const auto change = guard.staged("a", "1");
    SECTION("a dead letter") {
        guard.retry("a", [](auto& retry) { retry.dead = true; });
        guard.push({change});
        CHECK(guard.first() == "batches are in order: record a is pushed, but it is a dead letter");
    }
    SECTION("a state that waits") {
        auto theirs = *guard.store->base("a");
        theirs.version += 5;
        guard.store.park(theirs);
        guard.push({change});
        CHECK(guard.first() == "batches are in order: record a is pushed over a state that waits");
    }
}

TEST_CASE("a suspect goes alone", "[testing]") {
    Guard guard;
    guard.edit("a");
    guard.edit("b");
    guard.retry("a", [](auto& retry) { retry.suspect = true; });
    guard.retry("b", [](auto&) {});
    guard.begin();
    guard.push("a");
    CHECK(guard.first().empty());

    guard.push({guard.staged("a", "operation of a"), guard.staged("b", "2")});
    CHECK(guard.first() == "batches are in order: record a is a suspect, but does not go alone");
}

TEST_CASE("nothing that was never tried waits behind a suspect", "[testing]") {
    Guard guard;
    guard.edit("a");
    guard.edit("b");
    guard.retry("a", [](auto& retry) { retry.suspect = true; });
    SECTION("it does") {
        guard.begin();
        guard.push("a");
        CHECK(guard.first() == "batches are in order: record b waits behind a suspect");
        return;
    }
    SECTION("a filter may leave it out") {
        guard.begin({}, true);
        guard.push("a");
    }
    SECTION("it was pushed before") {
        guard.begin();
        guard.push("b");
        guard.push("a");
    }
    SECTION("it was edited when the sync had begun") {
        guard.begin();
        guard.push("b");
        guard.store.acknowledge("b", "r2");
        guard.edit("b");
        guard.push("a");
    }
    CHECK(guard.first().empty());
}

TEST_CASE("a record is not sent before its own waits are over", "[testing]") {
    Guard guard;
    guard.edit("a");
    SECTION("the remote asked for it") {
        guard.retry("a", [&](auto& retry) { retry.asked = {guard.store.clock.now(), 60s}; });
        guard.begin();
        guard.push("a");
        CHECK(guard.first() == "waits are kept: record a was asked to come later");
    }
    SECTION("it is not due, in a sync by a timer") {
        guard.retry("a", [&](auto& retry) { retry.backoff = {guard.store.clock.now(), 60s}; });
        guard.begin({.retry = RetryMode::now});
        guard.push("a");
        CHECK(guard.first().empty());
        guard.begin({.retry = RetryMode::when_due});
        guard.push("a");
        CHECK(guard.first() == "waits are kept: record a is not due");
    }
}

TEST_CASE("another edit under the name of an earlier one breaks the promise", "[testing]") {
    Guard guard;
    guard.edit("a");
    guard.begin();
    guard.push({guard.staged("a", "1")});
    guard.edit("a");
    guard.push({guard.staged("a", "1")});

    CHECK(guard.first() ==
          "one edit has one operation id: record a is another edit under the operation id of an "
          "earlier one");
}

TEST_CASE("one edit under two names breaks the promise, unless it may have been made twice",
          "[testing]") {
    Guard guard;
    guard.edit("a");
    guard.begin();
    guard.push({guard.staged("a", "1")});
    SECTION("it was not") {
        guard.watch.gave_up("b");
        guard.push({guard.staged("a", "2")});
        CHECK(guard.first() ==
              "one edit has one operation id: record a is sent again under another operation id");
        return;
    }
    SECTION("a backup was put back") {
        guard.watch.forget();
    }
    SECTION("it was given up in between") {
        guard.watch.gave_up("a");
    }
    guard.push({guard.staged("a", "2")});
    CHECK(guard.first().empty());
}

TEST_CASE("a dead letter has failures of its own", "[testing]") {
    Guard guard;
    guard.edit("a");
    guard.retry("a", [](auto& retry) { retry.dead = true; });
    SECTION("none") {
        guard.watch.check_dead_letters(*guard.store, 1);
        CHECK(guard.first() ==
              "an outage makes no dead letters: record a is a dead letter without failures of its "
              "own");
        return;
    }
    SECTION("not enough") {
        guard.watch.blame("a", false);
        guard.watch.blame("b", true);
        guard.watch.check_dead_letters(*guard.store, 2);
        CHECK_FALSE(guard.first().empty());
        return;
    }
    SECTION("enough") {
        guard.watch.blame("a", false);
        guard.watch.blame("a", false);
    }
    SECTION("one that is enough") {
        guard.watch.blame("a", true);
    }
    guard.watch.check_dead_letters(*guard.store, 2);
    CHECK(guard.first().empty());
}

TEST_CASE("a change that goes alone may fail by its own fault", "[testing]") {
    Guard guard;
    guard.edit("a");
    guard.begin();
    guard.push("a");
    guard.retry("a", [](auto& retry) { retry.dead = true; });

    guard.watch.check_dead_letters(*guard.store, 1);
    CHECK(guard.first().empty());
}

TEST_CASE("a record that was given up during the push is not looked for", "[testing]") {
    Guard guard;
    guard.store->put({.id = "n", .data = Json::object()});
    guard.begin();
    const auto change = guard.staged("n", "1");
    guard.store->clear();

    guard.push({change});
    CHECK(guard.first().empty());
}

}  // namespace test_of_push_watch
