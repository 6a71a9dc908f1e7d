// SPDX-License-Identifier: MIT
#pragma once

#include <sync_engine.hpp>
#include <sync_engine/store/sqlite_storage.hpp>

#include "exit_code.hpp"

#include <algorithm>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace fieldbook {

using Json = nlohmann::json;
using Record = sync_engine::SyncRecord<>;
using sync_engine::quoted;

/// Whether a command may begin a new book: looking for one in the wrong folder makes none.
enum class IfMissing { make, refuse };

/// The records in one SQLite file, and the engine that syncs them.
class Book {
public:
    /// Throws `Failure` if there is no book, or somebody else has it.
    Book(const std::filesystem::path& file, IfMissing if_missing,
         sync_engine::ConflictResolver<> resolver = {})
        : store(opened(file, if_missing)), engine(store, std::move(resolver)) {}

    /// The record as it is here, also if it is deleted and that has still to travel.
    [[nodiscard]] std::optional<Record> find(const std::string& id) const {
        if (auto record = store.get(id)) return record;
        if (auto known = conflict(id)) return std::move(known->local);
        for (auto& record : store.pending()) {
            if (record.id == id) return std::move(record);
        }
        return std::nullopt;
    }

    /// The record that the user named. Throws `Failure` if there is none to be seen.
    [[nodiscard]] Record get(const std::string& id) const {
        if (auto record = store.get(id)) return *std::move(record);
        throw Failure(ExitCode::refused, "there is no record " + quoted(id) +
                                             "; `fieldbook list` shows what there is");
    }

    [[nodiscard]] std::optional<sync_engine::Conflict<>> conflict(std::string_view id) const {
        for (auto& each : store.conflicts()) {
            if (each.id == id) return std::move(each);
        }
        return std::nullopt;
    }

    /// What is known of failed attempts to send the record.
    [[nodiscard]] std::optional<sync_engine::RetryEntry<>> attempts(std::string_view id) const {
        for (auto& each : engine.retry_queue().entries()) {
            if (each.record.id == id) return std::move(each);
        }
        return std::nullopt;
    }

    /// Every record, by id.
    [[nodiscard]] std::vector<Record> records() const {
        auto records = store.all();
        std::sort(records.begin(), records.end(),
                  [](const auto& a, const auto& b) { return a.id < b.id; });
        return records;
    }

    sync_engine::LocalStore<> store;
    sync_engine::SyncEngine<> engine;

private:
    static std::shared_ptr<sync_engine::Storage<Json>> opened(const std::filesystem::path& file,
                                                              IfMissing if_missing) {
        if (if_missing == IfMissing::refuse && !std::filesystem::exists(file)) {
            throw Failure(ExitCode::book,
                          "there is no book " + quoted(file.string()) +
                              "; `fieldbook import` or `fieldbook set` begins one, and "
                              "--book names another");
        }
        try {
            return sync_engine::sqlite_storage<>(file);
        } catch (const sync_engine::sqlite::SqliteError& error) {
            if (error.primary() != SQLITE_BUSY) throw;
            throw Failure(ExitCode::book,
                          "the book " + quoted(file.string()) +
                              " is open in another program, perhaps a `fieldbook watch`; one at a "
                              "time has it: end that one, or wait for it");
        }
    }
};

}  // namespace fieldbook
