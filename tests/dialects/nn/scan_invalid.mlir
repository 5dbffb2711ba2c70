// RUN: sylvite-opt %s -split-input-file -verify-diagnostics

// scan_c1
func.func @f(%a: tensor<20x4xf32>, %b: tensor<19x4xf32>) {
  // expected-error @+1 {{scan_c1: the sequences have no leading extent in common: 'tensor<19x4xf32>'}}
  %0 = nn.scan over (%x = %a, %y = %b) : (tensor<20x4xf32>, tensor<19x4xf32>) -> tensor<20x4xf32> {
    nn.yield %x : tensor<4xf32>
  }
  return
}

// -----

// scan_c1
func.func @f(%a: tensor<4xf32>) {
  // expected-error @+1 {{scan_c1: expected at least one sequence}}
  %0 = nn.scan carry (%x = %a) : (tensor<4xf32>) -> tensor<4xf32> {
    nn.yield %x : tensor<4xf32>
  }
  return
}

// -----

// scan_c2
func.func @f(%a: tensor<20x4xf32>) {
  // expected-error @+1 {{scan_c2: the block arguments do not have the types of the carried values and of the sequences' slices}}
  %0 = "nn.scan"(%a) <{operandSegmentSizes = array<i32: 0, 1>, reversed = array<i1: false, false>}> ({
  ^bb0(%x: tensor<20x4xf32>):
    "nn.yield"(%x) : (tensor<20x4xf32>) -> ()
  }) : (tensor<20x4xf32>) -> tensor<20x20x4xf32>
  return
}

// -----

// scan_c3
func.func @f(%h: tensor<3xf32>, %a: tensor<20x4xf32>) {
  // expected-error @+1 {{scan_c3: the body does not yield the carried values and a slice of each stacked result}}
  %0 = nn.scan carry (%c = %h) over (%x = %a) : (tensor<3xf32>, tensor<20x4xf32>) -> tensor<3xf32> {
    nn.yield %x : tensor<4xf32>
  }
  return
}

// -----

// scan_c4
func.func @f(%a: tensor<20x4xf32>) {
  // expected-error @+1 {{scan_c4: the results do not have the types of the carried values and of the stacked slices}}
  %0 = nn.scan over (%x = %a) : (tensor<20x4xf32>) -> tensor<19x4xf32> {
    nn.yield %x : tensor<4xf32>
  }
  return
}

// -----

// scan_c5
func.func @f(%a: tensor<20x4xf32>) {
  // expected-error @+1 {{scan_c5: `reversed` has 1 entries for 1 sequences and 1 stacked results}}
  %0 = nn.scan over (%x = %a) attributes {reversed = array<i1: true>} : (tensor<20x4xf32>) -> tensor<20x4xf32> {
    nn.yield %x : tensor<4xf32>
  }
  return
}
