// SPDX-License-Identifier: MIT
#include <sync_engine/store/storage.hpp>

#include "store/test_store.hpp"
#include "support/catch.hpp"
#ifdef SYNC_ENGINE_TESTS_HAVE_SQLITE
#include "contract/sqlite_models.hpp"
#endif

#include <nlohmann/json.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <memory>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

namespace test_of_storage {

using namespace std::chrono_literals;
using namespace sync_engine;
using namespace sync_engine::test;
using nlohmann::json;

namespace {

constexpr auto largest = std::numeric_limits<std::uint64_t>::max();
constexpr std::uint64_t largest_count = std::numeric_limits<std::int64_t>::max();

/// A model of Storage as the contract needs it: to be opened again, and to fail once.
struct InMemory {
    template <class Data>
    struct Model {
        std::shared_ptr<testing::MemoryStorage<Data>> disk =
            std::make_shared<testing::MemoryStorage<Data>>();

        [[nodiscard]] std::shared_ptr<Storage<Data>> open() { return disk; }
        void fail_next_commit() { disk->fail_next(); }
    };
};

/// Every model of Storage. A new one adds its name.
#ifdef SYNC_ENGINE_TESTS_HAVE_SQLITE
using EveryStorage = std::tuple<InMemory, SqliteInMemory, SqliteOnDisk>;
#else
using EveryStorage = std::tuple<InMemory>;
#endif

/// A storage that is opened, used, and opened again, by one user at a time.
template <class Model, class Data>
class Bench {
public:
    [[nodiscard]] Storage<Data>& storage() {
        if (!opened_) opened_ = model_.open();
        return *opened_;
    }
    /// Closes it, and gives it to whoever opens it next.
    [[nodiscard]] std::shared_ptr<Storage<Data>> open() {
        opened_.reset();
        return model_.open();
    }
    [[nodiscard]] StorageImage<Data> reopened() {
        opened_.reset();
        return storage().load();
    }
    void fail_next_commit() { model_.fail_next_commit(); }

private:
    typename Model::template Model<Data> model_;
    std::shared_ptr<Storage<Data>> opened_;
};

struct Task {
    std::string title{};
    std::vector<int> steps{};

    bool operator==(const Task&) const = default;
    NLOHMANN_DEFINE_TYPE_INTRUSIVE(Task, title, steps)
};

template <class Data>
RecordPtr<Data> shared(SyncRecord<Data> record) {
    return std::make_shared<const SyncRecord<Data>>(std::move(record));
}

template <class Data>
Entry<Data> dirty(SyncRecord<Data> record, Sequence sequence = 1) {
    Entry<Data> entry;
    entry.local = shared(std::move(record));
    entry.sequence = sequence;
    return entry;
}

template <class Data>
Entry<Data> clean(SyncRecord<Data> record, Sequence sequence = 1) {
    auto entry = dirty(std::move(record), sequence);
    entry.base = entry.local;
    return entry;
}

Entry<json> dirty_note(const std::string& id, const std::string& text) {
    return dirty(note(id, text));
}

/// An entry with something in every member.
Entry<json> full_entry() {
    auto entry = dirty(note("full", "local", 7).with_tags({"x", "y"}), 42);
    auto base = note("full", "base", 5).with_status(SyncStatus::synced);
    base.revision = "r5";
    entry.base = shared(base);
    entry.edit_extras().theirs = shared(note("full", "theirs", 6).with_status(SyncStatus::deleted));
    entry.conflicted = true;
    entry.edit_extras().sent.push_back({"operation-40", 40, shared(note("full", "sent", 5)), 3});
    entry.edit_extras().sent.push_back(
        {"operation-41", 41, shared(note("full", "sent again", 6)), 1});
    entry.edit_extras().sent.push_back({"operation-42", 42, entry.local, 2});
    entry.pulled_since_ack = true;
    entry.absent_once = true;
    entry.edit_extras().retry = RetryState{.sequence = 42,
                                           .operation_id = "operation-42",
                                           .attempts = 3,
                                           .failed_alone = 2,
                                           .suspect = true,
                                           .dead = true,
                                           .backoff = {noon, 8s},
                                           .asked = {noon - 1s, 1min}};
    entry.edit_extras().retry->remember({"full", "first \"failure\"\n", noon});
    entry.edit_extras().retry->remember({"full", "second", noon + 1us});
    entry.edit_extras().superseded = {"r3", "r4"};
    entry.edit_extras().settled_at = noon + 1us;
    return entry;
}

StoreState full_state() {
    return {.store_id = "store",
            .sequence = 42,
            .epoch = 3,
            .cursor = {{"page", 7}, {"token", "\"x\"\n"}},
            .remote_name = "server",
            .health = {.failures = 2, .backoff = {noon, 4s}, .asked = {noon, 1h}},
            .metadata = {.last_sync_at = noon + 1us,
                         .last_duration = 250ms,
                         .total_pushes = 1,
                         .total_pulls = 2,
                         .total_conflicts = 3}};
}

template <class Data>
void commit(Storage<Data>& storage, const std::vector<Entry<Data>>& write,
            const std::vector<std::string>& erase = {}, bool clear = false,
            const StoreState& state = {.store_id = "store"}) {
    StorageBatch<Data> batch;
    batch.clear = clear;
    for (const auto& entry : write) batch.write.push_back(&entry);
    for (const auto& id : erase) batch.erase.push_back(id);
    batch.state = &state;
    storage.commit(batch);
}

/// What the storage gives back after it was closed and opened: entries by id.
template <class Data, class Model>
std::map<std::string, Entry<Data>> reopened(Bench<Model, Data>& bench) {
    std::map<std::string, Entry<Data>> entries;
    for (auto& entry : bench.reopened().entries) {
        const std::string id = entry.local->id;
        REQUIRE(entries.emplace(id, std::move(entry)).second);
    }
    return entries;
}

}  // namespace

TEMPLATE_LIST_TEST_CASE("a new storage is empty", "[contract]", EveryStorage) {
    Bench<TestType, json> bench;

    const auto image = bench.reopened();

    CHECK(image.entries.empty());
    CHECK(text_of(image.state) == text_of(StoreState{}));
}

TEMPLATE_LIST_TEST_CASE("a storage gives back every member of an entry", "[contract]",
                        EveryStorage) {
    Bench<TestType, json> bench;

    commit(bench.storage(), {full_entry()});

    const auto entries = reopened(bench);
    REQUIRE(entries.size() == 1);
    CHECK(text_of(entries.at("full")) == text_of(full_entry()));
}

TEMPLATE_LIST_TEST_CASE("a storage gives back the whole state of the last commit", "[contract]",
                        EveryStorage) {
    Bench<TestType, json> bench;

    commit<json>(bench.storage(), {}, {}, false, full_state());
    CHECK(text_of(bench.reopened().state) == text_of(full_state()));
    CHECK(bench.reopened().state.store_id == full_state().store_id);
    commit<json>(bench.storage(), {}, {}, false, {.store_id = "store", .sequence = 43});
    CHECK(text_of(bench.reopened().state) ==
          text_of(StoreState{.store_id = "store", .sequence = 43}));
}

TEMPLATE_LIST_TEST_CASE("a storage knows the last sequence when nothing is left that had it",
                        "[contract]", EveryStorage) {
    Bench<TestType, json> bench;
    const auto state = [](Sequence sequence) {
        return StoreState{.store_id = "store", .sequence = sequence};
    };
    const auto record = note("a", "one");
    commit<json>(bench.storage(), {dirty(record, 4), dirty(note("b", "one"), 5)}, {}, false,
                 state(5));
    commit<json>(bench.storage(), {dirty(record, 6)}, {}, false, state(6));
    commit<json>(bench.storage(), {dirty(record, 7), dirty(note("c", "one"), 8)}, {}, false,
                 state(8));
    commit<json>(bench.storage(), {dirty(record, 7)}, {}, false, state(8));
    CHECK(bench.reopened().state.sequence == 8);

    SECTION("because it was erased") {
        commit<json>(bench.storage(), {dirty(record, 9)}, {}, false, state(9));
        commit<json>(bench.storage(), {}, {"a"}, false, state(9));
        CHECK(bench.reopened().state.sequence == 9);
    }
    SECTION("because everything was cleared") {
        commit<json>(bench.storage(), {dirty(record, 9)}, {}, true, state(9));
        commit<json>(bench.storage(), {}, {}, true, state(9));
        CHECK(bench.reopened().state.sequence == 9);
    }
    SECTION("because nothing ever had it") {
        commit<json>(bench.storage(), {dirty(record, 9)}, {}, false, state(11));
        CHECK(bench.reopened().state.sequence == 11);
    }
}

TEMPLATE_LIST_TEST_CASE("a storage restores whether local and base are the same", "[contract]",
                        EveryStorage) {
    Bench<TestType, json> bench;
    auto equal = dirty(note("equal", "one").with_status(SyncStatus::synced));
    equal.base = shared(*equal.local);
    const auto husk = clean(note("husk", "gone").with_status(SyncStatus::deleted));

    commit(bench.storage(), {clean(note("clean", "one").with_status(SyncStatus::synced)), equal,
                             dirty_note("new", "one"), husk});

    const auto entries = reopened(bench);
    CHECK(entries.at("clean").is_clean());
    CHECK_FALSE(entries.at("equal").is_clean());
    CHECK(*entries.at("equal").base == *entries.at("equal").local);
    CHECK_FALSE(entries.at("new").is_clean());
    CHECK(entries.at("new").base == nullptr);
    CHECK(entries.at("husk").is_husk());
}

TEMPLATE_LIST_TEST_CASE("a storage replaces what is written again and forgets what is erased",
                        "[contract]", EveryStorage) {
    Bench<TestType, json> bench;
    commit(bench.storage(), {dirty_note("a", "one"), dirty_note("b", "one"), full_entry()});

    commit(bench.storage(), {dirty_note("a", "two"), dirty(note("full", "bare"))},
           {"b", "never there"});

    const auto entries = reopened(bench);
    CHECK(entries.size() == 2);
    CHECK(text_of(entries.at("a")) == text_of(dirty_note("a", "two")));
    CHECK(text_of(entries.at("full")) == text_of(dirty(note("full", "bare"))));
}

TEMPLATE_LIST_TEST_CASE("a storage that is told what it has ends with what is written",
                        "[contract]", EveryStorage) {
    const auto edited = dirty_note("full", "one");
    auto sent = edited;
    sent.edit_extras().sent.push_back({"operation", 1, edited.local, 1});
    auto sent_again = sent;
    ++sent_again.edit_extras().sent.front().attempts;
    auto edited_since = sent;
    edited_since.local = shared(note("full", "two"));
    auto marked = sent;
    marked.absent_once = true;
    auto failed = sent;
    failed.edit_extras().retry = RetryState{.sequence = 1, .attempts = 1};
    auto superseding = sent;
    superseding.edit_extras().superseded = {"r1"};
    auto parked = sent;
    parked.edit_extras().theirs = shared(note("full", "theirs"));
    const std::vector<Entry<json>> entries{
        edited,
        sent,
        sent_again,
        edited_since,
        marked,
        failed,
        parked,
        superseding,
        full_entry(),
        clean(note("full", "one").with_status(SyncStatus::synced)),
        clean(SyncRecord<>{.id = "full", .status = SyncStatus::deleted, .updated_at = noon})};
    for (const auto& before : entries) {
        for (const auto& after : entries) {
            CAPTURE(text_of(before), text_of(after));
            Bench<TestType, json> bench;
            const StoreState state{.store_id = "store", .sequence = 42};
            bench.storage().commit({.write = {&before}, .known = {nullptr}, .state = &state});
            bench.storage().commit({.write = {&after}, .known = {&before}, .state = &state});
            CHECK(text_of(reopened(bench).at("full")) == text_of(after));
        }
    }
}

TEMPLATE_LIST_TEST_CASE("a storage forgets what was sent with the record", "[contract]",
                        EveryStorage) {
    Bench<TestType, json> bench;
    const bool is_cleared = GENERATE(false, true);
    commit(bench.storage(), {full_entry()});
    if (is_cleared) {
        commit<json>(bench.storage(), {}, {}, true);
    } else {
        commit<json>(bench.storage(), {}, {"full"});
    }
    CHECK(reopened(bench).empty());

    const auto again = dirty_note("full", "again");
    const StoreState state{.store_id = "store", .sequence = 42};
    bench.storage().commit({.write = {&again}, .known = {nullptr}, .state = &state});
    CHECK(text_of(reopened(bench).at("full")) == text_of(again));
}

TEMPLATE_LIST_TEST_CASE("a storage clears before it writes", "[contract]", EveryStorage) {
    Bench<TestType, json> bench;
    commit(bench.storage(), {dirty_note("a", "one"), dirty_note("b", "one")});

    commit(bench.storage(), {dirty_note("b", "two"), dirty_note("c", "one")}, {}, true);
    const auto entries = reopened(bench);
    CHECK(entries.size() == 2);
    CHECK(entries.at("b").local->data == json{{"text", "two"}});

    commit<json>(bench.storage(), {}, {}, true, full_state());
    CHECK(reopened(bench).empty());
    CHECK(text_of(bench.reopened().state) == text_of(full_state()));
}

TEMPLATE_LIST_TEST_CASE("a storage whose commit fails shows nothing of it, now or later",
                        "[contract]", EveryStorage) {
    Bench<TestType, json> bench;
    commit<json>(bench.storage(), {dirty_note("a", "one"), dirty_note("b", "one")}, {}, false,
                 full_state());

    bench.fail_next_commit();
    CHECK_THROWS_AS(
        commit(bench.storage(), {dirty_note("a", "two"), dirty_note("c", "one")}, {"b"}, true),
        StorageError);

    auto entries = reopened(bench);
    CHECK(entries.size() == 2);
    CHECK(entries.at("a").local->data == json{{"text", "one"}});
    CHECK(text_of(bench.reopened().state) == text_of(full_state()));

    commit(bench.storage(), {dirty_note("d", "one")});
    entries = reopened(bench);
    CHECK(entries.size() == 3);
    CHECK(entries.contains("b"));
}

TEMPLATE_LIST_TEST_CASE("a storage keeps ids, tags and texts byte by byte", "[contract]",
                        EveryStorage) {
    Bench<TestType, json> bench;
    const std::vector<std::string> ids{"it's",
                                       "say \"hi\"",
                                       "two\nlines",
                                       std::string("a\0b", 3),
                                       "a",
                                       "A",
                                       "a ",
                                       "%_[*?",
                                       "\xF0\x9F\x98\x80",
                                       "\xC3\xA9",
                                       "e\xCC\x81",
                                       std::string(max_id_bytes, 'x')};
    for (const auto& id : ids) {
        auto record = note(id, id).with_tags({id, ""});
        record.revision = id;
        commit(bench.storage(), {dirty(record)});
    }

    auto entries = reopened(bench);
    CHECK(entries.size() == ids.size());
    for (const auto& id : ids) {
        CAPTURE(quoted(id));
        CHECK(entries.at(id).local->data == json{{"text", id}});
        CHECK(entries.at(id).local->tags == TagSet{id, ""});
        CHECK(entries.at(id).local->revision == id);
    }

    commit<json>(bench.storage(), {}, ids);
    CHECK(reopened(bench).empty());
}

TEMPLATE_LIST_TEST_CASE("a storage keeps numbers at the ends of their ranges", "[contract]",
                        EveryStorage) {
    Bench<TestType, json> bench;
    auto record = note("a", "one", largest);
    record.updated_at = parse_timestamp("9999-12-31T23:59:59.999999Z");
    auto old = note("b", "one", 0);
    old.updated_at = parse_timestamp("0000-01-01T00:00:00.000001Z");

    commit<json>(bench.storage(), {dirty(record, largest_count), dirty(old)}, {}, false,
                 {.store_id = "store",
                  .sequence = largest_count,
                  .epoch = largest_count,
                  .metadata = {.total_pushes = largest_count}});

    const auto entries = reopened(bench);
    CHECK(*entries.at("a").local == record);
    CHECK(entries.at("a").sequence == largest_count);
    CHECK(*entries.at("b").local == old);
    const auto state = bench.reopened().state;
    CHECK(state.sequence == largest_count);
    CHECK(state.epoch == largest_count);
    CHECK(state.metadata.total_pushes == largest_count);
}

TEMPLATE_LIST_TEST_CASE("a storage keeps every kind of JSON value as it is", "[contract]",
                        EveryStorage) {
    Bench<TestType, json> bench;
    const std::vector<json> values{nullptr,
                                   true,
                                   0,
                                   -1,
                                   largest,
                                   std::numeric_limits<std::int64_t>::min(),
                                   0.1,
                                   1e300,
                                   -0.0,
                                   1.0,
                                   "",
                                   std::string("a\0b", 3),
                                   json::array(),
                                   json::object(),
                                   {1, "two", {{"three", nullptr}}},
                                   {{"", 1}, {"a/b~c", {{"deep", json::array()}}}}};
    std::vector<Entry<json>> write;
    for (std::size_t n = 0; n < values.size(); ++n) {
        write.push_back(
            dirty(SyncRecord<>{.id = std::to_string(n), .data = values[n], .updated_at = noon}));
    }

    commit(bench.storage(), write);

    const auto entries = reopened(bench);
    for (std::size_t n = 0; n < values.size(); ++n) {
        CHECK(entries.at(std::to_string(n)).local->data.dump() == values[n].dump());
    }
    for (const auto& cursor : values) {
        commit<json>(bench.storage(), {}, {}, false, {.store_id = "store", .cursor = cursor});
        CHECK(bench.reopened().state.cursor.dump() == cursor.dump());
    }
}

TEMPLATE_LIST_TEST_CASE("a storage keeps data of the app's own type", "[contract]", EveryStorage) {
    Bench<TestType, Task> bench;
    const SyncRecord<Task> task{
        .id = "a", .data = {"write", {1, 2, 3}}, .updated_at = noon, .tags = {"x"}};

    commit<Task>(bench.storage(), {clean(task.with_status(SyncStatus::synced))});

    const auto entries = reopened(bench);
    CHECK(entries.at("a").is_clean());
    CHECK(*entries.at("a").local == task.with_status(SyncStatus::synced));
    CHECK(json(task).get<SyncRecord<Task>>() == task);
}

TEMPLATE_LIST_TEST_CASE("a storage takes many entries in one commit", "[contract]", EveryStorage) {
    Bench<TestType, json> bench;
    std::vector<Entry<json>> write;
    for (int n = 0; n < 2000; ++n) write.push_back(dirty_note(std::to_string(n), "one"));

    commit(bench.storage(), write);

    CHECK(reopened(bench).size() == 2000);
}

TEMPLATE_LIST_TEST_CASE("a store on a storage comes back as it was", "[contract]", EveryStorage) {
    Bench<TestType, json> bench;
    const StoreOptions options{.clock = [] { return noon; }, .random = counting_random()};
    const auto picture = [](const LocalStore<>& store) {
        return json(store.pending()).dump() + text_of(store.state()) +
               json(store.statistics()).dump();
    };
    std::string before;
    {
        LocalStore<> store{bench.open(), options};
        store.put(note("a", "one").with_status(SyncStatus::synced));
        store.put(note("b", "one").with_status(SyncStatus::synced));
        store.update("a", [](json& data) { data = "two"; });
        store.remove("b");
        store.put(note("c", "one"));
        before = picture(store);
    }

    LocalStore<> store{bench.open(), options};

    CHECK(picture(store) == before);
    CHECK(store.discard_changes("a"));
    CHECK(store.get("a")->data == json{{"text", "one"}});
    CHECK(store.evict("a"));
}

}  // namespace test_of_storage
