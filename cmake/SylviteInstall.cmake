# What `cmake --install` puts into a prefix: the programs, the Halide library they load, and a CMake package
# whose sylvite_add_model() turns a model file into a library target. Nothing refers back to the build.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

set(SYLVITE_INSTALL_PACKAGE ${CMAKE_INSTALL_LIBDIR}/cmake/Sylvite)
foreach(tool sylvite sylvite-opt sylvite-translate)
  if(TARGET ${tool})
    # Halide comes from a private Python environment, so the prefix carries its own copy; MLIR stays where
    # Debian's package puts it.
    set_target_properties(${tool} PROPERTIES
      INSTALL_RPATH "$ORIGIN/../${CMAKE_INSTALL_LIBDIR}/sylvite;${LLVM_LIBRARY_DIR}")
    install(TARGETS ${tool} RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
  endif()
endforeach()
install(FILES $<TARGET_FILE:Halide::Halide> DESTINATION ${CMAKE_INSTALL_LIBDIR}/sylvite)

configure_package_config_file(${CMAKE_SOURCE_DIR}/cmake/SylviteConfig.cmake.in
  ${CMAKE_BINARY_DIR}/SylviteConfig.cmake INSTALL_DESTINATION ${SYLVITE_INSTALL_PACKAGE}
  PATH_VARS CMAKE_INSTALL_BINDIR)
write_basic_package_version_file(${CMAKE_BINARY_DIR}/SylviteConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_BINARY_DIR}/SylviteConfig.cmake ${CMAKE_BINARY_DIR}/SylviteConfigVersion.cmake
  DESTINATION ${SYLVITE_INSTALL_PACKAGE})
