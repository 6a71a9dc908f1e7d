// SPDX-License-Identifier: MIT
#pragma once

#include <sync_engine/record/sync_error.hpp>
#include <sync_engine/record/timestamp.hpp>
#include <sync_engine/store/sequence.hpp>

#include <algorithm>
#include <chrono>
#include <string>
#include <utility>
#include <vector>

namespace sync_engine {

/// A time to wait, kept as when it began and how long it is.
///
/// A clock that is set back ends it, so that no jump of the clock can park anything for ever; also
/// across a restart.
struct Wait {
    Timestamp since{};                    ///< when it began, by the store's clock
    std::chrono::milliseconds length{0};  ///< zero or less: there is nothing to wait for

    /// True once nothing is to be waited for any more.
    [[nodiscard]] bool is_over(Timestamp at) const noexcept {
        if (length <= std::chrono::milliseconds{0} || at < since) return true;
        // As milliseconds, because a length from a file may have no room as microseconds.
        return std::chrono::floor<std::chrono::milliseconds>(detail::elapsed(since, at)) >= length;
    }

    /// True if it is shorter than a second: no wait that a remote may ask for, because a timer that
    /// took a millisecond at its word would ask for ever. HTTP's Retry-After counts seconds, too.
    [[nodiscard]] bool is_negligible() const noexcept { return length < std::chrono::seconds{1}; }

    /// The same, but no longer than `longest`; for a wait that somebody else named, or a file.
    [[nodiscard]] Wait at_most(std::chrono::milliseconds longest) const noexcept {
        return {since, std::max(std::min(length, longest), std::chrono::milliseconds{0})};
    }

    /// When it ends, if the clock runs on; the last moment of all if that is beyond it.
    [[nodiscard]] Timestamp until() const noexcept {
        if (length <= std::chrono::milliseconds{0}) return since;
        const auto room =
            std::chrono::floor<std::chrono::milliseconds>(detail::elapsed(since, Timestamp::max()));
        return length > room ? Timestamp::max() : since + length;
    }

    /// The same for who sleeps until then: the past, where the clock was set back and ended it.
    [[nodiscard]] Timestamp due(Timestamp at) const noexcept {
        return at < since ? std::min(at, Timestamp{}) : until();
    }

    bool operator==(const Wait&) const = default;
};

/// What became of the attempts to push one edit: bound to its sequence, void for any other.
struct RetryState {
    Sequence sequence = 0;       ///< the edit that this speaks of
    std::string operation_id{};  ///< under which it was sent
    unsigned attempts = 0;       ///< failures of the record's own (law 8)
    unsigned failed_alone = 0;   ///< how often it was alone in a call that failed whole
    bool suspect = false;        ///< it failed alone while others passed: sent alone, and last
    bool dead = false;           ///< a dead letter: kept and listed, not sent
    Wait backoff{};              ///< our own wait: a sync that somebody asked for ignores it
    Wait asked{};                ///< the remote's wait for this record
    std::vector<SyncError> history{};  ///< the newest failures, oldest first

    /// Adds a failure to the history.
    void remember(SyncError error) { detail::remember(history, std::move(error)); }

    /// When this edit may be sent by a timer. The remote's wait is no longer than `longest`.
    [[nodiscard]] Timestamp due(Timestamp at, std::chrono::milliseconds longest) const noexcept {
        return std::max(backoff.due(at), asked.at_most(longest).due(at));
    }

    bool operator==(const RetryState&) const = default;
};

}  // namespace sync_engine
