// SPDX-License-Identifier: MIT
#include <sync_engine/conflict/conflict_resolver.hpp>
#include <sync_engine/record/sync_record.hpp>
#include <sync_engine/remote/memory_remote.hpp>
#include <sync_engine/remote/remote.hpp>
#include <sync_engine/store/local_store.hpp>
#include <sync_engine/sync/sync_engine.hpp>
#include <sync_engine/testing/manual_clock.hpp>

#include "support/catch.hpp"
#include "support/scenario.hpp"

#include <nlohmann/json.hpp>

#include <chrono>
#include <functional>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace scenario_old_and_new_app {

// What we do not know, we keep: two versions of one app share a server of JSON, and the older one
// has no place for what the newer one writes.

using namespace std::chrono_literals;
using namespace sync_engine;
using ::test::Json;
using ::test::Server;

namespace {

struct Place {
    std::string street{};

    bool operator==(const Place&) const = default;
    NLOHMANN_DEFINE_TYPE_INTRUSIVE(Place, street)
};

/// As the old app has it.
struct OldNote {
    std::string title{};
    std::optional<Place> place{};

    bool operator==(const OldNote&) const = default;

    friend void to_json(Json& to, const OldNote& note) {
        to = {{"title", note.title}};
        if (note.place) to["place"] = *note.place;
    }
    friend void from_json(const Json& from, OldNote& note) {
        note = {.title = from.at("title")};
        if (from.contains("place")) note.place = from["place"].get<Place>();
    }
};

/// As the new app has it. A place has a `geo`, which the new app insists on.
struct NewPlace {
    std::string street{};
    int geo = 0;

    bool operator==(const NewPlace&) const = default;
    NLOHMANN_DEFINE_TYPE_INTRUSIVE(NewPlace, street, geo)
};

struct NewNote {
    std::string title{};
    std::optional<NewPlace> place{};
    std::optional<std::string> due{};

    bool operator==(const NewNote&) const = default;

    friend void to_json(Json& to, const NewNote& note) {
        to = {{"title", note.title}};
        if (note.place) to["place"] = *note.place;
        if (note.due) to["due"] = *note.due;
    }
    friend void from_json(const Json& from, NewNote& note) {
        note = {.title = from.at("title")};
        if (from.contains("place")) note.place = from["place"].get<NewPlace>();
        if (from.contains("due")) note.due = from["due"].get<std::string>();
    }
};

template <class To, class From>
SyncRecord<To> as(const SyncRecord<From>& record) {
    return Json(record).template get<SyncRecord<To>>();
}

template <class To, class From>
std::optional<SyncRecord<To>> as(const std::optional<SyncRecord<From>>& record) {
    if (!record) return std::nullopt;
    return as<To>(*record);
}

/// The server as an app with a struct for its data sees it: JSON goes over the wire.
template <class Data>
Remote<Data> over_json(Server& server) {
    const auto get = [](auto future) { return future.get(); };
    const Remote<Json> remote = server.remote();
    return {.push =
                [=](PushBatch<Data> batch) {
                    PushBatch<Json> sent;
                    for (const auto& change : batch.changes) {
                        sent.changes.push_back({as<Json>(change.record), as<Json>(change.base),
                                                change.operation_id, change.attempt});
                    }
                    PushReport<Data> report;
                    for (const auto& each : remote.push(std::move(sent), get)) {
                        report.push_back({each.kind, each.id, each.revision, as<Data>(each.remote),
                                          each.message, each.after});
                    }
                    return make_ready_future(std::move(report));
                },
            .pull =
                [=](PullRequest request) {
                    const auto read = remote.pull(std::move(request), get);
                    PullPage<Data> page;
                    for (const auto& record : read.records) {
                        page.records.push_back(as<Data>(record));
                    }
                    page.cursor = read.cursor;
                    page.has_more = read.has_more;
                    return make_ready_future(std::move(page));
                }};
}

/// One version of the app on a device of its own.
template <class Data>
struct App {
    using Resolver = ConflictResolver<Data>;

    App(const testing::ManualClock& clock, std::uint64_t seed, Resolver resolver)
        : store({.clock = clock.clock(), .random = ::test::counting_random(seed)}),
          engine(store, std::move(resolver), RetryQueue<Data>{},
                 EngineOptions{.executor = inline_executor(), .poll_interval = 0ms}) {}

    SyncResult sync(Server& server, SyncOptions options = {}) {
        auto result = engine.sync(over_json<Data>(server), std::move(options)).get();
        CHECK(::test::errors_of(result) == "");
        return result;
    }

    /// The whole data of the record "a"; null if there is none.
    [[nodiscard]] Json data() const {
        const auto record = store.get("a");
        return record ? data_json(*record) : Json();
    }

    LocalStore<Data> store;
    SyncEngine<Data> engine;
};

/// Two apps that agree on one note, which the new app has written.
struct Shared {
    using Resolver = ConflictResolver<OldNote>;

    explicit Shared(Resolver resolver = Resolver{}, bool has_place = false)
        : old_app(clock, 1, std::move(resolver)),
          new_app(clock, 2, ConflictResolver<NewNote>{ConflictStrategy::latest_wins}) {
        NewNote note{.title = "one", .due = "May"};
        if (has_place) note.place = NewPlace{"High", 7};
        new_app.store.put({.id = "a", .data = note, .updated_at = clock.now()});
        new_app.sync(server);
        old_app.sync(server);
        clock.advance(1min);
    }

    void old_edit(const std::function<void(OldNote&)>& change) {
        old_app.store.update("a", change);
        clock.advance(1min);
    }
    /// The new app edits and pushes.
    void new_edit(const std::function<void(NewNote&)>& change) {
        new_app.store.update("a", change);
        new_app.sync(server);
        clock.advance(1min);
    }

    [[nodiscard]] Json served() const {
        const auto record = server.find("a");
        return record && !record->is_deleted() ? record->data : Json();
    }

    /// Both apps sync until nothing moves, and see the same.
    void settle() {
        for (int round = 0; round < 2; ++round) {
            old_app.sync(server);
            new_app.sync(server);
        }
        CHECK(old_app.store.pending().empty());
        CHECK(old_app.data() == served());
        CHECK(new_app.data() == served());
    }

    testing::ManualClock clock{};
    Server server{clock.clock()};
    App<OldNote> old_app;
    App<NewNote> new_app;
};

using Resolver = Shared::Resolver;
using Old = SyncRecord<OldNote>;

Old keep_local(const Old& local, const Old&) {
    return local;
}
Old keep_remote(const Old&, const Old& remote) {
    return remote;
}
/// A record of its own, as somebody writes who knows of nothing else.
Old made_afresh(const Old& local, const Old& remote) {
    return {.id = local.id, .data = {.title = local.data.title + "+" + remote.data.title}};
}

Old afresh(std::string title) {
    return {.id = "a", .data = {.title = std::move(title)}};
}

}  // namespace

// Edits.

TEST_CASE("an old app's edit leaves what it does not know as it was", "[scenario]") {
    Shared shared;
    const std::string by = GENERATE("update", "put", "put of a copy", "put_all", "transact");
    CAPTURE(by);
    auto& store = shared.old_app.store;

    if (by == "update") {
        store.update("a", [](OldNote& note) { note.title = "two"; });
    } else if (by == "put") {
        store.put(afresh("two"));
    } else if (by == "put of a copy") {
        store.put(store.get("a")->with_data({.title = "two"}));
    } else if (by == "put_all") {
        store.put_all({afresh("two")});
    } else {
        store.transact([](auto& edits) {
            edits.put(afresh("between"));
            edits.put(afresh("two"));
        });
    }
    shared.settle();

    CHECK(shared.served() == Json{{"title", "two"}, {"due", "May"}});
    CHECK(shared.new_app.store.get("a")->data.due == "May");
}

TEST_CASE("a put of what the store has is no edit", "[scenario]") {
    Shared shared;

    shared.old_app.store.put(
        {.id = "a", .data = {.title = "one"}, .status = SyncStatus::synced, .version = 1});

    CHECK(shared.old_app.store.pending().empty());
}

TEST_CASE("a put of an old copy does not undo what came meanwhile", "[scenario]") {
    Shared shared;
    const auto copy = *shared.old_app.store.get("a");
    shared.new_edit([](NewNote& note) { note.due = "June"; });
    shared.old_app.sync(shared.server);

    shared.old_app.store.put(copy.with_data({.title = "two"}));
    shared.settle();

    CHECK(shared.served() == Json{{"title", "two"}, {"due", "June"}});
}

TEST_CASE("what changes of the unknown alone arrives at an old app", "[scenario]") {
    Shared shared;
    int changes = 0;
    const auto subscription = shared.old_app.store.subscribe([&](const auto&) { ++changes; });

    shared.new_edit([](NewNote& note) { note.due = "June"; });
    CHECK(shared.old_app.sync(shared.server).pulled == 1);
    CHECK(shared.old_app.data() == Json{{"title", "one"}, {"due", "June"}});
    CHECK(changes == 1);

    shared.new_edit([](NewNote& note) { note.due.reset(); });
    shared.old_app.sync(shared.server);
    CHECK(shared.old_app.data() == Json{{"title", "one"}});
    CHECK(shared.old_app.store.get("a")->unknown.empty());
}

TEST_CASE("what is unknown in a nested struct survives with it and goes with it", "[scenario]") {
    Shared shared{Resolver{}, true};

    shared.old_edit([](OldNote& note) { note.place->street = "Low"; });
    shared.settle();
    CHECK(shared.new_app.store.get("a")->data.place == NewPlace{"Low", 7});

    shared.old_edit([](OldNote& note) { note.place.reset(); });
    shared.settle();
    CHECK(shared.served() == Json{{"title", "one"}, {"due", "May"}});
}

TEST_CASE("an object that is made again has nothing of the one that was given up", "[scenario]") {
    Shared shared{Resolver{}, true};

    shared.old_edit([](OldNote& note) { note.place.reset(); });
    shared.old_edit([](OldNote& note) { note.place = Place{"New"}; });

    CHECK(shared.old_app.data() ==
          Json{{"title", "one"}, {"due", "May"}, {"place", {{"street", "New"}}}});
}

TEST_CASE("a new record comes with what fits it", "[scenario]") {
    Shared shared{Resolver{}, true};
    auto copy = shared.old_app.store.get("a")->with_data({.title = "copy"});
    copy.id = "b";

    shared.old_app.store.put(copy);

    CHECK(shared.old_app.store.get("b")->unknown.by_pointer() == Json{{"/due", "May"}});
}

TEST_CASE("giving up an edit brings back the whole record", "[scenario]") {
    Shared shared{Resolver{}, true};
    const auto before = shared.old_app.data();

    shared.old_edit([](OldNote& note) { note.place.reset(); });
    shared.old_app.store.discard_changes("a");

    CHECK(shared.old_app.data() == before);
}

// Deletions.

TEST_CASE("a record that is made again has nothing of the deleted one", "[scenario]") {
    Shared shared;
    const bool is_own = GENERATE(false, true);
    const bool is_sent = GENERATE(false, true);
    CAPTURE(is_own, is_sent);
    if (is_own) {  // the next pull shows what the app has pushed itself
        shared.old_edit([](OldNote& note) { note.title = "two"; });
        shared.old_app.sync(shared.server);
    }

    shared.old_app.store.remove("a");
    if (is_sent) shared.settle();
    shared.old_app.store.put(afresh("again"));
    shared.settle();

    CHECK(shared.served() == Json{{"title", "again"}});
}

TEST_CASE("a deletion that is undone brings back the whole record", "[scenario]") {
    Shared shared;
    const auto copy = *shared.old_app.store.get("a");

    shared.old_app.store.remove("a");
    shared.old_app.store.put(copy);
    shared.settle();

    CHECK(shared.served() == Json{{"title", "one"}, {"due", "May"}});
}

TEST_CASE("an edit that wins over a deletion keeps what it does not know", "[scenario]") {
    const std::string winner = GENERATE("local_wins", "merge", "local", "afresh");
    CAPTURE(winner);
    Shared shared{winner == "local_wins" ? Resolver{ConflictStrategy::local_wins}
                  : winner == "merge"    ? Resolver{ConflictStrategy::merge}
                  : winner == "local"    ? Resolver{keep_local}
                                         : Resolver{made_afresh}};

    shared.old_edit([](OldNote& note) { note.title = "two"; });
    shared.new_app.store.remove("a");
    shared.new_app.sync(shared.server);
    shared.settle();

    CHECK(shared.served().at("due") == "May");
    CHECK(shared.served().at("title") == (winner == "afresh" ? "two+one" : "two"));
}

TEST_CASE("a deletion that carries nothing takes nothing from an edit that wins", "[scenario]") {
    Shared shared{Resolver{ConflictStrategy::local_wins}};

    shared.old_edit([](OldNote& note) { note.title = "two"; });
    shared.server.edit_as_other_device({.id = "a",
                                        .data = {{"title", ""}},
                                        .status = SyncStatus::deleted,
                                        .updated_at = shared.clock.now(),
                                        .version = 9});
    shared.settle();

    CHECK(shared.served() == Json{{"title", "two"}, {"due", "May"}});
}

TEST_CASE("a deletion wins over what it does not know", "[scenario]") {
    Shared shared{Resolver{ConflictStrategy::local_wins}};

    shared.old_app.store.remove("a");
    shared.new_edit([](NewNote& note) { note.due = "June"; });
    shared.settle();

    CHECK(shared.served() == Json());
}

TEST_CASE("a merge keeps an edit of what it does not know against a deletion", "[scenario]") {
    Shared shared{Resolver{ConflictStrategy::merge}};

    shared.old_app.store.remove("a");
    shared.new_edit([](NewNote& note) { note.due = "June"; });
    shared.settle();

    CHECK(shared.served() == Json{{"title", "one"}, {"due", "June"}});
}

// Conflicts.

TEST_CASE("what an old app does not know is the new app's under every strategy", "[scenario]") {
    struct Case {
        std::string name;
        Resolver resolver;
        std::string title;
    };
    const auto strategy = GENERATE(values<Case>({
        {"remote_wins", Resolver{ConflictStrategy::remote_wins}, "theirs"},
        {"local_wins", Resolver{ConflictStrategy::local_wins}, "ours"},
        {"latest_wins", Resolver{ConflictStrategy::latest_wins}, "theirs"},
        {"merge", Resolver{ConflictStrategy::merge}, "theirs"},
        {"merge, ours", Resolver{ConflictStrategy::merge, MergePolicy::local}, "ours"},
        {"local", Resolver{keep_local}, "ours"},
        {"remote", Resolver{keep_remote}, "theirs"},
        {"afresh", Resolver{made_afresh}, "ours+theirs"},
    }));
    CAPTURE(strategy.name);
    Shared shared{strategy.resolver, true};

    shared.old_edit([](OldNote& note) { note.title = "ours"; });
    shared.new_edit([](NewNote& note) {
        note.title = "theirs";
        note.due = "June";
        note.place->geo = 8;
    });
    shared.settle();

    CHECK(shared.served().at("title") == strategy.title);
    CHECK(shared.served().at("due") == "June");
    if (strategy.name != "afresh") {
        CHECK(shared.served().at("place") == Json{{"street", "High"}, {"geo", 8}});
    }
}

TEST_CASE("an edit meets an edit of what it does not know", "[scenario]") {
    const std::string winner = GENERATE("local_wins", "merge");
    CAPTURE(winner);
    Shared shared{winner == "merge" ? Resolver{ConflictStrategy::merge}
                                    : Resolver{ConflictStrategy::local_wins}};

    shared.old_edit([](OldNote& note) { note.title = "two"; });
    shared.new_edit([](NewNote& note) { note.due = "June"; });
    shared.settle();

    CHECK(shared.served() == Json{{"title", "two"}, {"due", "June"}});
}

TEST_CASE("a conflict that a push reveals is no different", "[scenario]") {
    Shared shared{Resolver{ConflictStrategy::local_wins}};

    shared.old_edit([](OldNote& note) { note.title = "two"; });
    bool has_pulled = false;
    auto remote = over_json<OldNote>(shared.server);
    remote.pull = [&, pull = remote.pull](PullRequest request) {
        auto page = pull(std::move(request), [](auto future) { return future.get(); });
        if (!has_pulled) shared.new_edit([](NewNote& note) { note.due = "June"; });
        has_pulled = true;
        return make_ready_future(std::move(page));
    };
    const auto result = shared.old_app.engine.sync(remote).get();

    CHECK(result.conflicts == 1);
    CHECK(result.pushed == 1);
    CHECK(shared.served() == Json{{"title", "two"}, {"due", "June"}});
}

TEST_CASE("what was removed of the unknown stays removed", "[scenario]") {
    Shared shared{Resolver{ConflictStrategy::local_wins}};

    shared.old_edit([](OldNote& note) { note.title = "two"; });
    shared.new_edit([](NewNote& note) { note.due.reset(); });
    shared.settle();

    CHECK(shared.served() == Json{{"title", "two"}});
}

TEST_CASE("an object that comes back brings back what is unknown in it", "[scenario]") {
    const std::string winner = GENERATE("local_wins", "merge");
    CAPTURE(winner);
    Shared shared{winner == "merge" ? Resolver{ConflictStrategy::merge, MergePolicy::local}
                                    : Resolver{ConflictStrategy::local_wins},
                  true};

    shared.old_edit([](OldNote& note) { note.place->street = "Low"; });
    shared.new_edit([](NewNote& note) { note.place.reset(); });
    shared.settle();

    CHECK(shared.new_app.store.get("a")->data.place == NewPlace{"Low", 7});
}

TEST_CASE("a merge sees an edit of the unknown in an object that we give up", "[scenario]") {
    Shared shared{Resolver{ConflictStrategy::merge, MergePolicy::remote}, true};

    shared.old_edit([](OldNote& note) {
        note.title = "two";
        note.place.reset();
    });
    shared.new_edit([](NewNote& note) { note.place->geo = 8; });
    shared.settle();

    CHECK(shared.served() ==
          Json{{"title", "two"}, {"due", "May"}, {"place", {{"street", "High"}, {"geo", 8}}}});
}

TEST_CASE("a merge knows the whole of what was sent", "[scenario]") {
    Shared shared{Resolver{ConflictStrategy::merge, MergePolicy::remote}, true};

    shared.old_edit([](OldNote& note) { note.place->street = "Low"; });
    shared.server.lose_next_ack();
    (void)shared.old_app.engine
        .sync(over_json<OldNote>(shared.server), {.direction = SyncDirection::push})
        .get();
    REQUIRE(shared.served().at("place") == Json{{"street", "Low"}, {"geo", 7}});
    shared.old_edit([](OldNote& note) { note.place.reset(); });
    shared.new_app.sync(shared.server);
    shared.new_edit([](NewNote& note) { note.title = "two"; });
    shared.settle();

    CHECK(shared.served() == Json{{"title", "two"}, {"due", "May"}});
}

TEST_CASE("a winner that differs in nothing that we know is not pushed", "[scenario]") {
    Shared shared{Resolver{ConflictStrategy::local_wins}};

    shared.old_edit([](OldNote& note) { note.title = "two"; });
    shared.new_edit([](NewNote& note) {
        note.title = "two";
        note.due = "June";
    });
    const auto pushes = shared.server.push_calls();
    shared.old_app.sync(shared.server);

    CHECK(shared.server.push_calls() == pushes);
    CHECK(shared.old_app.store.pending().empty());
    CHECK(shared.old_app.data() == Json{{"title", "two"}, {"due", "June"}});
}

TEST_CASE("a conflict that the user resolves keeps what nobody asked about", "[scenario]") {
    Shared shared{Resolver{ConflictStrategy::manual}};
    shared.old_edit([](OldNote& note) { note.title = "ours"; });
    shared.new_edit([](NewNote& note) {
        note.title = "theirs";
        note.due = "June";
    });
    shared.old_app.sync(shared.server);
    auto& store = shared.old_app.store;
    REQUIRE(store.conflicts().size() == 1);
    CHECK(data_json(store.conflicts().front().local).at("due") == "May");
    CHECK(data_json(store.conflicts().front().theirs).at("due") == "June");

    const std::string by = GENERATE("id", "conflict", "ours", "theirs", "discarding");
    CAPTURE(by);
    const auto conflict = store.conflicts().front();
    if (by == "id") store.resolve("a", afresh("decided"));
    if (by == "conflict") store.resolve(conflict, afresh("decided"));
    if (by == "ours") store.resolve(conflict, conflict.local);
    if (by == "theirs") store.resolve(conflict, conflict.theirs);
    if (by == "discarding") store.discard_changes("a");
    CHECK(store.pending().empty() == (by == "theirs" || by == "discarding"));
    shared.settle();

    CHECK(shared.served().at("due") == "June");
    CHECK(shared.served().at("title") == (by == "ours"                           ? "ours"
                                          : by == "theirs" || by == "discarding" ? "theirs"
                                                                                 : "decided"));
}

TEST_CASE("records that two apps made under one id keep what either wrote", "[scenario]") {
    Shared shared{Resolver{ConflictStrategy::local_wins}};
    Old imported = as<OldNote>(SyncRecord<Json>{
        .id = "b", .data = {{"title", "ours"}, {"colour", "red"}, {"due", "May"}}});
    shared.old_app.store.put(imported);
    shared.new_app.store.put({.id = "b", .data = {.title = "theirs", .due = "June"}});
    shared.new_app.sync(shared.server);
    shared.settle();

    CHECK(shared.server.find("b")->data ==
          Json{{"title", "ours"}, {"colour", "red"}, {"due", "June"}});
}

// What was sent.

TEST_CASE("an echo is known by all that was sent", "[scenario]") {
    Shared shared{Resolver{
        [](const Old&, const Old&) -> Old { throw std::logic_error("nobody is to be asked"); }}};
    shared.old_edit([](OldNote& note) { note.title = "two"; });
    shared.server.lose_next_ack();
    (void)shared.old_app.engine.sync(over_json<OldNote>(shared.server)).get();

    const auto result = shared.old_app.sync(shared.server);

    CHECK(result.conflicts == 0);
    CHECK(shared.old_app.store.pending().empty());
    CHECK(shared.served() == Json{{"title", "two"}, {"due", "May"}});
}

TEST_CASE("what the server adds to an edit is kept by the next one", "[scenario]") {
    Shared shared;
    shared.server.normalise_with([](Json& data) { data["seen"] = data.value("seen", 0) + 1; });
    shared.old_edit([](OldNote& note) { note.title = "two"; });
    // acknowledged, and not seen yet
    shared.old_app.sync(shared.server, {.direction = SyncDirection::push});
    shared.server.normalise_with(nullptr);
    REQUIRE(shared.served().at("seen") == 1);

    shared.old_edit([](OldNote& note) { note.title = "three"; });
    shared.settle();

    CHECK(shared.served() == Json{{"title", "three"}, {"due", "May"}, {"seen", 1}});
}

TEST_CASE("an edit that takes over what the server added is another operation", "[scenario]") {
    Shared shared;
    std::vector<std::string> operations;
    auto remote = over_json<OldNote>(shared.server);
    remote.push = [&, push = remote.push](PushBatch<OldNote> batch) {
        for (const auto& change : batch.changes) operations.push_back(change.operation_id);
        return make_ready_future(push(std::move(batch), [](auto future) { return future.get(); }));
    };
    shared.server.normalise_with([](Json& data) { data["seen"] = 1; });
    shared.old_edit([](OldNote& note) { note.title = "two"; });
    (void)shared.old_app.engine.sync(remote, {.direction = SyncDirection::push}).get();
    shared.old_edit([](OldNote& note) { note.title = "three"; });
    shared.server.fail_next_push(100);
    (void)shared.old_app.engine.sync(remote, {.direction = SyncDirection::push}).get();
    shared.server.fail_next_push(0);
    (void)shared.old_app.engine.sync(remote).get();

    REQUIRE(operations.size() >= 3);
    CHECK(operations.back() != operations[1]);
    CHECK(shared.served() == Json{{"title", "three"}, {"due", "May"}, {"seen", 1}});
    CHECK(shared.old_app.store.pending().empty());
}

}  // namespace scenario_old_and_new_app
