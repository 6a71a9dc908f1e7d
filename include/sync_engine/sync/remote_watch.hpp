// SPDX-License-Identifier: MIT
#pragma once

#include <sync_engine/record/error.hpp>
#include <sync_engine/record/timestamp.hpp>
#include <sync_engine/retry/retry_queue.hpp>
#include <sync_engine/store/storage.hpp>
#include <sync_engine/sync/sync_options.hpp>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

namespace sync_engine {

/// What a cycle learns of the remote as a whole: whether to call it at all, and how it is doing
/// afterwards. A value.
class RemoteWatch {
public:
    /// `longest` is the longest that the remote may ask us to wait, also in what was stored.
    RemoteWatch(RemoteHealth health, std::chrono::milliseconds longest)
        : health_(health), longest_(longest) {
        health_.asked = health_.asked.at_most(longest_);
    }

    /// Why the remote is not to be called now; empty if it may be. What it asked for always holds,
    /// our own backoff only against a timer.
    [[nodiscard]] std::string reason_to_wait(RetryMode retry, Timestamp now) const {
        if (!health_.asked.is_over(now)) {
            return "the remote asked to wait until " + text(health_.asked.until());
        }
        if (retry == RetryMode::when_due && !health_.backoff.is_over(now)) {
            return "the remote failed " + std::to_string(health_.failures) +
                   " times in a row; the next try is due at " + text(health_.backoff.until());
        }
        return {};
    }

    void called() noexcept { was_called_ = true; }
    void answered() noexcept { has_answered_ = true; }
    void failed() noexcept { has_failed_ = true; }

    /// Whether it starts over, as far as is stored or about to be.
    [[nodiscard]] bool starts_over() const noexcept { return health_.starts_over; }
    /// It starts over, or has been read to its end since; answers what is to be stored now.
    const RemoteHealth& set_starts_over(bool on) noexcept {
        health_.starts_over = on;
        return health_;
    }

    /// The cycle came to its end. If it had nothing to ask, that too ends a wait which is over: a
    /// timer would come back for it at once, again and again.
    void went_through(Timestamp now) noexcept {
        const bool is_over = health_.backoff.is_over(now) && health_.asked.is_over(now);
        if (!was_called_ && is_over) has_answered_ = true;
    }

    /// Who names hardly any time has failed, so that a timer backs off.
    void asked_to_wait(std::chrono::milliseconds wait, Timestamp now) {
        const Wait asked = Wait{now, wait}.at_most(longest_);
        if (asked.is_negligible()) return failed();
        has_asked_ = true;
        health_.asked = asked;
    }

    /// What is to be stored at the end, if anything: a cycle in which the remote failed lengthens
    /// the backoff by one, one in which it answered, or was not needed, ends it.
    [[nodiscard]] std::optional<RemoteHealth> outcome(const RetryOptions& retry, Timestamp now,
                                                      std::uint64_t random) const {
        RemoteHealth health = health_;
        if (has_failed_) {
            ++health.failures;
            health.backoff = {now, retry.delay(health.failures, random)};
            return health;
        }
        if (has_asked_) return health;
        if (has_answered_ && health.is_ill()) {
            return RemoteHealth{.starts_over = health.starts_over};
        }
        return std::nullopt;
    }

private:
    static std::string text(Timestamp at) {
        try {
            return to_iso8601(at);
        } catch (const FormatError&) {
            return "a time beyond the calendar";
        }
    }

    RemoteHealth health_;
    std::chrono::milliseconds longest_;
    bool was_called_ = false;
    bool has_answered_ = false;
    bool has_failed_ = false;
    bool has_asked_ = false;
};

}  // namespace sync_engine
