// SPDX-License-Identifier: MIT
#pragma once

#include <sync_engine/record/error.hpp>
#include <sync_engine/record/sync_record.hpp>
#include <sync_engine/sync/news.hpp>

#include <cstddef>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

namespace sync_engine {

/// What a pulled page comes to.
template <class Data>
struct PageNews {
    std::vector<News<Data>> news{};  ///< each record once, as the last row has it
    std::vector<std::string> ids{};  ///< every id on the page
    std::vector<std::pair<std::string, std::string>> unusable{};  ///< id, and why
};

/// Reads the records of a page. One that could not be stored, or not pushed again, is reported and
/// skipped; the others count. Of a remote status, only `deleted` says something.
template <class Data>
[[nodiscard]] PageNews<Data> read_page(std::vector<SyncRecord<Data>> records, Source source) {
    PageNews<Data> page;
    std::unordered_map<std::string, std::size_t> places;
    for (auto& record : records) {
        page.ids.push_back(record.id);
        try {
            check_record(record);
        } catch (const InvalidRecord& error) {
            page.unusable.emplace_back(record.id,
                                       std::string("pulled, but not usable: ") + error.what());
            continue;
        }
        if (!record.is_deleted()) record.status = SyncStatus::synced;
        const auto [place, is_new] = places.try_emplace(record.id, page.news.size());
        if (is_new) page.news.push_back({place->first, {}});
        page.news[place->second].what = RemoteState<Data>{std::move(record), source};
    }
    return page;
}

}  // namespace sync_engine
