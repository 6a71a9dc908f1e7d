// SPDX-License-Identifier: MIT
#pragma once

#include <sync_engine/conflict/conflict_resolver.hpp>
#include <sync_engine/retry/retry_queue.hpp>
#include <sync_engine/sync/engine_options.hpp>
#include <sync_engine/sync/sync_options.hpp>
#include <sync_engine/testing/choices.hpp>
#include <sync_engine/testing/fault.hpp>
#include <sync_engine/testing/simulated_backend.hpp>
#include <sync_engine/testing/simulated_device.hpp>
#include <sync_engine/testing/simulation_options.hpp>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>

/// What a run's choices decide of its circumstances.
namespace sync_engine::testing {

/// How often each fault happens where it can and where a seed says that it is rare, in a thousand.
[[nodiscard]] constexpr std::uint32_t base_rate(Fault fault) {
    switch (fault) {
        case Fault::change_poisonous:
            return 2;
        case Fault::crash_before_commit:
        case Fault::crash_after_commit:
            return 4;
        case Fault::disk_full:
        case Fault::hook_throws:
        case Fault::stop_requested:
            return 8;
        case Fault::clock_skewed:
        case Fault::crash:
        case Fault::clock_jumped:
            return 100;
        case Fault::backup_restored:
        case Fault::store_cleared:
            return 30;
        default:
            return 20;
    }
}

/// Each fault is off in half of all runs, and else rare, usual or frequent; and in half of all runs
/// one of them happens every other time: some trouble needs the same fault twice in a row.
template <class Data>
[[nodiscard]] FaultRates pick_rates(Choices& choices, const SimulationOptions<Data>& options,
                                    const SimulatedBackend<Data>& backend) {
    constexpr std::array<std::uint32_t, 3> factors{1, 3, 8};
    FaultRates rates;
    for (std::size_t each = 0; each < fault_count; ++each) {
        const auto fault = static_cast<Fault>(each);
        if (!choices.happens(500)) continue;
        rates.set(fault, base_rate(fault) * factors.at(choices.below(3)));
    }
    constexpr std::uint32_t every_other_time = 500;
    if (choices.happens(500)) {
        rates.set(static_cast<Fault>(choices.below(fault_count)), every_other_time);
    }
    for (const Fault fault : options.without) rates.set(fault, 0);
    if (!backend.tells_stale_reads) rates.set(Fault::page_stale, 0).set(Fault::row_stale, 0);
    if (backend.deletes_by_absence) rates.set(Fault::page_stale, 0);
    if (rates.of(Fault::page_stale) + rates.of(Fault::row_stale) > 0) {
        // What is stale is told by stamps, within the drift cap, and not during a new scan.
        rates.set(Fault::clock_jumped, 0).set(Fault::cursor_expired, 0).set(Fault::feed_reset, 0);
    }
    return rates;
}

/// The app's resolver, or one of the strategies.
template <class Data>
[[nodiscard]] ConflictResolver<Data> pick_resolver(Choices& choices,
                                                   const SimulationOptions<Data>& options) {
    constexpr std::array strategies{
        ConflictStrategy::merge,       ConflictStrategy::latest_wins, ConflictStrategy::local_wins,
        ConflictStrategy::remote_wins, ConflictStrategy::manual,
    };
    const auto strategy = strategies.at(choices.weighted({6, 2, 1, 1, 1}));
    return options.resolver.value_or(ConflictResolver<Data>{strategy});
}

/// How a device is set up; a quarter of them syncs with the real engine.
template <class Data>
[[nodiscard]] typename SimulatedDevice<Data>::Setup pick_setup(
    Choices& choices, std::size_t index, const ConflictResolver<Data>& resolver) {
    constexpr std::array names{"phone", "tablet", "laptop", "watch"};
    constexpr std::array attempts{3U, 2U, 5U};
    typename SimulatedDevice<Data>::Setup setup;
    setup.name = index < names.size() ? names.at(index) : "device " + std::to_string(index);
    setup.runs_engine = choices.below(4) == 3;
    setup.resolver = resolver;
    setup.retry.max_attempts = attempts.at(choices.below(3));
    setup.retry.jitter = choices.below(2) == 1 ? 1.0 : 0.0;
    setup.engine.executor = inline_executor();
    setup.engine.can_wait = true;
    setup.engine.poll_interval = std::chrono::milliseconds{0};
    return setup;
}

/// What one sync is asked to do.
[[nodiscard]] inline SyncOptions pick_options(Choices& choices) {
    constexpr std::array<std::size_t, 4> sizes{100, 1, 2, 3};
    SyncOptions options;
    options.pull_page_size = sizes.at(choices.below(4));
    options.push_batch_size = sizes.at(choices.below(4));
    options.direction = static_cast<SyncDirection>(choices.weighted({8, 1, 1}));
    options.retry = choices.below(2) == 1 ? RetryMode::when_due : RetryMode::now;
    return options;
}

}  // namespace sync_engine::testing
