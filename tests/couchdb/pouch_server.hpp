// SPDX-License-Identifier: MIT
#pragma once

#include <sync_engine/record/error.hpp>

#include "couchdb/place.hpp"
#include "support/raw_server.hpp"
#include "support/temporary_folder.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

namespace sync_engine::test {

/// A program that this process has started. It dies with this object at the latest.
class Program {
public:
    /// Runs `words` in `folder`; what it says goes to the file `log` there.
    Program(const std::vector<std::string>& words, const std::string& folder,
            const std::string& log) {
        std::vector<char*> arguments;
        arguments.reserve(words.size() + 1);
        for (const auto& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
        arguments.push_back(nullptr);
        const std::string said = folder + '/' + log;
        id_ = ::fork();
        if (id_ < 0) throw_errno("fork");
        if (id_ == 0) {
            const int output = ::open(said.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
            const int input = ::open("/dev/null", O_RDONLY);
            const bool is_ready = ::dup2(output, 1) >= 0 && ::dup2(output, 2) >= 0 &&
                                  ::dup2(input, 0) >= 0 && ::chdir(folder.c_str()) == 0;
            if (is_ready) ::execvp(arguments[0], arguments.data());
            ::_exit(127);
        }
    }
    Program(const Program&) = delete;
    Program& operator=(const Program&) = delete;
    ~Program() { kill(); }

    /// As by a power cut: it has no chance to tidy up.
    void kill() noexcept {
        if (id_ <= 0) return;
        ::kill(id_, SIGKILL);
        while (::waitpid(id_, nullptr, 0) < 0 && errno == EINTR) {
        }
        id_ = 0;
    }

    [[nodiscard]] bool is_running() noexcept {
        if (id_ <= 0) return false;
        if (::waitpid(id_, &status_, WNOHANG) == id_) id_ = 0;
        return id_ > 0;
    }

    /// Waits for its end, and kills it if that does not come; true: it ended well.
    [[nodiscard]] bool ends_well_within(std::chrono::seconds time) {
        const auto end = std::chrono::steady_clock::now() + time;
        while (is_running()) {
            if (std::chrono::steady_clock::now() > end) {
                kill();
                return false;
            }
            std::this_thread::sleep_for(std::chrono::milliseconds{10});
        }
        return WIFEXITED(status_) && WEXITSTATUS(status_) == 0;
    }

private:
    pid_t id_ = 0;
    int status_ = 0;
};

/// A pouchdb-server on LevelDB, in a folder of its own, that a test may kill and start again.
class PouchServer {
public:
    /// `script` is what the environment calls SYNC_POUCHDB_SERVER.
    explicit PouchServer(std::string script) : script_(std::move(script)) {
        constexpr int chances = 5;  // somebody may take the port before the server does
        for (int chance = 1; !try_start(); ++chance) {
            if (chance == chances) throw Error("pouchdb-server does not start: " + said());
        }
    }

    /// What `kill` has left, on the same port.
    void start() {
        if (!try_start(port_)) throw Error("pouchdb-server does not start again: " + said());
    }

    void kill() noexcept { program_.reset(); }

    [[nodiscard]] bool is_running() { return program_ && program_->is_running(); }

    [[nodiscard]] Place place() const {
        return {.url = "http://127.0.0.1:" + std::to_string(port_), .login = {}};
    }

private:
    bool try_start() {
        port_ = RawServer{[](Socket&) {}}.port();  // a free one
        return try_start(port_);
    }

    bool try_start(std::uint16_t port) {
        program_.emplace(
            std::vector<std::string>{"node", script_, "--dir", folder_.path().string(), "--host",
                                     "127.0.0.1", "--port", std::to_string(port), "--config",
                                     (folder_ / "config.json").string(), "--no-stdout-logs"},
            folder_.path().string(), "said.txt");
        const auto end = std::chrono::steady_clock::now() + std::chrono::seconds{30};
        while (program_->is_running() && std::chrono::steady_clock::now() < end) {
            if (answers(port)) return true;
            std::this_thread::sleep_for(std::chrono::milliseconds{20});
        }
        program_.reset();
        return false;
    }

    static bool answers(std::uint16_t port) {
        try {
            const auto socket = Socket::to(port);
            return socket->write("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n") &&
                   socket->read_some().find(" 200 ") != std::string::npos;
        } catch (const std::system_error&) {
            return false;
        }
    }

    [[nodiscard]] std::string said() const { return bytes_of(folder_ / "said.txt"); }

    std::string script_;
    TemporaryFolder folder_{};
    std::optional<Program> program_{};
    std::uint16_t port_ = 0;
};

}  // namespace sync_engine::test
