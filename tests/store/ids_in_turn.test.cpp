// SPDX-License-Identifier: MIT
#include <sync_engine/store/ids_in_turn.hpp>

#include "support/catch.hpp"

#include <algorithm>
#include <cstddef>
#include <random>
#include <string>
#include <string_view>
#include <vector>

namespace test_of_ids_in_turn {

using sync_engine::IdIndex;
using sync_engine::IdsInTurn;

namespace {

using Ids = std::vector<std::string>;
using Places = std::vector<std::size_t>;

/// The place of each id that is asked for, in that order.
Places places_of(const Ids& asked, const Ids& ids) {
    IdsInTurn in_turn(ids.size(), [&](std::size_t place) { return std::string_view{ids[place]}; });
    Places places;
    for (const auto& id : asked) places.push_back(in_turn.find(id));
    return places;
}

}  // namespace

TEST_CASE("ids are found in turn, out of turn, twice, and not at all", "[store]") {
    const Ids ids{"a", "b", "c", "d"};
    constexpr auto nowhere = IdIndex::nowhere;

    CHECK(places_of({"a", "b", "c", "d"}, ids) == Places{0, 1, 2, 3});
    CHECK(places_of({"a", "c", "d", "b"}, ids) == Places{0, 2, 3, 1});
    CHECK(places_of({"d", "c", "b", "a"}, ids) == Places{3, 2, 1, 0});
    CHECK(places_of({"a", "a", "b"}, ids) == Places{0, 0, 1});
    CHECK(places_of({"a", "x", "b", "d", ""}, ids) == Places{0, nowhere, 1, 3, nowhere});
    CHECK(places_of({"a", "b", "c", "d", "d", "e"}, ids) == Places{0, 1, 2, 3, 3, nowhere});
    CHECK(places_of({"a"}, {}) == Places{nowhere});
}

TEST_CASE("ids are found in whatever order they are asked for", "[store]") {
    Ids ids;
    for (std::size_t place = 0; place < 500; ++place) ids.push_back(std::to_string(place * 7));
    Ids asked = ids;
    std::mt19937 random(1);
    std::shuffle(asked.begin() + 100, asked.end(), random);

    const auto places = places_of(asked, ids);

    for (std::size_t each = 0; each < asked.size(); ++each) CHECK(ids[places[each]] == asked[each]);
}

}  // namespace test_of_ids_in_turn
