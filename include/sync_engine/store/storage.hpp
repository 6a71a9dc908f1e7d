// SPDX-License-Identifier: MIT
#pragma once

#include <sync_engine/store/entry.hpp>
#include <sync_engine/store/retry_state.hpp>
#include <sync_engine/store/sequence.hpp>
#include <sync_engine/store/sync_metadata.hpp>

#include <nlohmann/json.hpp>

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace sync_engine {

/// How the remote as a whole is doing: what slows every record down, and blames none.
struct RemoteHealth {
    unsigned failures = 0;     ///< calls that failed whole, in cycles in a row
    Wait backoff{};            ///< our own wait: a sync that somebody asked for ignores it
    Wait asked{};              ///< the remote's own wait (`RetryAfter`): always kept
    bool starts_over = false;  ///< it was reset, and has not been read to its end since

    /// Whether it has failed or asked to wait since it last answered, be the wait over or not.
    [[nodiscard]] bool is_ill() const noexcept {
        return failures > 0 || asked.length > std::chrono::milliseconds{0};
    }

    bool operator==(const RemoteHealth&) const = default;
};

/// Everything a store keeps that is not about one record.
struct StoreState {
    std::string store_id{};     ///< of this opening; with a sequence it names an operation for ever
    Sequence sequence = 0;      ///< the last one that was given; never goes back
    std::uint64_t epoch = 0;    ///< how often the store was cleared
    nlohmann::json cursor{};    ///< how far pull has come; null: not begun
    std::string remote_name{};  ///< whose cursor that is
    RemoteHealth health{};      ///< of the remote as a whole: what every record waits for
    SyncMetadata metadata{};    ///< what all past syncs add up to
};

/// What one commit writes: all of it or nothing.
template <class Data>
struct StorageBatch {
    bool clear = false;  ///< first forget every entry
    /// Replace or add, by the id of `local`. The sequence of an entry never goes back.
    std::vector<const Entry<Data>*> write{};
    /// What each of them replaces, in the same order; null: nothing. Empty: not said. For storages
    /// that write no more than what is new.
    std::vector<const Entry<Data>*> known{};
    std::vector<std::string_view> erase{};  ///< forget
    /// The whole new state; never null. Its sequence is not below that of any entry.
    const StoreState* state = nullptr;
};

/// What a storage gives back when a store opens it.
template <class Data>
struct StorageImage {
    std::vector<Entry<Data>> entries{};  ///< in any order; each that was written and is not erased
    StoreState state{};                  ///< of the last commit; as it is made, before the first
};

/// Where a store's commits become durable: the seam between `LocalStore` and a disk.
///
/// A store loads once, when it opens, and then commits; it never reads again. Calls come one at a
/// time, on the threads of writers, and must not write to the store. A model must keep, over commit
/// and load, whether `local` and `base` of an entry are the same object: that says that the entry
/// is clean.
template <class Data>
class Storage {
public:
    Storage() = default;
    Storage(const Storage&) = delete;
    Storage& operator=(const Storage&) = delete;
    virtual ~Storage() = default;

    /// Everything that was ever committed. Throws `StorageError`.
    [[nodiscard]] virtual StorageImage<Data> load() = 0;

    /// Makes the batch durable before it returns. Throws `StorageError` if it could not: then
    /// nothing of the batch may ever be seen.
    virtual void commit(const StorageBatch<Data>& batch) = 0;
};

}  // namespace sync_engine
