// SPDX-License-Identifier: MIT
#pragma once

#include <sync_engine/record/sync_record.hpp>

namespace sync_engine {

/// What three versions of a record say is to be done.
enum class Reconciliation {
    unchanged,  ///< nobody changed anything: at most the remote's stamps are new
    take,       ///< only the remote changed: its state becomes ours
    rebase,     ///< only we changed: our edit stays, on the remote's stamps
    agree,      ///< both made the same change: nothing is left to push
    conflict,   ///< both changed, to different contents: a resolver decides
};

/// Decides from three versions (law 3): `base` is the last state both sides had, or null; `local`
/// is ours, or null if we never had the record.
///
/// Content alone decides: data, tags and deletion, compared as values. Pure, and as cheap as at
/// most three comparisons.
///
///     local changed | remote changed | equal to each other |
///     --------------+----------------+---------------------+----------
///     no            | no             |                     | unchanged
///     no            | yes            |                     | take
///     yes           | no             |                     | rebase
///     yes           | yes            | yes                 | agree
///     yes           | yes            | no                  | conflict
///
/// Without a base, both sides count as changed; without a local record, only the remote does.
template <class Data>
[[nodiscard]] Reconciliation reconcile(const SyncRecord<Data>* base, const SyncRecord<Data>* local,
                                       const SyncRecord<Data>& remote) {
    if (local == nullptr) return Reconciliation::take;
    const bool local_changed = base == nullptr || !same_content(*base, *local);
    const bool remote_changed = base == nullptr || !same_content(*base, remote);
    if (!local_changed) return remote_changed ? Reconciliation::take : Reconciliation::unchanged;
    if (!remote_changed) return Reconciliation::rebase;
    return same_content(*local, remote) ? Reconciliation::agree : Reconciliation::conflict;
}

}  // namespace sync_engine
