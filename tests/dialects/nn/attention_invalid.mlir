// RUN: sylvite-opt %s -split-input-file -verify-diagnostics

// attention_c1
func.func @f(%q: tensor<8xf32>, %k: tensor<8x5xf32>, %v: tensor<5x8xf32>) {
  // expected-error @+2 {{attention_c1: expected query, key and value of rank two or more and one element type}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.attention %q, %k, %v scores () : (tensor<8xf32>, tensor<8x5xf32>, tensor<5x8xf32>) -> tensor<5x8xf32> {
  ^bb0(%s: f32):
    nn.yield %s : f32
  }
  return
}

// -----

// attention_c1
func.func @f(%q: tensor<4x8xf32>, %k: tensor<8x5xf64>, %v: tensor<5x8xf32>) {
  // expected-error @+2 {{attention_c1}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.attention %q, %k, %v scores () : (tensor<4x8xf32>, tensor<8x5xf64>, tensor<5x8xf32>) -> tensor<4x8xf32> {
  ^bb0(%s: f32):
    nn.yield %s : f32
  }
  return
}

// -----

// attention_c2
func.func @f(%q: tensor<4x8xf32>, %k: tensor<7x5xf32>, %v: tensor<5x8xf32>) {
  // expected-error @+2 {{attention_c2: queries of 8, keys of 7; 5 keys, 5 values}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.attention %q, %k, %v scores () : (tensor<4x8xf32>, tensor<7x5xf32>, tensor<5x8xf32>) -> tensor<4x8xf32> {
  ^bb0(%s: f32):
    nn.yield %s : f32
  }
  return
}

// -----

// attention_c2
func.func @f(%q: tensor<4x8xf32>, %k: tensor<8x5xf32>, %v: tensor<6x8xf32>) {
  // expected-error @+2 {{attention_c2: queries of 8, keys of 8; 5 keys, 6 values}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.attention %q, %k, %v scores () : (tensor<4x8xf32>, tensor<8x5xf32>, tensor<6x8xf32>) -> tensor<4x8xf32> {
  ^bb0(%s: f32):
    nn.yield %s : f32
  }
  return
}

// -----

// attention_c3
func.func @f(%q: tensor<2x4x8xf32>, %k: tensor<3x8x5xf32>, %v: tensor<5x8xf32>) {
  // expected-error @+2 {{attention_c3: the leading dimensions do not broadcast together}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.attention %q, %k, %v scores () : (tensor<2x4x8xf32>, tensor<3x8x5xf32>, tensor<5x8xf32>) -> tensor<2x4x8xf32> {
  ^bb0(%s: f32):
    nn.yield %s : f32
  }
  return
}

// -----

// attention_c4
func.func @f(%q: tensor<4x8xf32>, %k: tensor<8x5xf32>, %v: tensor<5x8xf32>, %m: tensor<3x5xf32>) {
  // expected-error @+2 {{attention_c4: a modifier does not broadcast to the scores}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.attention %q, %k, %v scores (%m) : (tensor<4x8xf32>, tensor<8x5xf32>, tensor<5x8xf32>, tensor<3x5xf32>) -> tensor<4x8xf32> {
  ^bb0(%s: f32, %c: f32):
    nn.yield %s : f32
  }
  return
}

// -----

// attention_c4
func.func @f(%q: tensor<1x8xf32>, %k: tensor<8x5xf32>, %v: tensor<5x8xf32>, %m: tensor<4x5xf32>) {
  // expected-error @+2 {{attention_c4}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.attention %q, %k, %v scores (%m) : (tensor<1x8xf32>, tensor<8x5xf32>, tensor<5x8xf32>, tensor<4x5xf32>) -> tensor<1x8xf32> {
  ^bb0(%s: f32, %c: f32):
    nn.yield %s : f32
  }
  return
}

// -----

// attention_c5
func.func @f(%q: tensor<4x8xf32>, %k: tensor<8x5xf32>, %v: tensor<5x8xf32>, %m: tensor<4x5xi1>) {
  // expected-error @+1 {{attention_c5: expected block arguments for a score and for each modifier}}
  %0 = nn.attention %q, %k, %v scores (%m) : (tensor<4x8xf32>, tensor<8x5xf32>, tensor<5x8xf32>, tensor<4x5xi1>) -> tensor<4x8xf32> {
  ^bb0(%s: f32, %c: f32):
    nn.yield %s : f32
  }
  return
}

// -----

// attention_c5
func.func @f(%q: tensor<4x8xf32>, %k: tensor<8x5xf32>, %v: tensor<5x8xf32>, %m: tensor<4x5xi1>) {
  // expected-error @+1 {{attention_c5: expected to yield one 'f32'}}
  %0 = nn.attention %q, %k, %v scores (%m) : (tensor<4x8xf32>, tensor<8x5xf32>, tensor<5x8xf32>, tensor<4x5xi1>) -> tensor<4x8xf32> {
  ^bb0(%s: f32, %c: i1):
    nn.yield %c : i1
  }
  return
}

// -----

// attention_c6
func.func @f(%q: tensor<4x8xf32>, %k: tensor<8x5xf32>, %v: tensor<5x8xf32>) {
  // expected-error @+1 {{attention_c6: the region may not hold 'nn.get'}}
  %0 = nn.attention %q, %k, %v scores () : (tensor<4x8xf32>, tensor<8x5xf32>, tensor<5x8xf32>) -> tensor<4x8xf32> {
  ^bb0(%s: f32):
    %0 = nn.get @w : tensor<f32>
    nn.yield %s : f32
  }
  return
}

// -----

func.func @f(%q: tensor<4x8xf32>, %k: tensor<8x5xf32>, %v: tensor<5x8xf32>) {
  // expected-error @+1 {{attribute 'key_panel' failed to satisfy constraint: 64-bit signless integer attribute whose value is positive}}
  %0 = nn.attention %q, %k, %v scores () {key_panel = 0 : i64} : (tensor<4x8xf32>, tensor<8x5xf32>, tensor<5x8xf32>) -> tensor<4x8xf32> {
  ^bb0(%s: f32):
    nn.yield %s : f32
  }
  return
}

// -----

func.func @f(%q: tensor<4x8xf32>, %k: tensor<8x50xf32>, %v: tensor<50x8xf32>) {
  // expected-error @+1 {{attention_c7: a block of 24 keys is no number of panels of 16}}
  %0 = nn.attention %q, %k, %v scores () {key_block = 24 : i64} : (tensor<4x8xf32>, tensor<8x50xf32>, tensor<50x8xf32>) -> tensor<4x8xf32> {
  ^bb0(%s: f32):
    nn.yield %s : f32
  }
  return
}
