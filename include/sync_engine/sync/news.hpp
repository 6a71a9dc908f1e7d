// SPDX-License-Identifier: MIT
#pragma once

#include <sync_engine/record/sync_record.hpp>
#include <sync_engine/retry/retry_queue.hpp>
#include <sync_engine/store/boxed.hpp>
#include <sync_engine/store/entry.hpp>
#include <sync_engine/store/outcome.hpp>
#include <sync_engine/store/sequence.hpp>
#include <sync_engine/store/stamp.hpp>
#include <sync_engine/store/sync_rules.hpp>
#include <sync_engine/sync/judge.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace sync_engine {

/// A remote state of the record, from wherever, as `rules::remote_state` made it.
template <class Data>
struct RemoteState {
    RecordPtr<Data> record{};
    Source source = Source::pull;
    Sequence refused = 0;  ///< of a verdict: the edit that it refused; 0: the last one
};

/// Throws InvalidRecord unless a record that the remote showed can be kept. What cannot be written
/// of a deletion is left out of it.
template <class Data>
void check_arrived(SyncRecord<Data>& record, bool is_stored) {
    try {
        check_record(record, is_stored);
    } catch (const InvalidRecord&) {
        if (!record.is_deleted()) throw;
        record.data = Data{};
        record.unknown = {};
        check_record(record);
    }
}

/// A remote state that could not be decided before waits on the entry: try again.
struct StillParked {};

/// A full listing of the remote did not hold the record.
struct AbsentRemotely {};

/// The record is about to be pushed, as it was when it was edited last.
struct AboutToPush {
    Sequence chosen = 0;  ///< the edit that a filter let pass; 0: any
};

/// The remote accepted what was sent.
template <class Data>
struct PushAccepted {
    std::shared_ptr<const Sent<Data>> sent{};
    std::string revision{};
};

/// What a failed push says about one of its records (law 8).
enum class Failure {
    unreached,  ///< the remote was not reached: it counts as not sent
    whole,      ///< the whole call failed; this record is not to blame
    alone,      ///< the whole call failed, and it was alone in it; nothing else passed either
    own,        ///< its own failure: an attempt
    suspected,  ///< its own failure, because it failed alone while others passed
    refused,    ///< the remote will never take it: a dead letter
    later,      ///< the remote will take it, but not now
};

/// The push of the record failed.
struct PushFailed {
    std::string operation_id{};
    Sequence sequence = 0;
    Failure failure = Failure::whole;
    std::string message{};
    std::chrono::milliseconds after{0};  ///< later: how long the remote asks to wait
    unsigned declined = 0;               ///< refused: earlier sends that surely had no effect
};

/// Something that concerns one record, on its way to becoming a decision.
template <class Data>
struct News {
    IdPtr id{};
    std::variant<RemoteState<Data>, StillParked, AbsentRemotely, AboutToPush, PushAccepted<Data>,
                 PushFailed>
        what{};
};

/// What a committed decision adds to the result of the sync.
struct Effect {
    bool pushed = false;
    bool retried = false;
    bool pulled = false;
    bool conflict = false;
    bool push_again = false;     ///< the winner of a conflict that a push revealed is to be pushed
    bool parked = false;         ///< a remote state waits on it for the next cycle
    Boxed<std::string> error{};  ///< why the record did not get through; none: it did
};

/// What a piece of news makes of an entry.
template <class Data>
struct Ruling {
    enum class Kind {
        keep,     ///< nothing is to be written
        write,    ///< `outcome` is
        resolve,  ///< a resolver has to decide between the entry and `remote` first
    };
    Kind kind = Kind::keep;
    Outcome<Data> outcome{};
    RecordPtr<Data> remote{};
    Effect effect{};
};

/// What rulings need to know besides entry and news.
struct RulingContext {
    Moment moment{};
    std::string store_id{};
    RetryOptions retry{};
    std::chrono::milliseconds max_wait{0};  ///< the longest that a remote may ask us to wait
    std::uint64_t random = 0;
};

/// The name of the entry's last edit for the remote: the same over all retries, in this opening of
/// the store and in later ones, and never used for another edit.
template <class Data>
[[nodiscard]] std::string operation_id_of(const Entry<Data>& entry, const std::string& store_id) {
    for (const auto& sent : entry.sent()) {
        if (sent.sequence == entry.sequence) return sent.operation_id;
    }
    const RetryState* retry = entry.active_retry();
    if (retry != nullptr && !retry->operation_id.empty()) return retry->operation_id;
    constexpr std::size_t longest_number = std::numeric_limits<Sequence>::digits10 + 1;
    std::string id;
    id.reserve(store_id.size() + 1 + longest_number);
    id.append(store_id).append("-").append(std::to_string(entry.sequence));
    return id;
}

namespace detail {

/// True if the app sees another content after than before.
template <class Data>
bool is_visible_change(const Entry<Data>* before, const Outcome<Data>& after) {
    const bool was_there = before != nullptr && before->is_visible();
    const bool is_there = after && after->is_visible();
    if (!was_there || !is_there) return was_there != is_there;
    return before->local != after->local && !same_content(*before->local, *after->local);
}

template <class Data>
Ruling<Data> write(Outcome<Data> outcome, Effect effect = {}) {
    return {Ruling<Data>::Kind::write, std::move(outcome), {}, std::move(effect)};
}

/// The acknowledgement of an edit that was sent once and never failed is a push; any other a retry.
template <class Data>
void count_ack(Effect& effect, const Entry<Data>& entry, const Sent<Data>& sent) {
    const bool has_failed = entry.retry().has_value() && entry.retry()->sequence == sent.sequence;
    (has_failed || sent.attempts > 1 ? effect.retried : effect.pushed) = true;
}

/// The retry state of the entry's last edit, begun if there is none; history is kept.
template <class Data>
RetryState& retry_of(Entry<Data>& entry) {
    auto& retry = entry.edit_extras().retry;
    if (!retry) retry.emplace();
    if (retry->sequence != entry.sequence) {
        auto history = std::move(retry->history);
        retry = RetryState{.sequence = entry.sequence, .history = std::move(history)};
    }
    return *retry;
}

/// Our own wait, as long as after so many failures.
inline void back_off(RetryState& state, unsigned failures, const RulingContext& context) {
    // The odd constant (2^64 divided by the golden ratio) spreads records that fail together.
    const std::uint64_t random = context.random + state.sequence * 0x9E3779B97F4A7C15U;
    state.backoff = {context.moment.now, context.retry.delay(failures, random)};
}

inline void count_attempt(RetryState& state, const RulingContext& context) {
    ++state.attempts;
    back_off(state, state.attempts, context);
    state.dead = context.retry.is_last(state.attempts);
}

/// What the failure means for further attempts to push the edit.
inline void note_failure(RetryState& state, const std::string& id, const PushFailed& failed,
                         const RulingContext& context) {
    if (!failed.operation_id.empty()) state.operation_id = failed.operation_id;
    switch (failed.failure) {
        case Failure::unreached:
        case Failure::whole:
            break;
        case Failure::alone:
            ++state.failed_alone;
            break;
        case Failure::suspected:
            ++state.failed_alone;
            state.suspect = true;
            count_attempt(state, context);
            break;
        case Failure::own:
            count_attempt(state, context);
            break;
        case Failure::refused:
            count_attempt(state, context);
            state.dead = true;
            break;
        case Failure::later:
            state.asked = Wait{context.moment.now, failed.after}.at_most(context.max_wait);
            if (state.asked.is_negligible()) {
                state.asked = {};  // a timer backs off all the same
                back_off(state, std::max(state.attempts, 1U), context);
            }
            break;
    }
    state.remember({id, failed.message, context.moment.now});
}

template <class Data>
Ruling<Data> rule(const Entry<Data>* entry, const PushFailed& failed,
                  const RulingContext& context) {
    if (entry == nullptr) return {};
    Entry<Data> changed = *entry;
    if (failed.failure == Failure::unreached) {
        changed = rules::unstaged(std::move(changed), failed.operation_id);
    } else if (failed.failure == Failure::refused) {
        // An earlier send whose answer was lost may have arrived: the repeat of a creation is
        // refused just because it did.
        std::erase_if(changed.edit_extras().sent, [&](const auto& sent) {
            return sent.operation_id == failed.operation_id && sent.attempts <= failed.declined + 1;
        });
    }
    Effect effect;
    if (failed.failure != Failure::whole && failed.failure != Failure::unreached) {
        effect.error = failed.message;
    }
    if (!entry->is_dirty() || entry->sequence != failed.sequence) {
        // Edited since: the failure says nothing of the new edit.
        return write<Data>(rules::without_needless_deletion(std::move(changed), context.moment.now),
                           std::move(effect));
    }
    note_failure(retry_of(changed), entry->local->id, failed, context);
    return write<Data>(std::move(changed), std::move(effect));
}

template <class Data>
Ruling<Data> rule(const Entry<Data>* entry, const RemoteState<Data>& state,
                  const RulingContext& context) {
    auto judged = judge(entry, state.record, state.source, context.moment);
    Ruling<Data> ruling = write<Data>(std::move(judged.entry));
    switch (judged.judgement) {
        case Judgement::nothing:
            ruling.kind = Ruling<Data>::Kind::keep;
            break;
        case Judgement::contradiction:
            return rule(entry,
                        PushFailed{.sequence = state.refused != 0 ? state.refused : entry->sequence,
                                   .failure = Failure::own,
                                   .message = "the remote reports a conflict, but holds just the "
                                              "state that the change was made on"},
                        context);
        case Judgement::conflict:
            ruling.kind = Ruling<Data>::Kind::resolve;
            ruling.remote = state.record;
            break;
        case Judgement::acknowledged:
            count_ack(ruling.effect, *entry, *echo_of(*entry, *state.record));
            break;
        case Judgement::adopted:
            ruling.effect.pulled = is_visible_change(entry, ruling.outcome);
            break;
    }
    if (state.source == Source::verdict && ruling.kind == Ruling<Data>::Kind::write) {
        ruling.effect.push_again = ruling.outcome->is_dirty();
    }
    return ruling;
}

/// What waits may be older than base: a rescan of a remote that went back in time brought it. On a
/// clean entry, base has moved since, because the app said so; under something that was sent, it
/// may have come in a verdict, and the next one says it again.
template <class Data>
Ruling<Data> rule(const Entry<Data>* entry, StillParked, const RulingContext& context) {
    if (entry == nullptr || !entry->is_parked()) return {};
    Entry<Data> freed = *entry;
    freed.edit_extras().theirs = nullptr;
    const bool may_lag = entry->is_clean() || !entry->sent().empty();
    const Source source = may_lag ? Source::pull : Source::certain;
    auto ruling = rule(&freed, RemoteState<Data>{entry->theirs(), source}, context);
    if (ruling.kind == Ruling<Data>::Kind::keep) return write<Data>(std::move(freed));
    return ruling;
}

/// The first absence after our own write only marks: the listing may be older than the write. The
/// deletion has no revision that we know, so nothing is ever pushed over it unseen. The last
/// revision does not count as left behind: where the listing only lagged, the record comes back
/// under it.
template <class Data>
Ruling<Data> rule(const Entry<Data>* entry, AbsentRemotely, const RulingContext& context) {
    if (entry == nullptr || !entry->is_clean() || !entry->is_visible()) return {};
    if (entry->pulled_since_ack || entry->absent_once) {
        SyncRecord<Data> deletion = entry->local->with_status(SyncStatus::deleted);
        deletion.revision.clear();
        Entry<Data> gone = rules::taken(entry, std::move(deletion), context.moment.now);
        std::erase(gone.edit_extras().superseded, entry->local->revision);
        return write<Data>(std::move(gone), {.pulled = true});
    }
    Entry<Data> marked = *entry;
    marked.absent_once = true;
    return write<Data>(std::move(marked));
}

template <class Data>
Ruling<Data> rule(const Entry<Data>* entry, AboutToPush push, const RulingContext& context) {
    const bool is_due =
        entry != nullptr && entry->is_dirty() && !entry->is_parked() && !entry->is_dead_letter();
    if (!is_due || (push.chosen != 0 && push.chosen != entry->sequence)) return {};
    return write<Data>(rules::staged(*entry, operation_id_of(*entry, context.store_id)));
}

template <class Data>
Ruling<Data> rule(const Entry<Data>* entry, const PushAccepted<Data>& accepted,
                  const RulingContext& context) {
    RecordPtr<Data> remote = rules::stored_state(*accepted.sent->record, accepted.revision);
    if (entry != nullptr) {
        for (const auto& sent : entry->sent()) {
            if (sent.operation_id != accepted.sent->operation_id) continue;
            Effect effect;
            count_ack(effect, *entry, sent);
            return write<Data>(rules::acknowledged(*entry, sent, std::move(remote), context.moment),
                               std::move(effect));
        }
    }
    // The edit was given up while it was under way: the remote has it all the same.
    auto ruling = rule(entry, RemoteState<Data>{std::move(remote), Source::certain}, context);
    ruling.effect.pushed = true;
    return ruling;
}

}  // namespace detail

/// Rules on a piece of news: pure, and the one place where what a remote says becomes what an entry
/// is to be. `entry` is null if the store does not have the record.
template <class Data>
[[nodiscard]] Ruling<Data> rule_on(const Entry<Data>* entry, const News<Data>& news,
                                   const RulingContext& context) {
    return std::visit([&](const auto& what) { return detail::rule<Data>(entry, what, context); },
                      news.what);
}

/// What a resolver's word makes of the entry it was asked about. Without a winner the remote's
/// state waits on the entry: for the user if the resolver left it to them, else for the next cycle.
template <class Data>
[[nodiscard]] Ruling<Data> rule_on_winner(const Entry<Data>& entry, RecordPtr<Data> remote,
                                          const RecordPtr<Data>& winner, Source source,
                                          const RulingContext& context) {
    const bool is_undecided = !winner || winner->status == SyncStatus::conflicted;
    Outcome<Data> outcome = is_undecided
                                ? rules::waiting(entry, std::move(remote), winner != nullptr)
                                : rules::settled(entry, std::move(remote), winner, context.moment);
    forget_superseded(outcome, source);
    Effect effect{.conflict = true};
    effect.pulled = detail::is_visible_change(&entry, outcome);
    effect.push_again = source == Source::verdict && !is_undecided && outcome->is_dirty();
    return detail::write<Data>(std::move(outcome), std::move(effect));
}

}  // namespace sync_engine
