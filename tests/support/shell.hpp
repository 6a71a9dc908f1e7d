// SPDX-License-Identifier: MIT
#pragma once

#include <sync_engine/conflict/conflict_resolver.hpp>
#include <sync_engine/remote/memory_remote.hpp>
#include <sync_engine/retry/retry_queue.hpp>
#include <sync_engine/store/local_store.hpp>
#include <sync_engine/sync/sync_engine.hpp>
#include <sync_engine/testing/manual_clock.hpp>
#include <sync_engine/testing/memory_storage.hpp>

#include "support/scenario.hpp"

#include <chrono>
#include <functional>
#include <future>
#include <memory>
#include <string>
#include <utility>
#include <vector>

// What the engine's shell is tested with: threads, futures and hooks of the user.
namespace test {

/// A monotonic clock that is a second further each time it is looked at, so that a wait without end
/// takes no time at all.
inline std::function<std::chrono::nanoseconds()> hasty_clock() {
    auto ticks = std::make_shared<std::chrono::seconds>(0);
    return [ticks] { return ++*ticks; };
}

/// Options for an engine that runs on the thread that asks it, and never really waits.
inline sync_engine::EngineOptions inline_options() {
    return {.executor = sync_engine::inline_executor(),
            .monotonic = hasty_clock(),
            .poll_interval = std::chrono::milliseconds{0}};
}

/// An engine as an app has it, on a store with a disk, with a server to sync with.
struct Shell {
    sync_engine::testing::ManualClock clock{};
    std::shared_ptr<sync_engine::testing::MemoryStorage<Json>> disk =
        std::make_shared<sync_engine::testing::MemoryStorage<Json>>();
    LocalStore<Json> store;
    SyncEngine<Json> engine;
    Server server{};

    explicit Shell(ConflictResolver<Json> resolver = ConflictResolver<Json>{},
                   sync_engine::EngineOptions options = inline_options())
        : store(disk, {.clock = clock.clock(), .random = counting_random(1)}),
          engine(store, std::move(resolver), sync_engine::RetryQueue<Json>{}, std::move(options)) {}

    /// A new record, or an edit of one.
    void edit(const std::string& id, Json data) {
        auto record = store.get(id).value_or(SyncRecord<Json>{.id = id, .updated_at = clock.now()});
        record.data = std::move(data);
        store.put(std::move(record));
    }

    [[nodiscard]] Json data(const std::string& id) const {
        const auto record = store.find(id);
        return record ? record->data : Json();
    }

    /// Another device writes to the server.
    void edit_elsewhere(const std::string& id, Json data, std::uint64_t version = 2) {
        server.edit_as_other_device(state(id, std::move(data), clock.now(), version));
    }

    SyncResult sync(const Remote<Json>& remote, SyncOptions options = {}) {
        return engine.sync(remote, std::move(options)).get();
    }
    SyncResult sync() { return sync(server.remote()); }

    [[nodiscard]] Ids pending() const { return ids_of(store.pending()); }

    /// Both sides hold the same and nothing waits.
    void check_equal() const {
        CHECK(text_of(store) == text_of(server));
        CHECK(pending().empty());
    }
};

/// The server's callbacks with something that happens inside each call.
inline Remote<Json> with_calls(Server& server, std::function<void()> in_pull,
                               std::function<void()> in_push) {
    const auto get = [](auto future) { return future.get(); };
    const auto native = server.remote();
    return {.push =
                [=, push = native.push](sync_engine::PushBatch<Json> batch) {
                    if (in_push) in_push();
                    return sync_engine::make_ready_future(push(std::move(batch), get));
                },
            .pull =
                [=, pull = native.pull](sync_engine::PullRequest request) {
                    if (in_pull) in_pull();
                    return sync_engine::make_ready_future(pull(std::move(request), get));
                }};
}

}  // namespace test
