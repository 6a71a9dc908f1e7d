// SPDX-License-Identifier: MIT
#pragma once

#include <sync_engine/record/error.hpp>

#include <chrono>
#include <string>

namespace sync_engine {

/// What a push or pull callback throws, now or through its future, when the whole call failed.
///
/// The class says what the engine does about it; any other exception means that the call failed
/// and may have had an effect or not.
class RemoteError : public Error {
public:
    using Error::Error;
};

/// The remote was not reached at all, so nothing that was sent can have had an effect there.
/// The cycle ends; no record is blamed; what was sent counts as never sent.
class Unavailable : public RemoteError {
public:
    /// The message says why, for people: it becomes an error of the result.
    explicit Unavailable(const std::string& message = "the remote cannot be reached")
        : RemoteError(message) {}
};

/// The remote asks to be left alone for a while (429, 503 with Retry-After).
/// Everything waits, new edits too, also over a restart.
class RetryAfter : public RemoteError {
public:
    /// Waits longer than a year are taken as a year: a number that no clock overflows on. One of
    /// less than a second is none: a timer waits as after any failure, and a sync that somebody
    /// asks for does not.
    template <class Rep, class Period>
    explicit RetryAfter(std::chrono::duration<Rep, Period> wait,
                        const std::string& message = "the remote asks to wait")
        : RemoteError(message), wait_(clamped(std::chrono::duration<double>(wait))) {}

    /// How long the remote wants to be left alone; never negative.
    [[nodiscard]] std::chrono::milliseconds wait() const noexcept { return wait_; }

private:
    static std::chrono::milliseconds clamped(std::chrono::duration<double> wait) noexcept {
        constexpr std::chrono::hours year{24 * 365};
        if (!(wait.count() > 0)) return std::chrono::milliseconds{0};
        if (wait > year) return year;
        return std::chrono::duration_cast<std::chrono::milliseconds>(wait);
    }

    std::chrono::milliseconds wait_;
};

/// The credentials are not valid (401): ask the user to log in, then sync again. Nothing is lost. A
/// timer waits as after any failure; a sync that somebody asks for does not.
class Unauthorized : public RemoteError {
public:
    /// The message says why, for people: it becomes an error of the result.
    explicit Unauthorized(const std::string& message = "the remote wants a new login")
        : RemoteError(message) {}
};

/// The request was too large (413). Several changes are split; a single one becomes a dead letter.
class TooLarge : public RemoteError {
public:
    /// The message says why, for people: a dead letter keeps it.
    explicit TooLarge(const std::string& message = "the request is too large for the remote")
        : RemoteError(message) {}
};

/// The remote will never take this request (400). Several changes are split until the one it
/// refuses stands alone: that one becomes a dead letter.
class PermanentError : public RemoteError {
public:
    /// The message says why, for people: a dead letter keeps it.
    explicit PermanentError(const std::string& message = "the remote refuses the request for good")
        : RemoteError(message) {}
};

/// The remote no longer knows the cursor (410). The engine scans again and keeps unsent edits.
class CursorExpired : public RemoteError {
public:
    /// The message says why, for people.
    explicit CursorExpired(const std::string& message = "the remote no longer knows the cursor")
        : RemoteError(message) {}
};

/// The callback gave up because it was asked to stop. Nobody is blamed; what was sent may have had
/// its effect.
class Stopped : public RemoteError {
public:
    /// The message says why, for people; the result says only `stopped`.
    explicit Stopped(const std::string& message = "stopped while waiting for the remote")
        : RemoteError(message) {}
};

}  // namespace sync_engine
