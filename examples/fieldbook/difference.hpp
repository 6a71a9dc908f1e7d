// SPDX-License-Identifier: MIT
#pragma once

#include <sync_engine/record/json.hpp>
#include <sync_engine/record/sync_record.hpp>

#include "path.hpp"

#include <nlohmann/json.hpp>

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

namespace fieldbook {

/// One place where two states of a record differ; without a value: there is nothing.
struct Difference {
    std::string path{};
    std::optional<Json> before{};
    std::optional<Json> after{};
};

inline void add_differences(const Path& at, const Json* before, const Json* after,
                            std::vector<Difference>& found) {
    if (before != nullptr && after != nullptr) {
        if (sync_engine::is_same_json(*before, *after)) return;
        if (before->is_object() && after->is_object()) {
            const auto member = [](const Json& object, const std::string& key) {
                const auto place = object.find(key);
                return place == object.end() ? nullptr : &*place;
            };
            for (const auto& [key, value] : before->items()) {
                add_differences(at / key, &value, member(*after, key), found);
            }
            for (const auto& [key, value] : after->items()) {
                if (!before->contains(key)) add_differences(at / key, nullptr, &value, found);
            }
            return;
        }
    }
    Difference difference{.path = at.text().empty() ? "(all of it)" : at.text()};
    if (before != nullptr) difference.before = *before;
    if (after != nullptr) difference.after = *after;
    found.push_back(std::move(difference));
}

/// Where two states differ in their data and tags, in the order of keys.
[[nodiscard]] inline std::vector<Difference> differences(const sync_engine::SyncRecord<>& before,
                                                         const sync_engine::SyncRecord<>& after) {
    std::vector<Difference> found;
    add_differences({}, &before.data, &after.data, found);
    const Json tags_before = before.tags;
    const Json tags_after = after.tags;
    if (tags_before != tags_after) found.push_back({"(tags)", tags_before, tags_after});
    return found;
}

inline void to_json(Json& json, const Difference& difference) {
    json = {{"path", difference.path}};
    if (difference.before) json["before"] = *difference.before;
    if (difference.after) json["after"] = *difference.after;
}

}  // namespace fieldbook
