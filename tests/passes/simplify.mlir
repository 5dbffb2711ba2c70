// RUN: sylvite-opt %s -nn-simplify -split-input-file | FileCheck %s

// Batch normalization after a biased convolution: the filter is scaled, bias and statistics become one
// offset.
// CHECK-LABEL: func.func @forward
// CHECK-DAG: %[[W:.*]] = nn.get @w
// CHECK-DAG: %[[V:.*]] = nn.get @v
// CHECK: %[[SCALE:.*]] = nn.map(%[[V]]) : (tensor<4xf32>) -> tensor<4xf32> {
// CHECK: math.sqrt
// CHECK: arith.divf
// CHECK: %[[SCALED:.*]] = nn.map(%[[W]], %[[SCALE]]) : (tensor<3x3x2x4xf32>, tensor<4xf32>) -> tensor<3x3x2x4xf32> {
// CHECK: arith.mulf
// CHECK: %[[CONV:.*]] = nn.conv %arg0, %[[SCALED]]
// CHECK: nn.map(%[[CONV]], %{{.*}}) : (tensor<?x3x3x4xf32>, tensor<4xf32>)
// CHECK: arith.addf
// CHECK-NOT: nn.batch_norm
// CHECK: return
nn.parameter @w : tensor<3x3x2x4xf32>
nn.parameter @v : tensor<4xf32>
nn.parameter @unused : tensor<7xf32>
// CHECK-NOT: @unused
func.func @forward(%x: tensor<?x5x5x2xf32>) -> tensor<?x3x3x4xf32> {
  %w = nn.get @w : tensor<3x3x2x4xf32>
  %v = nn.get @v : tensor<4xf32>
  %0 = nn.conv %x, %w {strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, padding_low = array<i64: 0, 0>, padding_high = array<i64: 0, 0>} : (tensor<?x5x5x2xf32>, tensor<3x3x2x4xf32>) -> tensor<?x3x3x4xf32>
  %1 = nn.map (%0, %v) : (tensor<?x3x3x4xf32>, tensor<4xf32>) -> tensor<?x3x3x4xf32> {
  ^bb0(%a: f32, %b: f32):
    %s = arith.addf %a, %b : f32
    nn.yield %s : f32
  }
  %2 = nn.batch_norm %1, %v, %v, %v, %v epsilon 1.0e-3 : (tensor<?x3x3x4xf32>, tensor<4xf32>, tensor<4xf32>, tensor<4xf32>, tensor<4xf32>) -> tensor<?x3x3x4xf32>
  return %2 : tensor<?x3x3x4xf32>
}

// -----

// A product whose weights are stored transposed has its channels in front.
// CHECK-LABEL: func.func @transposed_weights
// CHECK: %[[COLUMN:.*]] = nn.reshape %{{.*}} from [0, -1] : tensor<4xf32> to tensor<4x1xf32>
// CHECK: %[[SCALED:.*]] = nn.map(%{{.*}}, %[[COLUMN]]) : (tensor<4x8xf32>, tensor<4x1xf32>) -> tensor<4x8xf32>
// CHECK: nn.matmul %arg0, %[[SCALED]] {transpose_rhs}
nn.parameter @w : tensor<4x8xf32>
nn.parameter @v : tensor<4xf32>
func.func @transposed_weights(%x: tensor<?x8xf32>) -> tensor<?x4xf32> {
  %w = nn.get @w : tensor<4x8xf32>
  %v = nn.get @v : tensor<4xf32>
  %0 = nn.matmul %x, %w {transpose_rhs} : (tensor<?x8xf32>, tensor<4x8xf32>) -> tensor<?x4xf32>
  %1 = nn.batch_norm %0, %v, %v, %v, %v epsilon 1.0e-3 : (tensor<?x4xf32>, tensor<4xf32>, tensor<4xf32>, tensor<4xf32>, tensor<4xf32>) -> tensor<?x4xf32>
  return %1 : tensor<?x4xf32>
}

// -----

// The convolution serves someone else too: the normalization becomes a map.
// CHECK-LABEL: func.func @shared
// CHECK: %[[CONV:.*]] = nn.conv %arg0, %arg1
// CHECK: %[[BN:.*]] = nn.map(%[[CONV]], %{{.*}}, %{{.*}}) : (tensor<?x3x3x4xf32>, tensor<4xf32>, tensor<4xf32>)
// CHECK: return %[[CONV]], %[[BN]]
nn.parameter @v : tensor<4xf32>
func.func @shared(%x: tensor<?x5x5x2xf32>, %w: tensor<3x3x2x4xf32>) -> (tensor<?x3x3x4xf32>, tensor<?x3x3x4xf32>) {
  %v = nn.get @v : tensor<4xf32>
  %0 = nn.conv %x, %w {strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, padding_low = array<i64: 0, 0>, padding_high = array<i64: 0, 0>} : (tensor<?x5x5x2xf32>, tensor<3x3x2x4xf32>) -> tensor<?x3x3x4xf32>
  %1 = nn.batch_norm %0, %v, %v, %v, %v epsilon 1.0e-3 : (tensor<?x3x3x4xf32>, tensor<4xf32>, tensor<4xf32>, tensor<4xf32>, tensor<4xf32>) -> tensor<?x3x3x4xf32>
  return %0, %1 : tensor<?x3x3x4xf32>, tensor<?x3x3x4xf32>
}

// -----

// Transposes sink below a map and cancel.
// CHECK-LABEL: func.func @layout
// CHECK-NEXT: %[[M:.*]] = nn.map(%arg0) : (tensor<?x4x5x6xf32>) -> tensor<?x4x5x6xf32>
// CHECK-NOT: nn.transpose
// CHECK: return %[[M]]
func.func @layout(%x: tensor<?x4x5x6xf32>) -> tensor<?x4x5x6xf32> {
  %0 = nn.transpose %x [0, 3, 1, 2] : (tensor<?x4x5x6xf32>) -> tensor<?x6x4x5xf32>
  %1 = nn.map (%0) : (tensor<?x6x4x5xf32>) -> tensor<?x6x4x5xf32> {
  ^bb0(%a: f32):
    %e = math.exp %a : f32
    nn.yield %e : f32
  }
  %2 = nn.transpose %1 [0, 2, 3, 1] : (tensor<?x6x4x5xf32>) -> tensor<?x4x5x6xf32>
  return %2 : tensor<?x4x5x6xf32>
}

// -----

// Without a bias: the offset is the statistics' alone. Depthwise filters are scaled like any other.
// CHECK-LABEL: func.func @depthwise
// CHECK-DAG: %[[W:.*]] = nn.get @w
// CHECK-DAG: %[[V:.*]] = nn.get @v
// CHECK: %[[SCALE:.*]] = nn.map(%[[V]]) : (tensor<4xf32>) -> tensor<4xf32> {
// CHECK: %[[OFFSET:.*]] = nn.map(%[[V]], %[[SCALE]]) : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32> {
// CHECK: %[[MEAN:.*]] = arith.mulf
// CHECK-NEXT: arith.subf %{{.*}}, %[[MEAN]]
// CHECK: %[[SCALED:.*]] = nn.map(%[[W]], %[[SCALE]]) : (tensor<3x1x4xf32>, tensor<4xf32>) -> tensor<3x1x4xf32>
// CHECK: %[[CONV:.*]] = nn.conv %arg0, %[[SCALED]] {{{.*}}groups = 4
// CHECK: nn.map(%[[CONV]], %[[OFFSET]])
// CHECK-NEXT: ^bb0
// CHECK-NEXT: arith.addf
// CHECK-NEXT: nn.yield
nn.parameter @w : tensor<3x1x4xf32>
nn.parameter @v : tensor<4xf32>
func.func @depthwise(%x: tensor<?x5x4xf32>) -> tensor<?x3x4xf32> {
  %w = nn.get @w : tensor<3x1x4xf32>
  %v = nn.get @v : tensor<4xf32>
  %0 = nn.conv %x, %w {strides = array<i64: 1>, dilations = array<i64: 1>, padding_low = array<i64: 0>, padding_high = array<i64: 0>, groups = 4 : i64} : (tensor<?x5x4xf32>, tensor<3x1x4xf32>) -> tensor<?x3x4xf32>
  %1 = nn.batch_norm %0, %v, %v, %v, %v epsilon 1.0e-3 : (tensor<?x3x4xf32>, tensor<4xf32>, tensor<4xf32>, tensor<4xf32>, tensor<4xf32>) -> tensor<?x3x4xf32>
  return %1 : tensor<?x3x4xf32>
}

// -----

// A transposed convolution has its output channels before the last dimension of the filter.
// CHECK-LABEL: func.func @conv_transpose
// CHECK: %[[W:.*]] = nn.get @w
// CHECK: %[[COLUMN:.*]] = nn.reshape %{{.*}} from [0, -1] : tensor<4xf32> to tensor<4x1xf32>
// CHECK: %[[SCALED:.*]] = nn.map(%[[W]], %[[COLUMN]]) : (tensor<3x4x2xf32>, tensor<4x1xf32>) -> tensor<3x4x2xf32>
// CHECK: nn.conv_transpose %arg0, %[[SCALED]]
nn.parameter @w : tensor<3x4x2xf32>
nn.parameter @v : tensor<4xf32>
func.func @conv_transpose(%x: tensor<?x5x2xf32>) -> tensor<?x7x4xf32> {
  %w = nn.get @w : tensor<3x4x2xf32>
  %v = nn.get @v : tensor<4xf32>
  %0 = nn.conv_transpose %x, %w {strides = array<i64: 1>, dilations = array<i64: 1>, padding_low = array<i64: 0>, padding_high = array<i64: 0>, output_padding = array<i64: 0>} : (tensor<?x5x2xf32>, tensor<3x4x2xf32>) -> tensor<?x7x4xf32>
  %1 = nn.batch_norm %0, %v, %v, %v, %v epsilon 1.0e-3 : (tensor<?x7x4xf32>, tensor<4xf32>, tensor<4xf32>, tensor<4xf32>, tensor<4xf32>) -> tensor<?x7x4xf32>
  return %1 : tensor<?x7x4xf32>
}

// -----

// Grouped, its channels are not one dimension of the filter: a map.
// CHECK-LABEL: func.func @grouped_transpose
// CHECK: %[[W:.*]] = nn.get @w
// CHECK: %[[CONV:.*]] = nn.conv_transpose %arg0, %[[W]]
// CHECK: %[[BN:.*]] = nn.map(%[[CONV]], %{{.*}}, %{{.*}}) : (tensor<?x7x4xf32>, tensor<4xf32>, tensor<4xf32>)
// CHECK: %[[P:.*]] = arith.mulf
// CHECK-NEXT: arith.addf %[[P]]
// CHECK: return %[[BN]]
nn.parameter @w : tensor<3x2x4xf32>
nn.parameter @v : tensor<4xf32>
func.func @grouped_transpose(%x: tensor<?x5x4xf32>) -> tensor<?x7x4xf32> {
  %w = nn.get @w : tensor<3x2x4xf32>
  %v = nn.get @v : tensor<4xf32>
  %0 = nn.conv_transpose %x, %w {strides = array<i64: 1>, dilations = array<i64: 1>, padding_low = array<i64: 0>, padding_high = array<i64: 0>, output_padding = array<i64: 0>, groups = 2 : i64} : (tensor<?x5x4xf32>, tensor<3x2x4xf32>) -> tensor<?x7x4xf32>
  %1 = nn.batch_norm %0, %v, %v, %v, %v epsilon 1.0e-3 : (tensor<?x7x4xf32>, tensor<4xf32>, tensor<4xf32>, tensor<4xf32>, tensor<4xf32>) -> tensor<?x7x4xf32>
  return %1 : tensor<?x7x4xf32>
}

// -----

// Weights that are computed from the input stay as they are.
// CHECK-LABEL: func.func @computed_weights
// CHECK: %[[P:.*]] = nn.matmul %arg0, %arg1
// CHECK: %[[BN:.*]] = nn.map(%[[P]], %{{.*}}, %{{.*}}) : (tensor<?x4xf32>, tensor<4xf32>, tensor<4xf32>)
// CHECK: return %[[BN]]
nn.parameter @v : tensor<4xf32>
func.func @computed_weights(%x: tensor<?x8xf32>, %w: tensor<8x4xf32>) -> tensor<?x4xf32> {
  %v = nn.get @v : tensor<4xf32>
  %0 = nn.matmul %x, %w : (tensor<?x8xf32>, tensor<8x4xf32>) -> tensor<?x4xf32>
  %1 = nn.batch_norm %0, %v, %v, %v, %v epsilon 1.0e-3 : (tensor<?x4xf32>, tensor<4xf32>, tensor<4xf32>, tensor<4xf32>, tensor<4xf32>) -> tensor<?x4xf32>
  return %1 : tensor<?x4xf32>
}

// -----

// Transposes of different orders do not meet.
// CHECK-LABEL: func.func @orders
// CHECK: %[[A:.*]] = nn.transpose %arg0 [1, 0, 2]
// CHECK: %[[B:.*]] = nn.transpose %arg0 [0, 2, 1]
// CHECK: %[[M:.*]] = nn.map(%[[A]], %[[B]])
// CHECK: return %[[M]]
func.func @orders(%x: tensor<4x4x4xf32>) -> tensor<4x4x4xf32> {
  %0 = nn.transpose %x [1, 0, 2] : (tensor<4x4x4xf32>) -> tensor<4x4x4xf32>
  %1 = nn.transpose %x [0, 2, 1] : (tensor<4x4x4xf32>) -> tensor<4x4x4xf32>
  %2 = nn.map (%0, %1) : (tensor<4x4x4xf32>, tensor<4x4x4xf32>) -> tensor<4x4x4xf32> {
  ^bb0(%a: f32, %b: f32):
    %s = arith.subf %a, %b : f32
    nn.yield %s : f32
  }
  return %2 : tensor<4x4x4xf32>
}

// -----

// What is affine in a convolution, per channel, goes into its weights: batch normalization as arithmetic.
// CHECK-LABEL: func.func @affine
// CHECK: %[[W:.*]] = nn.get @w
// CHECK: %[[SCALED:.*]] = nn.map(%[[W]], %{{.*}}) : (tensor<3x3x2x4xf32>, tensor<4xf32>) -> tensor<3x3x2x4xf32> {
// CHECK: %[[CONV:.*]] = nn.conv %arg0, %[[SCALED]]
// CHECK: nn.map(%[[CONV]], %{{.*}}) : (tensor<?x3x3x4xf32>, tensor<4xf32>)
// CHECK-NEXT: ^bb0
// CHECK-NEXT: arith.addf
// CHECK-NEXT: nn.yield
nn.parameter @w : tensor<3x3x2x4xf32>
nn.parameter @mean : tensor<1x1x1x4xf32>
nn.parameter @deviation : tensor<1x1x1x4xf32>
func.func @affine(%x: tensor<?x5x5x2xf32>) -> tensor<?x3x3x4xf32> {
  %w = nn.get @w : tensor<3x3x2x4xf32>
  %mean = nn.get @mean : tensor<1x1x1x4xf32>
  %deviation = nn.get @deviation : tensor<1x1x1x4xf32>
  %0 = nn.conv %x, %w {strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, padding_low = array<i64: 0, 0>, padding_high = array<i64: 0, 0>} : (tensor<?x5x5x2xf32>, tensor<3x3x2x4xf32>) -> tensor<?x3x3x4xf32>
  %1 = nn.map (%0, %mean, %deviation) : (tensor<?x3x3x4xf32>, tensor<1x1x1x4xf32>, tensor<1x1x1x4xf32>) -> tensor<?x3x3x4xf32> {
  ^bb0(%a: f32, %m: f32, %d: f32):
    %c = arith.subf %a, %m : f32
    %n = arith.divf %c, %d : f32
    nn.yield %n : f32
  }
  return %1 : tensor<?x3x3x4xf32>
}

// What is affine in its reciprocal is not.
// CHECK-LABEL: func.func @reciprocal
// CHECK: nn.conv %arg0, %{{.*}}
// CHECK: arith.divf %{{.*}}, %{{.*}} : f32
func.func @reciprocal(%x: tensor<?x5x5x2xf32>) -> tensor<?x3x3x4xf32> {
  %w = nn.get @w : tensor<3x3x2x4xf32>
  %mean = nn.get @mean : tensor<1x1x1x4xf32>
  %0 = nn.conv %x, %w {strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, padding_low = array<i64: 0, 0>, padding_high = array<i64: 0, 0>} : (tensor<?x5x5x2xf32>, tensor<3x3x2x4xf32>) -> tensor<?x3x3x4xf32>
  %1 = nn.map (%0, %mean) : (tensor<?x3x3x4xf32>, tensor<1x1x1x4xf32>) -> tensor<?x3x3x4xf32> {
  ^bb0(%a: f32, %m: f32):
    %n = arith.divf %m, %a : f32
    nn.yield %n : f32
  }
  return %1 : tensor<?x3x3x4xf32>
}

// -----

// Shares of a gradient that fill each other's padding, in any order, are one concatenation.
// CHECK-LABEL: func.func @shares
// CHECK: %[[J:.*]] = nn.concat %arg1, %arg0, %arg2 dim 1 : (tensor<?x2xf32>, tensor<?x3xf32>, tensor<?x1xf32>) -> tensor<?x6xf32>
// CHECK-NEXT: return %[[J]]
func.func @shares(%a: tensor<?x3xf32>, %b: tensor<?x2xf32>, %c: tensor<?x1xf32>) -> tensor<?x6xf32> {
  %0 = nn.pad %a low [0, 2] high [0, 1] : (tensor<?x3xf32>) -> tensor<?x6xf32>
  %1 = nn.pad %b low [0, 0] high [0, 4] : (tensor<?x2xf32>) -> tensor<?x6xf32>
  %2 = nn.pad %c low [0, 5] high [0, 0] : (tensor<?x1xf32>) -> tensor<?x6xf32>
  %3 = nn.map (%0, %1) : (tensor<?x6xf32>, tensor<?x6xf32>) -> tensor<?x6xf32> {
  ^bb0(%x: f32, %y: f32):
    %s = arith.addf %x, %y : f32
    nn.yield %s : f32
  }
  %4 = nn.map (%3, %2) : (tensor<?x6xf32>, tensor<?x6xf32>) -> tensor<?x6xf32> {
  ^bb0(%x: f32, %y: f32):
    %s = arith.addf %x, %y : f32
    nn.yield %s : f32
  }
  return %4 : tensor<?x6xf32>
}

// Those that overlap, or leave a gap, are added.
// CHECK-LABEL: func.func @overlap
// CHECK-NOT: nn.concat
// CHECK: return
func.func @overlap(%a: tensor<?x3xf32>, %b: tensor<?x4xf32>, %c: tensor<?x2xf32>) -> (tensor<?x6xf32>, tensor<?x6xf32>) {
  %0 = nn.pad %a low [0, 0] high [0, 3] : (tensor<?x3xf32>) -> tensor<?x6xf32>
  %1 = nn.pad %b low [0, 2] high [0, 0] : (tensor<?x4xf32>) -> tensor<?x6xf32>
  %2 = nn.pad %c low [0, 4] high [0, 0] : (tensor<?x2xf32>) -> tensor<?x6xf32>
  %3 = nn.map (%0, %1) : (tensor<?x6xf32>, tensor<?x6xf32>) -> tensor<?x6xf32> {
  ^bb0(%x: f32, %y: f32):
    %s = arith.addf %x, %y : f32
    nn.yield %s : f32
  }
  %4 = nn.map (%0, %2) : (tensor<?x6xf32>, tensor<?x6xf32>) -> tensor<?x6xf32> {
  ^bb0(%x: f32, %y: f32):
    %s = arith.addf %x, %y : f32
    nn.yield %s : f32
  }
  return %3, %4 : tensor<?x6xf32>, tensor<?x6xf32>
}

// -----

// Zeros around an image are the convolution's own padding; others, and those of the batch, are not.
// CHECK-LABEL: func.func @padding
// CHECK: nn.conv %arg0, %{{.*}} {{{.*}}padding_high = array<i64: 1, 2>, padding_low = array<i64: 1, 1>
// CHECK: %[[ONES:.*]] = nn.pad
// CHECK: nn.conv %[[ONES]], %{{.*}} {{{.*}}padding_high = array<i64: 0, 1>, padding_low = array<i64: 0, 0>
nn.parameter @w : tensor<3x3x2x4xf32>
func.func @padding(%x: tensor<?x5x5x2xf32>) -> (tensor<?x5x6x4xf32>, tensor<?x5x6x4xf32>) {
  %w = nn.get @w : tensor<3x3x2x4xf32>
  %0 = nn.pad %x low [0, 1, 1, 0] high [0, 1, 1, 0] : (tensor<?x5x5x2xf32>) -> tensor<?x7x7x2xf32>
  %1 = nn.conv %0, %w {strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, padding_low = array<i64: 0, 0>, padding_high = array<i64: 0, 1>} : (tensor<?x7x7x2xf32>, tensor<3x3x2x4xf32>) -> tensor<?x5x6x4xf32>
  %2 = nn.pad %x low [0, 1, 1, 0] high [0, 1, 1, 0] {value = 1.0} : (tensor<?x5x5x2xf32>) -> tensor<?x7x7x2xf32>
  %3 = nn.conv %2, %w {strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, padding_low = array<i64: 0, 0>, padding_high = array<i64: 0, 1>} : (tensor<?x7x7x2xf32>, tensor<3x3x2x4xf32>) -> tensor<?x5x6x4xf32>
  return %1, %3 : tensor<?x5x6x4xf32>, tensor<?x5x6x4xf32>
}

// -----

// Products, and sums, that a loop adds up are one of all steps, after it. A slice is in its sequence; what a step computes is
// stacked in the same order. What is added in another way stays in the loop, and nothing is stacked that nobody reads.
// CHECK-LABEL: func.func @sums
// CHECK: %[[L:.*]]:2 = nn.scan carry (%{{.*}} = %arg4) over (%[[X:.*]] = %arg0) attributes {reversed = array<i1: true, true>} : (tensor<f32>, tensor<5x?x3xf32>) -> (tensor<f32>, tensor<5x?x3xf32>)
// CHECK: %[[Y:.*]] = nn.map(%[[X]])
// CHECK-NOT: nn.matmul
// CHECK: nn.yield %{{.*}}, %[[Y]]
// CHECK: %[[B:.*]] = nn.reduce sum %[[L]]#1 dims [0, 1] : (tensor<5x?x3xf32>) -> tensor<3xf32>
// CHECK: %[[BIAS:.*]] = nn.map(%arg3, %[[B]])
// CHECK-DAG: %[[XS:.*]] = nn.reshape %arg0 from [-1, 2] : tensor<5x?x3xf32> to tensor<?x3xf32>
// CHECK-DAG: %[[YS:.*]] = nn.reshape %[[L]]#1 from [-1, 2]
// CHECK: %[[P:.*]] = nn.matmul %[[XS]], %[[YS]] {transpose_lhs} : (tensor<?x3xf32>, tensor<?x3xf32>) -> tensor<3x3xf32>
// CHECK: return %[[P]], %[[BIAS]], %[[L]]#0
func.func @sums(%xs: tensor<5x?x3xf32>, %us: tensor<5x?x3xf32>, %like: tensor<3x3xf32>, %b0: tensor<3xf32>, %s0: tensor<f32>) -> (tensor<3x3xf32>, tensor<3xf32>, tensor<f32>) {
  %zeros = nn.full 0.0 like %like from [-1, -1] : tensor<3x3xf32> to tensor<3x3xf32>
  %w, %b, %s, %all = nn.scan carry (%a = %zeros, %c = %b0, %d = %s0) over (%x = %xs, %u = %us) attributes {reversed = array<i1: true, false, false>} : (tensor<3x3xf32>, tensor<3xf32>, tensor<f32>, tensor<5x?x3xf32>, tensor<5x?x3xf32>) -> (tensor<3x3xf32>, tensor<3xf32>, tensor<f32>, tensor<5x?x3xf32>) {
    %y = nn.map (%x, %x) : (tensor<?x3xf32>, tensor<?x3xf32>) -> tensor<?x3xf32> {
    ^bb0(%e: f32, %f: f32):
      %m = arith.mulf %e, %f : f32
      nn.yield %m : f32
    }
    %p = nn.matmul %x, %y {transpose_lhs} : (tensor<?x3xf32>, tensor<?x3xf32>) -> tensor<3x3xf32>
    %n = nn.map (%a, %p) : (tensor<3x3xf32>, tensor<3x3xf32>) -> tensor<3x3xf32> {
    ^bb0(%e: f32, %f: f32):
      %m = arith.addf %e, %f : f32
      nn.yield %m : f32
    }
    %r = nn.reduce sum %y dims [0] : (tensor<?x3xf32>) -> tensor<3xf32>
    %o = nn.map (%c, %r) : (tensor<3xf32>, tensor<3xf32>) -> tensor<3xf32> {
    ^bb0(%e: f32, %f: f32):
      %m = arith.addf %e, %f : f32
      nn.yield %m : f32
    }
    %q = nn.reduce max %y dims [0, 1] : (tensor<?x3xf32>) -> tensor<f32>
    %t = nn.map (%d, %q) : (tensor<f32>, tensor<f32>) -> tensor<f32> {
    ^bb0(%e: f32, %f: f32):
      %m = arith.addf %e, %f : f32
      nn.yield %m : f32
    }
    nn.yield %n, %o, %t, %u : tensor<3x3xf32>, tensor<3xf32>, tensor<f32>, tensor<?x3xf32>
  }
  return %w, %b, %s : tensor<3x3xf32>, tensor<3xf32>, tensor<f32>
}

// -----

// What has the shape of something computed has that of what it is computed from.
// CHECK-LABEL: func.func @shape
// CHECK: nn.full 1.000000e+00 like %arg0 from [0] : tensor<?x5x5x2xf32> to tensor<?xf32>
func.func @shape(%x: tensor<?x5x5x2xf32>) -> tensor<?xf32> {
  %0 = nn.map (%x) : (tensor<?x5x5x2xf32>) -> tensor<?x5x5x2xf32> {
  ^bb0(%a: f32):
    %m = math.exp %a : f32
    nn.yield %m : f32
  }
  %1 = nn.reduce sum %0 dims [1, 2] : (tensor<?x5x5x2xf32>) -> tensor<?x2xf32>
  %2 = nn.full 1.0 like %1 from [0] : tensor<?x2xf32> to tensor<?xf32>
  return %2 : tensor<?xf32>
}

// -----

// A pooled mean and a convolution of one position, in the order of fewer operations: before it, where it skips positions; after
// it, where it makes channels fewer.
// CHECK-LABEL: func.func @pooled_means
// CHECK: %[[P:.*]] = nn.avg_pool %arg0 {{.*}} -> tensor<?x4x4x8xf32>
// CHECK: %[[A:.*]] = nn.conv %[[P]], {{.*}} -> tensor<?x4x4x4xf32>
// CHECK: %[[C:.*]] = nn.conv %arg0, {{.*}} -> tensor<?x8x8x4xf32>
// CHECK: %[[B:.*]] = nn.avg_pool %[[C]] {{.*}}padding_high = array<i64: 1, 1>{{.*}} -> tensor<?x8x8x4xf32>
// CHECK: return %[[A]], %[[B]]
nn.parameter @w : tensor<1x1x8x4xf32>
func.func @pooled_means(%x: tensor<?x8x8x8xf32>) -> (tensor<?x4x4x4xf32>, tensor<?x8x8x4xf32>) {
  %w = nn.get @w : tensor<1x1x8x4xf32>
  %0 = nn.conv %x, %w {strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, padding_low = array<i64: 0, 0>, padding_high = array<i64: 0, 0>} : (tensor<?x8x8x8xf32>, tensor<1x1x8x4xf32>) -> tensor<?x8x8x4xf32>
  %1 = nn.avg_pool %0 {window = array<i64: 2, 2>, strides = array<i64: 2, 2>, dilations = array<i64: 1, 1>, padding_low = array<i64: 0, 0>, padding_high = array<i64: 0, 0>} : (tensor<?x8x8x4xf32>) -> tensor<?x4x4x4xf32>
  %2 = nn.avg_pool %x {window = array<i64: 3, 3>, strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, padding_low = array<i64: 1, 1>, padding_high = array<i64: 1, 1>} : (tensor<?x8x8x8xf32>) -> tensor<?x8x8x8xf32>
  %3 = nn.conv %2, %w {strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, padding_low = array<i64: 0, 0>, padding_high = array<i64: 0, 0>} : (tensor<?x8x8x8xf32>, tensor<1x1x8x4xf32>) -> tensor<?x8x8x4xf32>
  return %1, %3 : tensor<?x4x4x4xf32>, tensor<?x8x8x4xf32>
}

// -----

// Taps that read padding alone go: of rows all but the middle one, of columns the first.
// CHECK-LABEL: func.func @taps_of_padding
// CHECK: %[[W:.*]] = nn.slice %arg1 starts [1, 1, 0, 0] sizes [1, 2, 2, 4]
// CHECK: nn.conv %arg0, %[[W]] {dilations = array<i64: 1, 4>, padding_high = array<i64: 0, 1>, padding_low = array<i64: 0, 2>
func.func @taps_of_padding(%x: tensor<?x5x5x2xf32>, %w: tensor<3x3x2x4xf32>) -> tensor<?x5x4x4xf32> {
  %0 = nn.conv %x, %w {strides = array<i64: 1, 1>, dilations = array<i64: 6, 4>, padding_low = array<i64: 6, 6>, padding_high = array<i64: 6, 1>} : (tensor<?x5x5x2xf32>, tensor<3x3x2x4xf32>) -> tensor<?x5x4x4xf32>
  return %0 : tensor<?x5x4x4xf32>
}

// The first row of taps reads padding alone, but for the window to begin later it would have to be cut off the image.
// CHECK-LABEL: func.func @taps_before_image
// CHECK: nn.conv %arg0, %arg1 {{.*}}padding_low = array<i64: 4, 1>
func.func @taps_before_image(%x: tensor<?x5x5x2xf32>, %w: tensor<2x3x2x4xf32>) -> tensor<?x4x5x4xf32> {
  %0 = nn.conv %x, %w {strides = array<i64: 1, 1>, dilations = array<i64: 5, 1>, padding_low = array<i64: 4, 1>, padding_high = array<i64: 0, 1>} : (tensor<?x5x5x2xf32>, tensor<2x3x2x4xf32>) -> tensor<?x4x5x4xf32>
  return %0 : tensor<?x4x5x4xf32>
}
