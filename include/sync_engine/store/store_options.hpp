// SPDX-License-Identifier: MIT
#pragma once

#include <sync_engine/record/environment.hpp>
#include <sync_engine/record/timestamp.hpp>

#include <chrono>

namespace sync_engine {

/// What a store is given from outside (law 12), and its two limits.
struct StoreOptions {
    /// Tells the time, for stamps, waits and reports. Any thread may call it.
    Clock clock = now;
    /// Gives 64 random bits a call, for the store's id and for jitter. Any thread may call it.
    Random random = system_random();
    /// How far ahead of the clock a stamp may run to stay above what other devices wrote: more than
    /// clocks differ in practice, too little to carry a broken clock's year 9999 along.
    std::chrono::milliseconds drift_cap = std::chrono::minutes{5};
    /// How long a settled deletion is remembered, so that a lagging read does not bring it back.
    std::chrono::milliseconds tombstone_horizon = std::chrono::hours{24 * 30};
};

}  // namespace sync_engine
