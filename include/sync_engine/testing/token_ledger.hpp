// SPDX-License-Identifier: MIT
#pragma once

#include <sync_engine/record/sync_record.hpp>
#include <sync_engine/store/subscription.hpp>
#include <sync_engine/testing/invariant.hpp>
#include <sync_engine/testing/workload.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

namespace sync_engine::testing {

/// Knows the fate of every edit: who made it, whether the app was told that it is stored, whether
/// the remote has had it, and whether somebody decided that it may go.
///
/// It believes nobody: it looks at what stores and the remote show, and keeps its own account. It
/// is told of every decision by which an edit may vanish; any other loss is a violation.
template <class Data>
class TokenLedger {
public:
    static constexpr std::uint32_t max_devices = 32;  ///< a bit for each in every edit's fate

    TokenLedger(const Workload<Data>& workload, Verdicts& verdicts)
        : workload_(workload), verdicts_(verdicts) {}

    // The app.

    /// A new edit of the record; whether it is stored is not known yet.
    [[nodiscard]] Token new_edit(const std::string& id) {
        fates_.push_back({.id = id});
        return static_cast<Token>(fates_.size() - 1);
    }

    /// The app was told that the edit is stored: from now on it must not vanish.
    void stored(Token token) { fates_[token].is_stored = true; }

    /// The app deleted the record, or the user did in a conflict.
    void deleted(std::size_t device, const SyncRecord<Data>& before) {
        for (const Token token : tokens(before)) {
            fates_[token].may_go = true;
            fates_[token].buried |= bit(device);
        }
    }

    /// Somebody decided for `after`, which may lack what `before` has.
    void decided(const SyncRecord<Data>& before, const SyncRecord<Data>& after) {
        const auto kept = tokens(after);
        for (const Token token : tokens(before)) {
            if (!contains(kept, token)) fates_[token].may_go = true;
        }
    }

    /// A decision or a backup brought these edits back to life.
    void revived(const SyncRecord<Data>& record) {
        for (const Token token : tokens(record)) fates_[token].buried = 0;
    }

    /// Somebody decided against a deletion; others may still accept it, or repeat it, before they
    /// hear of that.
    void kept(const SyncRecord<Data>& record) {
        for (const Token token : tokens(record)) fates_[token].is_contested = true;
    }

    /// What only this device had may be gone: its disk was put back, or its store cleared.
    void forgotten(const SyncRecord<Data>& record) {
        for (const Token token : tokens(record)) {
            if (!fates_[token].at_remote) fates_[token].may_go = true;
        }
    }

    /// The device remembers no deletions any more.
    void forget_burials(std::size_t device) {
        for (auto& fate : fates_) fate.buried &= ~bit(device);
    }

    // What is seen.

    /// The remote has this state, or had it.
    void at_remote(const SyncRecord<Data>& record) {
        for (const Token token : tokens(record)) fates_[token].at_remote = true;
    }

    /// A sync changed a record that the app sees.
    void synced(std::size_t device, const StoreChange<Data>& change) {
        const auto after = change.after ? tokens(*change.after) : std::vector<Token>{};
        if (change.before) {
            for (const Token token : tokens(*change.before)) {
                if (!contains(after, token)) check_may_go(token, "vanished in a sync");
                if (!change.after) fates_[token].buried |= bit(device);
            }
            return;
        }
        const bool is_undone = std::all_of(after.begin(), after.end(), [&](const Token token) {
            return (fates_[token].buried & bit(device)) != 0 && !fates_[token].is_contested;
        });
        if (is_undone && !after.empty()) {
            verdicts_.broken(Invariant::no_deletion_undone,
                             "record " + change.id + " is back with nothing but what was deleted");
        }
    }

    /// A record that its store holds as clean.
    void clean(const SyncRecord<Data>& record) {
        for (const Token token : tokens(record)) {
            if (fates_[token].at_remote) continue;
            verdicts_.broken(Invariant::clean_is_known,
                             describe(token) + " is clean, but never reached the remote");
        }
    }

    /// A merge unites: nothing that was not given up before may be missing.
    void merged(const SyncRecord<Data>& before, const SyncRecord<Data>& after) {
        const auto kept = tokens(after);
        for (const Token token : tokens(before)) {
            if (!contains(kept, token)) check_may_go(token, "vanished in a merge");
        }
    }

    /// These are all the records there are at rest.
    void at_rest(const std::vector<SyncRecord<Data>>& records) {
        std::vector<bool> is_there(fates_.size(), false);
        for (const auto& record : records) {
            for (const Token token : tokens(record)) is_there[token] = true;
        }
        for (Token token = 0; token < fates_.size(); ++token) {
            if (fates_[token].is_stored && !is_there[token]) {
                check_may_go(token, "is missing at the end");
            }
        }
    }

    /// The edits that the record holds. Throws `std::out_of_range` for one that nobody made, and is
    /// a violation then: a callback may swallow what is thrown.
    [[nodiscard]] std::vector<Token> tokens(const SyncRecord<Data>& record) const {
        if (record.is_deleted()) return {};
        auto found = workload_.tokens(record.data);
        for (const Token token : found) {
            if (token < fates_.size()) continue;
            const auto what =
                "the workload found token " + std::to_string(token) + ", which no edit wrote";
            verdicts_.broken(Invariant::nothing_thrown, what);
            throw std::out_of_range(what);
        }
        return found;
    }

    /// How many edits the app was told are stored.
    [[nodiscard]] std::size_t count_stored() const {
        return static_cast<std::size_t>(std::count_if(
            fates_.begin(), fates_.end(), [](const auto& fate) { return fate.is_stored; }));
    }

private:
    struct Fate {
        std::string id{};
        bool is_stored = false;
        bool at_remote = false;
        bool may_go = false;
        bool is_contested = false;
        std::uint32_t buried = 0;  ///< devices that saw it deleted, a bit each
    };

    static std::uint32_t bit(std::size_t device) { return std::uint32_t{1} << device; }

    static bool contains(const std::vector<Token>& tokens, Token token) {
        return std::find(tokens.begin(), tokens.end(), token) != tokens.end();
    }

    [[nodiscard]] std::string describe(Token token) const {
        return "edit " + std::to_string(token) + " of record " + fates_[token].id;
    }

    void check_may_go(Token token, const char* what) {
        if (!fates_[token].may_go) {
            verdicts_.broken(Invariant::no_edit_lost, describe(token) + " " + what);
        }
    }

    const Workload<Data>& workload_;
    Verdicts& verdicts_;
    std::vector<Fate> fates_;
};

}  // namespace sync_engine::testing
