// RUN: sylvite-opt %s -host-microbatch=l2-bytes=524288 -split-input-file | FileCheck %s
// RUN: sylvite-opt %s -host-microbatch=l2-bytes=1073741824 -split-input-file | FileCheck %s --check-prefix=FITS

// FITS-NOT: nn.microbatch

// No kernel writes over what it reads. What a kernel reads and writes of one item, 512 KB, fills the cache: the first kernels compute one at a time, and what they make is seen where it is read,
// inside and behind it. The last one adds up items: the whole batch is there for it. What is computed from parameters stays outside.
// CHECK-LABEL: func.func @forward(
// CHECK-SAME: %[[X:.*]]: tensor<?x256x256xf32>
// CHECK: %[[W:.*]] = halide.call @twice
// CHECK: %[[Y:.*]]:2 = nn.microbatch (%[[A:.*]] = %[[X]]) attributes {most = 1 : i64} : (tensor<?x256x256xf32>) -> (tensor<?x256x256xf32>, tensor<?x65536xf32>) {
// CHECK-NEXT: halide.call @relu(%[[A]])
// CHECK-COUNT-5: halide.call @relu
// CHECK-NEXT: %[[B:.*]] = halide.call @relu
// CHECK-NEXT: %[[FLAT:.*]] = nn.reshape %[[B]]
// CHECK-NEXT: %[[C:.*]] = halide.call @scale(%[[FLAT]], %[[W]])
// CHECK-NEXT: nn.yield %[[B]], %[[C]]
// CHECK: %[[VIEW:.*]] = nn.reshape %[[Y]]#0
// CHECK: %[[S:.*]] = halide.call @sum(%[[VIEW]])
// CHECK: return %[[Y]]#1, %[[S]]
nn.parameter @w : tensor<65536xf32>
halide.pipeline @relu {
  halide.input @x : tensor<?x256x256xf32>
  halide.func @y(%n, %i, %j) -> f32 {
    %zero = arith.constant 0.0 : f32
    %0 = halide.at @x[%n, %j, %i] : f32
    %1 = arith.maximumf %0, %zero : f32
    halide.yield %1 : f32
  }
  halide.output @y : tensor<?x256x256xf32>
}
halide.pipeline @twice {
  halide.input @w : tensor<65536xf32>
  halide.func @y(%i) -> f32 {
    %0 = halide.at @w[%i] : f32
    %1 = arith.addf %0, %0 : f32
    halide.yield %1 : f32
  }
  halide.output @y : tensor<65536xf32>
}
halide.pipeline @scale {
  halide.input @x : tensor<?x65536xf32>
  halide.input @w : tensor<65536xf32>
  halide.func @y(%n, %i) -> f32 {
    %0 = halide.at @x[%n, %i] : f32
    %1 = halide.at @w[%i] : f32
    %2 = arith.mulf %0, %1 : f32
    halide.yield %2 : f32
  }
  halide.output @y : tensor<?x65536xf32>
}
halide.pipeline @sum {
  halide.input @x : tensor<?x65536xf32>
  halide.func @y(%i) -> f32 {
    %zero = arith.constant 0.0 : f32
    halide.yield %zero : f32
  }
  halide.update @y(%i) over (%n in 0 to extent(@x, 0)) {
    %0 = halide.at @y[%i] : f32
    %1 = halide.at @x[%n, %i] : f32
    %2 = arith.addf %0, %1 : f32
    halide.yield %2 : f32
  }
  halide.output @y : tensor<65536xf32>
}
func.func @forward(%x: tensor<?x256x256xf32> {nn.name = "x", nn.dims = ["batch", "", ""]}) -> (tensor<?x65536xf32> {nn.name = "y"}, tensor<65536xf32> {nn.name = "s"}) {
  %a = halide.call @relu(%x) {layers = ["a"], flops_per_element = 1, shape = affine_map<()[n] -> (n, 256, 256)>} : (tensor<?x256x256xf32>) -> tensor<?x256x256xf32>
  %b = halide.call @relu(%a) {layers = ["a"], flops_per_element = 1, shape = affine_map<()[n] -> (n, 256, 256)>} : (tensor<?x256x256xf32>) -> tensor<?x256x256xf32>
  %c = halide.call @relu(%b) {layers = ["a"], flops_per_element = 1, shape = affine_map<()[n] -> (n, 256, 256)>} : (tensor<?x256x256xf32>) -> tensor<?x256x256xf32>
  %d = halide.call @relu(%c) {layers = ["a"], flops_per_element = 1, shape = affine_map<()[n] -> (n, 256, 256)>} : (tensor<?x256x256xf32>) -> tensor<?x256x256xf32>
  %e = halide.call @relu(%d) {layers = ["a"], flops_per_element = 1, shape = affine_map<()[n] -> (n, 256, 256)>} : (tensor<?x256x256xf32>) -> tensor<?x256x256xf32>
  %f = halide.call @relu(%e) {layers = ["a"], flops_per_element = 1, shape = affine_map<()[n] -> (n, 256, 256)>} : (tensor<?x256x256xf32>) -> tensor<?x256x256xf32>
  %0 = halide.call @relu(%f) {layers = ["a"], flops_per_element = 1, shape = affine_map<()[n] -> (n, 256, 256)>} : (tensor<?x256x256xf32>) -> tensor<?x256x256xf32>
  %1 = nn.reshape %0 from [0, -1] : tensor<?x256x256xf32> to tensor<?x65536xf32>
  %w = nn.get @w : tensor<65536xf32>
  %w2 = halide.call @twice(%w) {layers = ["b"], flops_per_element = 1, shape = affine_map<() -> (65536)>} : (tensor<65536xf32>) -> tensor<65536xf32>
  %2 = halide.call @scale(%1, %w2) {layers = ["b"], flops_per_element = 1, shape = affine_map<()[n] -> (n, 65536)>} : (tensor<?x65536xf32>, tensor<65536xf32>) -> tensor<?x65536xf32>
  %3 = halide.call @sum(%1) {layers = ["c"], flops_per_element = 1, shape = affine_map<()[n] -> (65536)>} : (tensor<?x65536xf32>) -> tensor<65536xf32>
  return %2, %3 : tensor<?x65536xf32>, tensor<65536xf32>
}

// -----

// Items that a kernel tells apart, or compares, are not computed apart: one is reversed, one counts them, one reads the next one,
// one multiplies by its number, one reads the first alone, one adds up over them. What is clamped to the last item is its own.
// CHECK-LABEL: func.func @forward(
// CHECK: halide.call @reverse
// CHECK: halide.call @mean
// CHECK: halide.call @next
// CHECK: halide.call @number
// CHECK: halide.call @first
// CHECK: halide.call @least
// CHECK-NOT: nn.microbatch
// CHECK-LABEL: func.func @clamped(
// CHECK: nn.microbatch
// CHECK-COUNT-8: halide.call @clamp
// CHECK-NEXT: nn.yield
// What is joined to others is written where they are.
// CHECK-LABEL: func.func @joined(
// CHECK: nn.microbatch
// CHECK-COUNT-8: halide.call @clamp
// CHECK-NEXT: nn.yield
// CHECK-NEXT: }
// CHECK-NEXT: halide.call @clamp
// CHECK-NEXT: nn.concat
halide.pipeline @reverse {
  halide.input @x : tensor<?x65536xf32>
  halide.func @y(%n, %i) -> f32 {
    %count = halide.extent @x, 0 : index
    %one = arith.constant 1 : index
    %last = arith.subi %count, %one : index
    %m = arith.subi %last, %n : index
    %0 = halide.at @x[%m, %i] : f32
    halide.yield %0 : f32
  }
  halide.output @y : tensor<?x65536xf32>
}
halide.pipeline @mean {
  halide.input @x : tensor<?x65536xf32>
  halide.func @y(%n, %i) -> f32 {
    %count = halide.extent @x, 0 : index
    %c = arith.index_cast %count : index to i32
    %f = arith.sitofp %c : i32 to f32
    %0 = halide.at @x[%n, %i] : f32
    %1 = arith.divf %0, %f : f32
    halide.yield %1 : f32
  }
  halide.output @y : tensor<?x65536xf32>
}
halide.pipeline @next {
  halide.input @x : tensor<?x65536xf32>
  halide.func @y(%n, %i) -> f32 {
    %count = halide.extent @x, 0 : index
    %minus = arith.constant -1 : index
    %one = arith.constant 1 : index
    %last = arith.addi %count, %minus : index
    %m = arith.addi %n, %one : index
    %c = arith.minsi %m, %last : index
    %0 = halide.at @x[%c, %i] : f32
    halide.yield %0 : f32
  }
  halide.output @y : tensor<?x65536xf32>
}
halide.pipeline @number {
  halide.input @x : tensor<?x65536xf32>
  halide.func @y(%n, %i) -> f32 {
    %c = arith.index_cast %n : index to i32
    %f = arith.sitofp %c : i32 to f32
    %0 = halide.at @x[%n, %i] : f32
    %1 = arith.mulf %0, %f : f32
    halide.yield %1 : f32
  }
  halide.output @y : tensor<?x65536xf32>
}
halide.pipeline @first {
  halide.input @x : tensor<?x65536xf32>
  halide.func @y(%n, %i) -> f32 {
    %zero = arith.constant 0 : index
    %0 = halide.at @x[%zero, %i] : f32
    halide.yield %0 : f32
  }
  halide.output @y : tensor<?x65536xf32>
}
halide.pipeline @least {
  halide.input @x : tensor<?x65536xf32>
  halide.func @y(%n, %i) -> f32 {
    %three = arith.constant 3 : index
    %m = arith.minsi %n, %three : index
    %0 = halide.at @x[%m, %i] : f32
    halide.yield %0 : f32
  }
  halide.output @y : tensor<?x65536xf32>
}
halide.pipeline @clamp {
  halide.input @x : tensor<?x65536xf32>
  halide.func @y(%n, %i) -> f32 {
    %count = halide.extent @x, 0 : index
    %minus = arith.constant -1 : index
    %last = arith.addi %count, %minus : index
    %m = arith.minsi %n, %last : index
    %end = arith.constant 65535 : index
    %j = arith.subi %end, %i : index
    %0 = halide.at @x[%m, %j] : f32
    halide.yield %0 : f32
  }
  halide.output @y : tensor<?x65536xf32>
}
func.func @forward(%x: tensor<?x65536xf32> {nn.name = "x", nn.dims = ["batch", ""]}) -> (tensor<?x65536xf32> {nn.name = "y"}) {
  %0 = halide.call @reverse(%x) {layers = ["a"], flops_per_element = 1, shape = affine_map<()[n] -> (n, 65536)>} : (tensor<?x65536xf32>) -> tensor<?x65536xf32>
  %1 = halide.call @mean(%0) {layers = ["a"], flops_per_element = 1, shape = affine_map<()[n] -> (n, 65536)>} : (tensor<?x65536xf32>) -> tensor<?x65536xf32>
  %2 = halide.call @next(%1) {layers = ["a"], flops_per_element = 1, shape = affine_map<()[n] -> (n, 65536)>} : (tensor<?x65536xf32>) -> tensor<?x65536xf32>
  %3 = halide.call @number(%2) {layers = ["a"], flops_per_element = 1, shape = affine_map<()[n] -> (n, 65536)>} : (tensor<?x65536xf32>) -> tensor<?x65536xf32>
  %4 = halide.call @first(%3) {layers = ["a"], flops_per_element = 1, shape = affine_map<()[n] -> (n, 65536)>} : (tensor<?x65536xf32>) -> tensor<?x65536xf32>
  %5 = halide.call @least(%4) {layers = ["a"], flops_per_element = 1, shape = affine_map<()[n] -> (n, 65536)>} : (tensor<?x65536xf32>) -> tensor<?x65536xf32>
  return %5 : tensor<?x65536xf32>
}
func.func @clamped(%x: tensor<?x65536xf32> {nn.name = "x", nn.dims = ["batch", ""]}) -> (tensor<?x65536xf32> {nn.name = "y"}) {
  %6 = halide.call @clamp(%x) {layers = ["a"], flops_per_element = 1, shape = affine_map<()[n] -> (n, 65536)>} : (tensor<?x65536xf32>) -> tensor<?x65536xf32>
  %7 = halide.call @clamp(%6) {layers = ["a"], flops_per_element = 1, shape = affine_map<()[n] -> (n, 65536)>} : (tensor<?x65536xf32>) -> tensor<?x65536xf32>
  %8 = halide.call @clamp(%7) {layers = ["a"], flops_per_element = 1, shape = affine_map<()[n] -> (n, 65536)>} : (tensor<?x65536xf32>) -> tensor<?x65536xf32>
  %9 = halide.call @clamp(%8) {layers = ["a"], flops_per_element = 1, shape = affine_map<()[n] -> (n, 65536)>} : (tensor<?x65536xf32>) -> tensor<?x65536xf32>
  %10 = halide.call @clamp(%9) {layers = ["a"], flops_per_element = 1, shape = affine_map<()[n] -> (n, 65536)>} : (tensor<?x65536xf32>) -> tensor<?x65536xf32>
  %11 = halide.call @clamp(%10) {layers = ["a"], flops_per_element = 1, shape = affine_map<()[n] -> (n, 65536)>} : (tensor<?x65536xf32>) -> tensor<?x65536xf32>
  %12 = halide.call @clamp(%11) {layers = ["a"], flops_per_element = 1, shape = affine_map<()[n] -> (n, 65536)>} : (tensor<?x65536xf32>) -> tensor<?x65536xf32>
  %13 = halide.call @clamp(%12) {layers = ["a"], flops_per_element = 1, shape = affine_map<()[n] -> (n, 65536)>} : (tensor<?x65536xf32>) -> tensor<?x65536xf32>
  return %13 : tensor<?x65536xf32>
}
func.func @joined(%x: tensor<?x65536xf32> {nn.name = "x", nn.dims = ["batch", ""]}) -> (tensor<?x131072xf32> {nn.name = "y"}) {
  %0 = halide.call @number(%x) {layers = ["a"], flops_per_element = 1, shape = affine_map<()[n] -> (n, 65536)>} : (tensor<?x65536xf32>) -> tensor<?x65536xf32>
  %1 = halide.call @clamp(%x) {layers = ["a"], flops_per_element = 1, shape = affine_map<()[n] -> (n, 65536)>} : (tensor<?x65536xf32>) -> tensor<?x65536xf32>
  %2 = halide.call @clamp(%1) {layers = ["a"], flops_per_element = 1, shape = affine_map<()[n] -> (n, 65536)>} : (tensor<?x65536xf32>) -> tensor<?x65536xf32>
  %3 = halide.call @clamp(%2) {layers = ["a"], flops_per_element = 1, shape = affine_map<()[n] -> (n, 65536)>} : (tensor<?x65536xf32>) -> tensor<?x65536xf32>
  %4 = halide.call @clamp(%3) {layers = ["a"], flops_per_element = 1, shape = affine_map<()[n] -> (n, 65536)>} : (tensor<?x65536xf32>) -> tensor<?x65536xf32>
  %5 = halide.call @clamp(%4) {layers = ["a"], flops_per_element = 1, shape = affine_map<()[n] -> (n, 65536)>} : (tensor<?x65536xf32>) -> tensor<?x65536xf32>
  %6 = halide.call @clamp(%5) {layers = ["a"], flops_per_element = 1, shape = affine_map<()[n] -> (n, 65536)>} : (tensor<?x65536xf32>) -> tensor<?x65536xf32>
  %7 = halide.call @clamp(%6) {layers = ["a"], flops_per_element = 1, shape = affine_map<()[n] -> (n, 65536)>} : (tensor<?x65536xf32>) -> tensor<?x65536xf32>
  %8 = halide.call @clamp(%7) {layers = ["a"], flops_per_element = 1, shape = affine_map<()[n] -> (n, 65536)>} : (tensor<?x65536xf32>) -> tensor<?x65536xf32>
  %9 = halide.call @clamp(%8) {layers = ["a"], flops_per_element = 1, shape = affine_map<()[n] -> (n, 65536)>} : (tensor<?x65536xf32>) -> tensor<?x65536xf32>
  %10 = nn.concat %0, %9 dim 1 : (tensor<?x65536xf32>, tensor<?x65536xf32>) -> tensor<?x131072xf32>
  return %10 : tensor<?x131072xf32>
}

// -----

// Where all values are kept, as those of a step of training are, parts of a batch would need memory beside them.
// CHECK-LABEL: func.func @forward(
// CHECK-NOT: nn.microbatch
halide.pipeline @turn {
  halide.input @x : tensor<?x256x256xf32>
  halide.func @y(%n, %i, %j) -> f32 {
    %0 = halide.at @x[%n, %j, %i] : f32
    halide.yield %0 : f32
  }
  halide.output @y : tensor<?x256x256xf32>
}
func.func @forward(%x: tensor<?x256x256xf32> {nn.name = "x", nn.dims = ["batch", "", ""]})
    -> (tensor<?x256x256xf32> {nn.name = "a"}, tensor<?x256x256xf32> {nn.name = "b"}, tensor<?x256x256xf32> {nn.name = "c"}) {
  %0 = halide.call @turn(%x) {layers = ["a"], flops_per_element = 1, shape = affine_map<()[n] -> (n, 256, 256)>} : (tensor<?x256x256xf32>) -> tensor<?x256x256xf32>
  %1 = halide.call @turn(%0) {layers = ["a"], flops_per_element = 1, shape = affine_map<()[n] -> (n, 256, 256)>} : (tensor<?x256x256xf32>) -> tensor<?x256x256xf32>
  %2 = halide.call @turn(%1) {layers = ["a"], flops_per_element = 1, shape = affine_map<()[n] -> (n, 256, 256)>} : (tensor<?x256x256xf32>) -> tensor<?x256x256xf32>
  return %0, %1, %2 : tensor<?x256x256xf32>, tensor<?x256x256xf32>, tensor<?x256x256xf32>
}
