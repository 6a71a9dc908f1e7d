# SPDX-License-Identifier: MIT
# Every page that shows code has a line add_page_test in tests/CMakeLists.txt; the code of one that has
# none would be run by nobody.
cmake_minimum_required(VERSION 3.25)
file(READ "${source_dir}/tests/CMakeLists.txt" lists)
file(GLOB pages RELATIVE "${source_dir}" "${source_dir}/*.md" "${source_dir}/docs/*.md")
foreach(page IN LISTS pages)
    file(READ "${source_dir}/${page}" text)
    if(text MATCHES "(^|\n)[ >]*(```+|~~~+) *[^\n`]"
            AND NOT lists MATCHES "\nadd_page_test\\([ \n]*[a-z_]+ ${page}[ \n]")
        message(SEND_ERROR "${page} shows code and is not listed in tests/CMakeLists.txt: add_page_test "
            "names the page and the files that run its code")
    endif()
endforeach()
