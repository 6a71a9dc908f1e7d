// SPDX-License-Identifier: MIT
#include "support/catch.hpp"
#include "support/scenario.hpp"

#include <nlohmann/json.hpp>

#include <chrono>
#include <cstddef>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace scenario_crash {

// Law 6 the hard way: a sync dies before each of its commits in turn, the app starts again, and
// the next sync has to end as if nothing had happened.

using namespace std::chrono_literals;
using namespace sync_engine;
using ::test::Device;
using ::test::errors_of;
using ::test::Json;
using ::test::line_of;
using ::test::pending_ids;
using ::test::Server;
using ::test::state;
using ::test::text_of;
using ::test::Wire;

namespace {

/// What is there before the sync that dies, and what both sides hold in the end.
struct Story {
    std::string name{};
    Device::Resolver resolver{};
    std::function<void(Device&, Server&)> before{};
    std::string end{};
};

std::vector<Story> stories() {
    std::vector<Story> told;
    told.push_back({"new records go up in batches", Device::Resolver{},
                    [](Device& device, Server&) {
                        for (int n = 0; n < 5; ++n) device.edit("r" + std::to_string(n), n);
                    },
                    "r0 = 0\nr1 = 1\nr2 = 2\nr3 = 3\nr4 = 4\n"});
    told.push_back({"records come down in pages", Device::Resolver{},
                    [](Device& device, Server& server) {
                        for (int n = 0; n < 5; ++n) {
                            server.seed(state("r" + std::to_string(n), n, device.clock.now()));
                        }
                    },
                    "r0 = 0\nr1 = 1\nr2 = 2\nr3 = 3\nr4 = 4\n"});
    told.push_back(
        {"edits and deletions on both sides are merged", Device::Resolver{ConflictStrategy::merge},
         [](Device& device, Server& server) {
             for (int n = 0; n < 4; ++n) device.edit("r" + std::to_string(n), Json::object());
             device.sync(server.remote());
             device.clock.advance(1min);
             device.edit("r0", {{"ours", 1}});
             server.edit_as_other_device(state("r0", {{"theirs", 1}}, device.clock.now()));
             device.store->remove("r1");
             server.remove_as_other_device("r2");
             device.edit("r3", {{"ours", 3}});
             server.remove_as_other_device("r3");
         },
         "r0 = {\"ours\":1,\"theirs\":1}\nr3 = {\"ours\":3}\n"});
    told.push_back({"a conflict that only the push reveals",
                    Device::Resolver{ConflictStrategy::local_wins},
                    [](Device& device, Server& server) {
                        device.edit("a", "base");
                        device.sync(server.remote());
                        device.clock.advance(1min);
                        server.serve_stale_reads(true);
                        server.edit_as_other_device(state("a", "theirs", device.clock.now()));
                        device.edit("a", "ours");
                    },
                    "a = \"ours\"\n"});
    told.push_back({"the ack of an edit was lost", Device::Resolver{ConflictStrategy::remote_wins},
                    [](Device& device, Server& server) {
                        device.edit("a", "sent");
                        server.lose_next_ack();
                        device.sync(server.remote());
                        device.edit("a", "edited since");
                        device.edit("b", "new");
                    },
                    "a = \"edited since\"\nb = \"new\"\n"});
    told.push_back({"the cursor has expired and an edit was not sent", Device::Resolver{},
                    [](Device& device, Server& server) {
                        for (int n = 0; n < 4; ++n) device.edit("r" + std::to_string(n), n);
                        device.sync(server.remote());
                        device.sync(server.remote());
                        server.expire_cursors();
                        device.edit("r1", "ours");
                    },
                    "r0 = 0\nr1 = \"ours\"\nr2 = 2\nr3 = 3\n"});
    told.push_back({"a full listing no longer holds a record", Device::Resolver{},
                    [](Device& device, Server& server) {
                        for (int n = 0; n < 5; ++n) {
                            server.seed(state("r" + std::to_string(n), n, device.clock.now()));
                        }
                        server.list_everything(true);
                        device.sync(server.remote());
                        server.remove_as_other_device("r0");
                        device.edit("r4", "ours");
                    },
                    "r1 = 1\nr2 = 2\nr3 = 3\nr4 = \"ours\"\n"});
    return told;
}

const SyncOptions small{.push_batch_size = 2, .pull_page_size = 2};

/// True if the sync died at a commit.
bool dies(Device& device, const Remote<>& remote) {
    try {
        device.sync(remote, small);
    } catch (const StorageError&) {
        return true;
    }
    return false;
}

/// The server wrote no edit twice, whether under one name or under two.
void check_no_duplicates(const Wire& wire, const Server& server) {
    std::map<std::string, std::set<std::string>> written;
    for (const auto& change : wire.changes()) {
        const auto writes = server.applied(change.operation_id);
        CHECK(writes <= 1);
        const std::string deleted = change.record.is_deleted() ? "deleted " : "";
        if (writes > 0) written[deleted + line_of(change.record)].insert(change.operation_id);
    }
    for (const auto& [content, operations] : written) {
        INFO(content);
        CHECK(operations.size() == 1);
    }
}

void check_end(Device& device, Server& server, const Remote<>& remote, const std::string& end) {
    server.serve_stale_reads(false);
    const auto result = device.sync(remote, small);
    CHECK(result.outcome == SyncOutcome::completed);
    CHECK(errors_of(result).empty());
    CHECK(text_of(server) == end);
    CHECK(text_of(device) == end);
    CHECK(pending_ids(device).empty());
    CHECK(device.engine->retry_queue().entries().empty());
    device.restart();
    CHECK(text_of(device) == end);
    CHECK(pending_ids(device).empty());
    const auto again = device.sync(remote, small);
    CHECK(again.pushed + again.retried + again.conflicts == 0);
    CHECK(text_of(server) == end);
}

}  // namespace

TEST_CASE("a sync that dies before any of its commits goes on after a restart", "[scenario]") {
    for (const auto& story : stories()) {
        for (std::size_t commit = 0;; ++commit) {
            INFO(story.name << ", dies before commit " << commit);
            REQUIRE(commit < 100);
            Device device{1, story.resolver};
            Server server;
            Wire wire;
            story.before(device, server);

            device.disk->fail_next(1, commit);
            const bool died = dies(device, wire.to(server));
            device.disk->fail_next(0);
            device.restart();
            check_end(device, server, wire.to(server), story.end);

            check_no_duplicates(wire, server);
            if (!died) break;
        }
    }
}

TEST_CASE("a sync that fails at any of its commits goes on in the same process", "[scenario]") {
    for (const auto& story : stories()) {
        for (std::size_t commit = 0;; ++commit) {
            INFO(story.name << ", fails at commit " << commit);
            REQUIRE(commit < 100);
            Device device{1, story.resolver};
            Server server;
            Wire wire;
            story.before(device, server);

            device.disk->fail_next(1, commit);
            const bool died = dies(device, wire.to(server));
            device.disk->fail_next(0);
            CHECK_FALSE(device.engine->is_syncing());
            check_end(device, server, wire.to(server), story.end);

            check_no_duplicates(wire, server);
            if (!died) break;
        }
    }
}

TEST_CASE("a sync that dies, and dies again when it is repeated, loses nothing", "[scenario]") {
    for (const auto& story : stories()) {
        for (std::size_t first = 0, second = 0;; ++second) {
            INFO(story.name << ", dies before commit " << first << ", then before " << second);
            REQUIRE(first < 100);
            Device device{1, story.resolver};
            Server server;
            Wire wire;
            story.before(device, server);

            device.disk->fail_next(1, first);
            const bool died = dies(device, wire.to(server));
            device.restart();
            device.disk->fail_next(1, second);
            const bool died_again = dies(device, wire.to(server));
            device.disk->fail_next(0);
            device.restart();
            check_end(device, server, wire.to(server), story.end);

            check_no_duplicates(wire, server);
            if (!died) break;
            if (!died_again) ++first, second = 0;
        }
    }
}

TEST_CASE("an edit made after the crash is the one that stays", "[scenario]") {
    for (const auto& story : stories()) {
        for (std::size_t commit = 0;; ++commit) {
            INFO(story.name << ", dies before commit " << commit);
            REQUIRE(commit < 100);
            Device device{1, story.resolver};
            Server server;
            Wire wire;
            story.before(device, server);

            device.disk->fail_next(1, commit);
            const bool died = dies(device, wire.to(server));
            device.disk->fail_next(0);
            device.restart();
            device.clock.advance(1min);
            for (const auto& record : device.store->all()) {
                Json data = record.data;
                if (data.is_object()) {
                    data["after"] = "the crash";
                } else {
                    data = "after the crash";
                }
                device.edit(record.id, data);
            }
            const auto edited = device.store->all();
            server.serve_stale_reads(false);
            device.sync(wire.to(server), small);

            for (const auto& record : edited) {
                INFO(record.id);
                const bool is_lost_to_a_deletion =
                    server.find(record.id)->is_deleted() && !device.store->get(record.id);
                const auto held = server.find(record.id)->data;
                const bool is_there =
                    held == "after the crash" || (held.is_object() && held.contains("after"));
                CHECK((is_there || is_lost_to_a_deletion));
            }
            CHECK(text_of(device) == text_of(server));
            CHECK(pending_ids(device).empty());
            if (!died) break;
        }
    }
}

TEST_CASE("a refusal that was stored is still known after a crash, one that was not comes again",
          "[scenario]") {
    for (std::size_t commit = 0;; ++commit) {
        INFO("dies before commit " << commit);
        REQUIRE(commit < 20);
        Device device;
        Server server;
        device.edit("bad", 1);
        device.edit("good", 2);
        server.refuse("bad", "no");

        device.disk->fail_next(1, commit);
        const bool died = dies(device, server.remote());
        device.disk->fail_next(0);
        device.restart();
        device.sync(server.remote());

        REQUIRE(device.engine->retry_queue().dead_letters().size() == 1);
        CHECK(device.engine->retry_queue().dead_letters()[0].attempts == 1);
        CHECK(device.engine->retry_queue().dead_letters()[0].history.size() == 1);
        CHECK(pending_ids(device) == std::vector<std::string>{"bad"});
        CHECK(server.find("good")->data == 2);
        if (!died) break;
    }
}

TEST_CASE("a backup of the disk that is opened elsewhere never loses the work of the original",
          "[scenario]") {
    Device device{1, Device::Resolver{ConflictStrategy::local_wins}};
    Server server;
    device.edit("a", "base");
    device.sync(server.remote());
    device.edit("a", "before the backup");
    const auto backup = device.disk->copy();
    device.sync(server.remote());

    Device restored{2, Device::Resolver{ConflictStrategy::local_wins}, device.clock};
    restored.disk = backup;
    restored.restart();
    const auto result = restored.sync(server.remote());

    CHECK(result.conflicts == 0);  // both made the same edit
    CHECK(text_of(restored) == text_of(server));
    CHECK(pending_ids(restored).empty());
}

}  // namespace scenario_crash
