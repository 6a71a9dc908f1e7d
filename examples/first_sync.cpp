// SPDX-License-Identifier: MIT
#include <sync_engine.hpp>

#include <cstdio>

using namespace sync_engine;

int main() {
    MemoryRemote<> server;  // stands in for your backend: a pair of callbacks, push and pull
    const ConflictResolver<> resolver{ConflictStrategy::latest_wins};

    LocalStore<> phone;
    SyncEngine<> phone_engine{phone, resolver};
    phone.put({.id = "milk", .data = {{"text", "Buy milk"}, {"done", false}}});
    phone_engine.sync(server.remote()).get();

    LocalStore<> tablet;
    SyncEngine<> tablet_engine{tablet, resolver};
    tablet_engine.sync(server.remote()).get();

    server.set_offline(true);  // edits need no network
    tablet.update("milk", [](auto& note) { note["done"] = true; });

    server.set_offline(false);
    tablet_engine.sync(server.remote()).get();
    const SyncResult result = phone_engine.sync(server.remote()).get();

    const bool done = phone.get("milk")->data["done"].get<bool>();
    std::printf("%zu record pulled: the milk is %s\n", result.pulled, done ? "bought" : "missing");
    return done && !result.has_errors() ? 0 : 1;
}
