// RUN: sylvite-opt %s -nn-train | FileCheck %s

// Sample weights are one more argument of all that have a loss; classes weigh only where layers are as in training.
// CHECK-DAG: nn.parameter @class_weights : tensor<2xf32> = dense_resource
// CHECK: func.func @train_step(%arg0: {{.*}}, %[[T:.*]]: tensor<?xi32> {{.*}}, %[[W:.*]]: tensor<?xf32> {nn.dims = ["batch"], nn.name = "sample_weight"})
// CHECK: %[[WEIGHTED:.*]] = nn.map(%{{.*}}, %[[W]]) : (tensor<?xf32>, tensor<?xf32>)
// CHECK: nn.get @class_weights
// CHECK: %[[EACH:.*]] = nn.reduce sum %{{.*}} dims [1] : (tensor<?x2xf32>) -> tensor<?xf32>
// CHECK: nn.map(%[[EACH]])
// CHECK: nn.map(%[[WEIGHTED]], %{{.*}})
// CHECK: nn.reduce mean
// CHECK: func.func @evaluate({{.*}} {nn.dims = ["batch"], nn.name = "sample_weight"})
// CHECK-NOT: class_weights
// CHECK: func.func @gradients({{.*}} {nn.dims = ["batch"], nn.name = "sample_weight"})
// CHECK: nn.get @class_weights
module attributes {nn.training = {
    losses = [{kind = "sparse_categorical_crossentropy"}],
    sample_weights = "item", class_weights = array<f64: 0.5, 2.0>,
    optimizer = {kind = "sgd", learning_rate = 0.1}}} {
  nn.parameter trainable @w : tensor<4x3xf32>
  func.func @forward(%x: tensor<?x4xf32> {nn.name = "x", nn.dims = ["batch", ""]}) -> (tensor<?x3xf32> {nn.name = "y"}) {
    %w = nn.get @w : tensor<4x3xf32>
    %0 = nn.matmul %x, %w : (tensor<?x4xf32>, tensor<4x3xf32>) -> tensor<?x3xf32>
    %1 = nn.softmax %0 dims [1] : (tensor<?x3xf32>) -> tensor<?x3xf32>
    return %1 : tensor<?x3xf32>
  }
}
