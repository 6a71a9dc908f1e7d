// SPDX-License-Identifier: MIT
#pragma once

#include <sync_engine/record/error.hpp>
#include <sync_engine/record/json_text.hpp>
#include <sync_engine/record/timestamp.hpp>
#include <sync_engine/record/utf8.hpp>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace sync_engine {

namespace detail {

/// Appends a key to a JSON pointer (RFC 6901).
inline void append_pointer(std::string& path, std::string_view key) {
    path += '/';
    for (const char byte : key) {
        if (byte == '~') {
            path += "~0";
        } else if (byte == '/') {
            path += "~1";
        } else {
            path += byte;
        }
    }
}

/// Walks a value without recursion, since its depth is not known to be safe yet.
class JsonCheck {
public:
    explicit JsonCheck(const nlohmann::json& value) : root_{&value} {}

    void run() {
        visit(*root_);
        while (depth_ > 0) {
            Level& inner = level(depth_ - 1);
            if (inner.at_end()) {
                --depth_;
            } else if (inner.object != nullptr) {
                const auto& [key, child] = *inner.member++;
                if (!is_utf8(key)) refuse("the key is not well-formed UTF-8");
                visit(child);
            } else {
                visit(*inner.element++);
            }
        }
    }

private:
    using Object = nlohmann::json::object_t;
    using Array = nlohmann::json::array_t;

    /// An array or object that is being walked; its iterator is one past the child at hand.
    struct Level {
        const Object* object = nullptr;
        const Array* array = nullptr;
        Object::const_iterator member{};
        Array::const_iterator element{};

        [[nodiscard]] bool at_end() const {
            return object != nullptr ? member == object->end() : element == array->end();
        }
    };

    void visit(const nlohmann::json& value) {
        using Kind = nlohmann::json::value_t;
        switch (value.type()) {
            case Kind::object:
                return enter(value.get_ptr<const Object*>());
            case Kind::array:
                return enter(value.get_ptr<const Array*>());
            case Kind::string:
                if (!is_utf8(*value.get_ptr<const std::string*>())) {
                    refuse("the string is not well-formed UTF-8");
                }
                return;
            case Kind::number_float:
                if (!std::isfinite(*value.get_ptr<const double*>())) {
                    refuse("the number is not finite");
                }
                return;
            case Kind::binary:
                refuse("binary values have no JSON text");
            case Kind::discarded:
                refuse("the value was discarded by a parser");
            case Kind::null:
            case Kind::boolean:
            case Kind::number_integer:
            case Kind::number_unsigned:
                return;
        }
    }

    void enter(const Object* object) {
        Level& inner = push();
        inner.object = object;
        inner.member = object->begin();
    }

    void enter(const Array* array) {
        Level& inner = push();
        inner.object = nullptr;
        inner.array = array;
        inner.element = array->begin();
    }

    Level& push() {
        if (depth_ == max_json_depth) {
            refuse("nested deeper than " + std::to_string(max_json_depth) + " levels");
        }
        if (depth_ == shallow_.size() + deep_.size()) deep_.emplace_back();
        return level(depth_++);
    }

    Level& level(std::size_t n) {
        return n < shallow_.size() ? shallow_[n] : deep_[n - shallow_.size()];
    }

    [[noreturn]] void refuse(const std::string& reason) {
        std::string path;
        for (std::size_t n = 0; n < depth_; ++n) {
            const Level& outer = level(n);
            if (outer.object != nullptr) {
                append_pointer(path, std::prev(outer.member)->first);
            } else {
                path += '/' + std::to_string(outer.element - outer.array->begin() - 1);
            }
        }
        throw FormatError("at " + quoted(path) + ": " + reason);
    }

    const nlohmann::json* root_;
    std::size_t depth_ = 0;
    std::array<Level, 4> shallow_{};  // most records nest no deeper: no allocation for them
    std::vector<Level> deep_{};
};

}  // namespace detail

/// Throws FormatError, with the JSON pointer of the place, unless `value` can travel as JSON text
/// and come back the same: nesting within max_json_depth, strings and keys well-formed UTF-8,
/// numbers finite, nothing binary.
///
/// Safe at any depth; costs one walk without allocation for shallow values.
inline void check_json(const nlohmann::json& value) {
    detail::JsonCheck{value}.run();
}

/// Whether two values are the same content, by structure: 1 and 1.0 are, in any order of keys.
///
/// Numbers compare exactly, where `==` of nlohmann_json takes -1 for 2^64-1 and rounds integers to
/// compare them with doubles. Recursive: for values that passed check_json.
[[nodiscard]] inline bool is_same_json(const nlohmann::json& a, const nlohmann::json& b);

namespace detail {

/// Whether a double is exactly the given integer.
template <class Integer>
[[nodiscard]] bool is_same_number(double real, Integer whole) {
    // Both bounds are powers of two (or zero), which a double holds exactly.
    const double low = static_cast<double>(std::numeric_limits<Integer>::min());
    const double above = std::ldexp(1.0, std::numeric_limits<Integer>::digits);
    return real >= low && real < above && static_cast<Integer>(real) == whole &&
           std::trunc(real) == real;
}

[[nodiscard]] inline bool is_same_number(const nlohmann::json& a, const nlohmann::json& b) {
    if (a.is_number_float()) {
        const double real = *a.get_ptr<const double*>();
        if (b.is_number_float()) return real == *b.get_ptr<const double*>();
        if (b.is_number_unsigned()) return is_same_number(real, *b.get_ptr<const std::uint64_t*>());
        return is_same_number(real, *b.get_ptr<const std::int64_t*>());
    }
    if (b.is_number_float()) return is_same_number(b, a);
    const auto bits = [](const nlohmann::json& whole) {
        return whole.is_number_unsigned()
                   ? *whole.get_ptr<const std::uint64_t*>()
                   : static_cast<std::uint64_t>(*whole.get_ptr<const std::int64_t*>());
    };
    const auto is_negative = [](const nlohmann::json& whole) {
        return !whole.is_number_unsigned() && *whole.get_ptr<const std::int64_t*>() < 0;
    };
    return is_negative(a) == is_negative(b) && bits(a) == bits(b);
}

}  // namespace detail

inline bool is_same_json(const nlohmann::json& a, const nlohmann::json& b) {
    if (a.is_number() && b.is_number()) return detail::is_same_number(a, b);
    if (a.type() != b.type() || a.size() != b.size()) return false;
    if (a.is_object()) {
        const auto& left = *a.get_ptr<const nlohmann::json::object_t*>();
        const auto& right = *b.get_ptr<const nlohmann::json::object_t*>();
        return std::equal(left.begin(), left.end(), right.begin(),
                          [](const auto& x, const auto& y) {
                              return x.first == y.first && is_same_json(x.second, y.second);
                          });
    }
    if (a.is_array()) {
        const auto& left = *a.get_ptr<const nlohmann::json::array_t*>();
        const auto& right = *b.get_ptr<const nlohmann::json::array_t*>();
        return std::equal(left.begin(), left.end(), right.begin(), is_same_json);
    }
    if (a.is_string()) return *a.get_ptr<const std::string*>() == *b.get_ptr<const std::string*>();
    if (a.is_boolean()) return *a.get_ptr<const bool*>() == *b.get_ptr<const bool*>();
    if (a.is_binary()) {
        using Binary = nlohmann::json::binary_t;
        return *a.get_ptr<const Binary*>() == *b.get_ptr<const Binary*>();
    }
    return a.is_null();
}

namespace detail {

/// A value as messages show it: scalars as they are, the rest by kind, so that no record body
/// leaks.
[[nodiscard]] std::string described(const JsonValue auto& value) {
    if (value.is_object()) return "an object";
    if (value.is_array()) return "an array";
    if (value.is_binary()) return "binary";
    if (value.is_discarded()) return "a discarded value";
    if (value.is_string()) return quoted(*value.template get_ptr<const std::string*>());
    if (value.is_number_float() && !std::isfinite(*value.template get_ptr<const double*>())) {
        return "a number that is not finite";
    }
    return value.dump();
}

[[noreturn]] void refuse_key(const char* key, const std::string& expected,
                             const JsonValue auto& got) {
    throw FormatError("key " + quoted(key) + ": expected " + expected + ", got " + described(got));
}

/// Does `read`, and puts the key in front of what a FormatError says.
template <class Read>
auto in_key(const char* key, const Read& read) {
    try {
        return read();
    } catch (const FormatError& error) {
        throw FormatError("key " + quoted(key) + ": " + error.what());
    }
}

/// Throws FormatError unless `json` is an object; `what` says what it was to be.
void require_object(const JsonValue auto& json, std::string_view what) {
    if (json.is_object()) return;
    throw FormatError((std::string{what} += ": expected an object, got ") += described(json));
}

/// The value of a key; null where the key is absent.
[[nodiscard]] inline const nlohmann::json* find(const nlohmann::json& json, const char* key) {
    const auto place = json.find(key);
    return place == json.end() ? nullptr : &*place;
}
[[nodiscard]] inline nlohmann::json* find(nlohmann::json& json, const char* key) {
    const auto place = json.find(key);
    return place == json.end() ? nullptr : &*place;
}

// What follows reads the members of anything that `find` can look into.

/// The value of a key that has to be there.
template <class Object>
[[nodiscard]] const nlohmann::json& require(const Object& json, const char* key) {
    if (const nlohmann::json* value = find(json, key)) return *value;
    throw FormatError("key " + quoted(key) + " is missing");
}

[[nodiscard]] const std::string& as_string(const JsonValue auto& value, const char* key) {
    if (!value.is_string()) refuse_key(key, "a string", value);
    const auto& text = *value.template get_ptr<const std::string*>();
    if (!is_utf8(text)) refuse_key(key, "well-formed UTF-8", value);
    return text;
}

[[nodiscard]] std::uint64_t as_count(const JsonValue auto& value, const char* key) {
    // A value that was parsed is unsigned where it can be; one that was built in C++ is signed.
    if (value.is_number_unsigned()) return *value.template get_ptr<const std::uint64_t*>();
    if (value.is_number_integer() && *value.template get_ptr<const std::int64_t*>() >= 0) {
        return static_cast<std::uint64_t>(*value.template get_ptr<const std::int64_t*>());
    }
    refuse_key(key, "a whole number from 0 to 18446744073709551615", value);
}

/// The string at a key that has to be there.
template <class Object = nlohmann::json>
[[nodiscard]] std::string read_string(const Object& json, const char* key) {
    return as_string(require(json, key), key);
}

/// The string at a key, or `otherwise` where the key is absent.
template <class Object = nlohmann::json>
[[nodiscard]] std::string read_string(const Object& json, const char* key, std::string otherwise) {
    const nlohmann::json* value = find(json, key);
    return value == nullptr ? otherwise : as_string(*value, key);
}

/// The whole number at a key that has to be there; nothing is rounded, wrapped or converted.
template <class Object = nlohmann::json>
[[nodiscard]] std::uint64_t read_count(const Object& json, const char* key) {
    return as_count(require(json, key), key);
}

/// The whole number at a key, or `otherwise` where the key is absent.
template <class Object = nlohmann::json>
[[nodiscard]] std::uint64_t read_count(const Object& json, const char* key,
                                       std::uint64_t otherwise) {
    const nlohmann::json* value = find(json, key);
    return value == nullptr ? otherwise : as_count(*value, key);
}

/// The whole number at a key, or 0 where the key is absent; one that an `unsigned` cannot hold is
/// refused.
template <class Object = nlohmann::json>
[[nodiscard]] unsigned read_small_count(const Object& json, const char* key) {
    const auto count = read_count(json, key, 0);
    if (count > std::numeric_limits<unsigned>::max()) refuse_key(key, "a count", *find(json, key));
    return static_cast<unsigned>(count);
}

/// The whole number at a key, or `otherwise` where the key is absent; one that an `unsigned` cannot
/// hold is held at the highest.
template <class Object = nlohmann::json>
[[nodiscard]] unsigned read_clamped_count(const Object& json, const char* key, unsigned otherwise) {
    constexpr std::uint64_t highest = std::numeric_limits<unsigned>::max();
    return static_cast<unsigned>(std::min(read_count(json, key, otherwise), highest));
}

/// True or false as it stands at a key, or `otherwise` where the key is absent.
template <class Object = nlohmann::json>
[[nodiscard]] bool read_flag(const Object& json, const char* key, bool otherwise = false) {
    const nlohmann::json* value = find(json, key);
    if (value == nullptr) return otherwise;
    if (!value->is_boolean()) refuse_key(key, "true or false", *value);
    return *value->get_ptr<const bool*>();
}

/// The elements at a key; none where the key is absent. They are those of `json`, not copies.
template <class Object = nlohmann::json>
[[nodiscard]] std::span<const nlohmann::json> read_array(const Object& json, const char* key) {
    const nlohmann::json* value = find(json, key);
    if (value == nullptr) return {};
    if (!value->is_array()) refuse_key(key, "an array", *value);
    return *value->get_ptr<const nlohmann::json::array_t*>();
}

/// The time at a key, or `otherwise` where the key is absent or null.
template <class Object = nlohmann::json>
[[nodiscard]] Timestamp read_time(const Object& json, const char* key, Timestamp otherwise) {
    const nlohmann::json* value = find(json, key);
    if (value == nullptr || value->is_null()) return otherwise;
    if (!value->is_string()) refuse_key(key, "a time in ISO 8601", *value);
    return in_key(key, [&] { return parse_timestamp(*value->get_ptr<const std::string*>()); });
}

}  // namespace detail

}  // namespace sync_engine
