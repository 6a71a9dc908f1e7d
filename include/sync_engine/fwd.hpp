// SPDX-License-Identifier: MIT
#pragma once

/// The names of the library, for headers that only pass its types on: an app's own header that
/// includes this instead of <sync_engine.hpp> costs nothing to compile.
///
///     #include <sync_engine/fwd.hpp>
///     void show(const sync_engine::LocalStore<Note>& store);
///
/// `Data` has its default, nlohmann::json, only where the library itself is included.
namespace sync_engine {

template <class Data>
class ConflictResolver;
template <class Data>
class LocalStore;
template <class Data>
class MemoryRemote;
template <class Data>
class RetryQueue;
template <class Data>
class SyncEngine;
template <class Data>
class Transaction;
template <class Data>
struct Change;
template <class Data>
struct Conflict;
template <class Data>
struct PullPage;
template <class Data>
struct PushBatch;
template <class Data>
struct Remote;
template <class Data>
struct StoreChange;
template <class Data>
struct SyncRecord;

class Subscription;
class TagSet;
struct PullRequest;
struct SyncError;
struct SyncMetadata;
struct SyncOptions;
struct SyncResult;

}  // namespace sync_engine
