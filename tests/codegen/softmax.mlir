// A softmax over rows whose sums are rfactored into 8 lanes, with rows free: splits of the reduction, an
// intermediate of rfactor, atomic vectorization, compute_at the outermost loop and specialize.
// RUN: %python %S/Inputs/check.py softmax %s
// RUN: sylvite-translate --halide-to-stmt %s --target=x86-64-linux-avx-avx2-fma-f16c-sse41 | FileCheck %s
// RUN: sylvite-translate --halide-to-asm %s --target=x86-64-linux-avx-avx2-fma-f16c-sse41 | FileCheck %s --check-prefix=ASM
// REQUIRES: sylvite-translate

// The greatest lane is found by halves, not lane after lane with a comparison that keeps numbers.
// ASM-LABEL: softmax:
// ASM-NOT: {{cmpunord|blendv}}

// The parallel loop's body comes first, then the function with the serial loop for one row.
// CHECK-LABEL: internal func softmax_par_for_y_s0_n
// CHECK: produce max {
// CHECK: max[0] = {{.*}}vector_reduce_max
// CHECK: produce power {
// CHECK: power[ramp({{.*}}, 1, 8){{.*}}] =
// CHECK: produce sum {
// CHECK: produce sum_intm {
// CHECK: sum_intm[ramp(0, 1, 8)] = x8(0.000000f)
// CHECK: sum_intm[ramp(0, 1, 8)] = {{.*}}sum_intm[ramp(0, 1, 8)]
// CHECK: sum[0] = {{.*}}vector_reduce_add
// CHECK-LABEL: func softmax (
// CHECK: if (x.extent.1 == 1) {
// CHECK: produce sum {
// CHECK: } else {
// CHECK: halide_do_par_for(
halide.pipeline @softmax {
  halide.input @x : tensor<?x64xf32>
  halide.func @max(%n) -> f32 {
    %low = arith.constant 0xFF800000 : f32
    halide.yield %low : f32
  }
  halide.update @max(%n) over (%r in 0 to 64) {
    %old = halide.at @max[%n] : f32
    %v = halide.at @x[%n, %r] : f32
    %new = arith.maximumf %old, %v : f32
    halide.yield %new : f32
  }
  halide.func @power(%n, %c) -> f32 {
    %v = halide.at @x[%n, %c] : f32
    %max = halide.at @max[%n] : f32
    %d = arith.subf %v, %max : f32
    %e = math.exp %d : f32
    halide.yield %e : f32
  }
  halide.func @sum(%n) -> f32 {
    %zero = arith.constant 0.0 : f32
    halide.yield %zero : f32
  }
  halide.update @sum(%n) over (%r in 0 to 64) {
    %old = halide.at @sum[%n] : f32
    %v = halide.at @power[%n, %r] : f32
    %new = arith.addf %old, %v : f32
    halide.yield %new : f32
  }
  halide.func @y(%n, %c) -> f32 {
    %v = halide.at @power[%n, %c] : f32
    %sum = halide.at @sum[%n] : f32
    %q = arith.divf %v, %sum : f32
    halide.yield %q : f32
  }
  halide.output @y : tensor<?x64xf32>
  halide.schedule {
    halide.vectorize @y, "c" by 8
    halide.specialize @y, extent(@x, 0) eq 1 {
      halide.serial @y, "n"
    }
    halide.parallel @y, "n"
    halide.compute_at @max, @y, "n"
    halide.split @max stage 1, "r" into ("ro", "ri") by 8
    halide.atomic @max stage 1
    halide.vectorize @max stage 1, "ri"
    halide.compute_at @power, @y, "n"
    halide.vectorize @power, "c" by 8
    halide.compute_at @sum, @y, "n"
    halide.split @sum stage 1, "r" into ("ro", "ri") by 8
    halide.rfactor @sum stage 1, ["ri"] to ["u"] into @lanes
    halide.atomic @sum stage 1
    halide.vectorize @sum stage 1, "ri"
    halide.compute_at @lanes, @sum, "outermost"
    halide.vectorize @lanes, "u"
    halide.vectorize @lanes stage 1, "u"
  }
}
