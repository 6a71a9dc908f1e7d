// SPDX-License-Identifier: MIT
#pragma once

#include <sync_engine/record/record_text.hpp>
#include <sync_engine/remote/remote.hpp>

#include "ratio.hpp"

#include <algorithm>
#include <cstddef>
#include <future>
#include <iterator>
#include <memory>
#include <string>
#include <utility>
#include <vector>

/// The other side of a benchmark: it has no cost of its own, or one that is known.
namespace sync_engine::bench {

inline constexpr std::size_t page_size = 500;  // what the engine asks for

/// Pages of what is already decoded, behind the cursor `begin`; it is moved out, so that its making
/// is not our cost.
template <class Data>
[[nodiscard]] PullCallback<Data> serving(std::vector<SyncRecord<Data>> records,
                                         std::size_t begin = 0) {
    auto shared = std::make_shared<std::vector<SyncRecord<Data>>>(std::move(records));
    return [shared, begin](PullRequest request) {
        const std::size_t from =
            request.cursor.is_null() ? 0 : request.cursor.get<std::size_t>() - begin;
        const std::size_t to = std::min(from + request.limit, shared->size());
        const auto at = [&](std::size_t place) {
            return std::make_move_iterator(shared->begin() + static_cast<std::ptrdiff_t>(place));
        };
        PullPage<Data> page;
        page.records.assign(at(from), at(to));
        page.cursor = begin + to;
        page.has_more = to < shared->size();
        return make_ready_future(std::move(page));
    };
}

/// The same records as the text of pages.
template <class Data>
[[nodiscard]] std::vector<std::string> pages_of(const std::vector<SyncRecord<Data>>& records) {
    std::vector<std::string> pages;
    for (std::size_t from = 0; from < records.size(); from += page_size) {
        std::string text = R"({"records":[)";
        for (std::size_t n = from; n < std::min(from + page_size, records.size()); ++n) {
            append_json(text, records[n]);
            text += ',';
        }
        text.back() = ']';
        pages.push_back(text + '}');
    }
    return pages;
}

/// Reads a page of text for each request; the pages have to outlive it.
template <class Data>
[[nodiscard]] PullCallback<Data> reading(const std::vector<std::string>& pages) {
    return [&pages](PullRequest request) {
        const std::size_t at = request.cursor.is_null() ? 0 : request.cursor.get<std::size_t>();
        PullPage<Data> page;
        page.records.reserve(page_size);
        read_records<Data>(
            pages[at], "records",
            [&](SyncRecord<Data>&& record) { page.records.push_back(std::move(record)); },
            [&](SyncError error) { page.errors.push_back(std::move(error)); });
        page.cursor = at + 1;
        page.has_more = at + 1 < pages.size();
        return make_ready_future(std::move(page));
    };
}

template <class Data>
[[nodiscard]] const std::string& id_of(const SharedChange<Data>& change) {
    return change.record->id;
}
template <class Data>
[[nodiscard]] const std::string& id_of(const Change<Data>& change) {
    return change.record.id;
}

/// Accepts everything; `own` is the time that this takes, which is the callback's.
template <class Data, class Batch = SharedPushBatch<Data>>
[[nodiscard]] PushCallback<Data> accepting(Microseconds& own) {
    return [&own](Batch batch) {
        std::future<PushReport<Data>> answer;
        own += time_of([&] {
            PushReport<Data> report;
            report.reserve(batch.changes.size());
            for (const auto& change : batch.changes) {
                report.push_back(accepted<Data>(id_of(change), "1"));
            }
            batch.changes.clear();
            answer = make_ready_future(std::move(report));
        });
        return answer;
    };
}

}  // namespace sync_engine::bench
