// SPDX-License-Identifier: MIT
#pragma once

#include <sync_engine/conflict/reconcile.hpp>
#include <sync_engine/record/sync_record.hpp>
#include <sync_engine/record/tag_set.hpp>
#include <sync_engine/record/timestamp.hpp>

#include <nlohmann/json.hpp>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace sync_engine::testing {

/// A question for a resolver: what this device and the remote each made of one record.
template <class Data = nlohmann::json>
struct ConflictSample {
    std::string name{};                      ///< how a report calls it
    std::optional<SyncRecord<Data>> base{};  ///< the last state both had; none: each made it anew
    SyncRecord<Data> local{};                ///< ours; status `deleted` if we deleted it
    SyncRecord<Data> remote{};  ///< the remote's; `Timestamp{}` if the remote keeps no times
};

}  // namespace sync_engine::testing

namespace sync_engine::detail {

/// A state of a sample's record, before it is known when it was made.
template <class Data>
struct SampleState {
    std::string name{};
    Data data{};
    TagSet tags{};
    SyncStatus status = SyncStatus::modified;
};

template <class Data>
[[nodiscard]] SampleState<Data> sample_deletion() {
    return {"deleted", {}, {}, SyncStatus::deleted};
}

/// Which side is later: it has the higher version, and the later time where the remote keeps times.
struct SampleTiming {
    const char* name;
    std::uint64_t local;
    std::uint64_t remote;
    bool has_times;
};

/// The base has version 1.
inline constexpr std::array<SampleTiming, 6> sample_timings{{
    {"local is later", 3, 2, true},
    {"the remote is later", 2, 3, true},
    {"the stamps are equal", 2, 2, true},
    {"no remote times, local has the higher version", 3, 2, false},
    {"no remote times, the remote has the higher version", 2, 3, false},
    {"no remote times, the versions are equal", 2, 2, false},
}};

template <class Data>
[[nodiscard]] SyncRecord<Data> sample_record(const SampleState<Data>& state, std::uint64_t version,
                                             bool has_time) {
    constexpr auto start = std::chrono::sys_days{std::chrono::year{2026} / 1 / 1};
    return {.id = "sample",
            .data = state.data,
            .status = state.status,
            .updated_at = has_time ? Timestamp{start + std::chrono::minutes{version}} : Timestamp{},
            .version = version,
            .tags = state.tags};
}

/// Adds a sample for each timing, unless a side changed nothing. `base` is null for none.
template <class Data>
void add_samples(std::vector<testing::ConflictSample<Data>>& samples, const std::string& name,
                 const SampleState<Data>* base, const SampleState<Data>& local,
                 const SampleState<Data>& remote) {
    for (const auto& timing : sample_timings) {
        testing::ConflictSample<Data> sample{
            .name = name + "; " + timing.name,
            .local = sample_record(local, timing.local, true),
            .remote = sample_record(remote, timing.remote, timing.has_times)};
        if (base != nullptr) {
            sample.base = sample_record(*base, 1, timing.has_times);
            if (same_content(*sample.base, sample.local)) return;
            if (same_content(*sample.base, sample.remote)) return;
        }
        samples.push_back(std::move(sample));
    }
}

/// What local and remote each made of the sample's base.
struct JsonSamplePair {
    const char* name;
    SampleState<nlohmann::json> local;
    SampleState<nlohmann::json> remote;
};

[[nodiscard]] inline SampleState<nlohmann::json> json_sample_base() {
    return {.data = {{"title", "milk"},
                     {"done", false},
                     {"place", {{"aisle", 3}, {"shelf", "low"}}},
                     {"notes", nlohmann::json::array({"2 l"})}},
            .tags = {"shop"}};
}

[[nodiscard]] inline std::vector<JsonSamplePair> json_sample_pairs() {
    using State = SampleState<nlohmann::json>;
    const State base = json_sample_base();
    const auto with = [&](const char* pointer, nlohmann::json value) {
        State state = base;
        state.data[nlohmann::json::json_pointer{pointer}] = std::move(value);
        return state;
    };
    const auto tagged = [&](TagSet tags) {
        State state = base;
        state.tags = std::move(tags);
        return state;
    };
    State untitled = base;
    untitled.data.erase("title");
    const State deletion = sample_deletion<nlohmann::json>();
    return {
        {"both edit one field", with("/title", "oat milk"), with("/title", "soy milk")},
        {"each edits another field", with("/title", "oat milk"), with("/done", true)},
        {"both add one field", with("/price", 2), with("/price", 3)},
        {"local edits a field, the remote removes it", with("/title", "oat milk"), untitled},
        {"local removes a field, the remote edits it", untitled, with("/title", "oat milk")},
        {"both edit one nested field", with("/place/aisle", 4), with("/place/aisle", 5)},
        {"each edits another nested field", with("/place/aisle", 4), with("/place/shelf", "top")},
        {"both extend a list", with("/notes", {"2 l", "cold"}), with("/notes", {"2 l", "fresh"})},
        {"both change the tags", tagged({"shop", "today"}), tagged({"home"})},
        {"local edits a field, the remote the tags", with("/done", true), tagged({})},
        {"local edits, the remote deletes", with("/title", "oat milk"), deletion},
        {"local deletes, the remote edits", deletion, with("/title", "oat milk")},
        {"both delete", deletion, deletion},
    };
}

}  // namespace sync_engine::detail

namespace sync_engine::testing {

/// Every conflict that can arise between the given values, under the given tags, and deletions:
/// with and without a base, with either side later, and with equal stamps.
///
/// The number grows with the third power: 216 samples for three values, 2,352 for seven.
template <class Data>
[[nodiscard]] std::vector<ConflictSample<Data>> conflict_samples(const std::vector<Data>& values,
                                                                 const std::vector<TagSet>& tags = {
                                                                     TagSet{}}) {
    std::vector<sync_engine::detail::SampleState<Data>> states;
    for (std::size_t value = 0; value < values.size(); ++value) {
        for (const auto& set : tags) {
            std::string name = "value " + std::to_string(value);
            for (const auto& tag : set) name += " #" + tag;
            states.push_back({std::move(name), values[value], set});
        }
    }
    states.push_back(sync_engine::detail::sample_deletion<Data>());

    std::vector<ConflictSample<Data>> samples;
    for (std::size_t pair = 0; pair < states.size() * states.size(); ++pair) {
        const auto& local = states[pair / states.size()];
        const auto& remote = states[pair % states.size()];
        if (&local == &remote) continue;
        const auto name = "local " + local.name + ", remote " + remote.name;
        sync_engine::detail::add_samples<Data>(samples, "no base, " + name, nullptr, local, remote);
        for (const auto& base : states) {
            sync_engine::detail::add_samples(samples, "base " + base.name + ", " + name, &base,
                                             local, remote);
        }
    }
    return samples;
}

/// Conflicts over a small JSON object with a text, a flag, a nested object, a list and tags:
/// edits of the same and of different fields, removals, deletions on either side and on both.
///
/// Each comes with a base, without one, and made again after a deletion; with either side later,
/// with equal stamps, and from a remote that keeps no times.
[[nodiscard]] inline std::vector<ConflictSample<>> conflict_samples() {
    const auto base = sync_engine::detail::json_sample_base();
    const auto deletion = sync_engine::detail::sample_deletion<nlohmann::json>();

    std::vector<ConflictSample<>> samples;
    for (const auto& [name, local, remote] : sync_engine::detail::json_sample_pairs()) {
        const std::string text = name;
        sync_engine::detail::add_samples(samples, text, &base, local, remote);
        sync_engine::detail::add_samples<nlohmann::json>(samples, text + ", without a base",
                                                         nullptr, local, remote);
        sync_engine::detail::add_samples(samples, text + ", after a deletion", &deletion, local,
                                         remote);
    }
    return samples;
}

}  // namespace sync_engine::testing
