// RUN: sylvite-opt %s -split-input-file -nn-check-sizes | FileCheck %s

// What a pass before has a diagnostic for, or a shape function proves, is no constraint: one name is one size, and a
// dimension of one fits all.
// CHECK-LABEL: func.func @proven
// CHECK-NOT: nn.size_constraints
// CHECK-SAME: {
func.func @proven(%x: tensor<?x?x8xf32> {nn.dims = ["batch", "steps", ""]}, %y: tensor<?x1x8xf32> {nn.dims = ["batch", "", ""]}) -> tensor<?x?x8xf32> {
  %0 = nn.map (%x, %y) : (tensor<?x?x8xf32>, tensor<?x1x8xf32>) -> tensor<?x?x8xf32> {
  ^bb0(%a: f32, %b: f32):
    %s = arith.addf %a, %b : f32
    nn.yield %s : f32
  }
  %1 = nn.reshape %0 from [-1, -1] : tensor<?x?x8xf32> to tensor<?x8xf32>
  %2 = nn.reshape %1 from [-1, -1, -1] : tensor<?x8xf32> to tensor<?x4x2xf32>
  return %0 : tensor<?x?x8xf32>
}

// -----

// A free dimension beside a static one, and beside another.
// CHECK-LABEL: func.func @broadcast
// CHECK-SAME: nn.size_constraints = [
// CHECK-SAME: {equal = true, sides = #{{.*}}, text = "layer 'positions' needs steps = 64"}
// CHECK-SAME: {equal = true, sides = #{{.*}}, text = "the model needs other = steps"}
func.func @broadcast(%x: tensor<?x?x8xf32> {nn.dims = ["batch", "steps", ""]}, %y: tensor<?x?x8xf32> {nn.dims = ["batch", "other", ""]}, %table: tensor<64x8xf32>) -> tensor<?x?x8xf32> {
  %0 = nn.map (%x, %table) : (tensor<?x?x8xf32>, tensor<64x8xf32>) -> tensor<?x?x8xf32> {
  ^bb0(%a: f32, %b: f32):
    %s = arith.addf %a, %b : f32
    nn.yield %s : f32
  } loc("positions")
  %1 = nn.map (%x, %y) : (tensor<?x?x8xf32>, tensor<?x?x8xf32>) -> tensor<?x?x8xf32> {
  ^bb0(%a: f32, %b: f32):
    %s = arith.addf %a, %b : f32
    nn.yield %s : f32
  }
  return %1 : tensor<?x?x8xf32>
}

// -----

// What is contracted, joined, taken from, gathered from.
// CHECK-LABEL: func.func @others
// CHECK-SAME: text = "the model needs n = k"
// CHECK-SAME: text = "the model needs n >= 5"
// CHECK-SAME: text = "the model needs 64 >= n"
// CHECK-SAME: text = "the model needs ceil((n - 3) / 2) >= 0"
// CHECK-SAME: text = "the model needs m = ceil((n - 3) / 2)"
// CHECK-SAME: text = "the model needs n * 3 mod 4 = 0"
func.func @others(%x: tensor<?x?xf32> {nn.dims = ["m", "n"]}, %y: tensor<?x8xf32> {nn.dims = ["k", ""]}, %table: tensor<64x8xf32>) -> tensor<?x?xf32> {
  %0 = nn.matmul %x, %y : (tensor<?x?xf32>, tensor<?x8xf32>) -> tensor<?x8xf32>
  %1 = nn.slice %x starts [0, 2] sizes [-1, 3] strides [1, 1] : (tensor<?x?xf32>) -> tensor<?x3xf32>
  %2 = nn.range affine_map<()[s0, s1] -> (s1)> of %x : (tensor<?x?xf32>) -> tensor<?xi64>
  %3 = nn.gather %table, %2 dim 0 : (tensor<64x8xf32>, tensor<?xi64>) -> tensor<?x8xf32>
  %4 = nn.slice %x starts [0, 3] sizes [-1, -1] strides [1, 2] : (tensor<?x?xf32>) -> tensor<?x?xf32>
  %5 = nn.transpose %4 [1, 0] : (tensor<?x?xf32>) -> tensor<?x?xf32>
  %6 = nn.concat %5, %x dim 1 : (tensor<?x?xf32>, tensor<?x?xf32>) -> tensor<?x?xf32>
  %7 = nn.reshape %x from [1, -1] : tensor<?x?xf32> to tensor<?x?xf32>
  %8 = nn.broadcast %3 : (tensor<?x8xf32>) -> tensor<3x?x8xf32>
  %9 = nn.reshape %8 from [-1, -1] : tensor<3x?x8xf32> to tensor<?x32xf32>
  return %6 : tensor<?x?xf32>
}

// -----

// All sequences of a loop are as long, and what it carries keeps its size.
// CHECK-LABEL: func.func @loop
// CHECK-SAME: text = "the model needs other = steps"
func.func @loop(%h0: tensor<?x4xf32> {nn.dims = ["batch", ""]}, %x: tensor<?x?x4xf32> {nn.dims = ["steps", "batch", ""]}, %m: tensor<?x?x1xf32> {nn.dims = ["other", "batch", ""]}) -> tensor<?x4xf32> {
  %0 = nn.scan carry (%h = %h0) over (%s = %x, %k = %m) : (tensor<?x4xf32>, tensor<?x?x4xf32>, tensor<?x?x1xf32>) -> tensor<?x4xf32> {
    %1 = nn.map (%h, %s, %k) : (tensor<?x4xf32>, tensor<?x4xf32>, tensor<?x1xf32>) -> tensor<?x4xf32> {
    ^bb0(%a: f32, %b: f32, %c: f32):
      %t = arith.addf %a, %b : f32
      nn.yield %t : f32
    }
    nn.yield %1 : tensor<?x4xf32>
  }
  return %0 : tensor<?x4xf32>
}

// -----

// Nothing may be joined to something, be added up, and be what elements are computed of; of rows there must be something.
// CHECK-LABEL: func.func @nothing
// CHECK-SAME: nn.least_sizes = array<i64: 0, 0, 1>
// CHECK-NOT: nn.size_constraints
// CHECK-SAME: {
func.func @nothing(%past: tensor<?x?x8xf32> {nn.dims = ["batch", "past", ""]}, %x: tensor<?x?x8xf32> {nn.dims = ["batch", "steps", ""]}) -> (tensor<?x?x?xf32>, tensor<?x8xf32>) {
  %0 = nn.concat %past, %x dim 1 : (tensor<?x?x8xf32>, tensor<?x?x8xf32>) -> tensor<?x?x8xf32>
  %1 = nn.matmul %x, %0 {transpose_rhs} : (tensor<?x?x8xf32>, tensor<?x?x8xf32>) -> tensor<?x?x?xf32>
  %2 = nn.softmax %1 dims [2] : (tensor<?x?x?xf32>) -> tensor<?x?x?xf32>
  %3 = nn.reduce sum %past dims [1] : (tensor<?x?x8xf32>) -> tensor<?x8xf32>
  %4 = nn.reduce max %x dims [1] : (tensor<?x?x8xf32>) -> tensor<?x8xf32>
  return %2, %3 : tensor<?x?x?xf32>, tensor<?x8xf32>
}

// -----

// Products of sizes are not zero where none of them is, and neither is what an importer has taken not to be zero.
// CHECK-LABEL: func.func @something
// CHECK-SAME: nn.least_sizes = array<i64: 1, 1, 1, 0>
// CHECK-SAME: {equal = false, sides = #{{.*}}, text = "the model needs batch - steps >= 1"}
func.func @something(%x: tensor<?x?x8xf32> {nn.dims = ["batch", "steps", ""]}, %y: tensor<?x?xf32> {nn.dims = ["named", "free"]}) -> tensor<f32>
    attributes {nn.positive_sizes = affine_map<()[s0, s1, s2, s3] -> (s2, s0 - s1)>} {
  %0 = nn.reshape %x from [-1] : tensor<?x?x8xf32> to tensor<?xf32>
  %1 = nn.reduce mean %0 dims [0] : (tensor<?xf32>) -> tensor<f32>
  return %1 : tensor<f32>
}

// -----

// A loop takes a step at least, and a window lies somewhere.
// CHECK-LABEL: func.func @others_ask
// CHECK-SAME: nn.least_sizes = array<i64: 1, 1, 1, 0>
func.func @others_ask(%h: tensor<4xf32>, %x: tensor<?x4xf32> {nn.dims = ["steps", ""]}, %y: tensor<?x?x8x3xf32> {nn.dims = ["n", "h", "", ""]},
                      %table: tensor<?x4xf32> {nn.dims = ["rows", ""]}, %f: tensor<3x3x3x4xf32>) -> tensor<4xf32> {
  %0 = nn.scan carry (%a = %h) over (%s = %x) : (tensor<4xf32>, tensor<?x4xf32>) -> tensor<4xf32> {
    nn.yield %s : tensor<4xf32>
  }
  %1 = nn.conv %y, %f {strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, padding_low = array<i64: 1, 1>, padding_high = array<i64: 1, 1>} : (tensor<?x?x8x3xf32>, tensor<3x3x3x4xf32>) -> tensor<?x?x8x4xf32>
  return %0 : tensor<4xf32>
}

// -----

// Both branches give a result one size.
// CHECK-LABEL: func.func @branches
// CHECK-SAME: text = "the model needs n = m"
func.func @branches(%c: tensor<i1>, %x: tensor<?xf32> {nn.dims = ["n"]}, %y: tensor<?xf32> {nn.dims = ["m"]}) -> tensor<?xf32> {
  %0 = nn.if %c : (tensor<i1>) -> tensor<?xf32> {
    nn.yield %x : tensor<?xf32>
  } else {
    nn.yield %y : tensor<?xf32>
  }
  return %0 : tensor<?xf32>
}
