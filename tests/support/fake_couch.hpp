// SPDX-License-Identifier: MIT
#pragma once

#include <sync_engine/remote/couchdb/document.hpp>
#include <sync_engine/remote/http_transport.hpp>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace test {

/// What CouchDB 3.5 does with the requests that we make, in memory: trees of revisions, leaves,
/// compare-and-swap, whole batches refused, a feed with opaque sequences. No sockets, no time.
class FakeCouch : public sync_engine::HttpTransport {
public:
    using Json = nlohmann::json;
    using Request = sync_engine::HttpRequest;
    using Response = sync_engine::HttpResponse;

    /// Answers in place of the server, or throws, or lets it pass.
    std::function<std::optional<Response>(const Request&)> before{};
    /// Sees each answer, and may change it or throw in its place: it was done and nobody heard.
    std::function<void(const Request&, Response&)> after{};

    /// CouchDB puts a document that is written as a new one over a tombstone, unasked.
    bool makes_again_unasked = true;

    /// pouchdb-server says of a sequence that it does not know that there is nothing new.
    bool knows_sequences = true;

    std::vector<std::string> asked{};  ///< method and path of each request, in order

    [[nodiscard]] Response send(const Request& request) override {
        const std::lock_guard lock(mutex_);
        const auto path = request.url.substr(request.url.find('/', request.url.find("//") + 2));
        asked.push_back(request.method + ' ' + path);
        if (before) {
            if (auto instead = before(request)) return *instead;
        }
        const Json body = request.body.empty() ? Json() : Json::parse(request.body);
        Response response = answer(request.method, path, body);
        if (after) after(request, response);
        return response;
    }

    static Response answer_of(int status, const Json& body) {
        Response response;
        response.status = status;
        response.body = body.dump() + '\n';
        return response;
    }

    // What other clients do.

    /// Writes over the revision that is shown, as a client does that has read it.
    std::string edit(const std::string& id, Json document) {
        const auto known = documents_.find(id);
        document["_id"] = id;
        if (known != documents_.end()) document["_rev"] = shown(known->second).revision;
        return write(document).value("rev", "");
    }

    /// The stub that most clients leave when they delete.
    std::string remove(const std::string& id) { return edit(id, {{"_deleted", true}}); }

    /// A leaf that another node has taken, from a common ancestor (or none): replication brings it.
    std::string replicate(const std::string& id, Json document, const std::string& ancestor = {}) {
        document.erase("_rev");
        return add_leaf(id, document, ancestor).revision;
    }

    /// Deletes the database and makes it again.
    void wipe() {
        documents_.clear();
        changes_.clear();
        locals_.clear();
        ++incarnation_;
        last_sequence_ = 0;
    }

    void drop() { exists_ = false; }

    [[nodiscard]] Json document(const std::string& id) const {
        const auto known = documents_.find(id);
        return known == documents_.end() ? Json() : shown(known->second).body;
    }

    /// How many states of a document live side by side.
    [[nodiscard]] std::size_t live_leaves(const std::string& id) const {
        const auto& leaves = documents_.at(id).leaves;
        return static_cast<std::size_t>(std::count_if(
            leaves.begin(), leaves.end(), [](const Leaf& leaf) { return !leaf.is_deleted; }));
    }

    [[nodiscard]] std::vector<Json> documents() const {
        std::vector<Json> all;
        for (const auto& [id, document] : documents_) {
            const Leaf& leaf = shown(document);
            if (!leaf.is_deleted) all.push_back(leaf.body);
        }
        return all;
    }

private:
    struct Leaf {
        std::string revision{};
        bool is_deleted = false;
        Json body{};
        std::vector<std::string> history{};  ///< newest first, the leaf's own included
    };

    struct Document {
        std::vector<Leaf> leaves{};
        std::map<std::string, Json> bodies{};
        std::uint64_t sequence = 0;
    };

    /// Live before deleted, then the longest branch, then the highest text.
    static const Leaf& shown(const Document& document) {
        const auto rank = [](const Leaf& leaf) {
            return std::tuple{!leaf.is_deleted, sync_engine::couchdb::generation_of(leaf.revision),
                              leaf.revision};
        };
        return *std::max_element(document.leaves.begin(), document.leaves.end(),
                                 [&](const Leaf& a, const Leaf& b) { return rank(a) < rank(b); });
    }

    /// The same for the same content over the same parent, as CouchDB's are.
    static std::string revision_after(const std::string& parent, const Json& body) {
        std::uint64_t hash = 14695981039346656037U;  // FNV-1a
        for (const char byte : parent + body.dump()) {
            hash = (hash ^ static_cast<unsigned char>(byte)) * 1099511628211U;
        }
        char text[40];
        std::snprintf(text, sizeof text, "%016llx%016llx", static_cast<unsigned long long>(hash),
                      static_cast<unsigned long long>(hash * 1099511628211U));
        const auto generation = sync_engine::couchdb::generation_of(parent) + 1;
        return std::to_string(generation) + '-' + text;
    }

    const Leaf& add_leaf(const std::string& id, Json body, const std::string& parent) {
        Document& document = documents_[id];
        Leaf leaf;
        leaf.is_deleted = body.value("_deleted", false);
        body["_id"] = id;
        leaf.revision = revision_after(parent, body);
        const auto same =
            std::find_if(document.leaves.begin(), document.leaves.end(),
                         [&](const Leaf& each) { return each.revision == leaf.revision; });
        if (same != document.leaves.end()) return *same;
        body["_rev"] = leaf.revision;
        leaf.history = {leaf.revision};
        for (const auto& each : document.leaves) {
            const auto place = std::find(each.history.begin(), each.history.end(), parent);
            if (place == each.history.end()) continue;
            leaf.history.insert(leaf.history.end(), place, each.history.end());
            break;
        }
        leaf.body = body;
        document.bodies[leaf.revision] = body;
        std::erase_if(document.leaves, [&](const Leaf& each) { return each.revision == parent; });
        document.leaves.push_back(std::move(leaf));
        changes_.erase(document.sequence);
        document.sequence = ++last_sequence_;
        changes_[document.sequence] = id;
        return document.leaves.back();
    }

    /// One item of `_bulk_docs`.
    Json write(const Json& document) {
        const auto id = document.at("_id").get<std::string>();
        const auto revision = document.value("_rev", "");
        const auto known = documents_.find(id);
        std::string parent;
        if (known != documents_.end()) {
            const auto& leaves = known->second.leaves;
            const bool is_leaf = std::any_of(leaves.begin(), leaves.end(), [&](const Leaf& leaf) {
                return leaf.revision == revision;
            });
            const Leaf& top = shown(known->second);
            const bool makes_again = revision.empty() && top.is_deleted && makes_again_unasked;
            if (!is_leaf && !makes_again) return conflict(id);
            parent = makes_again ? top.revision : revision;
        } else if (!revision.empty()) {
            return conflict(id);
        }
        return {{"ok", true}, {"id", id}, {"rev", add_leaf(id, document, parent).revision}};
    }

    static Json conflict(const std::string& id) {
        return {{"id", id}, {"error", "conflict"}, {"reason", "Document update conflict."}};
    }

    Response answer(const std::string& method, const std::string& path, const Json& body) {
        const auto slash = path.find('/', 1);
        const auto end = path.find('?');
        if (slash == path.npos || slash > end) {
            if (method != "PUT") return missing("no_db_file");
            if (exists_) return answer_of(412, {{"error", "file_exists"}, {"reason", "there"}});
            exists_ = true;
            return answer_of(201, {{"ok", true}});
        }
        if (!exists_) return missing("Database does not exist.");
        const auto name = path.substr(slash + 1, end == path.npos ? end : end - slash - 1);
        const auto query = end == path.npos ? Query{} : query_of(path.substr(end + 1));
        if (name == "_bulk_docs") return bulk_docs(body);
        if (name == "_all_docs") return all_docs(body);
        if (name == "_bulk_get") return bulk_get(body);
        if (name == "_changes") return changes(query);
        if (name.rfind("_local/", 0) == 0) return local(method, name, body);
        return missing("missing");
    }

    static Response missing(const char* reason) {
        return answer_of(404, {{"error", "not_found"}, {"reason", reason}});
    }

    using Query = std::map<std::string, std::string>;

    static Query query_of(const std::string& text) {
        Query query;
        for (std::size_t at = 0; at < text.size();) {
            const auto end = std::min(text.find('&', at), text.size());
            const auto equals = text.find('=', at);
            query[text.substr(at, equals - at)] =
                decoded(text.substr(equals + 1, end - equals - 1));
            at = end + 1;
        }
        return query;
    }

    static std::string decoded(const std::string& text) {
        std::string plain;
        for (std::size_t at = 0; at < text.size(); ++at) {
            if (text[at] == '%') {
                plain += static_cast<char>(std::stoi(text.substr(at + 1, 2), nullptr, 16));
                at += 2;
            } else {
                plain += text[at];
            }
        }
        return plain;
    }

    Response bulk_docs(const Json& body) {
        for (const auto& document : body.at("docs")) {
            const auto id = document.value("_id", "");
            if (id.empty()) return answer_of(400, {{"error", "bad_request"}, {"reason", "id"}});
            for (const auto& [key, value] : document.items()) {
                const bool is_known =
                    key == "_id" || key == "_rev" || key == "_deleted" || key == "_attachments";
                if (key.rfind('_', 0) == 0 && !is_known) {
                    return answer_of(400, {{"error", "doc_validation"}, {"reason", key}});
                }
            }
        }
        Json items = Json::array();
        for (const auto& document : body.at("docs")) items.push_back(write(document));
        std::reverse(items.begin(), items.end());  // by id, never by position
        return answer_of(201, items);
    }

    Response all_docs(const Json& body) {
        Json rows = Json::array();
        for (const auto& key : body.at("keys")) {
            const auto known = documents_.find(key.get<std::string>());
            if (known == documents_.end()) {
                rows.push_back({{"key", key}, {"error", "not_found"}});
                continue;
            }
            const Leaf& leaf = shown(known->second);
            Json row = {{"id", key}, {"key", key}, {"value", {{"rev", leaf.revision}}}};
            if (leaf.is_deleted) row["value"]["deleted"] = true;
            row["doc"] = leaf.is_deleted ? Json() : leaf.body;
            rows.push_back(std::move(row));
        }
        return answer_of(200, {{"total_rows", rows.size()}, {"offset", 0}, {"rows", rows}});
    }

    Response bulk_get(const Json& body) {
        Json results = Json::array();
        for (const auto& wanted : body.at("docs")) {
            const auto id = wanted.at("id").get<std::string>();
            const auto revision = wanted.at("rev").get<std::string>();
            Json found = {{"error", {{"id", id}, {"rev", revision}, {"error", "not_found"}}}};
            const auto known = documents_.find(id);
            if (known != documents_.end() && known->second.bodies.count(revision) != 0) {
                found = {{"ok", with_history(known->second, revision)}};
            }
            results.push_back({{"id", id}, {"docs", Json::array({found})}});
        }
        return answer_of(200, {{"results", results}});
    }

    static Json with_history(const Document& document, const std::string& revision) {
        Json body = document.bodies.at(revision);
        for (const auto& leaf : document.leaves) {
            const auto place = std::find(leaf.history.begin(), leaf.history.end(), revision);
            if (place == leaf.history.end()) continue;
            Json ids = Json::array();
            for (auto each = place; each != leaf.history.end(); ++each) {
                ids.push_back(each->substr(each->find('-') + 1));
            }
            body["_revisions"] = {{"start", sync_engine::couchdb::generation_of(revision)},
                                  {"ids", ids}};
            break;
        }
        return body;
    }

    [[nodiscard]] std::string sequence_text(std::uint64_t sequence) const {
        return std::to_string(sequence) + "-g1AAA" + std::to_string(incarnation_);
    }

    Response changes(const Query& query) {
        std::uint64_t since = 0;
        if (const auto given = query.find("since"); given != query.end() && given->second != "0") {
            since = sync_engine::couchdb::generation_of(given->second);
            if (sequence_text(since) != given->second) {
                if (!knows_sequences) {
                    return answer_of(200,
                                     {{"results", Json::array()}, {"last_seq", given->second}});
                }
                return answer_of(400, {{"error", "bad_request"}, {"reason", "Malformed sequence"}});
            }
        }
        const auto limit = static_cast<std::size_t>(std::stoul(query.at("limit")));
        const bool with_documents = query.count("include_docs") != 0;
        Json results = Json::array();
        auto reached = since;
        auto place = changes_.upper_bound(since);
        for (; place != changes_.end() && results.size() < limit; ++place) {
            const auto& [sequence, id] = *place;
            const Document& document = documents_.at(id);
            const Leaf& leaf = shown(document);
            Json revisions = Json::array({{{"rev", leaf.revision}}});
            if (query.count("style") != 0) {
                for (const auto& other : document.leaves) {
                    if (&other != &leaf) revisions.push_back({{"rev", other.revision}});
                }
            }
            Json row = {
                {"seq", sequence_text(sequence)}, {"id", id}, {"changes", std::move(revisions)}};
            if (leaf.is_deleted) row["deleted"] = true;
            if (with_documents) row["doc"] = with_conflicts(document, leaf);
            results.push_back(std::move(row));
            reached = sequence;
        }
        const auto pending = std::distance(place, changes_.end());
        return answer_of(
            200,
            {{"results", results}, {"last_seq", sequence_text(reached)}, {"pending", pending}});
    }

    static Json with_conflicts(const Document& document, const Leaf& top) {
        Json body = top.body;
        Json conflicts = Json::array();
        for (const auto& leaf : document.leaves) {
            if (&leaf != &top && !leaf.is_deleted) conflicts.push_back(leaf.revision);
        }
        if (!conflicts.empty()) body["_conflicts"] = conflicts;
        return body;
    }

    Response local(const std::string& method, const std::string& name, const Json& body) {
        if (method == "PUT") {
            locals_[name] = body;
            return answer_of(201, {{"ok", true}, {"id", name}, {"rev", "0-1"}});
        }
        const auto known = locals_.find(name);
        return known == locals_.end() ? missing("missing") : answer_of(200, known->second);
    }

    std::mutex mutex_{};
    std::map<std::string, Document> documents_{};
    std::map<std::uint64_t, std::string> changes_{};
    std::map<std::string, Json> locals_{};
    std::uint64_t last_sequence_ = 0;
    std::uint64_t incarnation_ = 1;
    bool exists_ = true;
};

}  // namespace test
