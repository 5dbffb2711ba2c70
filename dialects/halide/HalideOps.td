// Ops of the halide dialect that describe an algorithm, and the two host ops that run a pipeline.
// Schedule directives are in HalideSchedule.td.
#ifndef SYLVITE_DIALECTS_HALIDE_OPS_TD
#define SYLVITE_DIALECTS_HALIDE_OPS_TD

include "dialects/halide/HalideDialect.td"
include "mlir/IR/BuiltinAttributes.td"
include "mlir/IR/OpAsmInterface.td"
include "mlir/IR/SymbolInterfaces.td"
include "mlir/Interfaces/InferTypeOpInterface.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

class Halide_Op<string mnemonic, list<Trait> traits = []>
    : Op<Halide_Dialect, mnemonic, traits>;

//===----------------------------------------------------------------------===//
// Buffers
//===----------------------------------------------------------------------===//

def Halide_InputOp : Halide_Op<"input", [HasParent<"PipelineOp">, Symbol]> {
  let summary = "a buffer that the pipeline reads";
  let description = [{
    Inputs are the kernel's arguments in the order in which they stand. Static dimensions are told to
    Halide; `?` is read from the buffer.

    ```mlir
    halide.input @w : tensor<3x3x1x32xf32>
    ```
  }];
  let arguments = (ins SymbolNameAttr:$sym_name,
                       TypeAttrOf<Halide_Buffer>:$type);
  let assemblyFormat = "$sym_name `:` $type attr-dict";
  let builders = [OpBuilder<(ins "::llvm::StringRef":$name, "::mlir::RankedTensorType":$type)>];
  let extraClassDeclaration = [{
    ::mlir::RankedTensorType getBufferType() {
      return ::llvm::cast<::mlir::RankedTensorType>(getType());
    }
  }];
}

def Halide_OutputOp : Halide_Op<"output", [HasParent<"PipelineOp">]> {
  let summary = "the func whose values the pipeline writes";
  let description = [{
    A func with several elements per point writes as many buffers of one shape.

    ```mlir
    halide.output @best : tensor<?x10xf32>, tensor<?x10xi32>
    ```

    Constraints:
    - output_c1: all buffers have one shape.
  }];
  let arguments = (ins FlatSymbolRefAttr:$func, TypeArrayAttr:$types);
  let assemblyFormat = "$func `:` custom<BufferTypes>($types) attr-dict";
  let skipDefaultBuilders = 1;
  let builders = [OpBuilder<(ins "::llvm::StringRef":$func, "::mlir::TypeRange":$types)>];
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    ::llvm::SmallVector<::mlir::RankedTensorType> getBufferTypes();
  }];
}

//===----------------------------------------------------------------------===//
// Func
//===----------------------------------------------------------------------===//

def Halide_FuncOp : Halide_Op<"func", [
    DeclareOpInterfaceMethods<OpAsmOpInterface, ["getAsmBlockArgumentNames"]>,
    HasParent<"PipelineOp">, IsolatedFromAbove, SingleBlock, Symbol]> {
  let summary = "a func: one value, or several, at every point of its variables";
  let description = [{
    The region is the pure definition; its arguments are the coordinates of a point. Several result
    types make it a Tuple in Halide.

    ```mlir
    halide.func @conv(%n, %y, %x, %c) -> f32 {
      %0 = arith.constant 0.0 : f32
      halide.yield %0 : f32
    }
    ```

    Constraints:
    - func_c1: the region has one `index` argument per variable.
    - func_c2: the names of variables are distinct, not empty, and not `outermost`.
    - func_c3: it has at least one element, and element types are storage types.
    - func_c4: the body ends with a `halide.yield` of the element types (signless) and no coordinates.
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, StrArrayAttr:$vars, TypeArrayAttr:$types);
  let regions = (region SizedRegion<1>:$body);
  let hasCustomAssemblyFormat = 1;
  let skipDefaultBuilders = 1;
  let builders = [
    OpBuilder<(ins "::llvm::StringRef":$name, "::llvm::ArrayRef<::llvm::StringRef>":$vars,
                   "::mlir::TypeRange":$types,
                   CArg<"BodyBuilder", "nullptr">:$body)>
  ];
  let hasRegionVerifier = 1;
  let extraClassDeclaration = [{
    unsigned getRank() { return getVars().size(); }
    ::llvm::SmallVector<::llvm::StringRef> getVarNames();
    ::llvm::SmallVector<::mlir::Type> getElementTypes();
    ::mlir::Block *getBodyBlock() { return &getBody().front(); }
    ::mlir::ValueRange getVarArguments() { return getBodyBlock()->getArguments(); }
  }];
}

def Halide_UpdateOp : Halide_Op<"update", [
    DeclareOpInterfaceMethods<OpAsmOpInterface, ["getAsmBlockArgumentNames"]>,
    HasParent<"PipelineOp">, IsolatedFromAbove]> {
  let summary = "an update of a func, over a reduction domain where it has one";
  let description = [{
    The regions' arguments are the func's variables followed by the reduction variables. `%r in a to b`
    runs over `a <= r < b`; a bound is an integer, `extent(@buffer, dim)` or, for the blocks of an extent,
    `extent(@buffer, dim) ceildiv size`. The last reduction variable is the innermost loop. `where` skips the points
    at which it yields false; an index of an input that is computed from a reduction variable in `where` is taken to be
    within bounds. `halide.yield` may say which point is written (`at [...]`, a scatter); without it, the current one.

    ```mlir
    halide.update @conv(%n, %y, %x, %c) over (%ky in 0 to 3, %kx in 0 to 3, %ci in 0 to 16) {
      %acc = halide.at @conv[%n, %y, %x, %c] : f32
      %yy = arith.addi %y, %ky : index
      %xx = arith.addi %x, %kx : index
      %a = halide.at @in[%n, %yy, %xx, %ci] : f32
      %b = halide.at @w[%ky, %kx, %ci, %c] : f32
      %p = arith.mulf %a, %b : f32
      %s = arith.addf %acc, %p : f32
      halide.yield %s : f32
    }
    ```

    Constraints:
    - update_c1: it names a func of the pipeline.
    - update_c2: each region has one `index` argument per variable of the func and per reduction variable.
    - update_c3: names of reduction variables are distinct from each other and from the func's variables.
    - update_c4: bounds are integers or extents; with two integers the range is not empty.
    - update_c5: the body yields the func's element types (signless).
    - update_c6: `at` has one coordinate per variable of the func.
    - update_c7: a func variable that is used is its own coordinate (Halide's rule for pure variables).
    - update_c8: `where` yields one `i1` and no coordinates.
    - update_c9: a `where` predicate needs a reduction variable.
  }];
  let arguments = (ins FlatSymbolRefAttr:$func, StrArrayAttr:$rvars, ArrayAttr:$mins, ArrayAttr:$ends);
  let regions = (region MaxSizedRegion<1>:$where, SizedRegion<1>:$body);
  let hasCustomAssemblyFormat = 1;
  let skipDefaultBuilders = 1;
  let builders = [
    OpBuilder<(ins "FuncOp":$func, "::llvm::ArrayRef<ReductionVariable>":$rvars,
                   CArg<"BodyBuilder", "nullptr">:$body, CArg<"BodyBuilder", "nullptr">:$where)>
  ];
  let hasRegionVerifier = 1;
  let extraClassDeclaration = [{
    /// The func that is updated; null where the symbol does not resolve.
    FuncOp getFuncOp();
    ::llvm::SmallVector<::llvm::StringRef> getReductionNames();
    ::mlir::Block *getBodyBlock() { return &getBody().front(); }
    bool hasPredicate() { return !getWhere().empty(); }
    /// The body's arguments that stand for the func's variables, and those of the reduction.
    ::mlir::ValueRange getVarArguments();
    ::mlir::ValueRange getReductionArguments();
    /// True where variable `index` of the func is a loop of this update: not so for a scattered one.
    bool isPureVar(unsigned index);
  }];
}

def Halide_YieldOp : Halide_Op<"yield", [
    AttrSizedOperandSegments, ParentOneOf<["FuncOp", "UpdateOp"]>, Pure, Terminator]> {
  let summary = "ends a definition with its values";
  let description = [{
    ```mlir
    halide.yield %s : f32
    halide.yield %s, %i at [%row, %c] : f32, i32
    ```
  }];
  let arguments = (ins Variadic<Halide_Scalar>:$values, Variadic<Index>:$coordinates);
  let assemblyFormat = "$values (`at` ` ` `[` $coordinates^ `]`)? attr-dict `:` type($values)";
  let builders = [OpBuilder<(ins "::mlir::ValueRange":$values), [{
    build($_builder, $_state, values, ::mlir::ValueRange());
  }]>];
}

def Halide_AtOp : Halide_Op<"at", [Pure]> {
  let summary = "the value of an input or of a func at a point";
  let description = [{
    Gives one scalar per element of the func. A point outside an input's bounds is undefined: both
    sides of an `arith.select` are evaluated, so clamp indices.

    ```mlir
    %v = halide.at @x[%n, %c] : f32
    %max, %where = halide.at @best[%n] : f32, i32
    ```
  }];
  let arguments = (ins FlatSymbolRefAttr:$func, Variadic<Index>:$indices);
  let results = (outs Variadic<Halide_Scalar>:$values);
  let assemblyFormat = "$func `[` $indices `]` attr-dict `:` type($values)";
  let builders = [OpBuilder<(ins "::mlir::Type":$type, "::llvm::StringRef":$func,
                                 "::mlir::ValueRange":$indices), [{
    build($_builder, $_state, ::mlir::TypeRange(type), func, indices);
  }]>];
  let extraClassDeclaration = [{
    /// The value of a func that has one element.
    ::mlir::Value getValue() { return getOperation()->getResult(0); }
  }];
}

def Halide_ExtentOp : Halide_Op<"extent", [Pure]> {
  let summary = "the extent of a dimension of an input or of the output";
  let description = [{
    ```mlir
    %rows = halide.extent @x, 0 : index
    ```
  }];
  let arguments = (ins FlatSymbolRefAttr:$buffer, I64Attr:$dim);
  let results = (outs Index:$result);
  let assemblyFormat = "$buffer `,` $dim attr-dict `:` type($result)";
}

def Halide_UndefOp : Halide_Op<"undef", [Pure]> {
  let summary = "no value: what a pure definition yields whose every element an update writes";
  let description = [{
    Halide's `undef`: that definition stores nothing.

    ```mlir
    %none = halide.undef : f32
    ```
  }];
  let results = (outs Halide_Scalar:$result);
  let assemblyFormat = "attr-dict `:` type($result)";
}

//===----------------------------------------------------------------------===//
// Pipeline
//===----------------------------------------------------------------------===//

def Halide_PipelineOp : Halide_Op<"pipeline", [
    IsolatedFromAbove, NoRegionArguments, NoTerminator, SingleBlock, Symbol, SymbolTable]> {
  let summary = "one kernel: inputs, funcs, an output and a schedule";
  let description = [{
    Its arguments are the `halide.input`s in order, then the buffers of the `halide.output`. All are
    row-major, and dense unless their type has a `#halide.pitch`. Funcs are defined before they are used.

    ```mlir
    halide.pipeline @relu {
      halide.input @x : tensor<?x64xf32>
      halide.func @y(%n, %c) -> f32 {
        %zero = arith.constant 0.0 : f32
        %v = halide.at @x[%n, %c] : f32
        %r = arith.maximumf %v, %zero : f32
        halide.yield %r : f32
      }
      halide.output @y : tensor<?x64xf32>
      halide.schedule {
        halide.vectorize @y, "c" by 8
        halide.parallel @y, "n"
      }
    }
    ```

    Constraints:
    - pipeline_c1: it holds only inputs, funcs, updates, one output and at most one schedule.
    - pipeline_c2: there is exactly one output.
    - pipeline_c3: every `halide.at` names an input or a func that stands before it (an update may name its own func).
    - pipeline_c4: every `halide.at` has as many indices as what it names has dimensions.
    - pipeline_c5: every `halide.at` gives the element types of what it names.
    - pipeline_c6: an update stands after its func and before any other func reads it.
    - pipeline_c7: `halide.extent`, in a body or in a bound, names an input or the output, and a dimension of it.
    - pipeline_c8: the output names a func of this pipeline.
    - pipeline_c9: the output has one buffer per element of the func, each of its rank and element type.
  }];
  let arguments = (ins SymbolNameAttr:$sym_name);
  let regions = (region SizedRegion<1>:$region);
  let assemblyFormat = "$sym_name attr-dict-with-keyword $region";
  let skipDefaultBuilders = 1;
  let builders = [OpBuilder<(ins "::llvm::StringRef":$name)>];
  let hasRegionVerifier = 1;
  let extraClassDeclaration = [{
    /// The input, func, output or schedule of this name or kind; null where there is none.
    InputOp lookupInput(::llvm::StringRef name);
    FuncOp lookupFunc(::llvm::StringRef name);
    OutputOp getOutput();
    ScheduleOp getSchedule();
    /// The updates of a func in order: stage k is `getUpdates(func)[k - 1]`.
    std::vector<UpdateOp> getUpdates(::llvm::StringRef func);
    ::llvm::SmallVector<InputOp> getInputs();
    /// Types of the buffers in the order of the kernel's arguments: inputs, then outputs.
    ::llvm::SmallVector<::mlir::RankedTensorType> getInputTypes();
    ::llvm::SmallVector<::mlir::RankedTensorType> getOutputTypes();
  }];
}

//===----------------------------------------------------------------------===//
// Host
//===----------------------------------------------------------------------===//

def Halide_PipelineNames : TypedArrayAttrBase<FlatSymbolRefAttr, "names of pipelines">;

def Halide_CallOp : Halide_Op<"call", [
    DeclareOpInterfaceMethods<SymbolUserOpInterface>, Pure]> {
  let summary = "runs a pipeline on tensors";
  let description = [{
    The host program before its memory is planned. Other attributes (`layers`, `flops`) pass through.

    ```mlir
    %0 = halide.call @conv_relu(%x, %w) : (tensor<?x28x28x1xf32>, tensor<3x3x1x32xf32>) -> tensor<?x26x26x32xf32>
    ```

    Constraints:
    - call_c1: it names a pipeline of the module.
    - call_c2: there is one operand per input and one result per output buffer.
    - call_c3: types are compatible with those of the pipeline's buffers.
    - call_c4: `few` names as many pipelines as `most` has numbers, which rise; a buffer has a free size then.

    `few [@a, @b] up_to [1, 7]` names pipelines for the case that the first free size of the buffers, inputs first, is at most the
    number, under the same constraints; the first one that serves runs.
  }];
  let arguments = (ins FlatSymbolRefAttr:$pipeline, DefaultValuedAttr<Halide_PipelineNames, "{}">:$few,
                       DefaultValuedAttr<DenseI64ArrayAttr, "{}">:$most,
                       Variadic<Halide_Buffer>:$inputs);
  let results = (outs Variadic<Halide_Buffer>:$outputs);
  let assemblyFormat = [{
    $pipeline (`few` $few^ `up_to` $most)? `(` $inputs `)` attr-dict `:` functional-type($inputs, $outputs)
  }];
  let extraClassDeclaration = [{
    /// The pipelines that may run: the one for many rows, then those of `few`.
    ::llvm::SmallVector<::mlir::FlatSymbolRefAttr> getPipelines();
  }];
}

def Halide_LaunchOp : Halide_Op<"launch", [
    AttrSizedOperandSegments, DeclareOpInterfaceMethods<MemoryEffectsOpInterface>,
    DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "runs a pipeline on buffers";
  let description = [{
    The host program after its memory is planned: reads `ins`, writes `outs`.

    ```mlir
    halide.launch @conv_relu ins(%x, %w : memref<?x28x28x1xf32>, memref<3x3x1x32xf32>) outs(%y : memref<?x26x26x32xf32>)
    ```

    Constraints:
    - launch_c1: it names a pipeline of the module.
    - launch_c2: there is one `ins` buffer per input and one `outs` buffer per output.
    - launch_c3: types are compatible with those of the pipeline's buffers.
    - launch_c4: `few` names as many pipelines as `most` has numbers, which rise; a buffer has a free size then.
    - launch_c5: a buffer has the pitch that the pipeline's has.

    `few` is that of `halide.call`.
  }];
  let arguments = (ins FlatSymbolRefAttr:$pipeline, DefaultValuedAttr<Halide_PipelineNames, "{}">:$few,
                       DefaultValuedAttr<DenseI64ArrayAttr, "{}">:$most,
                       Variadic<AnyMemRef>:$ins, Variadic<AnyMemRef>:$outs);
  let assemblyFormat = [{
    $pipeline (`few` $few^ `up_to` $most)? (`ins` `(` $ins^ `:` type($ins) `)`)? `outs` `(` $outs `:` type($outs) `)` attr-dict
  }];
  let extraClassDeclaration = [{
    /// The pipelines that may run: the one for many rows, then those of `few`.
    ::llvm::SmallVector<::mlir::FlatSymbolRefAttr> getPipelines();
  }];
}

include "dialects/halide/HalideSchedule.td"

#endif // SYLVITE_DIALECTS_HALIDE_OPS_TD
