// SPDX-License-Identifier: MIT
#include <sync_engine/conflict/merge.hpp>

#include "property/rapidcheck.hpp"
#include "support/catch.hpp"
#include "support/merge_by_path.hpp"

#include <nlohmann/json.hpp>

#include <ostream>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

namespace property_of_merge {

using namespace sync_engine;
using nlohmann::json;
using sync_engine::test::MergeByPath;

namespace {

/// Few keys, few values: small enough that the sides often meet, and often in 1 against 1.0.
rc::Gen<json> side(int depth = 3) {
    const auto leaf = rc::gen::element<json>(1, 1.0, 2, nullptr, json::array(), json::array({1}),
                                             json::object(), "x");
    if (depth == 0) return leaf;
    const auto object = rc::gen::map(
        rc::gen::resize(
            3, rc::gen::container<std::vector<std::pair<std::string, json>>>(rc::gen::pair(
                   rc::gen::element<std::string>("a", "b", "/", "~1", ""), side(depth - 1)))),
        [](const std::vector<std::pair<std::string, json>>& members) {
            auto made = json::object();
            for (const auto& [key, value] : members) made[key] = value;
            return made;
        });
    return rc::gen::weightedOneOf<json>({{1, leaf}, {4, object}});
}

/// The first state with some of its paths as the second has them.
json mixed(const json& one, const json& other) {
    if (!one.is_object() || !other.is_object()) {
        return *rc::gen::arbitrary<bool>() ? one : other;
    }
    auto mix = json::object();
    for (const auto* side : {&one, &other}) {
        for (const auto& [key, value] : side->items()) {
            if (one.contains(key) && other.contains(key)) {
                mix[key] = mixed(one[key], other[key]);
            } else if (*rc::gen::arbitrary<bool>()) {
                mix[key] = value;
            }
        }
    }
    return mix;
}

/// A side that came from another one: unchanged, edited here and there, or all new.
json draw_edited(const json& from) {
    switch (*rc::gen::inRange(0, 4)) {
        case 0:
            return from;
        case 1:
            return *side();
        default:
            return mixed(from, *side());
    }
}

/// One record's states: everything came from base, and remote may hold what was sent.
struct States {
    json base = *side();
    json local = draw_edited(base);
    std::vector<json> sent = draw_sent(base);
    json remote = sent.empty() ? draw_edited(base) : mixed(sent.front(), draw_edited(base));
    MergeSide winner = *rc::gen::element(MergeSide::local, MergeSide::remote);
    bool has_base = *rc::gen::inRange(0, 4) != 0;

    [[nodiscard]] const json* maybe_base() const { return has_base ? &base : nullptr; }
    [[nodiscard]] std::vector<const json*> views() const {
        std::vector<const json*> views;
        for (const auto& state : sent) views.push_back(&state);
        return views;
    }

private:
    static std::vector<json> draw_sent(const json& base) {
        std::vector<json> drawn;
        const auto count = *rc::gen::inRange(0, 3);
        for (int n = 0; n < count; ++n) drawn.push_back(draw_edited(base));
        return drawn;
    }
};

std::ostream& operator<<(std::ostream& out, const States& states) {
    out << "base " << (states.has_base ? states.base.dump() : "none") << "\nlocal "
        << states.local.dump() << "\nremote " << states.remote.dump();
    for (const auto& state : states.sent) out << "\nsent " << state.dump();
    return out << '\n';
}

rc::Gen<TagSet> some_tags() {
    return rc::gen::map(
        rc::gen::resize(4, rc::gen::container<std::vector<std::string>>(
                               rc::gen::element<std::string>("a", "b", "c", ""))),
        [](const std::vector<std::string>& tags) { return TagSet(tags.begin(), tags.end()); });
}

MergeSide other(MergeSide winner) {
    return winner == MergeSide::local ? MergeSide::remote : MergeSide::local;
}

template <class Value>
std::vector<const Value*> views_of(const std::vector<Value>& values) {
    std::vector<const Value*> views;
    for (const auto& value : values) views.push_back(&value);
    return views;
}

}  // namespace

TEST_CASE("a merge with a side that changed nothing is the other side", "[property]") {
    REQUIRE(rc::check("merge(b, x, x), merge(b, b, x) and merge(b, x, b) are x", [] {
        const States states;
        const json& base = states.base;
        const json& changed = states.remote;
        RC_LOG() << states;

        for (const auto& result : {merge(&base, changed, changed, states.winner),
                                   merge(nullptr, changed, changed, states.winner),
                                   merge(&base, base, changed, states.winner),
                                   merge(&base, changed, base, states.winner)}) {
            RC_ASSERT(is_same_json(result.value, changed));
            RC_ASSERT(result.both_changed.empty());
        }
    }));
}

TEST_CASE("a merge does not care which side is called local", "[property]") {
    REQUIRE(rc::check("swapped sides and a swapped winner make the same value", [] {
        const States states;
        const auto& [local, remote] = std::tie(states.local, states.remote);
        RC_LOG() << states;

        const auto result = merge(states.maybe_base(), local, remote, states.winner);
        const auto swapped = merge(states.maybe_base(), remote, local, other(states.winner));

        RC_ASSERT(is_same_json(result.value, swapped.value));
        RC_ASSERT(result.both_changed == swapped.both_changed);
    }));
}

TEST_CASE("a merge takes what it has at each path from one of the sides", "[property]") {
    REQUIRE(rc::check("each path is local's or remote's", [] {
        const States states;
        const auto& [local, remote] = std::tie(states.local, states.remote);
        RC_LOG() << states;

        const auto value =
            merge(states.maybe_base(), local, remote, states.winner, states.views()).value;

        const MergeByPath reference(states.maybe_base(), local, remote, states.winner,
                                    states.views());
        for (const auto& path : reference.taken_whole()) {
            const json* merged = MergeByPath::at(&value, path);
            RC_ASSERT(MergeByPath::is_same(merged, MergeByPath::at(&local, path)) ||
                      MergeByPath::is_same(merged, MergeByPath::at(&remote, path)));
        }
    }));
}

TEST_CASE("a merge is what its documentation says at each path", "[property]") {
    REQUIRE(rc::check("value and both_changed are those of the reference", [] {
        const States states;
        RC_LOG() << states;

        const auto result =
            merge(states.maybe_base(), states.local, states.remote, states.winner, states.views());

        const MergeByPath reference(states.maybe_base(), states.local, states.remote, states.winner,
                                    states.views());
        RC_ASSERT(is_same_json(result.value, reference.value()));
        RC_ASSERT(result.both_changed == reference.both_changed());
        RC_CLASSIFY(!result.both_changed.empty(), "both changed");
        RC_CLASSIFY(!states.sent.empty(), "sent");
    }));
}

TEST_CASE("a remote state that this device sent changes nothing", "[property]") {
    REQUIRE(rc::check("an echo leaves local as it is", [] {
        States states;
        states.sent.push_back(states.remote);
        RC_LOG() << states;

        const auto result =
            merge(states.maybe_base(), states.local, states.remote, states.winner, states.views());

        RC_ASSERT(is_same_json(result.value, states.local));
        RC_ASSERT(result.both_changed.empty());
    }));
}

TEST_CASE("a merge of tags holds what either side added or removed", "[property]") {
    REQUIRE(rc::check("each tag is as the side has it that changed it", [] {
        const TagSet base = *some_tags();
        const TagSet local = *some_tags();
        const TagSet remote = *some_tags();
        const auto sent = *rc::gen::resize(2, rc::gen::container<std::vector<TagSet>>(some_tags()));
        const TagSet* maybe_base = *rc::gen::element<const TagSet*>(&base, &base, nullptr);

        const TagSet result = merge(maybe_base, local, remote, views_of(sent));

        for (const auto* tag : {"a", "b", "c", "", "never"}) {
            const bool is_remote = remote.contains(tag);
            bool is_changed_by_others = is_remote != (maybe_base != nullptr && base.contains(tag));
            for (const auto& state : sent) {
                is_changed_by_others = is_changed_by_others && is_remote != state.contains(tag);
            }
            RC_ASSERT(result.contains(tag) ==
                      (is_changed_by_others ? is_remote : local.contains(tag)));
        }
    }));
    REQUIRE(rc::check("tags have no winner, and an unchanged side has no say", [] {
        const TagSet base = *some_tags();
        const TagSet local = *some_tags();
        const TagSet remote = *some_tags();

        RC_ASSERT(merge(&base, local, remote) == merge(&base, remote, local));
        RC_ASSERT(merge(nullptr, local, remote) == merge(nullptr, remote, local));
        RC_ASSERT(merge(&base, local, local) == local);
        RC_ASSERT(merge(&base, base, remote) == remote);
        RC_ASSERT(merge(&base, local, base) == local);
    }));
}

}  // namespace property_of_merge
