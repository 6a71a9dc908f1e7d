// SPDX-License-Identifier: MIT
#include <sync_engine/remote/memory_remote.hpp>

#include "support/catch.hpp"

#include <nlohmann/json.hpp>

#include <chrono>
#include <limits>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace test_of_memory_remote {

using namespace std::chrono_literals;
using namespace sync_engine;
using nlohmann::json;
using sync_engine::test::message_of;

namespace {

const Timestamp noon{std::chrono::sys_days{std::chrono::year{2026} / 5 / 4} + 12h};

SyncRecord<> note(std::string id, std::string text, std::uint64_t version = 1) {
    return {.id = std::move(id),
            .data = {{"text", std::move(text)}},
            .updated_at = noon,
            .version = version,
            .tags = {"note"}};
}

/// A device that keeps nothing: it sends what it is told to and hands back what it gets.
class Device {
public:
    explicit Device(MemoryRemote<>& server) : remote_(server.remote()) {}

    PushReport<> push(std::vector<Change<>> changes) const {
        return remote_.push(PushBatch<>{std::move(changes), {}}, get);
    }
    Verdict<> push(Change<> change) const {
        const auto report = push(std::vector{std::move(change)});
        REQUIRE(report.size() == 1);
        return report.front();
    }
    /// An edit under a new operation id, made from `revision`.
    Verdict<> push(SyncRecord<> record, std::string revision = {}) {
        return push(edit(std::move(record), std::move(revision)));
    }
    Change<> edit(SyncRecord<> record, std::string revision = {}) {
        record.revision = std::move(revision);
        Change<> change;
        change.record = std::move(record);
        change.operation_id = "operation-" + std::to_string(++operations_);
        return change;
    }
    PullPage<> pull(json cursor = {}, std::size_t limit = 0) const {
        return remote_.pull(PullRequest{std::move(cursor), limit, {}}, get);
    }
    /// The states of all pages from `cursor` on; `cursor` moves along.
    std::vector<SyncRecord<>> pull_all(json& cursor, std::size_t limit = 0) const {
        std::vector<SyncRecord<>> records;
        for (bool more = true; more;) {
            const auto page = pull(cursor, limit);
            records.insert(records.end(), page.records.begin(), page.records.end());
            cursor = page.cursor;
            more = page.has_more;
        }
        return records;
    }

private:
    static constexpr auto get = [](auto future) { return future.get(); };

    Remote<> remote_;
    int operations_ = 0;
};

std::vector<std::string> ids_of(const std::vector<SyncRecord<>>& records) {
    std::vector<std::string> ids;
    for (const auto& record : records) ids.push_back(record.id);
    return ids;
}

using Ids = std::vector<std::string>;

}  // namespace

TEST_CASE("a new record is stored as it was sent, under a revision of the server's", "[remote]") {
    MemoryRemote<> server;
    Device device{server};

    const auto verdict = device.push(note("a", "milk", 7));

    CHECK(verdict.kind == VerdictKind::accepted);
    CHECK(verdict.id == "a");
    CHECK(verdict.revision == "r1");
    auto expected = note("a", "milk", 7).with_status(SyncStatus::synced);
    expected.revision = "r1";
    CHECK(server.find("a") == expected);
    CHECK(server.records() == std::vector{expected});
    CHECK(server.count() == 1);
    CHECK(server.revision_of("a") == "r1");
    CHECK_FALSE(server.find("b"));
    CHECK(server.revision_of("b").empty());
}

TEST_CASE("a change is taken only if it was made from the stored revision", "[remote]") {
    MemoryRemote<> server;
    Device device{server};
    device.push(note("a", "one"));

    CHECK(device.push(note("a", "two", 2), "r1").revision == "r2");

    const auto stale = device.push(note("a", "three", 3), "r1");
    CHECK(stale.kind == VerdictKind::conflict);
    CHECK(stale.remote == server.find("a"));
    CHECK(stale.remote->data["text"] == "two");

    const auto unaware = device.push(note("a", "mine"));
    CHECK(unaware.kind == VerdictKind::conflict);
    CHECK(unaware.remote == server.find("a"));
}

TEST_CASE("a tombstone is a stored state with a revision", "[remote]") {
    MemoryRemote<> server;
    Device device{server};
    device.push(note("a", "one"));
    CHECK(device.push(note("a", "one", 2).with_status(SyncStatus::deleted), "r1").revision == "r2");

    CHECK(server.count() == 0);
    CHECK(server.records().empty());
    REQUIRE(server.find("a"));
    CHECK(server.find("a")->is_deleted());

    const auto unaware = device.push(note("a", "again"));
    CHECK(unaware.kind == VerdictKind::conflict);
    CHECK(unaware.remote->is_deleted());
    CHECK(device.push(note("a", "again", 3), "r2").kind == VerdictKind::accepted);
    CHECK(server.find("a")->status == SyncStatus::synced);
}

TEST_CASE("a record that the server never had is taken whatever revision it names", "[remote]") {
    MemoryRemote<> server;
    Device device{server};

    CHECK(device.push(note("a", "one"), "r99").kind == VerdictKind::accepted);
}

TEST_CASE("an operation takes effect once and gets the same answer again", "[remote]") {
    MemoryRemote<> server;
    Device device{server};
    const auto first = device.edit(note("a", "one"));
    CHECK(device.push(first).revision == "r1");
    device.push(note("a", "two", 2), "r1");

    const auto again = device.push(first);

    CHECK(again.kind == VerdictKind::accepted);
    CHECK(again.revision == "r1");
    CHECK(server.find("a")->data["text"] == "two");
    CHECK(server.applied(first.operation_id) == 1);
    CHECK(server.applied("unknown") == 0);
}

TEST_CASE("an operation id that was used for another record is refused", "[remote]") {
    MemoryRemote<> server;
    Device device{server};
    auto change = device.edit(note("a", "one"));
    device.push(change);
    change.record.id = "b";

    CHECK(device.push(change).kind == VerdictKind::rejected);
    CHECK_FALSE(server.find("b"));
}

TEST_CASE("a record that cannot be stored is rejected, and the others are taken", "[remote]") {
    MemoryRemote<> server;
    Device device{server};

    const auto report =
        device.push({device.edit(note("", "no id")), device.edit(note("a", "one"))});

    REQUIRE(report.size() == 2);
    CHECK(report[0].kind == VerdictKind::rejected);
    CHECK_FALSE(report[0].message.empty());
    CHECK(report[1].kind == VerdictKind::accepted);
}

TEST_CASE("pull lists each changed record once, in the order of the last changes", "[remote]") {
    MemoryRemote<> server;
    Device device{server};
    server.seed(note("a", "one"));
    server.seed(note("b", "one"));
    server.seed(note("c", "one"));
    server.edit_as_other_device(note("a", "two", 2));
    CHECK(server.remove_as_other_device("b"));

    json cursor;
    const auto records = device.pull_all(cursor);

    CHECK(ids_of(records) == Ids{"c", "a", "b"});
    CHECK(records[1].data["text"] == "two");
    CHECK(records[2].is_deleted());
    CHECK(device.pull(cursor).records.empty());
    CHECK(device.pull(cursor).cursor == cursor);

    server.edit_as_other_device(note("c", "three", 3));
    CHECK(ids_of(device.pull_all(cursor)) == Ids{"c"});
}

TEST_CASE("a page holds no more than the limit, and says when more wait", "[remote]") {
    MemoryRemote<> server;
    const Device device{server};
    for (const auto* id : {"a", "b", "c"}) server.seed(note(id, "one"));

    const auto first = device.pull({}, 2);
    CHECK(ids_of(first.records) == Ids{"a", "b"});
    CHECK(first.has_more);
    CHECK_FALSE(first.complete);

    server.edit_as_other_device(note("a", "two", 2));
    const auto second = device.pull(first.cursor, 2);
    CHECK(ids_of(second.records) == Ids{"c", "a"});
    CHECK_FALSE(second.has_more);

    CHECK(device.pull({}, std::numeric_limits<std::size_t>::max()).records.size() == 3);
    CHECK(device.pull({}, 0).records.size() == 3);
}

TEST_CASE("an empty server answers with a cursor that can be used", "[remote]") {
    MemoryRemote<> server;
    const Device device{server};

    const auto page = device.pull();
    CHECK(page.records.empty());
    CHECK_FALSE(page.has_more);
    server.seed(note("a", "one"));
    CHECK(ids_of(device.pull(page.cursor).records) == Ids{"a"});
}

TEST_CASE("another device's deletion is newer than what it deletes", "[remote]") {
    MemoryRemote<> server{[] { return noon - 1h; }};
    server.seed(note("a", "one", 4));

    CHECK(server.remove_as_other_device("a"));
    CHECK_FALSE(server.remove_as_other_device("a"));
    CHECK_FALSE(server.remove_as_other_device("unknown"));
    CHECK(server.find("a")->version == 5);
    CHECK(server.find("a")->updated_at > noon);
}

TEST_CASE("another device's deletion at the end of version and time can travel", "[remote]") {
    constexpr auto newest = std::numeric_limits<std::uint64_t>::max();
    MemoryRemote<> server;
    auto last = note("a", "one", newest);
    last.updated_at = latest_stamp;
    server.seed(last);

    CHECK(server.remove_as_other_device("a"));

    CHECK_NOTHROW(check_record(*server.find("a")));
    CHECK(server.find("a")->version == newest);
}

TEST_CASE("the simple callbacks speak of the same records", "[remote]") {
    MemoryRemote<> server;
    const auto remote = server.simple_remote();
    CHECK_FALSE(remote.pull.keeps_cursor());
    const auto get = [](auto future) { return future.get(); };
    server.seed(note("taken", "theirs"));
    server.seed(note("gone", "theirs"));
    server.remove_as_other_device("gone");

    PushBatch<> batch;
    batch.changes.resize(2);
    batch.changes[0].record = note("new", "mine");
    batch.changes[1].record = note("taken", "mine");
    const auto report = remote.push(batch, get);

    REQUIRE(report.size() == 1);
    CHECK(report[0].id == "new");
    CHECK(server.find("taken")->data["text"] == "theirs");
    const auto page = remote.pull({}, get);
    CHECK(ids_of(page.records) == Ids{"taken", "gone", "new"});
    CHECK(page.records[1].is_deleted());
    CHECK(page.cursor.is_null());
}

TEST_CASE("every call is counted, and every change that it carried", "[remote]") {
    MemoryRemote<> server;
    Device device{server};
    device.push({device.edit(note("a", "one")), device.edit(note("b", "one"))});
    server.set_offline(true);
    CHECK_THROWS_AS(device.push(note("c", "one")), Unavailable);
    CHECK_THROWS_AS(device.pull(), Unavailable);

    CHECK(server.push_calls() == 2);
    CHECK(server.pushed_changes() == 3);
    CHECK(server.pull_calls() == 1);
}

TEST_CASE("a name travels with the callbacks", "[remote]") {
    MemoryRemote<> server;
    CHECK(server.remote().name.empty());
    CHECK(server.remote("office").name == "office");
    CHECK(server.simple_remote().name.empty());
}

TEST_CASE("errors come through the future", "[remote]") {
    MemoryRemote<> server;
    server.set_offline(true);
    const auto remote = server.remote();

    const auto keep = [](auto future) {
        CHECK(future.wait_for(0s) == std::future_status::ready);
        CHECK_THROWS_AS(future.get(), Unavailable);
        return decltype(future.get()){};
    };
    CHECK(remote.push({}, keep).empty());
    CHECK(remote.pull({}, keep).records.empty());
}

TEST_CASE("trouble with whole calls has no effect and ends when it is over", "[remote]") {
    MemoryRemote<> server;
    Device device{server};
    const auto change = device.edit(note("a", "one"));

    SECTION("offline") {
        server.set_offline(true);
        CHECK_THROWS_AS(device.push(change), Unavailable);
        CHECK_THROWS_AS(device.pull(), Unavailable);
        server.set_offline(false);
    }
    SECTION("no login") {
        server.require_login(true);
        CHECK_THROWS_AS(device.push(change), Unauthorized);
        CHECK_THROWS_AS(device.pull(), Unauthorized);
        server.require_login(false);
    }
    SECTION("a rate limit, for as many calls as it says") {
        server.rate_limit(3s, 2);
        CHECK_THROWS_AS(device.push(change), RetryAfter);
        try {
            (void)device.pull();
            FAIL("the second call was let through");
        } catch (const RetryAfter& error) {
            CHECK(error.wait() == 3s);
        }
    }
    SECTION("pushes that fail") {
        server.fail_next_push(2);
        CHECK_THROWS_AS(device.push(change), std::runtime_error);
        CHECK_NOTHROW(device.pull());
        CHECK_THROWS_AS(device.push(change), std::runtime_error);
    }
    SECTION("pulls that fail") {
        server.fail_next_pull();
        CHECK_THROWS_AS(device.pull(), std::runtime_error);
    }
    SECTION("batches that are too large") {
        server.limit_batch(1);
        CHECK_THROWS_AS(device.push({change, device.edit(note("b", "one"))}), TooLarge);
    }
    SECTION("a poison record") {
        server.fail_batches_with("poison");
        CHECK_THROWS_AS(device.push({change, device.edit(note("poison", "one"))}),
                        std::runtime_error);
    }

    CHECK(server.count() == 0);
    CHECK(server.applied(change.operation_id) == 0);
    CHECK(device.push(change).kind == VerdictKind::accepted);
    CHECK(device.pull().records.size() == 1);
}

TEST_CASE("a lost ack leaves the write in place and is no outage", "[remote]") {
    MemoryRemote<> server;
    Device device{server};
    const auto change = device.edit(note("a", "one"));
    server.lose_next_ack();

    const auto message = message_of<std::runtime_error>([&] {
        try {
            device.push(change);
        } catch (const RemoteError&) {
            FAIL("a RemoteError would say what became of the write");
        }
    });

    CHECK_THAT(message, sync_engine::test::contains("lost"));
    CHECK(server.count() == 1);
    CHECK(device.push(change).revision == "r1");
    CHECK(server.applied(change.operation_id) == 1);
}

TEST_CASE("trouble with one record leaves the others alone and ends with accept_again",
          "[remote]") {
    MemoryRemote<> server;
    Device device{server};
    auto change = device.edit(note("odd", "one"));
    change.base = note("odd", "before");
    const std::vector both{change, device.edit(note("even", "one"))};
    std::optional<Verdict<>> odd;
    const auto push_both = [&] {
        for (const auto& verdict : device.push(both)) {
            if (verdict.id == "odd") odd = verdict;
            if (verdict.id == "even") CHECK(verdict.kind == VerdictKind::accepted);
        }
    };

    SECTION("refused") {
        server.refuse("odd", "too odd");
        push_both();
        REQUIRE(odd);
        CHECK(odd->kind == VerdictKind::rejected);
        CHECK(odd->message == "too odd");
    }
    SECTION("later") {
        server.ask_retry("odd", 5s);
        push_both();
        REQUIRE(odd);
        CHECK(odd->kind == VerdictKind::retry);
        CHECK(odd->after == 5s);
    }
    SECTION("no verdict") {
        server.omit("odd");
        push_both();
        CHECK_FALSE(odd);
    }
    SECTION("a conflict with its own base") {
        server.conflict_equal_to_base("odd");
        push_both();
        REQUIRE(odd);
        CHECK(odd->kind == VerdictKind::conflict);
        CHECK(odd->remote == change.base);
    }

    CHECK_FALSE(server.find("odd"));
    server.accept_again("odd");
    push_both();
    CHECK(odd->kind == VerdictKind::accepted);
    CHECK(server.count() == 2);
}

TEST_CASE("a poison record passes once it is accepted again", "[remote]") {
    MemoryRemote<> server;
    Device device{server};
    server.fail_batches_with("a");
    CHECK_THROWS_AS(device.push(note("a", "one")), std::runtime_error);
    server.accept_again("a");
    CHECK(device.push(note("a", "one")).kind == VerdictKind::accepted);
}

TEST_CASE("a normaliser changes content under the acknowledged revision, without the lock",
          "[remote]") {
    MemoryRemote<> server;
    Device device{server};
    server.normalise_with([&](json& data) {
        data["text"] = "tidy";
        data["records before"] = server.count();
    });

    const auto verdict = device.push(note("a", "untidy"));

    CHECK(server.find("a")->revision == verdict.revision);
    CHECK(server.find("a")->data == json{{"text", "tidy"}, {"records before", 0}});
    server.normalise_with(nullptr);
    device.push(note("b", "untidy"));
    CHECK(server.find("b")->data["text"] == "untidy");
}

TEST_CASE("a server can serve no stamps", "[remote]") {
    MemoryRemote<> server;
    Device device{server};
    server.seed(note("a", "one", 9));
    server.forget_versions_and_times(true);

    const auto served = device.pull().records.at(0);
    CHECK(served.version == 1);
    CHECK(served.updated_at == Timestamp{});
    CHECK(served.revision == "r1");
    CHECK(device.push(note("a", "two")).remote == served);
    CHECK(server.find("a")->version == 9);
}

TEST_CASE("without revisions the last write wins", "[remote]") {
    MemoryRemote<> server;
    Device device{server};
    server.seed(note("a", "one"));
    server.without_revisions(true);

    const auto verdict = device.push(note("a", "two"), "no such revision");

    CHECK(verdict.kind == VerdictKind::accepted);
    CHECK(verdict.revision.empty());
    CHECK(device.pull().records.at(0).revision.empty());
    CHECK(server.find("a")->data["text"] == "two");
}

TEST_CASE("stale reads show old states until the replica has caught up", "[remote]") {
    MemoryRemote<> server;
    Device device{server};
    server.seed(note("a", "old"));
    json cursor;
    device.pull_all(cursor);
    server.serve_stale_reads(true);
    device.push(note("a", "new", 2), "r1");
    server.seed(note("b", "new"));

    const auto stale = device.pull_all(cursor);
    REQUIRE(ids_of(stale) == Ids{"a"});
    CHECK(stale[0].data["text"] == "old");
    CHECK(stale[0].revision == "r1");
    CHECK(device.pull_all(cursor).empty());

    server.serve_stale_reads(false);
    const auto fresh = device.pull_all(cursor);
    REQUIRE(ids_of(fresh) == Ids{"a", "b"});
    CHECK(fresh[0].data["text"] == "new");
    CHECK(fresh[0].revision == server.revision_of("a"));
}

TEST_CASE("cursors from before an expiry are refused, newer ones are not", "[remote]") {
    MemoryRemote<> server;
    const Device device{server};
    server.seed(note("a", "one"));
    const auto before = device.pull().cursor;
    server.expire_cursors();

    CHECK_THROWS_AS(device.pull(before), CursorExpired);
    CHECK_THROWS_AS(device.pull("not one of ours"), CursorExpired);
    const auto page = device.pull();
    CHECK(page.records.size() == 1);
    CHECK_NOTHROW(device.pull(page.cursor));
}

TEST_CASE("a wiped server knows nothing and no cursor", "[remote]") {
    MemoryRemote<> server;
    Device device{server};
    const auto change = device.edit(note("a", "one"));
    device.push(change);
    const auto before = device.pull().cursor;
    server.wipe();

    CHECK_FALSE(server.find("a"));
    CHECK(server.applied(change.operation_id) == 0);
    CHECK_THROWS_AS(device.pull(before), CursorExpired);
    CHECK(device.pull().records.empty());
    CHECK(device.push(note("a", "two", 2), "r1").revision != "r1");
}

TEST_CASE("a wipe reaches a lagging replica too", "[remote]") {
    MemoryRemote<> server;
    const Device device{server};
    server.seed(note("a", "one"));
    server.serve_stale_reads(true);
    server.wipe();
    server.seed(note("a", "two"));

    CHECK(device.pull().records.empty());
}

TEST_CASE("a full listing holds the live records, says so, and starts over", "[remote]") {
    MemoryRemote<> server;
    const Device device{server};
    for (const auto* id : {"a", "b", "c"}) server.seed(note(id, "one"));
    server.remove_as_other_device("b");
    const auto before = device.pull().cursor;
    server.list_everything(true);

    CHECK_THROWS_AS(device.pull(before), CursorExpired);
    for (int scan = 0; scan < 2; ++scan) {
        const auto first = device.pull({}, 1);
        CHECK(ids_of(first.records) == Ids{"a"});
        CHECK(first.complete);
        CHECK(first.has_more);
        json cursor = first.cursor;
        CHECK(ids_of(device.pull_all(cursor, 1)) == Ids{"c"});
        CHECK(cursor.is_null());
    }
    server.list_everything(false);
    CHECK(device.pull().records.size() == 3);
}

TEST_CASE("repeated rows overlap the page before, and the scan still gets on", "[remote]") {
    MemoryRemote<> server;
    const Device device{server};
    for (const auto* id : {"a", "b", "c"}) server.seed(note(id, "one"));
    server.repeat_rows(true);

    const auto first = device.pull({}, 1);
    CHECK(ids_of(first.records) == Ids{"a", "a"});
    const auto second = device.pull(first.cursor, 1);
    CHECK(ids_of(second.records) == Ids{"a", "b", "a"});
    json cursor = second.cursor;
    CHECK(ids_of(device.pull_all(cursor, 1)) == Ids{"b", "c", "b"});
    constexpr auto no_limit = std::numeric_limits<std::size_t>::max();
    CHECK(ids_of(device.pull(first.cursor, no_limit).records) == Ids{"a", "b", "c", "a"});
}

TEST_CASE("many threads write at once and every write is listed", "[remote][threads]") {
    MemoryRemote<> server;
    std::vector<std::thread> threads;
    for (int thread = 0; thread < 4; ++thread) {
        threads.emplace_back([&server, thread] {
            const auto remote = server.remote();
            const auto get = [](auto future) { return future.get(); };
            for (int n = 0; n < 50; ++n) {
                const auto name = std::to_string(thread) + "-" + std::to_string(n);
                PushBatch<> batch;
                batch.changes.push_back({.record = note(name, "one"), .operation_id = name});
                (void)remote.push(std::move(batch), get);
                (void)remote.pull({}, get);
            }
        });
    }
    for (auto& thread : threads) thread.join();

    json cursor;
    const auto ids = ids_of(Device{server}.pull_all(cursor, 7));
    CHECK(ids.size() == 200);
    CHECK(std::set<std::string>(ids.begin(), ids.end()).size() == 200);
}

}  // namespace test_of_memory_remote
