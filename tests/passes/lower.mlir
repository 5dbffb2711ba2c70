// RUN: sylvite-opt %s -lower-to-halide | FileCheck %s

// The algorithm of each family. Groups with equal bodies share a pipeline.
// CHECK-LABEL: func.func @shape
// CHECK: halide.call @pad(%arg0) {{{.*}}shape = #[[PAD:.*]]} : (tensor<?x4x3xf32>) -> tensor<?x6x3xf32>
// CHECK: halide.call @slice(
// CHECK: halide.call @slice(

// A grouped convolution reads the channels of its filter's group; the epilogue is a func of its own.
// CHECK: halide.pipeline @conv_map {
// CHECK-NEXT: halide.input @in0 : tensor<?x9x9x8xf32>
// CHECK-NEXT: halide.input @in1 : tensor<3x3x4x16xf32>
// CHECK-NEXT: halide.input @in2 : tensor<16xf32>
// CHECK: halide.update @conv(%n, %y, %x, %c) over (%ry in 0 to 3, %rx in 0 to 3, %rc in 0 to 4) {
// CHECK: %[[Y2:.*]] = arith.muli %y, %c2
// CHECK: %[[Y:.*]] = arith.addi %[[Y2]], %ry
// CHECK: %[[X:.*]] = arith.addi %{{.*}}, %rx
// CHECK: %[[GROUP:.*]] = arith.floordivsi %c, %c8
// CHECK: %[[FIRST:.*]] = arith.muli %[[GROUP]], %c4
// CHECK: %[[CHANNEL:.*]] = arith.addi %[[FIRST]], %rc
// CHECK: halide.at @in1[%ry, %rx, %rc, %c]
// CHECK: halide.at @in0[%n, %[[Y]], %[[X]], %[[CHANNEL]]]
// CHECK: halide.at @conv[%n, %y, %x, %c]
// CHECK: halide.func @map(%n, %y, %x, %c) -> f32 {
// CHECK: halide.at @in2[%c]
// CHECK: halide.output @map : tensor<?x4x4x16xf32>

// Taps on the padding are skipped by a predicate.
// CHECK: halide.pipeline @max_pool {
// CHECK: arith.constant 0xFF800000 : f32
// CHECK: halide.update @max_pool(%n, %y, %x, %c) over (%ry in 0 to 2, %rx in 0 to 2) where {
// CHECK: arith.cmpi slt, %{{.*}}, %c5
// CHECK: halide.yield %{{.*}} : i1
// CHECK: arith.maximumf
// CHECK: halide.output @out

// The mean divides by the taps that there are.
// CHECK: halide.pipeline @avg_pool {
// CHECK: halide.update @window_sum
// CHECK: halide.func @avg_pool
// CHECK: %[[COUNT:.*]] = arith.sitofp
// CHECK: arith.divf %{{.*}}, %[[COUNT]]

// CHECK: halide.pipeline @pad {
// CHECK: %[[VALUE:.*]] = halide.at @in0[%n, %{{.*}}, %c]
// CHECK: arith.select %{{.*}}, %[[VALUE]], %cst

// CHECK: halide.pipeline @concat {
// CHECK: halide.yield %{{.*}} at [%n, %x, %rc] : f32
// CHECK: %[[PLACE:.*]] = arith.addi %rc, %c3
// CHECK: halide.yield %{{.*}} at [%n, %x, %[[PLACE]]] : f32

// Indices are clamped to the data.
// CHECK: halide.pipeline @gather {
// CHECK: %[[ROW:.*]] = arith.minsi %{{.*}}, %c6
// CHECK: halide.at @in0[%[[ROW]], %c]

// CHECK: halide.pipeline @slice {
// CHECK: %[[BACK:.*]] = arith.muli %x, %c-2
// CHECK: arith.addi %[[BACK]], %c3

// CHECK: halide.pipeline @reduce {
// CHECK: halide.update @total(%c) over (%r0 in 0 to 64)
// CHECK: halide.func @reduce(%n, %c) -> f32 {
// CHECK: halide.at @total[%n]
// CHECK: arith.divf %{{.*}}, %cst

// CHECK: halide.pipeline @layer_norm {
// CHECK: halide.update @row_sum
// CHECK: halide.func @mean
// CHECK: halide.update @square_sum
// CHECK: halide.func @scale
// CHECK: math.sqrt
// CHECK: halide.output @layer_norm
// CHECK-NOT: halide.pipeline
func.func @conv(%x: tensor<?x9x9x8xf32>, %w: tensor<3x3x4x16xf32>, %b: tensor<16xf32>) -> tensor<?x4x4x16xf32> {
  %0 = nn.group (%a = %x, %f = %w, %c = %b) : (tensor<?x9x9x8xf32>, tensor<3x3x4x16xf32>, tensor<16xf32>) -> tensor<?x4x4x16xf32> {
    %1 = nn.conv %a, %f {strides = array<i64: 2, 2>, dilations = array<i64: 1, 1>, padding_low = array<i64: 0, 0>, padding_high = array<i64: 0, 0>, groups = 2 : i64} : (tensor<?x9x9x8xf32>, tensor<3x3x4x16xf32>) -> tensor<?x4x4x16xf32>
    %2 = nn.map (%1, %c) : (tensor<?x4x4x16xf32>, tensor<16xf32>) -> tensor<?x4x4x16xf32> {
    ^bb0(%e: f32, %g: f32):
      %s = arith.addf %e, %g : f32
      nn.yield %s : f32
    }
    nn.yield %2 : tensor<?x4x4x16xf32>
  }
  return %0 : tensor<?x4x4x16xf32>
}
func.func @pool(%x: tensor<?x5x5x3xf32>) -> (tensor<?x3x3x3xf32>, tensor<?x3x3x3xf32>) {
  %0 = nn.group (%a = %x) : (tensor<?x5x5x3xf32>) -> tensor<?x3x3x3xf32> {
    %1 = nn.max_pool %a {window = array<i64: 2, 2>, strides = array<i64: 2, 2>, dilations = array<i64: 1, 1>, padding_low = array<i64: 0, 0>, padding_high = array<i64: 1, 1>} : (tensor<?x5x5x3xf32>) -> tensor<?x3x3x3xf32>
    nn.yield %1 : tensor<?x3x3x3xf32>
  }
  %2 = nn.group (%a = %x) : (tensor<?x5x5x3xf32>) -> tensor<?x3x3x3xf32> {
    %1 = nn.avg_pool %a {window = array<i64: 2, 2>, strides = array<i64: 2, 2>, dilations = array<i64: 1, 1>, padding_low = array<i64: 0, 0>, padding_high = array<i64: 1, 1>} : (tensor<?x5x5x3xf32>) -> tensor<?x3x3x3xf32>
    nn.yield %1 : tensor<?x3x3x3xf32>
  }
  return %0, %2 : tensor<?x3x3x3xf32>, tensor<?x3x3x3xf32>
}
func.func @shape(%x: tensor<?x4x3xf32>, %i: tensor<5xi32>, %t: tensor<7x3xf32>) {
  %0 = nn.group (%a = %x) : (tensor<?x4x3xf32>) -> tensor<?x6x3xf32> {
    %1 = nn.pad %a low [0, 1, 0] high [0, 1, 0] : (tensor<?x4x3xf32>) -> tensor<?x6x3xf32>
    nn.yield %1 : tensor<?x6x3xf32>
  }
  %2 = nn.group (%a = %x) : (tensor<?x4x3xf32>) -> tensor<?x4x6xf32> {
    %1 = nn.concat %a, %a dim 2 : (tensor<?x4x3xf32>, tensor<?x4x3xf32>) -> tensor<?x4x6xf32>
    nn.yield %1 : tensor<?x4x6xf32>
  }
  %3 = nn.group (%a = %t, %b = %i) : (tensor<7x3xf32>, tensor<5xi32>) -> tensor<5x3xf32> {
    %1 = nn.gather %a, %b dim 0 : (tensor<7x3xf32>, tensor<5xi32>) -> tensor<5x3xf32>
    nn.yield %1 : tensor<5x3xf32>
  }
  %4 = nn.group (%a = %x) : (tensor<?x4x3xf32>) -> tensor<?x2x3xf32> {
    %1 = nn.slice %a starts [0, 3, 0] sizes [-1, 2, 3] strides [1, -2, 1] : (tensor<?x4x3xf32>) -> tensor<?x2x3xf32>
    nn.yield %1 : tensor<?x2x3xf32>
  }
  %5 = nn.group (%a = %x) : (tensor<?x4x3xf32>) -> tensor<?x2x3xf32> {
    %1 = nn.slice %a starts [0, 3, 0] sizes [-1, 2, 3] strides [1, -2, 1] : (tensor<?x4x3xf32>) -> tensor<?x2x3xf32>
    nn.yield %1 : tensor<?x2x3xf32>
  }
  return
}
func.func @norm(%x: tensor<?x64xf32>) -> (tensor<?x1xf32>, tensor<?x64xf32>) {
  %0 = nn.group (%a = %x) : (tensor<?x64xf32>) -> tensor<?x1xf32> {
    %1 = nn.reduce mean %a dims [1] keep_dims : (tensor<?x64xf32>) -> tensor<?x1xf32>
    nn.yield %1 : tensor<?x1xf32>
  }
  %2 = nn.group (%a = %x) : (tensor<?x64xf32>) -> tensor<?x64xf32> {
    %1 = nn.layer_norm %a dims [1] epsilon 1.0e-3 : (tensor<?x64xf32>) -> tensor<?x64xf32>
    nn.yield %1 : tensor<?x64xf32>
  }
  return %0, %2 : tensor<?x1xf32>, tensor<?x64xf32>
}
