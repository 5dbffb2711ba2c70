// A table of 8 rows is added to sequences of a free length, and what a mask of a size of its own does not let through is zero.
nn.parameter @positions : tensor<8x4xf32> = dense<1.0> : tensor<8x4xf32>
func.func @forward(%x: tensor<?x?x4xf32> {nn.name = "x", nn.dims = ["batch", "steps", ""]},
                   %mask: tensor<?x?xi1> {nn.name = "mask", nn.dims = ["batch", "masked"]}) -> (tensor<?x?x4xf32> {nn.name = "y"}) {
  %steps = nn.range affine_map<()[s0, s1, s2] -> (s1)> of %x : (tensor<?x?x4xf32>) -> tensor<?xi64>
  %table = nn.get @positions : tensor<8x4xf32>
  %rows = nn.gather %table, %steps dim 0 : (tensor<8x4xf32>, tensor<?xi64>) -> tensor<?x4xf32> loc("positions")
  %m = nn.reshape %mask from [0, 1, -1] : tensor<?x?xi1> to tensor<?x?x1xi1>
  %y = nn.map (%x, %rows, %m) : (tensor<?x?x4xf32>, tensor<?x4xf32>, tensor<?x?x1xi1>) -> tensor<?x?x4xf32> {
  ^bb0(%a: f32, %b: f32, %keep: i1):
    %sum = arith.addf %a, %b : f32
    %zero = arith.constant 0.0 : f32
    %kept = arith.select %keep, %sum, %zero : f32
    nn.yield %kept : f32
  } loc("masked")
  return %y : tensor<?x?x4xf32>
}
