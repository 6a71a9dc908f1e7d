// SPDX-License-Identifier: MIT

// Two devices share one set of records, edit it offline, meet trouble, and end equal.
//
//     two_devices [--db FOLDER] [FILE.jsonl]
//
// FILE holds a JSON object a line; without one it is the tree survey beside this source. With a
// FOLDER everything is kept there: stop it at any moment, also by kill -9, and it goes on.

#include <sync_engine.hpp>
#include <sync_engine/store/sqlite_storage.hpp>

#include "remembering_server.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

using namespace sync_engine;
using nlohmann::json;

namespace {

// Chance and time are passed in, so that every run prints the same.

StoreOptions repeatable(Timestamp& world_time, std::uint64_t seed) {
    StoreOptions options;
    options.clock = [&world_time] { return world_time += std::chrono::milliseconds{1}; };
    options.random = [generator = std::mt19937_64{seed}]() mutable { return generator(); };
    return options;
}

// What outlives the process, if there is a folder for it.

using Folder = std::optional<std::filesystem::path>;

std::shared_ptr<Storage<json>> storage(const Folder& folder, const std::string& name) {
    if (!folder) return nullptr;
    std::filesystem::create_directories(*folder);
    return sqlite_storage<>(*folder / (name + ".db"));
}

/// The steps of the story that are behind us.
class Diary {
public:
    explicit Diary(const Folder& folder) : store_{storage(folder, "diary")} {}

    /// Does the step unless it is done. One that was cut off is done again, from its beginning.
    template <class Step>
    void once(const std::string& name, const Step& step) {
        if (store_.find(name)) return;
        step();
        store_.put({.id = name});
    }

private:
    LocalStore<> store_;
};

// The file.

/// The id that an object brings along, or else the number of its line.
std::string id_of(const json& object, std::size_t line_number) {
    for (const char* key : {"id", "cca3", "id_str"}) {
        const auto member = object.find(key);
        if (member == object.end()) continue;
        if (member->is_string()) return member->get<std::string>();
        if (member->is_number_integer()) return member->dump();
    }
    return "line " + std::to_string(line_number);
}

/// A record for every usable line, in the order of the file.
std::vector<SyncRecord<>> read(const std::filesystem::path& path, Timestamp now) {
    std::vector<SyncRecord<>> records;
    std::set<std::string> taken;
    std::ifstream file{path};
    std::string line;
    for (std::size_t number = 1; std::getline(file, line); ++number) {
        if (line.empty()) continue;
        try {
            json object = parse_json(line);
            if (!object.is_object()) throw FormatError("not a JSON object");
            const auto id = id_of(object, number);
            if (!taken.insert(id).second) throw Refused("the id " + quoted(id) + " is taken");
            SyncRecord<> record{
                .id = id, .data = std::move(object), .updated_at = now, .tags = {"imported"}};
            check_record(record);
            records.push_back(std::move(record));
        } catch (const Error& error) {
            std::printf("line %zu is left out: %s\n", number, error.what());
        }
    }
    return records;
}

// A device.

class Device {
public:
    Device(std::string device_name, const Folder& folder, StoreOptions options)
        : name{std::move(device_name)}, store{storage(folder, name), std::move(options)} {}

    /// Syncs and prints a row of the table; true if there was nothing to do and nothing went wrong.
    bool sync(RememberingServer& server, const char* occasion) {
        const auto letters_before = dead_letters().size();
        const auto result = engine_.sync(server.remote()).get();
        const auto refused = dead_letters().size() - letters_before;
        std::printf("%-7s %-14s %-10s %6zu %6zu %6zu %7zu %7zu%s\n", name.c_str(), occasion,
                    std::string{to_string(result.outcome)}.c_str(), result.pushed, result.pulled,
                    result.conflicts, refused, result.retried, reasons(result).c_str());
        return result.total() == 0 && !result.has_errors();
    }

    std::vector<DeadLetter<>> dead_letters() const { return engine_.retry_queue().dead_letters(); }

    const std::string name;
    LocalStore<> store;

private:
    static std::string reasons(const SyncResult& result) {
        if (!result.has_errors()) return {};
        const auto& first = result.errors.front();
        const auto more = result.errors.size() - 1;
        return "  " + (first.record_id.empty() ? "" : quoted(first.record_id) + " ") +
               first.message + (more == 0 ? "" : " (and " + std::to_string(more) + " more)");
    }

    SyncEngine<> engine_{store, ConflictResolver<>{ConflictStrategy::merge}, RetryQueue<>{},
                         EngineOptions{.executor = inline_executor()}};
};

// The edits: any object will do.

auto set(const char* key, json value) {
    return [key, value = std::move(value)](json& data) { data[key] = value; };
}

/// The record may be deleted already, if this was cut off and is done again.
template <class Change>
void update(LocalStore<>& store, const std::string& id, const Change& change) {
    if (store.find(id)) store.update(id, change);
}

/// Every fourth record gets the same kind of edits.
void edit_offline(LocalStore<>& phone, LocalStore<>& tablet, const std::vector<std::string>& ids) {
    for (std::size_t n = 0; n < ids.size(); ++n) {
        switch (n % 4) {
            case 0:  // the same record, different fields: both stay
                update(phone, ids[n], set("note", "seen by the phone"));
                update(tablet, ids[n], set("checked", true));
                break;
            case 1:  // the same field: the later edit stays
                update(phone, ids[n], set("note", "as the phone saw it"));
                update(tablet, ids[n], set("note", "as the tablet saw it"));
                break;
            case 2:
                update(phone, ids[n], set("note", "only the phone was here"));
                break;
            default:
                update(tablet, ids[n], set("checked", true));
                break;
        }
    }
    phone.remove(ids[2]);   // deleted by one
    phone.remove(ids[3]);   // deleted here and edited there: the edit stays
    tablet.remove(ids[6]);  // and the other way round
    tablet.put({.id = "found on the way", .data = {{"checked", false}}});
}

/// What the edits come to under `merge`, whoever syncs first.
bool are_merged(const LocalStore<>& store, const std::vector<std::string>& ids) {
    const auto data = [&](std::size_t n) {
        const auto record = store.find(ids[n]);
        return record ? record->data : json::object();
    };
    return data(0).value("note", "") == "seen by the phone" && data(0).value("checked", false) &&
           data(1).value("note", "") == "as the tablet saw it" && !store.find(ids[2]) &&
           data(3).value("checked", false) &&
           data(6).value("note", "") == "only the phone was here" && store.find("found on the way");
}

// What all must agree on.

using Ids = std::set<std::string>;

std::map<std::string, json> contents(const std::vector<SyncRecord<>>& records, const Ids& except) {
    std::map<std::string, json> by_id;
    for (const auto& record : records) {
        if (except.count(record.id) == 0) by_id[record.id] = {record.data, record.tags};
    }
    return by_id;
}

bool are_equal(const Device& phone, const Device& tablet, const MemoryRemote<>& server,
               const Ids& except = {}) {
    const auto agreed = contents(server.records(), except);
    return contents(phone.store.all(), except) == agreed &&
           contents(tablet.store.all(), except) == agreed;
}

/// Syncs both in turn until neither has anything to do.
bool sync_until_quiet(Device& phone, Device& tablet, RememberingServer& server) {
    constexpr int enough = 8;  // three are the rule; this many would be a bug
    for (int round = 0; round < enough; ++round) {
        const bool phone_is_quiet = phone.sync(server, "sync");
        if (tablet.sync(server, "sync") && phone_is_quiet) return true;
    }
    return false;
}

/// A refused change is not lost: it is listed with its error until somebody decides.
Ids list_refused_changes(const Device& device) {
    Ids ids;
    for (const auto& letter : device.dead_letters()) {
        std::printf("The %s keeps a change of %s, which was %s\n", device.name.c_str(),
                    quoted(letter.record.id).c_str(), letter.error.message.c_str());
        ids.insert(letter.record.id);
    }
    return ids;
}

}  // namespace

int main(int argc, char** argv) try {
    const std::vector<std::string> arguments(argv + 1, argv + argc);
    const bool is_kept = arguments.size() >= 2 && arguments[0] == "--db";
    const Folder folder = is_kept ? Folder{arguments[1]} : std::nullopt;
    const std::size_t used = is_kept ? 2 : 0;
    const auto survey = std::filesystem::path{__FILE__}.parent_path() / "two_devices.jsonl";
    const auto path = arguments.size() > used ? std::filesystem::path{arguments[used]} : survey;

    // What is kept must not meet an earlier time when it goes on.
    Timestamp world_time = std::chrono::sys_days{std::chrono::year{2026} / 6 / 24};
    if (folder) world_time = now();
    Device phone{"phone", folder, repeatable(world_time, 1)};
    Device tablet{"tablet", folder, repeatable(world_time, 2)};
    RememberingServer server{[&] { return world_time; },
                             folder ? Folder{*folder / "server.jsonl"} : std::nullopt};
    Diary diary{folder};

    const auto records = read(path, world_time);
    std::vector<std::string> ids;
    for (const auto& record : records) ids.push_back(record.id);
    constexpr std::size_t needed = 12;  // three of each kind of edit
    if (ids.size() < needed) {
        std::printf("%s has %zu usable records, and this needs %zu\n", path.string().c_str(),
                    ids.size(), needed);
        return 2;
    }
    std::printf("%zu records\n\n", ids.size());
    std::printf("device  occasion       outcome    pushed pulled merged refused retried  why\n");
    diary.once("import", [&] {
        phone.store.put_all(records);
        phone.sync(server, "import");
        tablet.sync(server, "first sync");
    });
    diary.once("edit offline", [&] {
        server.memory.set_offline(true);
        edit_offline(phone.store, tablet.store, ids);
        phone.sync(server, "offline");
        tablet.sync(server, "offline");
        server.memory.set_offline(false);
    });
    diary.once("meet trouble", [&] {
        server.refuse(ids[10], "the office keeps this record closed");
        server.memory.lose_next_ack(100);  // more than a sync waits for
        phone.sync(server, "acks lost");
        server.memory.lose_next_ack(0);
    });
    const bool quiet = sync_until_quiet(phone, tablet, server);

    std::printf("\n");
    const Ids refused = list_refused_changes(phone);
    const bool others_equal = are_equal(phone, tablet, server.memory, refused);
    for (const auto& id : refused) phone.store.discard_changes(id);
    const bool equal = quiet && others_equal && are_equal(phone, tablet, server.memory) &&
                       are_merged(phone.store, ids);
    std::printf("After it was given up: phone %zu, tablet %zu, server %zu records, %s\n",
                phone.store.count(), tablet.store.count(), server.memory.count(),
                equal ? "all equal" : "NOT AS EXPECTED");
    return equal ? 0 : 1;
} catch (const std::exception& error) {
    std::printf("two_devices stopped: %s\n", error.what());
    return 2;
}
