// RUN: sylvite-opt %s -split-input-file -verify-diagnostics

// conv_c1
func.func @f(%x: tensor<?x5x5x4xf32>, %w: tensor<3x4x8xf32>) {
  // expected-error @+2 {{conv_c1: expected an input (N, spatial..., C) and a filter (spatial..., C / groups, O) of one element type}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.conv %x, %w {strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, padding_low = array<i64: 0, 0>, padding_high = array<i64: 0, 0>} : (tensor<?x5x5x4xf32>, tensor<3x4x8xf32>) -> tensor<?x3x3x8xf32>
  return
}

// -----

// conv_c1
func.func @f(%x: tensor<?x5x5x4xf32>, %w: tensor<3x3x4x8xf64>) {
  // expected-error @+2 {{conv_c1}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.conv %x, %w {strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, padding_low = array<i64: 0, 0>, padding_high = array<i64: 0, 0>} : (tensor<?x5x5x4xf32>, tensor<3x3x4x8xf64>) -> tensor<?x3x3x8xf32>
  return
}

// -----

// conv_c2
func.func @f(%x: tensor<?x5x5x4xf32>, %w: tensor<3x3x4x8xf32>) {
  // expected-error @+2 {{conv_c2: expected 2 entries, one per spatial dimension, found 1}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.conv %x, %w {strides = array<i64: 1>, dilations = array<i64: 1, 1>, padding_low = array<i64: 0, 0>, padding_high = array<i64: 0, 0>} : (tensor<?x5x5x4xf32>, tensor<3x3x4x8xf32>) -> tensor<?x3x3x8xf32>
  return
}

// -----

// conv_c2
func.func @f(%x: tensor<?x5x5x4xf32>, %w: tensor<3x3x4x8xf32>) {
  // expected-error @+2 {{conv_c2: sizes, strides and dilations are positive, found 0}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.conv %x, %w {strides = array<i64: 1, 0>, dilations = array<i64: 1, 1>, padding_low = array<i64: 0, 0>, padding_high = array<i64: 0, 0>} : (tensor<?x5x5x4xf32>, tensor<3x3x4x8xf32>) -> tensor<?x3x3x8xf32>
  return
}

// -----

// conv_c2
func.func @f(%x: tensor<?x5x5x4xf32>, %w: tensor<3x3x4x8xf32>) {
  // expected-error @+2 {{conv_c2: sizes, strides and dilations are positive, found -1}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.conv %x, %w {strides = array<i64: 1, 1>, dilations = array<i64: -1, 1>, padding_low = array<i64: 0, 0>, padding_high = array<i64: 0, 0>} : (tensor<?x5x5x4xf32>, tensor<3x3x4x8xf32>) -> tensor<?x3x3x8xf32>
  return
}

// -----

// conv_c2
func.func @f(%x: tensor<?x5x5x4xf32>, %w: tensor<3x3x4x8xf32>) {
  // expected-error @+2 {{conv_c2: a padding is not negative, found -2}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.conv %x, %w {strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, padding_low = array<i64: 0, -2>, padding_high = array<i64: 0, 0>} : (tensor<?x5x5x4xf32>, tensor<3x3x4x8xf32>) -> tensor<?x3x3x8xf32>
  return
}

// -----

// conv_c3
func.func @f(%x: tensor<?x5x5x4xf32>, %w: tensor<3x3x4x8xf32>) {
  // expected-error @+2 {{conv_c3: 3 groups do not divide 4 input channels and 8 filters into a filter of 4 channels}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.conv %x, %w {strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, padding_low = array<i64: 0, 0>, padding_high = array<i64: 0, 0>, groups = 3 : i64} : (tensor<?x5x5x4xf32>, tensor<3x3x4x8xf32>) -> tensor<?x3x3x8xf32>
  return
}

// -----

// conv_c3
func.func @f(%x: tensor<?x5x5x4xf32>, %w: tensor<3x3x5x8xf32>) {
  // expected-error @+2 {{conv_c3: 1 groups do not divide 4 input channels and 8 filters into a filter of 5 channels}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.conv %x, %w {strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, padding_low = array<i64: 0, 0>, padding_high = array<i64: 0, 0>} : (tensor<?x5x5x4xf32>, tensor<3x3x5x8xf32>) -> tensor<?x3x3x8xf32>
  return
}

// -----

// conv_c4
func.func @f(%x: tensor<?x5x5x4xf32>, %w: tensor<3x3x4x8xf32>) {
  // expected-error @+2 {{conv_c4: a window of 3 dilated by 3 does not fit into spatial dimension 1 of the padded input}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.conv %x, %w {strides = array<i64: 1, 1>, dilations = array<i64: 1, 3>, padding_low = array<i64: 0, 0>, padding_high = array<i64: 0, 0>} : (tensor<?x5x5x4xf32>, tensor<3x3x4x8xf32>) -> tensor<?x3x3x8xf32>
  return
}

// -----

// conv_transpose_c1
func.func @f(%x: tensor<?x5x5x4xf32>, %w: tensor<3x3x8x5xf32>) {
  // expected-error @+2 {{conv_transpose_c1: expected an input (N, spatial..., C) and a filter (spatial..., O / groups, C) of one element type}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.conv_transpose %x, %w {strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, padding_low = array<i64: 0, 0>, padding_high = array<i64: 0, 0>, output_padding = array<i64: 0, 0>} : (tensor<?x5x5x4xf32>, tensor<3x3x8x5xf32>) -> tensor<?x7x7x8xf32>
  return
}

// -----

// conv_transpose_c2
func.func @f(%x: tensor<?x5x5x4xf32>, %w: tensor<3x3x8x4xf32>) {
  // expected-error @+2 {{conv_transpose_c2: expected 2 entries, one per spatial dimension, found 3}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.conv_transpose %x, %w {strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, padding_low = array<i64: 0, 0>, padding_high = array<i64: 0, 0>, output_padding = array<i64: 0, 0, 0>} : (tensor<?x5x5x4xf32>, tensor<3x3x8x4xf32>) -> tensor<?x7x7x8xf32>
  return
}

// -----

// conv_transpose_c2
func.func @f(%x: tensor<?x5x5x4xf32>, %w: tensor<3x3x8x4xf32>) {
  // expected-error @+2 {{conv_transpose_c2: sizes, strides and dilations are positive, found 0}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.conv_transpose %x, %w {strides = array<i64: 0, 1>, dilations = array<i64: 1, 1>, padding_low = array<i64: 0, 0>, padding_high = array<i64: 0, 0>, output_padding = array<i64: 0, 0>} : (tensor<?x5x5x4xf32>, tensor<3x3x8x4xf32>) -> tensor<?x7x7x8xf32>
  return
}

// -----

// conv_transpose_c3
func.func @f(%x: tensor<?x5x5x4xf32>, %w: tensor<3x3x8x4xf32>) {
  // expected-error @+2 {{conv_transpose_c3: 3 groups do not divide the input channels}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.conv_transpose %x, %w {strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, padding_low = array<i64: 0, 0>, padding_high = array<i64: 0, 0>, output_padding = array<i64: 0, 0>, groups = 3 : i64} : (tensor<?x5x5x4xf32>, tensor<3x3x8x4xf32>) -> tensor<?x7x7x24xf32>
  return
}

// -----

// conv_transpose_c4
func.func @f(%x: tensor<?x5x5x4xf32>, %w: tensor<3x3x8x4xf32>) {
  // expected-error @+2 {{conv_transpose_c4: spatial dimension 0 of the result would be 0}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.conv_transpose %x, %w {strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, padding_low = array<i64: 7, 0>, padding_high = array<i64: 0, 0>, output_padding = array<i64: 0, 0>} : (tensor<?x5x5x4xf32>, tensor<3x3x8x4xf32>) -> tensor<?x1x7x8xf32>
  return
}
