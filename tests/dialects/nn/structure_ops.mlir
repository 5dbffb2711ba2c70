// RUN: sylvite-opt %s | sylvite-opt | FileCheck %s

// CHECK: nn.parameter trainable @"dense/kernel" : tensor<2x3xf32> = dense<5.000000e-01> : tensor<2x3xf32>
nn.parameter trainable @"dense/kernel" : tensor<2x3xf32> = dense<0.5> : tensor<2x3xf32>
// CHECK: nn.parameter @described : tensor<4xi32>{{$}}
nn.parameter @described : tensor<4xi32>

// CHECK-LABEL: func.func @forward
func.func @forward(%x: tensor<?x2xf32> {nn.name = "x", nn.dims = ["batch", ""]}) -> tensor<?x3xf32> {
  // CHECK: %[[W:.*]] = nn.get @"dense/kernel" : tensor<2x3xf32>
  %w = nn.get @"dense/kernel" : tensor<2x3xf32>
  // CHECK: nn.group (%[[A:.*]] = %{{.*}}, %[[B:.*]] = %[[W]]) : (tensor<?x2xf32>, tensor<2x3xf32>) -> tensor<?x3xf32> {
  // CHECK-NEXT: %[[P:.*]] = nn.matmul %[[A]], %[[B]] : (tensor<?x2xf32>, tensor<2x3xf32>) -> tensor<?x3xf32>
  // CHECK-NEXT: nn.yield %[[P]] : tensor<?x3xf32>
  %0 = nn.group (%a = %x, %b = %w) : (tensor<?x2xf32>, tensor<2x3xf32>) -> tensor<?x3xf32> {
    %1 = nn.matmul %a, %b : (tensor<?x2xf32>, tensor<2x3xf32>) -> tensor<?x3xf32>
    nn.yield %1 : tensor<?x3xf32>
  }
  return %0 : tensor<?x3xf32>
}

// CHECK-LABEL: func.func @microbatch
func.func @microbatch(%x: tensor<?x2xf32>) -> tensor<?x3xf32> {
  %w = nn.get @"dense/kernel" : tensor<2x3xf32>
  // CHECK: nn.microbatch (%[[A:.*]] = %{{.*}}) attributes {most = 4 : i64} : (tensor<?x2xf32>) -> tensor<?x3xf32> {
  // CHECK-NEXT: %[[P:.*]] = nn.matmul %[[A]], %{{.*}} : (tensor<?x2xf32>, tensor<2x3xf32>) -> tensor<?x3xf32>
  // CHECK-NEXT: nn.yield %[[P]] : tensor<?x3xf32>
  %0 = nn.microbatch (%a = %x) attributes {most = 4 : i64} : (tensor<?x2xf32>) -> tensor<?x3xf32> {
    %1 = nn.matmul %a, %w : (tensor<?x2xf32>, tensor<2x3xf32>) -> tensor<?x3xf32>
    nn.yield %1 : tensor<?x3xf32>
  }
  return %0 : tensor<?x3xf32>
}
