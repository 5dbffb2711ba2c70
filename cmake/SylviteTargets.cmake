# Flags shared by every C++ target, and helpers for libraries that use MLIR.
#
# Debian's MLIR is built with RTTI and without exceptions. Only importers (nlohmann/json) and the Halide
# side of codegen turn exceptions on, and each catches them before control returns to MLIR.
option(SYLVITE_WERROR "Treat warnings as errors" OFF)
set(SYLVITE_SANITIZE "" CACHE STRING "Sanitizer: address, undefined, thread, or several with commas")

add_library(sylvite_flags INTERFACE)
target_compile_options(sylvite_flags INTERFACE
  -Wall -Wextra -Wno-unused-parameter $<$<BOOL:${SYLVITE_WERROR}>:-Werror>)
if(SYLVITE_SANITIZE)
  target_compile_options(sylvite_flags INTERFACE -fsanitize=${SYLVITE_SANITIZE} -fno-omit-frame-pointer
    -fno-sanitize-recover=all)
  target_link_options(sylvite_flags INTERFACE -fsanitize=${SYLVITE_SANITIZE})
endif()
option(SYLVITE_FUZZ "Build the libFuzzer targets (clang only)" OFF)
if(SYLVITE_FUZZ)
  if(NOT CMAKE_CXX_COMPILER_ID MATCHES "Clang")
    message(FATAL_ERROR "SYLVITE_FUZZ needs clang: use cmake --preset fuzz")
  endif()
  target_compile_options(sylvite_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()

# sylvite_fuzzer(NAME sources... [LINK targets...]): a libFuzzer program in bin/, or nothing without SYLVITE_FUZZ.
function(sylvite_fuzzer name)
  if(NOT SYLVITE_FUZZ)
    return()
  endif()
  cmake_parse_arguments(ARG "" "" "LINK" ${ARGN})
  add_executable(${name} ${ARG_UNPARSED_ARGUMENTS})
  target_link_libraries(${name} PRIVATE sylvite_mlir ${ARG_LINK})
  target_link_options(${name} PRIVATE -fsanitize=fuzzer)
endfunction()

# What every target that uses MLIR needs. No precompiled header: measured on the nn dialect (9 files), it costs a 360 MB file
# that ccache cannot reuse, and saves 3 s of 62 s of processor time.
add_library(sylvite_mlir INTERFACE)
target_include_directories(sylvite_mlir INTERFACE ${CMAKE_SOURCE_DIR} ${CMAKE_BINARY_DIR})
target_include_directories(sylvite_mlir SYSTEM INTERFACE ${MLIR_INCLUDE_DIRS} ${LLVM_INCLUDE_DIRS})
target_compile_definitions(sylvite_mlir INTERFACE ${LLVM_DEFINITIONS})
target_link_libraries(sylvite_mlir INTERFACE sylvite_flags MLIR LLVM)

# sylvite_library(NAME sources... [LINK targets...] [DEPENDS targets...]): a static library against MLIR.
function(sylvite_library name)
  cmake_parse_arguments(ARG "" "" "LINK;DEPENDS" ${ARGN})
  add_library(${name} STATIC ${ARG_UNPARSED_ARGUMENTS})
  target_link_libraries(${name} PUBLIC sylvite_mlir ${ARG_LINK})
  target_compile_options(${name} PRIVATE -fno-exceptions)
  if(ARG_DEPENDS)
    add_dependencies(${name} ${ARG_DEPENDS})
  endif()
endfunction()
