// RUN: sylvite-opt %s -plan-memory -split-input-file | FileCheck %s

// Three temporaries of 64 floats an item: the first is dead when the third is written, so two slots
// serve. The last kernel writes the caller's memory.
// CHECK-LABEL: func.func @forward(%arg0: index, %arg1: memref<?x64xf32>, %arg2: memref<?x64xf32>, %arg3: memref<64xf32>, %arg4: memref<?xi8>)
// CHECK-SAME: host.arena = #map{{.*}}
// CHECK: %[[OA:.*]] = arith.addi %c0, %{{.*}}
// CHECK: %[[SLOT:.*]] = arith.muli %c256, %arg0
// CHECK-NEXT: %[[OB:.*]] = arith.addi %c0, %[[SLOT]]
// CHECK: %[[FIRST:.*]] = arith.muli %c0{{.*}}, %arg0
// CHECK-NEXT: %[[OC:.*]] = arith.addi %c0, %[[FIRST]]
// CHECK: %[[A:.*]] = memref.view %arg4[%[[OA]]][%arg0] : memref<?xi8> to memref<?x64xf32>
// CHECK-NEXT: halide.launch @k ins(%arg1, %arg3 : memref<?x64xf32>, memref<64xf32>) outs(%[[A]] : memref<?x64xf32>)
// CHECK: %[[B:.*]] = memref.view %arg4[%[[OB]]][%arg0]
// CHECK-NEXT: halide.launch @k ins(%[[A]], %arg3 : {{.*}}) outs(%[[B]] : memref<?x64xf32>)
// CHECK: %[[C:.*]] = memref.view %arg4[%[[OC]]][%arg0]
// CHECK-NEXT: halide.launch @k ins(%[[B]], %arg3 : {{.*}}) outs(%[[C]] : memref<?x64xf32>)
// CHECK: %[[Y:.*]] = memref.reinterpret_cast %arg2 to offset: [0], sizes: [%arg0, 64], strides: [64, 1]
// CHECK-NEXT: halide.launch @k ins(%[[C]], %arg3 : {{.*}}) outs(%[[Y]] : memref<?x64xf32>)
// CHECK-SAME: bytes = array<f64: 2.560000e+02, 5.120000e+02>, flops = array<f64: 0.000000e+00, 1.280000e+02>
// CHECK-LABEL: func.func @forward_arena_bytes(%arg0: index) -> index
// CHECK: %[[SLOTS:.*]] = arith.constant 512 : index
// CHECK: arith.muli %arg0, %[[SLOTS]]
// CHECK-LABEL: func.func @forward_output_shapes(%arg0: index) -> (index, index)
// CHECK: return %arg0, %c64
nn.parameter @w : tensor<64xf32>
halide.pipeline @k {
  halide.input @x : tensor<?x64xf32>
  halide.input @w : tensor<64xf32>
  halide.func @y(%n, %c) -> f32 {
    %last = arith.constant 63 : index
    %mirrored = arith.subi %last, %c : index
    %0 = halide.at @x[%n, %mirrored] : f32
    %1 = halide.at @w[%c] : f32
    %2 = arith.mulf %0, %1 : f32
    halide.yield %2 : f32
  }
  halide.output @y : tensor<?x64xf32>
}
func.func @forward(%x: tensor<?x64xf32> {nn.name = "x", nn.dims = ["batch", ""]}) -> (tensor<?x64xf32> {nn.name = "y"}) {
  %w = nn.get @w : tensor<64xf32>
  %0 = halide.call @k(%x, %w) {layers = ["a"], flops_per_element = 2, shape = affine_map<()[n] -> (n, 64)>} : (tensor<?x64xf32>, tensor<64xf32>) -> tensor<?x64xf32>
  %1 = halide.call @k(%0, %w) {layers = ["b"], flops_per_element = 2, shape = affine_map<()[n] -> (n, 64)>} : (tensor<?x64xf32>, tensor<64xf32>) -> tensor<?x64xf32>
  %2 = halide.call @k(%1, %w) {layers = ["c"], flops_per_element = 2, shape = affine_map<()[n] -> (n, 64)>} : (tensor<?x64xf32>, tensor<64xf32>) -> tensor<?x64xf32>
  %3 = halide.call @k(%2, %w) {layers = ["d"], flops_per_element = 2, shape = affine_map<()[n] -> (n, 64)>} : (tensor<?x64xf32>, tensor<64xf32>) -> tensor<?x64xf32>
  return %3 : tensor<?x64xf32>
}

// -----

// A kernel writes over an input that nothing reads later, if each element depends on no other element of it: the second
// over its residual, not over what it sums; the third not over the first's result, of which it reads other elements.
// CHECK: #[[ARENA:.*]] = affine_map<()[s0] -> (s0 * 512)>
// CHECK-LABEL: func.func @forward(%arg0: index, %arg1: memref<?x64xf32>
// CHECK-SAME: host.arena = #[[ARENA]]
// CHECK: %[[ZERO:.*]] = arith.muli %c0{{.*}}, %arg0
// CHECK-NEXT: %[[OA:.*]] = arith.addi %c0, %[[ZERO]]
// CHECK: %[[SLOT:.*]] = arith.muli %c256, %arg0
// CHECK-NEXT: %[[OC:.*]] = arith.addi %c0, %[[SLOT]]
// CHECK: %[[A:.*]] = memref.view %arg3[%[[OA]]][%arg0]
// CHECK-NEXT: halide.launch @sum ins(%arg1, %arg1 : {{.*}}) outs(%[[A]] :
// CHECK: %[[B:.*]] = memref.view %arg3[%[[OA]]][%arg0]
// CHECK-NEXT: halide.launch @sum ins(%arg1, %[[A]] : {{.*}}) outs(%[[B]] :
// CHECK: %[[C:.*]] = memref.view %arg3[%[[OC]]][%arg0]
// CHECK-NEXT: halide.launch @sum ins(%[[B]], %[[B]] : {{.*}}) outs(%[[C]] :
halide.pipeline @sum {
  halide.input @x : tensor<?x64xf32>
  halide.input @r : tensor<?x64xf32>
  halide.func @s(%n, %c) -> f32 {
    %zero = arith.constant 0.0 : f32
    halide.yield %zero : f32
  }
  halide.update @s(%n, %c) over (%k in 0 to 64) {
    %0 = halide.at @s[%n, %c] : f32
    %1 = halide.at @x[%n, %k] : f32
    %2 = arith.addf %0, %1 : f32
    halide.yield %2 : f32
  }
  halide.func @y(%n, %c) -> f32 {
    %0 = halide.at @s[%n, %c] : f32
    %1 = halide.at @r[%n, %c] : f32
    %2 = arith.addf %0, %1 : f32
    halide.yield %2 : f32
  }
  halide.output @y : tensor<?x64xf32>
}
func.func @forward(%x: tensor<?x64xf32> {nn.name = "x", nn.dims = ["batch", ""]}) -> (tensor<?x64xf32> {nn.name = "y"}) {
  %0 = halide.call @sum(%x, %x) {layers = ["a"], flops_per_element = 2, shape = affine_map<()[n, m] -> (n, 64)>} : (tensor<?x64xf32>, tensor<?x64xf32>) -> tensor<?x64xf32>
  %1 = halide.call @sum(%x, %0) {layers = ["b"], flops_per_element = 2, shape = affine_map<()[n, m] -> (n, 64)>} : (tensor<?x64xf32>, tensor<?x64xf32>) -> tensor<?x64xf32>
  %2 = halide.call @sum(%1, %1) {layers = ["c"], flops_per_element = 2, shape = affine_map<()[n, m] -> (n, 64)>} : (tensor<?x64xf32>, tensor<?x64xf32>) -> tensor<?x64xf32>
  %3 = halide.call @sum(%2, %x) {layers = ["d"], flops_per_element = 2, shape = affine_map<()[n, m] -> (n, 64)>} : (tensor<?x64xf32>, tensor<?x64xf32>) -> tensor<?x64xf32>
  return %3 : tensor<?x64xf32>
}

// -----

// An argument that is returned is copied; reshapes are views.
// CHECK-LABEL: func.func @forward(%arg0: index, %arg1: memref<?x4xf32>, %arg2: memref<?x2x2xf32>, %arg3: memref<?xi8>)
// CHECK: %[[V:.*]] = memref.reinterpret_cast %arg1 to offset: [0], sizes: [%arg0, 2, 2], strides: [4, 2, 1]
// CHECK: memref.copy %[[V]], %arg2
func.func @forward(%x: tensor<?x4xf32> {nn.name = "x", nn.dims = ["batch", ""]}) -> (tensor<?x2x2xf32> {nn.name = "y"}) {
  %0 = nn.reshape %x from [0, -1, -1] : tensor<?x4xf32> to tensor<?x2x2xf32>
  return %0 : tensor<?x2x2xf32>
}

// -----

// What grows with the batch and what does not are planned apart: the second region begins where the
// first ends, 256 bytes an item.
// CHECK: #[[ARENA:.*]] = affine_map<()[s0] -> (s0 * 256 + 64)>
// CHECK-LABEL: func.func @forward(%arg0: index, %arg1: memref<?x64xf32>, %arg2: memref<8xf32>, %arg3: memref<?x64xf32>, %arg4: memref<8xf32>, %arg5: memref<?xi8>)
// CHECK-SAME: host.arena = #[[ARENA]]
// CHECK: %[[BATCH:.*]] = arith.addi %c0, %{{.*}}
// CHECK: %[[SIZE:.*]] = arith.muli %c256, %arg0
// CHECK-NEXT: %[[END:.*]] = arith.addi %c0, %[[SIZE]]
// CHECK: %[[STATIC:.*]] = arith.addi %[[END]], %{{.*}}
// CHECK: %[[A:.*]] = memref.view %arg5[%[[BATCH]]][%arg0] : memref<?xi8> to memref<?x64xf32>
// CHECK-NEXT: halide.launch @k ins(%arg1 : {{.*}}) outs(%[[A]] :
// CHECK: %[[B:.*]] = memref.view %arg5[%[[STATIC]]][] : memref<?xi8> to memref<8xf32>
// CHECK-NEXT: halide.launch @s ins(%arg2 : {{.*}}) outs(%[[B]] :
// CHECK-NEXT: halide.launch @s ins(%[[B]] : {{.*}}) outs(%arg4 :
// CHECK: %[[Y:.*]] = memref.reinterpret_cast %arg3
// CHECK-NEXT: halide.launch @k ins(%[[A]] : {{.*}}) outs(%[[Y]] :
// CHECK-LABEL: func.func @forward_arena_bytes
// CHECK: %[[GROWING:.*]] = arith.muli %arg0, %c256
// CHECK: %[[ALL:.*]] = arith.addi %[[GROWING]], %c64
// CHECK: return %[[ALL]]
// CHECK-LABEL: func.func @forward_output_shapes(%arg0: index) -> (index, index, index)
// CHECK: return %arg0, %c64, %c8
halide.pipeline @k {
  halide.input @x : tensor<?x64xf32>
  halide.func @y(%n, %c) -> f32 {
    %0 = halide.at @x[%n, %c] : f32
    halide.yield %0 : f32
  }
  halide.output @y : tensor<?x64xf32>
}
halide.pipeline @s {
  halide.input @x : tensor<8xf32>
  halide.func @y(%c) -> f32 {
    %0 = halide.at @x[%c] : f32
    halide.yield %0 : f32
  }
  halide.output @y : tensor<8xf32>
}
func.func @forward(%x: tensor<?x64xf32> {nn.name = "x", nn.dims = ["batch", ""]}, %f: tensor<8xf32> {nn.name = "f", nn.dims = [""]}) -> (tensor<?x64xf32> {nn.name = "y"}, tensor<8xf32> {nn.name = "g"}) {
  %0 = halide.call @k(%x) {layers = ["a"], flops_per_element = 0, shape = affine_map<()[n] -> (n, 64)>} : (tensor<?x64xf32>) -> tensor<?x64xf32>
  %1 = halide.call @s(%f) {layers = ["b"], flops_per_element = 0, shape = affine_map<() -> (8)>} : (tensor<8xf32>) -> tensor<8xf32>
  %2 = halide.call @s(%1) {layers = ["c"], flops_per_element = 0, shape = affine_map<() -> (8)>} : (tensor<8xf32>) -> tensor<8xf32>
  %3 = halide.call @k(%0) {layers = ["d"], flops_per_element = 0, shape = affine_map<()[n] -> (n, 64)>} : (tensor<?x64xf32>) -> tensor<?x64xf32>
  return %3, %2 : tensor<?x64xf32>, tensor<8xf32>
}

// -----

// A kernel that writes over a view whose free dimensions stand in another order: the allocation under it lives on.
// CHECK-LABEL: func.func @forward(%arg0: index, %arg1: index, %arg2: memref<?x?xf32>
// CHECK: %[[A:.*]] = memref.view %arg4[%[[OFFSET:.*]]][%arg0, %arg1]
// CHECK-NEXT: halide.launch @twice ins(%arg2 : {{.*}}) outs(%[[A]] :
// CHECK: %[[VIEW:.*]] = memref.view %arg4[%[[OFFSET]]][%arg1, %arg0]
// CHECK: %[[B:.*]] = memref.view %arg4[%[[OFFSET]]][%arg1, %arg0]
// CHECK-NEXT: halide.launch @twice ins(%[[VIEW]] : {{.*}}) outs(%[[B]] :
// CHECK: halide.launch @twice ins(%[[B]] :
halide.pipeline @twice {
  halide.input @x : tensor<?x?xf32>
  halide.func @y(%n, %c) -> f32 {
    %0 = halide.at @x[%n, %c] : f32
    %1 = arith.addf %0, %0 : f32
    halide.yield %1 : f32
  }
  halide.output @y : tensor<?x?xf32>
}
func.func @forward(%x: tensor<?x?xf32> {nn.name = "x", nn.dims = ["n", "t"]}) -> (tensor<?x?xf32> {nn.name = "y"}) {
  %0 = halide.call @twice(%x) {layers = ["a"], flops_per_element = 1, shape = affine_map<()[n, t] -> (n, t)>} : (tensor<?x?xf32>) -> tensor<?x?xf32>
  %1 = nn.reshape %0 from [1, 0] : tensor<?x?xf32> to tensor<?x?xf32>
  %2 = halide.call @twice(%1) {layers = ["b"], flops_per_element = 1, shape = affine_map<()[n, t] -> (n, t)>} : (tensor<?x?xf32>) -> tensor<?x?xf32>
  %3 = halide.call @twice(%2) {layers = ["c"], flops_per_element = 1, shape = affine_map<()[n, t] -> (n, t)>} : (tensor<?x?xf32>) -> tensor<?x?xf32>
  return %3 : tensor<?x?xf32>
}

// -----

// Of an embedding's table kernels read the rows alone that data choose; of what another kernel reads from end to end all.
// CHECK-LABEL: func.func @forward(
// CHECK-SAME: host.parameters = ["both", "table", "whole"]
// CHECK-SAME: host.read_whole = ["both", "whole"]
nn.parameter @both : tensor<100x4xf32>
nn.parameter @table : tensor<4x25x4xf32>
nn.parameter @whole : tensor<4xf32>
halide.pipeline @look_up {
  halide.input @ids : tensor<?xi32>
  halide.input @table : tensor<100x4xf32>
  halide.func @row(%n, %c) -> f32 {
    %0 = halide.at @ids[%n] : i32
    %1 = arith.index_cast %0 : i32 to index
    %2 = halide.at @table[%1, %c] : f32
    halide.yield %2 : f32
  }
  halide.output @row : tensor<?x4xf32>
}
halide.pipeline @add {
  halide.input @x : tensor<?x4xf32>
  halide.input @b : tensor<4xf32>
  halide.input @m : tensor<100x4xf32>
  halide.func @y(%n, %c) -> f32 {
    %0 = halide.at @x[%n, %c] : f32
    %1 = halide.at @b[%c] : f32
    %2 = halide.at @m[%c, %c] : f32
    %3 = arith.addf %0, %1 : f32
    %4 = arith.addf %3, %2 : f32
    halide.yield %4 : f32
  }
  halide.output @y : tensor<?x4xf32>
}
func.func @forward(%ids: tensor<?xi32> {nn.name = "ids", nn.dims = ["batch"]}) -> (tensor<?x4xf32> {nn.name = "y"}) {
  %table = nn.get @table : tensor<4x25x4xf32>
  %rows = nn.reshape %table from [-1, -1] : tensor<4x25x4xf32> to tensor<100x4xf32>
  %both = nn.get @both : tensor<100x4xf32>
  %whole = nn.get @whole : tensor<4xf32>
  %0 = halide.call @look_up(%ids, %rows) {layers = ["a"], flops_per_element = 0, shape = affine_map<()[n] -> (n, 4)>} : (tensor<?xi32>, tensor<100x4xf32>) -> tensor<?x4xf32>
  %1 = halide.call @look_up(%ids, %both) {layers = ["b"], flops_per_element = 0, shape = affine_map<()[n] -> (n, 4)>} : (tensor<?xi32>, tensor<100x4xf32>) -> tensor<?x4xf32>
  %2 = halide.call @add(%0, %whole, %both) {layers = ["c"], flops_per_element = 2, shape = affine_map<()[n] -> (n, 4)>} : (tensor<?x4xf32>, tensor<4xf32>, tensor<100x4xf32>) -> tensor<?x4xf32>
  %3 = halide.call @add(%1, %whole, %both) {layers = ["c"], flops_per_element = 2, shape = affine_map<()[n] -> (n, 4)>} : (tensor<?x4xf32>, tensor<4xf32>, tensor<100x4xf32>) -> tensor<?x4xf32>
  %4 = halide.call @add(%3, %whole, %both) {layers = ["c"], flops_per_element = 2, shape = affine_map<()[n] -> (n, 4)>} : (tensor<?x4xf32>, tensor<4xf32>, tensor<100x4xf32>) -> tensor<?x4xf32>
  return %4 : tensor<?x4xf32>
}
