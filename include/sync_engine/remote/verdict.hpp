// SPDX-License-Identifier: MIT
#pragma once

#include <sync_engine/record/sync_record.hpp>

#include <nlohmann/json_fwd.hpp>

#include <chrono>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace sync_engine {

/// What a remote can answer for one change.
enum class VerdictKind {
    accepted,  ///< it holds the change now
    conflict,  ///< it holds something else than the change's base, and stored nothing
    rejected,  ///< it will never take the change: a dead letter
    retry,     ///< not now, but later
};

/// The remote's answer for one change. Made by `accepted`, `conflict`, `rejected` and `retry`.
template <class Data = nlohmann::json>
struct Verdict {
    VerdictKind kind = VerdictKind::retry;     ///< the answer; the members below belong to one
    std::string id{};                          ///< of the record whose change this answers
    std::string revision{};                    ///< accepted: the remote's name for what it stored
    std::optional<SyncRecord<Data>> remote{};  ///< conflict: what the remote holds
    std::string message{};                     ///< rejected, retry: why, for people
    std::chrono::milliseconds after{0};        ///< retry: not before this much time has passed
};

/// The answer to one push: a verdict for each change, in any order. A change without a verdict
/// counts as a failed attempt of that record.
template <class Data = nlohmann::json>
using PushReport = std::vector<Verdict<Data>>;

/// The remote holds the change now, under `revision` (empty where it has no revisions).
template <class Data = nlohmann::json>
[[nodiscard]] Verdict<Data> accepted(std::string id, std::string revision = {}) {
    Verdict<Data> verdict;
    verdict.kind = VerdictKind::accepted;
    verdict.id = std::move(id);
    verdict.revision = std::move(revision);
    return verdict;
}

/// The remote holds something else than the change's base, namely this; nothing was stored.
template <class Data>
[[nodiscard]] Verdict<Data> conflict(SyncRecord<Data> remote) {
    Verdict<Data> verdict;
    verdict.kind = VerdictKind::conflict;
    verdict.id = remote.id;
    verdict.remote = std::move(remote);
    return verdict;
}

/// The remote will never take this change: it becomes a dead letter with this message.
template <class Data = nlohmann::json>
[[nodiscard]] Verdict<Data> rejected(std::string id, std::string message) {
    Verdict<Data> verdict;
    verdict.kind = VerdictKind::rejected;
    verdict.id = std::move(id);
    verdict.message = std::move(message);
    return verdict;
}

/// The remote will take this change, but not before `after`; it does not count as a failed attempt.
/// Less than a second is no time: a timer waits as after a failure, and a sync that somebody asks
/// for does not.
template <class Data = nlohmann::json>
[[nodiscard]] Verdict<Data> retry(std::string id, std::string message,
                                  std::chrono::milliseconds after = std::chrono::milliseconds{0}) {
    Verdict<Data> verdict;
    verdict.kind = VerdictKind::retry;
    verdict.id = std::move(id);
    verdict.message = std::move(message);
    verdict.after = after;
    return verdict;
}

}  // namespace sync_engine
