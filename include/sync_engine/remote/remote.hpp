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

template <class Callback, class Data>
concept PushesSimply = Calls<Callback, std::vector<std::string>, std::vector<SyncRecord<Data>>>;
template <class Callback, class Data>
concept PushesNatively = Calls<Callback, PushReport<Data>, PushBatch<Data>>;
template <class Callback, class Data>
concept PushesShared = Calls<Callback, PushReport<Data>, SharedPushBatch<Data>>;

template <class Callback, class Data>
concept Pushes =
    PushesSimply<Callback, Data> || PushesNatively<Callback, Data> || PushesShared<Callback, Data>;

template <class Callback, class Data>
concept PullsSimply = Calls<Callback, std::vector<SyncRecord<Data>>>;
template <class Callback, class Data>
concept PullsNatively = Calls<Callback, PullPage<Data>, PullRequest>;
template <class Callback, class Data>
concept Pulls = PullsSimply<Callback, Data> || PullsNatively<Callback, Data>;

}  // namespace detail

/// A push callback in one of three forms; made from any callable with the right signature.
///
/// Simple: `std::future<std::vector<std::string>>(std::vector<SyncRecord<Data>>)`, the ids that the
/// remote accepted. Native: `std::future<PushReport<Data>>(PushBatch<Data>)`. Shared, the native
/// one without copies: `std::future<PushReport<Data>>(SharedPushBatch<Data>)`. Name the parameter
/// type in a lambda: one that takes `auto` is tried as the simple form.
template <class Data = nlohmann::json>
class PushCallback {
public:
    /// Gets records and gives the ids of those that the remote accepted.
    using Simple =
        std::function<std::future<std::vector<std::string>>(std::vector<SyncRecord<Data>>)>;
    /// Gets changes and gives a verdict for each.
    using Native = std::function<std::future<PushReport<Data>>(PushBatch<Data>)>;
    /// The same, for whoever only reads the records: nothing is copied.
    using Shared = std::function<std::future<PushReport<Data>>(SharedPushBatch<Data>)>;

    PushCallback() = default;
    /// No callback: a sync that has something to push fails.
    PushCallback(std::nullptr_t) {}  // NOLINT(google-explicit-constructor): no callback

    /// Anything that can be called in one of the forms; the first that fits counts: simple, native,
    /// shared. An empty function or a null pointer is no callback.
    template <class Callback, class Called = std::remove_cvref_t<Callback>>
    requires(!std::same_as<Called, PushCallback> && detail::Pushes<Called, Data>)
        PushCallback(Callback&& callback) {
        if (detail::is_empty(callback)) return;
        if constexpr (detail::PushesSimply<Called, Data>) {
            form_ = Simple(std::forward<Callback>(callback));
        } else if constexpr (detail::PushesNatively<Called, Data>) {
            form_ = Native(std::forward<Callback>(callback));
        } else {
            form_ = Shared(std::forward<Callback>(callback));
        }
    }

    /// True if there is something to call.
    explicit operator bool() const noexcept { return form_.index() != 0; }

    /// Calls it in its form and answers in the native one; `await` turns a future into its value.
    template <class Await>
    [[nodiscard]] PushReport<Data> operator()(PushBatch<Data> batch, Await&& await) const {
        if (const auto* native = std::get_if<Native>(&form_)) {
            return await((*native)(std::move(batch)));
        }
        if (const auto* shared = std::get_if<Shared>(&form_)) {
            return await((*shared)(detail::shared_batch(std::move(batch))));
        }
        std::vector<SyncRecord<Data>> records;
        records.reserve(batch.changes.size());
        for (auto& change : batch.changes) records.push_back(std::move(change.record));
        return call_simply(std::move(records), await);
    }

    /// The same with records that others have too: what the form asks for of them is copied.
    template <class Await>
    [[nodiscard]] PushReport<Data> share(SharedPushBatch<Data> batch, Await&& await) const {
        if (const auto* native = std::get_if<Native>(&form_)) {
            return await((*native)(detail::copied_batch(std::move(batch))));
        }
        if (const auto* shared = std::get_if<Shared>(&form_)) {
            return await((*shared)(std::move(batch)));
        }
        std::vector<SyncRecord<Data>> records;
        records.reserve(batch.changes.size());
        for (const auto& change : batch.changes) records.push_back(*change.record);
        return call_simply(std::move(records), await);
    }

private:
    template <class Await>
    PushReport<Data> call_simply(std::vector<SyncRecord<Data>> records, Await&& await) const {
        PushReport<Data> report;
        for (auto& id : await(std::get<Simple>(form_)(std::move(records)))) {
            report.push_back(accepted<Data>(std::move(id)));
        }
        return report;
    }

    std::variant<std::monostate, Simple, Native, Shared> form_;
};

/// A pull callback in either form; made from any callable with the right signature.
///
/// Simple: `std::future<std::vector<SyncRecord<Data>>>()`, everything or what changed: no cursor is
/// kept and only records with status `deleted` delete. Native:
/// `std::future<PullPage<Data>>(PullRequest)`, page by page from a cursor.
template <class Data = nlohmann::json>
class PullCallback {
public:
    /// Gives everything, or what changed.
    using Simple = std::function<std::future<std::vector<SyncRecord<Data>>>()>;
    /// Gives the page that is asked for.
    using Native = std::function<std::future<PullPage<Data>>(PullRequest)>;

    PullCallback() = default;
    /// No callback: a sync fails, unless it only pushes.
    PullCallback(std::nullptr_t) {}  // NOLINT(google-explicit-constructor): no callback

    /// Anything that can be called in one of the forms; the simple one counts where both fit. An
    /// empty function or a null pointer is no callback.
    template <class Callback, class Called = std::remove_cvref_t<Callback>>
    requires(!std::same_as<Called, PullCallback> && detail::Pulls<Called, Data>)
        PullCallback(Callback&& callback) {
        if (detail::is_empty(callback)) return;
        if constexpr (detail::PullsSimply<Called, Data>) {
            form_ = Simple(std::forward<Callback>(callback));
        } else {
            form_ = Native(std::forward<Callback>(callback));
        }
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
    /// Sends changes there. It may be empty where nothing is ever pushed.
    PushCallback<Data> push{};
    /// Brings the remote's records here. It may be empty if each sync only pushes.
    PullCallback<Data> pull{};
    /// Optional: which remote this is. It is stored with the cursor of a native pull, and from then
    /// on syncing the store with another name is refused, because a cursor means nothing to another
    /// remote.
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
