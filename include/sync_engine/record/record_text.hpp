// SPDX-License-Identifier: MIT
#pragma once

#include <sync_engine/record/error.hpp>
#include <sync_engine/record/json.hpp>
#include <sync_engine/record/json_text.hpp>
#include <sync_engine/record/sync_error.hpp>
#include <sync_engine/record/sync_record.hpp>
#include <sync_engine/record/tag_set.hpp>
#include <sync_engine/record/timestamp.hpp>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

/// Records straight from text and into text, as a remote gets and sends them: there is never a tree
/// of JSON for more than one of them.
namespace sync_engine {

namespace detail {

/// The members of a record's JSON, each at a place of its own: no tree is built around them, and
/// the memory of their text does for the next record.
class RecordMembers {
public:
    /// Where the value of a key goes; what nobody knows is not kept.
    [[nodiscard]] nlohmann::json& place(std::string_view key) {
        const auto at = place_of(key);
        is_there_[at] = at < names.size();
        return values_[at];
    }

    template <class Members>
    requires std::same_as<std::remove_const_t<Members>, RecordMembers>
    friend auto* find(Members& members, std::string_view key) {
        const auto at = place_of(key);
        return members.is_there_[at] ? &members.values_[at] : nullptr;
    }

    /// Begins with the next record.
    void clear() {
        is_there_ = {};
        values_.back() = nullptr;
    }

private:
    static constexpr std::array<std::string_view, 7> names{
        "data", "id", "revision", "status", "tags", "updatedAt", "version"};

    static std::size_t place_of(std::string_view key) {
        const auto name = std::find(names.begin(), names.end(), key);
        return static_cast<std::size_t>(name - names.begin());
    }

    std::array<nlohmann::json, names.size() + 1> values_{};  // the last: of any other key
    std::array<bool, names.size() + 1> is_there_{};
};

/// Makes a record of each element of a list while it is read.
template <class Data, class Take, class Refuse>
class RecordReader {
public:
    RecordReader(Take& take, Refuse& refuse) : take_(take), refuse_(refuse) {}

    [[nodiscard]] nlohmann::json& place(std::string_view key) { return members_.place(key); }

    void operator()(const nlohmann::json& element, std::size_t depth) {
        std::optional<SyncRecord<Data>> record;
        try {
            require_object(element, "record");
            // The record itself is a level around its data.
            record = record_of<Data>(members_, depth <= max_json_depth + 1);
        } catch (const FormatError& error) {
            const nlohmann::json* id = find(members_, "id");
            refuse_(SyncError{id != nullptr && id->is_string() ? id->get<std::string>() : "",
                              error.what()});
        }
        members_.clear();
        if (record) take_(std::move(*record));
    }

private:
    Take& take_;
    Refuse& refuse_;
    RecordMembers members_{};
};

}  // namespace detail

/// Reads a list of records from JSON text and hands each one out as `take(SyncRecord<Data>&&)`: in
/// memory is one of them, however long the list is.
///
/// The list is the array at the key `list` of an object, which is answered with that array empty;
/// with an empty `list` the text is the array. A record that cannot be read is told to
/// `refuse(SyncError)`, with its id where it has one, and the others are handed out. Throws
/// FormatError, with the byte, for text that is no JSON: the records before that place have been
/// handed out. Throws it too where there is no such list, or null in its place: what says that a
/// remote failed is no listing of nothing.
template <class Data = nlohmann::json, class Take, class Refuse>
nlohmann::json read_records(std::string_view text, const std::string& list, Take&& take,
                            Refuse&& refuse) {
    auto answer =
        detail::read_json(text, &list, detail::RecordReader<Data, Take, Refuse>{take, refuse})
            .value;
    const bool is_there =
        list.empty() ? answer.is_array()
                     : answer.is_object() && answer.contains(list) && answer.at(list).is_array();
    if (!is_there) {
        throw FormatError("JSON text has no list of records" +
                          (list.empty() ? std::string{} : " at the key " + quoted(list)));
    }
    return answer;
}

namespace detail {

/// Appends text in quotes. It has to be UTF-8.
template <class Text>
void append_string(std::string& json, const Text& text) {
    const auto needs_escape = [](char byte) {
        return static_cast<unsigned char>(byte) < 0x20 || byte == '"' || byte == '\\';
    };
    if (std::any_of(text.begin(), text.end(), needs_escape)) {
        json += nlohmann::json(text).dump();
    } else {
        ((json += '"') += text) += '"';
    }
}

template <class Tags>
void append_tags(std::string& json, const Tags& tags) {
    json += '[';
    for (const auto& tag : tags) {
        if (json.back() != '[') json += ',';
        append_string(json, tag);
    }
    json += ']';
}

/// Appends JSON that was checked, byte for byte as it is dumped. Most text has nothing to escape
/// and is copied as it is, where `dump` goes through a table for each of its bytes.
void append_value(std::string& text, const JsonValue auto& value) {
    using Kind = nlohmann::json::value_t;
    switch (value.type()) {
        case Kind::object:
            text += '{';
            for (const auto& [key, member] :
                 *value.template get_ptr<const nlohmann::json::object_t*>()) {
                if (text.back() != '{') text += ',';
                append_string(text, key);
                text += ':';
                append_value(text, member);
            }
            text += '}';
            return;
        case Kind::array:
            text += '[';
            for (const auto& element : *value.template get_ptr<const nlohmann::json::array_t*>()) {
                if (text.back() != '[') text += ',';
                append_value(text, element);
            }
            text += ']';
            return;
        case Kind::string:
            return append_string(text, *value.template get_ptr<const std::string*>());
        case Kind::number_integer:
            text += std::to_string(*value.template get_ptr<const std::int64_t*>());
            return;
        case Kind::number_unsigned:
            text += std::to_string(*value.template get_ptr<const std::uint64_t*>());
            return;
        case Kind::boolean:
            text += *value.template get_ptr<const bool*>() ? "true" : "false";
            return;
        default:
            text += value.dump();
    }
}

/// Appends the whole of a record's data. Throws what JSON cannot carry, or the app's own writer.
template <class Data>
void append_data(std::string& json, const SyncRecord<Data>& record) {
    decltype(auto) data = whole_data(record);
    check_json(data);
    append_value(json, data);
}

}  // namespace detail

/// Appends a record to text, byte for byte as its JSON is dumped; twice as fast as to build that
/// first. Throws FormatError, which names the record, for what JSON cannot carry; the text is then
/// as it was.
template <class Data>
void append_json(std::string& text, const SyncRecord<Data>& record) {
    const auto before = text.size();
    try {
        if (const char* reason = detail::ill_formed_text(record)) throw FormatError(reason);
        text += R"({"data":)";
        detail::append_data(text, record);
        text += R"(,"id":)";
        detail::append_string(text, record.id);
        if (!record.revision.empty()) {
            text += R"(,"revision":)";
            detail::append_string(text, record.revision);
        }
        ((text += R"(,"status":")") += to_string(record.status)) += R"(","tags":)";
        detail::append_tags(text, record.tags);
        ((text += R"(,"updatedAt":")") += to_iso8601(record.updated_at)) += '"';
        ((text += R"(,"version":)") += std::to_string(record.version)) += '}';
    } catch (const std::exception& error) {
        text.resize(before);
        throw FormatError(detail::named(record.id) + ": " + error.what());
    }
}

}  // namespace sync_engine
