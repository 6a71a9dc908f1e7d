// SPDX-License-Identifier: MIT
#pragma once

#include <sync_engine/record/environment.hpp>
#include <sync_engine/record/json.hpp>
#include <sync_engine/record/sync_error.hpp>
#include <sync_engine/record/sync_record.hpp>
#include <sync_engine/retry/backoff.hpp>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sync_engine {

/// How often, and after which waits, a failed push is tried again.
struct RetryOptions {
    unsigned max_attempts = 5;  ///< a record that failed by itself this often is a dead letter
    std::chrono::milliseconds backoff_base = std::chrono::seconds{1};  ///< wait after the first
    double backoff_multiplier = 2.0;                                   ///< each next wait is longer
    std::chrono::milliseconds max_delay = std::chrono::minutes{5};     ///< and never longer
    double jitter = 0.0;  ///< share of each wait that is left to chance: 0 none, 1 all of it

    /// A longer wait is a mistake, and would overflow clocks.
    static constexpr std::chrono::milliseconds longest_wait = std::chrono::hours{24 * 365};

    /// Whether no attempt is left after so many failures of its own: the record is a dead letter.
    [[nodiscard]] bool is_last(unsigned attempts) const noexcept {
        return attempts >= max_attempts;
    }

    /// The wait after `attempt` failures, spread by 64 random bits; a year at most.
    [[nodiscard]] std::chrono::milliseconds delay(unsigned attempt,
                                                  std::uint64_t random = 0) const noexcept {
        const Backoff backoff{.base = backoff_base,
                              .multiplier = backoff_multiplier,
                              .cap = std::min(max_delay, longest_wait),
                              .jitter = jitter};
        return backoff.after(attempt, random);
    }
};

/// A record in a retry queue.
template <class Data = nlohmann::json>
struct RetryEntry {
    SyncRecord<Data> record{};         ///< what is to be pushed
    unsigned attempts = 0;             ///< failures of its own
    Timestamp due{};                   ///< when to try again
    bool waiting = true;               ///< false: on its way, or a resolver has to decide first
    bool dead = false;                 ///< a dead letter: kept, not tried again by itself
    std::vector<SyncError> history{};  ///< the newest failures, oldest first
};

/// A change that was refused for good or ran out of attempts. It stays until it is edited, revived
/// or discarded.
template <class Data = nlohmann::json>
struct DeadLetter {
    SyncRecord<Data> record{};         ///< what was to be pushed; a deletion has status `deleted`
    unsigned attempts = 0;             ///< failures of its own
    SyncError error{};                 ///< the last failure
    std::vector<SyncError> history{};  ///< the newest failures, oldest first
};

/// Where a retry queue keeps its entries. The seam between the queue's rules and a store that has
/// them already.
template <class Data>
class RetryLedger {
public:
    RetryLedger() = default;
    RetryLedger(const RetryLedger&) = default;
    RetryLedger& operator=(const RetryLedger&) = default;
    virtual ~RetryLedger() = default;

    /// A `RetryEntry`, but for its record, which is shared.
    struct Entry {
        std::shared_ptr<const SyncRecord<Data>> record{};
        unsigned attempts = 0;
        Timestamp due{};
        bool waiting = true;
        bool dead = false;
        std::vector<SyncError> history{};
    };

    /// Makes of an entry what it is to be; empty: there is none, or is to be none. False if it is
    /// to stay as it is. It may run under a lock, so it is quick and calls nothing of the user's.
    using Change = std::function<bool(const std::string&, std::optional<Entry>&)>;

    /// Every entry, dead ones too.
    [[nodiscard]] virtual std::vector<Entry> entries() const = 0;
    /// Changes the entries of these records, each named once, as they are now: nobody else changes
    /// them meanwhile, and all of it is kept, or nothing. Looks at no other entry.
    virtual void edit(const std::vector<std::string>& ids, const Change& change) = 0;
    /// When a timer may call the remote again, however many records wait; nothing while it is well.
    [[nodiscard]] virtual std::optional<Timestamp> remote_due() const { return std::nullopt; }
    /// The ledger for a copy of the queue: one of its own, or another view of the same store.
    [[nodiscard]] virtual std::shared_ptr<RetryLedger> copy() const = 0;
    /// Whether it shows what a store keeps.
    [[nodiscard]] virtual bool is_view() const noexcept { return false; }
};

namespace detail {

/// Entries in a map: what a queue has that belongs to no engine.
template <class Data>
class OwnLedger final : public RetryLedger<Data> {
public:
    using typename RetryLedger<Data>::Entry;

    [[nodiscard]] std::vector<Entry> entries() const override {
        std::vector<Entry> all;
        for (const auto& [id, entry] : entries_) all.push_back(entry);
        return all;
    }
    void edit(const std::vector<std::string>& ids,
              const typename RetryLedger<Data>::Change& change) override {
        std::map<std::string, Entry> written;
        std::vector<const std::string*> replaced;
        for (const auto& id : ids) {
            std::optional<Entry> entry;
            if (const auto known = entries_.find(id); known != entries_.end()) {
                entry = known->second;
            }
            if (!change(id, entry)) continue;
            replaced.push_back(&id);
            if (entry) written.insert_or_assign(id, std::move(*entry));
        }
        // Allocates nothing any more.
        for (const std::string* id : replaced) entries_.erase(*id);
        entries_.merge(written);
    }
    [[nodiscard]] std::shared_ptr<RetryLedger<Data>> copy() const override {
        return std::make_shared<OwnLedger>(*this);
    }

private:
    std::map<std::string, Entry> entries_;
};

}  // namespace detail

/// Which failed records are to be tried again, when, and which have been given up.
///
/// On its own it is a small value with the rules of retrying; not thread-safe. The one of an engine
/// (`engine.retry_queue()`) is a view of the engine's store: what it shows and changes is the retry
/// state of the store's own entries, so there is never a second copy of a record, and it may be
/// used from any thread. It stays that: its rules are those that the engine was made with, and
/// nothing is assigned to it.
template <class Data = nlohmann::json>
class RetryQueue {
public:
    /// With the default rules, the time of the system and its randomness.
    RetryQueue() : RetryQueue(RetryOptions{}) {}

    /// Time and randomness are passed in, for due times and jitter.
    explicit RetryQueue(RetryOptions options, Clock clock = now, Random random = system_random())
        : options_(options),
          clock_(std::move(clock)),
          random_(std::move(random)),
          ledger_(std::make_shared<detail::OwnLedger<Data>>()) {}

    /// A queue with the same entries, and from then on its own; the copy of an engine's queue is
    /// one more view of the same store, which has to outlive it. To move one is to copy it.
    RetryQueue(const RetryQueue& other)
        : options_(other.options_),
          clock_(other.clock_),
          random_(other.random_),
          ledger_(other.ledger_->copy()) {}
    /// Becomes a copy of the other queue. Throws `std::logic_error` for the one of an engine: it
    /// would be no view of the store any more, and its rules might change under a sync.
    RetryQueue& operator=(const RetryQueue& other) {
        require_own();
        RetryQueue copy(other);
        options_ = copy.options_;
        clock_ = std::move(copy.clock_);
        random_ = std::move(copy.random_);
        ledger_ = std::move(copy.ledger_);
        return *this;
    }
    ~RetryQueue() = default;

    /// The rules of retrying that it follows.
    [[nodiscard]] const RetryOptions& options() const noexcept { return options_; }

    /// Notes one more failed attempt of the record: it waits, longer each time, and is a dead
    /// letter at the last attempt, and from then on. In an engine's queue that is said of the edit
    /// that the store has: where it has none to push, or one of another content, nothing is noted.
    void enqueue(const SyncRecord<Data>& record, std::string message = "the push failed") {
        const auto shared = std::make_shared<const SyncRecord<Data>>(record);
        const Timestamp at = clock_();
        const std::uint64_t random = draw();
        ledger_->edit({record.id}, [&](const std::string& id, Known& entry) {
            if (!entry) entry.emplace();
            entry->record = shared;
            entry->waiting = true;
            if (entry->attempts < std::numeric_limits<unsigned>::max()) ++entry->attempts;
            entry->due = at + options_.delay(entry->attempts, random);
            entry->dead = entry->dead || options_.is_last(entry->attempts);
            detail::remember(entry->history, {id, std::move(message), at});
            return true;
        });
    }

    /// Takes every waiting record out, to be tried now. How often each has failed stays known, so
    /// that limit and waits act. In an engine's queue a record stays listed until its ack; there
    /// this makes them due at once, but for those that the remote itself asked to wait: they are
    /// due when that is over.
    std::vector<SyncRecord<Data>> dequeue_all() {
        std::vector<Entry> taken;
        ledger_->edit(ids_of(waiting()), [&](const std::string& /*id*/, Known& entry) {
            if (!entry || !is_waiting(*entry)) return false;
            entry->waiting = false;
            entry->due = Timestamp{};
            taken.push_back({.record = entry->record});
            return true;
        });
        return records_of(taken);
    }

    /// Forgets a record: it was pushed, or nobody wants it pushed any more. In an engine's queue
    /// this forgets how its attempts went, as `clear` does.
    void erase(std::string_view id) { ledger_->edit({std::string{id}}, forget); }

    /// The records that wait for another attempt; not dead letters, nor what waits for a resolver.
    [[nodiscard]] std::vector<SyncRecord<Data>> pending() const { return records_of(waiting()); }

    /// Everything that is known of each record, dead letters too.
    [[nodiscard]] std::vector<RetryEntry<Data>> entries() const {
        std::vector<RetryEntry<Data>> copies;
        for (auto& entry : ledger_->entries()) {
            copies.push_back({.record = *entry.record,
                              .attempts = entry.attempts,
                              .due = entry.due,
                              .waiting = entry.waiting,
                              .dead = entry.dead,
                              .history = std::move(entry.history)});
        }
        return copies;
    }

    /// The wait after the `attempt`th failure; attempt 1 waits `backoff_base`.
    [[nodiscard]] std::chrono::milliseconds next_delay(unsigned attempt) const {
        return options_.delay(attempt, draw());
    }

    /// How many records wait for another attempt.
    [[nodiscard]] std::size_t count() const { return waiting().size(); }

    /// Forgets all attempts, dead letters and waits, also those that the remote asked for. In an
    /// engine's queue the edits themselves stay in the store, and the next sync pushes them.
    void clear() { ledger_->edit(ids_of(ledger_->entries()), forget); }

    /// The changes that are not tried again by themselves, each with its error and history.
    [[nodiscard]] std::vector<DeadLetter<Data>> dead_letters() const {
        std::vector<DeadLetter<Data>> letters;
        for (auto& entry : ledger_->entries()) {
            if (!entry.dead) continue;
            SyncError error = entry.history.empty() ? SyncError{.record_id = entry.record->id}
                                                    : entry.history.back();
            letters.push_back(
                {*entry.record, entry.attempts, std::move(error), std::move(entry.history)});
        }
        return letters;
    }

    /// Gives a dead letter all its attempts again, due at once and under the same operation id; a
    /// wait that the remote asked for before is over. False if there is no such dead letter.
    bool revive(std::string_view id) {
        bool is_revived = false;
        ledger_->edit({std::string{id}}, [&](const std::string& /*id*/, Known& entry) {
            if (!entry || !entry->dead) return false;
            entry->dead = false;
            entry->waiting = true;
            entry->attempts = 0;
            entry->due = Timestamp{};
            return is_revived = true;
        });
        return is_revived;
    }

    /// When a timer should sync again. Where it is the remote that failed or asked for time: when
    /// that is over, also where a record waits longer, since then others may go. Else when the
    /// first waiting record is due; nothing if all is well. A time that has passed: now.
    [[nodiscard]] std::optional<Timestamp> next_due() const {
        if (const auto remote = ledger_->remote_due()) return remote;
        std::optional<Timestamp> first;
        for (const auto& entry : waiting()) {
            first = first ? std::min(*first, entry.due) : entry.due;
        }
        return first;
    }

    /// Makes this queue the view of `ledger` that an engine has of its store, and gives that what
    /// this queue held, unless it was a view of a store; for engines. Throws `std::logic_error` if
    /// it is the one of an engine.
    void attach(std::shared_ptr<RetryLedger<Data>> ledger, Clock clock, Random random) {
        require_own();
        if (!ledger_->is_view()) {
            Entries held;
            for (auto& entry : ledger_->entries()) held.emplace(entry.record->id, std::move(entry));
            write(*ledger, held);
        }
        ledger_ = std::move(ledger);
        clock_ = std::move(clock);
        random_ = std::move(random);
        is_engines_ = true;
    }

private:
    template <class Same>
    friend void from_json(const nlohmann::json& json, RetryQueue<Same>& queue);

    using Entry = typename RetryLedger<Data>::Entry;
    using Known = std::optional<Entry>;
    using Entries = std::map<std::string, Entry>;

    void require_own() const {
        if (!is_engines_) return;
        throw std::logic_error(
            "the retry queue of an engine is a view of its store, and cannot become another queue; "
            "pass that one to the constructor of the engine");
    }

    /// Makes the entries what is given, and forgets those of `others`, all in one step.
    static void write(RetryLedger<Data>& ledger, const Entries& entries,
                      std::vector<std::string> others = {}) {
        std::erase_if(others, [&](const auto& id) { return entries.contains(id); });
        for (const auto& [id, entry] : entries) others.push_back(id);
        ledger.edit(others, [&](const std::string& id, Known& known) {
            const auto found = entries.find(id);
            known = found == entries.end() ? Known{} : Known{found->second};
            return true;
        });
    }

    static bool forget(const std::string& /*id*/, Known& entry) {
        const bool was_there = entry.has_value();
        entry.reset();
        return was_there;
    }

    [[nodiscard]] static bool is_waiting(const Entry& entry) noexcept {
        return entry.waiting && !entry.dead;
    }

    [[nodiscard]] std::vector<Entry> waiting() const {
        auto entries = ledger_->entries();
        std::erase_if(entries, [](const auto& entry) { return !is_waiting(entry); });
        return entries;
    }

    [[nodiscard]] static std::vector<std::string> ids_of(const std::vector<Entry>& entries) {
        std::vector<std::string> ids;
        ids.reserve(entries.size());
        for (const auto& entry : entries) ids.push_back(entry.record->id);
        return ids;
    }

    [[nodiscard]] static std::vector<SyncRecord<Data>> records_of(
        const std::vector<Entry>& entries) {
        std::vector<SyncRecord<Data>> records;
        records.reserve(entries.size());
        for (const auto& entry : entries) records.push_back(*entry.record);
        return records;
    }

    /// Chance for a wait, where there is any in it.
    [[nodiscard]] std::uint64_t draw() const { return options_.jitter > 0 ? random_() : 0; }

    RetryOptions options_;
    Clock clock_;
    Random random_;
    std::shared_ptr<RetryLedger<Data>> ledger_;
    bool is_engines_ = false;  // and not one of its copies
};

/// Writes what the options come to: where one makes no sense or has no JSON text, the one that
/// waits just as long. So whatever a queue was made with, it can be read again.
void to_json(detail::JsonValue auto& json, const RetryOptions& options) {
    const auto wait = [](std::chrono::milliseconds length) {
        return std::clamp(length, std::chrono::milliseconds{0}, RetryOptions::longest_wait).count();
    };
    const auto number = [](double value, double lowest) {
        if (std::isfinite(value)) return value;
        return value > 0 ? std::numeric_limits<double>::max() : lowest;
    };
    json = {{"maxAttempts", options.max_attempts},
            {"backoffBase", wait(options.backoff_base)},
            {"backoffMultiplier", number(options.backoff_multiplier, 1.0)},
            {"maxDelay", wait(options.max_delay)},
            {"jitter", number(options.jitter, 0.0)}};
}

/// Reads what to_json wrote; what is missing has its default. Waits are whole milliseconds, a year
/// at most; more attempts than an `unsigned` can count are as many as it can. Throws FormatError;
/// `options` are then as they were.
void from_json(const detail::JsonValue auto& json, RetryOptions& options) {
    detail::require_object(json, "retry options");
    RetryOptions read;
    constexpr auto longest = static_cast<std::uint64_t>(RetryOptions::longest_wait.count());
    const auto wait = [&](const char* key, std::chrono::milliseconds fallback) {
        const auto count =
            detail::read_count(json, key, static_cast<std::uint64_t>(fallback.count()));
        if (count > longest) {
            throw FormatError("key " + quoted(key) + ": longer than a year in milliseconds");
        }
        return std::chrono::milliseconds{static_cast<std::int64_t>(count)};
    };
    const auto number = [&](const char* key, double fallback) {
        const nlohmann::json* found = detail::find(json, key);
        if (found == nullptr) return fallback;
        if (!found->is_number()) throw FormatError("key " + quoted(key) + ": expected a number");
        return found->get<double>();
    };
    read.max_attempts = detail::read_clamped_count(json, "maxAttempts", read.max_attempts);
    read.backoff_base = wait("backoffBase", read.backoff_base);
    read.backoff_multiplier = number("backoffMultiplier", read.backoff_multiplier);
    read.max_delay = wait("maxDelay", read.max_delay);
    read.jitter = number("jitter", read.jitter);
    options = read;
}

/// Writes the keys record, attempts, due, waiting, dead and history. Throws FormatError for a
/// record that JSON cannot carry.
template <class Data>
void to_json(nlohmann::json& json, const RetryEntry<Data>& entry) {
    // Where the clock is close to the end of time, a wait ends later than any text can say.
    const Timestamp due = std::min(entry.due, latest_stamp);
    json = {{"record", entry.record},   {"attempts", entry.attempts}, {"due", to_iso8601(due)},
            {"waiting", entry.waiting}, {"dead", entry.dead},         {"history", entry.history}};
}

/// Reads what to_json wrote; all but the record may be missing: then it has not failed, is due at
/// once and waits. More attempts than an `unsigned` can count are as many as it can. Throws
/// FormatError; `entry` is then as it was.
template <class Data>
void from_json(const nlohmann::json& json, RetryEntry<Data>& entry) {
    detail::require_object(json, "retry entry");
    RetryEntry<Data> read;
    from_json(detail::require(json, "record"), read.record);
    read.attempts = detail::read_clamped_count(json, "attempts", 0);
    read.due = detail::read_time(json, "due", Timestamp{});
    read.waiting = detail::read_flag(json, "waiting", true);
    read.dead = detail::read_flag(json, "dead");
    for (const auto& each : detail::read_array(json, "history")) {
        SyncError error;
        from_json(each, error);
        read.history.push_back(std::move(error));
    }
    entry = std::move(read);
}

/// Options and entries, so that a queue of its own outlives the process.
template <class Data>
void to_json(nlohmann::json& json, const RetryQueue<Data>& queue) {
    json = {{"options", queue.options()}, {"entries", queue.entries()}};
}

/// Replaces options and entries by those that were written before; clock and chance stay the
/// queue's own. A reader that fails leaves it as it was.
///
/// Into a view of a store the entries are written in one commit, those of a state that the store
/// has to push (of a record with other content what is known stays); may throw `StorageError`. The
/// queue of an engine keeps its options: they are the rules that its syncs follow.
template <class Data>
void from_json(const nlohmann::json& json, RetryQueue<Data>& queue) {
    detail::require_object(json, "retry queue");
    RetryOptions options;
    if (const auto* found = detail::find(json, "options")) from_json(*found, options);
    typename RetryQueue<Data>::Entries read;
    for (const auto& each : detail::read_array(json, "entries")) {
        RetryEntry<Data> entry;
        from_json(each, entry);
        const auto record = std::make_shared<const SyncRecord<Data>>(std::move(entry.record));
        read.insert_or_assign(record->id, typename RetryLedger<Data>::Entry{
                                              record, entry.attempts, entry.due, entry.waiting,
                                              entry.dead, std::move(entry.history)});
    }
    queue.write(*queue.ledger_, read, queue.ids_of(queue.ledger_->entries()));
    if (!queue.is_engines_) queue.options_ = options;
}

}  // namespace sync_engine
