// SPDX-License-Identifier: MIT
#pragma once

#include <sync_engine/record/sync_record.hpp>
#include <sync_engine/store/entry.hpp>
#include <sync_engine/store/outcome.hpp>
#include <sync_engine/store/sequence.hpp>
#include <sync_engine/store/stamp.hpp>
#include <sync_engine/store/sync_rules.hpp>

#include <string>
#include <utility>

/// What an entry becomes when the app edits it: pure, an entry in and an entry out.
namespace sync_engine::rules {

/// The first thing the store hears of a record. It keeps the status it was given; only
/// `conflicted` says nothing here, since there is no other side yet.
template <class Data>
[[nodiscard]] Entry<Data> created(SyncRecord<Data>&& record) {
    if (record.status == SyncStatus::conflicted) record.status = SyncStatus::pending;
    record.unknown = fitting(std::move(record.unknown), record.data);
    Entry<Data> entry;
    entry.sequence = next_sequence;
    const bool claims_synced = record.status == SyncStatus::synced;
    entry.local = shared(std::move(record));
    if (claims_synced) entry.base = entry.local;
    return entry;
}

/// True if putting `record` is an edit: other content, a higher version, or the word that it is
/// modified. Another time or revision alone is none, and the claim to be synced never counts.
template <class Data>
[[nodiscard]] bool is_edit(const SyncRecord<Data>& stored, const SyncRecord<Data>& record) {
    return record.status == SyncStatus::modified || record.version > stored.version ||
           !same_content(stored, record);
}

/// An edit of a record that the store knows; also the re-creation of a deleted one.
///
/// Stamps that the caller changed are kept, but never below what the remote has; stamps that the
/// caller left alone, or that already stand for another content, are moved on. A re-creation is
/// above the tombstone in version and time, so that a lagging read of the deletion cannot undo it.
template <class Data>
[[nodiscard]] Entry<Data> edited(Entry<Data> entry, SyncRecord<Data> record, const Moment& moment) {
    const Stamp stored = stamp_of(*entry.local);
    const Stamp remote = remote_stamp(entry);
    Stamp stamp = stamp_of(record);
    if (stamp != stored) {
        stamp.raise(remote);
        if (entry.is_deleted()) stamp.raise(above(highest_stamp(entry), moment));
    }
    if (stamp == stored || stamp == remote) stamp = above(highest_stamp(entry), moment);
    set_stamp(record, stamp);
    record.unknown = fitting(std::move(record.unknown), record.data);
    record.status = entry.conflicted ? SyncStatus::conflicted : status_of_edit(entry);
    if (entry.base) record.revision = entry.base->revision;
    entry.local = shared(std::move(record));
    entry.sequence = next_sequence;
    return entry;
}

/// The record is deleted here. What the remote knows, or may know, becomes a tombstone; what it
/// never saw is forgotten. On a conflict, the deletion is the decision.
template <class Data>
[[nodiscard]] Outcome<Data> removed(Entry<Data> entry, const Moment& moment) {
    SyncRecord<Data> tombstone = entry.local->with_status(SyncStatus::deleted);
    if (entry.conflicted) return settled(entry, entry.theirs(), std::move(tombstone), moment);
    set_stamp(tombstone, above(highest_stamp(entry), moment));
    entry.local = shared(std::move(tombstone));
    entry.sequence = next_sequence;
    return without_needless_deletion(std::move(entry), moment.now);
}

/// The unsent edit is given up: back to what the remote has, as far as we know it.
template <class Data>
[[nodiscard]] Outcome<Data> discarded(Entry<Data> entry, Timestamp now) {
    if (entry.theirs() != nullptr) return taken(&entry, entry.theirs(), now);
    if (entry.base == nullptr) return std::nullopt;
    make_clean(entry, now);
    return entry;
}

/// The caller knows that the remote has this state. What waits and is older than that was there
/// before it, and is no news any more.
template <class Data>
[[nodiscard]] Entry<Data> marked_synced(Entry<Data> entry, Timestamp now) {
    const RecordPtr<Data> theirs = entry.theirs();
    move_base(entry, remote_state(*entry.local));
    make_clean(entry, now);
    if (theirs && !is_older(*theirs, *entry.base)) entry.edit_extras().theirs = theirs;
    return entry;
}

/// The caller wants this state pushed again.
template <class Data>
[[nodiscard]] Entry<Data> marked_modified(Entry<Data> entry, const Moment& moment) {
    SyncRecord<Data> record = *entry.local;
    return edited(std::move(entry), std::move(record), moment);
}

}  // namespace sync_engine::rules
