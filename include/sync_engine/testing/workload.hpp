// SPDX-License-Identifier: MIT
#pragma once

#include <nlohmann/json.hpp>

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <functional>
#include <string>
#include <system_error>
#include <vector>

namespace sync_engine::testing {

/// The mark that one edit leaves in a record's data; no two edits share one.
using Token = std::uint32_t;

/// How edits look in data of the app's own type, so that a lost one can be seen.
template <class Data>
struct Workload {
    /// Makes an edit: adds the token, keeps all others, and may change whatever else it likes.
    std::function<void(Data& data, Token token)> write{};
    /// Every token that the data holds, in any order.
    std::function<std::vector<Token>(const Data& data)> tokens{};
};

/// Edits of a JSON object: a key for each token, which a merge unites, and the key `last`, on which
/// every two edits collide.
[[nodiscard]] inline Workload<nlohmann::json> json_workload() {
    Workload<nlohmann::json> workload;
    workload.write = [](nlohmann::json& data, Token token) {
        data["t" + std::to_string(token)] = true;
        data["last"] = token;
    };
    workload.tokens = [](const nlohmann::json& data) {
        std::vector<Token> tokens;
        if (!data.is_object()) return tokens;
        for (const auto& [key, value] : *data.get_ptr<const nlohmann::json::object_t*>()) {
            Token token = 0;
            if (key.size() < 2 || key.front() != 't') continue;
            const char* const end = key.data() + key.size();
            const auto read = std::from_chars(key.data() + 1, end, token);
            if (read.ec == std::errc{} && read.ptr == end) tokens.push_back(token);
        }
        return tokens;
    };
    return workload;
}

}  // namespace sync_engine::testing
