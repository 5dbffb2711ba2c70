//===- Simplify.cpp - nn-simplify ------------------------------------------===//
//
// Rewrites a model into one that computes the same with fewer ops: batch normalization goes into the weights before it, padding
// into the convolution after it, a pooled mean and a convolution of one position change places where that saves work, layers
// that were written as arithmetic are found, transposes move down until they meet their inverse, slices up. Ops on parameters
// that this leaves behind are nn-prepare's business.
//
//===----------------------------------------------------------------------===//
#include "dialects/nn/Pointwise.h"
#include "passes/Passes.h"
#include "passes/nn/Utils.h"

#include "mlir/IR/IRMapping.h"

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
    if (!map || !map->hasOneUse() || !isSum(map))
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

/// The contraction whose result `value` is, if its weights are parameters, and nothing else reads it; null otherwise.
Operation *contractionOf(Value value) {
  Operation *op = value.getDefiningOp();
  if (!op || !op->hasOneUse() || !isa<ConvOp, ConvTransposeOp, MatmulOp>(op) || !dependsOnParametersOnly(op->getOperand(1)))
    return nullptr;
  auto transposed = dyn_cast<ConvTransposeOp>(op);
  bool isGrouped = transposed && transposed.getGroups() != 1;
  bool isBatched = isa<MatmulOp>(op) && cast<RankedTensorType>(op->getOperand(1).getType()).getRank() != 2;
  return isGrouped || isBatched ? nullptr : op;
}

/// The contraction `op` with weights that scale its output channel `c` by `scale[c]`.
Value scaleContraction(PatternRewriter &rewriter, Operation *op, Value scale) {
  Value weights = op->getOperand(1);
  auto matmul = dyn_cast<MatmulOp>(op);
  bool channelLast = !isa<ConvTransposeOp>(op) && !(matmul && matmul.getTransposeRhs());
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

/// `scale` times the result of a contraction plus `offset`, both per channel: the scale goes into the weights, and with it
/// that of a bias between them. Null when `input` is no such result.
Value foldScale(PatternRewriter &rewriter, Location loc, Value input, Value scale, Value offset) {
  auto biased = BiasedValue::match(input);
  Operation *contraction = contractionOf(biased ? biased->base : input);
  if (!contraction)
    return {};
  if (biased)
    offset = MapOp::create(rewriter, loc, ValueRange{offset, biased->bias, scale},
                           [](OpBuilder &b, Location l, ValueRange v) {
                             ScalarBuilder s(b, l);
                             return s.add(v[0], s.mul(v[1], v[2]));
                           });
  return mapBinary(rewriter, loc, scaleContraction(rewriter, contraction, scale), offset,
                   [](ScalarBuilder &s, Value x, Value t) { return s.add(x, t); });
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
    Value offset = MapOp::create(rewriter, loc, ValueRange{op.getOffset(), op.getMean(), scale},
                                 [](OpBuilder &b, Location l, ValueRange v) {
                                   ScalarBuilder s(b, l);
                                   return s.sub(v[0], s.mul(v[1], v[2]));
                                 });
    Value folded = foldScale(rewriter, loc, op.getInput(), scale, offset);
    rewriter.replaceOp(op, folded ? folded
                                  : MapOp::create(rewriter, loc, ValueRange{op.getInput(), scale, offset},
                                                  [](OpBuilder &b, Location l, ValueRange v) {
                                                    ScalarBuilder s(b, l);
                                                    return s.add(s.mul(v[0], v[1]), v[2]);
                                                  }));
    return success();
  }
};

/// Batch normalization that was written as arithmetic, or what an exporter left of it: a map of the result of a contraction
/// that is affine in it, with constants per channel.
struct FoldAffineMap : OpRewritePattern<MapOp> {
  FoldAffineMap(MLIRContext *context, const llvm::StringSet<> &updated) : OpRewritePattern(context), updated(updated) {}

  LogicalResult matchAndRewrite(MapOp map, PatternRewriter &rewriter) const override {
    unsigned input = map.getNumOperands();
    int64_t channels = map.getType().getRank() ? map.getType().getShape().back() : 0;
    for (auto [i, operand] : llvm::enumerate(map.getOperands())) {
      auto type = cast<RankedTensorType>(operand.getType());
      if (isConstant(operand, updated)) {
        if (!type.hasStaticShape() ||
            (type.getNumElements() != 1 && (type.getNumElements() != channels || type.getShape().back() != channels)))
          return failure();
        continue;
      }
      auto biased = BiasedValue::match(operand);
      if (input != map.getNumOperands() || type != map.getType() || !contractionOf(biased ? biased->base : operand))
        return failure();
      input = i;
    }
    if (input == map.getNumOperands() || map.getNumOperands() == 1 || !isAffine(map, input))
      return failure();

    SmallVector<Value> constants;
    for (auto [i, operand] : llvm::enumerate(map.getOperands()))
      if (i != input) {
        auto type = cast<RankedTensorType>(operand.getType());
        constants.push_back(ReshapeOp::create(rewriter, map.getLoc(),
                                              RankedTensorType::get({type.getNumElements()}, type.getElementType()),
                                              operand, ArrayRef<int64_t>{-1}));
      }
    auto part = [&](bool isScale) -> Value {
      return MapOp::create(rewriter, map.getLoc(), constants, [&](OpBuilder &b, Location l, ValueRange scalars) {
        return partOf(map, input, isScale, b, l, scalars);
      });
    };
    Value scale = part(true), offset = part(false);
    rewriter.replaceOp(map, foldScale(rewriter, map.getLoc(), map.getOperand(input), scale, offset));
    return success();
  }

private:
  /// Whether the body is a scale and an offset of its argument `input`, and not an offset alone.
  static bool isAffine(MapOp map, unsigned input) {
    Block &body = map.getBody().front();
    SmallPtrSet<Value, 8> affine{body.getArgument(input)};
    bool isScaled = false;
    for (Operation &op : body.without_terminator()) {
      bool left = affine.contains(op.getOperands().empty() ? Value() : op.getOperand(0)),
           right = op.getNumOperands() > 1 && affine.contains(op.getOperand(1));
      if (!left && !right)
        continue;
      bool isProduct = (isa<arith::MulFOp>(op) && left != right) || (isa<arith::DivFOp>(op) && !right);
      if (!isProduct && !(isa<arith::AddFOp, arith::SubFOp>(op) && left != right))
        return false;
      isScaled |= isProduct;
      affine.insert(op.getResult(0));
    }
    return isScaled && affine.contains(body.getTerminator()->getOperand(0));
  }

  /// The scale, or the offset, of the body for the arguments `scalars` beside `input`.
  static Value partOf(MapOp map, unsigned input, bool isScale, OpBuilder &b, Location loc, ValueRange scalars) {
    Block &body = map.getBody().front();
    ScalarBuilder s(b, loc);
    IRMapping mapping;
    SmallVector<Value> arguments(scalars);
    arguments.insert(arguments.begin() + input, s.constant(0, scalars[0]));
    mapping.map(body.getArguments(), arguments);
    DenseMap<Value, Value> slopes{{body.getArgument(input), s.constant(1, scalars[0])}};
    for (Operation &op : body.without_terminator()) {
      b.clone(op, mapping);
      if (op.getNumOperands() < 2)
        continue;
      Value left = slopes.lookup(op.getOperand(0)), right = slopes.lookup(op.getOperand(1));
      if (!left && !right)
        continue;
      Value slope = left ? left : right;
      if (isa<arith::MulFOp>(op))
        slope = s.mul(slope, mapping.lookup(op.getOperand(left ? 1 : 0)));
      else if (isa<arith::DivFOp>(op))
        slope = s.div(slope, mapping.lookup(op.getOperand(1)));
      else if (isa<arith::SubFOp>(op) && right)
        slope = s.neg(slope);
      slopes[op.getResult(0)] = slope;
    }
    Value result = body.getTerminator()->getOperand(0);
    return isScale ? slopes.lookup(result) : mapping.lookup(result);
  }

  const llvm::StringSet<> &updated;
};

/// The algorithm that a convolution gets decides whether its padding is ever stored.
struct AbsorbPadding : OpRewritePattern<ConvOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(ConvOp op, PatternRewriter &rewriter) const override {
    rewriter.startOpModification(op);
    if (!absorbPadding(op)) {
      rewriter.cancelOpModification(op);
      return failure();
    }
    rewriter.finalizeOpModification(op);
    return success();
  }
};

/// Taps of a window that are in the padding at every position, as those of a dilated one over a small image are, go: they add
/// nothing.
struct DropTapsOfPadding : OpRewritePattern<ConvOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(ConvOp conv, PatternRewriter &rewriter) const override {
    ArrayRef<int64_t> input = typeOf(conv.getInput()).getShape(), filter = typeOf(conv.getFilter()).getShape(),
                      result = conv.getType().getShape();
    SmallVector<int64_t> starts(filter.size(), 0), sizes(filter), ones(filter.size(), 1), dilations(conv.getDilations()),
        low(conv.getPaddingLow()), high(conv.getPaddingHigh());
    for (size_t dim = 0; dim < dilations.size(); ++dim) {
      int64_t taps = filter[dim], stride = conv.getStrides()[dim];
      if (ShapedType::isDynamic(input[dim + 1]) || result[dim + 1] == 0)
        continue;
      auto isRead = [&](int64_t tap) {
        int64_t before = conv.getPaddingLow()[dim] - tap * conv.getDilations()[dim];
        int64_t position = before > 0 ? llvm::divideCeil(before, stride) : 0;
        return position < result[dim + 1] && position * stride - before < input[dim + 1];
      };
      // A tap goes with its share of the padding.
      for (; sizes[dim] > 1 && low[dim] >= dilations[dim] && !isRead(starts[dim]); --sizes[dim], ++starts[dim])
        low[dim] -= dilations[dim];
      for (; sizes[dim] > 1 && high[dim] >= dilations[dim] && !isRead(starts[dim] + sizes[dim] - 1); --sizes[dim])
        high[dim] -= dilations[dim];
      if (sizes[dim] == 1 && taps > 1)
        dilations[dim] = 1;
    }
    if (ArrayRef<int64_t>(sizes) == filter)
      return failure();
    Value kept = SliceOp::create(rewriter, conv.getLoc(), conv.getFilter(), starts, sizes, ones);
    rewriter.replaceOpWithNewOp<ConvOp>(conv, conv.getType(), conv.getInput(), kept, conv.getStrides(), dilations, low, high,
                                        conv.getGroups());
    return success();
  }
};

/// Whether the mean of a pointwise convolution takes more operations than the convolution of a mean, which is the same.
bool costsLessAfter(AvgPoolOp pool, ConvOp conv) {
  ArrayRef<int64_t> filter = cast<RankedTensorType>(conv.getFilter().getType()).getShape();
  int64_t channels = filter[filter.size() - 2], filters = filter.back(),
          taps = ShapedType::getNumElements(pool.getWindow()), positions = ShapedType::getNumElements(pool.getStrides());
  return taps * channels + channels * filters < positions * channels * filters + taps * filters;
}

/// The mean over a window and a convolution of one position, which nothing else reads, in the order of fewer operations.
struct PoolBeforeConv : OpRewritePattern<AvgPoolOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(AvgPoolOp pool, PatternRewriter &rewriter) const override {
    auto conv = pool.getInput().getDefiningOp<ConvOp>();
    if (!conv || !isPointwise(conv) || !conv->hasOneUse() || !costsLessAfter(pool, conv))
      return failure();
    Value mean = AvgPoolOp::create(rewriter, pool.getLoc(), conv.getInput(), pool.getWindow(), pool.getStrides(),
                                   pool.getDilations(), pool.getPaddingLow(), pool.getPaddingHigh(), pool.getCountIncludePad());
    rewriter.replaceOpWithNewOp<ConvOp>(pool, pool.getType(), mean, conv.getFilter(), conv.getStrides(), conv.getDilations(),
                                        conv.getPaddingLow(), conv.getPaddingHigh(), conv.getGroups());
    return success();
  }
};

struct ConvBeforePool : OpRewritePattern<ConvOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(ConvOp conv, PatternRewriter &rewriter) const override {
    auto pool = conv.getInput().getDefiningOp<AvgPoolOp>();
    auto isNorm = [](Operation *user) { return isa<BatchNormOp>(user); }; // goes into the filter first
    if (!isPointwise(conv) || !pool || !pool->hasOneUse() || costsLessAfter(pool, conv) || llvm::any_of(conv->getUsers(), isNorm))
      return failure();
    Value product = ConvOp::create(rewriter, conv.getLoc(), pool.getInput(), conv.getFilter(), conv.getStrides(),
                                   conv.getDilations(), conv.getPaddingLow(), conv.getPaddingHigh(), conv.getGroups());
    rewriter.replaceOpWithNewOp<AvgPoolOp>(conv, conv.getType(), product, pool.getWindow(), pool.getStrides(),
                                           pool.getDilations(), pool.getPaddingLow(), pool.getPaddingHigh(),
                                           pool.getCountIncludePad());
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
    llvm::StringSet<> updated = updatedParameters(getOperation());
    patterns.add<FoldAffineMap>(context, updated);
    patterns.add<AbsorbPadding, ConvBeforePool, DropTapsOfPadding, FoldBatchNorm, PoolBeforeConv, RemoveUntrained<DropoutOp>,
                 RemoveUntrained<ActivityPenaltyOp>>(context);
    populateFormLayers(patterns);
    populateRaiseSlices(patterns);
    populateSimplifyGradients(patterns);
    populateSinkTransposes(patterns);
    MapOp::getCanonicalizationPatterns(patterns, context);
    FullOp::getCanonicalizationPatterns(patterns, context);
    ReshapeOp::getCanonicalizationPatterns(patterns, context);
    IfOp::getCanonicalizationPatterns(patterns, context);
    ScanOp::getCanonicalizationPatterns(patterns, context);
    TransposeOp::getCanonicalizationPatterns(patterns, context);
    if (failed(applyPatterns(getOperation(), std::move(patterns))))
      signalPassFailure();
    // Parameters that nothing reads or replaces any more.
    for (ParameterOp parameter :
         llvm::make_early_inc_range(getOperation().getOps<ParameterOp>()))
      if (!updated.contains(parameter.getSymName()) && SymbolTable::symbolKnownUseEmpty(parameter, getOperation()))
        parameter.erase();
  }
};

} // namespace
