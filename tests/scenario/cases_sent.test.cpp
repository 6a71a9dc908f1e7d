// SPDX-License-Identifier: MIT

// "What was sent": the cases that docs/architecture.md decides, one after the other.

#include <sync_engine/record/error.hpp>
#include <sync_engine/remote/memory_remote.hpp>

#include "support/catch.hpp"
#include "support/device.hpp"
#include "support/scripted_remote.hpp"

#include <chrono>
#include <cstddef>
#include <future>
#include <memory>
#include <set>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace scenario_cases_sent {

using namespace std::chrono_literals;
using sync_engine::ConflictStrategy;
using sync_engine::MemoryRemote;
using sync_engine::SyncStatus;
using sync_engine::testing::ManualClock;
using ::test::Device;
using ::test::Json;
using ::test::ScriptedRemote;
using ::test::served;
using ::test::served_deletion;
using Record = sync_engine::SyncRecord<Json>;
using Resolver = Device::Resolver;

namespace {

struct Lost : std::runtime_error {
    Lost() : std::runtime_error("the connection was lost") {}
};

/// A device that knows the record "a" as "base" from a scripted remote.
struct Phone {
    explicit Phone(Resolver resolver = Resolver{}) : device{1, std::move(resolver)} {
        remote.serve({base()});
        device.sync(remote.remote());
        device.clock.advance(1min);
    }

    [[nodiscard]] Record base() const {
        return served("a", {{"v", "base"}}, 1, sync_engine::Timestamp{} + 1h, "s1");
    }
    sync_engine::SyncResult sync() { return device.sync(remote.remote()); }
    [[nodiscard]] std::string value() const {
        const auto data = device.data("a");
        return data.is_object() ? data.at("v").get<std::string>() : "(none)";
    }
    void edit(const std::string& value) { device.edit("a", {{"v", value}}); }

    /// Sends the edit, and nobody knows whether it arrived.
    ScriptedRemote::Batch lose_a_push() {
        remote.fail_push(Lost{});
        sync();
        return remote.pushes.back();
    }
    /// What the remote serves if a change has arrived.
    [[nodiscard]] static Record arrived(const ScriptedRemote::Batch& batch,
                                        const std::string& revision) {
        auto record = batch.at(0).record;
        record.revision = revision;
        return record;
    }

    Device device;
    ScriptedRemote remote{};
};

}  // namespace

// "A commit before each push stages it."

TEST_CASE("when a push begins, the disk knows what is under way", "[scenario]") {
    Phone phone;
    phone.edit("edit");
    std::shared_ptr<sync_engine::testing::MemoryStorage<Json>> crash;
    phone.remote.on_push([&](const auto& batch) {
        crash = phone.device.disk->copy();
        return phone.remote.accept(batch);
    });
    phone.sync();

    // The process dies while the push is under way; the remote has it.
    Device reborn{1};
    reborn.disk = crash;
    reborn.restart();
    ScriptedRemote remote;
    remote.serve({phone.arrived(phone.remote.pushes.back(), "r1")});
    const auto result = reborn.sync(remote.remote());

    CHECK(remote.pushes.empty());
    CHECK(result.conflicts == 0);
    CHECK(result.pushed == 1);
    CHECK(reborn.store->pending().empty());
}

TEST_CASE("an exception, a broken future, a time-out and a stop leave what was sent staged",
          "[scenario]") {
    Phone phone{Resolver{[](const Record&, const Record&) -> Record {
        throw std::logic_error("an echo is no conflict");
    }}};
    phone.edit("edit");
    auto remote = phone.remote.remote();
    sync_engine::StopSource stop;
    sync_engine::SyncOptions options{.stop = stop.token(), .callback_timeout = 1ms};
    std::promise<ScriptedRemote::Report> never;

    SECTION("an exception") {
        phone.remote.fail_push(Lost{});
    }
    SECTION("a broken future") {
        remote.push = [&](sync_engine::PushBatch<Json> batch) {
            phone.remote.pushes.push_back(batch.changes);
            return std::promise<ScriptedRemote::Report>{}.get_future();
        };
    }
    SECTION("an empty future") {
        remote.push = [&](sync_engine::PushBatch<Json> batch) {
            phone.remote.pushes.push_back(batch.changes);
            return std::future<ScriptedRemote::Report>{};
        };
    }
    SECTION("a time-out") {
        remote.push = [&](sync_engine::PushBatch<Json> batch) {
            phone.remote.pushes.push_back(batch.changes);
            return never.get_future();
        };
    }
    SECTION("a stop") {
        remote.push = [&](sync_engine::PushBatch<Json> batch) {
            phone.remote.pushes.push_back(batch.changes);
            stop.request_stop();
            return never.get_future();
        };
    }
    phone.device.sync(remote, options);
    REQUIRE(phone.remote.pushes.size() == 1);
    phone.edit("edited again");

    phone.remote.serve({phone.arrived(phone.remote.pushes.back(), "r9")});
    const auto result = phone.sync();

    CHECK(result.conflicts == 0);
    CHECK(phone.remote.pushes.size() == 2);
    CHECK(phone.remote.last_change("a").base->data == Json{{"v", "edit"}});
    CHECK(phone.remote.last_change("a").record.revision == "r9");
    CHECK(phone.value() == "edited again");
}

TEST_CASE("what never reached the remote counts as not sent", "[scenario]") {
    Phone phone;
    phone.edit("edit");
    phone.remote.fail_push(sync_engine::Unavailable{});
    phone.sync();
    phone.edit("other");

    // The very state that was not sent comes from another device: a conflict, and no ack.
    phone.remote.serve({served("a", {{"v", "edit"}}, 9, phone.device.clock.now() + 1h, "s9")});
    const auto result = phone.sync();

    CHECK(result.conflicts == 1);
    CHECK(phone.value() == "edit");
}

TEST_CASE("a change keeps its name over all retries and restarts, and counts its attempts",
          "[scenario]") {
    Phone phone;
    phone.edit("edit");
    std::set<std::string> names;
    for (unsigned attempt = 1; attempt <= 4; ++attempt) {
        const auto change = phone.lose_a_push().at(0);
        names.insert(change.operation_id);
        CHECK(change.attempt == attempt);
        if (attempt == 2) phone.device.restart();
    }
    CHECK(names.size() == 1);

    phone.edit("another edit");
    const auto change = phone.lose_a_push().at(0);
    CHECK(names.insert(change.operation_id).second);
    CHECK(change.attempt == 1);
}

// "a list until base is confirmed. A pulled state that equals any of them is an echo."

TEST_CASE("any of several states that were sent is recognised", "[scenario]") {
    for (const std::size_t arrived : {0U, 1U, 2U}) {
        Phone phone{Resolver{ConflictStrategy::remote_wins}};
        std::vector<ScriptedRemote::Batch> sent;
        for (const char* value : {"first", "second", "third"}) {
            phone.edit(value);
            sent.push_back(phone.lose_a_push());
        }
        phone.edit("fourth");

        phone.remote.serve({phone.arrived(sent[arrived], "r7")});
        const auto result = phone.sync();

        INFO("of three lost pushes, number " << arrived << " had arrived");
        CHECK(result.conflicts == 0);
        CHECK(phone.remote.last_change("a").base->data == sent[arrived].at(0).record.data);
        CHECK(phone.value() == "fourth");
        CHECK(phone.device.store->pending().empty());
    }
}

TEST_CASE("base shown once more is no echo of an edit back to it", "[scenario]") {
    // Without revisions, a remote that lists everything shows base until what was sent arrives.
    Phone phone{Resolver{[](const Record&, const Record&) -> Record {
        throw std::logic_error("an echo is no conflict");
    }}};
    const auto base = served("a", {{"v", "base"}}, 2, phone.base().updated_at + 1min);
    phone.remote.serve({base});
    phone.sync();
    phone.edit("edit");
    const auto late = phone.lose_a_push();
    phone.edit("base");
    phone.lose_a_push();

    phone.remote.serve({base});
    phone.lose_a_push();
    CHECK(phone.device.store->pending().size() == 1);

    phone.remote.serve({Phone::arrived(late, "")});
    const auto result = phone.sync();

    CHECK(result.conflicts == 0);
    CHECK(phone.value() == "base");
    CHECK(phone.remote.last_change("a").record.data == Json{{"v", "base"}});
    CHECK(phone.device.store->pending().empty());
}

TEST_CASE("a lost ack of everything means nothing is sent twice", "[scenario]") {
    ManualClock time;
    MemoryRemote<Json> server{time.clock()};
    Device device{1, Resolver{}, time};
    for (int n = 0; n < 20; ++n) device.edit(std::to_string(n), n);
    server.lose_next_ack();
    device.sync(server.remote(), {.push_batch_size = 20, .max_rounds = 0});
    const auto sent = server.pushed_changes();

    const auto result = device.sync(server.remote());

    CHECK(server.pushed_changes() == sent);
    CHECK(result.conflicts == 0);
    CHECK(device.store->pending().empty());
}

// "In a merge, a path on which the remote equals base or any staged state is unchanged by others:
// an echo hidden under another device's edit does not beat our newer one."

namespace {

/// Our push of x=1 arrived but its ack was lost; another device then changed y on top of it; and
/// meanwhile we have set x back to what it was at first.
sync_engine::SyncResult hide_an_echo(Phone& phone) {
    phone.remote.serve({served("a", {{"x", 0}, {"y", 0}}, 2, phone.device.clock.now(), "s2")});
    phone.sync();
    phone.device.clock.advance(1min);
    phone.device.edit("a", {{"x", 1}, {"y", 0}});
    phone.lose_a_push();
    phone.device.edit("a", {{"x", 0}, {"y", 0}});
    phone.device.clock.advance(1min);
    phone.remote.serve({served("a", {{"x", 1}, {"y", 5}}, 4, phone.device.clock.now(), "s4")});
    return phone.sync();
}

}  // namespace

TEST_CASE("in a merge, our own echo under another device's edit does not beat our newer edit",
          "[scenario]") {
    Phone phone{Resolver{ConflictStrategy::merge}};

    hide_an_echo(phone);

    CHECK(phone.device.data("a") == Json{{"x", 0}, {"y", 5}});
    CHECK(phone.remote.last_change("a").record.data == Json{{"x", 0}, {"y", 5}});
}

TEST_CASE("a whole-record strategy cannot see the echo, and takes one side", "[scenario]") {
    Phone phone{Resolver{ConflictStrategy::remote_wins}};

    CHECK(hide_an_echo(phone).conflicts == 1);

    CHECK(phone.device.data("a") == Json{{"x", 1}, {"y", 5}});
}

TEST_CASE("a merge leaves the other device's answer to our echo alone", "[scenario]") {
    Phone phone{Resolver{ConflictStrategy::merge}};
    phone.remote.serve({served("a", {{"x", 0}, {"y", 0}}, 2, phone.device.clock.now(), "s2")});
    phone.sync();
    phone.device.edit("a", {{"x", 1}, {"y", 0}});
    phone.lose_a_push();
    phone.device.edit("a", {{"x", 1}, {"y", 7}});
    phone.device.clock.advance(1min);

    // They saw our x=1 and made it 2; we have not touched x since.
    phone.remote.serve({served("a", {{"x", 2}, {"y", 0}}, 4, phone.device.clock.now(), "s4")});
    phone.sync();

    CHECK(phone.device.data("a") == Json{{"x", 2}, {"y", 7}});
}

// "An ack of an edit that was given up meanwhile (discard, mark_synced) is taken as a pulled
// state."

TEST_CASE("the remote has an edit that was discarded while it was sent: so do we", "[scenario]") {
    Phone phone;
    phone.edit("edit");
    phone.remote.on_push([&](const auto& batch) {
        phone.device.store->discard_changes("a");
        CHECK(phone.value() == "base");
        return phone.remote.accept(batch);
    });

    const auto result = phone.sync();

    CHECK(result.pushed == 1);
    CHECK(phone.value() == "edit");
    CHECK(phone.device.store->pending().empty());
    CHECK(phone.device.store->get("a")->revision == "r1");
}

TEST_CASE("a new record discarded while it was sent is there again, since the remote has it",
          "[scenario]") {
    Device device;
    ScriptedRemote remote;
    device.edit("n", 1);
    remote.on_push([&](const auto& batch) {
        device.store->discard_changes("n");
        CHECK(device.store->count() == 0);
        return remote.accept(batch);
    });

    device.sync(remote.remote());

    CHECK(device.data("n") == 1);
    CHECK(device.store->pending().empty());
}

TEST_CASE("marking as synced while it is sent changes nothing for the ack", "[scenario]") {
    Phone phone;
    phone.edit("edit");
    phone.remote.on_push([&](const auto& batch) {
        phone.device.store->mark_synced("a");
        return phone.remote.accept(batch);
    });

    phone.sync();

    CHECK(phone.value() == "edit");
    CHECK(phone.device.store->get("a")->revision == "r1");
    CHECK(phone.device.store->pending().empty());
}

TEST_CASE("the remote has what it acknowledged, whatever was marked as synced meanwhile",
          "[scenario]") {
    Phone phone;
    phone.edit("sent");
    phone.remote.on_push([&](const auto& batch) {
        phone.edit("never sent");
        phone.device.store->mark_synced("a");
        return phone.remote.accept(batch);
    });

    phone.sync();

    CHECK(phone.value() == "sent");
    CHECK(phone.device.store->pending().empty());
}

TEST_CASE("a deletion that was taken back while it was sent: the remote has deleted it",
          "[scenario]") {
    Phone phone;
    phone.device.store->remove("a");
    phone.remote.on_push([&](const auto& batch) {
        phone.device.store->discard_changes("a");
        CHECK(phone.value() == "base");
        return phone.remote.accept(batch);
    });

    phone.sync();

    CHECK(phone.value() == "(none)");
    CHECK(phone.device.store->pending().empty());
}

TEST_CASE("an edit that was given up and made again meanwhile is on top of what arrived",
          "[scenario]") {
    Phone phone{Resolver{ConflictStrategy::local_wins}};
    phone.edit("edit");
    phone.remote.on_push([&](const auto& batch) {
        phone.device.store->discard_changes("a");
        phone.edit("afterthought");
        return phone.remote.accept(batch);
    });
    const auto result = phone.sync();
    phone.sync();

    CHECK(result.pushed == 1);
    CHECK(result.conflicts == 1);
    CHECK(phone.value() == "afterthought");
    CHECK(phone.remote.last_change("a").record.revision == "r1");
    CHECK(phone.device.store->pending().empty());
}

// "`remove` after staging leaves a tombstone. `evict` refuses a staged entry."

TEST_CASE("a new record that may have arrived leaves a tombstone when it is removed",
          "[scenario]") {
    Device device;
    ScriptedRemote remote;
    device.edit("n", 1);
    remote.fail_push(Lost{});
    device.sync(remote.remote());

    CHECK(device.store->remove("n"));
    REQUIRE(device.store->pending().size() == 1);
    CHECK(device.store->pending()[0].is_deleted());

    device.sync(remote.remote());
    CHECK(remote.last_change("n").record.is_deleted());
    CHECK(device.store->pending().empty());
}

TEST_CASE("a new record that never reached the remote just disappears", "[scenario]") {
    Device device;
    ScriptedRemote remote;
    device.edit("n", 1);
    remote.fail_push(sync_engine::Unavailable{});
    device.sync(remote.remote());

    CHECK(device.store->remove("n"));

    CHECK(device.store->pending().empty());
    CHECK(device.engine->retry_queue().entries().empty());
}

TEST_CASE("what may have arrived cannot be evicted", "[scenario]") {
    Phone phone;
    phone.edit("edit");
    phone.lose_a_push();
    phone.edit("base");
    CHECK_THROWS_AS(phone.device.store->evict("a"), sync_engine::Refused);

    phone.sync();
    CHECK(phone.device.store->evict("a"));
    CHECK(phone.device.store->count() == 0);
}

// "Delete and re-create before the ack: base becomes the tombstone, the entry stays dirty under a
// new operation id."

TEST_CASE("a record deleted and made again before the ack is a new record on the remote",
          "[scenario]") {
    Phone phone;
    phone.device.store->remove("a");
    phone.remote.on_push([&](const auto& batch) {
        phone.edit("again");
        return phone.remote.accept(batch);
    });
    phone.sync();
    const auto deletion = phone.remote.pushes.back().at(0);
    CHECK(phone.device.store->base("a")->is_deleted());
    CHECK(phone.device.store->get("a")->status == SyncStatus::pending);

    phone.sync();

    const auto creation = phone.remote.pushes.back().at(0);
    CHECK(creation.operation_id != deletion.operation_id);
    CHECK(creation.base->is_deleted());
    CHECK(creation.record.revision == "r1");
    CHECK(creation.record.version > deletion.record.version);
    CHECK(phone.value() == "again");
    CHECK(phone.device.store->pending().empty());
}

// "Acknowledged and remote tombstones leave a hidden husk for the horizon, so that a lagging read
// does not bring the record back."

TEST_CASE("a lagging read does not bring a deleted record back until the horizon has passed",
          "[scenario]") {
    Phone phone;
    SECTION("deleted here") {
        phone.device.store->remove("a");
        phone.sync();
    }
    SECTION("deleted there") {
        phone.remote.serve({served_deletion("a", 2, phone.device.clock.now(), "s2")});
        phone.sync();
    }
    REQUIRE(phone.value() == "(none)");

    phone.device.clock.advance(24h * 29);
    phone.remote.serve({phone.base()});
    CHECK(phone.sync().pulled == 0);
    phone.device.restart();
    phone.remote.serve({phone.base()});
    CHECK(phone.sync().pulled == 0);
    CHECK(phone.value() == "(none)");

    phone.device.clock.advance(24h * 2);
    phone.sync();
    phone.remote.serve({phone.base()});
    phone.sync();
    CHECK(phone.value() == "base");
}

TEST_CASE("a husk is not to be seen, counted or pushed, and can be made again", "[scenario]") {
    Phone phone;
    phone.device.store->remove("a");
    phone.sync();

    CHECK(phone.device.store->count() == 0);
    CHECK(phone.device.store->pending().empty());
    CHECK_FALSE(phone.device.store->base("a"));
    CHECK_FALSE(phone.device.store->remove("a"));
    CHECK_FALSE(phone.device.store->mark_modified("a"));
    CHECK_FALSE(phone.device.store->discard_changes("a"));
    CHECK(phone.device.store->statistics() == sync_engine::StoreStatistics{});

    phone.edit("again");
    phone.sync();
    CHECK(phone.remote.last_change("a").record.data == Json{{"v", "again"}});
}

TEST_CASE("a lagging read of a deletion does not undo an acknowledged re-creation", "[scenario]") {
    Phone phone;
    phone.device.store->remove("a");
    phone.sync();
    auto deletion = phone.arrived(phone.remote.pushes.back(), "r1");
    REQUIRE(deletion.is_deleted());

    // An app that keeps stamps of its own gives the version that the tombstone happens to have.
    phone.device.clock.advance(1min);
    phone.device.store->put({.id = "a",
                             .data = {{"v", "again"}},
                             .updated_at = phone.device.clock.now(),
                             .version = deletion.version});
    CHECK(phone.sync().pushed == 1);

    phone.remote.serve({deletion});
    CHECK(phone.sync().pulled == 0);
    CHECK(phone.value() == "again");
}

// A deletion with nothing left to delete is not pushed.

TEST_CASE("a re-creation that is removed before the ack of the deletion is not deleted again",
          "[scenario]") {
    Phone phone;
    phone.device.store->remove("a");
    phone.remote.on_push([&](const auto& batch) {
        phone.edit("again");
        CHECK(phone.device.store->remove("a"));
        return phone.remote.accept(batch);
    });
    phone.sync();

    CHECK(phone.device.store->pending().empty());
    phone.sync();
    CHECK(phone.remote.pushes.size() == 1);
    CHECK(phone.value() == "(none)");
}

TEST_CASE("a new record that is removed while the remote refuses it has nothing to delete",
          "[scenario]") {
    Device device;
    ScriptedRemote remote;
    device.edit("n", 1);
    remote.on_push([&](const auto&) {
        CHECK(device.store->remove("n"));
        CHECK(device.store->pending().size() == 1);  // it may arrive
        return ScriptedRemote::Report{sync_engine::rejected<Json>("n", "no")};
    });
    device.sync(remote.remote());

    CHECK(device.store->pending().empty());
    device.sync(remote.remote());
    CHECK(remote.pushes.size() == 1);
}

TEST_CASE("what may have arrived before it was refused is still recognised", "[scenario]") {
    // A server that stores a change and loses the ack may refuse the repeat: "exists already".
    const bool is_verdict = GENERATE(true, false);
    Phone phone{Resolver{ConflictStrategy::remote_wins}};
    phone.edit("edit");
    const auto lost = phone.lose_a_push();
    if (is_verdict) {
        phone.remote.answer({sync_engine::rejected<Json>("a", "it exists already")});
    } else {
        phone.remote.fail_push(sync_engine::PermanentError{});
    }
    phone.sync();
    REQUIRE(phone.device.engine->retry_queue().dead_letters().size() == 1);
    phone.edit("another edit");
    phone.device.restart();

    phone.remote.serve({Phone::arrived(lost, "s2")});
    const auto result = phone.sync();

    CHECK(result.conflicts == 0);
    CHECK(phone.value() == "another edit");
    CHECK(phone.remote.last_change("a").record.revision == "s2");
    CHECK(phone.device.store->pending().empty());
}

TEST_CASE("what was refused with its whole batch says nothing of an edit made meanwhile",
          "[scenario]") {
    Device device{1, Resolver{ConflictStrategy::remote_wins}};
    ScriptedRemote remote;
    for (const char* id : {"a", "b", "c", "d"}) device.edit(id, "edit");
    remote.on_push([&](const auto&) -> ScriptedRemote::Report {
        device.edit("a", "another edit");
        throw sync_engine::TooLarge{};
    });
    remote.fail_push(Lost{});                         // a and b: they have arrived
    remote.fail_push(sync_engine::PermanentError{});  // a: it exists already
    device.sync(remote.remote());
    REQUIRE(remote.pushed() == "a b c d | a b | a | b | c d");
    device.edit("a", "one more");

    remote.serve({Phone::arrived(remote.pushes.at(1), "s1")});
    const auto result = device.sync(remote.remote());

    CHECK(result.conflicts == 0);
    CHECK(device.data("a") == "one more");
    CHECK(remote.last_change("a").record.revision == "s1");
}

TEST_CASE("a new record that may have arrived before it was refused leaves a tombstone",
          "[scenario]") {
    Device device;
    ScriptedRemote remote;
    device.edit("n", 1);
    remote.fail_push(Lost{});
    device.sync(remote.remote());
    remote.answer({sync_engine::rejected<Json>("n", "it exists already")});
    device.sync(remote.remote());

    CHECK(device.store->remove("n"));
    CHECK(device.store->pending().size() == 1);

    remote.serve({Phone::arrived(remote.pushes.at(0), "s1")});
    device.sync(remote.remote());
    CHECK(device.store->find("n") == nullptr);
    CHECK(remote.last_change("n").record.is_deleted());
    CHECK(remote.last_change("n").record.revision == "s1");
    CHECK(device.store->pending().empty());
}

TEST_CASE("a re-creation that may have arrived is deleted again, unless the remote has moved on",
          "[scenario]") {
    const bool has_moved_on = GENERATE(false, true);
    Phone phone;
    phone.device.store->remove("a");
    phone.sync();
    auto deletion = phone.arrived(phone.remote.pushes.back(), "r1");
    phone.edit("again");
    phone.lose_a_push();
    phone.device.store->remove("a");
    REQUIRE(phone.device.store->pending().size() == 1);
    const auto pushes = phone.remote.pushes.size();

    if (has_moved_on) {
        deletion.revision = "s9";
        deletion.version += 2;
        deletion.updated_at = phone.device.clock.now() + 1min;
    }
    phone.remote.serve({deletion});
    phone.sync();

    CHECK(phone.remote.pushes.size() == pushes + (has_moved_on ? 0 : 1));
    CHECK(phone.device.store->pending().empty());
    if (has_moved_on) return;
    CHECK(phone.remote.last_change("a").record.is_deleted());
    CHECK(phone.remote.last_change("a").record.revision == "r1");
}

}  // namespace scenario_cases_sent
