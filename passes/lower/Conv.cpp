//===- Conv.cpp - convolution to halide ------------------------------------===//
//
// A convolution is a func of sums, updated over the window and the channels of its group. Padding has
// become an op of its own, so every read is within the input.
//
//===----------------------------------------------------------------------===//
#include "passes/lower/Lowering.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;
using namespace sylvite;

/// Names of reduction variables over a window, outermost first, and over channels.
static SmallVector<StringRef> windowNames(size_t numSpatial) {
  static constexpr StringLiteral names[] = {"rz", "ry", "rx"};
  return SmallVector<StringRef>(std::end(names) - numSpatial, std::end(names));
}

/// Variables over a window of `sizes` and over `channels`, outermost first.
static SmallVector<halide::ReductionVariable> reductionOver(ArrayRef<int64_t> sizes,
                                                            int64_t channels) {
  SmallVector<halide::ReductionVariable> variables;
  for (auto [name, size] : llvm::zip(windowNames(sizes.size()), sizes))
    variables.push_back({name, 0, size});
  variables.push_back({"rc", 0, channels});
  return variables;
}

/// The position that tap `r` of output position `x` reads in spatial dimension `i` of `input`. A register
/// tile may reach beyond a free row; what it computes there is dropped.
static Value tapPosition(OpBuilder &b, Location loc, GroupLowering &lowering, Value input, size_t i,
                         Value x, int64_t stride, Value r, int64_t dilation) {
  IndexBuilder index(b, loc);
  Value position = index.add(index.mul(x, stride), index.mul(r, dilation));
  RankedTensorType type = lowering.typeOf(input);
  if (static_cast<int64_t>(i) + 3 == type.getRank() && type.isDynamicDim(i + 1))
    position = index.minimum(position, index.add(lowering.extent(b, loc, input, i + 1), -1));
  return position;
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
  halide::UpdateOp::create(
      lowering.builder, op.getLoc(), sum,
      reductionOver(filter.getShape().take_front(numSpatial), groupChannels),
      [&](OpBuilder &b, Location loc, ValueRange vars) {
        IndexBuilder index(b, loc);
        ValueRange point = vars.take_front(numSpatial + 2), r = vars.drop_front(numSpatial + 2);
        SmallVector<Value> in{point.front()}, weight;
        for (size_t i = 0; i < numSpatial; ++i) {
          in.push_back(tapPosition(b, loc, lowering, op.getInput(), i, point[i + 1],
                                   op.getStrides()[i], r[i], op.getDilations()[i]));
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
      });
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
  halide::UpdateOp::create(
      lowering.builder, op.getLoc(), sum, reductionOver(window, groupChannels),
      [&](OpBuilder &b, Location loc, ValueRange vars) {
        IndexBuilder index(b, loc);
        ValueRange point = vars.take_front(rank), r = vars.drop_front(rank);
        Value group = groups > 1 ? point[rank - 2] : index.constant(0), channel = point.back();
        SmallVector<Value> coordinates = op.getFlatten()
                                             ? unflatten(index, point[1], extents)
                                             : SmallVector<Value>(point.slice(1, numSpatial));
        SmallVector<Value> in{point.front()}, weight{group, index.floorDiv(channel, block)};
        for (size_t i = 0; i < numSpatial; ++i) {
          in.push_back(tapPosition(b, loc, lowering, op.getInput(), i, coordinates[i],
                                   op.getStrides()[i], r[i], op.getDilations()[i]));
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

/// Each output position gathers the taps that reach it: those with
/// `(position + padding - tap * dilation)` a multiple of the stride and, divided by it, in the input.
static LogicalResult lowerConvTranspose(nn::ConvTransposeOp op, GroupLowering &lowering) {
  RankedTensorType filter = lowering.typeOf(op.getFilter());
  size_t numSpatial = op.getStrides().size();
  int64_t groupFilters = filter.getShape()[numSpatial],
          groupChannels = filter.getShape().back() / op.getGroups();
  halide::FuncOp sum =
      lowering.defineFunc(op, "conv_transpose", [&](OpBuilder &b, Location loc, ValueRange) {
        halide::YieldOp::create(b, loc, lowering.scalar(b, loc, filter.getElementType(), 0));
      });
  // The position in the strided input that tap `r` of output position `x` falls on, not negative: the
  // largest multiple of the stride that makes it so is added here and taken off after the division.
  auto shifted = [&](IndexBuilder &index, Value x, Value r, size_t i) {
    int64_t reach = op.getDilations()[i] * (filter.getShape()[i] - 1) -
                    std::min<int64_t>(op.getPaddingLow()[i], 0);
    int64_t lift = llvm::divideCeil(reach, op.getStrides()[i]);
    Value position = index.sub(index.add(x, op.getPaddingLow()[i] + lift * op.getStrides()[i]),
                               index.mul(r, op.getDilations()[i]));
    return std::make_pair(position, lift);
  };
  halide::UpdateOp::create(
      lowering.builder, op.getLoc(), sum,
      reductionOver(filter.getShape().take_front(numSpatial), groupChannels),
      [&](OpBuilder &b, Location loc, ValueRange vars) {
        IndexBuilder index(b, loc);
        ValueRange point = vars.take_front(numSpatial + 2), r = vars.drop_front(numSpatial + 2);
        SmallVector<Value> in{point.front()}, weight;
        for (size_t i = 0; i < numSpatial; ++i) {
          auto [position, lift] = shifted(index, point[i + 1], r[i], i);
          Value source = index.add(index.floorDiv(position, op.getStrides()[i]), -lift);
          Value last = index.add(lowering.extent(b, loc, op.getInput(), i + 1), -1);
          in.push_back(index.clamp(source, 0, last));
          weight.push_back(r[i]);
        }
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
        IndexBuilder index(b, loc);
        ValueRange point = vars.take_front(numSpatial + 2), r = vars.drop_front(numSpatial + 2);
        Value reaches;
        for (size_t i = 0; i < numSpatial; ++i) {
          auto [position, lift] = shifted(index, point[i + 1], r[i], i);
          Value source = index.add(index.floorDiv(position, op.getStrides()[i]), -lift);
          Value inside = index.both(
              index.greaterEqual(source, 0),
              index.lessThan(source, lowering.extent(b, loc, op.getInput(), i + 1)));
          if (op.getStrides()[i] > 1)
            inside = index.both(inside, arith::CmpIOp::create(
                                            b, loc, arith::CmpIPredicate::eq,
                                            index.mod(position, op.getStrides()[i]),
                                            index.constant(0)));
          reaches = reaches ? index.both(reaches, inside) : inside;
        }
        halide::YieldOp::create(b, loc, reaches);
      });
  return success();
}

void sylvite::addConvLowerings(LoweringTable &table) {
  table.add<nn::ConvOp, lowerConv>();
  table.add<nn::ConvTransposeOp, lowerConvTranspose>();
  table.add<nn::PackedConvOp, lowerPackedConv>();
}
