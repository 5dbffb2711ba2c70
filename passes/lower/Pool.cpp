//===- Pool.cpp - pooling to halide ----------------------------------------===//
//
// A pooling is a func of maxima or sums, updated over the window. Taps on the padding are skipped by a
// predicate, which is the same for all channels of a position and so never meets a vector lane.
//
//===----------------------------------------------------------------------===//
#include "passes/lower/Lowering.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

#include <limits>

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
    static constexpr StringLiteral names[] = {"rz", "ry", "rx"};
    SmallVector<halide::ReductionVariable> result;
    for (size_t i = 0; i < numSpatial; ++i)
      result.push_back({*(std::end(names) - numSpatial + i), 0, op.getWindow()[i]});
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
    auto body = [&](OpBuilder &b, Location loc, ValueRange vars) {
      Value accumulator = lowering.at(b, loc, func, vars.take_front(numSpatial + 2));
      halide::YieldOp::create(b, loc, combine(b, loc, accumulator, readTap(b, loc, vars)));
    };
    auto where = [&](OpBuilder &b, Location loc, ValueRange vars) { yieldInside(b, loc, vars); };
    if (isPadded())
      halide::UpdateOp::create(lowering.builder, op.getLoc(), func, reduction(), body, where);
    else
      halide::UpdateOp::create(lowering.builder, op.getLoc(), func, reduction(), body);
  }
};

} // namespace

/// The least value of a type: the maximum of nothing.
static Value leastValue(OpBuilder &b, Location loc, Type type) {
  type = halide::getScalarType(type);
  if (auto floatType = dyn_cast<FloatType>(type))
    return arith::ConstantOp::create(
        b, loc, b.getFloatAttr(type, APFloat::getInf(floatType.getFloatSemantics(), true)));
  unsigned width = type.getIntOrFloatBitWidth();
  return arith::ConstantOp::create(
      b, loc, b.getIntegerAttr(type, type.isUnsignedInteger() ? APInt::getZero(width)
                                                              : APInt::getSignedMinValue(width)));
}

static LogicalResult lowerMaxPool(nn::MaxPoolOp op, GroupLowering &lowering) {
  Type type = lowering.typeOf(op.getInput()).getElementType();
  halide::FuncOp maximum =
      lowering.defineFunc(op, "max_pool", [&](OpBuilder &b, Location loc, ValueRange) {
        halide::YieldOp::create(b, loc, leastValue(b, loc, type));
      });
  PoolWindow<nn::MaxPoolOp>{op, lowering}.update(
      maximum, [&](OpBuilder &b, Location loc, Value accumulator, Value tap) -> Value {
        if (isa<FloatType>(type))
          return arith::MaximumFOp::create(b, loc, accumulator, tap);
        return arith::MaxSIOp::create(b, loc, accumulator, tap);
      });
  return success();
}

/// The number of taps of the window at output position `x` that fall into the input.
static Value countTaps(OpBuilder &b, Location loc, nn::AvgPoolOp op, GroupLowering &lowering, Value x,
                       size_t i) {
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
  Value distance = index.sub(lowering.extent(b, loc, op.getInput(), i + 1), start);
  Value end = index.minimum(index.floorDiv(index.add(distance, dilation - 1), dilation),
                            index.constant(size));
  return index.sub(end, first);
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
    Value count;
    for (size_t i = 0; i < numSpatial; ++i) {
      Value here = countTaps(b, loc, op, lowering, point[i + 1], i);
      count = count ? Value(arith::MulIOp::create(b, loc, count, here)) : here;
    }
    Value asInt = arith::IndexCastOp::create(b, loc, b.getI32Type(), count);
    Value asFloat = arith::SIToFPOp::create(b, loc, total.getType(), asInt);
    halide::YieldOp::create(b, loc, Value(arith::DivFOp::create(b, loc, total, asFloat)));
  });
  return success();
}

void sylvite::addPoolLowerings(LoweringTable &table) {
  table.add<nn::MaxPoolOp, lowerMaxPool>();
  table.add<nn::AvgPoolOp, lowerAvgPool>();
}
