// SPDX-License-Identifier: MIT
#pragma once

#include <sync_engine/record/error.hpp>
#include <sync_engine/record/json.hpp>
#include <sync_engine/record/tag_set.hpp>
#include <sync_engine/record/timestamp.hpp>
#include <sync_engine/record/utf8.hpp>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <limits>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

namespace sync_engine {

/// How a record stands to the remote.
enum class SyncStatus {
    pending,     ///< made here, never acknowledged
    modified,    ///< changed here since the remote last acknowledged it
    synced,      ///< nothing to push
    conflicted,  ///< waits for somebody to resolve it
    deleted,     ///< removed; travels until the remote has acknowledged it
};

namespace detail {

inline constexpr std::array<std::string_view, 5> sync_status_names{"pending", "modified", "synced",
                                                                   "conflicted", "deleted"};

}  // namespace detail

/// The status as JSON spells it.
[[nodiscard]] constexpr std::string_view to_string(SyncStatus status) {
    return detail::sync_status_names.at(static_cast<std::size_t>(status));
}

/// Reads a status as JSON spells it; throws FormatError for an unknown one.
[[nodiscard]] inline SyncStatus parse_sync_status(std::string_view text) {
    const auto& names = detail::sync_status_names;
    const auto place = std::find(names.begin(), names.end(), text);
    if (place == names.end()) {
        throw FormatError("expected pending, modified, synced, conflicted or deleted, got " +
                          quoted(text));
    }
    return static_cast<SyncStatus>(place - names.begin());
}

/// One thing that an app keeps and that travels: an id, data of the app's own type, and the stamps
/// by which two devices tell their states apart.
///
/// `Data` needs nlohmann_json adapters, a default constructor and `==`. A record is a value: the
/// `with_` functions answer a changed copy.
template <class Data = nlohmann::json>
struct SyncRecord {
    std::string id{};
    Data data{};
    SyncStatus status = SyncStatus::pending;
    Timestamp updated_at = now();
    std::uint64_t version = 1;
    TagSet tags{};
    std::string revision{};  ///< the remote's own name for this state; empty until it gave one

    /// A copy with another status.
    [[nodiscard]] SyncRecord with_status(SyncStatus new_status) const {
        auto copy = *this;
        copy.status = new_status;
        return copy;
    }

    /// A copy with other tags.
    [[nodiscard]] SyncRecord with_tags(TagSet new_tags) const {
        auto copy = *this;
        copy.tags = std::move(new_tags);
        return copy;
    }

    /// A copy with other data.
    [[nodiscard]] SyncRecord with_data(Data new_data) const {
        auto copy = *this;
        copy.data = std::move(new_data);
        return copy;
    }

    /// A copy stamped as the next edit: one version more, updated now, and later than before even
    /// if the clock went back.
    [[nodiscard]] SyncRecord increment_version() const {
        auto copy = *this;
        if (version < std::numeric_limits<std::uint64_t>::max()) ++copy.version;
        copy.updated_at = std::max(now(), detail::just_after(updated_at));
        return copy;
    }

    /// Whether the record was last updated more than `older_than` before `at`.
    [[nodiscard]] bool is_stale(std::chrono::microseconds older_than, Timestamp at = now()) const {
        return detail::elapsed(updated_at, at) > older_than;
    }

    /// Whether this is a tombstone.
    [[nodiscard]] bool is_deleted() const noexcept { return status == SyncStatus::deleted; }

    friend bool operator==(const SyncRecord&, const SyncRecord&) = default;
};

namespace detail {

/// How messages name a record.
[[nodiscard]] inline std::string named(std::string_view record_id) {
    return "record " + quoted(record_id);
}

/// What of the record's own text JSON cannot carry; null where it can carry all of it.
template <class Data>
[[nodiscard]] const char* ill_formed_text(const SyncRecord<Data>& record) {
    if (!is_utf8(record.id)) return "the id is not well-formed UTF-8";
    if (!std::all_of(record.tags.begin(), record.tags.end(), is_utf8)) {
        return "a tag is not well-formed UTF-8";
    }
    if (!is_utf8(record.revision)) return "the revision is not well-formed UTF-8";
    return nullptr;
}

}  // namespace detail

/// The longest id that a record may have: longer ones are data in the wrong place, and URLs,
/// indexes and file names have room for this much.
inline constexpr std::size_t max_id_bytes = 4096;

/// Writes the status as text.
inline void to_json(nlohmann::json& json, SyncStatus status) {
    json = std::string{to_string(status)};
}

/// Reads the status from text; throws FormatError for anything else.
inline void from_json(const nlohmann::json& json, SyncStatus& status) {
    if (!json.is_string()) {
        throw FormatError("expected the text of a status, got " + detail::described(json));
    }
    status = parse_sync_status(*json.get_ptr<const std::string*>());
}

/// Writes the keys id, data, status, updatedAt, version, tags, and revision unless it is empty.
///
/// Throws FormatError for what JSON cannot carry.
template <class Data>
void to_json(nlohmann::json& json, const SyncRecord<Data>& record) {
    if (const char* reason = detail::ill_formed_text(record)) {
        throw FormatError(detail::named(record.id) + ": " + reason);
    }
    // Checked before it is copied, because the copy recurses.
    if constexpr (std::is_same_v<Data, nlohmann::json>) check_json(record.data);

    auto written = nlohmann::json::object();
    written["id"] = record.id;
    written["data"] = record.data;
    written["status"] = record.status;
    written["updatedAt"] = record.updated_at;
    written["version"] = record.version;
    written["tags"] = record.tags;
    if (!record.revision.empty()) written["revision"] = record.revision;

    if constexpr (!std::is_same_v<Data, nlohmann::json>) check_json(written["data"]);
    json = std::move(written);
}

namespace detail {

/// The data of a record's JSON, which has been checked; what the app's own reader throws becomes a
/// FormatError.
template <class Data>
[[nodiscard]] Data convert_data(const nlohmann::json& value) {
    try {
        return value.get<Data>();
    } catch (const std::exception& error) {
        throw FormatError(error.what());
    }
}

/// The same for a value that has not been checked.
template <class Data>
[[nodiscard]] Data read_data(const nlohmann::json& value) {
    check_json(value);
    return convert_data<Data>(value);
}

/// Fills in everything but the id.
template <class Data>
void read_fields(const nlohmann::json& json, SyncRecord<Data>& record) {
    if (const auto* status = find(json, "status")) {
        record.status = in_key("status", [&] { return status->get<SyncStatus>(); });
    }
    if (const auto* data = find(json, "data")) {
        record.data = in_key("data", [&] { return read_data<Data>(*data); });
    } else if (!record.is_deleted()) {
        throw FormatError("key \"data\" is missing");
    }
    if (const auto* tags = find(json, "tags")) {
        record.tags = in_key("tags", [&] { return tags->get<TagSet>(); });
    }
    record.updated_at = read_time(json, "updatedAt", Timestamp{});
    record.version = read_count(json, "version", 1);
    record.revision = read_string(json, "revision", "");
}

}  // namespace detail

/// The data of a record as JSON; throws FormatError for what JSON cannot carry.
template <class Data>
[[nodiscard]] nlohmann::json data_json(const SyncRecord<Data>& record) {
    // Checked before it is copied, because the copy recurses.
    if constexpr (std::is_same_v<Data, nlohmann::json>) check_json(record.data);
    nlohmann::json json = record.data;
    if constexpr (!std::is_same_v<Data, nlohmann::json>) check_json(json);
    return json;
}

/// Takes JSON as the data of a record; throws FormatError for what does not fit.
template <class Data>
void set_data_json(SyncRecord<Data>& record, nlohmann::json json) {
    if constexpr (std::is_same_v<Data, nlohmann::json>) {
        check_json(json);
        record.data = std::move(json);
    } else {
        record.data = detail::read_data<Data>(json);
    }
}

/// Reads what to_json wrote, and what a backend may leave out: status is then pending, version 1,
/// tags and revision empty, updatedAt `Timestamp{}`; a deleted record needs no data.
///
/// Keys that it does not know are ignored. Throws FormatError, with the key and the record's id,
/// for what it cannot read; `record` is then as it was.
template <class Data>
void from_json(const nlohmann::json& json, SyncRecord<Data>& record) {
    detail::require_object(json, "record");
    SyncRecord<Data> read{.id = detail::read_string(json, "id"), .updated_at = Timestamp{}};
    try {
        detail::read_fields(json, read);
    } catch (const FormatError& error) {
        throw FormatError(detail::named(read.id) + ", " + error.what());
    }
    record = std::move(read);
}

/// Throws InvalidRecord, which names the record, unless the record can be stored and sent: an id of
/// 1 to max_id_bytes bytes, text in UTF-8, a time that can be written, data that JSON can carry.
///
/// `Data` of the app's own type is not looked into; it is checked when it is written.
template <class Data>
void check_record(const SyncRecord<Data>& record) {
    const auto require = [&](bool is_met, const char* rule) {
        if (!is_met) throw InvalidRecord(detail::named(record.id) + ": " + rule);
    };
    require(!record.id.empty(), "the id is empty");
    require(record.id.size() <= max_id_bytes, "the id is longer than 4096 bytes");
    const char* reason = detail::ill_formed_text(record);
    require(reason == nullptr, reason);
    require(detail::is_writable(record.updated_at), "the time is outside the years 0000 to 9999");

    if constexpr (std::is_same_v<Data, nlohmann::json>) {
        try {
            check_json(record.data);
        } catch (const FormatError& error) {
            throw InvalidRecord(detail::named(record.id) + ", data " + error.what());
        }
    }
}

/// Whether two states of a record say the same: data, tags, and whether it is deleted.
///
/// Stamps, revision and every other difference of status do not count.
template <class Data>
[[nodiscard]] bool same_content(const SyncRecord<Data>& a, const SyncRecord<Data>& b) {
    if (a.is_deleted() || b.is_deleted()) return a.is_deleted() == b.is_deleted();
    if constexpr (std::is_same_v<Data, nlohmann::json>) {
        return a.tags == b.tags && is_same_json(a.data, b.data);
    } else {
        return a.tags == b.tags && a.data == b.data;
    }
}

}  // namespace sync_engine
