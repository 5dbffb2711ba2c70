// RUN: sylvite-opt %s -lower-to-halide -halide-schedule | FileCheck %s
// RUN: sylvite-opt %s -lower-to-halide -halide-schedule="vector-width=16 vector-registers=32" | FileCheck %s --check-prefix=AVX512

// A recurrent cell: two states from one tile of the gates; one row and few rows take kernels of their own.
// CHECK-LABEL: func.func @cell
// CHECK: halide.call @packed_matmul_slice_map_slice_map few [@packed_matmul_slice_map_slice_map_0, @packed_matmul_slice_map_slice_map_1] up_to [1, 7]
// CHECK-LABEL: halide.pipeline @packed_matmul_slice_map_slice_map {
// CHECK: halide.func @out(%{{.*}}, %{{.*}}) -> (f32, f32)
// CHECK: halide.output @out : tensor<?x16xf32>, tensor<?x16xf32>
// CHECK: halide.split @out, "c" into ("co", "ci") by 8 tail round_up
// CHECK-NEXT: halide.split @out, "n" into ("xo", "xi") by 4 tail guard_with_if
// CHECK: halide.parallel @out, "co"
// CHECK-NEXT: halide.compute_at @matmul, @out, "xo"
// CHECK-NEXT: halide.bound_extent @matmul, "n" to 2
// CHECK-NEXT: halide.bound_extent @matmul, "x" to 4
// CHECK-NEXT: halide.bound_extent @matmul, "c" to 8
// CHECK: halide.reorder @matmul stage 1, ["c", "n", "x", "rk"]
// CHECK: halide.prefetch @matmul stage 1, @in1 at "rk" offset 16 near
// CHECK-LABEL: halide.pipeline @packed_matmul_slice_map_slice_map_0 {
// CHECK: halide.output @out : tensor<1x16xf32>, tensor<1x16xf32>
// CHECK: halide.split @out, "c" into ("co", "ci") by 16 tail round_up
func.func @cell(%h: tensor<?x16xf32>, %w: tensor<2x16x2x8xf32>) -> (tensor<?x16xf32>, tensor<?x16xf32>) {
  %0:2 = nn.group (%a = %h, %f = %w) : (tensor<?x16xf32>, tensor<2x16x2x8xf32>) -> (tensor<?x16xf32>, tensor<?x16xf32>) {
    %p = nn.packed_matmul %a, %f {columns = 16 : i64} : (tensor<?x16xf32>, tensor<2x16x2x8xf32>) -> tensor<2x?x16xf32>
    %s0 = nn.slice %p starts [0, 0, 0] sizes [1, -1, 16] strides [1, 1, 1] : (tensor<2x?x16xf32>) -> tensor<1x?x16xf32>
    %g0 = nn.reshape %s0 from [1, 2] : tensor<1x?x16xf32> to tensor<?x16xf32>
    %c = nn.map (%g0, %a) : (tensor<?x16xf32>, tensor<?x16xf32>) -> tensor<?x16xf32> {
    ^bb0(%e: f32, %g: f32):
      %m = arith.mulf %e, %g : f32
      nn.yield %m : f32
    }
    %s1 = nn.slice %p starts [1, 0, 0] sizes [1, -1, 16] strides [1, 1, 1] : (tensor<2x?x16xf32>) -> tensor<1x?x16xf32>
    %g1 = nn.reshape %s1 from [1, 2] : tensor<1x?x16xf32> to tensor<?x16xf32>
    %o = nn.map (%g1, %c) : (tensor<?x16xf32>, tensor<?x16xf32>) -> tensor<?x16xf32> {
    ^bb0(%e: f32, %g: f32):
      %m = arith.addf %e, %g : f32
      nn.yield %m : f32
    }
    nn.yield %c, %o : tensor<?x16xf32>, tensor<?x16xf32>
  }
  return %0#0, %0#1 : tensor<?x16xf32>, tensor<?x16xf32>
}

// What the gates are added to is fetched while the tile before is multiplied: a slice of each gate.
// CHECK-LABEL: halide.pipeline @packed_matmul_slice_map_slice_map_2 {
// CHECK: halide.parallel @out, "co"
// CHECK-NEXT: halide.compute_at @slice_1, @out, "xo"
// CHECK-NEXT: halide.bound_extent @slice_1, "n" to 4
// CHECK-NEXT: halide.bound_extent @slice_1, "c" to 8
// CHECK-NEXT: halide.vectorize @slice_1, "c" by 8
// CHECK-NEXT: halide.unroll @slice_1, "c"
// CHECK-NEXT: halide.prefetch @slice_1, @in2 at "n" offset 4
// CHECK-NEXT: halide.unroll @slice_1, "n"
// CHECK: halide.prefetch @slice_3, @in2 at "n" offset 4
// CHECK: halide.compute_at @matmul, @out, "xo"
// One row has no next tile.
// CHECK-LABEL: halide.pipeline @packed_matmul_slice_map_slice_map_3 {
// CHECK-NOT: halide.prefetch
// CHECK: halide.compute_at @matmul, @out, "xo"
// CHECK-NOT: halide.prefetch
// CHECK-LABEL: halide.pipeline @packed_matmul_slice_map_slice_map_2_4 {
func.func @cell_of_step(%h: tensor<?x16xf32>, %w: tensor<2x16x2x8xf32>, %x: tensor<?x32xf32>) -> (tensor<?x16xf32>, tensor<?x16xf32>) {
  %0:2 = nn.group (%a = %h, %f = %w, %i = %x) : (tensor<?x16xf32>, tensor<2x16x2x8xf32>, tensor<?x32xf32>) -> (tensor<?x16xf32>, tensor<?x16xf32>) {
    %p = nn.packed_matmul %a, %f {columns = 16 : i64} : (tensor<?x16xf32>, tensor<2x16x2x8xf32>) -> tensor<2x?x16xf32>
    %s0 = nn.slice %p starts [0, 0, 0] sizes [1, -1, 16] strides [1, 1, 1] : (tensor<2x?x16xf32>) -> tensor<1x?x16xf32>
    %g0 = nn.reshape %s0 from [1, 2] : tensor<1x?x16xf32> to tensor<?x16xf32>
    %i0 = nn.slice %i starts [0, 0] sizes [-1, 16] strides [1, 1] : (tensor<?x32xf32>) -> tensor<?x16xf32>
    %c = nn.map (%g0, %i0) : (tensor<?x16xf32>, tensor<?x16xf32>) -> tensor<?x16xf32> {
    ^bb0(%e: f32, %g: f32):
      %m = arith.mulf %e, %g : f32
      nn.yield %m : f32
    }
    %s1 = nn.slice %p starts [1, 0, 0] sizes [1, -1, 16] strides [1, 1, 1] : (tensor<2x?x16xf32>) -> tensor<1x?x16xf32>
    %g1 = nn.reshape %s1 from [1, 2] : tensor<1x?x16xf32> to tensor<?x16xf32>
    %i1 = nn.slice %i starts [0, 16] sizes [-1, 16] strides [1, 1] : (tensor<?x32xf32>) -> tensor<?x16xf32>
    %o = nn.map (%g1, %i1, %c) : (tensor<?x16xf32>, tensor<?x16xf32>, tensor<?x16xf32>) -> tensor<?x16xf32> {
    ^bb0(%e: f32, %u: f32, %g: f32):
      %m = arith.addf %e, %g : f32
      %l = arith.addf %m, %u : f32
      nn.yield %l : f32
    }
    nn.yield %c, %o : tensor<?x16xf32>, tensor<?x16xf32>
  }
  return %0#0, %0#1 : tensor<?x16xf32>, tensor<?x16xf32>
}

// With more registers, eight rows take two of four gates at a time; up to seven rows take all gates, four rows at a time.
// AVX512-LABEL: func.func @cell_of_four_gates
// AVX512: halide.call @[[MANY:.*]] few [@[[ONE:.*]], @[[FEW:.*]]] up_to [1, 7]
// AVX512: halide.pipeline @[[MANY]] {
// AVX512: halide.split @map, "n" into ("xo", "xi") by 8 tail guard_with_if
// AVX512: halide.split @matmul stage 1, "n" into ("go", "gi") by 2
// AVX512: halide.reorder @matmul stage 1, ["c", "gi", "x", "rk", "go"]
// AVX512: halide.unroll @matmul stage 1, "go"
// AVX512: halide.pipeline @[[FEW]] {
// AVX512: halide.split @map, "n" into ("xo", "xi") by 4 tail guard_with_if
// AVX512: halide.reorder @matmul stage 1, ["c", "n", "x", "rk"]
func.func @cell_of_four_gates(%h: tensor<?x64xf32>, %w: tensor<4x64x4x16xf32>) -> tensor<?x64xf32> {
  %0 = nn.group (%a = %h, %f = %w) : (tensor<?x64xf32>, tensor<4x64x4x16xf32>) -> tensor<?x64xf32> {
    %p = nn.packed_matmul %a, %f {columns = 64 : i64} : (tensor<?x64xf32>, tensor<4x64x4x16xf32>) -> tensor<4x?x64xf32>
    %s0 = nn.slice %p starts [0, 0, 0] sizes [1, -1, 64] strides [1, 1, 1] : (tensor<4x?x64xf32>) -> tensor<1x?x64xf32>
    %g0 = nn.reshape %s0 from [1, 2] : tensor<1x?x64xf32> to tensor<?x64xf32>
    %s3 = nn.slice %p starts [3, 0, 0] sizes [1, -1, 64] strides [1, 1, 1] : (tensor<4x?x64xf32>) -> tensor<1x?x64xf32>
    %g3 = nn.reshape %s3 from [1, 2] : tensor<1x?x64xf32> to tensor<?x64xf32>
    %o = nn.map (%g0, %g3) : (tensor<?x64xf32>, tensor<?x64xf32>) -> tensor<?x64xf32> {
    ^bb0(%e: f32, %g: f32):
      %m = arith.mulf %e, %g : f32
      nn.yield %m : f32
    }
    nn.yield %o : tensor<?x64xf32>
  }
  return %0 : tensor<?x64xf32>
}

// Attention: panels of keys and values per head, scores per row tile, never all of them; the last panel of 20 keys is
// filled up with scores that weigh nothing. The result is written where its transpose has it.
// CHECK-LABEL: halide.pipeline @transpose_attention_transpose {
// CHECK: halide.update @row_max(%{{.*}}) over (%rj in 0 to 32)
// CHECK: halide.update @weighted(%{{.*}}) over (%rj in 0 to 20)
// CHECK: halide.split @transpose_1, "c" into ("co", "ci") by 16 tail round_up
// CHECK-NEXT: halide.split @transpose_1, "y" into ("xo", "xi") by {{[45]}} tail round_up
// CHECK-NEXT: halide.reorder @transpose_1, ["ci", "xi", "co", "xo", "x", "n"]
// CHECK: halide.parallel @transpose_1, "task"
// CHECK: halide.compute_at @keys, @transpose_1, "task"
// CHECK: halide.vectorize @keys, "c" by 8
// CHECK: halide.compute_at @values, @transpose_1, "task"
// CHECK: halide.compute_at @scores, @transpose_1, "xo"
// CHECK: halide.compute_at @products, @scores, "jo"
// CHECK: halide.prefetch @products stage 1, @keys at "rk" offset 16 near
// CHECK: halide.compute_at @weighted, @transpose_1, "co"
// CHECK: halide.prefetch @weighted stage 1, @values at "rj" offset 16 near
// CHECK: halide.compute_at @weights, @transpose_1, "xo"
// CHECK: halide.compute_at @row_max, @transpose_1, "xo"
// CHECK: halide.compute_at @row_sum, @transpose_1, "xo"
func.func @attention(%q: tensor<?x20x4x16xf32>, %k: tensor<?x4x16x20xf32>, %v: tensor<?x4x20x16xf32>) -> tensor<?x20x4x16xf32> {
  %0 = nn.group (%a = %q, %b = %k, %c = %v) : (tensor<?x20x4x16xf32>, tensor<?x4x16x20xf32>, tensor<?x4x20x16xf32>) -> tensor<?x20x4x16xf32> {
    %t = nn.transpose %a [0, 2, 1, 3] : (tensor<?x20x4x16xf32>) -> tensor<?x4x20x16xf32>
    %y = nn.attention %t, %b, %c scores () : (tensor<?x4x20x16xf32>, tensor<?x4x16x20xf32>, tensor<?x4x20x16xf32>) -> tensor<?x4x20x16xf32> {
    ^bb0(%s: f32):
      nn.yield %s : f32
    }
    %z = nn.transpose %y [0, 2, 1, 3] : (tensor<?x4x20x16xf32>) -> tensor<?x20x4x16xf32>
    nn.yield %z : tensor<?x20x4x16xf32>
  }
  return %0 : tensor<?x20x4x16xf32>
}

// Keys in blocks: a task has a part of a head's rows and takes one block of keys and values after the other to all its row tiles.
// CHECK-LABEL: halide.pipeline @attention_7 {
// CHECK: halide.split @attention, "x" into ("xb", "xr") by {{[0-9]+}} tail shift_inwards
// CHECK-NEXT: halide.reorder @attention, ["c", "xr", "xb", "y", "n"]
// CHECK: halide.parallel @attention, "task"
// CHECK: halide.compute_at @online, @attention, "task"
// CHECK: halide.split @online stage 1, "c" into ("co", "ci") by 16 tail round_up
// CHECK-NEXT: halide.split @online stage 1, "x" into ("xo", "xi") by {{[0-9]+}} tail round_up
// CHECK-NEXT: halide.reorder @online stage 1, ["ci", "xi", "co", "xo", "rb"]
// CHECK: halide.compute_at @keys, @online, "rb"
// CHECK: halide.compute_at @values, @online, "rb"
// CHECK: halide.compute_at @scores, @online, "xo"
// CHECK: halide.compute_at @products, @scores, "jo"
// CHECK: halide.compute_at @weighted, @online, "co"
// CHECK: halide.reorder @weighted stage 1, ["c", "y", "rj", "rp"]
// CHECK: halide.compute_at @weights, @online, "xo"
// CHECK: halide.compute_at @row_max, @online, "xo"
// CHECK: halide.compute_at @row_sum, @online, "xo"
func.func @blocks(%q: tensor<?x4x6000x16xf32>, %k: tensor<?x4x16x?xf32>, %v: tensor<?x4x?x16xf32>) -> tensor<?x4x6000x16xf32> {
  %0 = nn.group (%a = %q, %b = %k, %c = %v) : (tensor<?x4x6000x16xf32>, tensor<?x4x16x?xf32>, tensor<?x4x?x16xf32>) -> tensor<?x4x6000x16xf32> {
    %y = nn.attention %a, %b, %c scores () {key_block = 64 : i64} : (tensor<?x4x6000x16xf32>, tensor<?x4x16x?xf32>, tensor<?x4x?x16xf32>) -> tensor<?x4x6000x16xf32> {
    ^bb0(%s: f32):
      nn.yield %s : f32
    }
    nn.yield %y : tensor<?x4x6000x16xf32>
  }
  return %0 : tensor<?x4x6000x16xf32>
}

// Two heads are four tasks: each takes half of a head's rows, and makes panels of its own.
// CHECK-LABEL: halide.pipeline @transpose_attention {
// CHECK: halide.split @attention, "x" into ("xo", "xi") by
// CHECK-NEXT: halide.split @attention, "xo" into ("xb", "xo") by
// CHECK-NEXT: halide.reorder @attention, ["ci", "xi", "co", "xo", "xb", "y", "n"]
// Keys that lie in rows are read as rows and transposed in registers.
// CHECK: halide.compute_at @keys, @attention, "task"
// CHECK: halide.vectorize @keys, "x" by 8
// CHECK-NEXT: halide.unroll @keys, "c"
func.func @few_heads(%q: tensor<?x2x256x64xf32>, %k: tensor<?x2x256x64xf32>, %v: tensor<?x2x256x64xf32>) -> tensor<?x2x256x64xf32> {
  %0 = nn.group (%a = %q, %b = %k, %c = %v) : (tensor<?x2x256x64xf32>, tensor<?x2x256x64xf32>, tensor<?x2x256x64xf32>) -> tensor<?x2x256x64xf32> {
    %t = nn.transpose %b [0, 1, 3, 2] : (tensor<?x2x256x64xf32>) -> tensor<?x2x64x256xf32>
    %y = nn.attention %a, %t, %c scores () : (tensor<?x2x256x64xf32>, tensor<?x2x64x256xf32>, tensor<?x2x256x64xf32>) -> tensor<?x2x256x64xf32> {
    ^bb0(%s: f32):
      nn.yield %s : f32
    }
    nn.yield %y : tensor<?x2x256x64xf32>
  }
  return %0 : tensor<?x2x256x64xf32>
}
