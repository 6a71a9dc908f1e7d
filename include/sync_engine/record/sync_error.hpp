// SPDX-License-Identifier: MIT
#pragma once

#include <sync_engine/record/json.hpp>
#include <sync_engine/record/timestamp.hpp>
#include <sync_engine/record/utf8.hpp>

#include <nlohmann/json.hpp>

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

namespace sync_engine {

/// What went wrong with one record on its way, or with a whole call where `record_id` is empty.
struct SyncError {
    std::string record_id{};      ///< whom it is about; empty: a whole call
    std::string message{};        ///< what happened, for people
    Timestamp timestamp = now();  ///< when that was noted

    friend bool operator==(const SyncError&, const SyncError&) = default;
};

namespace detail {

/// So many failures of a change are remembered: enough to see a pattern; without a bound a record
/// that fails for months would grow.
inline constexpr std::size_t history_limit = 20;

/// Adds a failure to a history of them, oldest first, that keeps the newest.
inline void remember(std::vector<SyncError>& history, SyncError error) {
    if (history.size() >= history_limit) {
        const auto surplus = static_cast<std::ptrdiff_t>(history.size() - history_limit + 1);
        history.erase(history.begin(), history.begin() + surplus);
    }
    history.push_back(std::move(error));
}

}  // namespace detail

/// Writes the keys recordId, message and timestamp.
///
/// Messages come from anywhere, in any encoding; bytes that JSON cannot carry become U+FFFD, so
/// that a report can always be written.
void to_json(detail::JsonValue auto& json, const SyncError& error) {
    auto written = nlohmann::json::object();
    written["recordId"] = detail::repaired_utf8(error.record_id);
    written["message"] = detail::repaired_utf8(error.message);
    written["timestamp"] = error.timestamp;
    json = std::move(written);
}

/// Reads what to_json wrote; without a timestamp, the time is `Timestamp{}`.
void from_json(const detail::JsonValue auto& json, SyncError& error) {
    detail::require_object(json, "sync error");
    SyncError read{.record_id = detail::read_string(json, "recordId"),
                   .message = detail::read_string(json, "message"),
                   .timestamp = detail::read_time(json, "timestamp", Timestamp{})};
    error = std::move(read);
}

}  // namespace sync_engine
