//===- SinkTransposes.cpp - transposes move down until they cancel ---------===//
//
// Models with channels first are imported with a transpose before and one after each op that has channels last. These
// patterns of nn-simplify move a transpose below the op that reads it, so that it meets the next one's inverse; what is
// left stands at the borders of the model. They never make an op slower than it was: only ops that do not care about the
// order of dimensions are crossed.
//
//===----------------------------------------------------------------------===//
#include "passes/nn/Utils.h"

#include "dialects/nn/Pointwise.h"

#include <numeric>

using namespace mlir;
using namespace sylvite;
using namespace sylvite::nn;

namespace {

using Permutation = SmallVector<int64_t>;

Permutation inverseOf(ArrayRef<int64_t> permutation) {
  Permutation inverse(permutation.size());
  for (auto [i, dim] : llvm::enumerate(permutation))
    inverse[dim] = i;
  return inverse;
}

/// Whether transposing `type` leaves its elements where they are in memory.
bool isView(RankedTensorType type, ArrayRef<int64_t> permutation) {
  int64_t last = -1;
  for (int64_t dim : permutation) {
    if (type.getDimSize(dim) == 1)
      continue;
    if (dim < last)
      return false;
    last = dim;
  }
  return true;
}

/// What `permutation` does before the matrices, of the last two dimensions, which it transposes; nothing where it does not.
std::optional<Permutation> withoutMatrixTranspose(ArrayRef<int64_t> permutation) {
  int64_t rank = permutation.size();
  if (rank < 2 || permutation[rank - 1] != rank - 2 || permutation[rank - 2] != rank - 1)
    return std::nullopt;
  Permutation leading(permutation);
  std::swap(leading[rank - 1], leading[rank - 2]);
  return leading;
}

/// `value` transposed, as a view where it is one.
Value permute(PatternRewriter &rewriter, Location loc, Value value, ArrayRef<int64_t> permutation) {
  RankedTensorType type = typeOf(value);
  SmallVector<int64_t> shape, from;
  for (int64_t dim : permutation) {
    shape.push_back(type.getDimSize(dim));
    from.push_back(type.isDynamicDim(dim) ? dim : -1);
  }
  if (llvm::is_sorted(permutation))
    return value;
  if (isView(type, permutation))
    return ReshapeOp::create(rewriter, loc, type.clone(shape), value, from);
  return TransposeOp::create(rewriter, loc, type.clone(shape), value, permutation);
}

/// `value` with dimensions of size one in front, up to `rank`.
Value extendRank(PatternRewriter &rewriter, Location loc, Value value, int64_t rank) {
  RankedTensorType type = typeOf(value);
  int64_t added = rank - type.getRank();
  if (added == 0)
    return value;
  SmallVector<int64_t> shape(added, 1), from(added, -1);
  for (int64_t i = 0; i < type.getRank(); ++i) {
    shape.push_back(type.getDimSize(i));
    from.push_back(type.isDynamicDim(i) ? i : -1);
  }
  return ReshapeOp::create(rewriter, loc, type.clone(shape), value, from);
}

/// A transpose that data flow through; those of parameters are done once and stay where they are.
TransposeOp getTranspose(Value value) {
  auto transpose = value.getDefiningOp<TransposeOp>();
  return transpose && !dependsOnParametersOnly(transpose.getInput()) ? transpose : TransposeOp();
}

/// The operands of an op of rank `rank` as they were before a common transpose; nothing when there is none, or when an
/// operand would have to be transposed for it.
std::optional<std::pair<SmallVector<Value>, Permutation>> operandsBefore(PatternRewriter &rewriter, Location loc,
                                                                         ValueRange operands, int64_t rank) {
  Permutation permutation;
  for (Value operand : operands)
    if (auto transpose = getTranspose(operand); transpose && typeOf(operand).getRank() == rank) {
      permutation.assign(transpose.getPermutation().begin(), transpose.getPermutation().end());
      break;
    }
  if (permutation.empty())
    return std::nullopt;
  Permutation inverse = inverseOf(permutation);
  auto isFree = [&](Value operand) {
    RankedTensorType type = typeOf(operand);
    if (auto transpose = getTranspose(operand))
      if (transpose.getPermutation() == ArrayRef<int64_t>(permutation))
        return true;
    if (dependsOnParametersOnly(operand))
      return true;
    SmallVector<int64_t> shape(rank - type.getRank(), 1);
    shape.append(type.getShape().begin(), type.getShape().end());
    return isView(type.clone(shape), inverse);
  };
  if (!llvm::all_of(operands, isFree))
    return std::nullopt;
  SmallVector<Value> before;
  for (Value operand : operands) {
    auto transpose = getTranspose(operand);
    if (transpose && transpose.getPermutation() == ArrayRef<int64_t>(permutation))
      before.push_back(transpose.getInput());
    else if (typeOf(operand).hasStaticShape() && typeOf(operand).getNumElements() == 1 &&
             typeOf(operand).getRank() <= 1)
      before.push_back(operand); // broadcasts along every dimension
    else
      before.push_back(permute(rewriter, loc, extendRank(rewriter, loc, operand, rank), inverse));
  }
  return std::make_pair(before, permutation);
}

struct SinkBelowMap : OpRewritePattern<MapOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(MapOp map, PatternRewriter &rewriter) const override {
    auto before = operandsBefore(rewriter, map.getLoc(), map.getOperands(), map.getType().getRank());
    if (!before)
      return failure();
    auto &[operands, permutation] = *before;
    rewriter.replaceOpWithNewOp<TransposeOp>(map, map.getType(), cloneMap(rewriter, map, operands), permutation);
    return success();
  }
};

/// The dimensions of `dims` before the transpose, sorted.
SmallVector<int64_t> dimsBefore(ArrayRef<int64_t> dims, ArrayRef<int64_t> permutation) {
  SmallVector<int64_t> before;
  for (int64_t dim : dims)
    before.push_back(permutation[dim]);
  llvm::sort(before);
  return before;
}

/// One entry per dimension, as it is before the transpose.
SmallVector<int64_t> entriesBefore(ArrayRef<int64_t> entries, ArrayRef<int64_t> permutation) {
  SmallVector<int64_t> before(entries.size());
  for (auto [i, dim] : llvm::enumerate(permutation))
    before[dim] = entries[i];
  return before;
}

RankedTensorType typeBefore(RankedTensorType type, ArrayRef<int64_t> permutation) {
  return type.clone(entriesBefore(type.getShape(), permutation));
}

struct SinkBelowPad : OpRewritePattern<PadOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(PadOp op, PatternRewriter &rewriter) const override {
    return sinkTransposeBelow(op, rewriter);
  }
};

struct SinkBelowSlice : OpRewritePattern<SliceOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(SliceOp op, PatternRewriter &rewriter) const override {
    auto transpose = getTranspose(op.getInput());
    if (!transpose)
      return failure();
    Permutation permutation(transpose.getPermutation());
    Value sliced = SliceOp::create(rewriter, op.getLoc(), typeBefore(op.getType(), permutation),
                                   transpose.getInput(), entriesBefore(op.getStarts(), permutation),
                                   entriesBefore(op.getSizes(), permutation),
                                   entriesBefore(op.getStrides(), permutation));
    rewriter.replaceOpWithNewOp<TransposeOp>(op, op.getType(), sliced, permutation);
    return success();
  }
};

struct SinkBelowConcat : OpRewritePattern<ConcatOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(ConcatOp op, PatternRewriter &rewriter) const override {
    auto before = operandsBefore(rewriter, op.getLoc(), op.getInputs(), op.getType().getRank());
    if (!before)
      return failure();
    auto &[operands, permutation] = *before;
    Value joined = ConcatOp::create(rewriter, op.getLoc(), typeBefore(op.getType(), permutation), operands,
                                    permutation[op.getDim()]);
    rewriter.replaceOpWithNewOp<TransposeOp>(op, op.getType(), joined, permutation);
    return success();
  }
};

struct SinkBelowReduce : OpRewritePattern<ReduceOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(ReduceOp op, PatternRewriter &rewriter) const override {
    auto transpose = getTranspose(op.getInput());
    if (!transpose)
      return failure();
    Permutation permutation(transpose.getPermutation()), kept;
    SmallVector<int64_t> dims = dimsBefore(op.getDims(), permutation), positions(permutation.size(), -1);
    if (!op.getKeepDims()) { // the order of those that stay
      int64_t next = 0;
      for (size_t dim = 0; dim < permutation.size(); ++dim)
        if (!llvm::is_contained(dims, int64_t(dim)))
          positions[dim] = next++;
      for (int64_t dim : permutation)
        if (positions[dim] >= 0)
          kept.push_back(positions[dim]);
    } else {
      kept = permutation;
    }
    Value reduced = ReduceOp::create(rewriter, op.getLoc(), typeBefore(op.getType(), kept), transpose.getInput(),
                                     op.getKind(), dims, op.getKeepDims());
    rewriter.replaceOp(op, permute(rewriter, op.getLoc(), reduced, kept));
    return success();
  }
};

struct SinkBelowSoftmax : OpRewritePattern<SoftmaxOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(SoftmaxOp op, PatternRewriter &rewriter) const override {
    auto transpose = getTranspose(op.getInput());
    if (!transpose)
      return failure();
    Permutation permutation(transpose.getPermutation());
    SmallVector<int64_t> dims = dimsBefore(op.getDims(), permutation);
    // Rows that are contiguous stay so.
    if (op.getDims().back() == op.getType().getRank() - 1 && dims.back() != op.getType().getRank() - 1)
      return failure();
    Value y = SoftmaxOp::create(rewriter, op.getLoc(), transpose.getInput().getType(), transpose.getInput(), dims);
    rewriter.replaceOpWithNewOp<TransposeOp>(op, op.getType(), y, permutation);
    return success();
  }
};

/// Below a reshape that splits dimensions, or joins those that were neighbours before the transpose, and adds or drops dimensions
/// of size one.
struct SinkBelowReshape : OpRewritePattern<ReshapeOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(ReshapeOp op, PatternRewriter &rewriter) const override {
    auto transpose = getTranspose(op.getInput());
    auto groups = transpose ? groupDims(op) : std::nullopt;
    if (!groups)
      return failure();
    RankedTensorType source = typeOf(transpose.getInput()), result = op.getType();
    for (ReshapedDims &group : *groups) {
      for (int64_t &dim : group.source)
        dim = transpose.getPermutation()[dim];
      llvm::erase_if(group.source, [&](int64_t dim) { return source.getDimSize(dim) == 1; });
      llvm::erase_if(group.result, [&](int64_t dim) { return result.getDimSize(dim) == 1; });
      for (auto [dim, next] : llvm::zip(group.source, ArrayRef<int64_t>(group.source).drop_front()))
        for (int64_t between = dim + 1; between != next; ++between)
          if (between > next || source.getDimSize(between) != 1)
            return failure();
    }
    llvm::erase_if(*groups, [](const ReshapedDims &group) { return group.source.empty(); });
    llvm::sort(*groups, [](const ReshapedDims &a, const ReshapedDims &b) { return a.source.front() < b.source.front(); });
    // Dimensions of size one stand in front.
    Permutation permutation(result.getRank());
    SmallVector<int64_t> shape, from;
    for (int64_t dim = 0; dim < result.getRank(); ++dim)
      if (result.getDimSize(dim) == 1) {
        permutation[dim] = shape.size();
        shape.push_back(1);
        from.push_back(-1);
      }
    for (const ReshapedDims &group : *groups)
      for (int64_t dim : group.result) {
        permutation[dim] = shape.size();
        shape.push_back(result.getDimSize(dim));
        from.push_back(result.isDynamicDim(dim) ? group.source.front() : -1);
      }
    Value reshaped = ReshapeOp::create(rewriter, op.getLoc(), result.clone(shape), transpose.getInput(), from);
    rewriter.replaceOp(op, permute(rewriter, op.getLoc(), reshaped, permutation));
    return success();
  }
};

/// Matrices that are transposed after a reshape of the dimensions before them are transposed before it, with what transposes
/// them there.
struct JoinTransposes : OpRewritePattern<TransposeOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(TransposeOp op, PatternRewriter &rewriter) const override {
    auto reshape = op.getInput().getDefiningOp<ReshapeOp>();
    auto leading = withoutMatrixTranspose(op.getPermutation());
    if (!reshape || !getTranspose(reshape.getInput()) || !leading || !llvm::is_sorted(*leading) || !keepsMatrices(reshape))
      return failure();
    RankedTensorType source = typeOf(reshape.getInput());
    Permutation permutation(source.getRank());
    std::iota(permutation.begin(), permutation.end(), 0);
    std::swap(permutation.back(), permutation[permutation.size() - 2]);
    Value transposed = TransposeOp::create(rewriter, op.getLoc(), reshape.getInput(), permutation);
    SmallVector<int64_t> from(reshape.getFrom());
    for (int64_t i : {1, 2})
      if (op.getType().isDynamicDim(op.getType().getRank() - i))
        from[from.size() - i] = source.getRank() - i;
    rewriter.replaceOpWithNewOp<ReshapeOp>(op, op.getType(), transposed, from);
    return success();
  }
};

/// A product with constant weights, of rows that were transposed before they became rows, reads them as they were: the rows of
/// the weights change places instead.
struct TransposeIntoWeights : OpRewritePattern<MatmulOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(MatmulOp op, PatternRewriter &rewriter) const override {
    auto reshape = op.getLhs().getDefiningOp<ReshapeOp>();
    auto transpose = reshape ? getTranspose(reshape.getInput()) : TransposeOp();
    if (!transpose || !reshape->hasOneUse() || op.getTransposeLhs() || typeOf(op.getRhs()).getRank() != 2 ||
        !dependsOnParametersOnly(op.getRhs()))
      return failure();
    // Leading dimensions stay; the others are one row.
    RankedTensorType input = typeOf(reshape.getInput()), rows = reshape.getType();
    ArrayRef<int64_t> permutation = transpose.getPermutation();
    int64_t leading = rows.getRank() - 1;
    if (leading >= input.getRank() || ShapedType::isDynamicShape(input.getShape().drop_front(leading)))
      return failure();
    for (int64_t dim = 0; dim < leading; ++dim)
      if (permutation[dim] != dim || input.getDimSize(dim) != rows.getDimSize(dim) ||
          (rows.isDynamicDim(dim) && reshape.getFrom()[dim] != dim))
        return failure();
    Location loc = op.getLoc();
    RankedTensorType weights = typeOf(op.getRhs());
    SmallVector<int64_t> shape(input.getShape().drop_front(leading));
    Permutation order, inverse(inverseOf(permutation));
    for (int64_t dim : ArrayRef<int64_t>(inverse).drop_front(leading))
      order.push_back(dim - leading);
    if (op.getTransposeRhs()) {
      shape.insert(shape.begin(), weights.getDimSize(0));
      for (int64_t &dim : order)
        ++dim;
      order.insert(order.begin(), 0);
    } else {
      order.push_back(order.size());
      shape.push_back(weights.getDimSize(1));
    }
    SmallVector<int64_t> none(shape.size(), -1);
    Value split = ReshapeOp::create(rewriter, loc, weights.clone(shape), op.getRhs(), none);
    Value ordered = TransposeOp::create(rewriter, loc, split, order);
    Value moved = ReshapeOp::create(rewriter, loc, weights, ordered, ArrayRef<int64_t>{-1, -1});
    Value before = ReshapeOp::create(rewriter, loc, rows, transpose.getInput(), reshape.getFrom());
    rewriter.modifyOpInPlace(op, [&] {
      op.getLhsMutable().assign(before);
      op.getRhsMutable().assign(moved);
    });
    return success();
  }
};

/// Transposes that move dimensions of size one only are views.
struct TransposeToReshape : OpRewritePattern<TransposeOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(TransposeOp op, PatternRewriter &rewriter) const override {
    Permutation permutation(op.getPermutation());
    if (llvm::is_sorted(permutation) || !isView(typeOf(op.getInput()), permutation))
      return failure();
    rewriter.replaceOp(op, permute(rewriter, op.getLoc(), op.getInput(), permutation));
    return success();
  }
};

/// A product reads an operand whose matrices are transposed as it is; dimensions of size one before them may change places.
struct TransposeIntoMatmul : OpRewritePattern<MatmulOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(MatmulOp op, PatternRewriter &rewriter) const override {
    bool changed = false;
    for (unsigned side : {0u, 1u}) {
      auto transpose = getTranspose(op.getOperand(side));
      auto leading = transpose ? withoutMatrixTranspose(transpose.getPermutation()) : std::nullopt;
      if (!leading || !isView(typeOf(transpose.getInput()), *leading))
        continue;
      Value operand = permute(rewriter, op.getLoc(), transpose.getInput(), *leading);
      rewriter.modifyOpInPlace(op, [&] {
        op->setOperand(side, operand);
        side ? op.setTransposeRhs(!op.getTransposeRhs()) : op.setTransposeLhs(!op.getTransposeLhs());
      });
      changed = true;
    }
    return success(changed);
  }
};

} // namespace

LogicalResult sylvite::sinkTransposeBelow(PadOp op, PatternRewriter &rewriter) {
  auto transpose = getTranspose(op.getInput());
  if (!transpose)
    return failure();
  Permutation permutation(transpose.getPermutation());
  auto low = rewriter.getDenseI64ArrayAttr(entriesBefore(op.getLow(), permutation)),
       high = rewriter.getDenseI64ArrayAttr(entriesBefore(op.getHigh(), permutation));
  Value padded = PadOp::create(rewriter, op.getLoc(), typeBefore(op.getType(), permutation), transpose.getInput(), low, high,
                               op.getValueAttr(), op.getModeAttr());
  rewriter.replaceOpWithNewOp<TransposeOp>(op, op.getType(), padded, permutation);
  return success();
}

void sylvite::populateSinkTransposes(RewritePatternSet &patterns) {
  patterns.add<JoinTransposes, SinkBelowConcat, SinkBelowMap, SinkBelowPad, SinkBelowReduce, SinkBelowReshape, SinkBelowSlice,
               SinkBelowSoftmax, TransposeIntoMatmul, TransposeIntoWeights, TransposeToReshape>(patterns.getContext());
}
