// SPDX-License-Identifier: MIT
#pragma once

#include <sync_engine/record/error.hpp>
#include <sync_engine/record/sync_record.hpp>
#include <sync_engine/record/utf8.hpp>
#include <sync_engine/remote/change.hpp>
#include <sync_engine/remote/verdict.hpp>
#include <sync_engine/store/entry.hpp>
#include <sync_engine/store/id_index.hpp>
#include <sync_engine/store/ids_in_turn.hpp>
#include <sync_engine/store/retry_state.hpp>
#include <sync_engine/sync/news.hpp>
#include <sync_engine/sync/push_plan.hpp>
#include <sync_engine/sync/sync_options.hpp>

#include <chrono>
#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>
#include <vector>

namespace sync_engine {

/// The place of a dirty entry in a push; nothing if it is not to be pushed now. A wait that the
/// remote asked for always holds, but never beyond `longest`; our own only against a timer.
template <class Data>
[[nodiscard]] std::optional<PushCandidate> candidate_of(const Entry<Data>& entry, RetryMode mode,
                                                        std::chrono::milliseconds longest,
                                                        Timestamp now) {
    if (entry.is_parked() || entry.is_dead_letter()) return std::nullopt;
    PushCandidate candidate{.id = id_of(entry.local), .sequence = entry.sequence};
    const RetryState* retry = entry.active_retry();
    if (retry == nullptr) return candidate;
    if (!retry->asked.at_most(longest).is_over(now)) return std::nullopt;
    if (mode == RetryMode::when_due && !retry->backoff.is_over(now)) return std::nullopt;
    candidate.suspect = retry->suspect;
    candidate.failed_alone = retry->failed_alone;
    candidate.has_failed = true;
    return candidate;
}

/// One push that is under way: which edits went out, and what the reply says of each. A value.
template <class Data>
class PushCall {
public:
    /// Makes room for `count` records.
    void reserve(std::size_t count) { sent_.reserve(count); }

    /// Adds a record as it was staged; answers the change to send.
    [[nodiscard]] SharedChange<Data> add(EntryPtr<Data> staged, PushCandidate candidate) {
        const Sent<Data>& sent = staged->sent().back();  // the edit at hand is the last one staged
        SharedChange<Data> change{.record = sent.record,
                                  .base = staged->base,
                                  .operation_id = sent.operation_id,
                                  .attempt = sent.attempts};
        // What was refused was another edit, under another name.
        if (candidate.sequence != sent.sequence) candidate.declined = 0;
        candidate.sequence = sent.sequence;
        sent_.push_back({std::move(candidate), std::move(staged)});
        return change;
    }

    [[nodiscard]] std::size_t size() const noexcept { return sent_.size(); }
    [[nodiscard]] bool is_suspect() const noexcept {
        return sent_.size() == 1 && sent_.front().candidate.suspect;
    }

    /// Who went out, for another turn.
    [[nodiscard]] std::vector<PushCandidate> candidates() const {
        std::vector<PushCandidate> candidates;
        for (const auto& each : sent_) candidates.push_back(each.candidate);
        return candidates;
    }

    /// What a reply says, change by change.
    struct Judged {
        std::vector<News<Data>> news{};
        std::vector<std::string> strangers{};  ///< answered for, but not sent
        bool accepted_any = false;
        bool accepted_all = true;
    };

    /// Judges a reply by id, never by position; only the first verdict on a record counts, and no
    /// verdict is a failure of the record's own.
    [[nodiscard]] Judged judge(PushReport<Data> report, bool is_stored) const {
        Judged judged;
        judged.news.reserve(2 * sent_.size());  // and for the next batch, staged with it
        std::vector<bool> is_answered(sent_.size());
        IdsInTurn places(sent_.size(), [&](std::size_t place) {
            return std::string_view{*sent_[place].candidate.id};
        });
        for (auto& verdict : report) {
            const auto place = places.find(verdict.id);
            if (place == IdIndex::nowhere) {
                judged.strangers.push_back(std::move(verdict.id));
            } else if (!is_answered[place]) {
                is_answered[place] = true;
                const bool is_accepted = verdict.kind == VerdictKind::accepted;
                judged.accepted_any |= is_accepted;
                judged.accepted_all &= is_accepted;
                judged.news.push_back(news_of(std::move(verdict), sent_[place], is_stored));
            }
        }
        for (std::size_t place = 0; place < sent_.size(); ++place) {
            if (is_answered[place]) continue;
            judged.accepted_all = false;
            judged.news.push_back(
                failure_of(sent_[place], Failure::own, "the remote gave no answer for it"));
        }
        return judged;
    }

    /// What a whole failure says of each record that went out.
    [[nodiscard]] std::vector<News<Data>> failed(Failure failure,
                                                 const std::string& message) const {
        std::vector<News<Data>> news;
        for (const auto& each : sent_) {
            news.push_back(failure_of(each, failure, "push failed: " + message));
        }
        return news;
    }

private:
    struct UnderWay {
        PushCandidate candidate{};
        EntryPtr<Data> staged{};

        [[nodiscard]] const Sent<Data>& edit() const { return staged->sent().back(); }
    };

    static News<Data> news_of(Verdict<Data>&& verdict, const UnderWay& sent, bool is_stored) {
        switch (verdict.kind) {
            case VerdictKind::accepted:
                if (!is_utf8(verdict.revision)) {
                    return failure_of(sent, Failure::own,
                                      "the remote's revision is not well-formed UTF-8");
                }
                return {sent.candidate.id, PushAccepted<Data>{{sent.staged, &sent.edit()},
                                                              std::move(verdict.revision)}};
            case VerdictKind::rejected:
                return failure_of(sent, Failure::refused, "rejected: " + verdict.message);
            case VerdictKind::retry:
                return failure_of(sent, Failure::later, "not yet: " + verdict.message,
                                  verdict.after);
            case VerdictKind::conflict:
                break;
        }
        try {
            if (!verdict.remote || verdict.remote->id != verdict.id) {
                throw InvalidRecord("it does not show the remote's state of this record");
            }
            check_arrived(*verdict.remote, is_stored);
        } catch (const InvalidRecord& error) {
            return failure_of(sent, Failure::own,
                              std::string("the remote's conflict is not usable: ") + error.what());
        }
        return {sent.candidate.id,
                RemoteState<Data>{rules::remote_state(std::move(*verdict.remote)), Source::verdict,
                                  sent.candidate.sequence}};
    }

    static News<Data> failure_of(const UnderWay& sent, Failure failure, std::string message,
                                 std::chrono::milliseconds after = std::chrono::milliseconds{0}) {
        return {sent.candidate.id, PushFailed{.operation_id = sent.edit().operation_id,
                                              .sequence = sent.candidate.sequence,
                                              .failure = failure,
                                              .message = std::move(message),
                                              .after = after,
                                              .declined = sent.candidate.declined}};
    }

    std::vector<UnderWay> sent_;
};

/// Who failed in calls that failed whole. Written down at the end of a cycle, because only then it
/// is known whether others passed: if so, who failed alone is a suspect; if not, it was the remote
/// (law 8). A value.
template <class Data>
class FailureNotes {
public:
    /// A call failed whole.
    void note(const PushCall<Data>& call, Failure failure, const std::string& message) {
        for (auto& news : call.failed(failure, message)) {
            if (call.is_suspect()) {
                suspects_.insert(*news.id);
            } else {
                others_failed_ = true;
            }
            notes_.insert_or_assign(*news.id, std::move(news));
        }
    }

    /// A reply came: what was noted of these records no longer matters.
    void forget(const PushCall<Data>& call) {
        if (notes_.empty()) return;
        for (const auto& candidate : call.candidates()) notes_.erase(*candidate.id);
    }

    /// What the failures come to in the end.
    struct Summary {
        std::vector<News<Data>> news{};
        bool failed_alone = false;        ///< some record was alone in a call that failed
        bool remote_is_to_blame = false;  ///< and it may have been the remote's fault
    };

    [[nodiscard]] Summary sum_up(bool something_passed) {
        Summary summary;
        for (auto& [id, note] : notes_) {
            auto& failed = std::get<PushFailed>(note.what);
            if (failed.failure == Failure::alone) {
                const bool is_its_own =
                    something_passed || (suspects_.contains(id) && !others_failed_);
                summary.failed_alone = true;
                if (is_its_own) failed.failure = Failure::suspected;
                if (!is_its_own) summary.remote_is_to_blame = true;
            }
            summary.news.push_back(std::move(note));
        }
        notes_.clear();
        return summary;
    }

private:
    std::map<std::string, News<Data>> notes_;  // ordered, so that a replay is the same everywhere
    std::unordered_set<std::string> suspects_;
    bool others_failed_ = false;  // so even a suspect's failure may be the remote's
};

}  // namespace sync_engine
