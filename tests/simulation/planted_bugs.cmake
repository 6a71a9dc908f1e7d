# SPDX-License-Identifier: MIT
# The planted bugs, by the law or promise that each of them breaks. What `plant` does: plant.cmake.
#
# Bugs that are not here, because no run shows them:
# - A tie of `latest_wins` that goes to whoever comes last: the remote compares revisions, so it takes
#   one state first, and everybody settles on the winner over that.
# - Absence that deletes at the first listing after our own write: no listing is older than a write
#   of the device that reads it, because absence in a lagging one could not be told from a deletion.
# - A merge that does not know what was sent: it loses nothing but the order of two edits of one key,
#   and the workload's edits have keys of their own.
# - A push plan that never gives up, or that tries one half of a batch in a later sync: all that is
#   different is how many calls it takes.

# Acknowledgements.
plant("an ack clears a record that was edited meanwhile" store/sync_rules.hpp
    [[if (is_same_edit && known.theirs() == nullptr) {]]
    [[if ((PLANTED || is_same_edit) && known.theirs() == nullptr) {]])
plant("a change without an answer counts as accepted" sync/push_call.hpp
    [[            judged.news.push_back(
                failure_of(sent_[place], Failure::own, "the remote gave no answer for it"));]]
    [[            if (PLANTED) {
                const auto& each = sent_[place];
                judged.news.push_back(
                    {each.candidate.id, PushAccepted<Data>{{each.staged, &each.edit()}, {}}});
                continue;
            }
            judged.news.push_back(
                failure_of(sent_[place], Failure::own, "the remote gave no answer for it"));]])
plant("verdicts are matched by position" sync/push_call.hpp
    [[            const auto place = places.find(verdict.id);]]
    [[            const auto unanswered = std::find(is_answered.begin(), is_answered.end(), false);
            if (PLANTED && unanswered != is_answered.end()) {
                verdict.id =
                    *sent_[static_cast<std::size_t>(unanswered - is_answered.begin())].candidate.id;
            }
            const auto place = places.find(verdict.id);]])
plant("an ack is not recognised in what a pull shows" sync/judge.hpp
    [[    if (echo != nullptr) return]]
    [[    if (!PLANTED && echo != nullptr) return]])

# Sent states and operation ids.
plant("nothing is staged before it is sent" sync/news.hpp
    [[    return write<Data>(rules::staged(*entry, operation_id_of(*entry, context.store_id)));]]
    [[    auto ruling = write<Data>(rules::staged(*entry, operation_id_of(*entry, context.store_id)));
    if (PLANTED) ruling.kind = Ruling<Data>::Kind::keep;
    return ruling;]])
plant("a push that failed counts as not sent" sync/news.hpp
    [[    if (failed.failure == Failure::unreached) {]]
    [[    if (failed.failure == Failure::unreached ||
        (PLANTED && (failed.failure == Failure::alone || failed.failure == Failure::whole))) {]])
plant("only the last sent state is kept" store/sync_rules.hpp
    [[    if (found == sent.end()) {
]]
    [[    if (found == sent.end()) {
        if (PLANTED) sent.clear();
]])
plant("every retry has a new operation id" sync/news.hpp
    [[    for (const auto& sent : entry.sent()) {
        if (sent.sequence == entry.sequence) return sent.operation_id;]]
    [[    if (PLANTED) {
        return store_id + "-" + std::to_string(entry.sequence) + "-" +
               std::to_string(entry.sent().size());
    }
    for (const auto& sent : entry.sent()) {
        if (sent.sequence == entry.sequence) return sent.operation_id;]])
plant("a retry after a restart has a new operation id" sync/news.hpp
    [[    if (!failed.operation_id.empty()) state.operation_id = failed.operation_id;]]
    [[    if (!PLANTED && !failed.operation_id.empty()) state.operation_id = failed.operation_id;]])
plant("an operation id names the record and not the edit" sync/news.hpp
    [[.append(std::to_string(entry.sequence));]]
    [[.append(PLANTED ? entry.local->id : std::to_string(entry.sequence));]])
plant("an operation id is used again after a restore" store/store_memory.hpp
    [[        state_.store_id = std::move(store_id);]]
    [[        if (!PLANTED || state_.store_id.empty()) state_.store_id = std::move(store_id);]])
plant("an edit of an unsent edit is no new edit" store/edit_rules.hpp
    [[    entry.sequence = next_sequence;
    return entry;]]
    [[    if (!PLANTED) entry.sequence = next_sequence;
    return entry;]])
plant("a deletion is no new edit" store/edit_rules.hpp
    [[    entry.sequence = next_sequence;
    return without_needless_deletion(]]
    [[    if (!PLANTED) entry.sequence = next_sequence;
    return without_needless_deletion(]])
plant("a rebased edit keeps its operation id" store/sync_rules.hpp
    [[    entry.sequence = next_sequence;
    entry.conflicted = false;]]
    [[    if (!PLANTED) entry.sequence = next_sequence;
    entry.conflicted = false;]])
plant("a rebased edit that had failed keeps its operation id" store/sync_rules.hpp
    [[    retry.operation_id.clear();]]
    [[    if (!PLANTED) retry.operation_id.clear();]])

# Conflicts.
plant("a pull replaces an unsent edit" sync/judge.hpp
    [[    if (is_behind) return {};]]
    [[    if (PLANTED && source == Source::pull) {
        return {Judgement::adopted, rules::taken(entry, remote, moment.now)};
    }
    if (is_behind) return {};]])
plant("a conflict that a push revealed replaces the edit" sync/judge.hpp
    [[    const SyncRecord<Data>& local = *entry->local;]]
    [[    if (PLANTED && source == Source::verdict) {
        return {Judgement::adopted, rules::taken(entry, remote, moment.now)};
    }
    const SyncRecord<Data>& local = *entry->local;]])
plant("a clean record is replaced although it was sent" sync/judge.hpp
    [[            if (entry->sent().empty()) {]]
    [[            if (PLANTED || entry->sent().empty()) {]])
plant("a resolver is asked about equal states" sync/judge.hpp
    [[        case Reconciliation::agree:
]]
    [[        case Reconciliation::agree:
            if (PLANTED) break;
]])
plant("a resolver is asked twice" sync/sync_run.hpp
    [[            auto winner =
                resolver_.resolve(]]
    [[            if (PLANTED) {
                (void)resolver_.resolve(question.base.get(), *question.local, *question.remote, sent);
            }
            auto winner =
                resolver_.resolve(]])
plant("a hook is called under a lock" sync/sync_run.hpp
    [[                job_.hooks.conflict(*question.local, *question.remote);]]
    [[                const auto tell = [&](auto&) {
                    job_.hooks.conflict(*question.local, *question.remote);
                };
                if (PLANTED) {
                    store_.transact(tell);
                } else {
                    tell(question);
                }]])
plant("push is called under a lock" sync/sync_run.hpp
    [[            return ReportArrived<Data>{push.number,
                                       job_.remote.push.share(std::move(batch), await)};]]
    [[            PushReport<Data> report;
            const auto send = [&](auto&) { report = job_.remote.push.share(std::move(batch), await); };
            if (PLANTED) {
                store_.transact(send);
            } else {
                send(push);
            }
            return ReportArrived<Data>{push.number, std::move(report)};]])
plant("a winner is not stamped" store/sync_rules.hpp
    [[    set_stamp(winner, above(floor, moment));]]
    [[    if (!PLANTED) set_stamp(winner, above(floor, moment));]])
plant("a winner that the remote has is pushed" store/sync_rules.hpp
    [[    if (same_content(winner, *theirs)) return]]
    [[    if (!PLANTED && same_content(winner, *theirs)) return]])
plant("a winner that the remote has is pushed" store/sync_rules.hpp
    [[    if (is_theirs) return]]
    [[    if (!PLANTED && is_theirs) return]])
plant("a rebased edit keeps its old revision" store/sync_rules.hpp
    [[ edit.status = status_of_edit(entry);
    edit.revision =]]
    [[ edit.status = status_of_edit(entry);
    if (!PLANTED) edit.revision =]])
plant("a resolver that throws loses the remote's state" sync/news.hpp
    [[    Outcome<Data> outcome = is_undecided]]
    [[    Outcome<Data> outcome = PLANTED && !winner ? Outcome<Data>{entry} : is_undecided]])
plant("a resolver that throws drops the other conflicts of the page" sync/settlement.hpp
    [[        Dispute dispute = std::move(disputes_[asked_++]);]]
    [[        Dispute dispute = std::move(disputes_[asked_++]);
        if (PLANTED && !resolved.winner) disputes_.resize(asked_);]])
plant("a state that waits is never tried again" sync/sync_cycle.hpp
    [[            if (!parked_now_.contains(*id)) news]]
    [[            if (!PLANTED && !parked_now_.contains(*id)) news]])
plant("a record is pushed over a state that waits" sync/push_call.hpp
    [[    if (entry.is_parked() ||]]
    [[    if ((!PLANTED && entry.is_parked()) ||]])
plant("a record is pushed over a state that waits" sync/news.hpp
    [[entry->is_dirty() && !entry->is_parked() && ]]
    [[entry->is_dirty() && (PLANTED || !entry->is_parked()) && ]])
plant("giving up an edit forgets the state that waits" store/edit_rules.hpp
    [[    if (entry.theirs() != nullptr) return]]
    [[    if (!PLANTED && entry.theirs() != nullptr) return]])
plant("a lagging read replaces a state that waits" sync/judge.hpp
    [[= source == Source::pull && is_behind_theirs(]]
    [[= !PLANTED && source == Source::pull && is_behind_theirs(]])

# Stamps and lagging reads.
plant("an older state is taken for news" sync/judge.hpp
    [[    if (source == Source::pull && is_stale(*entry, remote)) return {};]]
    [[    if (!PLANTED && source == Source::pull && is_stale(*entry, remote)) return {};]])
plant("a lagging read undoes a put that kept the version" sync/judge.hpp
    [[        if (remote.version > version ||]]
    [[        if (PLANTED || remote.version > version ||]])
plant("what was left behind is forgotten" store/sync_rules.hpp
    [[        left.push_back(state->revision);]]
    [[        if (!PLANTED) left.push_back(state->revision);]])
plant("an edit is not stamped" store/edit_rules.hpp
    [[    if (stamp == stored || stamp == remote) stamp]]
    [[    if (!PLANTED && (stamp == stored || stamp == remote)) stamp]])
plant("somebody's deletion of a later edit is an echo of an earlier one" sync/judge.hpp
    [[remote.is_deleted() && has_seen_later ?]]
    [[remote.is_deleted() && !PLANTED && has_seen_later ?]])
plant("an edit stays below its base" store/sync_rules.hpp
    [[    if (entry.local->version > base.version &&]]
    [[    if (PLANTED) return;
    if (entry.local->version > base.version &&]])
plant("a re-creation is not stamped above its tombstone" store/edit_rules.hpp
    [[stamp.raise(above(highest_stamp(entry), moment));]]
    [[stamp.raise(PLANTED ? stored : above(highest_stamp(entry), moment));]])
plant("of several rows of a record the first one counts" sync/page_news.hpp
    [[            page.news[place] =]]
    [[            if (!PLANTED) page.news[place] =]])

# Deletions.
plant("a tombstone is dropped as soon as it is pushed" store/local_store.hpp
    [[                    edits.push_back(std::move(decision.written));]]
    [[                    auto& [outcome, forgotten] = decision.written;
                    if (PLANTED && outcome && outcome->is_husk()) {
                        forgotten = outcome->local->id;
                        outcome = std::nullopt;
                    }
                    edits.push_back(std::move(decision.written));]])
plant("a husk is dropped too early" store/local_store.hpp
    [[            if (age <= options_.tombstone_horizon) break;]]
    [[            if (!PLANTED && age <= options_.tombstone_horizon) break;]])
plant("a deletion is not sent" store/edit_rules.hpp
    [[    return without_needless_deletion(std::move(entry), moment.now);]]
    [[    if (PLANTED) return std::nullopt;
    return without_needless_deletion(std::move(entry), moment.now);]])
plant("a deletion of what may have been sent is not sent" store/sync_rules.hpp
    [[    return entry.is_deleted() && !entry.is_clean() && entry.sent().empty() &&]]
    [[    return entry.is_deleted() && !entry.is_clean() && (PLANTED || entry.sent().empty()) &&]])
plant("a re-creation forgets the deletion" store/transaction.hpp
    [[        if (known == nullptr) return write(rules::created(std::move(record)));]]
    [[        if (known == nullptr || (PLANTED && known->is_deleted())) {
            return write(rules::created(std::move(record)));
        }]])
plant("a deletion once more is no news" sync/judge.hpp
    [[            if (is_deleted_again(*entry, remote)) break;]]
    [[            if (!PLANTED && is_deleted_again(*entry, remote)) break;]])
plant("a deletion that the remote made too is pushed" sync/judge.hpp
    [[    } else if (entry.is_deleted() && remote->is_deleted()) {]]
    [[    } else if (!PLANTED && entry.is_deleted() && remote->is_deleted()) {]])
plant("a needless deletion is pushed after an ack" store/sync_rules.hpp
    [[    if (is_needless_deletion(entry)) {]]
    [[    if (!PLANTED && is_needless_deletion(entry)) {]])
plant("a needless deletion is pushed after a failure" sync/news.hpp
    [[rules::without_needless_deletion(std::move(changed), context.moment.now),]]
    [[PLANTED ? Outcome<Data>{std::move(changed)}
                   : rules::without_needless_deletion(std::move(changed), context.moment.now),]])

# The feed and its cursor.
plant("the cursor is saved before the page" store/local_store.hpp
    [[            forget_expired_husks(step, edits);]]
    [[            if (PLANTED && step.cursor) {
                Commit<Data> ahead{.state = memory_.state()};
                ahead.state->cursor = step.cursor->to;
                memory_.commit(std::move(ahead));
            }
            forget_expired_husks(step, edits);]])
plant("the cursor moves although its page could not be stored" store/store_memory.hpp
    [[        persist(commit);]]
    [[        try {
            persist(commit);
        } catch (...) {
            if (PLANTED && commit.state) state_.cursor = commit.state->cursor;
            throw;
        }]])
plant("the cursor moves past a record that was edited meanwhile" store/local_store.hpp
    [[            if (step.cursor && result.moved.empty()) state.cursor]]
    [[            if (step.cursor && (PLANTED || result.moved.empty())) state.cursor]])
plant("an empty page ends the pull" sync/pull_feed.hpp
    [[        is_last_ = !page.has_more || !keeps_cursor_;]]
    [[        is_last_ = !page.has_more || !keeps_cursor_ || (PLANTED && page.records.empty());]])
plant("a row that is not usable ends its page" sync/page_news.hpp
    [[            continue;
        }
        const auto place]]
    [[            if (PLANTED) break;
            continue;
        }
        const auto place]])
plant("a full listing is resumed after a crash" sync/pull_feed.hpp
    [[        holds_cursor_back_ = page.complete && (]]
    [[        holds_cursor_back_ = !PLANTED && page.complete && (]])
plant("a full listing is resumed after a crash" sync/pull_feed.hpp
    [[is_last_ && is_complete_ && began_at_null_;]]
    [[is_last_ && is_complete_ && (PLANTED || began_at_null_);]])
plant("a full listing is resumed after a crash" sync/pull_feed.hpp
    [[        if (reached_.is_null()) begin_scan();]]
    [[        if (PLANTED || reached_.is_null()) begin_scan();]])
plant("a full listing holds only its last page" sync/pull_feed.hpp
    [[        if (is_complete_ && began_at_null_) seen_]]
    [[        if (is_complete_ && began_at_null_ && !(PLANTED && !is_last_)) seen_]])
plant("clearing the store keeps the cursor" store/local_store.hpp
    [[            state.cursor = nullptr;]]
    [[            if (!PLANTED) state.cursor = nullptr;]])
plant("a clear during a sync is not noticed" store/local_store.hpp
    [[            const bool is_other_epoch = step.epoch &&]]
    [[            const bool is_other_epoch = !PLANTED && step.epoch &&]])
plant("a sync of a store that was cleared is complete" sync/sync_cycle.hpp
    [[            step.epoch = setup_.state.epoch;
            step.metadata = metadata;]]
    [[            if (!PLANTED) step.epoch = setup_.state.epoch;
            step.metadata = metadata;]])

# Commits.
plant("a decision counts for an entry that has moved" store/local_store.hpp
    [[                } else if (entry != decision.expected.get()) {]]
    [[                } else if (!PLANTED && entry != decision.expected.get()) {]])
plant("an edit and its mark are two commits" store/group_commit.hpp
    [[            memory_.prepare(group.commit);]]
    [[            if (PLANTED) {
                Commit<Data> unmarked{.edits = group.commit.edits};
                for (auto& each : unmarked.edits.written()) {
                    if (each.outcome) each.outcome.draft().base = each.outcome->local;
                }
                memory_.commit(std::move(unmarked));
            }
            memory_.prepare(group.commit);]])
plant("a commit that failed counts as stored" store/store_memory.hpp
    [[        } catch (const StorageError&) {
            throw;]]
    [[        } catch (const StorageError&) {
            if (PLANTED) return;
            throw;]])
plant("the oldest edit falls out of a full outbox" store/edit_order.hpp
    [[            if (!edit.is_there) return;]]
    [[            if (!edit.is_there || (PLANTED && size_ > 2 && &edit == &edits_[0])) return;]])

# Waits, failures and dead letters.
plant("a remote's wait is ignored" sync/remote_watch.hpp
    [[        if (!health_.asked.is_over(now)) {]]
    [[        if (!PLANTED && !health_.asked.is_over(now)) {]])
plant("a remote's wait is forgotten" sync/remote_watch.hpp
    [[        health_.asked = asked;]]
    [[        if (!PLANTED) health_.asked = asked;]])
plant("a record's wait is ignored" sync/push_call.hpp
    [[    if (!retry->asked.at_most(longest).is_over(now)) return]]
    [[    if (!PLANTED && !retry->asked.at_most(longest).is_over(now)) return]])
plant("a timer does not wait for a record's backoff" sync/push_call.hpp
    [[    if (mode == RetryMode::when_due && !retry]]
    [[    if (!PLANTED && mode == RetryMode::when_due && !retry]])
plant("a clock that is set back prolongs a wait" store/retry_state.hpp
    [[ || at < since) return true;]]
    [[ || (!PLANTED && at < since)) return true;]])
plant("the backoff of the remote never ends" sync/remote_watch.hpp
    [[        if (has_answered_ && health.is_ill()) {]]
    [[        if (!PLANTED && has_answered_ && health.is_ill()) {]])
plant("attempts are forgotten on every try" sync/news.hpp
    [[    if (retry->sequence != entry.sequence) {]]
    [[    if (PLANTED || retry->sequence != entry.sequence) {]])
plant("a record is tried for ever" sync/news.hpp
    [[    state.dead = context.retry.is_last(state.attempts);]]
    [[    state.dead = !PLANTED && context.retry.is_last(state.attempts);]])
plant("a rejected record is tried for ever" sync/news.hpp
    [[        case Failure::refused:
            count_attempt(state, context);]]
    [[        case Failure::refused:
            if (PLANTED) break;
            count_attempt(state, context);]])
plant("a dead letter is dropped" sync/news.hpp
    [[    note_failure(retry_of(changed), entry->local->id, failed, context);]]
    [[    note_failure(retry_of(changed), entry->local->id, failed, context);
    if (PLANTED && failed.failure == Failure::refused && changed.base) {
        rules::make_clean(changed, context.moment.now);
    }]])
plant("a dead letter is pushed" sync/push_call.hpp
    [[entry.is_dead_letter()) return std::nullopt;]]
    [[(!PLANTED && entry.is_dead_letter())) return std::nullopt;]])
plant("a dead letter is pushed" sync/news.hpp
    [[ && !entry->is_dead_letter();]]
    [[ && (PLANTED || !entry->is_dead_letter());]])
plant("an outage makes dead letters" sync/sync_cycle.hpp
    [[push_failed(failed, Failure::unreached);]]
    [[push_failed(failed, PLANTED ? Failure::own : Failure::unreached);]])
plant("a batch that fails blames all of its records" sync/push_pass.hpp
    [[is_single ? Failure::alone : Failure::whole, message);]]
    [[is_single ? Failure::alone : PLANTED ? Failure::own : Failure::whole, message);]])
plant("a sync that only pulls pushes too" sync/sync_cycle.hpp
    [[        if (setup_.options.direction == SyncDirection::pull) return close(]]
    [[        if (!PLANTED && setup_.options.direction == SyncDirection::pull) return close(]])
plant("what a filter left out is pushed" sync/push_pass.hpp
    [[            } else if (answer.push) {]]
    [[            } else if (PLANTED || answer.push) {]])
plant("a suspect is sent first" sync/push_plan.hpp
    [[        return {each.suspect, each.failed_alone, each.has_failed};]]
    [[        return {each.suspect != PLANTED, each.failed_alone, each.has_failed};]])
plant("a suspect is sent with others" sync/push_plan.hpp
    [[            if (queue_[next_].suspect && !batch.empty()) break;]]
    [[            if (!PLANTED && queue_[next_].suspect && !batch.empty()) break;]])
plant("a batch that failed is not halved" sync/push_plan.hpp
    [[        size_ = std::max<std::size_t>(batch.size() / 2, 1);]]
    [[        if (!PLANTED) size_ = std::max<std::size_t>(batch.size() / 2, 1);]])

# Syncs.
plant("a reply that comes too late is taken" sync/sync_cycle.hpp
    [[        return number && (!is_waiting || *number != number_);]]
    [[        return !PLANTED && number && (!is_waiting || *number != number_);]])
plant("a reply to an earlier process is taken" sync/sync_cycle.hpp
    [[        number_ = random_();]]
    [[        if (!PLANTED) number_ = random_();]])
plant("the end of a sync is told twice" sync/sync_run.hpp
    [[            if (job_.hooks.after) job_.hooks.after(tell.result);]]
    [[            if (PLANTED && job_.hooks.after) job_.hooks.after(tell.result);
            if (job_.hooks.after) job_.hooks.after(tell.result);]])
plant("the end of a sync is never told" sync/sync_cycle.hpp
    [[        phase_ = Phase::telling_after;
        return TellAfter{tally_.result()};]]
    [[        if (PLANTED) return on_after({});
        phase_ = Phase::telling_after;
        return TellAfter{tally_.result()};]])
plant("a sync never ends" store/local_store.hpp
    [[{ syncing->store(false); }]]
    [[{ syncing->store(PLANTED); }]])
plant("two syncs overlap" store/local_store.hpp
    [[        if (syncing_.exchange(true)) return nullptr;]]
    [[        if (syncing_.exchange(true) && !PLANTED) return nullptr;]])
plant("a failed pull does not end the sync" sync/sync_cycle.hpp
    [[        add_error("", "pull failed: " + message);
        return]]
    [[        add_error("", "pull failed: " + message);
        if (PLANTED) return begin_push();
        return]])
plant("a failed push poses as a success" sync/sync_cycle.hpp
    [[        add_error("", "push failed: " + failed.message);
        return end_push(SyncOutcome::failed);]]
    [[        add_error("", "push failed: " + failed.message);
        return end_push(PLANTED ? SyncOutcome::completed : SyncOutcome::failed);]])
plant("halves that were not sent pose as a success" sync/push_pass.hpp
    [[plan_.has_given_up() || was_halved_;]]
    [[plan_.has_given_up() || (!PLANTED && was_halved_);]])
plant("a store is synced with another remote" sync/sync_cycle.hpp
    [[        if (!setup_.remote_name.empty() && !known.empty() && setup_]]
    [[        if (!PLANTED && !setup_.remote_name.empty() && !known.empty() && setup_]])

# The simulation itself.
plant("the oracle forgets what the remote has" testing/token_ledger.hpp
    [[        for (const Token token : tokens(record)) fates_[token].at_remote = true;]]
    [[        for (const Token token : tokens(record)) fates_[token].at_remote = !PLANTED;]])
plant("the oracle does not hear one device" testing/token_ledger.hpp
    [[            fates_[token].may_go = true;
            fates_[token].buried]]
    [[            if (PLANTED && device == 1) continue;
            fates_[token].may_go = true;
            fates_[token].buried]])
