// SPDX-License-Identifier: MIT
#pragma once

#include <sync_engine/remote/stop_token.hpp>

#include <fcntl.h>
#include <signal.h>  // NOLINT(modernize-deprecated-headers): sigaction is POSIX
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <system_error>
#include <thread>

namespace fieldbook {

/// Turns the first Ctrl-C (or SIGTERM) into a stop at the next safe point. The second one ends the
/// program at once, which loses nothing either: what was not committed never happened.
///
/// One at a time. A signal handler may do next to nothing, so it writes a byte to a pipe, and a
/// thread that waits there does the rest.
class Interrupt {
public:
    Interrupt() {
        if (::pipe2(pipe_.data(), O_CLOEXEC) != 0) {
            throw std::system_error(errno, std::generic_category(), "no pipe for Ctrl-C");
        }
        write_end.store(pipe_[1]);
        watcher_ = std::thread([this] { watch(); });
        listen(&on_signal);
    }

    Interrupt(const Interrupt&) = delete;
    Interrupt& operator=(const Interrupt&) = delete;

    ~Interrupt() {
        listen(SIG_DFL);
        write_end.store(-1);
        ::close(pipe_[1]);
        watcher_.join();
        ::close(pipe_[0]);
    }

    [[nodiscard]] sync_engine::StopToken token() const { return source_.token(); }

    [[nodiscard]] bool is_requested() const { return token().stop_requested(); }

private:
    static inline std::atomic<int> write_end{-1};
    static_assert(std::atomic<int>::is_always_lock_free, "a signal handler may not wait");

    static void on_signal(int /*signal*/) {
        const int saved = errno;
        [[maybe_unused]] const auto written = ::write(write_end.load(), "", 1);
        errno = saved;
    }

    static void listen(void (*handler)(int)) {
        struct sigaction action {};
        action.sa_handler = handler;
        action.sa_flags = SA_RESTART | static_cast<int>(SA_RESETHAND);
        sigemptyset(&action.sa_mask);
        for (const int signal : {SIGINT, SIGTERM}) sigaction(signal, &action, nullptr);
    }

    void watch() {
        char byte = 0;
        ssize_t size = 0;
        do {
            size = ::read(pipe_[0], &byte, 1);
        } while (size < 0 && errno == EINTR);
        if (size != 1) return;
        if (isatty(STDERR_FILENO) == 1) {
            std::fputs("\r\033[KStopping at the next safe point; once more ends at once.\n",
                       stderr);
        }
        source_.request_stop();
    }

    std::array<int, 2> pipe_{-1, -1};
    sync_engine::StopSource source_;
    std::thread watcher_;
};

}  // namespace fieldbook
