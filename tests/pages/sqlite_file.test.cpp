// SPDX-License-Identifier: MIT
// The code that docs/sqlite-file.md shows, compiled and run; tests.pages compares the two.
#include <sync_engine/store/local_store.hpp>
#include <sync_engine/store/sqlite_storage.hpp>

#include "support/catch.hpp"
#include "support/temporary_folder.hpp"

#include <nlohmann/json.hpp>

#include <cstdlib>
#include <string>
#include <vector>

namespace test_of_sqlite_file {

using namespace sync_engine;

using Note = nlohmann::json;

TEST_CASE("docs/sqlite-file: the file is read without the library", "[pages][posix]") {
    const sync_engine::test::InTemporaryFolder here;
    if (std::system("sqlite3 -version >version 2>&1") != 0) {
        WARN("there is no program sqlite3 here; skipped");
        return;
    }
    LocalStore<Note>{sqlite_storage<Note>("app.db")}.put(
        {.id = "milk", .data = {{"title", "Buy milk"}}});

    const std::string command = R"(
sqlite3 app.db "SELECT id, status, json_extract(data, '$.title') FROM records"
    )";

    CHECK(std::system(("(" + command + ") >rows").c_str()) == 0);
    CHECK(sync_engine::test::bytes_of("rows") == "milk|pending|Buy milk\n");
}

TEST_CASE("docs/sqlite-file: what can be read of a file is rescued", "[pages]") {
    const sync_engine::test::InTemporaryFolder here;
    LocalStore<Note>{sqlite_storage<Note>("app.db")}.put({.id = "milk", .data = 1});

    LocalStore<> rescued;
    std::vector<std::string> logged;
    const auto log = [&](const std::string& loss) { logged.push_back(loss); };

    const auto report = sync_engine::salvage(
        "app.db", [&](const sync_engine::Entry<>& entry) { rescued.put(*entry.local); });
    for (const auto& loss : report.losses) log(loss);

    CHECK(rescued.count() == 1);
    CHECK(logged.empty());
}

TEST_CASE("docs/sqlite-file: the app's own data is migrated", "[pages]") {
    const sync_engine::test::InTemporaryFolder here;
    LocalStore<Note>{sqlite_storage<Note>("app.db", {.schema_version = 1})}.put(
        {.id = "milk", .data = {{"name", "Buy milk"}}});

    const auto to_titles = [](nlohmann::json record, unsigned from) {
        if (from == 1) {
            record["data"]["title"] = record["data"]["name"];
            record["data"].erase("name");
        }
        return record;
    };
    LocalStore<Note> store{
        sqlite_storage<Note>("app.db", {.schema_version = 2, .migrate = to_titles})};
    CHECK(store.get("milk")->data == Note{{"title", "Buy milk"}});
}

}  // namespace test_of_sqlite_file
