// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

namespace sync_engine {

/// The store's counter, stamped on an entry at each local edit: names one edit exactly.
using Sequence = std::uint64_t;

/// Stands on a new edit until the store gives it its sequence at the commit.
inline constexpr Sequence next_sequence = 0;

}  // namespace sync_engine
