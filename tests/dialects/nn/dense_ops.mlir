// RUN: sylvite-opt %s | sylvite-opt | FileCheck %s

// CHECK-LABEL: func.func @dense
// CHECK: nn.matmul %arg0, %arg1 : (tensor<?x8xf32>, tensor<8x4xf32>) -> tensor<?x4xf32>
func.func @dense(%x: tensor<?x8xf32>, %w: tensor<8x4xf32>) -> tensor<?x4xf32> {
  %0 = nn.matmul %x, %w : (tensor<?x8xf32>, tensor<8x4xf32>) -> tensor<?x4xf32>
  return %0 : tensor<?x4xf32>
}

// CHECK-LABEL: func.func @batched
// CHECK: nn.matmul %arg0, %arg1 {transpose_lhs, transpose_rhs} : (tensor<?x1x8x5xi32>, tensor<6x4x8xi32>) -> tensor<?x6x5x4xi32>
func.func @batched(%x: tensor<?x1x8x5xi32>, %y: tensor<6x4x8xi32>) -> tensor<?x6x5x4xi32> {
  %0 = nn.matmul %x, %y {transpose_lhs, transpose_rhs} : (tensor<?x1x8x5xi32>, tensor<6x4x8xi32>) -> tensor<?x6x5x4xi32>
  return %0 : tensor<?x6x5x4xi32>
}

// CHECK-LABEL: func.func @gates
// CHECK: nn.packed_matmul %arg0, %arg1 {columns = 10 : i64} : (tensor<?x4xf32>, tensor<2x4x3x8xf32>) -> tensor<3x?x10xf32>
func.func @gates(%x: tensor<?x4xf32>, %w: tensor<2x4x3x8xf32>) {
  %0 = nn.packed_matmul %x, %w {columns = 10 : i64} : (tensor<?x4xf32>, tensor<2x4x3x8xf32>) -> tensor<3x?x10xf32>
  return
}

// CHECK-LABEL: func.func @packed_matmul_dot_products
// CHECK: nn.packed_matmul %arg0, %arg1 {columns = 3 : i64} : (tensor<?x7x32xf32>, tensor<1x2x3x16xf32>) -> tensor<?x7x3xf32>
func.func @packed_matmul_dot_products(%x: tensor<?x7x32xf32>, %w: tensor<1x2x3x16xf32>) -> tensor<?x7x3xf32> {
  %0 = nn.packed_matmul %x, %w {columns = 3 : i64} : (tensor<?x7x32xf32>, tensor<1x2x3x16xf32>) -> tensor<?x7x3xf32>
  return %0 : tensor<?x7x3xf32>
}

// CHECK-LABEL: func.func @packed
// CHECK: nn.packed_matmul %arg0, %arg1 {columns = 10 : i64} : (tensor<?x7x4xf32>, tensor<2x4x8xf32>) -> tensor<?x7x10xf32>
func.func @packed(%x: tensor<?x7x4xf32>, %w: tensor<2x4x8xf32>) {
  %0 = nn.packed_matmul %x, %w {columns = 10 : i64} : (tensor<?x7x4xf32>, tensor<2x4x8xf32>) -> tensor<?x7x10xf32>
  return
}

// CHECK-LABEL: func.func @bytes
// CHECK: nn.matmul %arg0, %arg1 : (tensor<?x8xui8>, tensor<8x10xi8>) -> tensor<?x10xi32>
// CHECK: nn.packed_matmul %arg0, %arg2 {columns = 10 : i64} : (tensor<?x8xui8>, tensor<2x2x8x4xi8>) -> tensor<?x10xi32>
func.func @bytes(%x: tensor<?x8xui8>, %w: tensor<8x10xi8>, %p: tensor<2x2x8x4xi8>) {
  %0 = nn.matmul %x, %w : (tensor<?x8xui8>, tensor<8x10xi8>) -> tensor<?x10xi32>
  %1 = nn.packed_matmul %x, %p {columns = 10 : i64} : (tensor<?x8xui8>, tensor<2x2x8x4xi8>) -> tensor<?x10xi32>
  return
}

// CHECK-LABEL: func.func @stored_bytes
// CHECK: nn.matmul %arg0, %arg1 : (tensor<?x8xf32>, tensor<8x10xi8>) -> tensor<?x10xf32>
// CHECK: nn.packed_matmul %arg0, %arg2 {columns = 10 : i64} : (tensor<?x8xf32>, tensor<2x8x8xi8>) -> tensor<?x10xf32>
func.func @stored_bytes(%x: tensor<?x8xf32>, %w: tensor<8x10xi8>, %packed: tensor<2x8x8xi8>) {
  %0 = nn.matmul %x, %w : (tensor<?x8xf32>, tensor<8x10xi8>) -> tensor<?x10xf32>
  %1 = nn.packed_matmul %x, %packed {columns = 10 : i64} : (tensor<?x8xf32>, tensor<2x8x8xi8>) -> tensor<?x10xf32>
  return
}
