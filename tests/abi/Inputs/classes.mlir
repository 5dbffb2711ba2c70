// Four classes of five numbers, for --train.
nn.parameter trainable @"dense/kernel" : tensor<5x4xf32> = dense<0.5> : tensor<5x4xf32>
func.func @forward(%x: tensor<?x3x5xf32> {nn.name = "x", nn.dims = ["batch", "", ""]}) -> (tensor<?x3x4xf32> {nn.name = "p"}) {
  %w = nn.get @"dense/kernel" : tensor<5x4xf32>
  %0 = nn.matmul %x, %w : (tensor<?x3x5xf32>, tensor<5x4xf32>) -> tensor<?x3x4xf32>
  %1 = nn.softmax %0 dims [2] : (tensor<?x3x4xf32>) -> tensor<?x3x4xf32>
  return %1 : tensor<?x3x4xf32>
}
