// RUN: sylvite-opt %s | sylvite-opt | FileCheck %s

// CHECK-LABEL: func.func @reductions
// CHECK: nn.reduce mean %arg0 dims [1, 2] : (tensor<?x7x7x4xf32>) -> tensor<?x4xf32>
// CHECK: nn.reduce max %arg0 dims [3] keep_dims : (tensor<?x7x7x4xf32>) -> tensor<?x7x7x1xf32>
// CHECK: nn.reduce sum_square %arg0 dims [0] : (tensor<?x7x7x4xf32>) -> tensor<7x7x4xf32>
// CHECK: nn.reduce prod %arg0 dims [1, 2, 3] : (tensor<?x7x7x4xf32>) -> tensor<?xf32>
// CHECK: nn.reduce min %arg0 dims [0, 1, 2, 3] : (tensor<?x7x7x4xf32>) -> tensor<f32>
// CHECK: nn.reduce sum %arg0 dims [2] : (tensor<?x7x7x4xf32>) -> tensor<?x7x4xf32>
func.func @reductions(%x: tensor<?x7x7x4xf32>) {
  %0 = nn.reduce mean %x dims [1, 2] : (tensor<?x7x7x4xf32>) -> tensor<?x4xf32>
  %1 = nn.reduce max %x dims [3] keep_dims : (tensor<?x7x7x4xf32>) -> tensor<?x7x7x1xf32>
  %2 = nn.reduce sum_square %x dims [0] : (tensor<?x7x7x4xf32>) -> tensor<7x7x4xf32>
  %3 = nn.reduce prod %x dims [1, 2, 3] : (tensor<?x7x7x4xf32>) -> tensor<?xf32>
  %4 = nn.reduce min %x dims [0, 1, 2, 3] : (tensor<?x7x7x4xf32>) -> tensor<f32>
  %5 = nn.reduce sum %x dims [2] : (tensor<?x7x7x4xf32>) -> tensor<?x7x4xf32>
  return
}

// CHECK-LABEL: func.func @normalizations
// CHECK: nn.softmax %arg0 dims [1] : (tensor<?x4xf32>) -> tensor<?x4xf32>
// CHECK: nn.layer_norm %arg0 dims [1] epsilon 1.000000e-03 : (tensor<?x4xf32>) -> tensor<?x4xf32>
// CHECK: nn.rms_norm %arg0 dims [1] epsilon 1.000000e-03 : (tensor<?x4xf32>) -> tensor<?x4xf32>
// CHECK: nn.batch_norm %arg0, %arg1, %arg1, %arg1, %arg1 epsilon 1.000000e-05 : (tensor<?x4xf32>, tensor<4xf32>, tensor<4xf32>, tensor<4xf32>, tensor<4xf32>) -> tensor<?x4xf32>
func.func @normalizations(%x: tensor<?x4xf32>, %v: tensor<4xf32>) {
  %0 = nn.softmax %x dims [1] : (tensor<?x4xf32>) -> tensor<?x4xf32>
  %1 = nn.layer_norm %x dims [1] epsilon 1.0e-3 : (tensor<?x4xf32>) -> tensor<?x4xf32>
  %3 = nn.rms_norm %x dims [1] epsilon 1.0e-3 : (tensor<?x4xf32>) -> tensor<?x4xf32>
  %2 = nn.batch_norm %x, %v, %v, %v, %v epsilon 1.0e-5 : (tensor<?x4xf32>, tensor<4xf32>, tensor<4xf32>, tensor<4xf32>, tensor<4xf32>) -> tensor<?x4xf32>
  return
}

// CHECK-LABEL: func.func @log_sum_exp
// CHECK: nn.reduce log_sum_exp %arg0 dims [1] keep_dims : (tensor<?x4xf32>) -> tensor<?x1xf32>
// CHECK: nn.batch_norm %arg0, %arg1, %arg1, %arg1, %arg1 epsilon 1.000000e-03 {momentum = 5.000000e-01 : f64}
func.func @log_sum_exp(%x: tensor<?x4xf32>, %v: tensor<4xf32>) -> (tensor<?x1xf32>, tensor<?x4xf32>) {
  %0 = nn.reduce log_sum_exp %x dims [1] keep_dims : (tensor<?x4xf32>) -> tensor<?x1xf32>
  %1 = nn.batch_norm %x, %v, %v, %v, %v epsilon 1.0e-3 {momentum = 0.5 : f64} : (tensor<?x4xf32>, tensor<4xf32>, tensor<4xf32>, tensor<4xf32>, tensor<4xf32>) -> tensor<?x4xf32>
  return %0, %1 : tensor<?x1xf32>, tensor<?x4xf32>
}
