// SPDX-License-Identifier: MIT
#pragma once

#include <sync_engine/remote/change.hpp>
#include <sync_engine/remote/verdict.hpp>
#include <sync_engine/store/entry.hpp>
#include <sync_engine/store/id_index.hpp>
#include <sync_engine/store/ids_in_turn.hpp>
#include <sync_engine/sync/action.hpp>
#include <sync_engine/sync/news.hpp>
#include <sync_engine/sync/push_call.hpp>
#include <sync_engine/sync/push_plan.hpp>
#include <sync_engine/sync/settlement.hpp>

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sync_engine {

/// One pass over the outbox: whom the filter is asked about, who goes out with whom, and what
/// replies and failures come to. It knows no store, no remote and no time: the cycle asks it what
/// is next, and tells it what came of that. A value.
template <class Data>
class PushPass {
public:
    PushPass() = default;
    PushPass(std::size_t batch_size, bool is_filtered)
        : plan_(batch_size), is_filtered_(is_filtered) {}

    // Who is to be pushed.

    /// Makes room for `count` records.
    void reserve(std::size_t count) { waiting_.reserve(count); }

    /// A record is to be pushed: one that is dirty, in the order of edits, or later the winner of a
    /// conflict. A filter is asked about it first: also about a winner, which is another state than
    /// the one that it let pass.
    void offer(PushCandidate candidate, const RecordPtr<Data>& record) {
        if (is_filtered_) in_question_.push_back(record);
        waiting_.push_back(std::move(candidate));
    }

    /// What the filter is to be asked about before the next batch; empty: nothing.
    [[nodiscard]] std::vector<RecordPtr<Data>> question() {
        return std::exchange(in_question_, {});
    }

    /// Takes the filter's answers to the last question; answers whom it failed on, and why.
    [[nodiscard]] std::vector<std::pair<std::string, std::string>> on_filtered(
        const Filtered& filtered) {
        std::vector<std::pair<std::string, std::string>> errors;
        std::vector<PushCandidate> chosen;
        for (std::size_t each = 0; each < waiting_.size(); ++each) {
            const FilterAnswer& answer = filtered.answers[each];
            if (!answer.error.empty()) {
                errors.push_back(
                    {*waiting_[each].id, "skipped: the predicate threw: " + answer.error});
            } else if (answer.push) {
                chosen.push_back(std::move(waiting_[each]));
            }
        }
        waiting_.clear();
        plan(std::move(chosen));
        return errors;
    }

    /// How many have not had their turn.
    [[nodiscard]] std::size_t remaining() const noexcept {
        return plan_.remaining() + waiting_.size();
    }

    // A batch goes out.

    /// Takes the next batch from the plan; false: there is none.
    [[nodiscard]] bool take_batch() {
        if (!is_filtered_) plan(std::exchange(waiting_, {}));
        batch_ = plan_.next();
        return !batch_.empty();
    }

    /// Adds the news that the batch is about to go out: with it, the store stages the batch.
    void stage(std::vector<News<Data>>& news) const {
        news.reserve(news.size() + batch_.size());
        for (const auto& candidate : batch_) {
            news.push_back({candidate.id, AboutToPush{is_filtered_ ? candidate.sequence : 0}});
        }
    }

    /// The changes to send: as they were read by the very commit that staged them.
    [[nodiscard]] std::vector<SharedChange<Data>> call(
        const std::vector<typename Settlement<Data>::Settled>& settled) {
        IdsInTurn places(batch_.size(),
                         [&](std::size_t place) { return std::string_view{*batch_[place].id}; });
        call_ = {};
        call_.reserve(batch_.size());
        std::vector<SharedChange<Data>> changes;
        changes.reserve(batch_.size());
        for (const auto& [id, entry, effect] : settled) {
            const auto place = entry ? places.find(*id) : IdIndex::nowhere;
            if (place == IdIndex::nowhere) continue;
            changes.push_back(call_.add(entry, batch_[place]));
        }
        if (!changes.empty()) was_halved_ = false;
        return changes;
    }

    // What came of it.

    /// The remote answered.
    [[nodiscard]] typename PushCall<Data>::Judged on_report(PushReport<Data> report,
                                                            bool is_stored) {
        plan_.replied();
        failures_.forget(call_);
        auto judged = call_.judge(std::move(report), is_stored);
        something_passed_ = something_passed_ || judged.accepted_any;
        return judged;
    }

    /// The call failed, as others would: no record is to blame.
    void on_outage(Failure failure, const std::string& message) {
        failures_.note(call_, failure, message);
    }

    /// The remote will not take the batch as it is: one record alone is refused, of several it may
    /// be any.
    void on_declined(const std::string& message) {
        const bool is_single = call_.size() == 1;
        failures_.note(call_, is_single ? Failure::refused : Failure::whole, message);
        if (is_single) return;
        auto candidates = call_.candidates();
        for (auto& each : candidates) ++each.declined;
        plan_.halve(std::move(candidates));
    }

    /// The call failed, and it may have been a record's fault or the remote's.
    void on_failed(const std::string& message) {
        const bool is_single = call_.size() == 1;
        failures_.note(call_, is_single ? Failure::alone : Failure::whole, message);
        last_failure_ = message;
        if (!call_.is_suspect()) plan_.count_failure(call_.size());
        was_halved_ = !is_single;
        if (was_halved_) plan_.halve(call_.candidates());
    }

    // The end.

    /// What the pass came to.
    struct Ending {
        std::vector<News<Data>> news{};   ///< who failed
        std::string error{};              ///< why some were not sent at all; empty: none was left
        bool is_complete = true;          ///< everybody had a turn, and not all of them failed
        bool remote_is_to_blame = false;  ///< it was the remote, and not a record
    };

    /// Nothing more is to be sent.
    [[nodiscard]] Ending end() {
        auto summary = failures_.sum_up(something_passed_);
        // Halves that were given up meanwhile, and never sent, repair nothing.
        const bool gave_up = plan_.has_given_up() || was_halved_;
        const bool nothing_passed = summary.failed_alone && !something_passed_;
        Ending ending{.news = std::move(summary.news),
                      .is_complete = !gave_up && !nothing_passed,
                      .remote_is_to_blame = gave_up || summary.remote_is_to_blame};
        if (was_halved_ || (gave_up && plan_.remaining() > 0)) {
            ending.error = "push failed: " + last_failure_;
        }
        return ending;
    }

private:
    void plan(std::vector<PushCandidate> candidates) {
        if (std::exchange(is_planned_, true)) {
            for (auto& each : candidates) plan_.push_again(std::move(each));
        } else {
            plan_.fill(std::move(candidates));
        }
    }

    PushPlan plan_;
    bool is_filtered_ = false;
    bool is_planned_ = false;
    std::vector<PushCandidate> waiting_{};        // not in the plan yet
    std::vector<RecordPtr<Data>> in_question_{};  // of those that wait: their records
    std::vector<PushCandidate> batch_{};
    PushCall<Data> call_{};
    FailureNotes<Data> failures_{};
    std::string last_failure_{};
    bool was_halved_ = false;  // the last call failed, and its halves were not sent yet
    bool something_passed_ = false;
};

}  // namespace sync_engine
