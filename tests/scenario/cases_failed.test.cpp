// SPDX-License-Identifier: MIT

// "Push", as far as dead letters and the retry queue go: the cases that docs/architecture.md
// decides.

#include <sync_engine/remote/memory_remote.hpp>

#include "support/catch.hpp"
#include "support/device.hpp"
#include "support/scripted_remote.hpp"

#include <chrono>
#include <cstddef>
#include <functional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace scenario_cases_failed {

using namespace std::chrono_literals;
using sync_engine::ConflictStrategy;
using sync_engine::MemoryRemote;
using sync_engine::testing::ManualClock;
using ::test::Device;
using ::test::Json;
using ::test::ScriptedRemote;
using ::test::served;
using ::test::told;
using Resolver = Device::Resolver;

namespace {

struct Lost : std::runtime_error {
    Lost() : std::runtime_error("the connection was lost") {}
};

/// A device that knows records from a server that can be troubled.
struct Office {
    explicit Office(const std::vector<std::string>& ids, Resolver resolver = Resolver{})
        : device{1, std::move(resolver), time} {
        for (const auto& id : ids) server.seed(served(id, "base", 1, time.now()));
        sync();
        time.advance(1min);
    }
    sync_engine::SyncResult sync(sync_engine::SyncOptions options = {}) {
        return device.sync(server.remote(), std::move(options));
    }
    [[nodiscard]] Json stored(const std::string& id) const {
        const auto record = server.find(id);
        return record ? record->data : Json();
    }
    [[nodiscard]] std::size_t waiting() const { return device.engine->retry_queue().count(); }
    [[nodiscard]] std::size_t dead() const {
        return device.engine->retry_queue().dead_letters().size();
    }
    /// Failures of the record's own, as the retry queue lists them.
    [[nodiscard]] unsigned attempts(const std::string& id) const {
        for (const auto& entry : device.engine->retry_queue().entries()) {
            if (entry.record.id == id) return entry.attempts;
        }
        return 0;
    }

    ManualClock time{};
    MemoryRemote<Json> server{time.clock()};
    Device device;
};

}  // namespace

// "A dead letter whose record changes remotely: remote equals base, it stays; otherwise the
// resolver decides and the letter moves to history."

TEST_CASE("a dead letter stays while the remote has its base, under whatever revision",
          "[scenario]") {
    Office office{{"a"}};
    office.server.refuse("a", "no");
    office.device.edit("a", "edit");
    office.sync();
    office.server.accept_again("a");
    auto touched = *office.server.find("a");
    touched.version = 9;
    touched.updated_at = office.time.now();
    office.server.edit_as_other_device(touched);

    CHECK(office.sync().total() == 0);

    REQUIRE(office.dead() == 1);
    CHECK(office.device.engine->retry_queue().dead_letters()[0].error.message == "rejected: no");
    CHECK(office.device.engine->retry_queue().revive("a"));
    office.sync();
    CHECK(office.stored("a") == "edit");
}

TEST_CASE("a dead letter whose record changes remotely is decided like any edit", "[scenario]") {
    const bool ours_wins = GENERATE(true, false);
    Office office{
        {"a"}, Resolver{ours_wins ? ConflictStrategy::local_wins : ConflictStrategy::remote_wins}};
    office.server.refuse("a", "no");
    office.device.edit("a", "edit");
    office.sync();
    office.server.edit_as_other_device(served("a", "theirs", 2, office.time.now()));

    CHECK(office.sync().conflicts == 1);

    CHECK(office.device.data("a") == (ours_wins ? "edit" : "theirs"));
    // Ours went out again, and was refused again: history tells of both.
    REQUIRE(office.dead() == (ours_wins ? 1U : 0U));
    if (!ours_wins) return;
    CHECK(office.device.engine->retry_queue().dead_letters()[0].history.size() == 2);
    CHECK(office.device.engine->retry_queue().dead_letters()[0].attempts == 1);
}

// "`revive` keeps the operation id, an edit makes a new one. A change whose push failed, for
// whichever reason, is listed in the retry queue until its ack."

TEST_CASE(
    "a dead letter goes out under its old name when it is revived, under a new one when it "
    "is edited",
    "[scenario]") {
    Device device;
    ScriptedRemote remote;
    device.edit("a", "edit");
    remote.answer({sync_engine::rejected<Json>("a", "no")});
    remote.answer({sync_engine::rejected<Json>("a", "no")});
    device.sync(remote.remote());
    if (GENERATE(false, true)) device.restart();

    CHECK(device.engine->retry_queue().revive("a"));
    device.sync(remote.remote());
    CHECK(remote.pushes[1].at(0).operation_id == remote.pushes[0].at(0).operation_id);
    CHECK(device.engine->retry_queue().dead_letters().size() == 1);

    device.edit("a", "another edit");
    CHECK(device.engine->retry_queue().dead_letters().empty());
    device.sync(remote.remote());
    CHECK(remote.pushes[2].at(0).operation_id != remote.pushes[0].at(0).operation_id);
    CHECK(device.store->pending().empty());
}

TEST_CASE("whatever a push failed for, the change is listed until its ack", "[scenario]") {
    const std::vector<std::function<void(ScriptedRemote&)>> failures{
        [](auto& remote) { remote.fail_push(Lost{}); },
        [](auto& remote) { remote.fail_push(sync_engine::Unavailable{}); },
        [](auto& remote) { remote.fail_push(sync_engine::Unauthorized{}); },
        [](auto& remote) { remote.fail_push(sync_engine::RetryAfter{0s}); },
        [](auto& remote) { remote.answer({}); },
        [](auto& remote) { remote.answer({sync_engine::retry<Json>("a", "later")}); }};
    for (const auto& fail : failures) {
        Device device;
        ScriptedRemote remote;
        device.edit("a", 1);
        fail(remote);
        device.sync(remote.remote());

        REQUIRE(device.engine->retry_queue().count() == 1);
        CHECK(device.engine->retry_queue().pending()[0].id == "a");
        CHECK(device.engine->retry_queue().entries()[0].history.size() == 1);
        device.restart();
        CHECK(device.engine->retry_queue().count() == 1);

        CHECK(device.sync(remote.remote()).retried == 1);
        CHECK(device.engine->retry_queue().count() == 0);
    }
}

TEST_CASE("a push that failed whole is no success because its changes were given up meanwhile",
          "[scenario]") {
    const bool is_cleared = GENERATE(false, true);
    Device device;
    ScriptedRemote remote;
    device.edit("a", 1);
    device.edit("b", 2);
    remote.on_push([&](const auto&) -> ScriptedRemote::Report {
        if (is_cleared) device.store->clear();
        device.store->discard_changes("a");
        device.store->discard_changes("b");
        throw Lost{};
    });

    const auto result = device.sync(remote.remote());

    CHECK(remote.pushed() == "a b");
    CHECK(told(result) == "failed [: push failed: the connection was lost]");
}

// "Retry entries live in the store's commit, bound to a sequence: one whose sequence is not the
// record's is void."

TEST_CASE("what is known of failures belongs to one edit", "[scenario]") {
    Office office{{"a"}};
    office.server.omit("a");
    office.device.edit("a", "edit");
    for (int n = 0; n < 4; ++n) office.sync();
    REQUIRE(office.attempts("a") == 4);

    office.device.edit("a", "another edit");
    CHECK(office.waiting() == 0);
    office.sync();
    CHECK(office.attempts("a") == 1);
    CHECK(office.dead() == 0);

    office.device.store->discard_changes("a");
    CHECK(office.device.engine->retry_queue().entries().empty());
}

TEST_CASE("a failure of what was sent says nothing of an edit made meanwhile", "[scenario]") {
    Device device;
    ScriptedRemote remote;
    device.edit("a", "edit");
    remote.on_push([&](const auto&) {
        device.edit("a", "another edit");
        return ScriptedRemote::Report{sync_engine::rejected<Json>("a", "no")};
    });

    device.sync(remote.remote());

    CHECK(device.engine->retry_queue().entries().empty());
    CHECK(device.sync(remote.remote()).pushed == 1);
    CHECK(remote.last_change("a").record.data == "another edit");
}

TEST_CASE("a conflict that shows only the base of what was sent says nothing of it either",
          "[scenario]") {
    Device device{1, Resolver{}, ManualClock{}, {.max_attempts = 1}};
    ScriptedRemote remote;
    const auto base = served("a", "base", 1, device.clock.now(), "s1");
    remote.serve({base});
    device.sync(remote.remote());
    device.edit("a", "edit");
    remote.on_push([&](const auto&) {
        device.edit("a", "another edit");
        return ScriptedRemote::Report{sync_engine::conflict(base)};
    });

    device.sync(remote.remote());

    CHECK(device.engine->retry_queue().entries().empty());
    CHECK(device.sync(remote.remote()).pushed == 1);
    CHECK(remote.last_change("a").record.data == "another edit");
}

TEST_CASE("an attempt that the app notes of an edit is not under the name of an earlier one",
          "[scenario]") {
    Office office{{"a"}};
    office.device.edit("a", "edit");
    office.server.lose_next_ack();  // the server has it, and its name
    office.sync();
    office.device.edit("a", "another edit");

    office.device.engine->retry_queue().enqueue(*office.device.store->get("a"));
    office.sync({.direction = sync_engine::SyncDirection::push});

    CHECK(office.device.data("a") == "another edit");
    CHECK(office.stored("a") == "another edit");
    CHECK(office.device.store->pending().empty());
}

TEST_CASE("an ack ends the history of what was acknowledged, also under a later edit",
          "[scenario]") {
    Device device;
    ScriptedRemote remote;
    device.edit("a", "first");
    remote.answer({});
    device.sync(remote.remote());
    remote.on_push([&](const auto& batch) {
        device.edit("a", "second");
        return remote.accept(batch);
    });
    device.sync(remote.remote());
    REQUIRE(device.engine->retry_queue().entries().empty());

    remote.answer({});
    device.sync(remote.remote());

    REQUIRE(device.engine->retry_queue().entries().size() == 1);
    CHECK(device.engine->retry_queue().entries()[0].history.size() == 1);
}

}  // namespace scenario_cases_failed
