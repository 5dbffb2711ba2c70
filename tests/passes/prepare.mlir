// RUN: sylvite-opt %s -split-input-file -nn-prepare | FileCheck %s

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

// -----

// What a function replaces is not constant; what several functions compute alike is computed once.
// CHECK: func.func @prepare() -> (tensor<8x4xf32> {nn.name = "prepared/0"}) {
// CHECK-NEXT: nn.get @frozen
// CHECK-NEXT: nn.transpose
// CHECK-NEXT: return
// CHECK: func.func @forward
// CHECK: nn.get @"prepared/0"
// CHECK: func.func @step
// CHECK: %[[M:.*]] = nn.get @moving
// CHECK: nn.get @"prepared/0"
// CHECK: nn.transpose %[[M]] [1, 0]
nn.parameter @frozen : tensor<4x8xf32>
nn.parameter trainable @moving : tensor<4x8xf32>
func.func @forward(%x: tensor<?x8xf32>) -> tensor<?x4xf32> {
  %w = nn.get @frozen : tensor<4x8xf32>
  %0 = nn.transpose %w [1, 0] : (tensor<4x8xf32>) -> tensor<8x4xf32>
  %1 = nn.matmul %x, %0 : (tensor<?x8xf32>, tensor<8x4xf32>) -> tensor<?x4xf32>
  return %1 : tensor<?x4xf32>
}
func.func @step(%x: tensor<?x8xf32>) -> (tensor<?x4xf32>, tensor<?x4xf32>, tensor<4x8xf32> {nn.update = "moving"}) {
  %w = nn.get @frozen : tensor<4x8xf32>
  %m = nn.get @moving : tensor<4x8xf32>
  %0 = nn.transpose %w [1, 0] : (tensor<4x8xf32>) -> tensor<8x4xf32>
  %1 = nn.matmul %x, %0 : (tensor<?x8xf32>, tensor<8x4xf32>) -> tensor<?x4xf32>
  %2 = nn.transpose %m [1, 0] : (tensor<4x8xf32>) -> tensor<8x4xf32>
  %3 = nn.matmul %x, %2 : (tensor<?x8xf32>, tensor<8x4xf32>) -> tensor<?x4xf32>
  return %1, %3, %m : tensor<?x4xf32>, tensor<?x4xf32>, tensor<4x8xf32>
}

// -----

// Two results of one kernel are not the same.
// CHECK: func.func @prepare() -> (tensor<4x1xf32> {nn.name = "prepared/0"}, tensor<4x1xf32> {nn.name = "prepared/1"}) {
// CHECK: %[[BOTH:.*]]:2 = nn.group
// CHECK: %[[A:.*]] = nn.reshape %[[BOTH]]#0
// CHECK: %[[B:.*]] = nn.reshape %[[BOTH]]#1
// CHECK: return %[[A]], %[[B]]
nn.parameter @w : tensor<4xf32>
func.func @forward(%x: tensor<4x8xf32>) -> tensor<4x8xf32> {
  %w = nn.get @w : tensor<4xf32>
  %0:2 = nn.group (%v = %w) : (tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>) {
    %4 = nn.map (%v) : (tensor<4xf32>) -> tensor<4xf32> {
    ^bb0(%a: f32):
      %s = math.exp %a : f32
      nn.yield %s : f32
    }
    nn.yield %4, %v : tensor<4xf32>, tensor<4xf32>
  }
  %1 = nn.reshape %0#0 from [0, -1] : tensor<4xf32> to tensor<4x1xf32>
  %2 = nn.reshape %0#1 from [0, -1] : tensor<4xf32> to tensor<4x1xf32>
  %3 = nn.map (%x, %1, %2) : (tensor<4x8xf32>, tensor<4x1xf32>, tensor<4x1xf32>) -> tensor<4x8xf32> {
  ^bb0(%a: f32, %b: f32, %c: f32):
    %s = arith.mulf %a, %b : f32
    %t = arith.addf %s, %c : f32
    nn.yield %t : f32
  }
  return %3 : tensor<4x8xf32>
}

// -----

// So does what a branch computes of parameters only.
// CHECK: func.func @prepare() -> (tensor<8x4xf32> {nn.name = "prepared/0"}) {
// CHECK: nn.transpose
// CHECK: func.func @forward
// CHECK-NOT: nn.transpose
// CHECK: nn.if
// CHECK-NEXT: %[[P:.*]] = nn.get @"prepared/0"
// CHECK-NEXT: nn.matmul %arg1, %[[P]]
nn.parameter trainable @w : tensor<4x8xf32>
func.func @forward(%c: tensor<i1>, %x: tensor<?x8xf32>, %y: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %w = nn.get @w : tensor<4x8xf32>
  %0 = nn.if %c : (tensor<i1>) -> tensor<?x4xf32> {
    %1 = nn.transpose %w [1, 0] : (tensor<4x8xf32>) -> tensor<8x4xf32>
    %2 = nn.matmul %x, %1 : (tensor<?x8xf32>, tensor<8x4xf32>) -> tensor<?x4xf32>
    nn.yield %2 : tensor<?x4xf32>
  } else {
    nn.yield %y : tensor<?x4xf32>
  }
  return %0 : tensor<?x4xf32>
}
