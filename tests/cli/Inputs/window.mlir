// A window of four samples: a signal of one has none.
nn.parameter @kernel : tensor<4x1x8xf32> = dense<0.5> : tensor<4x1x8xf32>
func.func @forward(%x: tensor<?x?x1xf32> {nn.name = "x", nn.dims = ["batch", "samples", ""]}) -> (tensor<?x?x8xf32> {nn.name = "y"}) {
  %w = nn.get @kernel : tensor<4x1x8xf32>
  %y = nn.conv %x, %w {strides = array<i64: 1>, dilations = array<i64: 1>, padding_low = array<i64: 0>, padding_high = array<i64: 0>} : (tensor<?x?x1xf32>, tensor<4x1x8xf32>) -> tensor<?x?x8xf32>
  return %y : tensor<?x?x8xf32>
}
