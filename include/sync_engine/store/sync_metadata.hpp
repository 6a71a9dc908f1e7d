// SPDX-License-Identifier: MIT
#pragma once

#include <sync_engine/record/json.hpp>
#include <sync_engine/record/timestamp.hpp>

#include <nlohmann/json.hpp>

#include <chrono>
#include <cstdint>
#include <limits>
#include <optional>

namespace sync_engine {

/// What all past syncs of a store add up to; kept with the store, so it outlives the process.
struct SyncMetadata {
    std::optional<Timestamp> last_sync_at{};  ///< end of the last sync that completed
    std::optional<std::chrono::milliseconds> last_duration{};  ///< how long that one took
    std::uint64_t total_pushes = 0;     ///< changes that the remote accepted, retries included
    std::uint64_t total_pulls = 0;      ///< records that a remote state changed here
    std::uint64_t total_conflicts = 0;  ///< conflicts met

    bool operator==(const SyncMetadata&) const = default;
};

/// Writes the keys lastSyncAt, lastDuration in milliseconds, totalPushes, totalPulls and
/// totalConflicts; the first two are null before the first sync that completed.
void to_json(detail::JsonValue auto& json, const SyncMetadata& metadata) {
    json = {{"lastSyncAt", nullptr},
            {"lastDuration", nullptr},
            {"totalPushes", metadata.total_pushes},
            {"totalPulls", metadata.total_pulls},
            {"totalConflicts", metadata.total_conflicts}};
    if (metadata.last_sync_at) json["lastSyncAt"] = to_iso8601(*metadata.last_sync_at);
    if (metadata.last_duration) json["lastDuration"] = metadata.last_duration->count();
}

/// Reads what to_json wrote; what is missing is none or 0. Throws FormatError; `metadata` is then
/// as it was.
void from_json(const detail::JsonValue auto& json, SyncMetadata& metadata) {
    detail::require_object(json, "sync metadata");
    SyncMetadata read;
    if (const auto* at = detail::find(json, "lastSyncAt"); at != nullptr && !at->is_null()) {
        read.last_sync_at = detail::read_time(json, "lastSyncAt", Timestamp{});
    }
    if (const auto* took = detail::find(json, "lastDuration");
        took != nullptr && !took->is_null()) {
        constexpr std::uint64_t longest = std::numeric_limits<std::int64_t>::max() / 1000;
        const auto count = detail::read_count(json, "lastDuration");
        if (count > longest) throw FormatError("key \"lastDuration\": the number is too large");
        read.last_duration = std::chrono::milliseconds{static_cast<std::int64_t>(count)};
    }
    read.total_pushes = detail::read_count(json, "totalPushes", 0);
    read.total_pulls = detail::read_count(json, "totalPulls", 0);
    read.total_conflicts = detail::read_count(json, "totalConflicts", 0);
    metadata = read;
}

}  // namespace sync_engine
