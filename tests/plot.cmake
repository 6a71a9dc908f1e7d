# SPDX-License-Identifier: MIT
# bench/plot draws what the benchmarks print: each work once, with a bar for each number of records.
cmake_minimum_required(VERSION 3.25)

# Draws `text`, and looks for so many bars, of which so many miss their goal, and each of the words.
function(check_plot text bars over)
    file(WRITE "${folder}/figures.txt" "${text}")
    execute_process(
        COMMAND bash "${source_dir}/bench/plot" INPUT_FILE "${folder}/figures.txt"
        OUTPUT_VARIABLE svg COMMAND_ERROR_IS_FATAL ANY
    )
    string(REGEX MATCHALL "<rect class=\"(met|over)\"" found "${svg}")
    list(LENGTH found count)
    math(EXPR count "${count} - 2")  # two explain the colours
    list(FILTER found INCLUDE REGEX over)
    list(LENGTH found count_over)
    math(EXPR count_over "${count_over} - 1")
    if(NOT count EQUAL bars OR NOT count_over EQUAL over OR NOT svg MATCHES "^<svg .*</svg>\n$")
        message(FATAL_ERROR "${count} bars and not ${bars}, ${count_over} over and not ${over}:\n${svg}")
    endif()
    foreach(words IN LISTS ARGN)
        if(NOT svg MATCHES ">${words}<")
            message(FATAL_ERROR "nothing says '${words}':\n${svg}")
        endif()
    endforeach()
endfunction()

check_plot("work                          reference      ours     ratio
struct, 1000 records, us
M1 put, by move                        0.054     0.290    5.41 x  (goal 1.50)
M2 put_all                             0.052     0.173    3.30 x  (goal 4.20)
struct, 10000 records, us
M1 put, by move                        0.054     0.290    1.41 x  (goal 1.50)
nlohmann::json, 1000 records, us
M1 put, by move                        0.054     0.290    9.41 x  (goal 1.50)
struct, growth from first to last: M7 a record, of reference and ours
" 3 1 "M1 put, by move" "M2 put_all" "5.41 x" "1.41 x" "1000, then 10000 records.*logarithmic")

check_plot("work                          reference      ours     ratio
put, its own transaction, us           113.760   118.148    1.04 x  (goal 1.15)
D6 open, us a record                     1.768     1.980    1.12 x  (goal 1.10)
" 2 1 "put, its own transaction, us" "D6 open, us a record" "1.12 x" "logarithmic")
