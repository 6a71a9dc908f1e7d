// SPDX-License-Identifier: MIT
#include <sync_engine/record/unknown_members.hpp>
#include <sync_engine/store/local_store.hpp>
#include <sync_engine/store/sqlite_storage.hpp>
#include <sync_engine/store/sync_rules.hpp>

#include "store/test_store.hpp"
#include "support/catch.hpp"
#include "support/temporary_folder.hpp"

#include <nlohmann/json.hpp>

#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>

namespace test_of_sqlite_unknown_members {

using namespace sync_engine;
using namespace sync_engine::test;
using nlohmann::json;

namespace {

struct OldNote {
    std::string title{};

    bool operator==(const OldNote&) const = default;
    NLOHMANN_DEFINE_TYPE_INTRUSIVE(OldNote, title)
};

struct NewNote {
    std::string title{};
    std::string due{};

    bool operator==(const NewNote&) const = default;
    NLOHMANN_DEFINE_TYPE_INTRUSIVE(NewNote, title, due)
};

/// A state of the note "a" as a newer app wrote it.
template <class Data>
SyncRecord<Data> written(const std::string& title, const std::string& due,
                         std::uint64_t version = 1) {
    SyncRecord<Data> record{.id = "a", .updated_at = noon, .version = version};
    set_data_json(record, {{"title", title}, {"due", due}});
    return record;
}

using Decide = Outcome<OldNote> (*)(const Entry<OldNote>& known);

/// What a sync does to the note "a".
void decide(LocalStore<OldNote>& store, const Decide& rule) {
    const auto entry = store.read({"a"}).front();
    Step<OldNote> step;
    step.decisions.push_back(
        {.expected = entry, .written = {.outcome = rule(*entry), .forgotten = {"a"}}});
    REQUIRE(store.apply(std::move(step)).moved.empty());
}

/// A file in which an old app has a note with every state that an entry can have: local, base, sent
/// and theirs.
void make_file(const std::filesystem::path& file) {
    LocalStore<OldNote> store{sqlite_storage<OldNote>(file)};
    store.put(written<OldNote>("base", "May").with_status(SyncStatus::synced));
    store.put({.id = "a", .data = {"sent"}});
    decide(store,
           [](const auto& known) -> Outcome<OldNote> { return rules::staged(known, "operation"); });
    store.put({.id = "a", .data = {"local"}});
    decide(store, [](const auto& known) -> Outcome<OldNote> {
        return rules::waiting(known, written<OldNote>("theirs", "June", 9), true);
    });
}

template <class Data>
std::string dues_of(const Entry<Data>& entry) {
    const auto due = [](const RecordPtr<Data>& record) {
        const json data = data_json(*record);
        return data.at("title").template get<std::string>() + " " +
               data.at("due").template get<std::string>() + ", ";
    };
    return due(entry.local) + due(entry.base) + due(entry.sent().front().record) +
           due(entry.theirs());
}

const std::string all_dues = "local May, base May, sent May, theirs June, ";

}  // namespace

TEST_CASE("every state in a file keeps what the app does not know", "[store]") {
    const TemporaryFolder folder;
    make_file(folder / "app.db");

    LocalStore<OldNote> store{sqlite_storage<OldNote>(folder / "app.db")};
    CHECK(dues_of(*store.read({"a"}).front()) == all_dues);
    CHECK(store.find("a")->unknown.by_pointer() == json{{"/due", "May"}});

    store.put({.id = "a", .data = {"again"}});
    CHECK(data_json(*store.get("a")) == json{{"title", "again"}, {"due", "May"}});
}

TEST_CASE("a newer app finds in the file what the older one did not know", "[store]") {
    const TemporaryFolder folder;
    make_file(folder / "app.db");

    const LocalStore<NewNote> store{sqlite_storage<NewNote>(folder / "app.db")};

    CHECK(store.find("a")->data == NewNote{"local", "May"});
    CHECK(store.find("a")->unknown.empty());
    CHECK(dues_of(*store.read({"a"}).front()) == all_dues);
}

TEST_CASE("a migration sees what the app does not know, and keeps it", "[store]") {
    const TemporaryFolder folder;
    make_file(folder / "app.db");
    const SqliteOptions second{.schema_version = 2, .migrate = [](json record, unsigned) {
                                   auto& due = record["data"]["due"];
                                   due = "in " + due.get<std::string>();
                                   return record;
                               }};

    for (int opening = 0; opening < 2; ++opening) {  // the second finds nothing to migrate
        const LocalStore<OldNote> store{sqlite_storage<OldNote>(folder / "app.db", second)};
        CHECK(dues_of(*store.read({"a"}).front()) ==
              "local in May, base in May, sent in May, theirs in June, ");
    }
}

TEST_CASE("salvage gives what the app does not know", "[store]") {
    const TemporaryFolder folder;
    make_file(folder / "app.db");
    std::string found;

    (void)salvage<OldNote>(folder / "app.db", [&](const auto& entry) { found = dues_of(entry); });

    CHECK(found == all_dues);
}

}  // namespace test_of_sqlite_unknown_members
