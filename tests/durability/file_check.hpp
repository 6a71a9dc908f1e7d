// SPDX-License-Identifier: MIT
#pragma once

#include <sqlite3.h>

#include <string>

namespace sync_engine::test {

/// Whether SQLite, without us, finds nothing wrong with the file; `vfs` empty: the default one.
inline bool is_file_whole(const std::string& file, const std::string& vfs = {}) {
    bool is_ok = false;
    const auto note = [](void* answer, int, char** values, char**) {
        *static_cast<bool*>(answer) = values[0] != nullptr && std::string(values[0]) == "ok";
        return 0;
    };
    sqlite3* database = nullptr;
    const char* const system = vfs.empty() ? nullptr : vfs.c_str();
    if (sqlite3_open_v2(file.c_str(), &database, SQLITE_OPEN_READWRITE, system) == SQLITE_OK) {
        sqlite3_exec(database, "PRAGMA locking_mode=EXCLUSIVE", nullptr, nullptr, nullptr);
        sqlite3_exec(database, "PRAGMA integrity_check(1)", note, &is_ok, nullptr);
    }
    sqlite3_close(database);
    return is_ok;
}

}  // namespace sync_engine::test
