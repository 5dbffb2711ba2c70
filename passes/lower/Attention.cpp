//===- Attention.cpp - attention to halide ---------------------------------===//
//
// Scores, their softmax and the sum of the values, each a func: the schedule computes them for a few rows of the result
// at a time. Keys and values are read from panels, as wide as the op says, which are made of them once for many rows: in
// these panels a register tile's loads are contiguous, and keys beyond the last one fill up the last panel.
//
// Where keys come in blocks, all of that is done for each block, and @online goes from block to block with what a row has
// of the result so far, its greatest score and its sum of weights (online softmax).
//
//===----------------------------------------------------------------------===//
#include "passes/lower/Lowering.h"

#include "dialects/nn/Pointwise.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/IRMapping.h"

using namespace mlir;
using namespace sylvite;

namespace {

class AttentionLowering {
public:
  AttentionLowering(nn::AttentionOp op, GroupLowering &lowering)
      : op(op), lowering(lowering), loc(op.getLoc()), type(lowering.typeOf(op)), rank(type.getRank()),
        element(type.getElementType()), numKeys(lowering.typeOf(op.getKey()).getShape().back()), block(op.getKeyBlock()) {}

  void lower() {
    halide::FuncOp products = lowerProducts(), scores = lowerScores(products);
    // What masks all keys of a block gives them no weight, and if it masks all keys, the sum is zero.
    double lowest = APFloat::getLargest(cast<FloatType>(element).getFloatSemantics(), /*Negative=*/true).convertToDouble();
    halide::FuncOp maximum = reduceRows("row_max", scores, lowest, &nn::ScalarBuilder::maximum);
    halide::FuncOp weights = lowerWeights(scores, maximum);
    halide::FuncOp total = reduceRows("row_sum", weights, 0, &nn::ScalarBuilder::add);
    halide::FuncOp weighted = lowerWeighted(weights);
    halide::FuncOp online = block ? lowerOnline(weighted, maximum, total, lowest) : nullptr;
    lowering.defineFunc(op, "attention", [&](OpBuilder &b, Location loc, ValueRange point) {
      nn::ScalarBuilder scalars(b, loc);
      Value values, sum;
      if (online) {
        ValueRange elements = atOnline(b, loc, online, point);
        values = elements[0], sum = elements[2];
      } else {
        values = lowering.at(b, loc, weighted, point);
        sum = lowering.at(b, loc, total, point.drop_back());
      }
      Value mean = scalars.quickDiv(values, sum);
      if (op.getZeroUndefinedRows()) {
        Value zero = lowering.scalar(b, loc, element, 0);
        Value isDefined = arith::CmpFOp::create(b, loc, arith::CmpFPredicate::OGT, sum, zero);
        mean = arith::SelectOp::create(b, loc, isDefined, mean, zero);
      }
      halide::YieldOp::create(b, loc, mean);
    });
  }

private:
  halide::FuncOp createFunc(StringRef name, unsigned rank, halide::BodyBuilder body) {
    return lowering.createFunc(loc, name, rank, element, body);
  }

  halide::FuncOp constantFunc(StringRef name, unsigned rank, double value) {
    return createFunc(name, rank, [&](OpBuilder &b, Location loc, ValueRange) {
      halide::YieldOp::create(b, loc, lowering.scalar(b, loc, element, value));
    });
  }

  /// Whether panels, or blocks, reach beyond the last key.
  bool exceedsKeys() {
    return ShapedType::isDynamic(numKeys) || numKeys % block.value_or(static_cast<int64_t>(op.getKeyPanel())) != 0;
  }

  Value extentOfKeys(OpBuilder &b, Location loc) {
    return lowering.extent(b, loc, op.getKey(), lowering.typeOf(op.getKey()).getRank() - 1);
  }
  halide::ReductionBound boundOfKeys() {
    return lowering.extentBound(op.getKey(), lowering.typeOf(op.getKey()).getRank() - 1);
  }

  /// `index`, of dimension `dim` of `value`, within it.
  Value within(OpBuilder &b, Location loc, Value index, Value value, unsigned dim) {
    IndexBuilder indices(b, loc);
    return indices.minimum(index, indices.add(lowering.extent(b, loc, value, dim), -1));
  }

  /// `matrix` (..., K, N) as panels (..., N / width, K, N mod width), with the leading dimensions of the result; what is beyond an
  /// end, as is said of rows and columns, repeats what is last there.
  halide::FuncOp makePanels(StringRef name, Value matrix, int64_t width, bool exceedsRows, bool exceedsColumns) {
    RankedTensorType matrixType = lowering.typeOf(matrix);
    unsigned rowDim = matrixType.getRank() - 2;
    return createFunc(name, rank + 1, [&](OpBuilder &b, Location loc, ValueRange point) {
      IndexBuilder index(b, loc);
      Value row = point[rank - 1], column = index.add(index.mul(point[rank - 2], width), point[rank]);
      if (exceedsRows)
        row = within(b, loc, row, matrix, rowDim);
      if (exceedsColumns)
        column = within(b, loc, column, matrix, rowDim + 1);
      halide::YieldOp::create(
          b, loc, lowering.at(b, loc, matrix, matrixIndices(index, matrixType, type, point.take_front(rank - 2), row, column)));
    });
  }

  Value atPanel(OpBuilder &b, Location loc, halide::FuncOp panels, int64_t width, ValueRange batch, Value row, Value column) {
    IndexBuilder index(b, loc);
    SmallVector<Value> indices(batch);
    indices.append({index.floorDiv(column, width), row, index.mod(column, width)});
    return lowering.at(b, loc, panels, indices);
  }

  halide::FuncOp lowerProducts() {
    Value query = op.getQuery();
    RankedTensorType queryType = lowering.typeOf(query);
    unsigned rowDim = queryType.getRank() - 2;
    halide::FuncOp keys = makePanels("keys", op.getKey(), op.getKeyPanel(), /*exceedsRows=*/false, exceedsKeys());
    halide::FuncOp products = constantFunc("products", rank, 0);
    halide::ReductionVariable length{"rk", 0, lowering.extentBound(query, rowDim + 1)};
    halide::UpdateOp::create(lowering.builder, loc, products, length, [&](OpBuilder &b, Location loc, ValueRange vars) {
      IndexBuilder index(b, loc);
      ValueRange point = vars.drop_back(), batch = point.drop_back(2);
      Value row = clampRow(b, loc, lowering, query, rowDim, point[rank - 2]), k = vars.back();
      yieldProductSum(b, loc, lowering.at(b, loc, products, point),
                      lowering.at(b, loc, query, matrixIndices(index, queryType, type, batch, row, k)),
                      atPanel(b, loc, keys, op.getKeyPanel(), batch, k, point.back()));
    });
    return products;
  }

  halide::FuncOp lowerScores(halide::FuncOp products) {
    return createFunc("scores", rank, [&](OpBuilder &b, Location loc, ValueRange point) {
      Block &body = op.getBody().front();
      IRMapping mapping;
      mapping.map(body.getArgument(0), lowering.at(b, loc, products, point));
      SmallVector<Value> inside(point);
      if (!op.getModifiers().empty()) {
        Value query = op.getQuery(), key = op.getKey();
        if (exceedsKeys())
          inside.back() = within(b, loc, inside.back(), key, lowering.typeOf(key).getRank() - 1);
        inside[rank - 2] = clampRow(b, loc, lowering, query, lowering.typeOf(query).getRank() - 2, inside[rank - 2]);
      }
      SmallVector<int64_t> scores(type.getShape());
      scores.back() = numKeys;
      for (auto [argument, modifier] : llvm::zip(body.getArguments().drop_front(), op.getModifiers()))
        mapping.map(argument, lowering.atBroadcast(b, loc, modifier, type.clone(scores), inside));
      for (Operation &scalar : body.without_terminator())
        b.clone(scalar, mapping);
      Value score = mapping.lookupOrDefault(body.getTerminator()->getOperand(0));
      // Keys beyond the last one weigh nothing; rows end with a free number of keys if these are not in blocks.
      if (exceedsKeys() && (block || !ShapedType::isDynamic(numKeys)))
        score = arith::SelectOp::create(b, loc, IndexBuilder(b, loc).lessThan(point.back(), extentOfKeys(b, loc)), score,
                                        lowering.scalar(b, loc, element, -std::numeric_limits<double>::infinity()));
      halide::YieldOp::create(b, loc, score);
    });
  }

  /// A reduction of `total` over the keys of a row up to `end`, or over the panels of one block of them, which is a variable of
  /// `total` behind the rows. `combine` gets the point of `total` and the key.
  void reduceKeys(halide::FuncOp total, halide::ReductionBound end,
                  function_ref<void(OpBuilder &, Location, ValueRange, Value)> combine) {
    if (!block) {
      halide::ReductionVariable keys{"rj", 0, end};
      halide::UpdateOp::create(lowering.builder, loc, total, keys, [&](OpBuilder &b, Location loc, ValueRange vars) {
        combine(b, loc, vars.drop_back(), vars.back());
      });
      return;
    }
    int64_t panel = op.getKeyPanel();
    auto firstKey = [&](OpBuilder &b, Location loc, ValueRange vars) {
      IndexBuilder index(b, loc);
      return index.add(index.mul(vars[rank - 1], *block), index.mul(vars[vars.size() - 2], panel));
    };
    // The last block has fewer panels; the limit in the index says of which keys others compute something.
    auto hasKeys = [&](OpBuilder &b, Location loc, ValueRange vars) {
      halide::YieldOp::create(b, loc, IndexBuilder(b, loc).lessThan(firstKey(b, loc, vars), extentOfKeys(b, loc)));
    };
    halide::UpdateOp::create(
        lowering.builder, loc, total, {{"rp", 0, *block / panel}, {"rj", 0, panel}},
        [&](OpBuilder &b, Location loc, ValueRange vars) {
          IndexBuilder index(b, loc);
          Value first = firstKey(b, loc, vars);
          if (exceedsKeys())
            first = index.minimum(first, index.mul(index.floorDiv(index.add(extentOfKeys(b, loc), -1), panel), panel));
          combine(b, loc, vars.drop_back(2), index.add(first, vars.back()));
        },
        exceedsKeys() ? halide::BodyBuilder(hasKeys) : nullptr);
  }

  /// Of the scores or weights of a row: func (..., rows), with a last dimension of blocks where there are such.
  halide::FuncOp reduceRows(StringRef name, halide::FuncOp elements, double initial,
                            Value (nn::ScalarBuilder::*combine)(Value, Value)) {
    halide::FuncOp total = constantFunc(name, rank - 1 + block.has_value(), initial);
    halide::ReductionBound end = ShapedType::isDynamic(numKeys)
                                     ? boundOfKeys()
                                     : halide::ReductionBound(llvm::alignTo(numKeys, op.getKeyPanel()));
    reduceKeys(total, end, [&](OpBuilder &b, Location loc, ValueRange point, Value key) {
      SmallVector<Value> read(point.take_front(rank - 1));
      read.push_back(key);
      nn::ScalarBuilder scalars(b, loc);
      Value next = (scalars.*combine)(lowering.at(b, loc, total, point), lowering.at(b, loc, elements, read));
      halide::YieldOp::create(b, loc, next);
    });
    return total;
  }

  halide::FuncOp lowerWeights(halide::FuncOp scores, halide::FuncOp maximum) {
    return createFunc("weights", rank, [&](OpBuilder &b, Location loc, ValueRange point) {
      nn::ScalarBuilder scalars(b, loc);
      SmallVector<Value> row(point.drop_back());
      if (block)
        row.push_back(IndexBuilder(b, loc).floorDiv(point.back(), *block));
      Value shifted = scalars.sub(lowering.at(b, loc, scores, point), lowering.at(b, loc, maximum, row));
      halide::YieldOp::create(b, loc, scalars.exp(shifted));
    });
  }

  /// The values as they are weighted: (..., rows, columns), or (..., rows, blocks, columns).
  halide::FuncOp lowerWeighted(halide::FuncOp weights) {
    halide::FuncOp values = makePanels("values", op.getValue(), op.getValuePanel(), block && exceedsKeys(),
                                       type.getShape().back() % op.getValuePanel() != 0);
    halide::FuncOp weighted = constantFunc("weighted", rank + block.has_value(), 0);
    reduceKeys(weighted, boundOfKeys(), [&](OpBuilder &b, Location loc, ValueRange point, Value key) {
      SmallVector<Value> weight(point.take_front(rank - 1));
      weight.push_back(key);
      yieldProductSum(b, loc, lowering.at(b, loc, weighted, point), lowering.at(b, loc, weights, weight),
                      atPanel(b, loc, values, op.getValuePanel(), point.take_front(rank - 2), key, point.back()));
    });
    return weighted;
  }

  ValueRange atOnline(OpBuilder &b, Location loc, halide::FuncOp online, ValueRange point) {
    return halide::AtOp::create(b, loc, TypeRange(online.getElementTypes()), online.getSymName(), point).getValues();
  }

  /// What a row has after each block: the weighted values, the greatest score to which weights are relative, and the sum of
  /// weights; the last two are the same in all columns.
  halide::FuncOp lowerOnline(halide::FuncOp weighted, halide::FuncOp maximum, halide::FuncOp total, double lowest) {
    auto before = [&](OpBuilder &b, Location loc, ValueRange) {
      Value zero = lowering.scalar(b, loc, element, 0);
      halide::YieldOp::create(b, loc, ValueRange{zero, lowering.scalar(b, loc, element, lowest), zero});
    };
    halide::FuncOp online = lowering.createFunc(loc, "online", rank, {element, element, element}, before);
    halide::ReductionVariable blocks{"rb", 0, boundOfKeys().inBlocks(*block)};
    halide::UpdateOp::create(lowering.builder, loc, online, blocks, [&](OpBuilder &b, Location loc, ValueRange vars) {
      ValueRange point = vars.drop_back();
      SmallVector<Value> row(point.drop_back()), column;
      row.push_back(vars.back());
      column.assign(row);
      column.push_back(point.back());
      nn::ScalarBuilder scalars(b, loc);
      ValueRange before = atOnline(b, loc, online, point);
      Value values = before[0], greatest = before[1], sum = before[2], next = lowering.at(b, loc, maximum, row);
      // Of the two factors one is 1.
      Value one = lowering.scalar(b, loc, element, 1);
      Value factor = scalars.exp(scalars.neg(scalars.abs(scalars.sub(greatest, next))));
      Value rises = arith::CmpFOp::create(b, loc, arith::CmpFPredicate::OGT, next, greatest);
      Value ofBefore = arith::SelectOp::create(b, loc, rises, factor, one),
            ofNext = arith::SelectOp::create(b, loc, rises, one, factor);
      auto merge = [&](Value x, Value y) { return scalars.add(scalars.mul(x, ofBefore), scalars.mul(y, ofNext)); };
      halide::YieldOp::create(b, loc,
                              ValueRange{merge(values, lowering.at(b, loc, weighted, column)), scalars.maximum(greatest, next),
                                         merge(sum, lowering.at(b, loc, total, row))});
    });
    return online;
  }

  nn::AttentionOp op;
  GroupLowering &lowering;
  Location loc;
  RankedTensorType type; ///< of the result
  unsigned rank;
  Type element;
  int64_t numKeys;
  std::optional<int64_t> block; ///< of keys
};

} // namespace

static LogicalResult lowerAttention(nn::AttentionOp op, GroupLowering &lowering) {
  AttentionLowering(op, lowering).lower();
  return success();
}

void sylvite::addAttentionLowerings(LoweringTable &table) { table.add<nn::AttentionOp, lowerAttention>(); }
