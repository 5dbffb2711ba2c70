// RUN: sylvite-opt %s -nn-train -nn-simplify | FileCheck %s

// Dropout is the identity in inference; in training each has a stream of its own, and draws by the number of the step. Elements that
// share a draw share a number. The penalty of a regularizer is part of the loss, in an evaluation too.
// CHECK: nn.parameter @"seed_generator/seed" : tensor<i64> = dense_resource
// CHECK: func.func @forward
// CHECK-NOT: nn.random
// CHECK-NOT: nn.dropout
// CHECK: func.func @train_step
// CHECK-SAME: nn.update = "seed_generator/seed"
// CHECK-DAG: %[[STEP:.*]] = nn.get @"optimizer/iterations"
// CHECK-DAG: %[[SEED:.*]] = nn.get @"seed_generator/seed"
// CHECK: %[[U:.*]] = nn.random uniform %[[SEED]], %[[STEP]] stream 0 like %arg0 from [0, -1, 2] : (tensor<i64>, tensor<i64>, tensor<?x4x3xf32>) -> tensor<?x1x3xf32>
// CHECK: nn.map(%arg0, %[[U]])
// CHECK: arith.cmpf ogt
// CHECK: arith.select
// CHECK: nn.random normal %[[SEED]], %[[STEP]] stream 1
// CHECK: func.func @evaluate
// CHECK-NOT: nn.random
// CHECK: nn.reduce sum_square
// CHECK: func.func @gradients
// CHECK: nn.random uniform
module attributes {nn.training = {losses = [{kind = "mean_squared_error"}], optimizer = {kind = "sgd"}, seed = 7}} {
  nn.parameter trainable @w : tensor<3x2xf32> {nn.regularizer = {l1 = 0.0, l2 = 0.01}}
  func.func @forward(%x: tensor<?x4x3xf32> {nn.name = "x", nn.dims = ["batch", "", ""]}) -> (tensor<?x4x2xf32> {nn.name = "y"}) {
    %0 = nn.dropout plain %x rate 0.5 shared [1] : (tensor<?x4x3xf32>) -> tensor<?x4x3xf32>
    %w = nn.get @w : tensor<3x2xf32>
    %1 = nn.matmul %0, %w : (tensor<?x4x3xf32>, tensor<3x2xf32>) -> tensor<?x4x2xf32>
    %2 = nn.dropout noise %1 rate 0.1 shared [] : (tensor<?x4x2xf32>) -> tensor<?x4x2xf32>
    return %2 : tensor<?x4x2xf32>
  }
}
