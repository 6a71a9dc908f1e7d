// SPDX-License-Identifier: MIT
#include "support/catch.hpp"
#include "support/flaky_disk.hpp"
#include "support/scenario.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <future>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

namespace scenario_threads {

// Real threads on one store while it syncs. Run under a thread sanitizer, these are silent.

using namespace sync_engine;
using ::test::Ids;
using ::test::Json;
using ::test::Server;
using ::test::text_of;

namespace {

constexpr int editors = 8;
constexpr int edits = 120;

/// What one thread did last to each of its records; null: it removed it.
using Work = std::map<std::string, Json>;

/// A busy user: puts, updates, removes and reads, on records of its own and on one of everybody's.
Work edit_a_lot(LocalStore<>& store, int editor) {
    Work work;
    for (int n = 0; n < edits; ++n) {
        const std::string id = "r" + std::to_string(editor) + "." + std::to_string(n % 7);
        switch (n % 5) {
            case 0:
            case 1:
                store.put({.id = id, .data = n, .tags = {"editor"}});
                work[id] = n;
                break;
            case 2:
                if (work[id].is_null()) break;
                store.update(id, [&](Json& data) { data = {{"n", n}}; });
                work[id] = {{"n", n}};
                break;
            case 3:
                store.transact([&](auto& transaction) {
                    transaction.update("counter", [](Json& data) { data = data.get<int>() + 1; });
                    transaction.put({.id = id, .data = -n});
                });
                work[id] = -n;
                break;
            default:
                store.remove(id);
                work[id] = nullptr;
                break;
        }
        (void)store.get(id);
        (void)store.pending();
        (void)store.query_by_tag("editor");
        (void)store.statistics();
    }
    return work;
}

/// Runs `body(number)` on as many threads at once and answers what each came to.
template <class Body>
auto on_threads(int count, const Body& body) {
    using Answer = std::invoke_result_t<const Body&, int>;
    std::vector<std::future<Answer>> futures;
    for (int n = 0; n < count; ++n) {
        futures.push_back(std::async(std::launch::async, [&body, n] { return body(n); }));
    }
    std::vector<Answer> answers;
    for (auto& future : futures) answers.push_back(future.get());
    return answers;
}

/// The state of the record where it counts: pending here, or else at the server.
Json safe_state(const LocalStore<>& store, const Server& server, const std::string& id) {
    for (const auto& record : store.pending()) {
        if (record.id == id) return record.is_deleted() ? Json() : record.data;
    }
    const auto held = server.find(id);
    return held && !held->is_deleted() ? held->data : Json();
}

}  // namespace

TEST_CASE("no edit of eight threads is lost while a ninth syncs", "[scenario][threads]") {
    auto disk = std::make_shared<testing::MemoryStorage<>>();
    LocalStore<> store{disk};
    Server server;
    SyncEngine<> engine{store};
    store.put({.id = "counter", .data = 0});
    std::atomic<std::size_t> heard{0};
    const auto subscription = store.subscribe([&](const auto&) { ++heard; });
    std::atomic<bool> is_over{false};
    std::size_t syncs = 0;
    std::thread syncer{[&] {
        do {
            switch (++syncs % 8) {  // a bad connection
                case 2:
                    server.lose_next_ack();
                    break;
                case 4:
                    server.fail_next_push();
                    break;
                case 6:
                    server.fail_next_pull();
                    break;
                default:
                    break;
            }
            engine.sync(server.remote(), {.push_batch_size = 5, .pull_page_size = 3}).get();
        } while (!is_over);
    }};

    const auto works = on_threads(editors, [&](int editor) { return edit_a_lot(store, editor); });
    is_over = true;
    syncer.join();

    for (const auto& work : works) {
        for (const auto& [id, data] : work) {
            INFO(id);
            CHECK(safe_state(store, server, id) == data);
        }
    }
    server.lose_next_ack(0);
    server.fail_next_push(0);
    server.fail_next_pull(0);
    engine.sync(server.remote()).get();
    CHECK(engine.sync(server.remote()).get().outcome == SyncOutcome::completed);
    CHECK(text_of(store) == text_of(server));
    CHECK(store.pending().empty());
    CHECK(engine.retry_queue().entries().empty());
    CHECK(store.get("counter")->data == editors * edits / 5);
    CHECK(heard > 0);
    CHECK(text_of(LocalStore<>{disk}) == text_of(server));
}

TEST_CASE("on a disk that fails at times, all that eight threads were told holds",
          "[scenario][threads]") {
    auto disk = std::make_shared<sync_engine::test::FlakyDisk>();
    LocalStore<> store{disk};
    Server server;
    SyncEngine<> engine{store};
    const auto succeeds = [](const auto& call) {
        try {
            call();
            return true;
        } catch (const StorageError&) {
            return false;
        }
    };
    while (!succeeds([&] { store.put({.id = "counter", .data = 0}); })) continue;
    std::atomic<bool> is_over{false};
    std::thread syncer{[&] {
        do succeeds([&] { engine.sync(server.remote(), {.push_batch_size = 5}).get(); });
        while (!is_over);
    }};

    const auto works = on_threads(editors, [&](int editor) {
        std::pair<int, Work> done;
        for (int n = 0; n < edits; ++n) {
            const std::string id = "r" + std::to_string(editor) + "." + std::to_string(n % 7);
            const bool is_done = succeeds([&] {
                store.transact([&](auto& transaction) {
                    transaction.update("counter", [](Json& data) { data = data.get<int>() + 1; });
                    transaction.put({.id = id, .data = n});
                });
            });
            if (!is_done) continue;
            ++done.first;
            done.second[id] = n;
        }
        return done;
    });
    is_over = true;
    syncer.join();

    disk->is_sound = true;
    engine.sync(server.remote()).get();
    CHECK(engine.sync(server.remote()).get().outcome == SyncOutcome::completed);
    int counted = 0;
    for (const auto& [count, work] : works) {
        counted += count;
        for (const auto& [id, data] : work) CHECK(server.find(id)->data == data);
    }
    CHECK(server.find("counter")->data == counted);
    CHECK_FALSE(disk->has_overlapped);
    CHECK(text_of(store) == text_of(server));
    CHECK(text_of(LocalStore<>{disk}) == text_of(server));
}

TEST_CASE("two devices that are edited and synced at once agree in the end",
          "[scenario][threads]") {
    Server server;
    struct Phone {
        LocalStore<> store{};
        SyncEngine<> engine{store, ConflictResolver<>{ConflictStrategy::merge}};
    };
    Phone phones[2];

    on_threads(4, [&](int n) {
        Phone& phone = phones[n % 2];
        for (int step = 0; step < 60; ++step) {
            const std::string id = "r" + std::to_string(step % 5);
            if (n < 2) {
                phone.engine.sync(server.remote(), {.push_batch_size = 3}).get();
            } else if (step % 9 == 8) {
                phone.store.remove(id);
            } else {
                auto record =
                    phone.store.get(id).value_or(SyncRecord<>{.id = id, .data = Json::object()});
                record.data["phone" + std::to_string(n)] = step;
                phone.store.put(std::move(record));
            }
        }
        return 0;
    });
    for (int round = 0; round < 3; ++round) {
        for (auto& phone : phones) {
            CHECK(phone.engine.sync(server.remote()).get().outcome == SyncOutcome::completed);
        }
    }

    for (auto& phone : phones) {
        CHECK(text_of(phone.store) == text_of(server));
        CHECK(phone.store.pending().empty());
    }
}

TEST_CASE("of many threads that sync at once one does, and the others are told",
          "[scenario][threads]") {
    LocalStore<> store;
    Server server;
    SyncEngine<> engine{store};
    SyncEngine<> other{store};
    for (int n = 0; n < 20; ++n) store.put({.id = std::to_string(n), .data = n});

    const auto outcomes = on_threads(6, [&](int n) {
        std::map<SyncOutcome, int> counts;
        for (int step = 0; step < 40; ++step) {
            auto& mine = n % 2 == 0 ? engine : other;
            ++counts[mine.sync(server.remote(), {.push_batch_size = 3}).get().outcome];
            (void)mine.is_syncing();
            (void)mine.metadata();
            (void)mine.last_sync_result();
            (void)mine.retry_queue().count();
            if (step % 10 == 9) mine.request_stop();
        }
        return counts;
    });

    std::map<SyncOutcome, int> all;
    for (const auto& counts : outcomes) {
        for (const auto& [outcome, count] : counts) all[outcome] += count;
    }
    CHECK(all[SyncOutcome::completed] + all[SyncOutcome::already_running] +
              all[SyncOutcome::stopped] ==
          6 * 40);
    CHECK(all[SyncOutcome::completed] + all[SyncOutcome::stopped] > 0);
    engine.sync(server.remote()).get();
    CHECK(text_of(store) == text_of(server));
    CHECK(store.pending().empty());
    CHECK(engine.metadata().total_pushes == 20);
}

}  // namespace scenario_threads
