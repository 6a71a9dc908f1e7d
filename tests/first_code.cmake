# SPDX-License-Identifier: MIT
# The first ```cpp block of `page` is `example`, word for word; both are paths in `source_dir`.
cmake_minimum_required(VERSION 3.25)
file(READ "${source_dir}/${page}" text)
file(READ "${source_dir}/${example}" code_of_example)

set(opening "```cpp\n")
set(closing "```")
string(FIND "${text}" "${opening}" begin)
if(begin EQUAL -1)
    message(FATAL_ERROR "${page} has no ```cpp block")
endif()
string(LENGTH "${opening}" skipped)
math(EXPR begin "${begin} + ${skipped}")
string(SUBSTRING "${text}" ${begin} -1 code)
string(FIND "${code}" "${closing}" end)
string(SUBSTRING "${code}" 0 ${end} code)

if(NOT code STREQUAL code_of_example)
    message(FATAL_ERROR "The first code of ${page} is not ${example}; it is\n${code}")
endif()
