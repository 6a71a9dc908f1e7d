// SPDX-License-Identifier: MIT
#pragma once

#include "book.hpp"
#include "difference.hpp"
#include "facts.hpp"
#include "terminal.hpp"
#include "words.hpp"

#include <algorithm>
#include <cstddef>
#include <string>
#include <vector>

/// How records and what is known of them look on a terminal.
namespace fieldbook {

/// What is in a record, in one line: `height_m: 18.5, species: "Quercus robur"`.
[[nodiscard]] inline std::string summary(const Json& data) {
    if (!data.is_object()) return text_of(data);
    std::string text;
    for (const auto& [key, value] : data.items()) {
        if (!text.empty()) text += ", ";
        text += harmless(key) + ": ";
        text += value.is_string() ? harmless(value.get_ref<const std::string&>()) : text_of(value);
    }
    return text;
}

[[nodiscard]] inline std::string tags_of(const Record& record) {
    std::string text;
    for (const auto& tag : record.tags) text += (text.empty() ? "#" : " #") + harmless(tag);
    return text;
}

/// A row of a table of records: id, standing, the rest as far as there is room.
struct Row {
    std::string id{};
    Standing standing = Standing::synced;
    std::string rest{};
};

inline void print_rows(const std::vector<Row>& rows, const Output& out) {
    constexpr std::size_t widest_id = 24;
    constexpr std::size_t standing_columns = 9;
    std::size_t id_columns = 0;
    for (const auto& row : rows) {
        const auto columns = Fitting::of(harmless(row.id)).columns;
        id_columns = std::max(id_columns, std::min(columns, widest_id));
    }
    const std::size_t used = id_columns + 2 + standing_columns;
    const std::size_t room = out.width() > used + 20 ? out.width() - used : 20;
    for (const auto& row : rows) {
        const auto standing = std::string{name_of(row.standing)};
        out.line(padded(harmless(row.id), id_columns) + "  " +
                 out.tinted(tint_of(row.standing), padded(standing, standing_columns)) +
                 shortened(row.rest, room));
    }
}

/// `  height_m: 18.5 -> 19`, one line a place.
inline void print_differences(const std::vector<Difference>& found, const Output& out) {
    const std::size_t room = std::max<std::size_t>(out.width() / 2, 30) - 10;
    const auto shown = [&](const std::optional<Json>& value) {
        return value ? shortened(text_of(*value), room) : std::string{"nothing"};
    };
    for (const auto& each : found) {
        out.line("    " + harmless(each.path) + ": " + shown(each.before) + " -> " +
                 shown(each.after));
    }
}

/// `  here   version 2, 2026-06-24 10:03:05, 2 minutes ago`
inline void print_state(const std::string& name, const Record& record, const Output& out) {
    std::string line = "  " + padded(name, 8);
    line += record.is_deleted() ? "deleted, " : "";
    line += "version " + std::to_string(record.version) + ", " + moment(record.updated_at);
    if (!record.tags.empty()) line += ", " + tags_of(record);
    out.line(line);
}

/// What was changed on the way from one state to the other.
inline void print_change(const Record& before, const Record& after, const Output& out) {
    if (after.is_deleted()) {
        if (!before.is_deleted()) out.line("    deleted");
    } else if (before.is_deleted()) {
        out.line("    made again: " + shortened(summary(after.data), out.width() - 16));
    } else {
        print_differences(differences(before, after), out);
    }
}

inline void print_states(const Facts& facts, const Output& out) {
    if (facts.base) print_state("base", *facts.base, out);
    print_state("here", facts.local, out);
    if (facts.base) {
        print_change(*facts.base, facts.local, out);
    } else {
        out.line("    " + shortened(summary(facts.local.data), out.width() - 4));
    }
    if (!facts.theirs) return;
    print_state("theirs", *facts.theirs, out);
    print_change(facts.base ? *facts.base : facts.local, *facts.theirs, out);
}

}  // namespace fieldbook
