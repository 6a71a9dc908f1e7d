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
#include "durability/shared_page.hpp"

#include <nlohmann/json.hpp>
#include <sqlite3.h>
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

std::vector<Subject> subjects() {
    return {
        {.name = "sqlite", .open = open_sqlite},
        {.name = "hopeful", .open = planted<HopefulStorage>(open_sqlite), .is_planted = true},
        {.name = "stubborn", .open = planted<StubbornStorage>(open_sqlite), .is_planted = true}};
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
    /// Throws `Broken` with what `body` threw, or if the copy died of something.
    Result run(const std::function<Result()>& body) {
        start([&] { page_->result = body(); });
        return page_->result;
    }

    Calls count(const std::function<Calls()>& body) {
        start([&] { page_->calls = body(); });
        return page_->calls;
    }

private:
    struct Page {
        Result result{};
        Calls calls{};
        char text[8000];
    };

    void start(const std::function<void()>& body) {
        const pid_t child = fork();
        if (child < 0) throw std::runtime_error("no copy of the process can be made");
        if (child == 0) _exit(in_child(body));
        int status = 0;
        waitpid(child, &status, 0);
        if (!WIFEXITED(status)) {
            throw Broken("the process died of signal " + std::to_string(WTERMSIG(status)));
        }
        if (WEXITSTATUS(status) != 0) throw Broken(page_->text);
    }

    int in_child(const std::function<void()>& body) noexcept {
        try {
            body();
            return 0;
        } catch (const std::exception& error) {
            std::snprintf(page_->text, sizeof(page_->text), "%s", error.what());
        }
        return 1;
    }

    SharedPage<Page> page_;
};

struct Count {
    std::size_t failures = 0;
    std::size_t threw = 0;
    std::size_t survived = 0;
    std::size_t broken = 0;
    std::string place{};  ///< of the first promise that was broken: how to see it again
    std::string first{};  ///< and what it was
};

/// Fails everything, and counts.
class Failures {
public:
    Failures(Subject subject, std::size_t stride) : subject_(std::move(subject)), stride_(stride) {}

    void run() {
        run_day();
        run_recoveries();
    }

    /// Of a storage that only has to be caught, enough has been seen.
    [[nodiscard]] bool is_caught() const { return subject_.is_planted && broken() >= 10; }

    /// One failure alone: the last four arguments of the second form.
    void repeat(const std::string& place, Kind kind, std::size_t nth, std::size_t way) {
        Trial trial = ways_of(kind).at(way);
        trial.nth = nth;
        Result result{};
        if (place[0] == 'r') {
            make_crashes();
            result = day_after_crash(std::stoul(place.substr(1)))->fail_in(Deed::restart, trial);
        } else {
            FailingDay day(subject_.open);
            const auto deeds = all_deeds();
            const std::size_t last = std::stoul(place);
            for (std::size_t each = 0; each < last; ++each) day.live(deeds.at(each));
            result = day.fail_in(deeds.at(last), trial);
        }
        std::printf("%s\n", result == Result::threw      ? "it threw"
                            : result == Result::survived ? "it was not noticed"
                                                         : "nothing failed");
    }

    void print() const {
        std::printf("%-9s  failures  threw  survived  broken\n", subject_.name.c_str());
        for (std::size_t each = 0; each < counts_.size(); ++each) {
            const Count& count = counts_.at(each);
            std::printf("%-9s  %8zu %6zu  %8zu  %6zu\n", kind_names.at(each).data(), count.failures,
                        count.threw, count.survived, count.broken);
        }
    }

    /// The first promise of each kind that was broken.
    void print_findings() const {
        for (const auto& count : counts_) {
            if (count.broken == 0) continue;
            std::printf("%s: %.2000s\n", count.place.c_str(), count.first.c_str());
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
        for (std::size_t each = 0; each < deeds.size() && !is_caught(); ++each) {
            every_way({std::to_string(each), name_of(deeds[each])}, deeds[each],
                      [&] { return &day; });
            day.live(deeds[each]);
        }
    }

    /// The first opening after a crash: in the creation of the file, in commits, in closings.
    void run_recoveries() {
        if (is_caught()) return;
        make_crashes();
        constexpr std::size_t places = 12;
        for (std::size_t each = 0; each < places; ++each) {
            const std::size_t at = each * crashes_.size() / places + 7;
            std::unique_ptr<FailingDay> day;
            every_way({"r" + std::to_string(at), "recovery"}, Deed::restart, [&] {
                day = day_after_crash(at);
                return day.get();
            });
        }
    }

    void make_crashes() {
        World world(1);
        PowerLife life(Disk{}, {}, subject_.open);
        life.run(world, every_deed(), 30'000);
        crashes_ = life.instants();
    }

    [[nodiscard]] std::unique_ptr<FailingDay> day_after_crash(std::size_t place) const {
        const Instant& instant = crashes_.at(place);
        const auto pattern = static_cast<unsigned>(place % 7);  // kept, dropped, and damaged
        auto day = std::make_unique<FailingDay>(subject_.open, instant.disk.after_cut(pattern),
                                                instant.account);
        day->set_after_crash();
        return day;
    }

    /// A deed as the second form of the program names it, and in words.
    struct Place {
        std::string number{};
        std::string name{};
    };
    using GetDay = std::function<FailingDay*()>;

    /// Each kind and way with n = 1, 2, ... for as many calls as the deed makes. The day is asked
    /// for in a copy of the process, and lost there.
    void every_way(const Place& place, Deed deed, const GetDay& day) {
        const Calls calls = copy_.count([&] { return day()->count_calls(deed); });
        for (std::size_t kind = 0; kind < calls.size(); ++kind) {
            const auto ways = ways_of(static_cast<Kind>(kind));
            for (std::size_t way = 0; way < ways.size(); ++way) {
                Trial trial = ways[way];
                trial.nth = 1 + first_nth_++ % stride_;
                for (; trial.nth <= calls.at(kind); trial.nth += stride_) {
                    Count& count = counts_.at(kind);
                    fail(deed, trial, day, count);
                    if (count.broken == 1 && count.place.empty()) {
                        count.place = "failures " + subject_.name + ' ' + place.number + ' ' +
                                      std::string(kind_names.at(kind)) + ' ' +
                                      std::to_string(trial.nth) + ' ' + std::to_string(way) + " (" +
                                      place.name + ")";
                    }
                }
            }
        }
    }

    void fail(Deed deed, const Trial& trial, const GetDay& day, Count& count) {
        ++count.failures;
        try {
            const Result result = copy_.run([&] { return day()->fail_in(deed, trial); });
            if (result == Result::not_reached) throw Broken("this call was not reached again");
            ++(result == Result::threw ? count.threw : count.survived);
        } catch (const Broken& broken) {
            if (count.broken++ == 0) count.first = broken.what();
        }
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
        Failures failures(subject, stride);
        const auto began = std::chrono::steady_clock::now();
        failures.run();
        const std::chrono::duration<double> took = std::chrono::steady_clock::now() - began;
        failures.print();
        std::printf("%.0f seconds\n\n", took.count());
        if ((failures.broken() > 0) != subject.is_planted) {
            is_good = false;
            failures.print_findings();
            if (subject.is_planted) std::printf("this should have been caught\n");
        }
        std::fflush(stdout);
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
