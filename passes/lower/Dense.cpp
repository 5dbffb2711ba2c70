//===- Dense.cpp - matrix products to halide -------------------------------===//
//
// A product is a func of sums, updated over the contracted dimension.
//
//===----------------------------------------------------------------------===//
#include "passes/lower/Lowering.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;
using namespace sylvite;

/// The indices of an operand: batch dimensions broadcast, then the two of the matrix.
static SmallVector<Value> matrixIndices(IndexBuilder &index, RankedTensorType type,
                                        ValueRange batch, Value row, Value column, bool transposed) {
  if (transposed)
    std::swap(row, column);
  SmallVector<Value> indices(batch.take_back(type.getRank() - 2));
  for (auto [i, dim] : llvm::enumerate(type.getShape().drop_back(2)))
    if (dim == 1)
      indices[i] = index.constant(0);
  indices.append({row, column});
  return indices;
}

static LogicalResult lowerMatmul(nn::MatmulOp op, GroupLowering &lowering) {
  RankedTensorType lhs = lowering.typeOf(op.getLhs()), result = lowering.typeOf(op.getResult());
  bool isFloat = isa<FloatType>(result.getElementType());
  halide::FuncOp sum =
      lowering.defineFunc(op, "matmul", [&](OpBuilder &b, Location loc, ValueRange) {
        halide::YieldOp::create(b, loc, lowering.scalar(b, loc, result.getElementType(), 0));
      });
  unsigned contracted = lhs.getRank() - (op.getTransposeLhs() ? 2 : 1);
  halide::UpdateOp::create(
      lowering.builder, op.getLoc(), sum,
      halide::ReductionVariable{"rk", 0, lowering.extentBound(op.getLhs(), contracted)},
      [&](OpBuilder &b, Location loc, ValueRange vars) {
        IndexBuilder index(b, loc);
        ValueRange point = vars.drop_back(), batch = point.drop_back(2);
        Value k = vars.back(), row = point[point.size() - 2], column = point.back();
        // A register tile may reach beyond a free number of rows; what it computes there is dropped.
        unsigned rowDim = lhs.getRank() - (op.getTransposeLhs() ? 1 : 2);
        if (lhs.isDynamicDim(rowDim))
          row = index.minimum(row, index.add(lowering.extent(b, loc, op.getLhs(), rowDim), -1));
        Value x = lowering.at(b, loc, op.getLhs(),
                              matrixIndices(index, lhs, batch, row, k, op.getTransposeLhs()));
        Value y = lowering.at(b, loc, op.getRhs(),
                              matrixIndices(index, lowering.typeOf(op.getRhs()), batch, k, column,
                                            op.getTransposeRhs()));
        Value accumulator = lowering.at(b, loc, sum, point);
        Value next = isFloat ? Value(arith::AddFOp::create(b, loc, accumulator,
                                                           arith::MulFOp::create(b, loc, x, y)))
                             : Value(arith::AddIOp::create(b, loc, accumulator,
                                                           arith::MulIOp::create(b, loc, x, y)));
        halide::YieldOp::create(b, loc, next);
      });
  return success();
}

void sylvite::addDenseLowerings(LoweringTable &table) { table.add<nn::MatmulOp, lowerMatmul>(); }
