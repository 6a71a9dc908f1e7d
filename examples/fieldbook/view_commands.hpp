// SPDX-License-Identifier: MIT
#pragma once

#include "book.hpp"
#include "facts.hpp"
#include "lines.hpp"
#include "show.hpp"
#include "terminal.hpp"
#include "words.hpp"

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

/// The commands that look and change nothing.
namespace fieldbook {

/// The ids of the changes that are not sent again by themselves.
[[nodiscard]] inline std::set<std::string> refused_ids(const Book& book) {
    std::set<std::string> ids;
    for (const auto& letter : book.engine.retry_queue().dead_letters()) {
        ids.insert(letter.record.id);
    }
    return ids;
}

inline ExitCode list(const Book& book, const std::string& tag, const Output& out) {
    auto records = book.records();
    if (!tag.empty()) {
        std::erase_if(records, [&](const auto& record) { return !record.tags.contains(tag); });
    }
    out.json(records);
    const auto refused = refused_ids(book);
    std::vector<Row> rows;
    for (const auto& record : records) {
        const std::string tags = tags_of(record);
        rows.push_back({record.id,
                        refused.contains(record.id) ? Standing::refused : standing_of(record),
                        tags + (tags.empty() ? "" : "  ") + summary(record.data)});
    }
    print_rows(rows, out);
    if (rows.empty()) out.line(tag.empty() ? "The book is empty." : "No record has that tag.");
    return ExitCode::done;
}

inline ExitCode show(const Book& book, const std::string& id, const Output& out) {
    const Record record = book.get(id);
    out.json(record);
    const Standing standing = facts_of(book, id).standing();
    out.line(harmless(record.id) + "  " +
             out.tinted(tint_of(standing), std::string{name_of(standing)}) + "  version " +
             std::to_string(record.version) + ", " + moment(record.updated_at) +
             (record.tags.empty() ? "" : "  " + tags_of(record)));
    out.line(text_of(record.data, 2));
    return ExitCode::done;
}

/// What waits, and for what, in a sentence each.
inline void print_waiting(const Book& book, const Output& out) {
    const auto statistics = book.store.statistics();
    const std::size_t unsent = book.store.pending().size() - statistics.dead_letters;
    if (unsent > 0) {
        out.line(out.tinted(Tint::waiting, count(unsent, "change")) + ' ' + verb(unsent, "wait") +
                 " for the next sync: fieldbook pending");
    }
    if (const auto number = statistics.conflicted; number > 0) {
        out.line(out.tinted(Tint::trouble, count(number, "conflict")) + ' ' + verb(number, "wait") +
                 " for you: fieldbook conflicts");
    }
    if (const auto number = statistics.dead_letters; number > 0) {
        out.line(out.tinted(Tint::trouble, count(number, "refused change")) + ' ' +
                 verb(number, "wait") + " for you: fieldbook dead-letters");
    }
    if (unsent + statistics.conflicted + statistics.dead_letters == 0) {
        out.line(out.tinted(Tint::good, "Nothing waits."));
    }
}

inline ExitCode status(const Book& book, const std::filesystem::path& file, const Output& out) {
    const auto statistics = book.store.statistics();
    const auto metadata = book.engine.metadata();
    const auto state = book.store.state();
    const auto next = book.engine.retry_queue().next_due();
    Json json{{"book", file.string()},
              {"statistics", statistics},
              {"unsent", book.store.pending().size() - statistics.dead_letters},
              {"metadata", metadata},
              {"server", nullptr},
              {"nextTry", nullptr}};
    if (!state.remote_name.empty()) json["server"] = state.remote_name;
    if (next) json["nextTry"] = *next;
    out.json(json);

    out.line(harmless(file.string()) + ": " + count(statistics.total, "record"));
    print_waiting(book, out);
    if (next) out.line("The next try by itself is due " + moment(*next));
    if (!metadata.last_sync_at) {
        out.line("Not synced yet: fieldbook sync URL");
        return ExitCode::done;
    }
    out.line("Last sync: " + moment(*metadata.last_sync_at) + ", took " +
             length(metadata.last_duration.value_or(std::chrono::milliseconds{0})) +
             (state.remote_name.empty() ? "" : ", with " + harmless(state.remote_name)));
    out.line("All syncs: " + std::to_string(metadata.total_pushes) + " sent, " +
             std::to_string(metadata.total_pulls) + " received, " +
             count(metadata.total_conflicts, "conflict"));
    return ExitCode::done;
}

inline ExitCode pending(const Book& book, const Output& out) {
    std::map<std::string, sync_engine::RetryEntry<>> attempts;
    for (auto& entry : book.engine.retry_queue().entries()) {
        attempts.insert_or_assign(entry.record.id, std::move(entry));
    }
    Json json = Json::array();
    std::vector<Row> rows;
    for (const auto& record : book.store.pending()) {
        Facts facts{.local = record};
        if (const auto known = attempts.find(record.id); known != attempts.end()) {
            facts.attempts = known->second;
            facts.next_try = next_try(book, facts.attempts);
        }
        Json each = facts;
        for (const char* key : {"base", "theirs", "changedHere", "changedThere", "history"}) {
            each.erase(key);
        }
        json.push_back(std::move(each));
        std::string rest = from_now(record.updated_at, sync_engine::now());
        if (facts.attempts && !facts.attempts->history.empty()) {
            rest += ", " + harmless(facts.attempts->history.back().message);
        } else if (!record.is_deleted()) {
            rest += ", " + summary(record.data);
        }
        rows.push_back({record.id, facts.standing(), rest});
    }
    out.json(json);
    print_rows(rows, out);
    if (rows.empty()) out.line("Nothing waits to be sent.");
    return ExitCode::done;
}

/// What a record waits for, in a sentence.
[[nodiscard]] inline std::string sentence(const Facts& facts, unsigned max_attempts) {
    const std::string id = harmless(facts.local.id);
    switch (facts.standing()) {
        case Standing::conflict: {
            const bool ours = facts.local.is_deleted();
            const bool theirs = facts.theirs->is_deleted();
            return id + " was " + (ours ? "deleted here" : "changed here") + " and " +
                   (ours == theirs ? ""
                    : theirs       ? "deleted "
                                   : "changed ") +
                   "on the server, and waits for you to decide.";
        }
        case Standing::refused:
            if (facts.attempts->attempts >= max_attempts) {
                return id + " was given up after " + count(facts.attempts->attempts, "attempt") +
                       "; the change is kept, and is not sent again by itself.";
            }
            return id +
                   " was refused by the server; the change is kept, and is not sent again "
                   "by itself.";
        case Standing::fresh:
            return id + " is new here, and no server has confirmed it yet; the next sync sends it.";
        case Standing::changed:
            return id + " was changed here; the next sync sends it.";
        case Standing::deleted:
            return id + " was deleted here; the next sync tells the server.";
        case Standing::synced:
            break;
    }
    return id + " is as the server had it at the last sync; nothing waits.";
}

/// What can be done about it.
[[nodiscard]] inline std::string advice(const Facts& facts) {
    const std::string id = for_shell(facts.local.id);
    if (facts.standing() == Standing::conflict) {
        return "Decide: fieldbook resolve " + id + " --ours, --theirs, or --merged JSON";
    }
    if (facts.standing() == Standing::refused) {
        return "Correct it (fieldbook set " + id + " PATH=VALUE), try it again (fieldbook retry " +
               id + "), or give it up (fieldbook discard " + id + ")";
    }
    return {};
}

inline ExitCode why(const Book& book, const std::string& id, const Output& out) {
    const Facts facts = facts_of(book, id);
    out.json(facts);
    out.line(sentence(facts, book.engine.retry_queue().options().max_attempts));
    print_states(facts, out);
    if (facts.attempts) {
        const auto& history = facts.attempts->history;
        out.line("  " + count(facts.attempts->attempts, "failed attempt") + " of its own" +
                 (history.empty() ? "" : "; what happened:"));
        for (const auto& error : history) {
            out.line("    " + clock_time(error.timestamp) + "  " + harmless(error.message));
        }
    }
    if (facts.next_try) {
        const auto now = sync_engine::now();
        out.line(*facts.next_try <= now ? std::string{"  it is due: the next sync tries it"}
                                        : "  due again " + moment(*facts.next_try, now) +
                                              ", or when you say fieldbook sync");
    }
    if (const std::string words = advice(facts); !words.empty()) out.line(words);
    return ExitCode::done;
}

inline ExitCode export_records(const Book& book, const std::string& file, const Output& out) {
    std::string text;
    const auto records = book.records();
    for (const auto& record : records) text += line_of(record);
    if (file.empty() || file == "-") {
        out.print(text);
        return ExitCode::done;
    }
    write_all(file, text);
    out.json({{"file", file}, {"records", records.size()}});
    out.line(count(records.size(), "record") + " written to " + harmless(file));
    return ExitCode::done;
}

}  // namespace fieldbook
