// RUN: sylvite-opt %s -split-input-file -verify-diagnostics

// map_c1
func.func @f(%x: tensor<2xf32>, %y: tensor<3xf32>) {
  // expected-error @+1 {{map_c1: the operands do not broadcast together}}
  %0 = nn.map (%x, %y) : (tensor<2xf32>, tensor<3xf32>) -> tensor<3xf32> {
  ^bb0(%a: f32, %b: f32):
    nn.yield %a : f32
  }
  return
}

// -----

// map_c1
func.func @f(%x: tensor<2xf32>) {
  // expected-error @+1 {{map_c1: the operands broadcast to 'tensor<2xf32>', not to 'tensor<4xf32>'}}
  %0 = nn.map (%x) : (tensor<2xf32>) -> tensor<4xf32> {
  ^bb0(%a: f32):
    nn.yield %a : f32
  }
  return
}

// -----

// map_c2
func.func @f(%x: tensor<2xf32>) {
  // expected-error @+1 {{map_c2: expected one block argument per operand}}
  %0 = nn.map (%x) : (tensor<2xf32>) -> tensor<2xf32> {
  ^bb0(%a: f32, %b: f32):
    nn.yield %a : f32
  }
  return
}

// -----

// map_c2
func.func @f(%x: tensor<2xf32>) {
  // expected-error @+1 {{map_c2: block argument #0 is 'f64'}}
  %0 = nn.map (%x) : (tensor<2xf32>) -> tensor<2xf64> {
  ^bb0(%a: f64):
    nn.yield %a : f64
  }
  return
}

// -----

// map_c2
func.func @f(%x: tensor<2xf64>) {
  // expected-error @+1 {{map_c2: expected to yield one 'f32'}}
  %0 = nn.map (%x) : (tensor<2xf64>) -> tensor<2xf32> {
  ^bb0(%a: f64):
    nn.yield %a : f64
  }
  return
}

// -----

// map_c3
nn.parameter @w : tensor<2xf32>
func.func @f(%x: tensor<2xf32>) {
  // expected-error @+1 {{map_c3: the region may not hold 'nn.get'}}
  %0 = nn.map (%x) : (tensor<2xf32>) -> tensor<2xf32> {
  ^bb0(%a: f32):
    %w = nn.get @w : tensor<2xf32>
    nn.yield %a : f32
  }
  return
}
