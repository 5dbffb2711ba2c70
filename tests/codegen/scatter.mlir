// A scatter: rows of a gradient are added where the indices say; out-of-range indices are clamped.
// RUN: %python %S/Inputs/check.py scatter %s
// REQUIRES: sylvite-translate
halide.pipeline @scatter {
  halide.input @dy : tensor<?x16xf32>
  halide.input @index : tensor<?xi64>
  halide.func @table(%row, %c) -> f32 {
    %zero = arith.constant 0.0 : f32
    halide.yield %zero : f32
  }
  halide.update @table(%row, %c) over (%r in 0 to extent(@dy, 0)) {
    %zero = arith.constant 0 : index
    %last = arith.constant 9 : index
    %i = halide.at @index[%r] : i64
    %i32 = arith.index_cast %i : i64 to index
    %low = arith.maxsi %i32, %zero : index
    %row1 = arith.minsi %low, %last : index
    %old = halide.at @table[%row1, %c] : f32
    %v = halide.at @dy[%r, %c] : f32
    %new = arith.addf %old, %v : f32
    halide.yield %new at [%row1, %c] : f32
  }
  halide.output @table : tensor<10x16xf32>
  halide.schedule {
    halide.vectorize @table, "c" by 8
    halide.reorder @table stage 1, ["c", "r"]
    halide.vectorize @table stage 1, "c" by 8
  }
}
