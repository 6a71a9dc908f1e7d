// SPDX-License-Identifier: MIT
#include <sync_engine/store/edit_rules.hpp>
#include <sync_engine/sync/judge.hpp>

#include "support/catch.hpp"

#include <nlohmann/json.hpp>

#include <chrono>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace test_of_judge {

using namespace std::chrono_literals;
using sync_engine::Judged;
using sync_engine::Judgement;
using sync_engine::Moment;
using sync_engine::Source;
using sync_engine::SyncStatus;
using sync_engine::Timestamp;
using Json = nlohmann::json;
using Record = sync_engine::SyncRecord<Json>;
using Entry = sync_engine::Entry<Json>;
namespace rules = sync_engine::rules;

namespace {

const Timestamp noon{std::chrono::sys_days{std::chrono::year{2026} / 5 / 4} + 12h};
const Moment moment{.now = noon + 1h, .drift_cap = 5min};

/// A state with the stamps (version, noon + version minutes).
Record state(const std::string& text, std::uint64_t version, std::string revision = {}) {
    return {.id = "a",
            .data = text,
            .status = SyncStatus::synced,
            .updated_at = noon + std::chrono::minutes{version},
            .version = version,
            .revision = std::move(revision)};
}
Record deletion(std::uint64_t version, std::string revision = {}) {
    return state("", version, std::move(revision)).with_status(SyncStatus::deleted);
}
/// As a remote serves it that keeps neither times nor versions.
Record unstamped(const std::string& text, std::string revision = {}) {
    auto record = state(text, 1, std::move(revision));
    record.updated_at = Timestamp{};
    return record;
}

Entry clean(Record base) {
    return rules::taken<Json>(nullptr, std::move(base), noon);
}

/// `base` is on the remote, `text` is what the app made of it.
Entry edited(Record base, const std::string& text) {
    const auto version = base.version + 1;
    Entry entry = clean(std::move(base));
    entry.local =
        rules::shared(state(text, version, entry.base->revision).with_status(SyncStatus::modified));
    entry.sequence = 7;
    return entry;
}
/// The edit was sent, and nobody answered.
Entry staged(Record base, const std::string& text) {
    return rules::staged(edited(std::move(base), text), "operation-7");
}
/// And then edited again.
Entry staged_and_edited(Record base, const std::string& sent, const std::string& text) {
    Entry entry = staged(std::move(base), sent);
    auto local = *entry.local;
    local.data = text;
    local.version += 1;
    local.updated_at += 1min;
    entry.local = rules::shared(std::move(local));
    entry.sequence = 8;
    return entry;
}

Judged<Json> judged(const Entry& entry, const Record& remote, Source source = Source::pull) {
    return sync_engine::judge(&entry, rules::remote_state(remote), source, moment);
}

}  // namespace

// A record nobody knew.

TEST_CASE("a state of an unknown record is taken as it is", "[sync]") {
    const auto result = sync_engine::judge<Json>(
        nullptr, rules::remote_state(state("new", 3, "r3")), Source::pull, moment);

    CHECK(result.judgement == Judgement::adopted);
    REQUIRE(result.entry);
    CHECK(result.entry->is_clean());
    CHECK(*result.entry->local == state("new", 3, "r3"));
    CHECK(result.entry->pulled_since_ack);
}

TEST_CASE("the deletion of an unknown record leaves a husk without content", "[sync]") {
    auto remote = deletion(3, "r3");
    remote.data = "its last content";
    const auto result =
        sync_engine::judge<Json>(nullptr, rules::remote_state(remote), Source::pull, moment);

    REQUIRE(result.entry);
    CHECK(result.entry->is_husk());
    CHECK(result.entry->local->data.is_null());
    CHECK(result.entry->local->version == 3);
    CHECK(result.entry->local->revision == "r3");
    CHECK(result.entry->settled_at() == moment.now);
}

// First question: is it stale?

TEST_CASE("a pulled state older than base in both stamps tells nothing", "[sync]") {
    const Entry entry = clean(state("base", 5, "r5"));

    CHECK(judged(entry, state("old", 4, "r4")).judgement == Judgement::nothing);
}

TEST_CASE("a state older than base in one stamp alone is news", "[sync]") {
    const Entry entry = clean(state("base", 5, "r5"));
    auto lower_version = state("other", 4, "r6");
    lower_version.updated_at = noon + 1h;
    auto earlier = state("other", 6, "r6");
    earlier.updated_at = noon;
    auto same_time = state("other", 4, "r6");
    same_time.updated_at = noon + 5min;

    CHECK(judged(entry, lower_version).judgement == Judgement::adopted);
    CHECK(judged(entry, earlier).judgement == Judgement::adopted);
    CHECK(judged(entry, same_time).judgement == Judgement::adopted);
}

TEST_CASE("neither a verdict nor a rescan is ever stale", "[sync]") {
    const auto old = state("old", 4, "r4");

    CHECK(judged(edited(state("base", 5, "r5"), "edit"), old, Source::verdict).judgement ==
          Judgement::conflict);
    CHECK(judged(edited(state("base", 5, "r5"), "edit"), old, Source::rescan).judgement ==
          Judgement::conflict);
    CHECK(judged(clean(state("base", 5, "r5")), old, Source::rescan).judgement ==
          Judgement::adopted);
}

TEST_CASE("staleness comes before everything else", "[sync]") {
    // The same revision, and even the very content that was sent: but served by a replica that
    // lags.
    const Entry entry = staged(state("base", 5, "r5"), "sent");

    CHECK(judged(entry, state("normalised", 4, "r5")).judgement == Judgement::nothing);
    CHECK(judged(entry, state("sent", 4, "r4")).judgement == Judgement::nothing);
}

TEST_CASE("without times, a revision that base has left behind is stale", "[sync]") {
    Entry entry = clean(unstamped("one", "r1"));
    entry = *judged(entry, unstamped("two", "r2")).entry;
    entry = *judged(entry, unstamped("three", "r3")).entry;

    CHECK(judged(entry, unstamped("one", "r1")).judgement == Judgement::nothing);
    CHECK(judged(entry, unstamped("two", "r2")).judgement == Judgement::nothing);
    CHECK(judged(entry, unstamped("one", "r4")).judgement == Judgement::adopted);
    CHECK(judged(entry, unstamped("one", "r1"), Source::rescan).judgement == Judgement::adopted);
    CHECK(judged(entry, unstamped("one", "")).judgement == Judgement::adopted);
}

TEST_CASE("only the last few revisions left behind are remembered", "[sync]") {
    Entry entry = clean(unstamped("0", "r0"));
    for (int n = 1; n <= 5; ++n) {
        const auto text = std::to_string(n);
        entry = *judged(entry, unstamped(text, "r" + text)).entry;
    }

    CHECK(entry.superseded() == std::vector<std::string>{"r1", "r2", "r3", "r4"});
    CHECK(judged(entry, unstamped("1", "r1")).judgement == Judgement::nothing);
    CHECK(judged(entry, unstamped("0", "r0")).judgement == Judgement::adopted);
}

TEST_CASE("with times, a revision left behind is judged by its stamps alone", "[sync]") {
    Entry entry = clean(state("one", 1, "r1"));
    entry = *judged(entry, state("two", 2, "r2")).entry;
    auto touched = state("three", 3, "r1");

    CHECK(judged(entry, touched).judgement == Judgement::adopted);
}

TEST_CASE("after a rescan, revisions that were left behind before are news again", "[sync]") {
    Entry entry = clean(unstamped("one", "r1"));
    entry = *judged(entry, unstamped("two", "r2")).entry;
    entry = *judged(entry, unstamped("one", "r1"), Source::rescan).entry;

    CHECK(entry.local->data == "one");
    CHECK(judged(entry, unstamped("two", "r2")).judgement == Judgement::adopted);
}

// Second question: is it what we have, normalised?

TEST_CASE("the revision of base with other content is the server's own wording", "[sync]") {
    const auto result = judged(clean(state("base", 5, "r5")), state("BASE", 5, "r5"));

    CHECK(result.judgement == Judgement::adopted);
    REQUIRE(result.entry);
    CHECK(result.entry->is_clean());
    CHECK(result.entry->local->data == "BASE");
}

TEST_CASE("a server's own wording of base leaves the edit on top of it", "[sync]") {
    const auto result = judged(staged(state("base", 5, "r5"), "edit"), state("BASE", 5, "r5"));

    CHECK(result.judgement == Judgement::adopted);
    REQUIRE(result.entry);
    CHECK(result.entry->base->data == "BASE");
    CHECK(result.entry->local->data == "edit");
    CHECK(result.entry->sequence == 7);
    CHECK(result.entry->sent().size() == 1);
}

TEST_CASE("base as it is leaves the edit as it is, also where no clock could lift it above base",
          "[sync]") {
    auto far_ahead = state("base", 5, "r5");
    far_ahead.updated_at = moment.now + 10h;
    const Entry entry = [&] {
        Entry sent = staged(far_ahead, "edit");
        sent.pulled_since_ack = false;
        return sent;
    }();

    const auto result = judged(entry, far_ahead);

    // What was sent may still arrive: under another name it would be pushed twice.
    REQUIRE(result.judgement == Judgement::adopted);
    CHECK(result.entry->sequence == entry.sequence);
    CHECK(result.entry->local == entry.local);
    CHECK(result.entry->pulled_since_ack);
}

TEST_CASE("base under higher stamps lifts the edit on top of it, as another edit", "[sync]") {
    const Entry entry = edited(state("base", 5, "r5"), "edit");
    const auto restamped = state("server's wording", 50, "r5");

    const auto result = judged(entry, restamped);

    REQUIRE(result.judgement == Judgement::adopted);
    CHECK(result.entry->local->data == "edit");
    CHECK(result.entry->local->version > restamped.version);
    CHECK(result.entry->local->updated_at > restamped.updated_at);
    CHECK(result.entry->sequence == sync_engine::next_sequence);
}

TEST_CASE("the revision of base comes before the echo", "[sync]") {
    // What is sent and not answered happens to be what the server made of base.
    const auto result = judged(staged(state("base", 5, "r5"), "edit"), state("edit", 5, "r5"));

    CHECK(result.judgement == Judgement::adopted);
    CHECK(result.entry->is_dirty());
}

TEST_CASE("no revision is no proof of anything", "[sync]") {
    CHECK(judged(edited(state("base", 5), "edit"), state("other", 6)).judgement ==
          Judgement::conflict);
    CHECK(judged(staged(state("base", 5), "edit"), state("edit", 6)).judgement ==
          Judgement::acknowledged);
}

// Third question: is it our echo?

TEST_CASE("what was sent and comes back is its ack", "[sync]") {
    for (const auto source : {Source::pull, Source::rescan, Source::verdict}) {
        const auto result =
            judged(staged(state("base", 5, "r5"), "edit"), state("edit", 6, "r6"), source);

        CHECK(result.judgement == Judgement::acknowledged);
        REQUIRE(result.entry);
        CHECK(result.entry->is_clean());
        CHECK(result.entry->sent().empty());
        CHECK(result.entry->base->revision == "r6");
    }
}

TEST_CASE("an echo acknowledges what was sent, and not what was edited since", "[sync]") {
    const auto result =
        judged(staged_and_edited(state("base", 5, "r5"), "sent", "later"), state("sent", 6, "r6"));

    CHECK(result.judgement == Judgement::acknowledged);
    REQUIRE(result.entry);
    CHECK(result.entry->is_dirty());
    CHECK(result.entry->base->data == "sent");
    CHECK(result.entry->local->data == "later");
    CHECK(result.entry->local->revision == "r6");
    CHECK(result.entry->sent().empty());
}

TEST_CASE("the echo of an earlier edit leaves later ones on their way", "[sync]") {
    Entry entry = staged_and_edited(state("base", 5, "r5"), "first", "second");
    entry = rules::staged(entry, "operation-8");

    const auto first = judged(entry, state("first", 6, "r6"));
    CHECK(first.judgement == Judgement::acknowledged);
    REQUIRE(first.entry->sent().size() == 1);
    CHECK(first.entry->sent().front().operation_id == "operation-8");
    CHECK(first.entry->is_dirty());

    const auto second = judged(entry, state("second", 7, "r7"));
    CHECK(second.judgement == Judgement::acknowledged);
    CHECK(second.entry->is_clean());
}

TEST_CASE("an echo among equal states is the newest of them", "[sync]") {
    Entry entry = staged_and_edited(state("base", 5, "r5"), "same", "same");
    entry = rules::staged(entry, "operation-8");

    CHECK(judged(entry, state("same", 7, "r7")).entry->is_clean());
}

TEST_CASE("a deletion that was sent is an echo too", "[sync]") {
    Entry entry = clean(state("base", 5, "r5"));
    entry.local = rules::shared(deletion(6, "r5"));
    entry.sequence = 7;
    entry = rules::staged(entry, "operation-7");

    const auto result = judged(entry, deletion(6, "r6"));

    CHECK(result.judgement == Judgement::acknowledged);
    CHECK(result.entry->is_husk());
}

TEST_CASE("a deletion by somebody who saw our later edit is no echo of our earlier deletion",
          "[sync]") {
    Entry entry = clean(state("base", 5, "r5"));
    entry.local = rules::shared(deletion(6, "r5"));
    entry.sequence = 7;
    entry = rules::staged(entry, "operation-7");
    entry.local = rules::shared(state("again", 7, "r5").with_status(SyncStatus::pending));
    entry.sequence = 8;
    entry = rules::staged(entry, "operation-8");

    CHECK(judged(entry, deletion(8, "r8")).judgement == Judgement::conflict);
    const auto echo = judged(entry, deletion(6, "r6"));
    CHECK(echo.judgement == Judgement::acknowledged);
    CHECK(echo.entry->local->data == "again");
    CHECK(echo.entry->base->is_deleted());
}

TEST_CASE("an edit over an echo stays above the stamps that the remote gave it", "[sync]") {
    auto echo = state("sent", 50, "r6");
    const auto result = judged(staged_and_edited(state("base", 5, "r5"), "sent", "later"), echo);

    REQUIRE(result.entry);
    CHECK(result.entry->local->version > 50);
    CHECK(result.entry->local->updated_at > echo.updated_at);
}

TEST_CASE("an edit over an echo ends strictly above it, in version and in time", "[sync]") {
    const Entry entry = staged_and_edited(state("base", 5, "r5"), "sent", "later");
    const auto edit = *entry.local;
    auto same_version = state("sent", edit.version, "r6");
    same_version.updated_at = edit.updated_at - 1s;
    auto same_time = state("sent", edit.version - 1, "r6");
    same_time.updated_at = edit.updated_at;

    for (const auto& echo : {same_version, same_time}) {
        const auto result = judged(entry, echo);

        REQUIRE(result.judgement == Judgement::acknowledged);
        CHECK(result.entry->local->data == "later");
        CHECK(result.entry->local->version > echo.version);
        CHECK(result.entry->local->updated_at > echo.updated_at);
        CHECK(result.entry->sequence == sync_engine::next_sequence);

        // Once it is acknowledged, a replica that still shows the echo is stale.
        auto acked = rules::staged(*result.entry, "operation-9");
        acked = rules::acknowledged(acked, acked.sent().back(), rules::remote_state(*acked.local),
                                    moment);
        CHECK(judged(acked, echo).judgement == Judgement::nothing);
    }
}

TEST_CASE("an edit that was sent, and written over by what we sent before, is sent anew",
          "[sync]") {
    Entry entry = staged_and_edited(state("base", 5, "r5"), "first", "second");
    entry = rules::staged(entry, "operation-8");

    // The remote has no times: nothing tells this from the echo of the first.
    const auto result = judged(entry, unstamped("first", "r9"));

    REQUIRE(result.judgement == Judgement::acknowledged);
    CHECK(result.entry->is_dirty());
    CHECK(result.entry->local->data == "second");
    CHECK(result.entry->base->revision == "r9");
    CHECK(result.entry->sequence == sync_engine::next_sequence);
}

TEST_CASE("an edit that only got another name since is acknowledged with what was sent", "[sync]") {
    Entry entry = staged_and_edited(state("base", 5, "r5"), "first", "second");
    entry = rules::staged(entry, "operation-8");
    const auto renamed = judged(entry, unstamped("first", "r9"));
    REQUIRE(renamed.entry->sequence == sync_engine::next_sequence);
    Entry again = *renamed.entry;
    again.sequence = 9;

    const auto result = judged(again, unstamped("second", "r10"));

    CHECK(result.judgement == Judgement::acknowledged);
    CHECK(result.entry->is_clean());
    CHECK(result.entry->base->revision == "r10");
}

TEST_CASE("an ack leaves what was to be pushed again as it is, although the content is the same",
          "[sync]") {
    Entry entry = rules::marked_modified(staged(state("base", 5, "r5"), "edit"), moment);
    entry.sequence = 8;

    const auto result = judged(entry, state("edit", 6, "r6"));

    REQUIRE(result.judgement == Judgement::acknowledged);
    CHECK(result.entry->is_dirty());
    CHECK(result.entry->base->revision == "r6");
    CHECK(result.entry->local->version > 6);
}

// Last: three versions.

TEST_CASE("the very state that is known changes nothing", "[sync]") {
    const auto base = state("base", 5, "r5");
    const auto without_revision = state("base", 5);

    CHECK(judged(clean(base), base).judgement == Judgement::nothing);
    CHECK(judged(clean(without_revision), without_revision).judgement == Judgement::nothing);
    CHECK(judged(edited(without_revision, "edit"), without_revision).judgement ==
          Judgement::nothing);
    CHECK(judged(clean(deletion(5, "r5")), deletion(5, "r5")).judgement == Judgement::nothing);
}

TEST_CASE("a clean record follows new stamps of the same content", "[sync]") {
    const auto result = judged(clean(state("base", 5, "r5")), state("base", 6, "r6"));

    CHECK(result.judgement == Judgement::adopted);
    CHECK(result.entry->is_clean());
    CHECK(*result.entry->local == state("base", 6, "r6"));
}

TEST_CASE("an edit goes on top of new stamps of its base, as a new edit", "[sync]") {
    const auto result = judged(staged(state("base", 5, "r5"), "edit"), state("base", 62, "r62"));

    CHECK(result.judgement == Judgement::adopted);
    REQUIRE(result.entry);
    CHECK(result.entry->is_dirty());
    CHECK(result.entry->local->data == "edit");
    CHECK(result.entry->local->revision == "r62");
    CHECK(result.entry->local->version > 62);
    CHECK(result.entry->local->updated_at > noon + 62min);
    CHECK(result.entry->sequence == sync_engine::next_sequence);
    CHECK(result.entry->sent().empty());
}

TEST_CASE("both sides made the same change: nothing is left to push", "[sync]") {
    const auto result = judged(edited(state("base", 5, "r5"), "same"), state("same", 8, "r8"));

    CHECK(result.judgement == Judgement::adopted);
    CHECK(result.entry->is_clean());
    CHECK(result.entry->local->version == 8);
}

TEST_CASE("both sides deleted it: nothing is left to push", "[sync]") {
    Entry entry = clean(state("base", 5, "r5"));
    entry.local = rules::shared(deletion(6, "r5"));

    CHECK(judged(entry, deletion(9, "r9")).entry->is_husk());
}

TEST_CASE("without a base, equal content is agreement and other content a conflict", "[sync]") {
    Entry entry;
    entry.local = rules::shared(state("mine", 1).with_status(SyncStatus::pending));
    entry.sequence = 7;

    CHECK(judged(entry, state("mine", 4, "r4")).entry->is_clean());
    CHECK(judged(entry, state("theirs", 4, "r4")).judgement == Judgement::conflict);
}

TEST_CASE("only the remote changed: its state is taken", "[sync]") {
    const auto result = judged(clean(state("base", 5, "r5")), deletion(6, "r6"));

    CHECK(result.judgement == Judgement::adopted);
    CHECK(result.entry->is_husk());
}

TEST_CASE("an edit that was taken back is in conflict as long as it may have arrived", "[sync]") {
    // What was sent in between may be underneath what the remote shows: only a resolver can tell.
    const Entry entry = staged_and_edited(state("base", 5, "r5"), "sent", "base");

    CHECK(judged(entry, state("sent and more", 8, "r8")).judgement == Judgement::conflict);
    CHECK(judged(edited(state("base", 5, "r5"), "base"), state("more", 8, "r8")).judgement ==
          Judgement::adopted);
}

TEST_CASE("a deletion once more is a conflict while what lived in between may have been ours",
          "[sync]") {
    const auto again = deletion(8, "r8");

    CHECK(judged(staged(deletion(5, "r5"), "again"), again).judgement == Judgement::conflict);
    CHECK(judged(staged(deletion(5, "r5"), "again"), again, Source::verdict).judgement ==
          Judgement::conflict);
    CHECK(judged(staged(deletion(5), "again"), deletion(8)).judgement == Judgement::conflict);
    CHECK(judged(staged(deletion(5), "again"), deletion(5)).judgement == Judgement::nothing);
}

TEST_CASE("a deletion once more leaves a re-creation that was never sent on top of it", "[sync]") {
    const auto result = judged(edited(deletion(5, "r5"), "again"), deletion(8, "r8"));

    CHECK(result.judgement == Judgement::adopted);
    REQUIRE(result.entry);
    CHECK(result.entry->is_dirty());
    CHECK(result.entry->local->data == "again");
    CHECK(result.entry->local->revision == "r8");
    CHECK(result.entry->local->version > 8);
}

TEST_CASE("a deletion over a newer deletion has nothing left to delete", "[sync]") {
    Entry entry = staged(deletion(5, "r5"), "again");
    entry.local = rules::shared(deletion(7, "r5"));
    entry.sequence = 8;

    const auto result = judged(entry, deletion(9, "r9"));
    CHECK(result.judgement == Judgement::adopted);
    REQUIRE(result.entry);
    CHECK(result.entry->is_husk());
    CHECK(result.entry->sent().empty());
    CHECK(result.entry->local->revision == "r9");
}

TEST_CASE("a deletion still travels while the remote may yet store what was sent before it",
          "[sync]") {
    const std::string revision = GENERATE("r5", "");
    Entry entry = staged(deletion(5, revision), "again");
    entry.local = rules::shared(deletion(7, revision));
    entry.sequence = 8;

    const auto result = judged(entry, deletion(5, revision));
    const Entry& after = result.entry ? *result.entry : entry;
    CHECK(after.is_dirty());
    CHECK(after.is_deleted());
    CHECK(after.sent().size() == 1);
}

// Verdicts.

TEST_CASE("a conflict over just what the change was made on contradicts itself", "[sync]") {
    CHECK(judged(edited(state("base", 5, "r5"), "edit"), state("base", 5, "r5"), Source::verdict)
              .judgement == Judgement::contradiction);
    CHECK(judged(edited(state("base", 5), "edit"), state("base", 9), Source::verdict).judgement ==
          Judgement::contradiction);
}

TEST_CASE("a conflict over base's content under a new revision is settled by rebasing", "[sync]") {
    const auto result =
        judged(edited(state("base", 5, "r5"), "edit"), state("base", 5, "r6"), Source::verdict);

    CHECK(result.judgement == Judgement::adopted);
    CHECK(result.entry->is_dirty());
    CHECK(result.entry->local->revision == "r6");
}

TEST_CASE("a conflict over other content under the same revision names a normalised base",
          "[sync]") {
    const auto result =
        judged(edited(state("base", 5, "r5"), "edit"), state("BASE", 5, "r5"), Source::verdict);

    CHECK(result.judgement == Judgement::adopted);
    CHECK(result.entry->is_dirty());
    CHECK(result.entry->base->data == "BASE");
}

// Remotes without times.

TEST_CASE("a state without stamps keeps the stamps that are known", "[sync]") {
    const auto taken = judged(clean(state("base", 5, "r5")), unstamped("base", "r6"));
    CHECK(taken.entry->local->version == 5);
    CHECK(taken.entry->local->updated_at == noon + 5min);

    const auto acknowledged =
        judged(staged(state("base", 5, "r5"), "edit"), unstamped("edit", "r6"));
    CHECK(acknowledged.judgement == Judgement::acknowledged);
    CHECK(acknowledged.entry->base->version == 6);
    CHECK(acknowledged.entry->base->updated_at == noon + 6min);

    const auto agreed = judged(edited(state("base", 5, "r5"), "same"), unstamped("same", "r6"));
    CHECK(agreed.entry->local->version == 6);
}

// States that wait.

TEST_CASE("a pull renews the state that waits for the user", "[sync]") {
    const Entry entry =
        rules::waiting(edited(state("base", 5, "r5"), "edit"), state("one", 6, "r6"), true);

    CHECK(judged(entry, state("one", 6, "r6")).judgement == Judgement::nothing);
    const auto renewed = judged(entry, state("two", 7, "r7"));
    CHECK(renewed.judgement == Judgement::adopted);
    CHECK(renewed.entry->conflicted);
    CHECK(renewed.entry->theirs()->data == "two");
    CHECK(renewed.entry->local->data == "edit");
}

TEST_CASE("a conflict is over when the remote comes to local or back to base", "[sync]") {
    const Entry entry =
        rules::waiting(edited(state("base", 5, "r5"), "edit"), state("one", 6, "r6"), true);

    const auto agreed = judged(entry, state("edit", 8, "r8"));
    CHECK(agreed.entry->is_clean());
    CHECK_FALSE(agreed.entry->conflicted);

    const auto back = judged(entry, state("base", 8, "r8"));
    CHECK_FALSE(back.entry->conflicted);
    CHECK(back.entry->is_dirty());
    CHECK(back.entry->local->status == SyncStatus::modified);
    CHECK(back.entry->theirs() == nullptr);
}

TEST_CASE("a parked state is asked about again when another comes", "[sync]") {
    const Entry entry =
        rules::waiting(edited(state("base", 5, "r5"), "edit"), state("one", 6, "r6"), false);

    CHECK(judged(entry, state("two", 7, "r7")).judgement == Judgement::conflict);
}

TEST_CASE("a replica that lags behind the state that waits tells nothing", "[sync]") {
    // Freeing the record would push our edit over theirs, on a server that does not compare.
    const bool for_user = GENERATE(true, false);
    const auto waiting = [&](Record base, Record theirs) {
        return rules::waiting(edited(std::move(base), "edit"), std::move(theirs), for_user);
    };

    CHECK(judged(waiting(state("base", 5, "r5"), state("one", 6, "r6")), state("base", 5, "r5"))
              .judgement == Judgement::nothing);
    CHECK(judged(waiting(state("base", 5), state("one", 7)), state("base", 5)).judgement ==
          Judgement::nothing);
    CHECK(judged(waiting(state("base", 5), state("one", 7)), state("between", 6)).judgement ==
          Judgement::nothing);
    CHECK(judged(waiting(state("base", 5, "r5"), state("one", 6, "r6")), state("base", 5, "r5"),
                 Source::rescan)
              .judgement == Judgement::adopted);
}

TEST_CASE("an echo ends the wait, unless what waits is newer", "[sync]") {
    const auto sent_then_parked = [](std::uint64_t version) {
        return rules::waiting(staged(state("base", 5, "r5"), "sent"),
                              state("theirs", version, "r9"), GENERATE(true, false));
    };

    // The remote had theirs, and now has what we sent.
    const auto over = judged(sent_then_parked(6), state("sent", 6, "r10"));
    CHECK(over.judgement == Judgement::acknowledged);
    CHECK(over.entry->is_clean());

    // A lagging replica shows what we sent, which theirs was made on.
    const auto lagging = judged(sent_then_parked(9), state("sent", 6, "r6"));
    CHECK(lagging.judgement == Judgement::acknowledged);
    CHECK(lagging.entry->base->data == "sent");
    REQUIRE(lagging.entry->theirs());
    CHECK(lagging.entry->theirs()->data == "theirs");
}

}  // namespace test_of_judge
