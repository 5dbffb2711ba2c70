// Conversions between element types, in buffers of each: half precisions round to nearest even, i1 is a
// byte, f64 keeps its digits.
// RUN: %python %S/Inputs/check.py types %s
// REQUIRES: sylvite-translate
halide.pipeline @types {
  halide.input @x : tensor<?xf32>
  halide.input @h : tensor<?xf16>
  halide.input @b : tensor<?xi1>
  halide.input @d : tensor<?xf64>
  halide.func @f(%i) -> (f16, f32, i1, f64, bf16, i64, i32, ui16, f32) {
    %x = halide.at @x[%i] : f32
    %h = halide.at @h[%i] : f16
    %b = halide.at @b[%i] : i1
    %d = halide.at @d[%i] : f64
    %zero = arith.constant 0.0 : f32
    %half = arith.truncf %x : f32 to f16
    %sum = arith.addf %h, %half : f16
    %wide = arith.extf %h : f16 to f32
    %positive = arith.cmpf ogt, %x, %zero : f32
    %both = arith.andi %positive, %b : i1
    %e = math.exp %d : f64
    %brain = arith.truncf %x : f32 to bf16
    %long = arith.fptosi %d : f64 to i64
    %bits = arith.bitcast %x : f32 to i32
    %size = math.absf %x : f32
    %unsigned = arith.fptoui %size : f32 to i16
    %number = arith.uitofp %b : i1 to f32
    halide.yield %sum, %wide, %both, %e, %brain, %long, %bits, %unsigned, %number : f16, f32, i1, f64, bf16, i64, i32, i16, f32
  }
  halide.output @f : tensor<?xf16>, tensor<?xf32>, tensor<?xi1>, tensor<?xf64>, tensor<?xbf16>, tensor<?xi64>, tensor<?xi32>, tensor<?xui16>, tensor<?xf32>
  halide.schedule {
    halide.split @f, "i" into ("io", "ii") by 8 tail guard_with_if
    halide.vectorize @f, "ii"
  }
}
