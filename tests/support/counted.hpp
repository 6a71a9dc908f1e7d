// SPDX-License-Identifier: MIT
#pragma once

#include <nlohmann/json.hpp>

#include <cstddef>
#include <ostream>

namespace sync_engine::test {

/// Data that counts what is done to it.
struct Counted {
    int value = 0;

    Counted() = default;
    explicit Counted(int number) : value(number) {}
    Counted(const Counted& other) : value(other.value) { ++copies; }
    Counted& operator=(const Counted& other) {
        value = other.value;
        ++copies;
        return *this;
    }
    Counted(Counted&&) noexcept = default;
    Counted& operator=(Counted&&) noexcept = default;
    ~Counted() = default;

    friend bool operator==(const Counted& a, const Counted& b) {
        ++comparisons;
        return a.value == b.value;
    }

    NLOHMANN_DEFINE_TYPE_INTRUSIVE(Counted, value)

    static inline std::size_t copies = 0;
    static inline std::size_t comparisons = 0;
};

/// What a call does to the data in the store.
struct Cost {
    std::size_t copies = 0;
    std::size_t comparisons = 0;

    bool operator==(const Cost&) const = default;
};

inline std::ostream& operator<<(std::ostream& out, const Cost& cost) {
    return out << cost.copies << " copies, " << cost.comparisons << " comparisons";
}

template <class Call>
Cost cost_of(const Call& call) {
    Counted::copies = 0;
    Counted::comparisons = 0;
    call();
    return {Counted::copies, Counted::comparisons};
}

}  // namespace sync_engine::test
