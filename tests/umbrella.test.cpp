// SPDX-License-Identifier: MIT
#include <sync_engine.hpp>
#include <sync_engine/testing/memory_storage.hpp>
#include <sync_engine/testing/resolver_laws.hpp>
#include <sync_engine/testing/simulation.hpp>

#include "support/catch.hpp"

sync_engine::SyncRecord<> record_of_the_second_unit();

TEST_CASE("two units that include the whole library link and share its types", "[umbrella]") {
    CHECK(record_of_the_second_unit().id == "from the second unit");
}
