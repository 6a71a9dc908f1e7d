// SPDX-License-Identifier: MIT
#pragma once

#include <sync_engine/record/sync_record.hpp>
#include <sync_engine/remote/memory_remote.hpp>
#include <sync_engine/remote/remote.hpp>
#include <sync_engine/retry/retry_queue.hpp>
#include <sync_engine/store/local_store.hpp>
#include <sync_engine/sync/sync_options.hpp>
#include <sync_engine/sync/sync_result.hpp>

#include "support/catch.hpp"
#include "support/device.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <future>
#include <map>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

// What scenarios are told with: two sides as text, a wire that is listened to, and a backend as
// simple as a quick start has it.
namespace test {

using sync_engine::test::contains;
using sync_engine::test::message_of;
using Server = sync_engine::MemoryRemote<Json>;
using Records = std::vector<SyncRecord<Json>>;
using Ids = std::vector<std::string>;

inline std::string line_of(const SyncRecord<Json>& record) {
    std::string line = record.id + " = " + record.data.dump();
    for (const auto& tag : record.tags) line += " #" + tag;
    return line + "\n";
}

/// What a side holds: a line for each live record, by id.
inline std::string text_of(const Records& records) {
    std::map<std::string, std::string> lines;
    for (const auto& record : records) lines[record.id] = line_of(record);
    std::string text;
    for (const auto& [id, line] : lines) text += line;
    return text;
}
inline std::string text_of(const LocalStore<Json>& store) {
    return text_of(store.all());
}
inline std::string text_of(const Device& device) {
    return text_of(*device.store);
}
inline std::string text_of(const Server& server) {
    return text_of(server.records());
}

inline Ids ids_of(const Records& records) {
    Ids ids;
    for (const auto& record : records) ids.push_back(record.id);
    return ids;
}

/// The ids that wait to be pushed, oldest edit first.
inline Ids pending_ids(const Device& device) {
    return ids_of(device.store->pending());
}

/// The errors of a result, each as "id: message".
inline std::string errors_of(const SyncResult& result) {
    std::string text;
    for (const auto& error : result.errors) text += error.record_id + ": " + error.message + "\n";
    return text;
}

/// A state that another device writes: stamped above `now` by `age`, so that it is the later one.
inline SyncRecord<Json> state(const std::string& id, Json data, sync_engine::Timestamp at,
                              std::uint64_t version = 2) {
    return {.id = id,
            .data = std::move(data),
            .status = sync_engine::SyncStatus::synced,
            .updated_at = at,
            .version = version};
}

/// Everything that goes over a wire is written down.
class Wire {
public:
    using Batch = std::vector<sync_engine::Change<Json>>;

    std::vector<Batch> batches{};  ///< of each push call
    std::vector<Json> cursors{};   ///< of each pull call

    /// Native callbacks that are listened to; the wire must outlive them.
    Remote<Json> to(Server& server) {
        const Remote<Json> remote = server.remote();
        return {.push =
                    [this, push = remote.push](sync_engine::PushBatch<Json> batch) {
                        batches.push_back(batch.changes);
                        return sync_engine::make_ready_future(push(std::move(batch), get));
                    },
                .pull =
                    [this, pull = remote.pull](sync_engine::PullRequest request) {
                        cursors.push_back(request.cursor);
                        return sync_engine::make_ready_future(pull(std::move(request), get));
                    }};
    }

    /// The ids of each push call: "a b | c" says that a and b went together, and c after them.
    [[nodiscard]] std::string batches_text() const {
        std::string text;
        for (const auto& batch : batches) {
            if (!text.empty()) text += " |";
            for (const auto& change : batch) text += (text.empty() ? "" : " ") + change.record.id;
        }
        return text;
    }

    [[nodiscard]] Batch changes() const {
        Batch all;
        for (const auto& batch : batches) all.insert(all.end(), batch.begin(), batch.end());
        return all;
    }

private:
    static constexpr auto get = [](auto future) { return future.get(); };
};

/// A backend of simple callbacks: it takes what it answers for, and lists what it is told to.
class Backend {
public:
    std::vector<Records> pushes{};                       ///< what each push call was given
    std::map<std::string, SyncRecord<Json>> rows{};      ///< what was accepted, tombstones too
    Records listed{};                                    ///< what pull answers
    std::size_t pulls = 0;                               ///< how often it was asked
    std::function<Ids(const Records&)> answer = ids_of;  ///< the ids that push accepts
    std::function<void()> while_pulling = [] {};

    /// The backend must outlive the callbacks.
    Remote<Json> remote() {
        return {.push =
                    [this](Records records) {
                        pushes.push_back(records);
                        auto ids = answer(records);
                        for (const auto& record : records) {
                            for (const auto& id : ids) {
                                if (id == record.id) rows[id] = record;
                            }
                        }
                        return sync_engine::make_ready_future(std::move(ids));
                    },
                .pull =
                    [this] {
                        ++pulls;
                        while_pulling();
                        return sync_engine::make_ready_future(listed);
                    }};
    }

    /// From now on every push throws.
    void fail() {
        answer = [](const Records&) -> Ids { throw std::runtime_error("the server is broken"); };
    }
    /// From now on push accepts everything.
    void recover() { answer = ids_of; }
    /// From now on push stores nothing and says so.
    void accept_none() {
        answer = [](const Records&) { return Ids{}; };
    }

    /// The data it holds of a record; null if it has none.
    [[nodiscard]] Json data(const std::string& id) const {
        const auto row = rows.find(id);
        return row == rows.end() || row->second.is_deleted() ? Json() : row->second.data;
    }
};

/// A device and a server that agree on one record, `a`.
struct Agreed {
    Device device;
    Server server{};
    Wire wire{};

    explicit Agreed(Device::Resolver resolver = Device::Resolver{}) : device(1, resolver) {
        device.edit("a", "base");
        REQUIRE(device.sync(server.remote()).pushed == 1);
        device.clock.advance(std::chrono::minutes{1});
    }

    SyncResult sync() { return device.sync(wire.to(server)); }

    /// Another device writes `a`, now.
    void edit_elsewhere(Json data, std::uint64_t version = 2) {
        server.edit_as_other_device(state("a", std::move(data), device.clock.now(), version));
        device.clock.advance(std::chrono::minutes{1});
    }

    /// Both sides hold the same and nothing waits.
    void check_equal() const {
        CHECK(text_of(device) == text_of(server));
        CHECK(pending_ids(device).empty());
    }
};

/// A device with edits r0, r1, ... that were never sent, and a server that has nothing.
struct Outbox {
    Device device;
    Server server{};
    Wire wire{};

    explicit Outbox(std::size_t size, sync_engine::RetryOptions retry = {})
        : device(1, Device::Resolver{}, sync_engine::testing::ManualClock{}, retry) {
        for (std::size_t n = 0; n < size; ++n) device.edit("r" + std::to_string(n), n);
    }

    SyncResult sync(SyncOptions options = {}) {
        wire.batches.clear();
        return device.sync(wire.to(server), std::move(options));
    }
    sync_engine::RetryQueue<Json>& queue() { return device.engine->retry_queue(); }
};

/// The native callbacks of a server, with something that happens while a push is under way.
inline Remote<Json> with_edit_during_push(Server& server, std::function<void()> edit) {
    auto remote = server.remote();
    remote.push = [push = remote.push, edit = std::move(edit)](sync_engine::PushBatch<Json> batch) {
        auto report = push(std::move(batch), [](auto future) { return future.get(); });
        edit();
        return sync_engine::make_ready_future(std::move(report));
    };
    return remote;
}

}  // namespace test
