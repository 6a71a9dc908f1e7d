// SPDX-License-Identifier: MIT
#pragma once

#include <sync_engine/conflict/merge.hpp>
#include <sync_engine/record/json.hpp>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <set>
#include <string>
#include <vector>

namespace sync_engine::test {

/// What the documentation of `merge` says, one path at a time and without a shortcut: the reference
/// for properties and fuzzing.
class MergeByPath {
public:
    using Json = nlohmann::json;
    using Path = std::vector<std::string>;

    MergeByPath(const Json* base, const Json& local, const Json& remote, MergeSide winner,
                const std::vector<const Json*>& sent = {})
        : base_{base}, local_{&local}, remote_{&remote}, winner_{winner}, sent_{sent} {
        merge_at({}, value_);
    }

    [[nodiscard]] const Json& value() const { return value_; }
    [[nodiscard]] const std::vector<std::string>& both_changed() const { return both_changed_; }

    /// The paths at which a value is taken whole: down from the top as long as both sides have an
    /// object.
    [[nodiscard]] const std::vector<Path>& taken_whole() const { return taken_whole_; }

    /// What a value has at a path; null where it has nothing.
    static const Json* at(const Json* value, const Path& path) {
        for (const auto& key : path) {
            if (value == nullptr || !value->is_object()) return nullptr;
            const auto member = value->find(key);
            value = member == value->end() ? nullptr : &*member;
        }
        return value;
    }

    static bool is_same(const Json* a, const Json* b) {
        return a == nullptr || b == nullptr ? a == b : is_same_json(*a, *b);
    }

private:
    /// False if nothing is left at the path.
    bool merge_at(const Path& path, Json& value) {
        const Json* local = at(local_, path);
        const Json* remote = at(remote_, path);
        if (local != nullptr && remote != nullptr && local->is_object() && remote->is_object()) {
            std::set<std::string> keys;
            for (const auto* side : {local, remote}) {
                for (const auto& [key, member] : side->items()) keys.insert(key);
            }
            value = Json::object();
            for (const auto& key : keys) {
                Path inner_path = path;
                inner_path.push_back(key);
                Json inner;
                if (merge_at(inner_path, inner)) value[key] = inner;
            }
            return true;
        }
        taken_whole_.push_back(path);
        const Json* taken = taken_at(path, local, remote);
        if (taken != nullptr) value = *taken;
        return taken != nullptr;
    }

    const Json* taken_at(const Path& path, const Json* local, const Json* remote) {
        if (is_same(local, remote)) return local;
        const Json* base = at(base_, path);
        const bool is_echo = std::any_of(sent_.begin(), sent_.end(), [&](const Json* state) {
            return is_same(at(state, path), remote);
        });
        if (is_same(remote, base) || is_echo) return local;
        if (is_same(local, base)) return remote;
        both_changed_.push_back(pointer_to(path));
        return winner_ == MergeSide::local ? local : remote;
    }

    static std::string pointer_to(const Path& path) {
        nlohmann::json::json_pointer pointer;
        for (const auto& key : path) pointer.push_back(key);
        return pointer.to_string();
    }

    const Json* base_;
    const Json* local_;
    const Json* remote_;
    MergeSide winner_;
    std::vector<const Json*> sent_;
    Json value_{};
    std::vector<std::string> both_changed_{};
    std::vector<Path> taken_whole_{};
};

}  // namespace sync_engine::test
