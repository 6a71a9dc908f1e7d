// SPDX-License-Identifier: MIT
#include <sync_engine/conflict/reconcile.hpp>

#include "support/catch.hpp"

#include <nlohmann/json.hpp>

#include <array>
#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <vector>

namespace test_of_reconcile {

using namespace std::chrono_literals;
using namespace sync_engine;
using nlohmann::json;

namespace {

const Timestamp noon{std::chrono::sys_days{std::chrono::year{2026} / 5 / 4} + 12h};

using State = std::optional<SyncRecord<>>;

SyncRecord<> with(json data, TagSet tags = {}) {
    return {.id = "a", .data = std::move(data), .updated_at = noon, .tags = std::move(tags)};
}

SyncRecord<> deleted() {
    return with("any").with_status(SyncStatus::deleted);
}

Reconciliation reconciled(const State& base, const State& local, const SyncRecord<>& remote) {
    return reconcile(base ? &*base : nullptr, local ? &*local : nullptr, remote);
}

/// The table of the header, asked of two answers: did it change, are they the same.
Reconciliation by_table(bool local_changed, bool remote_changed, bool is_same) {
    if (!local_changed && !remote_changed) return Reconciliation::unchanged;
    if (!local_changed) return Reconciliation::take;
    if (!remote_changed) return Reconciliation::rebase;
    return is_same ? Reconciliation::agree : Reconciliation::conflict;
}

}  // namespace

TEST_CASE("three versions decide what is to be done", "[conflict]") {
    const auto one = with(1);
    const auto two = with(2);
    const auto three = with(3);

    CHECK(reconciled(one, one, one) == Reconciliation::unchanged);
    CHECK(reconciled(one, one, two) == Reconciliation::take);
    CHECK(reconciled(one, two, one) == Reconciliation::rebase);
    CHECK(reconciled(one, two, two) == Reconciliation::agree);
    CHECK(reconciled(one, two, three) == Reconciliation::conflict);
}

TEST_CASE("without a base both sides count as changed", "[conflict]") {
    CHECK(reconciled({}, with(1), with(1)) == Reconciliation::agree);
    CHECK(reconciled({}, with(1), with(2)) == Reconciliation::conflict);
    CHECK(reconciled({}, deleted(), with(2)) == Reconciliation::conflict);
    CHECK(reconciled({}, with(1), deleted()) == Reconciliation::conflict);
    CHECK(reconciled({}, deleted(), deleted()) == Reconciliation::agree);
}

TEST_CASE("without a local record the remote's is taken", "[conflict]") {
    CHECK(reconciled({}, {}, with(1)) == Reconciliation::take);
    CHECK(reconciled({}, {}, deleted()) == Reconciliation::take);
    CHECK(reconciled(with(1), {}, with(1)) == Reconciliation::take);
}

TEST_CASE("a deletion is a change like any other", "[conflict]") {
    CHECK(reconciled(with(1), deleted(), with(1)) == Reconciliation::rebase);
    CHECK(reconciled(with(1), with(1), deleted()) == Reconciliation::take);
    CHECK(reconciled(with(1), deleted(), deleted()) == Reconciliation::agree);
    CHECK(reconciled(with(1), deleted(), with(2)) == Reconciliation::conflict);
    CHECK(reconciled(with(1), with(2), deleted()) == Reconciliation::conflict);
    CHECK(reconciled(deleted(), deleted(), deleted()) == Reconciliation::unchanged);
    CHECK(reconciled(deleted(), with(1), deleted()) == Reconciliation::rebase);
    CHECK(reconciled(deleted(), deleted(), with(1)) == Reconciliation::take);
    CHECK(reconciled(deleted(), with(1), with(2)) == Reconciliation::conflict);
}

TEST_CASE("content alone decides, never stamps, status or revision", "[conflict]") {
    auto restamped = with(1);
    restamped.version = 99;
    restamped.updated_at = noon + 24h;
    restamped.revision = "r9";
    for (const auto status :
         {SyncStatus::pending, SyncStatus::modified, SyncStatus::synced, SyncStatus::conflicted}) {
        restamped.status = status;

        CHECK(reconciled(with(1), with(1), restamped) == Reconciliation::unchanged);
        CHECK(reconciled(with(1), restamped, with(1)) == Reconciliation::unchanged);
        CHECK(reconciled(with(1), restamped, with(2)) == Reconciliation::take);
        CHECK(reconciled(with(1), with(2), restamped) == Reconciliation::rebase);
    }
}

TEST_CASE("tags are content", "[conflict]") {
    CHECK(reconciled(with(1), with(1), with(1, {"x"})) == Reconciliation::take);
    CHECK(reconciled(with(1), with(1, {"x"}), with(1)) == Reconciliation::rebase);
    CHECK(reconciled(with(1), with(1, {"x"}), with(1, {"x"})) == Reconciliation::agree);
    CHECK(reconciled(with(1), with(1, {"x"}), with(1, {"y"})) == Reconciliation::conflict);
}

TEST_CASE("data is compared by structure, never as printed", "[conflict]") {
    const auto base = with({{"a", 1}, {"b", 2}});

    CHECK(reconciled(base, base, with(json::parse(R"({"b": 2.0, "a": 1})"))) ==
          Reconciliation::unchanged);
    CHECK(reconciled(base, base, with({{"a", "1"}, {"b", 2}})) == Reconciliation::take);
    CHECK(reconciled(base, base, with({{"a", 1}, {"b", 2}, {"c", nullptr}})) ==
          Reconciliation::take);
}

TEST_CASE("every combination of states follows the table", "[conflict]") {
    const std::vector<SyncRecord<>> states{with(1), with(2), with(1, {"x"}), deleted()};
    // Which of these is which content, told without comparing records.
    const auto differs = [](std::size_t a, std::size_t b) { return a != b; };

    for (std::size_t base = 0; base < states.size(); ++base) {
        for (std::size_t local = 0; local < states.size(); ++local) {
            for (std::size_t remote = 0; remote < states.size(); ++remote) {
                CAPTURE(base, local, remote);
                CHECK(
                    reconciled(states[base], states[local], states[remote]) ==
                    by_table(differs(base, local), differs(base, remote), !differs(local, remote)));
            }
        }
    }
}

TEST_CASE("data of the app's own type is compared by its own equality", "[conflict]") {
    const SyncRecord<std::string> one{.id = "a", .data = "one", .updated_at = noon};
    const SyncRecord<std::string> two{.id = "a", .data = "two", .updated_at = noon};

    CHECK(reconcile(&one, &one, two) == Reconciliation::take);
    CHECK(reconcile(&one, &two, one) == Reconciliation::rebase);
}

}  // namespace test_of_reconcile
