// SPDX-License-Identifier: MIT
// Clients that are none of ours look at the same database: PouchDB, which replicates and keeps
// trees of revisions.
#include <sync_engine/record/error.hpp>
#include <sync_engine/remote/couchdb_remote.hpp>

#include "couchdb/database.hpp"
#include "couchdb/phone.hpp"
#include "couchdb/place.hpp"
#include "couchdb/pouch_server.hpp"
#include "support/catch.hpp"
#include "support/temporary_folder.hpp"

#include <nlohmann/json.hpp>

#include <chrono>
#include <cstddef>
#include <string>
#include <vector>

namespace test_of_witnesses {

using namespace std::chrono_literals;
using namespace sync_engine;
using namespace sync_engine::test;
using nlohmann::json;

namespace {

/// A PouchDB in a program of its own, with a database that stays from task to task.
class Witness {
public:
    explicit Witness(const Database& database)
        : url_(url_with_login(database.place()) + '/' + database.name()) {}

    /// Does tasks; throws with what the witness says if it fails.
    void does(const json& tasks) {
        write_bytes(folder_ / "tasks.json", tasks.dump());
        Program program{{"node", SYNC_COUCH_WITNESS, url_, (folder_ / "db").string(),
                         (folder_ / "tasks.json").string(), (folder_ / "answer.json").string()},
                        folder_.path().string(),
                        "said.txt"};
        if (!program.ends_well_within(60s)) {
            throw Error("the witness fails: " + bytes_of(folder_ / "said.txt"));
        }
        const auto answer = json::parse(bytes_of(folder_ / "answer.json"));
        contents = answer.at("documents").get<Contents>();
        conflicts = answer.at("conflicts");
    }
    void edits(const std::string& id, const json& members) { does({{{"put", {{id, members}}}}}); }
    void syncs() { does({{{"sync", true}}}); }

    Contents contents{};
    std::size_t conflicts = 0;  ///< leaves that lose

private:
    std::string url_;
    TemporaryFolder folder_{};
};

}  // namespace

TEST_CASE("two PouchDB clients and two of ours end with the same documents", "[couchdb]") {
    if (!setting("SYNC_POUCH_MODULES")) {
        WARN("left out: SYNC_POUCH_MODULES is no folder with pouchdb in it");
        return;
    }
    Database database;
    Phone ada{database};
    Phone ben{database};
    Witness eve{database};
    Witness mallory{database};
    for (int each = 0; each < 100; ++each) {
        ada.edit("n" + std::to_string(each), {{"n", each}, {"text", "\xF0\x9F\x8C\xB3"}});
    }
    ada.edit("shared", {{"text", "milk"}, {"count", 1}});
    ada.edit("a/b %\"", {{"text", "odd id"}});
    ada.edit("list", json::array({1, 2, 3}));
    ben.edit("ben's", {{"text", "x"}});
    settle({&ada, &ben});
    eve.syncs();
    mallory.syncs();
    CHECK(difference(eve.contents, ada.contents()) == std::string{});

    // All four are offline, and edit the same things.
    eve.does({{{"put",
                {{"shared", {{"text", "oat milk"}}},
                 {"eve's", {{"text", "e"}}},
                 {"n1", {{"eve", true}}},
                 {"a/b %\"", {{"eve", 1}}}}},
               {"remove", {"n2", "n3"}}}});
    mallory.does({{{"put",
                    {{"shared", {{"count", 2}}},
                     {"mallory's", {{"text", "m"}}},
                     {"n1", {{"mallory", true}}},
                     {"n3", {{"text", "needed"}}}}},
                   {"remove", {"n4"}}}});
    ada.change("shared", {{"ada", true}});
    ada.change("n1", {{"ada", true}});
    ada.store->remove("n5");
    ben.change("shared", {{"ben", true}});
    ben.change("n4", {{"text", "needed by ben"}});
    ben.change("a/b %\"", {{"ben", 1}});

    eve.syncs();
    mallory.syncs();
    CHECK(database.live_leaves("shared") == 2);
    settle({&ada, &ben});
    eve.syncs();
    mallory.syncs();

    check_equal({&ada, &ben}, database);
    CHECK(difference(eve.contents, ada.contents()) == std::string{});
    CHECK(difference(mallory.contents, ada.contents()) == std::string{});
    CHECK(eve.conflicts == 0);
    CHECK(mallory.conflicts == 0);
    CHECK(database.live_leaves("shared") == 1);
    CHECK(ada.data("shared") ==
          json{{"text", "oat milk"}, {"count", 2}, {"ada", true}, {"ben", true}});
    CHECK(ada.data("n1") == json{{"n", 1},
                                 {"text", "\xF0\x9F\x8C\xB3"},
                                 {"eve", true},
                                 {"mallory", true},
                                 {"ada", true}});
    CHECK(ada.data("n2").is_null());
    CHECK(ada.data("n3").at("text") == "needed");
    CHECK(ada.data("n4").at("text") == "needed by ben");
    CHECK(ada.data("n5").is_null());
    CHECK(ada.data("a/b %\"") == json{{"text", "odd id"}, {"eve", 1}, {"ben", 1}});
}

}  // namespace test_of_witnesses
