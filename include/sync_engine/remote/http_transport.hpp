// SPDX-License-Identifier: MIT
#pragma once

#include <sync_engine/remote/remote_error.hpp>
#include <sync_engine/remote/stop_token.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sync_engine {

/// Names and values in the order of the wire. A name may occur more than once.
using HttpHeaders = std::vector<std::pair<std::string, std::string>>;

/// One request, as a value.
struct HttpRequest {
    /// In capitals, as HTTP spells it.
    std::string method = "GET";
    /// Absolute, percent-encoded, `http` or `https`. Without a login: that is a header.
    std::string url{};
    /// What is sent besides what the transport itself has to say, such as the length of the body.
    HttpHeaders headers{};
    /// The bytes to send, as they are; empty: none.
    std::string body{};
    /// From the first byte of the name look-up to the last byte of the answer, whatever trickles in
    /// between.
    std::chrono::milliseconds deadline = std::chrono::seconds{60};
    /// The largest body to take, after decompression: what a hostile server can cost in memory.
    std::size_t max_response_bytes = std::size_t{64} * 1024 * 1024;
    /// Ends the request at once.
    StopToken stop{};
};

/// One whole answer, whatever its status.
struct HttpResponse {
    int status = 0;         ///< the code of HTTP, such as 200 or 404
    HttpHeaders headers{};  ///< of this answer alone, not of interim ones before it
    std::string body{};     ///< the bytes, decompressed; may be empty

    /// The value of the first header of that name, in any case of letters; empty if there is none.
    [[nodiscard]] std::string_view header(std::string_view name) const noexcept {
        const auto lower = [](char letter) {
            return letter >= 'A' && letter <= 'Z' ? static_cast<char>(letter - 'A' + 'a') : letter;
        };
        for (const auto& [key, value] : headers) {
            if (std::equal(key.begin(), key.end(), name.begin(), name.end(),
                           [&](char a, char b) { return lower(a) == lower(b); })) {
                return value;
            }
        }
        return {};
    }
};

/// Why there is no whole answer.
enum class HttpFailureKind {
    not_sent,     ///< no connection, or none that is trusted: the server has not seen the request
    interrupted,  ///< it was sent, and perhaps done; the answer did not come whole
    timed_out,    ///< the deadline is over; perhaps done
    stopped,      ///< somebody asked to stop; perhaps done
    too_large,    ///< the answer is larger than `max_response_bytes`; done, most likely
    unusable,     ///< the request itself cannot be sent, such as a URL of another scheme
};

/// What `HttpTransport::send` throws. Its message never holds a header, a body or a query.
class HttpFailure : public RemoteError {
public:
    /// For transports. The message says why, for people.
    HttpFailure(HttpFailureKind kind, const std::string& message)
        : RemoteError(message), kind_(kind) {}

    /// What became of the request, as far as this side can know.
    [[nodiscard]] HttpFailureKind kind() const noexcept { return kind_; }

private:
    HttpFailureKind kind_;
};

/// Sends HTTP requests: the seam where an app puts in its own network stack.
///
/// What a model promises: `send` blocks until the whole answer is there, the deadline is over or
/// the token stops, whichever is first; follows no redirect; verifies TLS unless it was told
/// otherwise; and is called from any number of threads. A status is no failure.
class HttpTransport {
public:
    HttpTransport() = default;
    HttpTransport(const HttpTransport&) = delete;
    HttpTransport& operator=(const HttpTransport&) = delete;
    virtual ~HttpTransport() = default;

    /// The answer. Throws `HttpFailure`, and nothing else that a network does.
    [[nodiscard]] virtual HttpResponse send(const HttpRequest& request) = 0;
};

}  // namespace sync_engine
