// RUN: sylvite-opt %s -lower-to-halide -split-input-file | FileCheck %s

// Gathers: without dilation a loop over the windows that may reach a position; the tap follows. Filter columns are
// (output, input).
// CHECK-LABEL: halide.pipeline @conv_transpose_0 {
// CHECK: halide.update @conv_transpose(%n, %y, %x, %c) over (%ry in 0 to 2, %rx in 0 to 2, %rc in 0 to 3) where {
// CHECK: %[[LAST:.*]] = arith.floordivsi %y, %c2
// CHECK: %[[WINDOW:.*]] = arith.subi %[[LAST]], %ry
// CHECK: %[[START:.*]] = arith.muli %[[WINDOW]], %c2
// CHECK: %[[TAP:.*]] = arith.subi %y, %[[START]]
// CHECK: arith.cmpi slt, %[[TAP]], %c3
// CHECK: arith.cmpi slt, %[[WINDOW]], %c4
// CHECK: arith.cmpi sge, %[[WINDOW]], %c0
// CHECK: } {
// CHECK: halide.at @in1[%{{.*}}, %{{.*}}, %c, %rc]
// CHECK: halide.at @in0[%n, %{{.*}}, %{{.*}}, %rc]
// CHECK: halide.at @conv_transpose[%n, %y, %x, %c]
// CHECK: arith.mulf
// CHECK: arith.addf
// CHECK: halide.output @out : tensor<?x9x9x5xf32>
func.func @conv_transpose(%x: tensor<?x4x4x3xf32>, %w: tensor<3x3x5x3xf32>) -> tensor<?x9x9x5xf32> {
  %0 = nn.group (%a = %x, %f = %w) : (tensor<?x4x4x3xf32>, tensor<3x3x5x3xf32>) -> tensor<?x9x9x5xf32> {
    %1 = nn.conv_transpose %a, %f {strides = array<i64: 2, 2>, dilations = array<i64: 1, 1>, padding_low = array<i64: 0, 0>, padding_high = array<i64: 0, 0>, output_padding = array<i64: 0, 0>} : (tensor<?x4x4x3xf32>, tensor<3x3x5x3xf32>) -> tensor<?x9x9x5xf32>
    nn.yield %1 : tensor<?x9x9x5xf32>
  }
  return %0 : tensor<?x9x9x5xf32>
}

// -----

// Taps are a dilation apart, outputs a stride; without padding there is no predicate.
// CHECK-LABEL: halide.pipeline @conv {
// CHECK: halide.update @conv(%n, %x, %c) over (%rx in 0 to 3, %rc in 0 to 2) {
// CHECK: %[[TAP:.*]] = arith.muli %rx, %c2
// CHECK: %[[START:.*]] = arith.muli %x, %c2
// CHECK: %[[X:.*]] = arith.addi %[[START]], %[[TAP]]
// CHECK: halide.at @in1[%rx, %rc, %c]
// CHECK: halide.at @in0[%n, %[[X]], %rc]
func.func @dilated(%x: tensor<?x9x2xf32>, %w: tensor<3x2x4xf32>) -> tensor<?x3x4xf32> {
  %0 = nn.group (%a = %x, %f = %w) : (tensor<?x9x2xf32>, tensor<3x2x4xf32>) -> tensor<?x3x4xf32> {
    %1 = nn.conv %a, %f {strides = array<i64: 2>, dilations = array<i64: 2>, padding_low = array<i64: 0>, padding_high = array<i64: 0>} : (tensor<?x9x2xf32>, tensor<3x2x4xf32>) -> tensor<?x3x4xf32>
    nn.yield %1 : tensor<?x3x4xf32>
  }
  return %0 : tensor<?x3x4xf32>
}

// -----

// The gradient of a filter sums over items and positions; an output channel reads the channels of its group.
// CHECK-LABEL: halide.pipeline @conv_grad_filter {
// CHECK: halide.update @conv_grad_filter(%n, %x, %c) over (%rn in 0 to extent(@in1, 0), %rx in 0 to 4) {
// CHECK: %[[START:.*]] = arith.muli %rx, %c2
// CHECK: %[[AT:.*]] = arith.addi %[[START]], %n
// CHECK: %[[GROUP:.*]] = arith.floordivsi %c, %c3
// CHECK: %[[FIRST:.*]] = arith.muli %[[GROUP]], %c2
// CHECK: %[[CHANNEL:.*]] = arith.addi %[[FIRST]], %x
// CHECK: halide.at @in1[%rn, %rx, %c]
// CHECK: halide.at @in0[%rn, %[[AT]], %[[CHANNEL]]]
func.func @grad_filter(%x: tensor<?x9x4xf32>, %g: tensor<?x4x6xf32>) -> tensor<3x2x6xf32> {
  %0 = nn.group (%a = %x, %b = %g) : (tensor<?x9x4xf32>, tensor<?x4x6xf32>) -> tensor<3x2x6xf32> {
    %1 = nn.conv_grad_filter %a, %b {window = array<i64: 3>, strides = array<i64: 2>, dilations = array<i64: 1>, padding_low = array<i64: 0>, padding_high = array<i64: 0>, groups = 2} : (tensor<?x9x4xf32>, tensor<?x4x6xf32>) -> tensor<3x2x6xf32>
    nn.yield %1 : tensor<3x2x6xf32>
  }
  return %0 : tensor<3x2x6xf32>
}

// One position for each item: tiles run along the items, and do not read beyond a free number of them. One item has a kernel of
// its own.
// CHECK-LABEL: halide.pipeline @packed_conv {
// CHECK: halide.input @in0 : tensor<?x4x8xf32>
// CHECK: halide.update @conv(%n, %x, %c)
// CHECK: %[[ITEMS:.*]] = halide.extent @in0, 0
// CHECK: %[[LAST:.*]] = arith.addi %[[ITEMS]], %{{.*}}
// CHECK: %[[ITEM:.*]] = arith.minsi %n, %[[LAST]]
// CHECK: halide.at @in0[%[[ITEM]], %{{.*}}, %rc]
// CHECK: halide.pipeline @packed_conv_{{[0-9]+}} {
// CHECK-NEXT: halide.input @in0 : tensor<1x4x8xf32>
// CHECK: halide.at @in0[%n, %{{.*}}, %rc]
func.func @one_position(%x: tensor<?x4x8xf32>, %w: tensor<1x1x3x8x16xf32>) -> tensor<?x1x16xf32> {
  %0 = nn.group (%a = %x, %f = %w) : (tensor<?x4x8xf32>, tensor<1x1x3x8x16xf32>) -> tensor<?x1x16xf32> {
    %1 = nn.packed_conv %a, %f {dilations = array<i64: 1>, filters = 16 : i64, strides = array<i64: 2>} : (tensor<?x4x8xf32>, tensor<1x1x3x8x16xf32>) -> tensor<?x1x16xf32>
    nn.yield %1 : tensor<?x1x16xf32>
  }
  return %0 : tensor<?x1x16xf32>
}

// -----

// Padding on the way reads within its input: positions of the window are not clamped once more, to a size that is nowhere.
// CHECK-LABEL: halide.pipeline @pad_conv {
// CHECK: halide.extent @in0, 1
// CHECK: halide.update @conv
// CHECK-NOT: halide.extent
// CHECK: halide.output
func.func @padded(%x: tensor<?x?x8xf32>, %d: tensor<3x1x8xf32>) -> tensor<?x?x8xf32> {
  %0 = nn.group (%a = %x, %f = %d) : (tensor<?x?x8xf32>, tensor<3x1x8xf32>) -> tensor<?x?x8xf32> {
    %1 = nn.pad %a low [0, 1, 0] high [0, 1, 0] : (tensor<?x?x8xf32>) -> tensor<?x?x8xf32>
    %2 = nn.conv %1, %f {strides = array<i64: 1>, dilations = array<i64: 1>, padding_low = array<i64: 0>, padding_high = array<i64: 0>, groups = 8 : i64} : (tensor<?x?x8xf32>, tensor<3x1x8xf32>) -> tensor<?x?x8xf32>
    nn.yield %2 : tensor<?x?x8xf32>
  }
  return %0 : tensor<?x?x8xf32>
}

// -----

// Rows that lie outside the image are not summed; columns are read as zeros.
// CHECK-LABEL: halide.pipeline @pad_conv {
// CHECK: halide.update @conv(%n, %y, %x, %c) over (%ry in 0 to 3, %rx in 0 to 3, %rc in 0 to 1) where {
// CHECK: %[[SUM:.*]] = arith.addi %y, %ry
// CHECK: %[[ROW:.*]] = arith.addi %[[SUM]], %c-1
// CHECK-DAG: arith.cmpi slt, %[[ROW]], %c7
// CHECK-DAG: arith.cmpi sge, %[[ROW]], %c0
// CHECK: halide.yield %{{.*}} : i1
// CHECK-NEXT: } {
// CHECK: halide.at @pad[
func.func @rows_outside(%x: tensor<?x7x7x8xf32>, %d: tensor<3x3x1x8xf32>) -> tensor<?x7x7x8xf32> {
  %0 = nn.group (%a = %x, %f = %d) : (tensor<?x7x7x8xf32>, tensor<3x3x1x8xf32>) -> tensor<?x7x7x8xf32> {
    %1 = nn.pad %a low [0, 1, 1, 0] high [0, 1, 1, 0] : (tensor<?x7x7x8xf32>) -> tensor<?x9x9x8xf32>
    %2 = nn.conv %1, %f {strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, padding_low = array<i64: 0, 0>, padding_high = array<i64: 0, 0>, groups = 8 : i64} : (tensor<?x9x9x8xf32>, tensor<3x3x1x8xf32>) -> tensor<?x7x7x8xf32>
    nn.yield %2 : tensor<?x7x7x8xf32>
  }
  return %0 : tensor<?x7x7x8xf32>
}

// -----

// What surrounds the image is no zero: all taps count.
// CHECK-LABEL: halide.pipeline @pad_conv {
// CHECK: halide.update @conv(%n, %y, %x, %c) over (%ry in 0 to 3, %rx in 0 to 3, %rc in 0 to 1) {
func.func @reflected(%x: tensor<?x7x7x8xf32>, %d: tensor<3x3x1x8xf32>) -> tensor<?x7x7x8xf32> {
  %0 = nn.group (%a = %x, %f = %d) : (tensor<?x7x7x8xf32>, tensor<3x3x1x8xf32>) -> tensor<?x7x7x8xf32> {
    %1 = nn.pad %a low [0, 1, 1, 0] high [0, 1, 1, 0] {mode = 2 : i32} : (tensor<?x7x7x8xf32>) -> tensor<?x9x9x8xf32>
    %2 = nn.conv %1, %f {strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, padding_low = array<i64: 0, 0>, padding_high = array<i64: 0, 0>, groups = 8 : i64} : (tensor<?x9x9x8xf32>, tensor<3x3x1x8xf32>) -> tensor<?x7x7x8xf32>
    nn.yield %2 : tensor<?x7x7x8xf32>
  }
  return %0 : tensor<?x7x7x8xf32>
}

// -----

// A window of one position is a product: only channels are summed.
// CHECK-LABEL: halide.pipeline @packed_conv {
// CHECK: halide.update @conv(%n, %y, %x, %c) over (%rc in 0 to 8) {
func.func @pointwise(%x: tensor<?x9x9x8xf32>, %w: tensor<1x1x1x1x8x16xf32>) -> tensor<?x5x5x16xf32> {
  %0 = nn.group (%a = %x, %f = %w) : (tensor<?x9x9x8xf32>, tensor<1x1x1x1x8x16xf32>) -> tensor<?x5x5x16xf32> {
    %1 = nn.packed_conv %a, %f {dilations = array<i64: 1, 1>, filters = 16 : i64, strides = array<i64: 2, 2>} : (tensor<?x9x9x8xf32>, tensor<1x1x1x1x8x16xf32>) -> tensor<?x5x5x16xf32>
    nn.yield %1 : tensor<?x5x5x16xf32>
  }
  return %0 : tensor<?x5x5x16xf32>
}
