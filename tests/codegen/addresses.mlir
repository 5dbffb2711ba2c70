// The addresses of the rows of a register tile, of which there are more than registers for them, are computed one by one: in vectors,
// as LLVM's SLP vectorizer would, they would be taken apart again in the inner loop.
// RUN: sylvite-translate --halide-to-asm %s --target=x86-64-linux-avx-avx2-avx512-avx512_skylake-f16c-fma-sse41-no_asserts-no_bounds_query | FileCheck %s --implicit-check-not=vpextrq
// REQUIRES: sylvite-translate

// CHECK: vfmadd231ps
halide.pipeline @products {
  halide.input @x : tensor<?x256xf32>
  halide.input @w : tensor<32x256x32xf32>
  halide.func @sum(%n, %c) -> f32 {
    %zero = arith.constant 0.0 : f32
    halide.yield %zero : f32
  }
  halide.update @sum(%n, %c) over (%rk in 0 to 256) {
    %extent = halide.extent @x, 0 : index
    %one = arith.constant -1 : index
    %last = arith.addi %extent, %one : index
    %row = arith.minsi %n, %last : index
    %c32 = arith.constant 32 : index
    %block = arith.floordivsi %c, %c32 : index
    %column = arith.remui %c, %c32 : index
    %a = halide.at @w[%block, %rk, %column] : f32
    %b = halide.at @x[%row, %rk] : f32
    %s = halide.at @sum[%n, %c] : f32
    %p = arith.mulf %b, %a : f32
    %y = arith.addf %s, %p : f32
    halide.yield %y : f32
  }
  halide.func @out(%n, %c) -> f32 {
    %s = halide.at @sum[%n, %c] : f32
    halide.yield %s : f32
  }
  halide.output @out : tensor<?x1024xf32>
  halide.schedule {
    halide.split @out, "c" into ("co", "ci") by 32 tail round_up
    halide.split @out, "n" into ("xo", "xi") by 8 tail guard_with_if
    halide.reorder @out, ["ci", "xi", "xo", "co"]
    halide.vectorize @out, "ci" by 16
    halide.unroll @out, "ci"
    halide.unroll @out, "xi"
    halide.parallel @out, "co"
    halide.compute_at @sum, @out, "xo"
    halide.bound_extent @sum, "c" to 32
    halide.bound_extent @sum, "n" to 8
    halide.split @sum stage 1, "rk" into ("ro", "ri") by 4
    halide.vectorize @sum, "c" by 16
    halide.unroll @sum, "c"
    halide.unroll @sum, "n"
    halide.reorder @sum stage 1, ["c", "n", "ri", "ro"]
    halide.vectorize @sum stage 1, "c" by 16
    halide.unroll @sum stage 1, "c"
    halide.unroll @sum stage 1, "n"
    halide.unroll @sum stage 1, "ri"
  }
}
