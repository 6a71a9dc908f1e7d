# SPDX-License-Identifier: MIT
# The first ```cpp block of README.md is examples/first_sync.cpp, word for word.
cmake_minimum_required(VERSION 3.25)
file(READ "${source_dir}/README.md" readme)
file(READ "${source_dir}/examples/first_sync.cpp" example)

set(opening "```cpp\n")
set(closing "```")
string(FIND "${readme}" "${opening}" begin)
if(begin EQUAL -1)
    message(FATAL_ERROR "README.md has no ```cpp block")
endif()
string(LENGTH "${opening}" skipped)
math(EXPR begin "${begin} + ${skipped}")
string(SUBSTRING "${readme}" ${begin} -1 code)
string(FIND "${code}" "${closing}" end)
string(SUBSTRING "${code}" 0 ${end} code)

if(NOT code STREQUAL example)
    message(FATAL_ERROR "The first code of README.md is not examples/first_sync.cpp; it is\n${code}")
endif()
