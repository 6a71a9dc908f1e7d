// SPDX-License-Identifier: MIT
#pragma once

#include <sync_engine/record/error.hpp>
#include <sync_engine/store/local_store.hpp>
#include <sync_engine/store/storage.hpp>

#include "support/entry_text.hpp"

#include <nlohmann/json.hpp>

#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <utility>

namespace sync_engine::test {

/// Everything that a storage holds, as text: two storages that differ in anything differ here.
struct Picture {
    std::string state{};
    std::map<std::string, std::string> entries{};  ///< by id

    bool operator==(const Picture&) const = default;
};

/// What a storage shows when it is opened.
inline Picture picture_of(const StorageImage<nlohmann::json>& image) {
    Picture picture{.state = text_of(image.state)};
    for (const auto& entry : image.entries) picture.entries[entry.local->id] = text_of(entry);
    return picture;
}

/// What it has to show after one more commit.
inline Picture after(Picture picture, const StorageBatch<nlohmann::json>& batch) {
    if (batch.clear) picture.entries.clear();
    for (const auto* entry : batch.write) picture.entries[entry->local->id] = text_of(*entry);
    for (const auto id : batch.erase) picture.entries.erase(std::string(id));
    picture.state = text_of(*batch.state);
    return picture;
}

/// What a store shows that holds the entries of `known` and no others.
inline Picture picture_of(const LocalStore<>& store, const Picture& known) {
    Picture picture{.state = text_of(store.state())};
    for (const auto& [id, text] : known.entries) {
        if (const auto entry = store.read({id}).front()) picture.entries[id] = text_of(*entry);
    }
    return picture;
}

/// Where two pictures differ, a line each; long bodies are cut.
inline std::string difference(const Picture& expected, const Picture& found) {
    std::string lines;
    const auto compare = [&](const std::string& what, std::string_view left,
                             std::string_view right) {
        constexpr std::size_t enough = 600;  // of an entry, without a body that fills pages
        if (left == right) return;
        lines += what + "\n  expected " + std::string(left.substr(0, enough)) + "\n  found    " +
                 std::string(right.substr(0, enough)) + "\n";
    };
    compare("state", expected.state, found.state);
    std::map<std::string, std::pair<std::string_view, std::string_view>> both;
    for (const auto& [id, text] : expected.entries) both[id].first = text;
    for (const auto& [id, text] : found.entries) both[id].second = text;
    for (const auto& [id, texts] : both) compare(quoted(id), texts.first, texts.second);
    return lines;
}

}  // namespace sync_engine::test
