# SPDX-License-Identifier: MIT
# A stranger uses the library: installed and moved elsewhere, by pkg-config, and fetched as source.
cmake_minimum_required(VERSION 3.25)

set(here "${binary_dir}/consumer")
set(package "${here}/moved")
file(REMOVE_RECURSE "${here}")

# Runs a command that must succeed and leaves what it printed in `printed`.
function(run)
    execute_process(COMMAND ${ARGN} RESULT_VARIABLE result OUTPUT_VARIABLE out ERROR_VARIABLE out)
    if(NOT result EQUAL 0)
        list(JOIN ARGN " " command)
        message(FATAL_ERROR "${command}\n${out}")
    endif()
    set(printed "${out}" PARENT_SCOPE)
endfunction()

# The names of all files below a folder, for one comparison.
function(files_below folder)
    file(GLOB_RECURSE found RELATIVE "${folder}" "${folder}/*")
    set(found "${found}" PARENT_SCOPE)
endfunction()

set(configure
    "${CMAKE_COMMAND}" -S "${source_dir}/tests/consumer" -G "${generator}"
    "-DCMAKE_CXX_COMPILER=${compiler}" "-Dnlohmann_json_DIR=${json_dir}"
)

# Builds the stranger in a folder of its own, runs it, and looks at what it installs.
function(try_stranger name)
    run(${configure} -B "${here}/${name}" ${ARGN})
    if(printed MATCHES "Warning")
        message(FATAL_ERROR "${name}: configuring warns\n${printed}")
    endif()
    run("${CMAKE_COMMAND}" --build "${here}/${name}")
    run("${here}/${name}/stranger")
    run("${CMAKE_COMMAND}" --install "${here}/${name}" --prefix "${here}/${name}.installed")
    files_below("${here}/${name}.installed")
    if(NOT found STREQUAL "bin/stranger")
        message(FATAL_ERROR "${name}: the stranger installs more than itself: ${found}")
    endif()
endfunction()

run("${CMAKE_COMMAND}" --install "${binary_dir}" --prefix "${here}/installed")
file(RENAME "${here}/installed" "${package}")
include("${source_dir}/cmake/headers.cmake")
string(REPLACE "," ";" built "${components}")
foreach(component IN LISTS built)
    list(APPEND sync_engine_headers ${sync_engine_${component}_headers})
endforeach()
files_below("${package}/include")
list(TRANSFORM found PREPEND "include/")
list(SORT found)
list(SORT sync_engine_headers)
if(NOT found STREQUAL sync_engine_headers)
    message(FATAL_ERROR "The installed headers are not the listed ones: ${found}")
endif()

# Who asks for the core alone needs nothing that a component needs.
set(none --no-warn-unused-cli -DCMAKE_DISABLE_FIND_PACKAGE_SQLite3=ON -DCMAKE_DISABLE_FIND_PACKAGE_CURL=ON)
try_stranger(find_package "-DCMAKE_PREFIX_PATH=${package}" ${none})
try_stranger(fetch_content "-Dfetched_source=${source_dir}" ${none})
if(components)
    set(wanted "-Dcomponents=${components}")
    try_stranger(components "-DCMAKE_PREFIX_PATH=${package}" ${wanted})
    string(TOUPPER "${built}" options)
    list(REMOVE_ITEM options COUCHDB)  # needs nothing, so it is no option
    list(TRANSFORM options REPLACE "(.+)" "-DSYNC_ENGINE_\\1=ON")
    try_stranger(fetched_components "-Dfetched_source=${source_dir}" ${wanted} ${options})
endif()

# What is missing is named, with the way to get it.
function(try_missing component complaint)
    find_package(sync_engine QUIET CONFIG COMPONENTS ${component} PATHS "${package}" NO_DEFAULT_PATH)
    if(sync_engine_FOUND OR NOT sync_engine_NOT_FOUND_MESSAGE MATCHES "component ${component}${complaint}")
        message(FATAL_ERROR "The missing ${component} is not explained: ${sync_engine_NOT_FOUND_MESSAGE}")
    endif()
endfunction()
set(CMAKE_DISABLE_FIND_PACKAGE_SQLite3 ON)
set(CMAKE_DISABLE_FIND_PACKAGE_CURL ON)
foreach(component sqlite http)
    if(component IN_LIST built)
        try_missing(${component} " needs .*Debian: lib")
    else()
        string(TOUPPER "${component}" option)
        try_missing(${component} "\\. .*SYNC_ENGINE_${option}=ON")
    endif()
endforeach()
try_missing(nonsense "\\. Drop it")

set(CMAKE_DISABLE_FIND_PACKAGE_nlohmann_json ON)
find_package(sync_engine QUIET CONFIG PATHS "${package}" NO_DEFAULT_PATH)
if(NOT sync_engine_NOT_FOUND_MESSAGE MATCHES "needs nlohmann_json .*Debian: ")
    message(FATAL_ERROR "The missing nlohmann_json is not explained: ${sync_engine_NOT_FOUND_MESSAGE}")
endif()

# The same where the source is fetched.
set(fetched ${configure} "-Dfetched_source=${source_dir}" ${wanted} ${options} ${none})
if("sqlite" IN_LIST built)
    execute_process(COMMAND ${fetched} -B "${here}/missing" RESULT_VARIABLE result OUTPUT_VARIABLE out ERROR_VARIABLE out)
    string(REGEX REPLACE "[ \n]+" " " out "${out}")
    if(result EQUAL 0 OR NOT out MATCHES "sync_engine::sqlite needs SQLite3 .*Debian: .*SYNC_ENGINE_SQLITE=OFF")
        message(FATAL_ERROR "The missing SQLite is not explained: ${out}")
    endif()
endif()

# Who has the targets already needs no package for them.
set(brought -Dbrings=nlohmann_json::nlohmann_json,SQLite::SQLite3,CURL::libcurl -DCMAKE_DISABLE_FIND_PACKAGE_nlohmann_json=ON)
set(installed ${configure} "-DCMAKE_PREFIX_PATH=${package}" ${wanted} ${none})
foreach(got fetched installed)
    run(${${got}} ${brought} -B "${here}/brought_to_${got}")
    execute_process(
        COMMAND ${${got}} ${brought} -Dnlohmann_json_VERSION=3.9.1 -B "${here}/older_than_${got}"
        RESULT_VARIABLE result OUTPUT_VARIABLE out ERROR_VARIABLE out
    )
    if(result EQUAL 0 OR NOT out MATCHES "needs nlohmann_json 3.11")
        message(FATAL_ERROR "An older nlohmann_json that was found before is taken: ${out}")
    endif()
endforeach()

find_program(pkg_config pkg-config)
if(pkg_config)
    set(ENV{PKG_CONFIG_PATH} "${package}/share/pkgconfig")
    run("${pkg_config}" --cflags --libs sync_engine)
    string(REGEX MATCH "-I([^ ]*/include)" flag "${printed}")
    file(REAL_PATH "${CMAKE_MATCH_1}" include_dir)
    if(NOT include_dir STREQUAL "${package}/include")
        message(FATAL_ERROR "pkg-config does not follow the moved package: ${printed}")
    endif()
endif()
