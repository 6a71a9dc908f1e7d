// SPDX-License-Identifier: MIT
#include <sync_engine.hpp>

bool has_id(const sync_engine::SyncRecord<>& record);

bool has_id(const sync_engine::SyncRecord<>& record) {
    return !record.id.empty();
}
