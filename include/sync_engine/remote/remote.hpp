// SPDX-License-Identifier: MIT
#pragma once

#include <sync_engine/record/sync_record.hpp>
#include <sync_engine/remote/change.hpp>
#include <sync_engine/remote/page.hpp>
#include <sync_engine/remote/remote_error.hpp>
#include <sync_engine/remote/verdict.hpp>

#include <nlohmann/json_fwd.hpp>

#include <concepts>
#include <cstddef>
#include <functional>
#include <future>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

namespace sync_engine {

namespace detail {

template <class Callback, class Result, class... Arguments>
concept Calls = std::is_invocable_r_v<std::future<Result>, Callback&, Arguments...>;

/// An empty `std::function` or a null function pointer, whatever the type.
template <class Callback>
bool is_empty(const Callback& callback) {
    if constexpr (std::is_function_v<Callback> || !std::is_constructible_v<bool, const Callback&>) {
        return false;
    } else {
        return !static_cast<bool>(callback);
    }
}

}  // namespace detail

/// A push callback in either form; made from any callable with the right signature.
///
/// Simple: `std::future<std::vector<std::string>>(std::vector<SyncRecord<Data>>)`, the ids that the
/// remote accepted. Native: `std::future<PushReport<Data>>(PushBatch<Data>)`. Name the parameter
/// type in a lambda: one that takes `auto` is tried as the simple form.
template <class Data = nlohmann::json>
class PushCallback {
public:
    using Simple =
        std::function<std::future<std::vector<std::string>>(std::vector<SyncRecord<Data>>)>;
    using Native = std::function<std::future<PushReport<Data>>(PushBatch<Data>)>;

    PushCallback() = default;
    PushCallback(std::nullptr_t) {}  // NOLINT(google-explicit-constructor): no callback

    template <class Callback>
    requires(!std::same_as<std::remove_cvref_t<Callback>, PushCallback>) &&
        detail::Calls<std::remove_cvref_t<Callback>, std::vector<std::string>,
                      std::vector<SyncRecord<Data>>> PushCallback(Callback&& callback) {
        if (!detail::is_empty(callback)) form_ = Simple(std::forward<Callback>(callback));
    }

    template <class Callback>
    requires(!std::same_as<std::remove_cvref_t<Callback>, PushCallback>) &&
        (!detail::Calls<std::remove_cvref_t<Callback>, std::vector<std::string>,
                        std::vector<SyncRecord<Data>>>)&&detail::
            Calls<std::remove_cvref_t<Callback>, PushReport<Data>, PushBatch<Data>> PushCallback(
                Callback&& callback) {
        if (!detail::is_empty(callback)) form_ = Native(std::forward<Callback>(callback));
    }

    /// True if there is something to call.
    explicit operator bool() const noexcept { return form_.index() != 0; }

    /// Calls it and answers in the native form; `await` turns a future into its value.
    template <class Await>
    [[nodiscard]] PushReport<Data> operator()(PushBatch<Data> batch, Await&& await) const {
        if (const auto* native = std::get_if<Native>(&form_)) {
            return await((*native)(std::move(batch)));
        }
        std::vector<SyncRecord<Data>> records;
        records.reserve(batch.changes.size());
        for (auto& change : batch.changes) records.push_back(std::move(change.record));
        PushReport<Data> report;
        for (auto& id : await(std::get<Simple>(form_)(std::move(records)))) {
            report.push_back(accepted<Data>(std::move(id)));
        }
        return report;
    }

private:
    std::variant<std::monostate, Simple, Native> form_;
};

/// A pull callback in either form; made from any callable with the right signature.
///
/// Simple: `std::future<std::vector<SyncRecord<Data>>>()`, everything or what changed: no cursor is
/// kept and only records with status `deleted` delete. Native:
/// `std::future<PullPage<Data>>(PullRequest)`, page by page from a cursor.
template <class Data = nlohmann::json>
class PullCallback {
public:
    using Simple = std::function<std::future<std::vector<SyncRecord<Data>>>()>;
    using Native = std::function<std::future<PullPage<Data>>(PullRequest)>;

    PullCallback() = default;
    PullCallback(std::nullptr_t) {}  // NOLINT(google-explicit-constructor): no callback

    template <class Callback>
    requires(!std::same_as<std::remove_cvref_t<Callback>, PullCallback>) &&
        detail::Calls<std::remove_cvref_t<Callback>, std::vector<SyncRecord<Data>>> PullCallback(
            Callback&& callback) {
        if (!detail::is_empty(callback)) form_ = Simple(std::forward<Callback>(callback));
    }

    template <class Callback>
    requires(!std::same_as<std::remove_cvref_t<Callback>, PullCallback>) &&
        detail::Calls<std::remove_cvref_t<Callback>, PullPage<Data>, PullRequest> PullCallback(
            Callback&& callback) {
        if (!detail::is_empty(callback)) form_ = Native(std::forward<Callback>(callback));
    }

    /// True if there is something to call.
    explicit operator bool() const noexcept { return form_.index() != 0; }

    /// True for the native form: pages come with a cursor that is to be kept.
    [[nodiscard]] bool keeps_cursor() const noexcept {
        return std::holds_alternative<Native>(form_);
    }

    /// Calls it and answers in the native form; `await` turns a future into its value.
    template <class Await>
    [[nodiscard]] PullPage<Data> operator()(PullRequest request, Await&& await) const {
        if (const auto* native = std::get_if<Native>(&form_)) {
            return await((*native)(std::move(request)));
        }
        PullPage<Data> page;
        page.records = await(std::get<Simple>(form_)());
        return page;
    }

private:
    std::variant<std::monostate, Simple, Native> form_;
};

/// The other side: a pair of callbacks. Called on the thread that runs the sync, one at a time,
/// without a lock held; they may use the store, throw, block, or return any kind of future.
template <class Data = nlohmann::json>
struct Remote {
    PushCallback<Data> push{};
    PullCallback<Data> pull{};
    /// Optional: which remote this is. It is stored with the cursor, and syncing the same store
    /// with another name is refused, because a cursor means nothing to another remote.
    std::string name{};
};

/// A future that is ready: for callbacks that have nothing to wait for.
template <class Value>
[[nodiscard]] std::future<std::decay_t<Value>> make_ready_future(Value&& value) {
    std::promise<std::decay_t<Value>> promise;
    promise.set_value(std::forward<Value>(value));
    return promise.get_future();
}

}  // namespace sync_engine
