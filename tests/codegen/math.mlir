// The elementary functions have the errors that HalideMath.cpp says, and the vectorized ones call nothing.
// RUN: %python %S/Inputs/check.py math %s
// RUN: sylvite-translate --halide-to-asm %s --target=x86-64-linux-avx-avx2-fma-f16c-sse41 | FileCheck %s
// REQUIRES: sylvite-translate

// Only the inverse trigonometric functions go to libm.
// CHECK-LABEL: math:
// CHECK-NOT: {{call[a-z]*[[:space:]]+(tanh|exp|exp2|expm1|log|log2|log10|log1p|sin|cos|tan|erf|sqrt|pow|sinh|cosh|floor|ceil|trunc|round|fma)f@}}
// CHECK: .size math,

halide.pipeline @math {
  halide.input @any : tensor<?xf32>
  halide.input @positive : tensor<?xf32>
  halide.input @unit : tensor<?xf32>
  halide.input @above : tensor<?xf32>
  halide.func @f(%i) -> (f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32) {
    %a = halide.at @any[%i] : f32
    %p = halide.at @positive[%i] : f32
    %u = halide.at @unit[%i] : f32
    %above = halide.at @above[%i] : f32
    %tanh = math.tanh %a : f32
    %exp = math.exp %a : f32
    %exp2 = math.exp2 %a : f32
    %expm1 = math.expm1 %a : f32
    %sin = math.sin %a : f32
    %cos = math.cos %a : f32
    %erf = math.erf %a : f32
    %sinh = math.sinh %a : f32
    %cosh = math.cosh %a : f32
    %asinh = math.asinh %a : f32
    %floor = math.floor %a : f32
    %ceil = math.ceil %a : f32
    %trunc = math.trunc %a : f32
    %roundeven = math.roundeven %a : f32
    %round = math.round %a : f32
    %absf = math.absf %a : f32
    %atan = math.atan %a : f32
    %log = math.log %p : f32
    %log2 = math.log2 %p : f32
    %log10 = math.log10 %p : f32
    %log1p = math.log1p %p : f32
    %sqrt = math.sqrt %p : f32
    %rsqrt = math.rsqrt %p : f32
    %atanh = math.atanh %u : f32
    %asin = math.asin %u : f32
    %acos = math.acos %u : f32
    %tan = math.tan %u : f32
    %acosh = math.acosh %above : f32
    %powf = math.powf %p, %u : f32
    %copysign = math.copysign %p, %a : f32
    %fma = math.fma %a, %p, %u : f32
    %atan2 = math.atan2 %a, %u : f32
    halide.yield %tanh, %exp, %exp2, %expm1, %sin, %cos, %erf, %sinh, %cosh, %asinh, %floor, %ceil, %trunc, %roundeven, %round, %absf, %atan, %log, %log2, %log10, %log1p, %sqrt, %rsqrt, %atanh, %asin, %acos, %tan, %acosh, %powf, %copysign, %fma, %atan2 : f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32
  }
  halide.output @f : tensor<?xf32>, tensor<?xf32>, tensor<?xf32>, tensor<?xf32>, tensor<?xf32>, tensor<?xf32>, tensor<?xf32>, tensor<?xf32>, tensor<?xf32>, tensor<?xf32>, tensor<?xf32>, tensor<?xf32>, tensor<?xf32>, tensor<?xf32>, tensor<?xf32>, tensor<?xf32>, tensor<?xf32>, tensor<?xf32>, tensor<?xf32>, tensor<?xf32>, tensor<?xf32>, tensor<?xf32>, tensor<?xf32>, tensor<?xf32>, tensor<?xf32>, tensor<?xf32>, tensor<?xf32>, tensor<?xf32>, tensor<?xf32>, tensor<?xf32>, tensor<?xf32>, tensor<?xf32>
  halide.schedule {
    halide.split @f, "i" into ("io", "ii") by 8 tail guard_with_if
    halide.vectorize @f, "ii"
  }
}
