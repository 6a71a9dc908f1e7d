// SPDX-License-Identifier: MIT
#pragma once

#include <sync_engine/record/json.hpp>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstddef>
#include <exception>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace sync_engine {

/// Whether a type of data holds all of a record's JSON, whatever that is: then no member is ever
/// unknown, and nothing is looked for.
template <class Data>
inline constexpr bool knows_all_members = std::is_same_v<Data, nlohmann::json>;

/// The members of a record's JSON that the app's `Data` has no place for: a newer app wrote them,
/// and an older one that edits the record gives them back as they were.
///
/// Each is named by its JSON pointer and kept whole. It lies in an object that `Data` does write,
/// and goes with it: where that object is gone, so are the unknown members in it. What lies inside
/// of arrays is not told apart. A value that never changes: copies share it, and where there are
/// none, nothing is allocated.
class UnknownMembers {
public:
    /// None.
    UnknownMembers() = default;

    /// The members of `whole`, in objects at any depth, that `known` does not have. Where `known`
    /// has something, that is what counts, whatever `whole` has there.
    [[nodiscard]] static UnknownMembers beyond(const nlohmann::json& known,
                                               const nlohmann::json& whole) {
        auto members = nlohmann::json::object();
        std::string path;
        collect(known, whole, path, *members.get_ptr<Object*>());
        return UnknownMembers{std::move(members)};
    }

    /// Whether `Data` knows all there is.
    [[nodiscard]] bool empty() const noexcept { return members_ == nullptr; }
    /// How many there are; one that is an object counts once, with all that is in it.
    [[nodiscard]] std::size_t size() const noexcept { return empty() ? 0 : members_->size(); }

    /// An object that has each of them under its JSON pointer; an empty one where there are none.
    [[nodiscard]] const nlohmann::json& by_pointer() const {
        static const nlohmann::json none = nlohmann::json::object();
        return empty() ? none : *members_;
    }

    /// Puts them back into what `Data` has written, except where something is there already, or the
    /// object that they lay in is not.
    void put_back(nlohmann::json& known) const {
        const Object& members = object();
        // What lies inside comes after what it lies in: backwards, nothing is put into what was
        // itself put back.
        for (auto member = members.end(); member != members.begin();) {
            --member;
            auto keys = keys_of(member->first);
            auto* holder = holder_in(known, keys);
            if (holder != nullptr && !holder->contains(keys.back())) {
                (*holder)[keys.back()] = member->second;
            }
        }
    }

    /// These, and of `others` those that have no place here yet and that nobody has removed:
    /// removed is what `base` had, if there is one, and what is missing here although `known` still
    /// has the object that it lay in.
    [[nodiscard]] UnknownMembers with(const UnknownMembers& others, const UnknownMembers* base,
                                      const nlohmann::json& known) const {
        nlohmann::json united = by_pointer();
        auto& members = *united.get_ptr<Object*>();
        for (const auto& [pointer, value] : others.object()) {
            const bool is_removed = base != nullptr && base->object().contains(pointer) &&
                                    holder_in(known, keys_of(pointer)) != nullptr;
            if (!is_removed) members.emplace(pointer, value);
        }
        if (members.size() == size()) return *this;
        return UnknownMembers{std::move(united)};
    }

    /// The same members with the same content.
    friend bool operator==(const UnknownMembers& a, const UnknownMembers& b) {
        if (a.members_ == b.members_) return true;
        return !a.empty() && !b.empty() && is_same_json(*a.members_, *b.members_);
    }

private:
    using Object = nlohmann::json::object_t;

    explicit UnknownMembers(nlohmann::json members) {
        if (!members.empty()) {
            members_ = std::make_shared<const nlohmann::json>(std::move(members));
        }
    }

    [[nodiscard]] const Object& object() const { return *by_pointer().get_ptr<const Object*>(); }

    static void collect(const nlohmann::json& known, const nlohmann::json& whole, std::string& path,
                        Object& members) {
        if (!known.is_object() || !whole.is_object()) return;
        for (const auto& [key, value] : *whole.get_ptr<const Object*>()) {
            const auto length = path.size();
            detail::append_pointer(path, key);
            const auto place = known.find(key);
            if (place == known.end()) {
                members.emplace(path, value);
            } else {
                collect(*place, value, path, members);
            }
            path.resize(length);
        }
    }

    /// The keys that append_pointer put together.
    static std::vector<std::string> keys_of(const std::string& pointer) {
        std::vector<std::string> keys;
        for (auto byte = pointer.begin(); byte != pointer.end(); ++byte) {
            if (*byte == '/') {
                keys.emplace_back();
            } else if (*byte == '~') {
                keys.back() += *++byte == '0' ? '~' : '/';
            } else {
                keys.back() += *byte;
            }
        }
        return keys;
    }

    /// The object that the last of the keys belongs in; null where there is none.
    template <class Json>
    static Json* holder_in(Json& value, const std::vector<std::string>& keys) {
        Json* holder = &value;
        for (std::size_t level = 0; level + 1 < keys.size(); ++level) {
            if (!holder->is_object()) return nullptr;
            const auto place = holder->find(keys[level]);
            if (place == holder->end()) return nullptr;
            holder = &*place;
        }
        return holder->is_object() ? holder : nullptr;
    }

    std::shared_ptr<const nlohmann::json> members_{};
};

namespace detail {

/// Whether `Data` can be written as JSON. What cannot has nothing to give back: a store in memory
/// does without adapters.
template <class Data>
concept HasWriter = requires(const Data& data) {
    nlohmann::json(data);
};

/// Whether `Data` can be written as JSON and read from it.
template <class Data>
concept HasAdapters = HasWriter<Data> && requires(const nlohmann::json& json) {
    json.get<Data>();
};

/// What `Data` writes of an empty value: most records have no other members, and that is seen
/// without writing each of them. Null where an empty value cannot be written.
template <class Data>
[[nodiscard]] const nlohmann::json& usual_members() {
    static const nlohmann::json members = []() -> nlohmann::json {
        try {
            return Data{};
        } catch (const std::exception&) {
            return nullptr;
        }
    }();
    return members;
}

/// Whether `known` has every member of `whole`, in objects at any depth.
[[nodiscard]] inline bool has_all_members(const nlohmann::json& known,
                                          const nlohmann::json& whole) {
    if (!whole.is_object()) return true;
    if (!known.is_object()) return false;
    const auto& members = *whole.get_ptr<const nlohmann::json::object_t*>();
    return std::all_of(members.begin(), members.end(), [&](const auto& member) {
        const auto place = known.find(member.first);
        return place != known.end() && has_all_members(*place, member.second);
    });
}

}  // namespace detail

/// The members of `whole` that `data`, which was read from it, does not know: it does not write
/// them. Throws what the app's own writer throws.
///
/// Costs nothing worth naming where `whole` has no members but those of an empty `Data`.
template <class Data>
[[nodiscard]] UnknownMembers unknown_to(const Data& data, const nlohmann::json& whole) {
    if constexpr (knows_all_members<Data> || !detail::HasWriter<Data>) {
        return {};
    } else {
        if (!whole.is_object()) return {};
        if (detail::has_all_members(detail::usual_members<Data>(), whole)) return {};
        const nlohmann::json known = data;
        return UnknownMembers::beyond(known, whole);
    }
}

/// The members that go with `data` after it was edited: those that it still does not know.
///
/// Dropped are those that it writes by now, those whose object it has given up, and those that its
/// reader understands, such as an older spelling of a name: put back, they would undo the edit.
/// Data that cannot be written keeps all. Costs nothing where there are none.
template <class Data>
[[nodiscard]] UnknownMembers fitting(UnknownMembers members, const Data& data) {
    if constexpr (knows_all_members<Data>) {
        return {};
    } else if constexpr (!detail::HasAdapters<Data>) {
        return members;
    } else {
        if (members.empty()) return {};
        try {
            const nlohmann::json known = data;
            const auto plain = known.template get<Data>();
            const auto is_unread = [&](const nlohmann::json& more) {
                try {
                    const auto read = more.template get<Data>();
                    return read == plain || read == data;
                } catch (const std::exception&) {
                    return false;
                }
            };
            nlohmann::json whole = known;
            members.put_back(whole);
            auto kept = unknown_to(data, whole);
            if (is_unread(whole)) return kept == members ? members : kept;

            nlohmann::json all_unread = known;
            for (const auto& [pointer, value] : kept.by_pointer().items()) {
                nlohmann::json more = all_unread;
                more[nlohmann::json::json_pointer{pointer}] = value;
                if (is_unread(more)) all_unread = std::move(more);
            }
            return unknown_to(data, all_unread);
        } catch (const std::exception&) {
            return members;
        }
    }
}

/// The members that `Data` does not know when the edit `ours` is put on the state `theirs`: theirs,
/// and those of ours that nobody has removed since `base`, which is null where there is none.
template <class Data>
[[nodiscard]] UnknownMembers united(const UnknownMembers* base, const UnknownMembers& ours,
                                    const UnknownMembers& theirs, const Data& their_data) {
    if constexpr (detail::HasWriter<Data>) {
        try {
            return theirs.with(ours, base, nlohmann::json(their_data));
        } catch (const std::exception&) {
            return theirs;  // data that cannot be written: nobody sees what it holds
        }
    } else {
        return theirs;
    }
}

}  // namespace sync_engine
