// RUN: sylvite-opt %s -lower-to-halide | FileCheck %s

// Tiles of a free width are numbered down the image, three to a column.
// CHECK-LABEL: halide.pipeline @winograd_conv {
// CHECK: halide.func @input_rows(%n, %co, %t, %a, %j, %ci)
// CHECK-NEXT: %[[THREE:.*]] = arith.constant 3
// CHECK-NEXT: arith.floordivsi %t, %[[THREE]]
// CHECK: halide.func @winograd(%n, %y, %x, %c)
// CHECK: %[[COLUMN:.*]] = arith.floordivsi %x
// CHECK: %[[ROW:.*]] = arith.floordivsi %y
// CHECK: %[[FIRST:.*]] = arith.muli %[[COLUMN]], %c3
// CHECK: %[[TILE:.*]] = arith.addi %[[FIRST]], %[[ROW]]
// CHECK: halide.at @output_tiles[%n, %[[TILE]], %{{.*}}, %{{.*}}, %c]
func.func @columns(%x: tensor<?x6x?x4xf32>, %u: tensor<1x16x4x8xf32>) -> tensor<?x6x?x8xf32> {
  %0 = nn.group (%a = %x, %f = %u) : (tensor<?x6x?x4xf32>, tensor<1x16x4x8xf32>) -> tensor<?x6x?x8xf32> {
    %1 = nn.winograd_conv %a, %f {filters = 8 : i64, tile = 2 : i64, padding_low = array<i64: 1, 1>, padding_high = array<i64: 1, 1>} : (tensor<?x6x?x4xf32>, tensor<1x16x4x8xf32>) -> tensor<?x6x?x8xf32>
    nn.yield %1 : tensor<?x6x?x8xf32>
  }
  return %0 : tensor<?x6x?x8xf32>
}

// Of a free height, too, in strips of four, whose number is a variable of its own.
// CHECK-LABEL: halide.pipeline @winograd_conv_0 {
// CHECK: halide.func @input_rows(%n, %s, %co, %t, %a, %j, %ci)
// CHECK: halide.func @input_points(%n, %s, %co, %t, %a, %b, %ci)
// CHECK: halide.at @input_rows[%n, %s, %co, %t, %a, %c0{{[_0-9]*}}, %ci]
// CHECK: halide.update @sums(%n, %s, %co, %t, %a, %b, %ci) over (%rc in 0 to 4)
// CHECK: halide.func @winograd(%n, %y, %x, %c)
// CHECK: %[[COLUMN:.*]] = arith.floordivsi %x
// CHECK: %[[STRIP:.*]] = arith.floordivsi %[[COLUMN]], %c4
// CHECK: halide.at @output_tiles[%n, %[[STRIP]], %{{.*}}, %{{.*}}, %{{.*}}, %c]
func.func @strips(%x: tensor<?x?x?x4xf32>, %u: tensor<1x16x4x8xf32>) -> tensor<?x?x?x8xf32> {
  %0 = nn.group (%a = %x, %f = %u) : (tensor<?x?x?x4xf32>, tensor<1x16x4x8xf32>) -> tensor<?x?x?x8xf32> {
    %1 = nn.winograd_conv %a, %f {filters = 8 : i64, tile = 2 : i64, padding_low = array<i64: 1, 1>, padding_high = array<i64: 1, 1>} : (tensor<?x?x?x4xf32>, tensor<1x16x4x8xf32>) -> tensor<?x?x?x8xf32>
    nn.yield %1 : tensor<?x?x?x8xf32>
  }
  return %0 : tensor<?x?x?x8xf32>
}
