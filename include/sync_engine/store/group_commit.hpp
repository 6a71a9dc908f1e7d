// SPDX-License-Identifier: MIT
#pragma once

#include <sync_engine/store/overlay.hpp>
#include <sync_engine/store/store_memory.hpp>
#include <sync_engine/store/transaction.hpp>
#include <sync_engine/store/writer_lock.hpp>

#include <condition_variable>
#include <exception>
#include <memory>
#include <mutex>
#include <utility>

namespace sync_engine {

/// Lets writers share commits: those that come while one is at the disk are the next one together.
///
/// A writer that finds the disk free commits at once and alone. One that comes meanwhile joins the
/// group that gathers; whoever began that group leads it: waits for the commit ahead, and then
/// takes the edits of all along. So no edit waits for company, none for more than two commits, and
/// no thread or timer is needed. A commit that fails takes the group that gathered meanwhile along:
/// its edits were made on entries that never came to be. So does a record of which the storage
/// cannot write the data: it fails the edits that came with it, too.
template <class Data>
class GroupCommit {
    /// Edits that become durable together, or not at all.
    struct Group {
        Commit<Data> commit{};
        bool is_over = false;
        std::exception_ptr failure{};
        std::condition_variable ended{};
    };

public:
    explicit GroupCommit(StoreMemory<Data>& memory) : memory_(memory) {}

    /// The right to decide: while it exists nobody else decides, and what is newest stays so.
    struct Turn {
        std::unique_lock<WriterLock> deciding{};
        std::unique_lock<std::mutex> looking{};
    };

    /// Whose commit a writer has to wait for; empty: nobody's.
    class Place {
    public:
        [[nodiscard]] bool is_empty() const noexcept { return group_ == nullptr; }

    private:
        friend GroupCommit;
        std::shared_ptr<Group> group_{};
        bool leads_ = false;
    };

    /// Waits for the other writers. Throws `std::logic_error` if this thread is the writer, and
    /// `StorageError` if a commit could not be shown whole.
    [[nodiscard]] Turn take_turn() {
        Turn turn{.deciding = std::unique_lock(writer_)};
        if (memory_.has_storage()) turn.looking = std::unique_lock(mutex_);
        memory_.require_whole();
        return turn;
    }

    /// Waits also for every edit that is on its way, and lets no other begin: what is in memory is
    /// what is newest, and whoever has this turn commits there.
    [[nodiscard]] std::unique_lock<WriterLock> take_turn_alone() {
        std::unique_lock deciding(writer_);
        std::unique_lock lock(mutex_);
        if (const auto last = newest_place().group_) await_end(*last, lock);
        memory_.require_whole();
        return deciding;
    }

    /// The edits that are not durable yet. For whoever has the turn, as is what follows.
    [[nodiscard]] PendingEdits<Data> pending() const {
        return {gathering_ ? &gathering_->commit.edits : nullptr,
                at_disk_ ? &at_disk_->commit.edits : nullptr};
    }

    /// The place of a writer that has seen such edits and has none of its own.
    [[nodiscard]] Place newest_place() const {
        Place place;
        place.group_ = gathering_ ? gathering_ : at_disk_;
        return place;
    }

    /// The place of a writer with edits. Without a storage there is nothing to wait for: they are
    /// committed.
    [[nodiscard]] Place join(Overlay<Data> edits) {
        Place place;
        if (edits.is_empty()) return place;
        if (!memory_.has_storage()) {
            memory_.commit({.edits = std::move(edits)});
            return place;
        }
        place.leads_ = gathering_ == nullptr;
        place.group_ = place.leads_ ? std::make_shared<Group>() : gathering_;
        place.group_->commit.edits.append(std::move(edits));
        gathering_ = place.group_;
        return place;
    }

    /// Returns when the edits are durable and in memory, or throws what the storage threw. For
    /// whoever has given the turn back.
    void wait(const Place& place) {
        if (place.is_empty()) return;
        Group& group = *place.group_;
        std::unique_lock lock(mutex_);
        if (place.leads_) {
            if (const auto ahead = at_disk_; ahead && !group.is_over) await_end(*ahead, lock);
            if (!group.is_over) commit(group, lock);  // else it failed with the one ahead
        } else {
            await_end(group, lock);
        }
        if (group.failure) std::rethrow_exception(group.failure);
    }

private:
    static void await_end(Group& group, std::unique_lock<std::mutex>& lock) {
        group.ended.wait(lock, [&] { return group.is_over; });
    }

    /// Takes the group that gathers to the disk; others gather and read meanwhile.
    void commit(Group& group, std::unique_lock<std::mutex>& lock) {
        at_disk_ = std::exchange(gathering_, nullptr);
        try {
            memory_.prepare(group.commit);
            lock.unlock();
            memory_.persist(group.commit);
            lock.lock();
            memory_.publish(group.commit);
        } catch (...) {
            group.failure = std::current_exception();
        }
        if (!lock.owns_lock()) lock.lock();
        at_disk_ = nullptr;
        group.is_over = true;
        const auto on_top = group.failure ? std::exchange(gathering_, nullptr) : nullptr;
        if (on_top) {
            on_top->failure = group.failure;
            on_top->is_over = true;
        }
        lock.unlock();
        group.ended.notify_all();
        if (on_top) on_top->ended.notify_all();
    }

    StoreMemory<Data>& memory_;
    WriterLock writer_;  // held while an edit or a step is decided
    std::mutex mutex_;   // guards what follows, and keeps commits away from who looks at it
    std::shared_ptr<Group> gathering_;
    std::shared_ptr<Group> at_disk_;
};

}  // namespace sync_engine
