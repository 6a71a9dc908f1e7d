# SPDX-License-Identifier: MIT
# Every file below include/ is in cmake/headers.cmake, and every line there is a file.
cmake_minimum_required(VERSION 3.25)
include("${source_dir}/cmake/headers.cmake")
file(GLOB_RECURSE found RELATIVE "${source_dir}" "${source_dir}/include/*")

foreach(component IN LISTS sync_engine_components)
    list(APPEND sync_engine_headers ${sync_engine_${component}_headers})
endforeach()
set(missing ${sync_engine_headers})
list(REMOVE_ITEM missing ${found})
set(unlisted ${found})
list(REMOVE_ITEM unlisted ${sync_engine_headers})

foreach(header IN LISTS unlisted)
    message(SEND_ERROR "${header} is not listed in cmake/headers.cmake")
endforeach()
foreach(header IN LISTS missing)
    message(SEND_ERROR "${header} is listed in cmake/headers.cmake and does not exist")
endforeach()
