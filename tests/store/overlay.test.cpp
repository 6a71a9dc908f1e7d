// SPDX-License-Identifier: MIT
#include <sync_engine/store/overlay.hpp>

#include "store/test_store.hpp"
#include "support/catch.hpp"

#include <nlohmann/json.hpp>

#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace test_of_overlay {

using namespace sync_engine;
using namespace sync_engine::test;
using nlohmann::json;

namespace {

using Lines = std::vector<std::string>;

Outcome<json> entry(std::string id, std::string text) {
    Entry<json> made;
    made.local = rules::shared(note(std::move(id), std::move(text)));
    return made;
}

std::string text_in(const Outcome<json>& outcome) {
    return outcome ? outcome->local->data["text"].get<std::string>() : "-";
}

Lines lines_of(const Overlay<json>& overlay) {
    Lines lines;
    for (const auto& written : overlay.written()) {
        CHECK(overlay.find(written.id()) == &written.outcome);
        lines.push_back(std::string{written.id()} + ": " + text_in(written.outcome));
    }
    CHECK(overlay.is_empty() == lines.empty());
    return lines;
}

Overlay<json> overlay_of(const std::vector<std::pair<std::string, std::string>>& texts) {
    Overlay<json> overlay;
    for (const auto& [id, text] : texts) {
        overlay.write(id, text == "-" ? std::nullopt : entry(id, text));
    }
    return overlay;
}

}  // namespace

TEST_CASE("an overlay says what is to become of a record, or nothing", "[store]") {
    Overlay<json> overlay;
    CHECK(overlay.find("a") == nullptr);

    overlay.write("a", entry("a", "one"));
    overlay.write("b", std::nullopt);

    CHECK(text_in(*overlay.find("a")) == "one");
    REQUIRE(overlay.find("b") != nullptr);
    CHECK_FALSE(overlay.find("b")->has_value());
    CHECK(overlay.find("c") == nullptr);
}

TEST_CASE("an overlay holds each record once, in the order of their first edits", "[store]") {
    const auto overlay = overlay_of(
        {{"b", "one"}, {"a", "one"}, {"b", "two"}, {"c", "-"}, {"a", "-"}, {"c", "three"}});

    CHECK(lines_of(overlay) == Lines{"b: two", "a: -", "c: three"});
}

TEST_CASE("what is appended comes after, or replaces what it was written on", "[store]") {
    auto overlay = overlay_of({{"a", "one"}, {"b", "one"}, {"c", "-"}});

    overlay.append(overlay_of({{"d", "one"}, {"b", "-"}, {"c", "two"}, {"e", "-"}}));
    overlay.append(overlay_of({{"d", "two"}}));

    CHECK(lines_of(overlay) == Lines{"a: one", "b: -", "c: two", "d: two", "e: -"});
}

TEST_CASE("an overlay finds each of few records and of many", "[store]") {
    Overlay<json> overlay;
    Lines expected;
    for (int n = 0; n < 100; ++n) {
        const auto id = std::to_string(n);
        overlay.write(id, n % 3 == 0 ? std::nullopt : entry(id, "one"));
        expected.push_back(id + (n % 3 == 0 ? ": -" : ": one"));
        REQUIRE(lines_of(overlay) == expected);
        CHECK(overlay.find(std::to_string(n + 1)) == nullptr);
    }

    Overlay<json> later;
    for (int n = 50; n < 150; ++n) later.write(std::to_string(n), std::nullopt);
    overlay.append(std::move(later));

    REQUIRE(lines_of(overlay).size() == 150);
    CHECK(lines_of(overlay)[49] == "49: one");
    CHECK(lines_of(overlay)[50] == "50: -");
    CHECK(lines_of(overlay)[149] == "149: -");
}

TEST_CASE("an overlay of records that are each there once finds them, and takes more", "[store]") {
    std::vector<Written<json>> each_once;
    for (int n = 0; n < 20; ++n) {
        each_once.push_back({.outcome = entry(std::to_string(n), "one")});
    }
    each_once.push_back({.forgotten = {"gone"}});
    Overlay<json> overlay(std::move(each_once));
    CHECK(lines_of(overlay).size() == 21);
    CHECK_FALSE(overlay.find("gone")->has_value());

    overlay.write("7", entry("7", "two"));
    overlay.write("new", entry("new", "one"));
    CHECK(lines_of(overlay).size() == 22);
    CHECK(text_in(*overlay.find("7")) == "two");
}

TEST_CASE("an overlay with nothing in it can be appended, and appended to", "[store]") {
    Overlay<json> overlay;
    overlay.append({});
    CHECK(lines_of(overlay).empty());
    overlay.append(overlay_of({{"a", "one"}}));
    overlay.append({});

    CHECK(lines_of(overlay) == Lines{"a: one"});
}

}  // namespace test_of_overlay
