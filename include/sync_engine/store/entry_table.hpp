// SPDX-License-Identifier: MIT
#pragma once

#include <sync_engine/store/entry.hpp>
#include <sync_engine/store/store_statistics.hpp>

#include <cstddef>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace sync_engine {

/// The entries of a store by id, and everything that would otherwise be a search: which are dirty,
/// carry a tag, wait, were refused; how many are in which state.
///
/// Finding, writing and erasing cost O(1) on average, plus O(log dirty) for a dirty entry; every
/// listing costs what it lists. Orders never depend on a hash, so a replay is the same on every
/// platform: entries in order of arrival (an erased one's place is taken by the last), dirty ones
/// in order of their edits. Not thread-safe: the store locks.
template <class Data>
class EntryTable {
public:
    /// The entry, or null. Stays valid until it is written or erased.
    [[nodiscard]] const Entry<Data>* find(std::string_view id) const {
        const auto found = slots_.find(id);
        return found == slots_.end() ? nullptr : &found->second.entry;
    }

    /// Adds the entry, or replaces the one with its id.
    void write(Entry<Data> entry) {
        auto found = slots_.find(std::string_view{entry.local->id});
        if (found == slots_.end()) {
            found = slots_.emplace(entry.local->id, Slot{}).first;
            found->second.place = order_.size();
            order_.push_back(&found->second);
            found->second.entry = std::move(entry);
            index_tags(found->second);
        } else {
            Slot& slot = found->second;
            leave_indexes(slot.entry);
            if (slot.entry.is_visible() == entry.is_visible() &&
                slot.entry.local->tags == entry.local->tags) {
                slot.entry = std::move(entry);
            } else {
                drop_tags(slot);
                slot.entry = std::move(entry);
                index_tags(slot);
            }
        }
        join_indexes(found->second.entry);
    }

    /// Forgets the entry; nothing happens where there is none.
    void erase(std::string_view id) {
        const auto found = slots_.find(id);
        if (found == slots_.end()) return;
        Slot& slot = found->second;
        leave_indexes(slot.entry);
        drop_tags(slot);
        order_.back()->place = slot.place;
        order_[slot.place] = order_.back();
        order_.pop_back();
        slots_.erase(found);
    }

    /// Forgets everything.
    void clear() { *this = EntryTable{}; }

    /// Visits every entry, deleted ones too.
    template <class Visitor>
    void for_each(Visitor&& visitor) const {
        for (const Slot* slot : order_) visitor(slot->entry);
    }

    /// Visits the visible entries that carry a tag.
    template <class Visitor>
    void for_each_tagged(std::string_view tag, Visitor&& visitor) const {
        const auto tagged = tags_.find(tag);
        if (tagged == tags_.end()) return;
        for (const Slot* slot : tagged->second) visitor(slot->entry);
    }

    /// Visits the dirty entries, oldest edit first.
    template <class Visitor>
    void for_each_dirty(Visitor&& visitor) const {
        for (const auto& [sequence, entry] : dirty_) visitor(*entry);
    }

    [[nodiscard]] const std::set<std::string>& conflicted() const noexcept { return conflicted_; }
    [[nodiscard]] const std::set<std::string>& parked() const noexcept { return parked_; }
    /// Dirty entries whose last push failed, dead letters included.
    [[nodiscard]] const std::set<std::string>& retrying() const noexcept { return retrying_; }
    /// Husks, oldest first, with the time since when they are husks.
    [[nodiscard]] const std::set<std::pair<Timestamp, std::string>>& husks() const noexcept {
        return husks_;
    }
    [[nodiscard]] const StoreStatistics& statistics() const noexcept { return statistics_; }
    [[nodiscard]] std::size_t size() const noexcept { return order_.size(); }

private:
    struct Slot {
        Entry<Data> entry{};
        std::size_t place = 0;                  // in order_
        std::vector<std::size_t> tag_places{};  // in the list of each tag, in the order of the tags
    };

    struct TextHash {
        using is_transparent = void;
        std::size_t operator()(std::string_view text) const noexcept {
            return std::hash<std::string_view>{}(text);
        }
    };
    template <class Value>
    using ByText = std::unordered_map<std::string, Value, TextHash, std::equal_to<>>;

    void join_indexes(const Entry<Data>& entry) {
        count(entry, +1);
        const std::string& id = entry.local->id;
        if (entry.is_dirty()) dirty_.emplace(entry.sequence, &entry);
        if (entry.conflicted) conflicted_.insert(id);
        if (entry.is_parked()) parked_.insert(id);
        if (is_retrying(entry)) retrying_.insert(id);
        if (entry.is_husk()) husks_.emplace(entry.settled_at, id);
    }

    void leave_indexes(const Entry<Data>& entry) {
        count(entry, -1);
        const std::string& id = entry.local->id;
        if (entry.is_dirty()) dirty_.erase(entry.sequence);
        if (entry.conflicted) conflicted_.erase(id);
        if (entry.is_parked()) parked_.erase(id);
        if (is_retrying(entry)) retrying_.erase(id);
        if (entry.is_husk()) husks_.erase({entry.settled_at, id});
    }

    static bool is_retrying(const Entry<Data>& entry) {
        return entry.is_dirty() && entry.active_retry() != nullptr;
    }

    void count(const Entry<Data>& entry, int by) {
        const auto add = [by](std::size_t& counter) {
            counter = by > 0 ? counter + 1 : counter - 1;
        };
        if (entry.conflicted) add(statistics_.conflicted);
        if (entry.is_dead_letter()) add(statistics_.dead_letters);
        if (entry.is_deleted()) {
            if (entry.is_dirty()) add(statistics_.deleted);
            return;
        }
        add(statistics_.total);
        switch (entry.local->status) {
            case SyncStatus::pending:
                add(statistics_.pending);
                break;
            case SyncStatus::modified:
                add(statistics_.modified);
                break;
            case SyncStatus::synced:
                add(statistics_.synced);
                break;
            case SyncStatus::conflicted:
            case SyncStatus::deleted:
                break;
        }
    }

    void index_tags(Slot& slot) {
        slot.tag_places.clear();
        if (!slot.entry.is_visible()) return;
        for (const std::string& tag : slot.entry.local->tags) {
            auto& list = tags_[tag];
            slot.tag_places.push_back(list.size());
            list.push_back(&slot);
        }
    }

    void drop_tags(Slot& slot) {
        if (!slot.entry.is_visible()) return;
        std::size_t which = 0;
        for (const std::string& tag : slot.entry.local->tags) {
            const auto found = tags_.find(tag);
            auto& list = found->second;
            const std::size_t place = slot.tag_places[which++];
            Slot* last = list.back();
            list[place] = last;
            last->tag_places[position_of(tag, last->entry.local->tags)] = place;
            list.pop_back();
            if (list.empty()) tags_.erase(found);
        }
    }

    static std::size_t position_of(const std::string& tag, const TagSet& tags) {
        std::size_t position = 0;
        for (const std::string& each : tags) {
            if (each == tag) break;
            ++position;
        }
        return position;
    }

    ByText<Slot> slots_;
    std::vector<Slot*> order_;
    ByText<std::vector<Slot*>> tags_;
    std::map<Sequence, const Entry<Data>*> dirty_;
    std::set<std::string> conflicted_;
    std::set<std::string> parked_;
    std::set<std::string> retrying_;
    std::set<std::pair<Timestamp, std::string>> husks_;
    StoreStatistics statistics_;
};

}  // namespace sync_engine
