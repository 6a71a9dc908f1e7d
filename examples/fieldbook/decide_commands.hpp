// SPDX-License-Identifier: MIT
#pragma once

#include "book.hpp"
#include "facts.hpp"
#include "lines.hpp"
#include "path.hpp"
#include "show.hpp"
#include "terminal.hpp"
#include "view_commands.hpp"
#include "words.hpp"

#include <optional>
#include <string>
#include <utility>
#include <vector>

/// The commands for what no machine may decide: conflicts and refused changes.
namespace fieldbook {

inline ExitCode conflicts(const Book& book, const Output& out) {
    Json json = Json::array();
    for (const auto& conflict : book.store.conflicts()) {
        const Facts facts = facts_of(book, conflict.id);
        json.push_back(facts);
        out.line(sentence(facts, 0));
        print_states(facts, out);
        out.line(advice(facts));
    }
    out.json(json);
    if (json.empty()) out.line("No conflict waits for you.");
    return ExitCode::done;
}

/// Which side wins a conflict, or what takes the place of both.
struct Decision {
    bool ours = false;
    bool theirs = false;
    std::string merged{};  ///< JSON, or the name of a file with it
};

/// The data that the user gave: JSON, or a file with JSON in it. Throws `Failure`.
[[nodiscard]] inline Json data_of(const std::string& text) {
    try {
        return sync_engine::parse_json(text);
    } catch (const sync_engine::FormatError&) {
        if (text.find_first_of("{[") == 0) {
            throw Failure(ExitCode::input, "the value of --merged is no JSON");
        }
    }
    try {
        return sync_engine::parse_json(read_all(text));
    } catch (const sync_engine::FormatError& error) {
        throw Failure(ExitCode::input, quoted(text) + ": " + error.what());
    }
}

[[nodiscard]] inline Record winner_of(const sync_engine::Conflict<>& conflict,
                                      const Decision& decision) {
    if (decision.ours) return conflict.local;
    if (decision.theirs) return conflict.theirs;
    Record winner = conflict.local.is_deleted() ? conflict.theirs : conflict.local;
    winner.status = sync_engine::SyncStatus::modified;
    winner.data = data_of(decision.merged);
    winner.tags = sync_engine::merge(conflict.base ? &conflict.base->tags : nullptr,
                                     conflict.local.tags, conflict.theirs.tags);
    return winner;
}

inline ExitCode resolve(Book& book, const std::string& id, const Decision& decision,
                        const Output& out) {
    const auto conflict = book.conflict(id);
    if (!conflict) {
        throw Failure(ExitCode::refused,
                      "record " + quoted(id) +
                          " is in no conflict; `fieldbook conflicts` lists those that are");
    }
    book.store.resolve(*conflict, winner_of(*conflict, decision));
    const auto now = book.find(id);
    const bool is_sent = now && now->status != sync_engine::SyncStatus::synced;
    Json json{{"id", id}, {"record", nullptr}, {"toSend", is_sent}};
    if (now) json["record"] = *now;
    out.json(json);
    out.line(harmless(id) + " is decided: " +
             (decision.ours     ? "ours"
              : decision.theirs ? "theirs"
                                : "as merged by you") +
             (is_sent ? "; the next sync sends it" : "; there is nothing to send"));
    return ExitCode::done;
}

inline ExitCode dead_letters(const Book& book, const Output& out) {
    Json json = Json::array();
    for (const auto& letter : book.engine.retry_queue().dead_letters()) {
        const Facts facts = facts_of(book, letter.record.id);
        json.push_back(facts);
        out.line(sentence(facts, book.engine.retry_queue().options().max_attempts));
        out.line("  " + clock_time(letter.error.timestamp) + "  " + harmless(letter.error.message));
        out.line("  " + advice(facts));
    }
    out.json(json);
    if (json.empty()) out.line("No change was refused.");
    return ExitCode::done;
}

inline ExitCode retry(Book& book, const std::string& only_id, const Output& out) {
    std::vector<std::string> ids;
    if (only_id.empty()) {
        for (const auto& id : refused_ids(book)) ids.push_back(id);
    } else if (facts_of(book, only_id).standing() == Standing::refused) {
        ids.push_back(only_id);
    } else {
        throw Failure(ExitCode::refused,
                      "no change of record " + quoted(only_id) +
                          " was refused; what waits, the next sync sends by itself");
    }
    for (const auto& id : ids) book.engine.retry_queue().revive(id);
    out.json({{"toRetry", ids}});
    for (const auto& id : ids) out.line(harmless(id) + " is tried again at the next sync");
    if (ids.empty()) out.line("No change was refused.");
    return ExitCode::done;
}

inline ExitCode discard(Book& book, const std::string& id, const Output& out) {
    const Facts facts = facts_of(book, id);
    if (!book.store.discard_changes(id)) {
        throw Failure(ExitCode::refused, "record " + quoted(id) + " has no unsent change");
    }
    const auto now = book.store.get(id);
    Json json{{"id", id}, {"record", nullptr}};
    if (now) json["record"] = *now;
    out.json(json);
    const std::string side = facts.theirs ? "as the server has it" : "as it was last agreed on";
    out.line(harmless(id) + ": your change is given up; " +
             (now                          ? "the record is " + side
              : facts.base || facts.theirs ? std::string{"the record stays deleted"}
                                           : "no server knew it, so it is gone"));
    return ExitCode::done;
}

}  // namespace fieldbook
