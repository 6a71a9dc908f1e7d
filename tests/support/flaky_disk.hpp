// SPDX-License-Identifier: MIT
#pragma once

#include <sync_engine/record/error.hpp>
#include <sync_engine/store/storage.hpp>
#include <sync_engine/testing/memory_storage.hpp>

#include <nlohmann/json.hpp>

#include <atomic>
#include <cstdint>
#include <thread>

namespace sync_engine::test {

/// A disk that takes its time, so that writers gather meanwhile, and fails one commit in four.
class FlakyDisk final : public Storage<nlohmann::json> {
public:
    StorageImage<nlohmann::json> load() override { return memory.load(); }

    void commit(const StorageBatch<nlohmann::json>& batch) override {
        if (is_busy_.exchange(true)) has_overlapped = true;
        for (int n = 0; n < 20; ++n) std::this_thread::yield();
        state_ = state_ * 6364136223846793005U + 1442695040888963407U;
        const bool fails = !is_sound && state_ >> 62 == 0;
        if (!fails) memory.commit(batch);
        is_busy_ = false;
        if (fails) throw StorageError("the disk is full");
    }

    testing::MemoryStorage<> memory{};
    std::atomic<bool> is_sound{false};
    std::atomic<bool> has_overlapped{false};

private:
    std::atomic<bool> is_busy_{false};
    std::uint64_t state_ = 1;  // unguarded: commits that overlap are a race
};

}  // namespace sync_engine::test
