// SPDX-License-Identifier: MIT
#include <sync_engine/testing/chronicle.hpp>

#include "support/catch.hpp"

#include <string>
#include <vector>

namespace test_of_chronicle {

using sync_engine::testing::Chronicle;

TEST_CASE("a chronicle is FNV-1a of the bytes of its numbers, the same everywhere", "[testing]") {
    Chronicle empty{nullptr};
    CHECK(empty.hash() == 0xCBF29CE484222325U);

    Chronicle chronicle{nullptr};
    chronicle.mix(1U, 0x0102030405060708U);
    Chronicle same{nullptr};
    same.mix(1U);
    same.mix(0x0102030405060708U);
    CHECK(chronicle.hash() == 0xF1AF9C2DDC430E9CU);
    CHECK(same.hash() == chronicle.hash());

    Chronicle other{nullptr};
    other.mix(0x0102030405060708U, 1U);
    CHECK(other.hash() != chronicle.hash());
}

TEST_CASE("a story is told to those who ask, and nothing is told in vain", "[testing]") {
    std::vector<std::string> story;
    int asked = 0;
    const auto line = [&] {
        ++asked;
        return std::string{"it rains"};
    };
    Chronicle{nullptr}.tell(line);
    CHECK(asked == 0);

    Chronicle told{&story};
    told.tell(line);
    CHECK(story == std::vector<std::string>{"it rains"});
    CHECK(told.hash() == Chronicle{nullptr}.hash());
}

}  // namespace test_of_chronicle
