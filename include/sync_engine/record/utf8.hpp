// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace sync_engine {

namespace detail {

/// The length of the well-formed UTF-8 sequence that `text` starts with; 0 where there is none.
///
/// The ranges are those of the Unicode Standard, table 3-7: no overlong forms, no surrogates,
/// nothing above U+10FFFF.
constexpr std::size_t utf8_sequence_length(std::string_view text) noexcept {
    const auto byte = [&](std::size_t at) {
        return at < text.size() ? static_cast<unsigned char>(text[at]) : 0U;
    };
    const auto is_between = [&](std::size_t at, unsigned low, unsigned high) {
        return byte(at) >= low && byte(at) <= high;
    };

    if (text.empty()) return 0;
    const auto lead = byte(0);
    if (lead < 0x80) return 1;
    if (lead < 0xC2 || lead > 0xF4) return 0;
    if (lead < 0xE0) return is_between(1, 0x80, 0xBF) ? 2 : 0;
    if (lead < 0xF0) {
        const unsigned low = lead == 0xE0 ? 0xA0 : 0x80;
        const unsigned high = lead == 0xED ? 0x9F : 0xBF;
        return is_between(1, low, high) && is_between(2, 0x80, 0xBF) ? 3 : 0;
    }
    const unsigned low = lead == 0xF0 ? 0x90 : 0x80;
    const unsigned high = lead == 0xF4 ? 0x8F : 0xBF;
    return is_between(1, low, high) && is_between(2, 0x80, 0xBF) && is_between(3, 0x80, 0xBF) ? 4
                                                                                              : 0;
}

}  // namespace detail

/// Whether `text` is well-formed UTF-8, which is what JSON can carry.
[[nodiscard]] inline bool is_utf8(std::string_view text) noexcept {
    while (!text.empty()) {
        // Most text is ASCII: eight bytes at a time, as long as none has its top bit set.
        std::uint64_t chunk = 0;
        while (text.size() >= sizeof chunk) {
            std::memcpy(&chunk, text.data(), sizeof chunk);
            if ((chunk & 0x8080808080808080U) != 0) break;
            text.remove_prefix(sizeof chunk);
        }
        if (text.empty()) return true;

        const auto length = detail::utf8_sequence_length(text);
        if (length == 0) return false;
        text.remove_prefix(length);
    }
    return true;
}

namespace detail {

/// `text` with U+FFFD in the place of each byte that is no UTF-8: for messages, never for records.
[[nodiscard]] inline std::string repaired_utf8(std::string_view text) {
    std::string repaired;
    repaired.reserve(text.size());
    while (!text.empty()) {
        const auto length = utf8_sequence_length(text);
        if (length == 0) {
            repaired += "\xEF\xBF\xBD";
        } else {
            repaired += text.substr(0, length);
        }
        text.remove_prefix(length == 0 ? 1 : length);
    }
    return repaired;
}

}  // namespace detail

}  // namespace sync_engine
