//===- PlanWinograd.cpp - 3x3 convolutions by Winograd's algorithm ---------===//
//
// Patterns of nn-plan-contractions. Where filters are so many that reading them takes longer than to transform them, their
// taps are packed as they are, and the kernel transforms them.
//
//===----------------------------------------------------------------------===//
#include "dialects/nn/TensorBuilder.h"
#include "passes/nn/PlanContractions.h"
#include "passes/nn/Utils.h"

#include "mlir/IR/Remarks.h"

using namespace mlir;
using namespace sylvite;
using namespace sylvite::nn;

namespace {

/// A 3x3 convolution of stride one by Winograd's algorithm, where that is estimated to be faster than
/// the definition.
struct Winograd : PlanPattern<ConvOp> {
  using PlanPattern::PlanPattern;
  LogicalResult matchAndRewrite(ConvOp op, PatternRewriter &rewriter) const override {
    RankedTensorType filter = typeOf(op.getFilter()), result = op.getType();
    auto tooWide = [](int64_t padding) { return padding > 2; };
    if (op.getGroups() != 1 || filter.getRank() != 4 || filter.getDimSize(0) != 3 ||
        filter.getDimSize(1) != 3 || !areAll(op.getStrides(), 1) || !areAll(op.getDilations(), 1) ||
        llvm::any_of(op.getPaddingLow(), tooWide) || llvm::any_of(op.getPaddingHigh(), tooWide) ||
        !filter.getElementType().isF32() || !dependsOnParametersOnly(op.getFilter()) ||
        dependsOnParametersOnly(op.getInput()))
      return failure();
    int64_t height = result.getDimSize(1), width = result.getDimSize(2),
            channels = filter.getDimSize(2), filters = filter.getDimSize(3);
    int64_t lanes = lanesOf(op.getFilter(), filters), batch = result.getDimSize(0);
    bool isStep = updatesFilters(op);
    if (ShapedType::isDynamic(batch))
      batch = isStep ? itemsOfStep : 1;
    WinogradPlan plan = planWinograd({height, width, channels, filters, lanes, batch, isStep}, machine);
    auto estimated = [](int64_t size) { return ShapedType::isDynamic(size) ? typicalExtent : size; };
    Contraction direct{filters, estimated(height) * estimated(width), 9 * channels, lanes, Weights::Packed, /*taps=*/0,
                       bytesOfRow(typeOf(op.getInput()))};
    double directCycles = overlapped(estimateCycles(direct, chooseTile(direct, machine)),
                                     estimateWeightCycles(4.0 * 9 * channels * filters));
    auto compare = [&](remark::detail::InFlightRemark remark) {
      remark << remark::add("F({0}x{0}, 3x3){1} is estimated at {2:f0} cycles an image, the definition at {3:f0}", plan.tile,
                            plan.channels ? " with filters transformed in the kernel" : "", plan.cycles, directCycles);
    };
    auto about = remark::RemarkOpts::name("Winograd").category("contractions");
    if (plan.cycles > 0.95 * directCycles) {
      compare(remark::missed(op.getLoc(), about));
      return failure();
    }
    compare(remark::passed(op.getLoc(), about));
    Value weights = op.getFilter();
    int64_t points = 9;
    if (!plan.channels) {
      points = (plan.tile + 2) * (plan.tile + 2);
      weights = WinogradFilterOp::create(rewriter, op.getLoc(), weights, plan.tile);
    }
    weights = reshapeTo(rewriter, op.getLoc(), weights, {points, channels, filters});
    Value packed = packChannels(rewriter, op.getLoc(), weights, plan.product.vectors * lanes);
    if (plan.channels)
      packed = transposeTo(rewriter, op.getLoc(), packed, {0, 2, 1, 3});
    rewriter.replaceOpWithNewOp<WinogradConvOp>(op, op.getType(), op.getInput(), packed, filters,
                                                plan.tile, op.getPaddingLow(), op.getPaddingHigh(), plan.items);
    return success();
  }

private:
  /// Whether the function of `op` also has gradients of filters: it is a step of training.
  static bool updatesFilters(ConvOp op) {
    return llvm::any_of(*op->getBlock(), [](Operation &other) { return isa<ConvGradFilterOp, WinogradGradFilterOp>(other); });
  }
};

/// The gradient of a filter of such a convolution likewise.
struct WinogradGradFilter : PlanPattern<ConvGradFilterOp> {
  using PlanPattern::PlanPattern;
  LogicalResult matchAndRewrite(ConvGradFilterOp op, PatternRewriter &rewriter) const override {
    RankedTensorType input = typeOf(op.getInput()), gradient = typeOf(op.getGradient());
    auto tooWide = [](int64_t padding) { return padding > 2; };
    if (op.getGroups() != 1 || op.getWindow() != ArrayRef<int64_t>{3, 3} || !areAll(op.getStrides(), 1) ||
        !areAll(op.getDilations(), 1) || llvm::any_of(op.getPaddingLow(), tooWide) ||
        llvm::any_of(op.getPaddingHigh(), tooWide) || ShapedType::isDynamicShape(input.getShape().drop_front()) ||
        ShapedType::isDynamicShape(gradient.getShape().drop_front()) || !gradient.getElementType().isF32())
      return failure();
    int64_t height = gradient.getDimSize(1), width = gradient.getDimSize(2), channels = input.getDimSize(3),
            filters = gradient.getDimSize(3), lanes = machine.lanes(gradient.getElementType());
    WinogradGradientPlan plan = planWinogradGradient({height, width, channels, filters, lanes}, machine);
    Contraction direct{filters, 9 * channels, height * width, lanes};
    double directCycles = estimateCycles(direct, chooseTile(direct, machine));
    auto about = remark::RemarkOpts::name("Winograd").category("contractions");
    auto compare = [&](remark::detail::InFlightRemark remark) {
      remark << remark::add("the gradient by F({0}x{0}, 3x3) is estimated at {1:f0} cycles an image, by the definition at {2:f0}",
                            plan.tile, plan.cycles, directCycles);
    };
    if (plan.cycles > 0.95 * directCycles) {
      compare(remark::missed(op.getLoc(), about));
      return failure();
    }
    compare(remark::passed(op.getLoc(), about));
    rewriter.replaceOpWithNewOp<WinogradGradFilterOp>(op, op.getType(), op.getInput(), op.getGradient(), plan.tile,
                                                      op.getPaddingLow(), op.getPaddingHigh());
    return success();
  }
};

} // namespace

void sylvite::populateWinograd(RewritePatternSet &patterns, const Machine &machine) {
  patterns.add<Winograd, WinogradGradFilter>(patterns.getContext(), machine, /*benefit=*/2);
}
