// SPDX-License-Identifier: MIT
#pragma once

#include <sync_engine/store/block_vector.hpp>
#include <sync_engine/store/sequence.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>

namespace sync_engine {

/// Where the dirty entries of a sequence of entries are, in the order of their edits.
///
/// New edits are the newest, so they stand in a list, each at its end: adding one is O(1), and
/// forgetting one finds it in O(log n) and leaves a hole, which costs O(1) more on average. What
/// comes out of order (a file that is loaded, a conflict that ended) is kept beside it in a map.
/// Not thread-safe.
class EditOrder {
public:
    /// Adds an edit that is not there.
    void add(Sequence sequence, std::size_t place) {
        const auto short_place = static_cast<std::uint32_t>(place);
        if (edits_.size() == 0 || edits_.back().sequence < sequence) {
            edits_.push_back({sequence, short_place, true});
        } else {
            late_.emplace(sequence, short_place);
        }
        ++size_;
    }

    /// Forgets an edit, which has to be there.
    void erase(Sequence sequence) {
        --size_;
        if (late_.erase(sequence) == 1) return;
        find(sequence).is_there = false;
        ++holes_;
        if (holes_ * 2 > edits_.size()) close_holes();
    }

    /// The entry of an edit, which has to be there, has moved.
    void move(Sequence sequence, std::size_t place) {
        const auto late = late_.find(sequence);
        (late != late_.end() ? late->second : find(sequence).place) =
            static_cast<std::uint32_t>(place);
    }

    /// Visits the place of each, oldest edit first.
    template <class Visitor>
    void for_each(Visitor&& visitor) const {
        auto late = late_.begin();
        edits_.for_each([&](const Edit& edit) {
            if (!edit.is_there) return;
            for (; late != late_.end() && late->first < edit.sequence; ++late) {
                visitor(std::size_t{late->second});
            }
            visitor(std::size_t{edit.place});
        });
        for (; late != late_.end(); ++late) visitor(std::size_t{late->second});
    }

    [[nodiscard]] std::size_t size() const noexcept { return size_; }

private:
    struct Edit {
        Sequence sequence = 0;
        std::uint32_t place = 0;
        bool is_there = false;
    };

    [[nodiscard]] Edit& find(Sequence sequence) {
        // Sequences rise by at least one from place to place, so it is there or before.
        const Sequence farthest =
            std::min<Sequence>(sequence - edits_[0].sequence, edits_.size() - 1);
        auto to = static_cast<std::size_t>(farthest);
        if (edits_[to].sequence == sequence) return edits_[to];
        std::size_t from = 0;
        while (from < to) {
            const std::size_t middle = from + (to - from) / 2;
            if (edits_[middle].sequence < sequence) {
                from = middle + 1;
            } else {
                to = middle;
            }
        }
        return edits_[from];
    }

    void close_holes() {
        std::size_t kept = 0;
        for (std::size_t each = 0; each < edits_.size(); ++each) {
            if (edits_[each].is_there) edits_[kept++] = edits_[each];
        }
        while (edits_.size() > kept) edits_.pop_back();
        holes_ = 0;
    }

    BlockVector<Edit> edits_;  // by sequence
    std::map<Sequence, std::uint32_t> late_;
    std::size_t size_ = 0;
    std::size_t holes_ = 0;  // in edits_
};

}  // namespace sync_engine
