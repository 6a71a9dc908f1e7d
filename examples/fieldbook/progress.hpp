// SPDX-License-Identifier: MIT
#pragma once

#include <unistd.h>

#include <chrono>
#include <cstddef>
#include <cstdio>

namespace fieldbook {

/// One line on a terminal that says how far a sync has come; elsewhere nothing.
class Progress {
public:
    Progress() = default;
    Progress(const Progress&) = delete;
    Progress& operator=(const Progress&) = delete;
    ~Progress() { end(); }

    void show(std::size_t completed, std::size_t total) {
        if (!is_terminal_) return;
        const auto now = std::chrono::steady_clock::now();
        if (is_shown_ && completed < total && now - shown_at_ < often_enough) return;
        is_shown_ = true;
        shown_at_ = now;
        std::fprintf(stderr, "\r\033[KSyncing: %zu of %zu records", completed, total);
    }

    /// Removes the line, so that something else may be written.
    void end() {
        if (is_shown_) std::fputs("\r\033[K", stderr);
        is_shown_ = false;
    }

private:
    static constexpr std::chrono::milliseconds often_enough{100};  // more nobody can read

    bool is_terminal_ = isatty(STDERR_FILENO) == 1;
    bool is_shown_ = false;
    std::chrono::steady_clock::time_point shown_at_{};
};

}  // namespace fieldbook
