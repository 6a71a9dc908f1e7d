// SPDX-License-Identifier: MIT
// The code that docs/testing-your-sync.md shows, compiled and run; tests.pages compares the two.
#include <sync_engine.hpp>
#include <sync_engine/testing/choices.hpp>
#include <sync_engine/testing/fault.hpp>
#include <sync_engine/testing/faulty_remote.hpp>
#include <sync_engine/testing/resolver_laws.hpp>

#include "support/catch.hpp"

#include <chrono>
#include <string>

namespace test_of_testing_your_sync {

using namespace sync_engine;

namespace {

struct Task {
    std::string text{};
    bool done = false;

    bool operator==(const Task&) const = default;
    NLOHMANN_DEFINE_TYPE_INTRUSIVE(Task, text, done)
};

/// What is done stays done; else the later side wins.
SyncRecord<Task> done_wins(const SyncRecord<Task>& local, const SyncRecord<Task>& remote) {
    if (local.is_deleted() || remote.is_deleted()) return local.is_deleted() ? remote : local;
    SyncRecord<Task> winner = is_later(local, remote) ? local : remote;
    winner.data.done = local.data.done || remote.data.done;
    return winner;
}

}  // namespace

TEST_CASE("our resolver keeps the laws", "[sync]") {
    const sync_engine::ConflictResolver<Task> resolver{done_wins};
    const auto samples = sync_engine::testing::conflict_samples<Task>(
        {{"buy milk", false}, {"buy oat milk", false}, {"buy milk", true}}, {{}, {"today"}});

    const auto report = sync_engine::testing::check_resolver(resolver, samples);
    INFO(to_string(report));
    CHECK(report.holds());
}

TEST_CASE("docs/testing-your-sync: a lost answer", "[pages]") {
    MemoryRemote<> server;
    testing::Choices choices{42};
    testing::Faults faults{choices, testing::FaultRates{}.set(testing::Fault::reply_lost, 1000)};
    testing::FaultyRemote<> faulty{server.remote(), faults};

    LocalStore<> store;
    SyncEngine<> engine{store};
    store.put({.id = "a", .data = {{"text", "milk"}}});
    const SyncOptions options{.callback_timeout = std::chrono::milliseconds{20},
                              .direction = SyncDirection::push};
    CHECK(engine.sync(faulty.remote(), options).get().outcome == SyncOutcome::failed);
    CHECK(store.pending().size() == 1);

    faults.stop();
    CHECK(engine.sync(faulty.remote(), options).get().outcome == SyncOutcome::completed);
    CHECK(server.records().size() == 1);
}

}  // namespace test_of_testing_your_sync
