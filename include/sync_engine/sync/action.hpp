// SPDX-License-Identifier: MIT
#pragma once

#include <sync_engine/record/sync_record.hpp>
#include <sync_engine/remote/change.hpp>
#include <sync_engine/remote/page.hpp>
#include <sync_engine/remote/verdict.hpp>
#include <sync_engine/store/entry.hpp>
#include <sync_engine/store/step.hpp>
#include <sync_engine/sync/sync_result.hpp>

#include <nlohmann/json_fwd.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_set>
#include <variant>
#include <vector>

/// What a sync cycle asks for, and what it is told. Values: the cycle itself does nothing.
namespace sync_engine {

// Actions: what is to be done next.

/// Ask the user's `on_before_sync`; answered by `HookDone`.
struct AskBefore {};

/// Call pull; answered by `PageArrived` or `CallFailed` with the same number.
struct CallPull {
    std::uint64_t number = 0;  ///< tells its reply from late ones to other calls
    PullRequest request{};     ///< whoever calls gives it the stop token
};

/// Call push; answered by `ReportArrived` or `CallFailed` with the same number.
template <class Data>
struct CallPush {
    std::uint64_t number = 0;                   ///< tells its reply from late ones to other calls
    std::vector<SharedChange<Data>> changes{};  ///< at least one; no id occurs twice
};

/// Which entries are to be read.
enum class Reading {
    listed,  ///< those of `ids`
    dirty,   ///< those with an edit to push
    parked,  ///< those whose remote state waits for a resolver
    absent,  ///< the clean ones that the app can see and that are not among `seen`
};

/// Read entries; answered by `EntriesRead`: for `listed` one for each id in order, else all there
/// are. The ids are the cycle's own, and there until it is resumed.
struct ReadEntries {
    Reading what = Reading::listed;                                 ///< which ones
    std::vector<std::string_view> ids{};                            ///< listed
    std::shared_ptr<const std::unordered_set<std::string>> seen{};  ///< absent: from these
};

/// Ask the predicate of `sync_where` about records; answered by `Filtered`.
template <class Data>
struct AskFilter {
    std::vector<RecordPtr<Data>> records{};  ///< of a deletion the last content
};

/// Tell `on_conflict`, then ask the resolver; answered by `Resolved`.
template <class Data>
struct ResolveConflict {
    RecordPtr<Data> base{};               ///< null: there never was one
    RecordPtr<Data> local{};              ///< ours; status `deleted` if we deleted it
    RecordPtr<Data> remote{};             ///< theirs; status `deleted` if it was deleted there
    std::vector<RecordPtr<Data>> sent{};  ///< ours, and perhaps underneath `remote`
};

/// Hand the step to the store; answered by `Committed`.
template <class Data>
struct CommitStep {
    Step<Data> step{};  ///< for `LocalStore::apply`
};

/// Call `on_progress`; answered by `HookDone`.
struct TellProgress {
    std::size_t completed = 0;  ///< how many records are done
    std::size_t total = 0;      ///< how many are known of, those included
};

/// Call `on_after_sync`; answered by `HookDone`.
struct TellAfter {
    SyncResult result{};  ///< what it is told; an exception of its own is added afterwards
};

/// The cycle is over.
struct CycleDone {
    SyncResult result{};  ///< how the sync ended, and what it did
};

/// Nothing: the event answered a request that is no longer waited for. Go on waiting.
struct KeepWaiting {};

/// What a cycle wants done next: perform it, and resume the cycle with the event that answers it.
template <class Data>
using Action = std::variant<AskBefore, CallPull, CallPush<Data>, ReadEntries, AskFilter<Data>,
                            ResolveConflict<Data>, CommitStep<Data>, TellProgress, TellAfter,
                            CycleDone, KeepWaiting>;

// Events: what came of an action.

/// What kind of failure ended a call.
enum class CallError {
    unavailable,     ///< not reached: it had no effect
    retry_after,     ///< the remote asks to wait
    unauthorized,    ///< a new login is wanted
    too_large,       ///< split
    permanent,       ///< never as it is
    cursor_expired,  ///< scan again
    stopped,         ///< somebody asked to stop while it ran
    unknown,         ///< anything else, a time-out too: it may have had its effect
};

/// A hook or the progress function was called.
struct HookDone {
    bool go_on = true;    ///< `on_before_sync`: what it answered
    std::string error{};  ///< what it threw
};

/// A pull was answered.
template <class Data>
struct PageArrived {
    std::uint64_t number = 0;  ///< of the `CallPull` that it answers
    PullPage<Data> page{};     ///< what came, as the remote gave it
};

/// A push was answered, which does not say that anything was accepted.
template <class Data>
struct ReportArrived {
    std::uint64_t number = 0;   ///< of the `CallPush` that it answers
    PushReport<Data> report{};  ///< the verdicts, as the remote gave them
};

/// A pull or push failed as a whole: it threw, or was not waited for any longer.
struct CallFailed {
    std::uint64_t number = 0;              ///< of the call
    CallError error = CallError::unknown;  ///< what follows from it
    std::string message{};                 ///< why, for people
    std::chrono::milliseconds after{0};    ///< retry_after: how long it asks to wait
};

/// The entries that `ReadEntries` asked for, as they are now.
template <class Data>
struct EntriesRead {
    std::vector<EntryPtr<Data>> entries{};  ///< null where there is none
};

/// What the predicate answered about one record.
struct FilterAnswer {
    bool push = false;    ///< false: it stays pending
    std::string error{};  ///< what it threw
};

/// The predicate was asked.
struct Filtered {
    std::vector<FilterAnswer> answers{};  ///< one for each record of `AskFilter`, in its order
};

/// The resolver was asked.
template <class Data>
struct Resolved {
    /// `local` or `remote` itself, or another record; null: the resolver failed.
    RecordPtr<Data> winner{};
    std::string error{};  ///< what resolver or hook threw
};

/// The store took a step, or refused it. If the storage throws, there is no event: the cycle is
/// over.
struct Committed {
    StepResult result{};  ///< what `LocalStore::apply` answered
};

/// What `SyncCycle::resume` is told: what came of the action that it asked for.
template <class Data>
using Event = std::variant<HookDone, PageArrived<Data>, ReportArrived<Data>, CallFailed,
                           EntriesRead<Data>, Filtered, Resolved<Data>, Committed>;

/// The number of the request that an event replies to; nothing for what is no reply of a remote.
template <class Data>
[[nodiscard]] std::optional<std::uint64_t> request_of(const Event<Data>& event) {
    if (const auto* page = std::get_if<PageArrived<Data>>(&event)) return page->number;
    if (const auto* report = std::get_if<ReportArrived<Data>>(&event)) return report->number;
    if (const auto* failed = std::get_if<CallFailed>(&event)) return failed->number;
    return std::nullopt;
}

}  // namespace sync_engine
