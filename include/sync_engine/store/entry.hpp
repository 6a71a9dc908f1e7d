// SPDX-License-Identifier: MIT
#pragma once

#include <sync_engine/record/sync_record.hpp>
#include <sync_engine/store/boxed.hpp>
#include <sync_engine/store/retry_state.hpp>
#include <sync_engine/store/sequence.hpp>

#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <new>
#include <string>
#include <utility>
#include <vector>

namespace sync_engine {

/// A record as the store keeps it: never changed, so it is shared instead of copied.
template <class Data = nlohmann::json>
using RecordPtr = std::shared_ptr<const SyncRecord<Data>>;

/// The id of a record, kept by the record that it stands in: shared instead of copied.
using IdPtr = std::shared_ptr<const std::string>;

/// The id of a record that is shared.
template <class Data>
[[nodiscard]] IdPtr id_of(RecordPtr<Data> record) noexcept {
    const std::string* id = &record->id;
    return {std::move(record), id};
}

/// A state that was sent to the remote and not yet answered: the remote may have it or not.
template <class Data>
struct Sent {
    std::string operation_id{};  ///< the name that it was sent under
    Sequence sequence = 0;       ///< the edit that it was
    RecordPtr<Data> record{};    ///< what was sent
    unsigned attempts = 0;       ///< how often it was sent
};

/// What most entries have none of, kept in one box: an entry without it is half the size. Only an
/// entry whose record had several revisions, or was deleted, keeps one for long.
template <class Data>
struct EntryExtras {
    std::vector<Sent<Data>> sent{};  ///< not answered yet, oldest first
    RecordPtr<Data> theirs{};        ///< a remote state that waits for a decision; null: none
    Boxed<RetryState> retry{};       ///< of the attempts to push; empty: nothing to tell
    std::vector<std::string> superseded{};  ///< revisions that base has left behind, newest last
    Timestamp settled_at{};                 ///< of a husk: since when it is one
};

/// All that the store knows of one record.
///
/// It is clean when `local` and `base` are the same object; a deletion that is clean is a husk: it
/// only remembers that and when the record was deleted.
template <class Data = nlohmann::json>
struct Entry {
    RecordPtr<Data> local{};            ///< what the app sees; a tombstone has status `deleted`
    RecordPtr<Data> base{};             ///< last state known to be on the remote; null: none
    Sequence sequence = 0;              ///< the last edit; `next_sequence`: stamped at the commit
    bool conflicted = false;            ///< `theirs` waits for the user; otherwise for a resolver
    bool pulled_since_ack = false;      ///< a listing has shown it since we last wrote it
    bool absent_once = false;           ///< one full listing did not hold it
    std::uint32_t place = nowhere;      ///< where the table has it, unless it was moved since
    Boxed<EntryExtras<Data>> extras{};  ///< read by the next five, made by `edit_extras`

    /// The place of an entry that no table has had yet.
    static constexpr std::uint32_t nowhere = std::numeric_limits<std::uint32_t>::max();

    /// What was sent and not answered yet, oldest first.
    [[nodiscard]] const std::vector<Sent<Data>>& sent() const noexcept {
        return extras_or_none().sent;
    }
    /// A remote state that waits for a decision; null: none.
    [[nodiscard]] const RecordPtr<Data>& theirs() const noexcept { return extras_or_none().theirs; }
    /// What became of the attempts to push; empty: nothing to tell. `active_retry` says whether it
    /// is of the last edit.
    [[nodiscard]] const Boxed<RetryState>& retry() const noexcept { return extras_or_none().retry; }
    /// Revisions that base has left behind, newest last.
    [[nodiscard]] const std::vector<std::string>& superseded() const noexcept {
        return extras_or_none().superseded;
    }
    /// Of a husk: since when it is one.
    [[nodiscard]] Timestamp settled_at() const noexcept { return extras_or_none().settled_at; }

    /// The extras, to be changed; made if there are none.
    [[nodiscard]] EntryExtras<Data>& edit_extras() { return extras ? *extras : extras.emplace(); }

    /// True where nothing is to be pushed: it is as the remote has it, as far as we know.
    [[nodiscard]] bool is_clean() const noexcept { return local == base; }
    /// True for a tombstone, which the app cannot see, settled or not.
    [[nodiscard]] bool is_deleted() const noexcept { return local->is_deleted(); }
    /// True for what the app can see.
    [[nodiscard]] bool is_visible() const noexcept { return !is_deleted(); }
    /// True for a deletion that is settled: it waits to be forgotten.
    [[nodiscard]] bool is_husk() const noexcept { return is_clean() && is_deleted(); }
    /// True where an edit is to be pushed; a dead letter is one too, a conflict for the user is
    /// not.
    [[nodiscard]] bool is_dirty() const noexcept { return !is_clean() && !conflicted; }
    /// True where a remote state waits for a resolver, which the next sync asks.
    [[nodiscard]] bool is_parked() const noexcept {
        return extras && extras->theirs != nullptr && !conflicted;
    }

    /// The retry state, if it speaks of the last edit.
    [[nodiscard]] const RetryState* active_retry() const noexcept {
        const bool is_active = extras && extras->retry && extras->retry->sequence == sequence;
        return is_active ? &*extras->retry : nullptr;
    }
    /// True where the last edit was refused for good or ran out of attempts.
    [[nodiscard]] bool is_dead_letter() const noexcept {
        const auto* state = active_retry();
        return is_dirty() && state != nullptr && state->dead;
    }

private:
    [[nodiscard]] const EntryExtras<Data>& extras_or_none() const noexcept {
        return extras ? *extras : none();
    }

    static const EntryExtras<Data>& none() noexcept {
        // For ever, and without the heap: a store may be static, and this throws nothing.
        alignas(EntryExtras<Data>) static std::byte place[sizeof(EntryExtras<Data>)];
        static const auto* const none = ::new (static_cast<void*>(place)) EntryExtras<Data>;
        return *none;
    }
};

/// An entry as a commit left it: never changed, so it is shared instead of copied. Null: none.
template <class Data>
using EntryPtr = std::shared_ptr<const Entry<Data>>;

/// Whether what was sent is all that an entry differs in from what it was before: it was staged.
template <class Data>
[[nodiscard]] bool same_but_sent(const Entry<Data>& before, const Entry<Data>& entry) {
    return before.local == entry.local && before.base == entry.base &&
           before.theirs() == entry.theirs() && before.sequence == entry.sequence &&
           before.conflicted == entry.conflicted &&
           before.pulled_since_ack == entry.pulled_since_ack &&
           before.absent_once == entry.absent_once && before.retry() == entry.retry() &&
           before.superseded() == entry.superseded() && before.settled_at() == entry.settled_at();
}

}  // namespace sync_engine
