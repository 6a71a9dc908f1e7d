// SPDX-License-Identifier: MIT
// The document that docs/backends.md shows, read and written; tests.pages compares the two.
#include <sync_engine/remote/couchdb/document.hpp>

#include "support/catch.hpp"

#include <nlohmann/json.hpp>

namespace test_of_backends {

using namespace sync_engine;

TEST_CASE("docs/backends: the document is what a record is read from, and written as", "[pages]") {
    const auto document = nlohmann::json::parse(R"(
{
  "_id": "T-003",
  "_rev": "2-7a2b0c9f3d1e4f5a8b6c7d8e9f0a1b2c",
  "height_m": 15.6,
  "note": "cut back",
  "sync_engine": {
    "version": 2,
    "updatedAt": "2026-11-26T10:23:22.418207Z",
    "tags": ["oak"],
    "operation": "5f0c1d2e3a4b5c6d7e8f9a0b1c2d3e4f-17",
    "digest": "abb3b93fa55e78ff"
  }
}
    )");

    const auto record = couchdb::record_of<nlohmann::json>(document);

    CHECK(record.id == "T-003");
    CHECK(record.data == nlohmann::json{{"height_m", 15.6}, {"note", "cut back"}});
    CHECK(record.version == 2);  // of this content: the digest says so
    CHECK(record.updated_at == parse_timestamp("2026-11-26T10:23:22.418207Z"));
    CHECK(record.tags == TagSet{"oak"});
    CHECK(couchdb::document_of(record, "5f0c1d2e3a4b5c6d7e8f9a0b1c2d3e4f-17") == document);
}

}  // namespace test_of_backends
