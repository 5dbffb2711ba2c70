//===- Conv.cpp - convolution to halide ------------------------------------===//
//
// A convolution is a func of sums, updated over the window and the channels of its group. Padding has
// become an op of its own (nn-expand-padding), so every read is within the input.
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

/// `accumulator + a * b`.
static void yieldProductSum(OpBuilder &b, Location loc, Value accumulator, Value x, Value y) {
  Value product = arith::MulFOp::create(b, loc, x, y);
  halide::YieldOp::create(b, loc, Value(arith::AddFOp::create(b, loc, accumulator, product)));
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
  SmallVector<halide::ReductionVariable> window;
  for (auto [name, size] : llvm::zip(windowNames(numSpatial), filter.getShape()))
    window.push_back({name, 0, size});
  window.push_back({"rc", 0, groupChannels});
  halide::UpdateOp::create(
      lowering.builder, op.getLoc(), sum, window,
      [&](OpBuilder &b, Location loc, ValueRange vars) {
        IndexBuilder index(b, loc);
        ValueRange point = vars.take_front(numSpatial + 2), r = vars.drop_front(numSpatial + 2);
        SmallVector<Value> in{point.front()}, weight;
        for (size_t i = 0; i < numSpatial; ++i) {
          Value position = index.add(index.mul(point[i + 1], op.getStrides()[i]),
                                     index.mul(r[i], op.getDilations()[i]));
          // A register tile may reach beyond a free row; what it computes there is dropped.
          if (i + 1 == numSpatial && lowering.typeOf(op.getInput()).isDynamicDim(i + 1))
            position = index.minimum(
                position, index.add(lowering.extent(b, loc, op.getInput(), i + 1), -1));
          in.push_back(position);
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
  SmallVector<halide::ReductionVariable> window;
  for (auto [name, size] : llvm::zip(windowNames(numSpatial), filter.getShape()))
    window.push_back({name, 0, size});
  window.push_back({"rc", 0, groupChannels});
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
      lowering.builder, op.getLoc(), sum, window,
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
}
