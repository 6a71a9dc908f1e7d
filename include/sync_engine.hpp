// SPDX-License-Identifier: MIT
#pragma once

/// Everything that needs nlohmann_json alone.

#include <sync_engine/conflict/conflict_resolver.hpp>
#include <sync_engine/conflict/merge.hpp>
#include <sync_engine/conflict/reconcile.hpp>
#include <sync_engine/record/error.hpp>
#include <sync_engine/record/record_text.hpp>
#include <sync_engine/record/sync_error.hpp>
#include <sync_engine/record/sync_record.hpp>
#include <sync_engine/record/tag_set.hpp>
#include <sync_engine/record/timestamp.hpp>
#include <sync_engine/remote/memory_remote.hpp>
#include <sync_engine/remote/remote.hpp>
#include <sync_engine/retry/backoff.hpp>
#include <sync_engine/retry/retry_queue.hpp>
#include <sync_engine/store/local_store.hpp>
#include <sync_engine/sync/sync_cycle.hpp>
#include <sync_engine/sync/sync_engine.hpp>
#include <sync_engine/sync/sync_result.hpp>
