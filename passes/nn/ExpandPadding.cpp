//===- ExpandPadding.cpp - nn-expand-padding -------------------------------===//
//
// Brings the convolutions that nn-plan-contractions left (depthwise ones, and those whose weights are
// not constant) to the form that their kernels take: without padding of their own.
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

Value sylvite::padSpatial(OpBuilder &builder, Location loc, Value value, ArrayRef<int64_t> low,
                          ArrayRef<int64_t> high) {
  auto isZero = [](int64_t padding) { return padding == 0; };
  if (llvm::all_of(low, isZero) && llvm::all_of(high, isZero))
    return value;
  auto whole = [](ArrayRef<int64_t> spatial) {
    SmallVector<int64_t> all{0};
    all.append(spatial.begin(), spatial.end());
    all.push_back(0);
    return all;
  };
  return PadOp::create(builder, loc, value, whole(low), whole(high));
}

namespace {

template <typename Op> struct ExpandConv : OpRewritePattern<Op> {
  using OpRewritePattern<Op>::OpRewritePattern;
  LogicalResult matchAndRewrite(Op op, PatternRewriter &rewriter) const override {
    Value padded = padSpatial(rewriter, op.getLoc(), op.getInput(), op.getPaddingLow(),
                              op.getPaddingHigh());
    if (padded == op.getInput())
      return failure();
    SmallVector<int64_t> none(op.getStrides().size(), 0);
    rewriter.modifyOpInPlace(op, [&] {
      op.getInputMutable().assign(padded);
      op.setPaddingLow(none);
      op.setPaddingHigh(none);
    });
    return success();
  }
};

struct ExpandPadding : sylvite::impl::ExpandPaddingBase<ExpandPadding> {
  using ExpandPaddingBase::ExpandPaddingBase;
  void runOnOperation() override {
    RewritePatternSet patterns(&getContext());
    patterns.add<ExpandConv<ConvOp>, ExpandConv<ConvGradFilterOp>>(&getContext());
    if (failed(applyPatternsGreedily(getOperation(), std::move(patterns))))
      signalPassFailure();
  }
};

} // namespace
