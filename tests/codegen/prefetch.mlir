// The lines of a prefetch that the loop around repeats take turns: each step asks for four lines, and each of four repetitions for
// another one of them, into the second cache. Of eight repetitions every other one asks for one, of two each asks for two. More lines
// than a core waits for at once are asked for by a loop inside that runs as often, here the 256 of the next block by as many steps; of a
// free number of steps, each asks for the number that this makes, two at most.
// RUN: sylvite-translate --halide-to-stmt %s --target=x86-64-linux-avx-avx2-fma-f16c-sse41 | FileCheck %s
// RUN: sylvite-translate --halide-to-asm %s --target=x86-64-linux-avx-avx2-fma-f16c-sse41 | FileCheck %s --check-prefix=ASM
// RUN: sed -e 's/"xi") by 4/"xi") by 2/' -e 's/"x" to 4/"x" to 2/' %s > %t.eight.mlir
// RUN: sylvite-translate --halide-to-stmt %t.eight.mlir --target=x86-64-linux-avx-avx2-fma-f16c-sse41 | FileCheck %s --check-prefix=EIGHT
// RUN: sed -e 's/"xi") by 4/"xi") by 8/' -e 's/"x" to 4/"x" to 8/' %s > %t.two.mlir
// RUN: sylvite-translate --halide-to-stmt %t.two.mlir --target=x86-64-linux-avx-avx2-fma-f16c-sse41 | FileCheck %s --check-prefix=TWO
// RUN: sed -e 's/@sum stage 1, @w at "ro" offset 64/@out, @w at "co" offset 1/' %s > %t.once.mlir
// RUN: sylvite-translate --halide-to-stmt %t.once.mlir --target=x86-64-linux-avx-avx2-fma-f16c-sse41 | FileCheck %s --check-prefix=ONCE
// RUN: sed -e 's/?x16x/?x?x/' -e 's/"xi") by 4 tail round_up/"xi") by 4 tail guard_with_if/' %t.once.mlir > %t.free.mlir
// RUN: sylvite-translate --halide-to-stmt %t.free.mlir --target=x86-64-linux-avx-avx2-fma-f16c-sse41 | FileCheck %s --check-prefix=FREE
// REQUIRES: sylvite-translate

// CHECK: for ({{.*}}sum.s1.{{.*}}ro, 0, 64)
// CHECK-NEXT: prefetch(w, ((((sum.s1.{{.*}}ro + {{t[0-9]+}})*4) + ((out.s0.x.xo + sum.s1.{{.*}}ro) % 4))*16) + 4096, 1, 16)
// CHECK-NOT: prefetch
// ASM-COUNT-1: prefetcht1
// ASM-NOT: prefetch

// EIGHT: for ({{.*}}sum.s1.{{.*}}ro, 0, 64)
// EIGHT-NEXT: if ((((out.s0.x.xo + sum.s1.{{.*}}ro) % 8) % 2) == 0)
// EIGHT-NEXT: prefetch(w, {{.*}}((out.s0.x.xo + sum.s1.{{.*}}ro) % 8)/2{{.*}}, 1, 16)
// EIGHT-NOT: prefetch

// TWO: for ({{.*}}sum.s1.{{.*}}ro, 0, 64)
// TWO-NEXT: prefetch(w, [[PLACE:.*]] + 4096, 1, 16)
// TWO-NEXT: prefetch(w, [[PLACE]] + 4112, 1, 16)
// TWO-NOT: prefetch

// ONCE: for (out.s0.c.co, 0, 4)
// ONCE-NOT: prefetch
// ONCE: for (out.s0.x.xo, 0, 4)
// ONCE: for ([[RO:sum.s1[^,]*ro]], 0, 64)
// ONCE-NEXT: prefetch(w, {{.*}}(out.s0.x.xo*64) + [[RO]]{{.*}}*16) + 4096, 1, 16)
// ONCE-NOT: prefetch

// FREE: for (out.s0.c.co, 0, 4)
// FREE: let lines = ((max([[TIMES:.*]], 1) + 256) - 1)/max([[TIMES]], 1)
// FREE-NOT: prefetch
// FREE: for ([[RO:sum.s1[^,]*ro]], 0, 64)
// FREE-NEXT: if ((((out.s0.x.xo*64) + [[RO]])*lines) < 256
// FREE: prefetch(w,
// FREE: if (({{.*}} < 255) && (1 < lines))
// FREE: prefetch(w,

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
