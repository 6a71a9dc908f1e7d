# SPDX-License-Identifier: MIT
# Plants bugs in a copy of the headers: each sleeps until it is switched on at run time. The headers
# themselves know nothing of them.

# In the copy of include/sync_engine/<file>, <original> becomes <planted>, where the word PLANTED is
# true while the bug is switched on. A bug that needs two places has a call for each.
function(plant name file original planted)
    list(FIND planted_names "${name}" bug)
    if(bug EQUAL -1)
        list(LENGTH planted_names bug)
        list(APPEND planted_names "${name}")
        set(planted_names "${planted_names}" PARENT_SCOPE)
    endif()

    if(NOT file IN_LIST planted_files)
        file(READ "${PROJECT_SOURCE_DIR}/include/sync_engine/${file}" planted_text_${file})
        list(APPEND planted_files "${file}")
        set(planted_files "${planted_files}" PARENT_SCOPE)
    endif()
    set(text "${planted_text_${file}}")

    string(FIND "${text}" "${original}" first)
    string(FIND "${text}" "${original}" last REVERSE)
    if(first EQUAL -1)
        message(FATAL_ERROR "The bug \"${name}\" cannot be planted: ${file} does not hold\n${original}")
    elseif(NOT first EQUAL last)
        message(FATAL_ERROR "The bug \"${name}\" cannot be planted: ${file} holds twice\n${original}")
    elseif(NOT planted MATCHES "PLANTED")
        message(FATAL_ERROR "The bug \"${name}\" cannot be switched on: it does not say PLANTED")
    endif()
    string(REPLACE "PLANTED" "::sync_engine::planted::is_on(${bug})" planted "${planted}")
    string(REPLACE "${original}" "${planted}" text "${text}")
    set(planted_text_${file} "${text}" PARENT_SCOPE)
endfunction()

# Writes the copy, and again whenever a header changes; what has not changed is not written.
function(write_planted_headers directory)
    foreach(header IN LISTS sync_engine_headers)
        string(REGEX REPLACE "^include/sync_engine/" "" file "${header}")
        if(NOT file IN_LIST planted_files)
            configure_file("${PROJECT_SOURCE_DIR}/${header}" "${directory}/../${header}" COPYONLY)
            continue()
        endif()
        set_property(
            DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/${header}"
        )
        string(
            REPLACE "#pragma once\n" "#pragma once\n\n#include <sync_engine/planted.hpp>\n"
            text "${planted_text_${file}}"
        )
        set(written "")
        if(EXISTS "${directory}/sync_engine/${file}")
            file(READ "${directory}/sync_engine/${file}" written)
        endif()
        if(NOT written STREQUAL text)
            file(WRITE "${directory}/sync_engine/${file}" "${text}")
        endif()
    endforeach()

    list(LENGTH planted_names planted_count)
    list(TRANSFORM planted_names REPLACE "(.+)" "    \"\\1\",")
    list(JOIN planted_names "\n" planted_names)
    configure_file(planted.hpp.in "${directory}/sync_engine/planted.hpp" @ONLY)
endfunction()
