// RUN: sylvite-opt %s -lower-to-halide -split-input-file | FileCheck %s

// Gathers: a tap counts where the output position is one that the stride reaches and the input has;
// filter columns are (output, input).
// CHECK-LABEL: halide.pipeline @conv_transpose_0 {
// CHECK: halide.update @conv_transpose(%n, %y, %x, %c) over (%ry in 0 to 3, %rx in 0 to 3, %rc in 0 to 3) where {
// CHECK: %[[SHIFTED:.*]] = arith.addi %y, %c2
// CHECK: %[[POSITION:.*]] = arith.subi %[[SHIFTED]], %ry
// CHECK: arith.floordivsi %[[POSITION]], %c2
// CHECK: arith.cmpi slt, %{{.*}}, %c4
// CHECK: arith.cmpi sge
// CHECK: arith.cmpi eq
// CHECK: arith.subi %{{.*}}, %rx
// CHECK: arith.cmpi slt, %{{.*}}, %c4
// CHECK: arith.cmpi eq
// CHECK: halide.at @in1[%ry, %rx, %c, %rc]
// CHECK: halide.at @in0[%n, %{{.*}}, %{{.*}}, %rc]
// CHECK: halide.at @conv_transpose[%n, %y, %x, %c]
// CHECK: arith.mulf
// CHECK: arith.addf
// CHECK: halide.output @out : tensor<?x9x9x5xf32>
func.func @conv_transpose(%x: tensor<?x4x4x3xf32>, %w: tensor<3x3x5x3xf32>) -> tensor<?x9x9x5xf32> {
  %0 = nn.group (%a = %x, %f = %w) : (tensor<?x4x4x3xf32>, tensor<3x3x5x3xf32>) -> tensor<?x9x9x5xf32> {
    %1 = nn.conv_transpose %a, %f {strides = array<i64: 2, 2>, dilations = array<i64: 1, 1>, padding_low = array<i64: 0, 0>, padding_high = array<i64: 0, 0>, output_padding = array<i64: 0, 0>} : (tensor<?x4x4x3xf32>, tensor<3x3x5x3xf32>) -> tensor<?x9x9x5xf32>
    nn.yield %1 : tensor<?x9x9x5xf32>
  }
  return %0 : tensor<?x9x9x5xf32>
}

// -----

// Taps are a dilation apart, outputs a stride; without padding there is no predicate.
// CHECK-LABEL: halide.pipeline @conv {
// CHECK: halide.update @conv(%n, %x, %c) over (%rx in 0 to 3, %rc in 0 to 2) {
// CHECK: %[[TAP:.*]] = arith.muli %rx, %c2
// CHECK: %[[START:.*]] = arith.muli %x, %c2
// CHECK: %[[X:.*]] = arith.addi %[[START]], %[[TAP]]
// CHECK: halide.at @in1[%rx, %rc, %c]
// CHECK: halide.at @in0[%n, %[[X]], %rc]
func.func @dilated(%x: tensor<?x9x2xf32>, %w: tensor<3x2x4xf32>) -> tensor<?x3x4xf32> {
  %0 = nn.group (%a = %x, %f = %w) : (tensor<?x9x2xf32>, tensor<3x2x4xf32>) -> tensor<?x3x4xf32> {
    %1 = nn.conv %a, %f {strides = array<i64: 2>, dilations = array<i64: 2>, padding_low = array<i64: 0>, padding_high = array<i64: 0>} : (tensor<?x9x2xf32>, tensor<3x2x4xf32>) -> tensor<?x3x4xf32>
    nn.yield %1 : tensor<?x3x4xf32>
  }
  return %0 : tensor<?x3x4xf32>
}
