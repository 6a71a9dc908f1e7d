// SPDX-License-Identifier: MIT
#pragma once

#include <sync_engine/record/error.hpp>
#include <sync_engine/record/sync_record.hpp>
#include <sync_engine/remote/change.hpp>
#include <sync_engine/remote/couchdb/bulk.hpp>
#include <sync_engine/remote/couchdb/document.hpp>
#include <sync_engine/remote/verdict.hpp>

#include <nlohmann/json.hpp>

#include <chrono>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sync_engine::couchdb {

/// One push: a batch is written, and what was refused is looked into, until there is a verdict for
/// each change that the server has said something about.
template <class Data>
class Pushing {
    using Json = nlohmann::json;
    using Record = SyncRecord<Data>;

public:
    explicit Pushing(Bulk bulk) : bulk_(std::move(bulk)) {}

    /// Once. Throws what a request throws.
    [[nodiscard]] PushReport<Data> push(const std::vector<SharedChange<Data>>& changes) {
        for (const auto& change : changes) add(change, *change.record);
        write();
        settle_conflicts();
        return std::move(report_);
    }

private:
    /// What can be no document is refused here, because the server would refuse the batch.
    void add(const SharedChange<Data>& change, const Record& record) {
        try {
            documents_.push_back(document_of(record, change.operation_id));
            sent_[record.id] = &change;
        } catch (const Error& error) {
            report_.push_back(rejected<Data>(record.id, error.what()));
        }
    }

    void write() {
        for (auto& [id, written] : bulk_.write(std::exchange(documents_, {}))) {
            if (sent_.count(id) == 0) continue;
            if (!written.revision.empty()) {
                report_.push_back(accepted<Data>(id, std::move(written.revision)));
            } else if (written.error == "conflict") {
                conflicts_.push_back(id);
            } else {
                refuse(id, written);
            }
        }
    }

    /// A function of the database says no for good; what a node says of itself passes.
    void refuse(const std::string& id, const Written& written) {
        static const std::set<std::string_view> for_good{
            "forbidden",     "unauthorized", "doc_validation", "bad_request",
            "illegal_docid", "missing_id",   "too_large",      "document_too_large"};
        constexpr std::chrono::seconds a_moment{30};
        const std::string said = "the server answered " + quoted(written.error) + ": " +
                                 detail::Quoted{300}(written.reason);
        report_.push_back(for_good.count(written.error) != 0 ? rejected<Data>(id, said)
                                                             : retry<Data>(id, said, a_moment));
    }

    /// Looks at what is there instead. What is not there at all, because the database is
    /// another one by now, is written once more, as something new.
    void settle_conflicts() {
        auto shown = bulk_.look_up(conflicts_);
        const auto tombstones = read_tombstones(shown);
        for (const auto& id : std::exchange(conflicts_, {})) {
            const auto place = shown.find(id);
            if (place == shown.end()) continue;
            auto& [document, revision] = place->second;
            const SharedChange<Data>& change = *sent_.at(id);
            if (revision.empty()) {
                write_as_new(change);
            } else if (!document.is_null()) {
                judge(change, std::move(document));
            } else if (const auto body = tombstones.find({id, revision});
                       body != tombstones.end()) {
                judge(change, body->second);
            } else {
                judge(change, {{"_id", id}, {"_rev", revision}, {"_deleted", true}});
            }
        }
        write();
    }

    Bodies read_tombstones(const std::map<std::string, Shown>& shown) {
        std::vector<Revision> wanted;
        for (const auto& [id, state] : shown) {
            const bool is_deleted = state.document.is_null() && !state.revision.empty();
            if (is_deleted) wanted.push_back({id, state.revision});
        }
        return bulk_.get(wanted);
    }

    void write_as_new(const SharedChange<Data>& change) {
        if (change.record->revision.empty()) return;  // it was new: the answer says nothing
        if (change.record->is_deleted()) {
            report_.push_back(accepted<Data>(change.record->id));
            return;
        }
        Record record = *change.record;
        record.revision.clear();
        add(change, record);
    }

    /// Our own earlier write, whose answer was lost, is an ack; anything else is a conflict.
    void judge(const SharedChange<Data>& change, Json document) {
        const std::string& id = change.record->id;
        try {
            const bool is_ours = operation_of(document) == change.operation_id;
            auto remote = record_of<Data>(std::move(document));
            if (is_ours && same_content(remote, *change.record)) {
                report_.push_back(accepted<Data>(id, remote.revision));
            } else {
                report_.push_back(conflict(std::move(remote)));
            }
        } catch (const FormatError& error) {
            report_.push_back(retry<Data>(
                id, std::string("what the server holds instead cannot be read: ") + error.what()));
        }
    }

    Bulk bulk_;
    PushReport<Data> report_{};
    std::vector<Json> documents_{};
    std::map<std::string, const SharedChange<Data>*> sent_{};
    std::vector<std::string> conflicts_{};
};

}  // namespace sync_engine::couchdb
