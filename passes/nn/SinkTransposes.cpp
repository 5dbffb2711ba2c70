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
#include "mlir/IR/IRMapping.h"

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

RankedTensorType typeOf(Value value) { return cast<RankedTensorType>(value.getType()); }

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
    auto newMap = MapOp::create(rewriter, map.getLoc(), map.getType().getElementType(), operands,
                                [&](OpBuilder &b, Location, ValueRange scalars) {
                                  Block &block = map.getBody().front();
                                  IRMapping mapping;
                                  mapping.map(block.getArguments(), scalars);
                                  for (Operation &op : block.without_terminator())
                                    b.clone(op, mapping);
                                  return mapping.lookupOrDefault(block.getTerminator()->getOperand(0));
                                });
    rewriter.replaceOpWithNewOp<TransposeOp>(map, map.getType(), newMap, permutation);
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
    auto transpose = getTranspose(op.getInput());
    if (!transpose)
      return failure();
    Permutation permutation(transpose.getPermutation());
    auto low = rewriter.getDenseI64ArrayAttr(entriesBefore(op.getLow(), permutation)),
         high = rewriter.getDenseI64ArrayAttr(entriesBefore(op.getHigh(), permutation));
    Value padded = PadOp::create(rewriter, op.getLoc(), typeBefore(op.getType(), permutation), transpose.getInput(),
                                 low, high, op.getValueAttr(), op.getModeAttr());
    rewriter.replaceOpWithNewOp<TransposeOp>(op, op.getType(), padded, permutation);
    return success();
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

/// A product reads an operand whose matrices are transposed as it is.
struct TransposeIntoMatmul : OpRewritePattern<MatmulOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(MatmulOp op, PatternRewriter &rewriter) const override {
    bool changed = false;
    for (unsigned side : {0u, 1u}) {
      auto transpose = getTranspose(op.getOperand(side));
      if (!transpose)
        continue;
      Permutation swapped(transpose.getPermutation().size());
      std::iota(swapped.begin(), swapped.end(), 0);
      std::swap(swapped.back(), swapped[swapped.size() - 2]);
      if (transpose.getPermutation() != ArrayRef<int64_t>(swapped))
        continue;
      rewriter.modifyOpInPlace(op, [&] {
        op->setOperand(side, transpose.getInput());
        side ? op.setTransposeRhs(!op.getTransposeRhs()) : op.setTransposeLhs(!op.getTransposeLhs());
      });
      changed = true;
    }
    return success(changed);
  }
};

} // namespace

void sylvite::populateSinkTransposes(RewritePatternSet &patterns) {
  patterns.add<SinkBelowConcat, SinkBelowMap, SinkBelowPad, SinkBelowReduce, SinkBelowSlice, SinkBelowSoftmax,
               TransposeIntoMatmul, TransposeToReshape>(patterns.getContext());
}
