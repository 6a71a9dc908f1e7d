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

/// What some work came to, for each of its units.
struct Figure {
    std::string work{};
    double reference = 0;
    double ours = 0;
};

/// How far some work has come that misses its goal, by the beginning of its name.
struct Reached {
    std::string_view work{};
    double ratio = 0;
};

/// What is measured, and what came of it.
struct Measuring {
    std::string only{};              ///< by a part of the name; empty: all
    std::vector<Reached> reached{};  ///< stands in for goals: what was reached is to be kept
    double slack = 0;                ///< so many times that is too slow; 0: nothing is
    int tries = 1;                   ///< for work that is too slow: the machine may have been busy
    std::vector<Figure> figures{};
    std::vector<std::string> too_slow{};

    [[nodiscard]] bool leaves_out(std::string_view work) const {
        return work.find(only) == std::string_view::npos;
    }

    [[nodiscard]] bool is_too_slow(std::string_view work, double goal, double ratio) const {
        const auto missed = std::find_if(reached.begin(), reached.end(), [&](const auto& each) {
            return work.starts_with(each.work);
        });
        return slack > 0 && ratio > slack * (missed == reached.end() ? goal : missed->ratio);
    }
};
inline Measuring measuring{};

/// Prints what `units` units of work came to, and the ratio of the two.
inline void report(const char* work, double goal, std::size_t units, double reference,
                   double ours) {
    const auto each = static_cast<double>(units);
    std::printf("%-50s %9.3f %9.3f %7.2f x  (goal %.2f)\n", work, reference / each, ours / each,
                ours / reference, goal);
    std::fflush(stdout);
    measuring.figures.push_back({work, reference / each, ours / each});
    if (measuring.is_too_slow(work, goal, ours / reference)) measuring.too_slow.emplace_back(work);
}

/// Measures a reference and ours in turn, so that both meet the same machine, and prints the ratio
/// of their medians. Each answers the time of `units` units of work.
template <class Reference, class Ours>
void compare(const char* work, double goal, std::size_t rounds, std::size_t units,
             const Reference& reference, const Ours& ours) {
    if (measuring.leaves_out(work)) return;
    for (int left = measuring.tries;; --left) {
        std::vector<Microseconds> theirs;
        std::vector<Microseconds> own;
        for (std::size_t round = 0; round < rounds; ++round) {
            theirs.push_back(reference());
            own.push_back(ours());
        }
        const double hand = median(theirs).count();
        const double here = median(own).count();
        if (left <= 1 || !measuring.is_too_slow(work, goal, here / hand)) {
            return report(work, goal, units, hand, here);
        }
    }
}

}  // namespace sync_engine::bench
