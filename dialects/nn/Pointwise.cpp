//===- Pointwise.cpp - nn.map and its scalar functions ---------------------===//
//
// Shape, checks and canonical form of nn.map, and the builders of activations.
//
//===----------------------------------------------------------------------===//
#include "dialects/nn/Pointwise.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/PatternMatch.h"

#include <cmath>

using namespace mlir;
using namespace sylvite::nn;

//===----------------------------------------------------------------------===//
// nn.map
//===----------------------------------------------------------------------===//

Type sylvite::nn::scalarType(Type tensor) {
  Type element = getElementTypeOrSelf(tensor);
  if (element.isUnsignedInteger())
    return IntegerType::get(tensor.getContext(), element.getIntOrFloatBitWidth());
  return element;
}

FailureOr<ShapeExpr> MapOp::resultShape(std::optional<Location> loc, ArrayRef<ShapeExpr> shapes) {
  auto shape = broadcastShapes(shapes);
  if (failed(shape))
    return emitOptionalError(loc, "map_c1: the operands do not broadcast together");
  return shape;
}

void MapOp::build(OpBuilder &builder, OperationState &state, Type result, ValueRange operands) {
  state.addTypes(result);
  state.addOperands(operands);
  state.addRegion();
}

void MapOp::build(OpBuilder &builder, OperationState &state, ValueRange operands,
                  function_ref<Value(OpBuilder &, Location, ValueRange)> body) {
  build(builder, state, Type(), operands, body);
}

void MapOp::build(OpBuilder &builder, OperationState &state, Type elementType, ValueRange operands,
                  function_ref<Value(OpBuilder &, Location, ValueRange)> body) {
  state.addOperands(operands);
  Region *region = state.addRegion();
  SmallVector<Type> scalars;
  for (Value operand : operands)
    scalars.push_back(scalarType(operand.getType()));
  OpBuilder::InsertionGuard guard(builder);
  Block *block = builder.createBlock(region, {}, scalars,
                                     SmallVector<Location>(operands.size(), state.location));
  Value element = body(builder, state.location, block->getArguments());
  YieldOp::create(builder, state.location, element);
  auto shape = broadcastShapes(shapesOfOperands(operands));
  // Operands that conflict make a result the verifier rejects.
  state.addTypes(typeOfShape(succeeded(shape) ? *shape : shapesOfOperands(operands).front(),
                             elementType ? elementType : element.getType()));
}

LogicalResult MapOp::verify() {
  auto shape = resultShape(getLoc(), shapesOfOperands(getOperands()));
  if (failed(shape))
    return failure();
  auto type = cast<RankedTensorType>(getResult().getType());
  if (failed(verifyCompatibleShape(typeOfShape(*shape, type.getElementType()), type)))
    return emitOpError("map_c1: the operands broadcast to ")
           << typeOfShape(*shape, type.getElementType()) << ", not to " << type;
  Block &block = getBody().front();
  if (block.getNumArguments() != getOperands().size())
    return emitOpError("map_c2: expected one block argument per operand");
  for (auto [argument, operand] : llvm::zip(block.getArguments(), getOperands()))
    if (argument.getType() != scalarType(operand.getType()))
      return emitOpError("map_c2: block argument #")
             << argument.getArgNumber() << " is " << argument.getType() << ", its operand is "
             << operand.getType();
  auto yield = cast<YieldOp>(block.getTerminator());
  if (yield.getNumOperands() != 1 || yield.getOperand(0).getType() != scalarType(type))
    return emitOpError("map_c2: expected to yield one ") << scalarType(type);
  for (Operation &op : block.without_terminator())
    // A division by zero gives what the hardware gives: no reason to refuse it.
    if (!isa<arith::ArithDialect, math::MathDialect>(op.getDialect()) || !isMemoryEffectFree(&op))
      return emitOpError("map_c3: the region may not hold '") << op.getName() << "'";
  return success();
}

namespace {
/// Removes operands that stand twice or that no element depends on, and maps that change nothing.
struct SimplifyMap : OpRewritePattern<MapOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(MapOp map, PatternRewriter &rewriter) const override {
    Block &block = map.getBody().front();
    auto yield = cast<YieldOp>(block.getTerminator());
    if (auto argument = dyn_cast<BlockArgument>(yield.getOperand(0));
        argument && argument.getOwner() == &block &&
        map.getOperand(argument.getArgNumber()).getType() == map.getType()) {
      rewriter.replaceOp(map, map.getOperand(argument.getArgNumber()));
      return success();
    }
    // An operand may go only when the others still give the result its shape.
    SmallVector<Value> kept;
    SmallVector<int> newIndex(map.getNumOperands(), -1);
    for (auto [i, operand] : llvm::enumerate(map.getOperands())) {
      auto *same = llvm::find(kept, operand);
      if (same == kept.end() && block.getArgument(i).use_empty())
        continue;
      newIndex[i] = same - kept.begin();
      if (same == kept.end())
        kept.push_back(operand);
    }
    if (kept.size() == map.getNumOperands() || kept.empty())
      return failure();
    auto shape = broadcastShapes(shapesOfOperands(kept));
    if (failed(shape) ||
        typeOfShape(*shape, map.getType().getElementType()) != map.getType())
      return failure();
    auto newMap = MapOp::create(rewriter, map.getLoc(), map.getType(), kept);
    Block *newBlock = rewriter.createBlock(&newMap.getBody());
    for (Value operand : kept)
      newBlock->addArgument(scalarType(operand.getType()), operand.getLoc());
    IRMapping mapping;
    for (auto [i, index] : llvm::enumerate(newIndex))
      if (index >= 0)
        mapping.map(block.getArgument(i), newBlock->getArgument(index));
    for (Operation &op : block)
      rewriter.clone(op, mapping);
    rewriter.replaceOp(map, newMap);
    return success();
  }
};
} // namespace

void MapOp::getCanonicalizationPatterns(RewritePatternSet &patterns, MLIRContext *context) {
  patterns.add<SimplifyMap>(context);
}

//===----------------------------------------------------------------------===//
// Scalar functions
//===----------------------------------------------------------------------===//

Value ScalarBuilder::constant(double value, Value like) {
  return arith::ConstantOp::create(b, loc, b.getFloatAttr(like.getType(), value));
}
Value ScalarBuilder::add(Value x, Value y) { return arith::AddFOp::create(b, loc, x, y); }
Value ScalarBuilder::sub(Value x, Value y) { return arith::SubFOp::create(b, loc, x, y); }
Value ScalarBuilder::mul(Value x, Value y) { return arith::MulFOp::create(b, loc, x, y); }
Value ScalarBuilder::div(Value x, Value y) { return arith::DivFOp::create(b, loc, x, y); }
Value ScalarBuilder::quickDiv(Value x, Value y) { return arith::DivFOp::create(b, loc, x, y, arith::FastMathFlags::arcp); }
Value ScalarBuilder::quickSqrt(Value x) { return math::SqrtOp::create(b, loc, x, arith::FastMathFlags::afn); }
Value ScalarBuilder::maximum(Value x, Value y) { return arith::MaximumFOp::create(b, loc, x, y); }
Value ScalarBuilder::minimum(Value x, Value y) { return arith::MinimumFOp::create(b, loc, x, y); }
Value ScalarBuilder::neg(Value x) { return arith::NegFOp::create(b, loc, x); }
Value ScalarBuilder::abs(Value x) { return math::AbsFOp::create(b, loc, x); }
Value ScalarBuilder::exp(Value x) { return math::ExpOp::create(b, loc, x); }
Value ScalarBuilder::expm1(Value x) { return math::ExpM1Op::create(b, loc, x); }
Value ScalarBuilder::log(Value x) { return math::LogOp::create(b, loc, x); }
Value ScalarBuilder::sqrt(Value x) { return math::SqrtOp::create(b, loc, x); }
Value ScalarBuilder::rsqrt(Value x) { return math::RsqrtOp::create(b, loc, x); }
Value ScalarBuilder::tanh(Value x) { return math::TanhOp::create(b, loc, x); }
Value ScalarBuilder::erf(Value x) { return math::ErfOp::create(b, loc, x); }
Value ScalarBuilder::cos(Value x) { return math::CosOp::create(b, loc, x); }
Value ScalarBuilder::floor(Value x) { return math::FloorOp::create(b, loc, x); }
Value ScalarBuilder::pow(Value x, Value y) { return math::PowFOp::create(b, loc, x, y); }

Value ScalarBuilder::selectGreater(Value x, Value y, Value whenTrue, Value whenFalse) {
  Value greater = arith::CmpFOp::create(b, loc, arith::CmpFPredicate::OGT, x, y);
  return arith::SelectOp::create(b, loc, greater, whenTrue, whenFalse);
}
Value ScalarBuilder::select(Value condition, Value x, Value y) {
  return arith::SelectOp::create(b, loc, condition, x, y);
}
Value ScalarBuilder::equals(Value x, Value y) {
  Value same = arith::CmpFOp::create(b, loc, arith::CmpFPredicate::OEQ, x, y);
  return select(same, constant(1, x), constant(0, x));
}
Value ScalarBuilder::clamp(Value x, double low, double high) {
  return minimum(maximum(x, constant(low, x)), constant(high, x));
}

Value ScalarBuilder::sigmoid(Value x) {
  Value one = constant(1, x);
  return div(one, add(one, exp(neg(x))));
}
Value ScalarBuilder::softplus(Value x) {
  // max(x, 0) + log(1 + exp(-|x|))
  Value tail = log(add(constant(1, x), exp(neg(abs(x)))));
  return add(relu(x), tail);
}
Value ScalarBuilder::logSigmoid(Value x) { return neg(softplus(neg(x))); }
Value ScalarBuilder::relu(Value x) { return maximum(x, constant(0, x)); }
Value ScalarBuilder::relu(Value x, double negativeSlope, double maxValue, double threshold) {
  Value result;
  if (threshold == 0 && negativeSlope == 0) {
    result = relu(x);
  } else {
    Value t = constant(threshold, x);
    Value below = negativeSlope == 0 ? constant(0, x)
                                     : mul(constant(negativeSlope, x), sub(x, t));
    Value reaches = arith::CmpFOp::create(b, loc, arith::CmpFPredicate::OGE, x, t);
    // Keras keeps x > threshold where there is no slope, x >= threshold where there is one; at the
    // threshold itself the two differ only for threshold > 0.
    if (negativeSlope == 0)
      reaches = arith::CmpFOp::create(b, loc, arith::CmpFPredicate::OGT, x, t);
    result = arith::SelectOp::create(b, loc, reaches, x, below);
  }
  return std::isinf(maxValue) ? result : minimum(result, constant(maxValue, x));
}
Value ScalarBuilder::leakyRelu(Value x, double slope) {
  return selectGreater(x, constant(0, x), x, mul(constant(slope, x), x));
}
Value ScalarBuilder::elu(Value x, double alpha) {
  Value zero = constant(0, x);
  Value negative = mul(constant(alpha, x), sub(exp(minimum(x, zero)), constant(1, x)));
  return selectGreater(x, zero, x, negative);
}
Value ScalarBuilder::celu(Value x, double alpha) {
  Value zero = constant(0, x);
  Value scaled = div(minimum(x, zero), constant(alpha, x));
  return add(maximum(x, zero), mul(constant(alpha, x), sub(exp(scaled), constant(1, x))));
}
Value ScalarBuilder::selu(Value x) {
  return mul(constant(1.0507009873554804934193349852946, x),
             elu(x, 1.6732632423543772848170429916717));
}
Value ScalarBuilder::gelu(Value x, bool approximate) {
  Value half = mul(constant(0.5, x), x), one = constant(1, x);
  if (!approximate)
    return mul(half, add(one, erf(mul(x, constant(0.70710678118654752440, x)))));
  Value cube = mul(mul(x, x), x);
  Value inner = mul(constant(0.79788456080286535588, x), add(x, mul(constant(0.044715, x), cube)));
  return mul(half, add(one, tanh(inner)));
}
Value ScalarBuilder::silu(Value x) { return mul(x, sigmoid(x)); }
Value ScalarBuilder::mish(Value x) { return mul(x, tanh(softplus(x))); }
Value ScalarBuilder::softsign(Value x) { return div(x, add(constant(1, x), abs(x))); }
Value ScalarBuilder::hardSigmoid(Value x) {
  return mul(clamp(add(x, constant(3, x)), 0, 6), constant(1.0 / 6.0, x));
}
Value ScalarBuilder::hardSilu(Value x) { return mul(x, hardSigmoid(x)); }
Value ScalarBuilder::hardTanh(Value x) { return clamp(x, -1, 1); }
Value ScalarBuilder::hardShrink(Value x, double threshold) {
  return selectGreater(abs(x), constant(threshold, x), x, constant(0, x));
}
Value ScalarBuilder::softShrink(Value x, double threshold) {
  // One of the two differences is positive, or neither.
  Value t = constant(threshold, x);
  return sub(relu(sub(x, t)), relu(sub(neg(x), t)));
}
Value ScalarBuilder::tanhShrink(Value x) { return sub(x, tanh(x)); }
Value ScalarBuilder::thresholdedRelu(Value x, double threshold) {
  return selectGreater(x, constant(threshold, x), x, constant(0, x));
}
Value ScalarBuilder::squareplus(Value x, double bValue) {
  return mul(constant(0.5, x), add(x, sqrt(add(mul(x, x), constant(bValue, x)))));
}
Value ScalarBuilder::sparsePlus(Value x) {
  Value one = constant(1, x), sum = add(x, one);
  Value quarter = mul(constant(0.25, x), mul(sum, sum));
  Value middle = selectGreater(x, constant(-1, x), quarter, constant(0, x));
  return selectGreater(one, x, middle, x);
}
Value ScalarBuilder::sparseSigmoid(Value x) {
  return clamp(mul(constant(0.5, x), add(x, constant(1, x))), 0, 1);
}

Value sylvite::nn::mapUnary(OpBuilder &builder, Location loc, Value x,
                            function_ref<Value(ScalarBuilder &, Value)> function) {
  return MapOp::create(builder, loc, ValueRange{x},
                       [&](OpBuilder &b, Location l, ValueRange scalars) {
                         ScalarBuilder scalar(b, l);
                         return function(scalar, scalars[0]);
                       });
}

Value sylvite::nn::mapBinary(OpBuilder &builder, Location loc, Value x, Value y,
                             function_ref<Value(ScalarBuilder &, Value, Value)> function) {
  return MapOp::create(builder, loc, ValueRange{x, y},
                       [&](OpBuilder &b, Location l, ValueRange scalars) {
                         ScalarBuilder scalar(b, l);
                         return function(scalar, scalars[0], scalars[1]);
                       });
}
