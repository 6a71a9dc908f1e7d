// SPDX-License-Identifier: MIT
#pragma once

#include <sync_engine/record/error.hpp>
#include <sync_engine/remote/couchdb/client.hpp>

#include <cstddef>
#include <cstdlib>
#include <optional>
#include <string>

namespace sync_engine::test {

/// What the environment says under a name; nothing if it is not set, or empty.
inline std::optional<std::string> setting(const char* name) {
    const char* text = std::getenv(name);
    if (text == nullptr || *text == '\0') return std::nullopt;
    return text;
}

/// A server, and who we are there.
struct Place {
    std::string url{};  ///< without a login, without a slash at its end
    couchdb::Login login{};
};

inline std::string percent_decoded(const std::string& text) {
    std::string decoded;
    for (std::size_t at = 0; at < text.size(); ++at) {
        if (text[at] == '%' && at + 2 < text.size()) {
            decoded += static_cast<char>(std::stoi(text.substr(at + 1, 2), nullptr, 16));
            at += 2;
        } else {
            decoded += text[at];
        }
    }
    return decoded;
}

/// Takes the login out of `http://user:password@host`.
inline Place place_of(std::string url) {
    while (!url.empty() && url.back() == '/') url.pop_back();
    Place place;
    const auto start = url.find("://") + 3;
    if (const auto end = url.find('@', start); end != std::string::npos) {
        const auto login = url.substr(start, end - start);
        const auto colon = login.find(':');
        place.login.user = percent_decoded(login.substr(0, colon));
        if (colon != std::string::npos) {
            place.login.password = percent_decoded(login.substr(colon + 1));
        }
        url.erase(start, end + 1 - start);
    }
    place.url = url;
    return place;
}

/// The URL of a place with its login in it, as other programs want it.
inline std::string url_with_login(const Place& place) {
    if (place.login.user.empty()) return place.url;
    const auto start = place.url.find("://") + 3;
    return place.url.substr(0, start) + couchdb::percent_encoded(place.login.user) + ':' +
           couchdb::percent_encoded(place.login.password) + '@' + place.url.substr(start);
}

/// The server that these tests are run against.
inline Place place_under_test() {
    const auto url = setting("SYNC_COUCH_URL");
    if (!url) throw Error("SYNC_COUCH_URL names no server; tests/couchdb/run.sh starts one");
    return place_of(*url);
}

}  // namespace sync_engine::test
