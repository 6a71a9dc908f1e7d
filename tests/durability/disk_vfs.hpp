// SPDX-License-Identifier: MIT
#pragma once

#include "durability/disk.hpp"

#include <sqlite3.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <limits>
#include <map>
#include <new>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sync_engine::test {

/// What SQLite can ask of a disk.
enum class Call { open, remove, exists, read, write, truncate, sync, size, lock };

/// What is to become of a call.
struct Order {
    int code = SQLITE_OK;
    bool half = false;  ///< a failing write wrote its first half; a failing sync lost what it had
};

/// A VFS of SQLite on a `Disk` in memory: no real disk is touched, and every run is the same.
///
/// It registers itself under a name of its own, for one thread. `before` may make a call fail,
/// `after` sees the disk as each call has left it. It has no shared memory, so WAL needs
/// `locking_mode=EXCLUSIVE`.
class DiskVfs {
public:
    explicit DiskVfs(Disk disk = Disk{}) : disk_(std::move(disk)) {
        static unsigned made = 0;
        name_ = "disk-" + std::to_string(++made);
        describe();
        sqlite3_vfs_register(&vfs_, 0);
    }
    DiskVfs(const DiskVfs&) = delete;
    DiskVfs& operator=(const DiskVfs&) = delete;
    ~DiskVfs() { sqlite3_vfs_unregister(&vfs_); }

    /// For `sqlite3_open_v2`.
    [[nodiscard]] const std::string& name() const noexcept { return name_; }

    [[nodiscard]] const Disk& disk() const noexcept { return disk_; }

    /// No call may throw: SQLite is C.
    std::function<Order(Call)> before{};
    std::function<void(Call)> after{};

    /// How many bytes all files together may have; more is SQLITE_FULL.
    std::uint64_t capacity = std::numeric_limits<std::uint64_t>::max();

private:
    /// SQLite's file, and what we know of it. SQLite gives the memory and asks for no destructor.
    struct OpenFile {
        sqlite3_file base{};
        DiskVfs* vfs = nullptr;
        Disk::Node node = 0;
        int lock = SQLITE_LOCK_NONE;
        bool syncs_directory = false;  ///< its first sync makes its name safe, as on POSIX
    };

    static DiskVfs& self(sqlite3_vfs* vfs) { return *static_cast<DiskVfs*>(vfs->pAppData); }
    static OpenFile& self(sqlite3_file* file) { return *reinterpret_cast<OpenFile*>(file); }

    /// Runs `act(half)` unless the call is to fail; a failing one may still do a half.
    template <class Act>
    int perform(Call call, Act&& act) {
        const Order order = before ? before(call) : Order{};
        if (order.code == SQLITE_OK) {
            const int code = act(false);
            if (after) after(call);
            return code;
        }
        if (order.half) (void)act(true);
        return order.code;
    }

    // Files and names.

    static int open(sqlite3_vfs* vfs, const char* path, sqlite3_file* opened, int flags, int* out) {
        auto* file = new (opened) OpenFile{};
        DiskVfs& own = self(vfs);
        return own.perform(Call::open, [&](bool half) {
            return half ? SQLITE_OK : own.open(path == nullptr ? "" : path, *file, flags, out);
        });
    }

    int open(const std::string& path, OpenFile& file, int flags, int* out) {
        Disk::Node node = path.empty() ? disk_.create_nameless() : disk_.find(path);
        const bool is_new = node == 0;
        if (is_new && (flags & SQLITE_OPEN_CREATE) == 0) return SQLITE_CANTOPEN;
        if (is_new) node = disk_.create(path);
        // What the unix VFS of SQLite does: of new files, it syncs the names of journals alone.
        constexpr int journals =
            SQLITE_OPEN_MAIN_JOURNAL | SQLITE_OPEN_WAL | SQLITE_OPEN_SUPER_JOURNAL;
        file.vfs = this;
        file.node = node;
        file.syncs_directory = is_new && (flags & journals) != 0;
        file.base.pMethods = methods();
        files_.insert(&file);
        (void)cached(node);
        if (out != nullptr) *out = flags;
        return SQLITE_OK;
    }

    static int close(sqlite3_file* opened) {
        OpenFile& file = self(opened);
        DiskVfs& own = *file.vfs;
        own.files_.erase(&file);
        own.forget_nameless();
        return SQLITE_OK;
    }

    static int remove(sqlite3_vfs* vfs, const char* path, int sync_directory) {
        DiskVfs& own = self(vfs);
        return own.perform(Call::remove, [&](bool half) {
            if (half) return SQLITE_OK;
            if (own.disk_.find(path) == 0) return SQLITE_IOERR_DELETE_NOENT;
            own.disk_.remove(path);
            if (sync_directory != 0) own.sync_directory();
            return SQLITE_OK;
        });
    }

    static int exists(sqlite3_vfs* vfs, const char* path, int flags, int* answer) {
        DiskVfs& own = self(vfs);
        return own.perform(Call::exists, [&](bool half) {
            if (half) return SQLITE_OK;
            const Disk::Node node = own.disk_.find(path);
            // As the unix VFS: an empty file is as good as none when SQLite asks if it exists.
            const bool counts = node != 0 && !own.cached(node).empty();
            *answer = flags == SQLITE_ACCESS_EXISTS ? counts : node != 0;
            return SQLITE_OK;
        });
    }

    void sync_directory() {
        disk_.sync_directory();
        forget_nameless();
    }

    void forget_nameless() {
        std::set<Disk::Node> open;
        for (const auto* each : files_) open.insert(each->node);
        disk_.forget_nameless(open);
        std::erase_if(cache_, [&](const auto& each) { return !open.contains(each.first); });
    }

    // Contents.

    /// The bytes of a file as programs see them.
    std::string& cached(Disk::Node node) {
        const auto known = cache_.find(node);
        if (known != cache_.end()) return known->second;
        return cache_.emplace(node, disk_.content(node)).first->second;
    }

    static int read(sqlite3_file* opened, void* bytes, int size, sqlite3_int64 offset) {
        OpenFile& file = self(opened);
        return file.vfs->perform(Call::read, [&](bool half) {
            if (half) return SQLITE_OK;
            const std::string& content = file.vfs->cached(file.node);
            const auto at = std::min(static_cast<std::size_t>(offset), content.size());
            const auto wanted = static_cast<std::size_t>(size);
            const auto found = std::min(wanted, content.size() - at);
            std::memset(bytes, 0, wanted);
            std::memcpy(bytes, content.data() + at, found);
            return found == wanted ? SQLITE_OK : SQLITE_IOERR_SHORT_READ;
        });
    }

    static int write(sqlite3_file* opened, const void* bytes, int size, sqlite3_int64 offset) {
        OpenFile& file = self(opened);
        return file.vfs->perform(Call::write, [&](bool half) {
            const auto length = static_cast<std::size_t>(half ? size / 2 : size);
            return file.vfs->write(file.node, static_cast<std::uint64_t>(offset),
                                   {static_cast<const char*>(bytes), length});
        });
    }

    int write(Disk::Node node, std::uint64_t offset, std::string_view bytes) {
        std::string& content = cached(node);
        const std::uint64_t end = offset + bytes.size();
        if (end > content.size() && used() + (end - content.size()) > capacity) return SQLITE_FULL;
        if (end > content.size()) content.resize(static_cast<std::size_t>(end));
        content.replace(static_cast<std::size_t>(offset), bytes.size(), bytes);
        disk_.write(node, offset, bytes);
        return SQLITE_OK;
    }

    [[nodiscard]] std::uint64_t used() const {
        std::uint64_t sum = 0;
        for (const auto& [node, content] : cache_) sum += content.size();
        return sum;
    }

    static int truncate(sqlite3_file* opened, sqlite3_int64 size) {
        OpenFile& file = self(opened);
        return file.vfs->perform(Call::truncate, [&](bool half) {
            if (half) return SQLITE_OK;
            file.vfs->cached(file.node).resize(static_cast<std::size_t>(size));
            file.vfs->disk_.truncate(file.node, static_cast<std::uint64_t>(size));
            return SQLITE_OK;
        });
    }

    static int sync(sqlite3_file* opened, int) {
        OpenFile& file = self(opened);
        DiskVfs& own = *file.vfs;
        return own.perform(Call::sync, [&](bool half) {
            if (half) {
                own.disk_.forget_unsynced(file.node);
                own.cache_.erase(file.node);
                return SQLITE_OK;
            }
            own.disk_.sync(file.node);
            if (std::exchange(file.syncs_directory, false)) own.sync_directory();
            return SQLITE_OK;
        });
    }

    static int size(sqlite3_file* opened, sqlite3_int64* answer) {
        OpenFile& file = self(opened);
        return file.vfs->perform(Call::size, [&](bool half) {
            if (half) return SQLITE_OK;
            *answer = static_cast<sqlite3_int64>(file.vfs->cached(file.node).size());
            return SQLITE_OK;
        });
    }

    // Locks.

    static int lock(sqlite3_file* opened, int level) {
        OpenFile& file = self(opened);
        return file.vfs->perform(
            Call::lock, [&](bool half) { return half ? SQLITE_OK : file.vfs->lock(file, level); });
    }

    int lock(OpenFile& file, int level) {
        if (file.lock >= level) return SQLITE_OK;
        const int others = lock_of_others(file);
        if (level == SQLITE_LOCK_SHARED) {
            if (others >= SQLITE_LOCK_PENDING) return SQLITE_BUSY;
        } else if (others >= SQLITE_LOCK_RESERVED) {
            return SQLITE_BUSY;
        } else if (level == SQLITE_LOCK_EXCLUSIVE && others >= SQLITE_LOCK_SHARED) {
            file.lock = SQLITE_LOCK_PENDING;  // nobody else begins to read
            return SQLITE_BUSY;
        }
        file.lock = level;
        return SQLITE_OK;
    }

    [[nodiscard]] int lock_of_others(const OpenFile& file) const {
        int highest = SQLITE_LOCK_NONE;
        for (const auto* each : files_) {
            if (each != &file && each->node == file.node) highest = std::max(highest, each->lock);
        }
        return highest;
    }

    static int unlock(sqlite3_file* opened, int level) {
        OpenFile& file = self(opened);
        file.lock = std::min(file.lock, level);
        return SQLITE_OK;
    }

    static int check_reserved(sqlite3_file* opened, int* answer) {
        OpenFile& file = self(opened);
        const int highest = std::max(file.lock, file.vfs->lock_of_others(file));
        *answer = highest >= SQLITE_LOCK_RESERVED;
        return SQLITE_OK;
    }

    // What is the same for every file.

    static int file_control(sqlite3_file*, int, void*) { return SQLITE_NOTFOUND; }

    static int sector_size(sqlite3_file* opened) {
        // What SQLite takes for a common disk, and what the other kind says of itself.
        return self(opened).vfs->disk_.device().powersafe_overwrite ? 4096 : 512;
    }

    static int characteristics(sqlite3_file* opened) {
        return self(opened).vfs->disk_.device().powersafe_overwrite
                   ? SQLITE_IOCAP_POWERSAFE_OVERWRITE
                   : 0;
    }

    static const sqlite3_io_methods* methods() {
        static const sqlite3_io_methods table = [] {
            sqlite3_io_methods made{};
            made.iVersion = 1;
            made.xClose = close;
            made.xRead = read;
            made.xWrite = write;
            made.xTruncate = truncate;
            made.xSync = sync;
            made.xFileSize = size;
            made.xLock = lock;
            made.xUnlock = unlock;
            made.xCheckReservedLock = check_reserved;
            made.xFileControl = file_control;
            made.xSectorSize = sector_size;
            made.xDeviceCharacteristics = characteristics;
            return made;
        }();
        return &table;
    }

    // The rest of the system: it answers the same on every run.

    static int full_path(sqlite3_vfs*, const char* path, int size, char* out) {
        sqlite3_snprintf(size, out, "%s", path);
        return SQLITE_OK;
    }

    static int randomness(sqlite3_vfs*, int size, char* out) {
        std::memset(out, 1, static_cast<std::size_t>(size));
        return size;
    }

    static int sleep(sqlite3_vfs*, int microseconds) { return microseconds; }

    static int current_time(sqlite3_vfs*, double* julian_day) {
        *julian_day = 2461165.0;  // noon of a day in 2026
        return SQLITE_OK;
    }

    static int last_error(sqlite3_vfs*, int, char*) { return 0; }

    void describe() {
        vfs_.iVersion = 1;
        vfs_.szOsFile = sizeof(OpenFile);
        vfs_.mxPathname = 512;
        vfs_.zName = name_.c_str();
        vfs_.pAppData = this;
        vfs_.xOpen = open;
        vfs_.xDelete = remove;
        vfs_.xAccess = exists;
        vfs_.xFullPathname = full_path;
        vfs_.xRandomness = randomness;
        vfs_.xSleep = sleep;
        vfs_.xCurrentTime = current_time;
        vfs_.xGetLastError = last_error;
    }

    Disk disk_;
    std::map<Disk::Node, std::string> cache_;  // contents of the files that are open
    std::set<OpenFile*> files_;
    std::string name_;
    sqlite3_vfs vfs_{};
};

}  // namespace sync_engine::test
