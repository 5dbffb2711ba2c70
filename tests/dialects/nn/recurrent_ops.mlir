// RUN: sylvite-opt %s | sylvite-opt | FileCheck %s

// CHECK-LABEL: func.func @lstm
// CHECK: %sequence, %last, %hidden, %cell = nn.lstm %arg0, %arg1, %arg2 bias %arg3 initial(%arg4, %arg5) mask %arg6 {go_backwards, reverse_outputs, zero_output_for_mask} : (tensor<?x?x8xf32>, tensor<8x64xf32>, tensor<16x64xf32>, tensor<64xf32>, tensor<?x16xf32>, tensor<?x16xf32>, tensor<?x?xi1>) -> (tensor<?x?x16xf32>, tensor<?x16xf32>, tensor<?x16xf32>, tensor<?x16xf32>)
func.func @lstm(%x: tensor<?x?x8xf32>, %k: tensor<8x64xf32>, %r: tensor<16x64xf32>, %b: tensor<64xf32>, %h: tensor<?x16xf32>, %c: tensor<?x16xf32>, %m: tensor<?x?xi1>) -> tensor<?x?x16xf32> {
  %s, %l, %h1, %c1 = nn.lstm %x, %k, %r bias %b initial(%h, %c) mask %m {go_backwards, reverse_outputs, zero_output_for_mask} : (tensor<?x?x8xf32>, tensor<8x64xf32>, tensor<16x64xf32>, tensor<64xf32>, tensor<?x16xf32>, tensor<?x16xf32>, tensor<?x?xi1>) -> (tensor<?x?x16xf32>, tensor<?x16xf32>, tensor<?x16xf32>, tensor<?x16xf32>)
  return %s : tensor<?x?x16xf32>
}

// The activation of the gates alone is given.
// CHECK-LABEL: func.func @gru
// CHECK: nn.gru %arg0, %arg1, %arg2 recurrent_bias %arg3 {reset_after} : {{.*}} -> (tensor<2x20x16xf32>, tensor<2x16xf32>, tensor<2x16xf32>) recurrent_activation {
// CHECK-NEXT: ^bb0(%[[Z:.*]]: tensor<2x16xf32>):
// CHECK: nn.softmax %[[Z]] dims [1]
func.func @gru(%x: tensor<2x20x8xf32>, %k: tensor<8x48xf32>, %r: tensor<16x48xf32>, %b: tensor<48xf32>) -> tensor<2x16xf32> {
  %s, %l, %h = nn.gru %x, %k, %r recurrent_bias %b {reset_after} : (tensor<2x20x8xf32>, tensor<8x48xf32>, tensor<16x48xf32>, tensor<48xf32>) -> (tensor<2x20x16xf32>, tensor<2x16xf32>, tensor<2x16xf32>) recurrent_activation {
  ^bb0(%z: tensor<2x16xf32>):
    %0 = nn.softmax %z dims [1] : (tensor<2x16xf32>) -> tensor<2x16xf32>
    nn.yield %0 : tensor<2x16xf32>
  }
  return %l : tensor<2x16xf32>
}

// CHECK-LABEL: func.func @simple_rnn
// CHECK: nn.simple_rnn %arg0, %arg1, %arg2 : (tensor<?x20x8xf32>, tensor<8x16xf32>, tensor<16x16xf32>)
func.func @simple_rnn(%x: tensor<?x20x8xf32>, %k: tensor<8x16xf32>, %r: tensor<16x16xf32>) -> tensor<?x16xf32> {
  %s, %l, %h = nn.simple_rnn %x, %k, %r : (tensor<?x20x8xf32>, tensor<8x16xf32>, tensor<16x16xf32>) -> (tensor<?x20x16xf32>, tensor<?x16xf32>, tensor<?x16xf32>)
  return %h : tensor<?x16xf32>
}

// CHECK-LABEL: func.func @dropout
// CHECK: nn.lstm %arg0, %arg1, %arg2 {dropout = 2.500000e-01 : f64, dropout_by_gate, recurrent_dropout = 5.000000e-01 : f64} :
func.func @dropout(%x: tensor<?x20x8xf32>, %k: tensor<8x64xf32>, %r: tensor<16x64xf32>) -> tensor<?x16xf32> {
  %s, %l, %h, %c = nn.lstm %x, %k, %r {dropout = 0.25, recurrent_dropout = 0.5, dropout_by_gate} : (tensor<?x20x8xf32>, tensor<8x64xf32>, tensor<16x64xf32>) -> (tensor<?x20x16xf32>, tensor<?x16xf32>, tensor<?x16xf32>, tensor<?x16xf32>)
  return %h : tensor<?x16xf32>
}
