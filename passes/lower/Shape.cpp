//===- Shape.cpp - ops that move elements, to halide -----------------------===//
//
// Each is a func whose body reads its input somewhere else. Indices are clamped where a select decides
// afterwards, since both sides of a select are evaluated.
//
//===----------------------------------------------------------------------===//
#include "passes/lower/Lowering.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;
using namespace sylvite;

static LogicalResult lowerTranspose(nn::TransposeOp op, GroupLowering &lowering) {
  lowering.defineFunc(op, "transpose", [&](OpBuilder &b, Location loc, ValueRange point) {
    SmallVector<Value> in(point.size());
    for (auto [i, dim] : llvm::enumerate(op.getPermutation()))
      in[dim] = point[i];
    halide::YieldOp::create(b, loc, lowering.at(b, loc, op.getInput(), in));
  });
  return success();
}

static LogicalResult lowerSlice(nn::SliceOp op, GroupLowering &lowering) {
  lowering.defineFunc(op, "slice", [&](OpBuilder &b, Location loc, ValueRange point) {
    IndexBuilder index(b, loc);
    SmallVector<Value> in;
    for (auto [i, coordinate] : llvm::enumerate(point)) {
      in.push_back(index.add(index.mul(coordinate, op.getStrides()[i]), op.getStarts()[i]));
      // A known box of a free dimension: the dimension may turn out to be smaller.
      if (op.getSizes()[i] >= 0 && lowering.typeOf(op.getInput()).isDynamicDim(i) && isa<BlockArgument>(op.getInput()))
        in.back() = index.minimum(in.back(), index.add(lowering.extent(b, loc, op.getInput(), i), -1));
    }
    halide::YieldOp::create(b, loc, lowering.at(b, loc, op.getInput(), in));
  });
  return success();
}

/// Element `start + j * stride` of each dimension takes element j of the gradient, the others are zero.
static LogicalResult lowerSliceGrad(nn::SliceGradOp op, GroupLowering &lowering) {
  lowering.defineFunc(op, "slice_grad", [&](OpBuilder &b, Location loc, ValueRange point) {
    IndexBuilder index(b, loc);
    SmallVector<Value> from;
    Value inside;
    for (auto [i, coordinate] : llvm::enumerate(point)) {
      int64_t start = op.getStarts()[i], stride = op.getStrides()[i], step = std::abs(stride);
      Value extent = lowering.extent(b, loc, op.getGradient(), i);
      Value distance = stride > 0 ? index.add(coordinate, -start) : index.sub(index.constant(start), coordinate);
      Value element = index.floorDiv(distance, step); // of a negative distance, not used
      Value here = index.both(index.greaterEqual(distance, 0), index.lessThan(element, extent));
      if (step > 1)
        here = index.both(here, arith::CmpIOp::create(b, loc, arith::CmpIPredicate::eq,
                                                      index.mul(element, step), distance));
      inside = inside ? index.both(inside, here) : here;
      from.push_back(index.clamp(element, 0, index.add(extent, -1)));
    }
    Value value = lowering.at(b, loc, op.getGradient(), from);
    Value zero = lowering.scalar(b, loc, lowering.typeOf(op).getElementType(), 0);
    halide::YieldOp::create(b, loc, Value(arith::SelectOp::create(b, loc, inside, value, zero)));
  });
  return success();
}

/// One update per input, which copies it to its place.
static LogicalResult lowerConcat(nn::ConcatOp op, GroupLowering &lowering) {
  RankedTensorType type = lowering.typeOf(op);
  halide::FuncOp func =
      lowering.defineFunc(op, "concat", [&](OpBuilder &b, Location loc, ValueRange) {
        halide::YieldOp::create(b, loc, Value(halide::UndefOp::create(b, loc, halide::getScalarType(type.getElementType()))));
      });
  int64_t offset = 0, dim = op.getDim();
  SmallVector<Value> freeBefore; // inputs of free sizes, which add to the offset
  for (Value input : op.getInputs()) {
    halide::UpdateOp::create(
        lowering.builder, op.getLoc(), func,
        halide::ReductionVariable{"rc", 0, lowering.extentBound(input, dim)},
        [&](OpBuilder &b, Location loc, ValueRange vars) {
          IndexBuilder index(b, loc);
          SmallVector<Value> to(vars.drop_back()), from(vars.drop_back());
          from[dim] = vars.back();
          to[dim] = index.add(vars.back(), offset);
          for (Value other : freeBefore)
            to[dim] = index.add(to[dim], lowering.extent(b, loc, other, dim));
          halide::YieldOp::create(b, loc, lowering.at(b, loc, input, from), to);
        });
    if (lowering.typeOf(input).isDynamicDim(dim))
      freeBefore.push_back(input);
    else
      offset += lowering.typeOf(input).getDimSize(dim);
  }
  return success();
}

static LogicalResult lowerPad(nn::PadOp op, GroupLowering &lowering) {
  RankedTensorType type = lowering.typeOf(op);
  lowering.defineFunc(op, "pad", [&](OpBuilder &b, Location loc, ValueRange point) {
    IndexBuilder index(b, loc);
    SmallVector<Value> in;
    Value inside;
    for (auto [i, coordinate] : llvm::enumerate(point)) {
      if (op.getLow()[i] == 0 && op.getHigh()[i] == 0) {
        in.push_back(coordinate);
        continue;
      }
      Value position = index.add(coordinate, -op.getLow()[i]);
      Value extent = lowering.extent(b, loc, op.getInput(), i);
      Value last = index.add(extent, -1);
      switch (op.getMode()) {
      case nn::PadMode::Constant: {
        Value here = index.both(index.greaterEqual(position, 0), index.lessThan(position, extent));
        inside = inside ? index.both(inside, here) : here;
        in.push_back(index.clamp(position, 0, last));
        break;
      }
      case nn::PadMode::Edge:
        in.push_back(index.clamp(position, 0, last));
        break;
      case nn::PadMode::Reflect: {
        // Left of the input, -i; right of it, 2 * last - i.
        Value left = index.maximum(position, index.sub(index.constant(0), position));
        Value right = index.sub(index.mul(last, 2), left);
        in.push_back(index.clamp(index.minimum(left, right), 0, last)); // for bounds inference
        break;
      }
      case nn::PadMode::Wrap: {
        Value wrapped = arith::RemSIOp::create(b, loc, index.add(position, extent), extent);
        in.push_back(index.clamp(wrapped, 0, last)); // for bounds inference
        break;
      }
      }
    }
    Value value = lowering.at(b, loc, op.getInput(), in);
    if (inside) {
      Value border = lowering.scalar(b, loc, type.getElementType(), op.getValue().convertToDouble());
      value = arith::SelectOp::create(b, loc, inside, value, border);
    }
    halide::YieldOp::create(b, loc, value);
  });
  return success();
}

static LogicalResult lowerBroadcast(nn::BroadcastOp op, GroupLowering &lowering) {
  lowering.defineFunc(op, "broadcast", [&](OpBuilder &b, Location loc, ValueRange point) {
    halide::YieldOp::create(b, loc, lowering.atBroadcast(b, loc, op.getInput(), lowering.typeOf(op), point));
  });
  return success();
}

namespace {
/// Where an output position of a resize reads along one dimension: `weights[k]` of element
/// `positions[k]`.
struct Taps {
  SmallVector<Value, 4> positions, weights;
};
} // namespace

/// The position in the input, as a float, of output position `x` (Keras, ONNX Resize).
static Value sourcePosition(OpBuilder &b, Location loc, nn::Coordinates coordinates, Value x,
                            int64_t in, int64_t out) {
  Type f32 = b.getF32Type();
  auto constant = [&](double value) -> Value {
    return arith::ConstantOp::create(b, loc, b.getFloatAttr(f32, value));
  };
  Value position = arith::SIToFPOp::create(
      b, loc, f32, arith::IndexCastOp::create(b, loc, b.getI32Type(), x));
  auto scaled = [&](Value value, double factor) -> Value {
    return arith::MulFOp::create(b, loc, value, constant(factor));
  };
  switch (coordinates) {
  case nn::Coordinates::HalfPixel:
    position = arith::AddFOp::create(b, loc, position, constant(0.5));
    return arith::SubFOp::create(b, loc, scaled(position, double(in) / out), constant(0.5));
  case nn::Coordinates::Asymmetric:
    return scaled(position, double(in) / out);
  case nn::Coordinates::AlignCorners:
    return scaled(position, out > 1 ? double(in - 1) / (out - 1) : 0.0);
  }
  llvm_unreachable("a way to map coordinates");
}

/// Keys's cubic convolution kernel with a = -0.75, at distance `t` (IEEE TASSP 29(6), 1981).
static Value cubicWeight(OpBuilder &b, Location loc, Value t) {
  auto constant = [&](double value) -> Value {
    return arith::ConstantOp::create(b, loc, b.getFloatAttr(t.getType(), value));
  };
  auto polynomial = [&](ArrayRef<double> coefficients) {
    Value result = constant(coefficients[0]);
    for (double c : coefficients.drop_front())
      result = arith::AddFOp::create(b, loc, arith::MulFOp::create(b, loc, result, t), constant(c));
    return result;
  };
  const double a = -0.75;
  Value near = polynomial({a + 2, -(a + 3), 0, 1}), far = polynomial({a, -5 * a, 8 * a, -4 * a});
  Value isNear = arith::CmpFOp::create(b, loc, arith::CmpFPredicate::OLE, t, constant(1));
  return arith::SelectOp::create(b, loc, isNear, near, far);
}

/// `in` and `out` are the extents; of a free dimension their ratio, and `last` is its last position.
static Taps resizeTaps(OpBuilder &b, Location loc, nn::ResizeOp op, Value x, int64_t in, int64_t out,
                       Value last) {
  IndexBuilder index(b, loc);
  auto toIndex = [&](Value position) -> Value {
    Value asInt = arith::FPToSIOp::create(b, loc, b.getI32Type(), position);
    return arith::IndexCastOp::create(b, loc, b.getIndexType(), asInt);
  };
  auto clamp = [&](Value position) { return index.clamp(position, 0, last); };
  if (op.getMode() == nn::ResizeMode::Nearest && out % in == 0 &&
      op.getCoordinates() != nn::Coordinates::AlignCorners) // exact, without floats
    return {{index.floorDiv(x, out / in)}, {}};
  Value position = sourcePosition(b, loc, op.getCoordinates(), x, in, out);
  if (op.getMode() == nn::ResizeMode::Nearest) {
    if (op.getCoordinates() != nn::Coordinates::Asymmetric) { // to nearest, ties down
      Value half = arith::ConstantOp::create(b, loc, b.getFloatAttr(position.getType(), 0.5));
      position = math::CeilOp::create(b, loc, arith::SubFOp::create(b, loc, position, half));
    } else {
      position = math::FloorOp::create(b, loc, position);
    }
    return {{clamp(toIndex(position))}, {}};
  }
  Value floor = math::FloorOp::create(b, loc, position);
  Value fraction = arith::SubFOp::create(b, loc, position, floor);
  Value base = toIndex(floor);
  Taps taps;
  bool cubic = op.getMode() == nn::ResizeMode::Cubic;
  for (int64_t k = cubic ? -1 : 0; k <= (cubic ? 2 : 1); ++k) {
    taps.positions.push_back(clamp(index.add(base, k)));
    Value offset = arith::ConstantOp::create(b, loc, b.getFloatAttr(fraction.getType(), k));
    Value distance =
        math::AbsFOp::create(b, loc, arith::SubFOp::create(b, loc, fraction, offset));
    Value one = arith::ConstantOp::create(b, loc, b.getFloatAttr(fraction.getType(), 1));
    taps.weights.push_back(cubic ? cubicWeight(b, loc, distance)
                                 : Value(arith::SubFOp::create(b, loc, one, distance)));
  }
  return taps;
}

static LogicalResult lowerResize(nn::ResizeOp op, GroupLowering &lowering) {
  RankedTensorType in = lowering.typeOf(op.getInput()), out = lowering.typeOf(op);
  size_t numSpatial = op.getSizes().size();
  for (size_t i = 0; i < numSpatial; ++i)
    if (in.isDynamicDim(i + 1) && (op.getSizes()[i] > 0 || op.getCoordinates() == nn::Coordinates::AlignCorners))
      return op.emitError("resize: spatial dimension ")
             << i << " is free; supported are static sizes, and multiples of free ones without aligned corners";
  lowering.defineFunc(op, "resize", [&](OpBuilder &b, Location loc, ValueRange point) {
    SmallVector<Taps> taps;
    for (size_t i = 0; i < numSpatial; ++i) {
      bool isFree = in.isDynamicDim(i + 1);
      Value extent = lowering.extent(b, loc, op.getInput(), i + 1);
      taps.push_back(resizeTaps(b, loc, op, point[i + 1], isFree ? 1 : in.getDimSize(i + 1),
                                isFree ? -op.getSizes()[i] : out.getDimSize(i + 1),
                                IndexBuilder(b, loc).add(extent, -1)));
    }
    SmallVector<Value> at(point);
    // The sum over the taps of dimension `i` and those after it.
    auto interpolate = [&](auto &&self, size_t i) -> Value {
      if (i == numSpatial)
        return lowering.at(b, loc, op.getInput(), at);
      Value total;
      for (size_t k = 0; k < taps[i].positions.size(); ++k) {
        at[i + 1] = taps[i].positions[k];
        Value part = self(self, i + 1);
        if (!taps[i].weights.empty()) {
          Value weight = taps[i].weights[k];
          if (weight.getType() != part.getType())
            weight = arith::ExtFOp::create(b, loc, part.getType(), weight);
          part = arith::MulFOp::create(b, loc, part, weight);
        }
        total = total ? Value(arith::AddFOp::create(b, loc, total, part)) : part;
      }
      return total;
    };
    halide::YieldOp::create(b, loc, interpolate(interpolate, 0));
  });
  return success();
}

static LogicalResult lowerGather(nn::GatherOp op, GroupLowering &lowering) {
  RankedTensorType indices = lowering.typeOf(op.getIndices());
  lowering.defineFunc(op, "gather", [&](OpBuilder &b, Location loc, ValueRange point) {
    IndexBuilder index(b, loc);
    Value row = lowering.at(b, loc, op.getIndices(), point.slice(op.getDim(), indices.getRank()));
    if (!row.getType().isIndex())
      row = arith::IndexCastOp::create(b, loc, b.getIndexType(), row);
    SmallVector<Value> in(point.take_front(op.getDim()));
    Value extent = lowering.extent(b, loc, op.getData(), op.getDim());
    in.push_back(index.clamp(row, 0, index.add(extent, -1)));
    in.append(point.begin() + op.getDim() + indices.getRank(), point.end());
    halide::YieldOp::create(b, loc, lowering.at(b, loc, op.getData(), in));
  });
  return success();
}

static LogicalResult lowerIota(nn::IotaOp op, GroupLowering &lowering) {
  lowering.defineFunc(op, "iota", [&](OpBuilder &b, Location loc, ValueRange point) {
    Value index = arith::IndexCastOp::create(b, loc, b.getI64Type(), point[op.getDim()]);
    halide::YieldOp::create(b, loc, index);
  });
  return success();
}

static LogicalResult lowerRange(nn::RangeOp op, GroupLowering &lowering) {
  lowering.defineFunc(op, "range", [&](OpBuilder &b, Location loc, ValueRange point) {
    halide::YieldOp::create(b, loc, Value(arith::IndexCastOp::create(b, loc, b.getI64Type(), point[0])));
  });
  return success();
}

static LogicalResult lowerSize(nn::SizeOp op, GroupLowering &lowering) {
  lowering.defineFunc(op, "size", [&](OpBuilder &b, Location loc, ValueRange) {
    IndexBuilder index(b, loc);
    SmallVector<std::pair<Value, unsigned>> dims; // operand and dimension
    for (Value operand : op.getLike())
      for (int64_t i = 0; i < lowering.typeOf(operand).getRank(); ++i)
        dims.push_back({operand, i});
    auto compute = [&](auto &&self, AffineExpr part) -> Value {
      if (auto constant = dyn_cast<AffineConstantExpr>(part))
        return index.constant(constant.getValue());
      if (auto dim = dyn_cast<AffineSymbolExpr>(part))
        return lowering.extent(b, loc, dims[dim.getPosition()].first, dims[dim.getPosition()].second);
      auto binary = cast<AffineBinaryOpExpr>(part);
      Value x = self(self, binary.getLHS()), y = self(self, binary.getRHS());
      switch (part.getKind()) {
      case AffineExprKind::Add:
        return index.add(x, y);
      case AffineExprKind::Mul:
        return arith::MulIOp::create(b, loc, x, y);
      case AffineExprKind::FloorDiv:
        return arith::FloorDivSIOp::create(b, loc, x, y);
      case AffineExprKind::CeilDiv:
        return arith::FloorDivSIOp::create(b, loc, index.add(index.add(x, y), -1), y);
      default: // the remainder is that of the quotient rounded down
        return index.sub(x, arith::MulIOp::create(b, loc, Value(arith::FloorDivSIOp::create(b, loc, x, y)), y));
      }
    };
    Value value = compute(compute, op.getValue().getResult(0));
    halide::YieldOp::create(b, loc, Value(arith::IndexCastOp::create(b, loc, b.getI64Type(), value)));
  });
  return success();
}

/// `update` combined with what is `there`.
static Value combineUpdate(OpBuilder &b, Location loc, nn::ScatterKind kind, Type type, Value there, Value update) {
  bool isFloat = isa<FloatType>(type), isUnsigned = type.isUnsignedInteger();
  switch (kind) {
  case nn::ScatterKind::Set:
    return update;
  case nn::ScatterKind::Add:
    return isFloat ? Value(arith::AddFOp::create(b, loc, there, update))
                   : Value(arith::AddIOp::create(b, loc, there, update));
  case nn::ScatterKind::Mul:
    return isFloat ? Value(arith::MulFOp::create(b, loc, there, update))
                   : Value(arith::MulIOp::create(b, loc, there, update));
  case nn::ScatterKind::Max:
    if (isUnsigned)
      return arith::MaxUIOp::create(b, loc, there, update);
    return isFloat ? Value(arith::MaximumFOp::create(b, loc, there, update))
                   : Value(arith::MaxSIOp::create(b, loc, there, update));
  case nn::ScatterKind::Min:
    if (isUnsigned)
      return arith::MinUIOp::create(b, loc, there, update);
    return isFloat ? Value(arith::MinimumFOp::create(b, loc, there, update))
                   : Value(arith::MinSIOp::create(b, loc, there, update));
  }
  llvm_unreachable("a kind of scatter");
}

static LogicalResult lowerScatter(nn::ScatterOp op, GroupLowering &lowering) {
  RankedTensorType type = lowering.typeOf(op);
  halide::FuncOp func = lowering.defineFunc(op, "scatter", [&](OpBuilder &b, Location loc, ValueRange point) {
    halide::YieldOp::create(b, loc, lowering.at(b, loc, op.getData(), point));
  });
  auto body = [&](OpBuilder &b, Location loc, ValueRange vars) {
    IndexBuilder index(b, loc);
    Value column = vars[1], m = vars.back();
    Value row = lowering.at(b, loc, op.getIndices(), m);
    if (!row.getType().isIndex())
      row = arith::IndexCastOp::create(b, loc, b.getIndexType(), row);
    row = index.clamp(row, 0, index.add(lowering.extent(b, loc, op.getData(), 0), -1));
    Value update = lowering.at(b, loc, op.getUpdates(), ValueRange{m, column});
    if (op.getKind() != nn::ScatterKind::Set) {
      Value there = lowering.at(b, loc, func, ValueRange{row, column});
      update = combineUpdate(b, loc, op.getKind(), type.getElementType(), there, update);
    }
    halide::YieldOp::create(b, loc, update, ValueRange{row, column});
  };
  halide::UpdateOp::create(lowering.builder, op.getLoc(), func,
                           halide::ReductionVariable{"rm", 0, lowering.extentBound(op.getIndices(), 0)}, body);
  return success();
}

/// A reshape inside a group adds or drops dimensions of size one.
static LogicalResult lowerReshape(nn::ReshapeOp op, GroupLowering &lowering) {
  lowering.defineFunc(op, "reshape", [&](OpBuilder &b, Location loc, ValueRange point) {
    SmallVector<Value> kept, in;
    for (auto [size, coordinate] : llvm::zip(lowering.typeOf(op).getShape(), point))
      if (size != 1)
        kept.push_back(coordinate);
    unsigned next = 0;
    for (int64_t size : lowering.typeOf(op.getInput()).getShape())
      in.push_back(size == 1 ? IndexBuilder(b, loc).constant(0) : kept[next++]);
    halide::YieldOp::create(b, loc, lowering.at(b, loc, op.getInput(), in));
  });
  return success();
}

static LogicalResult lowerFull(nn::FullOp op, GroupLowering &lowering) {
  lowering.defineFunc(op, "full", [&](OpBuilder &b, Location loc, ValueRange) {
    Type type = lowering.typeOf(op).getElementType();
    halide::YieldOp::create(b, loc, lowering.scalar(b, loc, type, op.getValue().convertToDouble()));
  });
  return success();
}

void sylvite::addShapeLowerings(LoweringTable &table) {
  table.add<nn::BroadcastOp, lowerBroadcast>();
  table.add<nn::ConcatOp, lowerConcat>();
  table.add<nn::FullOp, lowerFull>();
  table.add<nn::ReshapeOp, lowerReshape>();
  table.add<nn::GatherOp, lowerGather>();
  table.add<nn::IotaOp, lowerIota>();
  table.add<nn::PadOp, lowerPad>();
  table.add<nn::RangeOp, lowerRange>();
  table.add<nn::ResizeOp, lowerResize>();
  table.add<nn::ScatterOp, lowerScatter>();
  table.add<nn::SizeOp, lowerSize>();
  table.add<nn::SliceOp, lowerSlice>();
  table.add<nn::SliceGradOp, lowerSliceGrad>();
  table.add<nn::TransposeOp, lowerTranspose>();
}
