// SPDX-License-Identifier: MIT
#pragma once

#include <sync_engine/record/sync_record.hpp>
#include <sync_engine/remote/change.hpp>
#include <sync_engine/remote/page.hpp>
#include <sync_engine/remote/remote.hpp>
#include <sync_engine/remote/remote_error.hpp>
#include <sync_engine/remote/verdict.hpp>
#include <sync_engine/testing/fault.hpp>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <exception>
#include <functional>
#include <future>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace sync_engine::testing {

/// Any remote, behind a network and a server that fail: it wraps the callbacks of a real one and
/// makes the trouble that `Faults` decides on.
///
/// What is delayed waits until `deliver` is called: a request that arrives late, or an answer that
/// comes when nobody waits for it. What is lost is a future that never becomes ready, until this
/// object goes. The wrapped callbacks are called on the same thread and their futures waited for.
/// Not thread-safe; for one device at a time. It outlives the callbacks that it gives.
template <class Data = nlohmann::json>
class FaultyRemote {
public:
    /// `faults` has to outlive it.
    FaultyRemote(Remote<Data> remote, Faults& faults)
        : remote_(std::move(remote)), faults_(faults) {}

    FaultyRemote(const FaultyRemote&) = delete;
    FaultyRemote& operator=(const FaultyRemote&) = delete;

    /// Who wants to know what happens on the way, and when. Each may be empty, and may throw only
    /// where it is said.
    struct Watch {
        /// A push arrives from the device; what it throws fails the call.
        std::function<void(const std::vector<Change<Data>>&)> before_push{};
        /// A pull arrives from the device; what it throws fails the call.
        std::function<void(const PullRequest&)> before_pull{};
        /// The wrapped remote was pushed to.
        std::function<void(const std::vector<Change<Data>>&, const PushReport<Data>&)> pushed{};
        /// The wrapped remote was pulled from.
        std::function<void(const PullRequest&, const PullPage<Data>&)> pulled{};
        /// A fault happens in a call; to this record, if it is about one.
        std::function<void(Fault, const std::string& id)> fault{};
    };
    /// Who is told; nobody, until it is set.
    Watch watch{};
    /// Whether a lagging read may show this state, which was served before; any, until it is set.
    std::function<bool(const SyncRecord<Data>&)> may_lag = [](const auto&) { return true; };

    /// The callbacks to sync with: a native push, and a pull in the form of the wrapped one. A
    /// simple pull has no cursors and pages, so none of the faults of those.
    [[nodiscard]] Remote<Data> remote() {
        Remote<Data> callbacks;
        callbacks.name = remote_.name;
        callbacks.push = [this](PushBatch<Data> batch) { return push(std::move(batch)); };
        if (remote_.pull.keeps_cursor()) {
            callbacks.pull = [this](PullRequest request) { return pull(std::move(request)); };
        } else {
            callbacks.pull = [this] { return pull_everything(); };
        }
        return callbacks;
    }

    /// How many requests and answers are delayed.
    [[nodiscard]] std::size_t delayed() const noexcept { return delayed_.size(); }

    /// Lets one of them arrive.
    void deliver(std::size_t which) {
        const auto arrive = std::move(delayed_.at(which));
        delayed_.erase(delayed_.begin() + static_cast<std::ptrdiff_t>(which));
        arrive();
    }

    /// Records that make every batch fail, for as long as they are here.
    [[nodiscard]] std::set<std::string>& poisonous() noexcept { return poisonous_; }

    /// The server changes its mind about every operation that it has refused.
    void forgive() { refused_.clear(); }

private:
    using Report = PushReport<Data>;
    using Page = PullPage<Data>;

    // Calls: what may happen to any of them.

    std::future<Report> push(PushBatch<Data> batch) {
        if (watch.before_push) watch.before_push(batch.changes);
        if (auto failed = refused_at_the_door<Report>()) return std::move(*failed);
        if (batch.changes.size() > 1 && happens(Fault::batch_too_large)) {
            return failing<Report>(TooLarge{});
        }
        for (const auto& change : batch.changes) {
            const auto& id = change.record.id;
            if (happens(Fault::change_poisonous, id)) poisonous_.insert(id);
            if (poisonous_.contains(id)) {
                return failing<Report>(std::runtime_error("the server choked on the batch"));
            }
        }
        if (happens(Fault::request_duplicated)) {
            delayed_.push_back([this, batch] { (void)attempt([&] { return pushed(batch); }); });
        }
        return travel<Report>([this, batch = std::move(batch)] { return pushed(batch); });
    }

    std::future<Page> pull(PullRequest request) {
        if (watch.before_pull) watch.before_pull(request);
        if (auto failed = refused_at_the_door<Page>()) return std::move(*failed);
        if (!request.cursor.is_null() && happens(Fault::cursor_expired)) {
            return failing<Page>(CursorExpired{});
        }
        return travel<Page>([this, request = std::move(request)] { return pulled(request); });
    }

    std::future<std::vector<SyncRecord<Data>>> pull_everything() {
        using Records = std::vector<SyncRecord<Data>>;
        if (watch.before_pull) watch.before_pull({});
        if (auto failed = refused_at_the_door<Records>()) return std::move(*failed);
        return travel<Records>([this] {
            Page page = remote_.pull(PullRequest{}, get);
            if (watch.pulled) watch.pulled({}, page);
            return std::move(page.records);
        });
    }

    template <class Value>
    std::optional<std::future<Value>> refused_at_the_door() {
        if (happens(Fault::unreachable)) return failing<Value>(Unavailable{});
        if (happens(Fault::rate_limited)) return failing<Value>(RetryAfter{some_wait()});
        if (happens(Fault::login_expired)) return failing<Value>(Unauthorized{});
        return std::nullopt;
    }

    /// The way to the server and back; `act` is what the server does.
    template <class Value, class Act>
    std::future<Value> travel(const Act& act) {
        const auto promise = std::make_shared<std::promise<Value>>();
        auto future = promise->get_future();
        const auto arrive = [promise, act] {
            try {
                promise->set_value(act());
            } catch (...) {
                promise->set_exception(std::current_exception());
            }
        };
        if (happens(Fault::request_lost)) {
            unanswered_.push_back(promise);
        } else if (happens(Fault::error_before)) {
            promise->set_exception(error("the server failed"));
        } else if (happens(Fault::request_delayed)) {
            delayed_.push_back(arrive);
        } else if (happens(Fault::error_after)) {
            (void)attempt(act);
            promise->set_exception(error("the server failed"));
        } else if (happens(Fault::reply_lost)) {
            (void)attempt(act);
            unanswered_.push_back(promise);
        } else if (happens(Fault::reply_delayed)) {
            delayed_.push_back([promise, answer = attempt(act)]() mutable {
                try {
                    promise->set_value(answer());
                } catch (...) {
                    promise->set_exception(std::current_exception());
                }
            });
        } else {
            arrive();
        }
        return future;
    }

    /// Does it now; the result is asked for later.
    template <class Act>
    static auto attempt(const Act& act) {
        using Value = decltype(act());
        std::optional<Value> value;
        std::exception_ptr thrown;
        try {
            value = act();
        } catch (...) {
            thrown = std::current_exception();
        }
        return [value = std::move(value), thrown]() mutable -> Value {
            if (thrown) std::rethrow_exception(thrown);
            return std::move(*value);
        };
    }

    // Pushes: what may happen to a change on its own.

    Report pushed(const PushBatch<Data>& batch) {
        Report withheld;
        PushBatch<Data> forwarded{.changes = {}, .stop = batch.stop};
        std::set<std::string> silent;
        for (const auto& change : batch.changes) {
            const auto& id = change.record.id;
            if (is_refused(change)) {
                withheld.push_back(rejected<Data>(id, "the server does not like it"));
            } else if (happens(Fault::change_deferred, id)) {
                withheld.push_back(retry<Data>(id, "the server is busy", some_wait()));
            } else if (change.base && happens(Fault::false_conflict, id)) {
                withheld.push_back(conflict(*change.base));
            } else if (!happens(Fault::change_unanswered, id)) {
                if (happens(Fault::verdict_lost, id)) silent.insert(id);
                forwarded.changes.push_back(change);
            }
        }
        Report report;
        if (!forwarded.changes.empty()) {
            report = remote_.push(forwarded, get);
            if (watch.pushed) watch.pushed(forwarded.changes, report);
        }
        std::erase_if(report, [&](const auto& verdict) { return silent.contains(verdict.id); });
        report.insert(report.end(), withheld.begin(), withheld.end());
        if (happens(Fault::verdicts_reversed)) std::reverse(report.begin(), report.end());
        if (happens(Fault::stranger_answered)) report.push_back(accepted<Data>("stranger", "r0"));
        return report;
    }

    /// A server that has refused an operation refuses it whenever it arrives, and one that has
    /// stored it does not refuse it afterwards.
    bool is_refused(const Change<Data>& change) {
        const auto& operation = change.operation_id;
        if (refused_.contains(operation)) return true;
        if (let_through_.contains(operation) || !happens(Fault::change_refused, change.record.id)) {
            let_through_.insert(operation);
            return false;
        }
        refused_.insert(operation);
        return true;
    }

    // Pulls: what may happen to a page.

    Page pulled(const PullRequest& request) {
        const std::string place = remembers_pages() ? request.cursor.dump() : std::string{};
        if (const auto earlier = pages_.find(place); earlier != pages_.end()) {
            const auto& rows = earlier->second.records;
            const bool lags = std::all_of(rows.begin(), rows.end(), may_lag);
            if (lags && happens(Fault::page_stale)) return earlier->second;
        }
        Page page = pull_behind_empty_pages(request);
        if (watch.pulled) watch.pulled(request, page);
        if (remembers_pages()) pages_[place] = page;
        serve_old_row(page);
        if (!page.records.empty() && happens(Fault::rows_repeated)) {
            // Only the last row, because of several rows of a record the last one counts.
            const SyncRecord<Data> last = page.records.back();
            page.records.insert(page.records.begin(), last);
            page.records.push_back(last);
        }
        if (happens(Fault::row_unusable))
            page.records.insert(page.records.begin(), SyncRecord<Data>{.updated_at = Timestamp{}});
        if (!request.cursor.is_null() && happens(Fault::feed_reset)) page.reset = true;
        if (happens(Fault::feed_stuck)) {
            page.cursor = request.cursor;
            page.has_more = true;
        }
        return page;
    }

    /// An empty page has a cursor of our own making, which remembers the one that it was asked for.
    Page pull_behind_empty_pages(PullRequest request) {
        constexpr const char* key = "behind an empty page";
        const bool is_behind = request.cursor.is_object() && request.cursor.contains(key);
        if (is_behind) request.cursor = nlohmann::json(request.cursor.at(key));
        Page page = remote_.pull(request, get);
        if (is_behind || !happens(Fault::page_empty)) return page;
        page.records.clear();
        page.cursor = {{key, request.cursor}};
        page.has_more = true;
        return page;
    }

    [[nodiscard]] bool remembers_pages() const { return faults_.rates().of(Fault::page_stale) > 0; }

    void serve_old_row(Page& page) {
        if (faults_.rates().of(Fault::row_stale) == 0) return;
        std::erase_if(rows_, [&](const auto& row) { return !may_lag(row); });
        std::optional<SyncRecord<Data>> old;
        if (!rows_.empty() && happens(Fault::row_stale)) old = rows_[faults_.pick(rows_.size())];
        rows_.insert(rows_.end(), page.records.begin(), page.records.end());
        if (rows_.size() > rows_limit) {
            rows_.erase(rows_.begin(), rows_.end() - static_cast<std::ptrdiff_t>(rows_limit));
        }
        if (old) page.records.insert(page.records.begin(), std::move(*old));
    }

    // Small things.

    bool happens(Fault fault, const std::string& id = {}) {
        if (!faults_.happens(fault)) return false;
        if (watch.fault) watch.fault(fault, id);
        return true;
    }

    /// Shorter than a tick of a clock, about one, and longer than most.
    std::chrono::milliseconds some_wait() {
        constexpr std::array waits{std::chrono::seconds{1}, std::chrono::seconds{60},
                                   std::chrono::seconds{1200}};
        return waits.at(faults_.pick(waits.size()));
    }

    static std::exception_ptr error(const char* message) {
        return std::make_exception_ptr(std::runtime_error(message));
    }

    template <class Value, class Error>
    static std::future<Value> failing(Error error) {
        std::promise<Value> promise;
        promise.set_exception(std::make_exception_ptr(std::move(error)));
        return promise.get_future();
    }

    static constexpr auto get = [](auto future) {
        if (!future.valid()) throw RemoteError("the callback returned an empty future");
        return future.get();
    };
    static constexpr std::size_t rows_limit = 32;  // enough for states that are several edits old

    Remote<Data> remote_;
    Faults& faults_;
    std::set<std::string> poisonous_;
    std::set<std::string> refused_;  // operations
    std::set<std::string> let_through_;
    std::vector<std::function<void()>> delayed_;
    std::vector<std::shared_ptr<void>> unanswered_;
    std::map<std::string, Page> pages_;   // as last served behind each cursor
    std::vector<SyncRecord<Data>> rows_;  // served before, oldest first
};

}  // namespace sync_engine::testing
