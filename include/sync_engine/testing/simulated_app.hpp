// SPDX-License-Identifier: MIT
#pragma once

#include <sync_engine/record/error.hpp>
#include <sync_engine/record/sync_record.hpp>
#include <sync_engine/store/conflict.hpp>
#include <sync_engine/store/entry.hpp>
#include <sync_engine/store/local_store.hpp>
#include <sync_engine/testing/invariant.hpp>
#include <sync_engine/testing/simulated_machines.hpp>
#include <sync_engine/testing/simulated_scene.hpp>

#include <cstdint>
#include <exception>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace sync_engine::testing {

/// What the people with the devices do: edit, delete, decide, give up.
template <class Data>
class SimulatedApp {
    using Record = SyncRecord<Data>;

public:
    SimulatedApp(Scene<Data>& scene, SimulatedMachines<Data>& machines)
        : scene_(scene), machines_(machines) {}

    void edit(Peer<Data>& peer) {
        if (peer.device->storage->is_dead()) return;
        const std::string id = scene_.some_id();
        const auto token = scene_.ledger.new_edit(id);
        const auto before = peer.store().find(id);
        const auto kind = before ? scene_.choices.below(scene_.puts_anew ? 4 : 3) : 0;
        scene_.chronicle.tell(
            [&] { return peer.name() + " edits " + id + " (" + std::to_string(token) + ")"; });
        scene_.chronicle.mix(1, peer.index, token);
        const bool is_stored = act(peer, [&](LocalStore<Data>& store) {
            const auto write = [&](Data& data) { scene_.options.workload.write(data, token); };
            if (before && kind == 0) {
                store.update(id, write);
                return;
            }
            Record record{.id = id, .updated_at = peer.device->clock.now()};
            if (kind == 3) {
                record.data = before->data;  // version 1, whatever version is stored
            } else if (before) {
                record = *before;
            }
            write(record.data);
            if (kind == 2) {
                store.transact([&](auto& transaction) { transaction.put(record); });
            } else {
                store.put(std::move(record));
            }
        });
        if (is_stored) {
            scene_.ledger.stored(token);
        } else if (!peer.device->storage->is_dead() && peer.store().find(id) != before) {
            scene_.broken(Invariant::crash_on_boundary, peer,
                          "changed " + id + " in a failed commit");
        }
        machines_.crash_if_dead(peer);
    }

    void remove(Peer<Data>& peer) {
        const std::string id = scene_.some_id();
        const auto before = peer.store().find(id);
        if (before == nullptr || peer.device->storage->is_dead()) return;
        scene_.chronicle.tell([&] { return peer.name() + " removes " + id; });
        const auto entry = peer.store().read({id}).front();
        scene_.chronicle.mix(2, peer.index, id.back());
        for (const auto& conflict : peer.store().conflicts()) {
            if (conflict.id == id) scene_.ledger.deleted(peer.index, conflict.theirs);
        }
        scene_.ledger.deleted(peer.index, *before);
        act(peer, [&](LocalStore<Data>& store) { (void)store.remove(id); });
        // A backup may not know that it was sent: then nothing can remember the deletion.
        const bool knows_remote = entry->base && !entry->base->is_deleted();
        if (peer.was_put_back && !knows_remote) scene_.ledger.forget_burials(peer.index);
        machines_.crash_if_dead(peer);
    }

    /// What a user does about a record that waits for one.
    void decide(Peer<Data>& peer) {
        if (peer.device->storage->is_dead()) return;
        const bool is_done = resolve_some(peer) || revive_first(peer) || discard_some(peer);
        if (!is_done) push_some_again(peer);
        machines_.crash_if_dead(peer);
    }

    void resolve(Peer<Data>& peer, const Conflict<Data>& conflict) {
        // Nothing is chosen after the last step: on replay it would be read as a step more.
        const bool takes_theirs = !scene_.is_healing && scene_.choices.below(2) == 1;
        Record winner = takes_theirs ? conflict.theirs : conflict.local;
        scene_.chronicle.tell([&] {
            return peer.name() + " decides " + conflict.id + " for " +
                   (takes_theirs ? "theirs" : "ours");
        });
        scene_.chronicle.mix(3, peer.index, takes_theirs ? 1 : 0);
        account_for(scene_, peer, conflict.local, conflict.theirs, winner);
        if (!winner.is_deleted()) winner.status = SyncStatus::modified;
        act(peer, [&](LocalStore<Data>& store) { store.resolve(conflict, winner); });
    }

private:
    template <class Item>
    const Item& some_of(const std::vector<Item>& items) {
        return items[scene_.choices.below(static_cast<std::uint32_t>(items.size()))];
    }

    bool resolve_some(Peer<Data>& peer) {
        const auto conflicts = peer.store().conflicts();
        if (conflicts.empty()) return false;
        resolve(peer, some_of(conflicts));
        return true;
    }

    bool revive_first(Peer<Data>& peer) {
        auto& queue = peer.device->engine->retry_queue();
        const auto letters = queue.dead_letters();
        if (letters.empty() || scene_.choices.below(2) == 1) return false;
        const std::string& id = letters.front().record.id;
        scene_.chronicle.tell([&] { return peer.name() + " revives " + id; });
        peer.pushes.revive(id);
        act(peer, [&](auto&) { (void)queue.revive(id); });
        return true;
    }

    bool discard_some(Peer<Data>& peer) {
        const auto pending = peer.store().pending();
        if (pending.empty() || scene_.choices.below(4) != 3) return false;
        discard(peer, some_of(pending));
        return true;
    }

    void push_some_again(Peer<Data>& peer) {
        const std::string id = scene_.some_id();
        if (peer.store().find(id) == nullptr) return;
        scene_.chronicle.tell([&] { return peer.name() + " wants " + id + " pushed again"; });
        peer.pushes.push_anyway(id);
        act(peer, [&](LocalStore<Data>& store) { (void)store.mark_modified(id); });
    }

    void discard(Peer<Data>& peer, const Record& local) {
        scene_.chronicle.tell([&] { return peer.name() + " gives up " + local.id; });
        scene_.chronicle.mix(4, peer.index, local.id.back());
        scene_.ledger.decided(local, {});
        peer.pushes.gave_up(local.id);
        scene_.ledger.forget_burials(peer.index);  // a deletion may be what is given up
        act(peer, [&](LocalStore<Data>& store) { (void)store.discard_changes(local.id); });
    }

    /// Runs an edit of the app; false if the storage refused it.
    template <class Act>
    bool act(Peer<Data>& peer, Act&& act) {
        try {
            act(peer.store());
            return true;
        } catch (const StorageError&) {
            scene_.chronicle.tell([&] { return "  " + peer.name() + " could not store it"; });
        } catch (const std::logic_error& error) {
            scene_.broken(Invariant::no_lock_held, peer, error.what());
        } catch (const std::exception& error) {
            scene_.broken(Invariant::nothing_thrown, peer, error.what());
        }
        return false;
    }

    Scene<Data>& scene_;
    SimulatedMachines<Data>& machines_;
};

}  // namespace sync_engine::testing
