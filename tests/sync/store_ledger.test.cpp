// SPDX-License-Identifier: MIT

// The retry queue of an engine, a view of the store that may be used from any thread.

#include <sync_engine/sync/store_ledger.hpp>

#include "support/catch.hpp"
#include "support/counted.hpp"
#include "support/scenario.hpp"

#include <nlohmann/json.hpp>

#include <chrono>
#include <functional>
#include <limits>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace test_of_store_ledger {

using namespace std::chrono_literals;
using namespace sync_engine;
using sync_engine::test::Cost;
using sync_engine::test::cost_of;
using sync_engine::test::Counted;
using ::test::Ids;
using ::test::ids_of;
using ::test::Json;
using ::test::Outbox;
using ::test::Server;

namespace {

/// A device with an edit of `a`, on which something happens when its store looks at the clock: what
/// another thread may do between two steps of a call.
struct Interrupted {
    int looks = 0;  ///< so many are left until it happens
    std::function<void()> what{};
    bool has_happened = false;
    testing::ManualClock clock{};
    Server server{};
    LocalStore<> store{{.clock =
                            [this] {
                                look();
                                return clock.now();
                            },
                        .random = ::test::counting_random(1)}};
    SyncEngine<> engine{store, ConflictResolver<>{}, RetryQueue<>{},
                        EngineOptions{.executor = inline_executor()}};

    Interrupted() { store.put({.id = "a", .data = 1, .updated_at = clock.now()}); }
    Interrupted(const Interrupted&) = delete;
    Interrupted& operator=(const Interrupted&) = delete;

    void sync() { engine.sync(server.remote()).get(); }

    /// The push of `a` fails so often by itself.
    void fail(int attempts) {
        server.omit("a");
        for (int n = 0; n < attempts; ++n) sync();
        server.accept_again("a");
    }

    void at_look(int look, std::function<void()> happens) {
        looks = look;
        what = std::move(happens);
    }

    RetryQueue<>& queue() { return engine.retry_queue(); }

private:
    void look() {
        if (looks == 0 || --looks > 0) return;
        try {
            what();
            has_happened = true;
        } catch (const std::logic_error&) {
            // The store is being written: others wait.
        }
    }
};

}  // namespace

TEST_CASE("a change that is refused while the queue is emptied stays a dead letter", "[sync]") {
    Interrupted device;
    device.fail(1);
    device.server.refuse("a", "never");
    device.at_look(GENERATE(1, 2), [&] { device.sync(); });

    (void)device.queue().dequeue_all();

    CHECK(device.has_happened);
    const auto letters = device.queue().dead_letters();
    REQUIRE(letters.size() == 1);
    CHECK(letters[0].error.message == "rejected: never");
    CHECK(letters[0].history.size() == 2);
    CHECK(letters[0].attempts == 2);
}

TEST_CASE("a change that is refused while an attempt is noted stays a dead letter", "[sync]") {
    Interrupted device;
    device.fail(1);
    device.server.refuse("a", "never");
    const auto record = *device.store.get("a");
    device.at_look(GENERATE(1, 2), [&] { device.sync(); });

    device.queue().enqueue(record, "noted");

    CHECK(device.has_happened);
    const auto letters = device.queue().dead_letters();
    REQUIRE(letters.size() == 1);
    CHECK(letters[0].attempts == 3);
    REQUIRE(letters[0].history.size() == 3);
    CHECK(letters[0].history[1].message == "rejected: never");
    CHECK(letters[0].history[2].message == "noted");
}

TEST_CASE("an edit that is made while the queue is emptied has no attempts", "[sync]") {
    Interrupted device;
    device.fail(3);
    device.at_look(GENERATE(1, 2), [&] { device.store.update("a", [](Json& data) { data = 2; }); });

    CHECK(device.queue().dequeue_all().empty());

    CHECK(device.has_happened);
    CHECK(device.queue().entries().empty());
}

TEST_CASE("an edit that is made while a dead letter is revived takes nothing over from it",
          "[sync]") {
    Interrupted device;
    device.server.refuse("a", "never");
    device.sync();
    REQUIRE(device.queue().dead_letters().size() == 1);
    const auto edit = [&] { device.store.update("a", [](Json& data) { data = 2; }); };
    device.at_look(GENERATE(1, 2), edit);

    const bool is_revived = device.queue().revive("a");
    CHECK(is_revived != device.has_happened);
    if (!device.has_happened) edit();  // it came too late

    CHECK(device.queue().entries().empty());
    CHECK(device.store.statistics().dead_letters == 0);
}

TEST_CASE("a failure that an app notes of a dead letter does not bring it back to life", "[sync]") {
    Outbox box{1};
    box.server.refuse("r0", "never");
    box.sync();

    box.queue().enqueue(*box.device.store->get("r0"), "again");

    const auto letters = box.queue().dead_letters();
    REQUIRE(letters.size() == 1);
    CHECK(letters[0].attempts == 2);
    CHECK(letters[0].history.size() == 2);
}

TEST_CASE("what a queue does to many records is one commit, or nothing", "[sync]") {
    Outbox box{3, {.backoff_base = 1h}};
    for (const auto* id : {"r0", "r1", "r2"}) box.server.omit(id);
    box.sync();
    const Json before = box.queue();
    const bool is_cleared = GENERATE(false, true);
    const auto act = [&] {
        if (is_cleared) return box.queue().clear();
        const auto taken = box.queue().dequeue_all();
        CHECK(ids_of(taken) == Ids{"r0", "r1", "r2"});
    };

    box.device.disk->fail_next();
    CHECK_THROWS_AS(act(), StorageError);
    CHECK(Json(box.queue()) == before);

    const auto commits = box.device.disk->commits();
    act();
    CHECK(box.device.disk->commits() == commits + 1);
    CHECK(Json(box.queue()) != before);
}

TEST_CASE("what is read into the queue of an engine is in the store, and the queue stays its view",
          "[sync]") {
    Outbox box{3, {.max_attempts = 2, .backoff_base = 1h}};
    for (const auto* id : {"r0", "r1", "r2"}) box.server.omit(id);
    box.server.refuse("r0", "never");
    box.sync();
    const Json saved = box.queue();
    box.queue().erase("r0");
    box.queue().enqueue(*box.device.store->get("r1"), "again");
    box.device.restart();

    saved.get_to(box.queue());

    CHECK(Json(box.queue()) == saved);
    box.device.restart();
    CHECK(Json(box.queue()) == saved);
    CHECK(box.device.store->statistics().dead_letters == 1);
    CHECK(box.queue().revive("r0"));
    CHECK(box.device.store->statistics().dead_letters == 0);
    box.device.store->discard_changes("r1");
    CHECK(box.queue().count() == 2);
    box.queue().clear();
    CHECK(box.device.store->read_retrying().empty());
}

TEST_CASE("what is read into the queue of an engine replaces all that the store knew", "[sync]") {
    Outbox box{2};
    box.server.refuse("r0", "never");
    box.sync();

    from_json(Json{{"entries", {RetryEntry<>{.record = {.id = "r9"}, .attempts = 1}}}},
              box.queue());

    CHECK(box.queue().entries().empty());
    CHECK(box.device.store->statistics().dead_letters == 0);
    CHECK(box.device.store->count() == 2);
}

TEST_CASE("a queue of an engine that cannot be read is left as it was", "[sync]") {
    Outbox box{2, {.max_attempts = 7}};
    for (const auto* id : {"r0", "r1"}) box.server.omit(id);
    box.sync();
    const Json before = box.queue();
    Json bad = before;
    bad["entries"][1]["due"] = "soon";

    CHECK_THROWS_AS(bad.get_to(box.queue()), FormatError);
    CHECK(Json(box.queue()) == before);
    box.device.disk->fail_next();
    CHECK_THROWS_AS(from_json(Json::object(), box.queue()), StorageError);
    CHECK(Json(box.queue()) == before);
}

TEST_CASE("the queue of an engine keeps the rules that the engine was made with", "[sync]") {
    Outbox box{1, {.max_attempts = 1}};
    const Json other = RetryQueue<>{{.max_attempts = 9}};

    other.get_to(box.queue());
    CHECK(box.queue().options().max_attempts == 1);
    auto view = box.queue();
    other.get_to(view);
    CHECK(view.options().max_attempts == 9);

    box.server.omit("r0");
    box.sync();
    CHECK(box.queue().dead_letters().size() == 1);
    CHECK(view.dead_letters().size() == 1);  // it still shows the store
}

TEST_CASE("nothing is assigned to the queue of an engine", "[sync]") {
    Outbox box{1, {.max_attempts = 1}};
    RetryQueue<> other{{.max_attempts = 9}};
    other.enqueue({.id = "other"});
    const auto refusal =
        ::test::message_of<std::logic_error>([&] { box.queue() = RetryQueue<>{}; });

    CHECK_THAT(refusal, ::test::contains("the constructor of the engine"));
    CHECK_THROWS_AS(box.queue() = other, std::logic_error);
    CHECK_THROWS_AS(box.queue() = std::move(other), std::logic_error);
    CHECK_THROWS_AS(std::swap(box.queue(), other), std::logic_error);
    CHECK(other.count() == 1);
    CHECK_THROWS_AS(std::swap(other, box.queue()), std::logic_error);
    const RetryQueue<> taken = std::move(box.queue());
    CHECK(taken.options().max_attempts == 1);

    box.server.omit("r0");
    box.sync();
    CHECK(box.queue().dead_letters().size() == 1);
    CHECK(taken.dead_letters().size() == 1);
    box.queue().enqueue(*box.device.store->get("r0"));
    CHECK(box.queue().dead_letters().at(0).attempts == 2);
}

TEST_CASE("a copy of an engine's queue may become another one, and the engine's stays", "[sync]") {
    Outbox box{1, {.max_attempts = 1}};
    box.server.omit("r0");
    box.sync();
    auto copy = box.queue();
    REQUIRE(copy.dead_letters().size() == 1);

    copy = RetryQueue<>{{.max_attempts = 9}};

    CHECK(copy.dead_letters().empty());
    CHECK(copy.options().max_attempts == 9);
    CHECK(box.queue().dead_letters().size() == 1);
}

TEST_CASE("an engine that is made from the queue of another takes its rules alone", "[sync]") {
    Interrupted device;
    device.fail(2);
    bool is_edited = false;
    SECTION("while a change is refused") {
        device.server.refuse("a", "never");
        device.at_look(GENERATE(1, 2), [&] { device.sync(); });
    }
    SECTION("while it is edited") {
        is_edited = true;
        device.at_look(GENERATE(1, 2),
                       [&] { device.store.update("a", [](Json& data) { data = 2; }); });
    }

    const SyncEngine<> second{device.store, ConflictResolver<>{}, device.queue()};
    if (!device.has_happened) device.what();

    CHECK(device.queue().dead_letters().size() == (is_edited ? 0 : 1));
    CHECK(device.queue().entries().size() == (is_edited ? 0 : 1));
}

TEST_CASE("what is said of an earlier edit is not noted of the one that the store has", "[sync]") {
    Outbox box{1, {.max_attempts = 1}};
    const auto earlier = *box.device.store->get("r0");
    box.server.refuse("r0", "not like this");
    box.sync();
    REQUIRE(box.queue().dead_letters().size() == 1);
    const Json saved = box.queue();
    box.server.accept_again("r0");
    box.device.edit("r0", 7);

    saved.get_to(box.queue());
    box.queue().enqueue(earlier);

    CHECK(box.queue().entries().empty());
    box.sync();
    CHECK(pending_ids(box.device).empty());
}

TEST_CASE("data that is unequal to itself is noted and revived", "[sync]") {
    LocalStore<double> store;
    RetryQueue<double> rules{{.max_attempts = 1}};
    SyncEngine<double> engine{store, ConflictResolver<double>{}, rules};
    store.put({.id = "a", .data = std::numeric_limits<double>::quiet_NaN(), .updated_at = now()});

    engine.retry_queue().enqueue(*store.find("a"));
    CHECK(engine.retry_queue().dead_letters().size() == 1);
    CHECK(engine.retry_queue().revive("a"));
    CHECK(engine.retry_queue().dead_letters().empty());
}

TEST_CASE("to forget a record that never failed writes nothing", "[sync]") {
    Outbox box{1};
    box.device.disk->fail_next();
    box.queue().erase("r0");
    box.queue().erase("unknown");
    CHECK_THROWS_AS(box.device.edit("r0", 1), StorageError);
}

TEST_CASE("to empty or clear a queue copies no record but those that are answered", "[sync]") {
    LocalStore<Counted> store;
    SyncEngine<Counted> engine{store, ConflictResolver<Counted>{}, RetryQueue<Counted>{}};
    auto& queue = engine.retry_queue();
    for (int n = 0; n < 10; ++n) {
        store.put({.id = std::to_string(n), .data = Counted{n}});
        queue.enqueue(*store.find(std::to_string(n)));
    }

    CHECK(cost_of([&] { (void)queue.next_due(); }).copies == 0);
    CHECK(cost_of([&] { (void)queue.dequeue_all(); }).copies == 10);
    CHECK(cost_of([&] { queue.clear(); }).copies == 0);
}

TEST_CASE("to note or revive one record costs the same, however many wait", "[sync]") {
    const auto cost = [](int waiting) {
        LocalStore<Counted> store;
        RetryQueue<Counted> rules{{.max_attempts = 2}};
        SyncEngine<Counted> engine{store, ConflictResolver<Counted>{}, rules};
        auto& queue = engine.retry_queue();
        for (int n = 0; n < waiting; ++n) {
            store.put({.id = std::to_string(n), .data = Counted{n}});
            queue.enqueue(*store.find(std::to_string(n)));
        }
        return cost_of([&] {
            queue.enqueue(*store.find("0"));
            CHECK(queue.revive("0"));
            queue.erase("0");
        });
    };

    CHECK(cost(100) == cost(1));
}

}  // namespace test_of_store_ledger
