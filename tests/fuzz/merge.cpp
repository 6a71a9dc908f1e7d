// SPDX-License-Identifier: MIT

// Any three states of a record, and states that were sent: does merge do what it says?
//
// An input is text in a shorthand in which every text means something, so that no time goes into
// texts that are no JSON. Each line is a state: base, local, remote, then what was sent. A digit is
// a number, a dot and a digit the same number with a fraction part, `n` is null, `{a1b{}}` is
// {"a":1,"b":{}}, `[12]` is [1,2], anything else is a string; what is left open ends with the line.
// A base that begins with `~` means that there is none.

#include <sync_engine/conflict/merge.hpp>
#include <sync_engine/record/json.hpp>
#include <sync_engine/record/tag_set.hpp>

#include "fuzz/require.hpp"
#include "support/merge_by_path.hpp"

#include <nlohmann/json.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace {

using namespace sync_engine;
using nlohmann::json;
using sync_engine::test::MergeByPath;
using sync_engine::test::require;

/// Reads the shorthand, one line after the other.
class Shorthand {
public:
    explicit Shorthand(std::string_view text) : text_{text} {}

    [[nodiscard]] bool at_end() const { return at_ >= text_.size(); }

    /// The state on the next line.
    [[nodiscard]] json line() {
        json state = at_line_end() ? json() : value(0);
        while (!at_end() && text_[at_] != '\n') ++at_;
        if (!at_end()) ++at_;
        return state;
    }

    [[nodiscard]] bool skip(char wanted) {
        const bool is_there = !at_end() && text_[at_] == wanted;
        if (is_there) ++at_;
        return is_there;
    }

private:
    static constexpr int deepest = 12;  // enough to nest paths, too little to be slow

    [[nodiscard]] bool at_line_end() const { return at_end() || text_[at_] == '\n'; }

    /// One or more bytes, and always some: what is no UTF-8 becomes a letter.
    [[nodiscard]] std::string letter() {
        const char byte = text_[at_++];
        const auto code = static_cast<unsigned char>(byte);
        return {code < 0x80 ? byte : static_cast<char>('a' + code % 26)};
    }

    [[nodiscard]] json value(int depth) {
        if (depth < deepest && skip('{')) {
            auto object = json::object();
            while (!at_line_end() && !skip('}')) {
                const std::string key = letter();
                object[key] = at_line_end() ? json() : value(depth + 1);
            }
            return object;
        }
        if (depth < deepest && skip('[')) {
            auto array = json::array();
            while (!at_line_end() && !skip(']')) array.push_back(value(depth + 1));
            return array;
        }
        if (skip('n')) return nullptr;
        const bool is_real = skip('.');
        if (at_line_end()) return "";
        const std::string text = letter();
        if (text[0] < '0' || text[0] > '9') return text;
        return is_real ? json(static_cast<double>(text[0] - '0')) : json(text[0] - '0');
    }

    std::string_view text_;
    std::size_t at_ = 0;
};

void check_result(const json* base, const json& local, const json& remote,
                  const std::vector<const json*>& sent, MergeSide winner) {
    const MergeResult result = merge(base, local, remote, winner, sent);

    const MergeByPath reference(base, local, remote, winner, sent);
    require(is_same_json(result.value, reference.value()), "the merge is what the reference says");
    require(result.both_changed == reference.both_changed(), "both_changed lists the conflicts");
    check_json(result.value);

    const auto other = winner == MergeSide::local ? MergeSide::remote : MergeSide::local;
    if (sent.empty()) {
        require(is_same_json(merge(base, remote, local, other).value, result.value),
                "swapped sides and a swapped winner make the same value");
    }
    const auto again = merge(base, result.value, result.value, winner, sent);
    require(is_same_json(again.value, result.value), "a merge is merged with itself");
    if (result.both_changed.empty()) {
        require(is_same_json(merge(base, local, remote, other, sent).value, result.value),
                "without a conflict there is no winner");
    }
}

TagSet tags_of(const json& state) {
    TagSet tags;
    if (!state.is_object()) return tags;
    for (const auto& [key, value] : state.items()) tags.insert(key);
    return tags;
}

void check_tags(const json* base, const json& local, const json& remote,
                const std::vector<const json*>& sent) {
    // As tags, a state is the set of its keys; a set is the object in which each key holds 1.
    const auto as_object = [](const TagSet& tags) {
        auto object = json::object();
        for (const auto& tag : tags) object[tag] = 1;
        return object;
    };
    std::vector<TagSet> sent_tags;
    std::vector<json> sent_objects;
    for (const auto* state : sent) sent_tags.push_back(tags_of(*state));
    for (const auto& tags : sent_tags) sent_objects.push_back(as_object(tags));
    std::vector<const TagSet*> tag_views;
    std::vector<const json*> object_views;
    for (const auto& tags : sent_tags) tag_views.push_back(&tags);
    for (const auto& object : sent_objects) object_views.push_back(&object);

    const TagSet base_tags = base == nullptr ? TagSet{} : tags_of(*base);
    const json base_object = as_object(base_tags);
    const TagSet merged =
        merge(base == nullptr ? nullptr : &base_tags, tags_of(local), tags_of(remote), tag_views);
    const MergeResult objects =
        merge(base == nullptr ? nullptr : &base_object, as_object(tags_of(local)),
              as_object(tags_of(remote)), MergeSide::local, object_views);
    require(as_object(merged) == objects.value, "tags merge as the keys of an object do");
    require(objects.both_changed.empty(), "tags have no conflicts");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
    Shorthand lines{{reinterpret_cast<const char*>(bytes), size}};
    const bool has_base = !lines.skip('~');
    const json base = lines.line();
    const json local = lines.line();
    const json remote = lines.line();
    std::vector<json> sent;
    while (!lines.at_end() && sent.size() < 4) sent.push_back(lines.line());
    std::vector<const json*> sent_views;
    for (const auto& state : sent) sent_views.push_back(&state);

    const json* maybe_base = has_base ? &base : nullptr;
    for (const auto winner : {MergeSide::local, MergeSide::remote}) {
        check_result(maybe_base, local, remote, sent_views, winner);
        if (!sent.empty()) check_result(maybe_base, local, remote, {}, winner);
    }
    check_tags(maybe_base, local, remote, sent_views);
    return 0;
}
