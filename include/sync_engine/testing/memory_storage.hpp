// SPDX-License-Identifier: MIT
#pragma once

#include <sync_engine/record/error.hpp>
#include <sync_engine/store/entry.hpp>
#include <sync_engine/store/storage.hpp>

#include <cstddef>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

namespace sync_engine::testing {

/// A disk in memory: what is committed outlives the store, not the process, so that a test can
/// restart an app by opening a second store on it. It fails when it is told to.
template <class Data = nlohmann::json>
class MemoryStorage final : public Storage<Data> {
public:
    [[nodiscard]] StorageImage<Data> load() override {
        const std::lock_guard lock(mutex_);
        StorageImage<Data> image;
        for (const auto& [id, entry] : entries_) image.entries.push_back(entry);
        image.state = state_;
        return image;
    }

    /// Holds the batch, or throws `StorageError` if `fail_next` said so; then nothing has changed.
    void commit(const StorageBatch<Data>& batch) override {
        const std::lock_guard lock(mutex_);
        ++attempts_;
        if (skip_ > 0) {
            --skip_;
        } else if (failures_ > 0) {
            --failures_;
            throw StorageError("the disk is full");
        }
        if (batch.clear) entries_.clear();
        for (const auto* entry : batch.write) entries_.insert_or_assign(entry->local->id, *entry);
        for (const auto id : batch.erase) entries_.erase(std::string{id});
        state_ = *batch.state;
        ++commits_;
    }

    /// After `skip` more commits, the next `count` ones fail and change nothing.
    void fail_next(std::size_t count = 1, std::size_t skip = 0) {
        const std::lock_guard lock(mutex_);
        failures_ = count;
        skip_ = skip;
    }

    /// A second disk with what this one holds now: a backup, or the moment of a crash.
    [[nodiscard]] std::shared_ptr<MemoryStorage> copy() const {
        auto other = std::make_shared<MemoryStorage>();
        const std::lock_guard lock(mutex_);
        other->entries_ = entries_;
        other->state_ = state_;
        return other;
    }

    /// How many commits went through.
    [[nodiscard]] std::size_t commits() const {
        const std::lock_guard lock(mutex_);
        return commits_;
    }

    /// How many commits were asked for.
    [[nodiscard]] std::size_t attempts() const {
        const std::lock_guard lock(mutex_);
        return attempts_;
    }

private:
    mutable std::mutex mutex_;
    std::map<std::string, Entry<Data>> entries_;
    StoreState state_;
    std::size_t failures_ = 0;
    std::size_t skip_ = 0;
    std::size_t commits_ = 0;
    std::size_t attempts_ = 0;
};

}  // namespace sync_engine::testing
