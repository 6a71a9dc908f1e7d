// SPDX-License-Identifier: MIT
#pragma once

// What every test includes, compiled once; and the library for `nlohmann::json`, instantiated once
// (instantiations.cpp) instead of in each test file.

#include <sync_engine.hpp>
#include <sync_engine/testing/manual_clock.hpp>
#include <sync_engine/testing/memory_storage.hpp>

#include "support/catch.hpp"

#define SYNC_ENGINE_TEST_INSTANTIATIONS(declare)                             \
    declare template struct sync_engine::SyncRecord<nlohmann::json>;         \
    declare template class sync_engine::ConflictResolver<nlohmann::json>;    \
    declare template class sync_engine::RetryQueue<nlohmann::json>;          \
    declare template class sync_engine::EntryTable<nlohmann::json>;          \
    declare template class sync_engine::Overlay<nlohmann::json>;             \
    declare template class sync_engine::Transaction<nlohmann::json>;         \
    declare template class sync_engine::StoreMemory<nlohmann::json>;         \
    declare template class sync_engine::GroupCommit<nlohmann::json>;         \
    declare template class sync_engine::LocalStore<nlohmann::json>;          \
    declare template class sync_engine::MemoryRemote<nlohmann::json>;        \
    declare template class sync_engine::Settlement<nlohmann::json>;          \
    declare template class sync_engine::SyncCycle<nlohmann::json>;           \
    declare template class sync_engine::detail::SyncRun<nlohmann::json>;     \
    declare template class sync_engine::detail::StoreLedger<nlohmann::json>; \
    declare template class sync_engine::SyncEngine<nlohmann::json>;          \
    declare template class sync_engine::testing::MemoryStorage<nlohmann::json>

SYNC_ENGINE_TEST_INSTANTIATIONS(extern);
