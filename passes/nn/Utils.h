//===- Utils.h - what the passes on nn share --------------------*- C++ -*-===//
//
// Questions about values of a model that more than one pass asks.
//
//===----------------------------------------------------------------------===//
#ifndef SYLVITE_PASSES_NN_UTILS_H
#define SYLVITE_PASSES_NN_UTILS_H

#include "dialects/nn/NN.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/PatternMatch.h"
#include "llvm/ADT/StringSet.h"

namespace sylvite {

struct Machine;

inline mlir::RankedTensorType typeOf(mlir::Value value) { return mlir::cast<mlir::RankedTensorType>(value.getType()); }

/// Whether each of `values` is `value`.
bool areAll(llvm::ArrayRef<int64_t> values, int64_t value);

/// Applies `patterns` to what `op` holds until none applies, along chains of any length. Reports rewriting that does not end.
llvm::LogicalResult applyPatterns(mlir::Operation *op, mlir::RewritePatternSet patterns);

/// Whether `value` is computed from parameters alone, by nn ops.
bool dependsOnParametersOnly(mlir::Value value);

/// Names of the parameters that functions of `module` replace: results with `nn.update`.
llvm::StringSet<> updatedParameters(mlir::ModuleOp module);

/// Whether `value` is computed from parameters alone, none of them in `updated`: it is the same in every call.
bool isConstant(mlir::Value value, const llvm::StringSet<> &updated);

/// The first layer that `loc` stands for, or nothing.
llvm::StringRef layerOf(mlir::Location loc);

/// Gives the arguments of `function` their shapes. Free dimensions that `nn.dims` gives one name are one symbol; `symbols`
/// gets the names. Reports a free dimension without a name.
llvm::LogicalResult inferArguments(mlir::func::FuncOp function, llvm::SmallVectorImpl<llvm::StringRef> &symbols,
                                   llvm::DenseMap<mlir::Value, nn::ShapeExpr> &shapes);
/// Gives what the body of a loop gets its shapes, and when those of the body are known, the loop's results.
void inferScanArguments(nn::ScanOp scan, llvm::DenseMap<mlir::Value, nn::ShapeExpr> &shapes);
void inferScanResults(nn::ScanOp scan, llvm::DenseMap<mlir::Value, nn::ShapeExpr> &shapes);
/// The same for the results of branches: those of what the first yields.
void inferIfResults(nn::IfOp branches, llvm::DenseMap<mlir::Value, nn::ShapeExpr> &shapes);

/// What `op` computes from its operands, regions included, as text without locations and names: equal text, equal
/// computation.
std::string structureOf(mlir::Operation *op);

/// Follows reshapes to the value that they are views of.
mlir::Value viewed(mlir::Value value);
/// Whether `reshape` leaves the innermost dimension as it is, so that it is a view also where runs of it are not side by side.
bool keepsRuns(nn::ReshapeOp reshape);
/// Calls `visit` with the ops that read `value`, or a view of it that keeps its runs.
void forEachReader(mlir::Value value, llvm::function_ref<void(mlir::Operation *)> visit);
/// The concatenation outside kernels that joins `value`, or a view of it, to others; null where there is none. It copies nothing:
/// `value` is written where its result is.
nn::ConcatOp joinOf(mlir::Value value);

/// `value`, `(N, spatial..., C)`, with zeros around its spatial dimensions; itself where there are none to add.
mlir::Value padSpatial(mlir::OpBuilder &builder, mlir::Location loc, mlir::Value value,
                       llvm::ArrayRef<int64_t> low, llvm::ArrayRef<int64_t> high);

/// Makes zeros that `nn.pad` adds around the spatial dimensions of the input of `conv` part of its own padding, which its gradient
/// then leaves out, too. Returns whether there were any.
bool absorbPadding(nn::ConvOp conv);

/// Whether `conv` is depthwise: each filter has a channel of its own, and vectors run along channels.
bool isDepthwise(nn::ConvOp conv);

/// The depthwise convolution, without dilation, for which alone `value`, `(N, height, width, C)`, is computed: maps of its
/// shape, one at least, and padding lead there. Null where there is none, or where sizes other than the batch are free.
nn::ConvOp findDepthwiseReader(mlir::Value value);

/// Whether each position of the result of `conv` is computed from one of the input: a window of one, without padding.
bool readsOnePosition(nn::ConvOp conv);

/// Whether `conv` is a product at each position: it reads that position alone, and all of its channels.
bool isPointwise(nn::ConvOp conv);

/// Whether `slice` keeps its free dimensions whole, so that their sizes are those of its input.
bool keepsFreeSizes(nn::SliceOp slice);

/// What `map` yields of `scalars`: the ops of its body, copied.
mlir::Value inlineBody(mlir::OpBuilder &builder, nn::MapOp map, mlir::ValueRange scalars);

/// A map of `operands` that computes what `map` does of its own.
mlir::Value cloneMap(mlir::OpBuilder &builder, nn::MapOp map, mlir::ValueRange operands);

/// Whether `op` is a product that sums over the rows of two matrices, as the gradient of a dense layer's kernel is.
bool isGradientOfWeights(mlir::Operation *op);

/// Whether `map` adds its two operands.
bool isSum(nn::MapOp map);

/// Dimensions of a source and of a result of a reshape that hold the same elements. One of size one may stand alone, with none of the
/// other.
struct ReshapedDims {
  llvm::SmallVector<int64_t> source, result;
};

/// The finest split of `reshape` into independent ones, outermost first; none where a free dimension is split or joined.
std::optional<llvm::SmallVector<ReshapedDims>> groupDims(nn::ReshapeOp reshape);

/// Whether `reshape`, of rank two at least, leaves its last two dimensions as they are.
bool keepsMatrices(nn::ReshapeOp reshape);

/// Makes of the recurrent layers of `function` what nn-expand-recurrent does; in training they drop what they say.
void expandRecurrent(mlir::func::FuncOp function, bool inTraining);

/// Patterns that make nn.attention of products and a softmax, for `machine`, which outlives them.
void populateFormAttention(mlir::RewritePatternSet &patterns, const Machine &machine);

/// Patterns that make layers of normalizations and softmax written as arithmetic.
void populateFormLayers(mlir::RewritePatternSet &patterns);

/// Patterns that move slices above the ops that they take elements of, which then compute no others.
void populateRaiseSlices(mlir::RewritePatternSet &patterns);

/// Patterns that make other ops of the sums that gradients are.
void populateSimplifyGradients(mlir::RewritePatternSet &patterns);

/// Patterns that move transposes below the ops that read them, until they cancel.
void populateSinkTransposes(mlir::RewritePatternSet &patterns);

/// Makes the padding of a transpose the transpose of the padding; fails where `op` pads something else.
llvm::LogicalResult sinkTransposeBelow(nn::PadOp op, mlir::PatternRewriter &rewriter);

/// The pattern that makes a transposed convolution one of stride one for each of its phases.
void populateSplitTransposedConvs(mlir::RewritePatternSet &patterns);

} // namespace sylvite

#endif // SYLVITE_PASSES_NN_UTILS_H
