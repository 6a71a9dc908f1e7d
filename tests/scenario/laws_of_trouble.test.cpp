// SPDX-License-Identifier: MIT
#include "support/catch.hpp"
#include "support/scenario.hpp"

#include <nlohmann/json.hpp>

#include <chrono>
#include <functional>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace scenario_laws_of_trouble {

// Laws 8 and 9 of the design: what happens when something does not work.

using namespace std::chrono_literals;
using namespace sync_engine;
using ::test::contains;
using ::test::Device;
using ::test::errors_of;
using ::test::Ids;
using ::test::Json;
using ::test::Outbox;
using ::test::pending_ids;
using ::test::Server;
using ::test::state;
using ::test::text_of;

// 8. Nothing is ever dropped in silence, and an outage makes no dead letters.

TEST_CASE("a rejected change is kept as a dead letter with its error, over a restart",
          "[scenario]") {
    Outbox box{2};
    box.server.refuse("r0", "the title is too long");

    const auto result = box.sync();

    CHECK(result.outcome == SyncOutcome::completed);
    CHECK(result.pushed == 1);
    CHECK_THAT(errors_of(result), contains("r0: rejected: the title is too long"));
    box.device.restart();
    REQUIRE(box.queue().dead_letters().size() == 1);
    const auto letter = box.queue().dead_letters()[0];
    CHECK(letter.record.id == "r0");
    CHECK(letter.record.data == 0);
    CHECK(letter.attempts == 1);
    CHECK_THAT(letter.error.message, contains("the title is too long"));
    CHECK(letter.history.size() == 1);
    CHECK(box.device.data("r0") == 0);
    CHECK(pending_ids(box.device) == Ids{"r0"});
    CHECK(box.device.store->statistics().dead_letters == 1);
    box.sync();
    CHECK(box.wire.batches.empty());
}

TEST_CASE("a dead letter can be revived, edited or discarded", "[scenario]") {
    Outbox box{1};
    box.server.refuse("r0", "no");
    box.sync();
    const std::string operation = box.wire.changes().at(0).operation_id;
    box.server.accept_again("r0");

    SECTION("revived, it is the same operation") {
        CHECK(box.queue().revive("r0"));
        box.sync();
        REQUIRE(box.wire.changes().size() == 1);
        CHECK(box.wire.changes()[0].operation_id == operation);
        CHECK(box.server.find("r0")->data == 0);
    }
    SECTION("edited, it is another one") {
        box.device.edit("r0", "shorter");
        box.sync();
        REQUIRE(box.wire.changes().size() == 1);
        CHECK(box.wire.changes()[0].operation_id != operation);
        CHECK(box.wire.changes()[0].attempt == 1);
        CHECK(box.server.find("r0")->data == "shorter");
    }
    SECTION("discarded, a record that the server never had is gone") {
        CHECK(box.device.store->discard_changes("r0"));
        box.sync();
        CHECK(box.wire.batches.empty());
        CHECK(box.device.store->count() == 0);
    }
    CHECK(box.queue().dead_letters().empty());
    CHECK(box.device.store->pending().empty());
    CHECK(text_of(box.device) == text_of(box.server));
}

TEST_CASE("a discarded dead letter goes back to what both sides had", "[scenario]") {
    Outbox box{1};
    box.sync();
    box.device.edit("r0", "edited");
    box.server.refuse("r0", "no");
    box.sync();

    box.device.store->discard_changes("r0");

    CHECK(box.device.data("r0") == 0);
    CHECK(text_of(box.device) == text_of(box.server));
    CHECK(box.device.store->pending().empty());
}

TEST_CASE("a dead letter stays while the server has its base, and goes when the server moves on",
          "[scenario]") {
    Outbox box{1};
    box.sync();
    box.device.clock.advance(1min);
    box.device.edit("r0", "ours");
    box.server.refuse("r0", "no");
    box.sync();
    box.device.clock.advance(1min);

    SECTION("the same content under a new revision") {
        box.server.edit_as_other_device(state("r0", 0, box.device.clock.now()));
        box.sync();
        CHECK(box.queue().dead_letters().size() == 1);
        CHECK(box.wire.batches.empty());
    }
    SECTION("other content: the resolver decides") {
        box.server.edit_as_other_device(state("r0", "theirs", box.device.clock.now()));
        CHECK(box.sync().conflicts == 1);
        CHECK(box.queue().dead_letters().empty());
        CHECK(box.device.data("r0") == "theirs");
    }
}

TEST_CASE("an id that is missing from the reply is an attempt, and attempts run out",
          "[scenario]") {
    Outbox box{2, {.max_attempts = 3}};
    box.server.omit("r0");

    for (unsigned attempt = 1; attempt <= 3; ++attempt) {
        const auto result = box.sync();
        CHECK_THAT(errors_of(result), contains("r0: the remote gave no answer for it"));
        REQUIRE(box.queue().entries().size() == 1);
        CHECK(box.queue().entries()[0].attempts == attempt);
        box.device.restart();
    }

    CHECK(box.queue().dead_letters().size() == 1);
    CHECK(box.queue().dead_letters()[0].history.size() == 3);
    CHECK(text_of(box.server) == "r1 = 1\n");
    box.sync();
    CHECK(box.wire.batches.empty());
    CHECK(box.device.data("r0") == 0);
}

TEST_CASE("an outage makes no dead letters, however long and of whatever kind", "[scenario]") {
    using Trouble = std::function<void(Server&)>;
    const std::vector<std::pair<std::string, Trouble>> kinds{
        {"offline", [](Server& server) { server.set_offline(true); }},
        {"login", [](Server& server) { server.require_login(true); }},
        {"pull broken", [](Server& server) { server.fail_next_pull(1000); }},
        {"push broken", [](Server& server) { server.fail_next_push(1000); }},
        {"asked to wait", [](Server& server) { server.rate_limit(1min, 1000); }},
    };
    for (const auto& [name, begin] : kinds) {
        for (const std::size_t size : {1U, 2U, 7U}) {
            INFO(name << ", " << size << " records");
            Outbox box{size, {.max_attempts = 3}};
            begin(box.server);
            for (int n = 0; n < 20; ++n) {
                CHECK(box.sync().outcome != SyncOutcome::completed);
                box.device.clock.advance(1h);
            }
            CHECK(box.queue().dead_letters().empty());
            for (const auto& entry : box.queue().entries()) CHECK(entry.attempts == 0);

            box.server.set_offline(false);
            box.server.require_login(false);
            box.server.fail_next_pull(0);
            box.server.fail_next_push(0);
            box.server.rate_limit(0ms, 0);
            CHECK(box.sync().outcome == SyncOutcome::completed);
            CHECK(text_of(box.device) == text_of(box.server));
            CHECK(box.device.store->pending().empty());
            CHECK(box.queue().entries().empty());
        }
    }
}

TEST_CASE("answers that are lost again and again make no dead letter and no duplicate",
          "[scenario]") {
    Outbox box{2, {.max_attempts = 3}};
    box.server.lose_next_ack(1000);
    auto remote = box.wire.to(box.server);
    remote.pull = [](PullRequest) { return make_ready_future(PullPage<>{}); };  // shows no echo

    for (int n = 0; n < 7; ++n) box.device.sync(remote);
    box.server.lose_next_ack(0);
    const auto result = box.device.sync(remote);

    CHECK(result.retried == 2);
    CHECK(box.queue().entries().empty());
    const auto changes = box.wire.changes();
    for (const auto& change : changes) {
        const auto& first = changes[change.record.id == "r0" ? 0 : 1];
        CHECK(change.operation_id == first.operation_id);
        CHECK(box.server.applied(change.operation_id) == 1);
    }
    CHECK(text_of(box.device) == text_of(box.server));
}

TEST_CASE("an outage does not use up the attempts of a suspect that fails beside all others",
          "[scenario]") {
    Outbox box{3, {.max_attempts = 3}};
    box.server.fail_batches_with("r0");
    box.sync();
    REQUIRE(box.queue().entries().at(0).attempts == 1);
    box.server.accept_again("r0");
    box.device.edit("r1", "edited");

    box.server.fail_next_push(1000);
    for (int n = 0; n < 20; ++n) box.sync();

    CHECK(box.queue().dead_letters().empty());
    box.server.fail_next_push(0);
    CHECK(box.sync().outcome == SyncOutcome::completed);
    CHECK(text_of(box.device) == text_of(box.server));
}

TEST_CASE("the word that a record will be taken later is never an attempt", "[scenario]") {
    Outbox box{2, {.max_attempts = 2}};
    box.server.ask_retry("r0", 1min);

    for (int n = 0; n < 10; ++n) {
        CHECK_THAT(errors_of(box.sync()), contains("r0: not yet"));
        box.device.clock.advance(30s);
        CHECK_FALSE(box.sync().has_errors());  // the server's wait is kept, though we were asked to
        box.device.clock.advance(30s);
    }

    CHECK(box.queue().dead_letters().empty());
    box.server.accept_again("r0");
    CHECK(box.sync().retried == 1);
    CHECK(text_of(box.device) == text_of(box.server));
}

TEST_CASE("a server that claims a conflict where there is none does not make us push for ever",
          "[scenario]") {
    Outbox box{1, {.max_attempts = 3}};
    box.sync();
    box.device.edit("r0", "ours");
    box.server.conflict_equal_to_base("r0");

    for (int n = 0; n < 5; ++n) box.sync();

    REQUIRE(box.queue().dead_letters().size() == 1);
    CHECK(box.queue().dead_letters()[0].attempts == 3);
    CHECK_THAT(box.queue().dead_letters()[0].error.message, contains("reports a conflict"));
    CHECK(box.device.data("r0") == "ours");
    box.server.accept_again("r0");
    box.queue().revive("r0");
    box.sync();
    CHECK(text_of(box.device) == text_of(box.server));
}

TEST_CASE("a single change that the server refuses as a whole call is a dead letter",
          "[scenario]") {
    Outbox box{4};
    auto remote = box.server.remote();
    remote.push = [push = remote.push](PushBatch<> batch) {
        for (const auto& change : batch.changes) {
            if (change.record.id == "r2") throw TooLarge{};
        }
        return make_ready_future(push(std::move(batch), [](auto future) { return future.get(); }));
    };

    const auto result = box.device.sync(remote);

    CHECK(result.pushed + result.retried == 3);
    CHECK(text_of(box.server) == "r0 = 0\nr1 = 1\nr3 = 3\n");
    REQUIRE(box.queue().dead_letters().size() == 1);
    CHECK(box.queue().dead_letters()[0].record.id == "r2");
}

// 9. One bad record never blocks the others.

TEST_CASE("a poison record stands alone at last and the rest passes, in one sync", "[scenario]") {
    for (std::size_t poison = 0; poison < 9; ++poison) {
        const auto id = "r" + std::to_string(poison);
        INFO("poison: " << id);
        Outbox box{9};
        box.server.fail_batches_with(id);

        const auto result = box.sync();

        CHECK(result.outcome == SyncOutcome::completed);
        CHECK(result.pushed + result.retried == 8);
        CHECK(box.server.count() == 8);
        CHECK(pending_ids(box.device) == Ids{id});
        CHECK(result.errors.size() == 1);
        CHECK(result.errors.at(0).record_id == id);
    }
}

TEST_CASE("batches grow again after the poison has been found", "[scenario]") {
    Outbox box{16};
    box.server.fail_batches_with("r0");

    box.sync({.push_batch_size = 8});

    CHECK(box.wire.batches_text() ==
          "r0 r1 r2 r3 r4 r5 r6 r7 | r0 r1 r2 r3 | r0 r1 | r0 | r1 | r2 r3 | r4 r5 r6 r7 |"
          " r8 r9 r10 r11 r12 r13 r14 r15");
}

TEST_CASE("a suspect is sent alone and last, and its attempts run out", "[scenario]") {
    Outbox box{3, {.max_attempts = 3}};
    box.server.fail_batches_with("r0");
    box.sync();

    box.device.edit("r3", 3);
    box.sync();
    CHECK(box.wire.batches_text() == "r3 | r0");
    box.device.edit("r1", "edited");
    box.device.edit("r2", "edited");
    box.sync();
    CHECK(box.wire.batches_text() == "r1 r2 | r0");

    REQUIRE(box.queue().dead_letters().size() == 1);
    CHECK(box.queue().dead_letters()[0].record.id == "r0");
    CHECK(box.queue().dead_letters()[0].attempts == 3);
    box.device.edit("r1", "again");
    box.sync();
    CHECK(box.wire.batches_text() == "r1");
    box.device.edit("r0", "cured");
    box.server.accept_again("r0");
    box.sync();
    CHECK(text_of(box.device) == text_of(box.server));
}

TEST_CASE("two poison records do not hold up the rest for longer than a few syncs", "[scenario]") {
    Outbox box{16};
    box.server.fail_batches_with("r3");
    box.server.fail_batches_with("r4");

    for (int n = 0; n < 3; ++n) box.sync();

    CHECK(box.server.count() == 14);
    CHECK(pending_ids(box.device) == Ids{"r3", "r4"});
}

TEST_CASE("refused, forgotten and postponed records do not hold up the others", "[scenario]") {
    Outbox box{6};
    box.server.refuse("r0", "no");
    box.server.omit("r1");
    box.server.ask_retry("r2", 1h);

    const auto result = box.sync({.push_batch_size = 2});

    CHECK(result.outcome == SyncOutcome::completed);
    CHECK(result.pushed == 3);
    CHECK(result.errors.size() == 3);
    CHECK(pending_ids(box.device) == Ids{"r0", "r1", "r2"});
}

TEST_CASE("after a few failures in a row the remote is left alone for this sync", "[scenario]") {
    Outbox box{64};
    box.server.fail_next_push(1000);

    CHECK(box.sync().outcome == SyncOutcome::failed);

    CHECK(box.wire.batches.size() <= 8);  // log2(64) + 2, and not one for each record
}

TEST_CASE("a revived dead letter is no suspect any more: it goes with the others", "[scenario]") {
    Outbox box{2, {.max_attempts = 1}};
    box.server.fail_batches_with("r0");
    box.sync();
    REQUIRE(box.queue().dead_letters().size() == 1);
    box.server.accept_again("r0");
    box.device.edit("r1", "edited");

    CHECK(box.queue().revive("r0"));
    box.sync();

    CHECK(box.wire.batches_text() == "r1 r0");
    CHECK(text_of(box.device) == text_of(box.server));
}

}  // namespace scenario_laws_of_trouble
