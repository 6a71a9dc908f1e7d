// SPDX-License-Identifier: MIT
#include <sync_engine/store/group_commit.hpp>

#include "store/test_store.hpp"
#include "support/catch.hpp"
#include "support/flaky_disk.hpp"

#include <nlohmann/json.hpp>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace test_of_group_commit_threads {

// Run under a thread sanitizer, these are silent.

using namespace sync_engine;
using namespace sync_engine::test;
using nlohmann::json;

namespace {

constexpr int editors = 8;
constexpr int edits = 100;
constexpr std::size_t counters = 3;

/// How often each counter was counted up by edits that returned.
using Counts = std::array<int, counters>;

std::string counter(std::size_t n) {
    return "counter " + std::to_string(n);
}

void count_up(json& data) {
    data = data.get<int>() + 1;
}

struct FlakyStore {
    std::shared_ptr<FlakyDisk> disk = std::make_shared<FlakyDisk>();
    LocalStore<> store{disk,
                       StoreOptions{.clock = [] { return noon; }, .random = counting_random()}};

    LocalStore<>* operator->() { return &store; }

    /// True if the edit took place; it may fail as the disk does, and in no other way.
    template <class Edit>
    bool tries(const Edit& edit) {
        try {
            edit();
            return true;
        } catch (const StorageError&) {
            return false;
        }
    }

    /// Runs `edit(editor)` on many threads, and `meanwhile()` on one more as long as they run.
    template <class Edit, class Meanwhile>
    void run(const Edit& edit, const Meanwhile& meanwhile) {
        std::atomic<bool> is_over{false};
        std::thread other([&] {
            do meanwhile();
            while (!is_over);
        });
        std::vector<std::thread> threads;
        for (int editor = 0; editor < editors; ++editor) threads.emplace_back(edit, editor);
        for (auto& thread : threads) thread.join();
        is_over = true;
        other.join();
    }

    /// What is in memory and on the disk, as text.
    [[nodiscard]] std::map<std::string, std::string> in_memory() const {
        std::map<std::string, std::string> entries{{"", text_of(store.state())}};
        for (const auto& [id, text] : on_disk()) {
            if (const auto known = store.read({id}).front()) entries[id] = text_of(*known);
        }
        for (const auto& record : store.all()) entries[record.id] += "";
        for (const auto& record : store.pending()) entries[record.id] += "";
        return entries;
    }
    [[nodiscard]] std::map<std::string, std::string> on_disk() const {
        const auto image = disk->memory.load();
        std::map<std::string, std::string> entries{{"", text_of(image.state)}};
        for (const auto& entry : image.entries) entries[entry.local->id] = text_of(entry);
        return entries;
    }
};

/// A sync of everything with a remote that accepts everything: stages, and acknowledges what was
/// staged before.
void sync(LocalStore<>& store) {
    Step<json> step;
    for (const auto& entry : store.read_dirty()) {
        const Moment moment{noon, store.options().drift_cap};
        const bool is_answered = !entry->sent().empty();
        auto outcome = is_answered ? rules::acknowledged(
                                         *entry, entry->sent().back(),
                                         rules::remote_state(*entry->sent().back().record), moment)
                                   : rules::staged(*entry, std::to_string(entry->sequence));
        step.decisions.push_back({.expected = entry, .written = {.outcome = std::move(outcome)}});
    }
    store.apply(std::move(step));
}

}  // namespace

TEST_CASE("an edit that returned is counted, one that threw is not", "[store][threads]") {
    FlakyStore store;
    for (std::size_t n = 0; n < counters; ++n) {
        while (!store.tries([&] { store->put({.id = counter(n), .data = 0}); })) continue;
    }
    std::array<Counts, editors> counts{};
    std::atomic<int> backwards{0};
    std::map<std::string, RecordPtr<json>> heard;  // unguarded: calls that overlap are a race
    int gaps = 0;
    const auto subscription = store->subscribe([&](const StoreChange<>& change) {
        const auto [known, is_first] = heard.try_emplace(change.id, change.before);
        if (known->second != change.before) ++gaps;
        known->second = change.after;
    });

    store.run(
        [&](int editor) {
            int seen = 0;
            for (int n = 0; n < edits; ++n) {
                const auto one = static_cast<std::size_t>(n) % counters;
                const auto other = (one + 1) % counters;
                const auto count_two = [&](auto& transaction) {
                    transaction.update(counter(one), count_up);
                    transaction.update(counter(other), count_up);
                    if (n % 7 == 6) throw std::out_of_range("enough");
                };
                try {
                    if (!store.tries([&] { store->transact(count_two); })) continue;
                    ++counts[static_cast<std::size_t>(editor)][one];
                    ++counts[static_cast<std::size_t>(editor)][other];
                } catch (const std::out_of_range&) {
                }
                const int now = store->find(counter(0))->data.get<int>();
                if (now < seen) ++backwards;
                seen = now;
            }
        },
        [&] { store.tries([&] { sync(store.store); }); });

    for (std::size_t n = 0; n < counters; ++n) {
        int sum = 0;
        for (const auto& each : counts) sum += each[n];
        CHECK(store->get(counter(n))->data == sum);
    }
    CHECK(backwards == 0);
    CHECK_FALSE(store.disk->has_overlapped);
    CHECK(store.in_memory() == store.on_disk());
    CHECK(gaps == 0);
    for (const auto& [id, last] : heard) CHECK(last == store->find(id));
}

TEST_CASE("memory is what is on the disk, also if the store is cleared meanwhile",
          "[store][threads]") {
    FlakyStore store;
    std::atomic<std::uint64_t> clears{0};

    store.run(
        [&](int editor) {
            for (int n = 0; n < edits; ++n) {
                const auto own = std::to_string(editor) + '.' + std::to_string(n % 5);
                const auto shared = "shared " + std::to_string(n % 3);
                store.tries([&] {
                    if (n % 4 == 0) store->remove(shared);
                    if (n % 4 == 1) store->mark_synced(own);
                    store->put_all({{.id = own, .data = n}, {.id = shared, .data = editor}});
                });
            }
        },
        [&] {
            store.tries([&] { sync(store.store); });
            if (store.tries([&] { store->clear(); })) ++clears;
        });

    CHECK(store->state().epoch == clears);
    CHECK_FALSE(store.disk->has_overlapped);
    CHECK(store.in_memory() == store.on_disk());
    const auto pending = store->read_dirty();
    std::set<Sequence> sequences;
    for (const auto& entry : pending) sequences.insert(entry->sequence);
    CHECK(sequences.size() == pending.size());
}

}  // namespace test_of_group_commit_threads
