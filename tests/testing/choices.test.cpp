// SPDX-License-Identifier: MIT
#include <sync_engine/testing/choices.hpp>

#include "support/catch.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace test_of_choices {

using sync_engine::testing::Choices;

namespace {

/// Chooses in every way, and says what came of it.
std::vector<std::uint32_t> choose(Choices& choices) {
    std::vector<std::uint32_t> made;
    for (int n = 0; n < 50; ++n) {
        choices.begin_group();
        made.push_back(choices.below(7));
        made.push_back(choices.happens(300) ? 1 : 0);
        made.push_back(choices.weighted({5, 0, 3, 1}));
        made.push_back(choices.below(1000));
    }
    return made;
}

}  // namespace

TEST_CASE("one seed makes the same choices each time, another makes others", "[testing]") {
    Choices first{1};
    Choices again{1};
    Choices other{2};
    const auto made = choose(first);

    CHECK(made == choose(again));
    CHECK(made != choose(other));
    CHECK(first.recorded() == made);
    CHECK_FALSE(first.is_exhausted());
}

TEST_CASE("what was recorded chooses the same when it is replayed", "[testing]") {
    Choices drawn{3};
    const auto made = choose(drawn);
    Choices replayed{drawn.recorded()};

    CHECK_FALSE(replayed.is_exhausted());
    CHECK(choose(replayed) == made);
    CHECK(replayed.is_exhausted());
    CHECK(replayed.recorded() == drawn.recorded());
    CHECK(replayed.bounds() == drawn.bounds());
    CHECK(replayed.groups() == drawn.groups());
}

TEST_CASE("each choice is recorded with its bound, and each group with its place", "[testing]") {
    Choices choices{Choices::List{4, 1, 2}};
    choices.begin_group();
    (void)choices.below(5);
    (void)choices.happens(10);
    choices.begin_group();
    (void)choices.weighted({1, 1, 1});

    CHECK(choices.recorded() == Choices::List{4, 1, 2});
    CHECK(choices.bounds() == Choices::List{5, 2, 3});
    CHECK(choices.groups() == std::vector<std::size_t>{0, 2});
}

TEST_CASE("numbers beyond their bound are taken modulo", "[testing]") {
    Choices choices{Choices::List{13, 3, 8}};

    CHECK(choices.below(5) == 3);
    CHECK(choices.happens(1));
    CHECK(choices.weighted({1, 1, 1}) == 2);
    CHECK(choices.recorded() == Choices::List{3, 1, 2});
}

TEST_CASE("beyond its end, a list chooses that nothing happens", "[testing]") {
    Choices choices{Choices::List{}};

    CHECK(choices.is_exhausted());
    CHECK(choices.below(100) == 0);
    CHECK_FALSE(choices.happens(999));
    CHECK(choices.weighted({1, 1000}) == 0);
    CHECK(choices.recorded() == Choices::List{0, 0, 0});
}

TEST_CASE("what leaves no choice is neither recorded nor used up", "[testing]") {
    Choices choices{Choices::List{6}};

    CHECK(choices.below(0) == 0);
    CHECK(choices.below(1) == 0);
    CHECK_FALSE(choices.happens(0));
    CHECK(choices.recorded().empty());
    CHECK(choices.below(10) == 6);
}

TEST_CASE("things happen as often as they should", "[testing]") {
    Choices choices{11};
    int happened = 0;
    std::array<int, 3> places{};
    for (int n = 0; n < 10'000; ++n) {
        happened += choices.happens(250) ? 1 : 0;
        ++places.at(choices.weighted({6, 0, 2}));
    }

    CHECK(happened > 2300);
    CHECK(happened < 2700);
    CHECK(places[0] > 7300);
    CHECK(places[0] < 7700);
    CHECK(places[1] == 0);
    CHECK(choices.happens(1000));
}

}  // namespace test_of_choices
