// RUN: sylvite-opt %s -split-input-file -verify-diagnostics

// reduce_c1
func.func @f(%x: tensor<?x4xf32>) {
  // expected-error @+2 {{reduce_c1: dims are distinct, ascending and below the rank, 2; found 2}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.reduce sum %x dims [2] : (tensor<?x4xf32>) -> tensor<?xf32>
  return
}

// -----

// reduce_c1
func.func @f(%x: tensor<?x4xf32>) {
  // expected-error @+2 {{reduce_c1}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.reduce sum %x dims [1, 0] : (tensor<?x4xf32>) -> tensor<f32>
  return
}

// -----

// softmax_c1
func.func @f(%x: tensor<?x4xf32>) {
  // expected-error @+2 {{softmax_c1}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.softmax %x dims [1, 1] : (tensor<?x4xf32>) -> tensor<?x4xf32>
  return
}

// -----

// layer_norm_c1
func.func @f(%x: tensor<?x4xf32>) {
  // expected-error @+2 {{layer_norm_c1}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.layer_norm %x dims [-1] epsilon 0.001 : (tensor<?x4xf32>) -> tensor<?x4xf32>
  return
}

// -----

// rms_norm_c1
func.func @f(%x: tensor<?x4xf32>) {
  // expected-error @+2 {{rms_norm_c1}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.rms_norm %x dims [-1] epsilon 0.001 : (tensor<?x4xf32>) -> tensor<?x4xf32>
  return
}

// -----

// batch_norm_c1
func.func @f(%x: tensor<?x4xf32>, %a: tensor<4xf32>, %b: tensor<3xf32>) {
  // expected-error @+2 {{batch_norm_c1: scale, offset, mean and variance are vectors with one element per channel}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.batch_norm %x, %a, %b, %a, %a epsilon 0.001 : (tensor<?x4xf32>, tensor<4xf32>, tensor<3xf32>, tensor<4xf32>, tensor<4xf32>) -> tensor<?x4xf32>
  return
}

// -----

// reduce_c2
func.func @f(%x: tensor<?x4xi32>) {
  // expected-error @+2 {{reduce_c2: log_sum_exp takes floats}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = nn.reduce log_sum_exp %x dims [1] : (tensor<?x4xi32>) -> tensor<?xi32>
  return
}
