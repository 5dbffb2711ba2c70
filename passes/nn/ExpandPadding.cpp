//===- ExpandPadding.cpp - nn-expand-padding -------------------------------===//
//
// Brings the convolutions that nn-plan-contractions left (depthwise ones, and those whose weights are
// not constant) to the form that their kernels take: without padding of their own. Images of a few channels
// are padded as rows of numbers.
//
//===----------------------------------------------------------------------===//
#include "passes/Passes.h"
#include "passes/nn/Utils.h"

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

/// Whether a contraction alone reads the padding of images of a few channels.
bool padsFewChannels(PadOp op) {
  constexpr int64_t few = 8; // a vector
  return op.getType().getRank() > 2 && op.getType().getShape().back() < few && op->hasOneUse() &&
         isa<PackedConvOp>(*op->user_begin());
}

/// An image that is given with its channels first is padded so, where its rows lie in vectors.
struct PadChannelsFirst : OpRewritePattern<PadOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(PadOp op, PatternRewriter &rewriter) const override {
    return success(padsFewChannels(op) && op.getInput().hasOneUse() && succeeded(sinkTransposeBelow(op, rewriter)));
  }
};

/// The padding of an image before its first convolution copies rows of numbers: three channels would fill a part of
/// a vector each time. What is computed element by element on the way moves along.
struct PadRows : OpRewritePattern<PadOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(PadOp op, PatternRewriter &rewriter) const override {
    RankedTensorType type = op.getType();
    int64_t rank = type.getRank();
    // A joined row is padded by a number; what a reflection repeats are positions.
    if (op.getMode() != PadMode::Constant || !padsFewChannels(op) || type.isDynamicDim(rank - 2) || op.getLow().back() ||
        op.getHigh().back())
      return failure();
    auto map = op.getInput().getDefiningOp<MapOp>();
    auto isSingle = [](Value value) {
      auto type = cast<RankedTensorType>(value.getType());
      return type.hasStaticShape() && type.getNumElements() == 1;
    };
    auto isWhole = [&](Value value) {
      return cast<RankedTensorType>(value.getType()).getShape() == map.getType().getShape();
    };
    if (map && (!map->hasOneUse() || !llvm::all_of(map.getOperands(), [&](Value value) {
          return isSingle(value) || isWhole(value);
        })))
      return failure();

    Value rows;
    if (map) {
      SmallVector<Value> operands;
      for (Value operand : map.getOperands())
        operands.push_back(isWhole(operand) ? joinRow(rewriter, operand) : operand);
      auto joined = cast<RankedTensorType>(operands[firstWhole(map)].getType());
      auto moved = MapOp::create(rewriter, map.getLoc(), joined.clone(map.getType().getElementType()), operands);
      rewriter.inlineRegionBefore(map.getBody(), moved.getBody(), moved.getBody().begin());
      rows = moved;
    } else {
      rows = joinRow(rewriter, op.getInput());
    }
    int64_t channels = type.getShape().back();
    auto join = [&](ArrayRef<int64_t> padding) {
      SmallVector<int64_t> joined(padding.drop_back());
      joined.back() *= channels;
      return joined;
    };
    Value padded = PadOp::create(rewriter, op.getLoc(), rows, join(op.getLow()), join(op.getHigh()),
                                 op.getValue().convertToDouble());
    rewriter.replaceOpWithNewOp<ReshapeOp>(op, type, padded, identity(rank, /*joined=*/false));
    if (map)
      rewriter.eraseOp(map);
    return success();
  }

  /// Which dimension each of the result's is, where the last two are one in the other type.
  static SmallVector<int64_t> identity(int64_t rank, bool joined) {
    SmallVector<int64_t> from = llvm::to_vector(llvm::seq<int64_t>(0, rank - 2));
    from.append(joined ? 1 : 2, -1);
    return from;
  }
  /// `value` with its last two dimensions as one.
  static Value joinRow(PatternRewriter &rewriter, Value value) {
    auto type = cast<RankedTensorType>(value.getType());
    SmallVector<int64_t> shape(type.getShape().drop_back());
    shape.back() *= type.getShape().back();
    return ReshapeOp::create(rewriter, value.getLoc(), type.clone(shape), value,
                             identity(type.getRank(), /*joined=*/true));
  }
  static unsigned firstWhole(MapOp map) {
    return llvm::find_if(map.getOperands(), [&](Value value) {
             return cast<RankedTensorType>(value.getType()).getShape() == map.getType().getShape();
           }) - map.getOperands().begin();
  }
};

struct ExpandPadding : sylvite::impl::ExpandPaddingBase<ExpandPadding> {
  using ExpandPaddingBase::ExpandPaddingBase;
  void runOnOperation() override {
    RewritePatternSet patterns(&getContext());
    patterns.add<ExpandConv<ConvOp>, ExpandConv<ConvGradFilterOp>, PadChannelsFirst, PadRows>(&getContext());
    if (failed(applyPatterns(getOperation(), std::move(patterns))))
      signalPassFailure();
  }
};

} // namespace
