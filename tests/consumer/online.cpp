// SPDX-License-Identifier: MIT
// The stranger talks to a server.
#include <sync_engine.hpp>
#include <sync_engine/remote/couchdb_remote.hpp>
#include <sync_engine/remote/curl_transport.hpp>

void ask_server();

void ask_server() {
    sync_engine::CurlTransport transport;
    sync_engine::CouchDbRemote<> couch{transport, {.url = "http://127.0.0.1", .database = "notes"}};
    couch.create_database();
}
