// RUN: sylvite-opt %s -split-input-file -verify-diagnostics

// recurrent_c1
func.func @f(%x: tensor<?x20x8xf32>, %k: tensor<8x64xf32>, %r: tensor<16x48xf32>) {
  // expected-error @+2 {{recurrent_c1: the input 'tensor<?x20x8xf32>', the kernel 'tensor<8x64xf32>' and the recurrent kernel 'tensor<16x48xf32>' are not (N, T, F), (F, 4 H) and (H, 4 H)}}
  // expected-error @+1 {{failed to infer returned types}}
  %s, %l, %h, %c = nn.lstm %x, %k, %r : (tensor<?x20x8xf32>, tensor<8x64xf32>, tensor<16x48xf32>) -> (tensor<?x20x16xf32>, tensor<?x16xf32>, tensor<?x16xf32>, tensor<?x16xf32>)
  return
}

// -----

// recurrent_c1
func.func @f(%x: tensor<?x20x7xf32>, %k: tensor<8x48xf32>, %r: tensor<16x48xf32>) {
  // expected-error @+2 {{recurrent_c1}}
  // expected-error @+1 {{failed to infer returned types}}
  %s, %l, %h = nn.gru %x, %k, %r : (tensor<?x20x7xf32>, tensor<8x48xf32>, tensor<16x48xf32>) -> (tensor<?x20x16xf32>, tensor<?x16xf32>, tensor<?x16xf32>)
  return
}

// -----

// recurrent_c2
func.func @f(%x: tensor<?x20x8xf32>, %k: tensor<8x48xf32>, %r: tensor<16x48xf32>, %b: tensor<16xf32>) {
  // expected-error @+2 {{recurrent_c2: a bias is 'tensor<16xf32>', not a vector of 48}}
  // expected-error @+1 {{failed to infer returned types}}
  %s, %l, %h = nn.gru %x, %k, %r recurrent_bias %b : (tensor<?x20x8xf32>, tensor<8x48xf32>, tensor<16x48xf32>, tensor<16xf32>) -> (tensor<?x20x16xf32>, tensor<?x16xf32>, tensor<?x16xf32>)
  return
}

// -----

// recurrent_c3
func.func @f(%x: tensor<?x20x8xf32>, %k: tensor<8x16xf32>, %r: tensor<16x16xf32>, %h0: tensor<?x8xf32>) {
  // expected-error @+2 {{recurrent_c3: an initial state is 'tensor<?x8xf32>', not 'tensor<?x16xf32>'}}
  // expected-error @+1 {{failed to infer returned types}}
  %s, %l, %h = nn.simple_rnn %x, %k, %r initial(%h0) : (tensor<?x20x8xf32>, tensor<8x16xf32>, tensor<16x16xf32>, tensor<?x8xf32>) -> (tensor<?x20x16xf32>, tensor<?x16xf32>, tensor<?x16xf32>)
  return
}

// -----

// recurrent_c4
func.func @f(%x: tensor<?x20x8xf32>, %k: tensor<8x16xf32>, %r: tensor<16x16xf32>, %m: tensor<?x19xi1>) {
  // expected-error @+2 {{recurrent_c4: the mask is 'tensor<?x19xi1>', the input 'tensor<?x20x8xf32>'}}
  // expected-error @+1 {{failed to infer returned types}}
  %s, %l, %h = nn.simple_rnn %x, %k, %r mask %m : (tensor<?x20x8xf32>, tensor<8x16xf32>, tensor<16x16xf32>, tensor<?x19xi1>) -> (tensor<?x20x16xf32>, tensor<?x16xf32>, tensor<?x16xf32>)
  return
}

// -----

// recurrent_c5
func.func @f(%x: tensor<?x20x8xf32>, %k: tensor<8x16xf32>, %r: tensor<16x16xf32>) {
  // expected-error @+1 {{recurrent_c5: an activation does not get and yield one 'tensor<?x16xf32>'}}
  %s, %l, %h = nn.simple_rnn %x, %k, %r : (tensor<?x20x8xf32>, tensor<8x16xf32>, tensor<16x16xf32>) -> (tensor<?x20x16xf32>, tensor<?x16xf32>, tensor<?x16xf32>) activation {
  ^bb0(%z: tensor<?x8xf32>):
    nn.yield %z : tensor<?x8xf32>
  }
  return
}

// -----

// recurrent_c6
func.func @f(%x: tensor<?x20x8xf32>, %k: tensor<8x16xf32>, %r: tensor<16x16xf32>) {
  // expected-error @+1 {{recurrent_c6: a rate of dropout is 1}}
  %s, %l, %h = nn.simple_rnn %x, %k, %r {recurrent_dropout = 1.0} : (tensor<?x20x8xf32>, tensor<8x16xf32>, tensor<16x16xf32>) -> (tensor<?x20x16xf32>, tensor<?x16xf32>, tensor<?x16xf32>)
  return
}
