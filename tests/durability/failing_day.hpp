// SPDX-License-Identifier: MIT
#pragma once

#include <sync_engine/record/error.hpp>
#include <sync_engine/store/storage.hpp>

#include "durability/account.hpp"
#include "durability/app.hpp"
#include "durability/disk_vfs.hpp"
#include "durability/faults.hpp"
#include "durability/file_check.hpp"
#include "durability/picture.hpp"
#include "durability/power_life.hpp"

#include <nlohmann/json.hpp>

#include <array>
#include <cstddef>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>

namespace sync_engine::test {

/// One failure: which, how, and what the app does next.
struct Trial {
    Kind kind = Kind::any_call;
    std::size_t nth = 1;
    bool for_ever = false;
    bool half = false;
    bool reopens = false;  ///< at once; otherwise the app first goes on as if nothing had been
};

/// How many calls of each kind there are.
using Calls = std::array<std::size_t, kind_names.size()>;

/// What came of it; anything else is an exception.
enum class Result { not_reached, threw, survived };

/// A promise that was broken.
struct Broken : std::logic_error {
    using std::logic_error::logic_error;
};

/// An app on a disk that fails once, or from some call on.
class FailingDay {
public:
    explicit FailingDay(OpenStorage open, Disk disk = Disk{}, Account account = {})
        : account_(std::move(account)), vfs_(std::move(disk)), open_(std::move(open)) {
        vfs_.before = [this](Call call) { return faults_.on(call); };
    }

    /// Does it, with nothing that fails. Throws `Broken` if it does not work.
    void live(Deed deed) {
        if (!attempt(deed)) throw Broken("it fails though nothing fails below: " + why_);
        check();
    }

    /// How many calls of each kind it makes, if nothing fails. Throws `Broken`.
    Calls count_calls(Deed deed) {
        faults_.watch();
        live(deed);
        Calls calls{};
        for (std::size_t each = 0; each < calls.size(); ++each) {
            calls.at(each) = faults_.calls(static_cast<Kind>(each));
        }
        return calls;
    }

    /// Does it with one failure, and looks at what is left. The day is over after that, unless the
    /// failure was not reached. Throws `Broken`.
    Result fail_in(Deed deed, const Trial& trial) {
        faults_.arm(trial.kind, trial.nth, trial.for_ever, trial.half);
        const bool has_worked = attempt(deed);
        if (!faults_.have_happened()) {
            faults_.disarm();
            return Result::not_reached;
        }
        check();
        if (trial.for_ever) {
            (void)attempt(Deed::put);
            check();
        } else {
            faults_.disarm();
            die_elsewhere();
            if (!trial.reopens) go_on();
        }
        close();
        faults_.disarm();
        // A disk that takes a whole commit and then nothing more leaves no way to take it back.
        may_be_undone_ = trial.for_ever && trial.kind == Kind::any_call;
        live(Deed::restart);
        close();
        if (!is_file_whole("app.db", vfs_.name())) {
            throw Broken("SQLite says that the file is damaged");
        }
        return has_worked ? Result::survived : Result::threw;
    }

    /// The disk is what a crash has left: the next opening may show what was under way.
    void set_after_crash() { is_after_crash_ = true; }

private:
    /// False if the storage failed.
    bool attempt(Deed deed) {
        try {
            if (deed == Deed::restart) {
                close();
                boot();
            } else if (app_ != nullptr) {
                app_->perform(deed);
            }
            return true;
        } catch (const StorageError& error) {
            why_ = error.what();
        }
        return false;
    }

    void boot() {
        auto storage = std::make_shared<AccountedStorage>(open_(vfs_.name()), account_);
        app_ = std::make_unique<App>(world_, storage);
        require(*storage);
        is_after_crash_ = false;
    }

    void go_on() {
        if (app_ == nullptr) live(Deed::restart);
        live(Deed::put);
        live(Deed::sync);
    }

    /// What would be found if the process died now: the same as if it did not.
    void die_elsewhere() {
        if (is_after_crash_) return;  // that is one already
        const DiskVfs other(vfs_.disk().after_cut(0));
        Account account = account_;
        AccountedStorage storage(open_(other.name()), account);
        (void)storage.load();
        require(storage);
    }

    void require(const AccountedStorage& storage) {
        const Finding finding = storage.finding();
        if (finding == Finding::intact) return;
        // What was under way when a process died may be there or not.
        if (finding == Finding::in_flight && is_after_crash_) return;
        if (finding == Finding::undone && may_be_undone_) return;
        const char* const what = finding == Finding::undone ? "an edit that threw is there"
                                 : finding == Finding::lost ? "an edit is lost"
                                                            : "this never was";
        throw Broken(what + std::string(" after opening:\n") + storage.difference_found());
    }

    void close() { app_.reset(); }

    /// Memory shows what the app was told, no more and no less.
    void check() {
        if (app_ == nullptr) return;
        const Picture shown = picture_of(app_->store, account_.told());
        if (shown == account_.told()) return;
        throw Broken("memory is not what was stored:\n" + difference(account_.told(), shown));
    }

    Faults faults_;
    Account account_;
    World world_{1};
    DiskVfs vfs_;
    OpenStorage open_;
    std::unique_ptr<App> app_;
    std::string why_;
    bool is_after_crash_ = false;  // and not opened since
    bool may_be_undone_ = false;
};

}  // namespace sync_engine::test
