// RUN: sylvite-opt %s -nn-train | FileCheck %s

// A convolution takes the padding before it, so that no gradient of it is computed. Bias and activation come after the pooling,
// and the choice of its taps, which stands for its input in the gradient, right after the maxima.
// CHECK: func.func @train_step(
// CHECK: %[[CONV:.*]] = nn.conv %arg0, %{{.*}} {{{.*}}padding_high = array<i64: 1, 1>, padding_low = array<i64: 1, 1>
// CHECK: %[[MAX:.*]] = nn.max_pool %[[CONV]]
// CHECK-NEXT: %[[INDEX:.*]] = nn.max_pool_index %[[CONV]], %[[MAX]]
// CHECK-NEXT: %[[BIASED:.*]] = nn.map(%[[MAX]], %{{.*}}) : (tensor<?x4x4x6xf32>, tensor<6xf32>) -> tensor<?x4x4x6xf32>
// CHECK: arith.addf
// CHECK: nn.map(%[[BIASED]]) : (tensor<?x4x4x6xf32>) -> tensor<?x4x4x6xf32>
// CHECK: arith.maximumf
// The function that falls stays before its pooling.
// CHECK: %[[FALLING:.*]] = nn.map
// CHECK: arith.subf
// CHECK: nn.max_pool %[[FALLING]]
// The bias has the gradient of what is pooled.
// CHECK: nn.reduce sum %{{.*}} dims [0, 1, 2] : (tensor<?x4x4x6xf32>) -> tensor<6xf32>
// CHECK: %[[SPREAD:.*]] = nn.max_pool_grad %{{.*}}, %[[INDEX]] {{{.*}}} : (tensor<?x4x4x6xf32>, tensor<?x4x4x6xi32>) -> tensor<?x8x8x6xf32>
// CHECK: nn.conv_grad_filter %arg0, %[[SPREAD]]
module attributes {nn.training = {
    losses = [{kind = "mean_squared_error"}],
    optimizer = {kind = "sgd", learning_rate = 0.1}}} {
  nn.parameter trainable @kernel : tensor<3x3x1x6xf32>
  nn.parameter trainable @bias : tensor<6xf32>
  func.func @forward(%x: tensor<?x8x8x1xf32> {nn.name = "x", nn.dims = ["batch", "", "", ""]}) -> (tensor<?x2x2x6xf32> {nn.name = "y"}) {
    %kernel = nn.get @kernel : tensor<3x3x1x6xf32>
    %bias = nn.get @bias : tensor<6xf32>
    %0 = nn.pad %x low [0, 1, 1, 0] high [0, 1, 1, 0] : (tensor<?x8x8x1xf32>) -> tensor<?x10x10x1xf32>
    %1 = nn.conv %0, %kernel {strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, padding_low = array<i64: 0, 0>, padding_high = array<i64: 0, 0>} : (tensor<?x10x10x1xf32>, tensor<3x3x1x6xf32>) -> tensor<?x8x8x6xf32>
    %2 = nn.map (%1, %bias) : (tensor<?x8x8x6xf32>, tensor<6xf32>) -> tensor<?x8x8x6xf32> {
    ^bb0(%a: f32, %b: f32):
      %s = arith.addf %a, %b : f32
      nn.yield %s : f32
    }
    %3 = nn.map (%2) : (tensor<?x8x8x6xf32>) -> tensor<?x8x8x6xf32> {
    ^bb0(%a: f32):
      %z = arith.constant 0.0 : f32
      %m = arith.maximumf %a, %z : f32
      nn.yield %m : f32
    }
    %4 = nn.max_pool %3 {window = array<i64: 2, 2>, strides = array<i64: 2, 2>, dilations = array<i64: 1, 1>, padding_low = array<i64: 0, 0>, padding_high = array<i64: 0, 0>} : (tensor<?x8x8x6xf32>) -> tensor<?x4x4x6xf32>
    %5 = nn.map (%4) : (tensor<?x4x4x6xf32>) -> tensor<?x4x4x6xf32> {
    ^bb0(%a: f32):
      %one = arith.constant 1.0 : f32
      %m = arith.subf %one, %a : f32
      nn.yield %m : f32
    }
    %6 = nn.max_pool %5 {window = array<i64: 2, 2>, strides = array<i64: 2, 2>, dilations = array<i64: 1, 1>, padding_low = array<i64: 0, 0>, padding_high = array<i64: 0, 0>} : (tensor<?x4x4x6xf32>) -> tensor<?x2x2x6xf32>
    return %6 : tensor<?x2x2x6xf32>
  }
}
