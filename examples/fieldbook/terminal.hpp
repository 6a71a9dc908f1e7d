// SPDX-License-Identifier: MIT
#pragma once

#include "exit_code.hpp"

#include <nlohmann/json.hpp>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

/// What people and scripts get to see.
namespace fieldbook {

using Json = nlohmann::json;

/// Text that came from elsewhere, such that a terminal shows it and does not obey it: control
/// characters, and those that turn the direction of writing, become \u escapes. Inside of JSON
/// text these mean the same.
[[nodiscard]] inline std::string harmless(std::string_view text, bool keep_newlines = false) {
    std::string shown;
    const auto escape = [&](unsigned code) {
        constexpr std::string_view digits = "0123456789abcdef";
        shown += "\\u";
        for (const unsigned shift : {12U, 8U, 4U, 0U}) shown += digits[(code >> shift) & 0xFU];
    };
    const auto byte = [&](std::size_t at) {
        return at < text.size() ? static_cast<unsigned char>(text[at]) : 0U;
    };
    for (std::size_t at = 0; at < text.size(); ++at) {
        const unsigned first = byte(at);
        const unsigned pair = first << 8U | byte(at + 1);
        const unsigned last = byte(at + 2);
        if (text[at] == '\n' && keep_newlines) {
            shown += '\n';
        } else if (first < 0x20 || first == 0x7F) {
            escape(first);
        } else if (pair >= 0xC280 && pair < 0xC2A0) {  // U+0080 to U+009F
            escape(byte(at += 1));
        } else if (pair == 0xE280 && last >= 0xAA && last <= 0xAE) {  // U+202A to U+202E
            escape(0x2000 + last - 0x80);
            at += 2;
        } else if (pair == 0xE281 && last >= 0xA6 && last <= 0xA9) {  // U+2066 to U+2069
            escape(0x2040 + last - 0x80);
            at += 2;
        } else {
            shown += text[at];
        }
    }
    return shown;
}

/// JSON in one line, or indented. What is no UTF-8, such as a message of a server, is replaced.
[[nodiscard]] inline std::string text_of(const Json& value, int indent = -1) {
    return harmless(value.dump(indent, ' ', false, Json::error_handler_t::replace), indent >= 0);
}

/// An id as it has to be written in a shell.
[[nodiscard]] inline std::string for_shell(std::string_view id) {
    constexpr std::string_view plain =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-.,:@/+";
    if (!id.empty() && id.find_first_not_of(plain) == id.npos) return std::string{id};
    std::string text = "'";
    for (const char each : id) text += each == '\'' ? std::string{"'\\''"} : std::string(1, each);
    return harmless(text + "'");
}

/// The columns that a character takes: East Asian ones and pictures are wide, marks take none.
/// Coarse, because all it does is to line up a table.
[[nodiscard]] inline std::size_t columns_of(char32_t character) noexcept {
    const auto is_between = [&](char32_t low, char32_t high) {
        return character >= low && character <= high;
    };
    if (is_between(0x300, 0x36F) || is_between(0x200B, 0x200F) || is_between(0xFE00, 0xFE0F)) {
        return 0;
    }
    return is_between(0x1100, 0x115F) || is_between(0x2E80, 0xA4CF) || is_between(0xAC00, 0xD7A3) ||
                   is_between(0xF900, 0xFAFF) || is_between(0xFE30, 0xFE6F) ||
                   is_between(0xFF00, 0xFF60) || is_between(0x1F300, 0x1FAFF) ||
                   is_between(0x20000, 0x3FFFD)
               ? 2
               : 1;
}

/// The longest beginning of UTF-8 text that fits the columns, and how many columns it takes.
struct Fitting {
    std::size_t bytes = 0;
    std::size_t columns = 0;

    static Fitting of(std::string_view text, std::size_t most = std::string_view::npos) {
        Fitting fitting;
        while (fitting.bytes < text.size()) {
            const auto lead = static_cast<unsigned char>(text[fitting.bytes]);
            const std::size_t length = lead < 0xC0 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
            char32_t character = length == 1 ? lead : lead & (0x7FU >> length);
            for (std::size_t n = 1; n < length && fitting.bytes + n < text.size(); ++n) {
                const auto next = static_cast<unsigned char>(text[fitting.bytes + n]);
                character = character << 6U | (next & 0x3FU);
            }
            const auto columns = columns_of(character);
            if (fitting.columns + columns > most) break;
            fitting.columns += columns;
            fitting.bytes += length;
        }
        return fitting;
    }
};

/// The text filled with blanks to a number of columns.
[[nodiscard]] inline std::string padded(std::string text, std::size_t columns) {
    const auto taken = Fitting::of(text).columns;
    if (taken < columns) text.append(columns - taken, ' ');
    return text;
}

/// The text, or as much of it as fits, with a sign that something is missing.
[[nodiscard]] inline std::string shortened(std::string text, std::size_t columns) {
    if (columns == 0 || Fitting::of(text).columns <= columns) return text;
    text.resize(Fitting::of(text, columns - 1).bytes);
    return text + "…";
}

enum class Tint { plain, good, waiting, trouble, faint };

/// Standard output: words for people, or with `--json` one value for scripts; and standard error
/// for what goes wrong and how far a sync has come.
class Output {
public:
    explicit Output(bool is_json) : is_json_(is_json) {}

    [[nodiscard]] bool is_json() const noexcept { return is_json_; }

    /// A line for people.
    void line(const std::string& text = {}) const {
        if (!is_json_) print(text + '\n');
    }
    /// A value for scripts, in one line.
    void json(const Json& value) const {
        if (is_json_) print(text_of(value) + '\n');
    }
    /// What is the same for both.
    void print(const std::string& text) const { std::fwrite(text.data(), 1, text.size(), stdout); }

    /// Must be called before the program ends well: a full disk or a closed pipe shows here.
    void finish() const {
        if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0) {
            throw Failure(ExitCode::input,
                          "what was to be shown could not be written; what was to be done is done");
        }
    }

    /// A line that goes wrong or explains what does; never part of a result.
    void error(ExitCode code, const std::string& message) const {
        const std::string shown = harmless(message, true);
        if (is_json_) {
            const Json error{{"error", {{"code", static_cast<int>(code)}, {"message", shown}}}};
            std::fprintf(stderr, "%s\n", text_of(error).c_str());
        } else {
            std::fprintf(stderr, "fieldbook: %s\n", shown.c_str());
        }
    }

    /// Colour where it is wanted: on a terminal, unless NO_COLOR says no (no-color.org).
    [[nodiscard]] std::string tinted(Tint tint, const std::string& text) const {
        if (!has_colour_ || tint == Tint::plain) return text;
        const char* code = tint == Tint::good      ? "32"
                           : tint == Tint::waiting ? "33"
                           : tint == Tint::trouble ? "31"
                                                   : "2";
        return std::string{"\033["} + code + 'm' + text + "\033[0m";
    }

    /// How many columns a line has; in a pipe, enough to recognise a record.
    [[nodiscard]] std::size_t width() const {
        winsize size{};
        const bool is_known = is_terminal_ && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0;
        return is_known && size.ws_col > 20 ? size.ws_col : 100;
    }

private:
    static bool is_set(const char* name) {
        const char* value = std::getenv(name);
        return value != nullptr && *value != '\0';
    }
    static bool is_dumb() {
        const char* terminal = std::getenv("TERM");
        return terminal == nullptr || std::string_view{terminal} == "dumb";
    }

    bool is_json_;
    bool is_terminal_ = isatty(STDOUT_FILENO) == 1;
    bool has_colour_ = is_terminal_ && !is_set("NO_COLOR") && !is_dumb();
};

}  // namespace fieldbook
