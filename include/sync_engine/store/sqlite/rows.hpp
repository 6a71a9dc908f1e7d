// SPDX-License-Identifier: MIT
#pragma once

#include <sync_engine/record/error.hpp>
#include <sync_engine/record/json.hpp>
#include <sync_engine/record/json_text.hpp>
#include <sync_engine/record/record_text.hpp>
#include <sync_engine/record/sync_record.hpp>
#include <sync_engine/record/tag_set.hpp>
#include <sync_engine/record/utf8.hpp>
#include <sync_engine/store/entry.hpp>
#include <sync_engine/store/entry_json.hpp>
#include <sync_engine/store/sqlite/database.hpp>
#include <sync_engine/store/storage.hpp>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

/// Entries and state as rows of tables `records` and `state`, and back. All that reads or writes
/// JSON is a template, so that a file without a store of this kind pays no parser.
namespace sync_engine::sqlite {

/// Changes the JSON of a record while it is read; empty: it stays.
using Revise = std::function<nlohmann::json(nlohmann::json record)>;

inline constexpr std::string_view write_record =
    "INSERT INTO records VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13) "
    "ON CONFLICT (id) DO UPDATE SET data = ?2, status = ?3, updated_at = ?4, version = ?5, "
    "tags = ?6, revision = ?7, sequence = ?8, is_clean = ?9, conflicted = ?10, "
    "pulled_since_ack = ?11, absent_once = ?12, background = ?13";

/// The rows between two numbers, both included, each with its number last. In order of arrival: an
/// entry that is written again keeps its place.
inline constexpr std::string_view read_records =
    "SELECT id, data, status, updated_at, version, tags, revision, sequence, is_clean, "
    "conflicted, pulled_since_ack, absent_once, background, rowid FROM records "
    "WHERE rowid BETWEEN ?1 AND ?2 ORDER BY rowid";

inline constexpr std::string_view write_state =
    "UPDATE state SET store_id = ?1, sequence = ?2, epoch = ?3, cursor = ?4, remote_name = ?5, "
    "health = ?6, metadata = ?7";
inline constexpr std::string_view read_state =
    "SELECT store_id, sequence, epoch, cursor, remote_name, health, metadata FROM state";

/// SQLite's numbers have a sign; a count beyond the largest is kept as a negative one.
[[nodiscard]] constexpr std::int64_t as_signed(std::uint64_t count) noexcept {
    return static_cast<std::int64_t>(count);
}
[[nodiscard]] constexpr std::uint64_t as_count(std::int64_t stored) noexcept {
    return static_cast<std::uint64_t>(stored);
}

/// The whole of the data as text. Throws FormatError, which names the record, for what JSON cannot
/// carry.
template <class Data>
[[nodiscard]] std::string data_text(const SyncRecord<Data>& record) {
    try {
        std::string text;
        detail::append_data(text, record);
        return text;
    } catch (const std::exception& error) {
        throw FormatError(detail::named(record.id) + " cannot be stored: " + error.what());
    }
}

[[nodiscard]] inline std::string tags_text(const TagSet& tags) {
    std::string text;
    detail::append_tags(text, tags);
    return text;
}

/// What `tags_text` wrote. Most tags have no escapes, and need no parser.
template <detail::JsonValue Json = nlohmann::json>
[[nodiscard]] TagSet tags_of(std::string_view text) {
    std::vector<std::string> tags;
    std::size_t at = 0;  // of what comes before a tag: a bracket, then a comma
    while (text.substr(at, 2) == (at == 0 ? "[\"" : ",\"")) {
        const auto end = std::min(text.find_first_of("\"\\", at + 2), text.size());
        tags.emplace_back(text.substr(at + 2, end - at - 2));
        at = end + 1;
        if (end < text.size() && text[end] == '\\') break;
    }
    const bool is_plain = at > 0 ? text.substr(std::min(at, text.size())) == "]" : text == "[]";
    if (!is_plain) return parse_json<Json>(text).template get<TagSet>();
    return TagSet(std::move(tags));
}

/// Writes one entry.
template <class Data>
void write(Statement& statement, const Entry<Data>& entry) {
    const SyncRecord<Data>& local = *entry.local;
    const std::string data = entry.is_husk() ? "" : data_text(local);
    const std::string updated_at = to_iso8601(local.updated_at);
    const std::string tags = tags_text(local.tags);
    const std::string background = background_text(entry);

    const Statement::Reset at_end{statement};
    statement.bind(1, local.id)
        .bind(3, to_string(local.status))
        .bind(4, updated_at)
        .bind(5, as_signed(local.version))
        .bind(6, tags)
        .bind(7, local.revision)
        .bind(8, as_signed(entry.sequence))
        .bind(9, std::int64_t{entry.is_clean()})
        .bind(10, std::int64_t{entry.conflicted})
        .bind(11, std::int64_t{entry.pulled_since_ack})
        .bind(12, std::int64_t{entry.absent_once});
    if (!entry.is_husk()) statement.bind(2, data);
    if (!background.empty()) statement.bind(13, background);
    statement.step();
}

template <std::same_as<StoreState> State>
void write(Statement& statement, const State& state) {
    const std::string cursor = state.cursor.dump();
    const std::string health = nlohmann::json(state.health).dump();
    const std::string metadata = nlohmann::json(state.metadata).dump();
    statement.bind(1, state.store_id)
        .bind(2, as_signed(state.sequence))
        .bind(3, as_signed(state.epoch))
        .bind(4, cursor)
        .bind(5, state.remote_name)
        .bind(6, health)
        .bind(7, metadata)
        .run();
}

/// Whether two states differ in their sequence at most. Cursors are compared as text: to JSON, 1
/// and 1.0 are equal, and a remote may not think so.
template <std::same_as<StoreState> State>
[[nodiscard]] bool same_but_sequence(const State& one, const State& other) {
    return one.store_id == other.store_id && one.epoch == other.epoch &&
           one.remote_name == other.remote_name && one.health == other.health &&
           one.metadata == other.metadata && one.cursor.dump() == other.cursor.dump();
}

/// What a row that makes no sense is refused with.
[[nodiscard]] inline FormatError cannot_be_read(const std::string& record, const std::string& why) {
    return FormatError(record + " cannot be read: " + why);
}

/// Reads the text of a record's data at once.
struct ReadNow {
    template <class Data>
    void operator()(std::string_view text, SyncRecord<Data>& record) const {
        auto [data, depth] = detail::read_json(text);
        if (depth > max_json_depth) check_json(data);
        detail::assign_data(record, std::move(data));
    }
};

/// Reads the data of many records together: what a parser sets up for each text costs a quarter of
/// reading it. The texts become one list of pairs, each of them with its place; where that does not
/// come out, one of them is no JSON, and they are read one by one to tell which. A line ends after
/// each text, because no string of JSON can hold that: one that is not closed stays where it is.
template <class Data>
class DataBatch {
public:
    /// The record has to stay where it is until `read`.
    void add(std::string_view text, SyncRecord<Data>& record) {
        text_ += rows_.empty() ? "[[" : ",[";
        rows_.push_back({&record, text_.size(), text.size()});
        (((text_ += text) += "\n,") += std::to_string(rows_.size() - 1)) += ']';
    }

    /// True once waiting for more would gain nothing.
    [[nodiscard]] bool is_full() const noexcept {
        return rows_.size() == 64 || text_.size() >= 65'536;
    }

    /// Fills in the data of all that were added. Throws FormatError, which names the record.
    void read() {
        if (!rows_.empty() && !read_together()) {
            for (const Row& row : rows_) {
                in_record(row, [&] {
                    ReadNow{}(std::string_view{text_}.substr(row.begin, row.size), *row.record);
                });
            }
        }
        rows_.clear();
        text_.clear();
    }

private:
    struct Row {
        SyncRecord<Data>* record = nullptr;
        std::size_t begin = 0;
        std::size_t size = 0;
    };

    template <class Body>
    static void in_record(const Row& row, const Body& body) {
        try {
            body();
        } catch (const std::exception& error) {
            throw cannot_be_read(detail::named(row.record->id), error.what());
        }
    }

    [[nodiscard]] bool read_together() {
        std::size_t pairs = 0;
        bool is_sound = true;
        std::exception_ptr refusal;
        const auto take = [&](nlohmann::json&& pair, std::size_t depth) {
            const std::size_t place = pairs++;
            is_sound = is_sound && place < rows_.size() && pair.is_array() && pair.size() == 2 &&
                       pair[1] == place;
            if (!is_sound || !!refusal) return;
            try {
                in_record(rows_[place], [&] {
                    auto& data = pair[0];
                    if (depth > max_json_depth + 1) check_json(data);  // the pair is a level too
                    detail::assign_data(*rows_[place].record, std::move(data));
                });
            } catch (const FormatError&) {
                refusal = std::current_exception();
            }
        };
        const std::string whole;
        text_ += ']';
        try {
            (void)detail::read_json(text_, &whole, take);
        } catch (const FormatError&) {
            return false;
        }
        if (!is_sound || pairs != rows_.size()) return false;
        if (refusal) std::rethrow_exception(refusal);
        return true;
    }

    std::string text_;
    std::vector<Row> rows_;
};

/// Fills in the record of a row, from its columns; `read_data(text, record)` does the data.
template <class Data, class ReadData>
void read_record(const Statement& row, SyncRecord<Data>& record, ReadData&& read_data) {
    record.id = row.text(0);
    record.status = parse_sync_status(row.text(2));
    record.updated_at = parse_timestamp(row.text(3));
    record.version = as_count(row.integer(4));
    record.revision = row.text(6);
    if (!row.is_null(1)) {
        read_data(row.text(1), record);
    } else if (!record.is_deleted()) {
        throw FormatError("column \"data\" is NULL");
    }
    record.tags = tags_of(row.text(5));
    check_record(record);
}

/// A record's JSON as `revise` wants it. It has to stay the same record.
template <detail::JsonValue Json>
[[nodiscard]] Json revised(const Json& record, const Revise& revise) {
    if (!record.contains("data")) return record;  // a deletion of which nothing is kept
    Json changed = revise(record);
    detail::require_object(changed, "migrated record");
    if (detail::read_string(changed, "id") != detail::read_string(record, "id")) {
        throw FormatError("the migration changed the id");
    }
    return changed;
}

template <class Data>
void read_revised(const Statement& row, const Revise& revise, SyncRecord<Data>& record) {
    SyncRecord<nlohmann::json> stored;
    read_record(row, stored, ReadNow{});
    nlohmann::json json = stored;
    if (row.is_null(1)) json.erase("data");
    from_json(revised(json, revise), record);
}

/// The same for the states in the background of an entry.
template <detail::JsonValue Json>
void revise_background(Json& background, const Revise& revise) {
    const auto each = [&](Json& holder, const char* key) {
        if (holder.contains(key)) holder[key] = revised(holder[key], revise);
    };
    each(background, "base");
    each(background, "theirs");
}

/// The entry of a row of `read_records`; see `read_record`. Throws FormatError, which names the
/// record.
template <class Data, class ReadData = ReadNow>
[[nodiscard]] Entry<Data> entry_of(const Statement& row, const Revise& revise = {},
                                   ReadData&& read_data = {}) {
    try {
        Entry<Data> entry;
        const auto record =
            std::make_shared<SyncRecord<Data>>(SyncRecord<Data>{.updated_at = Timestamp{}});
        if (revise) {
            read_revised(row, revise, *record);
        } else {
            read_record(row, *record, read_data);
        }
        entry.local = record;
        entry.sequence = as_count(row.integer(7));
        if (row.integer(8) != 0) entry.base = entry.local;
        entry.conflicted = row.integer(9) != 0;
        entry.pulled_since_ack = row.integer(10) != 0;
        entry.absent_once = row.integer(11) != 0;
        if (!row.is_null(12)) {
            nlohmann::json background = parse_json(row.text(12));
            if (revise) revise_background(background, revise);
            read_background(background, entry);
        }
        if (entry.conflicted && entry.theirs() == nullptr) {
            throw FormatError("it is in conflict with nothing");
        }
        return entry;
    } catch (const SqliteError&) {
        throw;
    } catch (const std::exception& error) {
        throw cannot_be_read(row.is_text(0) ? detail::named(row.text(0)) : "record without an id",
                             error.what());
    }
}

template <detail::JsonValue Json = nlohmann::json>
[[nodiscard]] StoreState state_of(const Statement& row) {
    try {
        StoreState state{.store_id = std::string{row.text(0)},
                         .sequence = as_count(row.integer(1)),
                         .epoch = as_count(row.integer(2)),
                         .cursor = parse_json<Json>(row.text(3)),
                         .remote_name = std::string{row.text(4)}};
        from_json(parse_json<Json>(row.text(5)), state.health);
        from_json(parse_json<Json>(row.text(6)), state.metadata);
        return state;
    } catch (const SqliteError&) {
        throw;
    } catch (const std::exception& error) {
        throw FormatError(std::string("the state of the store cannot be read: ") + error.what());
    }
}

}  // namespace sync_engine::sqlite
