# SPDX-License-Identifier: MIT
# two_devices is killed at one moment after the other, goes on each time, and ends as if it never was.
cmake_minimum_required(VERSION 3.25)
file(REMOVE_RECURSE "${folder}")
foreach(moment 0.01 0.02 0.03 0.05 0.08 0.13 0.21)
    # A process that runs into the time-out is killed, not asked to end.
    execute_process(
        COMMAND "${program}" --db "${folder}" TIMEOUT ${moment} RESULT_VARIABLE ignored OUTPUT_QUIET
    )
endforeach()
execute_process(COMMAND "${program}" --db "${folder}" COMMAND_ERROR_IS_FATAL ANY)
