// SPDX-License-Identifier: MIT
#pragma once

#include <sync_engine/record/error.hpp>
#include <sync_engine/store/storage.hpp>
#include <sync_engine/testing/fault.hpp>

#include <nlohmann/json_fwd.hpp>

#include <functional>
#include <memory>
#include <utility>

namespace sync_engine::testing {

/// Any storage, on a disk that fills up and in a process that dies at its commits.
///
/// A crash is a commit that throws, before or after it became durable; from then on every commit
/// throws, because the process is dead: drop the store and open another one on the wrapped storage.
template <class Data = nlohmann::json>
class FaultyStorage final : public Storage<Data> {
public:
    /// `faults` has to outlive it.
    FaultyStorage(std::shared_ptr<Storage<Data>> disk, Faults& faults)
        : disk_(std::move(disk)), faults_(faults) {}

    /// Called after each commit that went through.
    std::function<void(const StorageBatch<Data>&)> on_commit{};

    [[nodiscard]] StorageImage<Data> load() override { return disk_->load(); }

    /// Commits on the wrapped storage, unless a fault happens: then it throws `StorageError`, and
    /// only after `Fault::crash_after_commit` the commit is on the disk all the same.
    void commit(const StorageBatch<Data>& batch) override {
        if (is_dead_) throw StorageError("the process is dead");
        if (faults_.happens(Fault::disk_full)) throw StorageError("the disk is full");
        if (faults_.happens(Fault::crash_before_commit)) die();
        disk_->commit(batch);
        if (on_commit) on_commit(batch);
        if (faults_.happens(Fault::crash_after_commit)) {
            is_durable_ = true;
            die();
        }
    }

    /// True once a commit was a crash.
    [[nodiscard]] bool is_dead() const noexcept { return is_dead_; }
    /// True if the commit that was the crash is on the disk all the same.
    [[nodiscard]] bool is_last_commit_durable() const noexcept { return is_durable_; }

private:
    [[noreturn]] void die() {
        is_dead_ = true;
        throw StorageError("the process died in a commit");
    }

    std::shared_ptr<Storage<Data>> disk_;
    Faults& faults_;
    bool is_dead_ = false;
    bool is_durable_ = false;
};

}  // namespace sync_engine::testing
