// SPDX-License-Identifier: MIT
#include <sync_engine/record/timestamp.hpp>

#include "support/catch.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

namespace test_of_timestamp {

using namespace std::chrono_literals;
using nlohmann::json;
using std::chrono::microseconds;
using std::chrono::sys_days;
using sync_engine::FormatError;
using sync_engine::parse_timestamp;
using sync_engine::Timestamp;
using sync_engine::to_iso8601;
using sync_engine::test::contains;
using sync_engine::test::message_of;

namespace {

constexpr Timestamp opening = sys_days{std::chrono::year{2026} / 11 / 23} + 6h + 53min + 21s;

std::string refusal(const std::string& text) {
    return message_of<FormatError>([&] { (void)parse_timestamp(text); });
}

}  // namespace

TEST_CASE("a time is written in UTC with six digits of fraction", "[record]") {
    CHECK(to_iso8601(opening) == "2026-11-23T06:53:21.000000Z");
    CHECK(to_iso8601(opening + 7us) == "2026-11-23T06:53:21.000007Z");
    CHECK(to_iso8601(Timestamp{}) == "1970-01-01T00:00:00.000000Z");
    CHECK(to_iso8601(Timestamp{} - 1us) == "1969-12-31T23:59:59.999999Z");
    CHECK(to_iso8601(sys_days{std::chrono::year{0} / 1 / 1}) == "0000-01-01T00:00:00.000000Z");
    CHECK(to_iso8601(sys_days{std::chrono::year{10000} / 1 / 1} - 1us) ==
          "9999-12-31T23:59:59.999999Z");
}

TEST_CASE("a time that four digits of year cannot hold is not written", "[record]") {
    CHECK_THROWS_AS(to_iso8601(sys_days{std::chrono::year{10000} / 1 / 1}), FormatError);
    CHECK_THROWS_AS(to_iso8601(sys_days{std::chrono::year{0} / 1 / 1} - 1us), FormatError);
    CHECK_THROWS_AS(to_iso8601(Timestamp::max()), FormatError);
    CHECK_THROWS_AS(to_iso8601(Timestamp::min()), FormatError);
}

TEST_CASE("times that are written sort as they happened, and read back the same", "[record]") {
    const auto first = sys_days{std::chrono::year{0} / 1 / 1};
    const auto span = static_cast<std::uint64_t>(
        microseconds{sys_days{std::chrono::year{10000} / 1 / 1} - first}.count());
    std::vector<Timestamp> times;
    std::uint64_t random = 42;
    for (int n = 0; n < 5000; ++n) {
        random = random * 6364136223846793005U + 1442695040888963407U;
        times.push_back(first + microseconds{static_cast<std::int64_t>(random % span)});
    }
    std::sort(times.begin(), times.end());

    std::string before;
    for (const auto time : times) {
        const auto text = to_iso8601(time);
        REQUIRE(parse_timestamp(text) == time);
        REQUIRE(before <= text);
        before = text;
    }
}

TEST_CASE("times are read in the forms that backends write", "[record]") {
    for (const auto* text : {
             "2026-11-23T06:53:21Z",
             "2026-11-23t06:53:21z",
             "2026-11-23 06:53:21Z",
             "2026-11-23T06:53:21",
             "2026-11-23T06:53:21.0Z",
             "2026-11-23T06:53:21,000Z",
             "2026-11-23T06:53:21.000000000Z",
             "2026-11-23T06:53:21+00:00",
             "2026-11-23T06:53:21-00:00",
             "2026-11-23T07:53:21+01:00",
             "2026-11-23T07:53:21+0100",
             "2026-11-23T07:53:21+01",
             "2026-11-23T01:23:21-05:30",
             "2026-11-23T01:23:21.000-0530",
             "2026-11-22T22:53:21-08",
             "2026-11-24T06:52:21+23:59",
         }) {
        CAPTURE(text);
        CHECK(parse_timestamp(text) == opening);
    }
}

TEST_CASE("fractions of a second are cut off at microseconds, never rounded", "[record]") {
    CHECK(parse_timestamp("2026-11-23T06:53:21.5Z") == opening + 500ms);
    CHECK(parse_timestamp("2026-11-23T06:53:21.25") == opening + 250ms);
    CHECK(parse_timestamp("2026-11-23T06:53:21.123456Z") == opening + 123456us);
    CHECK(parse_timestamp("2026-11-23T06:53:21.1234569Z") == opening + 123456us);
    CHECK(parse_timestamp("2026-11-23T06:53:21.999999999Z") == opening + 999999us);
    CHECK(parse_timestamp("1969-12-31T23:59:59.9999999Z") == Timestamp{} - 1us);
}

TEST_CASE("leap days exist in leap years alone", "[record]") {
    CHECK_NOTHROW(parse_timestamp("2024-02-29T00:00:00Z"));
    CHECK_NOTHROW(parse_timestamp("2000-02-29T00:00:00Z"));
    CHECK_NOTHROW(parse_timestamp("0000-02-29T00:00:00Z"));
    CHECK_THAT(refusal("2026-02-29T00:00:00Z"), contains("that month has no such day"));
    CHECK_THAT(refusal("1900-02-29T00:00:00Z"), contains("that month has no such day"));
    CHECK_THAT(refusal("2026-04-31T00:00:00Z"), contains("that month has no such day"));
    CHECK_THAT(refusal("2024-02-30T00:00:00Z"), contains("that month has no such day"));
}

TEST_CASE("a leap second is read as the second after it, where UTC has one", "[record]") {
    const Timestamp midnight = sys_days{std::chrono::year{2017} / 1 / 1};

    CHECK(parse_timestamp("2016-12-31T23:59:60Z") == midnight);
    CHECK(parse_timestamp("2016-12-31T23:59:60.5Z") == midnight + 500ms);
    CHECK(parse_timestamp("2017-01-01T00:59:60+01:00") == midnight);
    CHECK(parse_timestamp("2016-12-31T15:59:60-08:00") == midnight);
    CHECK_THAT(refusal("2016-12-31T23:58:60Z"), contains("second 60"));
    CHECK_THAT(refusal("2016-12-31T23:59:60+01:00"), contains("second 60"));
    CHECK_THAT(refusal("2016-12-31T12:00:60Z"), contains("second 60"));
}

TEST_CASE("a time outside its ranges is refused, with the reason", "[record]") {
    CHECK_THAT(refusal("2026-00-10T00:00:00Z"), contains("month is not from 1 to 12"));
    CHECK_THAT(refusal("2026-13-10T00:00:00Z"), contains("month is not from 1 to 12"));
    CHECK_THAT(refusal("2026-01-00T00:00:00Z"), contains("day is not from 1 to 31"));
    CHECK_THAT(refusal("2026-01-32T00:00:00Z"), contains("day is not from 1 to 31"));
    CHECK_THAT(refusal("2026-01-10T24:00:00Z"), contains("hour is not from 0 to 23"));
    CHECK_THAT(refusal("2026-01-10T12:60:00Z"), contains("minute is not from 0 to 59"));
    CHECK_THAT(refusal("2026-01-10T12:00:61Z"), contains("second is not from 0 to 60"));
    CHECK_THAT(refusal("2026-01-10T12:00:00+24:00"), contains("offset hour is not from 0 to 23"));
    CHECK_THAT(refusal("2026-01-10T12:00:00-01:60"), contains("offset minute"));
    CHECK_THAT(refusal("0000-01-01T00:00:00+00:01"), contains("outside the years"));
    CHECK_THAT(refusal("9999-12-31T23:59:59-00:01"), contains("outside the years"));
    CHECK_THAT(refusal("9999-12-31T23:59:60Z"), contains("outside the years"));
}

TEST_CASE("text that is no time is refused", "[record]") {
    const std::vector<std::string> texts{
        "",
        " ",
        "now",
        "2026",
        "2026-11-23",
        "2026-11-23T",
        "2026-11-23T06",
        "2026-11-23T06:53",
        "2026-11-23T06:53Z",
        "2026-11-23T06:53:2Z",
        "2026-11-23T06:53:21.Z",
        "2026-11-23T06:53:21.",
        "2026-11-23T06:53:21.0000000000Z",
        "2026-11-23T06:53:21ZZ",
        "2026-11-23T06:53:21Z ",
        " 2026-11-23T06:53:21Z",
        "2026-11-23T06:53:21 Z",
        "2026-11-23T06:53:21+",
        "2026-11-23T06:53:21+1",
        "2026-11-23T06:53:21+01:",
        "2026-11-23T06:53:21+01:0",
        "2026-11-23T06:53:21+010",
        "2026-11-23T06:53:21+01:00:00",
        "2026-11-23T06:53:21+01:00Z",
        "2026-11-23T06:53:21UTC",
        "2026-11-23_06:53:21Z",
        "2026-11-23  06:53:21Z",
        "2026/11/23T06:53:21Z",
        "20261123T065321Z",
        "26-11-23T06:53:21Z",
        "02026-11-23T06:53:21Z",
        "+2026-11-23T06:53:21Z",
        "-2026-11-23T06:53:21Z",
        "2026-1-23T06:53:21Z",
        "2026-11-23T6:53:21Z",
        "2026-11-23T06:53:-1Z",
        "2026-11-23T06:53:+1Z",
        "2026-11-23T06:5x:21Z",
        "\xD9\xA2\xD9\xA0\xD9\xA2\xD9\xA6-11-23T06:53:21Z",
        "1763880801",
        "Mon, 23 Nov 2026 06:53:21 GMT",
        std::string{"2026-11-23T06:53:21Z\0", 21},
        std::string(1'000'000, '2'),
    };
    for (const auto& text : texts) {
        CAPTURE(text.substr(0, 60));
        CHECK_THROWS_AS(parse_timestamp(text), FormatError);
    }
}

TEST_CASE("no cut of a readable time crashes the reader", "[record]") {
    const std::string text = "2016-12-31T15:59:60.123456789-08:00";
    for (std::size_t length = 0; length <= text.size(); ++length) {
        for (int byte = 0; byte < 256; ++byte) {
            auto damaged = text.substr(0, length);
            if (length > 0) damaged.back() = static_cast<char>(byte);
            try {
                const auto time = parse_timestamp(damaged);
                REQUIRE(parse_timestamp(to_iso8601(time)) == time);
            } catch (const FormatError&) {
                continue;
            }
        }
    }
}

TEST_CASE("a refused time is named in the message, escaped and cut", "[record]") {
    CHECK(refusal("yester\"day\n") ==
          "time \"yester\\\"day\\n\": expected 4 digits of year, at character 0");
    CHECK(refusal(std::string(1000, 'x')).size() < 150);
}

TEST_CASE("a time is text in JSON", "[record]") {
    const json written = opening;

    CHECK(written == json("2026-11-23T06:53:21.000000Z"));
    CHECK(written.get<Timestamp>() == opening);
    CHECK(nlohmann::ordered_json(opening).get<Timestamp>() == opening);
}

TEST_CASE("a time in JSON that is no text is refused, and the target keeps its value", "[record]") {
    for (const auto& value : {json(nullptr), json(true), json(1763880801), json(1.5), json::array(),
                              json::object(), json::binary({1}), json("yesterday")}) {
        CAPTURE(value.type_name());
        Timestamp time = opening;
        CHECK_THROWS_AS(value.get_to(time), FormatError);
        CHECK(time == opening);
    }
}

TEST_CASE("the time between two moments never overflows", "[record]") {
    using sync_engine::detail::elapsed;
    CHECK(elapsed(opening, opening + 3s) == 3s);
    CHECK(elapsed(opening + 3s, opening) == -3s);
    CHECK(elapsed(Timestamp::min(), Timestamp::max()) == microseconds::max());
    CHECK(elapsed(Timestamp::max(), Timestamp::min()) == microseconds::min());
    CHECK(elapsed(Timestamp{}, Timestamp::min()) == microseconds::min());
    CHECK(elapsed(Timestamp{} + 1us, Timestamp::min()) == microseconds::min());
    CHECK(elapsed(Timestamp::min(), Timestamp{}) == microseconds::max());
    CHECK(sync_engine::detail::just_after(Timestamp::max()) == Timestamp::max());
}

TEST_CASE("the next moment is a later one, as long as it can be written", "[record]") {
    using sync_engine::latest_stamp;
    using sync_engine::detail::just_after;
    CHECK(just_after(opening) == opening + 1us);
    CHECK(just_after(latest_stamp - 1us) == latest_stamp);
    CHECK(just_after(latest_stamp) == latest_stamp);
}

}  // namespace test_of_timestamp
