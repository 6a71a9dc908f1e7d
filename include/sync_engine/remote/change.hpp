// SPDX-License-Identifier: MIT
#pragma once

#include <sync_engine/record/sync_record.hpp>
#include <sync_engine/remote/stop_token.hpp>

#include <nlohmann/json_fwd.hpp>

#include <memory>
#include <optional>
#include <string>
#include <utility>
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

/// The same, with the store's own records, which never change, instead of copies.
template <class Data = nlohmann::json>
struct SharedChange {
    std::shared_ptr<const SyncRecord<Data>> record{};  ///< what the remote shall hold; never null
    std::shared_ptr<const SyncRecord<Data>> base{};    ///< null: the remote never had the record
    std::string operation_id{};  ///< names this edit, the same over all retries
    unsigned attempt = 1;        ///< how often this edit has been sent, this time included
};

/// What one push call carries.
template <class Data = nlohmann::json>
struct PushBatch {
    /// The changes; no id occurs twice.
    std::vector<Change<Data>> changes{};
    /// A push that takes long should look at it now and then and give up when it stops.
    StopToken stop{};
};

/// What one push call carries to a remote that only reads the records.
template <class Data = nlohmann::json>
struct SharedPushBatch {
    /// The changes; no id occurs twice.
    std::vector<SharedChange<Data>> changes{};
    /// A push that takes long should look at it now and then and give up when it stops.
    StopToken stop{};
};

namespace detail {

/// A batch whose records are to be shared from now on.
template <class Data>
[[nodiscard]] SharedPushBatch<Data> shared_batch(PushBatch<Data> batch) {
    using Record = SyncRecord<Data>;
    SharedPushBatch<Data> shared{.changes = {}, .stop = std::move(batch.stop)};
    shared.changes.reserve(batch.changes.size());
    for (auto& change : batch.changes) {
        shared.changes.push_back(
            {.record = std::make_shared<const Record>(std::move(change.record)),
             .operation_id = std::move(change.operation_id),
             .attempt = change.attempt});
        if (!change.base) continue;
        shared.changes.back().base = std::make_shared<const Record>(std::move(*change.base));
    }
    return shared;
}

/// The batch with copies of the records, which are the callee's to change.
template <class Data>
[[nodiscard]] PushBatch<Data> copied_batch(SharedPushBatch<Data> batch) {
    PushBatch<Data> copy{.changes = {}, .stop = std::move(batch.stop)};
    copy.changes.reserve(batch.changes.size());
    for (auto& change : batch.changes) {
        copy.changes.push_back({.record = *change.record,
                                .operation_id = std::move(change.operation_id),
                                .attempt = change.attempt});
        if (change.base) copy.changes.back().base = *change.base;
    }
    return copy;
}

}  // namespace detail

}  // namespace sync_engine
