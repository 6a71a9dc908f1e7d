// SPDX-License-Identifier: MIT
#pragma once

#include <sync_engine/record/error.hpp>
#include <sync_engine/record/utf8.hpp>

#include <nlohmann/json_fwd.hpp>

#include <algorithm>
#include <cstddef>
#include <initializer_list>
#include <iterator>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sync_engine {

/// The tags of a record: strings, each once, in byte order.
///
/// A sorted vector: records have few tags, are copied often, and compare by content.
class TagSet {
public:
    /// A tag. A record can be stored only if its tags are UTF-8.
    using value_type = std::string;
    /// Visits the tags in byte order; void once the set changes.
    using const_iterator = std::vector<std::string>::const_iterator;
    /// The same: a tag in a set cannot be changed, because it would lose its place.
    using iterator = const_iterator;

    TagSet() = default;

    /// The given tags; repeated ones count once.
    TagSet(std::initializer_list<std::string> tags) : TagSet(tags.begin(), tags.end()) {}

    /// The tags of a range; repeated ones count once.
    template <class Iterator, class = typename std::iterator_traits<Iterator>::iterator_category>
    TagSet(Iterator first, Iterator last) : TagSet(std::vector<std::string>(first, last)) {}

    /// The tags of a list; repeated ones count once.
    explicit TagSet(std::vector<std::string> tags) : tags_(std::move(tags)) {
        std::sort(tags_.begin(), tags_.end());
        tags_.erase(std::unique(tags_.begin(), tags_.end()), tags_.end());
    }

    /// Whether the tag is in the set.
    [[nodiscard]] bool contains(std::string_view tag) const { return is_at(place_of(tag), tag); }

    /// Adds a tag; false when it was there already.
    bool insert(std::string tag) {
        const auto place = place_of(tag);
        if (is_at(place, tag)) return false;
        tags_.insert(place, std::move(tag));
        return true;
    }

    /// Removes a tag; false when it was not there.
    bool erase(std::string_view tag) {
        const auto place = place_of(tag);
        if (!is_at(place, tag)) return false;
        tags_.erase(place);
        return true;
    }

    /// Removes every tag.
    void clear() noexcept { tags_.clear(); }

    /// How many different tags there are.
    [[nodiscard]] std::size_t size() const noexcept { return tags_.size(); }
    /// Whether there is no tag.
    [[nodiscard]] bool empty() const noexcept { return tags_.empty(); }
    /// The first tag in byte order.
    [[nodiscard]] const_iterator begin() const noexcept { return tags_.begin(); }
    /// Behind the last tag.
    [[nodiscard]] const_iterator end() const noexcept { return tags_.end(); }

    /// Whether both sets hold the same tags.
    friend bool operator==(const TagSet&, const TagSet&) = default;

private:
    [[nodiscard]] const_iterator place_of(std::string_view tag) const {
        return std::lower_bound(tags_.begin(), tags_.end(), tag);
    }

    [[nodiscard]] bool is_at(const_iterator place, std::string_view tag) const {
        return place != tags_.end() && *place == tag;
    }

    std::vector<std::string> tags_;
};

/// Writes an array of strings, in order.
template <class BasicJson>
void to_json(BasicJson& json, const TagSet& tags) {
    json = BasicJson(typename BasicJson::array_t(tags.begin(), tags.end()));
}

/// Reads an array of strings; throws FormatError for anything else.
template <class BasicJson>
void from_json(const BasicJson& json, TagSet& tags) {
    const auto require = [](bool is_met, const char* what, const BasicJson& found) {
        if (is_met) return;
        throw FormatError(std::string("expected an array of strings, got ") + what +
                          found.type_name());
    };
    require(json.is_array(), "", json);
    std::vector<std::string> read;
    read.reserve(json.size());
    for (const auto& element : json) {
        require(element.is_string(), "one of ", element);
        const auto& tag = element.template get_ref<const typename BasicJson::string_t&>();
        if (!is_utf8(tag)) throw FormatError("tag " + quoted(tag) + " is not well-formed UTF-8");
        read.push_back(tag);
    }
    tags = TagSet(std::move(read));
}

}  // namespace sync_engine
