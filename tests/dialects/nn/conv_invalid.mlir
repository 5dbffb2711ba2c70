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

// -----

// packed_conv_c1
func.func @f(%x: tensor<?x9x9x4xf32>, %w: tensor<1x3x3x4x8xf32>) {
  // expected-error @+2 {{packed_conv_c1: expected an input (N, spatial..., C) and a filter (groups, blocks, spatial..., C / groups, block)}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.packed_conv %x, %w {filters = 8 : i64, strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>} : (tensor<?x9x9x4xf32>, tensor<1x3x3x4x8xf32>) -> tensor<?x7x7x8xf32>
  return
}

// -----

// packed_conv_c2
func.func @f(%x: tensor<?x9x9x4xf32>, %w: tensor<1x1x3x3x4x8xf32>) {
  // expected-error @+2 {{packed_conv_c2: expected 2 entries}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.packed_conv %x, %w {filters = 8 : i64, strides = array<i64: 1>, dilations = array<i64: 1, 1>} : (tensor<?x9x9x4xf32>, tensor<1x1x3x3x4x8xf32>) -> tensor<?x7x7x8xf32>
  return
}

// -----

// packed_conv_c3
func.func @f(%x: tensor<?x9x9x4xf32>, %w: tensor<1x1x3x3x4x8xf32>) {
  // expected-error @+2 {{packed_conv_c3: 1 groups of 1 blocks of 8 filters over 4 channels do not make 9 filters over 4 channels}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.packed_conv %x, %w {filters = 9 : i64, strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>} : (tensor<?x9x9x4xf32>, tensor<1x1x3x3x4x8xf32>) -> tensor<?x7x7x9xf32>
  return
}

// -----

// packed_conv_c4
func.func @f(%x: tensor<?x2x9x4xf32>, %w: tensor<1x1x3x3x4x8xf32>) {
  // expected-error @+2 {{packed_conv_c4: a window of 3}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.packed_conv %x, %w {filters = 8 : i64, strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>} : (tensor<?x2x9x4xf32>, tensor<1x1x3x3x4x8xf32>) -> tensor<?x1x7x8xf32>
  return
}

// -----

// winograd_filter_c1
func.func @f(%w: tensor<3x1x4x8xf32>) {
  // expected-error @+2 {{winograd_filter_c1: expected a filter (3, 3, C, O)}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.winograd_filter %w {tile = 2 : i64} : (tensor<3x1x4x8xf32>) -> tensor<4x4x4x8xf32>
  return
}

// -----

// winograd_filter_c2
func.func @f(%w: tensor<3x3x4x8xf32>) {
  // expected-error @+2 {{winograd_filter_c2: tile is 2 or 4, not 3}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.winograd_filter %w {tile = 3 : i64} : (tensor<3x3x4x8xf32>) -> tensor<5x5x4x8xf32>
  return
}

// -----

// winograd_conv_c1
func.func @f(%x: tensor<?x9x9x4xf32>, %w: tensor<1x16x4x8xf32>) {
  // expected-error @+2 {{winograd_conv_c1: expected an input (N, H, W, C) and a filter (blocks, 36, C, block) or (blocks, C, 9, block) of one element type}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.winograd_conv %x, %w {filters = 8 : i64, tile = 4 : i64, padding_low = array<i64: 0, 0>, padding_high = array<i64: 0, 0>} : (tensor<?x9x9x4xf32>, tensor<1x16x4x8xf32>) -> tensor<?x7x7x8xf32>
  return
}

// -----

// winograd_conv_c2
func.func @f(%x: tensor<?x9x9x4xf32>, %w: tensor<1x16x4x8xf32>) {
  // expected-error @+2 {{winograd_conv_c2: expected a tile of 2 or 4 and paddings of two entries from 0 to 2}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.winograd_conv %x, %w {filters = 8 : i64, tile = 2 : i64, padding_low = array<i64: 3, 0>, padding_high = array<i64: 0, 0>} : (tensor<?x9x9x4xf32>, tensor<1x16x4x8xf32>) -> tensor<?x10x7x8xf32>
  return
}

// -----

// winograd_conv_c3
func.func @f(%x: tensor<?x9x9x4xf32>, %w: tensor<1x16x4x8xf32>) {
  // expected-error @+2 {{winograd_conv_c3: 1 blocks of 8 do not hold 9 filters}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.winograd_conv %x, %w {filters = 9 : i64, tile = 2 : i64, padding_low = array<i64: 0, 0>, padding_high = array<i64: 0, 0>} : (tensor<?x9x9x4xf32>, tensor<1x16x4x8xf32>) -> tensor<?x7x7x9xf32>
  return
}

// -----

// winograd_conv_c4
func.func @f(%x: tensor<?x9x2x4xf32>, %w: tensor<1x16x4x8xf32>) {
  // expected-error @+2 {{winograd_conv_c4: the filter does not fit into spatial dimension 1}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.winograd_conv %x, %w {filters = 8 : i64, tile = 2 : i64, padding_low = array<i64: 0, 0>, padding_high = array<i64: 0, 0>} : (tensor<?x9x2x4xf32>, tensor<1x16x4x8xf32>) -> tensor<?x7x1x8xf32>
  return
}

// -----

// winograd_conv_c5
func.func @f(%x: tensor<?x9x?x4xf32>, %w: tensor<1x16x4x8xf32>) {
  // expected-error @+2 {{winograd_conv_c5: images of 8 items at a time have static sizes}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.winograd_conv %x, %w {filters = 8 : i64, tile = 2 : i64, padding_low = array<i64: 0, 0>, padding_high = array<i64: 0, 0>, items = 8 : i64} : (tensor<?x9x?x4xf32>, tensor<1x16x4x8xf32>) -> tensor<?x7x?x8xf32>
  return
}

// -----

// conv_grad_filter_c1
func.func @f(%x: tensor<2x8x4xf32>, %g: tensor<2x8x8x6xf32>) {
  // expected-error @+2 {{conv_grad_filter_c1: expected an input (N, spatial..., C) and a gradient (N, positions..., O) of one element type}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.conv_grad_filter %x, %g {window = array<i64: 3>, strides = array<i64: 1>, dilations = array<i64: 1>, padding_low = array<i64: 0>, padding_high = array<i64: 0>} : (tensor<2x8x4xf32>, tensor<2x8x8x6xf32>) -> tensor<3x4x6xf32>
  return
}

// -----

// conv_grad_filter_c2
func.func @f(%x: tensor<2x8x4xf32>, %g: tensor<2x6x6xf32>) {
  // expected-error @+2 {{conv_grad_filter_c2: sizes, strides and dilations are positive, found 0}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.conv_grad_filter %x, %g {window = array<i64: 3>, strides = array<i64: 0>, dilations = array<i64: 1>, padding_low = array<i64: 0>, padding_high = array<i64: 0>} : (tensor<2x8x4xf32>, tensor<2x6x6xf32>) -> tensor<3x4x6xf32>
  return
}

// -----

// conv_grad_filter_c3
func.func @f(%x: tensor<2x8x4xf32>, %g: tensor<2x6x6xf32>) {
  // expected-error @+2 {{conv_grad_filter_c3: 3 groups do not divide 4 channels and 6 filters}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.conv_grad_filter %x, %g {window = array<i64: 3>, strides = array<i64: 1>, dilations = array<i64: 1>, padding_low = array<i64: 0>, padding_high = array<i64: 0>, groups = 3 : i64} : (tensor<2x8x4xf32>, tensor<2x6x6xf32>) -> tensor<3x4x6xf32>
  return
}

// -----

// conv_grad_filter_c4
func.func @f(%x: tensor<2x8x4xf32>, %g: tensor<2x7x6xf32>) {
  // expected-error @+2 {{conv_grad_filter_c4: the gradient has 7 positions in spatial dimension 0, the convolution 6}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.conv_grad_filter %x, %g {window = array<i64: 3>, strides = array<i64: 1>, dilations = array<i64: 1>, padding_low = array<i64: 0>, padding_high = array<i64: 0>} : (tensor<2x8x4xf32>, tensor<2x7x6xf32>) -> tensor<3x4x6xf32>
  return
}

// -----

// winograd_grad_filter_c1
func.func @f(%x: tensor<?x9x4xf32>, %g: tensor<?x7x8xf32>) {
  // expected-error @+2 {{winograd_grad_filter_c1: expected an input (N, H, W, C) and a gradient (N, H', W', O) of one element type}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.winograd_grad_filter %x, %g {tile = 4 : i64, padding_low = array<i64: 0, 0>, padding_high = array<i64: 0, 0>} : (tensor<?x9x4xf32>, tensor<?x7x8xf32>) -> tensor<3x3x4x8xf32>
  return
}

// -----

// winograd_grad_filter_c2
func.func @f(%x: tensor<?x9x9x4xf32>, %g: tensor<?x7x7x8xf32>) {
  // expected-error @+2 {{winograd_grad_filter_c2: expected a tile of 2 or 4 and paddings of two entries from 0 to 2}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.winograd_grad_filter %x, %g {tile = 3 : i64, padding_low = array<i64: 0, 0>, padding_high = array<i64: 0, 0>} : (tensor<?x9x9x4xf32>, tensor<?x7x7x8xf32>) -> tensor<3x3x4x8xf32>
  return
}

// -----

// winograd_grad_filter_c3
func.func @f(%x: tensor<?x9x9x4xf32>, %g: tensor<?x7x8x8xf32>) {
  // expected-error @+2 {{winograd_grad_filter_c3: spatial dimension 1 of the gradient is not that of a convolution of the input}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.winograd_grad_filter %x, %g {tile = 4 : i64, padding_low = array<i64: 0, 0>, padding_high = array<i64: 0, 0>} : (tensor<?x9x9x4xf32>, tensor<?x7x8x8xf32>) -> tensor<3x3x4x8xf32>
  return
}
