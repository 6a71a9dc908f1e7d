// SPDX-License-Identifier: MIT
// What a durable store costs beyond hand-written SQLite that stores the same rows:
//
//     durable [RECORDS | WORK]...
//
// Every figure is a ratio to a reference that is measured in turn with it, in the same run.
#include <sync_engine.hpp>
#include <sync_engine/store/sqlite_storage.hpp>

#include "notes.hpp"
#include "ratio.hpp"
#include "remotes.hpp"

#include <fcntl.h>
#include <nlohmann/json.hpp>
#include <sqlite3.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <optional>
#include <random>
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
    explicit HandWritten(const fs::path& file, const char* synchronous = "FULL")
        : database_(file.string(), SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, "") {
        database_.run("PRAGMA locking_mode = EXCLUSIVE");
        (void)database_.text("PRAGMA journal_mode = WAL");
        database_.run(std::string{"PRAGMA synchronous = "} + synchronous);
        database_.run(
            "CREATE TABLE IF NOT EXISTS notes (id TEXT PRIMARY KEY, data TEXT, status TEXT, "
            "updated_at TEXT, version INTEGER, tags TEXT, revision TEXT)");
        insert_.emplace(database_.prepare("INSERT INTO notes VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)"));
        update_.emplace(database_.prepare(
            "UPDATE notes SET data = ?2, status = ?3, version = ?4, revision = ?5 WHERE id = ?1"));
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

    /// What an acknowledgement says of each, or a pull that changes each.
    void update_all(const std::vector<Record>& acknowledged, const std::vector<Record>& pulled) {
        begin_->run();
        for (const auto* records : {&acknowledged, &pulled}) {
            for (const auto& record : *records) update(record);
        }
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

    void update(const Record& record) {
        const std::string data = nlohmann::json(record.data).dump();
        update_->bind(1, record.id)
            .bind(2, data)
            .bind(3, to_string(record.status))
            .bind(4, static_cast<std::int64_t>(record.version))
            .bind(5, record.revision)
            .run();
    }

    sqlite::Database database_;
    std::optional<sqlite::Statement> insert_;
    std::optional<sqlite::Statement> update_;
    std::optional<sqlite::Statement> begin_;
    std::optional<sqlite::Statement> commit_;
};

/// A file that text is appended to, and forced to the disk each time.
class AppendLog {
public:
    explicit AppendLog(const fs::path& file)
        : file_(::open(file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600)) {}
    AppendLog(const AppendLog&) = delete;
    AppendLog& operator=(const AppendLog&) = delete;
    ~AppendLog() { ::close(file_); }

    void append(const Record& record) {
        std::string text;
        append_json(text, record);
        const bool is_written =
            ::write(file_, text.data(), text.size()) == static_cast<ssize_t>(text.size());
        if (!is_written || ::fdatasync(file_) != 0) throw StorageError("the log was not written");
    }

private:
    int file_;
};

void single_puts(const fs::path& folder) {
    constexpr std::size_t block = 100;
    HandWritten hand{folder / "hand-put.db"};
    HandWritten relaxed_hand{folder / "hand-relaxed.db", "NORMAL"};
    AppendLog log{folder / "log"};
    LocalStore<Note> store{sqlite_storage<Note>(folder / "ours-put.db")};
    LocalStore<Note> relaxed{
        sqlite_storage<Note>(folder / "ours-relaxed.db", {.durability = Durability::normal})};
    unsigned seed = 0;
    const auto each = [&seed](auto put) {
        return [&seed, put] {
            const auto records = notes<Note>(block, ++seed);
            return time_of([&] {
                for (const auto& record : records) put(record);
            });
        };
    };
    const auto here = each([&](const Record& record) { store.put(record); });
    compare("put, its own transaction, us", 1.15, 41, block,
            each([&](const Record& record) { hand.put(record); }), here);
    compare("D3 put, against append and fdatasync", 1.6, 41, block,
            each([&](const Record& record) { log.append(record); }), here);
    compare("D2 put, the disk not waited for", 1.3, 41, block,
            each([&](const Record& record) { relaxed_hand.put(record); }),
            each([&](const Record& record) { relaxed.put(record); }));
}

void batches(const fs::path& folder, std::size_t count) {
    int round = 0;
    compare(
        "D1 put_all, one transaction, us a record", 1.25, 5, count,
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
        "D6 open, us a record", 1.1, 7, count,
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

/// An engine, and its store in a file.
struct Device {
    explicit Device(const fs::path& file) : store(sqlite_storage<Note>(file)) {}

    LocalStore<Note> store;
    SyncEngine<Note> engine{store,
                            ConflictResolver<Note>{ConflictStrategy::latest_wins},
                            {},
                            {.executor = inline_executor()}};
};

void first_pulls(const fs::path& folder, std::size_t count) {
    const auto records = notes<Note>(count);
    const auto pages = pages_of(records);
    int round = 0;
    compare(
        "D4 first pull from text, against parse and insert", 1.1, 5, count,
        [&] {
            HandWritten hand{folder / ("hand-pull" + std::to_string(++round))};
            return time_of([&] {
                std::vector<nlohmann::json> trees;
                for (const auto& page : pages) trees.push_back(nlohmann::json::parse(page));
                hand.put_all(records);
            });
        },
        [&] {
            Device device{folder / ("ours-pull" + std::to_string(round))};
            const auto pull = reading<Note>(pages);
            const auto time = time_of([&] { device.engine.sync({.pull = pull}).get(); });
            return device.store.count() == count ? time : Microseconds{0};
        });
}

void pushes(const fs::path& folder, std::size_t count) {
    const auto records = notes<Note>(count);
    int round = 0;
    compare(
        "D7 push all, against one UPDATE of each", 1.2, 5, count,
        [&] {
            HandWritten hand{folder / ("hand-push" + std::to_string(++round))};
            hand.put_all(records);
            return time_of([&] { hand.update_all(records, {}); });
        },
        [&] {
            Device device{folder / ("ours-push" + std::to_string(round))};
            device.store.put_all(records);
            Microseconds own{0};
            const auto time = time_of([&] {
                device.engine
                    .sync({.push = accepting<Note>(own)}, {.direction = SyncDirection::push})
                    .get();
            });
            return device.store.find_pending().empty() ? time - own : Microseconds{0};
        });
}

/// One in a hundred changed on each side.
void increments(const fs::path& folder, std::size_t count) {
    auto records = notes<Note>(count);
    for (auto& record : records) record.revision = "1";
    HandWritten hand{folder / "hand-some"};
    hand.put_all(records);
    Device device{folder / "ours-some"};
    device.engine.sync({.pull = serving<Note>(records)}).get();
    std::shuffle(records.begin(), records.end(), std::mt19937_64{7});
    const std::size_t few = std::max<std::size_t>(count / 100, 1);
    const auto part = [&](std::size_t which) {
        const auto begin = records.begin() + static_cast<std::ptrdiff_t>(which * few);
        return std::vector<Record>(begin, begin + static_cast<std::ptrdiff_t>(few));
    };
    int version = 1;
    std::size_t cursor = count;
    compare(
        "D8 sync of 1 % changed on each side", 1.2, 9, 2 * few,
        [&] { return time_of([&] { hand.update_all(part(0), part(1)); }); },
        [&] {
            ++version;
            const auto change = [&](Note& note) { note.n = version; };
            for (const auto& record : part(0)) device.store.update(record.id, change);
            auto arrived = part(1);
            for (auto& record : arrived) {
                change(record.data);
                record.version = static_cast<std::uint64_t>(version);
                record.updated_at += std::chrono::seconds{version};
                record.revision = std::to_string(version);
            }
            Microseconds own{0};
            const auto pull =
                serving<Note>(std::move(arrived), std::exchange(cursor, cursor + few));
            const auto time = time_of(
                [&] { device.engine.sync({.push = accepting<Note>(own), .pull = pull}).get(); });
            return device.store.find_pending().empty() ? time - own : Microseconds{0};
        });
}

/// What a large commit leaves for the next small one to clear up.
void after_large(const fs::path& folder, std::size_t count) {
    int round = 0;
    std::unique_ptr<Device> device;
    const auto put_one = [&] {
        const auto record = notes<Note>(1, static_cast<unsigned>(1000 + ++round)).front();
        return time_of([&] { device->store.put(record); });
    };
    compare(
        "D9 first put after put_all, against a later one", 2, 9, 1,
        [&] {
            if (device == nullptr) device = std::make_unique<Device>(folder / "after-0");
            for (int n = 0; n < 10; ++n) (void)put_one();
            return put_one();
        },
        [&] {
            device = std::make_unique<Device>(folder / ("after-" + std::to_string(round)));
            device->store.put_all(notes<Note>(count));
            return put_one();
        });
}

void disk_use(const fs::path& folder, std::size_t count) {
    const auto hand = folder / "hand-size.db";
    const auto ours = folder / "ours-size.db";
    { HandWritten{hand}.put_all(notes<Note>(count)); }
    { LocalStore<Note>{sqlite_storage<Note>(ours)}.put_all(notes<Note>(count)); }
    const auto size_of = [](const fs::path& file) {
        return static_cast<double>(fs::file_size(file));
    };
    report("D10 disk, bytes a record", 1.15, count, size_of(hand), size_of(ours));
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
    std::size_t count = 100'000;
    for (int n = 1; n < argc; ++n) {
        const auto number = std::strtoull(argv[n], nullptr, 10);
        if (number > 0) {
            count = number;
        } else {
            measuring.only = argv[n];
        }
    }
    const auto folder = fresh_folder();
    std::printf("%-50s %9s %9s %9s\n", "work", "reference", "ours", "ratio");
    single_puts(folder);
    batches(folder, count);
    openings(folder, count);
    writers(folder);
    first_pulls(folder, count);
    pushes(folder, count);
    increments(folder, count);
    after_large(folder, count);
    disk_use(folder, count);
    fs::remove_all(folder);
}
