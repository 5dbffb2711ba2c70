// RUN: sylvite-opt %s -split-input-file -nn-train -canonicalize | FileCheck %s

// In training the input of each gate has a draw of its own, for all steps, and so has the state where its kernel reads it: both are
// made before the loop. An evaluation drops nothing.
// CHECK: func.func @train_step
// CHECK: %[[ONES:.*]] = nn.full 1.000000e+00 like %arg0 from [-1, 0, -1] : tensor<?x5x3xf32> to tensor<3x?x4xf32>
// CHECK: nn.random uniform %{{.*}} stream 0 like %[[ONES]] from [0, 1, 2]
// CHECK: %[[MASK:.*]] = nn.map(%[[ONES]], %{{.*}}) : (tensor<3x?x4xf32>, tensor<3x?x4xf32>) -> tensor<3x?x4xf32>
// CHECK-COUNT-3: nn.random uniform %{{.*}} like %arg0 from [0, -1, 2] : {{.*}} -> tensor<?x1x3xf32>
// CHECK: nn.concat
// CHECK: nn.scan carry (%[[H:[a-z0-9]+]] =
// CHECK: %[[DROPPED:.*]] = nn.map(%[[H]], %[[MASK]]) : (tensor<?x4xf32>, tensor<3x?x4xf32>) -> tensor<3x?x4xf32>
// CHECK: nn.matmul %[[DROPPED]], %{{.*}} : (tensor<3x?x4xf32>, tensor<3x4x4xf32>)
// CHECK: func.func @evaluate
// CHECK-NOT: nn.random
// CHECK: func.func @gradients
// CHECK: nn.random uniform
module attributes {nn.training = {losses = [{kind = "mean_squared_error"}], optimizer = {kind = "sgd"}}} {
  nn.parameter trainable @k : tensor<3x12xf32>
  nn.parameter trainable @r : tensor<4x12xf32>
  nn.parameter trainable @b : tensor<12xf32>
  func.func @forward(%x: tensor<?x5x3xf32> {nn.name = "x", nn.dims = ["batch", "", ""]}) -> (tensor<?x4xf32> {nn.name = "y"}) {
    %k = nn.get @k : tensor<3x12xf32>
    %r = nn.get @r : tensor<4x12xf32>
    %b = nn.get @b : tensor<12xf32>
    %s, %l, %h = nn.gru %x, %k, %r bias %b {reset_after, dropout = 0.25, recurrent_dropout = 0.5, dropout_by_gate} : (tensor<?x5x3xf32>, tensor<3x12xf32>, tensor<4x12xf32>, tensor<12xf32>) -> (tensor<?x5x4xf32>, tensor<?x4xf32>, tensor<?x4xf32>)
    return %l : tensor<?x4xf32>
  }
}
