// SPDX-License-Identifier: MIT
#pragma once

#include <sync_engine/record/json.hpp>
#include <sync_engine/record/tag_set.hpp>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

namespace sync_engine {

/// One of the two states that a merge brings together.
enum class MergeSide {
    local,   ///< ours
    remote,  ///< the remote's
};

/// What a merge came to.
struct MergeResult {
    /// The one state that both become.
    nlohmann::json value{};

    /// JSON pointers of the paths that both sides changed differently, in order of keys.
    std::vector<std::string> both_changed{};
};

namespace detail {

/// The three-way merge, one path after the other. A null pointer stands for "absent at this path".
class Merge {
public:
    using Json = nlohmann::json;
    using States = std::vector<const Json*>;

    explicit Merge(MergeSide winner) : winner_{winner} {}

    /// What the path becomes; null where it is removed.
    ///
    /// The result is either one of the arguments, or an object that is kept in `merged`.
    const Json* at_path(const Json* base, const Json* local, const Json* remote, const States& sent,
                        Json& merged) {
        const bool are_objects = is_object(local) && is_object(remote);
        if (is_same(local, remote) || is_unchanged_by_others(base, remote, sent)) return local;
        // With sent states, local may be back at base although remote has moved on from what was
        // sent: only the paths below can tell.
        if (is_same(local, base) && !(are_objects && !sent.empty())) return remote;
        if (are_objects) {
            merged = objects(base, *local, *remote, sent);
            return &merged;
        }
        both_changed.push_back(path_);
        return winner_ == MergeSide::local ? local : remote;
    }

    std::vector<std::string> both_changed{};

private:
    using Object = Json::object_t;

    static bool is_object(const Json* value) { return value != nullptr && value->is_object(); }

    static bool is_same(const Json* a, const Json* b) {
        return a == b || (a != nullptr && b != nullptr && is_same_json(*a, *b));
    }

    static bool is_unchanged_by_others(const Json* base, const Json* remote, const States& sent) {
        return is_same(remote, base) ||
               std::any_of(sent.begin(), sent.end(),
                           [&](const Json* state) { return is_same(remote, state); });
    }

    static const Json* member(const Json* value, const std::string& key) {
        if (!is_object(value)) return nullptr;
        const auto place = value->find(key);
        return place == value->end() ? nullptr : &*place;
    }

    Json objects(const Json* base, const Json& local, const Json& remote, const States& sent) {
        auto merged = Json::object();
        for (const auto& key : keys_of(local, remote)) {
            States sent_here;
            sent_here.reserve(sent.size());
            for (const auto* state : sent) sent_here.push_back(member(state, key));

            const auto length = path_.size();
            append_pointer(path_, key);
            Json inner;
            const auto* chosen = at_path(member(base, key), member(&local, key),
                                         member(&remote, key), sent_here, inner);
            path_.resize(length);
            if (chosen == &inner) {
                merged[key] = std::move(inner);
            } else if (chosen != nullptr) {
                merged[key] = *chosen;
            }
        }
        return merged;
    }

    /// A key that neither side has is removed from both: only theirs matter.
    static std::vector<std::string> keys_of(const Json& local, const Json& remote) {
        std::vector<std::string> keys;
        keys.reserve(local.size() + remote.size());
        for (const auto* side : {&local, &remote}) {
            for (const auto& [key, value] : *side->get_ptr<const Object*>()) keys.push_back(key);
        }
        std::sort(keys.begin(), keys.end());
        keys.erase(std::unique(keys.begin(), keys.end()), keys.end());
        return keys;
    }

    MergeSide winner_;
    std::string path_{};
};

}  // namespace detail

/// Brings two JSON values together that were both changed since `base`.
///
/// Objects merge key by key, at every depth; a removed key is a change; arrays and scalars are
/// taken whole. What one side alone changed is kept. What both changed differently is listed in the
/// result and goes by `winner`. Without a base (a null pointer, or no object where both sides have
/// one) the base is an empty object, which makes the union of keys.
///
/// `sent` are states that this device sent itself: where the remote equals one of them, nobody else
/// changed it, and local's value stays. Throws FormatError for a side that check_json refuses.
[[nodiscard]] inline MergeResult merge(const nlohmann::json* base, const nlohmann::json& local,
                                       const nlohmann::json& remote, MergeSide winner,
                                       const std::vector<const nlohmann::json*>& sent = {}) {
    check_json(local);
    check_json(remote);
    detail::Merge merge{winner};
    MergeResult result;
    const auto* chosen = merge.at_path(base, &local, &remote, sent, result.value);
    if (chosen != &result.value) result.value = *chosen;
    result.both_changed = std::move(merge.both_changed);
    return result;
}

/// Brings two sets of tags together: what either side added or removed since `base` holds.
///
/// A tag on which the remote equals base or one of the `sent` states is as local has it. Without a
/// base, the base is empty, which makes the union.
[[nodiscard]] inline TagSet merge(const TagSet* base, const TagSet& local, const TagSet& remote,
                                  const std::vector<const TagSet*>& sent = {}) {
    const auto is_unchanged_by_others = [&](const std::string& tag) {
        const bool is_remote = remote.contains(tag);
        return is_remote == (base != nullptr && base->contains(tag)) ||
               std::any_of(sent.begin(), sent.end(), [&](const TagSet* state) {
                   return state != nullptr && is_remote == state->contains(tag);
               });
    };

    // A tag is there or not: where others changed it, local either agrees or still has base's.
    TagSet merged;
    for (const auto& tag : local) {
        if (remote.contains(tag) || is_unchanged_by_others(tag)) merged.insert(tag);
    }
    for (const auto& tag : remote) {
        if (!local.contains(tag) && !is_unchanged_by_others(tag)) merged.insert(tag);
    }
    return merged;
}

}  // namespace sync_engine
