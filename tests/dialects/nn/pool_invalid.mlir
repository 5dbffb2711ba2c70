// RUN: sylvite-opt %s -split-input-file -verify-diagnostics

// pool_c1
func.func @f(%x: tensor<?x4xf32>) {
  // expected-error @+2 {{pool_c1: expected an input (N, spatial..., C)}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.max_pool %x {window = array<i64: 2, 2>, strides = array<i64: 2, 2>, dilations = array<i64: 1, 1>, padding_low = array<i64: 0, 0>, padding_high = array<i64: 0, 0>} : (tensor<?x4xf32>) -> tensor<?x4xf32>
  return
}

// -----

// pool_c1
func.func @f(%x: tensor<?x4x4x3xf32>) {
  // expected-error @+2 {{pool_c1: expected 2 entries, one per spatial dimension, found 1}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.max_pool %x {window = array<i64: 2>, strides = array<i64: 2, 2>, dilations = array<i64: 1, 1>, padding_low = array<i64: 0, 0>, padding_high = array<i64: 0, 0>} : (tensor<?x4x4x3xf32>) -> tensor<?x2x2x3xf32>
  return
}

// -----

// pool_c1
func.func @f(%x: tensor<?x4x4x3xf32>) {
  // expected-error @+2 {{pool_c1: sizes, strides and dilations are positive, found 0}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.max_pool %x {window = array<i64: 2, 0>, strides = array<i64: 2, 2>, dilations = array<i64: 1, 1>, padding_low = array<i64: 0, 0>, padding_high = array<i64: 0, 0>} : (tensor<?x4x4x3xf32>) -> tensor<?x2x2x3xf32>
  return
}

// -----

// pool_c1
func.func @f(%x: tensor<?x4x4x3xf32>) {
  // expected-error @+2 {{pool_c1: a padding is not negative, found -1}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.avg_pool %x {window = array<i64: 2, 2>, strides = array<i64: 2, 2>, dilations = array<i64: 1, 1>, padding_low = array<i64: 0, 0>, padding_high = array<i64: -1, 0>} : (tensor<?x4x4x3xf32>) -> tensor<?x2x2x3xf32>
  return
}

// -----

// pool_c2
func.func @f(%x: tensor<?x4x4x3xf32>) {
  // expected-error @+2 {{pool_c2: a padding of 2 in spatial dimension 0 leaves a window of 2 empty}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.max_pool %x {window = array<i64: 2, 2>, strides = array<i64: 2, 2>, dilations = array<i64: 1, 1>, padding_low = array<i64: 2, 0>, padding_high = array<i64: 0, 0>} : (tensor<?x4x4x3xf32>) -> tensor<?x2x2x3xf32>
  return
}

// -----

// pool_c3
func.func @f(%x: tensor<?x4x4x3xf32>) {
  // expected-error @+2 {{pool_c3: a window of 5 dilated by 1 does not fit into spatial dimension 1 of the padded input}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.avg_pool %x {window = array<i64: 2, 5>, strides = array<i64: 2, 2>, dilations = array<i64: 1, 1>, padding_low = array<i64: 0, 0>, padding_high = array<i64: 0, 0>} : (tensor<?x4x4x3xf32>) -> tensor<?x2x2x3xf32>
  return
}

// -----

// max_pool_index_c1
func.func @f(%x: tensor<2x8x3xf32>, %y: tensor<2x5x3xf32>) {
  // expected-error @+1 {{max_pool_index_c1: 'tensor<2x5x3xf32>' is not the shape of the pooling}}
  %0 = nn.max_pool_index %x, %y {window = array<i64: 2>, strides = array<i64: 2>, dilations = array<i64: 1>, padding_low = array<i64: 0>, padding_high = array<i64: 0>} : (tensor<2x8x3xf32>, tensor<2x5x3xf32>) -> tensor<2x5x3xi32>
  return
}

// -----

// max_pool_index_c2
func.func @f(%x: tensor<2x8x3xf32>, %y: tensor<2x4x3xf32>) {
  // expected-error @+1 {{max_pool_index_c2: the result is 'tensor<2x5x3xi32>', the maxima 'tensor<2x4x3xf32>'}}
  %0 = nn.max_pool_index %x, %y {window = array<i64: 2>, strides = array<i64: 2>, dilations = array<i64: 1>, padding_low = array<i64: 0>, padding_high = array<i64: 0>} : (tensor<2x8x3xf32>, tensor<2x4x3xf32>) -> tensor<2x5x3xi32>
  return
}

// -----

// max_pool_grad_c1
func.func @f(%g: tensor<2x4x3xf32>, %i: tensor<2x5x3xi32>, %x: tensor<2x8x3xf32>) {
  // expected-error @+1 {{max_pool_grad_c1: 'tensor<2x5x3xi32>' is not the shape of the pooling}}
  %0 = nn.max_pool_grad %g, %i like %x {window = array<i64: 2>, strides = array<i64: 2>, dilations = array<i64: 1>, padding_low = array<i64: 0>, padding_high = array<i64: 0>} : (tensor<2x4x3xf32>, tensor<2x5x3xi32>, tensor<2x8x3xf32>) -> tensor<2x8x3xf32>
  return
}

// -----

// max_pool_grad_c2
func.func @f(%g: tensor<2x4x3xf32>, %i: tensor<2x4x3xi32>, %x: tensor<2x8x3xf32>) {
  // expected-error @+1 {{max_pool_grad_c2: the result is 'tensor<2x9x3xf32>', the input of the pooling 'tensor<2x8x3xf32>'}}
  %0 = nn.max_pool_grad %g, %i like %x {window = array<i64: 2>, strides = array<i64: 2>, dilations = array<i64: 1>, padding_low = array<i64: 0>, padding_high = array<i64: 0>} : (tensor<2x4x3xf32>, tensor<2x4x3xi32>, tensor<2x8x3xf32>) -> tensor<2x9x3xf32>
  return
}

// -----

// avg_pool_grad_c1
func.func @f(%g: tensor<2x3x3xf32>, %x: tensor<2x8x3xf32>) {
  // expected-error @+1 {{avg_pool_grad_c1: 'tensor<2x3x3xf32>' is not the shape of the pooling}}
  %0 = nn.avg_pool_grad %g like %x {window = array<i64: 2>, strides = array<i64: 2>, dilations = array<i64: 1>, padding_low = array<i64: 0>, padding_high = array<i64: 0>} : (tensor<2x3x3xf32>, tensor<2x8x3xf32>) -> tensor<2x8x3xf32>
  return
}

// -----

// avg_pool_grad_c2
func.func @f(%g: tensor<2x4x3xf32>, %x: tensor<2x8x3xf32>) {
  // expected-error @+1 {{avg_pool_grad_c2: the result is 'tensor<2x8x4xf32>', the input of the pooling 'tensor<2x8x3xf32>'}}
  %0 = nn.avg_pool_grad %g like %x {window = array<i64: 2>, strides = array<i64: 2>, dilations = array<i64: 1>, padding_low = array<i64: 0>, padding_high = array<i64: 0>} : (tensor<2x4x3xf32>, tensor<2x8x3xf32>) -> tensor<2x8x4xf32>
  return
}

// -----

// max_pool_grad_c3
func.func @f(%g: tensor<2x4x3xf32>, %i: tensor<2x4x3xi32>) {
  // expected-error @+1 {{max_pool_grad_c3: without 'like' the result cannot be 'tensor<2x?x3xf32>'}}
  %0 = nn.max_pool_grad %g, %i {window = array<i64: 2>, strides = array<i64: 2>, dilations = array<i64: 1>, padding_low = array<i64: 0>, padding_high = array<i64: 0>} : (tensor<2x4x3xf32>, tensor<2x4x3xi32>) -> tensor<2x?x3xf32>
  return
}

// -----

// avg_pool_grad_c3
func.func @f(%g: tensor<2x4x3xf32>) {
  // expected-error @+1 {{avg_pool_grad_c3: without 'like' the result cannot be 'tensor<2x?x3xf32>'}}
  %0 = nn.avg_pool_grad %g {window = array<i64: 2>, strides = array<i64: 2>, dilations = array<i64: 1>, padding_low = array<i64: 0>, padding_high = array<i64: 0>} : (tensor<2x4x3xf32>) -> tensor<2x?x3xf32>
  return
}
