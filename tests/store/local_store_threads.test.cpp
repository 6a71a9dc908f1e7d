// SPDX-License-Identifier: MIT
#include <sync_engine/store/local_store.hpp>

#include "store/test_store.hpp"
#include "support/catch.hpp"

#include <atomic>
#include <cstddef>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

namespace test_of_local_store_threads {

using namespace sync_engine;
using namespace sync_engine::test;
using nlohmann::json;

namespace {

constexpr int editors = 8;
constexpr int edits = 120;

/// Runs `edit(editor, n)` on several threads, and `read()` on two more as long as they run.
template <class Edit, class Read>
void run(const Edit& edit, const Read& read) {
    std::atomic<bool> done{false};
    std::vector<std::thread> readers;
    for (int reader = 0; reader < 2; ++reader) {
        readers.emplace_back([&] {
            do read();
            while (!done.load());
        });
    }
    std::vector<std::thread> threads;
    for (int editor = 0; editor < editors; ++editor) {
        threads.emplace_back([&, editor] {
            for (int n = 0; n < edits; ++n) edit(editor, n);
        });
    }
    for (auto& thread : threads) thread.join();
    done.store(true);
    for (auto& thread : readers) thread.join();
}

/// What the statistics have to be, by a scan.
StoreStatistics counted(const LocalStore<>& store) {
    StoreStatistics statistics;
    store.for_each([&](const SyncRecord<>& record) {
        ++statistics.total;
        if (record.status == SyncStatus::pending) ++statistics.pending;
        if (record.status == SyncStatus::modified) ++statistics.modified;
        if (record.status == SyncStatus::synced) ++statistics.synced;
    });
    for (const auto& record : store.pending()) statistics.deleted += record.is_deleted() ? 1 : 0;
    return statistics;
}

}  // namespace

TEST_CASE("updates from many threads are all there", "[store][threads]") {
    TestStore<> store;
    store->put({.id = "shared", .data = 0, .status = SyncStatus::synced, .updated_at = noon});
    std::atomic<int> backwards{0};

    run([&](int, int) { store->update("shared", [](json& data) { data = data.get<int>() + 1; }); },
        [&] {
            static thread_local int seen = 0;
            const int now = store->find("shared")->data.get<int>();
            if (now < seen) ++backwards;
            seen = now;
        });

    CHECK(store->get("shared")->data == editors * edits);
    CHECK(store->get("shared")->version == editors * edits + 1);
    CHECK(backwards == 0);
}

TEST_CASE("indexes and statistics are exact after edits from many threads", "[store][threads]") {
    TestStore<> store;
    std::atomic<int> broken{0};

    run(
        [&](int editor, int n) {
            const auto own = std::to_string(editor) + '-' + std::to_string(n % 10);
            const auto shared = "shared-" + std::to_string(n % 5);
            switch ((editor + n) % 7) {
                case 0:
                    store->put(note(shared, std::to_string(n)).with_tags({"x", own}));
                    break;
                case 1:
                    store->put(note(own, "1").with_status(SyncStatus::synced));
                    break;
                case 2:
                    store->put(note(own, std::to_string(n)).with_tags({"x"}));
                    break;
                case 3:
                    store->remove(n % 2 == 0 ? own : shared);
                    break;
                case 4:
                    store->mark_synced(shared);
                    break;
                case 5:
                    store->mark_modified(own);
                    break;
                default:
                    store->transact([&](auto& transaction) {
                        transaction.put(note(own, "both").with_tags({"y"}));
                        transaction.put(note(shared, "both").with_tags({"y"}));
                    });
            }
        },
        [&] {
            const auto statistics = store->statistics();
            if (statistics.total != statistics.pending + statistics.modified + statistics.synced) {
                ++broken;
            }
            for (const auto& record : store->query_by_tag("x")) {
                if (!record.tags.contains("x") || record.is_deleted()) ++broken;
            }
            for (const auto& record : store->pending()) {
                if (record.status == SyncStatus::synced) ++broken;
            }
        });

    CHECK(broken == 0);
    CHECK(store->statistics() == counted(*store));
    for (const auto* tag : {"x", "y"}) {
        const auto found = ids_of(store->query_by_tag(tag));
        const auto wanted = ids_of(
            store->query([&](const SyncRecord<>& record) { return record.tags.contains(tag); }));
        CHECK(std::set<std::string>(found.begin(), found.end()) ==
              std::set<std::string>(wanted.begin(), wanted.end()));
        CHECK(found.size() == wanted.size());
    }
    const auto before = store->pending();
    store.restart();
    CHECK(store->pending() == before);
    CHECK(store->statistics() == counted(*store));
}

TEST_CASE("readers see a transaction whole or not at all", "[store][threads]") {
    TestStore<> store;
    store->put({.id = "from", .data = 1000, .updated_at = noon});
    store->put({.id = "to", .data = 0, .updated_at = noon});
    std::atomic<int> torn{0};

    run(
        [&](int, int) {
            store->transact([](auto& transaction) {
                transaction.update("from", [](json& data) { data = data.get<int>() - 1; });
                transaction.update("to", [](json& data) { data = data.get<int>() + 1; });
            });
        },
        [&] {
            int sum = 0;
            for (const auto& record : store->all()) sum += record.data.get<int>();
            if (sum != 1000) ++torn;
        });

    CHECK(torn == 0);
    CHECK(store->get("to")->data == editors * edits);
}

TEST_CASE("sequences name every edit once, also from many threads", "[store][threads]") {
    TestStore<> store;

    run([&](int editor, int n) { store->put(note(std::to_string(editor * edits + n), "one")); },
        [&] { static_cast<void>(store->read_dirty()); });

    std::set<Sequence> sequences;
    for (const auto& entry : store->read_dirty()) sequences.insert(entry->sequence);
    CHECK(sequences.size() == editors * edits);
    CHECK(*sequences.rbegin() == editors * edits);
}

TEST_CASE("whoever subscribes and then reads misses no change", "[store][threads]") {
    constexpr int subscriptions = 300;
    TestStore<> store;
    store->put({.id = "shared", .data = 0, .updated_at = noon});
    const auto number_of = [](const SyncRecord<>& record) { return record.data.get<int>(); };
    std::atomic<bool> done{false};
    std::thread editor([&] {
        while (!done) store->update("shared", [](json& data) { data = data.get<int>() + 1; });
    });
    std::thread reader([&] {
        while (!done) static_cast<void>(store->statistics());
    });

    int missed = 0;
    for (int each = 0; each < subscriptions; ++each) {
        while (store->has_listeners()) std::this_thread::yield();  // the last one is forgotten
        const auto first = std::make_shared<std::atomic<int>>(0);
        const auto subscription = store->subscribe([first, number_of](const auto& change) {
            if (*first == 0) *first = number_of(*change.after);
        });
        const int seen = number_of(*store->find("shared"));
        while (*first == 0) std::this_thread::yield();
        if (*first > seen + 1) ++missed;
    }
    done = true;
    editor.join();
    reader.join();

    CHECK(missed == 0);
}

}  // namespace test_of_local_store_threads
