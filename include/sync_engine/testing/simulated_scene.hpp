// SPDX-License-Identifier: MIT
#pragma once

#include <sync_engine/conflict/conflict_resolver.hpp>
#include <sync_engine/record/sync_record.hpp>
#include <sync_engine/record/timestamp.hpp>
#include <sync_engine/remote/stop_token.hpp>
#include <sync_engine/store/local_store.hpp>
#include <sync_engine/store/stamp.hpp>
#include <sync_engine/sync/sync_result.hpp>
#include <sync_engine/testing/choices.hpp>
#include <sync_engine/testing/chronicle.hpp>
#include <sync_engine/testing/cursor_watch.hpp>
#include <sync_engine/testing/fault.hpp>
#include <sync_engine/testing/invariant.hpp>
#include <sync_engine/testing/push_watch.hpp>
#include <sync_engine/testing/revision_watch.hpp>
#include <sync_engine/testing/simulated_backend.hpp>
#include <sync_engine/testing/simulated_device.hpp>
#include <sync_engine/testing/simulation_options.hpp>
#include <sync_engine/testing/token_ledger.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace sync_engine::testing {

/// A device, and what is known of it from outside.
template <class Data>
struct Peer {
    std::size_t index = 0;
    std::unique_ptr<SimulatedDevice<Data>> device{};
    PushWatch<Data> pushes;
    CursorWatch<Data> cursors;
    RevisionWatch<Data> revisions{};
    bool was_put_back = false;                ///< to a backup
    std::map<std::string, Stamp> waiting{};   ///< remote states that wait for a decision
    std::set<std::string> uncommitted{};      ///< records that were decided to be deleted
    std::optional<Timestamp> completed_at{};  ///< the last sync, as it is on the disk

    // Of the sync that runs.
    bool runs_engine_now = false;
    bool call_failed = false;  ///< so that the sync cannot complete
    int calls = 0;             ///< of the remote
    int ends = 0;              ///< of `on_after_sync`
    std::uint64_t epoch = 0;   ///< of the store, when the sync began
    StopSource stop{};

    SyncResult last{};  ///< of the last sync

    [[nodiscard]] LocalStore<Data>& store() { return *device->store; }
    [[nodiscard]] const std::string& name() const { return device->setup.name; }
};

/// What everybody in a simulated world shares.
template <class Data>
struct Scene {
    Scene(const SimulationOptions<Data>& simulation, Choices& made, std::vector<std::string>* story)
        : options(simulation), choices(made), chronicle(story) {}

    Scene(const Scene&) = delete;
    Scene& operator=(const Scene&) = delete;

    const SimulationOptions<Data>& options;
    Choices& choices;
    Chronicle chronicle;
    Verdicts verdicts{};
    Faults faults{choices};
    TokenLedger<Data> ledger{options.workload, verdicts};
    SimulatedBackend<Data> backend{};
    ConflictResolver<Data> resolver{};
    bool unites = false;        ///< the resolver merges: it lets go of nothing
    std::uint32_t records = 1;  ///< ids that are edited
    bool puts_anew = false;     ///< the app also puts records made anew over those it knows
    bool takes_turns = false;   ///< mostly the device that did something does the next thing too
    std::size_t acting = 0;     ///< that one, by its index
    std::vector<std::unique_ptr<Peer<Data>>> peers{};
    bool is_healing = false;  ///< the faults are over
    std::size_t actions = 0;
    std::size_t syncs = 0;

    /// Something happens while a callback or hook of this device runs. No lock may be held.
    std::function<void(Peer<Data>&)> meanwhile{};

    [[nodiscard]] Peer<Data>& somebody() {
        if (!takes_turns || choices.below(4) == 0) {
            acting = choices.below(static_cast<std::uint32_t>(peers.size()));
        }
        return *peers[acting];
    }

    [[nodiscard]] std::string some_id() { return "n" + std::to_string(1 + choices.below(records)); }

    void pass_time(Timestamp::duration time) {
        for (auto& peer : peers) peer->device->clock.advance(time);
    }

    [[nodiscard]] bool is_over() const { return verdicts.first().has_value(); }

    void broken(Invariant invariant, const Peer<Data>& peer, const std::string& what) {
        verdicts.broken(invariant, peer.name() + " " + what);
    }
};

/// Tells the ledger what a decision for `winner` lets go, and what it keeps alive.
template <class Data>
void account_for(Scene<Data>& scene, Peer<Data>& peer, const SyncRecord<Data>& local,
                 const SyncRecord<Data>& remote, const SyncRecord<Data>& winner) {
    scene.ledger.decided(local, winner);
    scene.ledger.decided(remote, winner);
    if (winner.is_deleted()) {
        scene.ledger.deleted(peer.index, local);
        scene.ledger.deleted(peer.index, remote);
        peer.uncommitted.insert(local.id);
    } else {
        scene.ledger.revived(winner);
        if (local.is_deleted() || remote.is_deleted()) scene.ledger.kept(winner);
    }
}

/// The result of a sync in words.
[[nodiscard]] inline std::string told(const SyncResult& result) {
    std::string text = ": " + std::string{to_string(result.outcome)};
    for (const auto& error : result.errors) {
        text += "; " + (error.record_id.empty() ? "" : error.record_id + " ") + error.message;
    }
    return text;
}

}  // namespace sync_engine::testing
