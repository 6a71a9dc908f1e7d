// SPDX-License-Identifier: MIT
#include <sync_engine/store/store_memory.hpp>

#include "store/test_store.hpp"
#include "support/catch.hpp"

#include <nlohmann/json.hpp>

#include <cstddef>
#include <memory>
#include <string>
#include <utility>

namespace test_of_store_memory {

using namespace sync_engine;
using namespace sync_engine::test;
using nlohmann::json;

TEST_CASE("a commit has its room in memory before it is durable", "[store]") {
    constexpr std::size_t records = 3000;
    ChangeFeed<json> feed;
    StoreMemory<json> memory(nullptr, feed);
    Commit<json> commit;
    for (std::size_t each = 0; each < records; ++each) {
        SyncRecord<> record = note(std::to_string(each), "one");
        commit.edits.write({.local = std::make_shared<const SyncRecord<>>(std::move(record))});
    }
    REQUIRE_FALSE(memory.table().has_room(records));

    memory.prepare(commit);

    CHECK(memory.table().has_room(records));
    CHECK(memory.table().size() == 0);
    memory.publish(commit);
    CHECK(memory.table().size() == records);
    CHECK(memory.state().sequence == records);
}

}  // namespace test_of_store_memory
