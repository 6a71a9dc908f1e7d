// SPDX-License-Identifier: MIT
// The n-th thing under the storage fails, for every n, in everything that an app does:
//
//     failures [STRIDE]
//     failures STORAGE DEED KIND N MODE
//
// An app lives through a day in which nothing fails. Before each deed a copy of the process is made
// for every kind of failure and every n: in it, the n-th call of that kind fails. An edit that
// threw must never be seen, any other must be there. Then the same while a file is opened after a
// power cut. STRIDE leaves out all but every so many-th n; the second form tries one.
#include <sync_engine/record/error.hpp>
#include <sync_engine/store/sqlite_storage.hpp>

#include "durability/app.hpp"
#include "durability/failing_day.hpp"
#include "durability/failing_memory.hpp"
#include "durability/faults.hpp"
#include "durability/planted_storages.hpp"
#include "durability/power_life.hpp"

#include <nlohmann/json.hpp>
#include <sqlite3.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace {

using namespace sync_engine;
using namespace sync_engine::test;
using Json = nlohmann::json;

struct Subject {
    std::string name{};
    OpenStorage open{};
    bool is_planted = false;
};

std::shared_ptr<Storage<Json>> open_sqlite(const std::string& vfs) {
    return sqlite_storage<Json>("app.db", {.vfs = vfs});
}

template <class Planted>
OpenStorage planted() {
    return [](const std::string& vfs) -> std::shared_ptr<Storage<Json>> {
        return std::make_shared<Planted>(open_sqlite(vfs));
    };
}

std::vector<Subject> subjects() {
    return {{.name = "sqlite", .open = open_sqlite},
            {.name = "hopeful", .open = planted<HopefulStorage>(), .is_planted = true},
            {.name = "stubborn", .open = planted<StubbornStorage>(), .is_planted = true}};
}

/// The ways in which one call may fail, and the app may go on.
std::vector<Trial> ways_of(Kind kind) {
    std::vector<Trial> ways{
        {.kind = kind, .for_ever = true}, {.kind = kind}, {.kind = kind, .reopens = true}};
    if (kind != Kind::write && kind != Kind::sync) return ways;
    for (std::size_t each = 0; each < 3; ++each) {
        ways.push_back(ways[each]);
        ways.back().half = true;
    }
    return ways;
}

/// Runs something in a copy of this process.
class Copy {
public:
    Copy()
        : page_(static_cast<Page*>(mmap(nullptr, sizeof(Page), PROT_READ | PROT_WRITE,
                                        MAP_SHARED | MAP_ANONYMOUS, -1, 0))) {
        if (page_ == MAP_FAILED) throw std::runtime_error("there is no memory to share");
    }
    Copy(const Copy&) = delete;
    Copy& operator=(const Copy&) = delete;
    ~Copy() { munmap(page_, sizeof(Page)); }

    /// Throws `Broken` with what `body` threw, or if the copy died of something.
    Result run(const std::function<Result()>& body) {
        const pid_t child = fork();
        if (child < 0) throw std::runtime_error("no copy of the process can be made");
        if (child == 0) _exit(in_child(body));
        int status = 0;
        waitpid(child, &status, 0);
        if (!WIFEXITED(status)) {
            throw Broken("the process died of signal " + std::to_string(WTERMSIG(status)));
        }
        if (WEXITSTATUS(status) == broken) throw Broken(page_->text);
        return static_cast<Result>(WEXITSTATUS(status));
    }

private:
    static constexpr int broken = 99;

    struct Page {
        char text[8000];
    };

    int in_child(const std::function<Result()>& body) noexcept {
        try {
            return static_cast<int>(body());
        } catch (const std::exception& error) {
            std::snprintf(page_->text, sizeof(page_->text), "%s", error.what());
        }
        return broken;
    }

    Page* page_;
};

struct Count {
    std::size_t failures = 0;
    std::size_t threw = 0;
    std::size_t survived = 0;
    std::size_t broken = 0;
    std::string first{};  ///< how to see it again, and what it was
};

/// Fails everything, and counts.
class Failures {
public:
    Failures(Subject subject, std::size_t stride) : subject_(std::move(subject)), stride_(stride) {}

    void run() {
        run_day();
        run_recoveries();
    }

    /// One failure alone: the last four arguments of the second form.
    void repeat(const std::string& place, Kind kind, std::size_t nth, std::size_t way) {
        Trial trial = ways_of(kind).at(way);
        trial.nth = nth;
        const Result result = place[0] == 'r' ? fail_recovery(std::stoul(place.substr(1)), trial)
                                              : fail_deed(std::stoul(place), trial);
        std::printf("%s\n", result == Result::threw      ? "it threw"
                            : result == Result::survived ? "it was not noticed"
                                                         : "nothing failed");
    }

    void print() const {
        std::printf("%-14s failures  threw  survived  broken\n", subject_.name.c_str());
        for (std::size_t each = 0; each < counts_.size(); ++each) {
            const Count& count = counts_.at(each);
            std::printf("%-13s  %8zu %6zu  %8zu  %6zu\n", std::string(kind_names.at(each)).c_str(),
                        count.failures, count.threw, count.survived, count.broken);
        }
        for (const auto& count : counts_) {
            if (!count.first.empty()) std::printf("%.2000s\n", count.first.c_str());
        }
    }

    [[nodiscard]] std::size_t broken() const {
        std::size_t sum = 0;
        for (const auto& count : counts_) sum += count.broken;
        return sum;
    }

private:
    static std::vector<Deed> all_deeds() {
        auto deeds = every_deed();
        deeds.insert(deeds.begin(), Deed::restart);  // the first opening makes the file
        return deeds;
    }

    void run_day() {
        FailingDay day(subject_.open);
        const auto deeds = all_deeds();
        for (std::size_t each = 0; each < deeds.size(); ++each) {
            const Deed deed = deeds[each];
            every_way(std::to_string(each), name_of(deed), [&](const Trial& trial) {
                return copy_.run([&] { return day.fail_in(deed, trial); });
            });
            day.live(deed);
        }
    }

    Result fail_deed(std::size_t place, const Trial& trial) const {
        FailingDay day(subject_.open);
        const auto deeds = all_deeds();
        for (std::size_t each = 0; each < place; ++each) day.live(deeds.at(each));
        return day.fail_in(deeds.at(place), trial);
    }

    /// The first opening after a crash: in the creation of the file, in commits, in closings.
    void run_recoveries() {
        make_crashes();
        constexpr std::size_t places = 12;
        for (std::size_t each = 0; each < places; ++each) {
            const std::size_t at = each * crashes_.size() / places + 7;
            every_way("r" + std::to_string(at), "recovery", [&](const Trial& trial) {
                return copy_.run([&] { return fail_recovery(at, trial); });
            });
        }
    }

    void make_crashes() {
        World world(1);
        PowerLife life(Disk{}, {}, subject_.open);
        life.run(world, every_deed(), 30'000);
        crashes_ = life.instants();
    }

    Result fail_recovery(std::size_t place, const Trial& trial) {
        if (crashes_.empty()) make_crashes();
        const Instant& instant = crashes_.at(place);
        const auto pattern = static_cast<unsigned>(place % 7);  // kept, dropped, and damaged
        FailingDay day(subject_.open, instant.disk.after_cut(pattern), instant.account);
        return day.fail_in_recovery(trial);
    }

    using Attempt = std::function<Result(const Trial&)>;

    /// Tries each kind and way with n = 1, 2, ... until nothing fails any more.
    void every_way(const std::string& place, const std::string& name, const Attempt& attempt) {
        for (std::size_t kind = 0; kind < kind_names.size(); ++kind) {
            const auto ways = ways_of(static_cast<Kind>(kind));
            for (std::size_t way = 0; way < ways.size(); ++way) {
                Trial trial = ways[way];
                trial.nth = 1 + (first_nth_++ % stride_);
                const std::string words = place + ' ' + std::string(kind_names.at(kind));
                while (count(trial, attempt, words, std::to_string(way) + " (" + name + ")")) {
                    trial.nth += stride_;
                }
            }
        }
    }

    /// False if the failure was not reached.
    bool count(const Trial& trial, const Attempt& attempt, const std::string& place,
               const std::string& way) {
        Count& count = counts_.at(static_cast<std::size_t>(trial.kind));
        try {
            const Result result = attempt(trial);
            if (result == Result::not_reached) return false;
            ++(result == Result::threw ? count.threw : count.survived);
        } catch (const Broken& broken) {
            if (count.broken++ == 0) {
                count.first = "failures " + subject_.name + ' ' + place + ' ' +
                              std::to_string(trial.nth) + ' ' + way + ": " + broken.what();
            }
        }
        ++count.failures;
        return true;
    }

    Subject subject_;
    std::size_t stride_;
    std::size_t first_nth_ = 0;  // another one each time, so that a stride reaches all in the end
    std::array<Count, kind_names.size()> counts_{};
    std::vector<Instant> crashes_{};
    Copy copy_;
};

int run_all(std::size_t stride) {
    bool is_good = true;
    for (const Subject& subject : subjects()) {
        // The planted ones only have to be caught.
        Failures failures(subject, subject.is_planted ? std::max<std::size_t>(stride, 25) : stride);
        const auto began = std::chrono::steady_clock::now();
        failures.run();
        const std::chrono::duration<double> took = std::chrono::steady_clock::now() - began;
        failures.print();
        std::printf("%.0f seconds\n\n", took.count());
        std::fflush(stdout);
        if ((failures.broken() > 0) != subject.is_planted) is_good = false;
    }
    return is_good ? 0 : 1;
}

int repeat(const std::vector<std::string>& words) {
    const auto kind = std::find(kind_names.begin(), kind_names.end(), words[2]);
    if (kind == kind_names.end()) return 1;
    for (const Subject& subject : subjects()) {
        if (subject.name != words[0]) continue;
        try {
            Failures(subject, 1)
                .repeat(words[1], static_cast<Kind>(kind - kind_names.begin()),
                        std::stoul(words[3]), std::stoul(words[4]));
        } catch (const Broken& broken) {
            std::printf("%s\n", broken.what());
            return 1;
        }
    }
    return 0;
}

}  // namespace

int main(int count, char** arguments) {
    if (!SqliteMemory::install()) return 1;
    const std::vector<std::string> words(arguments + 1, arguments + count);
    if (words.size() == 5) return repeat(words);
    return run_all(words.empty() ? 1 : std::max<std::size_t>(std::stoul(words[0]), 1));
}
