// SPDX-License-Identifier: MIT
#pragma once

#include <sync_engine/record/environment.hpp>
#include <sync_engine/record/error.hpp>
#include <sync_engine/record/sync_record.hpp>
#include <sync_engine/retry/retry_queue.hpp>
#include <sync_engine/store/entry.hpp>
#include <sync_engine/store/step.hpp>
#include <sync_engine/store/storage.hpp>
#include <sync_engine/sync/action.hpp>
#include <sync_engine/sync/cycle_setup.hpp>
#include <sync_engine/sync/news.hpp>
#include <sync_engine/sync/page_news.hpp>
#include <sync_engine/sync/pull_feed.hpp>
#include <sync_engine/sync/push_call.hpp>
#include <sync_engine/sync/push_pass.hpp>
#include <sync_engine/sync/push_plan.hpp>
#include <sync_engine/sync/remote_watch.hpp>
#include <sync_engine/sync/settlement.hpp>
#include <sync_engine/sync/sync_options.hpp>
#include <sync_engine/sync/sync_result.hpp>
#include <sync_engine/sync/tally.hpp>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <variant>
#include <vector>

namespace sync_engine {

/// One sync as a value: pull pages until none is left, reconcile each page in one commit, then push
/// what is dirty in batches, and push again what a conflict left to push.
///
/// It does no I/O and holds no store: it answers with one action at a time and is resumed with what
/// came of it and the time. A thread, a game loop, a simulator or a person with a debugger can
/// drive it. Not thread-safe.
///
///     for (auto action = cycle.start(now()); !is_done(action);
///          action = cycle.resume(perform(action), now())) {}
template <class Data>
class SyncCycle {
public:
    /// A cycle that waits for `start`.
    explicit SyncCycle(CycleSetup setup)
        : setup_(std::move(setup)),
          random_(setup_.seed),
          remote_(setup_.state.health, setup_.max_wait),
          feed_(std::move(setup_.state.cursor), setup_.keeps_cursor, setup_.options.max_pages,
                setup_.state.health.starts_over),
          page_limit_(std::max<std::size_t>(setup_.options.pull_page_size, 1)),
          pass_(setup_.options.push_batch_size, setup_.filtered) {
        number_ = random_();  // replies to a cycle of an earlier process match none of ours
        context_.store_id = std::move(setup_.state.store_id);
        context_.retry = setup_.retry;
        context_.max_wait = setup_.max_wait;
        context_.moment.drift_cap = setup_.drift_cap;
    }

    /// The first action.
    [[nodiscard]] Action<Data> start(Timestamp now) {
        started_at_ = now;
        set_time(now);
        phase_ = Phase::asking_before;
        return AskBefore{};
    }

    /// The next action, after `event` came of the last one.
    [[nodiscard]] Action<Data> resume(Event<Data> event, Timestamp now) {
        if (is_late(event)) return KeepWaiting{};
        set_time(now);
        switch (phase_) {
            case Phase::asking_before:
                return on_before(std::get<HookDone>(event));
            case Phase::pulling:
                return on_pull(std::move(event));
            case Phase::reading_absent:
                return on_absent(std::get<EntriesRead<Data>>(event));
            case Phase::reading_parked:
                return on_parked(std::get<EntriesRead<Data>>(event));
            case Phase::reading_dirty:
                return on_dirty(std::get<EntriesRead<Data>>(event));
            case Phase::filtering:
                return on_filtered(std::get<Filtered>(event));
            case Phase::pushing:
                return on_push(std::move(event));
            case Phase::settling:
                return on_settling(std::move(event));
            case Phase::telling_progress:
                return on_progress(std::get<HookDone>(event));
            case Phase::telling_after:
                return on_after(std::get<HookDone>(event));
            case Phase::done:
                break;
        }
        return CycleDone{tally_.result()};
    }

    /// Ends the cycle at the next safe point: before the next call of a callback.
    void request_stop() noexcept { is_stopping_ = true; }

private:
    enum class Phase {
        asking_before,
        pulling,
        reading_absent,
        reading_parked,
        reading_dirty,
        filtering,
        pushing,
        settling,
        telling_progress,
        telling_after,
        done,
    };

    /// What follows when a settlement is through.
    enum class Then { next_page, absences, parked, push, send, next_batch, close, tell_after };

    // Begin.

    Action<Data> on_before(const HookDone& hook) {
        if (!hook.error.empty()) add_error("", "on_before_sync threw: " + hook.error);
        if (!hook.error.empty() || !hook.go_on) return end_unasked(SyncOutcome::vetoed);
        const std::string& known = setup_.state.remote_name;
        if (!setup_.remote_name.empty() && !known.empty() && setup_.remote_name != known) {
            add_error("", "the store was synced with the remote " + quoted(known) +
                              " and not with " + quoted(setup_.remote_name) +
                              ": use another store, or clear this one");
            return end_unasked(SyncOutcome::failed);
        }
        const std::string reason = remote_.reason_to_wait(setup_.options.retry, now_);
        if (!reason.empty()) {
            add_error("", reason);
            return end_unasked(SyncOutcome::failed);
        }
        if (setup_.options.direction == SyncDirection::push) return begin_push();
        return ask_page();
    }

    // Pull.

    Action<Data> ask_page() {
        if (is_stopping_) return close(SyncOutcome::stopped);
        const std::string reason = feed_.reason_to_end();
        if (!reason.empty()) return feed_failed(reason);
        phase_ = Phase::pulling;
        remote_.called();
        return CallPull{++number_, {.cursor = feed_.cursor(), .limit = page_limit_}};
    }

    Action<Data> on_pull(Event<Data> event) {
        if (auto* failed = std::get_if<CallFailed>(&event)) return on_pull_failed(*failed);
        return on_page(std::move(std::get<PageArrived<Data>>(event).page));
    }

    Action<Data> on_page(PullPage<Data> page) {
        remote_.answered();
        if (page.reset && !feed_.cursor().is_null()) return scan_again("the feed was reset");
        const std::string trouble = feed_.trouble_with(page);
        if (!trouble.empty()) return feed_failed(trouble);
        feed_.advance(page);
        auto read = read_page(std::move(page.records),
                              feed_.is_rescan() ? Source::rescan : Source::pull, setup_.is_stored);
        for (const auto& each : read.news) feed_.see(*each.id);
        for (const auto& [id, why] : read.unusable) {
            feed_.see(id);
            add_error(id, why);
        }
        for (const auto& error : page.errors) {
            feed_.see(error.record_id);
            add_error(error.record_id, "pulled, but not readable: " + error.message);
        }
        if (!feed_.is_last()) return settle_page(std::move(read.news), Then::next_page);
        return settle_page(std::move(read.news),
                           feed_.absence_counts() ? Then::absences : Then::parked);
    }

    /// Settles what a page brought, and the cursor behind it, in one commit. The name goes with the
    /// cursor, also with one that stays where an earlier sync without a name has left it.
    Action<Data> settle_page(std::vector<News<Data>> news, Then then) {
        Step<Data> step = step_of_this_epoch();
        step.cursor = feed_.move();
        const std::string& name = setup_.remote_name;
        const bool is_new_name = !name.empty() && name != setup_.state.remote_name;
        if (feed_.stores_cursor() && is_new_name) step.remote_name = name;
        const bool starts_over = feed_.remains_rescan();
        if (setup_.keeps_cursor && starts_over != remote_.starts_over()) {
            step.health = remote_.set_starts_over(starts_over);
        }
        return settle(std::move(news), std::move(step), then);
    }

    Action<Data> on_pull_failed(const CallFailed& failed) {
        if (failed.error == CallError::stopped) return close(SyncOutcome::stopped);
        if (failed.error == CallError::cursor_expired && !feed_.cursor().is_null()) {
            remote_.answered();
            return scan_again(failed.message);
        }
        if (failed.error == CallError::too_large && page_limit_ > 1) {
            page_limit_ /= 2;
            return ask_page();
        }
        leave_alone_after(failed);
        return pull_failed(failed.message);
    }

    /// The calls went through, but what they lead to is no feed.
    Action<Data> feed_failed(const std::string& why) {
        remote_.failed();
        return pull_failed(why);
    }

    /// A failed pull skips the push: pushing blind could overwrite what could not be read.
    Action<Data> pull_failed(const std::string& message) {
        add_error("", "pull failed: " + message);
        return close(SyncOutcome::failed);
    }

    /// The cursor is of no use any more: forget it, keep every edit, and read everything.
    Action<Data> scan_again(const std::string& why) {
        if (!feed_.restart()) return feed_failed("the remote refuses its own cursors: " + why);
        return settle_page({}, Then::next_page);
    }

    Action<Data> read_absent() {
        phase_ = Phase::reading_absent;
        return ReadEntries{.what = Reading::absent, .seen = feed_.seen()};
    }

    Action<Data> on_absent(const EntriesRead<Data>& read) {
        std::vector<News<Data>> news;
        for (const auto& entry : read.entries) {
            news.push_back({id_of(entry->local), AbsentRemotely{}});
        }
        feed_.let_cursor_go();
        return settle_page(std::move(news), Then::parked);
    }

    // States that wait from an earlier cycle.

    Action<Data> read_parked() {
        phase_ = Phase::reading_parked;
        return ReadEntries{.what = Reading::parked};
    }

    Action<Data> on_parked(const EntriesRead<Data>& read) {
        return settle(parked_among(read), step_of_this_epoch(), Then::push);
    }

    /// Those that are to be tried again: each once in a cycle.
    std::vector<News<Data>> parked_among(const EntriesRead<Data>& read) {
        has_tried_parked_ = true;
        std::vector<News<Data>> news;
        for (const auto& entry : read.entries) {
            if (!entry->is_parked()) continue;
            auto id = id_of(entry->local);
            if (!parked_now_.contains(*id)) news.push_back({std::move(id), StillParked{}});
        }
        return news;
    }

    // Push.

    Action<Data> begin_push() {
        if (setup_.options.direction == SyncDirection::pull) return close(SyncOutcome::completed);
        if (is_stopping_) return close(SyncOutcome::stopped);
        phase_ = Phase::reading_dirty;
        return ReadEntries{.what = Reading::dirty};
    }

    Action<Data> on_dirty(const EntriesRead<Data>& read) {
        if (!has_tried_parked_) {  // no pull has led there
            auto news = parked_among(read);
            if (!news.empty()) return settle(std::move(news), step_of_this_epoch(), Then::push);
        }
        pass_.reserve(read.entries.size());
        for (const auto& entry : read.entries) {
            auto candidate = candidate_of(*entry, setup_.options.retry, setup_.max_wait, now_);
            if (candidate) pass_.offer(std::move(*candidate), entry->local);
        }
        return next_batch();
    }

    /// A batch is staged before it is sent, here or with the verdicts on the one before: after a
    /// crash we know what may be under way.
    Action<Data> next_batch() {
        if (is_stopping_) return end_push(SyncOutcome::stopped);
        if (auto question = pass_.question(); !question.empty()) {
            phase_ = Phase::filtering;
            return AskFilter<Data>{std::move(question)};
        }
        if (!pass_.take_batch()) return end_push(SyncOutcome::completed);
        return settle_and_stage({});
    }

    Action<Data> on_filtered(const Filtered& filtered) {
        for (auto& [id, why] : pass_.on_filtered(filtered)) add_error(id, std::move(why));
        return next_batch();
    }

    /// Settles the news and stages the batch at hand, in one commit.
    Action<Data> settle_and_stage(std::vector<News<Data>> news) {
        pass_.stage(news);
        return settle(std::move(news), step_of_this_epoch(), Then::send);
    }

    Action<Data> send() {
        if (is_stopping_) return end_push(SyncOutcome::stopped);
        auto changes = pass_.call(settlement_.settled());
        if (changes.empty()) return next_batch();
        phase_ = Phase::pushing;
        remote_.called();
        return CallPush<Data>{++number_, std::move(changes)};
    }

    Action<Data> on_push(Event<Data> event) {
        if (auto* failed = std::get_if<CallFailed>(&event)) return on_push_failed(*failed);
        return on_report(std::move(std::get<ReportArrived<Data>>(event).report));
    }

    Action<Data> on_report(PushReport<Data> report) {
        remote_.answered();
        auto judged = pass_.on_report(std::move(report), setup_.is_stored);
        for (const auto& id : judged.strangers) {
            add_error(id, "the remote answered for a record that was not sent");
        }
        // The next batch goes with the verdicts, but where the app may come between, or something
        // come back that is to be pushed first.
        const bool is_watched = setup_.is_watched || setup_.options.on_progress;
        if (judged.accepted_all && !is_watched && !is_stopping_ && pass_.take_batch()) {
            return settle_and_stage(std::move(judged.news));
        }
        return settle(std::move(judged.news), step_of_this_epoch(), Then::next_batch);
    }

    Action<Data> on_push_failed(const CallFailed& failed) {
        switch (failed.error) {
            case CallError::stopped:
                return end_push(SyncOutcome::stopped);
            case CallError::unavailable:
                return push_failed(failed, Failure::unreached);
            case CallError::unauthorized:
            case CallError::retry_after:
                return push_failed(failed, Failure::whole);
            case CallError::too_large:
            case CallError::permanent:
                remote_.answered();
                pass_.on_declined(failed.message);
                return next_batch();
            case CallError::cursor_expired:
            case CallError::unknown:
                break;
        }
        pass_.on_failed(failed.message);
        return next_batch();
    }

    /// Nothing more is to be pushed to this remote in this cycle.
    Action<Data> push_failed(const CallFailed& failed, Failure failure) {
        pass_.on_outage(failure, failed.message);
        leave_alone_after(failed);
        add_error("", "push failed: " + failed.message);
        return end_push(SyncOutcome::failed);
    }

    /// Writes down who failed, and whose fault it was.
    Action<Data> end_push(SyncOutcome outcome) {
        auto ending = pass_.end();
        if (!ending.error.empty()) add_error("", std::move(ending.error));
        if (ending.remote_is_to_blame) remote_.failed();
        const bool is_incomplete = outcome == SyncOutcome::completed && !ending.is_complete;
        outcome_ = is_incomplete ? SyncOutcome::failed : outcome;
        return settle(std::move(ending.news), step_of_this_epoch(), Then::close);
    }

    // Settling: every change of the store goes through here.

    Action<Data> settle(std::vector<News<Data>> news, Step<Data> step, Then then) {
        then_ = then;
        moves_cursor_ = step.cursor.has_value();
        handled_ += then == Then::send ? 0 : news.size();
        if (news.empty() && step.is_empty()) return on_settled();
        settlement_ = Settlement<Data>(std::move(news), std::move(step));
        return go_on_settling(settlement_.begin());
    }

    Action<Data> on_settling(Event<Data> event) {
        if (auto* read = std::get_if<EntriesRead<Data>>(&event)) {
            return go_on_settling(settlement_.on_entries(std::move(*read), context_));
        }
        if (auto* resolved = std::get_if<Resolved<Data>>(&event)) {
            return go_on_settling(settlement_.on_resolved(std::move(*resolved), context_));
        }
        return go_on_settling(
            settlement_.on_committed(std::move(std::get<Committed>(event).result)));
    }

    Action<Data> go_on_settling(std::optional<Action<Data>> action) {
        phase_ = Phase::settling;
        if (action) return std::move(*action);
        if (settlement_.is_superseded()) {
            add_error("", "the store was cleared during the sync; sync again");
            remote_.set_starts_over(false);
            return close(SyncOutcome::stopped);
        }
        if (moves_cursor_) feed_.moved();
        for (auto& settled : settlement_.settled()) count(settled);
        return on_settled();
    }

    Action<Data> on_settled() {
        const bool is_worth_telling = then_ != Then::send && then_ != Then::tell_after;
        if (!setup_.options.on_progress || progress_is_broken_ || !is_worth_telling) {
            return go_on();
        }
        phase_ = Phase::telling_progress;
        const std::size_t ahead = pass_.remaining() + (then_ == Then::next_page ? 1 : 0);
        return TellProgress{handled_, handled_ + ahead};
    }

    Action<Data> on_progress(const HookDone& hook) {
        if (!hook.error.empty()) {
            progress_is_broken_ = true;
            add_error("", "on_progress threw: " + hook.error);
        }
        return go_on();
    }

    Action<Data> go_on() {
        switch (then_) {
            case Then::next_page:
                return ask_page();
            case Then::absences:
                return read_absent();
            case Then::parked:
                return read_parked();
            case Then::push:
                return begin_push();
            case Then::send:
                return send();
            case Then::next_batch:
                return next_batch();
            case Then::close:
                return close(outcome_);
            case Then::tell_after:
                break;
        }
        phase_ = Phase::telling_after;
        return TellAfter{tally_.result()};
    }

    void count(const typename Settlement<Data>::Settled& settled) {
        tally_.add(*settled.id, settled.effect, now_);
        if (settled.effect.parked) parked_now_.insert(*settled.id);
        if (!settled.effect.push_again) return;
        if (++rounds_[*settled.id] > setup_.options.max_rounds) {
            add_error(*settled.id, "the conflict did not settle in " +
                                       std::to_string(setup_.options.max_rounds) +
                                       " rounds; the next sync tries again");
            return;
        }
        pass_.offer({.id = settled.id, .sequence = settled.entry->sequence}, settled.entry->local);
    }

    // End.

    /// Nothing was tried, so nothing is to be written down.
    Action<Data> end_unasked(SyncOutcome outcome) {
        tally_.end(outcome);
        phase_ = Phase::done;
        return CycleDone{tally_.result()};
    }

    Action<Data> close(SyncOutcome outcome) {
        tally_.end(outcome);
        if (outcome == SyncOutcome::completed) remote_.went_through(now_);
        Step<Data> step;
        step.health = remote_.outcome(setup_.retry, now_, random_());
        const SyncMetadata metadata = tally_.added_to(setup_.state.metadata, started_at_, now_);
        if (!(metadata == setup_.state.metadata)) step.metadata = metadata;
        // That the remote starts over goes with the cursor, which a clear forgets.
        if (remote_.starts_over()) step.epoch = setup_.state.epoch;
        if (outcome == SyncOutcome::completed) {
            // Committed in any case: for a store that was cleared meanwhile it is not complete.
            step.epoch = setup_.state.epoch;
            step.metadata = metadata;
        }
        return settle({}, std::move(step), Then::tell_after);
    }

    Action<Data> on_after(const HookDone& hook) {
        if (!hook.error.empty()) add_error("", "on_after_sync threw: " + hook.error);
        phase_ = Phase::done;
        return CycleDone{tally_.result()};
    }

    // Small things.

    /// A reply whose request is no longer waited for.
    bool is_late(const Event<Data>& event) const {
        const auto number = request_of<Data>(event);
        const bool is_waiting = phase_ == Phase::pulling || phase_ == Phase::pushing;
        return number && (!is_waiting || *number != number_);
    }

    /// The whole remote is to be left alone: for as long as it asks, or, where it failed or wants a
    /// new login, until our own backoff is over, which holds a timer but nobody who has logged in.
    void leave_alone_after(const CallFailed& failed) {
        if (failed.error != CallError::retry_after) return remote_.failed();
        remote_.asked_to_wait(failed.after, now_);
    }

    void add_error(const std::string& id, std::string message) {
        tally_.add_error(id, std::move(message), now_);
    }

    Step<Data> step_of_this_epoch() const {
        Step<Data> step;
        step.epoch = setup_.state.epoch;
        return step;
    }

    void set_time(Timestamp now) {
        now_ = now;
        context_.moment.now = now;
        context_.random = random_();
    }

    CycleSetup setup_;
    Phase phase_ = Phase::done;
    Timestamp now_{};
    Timestamp started_at_{};
    bool is_stopping_ = false;
    SplitMix64 random_;
    std::uint64_t number_ = 0;  // of the last request
    RulingContext context_{};
    Tally tally_{};
    SyncOutcome outcome_ = SyncOutcome::completed;

    RemoteWatch remote_;

    PullFeed feed_;
    std::size_t page_limit_ = 1;
    std::unordered_set<std::string> parked_now_{};
    bool has_tried_parked_ = false;

    PushPass<Data> pass_;
    std::unordered_map<std::string, std::size_t> rounds_{};

    Settlement<Data> settlement_{};
    Then then_ = Then::close;
    bool moves_cursor_ = false;
    std::size_t handled_ = 0;
    bool progress_is_broken_ = false;
};

/// True for the action that ends a cycle.
template <class Data>
[[nodiscard]] bool is_done(const Action<Data>& action) noexcept {
    return std::holds_alternative<CycleDone>(action);
}

}  // namespace sync_engine
