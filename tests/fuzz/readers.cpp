// SPDX-License-Identifier: MIT

// Any bytes from a wire or a disk: does every reader read them or refuse them?
//
// The first byte picks the reader, in the order of the table at the end: `a` is the first. The rest
// is what it reads, through parse_json where it is JSON. A reader throws FormatError and nothing
// else, leaves its target alone when it does, and what it reads says the same once it was written.

#include <sync_engine.hpp>

#include "fuzz/require.hpp"

#include <nlohmann/json.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace {

using namespace sync_engine;
using nlohmann::json;
using sync_engine::test::require;

struct Step {
    std::string text{};
    bool done = false;
    std::vector<std::string> notes{};

    NLOHMANN_DEFINE_TYPE_INTRUSIVE_WITH_DEFAULT(Step, text, done, notes)
};

/// An app's own type: required and optional members, one within another. None is an int, because
/// nlohmann_json casts 1e308 to one without a look, which is undefined and not ours to prevent.
struct Task {
    std::string title{};
    std::vector<Step> steps{};
    std::map<std::string, std::string> links{};

    NLOHMANN_DEFINE_TYPE_INTRUSIVE(Task, title, steps, links)
};

/// Reads a document over a value that is not empty, so that a half-made change would show.
template <class Value>
void check_document(const json& document, Value target) {
    const json before = json(target);
    try {
        document.get_to(target);
    } catch (const FormatError& error) {
        require(std::string_view{error.what()} != "", "an error says something");
        require(is_utf8(error.what()), "an error is text: " + std::string{error.what()});
        require(json(target) == before, "a refused document changes nothing");
        return;
    }
    const std::string written = json(target).dump();
    Value again = std::move(target);
    parse_json(written).get_to(again);
    require(json(again).dump() == written, "what was read says the same once it was written");
}

/// The same for bytes. What parse_json takes, any reader may see.
template <class Value>
void check_text(std::string_view text, const Value& target) {
    json document;
    try {
        document = parse_json(text);
    } catch (const FormatError&) {
        return;
    }
    check_document(document, target);
}

template <class Data>
void check_record_text(std::string_view text, Data data) {
    const SyncRecord<Data> target{.id = "kept",
                                  .data = std::move(data),
                                  .status = SyncStatus::modified,
                                  .updated_at = Timestamp{},
                                  .version = 7,
                                  .tags = {"kept"},
                                  .revision = "kept"};
    check_text(text, target);

    // A record that a store would take is one that comes back from its text.
    try {
        auto record = parse_json(text).get<SyncRecord<Data>>();
        check_record(record);
        const auto again = parse_json(json(record).dump()).template get<SyncRecord<Data>>();
        require(json(again) == json(record), "a storable record travels");
    } catch (const FormatError&) {
    } catch (const InvalidRecord&) {
    }
}

void read_json(std::string_view text) {
    json value;
    try {
        value = parse_json(text);
    } catch (const FormatError& error) {
        require(is_utf8(error.what()), "an error is text");
        return;
    }
    require(text.find('\0') == std::string_view::npos, "a NUL does not hide what follows it");
    try {
        check_json(value);
    } catch (const FormatError& error) {
        // Text may nest a little deeper than data: that alone is left to refuse.
        require(std::string_view{error.what()}.find("nested deeper") != std::string_view::npos,
                "what was read as JSON can be written");
    }
    const std::string written = value.dump();
    require(is_same_json(parse_json(written), value), "JSON comes back the same");
    require(parse_json(written).dump() == written, "JSON is written the same again");
}

void read_record(std::string_view text) {
    check_record_text<json>(text, {{"kept", 1}});
}

void read_record_of_own_type(std::string_view text) {
    check_record_text<Task>(text, {.title = "kept", .steps = {{.text = "kept"}}});
}

void read_record_of_map(std::string_view text) {
    check_record_text<std::map<std::string, std::string>>(text, {{"kept", "1"}});
}

void read_time(std::string_view text) {
    Timestamp time{};
    try {
        time = parse_timestamp(text);
    } catch (const FormatError& error) {
        require(is_utf8(error.what()), "an error is text");
        return;
    }
    require(is_utf8(text), "a time is text");
    const std::string written = to_iso8601(time);
    require(parse_timestamp(written) == time, "a time comes back the same");
    require(to_iso8601(parse_timestamp(written)) == written, "a time is written the same again");
    check_document(json(std::string{text}), Timestamp{});
}

void read_status(std::string_view text) {
    try {
        require(to_string(parse_sync_status(text)) == text, "a status comes back the same");
    } catch (const FormatError& error) {
        require(is_utf8(error.what()), "an error is text");
    }
}

void read_tags(std::string_view text) {
    check_text(text, TagSet{"kept"});
}

void read_error(std::string_view text) {
    check_text(text, SyncError{.record_id = "kept", .message = "kept", .timestamp = {}});
}

void read_result(std::string_view text) {
    SyncResult target{.outcome = SyncOutcome::stopped, .pushed = 1};
    target.errors.push_back({.record_id = "kept", .message = "kept", .timestamp = {}});
    check_text(text, target);
}

void read_metadata(std::string_view text) {
    check_text(text, SyncMetadata{.last_sync_at = Timestamp{}, .total_pushes = 7});
}

void read_statistics(std::string_view text) {
    check_text(text, StoreStatistics{.total = 7});
}

void read_options(std::string_view text) {
    check_text(text, RetryOptions{.max_attempts = 7});
}

void read_entry(std::string_view text) {
    RetryEntry<> target;
    target.record.id = "kept";
    target.record.updated_at = Timestamp{};
    check_text(text, target);
}

void read_queue(std::string_view text) {
    RetryQueue<> target{
        {.max_attempts = 2}, [] { return Timestamp{}; }, [] { return std::uint64_t{7}; }};
    target.enqueue({.id = "kept", .updated_at = Timestamp{}});
    check_text(text, target);
}

/// Bytes that reach a message or a report: they come out as text, whatever they were.
void show_bytes(std::string_view bytes) {
    require(is_utf8(quoted(bytes)), "what is quoted is text");
    require(quoted(bytes).find('\n') == std::string::npos, "what is quoted is one line");
    require(is_utf8(sync_engine::detail::repaired_utf8(bytes)), "what is repaired is text");
    if (is_utf8(bytes)) {
        require(sync_engine::detail::repaired_utf8(bytes) == bytes, "text needs no repair");
        require(parse_json(json(std::string{bytes}).dump()) == bytes, "text travels");
    }
    SyncRecord<> record{.id = std::string{bytes}, .data = 1, .updated_at = Timestamp{}};
    try {
        check_record(record);
        require(parse_json(json(record).dump()).get<SyncRecord<>>() == record, "an id travels");
    } catch (const InvalidRecord& error) {
        require(is_utf8(error.what()), "an error is text");
    }
}

constexpr std::array readers{
    read_json,    // a
    read_record,  // b
    read_record_of_own_type,
    read_record_of_map,
    read_time,  // e
    read_status,
    read_tags,
    read_error,  // h
    read_result,
    read_metadata,
    read_statistics,  // k
    read_options,
    read_entry,
    read_queue,  // n
    show_bytes,
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
    if (size == 0) return 0;
    const std::string_view text{reinterpret_cast<const char*>(bytes), size};
    const auto picked = static_cast<std::size_t>(static_cast<unsigned char>(text[0] - 'a'));
    readers[picked % readers.size()](text.substr(1));
    return 0;
}
