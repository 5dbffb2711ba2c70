// RUN: sylvite-opt %s -split-input-file -verify-diagnostics

// dropout_c1
func.func @f(%x: tensor<?x4xf32>) {
  // expected-error @+2 {{dropout_c1: dims are distinct, ascending and below the rank, 2; found 2}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.dropout plain %x rate 0.5 shared [2] : (tensor<?x4xf32>) -> tensor<?x4xf32>
  return
}

// -----

// dropout_c2
func.func @f(%x: tensor<?x4xf32>) {
  // expected-error @+2 {{dropout_c2: a rate of 1}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.dropout gaussian %x rate 1.0 shared [] : (tensor<?x4xf32>) -> tensor<?x4xf32>
  return
}

// -----

// random_c1
func.func @f(%s: tensor<i64>, %x: tensor<?x4xf32>) {
  // expected-error @+1 {{random_c1: dimension 1 does not have the size of dimension 1 of 'tensor<?x4xf32>'}}
  %0 = nn.random uniform %s, %s stream 0 like %x from [0, 1] : (tensor<i64>, tensor<i64>, tensor<?x4xf32>) -> tensor<?x5xf32>
  return
}

// -----

// random_c2
func.func @f(%s: tensor<i64>, %x: tensor<?x4xf32>) {
  // expected-error @+1 {{random_c2: free dimension 0 has no source}}
  %0 = nn.random uniform %s, %s stream 0 like %x from [-1, 1] : (tensor<i64>, tensor<i64>, tensor<?x4xf32>) -> tensor<?x4xf32>
  return
}
