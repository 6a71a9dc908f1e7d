// SPDX-License-Identifier: MIT
#pragma once

#include <sync_engine/store/local_store.hpp>
#include <sync_engine/testing/memory_storage.hpp>

#include "store/test_store.hpp"

#include <nlohmann/json.hpp>

#include <condition_variable>
#include <cstddef>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

namespace sync_engine::test {

/// A disk in memory whose commits stand still while it is held, each until it is let go.
class HeldDisk final : public Storage<nlohmann::json> {
public:
    StorageImage<nlohmann::json> load() override { return memory.load(); }

    void commit(const StorageBatch<nlohmann::json>& batch) override {
        std::unique_lock lock(mutex_);
        ++asked_;
        changed_.notify_all();
        changed_.wait(lock, [&] { return !is_held_ || let_go_ > 0; });
        if (is_held_) --let_go_;
        memory.commit(batch);
        std::vector<std::string> ids;
        for (const auto* entry : batch.write) ids.push_back(entry->local->id);
        for (const auto id : batch.erase) ids.emplace_back(id);
        commits_.push_back(std::move(ids));
    }

    void hold() {
        const std::lock_guard lock(mutex_);
        is_held_ = true;
        asked_ = 0;
        commits_.clear();
    }

    /// Waits until `count` commits have come to the disk since it is held.
    void wait_for(std::size_t count) {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [&] { return asked_ >= count; });
    }

    void let_one_go() {
        const std::lock_guard lock(mutex_);
        ++let_go_;
        changed_.notify_all();
    }

    void let_all_go() {
        const std::lock_guard lock(mutex_);
        is_held_ = false;
        changed_.notify_all();
    }

    /// The records of each commit that went through since it is held.
    [[nodiscard]] std::vector<std::vector<std::string>> commits() const {
        const std::lock_guard lock(mutex_);
        return commits_;
    }

    [[nodiscard]] std::size_t asked() const {
        const std::lock_guard lock(mutex_);
        return asked_;
    }

    testing::MemoryStorage<> memory{};

private:
    mutable std::mutex mutex_;
    std::condition_variable changed_;
    bool is_held_ = false;
    std::size_t let_go_ = 0;
    std::size_t asked_ = 0;
    std::vector<std::vector<std::string>> commits_;
};

/// A store on a disk that can be held, and writers that gather meanwhile.
class HeldStore {
public:
    using Body = std::function<void(Transaction<nlohmann::json>&)>;
    using Edit = std::shared_future<void>;

    HeldStore() = default;
    HeldStore(const HeldStore&) = delete;
    HeldStore& operator=(const HeldStore&) = delete;
    ~HeldStore() { disk->let_all_go(); }  // a test that failed must not wait for its writers

    LocalStore<>* operator->() { return &store; }

    /// An edit by a thread of its own; the body has run when this returns, not the commit. What
    /// comes to the store later sees the edit, because nobody can come between.
    Edit begin(Body body) {
        std::promise<void> has_run;
        edits_.push_back(std::async(std::launch::async, [this, &has_run, body = std::move(body)] {
            store.transact([&](auto& transaction) {
                const std::unique_ptr<std::promise<void>, Tell> at_end(&has_run);
                body(transaction);
            });
        }));
        has_run.get_future().wait();
        return edits_.back();
    }

    /// The same, when the disk is free: its commit stands at the disk when this returns.
    Edit begin_at_disk(Body body) {
        disk->hold();
        Edit edit = begin(std::move(body));
        disk->wait_for(1);
        return edit;
    }

    /// Puts a text.
    static auto put(std::string id, std::string text) {
        return [=](auto& transaction) { transaction.put(note(id, text)); };
    }

    /// Adds one to a counter.
    static auto count_up(std::string id) {
        return [=](auto& transaction) {
            transaction.update(id, [](auto& data) { data = data.template get<int>() + 1; });
        };
    }

    [[nodiscard]] EntryPtr<nlohmann::json> entry(const std::string& id) const {
        return store.read({id}).front();
    }

    /// Everything that readers see, with everything that is on the disk.
    [[nodiscard]] std::string picture() const {
        std::string text = text_of(store.state());
        for (const auto& record : store.all()) text += "\n" + text_of(*entry(record.id));
        text += "\non disk: " + text_of(disk->memory.load().state);
        for (const auto& known : disk->memory.load().entries) text += "\n" + text_of(known);
        return text;
    }

    std::shared_ptr<HeldDisk> disk = std::make_shared<HeldDisk>();
    LocalStore<> store{disk,
                       StoreOptions{.clock = [] { return noon; }, .random = counting_random()}};

private:
    struct Tell {
        void operator()(std::promise<void>* told) const { told->set_value(); }
    };

    std::vector<Edit> edits_;
};

}  // namespace sync_engine::test
