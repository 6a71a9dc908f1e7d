// SPDX-License-Identifier: MIT
#include "support/simulation.hpp"

#define SYNC_ENGINE_TEST_HERE
SYNC_ENGINE_TEST_SIMULATION(SYNC_ENGINE_TEST_HERE);
