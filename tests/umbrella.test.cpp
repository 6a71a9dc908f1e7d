// SPDX-License-Identifier: MIT
#include <sync_engine/fwd.hpp>

// What another header declares by these names, before it knows what they are.
bool has_all(const sync_engine::LocalStore<int>& store, const sync_engine::SyncResult& result);

#include <sync_engine.hpp>
#include <sync_engine/testing/memory_storage.hpp>
#include <sync_engine/testing/resolver_laws.hpp>
#include <sync_engine/testing/simulation.hpp>

#include "support/catch.hpp"

sync_engine::SyncRecord<> record_of_the_second_unit();

TEST_CASE("two units that include the whole library link and share its types", "[umbrella]") {
    CHECK(record_of_the_second_unit().id == "from the second unit");
}

bool has_all(const sync_engine::LocalStore<int>& store, const sync_engine::SyncResult& result) {
    return store.count() == result.pulled;
}

TEST_CASE("a header that has only the names goes with the library", "[umbrella]") {
    const sync_engine::LocalStore<int> store;
    CHECK(has_all(store, {}));
}
