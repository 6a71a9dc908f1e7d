// SPDX-License-Identifier: MIT
#pragma once

#include <sync_engine/record/sync_record.hpp>
#include <sync_engine/remote/stop_token.hpp>

#include <nlohmann/json_fwd.hpp>

#include <optional>
#include <string>
#include <vector>

namespace sync_engine {

/// One dirty record on its way to the remote.
template <class Data = nlohmann::json>
struct Change {
    /// What the remote shall hold. A deletion has status `deleted`; its data is the last content.
    /// Its `revision` is the one of `base`: what a compare-and-swap expects to find. Its JSON holds
    /// all of its data; a remote that writes JSON of its own takes `data_json(record)`.
    SyncRecord<Data> record{};
    /// The last state that the remote is known to have had; none if it never had the record.
    std::optional<SyncRecord<Data>> base{};
    /// Names this edit: the same over all retries, another for the next edit, so that a server can
    /// apply it once. Text of at most 64 ASCII letters, digits and dashes.
    std::string operation_id{};
    /// How often this edit has been sent, this time included; starts at 1.
    unsigned attempt = 1;
};

/// What one push call carries.
template <class Data = nlohmann::json>
struct PushBatch {
    /// The changes; no id occurs twice.
    std::vector<Change<Data>> changes{};
    /// A push that takes long should look at it now and then and give up when it stops.
    StopToken stop{};
};

}  // namespace sync_engine
