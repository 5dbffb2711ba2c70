//===- Attention.cpp - attention to halide ---------------------------------===//
//
// Scores, their softmax and the sum of the values, each a func: the schedule computes them for a few rows of the result
// at a time. Keys and values are read from panels, as wide as the op says, that a head makes of them once: in these
// panels a register tile's loads are contiguous, and keys beyond the last one fill up the last panel.
//
//===----------------------------------------------------------------------===//
#include "passes/lower/Lowering.h"

#include "dialects/nn/Pointwise.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/IRMapping.h"

using namespace mlir;
using namespace sylvite;

/// `matrix` (..., K, N) as panels (..., N / width, K, N mod width), with the leading dimensions of `result`; the last one repeats
/// the last column.
static halide::FuncOp makePanels(GroupLowering &lowering, Location loc, StringRef name, Value matrix, RankedTensorType result,
                                 int64_t width) {
  RankedTensorType type = lowering.typeOf(matrix);
  unsigned columnDim = type.getRank() - 1, rank = result.getRank();
  return lowering.createFunc(loc, name, rank + 1, type.getElementType(), [&](OpBuilder &b, Location loc, ValueRange point) {
    IndexBuilder index(b, loc);
    ValueRange batch = point.take_front(rank - 2);
    Value column = index.add(index.mul(point[rank - 2], width), point[rank]);
    if (type.isDynamicDim(columnDim) || type.getDimSize(columnDim) % width)
      column = index.minimum(column, index.add(lowering.extent(b, loc, matrix, columnDim), -1));
    SmallVector<Value> indices = matrixIndices(index, type, result, batch, point[rank - 1], column);
    halide::YieldOp::create(b, loc, lowering.at(b, loc, matrix, indices));
  });
}

static Value atPanel(OpBuilder &b, Location loc, GroupLowering &lowering, halide::FuncOp panels, int64_t width,
                     ValueRange batch, Value row, Value column) {
  IndexBuilder index(b, loc);
  SmallVector<Value> indices(batch);
  indices.append({index.floorDiv(column, width), row, index.mod(column, width)});
  return lowering.at(b, loc, panels, indices);
}

static LogicalResult lowerAttention(nn::AttentionOp op, GroupLowering &lowering) {
  Location loc = op.getLoc();
  RankedTensorType query = lowering.typeOf(op.getQuery()), key = lowering.typeOf(op.getKey()), type = lowering.typeOf(op);
  unsigned rank = type.getRank();
  Type element = type.getElementType();
  int64_t numKeys = key.getShape().back(), keyPanel = op.getKeyPanel(), valuePanel = op.getValuePanel();
  bool fillsPanels = ShapedType::isDynamic(numKeys) || numKeys % keyPanel == 0;

  auto constantFunc = [&](StringRef name, unsigned rank, double value) {
    return lowering.createFunc(loc, name, rank, element, [&](OpBuilder &b, Location loc, ValueRange) {
      halide::YieldOp::create(b, loc, lowering.scalar(b, loc, element, value));
    });
  };
  // Rows of whole panels, with scores that weigh nothing at the end, unless the number of keys is free.
  halide::ReductionBound numScores =
      ShapedType::isDynamic(numKeys) ? lowering.extentBound(op.getKey(), key.getRank() - 1)
                                     : halide::ReductionBound(llvm::alignTo(numKeys, keyPanel));
  auto reduceRows = [&](StringRef name, halide::FuncOp scores, double initial,
                        function_ref<Value(OpBuilder &, Location, Value, Value)> combine) {
    halide::FuncOp total = constantFunc(name, rank - 1, initial);
    halide::UpdateOp::create(lowering.builder, loc, total, halide::ReductionVariable{"rj", 0, numScores},
                             [&](OpBuilder &b, Location loc, ValueRange vars) {
                               Value next = combine(b, loc, lowering.at(b, loc, total, vars.drop_back()),
                                                    lowering.at(b, loc, scores, vars));
                               halide::YieldOp::create(b, loc, next);
                             });
    return total;
  };

  halide::FuncOp keys = makePanels(lowering, loc, "keys", op.getKey(), type, keyPanel);
  halide::FuncOp products = constantFunc("products", rank, 0);
  halide::UpdateOp::create(
      lowering.builder, loc, products,
      halide::ReductionVariable{"rk", 0, lowering.extentBound(op.getQuery(), query.getRank() - 1)},
      [&](OpBuilder &b, Location loc, ValueRange vars) {
        IndexBuilder index(b, loc);
        ValueRange point = vars.drop_back(), batch = point.drop_back(2);
        Value row = point[rank - 2], k = vars.back();
        // A register tile may reach beyond a free number of rows; what it computes there is dropped.
        if (unsigned dim = query.getRank() - 2; query.isDynamicDim(dim))
          row = index.minimum(row, index.add(lowering.extent(b, loc, op.getQuery(), dim), -1));
        yieldProductSum(b, loc, lowering.at(b, loc, products, point),
                        lowering.at(b, loc, op.getQuery(), matrixIndices(index, query, type, batch, row, k)),
                        atPanel(b, loc, lowering, keys, keyPanel, batch, k, point.back()));
      });
  halide::FuncOp scores = lowering.createFunc(loc, "scores", rank, element, [&](OpBuilder &b, Location loc, ValueRange point) {
    IndexBuilder index(b, loc);
    Block &body = op.getBody().front();
    IRMapping mapping;
    mapping.map(body.getArgument(0), lowering.at(b, loc, products, point));
    SmallVector<Value> within(point);
    if (!op.getModifiers().empty()) {
      // A panel may reach beyond the last key.
      if (!fillsPanels || ShapedType::isDynamic(numKeys))
        within.back() = index.minimum(within.back(), index.add(lowering.extent(b, loc, op.getKey(), key.getRank() - 1), -1));
      if (type.isDynamicDim(rank - 2))
        within[rank - 2] = index.minimum(
            within[rank - 2], index.add(lowering.extent(b, loc, op.getQuery(), query.getRank() - 2), -1));
    }
    SmallVector<int64_t> scores(type.getShape());
    scores.back() = key.getShape().back();
    for (auto [argument, modifier] : llvm::zip(body.getArguments().drop_front(), op.getModifiers()))
      mapping.map(argument, lowering.atBroadcast(b, loc, modifier, type.clone(scores), within));
    for (Operation &scalar : body.without_terminator())
      b.clone(scalar, mapping);
    Value score = mapping.lookupOrDefault(body.getTerminator()->getOperand(0));
    if (!fillsPanels)
      score = arith::SelectOp::create(b, loc, index.lessThan(point.back(), index.constant(numKeys)), score,
                                      lowering.scalar(b, loc, element, -std::numeric_limits<double>::infinity()));
    halide::YieldOp::create(b, loc, score);
  });
  halide::FuncOp maximum = reduceRows("row_max", scores, -std::numeric_limits<double>::infinity(),
                                      [](OpBuilder &b, Location loc, Value x, Value y) -> Value {
                                        return arith::MaximumFOp::create(b, loc, x, y);
                                      });
  halide::FuncOp weights = lowering.createFunc(loc, "weights", rank, element, [&](OpBuilder &b, Location loc, ValueRange point) {
    Value shifted = arith::SubFOp::create(b, loc, lowering.at(b, loc, scores, point),
                                          lowering.at(b, loc, maximum, point.drop_back()));
    halide::YieldOp::create(b, loc, Value(math::ExpOp::create(b, loc, shifted)));
  });
  halide::FuncOp total =
      reduceRows("row_sum", weights, 0, [](OpBuilder &b, Location loc, Value x, Value y) -> Value {
        return arith::AddFOp::create(b, loc, x, y);
      });
  halide::FuncOp values = makePanels(lowering, loc, "values", op.getValue(), type, valuePanel);
  halide::FuncOp weighted = constantFunc("weighted", rank, 0);
  halide::UpdateOp::create(lowering.builder, loc, weighted,
                           halide::ReductionVariable{"rj", 0, lowering.extentBound(op.getKey(), key.getRank() - 1)},
                           [&](OpBuilder &b, Location loc, ValueRange vars) {
                             ValueRange point = vars.drop_back(), batch = point.drop_back(2);
                             SmallVector<Value> weight(point);
                             weight.back() = vars.back();
                             yieldProductSum(b, loc, lowering.at(b, loc, weighted, point),
                                             lowering.at(b, loc, weights, weight),
                                             atPanel(b, loc, lowering, values, valuePanel, batch, vars.back(), point.back()));
                           });
  lowering.defineFunc(op, "attention", [&](OpBuilder &b, Location loc, ValueRange point) {
    Value sum = lowering.at(b, loc, total, point.drop_back());
    Value mean = nn::ScalarBuilder(b, loc).quickDiv(lowering.at(b, loc, weighted, point), sum);
    if (op.getZeroUndefinedRows()) {
      Value isDefined = arith::CmpFOp::create(b, loc, arith::CmpFPredicate::ORD, sum, sum);
      mean = arith::SelectOp::create(b, loc, isDefined, mean, lowering.scalar(b, loc, element, 0));
    }
    halide::YieldOp::create(b, loc, mean);
  });
  return success();
}

void sylvite::addAttentionLowerings(LoweringTable &table) { table.add<nn::AttentionOp, lowerAttention>(); }
