// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <mutex>
#include <stdexcept>
#include <thread>

namespace sync_engine {

/// Lets one writer in at a time, and knows which thread it is: a writer that comes back from inside
/// its own body is told so, instead of waiting for itself for ever.
class WriterLock {
public:
    /// Waits for the other writers. Throws `std::logic_error` if this thread is the writer.
    void lock() {
        // Nobody but this thread makes these equal, so no order among threads matters.
        if (writer_.load(std::memory_order_relaxed) == std::this_thread::get_id()) {
            throw std::logic_error(
                "the store cannot be written from inside the body of update or transact; use the "
                "transaction that the body was given");
        }
        mutex_.lock();
        writer_.store(std::this_thread::get_id(), std::memory_order_relaxed);
    }

    void unlock() {
        writer_.store(std::thread::id{}, std::memory_order_relaxed);
        mutex_.unlock();
    }

private:
    std::mutex mutex_;
    std::atomic<std::thread::id> writer_{};
};

}  // namespace sync_engine
