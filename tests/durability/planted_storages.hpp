// SPDX-License-Identifier: MIT
#pragma once

#include <sync_engine/record/error.hpp>
#include <sync_engine/store/entry.hpp>
#include <sync_engine/store/storage.hpp>

#include <nlohmann/json.hpp>

#include <memory>
#include <string>
#include <utility>
#include <vector>

// Storages that break their promise, each in one way: the programs of this folder have to see it.
namespace sync_engine::test {

/// Passes everything on; those below do it wrongly.
class PlantedStorage : public Storage<nlohmann::json> {
public:
    explicit PlantedStorage(std::shared_ptr<Storage<nlohmann::json>> wrapped)
        : storage(std::move(wrapped)) {}

    [[nodiscard]] StorageImage<nlohmann::json> load() override { return storage->load(); }

protected:
    std::shared_ptr<Storage<nlohmann::json>> storage;
};

/// Says that a commit is done when it has begun: the disk gets it with the next one.
class EagerStorage final : public PlantedStorage {
public:
    using PlantedStorage::PlantedStorage;

    void commit(const StorageBatch<nlohmann::json>& batch) override {
        if (late_) late_->commit_to(*storage);
        late_ = std::make_unique<Copy>(batch);
    }

    ~EagerStorage() override {
        try {
            if (late_) late_->commit_to(*storage);
        } catch (const StorageError&) {  // it was promised, and nobody is told
        }
    }

private:
    /// A batch that outlives its commit.
    struct Copy {
        explicit Copy(const StorageBatch<nlohmann::json>& batch)
            : clear(batch.clear), state(*batch.state) {
            for (const auto* entry : batch.write) written.push_back(*entry);
            for (const auto id : batch.erase) erased.emplace_back(id);
        }

        void commit_to(Storage<nlohmann::json>& storage) const {
            StorageBatch<nlohmann::json> batch{.clear = clear, .state = &state};
            for (const auto& entry : written) batch.write.push_back(&entry);
            for (const auto& id : erased) batch.erase.emplace_back(id);
            storage.commit(batch);
        }

        bool clear;
        StoreState state;
        std::vector<Entry<nlohmann::json>> written{};
        std::vector<std::string> erased{};
    };

    std::unique_ptr<Copy> late_;
};

/// Writes a step in two commits, records first: a cut between them leaves a half.
class HalvingStorage final : public PlantedStorage {
public:
    using PlantedStorage::PlantedStorage;

    [[nodiscard]] StorageImage<nlohmann::json> load() override {
        auto image = storage->load();
        state_ = image.state;
        return image;
    }

    void commit(const StorageBatch<nlohmann::json>& batch) override {
        StorageBatch<nlohmann::json> records = batch;
        records.state = &state_;
        storage->commit(records);
        storage->commit({.state = batch.state});
        state_ = *batch.state;
    }

private:
    StoreState state_{};
};

/// Takes a commit that failed for one that went through.
class HopefulStorage final : public PlantedStorage {
public:
    using PlantedStorage::PlantedStorage;

    void commit(const StorageBatch<nlohmann::json>& batch) override {
        try {
            storage->commit(batch);
        } catch (const StorageError&) {  // it will be all right
        }
    }
};

/// Tells of a failure, and tries once more all the same.
class StubbornStorage final : public PlantedStorage {
public:
    using PlantedStorage::PlantedStorage;

    void commit(const StorageBatch<nlohmann::json>& batch) override {
        try {
            storage->commit(batch);
        } catch (const StorageError&) {
            storage->commit(batch);
            throw;
        }
    }
};

/// Opens storages that cheat, over those that `open` opens.
template <class Planted, class Open>
[[nodiscard]] auto planted(Open open) {
    return [open](const auto& place) -> std::shared_ptr<Storage<nlohmann::json>> {
        return std::make_shared<Planted>(open(place));
    };
}

}  // namespace sync_engine::test
