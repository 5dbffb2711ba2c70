// A register-tiled 3x3 convolution with bias and ReLU computes what NumPy computes, for several batches;
// its accumulators are 6 pixels by 2 vectors, which AVX2 keeps in registers.
// RUN: %python %S/Inputs/check.py conv_relu %s
// RUN: sylvite-translate --halide-to-stmt %s --target=x86-64-linux-avx-avx2-fma-f16c-sse41 | FileCheck %s --check-prefix=STMT
// RUN: sylvite-translate --halide-to-asm %s --target=x86-64-linux-avx-avx2-fma-f16c-sse41 | FileCheck %s --check-prefix=ASM
// REQUIRES: sylvite-translate

// The predicate is a bound of the loop over rows of the filter, outside of the others.
// STMT-LABEL: module name=conv_relu
// STMT: for ([[ROW:conv.s1.conv_r1\$y]].rebased, 0, t{{[0-9]+}} + 12) {
// STMT: for (conv.s1.conv_r1$x, 0, 3) {
// STMT: for (conv.s1.conv_r1$z, 0, 8) {
// STMT-NOT: for (
// STMT-COUNT-12: conv[ramp({{[0-9]+}}, 1, 8)] = conv[ramp({{[0-9]+}}, 1, 8)] + (w[ramp(
// STMT-NOT: conv[ramp({{[0-9]+}}, 1, 8)] = conv

// ASM-LABEL: conv_relu_par_for_out_s0_n:
// ASM-COUNT-12: vfmadd231ps {{.*}}, %ymm{{[0-9]+}}, %ymm
// ASM-NOT: vfmadd
// ASM: .size
halide.pipeline @conv_relu {
  halide.input @x : tensor<?x12x14x8xf32>
  halide.input @w : tensor<3x3x8x16xf32>
  halide.input @bias : tensor<16xf32>
  halide.func @conv(%n, %y, %x0, %c) -> f32 {
    %zero = arith.constant 0.0 : f32
    halide.yield %zero : f32
  }
  // Rows of padding are skipped.
  halide.update @conv(%n, %y, %x0, %c) over (%ci in 0 to 8, %ky in 0 to 3, %kx in 0 to 3) where {
    %one = arith.constant 1 : index
    %rows = halide.extent @x, 1 : index
    %above = arith.addi %y, %ky : index
    %first = arith.cmpi sge, %above, %one : index
    %last = arith.cmpi sle, %above, %rows : index
    %inside = arith.andi %first, %last : i1
    halide.yield %inside : i1
  } {
    %one = arith.constant 1 : index
    %old = halide.at @conv[%n, %y, %x0, %c] : f32
    %sum = arith.addi %y, %ky : index
    %row = arith.subi %sum, %one : index
    %column = arith.addi %x0, %kx : index
    %a = halide.at @x[%n, %row, %column, %ci] : f32
    %b = halide.at @w[%ky, %kx, %ci, %c] : f32
    %p = arith.mulf %a, %b : f32
    %new = arith.addf %old, %p : f32
    halide.yield %new : f32
  }
  halide.func @out(%n, %y, %x0, %c) -> f32 {
    %zero = arith.constant 0.0 : f32
    %v = halide.at @conv[%n, %y, %x0, %c] : f32
    %bias = halide.at @bias[%c] : f32
    %sum = arith.addf %v, %bias : f32
    %r = arith.maximumf %sum, %zero : f32
    halide.yield %r : f32
  }
  halide.output @out : tensor<?x12x12x16xf32>
  halide.schedule {
    halide.split @out, "c" into ("co", "ci") by 16
    halide.split @out, "x0" into ("xo", "xi") by 6
    halide.reorder @out, ["ci", "xi", "co", "xo", "y", "n"]
    halide.vectorize @out, "ci" by 8
    halide.unroll @out, "ci"
    halide.unroll @out, "xi"
    halide.parallel @out, "n"
    halide.compute_at @conv, @out, "xo"
    halide.bound_extent @conv, "c" to 16
    halide.bound_extent @conv, "x0" to 6
    halide.vectorize @conv, "c" by 8
    halide.unroll @conv, "c"
    halide.unroll @conv, "x0"
    halide.reorder @conv stage 1, ["c", "x0", "ci", "kx", "ky"]
    halide.vectorize @conv stage 1, "c" by 8
    halide.unroll @conv stage 1, "c"
    halide.unroll @conv stage 1, "x0"
  }
}
