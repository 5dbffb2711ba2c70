//===- PlanNarrowWeights.cpp - weights that stay as narrow as they are stored ----===//
//
// A quantized model stores weights as bytes and scales. Products read the bytes, a quarter of what the numbers would take, and
// make numbers of them in registers; scales of output channels, and of all, are those of the result. Rows of a table become
// numbers after they were looked up.
//
//===----------------------------------------------------------------------===//
#include "dialects/nn/TensorBuilder.h"
#include "passes/nn/PlanContractions.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;
using namespace sylvite;
using namespace sylvite::nn;

namespace {

/// Constant numbers as the product of bytes and scales, which broadcast to them.
struct NarrowWeights {
  Value bytes;
  SmallVector<Value> scales;
};

} // namespace

static bool addFactors(NarrowWeights &weights, MapOp map);

/// Adds the factors of `scalar`, which the body of `map` computes. False where it is no product of such factors.
static bool addFactors(NarrowWeights &weights, MapOp map, Value scalar) {
  Operation *op = scalar.getDefiningOp();
  if (isa_and_nonnull<arith::MulFOp>(op))
    return addFactors(weights, map, op->getOperand(0)) && addFactors(weights, map, op->getOperand(1));
  if (isa_and_nonnull<arith::SIToFPOp, arith::ExtSIOp>(op))
    return addFactors(weights, map, op->getOperand(0));
  auto argument = dyn_cast<BlockArgument>(scalar);
  if (!argument)
    return false;
  Value operand = map.getOperands()[argument.getArgNumber()];
  bool isWhole = typeOf(operand).getShape() == typeOf(map).getShape();
  if (auto inner = operand.getDefiningOp<MapOp>(); inner && isWhole)
    return addFactors(weights, inner);
  if (isa<FloatType>(scalar.getType())) {
    weights.scales.push_back(operand);
    return true;
  }
  if (!isWhole || !typeOf(operand).getElementType().isSignlessInteger(8) || weights.bytes)
    return false;
  weights.bytes = operand;
  return true;
}

static bool addFactors(NarrowWeights &weights, MapOp map) {
  auto yield = cast<YieldOp>(map.getBody().front().getTerminator());
  return yield.getNumOperands() == 1 && addFactors(weights, map, yield.getOperand(0));
}

/// `value` as bytes and scales, if it is made of these alone, and of parameters.
static std::optional<NarrowWeights> narrowWeights(Value value) {
  NarrowWeights weights;
  auto map = value.getDefiningOp<MapOp>();
  if (!map || !dependsOnParametersOnly(value) || !addFactors(weights, map) || !weights.bytes)
    return std::nullopt;
  return weights;
}

namespace {

/// A product with such weights is one of their bytes, times the scales, which must not differ along the contracted dimension.
struct NarrowMatmul : OpRewritePattern<MatmulOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(MatmulOp op, PatternRewriter &rewriter) const override {
    Value rhs = op.getRhs();
    bool isTransposed = op.getTransposeRhs();
    if (auto transpose = rhs.getDefiningOp<TransposeOp>(); transpose && typeOf(rhs).getRank() == 2) {
      rhs = transpose.getInput();
      isTransposed = !isTransposed;
    }
    std::optional<NarrowWeights> weights = narrowWeights(rhs);
    if (!weights || typeOf(rhs).getRank() != 2 || dependsOnParametersOnly(op.getLhs()) ||
        typeOf(op.getLhs()).getElementType() != typeOf(rhs).getElementType())
      return failure();
    SmallVector<Value> scales;
    for (Value scale : weights->scales) {
      RankedTensorType type = typeOf(scale);
      int64_t columns = columnsOf(type, isTransposed);
      if (type.getNumElements() != columns)
        return failure();
      scales.push_back(columns == 1 || type.getRank() == 1 ? scale : reshapeTo(rewriter, op.getLoc(), scale, {columns}));
    }
    TensorBuilder b(op.getLoc(), rewriter);
    Value product = MatmulOp::create(rewriter, op.getLoc(), op.getType(), op.getLhs(), weights->bytes, op.getTransposeLhsAttr(),
                                     isTransposed ? rewriter.getUnitAttr() : UnitAttr());
    for (Value scale : scales)
      product = b.multiply(product, scale);
    rewriter.replaceOp(op, product);
    return success();
  }

private:
  /// How many of a scale's elements belong to columns of the product.
  static int64_t columnsOf(RankedTensorType scale, bool isTransposed) {
    int64_t fromLast = isTransposed ? 2 : 1;
    return scale.getRank() < fromLast ? 1 : scale.getDimSize(scale.getRank() - fromLast);
  }
};

/// Rows of a table are looked up as bytes.
struct NarrowGather : OpRewritePattern<GatherOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(GatherOp op, PatternRewriter &rewriter) const override {
    auto map = op.getData().getDefiningOp<MapOp>();
    if (op.getDim() != 0 || !narrowWeights(op.getData()) || dependsOnParametersOnly(op.getIndices()))
      return failure();
    RankedTensorType table = typeOf(op.getData());
    SmallVector<Value> operands;
    for (Value operand : map.getOperands()) {
      RankedTensorType type = typeOf(operand);
      bool hasRows = type.getRank() == table.getRank();
      if (hasRows && type.getDimSize(0) != 1)
        operand = GatherOp::create(rewriter, op.getLoc(), operand, op.getIndices(), op.getDimAttr());
      else if (hasRows)
        operand = reshapeTo(rewriter, op.getLoc(), operand, type.getShape().drop_front());
      operands.push_back(operand);
    }
    rewriter.replaceOp(op, cloneMap(rewriter, map, operands));
    return success();
  }
};

} // namespace

void sylvite::populateNarrowWeights(RewritePatternSet &patterns) {
  patterns.add<NarrowMatmul, NarrowGather>(patterns.getContext(), /*benefit=*/3);
}
