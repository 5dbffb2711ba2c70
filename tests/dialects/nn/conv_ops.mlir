// RUN: sylvite-opt %s | sylvite-opt | FileCheck %s

// CHECK-LABEL: func.func @conv2d
// CHECK: nn.conv %arg0, %arg1 {dilations = array<i64: 1, 2>, padding_high = array<i64: 1, 2>, padding_low = array<i64: 0, 2>, strides = array<i64: 2, 1>} : (tensor<?x28x28x3xf32>, tensor<3x3x3x32xf32>) -> tensor<?x14x28x32xf32>
func.func @conv2d(%x: tensor<?x28x28x3xf32>, %w: tensor<3x3x3x32xf32>) -> tensor<?x14x28x32xf32> {
  %0 = nn.conv %x, %w {strides = array<i64: 2, 1>, dilations = array<i64: 1, 2>, padding_low = array<i64: 0, 2>, padding_high = array<i64: 1, 2>} : (tensor<?x28x28x3xf32>, tensor<3x3x3x32xf32>) -> tensor<?x14x28x32xf32>
  return %0 : tensor<?x14x28x32xf32>
}

// Depthwise, on a free row.
// CHECK-LABEL: func.func @depthwise1d
// CHECK: nn.conv %arg0, %arg1 {{{.*}}groups = 4 : i64{{.*}}} : (tensor<?x?x4xf32>, tensor<3x1x8xf32>) -> tensor<?x?x8xf32>
func.func @depthwise1d(%x: tensor<?x?x4xf32>, %w: tensor<3x1x8xf32>) -> tensor<?x?x8xf32> {
  %0 = nn.conv %x, %w {strides = array<i64: 1>, dilations = array<i64: 1>, padding_low = array<i64: 0>, padding_high = array<i64: 0>, groups = 4 : i64} : (tensor<?x?x4xf32>, tensor<3x1x8xf32>) -> tensor<?x?x8xf32>
  return %0 : tensor<?x?x8xf32>
}

// CHECK-LABEL: func.func @conv3d
// CHECK: nn.conv {{.*}} -> tensor<2x2x1x1x4xf32>
func.func @conv3d(%x: tensor<2x4x3x3x2xf32>, %w: tensor<3x3x3x2x4xf32>) -> tensor<2x2x1x1x4xf32> {
  %0 = nn.conv %x, %w {strides = array<i64: 1, 1, 1>, dilations = array<i64: 1, 1, 1>, padding_low = array<i64: 0, 0, 0>, padding_high = array<i64: 0, 0, 0>} : (tensor<2x4x3x3x2xf32>, tensor<3x3x3x2x4xf32>) -> tensor<2x2x1x1x4xf32>
  return %0 : tensor<2x2x1x1x4xf32>
}

// (5 - 1) * 2 + 3 - 1 - 0 + 1 = 11
// CHECK-LABEL: func.func @transposed
// CHECK: nn.conv_transpose %arg0, %arg1 {dilations = array<i64: 1>, output_padding = array<i64: 1>, padding_high = array<i64: 0>, padding_low = array<i64: 1>, strides = array<i64: 2>} : (tensor<?x5x4xf32>, tensor<3x6x4xf32>) -> tensor<?x11x6xf32>
func.func @transposed(%x: tensor<?x5x4xf32>, %w: tensor<3x6x4xf32>) -> tensor<?x11x6xf32> {
  %0 = nn.conv_transpose %x, %w {strides = array<i64: 2>, dilations = array<i64: 1>, padding_low = array<i64: 1>, padding_high = array<i64: 0>, output_padding = array<i64: 1>} : (tensor<?x5x4xf32>, tensor<3x6x4xf32>) -> tensor<?x11x6xf32>
  return %0 : tensor<?x11x6xf32>
}

// Two groups of three outputs each; a negative padding extends the result.
// CHECK-LABEL: func.func @transposed_groups
// CHECK: nn.conv_transpose %arg0, %arg1 {{{.*}}groups = 2 : i64{{.*}}padding_low = array<i64: -1>{{.*}}} : (tensor<?x5x4xf32>, tensor<3x3x4xf32>) -> tensor<?x8x6xf32>
func.func @transposed_groups(%x: tensor<?x5x4xf32>, %w: tensor<3x3x4xf32>) -> tensor<?x8x6xf32> {
  %0 = nn.conv_transpose %x, %w {strides = array<i64: 1>, dilations = array<i64: 1>, padding_low = array<i64: -1>, padding_high = array<i64: 0>, output_padding = array<i64: 0>, groups = 2 : i64} : (tensor<?x5x4xf32>, tensor<3x3x4xf32>) -> tensor<?x8x6xf32>
  return %0 : tensor<?x8x6xf32>
}

// CHECK-LABEL: func.func @packed
// CHECK: nn.packed_conv %arg0, %arg1 {dilations = array<i64: 1, 1>, filters = 20 : i64, strides = array<i64: 1, 1>} : (tensor<?x9x9x4xf32>, tensor<2x2x3x3x2x8xf32>) -> tensor<?x7x7x2x10xf32>
// CHECK: nn.packed_conv %arg0, %arg2 {dilations = array<i64: 2, 2>, filters = 8 : i64, flatten, strides = array<i64: 2, 2>} : (tensor<?x9x9x4xf32>, tensor<1x1x3x3x4x8xf32>) -> tensor<?x9x8xf32>
func.func @packed(%x: tensor<?x9x9x4xf32>, %w: tensor<2x2x3x3x2x8xf32>, %v: tensor<1x1x3x3x4x8xf32>) {
  %0 = nn.packed_conv %x, %w {filters = 20 : i64, strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>} : (tensor<?x9x9x4xf32>, tensor<2x2x3x3x2x8xf32>) -> tensor<?x7x7x2x10xf32>
  %1 = nn.packed_conv %x, %v {filters = 8 : i64, strides = array<i64: 2, 2>, dilations = array<i64: 2, 2>, flatten} : (tensor<?x9x9x4xf32>, tensor<1x1x3x3x4x8xf32>) -> tensor<?x9x8xf32>
  return
}

// CHECK-LABEL: func.func @winograd
// CHECK: nn.winograd_filter %arg1 {tile = 2 : i64} : (tensor<3x3x4x12xf32>) -> tensor<4x4x4x12xf32>
// CHECK: nn.winograd_conv %arg0, %arg2 {filters = 12 : i64, padding_high = array<i64: 2, 0>, padding_low = array<i64: 1, 0>, tile = 4 : i64} : (tensor<?x9x9x4xf32>, tensor<2x36x4x8xf32>) -> tensor<?x10x7x12xf32>
func.func @winograd(%x: tensor<?x9x9x4xf32>, %w: tensor<3x3x4x12xf32>, %u: tensor<2x36x4x8xf32>) {
  %0 = nn.winograd_filter %w {tile = 2 : i64} : (tensor<3x3x4x12xf32>) -> tensor<4x4x4x12xf32>
  %1 = nn.winograd_conv %x, %u {filters = 12 : i64, tile = 4 : i64, padding_low = array<i64: 1, 0>, padding_high = array<i64: 2, 0>} : (tensor<?x9x9x4xf32>, tensor<2x36x4x8xf32>) -> tensor<?x10x7x12xf32>
  // CHECK: nn.winograd_conv %arg0, %arg2 {filters = 12 : i64, items = 8 : i64,
  %2 = nn.winograd_conv %x, %u {filters = 12 : i64, tile = 4 : i64, padding_low = array<i64: 1, 0>, padding_high = array<i64: 2, 0>, items = 8 : i64} : (tensor<?x9x9x4xf32>, tensor<2x36x4x8xf32>) -> tensor<?x10x7x12xf32>
  return
}

// CHECK-LABEL: func.func @grad_filter
// CHECK: nn.conv_grad_filter %arg0, %arg1 {dilations = array<i64: 1, 2>, groups = 2 : i64, padding_high = array<i64: 1, 0>, padding_low = array<i64: 1, 0>, strides = array<i64: 2, 1>, window = array<i64: 3, 2>} : (tensor<?x8x8x4xf32>, tensor<?x4x6x6xf32>) -> tensor<3x2x2x6xf32>
func.func @grad_filter(%x: tensor<?x8x8x4xf32>, %g: tensor<?x4x6x6xf32>) -> tensor<3x2x2x6xf32> {
  %0 = nn.conv_grad_filter %x, %g {window = array<i64: 3, 2>, strides = array<i64: 2, 1>, dilations = array<i64: 1, 2>, padding_low = array<i64: 1, 0>, padding_high = array<i64: 1, 0>, groups = 2 : i64} : (tensor<?x8x8x4xf32>, tensor<?x4x6x6xf32>) -> tensor<3x2x2x6xf32>
  return %0 : tensor<3x2x2x6xf32>
}

// CHECK-LABEL: func.func @winograd_gradient
// CHECK: nn.winograd_grad_filter %arg0, %arg1 {padding_high = array<i64: 1, 0>, padding_low = array<i64: 1, 2>, tile = 4 : i64} : (tensor<?x9x8x4xf32>, tensor<?x9x8x12xf32>) -> tensor<3x3x4x12xf32>
func.func @winograd_gradient(%x: tensor<?x9x8x4xf32>, %g: tensor<?x9x8x12xf32>) -> tensor<3x3x4x12xf32> {
  %0 = nn.winograd_grad_filter %x, %g {tile = 4 : i64, padding_low = array<i64: 1, 2>, padding_high = array<i64: 1, 0>} : (tensor<?x9x8x4xf32>, tensor<?x9x8x12xf32>) -> tensor<3x3x4x12xf32>
  return %0 : tensor<3x3x4x12xf32>
}
