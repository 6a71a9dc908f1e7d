// SPDX-License-Identifier: MIT
#pragma once

#include <sync_engine/record/error.hpp>
#include <sync_engine/record/json.hpp>
#include <sync_engine/remote/couchdb/client.hpp>
#include <sync_engine/remote/remote_error.hpp>
#include <sync_engine/remote/stop_token.hpp>

#include <nlohmann/json.hpp>

#include <map>
#include <string>
#include <utility>
#include <vector>

/// Many documents in one request.
namespace sync_engine::couchdb {

/// One state of one document.
struct Revision {
    std::string id{};
    std::string revision{};

    friend bool operator<(const Revision& a, const Revision& b) {
        return a.id != b.id ? a.id < b.id : a.revision < b.revision;
    }
};

/// Documents by the revision that was asked for.
using Bodies = std::map<Revision, nlohmann::json>;

/// What became of one document that was written.
struct Written {
    std::string revision{};  ///< empty: it was refused
    std::string error{};
    std::string reason{};
};

/// What a database shows of one id.
struct Shown {
    nlohmann::json document{};  ///< null for a tombstone
    std::string revision{};     ///< empty: it was never there
};

/// Answers are matched by id, never by position: a server may sort them.
class Bulk {
public:
    using Json = nlohmann::json;

    Bulk(const Client& client, StopToken stop) : client_(client), stop_(std::move(stop)) {}

    /// Writes documents; no id may occur twice. What the answer leaves out is missing here as well.
    [[nodiscard]] std::map<std::string, Written> write(std::vector<Json> documents) const {
        std::map<std::string, Written> written;
        if (documents.empty()) return written;
        Json body = Json::object();
        body["docs"] = std::move(documents);
        const Json answer = asked("/_bulk_docs", body);
        for (const auto& item : elements(answer, "/_bulk_docs")) {
            detail::require_object(item, "item of _bulk_docs");
            written[detail::read_string(item, "id", "")] = {
                .revision = detail::read_string(item, "rev", ""),
                .error = detail::read_string(item, "error", ""),
                .reason = detail::read_string(item, "reason", "")};
        }
        return written;
    }

    /// What the database shows of each id.
    [[nodiscard]] std::map<std::string, Shown> look_up(const std::vector<std::string>& ids) const {
        std::map<std::string, Shown> shown;
        if (ids.empty()) return shown;
        Json answer = asked("/_all_docs?include_docs=true", {{"keys", ids}});
        for (auto& row : member(answer, "rows")) {
            detail::require_object(row, "row of _all_docs");
            Shown& state = shown[detail::read_string(row, "key")];
            if (const auto* value = detail::find(row, "value"); value && value->is_object()) {
                state.revision = detail::read_string(*value, "rev", "");
            }
            if (const auto document = row.find("doc"); document != row.end()) {
                state.document = std::move(*document);
            }
        }
        return shown;
    }

    /// Documents in given revisions, tombstones and leaves that nobody sees included, each with the
    /// revisions that it comes from. One that is not to be had, or cannot be read, is left out.
    [[nodiscard]] Bodies get(const std::vector<Revision>& revisions) const {
        Bodies bodies;
        if (revisions.empty()) return bodies;  // there is a server that never answers an empty list
        Json wanted = Json::array();
        for (const auto& each : revisions) {
            wanted.push_back({{"id", each.id}, {"rev", each.revision}});
        }
        Json answer = asked("/_bulk_get?revs=true", {{"docs", std::move(wanted)}});
        for (auto& result : member(answer, "results")) {
            try {
                for (auto& each : member(result, "docs")) {
                    if (!each.is_object() || !each.contains("ok")) continue;
                    auto& document = each["ok"];
                    detail::require_object(document, "document of _bulk_get");
                    Revision key{detail::read_string(document, "_id"),
                                 detail::read_string(document, "_rev")};
                    bodies[std::move(key)] = std::move(document);
                }
            } catch (const FormatError&) {
                continue;
            }
        }
        return bodies;
    }

private:
    [[nodiscard]] Json asked(const std::string& path, const Json& body) const {
        auto answer = client_.post(path, body, stop_);
        if (answer.status == 404) client_.throw_missing_database();
        return std::move(answer.body);
    }

    static const Json& elements(const Json& array, const char* what) {
        if (!array.is_array()) {
            throw FormatError(std::string(what) + ": expected an array, got " +
                              detail::described(array));
        }
        return array;
    }

    static Json& member(Json& object, const char* key) {
        detail::require_object(object, "answer");
        const auto place = object.find(key);
        if (place == object.end() || !place->is_array()) {
            throw FormatError("key " + quoted(key) + ": expected an array");
        }
        return *place;
    }

    const Client& client_;
    StopToken stop_;
};

}  // namespace sync_engine::couchdb
