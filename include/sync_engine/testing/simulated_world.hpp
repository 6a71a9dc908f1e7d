// SPDX-License-Identifier: MIT
#pragma once

#include <sync_engine/conflict/conflict_resolver.hpp>
#include <sync_engine/record/error.hpp>
#include <sync_engine/record/sync_record.hpp>
#include <sync_engine/remote/remote.hpp>
#include <sync_engine/retry/retry_queue.hpp>
#include <sync_engine/store/local_store.hpp>
#include <sync_engine/sync/action.hpp>
#include <sync_engine/sync/engine_options.hpp>
#include <sync_engine/sync/sync_options.hpp>
#include <sync_engine/sync/sync_result.hpp>
#include <sync_engine/testing/choices.hpp>
#include <sync_engine/testing/fault.hpp>
#include <sync_engine/testing/invariant.hpp>
#include <sync_engine/testing/push_watch.hpp>
#include <sync_engine/testing/simulated_device.hpp>
#include <sync_engine/testing/simulation_options.hpp>
#include <sync_engine/testing/token_ledger.hpp>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
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
        : options_(options),
          choices_(choices),
          story_(story),
          faults_(choices),
          ledger_(options.workload, verdicts_) {
        backend_ = options_.backend(choices_);
        pick_resolver();
        pick_faults();
        const std::size_t devices = 2 + choices_.below(std::max(options_.devices, 2U) - 1);
        for (std::size_t index = 0; index < devices; ++index) add_device(index);
    }

    SimulatedWorld(const SimulatedWorld&) = delete;
    SimulatedWorld& operator=(const SimulatedWorld&) = delete;

    /// Runs to the end, or to the first violation.
    void run() {
        for (std::size_t step = 0; step < options_.steps && !is_over(); ++step) {
            if (choices_.is_exhausted()) break;
            choices_.begin_group();
            take_step();
        }
        heal();
        if (!is_over()) check_rest();
    }

    [[nodiscard]] SimulationReport report() const {
        return {.violation = verdicts_.first(),
                .hash = hash_,
                .edits = ledger_.count_stored(),
                .actions = actions_,
                .syncs = syncs_,
                .faults = faults_.counts(),
                .choices = choices_.recorded(),
                .groups = choices_.groups()};
    }

private:
    using Device = SimulatedDevice<Data>;
    using Record = SyncRecord<Data>;

    /// A page that the remote served: what has to be here once the cursor has moved behind it.
    struct Page {
        nlohmann::json from{};
        nlohmann::json to{};
        std::vector<std::string> live{};
    };

    /// A device, and what is known of it from outside.
    struct Peer {
        std::size_t index = 0;
        std::unique_ptr<Device> device{};
        PushWatch<Data> watch;
        std::deque<Page> pages{};
        std::set<std::string> on_disk{};
        nlohmann::json cursor{};
        std::optional<Timestamp> completed_at{};  ///< the last sync, as it is on the disk
        bool runs_engine_now = false;
        bool was_put_back = false;  ///< to a backup
        bool call_failed = false;   ///< for good, in the sync that runs
        int calls = 0;              ///< of the remote, in the sync that runs
        int ends = 0;               ///< of `on_after_sync`, in the sync that runs
        std::uint64_t epoch = 0;    ///< of the store, when the sync began
        StopSource stop{};
        SyncResult last{};

        [[nodiscard]] LocalStore<Data>& store() { return *device->store; }
        [[nodiscard]] const std::string& name() const { return device->setup.name; }
    };

    // Beginnings.

    void pick_resolver() {
        constexpr std::array strategies{
            ConflictStrategy::merge,      ConflictStrategy::latest_wins,
            ConflictStrategy::local_wins, ConflictStrategy::remote_wins,
            ConflictStrategy::manual,
        };
        const auto strategy = strategies.at(choices_.weighted({6, 2, 1, 1, 1}));
        const ConflictResolver<Data> resolver =
            options_.resolver.value_or(ConflictResolver<Data>{strategy});
        unites_ = resolver.strategy() == ConflictStrategy::merge;
        resolver_ = resolver;
    }

    /// Each fault is off in half of all runs, and else rare, usual or frequent.
    void pick_faults() {
        FaultRates rates;
        for (std::size_t each = 0; each < fault_count; ++each) {
            const auto fault = static_cast<Fault>(each);
            if (!choices_.happens(500)) continue;
            constexpr std::array<std::uint32_t, 3> factors{1, 3, 8};
            rates.set(fault, base_rate(fault) * factors.at(choices_.below(3)));
        }
        for (const Fault fault : options_.without) rates.set(fault, 0);
        if (!backend_.tells_stale_reads) {
            rates.set(Fault::page_stale, 0).set(Fault::row_stale, 0);
        }
        if (rates.of(Fault::page_stale) + rates.of(Fault::row_stale) > 0) {
            // What is stale is told by stamps, within the drift cap, and not during a new scan.
            rates.set(Fault::clock_jumped, 0)
                .set(Fault::cursor_expired, 0)
                .set(Fault::feed_reset, 0);
        }
        faults_.set_rates(rates);
        if (rates.of(Fault::resolver_throws) > 0 && !is_manual()) make_resolver_throw();
    }

    static std::uint32_t base_rate(Fault fault) {
        switch (fault) {
            case Fault::change_poisonous:
                return 2;
            case Fault::crash_before_commit:
            case Fault::crash_after_commit:
                return 4;
            case Fault::disk_full:
            case Fault::hook_throws:
            case Fault::stop_requested:
                return 8;
            case Fault::clock_skewed:
            case Fault::crash:
            case Fault::clock_jumped:
                return 100;
            case Fault::backup_restored:
            case Fault::store_cleared:
                return 30;
            default:
                return 20;
        }
    }

    [[nodiscard]] bool is_manual() const {
        return resolver_.strategy() == ConflictStrategy::manual;
    }

    /// The same resolver as a function of the app, which fails now and then.
    void make_resolver_throw() {
        const ConflictResolver<Data> inner = resolver_;
        resolver_ = ConflictResolver<Data>{
            [this, inner](const Record* base, const Record& local, const Record& remote) {
                if (faults_.happens(Fault::resolver_throws)) {
                    throw std::runtime_error("the resolver failed");
                }
                return inner.resolve(base, local, remote);
            }};
    }

    void add_device(std::size_t index) {
        constexpr std::array names{"phone", "tablet", "laptop", "watch"};
        constexpr std::array attempts{3U, 2U, 5U};
        typename Device::Setup setup;
        setup.name = index < names.size() ? names.at(index) : "device " + std::to_string(index);
        setup.runs_engine = choices_.below(4) == 3;
        setup.resolver = resolver_;
        setup.retry.max_attempts = attempts.at(choices_.below(3));
        setup.retry.jitter = choices_.below(2) == 1 ? 1.0 : 0.0;
        setup.engine.executor = inline_executor();
        setup.engine.poll_interval = std::chrono::milliseconds{0};
        setup.engine.monotonic = [this, index] { return wait_a_while(index); };
        peers_.push_back(std::make_unique<Peer>(
            Peer{.index = index, .watch = PushWatch<Data>(options_.workload, verdicts_)}));
        Peer& peer = *peers_.back();
        peer.device = std::make_unique<Device>(std::move(setup), backend_.connect(), faults_,
                                               Random{index + 1});
        if (faults_.happens(Fault::clock_skewed)) {
            peer.device->clock.advance(std::chrono::seconds{choices_.below(241)} -
                                       std::chrono::seconds{120});
        }
        watch_remote(peer);
        start(peer);
    }

    void watch_remote(Peer& peer) {
        auto& watch = peer.device->remote.watch;
        watch.before_push = [this, &peer](const auto& changes) {
            ++peer.calls;
            tell([&] { return peer.name() + " pushes " + ids_of(changes); });
            peer.watch.pushing(peer.store(), changes, peer.device->clock.now());
            meanwhile(peer);
        };
        watch.before_pull = [this, &peer](const auto&) {
            ++peer.calls;
            tell([&] { return peer.name() + " pulls"; });
            meanwhile(peer);
        };
        watch.pushed = [this, &peer](const auto& changes, const auto& report) {
            for (const auto& change : changes) take_note(peer, change, report);
        };
        watch.pulled = [this, &peer](const PullRequest& request, const PullPage<Data>& page) {
            remember(peer, request, page);
        };
        watch.fault = [this, &peer](Fault fault, const std::string& id) {
            tell([&] {
                return "  " + std::string{to_string(fault)} + (id.empty() ? "" : ": " + id);
            });
            mix(100 + static_cast<std::uint64_t>(fault));
            note_fault(peer, fault, id);
        };
    }

    // What the remote is seen to do.

    void take_note(Peer& peer, const Change<Data>& change, const PushReport<Data>& report) {
        const auto& id = change.record.id;
        const auto verdict = std::find_if(report.begin(), report.end(),
                                          [&](const auto& each) { return each.id == id; });
        if (verdict == report.end()) return peer.watch.blame(id, false);
        if (verdict->kind == VerdictKind::accepted) ledger_.at_remote(change.record);
        if (verdict->kind == VerdictKind::rejected) peer.watch.blame(id, true);
    }

    void remember(Peer& peer, const PullRequest& request, const PullPage<Data>& page) {
        Page seen{.from = request.cursor, .to = page.cursor};
        for (const auto& record : page.records) {
            ledger_.at_remote(record);
            if (!record.is_deleted()) seen.live.push_back(record.id);
        }
        constexpr std::size_t enough = 8;  // more than are ever under way
        peer.pages.push_back(std::move(seen));
        if (peer.pages.size() > enough) peer.pages.pop_front();
    }

    void note_fault(Peer& peer, Fault fault, const std::string& id) {
        switch (fault) {
            case Fault::change_refused:
                return peer.watch.blame(id, true);
            case Fault::change_unanswered:
            case Fault::verdict_lost:
            case Fault::false_conflict:
                return peer.watch.blame(id, false);
            case Fault::rate_limited:
                peer.watch.asked_to_wait();
                [[fallthrough]];
            case Fault::unreachable:
            case Fault::login_expired:  // in a push too, these end the sync
                peer.call_failed = true;
                return;
            default:
                return;
        }
    }

    // Power.

    void start(Peer& peer) {
        Device& device = *peer.device;
        device.start();
        device.storage->on_commit = [this, &peer](const auto& batch) { on_commit(peer, batch); };
        peer.on_disk.clear();
        const auto image = device.disk->load();
        for (const auto& entry : image.entries) peer.on_disk.insert(entry.local->id);
        peer.cursor = image.state.cursor;
        peer.completed_at = image.state.metadata.last_sync_at;
        device.subscription =
            device.store->subscribe([this, &peer](const StoreChange<Data>& change) {
                mix(200 + peer.index);
                if (change.origin == ChangeOrigin::remote) ledger_.synced(peer.index, change);
            });
        auto& engine = *device.engine;
        engine.on_before_sync = [this, &peer](const auto&) { return before_sync(peer); };
        engine.on_after_sync = [this, &peer](const SyncResult&) { after_sync(peer); };
        engine.on_conflict = [this, &peer](const Record& local, const Record& remote) {
            on_conflict(peer, local, remote);
        };
    }

    void crash(Peer& peer) {
        Device& device = *peer.device;
        tell([&] { return peer.name() + " crashes"; });
        mix(300 + peer.index);
        const bool is_comparable =
            !device.storage->is_dead() || !device.storage->is_last_commit_durable();
        const auto before = StoreView<Data>::of(peer.store());
        device.stop();
        start(peer);
        if (is_comparable && !(StoreView<Data>::of(peer.store()) == before)) {
            broken(Invariant::crash_on_boundary, peer, "opens with another state");
        }
    }

    void on_commit(Peer& peer, const StorageBatch<Data>& batch) {
        if (batch.clear) peer.on_disk.clear();
        for (const auto* entry : batch.write) peer.on_disk.insert(entry->local->id);
        for (const auto id : batch.erase) peer.on_disk.erase(std::string{id});
        const auto& completed_at = batch.state->metadata.last_sync_at;
        if (completed_at != peer.completed_at && batch.state->epoch != peer.epoch) {
            broken(Invariant::result_is_true, peer,
                   "completed a sync of a store cleared meanwhile");
        }
        peer.completed_at = completed_at;
        if (batch.state->cursor == peer.cursor) return;
        const auto page =
            std::find_if(peer.pages.rbegin(), peer.pages.rend(), [&](const auto& each) {
                return each.from == peer.cursor && each.to == batch.state->cursor;
            });
        peer.cursor = batch.state->cursor;
        if (page == peer.pages.rend()) return;
        for (const auto& id : page->live) {
            if (!peer.on_disk.contains(id)) {
                broken(Invariant::cursor_in_step, peer, "has a cursor beyond record " + id);
            }
        }
    }

    // One step.

    void take_step() {
        switch (choices_.weighted({40, 18, 5, 12, 8, 8, 4, 6, 4})) {
            case 0:
                return advance_somebody();
            case 1:
                return edit(somebody());
            case 2:
                return remove(somebody());
            case 3:
                return begin_sync(somebody());
            case 4:
                return tick();
            case 5:
                return deliver(somebody());
            case 6:
                return time_out(somebody());
            case 7:
                return decide(somebody());
            default:
                return trouble(somebody());
        }
    }

    Peer& somebody() { return *peers_[choices_.below(static_cast<std::uint32_t>(peers_.size()))]; }

    std::string some_id() {
        return "n" + std::to_string(1 + choices_.below(std::max(options_.records, 1U)));
    }

    void tick() {
        constexpr std::array steps{std::chrono::seconds{1}, std::chrono::seconds{40},
                                   std::chrono::seconds{900}, std::chrono::seconds{7200}};
        pass_time(steps.at(choices_.below(4)));
        if (!faults_.happens(Fault::clock_jumped)) return;
        constexpr std::array jumps{std::chrono::hours{1}, std::chrono::hours{-1},
                                   std::chrono::hours{48}, std::chrono::hours{-48}};
        Peer& peer = somebody();
        tell([&] { return "the clock of " + peer.name() + " jumps"; });
        peer.device->clock.advance(jumps.at(choices_.below(4)));
        peer.watch.clock_moved();
    }

    void pass_time(Timestamp::duration time) {
        for (auto& peer : peers_) peer->device->clock.advance(time);
    }

    /// The engine waits for a callback: others go on, and time passes.
    std::chrono::nanoseconds wait_a_while(std::size_t index) {
        monotonic_ += std::chrono::seconds{20};
        if (!is_healing_) {
            pass_time(std::chrono::seconds{20});
            meanwhile(*peers_[index]);
        }
        return monotonic_;
    }

    /// Something happens while a callback or hook of this device runs. No lock may be held.
    void meanwhile(Peer& peer) {
        if (is_healing_ || !peer.runs_engine_now || depth_ >= 2) return;
        ++depth_;
        for (auto more = choices_.below(3); more > 0 && !is_over(); --more) take_step();
        --depth_;
    }

    // The app.

    void edit(Peer& peer) {
        if (peer.device->storage->is_dead()) return;
        const std::string id = some_id();
        const auto token = ledger_.new_edit(id);
        const auto before = peer.store().find(id);
        const auto kind = before ? choices_.below(3) : 0;
        tell([&] { return peer.name() + " edits " + id + " (" + std::to_string(token) + ")"; });
        mix(1, peer.index, token);
        const bool is_stored = act(peer, [&](LocalStore<Data>& store) {
            const auto write = [&](Data& data) { options_.workload.write(data, token); };
            Record record =
                before ? *before : Record{.id = id, .updated_at = peer.device->clock.now()};
            if (before && kind == 0) {
                store.update(id, write);
                return;
            }
            write(record.data);
            if (kind == 2) {
                store.transact([&](auto& transaction) { transaction.put(record); });
            } else {
                store.put(std::move(record));
            }
        });
        if (is_stored) {
            ledger_.stored(token);
        } else if (!peer.device->storage->is_dead() && peer.store().find(id) != before) {
            broken(Invariant::crash_on_boundary, peer, "changed " + id + " in a failed commit");
        }
        crash_if_dead(peer);
    }

    void remove(Peer& peer) {
        const std::string id = some_id();
        const auto before = peer.store().find(id);
        if (before == nullptr || peer.device->storage->is_dead()) return;
        tell([&] { return peer.name() + " removes " + id; });
        const auto entry = peer.store().read({id}).front();
        mix(2, peer.index, id.back());
        for (const auto& conflict : peer.store().conflicts()) {
            if (conflict.id == id) ledger_.deleted(peer.index, conflict.theirs);
        }
        ledger_.deleted(peer.index, *before);
        act(peer, [&](LocalStore<Data>& store) { (void)store.remove(id); });
        // A backup may not know that it was sent: then nothing can remember the deletion.
        const bool knows_remote = entry->base && !entry->base->is_deleted();
        if (peer.was_put_back && !knows_remote) ledger_.forget_burials(peer.index);
        crash_if_dead(peer);
    }

    /// What a user does about a record that waits for one.
    void decide(Peer& peer) {
        LocalStore<Data>& store = peer.store();
        if (peer.device->storage->is_dead()) return;
        if (const auto conflicts = store.conflicts(); !conflicts.empty()) {
            resolve(peer, conflicts[choices_.below(static_cast<std::uint32_t>(conflicts.size()))]);
        } else if (const auto letters = peer.device->engine->retry_queue().dead_letters();
                   !letters.empty() && choices_.below(2) == 0) {
            tell([&] { return peer.name() + " revives " + letters.front().record.id; });
            peer.watch.revive(letters.front().record.id);
            act(peer, [&](auto&) {
                (void)peer.device->engine->retry_queue().revive(letters.front().record.id);
            });
        } else if (const auto pending = store.pending();
                   !pending.empty() && choices_.below(4) == 3) {
            discard(peer, pending[choices_.below(static_cast<std::uint32_t>(pending.size()))]);
        } else if (const auto id = some_id(); store.find(id) != nullptr) {
            tell([&] { return peer.name() + " wants " + id + " pushed again"; });
            peer.watch.push_anyway(id);
            act(peer, [&](LocalStore<Data>& own) { (void)own.mark_modified(id); });
        }
        crash_if_dead(peer);
    }

    void resolve(Peer& peer, const Conflict<Data>& conflict) {
        const bool takes_theirs = choices_.below(2) == 1;
        Record winner = takes_theirs ? conflict.theirs : conflict.local;
        tell([&] {
            return peer.name() + " decides " + conflict.id + " for " +
                   (takes_theirs ? "theirs" : "ours");
        });
        mix(3, peer.index, takes_theirs ? 1 : 0);
        peer.epoch = peer.store().state().epoch;
        account_for(peer, conflict.local, conflict.theirs, winner);
        if (!winner.is_deleted()) winner.status = SyncStatus::modified;
        act(peer, [&](LocalStore<Data>& store) { store.resolve(conflict, winner); });
    }

    void discard(Peer& peer, const Record& local) {
        tell([&] { return peer.name() + " gives up " + local.id; });
        mix(4, peer.index, local.id.back());
        ledger_.decided(local, {});
        ledger_.forget_burials(peer.index);  // a deletion may be what is given up
        act(peer, [&](LocalStore<Data>& store) { (void)store.discard_changes(local.id); });
    }

    /// Runs an edit of the app; false if the storage refused it.
    template <class Act>
    bool act(Peer& peer, Act&& act) {
        try {
            act(peer.store());
            return true;
        } catch (const StorageError&) {
            tell([&] { return "  " + peer.name() + " could not store it"; });
        } catch (const std::logic_error& error) {
            broken(Invariant::no_lock_held, peer, error.what());
        } catch (const std::exception& error) {
            broken(Invariant::nothing_thrown, peer, error.what());
        }
        return false;
    }

    void crash_if_dead(Peer& peer) {
        if (peer.device->storage->is_dead() && !peer.runs_engine_now) crash(peer);
    }

    // Decisions of resolvers.

    void account_for(Peer& peer, const Record& local, const Record& remote, const Record& winner) {
        ledger_.decided(local, winner);
        ledger_.decided(remote, winner);
        if (winner.is_deleted()) {
            if (peer.store().state().epoch != peer.epoch) return;  // cleared: it comes too late
            ledger_.deleted(peer.index, local);
            ledger_.deleted(peer.index, remote);
        } else {
            ledger_.revived(winner);
        }
    }

    /// A resolver is about to be asked. What the real engine's one answers is not seen from here.
    void on_conflict(Peer& peer, const Record& local, const Record& remote) {
        ++questions_;
        tell([&] { return peer.name() + " has a conflict on " + local.id; });
        if (same_content(local, remote)) {
            broken(Invariant::conflict_is_real, peer, "asks about equal states of " + local.id);
        }
        if (peer.runs_engine_now) {
            if (!unites_) {
                ledger_.decided(local, remote);
                ledger_.decided(remote, local);
            }
            ledger_.revived(local);
            ledger_.revived(remote);
            meanwhile(peer);
        }
    }

    void on_resolved(Peer& peer, const ResolveConflict<Data>& question,
                     const Resolved<Data>& resolved) {
        if (!resolved.winner || resolved.winner->status == SyncStatus::conflicted) return;
        const Record& local = *question.local;
        if (unites_ && !local.is_deleted() && !question.remote.is_deleted()) {
            ledger_.merged(local, *resolved.winner);
            ledger_.merged(question.remote, *resolved.winner);
            ledger_.revived(*resolved.winner);
            return;
        }
        account_for(peer, local, question.remote, *resolved.winner);
    }

    // Syncs.

    SyncOptions some_options() {
        constexpr std::array<std::size_t, 4> sizes{100, 1, 2, 3};
        SyncOptions options;
        options.pull_page_size = sizes.at(choices_.below(4));
        options.push_batch_size = sizes.at(choices_.below(4));
        options.direction = static_cast<SyncDirection>(choices_.weighted({8, 1, 1}));
        options.retry = choices_.below(2) == 1 ? RetryMode::when_due : RetryMode::now;
        if (faults_.rates().of(Fault::hook_throws) > 0) {
            options.on_progress = [this](std::size_t, std::size_t) { throw_in_hook(); };
        }
        return options;
    }

    void begin_sync(Peer& peer) {
        if (peer.device->is_syncing() || peer.runs_engine_now) return sync_again(peer);
        if (depth_ >= 2) return;
        if (!peer.store().state().remote_name.empty() && choices_.below(16) == 15) {
            return sync_with_stranger(peer);
        }
        auto options = some_options();
        std::function<bool(const Record&)> predicate;
        if (choices_.below(8) == 7) {
            predicate = [](const Record& record) { return record.id.back() % 2 == 0; };
        }
        begin_sync(peer, std::move(options), std::move(predicate));
    }

    void begin_sync(Peer& peer, SyncOptions options, std::function<bool(const Record&)> predicate) {
        tell([&] { return peer.name() + " begins a sync"; });
        mix(5, peer.index);
        peer.stop = StopSource{};
        options.stop = peer.stop.token();
        peer.call_failed = false;
        peer.calls = 0;
        peer.ends = 0;
        peer.epoch = peer.store().state().epoch;
        Device& device = *peer.device;
        peer.watch.begin(peer.store(), options, predicate);
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
            on_resolved(peer, question, resolved);
        };
    }

    void run_engine(Peer& peer, SyncOptions options, std::function<bool(const Record&)> predicate) {
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
                broken(Invariant::sync_ends, peer, "ran a sync that is not done");
            }
        } catch (const StorageError&) {
            // The disk failed; what was committed before stands.
        } catch (const std::exception& error) {
            broken(Invariant::nothing_thrown, peer, error.what());
        }
        peer.runs_engine_now = false;
        ++actions_;
        end_sync(peer, result);
        crash_if_dead(peer);
    }

    void advance_somebody() {
        std::vector<Peer*> syncing;
        for (auto& peer : peers_) {
            if (peer->device->is_syncing()) syncing.push_back(peer.get());
        }
        if (syncing.empty()) return begin_sync(somebody());
        advance(*syncing[choices_.below(static_cast<std::uint32_t>(syncing.size()))]);
    }

    /// Goes on to the end of the next action that others can see: a call, a commit, a resolver.
    void advance(Peer& peer) {
        Device& device = *peer.device;
        if (faults_.happens(Fault::stop_requested)) peer.stop.request_stop();
        for (bool is_seen = false; !is_seen && device.is_syncing() && !is_over();) {
            const auto& action = device.sync->action();
            is_seen = std::holds_alternative<CallPull>(action) ||
                      std::holds_alternative<CallPush<Data>>(action) ||
                      std::holds_alternative<CommitStep<Data>>(action) ||
                      std::holds_alternative<ResolveConflict<Data>>(action);
            ++actions_;
            mix(6, peer.index, action.index());
            try {
                device.sync->step();
            } catch (const StorageError&) {
                device.sync.reset();
                end_sync(peer, std::nullopt);
                return crash_if_dead(peer);
            } catch (const std::exception& error) {
                device.sync.reset();
                return broken(Invariant::nothing_thrown, peer, error.what());
            }
            if (device.sync->is_waiting()) return;
            if (!device.sync->is_done()) continue;
            const SyncResult result = device.sync->result();
            device.sync.reset();
            end_sync(peer, result);
        }
    }

    void end_sync(Peer& peer, const std::optional<SyncResult>& result) {
        ++syncs_;
        tell([&] {
            return peer.name() + " ends its sync" + (result ? told(*result) : ": storage failed");
        });
        peer.watch.check_dead_letters(peer.store(), peer.device->setup.retry.max_attempts);
        peer.store().for_each([&](const Record& record) {
            if (record.status == SyncStatus::synced) ledger_.clean(record);
        });
        if (!options_.resolver && resolver_.resolved_count() > questions_) {
            broken(Invariant::conflict_is_real, peer, "asked its resolver about no conflict");
        }
        if (!result) return;
        peer.watch.check_result(peer.store(), *result);
        peer.last = *result;
        mix(7, static_cast<std::uint64_t>(result->outcome), result->total());
        const bool is_completed = result->outcome == SyncOutcome::completed;
        if (is_completed && peer.call_failed) {
            broken(Invariant::result_is_true, peer, "completed a sync whose call had failed");
        }
        if (is_completed && peer.calls > 0 && peer.store().state().health.failures > 0) {
            broken(Invariant::result_is_true, peer,
                   "completed a sync, but holds the remote for ill");
        }
        if (result->outcome == SyncOutcome::already_running) {
            broken(Invariant::sync_ends, peer, "had a sync that never ended");
        }
        if (peer.ends != (peer.calls > 0 ? 1 : peer.ends) || peer.ends > 1) {
            broken(Invariant::sync_ends, peer,
                   "was told of the end " + std::to_string(peer.ends) + " times");
        }
    }

    static std::string told(const SyncResult& result) {
        std::string text = ": " + std::string{to_string(result.outcome)};
        for (const auto& error : result.errors) {
            text += "; " + (error.record_id.empty() ? "" : error.record_id + " ") + error.message;
        }
        return text;
    }

    bool before_sync(Peer& peer) {
        throw_in_hook();
        meanwhile(peer);
        return true;
    }

    void after_sync(Peer& peer) {
        ++peer.ends;
        throw_in_hook();
        meanwhile(peer);
    }

    void throw_in_hook() {
        if (faults_.happens(Fault::hook_throws)) throw std::runtime_error("the hook failed");
    }

    /// While a sync runs, another one is refused before it asks anything.
    void sync_again(Peer& peer) {
        auto future = peer.device->engine->sync(Remote<Data>{});
        if (future.get().outcome != SyncOutcome::already_running) {
            broken(Invariant::one_sync, peer, "began a sync while another one ran");
        }
    }

    /// Another remote's name is refused before anything is asked of it.
    void sync_with_stranger(Peer& peer) {
        const auto asked = [this, &peer] {
            broken(Invariant::one_remote, peer, "called another remote than its own");
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
            crash_if_dead(peer);
        }
    }

    // The network and the machine.

    void deliver(Peer& peer) {
        auto& remote = peer.device->remote;
        if (remote.delayed() > 0) {
            tell([&] { return "something delayed arrives for " + peer.name(); });
            remote.deliver(choices_.below(static_cast<std::uint32_t>(remote.delayed())));
        }
        auto& late = peer.device->late;
        const auto ready = std::find_if(late.begin(), late.end(),
                                        [](const auto& each) { return each.is_ready(); });
        if (ready == late.end() || !peer.device->is_syncing()) return;
        auto reply = std::move(*ready);
        late.erase(ready);
        tell([&] { return "a late reply reaches " + peer.name(); });
        try {
            if (!peer.device->sync->ignores(std::move(reply))) {
                broken(Invariant::late_reply_ignored, peer, "took a reply that came too late");
            }
        } catch (const std::exception& error) {
            broken(Invariant::late_reply_ignored, peer, error.what());
        }
    }

    void time_out(Peer& peer) {
        Device& device = *peer.device;
        if (!device.is_syncing() || !device.sync->is_waiting()) return;
        tell([&] { return peer.name() + " waits no longer"; });
        mix(8, peer.index);
        device.late.push_back(device.sync->time_out());
    }

    void trouble(Peer& peer) {
        Device& device = *peer.device;
        if (device.storage->is_dead()) return;
        if (faults_.happens(Fault::store_cleared)) return clear(peer);
        if (peer.runs_engine_now) return;
        if (faults_.happens(Fault::crash)) return crash(peer);
        if (device.backup && faults_.happens(Fault::backup_restored)) return restore(peer);
        device.backup = device.disk->copy();
    }

    void clear(Peer& peer) {
        tell([&] { return peer.name() + " clears its store"; });
        mix(9, peer.index);
        forget(peer);
        act(peer, [](LocalStore<Data>& store) { store.clear(); });
        crash_if_dead(peer);
    }

    void restore(Peer& peer) {
        tell([&] { return peer.name() + " is put back to its backup"; });
        mix(10, peer.index);
        forget(peer);
        peer.was_put_back = true;
        peer.watch.forget();
        peer.device->stop();
        peer.device->disk = peer.device->backup->copy();
        start(peer);
        for (const auto& record : peer.store().pending()) ledger_.revived(record);
        for (const auto& conflict : peer.store().conflicts()) ledger_.revived(conflict.local);
    }

    void forget(Peer& peer) {
        peer.store().for_each([&](const Record& record) { ledger_.forgotten(record); });
        ledger_.forget_burials(peer.index);
    }

    // The end.

    void heal() {
        tell([] { return std::string{"the faults stop"}; });
        faults_.stop();
        is_healing_ = true;
        bool has_poison = false;
        for (auto& peer : peers_) {
            while (peer->device->remote.delayed() > 0) peer->device->remote.deliver(0);
            peer->device->remote.forgive();
            peer->device->late.clear();
            has_poison = has_poison || !peer->device->remote.poisonous().empty();
        }
        if (has_poison) {
            settle(true);
            for (auto& peer : peers_) peer->device->remote.poisonous().clear();
        }
        settle(false);
    }

    /// Syncs in rounds until nothing happens any more; with poison about, what is not poisonous.
    void settle(bool with_poison) {
        // A listing without a record marks it first, and deletes it the next time.
        const int enough = backend_.deletes_by_absence ? 2 : 1;
        int quiet_rounds = 0;
        for (std::size_t round = 0; round < options_.rounds && !is_over(); ++round) {
            pass_time(std::chrono::hours{2});
            bool is_quiet = true;
            for (auto& peer : peers_) {
                is_quiet = is_quiet && !peer->device->is_syncing();
                tidy(*peer);
                sync_fully(*peer);
                is_quiet =
                    is_quiet && peer->last.total() == 0 && waiting(*peer, with_poison).empty();
            }
            quiet_rounds = is_quiet ? quiet_rounds + 1 : 0;
            if (quiet_rounds == enough) return;
        }
        for (auto& peer : peers_) {
            const std::string left = waiting(*peer, with_poison);
            broken(Invariant::clean_in_time, *peer,
                   "is not at rest after " + std::to_string(options_.rounds) + " rounds" +
                       (left.empty() ? "" : ": " + left) + (with_poison ? " (poison about)" : "") +
                       told(peer->last));
        }
    }

    /// The user looks after what waits for one.
    void tidy(Peer& peer) {
        for (const auto& conflict : peer.store().conflicts()) resolve(peer, conflict);
        auto& queue = peer.device->engine->retry_queue();
        for (const auto& letter : queue.dead_letters()) {
            if (!peer.device->remote.poisonous().contains(letter.record.id)) {
                peer.watch.revive(letter.record.id);
                (void)queue.revive(letter.record.id);
            }
        }
    }

    /// Ends the sync that runs, and then runs one from beginning to end.
    void sync_fully(Peer& peer) {
        finish_sync(peer);
        begin_sync(peer, SyncOptions{}, nullptr);
        finish_sync(peer);
    }

    void finish_sync(Peer& peer) {
        Device& device = *peer.device;
        constexpr int many = 100'000;  // far more actions than a sync of a few records takes
        for (int turn = 0; device.is_syncing() && !is_over(); ++turn) {
            if (device.sync->is_waiting()) (void)device.sync->time_out();
            advance(peer);
            if (turn > many) broken(Invariant::sync_ends, peer, "is in a sync without end");
        }
    }

    /// The records that are not clean, poisonous ones left out.
    std::string waiting(Peer& peer, bool with_poison) {
        std::string ids;
        const auto add = [&](const std::string& id) {
            if (!with_poison || !peer.device->remote.poisonous().contains(id)) ids += " " + id;
        };
        for (const auto& record : peer.store().pending()) add(record.id);
        for (const auto& conflict : peer.store().conflicts()) add(conflict.id);
        for (const auto& entry : peer.store().read_parked()) add(entry.local->id);
        return ids;
    }

    void check_rest() {
        const auto held = sorted(backend_.records ? backend_.records() : pull_everything());
        for (auto& peer : peers_) compare(*peer, held, sorted(peer->store().all()));
        ledger_.at_rest(held);
        for (const auto& record : held) {
            mix(11, record.version,
                static_cast<std::uint64_t>(record.updated_at.time_since_epoch().count()));
            for (const Token token : ledger_.tokens(record)) mix(12, token);
        }
    }

    void compare(Peer& peer, const std::vector<Record>& held, const std::vector<Record>& here) {
        for (const auto& record : held) {
            const auto own = std::find_if(here.begin(), here.end(),
                                          [&](const auto& each) { return each.id == record.id; });
            if (own == here.end()) {
                broken(Invariant::all_equal, peer, "does not have record " + record.id);
            } else if (!same_content(*own, record)) {
                broken(Invariant::all_equal, peer, "has another record " + record.id);
            }
        }
        if (here.size() > held.size()) {
            broken(Invariant::all_equal, peer, "has records that the remote does not have");
        }
    }

    std::vector<Record> pull_everything() {
        LocalStore<Data> store{StoreOptions{.random = Random{0}.source()}};
        SyncEngine<Data> engine{store, resolver_, {}, {.executor = inline_executor()}};
        (void)engine.sync(backend_.connect()).get();
        return store.all();
    }

    static std::vector<Record> sorted(std::vector<Record> records) {
        std::sort(records.begin(), records.end(),
                  [](const auto& a, const auto& b) { return a.id < b.id; });
        return records;
    }

    // Small things.

    [[nodiscard]] bool is_over() const { return verdicts_.first().has_value(); }

    void broken(Invariant invariant, const Peer& peer, const std::string& what) {
        verdicts_.broken(invariant, peer.name() + " " + what);
    }

    template <class Text>
    void tell(Text&& text) {
        if (story_ != nullptr) story_->push_back(text());
    }

    static std::string ids_of(const std::vector<Change<Data>>& changes) {
        std::string ids;
        for (const auto& change : changes) {
            ids += (ids.empty() ? "" : " ") + change.record.id;
            if (change.record.is_deleted()) ids += " (deleted)";
        }
        return ids;
    }

    /// FNV-1a, by Fowler, Noll and Vo.
    template <class... Numbers>
    void mix(Numbers... numbers) {
        for (const std::uint64_t number : {static_cast<std::uint64_t>(numbers)...}) {
            for (int shift = 0; shift < 64; shift += 8) {
                hash_ = (hash_ ^ ((number >> shift) & 0xFF)) * 0x100000001B3U;
            }
        }
    }

    const SimulationOptions<Data>& options_;
    Choices& choices_;
    std::vector<std::string>* story_;
    Verdicts verdicts_;
    Faults faults_;
    TokenLedger<Data> ledger_;
    SimulatedBackend<Data> backend_;
    ConflictResolver<Data> resolver_;
    bool unites_ = false;
    std::vector<std::unique_ptr<Peer>> peers_;
    std::chrono::nanoseconds monotonic_{0};
    int depth_ = 0;
    bool is_healing_ = false;
    std::size_t actions_ = 0;
    std::size_t syncs_ = 0;
    std::size_t questions_ = 0;  // that resolvers were asked
    std::uint64_t hash_ = 0xCBF29CE484222325U;
};

}  // namespace sync_engine::testing
