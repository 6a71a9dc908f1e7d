// SPDX-License-Identifier: MIT
#pragma once

#include <sync_engine/store/local_store.hpp>
#include <sync_engine/store/sync_rules.hpp>
#include <sync_engine/testing/manual_clock.hpp>
#include <sync_engine/testing/memory_storage.hpp>

#include "support/catch.hpp"
#include "support/entry_text.hpp"

#include <nlohmann/json.hpp>

#include <chrono>
#include <cstdint>
#include <memory>
#include <set>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

namespace sync_engine::test {

inline const Timestamp noon{std::chrono::sys_days{std::chrono::year{2026} / 5 / 4} +
                            std::chrono::hours{12}};

/// Random numbers that are the same on every run.
inline Random counting_random(std::uint64_t seed = 1) {
    auto state = std::make_shared<std::uint64_t>(seed);
    return [state] { return *state += 0x9E3779B97F4A7C15U; };
}

/// A record of the time when every test begins.
inline SyncRecord<> note(std::string id, std::string text, std::uint64_t version = 1) {
    return {.id = std::move(id),
            .data = {{"text", std::move(text)}},
            .updated_at = noon,
            .version = version};
}

template <class Data>
std::vector<std::string> ids_of(const std::vector<SyncRecord<Data>>& records) {
    std::vector<std::string> ids;
    for (const auto& record : records) ids.push_back(record.id);
    return ids;
}

template <class Data>
std::vector<std::string> ids_of(const std::vector<Entry<Data>>& entries) {
    std::vector<std::string> ids;
    for (const auto& entry : entries) ids.push_back(entry.local->id);
    return ids;
}

template <class Data>
std::vector<std::string> ids_of(const std::vector<EntryPtr<Data>>& entries) {
    std::vector<std::string> ids;
    for (const auto& entry : entries) ids.push_back(entry->local->id);
    return ids;
}

/// A store on a disk in memory, under a clock that stands at noon, and the few things that a sync
/// does to a store.
template <class Data = nlohmann::json>
class TestStore {
public:
    explicit TestStore(std::uint64_t seed = 1) : random(counting_random(seed)) { restart(); }

    LocalStore<Data>* operator->() const { return store.get(); }
    LocalStore<Data>& operator*() const { return *store; }

    /// The process ends and starts again: what is on the disk is what there is.
    void restart() {
        store.reset();
        store = std::make_unique<LocalStore<Data>>(
            disk, StoreOptions{.clock = clock.clock(), .random = random});
    }

    [[nodiscard]] Moment moment() const { return {clock.now(), store->options().drift_cap}; }

    /// The entry, hidden ones too.
    [[nodiscard]] EntryPtr<Data> entry(const std::string& id) const {
        return store->read({id}).front();
    }

    /// Commits what `rule(const Entry<Data>*)` makes of the entry, as a sync does.
    template <class Rule>
    StepResult decide(const std::string& id, Rule&& rule) {
        const auto known = entry(id);
        Step<Data> step;
        step.decisions.push_back(
            {.expected = known,
             .written = {.outcome = rule(known ? &*known : nullptr), .forgotten = id}});
        return store->apply(std::move(step));
    }

    /// A pull brings this state, and nothing stands against it.
    void pull(SyncRecord<Data> remote) {
        decide(remote.id,
               [&](const auto* known) { return rules::taken(known, remote, clock.now()); });
    }

    /// A pull brings a conflict, and the strategy is to ask the user.
    void conflict(SyncRecord<Data> theirs) {
        decide(theirs.id, [&](const auto* known) { return rules::waiting(*known, theirs, true); });
    }

    /// A pull brings a conflict, and the resolver fails.
    void park(SyncRecord<Data> theirs) {
        decide(theirs.id, [&](const auto* known) { return rules::waiting(*known, theirs, false); });
    }

    /// The record is about to be pushed.
    void stage(const std::string& id, const std::string& operation_id) {
        decide(id, [&](const auto* known) { return rules::staged(*known, operation_id); });
    }

    /// The remote accepts all that was sent of the record.
    void acknowledge(const std::string& id, const std::string& revision) {
        decide(id, [&](const auto* known) {
            auto echo = *known->sent().back().record;
            echo.revision = revision;
            return rules::acknowledged(*known, known->sent().back(),
                                       rules::remote_state(std::move(echo)), moment());
        });
    }

    /// Everything that the store shows, hidden entries too, and where the disk says otherwise.
    [[nodiscard]] std::string picture() const {
        std::ostringstream text;
        text << text_of(store->state()) << "\nstatistics "
             << nlohmann::json(store->statistics()).dump() << "\nall "
             << nlohmann::json(store->all()).dump() << "\npending "
             << nlohmann::json(store->pending()).dump() << "\nretrying "
             << nlohmann::json(ids_of(store->read_retrying())).dump() << "\nparked "
             << nlohmann::json(ids_of(store->read_parked())).dump() << "\nconflicts";
        for (const auto& conflict : store->conflicts()) text << ' ' << quoted(conflict.id);
        std::set<std::string> tags;
        for (const auto& record : store->all()) tags.insert(record.tags.begin(), record.tags.end());
        for (const auto& tag : tags) {
            const auto tagged = ids_of(store->query_by_tag(tag));
            text << "\ntag " << tag << ' '
                 << nlohmann::json(std::set<std::string>(tagged.begin(), tagged.end())).dump();
        }
        for (const auto& on_disk : disk->load().entries) {
            const auto known = entry(on_disk.local->id);
            const std::string here = known ? text_of(*known) : "none";
            text << '\n' << quoted(on_disk.local->id) << ": " << here;
            if (here != text_of(on_disk)) text << "\n  but on disk: " << text_of(on_disk);
        }
        return text.str();
    }

    testing::ManualClock clock{noon};
    Random random;
    std::shared_ptr<testing::MemoryStorage<Data>> disk =
        std::make_shared<testing::MemoryStorage<Data>>();
    std::unique_ptr<LocalStore<Data>> store;
};

/// Changes what is known of the attempts to push a record; false if it is not dirty.
template <class Change>
bool update_retry(LocalStore<>& store, const std::string& id, const Change& change) {
    return store.update_retries({id}, [&](const auto& /*known*/, auto& retry) {
        change(retry);
        return true;
    });
}

}  // namespace sync_engine::test

template <class Data>
struct Catch::StringMaker<sync_engine::SyncRecord<Data>> {
    static std::string convert(const sync_engine::SyncRecord<Data>& record) {
        return nlohmann::json(record).dump();
    }
};

template <>
struct Catch::StringMaker<sync_engine::StoreStatistics> {
    static std::string convert(const sync_engine::StoreStatistics& statistics) {
        return nlohmann::json(statistics).dump();
    }
};

template <>
struct Catch::StringMaker<sync_engine::Stamp> {
    static std::string convert(const sync_engine::Stamp& stamp) {
        return "version " + std::to_string(stamp.version) + " at " +
               std::to_string(stamp.updated_at.time_since_epoch().count()) + " us";
    }
};
