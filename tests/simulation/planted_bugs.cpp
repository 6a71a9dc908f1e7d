// SPDX-License-Identifier: MIT
// Finds out whether the simulation finds bugs: `planted_bugs [seeds] [part of a bug's name]`.
#include <sync_engine/planted.hpp>
#include <sync_engine/testing/invariant.hpp>
#include <sync_engine/testing/simulation.hpp>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdio>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

namespace {

namespace planted = sync_engine::planted;
using sync_engine::testing::Violation;

/// What became of a bug.
struct Hunt {
    std::size_t bug = planted::none;
    std::size_t seeds = 0;               ///< tried; the last one caught it
    std::optional<Violation> violation;  ///< none: it escaped

    [[nodiscard]] std::string told() const {
        const std::string name{bug == planted::none ? "no bug" : planted::names.at(bug)};
        if (!violation) return name + " | not in " + std::to_string(seeds) + " seeds |";
        return name + " | seed " + std::to_string(seeds - 1) + " | " +
               std::string{to_string(violation->invariant)} + ": " + violation->detail;
    }
};

Hunt hunt(std::size_t bug, std::size_t seeds) {
    const sync_engine::testing::Simulation<> simulation;
    Hunt result{.bug = bug, .seeds = 0, .violation = {}};
    while (!result.violation && result.seeds < seeds) {
        planted::selected = bug;
        auto violation = simulation.run(result.seeds).violation;
        planted::selected = planted::none;
        // What fails without a bug too proves nothing.
        if (violation && bug != planted::none && simulation.run(result.seeds).violation) {
            violation.reset();
        }
        result.violation = std::move(violation);
        ++result.seeds;
    }
    return result;
}

/// Hunts all of them, as many at a time as there are processors.
std::vector<Hunt> hunt_all(const std::vector<std::size_t>& bugs, std::size_t seeds) {
    std::vector<Hunt> hunts(bugs.size());
    std::atomic<std::size_t> next{0};
    std::atomic<std::size_t> done{0};
    const auto work = [&] {
        for (std::size_t each = next++; each < bugs.size(); each = next++) {
            hunts[each] = hunt(bugs[each], seeds);
            std::printf("[%zu/%zu] %s\n", ++done, bugs.size(), hunts[each].told().c_str());
            std::fflush(stdout);
        }
    };
    std::vector<std::thread> threads(std::max(std::thread::hardware_concurrency(), 1U));
    for (auto& thread : threads) thread = std::thread(work);
    for (auto& thread : threads) thread.join();
    return hunts;
}

}  // namespace

int main(int count, char** arguments) {
    const std::vector<std::string> given(arguments + 1, arguments + count);
    const std::size_t seeds = given.empty() ? 50'000 : std::stoul(given[0]);
    const std::string_view part = given.size() < 2 ? std::string_view{} : given[1];
    std::vector<std::size_t> bugs;
    for (std::size_t bug = 0; bug < planted::names.size(); ++bug) {
        if (planted::names.at(bug).find(part) != std::string_view::npos) bugs.push_back(bug);
    }

    // A simulation that cries wolf catches every bug, and proves nothing.
    const Hunt calm = hunt(planted::none, 300);
    std::printf("%s\n", calm.told().c_str());
    if (calm.violation) return 1;

    const auto hunts = hunt_all(bugs, seeds);
    std::printf("\nbug | caught at | by\n");
    for (const auto& each : hunts) std::printf("%s\n", each.told().c_str());
    const auto caught = std::count_if(hunts.begin(), hunts.end(),
                                      [](const auto& each) { return each.violation.has_value(); });
    std::printf("\n%zu of %zu planted bugs caught\n", static_cast<std::size_t>(caught),
                hunts.size());
    return !hunts.empty() && static_cast<std::size_t>(caught) == hunts.size() ? 0 : 1;
}
