// SPDX-License-Identifier: MIT
#pragma once

#include <sync_engine/conflict/reconcile.hpp>
#include <sync_engine/record/sync_record.hpp>
#include <sync_engine/store/entry.hpp>
#include <sync_engine/store/outcome.hpp>
#include <sync_engine/store/stamp.hpp>
#include <sync_engine/store/sync_rules.hpp>

#include <algorithm>
#include <utility>

namespace sync_engine {

/// How we came to know a remote state.
enum class Source {
    pull,     ///< from a pull, which may be served by a replica that lags
    rescan,   ///< from a full scan after a reset: the remote starts over, so nothing is stale
    verdict,  ///< the remote named it when it refused our push: it is what it holds
    certain,  ///< it accepted that, or it waits here and was judged when it came: no lagging read
};

/// What a remote state comes to for one record.
enum class Judgement {
    nothing,        ///< it tells us nothing new
    adopted,        ///< the entry changes, nobody has to decide
    acknowledged,   ///< it is what we sent: our push went through (law 5)
    conflict,       ///< a resolver has to decide
    contradiction,  ///< a conflict was claimed where the remote holds just what we started from
};

template <class Data>
struct Judged {
    Judgement judgement = Judgement::nothing;
    Outcome<Data> entry{};  ///< what it becomes, where the judgement changes it
};

namespace detail {

/// Older than base in both stamps; or a revision that the remote has left behind, unless a stamp is
/// newer than base's. A remote without times has nothing else, and a put may keep one of base's.
template <class Data>
bool is_stale(const Entry<Data>& entry, const SyncRecord<Data>& remote) {
    if (remote.updated_at != Timestamp{}) {
        if (entry.base == nullptr) return false;
        if (is_older(remote, *entry.base)) return true;
        const auto [version, updated_at] = stamp_of(*entry.base);
        if (remote.version > version || remote.updated_at > updated_at) return false;
    }
    const auto& left = entry.superseded();
    return !remote.revision.empty() &&
           std::find(left.begin(), left.end(), remote.revision) != left.end();
}

/// Older than the state that waits, which came after base: a replica that lags shows it.
template <class Data>
bool is_behind_theirs(const Entry<Data>& entry, const SyncRecord<Data>& remote) {
    if (entry.theirs() == nullptr) return false;
    if (entry.base && !remote.revision.empty() && remote.revision == entry.base->revision) {
        return true;
    }
    return is_older(remote, *entry.theirs());
}

/// The newest state sent and not answered whose content the remote shows.
///
/// All deletions look alike: one that is stamped above an edit that we sent later was made by
/// somebody who has seen that edit, and is no echo of an earlier deletion of ours.
template <class Data>
const Sent<Data>* echo_of(const Entry<Data>& entry, const SyncRecord<Data>& remote) {
    bool has_seen_later = false;
    for (auto sent = entry.sent().rbegin(); sent != entry.sent().rend(); ++sent) {
        const SyncRecord<Data>& ours = *sent->record;
        if (same_content(ours, remote)) {
            return remote.is_deleted() && has_seen_later ? nullptr : &*sent;
        }
        has_seen_later = has_seen_later ||
                         (remote.version > ours.version && remote.updated_at > ours.updated_at);
    }
    return nullptr;
}

/// Base itself, by its stamps: what we sent has other ones, also where an edit back to base is
/// among it. So nothing of it has arrived yet, or a replica that lags was read. A verdict says that
/// the push was refused, and may as well be an echo.
template <class Data>
bool is_base(const Entry<Data>& entry, const SyncRecord<Data>& remote, Source source) {
    return source != Source::verdict && entry.base != nullptr && remote.updated_at != Timestamp{} &&
           stamp_of(remote) == stamp_of(*entry.base) && remote.revision == entry.base->revision &&
           same_content(remote, *entry.base);
}

/// A remote without times says nothing about stamps: the state it shows keeps the ones we know.
template <class Data>
RecordPtr<Data> with_known_stamps(const RecordPtr<Data>& remote, const SyncRecord<Data>& known) {
    if (remote->updated_at != Timestamp{}) return remote;
    SyncRecord<Data> stamped = *remote;
    set_stamp(stamped, stamp_of(known));
    return rules::shared(std::move(stamped));
}

template <class Data>
Judged<Data> refresh(const Entry<Data>& entry, const RecordPtr<Data>& shown, const Moment& moment) {
    const RecordPtr<Data> remote = with_known_stamps(shown, *entry.base);
    const bool is_news = !(*remote == *entry.base) || !entry.pulled_since_ack || entry.absent_once;
    if (!is_news) return {};
    if (entry.is_husk() && stamp_of(*remote) == stamp_of(*entry.base) &&
        remote->revision == entry.base->revision) {
        return {};
    }
    return {Judgement::adopted, rules::refreshed(entry, remote, moment)};
}

/// Base on the remote under other stamps. A remote that shows exactly base changes nothing.
template <class Data>
Judged<Data> rebase(const Entry<Data>& entry, const RecordPtr<Data>& shown, Source source,
                    const Moment& moment) {
    const RecordPtr<Data> remote = with_known_stamps(shown, *entry.base);
    if (remote->revision == entry.base->revision) {
        if (source == Source::verdict) return {Judgement::contradiction, {}};
        if (stamp_of(*remote) == stamp_of(*entry.base) && entry.theirs() == nullptr) return {};
    } else if (entry.is_deleted() && remote->is_deleted()) {
        // What was sent before cannot be stored any more over another revision.
        return {Judgement::adopted, rules::taken(&entry, remote, moment.now)};
    }
    return {Judgement::adopted, rules::rebased(entry, remote, moment)};
}

/// What was deleted is deleted once more, after something that lived in between: that may be what
/// we sent. So this deletion is news, although its content is base's. A remote without times tells
/// it apart by its revision alone.
template <class Data>
bool is_deleted_again(const Entry<Data>& entry, const SyncRecord<Data>& remote) {
    if (!remote.is_deleted() || entry.sent().empty()) return false;
    if (remote.revision != entry.base->revision) return true;
    return remote.updated_at != Timestamp{} && stamp_of(remote) != stamp_of(*entry.base);
}

/// The remote shows what was sent, perhaps behind a state that waits for a decision.
template <class Data>
Judged<Data> acknowledge(const Entry<Data>& entry, const Sent<Data>& echo,
                         const RecordPtr<Data>& shown, bool is_behind, const Moment& moment) {
    const SyncRecord<Data>* base = entry.base.get();
    Entry<Data> acked = entry;
    if (!is_behind) {  // the remote has moved on from what waits
        rules::drop_theirs(acked, shown->revision);
        acked.conflicted = false;
    }
    acked = rules::acknowledged(acked, echo, with_known_stamps(shown, *echo.record), moment);
    // If a later edit has been there too, and somebody wrote this over it, the remote knows its
    // operation and would not store it again.
    const bool base_moved =
        base == nullptr || base->revision != shown->revision || !same_content(*base, *shown);
    if (acked.is_dirty() && base_moved) rules::renew_edit(acked);
    return {Judgement::acknowledged, std::move(acked)};
}

/// `judge` for a record that the store knows.
template <class Data>
Judged<Data> judge_known(const Entry<Data>* entry, const RecordPtr<Data>& shown, Source source,
                         const Moment& moment) {
    const SyncRecord<Data>& remote = *shown;
    if (source == Source::pull && is_stale(*entry, remote)) return {};

    const SyncRecord<Data>* base = entry->base.get();
    const bool is_same_revision =
        base != nullptr && !base->revision.empty() && base->revision == remote.revision;
    if (is_same_revision) {
        if (source == Source::verdict && same_content(*base, remote)) {
            return {Judgement::contradiction, {}};
        }
        if (entry->theirs() == nullptr) return refresh(*entry, shown, moment);
    }
    const bool is_behind = source == Source::pull && is_behind_theirs(*entry, remote);
    const auto* echo = is_base(*entry, remote, source) ? nullptr : echo_of(*entry, remote);
    if (echo != nullptr) return acknowledge(*entry, *echo, shown, is_behind, moment);
    if (is_behind) return {};
    const SyncRecord<Data>& local = *entry->local;
    switch (reconcile(base, &local, remote)) {
        case Reconciliation::unchanged:
            if (entry->is_clean()) return refresh(*entry, shown, moment);
            return rebase(*entry, shown, source, moment);
        case Reconciliation::rebase:
            if (is_deleted_again(*entry, remote)) break;
            return rebase(*entry, shown, source, moment);
        case Reconciliation::agree:
            return {Judgement::adopted,
                    rules::taken(entry, with_known_stamps(shown, local), moment.now)};
        case Reconciliation::take:
            // Local equals base again, but what was sent in between may be part of this state.
            if (entry->sent().empty()) {
                return {Judgement::adopted, rules::taken(entry, shown, moment.now)};
            }
            break;
        case Reconciliation::conflict:
            break;
    }
    if (!entry->conflicted) return {Judgement::conflict, {}};
    if (*entry->theirs() == remote) return {};
    return {Judgement::adopted, rules::waiting(*entry, shown, true)};
}

}  // namespace detail

/// After a reset the remote may show revisions again that it had left behind.
template <class Data>
void forget_superseded(Outcome<Data>& outcome, Source source) {
    if (!outcome || source != Source::rescan || !outcome->extras) return;
    outcome.draft().extras->superseded.clear();
}

/// Judges a remote state of a record, as `rules::remote_state` made it, against all that the store
/// knows of it; `entry` is null if it knows nothing. Pure. The order of the questions is the point:
/// stale, normalised, echo, and only then the three-way comparison.
template <class Data>
[[nodiscard]] Judged<Data> judge(const Entry<Data>* entry, const RecordPtr<Data>& remote,
                                 Source source, const Moment& moment) {
    if (entry == nullptr) return {Judgement::adopted, rules::taken(entry, remote, moment.now)};
    auto judged = detail::judge_known(entry, remote, source, moment);
    forget_superseded(judged.entry, source);
    return judged;
}

}  // namespace sync_engine
