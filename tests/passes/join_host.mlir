// RUN: sylvite-opt %s -plan-memory | FileCheck %s
// RUN: sylvite-opt %s -plan-memory -emit-host | FileCheck %s --check-prefix=HOST

// What is joined is written where the result is: each part to its place in the runs, the second concatenation's first part by way
// of the first. The result is the caller's, or lives from its first part on (192 bytes an item, and 64 that are read before).
// CHECK: #[[ARENA:.*]] = affine_map<()[s0] -> (s0 * 256)>
// CHECK-LABEL: func.func @forward(%arg0: index, %arg1: memref<?x16xf32>, %arg2: memref<?x48xf32>, %arg3: memref<?x48xf32>
// CHECK-SAME: host.arena = #[[ARENA]]
// CHECK: %[[Y:.*]] = memref.reinterpret_cast %arg2 to offset: [0], sizes: [%arg0, 48], strides: [48, 1] : memref<?x48xf32> to memref<?x48xf32>
// CHECK: %[[A:.*]] = memref.reinterpret_cast %[[Y]] to offset: [0], sizes: [%arg0, 16], strides: [48, 1] : memref<?x48xf32> to memref<?x16xf32, strided<[48, 1]>>
// CHECK-NEXT: halide.launch @k ins(%arg1 : {{.*}}) outs(%[[A]] :
// CHECK: %[[B:.*]] = memref.reinterpret_cast %[[Y]] to offset: [16], sizes: [%arg0, 16], strides: [48, 1] : memref<?x48xf32> to memref<?x16xf32, strided<[48, 1], offset: 16>>
// CHECK-NEXT: halide.launch @k2 ins(%[[A]] : {{.*}}) outs(%[[B]] :
// CHECK: %[[C:.*]] = memref.reinterpret_cast %[[Y]] to offset: [32]
// CHECK-NEXT: halide.launch @k2 ins(%[[B]] : {{.*}}) outs(%[[C]] :
// CHECK: %[[T:.*]] = memref.view %arg4
// CHECK-NEXT: halide.launch @k3 ins(%[[C]] : {{.*}}) outs(%[[T]] :
// CHECK: %[[F:.*]] = memref.view %arg4[%{{.*}}][%arg0] : memref<?xi8> to memref<?x48xf32>
// CHECK: %[[D:.*]] = memref.reinterpret_cast %[[F]] to offset: [0], sizes: [%arg0, 16]
// CHECK-NEXT: halide.launch @k ins(%[[T]] : {{.*}}) outs(%[[D]] :
// CHECK: %[[WHOLE:.*]] = memref.view %arg4[%{{.*}}][%arg0] : memref<?xi8> to memref<?x48xf32>
// CHECK: halide.launch @w ins(%[[WHOLE]] : memref<?x48xf32>)

// The host program says where in the runs a part begins, in bytes, and how far they are apart.
// HOST-LABEL: llvm.func @forward(
// HOST: %[[Y:.*]] = llvm.load %arg3
// HOST: %[[B:.*]] = llvm.getelementptr %[[Y]][64] : (!llvm.ptr) -> !llvm.ptr, i8
// HOST: llvm.call @sylvite_buffer_init(%{{.*}}, %[[BUFFER:.*]], %{{.*}}, %[[B]], %{{.*}}, %{{.*}}, %{{.*}})
// HOST-NEXT: %[[PITCH:.*]] = llvm.mlir.constant(48 : i64) : i64
// HOST-NEXT: llvm.call @sylvite_buffer_set_pitch(%{{.*}}, %[[BUFFER]], %[[PITCH]])
halide.pipeline @k {
  halide.input @x : tensor<?x16xf32>
  halide.func @y(%n, %c) -> f32 {
    %last = arith.constant 15 : index
    %mirrored = arith.subi %last, %c : index
    %0 = halide.at @x[%n, %mirrored] : f32
    halide.yield %0 : f32
  }
  halide.output @y : tensor<?x16xf32, #halide.pitch<48>>
}
halide.pipeline @k2 {
  halide.input @x : tensor<?x16xf32, #halide.pitch<48>>
  halide.func @y(%n, %c) -> f32 {
    %last = arith.constant 15 : index
    %mirrored = arith.subi %last, %c : index
    %0 = halide.at @x[%n, %mirrored] : f32
    halide.yield %0 : f32
  }
  halide.output @y : tensor<?x16xf32, #halide.pitch<48>>
}
halide.pipeline @k3 {
  halide.input @x : tensor<?x16xf32, #halide.pitch<48>>
  halide.func @y(%n, %c) -> f32 {
    %last = arith.constant 15 : index
    %mirrored = arith.subi %last, %c : index
    %0 = halide.at @x[%n, %mirrored] : f32
    halide.yield %0 : f32
  }
  halide.output @y : tensor<?x16xf32>
}
halide.pipeline @w {
  halide.input @x : tensor<?x48xf32>
  halide.func @y(%n, %c) -> f32 {
    %last = arith.constant 47 : index
    %mirrored = arith.subi %last, %c : index
    %0 = halide.at @x[%n, %mirrored] : f32
    halide.yield %0 : f32
  }
  halide.output @y : tensor<?x48xf32>
}
func.func @forward(%x: tensor<?x16xf32> {nn.name = "x", nn.dims = ["batch", ""]}) -> (tensor<?x48xf32> {nn.name = "y"}, tensor<?x48xf32> {nn.name = "z"}) {
  %a = halide.call @k(%x) {layers = ["a"], flops_per_element = 0, shape = affine_map<()[n] -> (n, 16)>} : (tensor<?x16xf32>) -> tensor<?x16xf32>
  %b = halide.call @k2(%a) {layers = ["b"], flops_per_element = 0, shape = affine_map<()[n] -> (n, 16)>} : (tensor<?x16xf32>) -> tensor<?x16xf32>
  %ab = nn.concat %a, %b dim 1 : (tensor<?x16xf32>, tensor<?x16xf32>) -> tensor<?x32xf32>
  %c = halide.call @k2(%b) {layers = ["c"], flops_per_element = 0, shape = affine_map<()[n] -> (n, 16)>} : (tensor<?x16xf32>) -> tensor<?x16xf32>
  %abc = nn.concat %ab, %c dim 1 : (tensor<?x32xf32>, tensor<?x16xf32>) -> tensor<?x48xf32>
  %t = halide.call @k3(%c) {layers = ["t"], flops_per_element = 0, shape = affine_map<()[n] -> (n, 16)>} : (tensor<?x16xf32>) -> tensor<?x16xf32>
  %d = halide.call @k(%t) {layers = ["d"], flops_per_element = 0, shape = affine_map<()[n] -> (n, 16)>} : (tensor<?x16xf32>) -> tensor<?x16xf32>
  %e = halide.call @k2(%d) {layers = ["e"], flops_per_element = 0, shape = affine_map<()[n] -> (n, 16)>} : (tensor<?x16xf32>) -> tensor<?x16xf32>
  %f = halide.call @k2(%e) {layers = ["f"], flops_per_element = 0, shape = affine_map<()[n] -> (n, 16)>} : (tensor<?x16xf32>) -> tensor<?x16xf32>
  %def = nn.concat %d, %e, %f dim 1 : (tensor<?x16xf32>, tensor<?x16xf32>, tensor<?x16xf32>) -> tensor<?x48xf32>
  %z = halide.call @w(%def) {layers = ["z"], flops_per_element = 0, shape = affine_map<()[n] -> (n, 48)>} : (tensor<?x48xf32>) -> tensor<?x48xf32>
  return %abc, %z : tensor<?x48xf32>, tensor<?x48xf32>
}
