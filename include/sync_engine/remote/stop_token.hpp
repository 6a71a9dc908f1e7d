// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
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
        if (states_ == nullptr) return false;
        return std::any_of(states_->begin(), states_->end(),
                           [](const auto& state) { return state->is_requested.load(); });
    }

    /// A token that stops as soon as one of two does.
    [[nodiscard]] static StopToken either(const StopToken& one, const StopToken& other) {
        if (one.states_ == nullptr) return other;
        if (other.states_ == nullptr) return one;
        States both = *one.states_;
        for (const auto& state : *other.states_) both.push_back(state);
        return StopToken{std::move(both)};
    }

private:
    friend class StopSource;
    friend class StopCallback;
    using States = std::vector<std::shared_ptr<detail::StopState>>;

    explicit StopToken(States states)
        : states_(std::make_shared<const States>(std::move(states))) {}

    std::shared_ptr<const States> states_;  // null: never
};

/// The side that asks to stop: `source.request_stop()` reaches every token made from it.
class StopSource {
public:
    /// A token that stops when this source is asked to.
    [[nodiscard]] StopToken token() const { return token_; }

    /// Asks everybody who holds a token to stop, and wakes who waits by a `StopCallback`. Any
    /// thread, as often as you like.
    void request_stop() const noexcept {
        detail::StopState& state = *token_.states_->front();
        const std::lock_guard lock(state.mutex);
        if (state.is_requested.exchange(true)) return;
        for (const auto& wake : state.callbacks) wake();
    }

private:
    StopToken token_{{std::make_shared<detail::StopState>()}};
};

/// Calls a function when a stop is requested, for as long as this object lives; at once if it was.
///
/// The function runs on the thread that asks to stop, once for each source behind the token, and
/// under a lock: it shall wake somebody and return, throw nothing, and leave sources and callbacks
/// alone. The destructor waits for it.
class StopCallback {
public:
    /// Where a stop was requested already, it calls `wake` before it returns.
    StopCallback(StopToken token, const std::function<void()>& wake) : token_(std::move(token)) {
        if (token_.states_ == nullptr) return;
        for (const auto& state : *token_.states_) {
            const std::lock_guard lock(state->mutex);
            places_.push_back(state->callbacks.insert(state->callbacks.end(), wake));
            if (state->is_requested.load()) wake();
        }
    }

    StopCallback(const StopCallback&) = delete;
    StopCallback& operator=(const StopCallback&) = delete;

    ~StopCallback() {
        for (std::size_t each = 0; each < places_.size(); ++each) {
            detail::StopState& state = *(*token_.states_)[each];
            const std::lock_guard lock(state.mutex);
            state.callbacks.erase(places_[each]);
        }
    }

private:
    StopToken token_;
    std::vector<detail::StopState::Callbacks::iterator> places_{};  // one a state
};

}  // namespace sync_engine
