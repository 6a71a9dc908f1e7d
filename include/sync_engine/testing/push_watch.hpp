// SPDX-License-Identifier: MIT
#pragma once

#include <sync_engine/record/sync_record.hpp>
#include <sync_engine/record/timestamp.hpp>
#include <sync_engine/remote/change.hpp>
#include <sync_engine/store/entry.hpp>
#include <sync_engine/store/local_store.hpp>
#include <sync_engine/store/retry_state.hpp>
#include <sync_engine/store/sequence.hpp>
#include <sync_engine/sync/sync_options.hpp>
#include <sync_engine/sync/sync_result.hpp>
#include <sync_engine/testing/invariant.hpp>
#include <sync_engine/testing/workload.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

namespace sync_engine::testing {

/// Looks at every push of one device before the remote sees it, and at what the device makes of
/// failures.
template <class Data>
class PushWatch {
public:
    PushWatch(const Workload<Data>& workload, Verdicts& verdicts)
        : workload_(workload), verdicts_(verdicts) {}

    /// A sync begins.
    void begin(const LocalStore<Data>& store, const SyncOptions& options,
               std::function<bool(const SyncRecord<Data>&)> predicate, Timestamp now) {
        options_ = options;
        predicate_ = std::move(predicate);
        was_asked_to_wait_ = false;
        revived_.clear();
        attempts_.clear();
        for (const auto& entry : store.read_retrying()) {
            attempts_[entry->local->id] = {entry->sequence, entry->retry()->attempts};
        }
        clock_moved_ = false;
        fresh_.clear();
        has_pushed_ = false;
        for (const auto& entry : store.read_dirty()) {
            if (is_untried(*entry)) fresh_.insert({entry->local->id, entry->sequence});
        }
        began_at_ = now;
        wait_ = store.state().health.asked;
    }

    /// The device's clock was set: waits may end early or late in this sync.
    void clock_moved() { clock_moved_ = true; }

    /// A call was answered with `RetryAfter`.
    void asked_to_wait() { was_asked_to_wait_ = true; }

    /// The app gave a dead letter all its attempts again.
    void revive(const std::string& id) {
        revived_.insert(id);
        attempts_.erase(id);
    }

    /// The app wants this record pushed again as it is.
    void push_anyway(const std::string& id) { forced_.insert(id); }

    /// The disk was put back, or the store cleared: what was sent is sent again under other names.
    void forget() { operation_of_.clear(); }

    /// The app gave up its edit of the record: the next one may look the same.
    void gave_up(const std::string& id) { given_up_.insert(id); }

    /// Something that may count as a failure of the record's own; `at_once` if one is enough.
    void blame(const std::string& id, bool at_once) {
        ++blame_[id];
        if (at_once) condemned_.insert(id);
    }

    /// The device pushes these changes at this time, and nobody has answered yet.
    void pushing(const LocalStore<Data>& store, const std::vector<Change<Data>>& changes,
                 Timestamp now) {
        if (changes.size() > std::max<std::size_t>(options_.push_batch_size, 1)) {
            broken(Invariant::batch_in_order, "", "the batch is larger than it may be");
        }
        if (options_.direction == SyncDirection::pull) {
            broken(Invariant::push_is_wanted, "", "a sync that only pulls has pushed");
        }
        if (!clock_moved_ && is_kept_short(wait_, now)) {
            broken(Invariant::waits_kept, "", "the remote asked to be left alone");
        }
        std::vector<std::string_view> ids;
        for (const auto& change : changes) ids.push_back(change.record.id);
        const auto entries = store.read(ids);
        for (std::size_t each = 0; each < changes.size(); ++each) {
            check(changes[each], entries[each], changes.size(), now);
        }
        check_order(store, entries);
        has_pushed_ = true;
        if (changes.size() == 1) blame(changes.front().record.id, false);
    }

    /// After a sync, or at any moment: each dead letter has earned it, and who has earned it is
    /// one.
    void check_dead_letters(const LocalStore<Data>& store, unsigned max_attempts) {
        for (const auto& entry : store.read_retrying()) {
            check_attempts(*entry, max_attempts);
            if (!entry->is_dead_letter()) continue;
            const auto& id = entry->local->id;
            if (!condemned_.contains(id) && blame_[id] < max_attempts) {
                broken(Invariant::outage_blames_none, id,
                       "is a dead letter without failures of its own");
            }
        }
    }

    /// After a sync: what the remote said has come to something.
    void check_result(const LocalStore<Data>& store, const SyncResult& result) {
        if (was_asked_to_wait_ && store.state().health.asked.length.count() == 0) {
            broken(Invariant::waits_kept, "",
                   "that the remote asked to be left alone is forgotten");
        }
        for (const auto& error : result.errors) {
            if (!error.message.starts_with("rejected: ")) continue;
            const auto entry = store.read({error.record_id}).front();
            const RetryState* retry = entry ? entry->active_retry() : nullptr;
            if (retry == nullptr || retry->dead || revived_.contains(error.record_id)) continue;
            if (!retry->history.empty() && retry->history.back().message == error.message) {
                broken(Invariant::attempts_end, error.record_id, "was rejected, but goes on");
            }
        }
    }

private:
    /// What makes two sent states the same edit. The revision is that of the base it was made on.
    struct Edit {
        std::string id{};
        bool is_deleted = false;
        std::uint64_t version = 0;
        Timestamp updated_at{};
        std::vector<Token> tokens{};
        std::string revision{};

        [[nodiscard]] auto order() const {
            return std::tie(id, is_deleted, version, updated_at, tokens, revision);
        }
        bool operator<(const Edit& other) const { return order() < other.order(); }
        bool operator==(const Edit& other) const { return order() == other.order(); }
    };

    /// True if it is not over now and was not when the sync began: a clock that was set back ends
    /// a wait, and the time of the sync may pass its beginning once more.
    [[nodiscard]] bool is_kept_short(const Wait& wait, Timestamp now) const {
        return !wait.is_over(now) && !wait.is_over(began_at_);
    }

    static bool is_untried(const Entry<Data>& entry) {
        return entry.active_retry() == nullptr && entry.sent().empty() && !entry.is_parked();
    }

    /// Attempts of one edit only grow, and end.
    void check_attempts(const Entry<Data>& entry, unsigned max_attempts) {
        const RetryState* retry = entry.active_retry();
        if (retry->attempts >= max_attempts && !retry->dead) {
            broken(Invariant::attempts_end, entry.local->id, "has no attempts left, but goes on");
        }
        const auto& [sequence, attempts] = attempts_[entry.local->id];
        if (sequence == entry.sequence && retry->attempts < attempts) {
            broken(Invariant::attempts_end, entry.local->id, "has more attempts left than before");
        }
    }

    void check(const Change<Data>& change, const EntryPtr<Data>& entry, std::size_t batch_size,
               Timestamp now) {
        const SyncRecord<Data>& record = change.record;
        check_operation(change);
        if (predicate_ && !predicate_(record)) {
            broken(Invariant::push_is_wanted, record.id, "is pushed, but was filtered out");
        }
        const bool is_given_up =
            !entry ||
            std::none_of(entry->sent().begin(), entry->sent().end(), [&](const auto& sent) {
                return sent.operation_id == change.operation_id;
            });
        if (is_given_up) return;
        // An earlier state that was sent may have reached the remote, and has to be taken back.
        const bool may_undo = entry->sent().size() > 1 || forced_.contains(record.id);
        if (change.base && !may_undo && same_content(record, *change.base)) {
            broken(Invariant::dirty_is_unknown, record.id, "is pushed, but equals its base");
        }
        if (entry->is_dead_letter()) {
            broken(Invariant::batch_in_order, record.id, "is pushed, but it is a dead letter");
        }
        if (entry->is_parked()) {
            broken(Invariant::batch_in_order, record.id, "is pushed over a state that waits");
        }
        const RetryState* retry = entry->active_retry();
        if (retry == nullptr) return;
        if (retry->suspect && batch_size > 1) {
            broken(Invariant::batch_in_order, record.id, "is a suspect, but does not go alone");
        }
        if (clock_moved_) return;
        if (is_kept_short(retry->asked, now)) {
            broken(Invariant::waits_kept, record.id, "was asked to come later");
        }
        if (options_.retry == RetryMode::when_due && is_kept_short(retry->backoff, now)) {
            broken(Invariant::waits_kept, record.id, "is not due");
        }
    }

    void check_operation(const Change<Data>& change) {
        const SyncRecord<Data>& record = change.record;
        Edit edit{.id = record.id,
                  .is_deleted = record.is_deleted(),
                  .version = record.version,
                  .updated_at = record.updated_at,
                  .tokens = workload_.tokens(record.data)};
        const auto [known, is_new] = edit_of_.try_emplace(change.operation_id, edit);
        if (!is_new && !(known->second == edit)) {
            broken(Invariant::one_operation, record.id,
                   "is another edit under the operation id of an earlier one");
        }
        edit.revision = record.revision;
        const auto [name, is_first] = operation_of_.try_emplace(edit, change.operation_id);
        if (!is_first && name->second != change.operation_id && !given_up_.contains(record.id)) {
            broken(Invariant::one_operation, record.id, "is sent again under another operation id");
        }
    }

    /// Suspects go last: nothing that was never tried waits behind one.
    void check_order(const LocalStore<Data>& store, const std::vector<EntryPtr<Data>>& entries) {
        const bool has_suspect = std::any_of(entries.begin(), entries.end(), [](const auto& entry) {
            return entry && entry->active_retry() != nullptr && entry->active_retry()->suspect;
        });
        // Later on, the plan may have given up, and tries one suspect more.
        if (!has_suspect || has_pushed_ || predicate_) return;
        for (const auto& entry : store.read_dirty()) {
            if (is_untried(*entry) && fresh_.contains({entry->local->id, entry->sequence})) {
                broken(Invariant::batch_in_order, entry->local->id, "waits behind a suspect");
            }
        }
    }

    void broken(Invariant invariant, const std::string& id, const char* what) {
        verdicts_.broken(invariant, id.empty() ? what : "record " + id + " " + what);
    }

    const Workload<Data>& workload_;
    Verdicts& verdicts_;
    SyncOptions options_{};
    std::function<bool(const SyncRecord<Data>&)> predicate_{};
    bool clock_moved_ = false;
    Timestamp began_at_{};
    Wait wait_{};  // that the remote had asked for when the sync began
    bool was_asked_to_wait_ = false;
    std::set<std::string> revived_;                                  // in this sync
    std::map<std::string, std::pair<Sequence, unsigned>> attempts_;  // when this sync began
    std::set<std::pair<std::string, Sequence>> fresh_;  // dirty and untried when the sync began
    bool has_pushed_ = false;                           // in this sync
    std::set<std::string> forced_;
    std::set<std::string> given_up_;
    std::map<std::string, unsigned> blame_;
    std::set<std::string> condemned_;      // had a failure that is enough by itself
    std::map<std::string, Edit> edit_of_;  // by operation id
    std::map<Edit, std::string> operation_of_;
};

}  // namespace sync_engine::testing
