// SPDX-License-Identifier: MIT
#pragma once

#include <sync_engine/record/sync_record.hpp>

#include <nlohmann/json.hpp>

#include <optional>
#include <string>

namespace sync_engine {

/// What `conflicts()` lists: a record on which the user has to decide.
template <class Data = nlohmann::json>
struct Conflict {
    std::string id{};                        ///< of the record
    std::optional<SyncRecord<Data>> base{};  ///< the last state that both sides had, if any
    SyncRecord<Data> local{};                ///< ours; status `deleted` if we deleted it
    SyncRecord<Data> theirs{};               ///< the remote's; status `deleted` if it was deleted
};

}  // namespace sync_engine
