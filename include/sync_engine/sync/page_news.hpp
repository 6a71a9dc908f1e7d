// SPDX-License-Identifier: MIT
#pragma once

#include <sync_engine/record/error.hpp>
#include <sync_engine/record/sync_record.hpp>
#include <sync_engine/store/id_index.hpp>
#include <sync_engine/store/sync_rules.hpp>
#include <sync_engine/sync/news.hpp>

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sync_engine {

/// What a pulled page comes to.
template <class Data>
struct PageNews {
    std::vector<News<Data>> news{};  ///< each record once, as the last row has it
    std::vector<std::pair<std::string, std::string>> unusable{};  ///< id, and why
};

/// Reads the records of a page. One that could not be stored, or not pushed again, is reported and
/// skipped; the others count. Of a remote status, only `deleted` says something.
template <class Data>
[[nodiscard]] PageNews<Data> read_page(std::vector<SyncRecord<Data>> records, Source source,
                                       bool is_stored) {
    PageNews<Data> page;
    page.news.reserve(records.size());
    IdIndex places;
    places.reserve(records.size());
    const auto id_at = [&](std::size_t place) { return std::string_view{*page.news[place].id}; };
    for (auto& record : records) {
        try {
            check_arrived(record, is_stored);
        } catch (const InvalidRecord& error) {
            page.unusable.push_back(
                {record.id, std::string("pulled, but not usable: ") + error.what()});
            continue;
        }
        const auto place = places.find(record.id, id_at);
        auto state = rules::remote_state(std::move(record));
        News<Data> news{id_of(state), RemoteState<Data>{state, source}};
        if (place != IdIndex::nowhere) {
            page.news[place] = std::move(news);
        } else {
            places.insert(*news.id, page.news.size());
            page.news.push_back(std::move(news));
        }
    }
    return page;
}

}  // namespace sync_engine
