// RUN: sylvite-opt %s -split-input-file -verify-diagnostics

// parameter_c1
// expected-error @+1 {{parameter_c1: the value is 'tensor<3xf32>', the parameter 'tensor<2xf32>'}}
nn.parameter @w : tensor<2xf32> = dense<0.0> : tensor<3xf32>

// -----

// get_c1
func.func @f() {
  // expected-error @+1 {{get_c1: @w is not an nn.parameter}}
  %0 = nn.get @w : tensor<2xf32>
  return
}

// -----

// get_c2
nn.parameter @w : tensor<2xf32>
func.func @f() {
  // expected-error @+1 {{get_c2: @w is 'tensor<2xf32>'}}
  %0 = nn.get @w : tensor<3xf32>
  return
}

// -----

// group_c1
func.func @f(%x: tensor<2xf32>) {
  // expected-error @+1 {{group_c1: the block arguments do not have the operands' types}}
  %0 = "nn.group"(%x) ({
  ^bb0(%a: tensor<3xf32>):
    nn.yield %a : tensor<3xf32>
  }) : (tensor<2xf32>) -> tensor<3xf32>
  return
}

// -----

// group_c2
func.func @f(%x: tensor<2xf32>) {
  // expected-error @+1 {{group_c2: the yielded values do not have the results' types}}
  %0 = nn.group (%a = %x) : (tensor<2xf32>) -> tensor<3xf32> {
    nn.yield %a : tensor<2xf32>
  }
  return
}

// -----

// microbatch_c1
func.func @f(%x: tensor<2xf32>) {
  // expected-error @+1 {{microbatch_c1: the leading dimension is not free: 'tensor<2xf32>'}}
  %0 = nn.microbatch (%a = %x) attributes {most = 1 : i64} : (tensor<2xf32>) -> tensor<2xf32> {
    nn.yield %a : tensor<2xf32>
  }
  return
}

// -----

// microbatch_c1
func.func @f(%x: tensor<?xf32>) {
  // expected-error @+1 {{microbatch_c1: expected at least one input}}
  %0 = nn.microbatch () attributes {most = 1 : i64} : () -> tensor<?xf32> {
    nn.yield %x : tensor<?xf32>
  }
  return
}

// -----

// microbatch_c2
func.func @f(%x: tensor<?x2xf32>) {
  // expected-error @+1 {{microbatch_c2: the block arguments do not have the inputs' types}}
  %0 = "nn.microbatch"(%x) <{most = 1 : i64}> ({
  ^bb0(%a: tensor<?x3xf32>):
    nn.yield %a : tensor<?x3xf32>
  }) : (tensor<?x2xf32>) -> tensor<?x3xf32>
  return
}

// -----

// microbatch_c3
func.func @f(%x: tensor<?x2xf32>) {
  // expected-error @+1 {{microbatch_c3: the body does not yield the results' types}}
  %0 = nn.microbatch (%a = %x) attributes {most = 1 : i64} : (tensor<?x2xf32>) -> tensor<?x3xf32> {
    nn.yield %a : tensor<?x2xf32>
  }
  return
}

// -----

// microbatch_c4
func.func @f(%x: tensor<?x2xf32>) {
  // expected-error @+1 {{microbatch_c4: `most` is 0, less than one}}
  %0 = nn.microbatch (%a = %x) attributes {most = 0 : i64} : (tensor<?x2xf32>) -> tensor<?x2xf32> {
    nn.yield %a : tensor<?x2xf32>
  }
  return
}
