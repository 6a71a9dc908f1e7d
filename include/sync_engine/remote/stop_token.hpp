// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <memory>

namespace sync_engine {

/// Says whether somebody asked to stop: a question that a long push, pull or wait asks now and
/// then.
///
/// Our own, because libc++ ships `std::stop_token` only behind a flag. A default one never stops.
/// Copies are cheap and may be asked from any thread.
class StopToken {
public:
    StopToken() = default;

    /// True once a stop was requested; it never becomes false again.
    [[nodiscard]] bool stop_requested() const noexcept {
        return (first_ && first_->load()) || (second_ && second_->load());
    }

    /// A token that stops as soon as one of two does; each of the two comes from one source.
    [[nodiscard]] static StopToken either(const StopToken& one, const StopToken& other) {
        StopToken both;
        both.first_ = one.first_;
        both.second_ = other.first_;
        return both;
    }

private:
    friend class StopSource;
    std::shared_ptr<const std::atomic<bool>> first_;
    std::shared_ptr<const std::atomic<bool>> second_;
};

/// The side that asks to stop: `source.request_stop()` reaches every token made from it.
class StopSource {
public:
    /// A token that stops when this source is asked to.
    [[nodiscard]] StopToken token() const {
        StopToken token;
        token.first_ = flag_;
        return token;
    }

    /// Asks everybody who holds a token to stop. Any thread, as often as you like.
    void request_stop() const noexcept { flag_->store(true); }

private:
    std::shared_ptr<std::atomic<bool>> flag_ = std::make_shared<std::atomic<bool>>(false);
};

}  // namespace sync_engine
