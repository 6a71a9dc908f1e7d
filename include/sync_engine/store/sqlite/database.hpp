// SPDX-License-Identifier: MIT
#pragma once

#include <sync_engine/record/error.hpp>
#include <sync_engine/record/utf8.hpp>

#include <sqlite3.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

/// SQLite's C interface, owned and with exceptions: as much of it as the storage needs.
namespace sync_engine::sqlite {

/// A call of SQLite that failed. `code` is SQLite's extended result code.
class SqliteError : public StorageError {
public:
    SqliteError(int result, const std::string& message) : StorageError(message), code(result) {}

    /// The code without its extension.
    [[nodiscard]] int primary() const noexcept { return code & 0xFF; }

    int code;
};

/// A prepared statement; what it is bound to has to live until `reset`.
class Statement {
public:
    Statement(sqlite3* database, std::string_view sql) {
        sqlite3_stmt* prepared = nullptr;
        const int result = sqlite3_prepare_v3(database, sql.data(), static_cast<int>(sql.size()),
                                              SQLITE_PREPARE_PERSISTENT, &prepared, nullptr);
        handle_.reset(prepared);
        if (result != SQLITE_OK) throw SqliteError(result, sqlite3_errmsg(database));
    }

    Statement& bind(int place, std::string_view text) {
        // A null pointer would be NULL, which is not an empty text.
        const char* bytes = text.data() == nullptr ? "" : text.data();
        check(sqlite3_bind_text64(handle_.get(), place, bytes, text.size(), SQLITE_STATIC,
                                  SQLITE_UTF8));
        return *this;
    }
    Statement& bind(int place, std::int64_t number) {
        check(sqlite3_bind_int64(handle_.get(), place, number));
        return *this;
    }

    /// True if there is a row to read; the last row's texts are void after this.
    bool step() {
        const int result = sqlite3_step(handle_.get());
        if (result == SQLITE_ROW) return true;
        if (result == SQLITE_DONE) return false;
        // The message first: the next call on the connection replaces it.
        SqliteError error{result, sqlite3_errmsg(sqlite3_db_handle(handle_.get()))};
        sqlite3_reset(handle_.get());
        throw error;
    }

    /// Ready to be bound and run again.
    void reset() noexcept {
        sqlite3_reset(handle_.get());
        sqlite3_clear_bindings(handle_.get());
    }

    /// Runs a statement that answers no row, and resets it whatever comes of it.
    void run() {
        const Reset at_end{*this};
        step();
    }

    [[nodiscard]] bool is_null(int column) const noexcept {
        return sqlite3_column_type(handle_.get(), column) == SQLITE_NULL;
    }
    [[nodiscard]] bool is_text(int column) const noexcept {
        return sqlite3_column_type(handle_.get(), column) == SQLITE_TEXT;
    }
    /// The text of a column; valid until the next step. Throws `StorageError` for any other type.
    [[nodiscard]] std::string_view text(int column) const {
        require_type(column, SQLITE_TEXT, "text");
        const auto* bytes = sqlite3_column_text(handle_.get(), column);
        if (bytes == nullptr) throw SqliteError(SQLITE_NOMEM, "out of memory");
        const auto size = static_cast<std::size_t>(sqlite3_column_bytes(handle_.get(), column));
        return {reinterpret_cast<const char*>(bytes), size};
    }
    /// The number in a column. Throws `StorageError` for any other type.
    [[nodiscard]] std::int64_t integer(int column) const {
        require_type(column, SQLITE_INTEGER, "a whole number");
        return sqlite3_column_int64(handle_.get(), column);
    }

    /// Resets a statement at the end of a scope.
    struct Reset {
        explicit Reset(Statement& used) noexcept : statement(used) {}
        Reset(const Reset&) = delete;
        Reset& operator=(const Reset&) = delete;
        ~Reset() { statement.reset(); }
        Statement& statement;
    };

private:
    struct Finalize {
        void operator()(sqlite3_stmt* statement) const noexcept { sqlite3_finalize(statement); }
    };

    void check(int result) {
        if (result == SQLITE_OK) return;
        throw SqliteError(result, sqlite3_errmsg(sqlite3_db_handle(handle_.get())));
    }

    void require_type(int column, int type, const char* expected) const {
        if (sqlite3_column_type(handle_.get(), column) == type) return;
        throw StorageError("column " + quoted(sqlite3_column_name(handle_.get(), column)) +
                           " does not hold " + expected);
    }

    std::unique_ptr<sqlite3_stmt, Finalize> handle_;
};

/// A connection to one database file.
class Database {
public:
    /// `flags` are those of sqlite3_open_v2; `vfs` is the name of one, or empty for the default.
    Database(const std::string& file, int flags, const std::string& vfs) {
        sqlite3* opened = nullptr;
        const int result = sqlite3_open_v2(file.c_str(), &opened, flags | SQLITE_OPEN_EXRESCODE,
                                           vfs.empty() ? nullptr : vfs.c_str());
        handle_.reset(opened);  // a failed open leaves a handle too
        if (result != SQLITE_OK) {
            throw SqliteError(result,
                              opened == nullptr ? sqlite3_errstr(result) : sqlite3_errmsg(opened));
        }
    }

    [[nodiscard]] Statement prepare(std::string_view sql) { return {handle_.get(), sql}; }

    /// Runs one statement, whatever rows it answers.
    void run(std::string_view sql) {
        Statement statement = prepare(sql);
        while (statement.step()) {
        }
    }

    /// The first column of the first row, as text or as a number.
    [[nodiscard]] std::string text(std::string_view sql) {
        Statement statement = prepare(sql);
        return statement.step() ? std::string{statement.text(0)} : std::string{};
    }
    [[nodiscard]] std::int64_t integer(std::string_view sql) {
        Statement statement = prepare(sql);
        return statement.step() ? statement.integer(0) : 0;
    }

    /// Switches one of SQLite's options of a connection (SQLITE_DBCONFIG_...).
    void configure(int option, bool on) {
        const int result =
            sqlite3_db_config(handle_.get(), option, on ? 1 : 0, static_cast<int*>(nullptr));
        if (result != SQLITE_OK) throw SqliteError(result, sqlite3_errstr(result));
    }
    void set_limit(int limit, int value) { sqlite3_limit(handle_.get(), limit, value); }

    /// Whether the file was deleted, moved or replaced since it was opened.
    [[nodiscard]] bool has_moved() {
        int moved = 0;
        const int result =
            sqlite3_file_control(handle_.get(), nullptr, SQLITE_FCNTL_HAS_MOVED, &moved);
        return result == SQLITE_OK && moved != 0;
    }

    [[nodiscard]] bool is_in_transaction() const noexcept {
        return sqlite3_get_autocommit(handle_.get()) == 0;
    }

    [[nodiscard]] sqlite3* handle() const noexcept { return handle_.get(); }

private:
    struct Close {
        void operator()(sqlite3* database) const noexcept { sqlite3_close_v2(database); }
    };

    std::unique_ptr<sqlite3, Close> handle_;
};

}  // namespace sync_engine::sqlite
