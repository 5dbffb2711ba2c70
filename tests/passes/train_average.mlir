// RUN: sylvite-opt %s -nn-train | FileCheck %s

// Gradients of three steps make one update: those before only add to the sum. The averages move at every step; the first update
// makes them, and every fifth one puts them in the parameter's place.
// CHECK-DAG: nn.parameter @"optimizer/w/gradient_accumulator" : tensor<4x3xf32>{{$}}
// CHECK-DAG: nn.parameter @"optimizer/w/average" : tensor<4x3xf32>{{$}}
// CHECK: func.func @train_step
// CHECK-SAME: nn.update = "w"}, tensor<4x3xf32> {nn.update = "optimizer/w/gradient_accumulator"}, tensor<4x3xf32> {nn.update = "optimizer/w/average"}
// CHECK-DAG: %[[SUM:.*]] = nn.get @"optimizer/w/gradient_accumulator"
// CHECK-DAG: %[[AVERAGE:.*]] = nn.get @"optimizer/w/average"
// CHECK-DAG: %[[COUNT:.*]] = nn.get @"optimizer/iterations"
// CHECK: %[[UPDATES:.*]] = nn.map(%[[COUNT]])
// CHECK: arith.divsi
// CHECK: %[[ENDS:.*]] = nn.map(%[[COUNT]])
// CHECK: arith.remsi
// CHECK: %[[MOMENTUM:.*]] = nn.map(%[[UPDATES]])
// CHECK: arith.constant 9.900000e-01
// CHECK: %[[OVERWRITE:.*]] = nn.map(%[[UPDATES]])
// CHECK: arith.remsi

// The mean, of what has been limited only then; the sum begins anew.
// CHECK: %[[GRADIENT:.*]] = nn.matmul %{{.*}} {transpose_lhs}
// CHECK: nn.map(%{{.*}}, %[[S:.*]]) : (tensor<12xf32>, tensor<12xf32>)
// CHECK: arith.divf
// CHECK: nn.map(%{{.*}}, %[[ENDS]])
// CHECK: nn.reduce sum_square
// CHECK: %[[NEW:.*]] = nn.map(%[[ENDS]], %{{.*}}, %{{.*}}) : (tensor<f32>, tensor<12xf32>, tensor<12xf32>)
// CHECK: %[[MOVED:.*]] = nn.map(%{{.*}}, %[[NEW]], %[[MOMENTUM]])
// CHECK: nn.map(%[[OVERWRITE]], %[[MOVED]], %[[NEW]])

// CHECK: func.func @apply_averages() -> (tensor<4x3xf32> {nn.update = "w"}) {
// CHECK-NEXT: %[[A:.*]] = nn.get @"optimizer/w/average"
// CHECK-NEXT: return %[[A]]
module attributes {nn.training = {
    losses = [{kind = "mean_squared_error"}],
    optimizer = {kind = "sgd", learning_rate = 0.1, clipnorm = 1.0, gradient_accumulation_steps = 3.0, use_ema = true, ema_overwrite_frequency = 5.0}}} {
  nn.parameter trainable @w : tensor<4x3xf32>
  func.func @forward(%x: tensor<?x4xf32> {nn.name = "x", nn.dims = ["batch", ""]}) -> (tensor<?x3xf32> {nn.name = "y"}) {
    %w = nn.get @w : tensor<4x3xf32>
    %0 = nn.matmul %x, %w : (tensor<?x4xf32>, tensor<4x3xf32>) -> tensor<?x3xf32>
    return %0 : tensor<?x3xf32>
  }
}
