// SPDX-License-Identifier: MIT
#pragma once

#include <sync_engine/remote/remote_error.hpp>
#include <sync_engine/remote/stop_token.hpp>
#include <sync_engine/sync/engine_options.hpp>

#include <algorithm>
#include <chrono>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

namespace sync_engine::detail {

/// The future was not ready in time, and may have its effect all the same.
class TimedOut : public RemoteError {
public:
    using RemoteError::RemoteError;
};

/// Keeps futures that nobody waits for any more until they are ready: the destructor of one that
/// `std::async` made would block. One lot for the process, which ends without waiting for them.
class ParkingLot {
public:
    [[nodiscard]] static ParkingLot& instance() {
        static auto* const lot = new ParkingLot;  // never destroyed, on purpose
        return *lot;
    }

    template <class Value>
    void park(std::future<Value> future) {
        keep(std::make_unique<ParkedFuture<Value>>(std::move(future)));
    }

private:
    class Parked {
    public:
        Parked() = default;
        Parked(const Parked&) = delete;
        Parked& operator=(const Parked&) = delete;
        virtual ~Parked() = default;
        [[nodiscard]] virtual bool is_ready() const = 0;
    };

    template <class Value>
    class ParkedFuture final : public Parked {
    public:
        explicit ParkedFuture(std::future<Value> future) : future_(std::move(future)) {}
        [[nodiscard]] bool is_ready() const override {
            return future_.wait_for(std::chrono::seconds{0}) == std::future_status::ready;
        }

    private:
        std::future<Value> future_;
    };

    void keep(std::unique_ptr<Parked> parked) {
        const std::lock_guard lock(mutex_);
        std::erase_if(parked_, [](const auto& each) { return each->is_ready(); });
        parked_.push_back(std::move(parked));
    }

    std::mutex mutex_;
    std::vector<std::unique_ptr<Parked>> parked_;
};

/// Waits for futures of callbacks, but not for ever.
///
/// A future has no way to call back, so a stop is noticed between short waits; a value is noticed
/// at once. A deferred future never becomes ready by waiting, so it is run here and now.
struct Awaiter {
    StopToken stop{};
    std::chrono::milliseconds timeout{0};  ///< zero or less: none
    std::chrono::milliseconds poll{0};     ///< how long to wait before looking at `stop` again
    std::function<std::chrono::nanoseconds()> monotonic{};
    bool can_wait = has_threads;  ///< else only what is ready at once ever will be

    static constexpr std::chrono::hours year{24 * 365};

    template <class Value>
    Value operator()(std::future<Value> future) const {
        if (!future.valid()) throw RemoteError("the callback returned an empty future");
        try {
            wait([&](auto span) { return future.wait_for(span) != std::future_status::timeout; });
        } catch (...) {
            ParkingLot::instance().park(std::move(future));
            throw;
        }
        return future.get();
    }

private:
    /// Asks whether it is ready after a wait, until it is. Throws `TimedOut` or `Stopped`.
    void wait(const std::function<bool(std::chrono::milliseconds)>& is_ready_after) const {
        const auto began = monotonic();
        // Held where a count of nanoseconds has room for it: `milliseconds::max()` is a way to say
        // that there is no hurry.
        const auto longest = std::min(timeout, std::chrono::milliseconds{year});
        auto next = std::chrono::milliseconds{0};
        while (!is_ready_after(next)) {
            if (!can_wait) {
                throw TimedOut(
                    "the callback was not ready within its call, and without threads nothing "
                    "makes a future ready later; use make_ready_future");
            }
            const auto waited = monotonic() - began;
            if (stop.stop_requested()) throw Stopped("stopped while waiting for the callback");
            if (longest.count() > 0 && waited >= longest) {
                throw TimedOut("the callback was not ready within " +
                               std::to_string(longest.count()) + " ms");
            }
            next = poll;
            if (longest.count() > 0) {
                const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
                    longest - waited + std::chrono::milliseconds{1});
                next = std::min(poll, left);
            }
        }
    }
};

}  // namespace sync_engine::detail
