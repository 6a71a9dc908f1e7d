// SPDX-License-Identifier: MIT
#pragma once

#include <sync_engine/record/environment.hpp>
#include <sync_engine/record/error.hpp>
#include <sync_engine/record/json.hpp>
#include <sync_engine/record/sync_record.hpp>
#include <sync_engine/remote/change.hpp>
#include <sync_engine/remote/page.hpp>
#include <sync_engine/remote/remote.hpp>
#include <sync_engine/remote/remote_error.hpp>
#include <sync_engine/remote/verdict.hpp>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <future>
#include <iterator>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace sync_engine {

/// A server in memory that does what a good one should, and on demand what a bad one does.
///
/// It keeps each record under a revision of its own making, takes a change only if it was made from
/// the stored revision, applies each operation id once, and lists what changed since a cursor,
/// deletions included. Any number of engines and threads may use it at once; no lock is held while
/// a function that it was given runs. Its switches for trouble hold until they are set otherwise.
template <class Data = nlohmann::json>
class MemoryRemote {
public:
    /// `clock` stamps the deletions of `remove_as_other_device`; all else keeps its own stamps.
    explicit MemoryRemote(Clock clock = now) : clock_(std::move(clock)) {}

    MemoryRemote(const MemoryRemote&) = delete;
    MemoryRemote& operator=(const MemoryRemote&) = delete;

    /// Native callbacks to this server, which must outlive them. Their futures are ready; errors
    /// come through the future.
    [[nodiscard]] Remote<Data> remote(std::string name = {}) {
        Remote<Data> callbacks;
        callbacks.push = [this](PushBatch<Data> batch) {
            return in_future([&] { return push(std::move(batch.changes)); });
        };
        callbacks.pull = [this](PullRequest request) {
            return in_future([&] { return pull(request); });
        };
        callbacks.name = std::move(name);
        return callbacks;
    }

    /// Simple callbacks to the same records: push answers with the ids it stored, pull lists every
    /// record and every tombstone. A record made from another revision than the stored one is left
    /// out of the answer: the next pull tells why.
    [[nodiscard]] Remote<Data> simple_remote() {
        Remote<Data> callbacks;
        callbacks.push = [this](std::vector<SyncRecord<Data>> records) {
            return in_future([&] { return push_records(std::move(records)); });
        };
        callbacks.pull = [this] { return in_future([&] { return pull({}).records; }); };
        return callbacks;
    }

    // What the server holds.

    /// The records that are not deleted, by id.
    [[nodiscard]] std::vector<SyncRecord<Data>> records() const {
        const std::lock_guard lock{mutex_};
        std::vector<SyncRecord<Data>> live;
        for (const auto& [id, row] : rows_) {
            if (!row.record.is_deleted()) live.push_back(row.record);
        }
        return live;
    }

    /// How many records are not deleted.
    [[nodiscard]] std::size_t count() const { return records().size(); }

    /// The stored state, which may be a tombstone; none if the server never had the record.
    [[nodiscard]] std::optional<SyncRecord<Data>> find(const std::string& id) const {
        const std::lock_guard lock{mutex_};
        const auto row = rows_.find(id);
        if (row == rows_.end()) return std::nullopt;
        return row->second.record;
    }

    /// The stored revision, also of a tombstone; empty if the server never had the record.
    [[nodiscard]] std::string revision_of(const std::string& id) const {
        const auto stored = find(id);
        return stored ? stored->revision : std::string{};
    }

    /// How many writes an operation id has caused: never more than one.
    [[nodiscard]] std::size_t applied(const std::string& operation_id) const {
        const std::lock_guard lock{mutex_};
        return writes_.count(operation_id);
    }

    /// How often push was called, whatever came of it.
    [[nodiscard]] std::size_t push_calls() const { return get(push_calls_); }
    /// How often pull was called, whatever came of it.
    [[nodiscard]] std::size_t pull_calls() const { return get(pull_calls_); }
    /// How many changes all push calls carried, whatever came of them.
    [[nodiscard]] std::size_t pushed_changes() const { return get(pushed_changes_); }

    // What other devices do.

    /// Stores a state as it is, under a new revision: something that was there before.
    void seed(SyncRecord<Data> record) {
        const std::lock_guard lock{mutex_};
        write(std::move(record));
    }

    /// Stores a state as it is, under a new revision: another device has pushed it.
    void edit_as_other_device(SyncRecord<Data> record) { seed(std::move(record)); }

    /// Makes the record a tombstone with a higher version and a later time; false if there is none.
    bool remove_as_other_device(const std::string& id) {
        const Timestamp at = clock_();
        const std::lock_guard lock{mutex_};
        const auto row = rows_.find(id);
        if (row == rows_.end() || row->second.record.is_deleted()) return false;
        SyncRecord<Data> tombstone = row->second.record;
        tombstone.status = SyncStatus::deleted;
        tombstone.version = detail::next_version(tombstone.version);
        tombstone.updated_at = std::max(at, detail::just_after(tombstone.updated_at));
        write(std::move(tombstone));
        return true;
    }

    /// The database is created anew: every record, tombstone and operation id is gone, and cursors
    /// from before are expired.
    void wipe() {
        const std::lock_guard lock{mutex_};
        rows_.clear();
        feed_.clear();
        writes_.clear();
        if (trouble_.old_rows) trouble_.old_rows->clear();
        ++epoch_;
    }

    // Trouble with whole calls.

    /// Every call throws Unavailable.
    void set_offline(bool on) { set(trouble_.offline, on); }
    /// Every call throws Unauthorized.
    void require_login(bool on) { set(trouble_.login_required, on); }
    /// The next `calls` calls, push or pull, throw RetryAfter.
    void rate_limit(std::chrono::milliseconds wait, std::size_t calls = 1) {
        const std::lock_guard lock{mutex_};
        trouble_.wait = wait;
        trouble_.limited_calls = calls;
    }
    /// The next `calls` pushes throw before they had an effect.
    void fail_next_push(std::size_t calls = 1) { set(trouble_.failing_pushes, calls); }
    /// The next `calls` pulls throw.
    void fail_next_pull(std::size_t calls = 1) { set(trouble_.failing_pulls, calls); }
    /// The next `calls` pushes take effect and then throw: the connection broke before the answer.
    void lose_next_ack(std::size_t calls = 1) { set(trouble_.lost_acks, calls); }
    /// A push of more than `changes` changes throws TooLarge; zero lifts the limit.
    void limit_batch(std::size_t changes) { set(trouble_.batch_limit, changes); }

    // Trouble with one record.

    /// Any push that holds this record throws before it had an effect: a poison record.
    void fail_batches_with(const std::string& id) { insert(trouble_.poison, id); }
    /// The record is rejected with this message.
    void refuse(const std::string& id, std::string message) {
        answer(id, rejected<Data>(id, std::move(message)));
    }
    /// The record is not taken now: the verdict is to try again after a while.
    void ask_retry(const std::string& id, std::chrono::milliseconds after) {
        answer(id, retry<Data>(id, "the server takes this record later", after));
    }
    /// The record is not stored and gets no verdict.
    void omit(const std::string& id) { answer(id, std::nullopt); }
    /// The record gets a conflict with the very state that its change names as base, if any.
    void conflict_equal_to_base(const std::string& id) { insert(trouble_.contested, id); }
    /// Ends all trouble with this record.
    void accept_again(const std::string& id) {
        const std::lock_guard lock{mutex_};
        trouble_.poison.erase(id);
        trouble_.answers.erase(id);
        trouble_.contested.erase(id);
    }

    // Trouble with what is stored and served.

    /// Content is changed as it is stored, under the one revision that the ack names; null ends it.
    void normalise_with(std::function<void(Data&)> normalise) {
        const std::lock_guard lock{mutex_};
        trouble_.normalise.swap(normalise);  // what was there is destroyed after the unlock
    }
    /// Records are served with version 1 and no time.
    void forget_versions_and_times(bool on) { set(trouble_.without_stamps, on); }
    /// No revision is served or compared: the last write wins.
    void without_revisions(bool on) { set(trouble_.without_revisions, on); }
    /// Cursors from before are expired: a pull that brings one throws CursorExpired.
    void expire_cursors() {
        const std::lock_guard lock{mutex_};
        ++epoch_;
    }
    /// Pulls list all live records in pages that say `complete`, start over each time and show no
    /// tombstones; cursors from before a change of this switch are expired.
    void list_everything(bool on) {
        const std::lock_guard lock{mutex_};
        if (trouble_.listing != on) ++epoch_;
        trouble_.listing = on;
    }
    /// Each page begins with the last row before it and ends with its own first row.
    void repeat_rows(bool on) { set(trouble_.repeating, on); }
    /// A lagging replica answers pulls: rows appear as usual, but in the states of the moment this
    /// was switched on. When it is switched off, what it held back is listed again.
    void serve_stale_reads(bool on) {
        const std::lock_guard lock{mutex_};
        if (on) {
            if (!trouble_.old_rows) trouble_.old_rows = rows_;
        } else if (const auto old_rows = std::exchange(trouble_.old_rows, std::nullopt)) {
            for (auto& [id, row] : rows_) {
                const auto old = old_rows->find(id);
                if (old == old_rows->end() || old->second.place != row.place) list_last(row);
            }
        }
    }

private:
    struct Row {
        SyncRecord<Data> record{};
        std::uint64_t place = 0;  ///< where the feed lists it
    };
    using Rows = std::map<std::string, Row>;

    struct Write {
        std::string id{};
        std::string revision{};
    };

    struct Trouble {
        bool offline = false;
        bool login_required = false;
        std::chrono::milliseconds wait{0};
        std::size_t limited_calls = 0;
        std::size_t failing_pushes = 0;
        std::size_t failing_pulls = 0;
        std::size_t lost_acks = 0;
        std::size_t batch_limit = 0;

        std::set<std::string> poison{};
        std::set<std::string> contested{};
        std::map<std::string, std::optional<Verdict<Data>>> answers{};

        std::function<void(Data&)> normalise{};
        bool without_stamps = false;
        bool without_revisions = false;
        bool listing = false;
        bool repeating = false;
        std::optional<Rows> old_rows{};
    };

    // The calls.

    PushReport<Data> push(std::vector<Change<Data>> changes) {
        if (const auto normalise = admit_push(changes)) {
            for (auto& change : changes) normalise(change.record.data);
        }
        const std::lock_guard lock{mutex_};
        PushReport<Data> report;
        for (auto& change : changes) {
            if (auto verdict = judge(change)) report.push_back(std::move(*verdict));
        }
        if (take_one(trouble_.lost_acks)) {
            throw std::runtime_error("the connection was lost before the answer came");
        }
        return report;
    }

    std::vector<std::string> push_records(std::vector<SyncRecord<Data>> records) {
        std::vector<Change<Data>> changes(records.size());
        for (std::size_t n = 0; n < records.size(); ++n) changes[n].record = std::move(records[n]);
        std::vector<std::string> ids;
        for (auto& verdict : push(std::move(changes))) {
            if (verdict.kind == VerdictKind::accepted) ids.push_back(std::move(verdict.id));
        }
        return ids;
    }

    PullPage<Data> pull(const PullRequest& request) {
        const std::lock_guard lock{mutex_};
        ++pull_calls_;
        admit();
        if (take_one(trouble_.failing_pulls)) throw std::runtime_error("the pull failed");

        PullPage<Data> page;
        auto place = place_of(request.cursor);
        auto next = feed_.upper_bound(place);
        if (trouble_.repeating && next != feed_.begin()) serve(std::prev(next)->second, page);
        const auto enough =
            request.limit == 0 ? feed_.size() : std::min(request.limit, feed_.size());
        const auto full = page.records.size() + enough;
        for (; next != feed_.end() && page.records.size() < full; ++next) {
            place = next->first;
            serve(next->second, page);
        }
        if (trouble_.repeating && !page.records.empty()) {
            page.records.push_back(SyncRecord<Data>(page.records.front()));
        }
        page.has_more = next != feed_.end();
        page.complete = trouble_.listing;
        const bool starts_over = trouble_.listing && !page.has_more;
        if (!starts_over) page.cursor = {{"epoch", epoch_}, {"feed", place}};
        return page;
    }

    // Parts of push.

    /// Counts the call and throws if it is to fail whole; returns the normaliser, to run unlocked.
    std::function<void(Data&)> admit_push(const std::vector<Change<Data>>& changes) {
        const std::lock_guard lock{mutex_};
        ++push_calls_;
        pushed_changes_ += changes.size();
        admit();
        if (take_one(trouble_.failing_pushes)) throw std::runtime_error("the push failed");
        if (trouble_.batch_limit != 0 && changes.size() > trouble_.batch_limit) throw TooLarge{};
        for (const auto& change : changes) {
            if (trouble_.poison.count(change.record.id) != 0) {
                throw std::runtime_error("the push failed: something in it breaks the server");
            }
        }
        return trouble_.normalise;
    }

    std::optional<Verdict<Data>> judge(Change<Data>& change) {
        const auto& id = change.record.id;
        const auto scripted = trouble_.answers.find(id);
        if (scripted != trouble_.answers.end()) return scripted->second;
        if (change.base && trouble_.contested.count(id) != 0) return conflict(*change.base);
        try {
            check_record(change.record);
        } catch (const InvalidRecord& error) {
            return rejected<Data>(id, error.what());
        }
        return compare_and_swap(change);
    }

    /// Takes a change that was made from the stored revision. A record that the server never had is
    /// taken whatever revision it names, since there is no work of others to overwrite.
    Verdict<Data> compare_and_swap(Change<Data>& change) {
        const auto id = change.record.id;
        if (const auto known = writes_.find(change.operation_id); known != writes_.end()) {
            if (known->second.id == id) return accept(id, known->second.revision);
            return rejected<Data>(id, "its operation id was used for another record");
        }
        const auto row = rows_.find(id);
        if (row != rows_.end() && !trouble_.without_revisions &&
            row->second.record.revision != change.record.revision) {
            return conflict(as_served(row->second.record));
        }
        const auto revision = write(std::move(change.record));
        if (!change.operation_id.empty()) writes_.emplace(change.operation_id, Write{id, revision});
        return accept(id, revision);
    }

    Verdict<Data> accept(const std::string& id, const std::string& revision) const {
        return accepted<Data>(id, trouble_.without_revisions ? std::string{} : revision);
    }

    // Parts of pull.

    std::uint64_t place_of(const nlohmann::json& cursor) const {
        if (cursor.is_null()) return 0;
        const auto* epoch = detail::find(cursor, "epoch");
        if (epoch == nullptr || !is_same_json(*epoch, epoch_)) throw CursorExpired{};
        return cursor.at("feed").template get<std::uint64_t>();
    }

    /// Adds the record to the page unless it is not to be seen.
    void serve(const std::string& id, PullPage<Data>& page) const {
        const Rows& rows = trouble_.old_rows ? *trouble_.old_rows : rows_;
        const auto row = rows.find(id);
        if (row == rows.end()) return;
        const auto& record = row->second.record;
        if (!trouble_.listing || !record.is_deleted()) page.records.push_back(as_served(record));
    }

    SyncRecord<Data> as_served(SyncRecord<Data> record) const {
        if (trouble_.without_revisions) record.revision.clear();
        if (trouble_.without_stamps) {
            record.version = 1;
            record.updated_at = Timestamp{};
        }
        return record;
    }

    // The records and the feed. The mutex is held.

    /// Stores a state under a new revision, at the end of the feed; returns the revision.
    std::string write(SyncRecord<Data> record) {
        if (!record.is_deleted()) record.status = SyncStatus::synced;
        record.revision = "r" + std::to_string(counter_ + 1);
        auto revision = record.revision;
        auto& row = rows_[record.id];
        row.record = std::move(record);
        list_last(row);
        return revision;
    }

    void list_last(Row& row) {
        feed_.erase(row.place);
        row.place = ++counter_;
        feed_.emplace(row.place, row.record.id);
    }

    // Small things.

    /// Throws if no call gets through.
    void admit() {
        if (trouble_.offline) throw Unavailable{};
        if (take_one(trouble_.limited_calls)) throw RetryAfter{trouble_.wait};
        if (trouble_.login_required) throw Unauthorized{};
    }

    static bool take_one(std::size_t& count) {
        if (count == 0) return false;
        --count;
        return true;
    }

    std::size_t get(const std::size_t& counter) const {
        const std::lock_guard lock{mutex_};
        return counter;
    }

    template <class Value>
    void set(Value& setting, Value value) {
        const std::lock_guard lock{mutex_};
        setting = value;
    }

    void insert(std::set<std::string>& ids, const std::string& id) {
        const std::lock_guard lock{mutex_};
        ids.insert(id);
    }

    void answer(const std::string& id, std::optional<Verdict<Data>> verdict) {
        const std::lock_guard lock{mutex_};
        trouble_.answers.insert_or_assign(id, std::move(verdict));
    }

    template <class Call>
    static auto in_future(Call call) -> std::future<std::invoke_result_t<Call&>> {
        std::promise<std::invoke_result_t<Call&>> promise;
        try {
            promise.set_value(call());
        } catch (...) {
            promise.set_exception(std::current_exception());
        }
        return promise.get_future();
    }

    const Clock clock_;
    mutable std::mutex mutex_;
    Rows rows_;                                  // newest states, tombstones included
    std::map<std::uint64_t, std::string> feed_;  // each record once, where it last changed
    std::map<std::string, Write> writes_;        // by operation id
    std::uint64_t counter_ = 0;                  // of revisions and places in the feed
    std::uint64_t epoch_ = 1;                    // cursors of another are expired
    std::size_t push_calls_ = 0;
    std::size_t pull_calls_ = 0;
    std::size_t pushed_changes_ = 0;
    Trouble trouble_;
};

}  // namespace sync_engine
