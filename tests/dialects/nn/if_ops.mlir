// RUN: sylvite-opt %s | sylvite-opt | FileCheck %s
// RUN: sylvite-opt %s -mlir-print-op-generic | sylvite-opt | FileCheck %s
// RUN: sylvite-opt %s -canonicalize | FileCheck %s --check-prefix=CANON

// CHECK-LABEL: func.func @branches
// CHECK: %[[R:.*]]:2 = nn.if %arg0 : (tensor<i1>) -> (tensor<?x4xf32>, tensor<i64>) {
// CHECK:   %[[M:.*]] = nn.matmul %arg1, %arg2
// CHECK:   nn.yield %[[M]], %arg3 : tensor<?x4xf32>, tensor<i64>
// CHECK: } else {
// CHECK:   nn.yield %arg1, %arg3 : tensor<?x4xf32>, tensor<i64>
// CHECK: }
// CHECK: return %[[R]]#0, %[[R]]#1
func.func @branches(%c: tensor<i1>, %x: tensor<?x4xf32>, %w: tensor<4x4xf32>, %n: tensor<i64>) -> (tensor<?x4xf32>, tensor<i64>) {
  %0:2 = nn.if %c : (tensor<i1>) -> (tensor<?x4xf32>, tensor<i64>) {
    %1 = nn.matmul %x, %w : (tensor<?x4xf32>, tensor<4x4xf32>) -> tensor<?x4xf32>
    nn.yield %1, %n : tensor<?x4xf32>, tensor<i64>
  } else {
    nn.yield %x, %n : tensor<?x4xf32>, tensor<i64>
  }
  return %0#0, %0#1 : tensor<?x4xf32>, tensor<i64>
}

// A result that nobody reads goes, and what computes it; without any the op goes.
// CANON-LABEL: func.func @unread
// CANON-NEXT: %[[R:.*]] = nn.if %arg0 : (tensor<i1>) -> tensor<4x4xf32> {
// CANON-NEXT:   nn.yield %arg1 : tensor<4x4xf32>
// CANON-NEXT: } else {
// CANON-NEXT:   %[[T:.*]] = nn.transpose %arg1 [1, 0]
// CANON-NEXT:   nn.yield %[[T]] : tensor<4x4xf32>
// CANON-NEXT: }
// CANON-NEXT: return %[[R]]
func.func @unread(%c: tensor<i1>, %x: tensor<4x4xf32>) -> tensor<4x4xf32> {
  %0:2 = nn.if %c : (tensor<i1>) -> (tensor<4x4xf32>, tensor<4x4xf32>) {
    %1 = nn.matmul %x, %x : (tensor<4x4xf32>, tensor<4x4xf32>) -> tensor<4x4xf32>
    nn.yield %1, %x : tensor<4x4xf32>, tensor<4x4xf32>
  } else {
    %2 = nn.transpose %x [1, 0] : (tensor<4x4xf32>) -> tensor<4x4xf32>
    nn.yield %x, %2 : tensor<4x4xf32>, tensor<4x4xf32>
  }
  %3 = nn.if %c : (tensor<i1>) -> tensor<4x4xf32> {
    nn.yield %0#0 : tensor<4x4xf32>
  } else {
    nn.yield %x : tensor<4x4xf32>
  }
  return %0#1 : tensor<4x4xf32>
}

// Arithmetic on elements is computed in both branches, and what holds is selected.
// CANON-LABEL: func.func @elements
// CANON-NOT: nn.if
// CANON: %[[A:.*]] = nn.map(%arg1)
// CANON: nn.map(%arg0, %[[A]], %arg1) : (tensor<i1>, tensor<?x4xf32>, tensor<?x4xf32>) -> tensor<?x4xf32>
// CANON-NEXT: ^bb0(%[[C:[a-z0-9]+]]: i1, %[[Y:[a-z0-9]+]]: f32, %[[N:[a-z0-9]+]]: f32):
// CANON-NEXT: arith.select %[[C]], %[[Y]], %[[N]] : f32
// CANON-LABEL: func.func @functions
// CANON: nn.if
func.func @elements(%c: tensor<i1>, %x: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %0 = nn.if %c : (tensor<i1>) -> tensor<?x4xf32> {
    %1 = nn.map (%x) : (tensor<?x4xf32>) -> tensor<?x4xf32> {
    ^bb0(%e: f32):
      %s = arith.mulf %e, %e : f32
      nn.yield %s : f32
    }
    nn.yield %1 : tensor<?x4xf32>
  } else {
    nn.yield %x : tensor<?x4xf32>
  }
  return %0 : tensor<?x4xf32>
}
func.func @functions(%c: tensor<i1>, %x: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %0 = nn.if %c : (tensor<i1>) -> tensor<?x4xf32> {
    %1 = nn.map (%x) : (tensor<?x4xf32>) -> tensor<?x4xf32> {
    ^bb0(%e: f32):
      %s = math.exp %e : f32
      nn.yield %s : f32
    }
    nn.yield %1 : tensor<?x4xf32>
  } else {
    nn.yield %x : tensor<?x4xf32>
  }
  return %0 : tensor<?x4xf32>
}
