// SPDX-License-Identifier: MIT
#include <sync_engine/record/environment.hpp>

#include "support/catch.hpp"

#include <cstdint>
#include <set>
#include <thread>
#include <vector>

namespace test_of_environment {

using sync_engine::Random;
using sync_engine::system_random;

TEST_CASE("two sources of chance differ", "[record]") {
    const auto first = system_random();
    const auto second = system_random();

    std::set<std::uint64_t> drawn;
    for (int n = 0; n < 1000; ++n) {
        drawn.insert(first());
        drawn.insert(second());
    }
    CHECK(drawn.size() == 2000);
}

TEST_CASE("a copy of a source of chance goes on where the original is", "[record]") {
    const auto original = system_random();
    const Random copy = original;

    std::set<std::uint64_t> drawn;
    for (int n = 0; n < 1000; ++n) {
        drawn.insert(original());
        drawn.insert(copy());
    }
    CHECK(drawn.size() == 2000);
}

TEST_CASE("chance uses all of its 64 bits", "[record]") {
    const auto random = system_random();

    std::uint64_t set = 0;
    std::uint64_t cleared = 0;
    for (int n = 0; n < 200; ++n) {
        const auto drawn = random();
        set |= drawn;
        cleared |= ~drawn;
    }
    CHECK(set == ~std::uint64_t{0});
    CHECK(cleared == ~std::uint64_t{0});
}

TEST_CASE("several threads draw from one source of chance, and never the same",
          "[record][threads]") {
    const auto random = system_random();
    std::vector<std::vector<std::uint64_t>> drawn(4);
    std::vector<std::thread> threads;
    for (auto& mine : drawn) {
        threads.emplace_back([&mine, random] {
            for (int n = 0; n < 2000; ++n) mine.push_back(random());
        });
    }
    for (auto& thread : threads) thread.join();

    std::set<std::uint64_t> all;
    for (const auto& mine : drawn) all.insert(mine.begin(), mine.end());
    CHECK(all.size() == 8000);
}

}  // namespace test_of_environment
