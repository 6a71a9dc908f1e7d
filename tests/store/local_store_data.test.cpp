// SPDX-License-Identifier: MIT
#include <sync_engine/store/local_store.hpp>

#include "store/test_store.hpp"
#include "support/catch.hpp"

#include <nlohmann/json.hpp>

#include <cstddef>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace test_of_local_store_data {

using namespace sync_engine;
using namespace sync_engine::test;
using nlohmann::json;

namespace {

struct Task {
    std::string title{};
    bool is_done = false;

    bool operator==(const Task&) const = default;
    NLOHMANN_DEFINE_TYPE_INTRUSIVE(Task, title, is_done)
};

using Counts = std::map<std::string, int>;

/// Two different values of each type of data.
template <class Data>
Data first_value();
template <class Data>
Data second_value();
template <>
Task first_value() {
    return {"write", false};
}
template <>
Task second_value() {
    return {"write", true};
}
template <>
Counts first_value() {
    return {{"apples", 1}};
}
template <>
Counts second_value() {
    return {{"apples", 1}, {"pears", 2}};
}
template <>
json first_value() {
    return {{"text", "one"}};
}
template <>
json second_value() {
    return {{"text", {1, 2, 3}}};
}
template <>
std::string first_value() {
    return "one";
}
template <>
std::string second_value() {
    return "two";
}

/// Built and taken apart without recursion; nobody may copy it.
json nested(std::size_t depth) {
    json value = "deep";
    for (std::size_t level = 0; level < depth; ++level) {
        auto outer = json::array();
        outer.push_back(std::move(value));
        value = std::move(outer);
    }
    return value;
}

SyncRecord<> deep_record(std::size_t depth) {
    SyncRecord<> record{.id = "deep", .updated_at = noon};
    record.data = nested(depth);
    return record;
}

const std::vector<std::string>& odd_ids() {
    static const std::vector<std::string> ids{"it's",
                                              "say \"hi\"",
                                              "two\nlines",
                                              std::string("nul\0inside", 10),
                                              std::string("\0", 1),
                                              "%s ; DROP TABLE records; --",
                                              "a/b?c#d\\e",
                                              " ",
                                              "\xF0\x9F\x98\x80",
                                              std::string(max_id_bytes, 'x')};
    return ids;
}

}  // namespace

TEMPLATE_TEST_CASE("data of any type can be stored, edited and loaded again", "[store]", Task,
                   Counts, json, std::string) {
    TestStore<TestType> store;
    const auto first = first_value<TestType>();
    const auto second = second_value<TestType>();

    store->put({.id = "a", .data = first, .status = SyncStatus::synced, .updated_at = noon});
    CHECK_FALSE(store->update("a", [&](TestType& data) { data = first; }));
    CHECK(store->update("a", [&](TestType& data) { data = second; }));
    store.restart();

    CHECK(store->get("a")->data == second);
    CHECK(json(*store->get("a")).template get<SyncRecord<TestType>>() == *store->get("a"));
    CHECK(store->base("a")->data == first);
    CHECK(store->pending().size() == 1);
    CHECK(store->query([&](const auto& record) { return record.data == second; }).size() == 1);
    store->put({.id = "a", .data = second, .status = SyncStatus::synced, .updated_at = noon});
    CHECK(store->get("a")->version == 2);
    CHECK(store->discard_changes("a"));
    CHECK(store->get("a")->data == first);
    CHECK(store->remove("a"));
    CHECK(store->pending().front().is_deleted());
}

TEST_CASE("an id may hold any text", "[store]") {
    TestStore<> store;

    for (const auto& id : odd_ids()) store->put(note(id, "one").with_tags({id}));
    store.restart();

    CHECK(store->count() == odd_ids().size());
    for (const auto& id : odd_ids()) {
        CAPTURE(quoted(id));
        CHECK(store->get(id)->id == id);
        CHECK(ids_of(store->query_by_tag(id)) == std::vector{id});
        CHECK(store->update(id, [](json& data) { data = "two"; }));
        CHECK(store->remove(id));
        CHECK(store->get(id) == std::nullopt);
    }
    CHECK(store.disk->load().entries.empty());
}

TEST_CASE("ids that differ only behind a NUL are different records", "[store]") {
    TestStore<> store;

    store->put(note(std::string("a\0b", 3), "one"));
    store->put(note("a", "two"));

    CHECK(store->count() == 2);
    CHECK(store->get("a")->data == json{{"text", "two"}});
}

TEST_CASE("a record that could never travel is refused, and nothing changes", "[store]") {
    TestStore<> store;
    store->put(note("a", "one"));
    store->put(note("conflicted", "ours"));
    store.conflict(note("conflicted", "theirs"));
    const auto before = store.picture();
    const auto refuse = [&](const SyncRecord<>& record) {
        CAPTURE(quoted(record.id));
        CHECK_THROWS_AS(store->put(record), InvalidRecord);
        CHECK_THROWS_AS(store->put_all({note("b", "one"), record}), InvalidRecord);
        CHECK_THROWS_AS(store->resolve("conflicted", record), InvalidRecord);
        CHECK_THROWS_AS(store->transact([&](auto& transaction) {
            transaction.put(note("b", "one"));
            transaction.put(record);
        }),
                        InvalidRecord);
        CHECK(store.picture() == before);
    };

    refuse(note("", "empty id"));
    refuse(note(std::string(max_id_bytes + 1, 'x'), "long id"));
    refuse(note("not \xFF text", "id"));
    refuse(note("conflicted", "not \xFF text"));
    refuse(note("conflicted", "tag").with_tags({"\xFF"}));
    refuse(note("conflicted", "").with_data(std::numeric_limits<double>::quiet_NaN()));
    refuse(note("conflicted", "").with_data(json::binary({1, 2})));
    auto late = note("conflicted", "late");
    late.updated_at = Timestamp::max();
    refuse(late);
}

TEST_CASE("an update that leaves data which could never travel is refused", "[store]") {
    TestStore<> store;
    store->put(note("a", "one"));
    const auto before = store.picture();

    CHECK_THROWS_AS(store->update("a", [](json& data) { data = "\xFF"; }), InvalidRecord);
    CHECK_THROWS_AS(
        store->update("a", [](json& data) { data = std::numeric_limits<double>::infinity(); }),
        InvalidRecord);

    CHECK(store.picture() == before);
}

TEST_CASE("data that nests as deep as JSON may is stored", "[store]") {
    TestStore<> store;

    store->put(deep_record(max_json_depth));
    store->update("deep", [](json& data) { data.push_back(1); });

    CHECK(store->get("deep")->version == 2);
}

TEST_CASE("data that nests 100,000 deep is refused, and not by the stack", "[store]") {
    constexpr std::size_t depth = 100'000;
    TestStore<> store;
    store->put(note("a", "one"));
    store->put(SyncRecord<>{.id = "list", .data = json::array({"one"}), .updated_at = noon});
    store->put(note("deep", "ours"));
    store.conflict(note("deep", "theirs"));
    const auto before = store.picture();
    const auto deepen = [](json& data) { data = nested(depth); };

    CHECK_THROWS_AS(store->put(deep_record(depth)), InvalidRecord);
    CHECK_THROWS_AS(store->put(deep_record(max_json_depth + 1)), InvalidRecord);
    CHECK_THROWS_AS(store->resolve("deep", deep_record(depth)), InvalidRecord);
    CHECK_THROWS_AS(store->update("a", deepen), InvalidRecord);
    CHECK_THROWS_AS(store->update("list", deepen), InvalidRecord);
    std::vector<SyncRecord<>> many;
    many.push_back(note("b", "one"));
    many.push_back(deep_record(depth));
    CHECK_THROWS_AS(store->put_all(std::move(many)), InvalidRecord);

    CHECK(store.picture() == before);
}

TEST_CASE("tags may be any text", "[store]") {
    TestStore<> store;
    const std::string nul("a\0b", 3);

    store->put(note("a", "one").with_tags({"", " ", "it's \"x\"\n", nul}));

    for (const std::string& tag :
         {std::string(), std::string(" "), std::string("it's \"x\"\n"), nul}) {
        CHECK(ids_of(store->query_by_tag(tag)) == std::vector<std::string>{"a"});
    }
    CHECK(store->query_by_tag("a").empty());
}

}  // namespace test_of_local_store_data
