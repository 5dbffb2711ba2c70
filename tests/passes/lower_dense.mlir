// RUN: sylvite-opt %s -lower-to-halide -split-input-file | FileCheck %s

// Leading dimensions broadcast; a transposed right side is read by columns.
// CHECK-LABEL: halide.pipeline @matmul {
// CHECK: halide.update @matmul(%n, %y, %x, %c) over (%rk in 0 to 8) {
// CHECK-NEXT: %[[L:.*]] = halide.at @in0[%n, %y, %x, %rk] : f32
// CHECK-NEXT: %[[R:.*]] = halide.at @in1[%y, %c, %rk] : f32
// CHECK-NEXT: %[[SUM:.*]] = halide.at @matmul[%n, %y, %x, %c] : f32
// CHECK-NEXT: %[[PRODUCT:.*]] = arith.mulf %[[L]], %[[R]]
// CHECK-NEXT: %[[NEXT:.*]] = arith.addf %[[SUM]], %[[PRODUCT]]
// CHECK-NEXT: halide.yield %[[NEXT]]
func.func @batch(%x: tensor<?x2x6x8xf32>, %y: tensor<2x4x8xf32>) -> tensor<?x2x6x4xf32> {
  %0 = nn.group (%a = %x, %b = %y) : (tensor<?x2x6x8xf32>, tensor<2x4x8xf32>) -> tensor<?x2x6x4xf32> {
    %1 = nn.matmul %a, %b {transpose_rhs} : (tensor<?x2x6x8xf32>, tensor<2x4x8xf32>) -> tensor<?x2x6x4xf32>
    nn.yield %1 : tensor<?x2x6x4xf32>
  }
  return %0 : tensor<?x2x6x4xf32>
}

// -----

// A dimension of one in the product keeps its index in the operands, as that of the result; one that repeats has none.
// CHECK-LABEL: halide.pipeline @matmul {
// CHECK: halide.update @matmul(%n, %y, %x, %c) over (%rk in 0 to 8) {
// CHECK-NEXT: halide.at @in0[%n, %y, %x, %rk] : f32
// CHECK-NEXT: %[[ZERO:.*]] = arith.constant 0 : index
// CHECK-NEXT: halide.at @in1[%n, %[[ZERO]], %rk, %c] : f32
func.func @single_item(%x: tensor<1x2x6x8xf32>, %y: tensor<1x1x8x4xf32>) -> tensor<1x2x6x4xf32> {
  %0 = nn.group (%a = %x, %b = %y) : (tensor<1x2x6x8xf32>, tensor<1x1x8x4xf32>) -> tensor<1x2x6x4xf32> {
    %1 = nn.matmul %a, %b : (tensor<1x2x6x8xf32>, tensor<1x1x8x4xf32>) -> tensor<1x2x6x4xf32>
    nn.yield %1 : tensor<1x2x6x4xf32>
  }
  return %0 : tensor<1x2x6x4xf32>
}

// -----

// A transposed left side has its rows last.
// CHECK-LABEL: halide.pipeline @matmul {
// CHECK: halide.update @matmul(%n, %x, %c) over (%rk in 0 to 8) {
// CHECK-NEXT: halide.at @in0[%n, %rk, %x] : f32
// CHECK-NEXT: halide.at @in1[%rk, %c] : f32
func.func @transposed_lhs(%x: tensor<?x8x6xf32>, %y: tensor<8x4xf32>) -> tensor<?x6x4xf32> {
  %0 = nn.group (%a = %x, %b = %y) : (tensor<?x8x6xf32>, tensor<8x4xf32>) -> tensor<?x6x4xf32> {
    %1 = nn.matmul %a, %b {transpose_lhs} : (tensor<?x8x6xf32>, tensor<8x4xf32>) -> tensor<?x6x4xf32>
    nn.yield %1 : tensor<?x6x4xf32>
  }
  return %0 : tensor<?x6x4xf32>
}

// -----

// Rows by the batch: a pipeline for any number of them, one for a single row.
// CHECK: halide.pipeline @packed_matmul {
// CHECK: halide.input @in0 : tensor<?x16xf32>
// CHECK: halide.pipeline @packed_matmul_0 {
// CHECK: halide.input @in0 : tensor<1x16xf32>
// CHECK: halide.output @out : tensor<1x24xf32>
// CHECK: halide.call @packed_matmul few [@packed_matmul_0] up_to [1](%arg0, %arg1)
func.func @rows(%x: tensor<?x16xf32>, %w: tensor<3x16x8xf32>) -> tensor<?x24xf32> {
  %0 = nn.group (%a = %x, %f = %w) : (tensor<?x16xf32>, tensor<3x16x8xf32>) -> tensor<?x24xf32> {
    %1 = nn.packed_matmul %a, %f {columns = 24 : i64} : (tensor<?x16xf32>, tensor<3x16x8xf32>) -> tensor<?x24xf32>
    nn.yield %1 : tensor<?x24xf32>
  }
  return %0 : tensor<?x24xf32>
}

// -----

// What sums over rows by the batch: a pipeline for any number of them, one for few. Its schedule is what differs.
// CHECK: halide.pipeline @matmul {
// CHECK: halide.update @matmul(%{{.*}}, %{{.*}}) over (%rk in 0 to extent(@in0, 0))
// CHECK: halide.pipeline @matmul_0 attributes {few = 128 : i64} {
// CHECK: halide.call @matmul few [@matmul_0] up_to [128](%arg0, %arg1)
func.func @gradient_of_weights(%x: tensor<?x16xf32>, %g: tensor<?x24xf32>) -> tensor<16x24xf32> {
  %0 = nn.group (%a = %x, %b = %g) : (tensor<?x16xf32>, tensor<?x24xf32>) -> tensor<16x24xf32> {
    %1 = nn.matmul %a, %b {transpose_lhs} : (tensor<?x16xf32>, tensor<?x24xf32>) -> tensor<16x24xf32>
    nn.yield %1 : tensor<16x24xf32>
  }
  return %0 : tensor<16x24xf32>
}

// -----

// Few columns are dot products: sums per lane, which meet at the end. The rows stand last but one.
// CHECK: halide.pipeline @packed_matmul {
// CHECK: halide.update @lanes(%[[M:.*]], %[[N:.*]], %[[L:.*]]) over (%rk in 0 to 2)
// CHECK: halide.at @in1[%{{.*}}, %rk, %{{.*}}, %[[L]]]
// CHECK: halide.update @matmul(%[[M2:.*]], %[[N2:.*]]) over (%rl in 0 to 16)
// CHECK: halide.at @lanes[%[[M2]], %[[N2]], %rl]
func.func @few_columns(%x: tensor<5x32xf32>, %w: tensor<1x2x3x16xf32>) -> tensor<5x3xf32> {
  %0 = nn.group (%a = %x, %f = %w) : (tensor<5x32xf32>, tensor<1x2x3x16xf32>) -> tensor<5x3xf32> {
    %1 = nn.packed_matmul %a, %f {columns = 3 : i64} : (tensor<5x32xf32>, tensor<1x2x3x16xf32>) -> tensor<5x3xf32>
    nn.yield %1 : tensor<5x3xf32>
  }
  return %0 : tensor<5x3xf32>
}

// -----

// Weights that are stored as bytes become numbers where they are read.
// CHECK: halide.pipeline @packed_matmul {
// CHECK: halide.update @matmul(%n, %c) over (%rk in 0 to 8) {
// CHECK: %[[W:.*]] = halide.at @in1[%{{.*}}, %rk, %{{.*}}] : i8
// CHECK: %[[NUMBER:.*]] = arith.sitofp %[[W]] : i8 to f32
// CHECK: arith.mulf %{{.*}}, %[[NUMBER]] : f32
func.func @stored_bytes(%x: tensor<?x8xf32>, %w: tensor<2x8x8xi8>) -> tensor<?x16xf32> {
  %0 = nn.group (%a = %x, %b = %w) : (tensor<?x8xf32>, tensor<2x8x8xi8>) -> tensor<?x16xf32> {
    %1 = nn.packed_matmul %a, %b {columns = 16 : i64} : (tensor<?x8xf32>, tensor<2x8x8xi8>) -> tensor<?x16xf32>
    nn.yield %1 : tensor<?x16xf32>
  }
  return %0 : tensor<?x16xf32>
}

// -----

// A register tile runs along items where each has a single row: those beyond the batch are not read.
// CHECK: halide.pipeline @packed_matmul {
// CHECK: halide.update @matmul(%n, %x, %c) over (%rk in 0 to 8) {
// CHECK: %[[N:.*]] = halide.extent @in0, 0
// CHECK: %[[LAST:.*]] = arith.addi %[[N]], %{{.*}}
// CHECK: %[[ITEM:.*]] = arith.minsi %n, %[[LAST]]
// CHECK: halide.at @in0[%[[ITEM]], %x, %rk]
func.func @single_rows(%a: tensor<?x1x8xf32>, %b: tensor<1x8x16xf32>) -> tensor<?x1x16xf32> {
  %0 = nn.group (%x = %a, %y = %b) : (tensor<?x1x8xf32>, tensor<1x8x16xf32>) -> tensor<?x1x16xf32> {
    %p = nn.packed_matmul %x, %y {columns = 16 : i64} : (tensor<?x1x8xf32>, tensor<1x8x16xf32>) -> tensor<?x1x16xf32>
    nn.yield %p : tensor<?x1x16xf32>
  }
  return %0 : tensor<?x1x16xf32>
}

// -----

// The rows that a cell slices stay within the batch, too.
// CHECK: halide.pipeline @packed_matmul_slice_map {
// CHECK: halide.func @rows(%n, %c) -> f32 {
// CHECK: %[[ROW:.*]] = arith.minsi %n, %{{.*}}
// CHECK: halide.at @in2[%[[ROW]], %c]
// CHECK: halide.func @slice_1(%n, %c)
// CHECK: halide.at @rows[%n, %{{.*}}]
func.func @cell(%h: tensor<?x16xf32>, %w: tensor<2x16x1x8xf32>, %x: tensor<?x32xf32>) -> tensor<?x16xf32> {
  %0 = nn.group (%a = %h, %f = %w, %i = %x) : (tensor<?x16xf32>, tensor<2x16x1x8xf32>, tensor<?x32xf32>) -> tensor<?x16xf32> {
    %p = nn.packed_matmul %a, %f {columns = 16 : i64} : (tensor<?x16xf32>, tensor<2x16x1x8xf32>) -> tensor<1x?x16xf32>
    %s = nn.slice %p starts [0, 0, 0] sizes [1, -1, 16] strides [1, 1, 1] : (tensor<1x?x16xf32>) -> tensor<1x?x16xf32>
    %g = nn.reshape %s from [1, 2] : tensor<1x?x16xf32> to tensor<?x16xf32>
    %u = nn.slice %i starts [0, 16] sizes [-1, 16] strides [1, 1] : (tensor<?x32xf32>) -> tensor<?x16xf32>
    %m = nn.map (%g, %u) : (tensor<?x16xf32>, tensor<?x16xf32>) -> tensor<?x16xf32> {
    ^bb0(%e: f32, %d: f32):
      %v = arith.addf %e, %d : f32
      nn.yield %v : f32
    }
    nn.yield %m : tensor<?x16xf32>
  }
  return %0 : tensor<?x16xf32>
}

// -----

// Of a left side with zeros one row skips what meets a zero; more rows do not.
// CHECK: halide.input @in0 : tensor<?x8xf32>
// CHECK: halide.update @matmul(%n, %c) over (%rk in 0 to 8) {
// CHECK: halide.input @in0 : tensor<1x8xf32>
// CHECK: halide.update @matmul(%n, %c) over (%rk in 0 to 8) where {
// CHECK-NEXT: %[[X:.*]] = halide.at @in0[%n, %rk] : f32
// CHECK: %[[BITS:.*]] = arith.bitcast %[[X]] : f32 to i32
// CHECK: %[[NUMBER:.*]] = arith.andi %[[BITS]]
// CHECK: %[[COUNTS:.*]] = arith.cmpi ne, %[[NUMBER]]
// CHECK-NEXT: halide.yield %[[COUNTS]] : i1
// CHECK: halide.call @matmul few [@matmul_0] up_to [1](%arg0, %arg1)
func.func @rectified(%x: tensor<?x8xf32>, %y: tensor<8x4xf32>) -> tensor<?x4xf32> {
  %0 = nn.group (%a = %x, %b = %y) : (tensor<?x8xf32>, tensor<8x4xf32>) -> tensor<?x4xf32> {
    %1 = nn.matmul %a, %b {lhs_has_zeros} : (tensor<?x8xf32>, tensor<8x4xf32>) -> tensor<?x4xf32>
    nn.yield %1 : tensor<?x4xf32>
  }
  return %0 : tensor<?x4xf32>
}
