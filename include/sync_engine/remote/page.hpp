// SPDX-License-Identifier: MIT
#pragma once

#include <sync_engine/record/sync_error.hpp>
#include <sync_engine/record/sync_record.hpp>
#include <sync_engine/remote/stop_token.hpp>

#include <nlohmann/json.hpp>

#include <cstddef>
#include <vector>

namespace sync_engine {

/// What the engine asks a native pull for.
struct PullRequest {
    /// Where the last page ended, exactly as the remote gave it; null asks for everything.
    nlohmann::json cursor{};
    /// How many records the page should hold at most; a remote may give fewer or more.
    std::size_t limit = 0;
    /// A pull that takes long should look at it now and then and give up when it stops.
    StopToken stop{};
};

/// What a native pull answers.
template <class Data = nlohmann::json>
struct PullPage {
    /// Remote states in the order they are to be applied. Deletions have status `deleted`; other
    /// statuses say nothing. `updated_at` may be `Timestamp{}` where the remote has no times.
    std::vector<SyncRecord<Data>> records{};
    /// Where this page ends: opaque to us, stored with the page in one commit.
    nlohmann::json cursor{};
    /// More pages wait behind `cursor`.
    bool has_more = false;
    /// This page belongs to a listing of everything there is: once all its pages are in, a clean
    /// local record that none of them held was deleted remotely. A row without an id, among
    /// `records` or `errors`, may be any record: where there was one, nothing counts as deleted.
    bool complete = false;
    /// The remote cannot go on from the cursor it was given: scan again from null.
    bool reset = false;
    /// Records that the remote holds and that the callback could not read, each with its id and
    /// why. They are reported and skipped, so that one of them does not hold up the feed.
    std::vector<SyncError> errors{};
};

}  // namespace sync_engine
