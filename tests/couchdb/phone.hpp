// SPDX-License-Identifier: MIT
#pragma once

#include <sync_engine/conflict/conflict_resolver.hpp>
#include <sync_engine/remote/couchdb_remote.hpp>
#include <sync_engine/remote/curl_transport.hpp>
#include <sync_engine/store/local_store.hpp>
#include <sync_engine/store/sqlite_storage.hpp>
#include <sync_engine/sync/sync_engine.hpp>

#include "couchdb/database.hpp"
#include "couchdb/place.hpp"
#include "support/catch.hpp"
#include "support/temporary_folder.hpp"

#include <nlohmann/json.hpp>

#include <chrono>
#include <cstddef>
#include <initializer_list>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace sync_engine::test {

/// An app on a device: a SQLite file, an engine, libcurl, and a database somewhere. What both sides
/// changed is merged.
class Phone {
public:
    using Json = nlohmann::json;

    Phone(Place place, std::string database, std::chrono::milliseconds deadline = patience)
        : couch(transport, {.url = std::move(place.url),
                            .database = std::move(database),
                            .auth = std::move(place.login),
                            .resolver = merge(),
                            .deadline = deadline}) {
        restart();
    }
    explicit Phone(const Database& database) : Phone(database.place(), database.name()) {}

    /// The app ends and starts again: what is in the file is what there is.
    void restart() {
        engine.reset();
        store.reset();
        store = std::make_unique<LocalStore<>>(sqlite_storage<Json>(folder_ / "app.db"));
        engine = std::make_unique<SyncEngine<>>(*store, merge(), RetryQueue<>{},
                                                EngineOptions{.executor = inline_executor()});
    }

    void edit(const std::string& id, Json data) {
        auto record = store->get(id).value_or(SyncRecord<>{.id = id});
        record.data = std::move(data);
        store->put(std::move(record));
    }

    /// Changes members and leaves all others as they are.
    void change(const std::string& id, const Json& members) {
        store->update(id, [&](Json& data) { data.update(members); });
    }

    SyncResult sync(SyncOptions options = {}) {
        return engine->sync(couch.remote(), std::move(options)).get();
    }

    [[nodiscard]] Json data(const std::string& id) const {
        const auto record = store->find(id);
        return record ? record->data : Json();
    }

    [[nodiscard]] Contents contents() const {
        Contents all;
        store->for_each([&](const SyncRecord<>& record) { all[record.id] = record.data; });
        return all;
    }

    static ConflictResolver<> merge() { return ConflictResolver<>{ConflictStrategy::merge}; }

private:
    static constexpr std::chrono::seconds patience{30};
    TemporaryFolder folder_{};

public:
    CurlTransport transport{};
    CouchDbRemote<> couch;
    std::unique_ptr<LocalStore<>> store{};
    std::unique_ptr<SyncEngine<>> engine{};
};

/// The errors of a sync, as text.
inline std::string text_of(const SyncResult& result) {
    return nlohmann::json(result).dump();
}

/// Syncs each in turn until a whole round has nothing more to do.
inline void settle(std::initializer_list<Phone*> phones) {
    constexpr int rounds = 10;
    for (int round = 0; round < rounds; ++round) {
        bool is_quiet = true;
        for (Phone* phone : phones) {
            const auto result = phone->sync();
            INFO(text_of(result));
            REQUIRE(result.outcome == SyncOutcome::completed);
            REQUIRE_FALSE(result.has_errors());
            is_quiet = is_quiet && result.total() == 0;
        }
        if (is_quiet) return;
    }
    FAIL("they keep telling each other something");
}

/// Where two maps differ, as text: short enough to read, however large they are.
inline std::string difference(const Contents& ours, const Contents& theirs) {
    std::string text;
    std::size_t left = 5;
    const auto tell = [&](const std::string& id, const Contents& one, const Contents& other) {
        const auto place = other.find(id);
        if (place != other.end() && place->second == one.at(id)) return;
        if (left == 0) return;
        --left;
        text += nlohmann::json(id).dump() + ": " + one.at(id).dump().substr(0, 200) + " / " +
                (place == other.end() ? "nothing" : place->second.dump().substr(0, 200)) + '\n';
    };
    for (const auto& each : ours) tell(each.first, ours, theirs);
    for (const auto& each : theirs) {
        if (ours.count(each.first) == 0) tell(each.first, theirs, ours);
    }
    return text;
}

/// All hold what the server shows, in memory and on disk, and nothing waits.
inline void check_equal(std::initializer_list<Phone*> phones, Database& database) {
    const auto there = database.contents();
    for (Phone* phone : phones) {
        CHECK(difference(phone->contents(), there) == std::string{});
        CHECK(phone->store->pending().empty());
        CHECK(phone->engine->retry_queue().dead_letters().empty());
        phone->restart();
        CHECK(difference(phone->contents(), there) == std::string{});
    }
}

}  // namespace sync_engine::test
