// Products of one tensor with constant weights are one.
// RUN: sylvite-opt %s -split-input-file -nn-plan-contractions | FileCheck %s

nn.parameter @wq : tensor<16x2x8xf32>
nn.parameter @wk : tensor<16x2x8xf32>
nn.parameter @wv : tensor<16x2x8xf32>
nn.parameter @bq : tensor<2x8xf32>
nn.parameter @bk : tensor<2x8xf32>
nn.parameter @bv : tensor<2x8xf32>

// Queries, keys and values are columns of one product, of which attention reads its heads.
// CHECK-LABEL: func.func @joined
// CHECK: nn.concat {{.*}} dim 1 : (tensor<16x16xf32>, tensor<16x16xf32>, tensor<16x16xf32>) -> tensor<16x48xf32>
// CHECK: %[[P:.*]] = nn.packed_matmul %arg0,
// CHECK: %[[B:.*]] = nn.concat {{.*}} dim 0 : (tensor<16xf32>, tensor<16xf32>, tensor<16xf32>) -> tensor<48xf32>
// CHECK: %[[M:.*]] = nn.map(%[[P]], %[[B]])
// CHECK: %[[H:.*]] = nn.reshape %[[M]] from [0, 1, -1, -1] : tensor<?x6x48xf32> to tensor<?x6x6x8xf32>
// CHECK: %[[Q:.*]] = nn.slice %[[H]] starts [0, 0, 0, 0] sizes [-1, 6, 2, 8]
// CHECK: %[[K:.*]] = nn.slice %[[H]] starts [0, 0, 2, 0] sizes [-1, 6, 2, 8]
// CHECK: %[[V:.*]] = nn.slice %[[H]] starts [0, 0, 4, 0] sizes [-1, 6, 2, 8]
// CHECK: nn.attention
// CHECK-NOT: nn.packed_matmul
func.func @joined(%x: tensor<?x6x16xf32>) -> tensor<?x2x6x8xf32> {
  %wq = nn.get @wq : tensor<16x2x8xf32>
  %fq = nn.reshape %wq from [0, -1] : tensor<16x2x8xf32> to tensor<16x16xf32>
  %pq = nn.matmul %x, %fq : (tensor<?x6x16xf32>, tensor<16x16xf32>) -> tensor<?x6x16xf32>
  %hq = nn.reshape %pq from [0, 1, -1, -1] : tensor<?x6x16xf32> to tensor<?x6x2x8xf32>
  %bq = nn.get @bq : tensor<2x8xf32>
  %q = nn.map(%hq, %bq) : (tensor<?x6x2x8xf32>, tensor<2x8xf32>) -> tensor<?x6x2x8xf32> {
  ^bb0(%a: f32, %b: f32):
    %s = arith.addf %a, %b : f32
    nn.yield %s : f32
  }
  %wk = nn.get @wk : tensor<16x2x8xf32>
  %fk = nn.reshape %wk from [0, -1] : tensor<16x2x8xf32> to tensor<16x16xf32>
  %pk = nn.matmul %x, %fk : (tensor<?x6x16xf32>, tensor<16x16xf32>) -> tensor<?x6x16xf32>
  %hk = nn.reshape %pk from [0, 1, -1, -1] : tensor<?x6x16xf32> to tensor<?x6x2x8xf32>
  %bk = nn.get @bk : tensor<2x8xf32>
  %k = nn.map(%hk, %bk) : (tensor<?x6x2x8xf32>, tensor<2x8xf32>) -> tensor<?x6x2x8xf32> {
  ^bb0(%a: f32, %b: f32):
    %s = arith.addf %a, %b : f32
    nn.yield %s : f32
  }
  // A bias before the heads are split.
  %wv = nn.get @wv : tensor<16x2x8xf32>
  %fv = nn.reshape %wv from [0, -1] : tensor<16x2x8xf32> to tensor<16x16xf32>
  %pv = nn.matmul %x, %fv : (tensor<?x6x16xf32>, tensor<16x16xf32>) -> tensor<?x6x16xf32>
  %bv = nn.get @bv : tensor<2x8xf32>
  %fb = nn.reshape %bv from [-1] : tensor<2x8xf32> to tensor<16xf32>
  %sv = nn.map(%fb, %pv) : (tensor<16xf32>, tensor<?x6x16xf32>) -> tensor<?x6x16xf32> {
  ^bb0(%a: f32, %b: f32):
    %s = arith.addf %a, %b : f32
    nn.yield %s : f32
  }
  %v = nn.reshape %sv from [0, 1, -1, -1] : tensor<?x6x16xf32> to tensor<?x6x2x8xf32>
  %tq = nn.transpose %q [0, 2, 1, 3] : (tensor<?x6x2x8xf32>) -> tensor<?x2x6x8xf32>
  %tk = nn.transpose %k [0, 2, 1, 3] : (tensor<?x6x2x8xf32>) -> tensor<?x2x6x8xf32>
  %tv = nn.transpose %v [0, 2, 1, 3] : (tensor<?x6x2x8xf32>) -> tensor<?x2x6x8xf32>
  %s = nn.matmul %tq, %tk {transpose_rhs} : (tensor<?x2x6x8xf32>, tensor<?x2x6x8xf32>) -> tensor<?x2x6x6xf32>
  %p = nn.softmax %s dims [3] : (tensor<?x2x6x6xf32>) -> tensor<?x2x6x6xf32>
  %y = nn.matmul %p, %tv : (tensor<?x2x6x6xf32>, tensor<?x2x6x8xf32>) -> tensor<?x2x6x8xf32>
  return %y : tensor<?x2x6x8xf32>
}

// -----

nn.parameter @wq : tensor<16x16xf32>
nn.parameter @wk : tensor<16x16xf32>

// Weights that a step of training replaces would be copied in each.
// CHECK-LABEL: func.func @updated
// CHECK-COUNT-2: nn.packed_matmul
func.func @updated(%x: tensor<6x16xf32>, %n: tensor<16x16xf32>) -> (tensor<2x6x6xf32>, tensor<16x16xf32> {nn.update = "wk"}) {
  %wq = nn.get @wq : tensor<16x16xf32>
  %pq = nn.matmul %x, %wq : (tensor<6x16xf32>, tensor<16x16xf32>) -> tensor<6x16xf32>
  %hq = nn.reshape %pq from [-1, -1, -1] : tensor<6x16xf32> to tensor<6x2x8xf32>
  %q = nn.transpose %hq [1, 0, 2] : (tensor<6x2x8xf32>) -> tensor<2x6x8xf32>
  %wk = nn.get @wk : tensor<16x16xf32>
  %pk = nn.matmul %x, %wk : (tensor<6x16xf32>, tensor<16x16xf32>) -> tensor<6x16xf32>
  %hk = nn.reshape %pk from [-1, -1, -1] : tensor<6x16xf32> to tensor<6x2x8xf32>
  %k = nn.transpose %hk [1, 0, 2] : (tensor<6x2x8xf32>) -> tensor<2x6x8xf32>
  %s = nn.matmul %q, %k {transpose_rhs} : (tensor<2x6x8xf32>, tensor<2x6x8xf32>) -> tensor<2x6x6xf32>
  return %s, %n : tensor<2x6x6xf32>, tensor<16x16xf32>
}

// -----

nn.parameter @real : tensor<32x1x9xf32>
nn.parameter @imaginary : tensor<32x1x9xf32>

// A spectrum, whose parts would each leave lanes empty.
// CHECK-LABEL: func.func @spectrum
// CHECK: nn.concat {{.*}} dim 2 : (tensor<32x1x9xf32>, tensor<32x1x9xf32>) -> tensor<32x1x18xf32>
// CHECK: %[[C:.*]] = nn.packed_conv %arg0,
// CHECK-NOT: nn.packed_conv
// CHECK: nn.slice %[[C]] starts [0, 0, 0] sizes [-1, -1, 9]
// CHECK: nn.slice %[[C]] starts [0, 0, 9] sizes [-1, -1, 9]
func.func @spectrum(%x: tensor<?x?x1xf32>) -> tensor<?x?x9xf32> {
  %v = nn.get @real : tensor<32x1x9xf32>
  %r = nn.conv %x, %v {strides = array<i64: 16>, dilations = array<i64: 1>, padding_low = array<i64: 0>, padding_high = array<i64: 0>} : (tensor<?x?x1xf32>, tensor<32x1x9xf32>) -> tensor<?x?x9xf32>
  %w = nn.get @imaginary : tensor<32x1x9xf32>
  %i = nn.conv %x, %w {strides = array<i64: 16>, dilations = array<i64: 1>, padding_low = array<i64: 0>, padding_high = array<i64: 0>} : (tensor<?x?x1xf32>, tensor<32x1x9xf32>) -> tensor<?x?x9xf32>
  %s = nn.map(%i) : (tensor<?x?x9xf32>) -> tensor<?x?x9xf32> {
  ^bb0(%a: f32):
    %p = arith.mulf %a, %a : f32
    nn.yield %p : f32
  }
  %y = nn.map(%r, %s) : (tensor<?x?x9xf32>, tensor<?x?x9xf32>) -> tensor<?x?x9xf32> {
  ^bb0(%a: f32, %b: f32):
    %p = arith.mulf %a, %a : f32
    %t = arith.addf %p, %b : f32
    nn.yield %t : f32
  }
  return %y : tensor<?x?x9xf32>
}

// Channels that fill lanes gain nothing.
nn.parameter @even : tensor<32x1x32xf32>
nn.parameter @odd : tensor<32x1x32xf32>
// CHECK-LABEL: func.func @full
// CHECK-COUNT-2: nn.packed_conv
func.func @full(%x: tensor<?x?x1xf32>) -> tensor<?x?x32xf32> {
  %v = nn.get @even : tensor<32x1x32xf32>
  %r = nn.conv %x, %v {strides = array<i64: 16>, dilations = array<i64: 1>, padding_low = array<i64: 0>, padding_high = array<i64: 0>} : (tensor<?x?x1xf32>, tensor<32x1x32xf32>) -> tensor<?x?x32xf32>
  %w = nn.get @odd : tensor<32x1x32xf32>
  %i = nn.conv %x, %w {strides = array<i64: 16>, dilations = array<i64: 1>, padding_low = array<i64: 0>, padding_high = array<i64: 0>} : (tensor<?x?x1xf32>, tensor<32x1x32xf32>) -> tensor<?x?x32xf32>
  %y = nn.map(%r, %i) : (tensor<?x?x32xf32>, tensor<?x?x32xf32>) -> tensor<?x?x32xf32> {
  ^bb0(%a: f32, %b: f32):
    %t = arith.addf %a, %b : f32
    nn.yield %t : f32
  }
  return %y : tensor<?x?x32xf32>
}
