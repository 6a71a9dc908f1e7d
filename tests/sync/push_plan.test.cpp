// SPDX-License-Identifier: MIT
#include <sync_engine/sync/push_plan.hpp>

#include "support/catch.hpp"

#include <algorithm>
#include <cstddef>
#include <limits>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace test_of_push_plan {

using sync_engine::PushCandidate;
using sync_engine::PushPlan;

namespace {

using Batch = std::vector<PushCandidate>;

sync_engine::IdPtr shared(std::string id) {
    return std::make_shared<const std::string>(std::move(id));
}
PushCandidate healthy(std::string id) {
    return {.id = shared(std::move(id))};
}
PushCandidate failed(std::string id, unsigned alone = 0) {
    return {.id = shared(std::move(id)), .failed_alone = alone, .has_failed = true};
}
PushCandidate suspect(std::string id) {
    return {.id = shared(std::move(id)), .suspect = true, .failed_alone = 1, .has_failed = true};
}

std::string ids_of(const Batch& batch) {
    std::string text;
    for (const auto& each : batch) text += (text.empty() ? "" : " ") + *each.id;
    return text;
}

/// `count` healthy records: "0", "1" and so on.
Batch records(std::size_t count) {
    Batch batch;
    for (std::size_t n = 0; n < count; ++n) batch.push_back(healthy(std::to_string(n)));
    return batch;
}

PushPlan plan_of(std::size_t limit, Batch candidates) {
    PushPlan plan{limit};
    plan.fill(std::move(candidates));
    return plan;
}

/// What a cycle does with a plan against a server that any of `poison` breaks.
struct Course {
    std::set<std::string> passed{};
    std::set<std::string> failed_alone{};
    std::size_t calls = 0;
};
Course run(PushPlan plan, const std::set<std::string>& poison) {
    Course course;
    for (Batch batch = plan.next(); !batch.empty(); batch = plan.next()) {
        ++course.calls;
        const bool breaks = std::any_of(batch.begin(), batch.end(), [&](const auto& each) {
            return poison.count(*each.id) != 0;
        });
        if (!breaks) {
            for (const auto& each : batch) course.passed.insert(*each.id);
            plan.replied();
            continue;
        }
        const bool is_single = batch.size() == 1;
        if (is_single) course.failed_alone.insert(*batch.front().id);
        if (!is_single || !batch.front().suspect) plan.count_failure(batch.size());
        if (!is_single) plan.halve(std::move(batch));
    }
    return course;
}

}  // namespace

TEST_CASE("a limit as large as a number can be is none", "[sync]") {
    using Number = std::numeric_limits<std::size_t>;
    for (const std::size_t limit : {Number::max(), Number::max() / 2 + 1}) {
        auto plan = plan_of(limit, {healthy("a"), suspect("s"), suspect("t")});
        CHECK(ids_of(plan.next()) == "a");
        plan.replied();
        CHECK(ids_of(plan.next()) == "s");
        for (int n = 0; n < 70; ++n) plan.replied();
        CHECK(ids_of(plan.next()) == "t");
    }
}

TEST_CASE("batches hold at most the limit, in the order of edits", "[sync]") {
    auto plan = plan_of(2, records(5));

    CHECK(ids_of(plan.next()) == "0 1");
    CHECK(plan.remaining() == 3);
    CHECK(ids_of(plan.next()) == "2 3");
    CHECK(ids_of(plan.next()) == "4");
    CHECK(plan.next().empty());
    CHECK_FALSE(plan.has_given_up());
}

TEST_CASE("a limit of zero is a limit of one", "[sync]") {
    auto plan = plan_of(0, records(2));

    CHECK(ids_of(plan.next()) == "0");
    CHECK(ids_of(plan.next()) == "1");
}

TEST_CASE("a plan without records is through", "[sync]") {
    CHECK(plan_of(10, {}).next().empty());
    CHECK(PushPlan{}.next().empty());
}

TEST_CASE("changes that never failed go first, then who failed less, each in order of edits",
          "[sync]") {
    auto plan = plan_of(10, {failed("failed alone twice", 2), failed("failed with others"),
                             healthy("a"), failed("failed alone", 1), healthy("b")});

    CHECK(ids_of(plan.next()) == "a b failed with others failed alone failed alone twice");
}

TEST_CASE("a suspect goes last and alone", "[sync]") {
    auto plan = plan_of(10, {suspect("x"), healthy("a"), suspect("y"), failed("b", 3)});

    CHECK(ids_of(plan.next()) == "a b");
    CHECK(ids_of(plan.next()) == "x");
    CHECK(ids_of(plan.next()) == "y");
    CHECK(plan.next().empty());
}

TEST_CASE("a batch that failed is tried in halves of it", "[sync]") {
    auto plan = plan_of(8, records(8));

    auto batch = plan.next();
    plan.count_failure(batch.size());
    plan.halve(std::move(batch));
    batch = plan.next();
    CHECK(ids_of(batch) == "0 1 2 3");
    plan.count_failure(batch.size());
    plan.halve(std::move(batch));
    batch = plan.next();
    CHECK(ids_of(batch) == "0 1");
    plan.count_failure(batch.size());
    plan.halve(std::move(batch));
    CHECK(ids_of(plan.next()) == "0");
}

TEST_CASE("after a reply, batches grow again up to the limit", "[sync]") {
    auto plan = plan_of(8, records(40));
    auto batch = plan.next();
    plan.count_failure(8);
    plan.halve(std::move(batch));
    batch = plan.next();
    plan.count_failure(4);
    plan.halve(std::move(batch));

    CHECK(plan.next().size() == 2);
    plan.replied();
    CHECK(plan.next().size() == 4);
    plan.replied();
    CHECK(plan.next().size() == 8);
    plan.replied();
    CHECK(plan.next().size() == 8);
}

TEST_CASE("a plan gives up after log2(batch) + 2 whole failures in a row", "[sync]") {
    const auto patience_of = [](std::size_t size) {
        auto plan = plan_of(size, records(1000));
        std::size_t failures = 0;
        for (; !plan.has_given_up(); ++failures) plan.count_failure(size);
        return failures;
    };

    CHECK(patience_of(1) == 2);
    CHECK(patience_of(2) == 3);
    CHECK(patience_of(3) == 4);
    CHECK(patience_of(8) == 5);
    CHECK(patience_of(100) == 9);
    CHECK(patience_of(128) == 9);
}

TEST_CASE("patience is that of the first batch that failed, however small the later ones",
          "[sync]") {
    auto plan = plan_of(4, records(4));

    plan.count_failure(4);
    plan.count_failure(2);
    plan.count_failure(1);
    CHECK_FALSE(plan.has_given_up());
    plan.count_failure(1);
    CHECK(plan.has_given_up());
    CHECK(plan.next().empty());
    CHECK(plan.remaining() == 4);
}

TEST_CASE("a reply restores patience", "[sync]") {
    auto plan = plan_of(1, records(4));

    plan.count_failure(1);
    plan.replied();
    plan.count_failure(1);
    CHECK_FALSE(plan.has_given_up());
    plan.count_failure(1);
    CHECK(plan.has_given_up());
}

TEST_CASE("a record that is pushed again goes before the suspects", "[sync]") {
    auto plan = plan_of(2, {healthy("a"), healthy("b"), healthy("c"), suspect("x")});
    CHECK(ids_of(plan.next()) == "a b");

    plan.push_again(healthy("a"));

    CHECK(ids_of(plan.next()) == "c a");
    CHECK(ids_of(plan.next()) == "x");
}

TEST_CASE("the poison ends alone and everything else passes, wherever it is", "[sync]") {
    for (std::size_t at = 0; at < 100; ++at) {
        const auto course = run(plan_of(100, records(100)), {std::to_string(at)});

        CHECK(course.failed_alone == std::set<std::string>{std::to_string(at)});
        CHECK(course.passed.size() == 99);
        CHECK(course.calls <= 28);  // four times log2(100)
    }
}

TEST_CASE("a large outbox behind a broken remote costs a few calls", "[sync]") {
    std::set<std::string> all;
    for (int n = 0; n < 10'000; ++n) all.insert(std::to_string(n));

    const auto course = run(plan_of(100, records(10'000)), all);

    CHECK(course.calls == 9);
    CHECK(course.passed.empty());
}

TEST_CASE("suspects that fail do not use up the patience of others", "[sync]") {
    const auto course =
        run(plan_of(10, {suspect("x"), suspect("y"), suspect("z"), healthy("a")}), {"x", "y", "z"});

    CHECK(course.failed_alone == std::set<std::string>{"x", "y", "z"});
    CHECK(course.passed == std::set<std::string>{"a"});
    CHECK(course.calls == 4);
}

TEST_CASE("a suspect that is well again gets its turn behind records that always fail", "[sync]") {
    const auto course =
        run(plan_of(10, {failed("a", 7), failed("b", 8), suspect("well")}), {"a", "b"});

    CHECK(course.passed == std::set<std::string>{"well"});
    CHECK(course.failed_alone == std::set<std::string>{"a", "b"});
}

TEST_CASE("a plan that has given up tries one suspect and no more", "[sync]") {
    const auto course =
        run(plan_of(10, {failed("a", 1), failed("b", 1), suspect("x"), suspect("y")}),
            {"a", "b", "x", "y"});

    CHECK(course.failed_alone == std::set<std::string>{"a", "b", "x"});
    CHECK(course.calls == 4);  // both, each of them, and the suspect
}

}  // namespace test_of_push_plan
