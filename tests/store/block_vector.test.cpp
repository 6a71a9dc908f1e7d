// SPDX-License-Identifier: MIT
#include <sync_engine/store/block_vector.hpp>

#include "support/catch.hpp"

#include <cstddef>
#include <memory>
#include <utility>
#include <vector>

namespace test_of_block_vector {

using sync_engine::BlockVector;

TEST_CASE("values come back as they were added, over many blocks", "[store]") {
    BlockVector<std::size_t> values;
    for (std::size_t n = 0; n < 5000; ++n) {
        values.push_back(n);
        REQUIRE(values.size() == n + 1);
        REQUIRE(values.back() == n);
    }

    values[4999] = 7;
    values[0] = 8;
    CHECK(std::as_const(values)[4999] == 7);
    CHECK(std::as_const(values)[0] == 8);
    std::size_t at = 0;
    values.for_each([&](std::size_t value) {
        const bool is_changed = at == 0 || at == 4999;
        CHECK((is_changed || value == at));
        ++at;
    });
    CHECK(at == 5000);
}

TEST_CASE("what is taken from the end can be added again, at the edge of a block too", "[store]") {
    BlockVector<std::unique_ptr<int>> values;
    for (int n = 0; n < 2049; ++n) values.push_back(std::make_unique<int>(n));
    for (int left = 2049; left > 1000; --left) {
        REQUIRE(*values.back() == left - 1);
        values.pop_back();
    }
    for (int n = 1000; n < 3000; ++n) values.push_back(std::make_unique<int>(n));

    CHECK(values.size() == 3000);
    for (std::size_t n = 0; n < 3000; ++n) CHECK(*values[n] == static_cast<int>(n));
}

TEST_CASE("what lies in a whole block stays where it is", "[store]") {
    BlockVector<int> values;
    for (int n = 0; n < 1025; ++n) values.push_back(n);
    const int* first = &values[0];
    const int* last = &values.back();

    for (int n = 0; n < 100'000; ++n) values.push_back(n);

    CHECK(first == &values[0]);
    CHECK(last == &values[1024]);
}

TEST_CASE("where room was made nothing moves", "[store]") {
    BlockVector<int> values;
    values.push_back(1);
    values.reserve(3000);
    const int* first = &values[0];

    for (int n = 0; n < 2999; ++n) values.push_back(n);

    CHECK(first == &values[0]);
    CHECK(values.size() == 3000);
}

}  // namespace test_of_block_vector
