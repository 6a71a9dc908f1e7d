// SPDX-License-Identifier: MIT
#pragma once

#include <sync_engine.hpp>

#include "book.hpp"
#include "path.hpp"
#include "terminal.hpp"

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <map>
#include <optional>
#include <sstream>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

/// JSON lines: one object a line, in and out.
namespace fieldbook {

/// The whole of a file, or of standard input for `-`. Throws `Failure`.
[[nodiscard]] inline std::string read_all(const std::string& name) {
    if (name == "-") {
        std::ostringstream text;
        text << std::cin.rdbuf();
        return std::move(text).str();
    }
    const auto fail = [&](const std::string& reason) {
        throw Failure(ExitCode::input, quoted(name) + " cannot be read: " + reason);
    };
    std::error_code ignored;
    if (!std::filesystem::exists(name, ignored)) fail("there is no such file");
    if (std::filesystem::is_directory(name, ignored)) fail("it is a folder");
    std::ifstream file{name, std::ios::binary};
    std::ostringstream text;
    if (!file || (file.peek() != std::ifstream::traits_type::eof() && !(text << file.rdbuf()))) {
        fail("see that you may read it");
    }
    return std::move(text).str();
}

/// Records read from JSON lines, each of which is checked before any is used.
class LineReader {
public:
    /// `id_path` says where an object has its id; without one the lines are as `export` writes.
    LineReader(std::string name, std::optional<Path> id_path)
        : name_(name == "-" ? "standard input" : std::move(name)), id_path_(std::move(id_path)) {}

    /// All records, or a `Failure` that names every bad line (of many, the first).
    [[nodiscard]] std::vector<Record> read(std::string_view text) {
        std::size_t number = 0;
        while (!text.empty()) {
            const auto end = std::min(text.find('\n'), text.size());
            add(++number, text.substr(0, end));
            text.remove_prefix(std::min(end + 1, text.size()));
        }
        if (bad_lines_ > 0) {
            if (bad_lines_ > most_shown) {
                complaints_ += "and " + count(bad_lines_ - most_shown, "more bad line") + '\n';
            }
            throw Failure(ExitCode::input, complaints_ + "Nothing was imported.");
        }
        return std::move(records_);
    }

private:
    static constexpr std::size_t most_shown = 10;  // a screen that can be worked through

    void add(std::size_t number, std::string_view line) {
        if (line.find_first_not_of(" \t\r") == std::string_view::npos) return;
        try {
            Record record = read_line(line);
            sync_engine::check_record(record);
            const auto [place, is_new] = lines_.try_emplace(record.id, number);
            if (!is_new) {
                throw sync_engine::FormatError("the id " + quoted(record.id) +
                                               " is taken by line " +
                                               std::to_string(place->second));
            }
            records_.push_back(std::move(record));
        } catch (const sync_engine::Error& error) {
            complain(number, error.what());
        } catch (const Failure& failure) {
            complain(number, failure.what());
        }
    }

    [[nodiscard]] Record read_line(std::string_view line) const {
        if (line.front() == '[') {
            throw sync_engine::FormatError(
                "this is a list, and each line is to be one object; `jq -c '.[]'` makes that");
        }
        Json object = sync_engine::parse_json(line);
        if (!object.is_object()) throw sync_engine::FormatError("this is no JSON object");
        if (!id_path_) return read_exported(std::move(object));
        const std::string id = id_in(object);
        return {.id = id, .data = std::move(object)};
    }

    [[nodiscard]] std::string id_in(const Json& object) const {
        const Json* id = id_path_->find(object);
        const std::string key = quoted(id_path_->text());
        if (id == nullptr)
            throw sync_engine::FormatError("there is no " + key + ", where --id looks for the id");
        if (id->is_string()) return id->get<std::string>();
        if (id->is_number_integer()) return id->dump();
        throw sync_engine::FormatError(key + " is " + kind_of(*id) +
                                       ", and an id is text or a whole number");
    }

    static Record read_exported(Json object) {
        for (const char* key : {"id", "data"}) {
            if (!object.contains(key)) {
                throw sync_engine::FormatError("there is no " + quoted(key) +
                                               " as `fieldbook export` writes it; of other lines, "
                                               "say with --id where the id is");
            }
        }
        if (!object["id"].is_string()) throw sync_engine::FormatError("\"id\" is no text");
        Record record{.id = object["id"].get<std::string>(), .data = std::move(object["data"])};
        if (object.contains("tags")) record.tags = object["tags"].get<sync_engine::TagSet>();
        return record;
    }

    void complain(std::size_t number, const std::string& reason) {
        if (bad_lines_++ >= most_shown) return;
        complaints_ += name_ + ':' + std::to_string(number) + ": " + reason + '\n';
    }

    std::string name_;
    std::optional<Path> id_path_;
    std::vector<Record> records_;
    std::map<std::string, std::size_t> lines_;
    std::string complaints_;
    std::size_t bad_lines_ = 0;
};

/// A record as a line: what it says, without what the sync knows about it.
[[nodiscard]] inline std::string line_of(const Record& record) {
    Json line{{"id", record.id}, {"data", record.data}};
    if (!record.tags.empty()) line["tags"] = record.tags;
    return text_of(line) + '\n';
}

/// Writes a file that is whole or was never there. Throws `Failure`.
inline void write_all(const std::filesystem::path& file, const std::string& text) {
    std::error_code failed;
    const bool is_special =
        std::filesystem::exists(file, failed) && !std::filesystem::is_regular_file(file, failed);
    const auto draft = is_special ? file : std::filesystem::path{file.string() + ".part"};
    std::ofstream out{draft, std::ios::binary | std::ios::trunc};
    out << text;
    out.close();
    if (out && !is_special) std::filesystem::rename(draft, file, failed);
    if (!out || (failed && !is_special)) {
        throw Failure(ExitCode::input, quoted(file.string()) +
                                           " cannot be written; see that its folder exists, may "
                                           "be written, and has room");
    }
}

}  // namespace fieldbook
