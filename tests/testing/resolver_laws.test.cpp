// SPDX-License-Identifier: MIT
#include <sync_engine/remote/memory_remote.hpp>
#include <sync_engine/testing/resolver_laws.hpp>

#include "support/catch.hpp"
#include "support/device.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <set>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace test_of_resolver_laws {

using namespace sync_engine;
using namespace sync_engine::test;
using namespace sync_engine::testing;
using nlohmann::json;

namespace {

using Record = SyncRecord<>;
using Resolver = ConflictResolver<>;
using Samples = std::vector<ConflictSample<>>;

/// The laws that a report says are broken, one after the other.
std::string broken(const ResolverReport& report) {
    std::string laws;
    if (!report.answers) laws += "answers ";
    if (!report.deterministic) laws += "deterministic ";
    if (!report.keeps_id) laws += "keeps_id ";
    if (!report.settles) laws += "settles ";
    CHECK(report.holds() == laws.empty());
    return laws;
}

bool has_tie(const ConflictSample<>& sample) {
    return sample.local.version == sample.remote.version;
}

Samples without_ties() {
    Samples samples = conflict_samples();
    samples.erase(std::remove_if(samples.begin(), samples.end(), has_tie), samples.end());
    return samples;
}

/// Both sides edited the title.
Samples one_sample() {
    return {conflict_samples().front()};
}

/// Adds to the title, as a resolver does that keeps both texts.
Record with_title_added(Record record, const std::string& text) {
    if (!record.is_deleted()) {
        record.data["title"] = record.data.value("title", std::string{}) + text;
    }
    return record;
}

/// A counter: what each side added since the base counts.
Resolver adding() {
    return Resolver{[](const Record* base, const Record& local, const Record& remote) {
        if (local.is_deleted() || remote.is_deleted()) return remote;
        const bool has_base = base != nullptr && !base->is_deleted();
        const int start = has_base ? base->data.get<int>() : 0;
        return local.with_data(local.data.get<int>() + remote.data.get<int>() - start);
    }};
}

struct Task {
    std::string title{};
    double hours = 0;

    bool operator==(const Task&) const = default;
    NLOHMANN_DEFINE_TYPE_INTRUSIVE(Task, title, hours)
};

std::vector<ConflictSample<Task>> task_samples() {
    return conflict_samples<Task>({{"milk", 1}, {"bread", 1}, {"milk", 2}}, {{}, {"today"}});
}

/// Is never equal to anything: a mistake that the compiler does not see.
struct Odd {
    int value = 0;

    bool operator==(const Odd&) const { return false; }
    NLOHMANN_DEFINE_TYPE_INTRUSIVE(Odd, value)
};

}  // namespace

TEST_CASE("every built-in strategy keeps the laws", "[testing]") {
    for (const auto strategy : {ConflictStrategy::remote_wins, ConflictStrategy::local_wins,
                                ConflictStrategy::latest_wins, ConflictStrategy::manual}) {
        const auto report = check_resolver(Resolver{strategy});
        INFO(to_string(report));
        CHECK(report.holds());
        CHECK(to_string(report) == "every law holds");
        CHECK(check_resolver(ConflictResolver<Task>{strategy}, task_samples()).holds());
    }
    for (const auto policy : {MergePolicy::latest, MergePolicy::local, MergePolicy::remote}) {
        const auto report = check_resolver(Resolver{ConflictStrategy::merge, policy});
        INFO(to_string(report));
        CHECK(report.holds());
        CHECK(
            check_resolver(ConflictResolver<Task>{ConflictStrategy::merge, policy}, task_samples())
                .holds());
    }
}

TEST_CASE("latest_wins and merge are symmetric but for ties, which go to the remote", "[testing]") {
    for (const auto strategy : {ConflictStrategy::latest_wins, ConflictStrategy::merge}) {
        CHECK(check_resolver(Resolver{strategy}, without_ties()).symmetric);

        const auto report = check_resolver(Resolver{strategy});
        CHECK_FALSE(report.symmetric);
        for (const auto& remark : report.remarks) {
            CHECK_THAT(remark,
                       contains("the stamps are equal") || contains("the versions are equal"));
        }
    }
}

TEST_CASE("a strategy that prefers a side is not symmetric, which is a remark", "[testing]") {
    const auto samples = one_sample();
    for (const auto strategy : {ConflictStrategy::remote_wins, ConflictStrategy::local_wins}) {
        const auto report = check_resolver(Resolver{strategy}, samples);
        CHECK_FALSE(report.symmetric);
        CHECK(report.holds());
        REQUIRE_FALSE(report.remarks.empty());
        CHECK_THAT(report.remarks.front(), contains(samples.front().name) &&
                                               contains("not symmetric") && contains("oat milk") &&
                                               contains("soy milk"));
    }
    CHECK_FALSE(
        check_resolver(Resolver{ConflictStrategy::merge, MergePolicy::local}, samples).symmetric);
}

TEST_CASE("where each side insists on its own state a remark says so", "[testing]") {
    const auto local_wins = check_resolver(Resolver{ConflictStrategy::local_wins}, one_sample());
    REQUIRE(local_wins.remarks.size() == 2);
    CHECK_THAT(local_wins.remarks.back(), contains("insists on its own state"));

    CHECK(check_resolver(Resolver{ConflictStrategy::remote_wins}, one_sample()).remarks.size() ==
          1);
}

TEST_CASE("choosing a side makes nothing new, from the first round on", "[testing]") {
    for (const auto strategy : {ConflictStrategy::remote_wins, ConflictStrategy::local_wins,
                                ConflictStrategy::latest_wins}) {
        CHECK(check_resolver(Resolver{strategy}, {.rounds = 1}).holds());
    }
    CHECK(check_resolver(Resolver{ConflictStrategy::merge}, {.rounds = 2}).holds());
}

TEST_CASE("what is left to the user is settled, and a remark says so", "[testing]") {
    const auto manual = check_resolver(Resolver{ConflictStrategy::manual}, one_sample());
    CHECK(manual.holds());
    CHECK(manual.symmetric);
    REQUIRE(manual.remarks.size() == 1);
    CHECK_THAT(manual.remarks.front(), contains("left to the user"));

    // Decides at first, and asks the user where it would have to decide again.
    const Resolver once{[](const Record* base, const Record& local, const Record& remote) {
        const bool is_first = base != nullptr && base->version == 1 && local.version == 3;
        return is_first || remote.version == 3 ? with_title_added(remote, "!")
                                               : local.with_status(SyncStatus::conflicted);
    }};
    const auto report = check_resolver(once, one_sample());
    INFO(to_string(report));
    CHECK(report.holds());
    REQUIRE_FALSE(report.remarks.empty());
    CHECK_THAT(report.remarks.back(), contains("left to the user when it meets results"));
}

TEST_CASE("a resolver that throws is reported for each sample, and nothing comes out",
          "[testing]") {
    const Resolver throws{
        [](const Record&, const Record&) -> Record { throw std::out_of_range("no idea"); }};
    const auto report = check_resolver(throws, without_ties());

    CHECK(broken(report) == "answers ");
    CHECK(report.findings.size() == 4 * 34);  // timings without ties, pairs that are conflicts
    CHECK_THAT(to_string(report), contains("answers: both edit one field; local is later") &&
                                      contains("soy milk") && contains("no idea"));

    const Resolver throws_an_int{[](const Record&, const Record&) -> Record { throw 7; }};
    CHECK(broken(check_resolver(throws_an_int, one_sample())) == "answers ");
}

TEST_CASE("a resolver that throws in the other role is found", "[testing]") {
    const Resolver throws{[](const Record& local, const Record& remote) -> Record {
        if (remote.version > local.version) throw std::out_of_range("no idea");
        return local;
    }};
    REQUIRE(one_sample().front().local.version > one_sample().front().remote.version);
    const auto report = check_resolver(throws, one_sample());
    CHECK(broken(report) == "answers ");
    REQUIRE(report.findings.size() == 1);
    CHECK_THAT(to_string(report), contains("with the roles swapped: no idea"));
}

TEST_CASE("a resolver that throws now and then is found", "[testing]") {
    int calls = 0;
    const Resolver throws{[&](const Record& local, const Record&) -> Record {
        if (++calls == 2) throw std::out_of_range("no idea");
        return local;
    }};
    const auto report = check_resolver(throws, one_sample());
    CHECK(broken(report) == "answers deterministic ");
    CHECK_THAT(to_string(report), contains("asked again at once: no idea"));
}

TEST_CASE("a resolver that throws at its own results is found", "[testing]") {
    const Resolver throws{[](const Record& local, const Record& remote) -> Record {
        if (remote.data["title"] == "both") throw std::out_of_range("no idea");
        auto winner = local;
        winner.data["title"] = "both";
        return winner;
    }};
    const auto report = check_resolver(throws, one_sample());
    CHECK(broken(report) == "answers ");
    REQUIRE(report.findings.size() == 1);
    CHECK_THAT(to_string(report), contains("asked about its own results: no idea"));
}

TEST_CASE("a result that cannot be stored is found", "[testing]") {
    const Resolver not_a_number{[](const Record& local, const Record&) {
        return local.with_data({{"title", std::numeric_limits<double>::quiet_NaN()}});
    }};
    const auto report = check_resolver(not_a_number, one_sample());
    CHECK(broken(report) == "answers ");
    CHECK_THAT(to_string(report), contains("/title") && contains("not finite"));

    const ConflictResolver<Task> in_a_struct{
        [](const SyncRecord<Task>& local, const SyncRecord<Task>&) {
            return local.with_data({"milk", std::numeric_limits<double>::infinity()});
        }};
    CHECK(broken(check_resolver(in_a_struct, task_samples())) == "answers ");
}

TEST_CASE("a resolver that changes the id is found", "[testing]") {
    const Resolver renames{[](const Record& local, const Record&) {
        auto winner = local;
        winner.id += "-copy";
        return winner;
    }};
    const auto report = check_resolver(renames, one_sample());
    CHECK(broken(report) == "keeps_id ");
    REQUIRE(report.findings.size() == 1);
    CHECK_THAT(to_string(report), contains("keeps_id: ") && contains("\"sample-copy\""));
}

TEST_CASE("a resolver that tosses a coin is found", "[testing]") {
    std::uint64_t calls = 0;
    const Resolver tosses{[&](const Record& local, const Record& remote) {
        return ++calls % 2 == 0 ? local : remote;
    }};
    const auto report = check_resolver(tosses, one_sample());
    CHECK(broken(report) == "deterministic ");
    REQUIRE(report.findings.size() == 1);
    CHECK_THAT(to_string(report), contains("asked again at once"));
}

TEST_CASE("a resolver that counts its calls is found", "[testing]") {
    int calls = 0;
    const Resolver counts{[&](const Record& local, const Record&) {
        auto winner = local;
        winner.data["calls"] = ++calls;
        return winner;
    }};
    CHECK(broken(check_resolver(counts, one_sample())) == "deterministic settles ");
}

TEST_CASE("a resolver that remembers other questions is found", "[testing]") {
    // Keeps to what it said the last time it was asked something else.
    json last;
    bool takes_local = false;
    const Resolver remembers{[&](const Record* base, const Record& local, const Record& remote) {
        const json question{base == nullptr ? json() : base->data, local.data, remote.data};
        if (question != last) takes_local = !takes_local;
        last = question;
        return takes_local ? local : remote;
    }};
    const auto report = check_resolver(remembers, conflict_samples<json>({1, 2, 3}));
    CHECK(broken(report) == "deterministic ");
    CHECK_THAT(to_string(report), contains("asked again after other questions"));
}

TEST_CASE("a resolver that appends at each conflict never settles", "[testing]") {
    const Resolver appends{[](const Record& local, const Record& remote) {
        return with_title_added(local.is_deleted() ? remote : local, " (merged)");
    }};
    const auto report = check_resolver(appends, one_sample());
    CHECK(broken(report) == "settles ");
    REQUIRE(report.findings.size() == 1);
    CHECK_THAT(to_string(report), contains("settles: both edit one field") &&
                                      contains("in round 4") && contains("milk (merged) (merged)"));
    CHECK_THAT(to_string(check_resolver(appends, one_sample(), {.rounds = 1})),
               contains("in round 1"));
    CHECK_FALSE(check_resolver(appends, one_sample(), {.rounds = 0}).settles);
}

TEST_CASE("a resolver that goes round in a circle never settles", "[testing]") {
    const Resolver rotates{[](const Record& local, const Record& remote) {
        const int turn = remote.data.value("turn", 0);
        auto winner = local;
        winner.data["turn"] = (turn + 1) % 3;
        return winner;
    }};
    CHECK(broken(check_resolver(rotates, one_sample())) == "settles ");
}

TEST_CASE("a counter that adds both sides' steps adds them again when an ack is lost",
          "[testing]") {
    CHECK(broken(check_resolver(adding(), conflict_samples<json>({1, 2, 4}))) == "settles ");
}

TEST_CASE("what is reported as unsettled happens between two engines that lose their acks",
          "[testing]") {
    MemoryRemote<json> server;
    ::test::Device one{1, adding()};
    ::test::Device two{2, adding()};
    one.edit("sample", 1);
    one.sync(server.remote());
    two.sync(server.remote());
    one.edit("sample", 2);
    two.edit("sample", 4);

    server.lose_next_ack(1000);
    two.sync(server.remote());
    std::set<int> made;
    for (int round = 1; round <= 4; ++round) {
        for (auto* device : {&one, &two}) {
            device->sync(server.remote());
            made.insert(server.find("sample")->data.get<int>());
        }
    }
    CHECK(made.size() == 8);  // each time another state, and only the first was right
    CHECK(*made.begin() == 5);

    server.lose_next_ack(0);
    for (auto* device : {&one, &two, &one}) device->sync(server.remote());
    CHECK(one.data("sample") == two.data("sample"));
    CHECK(one.data("sample") != 5);
}

TEST_CASE("a resolver that takes the larger value settles and is symmetric", "[testing]") {
    const Resolver largest{[](const Record& local, const Record& remote) {
        if (local.is_deleted() || remote.is_deleted()) return local.is_deleted() ? local : remote;
        return local.with_data(std::max(local.data.get<int>(), remote.data.get<int>()));
    }};
    const auto report = check_resolver(largest, conflict_samples<json>({1, 2, 4}));
    INFO(to_string(report));
    CHECK(report.holds());
    CHECK(report.symmetric);
    CHECK(report.remarks.empty());
}

TEST_CASE("data that is not equal to itself never settles", "[testing]") {
    const ConflictResolver<Odd> resolver{ConflictStrategy::remote_wins};
    auto samples = conflict_samples<Odd>({{1}, {2}});
    samples.resize(1);
    const auto report = check_resolver(resolver, samples);
    CHECK_FALSE(report.settles);
    CHECK_THAT(to_string(report), contains("do not end up with the same record"));
}

TEST_CASE("samples that check nothing are findings", "[testing]") {
    const Resolver resolver;
    CHECK_THAT(to_string(check_resolver(resolver, Samples{})), contains("nothing was checked"));

    auto agreed = one_sample();
    agreed.front().local.data = agreed.front().remote.data;
    CHECK_THAT(to_string(check_resolver(resolver, agreed)), contains("none is a conflict"));

    auto other_id = conflict_samples();
    other_id.front().remote.id = "other";
    const auto report = check_resolver(resolver, other_id);
    REQUIRE(report.findings.size() == 1);
    CHECK_THAT(to_string(report), contains(other_id.front().name) && contains("ids"));

    auto unstorable = conflict_samples();
    unstorable.front().base->updated_at = Timestamp::max();
    CHECK_FALSE(check_resolver(resolver, unstorable).holds());
}

TEST_CASE("a resolver sees the statuses that the engine shows it", "[testing]") {
    std::vector<SyncStatus> seen;
    const Resolver looks{[&](const Record* base, const Record& local, const Record& remote) {
        if (base != nullptr) seen.push_back(base->status);
        seen.push_back(local.status);
        seen.push_back(remote.status);
        return remote;
    }};
    auto samples = one_sample();
    samples.front().base->status = SyncStatus::conflicted;
    samples.front().local.status = SyncStatus::conflicted;
    samples.front().remote.status = SyncStatus::conflicted;
    CHECK(check_resolver(looks, samples).holds());
    REQUIRE(seen.size() % 3 == 0);
    for (std::size_t n = 0; n < seen.size(); n += 3) {
        CHECK(seen[n] == SyncStatus::synced);
        CHECK(seen[n + 1] == SyncStatus::modified);
        CHECK(seen[n + 2] == SyncStatus::synced);
    }
}

TEST_CASE("a remote that keeps no times has none for the results either", "[testing]") {
    std::size_t asked = 0;
    const Resolver looks{[&](const Record* base, const Record& local, const Record& remote) {
        ++asked;
        CHECK((base == nullptr || base->updated_at == Timestamp{}));
        CHECK(local.updated_at != Timestamp{});
        CHECK(remote.updated_at == Timestamp{});
        return with_title_added(local, "!");
    }};
    auto samples = conflict_samples();
    samples.erase(
        std::remove_if(samples.begin(), samples.end(),
                       [](const auto& each) { return each.remote.updated_at != Timestamp{}; }),
        samples.end());
    samples.resize(1);
    CHECK_FALSE(check_resolver(looks, samples).settles);
    CHECK(asked > 8);
}

TEST_CASE("states that the devices take for stale reads still settle", "[testing]") {
    auto samples = one_sample();
    auto& sample = samples.front();
    sample.base->version = 9;
    sample.base->updated_at = sample.local.updated_at + std::chrono::hours{1};
    for (const auto strategy : {ConflictStrategy::remote_wins, ConflictStrategy::local_wins,
                                ConflictStrategy::latest_wins, ConflictStrategy::merge}) {
        const auto report = check_resolver(Resolver{strategy}, samples);
        INFO(to_string(report));
        CHECK(report.holds());
    }
}

TEST_CASE("a report shows its first findings and counts the others", "[testing]") {
    ResolverReport report;
    for (int n = 0; n < 12; ++n) report.findings.push_back("finding " + std::to_string(n));
    CHECK_THAT(to_string(report), contains("finding 9\nand 2 more\n"));
    report.findings.resize(2);
    CHECK(to_string(report) == "finding 0\nfinding 1\n");
}

}  // namespace test_of_resolver_laws
