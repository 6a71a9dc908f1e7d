// SPDX-License-Identifier: MIT
#pragma once

#include <sync_engine/record/error.hpp>
#include <sync_engine/record/sync_record.hpp>
#include <sync_engine/store/local_store.hpp>
#include <sync_engine/store/storage.hpp>
#include <sync_engine/store/subscription.hpp>
#include <sync_engine/testing/fault.hpp>
#include <sync_engine/testing/invariant.hpp>
#include <sync_engine/testing/simulated_device.hpp>
#include <sync_engine/testing/simulated_scene.hpp>

#include <array>
#include <chrono>
#include <functional>
#include <string>

namespace sync_engine::testing {

/// The machines that the apps run on: they start, crash, lose their time, and are put back to
/// backups.
template <class Data>
class SimulatedMachines {
    using Record = SyncRecord<Data>;
    using Device = SimulatedDevice<Data>;

public:
    explicit SimulatedMachines(Scene<Data>& scene) : scene_(scene) {}

    /// Called when a process has started.
    std::function<void(Peer<Data>&)> on_start{};

    void start(Peer<Data>& peer) {
        Device& device = *peer.device;
        device.start();
        device.storage->on_commit = [this, &peer](const auto& batch) { look_at(peer, batch); };
        const auto image = device.storage->load();
        peer.cursors.start(image);
        peer.revisions.start(image);
        peer.completed_at = image.state.metadata.last_sync_at;
        peer.waiting.clear();
        // What was decided and not committed is not known any more, and may be decided otherwise.
        if (!peer.uncommitted.empty()) scene_.ledger.forget_burials(peer.index);
        peer.uncommitted.clear();
        device.subscription =
            device.store->subscribe([this, &peer](const StoreChange<Data>& change) {
                scene_.chronicle.mix(200 + peer.index);
                if (change.origin == ChangeOrigin::remote) scene_.ledger.synced(peer.index, change);
            });
        if (on_start) on_start(peer);
    }

    void crash(Peer<Data>& peer) {
        Device& device = *peer.device;
        scene_.chronicle.tell([&] { return peer.name() + " crashes"; });
        scene_.chronicle.mix(300 + peer.index);
        const bool is_comparable =
            !device.storage->is_dead() || !device.storage->is_last_commit_durable();
        const auto before = StoreView<Data>::of(peer.store());
        device.stop();
        start(peer);
        if (is_comparable && !(StoreView<Data>::of(peer.store()) == before)) {
            scene_.broken(Invariant::crash_on_boundary, peer, "opens with another state");
        }
    }

    void crash_if_dead(Peer<Data>& peer) {
        if (peer.device->storage->is_dead() && !peer.runs_engine_now) crash(peer);
    }

    void tick() {
        constexpr std::array steps{std::chrono::seconds{1}, std::chrono::seconds{40},
                                   std::chrono::seconds{900}, std::chrono::seconds{7200}};
        scene_.pass_time(steps.at(scene_.choices.below(4)));
        if (!scene_.faults.happens(Fault::clock_jumped)) return;
        constexpr std::array jumps{std::chrono::hours{1}, std::chrono::hours{-1},
                                   std::chrono::hours{48}, std::chrono::hours{-48}};
        Peer<Data>& peer = scene_.somebody();
        scene_.chronicle.tell([&] { return "the clock of " + peer.name() + " jumps"; });
        peer.device->clock.advance(jumps.at(scene_.choices.below(4)));
        peer.pushes.clock_moved();
    }

    void trouble(Peer<Data>& peer) {
        Device& device = *peer.device;
        if (device.storage->is_dead()) return;
        if (scene_.faults.happens(Fault::store_cleared)) return clear(peer);
        if (peer.runs_engine_now) return;
        if (scene_.faults.happens(Fault::crash)) return crash(peer);
        if (device.backup && scene_.faults.happens(Fault::backup_restored)) return restore(peer);
        device.backup = device.disk->copy();
    }

private:
    /// What a commit may not do, whoever asked for it.
    void look_at(Peer<Data>& peer, const StorageBatch<Data>& batch) {
        const auto& completed_at = batch.state->metadata.last_sync_at;
        if (completed_at != peer.completed_at && batch.state->epoch != peer.epoch) {
            scene_.broken(Invariant::result_is_true, peer,
                          "completed a sync of a store that was cleared meanwhile");
        }
        peer.completed_at = completed_at;
        peer.cursors.committed(batch);
        peer.revisions.committed(batch);
        for (const auto* entry : batch.write) peer.uncommitted.erase(entry->local->id);
        for (const auto id : batch.erase) peer.uncommitted.erase(std::string{id});
    }

    void clear(Peer<Data>& peer) {
        scene_.chronicle.tell([&] { return peer.name() + " clears its store"; });
        scene_.chronicle.mix(9, peer.index);
        forget(peer);
        peer.waiting.clear();
        peer.pushes.forget();
        try {
            peer.store().clear();
        } catch (const StorageError&) {
            crash_if_dead(peer);
        }
    }

    void restore(Peer<Data>& peer) {
        scene_.chronicle.tell([&] { return peer.name() + " is put back to its backup"; });
        scene_.chronicle.mix(10, peer.index);
        forget(peer);
        peer.was_put_back = true;
        peer.pushes.forget();
        peer.revisions.forget();
        peer.device->stop();
        peer.device->disk = peer.device->backup->copy();
        start(peer);
        // What was unsent then is sent again, whatever became of it since.
        for (const auto& record : peer.store().pending()) keep(record);
        for (const auto& conflict : peer.store().conflicts()) keep(conflict.local);
    }

    void keep(const Record& record) {
        scene_.ledger.revived(record);
        scene_.ledger.kept(record);
    }

    void forget(Peer<Data>& peer) {
        peer.store().for_each([&](const Record& record) { scene_.ledger.forgotten(record); });
        scene_.ledger.forget_burials(peer.index);
    }

    Scene<Data>& scene_;
};

}  // namespace sync_engine::testing
