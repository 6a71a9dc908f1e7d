// SPDX-License-Identifier: MIT
#include "support/catch.hpp"
#include "support/scenario.hpp"

#include <nlohmann/json.hpp>

#include <chrono>
#include <functional>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace scenario_laws {

// Laws 1 to 5 of the design: whose edit it is, and who wins. The others: laws_of_safety (6, 7, 10
// to 12) and laws_of_trouble (8, 9).

using namespace std::chrono_literals;
using namespace sync_engine;
using ::test::Agreed;
using ::test::contains;
using ::test::Device;
using ::test::errors_of;
using ::test::Json;
using ::test::pending_ids;
using ::test::Records;
using ::test::Server;
using ::test::state;
using ::test::text_of;
using ::test::with_edit_during_push;

// 1. An edit and its place in the outbox are one write.

TEST_CASE("every kind of edit is pending by itself and is one commit", "[scenario]") {
    using Edit = std::function<void(LocalStore<>&)>;
    const std::vector<std::pair<std::string, Edit>> edits{
        {"put of other data", [](auto& store) { store.put(store.get("a")->with_data("edited")); }},
        {"put of other tags", [](auto& store) { store.put(store.get("a")->with_tags({"new"})); }},
        {"put that claims to be synced",
         [](auto& store) {
             store.put(store.get("a")->with_data("edited").with_status(SyncStatus::synced));
         }},
        {"put of a deletion",
         [](auto& store) { store.put(store.get("a")->with_status(SyncStatus::deleted)); }},
        {"put_all", [](auto& store) { store.put_all({store.get("a")->with_data("edited")}); }},
        {"update", [](auto& store) { store.update("a", [](Json& data) { data = "edited"; }); }},
        {"remove", [](auto& store) { store.remove("a"); }},
        {"transact",
         [](auto& store) {
             store.transact([](auto& transaction) {
                 transaction.update("a", [](Json& data) { data = "half"; });
                 transaction.update("a", [](Json& data) { data = "edited"; });
             });
         }},
        {"mark_modified", [](auto& store) { store.mark_modified("a"); }},
    };
    for (const auto& [name, edit] : edits) {
        INFO(name);
        Agreed both;
        const auto commits = both.device.disk->commits();

        edit(*both.device.store);

        CHECK(pending_ids(both.device) == std::vector<std::string>{"a"});
        CHECK(both.device.disk->commits() == commits + 1);
        both.device.restart();
        CHECK(pending_ids(both.device) == std::vector<std::string>{"a"});
        both.sync();
        both.check_equal();
    }
}

TEST_CASE("an edit that could not be stored is neither in the store nor in the outbox",
          "[scenario]") {
    Agreed both;
    both.device.disk->fail_next();

    CHECK_THROWS_AS(both.device.edit("a", "lost"), StorageError);

    CHECK(both.device.data("a") == "base");
    CHECK(pending_ids(both.device).empty());
    both.device.restart();
    CHECK(both.device.data("a") == "base");
    CHECK(pending_ids(both.device).empty());
}

// 2. An ack clears exactly the edit that was sent.

TEST_CASE("an edit during its own push stays pending on top of what was acknowledged",
          "[scenario]") {
    Agreed both;
    both.device.edit("a", "sent");

    const auto result = both.device.sync(
        with_edit_during_push(both.server, [&] { both.device.edit("a", "later"); }));

    CHECK(result.pushed == 1);
    CHECK(both.device.data("a") == "later");
    CHECK(both.device.store->base("a")->data == "sent");
    CHECK(both.server.find("a")->data == "sent");
    CHECK(pending_ids(both.device) == std::vector<std::string>{"a"});
    CHECK(both.sync().pushed == 1);
    both.check_equal();
    CHECK(both.server.find("a")->data == "later");
}

TEST_CASE("a deletion during the push of an edit still travels", "[scenario]") {
    Agreed both;
    both.device.edit("a", "sent");

    both.device.sync(with_edit_during_push(both.server, [&] { both.device.store->remove("a"); }));

    CHECK(both.server.find("a")->data == "sent");
    CHECK(both.device.store->pending().at(0).is_deleted());
    both.sync();
    CHECK(both.server.find("a")->is_deleted());
    both.check_equal();
}

TEST_CASE("a record that is made, pushed and deleted meanwhile does not stay at the server",
          "[scenario]") {
    Device device;
    Server server;
    device.edit("new", 1);

    device.sync(with_edit_during_push(server, [&] { device.store->remove("new"); }));
    CHECK(server.count() == 1);
    device.sync(server.remote());

    CHECK(server.count() == 0);
    CHECK(device.store->pending().empty());
}

TEST_CASE("an edit back to what it was before the push is an edit", "[scenario]") {
    Agreed both;
    both.device.edit("a", "sent");

    both.device.sync(with_edit_during_push(both.server, [&] { both.device.edit("a", "base"); }));

    CHECK(pending_ids(both.device) == std::vector<std::string>{"a"});
    both.sync();
    CHECK(both.server.find("a")->data == "base");
    both.check_equal();
}

TEST_CASE("an edit that is given up during its push leaves what the server has", "[scenario]") {
    Agreed both;
    both.device.edit("a", "sent");

    both.device.sync(
        with_edit_during_push(both.server, [&] { both.device.store->discard_changes("a"); }));

    CHECK(both.device.data("a") == "sent");
    both.check_equal();
}

// 3. Three versions decide a conflict.

TEST_CASE("only a remote that changed since base is a conflict", "[scenario]") {
    Agreed both;

    SECTION("only we changed") {
        both.device.edit("a", "ours");
        CHECK(both.sync().conflicts == 0);
        CHECK(both.server.find("a")->data == "ours");
    }
    SECTION("only they changed") {
        both.edit_elsewhere("theirs");
        const auto result = both.sync();
        CHECK(result.conflicts == 0);
        CHECK(result.pulled == 1);
        CHECK(both.device.data("a") == "theirs");
    }
    SECTION("both made the same change") {
        both.device.edit("a", "same");
        both.edit_elsewhere("same");
        CHECK(both.sync().conflicts == 0);
        CHECK(both.wire.batches.empty());
    }
    SECTION("they changed stamps and revision alone") {
        both.device.edit("a", "ours");
        both.edit_elsewhere("base", 9);
        const auto result = both.sync();
        CHECK(result.conflicts == 0);
        CHECK(result.pushed == 1);
        CHECK(both.wire.batches.size() == 1);
        CHECK(both.server.find("a")->data == "ours");
        CHECK(both.server.find("a")->version > 9);
    }
    SECTION("both changed") {
        both.device.edit("a", "ours");
        both.edit_elsewhere("theirs");
        CHECK(both.sync().conflicts == 1);
    }
    both.check_equal();
}

TEST_CASE("a resolver sees base, local and remote as they are", "[scenario]") {
    std::vector<std::string> seen;
    Agreed both{Device::Resolver{[&](const auto* base, const auto& local, const auto& remote) {
        seen = {base->data, local.data, remote.data};
        return remote;
    }}};
    both.device.edit("a", "ours");
    both.edit_elsewhere("theirs");

    both.sync();

    CHECK(seen == std::vector<std::string>{"base", "ours", "theirs"});
    both.check_equal();
}

TEST_CASE("tags and deletion are content, and text that looks alike is not equal", "[scenario]") {
    Agreed both{Device::Resolver{ConflictStrategy::local_wins}};
    std::size_t conflicts = 1;

    SECTION("tags") {
        both.device.store->put(both.device.store->get("a")->with_tags({"ours"}));
        auto theirs = state("a", "base", both.device.clock.now());
        theirs.tags = {"theirs"};
        both.server.edit_as_other_device(theirs);
    }
    SECTION("a deletion here") {
        both.device.store->remove("a");
        both.edit_elsewhere("theirs");
    }
    SECTION("a deletion there") {
        both.device.edit("a", "ours");
        both.server.remove_as_other_device("a");
    }
    SECTION("a number and its text") {
        both.device.edit("a", 1);
        both.edit_elsewhere("1");
    }
    SECTION("the same tags and keys in another order are no conflict") {
        both.device.store->put(both.device.store->get("a")
                                   ->with_tags({"x", "y"})
                                   .with_data(Json::parse(R"({"m": 1, "n": 2})")));
        auto theirs = state("a", Json::parse(R"({"n": 2, "m": 1})"), both.device.clock.now());
        theirs.tags = {"y", "x"};
        both.server.edit_as_other_device(theirs);
        conflicts = 0;
    }
    CHECK(both.sync().conflicts == conflicts);
    both.check_equal();
}

// 4. A winner that is not the remote's state is still dirty.

TEST_CASE("a local winner is rebased on the remote's state and pushed", "[scenario]") {
    const std::vector<Device::Resolver> resolvers{
        Device::Resolver{ConflictStrategy::local_wins},
        Device::Resolver{ConflictStrategy::latest_wins}, Device::Resolver{ConflictStrategy::merge},
        Device::Resolver{[](const auto& local, const auto&) { return local; }}};
    for (const auto& resolver : resolvers) {
        INFO("strategy " << static_cast<int>(resolver.strategy()));
        Agreed both{resolver};
        both.edit_elsewhere("theirs", 7);
        both.device.edit("a", "ours");

        const auto result = both.sync();

        CHECK(result.conflicts == 1);
        CHECK(result.pushed == 1);
        REQUIRE(both.wire.changes().size() == 1);
        CHECK(both.wire.changes()[0].base->data == "theirs");
        CHECK(both.wire.changes()[0].record.version == 8);
        CHECK(both.server.find("a")->data == "ours");
        both.check_equal();
    }
}

TEST_CASE("a winner that is the remote's state leaves nothing to push", "[scenario]") {
    Agreed both{Device::Resolver{ConflictStrategy::remote_wins}};
    both.device.edit("a", "ours");
    both.edit_elsewhere("theirs");

    const auto result = both.sync();

    CHECK(result.pulled == 1);
    CHECK(both.wire.batches.empty());
    CHECK(both.device.data("a") == "theirs");
    both.check_equal();
}

TEST_CASE("what a resolver makes of both is pushed, and other devices take it", "[scenario]") {
    Server server;
    const Device::Resolver merge{ConflictStrategy::merge};
    Device one{1, merge};
    Device two{2, merge, one.clock};
    one.edit("a", {{"title", "t"}, {"text", "x"}});
    one.sync(server.remote());
    two.sync(server.remote());
    one.edit("a", {{"title", "new title"}, {"text", "x"}});
    two.edit("a", {{"title", "t"}, {"text", "new text"}});

    one.sync(server.remote());
    CHECK(two.sync(server.remote()).conflicts == 1);
    one.sync(server.remote());

    CHECK(one.data("a") == Json{{"title", "new title"}, {"text", "new text"}});
    CHECK(text_of(one) == text_of(server));
    CHECK(text_of(two) == text_of(server));
}

TEST_CASE("a conflict that the push reply reveals is pushed again in the same sync", "[scenario]") {
    Agreed both{Device::Resolver{ConflictStrategy::local_wins}};
    both.device.edit("a", "ours");
    both.server.edit_as_other_device(state("a", "theirs", both.device.clock.now()));
    auto remote = both.wire.to(both.server);
    remote.pull = [](PullRequest) { return make_ready_future(PullPage<>{}); };  // sees nothing

    const auto result = both.device.sync(remote);

    CHECK(result.conflicts == 1);
    CHECK(both.wire.batches_text() == "a | a");
    CHECK(both.wire.batches[0][0].operation_id != both.wire.batches[1][0].operation_id);
    CHECK(both.server.find("a")->data == "ours");
    both.check_equal();
}

TEST_CASE("two pushes that race for ever end as an error, and nothing is lost", "[scenario]") {
    Agreed both{Device::Resolver{ConflictStrategy::local_wins}};
    both.device.edit("a", "ours");
    auto remote = both.server.remote();
    int calls = 0;
    remote.push = [&](PushBatch<> batch) {
        auto theirs = batch.changes.at(0).record;  // somebody else was faster, each time
        theirs.data = ++calls;
        theirs.version += 1;
        return make_ready_future(PushReport<>{conflict(theirs)});
    };

    const auto result = both.device.sync(remote, {.max_rounds = 3});

    CHECK(calls == 4);
    CHECK_THAT(errors_of(result), contains("did not settle in 3 rounds"));
    CHECK(both.device.engine->retry_queue().dead_letters().empty());
    CHECK(both.device.data("a") == "ours");
    CHECK(pending_ids(both.device) == std::vector<std::string>{"a"});
    both.sync();
    both.check_equal();
}

// 5. Our own echo is not a conflict.

TEST_CASE("what a lost ack left at the server is recognised as ours", "[scenario]") {
    Agreed both{Device::Resolver{[](const auto&, const auto&) -> SyncRecord<> {
        throw std::logic_error("there is nothing to resolve");
    }}};
    both.device.edit("a", "sent");
    both.server.lose_next_ack();
    CHECK(both.sync().outcome == SyncOutcome::failed);
    CHECK(both.server.find("a")->data == "sent");
    std::string expected = "sent";

    SECTION("as it is") {}
    SECTION("after a restart") {
        both.device.restart();
    }
    SECTION("edited again") {
        both.device.edit("a", "edited again");
        expected = "edited again";
    }
    SECTION("edited twice, with a restart between") {
        both.device.edit("a", "once");
        both.device.restart();
        both.device.edit("a", "twice");
        expected = "twice";
    }
    SECTION("edited back to what it was before") {
        both.device.edit("a", "base");
        expected = "base";
    }
    SECTION("deleted since") {
        both.device.store->remove("a");
        expected = "";
    }
    const auto result = both.sync();

    CHECK(result.conflicts == 0);
    CHECK_FALSE(result.has_errors());
    CHECK(both.device.data("a") == (expected.empty() ? Json() : Json(expected)));
    both.check_equal();
    CHECK(both.wire.batches.size() == (expected == "sent" ? 1 : 2));
}

TEST_CASE("an echo under another device's edit does not beat our newer edit", "[scenario]") {
    Agreed both{Device::Resolver{ConflictStrategy::merge}};
    both.device.edit("a", {{"n", 1}});
    both.server.lose_next_ack();
    both.sync();
    both.device.edit("a", {{"n", 2}});
    both.device.clock.advance(1min);
    both.edit_elsewhere({{"n", 1}, {"other", true}}, 9);  // later than ours, on top of n = 1

    both.sync();

    CHECK(both.device.data("a") == Json{{"n", 2}, {"other", true}});
    both.check_equal();
}

TEST_CASE("an edit that was taken back does not come back under another device's edit",
          "[scenario]") {
    Agreed both{Device::Resolver{ConflictStrategy::merge}};
    both.device.edit("a", {{"n", 0}});
    both.sync();
    both.device.edit("a", {{"n", 1}});
    both.server.lose_next_ack();
    both.sync();
    both.device.edit("a", {{"n", 0}});  // local is base again, but the server has n = 1
    both.device.clock.advance(1min);
    both.edit_elsewhere({{"n", 1}, {"other", true}}, 9);

    both.sync();

    CHECK(both.device.data("a") == Json{{"n", 0}, {"other", true}});
    both.check_equal();
}

TEST_CASE("a winner over an edit that may have arrived is a new operation", "[scenario]") {
    Agreed both{Device::Resolver{[](const auto& local, const auto& remote) {
        return local.with_data({local.data, remote.data});
    }}};
    both.device.edit("a", "ours");
    both.server.lose_next_ack();
    both.sync();
    both.device.clock.advance(1min);
    both.edit_elsewhere("theirs", 9);

    both.sync();

    REQUIRE(both.wire.changes().size() == 2);
    CHECK(both.wire.changes()[0].operation_id != both.wire.changes()[1].operation_id);
    CHECK(both.server.find("a")->data == Json{"ours", "theirs"});
    both.check_equal();
}

TEST_CASE("a deletion whose ack was lost is recognised as ours", "[scenario]") {
    Agreed both{Device::Resolver{[](const auto&, const auto&) -> SyncRecord<> {
        throw std::logic_error("there is nothing to resolve");
    }}};
    both.device.store->remove("a");
    both.server.lose_next_ack();
    both.sync();
    const bool is_made_again = GENERATE(false, true);
    if (is_made_again) both.device.edit("a", "again");

    const auto result = both.sync();

    CHECK(result.conflicts == 0);
    CHECK_FALSE(result.has_errors());
    both.check_equal();
    CHECK(both.device.data("a") == (is_made_again ? Json("again") : Json()));
    CHECK(both.wire.batches.size() == (is_made_again ? 2 : 1));
}

// All of them together.

TEST_CASE("two devices agree in the end, whatever kind of server they have", "[scenario]") {
    Server server;
    bool is_simple = false;
    SECTION("a good one") {}
    SECTION("one that stores content in its own wording") {
        server.normalise_with([](Json& data) { data["normalised"] = true; });
    }
    SECTION("one without versions and times") {
        server.forget_versions_and_times(true);
    }
    SECTION("one without revisions") {
        server.without_revisions(true);
    }
    SECTION("one that lists everything each time") {
        server.list_everything(true);
    }
    SECTION("one that repeats rows") {
        server.repeat_rows(true);
    }
    SECTION("one behind simple callbacks") {
        is_simple = true;
    }
    const auto remote = is_simple ? server.simple_remote() : server.remote();
    const SyncOptions small{.push_batch_size = 2, .pull_page_size = 2};
    const Device::Resolver merge{ConflictStrategy::merge};
    Device one{1, merge};
    Device two{2, merge, one.clock};
    for (const char* id : {"a", "b", "c", "d", "e"}) one.edit(id, {{"made by", "one"}});
    one.sync(remote, small);
    two.sync(remote, small);
    one.clock.advance(1min);

    one.edit("a", {{"made by", "one"}, {"one", 1}});
    two.edit("a", {{"made by", "one"}, {"two", 2}});
    one.store->remove("b");
    two.store->remove("c");
    two.edit("d", {{"made by", "two"}});
    one.store->put(one.store->get("e")->with_tags({"one"}));
    two.store->put(two.store->get("e")->with_tags({"two"}));
    server.lose_next_ack();
    for (int round = 0; round < 4; ++round) {
        if (round == 1) server.expire_cursors();
        one.sync(remote, small);
        one.restart();
        two.sync(remote, small);
    }

    CHECK(text_of(one) == text_of(server));
    CHECK(text_of(two) == text_of(server));
    CHECK(pending_ids(one).empty());
    CHECK(pending_ids(two).empty());
    CHECK(one.data("a")["one"] == 1);
    CHECK(one.data("a")["two"] == 2);
    CHECK(one.data("d")["made by"] == "two");
    CHECK(one.store->get("e")->tags == TagSet{"one", "two"});
    CHECK(server.count() == 3);
}

}  // namespace scenario_laws
