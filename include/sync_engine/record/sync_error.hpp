// SPDX-License-Identifier: MIT
#pragma once

#include <sync_engine/record/json.hpp>
#include <sync_engine/record/timestamp.hpp>
#include <sync_engine/record/utf8.hpp>

#include <nlohmann/json.hpp>

#include <string>
#include <utility>

namespace sync_engine {

/// What went wrong with one record on its way, or with a whole call where `record_id` is empty.
struct SyncError {
    std::string record_id{};      ///< whom it is about; empty: a whole call
    std::string message{};        ///< what happened, for people
    Timestamp timestamp = now();  ///< when that was noted

    friend bool operator==(const SyncError&, const SyncError&) = default;
};

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
