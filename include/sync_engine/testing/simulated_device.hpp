// SPDX-License-Identifier: MIT
#pragma once

#include <sync_engine/conflict/conflict_resolver.hpp>
#include <sync_engine/record/error.hpp>
#include <sync_engine/record/sync_record.hpp>
#include <sync_engine/remote/remote.hpp>
#include <sync_engine/retry/retry_queue.hpp>
#include <sync_engine/store/local_store.hpp>
#include <sync_engine/store/sequence.hpp>
#include <sync_engine/store/storage.hpp>
#include <sync_engine/store/store_options.hpp>
#include <sync_engine/store/subscription.hpp>
#include <sync_engine/sync/engine_options.hpp>
#include <sync_engine/sync/sync_engine.hpp>
#include <sync_engine/sync/sync_options.hpp>
#include <sync_engine/testing/fault.hpp>
#include <sync_engine/testing/faulty_remote.hpp>
#include <sync_engine/testing/faulty_storage.hpp>
#include <sync_engine/testing/manual_clock.hpp>
#include <sync_engine/testing/random.hpp>
#include <sync_engine/testing/simulated_disk.hpp>
#include <sync_engine/testing/stepped_sync.hpp>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace sync_engine::testing {

/// What a store shows of itself: equal before and after a crash.
template <class Data>
struct StoreView {
    std::vector<SyncRecord<Data>> records{};  ///< by id
    std::vector<SyncRecord<Data>> pending{};  ///< oldest edit first
    std::size_t conflicts = 0;
    std::size_t parked = 0;
    std::size_t retrying = 0;
    std::size_t dead_letters = 0;
    Sequence sequence = 0;
    nlohmann::json cursor{};

    [[nodiscard]] static StoreView of(const LocalStore<Data>& store) {
        StoreView view{.records = store.all(),
                       .pending = store.pending(),
                       .conflicts = store.conflicts().size(),
                       .parked = store.read_parked().size()};
        std::sort(view.records.begin(), view.records.end(),
                  [](const auto& a, const auto& b) { return a.id < b.id; });
        for (const auto& entry : store.read_retrying()) {
            ++view.retrying;
            if (entry->is_dead_letter()) ++view.dead_letters;
        }
        const StoreState state = store.state();
        view.sequence = state.sequence;
        view.cursor = state.cursor;
        return view;
    }

    bool operator==(const StoreView&) const = default;
};

/// One device of a simulation: a disk that survives, and an app with a store and an engine that do
/// not. Its syncs are stepped, or run inline by the real engine.
template <class Data>
class SimulatedDevice {
public:
    struct Setup {
        std::string name{};
        bool runs_engine = false;  ///< false: its syncs are stepped
        ConflictResolver<Data> resolver{};
        RetryOptions retry{};
        EngineOptions engine{};
    };

    SimulatedDevice(Setup device_setup, std::shared_ptr<SimulatedDisk<Data>> empty_disk,
                    Remote<Data> backend, Faults& faults, SeededRandom random)
        : setup(std::move(device_setup)),
          disk(std::move(empty_disk)),
          remote(std::move(backend), faults),
          faults_(faults),
          random_(random) {}

    SimulatedDevice(const SimulatedDevice&) = delete;
    SimulatedDevice& operator=(const SimulatedDevice&) = delete;

    /// The process starts: what is on the disk is what there is.
    void start() {
        storage = std::make_shared<FaultyStorage<Data>>(disk->open(), faults_);
        store = std::make_unique<LocalStore<Data>>(
            storage, StoreOptions{.clock = clock.clock(), .random = random_.source()});
        engine = std::make_unique<SyncEngine<Data>>(
            *store, setup.resolver, RetryQueue<Data>{setup.retry, clock.clock(), random_.source()},
            setup.engine);
    }

    /// The process dies: only the disk is left, and replies that are still on their way.
    void stop() {
        disk->cut_power();
        if (sync && sync->is_waiting()) late.push_back(sync->abandon());
        sync.reset();
        engine.reset();
        store.reset();
        storage.reset();
    }

    [[nodiscard]] bool is_syncing() const noexcept { return sync != nullptr; }

    Setup setup;
    ManualClock clock;
    std::shared_ptr<SimulatedDisk<Data>> disk;
    std::shared_ptr<SimulatedDisk<Data>> backup{};
    FaultyRemote<Data> remote;

    // While it is on.
    std::shared_ptr<FaultyStorage<Data>> storage{};
    std::unique_ptr<LocalStore<Data>> store{};
    std::unique_ptr<SyncEngine<Data>> engine{};
    std::unique_ptr<SteppedSync<Data>> sync{};
    std::vector<typename SteppedSync<Data>::LateReply> late{};
    Subscription subscription{};

private:
    Faults& faults_;
    SeededRandom random_;
};

}  // namespace sync_engine::testing
