// SPDX-License-Identifier: MIT
#include <sync_engine/store/step.hpp>

#include "store/test_store.hpp"
#include "support/catch.hpp"

#include <chrono>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace test_of_local_store_steps {

using namespace std::chrono_literals;
using namespace sync_engine;
using namespace sync_engine::test;
using nlohmann::json;

namespace {

using Ids = std::vector<std::string>;
using Days = std::chrono::days;

SyncRecord<> deletion(const std::string& id) {
    return note(id, "gone", 3).with_status(SyncStatus::deleted);
}

/// The decision that the remote's state is to be taken, made for the entry as it is now.
Decision<json> taking(const TestStore<>& store, SyncRecord<> remote) {
    const auto known = store.entry(remote.id);
    return {
        .expected = known,
        .written = {.outcome = rules::taken(known ? &*known : nullptr, remote, store.clock.now())}};
}

}  // namespace

TEST_CASE("a step is one commit of records, cursor, health and metadata", "[store]") {
    TestStore<> store;
    store->put(note("b", "one").with_status(SyncStatus::synced));
    const auto commits = store.disk->commits();
    Step<json> step;
    step.decisions.push_back(taking(store, note("a", "remote")));
    step.decisions.push_back({.expected = store.entry("b"), .written = {.forgotten = {"b"}}});
    step.cursor = CursorMove{nullptr, {{"page", 1}}};
    step.remote_name = "server";
    step.health = RemoteHealth{.failures = 2, .backoff = {noon, 4s}, .asked = {noon, 9s}};
    step.metadata = SyncMetadata{.total_pulls = 1};

    const auto result = store->apply(std::move(step));

    CHECK_FALSE(result.superseded);
    CHECK(result.moved.empty());
    CHECK(store.disk->commits() == commits + 1);
    CHECK(store->get("a")->status == SyncStatus::synced);
    CHECK(store.entry("b") == nullptr);
    CHECK(store->state().cursor == json{{"page", 1}});
    CHECK(store->state().remote_name == "server");
    CHECK(store->state().health.failures == 2);
    CHECK(store->state().health.backoff == Wait{noon, 4s});
    CHECK(store->state().health.asked == Wait{noon, 9s});
    CHECK(store->state().metadata.total_pulls == 1);
    CHECK(text_of(store.disk->load().state) == text_of(store->state()));
}

TEST_CASE("what a step does not name stays", "[store]") {
    TestStore<> store;
    store->apply({.cursor = CursorMove{nullptr, 1},
                  .remote_name = "server",
                  .health = RemoteHealth{.failures = 2},
                  .metadata = SyncMetadata{.total_pulls = 1}});
    const auto before = text_of(store->state());

    store->apply({});

    CHECK(text_of(store->state()) == before);
}

TEST_CASE("a decision counts where only the places of entries have moved since", "[store]") {
    TestStore<> store;
    for (const auto* id : {"a", "b", "c"}) {
        store->put(note(id, "one").with_status(SyncStatus::synced));
    }
    Step<json> step;
    for (const auto* id : {"b", "c"})
        step.decisions.push_back(taking(store, note(id, "remote", 7)));
    store->evict("a");  // the last one takes its place

    CHECK(store->apply(std::move(step)).moved.empty());

    CHECK(store->count() == 2);
    for (const auto* id : {"b", "c"}) CHECK(store->get(id)->version == 7);
}

TEST_CASE("a decision does not count where the record has moved since", "[store]") {
    TestStore<> store;
    for (const auto* id : {"edited", "evicted", "untouched"}) {
        store->put(note(id, "one").with_status(SyncStatus::synced));
    }
    Step<json> step;
    for (const auto* id : {"edited", "evicted", "untouched", "appeared"}) {
        step.decisions.push_back(taking(store, note(id, "remote", 2)));
    }
    step.cursor = CursorMove{nullptr, 1};
    step.remote_name = "server";
    step.health = RemoteHealth{.starts_over = true};
    step.metadata = SyncMetadata{.total_pulls = 1};
    store->put(note("edited", "ours"));
    store->evict("evicted");
    store->put(note("appeared", "ours"));

    const auto result = store->apply(std::move(step));

    CHECK(result.moved == Ids{"edited", "evicted", "appeared"});
    CHECK_FALSE(result.superseded);
    CHECK(store->get("edited")->data == json{{"text", "ours"}});
    CHECK(store->get("evicted") == std::nullopt);
    CHECK(store->get("appeared")->data == json{{"text", "ours"}});
    CHECK(store->get("untouched")->data == json{{"text", "remote"}});
    CHECK(store->state().cursor == nullptr);
    CHECK(store->state().health == RemoteHealth{});
    CHECK(store->state().remote_name == "server");
    CHECK(store->state().metadata.total_pulls == 1);
}

TEST_CASE("a record that was removed and made again has moved", "[store]") {
    TestStore<> store;
    store->put(note("a", "one"));
    Step<json> step;
    step.decisions.push_back(taking(store, note("a", "remote", 2)));
    store->remove("a");
    store->put(note("a", "one"));

    CHECK(store->apply(std::move(step)).moved == Ids{"a"});
}

TEST_CASE("a change that is no edit moves a record, too", "[store]") {
    TestStore<> store;
    store->put(note("a", "one"));
    Step<json> step;
    step.decisions.push_back(taking(store, note("a", "remote", 2)));
    update_retry(*store, "a", [](auto& retry) { retry = RetryState{.attempts = 1}; });

    CHECK(store->apply(std::move(step)).moved == Ids{"a"});
}

TEST_CASE("an edit that is put on a newer base keeps what is known of its attempts", "[store]") {
    TestStore<> store;
    store.pull(note("a", "one"));
    store->put(note("a", "ours", 2));
    update_retry(*store, "a", [](auto& retry) { retry = RetryState{.attempts = 4}; });
    const auto sequence = store.entry("a")->sequence;

    store.decide("a", [&](const auto* known) {
        return rules::rebased(*known, rules::remote_state(note("a", "one", 9)), store.moment());
    });

    CHECK(store.entry("a")->sequence > sequence);
    REQUIRE(ids_of(store->read_retrying()) == Ids{"a"});
    CHECK(store.entry("a")->active_retry()->attempts == 4);
    CHECK(store->get("a")->version == 10);
}

TEST_CASE("a step of another epoch does nothing", "[store]") {
    TestStore<> store;
    store->put(note("a", "one"));
    const auto epoch = store->state().epoch;
    store->clear();
    const auto before = store.picture();
    Step<json> step;
    step.epoch = epoch;
    step.decisions.push_back(taking(store, note("b", "remote")));
    step.cursor = CursorMove{nullptr, 1};
    step.metadata = SyncMetadata{.total_pulls = 1};

    CHECK(store->apply(step).superseded);
    CHECK(store.picture() == before);
    step.epoch = epoch + 1;
    CHECK_FALSE(store->apply(step).superseded);
    CHECK(store->count() == 1);
}

TEST_CASE("a step from another cursor does nothing", "[store]") {
    TestStore<> store;
    store->apply({.cursor = CursorMove{nullptr, 1}});
    const auto before = store.picture();
    Step<json> step;
    step.decisions.push_back(taking(store, note("b", "remote")));
    step.cursor = CursorMove{nullptr, 2};

    CHECK(store->apply(step).superseded);
    CHECK(store.picture() == before);
    step.cursor = CursorMove{1, 2};
    CHECK_FALSE(store->apply(step).superseded);
    CHECK(store->state().cursor == 2);
}

TEST_CASE("a remote state can be parked on a record that never stands still", "[store]") {
    TestStore<> store;
    store->put(note("a", "ours"));
    store->put(note("conflicted", "ours"));
    store.conflict(note("conflicted", "theirs"));
    Step<json> step;
    for (const auto* id : {"a", "unknown", "conflicted"}) {
        step.decisions.push_back({.expected = std::make_shared<const Entry<json>>(),
                                  .park = rules::remote_state(note(id, "remote", 7))});
    }
    step.cursor = CursorMove{nullptr, 1};

    const auto result = store->apply(std::move(step));

    CHECK(result.moved.empty());
    CHECK(ids_of(store->read_parked()) == Ids{"a"});
    CHECK(store->get("a")->data == json{{"text", "ours"}});
    CHECK(store->get("unknown")->status == SyncStatus::synced);
    REQUIRE(store->conflicts().size() == 1);
    CHECK(store->conflicts().front().theirs.data == json{{"text", "remote"}});
    CHECK(store->state().cursor == 1);
}

TEST_CASE("entries are read as they are now, and none where there is none", "[store]") {
    TestStore<> store;
    store->put(note("a", "one"));
    store.pull(deletion("husk"));

    const auto entries = store->read({"husk", "unknown", "a"});

    REQUIRE(entries.size() == 3);
    CHECK(entries[0]->is_husk());
    CHECK(entries[1] == nullptr);
    CHECK(entries[2]->local == store->find("a"));
}

TEST_CASE("clean records that a listing did not hold are found", "[store]") {
    TestStore<> store;
    for (const auto* id : {"seen", "absent", "edited", "removed"}) store.pull(note(id, "one"));
    store->mark_modified("edited");
    store->remove("removed");
    store->put(note("new", "one"));
    store.pull(deletion("husk"));

    CHECK(ids_of(store->read_absent({"seen"})) == Ids{"absent"});
    CHECK(ids_of(store->read_absent({"seen", "absent"})).empty());
}

TEST_CASE("attempts are kept for a dirty record alone, and speak of its last edit", "[store]") {
    TestStore<> store;
    store->put(note("dirty", "one"));
    store->put(note("clean", "one").with_status(SyncStatus::synced));
    bool was_asked = false;
    const auto note_attempt = [&](Boxed<RetryState>& retry) {
        was_asked = true;
        if (!retry) retry.emplace();
        ++retry->attempts;
    };

    CHECK_FALSE(update_retry(*store, "clean", note_attempt));
    CHECK_FALSE(update_retry(*store, "unknown", note_attempt));
    CHECK_FALSE(was_asked);
    CHECK(update_retry(*store, "dirty", note_attempt));
    CHECK(update_retry(*store, "dirty", note_attempt));

    REQUIRE(ids_of(store->read_retrying()) == Ids{"dirty"});
    CHECK(store->read_retrying().front()->active_retry()->attempts == 2);
    store->mark_modified("dirty");
    CHECK(store->read_retrying().empty());
}

TEST_CASE("attempts of several records change in one commit, where they change at all", "[store]") {
    TestStore<> store;
    for (const auto* id : {"a", "b"}) store->put(note(id, "one"));
    store->put(note("clean", "one").with_status(SyncStatus::synced));
    const std::vector<std::string> ids{"b", "unknown", "clean", "a"};
    Ids seen;
    const auto commits = store.disk->commits();

    CHECK_FALSE(store->update_retries(ids, [](const auto&, auto& retry) {
        retry = RetryState{.attempts = 9};
        return false;
    }));
    CHECK(store->read_retrying().empty());
    CHECK(store.disk->commits() == commits);

    CHECK(store->update_retries(ids, [&](const auto& entry, auto& retry) {
        seen.push_back(entry.local->id);
        retry = RetryState{.attempts = 3};
        return entry.local->id == "a";
    }));
    CHECK(seen == Ids{"b", "a"});
    CHECK(ids_of(store->read_retrying()) == Ids{"a"});
    CHECK(store.disk->commits() == commits + 1);
}

TEST_CASE("a settled deletion is remembered for the horizon and then forgotten", "[store]") {
    TestStore<> store;
    store.pull(deletion("pulled"));
    store.pull(note("sent", "one"));
    store->remove("sent");
    store.stage("sent", "operation-1");
    store.acknowledge("sent", "r2");
    REQUIRE(store.entry("pulled")->is_husk());
    REQUIRE(store.entry("sent")->is_husk());

    store.clock.advance(Days{30});
    store->apply({});
    CHECK(store.entry("pulled") != nullptr);
    CHECK(store.entry("sent") != nullptr);
    CHECK(store.entry("sent")->local->revision == "r2");

    store.clock.advance(1us);
    store->apply({});
    CHECK(store.entry("pulled") == nullptr);
    CHECK(store.entry("sent") == nullptr);
    CHECK(store.disk->load().entries.empty());
}

TEST_CASE("a settled deletion is hidden from the app", "[store]") {
    TestStore<> store;
    store.pull(deletion("a").with_tags({"x"}));

    CHECK(store->get("a") == std::nullopt);
    CHECK(store->find("a") == nullptr);
    CHECK(store->base("a") == std::nullopt);
    CHECK(store->all().empty());
    CHECK(store->pending().empty());
    CHECK(store->query_by_tag("x").empty());
    CHECK(store->statistics() == StoreStatistics{});
    CHECK_FALSE(store->remove("a"));
    CHECK_FALSE(store->evict("a"));
    CHECK_FALSE(store->discard_changes("a"));
    CHECK_FALSE(store->mark_synced("a"));
    CHECK_FALSE(store->mark_modified("a"));
}

TEST_CASE("only what is settled is forgotten, and each deletion at its own time", "[store]") {
    TestStore<> store;
    store.pull(deletion("old"));
    store.pull(note("unsent", "one"));
    store->remove("unsent");
    store.pull(deletion("again"));
    store->put(note("again", "back"));
    store.clock.advance(Days{20});
    store.pull(deletion("young"));
    store.clock.advance(Days{20});

    store->apply({});

    CHECK(store.entry("old") == nullptr);
    CHECK(store.entry("young") != nullptr);
    CHECK(ids_of(store->pending()) == Ids{"unsent", "again"});
}

TEST_CASE("a step that speaks of an old deletion has the last word on it", "[store]") {
    TestStore<> store;
    store.pull(deletion("a"));
    store.clock.advance(Days{40});
    Step<json> step;
    step.decisions.push_back(taking(store, note("a", "back", 9)));

    store->apply(std::move(step));

    CHECK(store->get("a")->data == json{{"text", "back"}});
    store.restart();
    CHECK(store->get("a")->data == json{{"text", "back"}});
}

TEST_CASE("a horizon without end forgets nothing", "[store]") {
    testing::ManualClock clock{noon};
    LocalStore<> store{StoreOptions{.clock = clock.clock(),
                                    .random = counting_random(),
                                    .tombstone_horizon = std::chrono::milliseconds::max()}};
    Step<json> step;
    step.decisions.push_back(
        {.written = {.outcome = rules::taken<json>(nullptr, deletion("a"), noon)}});
    store.apply(std::move(step));
    clock.advance(Days{36500});

    store.apply({});

    CHECK(store.read({"a"}).front() != nullptr);
}

}  // namespace test_of_local_store_steps
