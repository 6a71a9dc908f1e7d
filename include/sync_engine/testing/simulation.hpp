// SPDX-License-Identifier: MIT
#pragma once

#include <sync_engine/testing/choices.hpp>
#include <sync_engine/testing/fault.hpp>
#include <sync_engine/testing/invariant.hpp>
#include <sync_engine/testing/shrink.hpp>
#include <sync_engine/testing/simulated_world.hpp>
#include <sync_engine/testing/simulation_options.hpp>
#include <sync_engine/testing/token_ledger.hpp>

#include <nlohmann/json_fwd.hpp>

#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace sync_engine::testing {

/// Runs an app's sync through everything that can go wrong, thousands of times, each run repeatable
/// from its seed.
///
/// Several devices edit, delete and sync while requests are lost, replies come late, servers fail,
/// clocks jump, disks fill up and processes die; then the faults stop and everything has to become
/// clean and equal, with no edit lost. It drives the real store, cycle and engine, in one thread
/// and in virtual time. As thread-safe as your functions: it keeps nothing from run to run.
///
///     Simulation<> simulation;
///     const auto total = simulation.run_many(0, 20'000);
///     if (total.failure) std::puts(simulation.explain(*total.failure).c_str());
template <class Data = nlohmann::json>
class Simulation {
public:
    /// Throws `std::invalid_argument` if the data is not JSON and no workload is given, if there is
    /// no backend, and for more than 32 devices.
    explicit Simulation(SimulationOptions<Data> options = {}) : options_(std::move(options)) {
        if (!options_.workload.write || !options_.workload.tokens) {
            throw std::invalid_argument("data of this type needs a workload: how edits look in it");
        }
        if (!options_.backend) {
            throw std::invalid_argument("a simulation needs a backend to sync with");
        }
        if (options_.devices > TokenLedger<Data>::max_devices) {
            throw std::invalid_argument("a simulation has at most 32 devices");
        }
    }

    /// One run, from a seed.
    [[nodiscard]] SimulationReport run(std::uint64_t seed) const {
        Choices choices(seed);
        auto report = run(choices, nullptr);
        report.seed = seed;
        return report;
    }

    /// One run, from a list of choices: what `replay` does, without its words.
    [[nodiscard]] SimulationReport run_choices(Choices::List list) const {
        Choices choices(std::move(list));
        return run(choices, nullptr);
    }

    /// One run, from a list of choices, told in words.
    [[nodiscard]] SimulationReport replay(Choices::List list) const {
        Choices choices(std::move(list));
        std::vector<std::string> story;
        auto report = run(choices, &story);
        report.story = std::move(story);
        return report;
    }

    /// What many runs add up to.
    struct Total {
        std::size_t seeds = 0;    ///< runs
        std::size_t edits = 0;    ///< that the apps were told are stored
        std::size_t actions = 0;  ///< of sync cycles
        std::size_t syncs = 0;    ///< that came to an end
        FaultCounts faults{};     ///< that happened
        std::uint64_t hash = 0;   ///< of all runs, whatever the order they are added in
        std::optional<SimulationReport> failure{};  ///< the first run that broke an invariant

        /// Adds one run.
        void add(const SimulationReport& report) {
            ++seeds;
            edits += report.edits;
            actions += report.actions;
            syncs += report.syncs;
            hash += report.hash * (2 * report.seed.value_or(0) + 1);
            for (std::size_t each = 0; each < fault_count; ++each) {
                faults.at(each) += report.faults.at(each);
            }
            if (report.violation && !failure) failure = report;
        }

        /// Adds what was run elsewhere, on another thread for example.
        void add(const Total& other) {
            seeds += other.seeds;
            edits += other.edits;
            actions += other.actions;
            syncs += other.syncs;
            hash += other.hash;
            for (std::size_t each = 0; each < fault_count; ++each) {
                faults.at(each) += other.faults.at(each);
            }
            if (other.failure && !failure) failure = other.failure;
        }

        /// Faults that never happened, so that nothing is known about them.
        [[nodiscard]] std::vector<Fault> never_happened() const {
            std::vector<Fault> missing;
            for (std::size_t each = 0; each < fault_count; ++each) {
                if (faults.at(each) == 0) missing.push_back(static_cast<Fault>(each));
            }
            return missing;
        }
    };

    /// Runs the seeds from `first` on, up to the first failure. `progress` is told after each.
    [[nodiscard]] Total run_many(std::uint64_t first, std::size_t count,
                                 const std::function<void(const Total&)>& progress = {}) const {
        Total total;
        for (std::size_t each = 0; each < count && !total.failure; ++each) {
            total.add(run(first + each));
            if (progress) progress(total);
        }
        return total;
    }

    /// The shortest run that breaks the same invariant, as far as `patience` replays find one.
    /// `failure` has a violation.
    [[nodiscard]] SimulationReport shrink(const SimulationReport& failure,
                                          std::size_t patience = 20'000) const {
        const auto invariant = failure.violation.value().invariant;
        const auto still_fails = [&](const Choices::List& list) -> std::optional<Shrunk> {
            Choices choices(list);
            const auto report = run(choices, nullptr);
            if (!report.violation || report.violation->invariant != invariant) return std::nullopt;
            return Shrunk{report.choices, report.groups};
        };
        const auto shortest =
            shrink_choices({failure.choices, failure.groups}, still_fails, patience);
        auto report = replay(shortest.list);
        report.seed = failure.seed;
        return report;
    }

    /// A failure for people: seed, invariant, the shortest story that breaks it, and the text of a
    /// test case that replays it. `failure` has a violation. It can take a minute: `patience` is
    /// how many replays it may take to find that story.
    [[nodiscard]] std::string explain(const SimulationReport& failure,
                                      std::size_t patience = 20'000) const {
        const auto shortest = shrink(failure, patience);
        std::string text = name_of(failure) + " broke the promise that " +
                           std::string{to_string(failure.violation.value().invariant)} + ":\n  " +
                           shortest.violation.value_or(*failure.violation).detail +
                           "\n\nWhat happened, as short as it was found:\n";
        for (const auto& line : shortest.story) text += "  " + line + "\n";
        return text + "\nA test case:\n\n" + test_case(shortest);
    }

    /// The text of a test case that replays a run.
    [[nodiscard]] static std::string test_case(const SimulationReport& report) {
        std::string list;
        for (const auto choice : report.choices) {
            list += (list.empty() ? "" : ", ") + std::to_string(choice);
        }
        return "TEST_CASE(\"" + name_of(report) +
               "\") {\n    const sync_engine::testing::Simulation<> simulation;  // with your "
               "options\n    const auto report = simulation.replay({" +
               list + "});\n    CHECK_FALSE(report.violation.has_value());\n}\n";
    }

private:
    static std::string name_of(const SimulationReport& report) {
        return report.seed ? "seed " + std::to_string(*report.seed) : "a replayed list";
    }

    SimulationReport run(Choices& choices, std::vector<std::string>* story) const {
        try {
            SimulatedWorld<Data> world(options_, choices, story);
            world.run();
            return world.report();
        } catch (const std::exception& error) {
            return {.violation = Violation{Invariant::nothing_thrown, error.what()},
                    .choices = choices.recorded(),
                    .groups = choices.groups()};
        }
    }

    SimulationOptions<Data> options_;
};

}  // namespace sync_engine::testing
