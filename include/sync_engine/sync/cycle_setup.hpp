// SPDX-License-Identifier: MIT
#pragma once

#include <sync_engine/retry/retry_queue.hpp>
#include <sync_engine/store/storage.hpp>
#include <sync_engine/sync/sync_options.hpp>

#include <chrono>
#include <cstdint>
#include <string>

namespace sync_engine {

/// What a cycle knows when it starts: a snapshot, and nothing it could ask later.
struct CycleSetup {
    /// What the sync is asked to do. Of `on_progress`, only whether there is one; `stop` and
    /// `callback_timeout` are for whoever drives the cycle.
    SyncOptions options{};
    StoreState state{};                      ///< of the store, as the sync finds it
    RetryOptions retry{};                    ///< the waits and limits for what fails
    std::chrono::milliseconds drift_cap{0};  ///< of the store: `StoreOptions::drift_cap`
    std::chrono::milliseconds max_wait{0};   ///< the longest that a remote may ask us to wait
    std::uint64_t seed = 0;                  ///< for jitter and request numbers
    bool keeps_cursor = false;               ///< pull is native
    std::string remote_name{};               ///< `Remote::name`; empty: not said
    bool is_stored = false;                  ///< what is committed is written, as JSON
    bool filtered = false;                   ///< a predicate chooses what is pushed
    bool is_watched = false;  ///< the app is told of commits, and may do anything then
};

}  // namespace sync_engine
