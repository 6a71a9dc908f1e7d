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
    std::uint64_t number = 0;
    PullRequest request{};
};

/// Call push; answered by `ReportArrived` or `CallFailed` with the same number.
template <class Data>
struct CallPush {
    std::uint64_t number = 0;
    std::vector<SharedChange<Data>> changes{};
};

/// Which entries are to be read.
enum class Reading { listed, dirty, parked, absent };

/// Read entries; answered by `EntriesRead`: for `listed` one for each id in order, else all there
/// are. The ids are the cycle's own, and there until it is resumed.
struct ReadEntries {
    Reading what = Reading::listed;
    std::vector<std::string_view> ids{};                            ///< listed
    std::shared_ptr<const std::unordered_set<std::string>> seen{};  ///< absent: from these
};

/// Ask the predicate of `sync_where` about records; answered by `Filtered`.
template <class Data>
struct AskFilter {
    std::vector<RecordPtr<Data>> records{};
};

/// Tell `on_conflict`, then ask the resolver; answered by `Resolved`.
template <class Data>
struct ResolveConflict {
    RecordPtr<Data> base{};  ///< null: there never was one
    RecordPtr<Data> local{};
    RecordPtr<Data> remote{};
    std::vector<RecordPtr<Data>> sent{};  ///< ours, and perhaps underneath `remote`
};

/// Hand the step to the store; answered by `Committed`.
template <class Data>
struct CommitStep {
    Step<Data> step{};
};

/// Call `on_progress`; answered by `HookDone`.
struct TellProgress {
    std::size_t completed = 0;
    std::size_t total = 0;
};

/// Call `on_after_sync`; answered by `HookDone`.
struct TellAfter {
    SyncResult result{};
};

/// The cycle is over.
struct CycleDone {
    SyncResult result{};
};

/// Nothing: the event answered a request that is no longer waited for. Go on waiting.
struct KeepWaiting {};

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

template <class Data>
struct PageArrived {
    std::uint64_t number = 0;
    PullPage<Data> page{};
};

template <class Data>
struct ReportArrived {
    std::uint64_t number = 0;
    PushReport<Data> report{};
};

struct CallFailed {
    std::uint64_t number = 0;
    CallError error = CallError::unknown;
    std::string message{};
    std::chrono::milliseconds after{0};  ///< retry_after
};

template <class Data>
struct EntriesRead {
    std::vector<EntryPtr<Data>> entries{};  ///< null where there is none
};

/// The predicate's answers, one for each record.
struct FilterAnswer {
    bool push = false;
    std::string error{};  ///< what it threw
};
struct Filtered {
    std::vector<FilterAnswer> answers{};
};

template <class Data>
struct Resolved {
    /// `local` or `remote` itself, or another record; null: the resolver failed.
    RecordPtr<Data> winner{};
    std::string error{};  ///< what resolver or hook threw
};

struct Committed {
    StepResult result{};
};

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
