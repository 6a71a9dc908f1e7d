// SPDX-License-Identifier: MIT
#include <sync_engine.hpp>

#include "property/rapidcheck.hpp"
#include "support/catch.hpp"

#include <nlohmann/json.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

namespace property_of_json {

using namespace sync_engine;
using namespace sync_engine::property;
using nlohmann::json;

namespace {

/// An app's own type, with a member of each usual kind.
struct Note {
    std::string title{};
    std::int64_t stars = 0;
    bool done = false;
    double weight = 0.0;
    std::vector<std::string> lines{};

    bool operator==(const Note&) const = default;
    NLOHMANN_DEFINE_TYPE_INTRUSIVE(Note, title, stars, done, weight, lines)
};

using Counts = std::map<std::string, std::int64_t>;

rc::Gen<Note> any_note() {
    return rc::gen::build<Note>(
        rc::gen::set(&Note::title, any_text()), rc::gen::set(&Note::stars),
        rc::gen::set(&Note::done),
        rc::gen::set(&Note::weight, rc::gen::element(0.0, -2.5, 0.1, 1e308, 5e-324)),
        rc::gen::set(&Note::lines,
                     rc::gen::resize(3, rc::gen::container<std::vector<std::string>>(any_text()))));
}

rc::Gen<Counts> any_counts() {
    return rc::gen::resize(
        5, rc::gen::container<Counts>(any_text(), rc::gen::arbitrary<std::int64_t>()));
}

template <class Data>
rc::Gen<SyncRecord<Data>> any_record(const rc::Gen<Data>& data) {
    using Record = SyncRecord<Data>;
    return rc::gen::build<Record>(
        rc::gen::set(&Record::id, any_text()), rc::gen::set(&Record::data, data),
        rc::gen::set(&Record::status,
                     rc::gen::element(SyncStatus::pending, SyncStatus::modified, SyncStatus::synced,
                                      SyncStatus::conflicted, SyncStatus::deleted)),
        rc::gen::set(&Record::updated_at, any_time()), rc::gen::set(&Record::version, any_count()),
        rc::gen::set(&Record::tags, any_tags()), rc::gen::set(&Record::revision, any_text()));
}

rc::Gen<SyncError> any_error() {
    return rc::gen::build<SyncError>(rc::gen::set(&SyncError::record_id, any_text()),
                                     rc::gen::set(&SyncError::message, any_text()),
                                     rc::gen::set(&SyncError::timestamp, any_time()));
}

rc::Gen<std::vector<SyncError>> some_errors() {
    return rc::gen::resize(2, rc::gen::container<std::vector<SyncError>>(any_error()));
}

rc::Gen<SyncResult> any_result() {
    return rc::gen::build<SyncResult>(
        rc::gen::set(&SyncResult::outcome,
                     rc::gen::element(SyncOutcome::completed, SyncOutcome::vetoed,
                                      SyncOutcome::already_running, SyncOutcome::stopped,
                                      SyncOutcome::failed)),
        rc::gen::set(&SyncResult::pushed, any_count()),
        rc::gen::set(&SyncResult::pulled, any_count()),
        rc::gen::set(&SyncResult::conflicts, any_count()),
        rc::gen::set(&SyncResult::retried, any_count()),
        rc::gen::set(&SyncResult::errors, some_errors()));
}

SyncMetadata draw_metadata() {
    SyncMetadata metadata;
    if (*rc::gen::arbitrary<bool>()) metadata.last_sync_at = *any_time();
    if (*rc::gen::arbitrary<bool>()) {
        metadata.last_duration = std::chrono::milliseconds{
            *rc::gen::inRange<std::int64_t>(0, std::numeric_limits<std::int64_t>::max() / 1000)};
    }
    metadata.total_pushes = *any_count();
    metadata.total_pulls = *any_count();
    metadata.total_conflicts = *any_count();
    return metadata;
}

rc::Gen<StoreStatistics> any_statistics() {
    using Statistics = StoreStatistics;
    return rc::gen::build<Statistics>(rc::gen::set(&Statistics::total, any_count()),
                                      rc::gen::set(&Statistics::pending, any_count()),
                                      rc::gen::set(&Statistics::synced, any_count()),
                                      rc::gen::set(&Statistics::modified, any_count()),
                                      rc::gen::set(&Statistics::conflicted, any_count()),
                                      rc::gen::set(&Statistics::deleted, any_count()),
                                      rc::gen::set(&Statistics::dead_letters, any_count()));
}

/// Options of every kind, sensible or not: what a queue can be made with, it can be written with.
RetryOptions draw_options() {
    constexpr auto infinite = std::numeric_limits<double>::infinity();
    constexpr auto not_a_number = std::numeric_limits<double>::quiet_NaN();
    constexpr std::chrono::milliseconds year = RetryOptions::longest_wait;
    const auto wait = rc::gen::map(
        rc::gen::oneOf(rc::gen::inRange<std::int64_t>(0, year.count() + 1),
                       rc::gen::element<std::int64_t>(0, 1, year.count(), year.count() + 1, -1,
                                                      std::numeric_limits<std::int64_t>::max())),
        [](std::int64_t count) { return std::chrono::milliseconds{count}; });
    const auto factor =
        rc::gen::element(0.0, 0.25, 1.0, 1.5, 2.0, 1e300, -1.0, infinite, -infinite, not_a_number);
    return {.max_attempts = *rc::gen::arbitrary<unsigned>(),
            .backoff_base = *wait,
            .backoff_multiplier = *factor,
            .max_delay = *wait,
            .jitter = *factor};
}

/// A queue after some failures, under a clock that may stand anywhere.
RetryQueue<> draw_queue() {
    RetryOptions options = draw_options();
    options.max_attempts = *rc::gen::inRange(0U, 4U);
    const Timestamp at = *any_time();
    RetryQueue<> queue{options, [at] { return at; }, [] { return std::uint64_t{7}; }};
    const auto failures = *rc::gen::inRange(0, 5);
    for (int n = 0; n < failures; ++n) {
        auto record = *any_record(any_json(1));
        record.id = *rc::gen::element<std::string>("a", "b");
        queue.enqueue(record, *any_text());
        if (*rc::gen::inRange(0, 5) == 0) static_cast<void>(queue.dequeue_all());
    }
    return queue;
}

/// What was written is text that reads back to the same.
template <class Value>
Value travelled(const Value& value) {
    return parse_json(json(value).dump()).get<Value>();
}

/// Puts something else at one place of a document, takes the place away, or puts one more there.
void damage(json& document) {
    json* place = &document;
    while (place->is_structured() && !place->empty() && *rc::gen::inRange(0, 4) != 0) {
        const auto which = *rc::gen::inRange<std::size_t>(0, place->size());
        auto inner = place->begin();
        for (std::size_t n = 0; n < which; ++n) ++inner;
        if (*rc::gen::inRange(0, 8) == 0) {
            place->erase(inner);
            return;
        }
        place = &*inner;
    }
    *place = *any_json(1);
}

std::string damaged(std::string text) {
    const auto at = *rc::gen::inRange<std::size_t>(0, text.size());
    switch (*rc::gen::inRange(0, 3)) {
        case 0:
            text.resize(at);
            break;
        case 1:
            text[at] = static_cast<char>(static_cast<unsigned char>(text[at]) ^
                                         (1U << *rc::gen::inRange(0U, 8U)));
            break;
        default:
            text.insert(*rc::gen::element(at, text.size()), *any_text());
    }
    return text;
}

/// Reads `document` over `target`: a FormatError leaves the target as it was; what is read says the
/// same once it is written. Anything else that is thrown fails the property.
template <class Value>
void read_over(Value target, const json& document) {
    const json before = json(target);
    bool is_read = true;
    try {
        document.get_to(target);
    } catch (const FormatError& error) {
        is_read = false;
        RC_ASSERT(std::string{error.what()} != "");
        RC_ASSERT(json(target) == before);
    }
    RC_CLASSIFY(is_read, "still readable");
    if (!is_read) return;
    Value again = std::move(target);
    const json written = json(again);
    parse_json(written.dump()).get_to(again);
    RC_ASSERT(json(again) == written);
}

/// The property of every reader: `draw` makes a valid value.
template <class Draw>
void check_reader_of(const std::string& name, const Draw& draw) {
    REQUIRE(rc::check("a damaged " + name + " is read or refused, never half", [draw] {
        const auto target = draw();  // another value, so that half a change shows
        json document = json(draw());
        if (*rc::gen::inRange(0, 3) != 0) {
            const int damages = *rc::gen::inRange(1, 4);
            for (int n = 0; n < damages; ++n) damage(document);
        } else {
            const std::string text = damaged(document.dump());
            try {
                document = parse_json(text);
            } catch (const FormatError&) {
                return;
            }
        }
        RC_LOG() << document.dump() << '\n';
        read_over(target, document);
    }));
}

}  // namespace

TEST_CASE("JSON that can travel comes back the same", "[property]") {
    REQUIRE(rc::check("parse_json(dump(value)) is value", [] {
        const json value = *any_json(3);

        check_json(value);
        RC_ASSERT(is_same_json(parse_json(value.dump()), value));
        RC_ASSERT(is_same_json(parse_json(value.dump(2)), value));
    }));
}

TEST_CASE("text is read as JSON or refused with a place in it", "[property]") {
    REQUIRE(rc::check("any damage to any text", [] {
        const std::string whole = (*any_json(3)).dump();
        for (int n = 0; n < 5; ++n) {
            std::string text = damaged(whole);
            if (!text.empty() && *rc::gen::arbitrary<bool>()) text = damaged(text);
            RC_LOG() << text << '\n';
            try {
                const json value = parse_json(text);
                RC_ASSERT(text.find('\0') == std::string::npos);
                check_json(value);
                RC_ASSERT(is_same_json(parse_json(value.dump()), value));
            } catch (const FormatError& error) {
                RC_ASSERT(std::string{error.what()}.find(" byte ") != std::string::npos);
            }
        }
    }));
}

TEST_CASE("an element of a list is read as if it stood alone", "[property]") {
    REQUIRE(rc::check("elements that are alike, each looked at and left where it is", [] {
        json list = json::array({*any_json(3)});
        for (int n = 0; n < 4; ++n) {
            list.push_back(list.back());
            damage(list.back());
        }
        std::size_t n = 0;
        read_elements(list.dump(), "", [&](const json& element) {
            RC_ASSERT(is_same_json(element, list[n]));
            ++n;
        });
        RC_ASSERT(n == list.size());
    }));
}

TEST_CASE("every record comes back from its text", "[property]") {
    REQUIRE(rc::check("a record of JSON", [] {
        const auto record = *any_record(any_json(2));
        const auto read = travelled(record);
        RC_ASSERT(same_content(read, record));
        RC_ASSERT(is_same_json(read.data, record.data));
        RC_ASSERT(json(read) == json(record));
    }));
    REQUIRE(rc::check("a record of an app's own type", [] {
        const auto record = *any_record(any_note());
        RC_ASSERT(travelled(record) == record);
    }));
    REQUIRE(rc::check("a record of a map", [] {
        const auto record = *any_record(any_counts());
        RC_ASSERT(travelled(record) == record);
    }));
}

TEST_CASE("results, errors, metadata and statistics come back from their text", "[property]") {
    REQUIRE(rc::check("SyncResult", [] {
        const SyncResult result = *any_result();
        RC_ASSERT(travelled(result) == result);
    }));
    REQUIRE(rc::check("SyncMetadata", [] {
        const SyncMetadata metadata = draw_metadata();
        RC_ASSERT(travelled(metadata) == metadata);
    }));
    REQUIRE(rc::check("StoreStatistics", [] {
        const StoreStatistics statistics = *any_statistics();
        RC_ASSERT(travelled(statistics) == statistics);
    }));
    REQUIRE(rc::check("TagSet", [] {
        const TagSet tags = *any_tags();
        RC_ASSERT(travelled(tags) == tags);
    }));
}

TEST_CASE("options that were read wait as long as those that were written", "[property]") {
    REQUIRE(rc::check("RetryOptions", [] {
        const RetryOptions options = draw_options();
        const auto read = travelled(options);
        RC_ASSERT(read.max_attempts == options.max_attempts);
        for (const unsigned attempt : {0U, 1U, 2U, 7U, 1000U}) {
            for (const std::uint64_t random : {std::uint64_t{0}, std::uint64_t{123'456'789}}) {
                RC_ASSERT(read.delay(attempt, random) == options.delay(attempt, random));
            }
        }
    }));
}

TEST_CASE("a retry queue comes back from its text, whatever it was made with", "[property]") {
    REQUIRE(rc::check("RetryQueue", [] {
        const auto queue = draw_queue();
        const auto read = travelled(queue);
        RC_ASSERT(json(read) == json(queue));
        RC_ASSERT(read.count() == queue.count());
        RC_ASSERT(read.dead_letters().size() == queue.dead_letters().size());
    }));
}

TEST_CASE("damaged documents are refused whole", "[property]") {
    check_reader_of("record of JSON", [] { return *any_record(any_json(2)); });
    check_reader_of("record of an app's own type", [] { return *any_record(any_note()); });
    check_reader_of("record of a map", [] { return *any_record(any_counts()); });
    check_reader_of("result", [] { return *any_result(); });
    check_reader_of("metadata", [] { return draw_metadata(); });
    check_reader_of("statistics", [] { return *any_statistics(); });
    check_reader_of("set of tags", [] { return *any_tags(); });
    check_reader_of("queue's options", [] { return draw_options(); });
    check_reader_of("queue", [] { return draw_queue(); });
}

}  // namespace property_of_json
