// RUN: sylvite-opt %s -pass-pipeline='builtin.module(func.func(nn-fuse))' | FileCheck %s

// A chain of maps is one map, in the kernel of the product before it. The reshape stays outside.
// CHECK-LABEL: func.func @epilogue
// CHECK: %[[G:.*]] = nn.group (%[[X:.*]] = %arg0, %[[W:.*]] = %arg1, %[[B:.*]] = %arg2)
// CHECK-NEXT: %[[P:.*]] = nn.matmul %[[X]], %[[W]]
// CHECK-NEXT: %[[M:.*]] = nn.map(%[[P]], %[[B]])
// CHECK: arith.addf
// CHECK: arith.maximumf
// CHECK: nn.yield %[[M]]
// CHECK: nn.reshape %[[G]]
// CHECK-NOT: nn.group
// CHECK: return
func.func @epilogue(%x: tensor<?x8xf32>, %w: tensor<8x4xf32>, %b: tensor<4xf32>) -> tensor<?x2x2xf32> {
  %0 = nn.matmul %x, %w : (tensor<?x8xf32>, tensor<8x4xf32>) -> tensor<?x4xf32>
  %1 = nn.map (%0, %b) : (tensor<?x4xf32>, tensor<4xf32>) -> tensor<?x4xf32> {
  ^bb0(%a: f32, %c: f32):
    %s = arith.addf %a, %c : f32
    nn.yield %s : f32
  }
  %2 = nn.map (%1) : (tensor<?x4xf32>) -> tensor<?x4xf32> {
  ^bb0(%a: f32):
    %z = arith.constant 0.0 : f32
    %m = arith.maximumf %a, %z : f32
    nn.yield %m : f32
  }
  %3 = nn.reshape %2 from [0, -1, -1] : tensor<?x4xf32> to tensor<?x2x2xf32>
  return %3 : tensor<?x2x2xf32>
}

// What two ops read is computed once, in a kernel of its own.
// CHECK-LABEL: func.func @shared
// CHECK: %[[P:.*]] = nn.group (%{{.*}} = %arg0, %{{.*}} = %arg1)
// CHECK-NEXT: nn.matmul
// CHECK-NEXT: nn.yield
// CHECK: nn.group (%{{.*}} = %[[P]])
// CHECK: nn.group (%{{.*}} = %[[P]])
func.func @shared(%x: tensor<?x8xf32>, %w: tensor<8x4xf32>) -> (tensor<?x4xf32>, tensor<?x4xf32>) {
  %0 = nn.matmul %x, %w : (tensor<?x8xf32>, tensor<8x4xf32>) -> tensor<?x4xf32>
  %1 = nn.map (%0) : (tensor<?x4xf32>) -> tensor<?x4xf32> {
  ^bb0(%a: f32):
    %z = arith.constant 0.0 : f32
    %m = arith.maximumf %a, %z : f32
    nn.yield %m : f32
  }
  %2 = nn.softmax %0 dims [1] : (tensor<?x4xf32>) -> tensor<?x4xf32>
  return %1, %2 : tensor<?x4xf32>, tensor<?x4xf32>
}

// A sum of two products is in the kernel of one of them.
// CHECK-LABEL: func.func @join
// CHECK: nn.group
// CHECK-NEXT: nn.matmul
// CHECK: nn.group
// CHECK-NEXT: nn.matmul
// CHECK-NOT: nn.group
// CHECK: return
func.func @join(%x: tensor<?x8xf32>, %w: tensor<8x4xf32>) -> tensor<?x4xf32> {
  %0 = nn.matmul %x, %w : (tensor<?x8xf32>, tensor<8x4xf32>) -> tensor<?x4xf32>
  %1 = nn.matmul %x, %w : (tensor<?x8xf32>, tensor<8x4xf32>) -> tensor<?x4xf32>
  %2 = nn.map (%0, %1) : (tensor<?x4xf32>, tensor<?x4xf32>) -> tensor<?x4xf32> {
  ^bb0(%a: f32, %b: f32):
    %s = arith.addf %a, %b : f32
    nn.yield %s : f32
  }
  return %2 : tensor<?x4xf32>
}

// A map is computed on the way into the padding that reads it, not into a window that reads it often.
// CHECK-LABEL: func.func @prologue
// CHECK: %[[G:.*]] = nn.group (%[[X:.*]] = %arg0)
// CHECK-NEXT: %[[M:.*]] = nn.map(%[[X]])
// CHECK: nn.pad %[[M]]
// CHECK: %[[R:.*]] = nn.group (%{{.*}} = %[[G]])
// CHECK: nn.map
// CHECK: nn.group (%[[Y:.*]] = %[[R]])
// CHECK-NEXT: nn.max_pool %[[Y]]
func.func @prologue(%x: tensor<?x4x3xf32>) -> tensor<?x5x3xf32> {
  %0 = nn.map (%x) : (tensor<?x4x3xf32>) -> tensor<?x4x3xf32> {
  ^bb0(%a: f32):
    %z = arith.constant 0.0 : f32
    %m = arith.maximumf %a, %z : f32
    nn.yield %m : f32
  }
  %1 = nn.pad %0 low [0, 1, 0] high [0, 1, 0] : (tensor<?x4x3xf32>) -> tensor<?x6x3xf32>
  %2 = nn.map (%1) : (tensor<?x6x3xf32>) -> tensor<?x6x3xf32> {
  ^bb0(%a: f32):
    %z = arith.constant 0.0 : f32
    %m = arith.maximumf %a, %z : f32
    nn.yield %m : f32
  }
  %3 = nn.max_pool %2 {window = array<i64: 2>, strides = array<i64: 1>, dilations = array<i64: 1>, padding_low = array<i64: 0>, padding_high = array<i64: 0>} : (tensor<?x6x3xf32>) -> tensor<?x5x3xf32>
  return %3 : tensor<?x5x3xf32>
}

// A map is computed where a concatenation copies it; the other part is read as it is.
// CHECK-LABEL: func.func @concat
// CHECK: nn.group (%[[X:.*]] = %arg0, %[[Y:.*]] = %arg1)
// CHECK-NEXT: %[[M:.*]] = nn.map(%[[X]])
// CHECK: nn.concat %[[M]], %[[Y]] dim 1
// CHECK-NOT: nn.group
// CHECK: return
func.func @concat(%x: tensor<?x4xf32>, %y: tensor<?x4xf32>) -> tensor<?x8xf32> {
  %0 = nn.map (%x) : (tensor<?x4xf32>) -> tensor<?x4xf32> {
  ^bb0(%a: f32):
    %m = math.exp %a : f32
    nn.yield %m : f32
  }
  %1 = nn.concat %0, %y dim 1 : (tensor<?x4xf32>, tensor<?x4xf32>) -> tensor<?x8xf32>
  return %1 : tensor<?x8xf32>
}

// A reduction reads each element once, so a map is computed on the way into it.
// CHECK-LABEL: func.func @reduce
// CHECK: nn.group (%[[X:.*]] = %arg0)
// CHECK-NEXT: %[[M:.*]] = nn.map(%[[X]])
// CHECK: nn.reduce mean %[[M]] dims [1, 2]
// CHECK-NOT: nn.group
// CHECK: return
func.func @reduce(%x: tensor<?x4x4x8xf32>) -> tensor<?x8xf32> {
  %0 = nn.map (%x) : (tensor<?x4x4x8xf32>) -> tensor<?x4x4x8xf32> {
  ^bb0(%a: f32):
    %m = math.exp %a : f32
    nn.yield %m : f32
  }
  %1 = nn.reduce mean %0 dims [1, 2] : (tensor<?x4x4x8xf32>) -> tensor<?x8xf32>
  return %1 : tensor<?x8xf32>
}

// Padding before a window that slides over each channel alone is part of its kernel; before a convolution
// over channels it is a kernel of its own. A map before the padding stays where it is.
// CHECK-LABEL: func.func @padding
// CHECK: nn.group
// CHECK: nn.map
// CHECK: nn.group
// CHECK: nn.pad
// CHECK-NEXT: nn.conv {{.*}}groups = 8
// CHECK-NEXT: nn.yield
// CHECK: nn.group
// CHECK: nn.pad
// CHECK-NEXT: nn.yield
// CHECK: nn.group
// CHECK: nn.conv
func.func @padding(%x: tensor<?x8x8x8xf32>, %d: tensor<3x3x1x8xf32>, %w: tensor<3x3x8x8xf32>) -> tensor<?x8x8x8xf32> {
  %0 = nn.map (%x) : (tensor<?x8x8x8xf32>) -> tensor<?x8x8x8xf32> {
  ^bb0(%e: f32):
    %s = math.exp %e : f32
    nn.yield %s : f32
  }
  %1 = nn.pad %0 low [0, 1, 1, 0] high [0, 1, 1, 0] : (tensor<?x8x8x8xf32>) -> tensor<?x10x10x8xf32>
  %2 = nn.conv %1, %d {strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, padding_low = array<i64: 0, 0>, padding_high = array<i64: 0, 0>, groups = 8 : i64} : (tensor<?x10x10x8xf32>, tensor<3x3x1x8xf32>) -> tensor<?x8x8x8xf32>
  %3 = nn.pad %2 low [0, 1, 1, 0] high [0, 1, 1, 0] : (tensor<?x8x8x8xf32>) -> tensor<?x10x10x8xf32>
  %4 = nn.conv %3, %w {strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, padding_low = array<i64: 0, 0>, padding_high = array<i64: 0, 0>} : (tensor<?x10x10x8xf32>, tensor<3x3x8x8xf32>) -> tensor<?x8x8x8xf32>
  return %4 : tensor<?x8x8x8xf32>
}

// A free size is no reason to copy.
// CHECK-LABEL: func.func @free_padding
// CHECK: nn.group
// CHECK-NEXT: nn.pad
// CHECK-NEXT: nn.conv {{.*}}groups = 8
// CHECK-NEXT: nn.yield
func.func @free_padding(%x: tensor<?x6x?x8xf32>, %d: tensor<3x3x1x8xf32>) -> tensor<?x6x?x8xf32> {
  %0 = nn.pad %x low [0, 1, 1, 0] high [0, 1, 1, 0] : (tensor<?x6x?x8xf32>) -> tensor<?x8x?x8xf32>
  %1 = nn.conv %0, %d {strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, padding_low = array<i64: 0, 0>, padding_high = array<i64: 0, 0>, groups = 8 : i64} : (tensor<?x8x?x8xf32>, tensor<3x3x1x8xf32>) -> tensor<?x6x?x8xf32>
  return %1 : tensor<?x6x?x8xf32>
}

// A map reads through slices that it alone reads, and through what drops a dimension of one.
// CHECK-LABEL: func.func @gates
// CHECK: nn.group (%[[Z:.*]] = %arg0, %[[X:.*]] = %arg1) : (tensor<2x?x4xf32>, tensor<?x8xf32>) -> tensor<?x4xf32> {
// CHECK-NEXT: %[[MATRIX:.*]] = nn.slice %[[Z]] starts [1, 0, 0]
// CHECK-NEXT: %[[GATE:.*]] = nn.reshape %[[MATRIX]] from [1, 2]
// CHECK-NEXT: %[[INPUT:.*]] = nn.slice %[[X]] starts [0, 4]
// CHECK-NEXT: nn.map(%[[GATE]], %[[INPUT]])
// CHECK-NOT: nn.group
// CHECK: return
func.func @gates(%z: tensor<2x?x4xf32>, %x: tensor<?x8xf32>) -> tensor<?x4xf32> {
  %0 = nn.slice %z starts [1, 0, 0] sizes [1, -1, 4] strides [1, 1, 1] : (tensor<2x?x4xf32>) -> tensor<1x?x4xf32>
  %1 = nn.reshape %0 from [1, 2] : tensor<1x?x4xf32> to tensor<?x4xf32>
  %2 = nn.slice %x starts [0, 4] sizes [-1, 4] strides [1, 1] : (tensor<?x8xf32>) -> tensor<?x4xf32>
  %3 = nn.map (%1, %2) : (tensor<?x4xf32>, tensor<?x4xf32>) -> tensor<?x4xf32> {
  ^bb0(%a: f32, %b: f32):
    %4 = arith.addf %a, %b : f32
    nn.yield %4 : f32
  }
  return %3 : tensor<?x4xf32>
}

// What a loop reads stays before it: the map would be computed at every step.
// CHECK-LABEL: func.func @loop
// CHECK: nn.group
// CHECK: nn.map
// CHECK: nn.scan
// CHECK: nn.group
// CHECK: nn.slice
func.func @loop(%x: tensor<4xf32>, %xs: tensor<20x2xf32>) -> tensor<20x2xf32> {
  %0 = nn.map (%x) : (tensor<4xf32>) -> tensor<4xf32> {
  ^bb0(%a: f32):
    %m = math.exp %a : f32
    nn.yield %m : f32
  }
  %1 = nn.scan over (%s = %xs) : (tensor<20x2xf32>) -> tensor<20x2xf32> {
    %2 = nn.slice %0 starts [1] sizes [2] strides [1] : (tensor<4xf32>) -> tensor<2xf32>
    nn.yield %2 : tensor<2xf32>
  }
  return %1 : tensor<20x2xf32>
}

// The maps that make the next states of a cell's gates are one kernel with the product: two results, one tile of it.
// CHECK-LABEL: func.func @cell
// CHECK: %[[STATES:.*]]:2 = nn.group (%[[H:.*]] = %arg0, %[[W:.*]] = %arg1, %[[X:.*]] = %arg3, %[[C:.*]] = %arg2)
// CHECK-NEXT: %[[P:.*]] = nn.packed_matmul %[[H]], %[[W]]
// CHECK: %[[CELL:.*]] = nn.map
// CHECK: %[[OUT:.*]] = nn.map
// CHECK: nn.yield %[[OUT]], %[[CELL]]
// CHECK-NOT: nn.group
// CHECK: return %[[STATES]]#0, %[[STATES]]#1
func.func @cell(%h: tensor<?x8xf32>, %w: tensor<1x8x2x8xf32>, %c: tensor<?x8xf32>, %x: tensor<?x16xf32>) -> (tensor<?x8xf32>, tensor<?x8xf32>) {
  %p = nn.packed_matmul %h, %w {columns = 8 : i64} : (tensor<?x8xf32>, tensor<1x8x2x8xf32>) -> tensor<2x?x8xf32>
  %x0 = nn.slice %x starts [0, 0] sizes [-1, 8] strides [1, 1] : (tensor<?x16xf32>) -> tensor<?x8xf32>
  %g0 = nn.slice %p starts [0, 0, 0] sizes [1, -1, 8] strides [1, 1, 1] : (tensor<2x?x8xf32>) -> tensor<1x?x8xf32>
  %r0 = nn.reshape %g0 from [1, 2] : tensor<1x?x8xf32> to tensor<?x8xf32>
  %next = nn.map (%c, %r0, %x0) : (tensor<?x8xf32>, tensor<?x8xf32>, tensor<?x8xf32>) -> tensor<?x8xf32> {
  ^bb0(%a: f32, %b: f32, %d: f32):
    %s = arith.mulf %a, %b : f32
    %t = arith.addf %s, %d : f32
    nn.yield %t : f32
  }
  %x1 = nn.slice %x starts [0, 8] sizes [-1, 8] strides [1, 1] : (tensor<?x16xf32>) -> tensor<?x8xf32>
  %g1 = nn.slice %p starts [1, 0, 0] sizes [1, -1, 8] strides [1, 1, 1] : (tensor<2x?x8xf32>) -> tensor<1x?x8xf32>
  %r1 = nn.reshape %g1 from [1, 2] : tensor<1x?x8xf32> to tensor<?x8xf32>
  %out = nn.map (%next, %r1, %x1) : (tensor<?x8xf32>, tensor<?x8xf32>, tensor<?x8xf32>) -> tensor<?x8xf32> {
  ^bb0(%a: f32, %b: f32, %d: f32):
    %s = arith.mulf %a, %b : f32
    %t = arith.addf %s, %d : f32
    nn.yield %t : f32
  }
  return %out, %next : tensor<?x8xf32>, tensor<?x8xf32>
}

// Where a gate is needed for another product of the step, the states come after: two kernels.
// CHECK-LABEL: func.func @gated
// CHECK: nn.packed_matmul
// CHECK: nn.packed_matmul
func.func @gated(%h: tensor<?x8xf32>, %w: tensor<1x8x2x8xf32>, %v: tensor<1x8x8xf32>) -> tensor<?x8xf32> {
  %p = nn.packed_matmul %h, %w {columns = 8 : i64} : (tensor<?x8xf32>, tensor<1x8x2x8xf32>) -> tensor<2x?x8xf32>
  %g0 = nn.slice %p starts [0, 0, 0] sizes [1, -1, 8] strides [1, 1, 1] : (tensor<2x?x8xf32>) -> tensor<1x?x8xf32>
  %r0 = nn.reshape %g0 from [1, 2] : tensor<1x?x8xf32> to tensor<?x8xf32>
  %g1 = nn.slice %p starts [1, 0, 0] sizes [1, -1, 8] strides [1, 1, 1] : (tensor<2x?x8xf32>) -> tensor<1x?x8xf32>
  %r1 = nn.reshape %g1 from [1, 2] : tensor<1x?x8xf32> to tensor<?x8xf32>
  %reset = nn.map (%h, %r0) : (tensor<?x8xf32>, tensor<?x8xf32>) -> tensor<?x8xf32> {
  ^bb0(%a: f32, %b: f32):
    %s = arith.mulf %a, %b : f32
    nn.yield %s : f32
  }
  %q = nn.packed_matmul %reset, %v {columns = 8 : i64} : (tensor<?x8xf32>, tensor<1x8x8xf32>) -> tensor<?x8xf32>
  %next = nn.map (%r1, %q) : (tensor<?x8xf32>, tensor<?x8xf32>) -> tensor<?x8xf32> {
  ^bb0(%a: f32, %b: f32):
    %s = arith.addf %a, %b : f32
    nn.yield %s : f32
  }
  return %next : tensor<?x8xf32>
}

// A depthwise convolution computes on the way what it alone reads: the product, the map after it, the padding.
// CHECK-LABEL: func.func @expanded
// CHECK: nn.group
// CHECK-NEXT: nn.packed_matmul
// CHECK-NEXT: nn.map
// CHECK: nn.pad
// CHECK-NEXT: nn.conv
// CHECK-NOT: nn.group
// CHECK: return
// A last block of channels that is not full, or no map between: two kernels.
// CHECK-LABEL: func.func @not_expanded
// CHECK-COUNT-4: nn.group
func.func @expanded(%x: tensor<?x14x14x8xf32>, %w: tensor<2x8x16xf32>, %d: tensor<3x3x1x32xf32>) -> tensor<?x14x14x32xf32> {
  %0 = nn.packed_matmul %x, %w {columns = 32 : i64} : (tensor<?x14x14x8xf32>, tensor<2x8x16xf32>) -> tensor<?x14x14x32xf32>
  %1 = nn.map (%0) : (tensor<?x14x14x32xf32>) -> tensor<?x14x14x32xf32> {
  ^bb0(%e: f32):
    %z = arith.constant 0.0 : f32
    %m = arith.maximumf %e, %z : f32
    nn.yield %m : f32
  }
  %2 = nn.pad %1 low [0, 1, 1, 0] high [0, 1, 1, 0] : (tensor<?x14x14x32xf32>) -> tensor<?x16x16x32xf32>
  %3 = nn.conv %2, %d {strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, padding_low = array<i64: 0, 0>, padding_high = array<i64: 0, 0>, groups = 32 : i64} : (tensor<?x16x16x32xf32>, tensor<3x3x1x32xf32>) -> tensor<?x14x14x32xf32>
  return %3 : tensor<?x14x14x32xf32>
}
func.func @not_expanded(%x: tensor<?x16x16x8xf32>, %w: tensor<2x8x16xf32>, %d: tensor<3x3x1x24xf32>, %e: tensor<3x3x1x32xf32>) -> (tensor<?x14x14x24xf32>, tensor<?x14x14x32xf32>) {
  %0 = nn.packed_matmul %x, %w {columns = 24 : i64} : (tensor<?x16x16x8xf32>, tensor<2x8x16xf32>) -> tensor<?x16x16x24xf32>
  %1 = nn.map (%0) : (tensor<?x16x16x24xf32>) -> tensor<?x16x16x24xf32> {
  ^bb0(%a: f32):
    %z = arith.constant 0.0 : f32
    %m = arith.maximumf %a, %z : f32
    nn.yield %m : f32
  }
  %2 = nn.conv %1, %d {strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, padding_low = array<i64: 0, 0>, padding_high = array<i64: 0, 0>, groups = 24 : i64} : (tensor<?x16x16x24xf32>, tensor<3x3x1x24xf32>) -> tensor<?x14x14x24xf32>
  %3 = nn.packed_matmul %x, %w {columns = 32 : i64} : (tensor<?x16x16x8xf32>, tensor<2x8x16xf32>) -> tensor<?x16x16x32xf32>
  %4 = nn.conv %3, %e {strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, padding_low = array<i64: 0, 0>, padding_high = array<i64: 0, 0>, groups = 32 : i64} : (tensor<?x16x16x32xf32>, tensor<3x3x1x32xf32>) -> tensor<?x14x14x32xf32>
  return %2, %4 : tensor<?x14x14x24xf32>, tensor<?x14x14x32xf32>
}

// The new values of a parameter and of what its optimizer keeps are one kernel, that of the last one first: it reads the old
// values of all, over which they may be written. A view of an old value is there in time.
// CHECK-LABEL: func.func @update
// CHECK: %[[NEW:.*]]:2 = nn.group (%{{.*}} = %arg0, %{{.*}} = %arg1, %{{.*}} = %{{.*}})
// CHECK-NEXT: %[[V:.*]] = nn.map
// CHECK: %[[P:.*]] = nn.map(%{{.*}}, %[[V]])
// CHECK: nn.yield %[[P]], %[[V]]
// CHECK: return %[[NEW]]#1, %[[NEW]]#0
func.func @update(%v: tensor<8xf32>, %g: tensor<8xf32>, %w: tensor<2x4xf32>) -> (tensor<8xf32>, tensor<8xf32>) {
  %0 = nn.map (%v, %g) : (tensor<8xf32>, tensor<8xf32>) -> tensor<8xf32> {
  ^bb0(%a: f32, %b: f32):
    %s = arith.subf %a, %b : f32
    nn.yield %s : f32
  }
  %p = nn.reshape %w from [-1] : tensor<2x4xf32> to tensor<8xf32>
  %1 = nn.map (%p, %0) : (tensor<8xf32>, tensor<8xf32>) -> tensor<8xf32> {
  ^bb0(%a: f32, %b: f32):
    %s = arith.addf %a, %b : f32
    nn.yield %s : f32
  }
  return %0, %1 : tensor<8xf32>, tensor<8xf32>
}

// Not where one of them needs what is computed from the other in another kernel.
// CHECK-LABEL: func.func @around
// CHECK: nn.group
// CHECK-NEXT: nn.map
// CHECK-NOT: nn.map
// CHECK: nn.group
// CHECK-NEXT: nn.softmax
// CHECK-NEXT: nn.map
func.func @around(%x: tensor<?x8xf32>) -> (tensor<?x8xf32>, tensor<?x8xf32>) {
  %0 = nn.map (%x) : (tensor<?x8xf32>) -> tensor<?x8xf32> {
  ^bb0(%a: f32):
    %s = math.exp %a : f32
    nn.yield %s : f32
  }
  %1 = nn.softmax %0 dims [1] : (tensor<?x8xf32>) -> tensor<?x8xf32>
  %2 = nn.map (%0, %1) : (tensor<?x8xf32>, tensor<?x8xf32>) -> tensor<?x8xf32> {
  ^bb0(%a: f32, %b: f32):
    %s = arith.addf %a, %b : f32
    nn.yield %s : f32
  }
  return %0, %2 : tensor<?x8xf32>, tensor<?x8xf32>
}

// The tap of each window that is its maximum comes from one reading of the input, with what is made of the maxima; the gradient
// of the pooling, where windows do not overlap, is computed by the gradient of the filter on the way.
// CHECK-LABEL: func.func @pool
// CHECK: nn.group
// CHECK-NEXT: %[[MAX:.*]] = nn.max_pool
// CHECK-NEXT: %[[INDEX:.*]] = nn.max_pool_index
// CHECK-NEXT: %[[Y:.*]] = nn.map(%[[MAX]])
// CHECK: nn.yield %[[Y]], %[[INDEX]]
// CHECK: nn.group
// CHECK-NEXT: nn.max_pool_grad
// CHECK-NEXT: nn.conv_grad_filter
// CHECK-NOT: nn.group
// CHECK: return
func.func @pool(%x: tensor<?x6x6x16xf32>, %image: tensor<?x8x8x1xf32>, %g: tensor<?x3x3x16xf32>) -> (tensor<?x3x3x16xf32>, tensor<3x3x1x16xf32>) {
  %0 = nn.max_pool %x {window = array<i64: 2, 2>, strides = array<i64: 2, 2>, dilations = array<i64: 1, 1>, padding_low = array<i64: 0, 0>, padding_high = array<i64: 0, 0>} : (tensor<?x6x6x16xf32>) -> tensor<?x3x3x16xf32>
  %1 = nn.max_pool_index %x, %0 {window = array<i64: 2, 2>, strides = array<i64: 2, 2>, dilations = array<i64: 1, 1>, padding_low = array<i64: 0, 0>, padding_high = array<i64: 0, 0>} : (tensor<?x6x6x16xf32>, tensor<?x3x3x16xf32>) -> tensor<?x3x3x16xi32>
  %2 = nn.map (%0) : (tensor<?x3x3x16xf32>) -> tensor<?x3x3x16xf32> {
  ^bb0(%a: f32):
    %z = arith.constant 0.0 : f32
    %m = arith.maximumf %a, %z : f32
    nn.yield %m : f32
  }
  %3 = nn.max_pool_grad %g, %1 {window = array<i64: 2, 2>, strides = array<i64: 2, 2>, dilations = array<i64: 1, 1>, padding_low = array<i64: 0, 0>, padding_high = array<i64: 0, 0>} : (tensor<?x3x3x16xf32>, tensor<?x3x3x16xi32>) -> tensor<?x6x6x16xf32>
  %4 = nn.conv_grad_filter %image, %3 {window = array<i64: 3, 3>, strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, padding_low = array<i64: 0, 0>, padding_high = array<i64: 0, 0>} : (tensor<?x8x8x1xf32>, tensor<?x6x6x16xf32>) -> tensor<3x3x1x16xf32>
  return %2, %4 : tensor<?x3x3x16xf32>, tensor<3x3x1x16xf32>
}

// A convolution of few terms is computed by the pooling that reads it; one of many is not.
// CHECK-LABEL: func.func @pooled_convolution
// CHECK: nn.group
// CHECK-NEXT: %[[CONV:.*]] = nn.packed_conv
// CHECK-NEXT: %[[MAX:.*]] = nn.max_pool %[[CONV]]
// CHECK-NEXT: nn.yield %[[MAX]]
// CHECK: nn.group
// CHECK-NEXT: nn.packed_conv
// CHECK-NEXT: nn.yield
// CHECK: nn.group
// CHECK-NEXT: nn.max_pool
func.func @pooled_convolution(%x: tensor<?x8x8x1xf32>, %w: tensor<1x1x3x3x1x16xf32>, %y: tensor<?x8x8x16xf32>, %v: tensor<1x1x3x3x16x16xf32>) -> (tensor<?x3x3x16xf32>, tensor<?x3x3x16xf32>) {
  %0 = nn.packed_conv %x, %w {filters = 16 : i64, strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>} : (tensor<?x8x8x1xf32>, tensor<1x1x3x3x1x16xf32>) -> tensor<?x6x6x16xf32>
  %1 = nn.max_pool %0 {window = array<i64: 2, 2>, strides = array<i64: 2, 2>, dilations = array<i64: 1, 1>, padding_low = array<i64: 0, 0>, padding_high = array<i64: 0, 0>} : (tensor<?x6x6x16xf32>) -> tensor<?x3x3x16xf32>
  %2 = nn.packed_conv %y, %v {filters = 16 : i64, strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>} : (tensor<?x8x8x16xf32>, tensor<1x1x3x3x16x16xf32>) -> tensor<?x6x6x16xf32>
  %3 = nn.max_pool %2 {window = array<i64: 2, 2>, strides = array<i64: 2, 2>, dilations = array<i64: 1, 1>, padding_low = array<i64: 0, 0>, padding_high = array<i64: 0, 0>} : (tensor<?x6x6x16xf32>) -> tensor<?x3x3x16xf32>
  return %1, %3 : tensor<?x3x3x16xf32>, tensor<?x3x3x16xf32>
}

// A product reads a part of its rows where they stand.
// CHECK-LABEL: func.func @part_of_rows
// CHECK: nn.group
// CHECK-NEXT: %[[PART:.*]] = nn.slice %{{.*}} starts [0, 4]
// CHECK-NEXT: %[[P:.*]] = nn.packed_matmul %[[PART]]
// CHECK-NEXT: nn.yield %[[P]]
func.func @part_of_rows(%x: tensor<?x8xf32>, %w: tensor<1x4x8xf32>) -> tensor<?x8xf32> {
  %0 = nn.slice %x starts [0, 4] sizes [-1, 4] strides [1, 1] : (tensor<?x8xf32>) -> tensor<?x4xf32>
  %1 = nn.packed_matmul %0, %w {columns = 8 : i64} : (tensor<?x4xf32>, tensor<1x4x8xf32>) -> tensor<?x8xf32>
  return %1 : tensor<?x8xf32>
}

// The gradient of weights is used up by their update where it is made; also here nothing is computed that comes later.
// CHECK-LABEL: func.func @update_of_weights
// CHECK: nn.get @kernel
// CHECK-NEXT: %[[U:.*]]:2 = nn.group (%[[X:.*]] = %arg0, %[[G:.*]] = %arg1, %[[V:.*]] = %{{.*}}, %[[R:.*]] = %arg2, %[[W:.*]] = %{{.*}})
// CHECK-NEXT: %[[D:.*]] = nn.matmul %[[X]], %[[G]] {transpose_lhs}
// CHECK-NEXT: %[[NV:.*]] = nn.map(%[[V]], %[[D]], %[[R]])
// CHECK: %[[NW:.*]] = nn.map(%[[W]], %[[NV]])
// CHECK: nn.yield %[[NW]], %[[NV]]
// CHECK: return %[[U]]#0, %[[U]]#1
nn.parameter trainable @kernel : tensor<64x32xf32>
nn.parameter @velocity : tensor<64x32xf32>
func.func @update_of_weights(%x: tensor<?x64xf32>, %g: tensor<?x32xf32>, %rate: tensor<f32>) -> (tensor<64x32xf32>, tensor<64x32xf32>) {
  %v = nn.get @velocity : tensor<64x32xf32>
  %d = nn.matmul %x, %g {transpose_lhs} : (tensor<?x64xf32>, tensor<?x32xf32>) -> tensor<64x32xf32>
  %nv = nn.map (%v, %d, %rate) : (tensor<64x32xf32>, tensor<64x32xf32>, tensor<f32>) -> tensor<64x32xf32> {
  ^bb0(%a: f32, %b: f32, %r: f32):
    %0 = arith.mulf %b, %r : f32
    %1 = arith.subf %a, %0 : f32
    nn.yield %1 : f32
  }
  %w = nn.get @kernel : tensor<64x32xf32>
  %nw = nn.map (%w, %nv) : (tensor<64x32xf32>, tensor<64x32xf32>) -> tensor<64x32xf32> {
  ^bb0(%a: f32, %b: f32):
    %0 = arith.addf %a, %b : f32
    nn.yield %0 : f32
  }
  return %nw, %nv : tensor<64x32xf32>, tensor<64x32xf32>
}

// Where all gradients are clipped together, none is: the norm comes after it.
// CHECK-LABEL: func.func @clipped
// CHECK: nn.group
// CHECK-NEXT: nn.matmul
// CHECK-NEXT: nn.yield
// CHECK: nn.group
// CHECK-NEXT: nn.reduce
// CHECK: nn.group
// CHECK-NEXT: nn.map
func.func @clipped(%x: tensor<?x64xf32>, %g: tensor<?x32xf32>) -> tensor<64x32xf32> {
  %w = nn.get @kernel : tensor<64x32xf32>
  %d = nn.matmul %x, %g {transpose_lhs} : (tensor<?x64xf32>, tensor<?x32xf32>) -> tensor<64x32xf32>
  %n = nn.reduce sum_square %d dims [0, 1] : (tensor<64x32xf32>) -> tensor<f32>
  %nw = nn.map (%w, %d, %n) : (tensor<64x32xf32>, tensor<64x32xf32>, tensor<f32>) -> tensor<64x32xf32> {
  ^bb0(%a: f32, %b: f32, %r: f32):
    %0 = arith.divf %b, %r : f32
    %1 = arith.subf %a, %0 : f32
    nn.yield %1 : f32
  }
  return %nw : tensor<64x32xf32>
}

// An activation and its derivative, which waits for the gradient, are in the kernel of the product that both read.
// CHECK-LABEL: func.func @activation_and_derivative
// CHECK: %[[A:.*]]:2 = nn.group (%[[X:.*]] = %arg0, %[[W:.*]] = %arg1)
// CHECK-NEXT: %[[P:.*]] = nn.matmul %[[X]], %[[W]]
// CHECK-NEXT: %[[E:.*]] = nn.map(%[[P]])
// CHECK: %[[D:.*]] = nn.map(%[[P]])
// CHECK: nn.yield %[[D]], %[[E]]
// CHECK: %[[Q:.*]] = nn.group (%{{.*}} = %[[A]]#1, %{{.*}} = %arg2, %{{.*}} = %[[A]]#0)
// CHECK-NEXT: nn.matmul
// CHECK-NEXT: nn.map
// CHECK: return %[[Q]]
func.func @activation_and_derivative(%x: tensor<?x8xf32>, %w: tensor<8x16xf32>, %v: tensor<16x16xf32>) -> tensor<?x16xf32> {
  %0 = nn.matmul %x, %w : (tensor<?x8xf32>, tensor<8x16xf32>) -> tensor<?x16xf32>
  %1 = nn.map (%0) : (tensor<?x16xf32>) -> tensor<?x16xf32> {
  ^bb0(%a: f32):
    %5 = math.erf %a : f32
    nn.yield %5 : f32
  }
  %2 = nn.map (%0) : (tensor<?x16xf32>) -> tensor<?x16xf32> {
  ^bb0(%a: f32):
    %5 = math.exp %a : f32
    nn.yield %5 : f32
  }
  %3 = nn.matmul %1, %v : (tensor<?x16xf32>, tensor<16x16xf32>) -> tensor<?x16xf32>
  %4 = nn.map (%3, %2) : (tensor<?x16xf32>, tensor<?x16xf32>) -> tensor<?x16xf32> {
  ^bb0(%a: f32, %b: f32):
    %5 = arith.mulf %a, %b : f32
    nn.yield %5 : f32
  }
  return %4 : tensor<?x16xf32>
}

// What reads the product itself joins what it reads beside it: a swish spelled as two maps.
// CHECK-LABEL: func.func @swish
// CHECK: nn.group
// CHECK-NEXT: nn.matmul
// CHECK-NEXT: nn.map
// CHECK-NOT: nn.group
// CHECK: return
func.func @swish(%x: tensor<?x8xf32>, %w: tensor<8x16xf32>) -> tensor<?x16xf32> {
  %0 = nn.matmul %x, %w : (tensor<?x8xf32>, tensor<8x16xf32>) -> tensor<?x16xf32>
  %1 = nn.map (%0) : (tensor<?x16xf32>) -> tensor<?x16xf32> {
  ^bb0(%a: f32):
    %5 = math.tanh %a : f32
    nn.yield %5 : f32
  }
  %2 = nn.map (%0, %1) : (tensor<?x16xf32>, tensor<?x16xf32>) -> tensor<?x16xf32> {
  ^bb0(%a: f32, %b: f32):
    %5 = arith.mulf %a, %b : f32
    nn.yield %5 : f32
  }
  return %2 : tensor<?x16xf32>
}

// Channels that kernels compute are joined where the result is, twice here; what also a kernel reads, too.
// CHECK-LABEL: func.func @join_in_place
// CHECK: %[[A:.*]] = nn.group
// CHECK: %[[B:.*]] = nn.group
// CHECK: %[[AR:.*]] = nn.reshape %[[A]]
// CHECK: %[[BR:.*]] = nn.reshape %[[B]]
// CHECK: %[[AB:.*]] = nn.concat %[[AR]], %[[BR]] dim 2
// CHECK: %[[C:.*]] = nn.group (%{{.*}} = %[[AB]])
// CHECK: %[[ABC:.*]] = nn.concat %[[AB]], %[[C]] dim 2
// CHECK: return %[[ABC]]
func.func @join_in_place(%x: tensor<?x8xf32>, %w: tensor<8x16xf32>, %v: tensor<8x32xf32>) -> tensor<?x5x96xf32> {
  %0 = nn.matmul %x, %w : (tensor<?x8xf32>, tensor<8x16xf32>) -> tensor<?x16xf32>
  %1 = nn.matmul %x, %v : (tensor<?x8xf32>, tensor<8x32xf32>) -> tensor<?x32xf32>
  %2 = nn.reshape %0 from [-1, -1, -1] : tensor<?x16xf32> to tensor<?x5x16xf32>
  %3 = nn.reshape %1 from [-1, -1, -1] : tensor<?x32xf32> to tensor<?x5x32xf32>
  %4 = nn.concat %2, %3 dim 2 : (tensor<?x5x16xf32>, tensor<?x5x32xf32>) -> tensor<?x5x48xf32>
  %5 = nn.softmax %4 dims [2] : (tensor<?x5x48xf32>) -> tensor<?x5x48xf32>
  %6 = nn.concat %4, %5 dim 2 : (tensor<?x5x48xf32>, tensor<?x5x48xf32>) -> tensor<?x5x96xf32>
  return %6 : tensor<?x5x96xf32>
}

// Not where the caller wants one of them by itself, nor where runs are no whole lines, nor for rows.
// CHECK-LABEL: func.func @copied
// CHECK: %[[A:.*]] = nn.group
// CHECK: %[[B:.*]] = nn.group (%{{.*}} = %[[A]])
// CHECK: nn.group (%{{.*}} = %[[A]], %{{.*}} = %[[B]])
// CHECK-NEXT: nn.concat {{.*}} dim 1
// CHECK: %[[C:.*]] = nn.group
// CHECK: nn.group (%{{.*}} = %[[B]], %{{.*}} = %[[C]])
// CHECK-NEXT: nn.concat {{.*}} dim 1
// CHECK: %[[D:.*]] = nn.group
// CHECK: nn.group (%{{.*}} = %[[B]], %{{.*}} = %[[D]])
// CHECK-NEXT: nn.concat {{.*}} dim 0
func.func @copied(%x: tensor<?x8xf32>, %w: tensor<8x16xf32>, %v: tensor<8x8xf32>) -> (tensor<?x16xf32>, tensor<?x32xf32>, tensor<?x24xf32>, tensor<?x16xf32>) {
  %0 = nn.matmul %x, %w : (tensor<?x8xf32>, tensor<8x16xf32>) -> tensor<?x16xf32>
  %1 = nn.softmax %0 dims [1] : (tensor<?x16xf32>) -> tensor<?x16xf32>
  %2 = nn.concat %0, %1 dim 1 : (tensor<?x16xf32>, tensor<?x16xf32>) -> tensor<?x32xf32>
  %3 = nn.matmul %x, %v : (tensor<?x8xf32>, tensor<8x8xf32>) -> tensor<?x8xf32>
  %4 = nn.concat %1, %3 dim 1 : (tensor<?x16xf32>, tensor<?x8xf32>) -> tensor<?x24xf32>
  %5 = nn.softmax %1 dims [1] : (tensor<?x16xf32>) -> tensor<?x16xf32>
  %6 = nn.concat %1, %5 dim 0 : (tensor<?x16xf32>, tensor<?x16xf32>) -> tensor<?x16xf32>
  return %0, %2, %4, %6 : tensor<?x16xf32>, tensor<?x32xf32>, tensor<?x24xf32>, tensor<?x16xf32>
}

// Windows that divide the tiles of Winograd's algorithm are pooled in its kernel; not where a row is left over.
// CHECK-LABEL: func.func @pooled_tiles
// CHECK: %[[Y:.*]] = nn.group
// CHECK-NEXT: nn.winograd_conv
// CHECK-NEXT: nn.map
// CHECK: nn.max_pool
// CHECK-NEXT: nn.yield
// CHECK: %[[Z:.*]] = nn.group
// CHECK-NEXT: nn.winograd_conv
// CHECK-NEXT: nn.yield
// CHECK: nn.group (%{{.*}} = %[[Z]])
// CHECK-NEXT: nn.max_pool
func.func @pooled_tiles(%x: tensor<?x8x8x16xf32>, %w: tensor<1x36x16x16xf32>) -> (tensor<?x4x4x16xf32>, tensor<?x3x4x16xf32>) {
  %0 = nn.winograd_conv %x, %w {filters = 16 : i64, tile = 4 : i64, padding_low = array<i64: 1, 1>, padding_high = array<i64: 1, 1>} : (tensor<?x8x8x16xf32>, tensor<1x36x16x16xf32>) -> tensor<?x8x8x16xf32>
  %1 = nn.map (%0) : (tensor<?x8x8x16xf32>) -> tensor<?x8x8x16xf32> {
  ^bb0(%a: f32):
    %m = math.exp %a : f32
    nn.yield %m : f32
  }
  %2 = nn.max_pool %1 {window = array<i64: 2, 2>, strides = array<i64: 2, 2>, dilations = array<i64: 1, 1>, padding_low = array<i64: 0, 0>, padding_high = array<i64: 0, 0>} : (tensor<?x8x8x16xf32>) -> tensor<?x4x4x16xf32>
  %3 = nn.winograd_conv %x, %w {filters = 16 : i64, tile = 4 : i64, padding_low = array<i64: 0, 1>, padding_high = array<i64: 1, 1>} : (tensor<?x8x8x16xf32>, tensor<1x36x16x16xf32>) -> tensor<?x7x8x16xf32>
  %4 = nn.max_pool %3 {window = array<i64: 2, 2>, strides = array<i64: 2, 2>, dilations = array<i64: 1, 1>, padding_low = array<i64: 0, 0>, padding_high = array<i64: 0, 0>} : (tensor<?x7x8x16xf32>) -> tensor<?x3x4x16xf32>
  return %2, %4 : tensor<?x4x4x16xf32>, tensor<?x3x4x16xf32>
}

// The gradient of a softmax: the sum of a row is computed on the way, and what it sums.
// CHECK-LABEL: func.func @rows
// CHECK: %[[G:.*]] = nn.group
// CHECK-NEXT: nn.map
// CHECK: nn.reduce
// CHECK-NEXT: nn.map
// CHECK-NOT: nn.group
// CHECK: return %[[G]]
func.func @rows(%y: tensor<?x16xf32>, %g: tensor<?x16xf32>) -> tensor<?x16xf32> {
  %0 = nn.map (%y, %g) : (tensor<?x16xf32>, tensor<?x16xf32>) -> tensor<?x16xf32> {
  ^bb0(%a: f32, %b: f32):
    %5 = arith.mulf %a, %b : f32
    nn.yield %5 : f32
  }
  %1 = nn.reduce sum %0 dims [1] keep_dims : (tensor<?x16xf32>) -> tensor<?x1xf32>
  %2 = nn.map (%y, %g, %1) : (tensor<?x16xf32>, tensor<?x16xf32>, tensor<?x1xf32>) -> tensor<?x16xf32> {
  ^bb0(%a: f32, %b: f32, %c: f32):
    %5 = arith.subf %b, %c : f32
    %6 = arith.mulf %a, %5 : f32
    nn.yield %6 : f32
  }
  return %2 : tensor<?x16xf32>
}

// Others need the sums; and the epilogue of a product stays there.
// CHECK-LABEL: func.func @sums_of_others
// CHECK: nn.group
// CHECK-NEXT: nn.reduce
// CHECK: nn.group
// CHECK-NEXT: nn.map
// CHECK: nn.group
// CHECK-NEXT: nn.reduce
// CHECK: nn.group
// CHECK-NEXT: nn.matmul
// CHECK-NEXT: nn.map
func.func @sums_of_others(%x: tensor<?x16xf32>, %w: tensor<16x16xf32>) -> (tensor<?x16xf32>, tensor<?x1xf32>, tensor<?x16xf32>) {
  %0 = nn.reduce sum %x dims [1] keep_dims : (tensor<?x16xf32>) -> tensor<?x1xf32>
  %1 = nn.map (%x, %0) : (tensor<?x16xf32>, tensor<?x1xf32>) -> tensor<?x16xf32> {
  ^bb0(%a: f32, %b: f32):
    %5 = arith.subf %a, %b : f32
    nn.yield %5 : f32
  }
  %2 = nn.reduce max %1 dims [1] keep_dims : (tensor<?x16xf32>) -> tensor<?x1xf32>
  %3 = nn.matmul %1, %w : (tensor<?x16xf32>, tensor<16x16xf32>) -> tensor<?x16xf32>
  %4 = nn.map (%3, %2) : (tensor<?x16xf32>, tensor<?x1xf32>) -> tensor<?x16xf32> {
  ^bb0(%a: f32, %b: f32):
    %5 = arith.addf %a, %b : f32
    nn.yield %5 : f32
  }
  return %1, %0, %4 : tensor<?x16xf32>, tensor<?x1xf32>, tensor<?x16xf32>
}

// -----

// The indices of a gather are computed on the way, its data are not.
// CHECK-LABEL: func.func @indices
// CHECK: nn.group
// CHECK: nn.map(%{{.*}}) : (tensor<4x3xf32>)
// CHECK: nn.yield
// CHECK: nn.group
// CHECK: %[[I:.*]] = nn.map(%{{.*}}) : (tensor<5xi64>)
// CHECK: nn.gather %{{.*}}, %[[I]] dim 1
func.func @indices(%x: tensor<4x3xf32>, %i: tensor<5xi64>) -> tensor<4x5xf32> {
  %0 = nn.map(%x) : (tensor<4x3xf32>) -> tensor<4x3xf32> {
  ^bb0(%e: f32):
    %a = math.absf %e : f32
    nn.yield %a : f32
  }
  %1 = nn.map(%i) : (tensor<5xi64>) -> tensor<5xi64> {
  ^bb0(%e: i64):
    %one = arith.constant 1 : i64
    %a = arith.addi %e, %one : i64
    nn.yield %a : i64
  }
  %2 = nn.gather %0, %1 dim 1 : (tensor<4x3xf32>, tensor<5xi64>) -> tensor<4x5xf32>
  return %2 : tensor<4x5xf32>
}
