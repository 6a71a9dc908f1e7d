// SPDX-License-Identifier: MIT
// The power goes, at every instant, and nothing that the app was told is done may be gone:
//
//     power_cuts [CUTS]
//     power_cuts STORAGE SEED INSTANT PATTERN [INSTANT PATTERN]
//
// An app lives on a disk in memory; at each instant the disk is left as a power cut may leave it,
// and opened again; some of these openings are cut as well. The second form repeats one of them
// and says everything. Storages that are known to lose or to tear must be caught at it.
#include <sync_engine/record/error.hpp>
#include <sync_engine/store/sqlite_storage.hpp>

#include "durability/account.hpp"
#include "durability/app.hpp"
#include "durability/disk.hpp"
#include "durability/picture.hpp"
#include "durability/planted_storages.hpp"
#include "durability/power_life.hpp"

#include <nlohmann/json.hpp>
#include <sqlite3.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace {

using namespace sync_engine;
using namespace sync_engine::test;
using Json = nlohmann::json;

/// A storage, and what a power cut may do to it.
struct Subject {
    std::string name{};
    OpenStorage open{};
    bool must_lose = false;
    bool must_tear = false;
};

std::shared_ptr<Storage<Json>> open_sqlite(const std::string& vfs, Durability durability) {
    return sqlite_storage<Json>("app.db", {.durability = durability, .vfs = vfs});
}

std::vector<Subject> subjects() {
    const auto full = [](const auto& vfs) { return open_sqlite(vfs, Durability::full); };
    const auto normal = [](const auto& vfs) { return open_sqlite(vfs, Durability::normal); };
    return {{.name = "full", .open = full},
            {.name = "normal", .open = normal, .must_lose = true},
            {.name = "eager", .open = planted<EagerStorage>(full), .must_lose = true},
            {.name = "halving", .open = planted<HalvingStorage>(full), .must_tear = true}};
}

/// Where the power goes: enough to make it go there again.
struct Place {
    std::uint64_t seed = 0;
    std::size_t instant = 0;
    unsigned pattern = 0;
    std::optional<std::pair<std::size_t, unsigned>> again{};  ///< while that is opened

    [[nodiscard]] std::string text() const {
        std::string words =
            std::to_string(seed) + ' ' + std::to_string(instant) + ' ' + std::to_string(pattern);
        if (again)
            words += ' ' + std::to_string(again->first) + ' ' + std::to_string(again->second);
        return words;
    }
};

/// One thing that a cut must not do.
struct Harm {
    std::size_t count = 0;
    std::string first{};  ///< how to see it again, and what it was
};

struct Count {
    std::size_t cuts = 0;
    Harm corrupt{};
    Harm half{};
    Harm lost{};
};

/// The lives of a seed, up to the one in which the power goes at every instant.
class Story {
public:
    Story(const Subject& subject, std::uint64_t seed) : world_(seed), chance_(seed + 1) {
        // Salts of SQLite's log, so that a cut can be repeated.
        sqlite3_test_control(SQLITE_TESTCTRL_PRNG_SEED, static_cast<int>(seed + 1), nullptr);
        const Disk blank{Device{.powersafe_overwrite = seed % 4 < 3}};
        if (seed == 0) {
            begin(blank, {}, subject.open, every_deed(), body);
        } else if (is_heavy(seed)) {
            // Enough for SQLite to carry its log into the file in the middle of a commit.
            std::vector<Deed> deeds(34, Deed::put_large);
            deeds.insert(deeds.begin() + 5, {Deed::sync, Deed::update});
            begin(blank, {}, subject.open, deeds, 150'000);
        } else {
            begin(blank, {}, subject.open, random_deeds(chance_, 8), body);
            const bool dies_alone = seed % 4 == 1;
            const Instant& end = instants()[dies_alone ? before_a_sync() : any_instant()];
            // Of a process that dies alone, the system still has what was not synced.
            const Disk disk = dies_alone ? end.disk : end.disk.after_cut(chance_.below(100));
            begin(disk, Account(end.account), subject.open, random_deeds(chance_, 25), body);
        }
    }

    [[nodiscard]] const std::vector<Instant>& instants() const { return life_->instants(); }

    /// Some stories are large, and their cuts slow.
    [[nodiscard]] static bool is_heavy(std::uint64_t seed) { return seed % 4 == 2; }

private:
    static constexpr std::size_t body = 30'000;  // some pages

    void begin(const Disk& disk, const Account& account, const OpenStorage& open,
               const std::vector<Deed>& deeds, std::size_t large_body) {
        auto next = std::make_unique<PowerLife>(disk, account, open);
        next->run(world_, deeds, large_body);
        life_ = std::move(next);
    }

    std::size_t any_instant() {
        return chance_.below(static_cast<std::uint32_t>(instants().size()));
    }

    /// The process dies when a commit is written and not yet synced: the next one finds it.
    std::size_t before_a_sync() {
        const auto waits = [&](std::size_t at) {
            return at < instants().size() && instants()[at].account.is_in_flight();
        };
        std::size_t at = any_instant();
        for (std::size_t tried = 0; tried < instants().size(); ++tried) {
            if (waits(at) && waits(at + 1) && !waits(at + 2)) break;
            at = (at + 1) % instants().size();
        }
        return at;
    }

    World world_;
    testing::SeededRandom chance_;
    std::unique_ptr<PowerLife> life_;
};

/// Cuts the power of one storage and counts.
class PowerCuts {
public:
    explicit PowerCuts(Subject subject) : subject_(std::move(subject)) {}

    const Count& run(std::size_t cuts) {
        for (std::uint64_t seed = 0; count_.cuts < cuts; ++seed) {
            try {
                const Story story(subject_, seed);
                if (seed == 0) note_words(story);
                run(story, seed, cuts);
            } catch (const StorageError& error) {
                ++count_.cuts;
                report(count_.corrupt, {.seed = seed}, error.what());
            }
        }
        return count_;
    }

    /// One cut alone, with everything that there is to say.
    void repeat(const Place& place) {
        const Story story(subject_, place.seed);
        const auto opened = judge(story.instants().at(place.instant), place.pattern, place);
        if (place.again && opened != nullptr) {
            judge(opened->instants().at(place.again->first), place.again->second, place);
        }
        for (const Harm* harm : {&count_.corrupt, &count_.half, &count_.lost}) {
            if (harm->count > 0) std::printf("%s\n", harm->first.c_str());
        }
    }

    /// What the first story should have shown and has not.
    [[nodiscard]] const std::vector<std::string>& missing_words() const noexcept {
        return missing_words_;
    }

private:
    static constexpr unsigned patterns = 6;

    void run(const Story& story, std::uint64_t seed, std::size_t cuts) {
        const auto& instants = story.instants();
        const std::size_t cases = instants.size() * patterns;
        // Several stories, however few cuts there are.
        const std::size_t share =
            Story::is_heavy(seed) ? 200 : std::max<std::size_t>(cuts / 4, 400);
        std::size_t stride = std::max<std::size_t>(cases / share, 1);
        while (stride % 2 == 0 || stride % 3 == 0) ++stride;  // or some patterns would never come
        for (std::size_t each = seed % patterns; each < cases && count_.cuts < cuts;
             each += stride) {
            // Patterns 0 and 1 are what they are; the others get a new seed in each story.
            auto pattern = static_cast<unsigned>(each % patterns);
            if (pattern > 1) pattern += static_cast<unsigned>(seed) * 5;
            const Place place{.seed = seed, .instant = each / patterns, .pattern = pattern};
            const auto opened = judge(instants[place.instant], pattern, place);
            constexpr std::size_t again_one_in = 24;  // an opening has some twenty instants itself
            if (opened != nullptr && each / stride % again_one_in == 7) cut_again(*opened, place);
        }
    }

    /// The power goes while the storage is opened after a cut, and closed.
    void cut_again(const PowerLife& opened, Place place) {
        constexpr std::size_t enough = 40;  // of those that carry a long log into the file
        const std::size_t all = opened.instants().size();
        for (std::size_t each = 0; each < all; each += 1 + all / enough) {
            place.again = {each, static_cast<unsigned>(each + place.instant) % 40};
            judge(opened.instants()[each], place.again->second, place);
        }
    }

    /// Boots after a cut and counts what is wrong; null if it cannot boot.
    std::unique_ptr<PowerLife> judge(const Instant& instant, unsigned pattern, const Place& place) {
        ++count_.cuts;
        auto life = std::make_unique<PowerLife>(instant.disk.after_cut(pattern), instant.account,
                                                subject_.open);
        try {
            const Finding finding = life->look();
            if (finding != Finding::intact && finding != Finding::in_flight) {
                report(
                    finding == Finding::lost ? count_.lost : count_.half, place,
                    "after deed " + std::to_string(instant.deed) + "\n" + life->difference_found());
            }
            if (life->is_whole()) return life;
            report(count_.corrupt, place, "SQLite says that the file is damaged");
        } catch (const StorageError& error) {
            report(count_.corrupt, place, error.what());
        }
        return nullptr;
    }

    void report(Harm& harm, const Place& place, const std::string& what) {
        if (harm.count++ > 0) return;
        harm.first = "power_cuts " + subject_.name + ' ' + place.text() + ": " + what;
    }

    void note_words(const Story& story) {
        missing_words_ = every_word();
        for (const Instant& instant : story.instants()) {
            const Picture& told = instant.account.told();
            std::string text = told.state;
            for (const auto& [id, entry] : told.entries) text += entry;
            std::erase_if(missing_words_,
                          [&](const auto& word) { return text.find(word) != std::string::npos; });
        }
    }

    Subject subject_;
    Count count_;
    std::vector<std::string> missing_words_;
};

/// Prints what a storage did and should not have done, and the other way round.
bool is_as_promised(const Subject& subject, const Count& count) {
    bool is_good = true;
    const auto require = [&](const Harm& harm, bool must_be, const char* name) {
        if ((harm.count > 0) == must_be) return;
        is_good = false;
        std::printf("%s\n", must_be ? ("this should have been seen: " + std::string(name)).c_str()
                                    : harm.first.c_str());
    };
    require(count.corrupt, false, "corrupt");
    require(count.half, subject.must_tear, "half");
    require(count.lost, subject.must_lose, "lost");
    return is_good;
}

int run_all(std::size_t cuts) {
    bool is_good = true;
    std::printf("storage      cuts  corrupt  half   lost  cuts a second\n");
    for (const Subject& subject : subjects()) {
        // The others only have to be caught.
        const std::size_t share = subject.name == "full" ? cuts : std::min<std::size_t>(cuts, 400);
        PowerCuts power(subject);
        const auto began = std::chrono::steady_clock::now();
        const Count& count = power.run(share);
        const std::chrono::duration<double> took = std::chrono::steady_clock::now() - began;
        std::printf("%-8s  %7zu  %7zu %5zu %6zu  %.0f\n", subject.name.c_str(), count.cuts,
                    count.corrupt.count, count.half.count, count.lost.count,
                    static_cast<double>(count.cuts) / took.count());
        std::fflush(stdout);
        is_good = is_as_promised(subject, count) && is_good;
        for (const auto& word : power.missing_words()) {
            is_good = false;
            std::printf("never in a store, so nothing is known of it:%s\n", word.c_str());
        }
    }
    return is_good ? 0 : 1;
}

int repeat(const std::vector<std::string>& words) {
    const auto number = [&](std::size_t place) { return std::stoul(words[place]); };
    Place place{
        .seed = number(1), .instant = number(2), .pattern = static_cast<unsigned>(number(3))};
    if (words.size() == 6) place.again = {number(4), static_cast<unsigned>(number(5))};
    for (const Subject& subject : subjects()) {
        if (subject.name == words[0]) PowerCuts(subject).repeat(place);
    }
    return 0;
}

}  // namespace

int main(int count, char** arguments) {
    const std::vector<std::string> words(arguments + 1, arguments + count);
    if (words.size() > 3) return repeat(words);
    return run_all(words.empty() ? 5000 : std::stoul(words[0]));
}
