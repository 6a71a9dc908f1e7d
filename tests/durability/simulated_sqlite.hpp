// SPDX-License-Identifier: MIT
#pragma once

#include <sync_engine/store/sqlite_storage.hpp>
#include <sync_engine/testing/simulated_disk.hpp>

#include "durability/disk.hpp"
#include "durability/disk_vfs.hpp"

#include <memory>
#include <optional>
#include <utility>

namespace sync_engine::test {

/// A simulated device's disk with a SQLite file on it: when the power goes, what was not flushed
/// is kept, dropped or garbled, sector by sector, and SQLite has to make sense of it.
template <class Data>
class SqliteDisk final : public testing::SimulatedDisk<Data> {
public:
    explicit SqliteDisk(Disk disk = Disk{}, unsigned boots = 0)
        : disk_(std::move(disk)), boots_(boots) {}

    [[nodiscard]] std::shared_ptr<Storage<Data>> open() override {
        if (vfs_) disk_ = vfs_->disk();
        if (left_) disk_ = *std::exchange(left_, std::nullopt);
        vfs_ = std::make_unique<DiskVfs>(disk_);
        return sqlite_storage<Data>("store.db", {.vfs = vfs_->name()});
    }
    void cut_power() override { left_ = vfs_->disk().after_cut(++boots_); }
    [[nodiscard]] std::shared_ptr<testing::SimulatedDisk<Data>> copy() const override {
        return std::make_shared<SqliteDisk>(vfs_ ? vfs_->disk() : disk_, boots_);
    }

private:
    Disk disk_;
    std::unique_ptr<DiskVfs> vfs_;
    std::optional<Disk> left_;  // by a power cut
    unsigned boots_;            // each with damage of its own
};

}  // namespace sync_engine::test
