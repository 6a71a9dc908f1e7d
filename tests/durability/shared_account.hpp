// SPDX-License-Identifier: MIT
#pragma once

#include <sync_engine/store/storage.hpp>

#include "durability/account.hpp"
#include "durability/picture.hpp"
#include "durability/shared_page.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <map>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

namespace sync_engine::test {

/// What an app has been told is done, kept where the death of its process does not reach it.
///
/// Commits are numbered; the text of one is complete before its number is, so that a process may
/// die between any two instructions.
class SharedAccount {
public:
    SharedAccount() { write(0, Picture{.state = text_of(StoreState{})}); }

    void begin(const Picture& next) {
        const std::uint64_t number = page_->acknowledged + 1;
        write(number, next);
        page_->in_flight = number;
    }
    void acknowledge() { page_->acknowledged = page_->in_flight.load(); }

    /// Judges what a storage shows, and takes it for what was told from now on.
    Finding open(const Picture& found) {
        const Finding finding = judge(found);
        if (finding == Finding::intact) {
            page_->in_flight = page_->acknowledged.load();  // it never was, and may not come later
        } else {
            begin(found);
            acknowledge();
        }
        page_->openings = page_->openings + 1;
        return finding;
    }

    /// The last state of which the app was told.
    [[nodiscard]] Picture told() const { return read(page_->acknowledged); }

    /// How many commits the app was told of, those that openings found included.
    [[nodiscard]] std::uint64_t acknowledged() const { return page_->acknowledged; }
    [[nodiscard]] bool is_in_flight() const { return page_->in_flight != page_->acknowledged; }
    /// How often a storage was opened.
    [[nodiscard]] std::uint64_t openings() const { return page_->openings; }

private:
    static constexpr std::size_t remembered = 512;  // commits, to tell a lost one from a half

    struct Page {
        std::atomic<std::uint64_t> acknowledged = 0;
        std::atomic<std::uint64_t> in_flight = 0;
        std::atomic<std::uint64_t> openings = 0;
        std::array<std::size_t, 2> sizes{};
        std::array<std::size_t, remembered> hashes{};
        char texts[2][4'000'000];
    };

    static std::string text(const Picture& picture) {
        return nlohmann::json{picture.state, picture.entries}.dump();
    }

    void write(std::uint64_t number, const Picture& picture) {
        const std::string words = text(picture);
        if (words.size() > sizeof(page_->texts[0])) throw std::length_error("too large a picture");
        std::memcpy(page_->texts[number % 2], words.data(), words.size());
        page_->sizes.at(number % 2) = words.size();
        page_->hashes.at(number % remembered) = std::hash<std::string>{}(words);
    }

    [[nodiscard]] std::string_view words(std::uint64_t number) const {
        return {page_->texts[number % 2], page_->sizes.at(number % 2)};
    }

    [[nodiscard]] Picture read(std::uint64_t number) const {
        const auto json = nlohmann::json::parse(words(number));
        return {json.at(0).get<std::string>(),
                json.at(1).get<std::map<std::string, std::string>>()};
    }

    [[nodiscard]] Finding judge(const Picture& found) const {
        const std::string shown = text(found);
        if (shown == words(page_->acknowledged)) return Finding::intact;
        if (is_in_flight() && shown == words(page_->in_flight)) return Finding::in_flight;
        const auto& hashes = page_->hashes;
        const bool was_there = std::find(hashes.begin(), hashes.end(),
                                         std::hash<std::string>{}(shown)) != hashes.end();
        return was_there ? Finding::lost : Finding::half;
    }

    SharedPage<Page> page_;
};

}  // namespace sync_engine::test
