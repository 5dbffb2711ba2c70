// Transposes of models with channels first move down until they cancel.
// RUN: sylvite-opt %s -split-input-file -nn-simplify | FileCheck %s

// A residual block: one transpose at either border is left.
// CHECK-LABEL: func.func @residual
// CHECK: %[[X:.*]] = nn.transpose %arg0 [0, 2, 3, 1]
// CHECK-NOT: nn.transpose %{{.*}} [0, {{[0-9], [0-9], [0-9]}}] : (tensor<?
// CHECK: %[[R:.*]] = nn.transpose %{{.*}} [0, 3, 1, 2] : (tensor<?x8x8x4xf32>) -> tensor<?x4x8x8xf32>
// CHECK: return %[[R]]
nn.parameter @w : tensor<1x1x4x4xf32>
nn.parameter @b : tensor<4x1x1xf32>
func.func @residual(%x: tensor<?x4x8x8xf32>) -> tensor<?x4x8x8xf32> {
  %w = nn.get @w : tensor<1x1x4x4xf32>
  %b = nn.get @b : tensor<4x1x1xf32>
  %0 = nn.transpose %x [0, 2, 3, 1] : (tensor<?x4x8x8xf32>) -> tensor<?x8x8x4xf32>
  %1 = nn.conv %0, %w {strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, padding_low = array<i64: 0, 0>, padding_high = array<i64: 0, 0>} : (tensor<?x8x8x4xf32>, tensor<1x1x4x4xf32>) -> tensor<?x8x8x4xf32>
  %2 = nn.transpose %1 [0, 3, 1, 2] : (tensor<?x8x8x4xf32>) -> tensor<?x4x8x8xf32>
  %3 = nn.map (%2, %b) : (tensor<?x4x8x8xf32>, tensor<4x1x1xf32>) -> tensor<?x4x8x8xf32> {
  ^bb0(%e: f32, %f: f32):
    %s = arith.addf %e, %f : f32
    nn.yield %s : f32
  }
  %4 = nn.transpose %3 [0, 2, 3, 1] : (tensor<?x4x8x8xf32>) -> tensor<?x8x8x4xf32>
  %5 = nn.conv %4, %w {strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, padding_low = array<i64: 0, 0>, padding_high = array<i64: 0, 0>} : (tensor<?x8x8x4xf32>, tensor<1x1x4x4xf32>) -> tensor<?x8x8x4xf32>
  %6 = nn.transpose %5 [0, 3, 1, 2] : (tensor<?x8x8x4xf32>) -> tensor<?x4x8x8xf32>
  %7 = nn.map (%6, %3) : (tensor<?x4x8x8xf32>, tensor<?x4x8x8xf32>) -> tensor<?x4x8x8xf32> {
  ^bb0(%e: f32, %f: f32):
    %s = arith.addf %e, %f : f32
    nn.yield %s : f32
  }
  return %7 : tensor<?x4x8x8xf32>
}

// -----

// What gives one number per channel is a view of its transpose: pooled channels that scale the tensor they come from.
// CHECK-LABEL: func.func @squeeze_excite
// CHECK: %[[P:.*]] = nn.reduce mean %arg0 dims [1, 2] keep_dims
// CHECK-NOT: nn.transpose
// CHECK: %[[M:.*]] = nn.map(%arg0, %[[P]])
// CHECK: nn.transpose %[[M]] [0, 3, 1, 2]
func.func @squeeze_excite(%x: tensor<?x8x8x4xf32>) -> tensor<?x4x8x8xf32> {
  %0 = nn.transpose %x [0, 3, 1, 2] : (tensor<?x8x8x4xf32>) -> tensor<?x4x8x8xf32>
  %1 = nn.reduce mean %0 dims [2, 3] keep_dims : (tensor<?x4x8x8xf32>) -> tensor<?x4x1x1xf32>
  %2 = nn.map (%0, %1) : (tensor<?x4x8x8xf32>, tensor<?x4x1x1xf32>) -> tensor<?x4x8x8xf32> {
  ^bb0(%e: f32, %f: f32):
    %s = arith.mulf %e, %f : f32
    nn.yield %s : f32
  }
  return %2 : tensor<?x4x8x8xf32>
}

// -----

// Through padding, slices and joins; their entries follow.
// CHECK-LABEL: func.func @movement
// CHECK: %[[P:.*]] = nn.pad %arg0 low [0, 1, 2, 0] high [0, 3, 4, 0]
// CHECK: %[[S:.*]] = nn.slice %[[P]] starts [0, 1, 0, 0] sizes [1, 5, 11, 4] strides [1, 2, 1, 1]
// CHECK: %[[C:.*]] = nn.concat %[[S]], %[[S]] dim 3
// CHECK: %[[T:.*]] = nn.transpose %[[C]] [0, 3, 1, 2]
// CHECK: return %[[T]]
func.func @movement(%x: tensor<1x7x5x4xf32>) -> tensor<1x8x5x11xf32> {
  %0 = nn.transpose %x [0, 3, 1, 2] : (tensor<1x7x5x4xf32>) -> tensor<1x4x7x5xf32>
  %1 = nn.pad %0 low [0, 0, 1, 2] high [0, 0, 3, 4] : (tensor<1x4x7x5xf32>) -> tensor<1x4x11x11xf32>
  %2 = nn.slice %1 starts [0, 0, 1, 0] sizes [1, 4, 5, 11] strides [1, 1, 2, 1] : (tensor<1x4x11x11xf32>) -> tensor<1x4x5x11xf32>
  %3 = nn.concat %2, %2 dim 1 : (tensor<1x4x5x11xf32>, tensor<1x4x5x11xf32>) -> tensor<1x8x5x11xf32>
  return %3 : tensor<1x8x5x11xf32>
}

// -----

// A product reads a transposed matrix as it is.
// CHECK-LABEL: func.func @matmul
// CHECK-NOT: nn.transpose
// CHECK: nn.matmul %arg0, %arg1 {transpose_rhs}
func.func @matmul(%x: tensor<2x3x8xf32>, %y: tensor<2x5x8xf32>) -> tensor<2x3x5xf32> {
  %0 = nn.transpose %y [0, 2, 1] : (tensor<2x5x8xf32>) -> tensor<2x8x5xf32>
  %1 = nn.matmul %x, %0 : (tensor<2x3x8xf32>, tensor<2x8x5xf32>) -> tensor<2x3x5xf32>
  return %1 : tensor<2x3x5xf32>
}

// -----

// Dimensions of size one that change places beside are a view.
// CHECK-LABEL: func.func @matmul_units
// CHECK: %[[R:.*]] = nn.reshape %arg0 from [1, -1, 2, -1] : tensor<1x?x?x8xf32> to tensor<?x1x?x8xf32>
// CHECK: nn.matmul %[[R]], %arg1 :
func.func @matmul_units(%x: tensor<1x?x?x8xf32>, %w: tensor<8x4xf32>) -> tensor<?x1x?x4xf32> {
  %0 = nn.transpose %x [1, 0, 3, 2] : (tensor<1x?x?x8xf32>) -> tensor<?x1x8x?xf32>
  %1 = nn.matmul %0, %w {transpose_lhs} : (tensor<?x1x8x?xf32>, tensor<8x4xf32>) -> tensor<?x1x?x4xf32>
  return %1 : tensor<?x1x?x4xf32>
}

// -----

// An operand that would have to be transposed for it stops the other.
// CHECK-LABEL: func.func @other_order
// CHECK: %[[T:.*]] = nn.transpose %arg0 [1, 0]
// CHECK: nn.map(%[[T]], %arg1)
func.func @other_order(%x: tensor<3x4xf32>, %y: tensor<4x3xf32>) -> tensor<4x3xf32> {
  %0 = nn.transpose %x [1, 0] : (tensor<3x4xf32>) -> tensor<4x3xf32>
  %1 = nn.map (%0, %y) : (tensor<4x3xf32>, tensor<4x3xf32>) -> tensor<4x3xf32> {
  ^bb0(%e: f32, %f: f32):
    %s = arith.addf %e, %f : f32
    nn.yield %s : f32
  }
  return %1 : tensor<4x3xf32>
}

// -----

// Through a reshape that drops and adds dimensions of size one: what is taken out of a joint tensor of queries, keys and values.
// CHECK-LABEL: func.func @units
// CHECK: %[[S:.*]] = nn.slice %arg0 starts [0, 0, 1, 0, 0] sizes [-1, 12, 1, 4, 16]
// CHECK: %[[R:.*]] = nn.reshape %[[S]] from [0, -1, -1, -1] : tensor<?x12x1x4x16xf32> to tensor<?x12x4x16xf32>
// CHECK: nn.transpose %[[R]] [0, 2, 1, 3] : (tensor<?x12x4x16xf32>) -> tensor<?x4x12x16xf32>
func.func @units(%x: tensor<?x12x3x4x16xf32>) -> tensor<?x4x12x16xf32> {
  %0 = nn.transpose %x [2, 0, 3, 1, 4] : (tensor<?x12x3x4x16xf32>) -> tensor<3x?x4x12x16xf32>
  %1 = nn.slice %0 starts [1, 0, 0, 0, 0] sizes [1, -1, 4, 12, 16] strides [1, 1, 1, 1, 1] : (tensor<3x?x4x12x16xf32>) -> tensor<1x?x4x12x16xf32>
  %2 = nn.reshape %1 from [1, -1, -1, -1] : tensor<1x?x4x12x16xf32> to tensor<?x4x12x16xf32>
  return %2 : tensor<?x4x12x16xf32>
}

// -----

// Through a reshape that splits a dimension: the real and the imaginary channels of a spectrum, whose squares are added.
// CHECK-LABEL: func.func @split
// CHECK: %[[R:.*]] = nn.reshape %arg0 from [0, -1, -1, -1] : tensor<?x30x402xf32> to tensor<?x30x2x201xf32>
// CHECK: %[[P:.*]] = nn.reduce sum_square %[[R]] dims [2] : (tensor<?x30x2x201xf32>) -> tensor<?x30x201xf32>
// CHECK: nn.transpose %[[P]] [0, 2, 1]
func.func @split(%x: tensor<?x30x402xf32>) -> tensor<?x201x30xf32> {
  %0 = nn.transpose %x [0, 2, 1] : (tensor<?x30x402xf32>) -> tensor<?x402x30xf32>
  %1 = nn.reshape %0 from [0, -1, -1, -1] : tensor<?x402x30xf32> to tensor<?x2x201x30xf32>
  %2 = nn.reduce sum_square %1 dims [1] : (tensor<?x2x201x30xf32>) -> tensor<?x201x30xf32>
  return %2 : tensor<?x201x30xf32>
}

// -----

// Through one that joins height and width, which were neighbours before, but not through one that joins what was apart.
// CHECK-LABEL: func.func @join
// CHECK: %[[R:.*]] = nn.reshape %arg0 from [0, -1, -1] : tensor<?x4x1x6x8xf32> to tensor<?x24x8xf32>
// CHECK-NEXT: return %[[R]]
func.func @join(%x: tensor<?x4x1x6x8xf32>) -> tensor<?x24x8xf32> {
  %0 = nn.transpose %x [0, 4, 2, 1, 3] : (tensor<?x4x1x6x8xf32>) -> tensor<?x8x1x4x6xf32>
  %1 = nn.reshape %0 from [0, -1, -1] : tensor<?x8x1x4x6xf32> to tensor<?x8x24xf32>
  %2 = nn.transpose %1 [0, 2, 1] : (tensor<?x8x24xf32>) -> tensor<?x24x8xf32>
  return %2 : tensor<?x24x8xf32>
}

// CHECK-LABEL: func.func @apart
// CHECK: %[[T:.*]] = nn.transpose %arg0 [0, 3, 1, 2]
// CHECK: %[[R:.*]] = nn.reshape %[[T]] from [0, -1, -1] : tensor<?x8x4x6xf32> to tensor<?x32x6xf32>
// CHECK-NEXT: return %[[R]]
func.func @apart(%x: tensor<?x4x6x8xf32>) -> tensor<?x32x6xf32> {
  %0 = nn.transpose %x [0, 3, 1, 2] : (tensor<?x4x6x8xf32>) -> tensor<?x8x4x6xf32>
  %1 = nn.reshape %0 from [0, -1, -1] : tensor<?x8x4x6xf32> to tensor<?x32x6xf32>
  return %1 : tensor<?x32x6xf32>
}

// -----

// Matrices that are transposed under a reshape of what is before them: one transpose.
// CHECK-LABEL: func.func @joined
// CHECK: %[[T:.*]] = nn.transpose %arg0 [0, 2, 3, 1] : (tensor<?x12x4x16xf32>) -> tensor<?x4x16x12xf32>
// CHECK-NEXT: return %[[T]]
func.func @joined(%x: tensor<?x12x4x16xf32>) -> tensor<?x4x16x12xf32> {
  %0 = nn.transpose %x [0, 2, 1, 3] : (tensor<?x12x4x16xf32>) -> tensor<?x4x12x16xf32>
  %1 = nn.reshape %0 from [-1, -1, -1] : tensor<?x4x12x16xf32> to tensor<?x12x16xf32>
  %2 = nn.transpose %1 [0, 2, 1] : (tensor<?x12x16xf32>) -> tensor<?x16x12xf32>
  %3 = nn.reshape %2 from [-1, -1, -1, -1] : tensor<?x16x12xf32> to tensor<?x4x16x12xf32>
  return %3 : tensor<?x4x16x12xf32>
}

// -----

// An image that is transposed to become a row of a product with constant weights stays: rows of the weights change places.
// CHECK-LABEL: func.func @flattened
// CHECK: %[[W:.*]] = nn.get @w
// CHECK: %[[SPLIT:.*]] = nn.reshape %[[W]] from [-1, -1, -1, -1] : tensor<24x5xf32> to tensor<4x2x3x5xf32>
// CHECK: %[[MOVED:.*]] = nn.transpose %[[SPLIT]] [1, 2, 0, 3] : (tensor<4x2x3x5xf32>) -> tensor<2x3x4x5xf32>
// CHECK: %[[ROWS:.*]] = nn.reshape %[[MOVED]] from [-1, -1] : tensor<2x3x4x5xf32> to tensor<24x5xf32>
// CHECK: %[[X:.*]] = nn.reshape %arg0 from [0, -1] : tensor<?x2x3x4xf32> to tensor<?x24xf32>
// CHECK: nn.matmul %[[X]], %[[ROWS]] :
nn.parameter @w : tensor<24x5xf32>
func.func @flattened(%x: tensor<?x2x3x4xf32>) -> tensor<?x5xf32> {
  %w = nn.get @w : tensor<24x5xf32>
  %0 = nn.transpose %x [0, 3, 1, 2] : (tensor<?x2x3x4xf32>) -> tensor<?x4x2x3xf32>
  %1 = nn.reshape %0 from [0, -1] : tensor<?x4x2x3xf32> to tensor<?x24xf32>
  %2 = nn.matmul %1, %w : (tensor<?x24xf32>, tensor<24x5xf32>) -> tensor<?x5xf32>
  return %2 : tensor<?x5xf32>
}

// The same with weights that are stored transposed.
// CHECK-LABEL: func.func @flattened_transposed
// CHECK: nn.transpose %{{.*}} [0, 2, 3, 1] : (tensor<5x4x2x3xf32>) -> tensor<5x2x3x4xf32>
// CHECK: nn.matmul %{{.*}}, %{{.*}} {transpose_rhs}
nn.parameter @v : tensor<5x24xf32>
func.func @flattened_transposed(%x: tensor<?x2x3x4xf32>) -> tensor<?x5xf32> {
  %w = nn.get @v : tensor<5x24xf32>
  %0 = nn.transpose %x [0, 3, 1, 2] : (tensor<?x2x3x4xf32>) -> tensor<?x4x2x3xf32>
  %1 = nn.reshape %0 from [0, -1] : tensor<?x4x2x3xf32> to tensor<?x24xf32>
  %2 = nn.matmul %1, %w {transpose_rhs} : (tensor<?x24xf32>, tensor<5x24xf32>) -> tensor<?x5xf32>
  return %2 : tensor<?x5xf32>
}
