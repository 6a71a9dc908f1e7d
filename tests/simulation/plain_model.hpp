// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

/// What syncing is supposed to come to, as plain as it can be said: records are sets of tokens, a
/// remote is a map, and there are no stamps, no retries and no time.
namespace plain {

/// What a record holds; nothing: it is deleted, or never was.
using Content = std::optional<std::set<int>>;

/// A record as the remote has it.
struct Row {
    Content content{};
    std::uint64_t revision = 0;  ///< 0: the remote never had it
};

/// The other side: takes a write if it was made on the newest one, each operation once.
struct Server {
    std::map<std::string, Row> rows{};
    std::map<std::string, std::uint64_t> operations{};
    std::uint64_t writes = 0;

    /// True: it is stored. False: the row is another one by now.
    bool push(const std::string& id, const Content& content, std::uint64_t base,
              const std::string& operation) {
        if (operations.contains(operation)) return true;
        Row& row = rows[id];
        if (row.revision != 0 && row.revision != base) return false;
        row = {content, ++writes};
        operations[operation] = row.revision;
        return true;
    }
};

/// One record on a device.
struct Record {
    Content local{};
    Content base{};
    std::uint64_t base_revision = 0;
    std::vector<Content> sent{};  ///< and not answered

    [[nodiscard]] bool is_dirty() const { return local != base || !sent.empty(); }

    /// The remote has what was sent: everything up to it is answered.
    void acknowledge(const Content& content, std::uint64_t revision) {
        const auto place = std::find(sent.begin(), sent.end(), content);
        if (place != sent.end()) sent.erase(sent.begin(), place + 1);
        base = content;
        base_revision = revision;
    }

    /// The remote shows this row.
    void meet(const Row& row) {
        if (row.revision == 0 || row.revision == base_revision) return;
        if (std::find(sent.begin(), sent.end(), row.content) != sent.end()) {
            return acknowledge(row.content, row.revision);
        }
        if (row.content != base && row.content != local) {
            const bool is_mine = local != base || !sent.empty();
            local = is_mine ? merged(row.content) : row.content;
        }
        base = row.content;
        base_revision = row.revision;
        sent.clear();
    }

private:
    /// An edit beats a deletion; two edits unite, less what one side has removed.
    [[nodiscard]] Content merged(const Content& remote) const {
        if (!local) return remote;
        if (!remote) return local;
        std::set<int> result;
        for (const int token : *local) {
            if (remote->contains(token) || is_theirs_as_before(remote, token)) result.insert(token);
        }
        for (const int token : *remote) {
            if (local->contains(token) || !is_theirs_as_before(remote, token)) result.insert(token);
        }
        return result;
    }

    /// Nobody else has added or removed it.
    [[nodiscard]] bool is_theirs_as_before(const Content& remote, int token) const {
        const bool is_there = remote->contains(token);
        const auto agrees = [&](const Content& state) {
            return state && state->contains(token) == is_there;
        };
        return (base ? agrees(base) : !is_there) || std::any_of(sent.begin(), sent.end(), agrees);
    }
};

/// One device.
struct Device {
    std::map<std::string, Record> records{};

    void edit(const std::string& id, int token) {
        Content& local = records[id].local;
        if (!local) local.emplace();
        local->insert(token);
    }

    void remove(const std::string& id) { records[id].local.reset(); }
};

}  // namespace plain
