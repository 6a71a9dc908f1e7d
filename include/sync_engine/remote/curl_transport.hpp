// SPDX-License-Identifier: MIT
#pragma once

#include <sync_engine/remote/curl/connection.hpp>
#include <sync_engine/remote/http_transport.hpp>

#include <memory>
#include <mutex>
#include <utility>
#include <vector>

namespace sync_engine {

/// Sends by libcurl, 7.68 or later: TLS, proxies and compression as that was built.
///
/// Any number of threads may send; each takes a connection that is idle, or makes one, so that a
/// sync reuses what is connected. A request with a body reaches a server once at most; one without
/// is repeated by libcurl if the connection turns out to be stale. A stop, like a deadline, ends a
/// request at once, except that a libcurl older than 7.87 first waits for a name look-up to end.
/// Programs that use such an old one with OpenSSL should ignore SIGPIPE.
class CurlTransport final : public HttpTransport {
public:
    /// Connects to nothing yet.
    explicit CurlTransport(CurlOptions options = {}) : options_(std::move(options)) {}

    [[nodiscard]] HttpResponse send(const HttpRequest& request) override {
        auto connection = take();
        try {
            HttpResponse response = connection->send(request, options_);
            give_back(std::move(connection));
            return response;
        } catch (const HttpFailure&) {
            // libcurl has closed what failed, and the rest is as good as before. After any other
            // exception nobody knows, so there it is let go.
            give_back(std::move(connection));
            throw;
        }
    }

private:
    using Connection = std::unique_ptr<curl::Connection>;

    Connection take() {
        {
            const std::lock_guard lock(mutex_);
            if (!idle_.empty()) {
                Connection last = std::move(idle_.back());  // the least likely to be stale
                idle_.pop_back();
                return last;
            }
        }
        return std::make_unique<curl::Connection>();
    }

    void give_back(Connection connection) {
        const std::lock_guard lock(mutex_);
        idle_.push_back(std::move(connection));
    }

    CurlOptions options_;
    std::mutex mutex_{};
    std::vector<Connection> idle_{};
};

}  // namespace sync_engine
