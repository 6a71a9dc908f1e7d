// SPDX-License-Identifier: MIT

// What a broken or hostile remote may say. Whatever it is: the process stays up, the rest of the
// page is applied, an error names the record, and everything that is stored can be stored.

#include <sync_engine/record/error.hpp>
#include <sync_engine/record/json.hpp>
#include <sync_engine/testing/memory_storage.hpp>

#include "support/catch.hpp"
#include "support/device.hpp"
#include "support/scripted_remote.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <new>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace scenario_bad_input {

using namespace std::chrono_literals;
using sync_engine::ConflictStrategy;
using sync_engine::SyncOutcome;
using sync_engine::SyncResult;
using sync_engine::Timestamp;
using sync_engine::test::contains;
using ::test::Device;
using ::test::Json;
using ::test::ScriptedRemote;
using ::test::served;
using ::test::served_deletion;
using ::test::told;
using Record = sync_engine::SyncRecord<Json>;
using Resolver = Device::Resolver;

namespace {

constexpr auto newest_version = std::numeric_limits<std::uint64_t>::max();
const std::string no_utf8 = "\xC3\x28\xFF";
const Timestamp noon{std::chrono::sys_days{std::chrono::year{2019} / 5 / 4} + 12h};

Record row(const std::string& id, Json data = "base", std::uint64_t version = 1) {
    return served(id, std::move(data), version, noon + std::chrono::minutes{version % 60},
                  "s" + std::to_string(version));
}

/// Nested so deep that copying, comparing or printing it would overflow the stack: only to be
/// moved.
Json deep(std::size_t depth = 100'000) {
    Json value = 1;
    for (std::size_t level = 0; level < depth; ++level) {
        Json outer = Json::array();
        outer.push_back(std::move(value));
        value = std::move(outer);
    }
    return value;
}
Record deep_row(const std::string& id, std::uint64_t version) {
    Record record = row(id, nullptr, version);
    record.data = deep();
    return record;
}

ScriptedRemote::Page page(std::vector<Record> rows, Json cursor, bool has_more = false) {
    ScriptedRemote::Page page;
    page.records = std::move(rows);
    page.cursor = std::move(cursor);
    page.has_more = has_more;
    return page;
}

Json stored_cursor(const Device& device) {
    return device.store->state().cursor;
}

/// What a sync leaves behind is sound: stored, printable, and there after a restart.
void check_soundness(Device& device, const SyncResult& result) {
    CHECK_NOTHROW(Json(result).dump());
    const auto before = device.store->all();
    for (const auto& record : before) CHECK_NOTHROW(check_record(record));
    for (const auto& record : before) CHECK_NOTHROW(Json(record).dump());
    for (const auto& record : device.store->pending()) CHECK_NOTHROW(Json(record).dump());
    CHECK_NOTHROW(stored_cursor(device).dump());
    device.restart();
    CHECK(device.store->count() == before.size());
}

/// Serves one bad row between two good ones; answers the error on it.
std::string error_on(Record bad) {
    Device device;
    ScriptedRemote remote;
    const auto id = bad.id;
    std::vector<Record> rows;
    rows.push_back(row("good"));
    rows.push_back(std::move(bad));
    rows.push_back(row("fine"));
    remote.serve(page(std::move(rows), 7));

    const auto result = device.sync(remote.remote());

    CHECK(result.outcome == SyncOutcome::completed);
    CHECK(result.pulled == 2);
    CHECK(device.store->get("good"));
    CHECK(device.store->get("fine"));
    CHECK(device.store->count() == 2);
    CHECK(stored_cursor(device) == 7);
    check_soundness(device, result);
    if (result.errors.size() != 1) return "no single error";
    CHECK(result.errors[0].record_id == id);
    return result.errors[0].message;
}

}  // namespace

// Rows that cannot be stored.

TEST_CASE("a row with an unusable id is skipped and reported", "[scenario]") {
    CHECK_THAT(error_on(row("")), contains("the id is empty"));
    CHECK_THAT(error_on(row(std::string(1'000'000, 'x'))), contains("longer than 4096"));
    CHECK_THAT(error_on(row(no_utf8)), contains("UTF-8"));
}

TEST_CASE("a row that JSON cannot carry is skipped and reported", "[scenario]") {
    CHECK_THAT(error_on(row("bad", no_utf8)), contains("UTF-8"));
    CHECK_THAT(error_on(row("bad", {{no_utf8, 1}})), contains("UTF-8"));
    CHECK_THAT(error_on(row("bad", {{"x", std::numeric_limits<double>::quiet_NaN()}})),
               contains("not finite"));
    CHECK_THAT(error_on(row("bad", -std::numeric_limits<double>::infinity())),
               contains("not finite"));
    CHECK_THAT(error_on(row("bad", Json::binary({1, 2}))), contains("binary"));
    CHECK_THAT(error_on(row("bad", Json(Json::value_t::discarded))), contains("discarded"));
    CHECK_THAT(error_on(row("bad").with_tags({"fine", no_utf8})), contains("UTF-8"));
    auto revision = row("bad");
    revision.revision = no_utf8;
    CHECK_THAT(error_on(revision), contains("UTF-8"));
}

TEST_CASE("a row nested without end is skipped and reported", "[scenario]") {
    CHECK_THAT(error_on(deep_row("bad", 1)), contains("nested deeper"));
}

TEST_CASE("a row with a time outside the calendar is skipped and reported", "[scenario]") {
    for (const auto time : {Timestamp::max(), Timestamp::min()}) {
        auto bad = row("bad");
        bad.updated_at = time;
        CHECK_THAT(error_on(bad), contains("years 0000 to 9999"));
    }
}

TEST_CASE("an unusable row leaves what is known of the record", "[scenario]") {
    Device device{1, Resolver{ConflictStrategy::remote_wins}};
    ScriptedRemote remote;
    remote.serve({row("clean"), row("edited"), row("deleted")});
    device.sync(remote.remote());
    device.edit("edited", "edit");
    device.store->remove("deleted");

    ScriptedRemote::Page listing =
        page({row("clean", no_utf8, 2), row("edited", no_utf8, 2), row("deleted", no_utf8, 2)}, 9);
    listing.complete = true;
    remote.serve(std::move(listing));
    const auto result = device.sync(remote.remote());

    CHECK(result.errors.size() == 3);
    CHECK(device.data("clean") == "base");
    CHECK(device.data("edited") == "edit");
    CHECK(remote.pushed() == "edited deleted");
}

TEST_CASE("a full listing with an unusable row does not take the record for deleted",
          "[scenario]") {
    Device device;
    ScriptedRemote remote;
    remote.serve({row("a"), row("b")});
    device.sync(remote.remote());
    remote.fail_pull(sync_engine::CursorExpired{});

    ScriptedRemote::Page listing = page({row("a", no_utf8, 2)}, 9);
    listing.complete = true;
    remote.serve(std::move(listing));
    device.sync(remote.remote());

    CHECK(device.data("a") == "base");
    CHECK_FALSE(device.store->get("b"));
}

TEST_CASE("a row that the callback could not read is reported, and not taken for deleted",
          "[scenario]") {
    Device device;
    ScriptedRemote remote;
    remote.serve({row("a"), row("b"), row("c")});
    device.sync(remote.remote());
    device.edit("a", "edit");
    remote.fail_pull(sync_engine::CursorExpired{});

    ScriptedRemote::Page listing = page({row("c", "new", 2)}, 9);
    listing.complete = true;
    listing.errors = {{"a", "key \"text\" is missing"}, {"b", "it is too large"}};
    remote.serve(std::move(listing));
    const auto result = device.sync(remote.remote());

    CHECK(result.outcome == sync_engine::SyncOutcome::completed);
    REQUIRE(result.errors.size() == 2);
    CHECK(result.errors[0].record_id == "a");
    CHECK_THAT(result.errors[0].message, contains("key \"text\" is missing"));
    CHECK(device.data("a") == "edit");
    CHECK(device.data("b") == "base");
    CHECK(device.data("c") == "new");
    CHECK(stored_cursor(device) == 9);
}

// Rows that look bad and are not.

TEST_CASE("ids of any printable or unprintable kind travel both ways", "[scenario]") {
    using namespace std::string_literals;
    const std::vector<std::string> ids{"\"quoted\"",
                                       "line\nbreak",
                                       "nul\0inside"s,
                                       "../../etc",
                                       "a'; DROP--",
                                       "\xE2\x80\xAE"
                                       "backwards",
                                       std::string(4096, 'x')};
    Device device;
    ScriptedRemote remote;
    std::vector<Record> rows;
    for (const auto& id : ids) rows.push_back(row(id));
    remote.serve(std::move(rows));
    device.sync(remote.remote());
    for (const auto& id : ids) device.edit(id, "edit");
    ScriptedRemote::Report refusals;
    for (const auto& id : ids) refusals.push_back(sync_engine::rejected<Json>(id, id));
    remote.answer(refusals);

    const auto result = device.sync(remote.remote());

    CHECK(device.store->count() == ids.size());
    CHECK(result.errors.size() == ids.size());
    for (const auto& error : result.errors) {
        CHECK(error.message == "rejected: " + error.record_id);
    }
    check_soundness(device, result);
    CHECK(device.engine->retry_queue().dead_letters().size() == ids.size());
}

TEST_CASE("versions and times at the ends of their range neither overflow nor block an edit",
          "[scenario]") {
    const Timestamp first{std::chrono::sys_days{std::chrono::year{1} / 1 / 1}};
    const Timestamp last = Timestamp{std::chrono::sys_days{std::chrono::year{10000} / 1 / 1}} - 1us;
    for (const auto strategy :
         {ConflictStrategy::latest_wins, ConflictStrategy::local_wins, ConflictStrategy::merge}) {
        for (const auto version : {std::uint64_t{0}, newest_version}) {
            for (const auto time : {first, last, Timestamp{}}) {
                Device device{1, Resolver{strategy}};
                ScriptedRemote remote;
                const auto extreme = [&](const Json& data, const std::string& revision) {
                    return served("a", data, version, time, revision);
                };
                remote.serve({extreme({{"x", 0}}, "s1")});
                device.sync(remote.remote());
                device.edit("a", {{"x", 1}});
                CHECK(device.sync(remote.remote()).pushed == 1);
                CHECK(remote.last_change("a").record.version >= version);

                device.edit("a", {{"x", 2}});
                remote.serve({extreme({{"x", 3}}, "s2")});
                remote.answer({sync_engine::conflict(extreme({{"x", 4}}, "s3"))});
                auto result = device.sync(remote.remote());
                CHECK(result.outcome == SyncOutcome::completed);
                device.store->remove("a");
                result = device.sync(remote.remote());
                CHECK(device.store->pending().empty());
                device.edit("a", {{"x", 5}});
                CHECK(device.sync(remote.remote()).pushed == 1);
                check_soundness(device, result);
            }
        }
    }
}

TEST_CASE("a deletion and a state of one record in a page: the last row counts", "[scenario]") {
    Device device;
    ScriptedRemote remote;
    remote.serve({row("a"), row("b")});
    device.sync(remote.remote());

    remote.serve({served_deletion("a", 2, noon + 2min, "s2"), row("a", "again", 3),
                  row("b", "new", 2), served_deletion("b", 3, noon + 3min, "s3")});
    device.sync(remote.remote());

    CHECK(device.data("a") == "again");
    CHECK_FALSE(device.store->get("b"));
}

TEST_CASE("a page of ten thousand rows, each a hundred times over, is one page", "[scenario]") {
    Device device;
    ScriptedRemote remote;
    std::vector<Record> rows;
    for (std::uint64_t n = 0; n < 10'000; ++n) {
        rows.push_back(row("r" + std::to_string(n % 100), n, n + 1));
    }
    remote.serve(std::move(rows));

    CHECK(device.sync(remote.remote(), {.pull_page_size = 1}).pulled == 100);

    CHECK(device.store->count() == 100);
    CHECK(device.data("r42") == 9942);
    CHECK(remote.pulls.at(0).limit == 1);
}

TEST_CASE("ten thousand different rows come in one commit", "[scenario]") {
    Device device;
    ScriptedRemote remote;
    std::vector<Record> rows;
    for (int n = 0; n < 10'000; ++n) rows.push_back(row("r" + std::to_string(n), n));
    remote.serve(std::move(rows));

    const auto result = device.sync(remote.remote());

    CHECK(result.pulled == 10'000);
    CHECK(device.store->count() == 10'000);
    CHECK(device.disk->commits() == 2);  // the page, and the metadata
}

// Cursors and feeds.

TEST_CASE("a cursor that cannot be stored fails the pull, and the old one stays", "[scenario]") {
    Device device;
    ScriptedRemote remote;
    remote.serve(page({row("a")}, "good"));
    device.sync(remote.remote());
    device.edit("mine", 1);

    SECTION("no UTF-8") {
        remote.serve(page({row("b")}, no_utf8));
    }
    SECTION("not a number") {
        remote.serve(page({row("b")}, std::numeric_limits<double>::quiet_NaN()));
    }
    SECTION("nested without end") {
        auto bad = page({row("b")}, nullptr);
        bad.cursor = deep();
        remote.serve(std::move(bad));
    }
    const auto result = device.sync(remote.remote());

    CHECK(result.outcome == SyncOutcome::failed);
    CHECK_THAT(told(result), contains("cursor is unusable"));
    CHECK(stored_cursor(device) == "good");
    CHECK_FALSE(device.store->get("b"));
    CHECK(remote.pushes.empty());
    check_soundness(device, result);
    remote.serve(page({row("b")}, "better"));
    CHECK(device.sync(remote.remote()).outcome == SyncOutcome::completed);
    CHECK(device.store->get("b"));
    CHECK(device.store->pending().empty());
}

TEST_CASE("a feed without end is an error, with what was read applied and the cursor behind it",
          "[scenario]") {
    Device device;
    ScriptedRemote remote;
    device.edit("mine", 1);
    int pages = 0;
    int refused = 1;
    Json expected_cursor;
    const auto endless = [&](auto cursor_of) {
        for (int n = 0; n < 200; ++n) {
            remote.on_pull([&, cursor_of](const auto&) {
                const int at = ++pages;
                return page({row("r" + std::to_string(at))}, cursor_of(at), true);
            });
        }
    };

    SECTION("the same cursor for ever") {
        endless([](int) { return Json("stuck"); });
        expected_cursor = "stuck";
    }
    SECTION("no cursor at all") {
        endless([](int) { return Json(); });
    }
    SECTION("cursors that go back") {
        endless([](int at) { return Json(at % 5); });
        expected_cursor = 0;
    }
    SECTION("ever new cursors") {
        endless([](int at) { return Json(at); });
        expected_cursor = 100;
        refused = 0;
    }
    const auto result = device.sync(remote.remote(), {.max_pages = 100});

    CHECK(result.outcome == SyncOutcome::failed);
    CHECK_THAT(told(result), contains("the feed does not"));
    CHECK(stored_cursor(device) == expected_cursor);
    CHECK(pages <= 100);
    CHECK(device.store->count() == static_cast<std::size_t>(pages - refused + 1));  // and mine
    CHECK(device.data("mine") == 1);
    CHECK(remote.pushes.empty());
    check_soundness(device, result);
}

TEST_CASE("a sync reads as many pages as it may, and the next one goes on behind them",
          "[scenario]") {
    Device device;
    ScriptedRemote remote;
    device.edit("mine", 1);
    remote.serve(page({row("a")}, 1, true));
    CHECK(device.sync(remote.remote(), {.max_pages = 1}).outcome == SyncOutcome::failed);
    CHECK(stored_cursor(device) == 1);
    remote.serve(page({row("b")}, 2, true));
    CHECK(device.sync(remote.remote(), {.max_pages = 0}).outcome == SyncOutcome::failed);
    CHECK(stored_cursor(device) == 2);
    remote.serve(page({row("c")}, 3, false));
    CHECK(device.sync(remote.remote(), {.max_pages = 1}).outcome == SyncOutcome::completed);

    CHECK(device.store->count() == 4);
    CHECK(remote.pushed() == "mine");
}

// Push reports.

TEST_CASE("a verdict that is not usable is a failed attempt of its record alone", "[scenario]") {
    Device device;
    ScriptedRemote remote;
    for (const char* id : {"another", "deep", "fine", "kind", "none", "text", "revision"}) {
        device.edit(id, 1);
    }
    remote.on_push([](const auto&) {
        ScriptedRemote::Report report;
        const auto add = [&](const std::string& id, Record state) {
            auto verdict = sync_engine::conflict(std::move(state));
            verdict.id = id;
            report.push_back(std::move(verdict));
        };
        add("another", row("fine"));
        add("deep", deep_row("deep", 2));
        add("text", row("text", no_utf8, 2));
        add("none", row("none"));
        report.back().remote.reset();
        add("kind", row("kind"));
        report.back().kind = static_cast<sync_engine::VerdictKind>(99);
        report.back().remote.reset();
        report.push_back(sync_engine::accepted<Json>("revision", no_utf8));
        report.push_back(sync_engine::accepted<Json>("fine", "r1"));
        return report;
    });

    const auto result = device.sync(remote.remote());

    CHECK(result.outcome == SyncOutcome::completed);
    CHECK(result.pushed == 1);
    CHECK(result.conflicts == 0);
    CHECK(result.errors.size() == 6);
    CHECK(device.store->pending().size() == 6);
    CHECK(device.store->get("fine")->revision == "r1");
    for (const auto& entry : device.engine->retry_queue().entries()) CHECK(entry.attempts == 1);
    check_soundness(device, result);
    CHECK(device.sync(remote.remote()).retried == 6);
}

TEST_CASE("ids and messages of any kind in a report can be reported", "[scenario]") {
    using namespace std::string_literals;
    Device device;
    ScriptedRemote remote;
    device.edit("a", 1);
    device.edit("b", 1);
    device.edit("c", 1);
    remote.answer({sync_engine::accepted<Json>(""), sync_engine::accepted<Json>(no_utf8),
                   sync_engine::accepted<Json>(std::string(1'000'000, 'x')),
                   sync_engine::rejected<Json>("a", no_utf8 + "\0"s),
                   sync_engine::retry<Json>("b", no_utf8, std::chrono::milliseconds::max()),
                   sync_engine::retry<Json>("c", "soon", std::chrono::milliseconds::min())});

    const auto result = device.sync(remote.remote());

    CHECK(result.outcome == SyncOutcome::completed);
    CHECK(result.errors.size() == 6);
    CHECK(device.store->count() == 3);
    check_soundness(device, result);
    CHECK_NOTHROW(Json(device.engine->retry_queue()).dump());
    device.clock.advance(1h);
    CHECK(device.sync(remote.remote()).retried == 2);
}

TEST_CASE("exceptions of any kind and with any text end a call and not the process", "[scenario]") {
    Device device;
    ScriptedRemote remote;
    device.edit("a", 1);
    const auto fails = [&](auto error) {
        remote.fail_pull(error);
        auto result = device.sync(remote.remote());
        CHECK(result.outcome == SyncOutcome::failed);
        check_soundness(device, result);
        remote.fail_push(error);
        result = device.sync(remote.remote());
        CHECK(result.outcome == SyncOutcome::failed);
        check_soundness(device, result);
    };

    fails(42);
    fails(std::runtime_error(no_utf8));
    fails(sync_engine::Unavailable(no_utf8));
    fails(std::out_of_range(no_utf8));
    CHECK(device.store->pending().size() == 1);
    remote.fail_push(sync_engine::RetryAfter{std::chrono::hours::max()});
    device.sync(remote.remote());
    device.clock.advance(1h);
    CHECK(device.sync(remote.remote()).retried == 1);
}

TEST_CASE("a resolver that makes something endless is one that failed", "[scenario]") {
    Device device{1, Resolver{[](const Record& local, const Record&) {
                      Record winner = local;
                      winner.data = deep();
                      return winner;
                  }}};
    ScriptedRemote remote;
    device.edit("a", "mine");
    remote.serve({row("a", "theirs", 9)});

    const auto result = device.sync(remote.remote());

    CHECK_THAT(told(result), contains("nested deeper"));
    CHECK(device.data("a") == "mine");
    CHECK(remote.pushes.empty());
    check_soundness(device, result);
}

// Data of the app's own type, which a callback made by itself.

namespace {

struct Reading {
    std::string place{};
    double value = 0;

    bool operator==(const Reading&) const = default;
};

void to_json(Json& json, const Reading& reading) {
    if (reading.place == "nowhere") throw std::domain_error("a reading of nowhere");
    if (reading.place == "no room") throw std::bad_alloc();
    json = {{"place", reading.place}, {"value", reading.value}};
}

void from_json(const Json& json, Reading& reading) {
    reading = {json.at("place").get<std::string>(), json.at("value").get<double>()};
}

using ReadingRecord = sync_engine::SyncRecord<Reading>;
using ReadingStorage = sync_engine::testing::MemoryStorage<Reading>;

ReadingRecord reading(const std::string& id, Reading data) {
    return {.id = id, .data = std::move(data), .updated_at = noon};
}

}  // namespace

TEST_CASE("a row whose own type of data cannot be written blocks no other", "[scenario]") {
    sync_engine::LocalStore<Reading> store{std::make_shared<ReadingStorage>()};
    sync_engine::SyncEngine<Reading> engine{store, sync_engine::ConflictResolver<Reading>{}};
    const auto bad =
        GENERATE(as<Reading>{}, Reading{no_utf8, 1},
                 Reading{"here", std::numeric_limits<double>::quiet_NaN()}, Reading{"nowhere", 1});
    const auto pull = [&] {
        return sync_engine::make_ready_future(std::vector<ReadingRecord>{
            reading("good", {"here", 1}), reading("bad", bad), reading("fine", {"there", 2})});
    };
    const auto push = [](std::vector<ReadingRecord>) {
        return sync_engine::make_ready_future(std::vector<std::string>{});
    };

    const auto result = engine.sync({.push = push, .pull = pull}).get();

    CHECK(result.outcome == SyncOutcome::completed);
    CHECK(result.pulled == 2);
    CHECK(store.count() == 2);
    REQUIRE(result.errors.size() == 1);
    CHECK(result.errors[0].record_id == "bad");
    CHECK_THAT(result.errors[0].message, contains("not usable"));
}

TEST_CASE("a deletion whose own type of data cannot be written deletes all the same",
          "[scenario]") {
    sync_engine::LocalStore<Reading> store{std::make_shared<ReadingStorage>()};
    sync_engine::SyncEngine<Reading> engine{
        store, sync_engine::ConflictResolver<Reading>{sync_engine::ConflictStrategy::manual}};
    store.put(reading("a", {"here", 1}));
    const auto pull = [] {
        return sync_engine::make_ready_future(std::vector<ReadingRecord>{
            reading("a", {no_utf8, 1}).with_status(sync_engine::SyncStatus::deleted)});
    };

    const auto result =
        engine.sync({.pull = pull}, {.direction = sync_engine::SyncDirection::pull}).get();

    CHECK_FALSE(result.has_errors());
    REQUIRE(store.conflicts().size() == 1);
    CHECK(store.conflicts()[0].theirs.is_deleted());
    CHECK(store.conflicts()[0].theirs.data == Reading{});
}

TEST_CASE("too little memory to look at a record skips none", "[scenario]") {
    sync_engine::LocalStore<Reading> store{std::make_shared<ReadingStorage>()};
    sync_engine::SyncEngine<Reading> engine{store, sync_engine::ConflictResolver<Reading>{}};
    const auto pull = [](sync_engine::PullRequest) {
        return sync_engine::make_ready_future(sync_engine::PullPage<Reading>{
            .records = {reading("a", {"here", 1}), reading("b", {"no room", 1})}, .cursor = 1});
    };

    CHECK_THROWS_AS(engine.sync({.pull = pull}).get(), std::bad_alloc);

    CHECK(store.state().cursor.is_null());
    CHECK(store.count() == 0);
}

TEST_CASE("a verdict whose own type of data cannot be written fails its record alone",
          "[scenario]") {
    sync_engine::LocalStore<Reading> store{std::make_shared<ReadingStorage>()};
    sync_engine::SyncEngine<Reading> engine{store, sync_engine::ConflictResolver<Reading>{}};
    store.put(reading("bad", {"here", 1}));
    store.put(reading("good", {"there", 2}));
    const auto push = [](sync_engine::PushBatch<Reading>) {
        return sync_engine::make_ready_future(
            sync_engine::PushReport<Reading>{sync_engine::conflict(reading("bad", {no_utf8, 1})),
                                             sync_engine::accepted<Reading>("good")});
    };
    const auto pull = [] { return sync_engine::make_ready_future(std::vector<ReadingRecord>{}); };

    const auto result = engine.sync({.push = push, .pull = pull}).get();

    CHECK(result.pushed == 1);
    REQUIRE(result.errors.size() == 1);
    CHECK(result.errors[0].record_id == "bad");
    CHECK_THAT(result.errors[0].message, contains("conflict is not usable"));
    CHECK(store.get("bad")->data.place == "here");
}

TEST_CASE("a winner whose own type of data cannot be written is a resolver that failed",
          "[scenario]") {
    sync_engine::LocalStore<Reading> store{std::make_shared<ReadingStorage>()};
    const sync_engine::ConflictResolver<Reading> resolver{
        [](const ReadingRecord& local, const ReadingRecord&) {
            return local.with_data({no_utf8, 1});
        }};
    sync_engine::SyncEngine<Reading> engine{store, resolver};
    store.put(reading("a", {"here", 1}));
    const auto pull = [] {
        return sync_engine::make_ready_future(
            std::vector<ReadingRecord>{reading("a", {"there", 2})});
    };
    const auto push = [](std::vector<ReadingRecord>) {
        return sync_engine::make_ready_future(std::vector<std::string>{});
    };

    const auto result = engine.sync({.push = push, .pull = pull}).get();

    CHECK_THAT(told(result), contains("resolver failed"));
    CHECK(store.get("a")->data.place == "here");
}

}  // namespace scenario_bad_input
