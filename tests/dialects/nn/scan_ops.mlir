// RUN: sylvite-opt %s | sylvite-opt | FileCheck %s

// Running sums, forwards and backwards; values from above are in reach.
// CHECK-LABEL: func.func @sums
// CHECK: %[[S:.*]]:2 = nn.scan carry (%[[T:.*]] = %arg0) over (%[[X:.*]] = %arg1) : (tensor<?x8xf32>, tensor<20x?x8xf32>) -> (tensor<?x8xf32>, tensor<20x?x8xf32>) {
// CHECK: nn.yield
// CHECK: nn.scan carry (%{{.*}} = %arg0) over (%{{.*}} = %arg1) attributes {reversed = array<i1: true, true>} :
func.func @sums(%zero: tensor<?x8xf32>, %xs: tensor<20x?x8xf32>) -> (tensor<?x8xf32>, tensor<20x?x8xf32>) {
  %0:2 = nn.scan carry (%t = %zero) over (%x = %xs) : (tensor<?x8xf32>, tensor<20x?x8xf32>) -> (tensor<?x8xf32>, tensor<20x?x8xf32>) {
    %1 = nn.map (%t, %x) : (tensor<?x8xf32>, tensor<?x8xf32>) -> tensor<?x8xf32> {
    ^bb0(%a: f32, %b: f32):
      %2 = arith.addf %a, %b : f32
      nn.yield %2 : f32
    }
    nn.yield %1, %1 : tensor<?x8xf32>, tensor<?x8xf32>
  }
  %3:2 = nn.scan carry (%t = %zero) over (%x = %xs) attributes {reversed = array<i1: true, true>} : (tensor<?x8xf32>, tensor<20x?x8xf32>) -> (tensor<?x8xf32>, tensor<20x?x8xf32>) {
    nn.yield %zero, %x : tensor<?x8xf32>, tensor<?x8xf32>
  }
  return %0#0, %3#1 : tensor<?x8xf32>, tensor<20x?x8xf32>
}

// Nothing is carried.
// CHECK-LABEL: func.func @each
// CHECK: nn.scan over (%{{.*}} = %arg0) : (tensor<?x4xf32>) -> tensor<?x4xf32> {
func.func @each(%xs: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %0 = nn.scan over (%x = %xs) : (tensor<?x4xf32>) -> tensor<?x4xf32> {
    nn.yield %x : tensor<4xf32>
  }
  return %0 : tensor<?x4xf32>
}
