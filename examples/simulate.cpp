// SPDX-License-Identifier: MIT
// An app's own data, backend and resolver, under everything that can go wrong:
//
//     simulate [SEEDS [FIRST_SEED]]
#include <sync_engine.hpp>
#include <sync_engine/testing/simulation.hpp>

#include <nlohmann/json.hpp>

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

using namespace sync_engine;

namespace {

struct Note {
    std::string text{};
    std::set<testing::Token> edits{};  // one mark for each edit: what is missing was lost

    friend bool operator==(const Note&, const Note&) = default;
    NLOHMANN_DEFINE_TYPE_INTRUSIVE(Note, text, edits)
};

/// The app's resolver: the later text wins, the marks of both sides stay.
SyncRecord<Note> both_edits(const SyncRecord<Note>& local, const SyncRecord<Note>& remote) {
    if (local.is_deleted()) return remote;
    SyncRecord<Note> winner = is_later(local, remote) || remote.is_deleted() ? local : remote;
    for (const auto* side : {&local, &remote}) {
        if (side->is_deleted()) continue;
        winner.data.edits.insert(side->data.edits.begin(), side->data.edits.end());
    }
    return winner;
}

/// The app's backend: numbered writes, a write is taken if it was made on the newest one, or if
/// there is none to overwrite.
class NoteServer {
public:
    PushReport<Note> push(const PushBatch<Note>& batch) {
        PushReport<Note> report;
        for (const auto& change : batch.changes) {
            const auto known = rows_.find(change.record.id);
            if (known != rows_.end() && known->second.revision != change.record.revision) {
                report.push_back(conflict(known->second));
                continue;
            }
            auto& row = rows_[change.record.id] = change.record;
            row.revision = std::to_string(++writes_);
            report.push_back(accepted<Note>(row.id, row.revision));
        }
        return report;
    }

    PullPage<Note> pull(const PullRequest& request) const {
        const std::uint64_t seen =
            request.cursor.is_null() ? 0 : request.cursor.get<std::uint64_t>();
        std::map<std::uint64_t, const SyncRecord<Note>*> changed;
        for (const auto& [id, row] : rows_) {
            if (number_of(row) > seen) changed[number_of(row)] = &row;
        }
        PullPage<Note> page{.cursor = seen};
        for (const auto& [number, row] : changed) {
            page.has_more = page.records.size() >= request.limit;
            if (page.has_more) break;
            page.records.push_back(*row);
            page.cursor = number;
        }
        return page;
    }

    std::vector<SyncRecord<Note>> records() const {
        std::vector<SyncRecord<Note>> live;
        for (const auto& [id, row] : rows_) {
            if (!row.is_deleted()) live.push_back(row);
        }
        return live;
    }

private:
    static std::uint64_t number_of(const SyncRecord<Note>& row) {
        return std::strtoull(row.revision.c_str(), nullptr, 10);
    }

    std::map<std::string, SyncRecord<Note>> rows_;
    std::uint64_t writes_ = 0;
};

testing::SimulatedBackend<Note> note_backend(testing::Choices&) {
    const auto server = std::make_shared<NoteServer>();
    testing::SimulatedBackend<Note> backend;
    backend.connect = [server] {
        return Remote<Note>{
            .push =
                [server](PushBatch<Note> batch) { return make_ready_future(server->push(batch)); },
            .pull =
                [server](PullRequest request) { return make_ready_future(server->pull(request)); }};
    };
    backend.records = [server] { return server->records(); };
    return backend;
}

}  // namespace

int main(int count, char** arguments) {
    const std::size_t seeds = count > 1 ? std::strtoull(arguments[1], nullptr, 10) : 500;
    const std::uint64_t first = count > 2 ? std::strtoull(arguments[2], nullptr, 10) : 0;

    testing::SimulationOptions<Note> options;
    options.backend = note_backend;
    options.resolver = ConflictResolver<Note>{both_edits};
    options.workload.write = [](Note& note, testing::Token token) {
        note.text = "edit " + std::to_string(token);
        note.edits.insert(token);
    };
    options.workload.tokens = [](const Note& note) {
        return std::vector<testing::Token>(note.edits.begin(), note.edits.end());
    };

    const testing::Simulation<Note> simulation{options};
    const auto total = simulation.run_many(first, seeds);
    if (total.failure) {
        std::puts(simulation.explain(*total.failure).c_str());
        return 1;
    }
    std::printf("%zu seeds, %zu edits, %zu syncs: nothing lost, all sides equal\n", total.seeds,
                total.edits, total.syncs);
    return 0;
}
