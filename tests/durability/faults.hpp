// SPDX-License-Identifier: MIT
#pragma once

#include "durability/disk_vfs.hpp"
#include "durability/failing_memory.hpp"

#include <sqlite3.h>

#include <array>
#include <cstddef>
#include <string_view>

namespace sync_engine::test {

/// What can fail under a storage.
enum class Kind {
    open,
    remove,
    exists,
    read,
    write,
    disk_full,
    truncate,
    sync,
    size,
    lock,
    any_call,  ///< whatever SQLite asks the disk for
    memory,    ///< an allocation of SQLite
};

inline constexpr std::array<std::string_view, 12> kind_names{
    "open",     "remove", "exists", "read", "write",    "disk_full",
    "truncate", "sync",   "size",   "lock", "any_call", "memory"};

/// Makes the n-th call of one kind fail.
class Faults {
public:
    /// With `half`, a write that fails has written a half, and a sync that fails has lost what it
    /// was to make safe.
    void arm(Kind kind, std::size_t nth, bool for_ever, bool half) {
        kind_ = kind;
        half_ = half;
        seen_ = {};
        calls_.arm(kind == Kind::memory ? 0 : nth, for_ever);
        SqliteMemory::countdown().arm(kind == Kind::memory ? nth : 0, for_ever);
    }

    void disarm() {
        calls_.disarm();
        SqliteMemory::countdown().disarm();
    }

    [[nodiscard]] bool have_happened() const {
        return calls_.has_failed() || SqliteMemory::countdown().has_failed();
    }

    /// From now on, only counts.
    void watch() { arm(Kind::any_call, 0, false, false); }

    /// How many calls of this kind there were since `watch`.
    [[nodiscard]] std::size_t calls(Kind kind) const {
        if (kind == Kind::memory) return SqliteMemory::countdown().calls();
        std::size_t sum = 0;
        for (std::size_t each = 0; each < seen_.size(); ++each) {
            if (is_meant(kind, static_cast<Call>(each))) sum += seen_.at(each);
        }
        return sum;
    }

    /// For `DiskVfs::before`.
    [[nodiscard]] Order on(Call call) {
        ++seen_.at(static_cast<std::size_t>(call));
        if (!is_meant(kind_, call) || !calls_.fails()) return {};
        const bool can_be_half = call == Call::write || call == Call::sync;
        return {.code = code_of(call), .half = half_ && can_be_half};
    }

private:
    static bool is_meant(Kind kind, Call call) {
        switch (kind) {
            case Kind::open:
                return call == Call::open;
            case Kind::remove:
                return call == Call::remove;
            case Kind::exists:
                return call == Call::exists;
            case Kind::read:
                return call == Call::read;
            case Kind::write:
            case Kind::disk_full:
                return call == Call::write;
            case Kind::truncate:
                return call == Call::truncate;
            case Kind::sync:
                return call == Call::sync;
            case Kind::size:
                return call == Call::size;
            case Kind::lock:
                return call == Call::lock;
            case Kind::any_call:
                return true;
            case Kind::memory:
                return false;
        }
        return false;
    }

    [[nodiscard]] int code_of(Call call) const {
        if (kind_ == Kind::disk_full) return SQLITE_FULL;
        switch (call) {
            case Call::open:
                return SQLITE_CANTOPEN;
            case Call::remove:
                return SQLITE_IOERR_DELETE;
            case Call::exists:
                return SQLITE_IOERR_ACCESS;
            case Call::read:
                return SQLITE_IOERR_READ;
            case Call::write:
                return SQLITE_IOERR_WRITE;
            case Call::truncate:
                return SQLITE_IOERR_TRUNCATE;
            case Call::sync:
                return SQLITE_IOERR_FSYNC;
            case Call::size:
                return SQLITE_IOERR_FSTAT;
            case Call::lock:
                return SQLITE_IOERR_LOCK;
        }
        return SQLITE_IOERR;
    }

    Countdown calls_;
    std::array<std::size_t, 9> seen_{};  // by `Call`
    Kind kind_ = Kind::any_call;
    bool half_ = false;
};

}  // namespace sync_engine::test
