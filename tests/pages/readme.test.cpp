// SPDX-License-Identifier: MIT
// The code that README.md shows, compiled and run; tests.pages.readme compares the two.
#include <sync_engine.hpp>
#include <sync_engine/remote/couchdb_remote.hpp>
#include <sync_engine/remote/curl_transport.hpp>
#include <sync_engine/store/sqlite_storage.hpp>

#include "support/catch.hpp"
#include "support/fake_couch.hpp"
#include "support/temporary_folder.hpp"

#include <future>
#include <string>
#include <utility>
#include <vector>

namespace test_of_readme {

using namespace sync_engine;

using Note = nlohmann::json;

namespace {

/// An API that is offered and asked for whole records.
struct Api {
    std::vector<SyncRecord<>> records{};

    std::future<std::vector<std::string>> push(const std::vector<SyncRecord<>>& sent) {
        std::vector<std::string> accepted;
        for (const auto& record : sent) {
            records.push_back(record);
            accepted.push_back(record.id);
        }
        return make_ready_future(std::move(accepted));
    }
    std::future<std::vector<SyncRecord<>>> fetch_all() const { return make_ready_future(records); }
};

}  // namespace

TEST_CASE("README: a pair of callbacks", "[pages]") {
    LocalStore<> store;
    store.put({.id = "milk", .data = {{"text", "Buy milk"}}});
    SyncEngine<> engine{store, {}, {}, {.executor = inline_executor()}};
    Api api;

    engine.sync({.push = [&](std::vector<SyncRecord<>> records) { return api.push(records); },
                 .pull = [&] { return api.fetch_all(); }});

    CHECK(api.records.size() == 1);
    CHECK(store.pending().empty());
}

TEST_CASE("README: what needs the user", "[pages]") {
    MemoryRemote<> server;
    LocalStore<> store;
    LocalStore<> other;
    SyncEngine<> engine{store, ConflictResolver<>{ConflictStrategy::manual}};
    SyncEngine<> other_engine{other};
    store.put({.id = "milk", .data = 1});
    store.put({.id = "refused", .data = 1});
    server.refuse("refused", "no");
    engine.sync(server.remote()).get();
    other_engine.sync(server.remote()).get();
    other.update("milk", [](auto& data) { data = 2; });
    other_engine.sync(server.remote()).get();
    store.update("milk", [](auto& data) { data = 3; });

    std::vector<std::string> logged;
    std::vector<std::string> shown;
    const auto log = [&](const std::string& id, auto&&...) { logged.push_back(id); };
    const auto show = [&](const std::string& id, const std::string&) { shown.push_back(id); };
    const auto ask_user = [](const auto&, const auto& local, const auto&) { return local; };

    engine.on_conflict = [&](const auto& local, const auto& remote) {
        log(local.id, local.version, remote.version);
    };
    engine.sync(server.remote()).get();

    for (const auto& letter : engine.retry_queue().dead_letters()) {
        show(letter.record.id, letter.error.message);
    }

    for (const auto& conflict : store.conflicts()) {
        store.resolve(conflict, ask_user(conflict.base, conflict.local, conflict.theirs));
    }
    CHECK(logged == std::vector<std::string>{"milk"});
    CHECK(shown == std::vector<std::string>{"refused"});
    CHECK(store.conflicts().empty());
    CHECK(store.get("milk")->data == 3);
}

TEST_CASE("README: the durable store", "[pages]") {
    const sync_engine::test::InTemporaryFolder here;
    {
        LocalStore<Note> store{sqlite_storage<Note>("app.db")};
        store.put({.id = "milk", .data = 1});
    }
    CHECK(LocalStore<Note>{sqlite_storage<Note>("app.db")}.count() == 1);
}

namespace {

/// Every connection of a test leads to one server, which needs no network.
struct Connection : HttpTransport {
    static inline ::test::FakeCouch server{};
    HttpResponse send(const HttpRequest& request) override { return server.send(request); }
};

template <class CurlTransport>
void sync_with_couchdb(SyncEngine<Note>& engine, const ConflictResolver<Note>& resolver) {
    CurlTransport transport;
    CouchDbRemote<Note> couch{
        transport, {.url = "https://couch.example", .database = "notes", .resolver = resolver}};
    engine.sync(couch.remote()).get();
}
// What the page has, with the transport of the page, compiles as well.
[[maybe_unused]] constexpr auto with_curl = &sync_with_couchdb<CurlTransport>;

}  // namespace

TEST_CASE("README: against CouchDB", "[pages]") {
    LocalStore<Note> store;
    const ConflictResolver<Note> resolver;
    SyncEngine<Note> engine{store, resolver};
    store.put({.id = "milk", .data = {{"text", "Buy milk"}}});
    sync_with_couchdb<Connection>(engine, resolver);
    CHECK(store.pending().empty());
}

}  // namespace test_of_readme
