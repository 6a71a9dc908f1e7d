// SPDX-License-Identifier: MIT
#include <sync_engine/testing/random.hpp>

#include "support/catch.hpp"

#include <algorithm>
#include <array>
#include <cstdint>

namespace test_of_random {

using sync_engine::testing::SeededRandom;

TEST_CASE("a seed gives the same numbers on every compiler", "[testing]") {
    SeededRandom random{1234567};

    // The reference values of SplitMix64.
    for (const std::uint64_t number :
         {6457827717110365317U, 3203168211198807973U, 9817491932198370423U, 4593380528125082431U,
          16408922859458223821U}) {
        CHECK(random() == number);
    }
}

TEST_CASE("a copy draws the same numbers again", "[testing]") {
    SeededRandom random{7};
    (void)random();
    SeededRandom copy = random;

    CHECK(copy() == random());
    CHECK(copy.below(100) == random.below(100));
}

TEST_CASE("numbers below a bound are below it, even, and the same everywhere", "[testing]") {
    SeededRandom random{1234567};
    for (const std::uint32_t number : {317U, 973U, 423U, 431U, 821U}) {
        CHECK(random.below(1000) == number);
    }

    std::array<int, 10> counts{};
    for (int n = 0; n < 10'000; ++n) ++counts.at(random.below(10));
    CHECK(*std::min_element(counts.begin(), counts.end()) > 900);
    CHECK(*std::max_element(counts.begin(), counts.end()) < 1100);
}

TEST_CASE("below nothing there is only zero", "[testing]") {
    SeededRandom random{1};

    CHECK(random.below(0) == 0);
    CHECK(random.below(1) == 0);
}

TEST_CASE("a source draws a sequence of its own, which its copies share", "[testing]") {
    SeededRandom random{5};
    SeededRandom same{5};
    const auto source = random.source();
    const auto copy = source;
    const auto another = random.source();

    // Taking it cost one number, whatever is drawn from it.
    (void)same();
    (void)same();
    const auto first = source();
    CHECK(copy() != first);
    CHECK(another() != first);
    CHECK(random() == same());

    const auto again = SeededRandom{5}.source();
    CHECK(again() == first);
}

}  // namespace test_of_random
