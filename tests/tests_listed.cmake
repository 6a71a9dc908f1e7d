# SPDX-License-Identifier: MIT
# Every test file is a line of tests/CMakeLists.txt; one that is not would never be built.
cmake_minimum_required(VERSION 3.25)
file(STRINGS "${source_dir}/tests/CMakeLists.txt" lines REGEX "\\.test\\.cpp$")
list(TRANSFORM lines STRIP)
file(GLOB_RECURSE found RELATIVE "${source_dir}/tests" "${source_dir}/tests/*.test.cpp")
list(REMOVE_ITEM found ${lines})
foreach(file IN LISTS found)
    message(SEND_ERROR "tests/${file} is not listed in tests/CMakeLists.txt")
endforeach()
