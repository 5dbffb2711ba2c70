//===- NNOps.td - operations of the nn dialect --------------*- tablegen -*-===//
//
// One entry per operation, grouped by family; the family's C++ file beside this one holds its shape
// inference, verifier and folds. Constraints are numbered: the label `<op>_cN` stands here, in the C++
// check and in the negative test.
//
//===----------------------------------------------------------------------===//
#ifndef SYLVITE_NN_OPS_TD
#define SYLVITE_NN_OPS_TD

include "dialects/nn/NNDialect.td"
include "dialects/nn/NNInterfaces.td"
include "mlir/IR/EnumAttr.td"
include "mlir/IR/OpAsmInterface.td"
include "mlir/IR/SymbolInterfaces.td"
include "mlir/IR/RegionKindInterface.td"
include "mlir/Interfaces/ControlFlowInterfaces.td"
include "mlir/Interfaces/InferTypeOpInterface.td"
include "mlir/Interfaces/LoopLikeInterface.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

class NN_Op<string mnemonic, list<Trait> traits = []> : Op<NN_Dialect, mnemonic, traits>;

/// The op's C++ file gives `inferShape`; type inference follows from it, with `elementType`, an expression of `operands`. A
/// result type may be less precise than the inferred one, never in conflict with it.
class NN_InferTensor<string elementType> : NativeOpTrait<"InferTensor", [], [{
  static ::llvm::FailureOr<::sylvite::nn::ShapeExpr>
  inferShape(Adaptor adaptor, ::std::optional<::mlir::Location> loc,
             ::llvm::ArrayRef<::sylvite::nn::ShapeExpr> operandShapes);
  static ::llvm::LogicalResult
  inferReturnTypes(::mlir::MLIRContext *context, ::std::optional<::mlir::Location> loc,
                   ::mlir::ValueRange operands, ::mlir::DictionaryAttr attributes,
                   ::mlir::OpaqueProperties properties, ::mlir::RegionRange regions,
                   ::llvm::SmallVectorImpl<::mlir::Type> &types);
  static bool isCompatibleReturnTypes(::mlir::TypeRange inferred, ::mlir::TypeRange actual);
}], [{
  ::llvm::LogicalResult $cppClass::inferReturnTypes(
      ::mlir::MLIRContext *context, ::std::optional<::mlir::Location> loc,
      ::mlir::ValueRange operands, ::mlir::DictionaryAttr attributes,
      ::mlir::OpaqueProperties properties, ::mlir::RegionRange regions,
      ::llvm::SmallVectorImpl<::mlir::Type> &types) {
    auto shape = inferShape(Adaptor(operands, attributes, properties, regions), loc,
                            ::sylvite::nn::shapesOfOperands(operands));
    if (failed(shape))
      return ::llvm::failure();
    types.push_back(::sylvite::nn::typeOfShape(*shape, }] # elementType # [{));
    return ::llvm::success();
  }
  bool $cppClass::isCompatibleReturnTypes(::mlir::TypeRange inferred, ::mlir::TypeRange actual) {
    return ::sylvite::nn::areCompatible(inferred, actual);
  }
}]> {
  let cppNamespace = "::sylvite::nn";
}

/// A pure op on tensors whose result type follows from its operands and attributes; the elements are those of the first
/// operand unless `elementType` says otherwise.
class NN_TensorOp<string mnemonic, list<Trait> traits = [],
                  string elementType = "::mlir::getElementTypeOrSelf(operands.front().getType())">
    : NN_Op<mnemonic, !listconcat([Pure, InferTypeOpInterface, NN_InferTensor<elementType>,
                                   NN_ShapeOpInterface], traits)>;

/// A matrix product, of one element type, or of bytes.
class NN_ProductOp<string mnemonic, list<Trait> traits = []>
    : NN_TensorOp<mnemonic, traits, "::sylvite::nn::productType(operands[0].getType(), operands[1].getType())">;

/// A pure op on tensors whose result type is given, and whose `resultShape` says how free dimensions
/// follow from the operands.
class NN_ShapedOp<string mnemonic, list<Trait> traits = []>
    : NN_Op<mnemonic, !listconcat([Pure,
        DeclareOpInterfaceMethods<NN_ShapeOpInterface, ["resultShape"]>], traits)>;

/// An op that takes a shape from its floating-point operands, not their elements: no gradient passes through it.
def NN_ReadsShapeOnly : NativeOpTrait<"ReadsShapeOnly"> {
  let cppNamespace = "::sylvite::nn";
}

/// An op whose C++ file gives the rule of its gradient.
def NN_Differentiable : DeclareOpInterfaceMethods<NN_DifferentiableOpInterface>;

// An unranked or dynamically ranked tensor never occurs: importers know every rank.
def NN_Tensor : RankedTensorOf<[AnyFloat, AnySignlessInteger, UI8, UI16, UI32, UI64, Index]>;
def NN_FloatTensor : RankedTensorOf<[AnyFloat]>;
def NN_MaskTensor : RankedTensorOf<[I1]>;

//===----------------------------------------------------------------------===//
// Parameters
//===----------------------------------------------------------------------===//

def NN_ParameterOp : NN_Op<"parameter", [Symbol]> {
  let summary = "a named array that belongs to the model";
  let description = [{
    Weights, and other arrays that a model carries. The symbol is the variable's path in the model's
    file (`conv2d/kernel`); the data are a `dense_resource` blob, or absent while the model is only a
    description. `trainable` marks what an optimizer may change.

    Constraints:
    - (parameter_c1) the value has the parameter's type.

    ```mlir
    nn.parameter trainable @"dense/kernel" : tensor<784x10xf32> = dense_resource<blob>
    ```
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, TypeAttrOf<NN_Tensor>:$type,
                       OptionalAttr<ElementsAttr>:$value, UnitAttr:$trainable);
  let assemblyFormat = [{
    (`trainable` $trainable^)? $sym_name `:` $type (`=` $value^)? attr-dict
  }];
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    ::mlir::RankedTensorType getTensorType() {
      return ::llvm::cast<::mlir::RankedTensorType>(getType());
    }
    /// The bytes of the value, row-major, or an empty array when there is none.
    ::llvm::ArrayRef<char> getData();
  }];
}

def NN_GetOp : NN_Op<"get", [Pure, DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "the value of a parameter";
  let description = [{
    Constraints:
    - (get_c1) the symbol is an `nn.parameter`;
    - (get_c2) of the result's type.

    ```mlir
    %w = nn.get @"dense/kernel" : tensor<784x10xf32>
    ```
  }];
  let arguments = (ins FlatSymbolRefAttr:$parameter);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = "$parameter attr-dict `:` type($result)";
}

//===----------------------------------------------------------------------===//
// Structure: regions and fused groups
//===----------------------------------------------------------------------===//

def NN_YieldOp : NN_Op<"yield", [Pure, Terminator, ReturnLike,
    ParentOneOf<["AttentionOp", "MapOp", "GroupOp", "IfOp", "MicrobatchOp", "ScanOp", "LSTMOp", "GRUOp", "SimpleRNNOp"]>]> {
  let summary = "ends the region of an op";
  let arguments = (ins Variadic<AnyType>:$values);
  let assemblyFormat = "attr-dict $values `:` type($values)";
}

def NN_GroupOp : NN_Op<"group", [Pure, IsolatedFromAbove, SingleBlock]> {
  let summary = "ops that become one kernel";
  let description = [{
    What the fusion pass decided to compute in one Halide pipeline. The region is isolated: its block
    arguments are the operands, so two groups with the same body are the same kernel.

    Constraints:
    - (group_c1) block arguments have the operands' types;
    - (group_c2) the yielded values have the results' types.

    ```mlir
    %y = nn.group (%a = %x, %b = %w) : (tensor<?x8xf32>, tensor<8x4xf32>) -> tensor<?x4xf32> {
      %0 = nn.matmul %a, %b : (tensor<?x8xf32>, tensor<8x4xf32>) -> tensor<?x4xf32>
      nn.yield %0 : tensor<?x4xf32>
    }
    ```
  }];
  let arguments = (ins Variadic<NN_Tensor>:$operands);
  let results = (outs Variadic<NN_Tensor>:$results);
  let regions = (region SizedRegion<1>:$body);
  let hasCustomAssemblyFormat = 1;
  let hasVerifier = 1;
}

def NN_MicrobatchOp : NN_Op<"microbatch", [Pure, SingleBlock]> {
  let summary = "a batch computed a few items at a time";
  let description = [{
    An item is what stands at one index of the leading dimension. The body computes items of the results from the same items of
    the inputs, which is the same for any number of them: the host program runs it for at most `most` at once, until all are
    done, so that what it computes in between needs memory for these alone and may stay in a cache. Values from above, as
    weights, may be used in the body.

    Constraints:
    - (microbatch_c1) there is an input, and the leading dimension of all inputs and results is free;
    - (microbatch_c2) block arguments have the inputs' types;
    - (microbatch_c3) the body yields the results' types;
    - (microbatch_c4) `most` is at least one.

    ```mlir
    %y = nn.microbatch (%a = %x) attributes {most = 4 : i64} : (tensor<?x8xf32>) -> tensor<?x4xf32> {
      %0 = nn.matmul %a, %w : (tensor<?x8xf32>, tensor<8x4xf32>) -> tensor<?x4xf32>
      nn.yield %0 : tensor<?x4xf32>
    }
    ```
  }];
  let arguments = (ins Variadic<NN_Tensor>:$inputs, I64Attr:$most);
  let results = (outs Variadic<NN_Tensor>:$results);
  let regions = (region SizedRegion<1>:$body);
  let hasCustomAssemblyFormat = 1;
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    ::mlir::OperandRange getYielded() { return getBody().front().getTerminator()->getOperands(); }
  }];
}

def NN_ScanOp : NN_Op<"scan", [
    Pure, SingleBlock, AttrSizedOperandSegments,
    DeclareOpInterfaceMethods<LoopLikeOpInterface, ["getLoopRegions"]>]> {
  let summary = "a loop over the leading dimension of tensors";
  let description = [{
    A time loop. The body runs once per element of the sequences' leading dimension; it gets the carried
    values and one slice of each sequence, and yields the next carried values, then one slice of each
    stacked result. Results are the carried values after the last step, then the stacked slices, whose
    leading dimension is that of the sequences. `reversed` says for each sequence, then for each stacked
    result, whether step 0 stands at its end. Values from above may be used in the body. ONNX's Scan.

    Constraints:
    - (scan_c1) there is a sequence, and all have one leading extent;
    - (scan_c2) block arguments have the types of the carried values, then of the sequences' slices;
    - (scan_c3) the body yields the carried values' types, then slices of the stacked results;
    - (scan_c4) results have the types of the carried values, then of the stacked slices;
    - (scan_c5) `reversed` has one entry per sequence and per stacked result.

    ```mlir
    %last, %all = nn.scan carry (%h = %h0) over (%x = %xs) : (tensor<?x8xf32>, tensor<20x?x8xf32>)
        -> (tensor<?x8xf32>, tensor<20x?x8xf32>) {
      %0 = nn.map (%h, %x) : (tensor<?x8xf32>, tensor<?x8xf32>) -> tensor<?x8xf32> { ... }
      nn.yield %0, %0 : tensor<?x8xf32>, tensor<?x8xf32>
    }
    ```
  }];
  let arguments = (ins Variadic<NN_Tensor>:$initial, Variadic<NN_Tensor>:$sequences,
                       DenseBoolArrayAttr:$reversed);
  let results = (outs Variadic<NN_Tensor>:$results);
  let regions = (region SizedRegion<1>:$body);
  let hasCanonicalizer = 1;
  let hasCustomAssemblyFormat = 1;
  let hasVerifier = 1;
  let skipDefaultBuilders = 1;
  let builders = [
    /// What the body yields, next to which `body` builds it: the next carried values, then stacked slices.
    OpBuilder<(ins "::mlir::ValueRange":$initial, "::mlir::ValueRange":$sequences,
                   "::llvm::ArrayRef<bool>":$reversed,
                   "::llvm::function_ref<::llvm::SmallVector<::mlir::Value>(::mlir::OpBuilder &, "
                   "::mlir::Location, ::mlir::ValueRange, ::mlir::ValueRange)>":$body)>,
    /// The same with a body that there is, which moves.
    OpBuilder<(ins "::mlir::ValueRange":$initial, "::mlir::ValueRange":$sequences,
                   "::llvm::ArrayRef<bool>":$reversed, "::mlir::Region &":$body)>
  ];
  let extraClassDeclaration = [{
    ::mlir::ValueRange getCarriedArguments() {
      return getBody().getArguments().take_front(getInitial().size());
    }
    ::mlir::ValueRange getSliceArguments() {
      return getBody().getArguments().drop_front(getInitial().size());
    }
    ::mlir::OperandRange getYielded() { return getBody().front().getTerminator()->getOperands(); }
    ::mlir::ResultRange getStacked() { return getResults().drop_front(getInitial().size()); }
    bool isSequenceReversed(unsigned sequence) { return getReversed()[sequence]; }
    bool isStackedReversed(unsigned stacked) {
      return getReversed()[getSequences().size() + stacked];
    }
  }];
}

def NN_IfOp : NN_Op<"if", [Pure, SingleBlock, NoRegionArguments]> {
  let summary = "one of two branches, chosen by data";
  let description = [{
    The host program reads the condition, runs the branch that it chooses, and no kernel of the other one. The results are
    what that branch yields; values from above may be used in both. Free dimensions of a result have one size in both.
    ONNX's If.

    Constraints:
    - (if_c1) the condition is one bool;
    - (if_c2) both branches yield the results' types.

    ```mlir
    %y = nn.if %c : (tensor<i1>) -> tensor<?x8xf32> {
      %0 = nn.matmul %x, %w : (tensor<?x8xf32>, tensor<8x8xf32>) -> tensor<?x8xf32>
      nn.yield %0 : tensor<?x8xf32>
    } else {
      nn.yield %x : tensor<?x8xf32>
    }
    ```
  }];
  let arguments = (ins NN_Tensor:$condition);
  let results = (outs Variadic<NN_Tensor>:$results);
  let regions = (region SizedRegion<1>:$thenRegion, SizedRegion<1>:$elseRegion);
  let assemblyFormat = [{
    $condition attr-dict `:` functional-type($condition, $results) $thenRegion `else` $elseRegion
  }];
  let hasCanonicalizer = 1;
  let hasVerifier = 1;
  let skipDefaultBuilders = 1;
  let builders = [
    /// What each branch yields, next to which `thenBody` and `elseBody` build it.
    OpBuilder<(ins "::mlir::Value":$condition,
                   "::llvm::function_ref<::llvm::SmallVector<::mlir::Value>(::mlir::OpBuilder &)>":$thenBody,
                   "::llvm::function_ref<::llvm::SmallVector<::mlir::Value>(::mlir::OpBuilder &)>":$elseBody)>
  ];
  let extraClassDeclaration = [{
    ::mlir::OperandRange getYielded(::mlir::Region &branch) { return branch.front().getTerminator()->getOperands(); }
  }];
}

//===----------------------------------------------------------------------===//
// Pointwise
//===----------------------------------------------------------------------===//

def NN_MapOp : NN_ShapedOp<"map", [IsolatedFromAbove, SingleBlock, NN_Differentiable]> {
  let summary = "a scalar function applied to each element";
  let description = [{
    Every pointwise computation: activations, bias, casts, comparisons, selection. Operands broadcast
    as in NumPy: shapes are aligned at the last dimension, and a dimension of size one, or one that is
    missing, repeats. The region computes one element with `arith` and `math` ops.

    Constraints:
    - (map_c1) operands broadcast together to the result's shape;
    - (map_c2) block arguments are the operands' element types (unsigned ones come as the same bits in a
      signless type), and the yielded scalar is the result's;
    - (map_c3) the region holds only pure `arith` and `math` ops.

    ```mlir
    %y = nn.map (%x, %b) : (tensor<?x10xf32>, tensor<10xf32>) -> tensor<?x10xf32> {
    ^bb0(%e: f32, %f: f32):
      %s = arith.addf %e, %f : f32
      nn.yield %s : f32
    }
    ```
  }];
  let arguments = (ins Variadic<NN_Tensor>:$operands);
  let results = (outs NN_Tensor:$result);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = [{
    `(` $operands `)` attr-dict `:` functional-type($operands, $result) $body
  }];
  let skipDefaultBuilders = 1;
  let builders = [
    /// Builds the region with `body`, which gets one scalar per operand and returns the element; the
    /// result's shape is the broadcast of the operands', its element type that of the scalar.
    OpBuilder<(ins "::mlir::ValueRange":$operands,
      "::llvm::function_ref<::mlir::Value(::mlir::OpBuilder &, ::mlir::Location, ::mlir::ValueRange)>":$body)>,
    /// The same with elements of `elementType`, whose scalars `body` returns; an unsigned one has signless scalars.
    OpBuilder<(ins "::mlir::Type":$elementType, "::mlir::ValueRange":$operands,
      "::llvm::function_ref<::mlir::Value(::mlir::OpBuilder &, ::mlir::Location, ::mlir::ValueRange)>":$body)>,
    OpBuilder<(ins "::mlir::Type":$result, "::mlir::ValueRange":$operands)>
  ];
  let hasVerifier = 1;
  let hasCanonicalizer = 1;
}

//===----------------------------------------------------------------------===//
// Convolution
//===----------------------------------------------------------------------===//

def NN_ConvOp : NN_TensorOp<"conv", [NN_Differentiable]> {
  let summary = "convolution over one to three spatial dimensions";
  let description = [{
    `out[n, s, o] = sum over k, c of input[n, s * strides + k * dilations - padding_low, c] *
    filter[k, c, o]`, where positions outside the input count as zero. With `groups` g, output channel
    `o` reads the input channels of group `o / (O / g)`; depthwise convolution has as many groups as
    channels.

    Constraints:
    - (conv_c1) the input is `(N, spatial..., C)`, the filter `(spatial..., C / groups, O)`, of one
      element type, with one to three spatial dimensions;
    - (conv_c2) strides, dilations and paddings have one entry per spatial dimension; strides and
      dilations are positive, paddings not negative;
    - (conv_c3) `groups` divides C and O, and the filter's channels are C / groups;
    - (conv_c4) the dilated filter fits into the padded input.

    ```mlir
    %y = nn.conv %x, %w {strides = array<i64: 2, 2>, padding_low = array<i64: 0, 0>,
                         padding_high = array<i64: 1, 1>, dilations = array<i64: 1, 1>}
       : (tensor<?x28x28x3xf32>, tensor<3x3x3x32xf32>) -> tensor<?x14x14x32xf32>
    ```
  }];
  let arguments = (ins NN_FloatTensor:$input, NN_FloatTensor:$filter,
                       DenseI64ArrayAttr:$strides, DenseI64ArrayAttr:$dilations,
                       DenseI64ArrayAttr:$padding_low, DenseI64ArrayAttr:$padding_high,
                       DefaultValuedAttr<I64Attr, "1">:$groups);
  let results = (outs NN_FloatTensor:$result);
  let assemblyFormat = [{
    $input `,` $filter attr-dict `:` functional-type(operands, $result)
  }];
}

def NN_ConvTransposeOp : NN_TensorOp<"conv_transpose", [NN_Differentiable]> {
  let summary = "transposed convolution";
  let description = [{
    The gradient of `nn.conv` with respect to its input: `out[n, s * strides + k * dilations -
    padding_low, o] += input[n, s, c] * filter[k, o, c]`. The extent of the result is
    `(in - 1) * stride + dilation * (kernel - 1) + 1 - padding_low - padding_high + output_padding`.
    A negative padding extends the result by zeros.

    Constraints:
    - (conv_transpose_c1) the input is `(N, spatial..., C)`, the filter `(spatial..., O / groups, C)`;
    - (conv_transpose_c2) one entry per spatial dimension; strides and dilations are positive;
    - (conv_transpose_c3) `groups` divides C;
    - (conv_transpose_c4) the result has at least one element per spatial dimension.
  }];
  let arguments = (ins NN_FloatTensor:$input, NN_FloatTensor:$filter,
                       DenseI64ArrayAttr:$strides, DenseI64ArrayAttr:$dilations,
                       DenseI64ArrayAttr:$padding_low, DenseI64ArrayAttr:$padding_high,
                       DenseI64ArrayAttr:$output_padding,
                       DefaultValuedAttr<I64Attr, "1">:$groups);
  let results = (outs NN_FloatTensor:$result);
  let assemblyFormat = [{
    $input `,` $filter attr-dict `:` functional-type(operands, $result)
  }];
}

def NN_ConvGradFilterOp : NN_TensorOp<"conv_grad_filter"> {
  let summary = "the gradient of a convolution with respect to its filter";
  let description = [{
    `out[k, c, o] = sum over n, s of input[n, s * strides + k * dilations - padding_low, c] *
    gradient[n, s, o]`, where positions outside the input count as zero; `window` has the spatial sizes of
    the filter. The gradient of `nn.conv_transpose` too, with the two operands in each other's place.

    Constraints:
    - (conv_grad_filter_c1) the input is `(N, spatial..., C)`, the gradient `(N, positions..., O)`, of one
      element type, with one to three spatial dimensions;
    - (conv_grad_filter_c2) one entry per spatial dimension; windows, strides and dilations are positive,
      paddings not negative;
    - (conv_grad_filter_c3) `groups` divides C and O;
    - (conv_grad_filter_c4) the positions are those of the convolution of the input.
  }];
  let arguments = (ins NN_FloatTensor:$input, NN_FloatTensor:$gradient, DenseI64ArrayAttr:$window,
                       DenseI64ArrayAttr:$strides, DenseI64ArrayAttr:$dilations,
                       DenseI64ArrayAttr:$padding_low, DenseI64ArrayAttr:$padding_high,
                       DefaultValuedAttr<I64Attr, "1">:$groups);
  let results = (outs NN_FloatTensor:$result);
  let assemblyFormat = [{
    $input `,` $gradient attr-dict `:` functional-type(operands, $result)
  }];
}

def NN_PackedConvOp : NN_TensorOp<"packed_conv"> {
  let summary = "convolution with weights in the order in which its kernel reads them";
  let description = [{
    `nn.conv` without padding, after `nn-plan-contractions`. The filter is `(groups, blocks, spatial...,
    C / groups, block)`: element `[g, b, k, c, i]` belongs to output channel `b * block + i` of group
    `g`; what is beyond `filters / groups` channels is zero. The result is `(N, spatial..., filters)`;
    with several groups the last dimension is two, `(groups, filters / groups)`; with `flatten` the
    spatial dimensions are one, so that a register tile may run over the end of a row.

    Constraints:
    - (packed_conv_c1) the input is `(N, spatial..., C)`, the filter as above, of one element type, with
      one to three spatial dimensions;
    - (packed_conv_c2) strides and dilations have one positive entry per spatial dimension;
    - (packed_conv_c3) the groups divide C and `filters`, and the blocks hold `filters / groups`
      channels;
    - (packed_conv_c4) the dilated filter fits into the input.

    ```mlir
    %y = nn.packed_conv %x, %w {filters = 64 : i64, strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>}
       : (tensor<?x58x58x64xf32>, tensor<1x4x3x3x64x16xf32>) -> tensor<?x56x56x64xf32>
    ```
  }];
  let arguments = (ins NN_FloatTensor:$input, NN_FloatTensor:$filter, I64Attr:$filters,
                       DenseI64ArrayAttr:$strides, DenseI64ArrayAttr:$dilations, UnitAttr:$flatten);
  let results = (outs NN_FloatTensor:$result);
  let assemblyFormat = [{
    $input `,` $filter attr-dict `:` functional-type(operands, $result)
  }];
}

def NN_WinogradFilterOp : NN_TensorOp<"winograd_filter"> {
  let summary = "a 3x3 filter in the domain of Winograd's algorithm";
  let description = [{
    `G g G^T` per pair of channels, where `g` is the 3x3 filter and G the matrix of F(tile x tile, 3x3):
    element `[a, b, c, o]` of the result, which is `(tile + 2, tile + 2, C, O)`. Lavin, Gray: Fast
    Algorithms for Convolutional Neural Networks, arXiv 1509.09308.

    Constraints:
    - (winograd_filter_c1) the filter is `(3, 3, C, O)`;
    - (winograd_filter_c2) `tile` is 2 or 4.
  }];
  let arguments = (ins NN_FloatTensor:$filter, I64Attr:$tile);
  let results = (outs NN_FloatTensor:$result);
  let assemblyFormat = [{ $filter attr-dict `:` functional-type(operands, $result) }];
}

def NN_WinogradConvOp : NN_TensorOp<"winograd_conv"> {
  let summary = "a 3x3 convolution of stride one by Winograd's algorithm";
  let description = [{
    The convolution of `(N, H, W, C)` with a 3x3 filter in blocks of its channels: either transformed by
    `nn.winograd_filter` and packed into `(blocks, (tile + 2)^2, C, block)`, or its taps, `(blocks, C, 9, block)`,
    which the kernel transforms, a part of C at a time, each time it uses them: 9 numbers are read for 36 or 16. What
    is beyond `filters` channels in the last block is zero. Positions in the padding count as zero. F(4x4, 3x3) does 4
    times fewer multiplications than the definition, F(2x2, 3x3) 2.25 times; rounding is coarser, by a factor of about
    10 and 2. Tiles of `items` items are multiplied at a time: images of few tiles share what is read of the filter.

    Constraints:
    - (winograd_conv_c1) the input has rank four, the filter is as above, of one element type;
    - (winograd_conv_c2) `tile` is 2 or 4, and paddings have two entries, from 0 to 2;
    - (winograd_conv_c3) the blocks hold `filters` channels;
    - (winograd_conv_c4) the filter fits into the padded input;
    - (winograd_conv_c5) images of several `items` have static sizes.
  }];
  let arguments = (ins NN_FloatTensor:$input, NN_FloatTensor:$filter, I64Attr:$filters, I64Attr:$tile,
                       DenseI64ArrayAttr:$padding_low, DenseI64ArrayAttr:$padding_high,
                       DefaultValuedAttr<ConfinedAttr<I64Attr, [IntPositive]>, "1">:$items);
  let results = (outs NN_FloatTensor:$result);
  let assemblyFormat = [{
    $input `,` $filter attr-dict `:` functional-type(operands, $result)
  }];
  let extraClassDeclaration = [{
    /// Whether the filter is its taps, which are not transformed yet.
    bool takesTaps();
  }];
}

def NN_WinogradGradFilterOp : NN_TensorOp<"winograd_grad_filter"> {
  let summary = "the gradient of a 3x3 filter by Winograd's algorithm";
  let description = [{
    `nn.conv_grad_filter` of a 3x3 convolution of stride one: the adjoint of `nn.winograd_conv` with respect to the
    filter, `G^T (sum over tiles of (A dY A^T) * (B^T X B)) G`, whose sums are one product per point of the tiles, over
    all tiles of all items. Savings and rounding are as there.

    Constraints:
    - (winograd_grad_filter_c1) the input is `(N, H, W, C)`, the gradient `(N, H', W', O)`, of one element type;
    - (winograd_grad_filter_c2) `tile` is 2 or 4, and paddings have two entries, from 0 to 2;
    - (winograd_grad_filter_c3) the spatial sizes are static, and H' by W' those of the convolution.
  }];
  let arguments = (ins NN_FloatTensor:$input, NN_FloatTensor:$gradient, I64Attr:$tile,
                       DenseI64ArrayAttr:$padding_low, DenseI64ArrayAttr:$padding_high);
  let results = (outs NN_FloatTensor:$result);
  let assemblyFormat = [{
    $input `,` $gradient attr-dict `:` functional-type(operands, $result)
  }];
}

//===----------------------------------------------------------------------===//
// Pooling
//===----------------------------------------------------------------------===//

class NN_PoolOp<string mnemonic> : NN_TensorOp<mnemonic, [NN_Differentiable]> {
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = [{ $input attr-dict `:` functional-type(operands, $result) }];
}

def NN_MaxPoolOp : NN_PoolOp<"max_pool"> {
  let summary = "maximum over a sliding window";
  let description = [{
    The maximum over each window of `(N, spatial..., C)`; positions in the padding do not take part.

    Constraints:
    - (pool_c1) window, strides, dilations and paddings have one entry per spatial dimension; windows,
      strides and dilations are positive, paddings not negative;
    - (pool_c2) a padding is smaller than the dilated window, so no window is empty;
    - (pool_c3) the window fits into the padded input.
  }];
  let arguments = (ins NN_Tensor:$input, DenseI64ArrayAttr:$window, DenseI64ArrayAttr:$strides,
                       DenseI64ArrayAttr:$dilations, DenseI64ArrayAttr:$padding_low,
                       DenseI64ArrayAttr:$padding_high);
}

def NN_AvgPoolOp : NN_PoolOp<"avg_pool"> {
  let summary = "mean over a sliding window";
  let description = [{
    The mean over each window of `(N, spatial..., C)`. Positions in the padding do not take part,
    unless `count_include_pad` counts them as zeros.

    Constraints: as `nn.max_pool`.
  }];
  let arguments = (ins NN_FloatTensor:$input, DenseI64ArrayAttr:$window, DenseI64ArrayAttr:$strides,
                       DenseI64ArrayAttr:$dilations, DenseI64ArrayAttr:$padding_low,
                       DenseI64ArrayAttr:$padding_high, UnitAttr:$count_include_pad);
}

def NN_MaxPoolIndexOp : NN_ShapedOp<"max_pool_index"> {
  let summary = "which tap of each window is its maximum";
  let description = [{
    The number, in row-major order within the window, of the first tap of `input` that equals `maximum`, the
    result of `nn.max_pool` with the same attributes; the number of taps where none does.

    Constraints: as `nn.max_pool`, and
    - (max_pool_index_c1) `maximum` has the shape of the pooling of `input`;
    - (max_pool_index_c2) the result has the shape of `maximum`.
  }];
  let arguments = (ins NN_FloatTensor:$input, NN_FloatTensor:$maximum, DenseI64ArrayAttr:$window,
                       DenseI64ArrayAttr:$strides, DenseI64ArrayAttr:$dilations,
                       DenseI64ArrayAttr:$padding_low, DenseI64ArrayAttr:$padding_high);
  let results = (outs RankedTensorOf<[I32]>:$result);
  let assemblyFormat = [{ $input `,` $maximum attr-dict `:` functional-type(operands, $result) }];
  let hasVerifier = 1;
}

def NN_MaxPoolGradOp : NN_ShapedOp<"max_pool_grad"> {
  let summary = "the gradient of nn.max_pool with respect to its input";
  let description = [{
    Each element of `gradient` goes to the tap of its window that `index`, from `nn.max_pool_index`, names;
    elements that several windows choose get the sum. The result has the shape of `like`, the input of the pooling,
    which need not be given where sizes other than the batch are static.

    Constraints:
    - (max_pool_grad_c1) `gradient` and `index` have one shape, that of the pooling of the result;
    - (max_pool_grad_c2) the result has the shape of `like` and the element type of `gradient`;
    - (max_pool_grad_c3) without `like` the first dimension alone is free.
  }];
  let arguments = (ins NN_FloatTensor:$gradient, RankedTensorOf<[I32]>:$index, Optional<NN_Tensor>:$like,
                       DenseI64ArrayAttr:$window, DenseI64ArrayAttr:$strides,
                       DenseI64ArrayAttr:$dilations, DenseI64ArrayAttr:$padding_low,
                       DenseI64ArrayAttr:$padding_high);
  let results = (outs NN_FloatTensor:$result);
  let assemblyFormat = [{ $gradient `,` $index (`like` $like^)? attr-dict `:` functional-type(operands, $result) }];
  let hasVerifier = 1;
}

def NN_AvgPoolGradOp : NN_ShapedOp<"avg_pool_grad"> {
  let summary = "the gradient of nn.avg_pool with respect to its input";
  let description = [{
    Each element of `gradient` is shared evenly by the taps of its window. The result has the shape of `like`,
    the input of the pooling, whose attributes this op has, and which need not be given where sizes other than the
    batch are static.

    Constraints:
    - (avg_pool_grad_c1) `gradient` has the shape of the pooling of the result;
    - (avg_pool_grad_c2) the result has the shape of `like` and the element type of `gradient`;
    - (avg_pool_grad_c3) without `like` the first dimension alone is free.
  }];
  let arguments = (ins NN_FloatTensor:$gradient, Optional<NN_Tensor>:$like, DenseI64ArrayAttr:$window,
                       DenseI64ArrayAttr:$strides, DenseI64ArrayAttr:$dilations,
                       DenseI64ArrayAttr:$padding_low, DenseI64ArrayAttr:$padding_high,
                       UnitAttr:$count_include_pad);
  let results = (outs NN_FloatTensor:$result);
  let assemblyFormat = [{ $gradient (`like` $like^)? attr-dict `:` functional-type(operands, $result) }];
  let hasVerifier = 1;
}

//===----------------------------------------------------------------------===//
// Dense
//===----------------------------------------------------------------------===//

def NN_MatmulOp : NN_ProductOp<"matmul", [NN_Differentiable]> {
  let summary = "matrix product, batched";
  let description = [{
    `result[..., m, n] = sum over k of lhs[..., m, k] * rhs[..., k, n]`; with `transpose_lhs` or
    `transpose_rhs` the last two dimensions of that operand are swapped. Leading dimensions broadcast
    as in NumPy. Products of unsigned bytes, `ui8`, with signed ones, `i8`, are summed in `i32`. A right side of `i8`
    with a left one of a float type stands for the numbers that it holds.

    With `lhs_has_zeros`, which `nn-plan-contractions` sets, a rectifier has written the left side, floats, and the right side
    comes from memory: where the left side has one row, rows of the right side that would meet a zero are not read. Elements of
    the right side that are not finite count for nothing there.

    Constraints:
    - (matmul_c1) both operands have rank two or more, and one element type, or the right one is `i8` and the left one
      `ui8` or of a float type;
    - (matmul_c2) the contracted dimensions agree;
    - (matmul_c3) the leading dimensions broadcast together.
  }];
  let arguments = (ins NN_Tensor:$lhs, NN_Tensor:$rhs, UnitAttr:$transpose_lhs,
                       UnitAttr:$transpose_rhs, UnitAttr:$lhs_has_zeros);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = [{ $lhs `,` $rhs attr-dict `:` functional-type(operands, $result) }];
}

def NN_PackedMatmulOp : NN_ProductOp<"packed_matmul"> {
  let summary = "matrix product with a right side in the order in which its kernel reads it";
  let description = [{
    `result[..., m, n] = sum over k of lhs[..., m, k] * rhs[n / block, k, n mod block]`, where the right
    side is `(blocks, K, block)`; what is beyond `columns` in the last block is zero. With a right side
    `(blocks, K, gates, block)` it is several products with one matrix, `result[gate, m, n]`, whose right
    sides are interleaved: the gates of a recurrent cell meet in one register tile. Bytes, `ui8` times `i8`, are summed in
    `i32`; the right side is `(blocks, K / 4, block, 4)`, so that the four products which one instruction sums stand
    together. A right side `(blocks, K / lanes, block, lanes)` of another type has that order too: columns that
    would fill a small part of a vector are dot products along K. A right side of `i8` with a left one of a float type
    stands for the numbers that it holds.

    Constraints:
    - (packed_matmul_c1) the left side has rank two or more, the right side rank three, or they have rank
      two and four, and both have one element type, or the left one a float type and the right one `i8`; or the
      right side is `(blocks, K / n, block, n)`, where n is four for `ui8` and `i8`, which have no other form;
    - (packed_matmul_c2) the contracted dimensions agree;
    - (packed_matmul_c3) the blocks hold `columns` columns.

    ```mlir
    %y = nn.packed_matmul %x, %w {columns = 10 : i64}
       : (tensor<?x784xf32>, tensor<2x784x8xf32>) -> tensor<?x10xf32>
    ```
  }];
  let arguments = (ins NN_Tensor:$lhs, NN_Tensor:$rhs, I64Attr:$columns);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = [{ $lhs `,` $rhs attr-dict `:` functional-type(operands, $result) }];
}

//===----------------------------------------------------------------------===//
// Attention
//===----------------------------------------------------------------------===//

def NN_AttentionOp : NN_TensorOp<"attention", [IsolatedFromAbove, SingleBlock]> {
  let summary = "values weighted by the softmax of what the region makes of queries times keys";
  let description = [{
    `result[..., i, d] = sum over j of softmax_j(f(sum over e of query[..., i, e] * key[..., e, j], ...))
    * value[..., j, d]`. The region is `f`: it gets a score and an element of each of `modifiers`, which
    broadcast to the scores as the operands of `nn.map` do, and yields the score that the softmax takes: scale,
    masks and biases are in it. With `zero_undefined_rows` a row of the result is zero where its softmax is not a number, as
    that of scores which are all masked. Keys stand as columns. No tensor of scores is in memory: rows of them live
    while their part of the result is computed. `nn-plan-contractions` makes this op, of two products and a
    softmax, when gradients are no longer asked for. It decides how many columns the panels have in which a head
    lays out its keys and its values, as the register tile of the target asks for it, and with `key_block` that so many
    keys are taken at a time: a row then keeps the maximum and the sum of what it has seen, and rescales its part of the
    result where the maximum rises (online softmax: Milakov, Gimelshein, arXiv 1805.02867; Dao, Fu, Ermon, Rudra, Re,
    arXiv 2205.14135).

    Constraints:
    - (attention_c1) query, key and value have rank two or more and one element type;
    - (attention_c2) a query is as long as a key, and there are as many keys as values;
    - (attention_c3) the leading dimensions broadcast together;
    - (attention_c4) modifiers broadcast to the scores (..., queries, keys);
    - (attention_c5) block arguments are a score and the modifiers' elements, and a score is yielded;
    - (attention_c6) the region holds only pure `arith` and `math` ops;
    - (attention_c7) a block of keys is a number of panels.

    ```mlir
    %y = nn.attention %q, %k, %v scores (%mask)
       : (tensor<?x4x20x8xf32>, tensor<?x4x8x20xf32>, tensor<?x4x20x8xf32>, tensor<20x20xf32>) -> tensor<?x4x20x8xf32> {
    ^bb0(%s: f32, %m: f32):
      %0 = arith.addf %s, %m : f32
      nn.yield %0 : f32
    }
    ```
  }];
  let arguments = (ins NN_FloatTensor:$query, NN_FloatTensor:$key, NN_FloatTensor:$value,
                       Variadic<NN_Tensor>:$modifiers, UnitAttr:$zero_undefined_rows,
                       DefaultValuedAttr<ConfinedAttr<I64Attr, [IntPositive]>, "16">:$key_panel,
                       DefaultValuedAttr<ConfinedAttr<I64Attr, [IntPositive]>, "16">:$value_panel,
                       OptionalAttr<ConfinedAttr<I64Attr, [IntPositive]>>:$key_block);
  let results = (outs NN_FloatTensor:$result);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = [{
    $query `,` $key `,` $value `scores` `(` $modifiers `)` attr-dict `:` functional-type(operands, $result) $body
  }];
  let hasVerifier = 1;
}

//===----------------------------------------------------------------------===//
// Recurrent layers
//===----------------------------------------------------------------------===//

class NN_RecurrentOp<string mnemonic> : NN_Op<mnemonic, [
    Pure, IsolatedFromAbove, SingleBlock, AttrSizedOperandSegments,
    DeclareOpInterfaceMethods<InferTypeOpInterface>]> {
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    static bool isCompatibleReturnTypes(::mlir::TypeRange inferred, ::mlir::TypeRange actual) {
      return ::sylvite::nn::areCompatible(inferred, actual);
    }
  }];
}

def NN_LSTMOp : NN_RecurrentOp<"lstm"> {
  let summary = "long short-term memory over a sequence";
  let description = [{
    For each step x of the sequence, from h = `initial_hidden` and c = `initial_cell` (zeros where absent):
    `[i f g o] = x * kernel + h * recurrent_kernel + bias`, `c' = s(f) * c + s(i) * a(g)`,
    `h' = s(o) * a(c')`, where a is `activation` (tanh where absent) and s `recurrent_activation` (the
    sigmoid); a region gets the tensor of one gate and yields one of the same type. Hochreiter,
    Schmidhuber: Long Short-Term Memory, Neural Computation 9(8), 1997, with forget gates.

    A step whose `mask` is false keeps the state, and its output is that of the step before, or zero with
    `zero_output_for_mask`. With `go_backwards` the steps go from the last element to the first.

    Results are the outputs in the order of the steps (with `reverse_outputs` in the opposite order), the
    output of the last step, and the states after it.

    In the functions that train, the input has a plain dropout of rate `dropout`, with one draw for all steps (and one
    for each gate with `dropout_by_gate`), and h one of rate `recurrent_dropout` where the recurrent kernel reads it,
    with one draw for all steps and for each gate. Gal, Ghahramani, arXiv 1512.05287.

    Constraints, with N items, T steps, F features, H units and G gates:
    - (recurrent_c1) the input is (N, T, F), the kernel (F, G * H), the recurrent kernel (H, G * H), of one
      element type;
    - (recurrent_c2) a bias is a vector of G * H;
    - (recurrent_c3) an initial state is (N, H);
    - (recurrent_c4) the mask is (N, T);
    - (recurrent_c5) a region gets and yields one tensor (N, H);
    - (recurrent_c6) rates of dropout are not negative, and less than one.
    - (lstm_c1) the hidden state and the cell state are given together.

    ```mlir
    %sequence, %last, %h, %c = nn.lstm %x, %kernel, %recurrent bias %b
        : (tensor<?x20x8xf32>, tensor<8x64xf32>, tensor<16x64xf32>, tensor<64xf32>)
       -> (tensor<?x20x16xf32>, tensor<?x16xf32>, tensor<?x16xf32>, tensor<?x16xf32>)
    ```
  }];
  let arguments = (ins NN_FloatTensor:$input, NN_FloatTensor:$kernel, NN_FloatTensor:$recurrent_kernel,
                       Optional<NN_FloatTensor>:$bias, Optional<NN_FloatTensor>:$initial_hidden,
                       Optional<NN_FloatTensor>:$initial_cell, Optional<NN_MaskTensor>:$mask,
                       UnitAttr:$go_backwards, UnitAttr:$reverse_outputs,
                       UnitAttr:$zero_output_for_mask,
                       OptionalAttr<F64Attr>:$dropout, OptionalAttr<F64Attr>:$recurrent_dropout,
                       UnitAttr:$dropout_by_gate);
  let results = (outs NN_FloatTensor:$sequence, NN_FloatTensor:$last, NN_FloatTensor:$hidden,
                      NN_FloatTensor:$cell);
  let regions = (region MaxSizedRegion<1>:$activation, MaxSizedRegion<1>:$recurrent_activation);
  let assemblyFormat = [{
    $input `,` $kernel `,` $recurrent_kernel (`bias` $bias^)?
    (`initial` `(` $initial_hidden^ `,` $initial_cell `)`)? (`mask` $mask^)? attr-dict `:`
    functional-type(operands, results) (`activation` $activation^)?
    (`recurrent_activation` $recurrent_activation^)?
  }];
}

def NN_GRUOp : NN_RecurrentOp<"gru"> {
  let summary = "gated recurrent unit over a sequence";
  let description = [{
    With `[xz xr xh] = x * kernel + bias` for each step x of the sequence and `[rz rr rh] = h *
    recurrent_kernel + recurrent_bias`: `z = s(xz + rz)`, `r = s(xr + rr)`, `h' = z * h + (1 - z) *
    a(xh + r * rh)` if `reset_after`. Otherwise the reset gate comes before the product: `rh = (r * h) *
    recurrent_kernel` (its last H columns). Cho et al., arXiv 1406.1078. All else is as in `nn.lstm`.

    Constraints: recurrent_c1 to recurrent_c6 of `nn.lstm`.
  }];
  let arguments = (ins NN_FloatTensor:$input, NN_FloatTensor:$kernel, NN_FloatTensor:$recurrent_kernel,
                       Optional<NN_FloatTensor>:$bias, Optional<NN_FloatTensor>:$recurrent_bias,
                       Optional<NN_FloatTensor>:$initial_hidden, Optional<NN_MaskTensor>:$mask,
                       UnitAttr:$reset_after, UnitAttr:$go_backwards, UnitAttr:$reverse_outputs,
                       UnitAttr:$zero_output_for_mask,
                       OptionalAttr<F64Attr>:$dropout, OptionalAttr<F64Attr>:$recurrent_dropout,
                       UnitAttr:$dropout_by_gate);
  let results = (outs NN_FloatTensor:$sequence, NN_FloatTensor:$last, NN_FloatTensor:$hidden);
  let regions = (region MaxSizedRegion<1>:$activation, MaxSizedRegion<1>:$recurrent_activation);
  let assemblyFormat = [{
    $input `,` $kernel `,` $recurrent_kernel (`bias` $bias^)? (`recurrent_bias` $recurrent_bias^)?
    (`initial` `(` $initial_hidden^ `)`)? (`mask` $mask^)? attr-dict `:`
    functional-type(operands, results) (`activation` $activation^)?
    (`recurrent_activation` $recurrent_activation^)?
  }];
}

def NN_SimpleRNNOp : NN_RecurrentOp<"simple_rnn"> {
  let summary = "a fully connected layer that reads its last output, over a sequence";
  let description = [{
    For each step x of the sequence `h' = a(x * kernel + h * recurrent_kernel + bias)`. Elman: Finding
    Structure in Time, Cognitive Science 14, 1990. All else is as in `nn.lstm`.

    Constraints: recurrent_c1 to recurrent_c6 of `nn.lstm`.
  }];
  let arguments = (ins NN_FloatTensor:$input, NN_FloatTensor:$kernel, NN_FloatTensor:$recurrent_kernel,
                       Optional<NN_FloatTensor>:$bias, Optional<NN_FloatTensor>:$initial_hidden,
                       Optional<NN_MaskTensor>:$mask, UnitAttr:$go_backwards, UnitAttr:$reverse_outputs,
                       UnitAttr:$zero_output_for_mask,
                       OptionalAttr<F64Attr>:$dropout, OptionalAttr<F64Attr>:$recurrent_dropout,
                       UnitAttr:$dropout_by_gate);
  let results = (outs NN_FloatTensor:$sequence, NN_FloatTensor:$last, NN_FloatTensor:$hidden);
  let regions = (region MaxSizedRegion<1>:$activation);
  let assemblyFormat = [{
    $input `,` $kernel `,` $recurrent_kernel (`bias` $bias^)? (`initial` `(` $initial_hidden^ `)`)?
    (`mask` $mask^)? attr-dict `:` functional-type(operands, results) (`activation` $activation^)?
  }];
}

//===----------------------------------------------------------------------===//
// Reductions and normalization
//===----------------------------------------------------------------------===//

def NN_Sum : I32EnumAttrCase<"Sum", 0, "sum">;
def NN_Mean : I32EnumAttrCase<"Mean", 1, "mean">;
def NN_Prod : I32EnumAttrCase<"Prod", 2, "prod">;
def NN_Max : I32EnumAttrCase<"Max", 3, "max">;
def NN_Min : I32EnumAttrCase<"Min", 4, "min">;
def NN_SumSquare : I32EnumAttrCase<"SumSquare", 5, "sum_square">;
def NN_LogSumExp : I32EnumAttrCase<"LogSumExp", 6, "log_sum_exp">;
def NN_ReduceKind : I32EnumAttr<"ReduceKind", "how a reduction combines elements",
                                [NN_Sum, NN_Mean, NN_Prod, NN_Max, NN_Min, NN_SumSquare,
                                 NN_LogSumExp]> {
  let cppNamespace = "::sylvite::nn";
}

def NN_ReduceOp : NN_TensorOp<"reduce", [NN_Differentiable]> {
  let summary = "reduction over dimensions";
  let description = [{
    Combines all elements along `dims`. With `keep_dims` those dimensions stay, with size one. `log_sum_exp`
    is `max(x) + log(sum(exp(x - max(x))))`, which does not overflow.

    Constraints:
    - (reduce_c1) `dims` are distinct, ascending and within the input's rank;
    - (reduce_c2) `log_sum_exp` takes floats.

    ```mlir
    %m = nn.reduce mean %x dims [1, 2] : (tensor<?x7x7x512xf32>) -> tensor<?x512xf32>
    ```
  }];
  let arguments = (ins NN_Tensor:$input, NN_ReduceKind:$kind, DenseI64ArrayAttr:$dims,
                       UnitAttr:$keep_dims);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = [{
    $kind $input `dims` $dims (`keep_dims` $keep_dims^)? attr-dict `:` functional-type(operands, $result)
  }];
}

def NN_SoftmaxOp : NN_TensorOp<"softmax", [NN_Differentiable]> {
  let summary = "exponentials that sum to one along `dims`";
  let description = [{
    `exp(x - max(x)) / sum(exp(x - max(x)))`, maximum and sum taken along `dims`.

    Constraints:
    - (softmax_c1) `dims` are distinct, ascending and within the input's rank.
  }];
  let arguments = (ins NN_FloatTensor:$input, DenseI64ArrayAttr:$dims);
  let results = (outs NN_FloatTensor:$result);
  let assemblyFormat = [{ $input `dims` $dims attr-dict `:` functional-type(operands, $result) }];
}

def NN_LayerNormOp : NN_TensorOp<"layer_norm", [NN_Differentiable]> {
  let summary = "zero mean and unit variance along `dims`";
  let description = [{
    `(x - mean(x)) / sqrt(var(x) + epsilon)`, mean and (biased) variance taken along `dims`. Scale and
    offset are `nn.map`s. Ba, Kiros, Hinton: Layer Normalization, arXiv 1607.06450.

    Constraints:
    - (layer_norm_c1) `dims` are distinct, ascending and within the input's rank.
  }];
  let arguments = (ins NN_FloatTensor:$input, DenseI64ArrayAttr:$dims, F64Attr:$epsilon);
  let results = (outs NN_FloatTensor:$result);
  let assemblyFormat = [{
    $input `dims` $dims `epsilon` $epsilon attr-dict `:` functional-type(operands, $result)
  }];
}

def NN_RMSNormOp : NN_TensorOp<"rms_norm", [NN_Differentiable]> {
  let summary = "unit root mean square along `dims`";
  let description = [{
    `x / sqrt(mean(x * x) + epsilon)`, the mean taken along `dims`. A scale is an `nn.map`. Zhang, Sennrich: Root Mean
    Square Layer Normalization, arXiv 1910.07467.

    Constraints:
    - (rms_norm_c1) `dims` are distinct, ascending and within the input's rank.
  }];
  let arguments = (ins NN_FloatTensor:$input, DenseI64ArrayAttr:$dims, F64Attr:$epsilon);
  let results = (outs NN_FloatTensor:$result);
  let assemblyFormat = [{
    $input `dims` $dims `epsilon` $epsilon attr-dict `:` functional-type(operands, $result)
  }];
}

def NN_BatchNormOp : NN_TensorOp<"batch_norm", [NN_Differentiable]> {
  let summary = "batch normalization with given statistics";
  let description = [{
    `(x - mean) / sqrt(variance + epsilon) * scale + offset`, per channel (the last dimension).
    Ioffe, Szegedy: Batch Normalization, arXiv 1502.03167. `nn-simplify` folds it into the convolution
    or matrix product before it, or else turns it into an `nn.map`. In training, a layer with `momentum` m
    normalizes with the statistics of the batch and moves its own towards them:
    `mean = m * mean + (1 - m) * batch_mean`. With `of_input`, `mean` and `variance` are those of the input, per
    channel; the gradient of the input then takes in what it has through them.

    Constraints:
    - (batch_norm_c1) the other operands are vectors of the channels' extent.
  }];
  let arguments = (ins NN_FloatTensor:$input, NN_FloatTensor:$scale, NN_FloatTensor:$offset,
                       NN_FloatTensor:$mean, NN_FloatTensor:$variance, F64Attr:$epsilon,
                       OptionalAttr<F64Attr>:$momentum, UnitAttr:$of_input);
  let results = (outs NN_FloatTensor:$result);
  let assemblyFormat = [{
    $input `,` $scale `,` $offset `,` $mean `,` $variance `epsilon` $epsilon attr-dict `:`
    functional-type(operands, $result)
  }];
}

//===----------------------------------------------------------------------===//
// Shape
//===----------------------------------------------------------------------===//

def NN_ReshapeOp : NN_ShapedOp<"reshape", [NN_Differentiable]> {
  let summary = "the same elements, in row-major order, under another shape";
  let description = [{
    `from` has one entry per dimension of the result: the source dimension whose size it takes, or -1.
    A free dimension of the result names its source, except for at most one, which is inferred.

    Constraints:
    - (reshape_c1) source and result have as many elements;
    - (reshape_c2) `from` has one entry per result dimension, each -1 or a source dimension of that size;
    - (reshape_c3) at most one free dimension of the result has no source.

    ```mlir
    %y = nn.reshape %x from [0, -1] : tensor<?x13x13x32xf32> to tensor<?x5408xf32>
    ```
  }];
  let arguments = (ins NN_Tensor:$input, DenseI64ArrayAttr:$from);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = [{ $input `from` $from attr-dict `:` type($input) `to` type($result) }];
  let hasVerifier = 1;
  let hasFolder = 1;
  let hasCanonicalizer = 1;
}

def NN_TransposeOp : NN_TensorOp<"transpose", [NN_Differentiable]> {
  let summary = "permutation of dimensions";
  let description = [{
    Dimension `i` of the result is dimension `permutation[i]` of the input.

    Constraints:
    - (transpose_c1) `permutation` is a permutation of the input's dimensions.
  }];
  let arguments = (ins NN_Tensor:$input, DenseI64ArrayAttr:$permutation);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = [{ $input $permutation attr-dict `:` functional-type(operands, $result) }];
  let hasFolder = 1;
  let hasCanonicalizer = 1;
}

def NN_SliceOp : NN_TensorOp<"slice", [NN_Differentiable]> {
  let summary = "a strided box of the input";
  let description = [{
    Elements `starts[i] + j * strides[i]` for `j` in `[0, sizes[i])`. A size of -1 in a free dimension
    runs to the end: `ceil((extent - starts) / stride)`. A negative stride walks backwards.

    Constraints:
    - (slice_c1) one entry per dimension, strides are not zero, sizes are positive or -1;
    - (slice_c2) the box lies within the input.
  }];
  let arguments = (ins NN_Tensor:$input, DenseI64ArrayAttr:$starts, DenseI64ArrayAttr:$sizes,
                       DenseI64ArrayAttr:$strides);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = [{
    $input `starts` $starts `sizes` $sizes `strides` $strides attr-dict `:` functional-type(operands, $result)
  }];
  let hasFolder = 1;
}

def NN_SliceGradOp : NN_ShapedOp<"slice_grad"> {
  let summary = "the gradient of nn.slice with respect to its input";
  let description = [{
    Zeros of the shape of `like`, in which element `starts[i] + j * strides[i]` is element `j` of `gradient`.

    Constraints:
    - (slice_grad_c1) starts and strides have one entry per dimension, strides are not zero;
    - (slice_grad_c2) the result has the shape of `like` and the element type of `gradient`.
  }];
  let arguments = (ins NN_Tensor:$gradient, NN_Tensor:$like, DenseI64ArrayAttr:$starts,
                       DenseI64ArrayAttr:$strides);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = [{
    $gradient `like` $like `starts` $starts `strides` $strides attr-dict `:` functional-type(operands, $result)
  }];
  let hasVerifier = 1;
}

def NN_ConcatOp : NN_TensorOp<"concat", [NN_Differentiable]> {
  let summary = "tensors joined along a dimension";
  let description = [{
    Constraints:
    - (concat_c1) all inputs have one rank and element type, and `dim` is within it;
    - (concat_c2) all other dimensions agree.
  }];
  let arguments = (ins Variadic<NN_Tensor>:$inputs, I64Attr:$dim);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = [{ $inputs `dim` $dim attr-dict `:` functional-type(operands, $result) }];
  let hasFolder = 1;
}

def NN_FullOp : NN_ShapedOp<"full", [NN_ReadsShapeOnly]> {
  let summary = "one value everywhere, in a shape that follows from another tensor's";
  let description = [{
    Every element is `value`. `from` has one entry per dimension of the result: the dimension of `like`
    whose size it takes, or -1 where the size is static. NumPy's `full_like`, with another shape.

    Constraints:
    - (full_c1) `from` has one entry per result dimension, each -1 or a dimension of `like` of that size;
    - (full_c2) a free dimension of the result names its source.

    ```mlir
    %zeros = nn.full 0.0 like %x from [0, -1] : tensor<?x20x8xf32> to tensor<?x16xf32>
    ```
  }];
  let arguments = (ins F64Attr:$value, NN_Tensor:$like, DenseI64ArrayAttr:$from);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = [{ $value `like` $like `from` $from attr-dict `:` type($like) `to` type($result) }];
  let hasVerifier = 1;
  let hasCanonicalizer = 1;
}

def NN_PadConstant : I32EnumAttrCase<"Constant", 0, "constant">;
def NN_PadReflect : I32EnumAttrCase<"Reflect", 1, "reflect">;
def NN_PadEdge : I32EnumAttrCase<"Edge", 2, "edge">;
def NN_PadWrap : I32EnumAttrCase<"Wrap", 3, "wrap">;
def NN_PadMode : I32EnumAttr<"PadMode", "what stands in the padding",
                             [NN_PadConstant, NN_PadReflect, NN_PadEdge, NN_PadWrap]> {
  let cppNamespace = "::sylvite::nn";
}

def NN_PadOp : NN_TensorOp<"pad", [NN_Differentiable]> {
  let summary = "a border around the input";
  let description = [{
    Adds `low[i]` elements before and `high[i]` after dimension `i`. `value` fills a constant border;
    `reflect` mirrors without repeating the edge, `edge` repeats it, `wrap` continues periodically.

    Constraints:
    - (pad_c1) one entry per dimension, none negative;
    - (pad_c2) a reflected or wrapped border is smaller than the extent (wrap: not larger).
  }];
  let arguments = (ins NN_Tensor:$input, DenseI64ArrayAttr:$low, DenseI64ArrayAttr:$high,
                       DefaultValuedAttr<F64Attr, "0.0">:$value,
                       DefaultValuedAttr<NN_PadMode, "::sylvite::nn::PadMode::Constant">:$mode);
  let builders = [
    /// A constant border.
    OpBuilder<(ins "::mlir::Value":$input, "::llvm::ArrayRef<int64_t>":$low,
                   "::llvm::ArrayRef<int64_t>":$high, CArg<"double", "0.0">:$value), [{
      build($_builder, $_state, input, $_builder.getDenseI64ArrayAttr(low),
            $_builder.getDenseI64ArrayAttr(high), $_builder.getF64FloatAttr(value),
            PadModeAttr::get($_builder.getContext(), PadMode::Constant));
    }]>
  ];
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = [{
    $input `low` $low `high` $high attr-dict `:` functional-type(operands, $result)
  }];
  let hasFolder = 1;
}

def NN_BroadcastOp : NN_ShapedOp<"broadcast", [NN_Differentiable]> {
  let summary = "repetition along dimensions of size one";
  let description = [{
    NumPy's `broadcast_to`: aligned at the last dimension; a missing dimension, or one of size one,
    repeats. A free dimension of the result is one of the input.

    Constraints:
    - (broadcast_c1) the input broadcasts to the result type.
  }];
  let arguments = (ins NN_Tensor:$input);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = "$input attr-dict `:` functional-type(operands, $result)";
  let hasVerifier = 1;
}

def NN_ResizeNearest : I32EnumAttrCase<"Nearest", 0, "nearest">;
def NN_ResizeLinear : I32EnumAttrCase<"Linear", 1, "linear">;
def NN_ResizeCubic : I32EnumAttrCase<"Cubic", 2, "cubic">;
def NN_ResizeMode : I32EnumAttr<"ResizeMode", "how resizing interpolates",
                                [NN_ResizeNearest, NN_ResizeLinear, NN_ResizeCubic]> {
  let cppNamespace = "::sylvite::nn";
}
def NN_HalfPixel : I32EnumAttrCase<"HalfPixel", 0, "half_pixel">;
def NN_Asymmetric : I32EnumAttrCase<"Asymmetric", 1, "asymmetric">;
def NN_AlignCorners : I32EnumAttrCase<"AlignCorners", 2, "align_corners">;
def NN_Coordinates : I32EnumAttr<"Coordinates", "how output positions map to input positions",
                                 [NN_HalfPixel, NN_Asymmetric, NN_AlignCorners]> {
  let cppNamespace = "::sylvite::nn";
}

def NN_ResizeOp : NN_TensorOp<"resize", [NN_Differentiable]> {
  let summary = "interpolation on a finer or coarser grid";
  let description = [{
    Resizes the spatial dimensions of `(N, spatial..., C)` to `sizes`; a negative size `-k` is `k` times the input's
    extent, which may be free. Output position `i` reads input
    position `(i + 0.5) * in / out - 0.5` (`half_pixel`), `i * in / out` (`asymmetric`) or
    `i * (in - 1) / (out - 1)` (`align_corners`); positions beyond the border take the border's
    element. `nearest` rounds down under `asymmetric`, else to nearest with ties down.

    Constraints:
    - (resize_c1) `sizes` has one entry per spatial dimension, none of them zero.
  }];
  let arguments = (ins NN_FloatTensor:$input, DenseI64ArrayAttr:$sizes, NN_ResizeMode:$mode,
                       NN_Coordinates:$coordinates);
  let results = (outs NN_FloatTensor:$result);
  let assemblyFormat = [{
    $mode $input `sizes` $sizes $coordinates attr-dict `:` functional-type(operands, $result)
  }];
}

def NN_GatherOp : NN_TensorOp<"gather", [NN_Differentiable]> {
  let summary = "slices of `data` chosen by `indices`";
  let description = [{
    `result[i..., j..., k...] = data[i..., indices[j...], k...]`, where `i` are the dimensions before
    `dim`. Indices outside the extent are clamped to it.

    Constraints:
    - (gather_c1) `dim` is a dimension of `data`, and `indices` are integers.
  }];
  let arguments = (ins NN_Tensor:$data, NN_Tensor:$indices, I64Attr:$dim);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = [{ $data `,` $indices `dim` $dim attr-dict `:` functional-type(operands, $result) }];
}

def NN_IotaOp : NN_ShapedOp<"iota", [NN_ReadsShapeOnly]> {
  let summary = "the index of each element along a dimension";
  let description = [{
    A tensor of the shape of `like`, whose elements do not matter, that holds each element's index along `dim`. It is
    for free dimensions: indices along a static one are a parameter.

    Constraints:
    - (iota_c1) `dim` is a dimension of `like`, and the result has its shape and elements of `i64`.

    ```mlir
    %i = nn.iota %x dim 1 : (tensor<1x?xf32>) -> tensor<1x?xi64>
    ```
  }];
  let arguments = (ins NN_Tensor:$like, I64Attr:$dim);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = [{ $like `dim` $dim attr-dict `:` functional-type(operands, $result) }];
  let hasVerifier = 1;
}

def NN_RangeOp : NN_ShapedOp<"range", [NN_ReadsShapeOnly]> {
  let summary = "consecutive integers, as many as an expression of sizes says";
  let description = [{
    The vector 0, 1, 2, ... of `count` integers. The symbols of the map are the dimensions of the operands, whose elements
    do not matter, one operand after the other. It makes a free dimension that no other tensor has.

    Constraints:
    - (range_c1) `count` has one result, one symbol for each dimension of the operands, and no dimensions;
    - (range_c2) the result is a vector of `i64`, free unless `count` is constant.

    ```mlir
    %i = nn.range affine_map<()[s0, s1] -> (s1 * 2)> of %x : (tensor<1x?xf32>) -> tensor<?xi64>
    ```
  }];
  let arguments = (ins AffineMapAttr:$count, Variadic<NN_Tensor>:$like);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = "$count `of` $like attr-dict `:` functional-type(operands, $result)";
  let hasVerifier = 1;
}

def NN_SizeOp : NN_ShapedOp<"size", [NN_ReadsShapeOnly]> {
  let summary = "an expression of sizes as a number";
  let description = [{
    One integer, `value`; the symbols of the map are the dimensions of the operands, one operand after the other.

    Constraints:
    - (size_c1) `value` has one result, one symbol for each dimension of the operands, and no dimensions;
    - (size_c2) the result is a vector of one `i64`.

    ```mlir
    %n = nn.size affine_map<()[s0, s1] -> (s0 * s1)> of %x : (tensor<1x?xf32>) -> tensor<1xi64>
    ```
  }];
  let arguments = (ins AffineMapAttr:$value, Variadic<NN_Tensor>:$like);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = "$value `of` $like attr-dict `:` functional-type(operands, $result)";
  let hasVerifier = 1;
}

def NN_ScatterSet : I32EnumAttrCase<"Set", 0, "set">;
def NN_ScatterAdd : I32EnumAttrCase<"Add", 1, "add">;
def NN_ScatterMul : I32EnumAttrCase<"Mul", 2, "mul">;
def NN_ScatterMax : I32EnumAttrCase<"Max", 3, "max">;
def NN_ScatterMin : I32EnumAttrCase<"Min", 4, "min">;
def NN_ScatterKind : I32EnumAttr<"ScatterKind", "how an update combines with what is there",
                                 [NN_ScatterSet, NN_ScatterAdd, NN_ScatterMul, NN_ScatterMax, NN_ScatterMin]> {
  let cppNamespace = "::sylvite::nn";
}

def NN_ScatterOp : NN_TensorOp<"scatter", [NN_Differentiable]> {
  let summary = "rows of `data` changed where `indices` say";
  let description = [{
    A copy of `data`, (rows, columns), in which row `indices[m]` is combined with row `m` of `updates`, for one `m`
    after the other. An index beyond the rows is clamped to them.

    Constraints:
    - (scatter_c1) `data` and `updates` are matrices of one element type with as many columns;
    - (scatter_c2) `indices` is a vector of integers, one per row of `updates`.

    ```mlir
    %y = nn.scatter add %x, %i, %u : (tensor<8x4xf32>, tensor<3xi64>, tensor<3x4xf32>) -> tensor<8x4xf32>
    ```
  }];
  let arguments = (ins NN_Tensor:$data, NN_Tensor:$indices, NN_Tensor:$updates, NN_ScatterKind:$kind);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = [{
    $kind $data `,` $indices `,` $updates attr-dict `:` functional-type(operands, $result)
  }];
}

//===----------------------------------------------------------------------===//
// Randomness
//===----------------------------------------------------------------------===//

def NN_DropoutPlain : I32EnumAttrCase<"Plain", 0, "plain">;
def NN_DropoutAlpha : I32EnumAttrCase<"Alpha", 1, "alpha">;
def NN_DropoutGaussian : I32EnumAttrCase<"Gaussian", 2, "gaussian">;
def NN_DropoutNoise : I32EnumAttrCase<"Noise", 3, "noise">;
def NN_DropoutKind : I32EnumAttr<"DropoutKind", "what a dropout does in training",
                                 [NN_DropoutPlain, NN_DropoutAlpha, NN_DropoutGaussian, NN_DropoutNoise]> {
  let cppNamespace = "::sylvite::nn";
}

def NN_DropoutOp : NN_TensorOp<"dropout"> {
  let summary = "random changes in training, the identity otherwise";
  let description = [{
    In the functions that train, `nn-train` makes of it, with r = `rate`:
    - `plain`: zero with probability r, otherwise x / (1 - r). Srivastava et al., JMLR 15, 2014;
    - `alpha`: dropout that keeps mean and variance of self-normalizing networks. Klambauer et al., arXiv 1706.02515;
    - `gaussian`: x times a normal variable of mean 1 and variance r / (1 - r);
    - `noise`: x plus a normal variable of mean 0 and standard deviation r.

    Elements that differ only in the dimensions `shared` have one draw in common. `nn-simplify` removes the op.

    Constraints:
    - (dropout_c1) `shared` are distinct, ascending and within the input's rank;
    - (dropout_c2) the rate is not negative, and less than one unless it is that of `noise`.
  }];
  let arguments = (ins NN_FloatTensor:$input, NN_DropoutKind:$kind, F64Attr:$rate, DenseI64ArrayAttr:$shared);
  let results = (outs NN_FloatTensor:$result);
  let assemblyFormat = [{ $kind $input `rate` $rate `shared` $shared attr-dict `:` functional-type(operands, $result) }];
}

def NN_ActivityPenaltyOp : NN_TensorOp<"activity_penalty"> {
  let summary = "a part of the loss in training, the identity otherwise";
  let description = [{
    Keras's activity regularizer: functions of a loss add `l1` times the sum of the absolute values, and `l2` times that of
    the squares, by item: divided by the size of the first dimension, if there is one. `nn-train` does so, and `nn-simplify`
    removes the op elsewhere.

    ```mlir
    %y = nn.activity_penalty %x l1 0.0 l2 1.0e-2 : (tensor<?x8xf32>) -> tensor<?x8xf32>
    ```
  }];
  let arguments = (ins NN_FloatTensor:$input, F64Attr:$l1, F64Attr:$l2);
  let results = (outs NN_FloatTensor:$result);
  let assemblyFormat = [{ $input `l1` $l1 `l2` $l2 attr-dict `:` functional-type(operands, $result) }];
}

def NN_Uniform : I32EnumAttrCase<"Uniform", 0, "uniform">;
def NN_Normal : I32EnumAttrCase<"Normal", 1, "normal">;
def NN_Distribution : I32EnumAttr<"Distribution", "a distribution of random numbers", [NN_Uniform, NN_Normal]> {
  let cppNamespace = "::sylvite::nn";
}

def NN_RandomOp : NN_ShapedOp<"random", [NN_ReadsShapeOnly]> {
  let summary = "random numbers from a counter-based generator";
  let description = [{
    Element i, in row-major order, is a function of `seed`, `stream`, `step` and i alone, whatever the number of threads:
    the two words that Philox2x32-10 makes of the counter (i, step) and the key `seed + stream * 0x9E3779B9`, all modulo
    2^32. `uniform` is the upper 24 bits of the first word, in [0, 1); `normal` is made of both by Box and Muller. `from` says, as in
    `nn.full`, how the shape follows from `like`. Salmon et al., Parallel Random Numbers: As Easy as 1, 2, 3, SC 2011.

    Constraints: full_c1 and full_c2 of `nn.full`, as
    - (random_c1) `from` has one entry per result dimension, each -1 or a dimension of `like` of that size;
    - (random_c2) a free dimension of the result names its source.

    ```mlir
    %u = nn.random uniform %seed, %step stream 3 like %x from [0, -1] : (tensor<i64>, tensor<i64>, tensor<?x8xf32>) -> tensor<?x1xf32>
    ```
  }];
  let arguments = (ins RankedTensorOf<[I64]>:$seed, RankedTensorOf<[I64]>:$step, NN_Tensor:$like,
                       NN_Distribution:$distribution, I64Attr:$stream, DenseI64ArrayAttr:$from);
  let results = (outs NN_FloatTensor:$result);
  let assemblyFormat = [{
    $distribution $seed `,` $step `stream` $stream `like` $like `from` $from attr-dict `:`
    functional-type(operands, $result)
  }];
  let hasVerifier = 1;
}

#endif // SYLVITE_NN_OPS_TD
