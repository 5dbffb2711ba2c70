// RUN: sylvite-opt %s -split-input-file -verify-diagnostics

// matmul_c1
func.func @f(%x: tensor<2xf32>, %y: tensor<2x3xf32>) {
  // expected-error @+2 {{matmul_c1: expected two operands of rank two or more and one element type}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.matmul %x, %y : (tensor<2xf32>, tensor<2x3xf32>) -> tensor<3xf32>
  return
}

// -----

// matmul_c1
func.func @f(%x: tensor<2x2xf64>, %y: tensor<2x3xf32>) {
  // expected-error @+2 {{matmul_c1}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.matmul %x, %y : (tensor<2x2xf64>, tensor<2x3xf32>) -> tensor<2x3xf64>
  return
}

// -----

// matmul_c2
func.func @f(%x: tensor<?x4xf32>, %y: tensor<5x3xf32>) {
  // expected-error @+2 {{matmul_c2: cannot contract a dimension of 4 with one of 5}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.matmul %x, %y : (tensor<?x4xf32>, tensor<5x3xf32>) -> tensor<?x3xf32>
  return
}

// -----

// matmul_c3
func.func @f(%x: tensor<2x4x4xf32>, %y: tensor<3x4x4xf32>) {
  // expected-error @+2 {{matmul_c3: the leading dimensions do not broadcast together}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.matmul %x, %y : (tensor<2x4x4xf32>, tensor<3x4x4xf32>) -> tensor<3x4x4xf32>
  return
}

// -----

// packed_matmul_c1
func.func @f(%x: tensor<?x4xf32>, %w: tensor<4x8xf32>) {
  // expected-error @+2 {{packed_matmul_c1: expected a left side of rank two or more and a right side (blocks, K, block) or (blocks, K / n, block, n)}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.packed_matmul %x, %w {columns = 8 : i64} : (tensor<?x4xf32>, tensor<4x8xf32>) -> tensor<?x8xf32>
  return
}

// -----

// packed_matmul_c1
func.func @f(%x: tensor<?x7x4xf32>, %w: tensor<1x4x3x8xf32>) {
  // expected-error @+2 {{or a matrix and (blocks, K, gates, block), of one element type}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.packed_matmul %x, %w {columns = 8 : i64} : (tensor<?x7x4xf32>, tensor<1x4x3x8xf32>) -> tensor<3x?x8xf32>
  return
}

// -----

// packed_matmul_c2
func.func @f(%x: tensor<?x4xf32>, %w: tensor<1x5x8xf32>) {
  // expected-error @+2 {{packed_matmul_c2: cannot contract a dimension of 4 with one of 5}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.packed_matmul %x, %w {columns = 8 : i64} : (tensor<?x4xf32>, tensor<1x5x8xf32>) -> tensor<?x8xf32>
  return
}

// -----

// packed_matmul_c3
func.func @f(%x: tensor<?x4xf32>, %w: tensor<1x4x8xf32>) {
  // expected-error @+2 {{packed_matmul_c3: 1 blocks of 8 do not hold 10 columns}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.packed_matmul %x, %w {columns = 10 : i64} : (tensor<?x4xf32>, tensor<1x4x8xf32>) -> tensor<?x10xf32>
  return
}

// -----

// matmul_c1
func.func @matmul_c1_bytes(%x: tensor<2x4xi8>, %w: tensor<4x8xui8>) {
  // expected-error @+2 {{matmul_c1: expected two operands of rank two or more and one element type, or of ui8 or a float type and i8}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.matmul %x, %w : (tensor<2x4xi8>, tensor<4x8xui8>) -> tensor<2x8xi32>
  return
}

// -----

// packed_matmul_c1
func.func @packed_matmul_c1_bytes(%x: tensor<2x8xui8>, %w: tensor<1x8x8xi8>) {
  // expected-error @+2 {{packed_matmul_c1}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.packed_matmul %x, %w {columns = 8 : i64} : (tensor<2x8xui8>, tensor<1x8x8xi8>) -> tensor<2x8xi32>
  return
}
