module @halve {
func.func @forward(%x: tensor<?x16384xf32> {nn.name = "x", nn.dims = ["batch", ""]}) -> (tensor<?x16384xf32> {nn.name = "y"}) {
  %y = nn.map(%x) : (tensor<?x16384xf32>) -> tensor<?x16384xf32> {
  ^bb0(%a: f32):
    %half = arith.constant 0.5 : f32
    %product = arith.mulf %a, %half : f32
    nn.yield %product : f32
  }
  return %y : tensor<?x16384xf32>
}
}
