// SPDX-License-Identifier: MIT
#pragma once

#include <sync_engine/record/sync_record.hpp>
#include <sync_engine/store/entry.hpp>
#include <sync_engine/store/storage.hpp>

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace sync_engine::testing {

/// Looks at each commit of one device: which states of a record it can tell from news by their
/// revision alone. Promised are those that it holds, and the last four that it has left behind.
template <class Data>
class RevisionWatch {
public:
    /// The process starts with this on its disk, which may be all that it has ever had.
    void start(const StorageImage<Data>& image) {
        for (const auto& entry : image.entries) note(entry);
    }

    /// The disk was put back: what came after the backup was never there.
    void forget() { records_.clear(); }

    /// A commit went through.
    void committed(const StorageBatch<Data>& batch) {
        if (batch.clear) records_.clear();
        for (const auto* entry : batch.write) note(*entry);
        for (const auto id : batch.erase) records_.erase(std::string{id});
    }

    /// True for a remote state that the device has had, and not too long ago.
    [[nodiscard]] bool knows(const SyncRecord<Data>& state) const {
        const auto record = records_.find(state.id);
        if (record == records_.end()) return false;
        const auto& [held, left] = record->second;
        return contains(held, state.revision) || contains(left, state.revision);
    }

private:
    using Revisions = std::vector<std::string>;

    struct Known {
        Revisions held{};  ///< of base, and of what waits
        Revisions left{};  ///< oldest first
    };

    static bool contains(const Revisions& revisions, const std::string& revision) {
        return std::find(revisions.begin(), revisions.end(), revision) != revisions.end();
    }

    void note(const Entry<Data>& entry) {
        auto& [held, left] = records_[entry.local->id];
        Revisions now;
        for (const auto& state : {entry.base, entry.theirs()}) {
            if (state && !state->revision.empty()) now.push_back(state->revision);
        }
        for (const auto& revision : held) {
            // A listing that hides the record may show it again: nothing is left behind by that.
            if (!now.empty() && !contains(now, revision)) left.push_back(revision);
        }
        std::erase_if(left, [&](const auto& revision) { return contains(now, revision); });
        if (std::ssize(left) > promised) left.erase(left.begin(), left.end() - promised);
        held = std::move(now);
    }

    static constexpr std::ptrdiff_t promised = 4;  // docs/backends.md

    std::map<std::string, Known> records_;
};

}  // namespace sync_engine::testing
