// RUN: sylvite-opt %s -split-input-file -lower-to-halide -halide-schedule='vector-width=16 vector-registers=32 l2-bytes=2097152' | FileCheck %s

// Sums of bytes stand in panels, whose index is a loop of its own; the four terms of one instruction are the innermost vector.
// One row takes several panels at a time.
// CHECK-LABEL: halide.pipeline @packed_matmul_map {
// CHECK: halide.func @panels(%n, %x, %c) -> i32
// CHECK: halide.update @panels(%n, %x, %c) over (%rk in 0 to 64, %rt in 0 to 4) {
// CHECK: halide.at @in1[%x, %rk, %c, %rt] : i8
// CHECK: halide.func @matmul(%n, %c) -> i32
// CHECK: halide.at @panels[%n, %{{.*}}, %{{.*}}] : i32
// CHECK: halide.schedule {
// CHECK-NEXT: halide.split @map, "c" into ("co", "ci") by 128 tail round_up
// CHECK-NEXT: halide.split @map, "n" into ("xo", "xi") by 1 tail round_up
// CHECK-NEXT: halide.reorder @map, ["ci", "xi", "xo", "co"]
// CHECK-NEXT: halide.vectorize @map, "ci" by 16
// CHECK-NEXT: halide.unroll @map, "ci"
// CHECK-NEXT: halide.unroll @map, "xi"
// CHECK-NEXT: halide.parallel @map, "co"
// CHECK-NEXT: halide.compute_at @panels, @map, "xo"
// CHECK-NEXT: halide.bound_extent @panels, "c" to 32
// CHECK-NEXT: halide.bound_extent @panels, "x" to 4
// CHECK-NEXT: halide.bound_extent @panels, "n" to 1
// CHECK: halide.reorder @panels stage 1, ["rt", "c", "x", "n", "rk"]
// CHECK-NEXT: halide.atomic @panels stage 1
// CHECK-NEXT: halide.vectorize @panels stage 1, "rt"
// CHECK-NEXT: halide.vectorize @panels stage 1, "c" by 16
// CHECK: flops_per_element = 512
func.func @one_row(%x: tensor<1x256xui8>, %w: tensor<8x64x32x4xi8>) -> tensor<1x256xf32> {
  %0 = nn.group (%a = %x, %b = %w) : (tensor<1x256xui8>, tensor<8x64x32x4xi8>) -> tensor<1x256xf32> {
    %1 = nn.packed_matmul %a, %b {columns = 256 : i64} : (tensor<1x256xui8>, tensor<8x64x32x4xi8>) -> tensor<1x256xi32>
    %2 = nn.map (%1) : (tensor<1x256xi32>) -> tensor<1x256xf32> {
    ^bb0(%e: i32):
      %f = arith.sitofp %e : i32 to f32
      nn.yield %f : f32
    }
    nn.yield %2 : tensor<1x256xf32>
  }
  return %0 : tensor<1x256xf32>
}

// -----

// Many rows: a tile of them and one panel; columns that do not fill the last panel are guarded.
// CHECK-LABEL: halide.pipeline @packed_matmul {
// CHECK: halide.split @matmul, "c" into ("co", "ci") by 32 tail guard_with_if
// CHECK-NEXT: halide.split @matmul, "x" into ("xo", "xi") by 8 tail guard_with_if
// CHECK: halide.fuse @matmul, "n", "co" into "task"
// CHECK: halide.bound_extent @panels, "c" to 32
// CHECK-NEXT: halide.bound_extent @panels, "x" to 1
// CHECK-NEXT: halide.bound_extent @panels, "y" to 8
func.func @rows(%x: tensor<?x?x256xui8>, %w: tensor<8x64x32x4xi8>) -> tensor<?x?x250xi32> {
  %0 = nn.group (%a = %x, %b = %w) : (tensor<?x?x256xui8>, tensor<8x64x32x4xi8>) -> tensor<?x?x250xi32> {
    %1 = nn.packed_matmul %a, %b {columns = 250 : i64} : (tensor<?x?x256xui8>, tensor<8x64x32x4xi8>) -> tensor<?x?x250xi32>
    nn.yield %1 : tensor<?x?x250xi32>
  }
  return %0 : tensor<?x?x250xi32>
}
