// RUN: sylvite-opt %s -lower-to-halide -split-input-file | FileCheck %s

// Each kind starts at its neutral element.
// CHECK-LABEL: halide.pipeline @reduce {
// CHECK: %[[INIT:.*]] = arith.constant 0.000000e+00 : f32
// CHECK-NEXT: halide.yield %[[INIT]]
// CHECK: halide.update @total(%c) over (%r0 in 0 to 64) {
// CHECK-NEXT: %[[OLD:.*]] = halide.at @total[%c] : f32
// CHECK-NEXT: %[[X:.*]] = halide.at @in0[%c, %r0] : f32
// CHECK-NEXT: %[[NEXT:.*]] = arith.addf %[[OLD]], %[[X]]
// CHECK-NEXT: halide.yield %[[NEXT]]
// CHECK: func.func @sum(
func.func @sum(%x: tensor<?x64xf32>) -> tensor<?xf32> {
  %0 = nn.group (%a = %x) : (tensor<?x64xf32>) -> tensor<?xf32> {
    %1 = nn.reduce sum %a dims [1] : (tensor<?x64xf32>) -> tensor<?xf32>
    nn.yield %1 : tensor<?xf32>
  }
  return %0 : tensor<?xf32>
}

// -----

// CHECK-LABEL: halide.pipeline @reduce {
// CHECK: %[[INIT:.*]] = arith.constant 1.000000e+00 : f32
// CHECK-NEXT: halide.yield %[[INIT]]
// CHECK: halide.update @total(%c) over (%r0 in 0 to 64) {
// CHECK-NEXT: %[[OLD:.*]] = halide.at @total[%c] : f32
// CHECK-NEXT: %[[X:.*]] = halide.at @in0[%c, %r0] : f32
// CHECK-NEXT: %[[NEXT:.*]] = arith.mulf %[[OLD]], %[[X]]
// CHECK-NEXT: halide.yield %[[NEXT]]
// CHECK: func.func @prod(
func.func @prod(%x: tensor<?x64xf32>) -> tensor<?xf32> {
  %0 = nn.group (%a = %x) : (tensor<?x64xf32>) -> tensor<?xf32> {
    %1 = nn.reduce prod %a dims [1] : (tensor<?x64xf32>) -> tensor<?xf32>
    nn.yield %1 : tensor<?xf32>
  }
  return %0 : tensor<?xf32>
}

// -----

// CHECK-LABEL: halide.pipeline @reduce {
// CHECK: %[[INIT:.*]] = arith.constant 0xFF800000 : f32
// CHECK-NEXT: halide.yield %[[INIT]]
// CHECK: halide.update @total(%c) over (%r0 in 0 to 64) {
// CHECK-NEXT: %[[OLD:.*]] = halide.at @total[%c] : f32
// CHECK-NEXT: %[[X:.*]] = halide.at @in0[%c, %r0] : f32
// CHECK-NEXT: %[[NEXT:.*]] = arith.maximumf %[[OLD]], %[[X]]
// CHECK-NEXT: halide.yield %[[NEXT]]
// CHECK: func.func @max(
func.func @max(%x: tensor<?x64xf32>) -> tensor<?xf32> {
  %0 = nn.group (%a = %x) : (tensor<?x64xf32>) -> tensor<?xf32> {
    %1 = nn.reduce max %a dims [1] : (tensor<?x64xf32>) -> tensor<?xf32>
    nn.yield %1 : tensor<?xf32>
  }
  return %0 : tensor<?xf32>
}

// -----

// CHECK-LABEL: halide.pipeline @reduce {
// CHECK: %[[INIT:.*]] = arith.constant 0x7F800000 : f32
// CHECK-NEXT: halide.yield %[[INIT]]
// CHECK: halide.update @total(%c) over (%r0 in 0 to 64) {
// CHECK-NEXT: %[[OLD:.*]] = halide.at @total[%c] : f32
// CHECK-NEXT: %[[X:.*]] = halide.at @in0[%c, %r0] : f32
// CHECK-NEXT: %[[NEXT:.*]] = arith.minimumf %[[OLD]], %[[X]]
// CHECK-NEXT: halide.yield %[[NEXT]]
// CHECK: func.func @min(
func.func @min(%x: tensor<?x64xf32>) -> tensor<?xf32> {
  %0 = nn.group (%a = %x) : (tensor<?x64xf32>) -> tensor<?xf32> {
    %1 = nn.reduce min %a dims [1] : (tensor<?x64xf32>) -> tensor<?xf32>
    nn.yield %1 : tensor<?xf32>
  }
  return %0 : tensor<?xf32>
}

// -----

// CHECK-LABEL: halide.pipeline @reduce {
// CHECK: %[[INIT:.*]] = arith.constant 0.000000e+00 : f32
// CHECK-NEXT: halide.yield %[[INIT]]
// CHECK: halide.update @total(%c) over (%r0 in 0 to 64) {
// CHECK-NEXT: %[[OLD:.*]] = halide.at @total[%c] : f32
// CHECK-NEXT: %[[X:.*]] = halide.at @in0[%c, %r0] : f32
// CHECK-NEXT: %[[SQUARE:.*]] = arith.mulf %[[X]], %[[X]]
// CHECK-NEXT: %[[NEXT:.*]] = arith.addf %[[OLD]], %[[SQUARE]]
// CHECK-NEXT: halide.yield %[[NEXT]]
// CHECK: func.func @sum_square(
func.func @sum_square(%x: tensor<?x64xf32>) -> tensor<?xf32> {
  %0 = nn.group (%a = %x) : (tensor<?x64xf32>) -> tensor<?xf32> {
    %1 = nn.reduce sum_square %a dims [1] : (tensor<?x64xf32>) -> tensor<?xf32>
    nn.yield %1 : tensor<?xf32>
  }
  return %0 : tensor<?xf32>
}

// -----

// CHECK-LABEL: halide.pipeline @reduce {
// CHECK: halide.func @exp(%n, %c)
// CHECK: arith.subf
// CHECK: math.exp
// CHECK: halide.func @log_sum_exp(%c)
// CHECK: %[[SUM:.*]] = halide.at @row_sum[%c]
// CHECK: %[[LOG:.*]] = math.log %[[SUM]]
// CHECK: %[[MAX:.*]] = halide.at @row_max[%c]
// CHECK: arith.addf %[[MAX]], %[[LOG]]
func.func @lse(%x: tensor<?x8xf32>) -> tensor<?xf32> {
  %0 = nn.group (%a = %x) : (tensor<?x8xf32>) -> tensor<?xf32> {
    %1 = nn.reduce log_sum_exp %a dims [1] : (tensor<?x8xf32>) -> tensor<?xf32>
    nn.yield %1 : tensor<?xf32>
  }
  return %0 : tensor<?xf32>
}
