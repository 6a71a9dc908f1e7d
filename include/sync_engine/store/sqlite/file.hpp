// SPDX-License-Identifier: MIT
#pragma once

#include <sync_engine/record/error.hpp>
#include <sync_engine/record/utf8.hpp>
#include <sync_engine/store/sqlite/database.hpp>

#include <sqlite3.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#ifndef _WIN32
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#endif

namespace sync_engine {

/// What a power cut may cost.
enum class Durability {
    /// Nothing: a commit is on the disk when it returns.
    full,
    /// The last commits, from whole transactions: the disk is waited for now and then only. The
    /// file is never damaged, and a process that dies alone loses nothing; but an edit that `put`
    /// returned for may be gone after a power cut, and what the remote acknowledged of it is news.
    normal,
};

namespace sqlite {

/// What makes a file one of ours, in its header: "SyNe".
inline constexpr std::int64_t application_id = 0x53794E65;
/// The layout of the tables below; a file with a higher one is refused.
inline constexpr std::int64_t format_version = 1;

/// The tables, as docs/sqlite-file.md describes them.
inline constexpr std::string_view records_table =
    "CREATE TABLE records ("
    "id TEXT NOT NULL PRIMARY KEY, "
    "data TEXT, "
    "status TEXT NOT NULL, "
    "updated_at TEXT NOT NULL, "
    "version INTEGER NOT NULL, "
    "tags TEXT NOT NULL, "
    "revision TEXT NOT NULL, "
    "sequence INTEGER NOT NULL, "
    "is_clean INTEGER NOT NULL, "
    "conflicted INTEGER NOT NULL, "
    "pulled_since_ack INTEGER NOT NULL, "
    "absent_once INTEGER NOT NULL, "
    "background TEXT)";
inline constexpr std::string_view sent_table =
    "CREATE TABLE sent ("
    "id TEXT NOT NULL, "
    "place INTEGER NOT NULL, "
    "operation_id TEXT NOT NULL, "
    "sequence INTEGER NOT NULL, "
    "attempts INTEGER NOT NULL, "
    "record TEXT, "
    "PRIMARY KEY (id, place)) WITHOUT ROWID";
inline constexpr std::string_view state_table =
    "CREATE TABLE state ("
    "only_row INTEGER NOT NULL PRIMARY KEY CHECK (only_row = 1), "
    "store_id TEXT NOT NULL, "
    "sequence INTEGER NOT NULL, "
    "epoch INTEGER NOT NULL, "
    "cursor TEXT NOT NULL, "
    "remote_name TEXT NOT NULL, "
    "health TEXT NOT NULL, "
    "metadata TEXT NOT NULL, "
    "schema_version INTEGER NOT NULL, "
    "undone INTEGER NOT NULL)";

/// What a failure means for the one who has to do something about it.
[[nodiscard]] inline std::string_view advice(const SqliteError& error) noexcept {
    if (error.code == SQLITE_CANTOPEN_SYMLINK) return "it is a symbolic link; name the file itself";
    if (error.code == SQLITE_READONLY_DBMOVED) return "it was deleted or moved while it was open";
    switch (error.primary()) {
        case SQLITE_BUSY:
        case SQLITE_LOCKED:
            return "it is open elsewhere, and one store at a time may have it";
        case SQLITE_NOTADB:
            return "it is no database, or its beginning is damaged";
        case SQLITE_CORRUPT:
            return "it is damaged; sync_engine::salvage reads what can be read of it";
        case SQLITE_CANTOPEN:
            return "it cannot be opened; see that its folder exists and may be written";
        case SQLITE_READONLY:
        case SQLITE_PERM:
            return "it may not be written";
        case SQLITE_FULL:
            return "the disk is full";
        case SQLITE_IOERR:
            return "the disk failed";
        case SQLITE_NOMEM:
            return "there is no memory left";
        case SQLITE_TOOBIG:
            return "a value is larger than SQLite takes";
        default:
            return "SQLite refused";
    }
}

/// The error as a user of the storage meets it: which file, what happened, what to do.
[[nodiscard]] inline SqliteError explained(const std::string& file, const SqliteError& error) {
    return {error.code, "storage " + quoted(file) + ": " + std::string{advice(error)} + " (" +
                            error.what() + ")"};
}

[[nodiscard]] inline StorageError refused(const std::string& file, const std::string& reason) {
    return StorageError("storage " + quoted(file) + " is refused: " + reason);
}

/// The name that SQLite takes, with every link in it followed but the file's own.
[[nodiscard]] inline std::string resolved(const std::filesystem::path& path) {
    std::error_code failed;
    const auto whole = std::filesystem::absolute(path, failed);
    const auto folder = std::filesystem::canonical(whole.parent_path(), failed);
    const auto text = (failed ? path : folder / whole.filename()).u8string();
    return {text.begin(), text.end()};
}

/// The name as a URI that SQLite reads without locks, recovery or any change of the file.
[[nodiscard]] inline std::string untouched_uri(const std::string& file) {
    std::string uri = "file:";
    if (file.size() > 1 && file[1] == ':') uri += '/';  // a drive letter
    for (const char each : file) {
        if (each == '\\') {
            uri += '/';
        } else if (each == '?' || each == '#' || each == '%') {
            detail::append_hex(uri, "%", static_cast<unsigned char>(each), 2);
        } else {
            uri += each;
        }
    }
    return uri + "?immutable=1";
}

/// Asks the VFS of this name about a file, as SQLite does (SQLITE_ACCESS_...).
[[nodiscard]] inline bool can_access(const std::string& file, const std::string& vfs, int how) {
    sqlite3_vfs* system = sqlite3_vfs_find(vfs.empty() ? nullptr : vfs.c_str());
    if (system == nullptr) throw StorageError("SQLite knows no VFS " + quoted(vfs));
    int can = 0;
    const int result = system->xAccess(system, file.c_str(), how, &can);
    if (result != SQLITE_OK) throw SqliteError(result, sqlite3_errstr(result));
    return can != 0;
}

/// Whether there is a file with anything in it.
[[nodiscard]] inline bool has_content(const std::string& file, const std::string& vfs) {
    return can_access(file, vfs, SQLITE_ACCESS_EXISTS);
}

/// Makes an empty file that only its owner may read. SQLite would leave that to the umask.
inline void create_private([[maybe_unused]] const std::string& file) {
#ifndef _WIN32
    const int created =
        ::open(file.c_str(), O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC | O_RDWR, S_IRUSR | S_IWUSR);
    if (created >= 0) ::close(created);  // else it is there already, or SQLite says what is wrong
#endif
}

/// A file may have been made by somebody who means harm: nothing in it may run, and no statement of
/// ours may change what SQLite relies on.
inline void distrust(Database& database) {
    database.configure(SQLITE_DBCONFIG_DEFENSIVE, true);
    database.configure(SQLITE_DBCONFIG_TRUSTED_SCHEMA, false);
    database.configure(SQLITE_DBCONFIG_ENABLE_TRIGGER, false);
    database.configure(SQLITE_DBCONFIG_ENABLE_VIEW, false);
    database.set_limit(SQLITE_LIMIT_ATTACHED, 0);
    database.run("PRAGMA cell_size_check = ON");
    database.run("PRAGMA mmap_size = 0");
}

/// A file of ours: opened, checked, and locked until it is closed.
class File {
public:
    struct Options {
        Durability durability = Durability::full;
        std::string vfs{};
        std::chrono::milliseconds patience{0};
        std::int64_t schema_version = 1;  // of the app's data in a new file
    };

    /// Runs `body`; what SQLite says is put in the words of this file.
    template <class Body>
    decltype(auto) translated(Body&& body) const {
        try {
            return std::forward<Body>(body)();
        } catch (const SqliteError& error) {
            throw explained(name_, error);
        } catch (const FormatError& error) {
            throw StorageError("storage " + quoted(name_) + ": " + error.what());
        }
    }

    /// Throws `StorageError`, and leaves the file as it was, if it is not one of ours or damaged.
    File(const std::filesystem::path& path, const Options& options)
        : name_(options.vfs.empty() ? resolved(path) : path.string()), database_(opened(options)) {
        translated([&] { prepare(options); });
    }

    [[nodiscard]] const std::string& name() const noexcept { return name_; }
    [[nodiscard]] Database& database() noexcept { return database_; }
    /// To be called once all of the file was read and understood: from now on, closing may tidy up.
    ///
    /// A log that a dead process has left is folded in and made anew. It may hold a commit that
    /// was never flushed, and what is shown from now on must not go when the power goes; and its
    /// very name may not be safe yet, which SQLite sees to only for a log that it has made.
    void accept() {
        database_.configure(SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false);
        if (!is_log_inherited_) return;
        translated([&] { database_.run("PRAGMA journal_mode = DELETE"); });
        translated([&] { use_log(); });
        is_log_inherited_ = false;
    }

private:
    [[nodiscard]] Database opened(const Options& options) {
        return translated([&] {
            const bool exists = has_content(name_, options.vfs);
            has_log_ = has_content(name_ + "-wal", options.vfs);
            is_log_inherited_ = can_access(name_ + "-wal", options.vfs, SQLITE_ACCESS_READWRITE);
            if (!exists && has_log_) {
                throw refused(
                    name_, "the file is missing or empty, but its log " + quoted(name_ + "-wal") +
                               " is there and may hold edits; bring the file back, or move the "
                               "log away to begin anew");
            }
            if (exists) {
                probe(options);
            } else if (options.vfs.empty()) {
                create_private(name_);
            }
            return Database{name_,
                            SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOFOLLOW |
                                SQLITE_OPEN_NOMUTEX,
                            options.vfs};
        });
    }

    /// Looks at the header before anything is opened that might change a stranger's file.
    void probe(const Options& options) const {
        try {
            Database header{
                untouched_uri(name_),
                SQLITE_OPEN_READONLY | SQLITE_OPEN_URI | SQLITE_OPEN_NOFOLLOW | SQLITE_OPEN_NOMUTEX,
                options.vfs};
            require_ours(header);
        } catch (const SqliteError&) {
            // A process that died may have left a file that only its log or journal makes whole:
            // it is looked at again when SQLite has put the two together.
            if (!has_log_ && !has_content(name_ + "-journal", options.vfs)) throw;
        }
    }

    void require_ours(Database& database) const {
        if (database.integer("PRAGMA application_id") != application_id) {
            throw refused(name_, "it is a database of another program");
        }
        const auto format = database.integer("PRAGMA user_version");
        if (format > format_version) {
            throw refused(name_, "it was written by a newer version of this library, in format " +
                                     std::to_string(format));
        }
    }

    void prepare(const Options& options) {
        // Until all is read, closing must not write the log into a file that may be refused.
        database_.configure(SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true);
        if (sqlite3_db_readonly(database_.handle(), "main") == 1) {
            throw SqliteError(SQLITE_READONLY, sqlite3_errstr(SQLITE_READONLY));
        }
        distrust(database_);
        constexpr std::chrono::milliseconds longest{std::numeric_limits<int>::max()};
        const auto patience = std::clamp(options.patience, std::chrono::milliseconds{0}, longest);
        sqlite3_busy_timeout(database_.handle(), static_cast<int>(patience.count()));
        // No other process gets in until this one closes; and no shared memory beside the file.
        database_.run("PRAGMA locking_mode = EXCLUSIVE");
        database_.run("PRAGMA synchronous = FULL");
        // Where the system's usual flush does not reach the disk itself (Apple).
        database_.run("PRAGMA fullfsync = ON");
        database_.run("PRAGMA checkpoint_fullfsync = ON");

        database_.run("BEGIN IMMEDIATE");
        if (is_blank()) {
            create(options);
        } else {
            require_ours(database_);
            require_tables();
        }
        database_.run("COMMIT");
        use_log();
        if (options.durability == Durability::normal) {
            database_.run("PRAGMA synchronous = NORMAL");
        }
        if (has_log_) require_integrity();
    }

    [[nodiscard]] bool is_blank() {
        return database_.integer("PRAGMA application_id") == 0 &&
               database_.integer("SELECT count(*) FROM sqlite_master") == 0;
    }

    void create(const Options& options) {
        database_.run("PRAGMA application_id = 0x53794E65");
        database_.run("PRAGMA user_version = 1");
        require_ours(database_);  // what is written here is what is asked for there
        database_.run(records_table);
        database_.run(sent_table);
        database_.run(state_table);
        database_
            .prepare(
                "INSERT INTO state VALUES (1, '', 0, 0, 'null', '', "
                "'{\"failures\":0,\"backoff\":{},\"asked\":{}}', '{}', ?1, 0)")
            .bind(1, options.schema_version)
            .run();
    }

    void require_tables() {
        Statement tables = database_.prepare(
            "SELECT sql FROM sqlite_master WHERE type = 'table' AND name = ?1 AND tbl_name = ?1");
        for (const auto& [name, sql] : {std::pair{std::string_view{"records"}, records_table},
                                        {"sent", sent_table},
                                        {"state", state_table}}) {
            const Statement::Reset at_end{tables.bind(1, name)};
            if (!tables.step() || tables.text(0) != sql) {
                throw refused(name_, "its table " + std::string{name} + " is not as it was made");
            }
        }
    }

    void use_log() {
        if (database_.text("PRAGMA journal_mode = WAL") != "wal") {
            throw refused(name_, "there is no write-ahead log on this file system");
        }
    }

    /// The last process did not close the file.
    void require_integrity() {
        const std::string found = database_.text("PRAGMA quick_check(1)");
        if (found == "ok") return;
        throw refused(name_, "it is damaged, " + found +
                                 "; sync_engine::salvage reads what can be read of it");
    }

    std::string name_;
    bool has_log_ = false;           // with something in it
    bool is_log_inherited_ = false;  // perhaps an empty one
    Database database_;
};

}  // namespace sqlite
}  // namespace sync_engine
