// SPDX-License-Identifier: MIT
// The stranger's records outlive the process.
#include <sync_engine.hpp>
#include <sync_engine/store/sqlite_storage.hpp>

void keep_records();

void keep_records() {
    sync_engine::LocalStore<> store{sync_engine::sqlite_storage("stranger.db")};
    store.put({.id = "a"});
}
