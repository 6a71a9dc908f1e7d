// SPDX-License-Identifier: MIT
#include <sync_engine.hpp>

int main() {
    sync_engine::MemoryRemote<> server;
    sync_engine::LocalStore<> store;
    const sync_engine::ConflictResolver<> resolver{sync_engine::ConflictStrategy::latest_wins};
    sync_engine::SyncEngine<> engine{store, resolver};
    store.put({.id = "a", .data = {{"n", 1}}});
    return engine.sync(server.remote()).get().pushed == 1 ? 0 : 1;
}
