// RUN: sylvite-opt %s -plan-memory -split-input-file | FileCheck %s
// RUN: sylvite-opt %s -plan-memory -emit-host -split-input-file | FileCheck %s --check-prefix=HOST

// A function that changes parameters: the kernels read the old values, and the new ones go from the arena to the
// parameters when all is done. All functions take one table, though @forward reads one parameter only.
// CHECK-LABEL: func.func @forward(%arg0: memref<4xf32>, %arg1: memref<4xf32>, %arg2: memref<4xf32>, %arg3: memref<4xf32>, %arg4: memref<?xi8>)
// CHECK-SAME: host.outputs = 1 : i64
// CHECK-SAME: host.parameters = ["w", "momentum"]
// CHECK-SAME: host.updates = []
// CHECK: halide.launch @k ins(%arg0, %arg2 : {{.*}}) outs(%arg1 :
// CHECK: func.func @forward_arena_bytes() -> index attributes {host.arena_of = @forward}
// CHECK: func.func @forward_output_shapes() -> index attributes {host.shapes_of = @forward}
// CHECK-LABEL: func.func @train_step(%arg0: memref<4xf32>, %arg1: memref<4xf32>, %arg2: memref<4xf32>, %arg3: memref<4xf32>, %arg4: memref<?xi8>)
// CHECK-SAME: host.outputs = 1 : i64
// CHECK-SAME: host.parameters = ["w", "momentum"]
// CHECK-SAME: host.updates = ["momentum", "w"]
// CHECK: %[[M:.*]] = memref.view %arg4
// CHECK-NEXT: halide.launch @k ins(%arg0, %arg3 : {{.*}}) outs(%[[M]] :
// CHECK: %[[W:.*]] = memref.view %arg4
// CHECK-NEXT: halide.launch @k ins(%[[M]], %arg2 : {{.*}}) outs(%[[W]] :
// CHECK: halide.launch @k ins(%arg0, %arg2 : {{.*}}) outs(%arg1 :
// CHECK-NEXT: memref.copy %[[M]], %arg3
// CHECK-NEXT: memref.copy %[[W]], %arg2
// CHECK-NEXT: return
// CHECK: func.func @train_step_arena_bytes
// CHECK: func.func @train_step_output_shapes() -> index

// Kernels are numbered through the program. What has failed copies nothing.
// HOST-LABEL: llvm.func @forward(
// HOST: llvm.mlir.addressof @k_argv
// HOST-NEXT: %[[K0:.*]] = llvm.mlir.constant(0 : i32) : i32
// HOST-NEXT: llvm.call @sylvite_launch(%{{.*}}, %[[K0]],
// HOST-LABEL: llvm.func @train_step(
// HOST-SAME: host.kernels = [{{.*}}["b"]{{.*}}["c"]{{.*}}["d"]
// HOST: llvm.mlir.addressof @k_argv
// HOST-NEXT: %[[K1:.*]] = llvm.mlir.constant(1 : i32) : i32
// HOST-NEXT: llvm.call @sylvite_launch(%{{.*}}, %[[K1]],
// HOST: llvm.mlir.addressof @k_argv
// HOST-NEXT: %[[K2:.*]] = llvm.mlir.constant(2 : i32) : i32
// HOST-NEXT: llvm.call @sylvite_launch(%{{.*}}, %[[K2]],
// HOST: %[[STATUS:.*]] = llvm.call @sylvite_launch
// HOST: %[[BYTES:.*]] = llvm.mlir.constant(16 : i64) : i64
// HOST: %[[GOOD:.*]] = llvm.icmp "eq" %[[STATUS]], %{{.*}} : i32
// HOST: %[[SAFE:.*]] = llvm.select %[[GOOD]], %[[BYTES]], %{{.*}} : i1, i64
// HOST: "llvm.intr.memcpy"(%{{.*}}, %{{.*}}, %[[SAFE]])
// HOST: llvm.return %[[STATUS]]
nn.parameter trainable @w : tensor<4xf32>
nn.parameter @momentum : tensor<4xf32>
nn.parameter @unused : tensor<4xf32>
halide.pipeline @k {
  halide.input @x : tensor<4xf32>
  halide.input @w : tensor<4xf32>
  halide.func @y(%c) -> f32 {
    %0 = halide.at @x[%c] : f32
    %c3 = arith.constant 3 : index
    %last = arith.subi %c3, %c : index
    %1 = halide.at @w[%last] : f32
    %2 = arith.mulf %0, %1 : f32
    halide.yield %2 : f32
  }
  halide.output @y : tensor<4xf32>
}
func.func @forward(%x: tensor<4xf32> {nn.name = "x", nn.dims = [""]}) -> (tensor<4xf32> {nn.name = "y"}) {
  %w = nn.get @w : tensor<4xf32>
  %0 = halide.call @k(%x, %w) {layers = ["a"], flops_per_element = 1, shape = affine_map<() -> (4)>} : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  return %0 : tensor<4xf32>
}
func.func @train_step(%x: tensor<4xf32> {nn.name = "x", nn.dims = [""]}) -> (tensor<4xf32> {nn.name = "loss"}, tensor<4xf32> {nn.update = "momentum"}, tensor<4xf32> {nn.update = "w"}) {
  %w = nn.get @w : tensor<4xf32>
  %m = nn.get @momentum : tensor<4xf32>
  %0 = halide.call @k(%x, %m) {layers = ["b"], flops_per_element = 1, shape = affine_map<() -> (4)>} : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  %1 = halide.call @k(%0, %w) {layers = ["c"], flops_per_element = 1, shape = affine_map<() -> (4)>} : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  %2 = halide.call @k(%x, %w) {layers = ["d"], flops_per_element = 1, shape = affine_map<() -> (4)>} : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  return %2, %0, %1 : tensor<4xf32>, tensor<4xf32>, tensor<4xf32>
}

// -----

// Two parameters and a state change places: each old value is saved in the arena first. A parameter that keeps
// its value is not touched.
// CHECK: #[[ARENA:.*]] = affine_map<() -> (192)>
// CHECK-LABEL: func.func @forward(%arg0: memref<4xf32>, %arg1: memref<4xf32>, %arg2: memref<2x2xf32>, %arg3: memref<4xf32>, %arg4: memref<?xi8>, %arg5: memref<?xi8>)
// CHECK-SAME: host.arena = #[[ARENA]]
// CHECK-SAME: host.state_bytes = 64
// CHECK-SAME: host.states = [{name = "s", shape = array<i64: 2, 2>, type = f32}]
// CHECK-SAME: host.updates = ["p", "q", "r"]
// CHECK: %[[STATE:.*]] = memref.view %arg4
// CHECK: %[[FLAT:.*]] = memref.reinterpret_cast %arg2 to offset: [0], sizes: [4], strides: [1]
// CHECK: memref.copy %arg1, %arg0
// CHECK: %[[A:.*]] = memref.view %arg5
// CHECK-NEXT: memref.copy %[[FLAT]], %[[A]]
// CHECK: %[[B:.*]] = memref.view %arg5
// CHECK-NEXT: memref.copy %[[STATE]], %[[B]]
// CHECK: %[[C:.*]] = memref.view %arg5
// CHECK-NEXT: memref.copy %{{.*}}, %[[C]]
// CHECK-NEXT: memref.copy %[[A]], %arg1
// CHECK-NEXT: memref.copy %[[B]], %arg2
// CHECK-NEXT: memref.copy %[[C]], %[[STATE]]
// CHECK-NEXT: return
nn.parameter @p : tensor<4xf32>
nn.parameter @q : tensor<2x2xf32>
nn.parameter @r : tensor<4xf32>
func.func @forward(%s: tensor<2x2xf32> {nn.state = "s"}) -> (tensor<4xf32> {nn.name = "y"}, tensor<4xf32> {nn.update = "p"}, tensor<2x2xf32> {nn.update = "q"}, tensor<4xf32> {nn.update = "r"}, tensor<2x2xf32> {nn.state = "s"}) {
  %p = nn.get @p : tensor<4xf32>
  %q = nn.get @q : tensor<2x2xf32>
  %r = nn.get @r : tensor<4xf32>
  %0 = nn.reshape %q from [-1] : tensor<2x2xf32> to tensor<4xf32>
  %1 = nn.reshape %p from [-1, -1] : tensor<4xf32> to tensor<2x2xf32>
  return %p, %0, %s, %r, %1 : tensor<4xf32>, tensor<4xf32>, tensor<2x2xf32>, tensor<4xf32>, tensor<2x2xf32>
}

// -----

// A kernel that computes each element from the same element of the old value writes over it, when it is the last to read it: the
// momentum is, the weights are read once more and copied at the end.
// CHECK-LABEL: func.func @forward
// CHECK-LABEL: func.func @train_step(%arg0: memref<4xf32>, %arg1: memref<4xf32>, %arg2: memref<4xf32>, %arg3: memref<4xf32>, %arg4: memref<?xi8>)
// CHECK: halide.launch @k ins(%arg0, %arg3 : {{.*}}) outs(%arg3 :
// CHECK: %[[W:.*]] = memref.view %arg4
// CHECK-NEXT: halide.launch @k ins(%arg3, %arg2 : {{.*}}) outs(%[[W]] :
// CHECK-NEXT: halide.launch @k ins(%arg0, %arg2 : {{.*}}) outs(%arg1 :
// CHECK-NEXT: memref.copy %[[W]], %arg2
// CHECK-NEXT: return
nn.parameter trainable @w : tensor<4xf32>
nn.parameter @momentum : tensor<4xf32>
halide.pipeline @k {
  halide.input @x : tensor<4xf32>
  halide.input @w : tensor<4xf32>
  halide.func @y(%c) -> f32 {
    %0 = halide.at @x[%c] : f32
    %1 = halide.at @w[%c] : f32
    %2 = arith.mulf %0, %1 : f32
    halide.yield %2 : f32
  }
  halide.output @y : tensor<4xf32>
}
func.func @forward(%x: tensor<4xf32> {nn.name = "x", nn.dims = [""]}) -> (tensor<4xf32> {nn.name = "y"}) {
  %w = nn.get @w : tensor<4xf32>
  %0 = halide.call @k(%x, %w) {layers = ["a"], flops_per_element = 1, shape = affine_map<() -> (4)>} : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  return %0 : tensor<4xf32>
}
func.func @train_step(%x: tensor<4xf32> {nn.name = "x", nn.dims = [""]}) -> (tensor<4xf32> {nn.name = "loss"}, tensor<4xf32> {nn.update = "momentum"}, tensor<4xf32> {nn.update = "w"}) {
  %w = nn.get @w : tensor<4xf32>
  %m = nn.get @momentum : tensor<4xf32>
  %0 = halide.call @k(%x, %m) {layers = ["b"], flops_per_element = 1, shape = affine_map<() -> (4)>} : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  %1 = halide.call @k(%0, %w) {layers = ["c"], flops_per_element = 1, shape = affine_map<() -> (4)>} : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  %2 = halide.call @k(%x, %w) {layers = ["d"], flops_per_element = 1, shape = affine_map<() -> (4)>} : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  return %2, %0, %1 : tensor<4xf32>, tensor<4xf32>, tensor<4xf32>
}

// -----

// Results of one kernel are stored one after the other: one is written over the old value that those after it do not read. Here
// the new @w is there before the new @v, from which it is computed; the other way round would find @v changed.
// CHECK-LABEL: func.func @in_order(%arg0: memref<4xf32>, %arg1: memref<4xf32>, %arg2: memref<4xf32>, %arg3: memref<?xi8>)
// CHECK-NOT: memref.view
// CHECK: halide.launch @update ins(%arg0, %arg1, %arg2 : {{.*}}) outs(%arg1, %arg2 :
// CHECK-NOT: memref.copy
// CHECK: return
// CHECK-LABEL: func.func @out_of_order(
// CHECK: %[[NEW:.*]] = memref.view
// CHECK-NEXT: halide.launch @late ins(%arg0, %arg1, %arg2 : {{.*}}) outs(%[[NEW]], %arg1 :
// CHECK-NEXT: memref.copy %[[NEW]], %arg2
nn.parameter @w : tensor<4xf32>
nn.parameter @v : tensor<4xf32>
halide.pipeline @update {
  halide.input @x : tensor<4xf32>
  halide.input @w : tensor<4xf32>
  halide.input @v : tensor<4xf32>
  halide.func @speed(%c) -> f32 {
    %0 = halide.at @x[%c] : f32
    %1 = halide.at @v[%c] : f32
    %2 = arith.addf %0, %1 : f32
    halide.yield %2 : f32
  }
  halide.func @out(%c) -> (f32, f32) {
    %0 = halide.at @w[%c] : f32
    %1 = halide.at @speed[%c] : f32
    %2 = arith.addf %0, %1 : f32
    halide.yield %2, %1 : f32, f32
  }
  halide.output @out : tensor<4xf32>, tensor<4xf32>
}
halide.pipeline @late {
  halide.input @x : tensor<4xf32>
  halide.input @w : tensor<4xf32>
  halide.input @v : tensor<4xf32>
  halide.func @speed(%c) -> f32 {
    %0 = halide.at @x[%c] : f32
    %1 = halide.at @v[%c] : f32
    %2 = arith.addf %0, %1 : f32
    halide.yield %2 : f32
  }
  halide.func @out(%c) -> (f32, f32) {
    %0 = halide.at @w[%c] : f32
    %1 = halide.at @speed[%c] : f32
    %2 = arith.addf %0, %1 : f32
    halide.yield %1, %2 : f32, f32
  }
  halide.output @out : tensor<4xf32>, tensor<4xf32>
}
func.func @in_order(%x: tensor<4xf32> {nn.name = "x", nn.dims = [""]}) -> (tensor<4xf32> {nn.update = "w"}, tensor<4xf32> {nn.update = "v"}) {
  %w = nn.get @w : tensor<4xf32>
  %v = nn.get @v : tensor<4xf32>
  %0:2 = halide.call @update(%x, %w, %v) {layers = ["a"], flops_per_element = 1, shape = affine_map<() -> (4)>} : (tensor<4xf32>, tensor<4xf32>, tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>)
  return %0#0, %0#1 : tensor<4xf32>, tensor<4xf32>
}
func.func @out_of_order(%x: tensor<4xf32> {nn.name = "x", nn.dims = [""]}) -> (tensor<4xf32> {nn.update = "w"}, tensor<4xf32> {nn.update = "v"}) {
  %w = nn.get @w : tensor<4xf32>
  %v = nn.get @v : tensor<4xf32>
  %0:2 = halide.call @late(%x, %w, %v) {layers = ["a"], flops_per_element = 1, shape = affine_map<() -> (4)>} : (tensor<4xf32>, tensor<4xf32>, tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>)
  return %0#1, %0#0 : tensor<4xf32>, tensor<4xf32>
}
