// SPDX-License-Identifier: MIT
#pragma once

#include <sync_engine/record/json.hpp>
#include <sync_engine/record/record_text.hpp>
#include <sync_engine/record/sync_error.hpp>
#include <sync_engine/record/sync_record.hpp>
#include <sync_engine/store/entry.hpp>
#include <sync_engine/store/retry_state.hpp>
#include <sync_engine/store/storage.hpp>

#include <nlohmann/json.hpp>

#include <chrono>
#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

/// What a storage has to write of an entry and of the store's state, as JSON.
///
/// Times are whole microseconds since 1970 and waits are milliseconds, because a clock may stand
/// where ISO 8601 has no text; only records carry their times as text.
namespace sync_engine {

namespace detail {

[[nodiscard]] inline std::int64_t read_integer(const nlohmann::json& json, const char* key,
                                               std::int64_t otherwise) {
    const auto* value = find(json, key);
    if (value == nullptr) return otherwise;
    constexpr auto largest = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
    const bool fits = value->is_number_integer() &&
                      (!value->is_number_unsigned() || value->get<std::uint64_t>() <= largest);
    if (!fits) refuse_key(key, "a whole number of 64 bits", *value);
    return value->get<std::int64_t>();
}

/// Another state of a record. Throws FormatError if it is one of a record with another id.
template <class Data>
[[nodiscard]] RecordPtr<Data> read_state_of(const std::string& id, const nlohmann::json& json) {
    SyncRecord<Data> record;
    from_json(json, record);
    if (record.id != id) throw FormatError("it is a state of another record, " + quoted(record.id));
    return std::make_shared<const SyncRecord<Data>>(std::move(record));
}

/// The state of a record at a key; null where the key is absent.
template <class Data>
[[nodiscard]] RecordPtr<Data> read_state_of(const std::string& id, const nlohmann::json& json,
                                            const char* key) {
    const auto* value = find(json, key);
    if (value == nullptr) return nullptr;
    return in_key(key, [&] { return read_state_of<Data>(id, *value); });
}

[[nodiscard]] inline Timestamp read_micros(const nlohmann::json& json, const char* key) {
    return Timestamp{std::chrono::microseconds{read_integer(json, key, 0)}};
}

[[nodiscard]] inline std::int64_t micros_of(Timestamp time) {
    return time.time_since_epoch().count();
}

}  // namespace detail

void to_json(detail::JsonValue auto& json, const Wait& wait) {
    json = {{"since", detail::micros_of(wait.since)}, {"length", wait.length.count()}};
}

void from_json(const detail::JsonValue auto& json, Wait& wait) {
    detail::require_object(json, "wait");
    wait = {detail::read_micros(json, "since"),
            std::chrono::milliseconds{detail::read_integer(json, "length", 0)}};
}

void to_json(detail::JsonValue auto& json, const RemoteHealth& health) {
    json = {{"failures", health.failures}, {"backoff", health.backoff}, {"asked", health.asked}};
    if (health.starts_over) json["startsOver"] = true;
}

void from_json(const detail::JsonValue auto& json, RemoteHealth& health) {
    detail::require_object(json, "health of the remote");
    RemoteHealth read{.failures = detail::read_small_count(json, "failures"),
                      .starts_over = detail::read_flag(json, "startsOver")};
    detail::in_key("backoff", [&] { from_json(detail::require(json, "backoff"), read.backoff); });
    detail::in_key("asked", [&] { from_json(detail::require(json, "asked"), read.asked); });
    health = read;
}

void to_json(detail::JsonValue auto& json, const RetryState& retry) {
    json = {{"sequence", retry.sequence},        {"operationId", retry.operation_id},
            {"attempts", retry.attempts},        {"failedAlone", retry.failed_alone},
            {"suspect", retry.suspect},          {"dead", retry.dead},
            {"backoff", retry.backoff},          {"asked", retry.asked},
            {"history", nlohmann::json::array()}};
    for (const SyncError& error : retry.history) {
        json["history"].push_back({{"recordId", detail::repaired_utf8(error.record_id)},
                                   {"message", detail::repaired_utf8(error.message)},
                                   {"at", detail::micros_of(error.timestamp)}});
    }
}

void from_json(const detail::JsonValue auto& json, RetryState& retry) {
    detail::require_object(json, "retry state");
    RetryState read{.sequence = detail::read_count(json, "sequence"),
                    .operation_id = detail::read_string(json, "operationId"),
                    .attempts = detail::read_small_count(json, "attempts"),
                    .failed_alone = detail::read_small_count(json, "failedAlone"),
                    .suspect = detail::read_flag(json, "suspect"),
                    .dead = detail::read_flag(json, "dead")};
    detail::in_key("backoff", [&] { from_json(detail::require(json, "backoff"), read.backoff); });
    detail::in_key("asked", [&] { from_json(detail::require(json, "asked"), read.asked); });
    for (const auto& error : detail::read_array(json, "history")) {
        detail::require_object(error, "key \"history\"");
        read.remember({detail::read_string(error, "recordId"),
                       detail::read_string(error, "message"), detail::read_micros(error, "at")});
    }
    retry = std::move(read);
}

/// Everything of an entry but `local`, `sequence`, its flags and what was sent, as JSON text: base
/// unless it is `local` itself, theirs, retry state, superseded revisions, and since when it is a
/// husk. Empty where there is nothing of these.
template <class Data>
[[nodiscard]] std::string background_text(const Entry<Data>& entry) {
    std::string text;
    const auto member = [&](std::string_view key) -> std::string& {
        text += text.empty() ? '{' : ',';
        detail::append_string(text, key);
        return text += ':';
    };
    if (entry.base != nullptr && !entry.is_clean()) append_json(member("base"), *entry.base);
    if (entry.theirs() != nullptr) append_json(member("theirs"), *entry.theirs());
    if (entry.retry()) member("retry") += nlohmann::json(*entry.retry()).dump();
    if (!entry.superseded().empty()) {
        member("superseded") += nlohmann::json(entry.superseded()).dump();
    }
    if (entry.settled_at() != Timestamp{}) {
        member("settledAt") += std::to_string(detail::micros_of(entry.settled_at()));
    }
    if (!text.empty()) text += '}';
    return text;
}

/// Reads what `background_text` wrote into an entry that has its `local`. Throws FormatError, with
/// the key; the entry is then of no use.
template <class Data>
void read_background(const nlohmann::json& json, Entry<Data>& entry) {
    detail::require_object(json, "background");
    const std::string& id = entry.local->id;
    if (const auto base = detail::read_state_of<Data>(id, json, "base")) entry.base = base;
    if (auto theirs = detail::read_state_of<Data>(id, json, "theirs")) {
        entry.edit_extras().theirs = std::move(theirs);
    }
    if (const auto* retry = detail::find(json, "retry")) {
        RetryState read;
        detail::in_key("retry", [&] { from_json(*retry, read); });
        entry.edit_extras().retry = std::move(read);
    }
    for (const auto& revision : detail::read_array(json, "superseded")) {
        entry.edit_extras().superseded.push_back(detail::as_string(revision, "superseded"));
    }
    const Timestamp settled_at = detail::read_micros(json, "settledAt");
    if (settled_at != Timestamp{}) entry.edit_extras().settled_at = settled_at;
}

}  // namespace sync_engine
