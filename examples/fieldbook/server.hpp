// SPDX-License-Identifier: MIT
#pragma once

#include <sync_engine.hpp>
#include <sync_engine/remote/couchdb_remote.hpp>
#include <sync_engine/remote/curl_transport.hpp>

#include "address.hpp"

#include <chrono>

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

    [[nodiscard]] sync_engine::Remote<> remote() { return couch_.remote(); }

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
};

}  // namespace fieldbook
