// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <atomic>
#include <memory>
#include <vector>

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
        return std::any_of(flags_.begin(), flags_.end(),
                           [](const auto& flag) { return flag->load(); });
    }

    /// A token that stops as soon as one of two does.
    [[nodiscard]] static StopToken either(const StopToken& one, const StopToken& other) {
        StopToken both = one;
        both.flags_.insert(both.flags_.end(), other.flags_.begin(), other.flags_.end());
        return both;
    }

private:
    friend class StopSource;
    std::vector<std::shared_ptr<const std::atomic<bool>>> flags_;
};

/// The side that asks to stop: `source.request_stop()` reaches every token made from it.
class StopSource {
public:
    /// A token that stops when this source is asked to.
    [[nodiscard]] StopToken token() const {
        StopToken token;
        token.flags_.push_back(flag_);
        return token;
    }

    /// Asks everybody who holds a token to stop. Any thread, as often as you like.
    void request_stop() const noexcept { flag_->store(true); }

private:
    std::shared_ptr<std::atomic<bool>> flag_ = std::make_shared<std::atomic<bool>>(false);
};

}  // namespace sync_engine
