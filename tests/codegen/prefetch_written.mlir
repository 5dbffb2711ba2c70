// Each tile asks for the lines that the next one writes, one request a line: of two results, rows of 16 floats in two vectors.
// RUN: sylvite-translate --halide-to-stmt %s --target=x86-64-linux-avx-avx2-fma-f16c-sse41 | FileCheck %s
// RUN: sylvite-translate --halide-to-asm %s --target=x86-64-linux-avx-avx2-fma-f16c-sse41 | FileCheck %s --check-prefix=ASM
// REQUIRES: sylvite-translate

// CHECK: for ({{.*}}out.s0.{{.*}}xo, 0, 8)
// CHECK-NEXT: prefetch(out.0, [[START:.*]], 1, 16)
// CHECK-NEXT: prefetch(out.1, [[START]], 1, 16)
// CHECK-NEXT: prefetch(out.0, [[NEXT:.*]], 1, 16)
// CHECK-NEXT: prefetch(out.1, [[NEXT]], 1, 16)
// CHECK-NOT: prefetch
// CHECK: out.0[ramp(
// ASM-COUNT-4: prefetcht1
// ASM-NOT: prefetch

halide.pipeline @both {
  halide.input @x : tensor<?x16x64xf32>
  halide.func @out(%n, %x, %c) -> (f32, f32) {
    %v = halide.at @x[%n, %x, %c] : f32
    %s = arith.mulf %v, %v : f32
    halide.yield %s, %v : f32, f32
  }
  halide.output @out : tensor<?x16x64xf32>, tensor<?x16x64xf32>
  halide.schedule {
    halide.split @out, "c" into ("co", "ci") by 16 tail round_up
    halide.split @out, "x" into ("xo", "xi") by 2 tail round_up
    halide.reorder @out, ["ci", "xi", "xo", "co", "n"]
    halide.vectorize @out, "ci" by 8
    halide.unroll @out, "ci"
    halide.unroll @out, "xi"
    halide.prefetch @out, @out at "xo" offset 1
  }
}
