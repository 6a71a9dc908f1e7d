// SPDX-License-Identifier: MIT
#pragma once

#include <sync_engine/conflict/conflict_resolver.hpp>
#include <sync_engine/remote/remote.hpp>
#include <sync_engine/store/local_store.hpp>
#include <sync_engine/sync/sync_engine.hpp>
#include <sync_engine/testing/manual_clock.hpp>

#include "support/device.hpp"
#include "support/scripted_remote.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>

namespace test {

/// One record, a store and a server: every state that the record can be in is one word, and is
/// reached by edits and real syncs alone.
///
/// Content is two digits, the values of its fields "a" and "b"; "x" is deleted, "-" never was.
/// Each step takes a minute. The server takes a change made from what it holds, and shows what a
/// test lets it show.
class OneRecord {
public:
    using Record = SyncRecord<Json>;
    using Resolver = ConflictResolver<Json>;

    static constexpr auto id = "record";

    OneRecord()
        : store({.clock = clock.clock(), .random = counting_random(1)}), base_time_(clock.now()) {}

    static Json content(const std::string& code) {
        return {{"a", code.at(0) - '0'}, {"b", code.at(1) - '0'}};
    }
    static std::string code(const std::optional<Record>& record) {
        if (!record) return "-";
        if (record->is_deleted()) return "x";
        return std::to_string(record->data.at("a").get<int>()) +
               std::to_string(record->data.at("b").get<int>());
    }

    // The app.

    void put(const std::string& code) {
        auto record = store.get(id).value_or(Record{.id = id, .updated_at = clock.now()});
        record.data = content(code);
        store.put(std::move(record));
    }

    /// Brings the record into a state; see the function's body for the words.
    void bring_into(const std::string& state) {
        if (state == "absent") return;
        if (state == "pending") return put("10");
        hold("00", 1, clock.now());
        show_held();
        sync(Resolver{});
        step();
        if (state == "clean") return;
        if (state == "deleted" || state == "husk" || state == "re-created") {
            store.remove(id);
            if (state == "deleted") return;
            if (state == "re-created") while_pushing = [this] { put("10"); };
            sync(Resolver{});
            while_pushing = {};
            return step();
        }
        put("10");
        if (state == "modified") return step();
        if (state == "staged" || state == "staged+") {
            loses_requests = true;
            sync(Resolver{});
            loses_requests = false;
            step();
            if (state == "staged+") put("20");
        } else if (state == "parked" || state == "conflicted") {
            step();
            hold("07", held->version + 1, clock.now());
            show_held();
            sync(resolver_of(state == "parked" ? "throws" : "manual"));
        } else if (state == "refused") {
            refuses = true;
            sync(Resolver{});
            refuses = false;
        } else {
            throw std::invalid_argument("no such state: " + state);
        }
        step();
    }

    // The server.

    std::optional<Record> held{};   ///< what it holds
    std::optional<Record> shown{};  ///< what the next pull shows
    bool loses_requests = false;
    bool refuses = false;
    std::size_t sent = 0;  ///< how many changes it was sent
    std::function<void()> while_pulling{};
    std::function<void()> while_pushing{};
    std::function<void()> while_deciding{};

    /// Something happens to the server; see the function's body for the words.
    void happens(const std::string& event) {
        const std::uint64_t version = held ? held->version + 1 : 1;
        const auto before_the_edit = base_time_ + std::chrono::seconds{30};
        if (event == "nothing") return;
        if (event == "again") return show_held();
        if (event == "lagging") {
            shown = agreed_;
        } else if (event == "stale") {
            shown = served(id, content("03"), 0, base_time_ - std::chrono::minutes{1}, "r0");
        } else if (event == "restored") {
            hold("03", 0, base_time_ - std::chrono::minutes{1});
            show_held();
        } else if (event == "base") {
            held = agreed_;
            hold_as(version, clock.now());
            show_held();
        } else if (event == "same edit") {
            const auto edit = store.get(id);
            held = edit ? *edit : held->with_status(sync_engine::SyncStatus::deleted);
            hold_as(version, clock.now());
            show_held();
        } else if (event == "ack lost") {
            take(lost_.value());
            show_held();
        } else if (event == "newer") {
            hold("03", version, clock.now());
            show_held();
        } else if (event == "earlier") {
            hold("03", version, before_the_edit);
            show_held();
        } else if (event == "newer a" || event == "earlier a") {
            hold("40", version, event == "newer a" ? clock.now() : before_the_edit);
            show_held();
        } else if (event == "gone" || event == "gone early") {
            held = served_deletion(id, version, event == "gone" ? clock.now() : before_the_edit,
                                   new_revision());
            show_held();
        } else {
            throw std::invalid_argument("no such event: " + event);
        }
    }

    // A sync.

    static Resolver resolver_of(const std::string& strategy) {
        if (strategy == "remote") return Resolver{ConflictStrategy::remote_wins};
        if (strategy == "local") return Resolver{ConflictStrategy::local_wins};
        if (strategy == "latest") return Resolver{ConflictStrategy::latest_wins};
        if (strategy == "merge") return Resolver{ConflictStrategy::merge};
        if (strategy == "manual") return Resolver{ConflictStrategy::manual};
        if (strategy == "throws") {
            return Resolver{[](const Record&, const Record&) -> Record {
                throw std::runtime_error("this resolver always throws");
            }};
        }
        throw std::invalid_argument("no such strategy: " + strategy);
    }

    SyncResult sync(const Resolver& resolver) {
        SyncEngine<Json> engine{store,
                                resolver,
                                sync_engine::RetryQueue<Json>{},
                                {.executor = sync_engine::inline_executor()}};
        if (while_deciding) {
            engine.on_conflict = [this](const auto&, const auto&) { once(while_deciding); };
        }
        return engine.sync(remote()).get();
    }

    void step() { clock.advance(std::chrono::minutes{1}); }

    // What came of it.

    /// "modified", "synced" and so on; "deleted" for a deletion that travels; "-" for nothing.
    [[nodiscard]] std::string status() const {
        for (const auto& conflict : store.conflicts()) {
            if (conflict.local.is_deleted()) return "conflicted";
        }
        if (const auto record = store.get(id)) return std::string{to_string(record->status)};
        return store.pending().empty() ? "-" : "deleted";
    }
    [[nodiscard]] std::string local_code() const {
        const auto record = store.get(id);
        return record ? code(record) : "x";
    }

    sync_engine::testing::ManualClock clock;
    LocalStore<Json> store;

private:
    std::string new_revision() { return "r" + std::to_string(++revisions_); }

    void hold(const std::string& code, std::uint64_t version, sync_engine::Timestamp at) {
        held = served(id, content(code), version, at, new_revision());
        if (!agreed_) agreed_ = held;
    }
    void hold_as(std::uint64_t version, sync_engine::Timestamp at) {
        held->version = version;
        held->updated_at = at;
        held->revision = new_revision();
        if (!held->is_deleted()) held->status = sync_engine::SyncStatus::synced;
    }
    void show_held() { shown = held; }

    static void once(std::function<void()>& happening) {
        if (const auto call = std::exchange(happening, nullptr)) call();
    }

    Remote<Json> remote() {
        Remote<Json> callbacks;
        callbacks.pull = [this](sync_engine::PullRequest) {
            once(while_pulling);
            sync_engine::PullPage<Json> page;
            page.cursor = ++pulls_;
            if (shown) page.records.push_back(*std::exchange(shown, std::nullopt));
            return sync_engine::make_ready_future(std::move(page));
        };
        callbacks.push = [this](sync_engine::PushBatch<Json> batch) {
            sent += batch.changes.size();
            once(while_pushing);
            if (loses_requests) {
                lost_ = batch.changes.front();
                throw std::runtime_error("the request was lost");
            }
            sync_engine::PushReport<Json> report;
            for (auto& change : batch.changes) report.push_back(judge(change));
            return sync_engine::make_ready_future(std::move(report));
        };
        return callbacks;
    }

    sync_engine::Verdict<Json> judge(const sync_engine::Change<Json>& change) {
        if (refuses) return sync_engine::rejected<Json>(id, "not this one");
        if (const auto done = applied_.find(change.operation_id); done != applied_.end()) {
            return sync_engine::accepted<Json>(id, done->second);
        }
        if (held && held->revision != change.record.revision) return sync_engine::conflict(*held);
        take(change);
        agreed_ = held;
        return sync_engine::accepted<Json>(id, held->revision);
    }

    void take(const sync_engine::Change<Json>& change) {
        held = change.record;
        hold_as(held->version, held->updated_at);
        applied_[change.operation_id] = held->revision;
    }

    const sync_engine::Timestamp base_time_;
    std::uint64_t revisions_ = 0;
    int pulls_ = 0;
    std::optional<Record> agreed_;                   // the last state that both had
    std::optional<sync_engine::Change<Json>> lost_;  // what was sent and not taken
    std::map<std::string, std::string> applied_;     // revisions by operation
};

}  // namespace test
