// SPDX-License-Identifier: MIT
#pragma once

#include <sync_engine/remote/page.hpp>
#include <sync_engine/store/storage.hpp>
#include <sync_engine/testing/invariant.hpp>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstddef>
#include <deque>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace sync_engine::testing {

/// Looks at each commit of one device: once its cursor has moved behind a page, the records of that
/// page have to be on the disk.
template <class Data>
class CursorWatch {
public:
    explicit CursorWatch(Verdicts& verdicts) : verdicts_(verdicts) {}

    /// The process starts with this on its disk.
    void start(const StorageImage<Data>& image) {
        on_disk_.clear();
        for (const auto& entry : image.entries) on_disk_.insert(entry.local->id);
        cursor_ = image.state.cursor;
    }

    /// The remote answered a pull.
    void pulled(const PullRequest& request, const PullPage<Data>& page) {
        Page seen{.from = request.cursor, .to = page.cursor};
        for (const auto& record : page.records) {
            if (!record.is_deleted()) seen.live.push_back(record.id);
        }
        constexpr std::size_t enough = 8;  // more than are ever under way
        pages_.push_back(std::move(seen));
        if (pages_.size() > enough) pages_.pop_front();
    }

    /// A commit went through: if it moved the cursor behind a page, the page's records are there.
    void committed(const StorageBatch<Data>& batch) {
        if (batch.clear) on_disk_.clear();
        for (const auto* entry : batch.write) on_disk_.insert(entry->local->id);
        for (const auto id : batch.erase) on_disk_.erase(std::string{id});
        if (batch.state->cursor == cursor_) return;
        const auto page = std::find_if(pages_.rbegin(), pages_.rend(), [&](const auto& each) {
            return each.from == cursor_ && each.to == batch.state->cursor;
        });
        cursor_ = batch.state->cursor;
        if (page == pages_.rend()) return;
        for (const auto& id : page->live) {
            if (on_disk_.contains(id)) continue;
            verdicts_.broken(Invariant::cursor_in_step,
                             "the cursor is behind record " + id + ", which is not on the disk");
        }
    }

private:
    struct Page {
        nlohmann::json from{};
        nlohmann::json to{};
        std::vector<std::string> live{};
    };

    Verdicts& verdicts_;
    std::deque<Page> pages_;
    std::set<std::string> on_disk_;
    nlohmann::json cursor_;
};

}  // namespace sync_engine::testing
