// SPDX-License-Identifier: MIT
#include <sync_engine/store/subscription.hpp>
#include <sync_engine/testing/invariant.hpp>
#include <sync_engine/testing/token_ledger.hpp>
#include <sync_engine/testing/workload.hpp>

#include "support/catch.hpp"

#include <nlohmann/json.hpp>

#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

namespace test_of_token_ledger {

using namespace sync_engine;
using sync_engine::test::contains;
using sync_engine::testing::Invariant;
using sync_engine::testing::json_workload;
using sync_engine::testing::Token;
using sync_engine::testing::TokenLedger;
using sync_engine::testing::Verdicts;
using sync_engine::testing::Workload;
using Json = nlohmann::json;
using Record = SyncRecord<Json>;

namespace {

/// A ledger, and a record "a" on which edits are made.
struct Book {
    /// An edit that the app was told is stored.
    Token edit() {
        const Token token = ledger.new_edit("a");
        ledger.stored(token);
        return token;
    }
    [[nodiscard]] Record with(const std::vector<Token>& tokens) const {
        Record record{.id = "a"};
        for (const Token token : tokens) workload.write(record.data, token);
        return record;
    }
    /// A sync on a device changes what the app sees; none: it sees no record.
    void sync(std::optional<std::vector<Token>> before, std::optional<std::vector<Token>> after,
              std::size_t device = 0) {
        const auto shared = [&](const auto& tokens) {
            return tokens ? std::make_shared<const Record>(with(*tokens)) : nullptr;
        };
        ledger.synced(device, {"a", shared(before), shared(after), ChangeOrigin::remote});
    }
    /// "no edit is lost: ..." for the first violation.
    [[nodiscard]] std::string first() const { return to_string(verdicts.first()); }

    Workload<Json> workload = json_workload();
    Verdicts verdicts{};
    TokenLedger<Json> ledger{workload, verdicts};
};

}  // namespace

TEST_CASE("edits that arrive everywhere break no promise", "[testing]") {
    Book book;
    const Token one = book.edit();
    const Token two = book.edit();
    CHECK(one != two);
    CHECK(book.ledger.count_stored() == 2);
    book.ledger.at_remote(book.with({one}));
    book.ledger.clean(book.with({one}));
    book.sync(std::nullopt, std::vector<Token>{one}, 1);
    book.ledger.at_remote(book.with({one, two}));
    book.sync(std::vector<Token>{one}, std::vector<Token>{one, two}, 1);
    book.ledger.merged(book.with({one}), book.with({two, one}));
    book.ledger.at_rest({book.with({one, two})});

    CHECK(book.first().empty());
}

TEST_CASE("a token that no edit wrote is reported, not followed", "[testing]") {
    Book book;
    const Token one = book.edit();
    CHECK_THROWS_AS(book.ledger.at_remote(book.with({one, one + 1})), std::out_of_range);

    CHECK(book.first() == "nothing is thrown: the workload found token 1, which no edit wrote");
}

TEST_CASE("an edit that vanishes in a sync is lost", "[testing]") {
    Book book;
    const Token one = book.edit();
    const Token two = book.edit();
    SECTION("with its record") {
        book.sync(std::vector<Token>{one}, std::nullopt);
    }
    SECTION("under another state") {
        book.sync(std::vector<Token>{one, two}, std::vector<Token>{two});
    }
    CHECK(book.first() == "no edit is lost: edit 0 of record a vanished in a sync");
}

TEST_CASE("an edit that somebody decided against may vanish", "[testing]") {
    Book book;
    const Token one = book.edit();
    const Token two = book.edit();
    SECTION("a resolver") {
        book.ledger.decided(book.with({one}), book.with({two}));
    }
    SECTION("a user who deletes") {
        book.ledger.deleted(1, book.with({one}));
    }
    SECTION("a store that is cleared") {
        book.ledger.forgotten(book.with({one}));
    }
    book.sync(std::vector<Token>{one, two}, std::vector<Token>{two});
    book.ledger.at_rest({book.with({two})});
    CHECK(book.first().empty());

    book.ledger.at_rest({});
    CHECK(book.first() == "no edit is lost: edit 1 of record a is missing at the end");
}

TEST_CASE("a decision for a state with the edit gives nothing up", "[testing]") {
    Book book;
    const Token one = book.edit();
    const Token two = book.edit();
    book.ledger.decided(book.with({one}), book.with({one, two}));

    book.ledger.at_rest({book.with({two})});
    CHECK_THAT(book.first(), contains("edit 0 of record a is missing"));
}

TEST_CASE("what the remote has may not be forgotten with a device", "[testing]") {
    Book book;
    const Token one = book.edit();
    book.ledger.at_remote(book.with({one}));
    book.ledger.forgotten(book.with({one}));

    book.ledger.at_rest({});
    CHECK_THAT(book.first(), contains("is missing at the end"));
}

TEST_CASE("an edit that was never stored need not be anywhere", "[testing]") {
    Book book;
    (void)book.ledger.new_edit("a");

    book.ledger.at_rest({});
    CHECK(book.first().empty());
    CHECK(book.ledger.count_stored() == 0);
}

TEST_CASE("a deleted record that comes back with nothing new is a deletion undone", "[testing]") {
    Book book;
    const Token one = book.edit();
    SECTION("deleted by the app") {
        book.ledger.deleted(0, book.with({one}));
    }
    SECTION("deleted by a sync") {
        book.ledger.deleted(1, book.with({one}));
        book.sync(std::vector<Token>{one}, std::nullopt);
    }
    book.sync(std::nullopt, std::vector<Token>{one});

    CHECK(book.first() ==
          "no deletion is undone: record a is back with nothing but what was deleted");
}

TEST_CASE("a deleted record may come back for a reason", "[testing]") {
    Book book;
    const Token one = book.edit();
    const Token two = book.edit();
    book.ledger.deleted(0, book.with({one}));
    SECTION("with another edit") {
        book.sync(std::nullopt, std::vector<Token>{one, two});
    }
    SECTION("where it was not seen deleted") {
        book.sync(std::nullopt, std::vector<Token>{one}, 1);
    }
    SECTION("by a decision") {
        book.ledger.revived(book.with({one}));
        book.sync(std::nullopt, std::vector<Token>{one});
    }
    SECTION("since somebody decided against the deletion") {
        book.ledger.kept(book.with({one}));
        book.sync(std::nullopt, std::vector<Token>{one});
    }
    SECTION("where deletions are remembered no more") {
        book.ledger.forget_burials(0);
        book.sync(std::nullopt, std::vector<Token>{one});
    }
    SECTION("without any edit that is known") {
        book.sync(std::nullopt, std::vector<Token>{});
    }
    CHECK(book.first().empty());
}

TEST_CASE("another device's memory of a deletion is its own", "[testing]") {
    Book book;
    const Token one = book.edit();
    book.ledger.deleted(0, book.with({one}));
    book.ledger.deleted(1, book.with({one}));
    book.ledger.forget_burials(1);

    book.sync(std::nullopt, std::vector<Token>{one}, 0);
    CHECK_THAT(book.first(), contains("no deletion is undone"));
}

TEST_CASE("what is clean and never reached the remote is a broken promise", "[testing]") {
    Book book;
    const Token one = book.edit();
    book.ledger.clean(book.with({one}));

    CHECK(book.first() ==
          "what is clean has reached the remote: edit 0 of record a is clean, but never reached "
          "the remote");
}

TEST_CASE("a merge that drops an edit loses it, unless it was given up before", "[testing]") {
    Book book;
    const Token one = book.edit();
    const Token two = book.edit();
    book.ledger.decided(book.with({two}), {});
    book.ledger.merged(book.with({one, two}), book.with({one}));
    CHECK(book.first().empty());

    book.ledger.merged(book.with({one}), book.with({two}));
    CHECK(book.first() == "no edit is lost: edit 0 of record a vanished in a merge");
}

TEST_CASE("a deleted record holds no edits, whatever its last content", "[testing]") {
    Book book;
    const auto record = book.with({book.edit()});

    CHECK(book.ledger.tokens(record) == std::vector<Token>{0});
    CHECK(book.ledger.tokens(record.with_status(SyncStatus::deleted)).empty());
}

TEST_CASE("the first violation is kept: the others follow from it", "[testing]") {
    Book book;
    const Token one = book.edit();
    book.ledger.clean(book.with({one}));
    book.ledger.at_rest({});

    CHECK(book.verdicts.first()->invariant == Invariant::clean_is_known);
}

}  // namespace test_of_token_ledger
