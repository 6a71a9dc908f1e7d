# SPDX-License-Identifier: MIT
include(CMakePackageConfigHelpers)
include(GNUInstallDirs)

# Below share/, not lib/: nothing here depends on an architecture.
set(sync_engine_package_dir "${CMAKE_INSTALL_DATADIR}/cmake/sync_engine")

# A target, its headers, and an export file of its own.
function(sync_engine_install target export)
    install(TARGETS ${target} EXPORT ${export} FILE_SET HEADERS)
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

configure_file(cmake/sync_engine.pc.in sync_engine.pc @ONLY)
install(
    FILES "${CMAKE_CURRENT_BINARY_DIR}/sync_engine.pc"
    DESTINATION "${CMAKE_INSTALL_DATADIR}/pkgconfig"
)

# How debuggers show records and stores.
install(
    FILES packaging/sync_engine.natvis packaging/sync_engine_gdb.py
    DESTINATION "${CMAKE_INSTALL_DATADIR}/sync_engine"
)

install(FILES LICENSE DESTINATION "${CMAKE_INSTALL_DATADIR}/licenses/sync_engine")
