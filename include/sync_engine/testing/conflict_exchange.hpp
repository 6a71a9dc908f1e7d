// SPDX-License-Identifier: MIT
#pragma once

#include <sync_engine/conflict/conflict_resolver.hpp>
#include <sync_engine/record/sync_record.hpp>
#include <sync_engine/record/timestamp.hpp>
#include <sync_engine/store/entry.hpp>
#include <sync_engine/store/outcome.hpp>
#include <sync_engine/store/sequence.hpp>
#include <sync_engine/store/sync_rules.hpp>
#include <sync_engine/sync/judge.hpp>
#include <sync_engine/sync/news.hpp>
#include <sync_engine/testing/conflict_samples.hpp>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <exception>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

/// What `testing::check_resolver` is made of: a resolver's answer, and two devices that need it.
namespace sync_engine::detail {

/// What a resolver said to one question.
template <class Data>
struct ResolverAnswer {
    std::optional<SyncRecord<Data>> winner{};
    std::string refusal{};  ///< why there is no winner
    bool changed_id = false;

    [[nodiscard]] bool is_left_to_user() const {
        return winner && winner->status == SyncStatus::conflicted;
    }
};

/// Throws unless the record can be stored and sent. A type of the app's own is written as JSON,
/// which `check_record` leaves for later.
template <class Data>
void check_storable(const SyncRecord<Data>& record) {
    check_record(record);
    if constexpr (!std::is_same_v<Data, nlohmann::json>) {
        static_cast<void>(nlohmann::json(record));
    }
}

/// Asks as the engine does: whatever goes wrong is an answer.
template <class Data>
[[nodiscard]] ResolverAnswer<Data> answer_of(
    const ConflictResolver<Data>& resolver, const SyncRecord<Data>* base,
    const SyncRecord<Data>& local, const SyncRecord<Data>& remote,
    const std::vector<const SyncRecord<Data>*>& sent = {}) {
    ResolverAnswer<Data> answer;
    try {
        auto winner = resolver.resolve(base, local, remote, sent);
        check_storable(winner);
        answer.winner = std::move(winner);
    } catch (const IdChanged& error) {
        answer.changed_id = true;
        answer.refusal = error.what();
    } catch (const std::exception& error) {
        answer.refusal = error.what();
    } catch (...) {
        answer.refusal = "it threw something that is no std::exception";
    }
    return answer;
}

/// Two devices and a remote that have a conflict between them, under the rules of the engine.
///
/// Acknowledgements are what ends every exchange: a device whose push was acknowledged takes what
/// comes. So it is without them that a resolver meets its own results.
template <class Data>
class ConflictExchange {
public:
    using Record = SyncRecord<Data>;
    using Answer = ResolverAnswer<Data>;

    /// The second device has pushed the sample's remote state and waits for its acknowledgement;
    /// the first one has yet to push the sample's local state.
    ConflictExchange(const ConflictResolver<Data>& resolver,
                     const testing::ConflictSample<Data>& sample)
        : resolver_(resolver), has_times_(sample.remote.updated_at != Timestamp{}) {
        moment_.now = std::max(sample.local.updated_at, sample.remote.updated_at);
        if (sample.base) remote_ = revised(*sample.base);
        edit(first_, sample.local);
        edit(second_, sample.remote);
        push(second_, false);
    }

    /// Each device syncs once. Nothing happens any more once an answer was missing, or left to the
    /// user.
    void run_round(bool acknowledges) {
        created_.reset();
        for (auto* device : {&first_, &second_}) {
            device->has_pushed = false;
            sync(*device, acknowledges);
        }
    }

    /// The last round's winner that was neither side's state, if there was one.
    [[nodiscard]] const std::optional<Record>& created() const noexcept { return created_; }
    /// In the last round each device put its own state over the other's.
    [[nodiscard]] bool do_both_insist() const noexcept {
        return first_.has_pushed && second_.has_pushed;
    }
    /// The answer that ended the exchange: a missing one, or one that leaves it to the user.
    [[nodiscard]] const std::optional<Answer>& end() const noexcept { return end_; }

    /// Devices and remote hold the same, and nothing is left to push.
    [[nodiscard]] bool is_settled() const {
        return first_.entry->is_clean() && second_.entry->is_clean() &&
               same_content(*first_.entry->local, *remote_) &&
               same_content(*second_.entry->local, *remote_);
    }

private:
    struct Device {
        std::string name{};
        Outcome<Data> entry{};
        Sequence edits = 0;
        bool has_pushed = false;  // in this round
    };

    void edit(Device& device, Record record) {
        Entry<Data> entry;
        if (remote_) entry = rules::taken<Data>(nullptr, *remote_, moment_.now);
        // The remote may keep no times, but the device that made the edit does.
        if (record.updated_at == Timestamp{}) record.updated_at = moment_.now;
        record.revision = remote_ ? remote_->revision : "";
        if (!record.is_deleted()) record.status = rules::status_of_edit(entry);
        entry.local = rules::shared(std::move(record));
        entry.sequence = ++device.edits;
        device.entry = std::move(entry);
    }

    void sync(Device& device, bool acknowledges) {
        moment_.now += std::chrono::minutes{1};
        hear(device, RemoteState<Data>{rules::remote_state(*remote_), Source::pull});
        push(device, acknowledges);
    }

    void push(Device& device, bool acknowledges) {
        if (end_ || !device.entry->is_dirty()) return;
        hear(device, AboutToPush{});
        if (device.entry->sent().empty()) return;
        const Sent<Data> sent = device.entry->sent().back();
        if (remote_ && remote_->revision != sent.record->revision) {
            // It took what it pulled for a stale read; what it decides now it pushes next time.
            return hear(device, RemoteState<Data>{rules::remote_state(*remote_), Source::verdict});
        }
        remote_ = revised(*sent.record);
        device.has_pushed = true;
        if (!acknowledges) return;
        hear(device,
             PushAccepted<Data>{std::make_shared<const Sent<Data>>(sent), remote_->revision});
    }

    /// Does for one record what the engine's Settlement does for a page.
    template <class What>
    void hear(Device& device, What what) {
        if (end_) return;
        const RulingContext context{.moment = moment_, .store_id = device.name};
        auto ruling =
            rule_on(&*device.entry, News<Data>{id_of(device.entry->local), what}, context);
        if constexpr (std::is_same_v<What, RemoteState<Data>>) {
            if (ruling.kind == Ruling<Data>::Kind::resolve) {
                const auto winner = decide(device, *ruling.remote);
                ruling = rule_on_winner(*device.entry, std::move(ruling.remote), winner,
                                        what.source, context);
            }
        }
        if (ruling.kind != Ruling<Data>::Kind::write) return;
        device.entry = std::move(ruling.outcome);
        if (device.entry->sequence == next_sequence) {
            device.entry.draft().sequence = ++device.edits;
        }
    }

    RecordPtr<Data> decide(Device& device, const Record& remote) {
        const Entry<Data>& entry = *device.entry;
        std::vector<const Record*> sent;
        for (const auto& state : entry.sent()) sent.push_back(state.record.get());
        auto answer = answer_of(resolver_, entry.base.get(), *entry.local, remote, sent);
        if (!answer.winner || answer.is_left_to_user()) {
            end_ = answer;
        } else if (!same_content(*answer.winner, remote) &&
                   !same_content(*answer.winner, *entry.local)) {
            created_ = answer.winner;
        }
        if (!answer.winner) return nullptr;
        return rules::shared(std::move(*answer.winner));
    }

    /// The state as the remote holds it, under a revision of its own.
    Record revised(Record record) {
        if (!record.is_deleted()) record.status = SyncStatus::synced;
        if (!has_times_) record.updated_at = Timestamp{};
        record.revision = "r" + std::to_string(++revisions_);
        return record;
    }

    const ConflictResolver<Data>& resolver_;
    bool has_times_;
    Moment moment_{.drift_cap = std::chrono::minutes{5}};  // as a store has it by default
    std::size_t revisions_ = 0;
    std::optional<Record> remote_{};
    Device first_{.name = "first"};
    Device second_{.name = "second"};
    std::optional<Record> created_{};
    std::optional<Answer> end_{};
};

}  // namespace sync_engine::detail
