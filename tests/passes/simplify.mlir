// RUN: sylvite-opt %s -nn-simplify -split-input-file | FileCheck %s

// Batch normalization after a biased convolution: the filter is scaled, bias and statistics become one
// offset.
// CHECK-LABEL: func.func @forward
// CHECK-DAG: %[[W:.*]] = nn.get @w
// CHECK-DAG: %[[V:.*]] = nn.get @v
// CHECK: %[[SCALE:.*]] = nn.map(%[[V]]) : (tensor<4xf32>) -> tensor<4xf32> {
// CHECK: math.sqrt
// CHECK: arith.divf
// CHECK: %[[SCALED:.*]] = nn.map(%[[W]], %[[SCALE]]) : (tensor<3x3x2x4xf32>, tensor<4xf32>) -> tensor<3x3x2x4xf32> {
// CHECK: arith.mulf
// CHECK: %[[CONV:.*]] = nn.conv %arg0, %[[SCALED]]
// CHECK: nn.map(%[[CONV]], %{{.*}}) : (tensor<?x3x3x4xf32>, tensor<4xf32>)
// CHECK: arith.addf
// CHECK-NOT: nn.batch_norm
// CHECK: return
nn.parameter @w : tensor<3x3x2x4xf32>
nn.parameter @v : tensor<4xf32>
nn.parameter @unused : tensor<7xf32>
// CHECK-NOT: @unused
func.func @forward(%x: tensor<?x5x5x2xf32>) -> tensor<?x3x3x4xf32> {
  %w = nn.get @w : tensor<3x3x2x4xf32>
  %v = nn.get @v : tensor<4xf32>
  %0 = nn.conv %x, %w {strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, padding_low = array<i64: 0, 0>, padding_high = array<i64: 0, 0>} : (tensor<?x5x5x2xf32>, tensor<3x3x2x4xf32>) -> tensor<?x3x3x4xf32>
  %1 = nn.map (%0, %v) : (tensor<?x3x3x4xf32>, tensor<4xf32>) -> tensor<?x3x3x4xf32> {
  ^bb0(%a: f32, %b: f32):
    %s = arith.addf %a, %b : f32
    nn.yield %s : f32
  }
  %2 = nn.batch_norm %1, %v, %v, %v, %v epsilon 1.0e-3 : (tensor<?x3x3x4xf32>, tensor<4xf32>, tensor<4xf32>, tensor<4xf32>, tensor<4xf32>) -> tensor<?x3x3x4xf32>
  return %2 : tensor<?x3x3x4xf32>
}

// -----

// A product whose weights are stored transposed has its channels in front.
// CHECK-LABEL: func.func @transposed_weights
// CHECK: %[[COLUMN:.*]] = nn.reshape %{{.*}} from [0, -1] : tensor<4xf32> to tensor<4x1xf32>
// CHECK: %[[SCALED:.*]] = nn.map(%{{.*}}, %[[COLUMN]]) : (tensor<4x8xf32>, tensor<4x1xf32>) -> tensor<4x8xf32>
// CHECK: nn.matmul %arg0, %[[SCALED]] {transpose_rhs}
nn.parameter @w : tensor<4x8xf32>
nn.parameter @v : tensor<4xf32>
func.func @transposed_weights(%x: tensor<?x8xf32>) -> tensor<?x4xf32> {
  %w = nn.get @w : tensor<4x8xf32>
  %v = nn.get @v : tensor<4xf32>
  %0 = nn.matmul %x, %w {transpose_rhs} : (tensor<?x8xf32>, tensor<4x8xf32>) -> tensor<?x4xf32>
  %1 = nn.batch_norm %0, %v, %v, %v, %v epsilon 1.0e-3 : (tensor<?x4xf32>, tensor<4xf32>, tensor<4xf32>, tensor<4xf32>, tensor<4xf32>) -> tensor<?x4xf32>
  return %1 : tensor<?x4xf32>
}

// -----

// The convolution serves someone else too: the normalization becomes a map.
// CHECK-LABEL: func.func @shared
// CHECK: %[[CONV:.*]] = nn.conv %arg0, %arg1
// CHECK: %[[BN:.*]] = nn.map(%[[CONV]], %{{.*}}, %{{.*}}) : (tensor<?x3x3x4xf32>, tensor<4xf32>, tensor<4xf32>)
// CHECK: return %[[CONV]], %[[BN]]
nn.parameter @v : tensor<4xf32>
func.func @shared(%x: tensor<?x5x5x2xf32>, %w: tensor<3x3x2x4xf32>) -> (tensor<?x3x3x4xf32>, tensor<?x3x3x4xf32>) {
  %v = nn.get @v : tensor<4xf32>
  %0 = nn.conv %x, %w {strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, padding_low = array<i64: 0, 0>, padding_high = array<i64: 0, 0>} : (tensor<?x5x5x2xf32>, tensor<3x3x2x4xf32>) -> tensor<?x3x3x4xf32>
  %1 = nn.batch_norm %0, %v, %v, %v, %v epsilon 1.0e-3 : (tensor<?x3x3x4xf32>, tensor<4xf32>, tensor<4xf32>, tensor<4xf32>, tensor<4xf32>) -> tensor<?x3x3x4xf32>
  return %0, %1 : tensor<?x3x3x4xf32>, tensor<?x3x3x4xf32>
}

// -----

// Transposes sink below a map and cancel.
// CHECK-LABEL: func.func @layout
// CHECK-NEXT: %[[M:.*]] = nn.map(%arg0) : (tensor<?x4x5x6xf32>) -> tensor<?x4x5x6xf32>
// CHECK-NOT: nn.transpose
// CHECK: return %[[M]]
func.func @layout(%x: tensor<?x4x5x6xf32>) -> tensor<?x4x5x6xf32> {
  %0 = nn.transpose %x [0, 3, 1, 2] : (tensor<?x4x5x6xf32>) -> tensor<?x6x4x5xf32>
  %1 = nn.map (%0) : (tensor<?x6x4x5xf32>) -> tensor<?x6x4x5xf32> {
  ^bb0(%a: f32):
    %e = math.exp %a : f32
    nn.yield %e : f32
  }
  %2 = nn.transpose %1 [0, 2, 3, 1] : (tensor<?x6x4x5xf32>) -> tensor<?x4x5x6xf32>
  return %2 : tensor<?x4x5x6xf32>
}
