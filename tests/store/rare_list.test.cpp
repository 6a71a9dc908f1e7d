// SPDX-License-Identifier: MIT
#include <sync_engine/store/rare_list.hpp>

#include "support/catch.hpp"

#include <random>
#include <string>
#include <utility>
#include <vector>

namespace test_of_rare_list {

using sync_engine::RareList;
using Words = std::vector<std::string>;

TEST_CASE("an empty rare list is a pointer, and has nothing in it", "[store]") {
    RareList<std::string> list;
    CHECK(sizeof list == sizeof(void*));
    CHECK(list.empty());
    CHECK(list.begin() == list.end());
    CHECK(list.rbegin() == list.rend());
    list.clear();
    erase_if(list, [](const auto&) { return true; });
    CHECK(list == Words{});
}

TEST_CASE("a rare list does what a vector does", "[store]") {
    std::mt19937 random{5};
    RareList<std::string> list;
    Words model;
    for (int step = 0; step < 2000; ++step) {
        const auto what = random() % 6;
        const std::string word = "word " + std::to_string(random() % 4);
        if (what < 3) {
            CHECK(list.push_back(word) == word);
            model.push_back(word);
        } else if (what == 3 && !model.empty()) {
            const auto place = static_cast<std::ptrdiff_t>(random() % model.size());
            list.erase(list.begin() + place);
            model.erase(model.begin() + place);
        } else if (what == 4) {
            const auto is_it = [&](const std::string& each) { return each == word; };
            erase_if(list, is_it);
            std::erase_if(model, is_it);
        } else if (what == 5 && step % 100 == 0) {
            list.clear();
            model.clear();
        }
        REQUIRE(list == model);
        REQUIRE(Words(list.begin(), list.end()) == model);
        REQUIRE(Words(list.rbegin(), list.rend()) == Words(model.rbegin(), model.rend()));
        REQUIRE(list.size() == model.size());
        if (model.empty()) continue;
        REQUIRE(list.front() == model.front());
        REQUIRE(list.back() == model.back());
        REQUIRE(list[model.size() / 2] == model[model.size() / 2]);
    }
}

TEST_CASE("copies of a rare list are of the values", "[store]") {
    RareList<std::string> list{"a", "b"};
    auto copy = list;
    CHECK(copy == list);
    copy.push_back("c");
    CHECK_FALSE(copy == list);
    CHECK(list == Words{"a", "b"});
    CHECK(copy == Words{"a", "b", "c"});

    const auto moved = std::move(copy);
    CHECK(moved == Words{"a", "b", "c"});
    list = {};
    CHECK(list.empty());
}

}  // namespace test_of_rare_list
