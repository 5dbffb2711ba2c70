// RUN: sylvite-opt %s -plan-memory | FileCheck %s
// RUN: sylvite-opt %s -plan-memory -emit-host | FileCheck %s --check-prefix=HOST

// A kernel of a branch writes the result where it is, here an output; what a branch only hands on is copied there. The
// branches share the arena.
// CHECK-LABEL: func.func @forward(%arg0: index, %arg1: memref<i1>, %arg2: memref<?x4xf32>, %arg3: memref<?x4xf32>, %arg4: memref<?x4xf32>, %arg5: memref<?xi8>)
// CHECK: %[[C:.*]] = memref.load %arg1[] : memref<i1>
// CHECK: scf.if %[[C]] {
// CHECK:   halide.launch @k ins(%arg2, %arg2 : {{.*}}) outs(%[[A:.*]] : memref<?x4xf32>)
// CHECK:   halide.launch @k ins(%[[A]], %arg2 : {{.*}}) outs(%{{.*}} : memref<?x4xf32>)
// CHECK:   memref.copy %arg2, %{{.*}}
// CHECK: } else {
// CHECK:   halide.launch @k ins(%arg2, %arg2 : {{.*}}) outs(%[[B:.*]] : memref<?x4xf32>)
// CHECK:   halide.launch @k ins(%[[B]], %[[B]] : {{.*}}) outs(%{{.*}} : memref<?x4xf32>)
// CHECK:   memref.copy %arg2, %{{.*}}
// CHECK: }
// CHECK-LABEL: func.func @forward_arena_bytes
// CHECK: %[[ONE:.*]] = arith.constant 64
// CHECK: arith.muli %arg0, %[[ONE]]

// HOST: llvm.func @forward
// HOST-SAME: host.loops = [{direction = "if_true", first_kernel = 0 : i64, kernels = 2 : i64, layers = ["a"], steps = 1 : i64}, {direction = "if_false", first_kernel = 2 : i64, kernels = 2 : i64, layers = ["b"], steps = 1 : i64}]
// HOST: %[[BYTE:.*]] = llvm.load %{{.*}} : !llvm.ptr -> i8
// HOST: %[[HOLDS:.*]] = llvm.icmp "ne" %[[BYTE]], %{{.*}} : i8
// HOST: llvm.cond_br %[[HOLDS]], ^bb1, ^bb2
// HOST: ^bb1:
// HOST: llvm.call @sylvite_launch
// HOST: %[[YES:.*]] = llvm.call @sylvite_launch
// HOST: llvm.br ^bb3(%[[YES]] : i32)
// HOST: ^bb2:
// HOST: llvm.call @sylvite_launch
// HOST: %[[NO:.*]] = llvm.call @sylvite_launch
// HOST: llvm.br ^bb3(%[[NO]] : i32)
// HOST: ^bb3(%[[STATUS:.*]]: i32):
// HOST: llvm.return %[[STATUS]]
halide.pipeline @k {
  halide.input @x : tensor<?x4xf32>
  halide.input @h : tensor<?x4xf32>
  halide.func @y(%n, %c) -> f32 {
    %0 = halide.at @x[%n, %c] : f32
    %1 = halide.at @h[%n, %c] : f32
    %2 = arith.addf %0, %1 : f32
    halide.yield %2 : f32
  }
  halide.output @y : tensor<?x4xf32>
}
func.func @forward(%c: tensor<i1> {nn.name = "c"}, %x: tensor<?x4xf32> {nn.name = "x", nn.dims = ["batch", ""]}) -> (tensor<?x4xf32> {nn.name = "y"}, tensor<?x4xf32> {nn.name = "z"}) {
  %0:2 = nn.if %c : (tensor<i1>) -> (tensor<?x4xf32>, tensor<?x4xf32>) {
    %1 = halide.call @k(%x, %x) {layers = ["a"], flops_per_element = 1, shape = affine_map<()[n, m] -> (n, 4)>} : (tensor<?x4xf32>, tensor<?x4xf32>) -> tensor<?x4xf32>
    %2 = halide.call @k(%1, %x) {layers = ["a"], flops_per_element = 1, shape = affine_map<()[n, m] -> (n, 4)>} : (tensor<?x4xf32>, tensor<?x4xf32>) -> tensor<?x4xf32>
    nn.yield %2, %x : tensor<?x4xf32>, tensor<?x4xf32>
  } else {
    %3 = halide.call @k(%x, %x) {layers = ["b"], flops_per_element = 1, shape = affine_map<()[n, m] -> (n, 4)>} : (tensor<?x4xf32>, tensor<?x4xf32>) -> tensor<?x4xf32>
    %4 = halide.call @k(%3, %3) {layers = ["b"], flops_per_element = 1, shape = affine_map<()[n, m] -> (n, 4)>} : (tensor<?x4xf32>, tensor<?x4xf32>) -> tensor<?x4xf32>
    nn.yield %4, %x : tensor<?x4xf32>, tensor<?x4xf32>
  }
  return %0#0, %0#1 : tensor<?x4xf32>, tensor<?x4xf32>
}
