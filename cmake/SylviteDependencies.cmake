# Finds what the compiler is built with. Every package comes from Debian or PyPI; a missing one is a
# configuration error that names the package.
find_package(MLIR 22.1 CONFIG HINTS /usr/lib/llvm-22/lib/cmake/mlir)
if(NOT MLIR_FOUND)
  message(FATAL_ERROR "MLIR 22 not found: install libmlir-22-dev, llvm-22-dev and mlir-22-tools")
endif()
list(APPEND CMAKE_MODULE_PATH ${MLIR_CMAKE_DIR} ${LLVM_CMAKE_DIR})
include(TableGen)
include(AddLLVM)
include(AddMLIR)

# Halide comes from PyPI; its wheel carries the CMake package under lib64/cmake.
if(NOT Halide_DIR)
  find_program(SYLVITE_PYTHON NAMES python3 REQUIRED)
  execute_process(
    COMMAND ${SYLVITE_PYTHON} -c "import importlib.util as u; print(list(u.find_spec('halide').submodule_search_locations)[0])"
    OUTPUT_VARIABLE SYLVITE_HALIDE_ROOT OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
  if(SYLVITE_HALIDE_ROOT)
    set(Halide_DIR ${SYLVITE_HALIDE_ROOT}/lib64/cmake/Halide)
    set(HalideHelpers_DIR ${SYLVITE_HALIDE_ROOT}/lib64/cmake/HalideHelpers)
  endif()
endif()
find_package(Halide 21 CONFIG COMPONENTS shared)
if(NOT Halide_FOUND)
  message(FATAL_ERROR "Halide 21 not found: pip install halide==21.0.0 into the Python on PATH, or set Halide_DIR and HalideHelpers_DIR")
endif()

find_package(nlohmann_json REQUIRED)
find_package(CLI11 REQUIRED)
find_package(Threads REQUIRED)
find_package(PkgConfig REQUIRED)
pkg_check_modules(LIBZIP REQUIRED IMPORTED_TARGET libzip)
find_package(HDF5 REQUIRED COMPONENTS C)

find_program(SYLVITE_CCACHE ccache)
if(SYLVITE_CCACHE)
  set(CMAKE_C_COMPILER_LAUNCHER ${SYLVITE_CCACHE})
  set(CMAKE_CXX_COMPILER_LAUNCHER ${SYLVITE_CCACHE})
endif()
