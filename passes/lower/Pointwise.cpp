//===- Pointwise.cpp - nn.map to halide ------------------------------------===//
//
// A map becomes a func whose body is the map's, with operands read at broadcast indices. What a scalar
// function is made of is codegen's business.
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
      mapping.map(argument, lowering.atBroadcast(b, loc, operand, lowering.typeOf(op), point));
    for (Operation &scalar : body.without_terminator())
      b.clone(scalar, mapping);
    halide::YieldOp::create(b, loc,
                            mapping.lookupOrDefault(body.getTerminator()->getOperand(0)));
  });
  return success();
}

void sylvite::addPointwiseLowerings(LoweringTable &table) { table.add<nn::MapOp, lowerMap>(); }
