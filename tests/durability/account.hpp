// SPDX-License-Identifier: MIT
#pragma once

#include <sync_engine/record/error.hpp>
#include <sync_engine/store/storage.hpp>

#include "durability/picture.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace sync_engine::test {

/// What a storage that was opened again shows.
enum class Finding {
    intact,     ///< exactly what the app was told is done
    in_flight,  ///< and the one commit that it was still waiting for: whole
    undone,     ///< and a commit that had failed: it should never be seen
    lost,       ///< an earlier state: something that the app was told is done is gone
    half,       ///< a state that never was
};

/// What an app has been told is done, commit by commit. A value: a copy is what was known at a
/// moment.
class Account {
public:
    /// A storage shows this now, and nothing else may be seen later.
    void open(Picture found) {
        ++version_;
        past_.insert(past_.end(), told_.begin(), told_.end());
        told_ = {std::make_shared<const Picture>(std::move(found))};
        in_flight_.reset();
        failed_.clear();
    }

    void begin(const StorageBatch<nlohmann::json>& batch) {
        ++version_;
        in_flight_ = std::make_shared<const Picture>(after(*told_.back(), batch));
    }

    void acknowledge() {
        ++version_;
        told_.push_back(std::exchange(in_flight_, nullptr));
        failed_.clear();
    }

    void fail() {
        ++version_;
        failed_.push_back(std::exchange(in_flight_, nullptr));
    }

    [[nodiscard]] Finding judge(const Picture& found) const {
        const auto is_found = [&](const auto& known) {
            return known != nullptr && *known == found;
        };
        if (is_found(told_.back())) return Finding::intact;
        if (is_found(in_flight_)) return Finding::in_flight;
        if (std::any_of(failed_.begin(), failed_.end(), is_found)) return Finding::undone;
        const bool was_there = std::any_of(told_.begin(), told_.end(), is_found) ||
                               std::any_of(past_.begin(), past_.end(), is_found);
        return was_there ? Finding::lost : Finding::half;
    }

    /// Whether the app waits for a commit.
    [[nodiscard]] bool is_in_flight() const noexcept { return in_flight_ != nullptr; }

    /// Goes up whenever the app is told something, or asks for something.
    [[nodiscard]] std::uint64_t version() const noexcept { return version_; }

    /// The last state of which the app was told.
    [[nodiscard]] const Picture& told() const { return *told_.back(); }

    /// How many commits the app was told of since the storage was opened.
    [[nodiscard]] std::size_t acknowledged() const noexcept { return told_.size() - 1; }

private:
    using Known = std::shared_ptr<const Picture>;

    std::vector<Known> past_{};  // before the storage was opened
    std::vector<Known> told_{std::make_shared<const Picture>(picture_of({}))};
    Known in_flight_{};
    std::vector<Known> failed_{};  // since the last commit that did not
    std::uint64_t version_ = 1;
};

/// Any storage, with an account of what it has promised.
class AccountedStorage final : public Storage<nlohmann::json> {
public:
    /// `account` has to outlive it.
    AccountedStorage(std::shared_ptr<Storage<nlohmann::json>> storage, Account& account)
        : storage_(std::move(storage)), account_(account) {}

    [[nodiscard]] StorageImage<nlohmann::json> load() override {
        auto image = storage_->load();
        Picture found = picture_of(image);
        finding_ = account_.judge(found);
        if (finding_ != Finding::intact) difference_ = difference(account_.told(), found);
        account_.open(std::move(found));
        return image;
    }

    void commit(const StorageBatch<nlohmann::json>& batch) override {
        account_.begin(batch);
        try {
            storage_->commit(batch);
        } catch (...) {
            account_.fail();
            throw;
        }
        account_.acknowledge();
    }

    /// How the storage was when it was loaded.
    [[nodiscard]] Finding finding() const noexcept { return finding_; }

    /// Where that differs from what the app was told.
    [[nodiscard]] const std::string& difference_found() const noexcept { return difference_; }

private:
    std::shared_ptr<Storage<nlohmann::json>> storage_;
    Account& account_;
    Finding finding_ = Finding::half;
    std::string difference_{};
};

}  // namespace sync_engine::test
