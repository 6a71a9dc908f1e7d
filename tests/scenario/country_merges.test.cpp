// SPDX-License-Identifier: MIT

// People edited the same country on two branches at the same time, 121 times. Here each edit is
// made on two devices instead.

#include <sync_engine/record/json.hpp>
#include <sync_engine/remote/memory_remote.hpp>

#include "support/catch.hpp"
#include "support/data.hpp"
#include "support/device.hpp"

#include <nlohmann/json.hpp>

#include <chrono>
#include <cstddef>
#include <fstream>
#include <string>
#include <vector>

namespace scenario_country_merges {

using namespace std::chrono_literals;
using nlohmann::json;
using sync_engine::ConflictStrategy;
using sync_engine::MemoryRemote;

namespace {

struct CountryEdit {
    std::string id;
    json base;
    json ours;
    json theirs;
    json published;
};

/// One record for each line: a country that was edited in two merges is two records.
std::vector<CountryEdit> read_edits(std::istream& lines) {
    std::vector<CountryEdit> edits;
    for (std::string line; std::getline(lines, line);) {
        const json read = sync_engine::parse_json(line);
        edits.push_back(
            {read.at("id").get<std::string>() + "@" + read.at("merge").get<std::string>(),
             read.at("base"), read.at("ours"), read.at("theirs"), read.at("merged")});
    }
    return edits;
}

/// Syncs both in turn until a round changes nothing; false if that does not come.
bool sync_until_quiet(::test::Device& one, ::test::Device& other, MemoryRemote<>& server) {
    for (int round = 0; round < 5; ++round) {
        const auto first = one.sync(server.remote());
        const auto second = other.sync(server.remote());
        if (first.has_errors() || second.has_errors()) return false;
        if (first.total() + second.total() == 0) return true;
    }
    return false;
}

}  // namespace

TEST_CASE("two devices merge the edits of real people as those people did", "[scenario]") {
    const auto file = sync_engine::test::data_file("country-merges.jsonl");
    if (!file) {
        WARN("country-merges.jsonl is not here; skipped");
        return;
    }
    std::ifstream lines{*file};
    const auto edits = read_edits(lines);
    REQUIRE(edits.size() == 121);

    sync_engine::testing::ManualClock time;
    MemoryRemote<> server{time.clock()};
    const ::test::Device::Resolver merging{ConflictStrategy::merge};
    ::test::Device ours{1, merging, time};
    ::test::Device theirs{2, merging, time};
    for (const auto& edit : edits) {
        server.seed({.id = edit.id, .data = edit.base, .updated_at = time.now()});
    }
    ours.sync(server.remote());
    theirs.sync(server.remote());
    REQUIRE(theirs.store->count() == edits.size());

    // Who comes later must not matter, since hardly anybody touched the same path.
    const bool ours_first = GENERATE(true, false);
    for (const auto& edit : edits) {
        ours.clock.advance(1s);
        (ours_first ? ours : theirs).edit(edit.id, ours_first ? edit.ours : edit.theirs);
        ours.clock.advance(1s);
        (ours_first ? theirs : ours).edit(edit.id, ours_first ? edit.theirs : edit.ours);
    }
    REQUIRE(sync_until_quiet(ours, theirs, server));

    std::size_t as_published = 0;
    std::string different;
    for (const auto& edit : edits) {
        const auto stored = server.find(edit.id);
        REQUIRE(stored);
        CHECK(ours.data(edit.id) == stored->data);
        CHECK(theirs.data(edit.id) == stored->data);
        if (stored->data == edit.published) {
            ++as_published;
        } else {
            different += " " + edit.id;
        }
    }
    CHECK(ours.store->pending().empty());
    CHECK(theirs.store->pending().empty());
    WARN(as_published << " of " << edits.size()
                      << " records end as their maintainers published them; not" << different);
    CHECK(as_published >= 119);
}

}  // namespace scenario_country_merges
