// SPDX-License-Identifier: MIT
#pragma once

#include <sqlite3.h>

#include <cstddef>

namespace sync_engine::test {

/// Counts down to the call that fails; for one thread.
class Countdown {
public:
    /// The `nth` call from now fails, and with `for_ever` every one after it.
    void arm(std::size_t nth, bool for_ever) {
        left_ = nth;
        for_ever_ = for_ever;
        has_failed_ = false;
        calls_ = 0;
    }
    void disarm() { left_ = 0; }

    /// To be asked once a call.
    [[nodiscard]] bool fails() {
        ++calls_;
        if (left_ == 0 || left_-- != 1) return false;
        has_failed_ = true;
        if (for_ever_) left_ = 1;
        return true;
    }

    /// Whether the call was reached since `arm`.
    [[nodiscard]] bool has_failed() const noexcept { return has_failed_; }

    /// How many calls there were since `arm`.
    [[nodiscard]] std::size_t calls() const noexcept { return calls_; }

private:
    std::size_t calls_ = 0;
    std::size_t left_ = 0;  // 0: nothing fails
    bool for_ever_ = false;
    bool has_failed_ = false;
};

/// The memory of SQLite, which goes on as it was while nothing is armed.
class SqliteMemory {
public:
    /// To be called before SQLite is used for the first time. Small things are not kept apart in a
    /// pool from then on, so that each is an allocation that can fail.
    static bool install() {
        if (sqlite3_config(SQLITE_CONFIG_GETMALLOC, &system()) != SQLITE_OK) return false;
        static sqlite3_mem_methods methods = system();
        methods.xMalloc = [](int size) -> void* {
            return countdown().fails() ? nullptr : system().xMalloc(size);
        };
        methods.xRealloc = [](void* memory, int size) -> void* {
            return countdown().fails() ? nullptr : system().xRealloc(memory, size);
        };
        return sqlite3_config(SQLITE_CONFIG_MALLOC, &methods) == SQLITE_OK &&
               sqlite3_config(SQLITE_CONFIG_LOOKASIDE, 0, 0) == SQLITE_OK;
    }

    static Countdown& countdown() {
        static Countdown counted;
        return counted;
    }

private:
    static sqlite3_mem_methods& system() {
        static sqlite3_mem_methods methods{};
        return methods;
    }
};

}  // namespace sync_engine::test
