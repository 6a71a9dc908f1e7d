// SPDX-License-Identifier: MIT
// What a sync with CouchDB costs beyond the same requests made by hand:
//
//     couchdb URL [RECORDS [USER PASSWORD]]
//
// The server has to run; two databases are made in it and deleted again. By hand means one easy
// handle of libcurl, nlohmann_json, and the records in an unordered_map: the same batches, the same
// documents, each answer parsed and kept. It knows no failure, no conflict and no unsent edit.
#include <sync_engine.hpp>
#include <sync_engine/remote/couchdb_remote.hpp>
#include <sync_engine/remote/curl_transport.hpp>

#include "ratio.hpp"

#include <curl/curl.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <memory>
#include <random>
#include <stdexcept>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace {

using namespace sync_engine;
using namespace sync_engine::bench;
using nlohmann::json;
using Record = SyncRecord<>;

const std::size_t push_batch = SyncOptions{}.push_batch_size;
const std::size_t pull_page = SyncOptions{}.pull_page_size;
constexpr std::size_t rounds = 7;

struct Server {
    std::string url{};
    std::string user{};
    std::string password{};
};

std::vector<Record> notes(std::size_t count) {
    std::mt19937_64 chance{1};
    const auto text = [&](std::size_t size) {
        std::string letters(size, ' ');
        for (char& letter : letters) letter = static_cast<char>('a' + chance() % 26);
        return letters;
    };
    std::vector<Record> made(count);
    for (auto& record : made) {
        record.id = text(16);
        record.data = {{"title", text(30)},
                       {"body", text(120)},
                       {"done", chance() % 2 == 0},
                       {"priority", chance() % 10}};
        record.tags = {"tag" + std::to_string(chance() % 20),
                       "tag" + std::to_string(chance() % 20)};
    }
    return made;
}

void require(bool holds, const char* what) {
    if (!holds) throw std::runtime_error(what);
}

/// What somebody would write by hand.
class ByHand {
public:
    ByHand(const Server& server, const std::string& database)
        : place_(server.url + '/' + database), login_(server.user + ':' + server.password) {}

    /// An empty one, whatever an earlier run has left.
    void make_database() {
        delete_database();
        (void)ask("PUT", "");
    }

    void delete_database() { (void)ask("DELETE", "", {}, 404); }

    /// The records as they lie in a program that has not sent them yet.
    void keep(const std::vector<Record>& records) {
        kept_.clear();
        order_.clear();
        for (const auto& record : records) {
            order_.push_back(record.id);
            kept_[record.id] = {
                record.data, record.tags, record.version, to_iso8601(record.updated_at), {}};
        }
    }

    void push() {
        for (std::size_t from = 0; from < order_.size(); from += push_batch) {
            json documents = json::array();
            for (std::size_t at = from; at < std::min(from + push_batch, order_.size()); ++at) {
                documents.push_back(document_of(order_[at], kept_.at(order_[at])));
            }
            const json body = {{"docs", std::move(documents)}};
            for (const auto& item : ask("POST", "/_bulk_docs", body.dump())) {
                kept_.at(item.at("id").get_ref<const std::string&>()).revision = item.at("rev");
            }
        }
    }

    std::size_t pull() {
        kept_.clear();
        std::string path =
            "/_changes?limit=" + std::to_string(pull_page) + "&include_docs=true&conflicts=true";
        for (std::string since;;) {
            json page = ask("GET", path + since);
            for (auto& row : page.at("results")) keep_document(std::move(row.at("doc")));
            if (page.at("results").size() < pull_page) return kept_.size();
            const auto& sequence = page.at("last_seq");
            since =
                "&since=" + (sequence.is_string() ? sequence.get<std::string>() : sequence.dump());
        }
    }

private:
    struct Kept {
        json data{};
        TagSet tags{};
        std::uint64_t version = 0;
        std::string updated_at{};
        std::string revision{};
    };

    static json document_of(const std::string& id, const Kept& record) {
        json document = record.data;
        document["_id"] = id;
        document["sync_engine"] = {
            {"version", record.version},    {"updatedAt", record.updated_at},
            {"tags", record.tags},          {"operation", "0123456789abcdef0123456789abcdef-1"},
            {"digest", "0123456789abcdef"}, {"isNew", true}};
        return document;
    }

    void keep_document(json document) {
        const std::string id = document.at("_id");
        const auto own = std::move(document.at("sync_engine"));
        Kept& record = kept_[id];
        record.tags = own.at("tags").get<TagSet>();
        record.version = own.at("version");
        record.updated_at = own.at("updatedAt");
        record.revision = document.at("_rev");
        for (const char* theirs : {"_id", "_rev", "sync_engine"}) document.erase(theirs);
        record.data = std::move(document);
    }

    json ask(const char* method, const std::string& path, const std::string& body = {},
             long also_fine = 200) {
        std::string answer;
        CURL* curl = curl_.get();
        curl_easy_reset(curl);
        curl_easy_setopt(curl, CURLOPT_URL, (place_ + path).c_str());
        if (login_ != ":") curl_easy_setopt(curl, CURLOPT_USERPWD, login_.c_str());
        curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method);
        curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers_.get());
        if (!body.empty()) {
            curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body.data());
            curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE,
                             static_cast<curl_off_t>(body.size()));
        }
        const auto append = +[](char* bytes, std::size_t size, std::size_t count, void* to) {
            static_cast<std::string*>(to)->append(bytes, size * count);
            return size * count;
        };
        curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, append);
        curl_easy_setopt(curl, CURLOPT_WRITEDATA, &answer);
        long status = 0;
        require(curl_easy_perform(curl) == CURLE_OK, "the server cannot be reached");
        curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
        require(status < 300 || status == also_fine, "the server refused a request");
        return json::parse(answer);
    }

    template <auto free>
    struct Free {
        template <class Handle>
        void operator()(Handle* handle) const {
            free(handle);
        }
    };

    std::string place_;
    std::string login_;
    std::unique_ptr<CURL, Free<curl_easy_cleanup>> curl_{curl_easy_init()};
    std::unique_ptr<curl_slist, Free<curl_slist_free_all>> headers_{curl_slist_append(
        curl_slist_append(nullptr, "Accept: application/json"), "Content-Type: application/json")};
    std::vector<std::string> order_{};
    std::unordered_map<std::string, Kept> kept_{};
};

/// The two databases: one that is empty at each push, and one that is full at each pull.
class Bench {
public:
    Bench(Server server, std::size_t count) : server_(std::move(server)), records_(notes(count)) {
        hand_push_.make_database();
        hand_pull_.make_database();
        hand_pull_.keep(records_);
        hand_pull_.push();
    }

    ~Bench() {
        try {
            hand_push_.delete_database();
            hand_pull_.delete_database();
        } catch (const std::exception&) {  // the server has gone: nothing to tidy up
        }
    }

    Bench(const Bench&) = delete;
    Bench& operator=(const Bench&) = delete;

    void run() {
        const auto push_by_hand = [&] { return pushed_by_hand(); };
        const auto pull_by_hand = [&] { return pulled_by_hand(); };
        const auto size = records_.size();
        compare("push: the remote alone", 1.15, rounds, size, push_by_hand,
                [&] { return pushed_by_remote(); });
        compare("push: a sync of the engine", 1.15, rounds, size, push_by_hand,
                [&] { return pushed_by_engine(); });
        compare("first pull: the remote alone", 1.2, rounds, size, pull_by_hand,
                [&] { return pulled_by_remote(); });
        compare("first pull: a sync of the engine", 1.2, rounds, size, pull_by_hand,
                [&] { return pulled_by_engine(); });
    }

private:
    static constexpr const char* to_push = "sync_engine_bench_push";
    static constexpr const char* to_pull = "sync_engine_bench_pull";

    Microseconds pushed_by_hand() {
        hand_push_.make_database();
        hand_push_.keep(records_);
        return time_of([&] { hand_push_.push(); });
    }

    Microseconds pushed_by_remote() {
        hand_push_.make_database();
        std::vector<PushBatch<>> batches;
        for (const auto& record : records_) {
            if (batches.empty() || batches.back().changes.size() == push_batch) {
                batches.emplace_back();
            }
            batches.back().changes.push_back(
                {.record = record, .operation_id = "0123456789abcdef0123456789abcdef-1"});
        }
        CouchDbRemote<> couch = remote(to_push);
        std::size_t pushed = 0;
        const auto time = time_of([&] {
            for (const auto& batch : batches) {
                for (const auto& verdict : couch.push(batch)) {
                    pushed += verdict.kind == VerdictKind::accepted ? 1U : 0U;
                }
            }
        });
        require(pushed == records_.size(), "not everything was pushed");
        return time;
    }

    Microseconds pushed_by_engine() {
        hand_push_.make_database();
        LocalStore<> store;
        store.put_all(records_);
        return synced(store, to_push, [](const SyncResult& result) { return result.pushed; });
    }

    Microseconds pulled_by_hand() {
        std::size_t pulled = 0;
        const auto time = time_of([&] { pulled = hand_pull_.pull(); });
        require(pulled == records_.size(), "not everything was pulled");
        return time;
    }

    Microseconds pulled_by_remote() {
        CouchDbRemote<> couch = remote(to_pull);
        std::unordered_map<std::string, Record> kept;
        const auto time = time_of([&] {
            PullRequest request{.limit = pull_page};
            for (bool has_more = true; has_more;) {
                auto page = couch.pull(request);
                for (auto& record : page.records) {
                    std::string id = record.id;
                    kept[std::move(id)] = std::move(record);
                }
                request.cursor = std::move(page.cursor);
                has_more = page.has_more;
            }
        });
        require(kept.size() == records_.size(), "not everything was pulled");
        return time;
    }

    Microseconds pulled_by_engine() {
        LocalStore<> store;
        return synced(store, to_pull, [](const SyncResult& result) { return result.pulled; });
    }

    template <class Count>
    Microseconds synced(LocalStore<>& store, const char* database, const Count& count) {
        CouchDbRemote<> couch = remote(database);
        SyncEngine<> engine{store};
        SyncResult result;
        const auto time = time_of([&] { result = engine.sync(couch.remote()).get(); });
        require(!result.has_errors() && count(result) == records_.size(), "a sync is incomplete");
        return time;
    }

    CouchDbRemote<> remote(const char* database) {
        return {transport_,
                {.url = server_.url,
                 .database = database,
                 .auth = {.user = server_.user, .password = server_.password}}};
    }

    Server server_;
    std::vector<Record> records_;
    ByHand hand_push_{server_, to_push};
    ByHand hand_pull_{server_, to_pull};
    CurlTransport transport_{};
};

}  // namespace

int main(int argc, char** argv) {
    if (argc < 2) {
        std::fputs("couchdb URL [RECORDS [USER PASSWORD]]\n", stderr);
        return 2;
    }
    const std::size_t count = argc > 2 ? std::strtoull(argv[2], nullptr, 10) : 10'000;
    Server server{.url = argv[1]};
    if (argc > 4) {
        server.user = argv[3];
        server.password = argv[4];
    }
    try {
        Bench bench{std::move(server), count};
        std::printf("%-46s %9s %9s %9s\n", "microseconds a record", "by hand", "ours", "ratio");
        bench.run();
    } catch (const std::exception& error) {
        std::fprintf(stderr, "%s\n", error.what());
        return 1;
    }
}
