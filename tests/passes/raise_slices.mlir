// Slices move above the ops whose elements they take: what nothing reads is not computed.
// RUN: sylvite-opt %s -split-input-file -nn-simplify -cse | FileCheck %s

// A residual block whose next stage skips every second position: the 3x3 convolution does, and the sum takes no others.
// CHECK-LABEL: func.func @residual
// CHECK: %[[A:.*]] = nn.conv %arg1, %{{.*}} {{{.*}}padding_high = array<i64: 1, 1>, padding_low = array<i64: 1, 1>, strides = array<i64: 2, 2>} : (tensor<?x7x7x8xf32>, {{.*}}) -> tensor<?x4x4x8xf32>
// CHECK: %[[B:.*]] = nn.conv %[[A]], {{.*}}strides = array<i64: 1, 1>
// CHECK: %[[X:.*]] = nn.slice %arg0 starts [0, 0, 0, 0] sizes [-1, 4, 4, 8] strides [1, 2, 2, 1]
// CHECK: %[[M:.*]] = nn.map(%[[B]], %[[X]])
// CHECK: nn.conv %[[M]], {{.*}}strides = array<i64: 1, 1>{{.*}} -> tensor<?x4x4x8xf32>
// CHECK: nn.conv %[[M]], {{.*}}strides = array<i64: 1, 1>{{.*}} -> tensor<?x4x4x8xf32>
// CHECK: return %{{.*}}, %{{.*}}, %arg0
nn.parameter @three : tensor<3x3x8x8xf32>
nn.parameter @one : tensor<1x1x8x8xf32>
nn.parameter @two : tensor<1x1x8x8xf32>
func.func @residual(%x: tensor<?x7x7x8xf32>, %y: tensor<?x7x7x8xf32>) -> (tensor<?x4x4x8xf32>, tensor<?x4x4x8xf32>, tensor<?x7x7x8xf32>) {
  %three = nn.get @three : tensor<3x3x8x8xf32>
  %one = nn.get @one : tensor<1x1x8x8xf32>
  %two = nn.get @two : tensor<1x1x8x8xf32>
  %0 = nn.conv %y, %three {strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, padding_low = array<i64: 1, 1>, padding_high = array<i64: 1, 1>} : (tensor<?x7x7x8xf32>, tensor<3x3x8x8xf32>) -> tensor<?x7x7x8xf32>
  %1 = nn.conv %0, %one {strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, padding_low = array<i64: 0, 0>, padding_high = array<i64: 0, 0>} : (tensor<?x7x7x8xf32>, tensor<1x1x8x8xf32>) -> tensor<?x7x7x8xf32>
  %2 = nn.map (%1, %x) : (tensor<?x7x7x8xf32>, tensor<?x7x7x8xf32>) -> tensor<?x7x7x8xf32> {
  ^bb0(%e: f32, %f: f32):
    %s = arith.addf %e, %f : f32
    nn.yield %s : f32
  }
  %3 = nn.conv %2, %one {strides = array<i64: 2, 2>, dilations = array<i64: 1, 1>, padding_low = array<i64: 0, 0>, padding_high = array<i64: 0, 0>} : (tensor<?x7x7x8xf32>, tensor<1x1x8x8xf32>) -> tensor<?x4x4x8xf32>
  %4 = nn.conv %2, %two {strides = array<i64: 2, 2>, dilations = array<i64: 1, 1>, padding_low = array<i64: 0, 0>, padding_high = array<i64: 0, 0>} : (tensor<?x7x7x8xf32>, tensor<1x1x8x8xf32>) -> tensor<?x4x4x8xf32>
  return %3, %4, %x : tensor<?x4x4x8xf32>, tensor<?x4x4x8xf32>, tensor<?x7x7x8xf32>
}

// -----

// Where something reads the other positions, or a window does not skip them, they are computed.
// CHECK-LABEL: func.func @others_read
// CHECK: nn.map(%arg0)
// CHECK: nn.conv %{{.*}}strides = array<i64: 2, 2>
// CHECK: nn.map(%arg0)
// CHECK: nn.conv %{{.*}}strides = array<i64: 2, 2>
nn.parameter @three : tensor<3x3x8x8xf32>
nn.parameter @one : tensor<1x1x8x8xf32>
func.func @others_read(%x: tensor<?x8x8x8xf32>) -> (tensor<?x4x4x8xf32>, tensor<?x8x8x8xf32>, tensor<?x3x3x8xf32>) {
  %three = nn.get @three : tensor<3x3x8x8xf32>
  %one = nn.get @one : tensor<1x1x8x8xf32>
  %0 = nn.map (%x) : (tensor<?x8x8x8xf32>) -> tensor<?x8x8x8xf32> {
  ^bb0(%e: f32):
    %s = arith.negf %e : f32
    nn.yield %s : f32
  }
  %1 = nn.conv %0, %one {strides = array<i64: 2, 2>, dilations = array<i64: 1, 1>, padding_low = array<i64: 0, 0>, padding_high = array<i64: 0, 0>} : (tensor<?x8x8x8xf32>, tensor<1x1x8x8xf32>) -> tensor<?x4x4x8xf32>
  %2 = nn.map (%x) : (tensor<?x8x8x8xf32>) -> tensor<?x8x8x8xf32> {
  ^bb0(%e: f32):
    %s = math.exp %e : f32
    nn.yield %s : f32
  }
  %3 = nn.conv %2, %three {strides = array<i64: 2, 2>, dilations = array<i64: 1, 1>, padding_low = array<i64: 0, 0>, padding_high = array<i64: 0, 0>} : (tensor<?x8x8x8xf32>, tensor<3x3x8x8xf32>) -> tensor<?x3x3x8xf32>
  return %1, %0, %3 : tensor<?x4x4x8xf32>, tensor<?x8x8x8xf32>, tensor<?x3x3x8xf32>
}

// -----

// The first token of a transformer's last block: one row of queries, one of everything after them.
// CHECK-LABEL: func.func @first_token
// CHECK: %[[X:.*]] = nn.slice %arg0 starts [0, 0, 0] sizes [-1, 1, 4] strides [1, 1, 1]
// CHECK: %[[Q:.*]] = nn.matmul %[[X]], %{{.*}} : (tensor<?x1x4xf32>, tensor<4x4xf32>) -> tensor<?x1x4xf32>
// CHECK: %[[S:.*]] = nn.matmul %[[Q]], %arg0 {transpose_rhs} : (tensor<?x1x4xf32>, tensor<?x6x4xf32>) -> tensor<?x1x6xf32>
// CHECK: %[[P:.*]] = nn.softmax %[[S]] dims [2]
// CHECK: %[[V:.*]] = nn.matmul %[[P]], %arg0 : (tensor<?x1x6xf32>, tensor<?x6x4xf32>) -> tensor<?x1x4xf32>
// CHECK: %[[R:.*]] = nn.map(%[[V]], %[[X]])
// CHECK: %[[N:.*]] = nn.layer_norm %[[R]] dims [2] {{.*}} -> tensor<?x1x4xf32>
// CHECK: nn.reshape %[[N]]
nn.parameter @q : tensor<4x4xf32>
func.func @first_token(%x: tensor<?x6x4xf32>) -> tensor<?x4xf32> {
  %q = nn.get @q : tensor<4x4xf32>
  %0 = nn.matmul %x, %q : (tensor<?x6x4xf32>, tensor<4x4xf32>) -> tensor<?x6x4xf32>
  %1 = nn.matmul %0, %x {transpose_rhs} : (tensor<?x6x4xf32>, tensor<?x6x4xf32>) -> tensor<?x6x6xf32>
  %2 = nn.softmax %1 dims [2] : (tensor<?x6x6xf32>) -> tensor<?x6x6xf32>
  %3 = nn.matmul %2, %x : (tensor<?x6x6xf32>, tensor<?x6x4xf32>) -> tensor<?x6x4xf32>
  %4 = nn.map (%3, %x) : (tensor<?x6x4xf32>, tensor<?x6x4xf32>) -> tensor<?x6x4xf32> {
  ^bb0(%e: f32, %f: f32):
    %s = arith.addf %e, %f : f32
    nn.yield %s : f32
  }
  %5 = nn.layer_norm %4 dims [2] epsilon 1.000000e-05 : (tensor<?x6x4xf32>) -> tensor<?x6x4xf32>
  %6 = nn.slice %5 starts [0, 0, 0] sizes [-1, 1, 4] strides [1, 1, 1] : (tensor<?x6x4xf32>) -> tensor<?x1x4xf32>
  %7 = nn.reshape %6 from [0, -1] : tensor<?x1x4xf32> to tensor<?x4xf32>
  return %7 : tensor<?x4xf32>
}

// -----

// Above joins of other dimensions and reshapes of later ones; a broadcast operand stays whole.
// CHECK-LABEL: func.func @movement
// CHECK-DAG: %[[A:.*]] = nn.slice %arg0 starts [0, 2, 0] sizes [-1, 1, 3]
// CHECK-DAG: %[[B:.*]] = nn.slice %arg1 starts [0, 2, 0] sizes [-1, 1, 5]
// CHECK: %[[C:.*]] = nn.concat %[[A]], %[[B]] dim 2
// CHECK: %[[M:.*]] = nn.map(%[[C]], %arg2)
// CHECK: nn.reshape %[[M]] from [0, -1, -1, -1] : tensor<?x1x8xf32> to tensor<?x1x2x4xf32>
func.func @movement(%x: tensor<?x6x3xf32>, %y: tensor<?x6x5xf32>, %z: tensor<8xf32>) -> tensor<?x1x2x4xf32> {
  %0 = nn.concat %x, %y dim 2 : (tensor<?x6x3xf32>, tensor<?x6x5xf32>) -> tensor<?x6x8xf32>
  %1 = nn.map (%0, %z) : (tensor<?x6x8xf32>, tensor<8xf32>) -> tensor<?x6x8xf32> {
  ^bb0(%e: f32, %f: f32):
    %s = arith.addf %e, %f : f32
    nn.yield %s : f32
  }
  %2 = nn.reshape %1 from [0, -1, -1, -1] : tensor<?x6x8xf32> to tensor<?x6x2x4xf32>
  %3 = nn.slice %2 starts [0, 2, 0, 0] sizes [-1, 1, 2, 4] strides [1, 1, 1, 1] : (tensor<?x6x2x4xf32>) -> tensor<?x1x2x4xf32>
  return %3 : tensor<?x1x2x4xf32>
}

// -----

// What a softmax or a product sums is read whole.
// CHECK-LABEL: func.func @sums
// CHECK: %[[S:.*]] = nn.softmax %arg0 dims [1]
// CHECK: nn.slice %[[S]]
// CHECK: %[[P:.*]] = nn.matmul %arg0, %arg0
// CHECK: nn.slice %[[P]]
func.func @sums(%x: tensor<6x6xf32>) -> (tensor<6x2xf32>, tensor<6x2xf32>) {
  %0 = nn.softmax %x dims [1] : (tensor<6x6xf32>) -> tensor<6x6xf32>
  %1 = nn.slice %0 starts [0, 1] sizes [6, 2] strides [1, 1] : (tensor<6x6xf32>) -> tensor<6x2xf32>
  %2 = nn.matmul %x, %x : (tensor<6x6xf32>, tensor<6x6xf32>) -> tensor<6x6xf32>
  %3 = nn.slice %2 starts [0, 1] sizes [6, 2] strides [1, 1] : (tensor<6x6xf32>) -> tensor<6x2xf32>
  return %1, %3 : tensor<6x2xf32>, tensor<6x2xf32>
}
