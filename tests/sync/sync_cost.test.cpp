// SPDX-License-Identifier: MIT
// What a sync costs, counted: copies and comparisons of the app's data, and commits.
#include <sync_engine/sync/sync_engine.hpp>
#include <sync_engine/testing/memory_storage.hpp>

#include "store/test_store.hpp"
#include "support/catch.hpp"
#include "support/counted.hpp"

#include <cstddef>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace test_of_sync_cost {

using namespace sync_engine;
using namespace sync_engine::test;

namespace {

constexpr std::size_t many = 1000;
constexpr std::size_t few = 10;

SyncRecord<Counted> counted(std::size_t number, int value, std::uint64_t version = 1) {
    SyncRecord<Counted> record{.id = "r" + std::to_string(number),
                               .updated_at = noon + std::chrono::seconds{version},
                               .version = version,
                               .revision = std::to_string(version)};
    record.data.value = value;
    return record;
}

/// A device, and a remote that says what it is told to.
struct Course {
    TestStore<Counted> store{};
    SyncEngine<Counted> engine{*store,
                               ConflictResolver<Counted>{ConflictStrategy::latest_wins},
                               {},
                               {.executor = inline_executor()}};
    PullPage<Counted> page{.cursor = 0};

    Course() {
        for (std::size_t n = 0; n < many; ++n) page.records.push_back(counted(n, 0));
        sync();
    }

    /// What a sync does to the data beside what the callbacks do.
    Cost sync() {
        page.cursor = page.cursor.get<int>() + 1;
        std::vector<PushReport<Counted>> reports;
        const Remote<Counted> remote{
            .push =
                [](const SharedPushBatch<Counted>& batch) {
                    PushReport<Counted> report;
                    for (const auto& change : batch.changes) {
                        report.push_back(accepted<Counted>(change.record->id, "pushed"));
                    }
                    return make_ready_future(std::move(report));
                },
            .pull = [&](const PullRequest&) { return make_ready_future(std::move(page)); }};
        const auto cursor = page.cursor;
        const auto cost =
            cost_of([&] { CHECK(engine.sync(remote).get().outcome == SyncOutcome::completed); });
        page = PullPage<Counted>{.cursor = cursor};
        return cost;
    }
};

}  // namespace

TEST_CASE("what is pulled is not copied, and compared only where there is something", "[sync]") {
    Course course;
    for (std::size_t n = 0; n < few; ++n) course.page.records.push_back(counted(many + n, 1));
    CHECK(course.sync() == Cost{0, 0});  // new here

    for (std::size_t n = 0; n < few; ++n) course.page.records.push_back(counted(n, 1, 2));
    const auto cost = course.sync();  // changed there
    CHECK(cost.copies == 0);
    CHECK(cost.comparisons <= 3 * few);
    CHECK(course.store->count() == many + few);
}

TEST_CASE("what is pushed is copied for what the remote has then", "[sync]") {
    Course course;
    for (std::size_t n = 0; n < few; ++n) {
        course.store->put(counted(many + n, 1));
        course.store->update("r" + std::to_string(n), [](Counted& data) { data.value = 2; });
    }

    CHECK(course.sync() == Cost{few + few, 0});
    CHECK(course.store->find_pending().empty());
}

TEST_CASE("a push callback is given copies of what its form shows", "[sync]") {
    const auto record = std::make_shared<const SyncRecord<Counted>>(counted(0, 1));
    const auto base = std::make_shared<const SyncRecord<Counted>>(counted(0, 0));
    const auto cost_of_form = [&](const PushCallback<Counted>& push) {
        SharedPushBatch<Counted> batch{};
        batch.changes.resize(few, {.record = record, .base = base});
        return cost_of(
            [&] { (void)push.share(std::move(batch), [](auto future) { return future.get(); }); });
    };

    CHECK(cost_of_form([](const SharedPushBatch<Counted>&) {
              return make_ready_future(PushReport<Counted>{});
          }) == Cost{0, 0});
    CHECK(cost_of_form([](const std::vector<SyncRecord<Counted>>&) {
              return make_ready_future(std::vector<std::string>{});
          }) == Cost{few, 0});
    CHECK(cost_of_form([](const PushBatch<Counted>&) {
              return make_ready_future(PushReport<Counted>{});
          }) == Cost{few + few, 0});
}

TEST_CASE("of two sides in conflict only ours is copied, where it wins: to be stamped, and acked",
          "[sync]") {
    Course course;
    for (std::size_t n = 0; n < few; ++n) {
        const auto id = "r" + std::to_string(n);
        course.store->update(id, [](Counted& data) { data.value = 2; });
        auto theirs = counted(n, 3, 2);
        if (n % 2 == 0) theirs.updated_at = noon;  // ours is later
        course.page.records.push_back(std::move(theirs));
    }
    const auto cost = course.sync();

    CHECK(cost.copies == 2 * (few / 2));
    CHECK(cost.comparisons <= 5 * few);
    CHECK(course.store->find_pending().empty());
}

TEST_CASE("a sync of nothing touches no record, however many there are", "[sync]") {
    Course course;
    CHECK(course.sync() == Cost{0, 0});

    const auto commits = course.store.disk->commits();
    CHECK(course.sync() == Cost{0, 0});
    CHECK(course.store.disk->commits() == commits + 2);  // the cursor, and the metadata
}

TEST_CASE("a sync commits by page and batch, not by record", "[sync]") {
    Course course;
    for (std::size_t n = 0; n < few; ++n) {
        course.store->update("r" + std::to_string(n), [](Counted& data) { data.value = 2; });
        course.page.records.push_back(counted(few + n, 1, 2));
    }
    const auto commits = course.store.disk->commits();
    course.sync();

    // The page, what is about to be sent, what was accepted, and the metadata.
    CHECK(course.store.disk->commits() == commits + 4);
}

}  // namespace test_of_sync_cost
