// SPDX-License-Identifier: MIT
#pragma once

#include <sync_engine.hpp>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

/// A `MemoryRemote` that survives its process: what it is asked to change goes into a journal
/// first, and is asked once more at the next start. Operation ids make sure that nothing counts
/// twice.
class RememberingServer {
public:
    explicit RememberingServer(sync_engine::Clock clock,
                               std::optional<std::filesystem::path> journal = {})
        : memory{std::move(clock)} {
        if (!journal) return;
        replay(*journal);
        journal_.open(*journal, std::ios::app);
        if (!journal_) throw std::runtime_error("cannot write " + journal->string());
    }

    [[nodiscard]] sync_engine::Remote<> remote() {
        auto remote = memory.remote("the office");
        remote.push = [this, push = remote.push](sync_engine::PushBatch<> batch) {
            write({{"push", json_of(batch.changes)}});
            return sync_engine::make_ready_future(push(std::move(batch), wait));
        };
        return remote;
    }

    void refuse(const std::string& id, const std::string& reason) {
        write({{"refuse", id}, {"reason", reason}});
        memory.refuse(id, reason);
    }

    sync_engine::MemoryRemote<> memory;

private:
    using Json = nlohmann::json;

    static constexpr auto wait = [](auto future) { return future.get(); };

    static Json json_of(const std::vector<sync_engine::Change<>>& changes) {
        Json list = Json::array();
        for (const auto& change : changes) {
            list.push_back({{"record", change.record}, {"operation", change.operation_id}});
            if (change.base) list.back()["base"] = *change.base;
        }
        return list;
    }

    void replay(const std::filesystem::path& journal) {
        std::uintmax_t whole = 0;  // the last line is cut off if the process died writing it
        std::ifstream lines{journal};
        for (std::string line; std::getline(lines, line) && !lines.eof();) {
            whole += line.size() + 1;
            const Json entry = sync_engine::parse_json(line);
            if (entry.contains("refuse")) {
                memory.refuse(entry["refuse"], entry["reason"]);
            } else {
                (void)memory.remote().push(batch_of(entry["push"]), wait);
            }
        }
        if (std::filesystem::exists(journal)) std::filesystem::resize_file(journal, whole);
    }

    static sync_engine::PushBatch<> batch_of(const Json& list) {
        sync_engine::PushBatch<> batch;
        for (const auto& each : list) {
            auto& change = batch.changes.emplace_back();
            change.record = each["record"];
            change.operation_id = each["operation"];
            if (each.contains("base")) change.base = each["base"].get<sync_engine::SyncRecord<>>();
        }
        return batch;
    }

    void write(const Json& entry) {
        if (journal_.is_open()) journal_ << entry.dump() << std::endl;
    }

    std::ofstream journal_;
};
