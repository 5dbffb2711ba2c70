// RUN: sylvite-opt %s -plan-memory -emit-host | FileCheck %s

// The kernel's argv entry is launched with buffers on the stack; shapes that are static are constants.
// CHECK: llvm.func @sylvite_buffer_init(!llvm.ptr, !llvm.ptr, !llvm.ptr, !llvm.ptr, i32, i32, !llvm.ptr)
// CHECK: llvm.func @sylvite_launch(!llvm.ptr, i32, !llvm.ptr, !llvm.ptr) -> i32
// CHECK: llvm.func @forward(%[[CONTEXT:.*]]: !llvm.ptr, %[[SYMBOLS:.*]]: !llvm.ptr, %[[INPUTS:.*]]: !llvm.ptr, %[[OUTPUTS:.*]]: !llvm.ptr, %[[ARENA:.*]]: !llvm.ptr, %[[PARAMETERS:.*]]: !llvm.ptr) -> i32
// CHECK-SAME: host.kernels = [{bytes = array<f64: 2.560000e+02, 5.120000e+02>, flops = array<f64: 0.000000e+00, 1.280000e+02>, layers = ["a"], name = "k", reads = 2 : i64, writes = 1 : i64}]
// CHECK: %[[BATCH:.*]] = llvm.load %[[SYMBOLS]] : !llvm.ptr -> i64
// CHECK: %[[X:.*]] = llvm.load %[[INPUTS]]
// CHECK: %[[Y:.*]] = llvm.load %[[OUTPUTS]]
// CHECK: %[[W:.*]] = llvm.load %[[PARAMETERS]]
// CHECK: llvm.store %[[BATCH]], %[[SIZES:.*]] : i64, !llvm.ptr
// CHECK: %[[FLOAT32:.*]] = llvm.mlir.constant(73730 : i32)
// CHECK: llvm.call @sylvite_buffer_init(%[[CONTEXT]], %{{.*}}, %{{.*}}, %[[X]], %[[FLOAT32]], %{{.*}}, %[[SIZES]])
// CHECK: %[[STATIC:.*]] = llvm.mlir.addressof @sizes_64
// CHECK: llvm.call @sylvite_buffer_init(%[[CONTEXT]], %{{.*}}, %{{.*}}, %[[W]], %{{.*}}, %{{.*}}, %[[STATIC]])
// CHECK: llvm.call @sylvite_buffer_init(%[[CONTEXT]], %{{.*}}, %{{.*}}, %[[Y]]
// CHECK: %[[KERNEL:.*]] = llvm.mlir.addressof @compiled_argv
// CHECK: %[[STATUS:.*]] = llvm.call @sylvite_launch(%[[CONTEXT]], %{{.*}}, %[[KERNEL]], %{{.*}})
// CHECK: llvm.return %[[STATUS]] : i32
// CHECK: llvm.func @forward_arena_bytes(%{{.*}}: !llvm.ptr) -> i64
// CHECK: llvm.func @forward_output_shapes(%{{.*}}: !llvm.ptr, %{{.*}}: !llvm.ptr)
nn.parameter @w : tensor<64xf32>
halide.pipeline @k attributes {symbol = "compiled"} {
  halide.input @x : tensor<?x64xf32>
  halide.input @w : tensor<64xf32>
  halide.func @y(%n, %c) -> f32 {
    %0 = halide.at @x[%n, %c] : f32
    %1 = halide.at @w[%c] : f32
    %2 = arith.mulf %0, %1 : f32
    halide.yield %2 : f32
  }
  halide.output @y : tensor<?x64xf32>
}
func.func @forward(%x: tensor<?x64xf32> {nn.name = "x", nn.dims = ["batch", ""]}) -> (tensor<?x64xf32> {nn.name = "y"}) {
  %w = nn.get @w : tensor<64xf32>
  %0 = halide.call @k(%x, %w) {layers = ["a"], flops_per_element = 2, shape = affine_map<()[n] -> (n, 64)>} : (tensor<?x64xf32>, tensor<64xf32>) -> tensor<?x64xf32>
  return %0 : tensor<?x64xf32>
}

// Of three kernels, the first that serves as few rows as the batch has is launched, or that for any number.
// CHECK: llvm.func @few(
// CHECK: %[[N:.*]] = llvm.load %{{.*}} : !llvm.ptr -> i64
// CHECK: %[[ANY:.*]] = llvm.mlir.addressof @compiled_argv
// CHECK: %[[MOST:.*]] = llvm.mlir.constant(8 : i64) : i64
// CHECK: %[[IS_FEW:.*]] = llvm.icmp "sle" %[[N]], %[[MOST]] : i64
// CHECK: %[[FEW:.*]] = llvm.mlir.addressof @other_argv
// CHECK: %[[SOME:.*]] = llvm.select %[[IS_FEW]], %[[FEW]], %[[ANY]]
// CHECK: %[[ONE:.*]] = llvm.mlir.constant(1 : i64) : i64
// CHECK: %[[IS_ONE:.*]] = llvm.icmp "sle" %[[N]], %[[ONE]] : i64
// CHECK: %[[SINGLE:.*]] = llvm.mlir.addressof @single_argv
// CHECK: %[[KERNEL:.*]] = llvm.select %[[IS_ONE]], %[[SINGLE]], %[[SOME]]
// CHECK: llvm.call @sylvite_launch(%{{.*}}, %{{.*}}, %[[KERNEL]], %{{.*}})
halide.pipeline @one attributes {symbol = "single"} {
  halide.input @x : tensor<1x64xf32>
  halide.input @w : tensor<64xf32>
  halide.func @y(%n, %c) -> f32 {
    %0 = halide.at @x[%n, %c] : f32
    %1 = halide.at @w[%c] : f32
    %2 = arith.mulf %0, %1 : f32
    halide.yield %2 : f32
  }
  halide.output @y : tensor<1x64xf32>
}
halide.pipeline @l attributes {symbol = "other"} {
  halide.input @x : tensor<?x64xf32>
  halide.input @w : tensor<64xf32>
  halide.func @y(%n, %c) -> f32 {
    %0 = halide.at @x[%n, %c] : f32
    %1 = halide.at @w[%c] : f32
    %2 = arith.mulf %0, %1 : f32
    halide.yield %2 : f32
  }
  halide.output @y : tensor<?x64xf32>
}
func.func @few(%x: tensor<?x64xf32> {nn.name = "x", nn.dims = ["batch", ""]}) -> (tensor<?x64xf32> {nn.name = "y"}) {
  %w = nn.get @w : tensor<64xf32>
  %0 = halide.call @k few [@one, @l] up_to [1, 8](%x, %w) {layers = ["a"], flops_per_element = 2, shape = affine_map<()[n] -> (n, 64)>} : (tensor<?x64xf32>, tensor<64xf32>) -> tensor<?x64xf32>
  return %0 : tensor<?x64xf32>
}
