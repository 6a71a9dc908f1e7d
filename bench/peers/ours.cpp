// SPDX-License-Identifier: MIT
// Our own rows of the comparison with other packages, and the workload for theirs:
//
//     peers FOLDER [RECORDS]
//
// It writes records.jsonl, mine.jsonl and theirs.jsonl to FOLDER: RECORDS notes, and what each of
// them became when it was edited here and elsewhere. It prints one JSON object: the digests of
// these files, and what a unit of work of each row took, in microseconds or bytes. rows.mjs has the
// same rows for the others.
#include <sync_engine.hpp>

#include "../heap.hpp"
#include "../notes.hpp"
#include "../ratio.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <fstream>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace {

using namespace sync_engine;
using namespace sync_engine::bench;
using Record = SyncRecord<Note>;
using Records = std::vector<Record>;

/// What each record's data has at `n`, by id: the content by which results are compared.
using Numbers = std::unordered_map<std::string, int>;

void require(bool is_so, const char* what) {
    if (!is_so) throw std::runtime_error(what);
}

/// FNV-1a, as in workload.mjs.
std::uint32_t digest(std::string_view text) {
    std::uint32_t hash = 0x811c9dc5;
    for (const char byte : text) hash = (hash ^ static_cast<unsigned char>(byte)) * 0x01000193;
    return hash;
}

std::string lines(const Records& records) {
    std::string text;
    for (const auto& record : records) {
        append_json(text, record);
        text += '\n';
    }
    return text;
}

void add_numbers(Numbers& numbers, const Records& records) {
    for (const auto& record : records) numbers[record.id] = record.data.n;
}

Records part(const Records& records, std::size_t from, std::size_t count) {
    const auto begin = records.begin() + static_cast<std::ptrdiff_t>(from);
    return {begin, begin + static_cast<std::ptrdiff_t>(count)};
}

/// The other side: it serves the JSON text of pages, and takes all that is pushed.
class TextRemote {
public:
    /// Other devices have written these.
    void offer(const Records& records) {
        add_numbers(numbers_, records);
        constexpr std::size_t page_size = 500;  // what the engine asks for
        for (std::size_t from = 0; from < records.size(); from += page_size) {
            std::string text = R"({"records":[)";
            for (const auto& record :
                 part(records, from, std::min(page_size, records.size() - from))) {
                append_json(text, record);
                text += ',';
            }
            text.back() = ']';
            pages_.push_back(text + '}');
        }
    }

    [[nodiscard]] PullCallback<Note> pulling() {
        return [this](const PullRequest& request) {
            const std::size_t at = request.cursor.is_null() ? 0 : request.cursor.get<std::size_t>();
            PullPage<Note> page;
            page.cursor = at;
            if (at < pages_.size()) read(at, page);
            return make_ready_future(std::move(page));
        };
    }

    [[nodiscard]] PushCallback<Note> pushing() {
        return [this](const PushBatch<Note>& batch) {
            PushReport<Note> report;
            report.reserve(batch.changes.size());
            for (const auto& [record, base, operation_id, attempt] : batch.changes) {
                ++taken_;
                numbers_[record.id] = record.data.n;
                report.push_back(accepted<Note>(record.id, "3"));
            }
            return make_ready_future(std::move(report));
        };
    }

    [[nodiscard]] const Numbers& numbers() const { return numbers_; }
    /// How many records were pushed.
    [[nodiscard]] std::size_t taken() const { return taken_; }

private:
    void read(std::size_t at, PullPage<Note>& page) const {
        read_records<Note>(
            pages_[at], "records",
            [&](Record&& record) { page.records.push_back(std::move(record)); },
            [&](SyncError error) { page.errors.push_back(std::move(error)); });
        page.cursor = at + 1;
        page.has_more = at + 1 < pages_.size();
    }

    std::vector<std::string> pages_{};
    Numbers numbers_{};
    std::size_t taken_ = 0;
};

struct Device {
    LocalStore<Note> store{};
    SyncEngine<Note> engine{store,
                            ConflictResolver<Note>{ConflictStrategy::latest_wins},
                            {},
                            {.executor = inline_executor()}};

    void sync(TextRemote& remote, SyncDirection direction = SyncDirection::both) {
        const auto result = engine
                                .sync({.push = remote.pushing(), .pull = remote.pulling()},
                                      {.direction = direction})
                                .get();
        require(result.outcome == SyncOutcome::completed && !result.has_errors(), "a sync failed");
    }

    void check(const Numbers& expected) const {
        require(store.count() == expected.size(), "records are missing, or too many");
        for (const auto& [id, n] : expected) {
            const auto record = store.find(id);
            require(record != nullptr && record->data.n == n, "a record has another content");
        }
    }
};

class Rows {
public:
    explicit Rows(std::size_t count) : records_(notes<Note>(count)) {
        using std::chrono::hours;
        for (std::size_t n = 0; n < count; ++n) {
            mine_.push_back(edited(records_[n], 15, hours{n % 2 == 0 ? 3 : 1}));
            theirs_.push_back(edited(records_[n], 12, hours{2}));
            theirs_.back().revision = "2";
        }
        add_numbers(numbers_, records_);
    }

    /// Writes the workload; answers with the digests of its files.
    [[nodiscard]] std::vector<std::uint32_t> write(const std::string& folder) const {
        std::vector<std::uint32_t> digests;
        const auto write = [&](const char* name, const Records& records) {
            const auto text = lines(records);
            std::ofstream file{folder + "/" + name + ".jsonl", std::ios::binary};
            file << text << std::flush;
            require(file.good(), "the workload cannot be written");
            digests.push_back(digest(text));
        };
        write("records", records_);
        write("mine", mine_);
        write("theirs", theirs_);
        return digests;
    }

    /// What a unit of work of the row took; throws for a row that there is not.
    [[nodiscard]] double measure(const std::string& row) const {
        if (row == "heap, bytes a record") return heap_each();
        using Run = Microseconds (Rows::*)() const;
        const std::map<std::string, Run> runs{
            {"put all", &Rows::put_all},
            {"put, one call each", &Rows::put_each},
            {"get", &Rows::get},
            {"by tag, a record found", &Rows::by_tag},
            {"push all", &Rows::push_all},
            {"first pull", &Rows::first_pull},
            {"conflict pass", &Rows::conflict_pass},
            {"sync of 1 % changed on each side, a change", &Rows::incremental},
            {"put, until a listener has heard", &Rows::notification},
        };
        const Run run = runs.at(row);
        (void)(this->*run)();  // warms up
        std::vector<Microseconds> times;
        for (int n = 0; n < 5; ++n) times.push_back((this->*run)());
        return median(std::move(times)).count();
    }

private:
    static Record edited(Record record, int n, std::chrono::hours later) {
        record.data.n = n;
        record.version = 2;
        record.updated_at += later;
        return record;
    }

    [[nodiscard]] Microseconds each(Microseconds all) const {
        return all / static_cast<double>(records_.size());
    }

    /// A device that holds the records, not pushed yet.
    [[nodiscard]] std::unique_ptr<Device> filled() const {
        auto device = std::make_unique<Device>();
        device->store.put_all(records_);
        return device;
    }

    Microseconds put_all() const {
        Device device;
        auto records = records_;
        const auto time = time_of([&] {
            device.store.put_all(std::move(records));
            (void)device.store.find(records_.back().id);
        });
        device.check(numbers_);
        return each(time);
    }

    Microseconds put_each() const {
        Device device;
        auto records = records_;
        const auto time = time_of([&] {
            for (auto& record : records) device.store.put(std::move(record));
        });
        device.check(numbers_);
        return each(time);
    }

    /// In another order than they were put in: 7919 is a prime.
    Microseconds get() const {
        const auto device = filled();
        std::vector<std::string> ids;
        for (std::size_t n = 0; n < records_.size(); ++n) {
            ids.push_back(records_[n * 7919 % records_.size()].id);
        }
        long total = 0;
        const auto time = time_of([&] {
            for (const auto& id : ids) total += device->store.find(id)->data.n;
        });
        long expected = 0;
        for (const auto& id : ids) expected += numbers_.at(id);
        require(total == expected, "the records that were read are others");
        return each(time);
    }

    Microseconds by_tag() const {
        const auto device = filled();
        long total = 0;
        std::size_t found = 0;
        const auto time = time_of([&] {
            const auto records = device->store.find_by_tag("tag7");
            found = records.size();
            for (const auto& record : records) total += record->data.n;
        });
        for (const auto& record : records_) {
            if (record.tags.contains("tag7")) total -= record.data.n;
        }
        require(found > 0 && total == 0, "the records found by their tag are others");
        return time / static_cast<double>(found);
    }

    Microseconds push_all() const {
        const auto device = filled();
        TextRemote remote;
        const auto push = [&] { device->sync(remote, SyncDirection::push); };
        const auto time = time_of(push);
        require(remote.numbers() == numbers_, "what was pushed is something else");
        push();
        require(remote.taken() == records_.size(), "what was acknowledged is pushed again");
        return each(time);
    }

    Microseconds first_pull() const {
        Device device;
        TextRemote remote;
        remote.offer(records_);
        const auto time = time_of([&] { device.sync(remote, SyncDirection::pull); });
        device.check(numbers_);
        return each(time);
    }

    /// Every second record was edited here after it was edited there.
    Microseconds conflict_pass() const {
        Device device;
        TextRemote remote;
        remote.offer(records_);
        device.sync(remote, SyncDirection::pull);
        device.store.put_all(mine_);
        remote.offer(theirs_);
        const auto time = time_of([&] { device.sync(remote); });
        Numbers winners;
        for (std::size_t n = 0; n < records_.size(); ++n) {
            winners[records_[n].id] = (n % 2 == 0 ? mine_ : theirs_)[n].data.n;
        }
        device.check(winners);
        require(remote.numbers() == winners, "the remote has not got the winners");
        return each(time);
    }

    Microseconds incremental() const {
        const auto few = std::max<std::size_t>(1, records_.size() / 100);
        const auto ours = part(mine_, 0, few);
        const auto arrived = part(theirs_, few, few);
        Device device;
        TextRemote remote;
        remote.offer(records_);
        device.sync(remote, SyncDirection::pull);
        device.store.put_all(ours);
        remote.offer(arrived);
        const auto time = time_of([&] { device.sync(remote); });
        auto expected = numbers_;
        add_numbers(expected, ours);
        add_numbers(expected, arrived);
        device.check(expected);
        require(remote.numbers() == expected, "the remote has not got the changes");
        return time / static_cast<double>(2 * few);
    }

    Microseconds notification() const {
        Device device;
        long heard = 0;
        const auto subscription = device.store.subscribe(
            [&](const StoreChange<Note>& change) { heard += change.after->data.n; });
        auto records = records_;
        const auto time = time_of([&] {
            for (auto& record : records) device.store.put(std::move(record));
        });
        for (const auto& record : records_) heard -= record.data.n;
        require(heard == 0, "the listener has heard something else");
        return each(time);
    }

    /// In bytes.
    double heap_each() const {
        heap.is_counting = true;
        const auto before = heap.bytes;
        const auto device = filled();
        const auto bytes = heap.bytes - before;
        heap.is_counting = false;
        return static_cast<double>(bytes) / static_cast<double>(records_.size());
    }

    Records records_;
    Records mine_{};
    Records theirs_{};
    Numbers numbers_{};
};

}  // namespace

int main(int argc, char** argv) {
    if (argc != 4) {
        std::fputs("peers FOLDER RECORDS ROW\n", stderr);
        return 2;
    }
    try {
        const Rows rows{std::strtoull(argv[2], nullptr, 10)};
        const auto digests = rows.write(argv[1]);
        const nlohmann::json answer{{"digests", digests}, {"each", rows.measure(argv[3])}};
        std::puts(answer.dump().c_str());
    } catch (const std::exception& error) {
        std::fprintf(stderr, "%s\n", error.what());
        return 1;
    }
}
