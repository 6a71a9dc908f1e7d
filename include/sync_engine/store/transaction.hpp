// SPDX-License-Identifier: MIT
#pragma once

#include <sync_engine/record/error.hpp>
#include <sync_engine/record/sync_record.hpp>
#include <sync_engine/store/conflict.hpp>
#include <sync_engine/store/edit_rules.hpp>
#include <sync_engine/store/entry.hpp>
#include <sync_engine/store/entry_table.hpp>
#include <sync_engine/store/outcome.hpp>
#include <sync_engine/store/overlay.hpp>
#include <sync_engine/store/stamp.hpp>

#include <array>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sync_engine {

/// Edits that are newer than the table and not durable yet, newest first; null: none.
template <class Data>
using PendingEdits = std::array<const Overlay<Data>*, 2>;

/// Several edits that become one commit. Given to the body of `LocalStore::transact`, and of no use
/// after it.
///
/// It sees its own edits; the store and its other readers do not until the commit. Every edit that
/// a store offers is one of these: what is said of it here holds there too. An edit that throws
/// leaves the transaction as it was before that edit; what the body of an `update` edited stays.
template <class Data>
class Transaction {
public:
    /// For stores: edits what `table` and the newer `pending` edits hold, and stamps by `moment`.
    Transaction(const EntryTable<Data>& table, Moment moment, PendingEdits<Data> pending = {})
        : table_(table), pending_(pending), moment_(moment) {}

    /// Stores an edit, the whole record, and marks it for the next push. What a copy was read from
    /// may have moved meanwhile: `update` changes the record as it is now. With status `deleted` it
    /// is `remove`. The members that `Data` does not know are not edited: the record keeps those
    /// that the store has, whatever it comes with. Throws `InvalidRecord` if the record could never
    /// travel.
    void put(SyncRecord<Data> record) {
        check_record(record);
        put_checked(std::move(record));
    }

    /// `put` for each, or for none if one of them is refused.
    void put_all(std::vector<SyncRecord<Data>> records) {
        for (const auto& record : records) check_record(record);
        if (records.size() > 1) edits_.reserve(edits_.written().size() + records.size());
        for (auto& record : records) put_checked(std::move(record));
    }

    /// Lets `change(Data&)` change the data and stamps the record. False if it changed nothing;
    /// throws `NotFound` where there is no such record, and `std::logic_error` where the body
    /// itself edited that record in this transaction.
    template <class Body>
    bool update(std::string_view id, Body&& change) {
        const Entry<Data>* found = visible(id);
        if (found == nullptr) {
            throw NotFound(detail::named(id) + " cannot be updated: the store does not have it");
        }
        Entry<Data> known = *found;  // the body may edit this transaction, which moves its entries
        SyncRecord<Data> record = *known.local;
        std::forward<Body>(change)(record.data);
        if (same_content(record, *known.local)) return false;
        const Entry<Data>* latest = entry(id);
        if (latest == nullptr || latest->local != known.local) {
            throw std::logic_error(
                detail::named(id) +
                " was edited inside the body of its own update, which would undo "
                "that; edit it before or after");
        }
        check_record(record);
        write(rules::edited(std::move(known), std::move(record), moment_));
        return true;
    }

    /// Deletes the record; false if the store does not have it. What the remote knows becomes a
    /// tombstone that travels, what it never saw just disappears.
    bool remove(std::string_view id) {
        const Entry<Data>* known = entry(id);
        if (known == nullptr || (known->is_deleted() && !known->conflicted)) return false;
        edits_.write(id, rules::removed(*known, moment_));
        return true;
    }

    /// Gives up the unsent edit, tombstone or dead letter: back to the last agreed state, or to
    /// theirs on a conflict. False if there was nothing to give up.
    bool discard_changes(std::string_view id) {
        const Entry<Data>* known = entry(id);
        if (known == nullptr || known->is_clean()) return false;
        edits_.write(id, rules::discarded(*known, moment_.now));
        return true;
    }

    /// Forgets a clean record here and only here; the remote keeps it. False if the store does not
    /// have it; throws `Refused` where an unsent edit would be lost.
    bool evict(std::string_view id) {
        const Entry<Data>* known = visible(id);
        if (known == nullptr) return false;
        if (!known->is_clean() || !known->sent().empty() || known->theirs() != nullptr) {
            throw Refused(
                detail::named(id) +
                " cannot be evicted: it has changes that the remote has not acknowledged; "
                "sync first, or discard them");
        }
        edits_.write(id, std::nullopt);
        return true;
    }

    /// Says that the remote has the record as it is here. False if the store does not have it;
    /// throws `Refused` on a conflict, which has to be resolved.
    bool mark_synced(std::string_view id) {
        const Entry<Data>* known = entry(id);
        if (known == nullptr || known->is_husk()) return false;
        if (known->conflicted) {
            throw Refused(detail::named(id) +
                          " cannot be marked as synced: it is in conflict; resolve it");
        }
        if (!known->is_clean()) write(rules::marked_synced(*known, moment_.now));
        return true;
    }

    /// Says that the record is to be pushed again as it is. False if the store does not have it.
    bool mark_modified(std::string_view id) {
        const Entry<Data>* known = visible(id);
        if (known == nullptr) return false;
        write(rules::marked_modified(*known, moment_));
        return true;
    }

    /// Decides a conflict against the newest remote state. Throws `NotFound` where there is none.
    void resolve(std::string_view id, SyncRecord<Data> record) {
        const Entry<Data>& known = in_conflict(id);
        if (record.id != id) {
            throw InvalidRecord("conflict on " + detail::named(id) +
                                " cannot be resolved by a record with another id, " +
                                quoted(record.id));
        }
        check_record(record);
        write(rules::settled(known, known.theirs(), std::move(record), moment_));
    }

    /// Decides a conflict as it was listed. Throws `Refused` if the remote state has moved since.
    /// An edit made here since is decided too: list again where there may be one.
    void resolve(const Conflict<Data>& conflict, SyncRecord<Data> record) {
        if (!(*in_conflict(conflict.id).theirs() == conflict.theirs)) {
            throw Refused("conflict on " + detail::named(conflict.id) +
                          " cannot be resolved: the remote state has changed since it was listed; "
                          "list the conflicts again");
        }
        resolve(conflict.id, std::move(record));
    }

    /// The record as this transaction sees it; nothing if it is not there or deleted.
    [[nodiscard]] std::optional<SyncRecord<Data>> get(std::string_view id) const {
        const Entry<Data>* known = visible(id);
        if (known == nullptr) return std::nullopt;
        return *known->local;
    }

    /// The same without a copy; null if it is not there or deleted.
    [[nodiscard]] RecordPtr<Data> find(std::string_view id) const {
        const Entry<Data>* known = visible(id);
        return known == nullptr ? nullptr : known->local;
    }

    /// What is to be committed, in the order of the first edit of each record; for the store.
    [[nodiscard]] Overlay<Data> take() { return std::exchange(edits_, {}); }

    /// True if it has looked at what is not durable yet; for the store.
    [[nodiscard]] bool has_seen_pending() const noexcept { return has_seen_pending_; }

    /// The entry as this transaction sees it, or null; for the store.
    [[nodiscard]] const Entry<Data>* entry(std::string_view id) const {
        if (const auto* outcome = edits_.find(id)) return entry_of(*outcome);
        for (const Overlay<Data>* edits : pending_) {
            const auto* outcome = edits != nullptr ? edits->find(id) : nullptr;
            if (outcome == nullptr) continue;
            has_seen_pending_ = true;
            return entry_of(*outcome);
        }
        return table_.find(id);
    }

    /// Replaces an entry; for the store.
    void write(Entry<Data> changed) { edits_.write(std::move(changed)); }

private:
    static const Entry<Data>* entry_of(const Outcome<Data>& outcome) {
        return outcome ? &*outcome : nullptr;
    }

    void put_checked(SyncRecord<Data>&& record) {
        const Entry<Data>* known = entry(record.id);
        if (known == nullptr) return write(rules::created(std::move(record)));
        if (record.is_deleted()) {
            remove(record.id);
            return;
        }
        if (known->is_visible()) record.unknown = known->local->unknown;
        if (rules::is_edit(*known->local, record)) {
            write(rules::edited(*known, std::move(record), moment_));
        }
    }

    [[nodiscard]] const Entry<Data>* visible(std::string_view id) const {
        const Entry<Data>* known = entry(id);
        return known != nullptr && known->is_visible() ? known : nullptr;
    }

    [[nodiscard]] const Entry<Data>& in_conflict(std::string_view id) const {
        const Entry<Data>* known = entry(id);
        if (known == nullptr || !known->conflicted) {
            throw NotFound(detail::named(id) + " has no conflict to resolve");
        }
        return *known;
    }

    const EntryTable<Data>& table_;
    PendingEdits<Data> pending_;
    Moment moment_;
    Overlay<Data> edits_;
    mutable bool has_seen_pending_ = false;
};

}  // namespace sync_engine
