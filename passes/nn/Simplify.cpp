//===- Simplify.cpp - nn-simplify ------------------------------------------===//
//
// Rewrites a model into one that computes the same with fewer ops: batch normalization goes into the
// weights before it, transposes move down until they meet their inverse. Ops on parameters that this
// leaves behind are nn-prepare's business.
//
//===----------------------------------------------------------------------===//
#include "dialects/nn/Pointwise.h"
#include "passes/Passes.h"
#include "passes/nn/Utils.h"

#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

namespace sylvite {
#define GEN_PASS_DEF_SIMPLIFY
#include "passes/Passes.h.inc"
} // namespace sylvite

using namespace mlir;
using namespace sylvite;
using namespace sylvite::nn;

namespace {

/// `value` as the sum of another value and a per-channel vector, as a bias makes it.
struct BiasedValue {
  Value base, bias;
  static std::optional<BiasedValue> match(Value value) {
    auto map = value.getDefiningOp<MapOp>();
    if (!map || !map->hasOneUse() || map.getNumOperands() != 2)
      return std::nullopt;
    Block &block = map.getBody().front();
    auto yield = cast<YieldOp>(block.getTerminator());
    auto add = yield.getOperand(0).getDefiningOp<arith::AddFOp>();
    if (!add || block.getOperations().size() != 2)
      return std::nullopt;
    auto lhs = dyn_cast<BlockArgument>(add.getLhs()), rhs = dyn_cast<BlockArgument>(add.getRhs());
    if (!lhs || !rhs || lhs == rhs)
      return std::nullopt;
    for (unsigned i : {0u, 1u}) {
      auto type = cast<RankedTensorType>(map.getOperand(1 - i).getType());
      if (type.getRank() == 1 && map.getOperand(i).getType() == map.getType() &&
          dependsOnParametersOnly(map.getOperand(1 - i)))
        return BiasedValue{map.getOperand(i), map.getOperand(1 - i)};
    }
    return std::nullopt;
  }
};

/// Multiplies the weights of a contraction so that its output channel `c` is scaled by `scale[c]`.
/// Returns the contraction with the new weights, or null when `op` is none or serves others too.
Value scaleContraction(PatternRewriter &rewriter, Value result, Value scale) {
  Operation *op = result.getDefiningOp();
  if (!op || !op->hasOneUse() || !isa<ConvOp, ConvTransposeOp, MatmulOp>(op))
    return {};
  Value weights = op->getOperand(1);
  auto weightsType = cast<RankedTensorType>(weights.getType());
  if (!dependsOnParametersOnly(weights))
    return {};
  bool channelLast = true;
  if (auto transposed = dyn_cast<ConvTransposeOp>(op)) {
    if (transposed.getGroups() != 1)
      return {};
    channelLast = false;
  } else if (auto matmul = dyn_cast<MatmulOp>(op)) {
    if (weightsType.getRank() != 2)
      return {};
    channelLast = !matmul.getTransposeRhs();
  }
  if (!channelLast) { // channels stand in the dimension before the last
    auto scaleType = cast<RankedTensorType>(scale.getType());
    scale = ReshapeOp::create(
        rewriter, op->getLoc(),
        RankedTensorType::get({scaleType.getDimSize(0), 1}, scaleType.getElementType()), scale,
        ArrayRef<int64_t>{0, -1});
  }
  Value scaled = mapBinary(rewriter, op->getLoc(), weights, scale,
                           [](ScalarBuilder &s, Value w, Value f) { return s.mul(w, f); });
  Operation *copy = rewriter.clone(*op);
  copy->setOperand(1, scaled);
  return copy->getResult(0);
}

/// Batch normalization is an affine function per channel: it goes into the contraction before it, or
/// becomes a map.
struct FoldBatchNorm : OpRewritePattern<BatchNormOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(BatchNormOp op, PatternRewriter &rewriter) const override {
    Location loc = op.getLoc();
    double epsilon = op.getEpsilon().convertToDouble();
    Value scale = mapBinary(rewriter, loc, op.getScale(), op.getVariance(),
                            [&](ScalarBuilder &s, Value gamma, Value variance) {
                              Value deviation = s.sqrt(s.add(variance, s.constant(epsilon, variance)));
                              return s.div(gamma, deviation);
                            });
    Value input = op.getInput(), mean = op.getMean();
    if (auto biased = BiasedValue::match(input)) {
      mean = mapBinary(rewriter, loc, mean, biased->bias,
                       [](ScalarBuilder &s, Value m, Value b) { return s.sub(m, b); });
      input = biased->base;
    }
    Value offset = MapOp::create(rewriter, loc, ValueRange{op.getOffset(), mean, scale},
                                 [](OpBuilder &b, Location l, ValueRange v) {
                                   ScalarBuilder s(b, l);
                                   return s.sub(v[0], s.mul(v[1], v[2]));
                                 });
    if (Value scaled = scaleContraction(rewriter, input, scale)) {
      rewriter.replaceOp(op, mapBinary(rewriter, loc, scaled, offset,
                                       [](ScalarBuilder &s, Value x, Value t) {
                                         return s.add(x, t);
                                       }));
      return success();
    }
    // The bias that `mean` took over stays out of `input`.
    rewriter.replaceOp(op, MapOp::create(rewriter, loc, ValueRange{input, scale, offset},
                                         [](OpBuilder &b, Location l, ValueRange v) {
                                           ScalarBuilder s(b, l);
                                           return s.add(s.mul(v[0], v[1]), v[2]);
                                         }));
    return success();
  }
};

/// Where nothing is trained, nothing is dropped or penalized.
template <typename OpTy> struct RemoveUntrained : OpRewritePattern<OpTy> {
  using OpRewritePattern<OpTy>::OpRewritePattern;
  LogicalResult matchAndRewrite(OpTy op, PatternRewriter &rewriter) const override {
    rewriter.replaceOp(op, op.getInput());
    return success();
  }
};

struct Simplify : sylvite::impl::SimplifyBase<Simplify> {
  using SimplifyBase::SimplifyBase;
  void runOnOperation() override {
    MLIRContext *context = &getContext();
    RewritePatternSet patterns(context);
    patterns.add<FoldBatchNorm, RemoveUntrained<DropoutOp>, RemoveUntrained<ActivityPenaltyOp>>(context);
    populateSinkTransposes(patterns);
    MapOp::getCanonicalizationPatterns(patterns, context);
    FullOp::getCanonicalizationPatterns(patterns, context);
    ReshapeOp::getCanonicalizationPatterns(patterns, context);
    TransposeOp::getCanonicalizationPatterns(patterns, context);
    if (failed(applyPatternsGreedily(getOperation(), std::move(patterns))))
      signalPassFailure();
    // Parameters that nothing reads or replaces any more.
    llvm::StringSet<> updated = updatedParameters(getOperation());
    for (ParameterOp parameter :
         llvm::make_early_inc_range(getOperation().getOps<ParameterOp>()))
      if (!updated.contains(parameter.getSymName()) && SymbolTable::symbolKnownUseEmpty(parameter, getOperation()))
        parameter.erase();
  }
};

} // namespace
