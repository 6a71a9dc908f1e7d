// SPDX-License-Identifier: MIT
#include <sync_engine/store/id_index.hpp>

#include "support/catch.hpp"

#include <cstddef>
#include <map>
#include <random>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace test_of_id_index {

using sync_engine::IdIndex;

namespace {

/// A list of ids that an index goes with, as a store's table keeps it.
struct Listed {
    std::vector<std::string> ids{};
    IdIndex index{};

    [[nodiscard]] std::size_t find(std::string_view id) const {
        return index.find(id, [&](std::size_t place) { return std::string_view{ids[place]}; });
    }
    void add(const std::string& id) {
        index.insert(id, ids.size());
        ids.push_back(id);
    }
    void erase(const std::string& id) {
        const auto place = find(id);
        index.erase(id, place);
        if (place != ids.size() - 1) {
            index.move(ids.back(), ids.size() - 1, place);
            ids[place] = ids.back();
        }
        ids.pop_back();
    }
};

}  // namespace

TEST_CASE("an index says where an id is, or nowhere", "[store]") {
    Listed list;
    CHECK(list.find("a") == IdIndex::nowhere);

    list.add("a");
    list.add("");
    CHECK(list.find("a") == 0);
    CHECK(list.find("") == 1);
    CHECK(list.find("b") == IdIndex::nowhere);

    list.erase("a");
    CHECK(list.find("a") == IdIndex::nowhere);
    CHECK(list.find("") == 0);
}

TEST_CASE("an index stays right through thousands of additions and removals", "[store]") {
    std::mt19937_64 chance{2026};
    Listed list;
    std::map<std::string, bool> model;
    for (int step = 0; step < 20'000; ++step) {
        const auto id = std::to_string(chance() % 600);
        const bool grows = chance() % 5 < (step % 4000 < 2000 ? 4U : 1U);
        if (grows && !model[id]) {
            list.add(id);
            model[id] = true;
        } else if (!grows && model[id]) {
            list.erase(id);
            model[id] = false;
        }
        if (step % 100 != 0) continue;
        for (const auto& [each, is_there] : model) {
            const auto place = list.find(each);
            REQUIRE((place != IdIndex::nowhere) == is_there);
            if (is_there) REQUIRE(list.ids[place] == each);
        }
    }
}

TEST_CASE("a larger index says the same, and the one it was made from still does", "[store]") {
    Listed list;
    for (int n = 0; n < 100; ++n) list.add(std::to_string(n));
    CHECK(list.index.has_room(100));
    CHECK_FALSE(list.index.has_room(1000));

    Listed larger{list.ids, list.index.larger(1000)};

    CHECK(larger.index.has_room(1000));
    larger.add("new");
    for (int n = 0; n < 100; ++n) {
        const auto place = static_cast<std::size_t>(n);
        CHECK(list.find(std::to_string(n)) == place);
        CHECK(larger.find(std::to_string(n)) == place);
    }
    CHECK(list.find("new") == IdIndex::nowhere);
    CHECK(larger.find("new") == 100);
}

TEST_CASE("an index refuses a place that it cannot tell from nowhere", "[store]") {
    IdIndex index;
    CHECK_THROWS_AS(index.insert("a", IdIndex::nowhere), std::length_error);
    CHECK(index.find("a", [](std::size_t) { return std::string_view{}; }) == IdIndex::nowhere);
}

}  // namespace test_of_id_index
