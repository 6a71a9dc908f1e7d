// SPDX-License-Identifier: MIT
#pragma once

#include <filesystem>
#include <fstream>
#include <ios>
#include <iterator>
#include <random>
#include <string>
#include <system_error>

namespace sync_engine::test {

/// A folder on the real disk, of this test alone; gone at its end.
class TemporaryFolder {
public:
    TemporaryFolder() {
        std::random_device chance;
        do {
            path_ = std::filesystem::temp_directory_path() /
                    ("sync_engine." + std::to_string(chance()));
        } while (!std::filesystem::create_directory(path_));
    }
    TemporaryFolder(const TemporaryFolder&) = delete;
    TemporaryFolder& operator=(const TemporaryFolder&) = delete;
    ~TemporaryFolder() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }

    [[nodiscard]] std::filesystem::path operator/(const std::string& name) const {
        return path_ / name;
    }
    [[nodiscard]] const std::filesystem::path& path() const noexcept { return path_; }

private:
    std::filesystem::path path_;
};

/// A temporary folder that the process is in, so that a plain file name is a file there.
class InTemporaryFolder {
public:
    InTemporaryFolder() { std::filesystem::current_path(folder_.path()); }
    InTemporaryFolder(const InTemporaryFolder&) = delete;
    InTemporaryFolder& operator=(const InTemporaryFolder&) = delete;
    ~InTemporaryFolder() {
        std::error_code ignored;
        std::filesystem::current_path(before_, ignored);
    }

private:
    TemporaryFolder folder_{};
    std::filesystem::path before_ = std::filesystem::current_path();
};

/// All bytes of a file; none where there is no file.
inline std::string bytes_of(const std::filesystem::path& file) {
    std::ifstream stream{file, std::ios::binary};
    return {std::istreambuf_iterator<char>{stream}, {}};
}

inline void write_bytes(const std::filesystem::path& file, const std::string& bytes) {
    std::ofstream{file, std::ios::binary | std::ios::trunc} << bytes;
}

}  // namespace sync_engine::test
