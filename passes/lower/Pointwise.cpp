//===- Pointwise.cpp - nn.map to halide ------------------------------------===//
//
// A map becomes a func whose body is the map's, with operands read at broadcast indices. Scalar
// functions that would become calls of libm are expanded here.
//
//===----------------------------------------------------------------------===//
#include "passes/lower/Lowering.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/IRMapping.h"

using namespace mlir;
using namespace sylvite;

static LogicalResult lowerMap(nn::MapOp op, GroupLowering &lowering) {
  lowering.defineFunc(op, "map", [&](OpBuilder &b, Location loc, ValueRange point) {
    Block &body = op.getBody().front();
    IRMapping mapping;
    for (auto [argument, operand] : llvm::zip(body.getArguments(), op.getOperands()))
      mapping.map(argument, lowering.atBroadcast(b, loc, operand, point));
    for (Operation &scalar : body.without_terminator())
      b.clone(scalar, mapping);
    halide::YieldOp::create(b, loc,
                            mapping.lookupOrDefault(body.getTerminator()->getOperand(0)));
  });
  return success();
}

void sylvite::addPointwiseLowerings(LoweringTable &table) { table.add<nn::MapOp, lowerMap>(); }

/// tanh as the rational approximation of Eigen: an odd polynomial of degree 13 over an even one of
/// degree 6 on [-7.9, 7.9], where tanh is 1 to float precision; the error is below 3e-7.
static Value expandTanh(OpBuilder &b, Location loc, Value x) {
  auto constant = [&](double value) {
    return arith::ConstantOp::create(b, loc, b.getFloatAttr(x.getType(), value));
  };
  Value limit = constant(7.90531110763549805);
  Value clamped = arith::MaximumFOp::create(
      b, loc, arith::MinimumFOp::create(b, loc, x, limit), constant(-7.90531110763549805));
  Value square = arith::MulFOp::create(b, loc, clamped, clamped);
  auto horner = [&](ArrayRef<double> coefficients) {
    Value result = constant(coefficients[0]);
    for (double coefficient : coefficients.drop_front())
      result = arith::AddFOp::create(b, loc, arith::MulFOp::create(b, loc, result, square),
                                     constant(coefficient));
    return result;
  };
  Value numerator = horner({-2.76076847742355e-16, 2.00018790482477e-13, -8.60467152213735e-11,
                            5.12229709037114e-08, 1.48572235717979e-05, 6.37261928875436e-04,
                            4.89352455891786e-03});
  Value denominator = horner(
      {1.19825839466702e-06, 1.18534705686654e-04, 2.26843463243900e-03, 4.89352518554385e-03});
  return arith::DivFOp::create(b, loc, arith::MulFOp::create(b, loc, clamped, numerator),
                               denominator);
}

void sylvite::expandScalarMath(Operation *root) {
  root->walk([](math::TanhOp op) {
    if (!op.getType().isF32())
      return; // wider types want more digits: libm
    OpBuilder b(op);
    op.replaceAllUsesWith(expandTanh(b, op.getLoc(), op.getOperand()));
    op.erase();
  });
}
