// SPDX-License-Identifier: MIT
#pragma once

#include <sync_engine/record/error.hpp>
#include <sync_engine/record/sync_record.hpp>
#include <sync_engine/store/conflict.hpp>
#include <sync_engine/store/entry.hpp>
#include <sync_engine/store/entry_table.hpp>
#include <sync_engine/store/group_commit.hpp>
#include <sync_engine/store/outcome.hpp>
#include <sync_engine/store/overlay.hpp>
#include <sync_engine/store/step.hpp>
#include <sync_engine/store/storage.hpp>
#include <sync_engine/store/store_memory.hpp>
#include <sync_engine/store/store_options.hpp>
#include <sync_engine/store/store_statistics.hpp>
#include <sync_engine/store/subscription.hpp>
#include <sync_engine/store/transaction.hpp>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>
#include <vector>

namespace sync_engine {

/// Ends the right to sync a store.
struct EndSync {
    void operator()(std::atomic<bool>* syncing) const noexcept { syncing->store(false); }
};

/// The right to sync a store, until it is dropped; the store has to outlive it.
using SyncRight = std::unique_ptr<std::atomic<bool>, EndSync>;

/// The records of an app, readable and editable at any time, with or without a network.
///
/// An edit and its place in the outbox are one write (law 1). Every call that edits is one commit:
/// first to the storage, then to memory; if the storage fails it throws `StorageError` and nothing
/// has changed; `Transaction` says more of each edit. Reads come from memory, never wait for a
/// disk, and cost what they return. All members may be called from any thread; bodies of `update`
/// and `transact` may read the store, but a write to it from inside throws `std::logic_error`. A
/// store outlives the engines that sync it.
template <class Data = nlohmann::json>
class LocalStore {
public:
    /// In memory only: forgets on exit.
    explicit LocalStore(StoreOptions options = {}) : LocalStore(nullptr, std::move(options)) {}

    /// On a storage that outlives the process; loads all of it. Throws `StorageError`.
    explicit LocalStore(std::shared_ptr<Storage<Data>> storage, StoreOptions options = {})
        : options_(std::move(options)), memory_(std::move(storage), feed_) {
        memory_.open(new_store_id());
    }

    LocalStore(const LocalStore&) = delete;
    LocalStore& operator=(const LocalStore&) = delete;

    /// What a subscriber throws comes here; set it before threads share the store.
    std::function<void(std::exception_ptr)> on_error{};

    // Edits.

    /// Stores the whole record, as an edit to be pushed if it differs from what is there; a new one
    /// keeps its status. Throws `InvalidRecord` if it could never travel.
    void put(SyncRecord<Data> record) {
        edit([&](auto& transaction) { transaction.put(std::move(record)); });
    }
    /// `put` for each, all of them in one commit; for none if one is refused.
    void put_all(std::vector<SyncRecord<Data>> records) {
        edit([&](auto& transaction) { transaction.put_all(std::move(records)); });
    }
    /// Lets `change(Data&)` change the data of the record as it is now. False if that changed
    /// nothing; throws `NotFound` if the store does not have the record, and `InvalidRecord` if it
    /// could never travel.
    template <class Body>
    bool update(std::string_view id, Body&& change) {
        return edit(
            [&](auto& transaction) { return transaction.update(id, std::forward<Body>(change)); });
    }
    /// Deletes the record, and with the next push the remote's; false if the store does not have
    /// it.
    bool remove(std::string_view id) {
        return edit([&](auto& transaction) { return transaction.remove(id); });
    }
    /// Forgets the record here and only here. False if the store does not have it; throws `Refused`
    /// while something of it is not settled with the remote.
    bool evict(std::string_view id) {
        return edit([&](auto& transaction) { return transaction.evict(id); });
    }
    /// Gives up the unsent edit, deletion or dead letter: back to the remote's state, as far as it
    /// is known; a record that was never there is gone. False if there was nothing to give up.
    bool discard_changes(std::string_view id) {
        return edit([&](auto& transaction) { return transaction.discard_changes(id); });
    }
    /// Says that the remote has the record, or its deletion, as it is here. False if the store does
    /// not have it; throws `Refused` on a conflict.
    bool mark_synced(std::string_view id) {
        return edit([&](auto& transaction) { return transaction.mark_synced(id); });
    }
    /// Has the record pushed again as it is; false if the store does not have it.
    bool mark_modified(std::string_view id) {
        return edit([&](auto& transaction) { return transaction.mark_modified(id); });
    }
    /// Decides a conflict as `conflicts` listed it. Throws `NotFound` if there is none any more,
    /// `Refused` if the remote state has moved since, and `InvalidRecord` if the record has another
    /// id or could never travel.
    void resolve(const Conflict<Data>& conflict, SyncRecord<Data> record) {
        edit([&](auto& transaction) { transaction.resolve(conflict, std::move(record)); });
    }
    /// Decides the conflict of that record against the newest remote state. Throws `NotFound` if
    /// there is none, and `InvalidRecord` if the record has another id or could never travel.
    void resolve(std::string_view id, SyncRecord<Data> record) {
        edit([&](auto& transaction) { transaction.resolve(id, std::move(record)); });
    }

    /// Runs `body(Transaction<Data>&)`; all its edits are one commit. If it throws, none happened.
    template <class Body>
    void transact(Body&& body) {
        edit([&](auto& transaction) { body(transaction); });
    }

    /// Forgets every record, unsent edits too, and the cursor: the next sync starts over.
    void clear() {
        {
            const auto turn = writers_.take_turn_alone();
            StoreState state = memory_.state();
            ++state.epoch;
            state.cursor = nullptr;
            state.remote_name.clear();
            state.health.starts_over = false;  // it goes with the cursor
            memory_.commit({.state = std::move(state), .everything = true});
        }
        feed_.deliver(on_error);
    }

    // Reads.

    /// A copy of the record; nothing if the store does not have it or it is deleted.
    [[nodiscard]] std::optional<SyncRecord<Data>> get(std::string_view id) const {
        const auto record = find(id);
        if (record == nullptr) return std::nullopt;
        return *record;
    }

    /// The record itself, which never changes; null if the store does not have it or it is deleted.
    [[nodiscard]] RecordPtr<Data> find(std::string_view id) const {
        const auto memory = memory_.reading();
        const Entry<Data>* entry = memory.table.find(id);
        return entry != nullptr && entry->is_visible() ? entry->local : nullptr;
    }

    /// Every record, in order of arrival.
    [[nodiscard]] std::vector<SyncRecord<Data>> all() const { return copies_of(find_all()); }

    /// Every change that still has to reach the remote, oldest edit first: tombstones (status
    /// `deleted`) and dead letters too; conflicts that wait for the user not.
    [[nodiscard]] std::vector<SyncRecord<Data>> pending() const {
        return copies_of(find_pending());
    }

    /// The records for which `predicate(const SyncRecord<Data>&)` is true.
    template <class Predicate>
    [[nodiscard]] std::vector<SyncRecord<Data>> query(Predicate&& predicate) const {
        auto records = find_all();
        std::erase_if(records, [&](const auto& record) { return !predicate(*record); });
        return copies_of(records);
    }

    /// The records that carry the tag; costs what it returns.
    [[nodiscard]] std::vector<SyncRecord<Data>> query_by_tag(std::string_view tag) const {
        return copies_of(find_by_tag(tag));
    }

    // The same without a copy.

    /// What `all` answers: the records themselves, which never change.
    [[nodiscard]] std::vector<RecordPtr<Data>> find_all() const {
        const auto memory = memory_.reading();
        std::vector<RecordPtr<Data>> records;
        records.reserve(memory.table.size());
        memory.table.for_each([&](const auto& entry) {
            if (entry->is_visible()) records.push_back(record_of(entry));
        });
        return records;
    }
    /// What `pending` answers: the records themselves, which never change.
    [[nodiscard]] std::vector<RecordPtr<Data>> find_pending() const {
        const auto memory = memory_.reading();
        std::vector<RecordPtr<Data>> records;
        records.reserve(memory.table.count_dirty());
        memory.table.for_each_dirty(
            [&](const auto& entry) { records.push_back(record_of(entry)); });
        return records;
    }
    /// What `query_by_tag` answers: the records themselves, which never change.
    [[nodiscard]] std::vector<RecordPtr<Data>> find_by_tag(std::string_view tag) const {
        const auto memory = memory_.reading();
        std::vector<RecordPtr<Data>> records;
        records.reserve(memory.table.count_tagged(tag));
        memory.table.for_each_tagged(
            tag, [&](const auto& entry) { records.push_back(record_of(entry)); });
        return records;
    }

    /// Calls `visitor(const SyncRecord<Data>&)` for every record, without a copy and without a
    /// lock: it sees the store as it was when the call began.
    template <class Visitor>
    void for_each(Visitor&& visitor) const {
        for (const auto& record : find_all()) visitor(*record);
    }

    /// The conflicts that wait for `resolve`, by id.
    [[nodiscard]] std::vector<Conflict<Data>> conflicts() const {
        const auto memory = memory_.reading();
        std::vector<Conflict<Data>> listed;
        for (const std::string& id : memory.table.conflicted()) {
            const Entry<Data>& entry = *memory.table.find(id);
            Conflict<Data> conflict{.id = id, .local = *entry.local, .theirs = *entry.theirs()};
            if (entry.base) conflict.base = *entry.base;
            listed.push_back(std::move(conflict));
        }
        return listed;
    }

    /// The last state of the record that both sides had; nothing if there never was one.
    [[nodiscard]] std::optional<SyncRecord<Data>> base(std::string_view id) const {
        const auto memory = memory_.reading();
        const Entry<Data>* entry = memory.table.find(id);
        if (entry == nullptr || entry->base == nullptr || entry->is_husk()) return std::nullopt;
        return *entry->base;
    }

    /// Counts by state; O(1).
    [[nodiscard]] StoreStatistics statistics() const {
        const auto memory = memory_.reading();
        return memory.table.statistics();
    }

    /// How many records the app can see; O(1).
    [[nodiscard]] std::size_t count() const { return statistics().total; }

    /// Calls `listener(const StoreChange<Data>&)` for each record that a commit changed, after the
    /// commit and in commit order, without a lock. It may edit the store; what it throws goes to
    /// `on_error`. Commits before this call are not told, unless they still wait to be; whoever
    /// reads the store after it misses none.
    template <class Listener>
    [[nodiscard]] Subscription subscribe(Listener&& listener) {
        return feed_.subscribe(std::forward<Listener>(listener));
    }

    // For engines, which sync the store.

    /// Whether somebody has subscribed, who may do anything when a commit is told.
    [[nodiscard]] bool has_listeners() const noexcept { return feed_.has_listeners(); }

    /// Whether it outlives the process, by a storage that writes down what is committed.
    [[nodiscard]] bool is_durable() const noexcept { return memory_.has_storage(); }

    /// The clock, the randomness and the limits that it was made with.
    [[nodiscard]] const StoreOptions& options() const noexcept { return options_; }

    /// Everything that is not about one record.
    [[nodiscard]] StoreState state() const {
        const auto memory = memory_.reading();
        return memory.state;
    }

    /// The right to sync this store; null while another has it.
    [[nodiscard]] SyncRight begin_sync() noexcept {
        if (syncing_.exchange(true)) return nullptr;
        return SyncRight{&syncing_};
    }

    /// The entries of these records as they are now; null where there is none.
    [[nodiscard]] std::vector<EntryPtr<Data>> read(const std::vector<std::string_view>& ids) const {
        const auto memory = memory_.reading();
        std::vector<EntryPtr<Data>> entries;
        entries.reserve(ids.size());
        for (const std::string_view id : ids) entries.push_back(memory.table.share(id));
        return entries;
    }

    /// Every dirty entry, oldest edit first.
    [[nodiscard]] std::vector<EntryPtr<Data>> read_dirty() const {
        const auto memory = memory_.reading();
        std::vector<EntryPtr<Data>> entries;
        entries.reserve(memory.table.count_dirty());
        memory.table.for_each_dirty([&](const auto& entry) { entries.push_back(entry); });
        return entries;
    }

    /// The dirty entries whose last push failed, dead letters included.
    [[nodiscard]] std::vector<EntryPtr<Data>> read_retrying() const {
        return read_set(&Table::retrying);
    }

    /// The entries whose remote state waits for a resolver.
    [[nodiscard]] std::vector<EntryPtr<Data>> read_parked() const {
        return read_set(&Table::parked);
    }

    /// The clean records that are not among `seen`.
    [[nodiscard]] std::vector<EntryPtr<Data>> read_absent(
        const std::unordered_set<std::string>& seen) const {
        const auto memory = memory_.reading();
        std::vector<EntryPtr<Data>> absent;
        memory.table.for_each([&](const auto& entry) {
            const bool is_candidate = entry->is_clean() && entry->is_visible();
            if (is_candidate && !seen.contains(entry->local->id)) absent.push_back(entry);
        });
        return absent;
    }

    /// Commits a step of a sync: what has not moved meanwhile, all of it in one commit.
    StepResult apply(Step<Data> step) {
        StepResult result;
        {
            const auto turn = writers_.take_turn_alone();
            StoreState state = memory_.state();
            const bool is_other_epoch = step.epoch && *step.epoch != state.epoch;
            if (is_other_epoch || (step.cursor && step.cursor->from != state.cursor)) {
                result.superseded = true;
                return result;
            }
            std::vector<Written<Data>> edits;
            edits.reserve(step.decisions.size());
            forget_expired_husks(step, edits);
            for (auto& decision : step.decisions) {
                const Entry<Data>* entry =
                    memory_.table().find(decision.id(), decision.expected.get());
                if (decision.park) {
                    edits.push_back({.outcome = parked(entry, std::move(decision.park))});
                } else if (entry != decision.expected.get()) {
                    result.moved.emplace_back(decision.id());
                } else {
                    edits.push_back(std::move(decision.written));
                }
            }
            Commit<Data> commit{.edits = Overlay<Data>{std::move(edits)},
                                .origin = ChangeOrigin::remote};
            if (step.cursor && result.moved.empty()) state.cursor = std::move(step.cursor->to);
            if (step.remote_name) state.remote_name = std::move(*step.remote_name);
            if (step.health && result.moved.empty()) state.health = *step.health;
            if (step.metadata) state.metadata = *step.metadata;
            commit.state = std::move(state);
            memory_.commit(std::move(commit));
        }
        feed_.deliver(on_error);
        return result;
    }

    /// Lets `change(const Entry<Data>&, Boxed<RetryState>&)` change, in one commit, what is known
    /// of the attempts to push these records; those that the store does not have, or that are not
    /// dirty, it is not asked about. Where it answers false, nothing changes. False if nothing did
    /// at all.
    template <class Body>
    bool update_retries(const std::vector<std::string>& ids, Body&& change) {
        return edit([&](auto& transaction) {
            bool has_changed = false;
            for (const std::string& id : ids) {
                const Entry<Data>* known = transaction.entry(id);
                if (known == nullptr || !known->is_dirty()) continue;
                // One of an earlier edit is void: its operation id must not stand for this one.
                Boxed<RetryState> retry;
                if (known->active_retry() != nullptr) retry = known->retry();
                if (!change(*known, retry)) continue;
                if (retry) retry->sequence = known->sequence;
                Entry<Data> changed = *known;
                if (retry || changed.extras) changed.edit_extras().retry = std::move(retry);
                transaction.write(std::move(changed));
                has_changed = true;
            }
            return has_changed;
        });
    }

private:
    using Table = EntryTable<Data>;

    /// Runs `body` on a transaction, commits it, tells subscribers, and answers what it answered.
    ///
    /// The answer, or what the body threw, comes out when all that the body has seen is durable:
    /// nobody is told what rests on an edit that may still fail.
    template <class Body>
    bool edit(Body&& body) {
        typename GroupCommit<Data>::Place place;
        bool answer = true;
        std::exception_ptr refusal;
        {
            const auto turn = writers_.take_turn();
            Transaction<Data> transaction(memory_.table(), {options_.clock(), options_.drift_cap},
                                          writers_.pending());
            try {
                if constexpr (std::is_void_v<decltype(body(transaction))>) {
                    body(transaction);
                } else {
                    answer = body(transaction);
                }
                place = writers_.join(transaction.take());
            } catch (...) {
                refusal = std::current_exception();
            }
            if (place.is_empty() && transaction.has_seen_pending()) place = writers_.newest_place();
        }
        writers_.wait(place);
        feed_.deliver(on_error);
        if (refusal) std::rethrow_exception(refusal);
        return answer;
    }

    Entry<Data> parked(const Entry<Data>* entry, RecordPtr<Data> theirs) const {
        if (entry == nullptr) return rules::taken(entry, std::move(theirs), options_.clock());
        return rules::waiting(*entry, std::move(theirs), entry->conflicted);
    }

    /// Deletions that were settled longer ago than any read is expected to lag, and that the step
    /// itself says nothing about.
    void forget_expired_husks(const Step<Data>& step, std::vector<Written<Data>>& edits) const {
        const Timestamp now = options_.clock();
        for (const auto& [settled_at, id] : memory_.table().husks()) {
            // Compared as ages, because a horizon without end would overflow a time.
            const auto age =
                std::chrono::ceil<std::chrono::milliseconds>(detail::elapsed(settled_at, now));
            if (age <= options_.tombstone_horizon) break;
            const bool is_decided =
                std::any_of(step.decisions.begin(), step.decisions.end(),
                            [&husk = id](const auto& decision) { return decision.id() == husk; });
            if (!is_decided) edits.push_back({.forgotten = id});
        }
    }

    /// The record, kept by its entry: the count of that lies beside what is read here anyway, while
    /// the record's own would be one more way to memory for each that is listed.
    static RecordPtr<Data> record_of(const EntryPtr<Data>& entry) {
        return {entry, entry->local.get()};
    }

    static std::vector<SyncRecord<Data>> copies_of(const std::vector<RecordPtr<Data>>& records) {
        std::vector<SyncRecord<Data>> copies;
        copies.reserve(records.size());
        for (const auto& record : records) copies.push_back(*record);
        return copies;
    }

    std::vector<EntryPtr<Data>> read_set(const std::set<std::string>& (Table::*index)()
                                             const noexcept) const {
        const auto memory = memory_.reading();
        std::vector<EntryPtr<Data>> entries;
        for (const std::string& id : (memory.table.*index)()) {
            entries.push_back(memory.table.share(id));
        }
        return entries;
    }

    /// 128 random bits. Made anew at each opening, also of a copied file or a restored backup,
    /// whose sequences come a second time: operation ids never do.
    std::string new_store_id() const {
        static constexpr std::string_view digits = "0123456789abcdef";
        std::string id;
        for (int half = 0; half < 2; ++half) {
            std::uint64_t bits = options_.random();
            for (int digit = 0; digit < 16; ++digit, bits >>= 4) id += digits[bits & 15];
        }
        return id;
    }

    StoreOptions options_;
    ChangeFeed<Data> feed_;
    StoreMemory<Data> memory_;
    GroupCommit<Data> writers_{memory_};
    std::atomic<bool> syncing_{false};
};

}  // namespace sync_engine
