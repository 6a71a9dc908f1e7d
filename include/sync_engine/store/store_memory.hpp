// SPDX-License-Identifier: MIT
#pragma once

#include <sync_engine/record/error.hpp>
#include <sync_engine/store/entry.hpp>
#include <sync_engine/store/entry_table.hpp>
#include <sync_engine/store/overlay.hpp>
#include <sync_engine/store/sequence.hpp>
#include <sync_engine/store/storage.hpp>
#include <sync_engine/store/subscription.hpp>

#include <algorithm>
#include <cstddef>
#include <exception>
#include <iterator>
#include <limits>
#include <memory>
#include <mutex>
#include <optional>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sync_engine {

/// What one commit changes.
template <class Data>
struct Commit {
    Overlay<Data> edits{};
    std::optional<StoreState> state{};  ///< the new one, but for its sequence; none: it stays
    ChangeOrigin origin = ChangeOrigin::local;
    bool everything = false;  ///< forget every entry; without edits
    Sequence sequence = 0;    ///< the last one that `prepare` gave
    bool is_heard = false;    ///< `prepare` has listed what subscribers are to hear
};

/// What a store holds in memory, and the one way in which that changes: the storage first, memory
/// after (law 6).
///
/// Readers never wait for a disk: it has been written when they are locked out for the swap.
/// Whoever commits sees to it that nobody else does.
template <class Data>
class StoreMemory {
public:
    /// Without a storage: forgets on exit. The feed has to outlive it.
    StoreMemory(std::shared_ptr<Storage<Data>> storage, ChangeFeed<Data>& feed)
        : storage_(std::move(storage)), feed_(feed) {}

    /// Loads what the storage has. Throws `StorageError`.
    void open(std::string store_id) {
        if (storage_) load();
        state_.store_id = std::move(store_id);
    }

    [[nodiscard]] bool has_storage() const noexcept { return storage_ != nullptr; }

    /// What readers see; it stays as it is while they hold this.
    struct Reading {
        std::shared_lock<std::shared_mutex> lock;
        const EntryTable<Data>& table;
        const StoreState& state;
    };
    [[nodiscard]] Reading reading() const {
        Reading reading{std::shared_lock(mutex_), table_, state_};
        require_whole();
        return reading;
    }

    /// Nobody is to read, or to build on, a part of a commit: throws `StorageError` once memory ran
    /// out in the middle of one. For readers, and those who may commit.
    void require_whole() const {
        if (is_whole_) return;
        throw StorageError(
            "memory ran out before a commit could be shown; open the store again, on its storage");
    }

    /// The same for those who may commit: nobody else changes it.
    [[nodiscard]] const EntryTable<Data>& table() const noexcept { return table_; }
    [[nodiscard]] const StoreState& state() const noexcept { return state_; }

    /// The three steps of a commit. Throws `StorageError`; then nothing has changed. Where memory
    /// runs out in the last one, which needs little, this store is of no more use: each later call
    /// throws.
    void commit(Commit<Data>&& commit) {
        prepare(commit);
        try {
            persist(commit);
        } catch (...) {
            unstamp(commit);
            throw;
        }
        publish(commit);
    }

    /// Takes the memory that a commit needs, but for small change, because afterwards it is durable
    /// and has to be shown; then gives each new edit its sequence.
    void prepare(Commit<Data>& commit) {
        require_whole();
        make_room(commit.edits.written().size());
        commit.is_heard = feed_.has_listeners();
        if (commit.is_heard) list_changes(commit);
        commit.sequence = state_.sequence;
        auto next_place = static_cast<std::uint32_t>(table_.size());
        for (auto& written : commit.edits.written()) {
            if (!written.outcome) continue;
            Entry<Data>& entry = written.outcome.draft();
            stamp(entry, commit.sequence);
            if (entry.place == Entry<Data>::nowhere) entry.place = next_place++;
        }
    }

    /// Makes the commit durable; what it holds may be read meanwhile.
    void persist(const Commit<Data>& commit) {
        if (!storage_) return;
        StoreState state = commit.state ? *commit.state : state_;
        state.sequence = commit.sequence;
        StorageBatch<Data> batch{.clear = commit.everything, .state = &state};
        batch.write.reserve(commit.edits.written().size());
        batch.known.reserve(commit.edits.written().size());
        for (const auto& written : commit.edits.written()) {
            if (written.outcome) {
                batch.write.push_back(&*written.outcome);
                batch.known.push_back(commit.everything ? nullptr : table_.find(written.id()));
            } else {
                batch.erase.push_back(*written.forgotten);
            }
        }
        try {
            storage_->commit(batch);
        } catch (const StorageError&) {
            throw;
        } catch (const std::exception& error) {
            throw StorageError(std::string("nothing was stored: ") + error.what());
        }
    }

    /// Shows the commit to readers, and queues what subscribers are to hear of it.
    void publish(Commit<Data>& commit) {
        bool has_begun = storage_ != nullptr;  // it has what is not shown yet
        try {
            show(commit, has_begun);
        } catch (...) {
            const std::unique_lock lock(mutex_);
            is_whole_ = is_whole_ && !has_begun;
            throw;
        }
    }

private:
    void show(Commit<Data>& commit, bool& has_begun) {
        std::optional<EntryTable<Data>> before;  // freed when nobody is locked out any more
        {
            const std::unique_lock lock(mutex_);
            if (!commit.is_heard && feed_.has_listeners()) {
                // Somebody subscribed since, and may have read what this replaces.
                list_changes(commit);
                commit.is_heard = true;
            }
            has_begun = true;
            if (commit.everything) before = std::exchange(table_, {});
            auto& edits = commit.edits.written();
            for (std::size_t each = 0; each < edits.size(); ++each) {
                const auto& outcome = edits[each].outcome;
                auto known =
                    outcome ? table_.write(outcome.entry()) : table_.erase(*edits[each].forgotten);
                if (!commit.is_heard || known == nullptr || !known->is_visible()) continue;
                changes_[changes_.size() - edits.size() + each].before = known->local;
            }
            if (commit.state) state_ = std::move(*commit.state);
            state_.sequence = commit.sequence;
        }
        if (!commit.is_heard) return;
        std::erase_if(changes_, [](const auto& change) { return change.before == change.after; });
        feed_.queue(changes_);
    }

    void load() {
        StorageImage<Data> image = storage_->load();
        require_sequences(image);
        table_.reserve(image.entries.size());
        for (auto& entry : image.entries) {
            entry.place = static_cast<std::uint32_t>(table_.size());
            table_.write(std::make_shared<const Entry<Data>>(std::move(entry)));
        }
        state_ = std::move(image.state);
    }

    void make_room(std::size_t count) {
        if (table_.has_room(count)) return;
        auto index = table_.larger_index(count);  // beside those who read
        const std::unique_lock lock(mutex_);
        if (index) table_.swap_index(*index);
        table_.reserve(count);
    }

    /// A sequence names one edit: of two that share one, the outbox would lose one. And there have
    /// to be some left.
    static void require_sequences(const StorageImage<Data>& image) {
        constexpr Sequence most = std::numeric_limits<Sequence>::max() / 4;  // never by counting
        if (image.state.sequence > most) {
            throw StorageError("the storage is refused: its last sequence, " +
                               std::to_string(image.state.sequence) + ", leaves none for edits");
        }
        std::vector<std::pair<Sequence, std::string_view>> edits;
        for (const auto& entry : image.entries) {
            if (!entry.is_clean()) edits.emplace_back(entry.sequence, entry.local->id);
        }
        std::sort(edits.begin(), edits.end());
        const auto twice = std::adjacent_find(
            edits.begin(), edits.end(),
            [](const auto& one, const auto& other) { return one.first == other.first; });
        if (twice == edits.end()) return;
        throw StorageError("the storage is refused: its edits of " + quoted(twice->second) +
                           " and " + quoted(std::next(twice)->second) + " have the sequence " +
                           std::to_string(twice->first) + " both");
    }

    static void stamp(Entry<Data>& entry, Sequence& last) {
        if (entry.sequence != next_sequence) return;
        entry.sequence = ++last;
        if (entry.retry() && entry.retry()->sequence == next_sequence) {
            entry.edit_extras().retry->sequence = entry.sequence;
        }
    }

    /// Takes back the sequences of a commit that failed: the next edit is given them, and whoever
    /// made these entries may still have them, and try again.
    void unstamp(Commit<Data>& commit) const {
        for (auto& written : commit.edits.written()) {
            if (!written.outcome || written.outcome->sequence <= state_.sequence) continue;
            Entry<Data>& entry = written.outcome.draft();
            const bool has_retry = entry.retry() && entry.retry()->sequence == entry.sequence;
            if (has_retry) entry.edit_extras().retry->sequence = next_sequence;
            entry.sequence = next_sequence;
        }
    }

    /// Lists what subscribers are to hear: what everything was that is forgotten, and then what
    /// each edit leaves; what it replaces is not known before it is written.
    void list_changes(const Commit<Data>& commit) {
        changes_.clear();
        if (commit.everything) {
            table_.for_each([&](const auto& entry) {
                if (!entry->is_visible()) return;
                changes_.push_back({entry->local->id, entry->local, nullptr, commit.origin});
            });
        }
        changes_.reserve(changes_.size() + commit.edits.written().size());
        for (const auto& written : commit.edits.written()) {
            const auto& outcome = written.outcome;
            const bool is_visible = outcome && outcome->is_visible();
            changes_.push_back({std::string{written.id()}, nullptr,
                                is_visible ? outcome->local : nullptr, commit.origin});
        }
    }

    std::shared_ptr<Storage<Data>> storage_;
    ChangeFeed<Data>& feed_;
    std::vector<StoreChange<Data>> changes_;  // of the commit at hand

    mutable std::shared_mutex mutex_;  // guards table and state; taken for writing only to swap
    EntryTable<Data> table_;
    StoreState state_;
    bool is_whole_ = true;  // false: a commit was shown in part
};

}  // namespace sync_engine
