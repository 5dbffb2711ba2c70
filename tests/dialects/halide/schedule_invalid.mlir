// Each constraint of a schedule is violated once; the comment above a case is the constraint's label.
// RUN: sylvite-opt %s --split-input-file --verify-diagnostics

// schedule_c1
halide.pipeline @p {
  halide.input @x : tensor<?x8x16xf32>
  halide.func @sum(%n, %c) -> f32 {
    %zero = arith.constant 0.0 : f32
    halide.yield %zero : f32
  }
  halide.update @sum(%n, %c) over (%r in 0 to 16, %q in 0 to 2) {
    %old = halide.at @sum[%n, %c] : f32
    %v = halide.at @x[%n, %c, %r] : f32
    %new = arith.addf %old, %v : f32
    halide.yield %new : f32
  }
  halide.func @out(%n, %c) -> f32 {
    %v = halide.at @sum[%n, %c] : f32
    halide.yield %v : f32
  }
  halide.output @out : tensor<?x8xf32>
  halide.schedule {
    // expected-error @+1 {{schedule_c1: is not a schedule directive}}
    arith.constant 1 : i32
  }
}

// -----

// schedule_c2
halide.pipeline @p {
  halide.input @x : tensor<?x8x16xf32>
  halide.func @sum(%n, %c) -> f32 {
    %zero = arith.constant 0.0 : f32
    halide.yield %zero : f32
  }
  halide.update @sum(%n, %c) over (%r in 0 to 16, %q in 0 to 2) {
    %old = halide.at @sum[%n, %c] : f32
    %v = halide.at @x[%n, %c, %r] : f32
    %new = arith.addf %old, %v : f32
    halide.yield %new : f32
  }
  halide.func @out(%n, %c) -> f32 {
    %v = halide.at @sum[%n, %c] : f32
    halide.yield %v : f32
  }
  halide.output @out : tensor<?x8xf32>
  halide.schedule {
    // expected-error @+1 {{schedule_c2: @x is not a func}}
    halide.compute_root @x
  }
}

// -----

// schedule_c2
halide.pipeline @p {
  halide.input @x : tensor<?x8x16xf32>
  halide.func @sum(%n, %c) -> f32 {
    %zero = arith.constant 0.0 : f32
    halide.yield %zero : f32
  }
  halide.update @sum(%n, %c) over (%r in 0 to 16, %q in 0 to 2) {
    %old = halide.at @sum[%n, %c] : f32
    %v = halide.at @x[%n, %c, %r] : f32
    %new = arith.addf %old, %v : f32
    halide.yield %new : f32
  }
  halide.func @out(%n, %c) -> f32 {
    %v = halide.at @sum[%n, %c] : f32
    halide.yield %v : f32
  }
  halide.output @out : tensor<?x8xf32>
  halide.schedule {
    // expected-error @+1 {{schedule_c2: @partial is not a func}}
    halide.compute_root @partial
    halide.rfactor @sum stage 1, ["r"] to ["u"] into @partial
  }
}

// -----

// schedule_c3
halide.pipeline @p {
  halide.input @x : tensor<?x8x16xf32>
  halide.func @sum(%n, %c) -> f32 {
    %zero = arith.constant 0.0 : f32
    halide.yield %zero : f32
  }
  halide.update @sum(%n, %c) over (%r in 0 to 16, %q in 0 to 2) {
    %old = halide.at @sum[%n, %c] : f32
    %v = halide.at @x[%n, %c, %r] : f32
    %new = arith.addf %old, %v : f32
    halide.yield %new : f32
  }
  halide.func @out(%n, %c) -> f32 {
    %v = halide.at @sum[%n, %c] : f32
    halide.yield %v : f32
  }
  halide.output @out : tensor<?x8xf32>
  halide.schedule {
    // expected-error @+1 {{schedule_c3: @out has stages 0 to 0, not 1}}
    halide.vectorize @out stage 1, "c"
  }
}

// -----

// schedule_c3
halide.pipeline @p {
  halide.input @x : tensor<?x8x16xf32>
  halide.func @sum(%n, %c) -> f32 {
    %zero = arith.constant 0.0 : f32
    halide.yield %zero : f32
  }
  halide.update @sum(%n, %c) over (%r in 0 to 16, %q in 0 to 2) {
    %old = halide.at @sum[%n, %c] : f32
    %v = halide.at @x[%n, %c, %r] : f32
    %new = arith.addf %old, %v : f32
    halide.yield %new : f32
  }
  halide.func @out(%n, %c) -> f32 {
    %v = halide.at @sum[%n, %c] : f32
    halide.yield %v : f32
  }
  halide.output @out : tensor<?x8xf32>
  halide.schedule {
    // expected-error @+1 {{schedule_c3: @sum has stages 0 to 1, not 2}}
    halide.serial @sum stage 2, "c"
  }
}

// -----

// schedule_c4
halide.pipeline @p {
  halide.input @x : tensor<?x8x16xf32>
  halide.func @sum(%n, %c) -> f32 {
    %zero = arith.constant 0.0 : f32
    halide.yield %zero : f32
  }
  halide.update @sum(%n, %c) over (%r in 0 to 16, %q in 0 to 2) {
    %old = halide.at @sum[%n, %c] : f32
    %v = halide.at @x[%n, %c, %r] : f32
    %new = arith.addf %old, %v : f32
    halide.yield %new : f32
  }
  halide.func @out(%n, %c) -> f32 {
    %v = halide.at @sum[%n, %c] : f32
    halide.yield %v : f32
  }
  halide.output @out : tensor<?x8xf32>
  halide.schedule {
    // expected-error @+1 {{schedule_c4: "x" is not a loop here; loops are "n", "c"}}
    halide.vectorize @out, "x"
  }
}

// -----

// schedule_c4
halide.pipeline @p {
  halide.input @x : tensor<?x8x16xf32>
  halide.func @sum(%n, %c) -> f32 {
    %zero = arith.constant 0.0 : f32
    halide.yield %zero : f32
  }
  halide.update @sum(%n, %c) over (%r in 0 to 16, %q in 0 to 2) {
    %old = halide.at @sum[%n, %c] : f32
    %v = halide.at @x[%n, %c, %r] : f32
    %new = arith.addf %old, %v : f32
    halide.yield %new : f32
  }
  halide.func @out(%n, %c) -> f32 {
    %v = halide.at @sum[%n, %c] : f32
    halide.yield %v : f32
  }
  halide.output @out : tensor<?x8xf32>
  halide.schedule {
    halide.split @out, "c" into ("co", "ci") by 4
    // expected-error @+1 {{schedule_c4: "c" is not a loop here; loops are "n", "co", "ci"}}
    halide.unroll @out, "c"
  }
}

// -----

// schedule_c4
halide.pipeline @p {
  halide.input @x : tensor<?x8x16xf32>
  halide.func @sum(%n, %c) -> f32 {
    %zero = arith.constant 0.0 : f32
    halide.yield %zero : f32
  }
  halide.update @sum(%n, %c) over (%r in 0 to 16, %q in 0 to 2) {
    %old = halide.at @sum[%n, %c] : f32
    %v = halide.at @x[%n, %c, %r] : f32
    %new = arith.addf %old, %v : f32
    halide.yield %new : f32
  }
  halide.func @out(%n, %c) -> f32 {
    %v = halide.at @sum[%n, %c] : f32
    halide.yield %v : f32
  }
  halide.output @out : tensor<?x8xf32>
  halide.schedule {
    halide.fuse @sum stage 1, "r", "q" into "t"
    // expected-error @+1 {{schedule_c4: "r" is not a loop here}}
    halide.unroll @sum stage 1, "r"
  }
}

// -----

// schedule_c4
halide.pipeline @p {
  halide.input @x : tensor<?x8x16xf32>
  halide.func @sum(%n, %c) -> f32 {
    %zero = arith.constant 0.0 : f32
    halide.yield %zero : f32
  }
  halide.update @sum(%n, %c) over (%r in 0 to 16, %q in 0 to 2) {
    %old = halide.at @sum[%n, %c] : f32
    %v = halide.at @x[%n, %c, %r] : f32
    %new = arith.addf %old, %v : f32
    halide.yield %new : f32
  }
  halide.func @out(%n, %c) -> f32 {
    %v = halide.at @sum[%n, %c] : f32
    halide.yield %v : f32
  }
  halide.output @out : tensor<?x8xf32>
  halide.schedule {
    halide.rfactor @sum stage 1, ["r"] to ["u"] into @partial
    // expected-error @+1 {{schedule_c4: "q" is not a loop here}}
    halide.serial @sum stage 1, "q"
  }
}

// -----

// schedule_c4
halide.pipeline @p {
  halide.input @x : tensor<?x8x16xf32>
  halide.func @sum(%n, %c) -> f32 {
    %zero = arith.constant 0.0 : f32
    halide.yield %zero : f32
  }
  halide.update @sum(%n, %c) over (%r in 0 to 16, %q in 0 to 2) {
    %old = halide.at @sum[%n, %c] : f32
    %v = halide.at @x[%n, %c, %r] : f32
    %new = arith.addf %old, %v : f32
    halide.yield %new : f32
  }
  halide.func @out(%n, %c) -> f32 {
    %v = halide.at @sum[%n, %c] : f32
    halide.yield %v : f32
  }
  halide.output @out : tensor<?x8xf32>
  halide.schedule {
    halide.rfactor @sum stage 1, ["r"] to ["u"] into @partial
    // expected-error @+1 {{schedule_c4: "r" is not a loop here}}
    halide.serial @partial stage 1, "r"
  }
}

// -----

// schedule_c4
halide.pipeline @p {
  halide.input @x : tensor<?x8x16xf32>
  halide.func @sum(%n, %c) -> f32 {
    %zero = arith.constant 0.0 : f32
    halide.yield %zero : f32
  }
  halide.update @sum(%n, %c) over (%r in 0 to 16, %q in 0 to 2) {
    %old = halide.at @sum[%n, %c] : f32
    %v = halide.at @x[%n, %c, %r] : f32
    %new = arith.addf %old, %v : f32
    halide.yield %new : f32
  }
  halide.func @out(%n, %c) -> f32 {
    %v = halide.at @sum[%n, %c] : f32
    halide.yield %v : f32
  }
  halide.output @out : tensor<?x8xf32>
  halide.schedule {
    // expected-error @+1 {{schedule_c4: "y" is not a loop here}}
    halide.reorder @out, ["c", "y"]
  }
}

// -----

// schedule_c5
halide.pipeline @p {
  halide.input @x : tensor<?x8x16xf32>
  halide.func @sum(%n, %c) -> f32 {
    %zero = arith.constant 0.0 : f32
    halide.yield %zero : f32
  }
  halide.update @sum(%n, %c) over (%r in 0 to 16, %q in 0 to 2) {
    %old = halide.at @sum[%n, %c] : f32
    %v = halide.at @x[%n, %c, %r] : f32
    %new = arith.addf %old, %v : f32
    halide.yield %new : f32
  }
  halide.func @out(%n, %c) -> f32 {
    %v = halide.at @sum[%n, %c] : f32
    halide.yield %v : f32
  }
  halide.output @out : tensor<?x8xf32>
  halide.schedule {
    // expected-error @+1 {{schedule_c5: "n" cannot name a new loop here}}
    halide.split @out, "c" into ("n", "ci") by 4
  }
}

// -----

// schedule_c5
halide.pipeline @p {
  halide.input @x : tensor<?x8x16xf32>
  halide.func @sum(%n, %c) -> f32 {
    %zero = arith.constant 0.0 : f32
    halide.yield %zero : f32
  }
  halide.update @sum(%n, %c) over (%r in 0 to 16, %q in 0 to 2) {
    %old = halide.at @sum[%n, %c] : f32
    %v = halide.at @x[%n, %c, %r] : f32
    %new = arith.addf %old, %v : f32
    halide.yield %new : f32
  }
  halide.func @out(%n, %c) -> f32 {
    %v = halide.at @sum[%n, %c] : f32
    halide.yield %v : f32
  }
  halide.output @out : tensor<?x8xf32>
  halide.schedule {
    // expected-error @+1 {{schedule_c5: "c" cannot name a new loop here}}
    halide.split @out, "c" into ("c", "c") by 4
  }
}

// -----

// schedule_c5
halide.pipeline @p {
  halide.input @x : tensor<?x8x16xf32>
  halide.func @sum(%n, %c) -> f32 {
    %zero = arith.constant 0.0 : f32
    halide.yield %zero : f32
  }
  halide.update @sum(%n, %c) over (%r in 0 to 16, %q in 0 to 2) {
    %old = halide.at @sum[%n, %c] : f32
    %v = halide.at @x[%n, %c, %r] : f32
    %new = arith.addf %old, %v : f32
    halide.yield %new : f32
  }
  halide.func @out(%n, %c) -> f32 {
    %v = halide.at @sum[%n, %c] : f32
    halide.yield %v : f32
  }
  halide.output @out : tensor<?x8xf32>
  halide.schedule {
    // expected-error @+1 {{schedule_c5: "outermost" cannot name a new loop here}}
    halide.fuse @out, "n", "c" into "outermost"
  }
}

// -----

// schedule_c5
halide.pipeline @p {
  halide.input @x : tensor<?x8x16xf32>
  halide.func @sum(%n, %c) -> f32 {
    %zero = arith.constant 0.0 : f32
    halide.yield %zero : f32
  }
  halide.update @sum(%n, %c) over (%r in 0 to 16, %q in 0 to 2) {
    %old = halide.at @sum[%n, %c] : f32
    %v = halide.at @x[%n, %c, %r] : f32
    %new = arith.addf %old, %v : f32
    halide.yield %new : f32
  }
  halide.func @out(%n, %c) -> f32 {
    %v = halide.at @sum[%n, %c] : f32
    halide.yield %v : f32
  }
  halide.output @out : tensor<?x8xf32>
  halide.schedule {
    // expected-error @+1 {{schedule_c5: "c" cannot name a new loop here}}
    halide.rfactor @sum stage 1, ["r"] to ["c"] into @partial
  }
}

// -----

// schedule_c6
halide.pipeline @p {
  halide.input @x : tensor<?x8x16xf32>
  halide.func @sum(%n, %c) -> f32 {
    %zero = arith.constant 0.0 : f32
    halide.yield %zero : f32
  }
  halide.update @sum(%n, %c) over (%r in 0 to 16, %q in 0 to 2) {
    %old = halide.at @sum[%n, %c] : f32
    %v = halide.at @x[%n, %c, %r] : f32
    %new = arith.addf %old, %v : f32
    halide.yield %new : f32
  }
  halide.func @out(%n, %c) -> f32 {
    %v = halide.at @sum[%n, %c] : f32
    halide.yield %v : f32
  }
  halide.output @out : tensor<?x8xf32>
  halide.schedule {
    // expected-error @+1 {{schedule_c6: 0 is not a positive 32-bit integer}}
    halide.split @out, "c" into ("co", "ci") by 0
  }
}

// -----

// schedule_c6
halide.pipeline @p {
  halide.input @x : tensor<?x8x16xf32>
  halide.func @sum(%n, %c) -> f32 {
    %zero = arith.constant 0.0 : f32
    halide.yield %zero : f32
  }
  halide.update @sum(%n, %c) over (%r in 0 to 16, %q in 0 to 2) {
    %old = halide.at @sum[%n, %c] : f32
    %v = halide.at @x[%n, %c, %r] : f32
    %new = arith.addf %old, %v : f32
    halide.yield %new : f32
  }
  halide.func @out(%n, %c) -> f32 {
    %v = halide.at @sum[%n, %c] : f32
    halide.yield %v : f32
  }
  halide.output @out : tensor<?x8xf32>
  halide.schedule {
    // expected-error @+1 {{schedule_c6: -1 is not a positive 32-bit integer}}
    halide.bound_extent @out, "c" to -1
  }
}

// -----

// schedule_c6
halide.pipeline @p {
  halide.input @x : tensor<?x8x16xf32>
  halide.func @sum(%n, %c) -> f32 {
    %zero = arith.constant 0.0 : f32
    halide.yield %zero : f32
  }
  halide.update @sum(%n, %c) over (%r in 0 to 16, %q in 0 to 2) {
    %old = halide.at @sum[%n, %c] : f32
    %v = halide.at @x[%n, %c, %r] : f32
    %new = arith.addf %old, %v : f32
    halide.yield %new : f32
  }
  halide.func @out(%n, %c) -> f32 {
    %v = halide.at @sum[%n, %c] : f32
    halide.yield %v : f32
  }
  halide.output @out : tensor<?x8xf32>
  halide.schedule {
    // expected-error @+1 {{schedule_c6: 4294967296 is not a positive 32-bit integer}}
    halide.vectorize @out, "c" by 4294967296
  }
}

// -----

// schedule_c7
halide.pipeline @p {
  halide.input @x : tensor<?x8x16xf32>
  halide.func @sum(%n, %c) -> f32 {
    %zero = arith.constant 0.0 : f32
    halide.yield %zero : f32
  }
  halide.update @sum(%n, %c) over (%r in 0 to 16, %q in 0 to 2) {
    %old = halide.at @sum[%n, %c] : f32
    %v = halide.at @x[%n, %c, %r] : f32
    %new = arith.addf %old, %v : f32
    halide.yield %new : f32
  }
  halide.func @out(%n, %c) -> f32 {
    %v = halide.at @sum[%n, %c] : f32
    halide.yield %v : f32
  }
  halide.output @out : tensor<?x8xf32>
  halide.schedule {
    // expected-error @+1 {{schedule_c7: "c" is named twice}}
    halide.reorder @out, ["c", "n", "c"]
  }
}

// -----

// schedule_c8
halide.pipeline @p {
  halide.input @x : tensor<?x8x16xf32>
  halide.func @sum(%n, %c) -> f32 {
    %zero = arith.constant 0.0 : f32
    halide.yield %zero : f32
  }
  halide.update @sum(%n, %c) over (%r in 0 to 16, %q in 0 to 2) {
    %old = halide.at @sum[%n, %c] : f32
    %v = halide.at @x[%n, %c, %r] : f32
    %new = arith.addf %old, %v : f32
    halide.yield %new : f32
  }
  halide.func @out(%n, %c) -> f32 {
    %v = halide.at @sum[%n, %c] : f32
    halide.yield %v : f32
  }
  halide.output @out : tensor<?x8xf32>
  halide.schedule {
    // expected-error @+1 {{schedule_c8: reduction variable "r" needs halide.atomic first}}
    halide.vectorize @sum stage 1, "r"
  }
}

// -----

// schedule_c8
halide.pipeline @p {
  halide.input @x : tensor<?x8x16xf32>
  halide.func @sum(%n, %c) -> f32 {
    %zero = arith.constant 0.0 : f32
    halide.yield %zero : f32
  }
  halide.update @sum(%n, %c) over (%r in 0 to 16, %q in 0 to 2) {
    %old = halide.at @sum[%n, %c] : f32
    %v = halide.at @x[%n, %c, %r] : f32
    %new = arith.addf %old, %v : f32
    halide.yield %new : f32
  }
  halide.func @out(%n, %c) -> f32 {
    %v = halide.at @sum[%n, %c] : f32
    halide.yield %v : f32
  }
  halide.output @out : tensor<?x8xf32>
  halide.schedule {
    halide.split @sum stage 1, "r" into ("ro", "ri") by 4
    // expected-error @+1 {{schedule_c8: reduction variable "ri" needs halide.atomic first}}
    halide.vectorize @sum stage 1, "ri"
  }
}

// -----

// schedule_c8
halide.pipeline @p {
  halide.input @x : tensor<?x8x16xf32>
  halide.func @sum(%n, %c) -> f32 {
    %zero = arith.constant 0.0 : f32
    halide.yield %zero : f32
  }
  halide.update @sum(%n, %c) over (%r in 0 to 16, %q in 0 to 2) {
    %old = halide.at @sum[%n, %c] : f32
    %v = halide.at @x[%n, %c, %r] : f32
    %new = arith.addf %old, %v : f32
    halide.yield %new : f32
  }
  halide.func @out(%n, %c) -> f32 {
    %v = halide.at @sum[%n, %c] : f32
    halide.yield %v : f32
  }
  halide.output @out : tensor<?x8xf32>
  halide.schedule {
    // expected-error @+1 {{schedule_c8: reduction variable "r" needs halide.atomic first}}
    halide.parallel @sum stage 1, "r"
  }
}

// -----

// schedule_c9
halide.pipeline @p {
  halide.input @x : tensor<?x8x16xf32>
  halide.func @sum(%n, %c) -> f32 {
    %zero = arith.constant 0.0 : f32
    halide.yield %zero : f32
  }
  halide.update @sum(%n, %c) over (%r in 0 to 16, %q in 0 to 2) {
    %old = halide.at @sum[%n, %c] : f32
    %v = halide.at @x[%n, %c, %r] : f32
    %new = arith.addf %old, %v : f32
    halide.yield %new : f32
  }
  halide.func @out(%n, %c) -> f32 {
    %v = halide.at @sum[%n, %c] : f32
    halide.yield %v : f32
  }
  halide.output @out : tensor<?x8xf32>
  halide.schedule {
    // expected-error @+1 {{schedule_c9: @sum does not read @sum}}
    halide.compute_at @sum, @sum, "n"
  }
}

// -----

// schedule_c9
halide.pipeline @p {
  halide.input @x : tensor<?x8x16xf32>
  halide.func @sum(%n, %c) -> f32 {
    %zero = arith.constant 0.0 : f32
    halide.yield %zero : f32
  }
  halide.update @sum(%n, %c) over (%r in 0 to 16, %q in 0 to 2) {
    %old = halide.at @sum[%n, %c] : f32
    %v = halide.at @x[%n, %c, %r] : f32
    %new = arith.addf %old, %v : f32
    halide.yield %new : f32
  }
  halide.func @out(%n, %c) -> f32 {
    %v = halide.at @sum[%n, %c] : f32
    halide.yield %v : f32
  }
  halide.output @out : tensor<?x8xf32>
  halide.schedule {
    // expected-error @+1 {{schedule_c9: no stage of @out has a loop "r"}}
    halide.compute_at @sum, @out, "r"
  }
}

// -----

// schedule_c9
halide.pipeline @p {
  halide.input @x : tensor<?x8x16xf32>
  halide.func @sum(%n, %c) -> f32 {
    %zero = arith.constant 0.0 : f32
    halide.yield %zero : f32
  }
  halide.update @sum(%n, %c) over (%r in 0 to 16, %q in 0 to 2) {
    %old = halide.at @sum[%n, %c] : f32
    %v = halide.at @x[%n, %c, %r] : f32
    %new = arith.addf %old, %v : f32
    halide.yield %new : f32
  }
  halide.func @out(%n, %c) -> f32 {
    %v = halide.at @sum[%n, %c] : f32
    halide.yield %v : f32
  }
  halide.output @out : tensor<?x8xf32>
  halide.schedule {
    halide.split @out, "c" into ("co", "ci") by 4
    // expected-error @+1 {{schedule_c9: no stage of @out has a loop "c"}}
    halide.store_at @sum, @out, "c"
  }
}

// -----

// schedule_c10
halide.pipeline @p {
  halide.input @x : tensor<?x8x16xf32>
  halide.func @sum(%n, %c) -> f32 {
    %zero = arith.constant 0.0 : f32
    halide.yield %zero : f32
  }
  halide.update @sum(%n, %c) over (%r in 0 to 16, %q in 0 to 2) {
    %old = halide.at @sum[%n, %c] : f32
    %v = halide.at @x[%n, %c, %r] : f32
    %new = arith.addf %old, %v : f32
    halide.yield %new : f32
  }
  halide.func @out(%n, %c) -> f32 {
    %v = halide.at @sum[%n, %c] : f32
    halide.yield %v : f32
  }
  halide.output @out : tensor<?x8xf32>
  halide.schedule {
    // expected-error @+1 {{schedule_c10: @out is the output}}
    halide.compute_at @out, @sum, "n"
  }
}

// -----

// schedule_c11
halide.pipeline @p {
  halide.input @x : tensor<?x8x16xf32>
  halide.func @sum(%n, %c) -> f32 {
    %zero = arith.constant 0.0 : f32
    halide.yield %zero : f32
  }
  halide.update @sum(%n, %c) over (%r in 0 to 16, %q in 0 to 2) {
    %old = halide.at @sum[%n, %c] : f32
    %v = halide.at @x[%n, %c, %r] : f32
    %new = arith.addf %old, %v : f32
    halide.yield %new : f32
  }
  halide.func @out(%n, %c) -> f32 {
    %v = halide.at @sum[%n, %c] : f32
    halide.yield %v : f32
  }
  halide.output @out : tensor<?x8xf32>
  halide.schedule {
    halide.split @out, "c" into ("co", "ci") by 4
    // expected-error @+1 {{schedule_c11: "co" is not a variable of @out}}
    halide.bound @out, "co" from 0 extent 2
  }
}

// -----

// schedule_c11
halide.pipeline @p {
  halide.input @x : tensor<?x8x16xf32>
  halide.func @sum(%n, %c) -> f32 {
    %zero = arith.constant 0.0 : f32
    halide.yield %zero : f32
  }
  halide.update @sum(%n, %c) over (%r in 0 to 16, %q in 0 to 2) {
    %old = halide.at @sum[%n, %c] : f32
    %v = halide.at @x[%n, %c, %r] : f32
    %new = arith.addf %old, %v : f32
    halide.yield %new : f32
  }
  halide.func @out(%n, %c) -> f32 {
    %v = halide.at @sum[%n, %c] : f32
    halide.yield %v : f32
  }
  halide.output @out : tensor<?x8xf32>
  halide.schedule {
    // expected-error @+1 {{schedule_c11: "r" is not a variable of @sum}}
    halide.bound_extent @sum, "r" to 16
  }
}

// -----

// schedule_c12
halide.pipeline @p {
  halide.input @x : tensor<?x8x16xf32>
  halide.func @sum(%n, %c) -> f32 {
    %zero = arith.constant 0.0 : f32
    halide.yield %zero : f32
  }
  halide.update @sum(%n, %c) over (%r in 0 to 16, %q in 0 to 2) {
    %old = halide.at @sum[%n, %c] : f32
    %v = halide.at @x[%n, %c, %r] : f32
    %new = arith.addf %old, %v : f32
    halide.yield %new : f32
  }
  halide.func @out(%n, %c) -> f32 {
    %v = halide.at @sum[%n, %c] : f32
    halide.yield %v : f32
  }
  halide.output @out : tensor<?x8xf32>
  halide.schedule {
    // expected-error @+1 {{schedule_c12: stage 0 is not an update}}
    halide.rfactor @sum, ["n"] to ["u"] into @partial
  }
}

// -----

// schedule_c12
halide.pipeline @p {
  halide.input @x : tensor<?x8x16xf32>
  halide.func @sum(%n, %c) -> f32 {
    %zero = arith.constant 0.0 : f32
    halide.yield %zero : f32
  }
  halide.update @sum(%n, %c) over (%r in 0 to 16, %q in 0 to 2) {
    %old = halide.at @sum[%n, %c] : f32
    %v = halide.at @x[%n, %c, %r] : f32
    %new = arith.addf %old, %v : f32
    halide.yield %new : f32
  }
  halide.func @out(%n, %c) -> f32 {
    %v = halide.at @sum[%n, %c] : f32
    halide.yield %v : f32
  }
  halide.output @out : tensor<?x8xf32>
  halide.schedule {
    // expected-error @+1 {{schedule_c12: "c" is not a reduction variable}}
    halide.rfactor @sum stage 1, ["c"] to ["u"] into @partial
  }
}

// -----

// schedule_c12
halide.pipeline @p {
  halide.input @x : tensor<?x8x16xf32>
  halide.func @sum(%n, %c) -> f32 {
    %zero = arith.constant 0.0 : f32
    halide.yield %zero : f32
  }
  halide.update @sum(%n, %c) over (%r in 0 to 16, %q in 0 to 2) {
    %old = halide.at @sum[%n, %c] : f32
    %v = halide.at @x[%n, %c, %r] : f32
    %new = arith.addf %old, %v : f32
    halide.yield %new : f32
  }
  halide.func @out(%n, %c) -> f32 {
    %v = halide.at @sum[%n, %c] : f32
    halide.yield %v : f32
  }
  halide.output @out : tensor<?x8xf32>
  halide.schedule {
    // expected-error @+1 {{schedule_c12: no reduction variable is left}}
    halide.rfactor @sum stage 1, ["r", "q"] to ["u", "v"] into @partial
  }
}

// -----

// schedule_c12
halide.pipeline @p {
  halide.input @x : tensor<?x8x16xf32>
  halide.func @sum(%n, %c) -> f32 {
    %zero = arith.constant 0.0 : f32
    halide.yield %zero : f32
  }
  halide.update @sum(%n, %c) over (%r in 0 to 16, %q in 0 to 2) {
    %old = halide.at @sum[%n, %c] : f32
    %v = halide.at @x[%n, %c, %r] : f32
    %new = arith.addf %old, %v : f32
    halide.yield %new : f32
  }
  halide.func @out(%n, %c) -> f32 {
    %v = halide.at @sum[%n, %c] : f32
    halide.yield %v : f32
  }
  halide.output @out : tensor<?x8xf32>
  halide.schedule {
    // expected-error @+1 {{schedule_c12: there is one new variable per preserved one}}
    halide.rfactor @sum stage 1, ["r"] to ["u", "v"] into @partial
  }
}

// -----

// schedule_c13
halide.pipeline @p {
  halide.input @x : tensor<?x8x16xf32>
  halide.func @sum(%n, %c) -> f32 {
    %zero = arith.constant 0.0 : f32
    halide.yield %zero : f32
  }
  halide.update @sum(%n, %c) over (%r in 0 to 16, %q in 0 to 2) {
    %old = halide.at @sum[%n, %c] : f32
    %v = halide.at @x[%n, %c, %r] : f32
    %new = arith.addf %old, %v : f32
    halide.yield %new : f32
  }
  halide.func @out(%n, %c) -> f32 {
    %v = halide.at @sum[%n, %c] : f32
    halide.yield %v : f32
  }
  halide.output @out : tensor<?x8xf32>
  halide.schedule {
    // expected-error @+1 {{schedule_c13: @out is there already}}
    halide.rfactor @sum stage 1, ["r"] to ["u"] into @out
  }
}

// -----

// schedule_c14
halide.pipeline @p {
  halide.input @x : tensor<?x8x16xf32>
  halide.func @sum(%n, %c) -> f32 {
    %zero = arith.constant 0.0 : f32
    halide.yield %zero : f32
  }
  halide.update @sum(%n, %c) over (%r in 0 to 16, %q in 0 to 2) {
    %old = halide.at @sum[%n, %c] : f32
    %v = halide.at @x[%n, %c, %r] : f32
    %new = arith.addf %old, %v : f32
    halide.yield %new : f32
  }
  halide.func @out(%n, %c) -> f32 {
    %v = halide.at @sum[%n, %c] : f32
    halide.yield %v : f32
  }
  halide.output @out : tensor<?x8xf32>
  halide.schedule {
    halide.specialize @out, extent(@x, 0) eq 1 {
      // expected-error @+1 {{schedule_c14: the specialization is of stage 0 of @out}}
      halide.vectorize @sum, "c"
    }
  }
}

// -----

// schedule_c14
halide.pipeline @p {
  halide.input @x : tensor<?x8x16xf32>
  halide.func @sum(%n, %c) -> f32 {
    %zero = arith.constant 0.0 : f32
    halide.yield %zero : f32
  }
  halide.update @sum(%n, %c) over (%r in 0 to 16, %q in 0 to 2) {
    %old = halide.at @sum[%n, %c] : f32
    %v = halide.at @x[%n, %c, %r] : f32
    %new = arith.addf %old, %v : f32
    halide.yield %new : f32
  }
  halide.func @out(%n, %c) -> f32 {
    %v = halide.at @sum[%n, %c] : f32
    halide.yield %v : f32
  }
  halide.output @out : tensor<?x8xf32>
  halide.schedule {
    halide.specialize @out, extent(@x, 0) eq 1 {
      // expected-error @+1 {{schedule_c14: stands outside of specialize}}
      halide.compute_root @sum
    }
  }
}

// -----

// schedule_c14
halide.pipeline @p {
  halide.input @x : tensor<?x8x16xf32>
  halide.func @sum(%n, %c) -> f32 {
    %zero = arith.constant 0.0 : f32
    halide.yield %zero : f32
  }
  halide.update @sum(%n, %c) over (%r in 0 to 16, %q in 0 to 2) {
    %old = halide.at @sum[%n, %c] : f32
    %v = halide.at @x[%n, %c, %r] : f32
    %new = arith.addf %old, %v : f32
    halide.yield %new : f32
  }
  halide.func @out(%n, %c) -> f32 {
    %v = halide.at @sum[%n, %c] : f32
    halide.yield %v : f32
  }
  halide.output @out : tensor<?x8xf32>
  halide.schedule {
    halide.specialize @out, extent(@x, 0) eq 1 {
      // expected-error @+1 {{schedule_c14: a specialization of a specialization}}
      halide.specialize @out, extent(@x, 0) eq 2 {}
    }
  }
}

// -----

// schedule_c15
halide.pipeline @p {
  halide.input @x : tensor<?x8x16xf32>
  halide.func @sum(%n, %c) -> f32 {
    %zero = arith.constant 0.0 : f32
    halide.yield %zero : f32
  }
  halide.update @sum(%n, %c) over (%r in 0 to 16, %q in 0 to 2) {
    %old = halide.at @sum[%n, %c] : f32
    %v = halide.at @x[%n, %c, %r] : f32
    %new = arith.addf %old, %v : f32
    halide.yield %new : f32
  }
  halide.func @out(%n, %c) -> f32 {
    %v = halide.at @sum[%n, %c] : f32
    halide.yield %v : f32
  }
  halide.output @out : tensor<?x8xf32>
  halide.schedule {
    // expected-error @+1 {{schedule_c15: @sum is not an input or output with a dimension 0}}
    halide.specialize @out, extent(@sum, 0) eq 1 {}
  }
}

// -----

// schedule_c15
halide.pipeline @p {
  halide.input @x : tensor<?x8x16xf32>
  halide.func @sum(%n, %c) -> f32 {
    %zero = arith.constant 0.0 : f32
    halide.yield %zero : f32
  }
  halide.update @sum(%n, %c) over (%r in 0 to 16, %q in 0 to 2) {
    %old = halide.at @sum[%n, %c] : f32
    %v = halide.at @x[%n, %c, %r] : f32
    %new = arith.addf %old, %v : f32
    halide.yield %new : f32
  }
  halide.func @out(%n, %c) -> f32 {
    %v = halide.at @sum[%n, %c] : f32
    halide.yield %v : f32
  }
  halide.output @out : tensor<?x8xf32>
  halide.schedule {
    // expected-error @+1 {{schedule_c15: @x is not an input or output with a dimension 3}}
    halide.specialize @out, extent(@x, 3) eq 1 {}
  }
}

// -----

// schedule_c16
halide.pipeline @p {
  halide.input @x : tensor<?x8x16xf32>
  halide.func @sum(%n, %c) -> f32 {
    %zero = arith.constant 0.0 : f32
    halide.yield %zero : f32
  }
  halide.update @sum(%n, %c) over (%r in 0 to 16, %q in 0 to 2) {
    %old = halide.at @sum[%n, %c] : f32
    %v = halide.at @x[%n, %c, %r] : f32
    %new = arith.addf %old, %v : f32
    halide.yield %new : f32
  }
  halide.func @out(%n, %c) -> f32 {
    %v = halide.at @sum[%n, %c] : f32
    halide.yield %v : f32
  }
  halide.output @out : tensor<?x8xf32>
  halide.schedule {
    // expected-error @+1 {{schedule_c16: "n" and "n" are not two variables}}
    halide.fuse @out, "n", "n" into "t"
  }
}

// -----

// schedule_c16
halide.pipeline @p {
  halide.input @x : tensor<?x8x16xf32>
  halide.func @sum(%n, %c) -> f32 {
    %zero = arith.constant 0.0 : f32
    halide.yield %zero : f32
  }
  halide.update @sum(%n, %c) over (%r in 0 to 16, %q in 0 to 2) {
    %old = halide.at @sum[%n, %c] : f32
    %v = halide.at @x[%n, %c, %r] : f32
    %new = arith.addf %old, %v : f32
    halide.yield %new : f32
  }
  halide.func @out(%n, %c) -> f32 {
    %v = halide.at @sum[%n, %c] : f32
    halide.yield %v : f32
  }
  halide.output @out : tensor<?x8xf32>
  halide.schedule {
    // expected-error @+1 {{schedule_c16: "c" and "r" are not two variables, both pure or both of the reduction}}
    halide.fuse @sum stage 1, "c", "r" into "t"
  }
}

// -----

// schedule_c17
halide.pipeline @p {
  halide.input @x : tensor<?x8xf32>
  halide.input @y : tensor<?x8xf32>
  halide.func @out(%n, %c) -> f32 {
    %v = halide.at @x[%n, %c] : f32
    halide.yield %v : f32
  }
  halide.output @out : tensor<?x8xf32>
  halide.schedule {
    // expected-error @+1 {{schedule_c17: @y is not an input that @out reads}}
    halide.prefetch @out, @y at "n" offset 1
  }
}

// -----

// schedule_c17: the output's own lines are fetched, those of another func are not.
halide.pipeline @p {
  halide.input @x : tensor<?x8xf32>
  halide.func @twice(%n, %c) -> f32 {
    %v = halide.at @x[%n, %c] : f32
    halide.yield %v : f32
  }
  halide.func @out(%n, %c) -> f32 {
    %v = halide.at @twice[%n, %c] : f32
    halide.yield %v : f32
  }
  halide.output @out : tensor<?x8xf32>
  halide.schedule {
    halide.compute_root @twice
    halide.prefetch @out, @out at "n" offset 1
    // expected-error @+1 {{schedule_c17: @twice is not an input that @twice reads}}
    halide.prefetch @twice, @twice at "n" offset 1
  }
}

// -----

// schedule_c17: a func is read near only, and not where it is written.
halide.pipeline @p {
  halide.input @x : tensor<?x8xf32>
  halide.func @twice(%n, %c) -> f32 {
    %v = halide.at @x[%n, %c] : f32
    halide.yield %v : f32
  }
  halide.func @out(%n, %c) -> f32 {
    %v = halide.at @twice[%n, %c] : f32
    halide.yield %v : f32
  }
  halide.output @out : tensor<?x8xf32>
  halide.schedule {
    halide.compute_root @twice
    halide.prefetch @out, @twice at "n" offset 1 near
    // expected-error @+1 {{schedule_c17: @out is not an input that @out reads}}
    halide.prefetch @out, @out at "n" offset 1 near
  }
}

// -----

// schedule_c17
halide.pipeline @p {
  halide.input @x : tensor<?x8xf32>
  halide.input @y : tensor<?x8xf32>
  halide.func @out(%n, %c) -> f32 {
    %v = halide.at @x[%n, %c] : f32
    halide.yield %v : f32
  }
  halide.output @out : tensor<?x8xf32>
  halide.schedule {
    // expected-error @+1 {{schedule_c17: @y is not an input that @out reads}}
    halide.in @y, @out as @copy
  }
}

// -----

// schedule_c13
halide.pipeline @p {
  halide.input @x : tensor<?x8xf32>
  halide.input @y : tensor<?x8xf32>
  halide.func @out(%n, %c) -> f32 {
    %v = halide.at @x[%n, %c] : f32
    halide.yield %v : f32
  }
  halide.output @out : tensor<?x8xf32>
  halide.schedule {
    // expected-error @+1 {{schedule_c13: @y is there already}}
    halide.in @x, @out as @y
  }
}

// -----

// schedule_c2
halide.pipeline @p {
  halide.input @x : tensor<?x8xf32>
  halide.input @y : tensor<?x8xf32>
  halide.func @out(%n, %c) -> f32 {
    %v = halide.at @x[%n, %c] : f32
    halide.yield %v : f32
  }
  halide.output @out : tensor<?x8xf32>
  halide.schedule {
    // expected-error @+1 {{schedule_c2: @none is not a func}}
    halide.in @x, @none as @copy
  }
}

// -----

// schedule_c18
halide.pipeline @p {
  halide.input @x : tensor<?x8xf32>
  halide.func @twice(%n, %c) -> f32 {
    %v = halide.at @x[%n, %c] : f32
    halide.yield %v : f32
  }
  halide.func @out(%n, %c) -> f32 {
    %v = halide.at @twice[%n, %c] : f32
    halide.yield %v : f32
  }
  halide.output @out : tensor<?x8xf32>
  halide.schedule {
    halide.compute_root @twice
    // expected-error @+1 {{schedule_c18: @twice is not the output}}
    halide.overlap @twice at "n" steps 2
  }
}

// -----

// schedule_c6, schedule_c4
halide.pipeline @p {
  halide.input @x : tensor<?x8xf32>
  halide.func @out(%n, %c) -> f32 {
    %v = halide.at @x[%n, %c] : f32
    halide.yield %v : f32
  }
  halide.output @out : tensor<?x8xf32>
  halide.schedule {
    // expected-error @+1 {{schedule_c6}}
    halide.overlap @out at "n" steps 0
  }
}

// -----

halide.pipeline @p {
  halide.input @x : tensor<?x8xf32>
  halide.func @out(%n, %c) -> f32 {
    %v = halide.at @x[%n, %c] : f32
    halide.yield %v : f32
  }
  halide.output @out : tensor<?x8xf32>
  halide.schedule {
    // expected-error @+1 {{schedule_c4: "no" is not a loop here}}
    halide.overlap @out at "no" steps 1
  }
}
