// RUN: sylvite-opt %s '-host-rematerialize=budget=6500 batch=4' | FileCheck %s
// RUN: sylvite-opt %s '-host-rematerialize=budget=8000 batch=4' | FileCheck %s --check-prefix=FITS

// 4 items of 64 floats are 1024 bytes; at the wide product 7168 live. What @cheap makes of the argument is forgotten after its first use
// and made again before the second, with the view of it; what @product makes is kept, as it takes more arithmetic.
// CHECK-LABEL: func.func @train_step
// CHECK: %[[A:.*]] = halide.call @cheap(%arg0)
// CHECK: %[[P:.*]] = halide.call @product(%[[A]])
// CHECK: %[[WIDE:.*]] = halide.call @widen(%[[P]])
// CHECK: %[[Q:.*]] = halide.call @narrow(%[[WIDE]])
// CHECK: %[[AGAIN:.*]] = halide.call @cheap(%arg0)
// CHECK-NEXT: %[[VIEW:.*]] = nn.reshape %[[AGAIN]]
// CHECK-NEXT: %[[R:.*]] = halide.call @both(%[[Q]], %[[AGAIN]])
// CHECK: halide.call @viewed(%[[VIEW]])
// CHECK: halide.call @both(%[[P]], %[[R]])

// FITS-LABEL: func.func @train_step
// FITS-COUNT-1: halide.call @cheap
// FITS-NOT: halide.call @cheap
halide.pipeline @cheap {
  halide.input @x0 : tensor<?x64xf32>
  halide.func @y(%i0, %i1) -> f32 {
    %0 = halide.at @x0[%i0, %i1] : f32
    halide.yield %0 : f32
  }
  halide.output @y : tensor<?x64xf32>
}
halide.pipeline @product {
  halide.input @x0 : tensor<?x64xf32>
  halide.func @y(%i0, %i1) -> f32 {
    %0 = halide.at @x0[%i0, %i1] : f32
    halide.yield %0 : f32
  }
  halide.output @y : tensor<?x64xf32>
}
halide.pipeline @widen {
  halide.input @x0 : tensor<?x64xf32>
  halide.func @y(%i0, %i1) -> f32 {
    %0 = halide.at @x0[%i0, %i1] : f32
    halide.yield %0 : f32
  }
  halide.output @y : tensor<?x256xf32>
}
halide.pipeline @narrow {
  halide.input @x0 : tensor<?x256xf32>
  halide.func @y(%i0, %i1) -> f32 {
    %0 = halide.at @x0[%i0, %i1] : f32
    halide.yield %0 : f32
  }
  halide.output @y : tensor<?x64xf32>
}
halide.pipeline @both {
  halide.input @x0 : tensor<?x64xf32>
  halide.input @x1 : tensor<?x64xf32>
  halide.func @y(%i0, %i1) -> f32 {
    %0 = halide.at @x0[%i0, %i1] : f32
    halide.yield %0 : f32
  }
  halide.output @y : tensor<?x64xf32>
}
halide.pipeline @viewed {
  halide.input @x0 : tensor<?x8x8xf32>
  halide.func @y(%i0, %i1, %i2) -> f32 {
    %0 = halide.at @x0[%i0, %i1, %i2] : f32
    halide.yield %0 : f32
  }
  halide.output @y : tensor<?x8x8xf32>
}
func.func @train_step(%x: tensor<?x64xf32> {nn.name = "x", nn.dims = ["batch", ""]}) -> (tensor<?x64xf32> {nn.name = "y"}, tensor<?x8x8xf32> {nn.name = "z"}) {
  %a = halide.call @cheap(%x) {layers = ["a"], flops_per_element = 2, shape = affine_map<()[s0] -> (s0, 64)>} : (tensor<?x64xf32>) -> tensor<?x64xf32>
  %v = nn.reshape %a from [0, -1, -1] : tensor<?x64xf32> to tensor<?x8x8xf32>
  %p = halide.call @product(%a) {layers = ["p"], flops_per_element = 5000, shape = affine_map<()[s0] -> (s0, 64)>} : (tensor<?x64xf32>) -> tensor<?x64xf32>
  %w = halide.call @widen(%p) {layers = ["w"], flops_per_element = 5000, shape = affine_map<()[s0] -> (s0, 256)>} : (tensor<?x64xf32>) -> tensor<?x256xf32>
  %q = halide.call @narrow(%w) {layers = ["q"], flops_per_element = 5000, shape = affine_map<()[s0] -> (s0, 64)>} : (tensor<?x256xf32>) -> tensor<?x64xf32>
  %r = halide.call @both(%q, %a) {layers = ["r"], flops_per_element = 1, shape = affine_map<()[s0, s1] -> (s0, 64)>} : (tensor<?x64xf32>, tensor<?x64xf32>) -> tensor<?x64xf32>
  %s = halide.call @viewed(%v) {layers = ["s"], flops_per_element = 1, shape = affine_map<()[s0] -> (s0, 8, 8)>} : (tensor<?x8x8xf32>) -> tensor<?x8x8xf32>
  %t = halide.call @both(%p, %r) {layers = ["t"], flops_per_element = 1, shape = affine_map<()[s0, s1] -> (s0, 64)>} : (tensor<?x64xf32>, tensor<?x64xf32>) -> tensor<?x64xf32>
  return %t, %s : tensor<?x64xf32>, tensor<?x8x8xf32>
}
