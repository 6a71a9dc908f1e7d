// SPDX-License-Identifier: MIT
#include <sync_engine/store/sqlite_storage.hpp>

#include "durability/disk.hpp"
#include "durability/disk_vfs.hpp"
#include "store/test_store.hpp"
#include "support/catch.hpp"
#include "support/temporary_folder.hpp"

#include <nlohmann/json.hpp>
#include <sqlite3.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#ifndef _WIN32
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#endif

namespace test_of_sqlite_storage {

using namespace std::chrono_literals;
using namespace sync_engine;
using namespace sync_engine::test;
using Catch::Matchers::Contains;
using nlohmann::json;
namespace fs = std::filesystem;

namespace {

const SqliteOptions impatient{.patience = 0ms};

std::shared_ptr<Storage<json>> storage(const fs::path& file) {
    return sqlite_storage<>(file, impatient);
}

/// Runs SQL on a file as another program would.
void run_sql(const fs::path& file, const std::string& sql) {
    sqlite::Database database{file.string(), SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, ""};
    REQUIRE(sqlite3_exec(database.handle(), sql.c_str(), nullptr, nullptr, nullptr) == SQLITE_OK);
}

std::string answer(const fs::path& file, const std::string& sql) {
    sqlite::Database database{file.string(), SQLITE_OPEN_READONLY, ""};
    auto statement = database.prepare(sql);
    std::string rows;
    while (statement.step()) rows += std::string{statement.text(0)} + "\n";
    return rows;
}

void make_store(const fs::path& file, int records = 3) {
    LocalStore<> store{storage(file)};
    std::vector<SyncRecord<>> notes;
    for (int n = 0; n < records; ++n) {
        notes.push_back(note("note " + std::to_string(n), std::string(300, 'x')));
    }
    store.put_all(std::move(notes));
}

/// A copy in place of what is there, which `copy_file` of MinGW refuses to make.
void overwrite(const fs::path& to, const fs::path& from) {
    write_bytes(to, bytes_of(from));
}

/// What a process leaves that died: the file, and the log that it had no time to fold in.
void copy_unclosed(const fs::path& from, const fs::path& to) {
    fs::copy_file(from, to);
    fs::copy_file(from.string() + "-wal", to.string() + "-wal");
}

/// Opening is refused with this reason, and neither the file nor its log has changed.
void check_refused(const fs::path& file, const std::string& reason) {
    const auto before = bytes_of(file);
    const auto log = bytes_of(file.string() + "-wal");
    CHECK_THROWS_WITH(LocalStore<>{storage(file)}, Contains(reason));
    CHECK_THROWS_AS(LocalStore<>{storage(file)}, StorageError);
    CHECK(bytes_of(file) == before);
    CHECK(bytes_of(file.string() + "-wal") == log);
}

}  // namespace

// The file.

TEST_CASE("a store in a file comes back in the next process", "[store]") {
    const TemporaryFolder folder;
    {
        LocalStore<> store{sqlite_storage<>(folder / "app.db")};
        store.put(note("a", "one"));
        store.put(note("b", "two").with_tags({"x"}));
        store.remove("a");
    }

    const LocalStore<> store{sqlite_storage<>(folder / "app.db")};

    CHECK(store.count() == 1);
    CHECK(store.get("b") == note("b", "two").with_tags({"x"}));
    CHECK(store.query_by_tag("x").size() == 1);
    CHECK(ids_of(store.pending()) == std::vector<std::string>{"b"});
}

TEST_CASE("records come back in the order in which they arrived", "[store]") {
    const TemporaryFolder folder;
    {
        LocalStore<> store{storage(folder / "app.db")};
        for (const char* id : {"c", "a", "b"}) store.put(note(id, "one"));
        store.update("c", [](json& data) { data = "two"; });
    }

    CHECK(ids_of(LocalStore<>{storage(folder / "app.db")}.all()) ==
          std::vector<std::string>{"c", "a", "b"});
}

TEST_CASE("rows come back whatever their numbers are", "[store]") {
    const TemporaryFolder folder;
    make_store(folder / "app.db");
    run_sql(folder / "app.db", "UPDATE records SET rowid = -rowid");

    CHECK(LocalStore<>{storage(folder / "app.db")}.count() == 3);
}

TEST_CASE("the sqlite3 tool can read the records and the state", "[store]") {
    const TemporaryFolder folder;
    {
        LocalStore<> store{storage(folder / "app.db")};
        store.put(note("a", "one").with_status(SyncStatus::synced));
        store.update("a", [](json& data) { data["text"] = "two"; });
    }

    CHECK(answer(folder / "app.db", "SELECT id || ' ' || status FROM records") == "a modified\n");
    CHECK(answer(folder / "app.db", "SELECT json_extract(data, '$.text') FROM records") == "two\n");
    CHECK(answer(folder / "app.db",
                 "SELECT json_extract(background, '$.base.data.text') FROM records") == "one\n");
    CHECK(answer(folder / "app.db", "SELECT cursor FROM state") == "null\n");
}

TEST_CASE("what was committed before a process dies is there, without the log being folded in",
          "[store]") {
    const TemporaryFolder folder;
    LocalStore<> store{storage(folder / "app.db")};
    store.put(note("a", "one"));
    copy_unclosed(folder / "app.db", folder / "copy.db");

    CHECK(LocalStore<>{storage(folder / "copy.db")}.get("a") == note("a", "one"));
    CHECK_FALSE(fs::exists(folder / "app.db-shm"));
}

TEST_CASE("an edit writes the page of its record and no other", "[store]") {
    const TemporaryFolder folder;
    LocalStore<> store{storage(folder / "app.db")};
    store.put(note("a", "one"));
    const auto before = fs::file_size(folder / "app.db-wal");

    store.update("a", [](json& data) { data = "two"; });

    constexpr std::uintmax_t page_in_log = 4096 + 24;
    CHECK(fs::file_size(folder / "app.db-wal") - before == page_in_log);
    copy_unclosed(folder / "app.db", folder / "copy.db");
    CHECK(LocalStore<>{storage(folder / "copy.db")}.state().sequence == 2);
}

TEST_CASE("what is sent is written beside the records, and forgotten when it is answered",
          "[store]") {
    const TemporaryFolder folder;
    const auto staged = [](const LocalStore<>& store) {
        const auto entry = store.read({"a"}).front();
        return Step<json>{
            .decisions = {
                {.expected = entry, .written = {.outcome = rules::staged(*entry, "operation")}}}};
    };
    LocalStore<> store{storage(folder / "app.db")};
    store.put(note("a", "one"));
    store.apply({.metadata = SyncMetadata{.total_pushes = 7}});
    const auto before = fs::file_size(folder / "app.db-wal");

    store.apply(staged(store));

    constexpr std::uintmax_t page_in_log = 4096 + 24;
    CHECK(fs::file_size(folder / "app.db-wal") - before == page_in_log);
    copy_unclosed(folder / "app.db", folder / "copy.db");
    {
        LocalStore<> again{storage(folder / "copy.db")};
        const auto entry = again.read({"a"}).front();
        REQUIRE(entry->sent().size() == 1);
        CHECK(entry->sent().front().record == entry->local);
        again.apply(staged(again));
        again.update("a", [](json& data) { data["text"] = "two"; });
    }
    CHECK(answer(folder / "copy.db",
                 "SELECT id || ' ' || operation_id || ' ' || attempts || ' ' "
                 "|| json_extract(record, '$.data.text') FROM sent") == "a operation 2 one\n");
    LocalStore<>{storage(folder / "copy.db")}.mark_synced("a");
    CHECK(answer(folder / "copy.db", "SELECT CAST(count(*) AS TEXT) FROM sent") == "0\n");
}

namespace {

/// Knows how often it was written.
struct Counted {
    int number = 0;

    static inline int written = 0;
    bool operator==(const Counted&) const = default;
    friend void to_json(json& value, const Counted& counted) {
        ++written;
        value = counted.number;
    }
    friend void from_json(const json& value, Counted& counted) { value.get_to(counted.number); }
};

}  // namespace

TEST_CASE("a record is not written again when it is sent", "[store]") {
    const TemporaryFolder folder;
    LocalStore<Counted> store{sqlite_storage<Counted>(folder / "app.db")};
    store.put({.id = "a", .data = {1}});
    const auto entry = store.read({"a"}).front();
    const int before = Counted::written;

    store.apply({.decisions = {{.expected = entry,
                                .written = {.outcome = rules::staged(*entry, "operation")}}}});

    CHECK(Counted::written == before);
    CHECK(store.read({"a"}).front()->sent().size() == 1);
}

TEST_CASE("a file opens whose process died while the log was folded in", "[store]") {
    const TemporaryFolder folder;
    make_store(folder / "app.db");
    {
        LocalStore<> store{storage(folder / "app.db")};
        std::vector<SyncRecord<>> notes;
        for (int n = 0; n < 100; ++n) notes.push_back(note(std::to_string(n), "one"));
        store.put_all(std::move(notes));
        copy_unclosed(folder / "app.db", folder / "copy.db");
    }
    // The first page is written first: it tells of pages that are in the log alone.
    auto half = bytes_of(folder / "copy.db");
    half.replace(0, 4096, bytes_of(folder / "app.db"), 0, 4096);
    write_bytes(folder / "copy.db", half);

    CHECK(LocalStore<>{storage(folder / "copy.db")}.count() == 103);
}

TEST_CASE("an edit outlives the power also in a log that a process made that died", "[store]") {
    DiskVfs first;
    const auto dead = sqlite_storage<>("app.db", {.vfs = first.name()});
    (void)dead->load();
    const Disk left = first.disk();  // its log has a name, which nobody has flushed yet

    DiskVfs second{left};
    LocalStore<> store{sqlite_storage<>("app.db", {.vfs = second.name()})};
    store.put(note("a", "one"));
    for (unsigned pattern = 0; pattern < 8; ++pattern) {
        CAPTURE(pattern);
        DiskVfs third{second.disk().after_cut(pattern)};
        CHECK(LocalStore<>{sqlite_storage<>("app.db", {.vfs = third.name()})}.count() == 1);
    }
}

TEST_CASE("nobody but its owner may read the file and its log", "[store][posix]") {
#ifndef _WIN32
    const TemporaryFolder folder;
    LocalStore<> store{storage(folder / "app.db")};
    store.put(note("a", "one"));

    const auto owner = fs::perms::owner_read | fs::perms::owner_write;
    CHECK(fs::status(folder / "app.db").permissions() == owner);
    CHECK(fs::status(folder / "app.db-wal").permissions() == owner);
#endif
}

// Who may open it.

TEST_CASE("a second opener is told that the file is open, and the first goes on", "[store]") {
    const TemporaryFolder folder;
    LocalStore<> first{storage(folder / "app.db")};
    first.put(note("a", "one"));

    CHECK_THROWS_WITH(storage(folder / "app.db"), Contains("open elsewhere"));

    first.put(note("b", "one"));
    CHECK(first.count() == 2);
}

TEST_CASE("a second opener that was refused does not unlock the file for other processes",
          "[store][posix]") {
#ifndef _WIN32
    const TemporaryFolder folder;
    const LocalStore<> first{storage(folder / "app.db")};
    CHECK_THROWS_AS(storage(folder / "app.db"), StorageError);

    const auto child = fork();
    if (child == 0) {
        try {
            (void)storage(folder / "app.db");
        } catch (const StorageError&) {
            _exit(7);
        }
        _exit(0);
    }
    int status = 0;
    REQUIRE(waitpid(child, &status, 0) == child);
    CHECK((WIFEXITED(status) && WEXITSTATUS(status) == 7));
#endif
}

TEST_CASE("the file is free again when the store is gone", "[store]") {
    const TemporaryFolder folder;
    make_store(folder / "app.db");
    CHECK(LocalStore<>{storage(folder / "app.db")}.count() == 3);
}

TEST_CASE("opening waits as long as it is told to while another program writes", "[store]") {
    const TemporaryFolder folder;
    make_store(folder / "app.db");
    sqlite::Database other{(folder / "app.db").string(), SQLITE_OPEN_READWRITE, ""};
    other.run("BEGIN IMMEDIATE");

    CHECK_THROWS_WITH(storage(folder / "app.db"), Contains("open elsewhere"));

    other.run("ROLLBACK");
}

TEST_CASE("opening waits also where it is told to wait for a month", "[store]") {
    const TemporaryFolder folder;
    make_store(folder / "app.db");
    static std::optional<sqlite::Database> other;  // gone as soon as somebody waits for it
    other.emplace((folder / "app.db").string(), SQLITE_OPEN_READWRITE, "");
    other->run("BEGIN IMMEDIATE");
    sqlite3_vfs waiting = *sqlite3_vfs_find(nullptr);
    waiting.zName = "waiting";
    waiting.xSleep = [](sqlite3_vfs*, int microseconds) {
        other.reset();
        return microseconds;
    };
    REQUIRE(sqlite3_vfs_register(&waiting, 0) == SQLITE_OK);

    const SqliteOptions patient{.patience = std::chrono::hours{24 * 30}, .vfs = "waiting"};
    CHECK_NOTHROW(sqlite_storage<>(folder / "app.db", patient));

    CHECK_FALSE(other);
    sqlite3_vfs_unregister(&waiting);
    other.reset();
}

TEST_CASE("a link is not followed, but a folder that is one is", "[store][posix]") {
    const TemporaryFolder folder;
    make_store(folder / "app.db");
    fs::create_symlink(folder / "app.db", folder / "link.db");
    fs::create_directory_symlink(folder.path(), folder / "link");

    CHECK_THROWS_WITH(storage(folder / "link.db"), Contains("symbolic link"));
    CHECK(LocalStore<>{storage(folder / "link" / "app.db")}.count() == 3);
}

TEST_CASE("a folder that is not there is named", "[store]") {
    const TemporaryFolder folder;
    CHECK_THROWS_WITH(storage(folder / "no" / "app.db"), Contains("see that its folder exists"));
    CHECK_THROWS_AS(storage(folder.path()), StorageError);
    CHECK_THROWS_WITH(sqlite_storage<>(folder / "app.db", {.vfs = "nonsense"}),
                      Contains("no VFS \"nonsense\""));
}

// Files that are not ours, or not whole.

TEST_CASE("a file of another program is refused and left as it is", "[store]") {
    const TemporaryFolder folder;
    write_bytes(folder / "letter.txt", "Dear Ada, " + std::string(2000, '.'));
    check_refused(folder / "letter.txt", "no database");
    run_sql(folder / "other.db", "CREATE TABLE records (id)");
    check_refused(folder / "other.db", "another program");
    run_sql(folder / "log.db", "PRAGMA journal_mode = WAL; CREATE TABLE mail (id)");
    check_refused(folder / "log.db", "another program");
}

TEST_CASE("a file of a newer version is refused and left as it is", "[store]") {
    const TemporaryFolder folder;
    make_store(folder / "app.db");
    run_sql(folder / "app.db", "PRAGMA user_version = 2");

    check_refused(folder / "app.db", "newer version of this library");
}

TEST_CASE("a table that was changed is refused, and nothing in the file runs", "[store]") {
    const TemporaryFolder folder;
    make_store(folder / "app.db");
    fs::copy_file(folder / "app.db", folder / "trigger.db");
    run_sql(folder / "app.db", "ALTER TABLE records ADD COLUMN more TEXT");
    check_refused(folder / "app.db", "its table records is not as it was made");

    run_sql(folder / "trigger.db",
            "CREATE TRIGGER gone AFTER INSERT ON records BEGIN DELETE FROM records; END");
    {
        LocalStore<> store{storage(folder / "trigger.db")};
        store.put(note("new", "one"));
    }
    CHECK(LocalStore<>{storage(folder / "trigger.db")}.count() == 4);
}

TEST_CASE("a file that was cut short is refused and left as it is", "[store]") {
    const TemporaryFolder folder;
    make_store(folder / "app.db", 200);
    const auto whole = bytes_of(folder / "app.db");
    REQUIRE(whole.size() > 40'000);
    for (const std::size_t size : {std::size_t{99}, std::size_t{512}, std::size_t{4096},
                                   whole.size() / 2, whole.size() - 4096}) {
        CAPTURE(size);
        write_bytes(folder / "cut.db", whole.substr(0, size));
        check_refused(folder / "cut.db", "damaged");
    }
}

TEST_CASE("a log without its file is refused and left as it is", "[store]") {
    const TemporaryFolder folder;
    {
        LocalStore<> store{storage(folder / "app.db")};
        store.put(note("a", "one"));
        copy_unclosed(folder / "app.db", folder / "copy.db");
    }
    write_bytes(folder / "copy.db", "");
    check_refused(folder / "copy.db", "missing or empty, but its log");
    fs::remove(folder / "copy.db");
    check_refused(folder / "copy.db", "missing or empty, but its log");
}

TEST_CASE("no damaged byte brings the process down", "[store]") {
    const TemporaryFolder folder;
    make_store(folder / "app.db", 30);
    const auto whole = bytes_of(folder / "app.db");
    std::size_t refused = 0;
    for (std::size_t at = 0; at < whole.size(); at += 97) {
        auto damaged = whole;
        damaged[at] = static_cast<char>(damaged[at] ^ 0x55);
        write_bytes(folder / "damaged.db", damaged);
        try {
            (void)LocalStore<>{storage(folder / "damaged.db")}.count();
        } catch (const StorageError&) {
            CHECK(bytes_of(folder / "damaged.db") == damaged);
            ++refused;
        }
        fs::remove(folder / "damaged.db-wal");
    }
    CHECK(refused > 0);
}

TEST_CASE("after a crash the whole file is checked", "[store]") {
    const TemporaryFolder folder;
    make_store(folder / "app.db", 1000);
    {
        LocalStore<> store{storage(folder / "app.db")};
        store.put(note("a", "one"));
        copy_unclosed(folder / "app.db", folder / "copy.db");
    }
    // The index is read by no query of ours when a store opens, so only a check can find this.
    auto damaged = bytes_of(folder / "copy.db");
    for (std::size_t page = damaged.size() / 4096; page-- > 1;) {
        if (damaged[page * 4096] != 0x0A) continue;  // a leaf of an index
        damaged.replace(page * 4096 + 8, 64, 64, '\xFF');
    }
    write_bytes(folder / "copy.db", damaged);

    check_refused(folder / "copy.db", "damaged");
}

TEST_CASE("a row that makes no sense is named, and nothing of the file is changed", "[store]") {
    const TemporaryFolder folder;
    make_store(folder / "good.db");
    const std::vector<std::pair<std::string, std::string>> cases{
        {"data = '{'", "JSON text ends too early"},
        {"data = NULL", "column \"data\" is NULL"},
        {"data = x'07'", "does not hold text"},
        {"status = 'unheard of'", "unheard of"},
        {"updated_at = 'yesterday'", "yesterday"},
        {"version = 'x'", "does not hold a whole number"},
        {"tags = '[1]'", "array of strings"},
        {"tags = '[\"\xFF\"]'", "UTF-8"},
        {"revision = x'ff'", "does not hold text"},
        {"conflicted = 1", "in conflict with nothing"},
        {"background = '[]'", "background"},
        {"background = '{\"retry\":{\"sequence\":-1}}'", "sequence"},
        {"background = '{\"base\":{\"id\":\"a\"}}'", "data"},
        {"background = '{\"base\":{\"id\":\"a\",\"data\":1}}'", "another record, \"a\""},
        {"background = '{\"theirs\":{\"id\":\"a\",\"data\":1}}'", "another record, \"a\""},
        {"id = ''", "the id is empty"},
    };
    for (const auto& [change, reason] : cases) {
        CAPTURE(change);
        overwrite(folder / "bad.db", folder / "good.db");
        run_sql(folder / "bad.db", "UPDATE records SET " + change + " WHERE id = 'note 1'");
        check_refused(folder / "bad.db", reason);
    }
    for (const auto& [change, reason] : std::vector<std::pair<std::string, std::string>>{
             {"'note 1', 0, 'x', 1, -1, NULL", "does not hold a count"},
             {"'note 1', 0, 'x', 1, 4294967296, NULL", "does not hold a count"},
             {"'note 1', 0, 'x', 'y', 1, NULL", "does not hold a whole number"},
             {"'note 1', 0, x'07', 1, 1, NULL", "does not hold text"},
             {"'note 1', 0, CAST(x'ff' AS TEXT), 1, 1, NULL", "UTF-8"},
             {"'note 1', 0, 'x', 1, 1, '{'", "JSON text ends too early"},
             {"'note 1', 0, 'x', 1, 1, '{\"id\":\"a\",\"data\":1}'", "another record, \"a\""},
             {"'note 1', 0, 'x', 1, 1, '{}'", "\"note 1\" cannot be read: what was sent of it"},
             {"'note 7', 0, 'x', 1, 1, NULL", "sent of a record that is not there"}}) {
        CAPTURE(change);
        overwrite(folder / "bad.db", folder / "good.db");
        run_sql(folder / "bad.db", "INSERT INTO sent VALUES (" + change + ")");
        check_refused(folder / "bad.db", reason);
    }
    for (const char* change : {"cursor = 'x'", "health = '{}'", "metadata = '7'"}) {
        CAPTURE(change);
        overwrite(folder / "bad.db", folder / "good.db");
        run_sql(folder / "bad.db", std::string("UPDATE state SET ") + change);
        check_refused(folder / "bad.db", "the state of the store cannot be read");
    }
}

TEST_CASE("edits that share a sequence are refused, because the outbox would lose one", "[store]") {
    const TemporaryFolder folder;
    make_store(folder / "app.db");
    run_sql(folder / "app.db", "UPDATE records SET sequence = 2");

    CHECK_THROWS_WITH(LocalStore<>{storage(folder / "app.db")}, Contains("the sequence 2"));
    CHECK(answer(folder / "app.db", "SELECT id FROM records") == "note 0\nnote 1\nnote 2\n");
}

TEST_CASE("a file that leaves no sequence for edits is refused", "[store]") {
    const TemporaryFolder folder;
    make_store(folder / "app.db");
    run_sql(folder / "app.db", "UPDATE state SET sequence = 9223372036854775807");

    CHECK_THROWS_WITH(LocalStore<>{storage(folder / "app.db")}, Contains("leaves none for edits"));
}

TEST_CASE("of many rows, the one whose data is no JSON is named", "[store]") {
    const TemporaryFolder folder;
    make_store(folder / "good.db", 200);
    const auto refuses = [&](const std::vector<std::pair<int, std::string>>& texts) {
        CAPTURE(texts.front().second);
        const auto file = folder / "bad.db";
        overwrite(file, folder / "good.db");
        for (const auto& [number, text] : texts) {
            run_sql(file, "UPDATE records SET data = '" + text + "' WHERE id = 'note " +
                              std::to_string(number) + "'");
        }
        check_refused(file, "record \"note 77\" cannot be read: JSON text");
    };

    for (const char* text : {"", "{", "}", "1,2", "1],[2", "1,77", "1,13", "\"x", "1 ]"}) {
        refuses({{77, text}});
    }
    refuses({{77, "[1"}, {78, "2]"}});
    refuses({{77, "\"x"}, {78, "x\""}});
    refuses({{77, "7,13"}, {78, "[1"}, {79, "2]"}});
    refuses({{77, "7,13],[8"}, {78, "[1"}, {79, "2]"}});
    refuses({{77, "7,13],[\""}, {78, "\""}});  // as many pairs as there should be
}

TEST_CASE("what many rows hold is read, whatever the sizes of their data", "[store]") {
    const TemporaryFolder folder;
    const auto size_of = [](std::size_t n) { return n % 50 == 7 ? std::size_t{70'000} : n; };
    {
        LocalStore<> store{storage(folder / "app.db")};
        for (std::size_t n = 0; n < 130; ++n) {
            store.put(note("note " + std::to_string(n), std::string(size_of(n), 'x')));
        }
        store.remove("note 3");
    }

    const LocalStore<> again{storage(folder / "app.db")};
    CHECK(again.count() == 129);
    for (const std::size_t n : {0U, 6U, 7U, 8U, 63U, 64U, 65U, 107U, 128U, 129U}) {
        const auto record = again.find("note " + std::to_string(n));
        CHECK(record->data["text"].get<std::string>().size() == size_of(n));
    }
}

// While it is open.

TEST_CASE("a file that is deleted or moved under a store takes no more edits", "[store][posix]") {
    const TemporaryFolder folder;
    for (const char* how : {"deleted", "moved", "replaced"}) {
        CAPTURE(how);
        const auto file = folder / (std::string{how} + ".db");
        LocalStore<> store{storage(file)};
        store.put(note("a", "one"));

        if (how == std::string{"deleted"}) {
            fs::remove(file);
        } else {
            fs::rename(file, file.string() + ".old");
            if (how == std::string{"replaced"}) write_bytes(file, "something else");
        }

        CHECK_THROWS_WITH(store.put(note("b", "one")), Contains("deleted or moved"));
        CHECK(store.count() == 1);
    }
}

TEST_CASE("an edit that the disk has no room for is refused whole, and later ones go on",
          "[store][posix]") {
#ifndef _WIN32
    const TemporaryFolder folder;
    {
        LocalStore<> store{storage(folder / "app.db")};
        store.put(note("a", "one"));
        const auto used = fs::file_size(folder / "app.db-wal");

        const auto previous = std::signal(SIGXFSZ, SIG_IGN);
        rlimit limit{};
        REQUIRE(getrlimit(RLIMIT_FSIZE, &limit) == 0);
        const rlimit small{static_cast<rlim_t>(used + 8192), limit.rlim_max};
        REQUIRE(setrlimit(RLIMIT_FSIZE, &small) == 0);
        CHECK_THROWS_AS(store.put(note("large", std::string(100'000, 'x'))), StorageError);
        REQUIRE(setrlimit(RLIMIT_FSIZE, &limit) == 0);
        std::signal(SIGXFSZ, previous);

        CHECK(store.count() == 1);
        store.put(note("b", "one"));
    }
    CHECK(ids_of(LocalStore<>{storage(folder / "app.db")}.all()) ==
          std::vector<std::string>{"a", "b"});
#endif
}

TEST_CASE("a file that may not be written is refused", "[store][posix]") {
#ifndef _WIN32
    const TemporaryFolder folder;
    make_store(folder / "app.db");
    fs::permissions(folder / "app.db",
                    fs::perms::owner_read | fs::perms::group_read | fs::perms::others_read);
    fs::permissions(folder.path(), fs::perms::all);

    const auto child = fork();
    if (child == 0) {
        // Whom no permission stops has to become somebody whom they do.
        if (getuid() == 0 && setuid(65534) != 0) _exit(1);
        try {
            (void)storage(folder / "app.db");
        } catch (const StorageError& error) {
            _exit(std::string{error.what()}.find("may not be written") == std::string::npos ? 2
                                                                                            : 7);
        }
        _exit(0);
    }
    int status = 0;
    REQUIRE(waitpid(child, &status, 0) == child);
    REQUIRE(WIFEXITED(status));
    CHECK(WEXITSTATUS(status) == 7);
#endif
}

TEST_CASE("data that cannot be written fails the edit, and names the record", "[store]") {
    const TemporaryFolder folder;
    Entry<> entry;
    auto record = note("bad", "one");
    record.data = json::binary({1, 2});
    entry.local = std::make_shared<const SyncRecord<>>(record);
    StorageBatch<json> batch;
    const StoreState state;
    batch.write.push_back(&entry);
    batch.state = &state;

    const auto other = storage(folder / "other.db");
    CHECK_THROWS_WITH(other->commit(batch), Contains("record \"bad\" cannot be stored"));
}

// The app's own schema.

namespace {

SqliteOptions second_version() {
    return {.schema_version = 2,
            .migrate =
                [](json record, unsigned from) {
                    REQUIRE(from == 1);
                    record["data"]["title"] = record["data"]["text"];
                    record["data"].erase("text");
                    return record;
                },
            .patience = 0ms};
}

/// One record with something in each place where a state can be.
void make_old_store(const fs::path& file) {
    LocalStore<> store{storage(file)};
    store.put(note("clean", "one").with_status(SyncStatus::synced));
    store.put(note("full", "base").with_status(SyncStatus::synced));
    store.put(note("gone", "last words").with_status(SyncStatus::synced));
    store.update("full", [](json& data) { data["text"] = "edit"; });
    store.remove("gone");
    const auto known = store.read({"full"}).front();
    auto entry = rules::staged(*known, "operation");
    entry = rules::waiting(entry, note("full", "theirs", 7), true);
    store.apply({.decisions = {{.expected = known, .written = {.outcome = entry}}}});
}

}  // namespace

TEST_CASE("a migration reaches every state of a record, unsent edits included", "[store]") {
    const TemporaryFolder folder;
    make_old_store(folder / "app.db");

    for (int opening = 0; opening < 2; ++opening) {  // the second finds nothing to migrate
        const LocalStore<> store{sqlite_storage<>(folder / "app.db", second_version())};
        CHECK(store.get("clean")->data == json{{"title", "one"}});
        CHECK(store.read({"clean"}).front()->is_clean());
        const auto full = *store.read({"full"}).front();
        CHECK(full.local->data == json{{"title", "edit"}});
        CHECK(full.base->data == json{{"title", "base"}});
        CHECK(full.theirs()->data == json{{"title", "theirs"}});
        CHECK(full.sent().front().record->data == json{{"title", "edit"}});
        CHECK(store.read({"gone"}).front()->local->data == json{{"title", "last words"}});
        CHECK(ids_of(store.pending()) == std::vector<std::string>{"gone"});
    }
    check_refused(folder / "app.db", "update the app");
}

TEST_CASE("a migration that fails leaves the file as it was", "[store]") {
    const TemporaryFolder folder;
    make_old_store(folder / "app.db");
    const auto before = bytes_of(folder / "app.db");
    const auto attempt = [&](auto migrate, const char* reason) {
        CHECK_THROWS_WITH(
            (LocalStore<>{sqlite_storage<>(
                folder / "app.db",
                {.schema_version = 2, .migrate = std::move(migrate), .patience = 0ms})}),
            Contains(reason));
        CHECK(bytes_of(folder / "app.db") == before);
    };

    attempt(nullptr, "give SqliteOptions a `migrate`");
    attempt([](json, unsigned) -> json { throw std::runtime_error("no idea"); }, "no idea");
    attempt([](json, unsigned) { return json::array(); }, "migrated record");
    attempt(
        [](json record, unsigned) {
            record["id"] = "other";
            return record;
        },
        "changed the id");
    attempt(
        [](json record, unsigned) {
            if (record["id"] == "gone") record["data"] = json::binary({1});
            return record;
        },
        "gone");

    CHECK(LocalStore<>{storage(folder / "app.db")}.get("clean")->data == json{{"text", "one"}});
}

TEST_CASE("a new file begins with the app's version", "[store]") {
    const TemporaryFolder folder;
    const SqliteOptions third{.schema_version = 3};
    { LocalStore<> store{sqlite_storage<>(folder / "app.db", third)}; }
    CHECK_NOTHROW(LocalStore<>{sqlite_storage<>(folder / "app.db", third)});
}

// Salvage.

TEST_CASE("salvage of a whole file reads everything and changes nothing", "[store]") {
    const TemporaryFolder folder;
    make_old_store(folder / "app.db");
    const auto before = bytes_of(folder / "app.db");
    std::vector<std::string> read;

    const auto report = salvage(folder / "app.db", [&](const Entry<>& entry) {
        read.push_back(entry.local->id + (entry.is_clean() ? " clean" : " unclean"));
    });

    CHECK(read == std::vector<std::string>{"clean clean", "full unclean", "gone unclean"});
    CHECK(report.entries == 3);
    CHECK(report.is_whole());
    CHECK(bytes_of(folder / "app.db") == before);
}

TEST_CASE("salvage reads what was sent, and the records also where it cannot", "[store]") {
    const TemporaryFolder folder;
    make_old_store(folder / "app.db");
    std::size_t sent = 0;
    const auto count = [&](const Entry<>& entry) { sent += entry.sent().size(); };
    CHECK(salvage(folder / "app.db", count).is_whole());
    CHECK(sent == 1);

    run_sql(folder / "app.db", "UPDATE sent SET record = '{'");
    auto report = salvage(folder / "app.db", count);
    CHECK(report.entries == 3);
    REQUIRE(report.losses.size() == 1);
    CHECK_THAT(report.losses.front(), Contains("\"full\" cannot be read: what was sent"));

    const auto root = std::stoul(answer(
        folder / "app.db", "SELECT CAST(rootpage AS TEXT) FROM sqlite_master WHERE name = 'sent'"));
    auto damaged = bytes_of(folder / "app.db");
    damaged.replace((root - 1) * 4096, 4096, 4096, '\xFF');
    write_bytes(folder / "app.db", damaged);
    report = salvage(folder / "app.db", count);
    CHECK(report.entries == 3);
    REQUIRE(report.losses.size() == 1);
    CHECK_THAT(report.losses.front(), Contains("what was sent: "));
    CHECK(sent == 1);
}

TEST_CASE("salvage says once that a file has no table of what was sent", "[store]") {
    const TemporaryFolder folder;
    make_old_store(folder / "app.db");
    run_sql(folder / "app.db", "DROP TABLE sent");

    const auto report = salvage(folder / "app.db", [](const Entry<>&) {});

    CHECK(report.entries == 3);
    CHECK(report.losses.size() == 1);
}

TEST_CASE("salvage reads what is in the log of a process that died", "[store]") {
    const TemporaryFolder folder;
    LocalStore<> store{storage(folder / "app.db")};
    store.put(note("a", "one"));
    copy_unclosed(folder / "app.db", folder / "copy.db");
    const auto log = bytes_of(folder / "copy.db-wal");

    CHECK(salvage(folder / "copy.db", [](const Entry<>&) {}).entries == 1);
    CHECK(bytes_of(folder / "copy.db-wal") == log);
}

TEST_CASE("salvage reads around damaged pages, and names what it could not read", "[store]") {
    const TemporaryFolder folder;
    make_store(folder / "app.db", 200);
    const auto whole = bytes_of(folder / "app.db");
    for (std::size_t page = 1; page < whole.size() / 4096; ++page) {
        if (whole[page * 4096] != 0x0D) continue;  // a leaf of a table
        CAPTURE(page);
        auto damaged = whole;
        damaged.replace(page * 4096, 4096, 4096, '\xFF');
        write_bytes(folder / "damaged.db", damaged);

        const auto report = salvage(folder / "damaged.db", [](const Entry<>&) {});

        CHECK(report.entries + report.losses.size() >= 200);
        CHECK(report.entries >= 180);
        CHECK(bytes_of(folder / "damaged.db") == damaged);
    }
}

TEST_CASE("salvage reads the beginning of a file that was cut short", "[store]") {
    const TemporaryFolder folder;
    make_store(folder / "app.db", 200);
    const auto whole = bytes_of(folder / "app.db");
    write_bytes(folder / "cut.db", whole.substr(0, whole.size() / 2));

    const auto report = salvage(folder / "cut.db", [](const Entry<>&) {});

    CHECK(report.entries > 50);
    CHECK_FALSE(report.is_whole());
}

TEST_CASE("salvage of what is no database says so", "[store]") {
    const TemporaryFolder folder;
    write_bytes(folder / "letter.txt", "Dear Ada, " + std::string(2000, '.'));
    CHECK_THROWS_WITH(salvage(folder / "letter.txt", [](const Entry<>&) {}),
                      Contains("no database"));
}

TEST_CASE("salvage tells which row it could not understand", "[store]") {
    const TemporaryFolder folder;
    make_store(folder / "app.db");
    run_sql(folder / "app.db", "UPDATE records SET data = '{' WHERE id = 'note 1'");

    const auto report = salvage(folder / "app.db", [](const Entry<>&) {});

    CHECK(report.entries == 2);
    REQUIRE(report.losses.size() == 1);
    CHECK_THAT(report.losses.front(), Contains("note 1"));
}

TEST_CASE("salvage reads around a row whose id is no text", "[store]") {
    const TemporaryFolder folder;
    make_store(folder / "app.db");
    run_sql(folder / "app.db", "UPDATE records SET id = x'01' WHERE id = 'note 1'");

    const auto report = salvage(folder / "app.db", [](const Entry<>&) {});

    CHECK(report.entries == 2);
    REQUIRE(report.losses.size() == 1);
    CHECK_THAT(report.losses.front(), Contains("without an id") && Contains("does not hold text"));
}

TEST_CASE("salvage throws what the visitor throws, as it is", "[store]") {
    const TemporaryFolder folder;
    make_store(folder / "app.db", 6);
    const std::string last = GENERATE("note 2", "note 5");
    std::vector<std::string> visited;
    const auto throwing = [&](const auto& error) {
        return [&, error](const Entry<>& entry) {
            visited.push_back(entry.local->id);
            if (entry.local->id == last) throw error;
        };
    };

    SECTION("what cannot be read by the visitor") {
        const auto visitor = throwing(FormatError("the visitor's"));
        CHECK(message_of<FormatError>([&] { (void)salvage(folder / "app.db", visitor); }) ==
              "the visitor's");
    }
    SECTION("what the storage of the visitor throws") {
        const auto visitor = throwing(sqlite::SqliteError(SQLITE_FULL, "the visitor's"));
        CHECK(message_of<sqlite::SqliteError>([&] { (void)salvage(folder / "app.db", visitor); }) ==
              "the visitor's");
    }

    REQUIRE_FALSE(visited.empty());
    CHECK(visited.back() == last);
    CHECK(std::count(visited.begin(), visited.end(), last) == 1);
}

}  // namespace test_of_sqlite_storage
