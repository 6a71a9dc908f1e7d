// SPDX-License-Identifier: MIT
#pragma once

#include <sync_engine/store/sqlite_storage.hpp>
#include <sync_engine/store/storage.hpp>

#include "durability/disk_vfs.hpp"
#include "support/temporary_folder.hpp"

#include <sqlite3.h>

#include <filesystem>
#include <memory>
#include <utility>

namespace sync_engine::test {

/// SQLite on a disk in memory, which fails on demand: the log of a commit cannot be flushed.
struct SqliteInMemory {
    template <class Data>
    class Model {
    public:
        Model() {
            vfs_.before = [this](Call call) {
                const bool fails = call == Call::sync && std::exchange(fail_next_sync_, false);
                return fails ? Order{SQLITE_IOERR_FSYNC} : Order{};
            };
        }
        [[nodiscard]] std::shared_ptr<Storage<Data>> open() {
            return sqlite_storage<Data>("store.db", {.vfs = vfs_.name()});
        }
        void fail_next_commit() { fail_next_sync_ = true; }

    private:
        DiskVfs vfs_;
        bool fail_next_sync_ = false;
    };
};

/// SQLite on the real disk; a commit fails when all but its last row has been written.
struct SqliteOnDisk {
    template <class Data>
    class Model {
    public:
        [[nodiscard]] std::shared_ptr<Storage<Data>> open() {
            return std::make_shared<Tripping>(sqlite_storage<Data>(folder_ / "store.db"), trips_);
        }
        void fail_next_commit() { trips_ = true; }

    private:
        class Tripping final : public Storage<Data> {
        public:
            Tripping(std::shared_ptr<Storage<Data>> disk, bool& trips)
                : disk_(std::move(disk)), trips_(trips) {}
            [[nodiscard]] StorageImage<Data> load() override { return disk_->load(); }
            void commit(const StorageBatch<Data>& batch) override {
                StorageBatch<Data> longer = batch;
                Entry<Data> last;
                if (std::exchange(trips_, false)) {
                    SyncRecord<Data> record{.id = "no text can hold this: \xFF"};
                    record.revision = "\xFF";
                    last.local = std::make_shared<const SyncRecord<Data>>(record);
                    last.base = std::make_shared<const SyncRecord<Data>>(record);
                    longer.write.push_back(&last);
                }
                disk_->commit(longer);
            }

        private:
            std::shared_ptr<Storage<Data>> disk_;
            bool& trips_;
        };

        TemporaryFolder folder_;
        bool trips_ = false;
    };
};

}  // namespace sync_engine::test
