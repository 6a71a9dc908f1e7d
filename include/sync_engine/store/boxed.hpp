// SPDX-License-Identifier: MIT
#pragma once

#include <memory>
#include <utility>

namespace sync_engine {

/// An optional value that costs a pointer where there is none, for what few objects have. Copies
/// are of the value. Used as a `std::optional` is.
template <class Value>
class Boxed {
public:
    Boxed() noexcept = default;
    Boxed(Value value) : value_(std::make_unique<Value>(std::move(value))) {}

    Boxed(const Boxed& other) : value_(other ? std::make_unique<Value>(*other) : nullptr) {}
    Boxed(Boxed&&) noexcept = default;
    Boxed& operator=(const Boxed& other) {
        if (this != &other) *this = Boxed{other};
        return *this;
    }
    Boxed& operator=(Boxed&&) noexcept = default;
    ~Boxed() = default;

    [[nodiscard]] bool has_value() const noexcept { return value_ != nullptr; }
    [[nodiscard]] explicit operator bool() const noexcept { return has_value(); }
    [[nodiscard]] Value& operator*() noexcept { return *value_; }
    [[nodiscard]] const Value& operator*() const noexcept { return *value_; }
    [[nodiscard]] Value* operator->() noexcept { return value_.get(); }
    [[nodiscard]] const Value* operator->() const noexcept { return value_.get(); }

    /// Makes a new value in place of what was there.
    Value& emplace() {
        value_ = std::make_unique<Value>();
        return *value_;
    }
    void reset() noexcept { value_.reset(); }

    friend bool operator==(const Boxed& one, const Boxed& other) {
        return one && other ? *one == *other : one.has_value() == other.has_value();
    }

private:
    std::unique_ptr<Value> value_{};
};

}  // namespace sync_engine
