// SPDX-License-Identifier: MIT
#include <sync_engine.hpp>

bool has_id(const sync_engine::SyncRecord<>& record);

int main() {
    sync_engine::LocalStore<> store;
    store.put({.id = "1", .data = {{"n", 1}}});
    return store.count() == 1 && has_id(store.get("1").value()) ? 0 : 1;
}
