// SPDX-License-Identifier: MIT
#pragma once

#include <sync_engine/record/error.hpp>
#include <sync_engine/record/json.hpp>
#include <sync_engine/remote/page.hpp>
#include <sync_engine/store/step.hpp>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <unordered_set>
#include <utility>

namespace sync_engine {

/// How far a pull has come through the remote's feed, and whether the feed behaves. A value.
///
/// It knows two cursors: the one that is stored, and the one that this cycle has reached. They part
/// during a full scan, which has to begin again if it is cut off, so that its cursor is kept back
/// until the last page.
class PullFeed {
public:
    using Ids = std::unordered_set<std::string>;

    PullFeed() = default;
    /// `keeps_cursor` is false for a simple pull: no cursor is read or written. `is_rescan` says
    /// that an earlier cycle began to scan again and was cut off.
    PullFeed(nlohmann::json stored, bool keeps_cursor, std::size_t max_pages, bool is_rescan)
        : keeps_cursor_(keeps_cursor),
          max_pages_(max_pages),
          stored_(std::move(stored)),
          reached_(keeps_cursor ? stored_ : nlohmann::json()),
          is_rescan_(keeps_cursor && is_rescan) {
        if (reached_.is_null()) begin_scan();
    }

    /// What to ask for next.
    [[nodiscard]] const nlohmann::json& cursor() const noexcept { return reached_; }

    /// True after a reset: the remote starts over, so nothing that it shows is stale.
    [[nodiscard]] bool is_rescan() const noexcept { return is_rescan_; }

    /// True if that still holds behind the next step, which may be the one that ends the scan.
    [[nodiscard]] bool remains_rescan() const noexcept {
        return is_rescan_ && !(is_last_ && stores_cursor());
    }

    /// Why the feed cannot be followed beyond this page; empty if it can.
    template <class Data>
    [[nodiscard]] std::string trouble_with(const PullPage<Data>& page) const {
        if (!keeps_cursor_) return {};
        try {
            check_json(page.cursor);
        } catch (const FormatError& error) {
            return std::string("the page's cursor is unusable: ") + error.what();
        }
        if (!page.has_more) return {};
        if (is_same_json(page.cursor, reached_) || cursors_.contains(page.cursor.dump())) {
            return "the feed does not advance: it promises more behind a cursor that it has given "
                   "before";
        }
        return {};
    }

    /// Why no other page is to be asked for; empty if one may be.
    [[nodiscard]] std::string reason_to_end() const {
        if (pages_ == 0 || pages_ < max_pages_) return {};
        return "the feed does not end: it promises more behind page " + std::to_string(pages_);
    }

    /// Moves on behind a page.
    template <class Data>
    void advance(PullPage<Data>& page) {
        ++pages_;
        if (page.has_more && keeps_cursor_) cursors_.insert(page.cursor.dump());
        if (page.reset) is_rescan_ = has_restarted_ = true;
        is_last_ = !page.has_more || !keeps_cursor_;
        is_complete_ = is_complete_ && page.complete && !has_nameless_row(page);
        holds_cursor_back_ = page.complete && (!is_last_ || absence_counts());
        reached_ = std::move(page.cursor);
    }

    [[nodiscard]] bool is_last() const noexcept { return is_last_; }

    /// True once a full scan that began at null in this cycle is through: what it did not hold was
    /// deleted.
    [[nodiscard]] bool absence_counts() const noexcept {
        return keeps_cursor_ && is_last_ && is_complete_ && began_at_null_;
    }

    /// Notes an id that a full scan holds.
    void see(const std::string& id) {
        if (is_complete_ && began_at_null_) seen_->insert(id);
    }
    [[nodiscard]] std::shared_ptr<const Ids> seen() const noexcept { return seen_; }

    /// The absences are settled with the next step, so the cursor may go with it.
    void let_cursor_go() noexcept { holds_cursor_back_ = false; }

    /// True if the next step leaves the stored cursor where this cycle is: never for a simple pull,
    /// and in a full scan not before its end.
    [[nodiscard]] bool stores_cursor() const noexcept {
        return keeps_cursor_ && !holds_cursor_back_;
    }

    /// The move that the next step has to make, if any.
    [[nodiscard]] std::optional<CursorMove> move() const {
        if (!stores_cursor()) return std::nullopt;
        if (is_same_json(reached_, stored_)) return std::nullopt;
        return CursorMove{stored_, reached_};
    }

    /// The move is committed.
    void moved() { stored_ = reached_; }

    /// The cursor is of no use any more: everything is to be read again. False if that has been
    /// tried in this cycle.
    [[nodiscard]] bool restart() {
        if (has_restarted_) return false;
        is_rescan_ = has_restarted_ = true;
        is_last_ = false;
        cursors_.clear();
        reached_ = nullptr;
        begin_scan();
        return true;
    }

private:
    /// A row without an id may be any record, so its listing does not say who is absent.
    template <class Data>
    static bool has_nameless_row(const PullPage<Data>& page) {
        return std::any_of(page.records.begin(), page.records.end(),
                           [](const auto& record) { return record.id.empty(); }) ||
               std::any_of(page.errors.begin(), page.errors.end(),
                           [](const auto& error) { return error.record_id.empty(); });
    }

    void begin_scan() {
        began_at_null_ = true;
        is_complete_ = true;
        holds_cursor_back_ = false;
        seen_ = std::make_shared<Ids>();
    }

    bool keeps_cursor_ = false;
    std::size_t max_pages_ = 0;
    nlohmann::json stored_{};
    nlohmann::json reached_{};
    std::size_t pages_ = 0;
    std::unordered_set<std::string> cursors_{};
    bool began_at_null_ = false;
    bool is_rescan_ = false;
    bool has_restarted_ = false;  // in this cycle
    bool is_last_ = false;
    bool is_complete_ = true;
    bool holds_cursor_back_ = false;
    std::shared_ptr<Ids> seen_{};
};

}  // namespace sync_engine
