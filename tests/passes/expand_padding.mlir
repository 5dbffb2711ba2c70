// RUN: sylvite-opt %s -pass-pipeline='builtin.module(func.func(nn-expand-padding))' | FileCheck %s

// CHECK-LABEL: func.func @conv
// CHECK: %[[P:.*]] = nn.pad %arg0 low [0, 0, 1, 0] high [0, 2, 1, 0] : (tensor<?x5x5x2xf32>) -> tensor<?x7x7x2xf32>
// CHECK: nn.conv %[[P]], %arg1 {{{.*}}padding_high = array<i64: 0, 0>, padding_low = array<i64: 0, 0>{{.*}}} : (tensor<?x7x7x2xf32>, tensor<3x3x2x4xf32>) -> tensor<?x5x5x4xf32>
func.func @conv(%x: tensor<?x5x5x2xf32>, %w: tensor<3x3x2x4xf32>) -> tensor<?x5x5x4xf32> {
  %0 = nn.conv %x, %w {strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, padding_low = array<i64: 0, 1>, padding_high = array<i64: 2, 1>} : (tensor<?x5x5x2xf32>, tensor<3x3x2x4xf32>) -> tensor<?x5x5x4xf32>
  return %0 : tensor<?x5x5x4xf32>
}
