// RUN: sylvite-opt %s -lower-to-halide -halide-schedule | FileCheck %s
// RUN: sylvite-opt %s -lower-to-halide -halide-schedule='vector-width=16 vector-registers=32 l2-bytes=2097152' | FileCheck %s --check-prefix=AVX512

// A register tile: of 16 registers, 12 are sums, 2 weights, 1 the input; of 32, 24, 2 and 1. Rows of the input that are not
// a page apart let it have more positions than a set of the first cache has lines.
// CHECK-LABEL: halide.pipeline @conv_map {
// CHECK: halide.schedule {
// CHECK-NEXT: halide.split @map, "c" into ("co", "ci") by 16 tail round_up
// CHECK-NEXT: halide.split @map, "x" into ("xo", "xi") by 6 tail round_up
// CHECK-NEXT: halide.reorder @map, ["ci", "xi", "xo", "co", "y", "n"]
// CHECK-NEXT: halide.vectorize @map, "ci" by 8
// CHECK-NEXT: halide.unroll @map, "ci"
// CHECK-NEXT: halide.unroll @map, "xi"
// CHECK-NEXT: halide.fuse @map, "y", "co" into "task"
// CHECK-NEXT: halide.fuse @map, "n", "task" into "task"
// CHECK-NEXT: halide.parallel @map, "task"
// CHECK-NEXT: halide.compute_at @conv, @map, "xo"
// CHECK-NEXT: halide.bound_extent @conv, "c" to 16
// CHECK-NEXT: halide.bound_extent @conv, "x" to 6
// CHECK-NEXT: halide.vectorize @conv, "c" by 8
// CHECK-NEXT: halide.unroll @conv, "c"
// CHECK-NEXT: halide.unroll @conv, "x"
// CHECK-NEXT: halide.reorder @conv stage 1, ["c", "x", "rc", "rx", "ry"]
// CHECK-NEXT: halide.vectorize @conv stage 1, "c" by 8
// AVX512-LABEL: halide.pipeline @conv_map {
// AVX512: halide.split @map, "c" into ("co", "ci") by 32
// AVX512-NEXT: halide.split @map, "x" into ("xo", "xi") by 12 tail round_up
func.func @convolution(%x: tensor<?x26x26x8xf32>, %w: tensor<3x3x8x32xf32>, %b: tensor<32xf32>) -> tensor<?x24x24x32xf32> {
  %0 = nn.group (%a = %x, %f = %w, %c = %b) : (tensor<?x26x26x8xf32>, tensor<3x3x8x32xf32>, tensor<32xf32>) -> tensor<?x24x24x32xf32> {
    %1 = nn.conv %a, %f {strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, padding_low = array<i64: 0, 0>, padding_high = array<i64: 0, 0>} : (tensor<?x26x26x8xf32>, tensor<3x3x8x32xf32>) -> tensor<?x24x24x32xf32>
    %2 = nn.map (%1, %c) : (tensor<?x24x24x32xf32>, tensor<32xf32>) -> tensor<?x24x24x32xf32> {
    ^bb0(%e: f32, %g: f32):
      %s = arith.addf %e, %g : f32
      nn.yield %s : f32
    }
    nn.yield %2 : tensor<?x24x24x32xf32>
  }
  return %0 : tensor<?x24x24x32xf32>
}

// Depthwise: the window is written out, so that loads are shared. Seven positions are one tile, of one vector where there are few
// registers.
// CHECK-LABEL: halide.pipeline @conv {
// CHECK: halide.split @out, "c" into ("co", "ci") by 8 tail round_up
// CHECK-NEXT: halide.split @out, "x" into ("xo", "xi") by 7 tail round_up
// AVX512-LABEL: halide.pipeline @conv {
// AVX512: halide.split @out, "c" into ("co", "ci") by 32 tail round_up
// AVX512-NEXT: halide.split @out, "x" into ("xo", "xi") by 7 tail round_up
// CHECK: halide.compute_at @conv, @out, "xo"
// CHECK: halide.unroll @conv stage 1, "rc"
// CHECK-NEXT: halide.unroll @conv stage 1, "rx"
// CHECK-NEXT: halide.unroll @conv stage 1, "ry"
func.func @depthwise(%x: tensor<?x9x9x32xf32>, %w: tensor<3x3x1x32xf32>) -> tensor<?x7x7x32xf32> {
  %0 = nn.group (%a = %x, %f = %w) : (tensor<?x9x9x32xf32>, tensor<3x3x1x32xf32>) -> tensor<?x7x7x32xf32> {
    %1 = nn.conv %a, %f {strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, padding_low = array<i64: 0, 0>, padding_high = array<i64: 0, 0>, groups = 32 : i64} : (tensor<?x9x9x32xf32>, tensor<3x3x1x32xf32>) -> tensor<?x7x7x32xf32>
    nn.yield %1 : tensor<?x7x7x32xf32>
  }
  return %0 : tensor<?x7x7x32xf32>
}

// Rows may be one: a low tile, guarded. The columns of a block are copied together for all rows.
// CHECK-LABEL: halide.pipeline @matmul {
// CHECK: halide.split @out, "n" into ("xo", "xi") by 4 tail guard_with_if
// CHECK: halide.parallel @out, "co"
// AVX512-LABEL: halide.pipeline @matmul {
// AVX512: halide.split @out, "c" into ("co", "ci") by 48 tail round_up
// AVX512-NEXT: halide.split @out, "n" into ("xo", "xi") by 8 tail guard_with_if
// AVX512: halide.in @in1, @matmul as @columns
// AVX512-NEXT: halide.compute_at @columns, @out, "co"
// AVX512-NEXT: halide.bound_extent @columns, "_0" to 48
// AVX512: halide.compute_at @matmul, @out, "xo"
// AVX512-NEXT: halide.bound_extent @matmul, "c" to 48
// AVX512-NEXT: halide.bound_extent @matmul, "n" to 8
// AVX512: halide.unroll @matmul stage 1, "ri"
func.func @dense(%x: tensor<?x64xf32>, %w: tensor<64x48xf32>) -> tensor<?x48xf32> {
  %0 = nn.group (%a = %x, %f = %w) : (tensor<?x64xf32>, tensor<64x48xf32>) -> tensor<?x48xf32> {
    %1 = nn.matmul %a, %f : (tensor<?x64xf32>, tensor<64x48xf32>) -> tensor<?x48xf32>
    nn.yield %1 : tensor<?x48xf32>
  }
  return %0 : tensor<?x48xf32>
}

// Channels are the lanes, a block of them is reduced in registers.
// CHECK-LABEL: halide.pipeline @reduce {
// CHECK: halide.split @reduce, "c" into ("co", "ci") by 32 tail round_up
// CHECK: halide.fuse @reduce, "n", "co" into "task"
// CHECK: halide.compute_at @total, @reduce, "task"
// CHECK: halide.bound_extent @total, "c" to 32
func.func @global_pool(%x: tensor<?x7x7x64xf32>) -> tensor<?x64xf32> {
  %0 = nn.group (%a = %x) : (tensor<?x7x7x64xf32>) -> tensor<?x64xf32> {
    %1 = nn.reduce mean %a dims [1, 2] : (tensor<?x7x7x64xf32>) -> tensor<?x64xf32>
    nn.yield %1 : tensor<?x64xf32>
  }
  return %0 : tensor<?x64xf32>
}

// A large image is reduced in parts of its rows, all channels of each.
// CHECK-LABEL: halide.pipeline @reduce_{{[0-9]+}} {
// CHECK: halide.parallel @reduce, "n"
// CHECK-NEXT: halide.split @total stage 1, "r0" into ("ro", "ri") by 7
// CHECK-NEXT: halide.rfactor @total stage 1, ["ro"] to ["part"] into @total_parts
// CHECK-NEXT: halide.compute_at @total_parts, @reduce, "n"
// CHECK: halide.reorder @total_parts stage 1, ["ci", "r1", "ri", "co", "part"]
// CHECK: halide.parallel @total_parts stage 1, "part"
// CHECK-NEXT: halide.compute_at @total, @reduce, "n"
func.func @global_pool_in_parts(%x: tensor<?x56x56x64xf32>) -> tensor<?x64xf32> {
  %0 = nn.group (%a = %x) : (tensor<?x56x56x64xf32>) -> tensor<?x64xf32> {
    %1 = nn.reduce mean %a dims [1, 2] : (tensor<?x56x56x64xf32>) -> tensor<?x64xf32>
    nn.yield %1 : tensor<?x64xf32>
  }
  return %0 : tensor<?x64xf32>
}

// Everything about a row happens in its task; sums are one per lane.
// CHECK-LABEL: halide.pipeline @softmax {
// CHECK: halide.vectorize @softmax, "c" by 8 tail round_up
// CHECK-NEXT: halide.parallel @softmax, "n"
// CHECK-NEXT: halide.compute_at @row_max, @softmax, "n"
// CHECK-NEXT: halide.split @row_max stage 1, "r0" into ("ro", "ri") by 8
// CHECK-NEXT: halide.rfactor @row_max stage 1, ["ri"] to ["lane"] into @row_max_lanes
// CHECK-NEXT: halide.vectorize @row_max_lanes, "lane" by 8
// CHECK: halide.reorder @row_max_lanes stage 1, ["lane", "ro"]
// CHECK-NEXT: halide.vectorize @row_max_lanes stage 1, "lane" by 8
// CHECK: halide.atomic @row_max stage 1
// CHECK-NEXT: halide.vectorize @row_max stage 1, "ri"
// CHECK-NEXT: halide.compute_at @row_max_lanes, @softmax, "n"
// CHECK: halide.compute_at @exp, @softmax, "n"
func.func @rows(%x: tensor<?x64xf32>) -> tensor<?x64xf32> {
  %0 = nn.group (%a = %x) : (tensor<?x64xf32>) -> tensor<?x64xf32> {
    %1 = nn.softmax %a dims [1] : (tensor<?x64xf32>) -> tensor<?x64xf32>
    nn.yield %1 : tensor<?x64xf32>
  }
  return %0 : tensor<?x64xf32>
}

// So where no vectors fill a row, or its length is free; of a long one there are four vectors at a time.
// CHECK-LABEL: halide.pipeline @softmax_{{[0-9]+}} {
// CHECK: halide.split @row_sum stage 1, "r0" into ("ro", "ri") by 8
// CHECK-LABEL: halide.pipeline @softmax_{{[0-9]+}} {
// CHECK: halide.split @row_sum stage 1, "r0" into ("ro", "ri") by 32
// CHECK: halide.vectorize @row_sum_lanes stage 1, "lane" by 8
// CHECK-NEXT: halide.unroll @row_sum_lanes stage 1, "lane"
func.func @rows_of_any_length(%x: tensor<?x?xf32>, %y: tensor<?x129xf32>) -> (tensor<?x?xf32>, tensor<?x129xf32>) {
  %0 = nn.group (%a = %x) : (tensor<?x?xf32>) -> tensor<?x?xf32> {
    %2 = nn.softmax %a dims [1] : (tensor<?x?xf32>) -> tensor<?x?xf32>
    nn.yield %2 : tensor<?x?xf32>
  }
  %1 = nn.group (%a = %y) : (tensor<?x129xf32>) -> tensor<?x129xf32> {
    %2 = nn.softmax %a dims [1] : (tensor<?x129xf32>) -> tensor<?x129xf32>
    nn.yield %2 : tensor<?x129xf32>
  }
  return %0, %1 : tensor<?x?xf32>, tensor<?x129xf32>
}

// Each input is copied in vectors.
// CHECK-LABEL: halide.pipeline @concat {
// CHECK: halide.reorder @concat stage 1, ["rc", "x", "n"]
// CHECK-NEXT: halide.vectorize @concat stage 1, "rc" by 8 tail guard_with_if
// CHECK-NEXT: halide.fuse @concat stage 1, "n", "x" into "task"
// CHECK-NEXT: halide.parallel @concat stage 1, "task"
// CHECK: halide.vectorize @concat stage 2, "rc" by 8
func.func @join(%x: tensor<?x4x24xf32>) -> tensor<?x4x48xf32> {
  %0 = nn.group (%a = %x) : (tensor<?x4x24xf32>) -> tensor<?x4x48xf32> {
    %1 = nn.concat %a, %a dim 2 : (tensor<?x4x24xf32>, tensor<?x4x24xf32>) -> tensor<?x4x48xf32>
    nn.yield %1 : tensor<?x4x48xf32>
  }
  return %0 : tensor<?x4x48xf32>
}

// A few elements are one vector.
// CHECK-LABEL: halide.pipeline @map {
// CHECK: halide.schedule {
// CHECK-NEXT: halide.vectorize @map, "c"{{$}}
// CHECK-NEXT: halide.fuse @map, "n", "y" into "task"
// CHECK-NEXT: halide.parallel @map, "task"
func.func @pointwise(%x: tensor<?x4x4x3xf32>) -> tensor<?x4x4x3xf32> {
  %0 = nn.group (%a = %x) : (tensor<?x4x4x3xf32>) -> tensor<?x4x4x3xf32> {
    %1 = nn.map (%a) : (tensor<?x4x4x3xf32>) -> tensor<?x4x4x3xf32> {
    ^bb0(%e: f32):
      %s = math.exp %e : f32
      nn.yield %s : f32
    }
    nn.yield %1 : tensor<?x4x4x3xf32>
  }
  return %0 : tensor<?x4x4x3xf32>
}

// What no family takes is computed whole: here the reduction is not over the last dimension.
// CHECK-LABEL: halide.pipeline @softmax_{{[0-9]+}} {
// CHECK: halide.compute_root @row_max
// CHECK: halide.compute_root @row_sum
func.func @columns(%x: tensor<?x4x8xf32>) -> tensor<?x4x8xf32> {
  %0 = nn.group (%a = %x) : (tensor<?x4x8xf32>) -> tensor<?x4x8xf32> {
    %1 = nn.softmax %a dims [1] : (tensor<?x4x8xf32>) -> tensor<?x4x8xf32>
    nn.yield %1 : tensor<?x4x8xf32>
  }
  return %0 : tensor<?x4x8xf32>
}

// Mean and variance of a row are sums per lane too, in the task of the row.
// CHECK-LABEL: halide.pipeline @layer_norm {
// CHECK: halide.vectorize @layer_norm, "c" by 8 tail round_up
// CHECK-NEXT: halide.parallel @layer_norm, "n"
// CHECK: halide.rfactor @row_sum stage 1, ["ri"] to ["lane"] into @row_sum_lanes
// CHECK: halide.compute_at @mean, @layer_norm, "n"
// CHECK-NEXT: halide.compute_at @square_sum, @layer_norm, "n"
// CHECK-NEXT: halide.split @square_sum stage 1, "r0" into ("ro", "ri") by 8
// CHECK-NEXT: halide.rfactor @square_sum stage 1, ["ri"] to ["lane"] into @square_sum_lanes
// AVX512-LABEL: halide.pipeline @layer_norm {
// AVX512: halide.split @row_sum stage 1, "r0" into ("ro", "ri") by 16
func.func @row_norm(%x: tensor<?x64xf32>) -> tensor<?x64xf32> {
  %0 = nn.group (%a = %x) : (tensor<?x64xf32>) -> tensor<?x64xf32> {
    %1 = nn.layer_norm %a dims [1] epsilon 1.0e-3 : (tensor<?x64xf32>) -> tensor<?x64xf32>
    nn.yield %1 : tensor<?x64xf32>
  }
  return %0 : tensor<?x64xf32>
}

// Rows of all images are tasks of one loop.
// CHECK-LABEL: halide.pipeline @layer_norm_{{[0-9]+}} {
// CHECK: halide.fuse @layer_norm, "y", "x" into "task"
// CHECK-NEXT: halide.fuse @layer_norm, "n", "task" into "task"
// CHECK-NEXT: halide.parallel @layer_norm, "task"
// CHECK: halide.compute_at @mean, @layer_norm, "task"
func.func @norm_of_positions(%x: tensor<?x7x7x64xf32>) -> tensor<?x7x7x64xf32> {
  %0 = nn.group (%a = %x) : (tensor<?x7x7x64xf32>) -> tensor<?x7x7x64xf32> {
    %1 = nn.layer_norm %a dims [3] epsilon 1.0e-3 : (tensor<?x7x7x64xf32>) -> tensor<?x7x7x64xf32>
    nn.yield %1 : tensor<?x7x7x64xf32>
  }
  return %0 : tensor<?x7x7x64xf32>
}

// Packed weights are read block by block: blocks do not overlap, so the last one is guarded.
// CHECK-LABEL: halide.pipeline @packed_matmul {
// CHECK: halide.at @in1[%{{.*}}, %rk, %{{.*}}]
// CHECK: halide.split @out, "c" into ("co", "ci") by 16 tail guard_with_if
// CHECK: halide.split @out, "x" into ("xo", "xi") by 5 tail shift_inwards
func.func @packed(%x: tensor<?x49x64xf32>, %w: tensor<2x64x16xf32>) -> tensor<?x49x24xf32> {
  %0 = nn.group (%a = %x, %f = %w) : (tensor<?x49x64xf32>, tensor<2x64x16xf32>) -> tensor<?x49x24xf32> {
    %1 = nn.packed_matmul %a, %f {columns = 24 : i64} : (tensor<?x49x64xf32>, tensor<2x64x16xf32>) -> tensor<?x49x24xf32>
    nn.yield %1 : tensor<?x49x24xf32>
  }
  return %0 : tensor<?x49x24xf32>
}

// Dot products: of 16 registers, nine sums of three columns by three rows; lanes are added up at the end.
// CHECK-LABEL: halide.pipeline @packed_matmul_{{[0-9]+}} {
// CHECK: halide.split @out, "{{.*}}" into ("mo", "mi") by 3 tail shift_inwards
// CHECK: halide.compute_at @lanes, @out, "mo"
// CHECK: halide.vectorize @lanes stage 1, "{{.*}}" by 8
// CHECK: halide.atomic @{{.*}} stage 1
// CHECK: halide.vectorize @{{.*}} stage 1, "rl"
func.func @few_columns(%x: tensor<7x512xf32>, %w: tensor<1x64x3x8xf32>) -> tensor<7x3xf32> {
  %0 = nn.group (%a = %x, %f = %w) : (tensor<7x512xf32>, tensor<1x64x3x8xf32>) -> tensor<7x3xf32> {
    %1 = nn.packed_matmul %a, %f {columns = 3 : i64} : (tensor<7x512xf32>, tensor<1x64x3x8xf32>) -> tensor<7x3xf32>
    nn.yield %1 : tensor<7x3xf32>
  }
  return %0 : tensor<7x3xf32>
}

// An item is larger than the weights: a task is a part of its rows.
// CHECK-LABEL: halide.pipeline @packed_matmul_{{[0-9]+}} {
// CHECK: halide.split @out, "x" into ("xo", "xi") by 6 tail shift_inwards
// CHECK-NEXT: halide.split @out, "xo" into ("xb", "xo") by 21 tail guard_with_if
// CHECK-NEXT: halide.reorder @out, ["ci", "xi", "xo", "co", "xb", "n"]
// So many rows do not notice when the weights come.
// CHECK-NOT: halide.prefetch
func.func @packed_rows(%x: tensor<?x784x64xf32>, %w: tensor<2x64x16xf32>) -> tensor<?x784x24xf32> {
  %0 = nn.group (%a = %x, %f = %w) : (tensor<?x784x64xf32>, tensor<2x64x16xf32>) -> tensor<?x784x24xf32> {
    %1 = nn.packed_matmul %a, %f {columns = 24 : i64} : (tensor<?x784x64xf32>, tensor<2x64x16xf32>) -> tensor<?x784x24xf32>
    nn.yield %1 : tensor<?x784x24xf32>
  }
  return %0 : tensor<?x784x24xf32>
}

// Fewer rows: their weights come while a block before them is multiplied, which has rows enough for that.
// CHECK-LABEL: halide.pipeline @packed_matmul_{{[0-9]+}} {
// CHECK: halide.split @out, "x" into ("xo", "xi") by 6 tail shift_inwards
// CHECK-NEXT: halide.split @out, "xo" into ("xb", "xo") by 8 tail guard_with_if
// CHECK: halide.prefetch @matmul stage 1, @in1 at "ro" offset 128
func.func @packed_few_rows(%x: tensor<?x196x512xf32>, %w: tensor<8x512x16xf32>) -> tensor<?x196x128xf32> {
  %0 = nn.group (%a = %x, %f = %w) : (tensor<?x196x512xf32>, tensor<8x512x16xf32>) -> tensor<?x196x128xf32> {
    %1 = nn.packed_matmul %a, %f {columns = 128 : i64} : (tensor<?x196x512xf32>, tensor<8x512x16xf32>) -> tensor<?x196x128xf32>
    nn.yield %1 : tensor<?x196x128xf32>
  }
  return %0 : tensor<?x196x128xf32>
}

// The weights are larger: a task is a block of them.
// CHECK-LABEL: halide.pipeline @packed_matmul_{{[0-9]+}} {
// CHECK: halide.reorder @out, ["ci", "xi", "xo", "co", "n"]
// CHECK: halide.fuse @out, "n", "co" into "task"
// CHECK: halide.split @matmul stage 1, "rk" into ("ro", "ri") by 4
// CHECK: halide.reorder @matmul stage 1, ["c", "x", "ri", "ro"]
// CHECK: halide.unroll @matmul stage 1, "ri"
// The next block of weights comes while this one is multiplied.
// CHECK-NEXT: halide.prefetch @matmul stage 1, @in1 at "ro" offset 128
func.func @packed_wide(%x: tensor<?x49x512xf32>, %w: tensor<32x512x16xf32>) -> tensor<?x49x512xf32> {
  %0 = nn.group (%a = %x, %f = %w) : (tensor<?x49x512xf32>, tensor<32x512x16xf32>) -> tensor<?x49x512xf32> {
    %1 = nn.packed_matmul %a, %f {columns = 512 : i64} : (tensor<?x49x512xf32>, tensor<32x512x16xf32>) -> tensor<?x49x512xf32>
    nn.yield %1 : tensor<?x49x512xf32>
  }
  return %0 : tensor<?x49x512xf32>
}

// A single row: its weights come from memory, blocks of them side by side, and are asked for half a kilobyte ahead.
// CHECK-LABEL: halide.pipeline @packed_matmul_{{[0-9]+}} {
// CHECK: halide.reorder @matmul stage 1, ["c", "n", "rk"]
// CHECK: halide.prefetch @matmul stage 1, @in1 at "rk" offset 4
func.func @packed_row(%x: tensor<1x4096xf32>, %w: tensor<32x4096x32xf32>) -> tensor<1x1024xf32> {
  %0 = nn.group (%a = %x, %f = %w) : (tensor<1x4096xf32>, tensor<32x4096x32xf32>) -> tensor<1x1024xf32> {
    %1 = nn.packed_matmul %a, %f {columns = 1024 : i64} : (tensor<1x4096xf32>, tensor<32x4096x32xf32>) -> tensor<1x1024xf32>
    nn.yield %1 : tensor<1x1024xf32>
  }
  return %0 : tensor<1x1024xf32>
}

// A residual, and the lines of a result that is stored with its derivative, are fetched a tile ahead. Not where tiles are guarded.
// CHECK-LABEL: halide.pipeline @packed_matmul_map_map_map {
// CHECK: halide.split @out, "x" into ("xo", "xi") by 5 tail shift_inwards
// CHECK: halide.compute_at @matmul, @out, "xo"
// CHECK: halide.prefetch @out, @in2 at "xo" offset 1
// CHECK-NEXT: halide.prefetch @out, @out at "xo" offset 1
func.func @packed_epilogues(%x: tensor<?x49x64xf32>, %w: tensor<8x64x16xf32>, %r: tensor<?x49x128xf32>) -> (tensor<?x49x128xf32>, tensor<?x49x128xf32>) {
  %0:2 = nn.group (%a = %x, %f = %w, %g = %r) : (tensor<?x49x64xf32>, tensor<8x64x16xf32>, tensor<?x49x128xf32>) -> (tensor<?x49x128xf32>, tensor<?x49x128xf32>) {
    %1 = nn.packed_matmul %a, %f {columns = 128 : i64} : (tensor<?x49x64xf32>, tensor<8x64x16xf32>) -> tensor<?x49x128xf32>
    %2 = nn.map (%1, %g) : (tensor<?x49x128xf32>, tensor<?x49x128xf32>) -> tensor<?x49x128xf32> {
    ^bb0(%p: f32, %q: f32):
      %3 = arith.addf %p, %q : f32
      nn.yield %3 : f32
    }
    %4 = nn.map (%2) : (tensor<?x49x128xf32>) -> tensor<?x49x128xf32> {
    ^bb0(%p: f32):
      %5 = math.tanh %p : f32
      nn.yield %5 : f32
    }
    %6 = nn.map (%4) : (tensor<?x49x128xf32>) -> tensor<?x49x128xf32> {
    ^bb0(%p: f32):
      %7 = arith.mulf %p, %p : f32
      nn.yield %7 : f32
    }
    nn.yield %6, %4 : tensor<?x49x128xf32>, tensor<?x49x128xf32>
  }
  return %0#0, %0#1 : tensor<?x49x128xf32>, tensor<?x49x128xf32>
}

// CHECK-LABEL: halide.pipeline @packed_matmul_map {
// CHECK: halide.split @map, "x" into ("xo", "xi") by 5 tail guard_with_if
// CHECK-NOT: halide.prefetch @map
// CHECK-LABEL: halide.pipeline
func.func @packed_free_rows(%x: tensor<?x?x64xf32>, %w: tensor<8x64x16xf32>, %r: tensor<?x?x128xf32>) -> tensor<?x?x128xf32> {
  %0 = nn.group (%a = %x, %f = %w, %g = %r) : (tensor<?x?x64xf32>, tensor<8x64x16xf32>, tensor<?x?x128xf32>) -> tensor<?x?x128xf32> {
    %1 = nn.packed_matmul %a, %f {columns = 128 : i64} : (tensor<?x?x64xf32>, tensor<8x64x16xf32>) -> tensor<?x?x128xf32>
    %2 = nn.map (%1, %g) : (tensor<?x?x128xf32>, tensor<?x?x128xf32>) -> tensor<?x?x128xf32> {
    ^bb0(%p: f32, %q: f32):
      %3 = arith.addf %p, %q : f32
      nn.yield %3 : f32
    }
    nn.yield %2 : tensor<?x?x128xf32>
  }
  return %0 : tensor<?x?x128xf32>
}

// Weights that another kernel has just written are not fetched, nor taken in parts.
// CHECK-LABEL: halide.pipeline @packed_matmul_{{[0-9]+}} {
// CHECK: halide.reorder @matmul stage 1, ["c", "x", "ri", "ro"]
// CHECK-NOT: halide.prefetch
// CHECK-LABEL: halide.pipeline @packed_conv {
// AVX512-LABEL: halide.pipeline @transpose {
// AVX512: halide.pipeline @packed_matmul_{{[0-9]+}} {
// AVX512: halide.compute_at @matmul, @out, "xo"
// AVX512-NOT: halide.prefetch
func.func @packed_changing(%x: tensor<?x56x512xf32>, %w: tensor<512x16x32xf32>) -> tensor<?x56x512xf32> {
  %0 = nn.group (%f = %w) : (tensor<512x16x32xf32>) -> tensor<16x512x32xf32> {
    %2 = nn.transpose %f [1, 0, 2] : (tensor<512x16x32xf32>) -> tensor<16x512x32xf32>
    nn.yield %2 : tensor<16x512x32xf32>
  }
  %1 = nn.group (%a = %x, %f = %0) : (tensor<?x56x512xf32>, tensor<16x512x32xf32>) -> tensor<?x56x512xf32> {
    %2 = nn.packed_matmul %a, %f {columns = 512 : i64} : (tensor<?x56x512xf32>, tensor<16x512x32xf32>) -> tensor<?x56x512xf32>
    nn.yield %2 : tensor<?x56x512xf32>
  }
  return %1 : tensor<?x56x512xf32>
}

// Few positions, many weights: these are taken in parts, which stay in the first cache while all positions are added up. As they
// are more than all their blocks read of an item, a block is multiplied with all items before the next one.
// AVX512-LABEL: halide.pipeline @packed_conv {
// AVX512: halide.reorder @out, ["ci", "xi", "xo", "y", "n", "co"]
// AVX512: halide.fuse @out, "co", "n" into "task"
// AVX512: halide.compute_at @conv, @out, "task"
// AVX512: halide.split @conv stage 1, "rc" into ("ro", "ri") by 4
// AVX512-NEXT: halide.split @conv stage 1, "ro" into ("rb", "ro") by 32
// AVX512: halide.reorder @conv stage 1, ["ci", "xi", "ri", "ro", "xo", "co", "y", "n", "rb", "rx", "ry"]
// AVX512: halide.prefetch @conv stage 1, @in1 at "ro" offset 32
func.func @packed_parts(%x: tensor<?x9x9x512xf32>, %w: tensor<1x16x3x3x512x32xf32>) -> tensor<?x7x7x512xf32> {
  %0 = nn.group (%a = %x, %f = %w) : (tensor<?x9x9x512xf32>, tensor<1x16x3x3x512x32xf32>) -> tensor<?x7x7x512xf32> {
    %1 = nn.packed_conv %a, %f {filters = 512 : i64, strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>} : (tensor<?x9x9x512xf32>, tensor<1x16x3x3x512x32xf32>) -> tensor<?x7x7x512xf32>
    nn.yield %1 : tensor<?x7x7x512xf32>
  }
  return %0 : tensor<?x7x7x512xf32>
}

// Five blocks of weights, which are larger than the image, are no even work for two cores: a task has half of the rows.
// AVX512-LABEL: halide.pipeline @packed_conv_{{[0-9]+}} {
// AVX512: halide.split @out, "c" into ("co", "ci") by 32
// AVX512: halide.split @out, "y" into ("yo", "yi") by 9 tail guard_with_if
// AVX512: halide.fuse @out, "yo", "co" into "task"
func.func @odd_blocks(%x: tensor<?x17x23x160xf32>, %w: tensor<1x5x1x7x160x32xf32>) -> tensor<?x17x17x160xf32> {
  %0 = nn.group (%a = %x, %f = %w) : (tensor<?x17x23x160xf32>, tensor<1x5x1x7x160x32xf32>) -> tensor<?x17x17x160xf32> {
    %1 = nn.packed_conv %a, %f {filters = 160 : i64, strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>} : (tensor<?x17x23x160xf32>, tensor<1x5x1x7x160x32xf32>) -> tensor<?x17x17x160xf32>
    nn.yield %1 : tensor<?x17x17x160xf32>
  }
  return %0 : tensor<?x17x17x160xf32>
}

// A matrix larger than the second cache holds beside other data: the tiles of a task's columns take a part of its rows each, in
// registers, while the next part is fetched; here one that does not divide them.
// AVX512-LABEL: halide.pipeline @matmul_{{[0-9]+}} {
// AVX512: halide.split @out, "co" into ("task", "co") by 4
// AVX512: halide.reorder @out, ["ci", "xi", "xo", "co", "task"]
// AVX512: halide.compute_at @matmul, @out, "task"
// AVX512-NEXT: halide.bound_extent @matmul, "c" to 128
// AVX512-NEXT: halide.split @matmul stage 1, "rk" into ("rb", "rk") by 128
// AVX512-NEXT: halide.rfactor @matmul stage 1, ["rb"] to ["part"] into @matmul_part
// AVX512: halide.reorder @matmul stage 1, ["ci", "xi", "xo", "co", "rb"]
// AVX512: halide.compute_at @matmul_part, @matmul, "xo"
// AVX512: halide.split @matmul_part stage 1, "rk" into ("ro", "ri") by 4
// AVX512: halide.reorder @matmul_part stage 1, ["c", "n", "ri", "ro"]
// AVX512: halide.prefetch @matmul stage 1, @in1 at "rb" offset 1
func.func @streamed_dense(%x: tensor<?x1004xf32>, %w: tensor<1004x512xf32>) -> tensor<?x512xf32> {
  %0 = nn.group (%a = %x, %f = %w) : (tensor<?x1004xf32>, tensor<1004x512xf32>) -> tensor<?x512xf32> {
    %1 = nn.matmul %a, %f : (tensor<?x1004xf32>, tensor<1004x512xf32>) -> tensor<?x512xf32>
    nn.yield %1 : tensor<?x512xf32>
  }
  return %0 : tensor<?x512xf32>
}

// A depthwise convolution: pairs of vectors of channels by positions enough that half of the registers are sums, strips of rows.
// AVX512-LABEL: halide.pipeline @conv_{{[0-9]+}} {
// AVX512: halide.split @out, "c" into ("co", "ci") by 32 tail round_up
// AVX512-NEXT: halide.split @out, "x" into ("xo", "xi") by 7 tail round_up
// CHECK-LABEL: halide.pipeline @conv_{{[0-9]+}} {
// CHECK: halide.split @out, "c" into ("co", "ci") by 16 tail round_up
// CHECK-NEXT: halide.split @out, "x" into ("xo", "xi") by 4 tail round_up
// CHECK-NEXT: halide.split @out, "y" into ("yo", "yi") by 7 tail round_up
// CHECK-NEXT: halide.reorder @out, ["ci", "xi", "xo", "yi", "co", "yo", "n"]
// CHECK: halide.fuse @out, "yo", "co" into "task"
func.func @depthwise_strips(%x: tensor<?x30x30x32xf32>, %w: tensor<3x3x1x32xf32>) -> tensor<?x28x28x32xf32> {
  %0 = nn.group (%a = %x, %f = %w) : (tensor<?x30x30x32xf32>, tensor<3x3x1x32xf32>) -> tensor<?x28x28x32xf32> {
    %1 = nn.conv %a, %f {strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, padding_low = array<i64: 0, 0>, padding_high = array<i64: 0, 0>, groups = 32 : i64} : (tensor<?x30x30x32xf32>, tensor<3x3x1x32xf32>) -> tensor<?x28x28x32xf32>
    nn.yield %1 : tensor<?x28x28x32xf32>
  }
  return %0 : tensor<?x28x28x32xf32>
}

// Winograd: transforms in registers, products of a block of filters with the tiles of a group, and a
// group's input transformed once.
// CHECK-LABEL: halide.pipeline @winograd_conv {
// CHECK: halide.split @winograd, "y" into ("yo", "yi") by 4 tail round_up
// CHECK: halide.split @winograd, "yo" into ("yg", "yt") by
// CHECK: halide.parallel @winograd, "task"
// CHECK: halide.compute_at @output_tiles, @winograd, "cv"
// CHECK: halide.compute_at @products, @winograd, "co"
// CHECK: halide.reorder @products, ["ci", "t", "to", "b", "a"]
// The first cache holds the weights of a point, 64 by 16: sums stay in registers.
// CHECK: halide.compute_at @sums, @products, "to"
// CHECK: halide.reorder @sums stage 1, ["ci", "t", "ri", "rc", "ro", "to", "rb"]
// What fills the second cache is fetched ahead, a point of 16 times four channels.
// CHECK: halide.prefetch @sums stage 1, @in1 at "rc" offset 16
// AVX512-NOT: halide.prefetch @sums
// Tiles in whole rows: which of their values may lie outside the image is known.
// CHECK: halide.split @input_points, "t" into ("ty", "t") by 7 tail round_up
// CHECK: halide.compute_at @input_points, @winograd, "task"
// What lies side by side in the image is read together: all channels of a tile.
// CHECK: halide.reorder @input_points, ["b", "a", "ci", "co", "t", "ty", "n"]
// CHECK: halide.compute_at @input_rows, @input_points, "ci"
func.func @winograd(%x: tensor<?x28x28x64xf32>, %w: tensor<4x36x64x16xf32>) -> tensor<?x28x28x64xf32> {
  %0 = nn.group (%a = %x, %f = %w) : (tensor<?x28x28x64xf32>, tensor<4x36x64x16xf32>) -> tensor<?x28x28x64xf32> {
    %1 = nn.winograd_conv %a, %f {filters = 64 : i64, tile = 4 : i64, padding_low = array<i64: 1, 1>, padding_high = array<i64: 1, 1>} : (tensor<?x28x28x64xf32>, tensor<4x36x64x16xf32>) -> tensor<?x28x28x64xf32>
    nn.yield %1 : tensor<?x28x28x64xf32>
  }
  return %0 : tensor<?x28x28x64xf32>
}

// All tiles of several items are a group: they meet a block of filters together, and items are tasks of the transform.
// CHECK-LABEL: halide.pipeline @winograd_conv_{{[0-9]+}} {
// CHECK: halide.input @in0 : tensor<?x8x8x64xf32>
// CHECK: halide.split @winograd, "n" into ("ng", "ni") by 8 tail guard_with_if
// CHECK-NEXT: halide.reorder @winograd, ["ci", "xi", "yi", "cv", "xt", "yt", "ni", "co", "xg", "yg", "ng"]
// CHECK: halide.split @input_points, "t" into ("ty", "t") by 2 tail round_up
// CHECK-NEXT: halide.split @input_points, "ty" into ("ti", "ty") by 2 tail round_up
// CHECK: halide.reorder @input_points, ["b", "a", "ci", "co", "t", "ty", "ti", "n"]
// CHECK: halide.parallel @input_points, "ti"
func.func @winograd_items(%x: tensor<?x8x8x64xf32>, %w: tensor<4x36x64x16xf32>) -> tensor<?x8x8x64xf32> {
  %0 = nn.group (%a = %x, %f = %w) : (tensor<?x8x8x64xf32>, tensor<4x36x64x16xf32>) -> tensor<?x8x8x64xf32> {
    %1 = nn.winograd_conv %a, %f {filters = 64 : i64, tile = 4 : i64, padding_low = array<i64: 1, 1>, padding_high = array<i64: 1, 1>, items = 8 : i64} : (tensor<?x8x8x64xf32>, tensor<4x36x64x16xf32>) -> tensor<?x8x8x64xf32>
    nn.yield %1 : tensor<?x8x8x64xf32>
  }
  return %0 : tensor<?x8x8x64xf32>
}

// Of a free number of rows, tiles and groups at the end may not be full; groups are tasks.
// CHECK-LABEL: halide.pipeline @winograd_conv_{{[0-9]+}} {
// CHECK: halide.input @in0 : tensor<?x?x28x64xf32>
// CHECK: halide.split @winograd, "x" into ("xo", "xi") by 4 tail round_up
// CHECK: halide.split @winograd, "y" into ("yo", "yi") by 4 tail guard_with_if
// CHECK: halide.split @winograd, "yo" into ("yg", "yt") by {{[0-9]+}} tail guard_with_if
// CHECK: halide.parallel @winograd, "task"
// CHECK-NOT: halide.parallel @winograd
// CHECK: halide.split @input_points, "t" into ("ty", "t") by 7 tail round_up
func.func @winograd_rows(%x: tensor<?x?x28x64xf32>, %w: tensor<4x36x64x16xf32>) -> tensor<?x?x28x64xf32> {
  %0 = nn.group (%a = %x, %f = %w) : (tensor<?x?x28x64xf32>, tensor<4x36x64x16xf32>) -> tensor<?x?x28x64xf32> {
    %1 = nn.winograd_conv %a, %f {filters = 64 : i64, tile = 4 : i64, padding_low = array<i64: 1, 1>, padding_high = array<i64: 1, 1>} : (tensor<?x?x28x64xf32>, tensor<4x36x64x16xf32>) -> tensor<?x?x28x64xf32>
    nn.yield %1 : tensor<?x?x28x64xf32>
  }
  return %0 : tensor<?x?x28x64xf32>
}

// Of a free width, tiles are numbered down the image: what rows are to a free height, columns are.
// CHECK-LABEL: halide.pipeline @winograd_conv_{{[0-9]+}} {
// CHECK: halide.input @in0 : tensor<?x28x?x64xf32>
// CHECK: halide.split @winograd, "y" into ("xo", "xi") by 4 tail round_up
// CHECK-NEXT: halide.split @winograd, "x" into ("yo", "yi") by 4 tail guard_with_if
// CHECK-NEXT: halide.split @winograd, "yo" into ("yg", "yt") by {{[0-9]+}} tail guard_with_if
// CHECK: halide.bound_extent @output_tiles, "t" to 1
// CHECK: halide.split @input_points, "t" into ("ty", "t") by 7 tail round_up
func.func @winograd_columns(%x: tensor<?x28x?x64xf32>, %w: tensor<4x36x64x16xf32>) -> tensor<?x28x?x64xf32> {
  %0 = nn.group (%a = %x, %f = %w) : (tensor<?x28x?x64xf32>, tensor<4x36x64x16xf32>) -> tensor<?x28x?x64xf32> {
    %1 = nn.winograd_conv %a, %f {filters = 64 : i64, tile = 4 : i64, padding_low = array<i64: 1, 1>, padding_high = array<i64: 1, 1>} : (tensor<?x28x?x64xf32>, tensor<4x36x64x16xf32>) -> tensor<?x28x?x64xf32>
    nn.yield %1 : tensor<?x28x?x64xf32>
  }
  return %0 : tensor<?x28x?x64xf32>
}

// Of free height and width, groups are of some rows of a strip of four tiles.
// CHECK-LABEL: halide.pipeline @winograd_conv_{{[0-9]+}} {
// CHECK: halide.split @winograd, "x" into ("xo", "xi") by 4 tail guard_with_if
// CHECK-NEXT: halide.split @winograd, "y" into ("yo", "yi") by 4 tail guard_with_if
// CHECK-NEXT: halide.split @winograd, "yo" into ("yg", "yt") by {{[0-9]+}} tail guard_with_if
// CHECK-NEXT: halide.split @winograd, "xo" into ("xg", "xt") by 4 tail guard_with_if
// CHECK: halide.split @input_points, "t" into ("ty", "t") by 4 tail round_up
// CHECK: halide.bound_extent @input_points, "s" to 1
// CHECK: halide.bound_extent @products, "s" to 1
func.func @winograd_strips(%x: tensor<?x?x?x64xf32>, %w: tensor<4x36x64x16xf32>) -> tensor<?x?x?x64xf32> {
  %0 = nn.group (%a = %x, %f = %w) : (tensor<?x?x?x64xf32>, tensor<4x36x64x16xf32>) -> tensor<?x?x?x64xf32> {
    %1 = nn.winograd_conv %a, %f {filters = 64 : i64, tile = 4 : i64, padding_low = array<i64: 1, 1>, padding_high = array<i64: 1, 1>} : (tensor<?x?x?x64xf32>, tensor<4x36x64x16xf32>) -> tensor<?x?x?x64xf32>
    nn.yield %1 : tensor<?x?x?x64xf32>
  }
  return %0 : tensor<?x?x?x64xf32>
}

// A tile of 4 x 4 outputs is one of 2 x 2 maxima; its groups are those of the image.
// CHECK-LABEL: halide.pipeline @winograd_conv_max_pool {
// CHECK: halide.split @max_pool, "x" into ("xo", "xi") by 2 tail round_up
// CHECK: halide.split @max_pool, "y" into ("yo", "yi") by 2 tail round_up
// CHECK: halide.split @max_pool, "yo" into ("yg", "yt") by
// CHECK: halide.unroll @max_pool, "xi"
// CHECK: halide.compute_at @output_tiles, @max_pool, "cv"
// CHECK: halide.split @input_points, "t" into ("ty", "t") by 7 tail round_up
func.func @winograd_pooled(%x: tensor<?x28x28x64xf32>, %w: tensor<4x36x64x16xf32>) -> tensor<?x14x14x64xf32> {
  %0 = nn.group (%a = %x, %f = %w) : (tensor<?x28x28x64xf32>, tensor<4x36x64x16xf32>) -> tensor<?x14x14x64xf32> {
    %1 = nn.winograd_conv %a, %f {filters = 64 : i64, tile = 4 : i64, padding_low = array<i64: 1, 1>, padding_high = array<i64: 1, 1>} : (tensor<?x28x28x64xf32>, tensor<4x36x64x16xf32>) -> tensor<?x28x28x64xf32>
    %2 = nn.max_pool %1 {window = array<i64: 2, 2>, strides = array<i64: 2, 2>, dilations = array<i64: 1, 1>, padding_low = array<i64: 0, 0>, padding_high = array<i64: 0, 0>} : (tensor<?x28x28x64xf32>) -> tensor<?x14x14x64xf32>
    nn.yield %2 : tensor<?x14x14x64xf32>
  }
  return %0 : tensor<?x14x14x64xf32>
}

// Of 512 channels it holds a part, for all sixteen tiles, whose sums are in memory meanwhile.
// CHECK-LABEL: halide.pipeline @winograd_conv_{{[0-9]+}} {
// AVX512: halide.pipeline @winograd_conv_{{[0-9]+}} {
// CHECK: halide.compute_at @sums, @products, "b"
// CHECK: halide.split @sums stage 1, "ro" into ("rb", "ro") by 16
func.func @winograd_deep(%x: tensor<?x14x14x512xf32>, %w: tensor<4x36x512x16xf32>) -> tensor<?x14x14x64xf32> {
  %0 = nn.group (%a = %x, %f = %w) : (tensor<?x14x14x512xf32>, tensor<4x36x512x16xf32>) -> tensor<?x14x14x64xf32> {
    %1 = nn.winograd_conv %a, %f {filters = 64 : i64, tile = 4 : i64, padding_low = array<i64: 1, 1>, padding_high = array<i64: 1, 1>} : (tensor<?x14x14x512xf32>, tensor<4x36x512x16xf32>) -> tensor<?x14x14x64xf32>
    nn.yield %1 : tensor<?x14x14x64xf32>
  }
  return %0 : tensor<?x14x14x64xf32>
}

// Taps of 32 channels are transformed at a time, for all tiles of the group; what they add to the sums is a register tile.
// CHECK-LABEL: halide.pipeline @winograd_conv_{{[0-9]+}} {
// CHECK: halide.compute_at @sums, @winograd, "co"
// CHECK: halide.split @sums stage 1, "rc" into ("rb", "rc") by 32
// CHECK: halide.rfactor @sums stage 1, ["rb"] to ["part"] into @sums_part
// CHECK: halide.reorder @sums stage 1, ["ci", "t", "to", "b", "a", "rb"]
// CHECK: halide.compute_at @sums_part, @sums, "to"
// CHECK: halide.prefetch @sums stage 1, @in1 at "rb" offset 1
// CHECK: halide.compute_at @filter_points, @sums, "rb"
// CHECK: halide.compute_at @filter_rows, @filter_points, "ci"
func.func @winograd_taps(%x: tensor<?x14x14x512xf32>, %w: tensor<32x512x9x16xf32>) -> tensor<?x14x14x512xf32> {
  %0 = nn.group (%a = %x, %f = %w) : (tensor<?x14x14x512xf32>, tensor<32x512x9x16xf32>) -> tensor<?x14x14x512xf32> {
    %1 = nn.winograd_conv %a, %f {filters = 512 : i64, tile = 4 : i64, padding_low = array<i64: 1, 1>, padding_high = array<i64: 1, 1>} : (tensor<?x14x14x512xf32>, tensor<32x512x9x16xf32>) -> tensor<?x14x14x512xf32>
    nn.yield %1 : tensor<?x14x14x512xf32>
  }
  return %0 : tensor<?x14x14x512xf32>
}

// One row: as many blocks of weights at a time as registers hold sums; where they are few, sums in parts.
// CHECK-LABEL: halide.pipeline @packed_matmul_{{[0-9]+}} {
// CHECK: halide.split @out, "c" into ("co", "ci") by 64 tail round_up
// CHECK: halide.split @matmul stage 1, "rk" into ("ro", "ri") by 4
// CHECK: halide.rfactor @matmul stage 1
func.func @single(%x: tensor<?x64xf32>, %w: tensor<4x64x16xf32>, %v: tensor<1x64x8xf32>) -> (tensor<?x64xf32>, tensor<?x8xf32>) {
  %0 = nn.group (%a = %x, %f = %w) : (tensor<?x64xf32>, tensor<4x64x16xf32>) -> tensor<?x64xf32> {
    %1 = nn.packed_matmul %a, %f {columns = 64 : i64} : (tensor<?x64xf32>, tensor<4x64x16xf32>) -> tensor<?x64xf32>
    nn.yield %1 : tensor<?x64xf32>
  }
  %2 = nn.group (%a = %x, %f = %v) : (tensor<?x64xf32>, tensor<1x64x8xf32>) -> tensor<?x8xf32> {
    %1 = nn.packed_matmul %a, %f {columns = 8 : i64} : (tensor<?x64xf32>, tensor<1x64x8xf32>) -> tensor<?x8xf32>
    nn.yield %1 : tensor<?x8xf32>
  }
  return %0, %2 : tensor<?x64xf32>, tensor<?x8xf32>
}

// Weights that are not packed end where the channels end: a tile is no wider.
// CHECK-LABEL: halide.pipeline @matmul_{{[0-9]+}} {
// CHECK: halide.split @out, "c" into ("co", "ci") by 8 tail shift_inwards
func.func @narrow(%x: tensor<?x12x64xf32>, %w: tensor<?x64x15xf32>) -> tensor<?x12x15xf32> {
  %0 = nn.group (%a = %x, %f = %w) : (tensor<?x12x64xf32>, tensor<?x64x15xf32>) -> tensor<?x12x15xf32> {
    %1 = nn.matmul %a, %f : (tensor<?x12x64xf32>, tensor<?x64x15xf32>) -> tensor<?x12x15xf32>
    nn.yield %1 : tensor<?x12x15xf32>
  }
  return %0 : tensor<?x12x15xf32>
}

// The gradient of a filter is summed over blocks of positions that stay in cache, here a row of 32, for all tiles of the
// result before the next block. An update cannot do an element twice: tiles divide the result.
// CHECK-LABEL: halide.pipeline @conv_grad_filter {
// CHECK: halide.split @out, "c" into ("task", "ci") by 16
// CHECK: halide.parallel @out, "task"
// CHECK: halide.compute_at @conv_grad_filter, @out, "task"
// CHECK: halide.rfactor @conv_grad_filter stage 1, ["rn", "ry"] to ["block0", "block1"] into @conv_grad_filter_block
// CHECK: halide.split @conv_grad_filter stage 1, "c" into ("co", "ci") by 16
// CHECK: halide.split @conv_grad_filter stage 1, "x" into ("xo", "xi") by 4
// CHECK: halide.compute_at @conv_grad_filter_block, @conv_grad_filter, "xo"
// CHECK: halide.unroll @conv_grad_filter_block stage 1, "x"
func.func @filter_gradient(%x: tensor<?x34x34x64xf32>, %g: tensor<?x32x32x64xf32>) -> tensor<3x3x64x64xf32> {
  %0 = nn.group (%a = %x, %f = %g) : (tensor<?x34x34x64xf32>, tensor<?x32x32x64xf32>) -> tensor<3x3x64x64xf32> {
    %1 = nn.conv_grad_filter %a, %f {window = array<i64: 3, 3>, strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, padding_low = array<i64: 0, 0>, padding_high = array<i64: 0, 0>} : (tensor<?x34x34x64xf32>, tensor<?x32x32x64xf32>) -> tensor<3x3x64x64xf32>
    nn.yield %1 : tensor<3x3x64x64xf32>
  }
  return %0 : tensor<3x3x64x64xf32>
}

// So is that of a dense layer's kernel, over a free number of rows; the columns that a block of rows has for the tiles are
// copied together. Four tasks would read too much for what they multiply: two.
// CHECK-LABEL: halide.pipeline @matmul{{.*}} {
// CHECK: halide.split @out, "c" into ("task", "ci") by 128
// CHECK: halide.split @matmul stage 1, "rk" into ("ro", "ri") by 128
// CHECK: halide.rfactor @matmul stage 1, ["ro"] to ["block0"] into @matmul_block
// CHECK: halide.split @matmul stage 1, "c" into ("co", "ci") by [[WIDTH:[0-9]+]]
// CHECK: halide.in @in1, @matmul_block as @columns
// CHECK: halide.compute_at @columns, @matmul, "co"
// CHECK: halide.bound_extent @columns, "_0" to [[WIDTH]]
// CHECK: halide.in @in0, @matmul_block as @rows
// CHECK: halide.compute_at @rows, @matmul, "ro"
// CHECK: halide.align_storage @rows, "_0" to 144
// CHECK: halide.compute_at @matmul_block, @matmul, "xo"
// Few rows are one block: a register tile runs over all of them, through rows of the result.
// CHECK-LABEL: halide.pipeline @matmul{{.*}} {
// CHECK: halide.split @out, "c" into ("co", "ci") by [[WIDTH:[0-9]+]]
// CHECK-NEXT: halide.split @out, "n" into ("xo", "xi") by [[ROWS:[0-9]+]]
// CHECK-NEXT: halide.split @out, "xo" into ("task", "xo") by
// CHECK-NEXT: halide.reorder @out, ["ci", "xi", "co", "xo", "task"]
// CHECK: halide.compute_at @matmul, @out, "co"
// CHECK-NEXT: halide.bound_extent @matmul, "c" to [[WIDTH]]
// CHECK-NEXT: halide.bound_extent @matmul, "n" to [[ROWS]]
// CHECK: halide.reorder @matmul stage 1, ["c", "n", "rk"]
func.func @kernel_gradient(%x: tensor<?x128xf32>, %g: tensor<?x256xf32>) -> tensor<128x256xf32> {
  %0 = nn.group (%a = %x, %f = %g) : (tensor<?x128xf32>, tensor<?x256xf32>) -> tensor<128x256xf32> {
    %1 = nn.matmul %a, %f {transpose_lhs} : (tensor<?x128xf32>, tensor<?x256xf32>) -> tensor<128x256xf32>
    nn.yield %1 : tensor<128x256xf32>
  }
  return %0 : tensor<128x256xf32>
}

// What few rows make of a parameter is made while the next tile is summed, of a vector and half of the registers: as many rows as
// divide equal tasks.
// CHECK-LABEL: halide.pipeline @matmul_map {
// CHECK-NOT: halide.overlap
// CHECK-LABEL: halide.pipeline @matmul_map_{{[0-9]+}} {
// CHECK: halide.split @map, "c" into ("co", "ci") by 8
// CHECK-NEXT: halide.split @map, "n" into ("xo", "xi") by 7
// CHECK-NEXT: halide.split @map, "xo" into ("task", "xo") by 14 tail round_up
// CHECK-NEXT: halide.reorder @map, ["ci", "xi", "co", "xo", "task"]
// CHECK-NEXT: halide.vectorize @map, "ci" by 8
// CHECK-NEXT: halide.parallel @map, "task"
// CHECK-NEXT: halide.overlap @map at "co" steps 2
// CHECK-NEXT: halide.compute_at @matmul, @map, "co"
func.func @updated_kernel(%x: tensor<?x784xf32>, %g: tensor<?x256xf32>, %w: tensor<784x256xf32>) -> tensor<784x256xf32> {
  %0 = nn.group (%a = %x, %f = %g, %k = %w) : (tensor<?x784xf32>, tensor<?x256xf32>, tensor<784x256xf32>) -> tensor<784x256xf32> {
    %1 = nn.matmul %a, %f {transpose_lhs} : (tensor<?x784xf32>, tensor<?x256xf32>) -> tensor<784x256xf32>
    %2 = nn.map (%1, %k) : (tensor<784x256xf32>, tensor<784x256xf32>) -> tensor<784x256xf32> {
    ^bb0(%p: f32, %q: f32):
      %3 = arith.subf %q, %p : f32
      nn.yield %3 : f32
    }
    nn.yield %2 : tensor<784x256xf32>
  }
  return %0 : tensor<784x256xf32>
}

// Tasks divide the larger operand: none reads all of it.
// CHECK-LABEL: halide.pipeline @matmul{{.*}} {
// CHECK: halide.split @out, "n" into ("task", "xi") by 256
// CHECK: halide.reorder @out, ["c", "xi", "task"]
// CHECK: halide.vectorize @out, "c" by 8
// CHECK: halide.compute_at @matmul, @out, "task"
func.func @tall_gradient(%x: tensor<?x512xf32>, %g: tensor<?x128xf32>) -> tensor<512x128xf32> {
  %0 = nn.group (%a = %x, %f = %g) : (tensor<?x512xf32>, tensor<?x128xf32>) -> tensor<512x128xf32> {
    %1 = nn.matmul %a, %f {transpose_lhs} : (tensor<?x512xf32>, tensor<?x128xf32>) -> tensor<512x128xf32>
    nn.yield %1 : tensor<512x128xf32>
  }
  return %0 : tensor<512x128xf32>
}

// The gradient of a few taps has them all in one tile; what one operand is made of is computed for a block of positions. It is too
// small for several tasks: these are groups of items.
// CHECK-LABEL: halide.pipeline @max_pool_grad_conv_grad_filter {
// CHECK: halide.split @conv_grad_filter stage 1, "rn" into ("rg", "rn") by 8
// CHECK-NEXT: halide.rfactor @conv_grad_filter stage 1, ["rg"] to ["group"] into @conv_grad_filter_group
// CHECK: halide.compute_root @conv_grad_filter_group
// CHECK-NEXT: halide.parallel @conv_grad_filter_group stage 1, "group"
// CHECK: halide.rfactor @conv_grad_filter_group stage 1, ["rn", "ry"]
// CHECK: halide.split @conv_grad_filter_group stage 1, "n" into ("xo", "xi") by 3
// CHECK: halide.unroll @conv_grad_filter_group stage 1, "y"
// CHECK: halide.compute_at @pool_grad, @conv_grad_filter_group, "ry"
// CHECK: halide.compute_at @conv_grad_filter_group_block, @conv_grad_filter_group, "xo"
// CHECK: halide.unroll @conv_grad_filter_group_block stage 1, "y"
func.func @pooled_filter_gradient(%x: tensor<?x28x28x1xf32>, %g: tensor<?x13x13x16xf32>, %i: tensor<?x13x13x16xi32>) -> tensor<3x3x1x16xf32> {
  %0 = nn.group (%a = %x, %b = %g, %c = %i) : (tensor<?x28x28x1xf32>, tensor<?x13x13x16xf32>, tensor<?x13x13x16xi32>) -> tensor<3x3x1x16xf32> {
    %1 = nn.max_pool_grad %b, %c {window = array<i64: 2, 2>, strides = array<i64: 2, 2>, dilations = array<i64: 1, 1>, padding_low = array<i64: 0, 0>, padding_high = array<i64: 0, 0>} : (tensor<?x13x13x16xf32>, tensor<?x13x13x16xi32>) -> tensor<?x26x26x16xf32>
    %2 = nn.conv_grad_filter %a, %1 {window = array<i64: 3, 3>, strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, padding_low = array<i64: 0, 0>, padding_high = array<i64: 0, 0>} : (tensor<?x28x28x1xf32>, tensor<?x26x26x16xf32>) -> tensor<3x3x1x16xf32>
    nn.yield %2 : tensor<3x3x1x16xf32>
  }
  return %0 : tensor<3x3x1x16xf32>
}

// A filter's points are combined in registers, of a vector of filters at a time.
// CHECK-LABEL: halide.pipeline @winograd_filter {
// CHECK: halide.reorder @winograd_filter, ["oi", "y", "n", "oo", "x"]
// CHECK: halide.unroll @winograd_filter
// CHECK: halide.compute_at @filter_rows, @winograd_filter, "oo"
// CHECK: halide.parallel @winograd_filter, "x"
func.func @transformed_filter(%w: tensor<3x3x64x64xf32>) -> tensor<4x4x64x64xf32> {
  %0 = nn.group (%a = %w) : (tensor<3x3x64x64xf32>) -> tensor<4x4x64x64xf32> {
    %1 = nn.winograd_filter %a {tile = 2 : i64} : (tensor<3x3x64x64xf32>) -> tensor<4x4x64x64xf32>
    nn.yield %1 : tensor<4x4x64x64xf32>
  }
  return %0 : tensor<4x4x64x64xf32>
}

// By Winograd's algorithm, a group of items is transformed and multiplied before the next; sums are those of a block of channels by one
// of filters, which the second cache holds with what is transformed.
// CHECK-LABEL: halide.pipeline @winograd_grad_filter {
// CHECK: halide.split @winograd_grad_filter, "x" into ("ct", "ci") by 32 tail round_up
// CHECK: halide.split @winograd_grad_filter, "c" into ("ot", "oo") by 32 tail round_up
// CHECK: halide.fuse @winograd_grad_filter, "ct", "ot" into "task"
// CHECK: halide.parallel @winograd_grad_filter, "task"
// CHECK: halide.compute_at @products, @winograd_grad_filter, "task"
// CHECK: halide.split @products stage 1, "rn" into ("ro", "ri") by 4
// CHECK: halide.rfactor @products stage 1, ["ro"] to ["group"] into @products_group
// CHECK: halide.compute_at @products_group, @products, "co"
// CHECK: halide.compute_at @input_points, @products, "ro"
// CHECK: halide.compute_at @gradient_points, @products, "ro"
func.func @winograd_filter_gradient(%x: tensor<?x8x8x64xf32>, %g: tensor<?x8x8x64xf32>) -> tensor<3x3x64x64xf32> {
  %0 = nn.group (%a = %x, %f = %g) : (tensor<?x8x8x64xf32>, tensor<?x8x8x64xf32>) -> tensor<3x3x64x64xf32> {
    %1 = nn.winograd_grad_filter %a, %f {tile = 4 : i64, padding_low = array<i64: 1, 1>, padding_high = array<i64: 1, 1>} : (tensor<?x8x8x64xf32>, tensor<?x8x8x64xf32>) -> tensor<3x3x64x64xf32>
    nn.yield %1 : tensor<3x3x64x64xf32>
  }
  return %0 : tensor<3x3x64x64xf32>
}

// The maxima of windows and their taps are two sums of one input, block of channels by block.
// CHECK-LABEL: halide.pipeline @max_pool_max_pool_index {
// CHECK: halide.compute_at @max_pool, @out, "co"
// CHECK: halide.compute_at @first, @out, "co"
func.func @pool_choice(%x: tensor<?x26x26x32xf32>) -> (tensor<?x13x13x32xf32>, tensor<?x13x13x32xi32>) {
  %0:2 = nn.group (%a = %x) : (tensor<?x26x26x32xf32>) -> (tensor<?x13x13x32xf32>, tensor<?x13x13x32xi32>) {
    %1 = nn.max_pool %a {window = array<i64: 2, 2>, strides = array<i64: 2, 2>, dilations = array<i64: 1, 1>, padding_low = array<i64: 0, 0>, padding_high = array<i64: 0, 0>} : (tensor<?x26x26x32xf32>) -> tensor<?x13x13x32xf32>
    %2 = nn.max_pool_index %a, %1 {window = array<i64: 2, 2>, strides = array<i64: 2, 2>, dilations = array<i64: 1, 1>, padding_low = array<i64: 0, 0>, padding_high = array<i64: 0, 0>} : (tensor<?x26x26x32xf32>, tensor<?x13x13x32xf32>) -> tensor<?x13x13x32xi32>
    nn.yield %1, %2 : tensor<?x13x13x32xf32>, tensor<?x13x13x32xi32>
  }
  return %0#0, %0#1 : tensor<?x13x13x32xf32>, tensor<?x13x13x32xi32>
}

// A convolution of few terms is computed in registers, for as many windows as keep the multiply-adds apart, all terms written out.
// CHECK-LABEL: halide.pipeline @packed_conv_max_pool {
// CHECK: halide.split @out, "x" into ("xo", "xi") by 1 tail shift_inwards
// CHECK: halide.reorder @out, ["ci", "xi", "xo", "co", "y", "n"]
// CHECK: halide.parallel @out, "task"
// CHECK: halide.compute_at @max_pool, @out, "xo"
// CHECK: halide.compute_at @conv, @out, "xo"
// CHECK: halide.bound_extent @conv, "x" to 2
// CHECK: halide.bound_extent @conv, "y" to 2
// CHECK: halide.reorder @conv stage 1, ["c", "x", "y", "rc", "rx", "ry"]
// CHECK: halide.unroll @conv stage 1, "ry"
func.func @pooled_convolution(%x: tensor<?x28x28x1xf32>, %w: tensor<1x1x3x3x1x16xf32>) -> tensor<?x13x13x16xf32> {
  %0 = nn.group (%a = %x, %f = %w) : (tensor<?x28x28x1xf32>, tensor<1x1x3x3x1x16xf32>) -> tensor<?x13x13x16xf32> {
    %1 = nn.packed_conv %a, %f {filters = 16 : i64, strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>} : (tensor<?x28x28x1xf32>, tensor<1x1x3x3x1x16xf32>) -> tensor<?x26x26x16xf32>
    %2 = nn.max_pool %1 {window = array<i64: 2, 2>, strides = array<i64: 2, 2>, dilations = array<i64: 1, 1>, padding_low = array<i64: 0, 0>, padding_high = array<i64: 0, 0>} : (tensor<?x26x26x16xf32>) -> tensor<?x13x13x16xf32>
    nn.yield %2 : tensor<?x13x13x16xf32>
  }
  return %0 : tensor<?x13x13x16xf32>
}

// Written across the rows of the input: tiles of as many rows as a vector has lanes.
// CHECK-LABEL: halide.pipeline @transpose{{.*}} {
// CHECK: halide.split @transpose, "c" into ("co", "ci") by 8 tail guard_with_if
// CHECK-NEXT: halide.split @transpose, "y" into ("ro", "ri") by 8 tail round_up
// CHECK-NEXT: halide.reorder @transpose, ["ci", "ri", "co", "ro", "x", "n"]
// CHECK-NEXT: halide.vectorize @transpose, "ci" by 8
// CHECK-NEXT: halide.fuse @transpose, "x", "ro" into "task"
// CHECK-NEXT: halide.fuse @transpose, "n", "task" into "task"
// CHECK-NEXT: halide.parallel @transpose, "task"
func.func @transposed_rows(%x: tensor<3x?x5x16xf32>) -> tensor<3x16x5x?xf32> {
  %0 = nn.group (%a = %x) : (tensor<3x?x5x16xf32>) -> tensor<3x16x5x?xf32> {
    %1 = nn.transpose %a [0, 3, 2, 1] : (tensor<3x?x5x16xf32>) -> tensor<3x16x5x?xf32>
    nn.yield %1 : tensor<3x16x5x?xf32>
  }
  return %0 : tensor<3x16x5x?xf32>
}

// Three channels, each of which is contiguous before, are interleaved in registers. A channel alone fills no vector: a row does.
// CHECK-LABEL: halide.pipeline @transpose_{{[0-9]+}} {
// CHECK: halide.split @transpose, "x" into ("ro", "ri") by 8 tail guard_with_if
// CHECK-NEXT: halide.reorder @transpose, ["c", "ri", "ro", "y", "n"]
// CHECK-NEXT: halide.vectorize @transpose, "ri"
// CHECK-NEXT: halide.unroll @transpose, "c"
// CHECK-LABEL: halide.pipeline @map_{{[0-9]+}} {
// CHECK: halide.vectorize @map, "x" by 8 tail guard_with_if
func.func @few_channels(%x: tensor<?x3x?x?xf32>, %y: tensor<?x?x?x1xf32>) -> (tensor<?x?x?x3xf32>, tensor<?x?x?x1xf32>) {
  %0 = nn.group (%a = %x) : (tensor<?x3x?x?xf32>) -> tensor<?x?x?x3xf32> {
    %2 = nn.transpose %a [0, 2, 3, 1] : (tensor<?x3x?x?xf32>) -> tensor<?x?x?x3xf32>
    nn.yield %2 : tensor<?x?x?x3xf32>
  }
  %1 = nn.group (%a = %y) : (tensor<?x?x?x1xf32>) -> tensor<?x?x?x1xf32> {
    %2 = nn.map (%a) : (tensor<?x?x?x1xf32>) -> tensor<?x?x?x1xf32> {
    ^bb0(%e: f32):
      %s = arith.addf %e, %e : f32
      nn.yield %s : f32
    }
    nn.yield %2 : tensor<?x?x?x1xf32>
  }
  return %0, %1 : tensor<?x?x?x3xf32>, tensor<?x?x?x1xf32>
}

// Truth values are bytes: a vector has as many as of those.
// CHECK-LABEL: halide.pipeline @transpose_{{[0-9]+}} {
// CHECK-NEXT: halide.input @in0 : tensor<1x?x14xi1>
// CHECK: halide.vectorize @transpose, "x" by 32 tail guard_with_if
func.func @mask(%x: tensor<1x?x14xi1>) -> tensor<14x?x1xi1> {
  %0 = nn.group (%a = %x) : (tensor<1x?x14xi1>) -> tensor<14x?x1xi1> {
    %1 = nn.transpose %a [2, 1, 0] : (tensor<1x?x14xi1>) -> tensor<14x?x1xi1>
    nn.yield %1 : tensor<14x?x1xi1>
  }
  return %0 : tensor<14x?x1xi1>
}

// A matrix that comes from memory, in rows: of many rows of the other some blocks of columns take a part of it after the other.
// CHECK: halide.input @in1 : tensor<4096x2048xf32>
// CHECK: halide.split @out, "c" into ("co", "ci") by 16
// CHECK: halide.split @out, "co" into ("task", "co") by 4
// One row that skips zeros reads two pages of each of its halves at once, or one where that is all.
// CHECK: halide.input @in0 : tensor<1x4096xf32>
// CHECK: halide.split @out, "c" into ("task", "ci") by 1024
// CHECK: halide.parallel @out, "task"
// CHECK-NEXT: halide.compute_at @matmul, @out, "task"
// CHECK: halide.split @matmul stage 1, "c" into ("page", "ci") by 1024
// CHECK-NEXT: halide.split @matmul stage 1, "ci" into ("vector", "ci") by 8
// CHECK-NEXT: halide.reorder @matmul stage 1, ["ci", "page", "vector", "n", "rk"]
// For a few, registers hold two vectors of four of its rows, or eight, while all of the other, two at once, add what is theirs to
// sums that stay in the caches.
// CHECK: halide.input @in1 : tensor<4096x2048xf32>
// CHECK: halide.split @out, "c" into ("task", "ci") by 512
// CHECK-NEXT: halide.reorder @out, ["ci", "n", "task"]
// CHECK: halide.split @matmul stage 1, "c" into ("co", "ci") by 16
// CHECK-NEXT: halide.split @matmul stage 1, "n" into ("no", "ni") by 2 tail round_up
// CHECK-NEXT: halide.split @matmul stage 1, "rk" into ("ro", "ri") by 4
// CHECK-NEXT: halide.reorder @matmul stage 1, ["ci", "ni", "ri", "no", "co", "ro"]
// CHECK: halide.call @{{.*}} few [@{{.*}}, @{{.*}}] up_to [1, 48]
// AVX512: halide.input @in0 : tensor<1x4096xf32>
// AVX512: halide.input @in1 : tensor<4096x2048xf32>
// AVX512: halide.split @matmul stage 1, "c" into ("co", "ci") by 32
// AVX512: halide.split @matmul stage 1, "rk" into ("ro", "ri") by 8
func.func @rectified(%x: tensor<?x4096xf32>, %w: tensor<4096x2048xf32>) -> tensor<?x2048xf32> {
  %0 = nn.group (%a = %x, %f = %w) : (tensor<?x4096xf32>, tensor<4096x2048xf32>) -> tensor<?x2048xf32> {
    %1 = nn.matmul %a, %f {lhs_has_zeros} : (tensor<?x4096xf32>, tensor<4096x2048xf32>) -> tensor<?x2048xf32>
    nn.yield %1 : tensor<?x2048xf32>
  }
  return %0 : tensor<?x2048xf32>
}
