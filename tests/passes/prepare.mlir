// RUN: sylvite-opt %s -nn-prepare | FileCheck %s

// What depends on parameters only moves into @prepare; its result is a parameter of the model.
// CHECK: nn.parameter trainable @w
// CHECK: func.func @prepare() -> (tensor<8x4xf32> {nn.name = "prepared/0"}) {
// CHECK-NEXT: %[[W:.*]] = nn.get @w
// CHECK-NEXT: %[[T:.*]] = nn.transpose %[[W]] [1, 0]
// CHECK-NEXT: return %[[T]]
// CHECK: nn.parameter @"prepared/0" : tensor<8x4xf32>{{$}}
// CHECK: func.func @forward
// CHECK-NOT: nn.get @w
// CHECK: %[[P:.*]] = nn.get @"prepared/0" : tensor<8x4xf32>
// CHECK-NOT: nn.transpose
// CHECK: nn.matmul %arg0, %[[P]]
nn.parameter trainable @w : tensor<4x8xf32>
func.func @forward(%x: tensor<?x8xf32>) -> tensor<?x4xf32> {
  %w = nn.get @w : tensor<4x8xf32>
  %0 = nn.transpose %w [1, 0] : (tensor<4x8xf32>) -> tensor<8x4xf32>
  %1 = nn.matmul %x, %0 : (tensor<?x8xf32>, tensor<8x4xf32>) -> tensor<?x4xf32>
  return %1 : tensor<?x4xf32>
}
