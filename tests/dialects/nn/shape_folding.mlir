// RUN: sylvite-opt %s -canonicalize | FileCheck %s

// Ops that change nothing go.
// CHECK-LABEL: func.func @nothing
// CHECK-NEXT: return %arg0, %arg0, %arg0, %arg0, %arg0
func.func @nothing(%x: tensor<?x4x6xf32>) -> (tensor<?x4x6xf32>, tensor<?x4x6xf32>, tensor<?x4x6xf32>, tensor<?x4x6xf32>, tensor<?x4x6xf32>) {
  %0 = nn.reshape %x from [0, -1, -1] : tensor<?x4x6xf32> to tensor<?x4x6xf32>
  %1 = nn.transpose %x [0, 1, 2] : (tensor<?x4x6xf32>) -> tensor<?x4x6xf32>
  %2 = nn.slice %x starts [0, 0, 0] sizes [-1, 4, 6] strides [1, 1, 1] : (tensor<?x4x6xf32>) -> tensor<?x4x6xf32>
  %3 = nn.concat %x dim 1 : (tensor<?x4x6xf32>) -> tensor<?x4x6xf32>
  %4 = nn.pad %x low [0, 0, 0] high [0, 0, 0] : (tensor<?x4x6xf32>) -> tensor<?x4x6xf32>
  return %0, %1, %2, %3, %4 : tensor<?x4x6xf32>, tensor<?x4x6xf32>, tensor<?x4x6xf32>, tensor<?x4x6xf32>, tensor<?x4x6xf32>
}

// A slice of a free dimension that starts later is no identity, whatever its type says.
// CHECK-LABEL: func.func @shorter
// CHECK-NEXT: nn.slice
func.func @shorter(%x: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %0 = nn.slice %x starts [1, 0] sizes [-1, 4] strides [1, 1] : (tensor<?x4xf32>) -> tensor<?x4xf32>
  return %0 : tensor<?x4xf32>
}

// CHECK-LABEL: func.func @inverse
// CHECK-NEXT: return %arg0
func.func @inverse(%x: tensor<?x4x5x6xf32>) -> tensor<?x4x5x6xf32> {
  %0 = nn.transpose %x [0, 3, 1, 2] : (tensor<?x4x5x6xf32>) -> tensor<?x6x4x5xf32>
  %1 = nn.transpose %0 [0, 2, 3, 1] : (tensor<?x6x4x5xf32>) -> tensor<?x4x5x6xf32>
  return %1 : tensor<?x4x5x6xf32>
}

// CHECK-LABEL: func.func @merged
// CHECK-NEXT: nn.transpose %arg0 [1, 2, 0] : (tensor<2x3x4xf32>) -> tensor<3x4x2xf32>
// CHECK-NEXT: return
func.func @merged(%x: tensor<2x3x4xf32>) -> tensor<3x4x2xf32> {
  %0 = nn.transpose %x [1, 0, 2] : (tensor<2x3x4xf32>) -> tensor<3x2x4xf32>
  %1 = nn.transpose %0 [0, 2, 1] : (tensor<3x2x4xf32>) -> tensor<3x4x2xf32>
  return %1 : tensor<3x4x2xf32>
}

// CHECK-LABEL: func.func @reshapes
// CHECK-NEXT: nn.reshape %arg0 from [0, -1, -1] : tensor<?x4x6xf32> to tensor<?x8x3xf32>
// CHECK-NEXT: return
func.func @reshapes(%x: tensor<?x4x6xf32>) -> tensor<?x8x3xf32> {
  %0 = nn.reshape %x from [0, -1] : tensor<?x4x6xf32> to tensor<?x24xf32>
  %1 = nn.reshape %0 from [0, -1, -1] : tensor<?x24xf32> to tensor<?x8x3xf32>
  return %1 : tensor<?x8x3xf32>
}

// A tensor of one value takes its sizes from what was transposed.
// CHECK-LABEL: func.func @full
// CHECK-NEXT: nn.full 1.000000e+00 like %arg0 from [2, -1] : tensor<?x4x?xf32> to tensor<?x3xf32>
// CHECK-NEXT: return
func.func @full(%x: tensor<?x4x?xf32>) -> tensor<?x3xf32> {
  %0 = nn.transpose %x [1, 0, 2] : (tensor<?x4x?xf32>) -> tensor<4x?x?xf32>
  %1 = nn.full 1.0 like %0 from [2, -1] : tensor<4x?x?xf32> to tensor<?x3xf32>
  return %1 : tensor<?x3xf32>
}
