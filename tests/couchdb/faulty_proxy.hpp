// SPDX-License-Identifier: MIT
#pragma once

#include <sync_engine/record/error.hpp>
#include <sync_engine/testing/random.hpp>

#include "couchdb/place.hpp"
#include "support/raw_server.hpp"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace sync_engine::test {

/// The port of a server on this machine; nothing for one that is elsewhere, or behind TLS.
inline std::optional<std::uint16_t> local_port_of(const Place& place) {
    for (const std::string host : {"http://127.0.0.1:", "http://localhost:"}) {
        if (place.url.rfind(host, 0) != 0) continue;
        std::uint16_t port = 0;
        const auto* end = place.url.data() + place.url.size();
        const auto read = std::from_chars(place.url.data() + host.size(), end, port);
        if (read.ec == std::errc{} && read.ptr == end) return port;
    }
    return std::nullopt;
}

/// What may happen to a request on its way.
enum class Mishap {
    none,
    refused,    ///< the connection ends before the server saw anything
    cut,        ///< the server gets a part of the request
    delayed,    ///< all goes well, but not at once
    doubled,    ///< the server gets it twice, and the second answer comes back
    truncated,  ///< the server did it, and a part of the answer comes back
    lost,       ///< the server did it, and the connection is reset
};

/// A network between us and a server that loses, cuts, delays and repeats, from a seed, until it is
/// told to behave.
class FaultyProxy {
public:
    /// `faults` of ten requests go wrong.
    FaultyProxy(std::uint16_t server, std::uint64_t seed, std::uint32_t faults = 5)
        : server_(server),
          random_(seed),
          faults_(faults),
          proxy_([this](Socket& client) { talk(client); }) {}

    void behave() {
        const std::lock_guard lock(mutex_);
        faults_ = 0;
    }

    [[nodiscard]] std::string url() const {
        return "http://127.0.0.1:" + std::to_string(proxy_.port());
    }

    /// How often each happened.
    [[nodiscard]] std::map<Mishap, std::size_t> mishaps() const {
        const std::lock_guard lock(mutex_);
        return mishaps_;
    }

    /// The requests that came so far.
    [[nodiscard]] std::vector<RawRequest> requests() const { return proxy_.requests(); }

private:
    struct Chance {
        Mishap mishap = Mishap::none;
        std::uint32_t number = 0;
    };

    Chance draw() {
        const std::lock_guard lock(mutex_);
        Chance chance;
        if (random_.below(10) < faults_) {
            chance.mishap = static_cast<Mishap>(1 + random_.below(6));
            chance.number = random_.below(1'000'000);
        }
        ++mishaps_[chance.mishap];
        return chance;
    }

    void talk(Socket& client) {
        const auto request = client.read_request();
        if (!request) return;
        const auto [mishap, number] = draw();
        const std::string bytes = one_request(*request);
        switch (mishap) {
            case Mishap::none:
                break;
            case Mishap::refused:
                return;
            case Mishap::cut: {
                const auto server = Socket::to(server_);
                server->write(bytes.substr(0, number % bytes.size()));
                return;
            }
            case Mishap::delayed:
                (void)client.hears_within(std::chrono::milliseconds{number % 80});
                break;
            case Mishap::doubled:
                (void)answer_to(bytes, client);
                break;
            case Mishap::truncated: {
                const auto answer = answer_to(bytes, client);
                client.write(answer.substr(0, number % std::max<std::size_t>(answer.size(), 1)));
                return;
            }
            case Mishap::lost:
                (void)answer_to(bytes, client);
                client.reset_at_end();
                return;
        }
        client.write(answer_to(bytes, client));
    }

    /// The answer up to the end of the connection; throws if the client is gone before.
    std::string answer_to(const std::string& request, Socket& client) const {
        constexpr std::chrono::milliseconds now_and_then{20};
        const auto server = Socket::to(server_);
        server->write(request);
        std::string answer;
        for (;;) {
            while (!server->hears_within(now_and_then)) {
                if (client.hears_within({})) throw Error("nobody waits for the answer");
            }
            const auto some = server->read_some();
            if (some.empty()) return answer;
            answer += some;
        }
    }

    /// The request as the last one of its connection.
    static std::string one_request(const RawRequest& request) {
        const auto first_line = request.head.find("\r\n") + 2;
        return request.head.substr(0, first_line) + "Connection: close\r\n" +
               request.head.substr(first_line) + request.body;
    }

    std::uint16_t server_;
    mutable std::mutex mutex_{};
    testing::SeededRandom random_;
    std::uint32_t faults_;
    std::map<Mishap, std::size_t> mishaps_{};
    RawServer proxy_;
};

}  // namespace sync_engine::test
