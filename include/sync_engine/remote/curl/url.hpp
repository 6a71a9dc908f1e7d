// SPDX-License-Identifier: MIT
#pragma once

#include <sync_engine/record/utf8.hpp>
#include <sync_engine/remote/http_transport.hpp>

#include <curl/curl.h>

#include <algorithm>
#include <cstddef>
#include <memory>
#include <new>
#include <string>

/// libcurl's C interface, owned and with exceptions: as much of it as the transport needs.
namespace sync_engine::curl {

/// A URL that was read once: what is checked here is what is asked, and what messages show.
class Url {
public:
    /// Throws `HttpFailure`, unusable, unless it is an absolute http or https URL without a login.
    explicit Url(const std::string& text) : handle_(curl_url()) {
        if (!handle_) throw std::bad_alloc();
        // Before libcurl reads it: versions differ in what they let pass, and all stop at a zero.
        const bool is_plain = std::none_of(text.begin(), text.end(), [](char letter) {
            const auto byte = static_cast<unsigned char>(letter);
            return byte <= 0x20 || byte == 0x7F;
        });
        if (!is_plain) refuse("a URL with spaces or control characters cannot be asked");
        // An id of dots is a name like any other, so no part of the path is resolved away.
        constexpr unsigned as_it_is = CURLU_PATH_AS_IS | CURLU_NON_SUPPORT_SCHEME;
        if (curl_url_set(handle_.get(), CURLUPART_URL, text.c_str(), as_it_is) != CURLUE_OK) {
            refuse("this is no absolute URL");  // not shown: nobody knows which part is a secret
        }
        const std::string scheme = part(CURLUPART_SCHEME);
        shown_ = shorten(scheme + "://" + part(CURLUPART_HOST) + port() + part(CURLUPART_PATH));
        if (has(CURLUPART_USER) || has(CURLUPART_PASSWORD)) {
            refuse(shown_ + " was given with a login in it: send that as a header");
        }
        if (scheme != "http" && scheme != "https") {
            refuse(shown_ + " cannot be asked: only http and https can");
        }
    }

    /// For CURLOPT_CURLU; has to live as long as the transfer.
    [[nodiscard]] CURLU* handle() const noexcept { return handle_.get(); }

    /// Scheme, host, port and path, cut where it is long: what a message may tell.
    [[nodiscard]] const std::string& shown() const noexcept { return shown_; }

private:
    struct Cleanup {
        void operator()(CURLU* handle) const noexcept { curl_url_cleanup(handle); }
    };

    [[noreturn]] static void refuse(const std::string& message) {
        throw HttpFailure(HttpFailureKind::unusable, message);
    }

    static std::string shorten(const std::string& text) {
        constexpr std::size_t enough = 160;  // a message stays a line or two
        std::string cut = detail::repaired_utf8(text.substr(0, enough));
        return text.size() <= enough ? cut : cut + "...";
    }

    [[nodiscard]] bool has(CURLUPart which) const { return !part(which).empty(); }

    [[nodiscard]] std::string port() const {
        const std::string number = part(CURLUPART_PORT);
        return number.empty() ? number : ":" + number;
    }

    /// Empty where there is none.
    [[nodiscard]] std::string part(CURLUPart which) const {
        char* text = nullptr;
        if (curl_url_get(handle_.get(), which, &text, 0) != CURLUE_OK) return {};
        const std::unique_ptr<char, decltype(&curl_free)> owned{text, &curl_free};
        return text;
    }

    std::unique_ptr<CURLU, Cleanup> handle_;
    std::string shown_{};
};

}  // namespace sync_engine::curl
