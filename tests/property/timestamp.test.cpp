// SPDX-License-Identifier: MIT
#include <sync_engine/record/timestamp.hpp>

#include "property/rapidcheck.hpp"
#include "support/catch.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <regex>
#include <string>
#include <vector>

namespace property_of_timestamp {

using namespace sync_engine;

namespace {

/// A time as somebody wrote it, part by part.
struct Written {
    int year = 2026;
    int month = 1;
    int day = 1;
    std::string between = "T";
    int hour = 0;
    int minute = 0;
    int second = 0;
    std::string fraction{};  // with its point, or empty
    std::string offset{};    // as it is written: "", "Z", "+01", "-0130", "+01:30"
    int offset_minutes = 0;  // what that stands for

    [[nodiscard]] std::string text() const {
        const auto digits = [](int value, std::size_t width) {
            std::string number = std::to_string(value);
            return std::string(width - std::min(width, number.size()), '0') + number;
        };
        return digits(year, 4) + '-' + digits(month, 2) + '-' + digits(day, 2) + between +
               digits(hour, 2) + ':' + digits(minute, 2) + ':' + digits(second, 2) + fraction +
               offset;
    }
};

bool is_leap(int year) {
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

int days_in(int year, int month) {
    constexpr std::array days{31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    return days.at(static_cast<std::size_t>(month - 1)) + (month == 2 && is_leap(year) ? 1 : 0);
}

/// Days from the first of January of the year 0, counted one month after the other.
std::int64_t days_before(int year, int month, int day) {
    std::int64_t days = 0;
    for (int past = 0; past < year; ++past) days += is_leap(past) ? 366 : 365;
    for (int past = 1; past < month; ++past) days += days_in(year, past);
    return days + day - 1;
}

/// What the time stands for by counting, without the calendar of the standard library; nothing if
/// there is no such time.
std::optional<Timestamp> counted(const Written& written) {
    static const std::int64_t epoch = days_before(1970, 1, 1);
    if (written.day > days_in(written.year, written.month)) return std::nullopt;
    const std::int64_t days = days_before(written.year, written.month, written.day) - epoch;
    const std::int64_t minutes =
        days * 24 * 60 + written.hour * 60 + written.minute - written.offset_minutes;
    const std::int64_t minute_of_day = (minutes % (24 * 60) + 24 * 60) % (24 * 60);
    if (written.second == 60 && minute_of_day != 24 * 60 - 1) return std::nullopt;

    std::string micros = written.fraction.empty() ? "" : written.fraction.substr(1);
    micros.resize(6, '0');
    const Timestamp time{std::chrono::microseconds{(minutes * 60 + written.second) * 1'000'000 +
                                                   std::stoll(micros)}};
    const std::int64_t day_count = days_before(10'000, 1, 1) - epoch;
    if (time.time_since_epoch().count() < -epoch * 86'400'000'000) return std::nullopt;
    if (time.time_since_epoch().count() >= day_count * 86'400'000'000) return std::nullopt;
    return time;
}

void draw_offset(Written& written) {
    const int hour = *rc::gen::inRange(0, 24);
    const int minute = *rc::gen::inRange(0, 60);
    const bool is_west = *rc::gen::arbitrary<bool>();
    const auto two = [](int value) { return (value < 10 ? "0" : "") + std::to_string(value); };
    const std::string sign = is_west ? "-" : "+";
    int minutes = 0;
    switch (*rc::gen::inRange(0, 5)) {
        case 0:
            written.offset = *rc::gen::element<std::string>("", "Z", "z");
            break;
        case 1:
            written.offset = sign + two(hour);
            minutes = hour * 60;
            break;
        case 2:
            written.offset = sign + two(hour) + two(minute);
            minutes = hour * 60 + minute;
            break;
        default:
            written.offset = sign + two(hour) + ':' + two(minute);
            minutes = hour * 60 + minute;
    }
    written.offset_minutes = is_west ? -minutes : minutes;
}

/// Any form of a time, also the 31st of a month of 30 days and leap seconds in and out of place.
Written any_written() {
    Written written;
    written.year = *rc::gen::oneOf(rc::gen::inRange(0, 10'000), rc::gen::inRange(1900, 2101),
                                   rc::gen::element(0, 4, 100, 400, 1600, 1970, 2000, 9999));
    written.month = *rc::gen::oneOf(rc::gen::inRange(1, 13), rc::gen::element(1, 2, 12));
    written.day = *rc::gen::oneOf(rc::gen::inRange(1, 32), rc::gen::element(1, 28, 29, 30, 31));
    written.between = *rc::gen::element<std::string>("T", "t", " ");
    written.hour = *rc::gen::oneOf(rc::gen::inRange(0, 24), rc::gen::element(0, 23));
    written.minute = *rc::gen::oneOf(rc::gen::inRange(0, 60), rc::gen::element(0, 59));
    written.second = *rc::gen::oneOf(rc::gen::inRange(0, 61), rc::gen::element(0, 59, 60));
    const int digits = *rc::gen::inRange(0, 10);
    if (digits > 0) {
        written.fraction = *rc::gen::element<std::string>(".", ",");
        for (int n = 0; n < digits; ++n) {
            written.fraction += *rc::gen::inRange('0', static_cast<char>('9' + 1));
        }
    }
    draw_offset(written);
    return written;
}

std::string damaged(std::string text) {
    const int damages = *rc::gen::weightedElement<int>({{3, 1}, {1, 2}, {1, 3}});
    for (int n = 0; n < damages; ++n) {
        const auto at = *rc::gen::inRange<std::size_t>(0, text.size() + 1);
        const char byte = *rc::gen::weightedOneOf<char>(
            {{6, rc::gen::elementOf(std::string("0123456789"))},
             {2, rc::gen::elementOf(std::string("-+:.,TtZz \0/;", 13))},
             {1, rc::gen::arbitrary<char>()}});
        const auto place = text.begin() + static_cast<std::ptrdiff_t>(at);
        const auto damage = *rc::gen::inRange(0, 5);
        if (damage == 0 || place == text.end()) {
            text.insert(place, byte);
        } else if (damage == 1) {
            text.erase(place);
        } else {
            *place = byte;
        }
    }
    return text;
}

/// The grammar of parse_timestamp, apart from the ranges of its numbers.
bool has_the_form_of_a_time(const std::string& text) {
    static const std::regex form{R"(\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d)"
                                 R"(([.,]\d{1,9})?([Zz]|[+-]\d\d(:?\d\d)?)?)"};
    return std::regex_match(text, form);
}

/// What the text stands for; nothing if it is refused with FormatError. Anything else that is
/// thrown fails the property.
std::optional<Timestamp> read(const std::string& text) {
    try {
        return parse_timestamp(text);
    } catch (const FormatError&) {
        return std::nullopt;
    }
}

}  // namespace

TEST_CASE("every time that has text comes back from it", "[property]") {
    REQUIRE(rc::check("parse_timestamp(to_iso8601(t)) is t", [] {
        const Timestamp time = *property::any_time();
        const std::string text = to_iso8601(time);

        RC_ASSERT(parse_timestamp(text) == time);
        RC_ASSERT(nlohmann::json(time).get<Timestamp>() == time);
        RC_ASSERT(text.size() == 27U);
    }));
}

TEST_CASE("texts of times sort as the times do", "[property]") {
    REQUIRE(rc::check("a < b is text(a) < text(b)", [] {
        const Timestamp one = *property::any_time();
        const Timestamp near = one + std::chrono::microseconds{*rc::gen::inRange(-3, 4)};
        const Timestamp other =
            *rc::gen::element(*property::any_time(), std::clamp(near, Timestamp{}, latest_stamp));

        RC_ASSERT((one < other) == (to_iso8601(one) < to_iso8601(other)));
        RC_ASSERT((one == other) == (to_iso8601(one) == to_iso8601(other)));
    }));
}

TEST_CASE("every form of a time reads as what counting the days makes of it", "[property]") {
    REQUIRE(rc::check("any date, fraction and offset", [] {
        for (int n = 0; n < 10; ++n) {  // most of the time goes into one case's bookkeeping
            const Written written = any_written();
            RC_LOG() << written.text() << '\n';
            RC_ASSERT(read(written.text()) == counted(written));
        }
    }));
}

TEST_CASE("a damaged time is refused, or says the same after it was read and written",
          "[property]") {
    REQUIRE(rc::check("a byte put in, taken out or changed", [] {
        for (int n = 0; n < 10; ++n) {
            const std::string text = damaged(any_written().text());
            RC_LOG() << text << '\n';
            const auto time = read(text);
            if (!time) continue;

            RC_ASSERT(has_the_form_of_a_time(text));
            RC_ASSERT(parse_timestamp(to_iso8601(*time)) == *time);
            // Whatever offset and fraction made of it, the day is at most one away.
            const int year = std::stoi(text.substr(0, 4));
            const auto day = std::chrono::floor<std::chrono::days>(*time);
            const int read_year = static_cast<int>(std::chrono::year_month_day{day}.year());
            RC_ASSERT(std::abs(read_year - year) <= 1);
        }
    }));
}

TEST_CASE("text that nobody meant as a time is refused", "[property]") {
    REQUIRE(rc::check("any text, any bytes", [] {
        RC_ASSERT(!read(*property::any_text()));
        RC_ASSERT(!read(*rc::gen::arbitrary<std::string>()));
        RC_ASSERT(!read(*rc::gen::container<std::string>(
            rc::gen::elementOf(std::string("0123456789-+:.TZ ")))));
    }));
}

}  // namespace property_of_timestamp
