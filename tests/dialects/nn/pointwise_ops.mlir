// RUN: sylvite-opt %s | sylvite-opt | FileCheck %s

// Operands of fewer dimensions, of size one and of other element types; a result of another type.
// CHECK-LABEL: func.func @broadcast
// CHECK: nn.map(%{{.*}}, %{{.*}}, %{{.*}}) : (tensor<?x4x3xf32>, tensor<3xf32>, tensor<4x1xi32>) -> tensor<?x4x3xi1> {
// CHECK-NEXT: ^bb0(%[[A:.*]]: f32, %[[B:.*]]: f32, %[[C:.*]]: i32):
// CHECK-NEXT: %[[F:.*]] = arith.sitofp %[[C]] : i32 to f32
// CHECK-NEXT: %[[S:.*]] = arith.addf %[[A]], %[[F]] : f32
// CHECK-NEXT: %[[G:.*]] = arith.cmpf ogt, %[[S]], %[[B]] : f32
// CHECK-NEXT: nn.yield %[[G]] : i1
func.func @broadcast(%x: tensor<?x4x3xf32>, %y: tensor<3xf32>, %z: tensor<4x1xi32>) -> tensor<?x4x3xi1> {
  %0 = nn.map (%x, %y, %z) : (tensor<?x4x3xf32>, tensor<3xf32>, tensor<4x1xi32>) -> tensor<?x4x3xi1> {
  ^bb0(%a: f32, %b: f32, %c: i32):
    %f = arith.sitofp %c : i32 to f32
    %s = arith.addf %a, %f : f32
    %g = arith.cmpf ogt, %s, %b : f32
    nn.yield %g : i1
  }
  return %0 : tensor<?x4x3xi1>
}

// CHECK-LABEL: func.func @scalar
// CHECK: nn.map(%{{.*}}) : (tensor<f32>) -> tensor<f32>
func.func @scalar(%x: tensor<f32>) -> tensor<f32> {
  %0 = nn.map (%x) : (tensor<f32>) -> tensor<f32> {
  ^bb0(%a: f32):
    %t = math.tanh %a : f32
    nn.yield %t : f32
  }
  return %0 : tensor<f32>
}
