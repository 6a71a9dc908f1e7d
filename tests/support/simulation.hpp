// SPDX-License-Identifier: MIT
#pragma once

// The simulator for `nlohmann::json`, instantiated once (simulation.cpp) for the tests that run
// it: no header costs a compiler more.

#include <sync_engine/testing/simulated_world.hpp>
#include <sync_engine/testing/simulation.hpp>
#include <sync_engine/testing/stepped_sync.hpp>

#define SYNC_ENGINE_TEST_SIMULATION(declare)                                     \
    declare template class sync_engine::testing::SteppedSync<nlohmann::json>;    \
    declare template class sync_engine::testing::SimulatedWorld<nlohmann::json>; \
    declare template class sync_engine::testing::Simulation<nlohmann::json>

SYNC_ENGINE_TEST_SIMULATION(extern);
