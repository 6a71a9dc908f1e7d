// SPDX-License-Identifier: MIT
#pragma once

#include <sync_engine/record/sync_record.hpp>
#include <sync_engine/record/timestamp.hpp>
#include <sync_engine/store/entry.hpp>

#include <algorithm>
#include <chrono>
#include <cstdint>

namespace sync_engine {

/// The moment of an edit: what a pure rule has to know of the world.
struct Moment {
    Timestamp now{};
    /// How far ahead of `now` a stamp may run to stay above what was seen. One clock that stands in
    /// the year 9999 must not drag every other device there.
    std::chrono::milliseconds drift_cap{0};
};

/// Version and time of a record state: what tells newer from older, and never who changed what.
struct Stamp {
    std::uint64_t version = 0;
    Timestamp updated_at{};

    /// Raises both to at least the other's.
    void raise(const Stamp& other) noexcept {
        version = std::max(version, other.version);
        updated_at = std::max(updated_at, other.updated_at);
    }

    bool operator==(const Stamp&) const = default;
};

template <class Data>
[[nodiscard]] Stamp stamp_of(const SyncRecord<Data>& record) noexcept {
    return {record.version, record.updated_at};
}

/// Older in version and in time (law 10); a state without a time says nothing of its age.
template <class Data>
[[nodiscard]] bool is_older(const SyncRecord<Data>& state, const SyncRecord<Data>& than) noexcept {
    return state.updated_at != Timestamp{} && state.version < than.version &&
           state.updated_at < than.updated_at;
}

/// A stamp above `floor`: version one more, time now, or just later than the floor's where the
/// clock is behind, within the drift cap. At the ends of what can be written, both stand still.
[[nodiscard]] inline Stamp above(const Stamp& floor, const Moment& moment) noexcept {
    using std::chrono::milliseconds;
    const auto now = std::clamp(moment.now, earliest_stamp, latest_stamp);
    const auto room = std::chrono::duration_cast<milliseconds>(detail::elapsed(now, latest_stamp));
    const auto ceiling = now + std::clamp(moment.drift_cap, milliseconds{0}, room);
    const auto later = std::min(detail::just_after(floor.updated_at), ceiling);
    return {detail::next_version(floor.version), std::max(now, later)};
}

/// The highest stamp among the states that the remote has or may have.
template <class Data>
[[nodiscard]] Stamp remote_stamp(const Entry<Data>& entry) noexcept {
    Stamp highest;
    if (entry.base) highest.raise(stamp_of(*entry.base));
    if (entry.theirs()) highest.raise(stamp_of(*entry.theirs()));
    for (const auto& sent : entry.sent()) highest.raise(stamp_of(*sent.record));
    return highest;
}

/// The highest stamp that the store has seen of this record.
template <class Data>
[[nodiscard]] Stamp highest_stamp(const Entry<Data>& entry) noexcept {
    Stamp highest = remote_stamp(entry);
    highest.raise(stamp_of(*entry.local));
    return highest;
}

template <class Data>
void set_stamp(SyncRecord<Data>& record, const Stamp& stamp) {
    record.version = stamp.version;
    record.updated_at = stamp.updated_at;
}

}  // namespace sync_engine
