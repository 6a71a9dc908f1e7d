// SPDX-License-Identifier: MIT
#include <sync_engine/conflict/conflict_resolver.hpp>

#include "support/catch.hpp"

#include <nlohmann/json.hpp>

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

namespace test_of_conflict_resolver {

using namespace std::chrono_literals;
using namespace sync_engine;
using namespace sync_engine::test;
using nlohmann::json;

namespace {

const Timestamp noon{std::chrono::sys_days{std::chrono::year{2026} / 5 / 4} + 12h};

using Record = SyncRecord<>;
using Resolver = ConflictResolver<>;

Record state(json data, Timestamp at = noon, std::uint64_t version = 2) {
    return {.id = "a",
            .data = std::move(data),
            .status = SyncStatus::modified,
            .updated_at = at,
            .version = version};
}

Record deletion(Timestamp at = noon, std::uint64_t version = 2) {
    return state("any", at, version).with_status(SyncStatus::deleted);
}

struct Task {
    std::string title{};
    int priority = 0;
    bool is_done = false;

    bool operator==(const Task&) const = default;
    NLOHMANN_DEFINE_TYPE_INTRUSIVE(Task, title, priority, is_done)
};

/// Some JSON is no range, although each of its numbers is fine.
struct Range {
    int low = 0;
    int high = 0;

    bool operator==(const Range&) const = default;
    friend void to_json(json& out, const Range& range) {
        out = {{"low", range.low}, {"high", range.high}};
    }
    friend void from_json(const json& in, Range& range) {
        if (in.at("low") > in.at("high")) throw std::runtime_error("upside down");
        range = {in.at("low").get<int>(), in.at("high").get<int>()};
    }
};

Record plain_function(const Record& local, const Record&) {
    return local;
}

}  // namespace

TEST_CASE("a resolver takes the latest unless told otherwise", "[conflict]") {
    CHECK(Resolver{}.strategy() == ConflictStrategy::latest_wins);
}

TEST_CASE("remote_wins and local_wins hold whatever the stamps say, for deletions too",
          "[conflict]") {
    const Resolver remote_wins{ConflictStrategy::remote_wins};
    const Resolver local_wins{ConflictStrategy::local_wins};
    for (const auto& local : {state(1, noon + 1h, 9), state(1, noon - 1h, 1), deletion()}) {
        for (const auto& remote : {state(2), deletion(), state(2, Timestamp{})}) {
            CHECK(remote_wins.resolve(local, remote) == remote);
            CHECK(local_wins.resolve(local, remote) == local);
        }
    }
}

TEST_CASE("latest_wins goes by time, whatever the versions say", "[conflict]") {
    const Resolver resolver{ConflictStrategy::latest_wins};
    const auto remote = state(2, noon, 5);

    CHECK(resolver.resolve(state(1, noon + 1us, 1), remote).data == 1);
    CHECK(resolver.resolve(state(1, noon - 1us, 9), remote) == remote);
}

TEST_CASE("a tie of times goes to the remote, so that all devices agree", "[conflict]") {
    const Resolver resolver{ConflictStrategy::latest_wins};

    CHECK(resolver.resolve(state(1, noon, 9), state(2, noon, 2)) == state(2, noon, 2));
    CHECK(resolver.resolve(deletion(noon, 9), state(2)) == state(2));
    CHECK(resolver.resolve(state(1, noon, 9), deletion()) == deletion());
}

TEST_CASE("latest_wins decides between an edit and a deletion by time", "[conflict]") {
    const Resolver resolver{ConflictStrategy::latest_wins};

    CHECK(resolver.resolve(deletion(noon + 1s), state(2)) == deletion(noon + 1s));
    CHECK(resolver.resolve(deletion(noon - 1s), state(2)) == state(2));
    CHECK(resolver.resolve(state(1, noon + 1s), deletion()) == state(1, noon + 1s));
    CHECK(resolver.resolve(state(1, noon - 1s), deletion()) == deletion());
}

TEST_CASE("where the remote has no times latest_wins goes by version, then to the remote",
          "[conflict]") {
    const Resolver resolver{ConflictStrategy::latest_wins};
    const auto remote = state(2, Timestamp{}, 5);

    CHECK(resolver.resolve(state(1, noon, 6), remote).data == 1);
    CHECK(resolver.resolve(state(1, noon, 5), remote) == remote);
    CHECK(resolver.resolve(state(1, noon, 4), remote) == remote);
    CHECK(resolver.resolve(state(1, Timestamp{}, 6), remote).data == 1);
}

TEST_CASE("merge keeps what each side alone has changed", "[conflict]") {
    const Resolver resolver{ConflictStrategy::merge};
    const auto base = state({{"a", 1}, {"b", 1}}).with_tags({"old"});
    const auto local = state({{"a", 2}, {"b", 1}}, noon + 1s, 7).with_tags({"old", "ours"});
    const auto remote = state({{"a", 1}, {"b", 2}}).with_tags({"theirs"});

    const auto winner = resolver.resolve(&base, local, remote);

    CHECK(winner.id == "a");
    CHECK(winner.data == json{{"a", 2}, {"b", 2}});
    CHECK(winner.tags == TagSet{"ours", "theirs"});
    CHECK_FALSE(winner.is_deleted());
}

TEST_CASE("merge gives a path that both sides changed to the latest", "[conflict]") {
    const Resolver resolver{ConflictStrategy::merge};
    const auto base = state({{"a", 1}});
    const auto remote = state({{"a", 3}});

    CHECK(resolver.resolve(&base, state({{"a", 2}}, noon + 1s), remote).data == json{{"a", 2}});
    CHECK(resolver.resolve(&base, state({{"a", 2}}, noon - 1s), remote).data == json{{"a", 3}});
    CHECK(resolver.resolve(&base, state({{"a", 2}}, noon, 9), remote).data == json{{"a", 3}});
    CHECK(
        resolver.resolve(&base, state({{"a", 2}}, noon, 9), state({{"a", 3}}, Timestamp{})).data ==
        json{{"a", 2}});
}

TEST_CASE("merge gives a path that both sides changed to the side it is told", "[conflict]") {
    const Resolver ours{ConflictStrategy::merge, MergePolicy::local};
    const Resolver theirs{ConflictStrategy::merge, MergePolicy::remote};
    const auto base = state({{"a", 1}, {"b", 1}});
    const auto early = state({{"a", 2}, {"b", 2}}, noon - 1h);
    const auto late = state({{"a", 3}, {"b", 1}}, noon + 1h);

    CHECK(ours.resolve(&base, early, late).data == json{{"a", 2}, {"b", 2}});
    CHECK(theirs.resolve(&base, late, early).data == json{{"a", 2}, {"b", 2}});
}

TEST_CASE("merge without a base is the union of keys and tags", "[conflict]") {
    const Resolver resolver{ConflictStrategy::merge};
    const auto local = state({{"a", 1}, {"both", "ours"}}, noon + 1s).with_tags({"x"});
    const auto remote = state({{"b", 2}, {"both", "theirs"}}).with_tags({"y"});
    const json united{{"a", 1}, {"b", 2}, {"both", "ours"}};

    CHECK(resolver.resolve(local, remote).data == united);
    CHECK(resolver.resolve(local, remote).tags == TagSet{"x", "y"});
    const auto dead = deletion();
    CHECK(resolver.resolve(&dead, local, remote).data == united);
    CHECK(resolver.resolve(&dead, local, remote).tags == TagSet{"x", "y"});
}

TEST_CASE("merge keeps an edit against a deletion, whichever is later", "[conflict]") {
    const Resolver resolver{ConflictStrategy::merge};
    const auto base = state(0);
    for (const auto at : {noon - 1h, noon, noon + 1h}) {
        CHECK(resolver.resolve(&base, state(1), deletion(at)) == state(1));
        CHECK(resolver.resolve(&base, deletion(at), state(2)) == state(2));
        CHECK(resolver.resolve(deletion(at), state(2)) == state(2));
        CHECK(resolver.resolve(&base, deletion(), deletion(at)).is_deleted());
    }
}

TEST_CASE("merge does not take our own unanswered edit for another's", "[conflict]") {
    const Resolver resolver{ConflictStrategy::merge, MergePolicy::remote};
    const auto base = state({{"a", 1}, {"b", 1}}).with_tags({});
    const auto sent = state({{"a", 2}, {"b", 1}}).with_tags({"sent"});
    const auto local = state({{"a", 3}, {"b", 1}}).with_tags({});
    const auto remote = state({{"a", 2}, {"b", 9}}).with_tags({"sent", "theirs"});

    const auto winner = resolver.resolve(&base, local, remote, {&sent});
    CHECK(winner.data == json{{"a", 3}, {"b", 9}});
    CHECK(winner.tags == TagSet{"theirs"});

    CHECK(resolver.resolve(&base, local, remote).data == json{{"a", 2}, {"b", 9}});
}

TEST_CASE("merge knows every state that was sent, and a deletion that was sent has none",
          "[conflict]") {
    const Resolver resolver{ConflictStrategy::merge, MergePolicy::remote};
    const auto base = state({{"a", 1}, {"b", 1}});
    const auto first = state({{"a", 2}, {"b", 1}});
    const auto second = state({{"a", 2}, {"b", 2}});
    const auto gone = deletion();
    const auto local = state({{"a", 3}, {"b", 3}});

    CHECK(
        resolver
            .resolve(&base, local, state({{"a", 2}, {"b", 1}, {"c", 1}}), {&first, &gone, &second})
            .data == json{{"a", 3}, {"b", 3}, {"c", 1}});
    CHECK(
        resolver
            .resolve(&base, local, state({{"a", 2}, {"b", 2}, {"c", 1}}), {&first, &gone, &second})
            .data == json{{"a", 3}, {"b", 3}, {"c", 1}});
    CHECK(resolver.resolve(&base, local, state({{"a", 2}, {"b", 2}, {"c", 1}}), {&first}).data ==
          json{{"a", 3}, {"b", 2}, {"c", 1}});
}

TEST_CASE("merge goes into the members of a struct", "[conflict]") {
    const ConflictResolver<Task> resolver{ConflictStrategy::merge};
    const SyncRecord<Task> base{.id = "a", .data = {"write", 1, false}, .updated_at = noon};
    const auto local = base.with_data({"write tests", 1, false});
    const auto remote = base.with_data({"write", 5, true});

    CHECK(resolver.resolve(&base, local, remote).data == Task{"write tests", 5, true});
}

TEST_CASE("merge goes into the keys of a map", "[conflict]") {
    using Counts = std::map<std::string, int>;
    const ConflictResolver<Counts> resolver{ConflictStrategy::merge};
    const SyncRecord<Counts> base{.id = "a", .data = {{"a", 1}, {"b", 1}}, .updated_at = noon};
    const auto local = base.with_data({{"a", 2}, {"b", 1}, {"c", 1}});
    const auto remote = base.with_data({{"a", 1}});

    CHECK(resolver.resolve(&base, local, remote).data == Counts{{"a", 2}, {"c", 1}});
}

TEST_CASE("merge of values that are no objects takes one of them", "[conflict]") {
    const ConflictResolver<std::string> resolver{ConflictStrategy::merge, MergePolicy::local};
    const SyncRecord<std::string> base{.id = "a", .data = "one", .updated_at = noon};

    CHECK(resolver.resolve(&base, base.with_data("two"), base.with_data("three")).data == "two");
    CHECK(resolver.resolve(&base, base, base.with_data("three")).data == "three");
}

TEST_CASE("a merge that does not fit the type of the data is an error of the library",
          "[conflict]") {
    const ConflictResolver<Range> resolver{ConflictStrategy::merge};
    const SyncRecord<Range> base{.id = "a", .data = {1, 9}, .updated_at = noon};
    const auto decide = [&] {
        static_cast<void>(resolver.resolve(&base, base.with_data({8, 9}), base.with_data({1, 2})));
    };

    CHECK(resolver.resolve(&base, base.with_data({5, 9}), base.with_data({1, 6})).data ==
          Range{5, 6});
    CHECK_THAT(message_of<Error>(decide), contains("upside down"));
    CHECK(resolver.resolved_count() == 1);
}

TEST_CASE("manual leaves the decision to the user", "[conflict]") {
    const Resolver resolver{ConflictStrategy::manual};
    const auto local = state(1);

    CHECK(resolver.resolve(local, state(2)) == local.with_status(SyncStatus::conflicted));
    CHECK(resolver.resolve(deletion(), state(2)).status == SyncStatus::conflicted);
    CHECK(resolver.resolved_count() == 0);
}

TEST_CASE("a function of two states decides", "[conflict]") {
    const Resolver remote{[](const auto&, const auto& theirs) { return theirs; }};
    const Resolver named{plain_function};
    const Resolver fresh{[](const Record& local, const Record& theirs) {
        return local.with_data(local.data.get<int>() + theirs.data.get<int>());
    }};

    CHECK(remote.strategy() == ConflictStrategy::custom);
    CHECK(remote.resolve(state(1), state(2)) == state(2));
    CHECK(named.resolve(state(1), state(2)) == state(1));
    CHECK(fresh.resolve(state(1), state(2)).data == 3);
}

TEST_CASE("a function of three states is given the base, or null where there is none",
          "[conflict]") {
    const Resolver resolver{[](const auto* base, const auto& local, const auto& remote) {
        const int common = base == nullptr ? 0 : base->data.template get<int>();
        return local.with_data(local.data.template get<int>() + remote.data.template get<int>() -
                               common);
    }};
    const auto base = state(10);

    CHECK(resolver.resolve(&base, state(13), state(15)).data == 18);
    CHECK(resolver.resolve(state(13), state(15)).data == 28);
}

TEST_CASE("a function may delete, and may leave the decision to the user", "[conflict]") {
    const Resolver deleting{
        [](const auto& local, const auto&) { return local.with_status(SyncStatus::deleted); }};
    const Resolver asking{
        [](const auto& local, const auto&) { return local.with_status(SyncStatus::conflicted); }};

    CHECK(deleting.resolve(state(1), state(2)).is_deleted());
    CHECK(deleting.resolved_count() == 1);
    CHECK(asking.resolve(state(1), state(2)).status == SyncStatus::conflicted);
    CHECK(asking.resolved_count() == 0);
}

TEST_CASE("an empty function, and custom without one, are refused at once", "[conflict]") {
    using Two = std::function<Record(const Record&, const Record&)>;
    using Three = std::function<Record(const Record*, const Record&, const Record&)>;
    using ByValue = std::function<Record(Record, Record)>;
    using Plain = Record (*)(const Record&, const Record&);

    CHECK_THROWS_AS(Resolver{Two{}}, std::invalid_argument);
    CHECK_THROWS_AS(Resolver{Three{}}, std::invalid_argument);
    CHECK_THROWS_AS(Resolver{ByValue{}}, std::invalid_argument);
    CHECK_THROWS_AS(Resolver{static_cast<Plain>(nullptr)}, std::invalid_argument);
    CHECK_THROWS_AS(Resolver{ConflictStrategy::custom}, std::invalid_argument);
}

TEST_CASE("what a function throws comes out, and nothing was decided", "[conflict]") {
    const Resolver resolver{
        [](const Record&, const Record&) -> Record { throw std::out_of_range("no idea"); }};

    CHECK_THROWS_AS(resolver.resolve(state(1), state(2)), std::out_of_range);
    CHECK(resolver.resolved_count() == 0);
}

TEST_CASE("a function that changes the id is refused, and nothing was decided", "[conflict]") {
    const Resolver resolver{[](const Record& local, const Record&) {
        auto other = local;
        other.id = "b";
        return other;
    }};
    const auto decide = [&] { static_cast<void>(resolver.resolve(state(1), state(2))); };

    CHECK_THROWS_AS(decide(), IdChanged);
    CHECK_THAT(message_of<InvalidRecord>(decide), contains("\"a\"") && contains("\"b\""));
    CHECK(resolver.resolved_count() == 0);
}

TEST_CASE("a resolver counts what it decided, together with its copies", "[conflict]") {
    const Resolver resolver{ConflictStrategy::remote_wins};
    const auto copy = resolver;
    const Resolver other{ConflictStrategy::remote_wins};

    static_cast<void>(resolver.resolve(state(1), state(2)));
    static_cast<void>(copy.resolve(state(1), state(2)));
    static_cast<void>(copy.resolve(nullptr, state(1), state(2)));

    CHECK(resolver.resolved_count() == 3);
    CHECK(copy.resolved_count() == 3);
    CHECK(other.resolved_count() == 0);
}

TEST_CASE("a listed conflict that a strategy decides is counted", "[conflict]") {
    const auto listed = state(1, noon + 1s).with_status(SyncStatus::conflicted);
    for (const auto strategy :
         {ConflictStrategy::local_wins, ConflictStrategy::latest_wins, ConflictStrategy::merge}) {
        const Resolver resolver{strategy};

        CHECK(resolver.resolve(listed, state(2)).data == 1);
        CHECK(resolver.resolved_count() == 1);
    }
}

TEST_CASE("of shared records a whole winner is answered itself, and counted", "[conflict]") {
    const auto ours = std::make_shared<const Record>(state({{"n", 1}}, noon + 1s));
    const auto theirs = std::make_shared<const Record>(state({{"n", 2}}));

    const auto winner_by = [&](const Resolver& resolver) {
        const auto winner = resolver.resolve(nullptr, ours, theirs);
        CHECK(resolver.resolved_count() == 1);
        CHECK(*winner == resolver.resolve(nullptr, *ours, *theirs));
        return winner;
    };
    CHECK(winner_by(Resolver{ConflictStrategy::local_wins}) == ours);
    CHECK(winner_by(Resolver{ConflictStrategy::latest_wins}) == ours);
    CHECK(winner_by(Resolver{ConflictStrategy::remote_wins}) == theirs);
    CHECK(winner_by(Resolver{ConflictStrategy::merge})->data == json{{"n", 1}});
    CHECK(winner_by(Resolver{[](const Record&, const Record& remote) { return remote; }}) !=
          theirs);

    const Resolver manual{ConflictStrategy::manual};
    CHECK(manual.resolve(nullptr, ours, theirs)->status == SyncStatus::conflicted);
    CHECK(manual.resolved_count() == 0);

    const auto stranger = std::make_shared<const Record>(Record{.id = "other"});
    CHECK_THROWS_AS((void)Resolver{ConflictStrategy::remote_wins}.resolve(nullptr, ours, stranger),
                    IdChanged);
}

TEST_CASE("a function of JSON is no resolver: it would see records where it means data",
          "[conflict]") {
    CHECK_FALSE(std::is_constructible_v<Resolver, json (*)(const json&, const json&)>);
    CHECK_FALSE(std::is_constructible_v<Resolver, json (*)(const Record&, const Record&)>);
    CHECK_FALSE(
        std::is_constructible_v<Resolver, json (*)(const Record*, const Record&, const Record&)>);
    CHECK(std::is_constructible_v<Resolver, Record (*)(const Record&, const Record&)>);
}

TEST_CASE("a resolver decides on many threads at once", "[conflict][threads]") {
    const Resolver resolver{ConflictStrategy::merge};
    std::vector<std::thread> threads;
    for (int n = 0; n < 4; ++n) {
        threads.emplace_back([copy = resolver] {
            for (int each = 0; each < 50; ++each) {
                static_cast<void>(copy.resolve(state({{"a", each}}), state({{"b", each}})));
            }
        });
    }
    for (auto& thread : threads) thread.join();

    CHECK(resolver.resolved_count() == 200);
}

}  // namespace test_of_conflict_resolver
