// SPDX-License-Identifier: MIT
#include <sync_engine/sync/settlement.hpp>

#include "support/catch.hpp"

#include <nlohmann/json.hpp>

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace test_of_settlement {

using namespace std::chrono_literals;
using sync_engine::AboutToPush;
using sync_engine::AbsentRemotely;
using sync_engine::Source;
using sync_engine::StepResult;
using sync_engine::SyncStatus;
using sync_engine::Timestamp;
using Json = nlohmann::json;
using Record = sync_engine::SyncRecord<Json>;
using Entry = sync_engine::Entry<Json>;
using News = sync_engine::News<Json>;
using Step = sync_engine::Step<Json>;
using Asked = std::optional<sync_engine::Action<Json>>;
namespace rules = sync_engine::rules;

namespace {

const Timestamp noon{std::chrono::sys_days{std::chrono::year{2026} / 5 / 4} + 12h};
const sync_engine::RulingContext context{.moment = {.now = noon + 1h, .drift_cap = 5min},
                                         .store_id = "store"};

Record state(const std::string& id, const std::string& text, std::uint64_t version) {
    return {.id = id,
            .data = text,
            .status = SyncStatus::synced,
            .updated_at = noon + std::chrono::minutes{version},
            .version = version,
            .revision = "r" + std::to_string(version)};
}
Entry clean(const std::string& id) {
    Entry entry = rules::taken<Json>(nullptr, state(id, "base", 1), noon);
    entry.sequence = 1;
    return entry;
}
Entry edited(const std::string& id, const std::string& text = "edit") {
    Entry entry = clean(id);
    entry.local = rules::shared(state(id, text, 2).with_status(SyncStatus::modified));
    entry.sequence = 7;
    return entry;
}
News of(const std::string& id, decltype(News::what) what) {
    return {std::make_shared<const std::string>(id), std::move(what)};
}
News pulled(const std::string& id, const std::string& text, std::uint64_t version = 3) {
    return of(id, sync_engine::RemoteState<Json>{rules::remote_state(state(id, text, version)),
                                                 Source::pull});
}

std::vector<std::string> ids_read(const Asked& action) {
    const auto& ids = std::get<sync_engine::ReadEntries>(action.value()).ids;
    return {ids.begin(), ids.end()};
}
const sync_engine::ResolveConflict<Json>& question(const Asked& action) {
    return std::get<sync_engine::ResolveConflict<Json>>(action.value());
}
const Step& step(const Asked& action) {
    return std::get<sync_engine::CommitStep<Json>>(action.value()).step;
}
sync_engine::Resolved<Json> winner(const std::string& id, const std::string& text) {
    return {rules::shared(state(id, text, 2)), {}};
}
StepResult moved(std::vector<std::string> ids) {
    return {.superseded = false, .moved = std::move(ids)};
}

/// A settlement, and what it asks for: the last answer is always at hand.
class Course {
public:
    using Settled = sync_engine::Settlement<Json>::Settled;

    explicit Course(std::vector<News> news, Step frame = {})
        : settlement_(std::move(news), std::move(frame)), asked_(settlement_.begin()) {}

    [[nodiscard]] const Asked& asked() const { return asked_; }
    const Asked& entries(std::vector<sync_engine::Outcome<Json>> read) {
        sync_engine::EntriesRead<Json> entries;
        for (const auto& each : read) entries.entries.push_back(each.entry());
        return asked_ = settlement_.on_entries(std::move(entries), context);
    }
    const Asked& resolved(sync_engine::Resolved<Json> word) {
        return asked_ = settlement_.on_resolved(std::move(word), context);
    }
    const Asked& committed(StepResult result = {}) {
        return asked_ = settlement_.on_committed(std::move(result));
    }
    [[nodiscard]] const std::vector<Settled>& settled() { return settlement_.settled(); }
    [[nodiscard]] bool is_superseded() const { return settlement_.is_superseded(); }

private:
    sync_engine::Settlement<Json> settlement_;
    Asked asked_;
};

std::vector<std::string> ids_of(const std::vector<Course::Settled>& settled) {
    std::vector<std::string> ids;
    for (const auto& each : settled) ids.push_back(*each.id);
    return ids;
}

using Ids = std::vector<std::string>;

}  // namespace

TEST_CASE("without news and with an empty frame, nothing is asked and nothing is committed",
          "[sync]") {
    Course course{{}};

    CHECK_FALSE(course.asked());
    CHECK(course.settled().empty());
    CHECK_FALSE(course.is_superseded());
}

TEST_CASE("a frame is committed even without news", "[sync]") {
    const auto is_committed = [](Step frame) {
        Course course{{}, std::move(frame)};
        const auto action = course.asked();
        return action && std::holds_alternative<sync_engine::CommitStep<Json>>(*action);
    };

    CHECK(is_committed({.cursor = sync_engine::CursorMove{nullptr, 1}}));
    CHECK(is_committed({.remote_name = "office"}));
    CHECK(is_committed({.health = sync_engine::RemoteHealth{}}));
    CHECK(is_committed({.metadata = sync_engine::SyncMetadata{}}));
}

TEST_CASE("news is read, ruled on and committed in one step with its frame", "[sync]") {
    Course course{{pulled("a", "new"), pulled("b", "newer")},
                  {.epoch = 4, .cursor = sync_engine::CursorMove{1, 2}}};

    CHECK(ids_read(course.asked()) == Ids{"a", "b"});
    const sync_engine::Outcome<Json> known = clean("b");
    const auto commit = course.entries({std::nullopt, known});

    REQUIRE(step(commit).decisions.size() == 2);
    CHECK(step(commit).decisions[0].id() == "a");
    CHECK(step(commit).decisions[0].expected == nullptr);
    CHECK(step(commit).decisions[0].written.outcome->local->data == "new");
    CHECK(step(commit).decisions[1].expected == known.entry());
    CHECK(step(commit).decisions[1].written.outcome->local->data == "newer");
    CHECK(step(commit).epoch == 4);
    CHECK(step(commit).cursor->to == 2);

    CHECK_FALSE(course.committed());
    CHECK(ids_of(course.settled()) == Ids{"a", "b"});
    CHECK(course.settled()[0].effect.pulled);
}

TEST_CASE("news that tells nothing is settled without a commit", "[sync]") {
    Course course{{pulled("a", "base", 1)}};

    CHECK_FALSE(course.entries({clean("a")}));
    CHECK(ids_of(course.settled()) == Ids{"a"});
}

TEST_CASE("conflicts are asked about one after the other, with all that is known", "[sync]") {
    Course course{{pulled("a", "theirs"), pulled("b", "new"), pulled("c", "theirs")}};

    Entry sent_before = rules::staged(edited("a"), "operation-7");
    const auto first = course.entries({sent_before, std::nullopt, edited("c")});
    CHECK(question(first).base->data == "base");
    CHECK(question(first).local->data == "edit");
    CHECK(question(first).remote->data == "theirs");
    REQUIRE(question(first).sent.size() == 1);
    CHECK(question(first).sent[0]->data == "edit");

    const auto second = course.resolved(winner("a", "edit"));
    CHECK(question(second).local->id == "c");
    CHECK(question(second).sent.empty());

    const auto commit = course.resolved(winner("c", "theirs"));
    CHECK(step(commit).decisions.size() == 3);
    CHECK_FALSE(course.committed());
    CHECK(course.settled().size() == 3);
}

TEST_CASE("a winner that is ours stays dirty on top of theirs, and one that is theirs does not",
          "[sync]") {
    Course course{{pulled("a", "theirs"), pulled("c", "theirs")}};
    course.entries({edited("a"), edited("c")});
    course.resolved(winner("a", "edit"));
    const auto commit = course.resolved(winner("c", "theirs"));

    const auto& ours = step(commit).decisions[0].written.outcome;
    CHECK(ours->is_dirty());
    CHECK(ours->base->data == "theirs");
    CHECK(ours->local->version == 4);
    CHECK(step(commit).decisions[1].written.outcome->is_clean());
    course.committed();
    CHECK(course.settled()[0].effect.conflict);
    CHECK_FALSE(course.settled()[0].effect.pulled);
    CHECK(course.settled()[1].effect.pulled);
}

TEST_CASE("a resolver that fails parks the remote's state and names the record", "[sync]") {
    Course course{{pulled("a", "theirs")}};
    course.entries({edited("a")});

    const auto commit = course.resolved({nullptr, "it threw"});

    const auto& parked = step(commit).decisions[0].written.outcome;
    CHECK(parked->is_parked());
    CHECK(parked->theirs()->data == "theirs");
    CHECK(parked->local->data == "edit");
    course.committed();
    CHECK(course.settled()[0].effect.error == std::string{"it threw"});
}

TEST_CASE("a winner left to the user makes a conflict", "[sync]") {
    Course course{{pulled("a", "theirs")}};
    course.entries({edited("a")});

    const auto commit = course.resolved(
        {rules::shared(state("a", "edit", 2).with_status(SyncStatus::conflicted)), {}});

    CHECK(step(commit).decisions[0].written.outcome->conflicted);
    CHECK(step(commit).decisions[0].written.outcome->local->status == SyncStatus::conflicted);
}

TEST_CASE("records that moved are read and ruled on again, and nobody else", "[sync]") {
    Course course{{pulled("a", "new"), pulled("b", "new"), pulled("c", "new")},
                  {.cursor = sync_engine::CursorMove{1, 2}}};
    course.entries({clean("a"), clean("b"), clean("c")});

    const auto again = course.committed(moved({"b"}));

    CHECK(ids_of(course.settled()) == Ids{"a", "c"});
    CHECK(ids_read(again) == Ids{"b"});
    // It was edited meanwhile, so now it is a conflict; the cursor travels with it again.
    const sync_engine::Outcome<Json> known = edited("b");
    const auto asked = course.entries({known});
    CHECK(question(asked).local->data == "edit");
    const auto commit = course.resolved(winner("b", "new"));
    CHECK(step(commit).decisions.size() == 1);
    CHECK(step(commit).decisions[0].expected == known.entry());
    CHECK(step(commit).cursor->to == 2);
    CHECK_FALSE(course.committed());
    CHECK(ids_of(course.settled()) == Ids{"a", "c", "b"});
}

TEST_CASE("a record that keeps moving is parked, and the cursor goes on", "[sync]") {
    Course course{{pulled("a", "theirs")}, {.cursor = sync_engine::CursorMove{1, 2}}};
    auto action = course.asked();
    int rounds = 0;
    for (; rounds < 100; ++rounds) {
        CHECK(ids_read(action) == Ids{"a"});
        action = course.entries({clean("a")});
        if (step(action).decisions[0].park) break;
        action = course.committed(moved({"a"}));
    }

    CHECK(rounds == 8);
    CHECK(step(action).decisions[0].park->data == "theirs");
    CHECK(step(action).cursor->to == 2);
    CHECK_FALSE(course.committed());
    REQUIRE(course.settled().size() == 1);
    REQUIRE(course.settled()[0].effect.error);
    CHECK_THAT(*course.settled()[0].effect.error, sync_engine::test::contains("kept changing"));
}

TEST_CASE("other news of a record that keeps moving is told, and left for the next sync",
          "[sync]") {
    const auto is_told = [](auto what, const Entry& entry, const std::string& also) {
        Course course{{of("a", std::move(what))}};
        auto action = course.asked();
        for (int rounds = 0; rounds < 100 && action; ++rounds) {
            action = course.entries({entry});
            if (action) action = course.committed(moved({"a"}));
        }
        if (action || course.settled().size() != 1 || course.settled()[0].entry) return false;
        const auto& error = course.settled()[0].effect.error;
        return error && error->find("kept changing") != std::string::npos &&
               error->find(also) != std::string::npos;
    };

    CHECK(is_told(AboutToPush{}, edited("a"), ""));
    CHECK(is_told(AbsentRemotely{}, clean("a"), ""));
    const sync_engine::PushFailed refused{
        .operation_id = "o", .sequence = 7, .message = "the title is too long"};
    CHECK(is_told(refused, edited("a"), "the title is too long"));
}

TEST_CASE("a step that another epoch superseded settles nothing", "[sync]") {
    Course course{{pulled("a", "new")}};
    course.entries({std::nullopt});

    CHECK_FALSE(course.committed({.superseded = true, .moved = {}}));
    CHECK(course.is_superseded());
    CHECK(course.settled().empty());
}

// Rulings that are short enough to be told here.

TEST_CASE("what is about to be pushed is staged under the name of its edit", "[sync]") {
    Course course{{of("a", AboutToPush{})}};
    const auto commit = course.entries({edited("a")});

    const auto& staged = step(commit).decisions[0].written.outcome->sent();
    REQUIRE(staged.size() == 1);
    CHECK(staged[0].operation_id == "store-7");
    CHECK(staged[0].attempts == 1);
    CHECK(staged[0].record->data == "edit");
}

TEST_CASE("nothing is staged of what is clean, parked, refused, gone or edited since the filter",
          "[sync]") {
    const auto is_staged = [](sync_engine::Outcome<Json> entry, AboutToPush push = {}) {
        Course course{{of("a", push)}};
        return course.entries({std::move(entry)}).has_value();
    };
    Entry refused = edited("a");
    refused.edit_extras().retry = sync_engine::RetryState{.sequence = 7, .dead = true};

    CHECK(is_staged(edited("a")));
    CHECK(is_staged(edited("a"), AboutToPush{.chosen = 7}));
    CHECK_FALSE(is_staged(edited("a"), AboutToPush{.chosen = 6}));
    CHECK_FALSE(is_staged(clean("a")));
    CHECK_FALSE(is_staged(rules::waiting(edited("a"), state("a", "theirs", 3), false)));
    CHECK_FALSE(is_staged(rules::waiting(edited("a"), state("a", "theirs", 3), true)));
    CHECK_FALSE(is_staged(refused));
    CHECK_FALSE(is_staged(std::nullopt));
}

TEST_CASE("the first absence after our own write marks, the second deletes", "[sync]") {
    const auto absent = [](Entry entry) {
        Course course{{of("a", AbsentRemotely{})}};
        const auto commit = course.entries({std::move(entry)});
        return *step(commit).decisions[0].written.outcome;
    };
    Entry acknowledged = clean("a");
    acknowledged.pulled_since_ack = false;

    const Entry marked = absent(acknowledged);
    CHECK(marked.is_visible());
    CHECK(marked.absent_once);
    CHECK(absent(marked).is_husk());
    CHECK(absent(clean("a")).is_husk());
}

TEST_CASE("absence says nothing of what is dirty", "[sync]") {
    Course course{{of("a", AbsentRemotely{})}};

    CHECK_FALSE(course.entries({edited("a")}));
}

}  // namespace test_of_settlement
