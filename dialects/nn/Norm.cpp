//===- Norm.cpp - reductions and normalization -----------------------------===//
//
// Shapes, checks and gradients of nn.reduce, nn.softmax, nn.layer_norm, nn.rms_norm and nn.batch_norm.
//
//===----------------------------------------------------------------------===//
#include "dialects/nn/TensorBuilder.h"
#include "dialects/nn/Windows.h"

#include <numeric>

using namespace mlir;
using namespace sylvite::nn;

LogicalResult sylvite::nn::verifyDims(std::optional<Location> loc, StringRef label,
                                      ArrayRef<int64_t> dims, size_t rank) {
  for (size_t i = 0; i < dims.size(); ++i)
    if (dims[i] < 0 || dims[i] >= static_cast<int64_t>(rank) || (i && dims[i] <= dims[i - 1]))
      return emitOptionalError(loc, label, ": dims are distinct, ascending and below the rank, ",
                               rank, "; found ", dims[i]);
  return success();
}

FailureOr<ShapeExpr> ReduceOp::inferShape(Adaptor adaptor, std::optional<Location> loc,
                                          ArrayRef<ShapeExpr> shapes) {
  ArrayRef<int64_t> dims = adaptor.getDims();
  if (failed(verifyDims(loc, "reduce_c1", dims, shapes[0].size())))
    return failure();
  if (adaptor.getKind() == ReduceKind::LogSumExp && !isa<FloatType>(getElementTypeOrSelf(adaptor.getInput())))
    return emitOptionalError(loc, "reduce_c2: log_sum_exp takes floats");
  ShapeExpr result;
  for (auto [i, dim] : llvm::enumerate(shapes[0]))
    if (!llvm::is_contained(dims, static_cast<int64_t>(i)))
      result.push_back(dim);
    else if (adaptor.getKeepDims())
      result.push_back(getAffineConstantExpr(1, dim.getContext()));
  return result;
}

FailureOr<ShapeExpr> SoftmaxOp::inferShape(Adaptor adaptor, std::optional<Location> loc,
                                           ArrayRef<ShapeExpr> shapes) {
  if (failed(verifyDims(loc, "softmax_c1", adaptor.getDims(), shapes[0].size())))
    return failure();
  return shapes[0];
}

FailureOr<ShapeExpr> LayerNormOp::inferShape(Adaptor adaptor, std::optional<Location> loc,
                                             ArrayRef<ShapeExpr> shapes) {
  if (failed(verifyDims(loc, "layer_norm_c1", adaptor.getDims(), shapes[0].size())))
    return failure();
  return shapes[0];
}

FailureOr<ShapeExpr> RMSNormOp::inferShape(Adaptor adaptor, std::optional<Location> loc,
                                           ArrayRef<ShapeExpr> shapes) {
  if (failed(verifyDims(loc, "rms_norm_c1", adaptor.getDims(), shapes[0].size())))
    return failure();
  return shapes[0];
}

FailureOr<ShapeExpr> BatchNormOp::inferShape(Adaptor adaptor, std::optional<Location> loc,
                                             ArrayRef<ShapeExpr> shapes) {
  if (shapes[0].empty())
    return emitOptionalError(loc, "batch_norm_c1: the input has no channel dimension");
  for (const ShapeExpr &vector : shapes.drop_front())
    if (vector.size() != 1 || vector[0] != shapes[0].back())
      return emitOptionalError(loc, "batch_norm_c1: scale, offset, mean and variance are vectors "
                                    "with one element per channel");
  return shapes[0];
}

//===----------------------------------------------------------------------===//
// Gradients
//===----------------------------------------------------------------------===//

FailureOr<SmallVector<Value>> ReduceOp::buildGradient(OpBuilder &builder, ValueRange gradients) {
  TensorBuilder b(getLoc(), builder);
  Value x = getInput();
  auto over = [&](Value value) { return b.broadcastOver(value, x, getDims()); };
  auto keep = [&](Value value) { return b.reduce(ReduceKind::Sum, value, getDims(), getKeepDims()); };
  Value g = gradients[0];
  switch (getKind()) {
  case ReduceKind::Sum:
    return SmallVector<Value>{over(g)};
  case ReduceKind::Mean:
    return SmallVector<Value>{over(b.map(g, b.countElements(x, getDims()), &ScalarBuilder::div))};
  case ReduceKind::SumSquare:
    return SmallVector<Value>{b.multiply(b.scale(x, 2), over(g))};
  case ReduceKind::LogSumExp:
    return SmallVector<Value>{b.map(ValueRange{x, over(getResult()), over(g)}, [](ScalarBuilder &s, ValueRange v) {
      return s.mul(v[2], s.exp(s.sub(v[0], v[1])));
    })};
  case ReduceKind::Max:
  case ReduceKind::Min: { // those that are it share the gradient
    Value chosen = b.map(x, over(getResult()), &ScalarBuilder::equals);
    return SmallVector<Value>{b.multiply(chosen, over(b.map(g, keep(chosen), &ScalarBuilder::div)))};
  }
  case ReduceKind::Prod: {
    Value zeros = keep(b.isZero(x));
    Value rest = b.reduce(ReduceKind::Prod, b.withoutZeros(x), getDims(), getKeepDims());
    return SmallVector<Value>{b.multiply(b.productOfOthers(x, over(zeros), over(rest)), over(g))};
  }
  }
  llvm_unreachable("a kind of reduction");
}

FailureOr<SmallVector<Value>> SoftmaxOp::buildGradient(OpBuilder &builder, ValueRange gradients) {
  TensorBuilder b(getLoc(), builder);
  Value y = getResult(), product = b.multiply(y, gradients[0]);
  Value sum = b.reduce(ReduceKind::Sum, product, getDims(), /*keepDims=*/true);
  return SmallVector<Value>{b.map(ValueRange{y, gradients[0], sum}, [](ScalarBuilder &s, ValueRange v) {
    return s.mul(v[0], s.sub(v[1], v[2]));
  })};
}

FailureOr<SmallVector<Value>> LayerNormOp::buildGradient(OpBuilder &builder, ValueRange gradients) {
  TensorBuilder b(getLoc(), builder);
  Value x = getInput(), y = getResult(), g = gradients[0];
  auto mean = [&](Value value) { return b.reduce(ReduceKind::Mean, value, getDims(), /*keepDims=*/true); };
  Value centered = b.subtract(x, mean(x));
  Value variance = mean(b.multiply(centered, centered));
  double epsilon = getEpsilon().convertToDouble();
  // (g - mean(g) - y * mean(g * y)) / deviation
  return SmallVector<Value>{
      b.map(ValueRange{g, mean(g), y, mean(b.multiply(g, y)), variance}, [&](ScalarBuilder &s, ValueRange v) {
        Value rest = s.sub(s.sub(v[0], v[1]), s.mul(v[2], v[3]));
        return s.mul(rest, s.rsqrt(s.add(v[4], s.constant(epsilon, v[4]))));
      })};
}

FailureOr<SmallVector<Value>> RMSNormOp::buildGradient(OpBuilder &builder, ValueRange gradients) {
  TensorBuilder b(getLoc(), builder);
  Value x = getInput(), y = getResult(), g = gradients[0];
  auto mean = [&](Value value) { return b.reduce(ReduceKind::Mean, value, getDims(), /*keepDims=*/true); };
  double epsilon = getEpsilon().convertToDouble();
  // (g - y * mean(g * y)) / root
  return SmallVector<Value>{
      b.map(ValueRange{g, y, mean(b.multiply(g, y)), mean(b.multiply(x, x))}, [&](ScalarBuilder &s, ValueRange v) {
        Value rest = s.sub(v[0], s.mul(v[1], v[2]));
        return s.mul(rest, s.rsqrt(s.add(v[3], s.constant(epsilon, v[3]))));
      })};
}

FailureOr<SmallVector<Value>> BatchNormOp::buildGradient(OpBuilder &builder, ValueRange gradients) {
  TensorBuilder b(getLoc(), builder);
  Value g = gradients[0], x = getInput(), mean = getMean();
  double epsilon = getEpsilon().convertToDouble();
  Value inverse = b.map(getVariance(), [&](ScalarBuilder &s, Value v) {
    return s.rsqrt(s.add(v, s.constant(epsilon, v)));
  });
  RankedTensorType vector = b.typeOf(getScale());
  Value sum = b.sumTo(g, vector);
  Value weighted = b.sumTo(b.map(ValueRange{g, x, mean}, [](ScalarBuilder &s, ValueRange v) {
    return s.mul(v[0], s.sub(v[1], v[2]));
  }), vector);
  Value factor = b.multiply(getScale(), inverse), dScale = b.multiply(weighted, inverse);
  if (getOfInput()) {
    // factor * (g - sum / n - (x - mean) * weighted / n / deviation^2), of n positions
    SmallVector<int64_t> dims(b.typeOf(x).getRank() - 1);
    std::iota(dims.begin(), dims.end(), 0);
    Value share = b.map(factor, b.countElements(x, dims), &ScalarBuilder::div);
    Value base = b.multiply(sum, share);
    Value slope = b.map(ValueRange{dScale, inverse, share}, [](ScalarBuilder &s, ValueRange v) {
      return s.mul(s.mul(v[0], v[1]), v[2]);
    });
    Value dx = b.map(ValueRange{g, x, factor, mean, slope, base}, [](ScalarBuilder &s, ValueRange v) {
      return s.sub(s.sub(s.mul(v[0], v[2]), s.mul(s.sub(v[1], v[3]), v[4])), v[5]);
    });
    return SmallVector<Value>{dx, dScale, sum, Value(), Value()};
  }
  Value dMean = b.map(sum, factor, [](ScalarBuilder &s, Value x, Value f) { return s.neg(s.mul(x, f)); });
  Value dVariance = b.map(ValueRange{weighted, factor, inverse}, [](ScalarBuilder &s, ValueRange v) {
    return s.mul(s.constant(-0.5, v[0]), s.mul(s.mul(v[0], v[1]), s.mul(v[2], v[2])));
  });
  return SmallVector<Value>{b.multiply(g, factor), dScale, sum, dMean, dVariance};
}
