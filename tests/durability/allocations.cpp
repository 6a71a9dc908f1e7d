// SPDX-License-Identifier: MIT
// The n-th allocation that a store makes for an edit fails, for every n, in stores of several
// sizes.
//
// An edit that threw must never be seen, and any other must be there, in memory and in the storage.
// Where the storage has an edit that memory could not show, each later call has to say so.
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

using Store = LocalStore<Note>;
using Edit = std::function<void(Store&)>;

SyncRecord<Note> note(const std::string& id, int value) {
    return {.id = "the note with the number " + id, .data = {value}, .tags = {"a", "b", "c"}};
}

/// What an app sees of a store.
std::map<std::string, std::string> picture_of(const Store& store) {
    std::map<std::string, std::string> picture;
    for (const auto& record : store.all()) picture[record.id] = nlohmann::json(record).dump();
    for (const auto& record : store.pending()) picture[record.id] += " to be pushed";
    for (const auto& record : store.query_by_tag("c")) picture[record.id] += " tagged";
    picture["statistics"] = nlohmann::json(store.statistics()).dump();
    return picture;
}

struct Trial {
    std::size_t size = 0;
    bool is_heard = false;
    std::size_t allocation = 0;
    const Edit& edit;
};

/// False where the edit needs no so many allocations. Throws what is broken.
bool passes(const Trial& trial) {
    const auto storage = std::make_shared<SparedStorage>();
    std::map<std::string, std::string> before;
    std::map<std::string, std::string> after;
    bool has_thrown = false;
    bool has_said_so = false;
    bool has_failed = false;
    {
        Store store{storage};
        for (std::size_t n = 0; n < trial.size; ++n) store.put(note(std::to_string(n), 0));
        before = picture_of(store);
        const auto subscription =
            trial.is_heard ? store.subscribe([](const auto&) {}) : Subscription{};
        left = trial.allocation;
        try {
            trial.edit(store);
        } catch (const std::exception&) {
            has_thrown = true;
        }
        has_failed = left == none;
        left = none;
        try {
            after = picture_of(store);
        } catch (const StorageError&) {
            has_said_so = true;
        }
    }
    if (!has_failed && has_thrown) throw Error("it threw, and nothing had failed");
    const auto stored = picture_of(Store{storage});
    if (has_said_so) return true;
    if (has_thrown && after != before) throw Error("it threw, and is seen");
    if (stored != after) throw Error("storage and memory differ");
    return has_failed;
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
        {"remove", [](Store& store) { store.remove(note("0", 0).id); }},
        {"mark_synced", [](Store& store) { store.mark_synced(note("0", 0).id); }},
        {"clear", [](Store& store) { store.clear(); }}};
    std::size_t tried = 0;
    int broken = 0;
    for (const auto& [name, edit] : edits) {
        for (const std::size_t size : {0U, 1U, 16U, 100U}) {
            for (const bool is_heard : {false, true}) {
                Trial trial{size, is_heard, 0, edit};
                for (;; ++trial.allocation, ++tried) {
                    try {
                        if (!passes(trial)) break;
                    } catch (const std::exception& error) {
                        ++broken;
                        std::printf("%s among %zu%s, allocation %zu: %s\n", name.c_str(), size,
                                    is_heard ? ", heard" : "", trial.allocation, error.what());
                    }
                }
            }
        }
    }
    std::printf("%zu allocations failed, %d broken\n", tried, broken);
    return broken == 0 ? 0 : 1;
}
