// SPDX-License-Identifier: MIT
#pragma once

#include <sync_engine/record/error.hpp>
#include <sync_engine/store/storage.hpp>

#include "durability/account.hpp"
#include "durability/app.hpp"
#include "durability/disk.hpp"
#include "durability/disk_vfs.hpp"
#include "durability/file_check.hpp"

#include <nlohmann/json.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace sync_engine::test {

/// Opens a storage on the disk of this VFS.
using OpenStorage = std::function<std::shared_ptr<Storage<nlohmann::json>>(const std::string& vfs)>;

/// An instant at which the power may go: the disk as it is, and what the app has been told.
struct Instant {
    Disk disk{};
    Account account{};
    std::size_t deed = 0;  ///< how many came before
};

/// The life of an app from a boot to a clean end. Since a cut harms the disk alone, one life shows
/// every cut: it keeps each instant at which something was written, made safe, named or
/// acknowledged.
class PowerLife {
public:
    PowerLife(Disk disk, Account account, OpenStorage open)
        : account_(std::move(account)), open_(std::move(open)), vfs_(std::move(disk)) {
        vfs_.after = [this](Call) { keep(); };
    }

    /// Boots, lives, and ends cleanly. Throws what the storage throws.
    void run(World& world, const std::vector<Deed>& deeds, std::size_t large_body) {
        auto app = boot(world, large_body);
        for (const Deed deed : deeds) {
            if (deed == Deed::restart) {
                app.reset();
                app = boot(world, large_body);
            } else {
                app->perform(deed);
            }
            ++deed_;
            keep();
        }
    }

    /// Boots and ends; tells what the storage shows. Throws what the storage throws.
    Finding look() {
        const auto storage = std::make_shared<AccountedStorage>(open_(vfs_.name()), account_);
        (void)storage->load();
        keep();
        difference_ = storage->difference_found();
        return storage->finding();
    }

    /// Whether SQLite finds nothing wrong with the file.
    [[nodiscard]] bool is_whole() {
        vfs_.after = nullptr;
        return is_file_whole("app.db", vfs_.name());
    }

    [[nodiscard]] const std::vector<Instant>& instants() const noexcept { return instants_; }
    [[nodiscard]] const std::string& difference_found() const noexcept { return difference_; }

private:
    std::unique_ptr<App> boot(World& world, std::size_t large_body) {
        auto app = std::make_unique<App>(
            world, std::make_shared<AccountedStorage>(open_(vfs_.name()), account_));
        app->set_large(large_body);
        return app;
    }

    /// Keeps this instant, unless a cut would leave what it leaves after the one before.
    void keep() {
        const auto known = std::pair{vfs_.disk().version(), account_.version()};
        if (std::exchange(known_, known) == known) return;
        instants_.push_back({vfs_.disk(), account_, deed_});
    }

    Account account_;
    OpenStorage open_;
    std::vector<Instant> instants_;
    std::pair<std::uint64_t, std::uint64_t> known_{};
    std::size_t deed_ = 0;
    std::string difference_;
    DiskVfs vfs_;
};

}  // namespace sync_engine::test
