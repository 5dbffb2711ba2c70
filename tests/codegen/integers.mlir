// Integer ops have MLIR's meaning: division rounds as the op says, unsigned ops read the same bits as
// unsigned, narrowing keeps the low bits. Checked against Python's integers.
// RUN: %python %S/Inputs/check.py integers %s
// REQUIRES: sylvite-translate
halide.pipeline @integers {
  halide.input @x : tensor<?xi32>
  halide.input @y : tensor<?xi32>
  halide.input @bytes : tensor<?xui8>
  halide.func @f(%i) -> (i32, i32, i32, i32, i32, i32, i32, i32, i32, i32, i32, i32, i32, i32, i32, i32, i32, i8, i32, i32, i32, ui8, f32, i64) {
    %a = halide.at @x[%i] : i32
    %b = halide.at @y[%i] : i32
    %byte = halide.at @bytes[%i] : i8
    %c5 = arith.constant 5 : i32
    %c3 = arith.constant 3 : i32
    %div = arith.divsi %a, %b : i32
    %rem = arith.remsi %a, %b : i32
    %floor = arith.floordivsi %a, %b : i32
    %ceil = arith.ceildivsi %a, %b : i32
    %floor5 = arith.floordivsi %a, %c5 : i32
    %ceil5 = arith.ceildivsi %a, %c5 : i32
    %divu = arith.divui %a, %b : i32
    %remu = arith.remui %a, %b : i32
    %minu = arith.minui %a, %b : i32
    %maxu = arith.maxui %a, %b : i32
    %shl = arith.shli %a, %c3 : i32
    %shr = arith.shrsi %a, %c3 : i32
    %shru = arith.shrui %a, %c3 : i32
    %ult = arith.cmpi ult, %a, %b : i32
    %ult32 = arith.extui %ult : i1 to i32
    %slt = arith.cmpi slt, %a, %b : i32
    %slt32 = arith.extsi %slt : i1 to i32
    %and = arith.andi %a, %b : i32
    %xor = arith.xori %a, %b : i32
    %low = arith.trunci %a : i32 to i8
    %wide = arith.extui %byte : i8 to i32
    %signed = arith.extsi %byte : i8 to i32
    %abs = math.absi %a : i32
    %plus = arith.addi %byte, %low : i8
    %float = arith.uitofp %byte : i8 to f32
    %long = arith.extui %a : i32 to i64
    halide.yield %div, %rem, %floor, %ceil, %floor5, %ceil5, %divu, %remu, %minu, %maxu, %shl, %shr, %shru, %ult32, %slt32, %and, %xor, %low, %wide, %signed, %abs, %plus, %float, %long : i32, i32, i32, i32, i32, i32, i32, i32, i32, i32, i32, i32, i32, i32, i32, i32, i32, i8, i32, i32, i32, i8, f32, i64
  }
  halide.output @f : tensor<?xi32>, tensor<?xi32>, tensor<?xi32>, tensor<?xi32>, tensor<?xi32>, tensor<?xi32>, tensor<?xi32>, tensor<?xi32>, tensor<?xi32>, tensor<?xi32>, tensor<?xi32>, tensor<?xi32>, tensor<?xi32>, tensor<?xi32>, tensor<?xi32>, tensor<?xi32>, tensor<?xi32>, tensor<?xi8>, tensor<?xi32>, tensor<?xi32>, tensor<?xi32>, tensor<?xui8>, tensor<?xf32>, tensor<?xi64>
  halide.schedule {
    halide.split @f, "i" into ("io", "ii") by 8 tail guard_with_if
    halide.vectorize @f, "ii"
  }
}
