// SPDX-License-Identifier: MIT
#include <sync_engine/store/subscription.hpp>

#include "store/test_store.hpp"
#include "support/catch.hpp"

#include <algorithm>
#include <exception>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace test_of_subscription {

using namespace sync_engine;
using namespace sync_engine::test;
using nlohmann::json;

namespace {

using Heard = std::vector<std::string>;

SyncRecord<> synced(std::string id, std::string text) {
    return note(std::move(id), std::move(text)).with_status(SyncStatus::synced);
}

std::string text_in(const RecordPtr<json>& record) {
    return record == nullptr ? "-" : record->data["text"].get<std::string>();
}

std::string line_of(const StoreChange<>& change) {
    return change.id + ": " + text_in(change.before) + " to " + text_in(change.after);
}

}  // namespace

TEST_CASE("a subscriber hears of each record that a commit changed", "[store]") {
    TestStore<> store;
    Heard heard;
    const auto subscription =
        store->subscribe([&](const StoreChange<>& change) { heard.push_back(line_of(change)); });

    store->put(synced("a", "one"));
    store->put(note("a", "two"));
    store->discard_changes("a");
    store->update("a", [](json& data) { data["text"] = "three"; });
    store->remove("a");
    store->put(note("a", "again"));
    store->put(synced("b", "one"));
    store->evict("b");
    store->put_all({note("c", "one"), note("d", "one")});

    CHECK(heard == Heard{"a: - to one", "a: one to two", "a: two to one", "a: one to three",
                         "a: three to -", "a: - to again", "b: - to one", "b: one to -",
                         "c: - to one", "d: - to one"});
}

TEST_CASE("a subscriber hears a status that changed", "[store]") {
    TestStore<> store;
    store->put(note("a", "one"));
    std::vector<SyncStatus> heard;
    const auto subscription = store->subscribe(
        [&](const StoreChange<>& change) { heard.push_back(change.after->status); });

    store->mark_synced("a");
    store->mark_modified("a");
    store.conflict(note("a", "theirs"));
    store->resolve("a", note("a", "theirs"));

    CHECK(heard == std::vector{SyncStatus::synced, SyncStatus::modified, SyncStatus::conflicted,
                               SyncStatus::synced});
}

TEST_CASE("a subscriber hears who changed a record", "[store]") {
    TestStore<> store;
    std::vector<ChangeOrigin> heard;
    const auto subscription =
        store->subscribe([&](const StoreChange<>& change) { heard.push_back(change.origin); });

    store->put(note("a", "one"));
    store.pull(note("b", "one"));

    CHECK(heard == std::vector{ChangeOrigin::local, ChangeOrigin::remote});
}

TEST_CASE("a subscriber hears of every record that was cleared", "[store]") {
    TestStore<> store;
    store->put_all({note("a", "one"), note("b", "one"), synced("c", "one")});
    store->remove("c");
    Heard heard;
    const auto subscription =
        store->subscribe([&](const StoreChange<>& change) { heard.push_back(line_of(change)); });

    store->clear();

    CHECK(heard == Heard{"a: one to -", "b: one to -"});
}

TEST_CASE("a subscriber hears nothing where the app sees no change", "[store]") {
    TestStore<> store;
    store->put(synced("a", "one"));
    store->put(synced("removed", "one"));
    store->remove("removed");
    Heard heard;
    const auto subscription =
        store->subscribe([&](const StoreChange<>& change) { heard.push_back(line_of(change)); });

    store->put(synced("a", "one"));
    store->update("a", [](json&) {});
    store->transact([](auto& transaction) {
        transaction.put(note("b", "one"));
        transaction.remove("b");
    });
    CHECK_THROWS(store->transact([](auto& transaction) {
        transaction.put(note("c", "one"));
        throw std::out_of_range("enough");
    }));
    store->mark_synced("removed");
    store.pull(note("unknown", "gone").with_status(SyncStatus::deleted));
    store->apply({.cursor = CursorMove{nullptr, 1}});

    CHECK(heard.empty());
}

TEST_CASE("a transaction is heard once a record, with the states before and after", "[store]") {
    TestStore<> store;
    store->put(note("a", "one"));
    Heard heard;
    const auto subscription =
        store->subscribe([&](const StoreChange<>& change) { heard.push_back(line_of(change)); });

    store->transact([](auto& transaction) {
        transaction.put(note("b", "one"));
        transaction.put(note("a", "two"));
        transaction.put(note("b", "two"));
        transaction.put(note("a", "three"));
    });

    CHECK(heard == Heard{"b: - to two", "a: one to three"});
}

TEST_CASE("a subscriber is told after the commit and may use the store", "[store]") {
    TestStore<> store;
    std::optional<SyncRecord<>> read;
    std::size_t commits = 0;
    const auto subscription = store->subscribe([&](const StoreChange<>& change) {
        read = store->get(change.id);
        commits = store.disk->commits();
    });

    store->put(note("a", "one"));

    CHECK(read == note("a", "one"));
    CHECK(commits == 1);
}

TEST_CASE("edits that a subscriber makes are delivered after, not inside", "[store]") {
    TestStore<> store;
    Heard heard;
    const auto subscription = store->subscribe([&](const StoreChange<>& change) {
        heard.push_back("begin " + line_of(change));
        if (change.id == "a") {
            store->put(note("b", "from a"));
            CHECK(store->get("b").has_value());
        }
        if (change.id == "b") store->remove("b");
        heard.push_back("end " + change.id);
    });

    store->put_all({note("a", "one"), note("c", "one")});

    CHECK(heard == Heard{"begin a: - to one", "end a", "begin c: - to one", "end c",
                         "begin b: - to from a", "end b", "begin b: from a to -", "end b"});
}

TEST_CASE("every subscriber hears the same, in commit order", "[store]") {
    TestStore<> store;
    Heard one;
    Heard other;
    const auto first = store->subscribe([&](const StoreChange<>& change) {
        one.push_back(line_of(change));
        if (change.id == "a") store->put(note("b", "from a"));
    });
    const auto second =
        store->subscribe([&](const StoreChange<>& change) { other.push_back(line_of(change)); });

    store->put(note("a", "one"));
    store->put(note("c", "one"));

    CHECK(one == Heard{"a: - to one", "b: - to from a", "c: - to one"});
    CHECK(other == one);
}

TEST_CASE("what a subscriber throws goes to on_error, and the others still hear", "[store]") {
    TestStore<> store;
    Heard errors;
    store->on_error = [&](std::exception_ptr error) {
        errors.push_back(message_of<std::out_of_range>([&] { std::rethrow_exception(error); }));
    };
    Heard heard;
    const auto broken = store->subscribe(
        [](const StoreChange<>& change) { throw std::out_of_range("no " + change.id); });
    const auto sound =
        store->subscribe([&](const StoreChange<>& change) { heard.push_back(change.id); });

    CHECK_NOTHROW(store->put(note("a", "one")));
    CHECK_NOTHROW(store->put(note("b", "one")));

    CHECK(errors == Heard{"no a", "no b"});
    CHECK(heard == Heard{"a", "b"});
    CHECK(store->count() == 2);
}

TEST_CASE("what a subscriber throws never comes out of an edit", "[store]") {
    TestStore<> store;
    const auto subscription = store->subscribe([](const StoreChange<>&) { throw 42; });

    CHECK_NOTHROW(store->put(note("a", "one")));
    store->on_error = [](std::exception_ptr) { throw std::out_of_range("me too"); };
    CHECK_NOTHROW(store->put(note("b", "one")));
    store->on_error = [&](std::exception_ptr) {
        if (store->count() < 5) store->put(note(std::to_string(store->count()), "on error"));
    };
    CHECK_NOTHROW(store->remove("a"));

    CHECK(store->count() == 5);
}

TEST_CASE("the end of a subscription is the end of its calls", "[store]") {
    TestStore<> store;
    int heard = 0;
    const auto listen = [&] { return store->subscribe([&](const StoreChange<>&) { ++heard; }); };

    {
        const auto subscription = listen();
        store->put(note("a", "one"));
        CHECK(heard == 1);
    }
    store->put(note("b", "one"));
    CHECK(heard == 1);

    auto subscription = listen();
    auto moved = std::move(subscription);
    store->put(note("c", "one"));
    CHECK(heard == 2);
    moved.reset();
    store->put(note("d", "one"));
    CHECK(heard == 2);

    moved = listen();
    moved = Subscription{};
    store->put(note("e", "one"));
    CHECK(heard == 2);
}

TEST_CASE("a subscriber that ends another's subscription is the last to be called", "[store]") {
    TestStore<> store;
    Subscription doomed;
    int heard = 0;
    const auto ender = store->subscribe([&](const StoreChange<>&) { doomed.reset(); });
    doomed = store->subscribe([&](const StoreChange<>&) { ++heard; });

    store->put_all({note("a", "one"), note("b", "one")});

    CHECK(heard == 0);
}

TEST_CASE("a subscriber may end its own subscription", "[store]") {
    TestStore<> store;
    Subscription own;
    auto calls = std::make_shared<int>(0);
    own = store->subscribe([&own, calls](const StoreChange<>&) {
        own.reset();
        ++*calls;
    });

    store->put_all({note("a", "one"), note("b", "one")});

    CHECK(*calls == 1);
    CHECK(calls.use_count() == 1);
}

TEST_CASE("a subscriber that comes later hears only what comes later", "[store]") {
    TestStore<> store;
    Subscription late;
    Heard heard;
    const auto first = store->subscribe([&](const StoreChange<>& change) {
        if (change.id != "a") return;
        late =
            store->subscribe([&](const StoreChange<>& later) { heard.push_back(line_of(later)); });
    });

    store->put_all({note("a", "one"), note("b", "one")});
    store->put(note("c", "one"));

    CHECK(heard == Heard{"c: - to one"});
}

TEST_CASE("a feed knows whether anybody still listens", "[store]") {
    ChangeFeed<json> feed;
    CHECK_FALSE(feed.has_listeners());
    auto subscription = feed.subscribe([](const StoreChange<>&) {});
    CHECK(feed.has_listeners());

    subscription.reset();
    std::vector changes{StoreChange<>{.id = "a"}};
    feed.queue(changes);
    feed.deliver(nullptr);

    CHECK_FALSE(feed.has_listeners());
}

TEST_CASE("a feed gives back the room of a large commit, and keeps that of a small one",
          "[store]") {
    ChangeFeed<json> feed;
    const auto subscription = feed.subscribe([](const StoreChange<>&) {});
    std::vector<StoreChange<>> changes(1000);
    const auto tell = [&](std::size_t count) {
        changes.resize(count);
        feed.queue(changes);
        feed.deliver(nullptr);
    };

    tell(1000);
    for (int round = 0; round < 5; ++round) tell(1);

    CHECK(changes.capacity() >= 1);
    CHECK(changes.capacity() < 1000);
}

TEST_CASE("a subscription outlives its store", "[store]") {
    auto store = std::make_unique<TestStore<>>();
    auto calls = std::make_shared<int>(0);
    auto subscription = (*store)->subscribe([calls](const StoreChange<>&) { ++*calls; });
    (*store)->put(note("a", "one"));

    store.reset();
    subscription.reset();

    CHECK(*calls == 1);
    CHECK(calls.use_count() == 1);
}

TEST_CASE("states that a subscriber keeps stay as they were", "[store]") {
    TestStore<> store;
    store->put(note("a", "one"));
    std::vector<StoreChange<>> kept;
    const auto subscription =
        store->subscribe([&](const StoreChange<>& change) { kept.push_back(change); });

    store->put(note("a", "two"));
    store->put(note("a", "three"));
    store->clear();

    REQUIRE(kept.size() == 3);
    CHECK(line_of(kept[0]) == "a: one to two");
    CHECK(line_of(kept[1]) == "a: two to three");
    CHECK(line_of(kept[2]) == "a: three to -");
}

TEST_CASE("subscribers are called one at a time and in commit order over threads",
          "[store][threads]") {
    TestStore<> store;
    std::vector<StoreChange<>> heard;  // unguarded: calls that overlap are a race
    const auto subscription =
        store->subscribe([&](const StoreChange<>& change) { heard.push_back(change); });
    store->put(note("a", "0", 0));

    std::vector<std::thread> threads;
    for (int n = 0; n < 4; ++n) {
        threads.emplace_back([&] {
            for (int edit = 0; edit < 50; ++edit) store->mark_modified("a");
        });
    }
    for (auto& thread : threads) thread.join();

    // Each begins where the last one ended; edits that shared a commit are one change.
    REQUIRE(heard.size() <= 201);
    CHECK(heard.front().before == nullptr);
    for (std::size_t n = 1; n < heard.size(); ++n) {
        CHECK(heard[n].before == heard[n - 1].after);
        CHECK(heard[n].before->version < heard[n].after->version);
    }
    CHECK(heard.back().after->version == 200);
}

TEST_CASE("in memory, every edit of many threads is heard", "[store][threads]") {
    LocalStore<> store;
    std::vector<std::uint64_t> heard;  // unguarded: calls that overlap are a race
    const auto subscription = store.subscribe(
        [&](const StoreChange<>& change) { heard.push_back(change.after->version); });
    store.put(note("a", "0", 0));

    std::vector<std::thread> threads;
    for (int n = 0; n < 4; ++n) {
        threads.emplace_back([&] {
            for (int edit = 0; edit < 50; ++edit) store.mark_modified("a");
        });
    }
    for (auto& thread : threads) thread.join();

    REQUIRE(heard.size() == 201);
    for (std::size_t n = 0; n < heard.size(); ++n) CHECK(heard[n] == n);
}

}  // namespace test_of_subscription
