// SPDX-License-Identifier: MIT
#pragma once

#include <sync_engine/testing/random.hpp>

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace sync_engine::testing {

/// Every random decision of a simulation, as one list: drawn from a seed, or given.
///
/// A choice is a small number, and 0 always means that nothing bad happens: a list can be replayed,
/// made of a fuzzer's bytes, and shrunk by deleting and zeroing. Beyond the end of a given list
/// every choice is 0. What was chosen is recorded either way.
class Choices {
public:
    /// Choices in the order in which they were made.
    using List = std::vector<std::uint32_t>;

    /// Draws from a seed, without end.
    explicit Choices(std::uint64_t seed) : random_(seed), is_drawn_(true) {}

    /// Replays a list; numbers beyond their bound are taken modulo.
    explicit Choices(List given) : given_(std::move(given)) {}

    /// A number from 0 to `bound` - 1, each as likely as the other.
    [[nodiscard]] std::uint32_t below(std::uint32_t bound) {
        if (bound < 2) return 0;
        return record(is_drawn_ ? random_.below(bound) : next() % bound, bound);
    }

    /// True `per_mille` times in a thousand.
    [[nodiscard]] bool happens(std::uint32_t per_mille) {
        if (per_mille == 0) return false;
        return record(is_drawn_ ? (random_.below(1000) < per_mille ? 1U : 0U) : next() % 2, 2) == 1;
    }

    /// The place of one of `weights`, which is as likely as its weight says; the sum of them must
    /// not be 0.
    [[nodiscard]] std::uint32_t weighted(const std::vector<std::uint32_t>& weights) {
        const auto bound = static_cast<std::uint32_t>(weights.size());
        if (!is_drawn_) return record(next() % bound, bound);
        std::uint32_t sum = 0;
        for (const auto weight : weights) sum += weight;
        std::uint32_t left = random_.below(sum);
        std::uint32_t place = 0;
        while (left >= weights[place]) left -= weights[place++];
        return record(place, bound);
    }

    /// True once a given list is used up.
    [[nodiscard]] bool is_exhausted() const noexcept {
        return !is_drawn_ && used_ >= given_.size();
    }

    /// Says that the choices that follow belong together: what a shrinker deletes at once.
    void begin_group() { groups_.push_back(recorded_.size()); }

    /// What was chosen so far; replaying it chooses the same again.
    [[nodiscard]] const List& recorded() const noexcept { return recorded_; }
    /// How many choices there were each time.
    [[nodiscard]] const List& bounds() const noexcept { return bounds_; }
    /// Where in the record each group begins.
    [[nodiscard]] const std::vector<std::size_t>& groups() const noexcept { return groups_; }

private:
    std::uint32_t next() noexcept {
        const auto choice = used_ < given_.size() ? given_[used_] : 0;
        ++used_;
        return choice;
    }

    std::uint32_t record(std::uint32_t choice, std::uint32_t bound) {
        recorded_.push_back(choice);
        bounds_.push_back(bound);
        return choice;
    }

    SeededRandom random_{0};
    bool is_drawn_ = false;
    List given_{};
    std::size_t used_ = 0;
    List recorded_{};
    List bounds_{};
    std::vector<std::size_t> groups_{};
};

}  // namespace sync_engine::testing
