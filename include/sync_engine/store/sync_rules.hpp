// SPDX-License-Identifier: MIT
#pragma once

#include <sync_engine/record/sync_record.hpp>
#include <sync_engine/store/entry.hpp>
#include <sync_engine/store/outcome.hpp>
#include <sync_engine/store/sequence.hpp>
#include <sync_engine/store/stamp.hpp>

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

/// What an entry becomes when the remote has its say: pure, an entry in and an entry out.
namespace sync_engine::rules {

/// How many superseded revisions an entry remembers: a replica that lags by more than this many
/// writes of one record, and serves neither times nor versions, is not noticed.
inline constexpr std::size_t superseded_limit = 4;

template <class Data>
[[nodiscard]] RecordPtr<Data> shared(SyncRecord<Data>&& record) {
    return std::make_shared<const SyncRecord<Data>>(std::move(record));
}

/// A state as the remote has it: whatever status it came with, it is synced or deleted here.
template <class Data>
[[nodiscard]] RecordPtr<Data> remote_state(SyncRecord<Data>&& record) {
    if (!record.is_deleted()) record.status = SyncStatus::synced;
    return shared(std::move(record));
}

/// The same of a state that somebody else keeps.
template <class Data>
[[nodiscard]] RecordPtr<Data> remote_state(const SyncRecord<Data>& record) {
    return remote_state(SyncRecord<Data>{record});
}

/// What was sent, as the remote has it under this revision.
template <class Data>
[[nodiscard]] RecordPtr<Data> stored_state(const SyncRecord<Data>& sent, std::string revision) {
    auto stored = std::make_shared<SyncRecord<Data>>(sent);
    if (!stored->is_deleted()) stored->status = SyncStatus::synced;
    stored->revision = std::move(revision);
    return stored;
}

/// The status of an unsent edit: `pending` as long as the remote has nothing alive to modify.
template <class Data>
[[nodiscard]] SyncStatus status_of_edit(const Entry<Data>& entry) noexcept {
    return entry.base && !entry.base->is_deleted() ? SyncStatus::modified : SyncStatus::pending;
}

/// Remembers that the remote has left `state` behind, if there is one, for the one of `revision`.
template <class Data>
void leave_behind(Entry<Data>& entry, const RecordPtr<Data>& state, const std::string& revision) {
    if (state && !state->revision.empty() && state->revision != revision) {
        auto& left = entry.edit_extras().superseded;
        if (left.size() >= superseded_limit) left.erase(left.begin());
        left.push_back(state->revision);
    }
    if (!entry.superseded().empty()) std::erase(entry.edit_extras().superseded, revision);
}

/// Makes `base` the remote's state, and remembers the revision that it leaves behind.
template <class Data>
void move_base(Entry<Data>& entry, RecordPtr<Data> base) {
    leave_behind(entry, entry.base, base->revision);
    entry.base = std::move(base);
}

/// What waits, waits no more: the remote has moved on to the state of `revision`.
template <class Data>
void drop_theirs(Entry<Data>& entry, const std::string& revision) {
    if (entry.theirs() == nullptr) return;
    leave_behind(entry, entry.theirs(), revision);
    entry.extras->theirs = nullptr;
}

/// Everything is settled: local is base. A deletion keeps its stamps, not its content.
template <class Data>
void make_clean(Entry<Data>& entry, Timestamp now) {
    if (entry.base->is_deleted()) {
        SyncRecord<Data> husk{.id = entry.base->id,
                              .status = SyncStatus::deleted,
                              .updated_at = entry.base->updated_at,
                              .version = entry.base->version,
                              .revision = entry.base->revision};
        entry.base = shared(std::move(husk));
        entry.edit_extras().settled_at = now;
    }
    entry.local = entry.base;
    entry.conflicted = false;
    if (entry.superseded().empty() && entry.settled_at() == Timestamp{}) {
        entry.extras.reset();
    } else {
        *entry.extras = {.superseded = std::move(entry.extras->superseded),
                         .settled_at = entry.extras->settled_at};
    }
}

/// A copy of what of an entry outlives `make_clean`: the rest costs most of a copy.
template <class Data>
[[nodiscard]] Entry<Data> lasting_part(const Entry<Data>& known) {
    Entry<Data> entry{.local = known.local,
                      .base = known.base,
                      .sequence = known.sequence,
                      .pulled_since_ack = known.pulled_since_ack,
                      .absent_once = known.absent_once,
                      .place = known.place};
    if (known.superseded().empty() && known.settled_at() == Timestamp{}) return entry;
    entry.extras =
        EntryExtras<Data>{.superseded = known.superseded(), .settled_at = known.settled_at()};
    return entry;
}

/// True for an unsent deletion of what the remote does not have, nor may have through something
/// that was sent: there is nothing to delete.
template <class Data>
[[nodiscard]] bool is_needless_deletion(const Entry<Data>& entry) noexcept {
    return entry.is_deleted() && !entry.is_clean() && entry.sent().empty() &&
           entry.theirs() == nullptr && (entry.base == nullptr || entry.base->is_deleted());
}

/// What is left of a needless deletion: what was deleted before stays remembered, what the remote
/// never had is forgotten. Any other entry stays as it is.
template <class Data>
[[nodiscard]] Outcome<Data> without_needless_deletion(Entry<Data> entry, Timestamp now) {
    if (!is_needless_deletion(entry)) return entry;
    if (entry.base == nullptr) return std::nullopt;
    make_clean(entry, now);
    return entry;
}

/// Puts an unsent edit on the remote's newest state: it stays dirty and is a new edit, because an
/// operation id that the remote may have seen must not stand for another outcome.
template <class Data>
void rebase_edit(Entry<Data>& entry, SyncRecord<Data> edit) {
    if (!edit.is_deleted()) edit.status = status_of_edit(entry);
    edit.revision = entry.base->revision;
    entry.local = shared(std::move(edit));
    entry.sequence = next_sequence;
    entry.conflicted = false;
    if (!entry.extras) return;
    entry.extras->sent.clear();
    entry.extras->theirs = nullptr;
}

/// Attempts and dead letter stay with an edit that became another one without the app's doing.
template <class Data>
void keep_retry(Entry<Data>& entry) {
    RetryState& retry = *entry.edit_extras().retry;
    retry.sequence = next_sequence;
    retry.operation_id.clear();
}

/// Makes an unsent edit another one, with another operation id; attempts and dead letter stay.
template <class Data>
void renew_edit(Entry<Data>& entry) {
    const bool retry_holds = entry.active_retry() != nullptr;
    entry.sequence = next_sequence;
    if (retry_holds) keep_retry(entry);
}

/// Lifts an unsent edit above a base that is not below it in version and time, as another edit:
/// otherwise other devices would take it for a stale read, or a stale read of base for news.
template <class Data>
void lift_edit(Entry<Data>& entry, const Moment& moment) {
    const Stamp base = stamp_of(*entry.base);
    if (entry.local->version > base.version && entry.local->updated_at > base.updated_at) return;
    SyncRecord<Data> edit = *entry.local;
    set_stamp(edit, above(highest_stamp(entry), moment));
    entry.local = shared(std::move(edit));
    renew_edit(entry);
}

/// The members that `Data` does not know, under an edit of ours that is put on the remote's state
/// `theirs`. This device never edits them, so they are never in conflict: they are theirs, and ours
/// where theirs was deleted, or has lost the object that they lay in.
template <class Data>
[[nodiscard]] UnknownMembers unknown_on(const Entry<Data>& entry, const SyncRecord<Data>& theirs,
                                        const Data& edit) {
    if constexpr (knows_all_members<Data>) {
        return {};
    } else {
        const UnknownMembers ours = entry.is_deleted() ? UnknownMembers{} : entry.local->unknown;
        if (theirs.is_deleted()) return fitting(ours, edit);
        if (ours.empty() || ours == theirs.unknown) return fitting(theirs.unknown, edit);
        const bool has_base = entry.base != nullptr && !entry.base->is_deleted();
        return fitting(
            united(has_base ? &entry.base->unknown : nullptr, ours, theirs.unknown, theirs.data),
            edit);
    }
}

/// Gives the unsent edit the unknown members of `theirs`, before that becomes base, where base had
/// others: that makes it another edit.
template <class Data>
void carry_unknown(Entry<Data>& entry, const SyncRecord<Data>& theirs, const Moment& moment) {
    if (entry.is_deleted() || theirs.is_deleted()) return;
    if (theirs.unknown == entry.base->unknown) return;
    auto unknown = unknown_on(entry, theirs, entry.local->data);
    if (unknown == entry.local->unknown) return;
    SyncRecord<Data> edit = *entry.local;
    edit.unknown = std::move(unknown);
    set_stamp(edit, above(highest_stamp(entry), moment));
    entry.local = shared(std::move(edit));
    renew_edit(entry);
}

/// The remote's state, as `remote_state` made it, becomes ours; `known` is null for a record we
/// never had.
template <class Data>
[[nodiscard]] Entry<Data> taken(const Entry<Data>* known, RecordPtr<Data> remote, Timestamp now) {
    Entry<Data> entry = known ? lasting_part(*known) : Entry<Data>{.sequence = next_sequence};
    const RecordPtr<Data> waiting = known ? known->theirs() : nullptr;
    move_base(entry, std::move(remote));
    leave_behind(entry, waiting, entry.base->revision);
    make_clean(entry, now);
    entry.pulled_since_ack = true;
    entry.absent_once = false;
    return entry;
}

template <class Data>
[[nodiscard]] Entry<Data> taken(const Entry<Data>* known, SyncRecord<Data> remote, Timestamp now) {
    return taken(known, remote_state(std::move(remote)), now);
}

/// The remote holds what we hold, perhaps normalised or under new stamps: base follows it, and so
/// does local unless it is an unsent edit.
template <class Data>
[[nodiscard]] Entry<Data> refreshed(Entry<Data> entry, RecordPtr<Data> remote,
                                    const Moment& moment) {
    const bool is_clean = entry.is_clean();
    const bool is_restamped = stamp_of(*entry.base) != stamp_of(*remote);
    if (!is_clean) carry_unknown(entry, *remote, moment);
    move_base(entry, std::move(remote));
    entry.pulled_since_ack = true;
    entry.absent_once = false;
    if (is_clean) {
        make_clean(entry, moment.now);
    } else if (is_restamped) {
        lift_edit(entry, moment);
    }
    return entry;
}

/// The remote has our base under new stamps: our edit stays, above them.
template <class Data>
[[nodiscard]] Entry<Data> rebased(Entry<Data> entry, RecordPtr<Data> remote, const Moment& moment) {
    const bool retry_holds = entry.active_retry() != nullptr;
    const Stamp theirs = stamp_of(*remote);
    const Stamp highest = highest_stamp(entry);
    move_base(entry, std::move(remote));
    drop_theirs(entry, entry.base->revision);
    SyncRecord<Data> edit = *entry.local;
    if (edit.version <= theirs.version || edit.updated_at <= theirs.updated_at) {
        Stamp floor = theirs;
        floor.raise(highest);
        set_stamp(edit, above(floor, moment));
    }
    rebase_edit(entry, std::move(edit));
    if (retry_holds) keep_retry(entry);
    entry.pulled_since_ack = true;
    entry.absent_once = false;
    return entry;
}

/// A conflict is decided (law 4): a winner that is the remote's state leaves nothing to push; any
/// other is stamped above both sides, rebased on the remote's state, and dirty.
template <class Data>
[[nodiscard]] Entry<Data> settled(const Entry<Data>& known, RecordPtr<Data> theirs,
                                  SyncRecord<Data> winner, const Moment& moment) {
    if (!winner.is_deleted()) winner.unknown = unknown_on(known, *theirs, winner.data);
    if (same_content(winner, *theirs)) return taken(&known, std::move(theirs), moment.now);
    Entry<Data> entry = known;
    Stamp floor = highest_stamp(entry);
    floor.raise(stamp_of(*theirs));
    move_base(entry, std::move(theirs));
    drop_theirs(entry, entry.base->revision);
    set_stamp(winner, above(floor, moment));
    rebase_edit(entry, std::move(winner));
    entry.pulled_since_ack = true;
    entry.absent_once = false;
    return entry;
}

/// The same for a winner that may be `theirs` itself.
template <class Data>
[[nodiscard]] Entry<Data> settled(const Entry<Data>& known, RecordPtr<Data> theirs,
                                  const RecordPtr<Data>& winner, const Moment& moment) {
    const bool is_theirs = winner == theirs && known.local->unknown.empty();
    if (is_theirs) return taken(&known, std::move(theirs), moment.now);
    return settled(known, std::move(theirs), SyncRecord<Data>{*winner}, moment);
}

/// No decision yet: the remote's state waits on the entry, for a resolver in the next cycle, or for
/// the user (`conflicted`).
template <class Data>
[[nodiscard]] Entry<Data> waiting(Entry<Data> entry, RecordPtr<Data> theirs, bool for_user) {
    drop_theirs(entry, theirs->revision);
    entry.edit_extras().theirs = std::move(theirs);
    entry.conflicted = for_user;
    if (for_user && entry.is_visible() && entry.local->status != SyncStatus::conflicted) {
        entry.local = shared(entry.local->with_status(SyncStatus::conflicted));
    }
    return entry;
}

template <class Data>
[[nodiscard]] Entry<Data> waiting(Entry<Data> entry, SyncRecord<Data> theirs, bool for_user) {
    return waiting(std::move(entry), remote_state(std::move(theirs)), for_user);
}

/// The state that was sent under this name, or the end.
template <class Data>
[[nodiscard]] auto find_operation(std::vector<Sent<Data>>& sent, const std::string& operation_id) {
    return std::find_if(sent.begin(), sent.end(),
                        [&](const auto& each) { return each.operation_id == operation_id; });
}

/// The commit before a push: the state that is about to be sent is remembered with its operation.
template <class Data>
[[nodiscard]] Entry<Data> staged(Entry<Data> entry, std::string operation_id) {
    auto& sent = entry.edit_extras().sent;
    auto found = find_operation(sent, operation_id);
    if (found == sent.end()) {
        sent.push_back({std::move(operation_id), entry.sequence, entry.local, 0});
        found = std::prev(sent.end());
    }
    found->record = entry.local;  // the same edit, perhaps on a newer base by now
    ++found->attempts;
    return entry;
}

/// The last send never reached the remote: it counts as not sent. An earlier one still may have.
template <class Data>
[[nodiscard]] Entry<Data> unstaged(Entry<Data> entry, const std::string& operation_id) {
    auto& sent = entry.edit_extras().sent;
    const auto found = find_operation(sent, operation_id);
    if (found != sent.end() && --found->attempts == 0) sent.erase(found);
    return entry;
}

/// True for a local state that is the edit that was sent: `renew_edit` gives it another name, and
/// whatever else makes a new edit gives it other stamps.
template <class Data>
[[nodiscard]] bool is_renamed(const SyncRecord<Data>& local, const Sent<Data>& sent) {
    return stamp_of(local) == stamp_of(*sent.record) && same_content(local, *sent.record);
}

/// The remote has exactly what was sent (law 2): that becomes base, and an edit made since stays
/// dirty on top of it. `echo` is the state that a pull showed, which may carry the remote's stamps.
template <class Data>
[[nodiscard]] Entry<Data> acknowledged(const Entry<Data>& known, const Sent<Data>& sent,
                                       RecordPtr<Data> echo, const Moment& moment) {
    const bool is_same_edit = known.sequence == sent.sequence || is_renamed(*known.local, sent);
    if (is_same_edit && known.theirs() == nullptr) {
        Entry<Data> entry = taken(&known, std::move(echo), moment.now);
        entry.pulled_since_ack = false;
        return entry;
    }
    const Sequence acknowledged_edit = sent.sequence;
    Entry<Data> entry = known;
    move_base(entry, std::move(echo));
    entry.pulled_since_ack = false;
    entry.absent_once = false;
    auto& extras = entry.edit_extras();
    std::erase_if(extras.sent,
                  [&](const auto& earlier) { return earlier.sequence <= acknowledged_edit; });
    if (is_needless_deletion(entry)) {
        make_clean(entry, moment.now);
        return entry;
    }
    if (extras.retry && extras.retry->sequence <= acknowledged_edit) extras.retry.reset();
    SyncRecord<Data> edit = *entry.local;
    edit.revision = entry.base->revision;
    if (!edit.is_deleted() && !entry.conflicted) edit.status = status_of_edit(entry);
    entry.local = shared(std::move(edit));
    lift_edit(entry, moment);
    return entry;
}

}  // namespace sync_engine::rules
