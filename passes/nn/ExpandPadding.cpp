//===- ExpandPadding.cpp - nn-expand-padding -------------------------------===//
//
// Brings contractions to the form that their kernels take: no padding of their own, and weights whose
// output channels are innermost. What this adds on weights runs once, at compile time.
//
//===----------------------------------------------------------------------===//
#include "passes/Passes.h"
#include "passes/nn/Utils.h"

#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

namespace sylvite {
#define GEN_PASS_DEF_EXPANDPADDING
#include "passes/Passes.h.inc"
} // namespace sylvite

using namespace mlir;
using namespace sylvite;
using namespace sylvite::nn;

namespace {

/// `value` with zeros around its spatial dimensions.
Value padSpatial(PatternRewriter &rewriter, Location loc, Value value, ArrayRef<int64_t> low,
                 ArrayRef<int64_t> high) {
  auto whole = [](ArrayRef<int64_t> spatial) {
    SmallVector<int64_t> all{0};
    all.append(spatial.begin(), spatial.end());
    all.push_back(0);
    return all;
  };
  return PadOp::create(rewriter, loc, value, whole(low), whole(high));
}

struct ExpandConv : OpRewritePattern<ConvOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(ConvOp op, PatternRewriter &rewriter) const override {
    auto zero = [](int64_t value) { return value == 0; };
    if (llvm::all_of(op.getPaddingLow(), zero) && llvm::all_of(op.getPaddingHigh(), zero))
      return failure();
    Value padded = padSpatial(rewriter, op.getLoc(), op.getInput(), op.getPaddingLow(),
                              op.getPaddingHigh());
    SmallVector<int64_t> none(op.getStrides().size(), 0);
    rewriter.modifyOpInPlace(op, [&] {
      op.getInputMutable().assign(padded);
      op.setPaddingLow(none);
      op.setPaddingHigh(none);
    });
    return success();
  }
};

/// Products with a transposed constant right side take it untransposed.
struct TransposeWeights : OpRewritePattern<MatmulOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(MatmulOp op, PatternRewriter &rewriter) const override {
    if (!op.getTransposeRhs() || !dependsOnParametersOnly(op.getRhs()))
      return failure();
    int64_t rank = cast<RankedTensorType>(op.getRhs().getType()).getRank();
    SmallVector<int64_t> permutation = llvm::to_vector(llvm::seq<int64_t>(0, rank));
    std::swap(permutation[rank - 1], permutation[rank - 2]);
    Value transposed = TransposeOp::create(rewriter, op.getLoc(), op.getRhs(), permutation);
    rewriter.modifyOpInPlace(op, [&] {
      op.getRhsMutable().assign(transposed);
      op.setTransposeRhs(false);
    });
    return success();
  }
};

struct ExpandPadding : sylvite::impl::ExpandPaddingBase<ExpandPadding> {
  using ExpandPaddingBase::ExpandPaddingBase;
  void runOnOperation() override {
    RewritePatternSet patterns(&getContext());
    patterns.add<ExpandConv, TransposeWeights>(&getContext());
    if (failed(applyPatternsGreedily(getOperation(), std::move(patterns))))
      signalPassFailure();
  }
};

} // namespace
