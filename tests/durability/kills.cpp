// SPDX-License-Identifier: MIT
// The process dies at a random moment, and nothing that it was told is done may be gone:
//
//     kills [KILLS [SEED]]
//
// A child edits and syncs on a real file, in a folder of its own for temporary files, and is
// killed; the next one opens the same file, compares it with what the dead one had been told, and
// goes on. Storages that break their promise must be caught at it.
#include <sync_engine/record/error.hpp>
#include <sync_engine/store/sqlite_storage.hpp>
#include <sync_engine/store/storage.hpp>
#include <sync_engine/testing/random.hpp>

#include "durability/account.hpp"
#include "durability/app.hpp"
#include "durability/file_check.hpp"
#include "durability/picture.hpp"
#include "durability/planted_storages.hpp"
#include "durability/shared_account.hpp"
#include "durability/shared_page.hpp"

#include <nlohmann/json.hpp>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace {

using namespace sync_engine;
using namespace sync_engine::test;
using Json = nlohmann::json;
using StoragePtr = std::shared_ptr<Storage<Json>>;
using Open = std::function<StoragePtr(const std::filesystem::path&)>;

struct Subject {
    std::string name{};
    Open open{};
    bool is_planted = false;
};

std::vector<Subject> subjects() {
    const auto full = [](const auto& path) { return sqlite_storage<Json>(path); };
    const auto normal = [](const auto& path) {
        return sqlite_storage<Json>(path, {.durability = Durability::normal});
    };
    // A process that dies takes nothing along that the system was given: normal loses nothing here.
    return {{.name = "full", .open = full},
            {.name = "normal", .open = normal},
            {.name = "eager", .open = planted<EagerStorage>(full), .is_planted = true},
            {.name = "halving", .open = planted<HalvingStorage>(full), .is_planted = true}};
}

struct Count {
    std::size_t kills = 0;
    std::size_t opening = 0;     ///< kills before the child had opened the file
    std::size_t committing = 0;  ///< kills while it waited for a commit
    std::size_t commits = 0;     ///< that it was told of
    std::size_t corrupt = 0;
    std::size_t half = 0;
    std::size_t lost = 0;

    [[nodiscard]] std::size_t wrong() const { return corrupt + half + lost; }
};

/// A storage that tells the account of everything, and what it was when it was opened.
class ToldStorage final : public Storage<Json> {
public:
    ToldStorage(StoragePtr storage, SharedAccount& account)
        : storage_(std::move(storage)), account_(account) {}

    [[nodiscard]] StorageImage<Json> load() override {
        auto image = storage_->load();
        shown_ = picture_of(image);
        const Picture told = account_.told();
        finding_ = account_.open(shown_);
        if (finding_ == Finding::lost || finding_ == Finding::half) {
            difference_ = difference(told, shown_);
        }
        return image;
    }

    void commit(const StorageBatch<Json>& batch) override {
        Picture next = after(shown_, batch);
        account_.begin(next);
        storage_->commit(batch);
        account_.acknowledge();
        shown_ = std::move(next);
    }

    [[nodiscard]] Finding finding() const noexcept { return finding_; }
    [[nodiscard]] const std::string& difference_found() const noexcept { return difference_; }

private:
    StoragePtr storage_;
    SharedAccount& account_;
    Picture shown_;
    Finding finding_ = Finding::half;
    std::string difference_;
};

/// One file, and the children that live and die with it.
class Victims {
public:
    Victims(Subject subject, std::uint64_t seed)
        : subject_(std::move(subject)), random_(seed), folder_(new_folder()) {}
    Victims(const Victims&) = delete;
    Victims& operator=(const Victims&) = delete;
    ~Victims() {
        std::error_code ignored;
        std::filesystem::remove_all(folder_, ignored);
    }

    Count run(std::size_t kills) {
        // A planted one only has to be caught.
        const auto is_enough = [&] { return subject_.is_planted && count_.wrong() > 0; };
        while (count_.kills < kills && !is_enough()) {
            kill_one();
            constexpr std::size_t look_one_in = 50;
            if (count_.kills % look_one_in == 0) look();
        }
        look();
        count_.commits = account_.acknowledged();
        return count_;
    }

    [[nodiscard]] const std::string& first_finding() const noexcept { return first_; }

private:
    struct Page {
        std::atomic<bool> is_wrong = false;
        std::atomic<Finding> finding = Finding::intact;
        char text[8000];
    };

    static std::filesystem::path new_folder() {
        const auto folder = std::filesystem::temp_directory_path() /
                            ("sync_engine-kills-" + std::to_string(getpid()));
        std::filesystem::remove_all(folder);
        std::filesystem::create_directory(folder);
        return folder;
    }

    [[nodiscard]] std::filesystem::path file() const { return folder_ / "app.db"; }

    /// Lets a child live for some milliseconds.
    void kill_one() {
        const std::uint64_t openings = account_.openings();
        const std::uint64_t seed = random_();
        const pid_t child = start([&] { live(seed); });
        const bool is_from_opening = random_.below(3) != 0;  // or from its birth: to hit openings
        if (is_from_opening) await_opening();
        std::this_thread::sleep_for(std::chrono::microseconds(random_.below(longest_life_)));
        kill(child, SIGKILL);
        end(child);
        ++count_.kills;
        if (account_.openings() == openings) ++count_.opening;
        if (account_.is_in_flight()) ++count_.committing;
        // On a slow disk a child has to live longer to get anything done.
        constexpr std::uint32_t step = 2000;
        constexpr std::uint32_t limit = 60'000;
        const bool is_idle = account_.acknowledged() < 4 * count_.kills;
        if (is_idle) longest_life_ = std::min(longest_life_ + step, limit);
    }

    /// Lets a child open the file, look at it, and end cleanly.
    void look() {
        end(start([&] {
            { const auto app = boot(0); }
            if (!is_file_whole(file().string()))
                report(Finding::undone, "SQLite says that the file is damaged");
        }));
    }

    pid_t start(const std::function<void()>& body) {
        int ends[2];
        if (pipe(ends) != 0) throw std::runtime_error("no pipe can be made");
        const pid_t child = fork();
        if (child < 0) throw std::runtime_error("no process can be made");
        close(ends[child != 0 ? 1 : 0]);
        bell_ = ends[child != 0 ? 0 : 1];
        if (child != 0) return child;
        try {
            body();
        } catch (const std::exception& error) {
            report(Finding::undone, error.what());
        }
        _exit(0);
    }

    /// Returns when the child has opened the file, or is dead.
    void await_opening() const {
        char ring = 0;
        while (read(bell_, &ring, 1) < 0 && errno == EINTR) {
        }
    }

    void end(pid_t child) {
        int status = 0;
        waitpid(child, &status, 0);
        close(bell_);
        if (WIFSIGNALED(status) && WTERMSIG(status) != SIGKILL) {
            report(Finding::undone,
                   "the process died of signal " + std::to_string(WTERMSIG(status)));
        }
        if (!page_->is_wrong) return;
        page_->is_wrong = false;
        const Finding finding = page_->finding;
        ++(finding == Finding::lost   ? count_.lost
           : finding == Finding::half ? count_.half
                                      : count_.corrupt);
        if (!first_.empty()) return;
        first_ =
            subject_.name + " after " + std::to_string(count_.kills) + " kills: " + page_->text;
    }

    // In the child.

    void live(std::uint64_t seed) {
        auto app = boot(seed);
        testing::SeededRandom chance(seed);
        for (;;) {
            for (const Deed deed : random_deeds(chance, 100)) {
                if (deed == Deed::restart) {
                    app = nullptr;
                    app = boot(seed + 1);
                } else {
                    app->perform(deed);
                }
            }
        }
    }

    std::unique_ptr<App> boot(std::uint64_t seed) {
        world_ = std::make_unique<World>(seed);
        world_->edits = static_cast<unsigned>(seed % 1'000'000);
        const auto storage = std::make_shared<ToldStorage>(subject_.open(file()), account_);
        auto app = std::make_unique<App>(*world_, storage);
        app->set_large(9000);
        if (!storage->difference_found().empty()) {
            report(storage->finding(), storage->difference_found());
        }
        if (write(bell_, "", 1) != 1) throw std::runtime_error("the parent is gone");
        return app;
    }

    void report(Finding finding, const std::string& text) {
        page_->finding = finding;
        std::snprintf(page_->text, sizeof(page_->text), "%s", text.c_str());
        page_->is_wrong = true;
    }

    Subject subject_;
    testing::SeededRandom random_;
    std::filesystem::path folder_;
    SharedAccount account_;
    SharedPage<Page> page_;
    std::unique_ptr<World> world_;
    int bell_ = -1;                      // a pipe: the child rings when it has opened the file
    std::uint32_t longest_life_ = 6000;  // microseconds
    Count count_;
    std::string first_;
};

/// Kills that only hit idle processes would prove nothing.
bool has_bitten(const Count& count) {
    constexpr std::size_t enough = 200;  // for one of them to hit a commit, on the fastest disk
    return count.commits > count.kills / 4 && (count.committing > 0 || count.kills < enough);
}

int run_all(std::size_t kills, std::uint64_t seed) {
    bool is_good = true;
    std::printf("storage   kills  opening  committing  commits  corrupt  half  lost  a second\n");
    for (const Subject& subject : subjects()) {
        Victims victims(subject, seed);
        const auto began = std::chrono::steady_clock::now();
        // A planted one is left as soon as it is caught.
        const std::size_t share = subject.is_planted       ? std::max<std::size_t>(kills, 2000)
                                  : subject.name == "full" ? kills
                                                           : kills / 4 + 10;
        const Count count = victims.run(share);
        const std::chrono::duration<double> took = std::chrono::steady_clock::now() - began;
        std::printf("%-8s %6zu  %7zu  %10zu %8zu  %7zu %5zu %5zu  %.0f\n", subject.name.c_str(),
                    count.kills, count.opening, count.committing, count.commits, count.corrupt,
                    count.half, count.lost, static_cast<double>(count.kills) / took.count());
        std::fflush(stdout);
        if (subject.is_planted ? count.wrong() > 0 : count.wrong() == 0 && has_bitten(count))
            continue;
        is_good = false;
        std::printf("not as promised: %s\n", victims.first_finding().empty()
                                                 ? "nothing that proves anything was seen"
                                                 : victims.first_finding().c_str());
    }
    return is_good ? 0 : 1;
}

}  // namespace

int main(int count, char** arguments) {
    const std::vector<std::string> words(arguments + 1, arguments + count);
    return run_all(words.empty() ? 500 : std::stoul(words[0]),
                   words.size() < 2 ? 1 : std::stoull(words[1]));
}
