// RUN: sylvite-opt %s | sylvite-opt | FileCheck %s

// CHECK-LABEL: func.func @max
// CHECK: nn.max_pool %arg0 {dilations = array<i64: 1, 2>, padding_high = array<i64: 1, 0>, padding_low = array<i64: 0, 1>, strides = array<i64: 2, 1>, window = array<i64: 2, 3>} : (tensor<?x7x8x3xf32>) -> tensor<?x4x5x3xf32>
func.func @max(%x: tensor<?x7x8x3xf32>) -> tensor<?x4x5x3xf32> {
  %0 = nn.max_pool %x {window = array<i64: 2, 3>, strides = array<i64: 2, 1>, dilations = array<i64: 1, 2>, padding_low = array<i64: 0, 1>, padding_high = array<i64: 1, 0>} : (tensor<?x7x8x3xf32>) -> tensor<?x4x5x3xf32>
  return %0 : tensor<?x4x5x3xf32>
}

// CHECK-LABEL: func.func @average
// CHECK: nn.avg_pool %arg0 {count_include_pad, dilations = array<i64: 1>, padding_high = array<i64: 1>, padding_low = array<i64: 1>, strides = array<i64: 2>, window = array<i64: 3>} : (tensor<?x?x3xf32>) -> tensor<?x?x3xf32>
func.func @average(%x: tensor<?x?x3xf32>) -> tensor<?x?x3xf32> {
  %0 = nn.avg_pool %x {window = array<i64: 3>, strides = array<i64: 2>, dilations = array<i64: 1>, padding_low = array<i64: 1>, padding_high = array<i64: 1>, count_include_pad} : (tensor<?x?x3xf32>) -> tensor<?x?x3xf32>
  return %0 : tensor<?x?x3xf32>
}

// CHECK-LABEL: func.func @gradients
// CHECK: nn.max_pool_index %arg0, %arg1 {dilations = array<i64: 1>, padding_high = array<i64: 0>, padding_low = array<i64: 0>, strides = array<i64: 2>, window = array<i64: 2>} : (tensor<?x8x3xf32>, tensor<?x4x3xf32>) -> tensor<?x4x3xi32>
// CHECK: nn.max_pool_grad %arg2, %0 like %arg0 {dilations = array<i64: 1>, padding_high = array<i64: 0>, padding_low = array<i64: 0>, strides = array<i64: 2>, window = array<i64: 2>} : (tensor<?x4x3xf32>, tensor<?x4x3xi32>, tensor<?x8x3xf32>) -> tensor<?x8x3xf32>
// CHECK: nn.avg_pool_grad %arg2 like %arg0 {count_include_pad, dilations = array<i64: 1>, padding_high = array<i64: 0>, padding_low = array<i64: 0>, strides = array<i64: 2>, window = array<i64: 2>} : (tensor<?x4x3xf32>, tensor<?x8x3xf32>) -> tensor<?x8x3xf32>
func.func @gradients(%x: tensor<?x8x3xf32>, %y: tensor<?x4x3xf32>, %g: tensor<?x4x3xf32>) -> (tensor<?x8x3xf32>, tensor<?x8x3xf32>) {
  %0 = nn.max_pool_index %x, %y {window = array<i64: 2>, strides = array<i64: 2>, dilations = array<i64: 1>, padding_low = array<i64: 0>, padding_high = array<i64: 0>} : (tensor<?x8x3xf32>, tensor<?x4x3xf32>) -> tensor<?x4x3xi32>
  %1 = nn.max_pool_grad %g, %0 like %x {window = array<i64: 2>, strides = array<i64: 2>, dilations = array<i64: 1>, padding_low = array<i64: 0>, padding_high = array<i64: 0>} : (tensor<?x4x3xf32>, tensor<?x4x3xi32>, tensor<?x8x3xf32>) -> tensor<?x8x3xf32>
  %2 = nn.avg_pool_grad %g like %x {window = array<i64: 2>, strides = array<i64: 2>, dilations = array<i64: 1>, padding_low = array<i64: 0>, padding_high = array<i64: 0>, count_include_pad} : (tensor<?x4x3xf32>, tensor<?x8x3xf32>) -> tensor<?x8x3xf32>
  return %1, %2 : tensor<?x8x3xf32>, tensor<?x8x3xf32>
}

// CHECK-LABEL: func.func @static_gradients
// CHECK: nn.max_pool_grad %arg0, %arg1 {{{.*}}} : (tensor<?x4x3xf32>, tensor<?x4x3xi32>) -> tensor<?x8x3xf32>
// CHECK: nn.avg_pool_grad %arg0 {{{.*}}} : (tensor<?x4x3xf32>) -> tensor<?x8x3xf32>
func.func @static_gradients(%g: tensor<?x4x3xf32>, %i: tensor<?x4x3xi32>) -> (tensor<?x8x3xf32>, tensor<?x8x3xf32>) {
  %0 = nn.max_pool_grad %g, %i {window = array<i64: 2>, strides = array<i64: 2>, dilations = array<i64: 1>, padding_low = array<i64: 0>, padding_high = array<i64: 0>} : (tensor<?x4x3xf32>, tensor<?x4x3xi32>) -> tensor<?x8x3xf32>
  %1 = nn.avg_pool_grad %g {window = array<i64: 2>, strides = array<i64: 2>, dilations = array<i64: 1>, padding_low = array<i64: 0>, padding_high = array<i64: 0>} : (tensor<?x4x3xf32>) -> tensor<?x8x3xf32>
  return %0, %1 : tensor<?x8x3xf32>, tensor<?x8x3xf32>
}
