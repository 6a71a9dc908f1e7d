// SPDX-License-Identifier: MIT
#pragma once

#include <sync_engine/store/id_index.hpp>

#include <cstddef>
#include <string_view>
#include <utility>

namespace sync_engine {

/// Finds ids in a sequence whose order is mostly that in which they are asked for, as the verdicts
/// on a batch come in the order of its changes: then each is behind the one before, and none is
/// hashed. The first that is asked for out of turn makes an index of all.
///
/// The sequence says which id is at a place, `id_at(place)`; it has to outlive this, and to stay as
/// it is. No id is in it twice.
template <class IdAt>
class IdsInTurn {
public:
    IdsInTurn(std::size_t size, IdAt id_at) : size_(size), id_at_(std::move(id_at)) {}

    /// The place of an id, or `IdIndex::nowhere`. O(1) on average.
    [[nodiscard]] std::size_t find(std::string_view id) {
        if (next_ < size_ && id_at_(next_) == id) return next_++;
        index_.reserve(size_);
        for (; indexed_ < size_; ++indexed_) index_.insert(id_at_(indexed_), indexed_);
        const std::size_t place = index_.find(id, id_at_);
        if (place != IdIndex::nowhere) next_ = place + 1;
        return place;
    }

private:
    std::size_t size_;
    IdAt id_at_;
    std::size_t next_ = 0;
    IdIndex index_;
    std::size_t indexed_ = 0;  // so many are in the index: none before it is needed, then all
};

}  // namespace sync_engine
