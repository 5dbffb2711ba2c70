// RUN: sylvite-opt %s -lower-to-halide | FileCheck %s

// The last panel of a free number of keys reaches beyond the last one: there the mask's last element is read, and the score dropped.
// CHECK-LABEL: halide.pipeline @attention {
// CHECK: halide.func @keys(
// CHECK: %[[KEYS:.*]] = halide.extent @in1, 3
// CHECK: %[[LAST:.*]] = arith.addi %[[KEYS]], %c-1
// CHECK: arith.minsi %{{.*}}, %[[LAST]]
// CHECK: halide.func @scores(%n, %y, %x, %c)
// CHECK: %[[KEYS:.*]] = halide.extent @in1, 3
// CHECK: %[[LAST:.*]] = arith.addi %[[KEYS]], %c-1
// CHECK: %[[KEY:.*]] = arith.minsi %c, %[[LAST]]
// CHECK: halide.at @in3[%{{.*}}, %{{.*}}, %{{.*}}, %[[KEY]]]
func.func @free_keys(%q: tensor<?x4x20x8xf32>, %k: tensor<?x4x8x?xf32>, %v: tensor<?x4x?x8xf32>, %m: tensor<?x1x20x?xf32>) -> tensor<?x4x20x8xf32> {
  %0 = nn.group (%a = %q, %b = %k, %c = %v, %d = %m) : (tensor<?x4x20x8xf32>, tensor<?x4x8x?xf32>, tensor<?x4x?x8xf32>, tensor<?x1x20x?xf32>) -> tensor<?x4x20x8xf32> {
    %1 = nn.attention %a, %b, %c scores(%d) {key_panel = 8 : i64, value_panel = 8 : i64} : (tensor<?x4x20x8xf32>, tensor<?x4x8x?xf32>, tensor<?x4x?x8xf32>, tensor<?x1x20x?xf32>) -> tensor<?x4x20x8xf32> {
    ^bb0(%s: f32, %e: f32):
      %t = arith.addf %s, %e : f32
      nn.yield %t : f32
    }
    nn.yield %1 : tensor<?x4x20x8xf32>
  }
  return %0 : tensor<?x4x20x8xf32>
}

// Keys in blocks: each has a maximum and a sum of its own, over its panels; of the last block, those that have keys. Values of keys
// beyond the last one weigh nothing.
// CHECK-LABEL: halide.pipeline @attention_0 {
// CHECK: halide.func @scores(
// CHECK: %[[LOWEST:.*]] = arith.constant 0xFF800000
// CHECK: %[[KEYS:.*]] = halide.extent @in1, 3
// CHECK: %[[IS_KEY:.*]] = arith.cmpi slt, %c, %[[KEYS]]
// CHECK-NEXT: arith.select %[[IS_KEY]], %{{.*}}, %[[LOWEST]]
// CHECK: halide.func @row_max(%n, %y, %x, %c) -> f32
// CHECK-NEXT: arith.constant -3.40282347E+38
// CHECK: halide.update @row_max(%n, %y, %x, %c) over (%rp in 0 to 8, %rj in 0 to 8) where {
// CHECK: halide.func @weights(
// CHECK: %[[BLOCK:.*]] = arith.floordivsi %c, %c64
// CHECK: halide.at @row_max[%n, %y, %x, %[[BLOCK]]]
// CHECK: halide.update @row_sum(%n, %y, %x, %c) over (%rp in 0 to 8, %rj in 0 to 8) where {
// CHECK: halide.func @values(
// CHECK: %[[KEYS:.*]] = halide.extent @in2, 2
// CHECK: %[[LAST:.*]] = arith.addi %[[KEYS]], %c-1
// CHECK: arith.minsi %{{.*}}, %[[LAST]]
// CHECK: halide.update @weighted(%n, %z, %y, %x, %c) over (%rp in 0 to 8, %rj in 0 to 8) where {
// What a row has so far: values, the greatest score, the sum of weights.
// CHECK: halide.func @online(%n, %y, %x, %c) -> (f32, f32, f32) {
// CHECK: halide.update @online(%n, %y, %x, %c) over (%rb in 0 to extent(@in1, 3) ceildiv 64) {
// CHECK: %[[BEFORE:.*]]:3 = halide.at @online[%n, %y, %x, %c] : f32, f32, f32
// CHECK: %[[NEXT:.*]] = halide.at @row_max[%n, %y, %x, %rb]
// CHECK: %[[FACTOR:.*]] = math.exp
// CHECK: %[[RISES:.*]] = arith.cmpf ogt, %[[NEXT]], %[[BEFORE]]#1
// CHECK: arith.select %[[RISES]], %[[FACTOR]], %
// CHECK: halide.func @attention(
// CHECK: %[[ROW:.*]]:3 = halide.at @online[%n, %y, %x, %c]
// CHECK: arith.divf %[[ROW]]#0, %[[ROW]]#2
func.func @blocks(%q: tensor<?x4x20x8xf32>, %k: tensor<?x4x8x?xf32>, %v: tensor<?x4x?x8xf32>) -> tensor<?x4x20x8xf32> {
  %0 = nn.group (%a = %q, %b = %k, %c = %v) : (tensor<?x4x20x8xf32>, tensor<?x4x8x?xf32>, tensor<?x4x?x8xf32>) -> tensor<?x4x20x8xf32> {
    %1 = nn.attention %a, %b, %c scores() {key_block = 64 : i64, key_panel = 8 : i64, value_panel = 8 : i64} : (tensor<?x4x20x8xf32>, tensor<?x4x8x?xf32>, tensor<?x4x?x8xf32>) -> tensor<?x4x20x8xf32> {
    ^bb0(%s: f32):
      nn.yield %s : f32
    }
    nn.yield %1 : tensor<?x4x20x8xf32>
  }
  return %0 : tensor<?x4x20x8xf32>
}
