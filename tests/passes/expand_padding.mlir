// RUN: sylvite-opt %s -pass-pipeline='builtin.module(func.func(nn-expand-padding))' | FileCheck %s

// CHECK-LABEL: func.func @conv
// CHECK: %[[P:.*]] = nn.pad %arg0 low [0, 0, 1, 0] high [0, 2, 1, 0] : (tensor<?x5x5x2xf32>) -> tensor<?x7x7x2xf32>
// CHECK: nn.conv %[[P]], %arg1 {{{.*}}padding_high = array<i64: 0, 0>, padding_low = array<i64: 0, 0>{{.*}}} : (tensor<?x7x7x2xf32>, tensor<3x3x2x4xf32>) -> tensor<?x5x5x4xf32>
func.func @conv(%x: tensor<?x5x5x2xf32>, %w: tensor<3x3x2x4xf32>) -> tensor<?x5x5x4xf32> {
  %0 = nn.conv %x, %w {strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, padding_low = array<i64: 0, 1>, padding_high = array<i64: 2, 1>} : (tensor<?x5x5x2xf32>, tensor<3x3x2x4xf32>) -> tensor<?x5x5x4xf32>
  return %0 : tensor<?x5x5x4xf32>
}

// An image of three channels is padded as rows of numbers, with what is computed on the way.
// CHECK-LABEL: func.func @image
// CHECK: %[[R:.*]] = nn.reshape %arg0 from [0, 1, -1] : tensor<?x4x4x3xf32> to tensor<?x4x12xf32>
// CHECK: %[[M:.*]] = nn.map(%[[R]])
// CHECK: %[[P:.*]] = nn.pad %[[M]] low [0, 0, 0] high [0, 1, 3] : (tensor<?x4x12xf32>) -> tensor<?x5x15xf32>
// CHECK: nn.reshape %[[P]] from [0, 1, -1, -1] : tensor<?x5x15xf32> to tensor<?x5x5x3xf32>
func.func @image(%x: tensor<?x4x4x3xf32>, %w: tensor<1x1x3x3x3x8xf32>) -> tensor<?x2x2x8xf32> {
  %0 = nn.map (%x) : (tensor<?x4x4x3xf32>) -> tensor<?x4x4x3xf32> {
  ^bb0(%e: f32):
    %s = arith.addf %e, %e : f32
    nn.yield %s : f32
  }
  %1 = nn.pad %0 low [0, 0, 0, 0] high [0, 1, 1, 0] : (tensor<?x4x4x3xf32>) -> tensor<?x5x5x3xf32>
  %2 = nn.packed_conv %1, %w {strides = array<i64: 2, 2>, dilations = array<i64: 1, 1>, filters = 8 : i64} : (tensor<?x5x5x3xf32>, tensor<1x1x3x3x3x8xf32>) -> tensor<?x2x2x8xf32>
  return %2 : tensor<?x2x2x8xf32>
}

// An image with its channels first is padded as it is given.
// CHECK-LABEL: func.func @channels_first
// CHECK: %[[P:.*]] = nn.pad %arg0 low [0, 0, 0, 1] high [0, 0, 1, 0] : (tensor<?x3x?x?xf32>) -> tensor<?x3x?x?xf32>
// CHECK: nn.transpose %[[P]] [0, 2, 3, 1]
// CHECK-NEXT: nn.packed_conv
func.func @channels_first(%x: tensor<?x3x?x?xf32>, %w: tensor<1x1x3x3x3x8xf32>) -> tensor<?x?x?x8xf32> {
  %0 = nn.transpose %x [0, 2, 3, 1] : (tensor<?x3x?x?xf32>) -> tensor<?x?x?x3xf32>
  %1 = nn.pad %0 low [0, 0, 1, 0] high [0, 1, 0, 0] : (tensor<?x?x?x3xf32>) -> tensor<?x?x?x3xf32>
  %2 = nn.packed_conv %1, %w {strides = array<i64: 2, 2>, dilations = array<i64: 1, 1>, filters = 8 : i64} : (tensor<?x?x?x3xf32>, tensor<1x1x3x3x3x8xf32>) -> tensor<?x?x?x8xf32>
  return %2 : tensor<?x?x?x8xf32>
}

// A reflection repeats positions, not numbers of a row.
// CHECK-LABEL: func.func @reflected
// CHECK: nn.pad %arg0 low [0, 2, 0] high [0, 0, 0] {mode = 1 : i32} : (tensor<?x8x4xf32>) -> tensor<?x10x4xf32>
func.func @reflected(%x: tensor<?x8x4xf32>, %w: tensor<1x1x4x4x8xf32>) -> tensor<?x4x8xf32> {
  %0 = nn.pad %x low [0, 2, 0] high [0, 0, 0] {mode = 1 : i32} : (tensor<?x8x4xf32>) -> tensor<?x10x4xf32>
  %1 = nn.packed_conv %0, %w {strides = array<i64: 2>, dilations = array<i64: 1>, filters = 8 : i64} : (tensor<?x10x4xf32>, tensor<1x1x4x4x8xf32>) -> tensor<?x4x8xf32>
  return %1 : tensor<?x4x8xf32>
}
