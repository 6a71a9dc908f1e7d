// SPDX-License-Identifier: MIT
// The second unit that sees every header: a function that lacks `inline` is defined twice and fails
// the link.
#include <sync_engine.hpp>
#include <sync_engine/testing/memory_storage.hpp>
#include <sync_engine/testing/resolver_laws.hpp>
#include <sync_engine/testing/simulation.hpp>

sync_engine::SyncRecord<> record_of_the_second_unit();

sync_engine::SyncRecord<> record_of_the_second_unit() {
    return {.id = "from the second unit"};
}
