// SPDX-License-Identifier: MIT
#pragma once

#include <sync_engine/record/error.hpp>
#include <sync_engine/record/json.hpp>
#include <sync_engine/record/tag_set.hpp>
#include <sync_engine/record/timestamp.hpp>
#include <sync_engine/record/unknown_members.hpp>
#include <sync_engine/record/utf8.hpp>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <limits>
#include <new>
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

/// The version after `version`; the last one of all stays where it is.
[[nodiscard]] constexpr std::uint64_t next_version(std::uint64_t version) noexcept {
    return version < std::numeric_limits<std::uint64_t>::max() ? version + 1 : version;
}

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
    /// Names the record on all devices: 1 to `max_id_bytes` bytes of UTF-8.
    std::string id{};
    /// What the app keeps; of a deletion the last content, where that is known.
    Data data{};
    /// How it stands to the remote; the store keeps it up to date. To put a record with status
    /// `deleted` is to remove it.
    SyncStatus status = SyncStatus::pending;
    /// When it was last edited, by the clock of the device that did; `Timestamp{}` where no time is
    /// known.
    Timestamp updated_at = now();
    /// Rises with each edit; starts at 1.
    std::uint64_t version = 1;
    /// Words to find it by (`LocalStore::query_by_tag`). They travel and merge with the data.
    TagSet tags{};
    std::string revision{};    ///< the remote's own name for this state; empty until it gave one
    UnknownMembers unknown{};  ///< what its JSON has and `Data` does not: kept through our edits

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

    /// A copy with other data; the members that `Data` does not know stay.
    [[nodiscard]] SyncRecord with_data(Data new_data) const {
        auto copy = *this;
        copy.data = std::move(new_data);
        return copy;
    }

    /// A copy stamped as the next edit: one version more, updated now, and later than before even
    /// if the clock went back. At the end of what can be written, both stand still.
    [[nodiscard]] SyncRecord increment_version() const {
        auto copy = *this;
        copy.version = detail::next_version(version);
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
void to_json(detail::JsonValue auto& json, SyncStatus status) {
    json = std::string{to_string(status)};
}

/// Reads the status from text; throws FormatError for anything else.
void from_json(const detail::JsonValue auto& json, SyncStatus& status) {
    if (!json.is_string()) {
        throw FormatError("expected the text of a status, got " + detail::described(json));
    }
    status = parse_sync_status(*json.template get_ptr<const std::string*>());
}

namespace detail {

/// The whole of a record's data, not checked yet; no copy where the data is JSON itself.
template <class Data>
[[nodiscard]] decltype(auto) whole_data(const SyncRecord<Data>& record) {
    if constexpr (knows_all_members<Data>) {
        return (record.data);
    } else {
        nlohmann::json whole = record.data;
        record.unknown.put_back(whole);
        return whole;
    }
}

/// Makes JSON that has been checked a record's data; what the app's own adapters throw becomes a
/// FormatError, and the record is then as it was.
template <class Data, class Json>
void assign_data(SyncRecord<Data>& record, Json&& whole) {
    if constexpr (knows_all_members<Data>) {
        record.data = std::forward<Json>(whole);
    } else {
        try {
            auto data = whole.template get<Data>();
            record.unknown = unknown_to(data, whole);
            record.data = std::move(data);
        } catch (const std::exception& error) {
            throw FormatError(error.what());
        }
    }
}

}  // namespace detail

/// The whole of a record's data as JSON: what `Data` writes, and the members that it does not know.
///
/// This is what travels and what is stored; a callback that writes JSON of its own has to take it,
/// and not the JSON of `record.data`. Throws FormatError for what JSON cannot carry.
template <class Data>
[[nodiscard]] nlohmann::json data_json(const SyncRecord<Data>& record) {
    decltype(auto) whole = detail::whole_data(record);
    check_json(whole);  // before it is copied, because the copy recurses
    return whole;
}

/// Makes JSON a record's data, with the members that `Data` does not know. Throws FormatError for
/// what cannot be read; the record is then as it was.
template <class Data, class Json = nlohmann::json>
void set_data_json(SyncRecord<Data>& record, Json&& whole) {
    check_json(whole);
    detail::assign_data(record, std::forward<Json>(whole));
}

/// Writes the keys id, data, status, updatedAt, version, tags, and revision unless it is empty.
/// `data` is the whole of it, see `data_json`.
///
/// Throws FormatError for what JSON cannot carry.
template <class Data>
void to_json(nlohmann::json& json, const SyncRecord<Data>& record) {
    if (const char* reason = detail::ill_formed_text(record)) {
        throw FormatError(detail::named(record.id) + ": " + reason);
    }
    auto written = nlohmann::json::object();
    written["id"] = record.id;
    written["data"] = data_json(record);
    written["status"] = record.status;
    written["updatedAt"] = record.updated_at;
    written["version"] = record.version;
    written["tags"] = record.tags;
    if (!record.revision.empty()) written["revision"] = record.revision;
    json = std::move(written);
}

namespace detail {

/// Fills in everything but the id. Data that is known to be fit for JSON is not looked through;
/// what may be changed is taken apart instead of copied.
template <class Data, class Object>
void read_fields(Object& json, bool is_fit, SyncRecord<Data>& record) {
    if (const auto* status = find(json, "status")) {
        record.status = in_key("status", [&] { return status->template get<SyncStatus>(); });
    }
    if (auto* data = find(json, "data")) {
        in_key("data", [&] {
            if (!is_fit) check_json(*data);
            assign_data(record, std::move(*data));
        });
    } else if (!record.is_deleted()) {
        throw FormatError("key \"data\" is missing");
    }
    if (const auto* tags = find(json, "tags")) {
        record.tags = in_key("tags", [&] { return tags->template get<TagSet>(); });
    }
    record.updated_at = read_time(json, "updatedAt", Timestamp{});
    record.version = read_count(json, "version", 1);
    record.revision = read_string(json, "revision", "");
}

/// The record that these members are, which are anything that `find` can look into.
template <class Data, class Object>
[[nodiscard]] SyncRecord<Data> record_of(Object& members, bool is_fit = false) {
    SyncRecord<Data> record{.id = read_string(members, "id"), .updated_at = Timestamp{}};
    try {
        read_fields(members, is_fit, record);
    } catch (const FormatError& error) {
        throw FormatError(named(record.id) + ", " + error.what());
    }
    return record;
}

}  // namespace detail

/// Reads what to_json wrote, and what a backend may leave out: status is then pending, version 1,
/// tags and revision empty, updatedAt `Timestamp{}`; a deleted record needs no data.
///
/// Members of `data` that `Data` does not know are kept in `unknown`; other keys that this does not
/// know are ignored. Throws FormatError, with the key and the record's id, for what it cannot read;
/// `record` is then as it was.
template <class Data>
void from_json(const nlohmann::json& json, SyncRecord<Data>& record) {
    detail::require_object(json, "record");
    record = detail::record_of<Data>(json);
}

/// Throws InvalidRecord, which names the record, unless the record can be stored and sent: an id of
/// 1 to max_id_bytes bytes, text in UTF-8, a time that can be written, data that JSON can carry.
///
/// Data of the app's own type is looked into where `is_stored`, for as much as writing it costs:
/// else a storage would meet what cannot be written, and fail every record that comes with it.
template <class Data>
void check_record(const SyncRecord<Data>& record, bool is_stored = false) {
    const auto refuse = [&](const std::string& reason) {
        throw InvalidRecord(detail::named(record.id) + ": " + reason);
    };
    if (record.id.empty()) refuse("the id is empty");
    if (record.id.size() > max_id_bytes) {
        refuse("the id is longer than " + std::to_string(max_id_bytes) + " bytes");
    }
    if (const char* reason = detail::ill_formed_text(record)) refuse(reason);
    if (!detail::is_writable(record.updated_at)) {
        refuse("the time is outside the years 0000 to 9999");
    }

    if constexpr (knows_all_members<Data> || detail::HasWriter<Data>) {
        if (!knows_all_members<Data> && !is_stored) return;
        try {
            check_json(detail::whole_data(record));
        } catch (const std::bad_alloc&) {
            throw;  // which says nothing of the record
        } catch (const std::exception& error) {
            throw InvalidRecord(detail::named(record.id) + ", data " + error.what());
        } catch (...) {
            throw InvalidRecord(detail::named(record.id) + ", data cannot be written as JSON");
        }
    }
}

/// Whether two states of a record say the same: data, whole, tags, and whether it is deleted.
///
/// Stamps, revision and every other difference of status do not count.
template <class Data>
[[nodiscard]] bool same_content(const SyncRecord<Data>& a, const SyncRecord<Data>& b) {
    if (a.is_deleted() || b.is_deleted()) return a.is_deleted() == b.is_deleted();
    if constexpr (knows_all_members<Data>) {
        return a.tags == b.tags && is_same_json(a.data, b.data);
    } else {
        return a.tags == b.tags && a.data == b.data && a.unknown == b.unknown;
    }
}

}  // namespace sync_engine
