// SPDX-License-Identifier: MIT
// The n-th allocation that a store makes for an edit fails, for every n, in stores of several
// sizes.
//
// An edit that threw must never be seen, and any other must be there, in memory and in the storage.
// Where the storage has an edit that memory could not show, each later call has to say so. Whoever
// listens hears of the edits that follow.
#include <sync_engine/record/error.hpp>
#include <sync_engine/store/local_store.hpp>
#include <sync_engine/store/storage.hpp>
#include <sync_engine/testing/memory_storage.hpp>

#include <nlohmann/json.hpp>

#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <functional>
#include <map>
#include <memory>
#include <new>
#include <string>
#include <utility>
#include <vector>

namespace {

constexpr std::size_t none = static_cast<std::size_t>(-1);
std::size_t left = none;  // so many allocations succeed, and then one fails

}  // namespace

// Not inlined, or g++ takes one half of a pair for wrong.
[[gnu::noinline]] void* operator new(std::size_t size) {
    if (left != none && left-- == 0) throw std::bad_alloc();
    void* place = std::malloc(size);
    if (place == nullptr) throw std::bad_alloc();
    return place;
}
[[gnu::noinline]] void operator delete(void* place) noexcept {
    std::free(place);
}
[[gnu::noinline]] void operator delete(void* place, std::size_t) noexcept {
    std::free(place);
}

namespace {

using namespace sync_engine;

struct Note {
    int value = 0;

    bool operator==(const Note&) const = default;
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Note, value)

/// A storage that needs no memory: it has tests of its own, and JSON that is destroyed takes some.
class SparedStorage final : public Storage<Note> {
public:
    [[nodiscard]] StorageImage<Note> load() override { return kept_.load(); }

    void commit(const StorageBatch<Note>& batch) override {
        const auto until_then = std::exchange(left, none);
        kept_.commit(batch);
        left = until_then;
    }

private:
    testing::MemoryStorage<Note> kept_;
};

const Timestamp noon = parse_timestamp("2026-05-04T12:00:00Z");

class Store : public LocalStore<Note> {
public:
    explicit Store(std::shared_ptr<Storage<Note>> storage)
        : LocalStore<Note>(std::move(storage), {.clock = [] { return noon; }}) {}
};
using Edit = std::function<void(Store&)>;

SyncRecord<Note> note(const std::string& id, int value) {
    return {.id = "the note with the number " + id,
            .data = {value},
            .updated_at = noon,
            .tags = {"a", "b", "c"}};
}

using Picture = std::map<std::string, std::string>;

/// What an app sees of a store.
Picture picture_of(const Store& store) {
    Picture picture;
    for (const auto& record : store.all()) picture[record.id] = nlohmann::json(record).dump();
    for (const auto& record : store.pending()) picture[record.id] += " to be pushed";
    for (const auto& record : store.query_by_tag("c")) picture[record.id] += " tagged";
    picture["statistics"] = nlohmann::json(store.statistics()).dump();
    return picture;
}

void require(bool is_met, const char* promise) {
    if (!is_met) throw Error(promise);
}

/// Each call of a store that could not show a commit has to say so.
void require_refusals(Store& store) {
    const std::vector<Edit> calls{[](Store& each) { each.put(note("0", 7)); },
                                  [](Store& each) { each.update(note("0", 0).id, [](Note&) {}); },
                                  [](Store& each) { each.remove(note("0", 0).id); },
                                  [](Store& each) { each.transact([](auto&) {}); },
                                  [](Store& each) { each.clear(); },
                                  [](Store& each) { (void)each.apply({}); },
                                  [](Store& each) { (void)each.find("0"); },
                                  [](Store& each) { (void)each.statistics(); },
                                  [](Store& each) { (void)each.state(); }};
    for (const auto& call : calls) {
        try {
            call(store);
        } catch (const StorageError&) {
            continue;
        }
        throw Error("a store that could not show a commit takes another call");
    }
}

/// Who listens to a store.
enum class Audience {
    nobody,
    one,
    one_left,  ///< of two, so that the list of them is due to be made anew
};

const char* name_of(Audience audience) {
    if (audience == Audience::nobody) return "";
    return audience == Audience::one ? ", heard" : ", heard by one of two";
}

/// The next edit reaches who listens.
void require_heard(Store& store, const int& heard) {
    const int until_then = heard;
    store.put(note("a later one", 1));
    require(heard == until_then + 1, "a subscriber does not hear of the next edit");
}

struct Trial {
    const Edit& edit;
    std::size_t size = 0;
    Audience audience = Audience::nobody;
    bool is_stored = true;
    std::size_t allocation = none;  ///< that fails

    /// What is there before the edit, and after it where nothing fails.
    Picture before{};
    Picture expected{};
};

/// False where the edit needs fewer allocations. Throws what is broken.
bool passes(Trial& trial) {
    const auto storage = trial.is_stored ? std::make_shared<SparedStorage>() : nullptr;
    bool has_failed = false;
    bool is_behind = false;
    {
        Store store{storage};
        for (std::size_t n = 0; n < trial.size; ++n) store.put(note(std::to_string(n), 0));
        int heard = 0;
        Subscription gone;
        Subscription stays;
        if (trial.audience == Audience::one_left) gone = store.subscribe([](const auto&) {});
        if (trial.audience != Audience::nobody) {
            stays = store.subscribe([&](const auto&) { ++heard; });
        }
        gone.reset();
        if (trial.allocation == none) trial.before = picture_of(store);
        left = trial.allocation;
        bool has_thrown = false;
        try {
            trial.edit(store);
        } catch (const std::exception&) {
            has_thrown = true;
        }
        has_failed = left == none && trial.allocation != none;
        left = none;
        if (trial.allocation == none) trial.expected = picture_of(store);
        require(has_failed || !has_thrown, "it threw, and nothing had failed");
        try {
            require(picture_of(store) == (has_thrown ? trial.before : trial.expected),
                    has_thrown ? "it threw, and is seen" : "it did not throw, and is not seen");
        } catch (const StorageError&) {
            require(has_thrown, "it did not throw, and later calls do");
            is_behind = true;
            require_refusals(store);
        }
        if (!is_behind && storage) {
            require(picture_of(Store{storage}) == picture_of(store), "storage and memory differ");
        }
        if (!is_behind && trial.audience != Audience::nobody) require_heard(store, heard);
    }
    if (is_behind && storage) {
        require(picture_of(Store{storage}) == trial.expected,
                "later calls throw, and nothing had been stored");
    }
    return has_failed;
}

/// Fails each allocation of an edit in turn; answers how many there are.
std::size_t fail_each(Trial trial) {
    (void)passes(trial);
    for (trial.allocation = 0; passes(trial); ++trial.allocation) {
    }
    return trial.allocation;
}

}  // namespace

int main() {
    const std::vector<std::pair<std::string, Edit>> edits{
        {"put a new one", [](Store& store) { store.put(note("new", 1)); }},
        {"put", [](Store& store) { store.put(note("0", 1)); }},
        {"put_all",
         [](Store& store) {
             std::vector<SyncRecord<Note>> notes;
             for (int n = 0; n < 20; ++n) notes.push_back(note(std::to_string(n), n));
             store.put_all(std::move(notes));
         }},
        {"update",
         [](Store& store) {
             if (store.count() > 0) store.update(note("0", 0).id, [](Note& data) { data = {5}; });
         }},
        {"transact",
         [](Store& store) {
             store.transact([](auto& transaction) {
                 transaction.put(note("0", 3));
                 transaction.put(note("another", 3));
                 transaction.remove(note("1", 0).id);
             });
         }},
        {"remove", [](Store& store) { store.remove(note("0", 0).id); }},
        {"mark_synced", [](Store& store) { store.mark_synced(note("0", 0).id); }},
        {"clear", [](Store& store) { store.clear(); }}};
    std::size_t failed = 0;
    for (const auto& [name, edit] : edits) {
        for (const std::size_t size : {0U, 1U, 16U, 100U}) {
            for (const auto audience : {Audience::nobody, Audience::one, Audience::one_left}) {
                for (const bool is_stored : {false, true}) {
                    try {
                        failed += fail_each({edit, size, audience, is_stored});
                    } catch (const std::exception& error) {
                        std::printf("%s among %zu%s%s: %s\n", name.c_str(), size, name_of(audience),
                                    is_stored ? ", stored" : "", error.what());
                        return 1;
                    }
                }
            }
        }
    }
    std::printf("%zu allocations failed, and each promise was kept\n", failed);
    return 0;
}
