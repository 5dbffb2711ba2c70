// Divisions and square roots that may be quick (arcp, afn) leave the divider alone, and have the errors that HalideMath.cpp says.
// RUN: %python %S/Inputs/check.py quick_math %s
// RUN: sylvite-translate --halide-to-asm %s --target=x86-64-linux-avx-avx2-fma-f16c-sse41 | FileCheck %s
// REQUIRES: sylvite-translate

// CHECK-LABEL: quick:
// CHECK-NOT: {{v(div|sqrt|rcp|rsqrt)}}
// CHECK: .size quick,

halide.pipeline @quick {
  halide.input @x : tensor<?xf32>
  halide.input @y : tensor<?xf32>
  halide.func @f(%i) -> (f32, f32) {
    %x = halide.at @x[%i] : f32
    %y = halide.at @y[%i] : f32
    %root = math.sqrt %y fastmath<afn> : f32
    %quotient = arith.divf %x, %y fastmath<arcp> : f32
    halide.yield %root, %quotient : f32, f32
  }
  halide.output @f : tensor<?xf32>, tensor<?xf32>
  halide.schedule {
    halide.split @f, "i" into ("io", "ii") by 16 tail guard_with_if
    halide.vectorize @f, "ii"
  }
}
