//===- Dense.cpp - matrix products to halide -------------------------------===//
//
// A product is a func of sums, updated over the contracted dimension.
//
//===----------------------------------------------------------------------===//
#include "passes/lower/Lowering.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;
using namespace sylvite;

SmallVector<Value> sylvite::matrixIndices(IndexBuilder &index, RankedTensorType type, RankedTensorType result, ValueRange batch,
                                          Value row, Value column) {
  SmallVector<Value> indices = broadcastIndices(index, type.getShape().drop_back(2), result.getShape().drop_back(2), batch);
  indices.append({row, column});
  return indices;
}

void sylvite::yieldProductSum(OpBuilder &b, Location loc, Value accumulator, Value x, Value y) {
  Type type = accumulator.getType();
  Value next;
  if (isa<FloatType>(type)) {
    if (isa<IntegerType>(y.getType())) // weights that are stored as bytes
      y = arith::SIToFPOp::create(b, loc, type, y);
    next = arith::AddFOp::create(b, loc, accumulator, arith::MulFOp::create(b, loc, x, y));
  } else {
    if (x.getType() != type) { // unsigned bytes times signed ones
      x = arith::ExtUIOp::create(b, loc, type, x);
      y = arith::ExtSIOp::create(b, loc, type, y);
    }
    next = arith::AddIOp::create(b, loc, accumulator, arith::MulIOp::create(b, loc, x, y));
  }
  halide::YieldOp::create(b, loc, next);
}

Value sylvite::clampRow(OpBuilder &b, Location loc, GroupLowering &lowering, Value lhs, unsigned dim, Value row) {
  if (!lowering.typeOf(lhs).isDynamicDim(dim))
    return row;
  IndexBuilder index(b, loc);
  return index.minimum(row, index.add(lowering.extent(b, loc, lhs, dim), -1));
}

/// Clamps those of the `indices` of `lhs` along which a register tile may run: its rows, dimension `rowDim`, and where that is a
/// single one the dimension before the matrix.
static void clampTile(OpBuilder &b, Location loc, GroupLowering &lowering, Value lhs, unsigned rowDim,
                      MutableArrayRef<Value> indices) {
  ArrayRef<int64_t> shape = lowering.typeOf(lhs).getShape();
  indices[rowDim] = clampRow(b, loc, lowering, lhs, rowDim, indices[rowDim]);
  bool isSingle = shape[rowDim] == 1;
  for (unsigned dim = shape.size() - 2; isSingle && dim-- > 0; isSingle = shape[dim] == 1)
    indices[dim] = clampRow(b, loc, lowering, lhs, dim, indices[dim]);
}

/// Yields whether the number `x` is not zero: whether a bit beside its sign is set, as one is of a NaN.
static void yieldIsNotZero(OpBuilder &b, Location loc, Value x) {
  auto bits = b.getIntegerType(x.getType().getIntOrFloatBitWidth());
  auto constant = [&](APInt value) { return arith::ConstantOp::create(b, loc, b.getIntegerAttr(bits, value)); };
  Value number = arith::AndIOp::create(b, loc, arith::BitcastOp::create(b, loc, bits, x),
                                       constant(APInt::getSignedMaxValue(bits.getWidth())));
  halide::YieldOp::create(
      b, loc, Value(arith::CmpIOp::create(b, loc, arith::CmpIPredicate::ne, number, constant(APInt::getZero(bits.getWidth())))));
}

static LogicalResult lowerMatmul(nn::MatmulOp op, GroupLowering &lowering) {
  RankedTensorType lhs = lowering.typeOf(op.getLhs()), result = lowering.typeOf(op.getResult());
  halide::FuncOp sum =
      lowering.defineFunc(op, "matmul", [&](OpBuilder &b, Location loc, ValueRange) {
        halide::YieldOp::create(b, loc, lowering.scalar(b, loc, result.getElementType(), 0));
      });
  unsigned contracted = lhs.getRank() - (op.getTransposeLhs() ? 2 : 1);
  auto isNotZero = [&](OpBuilder &b, Location loc, ValueRange vars) {
    SmallVector<Value> in(vars.take_front(lhs.getRank()));
    in.back() = vars.back();
    yieldIsNotZero(b, loc, lowering.at(b, loc, op.getLhs(), in));
  };
  bool skipsZeros = op.getLhsHasZeros() && lhs.hasStaticShape() && lhs.getNumElements() == lhs.getShape().back();
  halide::UpdateOp::create(
      lowering.builder, op.getLoc(), sum,
      halide::ReductionVariable{"rk", 0, lowering.extentBound(op.getLhs(), contracted)},
      [&](OpBuilder &b, Location loc, ValueRange vars) {
        IndexBuilder index(b, loc);
        ValueRange point = vars.drop_back(), batch = point.drop_back(2);
        Value k = vars.back(), row = point[point.size() - 2], column = point.back();
        auto indices = [&](Value operand, bool isTransposed, Value row, Value column) {
          if (isTransposed)
            std::swap(row, column);
          return matrixIndices(index, lowering.typeOf(operand), result, batch, row, column);
        };
        SmallVector<Value> in = indices(op.getLhs(), op.getTransposeLhs(), row, k);
        clampTile(b, loc, lowering, op.getLhs(), lhs.getRank() - (op.getTransposeLhs() ? 1 : 2), in);
        Value x = lowering.at(b, loc, op.getLhs(), in),
              y = lowering.at(b, loc, op.getRhs(), indices(op.getRhs(), op.getTransposeRhs(), k, column));
        yieldProductSum(b, loc, lowering.at(b, loc, sum, point), x, y);
      },
      skipsZeros ? halide::BodyBuilder(isNotZero) : nullptr);
  return success();
}

/// Products of bytes: sums by panels of columns, four terms at a time, in an order in which the weights are one stream.
static LogicalResult lowerByteProduct(nn::PackedMatmulOp op, GroupLowering &lowering) {
  RankedTensorType lhs = lowering.typeOf(op.getLhs()), rhs = lowering.typeOf(op.getRhs());
  int64_t rank = lhs.getRank(), block = rhs.getDimSize(2), together = rhs.getDimSize(3);
  Type i32 = lowering.typeOf(op).getElementType();
  halide::FuncOp panels = lowering.createFunc(op.getLoc(), "panels", rank + 1, i32, [&](OpBuilder &b, Location loc, ValueRange) {
    halide::YieldOp::create(b, loc, lowering.scalar(b, loc, i32, 0));
  });
  halide::ReductionVariable group{"rk", 0, rhs.getDimSize(1)}, term{"rt", 0, together};
  halide::UpdateOp::create(lowering.builder, op.getLoc(), panels, {group, term}, [&](OpBuilder &b, Location loc, ValueRange vars) {
    IndexBuilder index(b, loc);
    ValueRange point = vars.take_front(rank + 1);
    Value panel = point[rank - 1], column = point[rank], k = vars[rank + 1], t = vars[rank + 2];
    SmallVector<Value> in(point.take_front(rank));
    in[rank - 1] = index.add(index.mul(k, together), t);
    clampTile(b, loc, lowering, op.getLhs(), rank - 2, in);
    yieldProductSum(b, loc, lowering.at(b, loc, panels, point), lowering.at(b, loc, op.getLhs(), in),
                    lowering.at(b, loc, op.getRhs(), {panel, k, column, t}));
  });
  lowering.defineFunc(op, "matmul", [&](OpBuilder &b, Location loc, ValueRange point) {
    IndexBuilder index(b, loc);
    SmallVector<Value> in(point);
    in.back() = index.floorDiv(point.back(), block);
    in.push_back(index.mod(point.back(), block));
    halide::YieldOp::create(b, loc, lowering.at(b, loc, panels, in));
  });
  return success();
}

/// Dot products along the contracted dimension: sums per lane of a vector, which meet at the end.
static LogicalResult lowerDotProducts(nn::PackedMatmulOp op, GroupLowering &lowering) {
  RankedTensorType rhs = lowering.typeOf(op.getRhs()), result = lowering.typeOf(op);
  int64_t rank = result.getRank(), block = rhs.getDimSize(2), lanes = rhs.getDimSize(3);
  auto zero = [&](OpBuilder &b, Location loc, ValueRange) {
    halide::YieldOp::create(b, loc, lowering.scalar(b, loc, result.getElementType(), 0));
  };
  halide::FuncOp partial = lowering.createFunc(op.getLoc(), "lanes", rank + 1, result.getElementType(), zero);
  halide::UpdateOp::create(
      lowering.builder, op.getLoc(), partial, halide::ReductionVariable{"rk", 0, rhs.getDimSize(1)},
      [&](OpBuilder &b, Location loc, ValueRange vars) {
        IndexBuilder index(b, loc);
        ValueRange point = vars.drop_back();
        Value k = vars.back(), lane = point.back(), column = point[rank - 1];
        SmallVector<Value> in(point.take_front(rank));
        in[rank - 1] = index.add(index.mul(k, lanes), lane);
        clampTile(b, loc, lowering, op.getLhs(), rank - 2, in);
        yieldProductSum(b, loc, lowering.at(b, loc, partial, point), lowering.at(b, loc, op.getLhs(), in),
                        lowering.at(b, loc, op.getRhs(),
                                    {index.floorDiv(column, block), k, index.mod(column, block), lane}));
      });
  halide::FuncOp sum = lowering.defineFunc(op, "matmul", zero);
  halide::UpdateOp::create(lowering.builder, op.getLoc(), sum, halide::ReductionVariable{"rl", 0, lanes},
                           [&](OpBuilder &b, Location loc, ValueRange vars) {
                             Value before = lowering.at(b, loc, sum, vars.drop_back()),
                                   lane = lowering.at(b, loc, partial, vars);
                             halide::YieldOp::create(b, loc, Value(arith::AddFOp::create(b, loc, before, lane)));
                           });
  return success();
}

static LogicalResult lowerPackedMatmul(nn::PackedMatmulOp op, GroupLowering &lowering) {
  RankedTensorType lhs = lowering.typeOf(op.getLhs()), rhs = lowering.typeOf(op.getRhs()), result = lowering.typeOf(op);
  if (lhs.getElementType() != result.getElementType())
    return lowerByteProduct(op, lowering);
  if (rhs.getRank() == 4 && result.getRank() == lhs.getRank())
    return lowerDotProducts(op, lowering);
  int64_t block = rhs.getShape().back();
  halide::FuncOp sum =
      lowering.defineFunc(op, "matmul", [&](OpBuilder &b, Location loc, ValueRange) {
        halide::YieldOp::create(b, loc, lowering.scalar(b, loc, result.getElementType(), 0));
      });
  halide::UpdateOp::create(
      lowering.builder, op.getLoc(), sum, halide::ReductionVariable{"rk", 0, rhs.getDimSize(1)},
      [&](OpBuilder &b, Location loc, ValueRange vars) {
        IndexBuilder index(b, loc);
        ValueRange point = vars.drop_back();
        Value k = vars.back(), column = point.back();
        SmallVector<Value> in(point.take_back(lhs.getRank()));
        in.back() = k;
        clampTile(b, loc, lowering, op.getLhs(), lhs.getRank() - 2, in);
        SmallVector<Value> weight{index.floorDiv(column, block), k};
        if (rhs.getRank() == 4)
          weight.push_back(point.front()); // the gate
        weight.push_back(index.mod(column, block));
        yieldProductSum(b, loc, lowering.at(b, loc, sum, point), lowering.at(b, loc, op.getLhs(), in),
                        lowering.at(b, loc, op.getRhs(), weight));
      });
  return success();
}

void sylvite::addDenseLowerings(LoweringTable &table) {
  table.add<nn::MatmulOp, lowerMatmul>();
  table.add<nn::PackedMatmulOp, lowerPackedMatmul>();
}
