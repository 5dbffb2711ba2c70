// RUN: sylvite-opt %s | sylvite-opt | FileCheck %s

// CHECK-LABEL: func.func @plain
// CHECK: nn.attention %arg0, %arg1, %arg2 scores() : (tensor<?x4x20x8xf32>, tensor<?x4x8x30xf32>, tensor<?x4x30x6xf32>) -> tensor<?x4x20x6xf32> {
// CHECK-NEXT: ^bb0(%[[S:.*]]: f32):
// CHECK-NEXT: nn.yield %[[S]] : f32
func.func @plain(%q: tensor<?x4x20x8xf32>, %k: tensor<?x4x8x30xf32>, %v: tensor<?x4x30x6xf32>) {
  %0 = nn.attention %q, %k, %v scores () : (tensor<?x4x20x8xf32>, tensor<?x4x8x30xf32>, tensor<?x4x30x6xf32>) -> tensor<?x4x20x6xf32> {
  ^bb0(%s: f32):
    nn.yield %s : f32
  }
  return
}

// Heads that share keys and values, free lengths, and modifiers that broadcast: a mask and a bias.
// CHECK-LABEL: func.func @modified
// CHECK: nn.attention %arg0, %arg1, %arg2 scores(%arg3, %arg4) : {{.*}} -> tensor<?x2x3x?x8xf32>
func.func @modified(%q: tensor<?x2x3x?x8xf32>, %k: tensor<?x2x1x8x?xf32>, %v: tensor<?x2x1x?x8xf32>, %m: tensor<?x1x1x1x?xi1>, %b: tensor<3x1x1xf32>) {
  %0 = nn.attention %q, %k, %v scores (%m, %b) : (tensor<?x2x3x?x8xf32>, tensor<?x2x1x8x?xf32>, tensor<?x2x1x?x8xf32>, tensor<?x1x1x1x?xi1>, tensor<3x1x1xf32>) -> tensor<?x2x3x?x8xf32> {
  ^bb0(%s: f32, %c: i1, %f: f32):
    %low = arith.constant -1.0e9 : f32
    %0 = arith.addf %s, %f : f32
    %1 = arith.select %c, %0, %low : f32
    nn.yield %1 : f32
  }
  return
}

// Panels of another width than sixteen columns, and keys of two panels at a time.
// CHECK-LABEL: func.func @panels
// CHECK: nn.attention %arg0, %arg1, %arg2 scores() {key_block = 64 : i64, key_panel = 32 : i64, value_panel = 48 : i64} : {{.*}} -> tensor<20x48xf32>
func.func @panels(%q: tensor<20x8xf32>, %k: tensor<8x64xf32>, %v: tensor<64x48xf32>) {
  %0 = nn.attention %q, %k, %v scores () {key_block = 64 : i64, key_panel = 32 : i64, value_panel = 48 : i64} : (tensor<20x8xf32>, tensor<8x64xf32>, tensor<64x48xf32>) -> tensor<20x48xf32> {
  ^bb0(%s: f32):
    nn.yield %s : f32
  }
  return
}
