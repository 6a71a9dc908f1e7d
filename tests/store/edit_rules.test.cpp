// SPDX-License-Identifier: MIT
#include <sync_engine/store/edit_rules.hpp>

#include "store/test_store.hpp"
#include "support/catch.hpp"

#include <chrono>
#include <optional>
#include <string>
#include <utility>

namespace test_of_edit_rules {

using namespace std::chrono_literals;
using namespace sync_engine;
using namespace sync_engine::test;
using nlohmann::json;

namespace {

const Moment at_noon{noon, 5min};

SyncRecord<> revised(SyncRecord<> record, std::string revision) {
    record.revision = std::move(revision);
    return record;
}

/// What a store holds of a record that was just pulled.
Entry<json> clean(std::uint64_t version = 3) {
    auto entry = rules::taken<json>(nullptr, revised(note("a", "one", version), "r1"), noon);
    entry.sequence = 5;
    return entry;
}

Entry<json> dirty() {
    auto entry = rules::edited(clean(), note("a", "two", 4), at_noon);
    entry.sequence = 6;
    return entry;
}

Entry<json> staged() {
    return rules::staged(dirty(), "operation-6");
}

Entry<json> unsent() {
    auto entry = rules::created(note("a", "one"));
    entry.sequence = 5;
    return entry;
}

}  // namespace

TEST_CASE("a record begins dirty, except where it claims to be synced", "[store]") {
    const auto pending = rules::created(note("a", "one"));
    CHECK(pending.sequence == next_sequence);
    CHECK(pending.is_dirty());
    CHECK(pending.base == nullptr);

    const auto synced = rules::created(note("a", "one").with_status(SyncStatus::synced));
    CHECK(synced.is_clean());
    CHECK(synced.base == synced.local);

    const auto tombstone = rules::created(note("a", "one").with_status(SyncStatus::deleted));
    CHECK(tombstone.is_dirty());
    CHECK(tombstone.is_deleted());
    CHECK_FALSE(tombstone.is_husk());
}

TEST_CASE("an edit is another content, a higher version, or the word that it is one", "[store]") {
    const auto stored = note("a", "one", 3).with_tags({"x"}).with_status(SyncStatus::synced);

    CHECK(rules::is_edit(stored, stored.with_data({{"text", "two"}})));
    CHECK(rules::is_edit(stored, stored.with_tags({"y"})));
    CHECK(rules::is_edit(stored, stored.with_tags({})));
    CHECK(rules::is_edit(stored, stored.with_status(SyncStatus::modified)));
    CHECK(rules::is_edit(stored, stored.increment_version()));
    CHECK(rules::is_edit(stored.with_status(SyncStatus::deleted), stored));

    CHECK_FALSE(rules::is_edit(stored, stored));
    CHECK_FALSE(rules::is_edit(stored, stored.with_status(SyncStatus::pending)));
    CHECK_FALSE(rules::is_edit(stored.with_status(SyncStatus::modified), stored));
    CHECK_FALSE(rules::is_edit(stored.with_data({{"n", 1}}), stored.with_data({{"n", 1.0}})));
}

TEST_CASE("an edit keeps base and what was sent, and is a new edit", "[store]") {
    const auto before = staged();

    const auto after = rules::edited(before, note("a", "three", 9), at_noon);

    CHECK(after.sequence == next_sequence);
    CHECK(after.base == before.base);
    REQUIRE(after.sent().size() == 1);
    CHECK(after.sent().front().operation_id == "operation-6");
    CHECK(after.sent().front().record == before.local);
    CHECK(after.is_dirty());
}

TEST_CASE("an edit is modified if the remote has a living record, else pending", "[store]") {
    CHECK(rules::edited(clean(), note("a", "two"), at_noon).local->status == SyncStatus::modified);
    CHECK(rules::edited(unsent(), note("a", "two"), at_noon).local->status == SyncStatus::pending);
    const auto husk =
        rules::taken<json>(nullptr, note("a", "gone").with_status(SyncStatus::deleted), noon);
    CHECK(rules::edited(husk, note("a", "two"), at_noon).local->status == SyncStatus::pending);
}

TEST_CASE("an edit names the revision that it was made on, whatever the caller named", "[store]") {
    const auto edited = rules::edited(clean(), revised(note("a", "two"), "invented"), at_noon);
    CHECK(edited.local->revision == "r1");

    const auto marked = rules::marked_modified(clean(), at_noon);
    CHECK(marked.local->revision == "r1");
    CHECK(marked.base->revision == "r1");
}

TEST_CASE("an edit makes what was known of its attempts void, and keeps the history", "[store]") {
    auto dead = dirty();
    dead.edit_extras().retry = RetryState{.sequence = dead.sequence, .attempts = 5, .dead = true};
    dead.edit_extras().retry->remember({"a", "no", noon});
    REQUIRE(dead.is_dead_letter());

    const auto after = rules::edited(dead, note("a", "three", 9), at_noon);

    CHECK_FALSE(after.is_dead_letter());
    CHECK(after.active_retry() == nullptr);
    REQUIRE(after.retry().has_value());
    CHECK(after.retry()->history.size() == 1);
}

TEST_CASE("a removal leaves a tombstone with the last content and the revision", "[store]") {
    const auto removed = rules::removed(dirty(), at_noon);

    REQUIRE(removed.has_value());
    CHECK(removed->is_dirty());
    CHECK(removed->is_deleted());
    CHECK(removed->local->data == json{{"text", "two"}});
    CHECK(removed->local->revision == "r1");
    CHECK(stamp_of(*removed->local) == Stamp{5, noon + 1us});
    CHECK(removed->base->data == json{{"text", "one"}});
    CHECK(removed->sequence == next_sequence);
}

TEST_CASE("a removal of what the remote never saw leaves nothing", "[store]") {
    CHECK_FALSE(rules::removed(unsent(), at_noon).has_value());
}

TEST_CASE("a removal of what may have been sent, or of what the remote shows, travels", "[store]") {
    const auto sent = rules::removed(rules::staged(unsent(), "operation-5"), at_noon);
    REQUIRE(sent.has_value());
    CHECK(sent->is_dirty());
    CHECK(sent->sent().size() == 1);

    const auto parked =
        rules::removed(rules::waiting(unsent(), note("a", "theirs", 7), false), at_noon);
    REQUIRE(parked.has_value());
    CHECK(parked->is_dirty());
    CHECK(parked->local->version == 8);
}

TEST_CASE("a removal of a re-creation that was not sent is the old deletion", "[store]") {
    const auto husk =
        rules::taken<json>(nullptr, note("a", "gone", 9).with_status(SyncStatus::deleted), noon);
    const auto again = rules::edited(husk, note("a", "again"), at_noon);

    const auto removed = rules::removed(again, {noon + 1h, 5min});

    REQUIRE(removed.has_value());
    CHECK(removed->is_husk());
    CHECK(removed->local->version == 9);
    CHECK(removed->settled_at() == noon + 1h);
}

TEST_CASE("a discarded edit leaves base, and nothing to retry or to await", "[store]") {
    auto entry = staged();
    entry.edit_extras().retry = RetryState{.sequence = entry.sequence, .dead = true};

    const auto discarded = rules::discarded(entry, noon);

    REQUIRE(discarded.has_value());
    CHECK(discarded->is_clean());
    CHECK(discarded->base == entry.base);
    CHECK(discarded->sent().empty());
    CHECK_FALSE(discarded->retry().has_value());
    CHECK_FALSE(rules::discarded(unsent(), noon).has_value());
}

TEST_CASE("a record that is called synced is clean with its own state as base", "[store]") {
    const auto marked = rules::marked_synced(staged(), noon);

    CHECK(marked.is_clean());
    CHECK(marked.base->status == SyncStatus::synced);
    CHECK(marked.base->data == json{{"text", "two"}});
    CHECK(marked.sent().empty());
}

TEST_CASE("a deletion that is settled keeps its stamps and not its content", "[store]") {
    const auto tombstone = *rules::removed(dirty(), at_noon);

    const auto husk = rules::marked_synced(tombstone, noon + 1h);

    CHECK(husk.is_husk());
    CHECK(husk.settled_at() == noon + 1h);
    CHECK(husk.local->id == "a");
    CHECK(husk.local->data == json());
    CHECK(husk.local->tags.empty());
    CHECK(stamp_of(*husk.local) == stamp_of(*tombstone.local));
    CHECK(husk.local->revision == "r1");
}

TEST_CASE("a remote state that waits is not lost when the record is called synced", "[store]") {
    const auto parked = rules::waiting(dirty(), note("a", "theirs", 7), false);

    const auto marked = rules::marked_synced(parked, noon);

    CHECK(marked.theirs() == parked.theirs());
    CHECK(marked.is_parked());
}

TEST_CASE("superseded revisions are remembered, the newest few", "[store]") {
    auto entry = clean();
    for (int n = 2; n <= 8; ++n) {
        entry = rules::taken(&entry, revised(note("a", "one"), "r" + std::to_string(n)), noon);
    }

    CHECK(entry.superseded().size() == rules::superseded_limit);
    CHECK(entry.superseded().front() == "r4");
    CHECK(entry.superseded().back() == "r7");
}

TEST_CASE("an entry has a box of extras only while there is something in it", "[store]") {
    CHECK_FALSE(unsent().extras);
    CHECK_FALSE(clean().extras);
    const auto before = staged();
    CHECK(before.extras);

    const auto& sent = before.sent().back();
    CHECK_FALSE(rules::acknowledged(before, sent, sent.record, at_noon).extras);
    CHECK_FALSE(rules::discarded(before, noon)->extras);
    CHECK_FALSE(rules::marked_synced(before, noon).extras);
}

TEST_CASE("an entry that was staged differs in what was sent, any other in more", "[store]") {
    const auto before = rules::created(note("a", "one"));
    CHECK(same_but_sent(before, rules::staged(before, "operation")));

    const std::vector<void (*)(Entry<json>&)> changes{
        [](auto& entry) { entry.local = rules::shared(SyncRecord<>{*entry.local}); },
        [](auto& entry) { entry.base = entry.local; },
        [](auto& entry) { entry.edit_extras().theirs = entry.local; },
        [](auto& entry) { entry.sequence = 5; },
        [](auto& entry) { entry.conflicted = true; },
        [](auto& entry) { entry.pulled_since_ack = true; },
        [](auto& entry) { entry.absent_once = true; },
        [](auto& entry) { entry.edit_extras().retry = RetryState{}; },
        [](auto& entry) { entry.edit_extras().superseded = {"r1"}; },
        [](auto& entry) { entry.edit_extras().settled_at = noon; },
    };
    for (const auto& change : changes) {
        auto changed = before;
        change(changed);
        CHECK_FALSE(same_but_sent(before, changed));
    }
}

}  // namespace test_of_edit_rules
