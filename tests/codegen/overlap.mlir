// While a tile is summed, a vector of the tile before it is made into what is stored after each two steps, and the lines that the
// next tile reads for that are asked for. What is left of either follows; the last tile's sums are used after the loop. A
// quotient that may be approximate is one of the divider, beside which multiply-adds go on.
// RUN: sylvite-translate --halide-to-stmt %s --target=x86-64-linux-avx-avx2-fma-f16c-sse41 | FileCheck %s
// RUN: sylvite-translate --halide-to-asm %s --target=x86-64-linux-avx-avx2-fma-f16c-sse41 | FileCheck %s --check-prefix=ASM
// RUN: sed -e '/halide.compute_at/d' %s > %t.root.mlir
// RUN: not sylvite-translate --halide-to-stmt %t.root.mlir --target=x86-64-linux-avx 2>&1 | FileCheck %s --check-prefix=ERROR
// REQUIRES: sylvite-translate

// CHECK: allocate sum_held[float32 * 32] in Stack
// CHECK-NEXT: for (out.s0.c.co, 0, 4)
// CHECK: let parts = select(0 < out.s0.c.co, min(x.extent.1/2, 4), 0)
// CHECK: for ([[PART:part[^,]*]], 0, parts)
// CHECK-COUNT-16: sum[ramp(
// CHECK-NEXT: sylvite_fetch_near(w, int64((([[PART]]*4) + out.s0.c.co)*8)*(int64)4)
// CHECK-NEXT: out[{{.*}} + -8, 1, 8){{.*}}/sum_held[ramp([[PART]]*8, 1, 8)
// CHECK-NEXT: }
// CHECK-NEXT: for (sum.s1.{{[^,]*}}, parts*2, x.extent.1 - (parts*2))
// CHECK-COUNT-8: sum[ramp(
// CHECK: for ([[REST:part[^,]*]], parts, select(0 < out.s0.c.co, 4 - parts, 0))
// CHECK-NEXT: out[{{.*}}/sum_held[ramp([[REST]]*8, 1, 8)
// CHECK-NEXT: }
// CHECK-NEXT: sum_held[ramp(0, 1, 8)] = sum[ramp(0, 1, 8)]
// CHECK-NEXT: sum_held[ramp(8, 1, 8)] = sum[ramp(8, 1, 8)]
// CHECK-NEXT: sum_held[ramp(16, 1, 8)] = sum[ramp(16, 1, 8)]
// CHECK-NEXT: sum_held[ramp(24, 1, 8)] = sum[ramp(24, 1, 8)]
// CHECK-NEXT: }
// CHECK-NEXT: for ([[LAST:part[^,]*]], 0, 4)
// CHECK-NEXT: out[ramp(([[LAST]]*32) + 24, 1, 8){{.*}}/sum_held[ramp([[LAST]]*8, 1, 8)

// ASM: vdivps

// ERROR: overlap: loop {{.*}} does not hold one reduction and what is made of it

halide.pipeline @update {
  halide.input @x : tensor<?x4xf32>
  halide.input @g : tensor<?x32xf32>
  halide.input @w : tensor<4x32xf32>
  halide.func @sum(%n, %c) -> f32 {
    %zero = arith.constant 0.0 : f32
    halide.yield %zero : f32
  }
  halide.update @sum(%n, %c) over (%rk in 0 to extent(@x, 0)) {
    %x = halide.at @x[%rk, %n] : f32
    %g = halide.at @g[%rk, %c] : f32
    %old = halide.at @sum[%n, %c] : f32
    %p = arith.mulf %x, %g : f32
    %new = arith.addf %old, %p : f32
    halide.yield %new : f32
  }
  halide.func @out(%n, %c) -> f32 {
    %w = halide.at @w[%n, %c] : f32
    %s = halide.at @sum[%n, %c] : f32
    %q = arith.divf %w, %s fastmath<arcp> : f32
    halide.yield %q : f32
  }
  halide.output @out : tensor<4x32xf32>
  halide.schedule {
    halide.split @out, "c" into ("co", "ci") by 8
    halide.reorder @out, ["ci", "n", "co"]
    halide.vectorize @out, "ci" by 8
    halide.overlap @out at "co" steps 2
    halide.compute_at @sum, @out, "co"
    halide.bound_extent @sum, "c" to 8
    halide.bound_extent @sum, "n" to 4
    halide.vectorize @sum, "c" by 8
    halide.unroll @sum, "n"
    halide.reorder @sum stage 1, ["c", "n", "rk"]
    halide.vectorize @sum stage 1, "c" by 8
    halide.unroll @sum stage 1, "n"
  }
}
