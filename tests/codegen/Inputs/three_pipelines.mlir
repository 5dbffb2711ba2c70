halide.pipeline @a attributes {layers = ["first"]} {
  halide.input @x : tensor<?xf32>
  halide.func @f(%i) -> f32 {
    %v = halide.at @x[%i] : f32
    %w = arith.addf %v, %v : f32
    halide.yield %w : f32
  }
  halide.output @f : tensor<?xf32>
}
halide.pipeline @b attributes {layers = ["second"]} {
  halide.input @x : tensor<?xf32>
  halide.func @f(%i) -> f32 {
    %v = halide.at @x[%i] : f32
    %w = arith.addf %v, %v : f32
    halide.yield %w : f32
  }
  halide.output @f : tensor<?xf32>
}
halide.pipeline @c {
  halide.input @x : tensor<?xf32>
  halide.func @f(%i) -> f32 {
    %v = halide.at @x[%i] : f32
    %w = arith.mulf %v, %v : f32
    halide.yield %w : f32
  }
  halide.output @f : tensor<?xf32>
}
