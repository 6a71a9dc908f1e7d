// SPDX-License-Identifier: MIT
// The code that docs/guide.md shows, compiled and run; tests.pages compares the two.
#include <sync_engine.hpp>
#include <sync_engine/store/sqlite_storage.hpp>
#include <sync_engine/testing/manual_clock.hpp>

#include "support/catch.hpp"
#include "support/temporary_folder.hpp"

#include <nlohmann/json.hpp>

#include <chrono>
#include <cstddef>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace test_of_guide {

using namespace sync_engine;

namespace {

/// What an app would write into its log.
template <class... Words>
std::vector<std::string> words(const Words&... all) {
    return {nlohmann::json(all).dump()...};
}

}  // namespace

TEST_CASE("docs/guide: first sync", "[pages]") {
    std::vector<std::vector<std::string>> logged;
    const auto log = [&](const auto&... all) { logged.push_back(words(all...)); };

    MemoryRemote<> server;
    LocalStore<> store;
    SyncEngine<> engine{store};

    store.put({.id = "oak", .data = {{"height_m", 12}}, .tags = {"park"}});
    store.update("oak", [](auto& tree) { tree["height_m"] = 13; });

    const SyncResult result = engine.sync(server.remote()).get();
    if (result.outcome == SyncOutcome::completed) log(result.pushed, result.pulled);
    for (const auto& error : result.errors) log(error.record_id, error.message);

    CHECK(logged == std::vector<std::vector<std::string>>{{"1", "0"}});
    CHECK(server.find("oak")->data["height_m"] == 13);
}

TEST_CASE("docs/guide: the durable store", "[pages]") {
    const sync_engine::test::InTemporaryFolder here;
    std::vector<std::string> logged;
    const auto log = [&](const auto&... all) { logged = words(all...); };
    {
        LocalStore<> store{sqlite_storage<>("trees.db")};

        store.transact([](auto& trees) {
            trees.put({.id = "ash", .data = {{"height_m", 9}}});
            trees.remove("elm");
        });
        log(store.count(), store.pending().size());
    }
    CHECK(logged == std::vector<std::string>{"1", "1"});
    const LocalStore<> store{sqlite_storage<>("trees.db")};
    CHECK(store.count() == 1);
    CHECK(store.pending().size() == 1);
}

namespace {

/// The taller tree: trees grow. An edit wins over a deletion.
SyncRecord<> taller(const SyncRecord<>& local, const SyncRecord<>& remote) {
    if (local.is_deleted() || remote.is_deleted()) return local.is_deleted() ? remote : local;
    return local.data["height_m"] > remote.data["height_m"] ? local : remote;
}

}  // namespace

TEST_CASE("docs/guide: conflicts", "[pages]") {
    MemoryRemote<> server;
    LocalStore<> store;
    store.put({.id = "oak", .data = {{"height_m", 12}}});
    SyncEngine<>{store}.sync(server.remote()).get();
    server.edit_as_other_device({.id = "oak", .data = {{"height_m", 14}}, .version = 2});
    store.update("oak", [](auto& tree) { tree["height_m"] = 13; });
    const auto ask_user = [](const auto&, const auto&, const auto& theirs) { return theirs; };

    const ConflictResolver<> latest;
    const ConflictResolver<> merging{ConflictStrategy::merge};
    const ConflictResolver<> growing{taller};
    const ConflictResolver<> asking{ConflictStrategy::manual};

    SyncEngine<> engine{store, asking};
    engine.sync(server.remote()).get();
    CHECK(store.conflicts().size() == 1);
    for (const auto& conflict : store.conflicts()) {
        store.resolve(conflict, ask_user(conflict.base, conflict.local, conflict.theirs));
    }
    CHECK(store.conflicts().empty());
    CHECK(store.get("oak")->data["height_m"] == 14);

    const SyncRecord<> local{.id = "oak", .data = {{"height_m", 13}}};
    const SyncRecord<> remote{.id = "oak", .data = {{"height_m", 12}}};
    CHECK(growing.resolve(local, remote).data == local.data);
    CHECK(growing.resolve(local.with_status(SyncStatus::deleted), remote).data == remote.data);
    CHECK(latest.strategy() == ConflictStrategy::latest_wins);
    CHECK(merging.strategy() == ConflictStrategy::merge);
}

TEST_CASE("docs/guide: retries and dead letters", "[pages]") {
    MemoryRemote<> server;
    LocalStore<> store;
    store.put({.id = "oak", .data = {{"height_m", -1}}});
    store.put({.id = "ash", .data = {{"height_m", 9}}});
    store.put({.id = "elm", .data = {{"height_m", 7}}});
    store.put({.id = "yew", .data = {{"height_m", 5}}});
    for (const char* id : {"oak", "ash", "elm"}) server.refuse(id, "no");
    server.ask_retry("yew", std::chrono::hours{1});

    std::map<std::string, std::string> logged;
    const auto log = [&](const std::string& id, const std::string& why) { logged[id] = why; };
    std::vector<Timestamp> woken;
    const auto wake_at = [&](Timestamp due) { woken.push_back(due); };

    const RetryQueue<> retry{RetryOptions{.max_attempts = 8, .jitter = 0.5}};
    SyncEngine<> engine{store, {}, retry};

    engine.sync(server.remote()).get();
    engine.sync(server.remote(), {.retry = RetryMode::when_due}).get();
    if (const auto due = engine.retry_queue().next_due()) wake_at(*due);

    for (const auto& letter : engine.retry_queue().dead_letters()) {
        log(letter.record.id, letter.error.message);
    }
    const std::string no = "rejected: no";
    CHECK(logged == std::map<std::string, std::string>{{"ash", no}, {"elm", no}, {"oak", no}});
    CHECK(woken.size() == 1);

    for (const char* id : {"oak", "ash"}) server.accept_again(id);
    store.update("oak", [](auto& tree) { tree["height_m"] = 14; });
    engine.retry_queue().revive("ash");
    store.discard_changes("elm");

    engine.sync(server.remote()).get();
    REQUIRE(store.pending().size() == 1);
    CHECK(store.pending().front().id == "yew");  // the server asked for an hour
    CHECK(server.count() == 2);
    CHECK(server.find("oak")->data["height_m"] == 14);
}

namespace {

struct Answer {
    int code = 0;
    std::string revision{};
    SyncRecord<> held{};
    std::string reason{};
};

/// A server that is asked for one record at a time.
struct Api {
    std::map<std::string, SyncRecord<>> records{};
    std::size_t answers = 1'000;  // it gives no more than these

    Answer store(SyncRecord<> record, const std::string&) {
        if (answers == 0) return {.code = 503};
        --answers;
        if (record.data["height_m"] < 0) return {.code = 422, .reason = "no tree is that small"};
        const auto held = records.find(record.id);
        const std::string expected = held == records.end() ? "" : held->second.revision;
        if (record.revision != expected) return {.code = 409, .held = held->second};
        record.revision = expected + "x";
        records[record.id] = record;
        return {.code = 200, .revision = record.revision};
    }
    PullPage<> changes_since(const nlohmann::json&, std::size_t) const {
        PullPage<> page{.complete = true};
        for (const auto& [id, record] : records) page.records.push_back(record);
        return page;
    }
};

/// What the server says of one change.
Verdict<> offer(Api& api, const Change<>& change) {
    const auto answer = api.store(change.record, change.operation_id);
    if (answer.code == 200) return accepted(change.record.id, answer.revision);
    if (answer.code == 409) return conflict(answer.held);
    if (answer.code == 422) return rejected(change.record.id, answer.reason);
    throw RemoteError{"the server answered " + std::to_string(answer.code)};
}

Remote<> remote_of(Api& api) {
    const auto push = [&api](PushBatch<> batch) {
        PushReport<> report;
        for (const auto& change : batch.changes) report.push_back(offer(api, change));
        return make_ready_future(std::move(report));
    };
    const auto pull = [&api](PullRequest request) {
        return make_ready_future(api.changes_since(request.cursor, request.limit));
    };
    return {.push = push, .pull = pull, .name = "https://trees.example"};
}

}  // namespace

TEST_CASE("docs/guide: real backends", "[pages]") {
    Api api;
    LocalStore<> store;
    SyncEngine<> engine{store};
    store.put({.id = "oak", .data = {{"height_m", 12}}});
    store.put({.id = "ash", .data = {{"height_m", -1}}});

    api.answers = 0;
    CHECK(engine.sync(remote_of(api)).get().outcome == SyncOutcome::failed);
    CHECK(engine.retry_queue().dead_letters().empty());
    api.answers = 1'000;
    CHECK(engine.sync(remote_of(api)).get().outcome == SyncOutcome::completed);
    CHECK(engine.retry_queue().dead_letters().size() == 1);
    CHECK(api.records.at("oak").data["height_m"] == 12);

    Change<> stale{.record = {.id = "oak", .data = {{"height_m", 13}}}};
    CHECK(offer(api, stale).kind == VerdictKind::conflict);
}

TEST_CASE("docs/guide: a server that goes away in the middle of a batch", "[pages]") {
    Api api;
    LocalStore<> store;
    SyncEngine<> engine{store, ConflictResolver<>{ConflictStrategy::manual}};
    store.put({.id = "oak", .data = {{"height_m", 12}}});
    store.put({.id = "ash", .data = {{"height_m", 9}}});

    api.answers = 1;
    CHECK(engine.sync(remote_of(api)).get().outcome == SyncOutcome::failed);
    CHECK(api.records.size() == 1);

    api.answers = 1'000;
    store.update("oak", [](auto& tree) { tree["height_m"] = 13; });
    CHECK(engine.sync(remote_of(api)).get().conflicts == 0);
    CHECK(api.records.at("oak").data["height_m"] == 13);
    CHECK(store.pending().empty());
}

TEST_CASE("docs/guide: testing", "[pages]") {
    testing::ManualClock clock;
    MemoryRemote<> server;
    LocalStore<> store{StoreOptions{.clock = clock.clock()}};
    SyncEngine<> engine{store, {}, {}, {.executor = inline_executor()}};

    store.put({.id = "oak", .data = {{"height_m", 12}}});
    server.lose_next_ack();
    engine.sync(server.remote()).get();
    CHECK(store.pending().size() == 1);

    clock.advance(std::chrono::hours{1});
    engine.sync(server.remote(), {.retry = RetryMode::when_due}).get();
    CHECK(store.pending().empty());
    CHECK(server.count() == 1);
}

}  // namespace test_of_guide
