// SPDX-License-Identifier: MIT
#pragma once

#include <sync_engine/testing/choices.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace sync_engine::testing {

/// Everything that can go wrong around a sync. Each can be switched on and off by itself.
enum class Fault : std::uint8_t {
    // Calls.
    unreachable,         ///< the remote cannot be reached: `Unavailable`
    request_lost,        ///< the request never arrives, and no answer comes
    request_delayed,     ///< it arrives later, perhaps when nobody waits for it any more
    request_duplicated,  ///< a push arrives twice
    error_before,        ///< the server fails before it did anything
    error_after,         ///< it did everything and then fails
    reply_lost,          ///< it did everything, and no answer comes
    reply_delayed,       ///< the answer comes later: after a time-out, or after a restart
    rate_limited,        ///< `RetryAfter`
    login_expired,       ///< `Unauthorized`
    // Pushes.
    batch_too_large,    ///< `TooLarge` for several changes
    change_poisonous,   ///< any batch with this record fails whole, for as long as it lasts
    change_refused,     ///< one change is rejected for good
    change_deferred,    ///< one change is asked to come again later
    change_unanswered,  ///< one change is not stored and gets no verdict
    verdict_lost,       ///< one change is stored and gets no verdict
    verdicts_reversed,  ///< the verdicts come in another order
    stranger_answered,  ///< a verdict for a record that was not sent
    false_conflict,     ///< one change gets a conflict that equals its base
    // Pulls.
    page_stale,      ///< a page as it was the last time: a replica that lags
    row_stale,       ///< a page begins with an older state of some record
    rows_repeated,   ///< a page shows rows twice
    row_unusable,    ///< a page begins with a row that nobody could store
    page_empty,      ///< an empty page comes before a page
    cursor_expired,  ///< `CursorExpired`
    feed_reset,      ///< the page says `reset`
    feed_stuck,      ///< more is promised behind a cursor that does not move
    // The device.
    clock_skewed,         ///< its clock is wrong by up to two minutes
    clock_jumped,         ///< its clock is set, days forward or back
    crash,                ///< the process dies between two steps
    crash_before_commit,  ///< it dies just before a commit is durable
    crash_after_commit,   ///< it dies just after, and nobody is told
    disk_full,            ///< a commit fails
    backup_restored,      ///< the disk is put back to an earlier state
    store_cleared,        ///< the app clears the store
    // The app's code.
    resolver_throws,  ///< the conflict resolver throws
    hook_throws,      ///< a hook throws
    stop_requested,   ///< somebody asks the sync to stop
};

namespace detail {

inline constexpr std::array<std::string_view, 38> fault_names{
    "unreachable",         "request lost",       "request delayed",
    "request duplicated",  "error before",       "error after",
    "reply lost",          "reply delayed",      "rate limited",
    "login expired",       "batch too large",    "change poisonous",
    "change refused",      "change deferred",    "change unanswered",
    "verdict lost",        "verdicts reversed",  "stranger answered",
    "false conflict",      "page stale",         "row stale",
    "rows repeated",       "row unusable",       "page empty",
    "cursor expired",      "feed reset",         "feed stuck",
    "clock skewed",        "clock jumped",       "crash",
    "crash before commit", "crash after commit", "disk full",
    "backup restored",     "store cleared",      "resolver throws",
    "hook throws",         "stop requested",
};
static_assert(fault_names.size() == static_cast<std::size_t>(Fault::stop_requested) + 1);

}  // namespace detail

/// How many faults there are.
inline constexpr std::size_t fault_count = detail::fault_names.size();

/// The fault in words.
[[nodiscard]] constexpr std::string_view to_string(Fault fault) {
    return detail::fault_names.at(static_cast<std::size_t>(fault));
}

/// How often each fault happens where it can, in a thousand; 0: never.
class FaultRates {
public:
    /// The rate of this fault; 0 until it is set.
    [[nodiscard]] constexpr std::uint32_t of(Fault fault) const {
        return rates_.at(static_cast<std::size_t>(fault));
    }
    /// Sets the rate of this fault: `FaultRates{}.set(Fault::crash, 10).set(Fault::disk_full, 5)`.
    constexpr FaultRates& set(Fault fault, std::uint32_t per_mille) {
        rates_.at(static_cast<std::size_t>(fault)) = per_mille;
        return *this;
    }

private:
    std::array<std::uint32_t, fault_count> rates_{};
};

/// How often each fault happened.
using FaultCounts = std::array<std::uint64_t, fault_count>;

/// Decides whether a fault happens, by its rate and one choice, and counts those that do.
class Faults {
public:
    /// `choices` has to outlive it. Without rates nothing happens.
    explicit Faults(Choices& choices, FaultRates rates = {}) : choices_(choices), rates_(rates) {}

    /// Whether it happens now.
    [[nodiscard]] bool happens(Fault fault) {
        if (is_over_ || !choices_.happens(rates_.of(fault))) return false;
        ++counts_.at(static_cast<std::size_t>(fault));
        return true;
    }

    /// Which of `count` things it happens to.
    [[nodiscard]] std::size_t pick(std::size_t count) {
        return choices_.below(static_cast<std::uint32_t>(count));
    }

    /// The rates that hold now.
    [[nodiscard]] const FaultRates& rates() const noexcept { return rates_; }
    /// From now on these hold.
    void set_rates(FaultRates rates) noexcept { rates_ = rates; }

    /// From now on nothing bad happens.
    void stop() noexcept { is_over_ = true; }

    /// What happened so far.
    [[nodiscard]] const FaultCounts& counts() const noexcept { return counts_; }

private:
    Choices& choices_;
    FaultRates rates_;
    FaultCounts counts_{};
    bool is_over_ = false;
};

}  // namespace sync_engine::testing
