// RUN: sylvite-opt %s -split-input-file -lower-to-halide -halide-schedule='vector-width=16 vector-registers=32 l2-bytes=2097152' | FileCheck %s

// A task computes a strip of a block of channels: of the product, then of the window over it.
// CHECK-LABEL: halide.pipeline @packed_matmul_map_pad_conv {
// CHECK: halide.split @out, "c" into ("co", "ci") by 48 tail round_up
// CHECK-NEXT: halide.split @out, "x" into ("xo", "xi") by 4 tail round_up
// CHECK-NEXT: halide.split @out, "y" into ("yo", "yi") by 14 tail round_up
// CHECK-NEXT: halide.reorder @out, ["ci", "xi", "xo", "yi", "co", "yo", "n"]
// CHECK: halide.parallel @out, "task"
// CHECK: halide.compute_at @conv, @out, "xo"
// CHECK: halide.unroll @conv stage 1, "ry"
// CHECK: halide.compute_at @map, @out, "task"
// CHECK: halide.split @map, "x" into ("xo", "xi") by
// CHECK: halide.compute_at @matmul, @map, "xo"
// CHECK: halide.split @matmul stage 1, "rk" into ("ro", "ri") by 4
// CHECK-NOT: halide.prefetch
func.func @strips(%x: tensor<?x112x112x16xf32>, %w: tensor<2x16x48xf32>, %d: tensor<3x3x1x96xf32>) -> tensor<?x56x56x96xf32> {
  %0 = nn.group (%a = %x, %b = %w, %f = %d) : (tensor<?x112x112x16xf32>, tensor<2x16x48xf32>, tensor<3x3x1x96xf32>) -> tensor<?x56x56x96xf32> {
    %1 = nn.packed_matmul %a, %b {columns = 96 : i64} : (tensor<?x112x112x16xf32>, tensor<2x16x48xf32>) -> tensor<?x112x112x96xf32>
    %2 = nn.map (%1) : (tensor<?x112x112x96xf32>) -> tensor<?x112x112x96xf32> {
    ^bb0(%e: f32):
      %z = arith.constant 0.0 : f32
      %m = arith.maximumf %e, %z : f32
      nn.yield %m : f32
    }
    %3 = nn.pad %2 low [0, 0, 0, 0] high [0, 1, 1, 0] : (tensor<?x112x112x96xf32>) -> tensor<?x113x113x96xf32>
    %4 = nn.conv %3, %f {strides = array<i64: 2, 2>, dilations = array<i64: 1, 1>, padding_low = array<i64: 0, 0>, padding_high = array<i64: 0, 0>, groups = 96 : i64} : (tensor<?x113x113x96xf32>, tensor<3x3x1x96xf32>) -> tensor<?x56x56x96xf32>
    nn.yield %4 : tensor<?x56x56x96xf32>
  }
  return %0 : tensor<?x56x56x96xf32>
}

// -----

// Many blocks of channels of a small image are tasks enough; their weights, more than the image, are fetched ahead.
// CHECK-LABEL: halide.pipeline @packed_matmul_map_conv {
// CHECK-NOT: "yo"
// CHECK: halide.prefetch @matmul stage 1, @in1
func.func @small(%x: tensor<?x9x9x192xf32>, %w: tensor<36x192x32xf32>, %d: tensor<3x3x1x1152xf32>) -> tensor<?x7x7x1152xf32> {
  %0 = nn.group (%a = %x, %b = %w, %f = %d) : (tensor<?x9x9x192xf32>, tensor<36x192x32xf32>, tensor<3x3x1x1152xf32>) -> tensor<?x7x7x1152xf32> {
    %1 = nn.packed_matmul %a, %b {columns = 1152 : i64} : (tensor<?x9x9x192xf32>, tensor<36x192x32xf32>) -> tensor<?x9x9x1152xf32>
    %2 = nn.map (%1) : (tensor<?x9x9x1152xf32>) -> tensor<?x9x9x1152xf32> {
    ^bb0(%e: f32):
      %z = arith.constant 0.0 : f32
      %m = arith.maximumf %e, %z : f32
      nn.yield %m : f32
    }
    %3 = nn.conv %2, %f {strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, padding_low = array<i64: 0, 0>, padding_high = array<i64: 0, 0>, groups = 1152 : i64} : (tensor<?x9x9x1152xf32>, tensor<3x3x1x1152xf32>) -> tensor<?x7x7x1152xf32>
    nn.yield %3 : tensor<?x7x7x1152xf32>
  }
  return %0 : tensor<?x7x7x1152xf32>
}

// -----

// A batch that is one, as models with fixed sizes have it, is computed so, too.
// CHECK-LABEL: halide.pipeline @packed_matmul_map_pad_conv {
// CHECK: halide.at @matmul[%n, %y, %x, %c]
// CHECK: halide.split @out, "c" into ("co", "ci") by 48 tail round_up
// CHECK: halide.compute_at @map, @out, "task"
func.func @strips_of_one(%x: tensor<1x112x112x16xf32>, %w: tensor<2x16x48xf32>, %d: tensor<3x3x1x96xf32>) -> tensor<1x56x56x96xf32> {
  %0 = nn.group (%a = %x, %b = %w, %f = %d) : (tensor<1x112x112x16xf32>, tensor<2x16x48xf32>, tensor<3x3x1x96xf32>) -> tensor<1x56x56x96xf32> {
    %1 = nn.packed_matmul %a, %b {columns = 96 : i64} : (tensor<1x112x112x16xf32>, tensor<2x16x48xf32>) -> tensor<1x112x112x96xf32>
    %2 = nn.map (%1) : (tensor<1x112x112x96xf32>) -> tensor<1x112x112x96xf32> {
    ^bb0(%e: f32):
      %z = arith.constant 0.0 : f32
      %m = arith.maximumf %e, %z : f32
      nn.yield %m : f32
    }
    %3 = nn.pad %2 low [0, 0, 0, 0] high [0, 1, 1, 0] : (tensor<1x112x112x96xf32>) -> tensor<1x113x113x96xf32>
    %4 = nn.conv %3, %f {strides = array<i64: 2, 2>, dilations = array<i64: 1, 1>, padding_low = array<i64: 0, 0>, padding_high = array<i64: 0, 0>, groups = 96 : i64} : (tensor<1x113x113x96xf32>, tensor<3x3x1x96xf32>) -> tensor<1x56x56x96xf32>
    nn.yield %4 : tensor<1x56x56x96xf32>
  }
  return %0 : tensor<1x56x56x96xf32>
}
