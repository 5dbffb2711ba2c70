// RUN: sylvite-opt %s | sylvite-opt | FileCheck %s

// CHECK-LABEL: func.func @shapes
// CHECK: nn.reshape %arg0 from [0, -1] : tensor<?x4x6xf32> to tensor<?x24xf32>
// CHECK: nn.transpose %arg0 [2, 0, 1] : (tensor<?x4x6xf32>) -> tensor<6x?x4xf32>
// CHECK: nn.slice %arg0 starts [0, 3, 1] sizes [-1, 4, 2] strides [1, -1, 3] : (tensor<?x4x6xf32>) -> tensor<?x4x2xf32>
// CHECK: nn.concat %arg0, %arg0 dim 2 : (tensor<?x4x6xf32>, tensor<?x4x6xf32>) -> tensor<?x4x12xf32>
// CHECK: nn.pad %arg0 low [0, 1, 0] high [0, 2, 0] {value = 1.000000e+00 : f64} : (tensor<?x4x6xf32>) -> tensor<?x7x6xf32>
// CHECK: nn.pad %arg0 low [0, 3, 0] high [0, 0, 0] {mode = 1 : i32} : (tensor<?x4x6xf32>) -> tensor<?x7x6xf32>
// CHECK: nn.pad %arg0 low [0, 5, 0] high [0, 0, 1] {mode = 2 : i32} : (tensor<?x4x6xf32>) -> tensor<?x9x7xf32>
// CHECK: nn.pad %arg0 low [0, 4, 0] high [0, 0, 0] {mode = 3 : i32} : (tensor<?x4x6xf32>) -> tensor<?x8x6xf32>
// CHECK: nn.broadcast %arg1 : (tensor<4x1xf32>) -> tensor<2x4x6xf32>
// CHECK: nn.gather %arg1, %arg2 dim 0 : (tensor<4x1xf32>, tensor<?x3xi64>) -> tensor<?x3x1xf32>
func.func @shapes(%x: tensor<?x4x6xf32>, %y: tensor<4x1xf32>, %i: tensor<?x3xi64>) {
  %0 = nn.reshape %x from [0, -1] : tensor<?x4x6xf32> to tensor<?x24xf32>
  %1 = nn.transpose %x [2, 0, 1] : (tensor<?x4x6xf32>) -> tensor<6x?x4xf32>
  %2 = nn.slice %x starts [0, 3, 1] sizes [-1, 4, 2] strides [1, -1, 3] : (tensor<?x4x6xf32>) -> tensor<?x4x2xf32>
  %3 = nn.concat %x, %x dim 2 : (tensor<?x4x6xf32>, tensor<?x4x6xf32>) -> tensor<?x4x12xf32>
  %4 = nn.pad %x low [0, 1, 0] high [0, 2, 0] {value = 1.0 : f64} : (tensor<?x4x6xf32>) -> tensor<?x7x6xf32>
  %5 = nn.pad %x low [0, 3, 0] high [0, 0, 0] {mode = 1 : i32} : (tensor<?x4x6xf32>) -> tensor<?x7x6xf32>
  %edge = nn.pad %x low [0, 5, 0] high [0, 0, 1] {mode = 2 : i32} : (tensor<?x4x6xf32>) -> tensor<?x9x7xf32>
  %wrap = nn.pad %x low [0, 4, 0] high [0, 0, 0] {mode = 3 : i32} : (tensor<?x4x6xf32>) -> tensor<?x8x6xf32>
  %6 = nn.broadcast %y : (tensor<4x1xf32>) -> tensor<2x4x6xf32>
  %7 = nn.gather %y, %i dim 0 : (tensor<4x1xf32>, tensor<?x3xi64>) -> tensor<?x3x1xf32>
  return
}

// CHECK-LABEL: func.func @resizes
// CHECK: nn.resize nearest %arg0 sizes [4, 6] half_pixel : (tensor<?x2x3x1xf32>) -> tensor<?x4x6x1xf32>
// CHECK: nn.resize linear %arg0 sizes [5, 2] align_corners : (tensor<?x2x3x1xf32>) -> tensor<?x5x2x1xf32>
// CHECK: nn.resize cubic %arg0 sizes [3, 3] asymmetric : (tensor<?x2x3x1xf32>) -> tensor<?x3x3x1xf32>
func.func @resizes(%x: tensor<?x2x3x1xf32>) {
  %0 = nn.resize nearest %x sizes [4, 6] half_pixel : (tensor<?x2x3x1xf32>) -> tensor<?x4x6x1xf32>
  %1 = nn.resize linear %x sizes [5, 2] align_corners : (tensor<?x2x3x1xf32>) -> tensor<?x5x2x1xf32>
  %2 = nn.resize cubic %x sizes [3, 3] asymmetric : (tensor<?x2x3x1xf32>) -> tensor<?x3x3x1xf32>
  return
}

// CHECK-LABEL: func.func @positions
// CHECK: nn.iota %arg0 dim 1 : (tensor<1x?xf32>) -> tensor<1x?xi64>
// CHECK: nn.range #{{.*}} of %arg0 : (tensor<1x?xf32>) -> tensor<?xi64>
// CHECK: nn.range #{{.*}} of : () -> tensor<7xi64>
// CHECK: nn.size #{{.*}} of %arg0, %arg2 : (tensor<1x?xf32>, tensor<?xi64>) -> tensor<1xi64>
// CHECK: nn.scatter max %arg1, %arg2, %arg3 : (tensor<8x4xf32>, tensor<?xi64>, tensor<?x4xf32>) -> tensor<8x4xf32>
// CHECK: nn.resize nearest %arg4 sizes [-2, 6] asymmetric : (tensor<1x?x3x1xf32>) -> tensor<1x?x6x1xf32>
func.func @positions(%x: tensor<1x?xf32>, %d: tensor<8x4xf32>, %i: tensor<?xi64>, %u: tensor<?x4xf32>, %r: tensor<1x?x3x1xf32>) {
  %0 = nn.iota %x dim 1 : (tensor<1x?xf32>) -> tensor<1x?xi64>
  %3 = nn.range affine_map<()[s0, s1] -> (s1 * 2 + 1)> of %x : (tensor<1x?xf32>) -> tensor<?xi64>
  %4 = nn.range affine_map<() -> (7)> of : () -> tensor<7xi64>
  %5 = nn.size affine_map<()[s0, s1, s2] -> (s1 * s2)> of %x, %i : (tensor<1x?xf32>, tensor<?xi64>) -> tensor<1xi64>
  %1 = nn.scatter max %d, %i, %u : (tensor<8x4xf32>, tensor<?xi64>, tensor<?x4xf32>) -> tensor<8x4xf32>
  %2 = nn.resize nearest %r sizes [-2, 6] asymmetric : (tensor<1x?x3x1xf32>) -> tensor<1x?x6x1xf32>
  return
}

// CHECK-LABEL: func.func @slice_grad
// CHECK: nn.slice_grad %arg0 like %arg1 starts [0, 7] strides [1, -2] : (tensor<?x4xf32>, tensor<?x8xf32>) -> tensor<?x8xf32>
func.func @slice_grad(%g: tensor<?x4xf32>, %x: tensor<?x8xf32>) -> tensor<?x8xf32> {
  %0 = nn.slice_grad %g like %x starts [0, 7] strides [1, -2] : (tensor<?x4xf32>, tensor<?x8xf32>) -> tensor<?x8xf32>
  return %0 : tensor<?x8xf32>
}
