// SPDX-License-Identifier: MIT
#pragma once

#include <sync_engine/store/boxed.hpp>

#include <cstddef>
#include <initializer_list>
#include <iterator>
#include <utility>
#include <vector>

namespace sync_engine {

/// A list that costs a pointer while it is empty, for what few objects have any of: as much of a
/// `std::vector` as is needed.
template <class Value>
class RareList {
    using Values = std::vector<Value>;

public:
    using value_type = Value;
    using iterator = Value*;
    using const_iterator = const Value*;

    RareList() = default;
    RareList(std::initializer_list<Value> values) {
        if (values.size() > 0) values_ = Boxed<Values>{Values(values)};
    }

    [[nodiscard]] bool empty() const noexcept { return size() == 0; }
    [[nodiscard]] std::size_t size() const noexcept { return values_ ? values_->size() : 0; }

    [[nodiscard]] iterator begin() noexcept { return values_ ? values_->data() : nullptr; }
    [[nodiscard]] iterator end() noexcept { return begin() + size(); }
    [[nodiscard]] const_iterator begin() const noexcept {
        return values_ ? values_->data() : nullptr;
    }
    [[nodiscard]] const_iterator end() const noexcept { return begin() + size(); }
    [[nodiscard]] auto rbegin() const noexcept { return std::reverse_iterator{end()}; }
    [[nodiscard]] auto rend() const noexcept { return std::reverse_iterator{begin()}; }

    [[nodiscard]] const Value& operator[](std::size_t place) const { return (*values_)[place]; }
    [[nodiscard]] const Value& front() const { return values_->front(); }
    [[nodiscard]] const Value& back() const { return values_->back(); }

    /// Adds a value at the end, and answers where it is.
    Value& push_back(Value value) {
        if (!values_) values_.emplace();
        return values_->emplace_back(std::move(value));
    }

    void erase(const_iterator place) {
        if (size() == 1) return clear();
        values_->erase(values_->begin() + (place - begin()));
    }
    void clear() noexcept { values_.reset(); }

    /// Forgets the values for which `predicate` is true.
    template <class Predicate>
    friend void erase_if(RareList& list, const Predicate& predicate) {
        if (!list.values_) return;
        std::erase_if(*list.values_, predicate);
        if (list.values_->empty()) list.clear();
    }

    friend bool operator==(const RareList& one, const RareList& other) {
        return one.values_ == other.values_;
    }
    friend bool operator==(const RareList& list, const std::vector<Value>& values) {
        return list.values_ ? *list.values_ == values : values.empty();
    }

private:
    Boxed<Values> values_{};
};

}  // namespace sync_engine
