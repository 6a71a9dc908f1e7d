// SPDX-License-Identifier: MIT
#pragma once

#include <sync_engine/record/timestamp.hpp>
#include <sync_engine/store/id_index.hpp>
#include <sync_engine/store/sync_metadata.hpp>
#include <sync_engine/sync/news.hpp>
#include <sync_engine/sync/sync_result.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

namespace sync_engine {

/// Adds up the result of a cycle. A value.
class Tally {
public:
    /// Adds an error; of one record, the last one counts. An empty id speaks of a whole call.
    void add_error(const std::string& id, std::string message, Timestamp at) {
        SyncError error{id, std::move(message), at};
        const auto place = places_.find(
            id, [&](std::size_t n) { return std::string_view{result_.errors[n].record_id}; });
        if (place != IdIndex::nowhere) {
            result_.errors[place] = std::move(error);
            return;
        }
        if (!id.empty()) places_.insert(id, result_.errors.size());
        result_.errors.push_back(std::move(error));
    }

    /// Adds what a committed decision came to.
    void add(const std::string& id, const Effect& effect, Timestamp at) {
        result_.pushed += effect.pushed ? 1 : 0;
        result_.retried += effect.retried ? 1 : 0;
        result_.pulled += effect.pulled ? 1 : 0;
        result_.conflicts += effect.conflict ? 1 : 0;
        if (effect.error) add_error(id, *effect.error, at);
    }

    void end(SyncOutcome outcome) { result_.outcome = outcome; }

    /// What all syncs come to, this one included.
    [[nodiscard]] SyncMetadata added_to(SyncMetadata metadata, Timestamp began,
                                        Timestamp ended) const {
        metadata.total_pushes += result_.pushed + result_.retried;
        metadata.total_pulls += result_.pulled;
        metadata.total_conflicts += result_.conflicts;
        if (result_.outcome == SyncOutcome::completed) {
            metadata.last_sync_at =
                std::clamp(ended, Timestamp{}, latest_stamp);  // what can be written
            metadata.last_duration = std::chrono::duration_cast<std::chrono::milliseconds>(
                std::max(ended, began) - began);
        }
        return metadata;
    }

    [[nodiscard]] const SyncResult& result() const noexcept { return result_; }

private:
    SyncResult result_{};
    IdIndex places_;  // in the errors
};

}  // namespace sync_engine
