// SPDX-License-Identifier: MIT
#include <sync_engine/store/local_store.hpp>

#include "property/rapidcheck.hpp"
#include "store/test_store.hpp"
#include "support/catch.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <ostream>
#include <set>
#include <sstream>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

// `store/local_store_model.test.cpp` walks one long way through edits and syncs. Here the walks are
// the app's alone: each of its edits on its own, in transactions, and on a disk that fails; and a
// walk that goes wrong is shrunk to the few steps that matter.

namespace property_of_local_store {

using namespace sync_engine;
using namespace sync_engine::test;
using nlohmann::json;

namespace {

struct Content {
    int data = 0;
    std::set<std::string> tags{};
    bool is_deleted = false;

    bool operator==(const Content& other) const {
        if (is_deleted || other.is_deleted) return is_deleted == other.is_deleted;
        return data == other.data && tags == other.tags;
    }
};

enum class Verb { put, update, remove, evict, discard, mark_synced, mark_modified };

/// How a call ended.
enum class Answer { done, nothing_to_do, refused, not_found };

/// One call of the app, on a store or within a transaction.
struct Edit {
    Verb verb = Verb::put;
    std::string id{};
    Content content{};                        // for put; its data for update
    SyncStatus status = SyncStatus::pending;  // for put
};

std::ostream& operator<<(std::ostream& out, const Edit& edit) {
    constexpr std::array names{"put",     "update",      "remove",       "evict",
                               "discard", "mark_synced", "mark_modified"};
    out << names.at(static_cast<std::size_t>(edit.verb)) << ' ' << edit.id;
    if (edit.verb == Verb::update) out << " = " << edit.content.data;
    if (edit.verb == Verb::put) {
        out << " = " << edit.content.data << ' ' << to_string(edit.status);
        for (const auto& tag : edit.content.tags) out << " #" << tag;
    }
    return out;
}

/// The store as a map and rules of one line each; every question is answered by a scan.
struct Model {
    struct Known {
        Content local{};
        SyncStatus status = SyncStatus::pending;
        std::optional<Content> base{};
        bool is_clean = false;
        std::uint64_t edited_at = 0;
    };

    std::map<std::string, Known> records{};
    std::uint64_t edits = 0;

    Answer apply(const Edit& edit) {
        const auto found = records.find(edit.id);
        Known* known = found == records.end() ? nullptr : &found->second;
        const bool is_visible = known != nullptr && !known->local.is_deleted;
        switch (edit.verb) {
            case Verb::put:
                return put(known, edit);
            case Verb::update:
                if (!is_visible) return Answer::not_found;
                if (known->local.data == edit.content.data) return Answer::nothing_to_do;
                return change(*known, {edit.content.data, known->local.tags});
            case Verb::remove:
                return is_visible ? remove(*known, edit.id) : Answer::nothing_to_do;
            case Verb::evict:
                if (!is_visible) return Answer::nothing_to_do;
                if (!known->is_clean) return Answer::refused;
                records.erase(found);
                return Answer::done;
            case Verb::discard:
                if (known == nullptr || known->is_clean) return Answer::nothing_to_do;
                if (!known->base) {
                    records.erase(found);
                    return Answer::done;
                }
                return settle(*known, *known->base);
            case Verb::mark_synced:
                if (known == nullptr || (known->is_clean && !is_visible)) {
                    return Answer::nothing_to_do;
                }
                return settle(*known, known->local);
            case Verb::mark_modified:
                return is_visible ? change(*known, known->local) : Answer::nothing_to_do;
        }
        return Answer::nothing_to_do;
    }

    /// All edits as one commit: the records are edited in the order in which they were first
    /// touched.
    void apply_together(const std::vector<Edit>& together) {
        const auto before = edits;
        std::vector<std::string> touched;
        for (const Edit& edit : together) {
            const auto edits_of = [&] {
                const auto found = records.find(edit.id);
                return found == records.end()
                           ? std::optional<std::pair<std::uint64_t, bool>>{}
                           : std::pair{found->second.edited_at, found->second.is_clean};
            };
            const auto unedited = edits_of();
            apply(edit);
            const bool is_touched = edits_of() != unedited;
            if (is_touched && std::find(touched.begin(), touched.end(), edit.id) == touched.end()) {
                touched.push_back(edit.id);
            }
        }
        for (const auto& id : touched) {
            const auto found = records.find(id);
            if (found != records.end() && found->second.edited_at > before) {
                found->second.edited_at = ++edits;
            }
        }
    }

private:
    Answer put(Known* known, const Edit& edit) {
        Content content = edit.content;
        content.is_deleted = edit.status == SyncStatus::deleted;
        if (known == nullptr) {
            Known fresh{.local = content, .status = edit.status, .edited_at = ++edits};
            if (edit.status == SyncStatus::conflicted) fresh.status = SyncStatus::pending;
            if (edit.status == SyncStatus::synced) settle(fresh, content);
            records[edit.id] = fresh;
            return Answer::done;
        }
        if (content.is_deleted) {
            if (!known->local.is_deleted) remove(*known, edit.id);
            return Answer::done;
        }
        if (edit.status == SyncStatus::modified || !(known->local == content)) {
            change(*known, content);
        }
        return Answer::done;
    }

    Answer change(Known& known, const Content& content) {
        known.local = content;
        known.is_clean = false;
        known.edited_at = ++edits;
        const bool has_live_base = known.base && !known.base->is_deleted;
        known.status = content.is_deleted ? SyncStatus::deleted
                       : has_live_base    ? SyncStatus::modified
                                          : SyncStatus::pending;
        return Answer::done;
    }

    Answer remove(Known& known, const std::string& id) {
        Content tombstone = known.local;
        tombstone.is_deleted = true;
        if (known.base && known.base->is_deleted) return settle(known, *known.base);
        if (known.base) return change(known, tombstone);
        records.erase(id);
        return Answer::done;
    }

    static Answer settle(Known& known, const Content& content) {
        known.base = content;
        known.local = content;
        known.is_clean = true;
        known.status = content.is_deleted ? SyncStatus::deleted : SyncStatus::synced;
        return Answer::done;
    }
};

/// Makes the call on a store or on a transaction: both have the same verbs.
template <class Target>
Answer perform(Target& target, const Edit& edit) {
    const auto answer = [](bool is_done) { return is_done ? Answer::done : Answer::nothing_to_do; };
    try {
        switch (edit.verb) {
            case Verb::put:
                target.put({.id = edit.id,
                            .data = edit.content.data,
                            .status = edit.status,
                            .updated_at = noon,
                            .tags = TagSet(edit.content.tags.begin(), edit.content.tags.end())});
                return Answer::done;
            case Verb::update:
                return answer(
                    target.update(edit.id, [&](json& data) { data = edit.content.data; }));
            case Verb::remove:
                return answer(target.remove(edit.id));
            case Verb::evict:
                return answer(target.evict(edit.id));
            case Verb::discard:
                return answer(target.discard_changes(edit.id));
            case Verb::mark_synced:
                return answer(target.mark_synced(edit.id));
            case Verb::mark_modified:
                return answer(target.mark_modified(edit.id));
        }
    } catch (const Refused&) {
        return Answer::refused;
    } catch (const NotFound&) {
        return Answer::not_found;
    }
    return Answer::nothing_to_do;
}

const std::vector<std::string> ids{"a", "b", "c", "d"};
const std::vector<std::string> tags{"x", "y", "z"};

Content content_of(const SyncRecord<>& record) {
    if (record.is_deleted()) return {.is_deleted = true};
    return {record.data.get<int>(), std::set<std::string>(record.tags.begin(), record.tags.end())};
}

StoreStatistics statistics_of(const Model& model) {
    StoreStatistics counted;
    for (const auto& [id, known] : model.records) {
        counted.total += known.local.is_deleted ? 0 : 1;
        counted.pending += known.status == SyncStatus::pending ? 1 : 0;
        counted.modified += known.status == SyncStatus::modified ? 1 : 0;
        counted.synced += known.status == SyncStatus::synced ? 1 : 0;
        counted.deleted += known.local.is_deleted && !known.is_clean ? 1 : 0;
    }
    return counted;
}

std::vector<std::string> pending_of(const Model& model) {
    std::map<std::uint64_t, std::string> by_edit;
    for (const auto& [id, known] : model.records) {
        if (!known.is_clean) by_edit[known.edited_at] = id;
    }
    std::vector<std::string> pending;
    for (const auto& [edited_at, id] : by_edit) pending.push_back(id);
    return pending;
}

std::set<std::string> tagged(const Model& model, const std::string& tag) {
    std::set<std::string> found;
    for (const auto& [id, known] : model.records) {
        if (!known.local.is_deleted && known.local.tags.contains(tag)) found.insert(id);
    }
    return found;
}

/// Every question that an app can ask a store is answered as the model answers it.
void check_agreement(const LocalStore<>& store, const Model& model) {
    RC_ASSERT(store.statistics() == statistics_of(model));
    RC_ASSERT(store.count() == statistics_of(model).total);

    const auto pending = store.pending();
    RC_ASSERT(ids_of(pending) == pending_of(model));
    for (const auto& record : pending) {
        RC_ASSERT(content_of(record) == model.records.at(record.id).local);
        RC_ASSERT(record.status == model.records.at(record.id).status);
    }

    const auto all = store.all();
    RC_ASSERT(all.size() == store.count());
    for (const auto& record : all) RC_ASSERT(store.get(record.id) == record);

    for (const auto& id : ids) {
        const auto found = model.records.find(id);
        const bool is_known = found != model.records.end();
        const auto record = store.get(id);
        RC_ASSERT(record.has_value() == (is_known && !found->second.local.is_deleted));
        RC_ASSERT((store.find(id) != nullptr) == record.has_value());
        if (record) {
            RC_ASSERT(content_of(*record) == found->second.local);
            RC_ASSERT(record->status == found->second.status);
        }
        const auto base = store.base(id);
        const bool is_husk = is_known && found->second.is_clean && found->second.local.is_deleted;
        RC_ASSERT(base.has_value() == (is_known && !is_husk && found->second.base.has_value()));
        if (base) RC_ASSERT(content_of(*base) == *found->second.base);
    }

    for (const auto& tag : tags) {
        const auto records = store.query_by_tag(tag);
        const auto found = ids_of(records);
        RC_ASSERT(found.size() == tagged(model, tag).size());
        RC_ASSERT(std::set<std::string>(found.begin(), found.end()) == tagged(model, tag));
        for (const auto& record : records) RC_ASSERT(store.get(record.id) == record);
    }
    RC_ASSERT(store.conflicts().empty());
}

/// What the next start of the app would find.
void check_disk(TestStore<>& store, const Model& model) {
    const LocalStore<> reopened{store.disk, StoreOptions{.clock = store.clock.clock()}};
    check_agreement(reopened, model);
}

Edit draw_edit() {
    Edit edit;
    edit.verb = *rc::gen::weightedElement<Verb>({{8, Verb::put},
                                                 {4, Verb::update},
                                                 {4, Verb::remove},
                                                 {2, Verb::evict},
                                                 {2, Verb::discard},
                                                 {4, Verb::mark_synced},
                                                 {1, Verb::mark_modified}});
    edit.id = *rc::gen::elementOf(ids);
    if (edit.verb == Verb::put || edit.verb == Verb::update) {
        edit.content.data = *rc::gen::inRange(0, 3);
    }
    if (edit.verb == Verb::put) {
        const auto drawn = *rc::gen::resize(
            4, rc::gen::container<std::vector<std::string>>(rc::gen::elementOf(tags)));
        edit.content.tags.insert(drawn.begin(), drawn.end());
        edit.status = *rc::gen::weightedElement<SyncStatus>({{6, SyncStatus::pending},
                                                             {3, SyncStatus::synced},
                                                             {2, SyncStatus::modified},
                                                             {1, SyncStatus::conflicted},
                                                             {1, SyncStatus::deleted}});
    }
    return edit;
}

using Step = rc::state::Command<Model, TestStore<>>;

struct Single : Step {
    Edit edit = draw_edit();

    void apply(Model& model) const override { model.apply(edit); }
    void run(const Model& before, TestStore<>& store) const override {
        Model after = before;
        const auto expected = after.apply(edit);
        const auto earlier = store->get(edit.id);
        RC_ASSERT(perform(*store, edit) == expected);
        if (edit.verb == Verb::update && expected == Answer::done) {
            const auto later = store->get(edit.id);
            RC_ASSERT(later->version > earlier->version);
            RC_ASSERT(later->updated_at > earlier->updated_at);
        }
        check_agreement(*store, after);
    }
    void show(std::ostream& out) const override { out << edit; }
};

/// Several edits in one commit, which may roll back, or find a disk that fails.
struct Together : Step {
    enum class End { commit, throw_at_end, disk_fails };

    std::vector<Edit> edits = draw_edits();
    End end = *rc::gen::weightedElement<End>(
        {{3, End::commit}, {1, End::throw_at_end}, {1, End::disk_fails}});

    static std::vector<Edit> draw_edits() {
        std::vector<Edit> drawn;
        const auto count = *rc::gen::inRange(1, 6);
        for (int n = 0; n < count; ++n) drawn.push_back(draw_edit());
        return drawn;
    }

    void apply(Model& model) const override {
        if (end == End::commit) model.apply_together(edits);
    }
    void run(const Model& before, TestStore<>& store) const override {
        struct Rollback {};
        Model within = before;
        const auto commits = store.disk->commits();
        if (end == End::disk_fails) store.disk->fail_next();
        bool has_failed = false;
        try {
            store->transact([&](auto& transaction) {
                for (const Edit& edit : edits) {
                    RC_ASSERT(perform(transaction, edit) == within.apply(edit));
                }
                if (end == End::throw_at_end) throw Rollback{};
            });
        } catch (const Rollback&) {
            has_failed = true;
        } catch (const StorageError&) {
            has_failed = true;
        }
        store.disk->fail_next(0);
        RC_ASSERT(store.disk->commits() <= commits + (end == End::commit ? 1 : 0));
        RC_ASSERT(!has_failed || end != End::commit);
        check_agreement(*store, nextState(before));
    }
    void show(std::ostream& out) const override {
        out << "together {";
        for (const Edit& edit : edits) out << ' ' << edit << ';';
        out << " } "
            << (end == End::commit         ? ""
                : end == End::throw_at_end ? "throws"
                                           : "disk fails");
    }
};

/// An edit on a disk that fails: it throws and nothing has happened, in memory and on the disk.
struct Failing : Step {
    Edit edit = draw_edit();

    void run(const Model& before, TestStore<>& store) const override {
        const auto attempts = store.disk->attempts();
        store.disk->fail_next();
        bool has_thrown = false;
        try {
            perform(*store, edit);
        } catch (const StorageError&) {
            has_thrown = true;
        }
        store.disk->fail_next(0);
        RC_ASSERT(has_thrown == (store.disk->attempts() > attempts));
        check_agreement(*store, before);
        check_disk(store, before);
    }
    void show(std::ostream& out) const override { out << "fails: " << edit; }
};

struct Clear : Step {
    bool disk_fails = *rc::gen::arbitrary<bool>();

    void apply(Model& model) const override {
        if (!disk_fails) model.records.clear();
    }
    void run(const Model& before, TestStore<>& store) const override {
        if (disk_fails) {
            store.disk->fail_next();
            RC_ASSERT_THROWS_AS(store->clear(), StorageError);
        } else {
            store->clear();
        }
        check_agreement(*store, nextState(before));
    }
    void show(std::ostream& out) const override { out << (disk_fails ? "fails: clear" : "clear"); }
};

struct Restart : Step {
    void run(const Model& before, TestStore<>& store) const override {
        store.restart();
        check_agreement(*store, before);
    }
    void show(std::ostream& out) const override { out << "restart"; }
};

}  // namespace

TEST_CASE("whatever an app does to a store, it answers as a map would", "[property]") {
    REQUIRE(rc::check("any walk of edits, transactions, failures and restarts", [] {
        TestStore<> store;
        rc::state::check(Model{}, store,
                         rc::state::gen::execOneOfWithArgs<Single, Single, Single, Together,
                                                           Together, Failing, Restart, Clear>());
    }));
}

}  // namespace property_of_local_store
