// SPDX-License-Identifier: MIT
#pragma once

#include <sync_engine/record/sync_error.hpp>
#include <sync_engine/record/sync_record.hpp>
#include <sync_engine/retry/retry_queue.hpp>
#include <sync_engine/store/boxed.hpp>
#include <sync_engine/store/entry.hpp>
#include <sync_engine/store/local_store.hpp>
#include <sync_engine/store/retry_state.hpp>
#include <sync_engine/store/stamp.hpp>

#include <algorithm>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace sync_engine::detail {

/// Shows the retry state of a store's own entries as the ledger of a retry queue.
template <class Data>
class StoreLedger final : public RetryLedger<Data> {
    using Known = typename RetryLedger<Data>::Entry;

public:
    /// `longest` is the longest that the remote may ask us to wait, also in what was stored.
    StoreLedger(LocalStore<Data>& store, std::chrono::milliseconds longest)
        : store_(store), longest_(longest) {}

    [[nodiscard]] std::vector<Known> entries() const override {
        const Timestamp at = store_.options().clock();
        std::vector<Known> listed;
        for (const auto& entry : store_.read_retrying()) {
            listed.push_back(shown(*entry, *entry->active_retry(), at));
        }
        return listed;
    }

    /// Of a record that the store does not have, or has nothing to push of, nothing is kept, nor of
    /// a state with other content than it has. What is known of an earlier edit is void: there is
    /// no entry.
    void edit(const std::vector<std::string>& ids,
              const typename RetryLedger<Data>::Change& change) override {
        if (ids.empty()) return;
        const Timestamp at = store_.options().clock();
        store_.update_retries(ids, [&](const Entry<Data>& known, Boxed<RetryState>& state) {
            std::optional<Known> entry;
            if (state) entry = shown(known, *state, at);
            if (!change(known.local->id, entry)) return false;
            if (entry) {
                if (!is_same_edit(*entry->record, *known.local)) return false;
                if (!state) state.emplace();
                write(*entry, *state, at);
            } else {
                state.reset();
            }
            return true;
        });
    }

    [[nodiscard]] std::optional<Timestamp> remote_due() const override {
        RemoteHealth health = store_.state().health;
        health.asked = health.asked.at_most(longest_);
        if (!health.is_ill()) return std::nullopt;
        const Timestamp at = store_.options().clock();
        return std::max(health.backoff.due(at), health.asked.due(at));
    }

    [[nodiscard]] std::shared_ptr<RetryLedger<Data>> copy() const override {
        return std::make_shared<StoreLedger>(store_, longest_);
    }

    [[nodiscard]] bool is_view() const noexcept override { return true; }

private:
    /// Content that was rebased has other stamps; of deletions there is none. Data may be unequal
    /// to itself (NaN), or to what came of it as JSON.
    static bool is_same_edit(const SyncRecord<Data>& a, const SyncRecord<Data>& b) {
        return stamp_of(a) == stamp_of(b) || (!a.is_deleted() && same_content(a, b));
    }

    [[nodiscard]] Known shown(const Entry<Data>& known, const RetryState& state,
                              Timestamp at) const {
        return {.record = known.local,
                .attempts = state.attempts,
                .due = state.due(at, longest_),
                .waiting = !known.is_parked(),
                .dead = state.dead,
                .history = state.history};
    }

    static void write(const Known& entry, RetryState& state, Timestamp at) {
        const bool was_dead = std::exchange(state.dead, entry.dead);
        state.attempts = entry.attempts;
        state.history.clear();
        for (const SyncError& error : entry.history) state.remember(error);
        state.backoff = {at, std::chrono::duration_cast<std::chrono::milliseconds>(
                                 std::max(elapsed(at, entry.due), Timestamp::duration{0}))};
        if (was_dead && !entry.dead) {
            state.asked = {};
            state.suspect = false;
            state.failed_alone = 0;
        }
    }

    LocalStore<Data>& store_;
    std::chrono::milliseconds longest_;
};

}  // namespace sync_engine::detail
