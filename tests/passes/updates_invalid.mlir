// RUN: sylvite-opt %s -plan-memory -split-input-file -verify-diagnostics

// expected-error @+1 {{result #0 updates "w", which is no nn.parameter}}
func.func @forward(%x: tensor<4xf32> {nn.name = "x", nn.dims = [""]}) -> (tensor<4xf32> {nn.update = "w"}) {
  return %x : tensor<4xf32>
}

// -----

nn.parameter @w : tensor<5xf32>
// expected-error @+1 {{result #0 updates "w" with a value of another type}}
func.func @forward(%x: tensor<4xf32> {nn.name = "x", nn.dims = [""]}) -> (tensor<4xf32> {nn.update = "w"}) {
  return %x : tensor<4xf32>
}

// -----

nn.parameter @w : tensor<4xf32>
// expected-error @+1 {{result #1 updates "w" once more}}
func.func @forward(%x: tensor<4xf32> {nn.name = "x", nn.dims = [""]}) -> (tensor<4xf32> {nn.update = "w"}, tensor<4xf32> {nn.update = "w"}) {
  return %x, %x : tensor<4xf32>, tensor<4xf32>
}

// -----

nn.parameter @w : tensor<4xf32>
// expected-error @+1 {{result #1 is an output, but stands after nn.state or nn.update}}
func.func @forward(%x: tensor<4xf32> {nn.name = "x", nn.dims = [""]}) -> (tensor<4xf32> {nn.update = "w"}, tensor<4xf32> {nn.name = "y"}) {
  return %x, %x : tensor<4xf32>, tensor<4xf32>
}

// -----

// expected-error @+1 {{result #0 has nn.state, but no argument is left for it}}
func.func @forward(%x: tensor<4xf32> {nn.name = "x", nn.dims = [""]}) -> (tensor<4xf32> {nn.state = "s"}) {
  return %x : tensor<4xf32>
}
