// RUN: sylvite-opt %s -split-input-file -pass-pipeline='builtin.module(func.func(nn-plan-contractions))' | FileCheck %s
// RUN: sylvite-opt %s -split-input-file -pass-pipeline='builtin.module(func.func(nn-plan-contractions{exact=true}))' | FileCheck %s --check-prefix=EXACT
// RUN: sylvite-opt %s -split-input-file -pass-pipeline='builtin.module(func.func(nn-plan-contractions{vector-width=16 vector-registers=32}))' | FileCheck %s --check-prefix=AVX512

// Pointwise convolutions are products over all positions of an image; the bias meets them before the
// shape of the image comes back, and shapes between two of them are gone.
// CHECK-LABEL: func.func @pointwise
// CHECK: %[[ROWS:.*]] = nn.reshape %arg0 from [0, -1, -1] : tensor<?x14x14x32xf32> to tensor<?x196x32xf32>
// CHECK: %[[FIRST:.*]] = nn.packed_matmul %[[ROWS]], %{{.*}} {columns = 64 : i64} : (tensor<?x196x32xf32>, tensor<4x32x16xf32>) -> tensor<?x196x64xf32>
// CHECK: %[[BIASED:.*]] = nn.map(%[[FIRST]], %{{.*}}) : (tensor<?x196x64xf32>, tensor<64xf32>) -> tensor<?x196x64xf32>
// CHECK: %[[SECOND:.*]] = nn.packed_matmul %[[BIASED]], %{{.*}} : (tensor<?x196x64xf32>, tensor<2x64x16xf32>) -> tensor<?x196x32xf32>
// CHECK: nn.reshape %[[SECOND]] from [0, -1, -1, -1] : tensor<?x196x32xf32> to tensor<?x14x14x32xf32>
nn.parameter @a : tensor<1x1x32x64xf32>
nn.parameter @b : tensor<1x1x64x32xf32>
nn.parameter @bias : tensor<64xf32>
func.func @pointwise(%x: tensor<?x14x14x32xf32>) -> tensor<?x14x14x32xf32> {
  %a = nn.get @a : tensor<1x1x32x64xf32>
  %b = nn.get @b : tensor<1x1x64x32xf32>
  %bias = nn.get @bias : tensor<64xf32>
  %0 = nn.conv %x, %a {strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, padding_low = array<i64: 0, 0>, padding_high = array<i64: 0, 0>} : (tensor<?x14x14x32xf32>, tensor<1x1x32x64xf32>) -> tensor<?x14x14x64xf32>
  %1 = nn.map (%0, %bias) : (tensor<?x14x14x64xf32>, tensor<64xf32>) -> tensor<?x14x14x64xf32> {
  ^bb0(%e: f32, %f: f32):
    %s = arith.addf %e, %f : f32
    nn.yield %s : f32
  }
  %2 = nn.conv %1, %b {strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, padding_low = array<i64: 0, 0>, padding_high = array<i64: 0, 0>} : (tensor<?x14x14x64xf32>, tensor<1x1x64x32xf32>) -> tensor<?x14x14x32xf32>
  return %2 : tensor<?x14x14x32xf32>
}

// -----

// So do several maps that read it, as a hard swish does: what they compute meets before the shape comes back.
// CHECK-LABEL: func.func @hard_swish
// CHECK: %[[PRODUCT:.*]] = nn.packed_matmul
// CHECK: %[[GATE:.*]] = nn.map(%[[PRODUCT]]) : (tensor<1x196x64xf32>) -> tensor<1x196x64xf32>
// CHECK: %[[SWISH:.*]] = nn.map(%[[PRODUCT]], %[[GATE]]) : (tensor<1x196x64xf32>, tensor<1x196x64xf32>) -> tensor<1x196x64xf32>
// CHECK: %[[RESULT:.*]] = nn.reshape %[[SWISH]]
// CHECK-NEXT: return %[[RESULT]]
nn.parameter @a : tensor<1x1x32x64xf32>
func.func @hard_swish(%x: tensor<1x14x14x32xf32>) -> tensor<1x14x14x64xf32> {
  %a = nn.get @a : tensor<1x1x32x64xf32>
  %0 = nn.conv %x, %a {strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, padding_low = array<i64: 0, 0>, padding_high = array<i64: 0, 0>} : (tensor<1x14x14x32xf32>, tensor<1x1x32x64xf32>) -> tensor<1x14x14x64xf32>
  %1 = nn.map (%0) : (tensor<1x14x14x64xf32>) -> tensor<1x14x14x64xf32> {
  ^bb0(%e: f32):
    %s = math.absf %e : f32
    nn.yield %s : f32
  }
  %2 = nn.map (%0, %1) : (tensor<1x14x14x64xf32>, tensor<1x14x14x64xf32>) -> tensor<1x14x14x64xf32> {
  ^bb0(%e: f32, %f: f32):
    %s = arith.mulf %e, %f : f32
    nn.yield %s : f32
  }
  return %2 : tensor<1x14x14x64xf32>
}

// -----

// Three columns would fill less than half of a vector: they are dot products, two vectors of K a step. Few terms are not.
// CHECK-LABEL: func.func @few_columns
// CHECK: %[[B:.*]] = nn.reshape %{{.*}} from [-1, -1, -1, -1] : tensor<512x3xf32> to tensor<1x32x16x3xf32>
// CHECK: %[[W:.*]] = nn.transpose %[[B]] [0, 1, 3, 2] : (tensor<1x32x16x3xf32>) -> tensor<1x32x3x16xf32>
// CHECK: nn.packed_matmul %arg0, %[[W]] {columns = 3 : i64}
// CHECK: nn.packed_matmul %arg1, %{{.*}} {columns = 3 : i64} : (tensor<?x64xf32>, tensor<1x64x3xf32>) -> tensor<?x3xf32>
nn.parameter @deep : tensor<512x3xf32>
nn.parameter @short : tensor<64x3xf32>
func.func @few_columns(%x: tensor<?x512xf32>, %z: tensor<?x64xf32>) -> (tensor<?x3xf32>, tensor<?x3xf32>) {
  %w = nn.get @deep : tensor<512x3xf32>
  %v = nn.get @short : tensor<64x3xf32>
  %0 = nn.matmul %x, %w : (tensor<?x512xf32>, tensor<512x3xf32>) -> tensor<?x3xf32>
  %1 = nn.matmul %z, %v : (tensor<?x64xf32>, tensor<64x3xf32>) -> tensor<?x3xf32>
  return %0, %1 : tensor<?x3xf32>, tensor<?x3xf32>
}

// Weights that come from memory stay as they are where a rectifier wrote what they are multiplied with: one row skips those that
// meet a zero. Smaller ones, those whose rows are short, and those of other rows are packed. With few
// registers those of a single item alone stay.
// AVX512-LABEL: func.func @rectified
// AVX512: %[[POOLED:.*]] = nn.reshape
// AVX512: nn.matmul %[[POOLED]], %{{.*}} {lhs_has_zeros} : (tensor<?x8192xf32>, tensor<8192x1024xf32>) -> tensor<?x1024xf32>
// AVX512: %[[COLUMNS:.*]] = nn.transpose %{{.*}} [1, 0] : (tensor<1024x8192xf32>) -> tensor<8192x1024xf32>
// AVX512: nn.matmul %[[POOLED]], %[[COLUMNS]] {lhs_has_zeros}
// AVX512: nn.packed_matmul %[[POOLED]]
// AVX512: nn.packed_matmul %[[POOLED]]
// AVX512: nn.packed_matmul %arg1
// CHECK-LABEL: func.func @rectified
// CHECK-NOT: nn.matmul
// CHECK: nn.packed_matmul
// CHECK-LABEL: func.func @rectified_item
// CHECK: nn.matmul %{{.*}} {lhs_has_zeros} : (tensor<1x8192xf32>, tensor<8192x1024xf32>) -> tensor<1x1024xf32>
nn.parameter @large : tensor<8192x1024xf32>
nn.parameter @columns : tensor<1024x8192xf32>
nn.parameter @small : tensor<8192x1008xf32>
nn.parameter @narrow : tensor<8192x1050xf32>
func.func @rectified(%x: tensor<?x16x16x128xf32>, %y: tensor<?x8192xf32>)
    -> (tensor<?x1024xf32>, tensor<?x1024xf32>, tensor<?x1008xf32>, tensor<?x1050xf32>, tensor<?x1024xf32>) {
  %w = nn.get @large : tensor<8192x1024xf32>
  %c = nn.get @columns : tensor<1024x8192xf32>
  %s = nn.get @small : tensor<8192x1008xf32>
  %n = nn.get @narrow : tensor<8192x1050xf32>
  %0 = nn.map (%x) : (tensor<?x16x16x128xf32>) -> tensor<?x16x16x128xf32> {
  ^bb0(%e: f32):
    %zero = arith.constant 0.0 : f32
    %six = arith.constant 6.0 : f32
    %m = arith.maximumf %e, %zero : f32
    %b = arith.minimumf %m, %six : f32
    nn.yield %b : f32
  }
  %1 = nn.max_pool %0 {window = array<i64: 2, 2>, strides = array<i64: 2, 2>, dilations = array<i64: 1, 1>, padding_low = array<i64: 0, 0>, padding_high = array<i64: 0, 0>} : (tensor<?x16x16x128xf32>) -> tensor<?x8x8x128xf32>
  %2 = nn.reshape %1 from [0, -1] : tensor<?x8x8x128xf32> to tensor<?x8192xf32>
  %3 = nn.matmul %2, %w : (tensor<?x8192xf32>, tensor<8192x1024xf32>) -> tensor<?x1024xf32>
  %4 = nn.matmul %2, %c {transpose_rhs} : (tensor<?x8192xf32>, tensor<1024x8192xf32>) -> tensor<?x1024xf32>
  %5 = nn.matmul %2, %s : (tensor<?x8192xf32>, tensor<8192x1008xf32>) -> tensor<?x1008xf32>
  %6 = nn.matmul %2, %n : (tensor<?x8192xf32>, tensor<8192x1050xf32>) -> tensor<?x1050xf32>
  %7 = nn.matmul %y, %w : (tensor<?x8192xf32>, tensor<8192x1024xf32>) -> tensor<?x1024xf32>
  return %3, %4, %5, %6, %7 : tensor<?x1024xf32>, tensor<?x1024xf32>, tensor<?x1008xf32>, tensor<?x1050xf32>, tensor<?x1024xf32>
}
func.func @rectified_item(%x: tensor<1x8192xf32>) -> tensor<1x1024xf32> {
  %w = nn.get @large : tensor<8192x1024xf32>
  %0 = nn.map (%x) : (tensor<1x8192xf32>) -> tensor<1x8192xf32> {
  ^bb0(%e: f32):
    %zero = arith.constant 0.0 : f32
    %m = arith.maximumf %e, %zero : f32
    nn.yield %m : f32
  }
  %1 = nn.matmul %0, %w : (tensor<1x8192xf32>, tensor<8192x1024xf32>) -> tensor<1x1024xf32>
  return %1 : tensor<1x1024xf32>
}

// -----

// Weights are packed by ops on parameters: channels in blocks, the last one filled up with zeros. One block is a view. Transposed
// ones are transposed as they are packed.
// CHECK-LABEL: func.func @dense
// CHECK: %[[P:.*]] = nn.pad %{{.*}} low [0, 0] high [0, 4]
// CHECK: %[[W:.*]] = nn.reshape %[[P]] from [-1, -1, -1] : tensor<8x24xf32> to tensor<1x8x24xf32>
// CHECK: %[[L:.*]] = nn.packed_matmul %arg0, %[[W]] {columns = 20 : i64}
// CHECK: %[[Q:.*]] = nn.pad %{{.*}} low [0, 0] high [4, 0]
// CHECK: %[[B:.*]] = nn.reshape %[[Q]] from [-1, -1, -1] : tensor<24x8xf32> to tensor<1x24x8xf32>
// CHECK: %[[T:.*]] = nn.transpose %[[B]] [0, 2, 1] : (tensor<1x24x8xf32>) -> tensor<1x8x24xf32>
// CHECK: %[[R:.*]] = nn.packed_matmul %arg0, %[[T]] {columns = 20 : i64}
// What is no weight stays; a kernel reads it along its rows.
// CHECK: %[[COLUMNS:.*]] = nn.transpose %arg0 [1, 0]
// CHECK: nn.matmul %arg0, %[[COLUMNS]] : (tensor<?x8xf32>, tensor<8x?xf32>) -> tensor<?x?xf32>
nn.parameter @w : tensor<20x8xf32>
nn.parameter @v : tensor<8x20xf32>
func.func @dense(%x: tensor<?x8xf32>) -> (tensor<?x20xf32>, tensor<?x20xf32>, tensor<?x?xf32>) {
  %v = nn.get @v : tensor<8x20xf32>
  %w = nn.get @w : tensor<20x8xf32>
  %0 = nn.matmul %x, %v : (tensor<?x8xf32>, tensor<8x20xf32>) -> tensor<?x20xf32>
  %1 = nn.matmul %x, %w {transpose_rhs} : (tensor<?x8xf32>, tensor<20x8xf32>) -> tensor<?x20xf32>
  %2 = nn.matmul %x, %x {transpose_rhs} : (tensor<?x8xf32>, tensor<?x8xf32>) -> tensor<?x?xf32>
  return %0, %1, %2 : tensor<?x20xf32>, tensor<?x20xf32>, tensor<?x?xf32>
}

// -----

// The gradient of a filter of such a convolution too.
// CHECK-LABEL: func.func @filter_gradient
// CHECK: nn.winograd_grad_filter %arg0, %arg1 {padding_high = array<i64: 1, 1>, padding_low = array<i64: 1, 1>, tile = 4 : i64}
// EXACT-LABEL: func.func @filter_gradient
// EXACT: nn.conv_grad_filter
// Few channels keep to the definition.
// CHECK: nn.conv_grad_filter %arg2, %arg1
func.func @filter_gradient(%x: tensor<?x32x32x64xf32>, %g: tensor<?x32x32x64xf32>, %image: tensor<?x32x32x3xf32>) -> (tensor<3x3x64x64xf32>, tensor<3x3x3x64xf32>) {
  %0 = nn.conv_grad_filter %x, %g {window = array<i64: 3, 3>, strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, padding_low = array<i64: 1, 1>, padding_high = array<i64: 1, 1>} : (tensor<?x32x32x64xf32>, tensor<?x32x32x64xf32>) -> tensor<3x3x64x64xf32>
  %1 = nn.conv_grad_filter %image, %g {window = array<i64: 3, 3>, strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, padding_low = array<i64: 1, 1>, padding_high = array<i64: 1, 1>} : (tensor<?x32x32x3xf32>, tensor<?x32x32x64xf32>) -> tensor<3x3x3x64xf32>
  return %0, %1 : tensor<3x3x64x64xf32>, tensor<3x3x3x64xf32>
}

// -----

// A 3x3 convolution of stride one with enough channels takes Winograd's algorithm; not an exact one.
// CHECK-LABEL: func.func @winograd
// CHECK: %[[U:.*]] = nn.winograd_filter %{{.*}} {tile = 4 : i64} : (tensor<3x3x64x64xf32>) -> tensor<6x6x64x64xf32>
// CHECK: nn.reshape %[[U]] from [-1, -1, -1, -1] : tensor<6x6x64x64xf32> to tensor<36x64x4x16xf32>
// CHECK: nn.winograd_conv %arg0, %{{.*}} {filters = 64 : i64, padding_high = array<i64: 1, 1>, padding_low = array<i64: 1, 1>, tile = 4 : i64}
// EXACT-LABEL: func.func @winograd
// EXACT-NOT: winograd_
// EXACT: nn.pad
// EXACT: nn.packed_conv
nn.parameter @w : tensor<3x3x64x64xf32>
func.func @winograd(%x: tensor<?x28x28x64xf32>) -> tensor<?x28x28x64xf32> {
  %w = nn.get @w : tensor<3x3x64x64xf32>
  %0 = nn.conv %x, %w {strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, padding_low = array<i64: 1, 1>, padding_high = array<i64: 1, 1>} : (tensor<?x28x28x64xf32>, tensor<3x3x64x64xf32>) -> tensor<?x28x28x64xf32>
  return %0 : tensor<?x28x28x64xf32>
}

// -----

// A step of training has many items: small images share what is read of the filter, whose taps are transformed on the way. So do those
// of a batch whose size is known.
// AVX512-LABEL: func.func @step
// AVX512: nn.winograd_conv %arg0, %{{.*}} {filters = 512 : i64, items = 4 : i64, {{.*}}tile = 4 : i64} : (tensor<?x4x4x512xf32>, tensor<8x512x9x64xf32>)
// AVX512: nn.winograd_grad_filter
// AVX512-LABEL: func.func @batch
// AVX512: nn.winograd_conv %arg0, %{{.*}} {filters = 512 : i64, items = 4 : i64, {{.*}}tile = 4 : i64} : (tensor<6x4x4x512xf32>,
nn.parameter @w : tensor<3x3x512x512xf32>
func.func @step(%x: tensor<?x4x4x512xf32>, %g: tensor<?x4x4x512xf32>) -> (tensor<?x4x4x512xf32>, tensor<3x3x512x512xf32>) {
  %w = nn.get @w : tensor<3x3x512x512xf32>
  %0 = nn.conv %x, %w {strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, padding_low = array<i64: 1, 1>, padding_high = array<i64: 1, 1>} : (tensor<?x4x4x512xf32>, tensor<3x3x512x512xf32>) -> tensor<?x4x4x512xf32>
  %1 = nn.conv_grad_filter %x, %g {window = array<i64: 3, 3>, strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, padding_low = array<i64: 1, 1>, padding_high = array<i64: 1, 1>} : (tensor<?x4x4x512xf32>, tensor<?x4x4x512xf32>) -> tensor<3x3x512x512xf32>
  return %0, %1 : tensor<?x4x4x512xf32>, tensor<3x3x512x512xf32>
}
func.func @batch(%x: tensor<6x4x4x512xf32>) -> tensor<6x4x4x512xf32> {
  %w = nn.get @w : tensor<3x3x512x512xf32>
  %0 = nn.conv %x, %w {strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, padding_low = array<i64: 1, 1>, padding_high = array<i64: 1, 1>} : (tensor<6x4x4x512xf32>, tensor<3x3x512x512xf32>) -> tensor<6x4x4x512xf32>
  return %0 : tensor<6x4x4x512xf32>
}

// -----

// Where it takes longer to read the filters of all points than to transform their taps, the kernel does that.
// AVX512-LABEL: func.func @large_filter
// AVX512: nn.reshape %{{.*}} : tensor<3x3x512x512xf32> to tensor<9x512x8x64xf32>
// AVX512-NEXT: nn.transpose %{{.*}} [2, 1, 0, 3] : (tensor<9x512x8x64xf32>) -> tensor<8x512x9x64xf32>
// AVX512-NEXT: nn.winograd_conv %arg0, %{{.*}} {filters = 512 : i64, {{.*}}tile = 4 : i64} : (tensor<?x14x14x512xf32>, tensor<8x512x9x64xf32>)
nn.parameter @w : tensor<3x3x512x512xf32>
func.func @large_filter(%x: tensor<?x14x14x512xf32>) -> tensor<?x14x14x512xf32> {
  %w = nn.get @w : tensor<3x3x512x512xf32>
  %0 = nn.conv %x, %w {strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, padding_low = array<i64: 1, 1>, padding_high = array<i64: 1, 1>} : (tensor<?x14x14x512xf32>, tensor<3x3x512x512xf32>) -> tensor<?x14x14x512xf32>
  return %0 : tensor<?x14x14x512xf32>
}

// -----

// Rows of seven waste part of a tile: positions become one dimension.
// CHECK-LABEL: func.func @strided
// CHECK: %[[P:.*]] = nn.pad %arg0 low [0, 0, 0, 0] high [0, 1, 1, 0]
// CHECK: %[[C:.*]] = nn.packed_conv %[[P]], %{{.*}} {dilations = array<i64: 1, 1>, filters = 64 : i64, flatten, strides = array<i64: 2, 2>} : (tensor<?x15x15x32xf32>, tensor<1x4x3x3x32x16xf32>) -> tensor<?x49x64xf32>
// CHECK: nn.reshape %[[C]] from [0, -1, -1, -1] : tensor<?x49x64xf32> to tensor<?x7x7x64xf32>
nn.parameter @w : tensor<3x3x32x64xf32>
func.func @strided(%x: tensor<?x14x14x32xf32>) -> tensor<?x7x7x64xf32> {
  %w = nn.get @w : tensor<3x3x32x64xf32>
  %0 = nn.conv %x, %w {strides = array<i64: 2, 2>, dilations = array<i64: 1, 1>, padding_low = array<i64: 0, 0>, padding_high = array<i64: 1, 1>} : (tensor<?x14x14x32xf32>, tensor<3x3x32x64xf32>) -> tensor<?x7x7x64xf32>
  return %0 : tensor<?x7x7x64xf32>
}

// -----

// Groups are a dimension of their own until the maps are done; a depthwise convolution stays.
// CHECK-LABEL: func.func @grouped
// CHECK: nn.packed_conv %arg0, %{{.*}} : (tensor<?x9x24x32xf32>, tensor<2x1x1x3x16x16xf32>) -> tensor<?x9x22x2x16xf32>
// CHECK: nn.conv %{{.*}} groups = 32
nn.parameter @w : tensor<1x3x16x32xf32>
nn.parameter @d : tensor<3x3x1x32xf32>
func.func @grouped(%x: tensor<?x9x24x32xf32>) -> tensor<?x7x20x32xf32> {
  %w = nn.get @w : tensor<1x3x16x32xf32>
  %d = nn.get @d : tensor<3x3x1x32xf32>
  %0 = nn.conv %x, %w {strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, padding_low = array<i64: 0, 0>, padding_high = array<i64: 0, 0>, groups = 2 : i64} : (tensor<?x9x24x32xf32>, tensor<1x3x16x32xf32>) -> tensor<?x9x22x32xf32>
  %1 = nn.conv %0, %d {strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, padding_low = array<i64: 0, 0>, padding_high = array<i64: 0, 0>, groups = 32 : i64} : (tensor<?x9x22x32xf32>, tensor<3x3x1x32xf32>) -> tensor<?x7x20x32xf32>
  return %1 : tensor<?x7x20x32xf32>
}

// -----

// The columns that a loop reads for each gate of a cell alternate in blocks of a vector.
// CHECK-LABEL: func.func @gates
// CHECK: nn.scan carry (%[[H:.*]] = %arg0)
// CHECK: %[[B:.*]] = nn.reshape %{{.*}} from [-1, -1, -1, -1] : tensor<96x192xf32> to tensor<96x2x12x8xf32>
// CHECK: %[[W:.*]] = nn.transpose %[[B]] [2, 0, 1, 3] : (tensor<96x2x12x8xf32>) -> tensor<12x96x2x8xf32>
// CHECK: %[[P:.*]] = nn.packed_matmul %[[H]], %[[W]] {columns = 96 : i64} : (tensor<?x96xf32>, tensor<12x96x2x8xf32>) -> tensor<2x?x96xf32>
// CHECK: nn.slice %[[P]] starts [1, 0, 0] sizes [1, -1, 96]
// CHECK: nn.slice %[[P]] starts [0, 0, 0] sizes [1, -1, 96]
// Parts that are not equal stay columns of one product.
// CHECK-LABEL: func.func @parts
// CHECK: nn.packed_matmul {{.*}} -> tensor<?x144xf32>
nn.parameter @kernels : tensor<96x192xf32>
nn.parameter @others : tensor<96x144xf32>
func.func @gates(%h0: tensor<?x96xf32>, %xs: tensor<5x?x96xf32>) -> tensor<?x96xf32> {
  %w = nn.get @kernels : tensor<96x192xf32>
  %0 = nn.scan carry (%h = %h0) over (%x = %xs) : (tensor<?x96xf32>, tensor<5x?x96xf32>) -> tensor<?x96xf32> {
    %p = nn.matmul %h, %w : (tensor<?x96xf32>, tensor<96x192xf32>) -> tensor<?x192xf32>
    %a = nn.slice %p starts [0, 96] sizes [-1, 96] strides [1, 1] : (tensor<?x192xf32>) -> tensor<?x96xf32>
    %b = nn.slice %p starts [0, 0] sizes [-1, 96] strides [1, 1] : (tensor<?x192xf32>) -> tensor<?x96xf32>
    %n = nn.map (%a, %b, %x) : (tensor<?x96xf32>, tensor<?x96xf32>, tensor<?x96xf32>) -> tensor<?x96xf32> {
    ^bb0(%c: f32, %d: f32, %e: f32):
      %m = arith.mulf %c, %d : f32
      %s = arith.addf %m, %e : f32
      nn.yield %s : f32
    }
    nn.yield %n : tensor<?x96xf32>
  }
  return %0 : tensor<?x96xf32>
}
func.func @parts(%h0: tensor<?x96xf32>, %xs: tensor<5x?x96xf32>) -> tensor<?x96xf32> {
  %w = nn.get @others : tensor<96x144xf32>
  %0 = nn.scan carry (%h = %h0) over (%x = %xs) : (tensor<?x96xf32>, tensor<5x?x96xf32>) -> tensor<?x96xf32> {
    %p = nn.matmul %h, %w : (tensor<?x96xf32>, tensor<96x144xf32>) -> tensor<?x144xf32>
    %a = nn.slice %p starts [0, 0] sizes [-1, 96] strides [1, 1] : (tensor<?x144xf32>) -> tensor<?x96xf32>
    %b = nn.slice %p starts [0, 48] sizes [-1, 96] strides [1, 1] : (tensor<?x144xf32>) -> tensor<?x96xf32>
    %n = nn.map (%a, %b, %x) : (tensor<?x96xf32>, tensor<?x96xf32>, tensor<?x96xf32>) -> tensor<?x96xf32> {
    ^bb0(%c: f32, %d: f32, %e: f32):
      %m = arith.mulf %c, %d : f32
      %s = arith.addf %m, %e : f32
      nn.yield %s : f32
    }
    nn.yield %n : tensor<?x96xf32>
  }
  return %0 : tensor<?x96xf32>
}

// -----

// What only a depthwise convolution reads stays in rows of positions: it is computed in strips of them.
// CHECK-LABEL: func.func @expanded
// CHECK: %[[PRODUCT:.*]] = nn.packed_matmul %arg0, %{{.*}} {columns = 96 : i64} : (tensor<?x56x56x16xf32>, tensor<{{.*}}x16x{{.*}}xf32>) -> tensor<?x56x56x96xf32>
// CHECK-NEXT: %[[MAPPED:.*]] = nn.map(%[[PRODUCT]])
// CHECK: nn.conv %[[MAPPED]]
// A second reader wants all of it in memory.
// CHECK-LABEL: func.func @read_twice
// CHECK: nn.packed_matmul {{.*}} -> tensor<?x3136x96xf32>
nn.parameter @w : tensor<1x1x16x96xf32>
nn.parameter @d : tensor<3x3x1x96xf32>
func.func @expanded(%x: tensor<?x56x56x16xf32>) -> tensor<?x28x28x96xf32> {
  %w = nn.get @w : tensor<1x1x16x96xf32>
  %d = nn.get @d : tensor<3x3x1x96xf32>
  %0 = nn.conv %x, %w {strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, padding_low = array<i64: 0, 0>, padding_high = array<i64: 0, 0>} : (tensor<?x56x56x16xf32>, tensor<1x1x16x96xf32>) -> tensor<?x56x56x96xf32>
  %1 = nn.map (%0) : (tensor<?x56x56x96xf32>) -> tensor<?x56x56x96xf32> {
  ^bb0(%e: f32):
    %z = arith.constant 0.0 : f32
    %m = arith.maximumf %e, %z : f32
    nn.yield %m : f32
  }
  %2 = nn.conv %1, %d {strides = array<i64: 2, 2>, dilations = array<i64: 1, 1>, padding_low = array<i64: 0, 0>, padding_high = array<i64: 1, 1>, groups = 96 : i64} : (tensor<?x56x56x96xf32>, tensor<3x3x1x96xf32>) -> tensor<?x28x28x96xf32>
  return %2 : tensor<?x28x28x96xf32>
}
func.func @read_twice(%x: tensor<?x56x56x16xf32>) -> (tensor<?x28x28x96xf32>, tensor<?x56x56x96xf32>) {
  %w = nn.get @w : tensor<1x1x16x96xf32>
  %d = nn.get @d : tensor<3x3x1x96xf32>
  %0 = nn.conv %x, %w {strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, padding_low = array<i64: 0, 0>, padding_high = array<i64: 0, 0>} : (tensor<?x56x56x16xf32>, tensor<1x1x16x96xf32>) -> tensor<?x56x56x96xf32>
  %1 = nn.map (%0) : (tensor<?x56x56x96xf32>) -> tensor<?x56x56x96xf32> {
  ^bb0(%e: f32):
    %z = arith.constant 0.0 : f32
    %m = arith.maximumf %e, %z : f32
    nn.yield %m : f32
  }
  %2 = nn.conv %1, %d {strides = array<i64: 2, 2>, dilations = array<i64: 1, 1>, padding_low = array<i64: 0, 0>, padding_high = array<i64: 1, 1>, groups = 96 : i64} : (tensor<?x56x56x96xf32>, tensor<3x3x1x96xf32>) -> tensor<?x28x28x96xf32>
  return %2, %1 : tensor<?x28x28x96xf32>, tensor<?x56x56x96xf32>
}

// -----

// Bytes are packed by four steps of the sum, filled up with zeros where these are no multiple.
// CHECK-LABEL: func.func @bytes
// CHECK: %[[ROWS:.*]] = nn.pad %arg0 low [0, 0] high [0, 2] : (tensor<?x6xui8>) -> tensor<?x8xui8>
// CHECK: %[[W:.*]] = nn.pad %{{.*}} low [0, 0] high [2, 0] : (tensor<6x8xi8>) -> tensor<8x8xi8>
// CHECK: %[[BYTES:.*]] = nn.transpose %{{.*}} [0, 1, 3, 2] : (tensor<1x2x4x8xi8>) -> tensor<1x2x8x4xi8>
// CHECK: nn.packed_matmul %[[ROWS]], %[[BYTES]] {columns = 8 : i64} : (tensor<?x8xui8>, tensor<1x2x8x4xi8>) -> tensor<?x8xi32>
nn.parameter @w : tensor<6x8xi8>
func.func @bytes(%x: tensor<?x6xui8>) -> tensor<?x8xi32> {
  %w = nn.get @w : tensor<6x8xi8>
  %0 = nn.matmul %x, %w : (tensor<?x6xui8>, tensor<6x8xi8>) -> tensor<?x8xi32>
  return %0 : tensor<?x8xi32>
}

// -----

// Bytes that stand for numbers stay bytes, transposed or not; scales of columns are those of the result.
// CHECK-LABEL: func.func @stored
// CHECK: %[[SCALE:.*]] = nn.reshape %{{.*}} : tensor<1x8xf32> to tensor<8xf32>
// CHECK: %[[BYTES:.*]] = nn.reshape %{{.*}} : tensor<6x8xi8> to tensor<1x6x8xi8>
// CHECK: %[[PRODUCT:.*]] = nn.packed_matmul %arg0, %[[BYTES]] {columns = 8 : i64} : (tensor<?x6xf32>, tensor<1x6x8xi8>) -> tensor<?x8xf32>
// CHECK: %[[SCALED:.*]] = nn.map(%[[PRODUCT]], %[[SCALE]])
// CHECK: %[[BYTES:.*]] = nn.transpose %{{.*}} [0, 2, 1] : (tensor<1x6x8xi8>) -> tensor<1x8x6xi8>
// CHECK: nn.packed_matmul %[[SCALED]], %[[BYTES]] {columns = 6 : i64} : (tensor<?x8xf32>, tensor<1x8x6xi8>) -> tensor<?x6xf32>
nn.parameter @w : tensor<6x8xi8>
nn.parameter @s : tensor<1x8xf32>
nn.parameter @t : tensor<f32>
func.func @stored(%x: tensor<?x6xf32>) -> tensor<?x6xf32> {
  %w = nn.get @w : tensor<6x8xi8>
  %s = nn.get @s : tensor<1x8xf32>
  %t = nn.get @t : tensor<f32>
  %f = nn.map(%w) : (tensor<6x8xi8>) -> tensor<6x8xf32> {
  ^bb0(%e: i8):
    %n = arith.sitofp %e : i8 to f32
    nn.yield %n : f32
  }
  %scaled = nn.map(%f, %s) : (tensor<6x8xf32>, tensor<1x8xf32>) -> tensor<6x8xf32> {
  ^bb0(%e: f32, %scale: f32):
    %n = arith.mulf %e, %scale : f32
    nn.yield %n : f32
  }
  %0 = nn.matmul %x, %scaled : (tensor<?x6xf32>, tensor<6x8xf32>) -> tensor<?x8xf32>
  %whole = nn.map(%w, %t) : (tensor<6x8xi8>, tensor<f32>) -> tensor<6x8xf32> {
  ^bb0(%e: i8, %scale: f32):
    %wide = arith.extsi %e : i8 to i32
    %n = arith.sitofp %wide : i32 to f32
    %m = arith.mulf %n, %scale : f32
    nn.yield %m : f32
  }
  %1 = nn.matmul %0, %whole {transpose_rhs} : (tensor<?x8xf32>, tensor<6x8xf32>) -> tensor<?x6xf32>
  return %1 : tensor<?x6xf32>
}

// -----

// Scales that differ along the sum are multiplied with the bytes before it.
// CHECK-LABEL: func.func @scaled_rows
// CHECK: nn.packed_matmul %arg0, %{{.*}} : (tensor<?x6xf32>, tensor<1x6x8xf32>) -> tensor<?x8xf32>
nn.parameter @w : tensor<6x8xi8>
nn.parameter @s : tensor<6x1xf32>
func.func @scaled_rows(%x: tensor<?x6xf32>) -> tensor<?x8xf32> {
  %w = nn.get @w : tensor<6x8xi8>
  %s = nn.get @s : tensor<6x1xf32>
  %scaled = nn.map(%w, %s) : (tensor<6x8xi8>, tensor<6x1xf32>) -> tensor<6x8xf32> {
  ^bb0(%e: i8, %scale: f32):
    %n = arith.sitofp %e : i8 to f32
    %m = arith.mulf %n, %scale : f32
    nn.yield %m : f32
  }
  %0 = nn.matmul %x, %scaled : (tensor<?x6xf32>, tensor<6x8xf32>) -> tensor<?x8xf32>
  return %0 : tensor<?x8xf32>
}

// -----

// A table of bytes is looked up before its rows become numbers.
// CHECK-LABEL: func.func @table
// CHECK: %[[ROWS:.*]] = nn.gather %{{.*}}, %arg0 dim 0 : (tensor<6x8xi8>, tensor<?xi32>) -> tensor<?x8xi8>
// CHECK: %[[SCALES:.*]] = nn.gather %{{.*}}, %arg0 dim 0 : (tensor<6x1xf32>, tensor<?xi32>) -> tensor<?x1xf32>
// CHECK: nn.map(%[[ROWS]], %[[SCALES]])
nn.parameter @w : tensor<6x8xi8>
nn.parameter @s : tensor<6x1xf32>
func.func @table(%ids: tensor<?xi32>) -> tensor<?x8xf32> {
  %w = nn.get @w : tensor<6x8xi8>
  %s = nn.get @s : tensor<6x1xf32>
  %numbers = nn.map(%w, %s) : (tensor<6x8xi8>, tensor<6x1xf32>) -> tensor<6x8xf32> {
  ^bb0(%e: i8, %scale: f32):
    %n = arith.sitofp %e : i8 to f32
    %m = arith.mulf %n, %scale : f32
    nn.yield %m : f32
  }
  %0 = nn.gather %numbers, %ids dim 0 : (tensor<6x8xf32>, tensor<?xi32>) -> tensor<?x8xf32>
  return %0 : tensor<?x8xf32>
}

// -----

// Weights that change, read by one free number of rows: their kernel copies their columns. Those of many matrices, and transposed
// ones, are packed in each step.
// CHECK-LABEL: func.func @train_step
// CHECK: %[[W:.*]] = nn.get @w
// CHECK: nn.matmul %arg0, %[[W]] : (tensor<?x32xf32>, tensor<32x64xf32>) -> tensor<?x64xf32>
// CHECK: nn.packed_matmul %arg1
// CHECK: nn.packed_matmul %arg2
nn.parameter @w : tensor<32x64xf32>
func.func @train_step(%x: tensor<?x32xf32>, %y: tensor<?x5x32xf32>, %g: tensor<?x64xf32>)
    -> (tensor<?x64xf32>, tensor<?x5x64xf32>, tensor<?x32xf32>, tensor<32x64xf32> {nn.update = "w"}) {
  %w = nn.get @w : tensor<32x64xf32>
  %0 = nn.matmul %x, %w : (tensor<?x32xf32>, tensor<32x64xf32>) -> tensor<?x64xf32>
  %1 = nn.matmul %y, %w : (tensor<?x5x32xf32>, tensor<32x64xf32>) -> tensor<?x5x64xf32>
  %2 = nn.matmul %g, %w {transpose_rhs} : (tensor<?x64xf32>, tensor<32x64xf32>) -> tensor<?x32xf32>
  %next = nn.map(%w) : (tensor<32x64xf32>) -> tensor<32x64xf32> {
  ^bb0(%a: f32):
    %s = arith.addf %a, %a : f32
    nn.yield %s : f32
  }
  return %0, %1, %2, %next : tensor<?x64xf32>, tensor<?x5x64xf32>, tensor<?x32xf32>, tensor<32x64xf32>
}

// -----

// Rows that leave the second cache together with a block of weights are taken in parts of the contracted dimension; the bias
// stays an epilogue of the sum. Few rows are not.
// CHECK-LABEL: func.func @long_rows
// CHECK: %[[LEFT:.*]] = nn.slice %arg0 starts [0, 0, 0] sizes [-1, 64, 1024]
// CHECK: %[[FIRST:.*]] = nn.packed_matmul %[[LEFT]], %{{.*}} : (tensor<?x64x1024xf32>, tensor<4x1024x16xf32>)
// CHECK: %[[RIGHT:.*]] = nn.slice %arg0 starts [0, 0, 1024] sizes [-1, 64, 1024]
// CHECK: %[[SECOND:.*]] = nn.packed_matmul %[[RIGHT]]
// CHECK: %[[SUM:.*]] = nn.map(%[[FIRST]], %[[SECOND]])
// CHECK: nn.map(%[[SUM]], %{{.*}}) : (tensor<?x64x64xf32>, tensor<64xf32>)
nn.parameter @w : tensor<2048x64xf32>
nn.parameter @b : tensor<64xf32>
func.func @long_rows(%x: tensor<?x64x2048xf32>) -> tensor<?x64x64xf32> {
  %w = nn.get @w : tensor<2048x64xf32>
  %b = nn.get @b : tensor<64xf32>
  %0 = nn.matmul %x, %w : (tensor<?x64x2048xf32>, tensor<2048x64xf32>) -> tensor<?x64x64xf32>
  %1 = nn.map (%0, %b) : (tensor<?x64x64xf32>, tensor<64xf32>) -> tensor<?x64x64xf32> {
  ^bb0(%e: f32, %c: f32):
    %s = arith.addf %e, %c : f32
    nn.yield %s : f32
  }
  return %1 : tensor<?x64x64xf32>
}

// -----

// Nor are rows of which no part would stay.
// CHECK-LABEL: func.func @long_and_many
// CHECK-NOT: nn.slice
nn.parameter @w : tensor<4096x64xf32>
func.func @long_and_many(%x: tensor<?x4096x4096xf32>) -> tensor<?x4096x64xf32> {
  %w = nn.get @w : tensor<4096x64xf32>
  %0 = nn.matmul %x, %w : (tensor<?x4096x4096xf32>, tensor<4096x64xf32>) -> tensor<?x4096x64xf32>
  return %0 : tensor<?x4096x64xf32>
}

// -----

// One step of all rows is larger than the cache.
// CHECK-LABEL: func.func @long_and_too_many
// CHECK-NOT: nn.slice
// CHECK: nn.packed_matmul
nn.parameter @w : tensor<2048x64xf32>
func.func @long_and_too_many(%x: tensor<?x300000x2048xf32>) -> tensor<?x300000x64xf32> {
  %w = nn.get @w : tensor<2048x64xf32>
  %0 = nn.matmul %x, %w : (tensor<?x300000x2048xf32>, tensor<2048x64xf32>) -> tensor<?x300000x64xf32>
  return %0 : tensor<?x300000x64xf32>
}

// -----

// CHECK-LABEL: func.func @long_and_few
// CHECK-NOT: nn.slice
nn.parameter @w : tensor<2048x64xf32>
func.func @long_and_few(%x: tensor<?x8x2048xf32>) -> tensor<?x8x64xf32> {
  %w = nn.get @w : tensor<2048x64xf32>
  %0 = nn.matmul %x, %w : (tensor<?x8x2048xf32>, tensor<2048x64xf32>) -> tensor<?x8x64xf32>
  return %0 : tensor<?x8x64xf32>
}

// -----

// The update of weights keeps the shape of their gradient, in whose kernel it then is; a vector of them it is where the columns do
// not fill vectors, or where something else reads the gradient.
// CHECK-LABEL: func.func @update
// CHECK: %[[D:.*]] = nn.matmul %arg0, %arg1 {transpose_lhs}
// CHECK: %[[V:.*]] = nn.map(%arg2, %[[D]]) : (tensor<32x16xf32>, tensor<32x16xf32>) -> tensor<32x16xf32>
// CHECK: %[[W:.*]] = nn.map(%arg3, %[[V]]) : (tensor<32x16xf32>, tensor<32x16xf32>) -> tensor<32x16xf32>
// CHECK: return %[[V]], %[[W]]
func.func @update(%x: tensor<?x32xf32>, %g: tensor<?x16xf32>, %v: tensor<32x16xf32>, %w: tensor<32x16xf32>) -> (tensor<32x16xf32>, tensor<32x16xf32>) {
  %0 = nn.matmul %x, %g {transpose_lhs} : (tensor<?x32xf32>, tensor<?x16xf32>) -> tensor<32x16xf32>
  %1 = nn.reshape %0 from [-1] : tensor<32x16xf32> to tensor<512xf32>
  %2 = nn.reshape %v from [-1] : tensor<32x16xf32> to tensor<512xf32>
  %3 = nn.reshape %w from [-1] : tensor<32x16xf32> to tensor<512xf32>
  %4 = nn.map (%2, %1) : (tensor<512xf32>, tensor<512xf32>) -> tensor<512xf32> {
  ^bb0(%a: f32, %b: f32):
    %8 = arith.mulf %a, %b : f32
    nn.yield %8 : f32
  }
  %5 = nn.map (%3, %4) : (tensor<512xf32>, tensor<512xf32>) -> tensor<512xf32> {
  ^bb0(%a: f32, %b: f32):
    %8 = arith.addf %a, %b : f32
    nn.yield %8 : f32
  }
  %6 = nn.reshape %4 from [-1, -1] : tensor<512xf32> to tensor<32x16xf32>
  %7 = nn.reshape %5 from [-1, -1] : tensor<512xf32> to tensor<32x16xf32>
  return %6, %7 : tensor<32x16xf32>, tensor<32x16xf32>
}
// CHECK-LABEL: func.func @gradient_read
// CHECK: nn.map({{.*}}) : (tensor<512xf32>, tensor<512xf32>) -> tensor<512xf32>
func.func @gradient_read(%x: tensor<?x32xf32>, %g: tensor<?x16xf32>, %v: tensor<32x16xf32>) -> (tensor<32x16xf32>, tensor<32x16xf32>) {
  %0 = nn.matmul %x, %g {transpose_lhs} : (tensor<?x32xf32>, tensor<?x16xf32>) -> tensor<32x16xf32>
  %1 = nn.reshape %0 from [-1] : tensor<32x16xf32> to tensor<512xf32>
  %2 = nn.reshape %v from [-1] : tensor<32x16xf32> to tensor<512xf32>
  %4 = nn.map (%2, %1) : (tensor<512xf32>, tensor<512xf32>) -> tensor<512xf32> {
  ^bb0(%a: f32, %b: f32):
    %8 = arith.mulf %a, %b : f32
    nn.yield %8 : f32
  }
  %6 = nn.reshape %4 from [-1, -1] : tensor<512xf32> to tensor<32x16xf32>
  return %6, %0 : tensor<32x16xf32>, tensor<32x16xf32>
}

// -----

// A gradient of few columns is computed with its rows as columns.
// CHECK-LABEL: func.func @narrow_gradient
// CHECK: %[[T:.*]] = nn.matmul %arg1, %arg0 {transpose_lhs} : (tensor<?x5xf32>, tensor<?x32xf32>) -> tensor<5x32xf32>
// CHECK: nn.transpose %[[T]] [1, 0]
// Rows that do not fill vectors either stay what they are.
// CHECK: nn.matmul %arg2, %arg1 {transpose_lhs} : (tensor<?x30xf32>, tensor<?x5xf32>) -> tensor<30x5xf32>
func.func @narrow_gradient(%x: tensor<?x32xf32>, %g: tensor<?x5xf32>, %y: tensor<?x30xf32>) -> (tensor<32x5xf32>, tensor<30x5xf32>) {
  %0 = nn.matmul %x, %g {transpose_lhs} : (tensor<?x32xf32>, tensor<?x5xf32>) -> tensor<32x5xf32>
  %1 = nn.matmul %y, %g {transpose_lhs} : (tensor<?x30xf32>, tensor<?x5xf32>) -> tensor<30x5xf32>
  return %0, %1 : tensor<32x5xf32>, tensor<30x5xf32>
}

// -----

// Of a row of a free size there are tiles enough that panels of weights beyond the first cache cost nothing: 240 filters fill five
// panels of three vectors, where they would leave half of one of two.
// AVX512-LABEL: func.func @free_row
// AVX512: nn.packed_conv {{.*}} : (tensor<?x?x?x240xf32>, tensor<1x5x1x1x240x48xf32>)
nn.parameter @filter : tensor<1x1x240x240xf32>
func.func @free_row(%x: tensor<?x?x?x240xf32>) -> tensor<?x?x?x240xf32> {
  %w = nn.get @filter : tensor<1x1x240x240xf32>
  %0 = nn.conv %x, %w {strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, padding_low = array<i64: 0, 0>, padding_high = array<i64: 0, 0>} : (tensor<?x?x?x240xf32>, tensor<1x1x240x240xf32>) -> tensor<?x?x?x240xf32>
  return %0 : tensor<?x?x?x240xf32>
}

// -----

// What rises with an element comes after the maximum of a window, where that computes the convolution; what falls with it does not.
// AVX512-LABEL: func.func @pooled
// AVX512: %[[C:.*]] = nn.packed_conv
// AVX512: %[[P:.*]] = nn.max_pool %[[C]]
// AVX512: %[[M:.*]] = nn.map(%[[P]], %{{.*}}) : (tensor<?x13x13x32xf32>, tensor<1x1x32xf32>) -> tensor<?x13x13x32xf32>
// AVX512: %[[D:.*]] = nn.packed_conv
// AVX512: %[[F:.*]] = nn.map(%[[D]]
// AVX512: %[[Q:.*]] = nn.max_pool %[[F]]
// AVX512: return %[[M]], %[[Q]]
nn.parameter @filter : tensor<3x3x1x32xf32>
nn.parameter @bias : tensor<1x1x32xf32>
func.func @pooled(%x: tensor<?x28x28x1xf32>) -> (tensor<?x13x13x32xf32>, tensor<?x13x13x32xf32>) {
  %w = nn.get @filter : tensor<3x3x1x32xf32>
  %b = nn.get @bias : tensor<1x1x32xf32>
  %0 = nn.conv %x, %w {strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, padding_low = array<i64: 0, 0>, padding_high = array<i64: 0, 0>} : (tensor<?x28x28x1xf32>, tensor<3x3x1x32xf32>) -> tensor<?x26x26x32xf32>
  %1 = nn.map (%0, %b) : (tensor<?x26x26x32xf32>, tensor<1x1x32xf32>) -> tensor<?x26x26x32xf32> {
  ^bb0(%e: f32, %f: f32):
    %zero = arith.constant 0.0 : f32
    %s = arith.addf %e, %f : f32
    %r = arith.maximumf %s, %zero : f32
    nn.yield %r : f32
  }
  %2 = nn.max_pool %1 {window = array<i64: 2, 2>, strides = array<i64: 2, 2>, dilations = array<i64: 1, 1>, padding_low = array<i64: 0, 0>, padding_high = array<i64: 0, 0>} : (tensor<?x26x26x32xf32>) -> tensor<?x13x13x32xf32>
  %3 = nn.conv %x, %w {strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, padding_low = array<i64: 0, 0>, padding_high = array<i64: 0, 0>} : (tensor<?x28x28x1xf32>, tensor<3x3x1x32xf32>) -> tensor<?x26x26x32xf32>
  %4 = nn.map (%3, %b) : (tensor<?x26x26x32xf32>, tensor<1x1x32xf32>) -> tensor<?x26x26x32xf32> {
  ^bb0(%e: f32, %f: f32):
    %s = arith.subf %f, %e : f32
    nn.yield %s : f32
  }
  %5 = nn.max_pool %4 {window = array<i64: 2, 2>, strides = array<i64: 2, 2>, dilations = array<i64: 1, 1>, padding_low = array<i64: 0, 0>, padding_high = array<i64: 0, 0>} : (tensor<?x26x26x32xf32>) -> tensor<?x13x13x32xf32>
  return %2, %5 : tensor<?x13x13x32xf32>, tensor<?x13x13x32xf32>
}
