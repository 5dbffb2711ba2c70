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

// -----

// Windows that do not overlap: one at most reaches a position, and nothing is summed.
// CHECK-LABEL: halide.pipeline @max_pool_grad {
// CHECK-NOT: halide.update
// CHECK: %[[WINDOW:.*]] = arith.floordivsi %x, %c2
// CHECK: %[[TAP:.*]] = arith.subi %x, %{{.*}}
// CHECK: %[[NUMBER:.*]] = arith.index_cast %[[TAP]] : index to i32
// CHECK: %[[INDEX:.*]] = halide.at @in1[%n, %{{.*}}, %c] : i32
// CHECK: %[[CHOSEN:.*]] = arith.cmpi eq, %[[INDEX]], %[[NUMBER]]
// CHECK: arith.select %[[CHOSEN]]
// CHECK: halide.output @pool_grad
// The first tap that equals the maximum.
// CHECK-LABEL: halide.pipeline @max_pool_index {
// CHECK: halide.yield %c2_i32
// CHECK: halide.update @first(%n, %x, %c) over (%rx in 0 to 2) {
// CHECK: %[[NUMBER:.*]] = arith.index_cast %rx : index to i32
// CHECK: %[[IS:.*]] = arith.cmpf oeq
// CHECK: %[[CANDIDATE:.*]] = arith.select %[[IS]], %[[NUMBER]], %c2_i32
// CHECK: arith.minsi %{{.*}}, %[[CANDIDATE]]
func.func @grads(%g: tensor<?x4x3xf32>, %i: tensor<?x4x3xi32>, %x: tensor<?x8x3xf32>, %y: tensor<?x4x3xf32>) -> (tensor<?x8x3xf32>, tensor<?x4x3xi32>) {
  %0 = nn.group (%a = %g, %b = %i, %c = %x) : (tensor<?x4x3xf32>, tensor<?x4x3xi32>, tensor<?x8x3xf32>) -> tensor<?x8x3xf32> {
    %1 = nn.max_pool_grad %a, %b like %c {window = array<i64: 2>, strides = array<i64: 2>, dilations = array<i64: 1>, padding_low = array<i64: 0>, padding_high = array<i64: 0>} : (tensor<?x4x3xf32>, tensor<?x4x3xi32>, tensor<?x8x3xf32>) -> tensor<?x8x3xf32>
    nn.yield %1 : tensor<?x8x3xf32>
  }
  %2 = nn.group (%a = %x, %b = %y) : (tensor<?x8x3xf32>, tensor<?x4x3xf32>) -> tensor<?x4x3xi32> {
    %1 = nn.max_pool_index %a, %b {window = array<i64: 2>, strides = array<i64: 2>, dilations = array<i64: 1>, padding_low = array<i64: 0>, padding_high = array<i64: 0>} : (tensor<?x8x3xf32>, tensor<?x4x3xf32>) -> tensor<?x4x3xi32>
    nn.yield %1 : tensor<?x4x3xi32>
  }
  return %0, %2 : tensor<?x8x3xf32>, tensor<?x4x3xi32>
}

// -----

// Two windows of three, two apart, may reach a position; each shares by the taps that are within the input.
// CHECK-LABEL: halide.pipeline @avg_pool_grad {
// CHECK: halide.update @pool_grad(%n, %x, %c) over (%rx in 0 to 2) where {
// CHECK: } {
// CHECK: %[[COUNT:.*]] = arith.sitofp
// CHECK: arith.divf %{{.*}}, %[[COUNT]]
func.func @avg(%g: tensor<?x4x3xf32>, %x: tensor<?x7x3xf32>) -> tensor<?x7x3xf32> {
  %0 = nn.group (%a = %g, %c = %x) : (tensor<?x4x3xf32>, tensor<?x7x3xf32>) -> tensor<?x7x3xf32> {
    %1 = nn.avg_pool_grad %a like %c {window = array<i64: 3>, strides = array<i64: 2>, dilations = array<i64: 1>, padding_low = array<i64: 1>, padding_high = array<i64: 1>} : (tensor<?x4x3xf32>, tensor<?x7x3xf32>) -> tensor<?x7x3xf32>
    nn.yield %1 : tensor<?x7x3xf32>
  }
  return %0 : tensor<?x7x3xf32>
}

// -----

// Unsigned bytes are compared as such, from zero on.
// CHECK-LABEL: halide.pipeline @max_pool {
// CHECK: halide.func @max_pool
// CHECK-NEXT: arith.constant 0 : i8
// CHECK: arith.maxui
func.func @bytes(%x: tensor<?x4x3xui8>) -> tensor<?x3x3xui8> {
  %0 = nn.group (%a = %x) : (tensor<?x4x3xui8>) -> tensor<?x3x3xui8> {
    %1 = nn.max_pool %a {window = array<i64: 2>, strides = array<i64: 1>, dilations = array<i64: 1>, padding_low = array<i64: 0>, padding_high = array<i64: 0>} : (tensor<?x4x3xui8>) -> tensor<?x3x3xui8>
    nn.yield %1 : tensor<?x3x3xui8>
  }
  return %0 : tensor<?x3x3xui8>
}
