// SPDX-License-Identifier: MIT
#include <sync_engine/store/edit_order.hpp>

#include "support/catch.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <map>
#include <random>
#include <vector>

namespace test_of_edit_order {

using sync_engine::EditOrder;
using sync_engine::Sequence;

namespace {

using Places = std::vector<std::size_t>;

Places places_of(const EditOrder& order) {
    Places places;
    order.for_each([&](std::size_t place) { places.push_back(place); });
    CHECK(order.size() == places.size());
    return places;
}

Places places_of(const std::map<Sequence, std::size_t>& model) {
    Places places;
    for (const auto& [sequence, place] : model) places.push_back(place);
    return places;
}

}  // namespace

TEST_CASE("edits are visited oldest first, in whatever order they came", "[store]") {
    EditOrder order;
    CHECK(places_of(order).empty());

    order.add(5, 50);
    order.add(7, 70);
    order.add(2, 20);
    order.add(6, 60);
    order.add(9, 90);

    CHECK(places_of(order) == Places{20, 50, 60, 70, 90});
}

TEST_CASE("an edit that is forgotten is not visited, and may come back", "[store]") {
    EditOrder order;
    for (const std::size_t edit : {1U, 2U, 3U, 4U, 5U}) order.add(edit, edit * 10);
    order.erase(2);
    CHECK(places_of(order) == Places{10, 30, 40, 50});

    order.add(2, 21);
    order.erase(5);
    order.add(5, 51);
    CHECK(places_of(order) == Places{10, 21, 30, 40, 51});

    for (const Sequence sequence : {1U, 2U, 3U, 4U, 5U}) order.erase(sequence);
    CHECK(places_of(order).empty());
    order.add(3, 31);
    CHECK(places_of(order) == Places{31});
}

TEST_CASE("an edit whose entry moves keeps its turn", "[store]") {
    EditOrder order;
    order.add(2, 20);
    order.add(3, 30);
    order.add(1, 10);

    order.move(1, 11);
    order.move(2, 21);

    CHECK(places_of(order) == Places{11, 21, 30});
}

TEST_CASE("edits in any order are as a map has them", "[store]") {
    std::mt19937_64 random{1};
    EditOrder order;
    std::map<Sequence, std::size_t> model;
    Sequence newest = 0;
    for (int step = 0; step < 20'000; ++step) {
        const auto place = static_cast<std::size_t>(random() % 1000);
        const auto chance = random() % 8;
        if (chance < 3 || model.empty()) {
            order.add(++newest, place);
            model.emplace(newest, place);
        } else if (chance == 3) {
            const Sequence any = 1 + random() % newest;
            if (model.emplace(any, place).second) order.add(any, place);
        } else {
            // Mostly the oldest, as they are acknowledged; else one of all.
            const auto of = chance < 6 ? std::size_t{2} : model.size();
            const auto chosen = std::next(
                model.begin(), static_cast<std::ptrdiff_t>(random() % std::min(of, model.size())));
            if (chance == 7) {
                order.move(chosen->first, place);
                chosen->second = place;
            } else {
                order.erase(chosen->first);
                model.erase(chosen);
            }
        }
        if (step % 50 == 0) REQUIRE(places_of(order) == places_of(model));
    }
}

}  // namespace test_of_edit_order
