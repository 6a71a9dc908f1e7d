// SPDX-License-Identifier: MIT
#pragma once

#include <sync_engine/store/entry.hpp>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <exception>
#include <functional>
#include <iterator>
#include <memory>
#include <mutex>
#include <new>
#include <string>
#include <utility>
#include <vector>

namespace sync_engine {

/// Who changed a record.
enum class ChangeOrigin {
    local,   ///< the app, by an edit
    remote,  ///< a sync, whoever won
};

/// What a subscriber is told: one record, before and after one commit.
template <class Data = nlohmann::json>
struct StoreChange {
    std::string id{};          ///< of the record
    RecordPtr<Data> before{};  ///< null: the app could not see the record before
    RecordPtr<Data> after{};   ///< null: the app cannot see it any more
    /// Who did it.
    ChangeOrigin origin = ChangeOrigin::local;
};

/// Keeps a subscriber subscribed; its destruction ends that. Movable. It may outlive the store. A
/// call that runs on another thread just then may still end after it.
class Subscription {
public:
    Subscription() = default;
    /// For stores: what keeps `listener` alive keeps it subscribed.
    explicit Subscription(std::shared_ptr<void> listener) : listener_(std::move(listener)) {}

    /// Ends the subscription now.
    void reset() noexcept { listener_.reset(); }

private:
    std::shared_ptr<void> listener_;
};

/// Delivers changes to subscribers: in commit order, outside of every lock, one at a time.
///
/// Whoever finds nobody delivering delivers everything that is queued; a subscriber that edits adds
/// to the queue and is served afterwards, not inside. What was being delivered when somebody
/// subscribed was committed before, and is not for them.
template <class Data>
class ChangeFeed {
public:
    using Listener = std::function<void(const StoreChange<Data>&)>;

    [[nodiscard]] Subscription subscribe(Listener listener) {
        auto shared = std::make_shared<Listener>(std::move(listener));
        const std::lock_guard lock(mutex_);
        auto listeners = those_left();
        listeners.push_back(shared);
        set_listeners(std::move(listeners));
        return Subscription{std::move(shared)};
    }

    /// False if nobody listens, so that nothing needs to be queued.
    [[nodiscard]] bool has_listeners() const noexcept { return listening_.load(); }

    /// Queues changes, all of them or, if memory runs out, none; what is left of the vector is of
    /// no use but its room. Commits come one at a time, which keeps them in order.
    void queue(std::vector<StoreChange<Data>>& changes) {
        const std::lock_guard lock(mutex_);
        if (queue_.empty()) {
            queue_.swap(changes);
        } else {
            queue_.insert(queue_.end(), std::make_move_iterator(changes.begin()),
                          std::make_move_iterator(changes.end()));
        }
        has_queue_.store(true, std::memory_order_relaxed);
    }

    /// Delivers what is queued; what a subscriber throws goes to `on_error`. Nothing is thrown, or
    /// the turn to deliver would never be given back.
    void deliver(const std::function<void(std::exception_ptr)>& on_error) noexcept {
        if (!has_queue_.load(std::memory_order_relaxed)) return;
        std::unique_lock lock(mutex_);
        if (delivering_) return;
        delivering_ = true;
        while (!queue_.empty()) {
            queue_.swap(taken_);
            const auto listeners = listeners_;
            lock.unlock();
            bool are_all_there = true;
            for (const auto& change : taken_) {
                are_all_there &= tell_all(*listeners, change, on_error);
            }
            forget_taken();
            lock.lock();
            if (!are_all_there) forget_who_left();
        }
        has_queue_.store(false, std::memory_order_relaxed);
        delivering_ = false;
    }

private:
    /// So much room is kept, because most commits have one change; more goes back to the heap.
    static constexpr std::size_t few = 64;

    using Listeners = std::vector<std::weak_ptr<Listener>>;

    [[nodiscard]] Listeners those_left() const {
        Listeners left = *listeners_;
        std::erase_if(left, [](const auto& listener) { return listener.expired(); });
        return left;
    }

    void set_listeners(Listeners listeners) {
        listeners_ = std::make_shared<const Listeners>(std::move(listeners));
        listening_.store(!listeners_->empty());
    }

    /// Spares a look at who left, so it is no failure if memory runs out: it is tried again.
    void forget_who_left() noexcept {
        try {
            set_listeners(those_left());
        } catch (const std::bad_alloc&) {  // they stay on the list
        }
    }

    void forget_taken() {
        taken_.clear();
        if (taken_.capacity() > few) taken_ = std::vector<StoreChange<Data>>{};
    }

    /// False if somebody does not listen any more.
    static bool tell_all(const Listeners& listeners, const StoreChange<Data>& change,
                         const std::function<void(std::exception_ptr)>& on_error) {
        bool are_all_there = true;
        for (const auto& each : listeners) {
            const auto listener = each.lock();  // not before: another listener may end it
            if (listener != nullptr) tell(*listener, change, on_error);
            are_all_there = are_all_there && listener != nullptr;
        }
        return are_all_there;
    }

    static void tell(const Listener& listener, const StoreChange<Data>& change,
                     const std::function<void(std::exception_ptr)>& on_error) {
        try {
            listener(change);
        } catch (...) {
            if (!on_error) return;
            try {
                on_error(std::current_exception());
            } catch (...) {  // nobody is left to tell
            }
        }
    }

    std::mutex mutex_;
    std::shared_ptr<const Listeners> listeners_ = std::make_shared<const Listeners>();
    std::vector<StoreChange<Data>> queue_;
    std::vector<StoreChange<Data>> taken_;  // from the queue, by whoever delivers
    bool delivering_ = false;
    std::atomic<bool> listening_{false};
    std::atomic<bool> has_queue_{false};  // changed under the lock; who queued sees that it did
};

}  // namespace sync_engine
