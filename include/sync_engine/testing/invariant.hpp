// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace sync_engine::testing {

/// What holds at every moment of a simulation, or at its end, whatever went wrong.
enum class Invariant {
    no_edit_lost,        ///< an edit vanishes only by a decision of a resolver, a user, or a delete
    no_deletion_undone,  ///< a deleted record comes back only with something that was not deleted
    clean_is_known,      ///< what is not dirty has reached the remote
    dirty_is_unknown,    ///< what is pushed differs from what the remote has
    one_operation,       ///< one edit has one operation id, and one operation id one edit
    push_is_wanted,      ///< nothing is pushed that this sync was not asked to push
    batch_in_order,      ///< batches keep their size, suspects go alone and last, nothing dead goes
    waits_kept,          ///< nothing is sent before a wait is over
    outage_blames_none,  ///< a dead letter has failures of its own
    attempts_end,        ///< what was rejected, or ran out of attempts, is a dead letter
    cursor_in_step,      ///< the cursor never ran ahead of the data
    crash_on_boundary,   ///< a store opens as it was after its last commit
    conflict_is_real,    ///< a resolver is asked only about states that differ, and once
    late_reply_ignored,  ///< a reply to a call that was given up changes nothing
    result_is_true,      ///< a result says completed only of what completed
    no_lock_held,        ///< user code may use the store
    one_sync,            ///< while a sync of a store runs, no other one does
    sync_ends,           ///< each sync ends, with its hooks called once
    one_remote,          ///< a store is never synced with another remote than its own
    clean_in_time,       ///< without faults, everything is clean within the stated rounds
    all_equal,           ///< at rest, all devices and the remote hold the same
    nothing_thrown,      ///< no exception where none was promised
};

/// The invariant as a promise, in words.
[[nodiscard]] constexpr std::string_view to_string(Invariant invariant) {
    constexpr std::array<std::string_view, 22> promises{
        "no edit is lost",
        "no deletion is undone",
        "what is clean has reached the remote",
        "what is pushed is news to the remote",
        "one edit has one operation id",
        "only what was asked for is pushed",
        "batches are in order",
        "waits are kept",
        "an outage makes no dead letters",
        "what has failed for good is a dead letter",
        "the cursor is not ahead of the data",
        "a crash lands on a commit boundary",
        "only real conflicts are asked about, once",
        "late replies change nothing",
        "results tell the truth",
        "no lock is held while user code runs",
        "a store is synced once at a time",
        "each sync ends",
        "a store has one remote",
        "everything is clean in time",
        "all sides are equal at rest",
        "nothing is thrown",
    };
    static_assert(promises.size() == static_cast<std::size_t>(Invariant::nothing_thrown) + 1);
    return promises.at(static_cast<std::size_t>(invariant));
}

/// An invariant that did not hold, and where.
struct Violation {
    Invariant invariant{};  ///< what should have held
    std::string detail{};   ///< of whom or what it did not
};

/// "no edit is lost: ..."; nothing if there is no violation.
[[nodiscard]] inline std::string to_string(const std::optional<Violation>& violation) {
    if (!violation) return "";
    return std::string{to_string(violation->invariant)} + ": " + violation->detail;
}

/// Keeps the first violation: what comes after it is only its consequence.
class Verdicts {
public:
    /// An invariant does not hold; `detail` says of whom or what.
    void broken(Invariant invariant, std::string detail) {
        if (!first_) first_ = Violation{invariant, std::move(detail)};
    }
    /// What broke first; none: everything held so far.
    [[nodiscard]] const std::optional<Violation>& first() const noexcept { return first_; }

private:
    std::optional<Violation> first_{};
};

}  // namespace sync_engine::testing
