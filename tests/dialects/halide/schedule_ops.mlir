// Every schedule directive is printed as it is read.
// RUN: sylvite-opt %s | sylvite-opt | FileCheck %s
// RUN: sylvite-opt %s --mlir-print-op-generic | sylvite-opt | FileCheck %s

halide.pipeline @p {
  halide.input @x : tensor<?x64x1024xf32>
  halide.func @sum(%n, %c) -> f32 {
    %zero = arith.constant 0.0 : f32
    halide.yield %zero : f32
  }
  halide.update @sum(%n, %c) over (%r in 0 to 1024) {
    %old = halide.at @sum[%n, %c] : f32
    %v = halide.at @x[%n, %c, %r] : f32
    %new = arith.addf %old, %v : f32
    halide.yield %new : f32
  }
  halide.func @square(%n, %c) -> f32 {
    %v = halide.at @sum[%n, %c] : f32
    %s = arith.mulf %v, %v : f32
    halide.yield %s : f32
  }
  halide.func @out(%n, %c) -> f32 {
    %v = halide.at @square[%n, %c] : f32
    halide.yield %v : f32
  }
  halide.output @out : tensor<?x64xf32>
  // CHECK: halide.schedule {
  halide.schedule {
    // CHECK-NEXT: halide.split @out, "c" into ("co", "ci") by 16
    halide.split @out, "c" into ("co", "ci") by 16
    // CHECK-NEXT: halide.split @out, "n" into ("no", "n") by 4 tail guard_with_if
    halide.split @out, "n" into ("no", "n") by 4 tail guard_with_if
    // CHECK-NEXT: halide.reorder @out, ["ci", "n", "co", "no"]
    halide.reorder @out, ["ci", "n", "co", "no"]
    // CHECK-NEXT: halide.fuse @out, "no", "co" into "t"
    halide.fuse @out, "no", "co" into "t"
    // CHECK-NEXT: halide.specialize @out, extent(@x, 0) eq 1 {
    // CHECK-NEXT:   halide.vectorize @out, "ci" by 8
    // CHECK-NEXT: }
    halide.specialize @out, extent(@x, 0) eq 1 {
      halide.vectorize @out, "ci" by 8
    }
    // CHECK-NEXT: halide.vectorize @out, "ci"
    halide.vectorize @out, "ci"
    // CHECK-NEXT: halide.unroll @out, "n" by 2 tail round_up
    halide.unroll @out, "n" by 2 tail round_up
    // CHECK-NEXT: halide.parallel @out, "t"
    halide.parallel @out, "t"
    // CHECK-NEXT: halide.partition @out, "t" never
    halide.partition @out, "t" never
    // CHECK-NEXT: halide.compute_at @square, @out, "t"
    halide.compute_at @square, @out, "t"
    // CHECK-NEXT: halide.store_at @square, @out, "t"
    halide.store_at @square, @out, "t"
    // CHECK-NEXT: halide.hoist_storage @square, @out, "t"
    halide.hoist_storage @square, @out, "t"
    // CHECK-NEXT: halide.store_in @square, stack
    halide.store_in @square, stack
    // CHECK-NEXT: halide.bound @square, "c" from 0 extent 64
    halide.bound @square, "c" from 0 extent 64
    // CHECK-NEXT: halide.bound_extent @square, "n" to 4
    halide.bound_extent @square, "n" to 4
    // CHECK-NEXT: halide.align_bounds @square, "c" to 8 offset 4
    halide.align_bounds @square, "c" to 8 offset 4
    // CHECK-NEXT: halide.align_storage @square, "c" to 8
    halide.align_storage @square, "c" to 8
    // CHECK-NEXT: halide.serial @square, "n"
    halide.serial @square, "n"
    // CHECK-NEXT: halide.compute_root @sum
    halide.compute_root @sum
    // CHECK-NEXT: halide.store_root @sum
    halide.store_root @sum
    // CHECK-NEXT: halide.split @sum stage 1, "r" into ("ro", "ri") by 8
    halide.split @sum stage 1, "r" into ("ro", "ri") by 8
    // CHECK-NEXT: halide.prefetch @sum stage 1, @x at "ro" offset 4
    halide.prefetch @sum stage 1, @x at "ro" offset 4
    // CHECK-NEXT: halide.prefetch @sum stage 1, @x at "ro" offset 2 near
    halide.prefetch @sum stage 1, @x at "ro" offset 2 near
    // CHECK-NEXT: halide.rfactor @sum stage 1, ["ri"] to ["u"] into @partial
    halide.rfactor @sum stage 1, ["ri"] to ["u"] into @partial
    // CHECK-NEXT: halide.in @x, @partial as @copy
    halide.in @x, @partial as @copy
    // CHECK-NEXT: halide.compute_at @copy, @sum, "c"
    halide.compute_at @copy, @sum, "c"
    // CHECK-NEXT: halide.vectorize @copy, "_0" by 8
    halide.vectorize @copy, "_0" by 8
    // CHECK-NEXT: halide.atomic @sum stage 1
    halide.atomic @sum stage 1
    // CHECK-NEXT: halide.vectorize @sum stage 1, "ri"
    halide.vectorize @sum stage 1, "ri"
    // CHECK-NEXT: halide.compute_at @partial, @sum, "c"
    halide.compute_at @partial, @sum, "c"
    // CHECK-NEXT: halide.vectorize @partial, "u"
    halide.vectorize @partial, "u"
    // CHECK-NEXT: halide.atomic @partial stage 1 override_associativity
    halide.atomic @partial stage 1 override_associativity
    // CHECK-NEXT: halide.vectorize @partial stage 1, "u"
    halide.vectorize @partial stage 1, "u"
    // CHECK-NEXT: halide.overlap @out at "t" steps 2
    halide.overlap @out at "t" steps 2
  }
}
