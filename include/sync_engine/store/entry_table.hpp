// SPDX-License-Identifier: MIT
#pragma once

#include <sync_engine/store/block_vector.hpp>
#include <sync_engine/store/edit_order.hpp>
#include <sync_engine/store/entry.hpp>
#include <sync_engine/store/id_index.hpp>
#include <sync_engine/store/store_statistics.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
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
/// Finding, writing and erasing cost O(1) on average, plus O(log dirty) for what is no longer
/// dirty; every listing costs what it lists. Orders never depend on a hash, so a replay is the same
/// on every platform: entries in order of arrival (an erased one's place is taken by the last),
/// dirty ones in order of their edits. Not thread-safe: the store locks.
template <class Data>
class EntryTable {
public:
    /// The entry, or null. Stays valid until it is written or erased.
    [[nodiscard]] const Entry<Data>* find(std::string_view id) const {
        const auto place = place_of(id);
        return place == IdIndex::nowhere ? nullptr : slots_[place].entry.get();
    }

    /// The same, for those who keep it.
    [[nodiscard]] EntryPtr<Data> share(std::string_view id) const {
        const auto place = place_of(id);
        return place == IdIndex::nowhere ? nullptr : slots_[place].entry;
    }

    /// The same, without a search where it still is the one that is expected; null: none is.
    [[nodiscard]] const Entry<Data>* find(std::string_view id, const Entry<Data>* expected) const {
        const bool is_there = expected != nullptr && expected->place < slots_.size() &&
                              slots_[expected->place].entry.get() == expected;
        return is_there ? expected : find(id);
    }

    /// Whether `count` more entries are added without making room.
    [[nodiscard]] bool has_room(std::size_t count) const noexcept {
        return index_.has_room(slots_.size() + count) && slots_.has_room(slots_.size() + count);
    }

    /// Makes room for `count` more entries.
    void reserve(std::size_t count) {
        index_.reserve(slots_.size() + count);
        slots_.reserve(slots_.size() + count);
    }

    /// An index with room for `count` more entries, where this one has too little: making it takes
    /// as long as there are entries, so it is made beside those who read, and then swapped in.
    [[nodiscard]] std::optional<IdIndex> larger_index(std::size_t count) const {
        const auto needed = slots_.size() + count;
        if (index_.has_room(needed)) return std::nullopt;
        return index_.larger(needed);
    }
    void swap_index(IdIndex& same_but_larger) noexcept { std::swap(index_, same_but_larger); }

    /// Adds the entry, or replaces the one with its id; answers that one, or null.
    EntryPtr<Data> write(EntryPtr<Data> entry) {
        const auto place = place_of(*entry);
        if (place != IdIndex::nowhere) return replace(place, std::move(entry));
        add(std::move(entry));
        return nullptr;
    }

    /// Forgets the entry, and answers it; null where there is none.
    EntryPtr<Data> erase(std::string_view id) {
        const auto place = place_of(id);
        if (place == IdIndex::nowhere) return nullptr;
        EntryPtr<Data> entry = slots_[place].entry;
        leave_indexes(*entry);
        keep_turn(entry.get(), nullptr, place);
        drop_tags(slots_[place]);
        index_.erase(id, place);
        const auto last = slots_.size() - 1;
        if (place != last) move(last, place);
        slots_.pop_back();
        return entry;
    }

    /// Visits every entry, deleted ones too.
    template <class Visitor>
    void for_each(Visitor&& visitor) const {
        slots_.for_each([&](const Slot& slot) { visitor(slot.entry); });
    }

    /// Visits the visible entries that carry a tag.
    template <class Visitor>
    void for_each_tagged(std::string_view tag, Visitor&& visitor) const {
        const auto tagged = tags_.find(tag);
        if (tagged == tags_.end()) return;
        for (const std::uint32_t place : tagged->second) visitor(slots_[place].entry);
    }

    [[nodiscard]] std::size_t count_tagged(std::string_view tag) const {
        const auto tagged = tags_.find(tag);
        return tagged == tags_.end() ? 0 : tagged->second.size();
    }

    /// Visits the dirty entries, oldest edit first.
    template <class Visitor>
    void for_each_dirty(Visitor&& visitor) const {
        dirty_.for_each([&](std::size_t place) { visitor(slots_[place].entry); });
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
    /// Where an entry is in the list of each of its tags, in their order: most have one or two.
    class TagPlaces {
    public:
        explicit TagPlaces(std::size_t count)
            : more_(count > few_.size() ? std::make_unique<std::uint32_t[]>(count - few_.size())
                                        : nullptr) {}

        [[nodiscard]] std::uint32_t& operator[](std::size_t which) noexcept {
            return which < few_.size() ? few_[which] : more_[which - few_.size()];
        }

    private:
        std::array<std::uint32_t, 2> few_{};
        std::unique_ptr<std::uint32_t[]> more_;
    };

    struct Slot {
        EntryPtr<Data> entry{};
        TagPlaces tag_places{0};  // of a visible entry
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
        return slots_[place].entry->local->id;
    }
    [[nodiscard]] std::size_t place_of(std::string_view id) const {
        return index_.find(id, [this](std::size_t place) { return id_at(place); });
    }

    /// Of the record of an entry, which mostly knows it.
    [[nodiscard]] std::size_t place_of(const Entry<Data>& entry) const {
        const std::string& id = entry.local->id;
        const bool is_known = entry.place < slots_.size() && id_at(entry.place) == id;
        return is_known ? entry.place : place_of(std::string_view{id});
    }

    void add(EntryPtr<Data> entry) {
        reserve(1);
        const auto place = slots_.size();
        slots_.push_back({std::move(entry)});
        const Entry<Data>& added = *slots_.back().entry;
        index_.insert(added.local->id, place);
        index_tags(place);
        keep_turn(nullptr, &added, place);
        join_indexes(added);
    }

    EntryPtr<Data> replace(std::size_t place, EntryPtr<Data> entry) {
        Slot& slot = slots_[place];
        leave_indexes(*slot.entry);
        keep_turn(slot.entry.get(), entry.get(), place);
        const bool keeps_tags =
            slot.entry->local == entry->local || (slot.entry->is_visible() == entry->is_visible() &&
                                                  slot.entry->local->tags == entry->local->tags);
        if (!keeps_tags) drop_tags(slot);
        std::swap(slot.entry, entry);
        if (!keeps_tags) index_tags(place);
        join_indexes(*slot.entry);
        return entry;
    }

    /// Moves the entry at `from` to the place of one that has left everything.
    void move(std::size_t from, std::size_t to) {
        const Entry<Data>& entry = *slots_[from].entry;
        index_.move(entry.local->id, from, to);
        if (entry.is_dirty()) dirty_.move(entry.sequence, to);
        for_each_tag(slots_[from], [&](const std::string& tag, std::uint32_t place) {
            tags_.find(tag)->second[place] = static_cast<std::uint32_t>(to);
        });
        slots_[to] = std::move(slots_[from]);
    }

    /// Gives the entry its turn among the dirty ones; the same edit keeps the one it has.
    void keep_turn(const Entry<Data>* before, const Entry<Data>* after, std::size_t place) {
        const bool had = before != nullptr && before->is_dirty();
        const bool has = after != nullptr && after->is_dirty();
        if (had && has && before->sequence == after->sequence) return;
        if (had) dirty_.erase(before->sequence);
        if (has) dirty_.add(after->sequence, place);
    }

    void join_indexes(const Entry<Data>& entry) {
        count(entry, +1);
        const std::string& id = entry.local->id;
        if (entry.conflicted) conflicted_.insert(id);
        if (entry.is_parked()) parked_.insert(id);
        if (is_retrying(entry)) retrying_.insert(id);
        if (entry.is_husk()) husks_.emplace(entry.settled_at(), id);
    }

    void leave_indexes(const Entry<Data>& entry) {
        count(entry, -1);
        const std::string& id = entry.local->id;
        if (entry.conflicted) conflicted_.erase(id);
        if (entry.is_parked()) parked_.erase(id);
        if (is_retrying(entry)) retrying_.erase(id);
        if (entry.is_husk()) husks_.erase({entry.settled_at(), id});
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

    void index_tags(std::size_t place) {
        Slot& slot = slots_[place];
        if (!slot.entry->is_visible()) return;
        const TagSet& tags = slot.entry->local->tags;
        slot.tag_places = TagPlaces{tags.size()};
        std::size_t which = 0;
        for (const std::string& tag : tags) {
            auto& list = tags_[tag];
            slot.tag_places[which++] = static_cast<std::uint32_t>(list.size());
            list.push_back(static_cast<std::uint32_t>(place));
        }
    }

    void drop_tags(Slot& slot) {
        for_each_tag(slot, [&](const std::string& tag, std::uint32_t place) {
            const auto found = tags_.find(tag);
            auto& list = found->second;
            Slot& last = slots_[list.back()];
            list[place] = list.back();
            last.tag_places[position_of(tag, last.entry->local->tags)] = place;
            list.pop_back();
            if (list.empty()) tags_.erase(found);
        });
        slot.tag_places = TagPlaces{0};
    }

    /// Visits each tag under which the entry is listed, and its place in that list.
    template <class Visitor>
    static void for_each_tag(Slot& slot, Visitor&& visitor) {
        if (!slot.entry->is_visible()) return;
        std::size_t which = 0;
        for (const std::string& tag : slot.entry->local->tags) {
            visitor(tag, slot.tag_places[which++]);
        }
    }

    static std::size_t position_of(const std::string& tag, const TagSet& tags) {
        return static_cast<std::size_t>(std::lower_bound(tags.begin(), tags.end(), tag) -
                                        tags.begin());
    }

    BlockVector<Slot> slots_;  // in order of arrival
    IdIndex index_;            // of slots_
    ByText<std::vector<std::uint32_t>> tags_;
    EditOrder dirty_;
    std::set<std::string> conflicted_;
    std::set<std::string> parked_;
    std::set<std::string> retrying_;
    std::set<std::pair<Timestamp, std::string>> husks_;
    StoreStatistics statistics_;
};

}  // namespace sync_engine
