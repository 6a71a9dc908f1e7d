// SPDX-License-Identifier: MIT
#pragma once

#include <sync_engine/conflict/conflict_resolver.hpp>
#include <sync_engine/record/environment.hpp>
#include <sync_engine/record/error.hpp>
#include <sync_engine/record/json.hpp>
#include <sync_engine/record/sync_record.hpp>
#include <sync_engine/remote/change.hpp>
#include <sync_engine/remote/couchdb/bulk.hpp>
#include <sync_engine/remote/couchdb/client.hpp>
#include <sync_engine/remote/couchdb/document.hpp>
#include <sync_engine/remote/couchdb/leaves.hpp>
#include <sync_engine/remote/couchdb/pushing.hpp>
#include <sync_engine/remote/http_transport.hpp>
#include <sync_engine/remote/page.hpp>
#include <sync_engine/remote/remote.hpp>
#include <sync_engine/remote/remote_error.hpp>
#include <sync_engine/remote/stop_token.hpp>
#include <sync_engine/remote/verdict.hpp>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

namespace sync_engine {

/// Which database, who we are, and what a request may cost.
template <class Data = nlohmann::json>
struct CouchDbOptions {
    std::string url{};       ///< of the server, such as `https://couch.example`; without a login
    std::string database{};  ///< its name, as it is: it is encoded here
    /// Who we are: `user` and `password`, or, where it is not empty, a `bearer_token`; with none of
    /// them, nobody.
    couchdb::Login auth{};
    /// Decides between states that the server holds at once. Every client should have the same.
    ConflictResolver<Data> resolver{};
    /// From the first byte of a request to the last of its answer.
    std::chrono::milliseconds deadline = std::chrono::seconds{60};
    /// The largest answer. A page that is larger is asked for in halves.
    std::size_t max_response_bytes = std::size_t{64} * 1024 * 1024;
    /// What the store knows this remote by (`Remote::name`); empty: its URL and database.
    std::string name{};
    Random random = system_random();  ///< names a database that has no name yet
};

/// A CouchDB, or what speaks its protocol, as a remote.
///
/// Push writes by compare-and-swap on revisions, and knows its own earlier write where an answer
/// was lost. Pull follows the change feed; where the server holds several states of a document, the
/// resolver decides, and the others are deleted, so that all clients see the same. A database that
/// was deleted and made again is noticed, and read from its beginning; what was synced stays here.
///
/// Any HTTP stack will do (`HttpTransport`; `CurlTransport` is one). It must outlive this, and this
/// must outlive its callbacks. They block until the answer is there and are called one at a time;
/// `wait_for_changes` may run beside them, on another thread.
template <class Data = nlohmann::json>
class CouchDbRemote {
    using Json = nlohmann::json;
    using Record = SyncRecord<Data>;

public:
    /// Asks the server for nothing yet.
    CouchDbRemote(HttpTransport& transport, CouchDbOptions<Data> options)
        : options_(std::move(options)),
          client_(transport, options_.url, options_.database, options_.auth,
                  {options_.deadline, options_.max_response_bytes}) {}

    CouchDbRemote(const CouchDbRemote&) = delete;
    CouchDbRemote& operator=(const CouchDbRemote&) = delete;

    /// The callbacks for `SyncEngine::sync`.
    [[nodiscard]] Remote<Data> remote() {
        Remote<Data> callbacks;
        callbacks.push = [this](const SharedPushBatch<Data>& batch) {
            return make_ready_future(push(batch));
        };
        callbacks.pull = [this](PullRequest request) { return make_ready_future(pull(request)); };
        callbacks.name = options_.name.empty() ? client_.place() : options_.name;
        return callbacks;
    }

    /// Makes the database; one that exists is left as it is. Throws what a push throws.
    void create_database(const StopToken& stop = {}) { client_.create(stop); }

    /// Waits until the server has something that the last pull did not show; true: pull again.
    /// False after `wait`, or three weeks, as far as a server heeds it, and in any case two seconds
    /// later. True at once before the first pull. One request. Throws a `RemoteError`, also when it
    /// is stopped.
    [[nodiscard]] bool wait_for_changes(std::chrono::milliseconds wait,
                                        const StopToken& stop = {}) {
        const Json since = get_since();
        if (since.is_null()) return true;
        constexpr std::chrono::seconds on_the_way{2};
        constexpr std::chrono::hours most{24 * 21};  // in milliseconds less than 2^31
        wait = std::clamp<std::chrono::milliseconds>(wait, std::chrono::milliseconds{0}, most);
        const std::string path =
            "/_changes?feed=longpoll&limit=1&timeout=" + std::to_string(wait.count()) +
            "&since=" + encoded_sequence(since);
        try {
            const auto answer = client_.poll(path, wait + on_the_way, stop);
            if (answer.status == 404) client_.throw_missing_database();
            return answer.body.is_object() && !answer.body.value("results", Json::array()).empty();
        } catch (const PermanentError&) {
            return true;  // the sequence is not known any more: a pull will say why
        }
    }

    /// One push: a verdict for each change. Throws a `RemoteError` where the whole call failed.
    [[nodiscard]] PushReport<Data> push(const SharedPushBatch<Data>& batch) {
        return couchdb::Pushing<Data>{couchdb::Bulk{client_, batch.stop}}.push(batch.changes);
    }
    /// The same for records that are the batch's own; they are not copied.
    [[nodiscard]] PushReport<Data> push(PushBatch<Data> batch) {
        return push(detail::shared_batch(std::move(batch)));
    }

    /// One page of the feed. Throws a `RemoteError` where it cannot be had.
    [[nodiscard]] PullPage<Data> pull(const PullRequest& request) {
        const Position from = position(request);
        for (std::size_t limit = std::max<std::size_t>(request.limit, 1);; limit /= 2) {
            try {
                return page_of(from, limit, request.stop);
            } catch (const couchdb::AnswerRefused& error) {
                if (limit > 1) continue;
                return page_without(from, error.what(), request.stop);
            }
        }
    }

private:
    // Pull.

    /// How far a pull has come, and in which database: the cursor, taken apart.
    struct Position {
        Json since = nullptr;
        std::string database{};

        [[nodiscard]] Json cursor() const { return {{"since", since}, {"database", database}}; }
    };

    /// Where to go on. The database is asked for its name when a pull begins; a page that follows
    /// another one does not ask again.
    [[nodiscard]] Position position(const PullRequest& request) {
        if (request.cursor.is_null()) return {nullptr, database_name(request.stop, true)};
        const auto& since = detail::require(request.cursor, "since");
        const Position stored{since, detail::read_string(request.cursor, "database")};
        if (is_continuation(request.cursor) || stored.database.empty()) return stored;
        if (database_name(request.stop, false) != stored.database) {
            throw CursorExpired("the database at " + client_.place() +
                                " is another one than before: it was deleted and made again");
        }
        return stored;
    }

    /// The random name that a database bears in a local document, which is neither replicated nor
    /// in the feed. Empty where there is none, and where we may not write one.
    [[nodiscard]] std::string database_name(const StopToken& stop, bool make_one) const {
        const std::string path = "/_local/sync_engine";
        const auto known = client_.get(path, stop);
        if (known.status != 404) return detail::read_string(known.body, "database", "");
        const auto* reason = detail::find(known.body, "reason");
        if (reason == nullptr || (*reason != "missing" && *reason != "deleted")) {
            client_.throw_missing_database();
        }
        if (!make_one) return {};
        try {
            (void)client_.put(path, {{"database", random_name()}}, stop);
        } catch (const Unauthorized&) {
            return {};
        }
        return database_name(stop, false);  // not what we wrote, if somebody did so meanwhile
    }

    [[nodiscard]] std::string random_name() const {
        std::string name;
        for (int part = 0; part < 2; ++part) {
            detail::append_hex(name, "", static_cast<unsigned>(options_.random() >> 32U), 8);
        }
        return name;
    }

    /// Reads the feed, hands out each row as `take(id, row)`, and answers a page without records.
    template <class Take>
    [[nodiscard]] PullPage<Data> feed(const Position& from, std::size_t limit, bool with_documents,
                                      const StopToken& stop, const Take& take) {
        std::string path = "/_changes?limit=" + std::to_string(limit);
        if (!from.since.is_null()) path += "&since=" + encoded_sequence(from.since);
        if (with_documents) path += "&include_docs=true&conflicts=true&style=all_docs";
        std::size_t rows = 0;
        std::exception_ptr refusal;  // of a row: it is no fault of the text around it
        const auto take_row = [&](Json&& row) {
            ++rows;
            try {
                detail::require_object(row, "row of _changes");
                take(detail::read_string(row, "id"), std::move(row));
            } catch (const FormatError&) {
                if (!refusal) refusal = std::current_exception();
            }
        };
        try {
            const auto answer = client_.get_elements(path, "results", take_row, stop);
            if (answer.status == 404) client_.throw_missing_database();
            detail::require_object(answer.body, "answer of _changes");
            const auto* results = detail::find(answer.body, "results");
            if (results == nullptr || !results->is_array()) {
                throw FormatError("key \"results\": expected an array");
            }
            (void)detail::require(answer.body, "last_seq");
            if (refusal) std::rethrow_exception(refusal);
            return page_until(answer.body, rows, from, limit);
        } catch (const PermanentError& error) {  // CouchDB takes no sequence that it does not know
            if (from.since.is_null()) throw;
            throw CursorExpired(error.what());
        }
    }

    [[nodiscard]] PullPage<Data> page_of(const Position& from, std::size_t limit,
                                         const StopToken& stop) {
        PullPage<Data> read;
        std::vector<Json> split;
        auto page = feed(from, limit, true, stop, [&](const std::string& id, Json&& row) {
            if (couchdb::is_reserved_id(id)) return;
            try {
                auto& document = row["doc"];
                Json whole = has_conflicts(document) ? document : Json();
                Record record = couchdb::record_of<Data>(std::move(document));
                if (is_behind_deletion(row, record)) record.updated_at = Timestamp{};
                read.records.push_back(std::move(record));
                if (!whole.is_null()) split.push_back(std::move(whole));
            } catch (const FormatError& error) {
                read.errors.push_back({id, error.what()});
            }
        });
        page.records = std::move(read.records);
        page.errors = std::move(read.errors);
        if (!split.empty()) settle(page, split, stop);
        return page;
    }

    /// A page of one row whose document cannot be had.
    [[nodiscard]] PullPage<Data> page_without(const Position& from, const std::string& why,
                                              const StopToken& stop) {
        std::vector<SyncError> errors;
        auto page = feed(from, 1, false, stop, [&](const std::string& id, const Json&) {
            errors.push_back({id, why});
        });
        page.errors = std::move(errors);
        return page;
    }

    /// A page without records yet.
    [[nodiscard]] PullPage<Data> page_until(const Json& changes, std::size_t rows,
                                            const Position& from, std::size_t limit) {
        PullPage<Data> page;
        const auto* pending = detail::find(changes, "pending");
        page.has_more = rows > 0 && (pending != nullptr ? *pending != 0 : rows >= limit);
        page.cursor = Position{changes["last_seq"], from.database}.cursor();
        set_reached(page);
        return page;
    }

    /// True for a state that came to light because the one that was shown before it was deleted: a
    /// longer branch ends in a tombstone. Its stamps are older than that deletion, and would make
    /// everybody who knows of the deletion take it for a stale read.
    [[nodiscard]] static bool is_behind_deletion(const Json& row, const Record& record) {
        const auto* leaves = detail::find(row, "changes");
        if (record.is_deleted() || leaves == nullptr || !leaves->is_array()) return false;
        const auto shown = couchdb::generation_of(record.revision);
        return std::any_of(leaves->begin(), leaves->end(), [&](const Json& leaf) {
            return leaf.is_object() &&
                   couchdb::generation_of(detail::read_string(leaf, "rev", "")) > shown;
        });
    }

    [[nodiscard]] static bool has_conflicts(const Json& document) {
        if (!document.is_object()) return false;
        const auto* conflicts = detail::find(document, "_conflicts");
        return conflicts != nullptr && conflicts->is_array() && !conflicts->empty();
    }

    /// Documents with several states come to one. Where somebody wrote meanwhile, the document is
    /// left out: what it came to is further on in the feed, and the state that was shown may hide
    /// an edit of ours.
    void settle(PullPage<Data>& page, const std::vector<Json>& split, const StopToken& stop) const {
        const couchdb::Bulk bulk{client_, stop};
        auto settled = couchdb::Leaves<Data>{bulk, options_.resolver}.settle(split);
        for (auto& record : page.records) {
            const auto winner = settled.records.find(record.id);
            if (winner != settled.records.end()) record = winner->second;
        }
        std::erase_if(page.records, [&](const Record& record) {
            return settled.overtaken.count(record.id) != 0;
        });
        for (auto& error : settled.errors) page.errors.push_back(std::move(error));
    }

    [[nodiscard]] static std::string encoded_sequence(const Json& sequence) {
        return couchdb::percent_encoded(sequence.is_string() ? sequence.get<std::string>()
                                                             : sequence.dump());
    }

    // What `pull` and `wait_for_changes` share.

    void set_reached(const PullPage<Data>& page) {
        const std::lock_guard lock(mutex_);
        reached_ = page.cursor;
        has_more_ = page.has_more;
    }

    [[nodiscard]] Json get_since() const {
        const std::lock_guard lock(mutex_);
        return reached_.is_null() ? Json() : reached_.at("since");
    }

    [[nodiscard]] bool is_continuation(const Json& cursor) const {
        const std::lock_guard lock(mutex_);
        return has_more_ && cursor == reached_;
    }

    CouchDbOptions<Data> options_;
    couchdb::Client client_;
    mutable std::mutex mutex_;
    Json reached_{};  ///< the cursor of the last page
    bool has_more_ = false;
};

}  // namespace sync_engine
