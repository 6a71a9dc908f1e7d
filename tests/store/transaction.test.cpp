// SPDX-License-Identifier: MIT
#include <sync_engine/store/transaction.hpp>

#include "store/test_store.hpp"
#include "support/catch.hpp"

#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace test_of_transaction {

using namespace sync_engine;
using namespace sync_engine::test;
using nlohmann::json;

namespace {

using Ids = std::vector<std::string>;

SyncRecord<> synced(std::string id, std::string text) {
    return note(std::move(id), std::move(text)).with_status(SyncStatus::synced);
}

}  // namespace

TEST_CASE("several edits of a transaction are one commit", "[store]") {
    TestStore<> store;
    store->put(synced("a", "one"));
    store->put(synced("b", "one"));
    store->put(synced("c", "one"));
    store->put(note("d", "one"));
    const auto commits = store.disk->commits();

    store->transact([](Transaction<json>& transaction) {
        transaction.put(note("new", "one"));
        transaction.put_all({note("e", "one"), note("f", "one")});
        transaction.update("a", [](json& data) { data["text"] = "two"; });
        transaction.remove("b");
        transaction.evict("c");
        transaction.mark_synced("d");
        transaction.mark_modified("d");
    });

    CHECK(store.disk->commits() == commits + 1);
    CHECK(ids_of(store->pending()) == Ids{"new", "e", "f", "a", "b", "d"});
    CHECK(store->get("a")->data == json{{"text", "two"}});
    CHECK(store.entry("c") == nullptr);
    CHECK(store->get("d")->status == SyncStatus::modified);
}

TEST_CASE("a transaction sees its own edits, and nobody else does", "[store]") {
    TestStore<> store;
    store->put(note("a", "one"));
    store->put(synced("b", "one"));
    const auto before = store.picture();

    store->transact([&](auto& transaction) {
        transaction.put(note("a", "two"));
        transaction.put(note("c", "new"));
        transaction.remove("b");

        CHECK(transaction.get("a")->data == json{{"text", "two"}});
        CHECK(transaction.find("c")->data == json{{"text", "new"}});
        CHECK(transaction.get("b") == std::nullopt);
        CHECK(transaction.find("b") == nullptr);
        CHECK(transaction.get("unknown") == std::nullopt);
        CHECK(store.picture() == before);
    });

    CHECK(store->get("a")->data == json{{"text", "two"}});
    CHECK(store->get("b") == std::nullopt);
    CHECK(store->get("c").has_value());
}

TEST_CASE("an exception rolls a transaction back and comes out", "[store]") {
    TestStore<> store;
    store->put(synced("a", "one").with_tags({"x"}));
    const auto before = store.picture();
    const auto attempts = store.disk->attempts();

    CHECK_THROWS_AS(store->transact([](auto& transaction) {
        transaction.put(note("a", "two"));
        transaction.put(note("b", "new").with_tags({"x"}));
        transaction.remove("a");
        throw std::out_of_range("enough");
    }),
                    std::out_of_range);

    CHECK(store.picture() == before);
    CHECK(store.disk->attempts() == attempts);
}

TEST_CASE("an edit that is refused leaves a transaction as it was before that edit", "[store]") {
    TestStore<> store;
    store->put(note("a", "one"));

    store->transact([](auto& transaction) {
        transaction.put(note("b", "one"));
        CHECK_THROWS_AS(transaction.put(note("", "one")), InvalidRecord);
        CHECK_THROWS_AS(transaction.put_all({note("c", "one"), note("", "one")}), InvalidRecord);
        CHECK_THROWS_AS(transaction.update("unknown", [](json&) {}), NotFound);
        CHECK_THROWS_AS(transaction.update("a",
                                           [](json& data) {
                                               data = "half done";
                                               throw std::out_of_range("enough");
                                           }),
                        std::out_of_range);
        CHECK_THROWS_AS(transaction.evict("a"), Refused);
        CHECK_THROWS_AS(transaction.resolve("a", note("a", "two")), NotFound);
    });

    CHECK(ids_of(store->all()) == Ids{"a", "b"});
    CHECK(store->get("a") == note("a", "one"));
}

TEST_CASE("a record that is edited often in a transaction is one edit", "[store]") {
    TestStore<> store;

    store->transact([](auto& transaction) {
        transaction.put(note("a", "one"));
        for (int n = 0; n < 10; ++n) transaction.update("a", [&](json& data) { data = n; });
    });

    CHECK(store->state().sequence == 1);
    CHECK(store->get("a")->data == 9);
    CHECK(store->get("a")->version == 11);
}

TEST_CASE("a transaction can make, remove and make again", "[store]") {
    TestStore<> store;
    store->put(synced("known", "one"));

    store->transact([](auto& transaction) {
        transaction.put(note("new", "one"));
        CHECK(transaction.remove("new"));
        CHECK_FALSE(transaction.remove("new"));
        CHECK(transaction.remove("known"));
        CHECK_FALSE(transaction.remove("known"));
        transaction.put(note("known", "two"));
    });

    CHECK(ids_of(store->all()) == Ids{"known"});
    CHECK(store->get("known")->data == json{{"text", "two"}});
    CHECK(store->base("known")->data == json{{"text", "one"}});
    CHECK(store.entry("new") == nullptr);
}

TEST_CASE("the body of an update may edit the transaction that it is part of", "[store]") {
    TestStore<> store;
    store->transact([](auto& transaction) {
        transaction.put(note("a", "one"));
        transaction.update("a", [&](json& data) {
            for (int n = 0; n < 100; ++n) transaction.put(note("b" + std::to_string(n), "new"));
            data = "two";
        });
    });

    CHECK(store->count() == 101);
    CHECK(store->get("a")->data == "two");
    CHECK(store->get("a")->version == 2);
}

TEST_CASE("an edit inside the body of an update of the same record is refused, not undone",
          "[store]") {
    TestStore<> store;
    store->put(note("a", "one"));
    const auto edit_inside = GENERATE(0, 1, 2);
    const auto edit = [&](auto& transaction) {
        transaction.update("a", [&](json& data) {
            if (edit_inside == 0) transaction.update("a", [](json& inner) { inner = "inner"; });
            if (edit_inside == 1) transaction.remove("a");
            if (edit_inside == 2) {
                for (int n = 0; n < 3; ++n) transaction.put(note("a", std::to_string(n)));
            }
            data = "outer";
        });
    };

    CHECK_THROWS_AS(store->transact(edit), std::logic_error);

    CHECK(store->get("a") == note("a", "one"));
}

TEST_CASE("a body can read the store", "[store]") {
    TestStore<> store;
    store->put(note("a", "one").with_tags({"x"}));
    std::size_t seen = 0;
    const auto read_all = [&] {
        if (store->get("a") && store->find("a") != nullptr && !store->base("a")) ++seen;
        seen += store->all().size() + store->pending().size() + store->count();
        seen += store->query_by_tag("x").size() + store->statistics().total;
        seen += store->query([](const auto&) { return true; }).size();
        seen += store->read({"a"}).size() + store->conflicts().size();
        store->for_each([&](const auto&) { ++seen; });
    };

    store->update("a", [&](json& data) {
        read_all();
        data = "two";
    });
    store->transact([&](auto&) { read_all(); });

    CHECK(seen == 2 * 9);
}

TEST_CASE("a body that writes to its own store is told so, and the store works on", "[store]") {
    TestStore<> store;
    store->put(note("a", "one"));
    store->put(note("b", "one"));
    const auto before = store.picture();
    const auto check_writes = [&] {
        CHECK_THROWS_AS(store->put(note("c", "one")), std::logic_error);
        CHECK_THROWS_AS(store->put_all({}), std::logic_error);
        CHECK_THROWS_AS(store->update("b", [](json&) {}), std::logic_error);
        CHECK_THROWS_AS(store->remove("b"), std::logic_error);
        CHECK_THROWS_AS(store->evict("b"), std::logic_error);
        CHECK_THROWS_AS(store->discard_changes("b"), std::logic_error);
        CHECK_THROWS_AS(store->mark_synced("b"), std::logic_error);
        CHECK_THROWS_AS(store->mark_modified("b"), std::logic_error);
        CHECK_THROWS_AS(store->resolve("b", note("b", "two")), std::logic_error);
        CHECK_THROWS_AS(store->resolve(Conflict<>{}, note("b", "two")), std::logic_error);
        CHECK_THROWS_AS(store->transact([](auto&) {}), std::logic_error);
        CHECK_THROWS_AS(store->clear(), std::logic_error);
        CHECK_THROWS_AS(store->apply({}), std::logic_error);
    };

    CHECK_FALSE(store->update("a", [&](json&) { check_writes(); }));
    store->transact([&](auto&) { check_writes(); });
    CHECK(store.picture() == before);

    CHECK_THROWS_AS(store->update("a", [&](json&) { store->remove("b"); }), std::logic_error);
    CHECK(store.picture() == before);
    store->put(note("c", "one"));
    CHECK(store->count() == 3);
}

TEST_CASE("a body may write to another store", "[store]") {
    TestStore<> store;
    TestStore<> other(2);
    store->put(note("a", "one"));

    store->update("a", [&](json& data) {
        other->put(note("copy", "one"));
        data = "two";
    });

    CHECK(store->get("a")->data == "two");
    CHECK(other->count() == 1);
}

TEST_CASE("while a body runs, other threads read at once and write afterwards",
          "[store][threads]") {
    TestStore<> store;
    store->put(note("a", "one"));
    json read_meanwhile;
    std::thread writer;

    store->transact([&](auto& transaction) {
        transaction.put(note("a", "two"));
        std::thread reader([&] { read_meanwhile = store->get("a")->data; });
        reader.join();
        writer = std::thread([&] { store->put(note("b", "one")); });
    });
    writer.join();

    CHECK(read_meanwhile == json{{"text", "one"}});
    CHECK(store->get("a")->data == json{{"text", "two"}});
    CHECK(store->get("b").has_value());
}

}  // namespace test_of_transaction
