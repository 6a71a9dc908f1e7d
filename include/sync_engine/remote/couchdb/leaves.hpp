// SPDX-License-Identifier: MIT
#pragma once

#include <sync_engine/conflict/conflict_resolver.hpp>
#include <sync_engine/record/error.hpp>
#include <sync_engine/record/sync_error.hpp>
#include <sync_engine/record/sync_record.hpp>
#include <sync_engine/remote/couchdb/bulk.hpp>
#include <sync_engine/remote/couchdb/document.hpp>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstddef>
#include <exception>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

/// Documents of which the server holds several states at once.
///
/// Two nodes of a cluster that cannot see each other both take a write, and replication brings in
/// what somebody wrote elsewhere. CouchDB keeps every state as a leaf of the document's tree of
/// revisions, shows one, and leaves the decision to its clients.
namespace sync_engine::couchdb {

/// What the leaves of some documents came to.
template <class Data>
struct Settled {
    std::map<std::string, SyncRecord<Data>>
        records{};                      ///< by id; what the server shows from now on
    std::set<std::string> overtaken{};  ///< somebody has written them meanwhile
    std::vector<SyncError> errors{};    ///< documents that stay as they were
};

/// Lets the resolver decide between the leaves of each document, writes the winner over the leaf
/// that the server shows, and deletes the others.
///
/// Everybody who does this decides alike: the leaf that is shown is the remote's side, the stamps
/// follow from the leaves, and no clock is read. Who comes too late is told of a conflict, and
/// leaves it at that. Cut off anywhere, it is done again when the document is seen again.
template <class Data>
class Leaves {
    using Json = nlohmann::json;
    using Record = SyncRecord<Data>;

public:
    Leaves(const Bulk& bulk, const ConflictResolver<Data>& resolver)
        : bulk_(bulk), resolver_(resolver) {}

    /// `documents` are records with a member `_conflicts`. Throws what a request throws.
    [[nodiscard]] Settled<Data> settle(const std::vector<Json>& documents) {
        read_trees(documents);
        read_ancestors();
        for (auto& tree : trees_) decide(tree);
        write_winners();
        delete_losers();
        return std::move(settled_);
    }

private:
    /// One document: the leaf that is shown, and the others in the order that the server names.
    struct Tree {
        std::string id{};
        Json shown{};
        std::vector<std::string> losers{};
        std::optional<Record> winner{};  ///< what the resolver made of it
        Json document{};                 ///< the winner, to be written
        bool is_written = false;
    };

    void read_trees(const std::vector<Json>& documents) {
        std::vector<Revision> wanted;
        for (const auto& document : documents) {
            Tree tree{.id = id_of(document), .shown = document};
            try {
                for (const auto& loser : document.at("_conflicts")) {
                    tree.losers.push_back(detail::as_string(loser, "_conflicts"));
                }
            } catch (const FormatError& error) {
                leave(tree, error.what());
                continue;
            }
            wanted.push_back({tree.id, detail::read_string(document, "_rev")});
            for (const auto& loser : tree.losers) wanted.push_back({tree.id, loser});
            trees_.push_back(std::move(tree));
        }
        bodies_ = bulk_.get(wanted);
    }

    void read_ancestors() {
        std::vector<Revision> wanted;
        for (const auto& tree : trees_) {
            for (const auto& loser : tree.losers) {
                try {
                    const auto ancestor = ancestor_of(tree, loser);
                    if (!ancestor.empty()) wanted.push_back({tree.id, ancestor});
                } catch (const FormatError&) {
                    continue;  // decide() comes upon it again, and reports it
                }
            }
        }
        bodies_.merge(bulk_.get(wanted));
    }

    /// The newest revision that two leaves have in common; empty where they have none.
    [[nodiscard]] std::string ancestor_of(const Tree& tree, const std::string& loser) const {
        const auto ours = history_of({tree.id, loser});
        const auto theirs = history_of({tree.id, detail::read_string(tree.shown, "_rev")});
        const auto common =
            std::find_first_of(ours.begin(), ours.end(), theirs.begin(), theirs.end());
        return common == ours.end() ? std::string{} : *common;
    }

    /// The revisions that a leaf comes from, newest first, itself included.
    [[nodiscard]] std::vector<std::string> history_of(const Revision& leaf) const {
        const auto body = bodies_.find(leaf);
        if (body == bodies_.end()) return {};
        const auto* history = detail::find(body->second, "_revisions");
        if (history == nullptr || !history->is_object()) return {};
        auto generation = detail::read_count(*history, "start", 0);
        std::vector<std::string> revisions;
        for (const auto& hash : history->value("ids", Json::array())) {
            revisions.push_back(std::to_string(generation--) + '-' +
                                detail::as_string(hash, "_revisions"));
        }
        return revisions;
    }

    void decide(Tree& tree) {
        try {
            const Record shown = record_of<Data>(tree.shown);
            Record winner = shown;
            for (const auto& loser : tree.losers) winner = resolved(tree, loser, std::move(winner));
            if (winner.status == SyncStatus::conflicted) {
                throw InvalidRecord("the resolver leaves it to the user");
            }
            winner.revision = shown.revision;
            // Here, because a winner that can be no document must not stop the others.
            tree.document = document_of(winner, {});
            tree.winner = std::move(winner);
        } catch (const std::exception& error) {
            leave(tree, error.what());
        } catch (...) {
            leave(tree, "an exception that is no std::exception");
        }
    }

    void leave(const Tree& tree, const std::string& reason) {
        settled_.errors.push_back(
            {tree.id,
             "the server holds several states of it, and they stay as they are: " + reason});
    }

    /// The winner of a leaf and of what won so far, stamped above both unless it is the latter.
    [[nodiscard]] Record resolved(const Tree& tree, const std::string& loser, Record shown) const {
        const auto body = bodies_.find({tree.id, loser});
        if (body == bodies_.end()) {
            throw FormatError("revision " + quoted(loser) + " cannot be had");
        }
        const auto leaf = record_of<Data>(body->second);
        std::optional<Record> base;
        const auto ancestor = bodies_.find({tree.id, ancestor_of(tree, loser)});
        if (ancestor != bodies_.end()) base = record_of<Data>(ancestor->second);
        Record winner = resolver_.resolve(base ? &*base : nullptr, leaf, shown);
        if (!winner.is_deleted() && !shown.is_deleted()) {
            winner.unknown = fitting(
                united(base ? &base->unknown : nullptr, winner.unknown, shown.unknown, shown.data),
                winner.data);
        }
        if (same_content(winner, shown)) return shown;
        winner.version = detail::next_version(std::max(leaf.version, shown.version));
        winner.updated_at = detail::just_after(std::max(leaf.updated_at, shown.updated_at));
        return winner;
    }

    /// Also where the state that is shown has won: the branch that goes on has to be as long as
    /// those that end in a tombstone, or it would look like one that a deletion has brought to
    /// light.
    void write_winners() {
        std::vector<Json> documents;
        for (auto& tree : trees_) {
            if (tree.winner) documents.push_back(std::move(tree.document));
        }
        const auto answers = bulk_.write(std::move(documents));
        for (auto& tree : trees_) {
            const auto answer = answers.find(tree.id);
            if (answer == answers.end() || answer->second.revision.empty()) continue;
            tree.is_written = true;
            tree.winner->revision = answer->second.revision;
        }
        for (auto& tree : trees_) {
            if (!tree.winner) continue;
            if (tree.is_written) {
                settled_.records.emplace(tree.id, *tree.winner);
            } else {
                settled_.overtaken.insert(tree.id);
            }
        }
    }

    /// One leaf of each document at a time: no id may stand in a batch twice.
    void delete_losers() {
        for (std::size_t nth = 0;; ++nth) {
            std::vector<Json> deletions;
            for (const auto& tree : trees_) {
                if (!tree.is_written || nth >= tree.losers.size()) continue;
                deletions.push_back(
                    {{"_id", tree.id}, {"_rev", tree.losers[nth]}, {"_deleted", true}});
            }
            if (deletions.empty()) return;
            (void)bulk_.write(
                std::move(deletions));  // one that is gone by now was deleted by somebody else
        }
    }

    const Bulk& bulk_;
    const ConflictResolver<Data>& resolver_;
    std::vector<Tree> trees_{};
    Bodies bodies_{};
    Settled<Data> settled_{};
};

}  // namespace sync_engine::couchdb
