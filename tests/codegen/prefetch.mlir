// A prefetch that the loop around repeats is spread over its iterations: each asks for every fourth step, line by line, and
// into the second cache.
// RUN: sylvite-translate --halide-to-stmt %s --target=x86-64-linux-avx-avx2-fma-f16c-sse41 | FileCheck %s
// RUN: sylvite-translate --halide-to-asm %s --target=x86-64-linux-avx-avx2-fma-f16c-sse41 | FileCheck %s --check-prefix=ASM
// REQUIRES: sylvite-translate

// CHECK: for ({{.*}}sum.s1.{{.*}}ro, 0, 64)
// CHECK-NEXT: if ((({{.*}}ro + {{.*}}xo) % 4) == 0)
// CHECK: prefetch(w, [[START:.*\+ 4096\)]] + 0, 1, 16)
// CHECK-NEXT: prefetch(w, [[START]] + 16, 1, 16)
// CHECK-NEXT: prefetch(w, [[START]] + 32, 1, 16)
// CHECK-NEXT: prefetch(w, [[START]] + 48, 1, 16)
// CHECK-NOT: prefetch
// ASM-COUNT-4: prefetcht1
// ASM-NOT: prefetch

halide.pipeline @product {
  halide.input @x : tensor<?x16x256xf32>
  halide.input @w : tensor<4x256x16xf32>
  halide.func @sum(%n, %x, %c) -> f32 {
    %0 = arith.constant 0.0 : f32
    halide.yield %0 : f32
  }
  halide.update @sum(%n, %x, %c) over (%rk in 0 to 256) {
    %c16 = arith.constant 16 : index
    %block = arith.floordivsi %c, %c16 : index
    %rest = arith.remui %c, %c16 : index
    %w = halide.at @w[%block, %rk, %rest] : f32
    %x_0 = halide.at @x[%n, %x, %rk] : f32
    %s = halide.at @sum[%n, %x, %c] : f32
    %p = arith.mulf %x_0, %w : f32
    %a = arith.addf %s, %p : f32
    halide.yield %a : f32
  }
  halide.func @out(%n, %x, %c) -> f32 {
    %0 = halide.at @sum[%n, %x, %c] : f32
    halide.yield %0 : f32
  }
  halide.output @out : tensor<?x16x64xf32>
  halide.schedule {
    halide.split @out, "c" into ("co", "ci") by 16 tail round_up
    halide.split @out, "x" into ("xo", "xi") by 4 tail round_up
    halide.reorder @out, ["ci", "xi", "xo", "co", "n"]
    halide.vectorize @out, "ci" by 8
    halide.unroll @out, "ci"
    halide.unroll @out, "xi"
    halide.compute_at @sum, @out, "xo"
    halide.bound_extent @sum, "c" to 16
    halide.bound_extent @sum, "x" to 4
    halide.split @sum stage 1, "rk" into ("ro", "ri") by 4
    halide.vectorize @sum, "c" by 8
    halide.unroll @sum, "c"
    halide.unroll @sum, "x"
    halide.reorder @sum stage 1, ["c", "x", "ri", "ro"]
    halide.vectorize @sum stage 1, "c" by 8
    halide.unroll @sum stage 1, "c"
    halide.unroll @sum stage 1, "x"
    halide.unroll @sum stage 1, "ri"
    halide.prefetch @sum stage 1, @w at "ro" offset 64
  }
}
