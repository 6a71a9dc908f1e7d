// SPDX-License-Identifier: MIT
#include <sync_engine/testing/choices.hpp>
#include <sync_engine/testing/fault.hpp>

#include "support/catch.hpp"

#include <cstddef>
#include <set>
#include <string_view>

namespace test_of_fault {

using sync_engine::testing::Choices;
using sync_engine::testing::Fault;
using sync_engine::testing::fault_count;
using sync_engine::testing::FaultRates;
using sync_engine::testing::Faults;

TEST_CASE("each fault has a name of its own, which is its own", "[testing]") {
    std::set<std::string_view> names;
    for (std::size_t each = 0; each < fault_count; ++each) {
        names.insert(to_string(static_cast<Fault>(each)));
    }

    CHECK(names.size() == fault_count);
    CHECK(to_string(Fault::unreachable) == "unreachable");
    CHECK(to_string(Fault::login_expired) == "login expired");
    CHECK(to_string(Fault::false_conflict) == "false conflict");
    CHECK(to_string(Fault::feed_stuck) == "feed stuck");
    CHECK(to_string(Fault::store_cleared) == "store cleared");
    CHECK(to_string(Fault::stop_requested) == "stop requested");
    CHECK(static_cast<std::size_t>(Fault::stop_requested) + 1 == fault_count);
}

TEST_CASE("a fault whose rate was not set never happens, and costs no choice", "[testing]") {
    constexpr auto rates = FaultRates{}.set(Fault::crash, 7);
    static_assert(rates.of(Fault::crash) == 7);
    static_assert(rates.of(Fault::disk_full) == 0);
    Choices choices{1};
    Faults faults{choices, rates};

    CHECK_FALSE(faults.happens(Fault::disk_full));
    CHECK(choices.recorded().empty());
}

TEST_CASE("faults happen at their rates, and are counted", "[testing]") {
    Choices choices{1};
    Faults faults{choices, FaultRates{}.set(Fault::crash, 1000).set(Fault::reply_lost, 100)};
    std::size_t lost = 0;
    for (int n = 0; n < 1000; ++n) {
        CHECK(faults.happens(Fault::crash));
        lost += faults.happens(Fault::reply_lost) ? 1 : 0;
    }

    CHECK(lost > 60);
    CHECK(lost < 140);
    CHECK(faults.counts().at(static_cast<std::size_t>(Fault::crash)) == 1000);
    CHECK(faults.counts().at(static_cast<std::size_t>(Fault::reply_lost)) == lost);
    CHECK(faults.counts().at(static_cast<std::size_t>(Fault::disk_full)) == 0);
}

TEST_CASE("the rates can be changed under way", "[testing]") {
    Choices choices{1};
    Faults faults{choices};
    CHECK_FALSE(faults.happens(Fault::crash));

    faults.set_rates(FaultRates{}.set(Fault::crash, 1000));
    CHECK(faults.happens(Fault::crash));
    CHECK(faults.rates().of(Fault::crash) == 1000);
}

TEST_CASE("once they are stopped no fault happens, and none costs a choice", "[testing]") {
    Choices choices{1};
    Faults faults{choices, FaultRates{}.set(Fault::crash, 1000)};
    CHECK(faults.happens(Fault::crash));
    faults.stop();

    CHECK_FALSE(faults.happens(Fault::crash));
    CHECK(choices.recorded().size() == 1);
    CHECK(faults.counts().at(static_cast<std::size_t>(Fault::crash)) == 1);
}

TEST_CASE("a fault picks its victim by a choice", "[testing]") {
    Choices choices{Choices::List{2, 9}};
    Faults faults{choices};

    CHECK(faults.pick(4) == 2);
    CHECK(faults.pick(4) == 1);
    CHECK(faults.pick(1) == 0);
}

}  // namespace test_of_fault
