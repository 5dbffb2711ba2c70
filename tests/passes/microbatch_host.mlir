// RUN: sylvite-opt %s -plan-memory | FileCheck %s
// RUN: sylvite-opt %s -plan-memory -emit-host | FileCheck %s --check-prefix=HOST

// 3 items at once, or as many as there are. What is computed in between has the memory of these, 64 bytes an
// item; what is read and written outside stays there, also where it is joined. The second loop's memory is that of the first one.
// CHECK: #[[ARENA:.*]] = affine_map<()[s0, s1, s2] -> (s0 * 128 + s1 * 64, s0 * 128 + s2 * 64)>
// CHECK: #[[FIRST:.*]] = affine_map<()[s0] -> (s0, 3)>
// CHECK: #[[SECOND:.*]] = affine_map<()[s0] -> (s0, 2)>
// CHECK-LABEL: func.func @forward(%arg0: index, %arg1: memref<?x16xf32>, %arg2: memref<?x16xf32>, %arg3: memref<?xi8>)
// CHECK-SAME: host.arena = #[[ARENA]]
// CHECK-SAME: host.microbatches = [#[[FIRST]], #[[SECOND]]]
// CHECK: %[[ITEMS:.*]] = arith.minsi %arg0, %c3
// CHECK: arith.muli %{{.*}}, %[[ITEMS]]
// CHECK: %[[Y:.*]] = memref.view %arg3[%{{.*}}][%arg0] : memref<?xi8> to memref<?x32xf32>
// CHECK: scf.for %[[I:.*]] = %c0{{.*}} to %arg0 step %[[MOST:.*]] {
// CHECK: %[[LEFT:.*]] = arith.subi %arg0, %[[I]]
// CHECK: %[[N:.*]] = arith.minsi %[[MOST]], %[[LEFT]]
// CHECK: %[[X:.*]] = memref.subview %arg1[%[[I]], 0] [%[[N]], 16] [1, 1]
// CHECK: %[[P:.*]] = memref.subview %[[Y]][%[[I]], 0] [%[[N]], 32] [1, 1]
// CHECK: %[[A:.*]] = memref.view %arg3[%{{.*}}][%[[N]]] : memref<?xi8> to memref<?x16xf32>
// CHECK: halide.launch @k ins(%[[X]] : {{.*}}) outs(%[[A]] :
// CHECK: %[[B:.*]] = memref.reinterpret_cast %{{.*}} to offset: [0], sizes: [%[[N]], 16], strides: [32, 1]
// CHECK: halide.launch @part ins(%[[A]] : {{.*}}) outs(%[[B]] :
// CHECK: %[[C:.*]] = memref.reinterpret_cast %{{.*}} to offset: [16], sizes: [%[[N]], 16], strides: [32, 1]
// CHECK: halide.launch @part ins(%[[X]] : {{.*}}) outs(%[[C]] :
// CHECK: } {direction = "microbatch", steps = 3 : i64}
// CHECK: scf.for
// CHECK: halide.launch @sum ins(%{{.*}}) outs(%[[Z:.*]] :
// CHECK: } {direction = "microbatch", steps = 2 : i64}
// CHECK-LABEL: func.func @forward_arena_bytes
// CHECK: arith.maxsi

// HOST: llvm.func @forward
// HOST-SAME: host.loops = [{direction = "microbatch", first_kernel = 0 : i64, kernels = 3 : i64, layers = ["a"], steps = 3 : i64}, {direction = "microbatch", first_kernel = 3 : i64, kernels = 2 : i64, layers = ["a"], steps = 2 : i64}]
// HOST: ^bb1(%[[I:.*]]: i64, %[[STATUS:.*]]: i32):
// HOST: %[[N:.*]] = llvm.intr.smin(%[[MOST:.*]], %{{.*}}) : (i64, i64) -> i64
// HOST: %[[BYTES:.*]] = llvm.mlir.constant(64 : i64)
// HOST: %[[OFFSET:.*]] = llvm.mul %[[I]], %[[BYTES]]
// HOST: llvm.getelementptr %{{.*}}[%[[OFFSET]]]
// HOST: llvm.store %[[N]], %{{.*}} : i64
// HOST: llvm.call @sylvite_launch
// HOST: llvm.add %[[I]], %[[MOST]]
halide.pipeline @k {
  halide.input @x : tensor<?x16xf32>
  halide.func @y(%n, %c) -> f32 {
    %last = arith.constant 15 : index
    %mirrored = arith.subi %last, %c : index
    %0 = halide.at @x[%n, %mirrored] : f32
    halide.yield %0 : f32
  }
  halide.output @y : tensor<?x16xf32>
}
halide.pipeline @part {
  halide.input @x : tensor<?x16xf32>
  halide.func @y(%n, %c) -> f32 {
    %last = arith.constant 15 : index
    %mirrored = arith.subi %last, %c : index
    %0 = halide.at @x[%n, %mirrored] : f32
    halide.yield %0 : f32
  }
  halide.output @y : tensor<?x16xf32, #halide.pitch<32>>
}
halide.pipeline @sum {
  halide.input @x : tensor<?x32xf32>
  halide.func @y(%n, %c) -> f32 {
    %sixteen = arith.constant 16 : index
    %other = arith.addi %sixteen, %c : index
    %0 = halide.at @x[%n, %c] : f32
    %1 = halide.at @x[%n, %other] : f32
    %2 = arith.addf %0, %1 : f32
    halide.yield %2 : f32
  }
  halide.output @y : tensor<?x16xf32>
}
func.func @forward(%x: tensor<?x16xf32> {nn.name = "x", nn.dims = ["batch", ""]}) -> (tensor<?x16xf32> {nn.name = "y"}) {
  %0 = nn.microbatch (%i = %x) attributes {most = 3 : i64} : (tensor<?x16xf32>) -> tensor<?x32xf32> {
    %2 = halide.call @k(%i) {layers = ["a"], flops_per_element = 1, shape = affine_map<()[n] -> (n, 16)>} : (tensor<?x16xf32>) -> tensor<?x16xf32>
    %3 = halide.call @part(%2) {layers = ["a"], flops_per_element = 1, shape = affine_map<()[n] -> (n, 16)>} : (tensor<?x16xf32>) -> tensor<?x16xf32>
    %4 = halide.call @part(%i) {layers = ["a"], flops_per_element = 1, shape = affine_map<()[n] -> (n, 16)>} : (tensor<?x16xf32>) -> tensor<?x16xf32>
    %5 = nn.concat %3, %4 dim 1 : (tensor<?x16xf32>, tensor<?x16xf32>) -> tensor<?x32xf32>
    nn.yield %5 : tensor<?x32xf32>
  }
  %1 = nn.microbatch (%i = %0) attributes {most = 2 : i64} : (tensor<?x32xf32>) -> tensor<?x16xf32> {
    %2 = halide.call @sum(%i) {layers = ["a"], flops_per_element = 1, shape = affine_map<()[n] -> (n, 16)>} : (tensor<?x32xf32>) -> tensor<?x16xf32>
    %3 = halide.call @k(%2) {layers = ["a"], flops_per_element = 1, shape = affine_map<()[n] -> (n, 16)>} : (tensor<?x16xf32>) -> tensor<?x16xf32>
    nn.yield %3 : tensor<?x16xf32>
  }
  return %1 : tensor<?x16xf32>
}
