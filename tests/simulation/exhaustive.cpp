// SPDX-License-Identifier: MIT
// Every behaviour of a small world, each compared with a plain model at every step:
//
//     exhaustive [AT_MOST]
//
// Two devices and a remote; edits, deletions, lost requests, lost answers and crashes at every
// boundary between two actions of a sync. What two devices do each by itself commutes, so it is
// enough to order their calls of the remote; inside of one device every order is tried.
#include <sync_engine/conflict/conflict_resolver.hpp>
#include <sync_engine/remote/memory_remote.hpp>
#include <sync_engine/store/local_store.hpp>
#include <sync_engine/testing/choices.hpp>
#include <sync_engine/testing/manual_clock.hpp>
#include <sync_engine/testing/memory_storage.hpp>
#include <sync_engine/testing/random.hpp>
#include <sync_engine/testing/stepped_sync.hpp>

#include "simulation/plain_model.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <tuple>
#include <utility>
#include <variant>
#include <vector>

namespace {

using namespace sync_engine;
using sync_engine::testing::Choices;
using Json = nlohmann::json;
using Stepped = sync_engine::testing::SteppedSync<Json>;

/// How much of a world is tried.
struct Scope {
    std::uint32_t records = 1;
    int edits = 2;
    int faults = 1;
};

/// Two sides differ: what was found, and the story so far.
struct Difference {
    std::string text{};
};

plain::Content content_of(const SyncRecord<Json>* record) {
    if (record == nullptr || record->is_deleted()) return std::nullopt;
    std::set<int> tokens;
    for (const auto& [key, value] : record->data.items()) tokens.insert(value.get<int>());
    return tokens;
}

std::string text_of(const plain::Content& content) {
    if (!content) return "deleted";
    std::string text;
    for (const int token : *content) text += (text.empty() ? "" : " ") + std::to_string(token);
    return "{" + text + "}";
}

/// One behaviour: a world that does what its choices say.
class World {
public:
    World(const Scope& scope, Choices& choices) : left_(scope), choices_(choices) {
        for (std::uint32_t each = 0; each < scope.records; ++each) {
            ids_.push_back(each == 0 ? "a" : "b");
        }
        for (auto& device : devices_) open(device);
    }

    void run() {
        // Each device syncs once amid edits and faults; then both, in peace, until all is equal.
        for (auto& device : devices_) begin(device);
        while (devices_[0].sync || devices_[1].sync) {
            Device& next = !devices_[0].sync   ? devices_[1]
                           : !devices_[1].sync ? devices_[0]
                                               : devices_[choices_.below(2)];
            take_turn(next);
        }
        is_calm_ = true;
        constexpr int rounds = 3;  // what one device brings, the other gets and answers
        for (int round = 0; round < rounds; ++round) {
            for (auto& device : devices_) {
                begin(device);
                while (device.sync) take_turn(device);
            }
        }
        check_rest();
    }

private:
    struct Device {
        std::string name{};
        std::shared_ptr<sync_engine::testing::MemoryStorage<Json>> disk =
            std::make_shared<sync_engine::testing::MemoryStorage<Json>>();
        std::unique_ptr<LocalStore<Json>> store{};
        std::unique_ptr<Stepped> sync{};
        plain::Device model{};
        std::map<std::string, plain::Row> news{};  ///< from the remote, and not committed yet
    };

    // The app and its process.

    void open(Device& device) {
        device.sync.reset();
        device.news.clear();
        device.store = std::make_unique<LocalStore<Json>>(
            device.disk, StoreOptions{.clock = clock_.clock(), .random = random_.source()});
    }

    void edit(Device& device, const std::string& id) {
        const int token = ++tokens_;
        tell(device.name + " edits " + id + " (" + std::to_string(token) + ")");
        auto record = device.store->get(id).value_or(
            SyncRecord<Json>{.id = id, .data = Json::object(), .updated_at = clock_.now()});
        record.data["t" + std::to_string(token)] = token;
        device.store->put(std::move(record));
        device.model.edit(id, token);
    }

    void remove(Device& device, const std::string& id) {
        tell(device.name + " removes " + id);
        (void)device.store->remove(id);
        device.model.remove(id);
    }

    /// Before each action the app may edit, and the process may die.
    void interfere(Device& device) {
        if (is_calm_) return;
        const auto kinds = static_cast<std::uint32_t>(2 * ids_.size());
        const auto edits = left_.edits > 0 ? kinds : 0;
        const auto chosen = choices_.below(1 + edits + (left_.faults > 0 ? 1 : 0));
        if (chosen == 0) return;
        if (chosen > edits) {
            --left_.faults;
            tell(device.name + " crashes");
            return open(device);
        }
        --left_.edits;
        const std::string& id = ids_[(chosen - 1) / 2];
        if (chosen % 2 == 1) {
            edit(device, id);
        } else {
            remove(device, id);
        }
        interfere(device);
    }

    // Syncs.

    void begin(Device& device) {
        device.sync = std::make_unique<Stepped>(*device.store, resolver_, server_.remote());
    }

    /// Goes on to the end of the device's next call, or of its sync.
    void take_turn(Device& device) {
        for (bool has_called = false; !has_called && device.sync;) {
            interfere(device);
            if (!device.sync) break;
            clock_.advance(std::chrono::milliseconds{1});
            const auto& action = device.sync->action();
            has_called = std::holds_alternative<CallPull>(action) ||
                         std::holds_alternative<CallPush<Json>>(action);
            if (has_called) {
                call(device);
            } else if (const auto* commit = std::get_if<CommitStep<Json>>(&action)) {
                this->commit(device, commit->step);
            } else {
                device.sync->step();
            }
            if (device.sync->is_done()) device.sync.reset();
        }
        for (auto& each : devices_) compare(each);
    }

    /// A call goes through, or its request or its answer is lost.
    void call(Device& device) {
        const auto* push = std::get_if<CallPush<Json>>(&device.sync->action());
        const bool is_safe = is_calm_ || left_.faults == 0;
        const auto fate = is_safe ? 0 : choices_.below(push == nullptr ? 2 : 3);
        if (fate != 0) --left_.faults;
        tell(device.name + (push == nullptr ? " pulls" : " pushes") +
             (fate == 0   ? ""
              : fate == 1 ? ", and the request is lost"
                          : ", and the answer is lost"));
        if (push == nullptr) {
            if (fate == 1) server_.fail_next_pull();
            if (fate == 0) device.news = plain_server_.rows;
        } else {
            if (fate == 1) server_.fail_next_push();
            if (fate == 2) server_.lose_next_ack();
            if (fate != 1) plain_push(device, push->changes, fate == 0);
        }
        device.sync->step();
    }

    void plain_push(Device& device, const std::vector<SharedChange<Json>>& changes,
                    bool is_answered) {
        for (const auto& change : changes) {
            const auto& [id, revision] = std::tie(change.record->id, change.record->revision);
            // The n-th write of the real server has the revision "rn".
            const auto base = revision.empty() ? 0 : std::strtoull(&revision[1], nullptr, 10);
            const bool is_stored =
                plain_server_.push(id, content_of(change.record.get()), base, change.operation_id);
            if (!is_answered) continue;
            device.news[id] = is_stored ? plain::Row{content_of(change.record.get()),
                                                     plain_server_.operations[change.operation_id]}
                                        : plain_server_.rows[id];
        }
    }

    /// A commit stages what is about to be sent, or settles what the remote has said; what the app
    /// has edited meanwhile is left out, and comes with another commit.
    void commit(Device& device, const Step<Json>& step) {
        std::map<std::string, plain::Content> staged;
        std::map<std::string, EntryPtr<Json>> known;
        for (const auto& decision : step.decisions) {
            const std::string id{decision.id()};
            const auto& outcome = decision.written.outcome;
            const auto before = device.store->read({id}).front();
            known[id] = before;
            if (!outcome || !before || device.news.contains(id)) continue;
            if (attempts(*outcome) > attempts(*before)) {
                staged[id] = content_of(outcome->sent().back().record.get());
            }
        }
        device.sync->step();
        const auto is_left_out = [&](const std::string& id) {
            const auto before = known.find(id);
            return before != known.end() && before->second == device.store->read({id}).front();
        };
        for (const auto& [id, content] : staged) {
            auto& sent = device.model.records[id].sent;
            const bool is_new = std::find(sent.begin(), sent.end(), content) == sent.end();
            if (is_new && !is_left_out(id)) sent.push_back(content);
        }
        for (const auto& [id, row] : device.news) {
            if (!is_left_out(id)) device.model.records[id].meet(row);
        }
        std::erase_if(device.news, [&](const auto& each) { return !is_left_out(each.first); });
    }

    static unsigned attempts(const Entry<Json>& entry) {
        unsigned sum = 0;
        for (const auto& sent : entry.sent()) sum += sent.attempts;
        return sum;
    }

    // Comparing.

    void compare(Device& device) {
        std::set<std::string> dirty;
        for (const auto& record : device.store->pending()) dirty.insert(record.id);
        for (const auto& id : ids_) {
            const plain::Record& expected = device.model.records[id];
            const auto held = content_of(device.store->find(id).get());
            require(held == expected.local, device.name + " holds " + id + " as " + text_of(held) +
                                                " and not as " + text_of(expected.local));
            require(dirty.contains(id) == expected.is_dirty(),
                    device.name + " is wrong about what is left to push: " + id);
            const auto row = server_.find(id);
            require(content_of(row ? &*row : nullptr) == plain_server_.rows[id].content,
                    "the remote holds another record " + id);
        }
    }

    void check_rest() {
        for (auto& device : devices_) {
            for (const auto& id : ids_) {
                const plain::Record& record = device.model.records[id];
                require(!record.is_dirty(), device.name + " is not clean at the end: " + id);
                require(record.local == plain_server_.rows[id].content,
                        device.name + " differs from the remote at the end: " + id);
            }
        }
    }

    void require(bool holds, const std::string& what) const {
        if (!holds) throw Difference{what + "\n" + story_};
    }

    void tell(const std::string& line) { story_ += "  " + line + "\n"; }

    Scope left_;
    Choices& choices_;
    std::vector<std::string> ids_;
    sync_engine::testing::ManualClock clock_;
    sync_engine::testing::SeededRandom random_{1};
    const ConflictResolver<Json> resolver_{ConflictStrategy::merge};
    MemoryRemote<Json> server_{clock_.clock()};
    plain::Server plain_server_;
    std::array<Device, 2> devices_{Device{.name = "phone"}, Device{.name = "tablet"}};
    bool is_calm_ = false;
    int tokens_ = 0;
    std::string story_;
};

/// The list that comes after this one in the order of a dictionary; nothing after the last.
std::optional<Choices::List> next_after(const Choices& choices) {
    Choices::List list = choices.recorded();
    while (!list.empty() && list.back() + 1 >= choices.bounds()[list.size() - 1]) list.pop_back();
    if (list.empty()) return std::nullopt;
    ++list.back();
    return list;
}

/// What came of one scope.
struct Finding {
    std::size_t behaviours = 0;
    bool is_complete = false;
    std::string difference{};  ///< empty: everything was as the model says
};

/// Runs every behaviour of a scope, up to the first that is not as expected.
Finding run_all(const Scope& scope, std::size_t at_most) {
    Finding finding;
    std::optional<Choices::List> list{Choices::List{}};
    while (list && finding.behaviours < at_most) {
        Choices choices(std::move(*list));
        ++finding.behaviours;
        try {
            World(scope, choices).run();
        } catch (const Difference& difference) {
            finding.difference = difference.text;
            return finding;
        }
        list = next_after(choices);
    }
    finding.is_complete = !list;
    return finding;
}

/// All that is tried, the smaller ones first; the limit decides which of them become complete.
constexpr std::array scopes{Scope{1, 1, 1}, Scope{1, 1, 2}, Scope{1, 2, 0},
                            Scope{2, 1, 2}, Scope{1, 2, 1}, Scope{2, 2, 0},
                            Scope{1, 3, 0}, Scope{2, 2, 1}, Scope{2, 3, 2}};

}  // namespace

int main(int count, char** arguments) {
    const std::size_t at_most = count > 1 ? std::strtoull(arguments[1], nullptr, 10) : 1'000'000;
    std::array<Finding, scopes.size()> findings;
    std::atomic<std::size_t> next{0};
    std::vector<std::thread> workers;
    for (unsigned each = 0; each < std::max(std::thread::hardware_concurrency(), 1U); ++each) {
        workers.emplace_back([&] {
            for (std::size_t place = next++; place < scopes.size(); place = next++) {
                findings.at(place) = run_all(scopes.at(place), at_most);
            }
        });
    }
    for (auto& worker : workers) worker.join();

    std::size_t sum = 0;
    bool is_well = true;
    std::printf("records  edits  faults  behaviours\n");
    for (std::size_t place = 0; place < scopes.size(); ++place) {
        const Scope& scope = scopes.at(place);
        const Finding& finding = findings.at(place);
        std::printf("%7u  %5d  %6d  %10zu%s\n", scope.records, scope.edits, scope.faults,
                    finding.behaviours, finding.is_complete ? ", all there are" : "");
        if (!finding.difference.empty()) std::printf("\n%s\n", finding.difference.c_str());
        is_well = is_well && finding.difference.empty();
        sum += finding.behaviours;
    }
    if (!is_well) return 1;
    std::printf("%zu behaviours, each as the plain model says\n", sum);
    return 0;
}
