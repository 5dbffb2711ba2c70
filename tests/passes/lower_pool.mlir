// RUN: sylvite-opt %s -lower-to-halide -split-input-file | FileCheck %s

// Padding that counts: skipped in the sum, but the divisor is the whole window.
// CHECK-LABEL: halide.pipeline @avg_pool {
// CHECK: halide.update @window_sum(%n, %x, %c) over (%rx in 0 to 2) where {
// CHECK: arith.cmpi slt, %{{.*}}, %c5
// CHECK: halide.func @avg_pool
// CHECK: %[[SUM:.*]] = halide.at @window_sum
// CHECK-NEXT: %[[HALF:.*]] = arith.constant 5.000000e-01
// CHECK-NEXT: arith.mulf %[[SUM]], %[[HALF]]
// CHECK: func.func @counted(
func.func @counted(%x: tensor<?x5x3xf32>) -> tensor<?x3x3xf32> {
  %0 = nn.group (%a = %x) : (tensor<?x5x3xf32>) -> tensor<?x3x3xf32> {
    %1 = nn.avg_pool %a {window = array<i64: 2>, strides = array<i64: 2>, dilations = array<i64: 1>, padding_low = array<i64: 0>, padding_high = array<i64: 1>, count_include_pad} : (tensor<?x5x3xf32>) -> tensor<?x3x3xf32>
    nn.yield %1 : tensor<?x3x3xf32>
  }
  return %0 : tensor<?x3x3xf32>
}

// -----

// Without padding there is no predicate and no clamp.
// CHECK-LABEL: halide.pipeline @max_pool {
// CHECK: halide.update @max_pool(%n, %x, %c) over (%rx in 0 to 2) {
// CHECK-NOT: arith.minsi
// CHECK: %[[START:.*]] = arith.muli %x, %c2
// CHECK: %[[AT:.*]] = arith.addi %[[START]], %rx
// CHECK-NEXT: halide.at @in0[%n, %[[AT]], %c]
// CHECK: func.func @unpadded(
func.func @unpadded(%x: tensor<?x4x3xf32>) -> tensor<?x2x3xf32> {
  %0 = nn.group (%a = %x) : (tensor<?x4x3xf32>) -> tensor<?x2x3xf32> {
    %1 = nn.max_pool %a {window = array<i64: 2>, strides = array<i64: 2>, dilations = array<i64: 1>, padding_low = array<i64: 0>, padding_high = array<i64: 0>} : (tensor<?x4x3xf32>) -> tensor<?x2x3xf32>
    nn.yield %1 : tensor<?x2x3xf32>
  }
  return %0 : tensor<?x2x3xf32>
}
