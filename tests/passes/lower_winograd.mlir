// RUN: sylvite-opt %s -lower-to-halide | FileCheck %s

// The work of a convolution is that of the definition.
// CHECK: halide.call @winograd_conv(%arg0, %arg1) {flops_per_element = 72 : i64
// CHECK: halide.call @winograd_conv_0(%arg0, %arg1) {flops_per_element = 72 : i64

// A transform is a choice among linear combinations by the point's index: rows of B^T, last one first.
// CHECK-LABEL: halide.pipeline @winograd_conv {
// CHECK: halide.func @padded(%n, %y, %x, %c)
// CHECK: arith.select
// CHECK: halide.func @input_rows(%n, %co, %t, %a, %j, %ci)
// CHECK: arith.floordivsi %t, %c3
// CHECK: arith.remui %t, %c3
// CHECK: %[[IS2:.*]] = arith.cmpi eq, %a, %c2
// CHECK: arith.select %[[IS2]]
// All points of a tile lie side by side, in blocks of channels.
// CHECK: halide.func @input_points(%n, %co, %t, %a, %b, %ci)
// CHECK: halide.at @input_rows[%n, %co, %t, %a, %c0{{[_0-9]*}}, %ci]
// CHECK: halide.update @sums(%n, %co, %t, %a, %b, %ci) over (%rc in 0 to 4)
// CHECK: halide.at @in1[
// CHECK: halide.func @products(%n, %co, %t, %a, %b, %ci)
// CHECK: halide.at @sums[%n, %co, %t, %a, %b, %ci]
// CHECK: halide.func @output_rows(%n, %t, %i, %b, %c)
// CHECK: halide.func @output_tiles(%n, %t, %i, %j, %c)
// CHECK: halide.func @winograd(%n, %y, %x, %c)
func.func @conv(%x: tensor<?x6x6x4xf32>, %u: tensor<1x16x4x8xf32>) -> tensor<?x6x6x8xf32> {
  %0 = nn.group (%a = %x, %f = %u) : (tensor<?x6x6x4xf32>, tensor<1x16x4x8xf32>) -> tensor<?x6x6x8xf32> {
    %1 = nn.winograd_conv %a, %f {filters = 8 : i64, tile = 2 : i64, padding_low = array<i64: 1, 1>, padding_high = array<i64: 1, 1>} : (tensor<?x6x6x4xf32>, tensor<1x16x4x8xf32>) -> tensor<?x6x6x8xf32>
    nn.yield %1 : tensor<?x6x6x8xf32>
  }
  return %0 : tensor<?x6x6x8xf32>
}

// Tiles of several items are numbered one after the other, those of the last group up to its last item.
// CHECK-LABEL: halide.pipeline @winograd_conv_{{[0-9]+}} {
// CHECK: halide.func @padded(%n, %y, %x, %c)
// CHECK: arith.maxsi %n, %c0
// CHECK: halide.func @input_rows(%n, %co, %t, %a, %j, %ci)
// CHECK: %[[ROW:.*]] = arith.floordivsi %t, %c3
// CHECK: arith.remui %[[ROW]], %c3
// CHECK: %[[ITEM:.*]] = arith.floordivsi %t, %c9
// CHECK: %[[FIRST:.*]] = arith.muli %n, %c8
// CHECK: %[[N:.*]] = arith.addi %[[FIRST]], %[[ITEM]]
// CHECK: halide.at @padded[%[[N]],
// CHECK: halide.func @winograd(%n, %y, %x, %c)
// CHECK: %[[GROUP:.*]] = arith.floordivsi %n, %c8
// CHECK: %[[FIRST:.*]] = arith.muli %[[GROUP]], %c8
// CHECK: %[[ITEM:.*]] = arith.subi %n, %[[FIRST]]
// CHECK: %[[TILES:.*]] = arith.muli %[[ITEM]], %c9
// CHECK: %[[TILE:.*]] = arith.addi %[[TILES]]
// CHECK: halide.at @output_tiles[%[[GROUP]], %[[TILE]],
func.func @items(%x: tensor<?x6x6x4xf32>, %u: tensor<1x16x4x8xf32>) -> tensor<?x6x6x8xf32> {
  %0 = nn.group (%a = %x, %f = %u) : (tensor<?x6x6x4xf32>, tensor<1x16x4x8xf32>) -> tensor<?x6x6x8xf32> {
    %1 = nn.winograd_conv %a, %f {filters = 8 : i64, tile = 2 : i64, padding_low = array<i64: 1, 1>, padding_high = array<i64: 1, 1>, items = 8 : i64} : (tensor<?x6x6x4xf32>, tensor<1x16x4x8xf32>) -> tensor<?x6x6x8xf32>
    nn.yield %1 : tensor<?x6x6x8xf32>
  }
  return %0 : tensor<?x6x6x8xf32>
}

// Taps are transformed on the way: rows, which are three taps apart, then columns.
// CHECK-LABEL: halide.pipeline @winograd_conv_{{[0-9]+}} {
// CHECK: halide.func @filter_rows(%co, %k, %a, %j, %ci)
// CHECK: %[[ROW:.*]] = arith.addi %j, %c3
// CHECK: halide.at @in1[%co, %k, %[[ROW]], %ci]
// CHECK: halide.func @filter_points(%co, %k, %a, %b, %ci)
// CHECK: halide.at @filter_rows[%co, %k, %a, %c0{{[_0-9]*}}, %ci]
// CHECK: halide.update @sums(%n, %co, %t, %a, %b, %ci) over (%rc in 0 to 4)
// CHECK: halide.at @filter_points[%co, %rc, %a, %b, %ci]
func.func @taps(%x: tensor<?x6x6x4xf32>, %w: tensor<1x4x9x8xf32>) -> tensor<?x6x6x8xf32> {
  %0 = nn.group (%a = %x, %f = %w) : (tensor<?x6x6x4xf32>, tensor<1x4x9x8xf32>) -> tensor<?x6x6x8xf32> {
    %1 = nn.winograd_conv %a, %f {filters = 8 : i64, tile = 2 : i64, padding_low = array<i64: 1, 1>, padding_high = array<i64: 1, 1>} : (tensor<?x6x6x4xf32>, tensor<1x4x9x8xf32>) -> tensor<?x6x6x8xf32>
    nn.yield %1 : tensor<?x6x6x8xf32>
  }
  return %0 : tensor<?x6x6x8xf32>
}

// The filter is transformed along rows, then along columns.
// CHECK-LABEL: halide.pipeline @winograd_filter {
// CHECK: halide.func @filter_rows(%i, %b, %c, %o)
// CHECK: arith.cmpi eq, %i, %c2
// CHECK: halide.func @winograd_filter(
// CHECK: halide.at @filter_rows
// CHECK: halide.output @winograd_filter : tensor<4x4x4x8xf32>
func.func @filter(%w: tensor<3x3x4x8xf32>) -> tensor<4x4x4x8xf32> {
  %0 = nn.group (%a = %w) : (tensor<3x3x4x8xf32>) -> tensor<4x4x4x8xf32> {
    %1 = nn.winograd_filter %a {tile = 2 : i64} : (tensor<3x3x4x8xf32>) -> tensor<4x4x4x8xf32>
    nn.yield %1 : tensor<4x4x4x8xf32>
  }
  return %0 : tensor<4x4x4x8xf32>
}

// The adjoint with respect to the filter: both images by tiles, products of points summed over all items and tiles, and back
// to the taps by the transposed matrices. Tiles that lie inside their image are read from there.
// CHECK-LABEL: halide.pipeline @winograd_grad_filter {
// CHECK: halide.func @padded(%n, %y, %x, %c)
// CHECK: arith.minsi %n
// CHECK: halide.func @input_points(%n, %co, %t, %a, %b, %ci)
// CHECK-NOT: halide.func @padded
// CHECK: halide.func @gradient_rows(%n, %co, %t, %a, %j, %ci)
// CHECK: arith.minsi %n
// CHECK: halide.at @in1[
// CHECK: halide.func @gradient_points(%n, %co, %t, %a, %b, %ci)
// CHECK: halide.update @products(%a, %b, %c, %o) over (%rn in 0 to extent(@in1, 0), %rt in 0 to 9)
// CHECK-DAG: halide.at @input_points[%rn, %{{.*}}, %rt, %a, %b, %{{.*}}]
// CHECK-DAG: halide.at @gradient_points[%rn, %{{.*}}, %rt, %a, %b, %{{.*}}]
// CHECK: halide.func @filter_rows(%i, %b, %c, %o)
// CHECK: halide.func @winograd_grad_filter(
func.func @filter_gradient(%x: tensor<?x6x6x4xf32>, %g: tensor<?x6x6x8xf32>) -> tensor<3x3x4x8xf32> {
  %0 = nn.group (%a = %x, %f = %g) : (tensor<?x6x6x4xf32>, tensor<?x6x6x8xf32>) -> tensor<3x3x4x8xf32> {
    %1 = nn.winograd_grad_filter %a, %f {tile = 2 : i64, padding_low = array<i64: 1, 1>, padding_high = array<i64: 1, 1>} : (tensor<?x6x6x4xf32>, tensor<?x6x6x8xf32>) -> tensor<3x3x4x8xf32>
    nn.yield %1 : tensor<3x3x4x8xf32>
  }
  return %0 : tensor<3x3x4x8xf32>
}

// Those that overhang read zeros.
// CHECK-LABEL: halide.pipeline @winograd_grad_filter_{{[0-9]+}} {
// CHECK: halide.func @padded_gradient(%n, %y, %x, %c)
// CHECK: halide.func @gradient_rows(%n, %co, %t, %a, %j, %ci)
// CHECK-NOT: halide.at @in1[
// CHECK: halide.func @gradient_points
func.func @overhanging_gradient(%x: tensor<?x6x5x4xf32>, %g: tensor<?x6x5x8xf32>) -> tensor<3x3x4x8xf32> {
  %0 = nn.group (%a = %x, %f = %g) : (tensor<?x6x5x4xf32>, tensor<?x6x5x8xf32>) -> tensor<3x3x4x8xf32> {
    %1 = nn.winograd_grad_filter %a, %f {tile = 2 : i64, padding_low = array<i64: 1, 1>, padding_high = array<i64: 1, 1>} : (tensor<?x6x5x4xf32>, tensor<?x6x5x8xf32>) -> tensor<3x3x4x8xf32>
    nn.yield %1 : tensor<3x3x4x8xf32>
  }
  return %0 : tensor<3x3x4x8xf32>
}

// The taps of a pooling are written out: outputs of one tile, which are in registers. Its work counts for what it pools.
// CHECK-LABEL: halide.pipeline @winograd_conv_max_pool {
// CHECK: halide.func @winograd(%n, %y, %x, %c)
// CHECK: halide.func @max_pool(%n, %y, %x, %c)
// CHECK-COUNT-4: halide.at @winograd[
// CHECK: halide.output @max_pool
// CHECK: halide.call @winograd_conv_max_pool(%arg0, %arg1) {flops_per_element = 288 : i64
func.func @pooled(%x: tensor<?x6x6x4xf32>, %u: tensor<1x16x4x8xf32>) -> tensor<?x3x3x8xf32> {
  %0 = nn.group (%a = %x, %f = %u) : (tensor<?x6x6x4xf32>, tensor<1x16x4x8xf32>) -> tensor<?x3x3x8xf32> {
    %1 = nn.winograd_conv %a, %f {filters = 8 : i64, tile = 2 : i64, padding_low = array<i64: 1, 1>, padding_high = array<i64: 1, 1>} : (tensor<?x6x6x4xf32>, tensor<1x16x4x8xf32>) -> tensor<?x6x6x8xf32>
    %2 = nn.max_pool %1 {window = array<i64: 2, 2>, strides = array<i64: 2, 2>, dilations = array<i64: 1, 1>, padding_low = array<i64: 0, 0>, padding_high = array<i64: 0, 0>} : (tensor<?x6x6x8xf32>) -> tensor<?x3x3x8xf32>
    nn.yield %2 : tensor<?x3x3x8xf32>
  }
  return %0 : tensor<?x3x3x8xf32>
}
