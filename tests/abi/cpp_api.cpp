// The C++17 wrapper of a generated header, and two models in one program, one of which is named like what
// kernels call in the runtime.
//
// REQUIRES: x86_64
// DEFINE: %{make} = sylvite-test-library %t.dir/host.ll %t.dir/kernels.o -o %t.dir
// RUN: rm -rf %t.dir && mkdir %t.dir
// RUN: clang -O1 -fPIC -S -emit-llvm -I%source_root %S/Inputs/host.c -o %t.dir/host.ll
// RUN: clang -O1 -fPIC -c -I%source_root %S/Inputs/kernels.c -o %t.dir/kernels.o
// RUN: %{make} --name toy
// RUN: %{make} --name halide
// RUN: %cxx -std=c++17 -Wall -Wextra -Werror -pedantic -I%t.dir -I%S %s %t.dir/libtoy.a %t.dir/libhalide.a -lpthread -o %t.dir/static
// RUN: %t.dir/static
// RUN: %cxx -std=c++17 -I%t.dir -I%S %s -L%t.dir -Wl,-rpath,%t.dir -ltoy -lhalide -o %t.dir/shared
// RUN: %t.dir/shared
// RUN: %cxx -std=c++11 -Wall -Wextra -Werror -pedantic -fsyntax-only -I%t.dir -include toy.h -x c++ /dev/null
//
// RUN: not %{make} --name pthread 2>&1 | FileCheck %s --check-prefix=CLASH
// CLASH: error: the function 'pthread_create' would have the name of one of the C library: choose another name
// RUN: not %{make} --name 9lives 2>&1 | FileCheck %s --check-prefix=NAME
// NAME: error: '9lives' cannot be the name of a library: use letters, digits and underscores, beginning with a letter
// RUN: not %{make} --name namespace 2>&1 | FileCheck %s --check-prefix=KEYWORD
// KEYWORD: error: 'namespace' cannot be the name of a library
// RUN: not %{make} --name other --target riscv-64-linux 2>&1 | FileCheck %s --check-prefix=TARGET
// TARGET: error: target 'riscv-64-linux' is not supported for libraries
// RUN: not %{make} --name other --target arm-64-linux 2>&1 | FileCheck %s --check-prefix=OTHER
// OTHER: error: target 'arm-64-linux' needs a runtime for another processor
#include "halide.h"
#include "toy.h"

#include "Inputs/check.h"

#include <type_traits>
#include <vector>

static_assert(!std::is_copy_constructible_v<toy::Model> && std::is_nothrow_move_constructible_v<toy::Model>);

template <typename Function> static std::string message_of(Function function) {
  try {
    function();
  } catch (const std::runtime_error &error) {
    return error.what();
  }
  return "no exception";
}

int main() {
  std::vector<float> x = {1, 2, 3, 4, 5, 6}, z(6), total(2), steps(4);
  toy::Model model;
  model.forward(x.data(), z.data(), 2, 3, total.data(), steps.data());
  CHECK(total[0] == 12 && total[1] == 30 && steps[3] == 1);

  halide::Model other;
  other.forward(x.data(), z.data(), 3, 2, std::vector<float>(3).data(), steps.data());
  CHECK(std::string(halide::Model::info().name) == "halide");
  CHECK(std::string(toy::Model::info().name) == "toy");

  toy::Model moved = std::move(model);
  CHECK(model.get() == nullptr && moved.get() != nullptr);
  CHECK(message_of([&] { model.forward(x.data(), z.data(), 2, 3, total.data(), steps.data()); }) ==
        "the model is null");
  model = std::move(moved);
  model.forward(x.data(), z.data(), 2, 3, total.data(), steps.data());
  CHECK(message_of([&] { model.forward(x.data(), z.data(), 0, 3, total.data(), steps.data()); }) ==
        "batch must be positive, not 0");
  CHECK(message_of([&] { toy::Model absent(std::string("/no/such/file")); }) ==
        "cannot open /no/such/file: No such file or directory");
  CHECK(message_of([&] { toy::Model::set_threads(-1); }).find("-1") != std::string::npos);
  CHECK(toy::Model::workspace_size(2, 3) == 24);
  return 0;
}
