// What Halide rejects, or accepts with a warning that means a crash or a slow kernel, is an error at the
// op or pipeline that causes it; so is an op that has no translation.
// RUN: sylvite-translate --halide-to-stmt %s --split-input-file --verify-diagnostics --target=x86-64-linux-avx2
// REQUIRES: sylvite-translate

// expected-error @+1 {{in halide.pipeline @unscheduled_update: Update definition 0 of function sum has not been scheduled}}
halide.pipeline @unscheduled_update {
  halide.input @x : tensor<64x64xf32>
  halide.func @sum(%i) -> f32 {
    %v = arith.constant 0.0 : f32
    halide.yield %v : f32
  }
  halide.update @sum(%i) over (%r in 0 to 64) {
    %old = halide.at @sum[%i] : f32
    %v = halide.at @x[%i, %r] : f32
    %new = arith.addf %old, %v : f32
    halide.yield %new : f32
  }
  halide.output @sum : tensor<64xf32>
  halide.schedule {
    halide.vectorize @sum, "i" by 8
  }
}

// -----

// expected-error @+1 {{Input buffer x is accessed on [1, 8] in its dimension 0 from the innermost, but has [0, 7]}}
halide.pipeline @reads_out_of_bounds {
  halide.input @x : tensor<8xf32>
  halide.func @f(%i) -> f32 {
    %one = arith.constant 1 : index
    %next = arith.addi %i, %one : index
    %v = halide.at @x[%next] : f32
    halide.yield %v : f32
  }
  halide.output @f : tensor<8xf32>
}

// -----

// The tile is larger than the output, which would be written beyond its end.
// expected-error @+1 {{Output buffer f$1 is accessed on [0, 7] in its dimension 0 from the innermost, but has [0, 5]}}
halide.pipeline @writes_out_of_bounds {
  halide.func @f(%i) -> f32 {
    %v = arith.constant 0.0 : f32
    halide.yield %v : f32
  }
  halide.output @f : tensor<6xf32>
  halide.schedule {
    halide.split @f, "i" into ("io", "ii") by 8 tail round_up
    halide.vectorize @f, "ii"
  }
}

// -----

// expected-error @+1 {{Buffer x may be accessed in an unbounded way in dimension 0}}
halide.pipeline @unbounded_index {
  halide.input @x : tensor<8xf32>
  halide.input @index : tensor<?xi32>
  halide.func @f(%i) -> f32 {
    %j = halide.at @index[%i] : i32
    %k = arith.index_cast %j : i32 to index
    %v = halide.at @x[%k] : f32
    halide.yield %v : f32
  }
  halide.output @f : tensor<?xf32>
}

// -----

halide.pipeline @too_large {
  // expected-error @+1 {{in halide.pipeline @too_large: @x has 2^31 elements or more}}
  halide.input @x : tensor<65536x32768xf32>
  halide.func @f(%i, %j) -> f32 {
    %v = halide.at @x[%i, %j] : f32
    halide.yield %v : f32
  }
  halide.output @f : tensor<65536x32767xf32>
}

// -----

halide.pipeline @untranslated {
  halide.func @f(%i) -> f32 {
    %0 = arith.constant 1 : i32
    // expected-error @+1 {{in halide.pipeline @untranslated: 'math.ctpop' has no translation to Halide}}
    %1 = math.ctpop %0 : i32
    %2 = arith.sitofp %1 : i32 to f32
    halide.yield %2 : f32
  }
  halide.output @f : tensor<8xf32>
}

// -----

halide.pipeline @no_such_type {
  halide.func @f(%i) -> f32 {
    // expected-error @+1 {{'arith.constant' has a type that kernels lack}}
    %0 = arith.constant 1 : i5
    %2 = arith.sitofp %0 : i5 to f32
    halide.yield %2 : f32
  }
  halide.output @f : tensor<8xf32>
}

// -----

halide.pipeline @index_too_large {
  halide.input @x : tensor<8xf32>
  halide.func @f(%i) -> f32 {
    // expected-error @+1 {{index 4294967296 has more than 32 bits}}
    %0 = arith.constant 4294967296 : index
    %v = halide.at @x[%0] : f32
    halide.yield %v : f32
  }
  halide.output @f : tensor<8xf32>
}

// -----

// Halide judges what the verifier cannot: @g is computed in a loop inside of which nothing reads it.
// expected-error @+1 {{is computed at the following invalid location}}
halide.pipeline @invalid_location {
  halide.func @g(%i) -> f32 {
    %v = arith.constant 0.0 : f32
    halide.yield %v : f32
  }
  halide.func @h(%i) -> f32 {
    %v = halide.at @g[%i] : f32
    halide.yield %v : f32
  }
  halide.func @f(%i, %j) -> f32 {
    %v = halide.at @g[%i] : f32
    %w = halide.at @h[%i] : f32
    %s = arith.addf %v, %w : f32
    halide.yield %s : f32
  }
  halide.output @f : tensor<8x8xf32>
  halide.schedule {
    halide.compute_root @h
    halide.compute_at @g, @h, "i"
  }
}
