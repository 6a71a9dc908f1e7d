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
if(with_sqlite)
    list(APPEND sync_engine_headers ${sync_engine_sqlite_headers})
endif()
files_below("${package}/include")
list(TRANSFORM found PREPEND "include/")
list(SORT found)
list(SORT sync_engine_headers)
if(NOT found STREQUAL sync_engine_headers)
    message(FATAL_ERROR "The installed headers are not the listed ones: ${found}")
endif()

try_stranger(find_package "-DCMAKE_PREFIX_PATH=${package}")
try_stranger(fetch_content "-Dfetched_source=${source_dir}")
if(with_sqlite)
    try_stranger(sqlite "-DCMAKE_PREFIX_PATH=${package}" -Dcomponents=sqlite)
    try_stranger(fetched_sqlite "-Dfetched_source=${source_dir}" -DSYNC_ENGINE_SQLITE=ON)
endif()

foreach(component couchdb nonsense)
    execute_process(
        COMMAND ${configure} -B "${here}/${component}" "-DCMAKE_PREFIX_PATH=${package}" "-Dcomponents=${component}"
        OUTPUT_QUIET
        ERROR_VARIABLE complaint
        RESULT_VARIABLE result
    )
    if(result EQUAL 0 OR NOT complaint MATCHES "component[ \n]+${component}")
        message(FATAL_ERROR "The missing component ${component} is not named:\n${complaint}")
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
