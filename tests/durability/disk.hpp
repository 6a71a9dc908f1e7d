// SPDX-License-Identifier: MIT
#pragma once

#include "durability/damage.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sync_engine::test {

/// How a disk writes: the two kinds that SQLite tells apart.
struct Device {
    /// A write never harms bytes of its sector that it does not write.
    bool powersafe_overwrite = true;
};

/// A disk as a value: what is safe on it, and what was done since and is not.
///
/// Writes, truncations, creations and deletions stay apart until a sync. A copy costs little, so
/// that every moment at which the power may go can be kept: `after_cut` is what the next boot
/// finds.
class Disk {
public:
    /// A file, whatever name it has; 0 is none.
    using Node = unsigned;

    explicit Disk(Device device = {}) : device_(device) {}

    [[nodiscard]] const Device& device() const noexcept { return device_; }

    // Names.

    /// The file of this name; 0 if there is none.
    [[nodiscard]] Node find(const std::string& name) const {
        const auto links = names_.find(name);
        return links == names_.end() ? 0 : links->second.back().node;
    }

    Node create(const std::string& name) {
        const Node node = create_nameless();
        link(name, node);
        return node;
    }

    /// A file that nobody else ever sees.
    Node create_nameless() {
        const Node node = ++last_node_;
        files_.emplace(node, File{});
        return node;
    }

    void remove(const std::string& name) {
        if (find(name) != 0) link(name, 0);
    }

    /// Every name is from now on as it is.
    void sync_directory() {
        ++version_;
        for (auto& [name, links] : names_) links.erase(links.begin(), links.end() - 1);
        std::erase_if(names_, [](const auto& each) { return each.second.back().node == 0; });
    }

    /// Drops the files that have no name, not even after a cut, unless they are open.
    void forget_nameless(const std::set<Node>& open) {
        std::set<Node> needed = open;
        for (const auto& [name, links] : names_) {
            for (const auto& each : links) needed.insert(each.node);
        }
        std::erase_if(files_, [&](const auto& each) { return !needed.contains(each.first); });
    }

    // Contents.

    void write(Node node, std::uint64_t offset, std::string_view bytes) {
        change(node, {.offset = offset, .bytes = std::string(bytes)});
    }

    void truncate(Node node, std::uint64_t size) {
        change(node, {.offset = size, .is_truncation = true});
    }

    void sync(Node node) {
        File& file = files_.at(node);
        if (file.unsynced.empty()) return;
        ++version_;
        file.safe = std::make_shared<const std::string>(content(node));
        file.unsynced.clear();
    }

    /// A sync failed, and the system has thrown away what it could not write.
    void forget_unsynced(Node node) { files_.at(node).unsynced.clear(); }

    /// What a program reads, synced or not.
    [[nodiscard]] std::string content(Node node) const {
        const File& file = files_.at(node);
        std::string bytes = *file.safe;
        for (const auto& each : file.unsynced) {
            if (each->is_truncation) {
                bytes.resize(static_cast<std::size_t>(each->offset));
            } else {
                put(bytes, each->offset, each->bytes);
            }
        }
        return bytes;
    }

    // Power.

    /// Goes up whenever a cut might leave something else than before.
    [[nodiscard]] std::uint64_t version() const noexcept { return version_ + done_; }

    /// What is there when the power comes back.
    [[nodiscard]] Disk after_cut(unsigned pattern) const {
        Damage damage(pattern, oldest_unsynced(), done_);
        Disk next(device_);
        for (const auto& [name, links] : names_) {
            const Node node = surviving(links, damage);
            if (node == 0) continue;
            const Node found = next.create(name);
            next.files_.at(found).safe =
                std::make_shared<const std::string>(surviving(files_.at(node), damage));
        }
        next.sync_directory();
        return next;
    }

private:
    static constexpr std::uint64_t sector = 512;

    struct Change {
        std::uint64_t number = 0;  ///< when it was done
        std::uint64_t offset = 0;  ///< of the bytes; for a truncation the size
        std::string bytes{};
        bool is_truncation = false;
    };

    struct File {
        std::shared_ptr<const std::string> safe = std::make_shared<const std::string>();
        std::vector<std::shared_ptr<const Change>> unsynced{};
    };

    /// What a name stands for since `number`; the first of its list is safe.
    struct Link {
        std::uint64_t number = 0;
        Node node = 0;
    };
    using Links = std::vector<Link>;

    void link(const std::string& name, Node node) {
        auto& links = names_[name];
        if (links.empty()) links.push_back({});  // before that, the name stood for nothing
        links.push_back({++done_, node});
    }

    void change(Node node, Change made) {
        made.number = ++done_;
        files_.at(node).unsynced.push_back(std::make_shared<const Change>(std::move(made)));
    }

    [[nodiscard]] std::uint64_t oldest_unsynced() const {
        std::uint64_t oldest = std::numeric_limits<std::uint64_t>::max();
        for (const auto& [name, links] : names_) {
            if (links.size() > 1) oldest = std::min(oldest, links[1].number);
        }
        for (const auto& [node, file] : files_) {
            if (!file.unsynced.empty()) oldest = std::min(oldest, file.unsynced[0]->number);
        }
        return oldest;
    }

    static void put(std::string& content, std::uint64_t offset, std::string_view bytes) {
        const auto at = static_cast<std::size_t>(offset);
        if (content.size() < at + bytes.size()) content.resize(at + bytes.size());
        content.replace(at, bytes.size(), bytes);
    }

    /// The changes of one name survive in their order: up to the first that does not.
    static Node surviving(const Links& links, Damage& damage) {
        Node node = links.front().node;
        for (auto each = links.begin() + 1; each != links.end(); ++each) {
            if (!damage.keeps(each->number)) break;
            node = each->node;
        }
        return node;
    }

    [[nodiscard]] std::string surviving(const File& file, Damage& damage) const {
        std::string content = *file.safe;
        for (const auto& each : file.unsynced) {
            if (!each->is_truncation) {
                write_damaged(content, *each, damage);
            } else if (damage.keeps(each->number)) {
                content.resize(static_cast<std::size_t>(each->offset));
            }
        }
        return content;
    }

    void write_damaged(std::string& content, const Change& change, Damage& damage) const {
        const std::string_view bytes = change.bytes;
        for (std::size_t from = 0; from < bytes.size();) {
            const std::uint64_t at = change.offset + from;
            const auto room = static_cast<std::size_t>(sector - at % sector);
            const auto piece = bytes.substr(from, room);
            const Fate fate = damage.of_sector(change.number);
            if (fate == Fate::kept) put(content, at, piece);
            if (fate == Fate::garbled) garble(content, at, piece.size(), damage);
            from += piece.size();
        }
    }

    /// Half written: the bytes of the write may be anything, and on a lesser disk those of the
    /// whole sector.
    void garble(std::string& content, std::uint64_t at, std::size_t size, Damage& damage) const {
        auto from = static_cast<std::size_t>(at);
        auto to = from + size;
        if (content.size() < to) content.resize(to);
        if (!device_.powersafe_overwrite) {
            constexpr auto whole = static_cast<std::size_t>(sector);
            from -= from % whole;
            to = std::min(content.size(), (to + whole - 1) / whole * whole);
        }
        for (; from < to; ++from) content[from] = damage.noise();
    }

    Device device_;
    std::map<std::string, Links> names_;
    std::map<Node, File> files_;
    Node last_node_ = 0;
    std::uint64_t done_ = 0;     // how many things were ever done
    std::uint64_t version_ = 0;  // how often some of them were made safe
};

}  // namespace sync_engine::test
