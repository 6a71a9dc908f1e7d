// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <stdexcept>
#include <string_view>
#include <vector>

namespace sync_engine {

/// Where the elements of a sequence are, by their ids: one flat table with a cell of eight bytes,
/// and at least two cells for each id; no copy of an id.
///
/// Open addressing with linear probing, at most half full; an erased cell is filled by moving back
/// what had to go past it (Knuth, The Art of Computer Programming, volume 3, 6.4, algorithm R). The
/// sequence says which id is at a place: `id_at(place)`. Not thread-safe.
class IdIndex {
public:
    /// Also the most elements that it can tell apart.
    static constexpr std::size_t nowhere = std::numeric_limits<std::uint32_t>::max();

    /// The place of an id, or `nowhere`. O(1) on average.
    template <class IdAt>
    [[nodiscard]] std::size_t find(std::string_view id, const IdAt& id_at) const {
        if (cells_.empty()) return nowhere;
        const std::uint32_t hash = hash_of(id);
        for (std::size_t at = home_of(hash); cells_[at].place != nowhere; at = after(at)) {
            const Cell& cell = cells_[at];
            if (cell.hash == hash && id_at(cell.place) == id) return cell.place;
        }
        return nowhere;
    }

    /// Adds an id that is not there. Throws `std::length_error` beyond what can be told apart; an
    /// exception changes nothing.
    void insert(std::string_view id, std::size_t place) {
        if (place >= nowhere) throw std::length_error("a store holds at most 4294967295 records");
        reserve(size_ + 1);
        put({hash_of(id), static_cast<std::uint32_t>(place)});
        ++size_;
    }

    /// Forgets an id, which has to be there.
    void erase(std::string_view id, std::size_t place) {
        std::size_t hole = cell_of(id, place);
        for (std::size_t at = after(hole); cells_[at].place != nowhere; at = after(at)) {
            // What lives between the hole and its home has to stay reachable from there.
            const std::size_t home = home_of(cells_[at].hash);
            if (distance(home, at) < distance(hole, at)) continue;
            cells_[hole] = cells_[at];
            hole = at;
        }
        cells_[hole].place = static_cast<std::uint32_t>(nowhere);
        --size_;
    }

    /// The element of an id, which has to be there, has moved.
    void move(std::string_view id, std::size_t from, std::size_t to) {
        cells_[cell_of(id, from)].place = static_cast<std::uint32_t>(to);
    }

    /// Makes room for `count` ids, so that adding them allocates nothing.
    void reserve(std::size_t count) {
        if (!has_room(count)) *this = larger(count);
    }
    [[nodiscard]] bool has_room(std::size_t count) const noexcept {
        return count * 2 <= cells_.size();
    }

    /// The same index with room for `count` ids.
    [[nodiscard]] IdIndex larger(std::size_t count) const {
        std::size_t room = cells_.empty() ? 16 : cells_.size();
        while (room < count * 2) room *= 2;
        IdIndex index;
        index.cells_.resize(room);
        for (const Cell& cell : cells_) {
            if (cell.place != nowhere) index.put(cell);
        }
        index.size_ = size_;
        return index;
    }

private:
    struct Cell {
        std::uint32_t hash = 0;
        std::uint32_t place = static_cast<std::uint32_t>(nowhere);
    };

    static std::uint32_t hash_of(std::string_view id) noexcept {
        const std::uint64_t hash = std::hash<std::string_view>{}(id);
        return static_cast<std::uint32_t>(hash ^ (hash >> 32U));
    }

    [[nodiscard]] std::size_t home_of(std::uint32_t hash) const noexcept {
        return hash & (cells_.size() - 1);
    }
    [[nodiscard]] std::size_t after(std::size_t at) const noexcept {
        return (at + 1) & (cells_.size() - 1);
    }
    [[nodiscard]] std::size_t distance(std::size_t from, std::size_t to) const noexcept {
        return (to - from) & (cells_.size() - 1);
    }

    void put(Cell cell) noexcept {
        std::size_t at = home_of(cell.hash);
        while (cells_[at].place != nowhere) at = after(at);
        cells_[at] = cell;
    }

    [[nodiscard]] std::size_t cell_of(std::string_view id, std::size_t place) const noexcept {
        std::size_t at = home_of(hash_of(id));
        while (cells_[at].place != place) at = after(at);
        return at;
    }

    std::vector<Cell> cells_;  // a power of two of them, or none
    std::size_t size_ = 0;
};

}  // namespace sync_engine
