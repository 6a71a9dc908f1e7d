// SPDX-License-Identifier: MIT
#pragma once

#include <sync_engine/conflict/conflict_resolver.hpp>
#include <sync_engine/testing/choices.hpp>
#include <sync_engine/testing/fault.hpp>
#include <sync_engine/testing/invariant.hpp>
#include <sync_engine/testing/simulated_backend.hpp>
#include <sync_engine/testing/simulated_disk.hpp>
#include <sync_engine/testing/workload.hpp>

#include <nlohmann/json.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <vector>

namespace sync_engine::testing {

namespace detail {

/// JSON data brings its own edits; other data has to be given some.
template <class Data>
[[nodiscard]] Workload<Data> default_workload() {
    if constexpr (std::is_same_v<Data, nlohmann::json>) {
        return json_workload();
    } else {
        return {};
    }
}

}  // namespace detail

/// What is simulated. The defaults simulate the engine itself, on a `MemoryRemote`, with every
/// strategy and every fault.
template <class Data = nlohmann::json>
struct SimulationOptions {
    std::size_t steps = 200;    ///< with faults, before the network heals
    std::uint32_t devices = 3;  ///< at most, up to 32; each run has at least two
    std::uint32_t records = 4;  ///< ids that are edited at most; each run has at least one
    /// Rounds, in each of which every device syncs once, within which everything has to be clean
    /// and equal after the last fault.
    std::size_t rounds = 8;
    /// How edits look in the data. Data of the app's own type has to be given one.
    Workload<Data> workload = detail::default_workload<Data>();
    /// Makes the remote of each run.
    MakeBackend<Data> backend = memory_backend<Data>;
    /// What each device keeps its records on.
    MakeDisk<Data> disk = [] { return std::make_shared<MemoryDisk<Data>>(); };
    /// The app's resolver; none: each seed picks a strategy.
    std::optional<ConflictResolver<Data>> resolver{};
    /// Faults that are left out, whatever the seed says.
    std::vector<Fault> without{};
};

/// What one run came to.
struct SimulationReport {
    std::optional<std::uint64_t> seed{};   ///< none: a list of choices was replayed
    std::optional<Violation> violation{};  ///< the first invariant that did not hold
    std::uint64_t hash = 0;             ///< of everything that happened, the same on every compiler
    std::size_t edits = 0;              ///< that the app was told are stored
    std::size_t actions = 0;            ///< of sync cycles
    std::size_t syncs = 0;              ///< that came to an end
    FaultCounts faults{};               ///< that happened
    Choices::List choices{};            ///< replays the run
    std::vector<std::size_t> groups{};  ///< where each step begins among them
    std::vector<std::string> story{};   ///< what happened, if it was asked for
};

}  // namespace sync_engine::testing
