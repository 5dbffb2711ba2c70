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
// CHECK-SAME: text = "the model needs ceil((n - 3) / 2) >= 1"
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
