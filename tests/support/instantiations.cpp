// SPDX-License-Identifier: MIT
#include "support/precompiled.hpp"

#define SYNC_ENGINE_TEST_HERE
SYNC_ENGINE_TEST_INSTANTIATIONS(SYNC_ENGINE_TEST_HERE);
