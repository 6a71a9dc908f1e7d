// SPDX-License-Identifier: MIT
#pragma once

#include <sync_engine/record/sync_record.hpp>
#include <sync_engine/remote/memory_remote.hpp>
#include <sync_engine/remote/remote.hpp>
#include <sync_engine/testing/choices.hpp>

#include <nlohmann/json.hpp>

#include <functional>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace sync_engine::testing {

/// The remote of one run of a simulation. Its callbacks answer at once: trouble is added around it.
template <class Data>
struct SimulatedBackend {
    /// The callbacks of one device; called when the run begins, and where `records` is empty once
    /// more at its end.
    std::function<Remote<Data>()> connect{};
    /// What the remote holds, without tombstones; where it is empty, a device of its own that pulls
    /// everything at the end takes its place.
    std::function<std::vector<SyncRecord<Data>>()> records{};
    /// States come back from a native pull, with versions and times as they were pushed, or with
    /// revisions. Without it a lagging read cannot be told from news, so none is simulated.
    bool tells_stale_reads = true;
    /// They come back with these versions and times. Without it a lagging read shows only what a
    /// device can tell by its revision.
    bool keeps_stamps = true;
    /// Deletions are seen by their absence from full listings alone. No whole page lags there: what
    /// it does not show yet would be deleted, until it does.
    bool deletes_by_absence = false;
};

/// Makes a new, empty backend for a run; what it chooses varies from seed to seed.
template <class Data>
using MakeBackend = std::function<SimulatedBackend<Data>(Choices&)>;

/// A `MemoryRemote`, in the ways a good server may be: a feed or full listings, with or without
/// stamps, native or simple callbacks, one that normalises what it stores.
template <class Data>
[[nodiscard]] SimulatedBackend<Data> memory_backend(Choices& choices) {
    const auto server = std::make_shared<MemoryRemote<Data>>([] { return Timestamp{}; });
    SimulatedBackend<Data> backend;
    const auto kind = choices.weighted({12, 3, 2, 2, 2});
    backend.tells_stale_reads = kind != 3;
    backend.keeps_stamps = kind != 2;
    backend.deletes_by_absence = kind == 1;
    if (kind == 1) server->list_everything(true);
    if (kind == 2) server->forget_versions_and_times(true);
    if constexpr (std::is_same_v<Data, nlohmann::json>) {
        if (kind == 4) server->normalise_with([](Data& data) { data["stored"] = true; });
    }
    backend.connect = [server, is_simple = kind == 3] {
        return is_simple ? server->simple_remote() : server->remote("server");
    };
    backend.records = [server] { return server->records(); };
    return backend;
}

}  // namespace sync_engine::testing
