// SPDX-License-Identifier: MIT
#include <sync_engine/store/group_commit.hpp>

#include "store/held_disk.hpp"
#include "store/test_store.hpp"
#include "support/catch.hpp"

#include <nlohmann/json.hpp>

#include <chrono>
#include <future>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace test_of_group_commit {

using namespace std::chrono_literals;
using namespace sync_engine;
using namespace sync_engine::test;
using nlohmann::json;

namespace {

using Ids = std::vector<std::string>;
using Commits = std::vector<Ids>;

constexpr auto put = HeldStore::put;
constexpr auto count_up = HeldStore::count_up;

bool is_over(const HeldStore::Edit& edit) {
    return edit.wait_for(0s) == std::future_status::ready;
}

SyncRecord<> counter(std::string id, int value) {
    return {.id = std::move(id), .data = value, .updated_at = noon};
}

}  // namespace

TEST_CASE("writers that come while a commit is at the disk are the next commit",
          "[store][threads]") {
    HeldStore store;
    const auto first = store.begin_at_disk(put("a", "one"));
    const auto second = store.begin(put("b", "one"));
    const auto third = store.begin(put("c", "one"));
    const auto fourth = store.begin(put("d", "one"));

    store.disk->let_one_go();
    first.get();
    store.disk->wait_for(2);
    CHECK(store.disk->commits() == Commits{{"a"}});
    CHECK_FALSE(is_over(second));
    store.disk->let_all_go();
    for (const auto& edit : {second, third, fourth}) edit.get();

    CHECK(store.disk->commits() == Commits{{"a"}, {"b", "c", "d"}});
    CHECK(ids_of(store->all()) == Ids{"a", "b", "c", "d"});
}

TEST_CASE("writers that come while a group is at the disk are another group", "[store][threads]") {
    HeldStore store;
    store.begin_at_disk(put("a", "one"));
    store.begin(put("b", "one"));
    store.begin(put("c", "one"));
    store.disk->let_one_go();
    store.disk->wait_for(2);
    const auto fourth = store.begin(put("d", "one"));
    const auto fifth = store.begin(put("e", "one"));

    store.disk->let_all_go();
    fourth.get();
    fifth.get();

    CHECK(store.disk->commits() == Commits{{"a"}, {"b", "c"}, {"d", "e"}});
}

TEST_CASE("an edit returns when it is durable and can be read", "[store][threads]") {
    HeldStore store;
    const auto first = store.begin_at_disk(put("a", "one"));
    const auto second = store.begin(put("b", "one"));
    CHECK_FALSE(is_over(first));
    CHECK_FALSE(is_over(second));

    store.disk->let_one_go();
    first.get();
    CHECK(store->get("a").has_value());
    CHECK(store.disk->memory.load().entries.size() == 1);
    CHECK_FALSE(is_over(second));

    store.disk->let_one_go();
    second.get();
    CHECK(store->get("b").has_value());
    CHECK(store.disk->memory.load().entries.size() == 2);
}

TEST_CASE("readers do not wait for the disk, and see only what is on it", "[store][threads]") {
    HeldStore store;
    store->put(note("a", "one").with_tags({"x"}));
    const auto before = store.picture();
    store.begin_at_disk(put("a", "two"));
    store.begin(put("b", "one"));

    CHECK(store.picture() == before);
    CHECK(store->find("a")->data == json{{"text", "one"}});
    CHECK(store->get("b") == std::nullopt);
    CHECK(ids_of(store->pending()) == Ids{"a"});
    CHECK(ids_of(store->query_by_tag("x")) == Ids{"a"});
    CHECK(store->statistics().total == 1);
    CHECK(store->state().sequence == 1);
}

TEST_CASE("a body sees every earlier edit, also one that is not durable yet", "[store][threads]") {
    HeldStore store;
    store->put_all({counter("n", 0), note("gone", "one")});
    const auto at_disk = store.begin_at_disk([](auto& transaction) {
        count_up("n")(transaction);
        transaction.remove("gone");
    });
    const auto gathered = store.begin([](auto& transaction) {
        CHECK(transaction.get("n")->data == 1);
        CHECK(transaction.get("gone") == std::nullopt);
        count_up("n")(transaction);
        put("gone", "back")(transaction);
    });
    const auto last = store.begin([](auto& transaction) {
        CHECK(transaction.get("n")->data == 2);
        CHECK(transaction.get("gone")->data == json{{"text", "back"}});
        count_up("n")(transaction);
    });

    store.disk->let_all_go();
    for (const auto& edit : {at_disk, gathered, last}) edit.get();

    CHECK(store->get("n")->data == 3);
    CHECK(store->get("n")->version == 4);
    CHECK(store->get("gone")->data == json{{"text", "back"}});
    CHECK(store.disk->commits() == Commits{{"n", "gone"}, {"n", "gone"}});
}

TEST_CASE("what a body sees stays as it is until the body ends", "[store][threads]") {
    HeldStore store;
    const auto first = store.begin_at_disk(put("a", "one"));
    const auto second = store.begin([&](auto& transaction) {
        store.disk->let_all_go();
        while (store.disk->commits().empty()) std::this_thread::yield();
        for (int n = 0; n < 1000; ++n) std::this_thread::yield();  // time enough to go wrong
        CHECK(store->get("a") == std::nullopt);
        CHECK(transaction.get("a").has_value());
    });
    first.get();
    second.get();

    CHECK(store->get("a").has_value());
}

TEST_CASE("a writer that is alone commits each edit at once", "[store][threads]") {
    HeldStore store;
    for (int n = 0; n < 20; ++n) {
        store->put(note("a", std::to_string(n)));
        CHECK(store.disk->memory.commits() == static_cast<std::size_t>(n) + 1);
    }
}

TEST_CASE("a commit that fails is none for everybody in its group", "[store][threads]") {
    HeldStore store;
    store->put(counter("n", 0));
    const auto first = store.begin_at_disk(put("a", "one"));
    const auto second = store.begin(put("b", "one"));
    const auto third = store.begin(count_up("n"));
    store.disk->let_one_go();
    first.get();
    store.disk->wait_for(2);
    const auto before = store.picture();

    store.disk->memory.fail_next();
    store.disk->let_all_go();

    CHECK_THROWS_AS(second.get(), StorageError);
    CHECK_THROWS_AS(third.get(), StorageError);
    CHECK(store.picture() == before);
    store->update("n", [](json& data) { data = data.get<int>() + 1; });
    CHECK(store->get("n")->data == 1);
    CHECK(store->state().sequence == 3);
}

TEST_CASE("a commit that fails takes along what was gathered on top of it", "[store][threads]") {
    HeldStore store;
    store->put(counter("n", 0));
    const auto before = store.picture();
    const auto first = store.begin_at_disk(count_up("n"));
    const auto second = store.begin(count_up("n"));
    const auto third = store.begin(put("b", "one"));

    store.disk->memory.fail_next();
    store.disk->let_all_go();

    for (const auto& edit : {first, second, third}) CHECK_THROWS_AS(edit.get(), StorageError);
    CHECK(store.disk->asked() == 1);
    CHECK(store.picture() == before);
    store->put(note("b", "two"));
    store->update("n", [](json& data) { data = data.get<int>() + 1; });
    CHECK(store->get("n")->data == 1);
    CHECK(store->get("b")->data == json{{"text", "two"}});
}

TEST_CASE("what a body throws undoes its own edits and nobody else's", "[store][threads]") {
    HeldStore store;
    store->put(note("a", "one"));
    const auto first = store.begin_at_disk(put("x", "one"));
    const auto second = store.begin(put("b", "one"));
    const auto thrower = store.begin([](auto& transaction) {
        transaction.put(note("c", "one"));
        transaction.remove("a");
        throw std::out_of_range("enough");
    });
    const auto third = store.begin(put("d", "one"));
    CHECK_THROWS_AS(thrower.get(), std::out_of_range);

    store.disk->let_all_go();
    for (const auto& edit : {first, second, third}) edit.get();

    CHECK(store.disk->commits() == Commits{{"x"}, {"b", "d"}});
    CHECK(ids_of(store->all()) == Ids{"a", "x", "b", "d"});
}

TEST_CASE("an answer waits for the edits that it rests on", "[store][threads]") {
    const bool fails = GENERATE(false, true);
    HeldStore store;
    store->put_all({note("a", "one"), note("b", "one")});
    const auto removed = store.begin_at_disk([](auto& transaction) { transaction.remove("a"); });
    const auto put_anew = store.begin(put("b", "two"));
    const auto unchanged = store.begin(put("b", "two"));
    const auto not_there =
        store.begin([](auto& transaction) { transaction.update("a", [](json&) {}); });
    const auto unhappy = store.begin([](auto& transaction) {
        if (!transaction.get("a")) throw std::out_of_range("no a");
    });
    for (const auto& edit : {unchanged, not_there, unhappy}) CHECK_FALSE(is_over(edit));

    if (fails) store.disk->memory.fail_next();
    store.disk->let_all_go();

    if (fails) {
        for (const auto& edit : {removed, put_anew, unchanged, not_there, unhappy}) {
            CHECK_THROWS_AS(edit.get(), StorageError);
        }
    } else {
        CHECK_NOTHROW(unchanged.get());
        CHECK_THROWS_AS(not_there.get(), NotFound);
        CHECK_THROWS_AS(unhappy.get(), std::out_of_range);
        CHECK(store.disk->commits() == Commits{{"a"}, {"b"}});
    }
}

TEST_CASE("what rests on the disk alone does not wait for it", "[store][threads]") {
    HeldStore store;
    store->put(note("a", "one"));
    store.begin_at_disk(put("b", "one"));
    store.begin(put("c", "one"));

    CHECK_FALSE(store->update("a", [](json&) {}));
    CHECK_FALSE(store->remove("unknown"));
    CHECK_THROWS_AS(store->update("unknown", [](json&) {}), NotFound);
    CHECK_THROWS_AS(store->put(note("", "one")), InvalidRecord);
    CHECK_THROWS_AS(store->transact([](auto& transaction) {
        transaction.put(note("d", "one"));
        throw std::out_of_range("enough");
    }),
                    std::out_of_range);
}

TEST_CASE("a body that gathers cannot write to its store but through its transaction",
          "[store][threads]") {
    HeldStore store;
    const auto first = store.begin_at_disk(put("a", "one"));
    const auto second = store.begin([&](auto& transaction) {
        transaction.put(note("b", "one"));
        CHECK_THROWS_AS(store->put(note("c", "one")), std::logic_error);
        CHECK_THROWS_AS(store->apply({}), std::logic_error);
        CHECK_THROWS_AS(store->clear(), std::logic_error);
        CHECK(store->count() == 0);
    });

    store.disk->let_all_go();
    first.get();
    second.get();

    CHECK(ids_of(store->all()) == Ids{"a", "b"});
}

TEST_CASE("a record that is edited twice in a group is stored once", "[store][threads]") {
    HeldStore store;
    store->put(counter("n", 0));
    const auto before = store.entry("n");
    store.begin_at_disk(put("a", "one"));
    store.begin(count_up("n"));
    const auto last = store.begin(count_up("n"));

    store.disk->let_all_go();
    last.get();

    CHECK(store.disk->commits() == Commits{{"a"}, {"n"}});
    CHECK(store->get("n")->data == 2);
    CHECK(store->get("n")->version == 3);
    CHECK(store.entry("n") != before);
    CHECK(store.entry("n")->sequence > store.entry("a")->sequence);
}

TEST_CASE("a record that is made and removed in one group was never there", "[store][threads]") {
    HeldStore store;
    store.begin_at_disk(put("a", "one"));
    store.begin(put("b", "one"));
    const auto last = store.begin([](auto& transaction) { CHECK(transaction.remove("b")); });

    store.disk->let_all_go();
    last.get();

    CHECK(ids_of(store->all()) == Ids{"a"});
    CHECK(store.entry("b") == nullptr);
    CHECK(store.disk->memory.load().entries.size() == 1);
}

TEST_CASE("sequences follow the order of the edits, over groups too", "[store][threads]") {
    HeldStore store;
    store.begin_at_disk(put("a", "one"));
    store.begin(put("b", "one"));
    store.begin(put("c", "one"));
    store.disk->let_one_go();
    store.disk->wait_for(2);
    const auto last = store.begin([](auto& transaction) {
        put("d", "one")(transaction);
        put("b", "two")(transaction);
    });

    store.disk->let_all_go();
    last.get();

    CHECK(ids_of(store->pending()) == Ids{"a", "c", "d", "b"});
    std::vector<Sequence> sequences;
    for (const auto& entry : store->read_dirty()) sequences.push_back(entry->sequence);
    CHECK(sequences == std::vector<Sequence>{1, 3, 4, 5});
}

TEST_CASE("a step finds what had gathered before it", "[store][threads]") {
    HeldStore store;
    store->put_all({counter("n", 0), counter("m", 0), counter("quiet", 0)});
    Step<json> step;
    for (const auto* id : {"n", "m", "quiet"}) {
        const auto known = store.entry(id);
        step.decisions.push_back(
            {.expected = known,
             .written = {.outcome = rules::taken(&*known, counter(id, 100), noon)}});
    }
    step.cursor = CursorMove{nullptr, 1};
    store.begin_at_disk(count_up("n"));
    store.begin(count_up("m"));
    std::promise<void> begins;
    auto applied = std::async(std::launch::async, [&] {
        begins.set_value();
        return store->apply(std::move(step));
    });
    begins.get_future().wait();

    store.disk->let_all_go();

    CHECK(applied.get().moved == Ids{"n", "m"});
    CHECK(store->get("n")->data == 1);
    CHECK(store->get("m")->data == 1);
    CHECK(store->get("quiet")->data == 100);
    CHECK(store->state().cursor.is_null());
    CHECK(store.disk->commits() == Commits{{"n"}, {"m"}, {"quiet"}});
}

TEST_CASE("a step counts although what had gathered before it failed", "[store][threads]") {
    HeldStore store;
    store->put(counter("n", 0));
    const auto known = store.entry("n");
    const auto first = store.begin_at_disk(count_up("n"));
    const auto second = store.begin(count_up("n"));
    std::promise<void> begins;
    auto applied = std::async(std::launch::async, [&] {
        begins.set_value();
        Step<json> step;
        step.decisions.push_back(
            {.expected = known,
             .written = {.outcome = rules::taken(&*known, counter("n", 100), noon)}});
        return store->apply(std::move(step));
    });
    begins.get_future().wait();

    store.disk->memory.fail_next();
    store.disk->let_all_go();

    CHECK_THROWS_AS(first.get(), StorageError);
    CHECK_THROWS_AS(second.get(), StorageError);
    CHECK(applied.get().moved.empty());
    CHECK(store->get("n")->data == 100);
}

TEST_CASE("a store that is cleared forgets what had gathered before", "[store][threads]") {
    HeldStore store;
    store->put(note("a", "one"));
    const auto first = store.begin_at_disk(put("b", "one"));
    const auto second = store.begin(put("c", "one"));
    std::promise<void> begins;
    auto cleared = std::async(std::launch::async, [&] {
        begins.set_value();
        store->clear();
    });
    begins.get_future().wait();

    store.disk->let_all_go();
    for (const auto& edit : {first, second}) edit.get();
    cleared.get();

    CHECK(store->all().empty());
    CHECK(store.disk->memory.load().entries.empty());
    CHECK(store->state().epoch == 1);
    CHECK(store->state().sequence == 3);
    CHECK(store.disk->commits() == Commits{{"b"}, {"c"}, {}});
}

TEST_CASE("a group is heard once a record, in the order of the edits", "[store][threads]") {
    HeldStore store;
    store->put_all({counter("n", 0), note("gone", "one")});
    Ids heard;
    const auto text = [](const RecordPtr<json>& record) {
        return record == nullptr ? std::string("-") : record->data.dump();
    };
    const auto subscription = store->subscribe([&](const StoreChange<>& change) {
        CHECK(change.origin == ChangeOrigin::local);
        heard.push_back(change.id + ": " + text(change.before) + " to " + text(change.after));
    });
    const auto first = store.begin_at_disk(count_up("n"));
    const auto second = store.begin([](auto& transaction) {
        transaction.remove("gone");
        count_up("n")(transaction);
        transaction.put(counter("short", 1));
    });
    const auto third = store.begin([](auto& transaction) {
        transaction.put(counter("new", 1));
        count_up("n")(transaction);
        transaction.remove("short");
    });
    CHECK(heard.empty());

    store.disk->let_all_go();
    for (const auto& edit : {first, second, third}) edit.get();

    CHECK(heard == Ids{"n: 0 to 1", "gone: {\"text\":\"one\"} to -", "n: 1 to 3", "new: - to 1"});
}

TEST_CASE("a group that failed is not heard", "[store][threads]") {
    HeldStore store;
    store->put(counter("n", 0));
    Ids heard;
    const auto subscription = store->subscribe([&](const StoreChange<>& change) {
        heard.push_back(change.before->data.dump() + " to " + change.after->data.dump());
    });
    const auto first = store.begin_at_disk(count_up("n"));
    const auto second = store.begin(count_up("n"));
    store.disk->memory.fail_next();
    store.disk->let_all_go();
    CHECK_THROWS_AS(first.get(), StorageError);
    CHECK_THROWS_AS(second.get(), StorageError);

    store->update("n", [](json& data) { data = 7; });

    CHECK(heard == Ids{"0 to 7"});
}

TEST_CASE("who subscribes while a commit is at the disk hears of it", "[store][threads]") {
    HeldStore store;
    const auto first = store.begin_at_disk(put("a", "one"));
    Ids heard;
    const auto subscription =
        store->subscribe([&](const StoreChange<>& change) { heard.push_back(change.id); });
    CHECK(store->all().empty());

    store.disk->let_all_go();
    first.get();
    store->put(note("b", "one"));

    CHECK(heard == Ids{"a", "b"});
}

}  // namespace test_of_group_commit
