// SPDX-License-Identifier: MIT
#pragma once

#include <sync_engine.hpp>
#include <sync_engine/remote/couchdb_remote.hpp>
#include <sync_engine/remote/curl_transport.hpp>

#include "address.hpp"

#include <atomic>
#include <chrono>
#include <utility>

namespace fieldbook {

/// The other side of the book: a database of a CouchDB server.
class Server {
public:
    Server(const Address& address, const sync_engine::ConflictResolver<>& resolver)
        : couch_{transport_,
                 {.url = address.server,
                  .database = address.database,
                  .auth = {.user = address.user, .password = address.password},
                  .resolver = resolver}} {}

    [[nodiscard]] sync_engine::Remote<> remote() {
        auto remote = couch_.remote();
        remote.pull = [this, pull = remote.pull](sync_engine::PullRequest request) {
            try {
                constexpr auto wait = [](auto future) { return future.get(); };
                return sync_engine::make_ready_future(pull(std::move(request), wait));
            } catch (const sync_engine::Unauthorized&) {
                is_login_refused_ = true;
                throw;
            }
        };
        return remote;
    }

    /// Whether the server wants another login: then it makes no sense to ask again.
    [[nodiscard]] bool is_login_refused() const noexcept { return is_login_refused_; }

    /// Makes the database unless it exists. Throws `RemoteError`.
    void create_database() { couch_.create_database(); }

    /// Waits until there is something to pull; false if that did not come. Throws `RemoteError`.
    [[nodiscard]] bool wait_for_changes(std::chrono::seconds patience,
                                        const sync_engine::StopToken& stop) {
        return couch_.wait_for_changes(patience, stop);
    }

private:
    sync_engine::CurlTransport transport_;
    sync_engine::CouchDbRemote<nlohmann::json> couch_;
    std::atomic<bool> is_login_refused_{false};
};

}  // namespace fieldbook
