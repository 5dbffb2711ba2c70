// RUN: sylvite-opt %s -split-input-file -verify-diagnostics

// if_c1
func.func @f(%c: tensor<1xi1>, %x: tensor<4xf32>) {
  // expected-error @+1 {{if_c1: the condition is no tensor<i1>: 'tensor<1xi1>'}}
  %0 = nn.if %c : (tensor<1xi1>) -> tensor<4xf32> {
    nn.yield %x : tensor<4xf32>
  } else {
    nn.yield %x : tensor<4xf32>
  }
  return
}

// -----

// if_c1
func.func @f(%c: tensor<i64>, %x: tensor<4xf32>) {
  // expected-error @+1 {{if_c1: the condition is no tensor<i1>: 'tensor<i64>'}}
  %0 = nn.if %c : (tensor<i64>) -> tensor<4xf32> {
    nn.yield %x : tensor<4xf32>
  } else {
    nn.yield %x : tensor<4xf32>
  }
  return
}

// -----

// if_c2
func.func @f(%c: tensor<i1>, %x: tensor<4xf32>, %y: tensor<5xf32>) {
  // expected-error @+1 {{if_c2: a branch does not yield the types of the results}}
  %0 = nn.if %c : (tensor<i1>) -> tensor<4xf32> {
    nn.yield %x : tensor<4xf32>
  } else {
    nn.yield %y : tensor<5xf32>
  }
  return
}

// -----

// if_c2
func.func @f(%c: tensor<i1>, %x: tensor<4xf32>) {
  // expected-error @+1 {{if_c2: a branch does not yield the types of the results}}
  %0 = nn.if %c : (tensor<i1>) -> tensor<4xf32> {
    nn.yield %x, %x : tensor<4xf32>, tensor<4xf32>
  } else {
    nn.yield %x : tensor<4xf32>
  }
  return
}
