// SPDX-License-Identifier: MIT

// What one sync makes of a record: every state it can be in, whatever the remote does meanwhile,
// under every strategy. Each row is run through the public face alone: edits and real syncs.

#include "support/catch.hpp"
#include "support/one_record.hpp"

#include <algorithm>
#include <cstddef>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

namespace scenario_conflict_table {

using ::test::OneRecord;

namespace {

// Content is two digits, the values of the fields "a" and "b"; "x" is deleted, "-" never was. Each
// event comes a minute after the one before.
//
//   state       absent      the store has never heard of it
//               clean       00, which the remote has
//               pending     10, never sent
//               modified    00 was edited to 10
//               deleted     00 was deleted here, not sent yet
//               staged      00 was edited to 10, sent, and no answer came
//               staged+     and was then edited to 20
//               parked      00 was edited to 10, the remote has 07, the resolver failed
//               conflicted  00 was edited to 10, the remote has 07, the user has to decide
//               refused     00 was edited to 10, which the remote refused: a dead letter
//               re-created  00 was deleted, and 10 was put while the deletion was sent
//               husk        00 was deleted, and the remote has acknowledged it
//
//   remote      nothing     says nothing of the record
//               again       shows once more what it holds
//               lagging     shows once more the last state that both sides had
//               stale       a replica shows 03, older than that state in version and time
//               restored    the remote itself went back to such a 03
//               base        holds the last state that both sides had, under a new revision
//               same edit   somebody else made just our edit
//               ack lost    holds what we sent: only the answer was lost
//               newer       somebody made it 03, later than our edit
//               earlier     somebody made it 03, earlier than our edit
//               newer a     somebody made it 40, later: the field that we have edited too
//               earlier a   somebody made it 40, earlier
//               gone        somebody deleted it, later than our edit
//               gone early  somebody deleted it, earlier
//
//   strategy    any: all six of remote, local, latest, merge, manual and throws
//   edited      during the sync, a is set to 5 here: while pulling, while the resolver is deciding,
//               while pushing; or not
//
// Expected after one sync: content here, its status, how many changes were sent, how many are
// pending; and what the remote holds.
//
// state     remote     strategy             edited       here                        remote
constexpr auto table = R"(
absent      nothing    any                  -         |  x   -           0  0  |  -
absent      nothing    any                  pulling   |  50  synced      1  0  |  50
absent      stale      any                  -         |  03  synced      0  0  |  -
absent      newer      any                  -         |  03  synced      0  0  |  03
absent      newer      remote               pulling   |  03  synced      0  0  |  03
absent      newer      local,latest,merge   pulling   |  50  synced      1  0  |  50
absent      newer      manual               pulling   |  50  conflicted  0  0  |  03
absent      newer      throws               pulling   |  50  pending     0  1  |  03
absent      gone       any                  -         |  x   -           0  0  |  x

clean       nothing    any                  -         |  00  synced      0  0  |  00
clean       again      any                  -         |  00  synced      0  0  |  00
clean       lagging    any                  -         |  00  synced      0  0  |  00
clean       stale      any                  -         |  00  synced      0  0  |  00
clean       stale      any                  pulling   |  50  synced      1  0  |  50
clean       restored   any                  -         |  00  synced      0  0  |  03
clean       base       any                  -         |  00  synced      0  0  |  00
clean       same edit  any                  -         |  00  synced      0  0  |  00
clean       newer      any                  -         |  03  synced      0  0  |  03
clean       newer      remote               pulling   |  03  synced      0  0  |  03
clean       newer      local,latest         pulling   |  50  synced      1  0  |  50
clean       newer      merge                pulling   |  53  synced      1  0  |  53
clean       newer      manual               pulling   |  50  conflicted  0  0  |  03
clean       newer      throws               pulling   |  50  modified    0  1  |  03
clean       earlier    any                  -         |  03  synced      0  0  |  03
clean       gone       any                  -         |  x   -           0  0  |  x
clean       gone       remote               pulling   |  x   -           0  0  |  x
clean       gone       local,latest,merge   pulling   |  50  synced      1  0  |  50
clean       gone       manual               pulling   |  50  conflicted  0  0  |  x
clean       gone       throws               pulling   |  50  modified    0  1  |  x

pending     nothing    any                  -         |  10  synced      1  0  |  10
pending     nothing    any                  pushing   |  50  modified    1  1  |  10
pending     stale      remote               -         |  03  synced      0  0  |  -
pending     stale      local,latest,merge   -         |  10  synced      1  0  |  10
pending     stale      manual               -         |  10  conflicted  0  0  |  -
pending     stale      throws               -         |  10  pending     0  1  |  -
pending     same edit  any                  -         |  10  synced      0  0  |  10
pending     same edit  remote               pulling   |  10  synced      0  0  |  10
pending     same edit  local,latest,merge   pulling   |  50  synced      1  0  |  50
pending     same edit  manual               pulling   |  50  conflicted  0  0  |  10
pending     same edit  throws               pulling   |  50  pending     0  1  |  10
pending     newer      remote,latest,merge  -         |  03  synced      0  0  |  03
pending     newer      local                -         |  10  synced      1  0  |  10
pending     newer      manual               -         |  10  conflicted  0  0  |  03
pending     newer      throws               -         |  10  pending     0  1  |  03
pending     newer      remote               deciding  |  03  synced      0  0  |  03
pending     newer      local,latest,merge   deciding  |  50  synced      1  0  |  50
pending     newer      manual               deciding  |  50  conflicted  0  0  |  03
pending     earlier    remote,latest,merge  -         |  03  synced      0  0  |  03
pending     earlier    local                -         |  10  synced      1  0  |  10
pending     earlier    manual               -         |  10  conflicted  0  0  |  03
pending     earlier    throws               -         |  10  pending     0  1  |  03
pending     gone       remote,latest        -         |  x   -           0  0  |  x
pending     gone       local,merge          -         |  10  synced      1  0  |  10
pending     gone       manual               -         |  10  conflicted  0  0  |  x
pending     gone       throws               -         |  10  pending     0  1  |  x

modified    nothing    any                  -         |  10  synced      1  0  |  10
modified    nothing    any                  pushing   |  50  modified    1  1  |  10
modified    again      any                  -         |  10  synced      1  0  |  10
modified    lagging    any                  -         |  10  synced      1  0  |  10
modified    stale      any                  -         |  10  synced      1  0  |  10
modified    restored   remote               -         |  03  synced      1  0  |  03
modified    restored   local,latest         -         |  10  synced      2  0  |  10
modified    restored   merge                -         |  13  synced      2  0  |  13
modified    restored   manual               -         |  10  conflicted  1  0  |  03
modified    restored   throws               -         |  10  modified    1  1  |  03
modified    base       any                  -         |  10  synced      1  0  |  10
modified    same edit  any                  -         |  10  synced      0  0  |  10
modified    newer      remote,latest        -         |  03  synced      0  0  |  03
modified    newer      local                -         |  10  synced      1  0  |  10
modified    newer      merge                -         |  13  synced      1  0  |  13
modified    newer      manual               -         |  10  conflicted  0  0  |  03
modified    newer      throws               -         |  10  modified    0  1  |  03
modified    newer      remote               deciding  |  03  synced      0  0  |  03
modified    newer      local,latest         deciding  |  50  synced      1  0  |  50
modified    newer      merge                deciding  |  53  synced      1  0  |  53
modified    newer      manual               deciding  |  50  conflicted  0  0  |  03
modified    newer      throws               deciding  |  50  modified    0  1  |  03
modified    earlier    remote               -         |  03  synced      0  0  |  03
modified    earlier    local,latest         -         |  10  synced      1  0  |  10
modified    earlier    merge                -         |  13  synced      1  0  |  13
modified    earlier    manual               -         |  10  conflicted  0  0  |  03
modified    earlier    throws               -         |  10  modified    0  1  |  03
modified    earlier    local,latest         pushing   |  50  modified    1  1  |  10
modified    earlier    merge                pushing   |  53  modified    1  1  |  13
modified    newer a    remote,latest,merge  -         |  40  synced      0  0  |  40
modified    newer a    local                -         |  10  synced      1  0  |  10
modified    newer a    manual               -         |  10  conflicted  0  0  |  40
modified    newer a    throws               -         |  10  modified    0  1  |  40
modified    earlier a  remote               -         |  40  synced      0  0  |  40
modified    earlier a  local,latest,merge   -         |  10  synced      1  0  |  10
modified    earlier a  manual               -         |  10  conflicted  0  0  |  40
modified    earlier a  throws               -         |  10  modified    0  1  |  40
modified    gone       remote,latest        -         |  x   -           0  0  |  x
modified    gone       local,merge          -         |  10  synced      1  0  |  10
modified    gone       manual               -         |  10  conflicted  0  0  |  x
modified    gone       throws               -         |  10  modified    0  1  |  x
modified    gone       remote               deciding  |  x   -           0  0  |  x
modified    gone       local,latest,merge   deciding  |  50  synced      1  0  |  50
modified    gone       manual               deciding  |  50  conflicted  0  0  |  x
modified    gone       throws               deciding  |  50  modified    0  1  |  x
modified    gone early  remote               -         |  x   -           0  0  |  x
modified    gone early  local,latest,merge   -         |  10  synced      1  0  |  10
modified    gone early  manual               -         |  10  conflicted  0  0  |  x
modified    gone early  throws               -         |  10  modified    0  1  |  x

deleted     nothing    any                  -         |  x   -           1  0  |  x
deleted     nothing    any                  pulling   |  50  synced      1  0  |  50
deleted     nothing    any                  pushing   |  50  pending     1  1  |  x
deleted     lagging    any                  -         |  x   -           1  0  |  x
deleted     base       any                  -         |  x   -           1  0  |  x
deleted     same edit  any                  -         |  x   -           0  0  |  x
deleted     newer      remote,latest,merge  -         |  03  synced      0  0  |  03
deleted     newer      local                -         |  x   -           1  0  |  x
deleted     newer      manual               -         |  x   conflicted  0  0  |  03
deleted     newer      throws               -         |  x   deleted     0  1  |  03
deleted     newer      remote               deciding  |  03  synced      0  0  |  03
deleted     newer      local,latest         deciding  |  50  synced      1  0  |  50
deleted     newer      merge                deciding  |  53  synced      1  0  |  53
deleted     newer      manual               deciding  |  50  conflicted  0  0  |  03
deleted     earlier    remote,merge         -         |  03  synced      0  0  |  03
deleted     earlier    local,latest         -         |  x   -           1  0  |  x
deleted     earlier    manual               -         |  x   conflicted  0  0  |  03
deleted     earlier    throws               -         |  x   deleted     0  1  |  03
deleted     gone       any                  -         |  x   -           0  0  |  x

staged      nothing    any                  -         |  10  synced      1  0  |  10
staged      nothing    any                  pushing   |  50  modified    1  1  |  10
staged      again      any                  -         |  10  synced      1  0  |  10
staged      lagging    any                  -         |  10  synced      1  0  |  10
staged      base       any                  -         |  10  synced      1  0  |  10
staged      same edit  any                  -         |  10  synced      0  0  |  10
staged      ack lost   any                  -         |  10  synced      0  0  |  10
staged      ack lost   any                  pulling   |  50  synced      1  0  |  50
staged      newer      remote,latest        -         |  03  synced      0  0  |  03
staged      newer      local                -         |  10  synced      1  0  |  10
staged      newer      merge                -         |  13  synced      1  0  |  13
staged      newer      manual               -         |  10  conflicted  0  0  |  03
staged      newer      throws               -         |  10  modified    0  1  |  03
staged      gone       remote,latest        -         |  x   -           0  0  |  x
staged      gone       local,merge          -         |  10  synced      1  0  |  10
staged      gone       manual               -         |  10  conflicted  0  0  |  x
staged      gone       throws               -         |  10  modified    0  1  |  x

staged+     nothing    any                  -         |  20  synced      1  0  |  20
staged+     stale      any                  -         |  20  synced      1  0  |  20
staged+     restored   remote               -         |  03  synced      1  0  |  03
staged+     restored   local,latest         -         |  20  synced      2  0  |  20
staged+     restored   merge                -         |  23  synced      2  0  |  23
staged+     restored   manual               -         |  20  conflicted  1  0  |  03
staged+     restored   throws               -         |  20  modified    1  1  |  03
staged+     base       any                  -         |  20  synced      1  0  |  20
staged+     same edit  any                  -         |  20  synced      0  0  |  20
staged+     ack lost   any                  -         |  20  synced      1  0  |  20
staged+     ack lost   any                  pulling   |  50  synced      1  0  |  50
staged+     ack lost   any                  pushing   |  50  modified    1  1  |  20
staged+     newer      remote,latest        -         |  03  synced      0  0  |  03
staged+     newer      local                -         |  20  synced      1  0  |  20
staged+     newer      merge                -         |  23  synced      1  0  |  23
staged+     newer      manual               -         |  20  conflicted  0  0  |  03
staged+     newer      throws               -         |  20  modified    0  1  |  03
staged+     earlier    remote               -         |  03  synced      0  0  |  03
staged+     earlier    local,latest         -         |  20  synced      1  0  |  20
staged+     earlier    merge                -         |  23  synced      1  0  |  23
staged+     earlier    manual               -         |  20  conflicted  0  0  |  03
staged+     earlier    throws               -         |  20  modified    0  1  |  03
staged+     gone       remote,latest        -         |  x   -           0  0  |  x
staged+     gone       local,merge          -         |  20  synced      1  0  |  20
staged+     gone       manual               -         |  20  conflicted  0  0  |  x
staged+     gone       throws               -         |  20  modified    0  1  |  x

parked      nothing    remote,latest        -         |  07  synced      0  0  |  07
parked      nothing    local                -         |  10  synced      1  0  |  10
parked      nothing    merge                -         |  17  synced      1  0  |  17
parked      nothing    manual               -         |  10  conflicted  0  0  |  07
parked      nothing    throws               -         |  10  modified    0  1  |  07
parked      nothing    remote               deciding  |  07  synced      0  0  |  07
parked      nothing    local,latest         deciding  |  50  synced      1  0  |  50
parked      nothing    merge                deciding  |  57  synced      1  0  |  57
parked      nothing    manual               deciding  |  50  conflicted  0  0  |  07
parked      nothing    local                pushing   |  50  modified    1  1  |  10
parked      nothing    merge                pushing   |  57  modified    1  1  |  17
parked      lagging    remote,latest        -         |  07  synced      0  0  |  07
parked      lagging    local                -         |  10  synced      1  0  |  10
parked      lagging    merge                -         |  17  synced      1  0  |  17
parked      lagging    manual               -         |  10  conflicted  0  0  |  07
parked      lagging    throws               -         |  10  modified    0  1  |  07
parked      stale      throws               -         |  10  modified    0  1  |  07
parked      restored   remote,latest        -         |  07  synced      0  0  |  03
parked      restored   local                -         |  10  synced      2  0  |  10
parked      restored   merge                -         |  13  synced      2  0  |  13
parked      restored   manual               -         |  10  conflicted  0  0  |  03
parked      restored   throws               -         |  10  modified    0  1  |  03
parked      base       any                  -         |  10  synced      1  0  |  10
parked      same edit  any                  -         |  10  synced      0  0  |  10
parked      newer      remote,latest        -         |  03  synced      0  0  |  03
parked      newer      local                -         |  10  synced      1  0  |  10
parked      newer      merge                -         |  13  synced      1  0  |  13
parked      newer      manual               -         |  10  conflicted  0  0  |  03
parked      newer      throws               -         |  10  modified    0  1  |  03
parked      earlier    remote               -         |  03  synced      0  0  |  03
parked      earlier    local,latest         -         |  10  synced      1  0  |  10
parked      earlier    merge                -         |  13  synced      1  0  |  13
parked      earlier    manual               -         |  10  conflicted  0  0  |  03
parked      earlier    throws               -         |  10  modified    0  1  |  03
parked      gone       remote,latest        -         |  x   -           0  0  |  x
parked      gone       local,merge          -         |  10  synced      1  0  |  10
parked      gone       manual               -         |  10  conflicted  0  0  |  x
parked      gone       throws               -         |  10  modified    0  1  |  x

conflicted  nothing    any                  -         |  10  conflicted  0  0  |  07
conflicted  again      any                  -         |  10  conflicted  0  0  |  07
conflicted  lagging    any                  -         |  10  conflicted  0  0  |  07
conflicted  stale      any                  -         |  10  conflicted  0  0  |  07
conflicted  restored   any                  -         |  10  conflicted  0  0  |  03
conflicted  base       any                  -         |  10  synced      1  0  |  10
conflicted  base       any                  pushing   |  50  modified    1  1  |  10
conflicted  same edit  any                  -         |  10  synced      0  0  |  10
conflicted  newer      any                  -         |  10  conflicted  0  0  |  03
conflicted  newer      any                  pulling   |  50  conflicted  0  0  |  03
conflicted  gone       any                  -         |  10  conflicted  0  0  |  x
conflicted  gone early  any                  -         |  10  conflicted  0  0  |  x

refused     nothing    any                  -         |  10  modified    0  1  |  00
refused     nothing    any                  pulling   |  50  synced      1  0  |  50
refused     base       any                  -         |  10  modified    0  1  |  00
refused     same edit  any                  -         |  10  synced      0  0  |  10
refused     newer      remote,latest        -         |  03  synced      0  0  |  03
refused     newer      local                -         |  10  synced      1  0  |  10
refused     newer      merge                -         |  13  synced      1  0  |  13
refused     newer      manual               -         |  10  conflicted  0  0  |  03
refused     newer      throws               -         |  10  modified    0  1  |  03
refused     newer      remote               deciding  |  03  synced      0  0  |  03
refused     newer      local,latest         deciding  |  50  synced      1  0  |  50
refused     newer      merge                deciding  |  53  synced      1  0  |  53
refused     newer      manual               deciding  |  50  conflicted  0  0  |  03

re-created  nothing    any                  -         |  10  synced      1  0  |  10
re-created  nothing    any                  pushing   |  50  modified    1  1  |  10
re-created  lagging    any                  -         |  10  synced      1  0  |  10
re-created  stale      any                  -         |  10  synced      1  0  |  10
re-created  restored   remote               -         |  03  synced      1  0  |  03
re-created  restored   local,latest,merge   -         |  10  synced      2  0  |  10
re-created  restored   manual               -         |  10  conflicted  1  0  |  03
re-created  restored   throws               -         |  10  pending     1  1  |  03
re-created  base       any                  -         |  10  synced      1  0  |  10
re-created  same edit  any                  -         |  10  synced      0  0  |  10
re-created  newer      remote,latest,merge  -         |  03  synced      0  0  |  03
re-created  newer      local                -         |  10  synced      1  0  |  10
re-created  newer      manual               -         |  10  conflicted  0  0  |  03
re-created  newer      throws               -         |  10  pending     0  1  |  03
re-created  earlier    remote               -         |  03  synced      0  0  |  03
re-created  earlier    local,latest,merge   -         |  10  synced      1  0  |  10
re-created  earlier    manual               -         |  10  conflicted  0  0  |  03
re-created  earlier    throws               -         |  10  pending     0  1  |  03
re-created  gone       any                  -         |  10  synced      1  0  |  10
re-created  gone       any                  pushing   |  50  modified    1  1  |  10

husk        nothing    any                  -         |  x   -           0  0  |  x
husk        nothing    any                  pulling   |  50  synced      1  0  |  50
husk        again      any                  -         |  x   -           0  0  |  x
husk        lagging    any                  -         |  x   -           0  0  |  x
husk        lagging    any                  pulling   |  50  synced      1  0  |  50
husk        stale      any                  -         |  x   -           0  0  |  x
husk        restored   any                  -         |  x   -           0  0  |  03
husk        base       any                  -         |  x   -           0  0  |  x
husk        same edit  any                  -         |  x   -           0  0  |  x
husk        newer      any                  -         |  03  synced      0  0  |  03
husk        newer      remote               pulling   |  03  synced      0  0  |  03
husk        newer      local,latest,merge   pulling   |  50  synced      1  0  |  50
husk        newer      manual               pulling   |  50  conflicted  0  0  |  03
husk        newer      throws               pulling   |  50  pending     0  1  |  03
husk        gone       any                  -         |  x   -           0  0  |  x
)";

struct Row {
    std::string text;
    std::string state;
    std::string event;
    std::vector<std::string> strategies;
    std::string edited;
    std::string expected;
};

std::vector<std::string> split(const std::string& text, const std::string& by) {
    std::vector<std::string> parts;
    for (std::size_t at = 0; at < text.size();) {
        const auto end = std::min(text.find(by, at), text.size());
        const auto first = text.find_first_not_of(' ', at);
        const auto last = text.find_last_not_of(' ', end - 1);
        if (first < end) parts.push_back(text.substr(first, last + 1 - first));
        at = end + by.size();
    }
    return parts;
}

std::vector<Row> rows() {
    std::vector<Row> read;
    std::istringstream lines{table};
    for (std::string line; std::getline(lines, line);) {
        if (line.empty()) continue;
        const auto cells = split(line, "  ");  // names hold single spaces
        Row row{line, cells.at(0), cells.at(1), split(cells.at(2), ","), cells.at(3), {}};
        if (cells.at(2) == "any") {
            row.strategies = {"remote", "local", "latest", "merge", "manual", "throws"};
        }
        for (std::size_t cell = 4; cell < cells.size(); ++cell) row.expected += cells[cell] + " ";
        read.push_back(std::move(row));
    }
    return read;
}

/// The right half of a row, as it came out.
std::string outcome_of(const OneRecord& record) {
    return "| " + record.local_code() + " " + record.status() + " " + std::to_string(record.sent) +
           " " + std::to_string(record.store.pending().size()) + " | " +
           OneRecord::code(record.held) + " ";
}

void prepare(OneRecord& record, const Row& row) {
    record.bring_into(row.state);
    record.happens(row.event);
    record.step();
    record.sent = 0;
    const auto edit = [&record] {
        auto code = record.local_code();
        if (code == "x") code = "50";
        code[0] = '5';
        record.put(code);
    };
    if (row.edited == "pulling") record.while_pulling = edit;
    if (row.edited == "deciding") record.while_deciding = edit;
    if (row.edited == "pushing") record.while_pushing = edit;
}

/// A row that leaves nobody to wait for, and no remote that has gone back in time.
bool has_to_converge(const Row& row, const std::string& strategy) {
    return row.state != "conflicted" && row.state != "refused" && strategy != "manual" &&
           strategy != "throws" && row.event != "stale" && row.event != "restored";
}

}  // namespace

TEST_CASE("one sync does what the table says", "[scenario]") {
    std::size_t runs = 0;
    for (const auto& row : rows()) {
        for (const auto& strategy : row.strategies) {
            OneRecord record;
            prepare(record, row);

            const auto result = record.sync(OneRecord::resolver_of(strategy));

            INFO(row.text);
            INFO("under " << strategy << ": " << ::test::told(result));
            CHECK(outcome_of(record) == row.expected);
            CHECK(result.outcome == sync_engine::SyncOutcome::completed);
            CHECK_FALSE((record.while_pulling || record.while_pushing || record.while_deciding));
            ++runs;
        }
    }
    CHECK(runs > 400);
}

TEST_CASE("after every row of the table, two more syncs make both sides equal", "[scenario]") {
    for (const auto& row : rows()) {
        for (const auto& strategy : row.strategies) {
            if (!has_to_converge(row, strategy)) continue;
            OneRecord record;
            prepare(record, row);
            record.sync(OneRecord::resolver_of(strategy));

            for (int more = 0; more < 2; ++more) {
                record.step();
                record.sync(OneRecord::resolver_of(strategy));
            }

            INFO(row.text);
            INFO("under " << strategy);
            CHECK(record.store.pending().empty());
            CHECK(record.local_code() ==
                  (record.held ? OneRecord::code(record.held) : std::string{"x"}));
        }
    }
}

}  // namespace scenario_conflict_table
