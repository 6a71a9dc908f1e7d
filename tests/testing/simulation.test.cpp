// SPDX-License-Identifier: MIT
#include "support/simulation.hpp"

#include <sync_engine/conflict/conflict_resolver.hpp>
#include <sync_engine/remote/memory_remote.hpp>
#include <sync_engine/remote/remote_error.hpp>
#include <sync_engine/testing/choices.hpp>
#include <sync_engine/testing/fault.hpp>
#include <sync_engine/testing/invariant.hpp>
#include <sync_engine/testing/simulated_backend.hpp>
#include <sync_engine/testing/simulation.hpp>
#include <sync_engine/testing/workload.hpp>

#include "support/catch.hpp"

#include <nlohmann/json.hpp>

#include <cstddef>
#include <cstdint>
#include <future>
#include <memory>
#include <set>
#include <sstream>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace test_of_simulation {

using namespace sync_engine;
using sync_engine::test::contains;
using sync_engine::testing::Choices;
using sync_engine::testing::Fault;
using sync_engine::testing::fault_count;
using sync_engine::testing::Invariant;
using sync_engine::testing::SimulatedBackend;
using sync_engine::testing::Simulation;
using sync_engine::testing::SimulationOptions;
using sync_engine::testing::SimulationReport;
using sync_engine::testing::Token;
using Json = nlohmann::json;

namespace {

std::vector<Fault> every_fault() {
    std::vector<Fault> faults;
    for (std::size_t each = 0; each < fault_count; ++each) {
        faults.push_back(static_cast<Fault>(each));
    }
    return faults;
}

/// What an app may have instead of JSON: a list to which everybody adds.
struct Notes {
    std::string title{};
    std::set<Token> tokens{};

    bool operator==(const Notes&) const = default;
    NLOHMANN_DEFINE_TYPE_INTRUSIVE(Notes, title, tokens)
};

SimulationOptions<Notes> notes_options() {
    SimulationOptions<Notes> options;
    options.workload.write = [](Notes& notes, Token token) {
        notes.title = "note " + std::to_string(token);
        notes.tokens.insert(token);
    };
    options.workload.tokens = [](const Notes& notes) {
        return std::vector<Token>(notes.tokens.begin(), notes.tokens.end());
    };
    return options;
}

/// A server that says of every fifth change that it has it, and has not.
SimulatedBackend<Json> forgetful_backend(Choices&) {
    const auto server = std::make_shared<MemoryRemote<>>([] { return Timestamp{}; });
    const auto count = std::make_shared<int>(0);
    SimulatedBackend<Json> backend;
    backend.records = [server] { return server->records(); };
    backend.connect = [server, count] {
        auto remote = server->remote();
        remote.push = [count, push = remote.push](PushBatch<> batch) {
            PushBatch<> stored{.changes = {}, .stop = batch.stop};
            PushReport<> report;
            for (auto& change : batch.changes) {
                if (++*count % 5 == 0) {
                    report.push_back(accepted<Json>(change.record.id, "lost"));
                } else {
                    stored.changes.push_back(std::move(change));
                }
            }
            for (auto& verdict :
                 push(std::move(stored), [](auto future) { return future.get(); })) {
                report.push_back(std::move(verdict));
            }
            return make_ready_future(std::move(report));
        };
        return remote;
    };
    return backend;
}

}  // namespace

TEST_CASE("a seed runs the same each time, another seed runs otherwise", "[testing]") {
    const Simulation<> simulation;
    const auto report = simulation.run(7);
    const auto again = simulation.run(7);

    CHECK(to_string(report.violation).empty());
    CHECK(report.seed == 7);
    CHECK(report.edits > 0);
    CHECK(report.syncs > 0);
    CHECK(report.actions > report.syncs);
    CHECK(again.hash == report.hash);
    CHECK(again.edits == report.edits);
    CHECK(again.actions == report.actions);
    CHECK(again.syncs == report.syncs);
    CHECK(again.faults == report.faults);
    CHECK(again.choices == report.choices);
    CHECK(again.groups == report.groups);
    CHECK(simulation.run(8).hash != report.hash);
}

TEST_CASE("what a seed chose can be replayed, and told", "[testing]") {
    const Simulation<> simulation;
    const auto report = simulation.run(7);
    CHECK(report.story.empty());

    const auto replayed = simulation.replay(report.choices);
    CHECK(replayed.hash == report.hash);
    CHECK(replayed.faults == report.faults);
    CHECK(replayed.choices == report.choices);
    CHECK(replayed.groups == report.groups);
    CHECK(replayed.story.size() > 50);
    CHECK_FALSE(replayed.seed.has_value());
    CHECK(simulation.run_choices(report.choices).hash == report.hash);
    CHECK(simulation.run_choices(report.choices).story.empty());
}

TEST_CASE("what a list that ends early chose can be replayed too", "[testing]") {
    SimulationOptions<> options;
    options.resolver = ConflictResolver<Json>{ConflictStrategy::manual};
    const Simulation<> simulation{options};
    for (std::uint64_t seed = 0; seed < 10; ++seed) {
        auto list = simulation.run(seed).choices;
        list.resize(list.size() / 3);
        const auto report = simulation.run_choices(list);
        const auto again = simulation.run_choices(report.choices);

        INFO("seed " << seed);
        CHECK(again.hash == report.hash);
        CHECK(again.choices == report.choices);
        CHECK(again.groups == report.groups);
    }
}

TEST_CASE("without any choice nothing happens, and everything is well", "[testing]") {
    const auto report = Simulation<>{}.replay({});

    CHECK(to_string(report.violation).empty());
    CHECK(report.edits == 0);
    CHECK(report.story.front() == "the faults stop");
}

// What the seeds come to on every compiler and processor. A change of the simulation, or of what a
// sync does when, changes them: run this test and put here what it prints.
TEST_CASE("seeds come to the same on every compiler", "[testing]") {
    const std::vector<std::uint64_t> hashes{
        0xBA0E41D33467C97FU, 0x6AAF57D7AF4527A6U, 0xE5846AC7BFA2EB1AU,
        0x6AF34B9B6F79C14DU, 0x198A86386A2E0AB4U,
    };
    const Simulation<> simulation;
    std::ostringstream actual;
    std::vector<std::uint64_t> found;
    for (std::uint64_t seed = 0; seed < hashes.size(); ++seed) {
        const auto report = simulation.run(seed);
        CHECK(to_string(report.violation).empty());
        found.push_back(report.hash);
        actual << "0x" << std::hex << std::uppercase << report.hash << "U,\n";
    }

    INFO("the hashes are now\n" << actual.str());
    CHECK(found == hashes);
}

// Options.

TEST_CASE("faults can be left out, whatever the seed says", "[testing]") {
    SimulationOptions<> options;
    options.steps = 50;
    options.without = {Fault::crash, Fault::request_lost, Fault::unreachable};
    const auto total = Simulation<>{options}.run_many(0, 10);

    CHECK_FALSE(total.failure);
    std::set<Fault> missing;
    for (const auto fault : total.never_happened()) missing.insert(fault);
    for (const auto fault : options.without) CHECK(missing.count(fault) == 1);
    CHECK(missing.size() < fault_count);

    options.without = every_fault();
    const auto calm = Simulation<>{options}.run_many(0, 3);
    CHECK_FALSE(calm.failure);
    CHECK(calm.edits > 0);
    CHECK(calm.never_happened().size() == fault_count);
}

TEST_CASE("many runs are added up, and told of one by one", "[testing]") {
    SimulationOptions<> options;
    options.steps = 30;
    const Simulation<> simulation{options};
    std::vector<std::size_t> told;
    const auto total =
        simulation.run_many(3, 3, [&](const auto& so_far) { told.push_back(so_far.seeds); });
    std::size_t edits = 0;
    std::size_t syncs = 0;
    for (std::uint64_t seed = 3; seed < 6; ++seed) {
        const auto report = simulation.run(seed);
        edits += report.edits;
        syncs += report.syncs;
    }

    CHECK(told == std::vector<std::size_t>{1, 2, 3});
    CHECK(total.seeds == 3);
    CHECK(total.edits == edits);
    CHECK(total.syncs == syncs);
    CHECK(total.hash == simulation.run_many(3, 3).hash);
    CHECK(total.hash != simulation.run_many(4, 3).hash);

    // In parts, in any order.
    auto parts = simulation.run_many(4, 2);
    parts.add(simulation.run_many(3, 1));
    CHECK(parts.seeds == total.seeds);
    CHECK(parts.edits == total.edits);
    CHECK(parts.actions == total.actions);
    CHECK(parts.syncs == total.syncs);
    CHECK(parts.faults == total.faults);
    CHECK(parts.hash == total.hash);
    CHECK_FALSE(parts.failure);
}

TEST_CASE("data of the app's own type needs a workload", "[testing]") {
    CHECK_THROWS_AS(Simulation<Notes>{}, std::invalid_argument);
    auto options = notes_options();
    options.workload.tokens = nullptr;
    CHECK_THROWS_AS(Simulation<Notes>{options}, std::invalid_argument);
    CHECK_NOTHROW(Simulation<Notes>{notes_options()});
}

TEST_CASE("an app's own data and resolver lose nothing", "[testing]") {
    auto options = notes_options();
    options.steps = 60;
    options.resolver = ConflictResolver<Notes>{[](const auto& local, const auto& remote) {
        if (local.is_deleted()) return remote;
        auto winner = local;
        if (!remote.is_deleted()) {
            winner.data.tokens.insert(remote.data.tokens.begin(), remote.data.tokens.end());
        }
        return winner;
    }};

    const auto total = Simulation<Notes>{options}.run_many(0, 50);

    INFO((total.failure ? to_string(total.failure->violation) : ""));
    CHECK_FALSE(total.failure);
    CHECK(total.seeds == 50);
    CHECK(total.edits > 500);
}

TEST_CASE("a resolver of the app may drop edits: that is its decision", "[testing]") {
    SimulationOptions<> options;
    options.steps = 60;
    options.resolver = ConflictResolver<Json>{[](const auto& local, const auto& remote) {
        auto winner = remote;
        winner.data = {{"why", "both are gone"}, {"version", local.version}};
        return winner;
    }};

    const auto total = Simulation<>{options}.run_many(0, 10);

    INFO((total.failure ? to_string(total.failure->violation) : ""));
    CHECK_FALSE(total.failure);
}

TEST_CASE("a backend that cannot be listed is compared by a device that pulls everything",
          "[testing]") {
    SimulationOptions<> options;
    options.steps = 60;
    options.backend = [](Choices& choices) {
        auto backend = sync_engine::testing::memory_backend<Json>(choices);
        backend.records = nullptr;
        return backend;
    };

    const auto total = Simulation<>{options}.run_many(0, 5);

    INFO((total.failure ? to_string(total.failure->violation) : ""));
    CHECK_FALSE(total.failure);
}

// Failures.

TEST_CASE("a backend that forgets what it has accepted is caught and explained", "[testing]") {
    SimulationOptions<> options;
    options.steps = 20;
    options.devices = 2;
    options.records = 2;
    options.rounds = 4;
    options.without = every_fault();
    options.backend = forgetful_backend;
    const Simulation<> simulation{options};
    const auto total = simulation.run_many(0, 50);
    REQUIRE(total.failure);
    const auto& failure = *total.failure;
    const auto seed = std::to_string(failure.seed.value());
    CHECK(total.seeds == *failure.seed + 1);

    const auto shorter = simulation.shrink(failure, 50);
    REQUIRE(shorter.violation);
    CHECK(shorter.violation->invariant == failure.violation->invariant);
    CHECK(shorter.seed == failure.seed);
    CHECK(shorter.choices.size() < failure.choices.size());
    CHECK(simulation.replay(shorter.choices).hash == shorter.hash);

    const auto text = simulation.explain(failure, 50);
    CHECK_THAT(text, contains("seed " + seed + " broke the promise that " +
                              std::string{to_string(failure.violation->invariant)}));
    CHECK_THAT(text, contains("What happened, as short as it was found:\n"));
    CHECK_THAT(text, contains(" edits n"));
    CHECK_THAT(text, contains(" pushes n"));
    CHECK_THAT(text, contains("TEST_CASE(\"seed " + seed + "\")"));
    CHECK_THAT(text, contains("simulation.replay({"));
    const auto replayed = simulation.explain(simulation.replay(shorter.choices), 0);
    CHECK_THAT(replayed, contains("a replayed list broke the promise"));
    CHECK_THAT(replayed, contains("TEST_CASE(\"a replayed list\")"));
}

TEST_CASE("the text of a test case holds the choices of the run", "[testing]") {
    SimulationReport report;
    report.seed = 12;
    report.choices = {3, 0, 7};

    const auto text = Simulation<>::test_case(report);
    CHECK_THAT(text, contains("TEST_CASE(\"seed 12\")"));
    CHECK_THAT(text, contains("replay({3, 0, 7})"));
}

TEST_CASE("what the app's own parts throw is a failure of the run", "[testing]") {
    SimulationOptions<> options;
    options.backend = [](Choices& choices) -> SimulatedBackend<Json> {
        (void)choices.below(10);
        throw std::runtime_error("no backend today");
    };
    const auto report = Simulation<>{options}.run(1);

    CHECK(to_string(report.violation) == "nothing is thrown: no backend today");
    CHECK(report.choices.size() == 1);
}

TEST_CASE("a simulation has two devices at least, 32 at most, and a backend", "[testing]") {
    SimulationOptions<> options;
    options.steps = 5;
    options.devices = 0;
    CHECK(to_string(Simulation<>{options}.run(1).violation).empty());
    options.devices = 32;
    CHECK(to_string(Simulation<>{options}.run(1).violation).empty());
    options.devices = 33;
    CHECK_THROWS_AS(Simulation<>{options}, std::invalid_argument);
    options.devices = 2;
    options.backend = nullptr;
    CHECK_THROWS_AS(Simulation<>{options}, std::invalid_argument);
    options.backend = [](Choices&) { return SimulatedBackend<Json>{}; };
    CHECK(to_string(Simulation<>{options}.run(1).violation) ==
          "nothing is thrown: the backend of this run has no `connect`");
}

TEST_CASE("a token that no edit wrote is reported", "[testing]") {
    SimulationOptions<> options;
    options.steps = 60;
    options.workload.tokens = [](const Json&) { return std::vector<Token>{4'000'000}; };
    const auto report = Simulation<>{options}.run(1);

    CHECK_THAT(
        to_string(report.violation),
        contains("nothing is thrown: the workload found token 4000000, which no edit wrote"));
}

TEST_CASE("a server that refuses large batches breaks no promise", "[testing]") {
    SimulationOptions<> options;
    options.records = 12;  // enough for large batches
    for (const Fault fault : every_fault()) {
        if (fault != Fault::request_duplicated) options.without.push_back(fault);
    }
    options.backend = [](Choices&) {
        const auto server = std::make_shared<MemoryRemote<>>([] { return Timestamp{}; });
        SimulatedBackend<Json> backend;
        backend.records = [server] { return server->records(); };
        backend.connect = [server] {
            auto remote = server->remote();
            remote.push = [push = remote.push](PushBatch<> batch) {
                if (batch.changes.size() > 2) throw TooLarge{};
                return make_ready_future(
                    push(std::move(batch), [](auto future) { return future.get(); }));
            };
            return remote;
        };
        return backend;
    };
    const auto total = Simulation<>{options}.run_many(0, 30);

    INFO((total.failure ? to_string(total.failure->violation) : ""));
    CHECK_FALSE(total.failure);
    CHECK(total.faults.at(static_cast<std::size_t>(Fault::request_duplicated)) > 0);
}

}  // namespace test_of_simulation
