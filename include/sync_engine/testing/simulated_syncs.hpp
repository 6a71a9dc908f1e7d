// SPDX-License-Identifier: MIT
#pragma once

#include <sync_engine/record/error.hpp>
#include <sync_engine/record/sync_record.hpp>
#include <sync_engine/remote/change.hpp>
#include <sync_engine/remote/page.hpp>
#include <sync_engine/remote/remote.hpp>
#include <sync_engine/remote/verdict.hpp>
#include <sync_engine/store/local_store.hpp>
#include <sync_engine/sync/action.hpp>
#include <sync_engine/sync/sync_options.hpp>
#include <sync_engine/sync/sync_result.hpp>
#include <sync_engine/sync/sync_run.hpp>
#include <sync_engine/testing/fault.hpp>
#include <sync_engine/testing/invariant.hpp>
#include <sync_engine/testing/simulated_device.hpp>
#include <sync_engine/testing/simulated_machines.hpp>
#include <sync_engine/testing/simulated_plan.hpp>
#include <sync_engine/testing/simulated_scene.hpp>
#include <sync_engine/testing/stepped_sync.hpp>
#include <sync_engine/testing/sync_watch.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace sync_engine::testing {

/// The syncs of all devices: begun, stepped or run by the engine, timed out, and looked at when
/// they end.
template <class Data>
class SimulatedSyncs {
    using Device = SimulatedDevice<Data>;
    using Record = SyncRecord<Data>;

public:
    SimulatedSyncs(Scene<Data>& scene, SimulatedMachines<Data>& machines, SyncWatch<Data>& watch)
        : scene_(scene), machines_(machines), watch_(watch) {}

    /// Begins one as the choices say, unless one runs.
    void begin_sync(Peer<Data>& peer) {
        if (peer.device->is_syncing() || peer.runs_engine_now) return sync_again(peer);
        if (!peer.store().state().remote_name.empty() && scene_.choices.below(16) == 15) {
            return sync_with_stranger(peer);
        }
        auto options = pick_options(scene_.choices);
        if (scene_.faults.rates().of(Fault::hook_throws) > 0) {
            options.on_progress = [this](std::size_t, std::size_t) { watch_.throw_in_hook(); };
        }
        std::function<bool(const Record&)> predicate;
        if (scene_.choices.below(8) == 7) {
            predicate = [](const Record& record) { return record.id.back() % 2 == 0; };
        }
        begin_sync(peer, std::move(options), std::move(predicate));
    }

    /// The same, and nothing comes between: so what takes many syncs happens within a run.
    void sync_undisturbed(Peer<Data>& peer) {
        begin_sync(peer);
        finish_sync(peer);
    }

    void begin_sync(Peer<Data>& peer, SyncOptions options,
                    std::function<bool(const Record&)> predicate) {
        scene_.chronicle.tell([&] { return peer.name() + " begins a sync"; });
        scene_.chronicle.mix(5, peer.index);
        peer.stop = StopSource{};
        options.stop = peer.stop.token();
        peer.call_failed = false;
        peer.calls = 0;
        peer.ends = 0;
        peer.epoch = peer.store().state().epoch;
        Device& device = *peer.device;
        peer.pushes.begin(peer.store(), options, predicate, peer.device->clock.now());
        if (device.setup.runs_engine) {
            return run_engine(peer, std::move(options), std::move(predicate));
        }
        sync_engine::detail::SyncJob<Data> job{
            .remote = device.remote.remote(),
            .options = std::move(options),
            .hooks = {device.engine->on_before_sync, device.engine->on_after_sync,
                      device.engine->on_conflict},
            .predicate = std::move(predicate),
            .stop = peer.stop.token()};
        device.sync = std::make_unique<SteppedSync<Data>>(*device.store, device.setup.resolver,
                                                          device.setup.retry, device.setup.engine,
                                                          std::move(job));
        device.sync->on_resolved = [this, &peer](const auto& question, const auto& resolved) {
            watch_.on_resolved(peer, question, resolved);
        };
    }

    void advance_somebody() {
        std::vector<Peer<Data>*> syncing;
        for (auto& peer : scene_.peers) {
            if (peer->device->is_syncing()) syncing.push_back(peer.get());
        }
        if (syncing.empty()) return begin_sync(scene_.somebody());
        advance(*syncing[scene_.choices.below(static_cast<std::uint32_t>(syncing.size()))]);
    }

    void deliver(Peer<Data>& peer) {
        auto& remote = peer.device->remote;
        if (remote.delayed() > 0) {
            scene_.chronicle.tell([&] { return "something delayed arrives for " + peer.name(); });
            remote.deliver(scene_.choices.below(static_cast<std::uint32_t>(remote.delayed())));
        }
        auto& late = peer.device->late;
        const auto ready = std::find_if(late.begin(), late.end(),
                                        [](const auto& each) { return each.is_ready(); });
        if (ready == late.end() || !peer.device->is_syncing()) return;
        auto reply = std::move(*ready);
        late.erase(ready);
        scene_.chronicle.tell([&] { return "a late reply reaches " + peer.name(); });
        try {
            if (!peer.device->sync->ignores(std::move(reply))) {
                scene_.broken(Invariant::late_reply_ignored, peer,
                              "took a reply that came too late");
            }
        } catch (const std::exception& error) {
            scene_.broken(Invariant::late_reply_ignored, peer, error.what());
        }
    }

    void time_out(Peer<Data>& peer) {
        Device& device = *peer.device;
        if (!device.is_syncing() || !device.sync->is_waiting()) return;
        scene_.chronicle.tell([&] { return peer.name() + " waits no longer"; });
        scene_.chronicle.mix(8, peer.index);
        device.late.push_back(device.sync->time_out());
    }

    /// Ends the sync that runs, and then runs one from beginning to end.
    void sync_fully(Peer<Data>& peer) {
        finish_sync(peer);
        begin_sync(peer, SyncOptions{}, nullptr);
        finish_sync(peer);
    }

    void finish_sync(Peer<Data>& peer) {
        Device& device = *peer.device;
        constexpr int many = 100'000;  // far more actions than a sync of a few records takes
        for (int turn = 0; device.is_syncing() && !scene_.is_over(); ++turn) {
            if (device.sync->is_waiting()) (void)device.sync->time_out();
            advance(peer);
            if (turn > many) scene_.broken(Invariant::sync_ends, peer, "is in a sync without end");
        }
    }

private:
    void run_engine(Peer<Data>& peer, SyncOptions options,
                    std::function<bool(const Record&)> predicate) {
        Device& device = *peer.device;
        peer.runs_engine_now = true;
        std::optional<SyncResult> result;
        try {
            auto future =
                predicate ? device.engine->sync_where(std::move(predicate), device.remote.remote(),
                                                      std::move(options))
                          : device.engine->sync(device.remote.remote(), std::move(options));
            if (future.wait_for(std::chrono::seconds{0}) == std::future_status::ready) {
                result = future.get();
            } else {
                scene_.broken(Invariant::sync_ends, peer, "ran a sync that is not done");
            }
        } catch (const StorageError&) {
            // The disk failed; what was committed before stands.
        } catch (const std::exception& error) {
            scene_.broken(Invariant::nothing_thrown, peer, error.what());
        }
        peer.runs_engine_now = false;
        ++scene_.actions;
        end_sync(peer, result);
        machines_.crash_if_dead(peer);
    }

    /// Goes on to the end of the next action that others can see: a call, a commit, a resolver.
    void advance(Peer<Data>& peer) {
        Device& device = *peer.device;
        if (scene_.faults.happens(Fault::stop_requested)) peer.stop.request_stop();
        for (bool is_seen = false; !is_seen && device.is_syncing() && !scene_.is_over();) {
            const auto& action = device.sync->action();
            is_seen = std::holds_alternative<CallPull>(action) ||
                      std::holds_alternative<CallPush<Data>>(action) ||
                      std::holds_alternative<CommitStep<Data>>(action) ||
                      std::holds_alternative<ResolveConflict<Data>>(action);
            ++scene_.actions;
            scene_.chronicle.mix(6, peer.index, action.index());
            try {
                device.sync->step();
            } catch (const StorageError&) {
                device.sync.reset();
                end_sync(peer, std::nullopt);
                return machines_.crash_if_dead(peer);
            } catch (const std::exception& error) {
                device.sync.reset();
                return scene_.broken(Invariant::nothing_thrown, peer, error.what());
            }
            if (device.sync->is_waiting()) return;
            if (!device.sync->is_done()) continue;
            const SyncResult result = device.sync->result();
            device.sync.reset();
            end_sync(peer, result);
        }
    }

    void end_sync(Peer<Data>& peer, const std::optional<SyncResult>& result) {
        ++scene_.syncs;
        scene_.chronicle.tell([&] {
            return peer.name() + " ends its sync" + (result ? told(*result) : ": storage failed");
        });
        peer.pushes.check_dead_letters(peer.store(), peer.device->setup.retry.max_attempts);
        peer.store().for_each([&](const Record& record) {
            if (record.status == SyncStatus::synced) scene_.ledger.clean(record);
        });
        watch_.check_conflicts(peer);
        if (!result) return;
        peer.pushes.check_result(peer.store(), *result);
        peer.last = *result;
        scene_.chronicle.mix(7, static_cast<std::uint64_t>(result->outcome), result->total());
        const bool is_completed = result->outcome == SyncOutcome::completed;
        if (is_completed && peer.call_failed) {
            scene_.broken(Invariant::result_is_true, peer,
                          "completed a sync whose call had failed");
        }
        if (is_completed && peer.calls > 0 && peer.store().state().health.failures > 0) {
            scene_.broken(Invariant::result_is_true, peer,
                          "completed a sync, but holds the remote for ill");
        }
        if (result->outcome == SyncOutcome::already_running) {
            scene_.broken(Invariant::sync_ends, peer, "had a sync that never ended");
        }
        const bool is_told_once = peer.ends == 1 || (peer.ends == 0 && peer.calls == 0);
        if (!is_told_once) {
            scene_.broken(Invariant::sync_ends, peer,
                          "was told of the end " + std::to_string(peer.ends) + " times");
        }
    }

    /// While a sync runs, another one is refused before it asks anything.
    void sync_again(Peer<Data>& peer) {
        auto future = peer.device->engine->sync(Remote<Data>{});
        if (future.get().outcome != SyncOutcome::already_running) {
            scene_.broken(Invariant::one_sync, peer, "began a sync while another one ran");
        }
    }

    /// Another remote's name is refused before anything is asked of it.
    void sync_with_stranger(Peer<Data>& peer) {
        const auto asked = [this, &peer] {
            scene_.broken(Invariant::one_remote, peer, "called another remote than its own");
        };
        Remote<Data> stranger{.push =
                                  [asked](PushBatch<Data>) {
                                      asked();
                                      return make_ready_future(PushReport<Data>{});
                                  },
                              .pull =
                                  [asked](PullRequest) {
                                      asked();
                                      return make_ready_future(PullPage<Data>{});
                                  },
                              .name = "elsewhere"};
        try {
            (void)peer.device->engine->sync(std::move(stranger)).get();
        } catch (const StorageError&) {
            machines_.crash_if_dead(peer);
        }
    }

    Scene<Data>& scene_;
    SimulatedMachines<Data>& machines_;
    SyncWatch<Data>& watch_;
};

}  // namespace sync_engine::testing
