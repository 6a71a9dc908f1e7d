// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace sync_engine::testing {

/// What happened in a run: as a hash, by which two runs are told apart, and in words for those who
/// ask.
class Chronicle {
public:
    /// `story` gets a line for each thing that happens; null: nobody wants to read it.
    explicit Chronicle(std::vector<std::string>* story) : story_(story) {}

    /// Adds a line; `text` is a function that makes it, and is not called in vain.
    template <class Text>
    void tell(Text&& text) {
        if (story_ != nullptr) story_->push_back(text());
    }

    /// Adds numbers to the hash: FNV-1a, by Fowler, Noll and Vo.
    template <class... Numbers>
    void mix(Numbers... numbers) noexcept {
        for (const std::uint64_t number : {static_cast<std::uint64_t>(numbers)...}) {
            for (int shift = 0; shift < 64; shift += 8) {
                hash_ = (hash_ ^ ((number >> shift) & 0xFF)) * 0x100000001B3U;
            }
        }
    }

    /// The hash of all numbers so far.
    [[nodiscard]] std::uint64_t hash() const noexcept { return hash_; }

private:
    std::vector<std::string>* story_;
    std::uint64_t hash_ = 0xCBF29CE484222325U;
};

}  // namespace sync_engine::testing
