// SPDX-License-Identifier: MIT
#pragma once

#include <sync_engine/conflict/conflict_resolver.hpp>
#include <sync_engine/remote/remote.hpp>
#include <sync_engine/remote/remote_error.hpp>
#include <sync_engine/remote/stop_token.hpp>
#include <sync_engine/retry/retry_queue.hpp>
#include <sync_engine/store/local_store.hpp>
#include <sync_engine/sync/action.hpp>
#include <sync_engine/sync/engine_options.hpp>
#include <sync_engine/sync/sync_cycle.hpp>
#include <sync_engine/sync/sync_options.hpp>
#include <sync_engine/sync/sync_result.hpp>
#include <sync_engine/sync/sync_run.hpp>

#include <nlohmann/json_fwd.hpp>

#include <chrono>
#include <cstdint>
#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <stdexcept>
#include <type_traits>
#include <utility>
#include <variant>

namespace sync_engine::testing {

/// One sync of a store, one action at a time: the shell of the engine, without a thread that waits.
///
/// Between two steps anything may happen: edits, other devices, a crash. A call whose future is not
/// ready is under way; it can be timed out, and its reply may still come, for this sync or a later
/// one. Time-outs are the test's: `time_out` is one, whatever the options say. Not thread-safe.
template <class Data = nlohmann::json>
class SteppedSync {
public:
    /// A call that nobody waits for any more, whose reply may still come.
    class LateReply {
    public:
        /// True once it has come.
        [[nodiscard]] bool is_ready() const {
            return std::visit([](const auto& future) { return ready(future); }, future_);
        }

    private:
        friend class SteppedSync;
        std::uint64_t number_ = 0;
        std::variant<std::future<PullPage<Data>>, std::future<PushReport<Data>>> future_{};
    };

    /// Called after each question to the resolver, with its answer.
    std::function<void(const ResolveConflict<Data>&, const Resolved<Data>&)> on_resolved{};

    /// Store and resolver have to outlive it. Check `has_begun` first: another sync of the store
    /// may be running.
    SteppedSync(LocalStore<Data>& store, const ConflictResolver<Data>& resolver,
                Remote<Data> remote, const SyncOptions& options = {}, RetryOptions retry = {},
                EngineOptions engine = {})
        : SteppedSync(store, resolver, std::move(retry), std::move(engine),
                      {.remote = std::move(remote), .options = options, .stop = options.stop}) {}

    /// With the hooks and the filter of an engine too: for the simulator.
    SteppedSync(LocalStore<Data>& store, const ConflictResolver<Data>& resolver, RetryOptions retry,
                EngineOptions engine, sync_engine::detail::SyncJob<Data> job)
        : lease_(store.begin_sync()),
          stop_(job.stop),
          retry_(std::move(retry)),
          engine_(std::move(engine)),
          run_(store, resolver, retry_, engine_, std::move(job)),
          cycle_(run_.setup()),
          action_(cycle_.start(run_.time())) {}

    SteppedSync(const SteppedSync&) = delete;
    SteppedSync& operator=(const SteppedSync&) = delete;

    /// False if another sync of the store is running: then this one does nothing.
    [[nodiscard]] bool has_begun() const noexcept { return lease_ != nullptr; }

    /// What is to be done next.
    [[nodiscard]] const Action<Data>& action() const noexcept { return action_; }
    /// True once there is a result.
    [[nodiscard]] bool is_done() const noexcept { return sync_engine::is_done(action_); }
    /// True while a call is under way and not ready.
    [[nodiscard]] bool is_waiting() const { return under_way_ && !under_way_->is_ready(); }

    /// Does it; nothing if that is a call that is still under way. Throws what the store throws:
    /// then the sync is over. Throws `std::logic_error` if the sync has not begun.
    void step() {
        if (!has_begun()) throw std::logic_error("another sync of the store is running");
        if (under_way_) {
            if (!under_way_->is_ready()) return;
            LateReply reply = std::move(*under_way_);
            under_way_.reset();
            return resume(event_of(std::move(reply)));
        }
        if (auto event = perform()) resume(std::move(*event));
    }

    /// Takes the call that is under way along, because the process dies. Throws `std::logic_error`
    /// if none is.
    [[nodiscard]] LateReply abandon() {
        if (!under_way_) throw std::logic_error("no call is under way");
        LateReply reply = std::move(*under_way_);
        under_way_.reset();
        return reply;
    }

    /// Gives up the call that is under way. Throws `std::logic_error` if none is.
    [[nodiscard]] LateReply time_out() {
        LateReply reply = abandon();
        resume(
            CallFailed{.number = reply.number_, .message = "the callback was not ready in time"});
        return reply;
    }

    /// Tells the sync the reply to a call that was given up, in this sync or an earlier one. True
    /// if it is none of its business, as it should be. Throws `std::logic_error` if the reply is
    /// not ready.
    [[nodiscard]] bool ignores(LateReply reply) {
        if (!reply.is_ready()) throw std::logic_error("the late reply has not come yet");
        auto next = cycle_.resume(event_of(std::move(reply)), run_.time());
        if (std::holds_alternative<KeepWaiting>(next)) return true;
        action_ = std::move(next);
        return false;
    }

    /// What it came to. Throws `std::logic_error` if it is not done.
    [[nodiscard]] const SyncResult& result() const {
        if (!is_done()) throw std::logic_error("the sync is not done yet");
        return std::get<CycleDone>(action_).result;
    }

private:
    struct NotReady {};

    template <class Value>
    static bool ready(const std::future<Value>& future) {
        return future.valid() &&
               future.wait_for(std::chrono::seconds{0}) != std::future_status::timeout;
    }

    /// Takes the value of a ready future; puts any other aside. The simple forms are not put aside:
    /// one that is not ready at once has timed out.
    struct Await {
        std::optional<LateReply>& under_way;

        template <class Value>
        Value operator()(std::future<Value> future) const {
            constexpr bool is_native =
                std::is_same_v<Value, PullPage<Data>> || std::is_same_v<Value, PushReport<Data>>;
            if (!future.valid()) throw RemoteError("the callback returned an empty future");
            if (ready(future)) return future.get();
            if constexpr (is_native) {
                under_way.emplace().future_ = std::move(future);
                throw NotReady{};
            } else {
                throw RemoteError("the callback was not ready in time");
            }
        }
    };

    /// Nothing if that was a call whose reply is not there yet.
    std::optional<Event<Data>> perform() {
        auto event = run_.perform(action_, Await{under_way_});
        if (under_way_) {
            under_way_->number_ = number_of_call();
            return std::nullopt;  // the event says that nobody waited, which is not so
        }
        if (const auto* question = std::get_if<ResolveConflict<Data>>(&action_)) {
            if (on_resolved) on_resolved(*question, std::get<Resolved<Data>>(event));
        }
        return event;
    }

    [[nodiscard]] std::uint64_t number_of_call() const {
        if (const auto* pull = std::get_if<CallPull>(&action_)) return pull->number;
        return std::get<CallPush<Data>>(action_).number;
    }

    static Event<Data> event_of(LateReply reply) {
        try {
            if (auto* page = std::get_if<std::future<PullPage<Data>>>(&reply.future_)) {
                return PageArrived<Data>{reply.number_, page->get()};
            }
            return ReportArrived<Data>{
                reply.number_, std::get<std::future<PushReport<Data>>>(reply.future_).get()};
        } catch (...) {
            return sync_engine::detail::failure_of_exception(reply.number_);
        }
    }

    void resume(Event<Data> event) {
        if (stop_.stop_requested()) cycle_.request_stop();
        action_ = cycle_.resume(std::move(event), run_.time());
    }

    SyncRight lease_;
    StopToken stop_;
    RetryOptions retry_;
    EngineOptions engine_;
    sync_engine::detail::SyncRun<Data> run_;
    SyncCycle<Data> cycle_;
    Action<Data> action_;
    std::optional<LateReply> under_way_{};
};

}  // namespace sync_engine::testing
