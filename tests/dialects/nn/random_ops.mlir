// RUN: sylvite-opt %s | sylvite-opt | FileCheck %s

// CHECK-LABEL: func.func @random
// CHECK: nn.dropout alpha %arg0 rate 2.500000e-01 shared [1] : (tensor<?x4x3xf32>) -> tensor<?x4x3xf32>
// CHECK: nn.random normal %arg1, %arg2 stream 3 like %arg0 from [0, -1] : (tensor<i64>, tensor<i64>, tensor<?x4x3xf32>) -> tensor<?x7xf32>
func.func @random(%x: tensor<?x4x3xf32>, %seed: tensor<i64>, %step: tensor<i64>) -> (tensor<?x4x3xf32>, tensor<?x7xf32>) {
  %0 = nn.dropout alpha %x rate 0.25 shared [1] : (tensor<?x4x3xf32>) -> tensor<?x4x3xf32>
  %1 = nn.random normal %seed, %step stream 3 like %x from [0, -1] : (tensor<i64>, tensor<i64>, tensor<?x4x3xf32>) -> tensor<?x7xf32>
  return %0, %1 : tensor<?x4x3xf32>, tensor<?x7xf32>
}

// CHECK-LABEL: func.func @activity_penalty
// CHECK: nn.activity_penalty %arg0 l1 0.000000e+00 l2 1.250000e-01 : (tensor<?x4xf32>) -> tensor<?x4xf32>
func.func @activity_penalty(%x: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %0 = nn.activity_penalty %x l1 0.0 l2 0.125 : (tensor<?x4xf32>) -> tensor<?x4xf32>
  return %0 : tensor<?x4xf32>
}
