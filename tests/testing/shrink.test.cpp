// SPDX-License-Identifier: MIT
#include <sync_engine/testing/choices.hpp>
#include <sync_engine/testing/shrink.hpp>

#include "support/catch.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace test_of_shrink {

using sync_engine::testing::Choices;
using sync_engine::testing::shrink_choices;
using sync_engine::testing::Shrunk;

namespace {

/// A test whose steps take one choice, or a second one too if the first is odd. It fails if a
/// choice of 5 or more is followed, steps later, by a second choice of 3 or more.
struct Steps {
    std::size_t replays = 0;

    std::optional<Shrunk> operator()(const Choices::List& list) {
        ++replays;
        Choices choices{list};
        bool is_armed = false;
        bool has_failed = false;
        while (!choices.is_exhausted()) {
            choices.begin_group();
            const auto first = choices.below(100);
            const auto second = first % 2 == 1 ? choices.below(10) : 0;
            has_failed = has_failed || (is_armed && second >= 3);
            is_armed = is_armed || first >= 5;
        }
        if (!has_failed) return std::nullopt;
        return Shrunk{choices.recorded(), choices.groups()};
    }
};

Choices::List some_list(std::uint64_t seed, std::size_t size = 200) {
    Choices choices{seed};
    for (std::size_t n = 0; n < size; ++n) (void)choices.below(100);
    return choices.recorded();
}

/// The first of the lists from a seed on that fails.
Shrunk some_failure(std::uint64_t seed) {
    for (;; ++seed) {
        if (auto failing = Steps{}(some_list(seed))) return *failing;
    }
}

}  // namespace

TEST_CASE("a failing list shrinks to the steps that make it fail, at their lowest", "[testing]") {
    for (std::uint64_t seed = 0; seed < 20; ++seed) {
        Steps steps;
        const auto shortest = shrink_choices(some_failure(seed), steps, 20'000);

        CHECK(Steps{}(shortest.list));
        INFO("seed " << seed);
        REQUIRE(shortest.groups.size() == 2);
        // Nothing can be left out, and no choice be zero or half of what it is.
        for (std::size_t place = 0; place < shortest.list.size(); ++place) {
            auto lower = shortest.list;
            if (lower[place] == 0) continue;
            lower[place] /= 2;
            CHECK_FALSE(Steps{}(lower));
            lower[place] = 0;
            CHECK_FALSE(Steps{}(lower));
        }
        CHECK(shortest.list.front() >= 5);
    }
}

TEST_CASE("shrinking the same failure finds the same list", "[testing]") {
    Steps steps;
    const auto failing = some_failure(5);

    CHECK(shrink_choices(failing, steps, 1000).list == shrink_choices(failing, steps, 1000).list);
}

TEST_CASE("shrinking is patient, and not more than it should be", "[testing]") {
    const auto failing = some_failure(1);
    std::size_t shorter = failing.list.size();
    for (const std::size_t patience : {0U, 1U, 10U, 50U}) {
        Steps steps;
        const auto shortest = shrink_choices(failing, steps, patience);

        CHECK(steps.replays <= patience);
        CHECK(Steps{}(shortest.list));
        CHECK(shortest.list.size() <= shorter);
        shorter = shortest.list.size();
    }
    CHECK(shorter < failing.list.size());
    Steps steps;
    CHECK(shrink_choices(failing, steps, 0).list == failing.list);
}

TEST_CASE("a failure that does not come again stays as it was", "[testing]") {
    const Shrunk failing{some_list(1, 10), {0, 5}};

    const auto same = shrink_choices(
        failing, [](const auto&) { return std::nullopt; }, 1000);

    CHECK(same.list == failing.list);
    CHECK(same.groups == failing.groups);
}

TEST_CASE("what always fails shrinks to nothing", "[testing]") {
    const auto replay = [](const Choices::List& list) -> std::optional<Shrunk> {
        Choices choices{list};
        while (!choices.is_exhausted()) {
            choices.begin_group();
            (void)choices.below(100);
        }
        return Shrunk{choices.recorded(), choices.groups()};
    };

    CHECK(shrink_choices(*replay(some_list(1)), replay, 1000).list.empty());
}

TEST_CASE("a replay that makes more choices than it was given is no progress", "[testing]") {
    const Shrunk failing{{1, 2, 3}, {0, 1, 2}};

    const auto same = shrink_choices(
        failing,
        [](const Choices::List& list) -> std::optional<Shrunk> {
            auto longer = list;
            longer.resize(4, 1);
            return Shrunk{longer, {0, 1, 2, 3}};
        },
        1000);

    CHECK(same.list == failing.list);
}

}  // namespace test_of_shrink
