// SPDX-License-Identifier: MIT
// A store with a record in each state, for packaging/check to look at in GDB.
#include <sync_engine.hpp>

#include <chrono>

using namespace sync_engine;

namespace {

struct Place {
    int row = 0;

    bool operator==(const Place&) const = default;
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Place, row)

[[gnu::noinline]] bool look_at(const LocalStore<>& store, const SyncEngine<>& engine,
                               const SyncRecord<>& milk, const SyncRecord<Place>& seat) {
    return store.count() == 3 && !engine.is_syncing() && milk.id == "milk" && seat.data.row == 7;
}

}  // namespace

int main() {
    MemoryRemote<> server;
    const ConflictResolver<> resolver{ConflictStrategy::manual};
    LocalStore<> phone;
    LocalStore<> tablet;
    SyncEngine<> phone_engine{phone, resolver};
    SyncEngine<> tablet_engine{tablet, resolver};
    phone.put({.id = "bread"});
    phone.put({.id = "tea"});
    phone_engine.sync(server.remote()).get();
    tablet.put({.id = "tea", .data = "green"});
    tablet_engine.sync(server.remote()).get();
    tablet.put({.id = "milk"});

    using namespace std::chrono;
    const Timestamp morning = sys_days{year{2026} / November / 26} + hours{9} + microseconds{1};
    const SyncRecord<> milk{
        .id = "milk",
        .data = {{"litres", 1.5}, {"shops", {"dairy", nullptr, true}}, {"cents", -120}},
        .status = SyncStatus::modified,
        .updated_at = morning,
        .version = 2};
    const SyncRecord<Place> seat{
        .id = "seat", .data = {7}, .updated_at = morning, .tags = {"front", "window"}};
    return look_at(tablet, tablet_engine, milk, seat) ? 0 : 1;
}
