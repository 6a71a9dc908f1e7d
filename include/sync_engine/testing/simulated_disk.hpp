// SPDX-License-Identifier: MIT
#pragma once

#include <sync_engine/store/storage.hpp>
#include <sync_engine/testing/memory_storage.hpp>

#include <functional>
#include <memory>
#include <utility>

namespace sync_engine::testing {

/// The disk of a simulated device: what outlives its processes.
template <class Data>
class SimulatedDisk {
public:
    SimulatedDisk() = default;
    SimulatedDisk(const SimulatedDisk&) = delete;
    SimulatedDisk& operator=(const SimulatedDisk&) = delete;
    virtual ~SimulatedDisk() = default;

    /// A process starts; the last one has let go of its storage by now.
    [[nodiscard]] virtual std::shared_ptr<Storage<Data>> open() = 0;

    /// The power goes, while a process still has the disk open: what it does from now on is lost.
    virtual void cut_power() = 0;

    /// A second disk with what this one holds now: a backup.
    [[nodiscard]] virtual std::shared_ptr<SimulatedDisk> copy() const = 0;
};

/// Makes an empty disk.
template <class Data>
using MakeDisk = std::function<std::shared_ptr<SimulatedDisk<Data>>()>;

/// A disk on which each commit is safe at once.
template <class Data>
class MemoryDisk final : public SimulatedDisk<Data> {
public:
    /// Empty.
    MemoryDisk() : MemoryDisk(std::make_shared<MemoryStorage<Data>>()) {}
    /// On a storage that the test can look at and let fail.
    explicit MemoryDisk(std::shared_ptr<MemoryStorage<Data>> storage)
        : storage_(std::move(storage)) {}

    [[nodiscard]] std::shared_ptr<Storage<Data>> open() override { return storage_; }
    void cut_power() override {}
    [[nodiscard]] std::shared_ptr<SimulatedDisk<Data>> copy() const override {
        return std::make_shared<MemoryDisk>(storage_->copy());
    }

private:
    std::shared_ptr<MemoryStorage<Data>> storage_;
};

}  // namespace sync_engine::testing
