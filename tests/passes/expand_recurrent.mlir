// RUN: sylvite-opt %s -nn-expand-recurrent | FileCheck %s

// One product for all steps, then the loop; nothing stacks outputs that nobody reads. Gates are columns of products.
// CHECK-LABEL: func.func @lstm
// CHECK: %[[X:.*]] = nn.transpose %arg0 [1, 0, 2] : (tensor<?x20x8xf32>) -> tensor<20x?x8xf32>
// CHECK: %[[ROWS:.*]] = nn.reshape %[[X]] from [-1, 2] : tensor<20x?x8xf32> to tensor<?x8xf32>
// CHECK: %[[PRODUCT:.*]] = nn.matmul %[[ROWS]], %arg1 : (tensor<?x8xf32>, tensor<8x64xf32>) -> tensor<?x64xf32>
// CHECK: %[[INPUTS:.*]] = nn.reshape %[[PRODUCT]] from [-1, -1, 1] : tensor<?x64xf32> to tensor<20x?x64xf32>
// CHECK: %[[H0:.*]] = nn.full 0.000000e+00 like %arg0 from [0, -1] : tensor<?x20x8xf32> to tensor<?x16xf32>
// CHECK: %[[C0:.*]] = nn.full
// CHECK: %[[LOOP:.*]]:2 = nn.scan carry (%[[H:.*]] = %[[H0]], %[[C:.*]] = %[[C0]]) over (%[[STEP:.*]] = %[[INPUTS]]) : (tensor<?x16xf32>, tensor<?x16xf32>, tensor<20x?x64xf32>) -> (tensor<?x16xf32>, tensor<?x16xf32>)
// CHECK: %[[GATES:.*]] = nn.matmul %[[H]], %arg2 : (tensor<?x16xf32>, tensor<16x64xf32>) -> tensor<?x64xf32>
// CHECK: nn.slice %[[GATES]] starts [0, 0] sizes [-1, 16]
// CHECK: nn.slice %[[GATES]] starts [0, 48] sizes [-1, 16]
// CHECK-NOT: nn.matmul
// CHECK: return %[[LOOP]]#0, %[[LOOP]]#1
func.func @lstm(%x: tensor<?x20x8xf32>, %k: tensor<8x64xf32>, %r: tensor<16x64xf32>) -> (tensor<?x16xf32>, tensor<?x16xf32>) {
  %s, %l, %h, %c = nn.lstm %x, %k, %r : (tensor<?x20x8xf32>, tensor<8x64xf32>, tensor<16x64xf32>) -> (tensor<?x20x16xf32>, tensor<?x16xf32>, tensor<?x16xf32>, tensor<?x16xf32>)
  return %l, %c : tensor<?x16xf32>, tensor<?x16xf32>
}

// Backwards, outputs where their inputs are; a masked step keeps the state, and its output is zero: the last
// output is carried beside the state.
// CHECK-LABEL: func.func @masked
// CHECK: nn.matmul {{.*}} : (tensor<?x?x8xf32>, tensor<8x16xf32>) -> tensor<?x?x16xf32>
// CHECK: %[[M:.*]] = nn.transpose %arg3 [1, 0] : (tensor<?x?xi1>) -> tensor<?x?xi1>
// CHECK: %[[MASK:.*]] = nn.reshape %[[M]] from [0, 1, -1] : tensor<?x?xi1> to tensor<?x?x1xi1>
// CHECK: nn.scan carry (%[[H:.*]] = %{{.*}}, %{{.*}} = %{{.*}}) over (%{{.*}} = %{{.*}}, %[[STEPMASK:.*]] = %[[MASK]]) attributes {reversed = array<i1: true, true, true>}
// CHECK: %[[ZEROED:.*]] = nn.map(%[[STEPMASK]], %[[NEXT:[^,]*]],
// CHECK: %[[KEPT:.*]] = nn.map(%[[STEPMASK]], %[[NEXT]], %[[H]])
// CHECK: nn.yield %[[KEPT]], %[[ZEROED]], %[[ZEROED]]
func.func @masked(%x: tensor<?x?x8xf32>, %k: tensor<8x16xf32>, %r: tensor<16x16xf32>, %m: tensor<?x?xi1>) -> (tensor<?x?x16xf32>, tensor<?x16xf32>) {
  %s, %l, %h = nn.simple_rnn %x, %k, %r mask %m {go_backwards, reverse_outputs, zero_output_for_mask} : (tensor<?x?x8xf32>, tensor<8x16xf32>, tensor<16x16xf32>, tensor<?x?xi1>) -> (tensor<?x?x16xf32>, tensor<?x16xf32>, tensor<?x16xf32>)
  return %s, %l : tensor<?x?x16xf32>, tensor<?x16xf32>
}

// The reset gate before the product takes a second product; an activation of the layer's own is copied in.
// CHECK-LABEL: func.func @reset_before
// CHECK: nn.scan
// CHECK: nn.matmul {{.*}} -> tensor<?x32xf32>
// CHECK: nn.matmul {{.*}} -> tensor<?x16xf32>
// CHECK: nn.softmax
func.func @reset_before(%x: tensor<?x20x8xf32>, %k: tensor<8x48xf32>, %r: tensor<16x48xf32>) -> tensor<?x16xf32> {
  %s, %l, %h = nn.gru %x, %k, %r : (tensor<?x20x8xf32>, tensor<8x48xf32>, tensor<16x48xf32>) -> (tensor<?x20x16xf32>, tensor<?x16xf32>, tensor<?x16xf32>) activation {
  ^bb0(%z: tensor<?x16xf32>):
    %0 = nn.softmax %z dims [1] : (tensor<?x16xf32>) -> tensor<?x16xf32>
    nn.yield %0 : tensor<?x16xf32>
  }
  return %l : tensor<?x16xf32>
}
