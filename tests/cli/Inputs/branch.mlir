// A product where the condition holds, and the input itself where it does not.
nn.parameter @w : tensor<4x4xf32> = dense<2.0> : tensor<4x4xf32>
func.func @forward(%c: tensor<i1> {nn.name = "c"}, %x: tensor<?x4xf32> {nn.name = "x", nn.dims = ["batch", ""]}) -> (tensor<?x4xf32> {nn.name = "y"}) {
  %w = nn.get @w : tensor<4x4xf32>
  %y = nn.if %c : (tensor<i1>) -> tensor<?x4xf32> {
    %0 = nn.matmul %x, %w : (tensor<?x4xf32>, tensor<4x4xf32>) -> tensor<?x4xf32> loc("product")
    nn.yield %0 : tensor<?x4xf32>
  } else {
    nn.yield %x : tensor<?x4xf32>
  }
  return %y : tensor<?x4xf32>
}
