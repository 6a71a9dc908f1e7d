// SPDX-License-Identifier: MIT
#pragma once

#include <sync_engine/record/sync_record.hpp>
#include <sync_engine/remote/remote.hpp>
#include <sync_engine/sync/sync_result.hpp>

#include "support/device.hpp"

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace test {

/// A state as a remote serves it.
inline SyncRecord<Json> served(std::string id, Json data, std::uint64_t version,
                               sync_engine::Timestamp at, std::string revision = {}) {
    return {.id = std::move(id),
            .data = std::move(data),
            .status = sync_engine::SyncStatus::synced,
            .updated_at = at,
            .version = version,
            .revision = std::move(revision)};
}

/// A deletion as a remote serves it.
inline SyncRecord<Json> served_deletion(std::string id, std::uint64_t version,
                                        sync_engine::Timestamp at, std::string revision = {}) {
    auto record = served(std::move(id), nullptr, version, at, std::move(revision));
    record.status = sync_engine::SyncStatus::deleted;
    return record;
}

/// How a sync ended, in one line: "completed" or "failed [a: why] [: why]".
inline std::string told(const SyncResult& result) {
    std::string text{to_string(result.outcome)};
    for (const auto& error : result.errors) {
        text += " [" + error.record_id + ": " + error.message + "]";
    }
    return text;
}

/// A remote that says what a test tells it to, and writes down what it was asked.
///
/// Each call takes the next line of its script. Where the script has ended, a pull has nothing new
/// and a push accepts everything under revisions "r1", "r2" and so on.
class ScriptedRemote {
public:
    using Record = SyncRecord<Json>;
    using Page = sync_engine::PullPage<Json>;
    using Report = sync_engine::PushReport<Json>;
    using Batch = std::vector<sync_engine::Change<Json>>;

    std::vector<sync_engine::PullRequest> pulls{};  ///< what each pull was asked
    std::vector<Batch> pushes{};                    ///< what each push was given

    /// The next pull answers, or throws, what `answer` does.
    void on_pull(std::function<Page(const sync_engine::PullRequest&)> answer) {
        pull_script_.push_back(std::move(answer));
    }
    /// The next pull answers this page. Move deep values into it.
    void serve(Page page) {
        on_pull([page = std::make_shared<Page>(std::move(page))](const auto&) {
            return std::move(*page);
        });
    }
    /// The next pull answers these rows as its last page, and the next cursor.
    void serve(std::vector<Record> rows) {
        Page page;
        page.records = std::move(rows);
        page.cursor = ++served_;
        serve(std::move(page));
    }
    template <class Error>
    void fail_pull(Error error) {
        on_pull([error](const auto&) -> Page { throw error; });
    }

    /// The next push answers, or throws, what `answer` does.
    void on_push(std::function<Report(const Batch&)> answer) {
        push_script_.push_back(std::move(answer));
    }
    /// The next push answers this.
    void answer(Report report) {
        on_push([report = std::move(report)](const auto&) { return report; });
    }
    template <class Error>
    void fail_push(Error error, std::size_t calls = 1) {
        for (; calls > 0; --calls) on_push([error](const auto&) -> Report { throw error; });
    }

    /// Accepts a batch as the end of the script does.
    Report accept(const Batch& batch) {
        Report report;
        for (const auto& change : batch) {
            report.push_back(sync_engine::accepted<Json>(change.record.id, next_revision()));
        }
        return report;
    }

    [[nodiscard]] std::string next_revision() { return "r" + std::to_string(++revisions_); }

    /// Native callbacks; this must outlive them.
    [[nodiscard]] Remote<Json> remote(std::string name = {}) {
        Remote<Json> callbacks;
        callbacks.push = [this](sync_engine::PushBatch<Json> batch) {
            pushes.push_back(batch.changes);
            return sync_engine::make_ready_future(
                push_script_.empty() ? accept(batch.changes) : next(push_script_)(batch.changes));
        };
        callbacks.pull = [this](sync_engine::PullRequest request) {
            pulls.push_back(request);
            return sync_engine::make_ready_future(
                pull_script_.empty() ? nothing_new(request) : next(pull_script_)(request));
        };
        callbacks.name = std::move(name);
        return callbacks;
    }

    /// The ids of each push: "a b | c" says that a and b went together, and c after them.
    [[nodiscard]] std::string pushed() const {
        std::string text;
        for (const auto& batch : pushes) {
            if (!text.empty()) text += " | ";
            for (std::size_t n = 0; n < batch.size(); ++n) {
                text += (n == 0 ? "" : " ") + batch[n].record.id;
            }
        }
        return text;
    }

    /// The last change of a record that was sent.
    [[nodiscard]] sync_engine::Change<Json> last_change(const std::string& id) const {
        for (auto batch = pushes.rbegin(); batch != pushes.rend(); ++batch) {
            for (const auto& change : *batch) {
                if (change.record.id == id) return change;
            }
        }
        return {};
    }

private:
    template <class Script>
    static typename Script::value_type next(Script& script) {
        auto line = std::move(script.front());
        script.pop_front();
        return line;
    }

    static Page nothing_new(const sync_engine::PullRequest& request) {
        Page page;
        page.cursor = request.cursor;
        return page;
    }

    std::deque<std::function<Page(const sync_engine::PullRequest&)>> pull_script_;
    std::deque<std::function<Report(const Batch&)>> push_script_;
    std::uint64_t served_ = 0;
    std::uint64_t revisions_ = 0;
};

}  // namespace test
