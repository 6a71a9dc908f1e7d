// SPDX-License-Identifier: MIT
#pragma once

#include <sync_engine/record/environment.hpp>
#include <sync_engine/record/timestamp.hpp>

#include <atomic>
#include <chrono>
#include <memory>

namespace sync_engine::testing {

/// A clock that stands still until it is told to move, forwards or backwards. Any thread.
class ManualClock {
public:
    /// Stands at `start`; by default in December 2019.
    explicit ManualClock(Timestamp start = Timestamp{std::chrono::hours{24 * 365 * 50}})
        : now_(std::make_shared<std::atomic<Timestamp::rep>>(start.time_since_epoch().count())) {}

    /// The time that it stands at.
    [[nodiscard]] Timestamp now() const { return Timestamp{Timestamp::duration{now_->load()}}; }

    /// Moves the time by `step`; a negative one sets the clock back.
    void advance(Timestamp::duration step) { now_->fetch_add(step.count()); }

    /// Moves to a time, which may be earlier.
    void set(Timestamp to) { now_->store(to.time_since_epoch().count()); }

    /// The clock to pass to a store: it follows this one, also after this one is gone.
    [[nodiscard]] Clock clock() const {
        return [now = now_] { return Timestamp{Timestamp::duration{now->load()}}; };
    }

private:
    std::shared_ptr<std::atomic<Timestamp::rep>> now_;
};

}  // namespace sync_engine::testing
