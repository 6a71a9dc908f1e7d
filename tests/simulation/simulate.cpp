// SPDX-License-Identifier: MIT
// The proof that no edit is lost, as a figure that anybody can make again:
//
//     simulate [SEEDS [FIRST_SEED [THREADS]]]
//
// Every seed is a run of 200 steps with faults. It ends at the first broken promise, with the
// shortest story that breaks it, and fails as well if in a thousand seeds some fault never
// happened, or if what the first seeds come to is not what they come to elsewhere.
#include <sync_engine/testing/simulation.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

namespace {

using sync_engine::testing::Fault;
using sync_engine::testing::Simulation;
using Total = Simulation<>::Total;

/// What the first seeds come to on every compiler, library and processor. A change of the
/// simulation, or of what a sync does when, changes it: put here what is printed.
constexpr std::size_t agreed_seeds = 300;
constexpr std::uint64_t agreed_hash = 0x9C4377390E9FCFC0;

/// Runs the seeds on some threads, each of which takes the next chunk that nobody has.
class Run {
public:
    Run(std::uint64_t first, std::size_t seeds) : first_(first), seeds_(seeds) {}

    /// On the calling thread alone where that is all there is.
    Total on(unsigned threads) {
        std::vector<std::thread> others;
        for (unsigned each = 1; each < threads; ++each) others.emplace_back([this] { work(); });
        work();
        for (auto& other : others) other.join();
        std::fprintf(stderr, "\n");
        return total_;
    }

    /// What the first seeds came to, if all of them are among these.
    [[nodiscard]] std::optional<std::uint64_t> agreed() const {
        if (agreed_.seeds < agreed_seeds) return std::nullopt;
        return agreed_.hash;
    }

private:
    void work() {
        constexpr std::size_t chunk = 100;  // often enough for a progress line
        static_assert(agreed_seeds % chunk == 0);
        const Simulation<> simulation;
        for (;;) {
            const std::size_t begin = next_.fetch_add(chunk);
            if (begin >= seeds_) return;
            const auto part = simulation.run_many(first_ + begin, std::min(chunk, seeds_ - begin));
            const std::lock_guard lock(mutex_);
            total_.add(part);
            if (first_ == 0 && begin < agreed_seeds) agreed_.add(part);
            if (part.failure) next_ = seeds_;
            std::fprintf(stderr, "\r%zu of %zu seeds", total_.seeds, seeds_);
        }
    }

    std::uint64_t first_;
    std::size_t seeds_;
    std::atomic<std::size_t> next_{0};
    std::mutex mutex_;
    Total total_;
    Total agreed_;
};

void print(const Total& total, double seconds, unsigned threads) {
    std::printf("fault                  happened\n");
    for (std::size_t each = 0; each < sync_engine::testing::fault_count; ++each) {
        std::printf("%-20s %10llu\n", std::string{to_string(static_cast<Fault>(each))}.c_str(),
                    static_cast<unsigned long long>(total.faults.at(each)));
    }
    std::printf("\n%zu seeds, %zu edits, %zu syncs, %zu actions of sync cycles\n", total.seeds,
                total.edits, total.syncs, total.actions);
    std::printf("%.0f seeds a second on %u threads; hash %016llx\n",
                static_cast<double>(total.seeds) / seconds, threads,
                static_cast<unsigned long long>(total.hash));
}

unsigned long long argument(int count, char** arguments, int place, unsigned long long fallback) {
    return count > place ? std::strtoull(arguments[place], nullptr, 10) : fallback;
}

}  // namespace

int main(int count, char** arguments) {
    const auto seeds = static_cast<std::size_t>(argument(count, arguments, 1, 20'000));
    const std::uint64_t first = argument(count, arguments, 2, 0);
    const auto threads = static_cast<unsigned>(
        argument(count, arguments, 3, std::max(std::thread::hardware_concurrency(), 1U)));

    const auto began = std::chrono::steady_clock::now();
    Run run(first, seeds);
    const Total total = run.on(threads);
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - began;
    print(total, took.count(), threads);

    if (total.failure) {
        std::printf("\n%s\n", Simulation<>{}.explain(*total.failure).c_str());
        return 1;
    }
    if (const auto hash = run.agreed()) {
        std::printf("the hash of the first %zu seeds is %016llx\n", agreed_seeds,
                    static_cast<unsigned long long>(*hash));
        if (*hash != agreed_hash) {
            std::printf("it is %016llx elsewhere\n", static_cast<unsigned long long>(agreed_hash));
            return 1;
        }
    }
    const auto missing = total.never_happened();
    for (const Fault fault : missing) {
        std::printf("never happened, so nothing is known of it: %s\n",
                    std::string{to_string(fault)}.c_str());
    }
    constexpr std::size_t enough = 1000;  // for the rarest one to happen many times
    if (!missing.empty() && seeds >= enough) return 1;
    std::printf("0 lost, 0 diverged, 0 stalled\n");
    return 0;
}
