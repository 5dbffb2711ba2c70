// RUN: sylvite-opt %s -split-input-file -pass-pipeline='builtin.module(func.func(nn-plan-contractions))' | FileCheck %s

// A window of three under a stride of two: rows of an even number gather two taps, the others one. Along a row both
// phases are channels of one convolution, the shorter one with a tap of zeros.
// CHECK-LABEL: func.func @phases
// CHECK: %[[F:.*]] = nn.pad %{{.*}} low [0, 0, 0, 0] high [0, 1, 0, 0] : (tensor<3x3x5x4xf32>) -> tensor<3x4x5x4xf32>
// CHECK: nn.slice %[[F]] starts [0, 0, 0, 0] sizes [2, 2, 5, 4] strides [2, 2, 1, 1]
// CHECK: nn.slice %[[F]] starts [0, 1, 0, 0] sizes [2, 2, 5, 4] strides [2, 2, 1, 1]
// CHECK: nn.concat %{{.*}}, %{{.*}} dim 3 : (tensor<2x2x4x5xf32>, tensor<2x2x4x5xf32>) -> tensor<2x2x4x10xf32>
// CHECK: nn.pad %arg0 low [0, 1, 1, 0] high [0, 0, 0, 0]
// CHECK: %[[EVEN:.*]] = nn.packed_conv {{.*}} filters = 10 {{.*}} -> tensor<?x8x8x10xf32>
// CHECK: nn.pad %arg0 low [0, 0, 1, 0] high [0, 0, 0, 0]
// CHECK: %[[ODD:.*]] = nn.packed_conv {{.*}} filters = 10 {{.*}} -> tensor<?x8x8x10xf32>
// CHECK: %[[A:.*]] = nn.reshape %[[EVEN]] from [0, -1, -1, -1] : tensor<?x8x8x10xf32> to tensor<?x8x1x80xf32>
// CHECK: %[[B:.*]] = nn.reshape %[[ODD]] from [0, -1, -1, -1] : tensor<?x8x8x10xf32> to tensor<?x8x1x80xf32>
// CHECK: nn.concat %[[A]], %[[B]] dim 2
// CHECK: nn.reshape {{.*}} to tensor<?x16x16x5xf32>
// CHECK-NOT: nn.conv_transpose
nn.parameter @w : tensor<3x3x5x4xf32>
func.func @phases(%x: tensor<?x8x8x4xf32>) -> tensor<?x16x16x5xf32> {
  %w = nn.get @w : tensor<3x3x5x4xf32>
  %0 = nn.conv_transpose %x, %w {strides = array<i64: 2, 2>, dilations = array<i64: 1, 1>, padding_low = array<i64: 0, 0>, padding_high = array<i64: 1, 1>, output_padding = array<i64: 0, 0>} : (tensor<?x8x8x4xf32>, tensor<3x3x5x4xf32>) -> tensor<?x16x16x5xf32>
  return %0 : tensor<?x16x16x5xf32>
}

// -----

// Phases that no tap reaches are zero; what the padding cuts off is sliced off.
// CHECK-LABEL: func.func @narrow
// CHECK: nn.packed_matmul
// CHECK: nn.pad %{{.*}} low [0, 0, 0, 0] high [0, 0, 1, 0]
// CHECK: nn.slice %{{.*}} starts [0, 0, 1, 0] sizes [-1, 15, 7, 5] strides [1, 1, 1, 1]
nn.parameter @w : tensor<1x2x5x4xf32>
func.func @narrow(%x: tensor<?x8x4x4xf32>) -> tensor<?x15x7x5xf32> {
  %w = nn.get @w : tensor<1x2x5x4xf32>
  %0 = nn.conv_transpose %x, %w {strides = array<i64: 2, 2>, dilations = array<i64: 1, 1>, padding_low = array<i64: 0, 1>, padding_high = array<i64: 0, 0>, output_padding = array<i64: 0, 0>} : (tensor<?x8x4x4xf32>, tensor<1x2x5x4xf32>) -> tensor<?x15x7x5xf32>
  return %0 : tensor<?x15x7x5xf32>
}

// -----

// Maps that treat all positions alike are computed on each phase, with what they take of each channel repeated for the phases that
// are channels; one that reads another value of each position stays. Few channels are a row first.
// CHECK-LABEL: func.func @mapped
// CHECK: %[[EVEN:.*]] = nn.packed_conv {{.*}} -> tensor<?x?x?x16xf32>
// CHECK-NEXT: %[[TWICE:.*]] = nn.concat %{{.*}}, %{{.*}} dim 0 : (tensor<8xf32>, tensor<8xf32>) -> tensor<16xf32>
// CHECK-NEXT: nn.map(%[[EVEN]], %[[TWICE]])
// CHECK: %[[ODD:.*]] = nn.packed_conv {{.*}} -> tensor<?x?x?x16xf32>
// CHECK: nn.map(%[[ODD]], %{{.*}})
// CHECK: nn.concat %{{.*}}, %{{.*}} dim 2
// CHECK: %[[WHOLE:.*]] = nn.reshape {{.*}} to tensor<?x?x?x8xf32>
// CHECK: nn.map(%[[WHOLE]], %arg1)
// CHECK-LABEL: func.func @narrow_map
// CHECK: nn.concat %{{.*}}, %{{.*}} dim 2
// CHECK: nn.map
nn.parameter @w : tensor<2x2x8x4xf32>
nn.parameter @b : tensor<8xf32>
nn.parameter @narrow : tensor<2x2x1x4xf32>
func.func @mapped(%x: tensor<?x?x?x4xf32>, %y: tensor<?x?x?x8xf32>) -> tensor<?x?x?x8xf32> {
  %w = nn.get @w : tensor<2x2x8x4xf32>
  %b = nn.get @b : tensor<8xf32>
  %0 = nn.conv_transpose %x, %w {strides = array<i64: 2, 2>, dilations = array<i64: 1, 1>, padding_low = array<i64: 0, 0>, padding_high = array<i64: 0, 0>, output_padding = array<i64: 0, 0>} : (tensor<?x?x?x4xf32>, tensor<2x2x8x4xf32>) -> tensor<?x?x?x8xf32>
  %1 = nn.map (%0, %b) : (tensor<?x?x?x8xf32>, tensor<8xf32>) -> tensor<?x?x?x8xf32> {
  ^bb0(%e: f32, %f: f32):
    %s = arith.addf %e, %f : f32
    nn.yield %s : f32
  }
  %2 = nn.map (%1, %y) : (tensor<?x?x?x8xf32>, tensor<?x?x?x8xf32>) -> tensor<?x?x?x8xf32> {
  ^bb0(%e: f32, %f: f32):
    %s = arith.mulf %e, %f : f32
    nn.yield %s : f32
  }
  return %2 : tensor<?x?x?x8xf32>
}
func.func @narrow_map(%x: tensor<?x?x?x4xf32>) -> tensor<?x?x?x1xf32> {
  %w = nn.get @narrow : tensor<2x2x1x4xf32>
  %0 = nn.conv_transpose %x, %w {strides = array<i64: 2, 2>, dilations = array<i64: 1, 1>, padding_low = array<i64: 0, 0>, padding_high = array<i64: 0, 0>, output_padding = array<i64: 0, 0>} : (tensor<?x?x?x4xf32>, tensor<2x2x1x4xf32>) -> tensor<?x?x?x1xf32>
  %1 = nn.map (%0) : (tensor<?x?x?x1xf32>) -> tensor<?x?x?x1xf32> {
  ^bb0(%e: f32):
    %s = math.exp %e : f32
    nn.yield %s : f32
  }
  return %1 : tensor<?x?x?x1xf32>
}

// -----

// With a stride of one it is a convolution with the filter turned about.
// CHECK-LABEL: func.func @plain
// CHECK-NOT: nn.concat
// CHECK: nn.slice %{{.*}} starts [2, 0, 0] sizes [3, 4, 2] strides [-1, 1, 1]
// CHECK: nn.packed_conv
// A free spatial size of whose phases the end is cut off, and a dilation beside a stride, stay.
// CHECK-LABEL: func.func @stays
// CHECK-COUNT-2: nn.conv_transpose
nn.parameter @w : tensor<3x4x2xf32>
func.func @plain(%x: tensor<?x5x2xf32>) -> tensor<?x7x4xf32> {
  %w = nn.get @w : tensor<3x4x2xf32>
  %0 = nn.conv_transpose %x, %w {strides = array<i64: 1>, dilations = array<i64: 1>, padding_low = array<i64: 0>, padding_high = array<i64: 0>, output_padding = array<i64: 0>} : (tensor<?x5x2xf32>, tensor<3x4x2xf32>) -> tensor<?x7x4xf32>
  return %0 : tensor<?x7x4xf32>
}
func.func @stays(%x: tensor<?x?x2xf32>, %y: tensor<?x5x2xf32>) -> (tensor<?x?x4xf32>, tensor<?x13x4xf32>) {
  %w = nn.get @w : tensor<3x4x2xf32>
  %0 = nn.conv_transpose %x, %w {strides = array<i64: 2>, dilations = array<i64: 1>, padding_low = array<i64: 0>, padding_high = array<i64: 0>, output_padding = array<i64: 0>} : (tensor<?x?x2xf32>, tensor<3x4x2xf32>) -> tensor<?x?x4xf32>
  %1 = nn.conv_transpose %y, %w {strides = array<i64: 2>, dilations = array<i64: 2>, padding_low = array<i64: 0>, padding_high = array<i64: 0>, output_padding = array<i64: 0>} : (tensor<?x5x2xf32>, tensor<3x4x2xf32>) -> tensor<?x13x4xf32>
  return %0, %1 : tensor<?x?x4xf32>, tensor<?x13x4xf32>
}

// -----

// Free spatial sizes: where the phases are the whole result, putting them together is a view of each dimension in turn.
// CHECK-LABEL: func.func @free
// CHECK: %[[EVEN:.*]] = nn.packed_conv {{.*}} filters = 10 {{.*}} -> tensor<?x?x?x10xf32>
// CHECK: %[[ODD:.*]] = nn.packed_conv {{.*}} filters = 10 {{.*}} -> tensor<?x?x?x10xf32>
// CHECK: %[[A:.*]] = nn.reshape %[[EVEN]] from [0, 1, -1, -1] : tensor<?x?x?x10xf32> to tensor<?x?x1x?xf32>
// CHECK: %[[B:.*]] = nn.reshape %[[ODD]] from [0, 1, -1, -1] : tensor<?x?x?x10xf32> to tensor<?x?x1x?xf32>
// CHECK: %[[ROWS:.*]] = nn.concat %[[A]], %[[B]] dim 2 : (tensor<?x?x1x?xf32>, tensor<?x?x1x?xf32>) -> tensor<?x?x2x?xf32>
// CHECK: %[[JOINED:.*]] = nn.reshape %[[ROWS]] from [0, -1, 3] : tensor<?x?x2x?xf32> to tensor<?x?x?xf32>
// CHECK: nn.reshape %[[JOINED]] from [0, 1, -1, -1] : tensor<?x?x?xf32> to tensor<?x?x?x5xf32>
nn.parameter @w : tensor<2x2x5x4xf32>
func.func @free(%x: tensor<?x?x?x4xf32>) -> tensor<?x?x?x5xf32> {
  %w = nn.get @w : tensor<2x2x5x4xf32>
  %0 = nn.conv_transpose %x, %w {strides = array<i64: 2, 2>, dilations = array<i64: 1, 1>, padding_low = array<i64: 0, 0>, padding_high = array<i64: 0, 0>, output_padding = array<i64: 0, 0>} : (tensor<?x?x?x4xf32>, tensor<2x2x5x4xf32>) -> tensor<?x?x?x5xf32>
  return %0 : tensor<?x?x?x5xf32>
}
