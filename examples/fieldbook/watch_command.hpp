// SPDX-License-Identifier: MIT
#pragma once

#include <sync_engine.hpp>

#include "book.hpp"
#include "interrupt.hpp"
#include "server.hpp"
#include "show.hpp"
#include "sync_commands.hpp"
#include "terminal.hpp"
#include "words.hpp"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

/// The command that keeps a book and a server together until it is stopped.
namespace fieldbook {

/// Waits for a while, or until somebody asks to stop.
inline void rest(std::chrono::milliseconds time, const StopToken& stop) {
    std::mutex mutex;
    std::condition_variable wake;
    const sync_engine::StopCallback on_stop{stop, [&] {
                                                const std::lock_guard lock(mutex);
                                                wake.notify_all();
                                            }};
    std::unique_lock lock(mutex);
    wake.wait_for(lock, time, [&] { return stop.stop_requested(); });
}

/// What a sync changed here, for people; of very many records, only the first.
class News {
public:
    void add(const sync_engine::StoreChange<>& change) {
        const bool is_seen = change.before != nullptr && change.after != nullptr;
        if (is_seen && sync_engine::same_content(*change.before, *change.after)) return;
        if (count_++ < most_shown) changes_.push_back(change);
    }

    void print(const Output& out) {
        for (const auto& change : changes_) print(change, out);
        if (count_ > changes_.size()) {
            out.line("  and " + std::to_string(count_ - changes_.size()) + " more");
        }
        changes_.clear();
        count_ = 0;
    }

private:
    static constexpr std::size_t most_shown = 20;  // what one can follow while it scrolls by

    static void print(const sync_engine::StoreChange<>& change, const Output& out) {
        const std::string id = harmless(change.id);
        if (change.after == nullptr) return out.line("  - " + id + " was deleted");
        if (change.before == nullptr) return out.line("  + " + id + " is new");
        out.line("  ~ " + id + " changed:");
        print_differences(differences(*change.before, *change.after), out);
    }

    std::vector<sync_engine::StoreChange<>> changes_;
    std::size_t count_ = 0;
};

class Watch {
public:
    Watch(Book& book, const SyncRequest& request, const Output& out)
        : book_(book), request_(request), out_(out), server_{request.address, request.resolver} {}

    ExitCode run() {
        prepare(book_, server_, request_);
        out_.line("Watching " + harmless(request_.address.shown()) + "; Ctrl-C ends it");
        const auto subscription = book_.store.subscribe(
            [&](const sync_engine::StoreChange<>& change) { news_.add(change); });
        auto mode = sync_engine::RetryMode::now;
        while (!interrupt_.is_requested()) {
            report(sync_once(book_, server_, interrupt_.token(), mode, out_));
            if (server_.is_login_refused()) return ExitCode::server;
            mode = sync_engine::RetryMode::when_due;
            while (!interrupt_.is_requested() && !is_time_to_sync()) {
            }
        }
        out_.line("Stopped; what was done is kept.");
        return ExitCode::done;
    }

private:
    void report(const Round& round) {
        out_.json(json_of(round, book_, request_.address));
        const bool has_failed = round.result.outcome == SyncOutcome::failed;
        failures_ = has_failed ? failures_ + 1 : 0;
        const std::string trouble =
            round.result.has_errors() ? round.result.errors.front().message : std::string{};
        const bool is_news = round.result.total() > 0 || trouble != last_trouble_;
        last_trouble_ = trouble;  // none is known before the first round, which is always told
        if (is_news && round.result.outcome != SyncOutcome::stopped) {
            out_.line(clock_time(sync_engine::now()) + (has_failed ? "  not synced" : "  synced") +
                      (round.result.total() == 0 ? "" : ": " + counts_of(round.result)));
            news_.print(out_);
            print_conflicts(round, book_, request_.strategy, out_);
            print_errors(round.result, out_);
        }
        out_.finish();
    }

    /// Waits for a reason to sync: a change over there, or a retry that is due here. False if
    /// there was none yet.
    bool is_time_to_sync() {
        using std::chrono::milliseconds;
        using std::chrono::seconds;
        if (failures_ > 0) {
            rest(pauses_.after(failures_), interrupt_.token());
            return true;
        }
        seconds patience = longest_poll;
        if (const auto due = book_.engine.retry_queue().next_due()) {
            const auto wait = std::chrono::ceil<seconds>(*due - sync_engine::now());
            patience = std::clamp(wait, seconds{1}, longest_poll);
        }
        try {
            if (server_.wait_for_changes(patience, interrupt_.token())) return true;
        } catch (const sync_engine::RemoteError&) {
            ++failures_;  // the sync that follows says what is wrong
            rest(pauses_.after(failures_), interrupt_.token());
            return true;
        }
        const auto due = book_.engine.retry_queue().next_due();
        return due && *due <= sync_engine::now();
    }

    // Proxies close a connection on which nothing comes for a minute.
    static constexpr std::chrono::seconds longest_poll{30};

    Book& book_;
    const SyncRequest& request_;
    const Output& out_;
    Interrupt interrupt_;
    Server server_;
    News news_;
    sync_engine::Backoff pauses_{.base = std::chrono::seconds{1}, .cap = std::chrono::minutes{1}};
    unsigned failures_ = 0;
    std::optional<std::string> last_trouble_;
};

}  // namespace fieldbook
