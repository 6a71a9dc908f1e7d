// SPDX-License-Identifier: MIT
#pragma once

#include <sync_engine/conflict/conflict_resolver.hpp>
#include <sync_engine/record/sync_record.hpp>
#include <sync_engine/store/local_store.hpp>
#include <sync_engine/store/store_options.hpp>
#include <sync_engine/sync/engine_options.hpp>
#include <sync_engine/sync/sync_engine.hpp>
#include <sync_engine/sync/sync_result.hpp>
#include <sync_engine/testing/choices.hpp>
#include <sync_engine/testing/cursor_watch.hpp>
#include <sync_engine/testing/fault.hpp>
#include <sync_engine/testing/invariant.hpp>
#include <sync_engine/testing/push_watch.hpp>
#include <sync_engine/testing/random.hpp>
#include <sync_engine/testing/simulated_app.hpp>
#include <sync_engine/testing/simulated_device.hpp>
#include <sync_engine/testing/simulated_machines.hpp>
#include <sync_engine/testing/simulated_plan.hpp>
#include <sync_engine/testing/simulated_scene.hpp>
#include <sync_engine/testing/simulated_syncs.hpp>
#include <sync_engine/testing/simulation_options.hpp>
#include <sync_engine/testing/sync_watch.hpp>
#include <sync_engine/testing/workload.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace sync_engine::testing {

/// A few devices, one remote, and everything that goes wrong between them, in one thread and in
/// virtual time. What happens next is always the next choice.
///
/// First comes a phase with faults, step by step; then they stop, and everything has to become
/// clean and equal. The invariants are looked at all the time.
template <class Data>
class SimulatedWorld {
public:
    /// `story`: told what happens, a line each; may be null. All have to outlive the world.
    SimulatedWorld(const SimulationOptions<Data>& options, Choices& choices,
                   std::vector<std::string>* story)
        : scene_(options, choices, story) {
        scene_.backend = options.backend(choices);
        if (!scene_.backend.connect) {
            throw std::invalid_argument("the backend of this run has no `connect`");
        }
        scene_.resolver = pick_resolver(choices, options);
        scene_.unites = scene_.resolver.strategy() == ConflictStrategy::merge;
        scene_.faults.set_rates(pick_rates(choices, options, scene_.backend));
        if (scene_.faults.rates().of(Fault::resolver_throws) > 0) make_resolver_throw();
        scene_.meanwhile = [this](Peer<Data>& peer) { meanwhile(peer); };
        machines_.on_start = [this](Peer<Data>& peer) { watch_.watch_engine(peer); };
        // Few records have longer histories each, more of them make larger batches.
        scene_.records = 1 + choices.below(std::max(options.records, 1U));
        scene_.puts_anew = choices.below(4) == 3;
        scene_.takes_turns = choices.below(2) == 1;
        const std::size_t devices = 2 + choices.below(std::max(options.devices, 2U) - 1);
        for (std::size_t index = 0; index < devices; ++index) add_device(index);
    }

    SimulatedWorld(const SimulatedWorld&) = delete;
    SimulatedWorld& operator=(const SimulatedWorld&) = delete;

    /// Runs to the end, or to the first violation.
    void run() {
        for (std::size_t step = 0; step < scene_.options.steps && !scene_.is_over(); ++step) {
            if (scene_.choices.is_exhausted()) break;
            scene_.choices.begin_group();
            take_step();
        }
        heal();
        if (!scene_.is_over()) check_rest();
    }

    [[nodiscard]] SimulationReport report() const {
        return {.violation = scene_.verdicts.first(),
                .hash = scene_.chronicle.hash(),
                .edits = scene_.ledger.count_stored(),
                .actions = scene_.actions,
                .syncs = scene_.syncs,
                .faults = scene_.faults.counts(),
                .choices = scene_.choices.recorded(),
                .groups = scene_.choices.groups()};
    }

private:
    using Record = SyncRecord<Data>;

    /// The same resolver as a function of the app, which fails now and then.
    void make_resolver_throw() {
        const ConflictResolver<Data> inner = scene_.resolver;
        if (inner.strategy() == ConflictStrategy::manual) return;
        scene_.resolver = ConflictResolver<Data>{
            [this, inner](const Record* base, const Record& local, const Record& remote) {
                if (scene_.faults.happens(Fault::resolver_throws)) {
                    throw std::runtime_error("the resolver failed");
                }
                return inner.resolve(base, local, remote);
            }};
    }

    void add_device(std::size_t index) {
        auto setup = pick_setup<Data>(scene_.choices, index, scene_.resolver);
        setup.engine.monotonic = [this, index] { return wait_a_while(index); };
        scene_.peers.push_back(std::make_unique<Peer<Data>>(
            Peer<Data>{.index = index,
                       .pushes = PushWatch<Data>(scene_.options.workload, scene_.verdicts),
                       .cursors = CursorWatch<Data>(scene_.verdicts)}));
        Peer<Data>& peer = *scene_.peers.back();
        peer.device = std::make_unique<SimulatedDevice<Data>>(
            std::move(setup), scene_.options.disk(), scene_.backend.connect(), scene_.faults,
            SeededRandom{index + 1});
        if (scene_.faults.happens(Fault::clock_skewed)) {
            peer.device->clock.advance(std::chrono::seconds{scene_.choices.below(241)} -
                                       std::chrono::seconds{120});
        }
        watch_.watch_remote(peer);
        machines_.start(peer);
    }

    // One step.

    void take_step() {
        switch (scene_.choices.weighted({40, 18, 12, 12, 8, 8, 4, 6, 16, 4})) {
            case 0:
                return syncs_.advance_somebody();
            case 1:
                return app_.edit(scene_.somebody());
            case 2:
                return app_.remove(scene_.somebody());
            case 3:
                return syncs_.begin_sync(scene_.somebody());
            case 4:
                return machines_.tick();
            case 5:
                return syncs_.deliver(scene_.somebody());
            case 6:
                return syncs_.time_out(scene_.somebody());
            case 7:
                return app_.decide(scene_.somebody());
            case 8:
                return syncs_.sync_undisturbed(scene_.somebody());
            default:
                return machines_.trouble(scene_.somebody());
        }
    }

    /// The engine waits for a callback: others go on, and time passes.
    std::chrono::nanoseconds wait_a_while(std::size_t index) {
        monotonic_ += std::chrono::seconds{20};
        if (!scene_.is_healing) {
            scene_.pass_time(std::chrono::seconds{20});
            scene_.meanwhile(*scene_.peers[index]);
        }
        return monotonic_;
    }

    void meanwhile(Peer<Data>& peer) {
        constexpr int deep_enough = 2;  // a sync that runs inside the callback of another one
        if (scene_.is_healing || !peer.runs_engine_now || depth_ >= deep_enough) return;
        ++depth_;
        for (auto more = scene_.choices.below(3); more > 0 && !scene_.is_over(); --more)
            take_step();
        --depth_;
    }

    // The end.

    void heal() {
        scene_.chronicle.tell([] { return std::string{"the faults stop"}; });
        scene_.faults.stop();
        scene_.is_healing = true;
        bool has_poison = false;
        for (auto& peer : scene_.peers) {
            while (peer->device->remote.delayed() > 0) peer->device->remote.deliver(0);
            peer->device->remote.forgive();
            peer->device->late.clear();
            has_poison = has_poison || !peer->device->remote.poisonous().empty();
        }
        if (has_poison) {
            settle(true);
            for (auto& peer : scene_.peers) peer->device->remote.poisonous().clear();
        }
        settle(false);
    }

    /// Syncs in rounds until nothing happens any more; with poison about, what is not poisonous.
    void settle(bool with_poison) {
        // A listing without a record marks it first, and deletes it the next time.
        const int enough = scene_.backend.deletes_by_absence ? 2 : 1;
        int quiet_rounds = 0;
        for (std::size_t round = 0; round < scene_.options.rounds && !scene_.is_over(); ++round) {
            scene_.pass_time(std::chrono::hours{2});
            bool is_quiet = true;
            for (auto& peer : scene_.peers) {
                is_quiet = is_quiet && !peer->device->is_syncing();
                tidy(*peer);
                syncs_.sync_fully(*peer);
                is_quiet =
                    is_quiet && peer->last.total() == 0 && waiting(*peer, with_poison).empty();
            }
            quiet_rounds = is_quiet ? quiet_rounds + 1 : 0;
            if (quiet_rounds == enough) return;
        }
        for (auto& peer : scene_.peers) {
            const std::string left = waiting(*peer, with_poison);
            scene_.broken(Invariant::clean_in_time, *peer,
                          "is not at rest after " + std::to_string(scene_.options.rounds) +
                              " rounds" + (left.empty() ? "" : ": " + left) +
                              (with_poison ? " (poison about)" : "") + told(peer->last));
        }
    }

    /// The user looks after what waits for one.
    void tidy(Peer<Data>& peer) {
        for (const auto& conflict : peer.store().conflicts()) app_.resolve(peer, conflict);
        auto& queue = peer.device->engine->retry_queue();
        for (const auto& letter : queue.dead_letters()) {
            if (!peer.device->remote.poisonous().contains(letter.record.id)) {
                peer.pushes.revive(letter.record.id);
                (void)queue.revive(letter.record.id);
            }
        }
    }

    /// The records that are not clean, poisonous ones left out.
    std::string waiting(Peer<Data>& peer, bool with_poison) {
        std::string ids;
        const auto add = [&](const std::string& id) {
            if (!with_poison || !peer.device->remote.poisonous().contains(id)) ids += " " + id;
        };
        for (const auto& record : peer.store().pending()) add(record.id);
        for (const auto& conflict : peer.store().conflicts()) add(conflict.id);
        for (const auto& entry : peer.store().read_parked()) add(entry->local->id);
        return ids;
    }

    void check_rest() {
        const auto held =
            sorted(scene_.backend.records ? scene_.backend.records() : pull_everything());
        for (auto& peer : scene_.peers) compare(*peer, held, sorted(peer->store().all()));
        scene_.ledger.at_rest(held);
        for (const auto& record : held) {
            scene_.chronicle.mix(
                11, record.version,
                static_cast<std::uint64_t>(record.updated_at.time_since_epoch().count()));
            for (const Token token : scene_.ledger.tokens(record)) scene_.chronicle.mix(12, token);
        }
    }

    void compare(Peer<Data>& peer, const std::vector<Record>& held,
                 const std::vector<Record>& here) {
        for (const auto& record : held) {
            const auto own = std::find_if(here.begin(), here.end(),
                                          [&](const auto& each) { return each.id == record.id; });
            if (own == here.end()) {
                scene_.broken(Invariant::all_equal, peer, "does not have record " + record.id);
            } else if (!same_content(*own, record)) {
                scene_.broken(Invariant::all_equal, peer, "has another record " + record.id);
            }
        }
        if (here.size() > held.size()) {
            scene_.broken(Invariant::all_equal, peer, "has records that the remote does not have");
        }
    }

    std::vector<Record> pull_everything() {
        LocalStore<Data> store{StoreOptions{.random = SeededRandom{0}.source()}};
        SyncEngine<Data> engine{store, scene_.resolver, {}, {.executor = inline_executor()}};
        (void)engine.sync(scene_.backend.connect()).get();
        return store.all();
    }

    static std::vector<Record> sorted(std::vector<Record> records) {
        std::sort(records.begin(), records.end(),
                  [](const auto& a, const auto& b) { return a.id < b.id; });
        return records;
    }

    Scene<Data> scene_;
    SimulatedMachines<Data> machines_{scene_};
    SimulatedApp<Data> app_{scene_, machines_};
    SyncWatch<Data> watch_{scene_};
    SimulatedSyncs<Data> syncs_{scene_, machines_, watch_};
    std::chrono::nanoseconds monotonic_{0};
    int depth_ = 0;
};

}  // namespace sync_engine::testing
