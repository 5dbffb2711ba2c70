// The halide dialect, its attributes, enumerations and type constraints. Ops are in HalideOps.td
// (algorithm) and HalideSchedule.td (schedule directives).
#ifndef SYLVITE_DIALECTS_HALIDE_DIALECT_TD
#define SYLVITE_DIALECTS_HALIDE_DIALECT_TD

include "mlir/IR/AttrTypeBase.td"
include "mlir/IR/BuiltinAttributeInterfaces.td"
include "mlir/IR/EnumAttr.td"
include "mlir/IR/OpBase.td"
include "mlir/IR/TensorEncoding.td"

def Halide_Dialect : Dialect {
  let name = "halide";
  let cppNamespace = "::sylvite::halide";
  let summary = "Loop nests as Halide describes them: algorithm and schedule apart";
  let description = [{
    A `halide.pipeline` is one kernel: buffers in, funcs over pure variables with reductions as
    updates, one output func, and a schedule. `compiler/codegen` translates it one to one into calls
    of Halide's C++ API; nothing is scheduled anywhere else.

    **Order of dimensions.** Everything is row-major as in MLIR: the last variable of a func, the last
    dimension of a buffer and the last reduction variable are the innermost. The translator reverses
    them for Halide, whose first argument is innermost. `halide.reorder` lists variables innermost
    first, as Halide's `reorder` does.

    **Types.** Scalars in bodies are `f16`, `bf16`, `f32`, `f64`, `i1`, `i8`, `i16`, `i32`, `i64` and
    `index` (32 bits in Halide). Integers are signless, and the op says how bits are read
    (`arith.divsi`, `arith.divui`). The *storage* of inputs, funcs and outputs may also be `ui8`,
    `ui16`, `ui32` or `ui64`: Halide then sees `uint8_t`..., while `halide.at` still gives `i8` and
    `halide.yield` still takes `i8`. Bits are kept, so an `arith.extui` of a `ui8` element reaches
    Halide as a plain `cast<int32_t>(uint8_t)`, which is what dot-product instructions are matched on.
    `i1` occupies one byte in buffers.

    **Names.** Loop variables are strings. A func's variables are written as its block arguments
    (`%y` is `"y"`); when the SSA name must differ it is written `y = %y_0`.
  }];
  let dependentDialects = [
    "::mlir::arith::ArithDialect", "::mlir::math::MathDialect"
  ];
  let useDefaultAttributePrinterParser = 1;
}

//===----------------------------------------------------------------------===//
// Attributes
//===----------------------------------------------------------------------===//

def Halide_ExtentAttr : AttrDef<Halide_Dialect, "Extent"> {
  let mnemonic = "extent";
  let summary = "the extent of a dimension of an input or of the output, known at run time, or how many blocks it has";
  let parameters = (ins "::mlir::FlatSymbolRefAttr":$buffer, "int64_t":$dim, DefaultValuedParameter<"int64_t", "1">:$block);
  let assemblyFormat = "`<` $buffer `,` $dim (`ceildiv` $block^)? `>`";
  let genVerifyDecl = 1;
}

def Halide_PitchAttr : AttrDef<Halide_Dialect, "Pitch", [DeclareAttrInterfaceMethods<VerifiableTensorEncoding>]> {
  let mnemonic = "pitch";
  let summary = "the layout of a buffer that is a slice of a wider one along the innermost dimension";
  let description = [{
    The encoding of the type of an input or output: so many elements are from one run of the innermost dimension to the
    next. Other dimensions lie as in a dense buffer that has these elements in its runs.

    ```mlir
    halide.input @x : tensor<?x28x28x32xf32, #halide.pitch<96>>
    ```

    Constraints:
    - pitch_c1: the buffer has two dimensions or more, and its runs are no longer than the pitch.
  }];
  let parameters = (ins "int64_t":$elements);
  let assemblyFormat = "`<` $elements `>`";
}

class Halide_Enum<string name, string summary, list<I32EnumAttrCase> cases>
    : I32EnumAttr<name, summary, cases> {
  let cppNamespace = "::sylvite::halide";
}

def Halide_TailStrategy : Halide_Enum<"TailStrategy", "what a split does with a partial last tile", [
  I32EnumAttrCase<"Auto", 0, "auto">,
  I32EnumAttrCase<"RoundUp", 1, "round_up">,
  I32EnumAttrCase<"GuardWithIf", 2, "guard_with_if">,
  I32EnumAttrCase<"Predicate", 3, "predicate">,
  I32EnumAttrCase<"PredicateLoads", 4, "predicate_loads">,
  I32EnumAttrCase<"PredicateStores", 5, "predicate_stores">,
  I32EnumAttrCase<"ShiftInwards", 6, "shift_inwards">,
  I32EnumAttrCase<"ShiftInwardsAndBlend", 7, "shift_inwards_and_blend">,
  I32EnumAttrCase<"RoundUpAndBlend", 8, "round_up_and_blend">
]>;

def Halide_MemoryType : Halide_Enum<"MemoryType", "where a func's values are stored", [
  I32EnumAttrCase<"Auto", 0, "auto">,
  I32EnumAttrCase<"Heap", 1, "heap">,
  I32EnumAttrCase<"Stack", 2, "stack">,
  I32EnumAttrCase<"Register", 3, "register">
]>;

def Halide_Partition : Halide_Enum<"Partition", "whether a loop is split where conditions change", [
  I32EnumAttrCase<"Auto", 0, "auto">,
  I32EnumAttrCase<"Never", 1, "never">,
  I32EnumAttrCase<"Always", 2, "always">
]>;

def Halide_Comparison : Halide_Enum<"Comparison", "how a specialization compares an extent", [
  I32EnumAttrCase<"eq", 0>, I32EnumAttrCase<"ne", 1>, I32EnumAttrCase<"lt", 2>,
  I32EnumAttrCase<"le", 3>, I32EnumAttrCase<"gt", 4>, I32EnumAttrCase<"ge", 5>
]>;

//===----------------------------------------------------------------------===//
// Types
//===----------------------------------------------------------------------===//

def Halide_Scalar : AnyTypeOf<[F16, BF16, F32, F64, I1, I8, I16, I32, I64, Index], "scalar">;
def Halide_Storage : AnyTypeOf<[F16, BF16, F32, F64, I1, I8, I16, I32, I64, UI8, UI16, UI32, UI64],
                               "element type of a buffer">;
def Halide_Buffer : RankedTensorOf<[Halide_Storage]>;

#endif // SYLVITE_DIALECTS_HALIDE_DIALECT_TD
