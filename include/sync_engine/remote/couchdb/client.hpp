// SPDX-License-Identifier: MIT
#pragma once

#include <sync_engine/record/error.hpp>
#include <sync_engine/record/json.hpp>
#include <sync_engine/record/json_text.hpp>
#include <sync_engine/remote/http_transport.hpp>
#include <sync_engine/remote/remote_error.hpp>
#include <sync_engine/remote/stop_token.hpp>

#include <nlohmann/json.hpp>

#include <array>
#include <charconv>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

/// CouchDB over HTTP: requests out, JSON in, and what each status means to a sync.
namespace sync_engine::couchdb {

/// Who we are: a user with a password, or a token, or nobody.
struct Login {
    std::string user{};
    std::string password{};
    std::string bearer_token{};  ///< used where it is not empty
};

/// Percent-encodes everything but the unreserved characters (RFC 3986).
[[nodiscard]] inline std::string percent_encoded(std::string_view text) {
    constexpr std::string_view unreserved =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
    std::string encoded;
    encoded.reserve(text.size());
    for (const char byte : text) {
        if (unreserved.find(byte) != unreserved.npos) {
            encoded += byte;
        } else {
            constexpr std::string_view digits = "0123456789ABCDEF";
            const auto value = static_cast<unsigned char>(byte);
            ((encoded += '%') += digits[value >> 4U]) += digits[value & 0xFU];
        }
    }
    return encoded;
}

/// Base64 with padding (RFC 4648).
[[nodiscard]] inline std::string base64(std::string_view bytes) {
    constexpr std::string_view digits =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    std::string text;
    for (std::size_t at = 0; at < bytes.size(); at += 3) {
        const auto three = bytes.substr(at, 3);
        std::uint32_t bits = 0;
        for (std::size_t n = 0; n < 3; ++n) {
            bits = (bits << 8U) | (n < three.size() ? static_cast<unsigned char>(three[n]) : 0U);
        }
        for (std::size_t n = 0; n < 4; ++n) {
            text += n <= three.size() ? digits[(bits >> (18 - 6 * n)) & 0x3FU] : '=';
        }
    }
    return text;
}

/// The answer is larger than we take, or its JSON cannot be read: less may be asked for.
class AnswerRefused : public RemoteError {
public:
    using RemoteError::RemoteError;
};

/// One database of one server.
class Client {
public:
    using Json = nlohmann::json;

    /// How long and how much a request may cost.
    struct Limits {
        std::chrono::milliseconds deadline{};
        std::size_t max_response_bytes = 0;
    };

    struct Answer {
        int status = 0;
        Json body{};
    };

    Client(HttpTransport& transport, std::string url, const std::string& database,
           const Login& login, Limits limits)
        : transport_(&transport), limits_(limits), database_(database) {
        while (!url.empty() && url.back() == '/') url.pop_back();
        url_ = std::move(url) + '/' + percent_encoded(database);
        place_ = without_login(url_);
        headers_ = {{"Accept", "application/json"}};
        if (!login.bearer_token.empty()) {
            headers_.emplace_back("Authorization", "Bearer " + login.bearer_token);
        } else if (!login.user.empty()) {
            headers_.emplace_back("Authorization",
                                  "Basic " + base64(login.user + ':' + login.password));
        }
    }

    /// The URL of the database, without a login.
    [[nodiscard]] const std::string& place() const noexcept { return place_; }

    /// `path` begins with a slash and is encoded. Answers 2xx and 404; throws for everything else.
    [[nodiscard]] Answer get(const std::string& path, const StopToken& stop) const {
        return ask(request("GET", path, stop));
    }

    /// The same for an object with a long list: `take(Json&&)` is handed each element of the array
    /// at `list`, and has to throw nothing; the answer holds the rest.
    template <class Take>
    [[nodiscard]] Answer get_elements(const std::string& path, const std::string& list, Take&& take,
                                      const StopToken& stop) const {
        return judged(send(request("GET", path, stop)),
                      [&](const std::string& text) { return read_elements(text, list, take); });
    }

    [[nodiscard]] Answer post(const std::string& path, const Json& body,
                              const StopToken& stop) const {
        auto asked = request("POST", path, stop);
        return ask(with_body(std::move(asked), body));
    }

    /// Answers 409 too: something is there that this was not made from.
    [[nodiscard]] Answer put(const std::string& path, const Json& body,
                             const StopToken& stop) const {
        auto asked = request("PUT", path, stop);
        const HttpResponse response = send(with_body(std::move(asked), body));
        if (response.status == 409) return {response.status, {}};
        return judged(response);
    }

    /// Makes the database; one that exists is left as it is.
    void create(const StopToken& stop) const {
        auto asked = request("PUT", "", stop);
        const HttpResponse response = send(asked);
        if (response.status == 412) return;  // it exists
        (void)judged(response);
    }

    /// A long poll: its status and body, or nothing if the deadline came first.
    [[nodiscard]] Answer poll(const std::string& path, std::chrono::milliseconds deadline,
                              const StopToken& stop) const {
        auto asked = request("GET", path, stop);
        asked.deadline = deadline;
        try {
            return judged(transport_->send(asked));
        } catch (const HttpFailure& failure) {
            if (failure.kind() == HttpFailureKind::timed_out) return {};
            throw_remote_error(failure);
        }
    }

    /// Throws what a missing database comes to.
    [[noreturn]] void throw_missing_database() const {
        throw Unavailable("there is no database " + quoted(database_) + " at " + place_ +
                          "; create it, or correct the name");
    }

private:
    /// A login has no business there. What becomes of it is up to the transport; here it is kept
    /// out of messages, and out of the name that the store keeps.
    [[nodiscard]] static std::string without_login(std::string url) {
        const auto scheme = url.find("://");
        const auto host = scheme == url.npos ? 0 : scheme + 3;
        const auto at = url.substr(0, url.find_first_of("/?#", host)).rfind('@');
        if (at != url.npos && at >= host) url.erase(host, at + 1 - host);
        return url;
    }

    [[nodiscard]] HttpRequest request(std::string method, const std::string& path,
                                      const StopToken& stop) const {
        HttpRequest asked;
        asked.method = std::move(method);
        asked.url = url_ + path;
        asked.headers = headers_;
        asked.deadline = limits_.deadline;
        asked.max_response_bytes = limits_.max_response_bytes;
        asked.stop = stop;
        return asked;
    }

    [[nodiscard]] static HttpRequest with_body(HttpRequest asked, const Json& body) {
        asked.headers.emplace_back("Content-Type", "application/json");
        asked.body = body.dump();
        return asked;
    }

    [[nodiscard]] Answer ask(const HttpRequest& asked) const { return judged(send(asked)); }

    [[nodiscard]] HttpResponse send(const HttpRequest& asked) const {
        try {
            return transport_->send(asked);
        } catch (const HttpFailure& failure) {
            throw_remote_error(failure);
        }
    }

    [[noreturn]] static void throw_remote_error(const HttpFailure& failure) {
        switch (failure.kind()) {
            case HttpFailureKind::not_sent:
            case HttpFailureKind::unusable:
                throw Unavailable(failure.what());
            case HttpFailureKind::stopped:
                throw Stopped(failure.what());
            case HttpFailureKind::too_large:
                throw AnswerRefused(failure.what());
            case HttpFailureKind::interrupted:
            case HttpFailureKind::timed_out:
                break;
        }
        throw RemoteError(failure.what());
    }

    template <class Read = decltype(&parse_json<>)>
    [[nodiscard]] Answer judged(const HttpResponse& response,
                                const Read& read = &parse_json<>) const {
        const int status = response.status;
        if ((status >= 200 && status < 300) || status == 404) {
            return {status, body_of(response, read)};
        }
        throw_status(response);
    }

    /// Whatever answers, it is not CouchDB unless it speaks JSON.
    template <class Read>
    [[nodiscard]] Json body_of(const HttpResponse& response, const Read& read) const {
        const auto first = response.body.find_first_not_of(" \t\r\n");
        if (first == std::string::npos ||
            (response.body[first] != '{' && response.body[first] != '[')) {
            throw RemoteError("the answer of " + place_ + " with status " +
                              std::to_string(response.status) + " is no JSON; is that a CouchDB?");
        }
        try {
            return read(response.body);
        } catch (const FormatError& error) {
            throw AnswerRefused("the answer of " + place_ + " cannot be read: " + error.what());
        }
    }

    /// What a refused request comes to: the class decides what the engine does about it.
    [[noreturn]] void throw_status(const HttpResponse& response) const {
        const int status = response.status;
        const std::string said =
            place_ + " answered " + std::to_string(status) + reason_of(response.body);
        if (status >= 300 && status < 400) {
            throw Unavailable(said + ": it has moved; give its new URL");
        }
        switch (status) {
            case 401:
                throw Unauthorized(said + ": user or password is wrong");
            case 403:
                throw Unauthorized(said + ": the user has no right to do this");
            case 413:
                throw TooLarge(said);
            case 400:
            case 422:
                throw PermanentError(said);
            case 429:
                throw RetryAfter(wait_of(response), said);
            case 503:
                if (response.header("Retry-After").empty()) break;
                throw RetryAfter(wait_of(response), said);
            default:
                break;
        }
        throw RemoteError(said);
    }

    /// The seconds that the server asks for; where it gives a date or nothing, half a minute.
    [[nodiscard]] static std::chrono::seconds wait_of(const HttpResponse& response) {
        const auto text = response.header("Retry-After");
        std::uint32_t seconds = 0;
        const auto read = std::from_chars(text.data(), text.data() + text.size(), seconds);
        const bool is_number = !text.empty() && read.ec == std::errc{};
        return std::chrono::seconds{is_number ? seconds : 30U};
    }

    /// What CouchDB says of an error, in a short form.
    [[nodiscard]] static std::string reason_of(const std::string& body) {
        constexpr std::size_t enough = 10'000;  // an error is short, or it is none of CouchDB's
        if (body.size() > enough) return {};
        try {
            const Json error = parse_json(body);
            if (!error.is_object()) return {};
            return " (" + quoted(detail::read_string(error, "error", "")) + ": " +
                   detail::Quoted{300}(detail::read_string(error, "reason", "")) + ')';
        } catch (const FormatError&) {
            return {};
        }
    }

    HttpTransport* transport_;
    Limits limits_;
    std::string database_;
    std::string url_;
    std::string place_;  ///< the same, for people
    HttpHeaders headers_;
};

}  // namespace sync_engine::couchdb
