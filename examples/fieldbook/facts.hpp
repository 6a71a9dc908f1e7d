// SPDX-License-Identifier: MIT
#pragma once

#include <sync_engine.hpp>

#include "book.hpp"
#include "difference.hpp"
#include "terminal.hpp"
#include "words.hpp"

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace fieldbook {

/// Where a record stands, in one word each.
enum class Standing { synced, fresh, changed, deleted, conflict, refused };

[[nodiscard]] inline std::string_view name_of(Standing standing) {
    switch (standing) {
        case Standing::synced:
            return "synced";
        case Standing::fresh:
            return "new";
        case Standing::changed:
            return "changed";
        case Standing::deleted:
            return "deleted";
        case Standing::conflict:
            return "conflict";
        case Standing::refused:
            break;
    }
    return "refused";
}

[[nodiscard]] inline Tint tint_of(Standing standing) {
    if (standing == Standing::synced) return Tint::good;
    const bool is_trouble = standing == Standing::conflict || standing == Standing::refused;
    return is_trouble ? Tint::trouble : Tint::waiting;
}

/// How a record stands by its own status alone; whether its change was refused is known elsewhere.
[[nodiscard]] inline Standing standing_of(const Record& record) {
    switch (record.status) {
        case sync_engine::SyncStatus::pending:
            return Standing::fresh;
        case sync_engine::SyncStatus::modified:
            return Standing::changed;
        case sync_engine::SyncStatus::conflicted:
            return Standing::conflict;
        case sync_engine::SyncStatus::deleted:
            return Standing::deleted;
        case sync_engine::SyncStatus::synced:
            break;
    }
    return Standing::synced;
}

/// All that the book knows about one record.
struct Facts {
    Record local{};
    std::optional<Record> base{};    ///< what both sides last agreed on
    std::optional<Record> theirs{};  ///< what the server has, where that is in conflict
    std::optional<sync_engine::RetryEntry<>> attempts{};
    std::optional<sync_engine::Timestamp> next_try{};  ///< at the earliest, by itself

    [[nodiscard]] Standing standing() const {
        if (theirs) return Standing::conflict;
        if (attempts && attempts->dead) return Standing::refused;
        return standing_of(local);
    }
};

/// When a record whose push failed is tried again by itself. A server that asked to be left alone
/// puts off every record, which shows in what the queue has next.
[[nodiscard]] inline std::optional<sync_engine::Timestamp> next_try(
    const Book& book, const std::optional<sync_engine::RetryEntry<>>& attempts) {
    if (!attempts || attempts->dead) return std::nullopt;
    const auto next_of_all = book.engine.retry_queue().next_due();
    return next_of_all ? std::max(attempts->due, *next_of_all) : attempts->due;
}

/// Throws `Failure` if the book does not know the record.
[[nodiscard]] inline Facts facts_of(const Book& book, const std::string& id) {
    auto local = book.find(id);
    if (!local) {
        throw Failure(ExitCode::refused, "the book knows no record " + quoted(id) +
                                             ", and no deletion of one that "
                                             "has still to be sent");
    }
    Facts facts{.local = *std::move(local), .base = book.store.base(id)};
    if (auto conflict = book.conflict(id)) {
        facts.local = std::move(conflict->local);
        facts.theirs = std::move(conflict->theirs);
    }
    facts.attempts = book.attempts(id);
    facts.next_try = next_try(book, facts.attempts);
    return facts;
}

inline void to_json(Json& json, const Facts& facts) {
    json = {{"id", facts.local.id},
            {"standing", name_of(facts.standing())},
            {"local", facts.local},
            {"base", nullptr},
            {"theirs", nullptr},
            {"changedHere", Json::array()},
            {"changedThere", Json::array()},
            {"attempts", facts.attempts ? facts.attempts->attempts : 0},
            {"lastError", nullptr},
            {"history", Json::array()},
            {"nextTry", nullptr}};
    if (facts.base) {
        json["base"] = *facts.base;
        json["changedHere"] = differences(*facts.base, facts.local);
    }
    if (facts.theirs) json["theirs"] = *facts.theirs;
    if (facts.base && facts.theirs) json["changedThere"] = differences(*facts.base, *facts.theirs);
    if (facts.attempts && !facts.attempts->history.empty()) {
        json["lastError"] = facts.attempts->history.back().message;
        json["history"] = facts.attempts->history;
    }
    if (facts.next_try) json["nextTry"] = *facts.next_try;
}

}  // namespace fieldbook
