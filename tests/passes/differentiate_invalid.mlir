// RUN: sylvite-opt %s -split-input-file -nn-differentiate -verify-diagnostics

nn.parameter trainable @k : tensor<3x4x4xf32>
func.func @forward(%x: tensor<?x?x4xf32> {nn.name = "x", nn.dims = ["batch", "length", ""]}) -> tensor<?x4xf32> {
  %k = nn.get @k : tensor<3x4x4xf32>
  // expected-error @+1 {{has no gradient when a free spatial dimension has a stride}}
  %0 = nn.conv %x, %k {strides = array<i64: 2>, dilations = array<i64: 1>, padding_low = array<i64: 0>, padding_high = array<i64: 0>} : (tensor<?x?x4xf32>, tensor<3x4x4xf32>) -> tensor<?x?x4xf32>
  %1 = nn.reduce sum %0 dims [1] : (tensor<?x?x4xf32>) -> tensor<?x4xf32>
  return %1 : tensor<?x4xf32>
}

// -----

func.func @forward(%x: tensor<4xf32> {nn.name = "x"}) -> tensor<4xf32> {
  // expected-error @+1 {{has no gradient: no rule is known for 'arith.bitcast'}}
  %0 = nn.map (%x) : (tensor<4xf32>) -> tensor<4xf32> {
  ^bb0(%e: f32):
    %i = arith.bitcast %e : f32 to i32
    %f = arith.bitcast %i : i32 to f32
    %s = arith.addf %e, %f : f32
    nn.yield %s : f32
  }
  return %0 : tensor<4xf32>
}

// -----

// expected-error @+1 {{result #0 has a free dimension 1; supported: the first}}
func.func @forward(%x: tensor<?x?xf32> {nn.name = "x", nn.dims = ["batch", "length"]}) -> tensor<?x?xf32> {
  return %x : tensor<?x?xf32>
}
