// A GEMM with a free number of rows: 4 by 16 accumulators and a bias as its epilogue. Rows beyond the last
// are computed, not stored; their index is clamped, so nothing is read outside of @a.
// RUN: %python %S/Inputs/check.py gemm %s
// RUN: sylvite-translate --halide-to-asm %s --target=x86-64-linux-avx-avx2-fma-f16c-sse41 | FileCheck %s
// REQUIRES: sylvite-translate

// CHECK-LABEL: gemm:
// CHECK-COUNT-8: vfmadd231ps {{.*}}%ymm
// CHECK: .size gemm,
halide.pipeline @gemm {
  halide.input @a : tensor<?x40xf32>
  halide.input @b : tensor<2x40x16xf32>
  halide.input @bias : tensor<32xf32>
  halide.func @p(%m, %n) -> f32 {
    %zero = arith.constant 0.0 : f32
    halide.yield %zero : f32
  }
  halide.update @p(%m, %n) over (%k in 0 to 40) {
    %one = arith.constant 1 : index
    %c16 = arith.constant 16 : index
    %old = halide.at @p[%m, %n] : f32
    %rows = halide.extent @a, 0 : index
    %last = arith.subi %rows, %one : index
    %row = arith.minsi %m, %last : index
    %a = halide.at @a[%row, %k] : f32
    %panel = arith.divui %n, %c16 : index
    %lane = arith.remui %n, %c16 : index
    %b = halide.at @b[%panel, %k, %lane] : f32
    %product = arith.mulf %a, %b : f32
    %new = arith.addf %old, %product : f32
    halide.yield %new : f32
  }
  halide.func @o(%m, %n) -> f32 {
    %v = halide.at @p[%m, %n] : f32
    %bias = halide.at @bias[%n] : f32
    %s = arith.addf %v, %bias : f32
    halide.yield %s : f32
  }
  halide.output @o : tensor<?x32xf32>
  halide.schedule {
    halide.split @o, "n" into ("no", "ni") by 16
    halide.split @o, "m" into ("mo", "mi") by 4 tail guard_with_if
    halide.reorder @o, ["ni", "mi", "mo", "no"]
    halide.vectorize @o, "ni" by 8
    halide.unroll @o, "ni"
    halide.unroll @o, "mi"
    halide.compute_at @p, @o, "mo"
    halide.bound_extent @p, "n" to 16
    halide.bound_extent @p, "m" to 4
    halide.vectorize @p, "n" by 8
    halide.unroll @p, "n"
    halide.unroll @p, "m"
    halide.reorder @p stage 1, ["n", "m", "k"]
    halide.vectorize @p stage 1, "n" by 8
    halide.unroll @p stage 1, "n"
    halide.unroll @p stage 1, "m"
  }
}
