// SPDX-License-Identifier: MIT
#pragma once

#include <sync_engine/conflict/conflict_resolver.hpp>
#include <sync_engine/record/sync_record.hpp>
#include <sync_engine/remote/remote.hpp>
#include <sync_engine/store/local_store.hpp>
#include <sync_engine/sync/action.hpp>
#include <sync_engine/sync/await.hpp>
#include <sync_engine/sync/engine_options.hpp>
#include <sync_engine/sync/sync_cycle.hpp>
#include <sync_engine/sync/sync_options.hpp>
#include <sync_engine/sync/sync_result.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <future>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

namespace sync_engine::detail {

/// The user's hooks, as they were when the sync started.
template <class Data>
struct Hooks {
    std::function<bool(const std::vector<SyncRecord<Data>>&)> before{};
    std::function<void(const SyncResult&)> after{};
    std::function<void(const SyncRecord<Data>&, const SyncRecord<Data>&)> conflict{};
};

/// What the exception in flight says.
[[nodiscard]] inline std::string text_of_exception() {
    try {
        throw;
    } catch (const std::exception& error) {
        return error.what();
    } catch (...) {
        return "an exception that is no std::exception";
    }
}

/// The failure that the exception in flight stands for: the one place where this is decided.
[[nodiscard]] inline CallFailed failure_of_exception(std::uint64_t number) {
    CallFailed failed{.number = number};
    try {
        throw;
    } catch (const Unavailable& error) {
        failed.error = CallError::unavailable;
        failed.message = error.what();
    } catch (const RetryAfter& error) {
        failed.error = CallError::retry_after;
        failed.message = error.what();
        failed.after = error.wait();
    } catch (const Unauthorized& error) {
        failed.error = CallError::unauthorized;
        failed.message = error.what();
    } catch (const TooLarge& error) {
        failed.error = CallError::too_large;
        failed.message = error.what();
    } catch (const PermanentError& error) {
        failed.error = CallError::permanent;
        failed.message = error.what();
    } catch (const CursorExpired& error) {
        failed.error = CallError::cursor_expired;
        failed.message = error.what();
    } catch (const Stopped& error) {
        failed.error = CallError::stopped;
        failed.message = error.what();
    } catch (...) {
        failed.message = text_of_exception();
    }
    return failed;
}

/// Everything that one sync is run with.
template <class Data>
struct SyncJob {
    Remote<Data> remote{};
    SyncOptions options{};
    Hooks<Data> hooks{};
    std::function<bool(const SyncRecord<Data>&)> predicate{};  ///< none: push everything
    StopToken stop{};
};

/// Performs what a cycle asks for: calls user code, without a lock, waits for futures, hands steps
/// to the store. It decides nothing.
template <class Data>
class SyncRun {
public:
    SyncRun(LocalStore<Data>& store, const ConflictResolver<Data>& resolver,
            const RetryOptions& retry, const EngineOptions& engine, SyncJob<Data>&& job)
        : store_(store),
          resolver_(resolver),
          retry_(retry),
          engine_(engine),
          job_(std::move(job)),
          await_{.stop = job_.stop,
                 .timeout = job_.options.callback_timeout,
                 .poll = engine.poll_interval,
                 .monotonic = engine.monotonic,
                 .can_wait = engine.can_wait} {}

    /// Runs the cycle to its end. Throws only what the store throws.
    [[nodiscard]] SyncResult run() {
        SyncCycle<Data> cycle{setup()};
        auto action = cycle.start(time());
        while (!is_done(action)) {
            Event<Data> event = perform(action);
            if (job_.stop.stop_requested()) cycle.request_stop();
            action = cycle.resume(std::move(event), time());
        }
        return std::get<CycleDone>(std::move(action)).result;
    }

    // For those who drive the cycle themselves, one action at a time.

    [[nodiscard]] Timestamp time() const { return store_.options().clock(); }

    [[nodiscard]] CycleSetup setup() const {
        return {.options = job_.options,
                .state = store_.state(),
                .retry = retry_,
                .drift_cap = store_.options().drift_cap,
                .max_wait = engine_.max_retry_after,
                .seed = store_.options().random(),
                .keeps_cursor = job_.remote.pull.keeps_cursor(),
                .remote_name = job_.remote.name,
                .is_stored = store_.is_durable(),
                .filtered = static_cast<bool>(job_.predicate),
                .is_watched = store_.has_listeners()};
    }

    [[nodiscard]] Event<Data> perform(Action<Data>& action) { return perform(action, await_); }

    /// The same with another way to wait: `await` turns a callback's future into its value; what it
    /// throws fails the call.
    template <class Await>
    [[nodiscard]] Event<Data> perform(Action<Data>& action, const Await& await) {
        return std::visit(
            [&](auto& what) -> Event<Data> {
                using What = std::remove_reference_t<decltype(what)>;
                constexpr bool is_call =
                    std::is_same_v<What, CallPull> || std::is_same_v<What, CallPush<Data>>;
                if constexpr (is_call) {
                    return call(what, await);
                } else {
                    return perform(what);
                }
            },
            action);
    }

private:
    /// Calls a hook; what it throws becomes the text of the event.
    template <class Call>
    static HookDone guarded(Call&& call) {
        try {
            return {.go_on = call()};
        } catch (...) {
            return {.go_on = true, .error = text_of_exception()};
        }
    }

    Event<Data> perform(AskBefore&) {
        return guarded([&] { return !job_.hooks.before || job_.hooks.before(store_.pending()); });
    }

    Event<Data> perform(TellAfter& tell) {
        return guarded([&] {
            if (job_.hooks.after) job_.hooks.after(tell.result);
            return true;
        });
    }

    Event<Data> perform(TellProgress& tell) {
        return guarded([&] {
            job_.options.on_progress(tell.completed, tell.total);
            return true;
        });
    }

    template <class Await>
    Event<Data> call(CallPull& pull, const Await& await) {
        try {
            if (!job_.remote.pull) {
                throw Unavailable(
                    "there is no pull callback; give the remote one, or sync in direction push");
            }
            pull.request.stop = job_.stop;
            return PageArrived<Data>{pull.number, job_.remote.pull(std::move(pull.request), await)};
        } catch (...) {
            return failure_of_exception(pull.number);
        }
    }

    template <class Await>
    Event<Data> call(CallPush<Data>& push, const Await& await) {
        try {
            if (!job_.remote.push) {
                throw Unavailable(
                    "there is no push callback; give the remote one, or sync in direction pull");
            }
            SharedPushBatch<Data> batch{.changes = std::move(push.changes), .stop = job_.stop};
            return ReportArrived<Data>{push.number,
                                       job_.remote.push.share(std::move(batch), await)};
        } catch (...) {
            return failure_of_exception(push.number);
        }
    }

    Event<Data> perform(ReadEntries& reading) {
        switch (reading.what) {
            case Reading::dirty:
                return EntriesRead<Data>{store_.read_dirty()};
            case Reading::parked:
                return EntriesRead<Data>{store_.read_parked()};
            case Reading::absent:
                return EntriesRead<Data>{store_.read_absent(*reading.seen)};
            case Reading::listed:
                break;
        }
        return EntriesRead<Data>{store_.read(reading.ids)};
    }

    Event<Data> perform(AskFilter<Data>& question) {
        Filtered filtered;
        for (const auto& record : question.records) {
            FilterAnswer answer;
            try {
                answer.push = job_.predicate(*record);
            } catch (...) {
                answer.error = text_of_exception();
            }
            filtered.answers.push_back(std::move(answer));
        }
        return filtered;
    }

    Event<Data> perform(ResolveConflict<Data>& question) {
        Resolved<Data> resolved;
        if (job_.hooks.conflict) {
            const auto told = guarded([&] {
                job_.hooks.conflict(*question.local, *question.remote);
                return true;
            });
            if (!told.error.empty()) resolved.error = "on_conflict threw: " + told.error;
        }
        std::vector<const SyncRecord<Data>*> sent;
        for (const auto& record : question.sent) sent.push_back(record.get());
        try {
            auto winner =
                resolver_.resolve(question.base.get(), question.local, question.remote, sent);
            const bool is_new = winner != question.local && winner != question.remote;
            if (is_new) check_record(*winner, store_.is_durable());
            resolved.winner = std::move(winner);
        } catch (...) {
            resolved.error = "the conflict resolver failed: " + text_of_exception() +
                             "; the remote state waits for the next sync";
        }
        return resolved;
    }

    Event<Data> perform(CommitStep<Data>& commit) {
        return Committed{store_.apply(std::move(commit.step))};
    }

    /// Nothing is awaited besides the calls above, so nothing can be late here.
    Event<Data> perform(KeepWaiting&) { return HookDone{}; }
    Event<Data> perform(CycleDone&) { return HookDone{}; }

    LocalStore<Data>& store_;
    const ConflictResolver<Data>& resolver_;
    const RetryOptions& retry_;
    const EngineOptions& engine_;
    SyncJob<Data> job_;
    Awaiter await_;
};

}  // namespace sync_engine::detail
