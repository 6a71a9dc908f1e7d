// SPDX-License-Identifier: MIT
// A remote of your own in fifty lines, and the simulator over it:
//
//     own_backend [SEEDS]
#include <sync_engine.hpp>
#include <sync_engine/testing/simulation.hpp>

#include <nlohmann/json.hpp>

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>
#include <string>
#include <vector>

using namespace sync_engine;

/// A key/value server that knows nothing of us: values, a number for each write, tombstones.
class KeyValueServer {
public:
    struct Row {
        std::uint64_t written = 0;  // the number of the write that made this row; its revision too
        bool is_deleted = false;
        nlohmann::json value{};
    };

    /// Compare-and-swap: takes the row unless there is one that another write than `expected` has
    /// made. The number of this write; 0 if it was refused.
    std::uint64_t write(const std::string& key, std::uint64_t expected, Row row) {
        const auto held = rows_.find(key);
        if (held != rows_.end() && held->second.written != expected) return 0;
        row.written = ++writes_;
        rows_[key] = std::move(row);
        return writes_;
    }

    const Row& at(const std::string& key) const { return rows_.at(key); }

    /// The rows that were written after `seen`, in the order of their writes.
    std::map<std::uint64_t, std::string> written_since(std::uint64_t seen) const {
        std::map<std::uint64_t, std::string> keys;
        for (const auto& [key, row] : rows_) {
            if (row.written > seen) keys[row.written] = key;
        }
        return keys;
    }

private:
    std::map<std::string, Row> rows_;
    std::uint64_t writes_ = 0;
};

/// The remote: a record travels as the JSON that it has anyway, with the operation that wrote it.
struct KeyValueRemote {
    std::shared_ptr<KeyValueServer> server{};

    PushReport<> push(const PushBatch<>& batch) const {
        PushReport<> report;
        for (const auto& change : batch.changes) {
            const auto& id = change.record.id;
            const auto expected = std::strtoull(change.record.revision.c_str(), nullptr, 10);
            nlohmann::json value = change.record;  // version and time are kept as they were sent
            value["operation"] = change.operation_id;
            const auto written =
                server->write(id, expected, {0, change.record.is_deleted(), std::move(value)});
            if (written != 0) {
                report.push_back(accepted(id, std::to_string(written)));
            } else if (const auto& held = server->at(id);  // whose answer was lost: an ack
                       held.value.at("operation") == change.operation_id) {
                report.push_back(accepted(id, std::to_string(held.written)));
            } else {
                report.push_back(conflict(record_of(held)));
            }
        }
        return report;
    }

    PullPage<> pull(const PullRequest& request) const {
        const std::uint64_t seen =
            request.cursor.is_null() ? 0 : request.cursor.get<std::uint64_t>();
        PullPage<> page{.cursor = seen};
        for (const auto& [written, key] : server->written_since(seen)) {
            page.has_more = page.records.size() >= request.limit;
            if (page.has_more) break;
            page.records.push_back(record_of(server->at(key)));
            page.cursor = written;
        }
        return page;
    }

    static SyncRecord<> record_of(const KeyValueServer::Row& row) {
        auto record = row.value.get<SyncRecord<>>();
        record.status = row.is_deleted ? SyncStatus::deleted : SyncStatus::synced;
        record.revision = std::to_string(row.written);
        return record;
    }
};

int main(int count, char** arguments) {
    const std::size_t seeds = count > 1 ? std::strtoull(arguments[1], nullptr, 10) : 500;

    testing::SimulationOptions<> options;
    options.backend = [](testing::Choices&) {  // a new, empty server for each seed
        testing::SimulatedBackend<nlohmann::json> backend;
        backend.connect = [remote = KeyValueRemote{std::make_shared<KeyValueServer>()}] {
            return Remote<>{
                .push =
                    [remote](PushBatch<> batch) { return make_ready_future(remote.push(batch)); },
                .pull =
                    [remote](PullRequest request) {
                        return make_ready_future(remote.pull(request));
                    }};
        };
        return backend;
    };

    const testing::Simulation<> simulation{options};
    const auto total = simulation.run_many(0, seeds);
    if (total.failure) {
        std::puts(simulation.explain(*total.failure).c_str());
        return 1;
    }
    std::printf("%zu seeds, %zu edits, %zu syncs: nothing lost, all sides equal\n", total.seeds,
                total.edits, total.syncs);
    return 0;
}
