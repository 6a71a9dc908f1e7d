// SPDX-License-Identifier: MIT
// What a durable store costs beyond hand-written SQLite that stores the same rows:
//
//     durable [RECORDS]
//
// Every figure is a ratio to a reference that is measured in turn with it, in the same run.
#include <sync_engine.hpp>
#include <sync_engine/store/sqlite_storage.hpp>

#include "notes.hpp"
#include "ratio.hpp"

#include <nlohmann/json.hpp>
#include <sqlite3.h>

#include <atomic>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace {

using namespace sync_engine;
using namespace sync_engine::bench;
namespace fs = std::filesystem;

using Record = SyncRecord<Note>;

/// A folder of this run.
fs::path fresh_folder() {
    const auto folder = fs::temp_directory_path() / "sync_engine.bench";
    fs::remove_all(folder);
    fs::create_directory(folder);
    return folder;
}

/// What somebody would write by hand to keep the same records, under the same settings.
class HandWritten {
public:
    explicit HandWritten(const fs::path& file)
        : database_(file.string(), SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, "") {
        database_.run("PRAGMA locking_mode = EXCLUSIVE");
        (void)database_.text("PRAGMA journal_mode = WAL");
        database_.run("PRAGMA synchronous = FULL");
        database_.run(
            "CREATE TABLE IF NOT EXISTS notes (id TEXT PRIMARY KEY, data TEXT, status TEXT, "
            "updated_at TEXT, version INTEGER, tags TEXT, revision TEXT)");
        insert_.emplace(database_.prepare("INSERT INTO notes VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)"));
        begin_.emplace(database_.prepare("BEGIN IMMEDIATE"));
        commit_.emplace(database_.prepare("COMMIT"));
    }

    void put(const Record& record) {
        begin_->run();
        insert(record);
        commit_->run();
    }
    void put_all(const std::vector<Record>& records) {
        begin_->run();
        for (const auto& record : records) insert(record);
        commit_->run();
    }

    /// Every row, its data and tags parsed.
    [[nodiscard]] std::size_t read() {
        auto rows = database_.prepare("SELECT * FROM notes");
        std::size_t sum = 0;
        while (rows.step()) {
            sum += nlohmann::json::parse(rows.text(1)).get<Note>().title.size();
            sum += nlohmann::json::parse(rows.text(5)).size();
        }
        return sum;
    }

private:
    void insert(const Record& record) {
        const std::string data = nlohmann::json(record.data).dump();
        const std::string at = to_iso8601(record.updated_at);
        const std::string tags = nlohmann::json(record.tags).dump();
        insert_->bind(1, record.id)
            .bind(2, data)
            .bind(3, to_string(record.status))
            .bind(4, at)
            .bind(5, static_cast<std::int64_t>(record.version))
            .bind(6, tags)
            .bind(7, record.revision)
            .run();
    }

    sqlite::Database database_;
    std::optional<sqlite::Statement> insert_;
    std::optional<sqlite::Statement> begin_;
    std::optional<sqlite::Statement> commit_;
};

void single_puts(const fs::path& folder) {
    constexpr std::size_t block = 100;
    HandWritten hand{folder / "hand-put.db"};
    LocalStore<Note> store{sqlite_storage<Note>(folder / "ours-put.db")};
    unsigned seed = 0;
    const auto each = [&](const auto& put) {
        const auto records = notes<Note>(block, ++seed);
        return time_of([&] {
            for (const auto& record : records) put(record);
        });
    };
    compare(
        "put, its own transaction, us", 1.15, 41, block,
        [&] { return each([&](const Record& record) { hand.put(record); }); },
        [&] { return each([&](const Record& record) { store.put(record); }); });
}

void batches(const fs::path& folder, std::size_t count) {
    int round = 0;
    compare(
        "put_all, one transaction, us a record", 1.3, 5, count,
        [&] {
            HandWritten hand{folder / ("hand-all" + std::to_string(++round))};
            const auto records = notes<Note>(count);
            return time_of([&] { hand.put_all(records); });
        },
        [&] {
            LocalStore<Note> store{
                sqlite_storage<Note>(folder / ("ours-all" + std::to_string(round)))};
            auto records = notes<Note>(count);
            return time_of([&] { store.put_all(std::move(records)); });
        });
}

void openings(const fs::path& folder, std::size_t count) {
    { HandWritten{folder / "hand-open.db"}.put_all(notes<Note>(count)); }
    { LocalStore<Note>{sqlite_storage<Note>(folder / "ours-open.db")}.put_all(notes<Note>(count)); }
    compare(
        "open, us a record", 1.25, 7, count,
        [&] {
            std::size_t sum = 0;
            const auto time = time_of([&] { sum = HandWritten{folder / "hand-open.db"}.read(); });
            return sum == 0 ? Microseconds{0} : time;
        },
        [&] {
            std::optional<LocalStore<Note>> store;
            return time_of([&] { store.emplace(sqlite_storage<Note>(folder / "ours-open.db")); });
        });
}

void writers(const fs::path& folder) {
    constexpr std::size_t edits = 400;
    LocalStore<Note> store{sqlite_storage<Note>(folder / "writers.db")};
    unsigned seed = 0;
    const auto with_threads = [&](std::size_t count) {
        const auto records = notes<Note>(edits, ++seed);
        std::atomic<std::size_t> next{0};
        const auto write = [&] {
            for (std::size_t n; (n = next++) < edits;) store.put(records[n]);
        };
        return time_of([&] {
            std::vector<std::thread> threads;
            for (std::size_t n = 0; n < count; ++n) threads.emplace_back(write);
            for (auto& thread : threads) thread.join();
        });
    };
    compare(
        "put by 8 threads against 1, us", 0.5, 15, edits, [&] { return with_threads(1); },
        [&] { return with_threads(8); });
}

}  // namespace

int main(int argc, char** argv) {
    const std::size_t count = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 100'000;
    const auto folder = fresh_folder();
    std::printf("%-46s %9s %9s %9s\n", "work", "reference", "ours", "ratio");
    single_puts(folder);
    batches(folder, count);
    openings(folder, count);
    writers(folder);
    fs::remove_all(folder);
}
