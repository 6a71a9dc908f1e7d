// SPDX-License-Identifier: MIT
#pragma once

#include <sync_engine/record/error.hpp>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sync_engine {

/// How deep arrays and objects may nest in a record's data.
///
/// nlohmann_json copies, compares and prints by recursion, and a stack that overflows is no
/// exception: with a sanitizer, a thread of 512 KiB dies at about 180 levels.
inline constexpr std::size_t max_json_depth = 128;

/// How deep they may nest in text: a record that was taken has to be readable inside of what
/// travels around its data, such as the record itself, a page, a retry queue, a document.
inline constexpr std::size_t max_text_depth = max_json_depth + 8;

namespace detail {

/// A value of nlohmann_json. What takes it as `JsonValue auto&` is a template, which costs nothing
/// in a file that does not call it.
template <class Value>
concept JsonValue = std::same_as<Value, nlohmann::json>;

/// Somebody who has a place of their own for each member of an element: `place(key)`.
template <class Take>
concept HasPlaces = requires(Take& take, const std::string& key) {
    take.place(key);
};

/// Builds a value from the parser's events, no deeper than max_text_depth. Of the array at one key
/// of the outermost object, or of the outermost array, each element is handed out as soon as it is
/// whole, if somebody takes it: `take(nlohmann::json&& element, std::size_t depth)`. If they have
/// places for the members of an object, those go there, and the object stays empty.
///
/// What was taken, but not moved away, is written over by the next element: most are alike, and
/// making a tree costs more than filling it.
template <class Take>
class JsonBuilder {
    using Json = nlohmann::json;

public:
    JsonBuilder(Json& root, const std::string* list, Take& take)
        : root_(root), list_(list), take_(take) {}

    // What nlohmann_json calls; false ends the parsing.
    bool null() { return scalar(nullptr); }
    bool boolean(bool value) { return scalar(value); }
    bool number_integer(std::int64_t value) { return scalar(value); }
    bool number_unsigned(std::uint64_t value) { return scalar(value); }
    bool number_float(double value, const std::string& /*text*/) { return scalar(value); }
    bool string(std::string& value) {
        Json& text = place();
        if (text.is_string()) {
            text.get_ref<std::string&>() = value;
        } else {
            text = value;
        }
        hand_out();
        return true;
    }
    bool binary(Json::binary_t& /*value*/) { return false; }  // no text has one
    bool start_object(std::size_t /*size*/) { return enter(Json::value_t::object); }
    bool end_object() { return leave(); }
    bool start_array(std::size_t /*size*/) { return enter(Json::value_t::array); }
    bool end_array() { return leave(); }
    bool key(std::string& name) {
        is_list_key_ = open_.size() == 1 && list_ != nullptr && name == *list_;
        member_ = &member(name);
        return true;
    }
    bool parse_error(std::size_t position, const std::string& /*token*/,
                     const Json::exception& error) {
        bytes_read = position;
        is_overflow = error.id == 406;  // nlohmann_json's number for "number overflow"
        return false;
    }

    std::size_t deepest = 0;     ///< level that was entered, since the last element
    std::size_t bytes_read = 0;  ///< until the error
    bool is_overflow = false;
    bool is_too_deep = false;

private:
    static constexpr std::size_t none = ~std::size_t{0};

    /// An array or object that is being read: what it held before lies behind what is new.
    struct Open {
        Json* value = nullptr;
        std::size_t filled = 0;           // so many elements of an array are new
        Json::object_t::iterator next{};  // of an object: the first member that is not
    };

    /// Where the next value goes.
    Json& place() {
        if (open_.empty()) return root_;
        Open& open = open_.back();
        if (open.value->is_object()) return *member_;
        auto& elements = *open.value->template get_ptr<Json::array_t*>();
        if (open.filled == elements.size()) elements.emplace_back();
        return elements[open.filled++];
    }

    /// Where the value of a key goes.
    Json& member(const std::string& key) {
        if constexpr (HasPlaces<Take>) {
            if (open_.size() == list_depth_ + 1) return take_.place(key);
        }
        Open& open = open_.back();
        auto& members = *open.value->template get_ptr<Json::object_t*>();
        if (open.next != members.end() && open.next->first == key) return (open.next++)->second;
        forget_rest(open);
        // In order, mostly: what was written by a sorted map comes back sorted.
        return members.emplace_hint(members.end(), key, nullptr)->second;
    }

    /// Forgets what it held before and was not written over.
    static void forget_rest(Open& open) {
        if (open.value->is_object()) {
            auto& members = *open.value->template get_ptr<Json::object_t*>();
            open.next = members.erase(open.next, members.end());
        } else {
            open.value->template get_ptr<Json::array_t*>()->resize(open.filled);
        }
    }

    template <class Value>
    bool scalar(Value&& value) {
        place() = std::forward<Value>(value);
        hand_out();
        return true;
    }

    bool enter(Json::value_t type) {
        is_too_deep = open_.size() == max_text_depth;
        if (is_too_deep) return false;
        const bool is_list = type == Json::value_t::array && is_at_list();
        Json& value = place();
        if (value.type() != type) value = type;
        open_.push_back({&value});
        if (type == Json::value_t::object) {
            open_.back().next = value.template get_ptr<Json::object_t*>()->begin();
        }
        if (is_list) list_depth_ = open_.size();
        deepest = std::max(deepest, open_.size());
        return true;
    }

    bool leave() {
        if (open_.size() == list_depth_) list_depth_ = none;
        forget_rest(open_.back());
        if constexpr (JSON_DIAGNOSTICS != 0) {
            // Moving tells what lies inside who holds it, which what was put in directly was not.
            Json whole(std::move(*open_.back().value));
            *open_.back().value = std::move(whole);
        }
        open_.pop_back();
        hand_out();
        return true;
    }

    [[nodiscard]] bool is_at_list() const {
        if (list_ == nullptr) return false;
        return list_->empty() ? open_.empty() : open_.size() == 1 && is_list_key_;
    }

    void hand_out() {
        if (open_.size() != list_depth_) return;
        Open& list = open_.back();
        auto& element = list.value->template get_ptr<Json::array_t*>()->front();
        take_(std::move(element), deepest - list_depth_);
        list.filled = 0;
        deepest = list_depth_;
    }

    Json& root_;
    const std::string* list_;  // the key; empty: the root; null: no element is handed out
    Take& take_;
    std::vector<Open> open_{};       // around the next value
    Json* member_ = nullptr;         // where the value of the last key goes
    bool is_list_key_ = false;       // the last key is that of the list
    std::size_t list_depth_ = none;  // of the list, while it is open
};

/// The byte at which text nests deeper than max_text_depth.
[[nodiscard]] inline std::size_t place_too_deep(std::string_view text) {
    std::size_t depth = 0;
    bool in_string = false;
    std::size_t at = 0;
    for (; at < text.size(); ++at) {
        const char byte = text[at];
        if (byte == '"') {
            in_string = !in_string;
        } else if (in_string) {
            if (byte == '\\') ++at;  // whatever is escaped, it does not end the string
        } else if (byte == '[' || byte == '{') {
            if (++depth > max_text_depth) break;
        } else if (byte == ']' || byte == '}') {
            --depth;
        }
    }
    return at;
}

/// A value, and how deep it nests.
struct ParsedJson {
    nlohmann::json value{};
    std::size_t depth = 0;
};

/// Reads text into a value; see JsonBuilder. Throws FormatError with the place of what is wrong.
template <class Take>
[[nodiscard]] ParsedJson read_json(std::string_view text, const std::string* list, Take&& take) {
    // The parser would stop at a NUL and call the text complete.
    if (const auto at = text.find('\0'); at != text.npos) {
        throw FormatError("JSON text has a NUL at byte " + std::to_string(at));
    }
    ParsedJson parsed;
    JsonBuilder builder{parsed.value, list, take};
    if (nlohmann::json::sax_parse(text.begin(), text.end(), &builder)) {
        parsed.depth = builder.deepest;
        return parsed;
    }

    if (builder.is_too_deep) {
        throw FormatError("JSON text nests deeper than " + std::to_string(max_text_depth) +
                          " levels at byte " + std::to_string(place_too_deep(text)));
    }
    if (builder.bytes_read > text.size()) {
        throw FormatError("JSON text ends too early, at byte " + std::to_string(text.size()));
    }
    const auto at = builder.bytes_read == 0 ? 0 : builder.bytes_read - 1;
    throw FormatError((builder.is_overflow
                           ? "JSON text has a number too large for a double at byte "
                           : "JSON text is malformed at byte ") +
                      std::to_string(at));
}

template <JsonValue Json = nlohmann::json>
[[nodiscard]] ParsedJson read_json(std::string_view text) {
    constexpr auto nobody = [](Json&&, std::size_t) {};
    return read_json(text, nullptr, nobody);
}

}  // namespace detail

/// Reads JSON text, nested up to max_text_depth; the only way in for text that came over a wire or
/// from a disk.
///
/// Throws FormatError with the byte offset of what is wrong, and never anything of nlohmann_json's.
template <detail::JsonValue Json = nlohmann::json>  // a file that does not call it pays no parser
[[nodiscard]] Json parse_json(std::string_view text) {
    return detail::read_json<Json>(text).value;
}

/// Reads a JSON object and hands out each element of the array at `list`, one at a time: in memory
/// is one of them, however long the array is. Answers the object, with that array empty. With an
/// empty `list` the text is the array.
///
/// Throws FormatError as `parse_json` does; the elements before that place have been handed out.
template <class Take>
nlohmann::json read_elements(std::string_view text, const std::string& list, Take&& take) {
    const auto give = [&](nlohmann::json&& element, std::size_t) { take(std::move(element)); };
    return detail::read_json(text, &list, give).value;
}

}  // namespace sync_engine
