// SPDX-License-Identifier: MIT
#include <sync_engine/record/sync_record.hpp>
#include <sync_engine/record/unknown_members.hpp>

#include "support/catch.hpp"

#include <nlohmann/json.hpp>

#include <cstddef>
#include <map>
#include <optional>
#include <stdexcept>
#include <string>

namespace test_of_unknown_members {

using namespace sync_engine;
using namespace sync_engine::test;
using nlohmann::json;

namespace {

struct Address {
    std::string street{};

    bool operator==(const Address&) const = default;
    NLOHMANN_DEFINE_TYPE_INTRUSIVE(Address, street)
};

struct Contact {
    std::string name{};
    Address address{};

    bool operator==(const Contact&) const = default;
    NLOHMANN_DEFINE_TYPE_INTRUSIVE(Contact, name, address)
};

/// Leaves out what is empty, as many apps do.
struct Task {
    std::string title{};
    std::optional<std::string> note{};
    std::optional<Address> place{};

    bool operator==(const Task&) const = default;

    friend void to_json(json& to, const Task& task) {
        to = {{"title", task.title}};
        if (task.note) to["note"] = *task.note;
        if (task.place) to["place"] = *task.place;
    }
    friend void from_json(const json& from, Task& task) {
        task = {.title = from.at("title")};
        if (from.contains("note") && !from["note"].is_null()) task.note = from["note"];
        if (from.contains("place") && !from["place"].is_null()) task.place = from["place"];
    }
};

/// Reads an older spelling of its member, and prefers it.
struct Renamed {
    std::string title{};

    bool operator==(const Renamed&) const = default;

    friend void to_json(json& to, const Renamed& renamed) { to = {{"title", renamed.title}}; }
    friend void from_json(const json& from, Renamed& renamed) {
        renamed.title = from.contains("name") ? from["name"] : from.at("title");
    }
};

/// Cannot be written while it is wrong.
struct Fragile {
    int value = 0;

    bool operator==(const Fragile&) const = default;

    friend void to_json(json& to, const Fragile& fragile) {
        if (fragile.value < 0) throw std::runtime_error("negative");
        to = {{"value", fragile.value}};
    }
    friend void from_json(const json& from, Fragile& fragile) { fragile.value = from.at("value"); }
};

/// A record as it is read from JSON with this data.
template <class Data>
SyncRecord<Data> read(const json& data) {
    return json{{"id", "a"}, {"data", data}}.get<SyncRecord<Data>>();
}

template <class Data>
json unknown_in(const json& data) {
    return read<Data>(data).unknown.by_pointer();
}

/// The JSON of a record after `edit`, as a store keeps it.
template <class Data, class Edit>
json edited(const json& data, const Edit& edit) {
    auto record = read<Data>(data);
    edit(record.data);
    record.unknown = fitting(record.unknown, record.data);
    return data_json(record);
}

UnknownMembers members(const json& known, const json& whole) {
    return UnknownMembers::beyond(known, whole);
}

}  // namespace

// What is unknown.

TEST_CASE("a member that Data does not write is unknown", "[record]") {
    const json data = {{"name", "Ann"}, {"address", {{"street", "High"}}}, {"age", 7}};

    CHECK(unknown_in<Contact>(data) == json{{"/age", 7}});
    CHECK(data_json(read<Contact>(data)) == data);
}

TEST_CASE("what is unknown in a nested struct is named by its path", "[record]") {
    const json data = {{"name", "Ann"}, {"address", {{"street", "High"}, {"geo", {1, 2}}}}};

    CHECK(unknown_in<Contact>(data) == json{{"/address/geo", {1, 2}}});
    CHECK(data_json(read<Contact>(data)) == data);
}

TEST_CASE("a path escapes what is special in it", "[record]") {
    const json data = {{"name", "Ann"}, {"address", {{"street", "High"}, {"a/b~c", 1}}}, {"", 2}};

    CHECK(unknown_in<Contact>(data) == json{{"/", 2}, {"/address/a~1b~0c", 1}});
    CHECK(data_json(read<Contact>(data)) == data);
}

TEST_CASE("where nothing is unknown, nothing is allocated", "[record]") {
    const auto record = read<Contact>({{"name", "Ann"}, {"address", {{"street", "High"}}}});

    CHECK(record.unknown.empty());
    CHECK(record.unknown.by_pointer() == json::object());
    CHECK(sizeof(UnknownMembers) == 2 * sizeof(void*));
}

TEST_CASE("copies of a record share what is unknown", "[record]") {
    const auto record = read<Contact>({{"name", "Ann"}, {"address", {{"street", ""}}}, {"age", 7}});
    const auto copy = record.with_data({"Bob", {}});

    CHECK(&copy.unknown.by_pointer() == &record.unknown.by_pointer());
    CHECK(data_json(copy).at("age") == 7);
}

TEST_CASE("a map knows all of its keys", "[record]") {
    using Counts = std::map<std::string, int>;

    CHECK(unknown_in<Counts>({{"apples", 1}, {"pears", 2}}) == json::object());
    CHECK(edited<Counts>({{"apples", 1}, {"pears", 2}},
                         [](auto& counts) { counts.erase("pears"); }) == json{{"apples", 1}});
}

TEST_CASE("a map of structs does not know all of their members", "[record]") {
    using Places = std::map<std::string, Address>;
    const json data = {{"home", {{"street", "High"}, {"geo", 1}}}, {"work", {{"street", "Low"}}}};

    CHECK(edited<Places>(data, [](auto& places) { places["home"].street = "New"; }) ==
          json{{"home", {{"street", "New"}, {"geo", 1}}}, {"work", {{"street", "Low"}}}});
    CHECK(edited<Places>(data, [](auto& places) { places.erase("home"); }) ==
          json{{"work", {{"street", "Low"}}}});
}

TEST_CASE("JSON as data has nothing unknown", "[record]") {
    STATIC_REQUIRE(knows_all_members<json>);
    STATIC_REQUIRE(!knows_all_members<Contact>);
    const json data = {{"name", "Ann"}, {"age", 7}};

    CHECK(read<json>(data).unknown.empty());
    CHECK(read<json>(data).data == data);
    CHECK(fitting(members({}, {}), data).empty());
}

TEST_CASE("data that is no object has nothing unknown", "[record]") {
    CHECK(read<std::string>("one").unknown.empty());
    CHECK(read<int>(7).unknown.empty());
    CHECK(members(json::array(), {{"a", 1}}).empty());
    CHECK(members({{"a", 1}}, {{"a", {{"b", 1}}}}).empty());
}

TEST_CASE("what lies inside of arrays is not told apart", "[record]") {
    CHECK(members({{"list", {{{"a", 1}}}}}, {{"list", {{{"a", 1}, {"b", 2}}}}}).empty());
}

// Putting back.

TEST_CASE("a member that Data writes wins over an unknown one", "[record]") {
    const auto unknown = members({}, {{"a", 1}, {"b", 2}});
    CHECK(unknown.empty());  // `{}` is null: it lies in nothing

    json known = {{"a", 3}};
    members(json::object(), {{"a", 1}, {"b", 2}}).put_back(known);
    CHECK(known == json{{"a", 3}, {"b", 2}});
}

TEST_CASE("nothing is put back into what is not there", "[record]") {
    const auto unknown = members({{"a", {{"b", 1}}}}, {{"a", {{"b", 1}, {"c", 2}}}});

    for (const json& known : {json::object(), json{{"a", 1}}, json{{"a", {1, 2}}}, json(7)}) {
        json whole = known;
        unknown.put_back(whole);
        CHECK(whole == known);
    }
}

TEST_CASE("nothing is put back into what was itself put back", "[record]") {
    const auto inside = members({{"a", json::object()}}, {{"a", {{"c", 2}}}});
    const auto both = members(json::object(), {{"a", json::object()}}).with(inside, nullptr, {});
    json known = json::object();

    both.put_back(known);

    CHECK(known == json{{"a", json::object()}});
}

TEST_CASE("unknown members are equal by structure", "[record]") {
    const auto whole = members(json::object(), {{"a", 1}});

    CHECK(UnknownMembers{} == UnknownMembers{});
    CHECK(whole == members(json::object(), {{"a", 1.0}}));
    CHECK_FALSE(whole == members(json::object(), {{"a", 2}}));
    CHECK_FALSE(whole == members(json::object(), {{"b", 1}}));
    CHECK_FALSE(whole == UnknownMembers{});
    CHECK_FALSE(UnknownMembers{} == whole);
}

// Members that come and go.

TEST_CASE("an edit keeps what it does not know", "[record]") {
    CHECK(edited<Task>({{"title", "one"}, {"due", "May"}}, [](Task& task) {
              task.title = "two";
          }) == json{{"title", "two"}, {"due", "May"}});
}

TEST_CASE("a known member that is cleared stays cleared", "[record]") {
    const json data = {{"title", "one"}, {"note", "old"}, {"due", "May"}};

    CHECK(edited<Task>(data, [](Task& task) { task.note.reset(); }) ==
          json{{"title", "one"}, {"due", "May"}});
}

TEST_CASE("a null that Data leaves out does not stand against a value", "[record]") {
    auto record = read<Task>({{"title", "one"}, {"note", nullptr}});
    CHECK(record.unknown.by_pointer() == json{{"/note", nullptr}});

    record.data.note = "new";
    record.unknown = fitting(record.unknown, record.data);
    CHECK(data_json(record) == json{{"title", "one"}, {"note", "new"}});

    record.data.note.reset();
    record.unknown = fitting(record.unknown, record.data);
    CHECK(data_json(record) == json{{"title", "one"}});
}

TEST_CASE("an object that is given up takes what is unknown in it along", "[record]") {
    const json data = {{"title", "one"}, {"place", {{"street", "High"}, {"geo", 1}}}};
    const auto whole = edited<Task>(data, [](Task& task) { task.place.reset(); });

    CHECK(whole == json{{"title", "one"}});
    CHECK(read<Task>(whole).data == Task{.title = "one"});
}

TEST_CASE("a member that is read under another name does not undo an edit", "[record]") {
    const json data = {{"name", "one"}, {"due", "May"}};
    const auto whole = edited<Renamed>(data, [](Renamed& renamed) { renamed.title = "two"; });

    CHECK(whole == json{{"title", "two"}, {"due", "May"}});
    CHECK(read<Renamed>(whole).data.title == "two");
}

TEST_CASE("what fits is what reading the whole comes to", "[record]") {
    for (const json& data : {json{{"title", "one"}, {"note", nullptr}, {"due", 1}},
                             json{{"title", "one"}, {"place", {{"street", "x"}, {"geo", 1}}}},
                             json{{"title", "one"}, {"place", nullptr}},
                             json{{"title", "one"}, {"due", {{"day", 1}}}}}) {
        CAPTURE(data.dump());
        auto record = read<Task>(data);
        record.data.title = "two";
        record.data.note = "new";
        record.unknown = fitting(record.unknown, record.data);

        CHECK(read<Task>(data_json(record)).unknown == record.unknown);
        CHECK(read<Task>(data_json(record)).data == record.data);
    }
}

TEST_CASE("data that cannot be written keeps what it does not know", "[record]") {
    auto record = read<Fragile>({{"value", 1}, {"due", "May"}});
    record.data.value = -1;

    CHECK(fitting(record.unknown, record.data) == record.unknown);
    CHECK_THROWS_AS(read<Fragile>({{"value", -1}, {"due", "May"}}), FormatError);
}

// Two states.

TEST_CASE("an edit on another state has the members of that state", "[record]") {
    const json known = {{"title", "one"}};
    const auto state = [&](json more) {
        json whole = known;
        whole.update(more);
        return members(known, whole);
    };
    const auto base = state({{"due", 1}, {"gone", 1}});
    const auto theirs = state({{"due", 2}, {"new", 1}});

    CHECK(theirs.with(base, &base, known) == theirs);
    CHECK(theirs.with({}, nullptr, known) == theirs);
    CHECK(theirs.with(state({{"due", 1}, {"mine", 1}}), &base, known) ==
          state({{"due", 2}, {"new", 1}, {"mine", 1}}));
    CHECK(theirs.with(base, nullptr, known) == state({{"due", 2}, {"new", 1}, {"gone", 1}}));
}

TEST_CASE("what went with its object comes back with it", "[record]") {
    const json ours = {{"place", {{"street", "High"}}}};
    const auto base = members(ours, {{"place", {{"street", "High"}, {"geo", 1}}}});

    CHECK(UnknownMembers{}.with(base, &base, json::object()) == base);
    CHECK(UnknownMembers{}.with(base, &base, ours).empty());
}

// In a record.

TEST_CASE("records differ by what they do not know", "[record]") {
    const auto record = read<Task>({{"title", "one"}, {"due", 1}});
    const auto other = read<Task>({{"title", "one"}, {"due", 2}});

    CHECK(same_content(record, read<Task>({{"title", "one"}, {"due", 1.0}})));
    CHECK_FALSE(same_content(record, other));
    CHECK_FALSE(record == other);
}

TEST_CASE("a record that cannot be read keeps what it did not know", "[record]") {
    auto record = read<Task>({{"title", "one"}, {"due", 1}});
    const auto before = record;

    CHECK_THROWS_AS(set_data_json(record, {{"due", 2}}), FormatError);
    CHECK(record == before);
}

TEST_CASE("the whole of the data is checked", "[record]") {
    json deep = 1;
    for (std::size_t level = 0; level < max_json_depth; ++level) deep = json{{"in", deep}};
    SyncRecord<Task> record{.id = "a", .data = {.title = "\xff"}};

    CHECK_THROWS_AS(data_json(record), FormatError);
    CHECK_THROWS_AS(set_data_json(record, {{"title", "one"}, {"deep", deep}}), FormatError);
}

}  // namespace test_of_unknown_members
