// Schedule directives: one op per method of Halide's Func and Stage that a schedule here needs, under
// the method's own name. Included by HalideOps.td.
#ifndef SYLVITE_DIALECTS_HALIDE_SCHEDULE_TD
#define SYLVITE_DIALECTS_HALIDE_SCHEDULE_TD

include "dialects/halide/HalideDialect.td"

def Halide_ScheduleOp : Halide_Op<"schedule", [
    HasParent<"PipelineOp">, NoRegionArguments, NoTerminator, SingleBlock]> {
  let summary = "the schedule of a pipeline: directives, applied in order";
  let description = [{
    Directives name a func, a stage of it (0, the default, is the pure definition; k is the k-th update)
    and loop variables of that stage. A split, a fuse or an rfactor renames variables for what follows.

    ```mlir
    halide.schedule {
      halide.split @out, "x" into ("xo", "xi") by 14 tail guard_with_if
      halide.reorder @out, ["c", "xi", "xo", "y", "n"]
      halide.vectorize @out, "c" by 8
      halide.compute_at @conv, @out, "xo"
      halide.vectorize @conv stage 1, "c" by 8
    }
    ```

    Constraints, checked over the directives in order:
    - schedule_c1: it holds only directives.
    - schedule_c2: the func is one of the pipeline, or one that an earlier rfactor or in introduced.
    - schedule_c3: the stage exists.
    - schedule_c4: the variable is a loop of that stage after the preceding directives.
    - schedule_c5: a new variable's name is not that of a loop of the stage.
    - schedule_c6: factors and extents are positive.
    - schedule_c7: `reorder` names a variable at most once.
    - schedule_c8: a reduction variable of an update that reads its own func is vectorized, or run in
      parallel, only after `halide.atomic` on the stage.
    - schedule_c9: `compute_at`, `store_at` and `hoist_storage` name a func that reads this one, directly or not, and a loop of one of its stages.
    - schedule_c10: the output is computed at root: it takes no `compute_at`, `store_at` or `hoist_storage`.
    - schedule_c11: `bound`, `bound_extent`, `align_bounds` and `align_storage` name a variable of the func itself.
    - schedule_c12: `rfactor` is on an update, preserves reduction variables of it, and leaves at least one other.
    - schedule_c13: a func that `rfactor` or `in` introduces has a new name.
    - schedule_c14: inside `specialize` stand only directives of its own stage that change loops.
    - schedule_c15: a `specialize` condition names an input or the output, and a dimension of it.
    - schedule_c16: `fuse` takes two different variables, both pure or both of the reduction.
    - schedule_c17: `prefetch` and `in` name an input that the func reads, `prefetch` directly or not; `prefetch` names the output for itself,
      or another func, `near`.
    - schedule_c18: `overlap` names a loop of the output.
  }];
  let regions = (region SizedRegion<1>:$region);
  let assemblyFormat = "attr-dict-with-keyword $region";
  let skipDefaultBuilders = 1;
  let builders = [OpBuilder<(ins)>];
}

class Halide_Directive<string mnemonic, list<Trait> traits = []>
    : Halide_Op<mnemonic, !listconcat([ParentOneOf<["ScheduleOp", "SpecializeOp"]>], traits)>;

// A directive on one stage of a func.
defvar StageArgs = (ins FlatSymbolRefAttr:$func, DefaultValuedAttr<I64Attr, "0">:$stage);

//===----------------------------------------------------------------------===//
// Loops of a stage
//===----------------------------------------------------------------------===//

def Halide_SplitOp : Halide_Directive<"split"> {
  let summary = "a loop becomes an outer and an inner loop of `factor` iterations";
  let description = [{
    `halide.split @f, "x" into ("xo", "xi") by 14 tail guard_with_if`. An outer name may repeat the
    variable's own.
  }];
  let arguments = !con(StageArgs, (ins StrAttr:$var, StrAttr:$outer, StrAttr:$inner, I64Attr:$factor,
    DefaultValuedAttr<Halide_TailStrategy, "::sylvite::halide::TailStrategy::Auto">:$tail));
  let assemblyFormat = [{
    $func (`stage` $stage^)? `,` $var `into` ` ` `(` $outer `,` $inner `)` `by` $factor (`tail` $tail^)? attr-dict
  }];
}

def Halide_FuseOp : Halide_Directive<"fuse"> {
  let summary = "two loops become one";
  let description = [{ `halide.fuse @f, "yo", "xo" into "t"`: outer, inner, fused. }];
  let arguments = !con(StageArgs, (ins StrAttr:$outer, StrAttr:$inner, StrAttr:$fused));
  let assemblyFormat = [{
    $func (`stage` $stage^)? `,` $outer `,` $inner `into` $fused attr-dict
  }];
}

def Halide_ReorderOp : Halide_Directive<"reorder"> {
  let summary = "the order of loops, innermost first";
  let description = [{
    `halide.reorder @f, ["ci", "xi", "xo"]`. Loops that are not named keep their places.
  }];
  let arguments = !con(StageArgs, (ins StrArrayAttr:$vars));
  let assemblyFormat = "$func (`stage` $stage^)? `,` $vars attr-dict";
  let builders = [OpBuilder<(ins "::llvm::StringRef":$func, "int64_t":$stage,
                                 "::llvm::ArrayRef<::llvm::StringRef>":$vars), [{
    build($_builder, $_state, func, uint64_t(stage), $_builder.getStrArrayAttr(vars));
  }]>];
}

class Halide_LoopDirective<string mnemonic, string what> : Halide_Directive<mnemonic> {
  let summary = what;
  let description = "`halide." # mnemonic # [{ @f stage 1, "x"` takes the whole loop; with `by 8`, it
    splits the loop first, and the variable's name stays with the outer loop.}];
  let arguments = !con(StageArgs, (ins StrAttr:$var, OptionalAttr<I64Attr>:$factor,
    DefaultValuedAttr<Halide_TailStrategy, "::sylvite::halide::TailStrategy::Auto">:$tail));
  let assemblyFormat = [{
    $func (`stage` $stage^)? `,` $var (`by` $factor^ (`tail` $tail^)?)? attr-dict
  }];
  let skipDefaultBuilders = 1;
  let builders = [OpBuilder<(ins "::llvm::StringRef":$func, "int64_t":$stage, "::llvm::StringRef":$var,
      CArg<"int64_t", "0">:$factor,
      CArg<"::sylvite::halide::TailStrategy", "::sylvite::halide::TailStrategy::Auto">:$tail), [{
    $_state.addAttribute(getFuncAttrName($_state.name),
                         ::mlir::FlatSymbolRefAttr::get($_builder.getContext(), func));
    $_state.addAttribute(getStageAttrName($_state.name), $_builder.getI64IntegerAttr(stage));
    $_state.addAttribute(getVarAttrName($_state.name), $_builder.getStringAttr(var));
    if (factor)
      $_state.addAttribute(getFactorAttrName($_state.name), $_builder.getI64IntegerAttr(factor));
    $_state.addAttribute(getTailAttrName($_state.name),
                         TailStrategyAttr::get($_builder.getContext(), tail));
  }]>];
}

def Halide_VectorizeOp : Halide_LoopDirective<"vectorize", "a loop becomes vector instructions">;
def Halide_UnrollOp : Halide_LoopDirective<"unroll", "a loop's iterations are written out">;
def Halide_ParallelOp : Halide_LoopDirective<"parallel", "a loop's iterations run on several threads">;

def Halide_SerialOp : Halide_Directive<"serial"> {
  let summary = "a loop's iterations run one after the other, as is the default";
  let description = [{ `halide.serial @f, "x"`. }];
  let arguments = !con(StageArgs, (ins StrAttr:$var));
  let assemblyFormat = "$func (`stage` $stage^)? `,` $var attr-dict";
}

def Halide_PartitionOp : Halide_Directive<"partition"> {
  let summary = "whether a loop is divided into a prologue, a steady state and an epilogue";
  let description = [{ `halide.partition @f, "x" never`. }];
  let arguments = !con(StageArgs, (ins StrAttr:$var, Halide_Partition:$policy));
  let assemblyFormat = "$func (`stage` $stage^)? `,` $var $policy attr-dict";
}

def Halide_PrefetchOp : Halide_Directive<"prefetch"> {
  let summary = "an input is fetched into the cache some iterations before it is read, or the output before it is written";
  let description = [{
    `halide.prefetch @f stage 1, @w at "r" offset 256`: each iteration of the loop asks for what the
    256th after it reads of the input. Beyond the loop's end that is whatever lies there in memory, or
    nothing. Requests come evenly over the time: where loops around it read the same again n times, each time asks for an n-th
    part of the lines, and more lines than a core can wait for are asked for by a loop inside, a few in each iteration.
    `halide.prefetch @f, @f at "x" offset 1`, of the output, asks for the lines that the next iteration writes: a store to
    a line that no cache holds waits for it. `near` asks for the lines of an input, or of a func computed outside of the loop, that
    vectors are loaded from, into the first cache instead of the second.
  }];
  let arguments = !con(StageArgs, (ins FlatSymbolRefAttr:$input, StrAttr:$var, I64Attr:$offset, UnitAttr:$near));
  let assemblyFormat = "$func (`stage` $stage^)? `,` $input `at` $var `offset` $offset (`near` $near^)? attr-dict";
}

def Halide_OverlapOp : Halide_Directive<"overlap"> {
  let summary = "what a tile's sums become is made while the next tile is summed";
  let description = [{
    `halide.overlap @out at "co" steps 2`: software pipelining. The loop, of the output, computes one func, reduced in a single loop, and
    then stores what is made of it in a nest of loops of known length; all its iterations are independent. Each iteration keeps the
    sums for the next one, which makes what they become, a vector after each two steps of its own reduction, and asks for the lines
    that the one after it reads for that. What waits for memory, or for the divider, then does so beside multiply-adds: a quotient or
    a root that may be approximate (`fastmath<arcp>`, `<afn>`) is an exact one.
  }];
  let arguments = (ins FlatSymbolRefAttr:$func, StrAttr:$var, I64Attr:$steps);
  let assemblyFormat = "$func `at` $var `steps` $steps attr-dict";
}

def Halide_AtomicOp : Halide_Directive<"atomic"> {
  let summary = "the update may be done in another order";
  let description = [{
    `halide.atomic @f stage 1`: lets a reduction variable be vectorized or run in parallel.
    `override_associativity` skips Halide's proof that the update is associative.
  }];
  let arguments = !con(StageArgs, (ins UnitAttr:$override_associativity));
  let assemblyFormat = [{
    $func (`stage` $stage^)? (`override_associativity` $override_associativity^)? attr-dict
  }];
}

def Halide_RFactorOp : Halide_Directive<"rfactor"> {
  let summary = "partial reductions in an intermediate func";
  let description = [{
    `halide.rfactor @sum stage 1, ["ri"] to ["u"] into @partial`: the reduction variables in the first
    list become variables of `@partial`, which reduces over the others; `@sum` reduces `@partial` over
    the first list. `@partial` has the stages 0 and 1.
  }];
  let arguments = !con(StageArgs, (ins StrArrayAttr:$preserved, StrArrayAttr:$vars,
                                       FlatSymbolRefAttr:$intermediate));
  let assemblyFormat = [{
    $func (`stage` $stage^)? `,` $preserved `to` $vars `into` $intermediate attr-dict
  }];
  let builders = [OpBuilder<(ins "::llvm::StringRef":$func, "int64_t":$stage,
      "::llvm::ArrayRef<::llvm::StringRef>":$preserved, "::llvm::ArrayRef<::llvm::StringRef>":$vars,
      "::llvm::StringRef":$intermediate), [{
    build($_builder, $_state, func, uint64_t(stage), $_builder.getStrArrayAttr(preserved),
          $_builder.getStrArrayAttr(vars), intermediate);
  }]>];
}

def Halide_InOp : Halide_Directive<"in"> {
  let summary = "a func reads a copy of an input";
  let description = [{
    `halide.in @x, @sum as @copy`: `@sum` reads `@copy`, whose elements are those of `@x`, and whose variables are Halide's
    `"_0"`, the innermost dimension, `"_1"` and so on. Computed inside a loop of `@sum`, it is the part that the loop needs,
    contiguous.
  }];
  let arguments = (ins FlatSymbolRefAttr:$input, FlatSymbolRefAttr:$func, FlatSymbolRefAttr:$copy);
  let assemblyFormat = "$input `,` $func `as` $copy attr-dict";
}

def Halide_SpecializeOp : Halide_Directive<"specialize", [
    NoRegionArguments, NoTerminator, SingleBlock]> {
  let summary = "another schedule for a stage where a condition on an extent holds";
  let description = [{
    ```mlir
    halide.specialize @out, extent(@x, 0) eq 1 {
      halide.vectorize @out, "c" by 32
    }
    ```
    The specialized copy starts from the directives given so far; those that follow do not reach it.
    The first specialization whose condition holds is taken.
  }];
  let arguments = !con(StageArgs, (ins Halide_ExtentAttr:$extent, Halide_Comparison:$comparison,
                                       I64Attr:$value));
  let regions = (region SizedRegion<1>:$region);
  let assemblyFormat = [{
    $func (`stage` $stage^)? `,` custom<Extent>($extent) $comparison $value attr-dict-with-keyword $region
  }];
  let skipDefaultBuilders = 1;
  let builders = [OpBuilder<(ins "::llvm::StringRef":$func, "int64_t":$stage, "::llvm::StringRef":$buffer,
                                 "int64_t":$dim, "Comparison":$comparison, "int64_t":$value)>];
}

//===----------------------------------------------------------------------===//
// Where a func is computed and stored
//===----------------------------------------------------------------------===//

class Halide_PlaceDirective<string mnemonic, string what> : Halide_Directive<mnemonic> {
  let summary = what;
  let description = "`halide." # mnemonic # [{ @f, @consumer, "xo"`; `"outermost"` is the place outside
    all loops of the consumer.}];
  let arguments = (ins FlatSymbolRefAttr:$func, FlatSymbolRefAttr:$consumer, StrAttr:$var);
  let assemblyFormat = "$func `,` $consumer `,` $var attr-dict";
}

def Halide_ComputeAtOp : Halide_PlaceDirective<"compute_at", "a func is computed inside a loop of a consumer">;
def Halide_StoreAtOp : Halide_PlaceDirective<"store_at", "a func's values live inside a loop of a consumer">;
def Halide_HoistStorageOp : Halide_PlaceDirective<"hoist_storage", "a func's allocation is moved out to a loop of a consumer">;

class Halide_FuncDirective<string mnemonic, string what> : Halide_Directive<mnemonic> {
  let summary = what;
  let description = "`halide." # mnemonic # [{ @f`.}];
  let arguments = (ins FlatSymbolRefAttr:$func);
  let assemblyFormat = "$func attr-dict";
}

def Halide_ComputeRootOp : Halide_FuncDirective<"compute_root", "a func is computed once, before its consumers">;
def Halide_StoreRootOp : Halide_FuncDirective<"store_root", "a func's values live outside all loops">;

def Halide_StoreInOp : Halide_Directive<"store_in"> {
  let summary = "the kind of memory that a func's values live in";
  let description = [{ `halide.store_in @f, stack`. }];
  let arguments = (ins FlatSymbolRefAttr:$func, Halide_MemoryType:$memory);
  let assemblyFormat = "$func `,` $memory attr-dict";
}

//===----------------------------------------------------------------------===//
// Bounds of a func
//===----------------------------------------------------------------------===//

def Halide_BoundOp : Halide_Directive<"bound"> {
  let summary = "a func is needed on exactly [min, min + extent) of a variable";
  let description = [{ `halide.bound @f, "c" from 0 extent 32`. }];
  let arguments = (ins FlatSymbolRefAttr:$func, StrAttr:$var, I64Attr:$min, I64Attr:$extent);
  let assemblyFormat = "$func `,` $var `from` $min `extent` $extent attr-dict";
}

def Halide_BoundExtentOp : Halide_Directive<"bound_extent"> {
  let summary = "a func is needed on that many values of a variable";
  let description = [{ `halide.bound_extent @f, "c" to 32`. }];
  let arguments = (ins FlatSymbolRefAttr:$func, StrAttr:$var, I64Attr:$extent);
  let assemblyFormat = "$func `,` $var `to` $extent attr-dict";
}

def Halide_AlignBoundsOp : Halide_Directive<"align_bounds"> {
  let summary = "the computed range of a variable is widened to multiples of `modulus`";
  let description = [{ `halide.align_bounds @f, "c" to 8 offset 4`. }];
  let arguments = (ins FlatSymbolRefAttr:$func, StrAttr:$var, I64Attr:$modulus,
                       DefaultValuedAttr<I64Attr, "0">:$offset);
  let assemblyFormat = "$func `,` $var `to` $modulus (`offset` $offset^)? attr-dict";
}

def Halide_AlignStorageOp : Halide_Directive<"align_storage"> {
  let summary = "a func's stored extent of a variable is rounded up to a multiple of `alignment`";
  let description = [{ `halide.align_storage @f, "c" to 8`. }];
  let arguments = (ins FlatSymbolRefAttr:$func, StrAttr:$var, I64Attr:$alignment);
  let assemblyFormat = "$func `,` $var `to` $alignment attr-dict";
}

#endif // SYLVITE_DIALECTS_HALIDE_SCHEDULE_TD
