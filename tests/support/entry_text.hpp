// SPDX-License-Identifier: MIT
#pragma once

#include <sync_engine/record/error.hpp>
#include <sync_engine/record/timestamp.hpp>
#include <sync_engine/store/entry.hpp>
#include <sync_engine/store/storage.hpp>

#include <nlohmann/json.hpp>

#include <sstream>
#include <string>

namespace sync_engine::test {

template <class Data>
std::string text_of(const RecordPtr<Data>& record) {
    return record == nullptr ? "none" : nlohmann::json(*record).dump();
}

/// An entry as one line.
template <class Data>
std::string text_of(const Entry<Data>& entry) {
    std::ostringstream text;
    text << "sequence " << entry.sequence << (entry.is_clean() ? " clean" : " unclean")
         << (entry.conflicted ? " conflicted" : "") << (entry.pulled_since_ack ? " pulled" : "")
         << (entry.absent_once ? " absent" : "") << " local " << text_of(entry.local) << " base "
         << text_of(entry.base) << " theirs " << text_of(entry.theirs());
    for (const auto& sent : entry.sent()) {
        text << " sent " << sent.operation_id << '/' << sent.sequence << '/' << sent.attempts << ' '
             << text_of(sent.record);
    }
    if (entry.retry()) {
        const auto& retry = *entry.retry();
        text << " retry " << retry.operation_id << '/' << retry.sequence << '/' << retry.attempts
             << '/' << retry.failed_alone << (retry.suspect ? " suspect" : "")
             << (retry.dead ? " dead" : "") << ' ' << retry.backoff.length.count() << '@'
             << to_iso8601(retry.backoff.since) << ' ' << retry.asked.length.count() << '@'
             << to_iso8601(retry.asked.since);
        for (const auto& error : retry.history) text << ' ' << nlohmann::json(error).dump();
    }
    for (const auto& revision : entry.superseded()) text << " left " << revision;
    text << " settled " << to_iso8601(entry.settled_at());
    return text.str();
}

inline std::string text_of(const StoreState& state) {
    std::ostringstream text;
    text << "sequence " << state.sequence << " epoch " << state.epoch << " cursor "
         << state.cursor.dump() << " of " << quoted(state.remote_name) << " health "
         << state.health.failures << ' ' << state.health.backoff.length.count() << '@'
         << to_iso8601(state.health.backoff.since) << ' ' << state.health.asked.length.count()
         << '@' << to_iso8601(state.health.asked.since) << ' '
         << nlohmann::json(state.metadata).dump();
    return text.str();
}

}  // namespace sync_engine::test
