// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <functional>

namespace sync_engine {

/// Runs a task: at once, on a thread, on a queue. A task that it drops without running ends the
/// sync with a broken promise, and no hook is called. One that it still has when the engine is
/// destroyed is cancelled: to run or drop it then does nothing, so a queue may outlive the engine
/// and the store.
using Executor = std::function<void(std::function<void()>)>;

/// The executor that runs a sync on the thread that asked for it: for a game loop, a simulation, a
/// platform without threads.
[[nodiscard]] inline Executor inline_executor() {
    return [](const std::function<void()>& task) { task(); };
}

/// Whether a thread can be started here: not in WebAssembly without pthreads. A sync then runs on
/// the thread that asks for it, and a future of a callback has to be ready: nobody is there who
/// could make it so while it is waited for.
#if defined(__EMSCRIPTEN__) && !defined(__EMSCRIPTEN_PTHREADS__)
inline constexpr bool has_threads = false;
#else
inline constexpr bool has_threads = true;
#endif

/// What an engine is given from outside (law 12). Time of day and randomness are the store's.
struct EngineOptions {
    /// Where a sync runs; none: on a thread that each sync starts, if there are threads.
    Executor executor{};
    /// A clock that never goes back, for time-outs alone.
    std::function<std::chrono::nanoseconds()> monotonic = [] {
        return std::chrono::duration_cast<std::chrono::nanoseconds>(
            std::chrono::steady_clock::now().time_since_epoch());
    };
    /// How long a stop may go unnoticed while a callback's future is waited for: too short for a
    /// person to notice, long enough to cost nothing.
    std::chrono::milliseconds poll_interval{10};
    /// The longest that a remote may ask us to wait; a broken one may say years. With less than a
    /// second, it can ask for nothing.
    std::chrono::milliseconds max_retry_after = std::chrono::hours{1};
    /// Whether a future may become ready while it is waited for. If not, one that is not ready is
    /// given up at once; a simulation whose time passes by looking at its clock can always wait.
    bool can_wait = has_threads;
};

}  // namespace sync_engine
