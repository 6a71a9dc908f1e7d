// SPDX-License-Identifier: MIT
// Waiting for what others write.
#include <sync_engine/remote/couchdb_remote.hpp>
#include <sync_engine/remote/stop_token.hpp>

#include "couchdb/database.hpp"
#include "couchdb/faulty_proxy.hpp"
#include "couchdb/phone.hpp"
#include "couchdb/place.hpp"
#include "support/catch.hpp"

#include <nlohmann/json.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <future>
#include <optional>
#include <string>
#include <thread>

namespace test_of_live {

using namespace std::chrono_literals;
using namespace sync_engine;
using namespace sync_engine::test;
using nlohmann::json;

namespace {

/// A device whose requests are counted on their way.
struct Watched {
    explicit Watched(std::uint16_t port) : proxy{port, 1, 0} {}

    /// True as soon as so many long polls are with the server.
    [[nodiscard]] bool has_polled(std::size_t count) const {
        const auto end = std::chrono::steady_clock::now() + 20s;
        while (std::chrono::steady_clock::now() < end) {
            if (polls() >= count) return true;
            std::this_thread::sleep_for(5ms);
        }
        return false;
    }

    [[nodiscard]] std::size_t polls() const {
        std::size_t count = 0;
        for (const auto& request : proxy.requests()) {
            if (request.target().find("feed=longpoll") != std::string::npos) ++count;
        }
        return count;
    }

    Database database{};
    FaultyProxy proxy;
    Phone ada{{.url = proxy.url(), .login = database.place().login}, database.name()};
};

std::optional<std::uint16_t> port_to_watch() {
    const auto port = local_port_of(place_under_test());
    if (!port) WARN("left out: the server is not on this machine, and no proxy goes between");
    return port;
}

}  // namespace

TEST_CASE("a wait ends when another client edits", "[couchdb]") {
    const auto port = port_to_watch();
    if (!port) return;
    Watched watched{*port};
    Phone& ada = watched.ada;
    settle({&ada});
    for (std::size_t round = 1; round <= 3; ++round) {
        auto woken =
            std::async(std::launch::async, [&] { return ada.couch.wait_for_changes(60s); });
        REQUIRE(watched.has_polled(round));
        const auto start = std::chrono::steady_clock::now();
        watched.database.put("a", {{"round", round}});
        CHECK(woken.get());
        CHECK(std::chrono::steady_clock::now() - start < 10s);
        CHECK(ada.sync().pulled == 1);
        CHECK(ada.data("a").at("round") == round);
    }
    CHECK(watched.polls() == 3);
}

TEST_CASE("a wait for nothing is one request, and ends", "[couchdb]") {
    const auto port = port_to_watch();
    if (!port) return;
    Watched watched{*port};
    watched.database.put("a", {{"text", "milk"}});
    settle({&watched.ada});
    const auto before = watched.proxy.requests().size();
    const auto start = std::chrono::steady_clock::now();

    CHECK_FALSE(watched.ada.couch.wait_for_changes(500ms));

    CHECK(std::chrono::steady_clock::now() - start < 10s);
    CHECK(watched.proxy.requests().size() == before + 1);
    CHECK(watched.polls() == 1);
}

TEST_CASE("a stop ends a wait at once", "[couchdb]") {
    const auto port = port_to_watch();
    if (!port) return;
    Watched watched{*port};
    settle({&watched.ada});
    StopSource stop;
    auto woken = std::async(std::launch::async,
                            [&] { return watched.ada.couch.wait_for_changes(60s, stop.token()); });
    REQUIRE(watched.has_polled(1));
    const auto start = std::chrono::steady_clock::now();
    stop.request_stop();
    CHECK_THROWS_AS(woken.get(), Stopped);
    CHECK(std::chrono::steady_clock::now() - start < 5s);
}

}  // namespace test_of_live
