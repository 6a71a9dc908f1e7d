// SPDX-License-Identifier: MIT

// Feeds files to a fuzz target: what is known to be difficult is tried on every run of the tests.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size);

int main(int argc, char** argv) {
    std::vector<std::filesystem::path> files;
    for (int n = 1; n < argc; ++n) {
        if (std::filesystem::is_directory(argv[n])) {
            for (const auto& file : std::filesystem::directory_iterator(argv[n])) {
                files.push_back(file.path());
            }
        } else {
            files.emplace_back(argv[n]);
        }
    }
    std::sort(files.begin(), files.end());

    for (const auto& file : files) {
        std::printf("%s\n", file.string().c_str());
        std::fflush(stdout);  // the last name before a crash is the one that matters
        std::ifstream stream{file, std::ios::binary};
        const std::vector<std::uint8_t> bytes{std::istreambuf_iterator<char>{stream}, {}};
        if (!stream) return 1;
        LLVMFuzzerTestOneInput(bytes.data(), bytes.size());
    }
    std::printf("%zu inputs, none of them a surprise\n", files.size());
    return files.empty() ? 1 : 0;
}
