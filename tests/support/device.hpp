// SPDX-License-Identifier: MIT
#pragma once

#include <sync_engine/conflict/conflict_resolver.hpp>
#include <sync_engine/remote/remote.hpp>
#include <sync_engine/store/local_store.hpp>
#include <sync_engine/sync/sync_engine.hpp>
#include <sync_engine/testing/manual_clock.hpp>
#include <sync_engine/testing/memory_storage.hpp>

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

namespace test {

using sync_engine::ConflictResolver;
using sync_engine::ConflictStrategy;
using sync_engine::LocalStore;
using sync_engine::Remote;
using sync_engine::SyncEngine;
using sync_engine::SyncOptions;
using sync_engine::SyncRecord;
using sync_engine::SyncResult;
using Json = nlohmann::json;

/// Random numbers that are the same on every run and differ from device to device.
inline sync_engine::Random counting_random(std::uint64_t seed) {
    auto state = std::make_shared<std::uint64_t>(seed * 0x9E3779B97F4A7C15U);
    return [state] { return *state += 0x9E3779B97F4A7C15U; };
}

/// An app on a device: a disk, a store on it, an engine that runs inline, and a clock that stands.
class Device {
public:
    using Resolver = ConflictResolver<Json>;

    explicit Device(std::uint64_t seed = 1, Resolver resolver = Resolver{},
                    sync_engine::testing::ManualClock time = sync_engine::testing::ManualClock{},
                    sync_engine::RetryOptions retry = {})
        : clock(std::move(time)), seed_(seed), resolver_(std::move(resolver)), retry_(retry) {
        restart();
    }

    /// The process dies and starts again: what is on the disk is what there is.
    void restart() {
        engine.reset();
        store.reset();
        store = std::make_unique<LocalStore<Json>>(
            disk,
            sync_engine::StoreOptions{.clock = clock.clock(), .random = counting_random(++seed_)});
        engine = std::make_unique<SyncEngine<Json>>(
            *store, resolver_, sync_engine::RetryQueue<Json>{retry_},
            sync_engine::EngineOptions{.executor = sync_engine::inline_executor(),
                                       .poll_interval = std::chrono::milliseconds{0}});
    }

    /// Puts the data as an app does that knows nothing of versions: stamped by the store.
    void edit(const std::string& id, Json data) {
        auto record =
            store->get(id).value_or(SyncRecord<Json>{.id = id, .updated_at = clock.now()});
        record.data = std::move(data);
        store->put(std::move(record));
    }

    SyncResult sync(const Remote<Json>& remote, SyncOptions options = {}) {
        return engine->sync(remote, std::move(options)).get();
    }

    /// The data of a record; null if the store does not have it.
    Json data(const std::string& id) const {
        const auto record = store->find(id);
        return record ? record->data : Json();
    }

    sync_engine::testing::ManualClock clock;
    std::shared_ptr<sync_engine::testing::MemoryStorage<Json>> disk =
        std::make_shared<sync_engine::testing::MemoryStorage<Json>>();
    std::unique_ptr<LocalStore<Json>> store;
    std::unique_ptr<SyncEngine<Json>> engine;

private:
    std::uint64_t seed_;
    Resolver resolver_;
    sync_engine::RetryOptions retry_;
};

}  // namespace test
