// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <utility>
#include <vector>

namespace sync_engine {

/// A vector in blocks: it grows without moving what it has, however much that is. As much of a
/// `std::vector` as is needed; a `std::deque` has blocks so small that finding one is what costs.
template <class Value>
class BlockVector {
public:
    [[nodiscard]] std::size_t size() const noexcept { return size_; }

    [[nodiscard]] Value& operator[](std::size_t place) {
        return blocks_[place / block_size][place % block_size];
    }
    [[nodiscard]] const Value& operator[](std::size_t place) const {
        return blocks_[place / block_size][place % block_size];
    }
    [[nodiscard]] Value& back() { return (*this)[size_ - 1]; }

    /// Makes room for `count` values, so that adding them allocates nothing.
    void reserve(std::size_t count) {
        while (!has_room(count)) grow();
    }
    [[nodiscard]] bool has_room(std::size_t count) const noexcept { return count <= room_; }

    void push_back(Value value) {
        reserve(size_ + 1);
        blocks_[size_ / block_size].push_back(std::move(value));
        ++size_;
    }
    void pop_back() {
        --size_;
        blocks_[size_ / block_size].pop_back();
    }

    /// Visits each value, in order.
    template <class Visitor>
    void for_each(Visitor&& visitor) const {
        for (const auto& block : blocks_) {
            for (const Value& value : block) visitor(value);
        }
    }

private:
    static constexpr std::size_t block_size = 1024;

    void grow() {
        if (room_ < block_size) {  // like a vector, because most stores are small
            if (blocks_.empty()) blocks_.emplace_back();
            const std::size_t larger = room_ == 0 ? 16 : room_ * 2;
            blocks_.front().reserve(larger);
            room_ = larger;
        } else {
            std::vector<Value> block;
            block.reserve(block_size);
            blocks_.push_back(std::move(block));
            room_ += block_size;
        }
    }

    std::vector<std::vector<Value>> blocks_;
    std::size_t size_ = 0;
    std::size_t room_ = 0;  // so many fit without an allocation
};

}  // namespace sync_engine
