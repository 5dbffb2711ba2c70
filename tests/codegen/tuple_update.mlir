// All elements of a Tuple update are computed before any is stored, also where one reads another inside a
// call, which Halide 21 overlooks: element 1 would see the new element 0.
// RUN: %python %S/Inputs/check.py tuple_update %s
// RUN: sylvite-translate --halide-to-asm %s --target=x86-64-linux-avx-avx2-fma-f16c-sse41 | FileCheck %s
// REQUIRES: sylvite-translate

// The condition that shows Halide the read costs nothing.
// CHECK-LABEL: tuple_update:
// CHECK-NOT: inf
// CHECK-NOT: 0xFF800000
// CHECK: .size tuple_update,
halide.pipeline @tuple_update {
  halide.input @x : tensor<?x?xf32>
  halide.func @best(%n) -> (f32, i32, f32) {
    %low = arith.constant -1.0e38 : f32
    %zero = arith.constant 0 : i32
    %none = arith.constant 0.0 : f32
    halide.yield %low, %zero, %none : f32, i32, f32
  }
  // Maximum, its place, and the sum of the square roots of the maxima before.
  halide.update @best(%n) over (%r in 0 to extent(@x, 1)) {
    %max, %where, %sum = halide.at @best[%n] : f32, i32, f32
    %v = halide.at @x[%n, %r] : f32
    %i = arith.index_cast %r : index to i32
    %greater = arith.cmpf ogt, %v, %max : f32
    %newMax = arith.select %greater, %v, %max : f32
    %newWhere = arith.select %greater, %i, %where : i32
    %size = math.absf %max : f32
    %root = math.sqrt %size : f32
    %newSum = arith.addf %sum, %root : f32
    halide.yield %newMax, %newWhere, %newSum : f32, i32, f32
  }
  halide.output @best : tensor<?xf32>, tensor<?xi32>, tensor<?xf32>
}
