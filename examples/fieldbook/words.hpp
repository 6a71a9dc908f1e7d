// SPDX-License-Identifier: MIT
#pragma once

#include <sync_engine/record/timestamp.hpp>

#include <array>
#include <chrono>
#include <cstddef>
#include <ctime>
#include <string>

/// Numbers and times as people say them.
namespace fieldbook {

/// "1 record", "2 records".
[[nodiscard]] inline std::string count(std::size_t number, const std::string& noun) {
    return std::to_string(number) + ' ' + noun + (number == 1 ? "" : "s");
}

/// "3 of them wait", "1 of them waits": the verb for a number of things.
[[nodiscard]] inline std::string verb(std::size_t number, const std::string& plural) {
    return plural + (number == 1 ? "s" : "");
}

/// A length of time in its largest unit: "5 minutes".
[[nodiscard]] inline std::string length(std::chrono::microseconds time) {
    using std::chrono::duration_cast;
    struct Unit {
        const char* noun;
        std::chrono::seconds size;
    };
    constexpr std::array units{
        Unit{"day", std::chrono::hours{24}}, Unit{"hour", std::chrono::hours{1}},
        Unit{"minute", std::chrono::minutes{1}}, Unit{"second", std::chrono::seconds{1}}};
    for (const auto& unit : units) {
        if (time >= unit.size) return count(static_cast<std::size_t>(time / unit.size), unit.noun);
    }
    return count(static_cast<std::size_t>(duration_cast<std::chrono::milliseconds>(time).count()),
                 "millisecond");
}

/// "2 minutes ago", "in 3 seconds", "just now".
[[nodiscard]] inline std::string from_now(sync_engine::Timestamp time, sync_engine::Timestamp now) {
    using namespace std::chrono_literals;
    if (time >= now + 1s) return "in " + length(time - now);
    if (time <= now - 1s) return length(now - time) + " ago";
    return "just now";
}

/// "2026-06-24 10:03:05", where the user's clock stands.
[[nodiscard]] inline std::string clock_time(sync_engine::Timestamp time) {
    const std::time_t seconds = std::chrono::system_clock::to_time_t(
        std::chrono::time_point_cast<std::chrono::seconds>(time));
    std::tm parts{};
    std::array<char, 32> text{};
    if (localtime_r(&seconds, &parts) == nullptr ||
        std::strftime(text.data(), text.size(), "%Y-%m-%d %H:%M:%S", &parts) == 0) {
        return "an unknown time";
    }
    return text.data();
}

/// Both: "2026-06-24 10:03:05, 2 minutes ago". `Timestamp{}` stands for "no time is known".
[[nodiscard]] inline std::string moment(sync_engine::Timestamp time,
                                        sync_engine::Timestamp now = sync_engine::now()) {
    if (time == sync_engine::Timestamp{}) return "at an unknown time";
    return clock_time(time) + ", " + from_now(time, now);
}

}  // namespace fieldbook
