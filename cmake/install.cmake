# SPDX-License-Identifier: MIT
include(CMakePackageConfigHelpers)
include(GNUInstallDirs)

# A folder from the prefix, where it lies below that, so that a moved package finds it again: CMake 3.25 puts
# the prefix in front of an absolute folder of headers. What lies elsewhere stays as it is.
function(sync_engine_from_prefix variable folder)
    cmake_path(IS_PREFIX CMAKE_INSTALL_PREFIX "${folder}" NORMALIZE is_below)
    if(is_below)
        cmake_path(RELATIVE_PATH folder BASE_DIRECTORY "${CMAKE_INSTALL_PREFIX}")
    endif()
    set(${variable} "${folder}" PARENT_SCOPE)
endfunction()
sync_engine_from_prefix(sync_engine_include_dir "${CMAKE_INSTALL_INCLUDEDIR}")
sync_engine_from_prefix(sync_engine_data_dir "${CMAKE_INSTALL_DATADIR}")

# Below share/, not lib/: nothing here depends on an architecture.
set(sync_engine_package_dir "${sync_engine_data_dir}/cmake/sync_engine")

# A target, its headers, and an export file of its own.
function(sync_engine_install target export)
    install(
        TARGETS ${target} EXPORT ${export}
        FILE_SET HEADERS DESTINATION "${sync_engine_include_dir}"
    )
    install(
        EXPORT ${export}
        NAMESPACE sync_engine::
        DESTINATION "${sync_engine_package_dir}"
    )
endfunction()

sync_engine_install(sync_engine sync_engine-targets)
foreach(component IN LISTS sync_engine_components)
    if(TARGET sync_engine_${component})
        sync_engine_install(sync_engine_${component} sync_engine-${component}-targets)
    endif()
endforeach()

list(JOIN sync_engine_components "|" sync_engine_component_names)
configure_package_config_file(
    cmake/sync_engine-config.cmake.in sync_engine-config.cmake
    INSTALL_DESTINATION "${sync_engine_package_dir}"
    NO_SET_AND_CHECK_MACRO
    NO_CHECK_REQUIRED_COMPONENTS_MACRO
)
write_basic_package_version_file(
    sync_engine-config-version.cmake
    COMPATIBILITY SameMinorVersion
    ARCH_INDEPENDENT
)
install(
    FILES
        "${CMAKE_CURRENT_BINARY_DIR}/sync_engine-config.cmake"
        "${CMAKE_CURRENT_BINARY_DIR}/sync_engine-config-version.cmake"
    DESTINATION "${sync_engine_package_dir}"
)

# The .pc file knows where it lies, and finds the prefix from there.
if(IS_ABSOLUTE "${sync_engine_data_dir}")
    set(sync_engine_pc_prefix "${CMAKE_INSTALL_PREFIX}")
else()
    file(RELATIVE_PATH sync_engine_pc_prefix "/prefix/${sync_engine_data_dir}/pkgconfig" /prefix)
    string(PREPEND sync_engine_pc_prefix "\${pcfiledir}/")
    string(REGEX REPLACE "/$" "" sync_engine_pc_prefix "${sync_engine_pc_prefix}")
endif()
set(sync_engine_pc_include "${sync_engine_include_dir}")
if(NOT IS_ABSOLUTE "${sync_engine_include_dir}")
    string(PREPEND sync_engine_pc_include "\${prefix}/")
endif()
configure_file(cmake/sync_engine.pc.in sync_engine.pc @ONLY)
install(
    FILES "${CMAKE_CURRENT_BINARY_DIR}/sync_engine.pc"
    DESTINATION "${sync_engine_data_dir}/pkgconfig"
)

# How debuggers show records and stores.
install(
    FILES packaging/sync_engine.natvis packaging/sync_engine_gdb.py
    DESTINATION "${sync_engine_data_dir}/sync_engine"
)

install(FILES LICENSE DESTINATION "${sync_engine_data_dir}/licenses/sync_engine")
