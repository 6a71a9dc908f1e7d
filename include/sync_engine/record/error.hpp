// SPDX-License-Identifier: MIT
#pragma once

#include <sync_engine/record/utf8.hpp>

#include <cstddef>
#include <stdexcept>
#include <string>
#include <string_view>

// Here, because almost every other header comes after this one.
#if __cplusplus < 202002L && (!defined(_MSVC_LANG) || _MSVC_LANG < 202002L)
#error "sync_engine needs C++20: -std=c++20 or /std:c++20"
#endif
#ifndef __cpp_exceptions
#error "sync_engine needs exceptions: its errors are; compile without -fno-exceptions"
#endif

namespace sync_engine {

/// What every exception of this library is: a call that could not do what it promised, and that
/// changed nothing.
class Error : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

/// Text or JSON that cannot be read; the message names the key or the place.
class FormatError : public Error {
public:
    using Error::Error;
};

/// A record that cannot be stored: its id is unusable, or JSON cannot carry its data.
class InvalidRecord : public Error {
public:
    using Error::Error;
};

/// No record has the id that was asked for.
class NotFound : public Error {
public:
    using Error::Error;
};

/// A call that would have lost something, such as evicting a record with unsent edits.
class Refused : public Error {
public:
    using Error::Error;
};

/// The local storage could not load or could not make a commit durable.
class StorageError : public Error {
public:
    using Error::Error;
};

namespace detail {

inline void append_hex(std::string& text, std::string_view prefix, unsigned value, int digits) {
    text += prefix;
    for (int shift = 4 * (digits - 1); shift >= 0; shift -= 4) {
        text += "0123456789abcdef"[(value >> static_cast<unsigned>(shift)) & 0xFU];
    }
}

/// Appends one UTF-8 sequence, or one byte that is none, so that it can be read and not obeyed.
inline void append_escaped(std::string& text, std::string_view sequence, bool well_formed) {
    const auto lead = static_cast<unsigned char>(sequence.front());
    const auto last = static_cast<unsigned char>(sequence.back());
    if (!well_formed) {
        append_hex(text, "\\x", lead, 2);
    } else if (lead == '"' || lead == '\\') {
        (text += '\\') += sequence;
    } else if (lead == '\n') {
        text += "\\n";
    } else if (lead < 0x20 || lead == 0x7F) {
        append_hex(text, "\\u", lead, 4);
    } else if (lead == 0xC2 && last < 0xA0) {  // U+0080 to U+009F: terminals obey these as well
        append_hex(text, "\\u", last, 4);
    } else {
        text += sequence;
    }
}

/// What `quoted` is made of.
struct Quoted {
    std::size_t enough = 60;  ///< bytes: tells ids apart, and a message stays one line

    [[nodiscard]] std::string operator()(std::string_view text) const {
        std::string shown = "\"";
        for (std::size_t at = 0; at < text.size();) {
            if (at >= enough) return shown + "\"...";
            const auto length = utf8_sequence_length(text.substr(at));
            const auto step = length == 0 ? 1 : length;
            append_escaped(shown, text.substr(at, step), length != 0);
            at += step;
        }
        return shown + '"';
    }
};

}  // namespace detail

/// An id, a key or another short text as messages show it: in double quotes, with control
/// characters, quotes, backslashes and bytes that are no UTF-8 escaped.
///
/// A long text is cut, with `...` after the closing quote. An object and not a function, so that
/// `quoted(string)` never finds std::quoted.
inline constexpr detail::Quoted quoted{};

}  // namespace sync_engine
