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
