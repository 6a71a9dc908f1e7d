// SPDX-License-Identifier: MIT
#pragma once

#include <sync_engine/record/error.hpp>

#include "exit_code.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <string>
#include <string_view>

namespace fieldbook {

/// A database on a server, taken apart: `http[s]://[user[:password]@]host[:port]/database`.
///
/// User, password and database are percent-decoded. A password that others may not see in the list
/// of processes comes from FIELDBOOK_PASSWORD instead.
struct Address {
    std::string server{};  ///< without login and database
    std::string database{};
    std::string user{};
    std::string password{};

    /// Throws `Failure`, whose message has no login in it.
    static Address parse(std::string_view text) {
        Address address;
        const auto scheme_end = text.find("://");
        const std::string_view scheme = text.substr(0, std::min(scheme_end, text.size()));
        if (scheme_end == text.npos || (scheme != "http" && scheme != "https")) {
            refuse("it has to begin with http:// or https://");
        }
        std::string_view rest = text.substr(scheme_end + 3);
        while (!rest.empty() && rest.back() == '/') rest.remove_suffix(1);
        const auto path_at = std::min(rest.find('/'), rest.size());
        std::string_view authority = rest.substr(0, path_at);
        const std::string_view path = rest.substr(path_at);
        if (const auto at = authority.rfind('@'); at != authority.npos) {
            address.read_login(authority.substr(0, at));
            authority.remove_prefix(at + 1);
        }
        if (authority.empty()) refuse("it names no host");
        if (path.find_first_of("?#") != path.npos) refuse("it ends with the name of the database");
        const auto last = path.rfind('/');
        if (last == path.npos) {
            refuse("it names no database; write " + std::string{scheme} + "://" +
                   std::string{authority} + "/DATABASE");
        }
        address.database = decoded(path.substr(last + 1));
        address.server = (std::string{scheme} += "://") += authority;
        address.server += path.substr(0, last);
        return address;
    }

    /// As it may be shown: without the login.
    [[nodiscard]] std::string shown() const { return server + '/' + database; }

private:
    void read_login(std::string_view login) {
        const auto colon = std::min(login.find(':'), login.size());
        user = decoded(login.substr(0, colon));
        if (colon < login.size()) {
            password = decoded(login.substr(colon + 1));
        } else if (const char* secret = std::getenv("FIELDBOOK_PASSWORD")) {
            password = secret;
        }
    }

    static std::string decoded(std::string_view text) {
        const auto digit = [](char each) {
            constexpr std::string_view digits = "0123456789abcdef";
            const bool is_upper = each >= 'A' && each <= 'F';
            return digits.find(is_upper ? static_cast<char>(each - 'A' + 'a') : each);
        };
        std::string plain;
        for (std::size_t at = 0; at < text.size(); ++at) {
            if (text[at] != '%') {
                plain += text[at];
                continue;
            }
            const bool has_two = at + 2 < text.size();
            const auto high = has_two ? digit(text[at + 1]) : std::string_view::npos;
            const auto low = has_two ? digit(text[at + 2]) : std::string_view::npos;
            if (high == std::string_view::npos || low == std::string_view::npos) {
                refuse("a % in it has no two hexadecimal digits behind it; write %25 for a %");
            }
            plain += static_cast<char>(high * 16 + low);
            at += 2;
        }
        return plain;
    }

    [[noreturn]] static void refuse(const std::string& reason) {
        throw Failure(ExitCode::usage, "the URL cannot be used: " + reason);
    }
};

}  // namespace fieldbook
