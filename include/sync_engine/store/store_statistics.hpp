// SPDX-License-Identifier: MIT
#pragma once

#include <sync_engine/record/json.hpp>

#include <nlohmann/json.hpp>

#include <cstddef>

namespace sync_engine {

/// How many records a store holds, by state. Kept up to date at each commit, so asking is free.
struct StoreStatistics {
    std::size_t total = 0;         ///< records the app can see
    std::size_t pending = 0;       ///< of these: the remote never had them
    std::size_t synced = 0;        ///< of these: equal to the remote's, as far as we know
    std::size_t modified = 0;      ///< of these: changed since the remote had them
    std::size_t conflicted = 0;    ///< conflicts that wait for the user, deletions included
    std::size_t deleted = 0;       ///< deletions that still have to reach the remote
    std::size_t dead_letters = 0;  ///< changes that were refused for good or ran out of attempts

    bool operator==(const StoreStatistics&) const = default;
};

/// Writes the keys total, pending, synced, modified, conflicted, deleted and deadLetters.
void to_json(detail::JsonValue auto& json, const StoreStatistics& statistics) {
    json = {{"total", statistics.total},
            {"pending", statistics.pending},
            {"synced", statistics.synced},
            {"modified", statistics.modified},
            {"conflicted", statistics.conflicted},
            {"deleted", statistics.deleted},
            {"deadLetters", statistics.dead_letters}};
}

/// Reads what to_json wrote; what is missing is 0. Throws FormatError; `statistics` are then as
/// they were.
void from_json(const detail::JsonValue auto& json, StoreStatistics& statistics) {
    detail::require_object(json, "store statistics");
    const auto count = [&](const char* key) {
        return static_cast<std::size_t>(detail::read_count(json, key, 0));
    };
    statistics = {.total = count("total"),
                  .pending = count("pending"),
                  .synced = count("synced"),
                  .modified = count("modified"),
                  .conflicted = count("conflicted"),
                  .deleted = count("deleted"),
                  .dead_letters = count("deadLetters")};
}

}  // namespace sync_engine
