// SPDX-License-Identifier: MIT
#pragma once

// RapidCheck, and the values that the properties are about: how they are drawn, shrunk and shown.

#include <sync_engine/record/json.hpp>
#include <sync_engine/record/sync_record.hpp>
#include <sync_engine/record/tag_set.hpp>
#include <sync_engine/record/timestamp.hpp>

#include <nlohmann/json.hpp>
#include <rapidcheck.h>
#include <rapidcheck/state.h>

#include <chrono>
#include <cstdint>
#include <limits>
#include <map>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

namespace nlohmann {

inline void showValue(const json& value, std::ostream& out) {
    out << value.dump(-1, ' ', false, json::error_handler_t::replace);
}

}  // namespace nlohmann

namespace sync_engine {

template <class Data>
void showValue(const SyncRecord<Data>& record, std::ostream& out) {
    nlohmann::showValue(nlohmann::json(record), out);
}

inline void showValue(const TagSet& tags, std::ostream& out) {
    nlohmann::showValue(nlohmann::json(tags), out);
}

}  // namespace sync_engine

namespace sync_engine::property {

using nlohmann::json;

/// Text of pieces that have been somebody's trouble: quotes, escapes, pointers, NUL, more bytes
/// than characters.
inline rc::Gen<std::string> any_text() {
    static const std::vector<std::string> pieces{"a",
                                                 "b",
                                                 "Z",
                                                 "7",
                                                 " ",
                                                 "/",
                                                 "~",
                                                 "\"",
                                                 "\\",
                                                 "{",
                                                 "]",
                                                 "%",
                                                 "\n",
                                                 std::string{'\0'},
                                                 "\x7f",
                                                 "\xC2\x80",
                                                 "é",
                                                 "e\xCC\x81",
                                                 "€",
                                                 "\xE2\x80\xAE",
                                                 "\xEF\xBB\xBF",
                                                 "😀",
                                                 "../",
                                                 "null"};
    return rc::gen::map(rc::gen::resize(5, rc::gen::container<std::vector<std::string>>(
                                               rc::gen::elementOf(pieces))),
                        [](const std::vector<std::string>& chosen) {
                            std::string text;
                            for (const auto& piece : chosen) text += piece;
                            return text;
                        });
}

/// Whole numbers from 0 on, with the ends of every width among them.
inline rc::Gen<std::uint64_t> any_count() {
    constexpr auto most = std::numeric_limits<std::uint64_t>::max();
    constexpr std::uint64_t one = 1;
    return rc::gen::oneOf(
        rc::gen::inRange<std::uint64_t>(0, 10), rc::gen::arbitrary<std::uint64_t>(),
        rc::gen::element<std::uint64_t>(0, 1, (one << 31U) - 1, one << 31U, (one << 53U) + 1,
                                        (one << 63U) - 1, one << 63U, most - 1, most));
}

/// Anything but arrays and objects.
inline rc::Gen<json> any_scalar() {
    const auto as_json = [](const auto& value) { return json(value); };
    return rc::gen::oneOf(
        rc::gen::element<json>(nullptr, true, false, 0, 1, 1.0, -1, -0.0, 0.1, 1e308, 5e-324, -2.5),
        rc::gen::element<json>(std::numeric_limits<std::int64_t>::min(),
                               std::numeric_limits<std::int64_t>::max(), 9007199254740993),
        rc::gen::map(any_count(), as_json), rc::gen::map(any_text(), as_json));
}

/// Any JSON that can travel, nested up to `depth` levels.
inline rc::Gen<json> any_json(int depth) {
    if (depth == 0) return any_scalar();
    return rc::gen::oneOf(
        any_scalar(),
        rc::gen::map(rc::gen::resize(3, rc::gen::container<std::vector<json>>(any_json(depth - 1))),
                     [](const std::vector<json>& elements) { return json(elements); }),
        rc::gen::map(rc::gen::resize(4, rc::gen::container<std::map<std::string, json>>(
                                            any_text(), any_json(depth - 1))),
                     [](const std::map<std::string, json>& members) {
                         auto object = json::object();
                         for (const auto& [key, value] : members) object[key] = value;
                         return object;
                     }));
}

inline rc::Gen<TagSet> any_tags() {
    return rc::gen::map(
        rc::gen::resize(4, rc::gen::container<std::vector<std::string>>(any_text())),
        [](const std::vector<std::string>& tags) { return TagSet(tags.begin(), tags.end()); });
}

/// A time that has text, from the first to the last.
inline rc::Gen<Timestamp> any_time() {
    constexpr auto first = Timestamp{std::chrono::sys_days{std::chrono::year{0} / 1 / 1}};
    const auto as_time = [](std::int64_t count) {
        return Timestamp{std::chrono::microseconds{count}};
    };
    return rc::gen::oneOf(
        rc::gen::element(first, latest_stamp, Timestamp{}, Timestamp{} - Timestamp::duration{1}),
        rc::gen::map(rc::gen::inRange<std::int64_t>(first.time_since_epoch().count(),
                                                    latest_stamp.time_since_epoch().count() + 1),
                     as_time));
}

}  // namespace sync_engine::property
