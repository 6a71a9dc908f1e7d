// SPDX-License-Identifier: MIT
#pragma once

#include <sync_engine/conflict/conflict_resolver.hpp>
#include <sync_engine/conflict/reconcile.hpp>
#include <sync_engine/record/error.hpp>
#include <sync_engine/record/sync_record.hpp>
#include <sync_engine/record/timestamp.hpp>
#include <sync_engine/testing/conflict_exchange.hpp>
#include <sync_engine/testing/conflict_samples.hpp>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstddef>
#include <exception>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace sync_engine::testing {

/// How long `check_resolver` lets two devices argue.
struct ResolverLawsOptions {
    /// How often each device meets the other's state before any acknowledgement gets through; in
    /// the last of these rounds nothing new may be made. At least one; a merge needs two, four
    /// leave room for one that takes steps.
    std::size_t rounds = 4;
};

/// What `check_resolver` found.
struct ResolverReport {
    /// It answered every question, with a record that can be stored and sent; it never threw.
    bool answers = true;
    /// The same question had the same answer, at once and after other questions.
    bool deterministic = true;
    /// It never changed the id of a record.
    bool keeps_id = true;
    /// Fed with its own results it stops making new states, and both devices and the remote end up
    /// with the same record and nothing to push.
    bool settles = true;
    /// Both devices get the same winner, whichever side is local. A fact and not a law:
    /// `local_wins` and `remote_wins` never are, `latest_wins` and `merge` are not where both sides
    /// have the same stamps, because a tie goes to the remote.
    bool symmetric = true;

    /// A sentence for each law and sample that broke it, and for samples that check nothing.
    std::vector<std::string> findings{};
    /// Facts that break no law: what is not symmetric, what is left to the user, and where each
    /// side insists on its own state until an acknowledgement gets through.
    std::vector<std::string> remarks{};

    /// Whether every law holds.
    [[nodiscard]] bool holds() const noexcept { return findings.empty(); }
};

/// The first findings, a line each; "every law holds" if there are none.
[[nodiscard]] inline std::string to_string(const ResolverReport& report) {
    constexpr std::size_t enough = 10;  // what is wrong with many samples shows in the first ones
    if (report.holds()) return "every law holds";
    std::string text;
    const auto count = std::min(enough, report.findings.size());
    for (std::size_t n = 0; n < count; ++n) text += report.findings[n] + "\n";
    const auto left = report.findings.size() - count;
    return left == 0 ? text : text + "and " + std::to_string(left) + " more\n";
}

}  // namespace sync_engine::testing

namespace sync_engine::detail {

/// A record as reports show it: what it says, and not its stamps.
template <class Data>
[[nodiscard]] std::string shown(const SyncRecord<Data>& record) {
    constexpr std::size_t enough = 100;  // tells samples apart, and a sentence stays readable
    if (record.is_deleted()) return "a deletion";
    auto text = nlohmann::json(record.data).dump(-1, ' ', true);  // ASCII: it can be cut anywhere
    if (text.size() > enough) text = text.substr(0, enough) + "...";
    for (const auto& tag : record.tags) text += " #" + tag;
    return text;
}

template <class Data>
[[nodiscard]] std::string shown(const ResolverAnswer<Data>& answer) {
    if (!answer.winner) return "nothing (" + answer.refusal + ")";
    if (answer.is_left_to_user()) return "that the user decides";
    return shown(*answer.winner);
}

/// Stamps and revision do not count: the engine sets them.
template <class Data>
[[nodiscard]] bool is_same_answer(const ResolverAnswer<Data>& a, const ResolverAnswer<Data>& b) {
    if (!a.winner || !b.winner) return a.winner.has_value() == b.winner.has_value();
    if (a.is_left_to_user() || b.is_left_to_user()) {
        return a.is_left_to_user() == b.is_left_to_user();
    }
    return same_content(*a.winner, *b.winner);
}

/// The sample with the statuses under which a resolver sees its records.
template <class Data>
[[nodiscard]] testing::ConflictSample<Data> as_seen(testing::ConflictSample<Data> sample) {
    const bool is_known = sample.base && !sample.base->is_deleted();
    if (is_known) sample.base->status = SyncStatus::synced;
    if (!sample.remote.is_deleted()) sample.remote.status = SyncStatus::synced;
    if (!sample.local.is_deleted()) {
        sample.local.status = is_known ? SyncStatus::modified : SyncStatus::pending;
    }
    return sample;
}

/// The sample as the other device has it. A remote without times has none for this side either.
template <class Data>
[[nodiscard]] testing::ConflictSample<Data> with_swapped_roles(
    testing::ConflictSample<Data> sample) {
    const bool has_times = sample.remote.updated_at != Timestamp{};
    std::swap(sample.local, sample.remote);
    if (!has_times) std::swap(sample.local.updated_at, sample.remote.updated_at);
    return as_seen(std::move(sample));
}

/// Why the sample is none; empty if it is one.
template <class Data>
[[nodiscard]] std::string problem_of(const testing::ConflictSample<Data>& sample) {
    try {
        check_storable(sample.local);
        check_storable(sample.remote);
        if (sample.base) check_storable(*sample.base);
    } catch (const std::exception& error) {
        return error.what();
    }
    const bool is_one_record =
        sample.local.id == sample.remote.id && (!sample.base || sample.base->id == sample.local.id);
    return is_one_record ? "" : "its records have different ids";
}

/// Puts a resolver to the laws, sample by sample, and writes the report.
template <class Data>
class ResolverTrial {
public:
    ResolverTrial(const ConflictResolver<Data>& resolver, testing::ResolverLawsOptions options)
        : resolver_(resolver), rounds_(std::max<std::size_t>(options.rounds, 1)) {}

    [[nodiscard]] testing::ResolverReport run(
        const std::vector<testing::ConflictSample<Data>>& samples) {
        for (const auto& sample : samples) {
            const auto problem = problem_of(sample);
            if (problem.empty()) {
                try_sample(Trial{as_seen(sample)});
            } else {
                report_.findings.push_back("sample: " + sample.name + ": " + problem);
            }
        }
        // In another order: what it remembers of other questions must not matter.
        for (auto trial = asked_.rbegin(); trial != asked_.rend(); ++trial) {
            ask_again(*trial, "after other questions");
        }
        if (asked_.empty()) {
            report_.findings.emplace_back("samples: none is a conflict, so nothing was checked");
        }
        return std::move(report_);
    }

private:
    using Sample = testing::ConflictSample<Data>;
    using Answer = ResolverAnswer<Data>;

    /// A sample and what was said of it: each law is reported once a sample.
    struct Trial {
        Sample sample{};
        Answer first{};
        bool is_refusal_reported = false;
        bool is_whim_reported = false;
    };

    void try_sample(Trial trial) {
        const Sample& sample = trial.sample;
        const auto* base = sample.base ? &*sample.base : nullptr;
        // As in the engine, a resolver is asked about nothing else.
        const bool is_conflict =
            reconcile(base, &sample.local, sample.remote) == Reconciliation::conflict;
        if (is_conflict) {
            trial.first = ask(trial, sample, "");
            ask_again(trial, "at once");
            compare_roles(trial);
        }
        if (!is_conflict || trial.first.winner) exchange(trial);
        if (is_conflict) asked_.push_back(std::move(trial));
    }

    Answer ask(Trial& trial, const Sample& sample, const std::string& when) {
        auto answer = answer_of(resolver_, sample.base ? &*sample.base : nullptr, sample.local,
                                sample.remote);
        if (!answer.winner) refused(trial, answer, when);
        return answer;
    }

    void refused(Trial& trial, const Answer& answer, const std::string& when) {
        bool& law = answer.changed_id ? report_.keeps_id : report_.answers;
        law = false;
        if (std::exchange(trial.is_refusal_reported, true)) return;
        found(answer.changed_id ? "keeps_id" : "answers", trial, when + answer.refusal);
    }

    void ask_again(Trial& trial, const std::string& when) {
        const auto again = ask(trial, trial.sample, "asked again " + when + ": ");
        if (is_same_answer(trial.first, again)) return;
        report_.deterministic = false;
        if (std::exchange(trial.is_whim_reported, true)) return;
        found("deterministic", trial,
              "it answered " + shown(trial.first) + ", and asked again " + when + ", " +
                  shown(again));
    }

    void compare_roles(Trial& trial) {
        const auto swapped =
            ask(trial, with_swapped_roles(trial.sample), "asked with the roles swapped: ");
        if (trial.first.is_left_to_user()) remark(trial, "left to the user");
        const bool are_answers = trial.first.winner && swapped.winner;
        if (!are_answers || is_same_answer(trial.first, swapped)) return;
        report_.symmetric = false;
        remark(trial, "not symmetric: this device gets " + shown(trial.first) +
                          ", the other one would get " + shown(swapped));
    }

    void exchange(Trial& trial) {
        ConflictExchange<Data> exchange{resolver_, trial.sample};
        for (std::size_t round = 0; round < rounds_; ++round) exchange.run_round(false);
        const auto created = exchange.created();
        const bool do_both_insist = !created && exchange.do_both_insist();
        // Two are enough: whoever was acknowledged takes what comes.
        for (int round = 0; round < 2; ++round) exchange.run_round(true);

        if (exchange.end()) {
            ended(trial, *exchange.end());
        } else if (!exchange.is_settled()) {
            unsettled(trial, "the devices and the remote do not end up with the same record");
        } else if (created) {
            unsettled(trial,
                      "without acknowledgements, its own results still make it a new state "
                      "in round " +
                          std::to_string(rounds_) + ": " + shown(*created));
        } else if (do_both_insist) {
            remark(trial, "each side insists on its own state until it is acknowledged");
        }
    }

    /// The resolver left the question open, perhaps only when it met a result of its own.
    void ended(Trial& trial, const Answer& answer) {
        if (!answer.winner) {
            refused(trial, answer, "asked about its own results: ");
        } else if (!trial.first.is_left_to_user()) {
            remark(trial, "left to the user when it meets results of its own");
        }
    }

    void unsettled(const Trial& trial, const std::string& what) {
        report_.settles = false;
        found("settles", trial, what);
    }

    void found(const std::string& law, const Trial& trial, const std::string& what) {
        report_.findings.push_back(law + ": " + described(trial.sample) + ": " + what);
    }

    void remark(const Trial& trial, const std::string& what) {
        report_.remarks.push_back(trial.sample.name + ": " + what);
    }

    static std::string described(const Sample& sample) {
        return sample.name + " (base " + (sample.base ? shown(*sample.base) : "none") + ", local " +
               shown(sample.local) + ", remote " + shown(sample.remote) + ")";
    }

    const ConflictResolver<Data>& resolver_;
    std::size_t rounds_;
    std::vector<Trial> asked_{};
    testing::ResolverReport report_{};
};

}  // namespace sync_engine::detail

namespace sync_engine::testing {

/// Whether a resolver keeps the laws that the engine relies on, tried on `samples` (see
/// `conflict_samples`): it is asked twice and in two orders, with the roles swapped, and by two
/// devices that lose their acknowledgements and so meet its results again, under the engine's
/// rules.
///
/// Throws nothing that the resolver throws. The questions count in its `resolved_count`.
template <class Data>
[[nodiscard]] ResolverReport check_resolver(const ConflictResolver<Data>& resolver,
                                            const std::vector<ConflictSample<Data>>& samples,
                                            const ResolverLawsOptions& options = {}) {
    return sync_engine::detail::ResolverTrial<Data>{resolver, options}.run(samples);
}

/// The same on the conflicts of a small JSON object.
[[nodiscard]] inline ResolverReport check_resolver(const ConflictResolver<>& resolver,
                                                   const ResolverLawsOptions& options = {}) {
    return check_resolver(resolver, conflict_samples(), options);
}

}  // namespace sync_engine::testing
