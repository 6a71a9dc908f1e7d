// SPDX-License-Identifier: MIT
#pragma once

#include <sync_engine/record/error.hpp>
#include <sync_engine/remote/couchdb/client.hpp>
#include <sync_engine/remote/curl_transport.hpp>
#include <sync_engine/remote/http_transport.hpp>

#include "couchdb/place.hpp"

#include <nlohmann/json.hpp>

#include <cstddef>
#include <exception>
#include <map>
#include <random>
#include <string>
#include <utility>
#include <vector>

namespace sync_engine::test {

/// Data by id.
using Contents = std::map<std::string, nlohmann::json>;

/// A database of its own on a real server, and a client that knows HTTP and JSON and nothing of
/// records: what anybody does with curl.
class Database {
public:
    using Json = nlohmann::json;

    explicit Database(Place place = place_under_test()) : place_(std::move(place)) {
        std::random_device chance;
        name_ = "sync_engine_test_" + std::to_string(chance()) + '_' + std::to_string(chance());
        create();
    }
    Database(const Database&) = delete;
    Database& operator=(const Database&) = delete;
    ~Database() {
        try {
            (void)ask("DELETE", "");
        } catch (const std::exception&) {
            // The server is gone, and the database with it.
        }
    }

    [[nodiscard]] const Place& place() const noexcept { return place_; }
    [[nodiscard]] const std::string& name() const noexcept { return name_; }

    /// One request; `path` is encoded, and what comes is taken as it is.
    HttpResponse ask(const std::string& method, const std::string& path,
                     const std::string& body = {}) {
        HttpRequest request;
        request.method = method;
        request.url = place_.url + '/' + name_ + path;
        if (!place_.login.user.empty()) {
            request.headers.emplace_back(
                "Authorization",
                "Basic " + couchdb::base64(place_.login.user + ':' + place_.login.password));
        }
        if (!body.empty()) request.headers.emplace_back("Content-Type", "application/json");
        request.body = body;
        return transport_.send(request);
    }

    /// The answer's JSON; throws for a status that is no success.
    Json asked(const std::string& method, const std::string& path, const std::string& body = {}) {
        const auto response = ask(method, path, body);
        if (response.status < 200 || response.status > 299) {
            throw Error(method + ' ' + path + " was answered " + std::to_string(response.status) +
                        ": " + response.body.substr(0, 200));
        }
        return Json::parse(response.body);
    }

    void create() { (void)asked("PUT", ""); }

    /// Deletes the database and makes another one of the same name.
    void wipe() {
        (void)asked("DELETE", "");
        create();
    }

    /// A document as it is; null where there is none.
    Json document(const std::string& id) {
        const auto response = ask("GET", path_of(id));
        return response.status == 200 ? Json::parse(response.body) : Json();
    }

    /// Writes over whatever is there, as a client does that knows nothing of our member.
    std::string put(const std::string& id, Json document) {
        const auto known = this->document(id);
        if (!known.is_null()) document["_rev"] = known.at("_rev");
        return asked("PUT", path_of(id), document.dump()).at("rev").get<std::string>();
    }

    /// Changes members and leaves all others as they are.
    std::string change(const std::string& id, const Json& members) {
        auto document = this->document(id);
        document.update(members);
        return asked("PUT", path_of(id), document.dump()).at("rev").get<std::string>();
    }

    void remove(const std::string& id) {
        const auto revision = document(id).at("_rev").get<std::string>();
        (void)asked("DELETE", path_of(id) + "?rev=" + revision);
    }

    /// What replication brings: revisions are what they are, and nobody asks what is there.
    void replicate(const std::vector<Json>& documents) {
        (void)asked("POST", "/_bulk_docs", Json{{"new_edits", false}, {"docs", documents}}.dump());
    }

    void write(const std::vector<Json>& documents) {
        (void)asked("POST", "/_bulk_docs", Json{{"docs", documents}}.dump());
    }

    /// How many states of a document live side by side.
    std::size_t live_leaves(const std::string& id) {
        const auto shown = asked("GET", path_of(id) + "?conflicts=true");
        return 1 + shown.value("_conflicts", Json::array()).size();
    }

    /// Everything that is there, without what belongs to CouchDB or to us. The feed names the
    /// ids, because pouchdb-server leaves some out of a list of all (those that begin with an
    /// emoji).
    Contents contents() {
        Json keys = Json::array();
        const auto feed = asked("GET", "/_changes");
        for (const auto& row : feed.at("results")) {
            if (!row.value("deleted", false)) keys.push_back(row.at("id"));
        }
        Contents all;
        if (keys.empty()) return all;
        auto answer = asked("POST", "/_all_docs?include_docs=true", Json{{"keys", keys}}.dump());
        for (auto& row : answer.at("rows")) {
            auto& document = row.at("doc");
            Json own = Json::object();
            if (document.contains("sync_engine")) own = document.at("sync_engine");
            for (const char* member : {"_id", "_rev", "sync_engine"}) document.erase(member);
            all[row.at("id").get<std::string>()] =
                own.contains("data") ? own.at("data") : std::move(document);
        }
        return all;
    }

    static std::string path_of(const std::string& id) { return '/' + couchdb::percent_encoded(id); }

private:
    Place place_;
    std::string name_;
    CurlTransport transport_{};
};

}  // namespace sync_engine::test
