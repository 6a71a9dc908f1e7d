// SPDX-License-Identifier: MIT
#pragma once

#include <sync_engine/record/error.hpp>
#include <sync_engine/record/utf8.hpp>
#include <sync_engine/store/entry.hpp>
#include <sync_engine/store/sqlite/database.hpp>
#include <sync_engine/store/sqlite/file.hpp>
#include <sync_engine/store/sqlite/rows.hpp>
#include <sync_engine/store/sqlite/sent_rows.hpp>

#include <nlohmann/json.hpp>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace sync_engine {

/// What `salvage` could do.
struct SalvageReport {
    std::size_t entries = 0;  ///< how many the visitor was given
    /// A sentence for each record that is known to be there and could not be read, and for each
    /// part of the file that could not. Empty: everything was read.
    std::vector<std::string> losses{};

    /// Whether everything was read.
    [[nodiscard]] bool is_whole() const noexcept { return losses.empty(); }
};

namespace sqlite {

/// Reads a damaged file row by row, around what cannot be read.
template <class Data, class Visitor>
class Salvage {
public:
    Salvage(const std::string& file, const std::string& vfs, Visitor& visitor)
        : database_(file, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOFOLLOW | SQLITE_OPEN_NOMUTEX, vfs),
          visitor_(visitor) {
        database_.configure(SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true);
        distrust(database_);
        // Otherwise SQLite reads nothing of a file that is shorter than its header says. Nothing is
        // written here, so nothing has to be defended.
        database_.configure(SQLITE_DBCONFIG_DEFENSIVE, false);
        database_.configure(SQLITE_DBCONFIG_WRITABLE_SCHEMA, true);
        database_.run("PRAGMA locking_mode = EXCLUSIVE");
        (void)database_.prepare(read_records);  // throws where there is no such table
    }

    [[nodiscard]] SalvageReport run() {
        scan(1, last_row());
        name_the_lost();
        return std::move(report_);
    }

private:
    /// Reads the rows from `first` to `last`; where one cannot be read, its two halves apart.
    void scan(std::int64_t first, std::int64_t last) {
        const std::optional<std::string> trouble = read_rows(first, last);
        if (!trouble || first > last) return;
        if (first == last) {
            unread_ = *trouble;
            return;
        }
        const std::int64_t middle = first + (last - first) / 2;
        scan(first, middle);
        scan(middle + 1, last);
    }

    /// Moves `first` past each row that was read; answers what ended it before `last`, if anything.
    /// The visitor is called where nothing is caught: what it throws is not the file's trouble.
    [[nodiscard]] std::optional<std::string> read_rows(std::int64_t& first, std::int64_t last) {
        std::optional<Statement> rows;
        for (;;) {
            std::optional<Entry<Data>> entry;
            try {
                if (!rows) {
                    rows.emplace(database_.prepare(read_records)).bind(1, first).bind(2, last);
                }
                if (!rows->step()) return std::nullopt;
                first = rows->integer(13) + 1;
                entry = read(*rows);
            } catch (const SqliteError& error) {
                return error.what();
            }
            if (!entry) continue;
            visitor_(std::as_const(*entry));
            ++report_.entries;
        }
    }

    /// The entry of a row; none where it makes no sense, which is a loss.
    [[nodiscard]] std::optional<Entry<Data>> read(const Statement& row) {
        const std::string id = id_of(row);
        std::optional<Entry<Data>> entry;
        try {
            entry = entry_of<Data>(row);
            read_sent(*entry);
        } catch (const FormatError& error) {
            report_.losses.emplace_back(error.what());
        }
        seen_.insert(id);
        return entry;
    }

    /// Empty where what is there is no id.
    [[nodiscard]] static std::string id_of(const Statement& row) {
        return row.is_text(0) ? std::string{row.text(0)} : std::string{};
    }

    /// Without it, an entry is only less sure to know its own echo.
    void read_sent(Entry<Data>& entry) {
        if (!is_sent_readable_) return;
        try {
            if (!sent_) sent_.emplace(database_);
            sent_->read(entry);
        } catch (const SqliteError& error) {
            report_.losses.push_back(std::string{"what was sent: "} + error.what());
            is_sent_readable_ = false;
        } catch (const FormatError& error) {
            report_.losses.emplace_back(error.what());
        }
    }

    /// The number of the last row; from the index where the table does not tell.
    [[nodiscard]] std::int64_t last_row() {
        for (const auto* sql : {"SELECT max(rowid) FROM records",
                                "SELECT max(rowid) FROM records INDEXED BY "
                                "sqlite_autoindex_records_1"}) {
            try {
                Statement statement = database_.prepare(sql);
                if (statement.step() && !statement.is_null(0)) return statement.integer(0);
                return 0;
            } catch (const SqliteError& error) {
                report_.losses.push_back(std::string{"the end of the table: "} + error.what());
            }
        }
        return most_rows;
    }

    /// The index holds the ids once more.
    void name_the_lost() {
        const std::size_t before = report_.losses.size();
        try {
            Statement ids =
                database_.prepare("SELECT id FROM records INDEXED BY sqlite_autoindex_records_1");
            while (ids.step()) {
                const std::string id = id_of(ids);
                if (!seen_.contains(id)) {
                    report_.losses.push_back(detail::named(id) + " is there, but cannot be read");
                }
            }
        } catch (const SqliteError& error) {
            report_.losses.push_back(std::string{"the index of the records: "} + error.what());
        }
        if (!unread_.empty() && report_.losses.size() == before) {
            report_.losses.push_back("a part of the table: " + unread_);
        }
    }

    // Where nothing tells how many there are. Each row that cannot be read costs one attempt.
    static constexpr std::int64_t most_rows = 1'000'000;

    Database database_;
    std::optional<SentRows> sent_;
    bool is_sent_readable_ = true;
    Visitor& visitor_;
    SalvageReport report_;
    std::set<std::string> seen_;
    std::string unread_;
};

}  // namespace sqlite

/// Reads what can be read of a damaged file, and calls `visitor(const Entry<Data>&)` for each
/// entry: `local` is what the app saw last, `is_dirty()` says that the remote may not have it.
///
/// Changes nothing in the file or its log; copy both away before anything else is tried. Throws
/// `StorageError` if the file cannot be opened at all, and what the visitor throws.
template <class Data = nlohmann::json, class Visitor>
SalvageReport salvage(const std::filesystem::path& path, Visitor&& visitor,
                      const std::string& vfs = {}) {
    const std::string file = vfs.empty() ? sqlite::resolved(path) : path.string();
    std::optional<sqlite::Salvage<Data, Visitor>> opened;
    try {
        opened.emplace(file, vfs, visitor);
    } catch (const sqlite::SqliteError& error) {
        throw sqlite::explained(file, error);
    }
    return opened->run();
}

}  // namespace sync_engine
