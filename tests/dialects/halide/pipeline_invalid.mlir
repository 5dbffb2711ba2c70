// Each constraint of a pipeline, its funcs and the host ops is violated once; the comment above a case is the constraint's label.
// RUN: sylvite-opt %s --split-input-file --verify-diagnostics

// pipeline_c1
halide.pipeline @p {
  halide.output @f : tensor<?x8xf32>
  halide.func @f(%n, %c) -> f32 {
    %v = arith.constant 0.0 : f32
    halide.yield %v : f32
  }
  // expected-error @+1 {{pipeline_c1: does not belong in a halide.pipeline}}
  func.func private @g()
}

// -----

// pipeline_c1
halide.pipeline @p {
  halide.func @f(%n, %c) -> f32 {
    %v = arith.constant 0.0 : f32
    halide.yield %v : f32
  }
  halide.output @f : tensor<?x8xf32>
  halide.schedule {}
  // expected-error @+1 {{pipeline_c1: the pipeline has two schedules}}
  halide.schedule {}
}

// -----

// pipeline_c2
// expected-error @+1 {{pipeline_c2: there is no halide.output}}
halide.pipeline @p {
  halide.func @f(%n, %c) -> f32 {
    %v = arith.constant 0.0 : f32
    halide.yield %v : f32
  }
}

// -----

// pipeline_c2
halide.pipeline @p {
  halide.func @f(%n, %c) -> f32 {
    %v = arith.constant 0.0 : f32
    halide.yield %v : f32
  }
  halide.output @f : tensor<?x8xf32>
  // expected-error @+1 {{pipeline_c2: the pipeline has two outputs}}
  halide.output @f : tensor<?x8xf32>
}

// -----

// pipeline_c3
halide.pipeline @p {
  halide.func @f(%n, %c) -> f32 {
    // expected-error @+1 {{pipeline_c3: @g is not an input or a func that stands before this one}}
    %v = halide.at @g[%n, %c] : f32
    halide.yield %v : f32
  }
  halide.func @g(%n, %c) -> f32 {
    %v = arith.constant 0.0 : f32
    halide.yield %v : f32
  }
  halide.output @f : tensor<?x8xf32>
}

// -----

// pipeline_c3
halide.pipeline @p {
  halide.func @f(%n, %c) -> f32 {
    // expected-error @+1 {{pipeline_c3: @f is not an input or a func that stands before this one}}
    %v = halide.at @f[%n, %c] : f32
    halide.yield %v : f32
  }
  halide.output @f : tensor<?x8xf32>
}

// -----

// pipeline_c4
halide.pipeline @p {
  halide.input @x : tensor<?x8xf32>
  halide.func @f(%n, %c) -> f32 {
    // expected-error @+1 {{pipeline_c4: @x has 2 dimensions but there are 1 indices}}
    %v = halide.at @x[%n] : f32
    halide.yield %v : f32
  }
  halide.output @f : tensor<?x8xf32>
}

// -----

// pipeline_c5
halide.pipeline @p {
  halide.input @x : tensor<?x8xf32>
  halide.func @f(%n, %c) -> f64 {
    // expected-error @+1 {{pipeline_c5: @x gives 'f32', not 'f64'}}
    %v = halide.at @x[%n, %c] : f64
    halide.yield %v : f64
  }
  halide.output @f : tensor<?x8xf64>
}

// -----

// pipeline_c5
halide.pipeline @p {
  halide.input @x : tensor<?x8xf32>
  halide.func @f(%n, %c) -> f32 {
    // expected-error @+1 {{pipeline_c5: @x has 1 elements but there are 2 results}}
    %v, %u = halide.at @x[%n, %c] : f32, f32
    halide.yield %v : f32
  }
  halide.output @f : tensor<?x8xf32>
}

// -----

// pipeline_c6
halide.pipeline @p {
  halide.func @g(%n, %c) -> f32 {
    %v = arith.constant 0.0 : f32
    halide.yield %v : f32
  }
  halide.func @f(%n, %c) -> f32 {
    %v = halide.at @g[%n, %c] : f32
    halide.yield %v : f32
  }
  // expected-error @+1 {{pipeline_c6: an update of @g stands after the func and before any other reads it}}
  halide.update @g(%n, %c) {
    %v = arith.constant 1.0 : f32
    halide.yield %v : f32
  }
  halide.output @f : tensor<?x8xf32>
}

// -----

// pipeline_c7
halide.pipeline @p {
  halide.input @x : tensor<?x8xf32>
  halide.func @f(%n, %c) -> f32 {
    // expected-error @+1 {{pipeline_c7: @y is neither an input nor the output}}
    %e = halide.extent @y, 0 : index
    %v = arith.constant 0.0 : f32
    halide.yield %v : f32
  }
  halide.output @f : tensor<?x8xf32>
}

// -----

// pipeline_c7
halide.pipeline @p {
  halide.input @x : tensor<?x8xf32>
  halide.func @f(%n, %c) -> f32 {
    // expected-error @+1 {{pipeline_c7: @x has 2 dimensions, there is no dimension 2}}
    %e = halide.extent @x, 2 : index
    %v = arith.constant 0.0 : f32
    halide.yield %v : f32
  }
  halide.output @f : tensor<?x8xf32>
}

// -----

// pipeline_c7
halide.pipeline @p {
  halide.input @x : tensor<?x8xf32>
  halide.func @f(%n, %c) -> f32 {
    %v = arith.constant 0.0 : f32
    halide.yield %v : f32
  }
  // expected-error @+1 {{pipeline_c7: @g is neither an input nor the output}}
  halide.update @f(%n, %c) over (%r in 0 to extent(@g, 0)) {
    %v = arith.constant 1.0 : f32
    halide.yield %v : f32
  }
  halide.output @f : tensor<?x8xf32>
}

// -----

// pipeline_c8
halide.pipeline @p {
  halide.func @f(%n, %c) -> f32 {
    %v = arith.constant 0.0 : f32
    halide.yield %v : f32
  }
  // expected-error @+1 {{pipeline_c8: @g is not a func}}
  halide.output @g : tensor<?x8xf32>
}

// -----

// pipeline_c9
halide.pipeline @p {
  halide.func @f(%n, %c) -> f32 {
    %v = arith.constant 0.0 : f32
    halide.yield %v : f32
  }
  // expected-error @+1 {{pipeline_c9: @f has 1 elements but there are 2 buffers}}
  halide.output @f : tensor<?x8xf32>, tensor<?x8xf32>
}

// -----

// pipeline_c9
halide.pipeline @p {
  halide.func @f(%n, %c) -> f32 {
    %v = arith.constant 0.0 : f32
    halide.yield %v : f32
  }
  // expected-error @+1 {{pipeline_c9: @f has 2 variables but the buffer is 'tensor<?xf32>'}}
  halide.output @f : tensor<?xf32>
}

// -----

// pipeline_c9
halide.pipeline @p {
  halide.func @f(%n, %c) -> f32 {
    %v = arith.constant 0.0 : f32
    halide.yield %v : f32
  }
  // expected-error @+1 {{pipeline_c9: @f has elements of 'f32' but the buffer is 'tensor<?x8xi32>'}}
  halide.output @f : tensor<?x8xi32>
}

// -----

// output_c1
halide.pipeline @p {
  halide.func @f(%n, %c) -> (f32, f32) {
    %v = arith.constant 0.0 : f32
    halide.yield %v, %v : f32, f32
  }
  // expected-error @+1 {{output_c1: buffers have different shapes}}
  halide.output @f : tensor<?x8xf32>, tensor<?x9xf32>
}

// -----

// output_c1
halide.pipeline @p {
  halide.func @f(%n, %c) -> f32 {
    %v = arith.constant 0.0 : f32
    halide.yield %v : f32
  }
  // expected-error @+1 {{output_c1: 'f32' is not a ranked tensor}}
  halide.output @f : f32
}

// -----

// func_c1
halide.pipeline @p {
  // expected-error @+1 {{func_c1: the region has one index argument per variable}}
  "halide.func"() <{sym_name = "f", vars = ["n", "c"], types = [f32]}> ({
  ^bb0(%n: index):
    %v = arith.constant 0.0 : f32
    "halide.yield"(%v) <{operandSegmentSizes = array<i32: 1, 0>}> : (f32) -> ()
  }) : () -> ()
  halide.output @f : tensor<?x8xf32>
}

// -----

// func_c2
halide.pipeline @p {
  // expected-error @+1 {{func_c2: two variables are called "n"}}
  halide.func @f(n = %n, n = %c) -> f32 {
    %v = arith.constant 0.0 : f32
    halide.yield %v : f32
  }
  halide.output @f : tensor<?x8xf32>
}

// -----

// func_c2
halide.pipeline @p {
  // expected-error @+1 {{func_c2: "outermost" cannot name a variable}}
  halide.func @f(%n, %outermost) -> f32 {
    %v = arith.constant 0.0 : f32
    halide.yield %v : f32
  }
  halide.output @f : tensor<?x8xf32>
}

// -----

// func_c3
halide.pipeline @p {
  // expected-error @+1 {{func_c3: 'si8' cannot be the element type of a func}}
  halide.func @f(%n, %c) -> si8 {
    %v = arith.constant 0.0 : f32
    halide.yield %v : f32
  }
  halide.output @f : tensor<?x8xf32>
}

// -----

// func_c3
halide.pipeline @p {
  // expected-error @+1 {{func_c3: a func has at least one element}}
  halide.func @f(%n, %c) -> () {
    
    "halide.yield"() <{operandSegmentSizes = array<i32: 0, 0>}> : () -> ()
  }
  halide.output @f : tensor<?x8xf32>
}

// -----

// func_c4
halide.pipeline @p {
  halide.func @f(%n, %c) -> f32 {
    %w = arith.constant 0.0 : f64
    // expected-error @+1 {{func_c4: 'f32' is expected, not 'f64'}}
    halide.yield %w : f64
  }
  halide.output @f : tensor<?x8xf32>
}

// -----

// func_c4
halide.pipeline @p {
  halide.func @f(%n, %c) -> f32 {
    %v = arith.constant 0.0 : f32
    // expected-error @+1 {{func_c4: a pure definition yields no coordinates}}
    halide.yield %v at [%n, %c] : f32
  }
  halide.output @f : tensor<?x8xf32>
}

// -----

// func_c4
halide.pipeline @p {
  halide.func @f(%n, %c) -> f32 {
    %v = arith.constant 0.0 : f32
    // expected-error @+1 {{func_c4: 1 values are expected, not 2}}
    halide.yield %v, %v : f32, f32
  }
  halide.output @f : tensor<?x8xf32>
}

// -----

// update_c1
halide.pipeline @p {
  halide.input @x : tensor<?x8xf32>
  halide.func @f(%n, %c) -> f32 {
    %v = arith.constant 0.0 : f32
    halide.yield %v : f32
  }
  // expected-error @+1 {{update_c1: @x is not a func}}
  halide.update @x(%n, %c) over (%r in 0 to 4) {
    %v = arith.constant 1.0 : f32
    halide.yield %v : f32
  }
  halide.output @f : tensor<?x8xf32>
}

// -----

// update_c2
halide.pipeline @p {
  halide.func @f(%n, %c) -> f32 {
    %v = arith.constant 0.0 : f32
    halide.yield %v : f32
  }
  // expected-error @+1 {{update_c2: a region has one index argument for each of the 2 variables of @f}}
  halide.update @f(%n) over (%r in 0 to 4) {
    %v = arith.constant 1.0 : f32
    halide.yield %v : f32
  }
  halide.output @f : tensor<?x8xf32>
}

// -----

// update_c3
halide.pipeline @p {
  halide.func @f(%n, %c) -> f32 {
    %v = arith.constant 0.0 : f32
    halide.yield %v : f32
  }
  // expected-error @+1 {{update_c3: "n" cannot name a reduction variable here}}
  halide.update @f(%a, %b) over (%n in 0 to 4) {
    %v = arith.constant 1.0 : f32
    halide.yield %v : f32
  }
  halide.output @f : tensor<?x8xf32>
}

// -----

// update_c4
halide.pipeline @p {
  halide.func @f(%n, %c) -> f32 {
    %v = arith.constant 0.0 : f32
    halide.yield %v : f32
  }
  // expected-error @+1 {{update_c4: the range from 4 to 4 is empty}}
  halide.update @f(%n, %c) over (%r in 4 to 4) {
    %v = arith.constant 1.0 : f32
    halide.yield %v : f32
  }
  halide.output @f : tensor<?x8xf32>
}

// -----

// update_c4
halide.pipeline @p {
  halide.func @f(%n, %c) -> f32 {
    %v = arith.constant 0.0 : f32
    halide.yield %v : f32
  }
  // expected-error @+1 {{update_c4: "4" is neither an integer nor an extent}}
  "halide.update"() <{func = @f, rvars = ["r"], mins = [0], ends = ["4"]}> ({}, {
  ^bb0(%n: index, %c: index, %r: index):
    %v = arith.constant 0.0 : f32
    halide.yield %v : f32
  }) : () -> ()
  halide.output @f : tensor<?x8xf32>
}

// -----

// update_c5
halide.pipeline @p {
  halide.func @f(%n, %c) -> f32 {
    %v = arith.constant 0.0 : f32
    halide.yield %v : f32
  }
  halide.update @f(%n, %c) over (%r in 0 to 4) {
    %w = arith.constant 1 : i32
    // expected-error @+1 {{update_c5: 'f32' is expected, not 'i32'}}
    halide.yield %w : i32
  }
  halide.output @f : tensor<?x8xf32>
}

// -----

// update_c6
halide.pipeline @p {
  halide.func @f(%n, %c) -> f32 {
    %v = arith.constant 0.0 : f32
    halide.yield %v : f32
  }
  halide.update @f(%n, %c) over (%r in 0 to 4) {
    %v = arith.constant 1.0 : f32
    // expected-error @+1 {{update_c6: @f has 2 variables but there are 1 coordinates}}
    halide.yield %v at [%r] : f32
  }
  halide.output @f : tensor<?x8xf32>
}

// -----

// update_c7
halide.pipeline @p {
  halide.input @x : tensor<?x8xf32>
  halide.func @f(%n, %c) -> f32 {
    %v = arith.constant 0.0 : f32
    halide.yield %v : f32
  }
  halide.update @f(%n, %c) over (%r in 0 to 4) {
    %v = halide.at @x[%n, %c] : f32
    // expected-error @+1 {{update_c7: variable "c" is used but coordinate 1 is another value}}
    halide.yield %v at [%n, %r] : f32
  }
  halide.output @f : tensor<?x8xf32>
}

// -----

// update_c8
halide.pipeline @p {
  halide.func @f(%n, %c) -> f32 {
    %v = arith.constant 0.0 : f32
    halide.yield %v : f32
  }
  halide.update @f(%n, %c) over (%r in 0 to 4) where {
    // expected-error @+1 {{update_c8: 'i1' is expected, not 'index'}}
    halide.yield %r : index
  } {
    %v = arith.constant 1.0 : f32
    halide.yield %v : f32
  }
  halide.output @f : tensor<?x8xf32>
}

// -----

// update_c9
halide.pipeline @p {
  halide.func @f(%n, %c) -> f32 {
    %v = arith.constant 0.0 : f32
    halide.yield %v : f32
  }
  // expected-error @+1 {{update_c9: a predicate needs a reduction variable}}
  halide.update @f(%n, %c)  where {
    %t = arith.constant true
    halide.yield %t : i1
  } {
    %v = arith.constant 1.0 : f32
    halide.yield %v : f32
  }
  halide.output @f : tensor<?x8xf32>
}

// -----

// call_c1
halide.pipeline @p {
  halide.input @x : tensor<?x8xf32>
  halide.func @f(%n, %c) -> f32 {
    %v = arith.constant 0.0 : f32
    halide.yield %v : f32
  }
  halide.output @f : tensor<?x8xf32>
}
func.func @main(%t: tensor<?x8xf32>, %s: tensor<?x9xf32>, %m: memref<?x8xf32>, %k: memref<?x9xf32>) {
  // expected-error @+1 {{call_c1: @q is not a pipeline}}
  %0 = halide.call @q(%t) : (tensor<?x8xf32>) -> tensor<?x8xf32>
  return
}

// -----

// call_c2
halide.pipeline @p {
  halide.input @x : tensor<?x8xf32>
  halide.func @f(%n, %c) -> f32 {
    %v = arith.constant 0.0 : f32
    halide.yield %v : f32
  }
  halide.output @f : tensor<?x8xf32>
}
func.func @main(%t: tensor<?x8xf32>, %s: tensor<?x9xf32>, %m: memref<?x8xf32>, %k: memref<?x9xf32>) {
  // expected-error @+1 {{call_c2: the pipeline has 1 inputs, not 2}}
  %0 = halide.call @p(%t, %t) : (tensor<?x8xf32>, tensor<?x8xf32>) -> tensor<?x8xf32>
  return
}

// -----

// call_c2
halide.pipeline @p {
  halide.input @x : tensor<?x8xf32>
  halide.func @f(%n, %c) -> f32 {
    %v = arith.constant 0.0 : f32
    halide.yield %v : f32
  }
  halide.output @f : tensor<?x8xf32>
}
func.func @main(%t: tensor<?x8xf32>, %s: tensor<?x9xf32>, %m: memref<?x8xf32>, %k: memref<?x9xf32>) {
  // expected-error @+1 {{call_c2: the pipeline has 1 outputs, not 2}}
  %0:2 = halide.call @p(%t) : (tensor<?x8xf32>) -> (tensor<?x8xf32>, tensor<?x8xf32>)
  return
}

// -----

// call_c3
halide.pipeline @p {
  halide.input @x : tensor<?x8xf32>
  halide.func @f(%n, %c) -> f32 {
    %v = arith.constant 0.0 : f32
    halide.yield %v : f32
  }
  halide.output @f : tensor<?x8xf32>
}
func.func @main(%t: tensor<?x8xf32>, %s: tensor<?x9xf32>, %m: memref<?x8xf32>, %k: memref<?x9xf32>) {
  // expected-error @+1 {{call_c3: input 0 of the pipeline is 'tensor<?x8xf32>', not 'tensor<?x9xf32>'}}
  %0 = halide.call @p(%s) : (tensor<?x9xf32>) -> tensor<?x8xf32>
  return
}

// -----

// launch_c1
halide.pipeline @p {
  halide.input @x : tensor<?x8xf32>
  halide.func @f(%n, %c) -> f32 {
    %v = arith.constant 0.0 : f32
    halide.yield %v : f32
  }
  halide.output @f : tensor<?x8xf32>
}
func.func @main(%t: tensor<?x8xf32>, %s: tensor<?x9xf32>, %m: memref<?x8xf32>, %k: memref<?x9xf32>) {
  // expected-error @+1 {{launch_c1: @q is not a pipeline}}
  halide.launch @q ins(%m : memref<?x8xf32>) outs(%m : memref<?x8xf32>)
  return
}

// -----

// launch_c2
halide.pipeline @p {
  halide.input @x : tensor<?x8xf32>
  halide.func @f(%n, %c) -> f32 {
    %v = arith.constant 0.0 : f32
    halide.yield %v : f32
  }
  halide.output @f : tensor<?x8xf32>
}
func.func @main(%t: tensor<?x8xf32>, %s: tensor<?x9xf32>, %m: memref<?x8xf32>, %k: memref<?x9xf32>) {
  // expected-error @+1 {{launch_c2: the pipeline has 1 inputs, not 0}}
  halide.launch @p outs(%m : memref<?x8xf32>)
  return
}

// -----

// launch_c3
halide.pipeline @p {
  halide.input @x : tensor<?x8xf32>
  halide.func @f(%n, %c) -> f32 {
    %v = arith.constant 0.0 : f32
    halide.yield %v : f32
  }
  halide.output @f : tensor<?x8xf32>
}
func.func @main(%t: tensor<?x8xf32>, %s: tensor<?x9xf32>, %m: memref<?x8xf32>, %k: memref<?x9xf32>) {
  // expected-error @+1 {{launch_c3: output 0 of the pipeline is 'tensor<?x8xf32>', not 'memref<?x9xf32>'}}
  halide.launch @p ins(%m : memref<?x8xf32>) outs(%k : memref<?x9xf32>)
  return
}

// -----

// call_c4
halide.pipeline @p {
  halide.input @x : tensor<4x8xf32>
  halide.func @f(%n, %c) -> f32 {
    %v = arith.constant 0.0 : f32
    halide.yield %v : f32
  }
  halide.output @f : tensor<4x8xf32>
}
func.func @main(%t: tensor<4x8xf32>) {
  // expected-error @+1 {{call_c4: no buffer has a free size, which `few` asks for}}
  %0 = halide.call @p few [@p] up_to [1](%t) : (tensor<4x8xf32>) -> tensor<4x8xf32>
  return
}

// -----

// call_c4
halide.pipeline @p {
  halide.input @x : tensor<?x8xf32>
  halide.func @f(%n, %c) -> f32 {
    %v = arith.constant 0.0 : f32
    halide.yield %v : f32
  }
  halide.output @f : tensor<?x8xf32>
}
func.func @main(%t: tensor<?x8xf32>) {
  // expected-error @+1 {{call_c4: `few` names 2 pipelines, `most` has 1 numbers}}
  %0 = halide.call @p few [@p, @p] up_to [1](%t) : (tensor<?x8xf32>) -> tensor<?x8xf32>
  return
}

// -----

// call_c4
halide.pipeline @p {
  halide.input @x : tensor<?x8xf32>
  halide.func @f(%n, %c) -> f32 {
    %v = arith.constant 0.0 : f32
    halide.yield %v : f32
  }
  halide.output @f : tensor<?x8xf32>
}
func.func @main(%t: tensor<?x8xf32>) {
  // expected-error @+1 {{call_c4: the numbers of `most` do not rise}}
  %0 = halide.call @p few [@p, @p] up_to [4, 4](%t) : (tensor<?x8xf32>) -> tensor<?x8xf32>
  return
}

// -----

// launch_c4
halide.pipeline @p {
  halide.input @x : tensor<4x8xf32>
  halide.func @f(%n, %c) -> f32 {
    %v = arith.constant 0.0 : f32
    halide.yield %v : f32
  }
  halide.output @f : tensor<4x8xf32>
}
func.func @main(%m: memref<4x8xf32>) {
  // expected-error @+1 {{launch_c4: no buffer has a free size, which `few` asks for}}
  halide.launch @p few [@p] up_to [1] ins(%m : memref<4x8xf32>) outs(%m : memref<4x8xf32>)
  return
}

// -----

// launch_c5
halide.pipeline @p {
  halide.input @x : tensor<4x8xf32, #halide.pitch<24>>
  halide.func @f(%n, %c) -> f32 {
    %v = halide.at @x[%n, %c] : f32
    halide.yield %v : f32
  }
  halide.output @f : tensor<4x8xf32>
}
func.func @main(%m: memref<4x8xf32, strided<[16, 1], offset: 8>>, %k: memref<4x8xf32>) {
  // expected-error @+1 {{launch_c5: a buffer of @p has a pitch of 24 elements, not 16}}
  halide.launch @p ins(%m : memref<4x8xf32, strided<[16, 1], offset: 8>>) outs(%k : memref<4x8xf32>)
  return
}

// -----

// pitch_c1
halide.pipeline @p {
  // expected-error @+1 {{pitch_c1: a pitch of 7 elements wants two dimensions or more, of which the innermost is no longer}}
  halide.input @x : tensor<4x8xf32, #halide.pitch<7>>
}

// -----

halide.pipeline @p {
  halide.input @x : tensor<?x8xf32>
  halide.func @f(%n, %c) -> f32 {
    %v = arith.constant 0.0 : f32
    halide.yield %v : f32
  }
  // expected-error @+1 {{a block has one element or more, not 0}}
  halide.update @f(%n, %c) over (%r in 0 to extent(@x, 0) ceildiv 0) {
    %v = arith.constant 1.0 : f32
    halide.yield %v : f32
  }
  halide.output @f : tensor<?x8xf32>
}
