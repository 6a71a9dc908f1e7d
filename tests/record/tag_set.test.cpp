// SPDX-License-Identifier: MIT
#include <sync_engine/record/tag_set.hpp>

#include "support/catch.hpp"

#include <nlohmann/json.hpp>

#include <iterator>
#include <set>
#include <sstream>
#include <string>
#include <vector>

namespace test_of_tag_set {

using nlohmann::json;
using sync_engine::FormatError;
using sync_engine::TagSet;
using sync_engine::test::message_of;

namespace {

std::vector<std::string> listed(const TagSet& tags) {
    return {tags.begin(), tags.end()};
}

}  // namespace

TEST_CASE("tags are sorted and each is there once", "[record]") {
    const TagSet tags{"work", "home", "work", ""};

    CHECK(listed(tags) == std::vector<std::string>{"", "home", "work"});
    CHECK(tags.size() == 3);
    CHECK_FALSE(tags.empty());
    CHECK(TagSet{}.empty());
}

TEST_CASE("tags are taken from any range", "[record]") {
    const std::vector<std::string> some{"b", "a", "b"};
    const char* const literals[] = {"b", "a"};
    std::istringstream words{"b a b"};

    CHECK(TagSet(some.begin(), some.end()) == TagSet{"a", "b"});
    CHECK(TagSet(std::begin(literals), std::end(literals)) == TagSet{"a", "b"});
    CHECK(TagSet(std::istream_iterator<std::string>{words}, {}) == TagSet{"a", "b"});
    CHECK(TagSet(some.end(), some.end()).empty());
    CHECK(TagSet(std::vector<std::string>{"b", "a", "b"}) == TagSet{"a", "b"});
}

TEST_CASE("tags compare by content", "[record]") {
    CHECK(TagSet{"a", "b"} == TagSet{"b", "a", "a"});
    CHECK(TagSet{"a"} != TagSet{"a", "b"});
    CHECK(TagSet{"a"} != TagSet{"A"});
}

TEST_CASE("a tag is added once and removed once", "[record]") {
    TagSet tags;

    CHECK(tags.insert("home"));
    CHECK_FALSE(tags.insert("home"));
    CHECK(tags.insert("away"));
    CHECK(tags.contains("home"));
    CHECK_FALSE(tags.contains("hom"));
    CHECK_FALSE(tags.contains("homes"));
    CHECK(tags.erase("home"));
    CHECK_FALSE(tags.erase("home"));
    CHECK(tags == TagSet{"away"});
    tags.clear();
    CHECK(tags.empty());
}

TEST_CASE("tags behave as a set of strings, whatever is done to them", "[record]") {
    TagSet tags;
    std::set<std::string> model;
    std::uint64_t random = 7;
    for (int n = 0; n < 2000; ++n) {
        random = random * 6364136223846793005U + 1442695040888963407U;
        const auto tag = std::string(static_cast<std::size_t>(random >> 40U) % 3,
                                     static_cast<char>(random >> 56U));
        if ((random >> 33U) % 2 == 0) {
            REQUIRE(tags.insert(tag) == model.insert(tag).second);
        } else {
            REQUIRE(tags.erase(tag) == (model.erase(tag) == 1));
        }
        REQUIRE(tags == TagSet(model.begin(), model.end()));
        REQUIRE(listed(tags) == std::vector<std::string>(model.begin(), model.end()));
    }
}

TEST_CASE("tags are an array of strings in JSON", "[record]") {
    const TagSet tags{"zwei", "eins", "dr\xC3\xA4i", "\"\n", std::string{"\0", 1}};
    const json written = tags;

    CHECK(written.is_array());
    CHECK(written.size() == tags.size());
    CHECK(json::parse(written.dump()).get<TagSet>() == tags);
    CHECK(json(TagSet{}) == json::array());
    CHECK(json::parse(R"(["b","a","b"])").get<TagSet>() == TagSet{"a", "b"});
    CHECK(nlohmann::ordered_json(tags).get<TagSet>() == tags);
}

TEST_CASE("tags in JSON that are no strings are refused, and the target keeps its value",
          "[record]") {
    for (const auto& value :
         {json(nullptr), json(true), json(1), json(1.5), json("home"), json::object(),
          json{{"home", true}}, json::binary({1}), json::array({"home", nullptr}), json::array({1}),
          json::array({json::array({"home"})}), json::array({true})}) {
        CAPTURE(value.dump(-1, ' ', false, json::error_handler_t::replace));
        TagSet tags{"before"};
        CHECK_THROWS_AS(value.get_to(tags), FormatError);
        CHECK(tags == TagSet{"before"});
    }
    CHECK(message_of<FormatError>([] { (void)json(nullptr).get<TagSet>(); }) ==
          "expected an array of strings, got null");
    CHECK(message_of<FormatError>([] { (void)json::array({1}).get<TagSet>(); }) ==
          "expected an array of strings, got one of number");
}

TEST_CASE("tags that are no UTF-8 are refused", "[record]") {
    CHECK(message_of<FormatError>([] { (void)json::array({"a\xFF"}).get<TagSet>(); }) ==
          "tag \"a\\xff\" is not well-formed UTF-8");
}

}  // namespace test_of_tag_set
