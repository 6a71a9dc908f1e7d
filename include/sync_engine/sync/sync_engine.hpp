// SPDX-License-Identifier: MIT
#pragma once

#include <sync_engine/conflict/conflict_resolver.hpp>
#include <sync_engine/record/sync_record.hpp>
#include <sync_engine/record/unknown_members.hpp>
#include <sync_engine/remote/remote.hpp>
#include <sync_engine/retry/retry_queue.hpp>
#include <sync_engine/store/local_store.hpp>
#include <sync_engine/store/sync_metadata.hpp>
#include <sync_engine/sync/engine_options.hpp>
#include <sync_engine/sync/store_ledger.hpp>
#include <sync_engine/sync/sync_options.hpp>
#include <sync_engine/sync/sync_result.hpp>
#include <sync_engine/sync/sync_run.hpp>

#include <nlohmann/json_fwd.hpp>

#include <concepts>
#include <condition_variable>
#include <cstdio>
#include <exception>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <thread>
#include <utility>
#include <vector>

namespace sync_engine {

/// Syncs a store with a remote, one sync at a time.
///
/// It owns no data: everything that has to outlive it is in the store, which has to outlive the
/// engine. Every member may be called from any thread, hooks and callbacks included; set the hooks
/// while no sync is being started.
///
/// The destructor stops a running sync at its next safe point and waits for it; user code that
/// blocks blocks it too. That is also so for a sync that the engine's own thread has yet to begin:
/// its hooks are called. One that `EngineOptions::executor` has not begun is cancelled: no hook or
/// callback of it is called, its future answers `stopped` with an error that says why, the store
/// may be synced by another engine, and its task does nothing when its turn comes.
template <class Data = nlohmann::json>
class SyncEngine {
public:
    /// `retry` gives the rules of retrying; options say where a sync runs.
    explicit SyncEngine(LocalStore<Data>& store, ConflictResolver<Data> resolver = {},
                        RetryQueue<Data> retry = {}, EngineOptions options = {})
        : store_(store),
          resolver_(std::move(resolver)),
          retry_(std::move(retry)),
          options_(std::move(options)) {
        static_assert(detail::HasAdapters<Data>,
                      "a sync needs JSON adapters of Data: to_json and from_json, as by "
                      "NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT beside the type");
        static_assert(std::equality_comparable<Data>,
                      "a sync needs operator== of Data: bool operator==(const Data&) const = "
                      "default");
        auto ledger = std::make_shared<detail::StoreLedger<Data>>(store_, options_.max_retry_after);
        retry_.attach(std::move(ledger), store_.options().clock, store_.options().random);
    }

    SyncEngine(const SyncEngine&) = delete;
    SyncEngine& operator=(const SyncEngine&) = delete;

    ~SyncEngine() {
        request_stop();
        cancel_queued();
        {
            std::unique_lock lock(status_->mutex);
            if (status_->is_running && status_->runner == std::this_thread::get_id()) {
                std::fputs(
                    "sync_engine: an engine was destroyed inside a hook or callback of its "
                    "own sync; destroy it elsewhere\n",
                    stderr);
                std::terminate();
            }
            status_->ended.wait(lock, [&] { return !status_->is_running; });
        }
        const std::lock_guard lock(thread_mutex_);
        if (thread_.joinable()) thread_.join();
    }

    /// Called with what is pending before anything else is done, also if that is nothing; `false`,
    /// or an exception, vetoes the sync.
    std::function<bool(const std::vector<SyncRecord<Data>>&)> on_before_sync{};
    /// Called with the result after everything else is done and stored. Not called where nothing
    /// was begun (a veto, `already_running`, another remote's name, a remote that is to be left
    /// alone for now, a sync that was cancelled because its engine was destroyed, a task that the
    /// executor dropped, whose promise is broken), nor where the local storage failed: the future
    /// alone says so.
    std::function<void(const SyncResult&)> on_after_sync{};
    /// Called with `(local, remote)` before the resolver is asked.
    std::function<void(const SyncRecord<Data>&, const SyncRecord<Data>&)> on_conflict{};

    /// Pulls, reconciles and pushes. What a remote, hook or resolver did is in the result; the
    /// future throws `StorageError` if the local storage failed, with the store as it was after the
    /// last commit. While another sync of the store runs, it answers `already_running` at once.
    std::future<SyncResult> sync(Remote<Data> remote, SyncOptions options = {}) {
        return start(std::move(remote), std::move(options), nullptr);
    }

    /// The same, but pushes only the changes for which `predicate(const SyncRecord<Data>&)` is
    /// true. A deletion is asked about by its last content. What it leaves out stays pending.
    /// Throws `std::invalid_argument` if the predicate is empty.
    std::future<SyncResult> sync_where(std::function<bool(const SyncRecord<Data>&)> predicate,
                                       Remote<Data> remote, SyncOptions options = {}) {
        if (!predicate) throw std::invalid_argument("sync_where needs a predicate");
        return start(std::move(remote), std::move(options), std::move(predicate));
    }

    /// What all syncs of this store add up to.
    [[nodiscard]] SyncMetadata metadata() const { return store_.state().metadata; }

    /// The result of the last sync that this engine ran; nothing before the first.
    [[nodiscard]] std::optional<SyncResult> last_sync_result() const {
        const std::lock_guard lock(status_->mutex);
        return status_->last_result;
    }

    /// Whether a sync of this engine is under way: from the call that starts it to its end, just
    /// before its future is ready. Another engine that syncs the same store does not count.
    [[nodiscard]] bool is_syncing() const {
        const std::lock_guard lock(status_->mutex);
        return status_->is_running;
    }

    /// Changes whose push failed, and dead letters: a view of the store.
    [[nodiscard]] RetryQueue<Data>& retry_queue() noexcept { return retry_; }
    /// The same, to look at.
    [[nodiscard]] const RetryQueue<Data>& retry_queue() const noexcept { return retry_; }

    /// Asks a running sync to end at its next safe point, with outcome `stopped`.
    void request_stop() {
        const std::lock_guard lock(status_->mutex);
        status_->stop.request_stop();
    }

private:
    /// What a sync shares with the engine. It is kept alive by both, so that the end of the one may
    /// be noticed by the other.
    struct Status {
        std::mutex mutex;
        std::condition_variable ended;
        bool is_running = false;
        std::thread::id runner{};
        StopSource stop{};
        std::optional<SyncResult> last_result{};
    };

    /// A sync on its way to an executor. If that drops it, the sync is over all the same.
    class Task {
    public:
        Task(SyncEngine& engine, detail::SyncJob<Data>&& job)
            : engine_(engine), status_(engine.status_), job_(std::move(job)) {}
        Task(const Task&) = delete;
        Task& operator=(const Task&) = delete;
        ~Task() { end(); }

        /// Takes the right to sync; false if another sync has it.
        [[nodiscard]] bool begin() {
            const std::lock_guard lock(status_->mutex);
            if (!status_->is_running) lease_ = engine_.store_.begin_sync();
            if (lease_ == nullptr) return false;
            status_->is_running = true;
            status_->stop = StopSource{};
            job_->stop = StopToken::either(status_->stop.token(), job_->options.stop);
            is_queued_ = true;
            return true;
        }

        [[nodiscard]] std::future<SyncResult> future() { return promise_.get_future(); }

        /// Syncs; does nothing if it was cancelled, because the engine is gone then.
        void run() {
            if (!leave_queue()) return;
            std::optional<SyncResult> result;
            std::exception_ptr error;
            try {
                detail::SyncRun<Data> run(engine_.store_, engine_.resolver_,
                                          engine_.retry_.options(), engine_.options_,
                                          std::move(*job_));
                result = run.run();
            } catch (...) {
                error = std::current_exception();
            }
            end(result);
            if (error) {
                promise_.set_exception(error);
            } else {
                promise_.set_value(std::move(*result));
            }
        }

        /// Ends it for an engine that is being destroyed; does nothing if it has begun.
        void cancel() {
            if (!leave_queue()) return;
            auto result = cancelled();
            end();
            promise_.set_value(std::move(result));
        }

    private:
        /// Of those who want to run or cancel it, true for the first alone.
        [[nodiscard]] bool leave_queue() {
            const std::lock_guard lock(status_->mutex);
            if (!std::exchange(is_queued_, false)) return false;
            status_->runner = std::this_thread::get_id();
            return true;
        }

        [[nodiscard]] SyncResult cancelled() const {
            SyncResult result{.outcome = SyncOutcome::stopped};
            try {
                result.errors.push_back({.message = "the engine was destroyed before this sync had "
                                                    "begun; sync again with another engine",
                                         .timestamp = engine_.store_.options().clock()});
            } catch (...) {  // no memory, or no clock: the outcome has to do
            }
            return result;
        }

        /// Frees store and engine, which may be gone right after; neither is touched again.
        void end(const std::optional<SyncResult>& result = std::nullopt) {
            if (lease_ == nullptr) return;
            job_.reset();
            lease_.reset();
            const std::lock_guard lock(status_->mutex);
            if (result) status_->last_result = result;
            status_->is_running = false;
            status_->runner = {};
            status_->ended.notify_all();
        }

        SyncEngine& engine_;
        std::shared_ptr<Status> status_;
        std::optional<detail::SyncJob<Data>> job_;
        SyncRight lease_;
        bool is_queued_ = false;  // guarded by the mutex of the status
        std::promise<SyncResult> promise_;
    };

    std::future<SyncResult> start(Remote<Data>&& remote, SyncOptions&& options,
                                  std::function<bool(const SyncRecord<Data>&)> predicate) {
        auto task = std::make_shared<Task>(
            *this, detail::SyncJob<Data>{.remote = std::move(remote),
                                         .options = std::move(options),
                                         .hooks = {on_before_sync, on_after_sync, on_conflict},
                                         .predicate = std::move(predicate)});
        if (!task->begin()) {
            return make_ready_future(SyncResult{.outcome = SyncOutcome::already_running});
        }
        auto future = task->future();
        task_ = task;
        execute([task = std::move(task)] { task->run(); });
        return future;
    }

    /// The engine's own thread comes to its task in any case, and is waited for.
    void cancel_queued() {
        if (!options_.executor) return;
        if (const auto task = task_.lock()) task->cancel();
    }

    void execute(std::function<void()> task) {
        if (options_.executor) return options_.executor(std::move(task));
        if constexpr (!has_threads) return task();
        const std::lock_guard lock(thread_mutex_);
        if (thread_.joinable()) thread_.join();  // its sync has ended, so this is short
        thread_ = std::thread(std::move(task));
    }

    LocalStore<Data>& store_;
    ConflictResolver<Data> resolver_;
    RetryQueue<Data> retry_;
    EngineOptions options_;
    std::shared_ptr<Status> status_ = std::make_shared<Status>();
    std::weak_ptr<Task> task_;  // the last one begun: written by whoever has the right to sync
    std::mutex thread_mutex_;
    std::thread thread_;
};

}  // namespace sync_engine
