// RUN: sylvite-opt %s -nn-train | FileCheck %s

// The functions of training, beside the model. What the optimizer keeps is parameters; no step changes the learning rate, but a
// user may.
// CHECK-DAG: nn.parameter @"optimizer/iterations" : tensor<i64>{{$}}
// CHECK-DAG: nn.parameter @"optimizer/learning_rate" : tensor<f32> = dense_resource
// CHECK-DAG: nn.parameter @"optimizer/dense/kernel/momentum" : tensor<8x3xf32>{{$}}
// CHECK-DAG: nn.parameter @"indices/3" : tensor<3xi32> = dense_resource
// CHECK: func.func @forward
// CHECK: nn.batch_norm %arg0, {{.*}} {momentum = 9.000000e-01 : f64}

// A step normalizes with the statistics of the batch, and moves its own.
// CHECK: func.func @train_step(%[[X:.*]]: tensor<?x8xf32> {nn.dims = ["batch", ""], nn.name = "x"}, %[[T:.*]]: tensor<?xi32> {nn.classes = 3 : i64, nn.dims = ["batch"], nn.name = "labels"})
// CHECK-SAME: -> (tensor<f32> {nn.name = "loss"}, tensor<f32> {nn.name = "accuracy"}, tensor<8xf32> {nn.update = "bn/moving_mean"}, tensor<8xf32> {nn.update = "bn/moving_variance"},
// CHECK-SAME: tensor<f32> {nn.update = "optimizer/learning_rate"}, tensor<i64> {nn.update = "optimizer/iterations"}, tensor<8x3xf32> {nn.update = "dense/kernel"}, tensor<8x3xf32> {nn.update = "optimizer/dense/kernel/momentum"},
// CHECK-SAME: tensor<f64> {nn.update = "metrics/loss/total"}, tensor<f64> {nn.update = "metrics/loss/count"}, tensor<f64> {nn.update = "metrics/accuracy/total"}, tensor<f64> {nn.update = "metrics/accuracy/count"})
// CHECK: %[[MEAN:.*]] = nn.reduce mean %[[X]] dims [0]
// CHECK: %[[VARIANCE:.*]] = nn.reduce mean %{{.*}} dims [0]
// CHECK: nn.batch_norm %[[X]], %{{.*}}, %{{.*}}, %[[MEAN]], %[[VARIANCE]] epsilon 1.000000e-03 {of_input} : {{.*}} -> tensor<?x8xf32>
// CHECK: nn.reduce log_sum_exp

// An evaluation is inference, and changes what the metrics are made of.
// CHECK: func.func @evaluate(
// CHECK-SAME: -> (tensor<f32> {nn.name = "loss"}, tensor<f32> {nn.name = "accuracy"}, tensor<f64> {nn.update = "metrics/loss/total"},
// CHECK-NOT: nn.reduce mean %arg0
// CHECK: nn.batch_norm

// CHECK: func.func @gradients(
// CHECK-SAME: -> (tensor<f32> {nn.name = "loss"}, tensor<8x3xf32> {nn.name = "dense/kernel"})

// The metrics of all batches follow from the sums of all, by the rule of one batch.
// CHECK: func.func @metrics_result() -> (tensor<f32> {nn.name = "loss"}, tensor<f32> {nn.name = "accuracy"}) {
// CHECK: nn.get @"metrics/accuracy/total" : tensor<f64>
// CHECK: arith.divf
// CHECK: arith.truncf
// CHECK: func.func @reset_metrics() -> (tensor<f64> {nn.update = "metrics/loss/total"},
// CHECK: nn.full 0.000000e+00 like
module attributes {nn.training = {
    losses = [{kind = "sparse_categorical_crossentropy"}],
    metrics = [[{kind = "accuracy"}]],
    optimizer = {kind = "sgd", learning_rate = 0.1, momentum = 0.9}}} {
  nn.parameter @"bn/gamma" : tensor<8xf32>
  nn.parameter @"bn/beta" : tensor<8xf32>
  nn.parameter @"bn/moving_mean" : tensor<8xf32>
  nn.parameter @"bn/moving_variance" : tensor<8xf32>
  nn.parameter trainable @"dense/kernel" : tensor<8x3xf32>
  func.func @forward(%x: tensor<?x8xf32> {nn.name = "x", nn.dims = ["batch", ""]}) -> (tensor<?x3xf32> {nn.name = "y"}) {
    %gamma = nn.get @"bn/gamma" : tensor<8xf32>
    %beta = nn.get @"bn/beta" : tensor<8xf32>
    %mean = nn.get @"bn/moving_mean" : tensor<8xf32>
    %variance = nn.get @"bn/moving_variance" : tensor<8xf32>
    %kernel = nn.get @"dense/kernel" : tensor<8x3xf32>
    %0 = nn.batch_norm %x, %gamma, %beta, %mean, %variance epsilon 1.0e-3 {momentum = 0.9} : (tensor<?x8xf32>, tensor<8xf32>, tensor<8xf32>, tensor<8xf32>, tensor<8xf32>) -> tensor<?x8xf32>
    %1 = nn.matmul %0, %kernel : (tensor<?x8xf32>, tensor<8x3xf32>) -> tensor<?x3xf32>
    %2 = nn.softmax %1 dims [1] : (tensor<?x3xf32>) -> tensor<?x3xf32>
    return %2 : tensor<?x3xf32>
  }
}
