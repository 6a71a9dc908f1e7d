// SPDX-License-Identifier: MIT
#pragma once

#include <sync_engine.hpp>

#include "address.hpp"
#include "book.hpp"
#include "facts.hpp"
#include "interrupt.hpp"
#include "progress.hpp"
#include "server.hpp"
#include "show.hpp"
#include "terminal.hpp"
#include "view_commands.hpp"
#include "words.hpp"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

/// The commands that talk to a server.
namespace fieldbook {

using sync_engine::StopToken;
using sync_engine::SyncOutcome;
using sync_engine::SyncResult;

/// What the user asked for.
struct SyncRequest {
    Address address{};
    std::string strategy{};  ///< by its name
    sync_engine::ConflictResolver<> resolver{};
    bool create = false;
};

/// One sync, and the conflicts that it met.
struct Round {
    SyncResult result{};
    std::vector<std::string> contested{};
};

/// Syncs, with a progress line. Throws `StorageError`.
[[nodiscard]] inline Round sync_once(Book& book, Server& server, const StopToken& stop,
                                     sync_engine::RetryMode retry, const Output& out) {
    Round round;
    Progress progress;
    book.engine.on_conflict = [&](const Record& local, const Record& /*remote*/) {
        const auto known = std::find(round.contested.begin(), round.contested.end(), local.id);
        if (known == round.contested.end()) round.contested.push_back(local.id);
    };
    sync_engine::SyncOptions options{.stop = stop, .retry = retry};
    if (!out.is_json()) {
        options.on_progress = [&](std::size_t completed, std::size_t total) {
            progress.show(completed, total);
        };
    }
    auto future = book.engine.sync(server.remote(), std::move(options));
    future.wait();
    book.engine.on_conflict = nullptr;
    round.result = future.get();
    return round;
}

[[nodiscard]] inline ExitCode exit_code_of(const SyncResult& result, const Book& book) {
    if (result.outcome == SyncOutcome::stopped) return ExitCode::stopped;
    if (result.outcome != SyncOutcome::completed) return ExitCode::server;
    const auto statistics = book.store.statistics();
    const bool waits = statistics.conflicted + statistics.dead_letters > 0 || result.has_errors();
    return waits ? ExitCode::undecided : ExitCode::done;
}

[[nodiscard]] inline Json json_of(const Round& round, const Book& book, const Address& address) {
    const auto statistics = book.store.statistics();
    return {{"server", address.shown()},
            {"at", sync_engine::now()},
            {"result", round.result},
            {"contested", round.contested},
            {"unsent", book.store.pending().size() - statistics.dead_letters},
            {"undecided", statistics.conflicted},
            {"refused", statistics.dead_letters}};
}

/// "3 sent, 12 received, 1 conflict"
[[nodiscard]] inline std::string counts_of(const SyncResult& result) {
    return std::to_string(result.pushed + result.retried) + " sent, " +
           std::to_string(result.pulled) + " received" +
           (result.conflicts == 0 ? "" : ", " + count(result.conflicts, "conflict"));
}

inline void print_conflicts(const Round& round, const Book& book, const std::string& strategy,
                            const Output& out) {
    for (const auto& id : round.contested) {
        const bool waits = book.conflict(id).has_value();
        out.line("  " + harmless(id) + " was changed on both sides; " +
                 (waits ? out.tinted(Tint::trouble, "it waits for you")
                        : "settled by --strategy " + strategy));
    }
}

inline void print_errors(const SyncResult& result, const Output& out) {
    constexpr std::size_t most_shown = 10;  // the rest is in `pending` and `dead-letters`
    std::size_t shown = 0;
    for (const auto& error : result.errors) {
        if (++shown > most_shown) break;
        out.line("  " + (error.record_id.empty() ? "" : harmless(error.record_id) + ": ") +
                 harmless(error.message));
    }
    if (result.errors.size() > most_shown) {
        out.line("  and " + std::to_string(result.errors.size() - most_shown) + " more");
    }
}

inline void print_round(const Round& round, const Book& book, const SyncRequest& request,
                        const Output& out) {
    const std::string server = harmless(request.address.shown());
    const std::string counts = counts_of(round.result);
    const bool is_idle = round.result.total() == 0;
    const std::string until_then = is_idle ? "" : "; until then " + counts;
    switch (round.result.outcome) {
        case SyncOutcome::completed:
            out.line(
                "Synced with " + server + ": " +
                (is_idle && !round.result.has_errors() ? "nothing new on either side" : counts));
            break;
        case SyncOutcome::stopped:
            out.line("Stopped" + until_then +
                     ". Every edit is kept, and the next sync goes on from here.");
            break;
        default:
            out.line(out.tinted(Tint::trouble, "Not synced") + " with " + server + until_then +
                     ". Every edit is kept.");
    }
    print_conflicts(round, book, request.strategy, out);
    print_errors(round.result, out);
    print_waiting(book, out);
}

/// Sees that the book belongs to this server, and makes the database if the user asked for that.
/// Throws `Failure`.
inline void prepare(const Book& book, Server& server, const SyncRequest& request) {
    const std::string known = book.store.state().remote_name;
    const std::string name = server.remote().name;
    if (!known.empty() && !name.empty() && known != name) {
        throw Failure(ExitCode::book, "this book is synced with " + quoted(known) +
                                          " and not with " + quoted(name) +
                                          "; --book names another book");
    }
    if (!request.create) return;
    try {
        server.create_database();
    } catch (const sync_engine::RemoteError& error) {
        throw Failure(ExitCode::server,
                      request.address.shown() + " could not be made: " + error.what());
    }
}

inline ExitCode sync(Book& book, const SyncRequest& request, const Output& out) {
    const Interrupt interrupt;
    Server server{request.address, request.resolver};
    prepare(book, server, request);
    const Round round =
        sync_once(book, server, interrupt.token(), sync_engine::RetryMode::now, out);
    out.json(json_of(round, book, request.address));
    print_round(round, book, request, out);
    return exit_code_of(round.result, book);
}

}  // namespace fieldbook
