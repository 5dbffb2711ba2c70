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
