// SPDX-License-Identifier: MIT
#pragma once

#include <sync_engine/record/error.hpp>
#include <sync_engine/record/json.hpp>

#include "exit_code.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace fieldbook {

using Json = nlohmann::json;

/// What a value is, in words.
[[nodiscard]] inline std::string kind_of(const Json& value) {
    if (value.is_object()) return "an object";
    if (value.is_array()) return "a list";
    if (value.is_string()) return "text";
    if (value.is_number()) return "a number";
    return value.is_null() ? "null" : "true or false";
}

/// A place inside of a record: `place.row`, or as a JSON pointer `/place/row`, which also reaches
/// keys that have a dot in them. A number is an item of a list, `-` the one after the last.
class Path {
public:
    Path() = default;

    /// Throws `Failure`.
    static Path parse(std::string_view text) {
        Path path;
        const bool is_pointer = text.substr(0, 1) == "/";
        const char separator = is_pointer ? '/' : '.';
        for (std::size_t at = is_pointer ? 1 : 0; at <= text.size();) {
            const auto end = std::min(text.find(separator, at), text.size());
            std::string step{text.substr(at, end - at)};
            if (is_pointer) step = unescaped(step, text);
            if (step.empty() && !is_pointer) {
                throw Failure(ExitCode::usage, sync_engine::quoted(text) +
                                                   " is no path: a step of it is empty; write "
                                                   "name.part, or /name/part");
            }
            path.steps_.push_back(std::move(step));
            at = end + 1;
        }
        return path;
    }

    [[nodiscard]] Path operator/(std::string step) const {
        Path inner = *this;
        inner.steps_.push_back(std::move(step));
        return inner;
    }

    /// As it is read: with dots where that is possible.
    [[nodiscard]] std::string text() const { return text_of_first(steps_.size()); }

    /// The value at this place; null if there is none.
    [[nodiscard]] const Json* find(const Json& data) const {
        const Json* value = &data;
        for (const auto& step : steps_) {
            if (value->is_object() && value->contains(step)) {
                value = &(*value)[step];
            } else if (value->is_array() && index(step) < value->size()) {
                value = &(*value)[index(step)];
            } else {
                return nullptr;
            }
        }
        return value;
    }

    /// Puts a value there, and makes the objects on the way. Throws `Failure` where something else
    /// is in the way.
    void assign(Json& data, Json value) const {
        Json* place = &data;
        for (std::size_t n = 0; n < steps_.size(); ++n) place = &child(*place, n);
        *place = std::move(value);
    }

    /// Removes the value there; false if there was none.
    bool erase(Json& data) const {
        if (find(data) == nullptr) return false;
        Json* parent = &data;
        for (std::size_t n = 0; n + 1 < steps_.size(); ++n) parent = &child(*parent, n);
        if (parent->is_array()) {
            parent->erase(index(steps_.back()));
        } else {
            parent->erase(steps_.back());
        }
        return true;
    }

private:
    static constexpr std::size_t no_index = static_cast<std::size_t>(-1);

    static std::string unescaped(std::string_view step, std::string_view whole) {
        std::string text;
        for (std::size_t at = 0; at < step.size(); ++at) {
            if (step[at] != '~') {
                text += step[at];
            } else if (const auto code = step.substr(at + 1, 1); code == "0" || code == "1") {
                text += code == "0" ? '~' : '/';
                ++at;
            } else {
                throw Failure(ExitCode::usage, sync_engine::quoted(whole) +
                                                   " is no JSON pointer: write ~0 for ~ and ~1 "
                                                   "for /");
            }
        }
        return text;
    }

    static std::size_t index(const std::string& step) {
        const bool is_number =
            !step.empty() && step.size() < 10 && (step == "0" || step.front() != '0') &&
            std::all_of(step.begin(), step.end(), [](char c) { return c >= '0' && c <= '9'; });
        return is_number ? std::stoul(step) : no_index;
    }

    Json& child(Json& parent, std::size_t n) const {
        const std::string& step = steps_[n];
        if (parent.is_null()) parent = Json::object();
        if (parent.is_object()) return parent[step];
        const std::string place = n == 0 ? "the record" : text_of_first(n);
        if (!parent.is_array()) {
            throw Failure(ExitCode::input, place + " is " + kind_of(parent) + ", so there is no " +
                                               sync_engine::quoted(step) + " in it; set " + place +
                                               " itself");
        }
        const std::size_t at = step == "-" ? parent.size() : index(step);
        if (at > parent.size()) {
            throw Failure(ExitCode::input, place + " is a list of " +
                                               std::to_string(parent.size()) + " and has no item " +
                                               sync_engine::quoted(step) +
                                               "; write - for a new one");
        }
        if (at == parent.size()) parent.push_back(nullptr);
        return parent[at];
    }

    [[nodiscard]] std::string text_of_first(std::size_t steps) const {
        const auto end = steps_.begin() + static_cast<std::ptrdiff_t>(steps);
        const bool is_plain = std::all_of(steps_.begin(), end, [](const std::string& step) {
            return !step.empty() && step.find_first_of("./=") == std::string::npos;
        });
        std::string text;
        for (auto step = steps_.begin(); step != end; ++step) {
            if (!is_plain || step != steps_.begin()) text += is_plain ? '.' : '/';
            for (const char each : *step) {
                if (!is_plain && (each == '~' || each == '/')) {
                    text += each == '~' ? "~0" : "~1";
                } else {
                    text += each;
                }
            }
        }
        return text;
    }

    std::vector<std::string> steps_;
};

/// A value as it is written on a command line: JSON if it is, else text.
[[nodiscard]] inline Json parse_value(std::string_view text) {
    try {
        return sync_engine::parse_json(text);
    } catch (const sync_engine::FormatError&) {
        return std::string{text};
    }
}

}  // namespace fieldbook
