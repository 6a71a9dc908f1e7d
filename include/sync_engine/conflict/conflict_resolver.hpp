// SPDX-License-Identifier: MIT
#pragma once

#include <sync_engine/conflict/merge.hpp>
#include <sync_engine/record/error.hpp>
#include <sync_engine/record/sync_record.hpp>

#include <nlohmann/json.hpp>

#include <atomic>
#include <concepts>
#include <cstddef>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace sync_engine {

/// A resolver answered with a record of another id.
class IdChanged : public InvalidRecord {
public:
    using InvalidRecord::InvalidRecord;
};

/// Who wins when both sides changed a record.
enum class ConflictStrategy {
    remote_wins,  ///< the remote's state, deletions too
    local_wins,   ///< ours, deletions too
    latest_wins,  ///< the later `updated_at`; a tie goes to the remote
    merge,        ///< field by field; an edit beats a deletion
    manual,       ///< the user: the record becomes `conflicted` and waits for `resolve`
    custom,       ///< a function of yours
};

/// Who wins a path that both sides changed differently, under `ConflictStrategy::merge`.
enum class MergePolicy {
    latest,  ///< the side whose `updated_at` is later; a tie goes to the remote
    local,   ///< ours
    remote,  ///< the remote's
};

/// True if `local` is later than `remote`: by time, or by version where the remote has no times.
/// A tie goes to the remote, so that all devices settle on the same state.
template <class Data>
[[nodiscard]] bool is_later(const SyncRecord<Data>& local, const SyncRecord<Data>& remote) {
    if (remote.updated_at == Timestamp{}) return local.version > remote.version;
    return local.updated_at > remote.updated_at;
}

namespace detail {

/// Whether `Custom` answers with a record. What answers with JSON would be converted, and has
/// compared records as JSON where it meant their data.
template <class Custom, class Record, class... Arguments>
concept Decides = std::is_invocable_r_v<Record, Custom&, Arguments...> &&
    !std::same_as<std::remove_cvref_t<std::invoke_result_t<Custom&, Arguments...>>, nlohmann::json>;

}  // namespace detail

/// Decides conflicts: a strategy, or a function of yours.
///
/// A function gets `(const SyncRecord<Data>& local, const SyncRecord<Data>& remote)`, or the base
/// before them as `const SyncRecord<Data>*`, null if there never was one. It may return either, or
/// something new under the same id; a result with status `deleted` deletes, one with status
/// `conflicted` leaves the decision to the user. It runs without a lock, on the thread of the sync,
/// and should give the same answer for the same input. The whole-record strategies cannot see that
/// a remote state holds an earlier edit of ours, whose ack was lost, under another device's edit;
/// `merge` can. Copies share their count.
template <class Data = nlohmann::json>
class ConflictResolver {
public:
    /// A state of a record, as functions get and give it.
    using Record = SyncRecord<Data>;
    /// A state that others have too, and that never changes.
    using Shared = std::shared_ptr<const Record>;
    /// A decision of yours: `(base, local, remote)`; base is null if there never was one.
    using Function = std::function<Record(const Record*, const Record&, const Record&)>;

    /// `latest_wins`.
    ConflictResolver() : ConflictResolver(ConflictStrategy::latest_wins) {}

    /// A built-in strategy; `policy` matters to `merge` alone. Throws `std::invalid_argument` for
    /// `custom`, which needs a function.
    explicit ConflictResolver(ConflictStrategy strategy, MergePolicy policy = MergePolicy::latest)
        : strategy_(strategy), policy_(policy) {
        if (strategy == ConflictStrategy::custom) refuse_empty();
    }

    /// A function of `(local, remote)`.
    template <class Custom>
    requires detail::Decides<Custom, Record, const Record&, const Record&>
    explicit ConflictResolver(Custom custom) : strategy_(ConflictStrategy::custom) {
        std::function<Record(const Record&, const Record&)> two{std::move(custom)};
        if (!two) refuse_empty();
        custom_ = [two = std::move(two)](const Record*, const Record& local, const Record& remote) {
            return two(local, remote);
        };
    }

    /// A function of `(base, local, remote)`. Throws `std::invalid_argument` if it is empty.
    template <class Custom>
    requires detail::Decides<Custom, Record, const Record*, const Record&, const Record&>
    explicit ConflictResolver(Custom custom)
        : strategy_(ConflictStrategy::custom), custom_(std::move(custom)) {
        if (!custom_) refuse_empty();
    }

    /// Who decides; `custom` if that is a function.
    [[nodiscard]] ConflictStrategy strategy() const noexcept { return strategy_; }

    /// The winner when nothing is known of a common base.
    [[nodiscard]] Record resolve(const Record& local, const Record& remote) const {
        return resolve(nullptr, local, remote);
    }

    /// The winner. Only its content matters, and whether it is deleted: the engine sets its stamps,
    /// and the members that `Data` does not know. `sent` are states that this device sent and that
    /// the remote may hold underneath. With `manual`, it is local as `conflicted`. Throws what a
    /// custom function throws, and `IdChanged` if it changed the id.
    [[nodiscard]] Record resolve(const Record* base, const Record& local, const Record& remote,
                                 const std::vector<const Record*>& sent = {}) const {
        const Record* side = winning_side(local, remote);
        return checked(side != nullptr ? *side : decide(base, local, remote, sent), local.id);
    }

    /// The same for records that are shared: where one of them wins as it is, it is answered itself
    /// and nothing is copied.
    [[nodiscard]] Shared resolve(const Record* base, const Shared& local, const Shared& remote,
                                 const std::vector<const Record*>& sent = {}) const {
        if (const Record* side = winning_side(*local, *remote)) {
            (void)checked(*side, local->id);
            return side == local.get() ? local : remote;
        }
        return std::make_shared<const Record>(
            checked(decide(base, *local, *remote, sent), local->id));
    }

    /// How many conflicts this resolver and its copies have decided.
    [[nodiscard]] std::size_t resolved_count() const noexcept { return resolved_->load(); }

private:
    [[noreturn]] static void refuse_empty() {
        throw std::invalid_argument("a custom conflict strategy needs a function");
    }

    /// The other strategies decide, also where local comes from a listed conflict and says so.
    bool is_left_to_user(const Record& winner) const noexcept {
        return winner.status == SyncStatus::conflicted &&
               (strategy_ == ConflictStrategy::manual || strategy_ == ConflictStrategy::custom);
    }

    /// The winner, unless it is another record than the one in conflict.
    template <class Winner>
    Winner&& checked(Winner&& winner, const std::string& id) const {
        if (winner.id != id) {
            throw IdChanged("the conflict resolver changed the id of " + detail::named(id) +
                            " to " + quoted(winner.id) + "; it has to keep it");
        }
        if (!is_left_to_user(winner)) resolved_->fetch_add(1);
        return std::forward<Winner>(winner);
    }

    /// The side that wins as a whole; null where the two may come to something new.
    const Record* winning_side(const Record& local, const Record& remote) const {
        switch (strategy_) {
            case ConflictStrategy::remote_wins:
                return &remote;
            case ConflictStrategy::local_wins:
                return &local;
            case ConflictStrategy::latest_wins:
                return is_later(local, remote) ? &local : &remote;
            case ConflictStrategy::merge:
            case ConflictStrategy::manual:
            case ConflictStrategy::custom:
                break;
        }
        return nullptr;
    }

    Record decide(const Record* base, const Record& local, const Record& remote,
                  const std::vector<const Record*>& sent) const {
        if (strategy_ == ConflictStrategy::merge) return merged(base, local, remote, sent);
        if (strategy_ == ConflictStrategy::manual) {
            return local.with_status(SyncStatus::conflicted);
        }
        return custom_(base, local, remote);
    }

    Record merged(const Record* base, const Record& local, const Record& remote,
                  const std::vector<const Record*>& sent) const {
        if (local.is_deleted()) return remote;
        if (remote.is_deleted()) return local;
        const bool has_base = base != nullptr && !base->is_deleted();
        std::vector<nlohmann::json> sent_data;
        std::vector<const TagSet*> sent_tags;
        for (const Record* state : sent) {
            if (state->is_deleted()) continue;
            sent_data.push_back(detail::whole_data(*state));
            sent_tags.push_back(&state->tags);
        }
        std::vector<const nlohmann::json*> sent_views;
        for (const auto& data : sent_data) sent_views.push_back(&data);
        const nlohmann::json base_data = has_base ? detail::whole_data(*base) : nlohmann::json();
        const MergeResult fields =
            merge(has_base ? &base_data : nullptr, detail::whole_data(local),
                  detail::whole_data(remote), winner_of(local, remote), sent_views);
        Record winner = local;
        try {
            set_data_json(winner, fields.value);
        } catch (const FormatError& error) {
            throw FormatError("the merge of " + detail::named(local.id) +
                              " does not fit its type of data: " + error.what());
        }
        winner.tags = merge(has_base ? &base->tags : nullptr, local.tags, remote.tags, sent_tags);
        return winner;
    }

    MergeSide winner_of(const Record& local, const Record& remote) const {
        switch (policy_) {
            case MergePolicy::local:
                return MergeSide::local;
            case MergePolicy::remote:
                return MergeSide::remote;
            case MergePolicy::latest:
                break;
        }
        return is_later(local, remote) ? MergeSide::local : MergeSide::remote;
    }

    ConflictStrategy strategy_;
    MergePolicy policy_ = MergePolicy::latest;
    Function custom_;
    std::shared_ptr<std::atomic<std::size_t>> resolved_ =
        std::make_shared<std::atomic<std::size_t>>(0);
};

}  // namespace sync_engine
