// The C++17 wrapper of a library that trains: methods for its entries, and exceptions.
//
// REQUIRES: x86_64
// RUN: rm -rf %t.dir && mkdir %t.dir
// RUN: clang -O1 -fPIC -S -emit-llvm -I%source_root %S/Inputs/regression.c -o %t.dir/host.ll
// RUN: sylvite-test-library %t.dir/host.ll --train -o %t.dir --name line
// RUN: %cxx -std=c++17 -Wall -Wextra -Werror -pedantic -I%t.dir -I%S %s %t.dir/libline.a -lpthread -o %t.dir/program
// RUN: %t.dir/program
// RUN: %cxx -std=c++11 -Wall -Wextra -Werror -pedantic -fsyntax-only -I%t.dir -include line.h -x c++ /dev/null
#include "line.h"

#include "Inputs/check.h"

#include <vector>

int main() {
  const std::vector<float> x = {1, 0, 0, 0, 1, 0}, y = {2, 1};
  line::Model model, other;
  const line_metrics before = model.evaluate(x.data(), y.data(), 2);
  CHECK(before.loss == (0.25f + 0.0625f) / 2);
  float loss = 0, kernel[3], bias[1];
  float *const gradients[line_gradient_count] = {kernel, bias};
  model.gradients(x.data(), y.data(), 2, &loss, gradients);
  CHECK(loss == before.loss && kernel[0] == -0.5f && kernel[2] == 0);
  model.set_learning_rate(model.learning_rate() / 2);
  CHECK(model.learning_rate() == 0.0625f && other.learning_rate() == 0.125f);
  CHECK(model.train_step(x.data(), y.data(), 2).mae_0 == before.mae_0);
  CHECK(model.evaluate(x.data(), y.data(), 2).loss < before.loss);
  CHECK(line::Model::train_workspace_size(2) == 72);
  try {
    model.train_step(x.data(), nullptr, 2);
    CHECK(false);
  } catch (const std::runtime_error &error) {
    CHECK(std::string(error.what()) == "input 'y' is null");
  }
  return 0;
}
