// RUN: sylvite-opt %s -split-input-file -nn-differentiate | FileCheck %s

// A convolution of stride one: the gradient of its input is one with the filter turned about.
// CHECK-LABEL: func.func @pullback
// CHECK-SAME: %[[X:.*]]: tensor<?x8x8x2xf32> {nn.dims = ["batch", "", "", ""], nn.name = "x"}
// CHECK-SAME: %[[G:.*]]: tensor<?x8x8x4xf32> {nn.dims = ["batch", "", "", ""], nn.name = "seed0"}
// CHECK-SAME: -> (tensor<?x8x8x2xf32> {nn.name = "gradient/x"}, tensor<3x3x2x4xf32> {nn.name = "gradient/k"})
// CHECK: %[[K:.*]] = nn.get @k
// CHECK-NOT: nn.conv %[[X]]
// CHECK: %[[TURNED:.*]] = nn.slice %[[K]] starts [2, 2, 0, 0] sizes [3, 3, 2, 4] strides [-1, -1, 1, 1]
// CHECK: %[[W:.*]] = nn.transpose %[[TURNED]] [0, 1, 3, 2]
// CHECK: %[[DX:.*]] = nn.conv %[[G]], %[[W]]
// CHECK: %[[DK:.*]] = nn.conv_grad_filter %[[X]], %[[G]]
// CHECK: return %[[DX]], %[[DK]]
nn.parameter trainable @k : tensor<3x3x2x4xf32>
func.func @forward(%x: tensor<?x8x8x2xf32> {nn.name = "x", nn.dims = ["batch", "", "", ""]}) -> tensor<?x8x8x4xf32> {
  %k = nn.get @k : tensor<3x3x2x4xf32>
  %0 = nn.conv %x, %k {strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, padding_low = array<i64: 1, 1>, padding_high = array<i64: 1, 1>} : (tensor<?x8x8x2xf32>, tensor<3x3x2x4xf32>) -> tensor<?x8x8x4xf32>
  return %0 : tensor<?x8x8x4xf32>
}

// -----

// The gradient of a map is derived from its region; what repeats is summed. A parameter that is not trainable has none.
// CHECK-LABEL: func.func @pullback
// CHECK-SAME: -> (tensor<2x3xf32> {nn.name = "gradient/x"}, tensor<3xf32> {nn.name = "gradient/s"})
// CHECK: %[[DX:.*]] = nn.map(%arg0, %{{.*}}, %arg1)
// CHECK-NEXT: ^bb0(%[[E:[a-z0-9]+]]: f32, %[[S:[a-z0-9]+]]: f32, %[[G:[a-z0-9]+]]: f32):
// CHECK: %[[M:.*]] = arith.mulf %[[E]], %[[S]]
// CHECK: %[[T:.*]] = math.tanh %[[M]]
// CHECK: %[[T2:.*]] = arith.mulf %[[T]], %[[T]]
// CHECK: %[[D:.*]] = arith.subf %{{.*}}, %[[T2]]
// CHECK: %[[GD:.*]] = arith.mulf %[[G]], %[[D]]
// CHECK: arith.mulf %[[GD]], %[[S]]
// CHECK: %[[EACH:.*]] = nn.map
// CHECK: %[[DS:.*]] = nn.reduce sum %[[EACH]] dims [0]
// CHECK: return %[[DX]], %[[DS]]
nn.parameter trainable @s : tensor<3xf32>
nn.parameter @t : tensor<3xf32>
func.func @forward(%x: tensor<2x3xf32> {nn.name = "x"}) -> tensor<2x3xf32> {
  %s = nn.get @s : tensor<3xf32>
  %t = nn.get @t : tensor<3xf32>
  %0 = nn.map (%x, %s, %t) : (tensor<2x3xf32>, tensor<3xf32>, tensor<3xf32>) -> tensor<2x3xf32> {
  ^bb0(%e: f32, %f: f32, %o: f32):
    %p = arith.mulf %e, %f : f32
    %h = math.tanh %p : f32
    %a = arith.addf %h, %o : f32
    nn.yield %a : f32
  }
  return %0 : tensor<2x3xf32>
}

// -----

// A loop: the forward one records what each step began with, the backward one runs from the last step to the first, and sums
// up the gradient of what all steps read.
// CHECK-LABEL: func.func @pullback
// CHECK: %[[F:.*]]:2 = nn.scan carry (%[[H:.*]] = %arg0) over (%[[S:.*]] = %arg1)
// CHECK: nn.yield %{{.*}}, %[[H]]
// CHECK: %[[B:.*]]:3 = nn.scan carry (%[[DH:.*]] = %arg2, %[[DW:.*]] = %{{.*}}) over (%[[BEFORE:.*]] = %[[F]]#1, %{{.*}} = %arg1) attributes {reversed = array<i1: true, true, true>}
// CHECK: return %[[B]]#0, %[[B]]#2, %[[B]]#1
nn.parameter trainable @w : tensor<4x4xf32>
func.func @forward(%h0: tensor<2x4xf32> {nn.name = "h"}, %xs: tensor<5x2x4xf32> {nn.name = "x"}) -> tensor<2x4xf32> {
  %w = nn.get @w : tensor<4x4xf32>
  %0 = nn.scan carry (%h = %h0) over (%x = %xs) : (tensor<2x4xf32>, tensor<5x2x4xf32>) -> tensor<2x4xf32> {
    %p = nn.matmul %h, %w : (tensor<2x4xf32>, tensor<4x4xf32>) -> tensor<2x4xf32>
    %n = nn.map (%p, %x) : (tensor<2x4xf32>, tensor<2x4xf32>) -> tensor<2x4xf32> {
    ^bb0(%a: f32, %b: f32):
      %s = arith.addf %a, %b : f32
      nn.yield %s : f32
    }
    nn.yield %n : tensor<2x4xf32>
  }
  return %0 : tensor<2x4xf32>
}

// -----

// A choice: the backward one is made as the forward one was, and gives zeros where a branch does not read what the other does.
// CHECK-LABEL: func.func @pullback
// CHECK: %[[B:.*]]:2 = nn.if %arg0 : (tensor<i1>) -> (tensor<2x4xf32>, tensor<4x4xf32>) {
// CHECK: %[[WT:.*]] = nn.transpose %{{.*}} [1, 0]
// CHECK: %[[DX:.*]] = nn.matmul %arg2, %[[WT]]
// CHECK: %[[DW:.*]] = nn.matmul %arg1, %arg2 {transpose_lhs}
// CHECK: nn.yield %[[DX]], %[[DW]]
// CHECK: } else {
// CHECK: %[[ZEROS:.*]] = nn.full 0.0{{.*}} to tensor<4x4xf32>
// CHECK: nn.yield %arg2, %[[ZEROS]]
// CHECK: return %[[B]]#0, %[[B]]#1
nn.parameter trainable @w : tensor<4x4xf32>
func.func @forward(%c: tensor<i1> {nn.name = "c"}, %x: tensor<2x4xf32> {nn.name = "x"}) -> tensor<2x4xf32> {
  %w = nn.get @w : tensor<4x4xf32>
  %0 = nn.if %c : (tensor<i1>) -> tensor<2x4xf32> {
    %1 = nn.matmul %x, %w : (tensor<2x4xf32>, tensor<4x4xf32>) -> tensor<2x4xf32>
    nn.yield %1 : tensor<2x4xf32>
  } else {
    nn.yield %x : tensor<2x4xf32>
  }
  return %0 : tensor<2x4xf32>
}

// -----

// The gradient of relu is seen from its result: what it was computed from need not be kept.
// CHECK-LABEL: func.func @pullback
// CHECK: %[[Y:.*]] = nn.map(%arg0)
// CHECK: nn.map(%[[Y]], %arg1)
// CHECK-NEXT: ^bb0(%[[E:[a-z0-9]+]]: f32, %[[G:[a-z0-9]+]]: f32):
// CHECK: %[[PASSES:.*]] = arith.cmpf ogt, %[[E]]
// CHECK: arith.select %[[PASSES]], %[[G]]
func.func @forward(%x: tensor<4xf32> {nn.name = "x"}) -> tensor<4xf32> {
  %0 = nn.map (%x) : (tensor<4xf32>) -> tensor<4xf32> {
  ^bb0(%e: f32):
    %z = arith.constant 0.0 : f32
    %m = arith.maximumf %e, %z : f32
    nn.yield %m : f32
  }
  return %0 : tensor<4xf32>
}

// -----

// So is that of the logistic function.
// CHECK-LABEL: func.func @pullback
// CHECK: %[[Y:.*]] = nn.map(%arg0)
// CHECK: nn.map(%[[Y]], %arg1)
// CHECK-NEXT: ^bb0(%[[E:[a-z0-9]+]]: f32, %[[G:[a-z0-9]+]]: f32):
// CHECK: %[[REST:.*]] = arith.subf %{{.*}}, %[[E]]
// CHECK: %[[D:.*]] = arith.mulf %[[E]], %[[REST]]
// CHECK: arith.mulf %[[G]], %[[D]]
func.func @forward(%x: tensor<4xf32> {nn.name = "x"}) -> tensor<4xf32> {
  %0 = nn.map (%x) : (tensor<4xf32>) -> tensor<4xf32> {
  ^bb0(%e: f32):
    %one = arith.constant 1.0 : f32
    %n = arith.negf %e : f32
    %p = math.exp %n : f32
    %s = arith.addf %one, %p : f32
    %y = arith.divf %one, %s : f32
    nn.yield %y : f32
  }
  return %0 : tensor<4xf32>
}

// -----

// What would take a product again is recorded: the backward loop has one product for what is carried, and one for the weights.
// CHECK-LABEL: func.func @pullback
// CHECK: %[[F:.*]]:3 = nn.scan carry (%[[H:.*]] = %arg0) over (%{{.*}} = %arg1)
// CHECK: %[[P:.*]] = nn.matmul %[[H]], %{{.*}}
// CHECK: %[[Y:.*]] = nn.map(%[[P]], %{{.*}})
// CHECK: nn.yield %[[Y]], %[[H]], %[[Y]]
// CHECK: nn.scan carry ({{.*}}) over (%{{.*}} = %[[F]]#1, %{{.*}} = %arg1, %[[KEPT:.*]] = %[[F]]#2) attributes {reversed = array<i1: true, true, true, true>}
// CHECK-NOT: math.tanh
// CHECK: %[[G:.*]] = nn.map(%[[KEPT]], %{{.*}})
// CHECK: nn.matmul %[[G]], %{{.*}} :
// CHECK: nn.matmul %{{.*}}, %[[G]] {transpose_lhs}
// CHECK-NOT: nn.matmul
nn.parameter trainable @w : tensor<4x4xf32>
func.func @forward(%h0: tensor<2x4xf32> {nn.name = "h"}, %xs: tensor<5x2x4xf32> {nn.name = "x"}) -> tensor<2x4xf32> {
  %w = nn.get @w : tensor<4x4xf32>
  %0 = nn.scan carry (%h = %h0) over (%x = %xs) : (tensor<2x4xf32>, tensor<5x2x4xf32>) -> tensor<2x4xf32> {
    %p = nn.matmul %h, %w : (tensor<2x4xf32>, tensor<4x4xf32>) -> tensor<2x4xf32>
    %n = nn.map (%p, %x) : (tensor<2x4xf32>, tensor<2x4xf32>) -> tensor<2x4xf32> {
    ^bb0(%a: f32, %b: f32):
      %s = arith.addf %a, %b : f32
      %t = math.tanh %s : f32
      nn.yield %t : f32
    }
    nn.yield %n : tensor<2x4xf32>
  }
  return %0 : tensor<2x4xf32>
}

// -----

// The derivative of a softplus takes a transcendental function: it is computed beside the result, and kept. That of tanh is seen from
// its result.
// CHECK-LABEL: func.func @pullback
// CHECK: nn.map(%arg0)
// CHECK: math.log1p
// CHECK: %[[D:.*]] = nn.map(%arg0) : (tensor<?x4xf32>) -> tensor<?x4xf32>
// CHECK: math.exp
// CHECK: %[[Y:.*]] = nn.map(%{{.*}})
// CHECK: math.tanh
// CHECK: %[[DP:.*]] = nn.map(%[[Y]], %arg1)
// CHECK-NOT: math
// CHECK: %[[DX:.*]] = nn.map(%[[DP]], %[[D]])
// CHECK-NEXT: ^bb0(%[[G:.*]]: f32, %[[E:.*]]: f32):
// CHECK-NEXT: arith.mulf %[[G]], %[[E]]
// CHECK: return %[[DX]]
func.func @forward(%x: tensor<?x4xf32> {nn.name = "x", nn.dims = ["batch", ""]}) -> tensor<?x4xf32> {
  %0 = nn.map (%x) : (tensor<?x4xf32>) -> tensor<?x4xf32> {
  ^bb0(%e: f32):
    %a = math.exp %e : f32
    %b = math.log1p %a : f32
    nn.yield %b : f32
  }
  %1 = nn.map (%0) : (tensor<?x4xf32>) -> tensor<?x4xf32> {
  ^bb0(%e: f32):
    %a = math.tanh %e : f32
    nn.yield %a : f32
  }
  return %1 : tensor<?x4xf32>
}
