// SPDX-License-Identifier: MIT
#pragma once

#include "book.hpp"
#include "facts.hpp"
#include "lines.hpp"
#include "path.hpp"
#include "show.hpp"
#include "terminal.hpp"
#include "words.hpp"

#include <cstddef>
#include <optional>
#include <string>
#include <utility>
#include <vector>

/// The commands that edit; each is one commit, so that it has happened or has not.
namespace fieldbook {

inline ExitCode import_records(Book& book, const std::string& file, std::vector<Record> records,
                               const Output& out) {
    std::size_t fresh = 0;
    std::size_t changed = 0;
    const std::size_t total = records.size();
    std::vector<Record> edits;
    for (auto& record : records) {
        const auto known = book.store.find(record.id);
        if (known == nullptr) {
            ++fresh;
            edits.push_back(std::move(record));
            continue;
        }
        // The file says nothing of tags that were given here, nor of stamps.
        Record edit = known->with_data(std::move(record.data));
        for (const auto& tag : record.tags) edit.tags.insert(tag);
        if (sync_engine::same_content(*known, edit)) continue;
        ++changed;
        edits.push_back(std::move(edit));
    }
    book.store.put_all(std::move(edits));
    const std::size_t same = total - fresh - changed;
    out.json({{"file", file}, {"new", fresh}, {"changed", changed}, {"unchanged", same}});
    out.line(count(total, "record") + " read from " + harmless(file) + ": " +
             std::to_string(fresh) + " new, " + std::to_string(changed) + " changed, " +
             std::to_string(same) + " as before");
    return ExitCode::done;
}

/// Says what became of a record that was edited.
inline ExitCode report_edit(const Book& book, const std::string& id,
                            const std::optional<Record>& before, const Output& out) {
    const Record after = book.get(id);
    const bool changed = !before || !sync_engine::same_content(*before, after);
    out.json({{"record", after}, {"new", !before}, {"changed", changed}});
    if (!changed) {
        out.line(harmless(id) + " is so already; nothing was changed");
        return ExitCode::done;
    }
    out.line(harmless(id) + (before ? " changed:" : " is new:"));
    print_differences(differences(before.value_or(Record{.id = id, .data = Json::object()}), after),
                      out);
    if (after.status == sync_engine::SyncStatus::conflicted) {
        out.line("It is in conflict and waits for you to decide: fieldbook why " + for_shell(id));
    }
    return ExitCode::done;
}

/// One `path=value` of the command line.
struct Assignment {
    Path path{};
    Json value{};

    /// Throws `Failure`.
    static Assignment parse(const std::string& text) {
        const auto sign = text.find('=');
        if (sign == std::string::npos) {
            throw Failure(ExitCode::usage, quoted(text) + " is no PATH=VALUE");
        }
        return {Path::parse(text.substr(0, sign)), parse_value(text.substr(sign + 1))};
    }
};

inline ExitCode set(Book& book, const std::string& id, const std::vector<std::string>& texts,
                    const Output& out) {
    std::vector<Assignment> assignments;
    for (const auto& text : texts) assignments.push_back(Assignment::parse(text));
    const auto before = book.store.get(id);
    const auto change = [&](Json& data) {
        for (const auto& each : assignments) each.path.assign(data, each.value);
    };
    if (before) {
        book.store.update(id, change);
    } else {
        Record record{.id = id, .data = Json::object()};
        change(record.data);
        book.store.put(std::move(record));
    }
    return report_edit(book, id, before, out);
}

inline ExitCode unset(Book& book, const std::string& id, const std::vector<std::string>& texts,
                      const Output& out) {
    const Record before = book.get(id);
    book.store.update(id, [&](Json& data) {
        for (const auto& text : texts) {
            if (Path::parse(text).erase(data)) continue;
            throw Failure(ExitCode::refused, "record " + quoted(id) + " has no " + quoted(text) +
                                                 "; `fieldbook show` has all of it");
        }
    });
    return report_edit(book, id, before, out);
}

inline ExitCode tag(Book& book, const std::string& id, const std::vector<std::string>& changes,
                    const Output& out) {
    if (changes.empty()) {
        throw Failure(ExitCode::usage, "which tags? +TAG adds one, -TAG removes one");
    }
    const Record before = book.get(id);
    Record after = before;
    for (const auto& change : changes) {
        const bool is_usable =
            change.size() > 1 && (change.front() == '+' || change.front() == '-');
        if (!is_usable) {
            throw Failure(ExitCode::usage,
                          quoted(change) + " is neither +TAG, to add one, nor -TAG, to remove one");
        }
        if (change.front() == '+') {
            after.tags.insert(change.substr(1));
        } else {
            after.tags.erase(change.substr(1));
        }
    }
    if (after.tags != before.tags) book.store.put(std::move(after));
    return report_edit(book, id, before, out);
}

inline ExitCode remove(Book& book, const std::vector<std::string>& ids, const Output& out) {
    for (const auto& id : ids) (void)book.get(id);  // all of them or none
    book.store.transact([&](sync_engine::Transaction<Json>& transaction) {
        for (const auto& id : ids) transaction.remove(id);
    });
    out.json({{"deleted", ids}});
    for (const auto& id : ids) {
        const bool travels = book.find(id).has_value();
        out.line(harmless(id) + (travels ? " deleted; the next sync tells the server"
                                         : " deleted; no server knew it"));
    }
    return ExitCode::done;
}

}  // namespace fieldbook
