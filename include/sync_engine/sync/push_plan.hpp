// SPDX-License-Identifier: MIT
#pragma once

#include <sync_engine/store/entry.hpp>
#include <sync_engine/store/sequence.hpp>

#include <algorithm>
#include <cstddef>
#include <map>
#include <tuple>
#include <utility>
#include <vector>

namespace sync_engine {

/// A dirty record that waits for its turn to be pushed.
struct PushCandidate {
    IdPtr id{};
    Sequence sequence = 0;
    bool suspect = false;       ///< it failed alone while others passed
    unsigned failed_alone = 0;  ///< how often it was alone in a call that failed
    bool has_failed = false;    ///< any earlier failure
    unsigned declined = 0;      ///< sends of this edit that were refused with their whole batch
};

/// Who is pushed with whom, and what to do when a whole batch fails (law 9): halve it until the
/// poison stands alone and the rest has passed, then grow again. A value without a clock.
///
/// Never-failed changes go first; suspects go last, each alone. When too many calls in a row have
/// failed, it is the remote and not a record: the plan gives up, long before it has tried each
/// record of a large outbox by itself.
class PushPlan {
public:
    PushPlan() = default;
    explicit PushPlan(std::size_t limit) : limit_(std::max<std::size_t>(limit, 1)), size_(limit_) {}

    /// Sets what is to be pushed, in its order of edits.
    void fill(std::vector<PushCandidate> candidates) {
        const auto has_turn_before = [](const PushCandidate& a, const PushCandidate& b) {
            return rank_of(a) < rank_of(b);
        };
        // Nearly always nothing has failed, and sorting would be the dearest thing here.
        if (!std::is_sorted(candidates.begin(), candidates.end(), has_turn_before)) {
            std::multimap<Rank, PushCandidate> ranked;  // equals stay in their order
            for (auto& each : candidates) ranked.emplace(rank_of(each), std::move(each));
            candidates.clear();
            for (auto& [rank, each] : ranked) candidates.push_back(std::move(each));
        }
        queue_ = std::move(candidates);
        next_ = 0;
    }

    /// Adds a record to this cycle: the winner of a conflict that a push revealed.
    void push_again(PushCandidate candidate) {
        queue_.insert(first_suspect(), std::move(candidate));
    }

    /// The next batch; empty when nothing is left or the plan has given up for good.
    [[nodiscard]] std::vector<PushCandidate> next() {
        if (has_given_up()) return last_try();
        std::vector<PushCandidate> batch;
        batch.reserve(std::min(size_, remaining()));
        while (next_ < queue_.size() && batch.size() < size_) {
            if (queue_[next_].suspect && !batch.empty()) break;
            batch.push_back(std::move(queue_[next_++]));
            if (batch.back().suspect) break;
        }
        return batch;
    }

    /// A reply came for a batch, whatever it said: the next one may be larger.
    void replied() {
        failures_in_a_row_ = 0;
        size_ = size_ > limit_ / 2 ? limit_ : size_ * 2;
    }

    /// A batch of several, as `next` gave it, failed whole: its records wait for their turn in
    /// halves of it.
    void halve(std::vector<PushCandidate> batch) {
        size_ = std::max<std::size_t>(batch.size() / 2, 1);
        for (; !batch.empty(); batch.pop_back()) queue_[--next_] = std::move(batch.back());
    }

    /// A call failed whole, and the failure may be the remote's.
    void count_failure(std::size_t batch_size) {
        if (failures_in_a_row_ == 0) {
            patience_ = 2;
            for (std::size_t size = batch_size; size > 1; size = (size + 1) / 2) ++patience_;
        }
        ++failures_in_a_row_;
    }

    /// True after log2(batch) + 2 whole failures in a row: halving has had its chance.
    [[nodiscard]] bool has_given_up() const noexcept {
        return failures_in_a_row_ > 0 && failures_in_a_row_ >= patience_;
    }

    [[nodiscard]] std::size_t remaining() const noexcept { return queue_.size() - next_; }

private:
    /// Whether it is a suspect, how often it failed alone, whether it has failed: less goes first.
    using Rank = std::tuple<bool, unsigned, bool>;
    [[nodiscard]] static Rank rank_of(const PushCandidate& each) noexcept {
        return {each.suspect, each.failed_alone, each.has_failed};
    }

    [[nodiscard]] std::vector<PushCandidate>::iterator first_suspect() {
        return std::find_if(queue_.begin() + static_cast<std::ptrdiff_t>(next_), queue_.end(),
                            [](const PushCandidate& each) { return each.suspect; });
    }

    /// One suspect more, when the plan has given up: behind records that fail whenever the remote
    /// is asked, it would never get its turn. If it passes, it was not the remote.
    [[nodiscard]] std::vector<PushCandidate> last_try() {
        const auto suspect = first_suspect();
        if (has_tried_last_ || suspect == queue_.end()) return {};
        has_tried_last_ = true;
        std::vector<PushCandidate> batch;
        batch.push_back(std::move(*suspect));
        queue_.erase(suspect);
        return batch;
    }

    std::size_t limit_ = 1;
    std::size_t size_ = 1;
    std::size_t failures_in_a_row_ = 0;
    std::size_t patience_ = 0;
    bool has_tried_last_ = false;
    std::vector<PushCandidate> queue_;
    std::size_t next_ = 0;  // in the queue: those before it have had their turn
};

}  // namespace sync_engine
