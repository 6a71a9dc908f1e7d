// SPDX-License-Identifier: MIT
#include <sync_engine/store/entry_table.hpp>

#include "store/test_store.hpp"
#include "support/catch.hpp"

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace test_of_entry_table {

using namespace sync_engine;
using namespace sync_engine::test;
using nlohmann::json;

namespace {

using Ids = std::vector<std::string>;

RecordPtr<> shared(SyncRecord<> record) {
    return std::make_shared<const SyncRecord<>>(std::move(record));
}

Entry<json> dirty(const std::string& id, Sequence sequence, TagSet tags = {}) {
    return {.local = shared(note(id, "one").with_tags(std::move(tags))), .sequence = sequence};
}

Entry<json> clean(const std::string& id, TagSet tags = {}) {
    Entry<json> entry;
    entry.local =
        shared(note(id, "one").with_status(SyncStatus::synced).with_tags(std::move(tags)));
    entry.base = entry.local;
    return entry;
}

Entry<json> husk(const std::string& id, Timestamp settled_at, TagSet tags = {}) {
    Entry<json> entry;
    entry.local = shared(note(id, "").with_status(SyncStatus::deleted).with_tags(std::move(tags)));
    entry.base = entry.local;
    entry.edit_extras().settled_at = settled_at;
    return entry;
}

void write(EntryTable<json>& table, Entry<json> entry) {
    table.write(std::make_shared<const Entry<json>>(std::move(entry)));
}

Ids all(const EntryTable<json>& table) {
    Ids ids;
    table.for_each([&](const auto& entry) { ids.push_back(entry->local->id); });
    return ids;
}

Ids pending(const EntryTable<json>& table) {
    Ids ids;
    table.for_each_dirty([&](const auto& entry) { ids.push_back(entry->local->id); });
    return ids;
}

Ids tagged(const EntryTable<json>& table, const std::string& tag) {
    Ids ids;
    table.for_each_tagged(tag, [&](const auto& entry) { ids.push_back(entry->local->id); });
    return ids;
}

using Map = std::map<std::string, Entry<json>>;

template <class Condition>
std::set<std::string> scan(const Map& map, const Condition& condition) {
    std::set<std::string> ids;
    for (const auto& [id, entry] : map) {
        if (condition(entry)) ids.insert(id);
    }
    return ids;
}

/// Entries in every state, made of chance alone.
Entry<json> random_entry(const std::string& id, Sequence sequence, std::mt19937_64& random) {
    const auto chance = [&](std::uint64_t of) { return random() % of == 0; };
    TagSet tags;
    for (const auto* tag : {"w", "x", "y", "z"}) {
        if (chance(2)) tags.insert(tag);
    }
    if (chance(4)) return clean(id, std::move(tags));
    if (chance(6)) {
        return husk(id, noon + std::chrono::seconds{static_cast<int>(random() % 5)}, tags);
    }
    auto entry = dirty(id, sequence, std::move(tags));
    if (chance(3)) entry.local = shared(entry.local->with_status(SyncStatus::deleted));
    if (chance(3)) entry.edit_extras().theirs = shared(note(id, "theirs"));
    entry.conflicted = entry.theirs() != nullptr && chance(2);
    if (chance(3))
        entry.edit_extras().retry =
            RetryState{.sequence = sequence - random() % 2, .dead = chance(2)};
    return entry;
}

}  // namespace

TEST_CASE("an entry is found by its id until it is erased", "[store]") {
    EntryTable<json> table;
    write(table, dirty("a", 1));
    write(table, clean("b"));

    CHECK(table.find("a")->sequence == 1);
    CHECK(table.find("c") == nullptr);
    CHECK(table.size() == 2);
    write(table, dirty("a", 3));
    CHECK(table.find("a")->sequence == 3);
    CHECK(table.size() == 2);
    table.erase("a");
    table.erase("never there");
    CHECK(table.find("a") == nullptr);
    CHECK(table.size() == 1);
}

TEST_CASE("an entry that is expected is found, or what it has become, wherever that is by now",
          "[store]") {
    EntryTable<json> table;
    const auto at = [](Entry<json> entry, std::uint32_t place) {
        entry.place = place;
        return std::make_shared<const Entry<json>>(std::move(entry));
    };
    const auto first = at(clean("a"), 0);
    const auto second = at(clean("b"), 1);
    const auto moves = at(clean("c"), 2);
    for (const auto& entry : {first, second, moves}) table.write(entry);
    CHECK(table.find("c", moves.get()) == moves.get());

    table.erase("a");  // and c takes its place
    CHECK(table.find("a", first.get()) == nullptr);
    CHECK(table.find("c", moves.get()) == moves.get());
    CHECK(table.find("b", second.get()) == second.get());

    const auto later = at(dirty("c", 7), 2);
    CHECK(table.write(later) == moves);
    CHECK(table.find("c", moves.get()) == later.get());
    CHECK(table.find("c", nullptr) == later.get());
    CHECK(table.size() == 2);
}

TEST_CASE("entries are visited in order of arrival, the last taking an erased one's place",
          "[store]") {
    EntryTable<json> table;
    for (const auto* id : {"d", "b", "c", "a"}) write(table, clean(id));
    CHECK(all(table) == Ids{"d", "b", "c", "a"});

    write(table, dirty("b", 1));
    table.erase("d");
    CHECK(all(table) == Ids{"a", "b", "c"});
    table.erase("c");
    write(table, clean("d"));
    CHECK(all(table) == Ids{"a", "b", "d"});
}

TEST_CASE("dirty entries are visited in the order of their edits", "[store]") {
    EntryTable<json> table;
    write(table, dirty("a", 7));
    write(table, dirty("b", 3));
    write(table, dirty("c", 5));
    CHECK(pending(table) == Ids{"b", "c", "a"});

    write(table, dirty("b", 9));
    write(table, clean("c"));
    CHECK(pending(table) == Ids{"a", "b"});
}

TEST_CASE("a tag that nobody carries any more is gone", "[store]") {
    EntryTable<json> table;
    write(table, clean("a", {"x", "y"}));
    write(table, clean("b", {"y"}));

    write(table, clean("a", {"y"}));
    CHECK(tagged(table, "x").empty());
    table.erase("b");
    CHECK(tagged(table, "y") == Ids{"a"});
    write(table, husk("a", noon, {"y"}));
    CHECK(tagged(table, "y").empty());
    write(table, clean("a", {"y"}));
    CHECK(tagged(table, "y") == Ids{"a"});
}

TEST_CASE("husks are listed oldest first", "[store]") {
    EntryTable<json> table;
    write(table, husk("a", noon + std::chrono::hours{2}));
    write(table, husk("b", noon));
    write(table, husk("c", noon + std::chrono::hours{1}));
    write(table, clean("d"));

    Ids ids;
    for (const auto& [settled_at, id] : table.husks()) ids.push_back(id);
    CHECK(ids == Ids{"b", "c", "a"});
}

TEST_CASE("a dead letter counts for the edit that it speaks of", "[store]") {
    EntryTable<json> table;
    auto entry = dirty("a", 4);
    entry.edit_extras().retry = RetryState{.sequence = 4, .dead = true};
    write(table, Entry<json>{entry});
    CHECK(table.statistics().dead_letters == 1);
    CHECK(table.retrying() == std::set<std::string>{"a"});

    entry.sequence = 5;
    write(table, std::move(entry));
    CHECK(table.statistics().dead_letters == 0);
    CHECK(table.retrying().empty());
}

TEST_CASE("after any writes, every index says what a scan says", "[store]") {
    for (const unsigned seed : {1U, 2U, 3U}) {
        std::mt19937_64 random(seed);
        EntryTable<json> table;
        Map map;
        for (Sequence step = 1; step <= 3000; ++step) {
            CAPTURE(seed, step);
            const auto id = "r" + std::to_string(random() % 40);
            if (random() % 4 == 0) {
                table.erase(id);
                map.erase(id);
            } else {
                auto entry = random_entry(id, step, random);
                entry.place = static_cast<std::uint32_t>(random() % 50);  // only a hint
                write(table, Entry<json>{entry});
                map.insert_or_assign(id, entry);
            }
            if (step % 10 != 0) continue;

            REQUIRE(table.size() == map.size());
            const auto ids = all(table);
            REQUIRE(std::set<std::string>(ids.begin(), ids.end()) ==
                    scan(map, [](const auto&) { return true; }));
            std::map<Sequence, std::string> by_edit;
            std::set<std::pair<Timestamp, std::string>> husks;
            for (const auto& [each, entry] : map) {
                if (entry.is_dirty()) by_edit.emplace(entry.sequence, each);
                if (entry.is_husk()) husks.emplace(entry.settled_at(), each);
            }
            Ids expected;
            for (const auto& [sequence, each] : by_edit) expected.push_back(each);
            REQUIRE(pending(table) == expected);
            REQUIRE(table.husks() == husks);
            REQUIRE(table.conflicted() == scan(map, [](const auto& e) { return e.conflicted; }));
            REQUIRE(table.parked() == scan(map, [](const auto& e) { return e.is_parked(); }));
            REQUIRE(table.retrying() == scan(map, [](const auto& e) {
                        return e.is_dirty() && e.active_retry() != nullptr;
                    }));
            for (const auto* tag : {"w", "x", "y", "z"}) {
                const auto found = tagged(table, tag);
                const auto wanted = scan(map, [&](const auto& e) {
                    return e.is_visible() && e.local->tags.contains(tag);
                });
                REQUIRE(found.size() == wanted.size());
                REQUIRE(std::set<std::string>(found.begin(), found.end()) == wanted);
            }
            const auto count = [&](const auto& condition) { return scan(map, condition).size(); };
            const auto count_visible = [&](SyncStatus status) {
                return count([&](const auto& e) { return e.local->status == status; });
            };
            REQUIRE(
                table.statistics() ==
                StoreStatistics{
                    .total = count([](const auto& e) { return e.is_visible(); }),
                    .pending = count_visible(SyncStatus::pending),
                    .synced = count_visible(SyncStatus::synced),
                    .modified = count_visible(SyncStatus::modified),
                    .conflicted = count([](const auto& e) { return e.conflicted; }),
                    .deleted = count([](const auto& e) { return e.is_deleted() && e.is_dirty(); }),
                    .dead_letters = count([](const auto& e) { return e.is_dead_letter(); })});
        }
    }
}

}  // namespace test_of_entry_table
