// RUN: sylvite-opt %s -plan-memory | FileCheck %s
// RUN: sylvite-opt %s -plan-memory -emit-host | FileCheck %s --check-prefix=HOST

// The state that is stacked too is read from the slice of the step before; the other state goes through two
// buffers that change places. Sequences are read, and results written, where they are.
// CHECK-LABEL: func.func @forward(%arg0: index, %arg1: index, %arg2: memref<?x?x4xf32>, %arg3: memref<?x4xf32>, %arg4: memref<?x?x4xf32>, %arg5: memref<?x4xf32>, %arg6: memref<?xi8>)
// CHECK: %[[LAST:.*]] = arith.subi %arg0, %c1
// CHECK: %[[LOOP:.*]]:4 = scf.for %[[T:.*]] = %c0{{.*}} to %arg0 step %c1 iter_args(%[[H:.*]] = %{{.*}}, %[[C:.*]] = %{{.*}}, %[[NEXT:.*]] = %{{.*}}, %[[OTHER:.*]] = %{{.*}})
// CHECK: %[[BACK:.*]] = arith.subi %[[LAST]], %[[T]]
// CHECK: %[[X:.*]] = memref.subview %arg2[%[[BACK]], 0, 0] [1, %arg1, 4] [1, 1, 1]
// CHECK: %[[Y:.*]] = memref.subview %{{.*}}[%[[T]], 0, 0] [1, %arg1, 4] [1, 1, 1]
// CHECK: halide.launch @k ins(%[[X]], %[[H]] : {{.*}}) outs(%[[OUT:.*]] : memref<?x4xf32>)
// CHECK: halide.launch @k ins(%{{.*}}, %[[C]] : {{.*}}) outs(%{{.*}} : memref<?x4xf32>)
// CHECK: scf.yield %[[Y]], %[[NEXT]], %[[OTHER]], %[[NEXT]]
// CHECK: memref.copy %[[LOOP]]#1, %arg5

// HOST: llvm.func @forward
// HOST-SAME: host.loops = [{direction = "backward", first_kernel = 0 : i64, kernels = 2 : i64, layers = ["a"], steps = -1 : i64}]
// HOST: llvm.br ^bb1(%{{.*}}, %{{.*}}, %{{.*}}, %{{.*}}, %{{.*}}, %{{.*}} : i64, i32, !llvm.ptr, !llvm.ptr, !llvm.ptr, !llvm.ptr)
// HOST: ^bb1(%[[STEP:.*]]: i64, %[[STATUS:.*]]: i32, %[[H:.*]]: !llvm.ptr,
// HOST: %[[MORE:.*]] = llvm.icmp "slt" %[[STEP]], %{{.*}}
// HOST: llvm.cond_br %[[MORE]], ^bb2, ^bb3
// HOST: ^bb2:
// HOST: llvm.call @sylvite_launch
// HOST: %[[FAILED:.*]] = llvm.call @sylvite_launch
// HOST: %[[NEXTSTEP:.*]] = llvm.add %[[STEP]], %{{.*}}
// HOST: llvm.br ^bb1(%[[NEXTSTEP]], %[[FAILED]],
// HOST: ^bb3:
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
func.func @forward(%xs: tensor<?x?x4xf32> {nn.name = "xs", nn.dims = ["steps", "batch", ""]}, %h0: tensor<?x4xf32> {nn.name = "h0", nn.dims = ["batch", ""]}) -> (tensor<?x?x4xf32> {nn.name = "ys"}, tensor<?x4xf32> {nn.name = "c"}) {
  %0:3 = nn.scan carry (%h = %h0, %c = %h0) over (%x = %xs) attributes {reversed = array<i1: true, false>} : (tensor<?x4xf32>, tensor<?x4xf32>, tensor<?x?x4xf32>) -> (tensor<?x4xf32>, tensor<?x4xf32>, tensor<?x?x4xf32>) {
    %1 = halide.call @k(%x, %h) {layers = ["a"], flops_per_element = 1, shape = affine_map<()[n, m] -> (n, 4)>} : (tensor<?x4xf32>, tensor<?x4xf32>) -> tensor<?x4xf32>
    %2 = halide.call @k(%1, %c) {layers = ["a"], flops_per_element = 1, shape = affine_map<()[n, m] -> (n, 4)>} : (tensor<?x4xf32>, tensor<?x4xf32>) -> tensor<?x4xf32>
    nn.yield %1, %2, %1 : tensor<?x4xf32>, tensor<?x4xf32>, tensor<?x4xf32>
  }
  return %0#2, %0#1 : tensor<?x?x4xf32>, tensor<?x4xf32>
}

// A step of training stacks what it reads: the step before writes that there, the last one into a buffer, and the first slice is
// a copy of the initial value. Of a stack in the opposite order the first slice is the last. What parts are joined to is written
// into its slice, too: the loop copies nothing.
// CHECK-LABEL: func.func @history(
// CHECK: %[[LAST:.*]] = arith.subi %arg0, %c1
// CHECK: %[[BEGIN:.*]] = arith.subi %[[LAST]], %c0
// CHECK: %[[FIRST:.*]] = memref.subview %{{.*}}[%[[BEGIN]], 0, 0] [1, %arg1, 4] [1, 1, 1]
// CHECK: memref.copy %{{.*}}, %[[FIRST]]
// CHECK: scf.for %[[T:.*]] = %c0{{.*}} to %arg0 step %c1{{.*}} iter_args(%[[H:.*]] = %[[FIRST]])
// CHECK: %[[ISLAST:.*]] = arith.cmpi eq, %[[T]], %[[LAST]]
// CHECK: %[[NEXT:.*]] = arith.addi %[[T]], %c1
// CHECK: %[[INDEX:.*]] = arith.subi %[[LAST]], %[[NEXT]]
// CHECK: %[[SLICE:.*]] = memref.subview %{{.*}}[%[[INDEX]], 0, 0] [1, %arg1, 4] [1, 1, 1]
// CHECK: %[[VIEW:.*]] = memref.view %arg7
// CHECK: %[[AFTER:.*]] = memref.cast %[[VIEW]]
// CHECK: %[[TARGET:.*]] = arith.select %[[ISLAST]], %[[AFTER]], %[[SLICE]]
// CHECK: %[[JOINED:.*]] = memref.subview %{{.*}}[%[[T]], 0, 0] [1, %arg1, 8] [1, 1, 1]
// CHECK-NOT: memref.copy
// CHECK: scf.yield %[[TARGET]]

// HOST-LABEL: llvm.func @history
// HOST: ^bb1(%[[STEP:.*]]: i64, %{{.*}}: i32, %[[H:.*]]: !llvm.ptr):
// HOST: %[[ISLAST:.*]] = llvm.icmp "eq" %[[STEP]], %{{.*}}
// HOST: %[[TARGET:.*]] = llvm.select %[[ISLAST]], %{{.*}}, %{{.*}} : i1, !llvm.ptr
// HOST-NOT: memcpy
// HOST: llvm.br ^bb1(%{{.*}}, %{{.*}}, %[[TARGET]] :
halide.pipeline @part {
  halide.input @x : tensor<?x4xf32>
  halide.func @y(%n, %c) -> f32 {
    %0 = halide.at @x[%n, %c] : f32
    halide.yield %0 : f32
  }
  halide.output @y : tensor<?x4xf32, #halide.pitch<8>>
}
func.func @history(%xs: tensor<?x?x4xf32> {nn.name = "xs", nn.dims = ["steps", "batch", ""]}, %h0: tensor<?x4xf32> {nn.name = "h0", nn.dims = ["batch", ""]}) -> (tensor<?x?x4xf32> {nn.name = "hs"}, tensor<?x?x8xf32> {nn.name = "joined"}, tensor<?x4xf32> {nn.name = "h"}) {
  %0:3 = nn.scan carry (%h = %h0) over (%x = %xs) attributes {reversed = array<i1: false, true, false>} : (tensor<?x4xf32>, tensor<?x?x4xf32>) -> (tensor<?x4xf32>, tensor<?x?x4xf32>, tensor<?x?x8xf32>) {
    %1 = halide.call @k(%x, %h) {layers = ["a"], flops_per_element = 1, shape = affine_map<()[n, m] -> (n, 4)>} : (tensor<?x4xf32>, tensor<?x4xf32>) -> tensor<?x4xf32>
    %2 = halide.call @part(%x) {layers = ["a"], flops_per_element = 1, shape = affine_map<()[n] -> (n, 4)>} : (tensor<?x4xf32>) -> tensor<?x4xf32>
    %3 = halide.call @part(%h) {layers = ["a"], flops_per_element = 1, shape = affine_map<()[n] -> (n, 4)>} : (tensor<?x4xf32>) -> tensor<?x4xf32>
    %4 = nn.concat %2, %3 dim 1 : (tensor<?x4xf32>, tensor<?x4xf32>) -> tensor<?x8xf32>
    nn.yield %1, %h, %4 : tensor<?x4xf32>, tensor<?x4xf32>, tensor<?x8xf32>
  }
  return %0#1, %0#2, %0#0 : tensor<?x?x4xf32>, tensor<?x?x8xf32>, tensor<?x4xf32>
}
