// SPDX-License-Identifier: MIT
// CouchDB by an HTTP stack of the app's own.
#include <sync_engine/remote/couchdb_remote.hpp>

#include <string>

namespace {

class Recorder final : public sync_engine::HttpTransport {
public:
    sync_engine::HttpResponse send(const sync_engine::HttpRequest& request) override {
        asked = request.method + ' ' + request.url;
        return {.status = 201, .headers = {}, .body = R"({"ok":true})"};
    }

    std::string asked;
};

}  // namespace

int main() {
    Recorder http;
    sync_engine::CouchDbRemote<> couch{http, {.url = "http://couch.example", .database = "notes"}};
    couch.create_database();
    return http.asked == "PUT http://couch.example/notes" ? 0 : 1;
}
