// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <atomic>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

namespace sync_engine {

namespace detail {

/// What a source and its tokens share.
struct StopState {
    using Callbacks = std::list<std::function<void()>>;

    std::atomic<bool> is_requested{false};
    std::mutex mutex{};  // held while callbacks run, so that one can be waited for
    Callbacks callbacks{};
};

}  // namespace detail

/// Says whether somebody asked to stop: a question that a long push, pull or wait asks now and
/// then. Whoever cannot ask, because they sleep, is woken by a `StopCallback`.
///
/// Our own, because libc++ ships `std::stop_token` only behind a flag. A default one never stops.
/// Copies are cheap and may be asked from any thread.
class StopToken {
public:
    StopToken() = default;

    /// True once a stop was requested; it never becomes false again.
    [[nodiscard]] bool stop_requested() const noexcept {
        return std::any_of(states_.begin(), states_.end(),
                           [](const auto& state) { return state->is_requested.load(); });
    }

    /// A token that stops as soon as one of two does.
    [[nodiscard]] static StopToken either(const StopToken& one, const StopToken& other) {
        StopToken both = one;
        for (const auto& state : other.states_) both.states_.push_back(state);
        return both;
    }

private:
    friend class StopSource;
    friend class StopCallback;
    std::vector<std::shared_ptr<detail::StopState>> states_;
};

/// The side that asks to stop: `source.request_stop()` reaches every token made from it.
class StopSource {
public:
    /// A token that stops when this source is asked to.
    [[nodiscard]] StopToken token() const {
        StopToken token;
        token.states_.push_back(state_);
        return token;
    }

    /// Asks everybody who holds a token to stop, and wakes who waits by a `StopCallback`. Any
    /// thread, as often as you like.
    void request_stop() const noexcept {
        const std::lock_guard lock(state_->mutex);
        if (state_->is_requested.exchange(true)) return;
        for (const auto& wake : state_->callbacks) wake();
    }

private:
    std::shared_ptr<detail::StopState> state_ = std::make_shared<detail::StopState>();
};

/// Calls a function when a stop is requested, for as long as this object lives; at once if it was.
///
/// The function runs on the thread that asks to stop, once for each source behind the token, and
/// under a lock: it shall wake somebody and return, throw nothing, and leave sources and callbacks
/// alone. The destructor waits for it.
class StopCallback {
public:
    StopCallback(StopToken token, const std::function<void()>& wake) : token_(std::move(token)) {
        for (const auto& state : token_.states_) {
            const std::lock_guard lock(state->mutex);
            places_.push_back(state->callbacks.insert(state->callbacks.end(), wake));
            if (state->is_requested.load()) wake();
        }
    }

    StopCallback(const StopCallback&) = delete;
    StopCallback& operator=(const StopCallback&) = delete;

    ~StopCallback() {
        auto place = places_.begin();
        for (const auto& state : token_.states_) {
            const std::lock_guard lock(state->mutex);
            state->callbacks.erase(*place++);
        }
    }

private:
    StopToken token_;
    std::vector<detail::StopState::Callbacks::iterator> places_{};
};

}  // namespace sync_engine
