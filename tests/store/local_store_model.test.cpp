// SPDX-License-Identifier: MIT
#include <sync_engine/store/local_store.hpp>

#include "store/test_store.hpp"
#include "support/catch.hpp"

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace test_of_local_store_model {

using namespace sync_engine;
using namespace sync_engine::test;
using nlohmann::json;

namespace {

using Ids = std::vector<std::string>;

/// What counts of a record.
struct Content {
    int data = 0;
    TagSet tags{};
    bool is_deleted = false;

    bool operator==(const Content& other) const {
        if (is_deleted || other.is_deleted) return is_deleted == other.is_deleted;
        return data == other.data && tags == other.tags;
    }
};

/// The store as a map: what DESIGN says of each edit, without any index.
class Model {
public:
    struct Known {
        Content local{};
        std::optional<Content> base{};
        bool is_clean = false;
        std::optional<Content> theirs{};
        std::optional<Content> sent{};
        std::uint64_t sent_at = 0;
        std::uint64_t edited_at = 0;
    };

    void put(const std::string& id, const Content& content, bool claims_synced) {
        auto* known = find(id);
        if (known == nullptr) {
            Known fresh{.local = content, .edited_at = ++edits_};
            if (claims_synced) clean(fresh, content);
            records_[id] = fresh;
        } else if (!(known->local == content)) {
            edit(*known, content);
        }
    }

    bool update(const std::string& id, int data) {
        auto* known = visible(id);
        if (known == nullptr || known->local.data == data) return false;
        edit(*known, {data, known->local.tags});
        return true;
    }

    bool remove(const std::string& id) {
        auto* known = find(id);
        if (known == nullptr || (known->local.is_deleted && !known->theirs)) return false;
        auto tombstone = known->local;
        tombstone.is_deleted = true;
        if (known->theirs) {
            settle(*known, tombstone);
        } else if (!known->sent && !known->base) {
            records_.erase(id);
        } else if (!known->sent && known->base->is_deleted) {
            clean(*known, *known->base);
        } else {
            edit(*known, tombstone);
        }
        return true;
    }

    /// Nothing stands for a refusal.
    std::optional<bool> evict(const std::string& id) {
        auto* known = visible(id);
        if (known == nullptr) return false;
        if (!known->is_clean) return std::nullopt;
        records_.erase(id);
        return true;
    }

    bool discard(const std::string& id) {
        auto* known = find(id);
        if (known == nullptr || known->is_clean) return false;
        if (known->theirs) {
            clean(*known, *known->theirs);
        } else if (known->base) {
            clean(*known, *known->base);
        } else {
            records_.erase(id);
        }
        return true;
    }

    std::optional<bool> mark_synced(const std::string& id) {
        auto* known = find(id);
        if (known == nullptr || (known->is_clean && known->local.is_deleted)) return false;
        if (known->theirs) return std::nullopt;
        if (!known->is_clean) clean(*known, known->local);
        return true;
    }

    bool mark_modified(const std::string& id) {
        auto* known = visible(id);
        if (known != nullptr) edit(*known, known->local);
        return known != nullptr;
    }

    void pull(const std::string& id, const Content& remote) { clean(records_[id], remote); }

    bool conflict(const std::string& id, const Content& theirs) {
        auto* known = find(id);
        if (known == nullptr || known->is_clean) return false;
        known->theirs = theirs;
        return true;
    }

    bool resolve(const std::string& id, const Content& winner) {
        auto* known = find(id);
        if (known == nullptr || !known->theirs) return false;
        settle(*known, winner);
        return true;
    }

    bool stage(const std::string& id) {
        auto* known = find(id);
        if (known == nullptr || known->is_clean || known->theirs || known->sent) return false;
        known->sent = known->local;
        known->sent_at = known->edited_at;
        return true;
    }

    bool acknowledge(const std::string& id) {
        auto* known = find(id);
        if (known == nullptr || !known->sent || known->theirs) return false;
        const auto sent = *known->sent;
        if (known->sent_at == known->edited_at) {
            clean(*known, sent);
        } else {
            known->base = sent;
            known->sent.reset();
        }
        return true;
    }

    void clear() { records_.clear(); }

    Known* find(const std::string& id) {
        const auto found = records_.find(id);
        return found == records_.end() ? nullptr : &found->second;
    }

    [[nodiscard]] const std::map<std::string, Known>& records() const { return records_; }

private:
    Known* visible(const std::string& id) {
        auto* known = find(id);
        return known == nullptr || known->local.is_deleted ? nullptr : known;
    }
    void edit(Known& known, Content content) {
        known.local = std::move(content);
        known.is_clean = false;
        known.edited_at = ++edits_;
    }
    static void clean(Known& known, Content content) {
        known.base = content;
        known.local = std::move(content);
        known.is_clean = true;
        known.theirs.reset();
        known.sent.reset();
    }
    void settle(Known& known, const Content& winner) {
        const auto theirs = *known.theirs;
        if (winner == theirs) return clean(known, theirs);
        known.base = theirs;
        known.theirs.reset();
        known.sent.reset();
        edit(known, winner);
    }

    std::map<std::string, Known> records_;
    std::uint64_t edits_ = 0;
};

SyncStatus status_of(const Model::Known& known) {
    if (known.local.is_deleted) return SyncStatus::deleted;
    if (known.theirs) return SyncStatus::conflicted;
    if (known.is_clean) return SyncStatus::synced;
    return known.base && !known.base->is_deleted ? SyncStatus::modified : SyncStatus::pending;
}

SyncRecord<> record_of(const std::string& id, const Content& content) {
    return {.id = id,
            .data = content.data,
            .status = content.is_deleted ? SyncStatus::deleted : SyncStatus::pending,
            .updated_at = noon,
            .tags = content.tags};
}

Content content_of(const SyncRecord<>& record) {
    if (record.is_deleted()) return {.is_deleted = true};
    return {record.data.get<int>(), record.tags};
}

StoreStatistics statistics_of(const Model& model) {
    StoreStatistics counted;
    for (const auto& [id, known] : model.records()) {
        counted.total += known.local.is_deleted ? 0 : 1;
        counted.conflicted += known.theirs ? 1 : 0;
        switch (status_of(known)) {
            case SyncStatus::pending:
                ++counted.pending;
                break;
            case SyncStatus::modified:
                ++counted.modified;
                break;
            case SyncStatus::synced:
                ++counted.synced;
                break;
            case SyncStatus::conflicted:
                break;
            case SyncStatus::deleted:
                counted.deleted += known.is_clean || known.theirs ? 0 : 1;
        }
    }
    return counted;
}

Ids pending_of(const Model& model) {
    std::map<std::uint64_t, std::string> by_edit;
    for (const auto& [id, known] : model.records()) {
        if (!known.is_clean && !known.theirs) by_edit[known.edited_at] = id;
    }
    Ids ids;
    for (const auto& [edited_at, id] : by_edit) ids.push_back(id);
    return ids;
}

std::set<std::string> tagged(const Model& model, const std::string& tag) {
    std::set<std::string> ids;
    for (const auto& [id, known] : model.records()) {
        if (!known.local.is_deleted && known.local.tags.contains(tag)) ids.insert(id);
    }
    return ids;
}

/// The first thing on which store and model differ; empty if they agree.
std::string difference(const TestStore<>& store, const Model& model) {
    if (!(store->statistics() == statistics_of(model))) {
        return "statistics " + json(store->statistics()).dump();
    }
    if (ids_of(store->pending()) != pending_of(model)) return "pending";
    std::size_t conflicts = 0;
    for (const auto& [id, known] : model.records()) {
        const auto entry = store.entry(id);
        if (!entry || !(content_of(*entry->local) == known.local)) return id + " local";
        if (entry->local->status != status_of(known)) return id + " status";
        if (entry->is_clean() != known.is_clean) return id + " clean";
        if ((entry->base != nullptr) != known.base.has_value()) return id + " has base";
        if (known.base && !(content_of(*entry->base) == *known.base)) return id + " base";
        if (store->get(id).has_value() == known.local.is_deleted) return id + " visible";
        conflicts += known.theirs ? 1 : 0;
    }
    const auto listed = store->conflicts();
    if (listed.size() != conflicts) return "conflicts";
    for (const auto& conflict : listed) {
        const auto& known = model.records().at(conflict.id);
        if (!known.theirs || !(content_of(conflict.theirs) == *known.theirs)) return "theirs";
    }
    if (store->all().size() != statistics_of(model).total) return "all";
    for (const auto* tag : {"x", "y", "z"}) {
        const auto found = ids_of(store->query_by_tag(tag));
        if (found.size() != tagged(model, tag).size()) return std::string("size of tag ") + tag;
        if (std::set<std::string>(found.begin(), found.end()) != tagged(model, tag)) {
            return std::string("tag ") + tag;
        }
    }
    return {};
}

/// The same for the store and its disk.
std::string difference_on_disk(const TestStore<>& store, const Model& model) {
    const auto on_disk = store.disk->load().entries;
    if (on_disk.size() != model.records().size()) return "size";
    for (const auto& entry : on_disk) {
        if (text_of(entry) != text_of(*store.entry(entry.local->id))) return entry.local->id;
    }
    return {};
}

}  // namespace

TEST_CASE("after any edits, a store is what a map and a scan say", "[store]") {
    for (const unsigned seed : {1U, 2U, 3U, 4U}) {
        std::mt19937_64 random(seed);
        const auto draw = [&](std::uint64_t choices) { return random() % choices; };
        TestStore<> store(seed);
        Model model;
        const auto random_content = [&](bool may_be_deleted) {
            Content content{.data = static_cast<int>(draw(3))};
            for (const auto* tag : {"x", "y", "z"}) {
                if (draw(3) == 0) content.tags.insert(tag);
            }
            content.is_deleted = may_be_deleted && draw(4) == 0;
            return content;
        };

        for (int step = 0; step < 2500; ++step) {
            const auto id = "r" + std::to_string(draw(12));
            const auto operation = draw(50);
            CAPTURE(seed, step, id, operation);
            if (draw(20) == 0) {
                // A disk that fails for once: whatever the edit is, nothing has happened.
                store.disk->fail_next();
                CHECK_THROWS_AS(store->put(note(id, "never " + std::to_string(step))),
                                StorageError);
            }
            if (operation < 12) {
                const auto content = random_content(false);
                const bool claims_synced = draw(3) == 0;
                store->put(
                    record_of(id, content)
                        .with_status(claims_synced ? SyncStatus::synced : SyncStatus::pending));
                model.put(id, content, claims_synced);
            } else if (operation < 18) {
                const int data = static_cast<int>(draw(3));
                if (store->find(id) != nullptr) {
                    CHECK(store->update(id, [&](json& value) { value = data; }) ==
                          model.update(id, data));
                }
            } else if (operation < 24) {
                CHECK(store->remove(id) == model.remove(id));
            } else if (operation < 26) {
                if (const auto expected = model.evict(id)) {
                    CHECK(store->evict(id) == *expected);
                } else {
                    CHECK_THROWS_AS(store->evict(id), Refused);
                }
            } else if (operation < 28) {
                CHECK(store->discard_changes(id) == model.discard(id));
            } else if (operation < 30) {
                if (const auto expected = model.mark_synced(id)) {
                    CHECK(store->mark_synced(id) == *expected);
                } else {
                    CHECK_THROWS_AS(store->mark_synced(id), Refused);
                }
            } else if (operation < 32) {
                CHECK(store->mark_modified(id) == model.mark_modified(id));
            } else if (operation < 36) {
                const auto content = random_content(true);
                store.pull(record_of(id, content));
                model.pull(id, content);
            } else if (operation < 40) {
                const auto content = random_content(true);
                if (model.conflict(id, content)) store.conflict(record_of(id, content));
            } else if (operation < 43) {
                const auto content = random_content(true);
                if (model.resolve(id, content)) {
                    store->resolve(id, record_of(id, content));
                } else {
                    CHECK_THROWS_AS(store->resolve(id, record_of(id, content)), NotFound);
                }
            } else if (operation < 46) {
                if (model.stage(id)) store.stage(id, "operation-" + std::to_string(step));
            } else if (operation < 48) {
                if (model.acknowledge(id)) store.acknowledge(id, "r" + std::to_string(step));
            } else if (operation == 48) {
                store.restart();
            } else if (draw(20) == 0) {
                store->clear();
                model.clear();
            }
            REQUIRE(difference(store, model) == "");
            if (step % 25 == 0) REQUIRE(difference_on_disk(store, model) == "");
        }
    }
}

}  // namespace test_of_local_store_model
