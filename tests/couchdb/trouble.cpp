// SPDX-License-Identifier: MIT
// Servers that die, networks that lie, logins that are wrong: nothing may be lost.
#include <sync_engine/remote/couchdb_remote.hpp>
#include <sync_engine/testing/random.hpp>

#include "couchdb/database.hpp"
#include "couchdb/faulty_proxy.hpp"
#include "couchdb/phone.hpp"
#include "couchdb/place.hpp"
#include "couchdb/pouch_server.hpp"
#include "support/catch.hpp"
#include "support/raw_server.hpp"

#include <nlohmann/json.hpp>

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace test_of_trouble {

using namespace std::chrono_literals;
using namespace sync_engine;
using namespace sync_engine::test;
using nlohmann::json;

namespace {

/// Kills a server while a sync is at it: a moment after so many documents have gone through.
class Killer {
public:
    Killer(PouchServer& server, std::size_t after, std::chrono::microseconds moment)
        : after_(after), thread_([this, &server, moment] {
              {
                  std::unique_lock lock(mutex_);
                  changed_.wait(lock, [&] { return is_due_; });
              }
              std::this_thread::sleep_for(moment);  // somewhere in the next request
              server.kill();
          }) {}
    Killer(const Killer&) = delete;
    Killer& operator=(const Killer&) = delete;
    ~Killer() {
        strike();
        thread_.join();
    }

    /// For `SyncOptions::on_progress`.
    void see(std::size_t completed) {
        if (completed >= after_) strike();
    }

private:
    void strike() {
        const std::lock_guard lock(mutex_);
        is_due_ = true;
        changed_.notify_all();
    }

    std::size_t after_;
    std::mutex mutex_{};
    std::condition_variable changed_{};
    bool is_due_ = false;
    std::thread thread_;
};

/// A sync that the server does not survive.
SyncResult sync_and_kill(Phone& phone, PouchServer& server, std::size_t after,
                         std::chrono::microseconds moment) {
    Killer killer{server, after, moment};
    return phone.sync({.on_progress = [&](std::size_t done, std::size_t) { killer.see(done); },
                       .push_batch_size = 100,
                       .pull_page_size = 100});
}

/// How many seeds to run: SYNC_COUCH_SEEDS, or what fits into a coffee break.
unsigned seeds(unsigned by_default) {
    const auto set = setting("SYNC_COUCH_SEEDS");
    return set ? static_cast<unsigned>(std::stoul(*set)) : by_default;
}

/// A way to the server where only one login is let through.
class Gate {
public:
    Gate(std::uint16_t server, std::string authorization)
        : server_(server),
          authorization_(std::move(authorization)),
          gate_([this](Socket& client) { talk(client); }) {}

    [[nodiscard]] std::string url() const {
        return "http://127.0.0.1:" + std::to_string(gate_.port());
    }

private:
    void talk(Socket& client) const {
        while (const auto request = client.read_request()) {
            if (request->header("authorization") != authorization_) {
                const std::string body =
                    R"({"error":"unauthorized","reason":"Name or password is incorrect."})";
                client.write(
                    "HTTP/1.1 401 Unauthorized\r\nContent-Type: application/json\r\n"
                    "Content-Length: " +
                    std::to_string(body.size()) + "\r\n\r\n" + body);
                continue;
            }
            // The server behind knows nobody by that name.
            auto head = request->head;
            const auto login = head.find("Authorization:");
            head.replace(login, head.find("\r\n", login) - login, "Connection: close");
            const auto server = Socket::to(server_);
            server->write(head + request->body);
            for (auto some = server->read_some(); !some.empty(); some = server->read_some()) {
                client.write(some);
            }
            return;
        }
    }

    std::uint16_t server_;
    std::string authorization_;
    RawServer gate_;
};

}  // namespace

TEST_CASE("a server that is killed in the middle of pushes and pulls loses nothing of ours",
          "[couchdb]") {
    const auto script = setting("SYNC_POUCHDB_SERVER");
    if (!script) {
        WARN("left out: SYNC_POUCHDB_SERVER names no server that may be killed");
        return;
    }
    constexpr int count = 1'500;
    PouchServer server{*script};
    Database database{server.place()};
    Phone ada{database};
    Phone ben{database};
    testing::SeededRandom random{1};
    const auto chance = [&] { return std::chrono::microseconds{random.below(40'000)}; };
    for (int each = 0; each < count; ++each) {
        ada.edit("n" + std::to_string(each), {{"n", each}, {"text", std::string(100, 'x')}});
    }
    std::size_t failed = 0;
    for (int kill = 0; kill < 4; ++kill) {
        ada.edit("ada " + std::to_string(kill), {{"kill", kill}});
        ben.edit("ben " + std::to_string(kill), {{"kill", kill}});
        ada.change("n0", {{"ada", kill}});

        const auto up = sync_and_kill(ada, server, 100 + random.below(200), chance());
        if (kill % 2 == 1) ada.restart();
        server.start();
        const auto down = sync_and_kill(ben, server, 100 + random.below(200), chance());
        if (kill % 2 == 0) ben.restart();
        server.start();
        failed += (up.outcome == SyncOutcome::failed) + (down.outcome == SyncOutcome::failed);
    }
    CHECK(failed > 0);
    settle({&ada, &ben});

    check_equal({&ada, &ben}, database);
    const auto all = ben.contents();
    CHECK(all.size() == count + 8);
    for (int each = 1; each < count; ++each) {
        const auto place = all.find("n" + std::to_string(each));
        if (place == all.end() || place->second.at("n") != each) FAIL("n" << each << " is lost");
    }
    CHECK(all.at("n0").at("ada") == 3);
}

TEST_CASE("a network that loses, cuts, delays and doubles costs nothing once it behaves",
          "[couchdb]") {
    const auto port = local_port_of(place_under_test());
    if (!port) {
        WARN("left out: the server is not on this machine, and no proxy goes between");
        return;
    }
    const auto seed = GENERATE(range(1U, seeds(8) + 1));
    CAPTURE(seed);
    Database database;
    FaultyProxy proxy{*port, seed};
    const Place place{.url = proxy.url(), .login = database.place().login};
    Phone ada{place, database.name()};
    Phone ben{place, database.name()};
    testing::SeededRandom random{seed};
    const auto any = [&] { return "n" + std::to_string(random.below(30)); };

    for (int round = 0; round < 12; ++round) {
        const std::string key = "r" + std::to_string(round);
        for (Phone* phone : {&ada, &ben}) {
            const std::string who = phone == &ada ? "ada" : "ben";
            for (int edits = 0; edits < 10; ++edits) {
                const auto id = any();
                if (phone->store->find(id)) {
                    phone->change(id, {{who + ' ' + key, edits}});
                } else {
                    phone->edit(id, {{who + ' ' + key, edits}});
                }
            }
            phone->edit(who + ' ' + key, {{"round", round}});
            if (random.below(3) == 0) phone->store->remove(any());
            if (random.below(4) == 0) phone->restart();
            (void)phone->sync(
                {.push_batch_size = 1 + random.below(40), .pull_page_size = 1 + random.below(40)});
        }
        database.put("plain " + key, {{"round", round}});
        const auto id = any();
        if (!database.document(id).is_null()) database.change(id, {{"plain " + key, true}});
    }
    proxy.behave();
    settle({&ada, &ben});

    check_equal({&ada, &ben}, database);
    const auto all = ada.contents();
    for (const std::string who : {"ada ", "ben ", "plain "}) {
        for (int round = 0; round < 12; ++round) {
            CHECK(all.count(who + 'r' + std::to_string(round)) == 1);
        }
    }
    std::size_t mishaps = 0;
    for (const auto& [mishap, count] : proxy.mishaps()) {
        if (mishap != Mishap::none) mishaps += count;
    }
    CHECK(mishaps > 10);
}

TEST_CASE("members that only one side ever writes survive every mishap of the network",
          "[couchdb]") {
    const auto port = local_port_of(place_under_test());
    if (!port) {
        WARN("left out: the server is not on this machine, and no proxy goes between");
        return;
    }
    const auto seed = GENERATE(range(1U, seeds(4) + 1));
    CAPTURE(seed);
    Database database;
    FaultyProxy proxy{*port, seed, 6};
    const Place place{.url = proxy.url(), .login = database.place().login};
    Phone ada{place, database.name()};
    Phone ben{place, database.name()};
    Contents written;  // by each side, in members of its own
    const auto write = [&](Phone& phone, const std::string& who, int round) {
        for (int each = 0; each < 8; ++each) {
            const std::string id = "n" + std::to_string(each);
            const json member = {{who + std::to_string(round), round}};
            if (phone.store->find(id)) {
                phone.change(id, member);
            } else {
                phone.edit(id, member);
            }
            written[id].update(member);
        }
        (void)phone.sync({.push_batch_size = 3, .pull_page_size = 5});
    };
    for (int round = 0; round < 10; ++round) {
        write(ada, "ada", round);
        write(ben, "ben", round);
    }
    proxy.behave();
    settle({&ada, &ben});

    check_equal({&ada, &ben}, database);
    CHECK(difference(ada.contents(), written) == std::string{});
}

TEST_CASE("a wrong password is said to be wrong, and nothing is lost", "[couchdb]") {
    Database database;
    auto place = database.place();
    Phone good{place, database.name()};
    std::optional<Gate> gate;
    if (place.login.user.empty()) {
        const auto port = local_port_of(place);
        if (!port) {
            WARN("left out: the server asks for no login, and is not on this machine");
            return;
        }
        gate.emplace(*port, "Basic " + couchdb::base64("ada:r\xC3\xA4tsel:1"));
        place = {.url = gate->url(), .login = {.user = "ada", .password = "r\xC3\xA4tsel:1"}};
    }
    auto wrong = place;
    wrong.login.password = "wr0ngsecret";
    Phone ada{place, database.name()};
    Phone stranger{wrong, database.name()};
    stranger.edit("a", {{"text", "milk"}});
    ada.edit("b", {{"text", "bread"}});

    const auto refused = stranger.sync();
    CHECK(refused.outcome == SyncOutcome::failed);
    REQUIRE(refused.has_errors());
    CHECK_THAT(refused.errors.front().message, contains("user or password is wrong"));
    CHECK(text_of(refused).find("wr0ng") == std::string::npos);
    CHECK(stranger.store->pending().size() == 1);
    CHECK(stranger.engine->retry_queue().dead_letters().empty());
    CHECK_THROWS_AS(stranger.couch.pull({.limit = 10}), Unauthorized);

    CouchDbRemote<> corrected{stranger.transport,
                              {.url = place.url, .database = database.name(), .auth = place.login}};
    CHECK(stranger.engine->sync(corrected.remote()).get().pushed == 1);
    settle({&ada, &good});
    CHECK(good.data("a") == json{{"text", "milk"}});
    check_equal({&ada, &good}, database);
}

}  // namespace test_of_trouble
