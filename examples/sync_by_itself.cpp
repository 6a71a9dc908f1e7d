// SPDX-License-Identifier: MIT
// An app that never asks for a sync: a thread of its own does, when there is a reason to.
#include <sync_engine.hpp>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <future>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>

using namespace sync_engine;

/// What the thread sleeps by.
class Bell {
public:
    void ring(RetryMode mode) {
        const std::lock_guard lock(mutex_);
        is_rung_ = true;
        if (mode == RetryMode::now) mode_ = mode;
        rung_.notify_one();
    }

    /// Sleeps until it rings, and no longer than `longest`. How the next sync is to treat what
    /// waits.
    RetryMode sleep(std::chrono::milliseconds longest) {
        std::unique_lock lock(mutex_);
        rung_.wait_for(lock, longest, [&] { return is_rung_; });
        is_rung_ = false;
        return std::exchange(mode_, RetryMode::when_due);
    }

private:
    std::mutex mutex_;
    std::condition_variable rung_;
    bool is_rung_ = false;
    RetryMode mode_ = RetryMode::when_due;
};

/// Syncs after an edit, when a change is due again, and every few minutes for the news of others.
class SyncThread {
public:
    SyncThread(LocalStore<>& store, SyncEngine<>& engine, Remote<> remote)
        : engine_(engine), remote_(std::move(remote)) {
        edits_ = store.subscribe([bell = bell_](const StoreChange<>& change) {
            if (change.origin == ChangeOrigin::local) bell->ring(RetryMode::when_due);
        });
        thread_ = std::thread{[this] { run(); }};
    }

    SyncThread(const SyncThread&) = delete;
    SyncThread& operator=(const SyncThread&) = delete;

    ~SyncThread() {
        stop_.request_stop();  // a sync under way ends soon, and keeps what it did
        bell_->ring(RetryMode::when_due);
        thread_.join();
    }

    /// Somebody asks, or the network is back, or there is a new login: waits of ours are over.
    void sync_now() { bell_->ring(RetryMode::now); }

private:
    void run() {
        RetryMode mode = RetryMode::now;
        while (!stop_.token().stop_requested()) {
            try {
                engine_.sync(remote_, {.stop = stop_.token(), .retry = mode}).get();
            } catch (const StorageError& error) {
                std::fprintf(stderr, "%s\n", error.what());  // of the own disk: tell the user
            }
            mode = bell_->sleep(pause());
        }
    }

    /// How long to sleep if nobody rings.
    std::chrono::milliseconds pause() const {
        const std::chrono::milliseconds longest = std::chrono::minutes{5};
        const auto due = engine_.retry_queue().next_due();
        if (!due) return longest;
        const auto wait = std::chrono::ceil<std::chrono::milliseconds>(*due - now());
        return std::clamp(wait, std::chrono::milliseconds{100}, longest);
    }

    SyncEngine<>& engine_;
    Remote<> remote_;
    StopSource stop_;
    std::shared_ptr<Bell> bell_ = std::make_shared<Bell>();  // an edit may ring while we go
    Subscription edits_;
    std::thread thread_;
};

int main() {
    MemoryRemote<> server;
    LocalStore<> store;
    SyncEngine<> engine{store};
    std::promise<void> failed;
    std::promise<void> arrived;
    bool is_first = true;
    engine.on_after_sync = [&](const SyncResult&) {
        if (std::exchange(is_first, false)) failed.set_value();
        if (store.pending().empty() && server.count() == 1) arrived.set_value();
    };

    server.set_offline(true);
    store.put({.id = "oak", .data = {{"height_m", 12}}});
    SyncThread syncs{store, engine, server.remote()};
    failed.get_future().wait();
    std::puts("Nobody there; the oak waits.");

    server.set_offline(false);
    arrived.get_future().wait();  // nobody asked: its time came
    std::puts("The oak has arrived.");
    return server.find("oak")->data["height_m"] == 12 ? EXIT_SUCCESS : EXIT_FAILURE;
}
