// u8 x s8 products summed into s32: `ui8` storage reaches Halide as uint8_t, so that the vector reduction
// becomes vpdpbusd. Computed with NumPy on what this machine has.
// RUN: %python %S/Inputs/check.py dot_product_u8 %s
// RUN: sylvite-translate --halide-to-asm %s --target=x86-64-linux-avx-avx2-avx512-avx512_skylake-avx512_cannonlake-avx512_zen4-fma-f16c-sse41 | FileCheck %s
// REQUIRES: sylvite-translate

// CHECK-LABEL: dot_product_u8:
// CHECK: vpdpbusd
// CHECK: .size dot_product_u8,
halide.pipeline @dot_product_u8 {
  halide.input @a : tensor<?x64xui8>
  halide.input @b : tensor<16x16x4xi8>
  halide.func @p(%m, %n) -> i32 {
    %zero = arith.constant 0 : i32
    halide.yield %zero : i32
  }
  halide.update @p(%m, %n) over (%k in 0 to 64) {
    %four = arith.constant 4 : index
    %old = halide.at @p[%m, %n] : i32
    %outer = arith.divui %k, %four : index
    %inner = arith.remui %k, %four : index
    %a = halide.at @a[%m, %k] : i8
    %b = halide.at @b[%outer, %n, %inner] : i8
    %aw = arith.extui %a : i8 to i32
    %bw = arith.extsi %b : i8 to i32
    %product = arith.muli %aw, %bw : i32
    %new = arith.addi %old, %product : i32
    halide.yield %new : i32
  }
  halide.func @out(%m, %n) -> i32 {
    %v = halide.at @p[%m, %n] : i32
    halide.yield %v : i32
  }
  halide.output @out : tensor<?x16xi32>
  halide.schedule {
    halide.vectorize @out, "n" by 16
    halide.compute_at @p, @out, "m"
    halide.vectorize @p, "n" by 16
    halide.split @p stage 1, "k" into ("ko", "ki") by 4
    halide.reorder @p stage 1, ["ki", "n", "m", "ko"]
    halide.atomic @p stage 1
    halide.vectorize @p stage 1, "ki"
    halide.vectorize @p stage 1, "n"
  }
}
