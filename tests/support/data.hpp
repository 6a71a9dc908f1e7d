// SPDX-License-Identifier: MIT
#pragma once

#include <cstdlib>
#include <filesystem>
#include <optional>
#include <string>
#include <system_error>

namespace sync_engine::test {

/// Where a file of real data is, if it is here: in the folder that the environment variable
/// SYNC_ENGINE_DATA names, else beside the project's own folder.
///
/// The files are not part of the project; a test says so and passes where they are absent.
inline std::optional<std::filesystem::path> data_file(const std::string& name) {
    std::filesystem::path folder;
    if (const char* named = std::getenv("SYNC_ENGINE_DATA")) {
        folder = named;
    } else {
#ifdef SYNC_ENGINE_SOURCE_DIR
        folder = std::filesystem::path{SYNC_ENGINE_SOURCE_DIR} / ".." / "shared" / "data";
#else
        return std::nullopt;
#endif
    }
    std::error_code ignored;
    auto file = folder / name;
    if (!std::filesystem::is_regular_file(file, ignored)) return std::nullopt;
    return file;
}

}  // namespace sync_engine::test
