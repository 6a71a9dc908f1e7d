// SPDX-License-Identifier: MIT
#pragma once

#include <sync_engine/record/json.hpp>
#include <sync_engine/record/sync_error.hpp>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sync_engine {

/// How a sync ended. Only `completed` is success; it may still carry errors of single records.
enum class SyncOutcome {
    completed,        ///< pull and push went through
    vetoed,           ///< `on_before_sync` said no, or threw
    already_running,  ///< another sync of this store is under way; this one did nothing
    stopped,          ///< it was asked to, lost its engine, or the store was cleared under it
    /// A whole call failed, the remote is to be left alone for now, or the store belongs to another
    /// remote.
    failed,
};

/// What one sync did. A result that did nothing says so in its outcome.
struct SyncResult {
    /// How it ended.
    SyncOutcome outcome = SyncOutcome::completed;
    std::size_t pushed = 0;     ///< changes acknowledged that were sent once
    std::size_t pulled = 0;     ///< records that a remote state changed here
    std::size_t conflicts = 0;  ///< conflicts met, whoever won
    std::size_t retried = 0;    ///< changes acknowledged after an earlier failure, in this sync too
    std::vector<SyncError> errors{};  ///< one a record; an empty id speaks of the whole call

    /// Whether anything went wrong: also a completed sync may have failed with single records.
    [[nodiscard]] bool has_errors() const noexcept { return !errors.empty(); }

    /// Sum of the four counts.
    [[nodiscard]] std::size_t total() const noexcept {
        return pushed + pulled + conflicts + retried;
    }

    bool operator==(const SyncResult&) const = default;
};

namespace detail {

inline constexpr std::array<std::string_view, 5> sync_outcome_names{
    "completed", "vetoed", "already_running", "stopped", "failed"};

}  // namespace detail

/// The outcome as JSON spells it.
[[nodiscard]] constexpr std::string_view to_string(SyncOutcome outcome) {
    return detail::sync_outcome_names.at(static_cast<std::size_t>(outcome));
}

/// Writes the keys outcome, pushed, pulled, conflicts, retried and errors.
void to_json(detail::JsonValue auto& json, const SyncResult& result) {
    json = {{"outcome", std::string{to_string(result.outcome)}},
            {"pushed", result.pushed},
            {"pulled", result.pulled},
            {"conflicts", result.conflicts},
            {"retried", result.retried},
            {"errors", result.errors}};
}

/// Reads what to_json wrote; what is missing has its default. Throws FormatError; `result` is then
/// as it was.
void from_json(const detail::JsonValue auto& json, SyncResult& result) {
    detail::require_object(json, "sync result");
    SyncResult read;
    const auto count = [&](const char* key) {
        return static_cast<std::size_t>(detail::read_count(json, key, 0));
    };
    if (detail::find(json, "outcome") != nullptr) {
        const std::string name = detail::read_string(json, "outcome");
        const auto& names = detail::sync_outcome_names;
        const auto place = std::find(names.begin(), names.end(), name);
        if (place == names.end()) {
            throw FormatError("key \"outcome\": unknown outcome " + quoted(name));
        }
        read.outcome = static_cast<SyncOutcome>(place - names.begin());
    }
    read.pushed = count("pushed");
    read.pulled = count("pulled");
    read.conflicts = count("conflicts");
    read.retried = count("retried");
    for (const auto& each : detail::read_array(json, "errors")) {
        SyncError error;
        from_json(each, error);
        read.errors.push_back(std::move(error));
    }
    result = std::move(read);
}

}  // namespace sync_engine
