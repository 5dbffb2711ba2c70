// p = x w + b, for --train.
nn.parameter trainable @"dense/kernel" : tensor<3x1xf32> = dense<[[0.5], [-0.25], [0.0]]> : tensor<3x1xf32>
nn.parameter trainable @"dense/bias" : tensor<1xf32> = dense<1.0> : tensor<1xf32>
func.func @forward(%x: tensor<?x3xf32> {nn.name = "x", nn.dims = ["batch", ""]}) -> (tensor<?x1xf32> {nn.name = "p"}) {
  %w = nn.get @"dense/kernel" : tensor<3x1xf32>
  %b = nn.get @"dense/bias" : tensor<1xf32>
  %0 = nn.matmul %x, %w : (tensor<?x3xf32>, tensor<3x1xf32>) -> tensor<?x1xf32> loc("dense")
  %p = nn.map (%0, %b) : (tensor<?x1xf32>, tensor<1xf32>) -> tensor<?x1xf32> {
  ^bb0(%a: f32, %c: f32):
    %2 = arith.addf %a, %c : f32
    nn.yield %2 : f32
  } loc("dense")
  return %p : tensor<?x1xf32>
}
