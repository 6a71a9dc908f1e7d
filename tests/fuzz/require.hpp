// SPDX-License-Identifier: MIT
#pragma once

#include <cstdio>
#include <cstdlib>
#include <string>

namespace sync_engine::test {

/// Ends the process where a claim does not hold, which is how a fuzzer hears of it; in every kind
/// of build, which assert() does not.
inline void require(bool holds, const std::string& claim) {
    if (holds) return;
    std::fprintf(stderr, "this does not hold: %s\n", claim.c_str());
    std::abort();
}

}  // namespace sync_engine::test
