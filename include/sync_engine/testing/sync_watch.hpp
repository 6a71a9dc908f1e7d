// SPDX-License-Identifier: MIT
#pragma once

#include <sync_engine/record/sync_record.hpp>
#include <sync_engine/record/timestamp.hpp>
#include <sync_engine/remote/change.hpp>
#include <sync_engine/remote/page.hpp>
#include <sync_engine/remote/verdict.hpp>
#include <sync_engine/store/stamp.hpp>
#include <sync_engine/sync/action.hpp>
#include <sync_engine/sync/sync_result.hpp>
#include <sync_engine/testing/fault.hpp>
#include <sync_engine/testing/invariant.hpp>
#include <sync_engine/testing/simulated_scene.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace sync_engine::testing {

/// Hears every call, hook and conflict of all devices, and tells those who keep account: the
/// ledger, and the watches of each device.
template <class Data>
class SyncWatch {
    using Record = SyncRecord<Data>;

public:
    explicit SyncWatch(Scene<Data>& scene) : scene_(scene) {}

    /// Listens to what goes to and from the remote of a new device.
    void watch_remote(Peer<Data>& peer) {
        auto& watch = peer.device->remote.watch;
        watch.before_push = [this, &peer](const auto& changes) {
            ++peer.calls;
            scene_.chronicle.tell([&] { return peer.name() + " pushes " + ids_of(changes); });
            peer.pushes.pushing(peer.store(), changes, peer.device->clock.now());
            scene_.meanwhile(peer);
        };
        watch.before_pull = [this, &peer](const auto&) {
            ++peer.calls;
            scene_.chronicle.tell([&] { return peer.name() + " pulls"; });
            scene_.meanwhile(peer);
        };
        watch.pushed = [this, &peer](const auto& changes, const auto& report) {
            for (const auto& change : changes) take_note(peer, change, report);
        };
        watch.pulled = [this, &peer](const PullRequest& request, const PullPage<Data>& page) {
            for (const auto& record : page.records) {
                scene_.ledger.at_remote(record);
                note_look_alike(peer, record);
            }
            peer.cursors.pulled(request, page);
        };
        watch.fault = [this, &peer](Fault fault, const std::string& id) {
            scene_.chronicle.tell([&] {
                return "  " + std::string{to_string(fault)} + (id.empty() ? "" : ": " + id);
            });
            scene_.chronicle.mix(100 + static_cast<std::uint64_t>(fault));
            note_fault(peer, fault, id);
        };
        // What is made anew keeps the version, and an absence has no stamps: only revisions tell.
        const bool has_stamps = scene_.backend.keeps_stamps && !scene_.backend.deletes_by_absence;
        if (scene_.puts_anew || !has_stamps) {
            peer.device->remote.may_lag = [&peer](const Record& state) {
                return peer.revisions.knows(state);
            };
        }
    }

    /// Listens to the engine of a process that has started.
    void watch_engine(Peer<Data>& peer) {
        auto& engine = *peer.device->engine;
        engine.on_before_sync = [this, &peer](const auto&) { return before_sync(peer); };
        engine.on_after_sync = [this, &peer](const SyncResult&) { after_sync(peer); };
        engine.on_conflict = [this, &peer](const Record& local, const Record& remote) {
            on_conflict(peer, local, remote);
        };
    }

    /// A stepped sync has asked its resolver.
    void on_resolved(Peer<Data>& peer, const ResolveConflict<Data>& question,
                     const Resolved<Data>& resolved) {
        const Record& local = *question.local;
        for (const auto& sent : question.sent) {
            if (question.remote->is_deleted() || !same_content(*sent, *question.remote)) continue;
            scene_.broken(Invariant::conflict_is_real, peer, "asks about its own echo " + local.id);
        }
        if (!resolved.winner || resolved.winner->status == SyncStatus::conflicted) return;
        const auto entry = peer.store().read({local.id}).front();
        const bool counts = entry && entry->local == question.local;  // else it is asked again
        if (!counts) return;
        if (scene_.unites && !local.is_deleted() && !question.remote->is_deleted()) {
            scene_.ledger.merged(local, *resolved.winner);
            scene_.ledger.merged(*question.remote, *resolved.winner);
            scene_.ledger.revived(*resolved.winner);
            return;
        }
        account_for(scene_, peer, local, *question.remote, *resolved.winner);
    }

    /// After a sync: resolvers were asked about conflicts alone, and what waits is no older.
    void check_conflicts(Peer<Data>& peer) {
        if (!scene_.options.resolver && scene_.resolver.resolved_count() > questions_) {
            scene_.broken(Invariant::conflict_is_real, peer,
                          "asked its resolver about no conflict");
        }
        check_waiting(peer);
    }

    /// A hook of the app, which fails now and then.
    void throw_in_hook() {
        if (scene_.faults.happens(Fault::hook_throws)) throw std::runtime_error("the hook failed");
    }

private:
    // What is seen on the way.

    void take_note(Peer<Data>& peer, const Change<Data>& change, const PushReport<Data>& report) {
        const auto& id = change.record.id;
        const auto verdict = std::find_if(report.begin(), report.end(),
                                          [&](const auto& each) { return each.id == id; });
        if (verdict == report.end()) return peer.pushes.blame(id, false);
        if (verdict->kind == VerdictKind::accepted) scene_.ledger.at_remote(change.record);
        if (verdict->kind == VerdictKind::rejected) peer.pushes.blame(id, true);
    }

    /// Two states of a remote that nobody can tell from what the store has seen, while it has an
    /// edit on its way: a deletion without a time, after one that we sent ourselves; and base's
    /// content with another revision, which somebody may have deleted and made again in between.
    /// The edit stays.
    void note_look_alike(Peer<Data>& peer, const Record& remote) {
        const auto entry = peer.store().read({remote.id}).front();
        if (!entry || !entry->is_visible() || entry->sent().empty()) return;
        const bool sent_deletion =
            std::any_of(entry->sent().begin(), entry->sent().end(),
                        [](const auto& sent) { return sent.record->is_deleted(); });
        const bool untimed = remote.is_deleted() && remote.updated_at == Timestamp{};
        const bool made_again = !remote.is_deleted() && entry->base &&
                                entry->base->revision != remote.revision &&
                                same_content(*entry->base, remote);
        if ((untimed && sent_deletion) || made_again) scene_.ledger.kept(*entry->local);
    }

    void note_fault(Peer<Data>& peer, Fault fault, const std::string& id) {
        switch (fault) {
            case Fault::change_refused:
                return peer.pushes.blame(id, true);
            case Fault::change_unanswered:
            case Fault::verdict_lost:
            case Fault::false_conflict:
                return peer.pushes.blame(id, false);
            case Fault::rate_limited:
                peer.pushes.asked_to_wait();
                [[fallthrough]];
            case Fault::unreachable:
            case Fault::login_expired:  // in a push too, these end the sync
                peer.call_failed = true;
                return;
            default:
                return;
        }
    }

    // What is seen of conflicts.

    /// A resolver is about to be asked. What the real engine's one answers is not seen from here.
    void on_conflict(Peer<Data>& peer, const Record& local, const Record& remote) {
        ++questions_;
        scene_.chronicle.tell([&] { return peer.name() + " has a conflict on " + local.id; });
        if (same_content(local, remote)) {
            scene_.broken(Invariant::conflict_is_real, peer,
                          "asks about equal states of " + local.id);
        }
        if (peer.runs_engine_now) {
            if (!scene_.unites) {
                // A strategy takes one of the two; a function of the app may keep neither.
                const bool app_decides = scene_.options.resolver.has_value();
                scene_.ledger.decided(local, app_decides ? Record{} : remote);
                scene_.ledger.decided(remote, app_decides ? Record{} : local);
            }
            for (const Record* side : {&local, &remote}) {
                scene_.ledger.revived(*side);
                if (local.is_deleted() || remote.is_deleted()) scene_.ledger.kept(*side);
            }
            scene_.meanwhile(peer);
        }
    }

    /// A remote state that waits for a decision makes way for newer ones only.
    void check_waiting(Peer<Data>& peer) {
        std::map<std::string, Stamp> waiting;
        for (const auto& conflict : peer.store().conflicts()) {
            waiting[conflict.id] = stamp_of(conflict.theirs);
        }
        for (const auto& entry : peer.store().read_parked()) {
            waiting[entry->local->id] = stamp_of(*entry->theirs());
        }
        for (const auto& [id, stamp] : waiting) {
            const auto known = peer.waiting.find(id);
            if (known == peer.waiting.end() || stamp.updated_at == Timestamp{}) continue;
            if (stamp.version < known->second.version &&
                stamp.updated_at < known->second.updated_at) {
                scene_.broken(Invariant::conflict_is_real, peer,
                              "has an older state of " + id + " to decide about than before");
            }
        }
        peer.waiting = std::move(waiting);
    }

    // Hooks.

    bool before_sync(Peer<Data>& peer) {
        throw_in_hook();
        scene_.meanwhile(peer);
        return true;
    }

    void after_sync(Peer<Data>& peer) {
        ++peer.ends;
        throw_in_hook();
        scene_.meanwhile(peer);
    }

    static std::string ids_of(const std::vector<Change<Data>>& changes) {
        std::string ids;
        for (const auto& change : changes) {
            ids += (ids.empty() ? "" : " ") + change.record.id;
            if (change.record.is_deleted()) ids += " (deleted)";
        }
        return ids;
    }

    Scene<Data>& scene_;
    std::size_t questions_ = 0;  // that resolvers were asked
};

}  // namespace sync_engine::testing
