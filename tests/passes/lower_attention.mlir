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
