// RUN: sylvite-opt %s -split-input-file -verify-diagnostics

// reshape_c1
func.func @f(%x: tensor<2x3xf32>) {
  // expected-error @+1 {{reshape_c1: 'tensor<2x3xf32>' and 'tensor<7xf32>' have different numbers of elements}}
  %0 = nn.reshape %x from [-1] : tensor<2x3xf32> to tensor<7xf32>
  return
}

// -----

// reshape_c1
func.func @f(%x: tensor<2x3xf32>) {
  // expected-error @+1 {{reshape_c1: the element type changes}}
  %0 = nn.reshape %x from [-1] : tensor<2x3xf32> to tensor<6xf64>
  return
}

// -----

// reshape_c2
func.func @f(%x: tensor<?x3xf32>) {
  // expected-error @+1 {{reshape_c2: `from` has 1 entries for rank 2}}
  %0 = nn.reshape %x from [0] : tensor<?x3xf32> to tensor<?x3xf32>
  return
}

// -----

// reshape_c2
func.func @f(%x: tensor<2x3xf32>) {
  // expected-error @+1 {{reshape_c2: dimension 0 does not have the size of source dimension 1}}
  %0 = nn.reshape %x from [1, -1] : tensor<2x3xf32> to tensor<2x3xf32>
  return
}

// -----

// reshape_c3
func.func @f(%x: tensor<?x?xf32>) {
  // expected-error @+1 {{reshape_c3: more than one free dimension has no source}}
  %0 = nn.reshape %x from [-1, -1] : tensor<?x?xf32> to tensor<?x?xf32>
  return
}

// -----

// transpose_c1
func.func @f(%x: tensor<?x3xf32>) {
  // expected-error @+2 {{transpose_c1: expected a permutation of 2 dimensions}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.transpose %x [0, 0] : (tensor<?x3xf32>) -> tensor<?x?xf32>
  return
}

// -----

// slice_c1
func.func @f(%x: tensor<?x3xf32>) {
  // expected-error @+2 {{slice_c1: expected one entry per dimension, found 1}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.slice %x starts [0] sizes [-1] strides [1] : (tensor<?x3xf32>) -> tensor<?x3xf32>
  return
}

// -----

// slice_c1
func.func @f(%x: tensor<?x3xf32>) {
  // expected-error @+2 {{slice_c1: size 0 with stride 1 in dimension 1}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.slice %x starts [0, 0] sizes [-1, 0] strides [1, 1] : (tensor<?x3xf32>) -> tensor<?x0xf32>
  return
}

// -----

// slice_c2
func.func @f(%x: tensor<?x3xf32>) {
  // expected-error @+2 {{slice_c2: elements 1 to 3 of dimension 1 are not all within it}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.slice %x starts [0, 1] sizes [-1, 3] strides [1, 1] : (tensor<?x3xf32>) -> tensor<?x3xf32>
  return
}

// -----

// concat_c1
func.func @f(%x: tensor<?x3xf32>) {
  // expected-error @+2 {{concat_c1: dimension 2 is not one of the inputs'}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.concat %x, %x dim 2 : (tensor<?x3xf32>, tensor<?x3xf32>) -> tensor<?x3xf32>
  return
}

// -----

// concat_c1
func.func @f(%x: tensor<?x3xf32>, %y: tensor<3xf32>) {
  // expected-error @+2 {{concat_c1: inputs differ in rank or element type}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.concat %x, %y dim 0 : (tensor<?x3xf32>, tensor<3xf32>) -> tensor<?x3xf32>
  return
}

// -----

// concat_c2
func.func @f(%x: tensor<2x3xf32>, %y: tensor<3x3xf32>) {
  // expected-error @+2 {{concat_c2: dimension 0 is 2 and 3}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.concat %x, %y dim 1 : (tensor<2x3xf32>, tensor<3x3xf32>) -> tensor<2x6xf32>
  return
}

// -----

// pad_c1
func.func @f(%x: tensor<?x3xf32>) {
  // expected-error @+2 {{pad_c1: expected one entry per dimension, found 1 and 2}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.pad %x low [0] high [0, 1] : (tensor<?x3xf32>) -> tensor<?x4xf32>
  return
}

// -----

// pad_c1
func.func @f(%x: tensor<?x3xf32>) {
  // expected-error @+2 {{pad_c1: a negative padding in dimension 1}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.pad %x low [0, -1] high [0, 1] : (tensor<?x3xf32>) -> tensor<?x3xf32>
  return
}

// -----

// pad_c2
func.func @f(%x: tensor<?x3xf32>) {
  // expected-error @+2 {{pad_c2: a reflect padding of 3 is too large for dimension 1 of 3}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.pad %x low [0, 3] high [0, 0] {mode = 1 : i32} : (tensor<?x3xf32>) -> tensor<?x6xf32>
  return
}

// -----

// broadcast_c1
func.func @f(%x: tensor<2xf32>) {
  // expected-error @+1 {{broadcast_c1: 'tensor<2xf32>' does not broadcast to 'tensor<3xf32>'}}
  %0 = nn.broadcast %x : (tensor<2xf32>) -> tensor<3xf32>
  return
}

// -----

// broadcast_c1
func.func @f(%x: tensor<1xf32>) {
  // expected-error @+1 {{broadcast_c1}}
  %0 = nn.broadcast %x : (tensor<1xf32>) -> tensor<?xf32>
  return
}

// -----

// resize_c1
func.func @f(%x: tensor<?x2x2x1xf32>) {
  // expected-error @+2 {{resize_c1: expected one size per spatial dimension, none of them zero}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.resize nearest %x sizes [4] half_pixel : (tensor<?x2x2x1xf32>) -> tensor<?x4x4x1xf32>
  return
}

// -----

// gather_c1
func.func @f(%x: tensor<4x3xf32>, %i: tensor<?xi32>) {
  // expected-error @+2 {{gather_c1: dimension 2 is not one of the data's}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.gather %x, %i dim 2 : (tensor<4x3xf32>, tensor<?xi32>) -> tensor<?x3xf32>
  return
}

// -----

// gather_c1
func.func @f(%x: tensor<4x3xf32>, %i: tensor<?xf32>) {
  // expected-error @+2 {{gather_c1}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.gather %x, %i dim 0 : (tensor<4x3xf32>, tensor<?xf32>) -> tensor<?x3xf32>
  return
}

// -----

// iota_c1
func.func @f(%x: tensor<1x?xf32>) {
  // expected-error @+1 {{iota_c1: 'tensor<1x?xi64>' does not hold indices along dimension 2 of 'tensor<1x?xf32>'}}
  %0 = nn.iota %x dim 2 : (tensor<1x?xf32>) -> tensor<1x?xi64>
  return
}

// -----

// range_c1
func.func @f(%x: tensor<1x?xf32>) {
  // expected-error @+1 {{range_c1: affine_map<()[s0] -> (s0)> is not one expression of the 2 dimensions of the operands}}
  %0 = nn.range affine_map<()[s0] -> (s0)> of %x : (tensor<1x?xf32>) -> tensor<?xi64>
  return
}

// -----

// range_c2
func.func @f(%x: tensor<1x?xf32>) {
  // expected-error @+1 {{range_c2: 'tensor<4xi64>' is not a vector of i64 of affine_map<()[s0, s1] -> (s1)> elements}}
  %0 = nn.range affine_map<()[s0, s1] -> (s1)> of %x : (tensor<1x?xf32>) -> tensor<4xi64>
  return
}

// -----

// size_c1
func.func @f(%x: tensor<1x?xf32>) {
  // expected-error @+1 {{size_c1: affine_map<()[s0, s1] -> (s0, s1)> is not one expression of the 2 dimensions of the operands}}
  %0 = nn.size affine_map<()[s0, s1] -> (s0, s1)> of %x : (tensor<1x?xf32>) -> tensor<1xi64>
  return
}

// -----

// size_c2
func.func @f(%x: tensor<1x?xf32>) {
  // expected-error @+1 {{size_c2: 'tensor<i64>' is not a vector of one i64}}
  %0 = nn.size affine_map<()[s0, s1] -> (s1)> of %x : (tensor<1x?xf32>) -> tensor<i64>
  return
}

// -----

// scatter_c1
func.func @f(%x: tensor<8x4xf32>, %i: tensor<3xi64>, %u: tensor<3x5xf32>) {
  // expected-error @+2 {{scatter_c1: data and updates are matrices of one element type with as many columns}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.scatter set %x, %i, %u : (tensor<8x4xf32>, tensor<3xi64>, tensor<3x5xf32>) -> tensor<8x4xf32>
  return
}

// -----

// scatter_c2
func.func @f(%x: tensor<8x4xf32>, %i: tensor<2xi64>, %u: tensor<3x4xf32>) {
  // expected-error @+2 {{scatter_c2: indices are a vector of integers, one per row of the updates}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.scatter add %x, %i, %u : (tensor<8x4xf32>, tensor<2xi64>, tensor<3x4xf32>) -> tensor<8x4xf32>
  return
}

// -----

// full_c1
func.func @f(%x: tensor<?x3xf32>) {
  // expected-error @+1 {{full_c1: `from` has 1 entries for rank 2}}
  %0 = nn.full 0.0 like %x from [0] : tensor<?x3xf32> to tensor<?x4xf32>
  return
}

// -----

// full_c1
func.func @f(%x: tensor<?x3xf32>) {
  // expected-error @+1 {{full_c1: dimension 1 does not have the size of dimension 1 of 'tensor<?x3xf32>'}}
  %0 = nn.full 0.0 like %x from [0, 1] : tensor<?x3xf32> to tensor<?x4xf32>
  return
}

// -----

// full_c2
func.func @f(%x: tensor<?x3xf32>) {
  // expected-error @+1 {{full_c2: free dimension 0 has no source}}
  %0 = nn.full 0.0 like %x from [-1, -1] : tensor<?x3xf32> to tensor<?x4xf32>
  return
}

// -----

// slice_grad_c1
func.func @f(%g: tensor<2x4xf32>, %x: tensor<2x8xf32>) {
  // expected-error @+1 {{slice_grad_c1: expected 2 starts and strides, none of those zero}}
  %0 = nn.slice_grad %g like %x starts [0, 0] strides [1, 0] : (tensor<2x4xf32>, tensor<2x8xf32>) -> tensor<2x8xf32>
  return
}

// -----

// slice_grad_c2
func.func @f(%g: tensor<2x4xf32>, %x: tensor<2x8xf32>) {
  // expected-error @+1 {{slice_grad_c2: the result is 'tensor<2x9xf32>', the sliced tensor 'tensor<2x8xf32>'}}
  %0 = nn.slice_grad %g like %x starts [0, 0] strides [1, 2] : (tensor<2x4xf32>, tensor<2x8xf32>) -> tensor<2x9xf32>
  return
}
