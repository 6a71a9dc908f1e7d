// SPDX-License-Identifier: MIT
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

namespace sync_engine::test {

[[noreturn]] inline void throw_errno(const char* call) {
    throw std::system_error(errno, std::generic_category(), call);
}

/// A request as it came over the wire.
struct RawRequest {
    std::string head{};  ///< the request line and the headers, with the blank line after them
    std::string body{};

    /// The method, or the word in another place of the request line.
    [[nodiscard]] std::string word(int place = 0) const {
        std::size_t from = 0;
        for (; place > 0; --place) from = head.find(' ', from) + 1;
        return head.substr(from, head.find_first_of(" \r", from) - from);
    }
    [[nodiscard]] std::string method() const { return word(0); }
    [[nodiscard]] std::string target() const { return word(1); }

    /// The value of a header, its name in any case; none if it was not sent.
    [[nodiscard]] std::optional<std::string> header(std::string_view name) const {
        const auto is_same = [](char a, char b) { return (a | 0x20) == (b | 0x20); };
        for (auto at = head.find("\r\n") + 2; at < head.size();) {
            const std::string_view line{head.data() + at, head.find("\r\n", at) - at};
            const auto colon = std::min(line.find(':'), line.size());
            if (std::equal(line.begin(), line.begin() + static_cast<std::ptrdiff_t>(colon),
                           name.begin(), name.end(), is_same) &&
                colon < line.size()) {
                const auto value = line.substr(colon + 1);
                return std::string{
                    value.substr(std::min(value.find_first_not_of(' '), value.size()))};
            }
            at += line.size() + 2;
        }
        return std::nullopt;
    }
};

/// One end of a TCP connection. Another thread may only `shut_down` it.
class Socket {
public:
    /// Owns `handle`; `heard` is told of each request that was read.
    explicit Socket(int handle, std::function<void(const RawRequest&)> heard = {})
        : handle_(handle), heard_(std::move(heard)) {
        const int on = 1;
        ::setsockopt(handle_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
#ifdef SO_NOSIGPIPE
        ::setsockopt(handle_, SOL_SOCKET, SO_NOSIGPIPE, &on, sizeof on);
#endif
    }
    /// A connection to a port of this machine.
    static std::unique_ptr<Socket> to(std::uint16_t port) {
        const int handle = ::socket(AF_INET, SOCK_STREAM, 0);
        if (handle < 0) throw_errno("socket");
        auto socket = std::make_unique<Socket>(handle);
        const sockaddr_in address = local(port);
        if (::connect(handle, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
            throw_errno("connect");
        }
        return socket;
    }
    Socket(const Socket&) = delete;
    Socket& operator=(const Socket&) = delete;
    ~Socket() {
        ::close(handle_);
    }

    /// What has come, at least a byte; empty when the other side has ended.
    std::string read_some() {
        if (!unread_.empty()) return std::exchange(unread_, {});
        std::array<char, 16384> bytes;
        for (;;) {
            const auto length = ::recv(handle_, bytes.data(), bytes.size(), 0);
            if (length >= 0) return {bytes.data(), static_cast<std::size_t>(length)};
            if (errno != EINTR) return {};
        }
    }

    /// A whole request with a body of its Content-Length; none when the other side has ended.
    std::optional<RawRequest> read_request() {
        constexpr std::string_view blank_line = "\r\n\r\n";
        std::string bytes;
        const auto more = [&] {
            const std::string some = read_some();
            bytes += some;
            return !some.empty();
        };
        while (bytes.find(blank_line) == std::string::npos) {
            if (!more()) return std::nullopt;
        }
        RawRequest request;
        request.head = bytes.substr(0, bytes.find(blank_line) + blank_line.size());
        std::size_t length = 0;
        if (const auto text = request.header("content-length")) {
            std::from_chars(text->data(), text->data() + text->size(), length);
        }
        const auto whole = request.head.size() + length;
        while (bytes.size() < whole) {
            if (!more()) return std::nullopt;
        }
        request.body = bytes.substr(request.head.size(), length);
        unread_ = bytes.substr(whole);
        if (heard_) heard_(request);
        return request;
    }

    /// False when the other side does not take it.
    bool write(std::string_view bytes) {
#ifdef MSG_NOSIGNAL
        constexpr int flags = MSG_NOSIGNAL;
#else
        constexpr int flags = 0;
#endif
        while (!bytes.empty()) {
            const auto length = ::send(handle_, bytes.data(), bytes.size(), flags);
            if (length >= 0) {
                bytes.remove_prefix(static_cast<std::size_t>(length));
            } else if (errno != EINTR) {
                return false;
            }
        }
        return true;
    }

    /// Waits until the other side ends or says something more, and no longer than that.
    bool hears_within(std::chrono::milliseconds time) {
        if (!unread_.empty()) return true;
        pollfd wait{handle_, POLLIN, 0};
        return ::poll(&wait, 1, static_cast<int>(time.count())) > 0;
    }

    /// Never answers: waits until the other side has ended.
    void wait_for_end() {
        while (!read_some().empty()) {
        }
    }

    /// Ends both directions, and wakes who reads or writes.
    void shut_down() noexcept {
        ::shutdown(handle_, SHUT_RDWR);
    }

    /// The connection will end with a reset, as when a machine has died and come back.
    void reset_at_end() {
        const linger at_once{1, 0};
        ::setsockopt(handle_, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    }

    [[nodiscard]] int handle() const noexcept {
        return handle_;
    }

    static sockaddr_in local(std::uint16_t port) {
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_port = htons(port);
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        return address;
    }

private:
    int handle_;
    std::function<void(const RawRequest&)> heard_;
    std::string unread_{};
};

/// A server on a free port of 127.0.0.1 that does with each connection what a test wants.
///
/// `talk` runs on a thread of its own for each connection, which ends when it returns or throws.
/// Catch2's macros are not for those threads: every request that was read is in `requests`. The
/// destructor ends every connection, which wakes a `talk` that reads, writes or waits, and waits
/// for them all.
class RawServer {
public:
    /// What happens on one connection.
    using Talk = std::function<void(Socket&)>;

    explicit RawServer(Talk talk) : talk_(std::move(talk)) {
        listening_ = ::socket(AF_INET, SOCK_STREAM, 0);
        sockaddr_in address = Socket::local(0);
        socklen_t size = sizeof address;
        auto* const generic = reinterpret_cast<sockaddr*>(&address);
        if (listening_ < 0 || ::bind(listening_, generic, size) != 0 ||
            ::listen(listening_, 64) != 0 || ::getsockname(listening_, generic, &size) != 0 ||
            ::pipe(ending_.data()) != 0) {
            throw_errno("a server on 127.0.0.1");
        }
        port_ = ntohs(address.sin_port);
        listener_ = std::thread([this] { listen(); });
    }
    RawServer(const RawServer&) = delete;
    RawServer& operator=(const RawServer&) = delete;
    ~RawServer() {
        ::close(ending_[1]);  // wakes the listener
        listener_.join();
        {
            const std::lock_guard lock(mutex_);
            for (auto& line : lines_) {
                if (line.socket) line.socket->shut_down();
            }
        }
        for (auto& line : lines_) line.thread.join();
        ::close(listening_);
        ::close(ending_[0]);
    }

    [[nodiscard]] std::uint16_t port() const noexcept { return port_; }
    [[nodiscard]] std::string url(const std::string& path = "/") const {
        return "http://127.0.0.1:" + std::to_string(port_) + path;
    }

    /// How many connections were made so far.
    [[nodiscard]] std::size_t connections() const {
        const std::lock_guard lock(mutex_);
        return lines_.size();
    }

    /// The requests that were read so far, on all connections.
    [[nodiscard]] std::vector<RawRequest> requests() const {
        const std::lock_guard lock(mutex_);
        return requests_;
    }
    /// True as soon as that many requests were read; false if they do not come.
    [[nodiscard]] bool has_got(std::size_t count) const {
        std::unique_lock lock(mutex_);
        return came_.wait_for(lock, std::chrono::seconds{60},
                              [&] { return requests_.size() >= count; });
    }

private:
    struct Line {
        std::unique_ptr<Socket> socket{};
        std::thread thread{};
    };

    void listen() {
        for (;;) {
            std::array<pollfd, 2> wait{{{listening_, POLLIN, 0}, {ending_[0], POLLIN, 0}}};
            if (::poll(wait.data(), wait.size(), -1) < 0) continue;
            if (wait[1].revents != 0) return;
            const int handle = ::accept(listening_, nullptr, nullptr);
            if (handle < 0) continue;
            const std::lock_guard lock(mutex_);
            Line& line = lines_.emplace_back();
            line.socket = std::make_unique<Socket>(
                handle, [this](const RawRequest& request) { keep(request); });
            line.thread =
                std::thread([this, &line, socket = line.socket.get()] { serve(line, *socket); });
        }
    }

    void serve(Line& line, Socket& socket) {
        try {
            talk_(socket);
        } catch (const std::exception&) {
            // The other side of a proxy is gone, for example: this connection ends as well.
        }
        const std::lock_guard lock(mutex_);
        line.socket.reset();
    }

    void keep(const RawRequest& request) {
        const std::lock_guard lock(mutex_);
        requests_.push_back(request);
        came_.notify_all();
    }

    Talk talk_;
    int listening_ = -1;
    std::array<int, 2> ending_{-1, -1};
    std::uint16_t port_ = 0;
    mutable std::mutex mutex_{};
    mutable std::condition_variable came_{};
    std::vector<RawRequest> requests_{};
    std::list<Line> lines_{};  // stays in place while threads refer to it
    std::thread listener_{};
};

}  // namespace sync_engine::test
