//===- Conv.cpp - convolution to halide ------------------------------------===//
//
// A convolution is a func of sums, updated over the window and the channels of its group. Padding has
// become an op of its own, so every read is within the input.
//
//===----------------------------------------------------------------------===//
#include "passes/lower/ReversedWindow.h"
#include "passes/nn/Utils.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;
using namespace sylvite;

namespace {
/// The reduction of a convolution, over a window of `sizes` and over `channels`, outermost first. A window of one position has no
/// variables: its sum is that of a matrix product.
struct Reduction {
  Reduction(ArrayRef<int64_t> sizes, int64_t channels) : rank(sizes.size()) {
    hasWindow = llvm::any_of(sizes, [](int64_t size) { return size != 1; });
    if (hasWindow)
      for (auto [name, size] : llvm::zip(windowNames(rank), sizes))
        variables.push_back({name, 0, size});
    variables.push_back({"rc", 0, channels});
  }
  /// The position in the window and the channel that loop variables `vars` stand for.
  SmallVector<Value> at(OpBuilder &b, Location loc, ValueRange vars) const {
    SmallVector<Value> point(hasWindow ? 0 : rank, Value());
    for (Value &tap : point)
      tap = IndexBuilder(b, loc).constant(0);
    point.append(vars.begin(), vars.end());
    return point;
  }
  size_t rank;
  bool hasWindow;
  SmallVector<halide::ReductionVariable> variables;
};
} // namespace

/// Whether a register tile may run along dimension `dim` of `result`: each one between it and the channels has one position.
static bool isTiled(RankedTensorType result, int64_t dim) {
  return llvm::all_of(result.getShape().drop_back().drop_front(dim + 1), [](int64_t size) { return size == 1; });
}

/// The item that `n` reads in `input`, of a convolution with this `result`.
static Value itemPosition(OpBuilder &b, Location loc, GroupLowering &lowering, Value input, RankedTensorType result, Value n) {
  return isTiled(result, 0) ? clampRow(b, loc, lowering, input, 0, n) : n;
}

/// The position that tap `r` of output position `x` reads in spatial dimension `i` of `input`.
static Value tapPosition(OpBuilder &b, Location loc, GroupLowering &lowering, Value input, RankedTensorType result, size_t i,
                         Value x, int64_t stride, Value r, int64_t dilation) {
  IndexBuilder index(b, loc);
  Value position = index.add(index.mul(x, stride), index.mul(r, dilation));
  // Padding on the way reads within its own input.
  bool isFree = lowering.typeOf(input).isDynamicDim(i + 1) && !input.getDefiningOp<nn::PadOp>();
  return isFree && isTiled(result, i + 1) ? clampRow(b, loc, lowering, input, i + 1, position) : position;
}

/// Whether tap `r` of output position `x` finds a row of the image that `pad` surrounds with zeros, in its spatial dimension `i`.
static Value isInImage(OpBuilder &b, Location loc, GroupLowering &lowering, nn::PadOp pad, size_t i, Value x, int64_t stride,
                       Value r, int64_t dilation) {
  IndexBuilder index(b, loc);
  Value position = index.add(index.add(index.mul(x, stride), index.mul(r, dilation)), -pad.getLow()[i + 1]);
  return index.both(index.greaterEqual(position, 0), index.lessThan(position, lowering.extent(b, loc, pad.getInput(), i + 1)));
}

/// The spatial dimensions, but for the innermost, in which `op` reads zeros around an image: rows of them are not summed.
static SmallVector<size_t> skippedDims(nn::ConvOp op, nn::PadOp pad) {
  SmallVector<size_t> dims;
  if (pad && isDepthwise(op) && pad.getMode() == nn::PadMode::Constant && pad.getValue().isZero())
    for (size_t i = 0; i + 1 < op.getStrides().size(); ++i)
      if (pad.getLow()[i + 1] || pad.getHigh()[i + 1])
        dims.push_back(i);
  return dims;
}

static LogicalResult lowerConv(nn::ConvOp op, GroupLowering &lowering) {
  auto notZero = [](int64_t value) { return value != 0; };
  if (llvm::any_of(op.getPaddingLow(), notZero) || llvm::any_of(op.getPaddingHigh(), notZero))
    return op.emitError("internal error: a padded convolution in a kernel; run nn-expand-padding");
  RankedTensorType filter = lowering.typeOf(op.getFilter());
  size_t numSpatial = op.getStrides().size();
  int64_t groupChannels = filter.getShape()[numSpatial],
          groupFilters = filter.getShape().back() / op.getGroups();
  halide::FuncOp sum = lowering.defineFunc(op, "conv", [&](OpBuilder &b, Location loc, ValueRange) {
    halide::YieldOp::create(b, loc, lowering.scalar(b, loc, filter.getElementType(), 0));
  });
  Reduction reduction(filter.getShape().take_front(numSpatial), groupChannels);
  auto pad = op.getInput().getDefiningOp<nn::PadOp>();
  SmallVector<size_t> skipped = skippedDims(op, pad);
  auto isInside = [&](OpBuilder &b, Location loc, ValueRange vars) {
    SmallVector<Value> r = reduction.at(b, loc, vars.drop_front(numSpatial + 2));
    Value inside;
    for (size_t i : skipped) {
      Value here = isInImage(b, loc, lowering, pad, i, vars[i + 1], op.getStrides()[i], r[i], op.getDilations()[i]);
      inside = inside ? IndexBuilder(b, loc).both(inside, here) : here;
    }
    halide::YieldOp::create(b, loc, inside);
  };
  halide::UpdateOp::create(
      lowering.builder, op.getLoc(), sum, reduction.variables,
      [&](OpBuilder &b, Location loc, ValueRange vars) {
        IndexBuilder index(b, loc);
        ValueRange point = vars.take_front(numSpatial + 2);
        SmallVector<Value> r = reduction.at(b, loc, vars.drop_front(numSpatial + 2));
        // Depthwise, tiles run along rows, and the input may be padded on the way.
        Value n = point.front();
        SmallVector<Value> in{isDepthwise(op) ? n : itemPosition(b, loc, lowering, op.getInput(), op.getType(), n)}, weight;
        for (size_t i = 0; i < numSpatial; ++i) {
          in.push_back(tapPosition(b, loc, lowering, op.getInput(), op.getType(), i, point[i + 1], op.getStrides()[i], r[i],
                                   op.getDilations()[i]));
          weight.push_back(r[i]);
        }
        Value firstChannel = op.getGroups() == 1
                                 ? index.constant(0)
                                 : index.mul(index.floorDiv(point.back(), groupFilters),
                                             groupChannels);
        // One channel per group: the reduction variable is always zero.
        in.push_back(groupChannels == 1 ? firstChannel : index.add(firstChannel, r.back()));
        weight.push_back(r.back());
        weight.push_back(point.back());
        yieldProductSum(b, loc, lowering.at(b, loc, sum, point),
                        lowering.at(b, loc, op.getInput(), in),
                        lowering.at(b, loc, op.getFilter(), weight));
      },
      skipped.empty() ? halide::BodyBuilder(nullptr) : halide::BodyBuilder(isInside));
  return success();
}

/// The spatial coordinates of `position` in row-major order within `extents`.
static SmallVector<Value> unflatten(IndexBuilder &index, Value position, ArrayRef<int64_t> extents) {
  SmallVector<Value> coordinates(extents.size());
  for (size_t i = extents.size(); i-- > 1; position = index.floorDiv(position, extents[i]))
    coordinates[i] = index.mod(position, extents[i]);
  coordinates[0] = position;
  return coordinates;
}

static LogicalResult lowerPackedConv(nn::PackedConvOp op, GroupLowering &lowering) {
  RankedTensorType input = lowering.typeOf(op.getInput()), filter = lowering.typeOf(op.getFilter());
  size_t numSpatial = op.getStrides().size();
  ArrayRef<int64_t> window = filter.getShape().slice(2, numSpatial);
  int64_t groups = filter.getDimSize(0), groupChannels = filter.getDimSize(numSpatial + 2),
          block = filter.getShape().back();
  SmallVector<int64_t> extents;
  if (op.getFlatten())
    for (size_t i = 0; i < numSpatial; ++i)
      extents.push_back((input.getDimSize(i + 1) - op.getDilations()[i] * (window[i] - 1) - 1) /
                            op.getStrides()[i] +
                        1);
  halide::FuncOp sum = lowering.defineFunc(op, "conv", [&](OpBuilder &b, Location loc, ValueRange) {
    halide::YieldOp::create(b, loc, lowering.scalar(b, loc, filter.getElementType(), 0));
  });
  unsigned rank = lowering.typeOf(op).getRank();
  Reduction reduction(window, groupChannels);
  halide::UpdateOp::create(
      lowering.builder, op.getLoc(), sum, reduction.variables,
      [&](OpBuilder &b, Location loc, ValueRange vars) {
        IndexBuilder index(b, loc);
        ValueRange point = vars.take_front(rank);
        SmallVector<Value> r = reduction.at(b, loc, vars.drop_front(rank));
        Value group = groups > 1 ? point[rank - 2] : index.constant(0), channel = point.back();
        SmallVector<Value> coordinates = op.getFlatten()
                                             ? unflatten(index, point[1], extents)
                                             : SmallVector<Value>(point.slice(1, numSpatial));
        SmallVector<Value> in{itemPosition(b, loc, lowering, op.getInput(), op.getType(), point.front())},
            weight{group, index.floorDiv(channel, block)};
        for (size_t i = 0; i < numSpatial; ++i) {
          in.push_back(tapPosition(b, loc, lowering, op.getInput(), op.getType(), i, coordinates[i], op.getStrides()[i], r[i],
                                   op.getDilations()[i]));
          weight.push_back(r[i]);
        }
        in.push_back(groups > 1 ? index.add(index.mul(group, groupChannels), r.back()) : r.back());
        weight.append({r.back(), index.mod(channel, block)});
        yieldProductSum(b, loc, lowering.at(b, loc, sum, point),
                        lowering.at(b, loc, op.getInput(), in),
                        lowering.at(b, loc, op.getFilter(), weight));
      });
  return success();
}

/// Each output position gathers what reaches it.
static LogicalResult lowerConvTranspose(nn::ConvTransposeOp op, GroupLowering &lowering) {
  RankedTensorType filter = lowering.typeOf(op.getFilter());
  size_t numSpatial = op.getStrides().size();
  int64_t groupFilters = filter.getShape()[numSpatial],
          groupChannels = filter.getShape().back() / op.getGroups();
  halide::FuncOp sum =
      lowering.defineFunc(op, "conv_transpose", [&](OpBuilder &b, Location loc, ValueRange) {
        halide::YieldOp::create(b, loc, lowering.scalar(b, loc, filter.getElementType(), 0));
      });
  ReversedWindow window{lowering, op.getInput(), filter.getShape().take_front(numSpatial), op.getStrides(),
                        op.getDilations(), op.getPaddingLow()};
  SmallVector<halide::ReductionVariable> reduction = window.loops();
  reduction.push_back({"rc", 0, groupChannels});
  halide::UpdateOp::create(
      lowering.builder, op.getLoc(), sum, reduction,
      [&](OpBuilder &b, Location loc, ValueRange vars) {
        IndexBuilder index(b, loc);
        ValueRange point = vars.take_front(numSpatial + 2), r = vars.drop_front(numSpatial + 2);
        auto reached = window.at(b, loc, point.slice(1, numSpatial), r.drop_back());
        SmallVector<Value> in{point.front()}, weight(reached.taps);
        in.append(reached.window);
        Value group = index.floorDiv(point.back(), groupFilters);
        Value channel = index.add(index.mul(group, groupChannels), r.back());
        in.push_back(op.getGroups() == 1 ? r.back() : channel);
        weight.push_back(op.getGroups() == 1 ? point.back()
                                             : index.mod(point.back(), groupFilters));
        weight.push_back(in.back());
        yieldProductSum(b, loc, lowering.at(b, loc, sum, point),
                        lowering.at(b, loc, op.getInput(), in),
                        lowering.at(b, loc, op.getFilter(), weight));
      },
      [&](OpBuilder &b, Location loc, ValueRange vars) {
        halide::YieldOp::create(
            b, loc, window.at(b, loc, vars.slice(1, numSpatial), vars.slice(numSpatial + 2, numSpatial)).reaches);
      });
  return success();
}

/// A sum over items and positions: the product of the input, as the taps see it, and the gradient.
static LogicalResult lowerConvGradFilter(nn::ConvGradFilterOp op, GroupLowering &lowering) {
  auto notZero = [](int64_t value) { return value != 0; };
  if (llvm::any_of(op.getPaddingLow(), notZero) || llvm::any_of(op.getPaddingHigh(), notZero))
    return op.emitError("internal error: a padded convolution in a kernel; run nn-expand-padding");
  RankedTensorType filter = lowering.typeOf(op);
  size_t numSpatial = op.getStrides().size();
  int64_t groupChannels = filter.getShape()[numSpatial], groupFilters = filter.getShape().back() / op.getGroups();
  halide::FuncOp sum = lowering.defineFunc(op, "conv_grad_filter", [&](OpBuilder &b, Location loc, ValueRange) {
    halide::YieldOp::create(b, loc, lowering.scalar(b, loc, filter.getElementType(), 0));
  });
  SmallVector<halide::ReductionVariable> reduction{{"rn", 0, lowering.extentBound(op.getGradient(), 0)}};
  for (auto [i, name] : llvm::enumerate(windowNames(numSpatial)))
    reduction.push_back({name, 0, lowering.extentBound(op.getGradient(), i + 1)});
  halide::UpdateOp::create(
      lowering.builder, op.getLoc(), sum, reduction, [&](OpBuilder &b, Location loc, ValueRange vars) {
        IndexBuilder index(b, loc);
        ValueRange point = vars.take_front(numSpatial + 2), r = vars.drop_front(numSpatial + 2);
        SmallVector<Value> in{r.front()}, from{r.front()};
        for (size_t i = 0; i < numSpatial; ++i) {
          in.push_back(tapPosition(b, loc, lowering, op.getInput(), lowering.typeOf(op.getGradient()), i, r[i + 1],
                                   op.getStrides()[i], point[i], op.getDilations()[i]));
          from.push_back(r[i + 1]);
        }
        Value channel = point[numSpatial], filterIndex = point.back();
        if (op.getGroups() > 1) {
          Value first = index.mul(index.floorDiv(filterIndex, groupFilters), groupChannels);
          channel = groupChannels == 1 ? first : index.add(first, channel);
        }
        in.push_back(channel);
        from.push_back(filterIndex);
        yieldProductSum(b, loc, lowering.at(b, loc, sum, point), lowering.at(b, loc, op.getInput(), in),
                        lowering.at(b, loc, op.getGradient(), from));
      });
  return success();
}

void sylvite::addConvLowerings(LoweringTable &table) {
  table.add<nn::ConvOp, lowerConv>();
  table.add<nn::ConvGradFilterOp, lowerConvGradFilter>();
  table.add<nn::ConvTransposeOp, lowerConvTranspose>();
  table.add<nn::PackedConvOp, lowerPackedConv>();
}
