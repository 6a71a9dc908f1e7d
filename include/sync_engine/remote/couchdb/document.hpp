// SPDX-License-Identifier: MIT
#pragma once

#include <sync_engine/record/error.hpp>
#include <sync_engine/record/json.hpp>
#include <sync_engine/record/sync_record.hpp>
#include <sync_engine/record/tag_set.hpp>
#include <sync_engine/record/timestamp.hpp>
#include <sync_engine/remote/change.hpp>

#include <nlohmann/json.hpp>

#include <charconv>
#include <cmath>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

/// A record as a CouchDB document, and back: pure.
///
/// The members of the data are the members of the document, so that any other client reads them.
/// What a record has besides is one more member, `sync_engine`: version, updatedAt, tags, the
/// operation that wrote it, and a digest of the content that all this was written for. A client
/// that edits the document and leaves that member alone is noticed by the digest: then the stamps
/// are another state's, and the time of this one is unknown. Data that is no object is kept in
/// `sync_engine` as `data`.
namespace sync_engine::couchdb {

inline constexpr const char* own_member = "sync_engine";

/// The number before the dash of a `_rev`; 0 where there is none.
[[nodiscard]] inline std::uint64_t generation_of(std::string_view revision) noexcept {
    std::uint64_t generation = 0;
    const auto* end = revision.data() + revision.size();
    const auto read = std::from_chars(revision.data(), end, generation);
    return read.ec == std::errc{} && read.ptr != end && *read.ptr == '-' ? generation : 0;
}

/// A hash of JSON by structure: equal for what `is_same_json` calls equal, however it was printed.
///
/// FNV-1a of 64 bits. It tells an honest client's edit, and guards against nobody.
class ContentDigest {
public:
    ContentDigest& add(const nlohmann::json& value) {
        using Kind = nlohmann::json::value_t;
        switch (value.type()) {
            case Kind::object:
                add_text("{");
                for (const auto& [key, child] : value.get_ref<const nlohmann::json::object_t&>()) {
                    add_text(key);
                    add(child);
                }
                return add_text("}");
            case Kind::array:
                add_text("[");
                for (const auto& child : value) add(child);
                return add_text("]");
            case Kind::string:
                add_byte('"');
                return add_text(value.get_ref<const std::string&>());
            case Kind::number_integer:
            case Kind::number_unsigned:
            case Kind::number_float:
                return add_number(value);
            default:
                return add_text(value.dump());
        }
    }

    /// Sixteen hexadecimal digits.
    [[nodiscard]] std::string text() const {
        std::string digits;
        detail::append_hex(digits, "", static_cast<unsigned>(hash_ >> 32U), 8);
        detail::append_hex(digits, "", static_cast<unsigned>(hash_ & 0xFFFFFFFFU), 8);
        return digits;
    }

private:
    /// A whole number is one, in whatever type the parser kept it: a server may print 1.0 as 1.
    ContentDigest& add_number(const nlohmann::json& number) {
        constexpr double exact = 9007199254740992.0;  // 2^53: below it every whole number is exact
        if (number.is_number_unsigned()) {            // most are
            return add_text(std::to_string(number.get<std::uint64_t>()));
        }
        if (number.is_number_float()) {
            const double real = number.get<double>();
            if (real < exact && real > -exact && std::trunc(real) == real) {
                return add_text(std::to_string(static_cast<std::int64_t>(real)));
            }
        }
        return add_text(number.dump());
    }

    ContentDigest& add_text(std::string_view text) {
        for (const char byte : text) add_byte(static_cast<unsigned char>(byte));
        add_byte(0xFF);  // no byte of UTF-8: what follows is another text
        return *this;
    }

    void add_byte(unsigned char byte) { hash_ = (hash_ ^ byte) * 1099511628211U; }

    std::uint64_t hash_ = 14695981039346656037U;
};

/// What our member says that the content is.
[[nodiscard]] inline std::string digest_of(const nlohmann::json& data, const TagSet& tags) {
    return ContentDigest{}.add(data).add(tags).text();
}

/// The digest of a deletion, which has no content.
inline constexpr const char* digest_of_deletion = "deleted";

/// True for what is no record: design documents and CouchDB's own.
[[nodiscard]] inline bool is_reserved_id(std::string_view id) noexcept {
    return !id.empty() && id.front() == '_';
}

/// Why CouchDB would refuse this data in a document, and the whole batch with it; empty: it would
/// not. Stubs of attachments are let through: a document that loses them loses its attachments.
[[nodiscard]] inline std::string reserved_member_of(const nlohmann::json& data) {
    if (!data.is_object()) return {};
    for (const auto& [key, value] : data.items()) {
        if (key == own_member) return key;
        if (!key.empty() && key.front() == '_' && key != "_attachments") return key;
    }
    return {};
}

/// The document that holds a record as the successor of the revision that the record names. Throws
/// InvalidRecord for what can be no document.
template <class Data>
[[nodiscard]] nlohmann::json document_of(const SyncRecord<Data>& record,
                                         const std::string& operation_id) {
    if (is_reserved_id(record.id)) {
        throw InvalidRecord(detail::named(record.id) +
                            ": CouchDB keeps ids that begin with an underscore to itself");
    }
    if (const char* reason = detail::ill_formed_text(record)) {
        throw InvalidRecord(detail::named(record.id) + ": " + reason);
    }
    nlohmann::json document = nlohmann::json::object();
    nlohmann::json own = {{"version", record.version}, {"updatedAt", record.updated_at}};
    if (!operation_id.empty()) own["operation"] = operation_id;
    if (record.revision.empty()) own["isNew"] = true;
    if (record.is_deleted()) {
        document["_deleted"] = true;
        own["digest"] = digest_of_deletion;
    } else {
        if (!record.tags.empty()) own["tags"] = record.tags;
        nlohmann::json data = data_json(record);
        const std::string reserved = reserved_member_of(data);
        if (!reserved.empty()) {
            throw InvalidRecord(detail::named(record.id) + ": the data has a member " +
                                quoted(reserved) + ", which is reserved; rename it");
        }
        own["digest"] = digest_of(data, record.tags);
        if (data.is_object()) {
            document = std::move(data);
        } else {
            own["data"] = std::move(data);
        }
    }
    document["_id"] = record.id;
    if (!record.revision.empty()) document["_rev"] = record.revision;
    document[own_member] = std::move(own);
    return document;
}

/// Takes version and time where they were written for this content. Otherwise somebody else has
/// written the document since: its time is unknown, and the version is one more.
template <class Data>
void read_stamp(const nlohmann::json& own, const std::string& digest, SyncRecord<Data>& record) {
    record.updated_at = Timestamp{};
    record.version = detail::read_count(own, "version", generation_of(record.revision));
    const bool is_over_tombstone = own.contains("isNew") && generation_of(record.revision) > 1;
    if (detail::read_string(own, "digest", "") == digest && !is_over_tombstone) {
        record.updated_at = detail::read_time(own, "updatedAt", Timestamp{});
    } else if (own.contains("version")) {
        record.version = detail::next_version(record.version);
    }
}

/// The id of a document; throws FormatError where it has none.
[[nodiscard]] inline std::string id_of(const nlohmann::json& document) {
    detail::require_object(document, "document");
    return detail::read_string(document, "_id");
}

/// The operation that wrote a document of ours; empty where nobody says.
[[nodiscard]] inline std::string operation_of(const nlohmann::json& document) {
    const auto* own = detail::find(document, own_member);
    if (own == nullptr || !own->is_object()) return {};
    const auto* operation = detail::find(*own, "operation");
    return operation != nullptr && operation->is_string() ? operation->get<std::string>()
                                                          : std::string{};
}

/// The record that a document holds. A tombstone has the stamps that it was written with, if any:
/// one without is of unknown time, not of an old one. Throws FormatError, with the place, for a
/// document that does not fit `Data`; what only looks like ours is taken for somebody else's.
template <class Data>
[[nodiscard]] SyncRecord<Data> record_of(nlohmann::json document) {
    SyncRecord<Data> record{.id = id_of(document),
                            .status = SyncStatus::synced,
                            .revision = detail::read_string(document, "_rev")};
    const auto deleted = document.find("_deleted");
    if (deleted != document.end() && *deleted == true) record.status = SyncStatus::deleted;

    auto own = nlohmann::json::object();
    if (const auto place = document.find(own_member);
        place != document.end() && place->is_object()) {
        own = std::move(*place);
        document.erase(place);
    }
    const auto stamp = [&](const std::string& digest) {
        detail::in_key(own_member, [&] { read_stamp(own, digest, record); });
    };
    if (record.is_deleted()) {
        stamp(digest_of_deletion);
        return record;
    }

    if (const auto* tags = detail::find(own, "tags")) {
        record.tags = detail::in_key("tags", [&] { return tags->get<TagSet>(); });
    }
    nlohmann::json data;
    if (const auto kept = own.find("data"); kept != own.end()) {
        data = std::move(*kept);
    } else {
        for (const char* theirs : {"_id", "_rev", "_deleted", "_conflicts", "_revisions"}) {
            document.erase(theirs);
        }
        data = std::move(document);
    }
    stamp(digest_of(data, record.tags));
    set_data_json(record, std::move(data));
    return record;
}

}  // namespace sync_engine::couchdb
