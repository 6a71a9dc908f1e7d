# SPDX-License-Identifier: MIT
# Prints the value at a path of a JSON file, or fails: a reader of JSON that is there wherever CMake is.
#     cmake -Dfile=FILE -Dpath=name.0.name -P json_value.cmake
cmake_minimum_required(VERSION 3.25)
file(READ "${file}" text)
string(REPLACE "." ";" path "${path}")
string(JSON value GET "${text}" ${path})
execute_process(COMMAND "${CMAKE_COMMAND}" -E echo "${value}")
