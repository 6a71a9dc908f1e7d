// SPDX-License-Identifier: MIT
// A record outlives the store that it was put in.
#include <sync_engine/store/local_store.hpp>
#include <sync_engine/store/sqlite_storage.hpp>

#include <filesystem>

int main() {
    const char* file = "test_package.db";
    std::filesystem::remove(file);
    const auto open = [&] { return sync_engine::LocalStore<>{sync_engine::sqlite_storage(file)}; };
    open().put({.id = "a"});
    return open().get("a").has_value() ? 0 : 1;
}
