// SPDX-License-Identifier: MIT
#include <sync_engine/remote/remote.hpp>
#include <sync_engine/remote/stop_token.hpp>

#include "support/catch.hpp"

#include <nlohmann/json.hpp>

#include <chrono>
#include <functional>
#include <future>
#include <limits>
#include <memory>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace test_of_remote {

using namespace std::chrono_literals;
using namespace sync_engine;
using nlohmann::json;

namespace {

constexpr auto get = [](auto future) { return future.get(); };

using Ids = std::vector<std::string>;
using Records = std::vector<SyncRecord<>>;

PushBatch<> batch_of(const Ids& ids) {
    PushBatch<> batch;
    for (const auto& id : ids) {
        auto& change = batch.changes.emplace_back();
        change.record.id = id;
        change.operation_id = "operation of " + id;
    }
    return batch;
}

std::future<Ids> push_simply(Records records) {
    Ids ids;
    for (const auto& record : records) ids.push_back(record.id);
    return make_ready_future(ids);
}

std::future<PushReport<>> push_natively(PushBatch<> batch) {
    PushReport<> report;
    for (const auto& change : batch.changes) {
        report.push_back(accepted(change.record.id, change.operation_id));
    }
    return make_ready_future(report);
}

std::future<PushReport<>> push_shared(SharedPushBatch<> batch) {
    PushReport<> report;
    for (const auto& change : batch.changes) {
        report.push_back(accepted(change.record->id, change.operation_id));
    }
    return make_ready_future(report);
}

std::future<Records> pull_simply() {
    return make_ready_future(Records{{.id = "a"}});
}

std::future<PullPage<>> pull_natively(PullRequest request) {
    PullPage<> page;
    page.cursor = request.limit;
    page.has_more = true;
    return make_ready_future(page);
}

/// Callable, but neither true nor false: some callbacks are objects of the app's own.
struct PushObject {
    std::future<PushReport<>> operator()(const PushBatch<>& batch) const {
        return push_natively(batch);
    }
};

template <class Callback>
void check_simple_push(Callback callback) {
    const PushCallback<> push = callback;
    REQUIRE(push);
    const auto report = push(batch_of({"a", "b"}), get);
    REQUIRE(report.size() == 2);
    CHECK(report[1].kind == VerdictKind::accepted);
    CHECK(report[1].id == "b");
    CHECK(report[1].revision.empty());
}

template <class Callback>
void check_native_push(Callback callback) {
    const PushCallback<> push = callback;
    REQUIRE(push);
    const auto report = push(batch_of({"a", "b"}), get);
    REQUIRE(report.size() == 2);
    CHECK(report[1].revision == "operation of b");
}

template <class Callback>
void check_simple_pull(Callback callback) {
    const PullCallback<> pull = callback;
    REQUIRE(pull);
    CHECK_FALSE(pull.keeps_cursor());
    const auto page = pull(PullRequest{}, get);
    REQUIRE(page.records.size() == 1);
    CHECK(page.records[0].id == "a");
    CHECK(page.cursor.is_null());
    CHECK_FALSE(page.has_more);
    CHECK_FALSE(page.complete);
}

template <class Callback>
void check_native_pull(Callback callback) {
    const PullCallback<> pull = callback;
    REQUIRE(pull);
    CHECK(pull.keeps_cursor());
    PullRequest request;
    request.limit = 7;
    const auto page = pull(request, get);
    CHECK(page.cursor == 7);
    CHECK(page.has_more);
}

}  // namespace

TEST_CASE("push takes each form from any kind of callable", "[remote]") {
    check_simple_push(&push_simply);
    check_simple_push([](Records records) { return push_simply(std::move(records)); });
    check_simple_push([](const Records& records) { return push_simply(records); });
    check_simple_push(PushCallback<>::Simple{push_simply});

    check_native_push(&push_natively);
    check_native_push([](PushBatch<> batch) { return push_natively(std::move(batch)); });
    check_native_push([](const PushBatch<>& batch) { return push_natively(batch); });
    check_native_push(PushCallback<>::Native{push_natively});
    check_native_push(PushObject{});

    check_native_push(&push_shared);
    check_native_push([](SharedPushBatch<> batch) { return push_shared(std::move(batch)); });
    check_native_push([](const SharedPushBatch<>& batch) { return push_shared(batch); });
    check_native_push(PushCallback<>::Shared{push_shared});
}

TEST_CASE("a batch comes in the form of the callback, whole", "[remote]") {
    PushBatch<> sent = batch_of({"a", "b"});
    sent.changes[0].base = SyncRecord<>{.id = "a", .data = "base"};
    sent.changes[1].attempt = 3;
    PushBatch<> copied;
    SharedPushBatch<> seen;
    const PushCallback<> native = [&](PushBatch<> batch) {
        copied = batch;
        return push_natively(std::move(batch));
    };
    const PushCallback<> reading = [&](SharedPushBatch<> batch) {
        seen = batch;
        return push_shared(std::move(batch));
    };

    (void)reading(sent, get);
    (void)native.share(seen, get);

    REQUIRE(seen.changes.size() == 2);
    REQUIRE(copied.changes.size() == 2);
    for (std::size_t n = 0; n < 2; ++n) {
        CHECK(copied.changes[n].record == sent.changes[n].record);
        CHECK(copied.changes[n].base == sent.changes[n].base);
        CHECK(copied.changes[n].operation_id == sent.changes[n].operation_id);
        CHECK(copied.changes[n].attempt == sent.changes[n].attempt);
    }

    const auto* first = seen.changes[0].record.get();
    (void)reading.share(seen, get);
    CHECK(seen.changes[0].record.get() == first);
}

TEST_CASE("pull takes either form from any kind of callable", "[remote]") {
    check_simple_pull(&pull_simply);
    check_simple_pull([] { return pull_simply(); });
    check_simple_pull(PullCallback<>::Simple{pull_simply});

    check_native_pull(&pull_natively);
    check_native_pull([](PullRequest request) { return pull_natively(std::move(request)); });
    check_native_pull([](const PullRequest& request) { return pull_natively(request); });
    check_native_pull(PullCallback<>::Native{pull_natively});
}

TEST_CASE("a mutable lambda keeps its state from call to call", "[remote]") {
    const PullCallback<> pull = [calls = 0]() mutable {
        return make_ready_future(Records(static_cast<std::size_t>(++calls)));
    };
    CHECK(pull({}, get).records.size() == 1);
    CHECK(pull({}, get).records.size() == 2);
}

TEST_CASE("nothing to call makes an empty callback", "[remote]") {
    CHECK_FALSE(PushCallback<>{});
    CHECK_FALSE(PushCallback<>{PushCallback<>::Simple{}});
    CHECK_FALSE(PushCallback<>{PushCallback<>::Native{}});
    CHECK_FALSE(PushCallback<>{PushCallback<>::Shared{}});
    CHECK_FALSE(PushCallback<>{static_cast<decltype(&push_simply)>(nullptr)});
    CHECK_FALSE(PushCallback<>{static_cast<decltype(&push_natively)>(nullptr)});

    CHECK_FALSE(PullCallback<>{});
    CHECK_FALSE(PullCallback<>{PullCallback<>::Simple{}});
    CHECK_FALSE(PullCallback<>{PullCallback<>::Native{}});
    CHECK_FALSE(PullCallback<>{static_cast<decltype(&pull_simply)>(nullptr)});
    CHECK_FALSE(PullCallback<>{static_cast<decltype(&pull_natively)>(nullptr)});

    const Remote<> nobody;
    CHECK_FALSE(nobody.push);
    CHECK_FALSE(nobody.pull);
}

TEST_CASE("a remote is made of lambdas with designated initialisers", "[remote]") {
    const Remote<> remote{.push = [](Records records) { return push_simply(std::move(records)); },
                          .pull = [](PullRequest request) { return pull_natively(request); }};
    CHECK(remote.push);
    CHECK(remote.pull.keeps_cursor());
    CHECK(remote.name.empty());

    const Remote<> read_only{.pull = &pull_simply, .name = "mirror"};
    CHECK_FALSE(read_only.push);
    CHECK(read_only.name == "mirror");
}

TEST_CASE("what is no callback at all is refused when it is compiled", "[remote]") {
    CHECK_FALSE(std::is_constructible_v<PushCallback<>, int>);
    CHECK_FALSE(std::is_constructible_v<PushCallback<>, void (*)()>);
    CHECK_FALSE(std::is_constructible_v<PushCallback<>, decltype(&pull_simply)>);
    CHECK_FALSE(std::is_constructible_v<PullCallback<>, decltype(&push_natively)>);
}

TEST_CASE("a callback hands its future over by moving it, whoever made it", "[remote][threads]") {
    for (const auto policy : {std::launch::async, std::launch::deferred}) {
        const PushCallback<> push = [policy](const Records& records) {
            return std::async(policy, [records] { return push_simply(records).get(); });
        };
        CHECK(push(batch_of({"a"}), get).size() == 1);
    }
}

TEST_CASE("make_ready_future is ready and moves what cannot be copied", "[remote]") {
    auto future = make_ready_future(std::make_unique<int>(7));
    static_assert(std::is_same_v<decltype(future), std::future<std::unique_ptr<int>>>);
    CHECK(future.wait_for(0s) == std::future_status::ready);
    CHECK(*future.get() == 7);

    const std::string text = "copied";
    CHECK(make_ready_future(text).get() == "copied");
}

TEST_CASE("a callback's failure comes out as it was thrown, now or through the future",
          "[remote]") {
    const PullCallback<> now = []() -> std::future<Records> { throw Unavailable{}; };
    CHECK_THROWS_AS(now({}, get), Unavailable);

    const PullCallback<> later = [](PullRequest) {
        std::promise<PullPage<>> promise;
        promise.set_exception(std::make_exception_ptr(CursorExpired{}));
        return promise.get_future();
    };
    CHECK_THROWS_AS(later({}, get), CursorExpired);
}

TEST_CASE("every failure of a remote is one of the library's errors and says something",
          "[remote]") {
    const auto message = [](const RemoteError& error) -> std::string {
        const Error& base = error;
        return base.what();
    };
    for (const auto& text :
         {message(Unavailable{}), message(RetryAfter{1s}), message(Unauthorized{}),
          message(TooLarge{}), message(PermanentError{}), message(CursorExpired{})}) {
        CHECK_FALSE(text.empty());
    }
    CHECK(message(PermanentError{"no such list"}) == "no such list");
    CHECK(message(RetryAfter{1s, "busy"}) == "busy");
}

TEST_CASE("a wait that no clock can hold is brought to between nothing and a year", "[remote]") {
    const auto year = std::chrono::hours{24 * 365};

    CHECK(RetryAfter{1500ms}.wait() == 1500ms);
    CHECK(RetryAfter{2s}.wait() == 2s);
    CHECK(RetryAfter{0s}.wait() == 0ms);
    CHECK(RetryAfter{-5s}.wait() == 0ms);
    CHECK(RetryAfter{std::chrono::nanoseconds{1}}.wait() == 0ms);
    CHECK(RetryAfter{std::chrono::hours::max()}.wait() == year);
    CHECK(RetryAfter{std::chrono::hours::min()}.wait() == 0ms);
    CHECK(RetryAfter{std::chrono::duration<double>::max()}.wait() == year);
    CHECK(RetryAfter{std::chrono::duration<double>{std::numeric_limits<double>::quiet_NaN()}}
              .wait() == 0ms);
}

TEST_CASE("verdicts say what they were made of", "[remote]") {
    const auto yes = accepted("a", "r1");
    CHECK(yes.kind == VerdictKind::accepted);
    CHECK(yes.id == "a");
    CHECK(yes.revision == "r1");
    CHECK(accepted("a").revision.empty());

    const SyncRecord<> theirs{.id = "a", .data = {{"text", "theirs"}}, .revision = "r2"};
    const auto clash = conflict(theirs);
    CHECK(clash.kind == VerdictKind::conflict);
    CHECK(clash.id == "a");
    CHECK(clash.remote == theirs);

    const auto no = rejected("a", "too long");
    CHECK(no.kind == VerdictKind::rejected);
    CHECK(no.message == "too long");

    const auto later = retry("a", "busy", 3s);
    CHECK(later.kind == VerdictKind::retry);
    CHECK(later.message == "busy");
    CHECK(later.after == 3s);
    CHECK(retry("a", "busy").after == 0ms);
}

TEST_CASE("callbacks and verdicts carry data of any type", "[remote]") {
    const PushCallback<int> push = [](PushBatch<int> batch) {
        PushReport<int> report;
        for (const auto& change : batch.changes) report.push_back(conflict(change.record));
        report.push_back(rejected<int>("b", "no"));
        return make_ready_future(report);
    };
    PushBatch<int> batch;
    batch.changes.push_back({.record = {.id = "a", .data = 7}});

    const auto report = push(batch, get);
    REQUIRE(report.size() == 2);
    CHECK(report[0].remote->data == 7);
}

TEST_CASE("a stop reaches every token of its source, also copies and later ones", "[remote]") {
    const StopSource source;
    const auto before = source.token();
    const auto copy = before;  // NOLINT(performance-unnecessary-copy-initialization)
    CHECK_FALSE(before.stop_requested());

    source.request_stop();
    source.request_stop();

    CHECK(before.stop_requested());
    CHECK(copy.stop_requested());
    CHECK(source.token().stop_requested());
    CHECK_FALSE(StopToken{}.stop_requested());
}

TEST_CASE("either of two sources stops a joined token, and it outlives them", "[remote]") {
    StopToken first;
    StopToken second;
    StopToken neither;
    {
        const StopSource one;
        const StopSource other;
        first = StopToken::either(one.token(), StopSource{}.token());
        second = StopToken::either(StopToken{}, other.token());
        neither = StopToken::either(StopSource{}.token(), StopToken{});
        one.request_stop();
        other.request_stop();
    }
    CHECK(first.stop_requested());
    CHECK(second.stop_requested());
    CHECK_FALSE(neither.stop_requested());
}

}  // namespace test_of_remote
