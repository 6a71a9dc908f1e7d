// SPDX-License-Identifier: MIT
#pragma once

#include <sync_engine/remote/stop_token.hpp>

#include <chrono>
#include <cstddef>
#include <functional>

namespace sync_engine {

/// Which way records travel in a sync.
enum class SyncDirection {
    both,  ///< pull, and then push
    pull,  ///< only to us: what was edited here stays pending
    push,  ///< only to the remote: its news waits, except what a conflict shows
};

/// Which failed records a sync tries again.
enum class RetryMode {
    /// Every one whose wait is our own: somebody asked for this sync. A wait that the remote asked
    /// for holds, and dead letters stay.
    now,
    when_due,  ///< those whose wait is over: a timer asked
};

/// What one sync is asked to do; the defaults suit an app that syncs when its user says so.
struct SyncOptions {
    /// Called with how many records are done and how many are known of, on the thread of the sync
    /// and without a lock. What it throws is reported once.
    std::function<void(std::size_t completed, std::size_t total)> on_progress{};
    /// Ends the sync at the next safe point; besides `SyncEngine::request_stop`.
    StopToken stop{};
    /// How long to wait for the future of one callback before the call counts as failed. Long
    /// enough for a slow upload; zero or less waits for ever, more than a year a year.
    std::chrono::milliseconds callback_timeout = std::chrono::seconds{60};
    /// How many changes one push carries at most.
    std::size_t push_batch_size = 100;
    /// How many records a native pull is asked for at a time.
    std::size_t pull_page_size = 500;
    /// How many pages one sync reads at most, at least one: a feed that never ends is an error, not
    /// a hang.
    std::size_t max_pages = 10'000;
    /// How often the winner of a conflict that a push revealed is pushed again in one sync.
    std::size_t max_rounds = 3;
    /// Whether to pull, to push, or both.
    SyncDirection direction = SyncDirection::both;
    /// Whether changes that failed wait for their time: `when_due` for a sync that a timer starts.
    RetryMode retry = RetryMode::now;
};

}  // namespace sync_engine
