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
    SyncOptions options{};
    StoreState state{};
    RetryOptions retry{};
    std::chrono::milliseconds drift_cap{0};
    std::chrono::milliseconds max_wait{0};  ///< the longest that a remote may ask us to wait
    std::uint64_t seed = 0;                 ///< for jitter and request numbers
    bool keeps_cursor = false;              ///< pull is native
    std::string remote_name{};
    bool filtered = false;    ///< a predicate chooses what is pushed
    bool is_watched = false;  ///< the app is told of commits, and may do anything then
};

}  // namespace sync_engine
