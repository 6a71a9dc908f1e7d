// SPDX-License-Identifier: MIT
#pragma once

#include <sync_engine/store/entry.hpp>
#include <sync_engine/store/outcome.hpp>
#include <sync_engine/store/storage.hpp>

#include <nlohmann/json.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sync_engine {

/// What a sync decided about one record, on the grounds of the entry it read.
template <class Data>
struct Decision {
    /// The entry it was made for; null: there was none. If the store has another by now, the
    /// decision does not count.
    EntryPtr<Data> expected{};
    /// What the entry becomes, unless `park` is set.
    Written<Data> written{};
    /// Instead: leave this remote state on the entry as *theirs*, whatever the entry has become.
    /// The last resort for a record that is edited faster than it can be decided.
    RecordPtr<Data> park{};

    /// Of the record; it lives as long as this is not changed.
    [[nodiscard]] std::string_view id() const noexcept {
        return park ? std::string_view{park->id} : written.id();
    }
};

/// A cursor to store, and the one that it follows.
struct CursorMove {
    nlohmann::json from{};  ///< if the store has another by now, the whole step is void
    nlohmann::json to{};    ///< null: pull begins from the start
};

/// One step of a sync: all in one commit (law 6), or, in another epoch or from another cursor,
/// nothing. One whose commit failed may be tried again; one that was committed is of no more use.
template <class Data>
struct Step {
    std::optional<std::uint64_t> epoch{};      ///< the one the sync began in, if that matters
    std::vector<Decision<Data>> decisions{};   ///< one for each record that changes
    std::optional<CursorMove> cursor{};        ///< kept back while a decision does not count
    std::optional<std::string> remote_name{};  ///< whose cursor it is; none: as before
    std::optional<RemoteHealth> health{};      ///< kept back with the cursor; none: as before
    std::optional<SyncMetadata> metadata{};    ///< none: as before

    /// True if there is nothing to commit.
    [[nodiscard]] bool is_empty() const noexcept {
        return decisions.empty() && !cursor && !remote_name && !health && !metadata;
    }
};

/// What came of a step.
struct StepResult {
    /// The store was cleared, or another cursor was stored, since the sync began: nothing was done.
    bool superseded = false;
    /// Records that have moved on: everything else was committed, except cursor and health.
    std::vector<std::string> moved{};
};

}  // namespace sync_engine
