// SPDX-License-Identifier: MIT
#include <sync_engine/record/error.hpp>
#include <sync_engine/store/local_store.hpp>
#include <sync_engine/testing/fault.hpp>
#include <sync_engine/testing/faulty_storage.hpp>
#include <sync_engine/testing/memory_storage.hpp>

#include "support/catch.hpp"

#include <nlohmann/json.hpp>

#include <cstddef>
#include <memory>
#include <string>

namespace test_of_faulty_storage {

using sync_engine::LocalStore;
using sync_engine::StorageError;
using sync_engine::test::contains;
using sync_engine::test::message_of;
using sync_engine::testing::Choices;
using sync_engine::testing::Fault;
using sync_engine::testing::FaultRates;
using sync_engine::testing::Faults;
using sync_engine::testing::FaultyStorage;
using sync_engine::testing::MemoryStorage;
using Json = nlohmann::json;

namespace {

/// A store on a disk that has no trouble yet.
struct App {
    void put(const std::string& id) { store.put({.id = id, .data = 1}); }
    /// From now on this happens at each commit.
    void only(Fault fault) { faults.set_rates(FaultRates{}.set(fault, 1000)); }
    [[nodiscard]] std::size_t on_disk() const { return disk->load().entries.size(); }

    Choices choices{1};
    Faults faults{choices};
    std::shared_ptr<MemoryStorage<Json>> disk = std::make_shared<MemoryStorage<Json>>();
    std::shared_ptr<FaultyStorage<Json>> storage =
        std::make_shared<FaultyStorage<Json>>(disk, faults);
    LocalStore<Json> store{storage};
};

}  // namespace

TEST_CASE("without faults, a faulty storage is the storage that it wraps", "[testing]") {
    App app;
    std::size_t written = 0;
    app.storage->on_commit = [&](const auto& batch) { written += batch.write.size(); };
    app.put("a");
    app.put("b");

    CHECK(app.on_disk() == 2);
    CHECK(app.storage->load().entries.size() == 2);
    CHECK(written == 2);
    CHECK_FALSE(app.storage->is_dead());
    CHECK_FALSE(app.storage->is_last_commit_durable());
}

TEST_CASE("on a full disk a commit fails, and later ones need not", "[testing]") {
    App app;
    app.only(Fault::disk_full);
    bool was_told = false;
    app.storage->on_commit = [&](const auto&) { was_told = true; };
    CHECK_THAT(message_of<StorageError>([&] { app.put("a"); }), contains("the disk is full"));
    CHECK(app.on_disk() == 0);
    CHECK(app.store.count() == 0);
    CHECK_FALSE(was_told);
    CHECK_FALSE(app.storage->is_dead());

    app.faults.stop();
    app.put("a");
    CHECK(app.on_disk() == 1);
}

TEST_CASE("a crash before a commit leaves nothing of it, and the process is dead", "[testing]") {
    App app;
    app.put("a");
    app.only(Fault::crash_before_commit);
    CHECK_THROWS_AS(app.put("b"), StorageError);

    CHECK(app.on_disk() == 1);
    CHECK(app.storage->is_dead());
    CHECK_FALSE(app.storage->is_last_commit_durable());
}

TEST_CASE("a crash after a commit leaves it on the disk, and nobody is told", "[testing]") {
    App app;
    app.put("a");
    app.only(Fault::crash_after_commit);
    std::size_t written = 0;
    app.storage->on_commit = [&](const auto& batch) { written += batch.write.size(); };
    CHECK_THROWS_AS(app.put("b"), StorageError);

    CHECK(app.on_disk() == 2);
    CHECK(app.store.count() == 1);
    CHECK(written == 1);  // it went through
    CHECK(app.storage->is_dead());
    CHECK(app.storage->is_last_commit_durable());
}

TEST_CASE("a dead process commits nothing more, until it starts again on the disk", "[testing]") {
    const auto fault = GENERATE(Fault::crash_before_commit, Fault::crash_after_commit);
    App app;
    app.only(fault);
    CHECK_THROWS_AS(app.put("a"), StorageError);
    app.faults.stop();
    CHECK_THAT(message_of<StorageError>([&] { app.put("b"); }), contains("the process is dead"));
    CHECK(app.storage->is_last_commit_durable() == (fault == Fault::crash_after_commit));

    LocalStore<Json> reborn{std::make_shared<FaultyStorage<Json>>(app.disk, app.faults)};
    CHECK(reborn.get("a").has_value() == (fault == Fault::crash_after_commit));
    reborn.put({.id = "b", .data = 1});
    CHECK(reborn.get("b"));
}

}  // namespace test_of_faulty_storage
