// SPDX-License-Identifier: MIT
#pragma once

#include <sync_engine/record/sync_record.hpp>

#include <nlohmann/json.hpp>

#include <cstddef>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

/// The workload of the benchmarks: notes of 323 bytes as JSON, the same bytes on every run.
namespace sync_engine::bench {

struct Note {
    std::string title{};
    std::string body{};
    bool done = false;
    int n = 0;

    bool operator==(const Note&) const = default;
    NLOHMANN_DEFINE_TYPE_INTRUSIVE(Note, title, body, done, n)
};

[[nodiscard]] inline std::string letters(std::mt19937_64& chance, std::size_t size) {
    std::string text(size, ' ');
    for (char& letter : text) letter = static_cast<char>('a' + chance() % 26);
    return text;
}

/// Records with an id of 16 characters, a title of 30, a body of 120 and 2 of 20 tags.
template <class Data>
[[nodiscard]] std::vector<SyncRecord<Data>> notes(std::size_t count, unsigned seed = 1) {
    std::mt19937_64 chance{seed};
    std::vector<SyncRecord<Data>> made(count);
    for (auto& record : made) {
        record.id = letters(chance, 16);
        const Note note{letters(chance, 30), letters(chance, 120), chance() % 2 == 0,
                        static_cast<int>(chance() % 10)};
        record.data = note;
        const auto tag = chance() % 20;
        record.tags = {"tag" + std::to_string(tag),
                       "tag" + std::to_string((tag + 1 + chance() % 19) % 20)};
        record.updated_at = parse_timestamp("2026-01-01T00:00:00Z");
    }
    return made;
}

}  // namespace sync_engine::bench
