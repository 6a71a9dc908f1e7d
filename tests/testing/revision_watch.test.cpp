// SPDX-License-Identifier: MIT
#include <sync_engine/store/sync_rules.hpp>
#include <sync_engine/testing/revision_watch.hpp>

#include "support/catch.hpp"

#include <nlohmann/json.hpp>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace test_of_revision_watch {

using namespace sync_engine;
using sync_engine::testing::RevisionWatch;
using Json = nlohmann::json;

namespace {

/// A device's disk with one record, without a device.
struct Desk {
    static Entry<Json> entry(const std::string& revision, const std::string& waiting = {}) {
        auto entry = rules::taken<Json>(nullptr, {.id = "a", .revision = revision}, Timestamp{});
        if (waiting.empty()) return entry;
        return rules::waiting(std::move(entry), {.id = "a", .revision = waiting}, true);
    }
    void commit(const Entry<Json>& entry) {
        StorageBatch<Json> batch;
        batch.write.push_back(&entry);
        watch.committed(batch);
    }
    void commit(const std::vector<std::string>& revisions) {
        for (const auto& revision : revisions) commit(entry(revision));
    }
    [[nodiscard]] bool knows(const std::string& revision) const {
        return watch.knows({.id = "a", .revision = revision});
    }

    RevisionWatch<Json> watch{};
};

}  // namespace

TEST_CASE("a device knows what it holds, and the last four that it has left", "[testing]") {
    Desk desk;
    CHECK_FALSE(desk.knows("r1"));
    desk.commit({"r1", "r2", "r3", "r4", "r5"});
    CHECK(desk.knows("r1"));
    desk.commit({"r6"});

    CHECK_FALSE(desk.knows("r1"));
    for (const auto* revision : {"r2", "r3", "r4", "r5", "r6"}) CHECK(desk.knows(revision));
    CHECK_FALSE(desk.knows("r7"));
    CHECK_FALSE(desk.watch.knows({.id = "b", .revision = "r6"}));
}

TEST_CASE("a device knows a state that waits or has waited", "[testing]") {
    Desk desk;
    desk.commit(Desk::entry("r1", "r2"));
    CHECK(desk.knows("r2"));
    desk.commit({"r3"});

    CHECK(desk.knows("r1"));
    CHECK(desk.knows("r2"));
}

TEST_CASE("what is held again is not left behind", "[testing]") {
    Desk desk;
    desk.commit({"r1", "r2", "r1", "r3", "r4", "r5"});

    CHECK(desk.knows("r2"));
}

TEST_CASE("what is gone without another revision may come back under its own", "[testing]") {
    Desk desk;
    desk.commit({"r1", "r2", ""});

    CHECK(desk.knows("r1"));
    CHECK_FALSE(desk.knows("r2"));
}

TEST_CASE("what has no revision is not known by it", "[testing]") {
    Desk desk;
    desk.commit({"", "r1"});

    CHECK_FALSE(desk.knows(""));
}

TEST_CASE("a device forgets the revisions of what is not on its disk any more", "[testing]") {
    Desk desk;
    desk.commit({"r1", "r2"});
    const std::vector<Entry<Json>> entries{Desk::entry("r2")};
    SECTION("not in a crash") {
        desk.watch.start({.entries = entries});
        CHECK(desk.knows("r1"));
        CHECK(desk.knows("r2"));
    }
    SECTION("it was put back") {
        desk.watch.forget();
        desk.watch.start({.entries = entries});
        CHECK_FALSE(desk.knows("r1"));
        CHECK(desk.knows("r2"));
    }
    SECTION("it was cleared") {
        StorageBatch<Json> batch;
        batch.clear = true;
        desk.watch.committed(batch);
        CHECK_FALSE(desk.knows("r2"));
    }
    SECTION("it was erased") {
        StorageBatch<Json> batch;
        batch.erase = {"a"};
        desk.watch.committed(batch);
        CHECK_FALSE(desk.knows("r2"));
    }
}

}  // namespace test_of_revision_watch
