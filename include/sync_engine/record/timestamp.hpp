// SPDX-License-Identifier: MIT
#pragma once

#include <sync_engine/record/error.hpp>

#include <nlohmann/json_fwd.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace sync_engine {

/// A moment in UTC, to the microsecond. `Timestamp{}` stands for "no time is known".
using Timestamp = std::chrono::sys_time<std::chrono::microseconds>;

/// The system clock's time.
[[nodiscard]] inline Timestamp now() {
    return std::chrono::time_point_cast<std::chrono::microseconds>(
        std::chrono::system_clock::now());
}

/// The first time that has ISO 8601 text: what is stamped earlier could not travel.
inline constexpr Timestamp earliest_stamp =
    std::chrono::sys_days{std::chrono::year{0} / std::chrono::January / 1};

/// The last one.
inline constexpr Timestamp latest_stamp =
    Timestamp{std::chrono::sys_days{std::chrono::year{10000} / std::chrono::January / 1}} -
    std::chrono::microseconds{1};

namespace detail {

/// Whether `time` is in the years 0000 to 9999, the ones that ISO 8601 text has room for.
[[nodiscard]] constexpr bool is_writable(Timestamp time) noexcept {
    return time >= earliest_stamp && time <= latest_stamp;
}

/// `to - from`, held at the ends of the range instead of overflowing.
[[nodiscard]] constexpr std::chrono::microseconds elapsed(Timestamp from, Timestamp to) noexcept {
    using std::chrono::microseconds;
    const auto start = from.time_since_epoch().count();
    const auto end = to.time_since_epoch().count();
    if (start < 0 && end > microseconds::max().count() + start) return microseconds::max();
    if (start > 0 && end < microseconds::min().count() + start) return microseconds::min();
    return microseconds{end - start};
}

/// The next moment after `time`. After `latest_stamp` there is none that could travel: from there
/// on a time stays where it is, and the version alone tells what is newer.
[[nodiscard]] constexpr Timestamp just_after(Timestamp time) noexcept {
    return time < latest_stamp ? time + std::chrono::microseconds{1} : time;
}

inline void append_digits(std::string& text, std::int64_t value, int width) {
    const auto first = text.size();
    text.append(static_cast<std::size_t>(width), '0');
    for (auto at = text.size(); at > first; value /= 10) {
        text[--at] = static_cast<char>('0' + value % 10);
    }
}

/// Reads one time text from left to right; refuses at the first thing that is wrong.
class TimestampReader {
public:
    explicit TimestampReader(std::string_view text) : text_{text} {}

    [[nodiscard]] Timestamp read() {
        const auto day = read_date();
        if (!skip_any_of("Tt ")) refuse("expected T between date and time");
        const auto hour = read_number(2, 0, 23, "hour");
        skip(':');
        const auto minute = read_number(2, 0, 59, "minute");
        skip(':');
        const auto second = read_number(2, 0, 60, "second");
        const auto fraction = read_fraction();
        const auto offset = read_offset();
        if (at_ < text_.size()) refuse("unexpected text after the time");

        // In seconds, because a count of minutes may have 32 bits, which the year 6053 fills.
        const auto utc_minute = std::chrono::sys_seconds{day} + std::chrono::hours{hour} +
                                std::chrono::minutes{minute} - offset;
        if (second == 60 && !is_last_of_day(utc_minute)) {
            refuse("second 60 exists only at 23:59:60 UTC");
        }
        const Timestamp time = utc_minute + std::chrono::seconds{second} + fraction;
        if (!is_writable(time)) refuse("outside the years 0000 to 9999");
        return time;
    }

private:
    static bool is_last_of_day(std::chrono::sys_seconds minute) {
        const auto of_day = minute - std::chrono::floor<std::chrono::days>(minute);
        return of_day == std::chrono::hours{24} - std::chrono::minutes{1};
    }

    std::chrono::sys_days read_date() {
        const auto year = read_number(4, 0, 9999, "year");
        skip('-');
        const auto month = read_number(2, 1, 12, "month");
        skip('-');
        const auto day = read_number(2, 1, 31, "day");
        const auto date = std::chrono::year{year} /
                          std::chrono::month{static_cast<unsigned>(month)} /
                          std::chrono::day{static_cast<unsigned>(day)};
        if (!date.ok()) refuse("that month has no such day");
        return date;
    }

    std::chrono::microseconds read_fraction() {
        if (!skip_any_of(".,")) return std::chrono::microseconds{0};
        const auto first = at_;
        std::int64_t value = 0;
        std::int64_t unit = 100'000;  // of the first digit, in microseconds; 0 from the seventh on
        for (; is_digit(); ++at_, unit /= 10) value += unit * (text_[at_] - '0');
        if (at_ == first || at_ - first > 9) refuse("expected 1 to 9 digits of a second");
        return std::chrono::microseconds{value};
    }

    std::chrono::minutes read_offset() {
        if (at_ == text_.size() || skip_any_of("Zz")) return std::chrono::minutes{0};
        const bool is_west = text_[at_] == '-';
        if (!skip_any_of("+-")) refuse("expected Z or an offset like +01:00");
        const std::chrono::hours hours{read_number(2, 0, 23, "offset hour")};
        std::chrono::minutes minutes{0};
        if (skip_any_of(":") || is_digit()) {
            minutes = std::chrono::minutes{read_number(2, 0, 59, "offset minute")};
        }
        return is_west ? -(hours + minutes) : hours + minutes;
    }

    int read_number(int width, int low, int high, std::string_view name) {
        int value = 0;
        for (int n = 0; n < width; ++n, ++at_) {
            if (!is_digit()) {
                refuse("expected " + std::to_string(width) + " digits of " + std::string{name});
            }
            value = value * 10 + (text_[at_] - '0');
        }
        if (value < low || value > high) {
            refuse(std::string{name} + " is not from " + std::to_string(low) + " to " +
                   std::to_string(high));
        }
        return value;
    }

    [[nodiscard]] bool is_digit() const {
        return at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9';
    }

    bool skip_any_of(std::string_view choices) {
        if (at_ == text_.size() || choices.find(text_[at_]) == std::string_view::npos) return false;
        ++at_;
        return true;
    }

    void skip(char wanted) {
        if (!skip_any_of({&wanted, 1})) refuse(std::string{"expected "} + wanted);
    }

    [[noreturn]] void refuse(const std::string& reason) const {
        throw FormatError("time " + quoted(text_) + ": " + reason + ", at character " +
                          std::to_string(at_));
    }

    std::string_view text_;
    std::size_t at_ = 0;
};

}  // namespace detail

/// `time` as ISO 8601 in UTC, always with six digits of fraction: "2026-11-23T06:53:21.000000Z".
///
/// All texts have the same form, so they sort as the times do. A time outside the years 0000 to
/// 9999 throws FormatError.
[[nodiscard]] inline std::string to_iso8601(Timestamp time) {
    if (!detail::is_writable(time)) {
        throw FormatError("a time outside the years 0000 to 9999 has no ISO 8601 text");
    }
    const auto day = std::chrono::floor<std::chrono::days>(time);
    const std::chrono::year_month_day date{day};
    const std::chrono::hh_mm_ss clock{time - day};

    std::string text;
    text.reserve(std::string_view{"2026-11-23T06:53:21.000000Z"}.size());
    detail::append_digits(text, static_cast<int>(date.year()), 4);
    detail::append_digits(text += '-', static_cast<unsigned>(date.month()), 2);
    detail::append_digits(text += '-', static_cast<unsigned>(date.day()), 2);
    detail::append_digits(text += 'T', clock.hours().count(), 2);
    detail::append_digits(text += ':', clock.minutes().count(), 2);
    detail::append_digits(text += ':', clock.seconds().count(), 2);
    detail::append_digits(text += '.', clock.subseconds().count(), 6);
    return text += 'Z';
}

/// Reads ISO 8601 as RFC 3339 narrows it: "2026-11-23T06:53:21.5+01:00". Throws FormatError.
///
/// A space for the T, a comma for the point, offsets without a colon or without minutes are read
/// too. Without a zone the time is UTC; digits beyond microseconds are cut off; a leap second
/// becomes the second after it.
[[nodiscard]] inline Timestamp parse_timestamp(std::string_view text) {
    return detail::TimestampReader{text}.read();
}

}  // namespace sync_engine

/// Times travel as ISO 8601 text.
template <>
struct nlohmann::adl_serializer<sync_engine::Timestamp> {
    template <class BasicJson>
    static void to_json(BasicJson& json, sync_engine::Timestamp time) {
        json = sync_engine::to_iso8601(time);
    }

    template <class BasicJson>
    static void from_json(const BasicJson& json, sync_engine::Timestamp& time) {
        if (!json.is_string()) {
            throw sync_engine::FormatError(std::string{"expected a time in ISO 8601, got "} +
                                           json.type_name());
        }
        time = sync_engine::parse_timestamp(
            json.template get_ref<const typename BasicJson::string_t&>());
    }
};
