// SPDX-License-Identifier: MIT
#include <sync_engine/store/stamp.hpp>

#include "store/test_store.hpp"
#include "support/catch.hpp"

#include <chrono>
#include <cstdint>
#include <limits>
#include <memory>

namespace test_of_stamp {

using namespace std::chrono_literals;
using namespace sync_engine;
using namespace sync_engine::test;

namespace {

constexpr auto newest = std::numeric_limits<std::uint64_t>::max();
const Timestamp last_writable =
    Timestamp{std::chrono::sys_days{std::chrono::year{10000} / 1 / 1}} - 1us;

RecordPtr<nlohmann::json> stamped(std::uint64_t version, Timestamp at) {
    auto record = note("a", "one", version);
    record.updated_at = at;
    return std::make_shared<const SyncRecord<>>(record);
}

}  // namespace

TEST_CASE("a stamp above another has one version more and the time of now", "[store]") {
    CHECK(above({3, noon - 1h}, {noon, 5min}) == Stamp{4, noon});
    CHECK(above({}, {noon, 5min}) == Stamp{1, noon});
}

TEST_CASE("a clock that is behind does not make a stamp earlier", "[store]") {
    CHECK(above({3, noon}, {noon, 5min}) == Stamp{4, noon + 1us});
    CHECK(above({3, noon + 4min}, {noon, 5min}) == Stamp{4, noon + 4min + 1us});
    CHECK(above({3, noon - 1us}, {noon, 5min}) == Stamp{4, noon});
}

TEST_CASE("a stamp runs ahead of the clock no further than the drift cap", "[store]") {
    CHECK(above({3, noon + 5min - 1us}, {noon, 5min}) == Stamp{4, noon + 5min});
    CHECK(above({3, noon + 5min}, {noon, 5min}) == Stamp{4, noon + 5min});
    CHECK(above({3, noon + 24h * 365}, {noon, 5min}) == Stamp{4, noon + 5min});
    CHECK(above({3, noon + 1us}, {noon, 0ms}) == Stamp{4, noon});
    CHECK(above({3, noon + 1h}, {noon, -5min}) == Stamp{4, noon});
}

TEST_CASE("a clock that stands in the year 9999 drags nobody there", "[store]") {
    CHECK(above({3, last_writable}, {noon, 5min}) == Stamp{4, noon + 5min});
    CHECK(above({3, Timestamp::max()}, {noon, 5min}) == Stamp{4, noon + 5min});
}

TEST_CASE("a stamp can always be written as text", "[store]") {
    CHECK(above({3, last_writable}, {last_writable - 1min, 5min}).updated_at == last_writable);
    CHECK(above({3, noon}, {last_writable, 5min}).updated_at == last_writable);
    CHECK(above({3, noon}, {last_writable + 1us, 5min}).updated_at == last_writable);
    CHECK(above({3, noon}, {Timestamp::max(), 5min}).updated_at == last_writable);
    const auto first_writable = sync_engine::earliest_stamp;
    CHECK(above({}, {Timestamp::min(), 5min}).updated_at >= first_writable);
    CHECK(above({3, noon}, {first_writable - 1us, 5min}).updated_at == first_writable + 5min);
    CHECK(above({3, Timestamp::min()}, {Timestamp::min(), 5min}).updated_at == first_writable);
}

TEST_CASE("a drift cap without end does not overflow", "[store]") {
    constexpr auto endless = std::chrono::milliseconds::max();

    CHECK(above({3, noon + 1h}, {noon, endless}) == Stamp{4, noon + 1h + 1us});
    CHECK(above({3, noon - 1h}, {noon, endless}) == Stamp{4, noon});
    CHECK(above({3, noon + 1h}, {noon, std::chrono::milliseconds::min()}) == Stamp{4, noon});
}

TEST_CASE("the newest version stays the newest instead of wrapping", "[store]") {
    CHECK(above({newest, noon - 1h}, {noon, 5min}) == Stamp{newest, noon});
    CHECK(above({newest - 1, noon - 1h}, {noon, 5min}) == Stamp{newest, noon});
}

TEST_CASE("version and time of a stamp are raised each by itself", "[store]") {
    Stamp stamp{3, noon};

    stamp.raise({2, noon + 1s});
    CHECK(stamp == Stamp{3, noon + 1s});
    stamp.raise({5, noon});
    CHECK(stamp == Stamp{5, noon + 1s});
    stamp.raise({1, noon - 1s});
    CHECK(stamp == Stamp{5, noon + 1s});
}

TEST_CASE("the remote's stamp is the highest that the remote has or may have", "[store]") {
    Entry<nlohmann::json> entry{.local = stamped(9, noon + 9h)};
    CHECK(remote_stamp(entry) == Stamp{});

    entry.base = stamped(2, noon + 1h);
    CHECK(remote_stamp(entry) == Stamp{2, noon + 1h});
    entry.edit_extras().theirs = stamped(3, noon);
    CHECK(remote_stamp(entry) == Stamp{3, noon + 1h});
    entry.edit_extras().sent.push_back({.record = stamped(1, noon + 2h)});
    entry.edit_extras().sent.push_back({.record = stamped(4, noon)});
    CHECK(remote_stamp(entry) == Stamp{4, noon + 2h});

    CHECK(highest_stamp(entry) == Stamp{9, noon + 9h});
}

TEST_CASE("a record takes and shows its stamp", "[store]") {
    auto record = note("a", "one");

    set_stamp(record, {7, noon + 1h});

    CHECK(record.version == 7);
    CHECK(record.updated_at == noon + 1h);
    CHECK(stamp_of(record) == Stamp{7, noon + 1h});
}

}  // namespace test_of_stamp
