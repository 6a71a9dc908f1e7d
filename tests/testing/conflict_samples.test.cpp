// SPDX-License-Identifier: MIT
#include <sync_engine/conflict/reconcile.hpp>
#include <sync_engine/testing/conflict_samples.hpp>

#include "support/catch.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstddef>
#include <set>
#include <string>
#include <vector>

namespace test_of_conflict_samples {

using namespace sync_engine;
using namespace sync_engine::testing;
using nlohmann::json;

namespace {

template <class Data>
Reconciliation reconciled(const ConflictSample<Data>& sample) {
    return reconcile(sample.base ? &*sample.base : nullptr, &sample.local, sample.remote);
}

template <class Data, class Question>
auto count_of(const std::vector<ConflictSample<Data>>& samples, const Question& question) {
    return static_cast<std::size_t>(std::count_if(samples.begin(), samples.end(), question));
}

}  // namespace

TEST_CASE("the samples over values are all conflicts, each under a name of its own", "[testing]") {
    const auto samples = conflict_samples<std::string>({"milk", "bread"}, {{}, {"today"}});

    CHECK(samples.size() == 6 * 5 * 4 * 4);  // timings, and three states that differ out of five
    CHECK(count_of(samples, [](const auto& sample) {
              return reconciled(sample) == Reconciliation::conflict;
          }) == samples.size());
    std::set<std::string> names;
    for (const auto& sample : samples) names.insert(sample.name);
    CHECK(names.size() == samples.size());
}

TEST_CASE("the samples over values cover bases, deletions and every order of stamps", "[testing]") {
    const auto samples = conflict_samples<int>({1, 2});
    const auto sixth = samples.size() / 6;

    CHECK(count_of(samples, [](const auto& each) { return !each.base; }) > 0);
    CHECK(count_of(samples, [](const auto& each) { return each.base && each.base->is_deleted(); }) >
          0);
    CHECK(count_of(samples, [](const auto& each) { return each.local.is_deleted(); }) > 0);
    CHECK(count_of(samples, [](const auto& each) { return each.remote.is_deleted(); }) > 0);
    CHECK(count_of(samples, [](const auto& each) {
              return each.remote.updated_at == Timestamp{};
          }) == 3 * sixth);
    CHECK(count_of(samples, [](const auto& each) {
              return each.local.updated_at == each.remote.updated_at;
          }) == sixth);
    CHECK(count_of(samples, [](const auto& each) {
              return each.local.updated_at < each.remote.updated_at;
          }) == sixth);
    CHECK(count_of(samples, [](const auto& each) {
              return each.local.version == each.remote.version;
          }) == 2 * sixth);
}

TEST_CASE("two deletions of one record are the only default samples that agree", "[testing]") {
    for (const auto& sample : conflict_samples()) {
        INFO(sample.name);
        const bool is_agreed = sample.local.is_deleted() && sample.remote.is_deleted();
        CHECK(reconciled(sample) == (is_agreed ? Reconciliation::agree : Reconciliation::conflict));
    }
}

}  // namespace test_of_conflict_samples
