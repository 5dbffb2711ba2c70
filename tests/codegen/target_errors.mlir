// A target that is no target, or not one of ours, is said so.
// RUN: not sylvite-translate --halide-to-stmt %s --target=pdp-11 2>&1 | FileCheck %s --check-prefix=UNKNOWN
// RUN: not sylvite-translate --halide-to-stmt %s --target=x86-64-linux-avx3 2>&1 | FileCheck %s --check-prefix=FEATURE
// RUN: not sylvite-translate --halide-to-stmt %s --target=x86-64-windows 2>&1 | FileCheck %s --check-prefix=WINDOWS
// RUN: not sylvite-translate --halide-to-stmt %s --target=x86-64-linux-cuda 2>&1 | FileCheck %s --check-prefix=GPU
// RUN: sylvite-translate --halide-to-stmt %s --target=native | FileCheck %s --check-prefix=NATIVE
// RUN: sylvite-translate --halide-to-asm %s --target=arm-64-linux | FileCheck %s --check-prefix=ARM
// REQUIRES: sylvite-translate

// UNKNOWN: error: 'pdp-11' is not a target: use native, or Halide's arch-bits-os-features
// FEATURE: error: 'x86-64-linux-avx3' is not a target
// WINDOWS: error: target 'x86-64-windows' is not supported: use 64-bit Linux on x86 or ARM
// GPU: error: target 'x86-64-linux-cuda' names a GPU, which is not supported
// NATIVE: module name=f, target={{.*}}64-linux{{.*}}no_asserts-no_bounds_query-no_runtime
// ARM: str q
halide.pipeline @f {
  halide.func @f(%i) -> f32 {
    %v = arith.constant 1.0 : f32
    halide.yield %v : f32
  }
  halide.output @f : tensor<8xf32>
  halide.schedule {
    halide.vectorize @f, "i" by 4
  }
}
