// SPDX-License-Identifier: MIT
// The rig itself is tested, on SQLite without us: what is known to survive a power cut has to
// survive it here, and what is known to lose or to break has to be seen to lose and to break.
//
//     plain_sqlite [PATTERNS]
#include "durability/disk.hpp"
#include "durability/disk_vfs.hpp"

#include <sqlite3.h>

#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

using namespace sync_engine::test;

/// A way to run SQLite, and what is known of it.
struct Mode {
    std::string journal{};
    std::string synchronous{};
    Device device{};
    bool may_lose = false;
    bool may_break = false;
};

/// An instant at which the power may go.
struct Instant {
    Disk disk{};
    int acknowledged = 0;  ///< transactions that the app was told are done
};

struct Count {
    int cuts = 0;
    int corrupt = 0;
    int half = 0;
    int lost = 0;
};

class Database {
public:
    Database(const DiskVfs& vfs, const Mode& mode) {
        constexpr int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
        sqlite3* opened = nullptr;
        const int code = sqlite3_open_v2("app.db", &opened, flags, vfs.name().c_str());
        handle_.reset(opened);
        require(code);
        run("PRAGMA locking_mode=EXCLUSIVE");
        run("PRAGMA journal_mode=" + mode.journal);
        run("PRAGMA synchronous=" + mode.synchronous);
    }

    /// The first value of the last row, as text.
    std::string run(const std::string& sql) {
        std::string value;
        const auto keep = [](void* out, int, char** values, char**) {
            *static_cast<std::string*>(out) = values[0] == nullptr ? "" : values[0];
            return 0;
        };
        require(sqlite3_exec(handle_.get(), sql.c_str(), keep, &value, nullptr));
        return value;
    }

private:
    struct Close {
        void operator()(sqlite3* database) const { sqlite3_close(database); }
    };

    static void require(int code) {
        if (code != SQLITE_OK) throw std::runtime_error(sqlite3_errstr(code));
    }

    std::unique_ptr<sqlite3, Close> handle_;
};

/// One record and its place in the outbox: both or none.
void commit(Database& database, int number) {
    const std::string n = std::to_string(number);
    database.run("BEGIN IMMEDIATE");
    database.run("INSERT INTO record VALUES(" + n + ", printf('%.*c', 700 + 97 * " + n + ", 'x'))");
    database.run("INSERT INTO outbox VALUES(" + n + ")");
    database.run("COMMIT");
}

/// Every instant of twelve transactions, from the creation of the file to its closing.
std::vector<Instant> instants_of(const Mode& mode) {
    constexpr int transactions = 12;
    std::vector<Instant> instants;
    int acknowledged = 0;
    {
        DiskVfs vfs{Disk{mode.device}};
        vfs.after = [&](Call call) {
            const bool changes = call != Call::read && call != Call::size && call != Call::lock;
            if (changes) instants.push_back({vfs.disk(), acknowledged});
        };
        Database database(vfs, mode);
        database.run("CREATE TABLE record(id PRIMARY KEY, body)");
        database.run("CREATE TABLE outbox(id PRIMARY KEY)");
        while (acknowledged < transactions) {
            commit(database, acknowledged + 1);
            ++acknowledged;
            instants.push_back({vfs.disk(), acknowledged});
        }
    }
    return instants;
}

/// Boots again and counts what is wrong.
void judge(const Instant& instant, unsigned pattern, const Mode& mode, Count& count) {
    ++count.cuts;
    const DiskVfs vfs(instant.disk.after_cut(pattern));
    try {
        Database database(vfs, mode);
        if (database.run("PRAGMA integrity_check") != "ok") throw std::runtime_error("corrupt");
        const auto rows = [&](const std::string& table) {
            if (database.run("SELECT count(*) FROM sqlite_schema WHERE name='" + table + "'") ==
                "0")
                return 0;
            return std::stoi(database.run("SELECT count(*) FROM " + table));
        };
        const int records = rows("record");
        if (records != rows("outbox")) ++count.half;
        if (records < instant.acknowledged) ++count.lost;
    } catch (const std::exception&) {
        ++count.corrupt;
    }
}

bool is_as_known(const Mode& mode, const Count& count) {
    const bool has_lost = count.lost > 0;
    const bool has_broken = count.corrupt > 0;
    return has_broken == mode.may_break && has_lost == (mode.may_lose || has_broken) &&
           (count.half == 0 || mode.may_break);
}

}  // namespace

int main(int count, char** arguments) {
    const auto patterns =
        static_cast<unsigned>(count > 1 ? std::strtoul(arguments[1], nullptr, 10) : 6);
    const Device lesser{.powersafe_overwrite = false};
    const std::vector<Mode> modes{
        {.journal = "WAL", .synchronous = "FULL"},
        {.journal = "WAL", .synchronous = "FULL", .device = lesser},
        {.journal = "WAL", .synchronous = "NORMAL", .may_lose = true},
        {.journal = "WAL", .synchronous = "OFF", .may_lose = true, .may_break = true},
        {.journal = "DELETE", .synchronous = "EXTRA"},
        {.journal = "DELETE", .synchronous = "OFF", .may_lose = true, .may_break = true},
    };
    bool is_good = true;
    std::printf("journal  synchronous  overwrite   cuts  corrupt  half  lost\n");
    for (const Mode& mode : modes) {
        Count total;
        for (const Instant& instant : instants_of(mode)) {
            for (unsigned pattern = 0; pattern < patterns; ++pattern) {
                judge(instant, pattern, mode, total);
            }
        }
        const bool is_fine = is_as_known(mode, total);
        is_good = is_good && is_fine;
        std::printf("%-8s %-12s %-9s %6d  %7d %5d %5d%s\n", mode.journal.c_str(),
                    mode.synchronous.c_str(), mode.device.powersafe_overwrite ? "safe" : "unsafe",
                    total.cuts, total.corrupt, total.half, total.lost,
                    is_fine ? "" : "  not what is known of SQLite");
    }
    return is_good ? 0 : 1;
}
