# SPDX-License-Identifier: MIT
# Includes point one way: record <- conflict | retry | remote | store <- sync <- sync_engine.hpp.
cmake_minimum_required(VERSION 3.25)
set(record_includes record)
set(conflict_includes record conflict)
set(retry_includes record retry)
set(remote_includes record remote)
set(store_includes record conflict store)
set(sync_includes record conflict retry remote store sync)
set(testing_includes ${sync_includes} testing)
set(umbrella_includes ${sync_includes})
# States that a server holds side by side are decided where they are seen.
set(couchdb_includes conflict)

# Included by the umbrella and by testing, by no other header.
set(leaves remote/memory_remote.hpp)
# Each is included by nobody but its own headers: it needs a library, and has a target, of its own.
set(optional
    "^sync_engine/store/sqlite(/|_storage)"
    "^sync_engine/remote/curl(/|_transport)"
    "^sync_engine/remote/couchdb(/|_remote)"
)

file(GLOB_RECURSE headers RELATIVE "${source_dir}/include" "${source_dir}/include/*.hpp")
foreach(header IN LISTS headers)
    if(header MATCHES "^sync_engine/([a-z_]+)/")
        set(folder "${CMAKE_MATCH_1}")
    else()
        set(folder umbrella)
    endif()
    if(NOT DEFINED ${folder}_includes)
        message(SEND_ERROR "${header}: the folder ${folder} has no place in ${CMAKE_CURRENT_LIST_FILE}")
    endif()

    file(STRINGS "${source_dir}/include/${header}" includes REGEX "^[ \t]*#[ \t]*include[ \t]*[<\"]")
    foreach(include IN LISTS includes)
        string(REGEX REPLACE ".*[<\"](.*)[>\"].*" "\\1" path "${include}")
        foreach(part IN LISTS optional)
            if(path MATCHES "${part}" AND NOT header MATCHES "${part}")
                message(SEND_ERROR "${header} includes ${path}, which has a target of its own")
            endif()
        endforeach()
        if(include MATCHES "\"")
            message(SEND_ERROR "${header} includes \"${path}\": write <sync_engine/...>")
        elseif(path STREQUAL "sync_engine.hpp" AND NOT folder STREQUAL "testing")
            message(SEND_ERROR "${header} includes the umbrella")
        elseif(path MATCHES "^sync_engine/([a-z_]+)/(.*)$")
            set(target "${CMAKE_MATCH_1}")
            if(header MATCHES "/couchdb(/|_remote)" AND target IN_LIST couchdb_includes)
                continue()
            elseif(NOT target IN_LIST ${folder}_includes)
                message(SEND_ERROR "${header} includes ${path}: ${folder} must not know ${target}")
            elseif("${target}/${CMAKE_MATCH_2}" IN_LIST leaves AND NOT folder MATCHES "^(umbrella|testing)$")
                message(SEND_ERROR "${header} includes ${path}, which is a leaf")
            endif()
        endif()
    endforeach()
endforeach()
