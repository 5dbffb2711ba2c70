// RUN: sylvite-opt %s -nn-train -nn-simplify | FileCheck %s

// The penalty of a layer's results is a part of every loss, by item; a constraint comes after the update, over the parameter's own shape.
// CHECK-NOT: nn.activity_penalty
// CHECK: func.func @train_step(%[[X:.*]]: tensor<?x3xf32> {{.*}}, %{{.*}}: tensor<?x2xf32>
// CHECK: %[[Y:.*]] = nn.matmul %[[X]]
// CHECK: nn.reduce sum_square %[[Y]] dims [0, 1] : (tensor<?x2xf32>) -> tensor<f32>
// CHECK: nn.matmul %[[X]], %{{.*}} {transpose_lhs}
// CHECK: %[[NEW:.*]] = nn.reshape %{{.*}} : tensor<6xf32> to tensor<3x2xf32>
// CHECK: %[[SQUARES:.*]] = nn.reduce sum_square %[[NEW]] dims [0] keep_dims : (tensor<3x2xf32>) -> tensor<1x2xf32>
// CHECK: %[[CONSTRAINED:.*]] = nn.map(%[[NEW]], %[[SQUARES]])
// CHECK: return {{.*}}%[[CONSTRAINED]]
// CHECK: func.func @evaluate
// CHECK: nn.reduce sum_square
// CHECK: func.func @gradients
// CHECK: nn.reduce sum_square
module attributes {nn.training = {losses = [{kind = "mean_squared_error"}], optimizer = {kind = "sgd"}}} {
  nn.parameter trainable @w : tensor<3x2xf32> {nn.constraint = {kind = "max_norm", max_value = 2.0, axes = array<i64: 0>}}
  func.func @forward(%x: tensor<?x3xf32> {nn.name = "x", nn.dims = ["batch", ""]}) -> (tensor<?x2xf32> {nn.name = "y"}) {
    %w = nn.get @w : tensor<3x2xf32>
    %0 = nn.matmul %x, %w : (tensor<?x3xf32>, tensor<3x2xf32>) -> tensor<?x2xf32>
    %1 = nn.activity_penalty %0 l1 0.0 l2 0.5 : (tensor<?x2xf32>) -> tensor<?x2xf32>
    return %1 : tensor<?x2xf32>
  }
}
