// SPDX-License-Identifier: MIT

// "Stamps and staleness": the cases that docs/architecture.md decides, one after the other.

#include <sync_engine/remote/memory_remote.hpp>

#include "support/catch.hpp"
#include "support/device.hpp"
#include "support/scripted_remote.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace scenario_cases_stamps {

using namespace std::chrono_literals;
using sync_engine::ConflictStrategy;
using sync_engine::MemoryRemote;
using sync_engine::Stamp;
using sync_engine::SyncOutcome;
using sync_engine::SyncStatus;
using sync_engine::Timestamp;
using sync_engine::test::contains;
using sync_engine::testing::ManualClock;
using ::test::Device;
using ::test::Json;
using ::test::ScriptedRemote;
using ::test::served;
using ::test::served_deletion;
using ::test::told;
using Record = sync_engine::SyncRecord<Json>;
using Resolver = Device::Resolver;

namespace {

/// A server with one record that two devices know.
struct Office {
    explicit Office(Resolver resolver = Resolver{})
        : one{1, resolver, time}, other{2, resolver, time} {
        server.seed(served("a", {{"x", 0}, {"y", 0}}, 1, time.now()));
        sync_both();
        time.advance(1min);
    }

    void sync_both() {
        one.sync(server.remote());
        other.sync(server.remote());
    }
    [[nodiscard]] Record stored(const std::string& id = "a") const {
        return server.find(id).value();
    }

    ManualClock time{};
    MemoryRemote<Json> server{time.clock()};
    Device one;
    Device other;
};

}  // namespace

// "A winner that is not the remote's state is stamped above both sides before it becomes dirty,
// under every strategy: otherwise other devices would take it for a stale read."

TEST_CASE("a winner that is not the remote's is above both sides, and others take it",
          "[scenario]") {
    const std::vector<std::pair<std::string, Resolver>> resolvers{
        {"local_wins", Resolver{ConflictStrategy::local_wins}},
        {"latest_wins", Resolver{ConflictStrategy::latest_wins}},
        {"merge", Resolver{ConflictStrategy::merge}},
        {"manual", Resolver{ConflictStrategy::manual}},
        {"custom", Resolver{[](const Record& local, const Record&) {
             return local.with_data({{"x", "both"}});
         }}}};
    for (const auto& [name, resolver] : resolvers) {
        INFO(name);
        Office office{resolver};
        auto theirs = served("a", {{"x", 0}, {"y", 1}}, 40, office.time.now());
        office.server.edit_as_other_device(theirs);
        office.other.sync(office.server.remote());  // knows their state, under high stamps
        office.time.advance(1min);
        auto ours = office.one.store->get("a")->with_data({{"x", 1}, {"y", 0}});
        ours.version = 3;
        ours.updated_at = office.time.now();
        office.one.store->put(ours);

        office.one.sync(office.server.remote());
        for (const auto& conflict : office.one.store->conflicts()) {
            office.one.store->resolve(conflict, conflict.local.with_data({{"x", "mine"}}));
        }
        office.one.sync(office.server.remote());

        CHECK(office.stored().version == 41);
        CHECK(office.stored().updated_at >= office.time.now());
        CHECK(office.stored().data.at("x") != 0);
        office.other.sync(office.server.remote());
        CHECK(office.other.data("a") == office.stored().data);
    }
}

TEST_CASE("a winner that is the remote's keeps the remote's stamps", "[scenario]") {
    Office office{Resolver{ConflictStrategy::remote_wins}};
    office.server.edit_as_other_device(served("a", {{"x", 9}}, 2, office.time.now()));
    office.one.edit("a", {{"x", 1}});

    office.one.sync(office.server.remote());

    CHECK(*office.one.store->get("a") == office.stored());
    CHECK(office.one.store->pending().empty());
}

// "`put`, `resolve` and a re-creation never store a version or time below base's or a tombstone's:
// they are raised."

TEST_CASE("an edit that claims to be older than its base reaches other devices all the same",
          "[scenario]") {
    Office office;
    office.server.edit_as_other_device(served("a", {{"x", 5}}, 9, office.time.now()));
    office.sync_both();

    office.one.store->put({.id = "a",
                           .data = {{"x", 6}},
                           .status = SyncStatus::modified,
                           .updated_at = office.time.now() - 24h,
                           .version = 1});
    CHECK(office.one.store->get("a")->version >= 9);
    CHECK(office.one.store->get("a")->updated_at >= office.time.now());
    office.sync_both();

    CHECK(office.other.data("a") == Json{{"x", 6}});
}

TEST_CASE("a record that is made again stands above its own deletion, and others take it",
          "[scenario]") {
    Office office;
    office.one.store->remove("a");
    office.sync_both();
    const auto deletion = office.stored();

    office.one.store->put({.id = "a", .data = {{"x", 7}}, .updated_at = Timestamp{} + 1h});
    office.sync_both();

    CHECK(office.stored().version > deletion.version);
    CHECK(office.stored().updated_at > deletion.updated_at);
    CHECK(office.other.data("a") == Json{{"x", 7}});
}

TEST_CASE("a resolution is above both sides, whatever stamps it was given", "[scenario]") {
    Office office{Resolver{ConflictStrategy::manual}};
    office.server.edit_as_other_device(served("a", {{"x", 5}}, 9, office.time.now()));
    office.other.sync(office.server.remote());
    office.one.edit("a", {{"x", 1}});
    office.one.sync(office.server.remote());

    office.one.store->resolve("a", {.id = "a", .data = {{"x", 2}}, .updated_at = Timestamp{} + 1h});
    office.sync_both();

    CHECK(office.stored().version == 10);
    CHECK(office.other.data("a") == Json{{"x", 2}});
}

// "Content that changed under the same (version, updated_at) is stamped as `update` does; stamps
// that the caller did change are kept. `remove` stamps too."

TEST_CASE("an edit without new stamps is stamped, and one with its own keeps them", "[scenario]") {
    Office office;
    const auto before = *office.one.store->get("a");

    office.one.store->put(before.with_data({{"x", 1}}));
    CHECK(office.one.store->get("a")->version == before.version + 1);
    CHECK(office.one.store->get("a")->updated_at == office.time.now());

    auto stamped = before.with_data({{"x", 2}});
    stamped.version = 30;
    stamped.updated_at = office.time.now() + 10s;
    office.one.store->put(stamped);
    office.one.sync(office.server.remote());
    CHECK(office.stored().version == 30);
    CHECK(office.stored().updated_at == stamped.updated_at);
}

TEST_CASE("a deletion is stamped, so that it is not stale to anybody", "[scenario]") {
    Office office;
    const auto before = office.stored();

    office.one.store->remove("a");
    office.sync_both();

    CHECK(office.stored().version == before.version + 1);
    CHECK(office.stored().updated_at > before.updated_at);
    CHECK_FALSE(office.other.store->get("a"));
}

// "drift_cap = 5 min"

TEST_CASE("a slow clock does not lose to itself, and a broken one is not carried along",
          "[scenario]") {
    Office office;
    const auto edit_over = [&](std::chrono::minutes ahead) {
        auto theirs = served("a", {{"x", ahead.count()}}, office.stored().version + 1,
                             office.time.now() + ahead);
        office.server.edit_as_other_device(theirs);
        office.sync_both();
        office.one.edit("a", {{"mine", ahead.count()}});
        office.sync_both();
        CHECK(office.stored().version == theirs.version + 1);
        CHECK(office.other.data("a") == Json{{"mine", ahead.count()}});
        return office.stored().updated_at - office.time.now();
    };

    CHECK(edit_over(2min) == 2min + 1us);
    CHECK(edit_over(60min * 24 * 365) == 5min);
}

// "A pulled `Timestamp{}` means that the remote has no times: latest_wins then goes by version,
// then remote; staleness by remembered superseded revisions. Ties go to the remote."

TEST_CASE("without times the higher version is the later one, and a tie goes to the remote",
          "[scenario]") {
    const auto winner_against = [](std::uint64_t remote_version) {
        Device device;
        ScriptedRemote remote;
        remote.serve({served("a", "base", 5, Timestamp{}, "r1")});
        device.sync(remote.remote());
        auto ours = device.store->get("a")->with_data("ours");
        ours.version = 7;
        device.store->put(ours);

        remote.serve({served("a", "theirs", remote_version, Timestamp{}, "r2")});
        CHECK(device.sync(remote.remote()).conflicts == 1);
        return device.data("a");
    };

    CHECK(winner_against(6) == "ours");
    CHECK(winner_against(7) == "theirs");
    CHECK(winner_against(8) == "theirs");
}

TEST_CASE("with times a tie goes to the remote too", "[scenario]") {
    Office office;
    office.one.edit("a", "ours");
    office.server.edit_as_other_device(
        served("a", "theirs", 2, office.one.store->get("a")->updated_at));

    office.one.sync(office.server.remote());

    CHECK(office.one.data("a") == "theirs");
}

TEST_CASE("without times a replica that lags is known by a revision left behind", "[scenario]") {
    Device device;
    ScriptedRemote remote;
    remote.serve({served("a", "one", 1, Timestamp{}, "r1")});
    device.sync(remote.remote());
    remote.serve({served("a", "two", 1, Timestamp{}, "r2")});
    device.sync(remote.remote());

    remote.serve({served("a", "one", 1, Timestamp{}, "r1")});
    CHECK(device.sync(remote.remote()).total() == 0);

    CHECK(device.data("a") == "two");
}

TEST_CASE("without times our own acknowledged edit is not undone by a replica that lags",
          "[scenario]") {
    Device device;
    ScriptedRemote remote;
    remote.serve({served("a", "one", 1, Timestamp{}, "s1")});
    device.sync(remote.remote());
    device.edit("a", "two");
    device.sync(remote.remote());

    remote.serve({served("a", "one", 1, Timestamp{}, "s1")});
    device.sync(remote.remote());

    CHECK(device.data("a") == "two");
}

// "Stamps that the caller did change are kept": a record that is made anew has version 1, raised to
// base's, and is newer in time alone.
TEST_CASE("a lagging replica does not undo an ack of a put that is newer in one stamp alone",
          "[scenario]") {
    Device device;
    ScriptedRemote remote;
    const auto noon = device.clock.now();
    const auto put = GENERATE_COPY(Stamp{1, noon + 1min}, Stamp{9, noon});
    remote.serve({served("a", "one", 5, noon, "s1")});
    device.sync(remote.remote());
    device.clock.advance(1min);
    device.store->put(
        {.id = "a", .data = "two", .updated_at = put.updated_at, .version = put.version});
    remote.answer({sync_engine::accepted<Json>("a", "s2")});
    device.sync(remote.remote());
    REQUIRE(device.store->pending().empty());

    remote.serve({served("a", "one", 5, noon, "s1")});
    device.sync(remote.remote());
    CHECK(device.data("a") == "two");

    // Somebody who has seen it and goes back to the same content is newer.
    remote.serve({served("a", "one", 10, noon + 2min, "s1")});
    device.sync(remote.remote());
    CHECK(device.data("a") == "one");
}

TEST_CASE("without times a lagging replica does not undo an ack of what was given up meanwhile",
          "[scenario]") {
    const bool is_discarded = GENERATE(false, true);
    Device device;
    ScriptedRemote remote;
    remote.serve({served("a", "one", 1, Timestamp{}, "s1")});
    device.sync(remote.remote());
    device.edit("a", "two");
    remote.on_push([&](const auto& batch) {
        if (is_discarded) {
            device.store->discard_changes("a");
        } else {
            device.store->mark_synced("a");
        }
        return remote.accept(batch);
    });
    device.sync(remote.remote());
    REQUIRE(device.store->get("a")->revision == "r1");

    remote.serve({served("a", "one", 1, Timestamp{}, "s1")});
    device.sync(remote.remote());

    CHECK(device.data("a") == "two");
}

TEST_CASE("without times a state that waited for the user and was left behind is not news again",
          "[scenario]") {
    const bool is_known = GENERATE(true, false);
    Device device{1, Resolver{ConflictStrategy::manual}};
    ScriptedRemote remote;
    const auto serve = [&](const char* data, const char* revision) {
        remote.serve({served("a", data, 1, Timestamp{}, revision)});
        device.sync(remote.remote());
    };
    if (is_known) serve("one", "s1");
    device.edit("a", "ours");
    serve("two", "s2");
    REQUIRE(device.store->conflicts().size() == 1);
    serve("three", "s3");

    SECTION("while the newer one waits") {
        serve("two", "s2");
        REQUIRE(device.store->conflicts().size() == 1);
        CHECK(device.store->conflicts()[0].theirs.data == "three");
    }
    SECTION("when that was decided, here or there") {
        const auto decision = GENERATE("resolved", "given up", "ours", "base");
        if (decision == std::string{"resolved"}) {
            device.store->resolve("a", device.store->get("a")->with_data("decision"));
        } else if (decision == std::string{"given up"}) {
            device.store->discard_changes("a");
        } else if (decision == std::string{"ours"}) {
            serve("ours", "s4");
        } else if (is_known) {
            serve("one", "s4");
        }
        device.sync(remote.remote());
        const auto decided = device.data("a");
        device.restart();

        serve("three", "s3");
        serve("two", "s2");
        CHECK(device.data("a") == decided);
    }
}

TEST_CASE("without times a state that waited for a resolver and was left behind is not news again",
          "[scenario]") {
    bool is_broken = true;
    Device device{1, Resolver{[&](const Record& local, const Record&) {
                      if (is_broken) throw std::runtime_error("no");
                      return local;
                  }}};
    ScriptedRemote remote;
    const auto serve = [&](const char* data, const char* revision) {
        remote.serve({served("a", data, 1, Timestamp{}, revision)});
        device.sync(remote.remote());
    };
    serve("one", "s1");
    device.edit("a", "ours");
    serve("two", "s2");
    REQUIRE(remote.pushes.empty());
    is_broken = false;
    serve("three", "s3");
    REQUIRE(remote.last_change("a").record.revision == "s3");

    serve("two", "s2");

    CHECK(device.data("a") == "ours");
}

TEST_CASE("without times and revisions the deletion that is known does not undo a re-creation",
          "[scenario]") {
    Device device{1, Resolver{ConflictStrategy::remote_wins}};
    ScriptedRemote remote;
    remote.serve({served("a", "one", 1, Timestamp{})});
    device.sync(remote.remote());
    device.store->remove("a");
    remote.answer({sync_engine::accepted<Json>("a")});
    device.sync(remote.remote());
    device.edit("a", "again");
    remote.fail_push(sync_engine::Unauthorized{});  // it is staged, and never arrived
    device.sync(remote.remote());

    remote.serve({served_deletion("a", 1, Timestamp{})});
    const auto result = device.sync(remote.remote());

    CHECK(result.conflicts == 0);
    CHECK(device.data("a") == "again");
    CHECK(remote.last_change("a").record.data == "again");
    CHECK(device.store->pending().empty());
}

TEST_CASE("two devices settle on one state behind a remote without times and versions",
          "[scenario]") {
    Office office;
    office.server.forget_versions_and_times(true);
    office.one.edit("a", "one");
    office.other.edit("a", "other");

    for (int round = 0; round < 3; ++round) office.sync_both();

    CHECK(office.one.data("a") == office.stored().data);
    CHECK(office.other.data("a") == office.stored().data);
    CHECK(office.one.store->pending().empty());
    CHECK(office.other.store->pending().empty());
}

// "Law 10 never judges a conflict verdict, nor a rescan after a reset."

TEST_CASE("a remote that went back in time says so in a verdict or in a rescan", "[scenario]") {
    Device device{1, Resolver{ConflictStrategy::remote_wins}};
    ScriptedRemote remote;
    const auto old = served("a", "old", 1, device.clock.now() - 24h, "r0");
    remote.serve({served("a", "new", 5, device.clock.now(), "r5")});
    device.sync(remote.remote());

    remote.serve({old});
    device.sync(remote.remote());
    CHECK(device.data("a") == "new");

    SECTION("a verdict") {
        device.edit("a", "edit");
        remote.answer({sync_engine::conflict(old)});
        device.sync(remote.remote());
    }
    SECTION("an expired cursor") {
        remote.fail_pull(sync_engine::CursorExpired{});
        remote.serve({old});
        device.sync(remote.remote());
    }
    SECTION("a reset") {
        ScriptedRemote::Page reset;
        reset.reset = true;
        remote.serve(std::move(reset));
        remote.serve({old});
        device.sync(remote.remote());
    }
    CHECK(device.data("a") == "old");
    CHECK(device.store->get("a")->version == 1);
}

TEST_CASE("a state from a rescan waits for the resolver, however old it is", "[scenario]") {
    bool is_broken = true;
    Device device{1, Resolver{[&](const Record& local, const Record& remote) {
                      if (is_broken) throw std::runtime_error("no");
                      return local.with_data(local.data.get<std::string>() + " over " +
                                             remote.data.get<std::string>());
                  }}};
    ScriptedRemote remote;
    const auto old = served("a", "old", 1, device.clock.now() - 24h, "r0");
    remote.serve({served("a", "new", 5, device.clock.now(), "r5")});
    device.sync(remote.remote());
    device.edit("a", "edit");
    remote.fail_pull(sync_engine::CursorExpired{});
    remote.serve({old});
    device.sync(remote.remote());
    const auto pushes = remote.pushes.size();
    device.restart();
    is_broken = false;

    const auto result = device.sync(remote.remote());

    CHECK(result.conflicts == 1);
    CHECK(device.data("a") == "edit over old");
    REQUIRE(remote.pushes.size() == pushes + 1);
    CHECK(remote.last_change("a").record.revision == "r0");
    CHECK(device.store->pending().empty());
}

TEST_CASE("a state that waits is not decided any more once the app knows of a newer one",
          "[scenario]") {
    const bool is_edited_again = GENERATE(false, true);
    bool is_broken = true;
    Device device{1, Resolver{[&](const Record&, const Record& remote) {
                      if (is_broken) throw std::runtime_error("no");
                      return remote;
                  }}};
    ScriptedRemote remote;
    device.edit("a", "ours");
    remote.serve({served("a", "theirs", 1, device.clock.now(), "s1")});
    device.sync(remote.remote());
    device.clock.advance(1min);
    device.edit("a", "ours over theirs");
    device.store->mark_synced("a");  // the app has written it by itself
    if (is_edited_again) device.edit("a", "ours again");
    is_broken = false;

    CHECK(device.sync(remote.remote()).conflicts == 0);
    CHECK(device.data("a") == (is_edited_again ? "ours again" : "ours over theirs"));
}

// "A pulled revision equal to base's non-empty revision is never a conflict: the server normalised
// the content; it becomes base, local edits stay."

TEST_CASE("a server that rewords what it is sent causes no conflict", "[scenario]") {
    Office office;
    office.server.normalise_with([](Json& data) {
        if (data.contains("name")) data["name"] = "(" + data["name"].get<std::string>() + ")";
    });
    office.one.edit("a", {{"name", "Ada"}});
    office.one.sync(office.server.remote());
    office.one.edit("a", {{"name", "Ada"}, {"born", 1815}});

    // The pull brings the server's own wording under the revision of the ack.
    const auto result = office.one.sync(office.server.remote());

    CHECK(result.conflicts == 0);
    CHECK(result.pushed == 1);
    CHECK(office.stored().data == Json{{"name", "(Ada)"}, {"born", 1815}});
    office.sync_both();
    CHECK(office.one.data("a") == office.stored().data);
    CHECK(office.other.data("a") == office.stored().data);
}

TEST_CASE("a clean record takes the server's own wording", "[scenario]") {
    Office office;
    office.server.normalise_with([](Json& data) { data["seen"] = true; });
    office.one.edit("a", {{"x", 1}});
    office.one.sync(office.server.remote());
    CHECK(office.one.data("a") == Json{{"x", 1}});

    const auto result = office.one.sync(office.server.remote());

    CHECK(result.pulled == 1);
    CHECK(office.one.data("a") == Json{{"x", 1}, {"seen", true}});
    CHECK(office.one.store->pending().empty());
}

// "Equal content under a new revision: rebase, push once."

TEST_CASE("an edit over a state that was only touched is rebased and pushed once", "[scenario]") {
    Office office;
    office.one.edit("a", {{"x", 1}});
    auto touched = office.stored();
    touched.version = 20;
    touched.updated_at = office.time.now() + 1min;
    office.server.edit_as_other_device(touched);
    const auto calls = office.server.pushed_changes();

    const auto result = office.one.sync(office.server.remote());

    CHECK(result.conflicts == 0);
    CHECK(office.server.pushed_changes() == calls + 1);
    CHECK(office.stored().data == Json{{"x", 1}});
    CHECK(office.stored().version > 20);
}

TEST_CASE("the same, when the push reply says so", "[scenario]") {
    Device device;
    ScriptedRemote remote;
    const auto base = served("a", "base", 1, device.clock.now(), "r1");
    remote.serve({base});
    device.sync(remote.remote());
    device.edit("a", "edit");
    auto touched = base;
    touched.revision = "touched";
    remote.answer({sync_engine::conflict(touched)});

    const auto result = device.sync(remote.remote());

    CHECK(remote.pushed() == "a | a");
    CHECK(remote.last_change("a").record.revision == "touched");
    CHECK(result.conflicts == 0);
    CHECK(result.pushed == 1);
}

// "Equal content and revision in a conflict verdict: a failure of that record. Rounds that run out
// are an error on the record, not an attempt."

TEST_CASE("a conflict that shows only the change's own base is a failed attempt, and they run out",
          "[scenario]") {
    Office office;
    office.server.conflict_equal_to_base("a");
    office.one.edit("a", {{"x", 1}});
    for (unsigned attempt = 1; attempt <= 5; ++attempt) {
        const auto calls = office.server.push_calls();
        const auto result = office.one.sync(office.server.remote());
        CHECK(result.outcome == SyncOutcome::completed);
        REQUIRE(result.errors.size() == 1);
        CHECK(result.errors[0].record_id == "a");
        CHECK(result.conflicts == 0);
        CHECK(office.server.push_calls() == calls + 1);
    }

    const auto letters = office.one.engine->retry_queue().dead_letters();
    REQUIRE(letters.size() == 1);
    CHECK(letters[0].attempts == 5);
    CHECK(office.one.data("a") == Json{{"x", 1}});
}

TEST_CASE("a conflict that never settles ends after its rounds, sync after sync", "[scenario]") {
    Device device{1, Resolver{ConflictStrategy::local_wins}};
    ScriptedRemote remote;
    device.edit("a", "mine");
    std::uint64_t version = 1;
    const auto contradict = [&](const ScriptedRemote::Batch&) {
        ++version;
        return ScriptedRemote::Report{sync_engine::conflict(
            served("a", version, version, device.clock.now(), "s" + std::to_string(version)))};
    };
    for (int sync = 0; sync < 10; ++sync) {
        for (int round = 0; round < 4; ++round) remote.on_push(contradict);
        const auto result = device.sync(remote.remote());
        CHECK_THAT(told(result), contains("completed [a: the conflict did not settle in 3 rounds"));
        CHECK(remote.pushes.size() == static_cast<std::size_t>(4 * (sync + 1)));
    }

    CHECK(device.engine->retry_queue().dead_letters().empty());
    CHECK(device.engine->retry_queue().entries().empty());
    CHECK(device.sync(remote.remote()).pushed == 1);
}

// What a backend without times, versions and revisions leaves unprotected.

TEST_CASE("a backend without times, versions and revisions still loses no edit of ours",
          "[scenario]") {
    Office office{Resolver{ConflictStrategy::merge}};
    office.server.forget_versions_and_times(true);
    office.server.without_revisions(true);
    office.one.edit("a", {{"x", 1}, {"y", 0}});
    office.other.edit("a", {{"x", 0}, {"y", 1}});

    for (int round = 0; round < 3; ++round) office.sync_both();

    CHECK(office.stored().data == Json{{"x", 1}, {"y", 1}});
    CHECK(office.one.data("a") == office.stored().data);
    CHECK(office.other.data("a") == office.stored().data);
}

}  // namespace scenario_cases_stamps
