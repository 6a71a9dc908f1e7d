// SPDX-License-Identifier: MIT

// What docs/architecture.md decides of a restored backup and of a copied file.

#include <sync_engine/record/error.hpp>
#include <sync_engine/remote/memory_remote.hpp>

#include "support/catch.hpp"
#include "support/device.hpp"
#include "support/scripted_remote.hpp"

#include <chrono>

namespace scenario_restored_backup {

using namespace std::chrono_literals;
using sync_engine::ConflictStrategy;
using sync_engine::MemoryRemote;
using sync_engine::testing::ManualClock;
using ::test::Device;
using ::test::Json;
using ::test::ScriptedRemote;
using Resolver = Device::Resolver;

// "A restored backup or a copied file gets a new store id, so that operation ids never repeat."

TEST_CASE("an edit made on a restored backup is never taken for one that was made before",
          "[scenario]") {
    ManualClock time;
    MemoryRemote<Json> server{time.clock()};
    Device device{1, Resolver{ConflictStrategy::local_wins}, time};
    device.edit("a", "first");
    device.sync(server.remote());
    const auto backup = device.disk->copy();
    device.edit("b", "before the restore");
    device.sync(server.remote());

    device.disk = backup;
    device.restart();
    device.edit("c", "after the restore");
    for (int round = 0; round < 2; ++round) device.sync(server.remote());

    // The same count of edits again: only another store id keeps the names apart.
    CHECK(server.records().size() == 3);
    CHECK(server.find("c").has_value());
    CHECK(device.store->pending().empty());
    CHECK(device.engine->retry_queue().entries().empty());
}

TEST_CASE("the same record edited on a restored backup is pushed and not mistaken", "[scenario]") {
    ManualClock time;
    MemoryRemote<Json> server{time.clock()};
    Device device{1, Resolver{ConflictStrategy::local_wins}, time};
    device.edit("a", "first");
    device.sync(server.remote());
    const auto backup = device.disk->copy();
    device.edit("a", "lost with the old disk");
    device.sync(server.remote());

    device.disk = backup;
    device.restart();
    device.edit("a", "after the restore");
    for (int round = 0; round < 2; ++round) device.sync(server.remote());

    CHECK(server.find("a")->data == "after the restore");
    CHECK(device.data("a") == "after the restore");
}

TEST_CASE("two copies of one file never use the same name for different edits", "[scenario]") {
    Device original;
    original.edit("a", 1);
    Device copy{7};
    copy.disk = original.disk->copy();
    copy.restart();
    ScriptedRemote remote;
    original.edit("x", "of the original");
    copy.edit("y", "of the copy");

    original.sync(remote.remote());
    const auto x = remote.last_change("x").operation_id;
    copy.sync(remote.remote());
    CHECK(remote.last_change("y").operation_id != x);
}

}  // namespace scenario_restored_backup
