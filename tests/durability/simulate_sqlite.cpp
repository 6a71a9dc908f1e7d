// SPDX-License-Identifier: MIT
// The simulation, its devices on SQLite files whose power goes at every crash:
//
//     simulate_sqlite [SEEDS [FIRST_SEED]]
#include <sync_engine/testing/simulation.hpp>

#include "durability/simulated_sqlite.hpp"

#include <nlohmann/json.hpp>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>

int main(int argc, char** argv) {
    using namespace sync_engine;
    const std::uint64_t seeds = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 100;
    const std::uint64_t first = argc > 2 ? std::strtoull(argv[2], nullptr, 10) : 0;
    testing::SimulationOptions<> options;
    options.disk = [] { return std::make_shared<test::SqliteDisk<nlohmann::json>>(); };
    const testing::Simulation<> simulation{options};

    std::size_t edits = 0;
    std::size_t crashes = 0;
    for (std::uint64_t seed = first; seed < first + seeds; ++seed) {
        const auto report = simulation.run(seed);
        if (report.violation) {
            std::printf("%s\n", simulation.explain(report, 500).c_str());
            return 1;
        }
        edits += report.edits;
        for (const auto fault :
             {testing::Fault::crash, testing::Fault::crash_before_commit,
              testing::Fault::crash_after_commit, testing::Fault::backup_restored}) {
            crashes += report.faults[static_cast<std::size_t>(fault)];
        }
    }
    std::printf("%llu seeds on SQLite, %zu edits, %zu crashes: nothing is lost\n",
                static_cast<unsigned long long>(seeds), edits, crashes);
    return crashes == 0 && seeds >= 100 ? 1 : 0;
}
