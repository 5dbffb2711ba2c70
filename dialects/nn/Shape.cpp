//===- Shape.cpp - ops that move elements ----------------------------------===//
//
// Shapes, checks and folds of nn.reshape, transpose, slice, concat, pad, broadcast, full, resize, gather, iota,
// range, size, scatter.
//
//===----------------------------------------------------------------------===//
#include "dialects/nn/Windows.h"

#include "mlir/IR/PatternMatch.h"

#include <numeric>

using namespace mlir;
using namespace sylvite::nn;

//===----------------------------------------------------------------------===//
// nn.reshape
//===----------------------------------------------------------------------===//

FailureOr<ShapeExpr> ReshapeOp::resultShape(std::optional<Location> loc,
                                            ArrayRef<ShapeExpr> shapes) {
  const ShapeExpr &input = shapes[0];
  AffineExpr elements = getAffineConstantExpr(1, getContext()), known = elements;
  for (AffineExpr dim : input)
    elements = elements * dim;
  ShapeExpr result;
  std::optional<size_t> inferred;
  for (auto [i, from] : llvm::enumerate(getFrom())) {
    if (from >= 0)
      result.push_back(input[from]);
    else if (!getType().isDynamicDim(i))
      result.push_back(getAffineConstantExpr(getType().getDimSize(i), getContext()));
    else
      inferred = i, result.push_back({});
    if (result.back())
      known = known * result.back();
  }
  if (inferred)
    result[*inferred] = elements.floorDiv(known);
  return result;
}

/// The product of the static dimensions of `type`, and its number of free ones.
static std::pair<int64_t, unsigned> staticElements(RankedTensorType type) {
  int64_t product = 1;
  unsigned free = 0;
  for (int64_t dim : type.getShape())
    ShapedType::isDynamic(dim) ? void(++free) : void(product *= dim);
  return {product, free};
}

LogicalResult ReshapeOp::verify() {
  auto source = cast<RankedTensorType>(getInput().getType());
  auto target = cast<RankedTensorType>(getResult().getType());
  if (source.getElementType() != target.getElementType())
    return emitOpError("reshape_c1: the element type changes from ")
           << source.getElementType() << " to " << target.getElementType();
  if (static_cast<int64_t>(getFrom().size()) != target.getRank())
    return emitOpError("reshape_c2: `from` has ")
           << getFrom().size() << " entries for rank " << target.getRank();
  int inferred = 0;
  for (auto [i, from] : llvm::enumerate(getFrom())) {
    if (from < -1 || from >= source.getRank() ||
        (from >= 0 && source.getDimSize(from) != target.getDimSize(i)))
      return emitOpError("reshape_c2: dimension ")
             << i << " does not have the size of source dimension " << from;
    inferred += from < 0 && target.isDynamicDim(i);
  }
  if (inferred > 1)
    return emitOpError("reshape_c3: more than one free dimension has no source");
  auto [a, freeA] = staticElements(source);
  auto [b, freeB] = staticElements(target);
  if (!inferred && freeA == freeB && a != b)
    return emitOpError("reshape_c1: ") << source << " and " << target
                                       << " have different numbers of elements";
  return success();
}

OpFoldResult ReshapeOp::fold(FoldAdaptor) {
  return getInput().getType() == getType() && (getType().getNumDynamicDims() <= 1 ||
         llvm::all_of(llvm::enumerate(getFrom()), [](auto entry) {
           return entry.value() == static_cast<int64_t>(entry.index());
         }))
             ? OpFoldResult(getInput())
             : OpFoldResult();
}

namespace {
/// reshape(reshape(x)) is one reshape when each free dimension still has a known source.
struct MergeReshapes : OpRewritePattern<ReshapeOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(ReshapeOp op, PatternRewriter &rewriter) const override {
    auto inner = op.getInput().getDefiningOp<ReshapeOp>();
    if (!inner)
      return failure();
    SmallVector<int64_t> from;
    int inferred = 0;
    for (auto [i, middle] : llvm::enumerate(op.getFrom())) {
      from.push_back(middle < 0 ? -1 : inner.getFrom()[middle]);
      inferred += from.back() < 0 && op.getType().isDynamicDim(i);
    }
    if (inferred > 1)
      return failure();
    rewriter.replaceOpWithNewOp<ReshapeOp>(op, op.getType(), inner.getInput(), from);
    return success();
  }
};

/// transpose(transpose(x)) is one transpose.
struct MergeTransposes : OpRewritePattern<TransposeOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(TransposeOp op, PatternRewriter &rewriter) const override {
    auto inner = op.getInput().getDefiningOp<TransposeOp>();
    if (!inner)
      return failure();
    SmallVector<int64_t> permutation;
    for (int64_t dim : op.getPermutation())
      permutation.push_back(inner.getPermutation()[dim]);
    rewriter.replaceOpWithNewOp<TransposeOp>(op, op.getType(), inner.getInput(), permutation);
    return success();
  }
};
} // namespace

namespace {
/// full like f(x) takes its sizes from x where f does: f(x) need not be kept, or stored at all, for it.
struct FullLikeOperand : OpRewritePattern<FullOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(FullOp op, PatternRewriter &rewriter) const override {
    auto shaped = op.getLike().getDefiningOp<ShapeOpInterface>();
    if (!shaped)
      return failure();
    unsigned numSymbols = 0;
    SmallVector<ShapeExpr> shapes;
    for (Value operand : shaped->getOperands())
      shapes.push_back(shapeWithFreshSymbols(cast<RankedTensorType>(operand.getType()), numSymbols));
    auto shape = shaped.resultShape(std::nullopt, shapes);
    if (failed(shape))
      return failure();
    for (auto [operand, own] : llvm::zip_equal(shaped->getOperands(), shapes)) {
      SmallVector<int64_t> from;
      bool hasAll = true;
      for (auto [i, dim] : llvm::enumerate(op.getFrom())) {
        if (!op.getType().isDynamicDim(i)) {
          from.push_back(-1);
          continue;
        }
        auto *place = llvm::find(own, (*shape)[dim]);
        hasAll &= place != own.end();
        from.push_back(place - own.begin());
      }
      if (!hasAll)
        continue;
      rewriter.replaceOpWithNewOp<FullOp>(op, op.getType(), op.getValue(), operand, from);
      return success();
    }
    return failure();
  }
};
} // namespace

void FullOp::getCanonicalizationPatterns(RewritePatternSet &patterns, MLIRContext *context) {
  patterns.add<FullLikeOperand>(context);
}

void ReshapeOp::getCanonicalizationPatterns(RewritePatternSet &patterns, MLIRContext *context) {
  patterns.add<MergeReshapes>(context);
}

void TransposeOp::getCanonicalizationPatterns(RewritePatternSet &patterns, MLIRContext *context) {
  patterns.add<MergeTransposes>(context);
}

//===----------------------------------------------------------------------===//
// nn.transpose, nn.slice, nn.concat
//===----------------------------------------------------------------------===//

FailureOr<ShapeExpr> TransposeOp::inferShape(Adaptor adaptor, std::optional<Location> loc,
                                             ArrayRef<ShapeExpr> shapes) {
  ArrayRef<int64_t> permutation = adaptor.getPermutation();
  SmallVector<int64_t> sorted(permutation);
  llvm::sort(sorted);
  SmallVector<int64_t> identity(shapes[0].size());
  std::iota(identity.begin(), identity.end(), 0);
  if (sorted != identity)
    return emitOptionalError(loc, "transpose_c1: expected a permutation of ", identity.size(),
                             " dimensions");
  ShapeExpr result;
  for (int64_t dim : permutation)
    result.push_back(shapes[0][dim]);
  return result;
}

OpFoldResult TransposeOp::fold(FoldAdaptor) {
  return llvm::is_sorted(getPermutation()) ? OpFoldResult(getInput()) : OpFoldResult();
}

FailureOr<ShapeExpr> SliceOp::inferShape(Adaptor adaptor, std::optional<Location> loc,
                                         ArrayRef<ShapeExpr> shapes) {
  const ShapeExpr &input = shapes[0];
  ArrayRef<int64_t> starts = adaptor.getStarts(), sizes = adaptor.getSizes(),
                    strides = adaptor.getStrides();
  for (ArrayRef<int64_t> values : {starts, sizes, strides})
    if (values.size() != input.size())
      return emitOptionalError(loc, "slice_c1: expected one entry per dimension, found ",
                               values.size());
  ShapeExpr result;
  for (size_t i = 0; i < input.size(); ++i) {
    auto extent = constantDim(input[i]);
    if (strides[i] == 0 || (sizes[i] < 1 && (sizes[i] != -1 || extent || strides[i] < 0)))
      return emitOptionalError(loc, "slice_c1: size ", sizes[i], " with stride ", strides[i],
                               " in dimension ", i);
    if (sizes[i] == -1) {
      result.push_back((input[i] - starts[i]).ceilDiv(strides[i]));
      continue;
    }
    int64_t last = starts[i] + (sizes[i] - 1) * strides[i];
    if (std::min(starts[i], last) < 0 || (extent && std::max(starts[i], last) >= *extent))
      return emitOptionalError(loc, "slice_c2: elements ", starts[i], " to ", last,
                               " of dimension ", i, " are not all within it");
    result.push_back(getAffineConstantExpr(sizes[i], input[i].getContext()));
  }
  return result;
}

OpFoldResult SliceOp::fold(FoldAdaptor) {
  bool whole = getInput().getType() == getType() &&
               llvm::all_of(getStarts(), [](int64_t start) { return start == 0; }) &&
               llvm::all_of(getStrides(), [](int64_t stride) { return stride == 1; });
  return whole ? OpFoldResult(getInput()) : OpFoldResult();
}

FailureOr<ShapeExpr> ConcatOp::inferShape(Adaptor adaptor, std::optional<Location> loc,
                                          ArrayRef<ShapeExpr> shapes) {
  int64_t dim = adaptor.getDim();
  if (shapes.empty() || dim < 0 || dim >= static_cast<int64_t>(shapes[0].size()))
    return emitOptionalError(loc, "concat_c1: dimension ", dim, " is not one of the inputs'");
  Type elementType = getElementTypeOrSelf(adaptor.getInputs().front());
  ShapeExpr result = shapes[0];
  for (auto [shape, input] : llvm::drop_begin(llvm::zip(shapes, adaptor.getInputs()))) {
    if (shape.size() != result.size() || getElementTypeOrSelf(input) != elementType)
      return emitOptionalError(loc, "concat_c1: inputs differ in rank or element type");
    for (int64_t i = 0; i < static_cast<int64_t>(result.size()); ++i) {
      if (i == dim) {
        result[i] = result[i] + shape[i];
        continue;
      }
      auto a = constantDim(result[i]), b = constantDim(shape[i]);
      if (a && b && *a != *b)
        return emitOptionalError(loc, "concat_c2: dimension ", i, " is ", *a, " and ", *b);
      if (!a && b)
        result[i] = shape[i];
    }
  }
  return result;
}

OpFoldResult ConcatOp::fold(FoldAdaptor) {
  return getInputs().size() == 1 ? OpFoldResult(getInputs().front()) : OpFoldResult();
}

//===----------------------------------------------------------------------===//
// nn.pad, nn.broadcast, nn.full, nn.resize, nn.gather
//===----------------------------------------------------------------------===//

FailureOr<ShapeExpr> FullOp::resultShape(std::optional<Location>, ArrayRef<ShapeExpr> shapes) {
  ShapeExpr result;
  for (auto [i, from] : llvm::enumerate(getFrom()))
    result.push_back(from >= 0 ? shapes[0][from]
                               : getAffineConstantExpr(getType().getDimSize(i), getContext()));
  return result;
}

LogicalResult FullOp::verify() { return verifyShapeFrom(*this, "full", getLike(), getFrom()); }

FailureOr<ShapeExpr> PadOp::inferShape(Adaptor adaptor, std::optional<Location> loc,
                                       ArrayRef<ShapeExpr> shapes) {
  const ShapeExpr &input = shapes[0];
  ArrayRef<int64_t> low = adaptor.getLow(), high = adaptor.getHigh();
  if (low.size() != input.size() || high.size() != input.size())
    return emitOptionalError(loc, "pad_c1: expected one entry per dimension, found ", low.size(),
                             " and ", high.size());
  ShapeExpr result;
  for (size_t i = 0; i < input.size(); ++i) {
    if (low[i] < 0 || high[i] < 0)
      return emitOptionalError(loc, "pad_c1: a negative padding in dimension ", i);
    auto extent = constantDim(input[i]);
    int64_t most = std::max(low[i], high[i]);
    if (extent && ((adaptor.getMode() == PadMode::Reflect && most && most >= *extent) ||
                   (adaptor.getMode() == PadMode::Wrap && most > *extent)))
      return emitOptionalError(loc, "pad_c2: a ", stringifyPadMode(adaptor.getMode()),
                               " padding of ", most, " is too large for dimension ", i, " of ",
                               *extent);
    result.push_back(input[i] + (low[i] + high[i]));
  }
  return result;
}

OpFoldResult PadOp::fold(FoldAdaptor) {
  auto zero = [](int64_t value) { return value == 0; };
  return llvm::all_of(getLow(), zero) && llvm::all_of(getHigh(), zero) ? OpFoldResult(getInput())
                                                                       : OpFoldResult();
}

FailureOr<ShapeExpr> BroadcastOp::resultShape(std::optional<Location>, ArrayRef<ShapeExpr> shapes) {
  RankedTensorType type = getType();
  size_t implied = type.getRank() - shapes[0].size();
  ShapeExpr result;
  for (auto [i, dim] : llvm::enumerate(type.getShape()))
    result.push_back(ShapedType::isDynamic(dim) ? shapes[0][i - implied]
                                                : getAffineConstantExpr(dim, getContext()));
  return result;
}

LogicalResult BroadcastOp::verify() {
  RankedTensorType type = getType();
  auto shape = broadcastShapes({shapesOfOperands(getInput())[0],
                                shapesOfOperands(getResult())[0]});
  auto input = cast<RankedTensorType>(getInput().getType());
  bool valid = succeeded(shape) && static_cast<int64_t>(shape->size()) == type.getRank() &&
               input.getElementType() == type.getElementType() &&
               typeOfShape(*shape, type.getElementType()) == type;
  int64_t implied = type.getRank() - input.getRank();
  for (int64_t i = 0; valid && i < type.getRank(); ++i)
    valid = !type.isDynamicDim(i) || (i >= implied && input.isDynamicDim(i - implied));
  if (!valid)
    return emitOpError("broadcast_c1: ") << input << " does not broadcast to " << type;
  return success();
}

FailureOr<ShapeExpr> ResizeOp::inferShape(Adaptor adaptor, std::optional<Location> loc,
                                          ArrayRef<ShapeExpr> shapes) {
  const ShapeExpr &input = shapes[0];
  if (input.size() < 3 || adaptor.getSizes().size() != input.size() - 2 ||
      llvm::any_of(adaptor.getSizes(), [](int64_t size) { return size == 0; }))
    return emitOptionalError(loc, "resize_c1: expected one size per spatial dimension, none of them zero");
  ShapeExpr result = input;
  for (auto [i, size] : llvm::enumerate(adaptor.getSizes()))
    result[i + 1] = size < 0 ? input[i + 1] * -size : getAffineConstantExpr(size, input[0].getContext());
  return result;
}

FailureOr<ShapeExpr> GatherOp::inferShape(Adaptor adaptor, std::optional<Location> loc,
                                          ArrayRef<ShapeExpr> shapes) {
  int64_t dim = adaptor.getDim();
  if (dim < 0 || dim >= static_cast<int64_t>(shapes[0].size()) ||
      !getElementTypeOrSelf(adaptor.getIndices()).isInteger())
    return emitOptionalError(loc, "gather_c1: dimension ", dim,
                             " is not one of the data's, or the indices are no integers");
  ShapeExpr result(shapes[0].begin(), shapes[0].begin() + dim);
  result.append(shapes[1]);
  result.append(shapes[0].begin() + dim + 1, shapes[0].end());
  return result;
}

FailureOr<ShapeExpr> IotaOp::resultShape(std::optional<Location>, ArrayRef<ShapeExpr> shapes) {
  return shapes[0];
}

LogicalResult IotaOp::verify() {
  auto like = cast<RankedTensorType>(getLike().getType());
  if (getDim() >= static_cast<uint64_t>(like.getRank()) || !getType().getElementType().isInteger(64) ||
      getType().getShape() != like.getShape())
    return emitOpError("iota_c1: ") << getType() << " does not hold indices along dimension "
                                    << static_cast<int64_t>(getDim()) << " of " << like;
  return success();
}

/// The expression of `map` for operands of `shapes`.
static AffineExpr sizeExpression(AffineMap map, ArrayRef<ShapeExpr> shapes) {
  SmallVector<AffineExpr> dims;
  for (const ShapeExpr &shape : shapes)
    dims.append(shape.begin(), shape.end());
  return simplifyAffineExpr(map.getResult(0).replaceSymbols(dims), 0, 1 << 16);
}

static LogicalResult verifySizes(Operation *op, AffineMap map, StringRef name) {
  unsigned dims = 0;
  for (Value operand : op->getOperands())
    dims += cast<RankedTensorType>(operand.getType()).getRank();
  if (map.getNumResults() != 1 || map.getNumSymbols() != dims || map.getNumDims() != 0)
    return op->emitOpError() << name << "_c1: " << AffineMapAttr::get(map) << " is not one expression of the " << dims
                             << " dimensions of the operands";
  return success();
}

FailureOr<ShapeExpr> RangeOp::resultShape(std::optional<Location>, ArrayRef<ShapeExpr> shapes) {
  return ShapeExpr{sizeExpression(getCount(), shapes)};
}

LogicalResult RangeOp::verify() {
  if (failed(verifySizes(*this, getCount(), "range")))
    return failure();
  auto count = constantDim(sizeExpression(getCount(), shapesOfOperands(getLike())));
  auto type = cast<RankedTensorType>(getType());
  if (type.getRank() != 1 || !type.getElementType().isInteger(64) ||
      (!type.isDynamicDim(0) && count != type.getDimSize(0)))
    return emitOpError("range_c2: ") << type << " is not a vector of i64 of " << getCountAttr() << " elements";
  return success();
}

FailureOr<ShapeExpr> SizeOp::resultShape(std::optional<Location>, ArrayRef<ShapeExpr>) {
  return ShapeExpr{getAffineConstantExpr(1, getContext())};
}

LogicalResult SizeOp::verify() {
  if (failed(verifySizes(*this, getValue(), "size")))
    return failure();
  if (getType() != RankedTensorType::get({1}, IntegerType::get(getContext(), 64)))
    return emitOpError("size_c2: ") << getType() << " is not a vector of one i64";
  return success();
}

FailureOr<ShapeExpr> ScatterOp::inferShape(Adaptor adaptor, std::optional<Location> loc,
                                           ArrayRef<ShapeExpr> shapes) {
  const ShapeExpr &data = shapes[0], &indices = shapes[1], &updates = shapes[2];
  auto differ = [](AffineExpr a, AffineExpr b) {
    auto x = constantDim(a), y = constantDim(b);
    return x && y && *x != *y;
  };
  if (data.size() != 2 || updates.size() != 2 || differ(data[1], updates[1]) ||
      getElementTypeOrSelf(adaptor.getData()) != getElementTypeOrSelf(adaptor.getUpdates()))
    return emitOptionalError(loc, "scatter_c1: data and updates are matrices of one element type with as many columns");
  if (indices.size() != 1 || !getElementTypeOrSelf(adaptor.getIndices()).isInteger() || differ(indices[0], updates[0]))
    return emitOptionalError(loc, "scatter_c2: indices are a vector of integers, one per row of the updates");
  return data;
}
