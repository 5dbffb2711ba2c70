//===- Norm.cpp - reductions and normalization to halide -------------------===//
//
// Reductions are funcs over the dimensions that stay, updated over those that go; softmax and layer
// normalization are two of them and a func that uses both.
//
//===----------------------------------------------------------------------===//
#include "passes/lower/Lowering.h"

#include "dialects/nn/Pointwise.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;
using namespace sylvite;

using Combine = llvm::function_ref<Value(OpBuilder &, Location, Value accumulator, Value element)>;
using ReadPoint = llvm::function_ref<Value(OpBuilder &, Location, ValueRange point)>;

/// Reduces what `read` gives at the points of a tensor shaped as `shaped` over `dims`, starting from
/// `initial`. The func's variables are the dimensions that stay.
static halide::FuncOp reduceOver(GroupLowering &lowering, Location loc, StringRef name, Value shaped,
                                 ArrayRef<int64_t> dims, double initial, ReadPoint read,
                                 Combine combine) {
  RankedTensorType type = lowering.typeOf(shaped);
  Type elementType = type.getElementType();
  unsigned kept = type.getRank() - dims.size();
  halide::FuncOp func = lowering.createFunc(
      loc, name, kept, elementType, [&](OpBuilder &b, Location loc, ValueRange) {
        halide::YieldOp::create(b, loc, lowering.scalar(b, loc, elementType, initial));
      });
  static constexpr StringLiteral names[] = {"r0", "r1", "r2", "r3", "r4", "r5", "r6", "r7"};
  SmallVector<halide::ReductionVariable> reduction;
  for (auto [i, dim] : llvm::enumerate(dims))
    reduction.push_back({names[i], 0, lowering.extentBound(shaped, dim)});
  auto body = [&](OpBuilder &b, Location loc, ValueRange vars) {
    SmallVector<Value> point;
    unsigned nextKept = 0, nextReduced = kept;
    for (int64_t dim = 0; dim < type.getRank(); ++dim)
      point.push_back(vars[llvm::is_contained(dims, dim) ? nextReduced++ : nextKept++]);
    Value accumulator = lowering.at(b, loc, func, vars.take_front(kept));
    halide::YieldOp::create(b, loc, combine(b, loc, accumulator, read(b, loc, point)));
  };
  halide::UpdateOp::create(lowering.builder, loc, func, reduction, body);
  return func;
}

/// The coordinates of `point` that are not in `dims`.
static SmallVector<Value> keptIndices(ValueRange point, ArrayRef<int64_t> dims) {
  SmallVector<Value> result;
  for (auto [i, index] : llvm::enumerate(point))
    if (!llvm::is_contained(dims, static_cast<int64_t>(i)))
      result.push_back(index);
  return result;
}

/// The number of elements along `dims`, as a scalar of the element type.
static Value countElements(OpBuilder &b, Location loc, GroupLowering &lowering, Value shaped,
                           ArrayRef<int64_t> dims) {
  RankedTensorType type = lowering.typeOf(shaped);
  int64_t known = 1;
  Value dynamic;
  for (int64_t dim : dims) {
    if (!type.isDynamicDim(dim)) {
      known *= type.getDimSize(dim);
      continue;
    }
    Value extent = lowering.extent(b, loc, shaped, dim);
    dynamic = dynamic ? Value(arith::MulIOp::create(b, loc, dynamic, extent)) : extent;
  }
  Value count = lowering.scalar(b, loc, type.getElementType(), known);
  if (!dynamic)
    return count;
  Value asInt = arith::IndexCastOp::create(b, loc, b.getI32Type(), dynamic);
  if (!isa<FloatType>(count.getType()))
    return arith::MulIOp::create(b, loc, count,
                                 arith::ExtSIOp::create(b, loc, count.getType(), asInt));
  return arith::MulFOp::create(b, loc, count,
                               arith::SIToFPOp::create(b, loc, count.getType(), asInt));
}

static Value addScalars(OpBuilder &b, Location loc, Value x, Value y) {
  return isa<FloatType>(x.getType()) ? Value(arith::AddFOp::create(b, loc, x, y))
                                     : Value(arith::AddIOp::create(b, loc, x, y));
}
static Value mulScalars(OpBuilder &b, Location loc, Value x, Value y) {
  return isa<FloatType>(x.getType()) ? Value(arith::MulFOp::create(b, loc, x, y))
                                     : Value(arith::MulIOp::create(b, loc, x, y));
}

namespace {
/// Exponentials that cannot overflow: exp(x - maximum), and their sum.
struct Exponentials {
  halide::FuncOp maximum, exponential, sum;
};
} // namespace

static Exponentials sumExponentials(GroupLowering &lowering, Location loc, Value input, ArrayRef<int64_t> dims) {
  auto read = [&](OpBuilder &b, Location loc, ValueRange point) {
    return lowering.at(b, loc, input, point);
  };
  halide::FuncOp maximum =
      reduceOver(lowering, loc, "row_max", input, dims, -std::numeric_limits<double>::infinity(), read,
                 [](OpBuilder &b, Location loc, Value x, Value y) -> Value {
                   return arith::MaximumFOp::create(b, loc, x, y);
                 });
  RankedTensorType type = lowering.typeOf(input);
  halide::FuncOp exponential = lowering.createFunc(
      loc, "exp", type.getRank(), type.getElementType(),
      [&](OpBuilder &b, Location loc, ValueRange point) {
        Value shifted =
            arith::SubFOp::create(b, loc, read(b, loc, point),
                                  lowering.at(b, loc, maximum, keptIndices(point, dims)));
        halide::YieldOp::create(b, loc, Value(math::ExpOp::create(b, loc, shifted)));
      });
  halide::FuncOp sum = reduceOver(
      lowering, loc, "row_sum", input, dims, 0,
      [&](OpBuilder &b, Location loc, ValueRange point) {
        return lowering.at(b, loc, exponential, point);
      },
      addScalars);
  return {maximum, exponential, sum};
}

static LogicalResult lowerLogSumExp(nn::ReduceOp op, GroupLowering &lowering) {
  auto [maximum, exponential, sum] = sumExponentials(lowering, op.getLoc(), op.getInput(), op.getDims());
  lowering.defineFunc(op, "log_sum_exp", [&, maximum = maximum, sum = sum](OpBuilder &b, Location loc, ValueRange point) {
    SmallVector<Value> kept = op.getKeepDims() ? keptIndices(point, op.getDims()) : SmallVector<Value>(point);
    Value log = math::LogOp::create(b, loc, lowering.at(b, loc, sum, kept));
    halide::YieldOp::create(b, loc, Value(arith::AddFOp::create(b, loc, lowering.at(b, loc, maximum, kept), log)));
  });
  return success();
}

static LogicalResult lowerReduce(nn::ReduceOp op, GroupLowering &lowering) {
  using nn::ReduceKind;
  ReduceKind kind = op.getKind();
  if (kind == ReduceKind::LogSumExp)
    return lowerLogSumExp(op, lowering);
  RankedTensorType type = lowering.typeOf(op.getInput());
  bool isFloat = isa<FloatType>(type.getElementType());
  double initial = 0;
  if (kind == ReduceKind::Prod)
    initial = 1;
  else if (kind == ReduceKind::Max || kind == ReduceKind::Min) {
    initial = kind == ReduceKind::Max ? -std::numeric_limits<double>::infinity()
                                      : std::numeric_limits<double>::infinity();
  }
  halide::FuncOp total = reduceOver(
      lowering, op.getLoc(), "total", op.getInput(), op.getDims(), initial,
      [&](OpBuilder &b, Location loc, ValueRange point) {
        Value element = lowering.at(b, loc, op.getInput(), point);
        return kind == ReduceKind::SumSquare ? mulScalars(b, loc, element, element) : element;
      },
      [&](OpBuilder &b, Location loc, Value accumulator, Value element) -> Value {
        switch (kind) {
        case ReduceKind::Prod:
          return mulScalars(b, loc, accumulator, element);
        case ReduceKind::Max:
          return GroupLowering::extreme(b, loc, type.getElementType(), /*greater=*/true, accumulator, element);
        case ReduceKind::Min:
          return GroupLowering::extreme(b, loc, type.getElementType(), /*greater=*/false, accumulator, element);
        default:
          return addScalars(b, loc, accumulator, element);
        }
      });
  if (kind != ReduceKind::Mean && !op.getKeepDims()) {
    lowering.bind(op, total);
    return success();
  }
  lowering.defineFunc(op, "reduce", [&](OpBuilder &b, Location loc, ValueRange point) {
    Value value = lowering.at(
        b, loc, total, op.getKeepDims() ? keptIndices(point, op.getDims()) : SmallVector<Value>(point));
    if (kind == ReduceKind::Mean) {
      Value count = countElements(b, loc, lowering, op.getInput(), op.getDims());
      value = isFloat ? Value(arith::DivFOp::create(b, loc, value, count))
                      : Value(arith::DivSIOp::create(b, loc, value, count));
    }
    halide::YieldOp::create(b, loc, value);
  });
  return success();
}

static LogicalResult lowerSoftmax(nn::SoftmaxOp op, GroupLowering &lowering) {
  ArrayRef<int64_t> dims = op.getDims();
  auto [maximum, exponential, sum] = sumExponentials(lowering, op.getLoc(), op.getInput(), dims);
  lowering.defineFunc(op, "softmax", [&, exponential = exponential, sum = sum](OpBuilder &b, Location loc, ValueRange point) {
    Value numerator = lowering.at(b, loc, exponential, point);
    Value denominator = lowering.at(b, loc, sum, keptIndices(point, dims));
    halide::YieldOp::create(b, loc, nn::ScalarBuilder(b, loc).quickDiv(numerator, denominator));
  });
  return success();
}

/// Rows of `input` over `dims` times one over the root of their mean square and `epsilon`; where `isCentered`, less their mean
/// first.
static LogicalResult lowerRowNorm(GroupLowering &lowering, Value result, StringRef name, Value input,
                                  ArrayRef<int64_t> dims, double epsilon, bool isCentered) {
  Location loc = result.getLoc();
  RankedTensorType type = lowering.typeOf(result);
  unsigned kept = type.getRank() - dims.size();
  auto read = [&](OpBuilder &b, Location loc, ValueRange point) { return lowering.at(b, loc, input, point); };
  auto meanOf = [&](OpBuilder &b, Location loc, halide::FuncOp sum, ValueRange point) -> Value {
    Value count = countElements(b, loc, lowering, input, dims);
    return arith::DivFOp::create(b, loc, lowering.at(b, loc, sum, point), count);
  };
  halide::FuncOp mean;
  if (isCentered) {
    halide::FuncOp sum = reduceOver(lowering, loc, "row_sum", input, dims, 0, read, addScalars);
    mean = lowering.createFunc(loc, "mean", kept, type.getElementType(), [&](OpBuilder &b, Location loc, ValueRange point) {
      halide::YieldOp::create(b, loc, meanOf(b, loc, sum, point));
    });
  }
  auto centered = [&](OpBuilder &b, Location loc, ValueRange point) -> Value {
    Value x = read(b, loc, point);
    return isCentered ? Value(arith::SubFOp::create(b, loc, x, lowering.at(b, loc, mean, keptIndices(point, dims)))) : x;
  };
  halide::FuncOp squares = reduceOver(
      lowering, loc, "square_sum", input, dims, 0,
      [&](OpBuilder &b, Location loc, ValueRange point) -> Value {
        Value x = centered(b, loc, point);
        return arith::MulFOp::create(b, loc, x, x);
      },
      addScalars);
  halide::FuncOp scale = lowering.createFunc(
      loc, "scale", kept, type.getElementType(), [&](OpBuilder &b, Location loc, ValueRange point) {
        Value bias = lowering.scalar(b, loc, type.getElementType(), epsilon);
        Value root = math::SqrtOp::create(b, loc, arith::AddFOp::create(b, loc, meanOf(b, loc, squares, point), bias));
        Value one = lowering.scalar(b, loc, type.getElementType(), 1);
        halide::YieldOp::create(b, loc, Value(arith::DivFOp::create(b, loc, one, root)));
      });
  lowering.defineFunc(result, name, [&](OpBuilder &b, Location loc, ValueRange point) {
    Value factor = lowering.at(b, loc, scale, keptIndices(point, dims));
    Value value = arith::MulFOp::create(b, loc, centered(b, loc, point), factor);
    halide::YieldOp::create(b, loc, value);
  });
  return success();
}

static LogicalResult lowerLayerNorm(nn::LayerNormOp op, GroupLowering &lowering) {
  return lowerRowNorm(lowering, op, "layer_norm", op.getInput(), op.getDims(), op.getEpsilon().convertToDouble(),
                      /*isCentered=*/true);
}

static LogicalResult lowerRMSNorm(nn::RMSNormOp op, GroupLowering &lowering) {
  return lowerRowNorm(lowering, op, "rms_norm", op.getInput(), op.getDims(), op.getEpsilon().convertToDouble(),
                      /*isCentered=*/false);
}

/// What nn-simplify did not fold, for those who lower without it.
static LogicalResult lowerBatchNorm(nn::BatchNormOp op, GroupLowering &lowering) {
  lowering.defineFunc(op, "batch_norm", [&](OpBuilder &b, Location loc, ValueRange point) {
    ValueRange channel = point.take_back(1);
    Value epsilon = lowering.scalar(b, loc, lowering.typeOf(op).getElementType(),
                                    op.getEpsilon().convertToDouble());
    Value variance = lowering.at(b, loc, op.getVariance(), channel);
    Value deviation =
        math::SqrtOp::create(b, loc, arith::AddFOp::create(b, loc, variance, epsilon));
    Value centered = arith::SubFOp::create(b, loc, lowering.at(b, loc, op.getInput(), point),
                                           lowering.at(b, loc, op.getMean(), channel));
    Value scale = arith::DivFOp::create(b, loc, lowering.at(b, loc, op.getScale(), channel), deviation);
    Value scaled = arith::MulFOp::create(b, loc, centered, scale);
    Value offset = lowering.at(b, loc, op.getOffset(), channel);
    halide::YieldOp::create(b, loc, Value(arith::AddFOp::create(b, loc, scaled, offset)));
  });
  return success();
}

void sylvite::addNormLowerings(LoweringTable &table) {
  table.add<nn::ReduceOp, lowerReduce>();
  table.add<nn::SoftmaxOp, lowerSoftmax>();
  table.add<nn::LayerNormOp, lowerLayerNorm>();
  table.add<nn::RMSNormOp, lowerRMSNorm>();
  table.add<nn::BatchNormOp, lowerBatchNorm>();
}
