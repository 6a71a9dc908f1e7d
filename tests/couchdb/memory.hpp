// SPDX-License-Identifier: MIT
#pragma once

#include <cstdlib>  // says __GLIBC__

#ifdef __GLIBC__
#include <malloc.h>
#endif

#include <cstddef>
#include <fstream>
#include <string>

namespace sync_engine::test {

/// What this process has of real memory, in KiB: `VmRSS` now, `VmHWM` at most; 0 where nobody says.
inline std::size_t memory_kib(const std::string& key) {
    std::ifstream status{"/proc/self/status"};
    for (std::string word; status >> word;) {
        std::size_t kib = 0;
        if (word == key + ':' && status >> kib) return kib;
    }
    return 0;
}

/// From now on `VmHWM` begins anew, where the system lets us.
inline void forget_peak() {
    std::ofstream{"/proc/self/clear_refs"} << "5";
}

}  // namespace sync_engine::test
