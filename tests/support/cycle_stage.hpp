// SPDX-License-Identifier: MIT
#pragma once

#include <sync_engine/conflict/conflict_resolver.hpp>
#include <sync_engine/sync/sync_cycle.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <exception>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace test {

/// Plays everything that a sync cycle asks for, as values: no store, no clock, no callbacks. What
/// was asked is written down, a line each.
class CycleStage {
public:
    using Json = nlohmann::json;
    using Record = sync_engine::SyncRecord<Json>;
    using Entry = sync_engine::Entry<Json>;
    using Cycle = sync_engine::SyncCycle<Json>;
    using Action = sync_engine::Action<Json>;
    using Event = sync_engine::Event<Json>;
    using Step = sync_engine::Step<Json>;
    using Pull = sync_engine::CallPull;
    using Push = sync_engine::CallPush<Json>;

    // What there is.

    std::map<std::string, sync_engine::EntryPtr<Json>> entries{};  ///< replaced, never changed
    sync_engine::CycleSetup setup{.retry = {},
                                  .drift_cap = std::chrono::minutes{5},
                                  .max_wait = std::chrono::hours{1},
                                  .seed = 1,
                                  .keeps_cursor = true};
    sync_engine::Timestamp now{std::chrono::hours{24 * 365 * 50}};

    // What the others do. Where a script has ended, a pull has nothing new and a push accepts.

    std::deque<std::function<Event(const Pull&)>> pulls{};
    std::deque<std::function<Event(const Push&)>> pushes{};
    std::function<sync_engine::HookDone()> before = [] { return sync_engine::HookDone{}; };
    std::function<sync_engine::HookDone()> progress = [] { return sync_engine::HookDone{}; };
    std::function<sync_engine::FilterAnswer(const Record&)> filter{};
    sync_engine::ConflictResolver<Json> resolver{};
    std::function<void()> before_commit = [] {};  ///< an app that edits between read and commit

    // What happened.

    std::vector<std::string> asked{};
    std::vector<std::uint64_t> numbers{};  ///< of all calls
    std::vector<Push> sent{};

    /// Puts a record here as an unsent edit of something that the remote has.
    void edit(const std::string& id, const std::string& text = "edit") {
        const auto known = entries.find(id);
        Entry entry = known != entries.end() ? *known->second
                                             : sync_engine::rules::taken<Json>(
                                                   nullptr, remote_state(id, "base", 1), now);
        auto local = *entry.base;
        local.data = text;
        local.version += 1;
        local.updated_at += std::chrono::minutes{1};
        local.status = sync_engine::SyncStatus::modified;
        entry.local = sync_engine::rules::shared(std::move(local));
        put(std::move(entry));
    }

    /// Puts an entry here as a new edit.
    void put(Entry entry) {
        entry.sequence = ++sequence_;
        const std::string id = entry.local->id;
        entries.insert_or_assign(id, std::make_shared<Entry>(std::move(entry)));
    }

    /// Puts a retry state on the last edit of a record.
    void set_retry(const std::string& id, sync_engine::RetryState retry) {
        Entry entry = *entries.at(id);
        retry.sequence = entry.sequence;
        entry.edit_extras().retry = std::move(retry);
        entries[id] = std::make_shared<Entry>(std::move(entry));
    }

    [[nodiscard]] Record remote_state(const std::string& id, const std::string& text,
                                      std::uint64_t version) const {
        return {.id = id,
                .data = text,
                .status = sync_engine::SyncStatus::synced,
                .updated_at = now - std::chrono::hours{1} + std::chrono::minutes{version},
                .version = version,
                .revision = "r" + std::to_string(version)};
    }

    /// An answer to a pull: rows, the cursor after them, and whether more wait.
    static std::function<Event(const Pull&)> page(std::vector<Record> rows, Json cursor,
                                                  bool has_more = false) {
        return [=](const Pull& call) {
            sync_engine::PullPage<Json> page;
            page.records = rows;
            page.cursor = cursor;
            page.has_more = has_more;
            return sync_engine::PageArrived<Json>{call.number, std::move(page)};
        };
    }
    /// A call, of either kind, that failed whole.
    static auto failure(sync_engine::CallError error, std::chrono::milliseconds after = {}) {
        return [=](const auto& call) -> Event {
            return sync_engine::CallFailed{call.number, error, "it failed", after};
        };
    }
    static Event accept(const Push& call) {
        sync_engine::PushReport<Json> report;
        for (const auto& change : call.changes) {
            report.push_back(sync_engine::accepted<Json>(change.record->id, "r9"));
        }
        return sync_engine::ReportArrived<Json>{call.number, std::move(report)};
    }
    /// The next push gets this answer.
    void answer(sync_engine::PushReport<Json> report) {
        pushes.push_back([=](const Push& call) {
            return sync_engine::ReportArrived<Json>{call.number, report};
        });
    }
    /// From here on, every push that holds one of these ids fails whole.
    void break_on(const std::string& ids) { poison_ = ids; }

    /// Runs a cycle to its end. `at_step` is called before each resume with its number, from 1 on.
    sync_engine::SyncResult run(const std::function<void(Cycle&, std::size_t)>& at_step = {}) {
        setup.state = state_;
        Cycle cycle{setup};
        auto action = cycle.start(now);
        for (std::size_t step = 1; !sync_engine::is_done<Json>(action); ++step) {
            if (step > 10'000) throw std::runtime_error("the cycle does not end");
            Event event = std::visit([&](auto& what) { return perform(what); }, action);
            if (at_step) at_step(cycle, step);
            action = cycle.resume(std::move(event), now);
        }
        return std::get<sync_engine::CycleDone>(action).result;
    }

    /// Everything that was asked, joined; `only` keeps the lines that begin with it.
    [[nodiscard]] std::string text(const std::string& only = {}) const {
        std::string joined;
        for (const auto& line : asked) {
            if (line.rfind(only, 0) != 0) continue;
            joined += (joined.empty() ? "" : " | ") + line;
        }
        return joined;
    }

    [[nodiscard]] sync_engine::StoreState& state() { return state_; }

    /// What a shell does for one action.
    Event perform(sync_engine::AskBefore&) {
        asked.push_back("before");
        return before();
    }
    Event perform(Pull& call) {
        asked.push_back("pull " + call.request.cursor.dump());
        numbers.push_back(call.number);
        if (pulls.empty()) return page({}, call.request.cursor)(call);
        return next(pulls)(call);
    }
    Event perform(Push& call) {
        std::string line = "push";
        bool is_poisoned = false;
        for (const auto& change : call.changes) {
            line += " " + change.record->id;
            is_poisoned = is_poisoned || poison_.find(change.record->id) != std::string::npos;
        }
        asked.push_back(line);
        numbers.push_back(call.number);
        sent.push_back(call);
        if (is_poisoned) return failure(sync_engine::CallError::unknown)(call);
        return pushes.empty() ? accept(call) : next(pushes)(call);
    }
    Event perform(sync_engine::ReadEntries& reading) {
        sync_engine::EntriesRead<Json> read;
        switch (reading.what) {
            case sync_engine::Reading::listed: {
                std::string line = "read";
                for (const auto id : reading.ids) {
                    line.append(" ").append(id);
                    const auto found = entries.find(std::string{id});
                    read.entries.push_back(found == entries.end() ? nullptr : found->second);
                }
                asked.push_back(line);
                return read;
            }
            case sync_engine::Reading::dirty:
                asked.push_back("read dirty");
                return all([](const Entry& entry) { return entry.is_dirty(); });
            case sync_engine::Reading::parked:
                asked.push_back("read parked");
                return all([](const Entry& entry) { return entry.is_parked(); });
            case sync_engine::Reading::absent:
                asked.push_back("read absent");
                return all([&](const Entry& entry) {
                    return entry.is_clean() && entry.is_visible() &&
                           reading.seen->count(entry.local->id) == 0;
                });
        }
        return read;
    }
    Event perform(sync_engine::AskFilter<Json>& question) {
        asked.push_back("filter " + std::to_string(question.records.size()));
        sync_engine::Filtered filtered;
        for (const auto& record : question.records) filtered.answers.push_back(filter(*record));
        return filtered;
    }
    Event perform(sync_engine::ResolveConflict<Json>& question) {
        asked.push_back("resolve " + question.local->id);
        try {
            return sync_engine::Resolved<Json>{
                resolver.resolve(question.base.get(), question.local, question.remote), {}};
        } catch (const std::exception& error) {
            return sync_engine::Resolved<Json>{nullptr, error.what()};
        }
    }
    Event perform(sync_engine::CommitStep<Json>& commit) {
        std::string line = "commit";
        for (const auto& decision : commit.step.decisions) {
            line.append(" ").append(decision.id());
        }
        if (commit.step.cursor) line += " cursor=" + commit.step.cursor->to.dump();
        if (commit.step.health) line += " health";
        if (commit.step.metadata) line += " metadata";
        asked.push_back(line);
        before_commit();
        return sync_engine::Committed{apply(commit.step)};
    }
    Event perform(sync_engine::TellProgress& tell) {
        asked.push_back("progress " + std::to_string(tell.completed) + "/" +
                        std::to_string(tell.total));
        return progress();
    }
    Event perform(sync_engine::TellAfter&) {
        asked.push_back("after");
        return sync_engine::HookDone{};
    }
    Event perform(sync_engine::KeepWaiting&) { throw std::logic_error("nothing was late"); }
    Event perform(sync_engine::CycleDone&) { throw std::logic_error("it is over"); }

private:
    template <class Script>
    static typename Script::value_type next(Script& script) {
        auto line = std::move(script.front());
        script.pop_front();
        return line;
    }

    template <class Predicate>
    sync_engine::EntriesRead<Json> all(const Predicate& predicate) const {
        std::map<sync_engine::Sequence, sync_engine::EntryPtr<Json>> in_order;
        for (const auto& [id, entry] : entries) {
            if (predicate(*entry)) in_order.emplace(entry->sequence, entry);
        }
        sync_engine::EntriesRead<Json> read;
        for (const auto& [sequence, entry] : in_order) read.entries.push_back(entry);
        return read;
    }

    /// What `LocalStore::apply` promises.
    sync_engine::StepResult apply(const Step& step) {
        sync_engine::StepResult result;
        if ((step.epoch && *step.epoch != state_.epoch) ||
            (step.cursor && step.cursor->from != state_.cursor)) {
            result.superseded = true;
            return result;
        }
        for (const auto& decision : step.decisions) {
            const std::string id{decision.id()};
            const auto& outcome = decision.written.outcome;
            const auto known = entries.find(id);
            if (decision.park) {
                known->second = std::make_shared<Entry>(
                    sync_engine::rules::waiting(*known->second, decision.park, false));
            } else if ((known == entries.end() ? nullptr : known->second) != decision.expected) {
                result.moved.push_back(id);
            } else if (outcome) {
                Entry entry = *outcome;
                if (entry.sequence == sync_engine::next_sequence) {
                    entry.sequence = ++sequence_;
                    if (entry.retry() && entry.retry()->sequence == sync_engine::next_sequence) {
                        entry.edit_extras().retry->sequence = sequence_;
                    }
                }
                entries.insert_or_assign(id, std::make_shared<Entry>(std::move(entry)));
            } else {
                entries.erase(id);
            }
        }
        if (step.cursor && result.moved.empty()) state_.cursor = step.cursor->to;
        if (step.health) state_.health = *step.health;
        if (step.metadata) state_.metadata = *step.metadata;
        return result;
    }

    sync_engine::StoreState state_{.store_id = "store"};
    sync_engine::Sequence sequence_ = 0;
    std::string poison_{};
};

}  // namespace test
