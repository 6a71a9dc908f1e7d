// SPDX-License-Identifier: MIT
#pragma once

#include <sync_engine/store/entry.hpp>
#include <sync_engine/store/outcome.hpp>
#include <sync_engine/store/step.hpp>
#include <sync_engine/sync/action.hpp>
#include <sync_engine/sync/news.hpp>

#include <cstddef>
#include <optional>
#include <string>
#include <unordered_set>
#include <utility>
#include <vector>

namespace sync_engine {

/// Turns news into one committed step: read the entries, rule, resolve what is in conflict, commit;
/// and again for the records that have moved meanwhile, until none has.
///
/// A value that touches nothing, like the cycle that drives it. The step's other parts (cursor,
/// health, metadata) ride with the commit.
template <class Data>
class Settlement {
public:
    /// What a committed decision came to, for the result and for the push that follows.
    struct Settled {
        IdPtr id{};
        EntryPtr<Data> entry{};  ///< as it was committed, where something is still to come of it
        Effect effect{};
    };

    Settlement() = default;
    /// `frame` is the step without decisions.
    Settlement(std::vector<News<Data>> news, Step<Data> frame)
        : open_(std::move(news)), frame_(std::move(frame)) {}

    /// The first action. Nothing, here and below: everything is settled.
    [[nodiscard]] std::optional<Action<Data>> begin() {
        if (open_.empty()) return commit();
        ReadEntries reading;
        reading.ids.reserve(open_.size());
        for (const auto& each : open_) reading.ids.push_back(*each.id);
        return reading;
    }

    /// Takes the entries that `begin` asked for.
    [[nodiscard]] std::optional<Action<Data>> on_entries(EntriesRead<Data> read,
                                                         const RulingContext& context) {
        decisions_.reserve(open_.size());
        decided_.reserve(open_.size());
        for (std::size_t each = 0; each < open_.size(); ++each) {
            rule(each, std::move(read.entries[each]), context);
        }
        return next();
    }

    /// Takes the resolver's word on the conflict that was asked about last.
    [[nodiscard]] std::optional<Action<Data>> on_resolved(Resolved<Data> resolved,
                                                          const RulingContext& context) {
        Dispute dispute = std::move(disputes_[asked_++]);
        auto ruling = rule_on_winner(*dispute.entry, std::move(dispute.remote),
                                     std::move(resolved.winner), dispute.source, context);
        ruling.effect.pushed = dispute.is_pushed;
        if (!resolved.error.empty()) ruling.effect.error = std::move(resolved.error);
        decide(dispute.news, dispute.entry, std::move(ruling));
        return next();
    }

    /// Takes what became of the commit.
    [[nodiscard]] std::optional<Action<Data>> on_committed(StepResult result) {
        is_superseded_ = result.superseded;
        if (is_superseded_) return std::nullopt;
        const std::unordered_set<std::string> moved(result.moved.begin(), result.moved.end());
        const auto has_moved = [&](const std::string& id) {
            return !moved.empty() && moved.contains(id);
        };
        settled_.reserve(settled_.size() + decided_.size());
        for (auto& each : decided_) {
            const IdPtr& id = open_[each.news].id;
            if (has_moved(*id)) continue;
            settled_.push_back({id, std::move(each.entry), std::move(each.effect)});
        }
        decided_.clear();
        std::erase_if(open_, [&](const auto& news) { return !has_moved(*news.id); });
        if (open_.empty()) return std::nullopt;
        ++round_;
        return begin();
    }

    /// The store was cleared, or its cursor moved, under the sync: nothing was committed.
    [[nodiscard]] bool is_superseded() const noexcept { return is_superseded_; }

    /// What was committed.
    [[nodiscard]] std::vector<Settled>& settled() noexcept { return settled_; }

private:
    /// What a decision comes to if it counts.
    struct Decided {
        std::size_t news = 0;  // of open_
        EntryPtr<Data> entry{};
        Effect effect{};
    };

    /// A conflict that waits for the resolver.
    struct Dispute {
        std::size_t news = 0;  // of open_
        EntryPtr<Data> entry{};
        RecordPtr<Data> remote{};
        Source source = Source::pull;
        bool is_pushed = false;  // it came of an ack of what was given up meanwhile
    };

    /// Enough for honest edits in between; a record that still moves is edited faster than it can
    /// be decided, or its resolver edits it.
    static constexpr int patience = 8;

    void rule(std::size_t news, EntryPtr<Data> entry, const RulingContext& context) {
        if (round_ >= patience) return give_up(news);
        auto ruling = rule_on(entry.get(), open_[news], context);
        if (ruling.kind != Ruling<Data>::Kind::resolve) {
            return decide(news, entry, std::move(ruling));
        }
        const auto* state = std::get_if<RemoteState<Data>>(&open_[news].what);
        disputes_.push_back({news, std::move(entry), std::move(ruling.remote),
                             state != nullptr ? state->source : Source::pull,
                             ruling.effect.pushed});
    }

    /// The remote's state is left on the entry, so that the cursor may go on; other news is left
    /// for the next sync, which finds the record parked or dirty. Either way it is told.
    void give_up(std::size_t news) {
        const auto* state = std::get_if<RemoteState<Data>>(&open_[news].what);
        if (state != nullptr) decisions_.push_back({.park = state->record});
        std::string why =
            "the record kept changing while the sync decided what is to become of it; the next "
            "sync tries again";
        const auto* failed = std::get_if<PushFailed>(&open_[news].what);
        if (failed != nullptr) why = failed->message + "; and " + why;
        decided_.push_back({news, {}, {.parked = state != nullptr, .error = {std::move(why)}}});
    }

    void decide(std::size_t news, const EntryPtr<Data>& entry, Ruling<Data>&& ruling) {
        Decided decided{.news = news, .effect = std::move(ruling.effect)};
        if (ruling.kind == Ruling<Data>::Kind::write) {
            const auto& entry_after = ruling.outcome;
            const bool is_done =
                !entry_after || (entry_after->is_clean() && !entry_after->theirs());
            if (!is_done) decided.entry = entry_after.entry();
            decided.effect.parked = !is_done && entry_after->is_parked();
            Written<Data> written{.outcome = std::move(ruling.outcome)};
            if (!written.outcome) written.forgotten = *open_[news].id;
            decisions_.push_back({.expected = entry, .written = std::move(written)});
        }
        decided_.push_back(std::move(decided));
    }

    [[nodiscard]] std::optional<Action<Data>> next() {
        if (asked_ == disputes_.size()) {
            disputes_.clear();
            asked_ = 0;
            return commit();
        }
        const Dispute& dispute = disputes_[asked_];
        ResolveConflict<Data> question{
            dispute.entry->base, dispute.entry->local, dispute.remote, {}};
        for (const auto& sent : dispute.entry->sent()) question.sent.push_back(sent.record);
        return question;
    }

    [[nodiscard]] std::optional<Action<Data>> commit() {
        if (decisions_.empty() && frame_.is_empty()) return on_committed({});
        Step<Data> step = frame_;
        step.decisions = std::move(decisions_);
        decisions_.clear();
        return CommitStep<Data>{std::move(step)};
    }

    std::vector<News<Data>> open_;
    Step<Data> frame_;
    std::vector<Decision<Data>> decisions_;
    std::vector<Dispute> disputes_;
    std::size_t asked_ = 0;  // of disputes_: so many have their answer
    std::vector<Decided> decided_;
    std::vector<Settled> settled_;
    int round_ = 0;
    bool is_superseded_ = false;
};

}  // namespace sync_engine
