// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

namespace sync_engine::bench {

using Microseconds = std::chrono::duration<double, std::micro>;

/// How long `body` takes.
template <class Body>
[[nodiscard]] Microseconds time_of(const Body& body) {
    const auto begin = std::chrono::steady_clock::now();
    body();
    return std::chrono::steady_clock::now() - begin;
}

[[nodiscard]] inline Microseconds median(std::vector<Microseconds> times) {
    const auto middle = times.begin() + static_cast<std::ptrdiff_t>(times.size() / 2);
    std::nth_element(times.begin(), middle, times.end());
    return *middle;
}

/// The only work to measure, by a part of its name; empty: all.
inline std::string only{};

/// Prints what `units` units of work came to, and the ratio of the two.
inline void report(const char* work, double goal, std::size_t units, double reference,
                   double ours) {
    const auto each = static_cast<double>(units);
    std::printf("%-50s %9.3f %9.3f %7.2f x  (goal %.2f)\n", work, reference / each, ours / each,
                ours / reference, goal);
    std::fflush(stdout);
}

/// Measures a reference and ours in turn, so that both meet the same machine, and prints the ratio
/// of their medians. Each answers the time of `units` units of work.
template <class Reference, class Ours>
void compare(const char* work, double goal, std::size_t rounds, std::size_t units,
             const Reference& reference, const Ours& ours) {
    if (std::string_view{work}.find(only) == std::string_view::npos) return;
    std::vector<Microseconds> theirs;
    std::vector<Microseconds> own;
    for (std::size_t round = 0; round < rounds; ++round) {
        theirs.push_back(reference());
        own.push_back(ours());
    }
    report(work, goal, units, median(theirs).count(), median(own).count());
}

}  // namespace sync_engine::bench
