// SPDX-License-Identifier: MIT
#pragma once

#include <sync_engine/record/error.hpp>
#include <sync_engine/record/sync_record.hpp>
#include <sync_engine/store/entry.hpp>
#include <sync_engine/store/entry_table.hpp>
#include <sync_engine/store/step.hpp>
#include <sync_engine/store/storage.hpp>
#include <sync_engine/store/store_options.hpp>
#include <sync_engine/store/store_statistics.hpp>
#include <sync_engine/store/subscription.hpp>
#include <sync_engine/store/transaction.hpp>
#include <sync_engine/store/writer_lock.hpp>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>
#include <vector>

namespace sync_engine {

/// The records of an app, readable and editable at any time, with or without a network.
///
/// An edit and its place in the outbox are one write (law 1). Every call that edits is one commit:
/// first to the storage, then to memory; if the storage fails it throws `StorageError` and nothing
/// has changed. Reads come from memory, never wait for a disk, and cost what they return. All
/// members may be called from any thread; bodies of `update` and `transact` may read the store, but
/// a write to it from inside throws `std::logic_error`. A store outlives the engines that sync it.
template <class Data = nlohmann::json>
class LocalStore {
public:
    /// In memory only: forgets on exit.
    explicit LocalStore(StoreOptions options = {}) : LocalStore(nullptr, std::move(options)) {}

    /// On a storage that outlives the process; loads all of it. Throws `StorageError`.
    explicit LocalStore(std::shared_ptr<Storage<Data>> storage, StoreOptions options = {})
        : options_(std::move(options)), storage_(std::move(storage)) {
        if (storage_) load();
        state_.store_id = new_store_id();
    }

    LocalStore(const LocalStore&) = delete;
    LocalStore& operator=(const LocalStore&) = delete;

    /// What a subscriber throws comes here; set it before threads share the store.
    std::function<void(std::exception_ptr)> on_error{};

    // Edits: see `Transaction` for what each one promises.

    void put(SyncRecord<Data> record) {
        edit([&](auto& transaction) { transaction.put(std::move(record)); });
    }
    /// All of them in one commit, or none.
    void put_all(std::vector<SyncRecord<Data>> records) {
        edit([&](auto& transaction) { transaction.put_all(std::move(records)); });
    }
    template <class Body>
    bool update(std::string_view id, Body&& change) {
        return edit(
            [&](auto& transaction) { return transaction.update(id, std::forward<Body>(change)); });
    }
    bool remove(std::string_view id) {
        return edit([&](auto& transaction) { return transaction.remove(id); });
    }
    bool evict(std::string_view id) {
        return edit([&](auto& transaction) { return transaction.evict(id); });
    }
    bool discard_changes(std::string_view id) {
        return edit([&](auto& transaction) { return transaction.discard_changes(id); });
    }
    bool mark_synced(std::string_view id) {
        return edit([&](auto& transaction) { return transaction.mark_synced(id); });
    }
    bool mark_modified(std::string_view id) {
        return edit([&](auto& transaction) { return transaction.mark_modified(id); });
    }
    void resolve(const Conflict<Data>& conflict, SyncRecord<Data> record) {
        edit([&](auto& transaction) { transaction.resolve(conflict, std::move(record)); });
    }
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
            const std::lock_guard writing(writer_);
            StoreState next = state_;
            ++next.epoch;
            next.cursor = nullptr;
            next.remote_name.clear();
            commit({}, std::move(next), ChangeOrigin::local, true);
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
        const std::shared_lock lock(memory_);
        const Entry<Data>* entry = table_.find(id);
        return entry != nullptr && entry->is_visible() ? entry->local : nullptr;
    }

    /// Every record, in order of arrival.
    [[nodiscard]] std::vector<SyncRecord<Data>> all() const {
        return copies(visible_records(), [](const auto&) { return true; });
    }

    /// Every change that still has to reach the remote, oldest edit first: tombstones (status
    /// `deleted`) and dead letters too; conflicts that wait for the user not.
    [[nodiscard]] std::vector<SyncRecord<Data>> pending() const {
        std::vector<RecordPtr<Data>> records;
        {
            const std::shared_lock lock(memory_);
            table_.for_each_dirty([&](const auto& entry) { records.push_back(entry.local); });
        }
        return copies(records, [](const auto&) { return true; });
    }

    /// The records for which `predicate(const SyncRecord<Data>&)` is true.
    template <class Predicate>
    [[nodiscard]] std::vector<SyncRecord<Data>> query(Predicate&& predicate) const {
        return copies(visible_records(), predicate);
    }

    /// The records that carry the tag; costs what it returns.
    [[nodiscard]] std::vector<SyncRecord<Data>> query_by_tag(std::string_view tag) const {
        std::vector<RecordPtr<Data>> records;
        {
            const std::shared_lock lock(memory_);
            table_.for_each_tagged(tag, [&](const auto& entry) { records.push_back(entry.local); });
        }
        return copies(records, [](const auto&) { return true; });
    }

    /// Calls `visitor(const SyncRecord<Data>&)` for every record, without a copy and without a
    /// lock: it sees the store as it was when the call began.
    template <class Visitor>
    void for_each(Visitor&& visitor) const {
        for (const auto& record : visible_records()) visitor(*record);
    }

    /// The conflicts that wait for `resolve`, by id.
    [[nodiscard]] std::vector<Conflict<Data>> conflicts() const {
        const std::shared_lock lock(memory_);
        std::vector<Conflict<Data>> listed;
        for (const std::string& id : table_.conflicted()) {
            const Entry<Data>& entry = *table_.find(id);
            Conflict<Data> conflict{.id = id, .local = *entry.local, .theirs = *entry.theirs};
            if (entry.base) conflict.base = *entry.base;
            listed.push_back(std::move(conflict));
        }
        return listed;
    }

    /// The last state of the record that both sides had; nothing if there never was one.
    [[nodiscard]] std::optional<SyncRecord<Data>> base(std::string_view id) const {
        const std::shared_lock lock(memory_);
        const Entry<Data>* entry = table_.find(id);
        if (entry == nullptr || entry->base == nullptr || entry->is_husk()) return std::nullopt;
        return *entry->base;
    }

    /// Counts by state; O(1).
    [[nodiscard]] StoreStatistics statistics() const {
        const std::shared_lock lock(memory_);
        return table_.statistics();
    }

    /// How many records the app can see; O(1).
    [[nodiscard]] std::size_t count() const { return statistics().total; }

    /// Calls `listener(const StoreChange<Data>&)` for each record that a commit changed, after the
    /// commit and in commit order, without a lock. It may edit the store; what it throws goes to
    /// `on_error`.
    template <class Listener>
    [[nodiscard]] Subscription subscribe(Listener&& listener) {
        return feed_.subscribe(std::forward<Listener>(listener));
    }

    // For engines, which sync the store.

    [[nodiscard]] const StoreOptions& options() const noexcept { return options_; }

    /// Everything that is not about one record.
    [[nodiscard]] StoreState state() const {
        const std::shared_lock lock(memory_);
        return state_;
    }

    /// The right to sync this store, until the pointer is dropped; null while another has it.
    [[nodiscard]] std::shared_ptr<void> begin_sync() {
        if (syncing_.exchange(true)) return nullptr;
        return {&syncing_, [](std::atomic<bool>* syncing) { syncing->store(false); }};
    }

    /// The entries of these records as they are now; none where there is none.
    [[nodiscard]] std::vector<Outcome<Data>> read(const std::vector<std::string>& ids) const {
        const std::shared_lock lock(memory_);
        std::vector<Outcome<Data>> entries;
        entries.reserve(ids.size());
        for (const std::string& id : ids) entries.push_back(copy_of(table_.find(id)));
        return entries;
    }

    /// Every dirty entry, oldest edit first.
    [[nodiscard]] std::vector<Entry<Data>> read_dirty() const {
        const std::shared_lock lock(memory_);
        std::vector<Entry<Data>> entries;
        table_.for_each_dirty([&](const auto& entry) { entries.push_back(entry); });
        return entries;
    }

    /// The dirty entries whose last push failed, dead letters included.
    [[nodiscard]] std::vector<Entry<Data>> read_retrying() const {
        return read_set(&Table::retrying);
    }

    /// The entries whose remote state waits for a resolver.
    [[nodiscard]] std::vector<Entry<Data>> read_parked() const { return read_set(&Table::parked); }

    /// The clean records that are not among `seen`.
    [[nodiscard]] std::vector<Entry<Data>> read_absent(
        const std::unordered_set<std::string>& seen) const {
        const std::shared_lock lock(memory_);
        std::vector<Entry<Data>> absent;
        table_.for_each([&](const auto& entry) {
            const bool is_candidate = entry.is_clean() && entry.is_visible();
            if (is_candidate && !seen.contains(entry.local->id)) absent.push_back(entry);
        });
        return absent;
    }

    /// Commits a step of a sync: what has not moved meanwhile, all of it in one commit.
    StepResult apply(Step<Data> step) {
        StepResult result;
        {
            const std::lock_guard writing(writer_);
            const bool is_other_epoch = step.epoch && *step.epoch != state_.epoch;
            if (is_other_epoch || (step.cursor && step.cursor->from != state_.cursor)) {
                result.superseded = true;
                return result;
            }
            std::vector<Written<Data>> written = expired_husks(step);
            for (auto& decision : step.decisions) {
                const Entry<Data>* entry = table_.find(decision.id);
                if (decision.park) {
                    written.push_back({decision.id, parked(entry, std::move(*decision.park))});
                } else if ((entry == nullptr ? 0 : entry->generation) != decision.expected) {
                    result.moved.push_back(std::move(decision.id));
                } else {
                    written.push_back({std::move(decision.id), std::move(decision.outcome)});
                }
            }
            StoreState next = state_;
            if (step.cursor && result.moved.empty()) next.cursor = std::move(step.cursor->to);
            if (step.remote_name) next.remote_name = std::move(*step.remote_name);
            if (step.health) next.health = *step.health;
            if (step.metadata) next.metadata = *step.metadata;
            commit(std::move(written), std::move(next), ChangeOrigin::remote, false);
        }
        feed_.deliver(on_error);
        return result;
    }

    /// Lets `change(std::optional<RetryState>&)` change what is known of the attempts to push a
    /// dirty record. False if the store has no such record or it is not dirty.
    template <class Body>
    bool update_retry(std::string_view id, Body&& change) {
        return edit([&](auto& transaction) {
            const Entry<Data>* known = transaction.entry(id);
            if (known == nullptr || !known->is_dirty()) return false;
            Entry<Data> changed = *known;
            std::forward<Body>(change)(changed.retry);
            if (changed.retry) changed.retry->sequence = changed.sequence;
            transaction.write(std::move(changed));
            return true;
        });
    }

private:
    using Table = EntryTable<Data>;

    /// Runs `body` on a transaction, commits it, tells subscribers, and answers what it answered.
    template <class Body>
    auto edit(Body&& body) {
        if constexpr (std::is_void_v<std::invoke_result_t<Body&, Transaction<Data>&>>) {
            edit([&](auto& transaction) {
                body(transaction);
                return true;
            });
        } else {
            const auto answer = [&] {
                const std::lock_guard writing(writer_);
                Transaction<Data> transaction(table_, {options_.clock(), options_.drift_cap});
                const auto value = body(transaction);
                auto written = transaction.take();
                if (!written.empty()) {
                    commit(std::move(written), state_, ChangeOrigin::local, false);
                }
                return value;
            }();
            feed_.deliver(on_error);
            return answer;
        }
    }

    /// The one place where anything changes: the storage first, memory after (law 6). The caller
    /// holds the writer lock, so nobody else moves `table_` and `state_` meanwhile.
    void commit(std::vector<Written<Data>> written, StoreState next, ChangeOrigin origin,
                bool everything) {
        StorageBatch<Data> batch;
        batch.clear = everything;
        for (auto& [id, outcome] : written) {
            if (!outcome) {
                batch.erase.push_back(id);
                continue;
            }
            stamp(*outcome, next);
            batch.write.push_back(&*outcome);
        }
        batch.state = &next;
        if (storage_) persist(batch);

        std::vector<StoreChange<Data>> changes;
        const bool is_heard = feed_.has_listeners();
        if (is_heard) changes = changes_of(written, origin, everything);
        {
            const std::unique_lock lock(memory_);
            if (everything) table_.clear();
            for (auto& [id, outcome] : written) {
                if (outcome) {
                    table_.write(std::move(*outcome));
                } else {
                    table_.erase(id);
                }
            }
            state_ = std::move(next);
        }
        if (is_heard) feed_.queue(std::move(changes));
    }

    /// Gives a new edit its sequence, and every entry the generation of this commit.
    void stamp(Entry<Data>& entry, StoreState& next) {
        if (entry.sequence == next_sequence) {
            entry.sequence = ++next.sequence;
            if (entry.retry && entry.retry->sequence == next_sequence) {
                entry.retry->sequence = entry.sequence;
            }
        }
        entry.generation = ++generation_;
    }

    void persist(const StorageBatch<Data>& batch) {
        try {
            storage_->commit(batch);
        } catch (const StorageError&) {
            throw;
        } catch (const std::exception& error) {
            throw StorageError(std::string("nothing was stored: ") + error.what());
        }
    }

    std::vector<StoreChange<Data>> changes_of(const std::vector<Written<Data>>& written,
                                              ChangeOrigin origin, bool everything) const {
        std::vector<StoreChange<Data>> changes;
        const auto add = [&](const std::string& id, RecordPtr<Data> before, RecordPtr<Data> after) {
            if (before != after)
                changes.push_back({id, std::move(before), std::move(after), origin});
        };
        if (everything) {
            table_.for_each([&](const auto& entry) {
                if (entry.is_visible()) add(entry.local->id, entry.local, nullptr);
            });
        }
        for (const auto& [id, outcome] : written) {
            const Entry<Data>* known = table_.find(id);
            add(id, known != nullptr && known->is_visible() ? known->local : nullptr,
                outcome && outcome->is_visible() ? outcome->local : nullptr);
        }
        return changes;
    }

    Outcome<Data> parked(const Entry<Data>* entry, SyncRecord<Data> theirs) const {
        if (entry == nullptr) return rules::taken(entry, std::move(theirs), options_.clock());
        return rules::waiting(*entry, std::move(theirs), entry->conflicted);
    }

    /// Deletions that were settled longer ago than any read is expected to lag, and that the step
    /// itself says nothing about.
    std::vector<Written<Data>> expired_husks(const Step<Data>& step) const {
        std::vector<Written<Data>> expired;
        const Timestamp now = options_.clock();
        for (const auto& [settled_at, id] : table_.husks()) {
            // Compared as ages, because a horizon without end would overflow a time.
            const auto age =
                std::chrono::ceil<std::chrono::milliseconds>(detail::elapsed(settled_at, now));
            if (age <= options_.tombstone_horizon) break;
            const bool is_decided =
                std::any_of(step.decisions.begin(), step.decisions.end(),
                            [&id = id](const auto& decision) { return decision.id == id; });
            if (!is_decided) expired.push_back({id, std::nullopt});
        }
        return expired;
    }

    std::vector<RecordPtr<Data>> visible_records() const {
        const std::shared_lock lock(memory_);
        std::vector<RecordPtr<Data>> records;
        records.reserve(table_.size());
        table_.for_each([&](const auto& entry) {
            if (entry.is_visible()) records.push_back(entry.local);
        });
        return records;
    }

    template <class Predicate>
    static std::vector<SyncRecord<Data>> copies(const std::vector<RecordPtr<Data>>& records,
                                                Predicate&& predicate) {
        std::vector<SyncRecord<Data>> chosen;
        for (const auto& record : records) {
            if (predicate(*record)) chosen.push_back(*record);
        }
        return chosen;
    }

    std::vector<Entry<Data>> read_set(const std::set<std::string>& (Table::*index)()
                                          const noexcept) const {
        const std::shared_lock lock(memory_);
        std::vector<Entry<Data>> entries;
        for (const std::string& id : (table_.*index)()) entries.push_back(*table_.find(id));
        return entries;
    }

    static Outcome<Data> copy_of(const Entry<Data>* entry) {
        return entry == nullptr ? Outcome<Data>{} : Outcome<Data>{*entry};
    }

    void load() {
        StorageImage<Data> image = storage_->load();
        for (auto& entry : image.entries) {
            entry.generation = ++generation_;
            table_.write(std::move(entry));
        }
        state_ = std::move(image.state);
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
    std::shared_ptr<Storage<Data>> storage_;

    WriterLock writer_;                 // one commit at a time; held while the storage works
    mutable std::shared_mutex memory_;  // guards what follows; writers take it only to swap
    Table table_;
    StoreState state_;
    std::uint64_t generation_ = 0;

    ChangeFeed<Data> feed_;
    std::atomic<bool> syncing_{false};
};

}  // namespace sync_engine
