// RUN: sylvite-opt %s -canonicalize | FileCheck %s

// A map that yields its argument is no map.
// CHECK-LABEL: func.func @identity
// CHECK-NEXT: return %arg0
func.func @identity(%x: tensor<?x3xf32>) -> tensor<?x3xf32> {
  %0 = nn.map (%x) : (tensor<?x3xf32>) -> tensor<?x3xf32> {
  ^bb0(%a: f32):
    nn.yield %a : f32
  }
  return %0 : tensor<?x3xf32>
}

// ... unless it broadcasts.
// CHECK-LABEL: func.func @broadcasts
// CHECK: nn.map
func.func @broadcasts(%x: tensor<3xf32>, %y: tensor<4x3xf32>) -> tensor<4x3xf32> {
  %0 = nn.map (%x, %y) : (tensor<3xf32>, tensor<4x3xf32>) -> tensor<4x3xf32> {
  ^bb0(%a: f32, %b: f32):
    nn.yield %a : f32
  }
  return %0 : tensor<4x3xf32>
}

// An operand that stands twice, and one that is not used, go.
// CHECK-LABEL: func.func @operands
// CHECK: nn.map(%arg0) : (tensor<?x3xf32>) -> tensor<?x3xf32> {
// CHECK-NEXT: ^bb0(%[[A:.*]]: f32):
// CHECK-NEXT: arith.mulf %[[A]], %[[A]]
func.func @operands(%x: tensor<?x3xf32>, %y: tensor<3xf32>) -> tensor<?x3xf32> {
  %0 = nn.map (%x, %x, %y) : (tensor<?x3xf32>, tensor<?x3xf32>, tensor<3xf32>) -> tensor<?x3xf32> {
  ^bb0(%a: f32, %b: f32, %c: f32):
    %p = arith.mulf %a, %b : f32
    nn.yield %p : f32
  }
  return %0 : tensor<?x3xf32>
}

// Constants stay inside: the region is isolated.
// CHECK-LABEL: func.func @constant
// CHECK-NEXT: nn.map
// CHECK: arith.constant 2.000000e+00
func.func @constant(%x: tensor<?x3xf32>) -> tensor<?x3xf32> {
  %0 = nn.map (%x) : (tensor<?x3xf32>) -> tensor<?x3xf32> {
  ^bb0(%a: f32):
    %c = arith.constant 2.0 : f32
    %p = arith.mulf %a, %c : f32
    nn.yield %p : f32
  }
  return %0 : tensor<?x3xf32>
}
