// RUN: sylvite-opt %s -split-input-file -pass-pipeline='builtin.module(func.func(nn-plan-contractions))' | FileCheck %s
// RUN: sylvite-opt %s -split-input-file -pass-pipeline='builtin.module(func.func(nn-plan-contractions,nn-fuse))' | FileCheck %s --check-prefix=FUSED
// RUN: sylvite-opt %s -split-input-file -pass-pipeline='builtin.module(func.func(nn-plan-contractions{vector-width=16 vector-registers=32},nn-fuse))' | FileCheck %s --check-prefix=AVX512

// Two products with a softmax between them are attention; keys are columns, and their transposes are one. What happens
// to the scores on the way is the region.
// CHECK-LABEL: func.func @heads
// CHECK: %[[Q:.*]] = nn.transpose %arg0 [0, 2, 1, 3]
// CHECK: %[[V:.*]] = nn.transpose %arg2 [0, 2, 1, 3]
// CHECK: %[[K:.*]] = nn.transpose %arg1 [0, 2, 3, 1] : (tensor<?x20x4x8xf32>) -> tensor<?x4x8x20xf32>
// Panels are as wide as a register tile of so many columns: 20 keys fill 24 of three vectors.
// CHECK: nn.attention %[[Q]], %[[K]], %[[V]] scores(%arg3) {key_panel = 24 : i64, value_panel = 8 : i64} : {{.*}} {
// CHECK-NEXT: ^bb0(%[[S:.*]]: f32, %[[M:.*]]: i1):
// CHECK: %[[SCALED:.*]] = arith.mulf %[[S]], %{{.*}} : f32
// CHECK: %[[MASKED:.*]] = arith.select %[[M]], %[[SCALED]], %{{.*}} : f32
// CHECK-NEXT: nn.yield %[[MASKED]]
// CHECK-NOT: nn.softmax
// The kernel reads and writes through transposes.
// FUSED-LABEL: func.func @heads
// FUSED-NEXT: nn.group (%{{.*}} = %arg0, %{{.*}} = %arg2, %{{.*}} = %arg1, %{{.*}} = %arg3)
// FUSED-COUNT-3: nn.transpose
// FUSED: nn.attention
// FUSED: nn.transpose
// FUSED-NEXT: nn.yield
// FUSED-NOT: nn.group
// FUSED: return
func.func @heads(%q: tensor<?x20x4x8xf32>, %k: tensor<?x20x4x8xf32>, %v: tensor<?x20x4x8xf32>, %mask: tensor<20x20xi1>) -> tensor<?x20x4x8xf32> {
  %0 = nn.transpose %q [0, 2, 1, 3] : (tensor<?x20x4x8xf32>) -> tensor<?x4x20x8xf32>
  %1 = nn.transpose %k [0, 2, 1, 3] : (tensor<?x20x4x8xf32>) -> tensor<?x4x20x8xf32>
  %2 = nn.transpose %v [0, 2, 1, 3] : (tensor<?x20x4x8xf32>) -> tensor<?x4x20x8xf32>
  %3 = nn.matmul %0, %1 {transpose_rhs} : (tensor<?x4x20x8xf32>, tensor<?x4x20x8xf32>) -> tensor<?x4x20x20xf32>
  %4 = nn.map (%3) : (tensor<?x4x20x20xf32>) -> tensor<?x4x20x20xf32> {
  ^bb0(%s: f32):
    %c = arith.constant 0.25 : f32
    %m = arith.mulf %s, %c : f32
    nn.yield %m : f32
  }
  %5 = nn.map (%mask, %4) : (tensor<20x20xi1>, tensor<?x4x20x20xf32>) -> tensor<?x4x20x20xf32> {
  ^bb0(%m: i1, %s: f32):
    %c = arith.constant -1.0e9 : f32
    %r = arith.select %m, %s, %c : f32
    nn.yield %r : f32
  }
  %6 = nn.softmax %5 dims [3] : (tensor<?x4x20x20xf32>) -> tensor<?x4x20x20xf32>
  %7 = nn.matmul %6, %2 : (tensor<?x4x20x20xf32>, tensor<?x4x20x8xf32>) -> tensor<?x4x20x8xf32>
  %8 = nn.transpose %7 [0, 2, 1, 3] : (tensor<?x4x20x8xf32>) -> tensor<?x20x4x8xf32>
  return %8 : tensor<?x20x4x8xf32>
}

// -----

// Probabilities that others read, as gradients do, are kept. A product still reads its right side along its rows.
// CHECK-LABEL: func.func @kept
// CHECK-NOT: nn.attention
// CHECK: %[[T:.*]] = nn.transpose %arg1 [1, 0]
// CHECK: nn.matmul %arg0, %[[T]] : (tensor<20x8xf32>, tensor<8x20xf32>)
func.func @kept(%q: tensor<20x8xf32>, %k: tensor<20x8xf32>, %v: tensor<20x8xf32>) -> (tensor<20x8xf32>, tensor<20x20xf32>) {
  %0 = nn.matmul %q, %k {transpose_rhs} : (tensor<20x8xf32>, tensor<20x8xf32>) -> tensor<20x20xf32>
  %1 = nn.softmax %0 dims [1] : (tensor<20x20xf32>) -> tensor<20x20xf32>
  %2 = nn.matmul %1, %v : (tensor<20x20xf32>, tensor<20x8xf32>) -> tensor<20x8xf32>
  return %2, %1 : tensor<20x8xf32>, tensor<20x20xf32>
}

// -----

// One row repays no panels; a softmax along another dimension is none of attention.
// CHECK-LABEL: func.func @row
// CHECK-NOT: nn.attention
func.func @row(%q: tensor<1x8xf32>, %k: tensor<20x8xf32>, %v: tensor<20x8xf32>) -> tensor<1x8xf32> {
  %0 = nn.matmul %q, %k {transpose_rhs} : (tensor<1x8xf32>, tensor<20x8xf32>) -> tensor<1x20xf32>
  %1 = nn.softmax %0 dims [1] : (tensor<1x20xf32>) -> tensor<1x20xf32>
  %2 = nn.matmul %1, %v : (tensor<1x20xf32>, tensor<20x8xf32>) -> tensor<1x8xf32>
  return %2 : tensor<1x8xf32>
}

// CHECK-LABEL: func.func @columns
// CHECK-NOT: nn.attention
func.func @columns(%q: tensor<20x8xf32>, %k: tensor<20x8xf32>, %v: tensor<20x8xf32>) -> tensor<20x8xf32> {
  %0 = nn.matmul %q, %k {transpose_rhs} : (tensor<20x8xf32>, tensor<20x8xf32>) -> tensor<20x20xf32>
  %1 = nn.softmax %0 dims [0] : (tensor<20x20xf32>) -> tensor<20x20xf32>
  %2 = nn.matmul %1, %v : (tensor<20x20xf32>, tensor<20x8xf32>) -> tensor<20x8xf32>
  return %2 : tensor<20x8xf32>
}

// -----

// Queries, keys and values of one product: slices are read where they are.
// CHECK-LABEL: func.func @together
// CHECK: nn.attention
// FUSED-LABEL: func.func @together
// FUSED-NEXT: nn.group (%{{.*}} = %arg0)
// FUSED-COUNT-3: nn.slice
// FUSED: nn.attention
// FUSED-NOT: nn.group
// FUSED: return
// Wider registers, wider panels.
// AVX512-LABEL: func.func @together
// AVX512: nn.attention {{.*}} {key_panel = 32 : i64, value_panel = 32 : i64}
func.func @together(%qkv: tensor<?x3x64x32xf32>) -> tensor<?x64x32xf32> {
  %0 = nn.slice %qkv starts [0, 0, 0, 0] sizes [-1, 1, 64, 32] strides [1, 1, 1, 1] : (tensor<?x3x64x32xf32>) -> tensor<?x1x64x32xf32>
  %1 = nn.slice %qkv starts [0, 1, 0, 0] sizes [-1, 1, 64, 32] strides [1, 1, 1, 1] : (tensor<?x3x64x32xf32>) -> tensor<?x1x64x32xf32>
  %2 = nn.slice %qkv starts [0, 2, 0, 0] sizes [-1, 1, 64, 32] strides [1, 1, 1, 1] : (tensor<?x3x64x32xf32>) -> tensor<?x1x64x32xf32>
  %q = nn.reshape %0 from [0, -1, -1] : tensor<?x1x64x32xf32> to tensor<?x64x32xf32>
  %k = nn.reshape %1 from [0, -1, -1] : tensor<?x1x64x32xf32> to tensor<?x64x32xf32>
  %v = nn.reshape %2 from [0, -1, -1] : tensor<?x1x64x32xf32> to tensor<?x64x32xf32>
  %s = nn.matmul %q, %k {transpose_rhs} : (tensor<?x64x32xf32>, tensor<?x64x32xf32>) -> tensor<?x64x64xf32>
  %p = nn.softmax %s dims [2] : (tensor<?x64x64xf32>) -> tensor<?x64x64xf32>
  %y = nn.matmul %p, %v : (tensor<?x64x64xf32>, tensor<?x64x32xf32>) -> tensor<?x64x32xf32>
  return %y : tensor<?x64x32xf32>
}

// -----

// Rows that are all masked give zeros where the probabilities that are not numbers are replaced, as PyTorch's exporter does.
// CHECK-LABEL: func.func @guarded
// CHECK: nn.attention %arg0, %{{.*}}, %arg2 scores() {{{.*}}zero_undefined_rows}
// CHECK-NOT: nn.softmax
func.func @guarded(%q: tensor<20x8xf32>, %k: tensor<8x20xf32>, %v: tensor<20x8xf32>) -> tensor<20x8xf32> {
  %0 = nn.matmul %q, %k : (tensor<20x8xf32>, tensor<8x20xf32>) -> tensor<20x20xf32>
  %1 = nn.softmax %0 dims [1] : (tensor<20x20xf32>) -> tensor<20x20xf32>
  %2 = nn.map (%1) : (tensor<20x20xf32>) -> tensor<20x20xi1> {
  ^bb0(%a: f32):
    %n = arith.cmpf uno, %a, %a : f32
    nn.yield %n : i1
  }
  %3 = nn.map (%2, %1) : (tensor<20x20xi1>, tensor<20x20xf32>) -> tensor<20x20xf32> {
  ^bb0(%n: i1, %a: f32):
    %zero = arith.constant 0.0 : f32
    %p = arith.select %n, %zero, %a : f32
    nn.yield %p : f32
  }
  %4 = nn.matmul %3, %v : (tensor<20x20xf32>, tensor<20x8xf32>) -> tensor<20x8xf32>
  return %4 : tensor<20x8xf32>
}

// -----

// Heads and items are one dimension for the products and two for the mask.
// CHECK-LABEL: func.func @reshaped
// CHECK: %[[Q:.*]] = nn.reshape %arg0 from [-1, -1, -1, -1] : tensor<?x20x8xf32> to tensor<?x4x20x8xf32>
// CHECK: nn.attention %[[Q]], %{{.*}}, %{{.*}} scores(%arg3) {{.*}} -> tensor<?x4x20x8xf32>
// CHECK: nn.reshape %{{.*}} : tensor<?x4x20x8xf32> to tensor<?x20x8xf32>
// CHECK-NOT: nn.softmax
func.func @reshaped(%q: tensor<?x20x8xf32>, %k: tensor<?x8x20xf32>, %v: tensor<?x20x8xf32>, %mask: tensor<20x20xf32>) -> tensor<?x20x8xf32> {
  %0 = nn.matmul %q, %k : (tensor<?x20x8xf32>, tensor<?x8x20xf32>) -> tensor<?x20x20xf32>
  %1 = nn.reshape %0 from [-1, -1, -1, -1] : tensor<?x20x20xf32> to tensor<?x4x20x20xf32>
  %2 = nn.map (%1, %mask) : (tensor<?x4x20x20xf32>, tensor<20x20xf32>) -> tensor<?x4x20x20xf32> {
  ^bb0(%a: f32, %m: f32):
    %s = arith.addf %a, %m : f32
    nn.yield %s : f32
  }
  %3 = nn.reshape %2 from [-1, -1, -1] : tensor<?x4x20x20xf32> to tensor<?x20x20xf32>
  %4 = nn.softmax %3 dims [2] : (tensor<?x20x20xf32>) -> tensor<?x20x20xf32>
  %5 = nn.matmul %4, %v : (tensor<?x20x20xf32>, tensor<?x20x8xf32>) -> tensor<?x20x8xf32>
  return %5 : tensor<?x20x8xf32>
}

// -----

// A part of a joint tensor is read in place; the scores are scaled for it.
// CHECK-LABEL: func.func @scaled_slice
// CHECK: %[[Q:.*]] = nn.slice %arg0
// CHECK: nn.attention %[[Q]], %{{.*}}, %{{.*}} scores()
// CHECK-NEXT: ^bb0(%[[S:.*]]: f32):
// CHECK-NEXT: %[[C:.*]] = arith.constant 2.500000e-01 : f32
// CHECK-NEXT: arith.mulf %[[S]], %[[C]]
func.func @scaled_slice(%x: tensor<20x24xf32>, %k: tensor<8x20xf32>, %v: tensor<20x8xf32>) -> tensor<20x8xf32> {
  %q = nn.slice %x starts [0, 8] sizes [20, 8] strides [1, 1] : (tensor<20x24xf32>) -> tensor<20x8xf32>
  %0 = nn.map (%q) : (tensor<20x8xf32>) -> tensor<20x8xf32> {
  ^bb0(%a: f32):
    %c = arith.constant 0.25 : f32
    %s = arith.mulf %a, %c : f32
    nn.yield %s : f32
  }
  %1 = nn.matmul %0, %k : (tensor<20x8xf32>, tensor<8x20xf32>) -> tensor<20x20xf32>
  %2 = nn.softmax %1 dims [1] : (tensor<20x20xf32>) -> tensor<20x20xf32>
  %3 = nn.matmul %2, %v : (tensor<20x20xf32>, tensor<20x8xf32>) -> tensor<20x8xf32>
  return %3 : tensor<20x8xf32>
}

// -----

// A free number of keys, and more than the second cache holds, are taken in blocks; fewer are not.
// CHECK-LABEL: func.func @blocks
// CHECK: nn.attention %arg0, %arg1, %arg2 scores() {key_block = 120 : i64, key_panel = 24 : i64
// CHECK: nn.attention %arg0, %arg3, %arg4 scores() {key_block = 120 : i64, key_panel = 24 : i64
// CHECK: nn.attention %arg0, %arg5, %arg6 scores() :
func.func @blocks(%q: tensor<200x64xf32>, %k: tensor<64x?xf32>, %v: tensor<?x64xf32>, %k1: tensor<64x8000xf32>, %v1: tensor<8000x64xf32>,
                  %k2: tensor<64x400xf32>, %v2: tensor<400x64xf32>) -> (tensor<200x64xf32>, tensor<200x64xf32>, tensor<200x64xf32>) {
  %0 = nn.matmul %q, %k : (tensor<200x64xf32>, tensor<64x?xf32>) -> tensor<200x?xf32>
  %1 = nn.softmax %0 dims [1] : (tensor<200x?xf32>) -> tensor<200x?xf32>
  %2 = nn.matmul %1, %v : (tensor<200x?xf32>, tensor<?x64xf32>) -> tensor<200x64xf32>
  %3 = nn.matmul %q, %k1 : (tensor<200x64xf32>, tensor<64x8000xf32>) -> tensor<200x8000xf32>
  %4 = nn.softmax %3 dims [1] : (tensor<200x8000xf32>) -> tensor<200x8000xf32>
  %5 = nn.matmul %4, %v1 : (tensor<200x8000xf32>, tensor<8000x64xf32>) -> tensor<200x64xf32>
  %6 = nn.matmul %q, %k2 : (tensor<200x64xf32>, tensor<64x400xf32>) -> tensor<200x400xf32>
  %7 = nn.softmax %6 dims [1] : (tensor<200x400xf32>) -> tensor<200x400xf32>
  %8 = nn.matmul %7, %v2 : (tensor<200x400xf32>, tensor<400x64xf32>) -> tensor<200x64xf32>
  return %2, %5, %8 : tensor<200x64xf32>, tensor<200x64xf32>, tensor<200x64xf32>
}
