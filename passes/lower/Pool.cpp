//===- Pool.cpp - pooling to halide ----------------------------------------===//
//
// A pooling is a func of maxima or sums, updated over the window. Taps on the padding are skipped by a
// predicate, which is the same for all channels of a position and so never meets a vector lane.
//
//===----------------------------------------------------------------------===//
#include "passes/lower/ReversedWindow.h"
#include "passes/nn/Pooling.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

#include <cmath>

using namespace mlir;
using namespace sylvite;

namespace {

/// The window of a pooling op.
template <typename Op> struct PoolWindow {
  Op op;
  GroupLowering &lowering;
  size_t numSpatial = op.getWindow().size();

  bool isPadded() {
    auto notZero = [](int64_t value) { return value != 0; };
    return llvm::any_of(op.getPaddingLow(), notZero) || llvm::any_of(op.getPaddingHigh(), notZero);
  }
  SmallVector<halide::ReductionVariable> reduction() {
    SmallVector<halide::ReductionVariable> result;
    for (auto [name, size] : llvm::zip(windowNames(numSpatial), op.getWindow()))
      result.push_back({name, 0, size});
    return result;
  }
  /// The input position of tap `r` at output position `x`; before the input when negative.
  Value position(IndexBuilder &index, Value x, Value r, size_t i) {
    return index.add(index.add(index.mul(x, op.getStrides()[i]),
                               index.mul(r, op.getDilations()[i])),
                     -op.getPaddingLow()[i]);
  }
  Value readTap(OpBuilder &b, Location loc, ValueRange vars) {
    IndexBuilder index(b, loc);
    SmallVector<Value> in{vars.front()};
    for (size_t i = 0; i < numSpatial; ++i) {
      Value at = position(index, vars[i + 1], vars[numSpatial + 2 + i], i);
      // The predicate has excluded the rest; the clamp lets bounds inference know.
      if (isPadded())
        at = index.clamp(at, 0, index.add(lowering.extent(b, loc, op.getInput(), i + 1), -1));
      in.push_back(at);
    }
    in.push_back(vars[numSpatial + 1]);
    return lowering.at(b, loc, op.getInput(), in);
  }
  void yieldInside(OpBuilder &b, Location loc, ValueRange vars) {
    IndexBuilder index(b, loc);
    Value inside;
    for (size_t i = 0; i < numSpatial; ++i) {
      if (op.getPaddingLow()[i] == 0 && op.getPaddingHigh()[i] == 0)
        continue;
      Value at = position(index, vars[i + 1], vars[numSpatial + 2 + i], i);
      Value here = index.both(index.greaterEqual(at, 0),
                              index.lessThan(at, lowering.extent(b, loc, op.getInput(), i + 1)));
      inside = inside ? index.both(inside, here) : here;
    }
    halide::YieldOp::create(b, loc, inside);
  }
  /// The update `combine(accumulator, tap)` of `func`.
  void update(halide::FuncOp func,
              llvm::function_ref<Value(OpBuilder &, Location, Value, Value)> combine) {
    updateFrom(func, [&](OpBuilder &b, Location loc, Value accumulator, Value tap, ValueRange) {
      return combine(b, loc, accumulator, tap);
    });
  }
  /// The same where `combine` also gets the variables of the update: the output's, then the window's.
  void updateFrom(halide::FuncOp func,
                  llvm::function_ref<Value(OpBuilder &, Location, Value, Value, ValueRange)> combine) {
    auto body = [&](OpBuilder &b, Location loc, ValueRange vars) {
      Value accumulator = lowering.at(b, loc, func, vars.take_front(numSpatial + 2));
      halide::YieldOp::create(b, loc, combine(b, loc, accumulator, readTap(b, loc, vars), vars));
    };
    auto where = [&](OpBuilder &b, Location loc, ValueRange vars) { yieldInside(b, loc, vars); };
    if (isPadded())
      halide::UpdateOp::create(lowering.builder, op.getLoc(), func, reduction(), body, where);
    else
      halide::UpdateOp::create(lowering.builder, op.getLoc(), func, reduction(), body);
  }
};

} // namespace

static LogicalResult lowerMaxPool(nn::MaxPoolOp op, GroupLowering &lowering) {
  Type type = lowering.typeOf(op.getInput()).getElementType();
  if (pooledTilesOf(op)) { // whose outputs are in registers: all taps are written out
    lowering.defineFunc(op, "max_pool", [&](OpBuilder &b, Location loc, ValueRange point) {
      IndexBuilder index(b, loc);
      Value maximum;
      for (int64_t y = 0; y < op.getWindow()[0]; ++y)
        for (int64_t x = 0; x < op.getWindow()[1]; ++x) {
          SmallVector<Value> vars(point);
          vars.append({index.constant(y), index.constant(x)});
          Value tap = PoolWindow<nn::MaxPoolOp>{op, lowering}.readTap(b, loc, vars);
          maximum = maximum ? GroupLowering::extreme(b, loc, type, /*greater=*/true, maximum, tap) : tap;
        }
      halide::YieldOp::create(b, loc, maximum);
    });
    return success();
  }
  halide::FuncOp maximum =
      lowering.defineFunc(op, "max_pool", [&](OpBuilder &b, Location loc, ValueRange) {
        halide::YieldOp::create(b, loc, lowering.scalar(b, loc, type, -INFINITY));
      });
  PoolWindow<nn::MaxPoolOp>{op, lowering}.update(
      maximum, [&](OpBuilder &b, Location loc, Value accumulator, Value tap) {
        return GroupLowering::extreme(b, loc, type, /*greater=*/true, accumulator, tap);
      });
  return success();
}

/// The number of taps of the window at output position `x` that fall into the input.
template <typename Op>
static Value countTaps(OpBuilder &b, Location loc, Op op, GroupLowering &lowering, Value input, Value x, size_t i) {
  IndexBuilder index(b, loc);
  int64_t dilation = op.getDilations()[i], size = op.getWindow()[i];
  if (op.getPaddingLow()[i] == 0 && op.getPaddingHigh()[i] == 0)
    return index.constant(size);
  // The first tap at or after 0 and the last one before the extent; both dividends are lifted by a
  // multiple of the dilation to be positive.
  Value start = index.add(index.mul(x, op.getStrides()[i]), -op.getPaddingLow()[i]);
  Value first = index.floorDiv(
      index.add(index.maximum(index.sub(index.constant(0), start), index.constant(0)),
                dilation - 1),
      dilation);
  Value distance = index.sub(lowering.extent(b, loc, input, i + 1), start);
  Value end = index.minimum(index.floorDiv(index.add(distance, dilation - 1), dilation),
                            index.constant(size));
  return index.sub(end, first);
}

/// The number of taps of the window at output position `x` that fall into `input`, as a float.
template <typename Op>
static Value countAllTaps(OpBuilder &b, Location loc, Op op, GroupLowering &lowering, Value input, ValueRange x,
                          Type type) {
  Value count;
  for (auto [i, position] : llvm::enumerate(x)) {
    Value here = countTaps(b, loc, op, lowering, input, position, i);
    count = count ? Value(arith::MulIOp::create(b, loc, count, here)) : here;
  }
  Value asInt = arith::IndexCastOp::create(b, loc, b.getI32Type(), count);
  return arith::SIToFPOp::create(b, loc, type, asInt);
}

static LogicalResult lowerAvgPool(nn::AvgPoolOp op, GroupLowering &lowering) {
  RankedTensorType type = lowering.typeOf(op.getInput());
  size_t numSpatial = op.getWindow().size();
  halide::FuncOp sum = lowering.createFunc(
      op.getLoc(), "window_sum", type.getRank(), type.getElementType(),
      [&](OpBuilder &b, Location loc, ValueRange) {
        halide::YieldOp::create(b, loc, lowering.scalar(b, loc, type.getElementType(), 0));
      });
  PoolWindow<nn::AvgPoolOp> window{op, lowering};
  window.update(sum, [](OpBuilder &b, Location loc, Value accumulator, Value tap) -> Value {
    return arith::AddFOp::create(b, loc, accumulator, tap);
  });
  lowering.defineFunc(op, "avg_pool", [&](OpBuilder &b, Location loc, ValueRange point) {
    Value total = lowering.at(b, loc, sum, point);
    int64_t taps = 1;
    for (int64_t size : op.getWindow())
      taps *= size;
    if (op.getCountIncludePad() || !window.isPadded()) {
      Value factor = lowering.scalar(b, loc, type.getElementType(), 1.0 / taps);
      return void(halide::YieldOp::create(b, loc, Value(arith::MulFOp::create(b, loc, total, factor))));
    }
    Value count = countAllTaps(b, loc, op, lowering, op.getInput(), point.slice(1, numSpatial), total.getType());
    halide::YieldOp::create(b, loc, Value(arith::DivFOp::create(b, loc, total, count)));
  });
  return success();
}

//===----------------------------------------------------------------------===//
// Gradients
//===----------------------------------------------------------------------===//

/// The number of a tap within its window, row-major, as a 32-bit integer.
static Value tapNumber(OpBuilder &b, Location loc, ValueRange r, ArrayRef<int64_t> size) {
  IndexBuilder index(b, loc);
  Value number = r.front();
  for (auto [i, tap] : llvm::drop_begin(llvm::enumerate(r)))
    number = index.add(index.mul(number, size[i]), tap);
  return arith::IndexCastOp::create(b, loc, b.getI32Type(), number);
}

static LogicalResult lowerMaxPoolIndex(nn::MaxPoolIndexOp op, GroupLowering &lowering) {
  int64_t numTaps = ShapedType::getNumElements(op.getWindow());
  size_t numSpatial = op.getWindow().size();
  halide::FuncOp first = lowering.defineFunc(op, "first", [&](OpBuilder &b, Location loc, ValueRange) {
    halide::YieldOp::create(b, loc, lowering.scalar(b, loc, b.getI32Type(), numTaps));
  });
  PoolWindow<nn::MaxPoolIndexOp>{op, lowering}.updateFrom(
      first, [&](OpBuilder &b, Location loc, Value least, Value tap, ValueRange vars) -> Value {
        Value maximum = lowering.at(b, loc, op.getMaximum(), vars.take_front(numSpatial + 2));
        Value number = tapNumber(b, loc, vars.drop_front(numSpatial + 2), op.getWindow());
        Value isMaximum = arith::CmpFOp::create(b, loc, arith::CmpFPredicate::OEQ, tap, maximum);
        Value none = arith::ConstantOp::create(b, loc, b.getI32IntegerAttr(numTaps));
        Value candidate = arith::SelectOp::create(b, loc, isMaximum, number, none);
        return arith::MinSIOp::create(b, loc, least, candidate);
      });
  return success();
}

/// The sum over the windows that reach a position of what `share` gives of one.
template <typename Op>
static void gatherWindows(Op op, GroupLowering &lowering,
                          function_ref<Value(OpBuilder &, Location, ValueRange window, ValueRange taps)> share) {
  size_t numSpatial = op.getWindow().size();
  Type type = lowering.typeOf(op).getElementType();
  ReversedWindow window{lowering, op.getGradient(), op.getWindow(), op.getStrides(), op.getDilations(),
                        op.getPaddingLow()};
  auto shareAt = [&](OpBuilder &b, Location loc, ValueRange point, const ReversedWindow::Reached &reached) {
    SmallVector<Value> at{point.front()};
    at.append(reached.window);
    at.push_back(point.back());
    return share(b, loc, at, reached.taps);
  };
  if (window.isSingle()) {
    lowering.defineFunc(op, "pool_grad", [&](OpBuilder &b, Location loc, ValueRange point) {
      SmallVector<Value> none(numSpatial, IndexBuilder(b, loc).constant(0));
      auto reached = window.at(b, loc, point.slice(1, numSpatial), none);
      Value only = shareAt(b, loc, point, reached), zero = lowering.scalar(b, loc, type, 0);
      halide::YieldOp::create(b, loc, Value(arith::SelectOp::create(b, loc, reached.reaches, only, zero)));
    });
    return;
  }
  halide::FuncOp sum = lowering.defineFunc(op, "pool_grad", [&](OpBuilder &b, Location loc, ValueRange) {
    halide::YieldOp::create(b, loc, lowering.scalar(b, loc, type, 0));
  });
  halide::UpdateOp::create(
      lowering.builder, op.getLoc(), sum, window.loops(),
      [&](OpBuilder &b, Location loc, ValueRange vars) {
        ValueRange point = vars.take_front(numSpatial + 2);
        auto reached = window.at(b, loc, point.slice(1, numSpatial), vars.drop_front(numSpatial + 2));
        Value total = lowering.at(b, loc, sum, point), more = shareAt(b, loc, point, reached);
        halide::YieldOp::create(b, loc, Value(arith::AddFOp::create(b, loc, total, more)));
      },
      [&](OpBuilder &b, Location loc, ValueRange vars) {
        halide::YieldOp::create(
            b, loc, window.at(b, loc, vars.slice(1, numSpatial), vars.drop_front(numSpatial + 2)).reaches);
      });
}

static LogicalResult lowerMaxPoolGrad(nn::MaxPoolGradOp op, GroupLowering &lowering) {
  gatherWindows(op, lowering, [&](OpBuilder &b, Location loc, ValueRange window, ValueRange taps) -> Value {
    Value chosen = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::eq,
                                         lowering.at(b, loc, op.getIndex(), window),
                                         tapNumber(b, loc, taps, op.getWindow()));
    Value g = lowering.at(b, loc, op.getGradient(), window);
    return arith::SelectOp::create(b, loc, chosen, g, lowering.scalar(b, loc, g.getType(), 0));
  });
  return success();
}

static LogicalResult lowerAvgPoolGrad(nn::AvgPoolGradOp op, GroupLowering &lowering) {
  auto isZero = [](int64_t padding) { return padding == 0; };
  bool isUniform = op.getCountIncludePad() ||
                   (llvm::all_of(op.getPaddingLow(), isZero) && llvm::all_of(op.getPaddingHigh(), isZero));
  gatherWindows(op, lowering, [&](OpBuilder &b, Location loc, ValueRange window, ValueRange) -> Value {
    Value g = lowering.at(b, loc, op.getGradient(), window);
    if (isUniform)
      return arith::MulFOp::create(
          b, loc, g, lowering.scalar(b, loc, g.getType(), 1.0 / ShapedType::getNumElements(op.getWindow())));
    Value pooled = op.getLike() ? op.getLike() : op.getResult();
    Value count = countAllTaps(b, loc, op, lowering, pooled, window.drop_front().drop_back(), g.getType());
    return arith::DivFOp::create(b, loc, g, count);
  });
  return success();
}

void sylvite::addPoolLowerings(LoweringTable &table) {
  table.add<nn::MaxPoolOp, lowerMaxPool>();
  table.add<nn::AvgPoolOp, lowerAvgPool>();
  table.add<nn::MaxPoolIndexOp, lowerMaxPoolIndex>();
  table.add<nn::MaxPoolGradOp, lowerMaxPoolGrad>();
  table.add<nn::AvgPoolGradOp, lowerAvgPoolGrad>();
}
