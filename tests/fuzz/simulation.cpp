// SPDX-License-Identifier: MIT

// Any list of choices: does the simulation keep its promises?
//
// Each byte is a choice, taken modulo what there is to choose from; a digit is its number, so that
// seeds can be written by hand.

#include <sync_engine/testing/simulation.hpp>

#include "fuzz/require.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

using namespace sync_engine::testing;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
    static const Simulation<> simulation{{.steps = 100}};
    Choices::List list;
    for (std::size_t each = 0; each < size; ++each) {
        const bool is_digit = bytes[each] >= '0' && bytes[each] <= '9';
        list.push_back(is_digit ? bytes[each] - std::uint32_t{'0'} : bytes[each]);
    }
    const auto report = simulation.run_choices(std::move(list));
    if (!report.violation) return 0;
    // The fuzzer's time-out leaves no time to look for a shorter list for long.
    const auto shortest = simulation.shrink(report, 200);
    sync_engine::test::require(
        false, to_string(shortest.violation) + "\n" + simulation.test_case(shortest));
    return 0;
}
