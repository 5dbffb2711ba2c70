// Each step of a sum asks for the lines that a later one loads vectors from, into the first cache: a line of each block of weights,
// once for all rows, and a line of the squares, which another func has stored. An odd number of rows ends with a loop of its own.
// RUN: sylvite-translate --halide-to-stmt %s --target=x86-64-linux-avx-avx2-fma-f16c-sse41 | FileCheck %s
// RUN: sylvite-translate --halide-to-asm %s --target=x86-64-linux-avx-avx2-fma-f16c-sse41 | FileCheck %s --check-prefix=ASM
// REQUIRES: sylvite-translate

// CHECK: for ({{.*}}sum.s1.
// CHECK-NEXT: sylvite_fetch_near(square, {{.*}})
// CHECK-NEXT: sylvite_fetch_near(w, {{.*}})
// CHECK-NEXT: sum[ramp(
// ASM-COUNT-4: prefetcht0
// ASM-NOT: prefetch
// ASM-NOT: sylvite_fetch_near

halide.pipeline @product {
  halide.input @x : tensor<?x64xf32>
  halide.input @w : tensor<64x16xf32>
  halide.func @square(%k, %c) -> f32 {
    %v = halide.at @w[%k, %c] : f32
    %s = arith.mulf %v, %v : f32
    halide.yield %s : f32
  }
  halide.func @sum(%n, %c) -> f32 {
    %zero = arith.constant 0.0 : f32
    halide.yield %zero : f32
  }
  halide.update @sum(%n, %c) over (%rk in 0 to 64) {
    %x = halide.at @x[%n, %rk] : f32
    %w = halide.at @w[%rk, %c] : f32
    %s = halide.at @square[%rk, %c] : f32
    %m = arith.mulf %x, %w : f32
    %a = arith.addf %m, %s : f32
    %old = halide.at @sum[%n, %c] : f32
    %new = arith.addf %old, %a : f32
    halide.yield %new : f32
  }
  halide.func @out(%n, %c) -> f32 {
    %v = halide.at @sum[%n, %c] : f32
    halide.yield %v : f32
  }
  halide.output @out : tensor<?x16xf32>
  halide.schedule {
    halide.compute_root @square
    halide.vectorize @square, "c" by 8
    halide.split @out, "n" into ("xo", "xi") by 2 tail guard_with_if
    halide.reorder @out, ["c", "xi", "xo"]
    halide.vectorize @out, "c" by 8
    halide.unroll @out, "c"
    halide.unroll @out, "xi"
    halide.compute_at @sum, @out, "xo"
    halide.bound_extent @sum, "n" to 2
    halide.bound_extent @sum, "c" to 16
    halide.reorder @sum stage 1, ["c", "n", "rk"]
    halide.vectorize @sum, "c" by 8
    halide.unroll @sum, "c"
    halide.unroll @sum, "n"
    halide.vectorize @sum stage 1, "c" by 8
    halide.unroll @sum stage 1, "c"
    halide.unroll @sum stage 1, "n"
    halide.prefetch @sum stage 1, @w at "rk" offset 16 near
    halide.prefetch @sum stage 1, @square at "rk" offset 16 near
  }
}
