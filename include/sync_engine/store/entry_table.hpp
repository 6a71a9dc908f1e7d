// SPDX-License-Identifier: MIT
#pragma once

#include <sync_engine/store/entry.hpp>
#include <sync_engine/store/id_index.hpp>
#include <sync_engine/store/store_statistics.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
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
        const auto place = place_of(id);
        return place == IdIndex::nowhere ? nullptr : &slots_[place]->entry;
    }

    /// Makes room for `count` more entries.
    void reserve(std::size_t count) {
        const auto needed = slots_.size() + count;
        index_.reserve(needed);
        if (needed > slots_.capacity()) slots_.reserve(std::max(needed, slots_.size() * 2));
    }

    /// Adds the entry, or replaces the one with its id.
    void write(Entry<Data>&& entry) {
        const auto place = place_of(entry.local->id);
        if (place == IdIndex::nowhere) {
            add(std::move(entry));
        } else {
            replace(*slots_[place], std::move(entry));
        }
    }

    /// Forgets the entry; nothing happens where there is none.
    void erase(std::string_view id) {
        const auto place = place_of(id);
        if (place == IdIndex::nowhere) return;
        leave_indexes(slots_[place]->entry);
        drop_tags(*slots_[place]);
        index_.erase(id, place);
        const auto last = slots_.size() - 1;
        if (place != last) {
            index_.move(id_at(last), last, place);
            std::swap(slots_[place], slots_[last]);
        }
        slots_.pop_back();
    }

    /// Forgets everything.
    void clear() { *this = EntryTable{}; }

    /// Visits every entry, deleted ones too.
    template <class Visitor>
    void for_each(Visitor&& visitor) const {
        for (const auto& slot : slots_) visitor(slot->entry);
    }

    /// Visits the visible entries that carry a tag.
    template <class Visitor>
    void for_each_tagged(std::string_view tag, Visitor&& visitor) const {
        const auto tagged = tags_.find(tag);
        if (tagged == tags_.end()) return;
        for (const Slot* slot : tagged->second) visitor(slot->entry);
    }

    [[nodiscard]] std::size_t count_tagged(std::string_view tag) const {
        const auto tagged = tags_.find(tag);
        return tagged == tags_.end() ? 0 : tagged->second.size();
    }

    /// Visits the dirty entries, oldest edit first.
    template <class Visitor>
    void for_each_dirty(Visitor&& visitor) const {
        for (const auto& [sequence, entry] : dirty_) visitor(*entry);
    }

    [[nodiscard]] std::size_t count_dirty() const noexcept { return dirty_.size(); }

    [[nodiscard]] const std::set<std::string>& conflicted() const noexcept { return conflicted_; }
    [[nodiscard]] const std::set<std::string>& parked() const noexcept { return parked_; }
    /// Dirty entries whose last push failed, dead letters included.
    [[nodiscard]] const std::set<std::string>& retrying() const noexcept { return retrying_; }
    /// Husks, oldest first, with the time since when they are husks.
    [[nodiscard]] const std::set<std::pair<Timestamp, std::string>>& husks() const noexcept {
        return husks_;
    }
    [[nodiscard]] const StoreStatistics& statistics() const noexcept { return statistics_; }
    [[nodiscard]] std::size_t size() const noexcept { return slots_.size(); }

private:
    struct Slot {
        explicit Slot(Entry<Data>&& first) noexcept : entry(std::move(first)) {}

        Entry<Data> entry;
        std::vector<std::uint32_t> tag_places{};  // in the list of each tag, in the tags' order
    };

    struct TextHash {
        using is_transparent = void;
        std::size_t operator()(std::string_view text) const noexcept {
            return std::hash<std::string_view>{}(text);
        }
    };
    template <class Value>
    using ByText = std::unordered_map<std::string, Value, TextHash, std::equal_to<>>;

    [[nodiscard]] std::string_view id_at(std::size_t place) const {
        return slots_[place]->entry.local->id;
    }
    [[nodiscard]] std::size_t place_of(std::string_view id) const {
        return index_.find(id, [this](std::size_t place) { return id_at(place); });
    }

    void add(Entry<Data>&& entry) {
        reserve(1);
        slots_.push_back(std::make_unique<Slot>(std::move(entry)));
        Slot& slot = *slots_.back();
        index_.insert(slot.entry.local->id, slots_.size() - 1);
        index_tags(slot);
        join_indexes(slot.entry);
    }

    void replace(Slot& slot, Entry<Data>&& entry) {
        leave_indexes(slot.entry);
        if (slot.entry.is_visible() == entry.is_visible() &&
            slot.entry.local->tags == entry.local->tags) {
            slot.entry = std::move(entry);
        } else {
            drop_tags(slot);
            slot.entry = std::move(entry);
            index_tags(slot);
        }
        join_indexes(slot.entry);
    }

    void join_indexes(const Entry<Data>& entry) {
        count(entry, +1);
        const std::string& id = entry.local->id;
        // Nearly always the newest edit of all.
        if (entry.is_dirty()) dirty_.emplace_hint(dirty_.end(), entry.sequence, &entry);
        if (entry.conflicted) conflicted_.insert(id);
        if (entry.is_parked()) parked_.insert(id);
        if (is_retrying(entry)) retrying_.insert(id);
        if (entry.is_husk()) husks_.emplace(entry.settled_at, id);
    }

    void leave_indexes(const Entry<Data>& entry) {
        count(entry, -1);
        const std::string& id = entry.local->id;
        if (entry.is_dirty()) forget_dirty(entry.sequence);
        if (entry.conflicted) conflicted_.erase(id);
        if (entry.is_parked()) parked_.erase(id);
        if (is_retrying(entry)) retrying_.erase(id);
        if (entry.is_husk()) husks_.erase({entry.settled_at, id});
    }

    /// They are mostly acknowledged in the order of their edits.
    void forget_dirty(Sequence sequence) {
        const auto oldest = dirty_.begin();
        if (oldest != dirty_.end() && oldest->first == sequence) {
            dirty_.erase(oldest);
        } else {
            dirty_.erase(sequence);
        }
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
        slot.tag_places.reserve(slot.entry.local->tags.size());
        for (const std::string& tag : slot.entry.local->tags) {
            auto& list = tags_[tag];
            slot.tag_places.push_back(static_cast<std::uint32_t>(list.size()));
            list.push_back(&slot);
        }
    }

    void drop_tags(Slot& slot) {
        if (!slot.entry.is_visible()) return;
        std::size_t which = 0;
        for (const std::string& tag : slot.entry.local->tags) {
            const auto found = tags_.find(tag);
            auto& list = found->second;
            const std::uint32_t place = slot.tag_places[which++];
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

    std::vector<std::unique_ptr<Slot>> slots_;  // in order of arrival
    IdIndex index_;                             // of slots_
    ByText<std::vector<Slot*>> tags_;
    std::map<Sequence, const Entry<Data>*> dirty_;
    std::set<std::string> conflicted_;
    std::set<std::string> parked_;
    std::set<std::string> retrying_;
    std::set<std::pair<Timestamp, std::string>> husks_;
    StoreStatistics statistics_;
};

}  // namespace sync_engine
