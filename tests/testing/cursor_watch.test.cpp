// SPDX-License-Identifier: MIT
#include <sync_engine/store/sync_rules.hpp>
#include <sync_engine/testing/cursor_watch.hpp>
#include <sync_engine/testing/invariant.hpp>

#include "support/catch.hpp"

#include <nlohmann/json.hpp>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace test_of_cursor_watch {

using namespace sync_engine;
using sync_engine::testing::CursorWatch;
using sync_engine::testing::Verdicts;
using Json = nlohmann::json;

namespace {

/// A device's disk that is watched, without a device.
struct Desk {
    static Entry<Json> entry(const std::string& id) {
        return rules::taken<Json>(nullptr, {.id = id}, Timestamp{});
    }
    /// Starts the process with these records and this cursor on its disk.
    void start(const std::vector<std::string>& ids, Json cursor) {
        StorageImage<Json> image;
        for (const auto& id : ids) image.entries.push_back(entry(id));
        image.state.cursor = std::move(cursor);
        watch.start(image);
    }
    void pull(Json from, Json to, std::vector<SyncRecord<Json>> records) {
        PullPage<Json> page;
        page.records = std::move(records);
        page.cursor = std::move(to);
        watch.pulled({.cursor = std::move(from)}, page);
    }
    void commit(const std::vector<std::string>& ids, Json cursor, bool clear = false,
                std::vector<std::string_view> erase = {}) {
        std::vector<Entry<Json>> entries;
        for (const auto& id : ids) entries.push_back(entry(id));
        StoreState state;
        state.cursor = std::move(cursor);
        StorageBatch<Json> batch;
        batch.clear = clear;
        for (const auto& each : entries) batch.write.push_back(&each);
        batch.erase = std::move(erase);
        batch.state = &state;
        watch.committed(batch);
    }
    [[nodiscard]] std::string first() const {
        return verdicts.first() ? verdicts.first()->detail : "";
    }

    Verdicts verdicts{};
    CursorWatch<Json> watch{verdicts};
};

}  // namespace

TEST_CASE("a cursor that moves with the records of its page is in step", "[testing]") {
    Desk desk;
    desk.start({"a"}, 1);
    desk.pull(1, 2, {{.id = "a"}, {.id = "b"}, {.id = "c", .status = SyncStatus::deleted}});
    desk.commit({"b"}, 1);
    desk.commit({}, 2);
    desk.commit({}, nullptr, true);  // cleared

    CHECK(desk.first().empty());
}

TEST_CASE("a cursor behind a record that is not on the disk runs ahead", "[testing]") {
    Desk desk;
    desk.start({"a", "b"}, 1);
    desk.pull(1, 2, {{.id = "a"}, {.id = "b"}});
    SECTION("it never came") {
        desk.start({"a"}, 1);
        desk.commit({}, 2);
    }
    SECTION("it is erased just then") {
        desk.commit({}, 2, false, {"b"});
    }
    SECTION("it was cleared with the others") {
        desk.commit({"a"}, 2, true);
    }
    CHECK(desk.verdicts.first()->invariant == sync_engine::testing::Invariant::cursor_in_step);
    CHECK(desk.first() == "the cursor is behind record b, which is not on the disk");
}

TEST_CASE("of several pages behind one cursor, the last one counts", "[testing]") {
    Desk desk;
    desk.start({}, nullptr);
    desk.pull(nullptr, 2, {{.id = "a"}});
    desk.pull(nullptr, 2, {{.id = "b"}});

    desk.commit({"b"}, 2);
    CHECK(desk.first().empty());
}

TEST_CASE("a cursor whose page was never seen proves nothing", "[testing]") {
    Desk desk;
    desk.start({}, 1);
    desk.pull(1, 2, {{.id = "a"}});

    desk.commit({}, 9);
    CHECK(desk.first().empty());
}

}  // namespace test_of_cursor_watch
