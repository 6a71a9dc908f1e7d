// SPDX-License-Identifier: MIT
#pragma once

#include <sync_engine/conflict/conflict_resolver.hpp>
#include <sync_engine/record/error.hpp>
#include <sync_engine/remote/memory_remote.hpp>
#include <sync_engine/retry/retry_queue.hpp>
#include <sync_engine/store/local_store.hpp>
#include <sync_engine/sync/sync_engine.hpp>
#include <sync_engine/testing/manual_clock.hpp>
#include <sync_engine/testing/random.hpp>

#include <nlohmann/json.hpp>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sync_engine::test {

/// What an app does to its store; each is one or more commits.
enum class Deed {
    put,
    put_large,
    put_many,
    update,
    remove,
    transact,
    abandon,
    discard,
    mark,
    evict,
    sync,
    lose_ack,
    refuse,
    ask_retry,
    go_offline,
    be_limited,
    revive,
    conflict,
    resolve,
    park,
    poison,
    list,
    others_write,
    others_remove,
    wait_long,
    clear,
    restart,  ///< of the process: done by whoever runs the app
};

inline constexpr std::array<std::string_view, 27> deed_names{
    "put",        "put_large",    "put_many",      "update",    "remove",   "transact", "abandon",
    "discard",    "mark",         "evict",         "sync",      "lose_ack", "refuse",   "ask_retry",
    "go_offline", "be_limited",   "revive",        "conflict",  "resolve",  "park",     "poison",
    "list",       "others_write", "others_remove", "wait_long", "clear",    "restart"};

inline std::string name_of(Deed deed) {
    return std::string(deed_names.at(static_cast<std::size_t>(deed)));
}

/// Every kind of deed, in an order in which each has something to do.
inline std::vector<Deed> every_deed() {
    using enum Deed;
    return {put,        put_many, update,  put_large,     remove,     transact,  abandon,
            restart,    sync,     update,  lose_ack,      update,     sync,      others_write,
            go_offline, put,      refuse,  ask_retry,     be_limited, restart,   revive,
            sync,       conflict, restart, resolve,       sync,       park,      put_large,
            restart,    sync,     poison,  list,          sync,       remove,    discard,
            mark,       sync,     evict,   others_remove, sync,       wait_long, sync,
            restart,    clear,    put,     sync,          restart};
}

/// What a picture of an app's store can hold, word for word: a day that never shows one of these
/// says nothing about it.
inline std::vector<std::string> every_word() {
    return {" clean",      " unclean", " conflicted",    " pulled",      " absent",
            "\"deleted\"", " base {",  " theirs {",      " sent ",       " retry ",
            " suspect",    " dead",    " left ",         "\"tags\":[\"", "\"revision\"",
            "epoch 1",     "cursor {", "health 1 1000@", " 30000@",      "\"lastSyncAt\":\""};
}

/// A day in the life of an app, by chance.
inline std::vector<Deed> random_deeds(testing::SeededRandom& random, std::size_t count) {
    std::vector<Deed> usual = every_deed();
    // Edits and syncs are what apps do; the list has one of most other things.
    for (int more = 0; more < 6; ++more) {
        usual.insert(usual.end(), {Deed::put, Deed::update, Deed::update, Deed::sync});
    }
    std::vector<Deed> deeds;
    while (deeds.size() < count) {
        deeds.push_back(usual[random.below(static_cast<std::uint32_t>(usual.size()))]);
    }
    return deeds;
}

/// What outlives the app's process, and no power cut reaches: the server, the time, and chance.
struct World {
    explicit World(std::uint64_t seed) : random(seed), remote(clock.clock()) {}

    testing::ManualClock clock{};
    testing::SeededRandom random;
    MemoryRemote<> remote;
    unsigned edits = 0;
};

/// An app: a store on a storage, and every way to use it. What the storage throws comes out.
class App {
public:
    /// `world` has to outlive it.
    App(World& world, std::shared_ptr<Storage<nlohmann::json>> storage)
        : store(std::move(storage),
                {.clock = world.clock.clock(), .random = world.random.source()}),
          world_(world) {}

    void perform(Deed deed) {
        world_.clock.advance(std::chrono::minutes{1});
        calm_down();
        try {
            attempt(deed);
        } catch (const Refused&) {  // such as to evict what was not sent
        } catch (const NotFound&) {
        }
    }

    /// How many bytes the body of a large record has.
    void set_large(std::size_t bytes) { large_ = bytes; }

    LocalStore<> store;

private:
    void attempt(Deed deed) {
        switch (deed) {
            case Deed::put:
                return store.put(fresh(any_id(), 40));
            case Deed::put_large:
                return store.put(fresh(any_id(), large_));
            case Deed::put_many:
                return store.put_all({fresh(any_id(), 10), fresh(any_id(), 900), fresh("many", 0)});
            case Deed::update:
                return update(known_id());
            case Deed::remove:
                return (void)store.remove(known_id());
            case Deed::transact:
                return transact(false);
            case Deed::abandon:
                return transact(true);
            case Deed::discard:
                return (void)store.discard_changes(edited_id());
            case Deed::mark:
                return mark();
            case Deed::evict:
                return (void)store.evict(known_id());
            default:
                return attempt_with_remote(deed);
        }
    }

    void attempt_with_remote(Deed deed) {
        switch (deed) {
            case Deed::lose_ack:
                update(known_id());
                world_.remote.lose_next_ack();
                return sync();
            case Deed::refuse:
                return sync_troubled([&](const auto& id) { world_.remote.refuse(id, "no"); });
            case Deed::ask_retry:
                return sync_troubled(
                    [&](const auto& id) { world_.remote.ask_retry(id, std::chrono::hours{1}); });
            case Deed::go_offline:
                world_.remote.set_offline(true);
                return sync();
            case Deed::be_limited:
                world_.remote.rate_limit(std::chrono::seconds{30});
                return sync();
            case Deed::revive:
                return revive();
            case Deed::conflict:
                return conflict(ConflictResolver<>{ConflictStrategy::manual});
            case Deed::park:
                return conflict(ConflictResolver<>{[](const auto&, const auto&) -> SyncRecord<> {
                    throw std::runtime_error("?");
                }});
            case Deed::resolve:
                return resolve();
            case Deed::poison:
                update(known_id());
                return sync_troubled([&](const auto& id) { world_.remote.fail_batches_with(id); });
            case Deed::list:
                return list();
            case Deed::others_write:
                return others_write();
            case Deed::others_remove:
                world_.remote.remove_as_other_device(remote_id());
                return sync();
            case Deed::wait_long:
                world_.clock.advance(std::chrono::hours{24 * 40});  // husks are forgotten by then
                return;
            case Deed::clear:
                return store.clear();
            default:
                return sync();
        }
    }

    // Records.

    SyncRecord<> fresh(std::string id, std::size_t size) {
        const unsigned edit = ++world_.edits;
        SyncRecord<> record{
            .id = std::move(id),
            .data = {{"edit", edit},
                     {"ratio", 0.1 * edit},
                     {"list", {nullptr, true, -1, "\xC3\xA4"}},
                     {"body", std::string(size, static_cast<char>('a' + edit % 26))}},
            .updated_at = world_.clock.now()};
        if (edit % 3 == 0) record.tags = {"red", "\xE2\x82\xAC"};
        return record;
    }

    /// Ids that a careless storage would mix up or cut short.
    std::string any_id() {
        static const std::array<std::string, 12> ids{"a",
                                                     "A",
                                                     "b",
                                                     "1",
                                                     "01",
                                                     "quote \" ' \\",
                                                     "line\nbreak",
                                                     std::string("nul\0one", 7),
                                                     std::string("nul\0two", 7),
                                                     "\xC3\xA4",
                                                     "a\xCC\x88",
                                                     "%_"};
        return ids.at(world_.random.below(static_cast<std::uint32_t>(ids.size())));
    }

    std::string one_of(const std::vector<SyncRecord<>>& records) {
        if (records.empty()) return any_id();
        return records[world_.random.below(static_cast<std::uint32_t>(records.size()))].id;
    }
    std::string known_id() { return one_of(store.all()); }
    std::string edited_id() { return one_of(store.pending()); }
    std::string remote_id() { return one_of(world_.remote.records()); }

    // Edits.

    void update(const std::string& id) {
        if (store.find(id) == nullptr) return store.put(fresh(id, 5));
        store.update(id, [&](nlohmann::json& data) {
            data["edit"] = ++world_.edits;
            data["body"] = std::string(200 + world_.random.below(2000), 'u');
        });
    }

    void transact(bool gives_up) {
        struct GiveUp {};
        try {
            store.transact([&](auto& transaction) {
                transaction.put(fresh(any_id(), 100));
                transaction.remove(known_id());
                transaction.put(fresh(any_id(), 5000));
                if (gives_up) throw GiveUp{};
            });
        } catch (const GiveUp&) {
        }
    }

    void mark() {
        (void)store.mark_modified(known_id());
        (void)store.mark_synced(edited_id());
    }

    // Syncs.

    void sync(const ConflictResolver<>& resolver = ConflictResolver<>{ConflictStrategy::merge}) {
        SyncEngine<> engine = engine_with(resolver);
        (void)engine.sync(world_.remote.remote("server"), small_calls()).get();
    }

    /// Several pages and batches, so that one sync is many commits.
    static SyncOptions small_calls() { return {.push_batch_size = 3, .pull_page_size = 4}; }

    SyncEngine<> engine_with(const ConflictResolver<>& resolver) {
        EngineOptions options;
        options.executor = inline_executor();
        options.monotonic = [clock = world_.clock.clock()] {
            return std::chrono::nanoseconds(clock().time_since_epoch());
        };
        return SyncEngine<>(store, resolver, RetryQueue<>{{.max_attempts = 3}}, options);
    }

    template <class Trouble>
    void sync_troubled(Trouble&& trouble) {
        const std::string id = known_id();
        update(id);
        trouble(id);
        troubled_.push_back(id);
        sync();
    }

    void calm_down() {
        for (const auto& id : troubled_) world_.remote.accept_again(id);
        troubled_.clear();
        world_.remote.set_offline(false);
        world_.remote.rate_limit({}, 0);
        world_.remote.lose_next_ack(0);
        world_.remote.list_everything(false);
    }

    void revive() {
        SyncEngine<> engine = engine_with({});
        for (const auto& letter : engine.retry_queue().dead_letters()) {
            (void)engine.retry_queue().revive(letter.record.id);
        }
    }

    void others_write() {
        for (int count = 0; count < 6; ++count) {
            auto record = fresh(any_id(), 60);
            record.version = world_.edits;
            world_.remote.edit_as_other_device(std::move(record));
        }
        sync();
    }

    /// The server lists all that there is; a record that it took, and never showed, is gone.
    void list() {
        store.put(fresh("unlisted", 20));
        sync();
        world_.remote.remove_as_other_device("unlisted");
        world_.remote.list_everything(true);
        sync();
    }

    void conflict(const ConflictResolver<>& resolver) {
        const std::string id = remote_id();
        update(id);
        auto theirs = fresh(id, 30);
        theirs.version = world_.edits;
        world_.remote.edit_as_other_device(std::move(theirs));
        sync(resolver);
    }

    void resolve() {
        for (const auto& conflict : store.conflicts()) {
            store.resolve(conflict, conflict.theirs.with_data({{"edit", ++world_.edits}}));
        }
    }

    World& world_;
    std::vector<std::string> troubled_;
    std::size_t large_ = 30'000;
};

}  // namespace sync_engine::test
