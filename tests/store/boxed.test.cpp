// SPDX-License-Identifier: MIT
#include <sync_engine/store/boxed.hpp>

#include "support/catch.hpp"

#include <string>
#include <utility>

namespace test_of_boxed {

using sync_engine::Boxed;
using Box = Boxed<std::string>;

TEST_CASE("a box costs a pointer and holds a value or none", "[store]") {
    CHECK(sizeof(Box) == sizeof(void*));

    Box box;
    CHECK_FALSE(box.has_value());
    CHECK_FALSE(static_cast<bool>(box));
    box = std::string{"milk"};
    CHECK(*box == "milk");
    CHECK(box->size() == 4);
    CHECK(box.emplace().empty());
    box.reset();
    CHECK_FALSE(box.has_value());
}

TEST_CASE("copies of a box are copies of its value", "[store]") {
    Box box{"milk"};
    Box copy = box;
    *copy = "bread";
    CHECK(*box == "milk");

    copy = box;
    CHECK(*copy == "milk");
    CHECK(&*copy != &*box);
    const Box& same = copy;
    copy = same;
    CHECK(*copy == "milk");

    copy = Box{};
    CHECK_FALSE(copy.has_value());
    copy = std::move(box);
    CHECK(*copy == "milk");
}

}  // namespace test_of_boxed
