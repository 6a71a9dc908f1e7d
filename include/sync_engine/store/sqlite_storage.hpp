// SPDX-License-Identifier: MIT
#pragma once

#include <sync_engine/record/error.hpp>
#include <sync_engine/record/utf8.hpp>
#include <sync_engine/store/sequence.hpp>
#include <sync_engine/store/sqlite/database.hpp>
#include <sync_engine/store/sqlite/file.hpp>
#include <sync_engine/store/sqlite/rows.hpp>
#include <sync_engine/store/sqlite/salvage.hpp>
#include <sync_engine/store/sqlite/sent_rows.hpp>
#include <sync_engine/store/storage.hpp>

#include <nlohmann/json.hpp>
#include <sqlite3.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <filesystem>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <utility>

namespace sync_engine {

/// How a SQLite storage is opened.
struct SqliteOptions {
    /// What a power cut may cost.
    Durability durability = Durability::full;
    /// The version of the app's own data, from 1 on. A file of an older one is migrated when it is
    /// opened, a file of a newer one is refused.
    unsigned schema_version = 1;
    /// Brings the JSON of a record from version `from` to `schema_version`: of every record, and of
    /// its base, sent states and theirs, unsent edits included. It may change everything but the
    /// id. All of them are written in one transaction; if one throws, or cannot be read as `Data`
    /// afterwards, the file stays as it was.
    std::function<nlohmann::json(nlohmann::json record, unsigned from)> migrate{};
    /// How long opening waits for somebody else who has the file, such as a backup program.
    std::chrono::milliseconds patience = std::chrono::seconds{1};
    /// The SQLite VFS that does the work, by name; empty: the default one.
    std::string vfs{};
};

/// A store's commits in a SQLite file: what is committed outlives the process, and the power.
///
/// One commit is one transaction in the write-ahead log. Memory holds everything as well; the file
/// is read once, when a store opens it. docs/sqlite-file.md describes the file. A process that
/// forks must not use a storage that was opened before.
template <class Data = nlohmann::json>
class SqliteStorage final : public Storage<Data> {
public:
    /// Opens the file, or makes it. Throws `StorageError` with the reason, and leaves the file
    /// untouched, if it is damaged, of another program, of a newer version, or open elsewhere.
    explicit SqliteStorage(const std::filesystem::path& path, SqliteOptions options = {})
        : options_(std::move(options)),
          file_(path, {.durability = options_.durability,
                       .vfs = options_.vfs,
                       .patience = options_.patience,
                       .schema_version = options_.schema_version}),
          write_record_(file_.database().prepare(sqlite::write_record)),
          erase_record_(file_.database().prepare("DELETE FROM records WHERE id = ?1")),
          sent_(file_.database()),
          write_state_(file_.database().prepare(sqlite::write_state)),
          begin_(file_.database().prepare("BEGIN IMMEDIATE")),
          end_(file_.database().prepare("COMMIT")) {}

    [[nodiscard]] StorageImage<Data> load() override {
        auto image = file_.translated([&] { return load_migrated(); });
        file_.accept();
        return image;
    }

    /// One transaction, as durable as `SqliteOptions::durability` says. Throws `StorageError`, and
    /// the file is as it was.
    void commit(const StorageBatch<Data>& batch) override {
        file_.translated([&] {
            if (database().has_moved()) {
                throw sqlite::SqliteError(SQLITE_READONLY_DBMOVED, "nothing is stored any more");
            }
            std::optional<StoreState> changed;  // copied now: once it is stored, nothing may fail
            if (!is_told_by_rows(batch)) changed = *batch.state;
            in_transaction([&] {
                write(batch);
                if (changed) sqlite::write(write_state_, *changed);
            });
            if (changed) state_ = std::move(changed);
            state_->sequence = batch.state->sequence;
        });
    }

private:
    [[nodiscard]] sqlite::Database& database() noexcept { return file_.database(); }

    void write(const StorageBatch<Data>& batch) {
        if (batch.clear) {
            database().run("DELETE FROM records");
            database().run("DELETE FROM sent");
        }
        const bool is_known = batch.known.size() == batch.write.size();
        for (std::size_t place = 0; place < batch.write.size(); ++place) {
            const Entry<Data>& entry = *batch.write[place];
            if (is_known) {
                write(batch.known[place], entry);
            } else {
                overwrite(entry);
            }
        }
        for (const auto id : batch.erase) {
            erase_record_.bind(1, id).run();
            sent_.erase(id);
        }
    }

    /// Writes what is new in an entry.
    void write(const Entry<Data>* before, const Entry<Data>& entry) {
        if (before == nullptr || !same_but_sent(*before, entry)) {
            sqlite::write(write_record_, entry);
        }
        if (before != nullptr && !before->sent().empty()) sent_.erase(entry.local->id);
        sent_.insert(entry);
    }

    /// Writes all of an entry, whatever was there.
    void overwrite(const Entry<Data>& entry) {
        sqlite::write(write_record_, entry);
        sent_.erase(entry.local->id);
        sent_.insert(entry);
    }

    /// Whether nothing of the state is new but the sequence, and the rows of the records say that:
    /// then its own row, and with it a page, stays as it is. So it is with an edit.
    [[nodiscard]] bool is_told_by_rows(const StorageBatch<Data>& batch) const {
        const bool may_forget_highest = batch.clear || !batch.erase.empty();
        if (!state_ || may_forget_highest) return false;
        if (!sqlite::same_but_sequence(*state_, *batch.state)) return false;
        Sequence highest = state_->sequence;
        for (const auto* entry : batch.write) highest = std::max(highest, entry->sequence);
        return highest == batch.state->sequence;
    }

    /// Runs `body` in a transaction that is whole or was never there.
    template <class Body>
    void in_transaction(const Body& body) {
        begin_.run();
        bool is_written = false;
        try {
            body();
            is_written = true;
            end_.run();
        } catch (...) {
            undo(is_written);
            throw;
        }
    }

    /// Takes back a transaction that failed. If it failed while the log was written, all of it may
    /// be there, and count after a crash: what is written next takes its place, so that is done at
    /// once. If the disk fails that too, the next commit does it.
    void undo(bool may_be_in_log) noexcept {
        try {
            if (database().is_in_transaction()) database().run("ROLLBACK");
            if (!may_be_in_log) return;
            begin_.run();
            database().run("UPDATE state SET undone = undone + 1");  // SQLite skips what is equal
            end_.run();
        } catch (const std::exception&) {
            if (database().is_in_transaction()) {
                sqlite3_exec(database().handle(), "ROLLBACK", nullptr, nullptr, nullptr);
            }
        }
    }

    [[nodiscard]] StorageImage<Data> load_migrated() {
        const auto stored = database().integer("SELECT schema_version FROM state");
        if (stored == options_.schema_version) return read({});
        if (stored > options_.schema_version) {
            throw sqlite::refused(file_.name(),
                                  "its data has schema version " + std::to_string(stored) +
                                      ", and this app knows " +
                                      std::to_string(options_.schema_version) + "; update the app");
        }
        if (!options_.migrate) {
            throw sqlite::refused(file_.name(),
                                  "its data has schema version " + std::to_string(stored) +
                                      "; give SqliteOptions a `migrate` that brings it to " +
                                      std::to_string(options_.schema_version));
        }
        StorageImage<Data> image;
        in_transaction([&] { image = migrate(static_cast<unsigned>(stored)); });
        return image;
    }

    [[nodiscard]] StorageImage<Data> migrate(unsigned from) {
        auto image =
            read([&](nlohmann::json record) { return options_.migrate(std::move(record), from); });
        for (const auto& entry : image.entries) overwrite(entry);
        database()
            .prepare("UPDATE state SET schema_version = ?1")
            .bind(1, std::int64_t{options_.schema_version})
            .run();
        return image;
    }

    [[nodiscard]] StorageImage<Data> read(const sqlite::Revise& revise) {
        StorageImage<Data> image;
        auto state = database().prepare(sqlite::read_state);
        if (!state.step()) throw sqlite::refused(file_.name(), "it has no state");
        image.state = sqlite::state_of(state);
        Sequence& last = image.state.sequence;
        // Rows are never more than that; erased ones have left gaps.
        const auto most = database().integer("SELECT coalesce(max(rowid), 0) FROM records");
        image.entries.reserve(
            static_cast<std::size_t>(std::clamp(most, std::int64_t{0}, largest_reserve)));
        auto rows = database().prepare(sqlite::read_records);
        rows.bind(1, std::numeric_limits<std::int64_t>::min()).bind(2, most);
        const auto sent_states = database().integer("SELECT count(*) FROM sent");
        std::size_t sent_read = 0;
        sqlite::DataBatch<Data> batch;
        const auto later = [&](auto text, auto& record) { batch.add(text, record); };
        while (rows.step()) {
            image.entries.push_back(sqlite::entry_of<Data>(rows, revise, later));
            Entry<Data>& entry = image.entries.back();
            last = std::max(last, entry.sequence);
            if (sent_states > 0) sent_.read(entry, revise);
            sent_read += entry.sent().size();
            if (batch.is_full()) batch.read();
        }
        batch.read();
        if (sent_read != static_cast<std::size_t>(sent_states)) {
            throw sqlite::refused(file_.name(), "something was sent of a record that is not there");
        }
        state_ = image.state;
        return image;
    }

    static constexpr std::int64_t largest_reserve = 1'000'000;

    SqliteOptions options_;
    sqlite::File file_;
    std::optional<StoreState> state_{};  // what a load would answer; none: not known yet
    sqlite::Statement write_record_;
    sqlite::Statement erase_record_;
    sqlite::SentRows sent_;
    sqlite::Statement write_state_;
    sqlite::Statement begin_;
    sqlite::Statement end_;
};

/// Opens or makes the file for a store: `LocalStore<Data> store{sqlite_storage<Data>("app.db")}`.
/// Throws `StorageError`; see `SqliteStorage`.
template <class Data = nlohmann::json>
[[nodiscard]] std::shared_ptr<Storage<Data>> sqlite_storage(const std::filesystem::path& path,
                                                            SqliteOptions options = {}) {
    return std::make_shared<SqliteStorage<Data>>(path, std::move(options));
}

}  // namespace sync_engine
